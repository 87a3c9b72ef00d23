#include "tools/cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "tools/run/nearest.h"

static int parse_int(const char *name, const char *text, int64_t *value, ps_diag *diag)
{
	char *end;

	errno = 0;
	*value = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return ps_fail(diag, PS_EUSAGE, "%s: '%s' is not a whole number", name, text);
	return 0;
}

static int parse_real(const char *name, const char *text, double *value, ps_diag *diag)
{
	char *end;

	errno = 0;
	*value = strtod(text, &end);
	if (errno || end == text || *end || !isfinite(*value))
		return ps_fail(diag, PS_EUSAGE, "%s: '%s' is not a number", name, text);
	return 0;
}

static int add_int(const char *name, const char *text, ps_int_list *list, ps_diag *diag)
{
	if (list->count == PS_LIST_MAX)
		return ps_fail(diag, PS_EUSAGE, "%s: more than %d values", name, PS_LIST_MAX);
	return parse_int(name, text, &list->item[list->count++], diag);
}

static int add_text(const char *name, const char *text, ps_text_list *list, ps_diag *diag)
{
	if (list->count == PS_LIST_MAX)
		return ps_fail(diag, PS_EUSAGE, "%s: more than %d values", name, PS_LIST_MAX);
	list->item[list->count++] = text;
	return 0;
}

static bool looks_numeric(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

static unsigned kind_of(const ps_option *option)
{
	return option->kind & ~(unsigned)PS_OPTION_WANTED;
}

static int store(const ps_option *option, const char *text, ps_diag *diag)
{
	switch (kind_of(option)) {
	case PS_OPTION_TEXT:
		*(const char **)option->value = text;
		return 0;
	case PS_OPTION_INT:
		return parse_int(option->name, text, option->value, diag);
	case PS_OPTION_REAL:
		return parse_real(option->name, text, option->value, diag);
	case PS_OPTION_SIZE:
		return ps_size_parse(text, option->value, diag);
	case PS_OPTION_LIST:
	case PS_OPTION_TEXTS:
		return add_text(option->name, text, option->value, diag);
	case PS_OPTION_INTS:
		return add_int(option->name, text, option->value, diag);
	default:
		return ps_fail(diag, PS_EUSAGE, "%s takes no value", option->name);
	}
}

/* Takes the further values of a list option from argv[i] on. Returns the index of the first
 * argument that is not one, or a negative code. */
static int take_more(const ps_option *option, int argc, char **argv, int i, ps_diag *diag)
{
	for (; i < argc; i++) {
		bool more = kind_of(option) == PS_OPTION_LIST
				    ? argv[i][0] != '-'
				    : kind_of(option) == PS_OPTION_INTS && looks_numeric(argv[i]);
		int rc = more ? store(option, argv[i], diag) : 0;

		if (rc)
			return rc;
		if (!more)
			break;
	}
	return i;
}

static const ps_option *find(const char *name, size_t length, const ps_option *const *tables,
			     size_t count)
{
	for (size_t t = 0; t < count; t++)
		for (const ps_option *o = tables[t]; o->name; o++)
			if (strlen(o->name) == length && !memcmp(o->name, name, length))
				return o;
	return NULL;
}

static int unknown(const char *name, const ps_option *const *tables, size_t count, ps_diag *diag)
{
	const char *names[128], *nearest;
	size_t n = 0;

	for (size_t t = 0; t < count; t++)
		for (const ps_option *o = tables[t]; o->name && n < 127; o++)
			names[n++] = o->name;
	names[n] = NULL;
	nearest = ps_nearest_name(name, names);
	if (nearest)
		return ps_fail(diag, PS_EUSAGE, "unknown option %s (the nearest is %s)", name,
			       nearest);
	return ps_fail(diag, PS_EUSAGE, "unknown option %s", name);
}

int ps_options_parse(int argc, char **argv, const ps_option *const *tables, size_t count,
		     ps_text_list *positional, ps_diag *diag)
{
	bool options_ended = false;

	for (int i = 0; i < argc;) {
		const char *argument = argv[i++], *equals = strchr(argument, '=');
		const ps_option *option;
		int rc;

		if (options_ended || argument[0] != '-' || !argument[1]) {
			rc = add_text("arguments", argument, positional, diag);
			if (rc)
				return rc;
			continue;
		}
		if (!strcmp(argument, "--")) {
			options_ended = true;
			continue;
		}
		option = find(argument, equals ? (size_t)(equals - argument) : strlen(argument),
			      tables, count);
		if (!option)
			return unknown(argument, tables, count, diag);
		if (kind_of(option) == PS_OPTION_FLAG && !equals) {
			*(bool *)option->value = true;
			continue;
		}
		if (!equals && i == argc)
			return ps_fail(diag, PS_EUSAGE, "%s needs a value", argument);
		rc = store(option, equals ? equals + 1 : argv[i++], diag);
		if (rc)
			return rc;
		i = take_more(option, argc, argv, i, diag);
		if (i < 0)
			return i;
	}
	return 0;
}

static bool is_given(const ps_option *option)
{
	switch (kind_of(option)) {
	case PS_OPTION_LIST:
	case PS_OPTION_TEXTS:
		return ((const ps_text_list *)option->value)->count;
	case PS_OPTION_INTS:
		return ((const ps_int_list *)option->value)->count;
	default:
		return *(const char *const *)option->value;
	}
}

int ps_options_check(const ps_option *table, ps_diag *diag)
{
	for (; table->name; table++)
		if (table->kind & PS_OPTION_WANTED && !is_given(table))
			return ps_fail(diag, PS_EUSAGE, "%s is required", table->name);
	return 0;
}

void ps_options_help(const ps_option *table)
{
	for (; table->name; table++)
		printf("  %-14s %s%s\n", table->name, table->help,
		       table->kind & PS_OPTION_WANTED ? "  (required)" : "");
}
