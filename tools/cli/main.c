/* prunescope: the command line. */
#include <stdio.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/run/nearest.h"

static const ps_command *const tables[] = {ps_commands_model, ps_commands_sae, ps_commands_findings,
					   ps_commands_study};

static void print_usage(FILE *out)
{
	fputs("usage: prunescope COMMAND ... [--json] [--memory SIZE] [--threads N] [--io "
	      "auto|uring|pread|mmap] [--seed N] [--quiet] [--force]\n"
	      "       prunescope COMMAND --help\n\n",
	      out);
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const ps_command *c = tables[t]; c->name; c++)
			fprintf(out, "  %-10s %-68s %s\n", c->name, c->usage, c->summary);
}

static const ps_command *find(const char *name)
{
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const ps_command *c = tables[t]; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[64], *nearest;
	size_t n = 0;

	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const ps_command *c = tables[t]; c->name && n < 63; c++)
			names[n++] = c->name;
	names[n] = NULL;
	nearest = ps_nearest_name(name, names);
	if (nearest)
		fprintf(stderr, "prunescope: no command '%s' (the nearest is %s)\n", name, nearest);
	else
		fprintf(stderr, "prunescope: no command '%s'; `prunescope --help` lists them\n",
			name);
	return 2;
}

static void print_result(const ps_session *s, const ps_command *command, const json_t *result)
{
	const char *key;
	json_t *value;

	if (s->json) {
		json_dumpf(result, stdout, JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
		putchar('\n');
		return;
	}
	if (command->print) {
		command->print(result);
		return;
	}
	json_object_foreach ((json_t *)result, key, value) {
		if (json_is_string(value))
			printf("%-20s %s\n", key, json_string_value(value));
		else if (json_is_integer(value))
			printf("%-20s %lld\n", key, (long long)json_integer_value(value));
		else if (json_is_real(value))
			printf("%-20s %.6g\n", key, json_real_value(value));
		else if (json_is_boolean(value))
			printf("%-20s %s\n", key, json_is_true(value) ? "yes" : "no");
	}
}

int main(int argc, char **argv)
{
	const ps_command *command;
	ps_cli cli;
	json_t *result = NULL;
	int rc;

	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		print_usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	command = find(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	ps_cli_init(&cli, command);
	rc = command->main(&cli, argc - 2, argv + 2, &result);
	ps_session_end(&cli.session);
	if (rc && !cli.helped)
		fprintf(stderr, "prunescope %s: %s\n", command->name,
			cli.session.diag.text[0] ? cli.session.diag.text : "failed");
	if (result && !cli.helped)
		print_result(&cli.session, command, result);
	if (!rc && fflush(stdout)) {
		perror("prunescope: standard output");
		rc = PS_EOUTPUT;
	}
	json_decref(result);
	return cli.helped ? 0 : ps_exit_code(rc);
}
