/* The command lines of what is found by comparing SAEs and models: transfer, ablate, seeds,
 * survival. */
#include <stdio.h>
#include <string.h>

#include "analysis/own_start.h"
#include "analysis/seeds.h"
#include "tools/cli/cli.h"
#include "tools/cli/printed.h"

enum {
	SAMPLES = 1000, /* of a bootstrap, where --samples is absent */
	WINDOWS = 8,    /* of an ablation, where --windows is absent */
};

static const char samples_help[] = "replicates behind each 95 % interval";

/* --- what a person sees --- */

static double number(const json_t *object, const char *key)
{
	return ps_json_number(json_object_get(object, key));
}

static double number_at(const json_t *object, const char *key, size_t i)
{
	return ps_json_number(json_array_get(json_object_get(object, key), i));
}

/* "name  estimate  [low, high]", the reason in place of an interval that there is not, or
 * "undefined" where the data do not define the estimate. */
static void print_interval(const char *name, const json_t *interval)
{
	const char *why = json_string_value(json_object_get(interval, "why")),
		   *unit = json_string_value(json_object_get(interval, "unit"));

	if (!json_is_number(json_object_get(interval, "estimate")))
		printf("%-22s undefined\n", name);
	else if (why)
		printf("%-22s %9.5g  no interval: %s, %.0f %s\n", name,
		       number(interval, "estimate"), why, number(interval, "n"), unit ? unit : "");
	else
		printf("%-22s %9.5g  [%.5g, %.5g]\n", name, number(interval, "estimate"),
		       number(interval, "low"), number(interval, "high"));
}

static void print_transfer(const json_t *result)
{
	static const char *const measures[] = {"jaccard",    "cosine",   "fvu_dense", "fvu",
					       "fvu_change", "l0_dense", "l0",        "l0_change"};
	char key[32];

	printf("%-22s %9.0f\n%-22s %9.0f\n", "rows", number(result, "rows"), "windows",
	       number(result, "windows"));
	printf("%-22s %9.0f\n%-22s %9.5g\n", "rows left out", number(result, "jaccard_empty_rows"),
	       "jaccard by chance", number(result, "jaccard_chance"));
	for (size_t m = 0; m < sizeof measures / sizeof *measures; m++) {
		snprintf(key, sizeof key, "%s_interval", measures[m]);
		print_interval(measures[m], json_object_get(result, key));
	}
}

/* The interval of a mean over pairs, or their range where there is none. */
static void print_summary(double tau, const json_t *summary)
{
	const bool interval = json_is_number(json_object_get(summary, "low"));

	printf("survival at tau %.1f, mean over pairs: %.4f  ", tau, number(summary, "mean"));
	printf(interval ? "[%.4f, %.4f]\n" : "(pairs from %.4f to %.4f)\n",
	       number(summary, interval ? "low" : "least"),
	       number(summary, interval ? "high" : "largest"));
}

static void print_seeds(const json_t *result)
{
	size_t i;
	json_t *pair, *at_tau;

	json_array_foreach (json_object_get(result, "pairs"), i, pair)
		printf("%.0f and %.0f: survival at tau %.1f %.4f, hungarian_cosine %.4f, "
		       "pw_mcc %.4f, shared_fraction %.4f, mmcs %.4f (random rows: %.4f)\n",
		       number(pair, "a"), number(pair, "b"), ps_taus[PS_TAU_MAIN],
		       number_at(pair, "survival", PS_TAU_MAIN), number(pair, "hungarian_cosine"),
		       number(pair, "pw_mcc"), number(pair, "shared_fraction"),
		       number(pair, "mmcs"), number(pair, "mmcs_null"));
	json_array_foreach (json_object_get(result, "survival"), i, at_tau)
		print_summary(ps_taus[i], at_tau);
}

/* Every interval of an object. */
static void print_intervals(const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value)
		if (json_is_object(value))
			print_interval(key, value);
}

static void print_survival(const json_t *result)
{
	const json_t *survival = json_object_get(result, "survival"),
		     *start = json_object_get(result, "own_start"),
		     *fragility = json_object_get(result, "fragility"),
		     *ablation = json_object_get(result, "ablation");
	const json_t *predictor;
	char name[64];
	size_t i;

	for (size_t t = 0; t < PS_TAUS; t++) {
		printf("survival at tau %.1f: %.4f", ps_taus[t], number_at(survival, "mean", t));
		if (json_is_number(json_array_get(json_object_get(survival, "other_seed"), t)))
			printf(" (in SAEs of other seeds: %.4f)",
			       number_at(survival, "other_seed", t));
		putchar('\n');
	}
	printf("of latents alive in training, at tau %.1f: %.4f\n", ps_taus[PS_TAU_MAIN],
	       number(survival, "alive"));
	if (json_is_object(start))
		printf("in the start of its own training, at tau %.1f: %.4f; median cosine with it "
		       "%.4f\n",
		       ps_taus[PS_TAU_MAIN], number_at(start, "survival", PS_TAU_MAIN),
		       number_at(start, "cosine_deciles", PS_DECILES / 2));
	printf("by quintile of firing, rarest first:");
	for (size_t q = 0; q < json_array_size(json_object_get(fragility, "survival")); q++)
		printf(" %.4f", number_at(fragility, "survival", q));
	putchar('\n');
	print_intervals(fragility);
	json_array_foreach (json_object_get(result, "predictors"), i, predictor) {
		snprintf(name, sizeof name, "AUC %s",
			 json_string_value(json_object_get(predictor, "name")));
		print_interval(name, json_object_get(predictor, "auc"));
	}
	if (!json_is_object(ablation))
		return;
	printf("of %.0f ablated latents %.0f survive: mean effect %.4g, of those lost %.4g nats "
	       "per token\n",
	       number(ablation, "features"), number(ablation, "survivors"),
	       number(ablation, "mean_survivors"), number(ablation, "mean_lost"));
	print_intervals(ablation);
}

/* --- the command lines --- */

static int main_transfer(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_transfer_args args = {.samples = SAMPLES};
	ps_text_list caches = {0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input and output"),
		{"SAE", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.sae,
		 .help = "of the dense model; it stays as it is"},
		{"--cache", PS_OPTION_WANTED | PS_OPTION_TEXTS, &caches, "CACHE",
		 .help = ps_help_two_caches},
		{"-o", PS_OPTION_TEXT, &args.out, "FILE",
		 .help = "where and how strongly each latent fires, a safetensors file"},
		PS_OPTION_TITLE("Measures"),
		{"--samples", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.samples, "N",
		 .help = samples_help},
		{"--keep-special", PS_OPTION_FLAG, &args.keep_special,
		 .help = ps_help_keep_special},
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache, "CACHE",
		 .help = ps_help_norm_cache},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	if (rc)
		return rc;
	if (caches.count != 2)
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "--cache is wanted twice: dense, then pruned");
	args.dense = caches.item[0];
	args.pruned = caches.item[1];
	args.seed = (uint64_t)cli->seed;
	args.replace = cli->force;
	return ps_run_transfer(&cli->session, &args, result);
}

static int main_ablate(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_ablate_args args = {.layer = -1, .features = 0};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input"),
		{"SAE", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.sae, .help = ps_help_sae},
		{"MODEL", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &args.model,
		 .help = ps_help_model},
		{"--tokens", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.tokens, "FILE",
		 .help = ps_help_tokens},
		{"--layer", PS_OPTION_WANTED | PS_OPTION_INT | PS_OPTION_NATURAL, &args.layer, "L",
		 .help = "after which the SAE stands, counted from 0"},
		{"--mask", PS_OPTION_TEXT, &args.mask, "FILE", .help = ps_help_mask},
		{"--changed-from", PS_OPTION_TEXT, &args.changed_from, "MODEL",
		 .help = ps_help_changed_from},
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache, "CACHE",
		 .help = ps_help_norm_cache},
		PS_OPTION_TITLE("How much"),
		{"--features", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.features, "N",
		 .help = "latents to ablate, of those that fire, from rare to frequent",
		 .usual = "100"},
		{"--cache", PS_OPTION_TEXT, &args.cache, "CACHE",
		 .help = "of the SAE's model: latents are drawn by their firing there, not in the "
			 "windows"},
		{"--spliced", PS_OPTION_TEXT, &args.direct, "FILE",
		 .help = "what ablate --json printed of SAE: its latents again, in the SAE's "
			 "reconstruction, so that its error is left out"},
		{"--windows", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.windows, "N",
		 .help = "the first N windows", .usual = "8, or all if there are fewer"},
		{"--allow-fewer", PS_OPTION_FLAG, &args.allow_fewer,
		 .help = "take what there is if there are fewer than --windows"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run, .help = ps_help_dry_run},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	if (rc)
		return rc;
	if (!args.windows) {
		args.windows = WINDOWS;
		args.allow_fewer = true;
	}
	args.seed = (uint64_t)cli->seed;
	return ps_run_ablate(&cli->session, &args, result);
}

static int main_seeds(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_seeds_args args = {.samples = SAMPLES};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input"),
		{"SAE ...", PS_OPTION_ARGUMENTS | PS_OPTION_WANTED, &args.saes,
		 .help = "two or more, of the same activations"},
		PS_OPTION_TITLE("Measures"),
		{"--samples", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.samples, "N",
		 .help = samples_help},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	if (rc)
		return rc;
	if (args.saes.count < 2)
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "two SAEs are wanted, one is given (usage: prunescope seeds %s)",
			       cli->command->usage);
	args.seed = (uint64_t)cli->seed;
	return ps_run_seeds(&cli->session, &args, result);
}

static int main_survival(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_text_list pruned = {0};
	ps_survival_args args = {.samples = SAMPLES, .count = 1, .pruned = &pruned};
	const ps_option table[] = {
		PS_OPTION_TITLE("Input"),
		{"--dense", PS_OPTION_WANTED | PS_OPTION_LIST, &args.dense, "SAE ...",
		 .help = "of the dense model, one for each seed"},
		{"--pruned", PS_OPTION_WANTED | PS_OPTION_LIST, &pruned, "SAE ...",
		 .help = "of the pruned model, seed by seed as --dense"},
		{"--cache", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.cache, "CACHE",
		 .help = "the dense model's activations"},
		{"--ablation", PS_OPTION_LIST, &args.ablations, "FILE ...",
		 .help = "what `ablate --json` printed of the first dense SAEs"},
		{"--control", PS_OPTION_LIST, &args.controls, "SAE ...",
		 .help = "the dense ones trained again on their own rows, as many as --pruned"},
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache, "CACHE",
		 .help = ps_help_norm_cache},
		PS_OPTION_TITLE("Measures"),
		{"--samples", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.samples, "N",
		 .help = samples_help},
		PS_OPTION_END,
	};
	int rc = ps_cli_begin(cli, argc, argv, table);

	args.seed = (uint64_t)cli->seed;
	return rc ? rc : ps_run_survival(&cli->session, &args, result);
}

#define EXAMPLES (const ps_example[])

const ps_command ps_commands_findings[] = {
	{.name = "transfer",
	 .usage = "SAE --cache DENSE --cache PRUNED [OPTION ...]",
	 .summary = "a frozen SAE on the pruned model's activations",
	 .text = "Encodes two models' rows of the same tokens with one SAE of the dense model, and "
		 "says how far the codes agree (jaccard, cosine) and how much worse the pruned "
		 "model's rows are reconstructed (fvu).",
	 .examples = EXAMPLES{{"prunescope transfer sae --cache caches/dense --cache caches/mask",
			       "With an interval of 95 % for each measure."},
			      {NULL, NULL}},
	 .printed = ps_printed_transfer,
	 .main = main_transfer,
	 .print = print_transfer},
	{.name = "ablate",
	 .usage = "SAE MODEL --tokens FILE --layer L [OPTION ...]",
	 .summary = "how the loss changes when a latent is taken out",
	 .text = "Takes latents of an SAE out of a model, one at a time, and says how its loss "
		 "changes, in nats a token. `survival --ablation` and `features --ablation` read "
		 "what it prints with --json.",
	 .examples =
		 EXAMPLES{{"prunescope ablate sae ./model --tokens tokens.safetensors --layer 12 "
			   "--json >ablation.json",
			   "100 latents, on eight windows."},
			  {"prunescope ablate sae ./model --tokens tokens.safetensors --layer 12 "
			   "--spliced ablation.json --json",
			   "The same latents without the SAE's error."},
			  {NULL, NULL}},
	 .printed = ps_printed_ablate,
	 .main = main_ablate},
	{.name = "seeds",
	 .usage = "SAE SAE ... [OPTION ...]",
	 .summary = "how far SAEs of different seeds agree",
	 .text = "Compares every pair of SAEs of the same activations, such as those that differ "
		 "in their seed. This is the yardstick for the survival of features after "
		 "pruning.",
	 .examples = EXAMPLES{{"prunescope seeds saes/seed-1 saes/seed-2 saes/seed-3",
			       "Three pairs, and the mean over them."},
			      {NULL, NULL}},
	 .printed = ps_printed_seeds,
	 .main = main_seeds,
	 .print = print_seeds},
	{.name = "survival",
	 .usage = "--dense SAE ... --pruned SAE ... --cache CACHE [OPTION ...]",
	 .summary = "which latents are found again, and which those are",
	 .text = "Says which share of the dense model's latents is found again in SAEs of the "
		 "pruned model, whether the rare or the frequent ones are lost, and, with an "
		 "ablation, whether the model needs those that are.",
	 .examples = EXAMPLES{{"prunescope survival --dense dense/seed-1 dense/seed-2 --pruned "
			       "pruned/seed-1 pruned/seed-2 --cache caches/dense",
			       "Over two seeds."},
			      {NULL, NULL}},
	 .printed = ps_printed_survival,
	 .main = main_survival,
	 .print = print_survival},
	{.name = NULL},
};
