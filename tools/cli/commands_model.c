/* The command lines of the commands that take a model. */
#include "tools/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* *is_second: whether value is the second of two words. NULL stands for the first; any other word
 * is PS_EUSAGE. */
static int either(ps_cli *cli, const char *option, const char *value, const char *first,
		  const char *second, bool *is_second)
{
	*is_second = value && !strcmp(value, second);
	if (value && !*is_second && strcmp(value, first))
		return ps_fail(&cli->session.diag, PS_EUSAGE, "%s %s: must be %s or %s", option,
			       value, first, second);
	return 0;
}

static int main_tokenize(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_tokenize_args args = {.window = 256};
	const char *bos = NULL, *documents = NULL;
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--text", PS_OPTION_WANTED | PS_OPTION_LIST, &args.texts, "FILE...  UTF-8 text"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "T.safetensors"},
		{"--window", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.window,
		 "N  ids per window (256)"},
		{"--windows", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.windows,
		 "N  the first N (all there are)"},
		{"--bos", PS_OPTION_TEXT, &bos, "none|window  BOS opens each window (none)"},
		{"--documents", PS_OPTION_TEXT, &documents, "file|line  what a document is (file)"},
		{"--min-chars", PS_OPTION_INT | PS_OPTION_NATURAL, &args.min_chars,
		 "N  shorter documents are skipped (0)"},
		{"--allow-fewer", PS_OPTION_FLAG, &args.allow_fewer,
		 "take what there is if the text gives fewer than --windows"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	if (!rc)
		rc = either(cli, "--bos", bos, "none", "window", &args.bos_window);
	if (!rc)
		rc = either(cli, "--documents", documents, "file", "line", &args.per_line);
	args.model = positional.item[0];
	args.replace = cli->force;
	return rc ? rc : ps_run_tokenize(&cli->session, &args, result);
}

static int main_ppl(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_ppl_args args = {.window = 1024, .stride = 512};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--text", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.text, "FILE  UTF-8 text"},
		{"--window", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.window,
		 "N  text ids per window (1024)"},
		{"--stride", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.stride,
		 "N  ids between windows' starts (512)"},
		{"--max-tokens", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.max_tokens,
		 "N  only the first N ids of the text"},
		{"--allow-fewer", PS_OPTION_FLAG, &args.allow_fewer,
		 "take what there is if the text has fewer than --max-tokens"},
		{"--mask", PS_OPTION_TEXT, &args.mask,
		 "M  prune with this mask, or round (rounding file)"},
		{"--per-window", PS_OPTION_FLAG, &args.per_window,
		 "sums and counts of every window in the result"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run,
		 "the plan, bytes and expected time; nothing is done"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	args.model = positional.item[0];
	return rc ? rc : ps_run_ppl(&cli->session, (const ps_ppl_args *[]){&args}, 1, result);
}

static int main_logits(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_logits_args args = {0};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--tokens", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.tokens, "T  windows of ids"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "OUT.safetensors"},
		{"--mask", PS_OPTION_TEXT, &args.mask,
		 "M  prune with this mask, or round (rounding file)"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run,
		 "the plan, bytes and expected time; nothing is done"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	args.model = positional.item[0];
	args.replace = cli->force;
	return rc ? rc : ps_run_logits(&cli->session, &args, result);
}

static int main_calibrate(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_calibrate_args args = {0};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--tokens", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.tokens, "T  windows of ids"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "STATS.safetensors"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run,
		 "the plan, bytes and expected time; nothing is done"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	args.model = positional.item[0];
	args.replace = cli->force;
	return rc ? rc : ps_run_calibrate(&cli->session, &args, result);
}

static int main_prune(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_prune_args args = {.sparsity = -1, .window = 1024, .stride = 512, .tolerance = 0.01};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--method", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.method,
		 "magnitude|wanda|random|rtn  (rtn rounds to nearest, and prunes nothing)"},
		{"--sparsity", PS_OPTION_REAL | PS_OPTION_BELOW_1, &args.sparsity,
		 "S  fraction to drop, 0 <= S < 1"},
		{"--nm", PS_OPTION_TEXT, &args.nm, "N:M  drop N of each M consecutive inputs"},
		{"--scope", PS_OPTION_TEXT, &args.scope,
		 "row|matrix|global  (wanda: row; magnitude, random: matrix)"},
		{"--like", PS_OPTION_TEXT, &args.like,
		 "MASK  random: as many zeros as it has, by its scope; --seed draws them"},
		{"--match-ppl", PS_OPTION_TEXT, &args.match_ppl,
		 "FILE  magnitude, random: finds the sparsity that has the perplexity of this mask "
		 "or rounding"},
		{"--text", PS_OPTION_TEXT, &args.text, "FILE  whose perplexity (--match-ppl)"},
		{"--window", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.window,
		 "N  token ids (1024)"},
		{"--stride", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.stride,
		 "N  token ids (512)"},
		{"--max-tokens", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.max_tokens,
		 "N  only the first ids of the text"},
		{"--tolerance", PS_OPTION_REAL | PS_OPTION_POSITIVE, &args.tolerance,
		 "X  nats a token by which the two may differ (0.01)"},
		{"--nearest", PS_OPTION_FLAG, &args.nearest,
		 "the nearest sparsity, where none is within the tolerance"},
		{"--bits", PS_OPTION_INT | PS_OPTION_COUNT, &args.bits,
		 "N  rtn: 3 to 8 bits a weight"},
		{"--group", PS_OPTION_TEXT, &args.group,
		 "row|128  rtn: the columns that share a scale (row)"},
		{"--pool-embedding", PS_OPTION_FLAG, &args.pool_embedding,
		 "global: the embedding counts, but keeps its weights"},
		{"--calibration", PS_OPTION_TEXT, &args.calibration,
		 "sequential|dense  whose inputs Wanda sees (sequential)"},
		{"--tokens", PS_OPTION_TEXT, &args.tokens, "T  calibration windows"},
		{"--stats", PS_OPTION_TEXT, &args.stats, "STATS  of calibrate (dense calibration)"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "MASK.safetensors"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run,
		 "the plan, bytes and expected time; nothing is done"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	args.model = positional.item[0];
	args.seed = (uint64_t)cli->seed;
	args.replace = cli->force;
	return rc ? rc : ps_run_prune(&cli->session, (const ps_prune_args *[]){&args}, 1, result);
}

static int main_export(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_export_args args = {0};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--mask", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.mask,
		 "M  mask or rounding file, whose weights are written"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "DIR"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	args.model = positional.item[0];
	args.replace = cli->force;
	return rc ? rc : ps_run_export(&cli->session, &args, result);
}

/* *path: out/NAME, malloc'ed. NAME is `dense`, or the mask's file name without .safetensors. */
static int name_variant(ps_cli *cli, const char *mask, const char *out, char **path)
{
	const char *slash = strrchr(mask, '/'), *name = slash ? slash + 1 : mask;
	size_t length = strlen(name), ending = strlen(".safetensors");

	if (length > ending && !strcmp(name + length - ending, ".safetensors"))
		length -= ending;
	if (!length || name[0] == '.')
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "--mask %s: its file name gives the cache no name", mask);
	if (asprintf(path, "%s/%.*s", out, (int)length, name) < 0) {
		*path = NULL;
		return ps_fail(&cli->session.diag, PS_EBUDGET, "no memory for a path");
	}
	return 0;
}

/* The variants of `cache` and where their caches go: with one mask or none to out, with several to
 * out/NAME each. paths (masks->count) receives what the caller frees. */
static int lay_out_variants(ps_cli *cli, const ps_text_list *masks, const char *out,
			    ps_cache_args *args, char **paths)
{
	int rc = 0;

	args->variant_count = masks->count ? masks->count : 1;
	args->variants[0].out = out;
	for (size_t i = 0; i < masks->count && !rc; i++) {
		const char *mask = masks->item[i];

		args->variants[i].mask = strcmp(mask, "dense") ? mask : NULL;
		if (masks->count == 1)
			return 0;
		rc = name_variant(cli, mask, out, &paths[i]);
		args->variants[i].out = paths[i];
		for (size_t j = 0; j < i && !rc; j++)
			if (!strcmp(paths[i], paths[j]))
				rc = ps_fail(&cli->session.diag, PS_EUSAGE,
					     "--mask %s and --mask %s would both be %s",
					     masks->item[j], mask, paths[i]);
	}
	return rc;
}

static int main_cache(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_cache_args args = {.dtype = "f32", .order = "sequence"};
	ps_text_list positional = {0}, masks = {0};
	const char *out = NULL;
	char *paths[PS_LIST_MAX] = {NULL};
	const ps_option table[] = {
		{"--tokens", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.tokens, "T  windows of ids"},
		{"--layer", PS_OPTION_WANTED | PS_OPTION_INTS | PS_OPTION_NATURAL, &args.layers,
		 "L  residual stream after decoder layer L; repeatable"},
		{"--mask", PS_OPTION_TEXTS, &masks,
		 "M  prune with this mask, or round, or `dense`; repeated: all in one pass, to "
		 "DIR/NAME "
		 "each"},
		{"--changed-from", PS_OPTION_TEXT, &args.changed_from, ps_changed_from_help},
		{"--dtype", PS_OPTION_TEXT, &args.dtype, "f32|bf16  (f32)"},
		{"--order", PS_OPTION_TEXT, &args.order, "sequence|shuffled  (sequence)"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &out, "DIR"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run,
		 "the plan, bytes and expected time; nothing is done"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	args.model = positional.item[0];
	args.seed = (uint64_t)cli->seed;
	args.replace = cli->force;
	if (!rc)
		rc = lay_out_variants(cli, &masks, out, &args, paths);
	if (!rc)
		rc = ps_run_cache(&cli->session, &args, result);
	for (size_t i = 0; i < PS_LIST_MAX; i++)
		free(paths[i]);
	return rc;
}

const ps_command ps_commands_model[] = {
	{"tokenize", "MODEL --text FILE... -o T.safetensors", "text to windows of token ids",
	 main_tokenize, NULL},
	{"ppl", "MODEL --text FILE", "perplexity", main_ppl, NULL},
	{"logits", "MODEL --tokens T -o OUT.safetensors", "logits of every position", main_logits,
	 NULL},
	{"calibrate", "MODEL --tokens T -o STATS.safetensors",
	 "mean squares of every projection's input", main_calibrate, NULL},
	{"prune", "MODEL --method magnitude|wanda|random|rtn --sparsity S -o MASK.safetensors",
	 "a pruning mask, or a rounding", main_prune, NULL},
	{"export", "MODEL --mask M -o DIR", "an ordinary checkpoint, pruned or rounded",
	 main_export, NULL},
	{"cache", "MODEL --tokens T --layer L [--mask M...] -o DIR",
	 "activations of the residual stream", main_cache, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};
