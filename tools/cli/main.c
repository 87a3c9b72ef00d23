/* prunescope: the command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/json_memory.h"
#include "io/file.h"
#include "io/map_guard.h"
#include "tools/cli/about.h"
#include "tools/cli/cli.h"
#include "tools/cli/print_values.h"
#include "tools/run/belonging.h"
#include "tools/run/line_text.h"

/* PS_EBUDGET when the text could not be made. */
static int print_result(ps_session *s, const ps_command *command, const json_t *result)
{
	if (s->json) {
		char *text = ps_json_text(result, JSON_SORT_KEYS | JSON_REAL_PRECISION(17));

		if (!text)
			return PS_EBUDGET;
		puts(text);
		free(text);
		return 0;
	}
	if (command->print)
		command->print(result);
	else
		ps_print_values(result);
	return 0;
}

/* What a command comes to: its own failure, or that memory ran out or an input changed under it. */
static int check_result(ps_cli *cli, int rc)
{
	ps_diag *diag = &cli->session.diag, memory = {{0}};

	if (ps_json_memory_check(&memory)) {
		*diag = memory;
		return PS_EBUDGET;
	}
	return rc ? rc : ps_map_guard_check(diag);
}

/* Tells a person how long the work took and where its result stands. What was there already has
 * been told. */
static void say_finished(const ps_cli *cli)
{
	const ps_session *s = &cli->session;
	char took[24];

	if (cli->out && !s->json && !s->told_done)
		ps_session_say(s, "done in %s: %s",
			       ps_text_seconds(ps_clock() - s->started, true, took), cli->out);
}

static void say_failed(const ps_cli *cli, int rc)
{
	const char *text = cli->session.diag.text;

	fprintf(stderr, "prunescope %s: %s%s\n", cli->command->name, *text ? text : "failed",
		rc == PS_EINTERRUPTED && cli->out ? "; the same command again completes it" : "");
}

static int run_command(const ps_command *command, int argc, char **argv)
{
	ps_cli cli;
	json_t *result = NULL;
	int rc;

	ps_cli_init(&cli, command, ps_command_groups);
	rc = command->main(&cli, argc, argv, &result);
	if (result) {
		const int noted = ps_session_note_all(&cli.session, result, &cli.session.diag);

		rc = rc ? rc : noted;
	}
	if (!rc)
		say_finished(&cli);
	ps_session_end(&cli.session);
	if (!cli.helped)
		rc = check_result(&cli, rc);
	/* What overflowed on the way may have a result all the same: null, and how often. */
	if (result && (!rc || rc == PS_EFAILED) && print_result(&cli.session, command, result))
		rc = ps_fail(&cli.session.diag, PS_EBUDGET, "no memory for the result's text");
	if (rc && !cli.helped)
		say_failed(&cli, rc);
	json_decref(result);
	return cli.helped ? 0 : ps_exit_code(rc);
}

static int run(int argc, char **argv)
{
	const ps_command *command;
	int status;

	ps_json_memory_watch();
	if (ps_about(argc - 1, argv + 1, &status))
		return status;
	command = ps_command_find(argv[1]);
	return command ? run_command(command, argc - 2, argv + 2) : ps_about_unknown(argv[1]);
}

/* What was printed counts only once all of it has arrived. */
int main(int argc, char **argv)
{
	int status = run(argc, argv);
	ps_diag diag = {{0}};
	int rc = ps_stdout_close(&diag);

	if (rc && !status) {
		fprintf(stderr, "prunescope: %s\n", diag.text);
		status = ps_exit_code(rc);
	}
	return status;
}
