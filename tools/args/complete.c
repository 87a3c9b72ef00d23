#include "tools/args/complete.h"

#include <string.h>

static const char *const ps_shell_names[PS_SHELLS] = {"bash", "zsh", "fish"};

/* What may stand in the command's place besides a command. */
static const char questions[] = "help version --help --version --examples";

/* --- text in a script --- */

/* A text within single quotes; nothing in it may end them. with: characters that get a
 * backslash. */
static void put_quoted(FILE *out, const char *text, const char *with)
{
	for (; *text; text++)
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fprintf(out, "%s%c", strchr(with, *text) ? "\\" : "", *text);
}

/* "a b c" of "a|b|c" */
static void put_words(FILE *out, const char *words)
{
	for (; *words; words++)
		fputc(*words == '|' ? ' ' : *words, out);
}

static bool has_words(const ps_option *row)
{
	return ps_option_kind_of(row) == PS_OPTION_WORD;
}

/* Calls put for each option that a page shows. */
static void each_option(FILE *out, const ps_page *page,
			void (*put)(FILE *out, const ps_page *page, const ps_option *row))
{
	for (size_t t = 0; t < page->count; t++)
		for (const ps_option *row = page->tables[t]; row->name; row++)
			if (ps_option_is_named(row) && ps_page_shows(page, t, row))
				put(out, page, row);
}

/* --- bash --- */

static void bash_head(FILE *out, const char *program)
{
	fprintf(out,
		"_%s() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		"\tlocal options= words=\n"
		"\tCOMPREPLY=()\n",
		program);
}

static void bash_tail(FILE *out, const char *program)
{
	fprintf(out,
		"\tif [[ -z $words && $cur == -* ]]; then\n"
		"\t\twords=$options\n"
		"\tfi\n"
		"\t[[ -n $words ]] && mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
		"}\n"
		"complete -o bashdefault -o default -F _%s %s\n",
		program, program);
}

static void bash_begin(FILE *out)
{
	fputs("# bash completion of prunescope, from `prunescope help --completion bash`\n", out);
	bash_head(out, "prunescope");
	fputs("\tcase ${COMP_WORDS[1]} in\n", out);
}

static void bash_option(FILE *out, const ps_page *page, const ps_option *row)
{
	(void)page;
	fprintf(out, " %s", row->name);
}

static void bash_words(FILE *out, const ps_page *page, const ps_option *row)
{
	(void)page;
	if (!has_words(row))
		return;
	fprintf(out, "\t\t%s) words='", row->name);
	put_words(out, row->argument);
	fputs("' ;;\n", out);
}

/* Sets `options` to those of the page, and `words` to those that may follow the word before. */
static void bash_options(FILE *out, const ps_page *page, const char *further)
{
	fprintf(out, "\t\toptions='%s", further);
	each_option(out, page, bash_option);
	fputs("'\n\t\tcase $prev in\n", out);
	each_option(out, page, bash_words);
	fputs("\t\tesac\n", out);
}

static void bash_page(FILE *out, const ps_page *page)
{
	fprintf(out, "\t%s)\n", page->name);
	bash_options(out, page, "--help --examples");
	fputs("\t\t;;\n", out);
}

static void bash_end(FILE *out, const char *const *commands, size_t count)
{
	fputs("\thelp) words='", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s", i ? " " : "", commands[i]);
	fputs("' ;;\n\tesac\n\tif ((COMP_CWORD == 1)); then\n\t\twords='", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s ", commands[i]);
	fprintf(out, "%s'\n\tfi\n", questions);
	bash_tail(out, "prunescope");
}

static void bash_alone(FILE *out, const ps_page *page)
{
	fprintf(out, "# bash completion of %s, from `%s --completion bash`\n", page->program,
		page->program);
	bash_head(out, page->program);
	bash_options(out, page, "");
	bash_tail(out, page->program);
}

/* --- zsh --- */

static void zsh_begin(FILE *out)
{
	fputs("#compdef prunescope\n"
	      "# zsh completion of prunescope, from `prunescope help --completion zsh`\n"
	      "_prunescope() {\n"
	      "\tlocal context state line\n"
	      "\tlocal -a commands\n"
	      "\tif ((CURRENT > 2)); then\n"
	      "\t\tlocal command=$words[2]\n"
	      "\t\tshift words\n"
	      "\t\t((CURRENT--))\n"
	      "\t\tcase $command in\n",
	      out);
}

static void zsh_option(FILE *out, const ps_page *page, const ps_option *row)
{
	(void)page;
	fprintf(out, " \\\n\t\t\t\t'*%s[", row->name);
	put_quoted(out, row->help, "[]:\\");
	fputc(']', out);
	if (has_words(row)) {
		fputs(":word:(", out);
		put_words(out, row->argument);
		fputc(')', out);
	} else if (row->argument) {
		fputc(':', out);
		put_quoted(out, row->argument, "[]:\\");
		fputs(":_files", out);
	}
	fputc('\'', out);
}

/* A call of _arguments, with what it is to take before the page's options. */
static void zsh_arguments(FILE *out, const ps_page *page, const char *further)
{
	fprintf(out, "\t\t\t_arguments%s", further);
	each_option(out, page, zsh_option);
	fputs(" \\\n\t\t\t\t'*:file:_files'\n", out);
}

static void zsh_page(FILE *out, const ps_page *page)
{
	fprintf(out, "\t\t%s)\n", page->name);
	zsh_arguments(out, page,
		      " '*--help[what it does, and its options]' '*--examples[command lines]'");
	fputs("\t\t\t;;\n", out);
}

static void zsh_end(FILE *out, const char *const *commands, const char *const *summaries,
		    size_t count)
{
	fputs("\t\thelp) _values command", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, " %s", commands[i]);
	fputs(" ;;\n\t\tesac\n\t\treturn\n\tfi\n\tcommands=(\n", out);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "\t\t'%s:", commands[i]);
		put_quoted(out, summaries[i], ":\\");
		fputs("'\n", out);
	}
	fputs("\t\t'help:what a command does, and its options'\n"
	      "\t\t'version:version, commit, libraries, kernels'\n"
	      "\t)\n"
	      "\t_describe command commands\n"
	      "}\n"
	      "_prunescope \"$@\"\n",
	      out);
}

static void zsh_alone(FILE *out, const ps_page *page)
{
	fprintf(out,
		"#compdef %s\n"
		"# zsh completion of %s, from `%s --completion zsh`\n"
		"_%s() {\n",
		page->program, page->program, page->program, page->program);
	zsh_arguments(out, page, "");
	fprintf(out, "}\n_%s \"$@\"\n", page->program);
}

/* --- fish --- */

static void fish_begin(FILE *out)
{
	fputs("# fish completion of prunescope, from `prunescope help --completion fish`\n"
	      "function __prunescope_is # the command, or \"\": none is there yet\n"
	      "\tset -l words (commandline -opc) ''\n"
	      "\ttest \"$words[2]\" = \"$argv[1]\"\n"
	      "end\n",
	      out);
}

static void fish_option(FILE *out, const ps_page *page, const ps_option *row)
{
	const bool is_long = row->name[1] == '-';

	fprintf(out, "complete -c %s", page->program);
	if (page->name)
		fprintf(out, " -n '__%s_is %s'", page->program, page->name);
	fprintf(out, " %s %s", is_long ? "-l" : "-s", row->name + 1 + is_long);
	if (has_words(row)) {
		fputs(" -x -a '", out);
		put_words(out, row->argument);
		fputc('\'', out);
	} else if (row->argument) {
		fputs(" -r -F", out);
	}
	fputs(" -d '", out);
	for (const char *c = row->help; *c; c++)
		fprintf(out, "%s%c", *c == '\'' || *c == '\\' ? "\\" : "", *c);
	fputs("'\n", out);
}

static void fish_end(FILE *out, const char *const *commands, const char *const *summaries,
		     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "complete -c prunescope -n '__prunescope_is \"\"' -f -a %s -d '",
			commands[i]);
		for (const char *c = summaries[i]; *c; c++)
			fprintf(out, "%s%c", *c == '\'' || *c == '\\' ? "\\" : "", *c);
		fputs("'\n", out);
	}
	fprintf(out, "complete -c prunescope -n '__prunescope_is \"\"' -f -a 'help version'\n"
		     "complete -c prunescope -n '__prunescope_is help' -f -a '");
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s", i ? " " : "", commands[i]);
	fputs("'\n"
	      "complete -c prunescope -l help -d 'what it does, and its options'\n"
	      "complete -c prunescope -l examples -d 'command lines'\n",
	      out);
}

static void fish_alone(FILE *out, const ps_page *page)
{
	fprintf(out, "# fish completion of %s, from `%s --completion fish`\n", page->program,
		page->program);
	each_option(out, page, fish_option);
}

/* --- which shell --- */

void ps_complete_begin(FILE *out, ps_shell shell)
{
	if (shell == PS_SHELL_BASH)
		bash_begin(out);
	else if (shell == PS_SHELL_ZSH)
		zsh_begin(out);
	else
		fish_begin(out);
}

void ps_complete_page(FILE *out, ps_shell shell, const ps_page *page)
{
	if (shell == PS_SHELL_BASH)
		bash_page(out, page);
	else if (shell == PS_SHELL_ZSH)
		zsh_page(out, page);
	else
		each_option(out, page, fish_option);
}

void ps_complete_end(FILE *out, ps_shell shell, const char *const *commands,
		     const char *const *summaries, size_t count)
{
	if (shell == PS_SHELL_BASH)
		bash_end(out, commands, count);
	else if (shell == PS_SHELL_ZSH)
		zsh_end(out, commands, summaries, count);
	else
		fish_end(out, commands, summaries, count);
}

void ps_complete_alone(FILE *out, ps_shell shell, const ps_page *page)
{
	if (shell == PS_SHELL_BASH)
		bash_alone(out, page);
	else if (shell == PS_SHELL_ZSH)
		zsh_alone(out, page);
	else
		fish_alone(out, page);
}

ps_shell ps_shell_find(const char *name)
{
	ps_shell shell = PS_SHELL_BASH;

	while (shell < PS_SHELLS && strcmp(name, ps_shell_names[shell]) != 0)
		shell++;
	return shell;
}
