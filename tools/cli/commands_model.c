/* The command lines of the commands that take a model. */
#include "tools/cli/cli.h"
#include "tools/cli/printed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/print_values.h"
#include "tools/cmd/ppl_windows.h"

static int main_tokenize(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_tokenize_args args = {.window = 256};
	const char *bos = "none", *documents = "file";
	const ps_option table[] = {
		PS_OPTION_TITLE("Input and output"),
		{"MODEL", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.model,
		 .help = "whose tokenizer.json is used"},
		{"--text", PS_OPTION_WANTED | PS_OPTION_LIST, &args.texts, "FILE ...",
		 .help = "UTF-8 texts"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "FILE",
		 .help = "the windows, a safetensors file"},
		PS_OPTION_TITLE("Windows"),
		{"--window", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.window, "N",
		 .help = "length of a window", .unit = "token ids"},
		{"--windows", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.windows, "N",
		 .help = "only the first N windows", .usual = "all there are"},
		{"--bos", PS_OPTION_WORD, &bos, "none|window",
		 .help = "whether BOS opens each window"},
		{"--documents", PS_OPTION_WORD, &documents, "file|line",
		 .help = "what a document is; a window never holds two"},
		{"--min-chars", PS_OPTION_INT | PS_OPTION_NATURAL, &args.min_chars, "N",
		 .help = "skip shorter documents", .unit = "characters"},
		{"--allow-fewer", PS_OPTION_FLAG, &args.allow_fewer,
		 .help = "take what there is if the texts give fewer than --windows"},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	args.bos_window = !strcmp(bos, "window");
	args.per_line = !strcmp(documents, "line");
	args.replace = cli->force;
	return rc ? rc : ps_run_tokenize(&cli->session, &args, result);
}

/* Of several models: `models` lists their results, and what they share stands beside it. */
static int gather_ppl(ps_cli *cli, const ps_text_list *masks, json_t **results, json_t **result)
{
	static const char *const shared[] = {"tokens", "windows", "backend"};
	json_t *models = json_array(), *all = json_pack("{s:O}", "models", models);
	int lost = !all;

	for (size_t i = 0; i < 3 && !lost; i++)
		lost = json_object_set(all, shared[i], json_object_get(results[0], shared[i]));
	for (size_t i = 0; i < masks->count && !lost; i++) {
		json_t *one = json_pack("{s:s}", "mask", masks->item[i]);

		for (size_t j = 0; j < 3; j++)
			json_object_del(results[i], shared[j]);
		lost = json_object_update(one, results[i]) | json_array_append_new(models, one);
	}
	json_decref(models);
	if (!lost) {
		*result = all;
		return 0;
	}
	json_decref(all);
	return ps_fail(&cli->session.diag, PS_EBUDGET, "no memory for the result");
}

static int run_ppl(ps_cli *cli, const ps_ppl_args *args, const ps_text_list *masks, json_t **result)
{
	const size_t count = masks->count ? masks->count : 1;
	ps_ppl_args each[PS_LIST_MAX];
	const ps_ppl_args *list[PS_LIST_MAX];
	json_t *results[PS_LIST_MAX] = {NULL};
	int rc, gathered = 0;

	for (size_t i = 0; i < count; i++) {
		const char *mask = masks->count ? masks->item[i] : "dense";

		each[i] = *args;
		each[i].mask = strcmp(mask, "dense") ? mask : NULL;
		list[i] = &each[i];
	}
	rc = ps_run_ppl(&cli->session, list, count, results);
	if (count == 1 || !results[count - 1]) {
		*result = results[0];
		return rc;
	}
	gathered = gather_ppl(cli, masks, results, result);
	for (size_t i = 0; i < count; i++)
		json_decref(results[i]);
	return gathered ? gathered : rc;
}

static int main_ppl(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_ppl_args args = {.window = 1024};
	ps_text_list masks = {0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input"),
		{"MODEL", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.model,
		 .help = ps_help_model},
		{"--text", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.text, "FILE",
		 .help = "UTF-8 text"},
		{"--mask", PS_OPTION_TEXTS, &masks, "FILE",
		 .help = "prune with this mask, or round with this rounding file; `dense` stands "
			 "for neither. May be repeated: all in one pass over the weights"},
		PS_OPTION_TITLE("Windows"),
		{"--window", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.window, "N",
		 .help = "length of a window without its BOS", .unit = "token ids"},
		{"--stride", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.stride, "N",
		 .help = "distance between the starts of windows", .unit = "token ids",
		 .usual = "half of --window"},
		{"--max-tokens", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.max_tokens, "N",
		 .help = "only the first N token ids of the text", .usual = "the whole text"},
		{"--allow-fewer", PS_OPTION_FLAG, &args.allow_fewer,
		 .help = "take what there is if the text has fewer than --max-tokens"},
		PS_OPTION_TITLE("What is told"),
		{"--per-window", PS_OPTION_FLAG, &args.per_window,
		 .help = "sums and counts of every window in the result"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run, .help = ps_help_dry_run},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	if (!args.stride)
		args.stride = ps_ppl_stride(args.window);
	return rc ? rc : run_ppl(cli, &args, &masks, result);
}

static int main_logits(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_logits_args args = {0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input and output"),
		{"MODEL", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.model,
		 .help = ps_help_model},
		{"--tokens", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.tokens, "FILE",
		 .help = ps_help_tokens},
		{"--mask", PS_OPTION_TEXT, &args.mask, "FILE", .help = ps_help_mask},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "FILE",
		 .help = "the logits, a safetensors file: F32 [windows, window, vocabulary]"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run, .help = ps_help_dry_run},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	args.replace = cli->force;
	return rc ? rc : ps_run_logits(&cli->session, &args, result);
}

static int main_calibrate(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_calibrate_args args = {0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input and output"),
		{"MODEL", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.model,
		 .help = ps_help_model},
		{"--tokens", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.tokens, "FILE",
		 .help = ps_help_tokens},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "FILE",
		 .help = "the mean squares, a safetensors file: F32 [inputs] a projection"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run, .help = ps_help_dry_run},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	args.replace = cli->force;
	return rc ? rc : ps_run_calibrate(&cli->session, &args, result);
}

static int main_sparsity(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_sparsity_args args = {0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input"),
		{"MODEL", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.model,
		 .help = ps_help_model},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	return rc ? rc : ps_run_sparsity(&cli->session, &args, result);
}

static int main_export(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_export_args args = {0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input and output"),
		{"MODEL", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.model,
		 .help = ps_help_model},
		{"--mask", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.mask, "FILE",
		 .help = "mask or rounding file, whose weights are written"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "DIR",
		 .help = "the checkpoint's folder"},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

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
	ps_text_list masks = {0};
	const char *out = NULL;
	char *paths[PS_LIST_MAX] = {NULL};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input and output"),
		{"MODEL", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.model,
		 .help = ps_help_model},
		{"--tokens", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.tokens, "FILE",
		 .help = ps_help_tokens},
		{"--changed-from", PS_OPTION_TEXT, &args.changed_from, "MODEL",
		 .help = ps_help_changed_from},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &out, "DIR",
		 .help = "the cache; of several layers DIR/layer-NN each"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run, .help = ps_help_dry_run},
		PS_OPTION_TITLE("Which activations"),
		{"--layer", PS_OPTION_WANTED | PS_OPTION_INTS | PS_OPTION_NATURAL, &args.layers,
		 "L ...",
		 .help = "residual stream after decoder layer L, counted from 0; may be repeated"},
		{"--mask", PS_OPTION_TEXTS, &masks, "FILE",
		 .help = "prune with this mask, or round with this rounding file; `dense` stands "
			 "for neither. May be repeated: all in one pass, to DIR/NAME each"},
		PS_OPTION_TITLE("How they are stored"),
		{"--dtype", PS_OPTION_WORD, &args.dtype, "f32|bf16", .help = "of the numbers"},
		{"--order", PS_OPTION_WORD, &args.order, "sequence|shuffled",
		 .help = "of the rows; --seed draws a shuffled one"},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

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

/* Several models are a table. */
static void print_ppl(const json_t *result)
{
	ps_print_listed(result, "models");
}

#define EXAMPLES (const ps_example[])

const ps_command ps_commands_model[] = {
	{.name = "tokenize",
	 .usage = "MODEL --text FILE ... -o FILE [OPTION ...]",
	 .summary = "text to windows of token ids",
	 .text = "Turns texts into windows of token ids, which cache, calibrate, prune, eval and "
		 "ablate read. Every document gives whole windows; what is left of it is dropped. "
		 "The ids are those of the model's tokenizer, without special tokens.",
	 .examples =
		 EXAMPLES{{"prunescope tokenize google/gemma-3-270m --text wiki.txt --bos window "
			   "-o tokens.safetensors",
			   "Windows of 256 ids, each opened by BOS, as Gemma wants them."},
			  {"prunescope tokenize ./model --text a.jsonl b.jsonl --documents line "
			   "--min-chars 200 --windows 4000 -o tokens.safetensors",
			   "The first 4,000 windows of texts with a document a line."},
			  {NULL, NULL}},
	 .main = main_tokenize},
	{.name = "ppl",
	 .usage = "MODEL --text FILE [OPTION ...]",
	 .summary = "perplexity of a text",
	 .text = "Computes the perplexity of a text. Windows overlap: every id is scored once, in "
		 "the first window that reaches it, so that it has context before it. The result "
		 "is exp of the mean loss in nats.",
	 .examples =
		 EXAMPLES{{"prunescope ppl google/gemma-3-270m --text wiki.valid.txt",
			   "Perplexity of the dense model."},
			  {"prunescope ppl google/gemma-3-270m --text wiki.valid.txt --max-tokens "
			   "50k --mask mask.safetensors",
			   "Of the pruned model, on the first 50,000 ids."},
			  {"prunescope ppl ./model --text wiki.valid.txt --mask dense --mask "
			   "a.safetensors --mask b.safetensors",
			   "Of three models; the weights are read once."},
			  {NULL, NULL}},
	 .printed = ps_printed_ppl,
	 .main = main_ppl,
	 .print = print_ppl},
	{.name = "logits",
	 .usage = "MODEL --tokens FILE -o FILE [OPTION ...]",
	 .summary = "logits of every position",
	 .text = "Writes the logits of every position of every window, to compare models with "
		 "other programs.",
	 .examples = EXAMPLES{{"prunescope logits ./model --tokens tokens.safetensors -o "
			       "logits.safetensors",
			       "Logits of all windows."},
			      {NULL, NULL}},
	 .main = main_logits},
	{.name = "calibrate",
	 .usage = "MODEL --tokens FILE -o FILE [OPTION ...]",
	 .summary = "mean squares of every projection's input",
	 .text = "Computes the mean over tokens of x^2 of every projection's input, in one pass of "
		 "the dense model. `prune --method wanda --calibration dense --stats` reads it, so "
		 "that masks of several sparsities share one pass.",
	 .examples = EXAMPLES{{"prunescope calibrate ./model --tokens tokens.safetensors -o "
			       "stats.safetensors",
			       "Statistics for any number of masks."},
			      {NULL, NULL}},
	 .main = main_calibrate},
	{.name = "sparsity",
	 .usage = "MODEL [OPTION ...]",
	 .summary = "the share of zeros among the weights that pruning looks at",
	 .text = "Counts the weights that are 0 in the q, k, v, o, gate, up and down projections "
		 "of every layer. So it says how sparse a checkpoint is that was pruned by any "
		 "other tool.",
	 .examples = EXAMPLES{{"prunescope sparsity ./pruned-model",
			       "The share as a whole, and in each kind of projection."},
			      {NULL, NULL}},
	 .main = main_sparsity},
	{.name = "export",
	 .usage = "MODEL --mask FILE -o DIR [OPTION ...]",
	 .summary = "an ordinary checkpoint, pruned or rounded",
	 .text = "Writes a checkpoint that any program reads, with the mask's zeros, or the "
		 "rounded weights, in it.",
	 .examples = EXAMPLES{{"prunescope export ./model --mask mask.safetensors -o pruned",
			       "The pruned model for transformers."},
			      {NULL, NULL}},
	 .main = main_export},
	{.name = "cache",
	 .usage = "MODEL --tokens FILE --layer L [--mask FILE ...] -o DIR [OPTION ...]",
	 .summary = "activations of the residual stream",
	 .text = "Runs the model over windows of token ids and stores the residual stream after "
		 "one or more layers: a row a token. train reads such a cache. One forward pass "
		 "serves all layers and all masks, and stops at the highest layer. After an "
		 "interruption the same command goes on.",
	 .examples =
		 EXAMPLES{{"prunescope cache ./model --tokens tokens.safetensors --layer 12 -o "
			   "cache",
			   "The dense model's rows of one layer."},
			  {"prunescope cache ./model --tokens tokens.safetensors --layer 12 --mask "
			   "dense --mask mask.safetensors -o caches",
			   "Dense and pruned in one pass: caches/dense and caches/mask."},
			  {"prunescope cache ./model --tokens tokens.safetensors --layer 6 12 "
			   "--dtype bf16 --dry-run -o caches",
			   "What two layers would take, in half of the space."},
			  {NULL, NULL}},
	 .main = main_cache},
	{.name = NULL},
};
