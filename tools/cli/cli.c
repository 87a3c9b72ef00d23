#include "tools/cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "tools/args/help.h"
#include "tools/cli/unknown_option.h"

const char ps_help_model[] = "checkpoint folder, .gguf or .safetensors file, or hub id in the "
			     "local Hugging Face cache",
	   ps_help_tokens[] = "windows of token ids, as `tokenize` writes them",
	   ps_help_mask[] = "prune with this mask, or round with this rounding file",
	   ps_help_changed_from[] =
		   "the model that MODEL was changed from (zeroed, fine-tuned, ...): MODEL belongs "
		   "to it",
	   ps_help_dry_run[] = "print the plan, memory and expected time; do nothing",
	   ps_help_norm_cache[] =
		   "estimate the norm that the SAE's normalize_activations lacks from these rows",
	   ps_help_two_caches[] =
		   "given twice: the dense model's, then the pruned one's, of the same tokens",
	   ps_help_keep_special[] = "rows of BOS, EOS and PAD count too";

void ps_cli_init(ps_cli *cli, const ps_command *command, const ps_command_group *groups)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	ps_session *s = &cli->session;

	*cli = (ps_cli){.command = command,
			.groups = groups,
			.threads = processors > 0 ? processors : 1,
			.backend = "auto",
			.session.started = ps_clock()};
	const ps_option table[] = {
		PS_OPTION_TITLE("Common options"),
		{"--memory", PS_OPTION_SIZE, &s->memory_bytes, "SIZE",
		 .help = "hard budget for the program's memory: bytes, or with K, M, G, KiB, MiB, "
			 "GiB",
		 .usual = "nine tenths of what is free"},
		{"--threads", PS_OPTION_INT | PS_OPTION_POSITIVE, &cli->threads, "N",
		 .help = "threads that compute, at most 256", .usual = "all processors"},
		{"--precision", PS_OPTION_WORD, &cli->precision, "f32|bf16|int16",
		 .help = "arithmetic of the model's products", .usual = "f32"},
		{"--io", PS_OPTION_WORD, &cli->backend, "auto|uring|pread|mmap",
		 .help = "how weights are read"},
		{"--seed", PS_OPTION_INT | PS_OPTION_NATURAL, &cli->seed, "N",
		 .help = "of all that is random"},
		{"--json", PS_OPTION_FLAG, &s->json, .help = "print one JSON object"},
		{"--quiet", PS_OPTION_FLAG, &s->quiet, .help = "no progress and no remarks"},
		{"--force", PS_OPTION_FLAG, &cli->force,
		 .help = "replace what stands in an output's place, once the new one is whole"},
		{"--no-verify", PS_OPTION_FLAG, &s->no_verify,
		 .help = "do not read caches through before their first use"},
		{"--force-mismatch", PS_OPTION_FLAG, &s->force_mismatch,
		 .help = "take inputs that belong to another model, tokenizer or layer"},
		PS_OPTION_END,
	};
	_Static_assert(sizeof table <= sizeof cli->options, "the common options fit");
	memcpy(cli->options, table, sizeof table);
}

/* --- what the command says of itself --- */

/* tables (2): where the page's tables are listed. */
static ps_page describe(const ps_cli *cli, const ps_option *table, const ps_option **tables)
{
	tables[0] = table;
	tables[1] = cli->options;
	return (ps_page){.section = 1,
			 .program = "prunescope",
			 .name = cli->command->name,
			 .usage = cli->command->usage,
			 .summary = cli->command->summary,
			 .text = cli->command->text,
			 .tables = tables,
			 .count = 2,
			 .examples = cli->command->examples};
}

/* Answers --help and --examples. */
static bool answer(ps_cli *cli, const char *argument, const ps_option *table)
{
	const ps_option *tables[2];
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

void ps_cli_describe(const ps_command *command, void (*visit)(const ps_page *page, void *visitor),
		     void *visitor)
{
	json_t *result = NULL;
	ps_cli cli;

	ps_cli_init(&cli, command, NULL);
	cli.visit = visit;
	cli.visitor = visitor;
	if (!command->main(&cli, 0, NULL, &result))
		json_decref(result);
}

/* --- the beginning of a command --- */

/* Checks the common options and starts the session with them. */
static int start_session(ps_cli *cli)
{
	ps_session *s = &cli->session;
	int rc;

	if (cli->threads > 256)
		return ps_fail(&s->diag, PS_EUSAGE, "--threads %lld: must be 1 to 256",
			       (long long)cli->threads);
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
	const ps_option *tables[2];
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
