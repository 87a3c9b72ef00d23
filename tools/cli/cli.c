#include "tools/cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/number.h"

const char ps_changed_from_help[] =
	"MODEL0  MODEL is a changed MODEL0 (zeroed, fine-tuned, ...), and belongs to it";

void ps_cli_init(ps_cli *cli, const ps_command *command, const ps_command *const *tables)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	ps_session *s = &cli->session;

	*cli = (ps_cli){.command = command,
			.tables = tables,
			.threads = processors > 0 ? processors : 1,
			.precision = "f32",
			.backend = "auto",
			.session.started = ps_clock()};
	const ps_option table[] = {
		{"--memory", PS_OPTION_SIZE, &s->memory_bytes,
		 "SIZE  hard budget (bytes, or with K M G KiB MiB GiB)"},
		{"--threads", PS_OPTION_INT | PS_OPTION_POSITIVE, &cli->threads,
		 "N  default: all processors"},
		{"--precision", PS_OPTION_TEXT, &cli->precision,
		 "f32|bf16  arithmetic of the forward pass (f32)"},
		{"--io", PS_OPTION_TEXT, &cli->backend,
		 "auto|uring|pread|mmap  how weights are read (auto)"},
		{"--seed", PS_OPTION_INT | PS_OPTION_NATURAL, &cli->seed, "N  (0)"},
		{"--json", PS_OPTION_FLAG, &s->json, "one JSON object on stdout"},
		{"--quiet", PS_OPTION_FLAG, &s->quiet, "no progress, no remarks"},
		{"--force", PS_OPTION_FLAG, &cli->force,
		 "replace what stands in an output's place, once the new one is whole"},
		{"--no-verify", PS_OPTION_FLAG, &s->no_verify,
		 "do not read caches through before their first use"},
		{"--force-mismatch", PS_OPTION_FLAG, &s->force_mismatch,
		 "take inputs that belong to another model, tokenizer or layer"},
		{NULL, 0, NULL, NULL},
	};
	_Static_assert(sizeof table <= sizeof cli->options, "the common options fit");
	memcpy(cli->options, table, sizeof table);
}

static int print_help(ps_cli *cli, const ps_option *table)
{
	printf("usage: prunescope %s %s\n%s\n\n", cli->command->name, cli->command->usage,
	       cli->command->summary);
	ps_options_help(table);
	puts("common options:");
	ps_options_help(cli->options);
	cli->helped = true;
	return PS_EUSAGE;
}

/* Checks the common options and starts the session with them. */
static int start_session(ps_cli *cli)
{
	ps_session *s = &cli->session;
	int rc;

	if (cli->threads > 256)
		return ps_fail(&s->diag, PS_EUSAGE, "--threads %lld: must be 1 to 256",
			       (long long)cli->threads);
	s->threads = (int)cli->threads;
	s->precision = !strcmp(cli->precision, "bf16") ? PS_PRECISION_BF16 : PS_PRECISION_F32;
	if (s->precision == PS_PRECISION_F32 && strcmp(cli->precision, "f32"))
		return ps_fail(&s->diag, PS_EUSAGE, "--precision %s: must be f32 or bf16",
			       cli->precision);
	rc = ps_backend_parse(cli->backend, &s->backend, &s->diag);
	return rc ? rc : ps_session_start(s);
}

static bool command_has(const ps_cli *asking, const ps_command *command, const char *option)
{
	json_t *result = NULL;
	ps_cli cli;

	ps_cli_init(&cli, command, asking->tables);
	cli.asked = option;
	return command->main(&cli, 0, NULL, &result) && cli.has_asked;
}

/* Writes the names of the commands that have an option into out: "eval, ablate". "": none has. */
static void name_owners(const ps_cli *cli, const char *option, char *out, size_t size)
{
	out[0] = 0;
	for (size_t t = 0; cli->tables[t]; t++)
		for (const ps_command *c = cli->tables[t]; c->name; c++)
			if (command_has(cli, c, option))
				snprintf(out + strlen(out), size - strlen(out), "%s%s",
					 out[0] ? ", " : "", c->name);
}

/* Says whose option it is, or which one it was meant to be. */
static int refuse_unknown(ps_cli *cli, const ps_options *options)
{
	char owners[160], name[PS_SHOWN];
	const char *nearest;
	ps_diag *diag = &cli->session.diag;

	ps_text_show(options->unknown, strcspn(options->unknown, "="), name, sizeof name);
	name_owners(cli, name, owners, sizeof owners);
	if (owners[0])
		return ps_fail(diag, PS_EUSAGE, "%s is no option of %s, it belongs to %s", name,
			       cli->command->name, owners);
	nearest = ps_options_nearest(options, name);
	if (nearest)
		return ps_fail(diag, PS_EUSAGE, "unknown option %s (the nearest is %s)", name,
			       nearest);
	return ps_fail(diag, PS_EUSAGE, "unknown option %s (prunescope %s --help lists them)", name,
		       cli->command->name);
}

int ps_cli_begin(ps_cli *cli, int argc, char **argv, const ps_option *table, size_t least,
		 size_t most, ps_text_list *positional)
{
	const ps_option *const tables[] = {table, cli->options};
	ps_options options = {.tables = tables, .count = 2};
	ps_diag *diag = &cli->session.diag;
	int rc;

	if (cli->asked) {
		options.count = 1;
		cli->has_asked = ps_options_find(&options, cli->asked, strlen(cli->asked));
		return PS_EUSAGE;
	}
	for (int i = 0; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return print_help(cli, table);
	rc = ps_options_parse(&options, argc, argv, positional, diag);
	if (options.unknown)
		return refuse_unknown(cli, &options);
	if (rc)
		return rc;
	if (positional->count < least)
		return ps_fail(diag, PS_EUSAGE, "%zu argument%s wanted, %zu given", least,
			       least == 1 ? " is" : "s are", positional->count);
	if (positional->count > most)
		return ps_fail(diag, PS_EUSAGE, "'%s' is one argument too many",
			       positional->item[most]);
	rc = ps_options_check(table, diag);
	return rc ? rc : start_session(cli);
}
