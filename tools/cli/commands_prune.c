/* The command line of `prune`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/folder.h"
#include "tools/cli/cli.h"
#include "tools/cli/print_values.h"
#include "tools/cli/printed.h"
#include "tools/cmd/ppl_windows.h"
#include "tools/run/json.h"

enum { PRUNE_ROWS = 48 }; /* of the table, its end included; more than there are */

/* What is asked for: masks by each method, of each sparsity. */
struct request {
	ps_prune_args args; /* what they share */
	ps_text_list methods;
	ps_real_list sparsities;
};

/* One mask of several. */
struct mask {
	ps_prune_args args;
	char *out; /* allocated; NULL: it is the only one */
};

/* Which weights go. */
static ps_option *method_options(struct request *r, ps_option *table)
{
	ps_prune_args *a = &r->args;
	const ps_option rows[] = {
		PS_OPTION_TITLE("Input and output"),
		{"MODEL", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &a->model, .help = ps_help_model},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &a->out, "FILE",
		 .help = "the mask or rounding, a safetensors file; of several masks a folder, "
			 "DIR/METHOD-S.safetensors each"},
		{"--dry-run", PS_OPTION_FLAG, &a->dry_run, .help = ps_help_dry_run},
		PS_OPTION_TITLE("Which weights go"),
		{"--method", PS_OPTION_WANTED | PS_OPTION_WORDS, &r->methods,
		 "magnitude|wanda|random|rtn",
		 .help = "smallest weights; smallest weight times its input's norm; random ones; "
			 "rtn rounds to nearest, and prunes nothing. May be repeated"},
		{"--sparsity", PS_OPTION_REALS | PS_OPTION_BELOW_1, &r->sparsities, "S ...",
		 .help = "share of the weights to drop. magnitude, wanda: several in one go"},
		{"--nm", PS_OPTION_TEXT, &a->nm, "N:M",
		 .help = "drop N of each M consecutive inputs, instead of --sparsity"},
		{"--scope", PS_OPTION_WORD, &a->scope, "row|matrix|global",
		 .help = "within what the share holds", .usual = "wanda: row; others: matrix"},
		{"--pool-embedding", PS_OPTION_FLAG, &a->pool_embedding,
		 .help = "--scope global: the embedding counts for the threshold, but keeps its "
			 "weights"},
		PS_OPTION_TITLE("Calibration of wanda"),
		{"--tokens", PS_OPTION_TEXT, &a->tokens, "FILE",
		 .help = "calibration windows, as `tokenize` writes them"},
		{"--calibration", PS_OPTION_WORD, &a->calibration, "sequential|dense",
		 .help = "whether a layer sees the inputs of the pruned or of the dense layers "
			 "below it",
		 .usual = "sequential"},
		{"--stats", PS_OPTION_TEXT, &a->stats, "FILE",
		 .help = "what `calibrate` wrote, instead of --tokens; needs --calibration dense"},
		{"--assume", PS_OPTION_TEXT, &a->assume, "MASK",
		 .help = "sequential: this mask stands in the layers below, not the one that is "
			 "made. It compares the masks of two programs layer by layer"},
	};

	memcpy(table, rows, sizeof rows);
	return table + sizeof rows / sizeof *rows;
}

/* Masks that are controls of others, and roundings; the end of the table. */
static void control_options(ps_prune_args *a, ps_option *table)
{
	const ps_option rows[] = {
		PS_OPTION_TITLE("As many zeros, or the same perplexity, as another"),
		{"--like", PS_OPTION_TEXT, &a->like, "MASK",
		 .help = "random: as many zeros as this mask has, by its scope; --seed draws "
			 "them"},
		{"--match-ppl", PS_OPTION_TEXT, &a->match_ppl, "FILE",
		 .help = "magnitude, random: find the sparsity that has the perplexity of this "
			 "mask or rounding"},
		{"--text", PS_OPTION_TEXT, &a->text, "FILE", .help = "whose perplexity"},
		{"--window", PS_OPTION_INT | PS_OPTION_POSITIVE, &a->window, "N",
		 .help = "length of a window", .unit = "token ids"},
		{"--stride", PS_OPTION_INT | PS_OPTION_POSITIVE, &a->stride, "N",
		 .help = "distance between the starts of windows", .unit = "token ids",
		 .usual = "half of --window"},
		{"--max-tokens", PS_OPTION_INT | PS_OPTION_POSITIVE, &a->max_tokens, "N",
		 .help = "only the first N token ids of the text", .usual = "the whole text"},
		{"--tolerance", PS_OPTION_REAL | PS_OPTION_POSITIVE, &a->tolerance, "X",
		 .help = "by which the two may differ", .unit = "nats a token"},
		{"--nearest", PS_OPTION_FLAG, &a->nearest,
		 .help = "take the nearest sparsity, where none is within the tolerance"},
		PS_OPTION_TITLE("Rounding (rtn)"),
		{"--bits", PS_OPTION_INT | PS_OPTION_COUNT, &a->bits, "N",
		 .help = "3 to 8 bits a weight"},
		{"--group", PS_OPTION_WORD, &a->group, "row|128",
		 .help = "the columns that share a scale", .usual = "row"},
		PS_OPTION_END,
	};

	memcpy(table, rows, sizeof rows);
}

static size_t mask_count(const struct request *r)
{
	return r->methods.count * (r->sparsities.count ? r->sparsities.count : 1);
}

/* The options of wanda are its own where another method is asked for too. */
static void keep_to_method(const struct request *r, ps_prune_args *args)
{
	if (r->methods.count == 1 || !strcmp(args->method, "wanda"))
		return;
	args->tokens = args->stats = args->calibration = NULL;
}

/* The mask of one method and sparsity. */
static int lay_out_mask(const struct request *r, size_t index, struct mask *mask, ps_diag *diag)
{
	const size_t sparsities = r->sparsities.count ? r->sparsities.count : 1;
	ps_prune_args *args = &mask->args;
	bool beside;

	*args = r->args;
	args->method = r->methods.item[index / sparsities];
	args->sparsity = r->sparsities.count ? r->sparsities.item[index % sparsities] : -1;
	keep_to_method(r, args);
	if (mask_count(r) == 1)
		return 0;
	/* A dry run makes no folder: it asks what is beside it. */
	beside = r->args.dry_run && access(r->args.out, F_OK);
	if (asprintf(&mask->out, "%s%s%s-%.15g.safetensors", r->args.out, beside ? "-" : "/",
		     args->method, args->sparsity) < 0) {
		mask->out = NULL;
		return ps_fail(diag, PS_EBUDGET, "no memory for a path");
	}
	args->out = mask->out;
	return 0;
}

/* Several masks are those of several sparsities, each once. */
static int check_request(const struct request *r, ps_diag *diag)
{
	const ps_real_list *s = &r->sparsities;

	if (mask_count(r) > PS_LIST_MAX)
		return ps_fail(diag, PS_EUSAGE, "%zu masks: at most %d are made at once",
			       mask_count(r), PS_LIST_MAX);
	for (size_t i = 0; i < r->methods.count; i++)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(r->methods.item[i], r->methods.item[j]))
				return ps_fail(diag, PS_EUSAGE, "--method %s is given twice",
					       r->methods.item[i]);
	for (size_t i = 0; i < s->count; i++)
		for (size_t j = 0; j < i; j++)
			if (s->item[i] == s->item[j])
				return ps_fail(diag, PS_EUSAGE, "--sparsity %g is given twice",
					       s->item[i]);
	if (r->methods.count > 1 && !s->count)
		return ps_fail(diag, PS_EUSAGE, "several methods want --sparsity");
	if (r->methods.count > 1 && r->args.dry_run)
		return ps_fail(diag, PS_EUSAGE, "--dry-run goes with one method");
	return 0;
}

static int gather(const struct mask *masks, size_t count, json_t **results, json_t **result,
		  ps_diag *diag)
{
	json_t *list = json_array();
	int lost = !list;

	for (size_t i = 0; i < count && !lost; i++) {
		json_t *one = json_pack("{s:s, s:s, s:o}", "mask", masks[i].args.out, "method",
					masks[i].args.method, "sparsity",
					ps_number_json(masks[i].args.sparsity));

		lost = json_object_update(one, results[i]) | json_array_append_new(list, one);
	}
	if (!lost)
		*result = json_pack("{s:O}", "masks", list);
	json_decref(list);
	return *result ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for the result");
}

/* The masks of one method are made in one go. */
static int run_methods(ps_cli *cli, const struct request *r, const struct mask *masks,
		       json_t **results)
{
	const size_t each = mask_count(r) / r->methods.count;
	int rc = 0;

	for (size_t m = 0; m < r->methods.count && !rc; m++) {
		const ps_prune_args *list[PS_LIST_MAX];

		for (size_t i = 0; i < each; i++)
			list[i] = &masks[m * each + i].args;
		rc = ps_run_prune(&cli->session, list, each, results + m * each);
	}
	return rc;
}

static int run(ps_cli *cli, const struct request *r, json_t **result)
{
	const size_t count = mask_count(r);
	const bool gathered = count > 1 && !r->args.dry_run,
		   new_folder = gathered && access(r->args.out, F_OK);
	struct mask *masks = calloc(count, sizeof *masks);
	json_t *results[PS_LIST_MAX] = {NULL};
	ps_diag *diag = &cli->session.diag;
	int rc = masks ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for %zu masks", count);

	for (size_t i = 0; i < count && !rc; i++)
		rc = lay_out_mask(r, i, &masks[i], diag);
	if (!rc && gathered)
		rc = ps_folder_make(&ps_sys_linux, r->args.out, diag);
	if (!rc)
		rc = run_methods(cli, r, masks, results);
	if (!rc && gathered)
		rc = gather(masks, count, results, result, diag);
	else if (!rc)
		*result = json_incref(results[0]);
	/* A folder with masks in it stays. */
	if (rc && new_folder)
		(void)rmdir(r->args.out);
	for (size_t i = 0; i < count; i++) {
		json_decref(results[i]);
		if (masks)
			free(masks[i].out);
	}
	free(masks);
	return rc;
}

static int main_prune(ps_cli *cli, int argc, char **argv, json_t **result)
{
	struct request r = {.args = {.sparsity = -1, .window = 1024, .tolerance = 0.01}};
	ps_option table[PRUNE_ROWS];
	int rc;

	control_options(&r.args, method_options(&r, table));
	rc = ps_cli_begin(cli, argc, argv, table);
	if (!r.args.stride)
		r.args.stride = ps_ppl_stride(r.args.window);
	r.args.seed = (uint64_t)cli->seed;
	r.args.replace = cli->force;
	if (!rc)
		rc = check_request(&r, &cli->session.diag);
	return rc ? rc : run(cli, &r, result);
}

/* Several masks are a table. */
static void print_prune(const json_t *result)
{
	ps_print_listed(result, "masks");
}

#define EXAMPLES (const ps_example[])

const ps_command ps_commands_prune[] = {
	{.name = "prune",
	 .usage = "MODEL --method METHOD (--sparsity S ... | --nm N:M | ...) -o FILE [OPTION ...]",
	 .summary = "a pruning mask, or a rounding",
	 .text = "Chooses the weights that go, in the q, k, v, o, gate, up and down projections of "
		 "every layer, and writes a mask of one bit a weight. The model itself is not "
		 "copied: ppl, cache, eval and the others take the mask beside it, and export "
		 "makes a checkpoint of the two.\n\n"
		 "The controls of a study come from here too: a random mask (--method random, "
		 "--like), a rounding (--method rtn), and a mask that is matched to another's "
		 "perplexity (--match-ppl).\n\n"
		 "The masks of several sparsities share their work: magnitude and wanda read and "
		 "score the weights once, and dense calibration is done once. Sequential wanda "
		 "takes the pruned models through the layers side by side. Each mask has the bits "
		 "that it gets alone.",
	 .examples =
		 EXAMPLES{
			 {"prunescope prune ./model --method wanda --sparsity 50% --tokens "
			  "tokens.safetensors -o mask.safetensors",
			  "Wanda, half of each row, each layer calibrated on the pruned ones "
			  "below."},
			 {"prunescope prune ./model --method magnitude --nm 2:4 -o "
			  "mask.safetensors",
			  "The smaller two of each four consecutive inputs go."},
			 {"prunescope prune ./model --method magnitude --method wanda --sparsity "
			  "0.3 0.5 0.7 --tokens tokens.safetensors -o masks",
			  "Six masks: masks/magnitude-0.3.safetensors and so on."},
			 {"prunescope prune ./model --method random --like mask.safetensors --seed "
			  "7 -o random.safetensors",
			  "A control: as many zeros, drawn at random."},
			 {"prunescope prune ./model --method rtn --bits 4 --group 128 -o "
			  "int4.safetensors",
			  "Rounds to 4 bits, a scale for 128 columns."},
			 {NULL, NULL}},
	 .printed = ps_printed_prune,
	 .main = main_prune,
	 .print = print_prune},
	{.name = NULL},
};
