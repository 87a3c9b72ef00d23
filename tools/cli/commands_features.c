/* The command line of `features`: what becomes of each latent. */
#include <stdio.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/cli/print_cards.h"

/* --- what a person sees --- */

static double number(const json_t *object, const char *key)
{
	return ps_json_number(json_object_get(object, key));
}

static void print_features(const json_t *result)
{
	static const struct {
		const char *key, *meaning;
	} classes[] = {
		{"kept", "on the same tokens, about as often and as strongly"},
		{"shifted", "on the same tokens, more or less often or strongly"},
		{"blurred", "partly on other tokens"},
		{"lost", "on other tokens, or never"},
		{"undefined", "on every token of both models, so nothing can be said"},
	};
	const double active = number(result, "active");

	if (json_object_get(result, "dashboard")) {
		printf("dashboard              %s\nlatents                %zu\n",
		       json_string_value(json_object_get(result, "dashboard")),
		       json_array_size(json_object_get(result, "latents")));
		return;
	}
	if (json_object_get(result, "condition")) {
		ps_print_cards(result);
		return;
	}
	printf("latents                %9.0f\n"
	       "rows                   %9.0f\n"
	       "active in the dense    %9.0f\n",
	       number(result, "latents"), number(result, "rows"), active);
	for (size_t c = 0; c < sizeof classes / sizeof *classes; c++) {
		const double count = number(result, classes[c].key);

		if (active > 0)
			printf("%-22s %9.0f  %5.1f %%  in the pruned model it fires %s\n",
			       classes[c].key, count, 100 * count / active, classes[c].meaning);
	}
}

/* --- the command line --- */

static int read_side(ps_cli *cli, const char *text, ps_feature_cards_args *cards)
{
	cards->side = PS_PRUNED;
	if (!text)
		return 0;
	if (!cards->dashboard)
		return ps_fail(&cli->session.diag, PS_EUSAGE, "--side goes with --dashboard");
	for (ps_model_side s = 0; s < PS_MODEL_SIDES; s++)
		if (!strcmp(text, ps_model_side_names[s])) {
			cards->side = s;
			return 0;
		}
	return ps_fail(&cli->session.diag, PS_EUSAGE, "--side %s: dense or pruned", text);
}

/* Cards of a study, which has made them: nothing is computed. side: as it was given. */
static int show_cards(ps_cli *cli, const ps_features_args *args, const char *side,
		      ps_feature_cards_args *cards, json_t **result)
{
	int rc = read_side(cli, side, cards);

	if (rc)
		return rc;
	if (args->out || args->csv || args->cards || args->pruned_sae || args->ablation ||
	    args->pruned_ablation || args->norm_cache || args->keep_special || args->taus.count)
		return ps_fail(&cli->session.diag, PS_EUSAGE,
			       "--model shows a study's cards; of the others --condition, "
			       "--latent, --head, --dashboard and --side go with it");
	cards->head = args->head;
	cards->replace = cli->force;
	return ps_run_feature_cards(&cli->session, cards, result);
}

/* A new table. */
static int make_table(ps_cli *cli, ps_features_args *args, const ps_text_list *caches,
		      const char *side, const ps_feature_cards_args *cards, json_t **result)
{
	ps_diag *diag = &cli->session.diag;

	if (cards->condition || cards->latents.count || cards->dashboard || side)
		return ps_fail(diag, PS_EUSAGE,
			       "--condition, --latent, --dashboard and --side go with --model");
	if (!args->out)
		return ps_fail(diag, PS_EUSAGE, "-o is required");
	if (caches->count != 2)
		return ps_fail(diag, PS_EUSAGE, "--cache is wanted twice: dense, then pruned");
	args->dense = caches->item[0];
	args->pruned = caches->item[1];
	args->replace = cli->force;
	return ps_run_features(&cli->session, args, result);
}

static int main_features(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_features_args args = {0};
	ps_feature_cards_args cards = {0};
	const char *side = NULL;
	ps_text_list positional = {0}, caches = {0};
	const ps_option table[] = {
		{"--cache", PS_OPTION_TEXTS, &caches,
		 "CACHE  given twice: the dense model's, then the pruned one's, of the same "
		 "tokens"},
		{"-o", PS_OPTION_TEXT, &args.out,
		 "FEATURES.safetensors  the table, a row a latent"},
		{"--csv", PS_OPTION_TEXT, &args.csv,
		 "FILE  the same table as CSV, without contexts and histograms"},
		{"--cards", PS_OPTION_TEXT, &args.cards,
		 "FILE.json  contexts, histograms and tokens of the best, worst and other latents; "
		 "needs --head"},
		{"--pruned-sae", PS_OPTION_TEXT, &args.pruned_sae,
		 "SAE  of the pruned model: which of its latents match"},
		{"--tau", PS_OPTION_TEXTS, &args.taus,
		 "TAU  least cosine of a survivor; may be repeated (0.5 0.6 0.7 0.8 0.9)"},
		{"--ablation", PS_OPTION_TEXT, &args.ablation,
		 "FILE  what `ablate --json` printed of SAE, in the dense model"},
		{"--pruned-ablation", PS_OPTION_TEXT, &args.pruned_ablation,
		 "FILE  the same in the pruned model"},
		{"--head", PS_OPTION_TEXT, &args.head,
		 "MODEL  which tokens each latent promotes through its output head"},
		{"--model", PS_OPTION_TEXT, &cards.model,
		 "NAME  of a study's model: shows cards that the study has made"},
		{"--condition", PS_OPTION_TEXT, &cards.condition,
		 "NAME  with --model: of the changed model, such as wanda-0.5 (the first)"},
		{"--latent", PS_OPTION_INTS | PS_OPTION_NATURAL, &cards.latents,
		 "N...  with --model: the cards of these latents (those of all groups)"},
		{"--dashboard", PS_OPTION_TEXT, &cards.dashboard,
		 "FILE.json  with --model: writes the cards in SAEDashboard's layout, for its "
		 "viewers"},
		{"--side", PS_OPTION_TEXT, &side,
		 "SIDE  whose activations --dashboard shows: dense or pruned (pruned)"},
		{"--keep-special", PS_OPTION_FLAG, &args.keep_special,
		 "BOS, EOS and PAD count too"},
		{"--norm-cache", PS_OPTION_TEXT, &args.norm_cache,
		 "CACHE  estimate from these rows what normalize_activations lacks"},
		{NULL, 0, NULL, NULL},
	};
	int rc = ps_cli_begin(cli, argc, argv, table, 1, 1, &positional);

	if (rc)
		return rc;
	args.sae = cards.study = positional.item[0];
	if (!cards.model)
		return make_table(cli, &args, &caches, side, &cards, result);
	if (caches.count)
		return ps_fail(&cli->session.diag, PS_EUSAGE, "--cache does not go with --model");
	return show_cards(cli, &args, side, &cards, result);
}

const ps_command ps_commands_features[] = {
	{"features",
	 "SAE --cache DENSE --cache PRUNED -o FEATURES | STUDY --model NAME [--latent N...]",
	 "what becomes of each latent: kept, shifted, blurred, lost", main_features,
	 print_features},
	{NULL, NULL, NULL, NULL, NULL},
};
