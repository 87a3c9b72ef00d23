/* The command line of `train`. Its options are listed in four groups, each at the end of the one
 * table. */
#include <string.h>

#include "tools/cli/cli.h"

enum { OPTIONS_MAX = 48 };

/* Which SAEs, and by which recipe. */
static ps_option *sae_options(ps_train_args *a, ps_option *table)
{
	const ps_option rows[] = {
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &a->out, "SAE  folder"},
		{"--arch", PS_OPTION_TEXT, &a->arch, "topk|batchtopk|jumprelu|relu|gated  (topk)"},
		{"--recipe", PS_OPTION_TEXT, &a->recipe,
		 "prunescope|paper|saelens|sparsify|dictionary_learning  defaults of what follows "
		 "--batch"},
		{"--d-sae", PS_OPTION_INTS | PS_OPTION_COUNT, &a->d_sae,
		 "N ...  latents; several of N, of --k or of --seed: an SAE of each, "
		 "SAE/d-N-k-N-seed-N/"},
		{"--expansion", PS_OPTION_INTS | PS_OPTION_COUNT, &a->expansion,
		 "N ...  latents per dimension, when --d-sae is absent (8)"},
		{"--k", PS_OPTION_INTS | PS_OPTION_COUNT, &a->k,
		 "N ...  active latents: of a row, of a row on average, or aimed at by jumprelu "
		 "(64)"},
	};

	memcpy(table, rows, sizeof rows);
	return table + sizeof rows / sizeof *rows;
}

/* What they are trained on, in which order, and what is told of it. */
static ps_option *data_options(ps_train_args *a, ps_option *table)
{
	const ps_option rows[] = {
		{"--tokens", PS_OPTION_INT | PS_OPTION_POSITIVE, &a->tokens,
		 "N  to train on (one epoch)"},
		{"--seed", PS_OPTION_INTS | PS_OPTION_NATURAL, &a->seeds,
		 "N ...  several: SAE/seed-N/"},
		{"--data-seed", PS_OPTION_INT | PS_OPTION_NATURAL, &a->data_seed,
		 "N  order of the rows (the SAE's seed); SAEs that share it share one read of the "
		 "data"},
		{"--order", PS_OPTION_TEXT, &a->order,
		 "shuffled|sequential  rows in an order of their own each epoch, or in the "
		 "cache's"},
		{"--with", PS_OPTION_TEXTS, &a->with,
		 "CACHE  train on this cache of the same tokens too, side by side; may be "
		 "repeated"},
		{"--read-ahead", PS_OPTION_INT | PS_OPTION_NATURAL, &a->read_ahead,
		 "N  rows read while a step computes, of the next batch (all of it); 0: none"},
		{"--hold-out", PS_OPTION_INT | PS_OPTION_NATURAL, &a->hold_out,
		 "N  measure on the last N rows, train on the others"},
		{"--keep-special", PS_OPTION_FLAG, &a->keep_special,
		 "train on BOS, EOS and PAD rows too"},
		{"--log", PS_OPTION_TEXT, &a->log,
		 "PREFIX  the run's course: PREFIX.csv, PREFIX.jsonl, at the end PREFIX.svg"},
		{"--save-every", PS_OPTION_REAL | PS_OPTION_NATURAL, &a->save_every,
		 "SECONDS  between states saved (20)"},
	};

	memcpy(table, rows, sizeof rows);
	return table + sizeof rows / sizeof *rows;
}

/* How large the steps are. */
static ps_option *step_options(ps_train_args *a, ps_option *table)
{
	const ps_option rows[] = {
		{"--batch", PS_OPTION_INT | PS_OPTION_COUNT, &a->batch,
		 "N  rows a step (4096, or all there are)"},
		{"--lr", PS_OPTION_REAL | PS_OPTION_POSITIVE, &a->lr,
		 "X  peak rate (prunescope: by latents and steps, sae/recipe.h)"},
		{"--warmup", PS_OPTION_REAL | PS_OPTION_SHARE, &a->warmup,
		 "X  share of the steps until the rate is reached"},
		{"--schedule", PS_OPTION_TEXT, &a->schedule,
		 "linear|cosine|constant  how the rate falls at the end"},
		{"--decay", PS_OPTION_REAL | PS_OPTION_SHARE, &a->decay,
		 "X  share of the steps in which it falls"},
		{"--lr-end", PS_OPTION_REAL | PS_OPTION_SHARE, &a->lr_end,
		 "X  share of the rate that is left at the end"},
		{"--beta1", PS_OPTION_REAL | PS_OPTION_BELOW_1, &a->beta1,
		 "X  Adam's, of the gradient's running mean"},
		{"--beta2", PS_OPTION_REAL | PS_OPTION_INSIDE, &a->beta2, "X  and of its square's"},
		{"--clip", PS_OPTION_REAL | PS_OPTION_NATURAL, &a->clip,
		 "X  largest norm of the gradient; 0: any"},
	};

	memcpy(table, rows, sizeof rows);
	return table + sizeof rows / sizeof *rows;
}

/* Where training starts, what keeps codes sparse, what becomes of dead latents. */
static ps_option *form_options(ps_train_args *a, ps_option *table)
{
	const ps_option rows[] = {
		{"--freeze", PS_OPTION_TEXT, &a->freeze,
		 "decoder|encoder  its directions stay as they start"},
		{"--b-dec", PS_OPTION_TEXT, &a->b_dec,
		 "zero|mean|median  where the decoder's bias starts"},
		{"--encoder-scale", PS_OPTION_REAL | PS_OPTION_POSITIVE, &a->encoder_scale,
		 "X  the encoder starts as X times the decoder"},
		{"--k-start", PS_OPTION_INT | PS_OPTION_COUNT, &a->k_start,
		 "N  topk, batchtopk: k at the start"},
		{"--k-anneal", PS_OPTION_REAL | PS_OPTION_SHARE, &a->k_anneal,
		 "X  share of the steps in which it falls to --k"},
		{"--sparsity", PS_OPTION_REAL | PS_OPTION_NATURAL, &a->sparsity,
		 "X  coefficient of the penalty of jumprelu, relu, gated"},
		{"--sparsity-warmup", PS_OPTION_REAL | PS_OPTION_SHARE, &a->sparsity_warmup,
		 "X  share of the steps until it is reached"},
		{"--penalty", PS_OPTION_TEXT, &a->penalty, "step|tanh|target  jumprelu's"},
		{"--target-l0", PS_OPTION_REAL | PS_OPTION_POSITIVE, &a->target_l0,
		 "X  of --penalty target (--k)"},
		{"--bandwidth", PS_OPTION_REAL | PS_OPTION_POSITIVE, &a->bandwidth,
		 "X  of jumprelu's estimator"},
		{"--matryoshka", PS_OPTION_INTS | PS_OPTION_COUNT, &a->matryoshka,
		 "N ...  batchtopk: the first N latents reconstruct by themselves too"},
		{"--auxk", PS_OPTION_REAL | PS_OPTION_NATURAL, &a->auxk,
		 "X  topk, batchtopk: coefficient of the dead latents' loss; 0: none"},
		{"--auxk-form", PS_OPTION_TEXT, &a->auxk_form,
		 "paper|saelens|sparsify|dictionary_learning  its normalisation"},
		{"--dead-after", PS_OPTION_INT | PS_OPTION_POSITIVE, &a->dead_after,
		 "N  tokens without firing"},
		{"--resample", PS_OPTION_INT | PS_OPTION_NATURAL, &a->resample,
		 "N  dead latents start anew every N tokens; 0: never"},
	};

	memcpy(table, rows, sizeof rows);
	return table + sizeof rows / sizeof *rows;
}

static int main_train(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_train_args args = ps_train_args_default();
	ps_text_list positional = {0};
	ps_option table[OPTIONS_MAX], *end = sae_options(&args, table);
	int rc;

	end = data_options(&args, end);
	end = step_options(&args, end);
	end = form_options(&args, end);
	*end = (ps_option){.name = NULL};
	rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);
	args.cache = positional.item[0];
	args.replace = cli->force;
	if (!args.seeds.count)
		args.seeds = (ps_int_list){1, {cli->seed}};
	if (!rc && args.d_sae.count && args.expansion.count)
		rc = ps_fail(&cli->session.diag, PS_EUSAGE,
			     "--d-sae and --expansion exclude each other");
	return rc ? rc : ps_run_train(&cli->session, &args, result);
}

const ps_command ps_commands_train[] = {
	{"train", "CACHE [--with CACHE ...] -o SAE", "a sparse autoencoder", main_train, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};
