#include "tools/cli/pages.h"

#include <string.h>

#include "tools/args/complete.h"
#include "tools/args/help.h"
#include "tools/args/man.h"
#include "tools/cli/cli.h"

enum { COMMANDS_MAX = 64 };

static const char exit_text[] =
	"0 done; 1 failed; 2 usage, or another result in the output's place; 3 an input is "
	"missing, invalid, corrupt or belongs to something else; 4 reading or writing failed, or "
	"the output cannot be written; 5 the memory budget is too small; 130 interrupted: the "
	"state is saved, and the same command goes on.";

/* --- the page of the program --- */

static const ps_option environment[] = {
	PS_OPTION_TITLE("Environment"),
	{.name = "HF_HUB_CACHE, HF_HOME",
	 .kind = PS_OPTION_ARGUMENT,
	 .help = "where models with a hub id lie (~/.cache/huggingface/hub)"},
	{.name = "XDG_CACHE_HOME",
	 .kind = PS_OPTION_ARGUMENT,
	 .help = "below it, in prunescope, stand the digests of files that were read before "
		 "(~/.cache); they may be deleted"},
	{.name = "PRUNESCOPE_MATMUL",
	 .kind = PS_OPTION_ARGUMENT,
	 .help = "the best matrix kernel that may be chosen, such as avx2; ref is the portable "
		 "one, with the same bits on every CPU"},
	{.name = "NO_COLOR, TERM, COLUMNS",
	 .kind = PS_OPTION_ARGUMENT,
	 .help = "as other programs take them"},
	PS_OPTION_END,
};

static void visit_program(void (*visit)(const ps_page *page, void *visitor), void *visitor)
{
	static const ps_example examples[] = {
		{"prunescope help train", "What a command does, its options and their defaults."},
		{"prunescope --examples", "Command lines for all of them."},
		{"prunescope doctor", "Whether this machine has what the program needs."},
		{NULL, NULL},
	};
	ps_option commands[COMMANDS_MAX + 16];
	const ps_option *const tables[] = {commands, environment};
	const ps_page page = {
		.section = 1,
		.program = "prunescope",
		.usage = "COMMAND [ARGUMENT ...] [OPTION ...]",
		.summary = "what pruning does to the features inside a language model",
		.text = "Prunes checkpoints, caches activations, trains sparse autoencoders "
			"(SAEs), compares them, and does whole studies of all that. Each command "
			"has a manual page of its own, prunescope-COMMAND(1).",
		.tables = tables,
		.count = 2,
		.examples = examples,
		.see = "shardinfo(1), prunescope-study-file(5), prunescope-files(5)"};
	const char *title = "";
	size_t n = 0;

	for (const ps_command_group *g = ps_command_groups; g->title; g++) {
		if (strcmp(title, g->title) != 0)
			commands[n++] = PS_OPTION_TITLE(g->title);
		title = g->title;
		for (const ps_command *c = g->commands; c->name && n < COMMANDS_MAX; c++)
			commands[n++] = (ps_option){
				.name = c->name, .kind = PS_OPTION_ARGUMENT, .help = c->summary};
	}
	commands[n] = PS_OPTION_END;
	visit(&page, visitor);
}

/* --- all pages --- */

static void each_command(void (*visit)(const ps_page *page, void *visitor), void *visitor)
{
	for (const ps_command_group *g = ps_command_groups; g->title; g++)
		for (const ps_command *c = g->commands; c->name; c++)
			ps_cli_describe(c, visit, visitor);
}

static void each_page(void (*visit)(const ps_page *page, void *visitor), void *visitor)
{
	visit_program(visit, visitor);
	each_command(visit, visitor);
	for (const ps_topic *topic = ps_topics; topic->name; topic++)
		topic->visit(visit, visitor);
}

static void print_name(const ps_page *page, void *visitor)
{
	char name[PS_NAME_TEXT];

	(void)visitor;
	printf("%s.%d\n", ps_page_name(page, name), page->section);
}

void ps_pages_list(void)
{
	each_page(print_name, NULL);
}

struct wanted {
	const char *name;
	bool found;
};

static void print_man(const ps_page *page, void *visitor)
{
	struct wanted *wanted = visitor;
	char name[PS_NAME_TEXT], file[PS_NAME_TEXT + 4];

	snprintf(file, sizeof file, "%s.%d", ps_page_name(page, name), page->section);
	if (strcmp(file, wanted->name) != 0)
		return;
	wanted->found = true;
	ps_man_write(stdout, page, page->section == 1 ? exit_text : NULL);
}

bool ps_pages_man(const char *name)
{
	struct wanted wanted = {name, false};

	each_page(print_man, &wanted);
	return wanted.found;
}

static void print_help(const ps_page *page, void *visitor)
{
	(void)visitor;
	ps_help_write(stdout, page);
}

bool ps_pages_help(const char *topic)
{
	for (const ps_topic *t = ps_topics; t->name; t++)
		if (!strcmp(t->name, topic)) {
			t->visit(print_help, NULL);
			return true;
		}
	return false;
}

/* --- completion --- */

struct script {
	ps_shell shell;
	const char *commands[COMMANDS_MAX], *summaries[COMMANDS_MAX];
	size_t count;
};

static void add_page(const ps_page *page, void *visitor)
{
	struct script *script = visitor;

	if (script->count == COMMANDS_MAX)
		return;
	script->commands[script->count] = page->name;
	script->summaries[script->count++] = page->summary;
	ps_complete_page(stdout, script->shell, page);
}

bool ps_pages_completion(const char *shell)
{
	struct script script = {.shell = ps_shell_find(shell)};

	if (script.shell == PS_SHELLS)
		return false;
	ps_complete_begin(stdout, script.shell);
	each_command(add_page, &script);
	ps_complete_end(stdout, script.shell, script.commands, script.summaries, script.count);
	return true;
}
