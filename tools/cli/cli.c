#include "tools/cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "tools/args/help.h"
#include "tools/cli/unknown_option.h"

/* --- what the command says of itself --- */

enum { TABLES = 3 };

/* tables (TABLES): where the page's tables are listed. The first two are those of options. */
static ps_page describe(const ps_cli *cli, const ps_option *table, const ps_option **tables)
{
	tables[0] = table;
	tables[1] = cli->options;
	tables[2] = cli->command->printed;
	return (ps_page){.section = 1,
			 .program = "prunescope",
			 .name = cli->command->name,
			 .usage = cli->command->usage,
			 .summary = cli->command->summary,
			 .text = cli->command->text,
			 .tables = tables,
			 .count = tables[2] ? TABLES : 2,
			 .examples = cli->command->examples};
}

/* Answers --help and --examples. */
static bool answer(ps_cli *cli, const char *argument, const ps_option *table)
{
	const ps_option *tables[TABLES];
	const ps_page page = describe(cli, table, tables);

	if (!strcmp(argument, "--help") || !strcmp(argument, "-h"))
		ps_help_write(stdout, &page);
	else if (!strcmp(argument, "--examples"))
		ps_help_examples(stdout, &page);
	else
		return false;
	cli->helped = true;
	return true;
}

/* --- the beginning of a command --- */

/* Checks the common options and starts the session with them. */
static int start_session(ps_cli *cli)
{
	ps_session *s = &cli->session;
	int rc;

	if (cli->threads > PS_POOL_THREADS_MAX)
		return ps_fail(&s->diag, PS_EUSAGE, "--threads %lld: must be 1 to %d",
			       (long long)cli->threads, PS_POOL_THREADS_MAX);
	s->threads = (int)cli->threads;
	s->precision_asked = cli->precision;
	rc = ps_backend_parse(cli->backend, &s->backend, &s->diag);
	if (!rc && cli->precision)
		rc = ps_precision_parse(cli->precision, &s->precision, &s->diag);
	return rc ? rc : ps_session_start(s);
}

/* Says what is missing, and how the command is called. */
static int refuse_missing(ps_cli *cli, int rc, const char *missing)
{
	return ps_fail(&cli->session.diag, rc, "%s (usage: prunescope %s %s)", missing,
		       cli->command->name, cli->command->usage);
}

/* The value of -o, if the command is to write it. */
static const char *find_output(const ps_options *options)
{
	const ps_option *out = ps_options_find(options, "-o", 2),
			*dry = ps_options_find(options, "--dry-run", strlen("--dry-run")),
			*emit = ps_options_find(options, "--emit", strlen("--emit"));

	if (!out || (dry && *(const bool *)dry->value) ||
	    (emit && *(const char *const *)emit->value))
		return NULL;
	return *(const char *const *)out->value;
}

int ps_cli_begin(ps_cli *cli, int argc, char **argv, const ps_option *table)
{
	const ps_option *tables[TABLES];
	const ps_page page = describe(cli, table, tables);
	ps_options options = {.tables = tables, .count = 2};
	ps_diag missing = {{0}};
	int rc;

	if (cli->visit) {
		cli->visit(&page, cli->visitor);
		return PS_EUSAGE;
	}
	for (int i = 0; i < argc; i++)
		if (answer(cli, argv[i], table))
			return PS_EUSAGE;
	rc = ps_options_parse(&options, argc, argv, &cli->session.diag);
	if (options.unknown)
		return ps_cli_refuse_unknown(cli, &options);
	if (rc)
		return rc;
	rc = ps_options_check(&options, &missing);
	if (rc)
		return refuse_missing(cli, rc, missing.text);
	cli->out = find_output(&options);
	return start_session(cli);
}
