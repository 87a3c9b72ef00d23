#include "tools/cli/about.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/kernel.h"
#include "io/file.h"
#include "tools/args/help.h"
#include "tools/cli/cli.h"
#include "tools/cli/pages.h"
#include "tools/run/nearest.h"
#include "tools/run/version.h"

enum { COMMANDS_MAX = 64 };

/* --- the commands --- */

static void print_commands(FILE *out)
{
	const char *title = "";

	fputs("usage: prunescope COMMAND [ARGUMENT ...] [OPTION ...]\n\n", out);
	ps_help_wrap(out,
		     "Measures what pruning does to the features inside a language model: prunes "
		     "checkpoints, caches activations, trains sparse autoencoders (SAEs), compares "
		     "them, and does whole studies of all that.",
		     0, 0);
	for (const ps_command_group *g = ps_command_groups; g->title; g++) {
		if (strcmp(title, g->title) != 0)
			fprintf(out, "\n%s:\n", g->title);
		title = g->title;
		for (const ps_command *c = g->commands; c->name; c++)
			fprintf(out, "  %-10s %s\n", c->name, c->summary);
	}
	fputs("\nMore:\n"
	      "  help COMMAND, COMMAND --help      what a command does, and its options\n"
	      "  help study-file, help files       keys of a study file; layout of files\n"
	      "  help --completion bash|zsh|fish   a script with which the shell completes\n"
	      "  --examples, COMMAND --examples    command lines that work\n"
	      "  version, --version                version, commit, libraries, kernels\n"
	      "\n"
	      "exit: 0 done, 1 failed, 2 usage, 3 an input is missing or invalid, 4 input or\n"
	      "output failed, 5 the memory budget is too small, 130 interrupted (state saved)\n",
	      out);
}

int ps_about_unknown(const char *name)
{
	const char *names[COMMANDS_MAX], *nearest;
	size_t n = 0;

	for (const ps_command_group *g = ps_command_groups; g->title; g++)
		for (const ps_command *c = g->commands; c->name && n < COMMANDS_MAX - 3; c++)
			names[n++] = c->name;
	names[n++] = "help";
	names[n++] = "version";
	names[n] = NULL;
	nearest = ps_nearest_name(name, names);
	if (name[0] == '-')
		fprintf(stderr,
			"prunescope: '%s' stands where the command belongs: prunescope COMMAND ... "
			"%s\n",
			name, name);
	else if (nearest)
		fprintf(stderr, "prunescope: no command '%s' (the nearest is %s)\n", name, nearest);
	else
		fprintf(stderr, "prunescope: no command '%s'; `prunescope help` lists them\n",
			name);
	return 2;
}

static void print_help(const ps_page *page, void *visitor)
{
	(void)visitor;
	ps_help_write(stdout, page);
}

static int help(const char *name)
{
	const ps_command *command = ps_command_find(name);

	if (ps_pages_help(name))
		return 0;
	if (!strcmp(name, "help") || !strcmp(name, "version")) {
		print_commands(stdout);
		return 0;
	}
	if (!command)
		return ps_about_unknown(name);
	ps_cli_describe(command, print_help, NULL);
	return 0;
}

/* What follows `help --page` and `help --completion`. Returns the exit status. */
static int print_page(const char *question, const char *name)
{
	const bool page = !strcmp(question, "--page");

	if (name && (page ? ps_pages_man : ps_pages_completion)(name))
		return 0;
	fprintf(stderr, page ? "prunescope help: --page wants a name that --pages lists\n"
			     : "prunescope help: --completion wants bash, zsh or fish\n");
	return 2;
}

static void print_examples_of(const ps_page *page, void *first)
{
	if (!page->examples)
		return;
	printf("%s%s: %s\n\n", *(bool *)first ? "" : "\n", page->name, page->summary);
	ps_help_examples(stdout, page);
	*(bool *)first = false;
}

static void print_examples(void)
{
	bool first = true;

	for (const ps_command_group *g = ps_command_groups; g->title; g++)
		for (const ps_command *c = g->commands; c->name; c++)
			ps_cli_describe(c, print_examples_of, &first);
}

/* --- the version --- */

static void print_pairs(const char *title, const json_t *object)
{
	const char *key;
	json_t *value;

	printf("%s:", title);
	json_object_foreach ((json_t *)object, key, value)
		printf(" %s %s%s", key, json_string_value(value),
		       json_object_iter_next((json_t *)object, json_object_key_to_iter(key))
			       ? ";"
			       : "\n");
}

static int print_version(bool json)
{
	ps_diag diag = {{0}};
	int rc = ps_kernel_prepare(&diag);
	json_t *about = rc ? NULL : ps_version_json();
	char *text = about && json ? ps_json_text(about, JSON_SORT_KEYS) : NULL;

	if (text) {
		puts(text);
	} else if (about && !json) {
		const char *commit = json_string_value(json_object_get(about, "commit"));

		printf("prunescope %s%s%s\n", PS_VERSION, commit ? ", commit " : "",
		       commit ? commit : "");
		print_pairs("libraries", json_object_get(about, "libraries"));
		print_pairs("kernels", json_object_get(about, "kernels"));
	} else {
		rc = rc ? rc : ps_fail(&diag, PS_EBUDGET, "no memory");
		fprintf(stderr, "prunescope: %s\n", diag.text);
	}
	free(text);
	json_decref(about);
	return ps_exit_code(rc);
}

/* --- which question it is --- */

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
	return !strcmp(word, a) || !strcmp(word, b) || !strcmp(word, c);
}

/* How many words may follow the first one. */
static int words_allowed(const char *first, const char *second)
{
	if (!strcmp(first, "--examples"))
		return 0;
	return second && (!strcmp(second, "--page") || !strcmp(second, "--completion")) ? 2 : 1;
}

static int refuse_word(const char *first, const char *word)
{
	fprintf(stderr, "prunescope %s: '%s' is one argument too many\n", first, word);
	return 2;
}

static int answer_version(const char *first, const char *second)
{
	if (second && strcmp(second, "--json") != 0) {
		fprintf(stderr, "prunescope %s: unknown argument '%s' (--json is known)\n", first,
			second);
		return 2;
	}
	return print_version(second);
}

static int answer_help(const char *second, const char *third)
{
	if (!second)
		print_commands(stdout);
	else if (!strcmp(second, "--json"))
		return print_version(true);
	else if (!strcmp(second, "--pages"))
		ps_pages_list();
	else if (!strcmp(second, "--page") || !strcmp(second, "--completion"))
		return print_page(second, third);
	else
		return help(second);
	return 0;
}

bool ps_about(int argc, char **argv, int *status)
{
	const char *first = argc > 0 ? argv[0] : "", *second = argc > 1 ? argv[1] : NULL;
	const bool version = is_one_of(first, "--version", "version", "-V"),
		   help_asked = is_one_of(first, "help", "--help", "-h"),
		   examples = !strcmp(first, "--examples");
	const int allowed = words_allowed(first, second);

	*status = 0;
	if (argc < 1) {
		print_commands(stderr);
		*status = 2;
		return true;
	}
	if (!version && !help_asked && !examples)
		return false;
	if (argc > 1 + allowed)
		*status = refuse_word(first, argv[1 + allowed]);
	else if (examples)
		print_examples();
	else if (help_asked)
		*status = answer_help(second, argc > 2 ? argv[2] : NULL);
	else
		*status = answer_version(first, second);
	return true;
}
