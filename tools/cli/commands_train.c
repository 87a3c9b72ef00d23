/* The command line of `train`. Its table is made of five parts. */
#include <stdio.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/cli/printed.h"

enum { OPTIONS_MAX = 64 };

/* --- what a person sees --- */

static double number(const json_t *object, const char *key)
{
	return ps_json_number(json_object_get(object, key));
}

/* A row an SAE. One that an earlier run finished has no time of this run. */
static void print_sae(const json_t *sae, bool held_out)
{
	const double seconds = number(sae, "seconds");

	printf("%8.0f %6.0f %6.0f %8.5f %8.2f %7.2f %%", number(sae, "d_sae"), number(sae, "k"),
	       number(sae, "seed"), number(sae, "fvu"), number(sae, "l0"),
	       100 * number(sae, "dead_fraction"));
	if (held_out)
		printf(" %8.5f", number(sae, "held_out_fvu"));
	if (seconds > 0)
		printf(" %9.1f %9.0f\n", seconds, number(sae, "tokens_per_s"));
	else
		puts("  it was there already");
}

static void print_train(const json_t *result)
{
	const json_t *saes = json_object_get(result, "saes"), *sae;
	const bool held_out = json_object_get(result, "held_out_fvu");
	size_t i;

	printf("%8s %6s %6s %8s %8s %9s%s %9s %9s\n", "latents", "k", "seed", "FVU", "L0", "dead",
	       held_out ? " held out" : "", "seconds", "tokens/s");
	if (!saes)
		print_sae(result, held_out);
	json_array_foreach (saes, i, sae)
		print_sae(sae, held_out);
}

/* --- the command line --- */

/* Which SAEs, and by which recipe. */
static ps_option *sae_options(ps_train_args *a, ps_option *table)
{
	const ps_option rows[] = {
		PS_OPTION_TITLE("Input and output"),
		{"CACHE", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &a->cache,
		 .help = "activations, as `cache` writes them"},
		{"--with", PS_OPTION_TEXTS, &a->with, "CACHE",
		 .help = "train on this cache of the same tokens too, side by side; may be "
			 "repeated"},
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &a->out, "DIR",
		 .help = "the SAE; of several one in each DIR/d-N-k-N-seed-N"},
		{"--log", PS_OPTION_TEXT, &a->log, "PREFIX",
		 .help = "the run's course: PREFIX.csv, PREFIX.jsonl, at the end PREFIX.svg"},
		{"--save-every", PS_OPTION_REAL | PS_OPTION_NATURAL, &a->save_every, "SECONDS",
		 .help = "time between saved states, from which an interrupted run goes on",
		 .unit = "seconds"},
		PS_OPTION_TITLE("The SAE (several values: an SAE of each combination)"),
		{"--arch", PS_OPTION_WORD, &a->arch, "topk|batchtopk|jumprelu|relu|gated",
		 .help = "its activation function"},
		{"--d-sae", PS_OPTION_INTS | PS_OPTION_COUNT, &a->d_sae, "N ...",
		 .help = "latents"},
		{"--expansion", PS_OPTION_INTS | PS_OPTION_COUNT, &a->expansion, "N ...",
		 .help = "latents per dimension of the rows, instead of --d-sae", .usual = "8"},
		{"--k", PS_OPTION_INTS | PS_OPTION_COUNT, &a->k, "N ...",
		 .help = "active latents: topk of each row, batchtopk of a row on average, "
			 "jumprelu aims at it",
		 .usual = "64"},
		{"--seed", PS_OPTION_INTS | PS_OPTION_NATURAL, &a->seeds, "N ...",
		 .help = "of the first parameters and the order of rows", .usual = "0"},
		{"--recipe", PS_OPTION_WORD, &a->recipe,
		 "prunescope|paper|saelens|sparsify|dictionary_learning",
		 .help = "whose defaults the options below have: ours, the architecture's paper's "
			 "or a library's"},
	};

	memcpy(table, rows, sizeof rows);
	return table + sizeof rows / sizeof *rows;
}

/* What they are trained on, and in which order. */
static ps_option *data_options(ps_train_args *a, ps_option *table)
{
	const ps_option rows[] = {
		PS_OPTION_TITLE("Rows"),
		{"--tokens", PS_OPTION_INT | PS_OPTION_POSITIVE, &a->tokens, "N",
		 .help = "rows to train on; more than the cache has: further epochs",
		 .usual = "one epoch"},
		{"--batch", PS_OPTION_INT | PS_OPTION_COUNT, &a->batch, "N",
		 .help = "rows of a step", .usual = "4096, or all there are"},
		{"--hold-out", PS_OPTION_INT | PS_OPTION_NATURAL, &a->hold_out, "N",
		 .help = "measure on the last N rows, train on the others"},
		{"--keep-special", PS_OPTION_FLAG, &a->keep_special, .help = ps_help_keep_special},
		{"--order", PS_OPTION_WORD, &a->order, "shuffled|sequential",
		 .help = "rows in an order of their own each epoch, or in the cache's"},
		{"--data-seed", PS_OPTION_INT | PS_OPTION_NATURAL, &a->data_seed, "N",
		 .help = "of the order of rows alone; SAEs that share it share one read of the "
			 "data",
		 .usual = "the SAE's --seed"},
		{"--read-ahead", PS_OPTION_INT | PS_OPTION_NATURAL, &a->read_ahead, "N",
		 .help = "rows of the next batch that are read while a step computes; 0: none",
		 .usual = "all of them"},
		{"--disk", PS_OPTION_SIZE, &a->disk, "SIZE",
		 .help = "most that an unnamed file in SAE may take, in which rows of a cache "
			 "larger than memory are sorted into their order",
		 .usual = "half of what is free"},
	};

	memcpy(table, rows, sizeof rows);
	return table + sizeof rows / sizeof *rows;
}

/* How large the steps are. */
static ps_option *step_options(ps_train_args *a, ps_option *table)
{
	const ps_option rows[] = {
		PS_OPTION_TITLE("Learning rate (defaults: the recipe's)"),
		{"--lr", PS_OPTION_REAL | PS_OPTION_POSITIVE, &a->lr, "X",
		 .help = "highest rate; prunescope: 2e-4 / sqrt(latents / 16384), up to 7 times "
			 "more in runs of fewer than 25,000 steps"},
		{"--warmup", PS_OPTION_REAL | PS_OPTION_SHARE, &a->warmup, "X",
		 .help = "share of the steps until it is reached"},
		{"--schedule", PS_OPTION_WORD, &a->schedule, "linear|cosine|constant",
		 .help = "how it falls at the end"},
		{"--decay", PS_OPTION_REAL | PS_OPTION_SHARE, &a->decay, "X",
		 .help = "share of the steps in which it falls"},
		{"--lr-end", PS_OPTION_REAL | PS_OPTION_SHARE, &a->lr_end, "X",
		 .help = "share of it that is left at the end"},
		{"--beta1", PS_OPTION_REAL | PS_OPTION_BELOW_1, &a->beta1, "X",
		 .help = "Adam's, of the gradient's running mean"},
		{"--beta2", PS_OPTION_REAL | PS_OPTION_INSIDE, &a->beta2, "X",
		 .help = "Adam's, of its square's"},
		{"--clip", PS_OPTION_REAL | PS_OPTION_NATURAL, &a->clip, "X",
		 .help = "largest norm of the gradient; 0: any"},
	};

	memcpy(table, rows, sizeof rows);
	return table + sizeof rows / sizeof *rows;
}

/* Where training starts, and what keeps codes sparse. */
static ps_option *form_options(ps_train_args *a, ps_option *table)
{
	const ps_option rows[] = {
		PS_OPTION_TITLE("Start (defaults: the recipe's)"),
		{"--b-dec", PS_OPTION_WORD, &a->b_dec, "zero|mean|median",
		 .help = "where the decoder's bias starts"},
		{"--encoder-scale", PS_OPTION_REAL | PS_OPTION_POSITIVE, &a->encoder_scale, "X",
		 .help = "the encoder starts as X times the decoder"},
		{"--freeze", PS_OPTION_WORD, &a->freeze, "nothing|decoder|encoder",
		 .help = "whose directions stay as they start", .usual = "nothing"},
		PS_OPTION_TITLE("Sparsity (defaults: the recipe's)"),
		{"--k-start", PS_OPTION_INT | PS_OPTION_COUNT, &a->k_start, "N",
		 .help = "topk, batchtopk: k at the start", .usual = "--k"},
		{"--k-anneal", PS_OPTION_REAL | PS_OPTION_SHARE, &a->k_anneal, "X",
		 .help = "share of the steps in which it falls to --k"},
		{"--sparsity", PS_OPTION_REAL | PS_OPTION_NATURAL, &a->sparsity, "X",
		 .help = "jumprelu, relu, gated: coefficient of the penalty"},
		{"--sparsity-warmup", PS_OPTION_REAL | PS_OPTION_SHARE, &a->sparsity_warmup, "X",
		 .help = "share of the steps until it is reached"},
		{"--penalty", PS_OPTION_WORD, &a->penalty, "step|tanh|target",
		 .help = "form of jumprelu's penalty"},
		{"--target-l0", PS_OPTION_REAL | PS_OPTION_POSITIVE, &a->target_l0, "X",
		 .help = "active latents a row that --penalty target aims at", .usual = "--k"},
		{"--bandwidth", PS_OPTION_REAL | PS_OPTION_POSITIVE, &a->bandwidth, "X",
		 .help = "of jumprelu's straight-through estimator"},
		{"--matryoshka", PS_OPTION_INTS | PS_OPTION_COUNT, &a->matryoshka, "N ...",
		 .help = "batchtopk: the first N latents reconstruct by themselves too"},
	};

	memcpy(table, rows, sizeof rows);
	return table + sizeof rows / sizeof *rows;
}

/* What becomes of dead latents; the end of the table. */
static void dead_options(ps_train_args *a, ps_option *table)
{
	const ps_option rows[] = {
		PS_OPTION_TITLE("Dead latents (defaults: the recipe's)"),
		{"--auxk", PS_OPTION_REAL | PS_OPTION_NATURAL, &a->auxk, "X",
		 .help = "topk, batchtopk: coefficient of their loss; 0: none"},
		{"--auxk-form", PS_OPTION_WORD, &a->auxk_form,
		 "paper|saelens|sparsify|dictionary_learning", .help = "how it is normalised"},
		{"--dead-after", PS_OPTION_INT | PS_OPTION_POSITIVE, &a->dead_after, "N",
		 .help = "tokens without firing until a latent counts as dead"},
		{"--resample", PS_OPTION_INT | PS_OPTION_NATURAL, &a->resample, "N",
		 .help = "they start anew every N tokens; 0: never"},
		PS_OPTION_END,
	};

	memcpy(table, rows, sizeof rows);
}

static int main_train(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_train_args args = ps_train_args_default();
	ps_option table[OPTIONS_MAX], *end = sae_options(&args, table);
	int rc;

	end = data_options(&args, end);
	end = step_options(&args, end);
	dead_options(&args, form_options(&args, end));
	rc = ps_cli_begin(cli, argc, argv, table);
	args.replace = cli->force;
	if (!args.seeds.count)
		args.seeds = (ps_int_list){1, {cli->seed}};
	if (!rc && args.d_sae.count && args.expansion.count)
		rc = ps_fail(&cli->session.diag, PS_EUSAGE,
			     "--d-sae and --expansion exclude each other");
	return rc ? rc : ps_run_train(&cli->session, &args, result);
}

const ps_command ps_commands_train[] = {
	{.name = "train",
	 .usage = "CACHE -o DIR [OPTION ...]",
	 .summary = "sparse autoencoders",
	 .text = "Trains a sparse autoencoder on cached activations, into a folder that SAELens "
		 "reads. The same command again goes on after an interruption, to the same bits; "
		 "a finished SAE is left alone. Schedules are shares of the run, so they fit long "
		 "and short runs.",
	 .examples =
		 (const ps_example[]){
			 {"prunescope train cache --expansion 16 --k 64 --seed 7 -o sae",
			  "A TopK SAE with 16 latents per dimension, in one epoch."},
			 {"prunescope train cache --d-sae 8192 16384 --k 32 64 --data-seed 0 -o "
			  "saes",
			  "Four SAEs that share one read of the cache."},
			 {"prunescope train cache --arch jumprelu --tokens 500M --hold-out 50k "
			  "--log run -o sae",
			  "A long run, measured on rows that it does not see, with a log."},
			 {NULL, NULL}},
	 .printed = ps_printed_train,
	 .main = main_train,
	 .print = print_train},
	{.name = NULL},
};
