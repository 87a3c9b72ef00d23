#include "tools/args/options.h"

#include <stdio.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/number.h"
#include "tools/run/nearest.h"

bool ps_option_range(const ps_option *option, ps_range *range)
{
	const bool whole = !ps_option_is_real(option);

	if (option->kind & PS_OPTION_POSITIVE)
		*range = whole ? PS_FROM(1) : PS_ABOVE(0);
	else if (option->kind & PS_OPTION_NATURAL)
		*range = PS_FROM(0);
	else if (option->kind & PS_OPTION_COUNT)
		*range = PS_BETWEEN(1, INT32_MAX);
	else if (option->kind & (PS_OPTION_SHARE | PS_OPTION_BELOW_1 | PS_OPTION_INSIDE))
		*range = (ps_range){.least = 0,
				    .most = 1,
				    .above = option->kind & PS_OPTION_INSIDE,
				    .below = !(option->kind & PS_OPTION_SHARE)};
	else
		return false;
	return true;
}

static bool takes_percent(const ps_option *option)
{
	return option->kind & (PS_OPTION_SHARE | PS_OPTION_BELOW_1);
}

/* "--lr 'fast' is not a number; it must be above 0" */
static int refuse(const ps_option *option, const char *text, const char *fault, ps_diag *diag)
{
	char shown[PS_SHOWN], words[PS_RANGE_TEXT];
	ps_range range;
	const bool bounded = ps_option_range(option, &range), percent = takes_percent(option);

	return ps_fail(diag, PS_EUSAGE, "%s: '%s' %s%s%s%s", option->name,
		       ps_text_show(text, strlen(text), shown, sizeof shown), fault,
		       bounded ? "; it must be " : "", bounded ? ps_range_format(range, words) : "",
		       percent ? ", such as 0.5 or 50%" : "");
}

static int check_number(const ps_option *option, const char *text, const char *fault, double value,
			ps_diag *diag)
{
	ps_range range;

	if (!fault && ps_option_range(option, &range) && !ps_range_has(range, value))
		fault = "is out of range";
	return fault ? refuse(option, text, fault, diag) : 0;
}

static int parse_whole(const ps_option *option, const char *text, int64_t *value, ps_diag *diag)
{
	const char *fault = ps_number_whole(text, strlen(text), value);

	return check_number(option, text, fault, fault ? 0 : (double)*value, diag);
}

static int parse_real(const ps_option *option, const char *text, double *value, ps_diag *diag)
{
	const char *fault = ps_number_real(text, strlen(text), takes_percent(option), value);

	return check_number(option, text, fault, fault ? 0 : *value, diag);
}

static int parse_size(const ps_option *option, const char *text, size_t *bytes, ps_diag *diag)
{
	ps_diag said = {{0}};
	int rc = ps_size_parse(text, bytes, &said);

	return rc ? ps_fail(diag, rc, "%s: %s", option->name, said.text) : 0;
}

static int add_int(const ps_option *option, const char *text, ps_int_list *list, ps_diag *diag)
{
	if (list->count == PS_LIST_MAX)
		return ps_fail(diag, PS_EUSAGE, "%s: more than %d values", option->name,
			       PS_LIST_MAX);
	return parse_whole(option, text, &list->item[list->count++], diag);
}

static int add_real(const ps_option *option, const char *text, ps_real_list *list, ps_diag *diag)
{
	if (list->count == PS_LIST_MAX)
		return ps_fail(diag, PS_EUSAGE, "%s: more than %d values", option->name,
			       PS_LIST_MAX);
	return parse_real(option, text, &list->item[list->count++], diag);
}

static int add_text(const char *name, const char *text, ps_text_list *list, ps_diag *diag)
{
	if (list->count == PS_LIST_MAX)
		return ps_fail(diag, PS_EUSAGE, "%s: more than %d values", name, PS_LIST_MAX);
	list->item[list->count++] = text;
	return 0;
}

/* Writes "topk, relu or gated" into out. */
static void list_words(const char *words, char *out, size_t size)
{
	out[0] = 0;
	while (*words) {
		const size_t length = strcspn(words, "|");
		const char *const next = words + length + (words[length] == '|');
		const char *between = !*out ? "" : *next ? ", " : " or ";

		snprintf(out + strlen(out), size - strlen(out), "%s%.*s", between, (int)length,
			 words);
		words = next;
	}
}

static int check_word(const ps_option *option, const char *text, ps_diag *diag)
{
	char shown[PS_SHOWN], words[256];

	for (const char *word = option->argument; *word; word += *word == '|') {
		const size_t length = strcspn(word, "|");

		if (strlen(text) == length && !memcmp(text, word, length))
			return 0;
		word += length;
	}
	list_words(option->argument, words, sizeof words);
	return ps_fail(diag, PS_EUSAGE, "%s %s: must be %s", option->name,
		       ps_text_show(text, strlen(text), shown, sizeof shown), words);
}

static int store(const ps_option *option, const char *text, ps_diag *diag)
{
	if (!*text)
		return ps_fail(diag, PS_EUSAGE, "%s: the value is empty", option->name);
	if (ps_option_is_word(option) && check_word(option, text, diag))
		return PS_EUSAGE;
	switch (ps_option_kind_of(option)) {
	case PS_OPTION_WORD:
	case PS_OPTION_ARGUMENT:
	case PS_OPTION_TEXT:
		*(const char **)option->value = text;
		return 0;
	case PS_OPTION_INT:
		return parse_whole(option, text, option->value, diag);
	case PS_OPTION_REAL:
		return parse_real(option, text, option->value, diag);
	case PS_OPTION_SIZE:
		return parse_size(option, text, option->value, diag);
	case PS_OPTION_ARGUMENTS:
	case PS_OPTION_LIST:
	case PS_OPTION_TEXTS:
	case PS_OPTION_WORDS:
		if (!option->value)
			return 0;
		return add_text(option->name, text, option->value, diag);
	case PS_OPTION_INTS:
		return add_int(option, text, option->value, diag);
	case PS_OPTION_REALS:
		return add_real(option, text, option->value, diag);
	case PS_OPTION_FLAG:
	case PS_OPTION_GROUP:
		break;
	}
	return ps_fail(diag, PS_EUSAGE, "%s takes no value", option->name);
}

/* The name of the option that an argument begins with, up to a '='. */
static size_t name_length(const char *argument)
{
	return strcspn(argument, "=");
}

/* Whether an argument is a further value of a list of numbers. A negative number is one, and out of
 * range. */
static bool is_number(const ps_option *option, const char *argument)
{
	const char *digits = argument + (argument[0] == '-');
	const size_t length = strlen(argument);
	int64_t whole;
	double real;

	if (!(*digits >= '0' && *digits <= '9') && *digits != '.')
		return false;
	return ps_option_is_real(option) ? !ps_number_real(argument, length, true, &real)
					 : !ps_number_whole(argument, length, &whole);
}

/* Whether an argument is a further value of a list. */
static bool is_more(const ps_option *option, const char *argument)
{
	switch (ps_option_kind_of(option)) {
	case PS_OPTION_LIST:
		return argument[0] != '-';
	case PS_OPTION_INTS:
	case PS_OPTION_REALS:
		return is_number(option, argument);
	default:
		return false;
	}
}

/* Takes the further values of a list option from argv[i] on. Returns the index of the first
 * argument that is not one, or a negative code. */
static int take_more(const ps_option *option, int argc, char **argv, int i, ps_diag *diag)
{
	for (; i < argc; i++) {
		const bool more = is_more(option, argv[i]);
		int rc = more ? store(option, argv[i], diag) : 0;

		if (rc)
			return rc;
		if (!more)
			break;
	}
	return i;
}

const ps_option *ps_options_find(const ps_options *options, const char *name, size_t length)
{
	for (size_t t = 0; t < options->count; t++)
		for (const ps_option *o = options->tables[t]; o->name; o++)
			if (ps_option_is_named(o) && strlen(o->name) == length &&
			    !memcmp(o->name, name, length))
				return o;
	return NULL;
}

const char *ps_options_nearest(const ps_options *options, const char *name)
{
	const char *names[128];
	size_t n = 0;

	for (size_t t = 0; t < options->count; t++)
		for (const ps_option *o = options->tables[t]; o->name && n < 127; o++)
			if (ps_option_is_named(o))
				names[n++] = o->name;
	names[n] = NULL;
	return ps_nearest_name(name, names);
}

static bool is_single(const ps_option *option)
{
	return ps_option_kind_of(option) == PS_OPTION_TEXT ||
	       ps_option_kind_of(option) == PS_OPTION_WORD;
}

/* Whether a TEXT or WORD stands before argv[i] as well. What is no option cannot be taken for it: a
 * value is never an option's name. */
static bool is_second_text(const ps_option *option, char **argv, int i)
{
	const size_t length = strlen(option->name);

	while (is_single(option) && i-- > 0)
		if (name_length(argv[i]) == length && !memcmp(argv[i], option->name, length))
			return true;
	return false;
}

/* Takes the option that stands at argv[i], with its values. Returns the index of the argument
 * behind it, or a negative code. */
static int take_option(ps_options *options, int argc, char **argv, int i, ps_diag *diag)
{
	const int place = i;
	const char *argument = argv[i++], *equals = strchr(argument, '=');
	const ps_option *option = ps_options_find(options, argument, name_length(argument));
	int rc;

	if (!option) {
		options->unknown = argument;
		return PS_EUSAGE;
	}
	if (ps_option_kind_of(option) == PS_OPTION_FLAG && !equals) {
		*(bool *)option->value = true;
		return i;
	}
	if (!equals && (i == argc || !strcmp(argv[i], "--")))
		return ps_fail(diag, PS_EUSAGE, "%s needs a value", argument);
	if (!equals && ps_options_find(options, argv[i], name_length(argv[i])))
		return ps_fail(diag, PS_EUSAGE, "%s needs a value, and %s is an option", argument,
			       argv[i]);
	rc = store(option, equals ? equals + 1 : argv[i++], diag);
	if (!rc && is_second_text(option, argv, place))
		rc = ps_fail(diag, PS_EUSAGE, "%s is given twice", option->name);
	return rc ? rc : take_more(option, argc, argv, i, diag);
}

/* The row for the argument with that number, from 0 on; NULL: there is none. */
static const ps_option *argument_row(const ps_options *options, size_t number)
{
	const ps_option *last = NULL;

	for (size_t t = 0; t < options->count; t++)
		for (const ps_option *o = options->tables[t]; o->name; o++) {
			if (ps_option_is_named(o) || ps_option_kind_of(o) == PS_OPTION_GROUP)
				continue;
			if (!number--)
				return o;
			last = o;
		}
	return last && ps_option_kind_of(last) == PS_OPTION_ARGUMENTS ? last : NULL;
}

/* "'x' is one argument too many; only SAE_A and SAE_B may stand without an option". */
static int refuse_argument(const ps_options *options, const char *text, ps_diag *diag)
{
	char shown[PS_SHOWN], names[128] = "";
	const ps_option *row;
	size_t length = 0;

	for (size_t i = 0; (row = argument_row(options, i)) && length < sizeof names; i++)
		length += (size_t)snprintf(names + length, sizeof names - length, "%s%s",
					   i ? " and " : "", row->name);
	ps_text_show(text, strlen(text), shown, sizeof shown);
	if (!length)
		return ps_fail(diag, PS_EUSAGE,
			       "'%s' is one argument too many; nothing stands without an option",
			       shown);
	return ps_fail(diag, PS_EUSAGE,
		       "'%s' is one argument too many; only %s may stand without an option", shown,
		       names);
}

static int take_argument(const ps_options *options, const char *text, size_t number, ps_diag *diag)
{
	const ps_option *row = argument_row(options, number);

	return row ? store(row, text, diag) : refuse_argument(options, text, diag);
}

int ps_options_parse(ps_options *options, int argc, char **argv, ps_diag *diag)
{
	bool options_ended = false;
	size_t arguments = 0;

	for (int i = 0; i < argc;) {
		const char *argument = argv[i];
		int rc = 0;

		if (!options_ended && !strcmp(argument, "--")) {
			options_ended = true;
			i++;
		} else if (options_ended || argument[0] != '-' || !argument[1]) {
			rc = take_argument(options, argument, arguments++, diag);
			i++;
		} else {
			rc = i = take_option(options, argc, argv, i, diag);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool is_given(const ps_option *option)
{
	ps_range range;

	switch (ps_option_kind_of(option)) {
	case PS_OPTION_ARGUMENTS:
	case PS_OPTION_LIST:
	case PS_OPTION_TEXTS:
	case PS_OPTION_WORDS:
		return ((const ps_text_list *)option->value)->count;
	case PS_OPTION_INTS:
		return ((const ps_int_list *)option->value)->count;
	case PS_OPTION_REALS:
		return ((const ps_real_list *)option->value)->count;
	case PS_OPTION_INT:
		return !ps_option_range(option, &range) ||
		       ps_range_has(range, (double)*(const int64_t *)option->value);
	case PS_OPTION_REAL:
		return !ps_option_range(option, &range) ||
		       ps_range_has(range, *(const double *)option->value);
	case PS_OPTION_SIZE:
		return *(const size_t *)option->value;
	case PS_OPTION_FLAG:
	case PS_OPTION_GROUP:
		return false;
	default:
		return *(const char *const *)option->value;
	}
}

int ps_options_check(const ps_options *options, ps_diag *diag)
{
	for (size_t t = 0; t < options->count; t++)
		for (const ps_option *o = options->tables[t]; o->name; o++)
			if (o->kind & PS_OPTION_WANTED && !is_given(o))
				return ps_fail(diag, PS_EUSAGE, "%s is missing", o->name);
	return 0;
}

char *ps_option_usual(const ps_option *option, char *out, size_t size)
{
	out[0] = 0;
	if (option->usual)
		snprintf(out, size, "%s", option->usual);
	else if (!option->value || option->kind & PS_OPTION_WANTED || !is_given(option))
		return out;
	else if (ps_option_kind_of(option) == PS_OPTION_INT)
		snprintf(out, size, "%lld", (long long)*(const int64_t *)option->value);
	else if (ps_option_kind_of(option) == PS_OPTION_REAL)
		snprintf(out, size, "%.6g", *(const double *)option->value);
	else if (is_single(option))
		snprintf(out, size, "%s", *(const char *const *)option->value);
	return out;
}
