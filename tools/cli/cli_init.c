/* A command line before it is read: the options that all commands share, and a command that is only
 * asked to describe itself. */
#include <string.h>

#include "core/base/clock.h"
#include "tools/cli/cli.h"

const char ps_help_model[] = "checkpoint folder, .gguf or .safetensors file, or hub id in the "
			     "local Hugging Face cache",
	   ps_help_sae[] = "an SAE's folder: ours, SAELens', sparsify's, Gemma Scope's or Llama "
			   "Scope's",
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
	ps_session *s = &cli->session;

	*cli = (ps_cli){.command = command,
			.groups = groups,
			.threads = ps_pool_processors(),
			.backend = "auto",
			.session.started = ps_clock()};
	const ps_option table[] = {
		PS_OPTION_TITLE("Common options"),
		{"--memory", PS_OPTION_SIZE, &s->memory_bytes, "SIZE",
		 .help = "hard budget for the program's memory: bytes, or with K, M, G, KiB, MiB, "
			 "GiB",
		 .usual = "nine tenths of what is free"},
		{"--threads", PS_OPTION_INT | PS_OPTION_POSITIVE, &cli->threads, "N",
		 .help = "threads that compute, at most 256", .usual = "the processors it may use"},
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
