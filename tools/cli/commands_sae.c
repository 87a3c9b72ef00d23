/* The command lines of the commands on SAEs. */
#include "tools/cli/cli.h"

static int main_train(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_train_args args = ps_train_args_default();
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"-o", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.out, "SAE  folder"},
		{"--arch", PS_OPTION_TEXT, &args.arch,
		 "topk|batchtopk|jumprelu|relu|gated  (topk)"},
		{"--recipe", PS_OPTION_TEXT, &args.recipe,
		 "prunescope|paper|saelens|sparsify|dictionary_learning  defaults of what follows "
		 "--batch"},
		{"--d-sae", PS_OPTION_INTS, &args.d_sae,
		 "N ...  latents; several of N, of --k or of --seed: an SAE of each, "
		 "SAE/d-N-k-N-seed-N/"},
		{"--expansion", PS_OPTION_INTS, &args.expansion,
		 "N ...  latents per dimension, when --d-sae is absent (8)"},
		{"--k", PS_OPTION_INTS, &args.k,
		 "N ...  active latents: of a row, of a row on average, or aimed at by jumprelu "
		 "(64)"},
		{"--tokens", PS_OPTION_INT, &args.tokens, "N  to train on (one epoch)"},
		{"--seed", PS_OPTION_INTS, &args.seeds, "N ...  several: SAE/seed-N/"},
		{"--data-seed", PS_OPTION_INT, &args.data_seed,
		 "N  order of the rows (the SAE's seed); SAEs that share it share one read of the "
		 "data"},
		{"--order", PS_OPTION_TEXT, &args.order,
		 "shuffled|sequential  rows in an order of their own each epoch, or in the "
		 "cache's"},
		{"--with", PS_OPTION_TEXTS, &args.with,
		 "CACHE  train on this cache of the same tokens too, side by side; may be "
		 "repeated"},
		{"--read-ahead", PS_OPTION_INT, &args.read_ahead,
		 "N  rows read while a step computes, of the next batch (all of it); 0: none"},
		{"--hold-out", PS_OPTION_INT, &args.hold_out,
		 "N  measure on the last N rows, train on the others"},
		{"--keep-special", PS_OPTION_FLAG, &args.keep_special,
		 "train on BOS, EOS and PAD rows too"},
		{"--log", PS_OPTION_TEXT, &args.log,
		 "PREFIX  the run's course: PREFIX.csv, PREFIX.jsonl, at the end PREFIX.svg"},
		{"--save-every", PS_OPTION_REAL, &args.save_every,
		 "SECONDS  between states saved (20)"},
		{"--batch", PS_OPTION_INT, &args.batch, "N  rows a step (4096)"},
		{"--lr", PS_OPTION_REAL, &args.lr,
		 "X  peak rate (prunescope: by latents and steps, sae/recipe.h)"},
		{"--warmup", PS_OPTION_REAL, &args.warmup,
		 "X  share of the steps until the rate is reached"},
		{"--schedule", PS_OPTION_TEXT, &args.schedule,
		 "linear|cosine|constant  how the rate falls at the end"},
		{"--decay", PS_OPTION_REAL, &args.decay, "X  share of the steps in which it falls"},
		{"--lr-end", PS_OPTION_REAL, &args.lr_end,
		 "X  share of the rate that is left at the end"},
		{"--beta1", PS_OPTION_REAL, &args.beta1,
		 "X  Adam's, of the gradient's running mean"},
		{"--beta2", PS_OPTION_REAL, &args.beta2, "X  and of its square's"},
		{"--clip", PS_OPTION_REAL, &args.clip, "X  largest norm of the gradient; 0: any"},
		{"--b-dec", PS_OPTION_TEXT, &args.b_dec,
		 "zero|mean|median  where the decoder's bias starts"},
		{"--encoder-scale", PS_OPTION_REAL, &args.encoder_scale,
		 "X  the encoder starts as X times the decoder"},
		{"--k-start", PS_OPTION_INT, &args.k_start, "N  topk, batchtopk: k at the start"},
		{"--k-anneal", PS_OPTION_REAL, &args.k_anneal,
		 "X  share of the steps in which it falls to --k"},
		{"--sparsity", PS_OPTION_REAL, &args.sparsity,
		 "X  coefficient of the penalty of jumprelu, relu, gated"},
		{"--sparsity-warmup", PS_OPTION_REAL, &args.sparsity_warmup,
		 "X  share of the steps until it is reached"},
		{"--penalty", PS_OPTION_TEXT, &args.penalty, "step|tanh|target  jumprelu's"},
		{"--target-l0", PS_OPTION_REAL, &args.target_l0, "X  of --penalty target (--k)"},
		{"--bandwidth", PS_OPTION_REAL, &args.bandwidth, "X  of jumprelu's estimator"},
		{"--matryoshka", PS_OPTION_INTS, &args.matryoshka,
		 "N ...  batchtopk: the first N latents reconstruct by themselves too"},
		{"--auxk", PS_OPTION_REAL, &args.auxk,
		 "X  topk, batchtopk: coefficient of the dead latents' loss; 0: none"},
		{"--auxk-form", PS_OPTION_TEXT, &args.auxk_form,
		 "paper|saelens|sparsify|dictionary_learning  its normalisation"},
		{"--dead-after", PS_OPTION_INT, &args.dead_after, "N  tokens without firing"},
		{"--resample", PS_OPTION_INT, &args.resample,
		 "N  dead latents start anew every N tokens; 0: never"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	args.cache = positional.item[0];
	args.replace = cli->force;
	if (!args.seeds.count)
		args.seeds = (ps_int_list){1, {cli->seed}};
	return rc ? rc : ps_run_train(&cli->session, &args, result);
}

static int main_eval(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_eval_args args = {.layer = -1};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--cache", PS_OPTION_TEXT, &args.cache,
		 "CACHE  rows to reconstruct; or a MODEL with --tokens"},
		{"--last", PS_OPTION_INT, &args.last, "N  only the cache's last N rows that count"},
		{"--tokens", PS_OPTION_TEXT, &args.tokens, "T  windows of ids"},
		{"--layer", PS_OPTION_INT, &args.layer, "L  where the SAE is spliced in"},
		{"--mask", PS_OPTION_TEXT, &args.mask, "M  prune with this mask"},
		{"--windows", PS_OPTION_INT, &args.windows, "N  only the first N windows"},
		{"--keep-special", PS_OPTION_FLAG, &args.keep_special,
		 "BOS, EOS and PAD count too"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run,
		 "with a MODEL: the plan, bytes and expected time; nothing is done"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 2, &positional);

	if (rc)
		return rc;
	args.sae = positional.item[0];
	args.model = positional.count > 1 ? positional.item[1] : NULL;
	if (!args.cache == !args.model)
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "either --cache or a MODEL is wanted");
	if (args.model && (!args.tokens || args.layer < 0))
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "with a MODEL, --tokens and --layer are wanted");
	if (args.last < 0 || (args.last && !args.cache))
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "--last is a number of rows of --cache");
	if (args.cache &&
	    (args.tokens || args.mask || args.layer >= 0 || args.windows || args.dry_run))
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "--tokens, --layer, --mask, --windows and --dry-run go with a "
			       "MODEL, not with --cache");
	return ps_run_eval(&cli->session, &args, result);
}

static int main_compare(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_compare_args args = {.tau = 0.7};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--tau", PS_OPTION_REAL, &args.tau, "X  least cosine of a survivor (0.7)"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 2, 2, &positional);

	args.a = positional.item[0];
	args.b = positional.item[1];
	args.seed = (uint64_t)cli->seed;
	return rc ? rc : ps_run_compare(&cli->session, &args, result);
}

static int main_convert(ps_cli *cli, int argc, char **argv, json_t **result)
{
	(void)argc, (void)argv, (void)result;
	return ps_fail(&cli->session.diag, PS_EINPUT,
		       "convert is not built yet: SAE folders are already in SAELens' form");
}

const ps_command ps_commands_sae[] = {
	{"train", "CACHE [--with CACHE ...] -o SAE", "a sparse autoencoder", main_train, NULL},
	{"eval", "SAE (--cache CACHE | MODEL --tokens T --layer L)", "reconstruction, spliced loss",
	 main_eval, NULL},
	{"compare", "SAE_A SAE_B", "survival of A's features in B", main_compare, NULL},
	{"convert", "SAE_IN -o SAE_OUT --to saelens|sparsify", "not built yet", main_convert, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};
