/* The command lines of what is found by comparing SAEs and models: transfer, ablate, seeds,
 * survival. */
#include <stdio.h>
#include <string.h>

#include "analysis/own_start.h"
#include "analysis/seeds.h"
#include "tools/cli/cli.h"

enum {
	SAMPLES = 1000, /* of a bootstrap, where --samples is absent */
	WINDOWS = 8,    /* of an ablation, where --windows is absent */
};

static const char samples_help[] = "N  replicates behind each 95 % interval (1000)";

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
	ps_text_list positional = {0}, caches = {0};
	const ps_option table[] = {
		{"--cache", PS_OPTION_WANTED | PS_OPTION_TEXTS, &caches,
		 "CACHE  given twice: the dense model's, then the pruned one's, of the same "
		 "tokens"},
		{"--samples", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.samples, samples_help},
		{"--keep-special", PS_OPTION_FLAG, &args.keep_special,
		 "BOS, EOS and PAD count too"},
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache,
		 "CACHE  estimate from these rows what normalize_activations lacks"},
		{"-o", PS_OPTION_TEXT, &args.out,
		 "PER_LATENT.safetensors  where and how strongly each latent fires"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	if (rc)
		return rc;
	if (caches.count != 2)
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "--cache is wanted twice: dense, then pruned");
	args.sae = positional.item[0];
	args.dense = caches.item[0];
	args.pruned = caches.item[1];
	args.seed = (uint64_t)cli->seed;
	args.replace = cli->force;
	return ps_run_transfer(&cli->session, &args, result);
}

static int main_ablate(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_ablate_args args = {.layer = -1, .features = 0};
	ps_text_list positional = {0};
	const ps_option table[] = {
		{"--tokens", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.tokens, "T  windows of ids"},
		{"--layer", PS_OPTION_INT | PS_OPTION_NATURAL, &args.layer,
		 "L  where the SAE stands  (required)"},
		{"--mask", PS_OPTION_TEXT, &args.mask,
		 "M  prune with this mask, or round (rounding file)"},
		{"--changed-from", PS_OPTION_TEXT, &args.changed_from, ps_changed_from_help},
		{"--features", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.features,
		 "N  latents to ablate, of those that fire, from rare to frequent (100)"},
		{"--cache", PS_OPTION_TEXT, &args.cache,
		 "CACHE  of the SAE's model: latents are drawn by their firing there, not in the "
		 "windows"},
		{"--windows", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.windows,
		 "N  the first N windows (8, or all if there are fewer)"},
		{"--allow-fewer", PS_OPTION_FLAG, &args.allow_fewer,
		 "take what there is if there are fewer than --windows"},
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache,
		 "CACHE  estimate from these rows what normalize_activations lacks"},
		{"--dry-run", PS_OPTION_FLAG, &args.dry_run,
		 "the plan, bytes and expected time; nothing is done"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 2, 2, &positional);

	if (rc)
		return rc;
	if (args.layer < 0)
		return ps_fail(&cli->session.diag, PS_EUSAGE, "--layer is required");
	if (!args.windows) {
		args.windows = WINDOWS;
		args.allow_fewer = true;
	}
	args.sae = positional.item[0];
	args.model = positional.item[1];
	args.seed = (uint64_t)cli->seed;
	return ps_run_ablate(&cli->session, &args, result);
}

static int main_seeds(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_seeds_args args = {.samples = SAMPLES};
	const ps_option table[] = {
		{"--samples", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.samples, samples_help},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 2, PS_LIST_MAX, &args.saes);

	args.seed = (uint64_t)cli->seed;
	return rc ? rc : ps_run_seeds(&cli->session, &args, result);
}

static int main_survival(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_text_list positional = {0}, pruned = {0};
	ps_survival_args args = {.samples = SAMPLES, .count = 1, .pruned = &pruned};
	const ps_option table[] = {
		{"--dense", PS_OPTION_WANTED | PS_OPTION_LIST, &args.dense,
		 "SAE ...  of the dense model, one for each seed"},
		{"--pruned", PS_OPTION_WANTED | PS_OPTION_LIST, &pruned,
		 "SAE ...  of the pruned model, seed by seed as --dense"},
		{"--cache", PS_OPTION_WANTED | PS_OPTION_TEXT, &args.cache,
		 "DENSE  the dense model's activations"},
		{"--ablation", PS_OPTION_LIST, &args.ablations,
		 "FILE ...  what `ablate --json` printed of the first dense SAEs"},
		{"--control", PS_OPTION_LIST, &args.controls,
		 "SAE ...  the dense ones trained again on their own rows, as many as --pruned"},
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache,
		 "CACHE  estimate from these rows what normalize_activations lacks"},
		{"--samples", PS_OPTION_INT | PS_OPTION_POSITIVE, &args.samples, samples_help},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 0, 0, &positional);

	args.seed = (uint64_t)cli->seed;
	return rc ? rc : ps_run_survival(&cli->session, &args, result);
}

const ps_command ps_commands_findings[] = {
	{"transfer", "SAE --cache DENSE --cache PRUNED",
	 "a frozen SAE on the pruned model's activations", main_transfer, print_transfer},
	{"ablate", "SAE MODEL --tokens T --layer L [--mask M]",
	 "how the loss changes when a latent is taken out", main_ablate, NULL},
	{"seeds", "SAE SAE ...", "how far SAEs of different seeds agree", main_seeds, print_seeds},
	{"survival", "--dense SAE ... --pruned SAE ... --cache DENSE",
	 "which latents are found again, and which those are", main_survival, print_survival},
	{NULL, NULL, NULL, NULL, NULL},
};
