/* The command line of `features`: what becomes of each latent. */
#include <stdio.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/cli/print_cards.h"

enum { FEATURES_ROWS = 32 }; /* of the table, its end included; more than there are */

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

	if (json_object_size(result) == 1) {
		printf("latents                %9.0f\n", number(result, "latents"));
		return;
	}

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
		if (!strcmp(text, ps_model_side_names[s]))
			cards->side = s;
	return 0;
}

/* Cards of a study, which has made them: nothing is computed. side: as it was given. */
static int show_cards(ps_cli *cli, const ps_features_args *args, const char *side,
		      ps_feature_cards_args *cards, json_t **result)
{
	int rc = read_side(cli, side, cards);

	if (rc)
		return rc;
	if (args->out || args->csv || args->cards || args->pruned_sae || args->ablation ||
	    args->pruned_ablation || args->promoted || args->norm_cache || args->keep_special ||
	    args->taus.count)
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
		return ps_fail(diag, PS_EUSAGE, "-o is missing (usage: prunescope features %s)",
			       cli->command->usage);
	if (caches->count && caches->count != 2)
		return ps_fail(diag, PS_EUSAGE, "--cache is wanted twice: dense, then pruned");
	args->dense = caches->item[0];
	args->pruned = caches->item[1];
	args->replace = cli->force;
	return ps_run_features(&cli->session, args, result);
}

/* Options of a new table. */
static ps_option *table_options(ps_features_args *a, ps_text_list *caches, ps_option *table)
{
	const ps_option rows[] = {
		PS_OPTION_TITLE("Input and output"),
		{"SAE|STUDY", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &a->sae,
		 .help = "the dense model's SAE; or, with --model, the folder of a study"},
		{"--head", PS_OPTION_TEXT, &a->head, "MODEL",
		 .help = "which tokens each latent promotes through this model's output head"},
		PS_OPTION_TITLE("A new table"),
		{"--cache", PS_OPTION_TEXTS, caches, "CACHE", .help = ps_help_two_caches},
		{"-o", PS_OPTION_TEXT, &a->out, "FILE",
		 .help = "the table, a row a latent, a safetensors file"},
		{"--csv", PS_OPTION_TEXT, &a->csv, "FILE",
		 .help = "the same table as CSV, without contexts and histograms"},
		{"--cards", PS_OPTION_TEXT, &a->cards, "FILE",
		 .help = "contexts, histograms and tokens of the best, worst and other latents as "
			 "JSON; needs --head"},
		{"--pruned-sae", PS_OPTION_TEXT, &a->pruned_sae, "SAE",
		 .help = "of the pruned model: which of its latents match"},
		{"--tau", PS_OPTION_TEXTS, &a->taus, "TAU",
		 .help = "least cosine of a survivor; may be repeated",
		 .usual = "0.5 0.6 0.7 0.8 0.9"},
		{"--ablation", PS_OPTION_TEXT, &a->ablation, "FILE",
		 .help = "what `ablate --json` printed of SAE, in the dense model"},
		{"--pruned-ablation", PS_OPTION_TEXT, &a->pruned_ablation, "FILE",
		 .help = "the same in the pruned model"},
		{"--promoted", PS_OPTION_TEXT, &a->promoted, "FILE",
		 .help = "take the promoted tokens from this table of the same SAE; one that was "
			 "made without --cache will do"},
		{"--keep-special", PS_OPTION_FLAG, &a->keep_special, .help = ps_help_keep_special},
		{"--norm-cache", PS_OPTION_TEXT, &a->norm_cache, "CACHE",
		 .help = ps_help_norm_cache},
	};

	memcpy(table, rows, sizeof rows);
	return table + sizeof rows / sizeof *rows;
}

/* Options of cards that a study has made; the end of the table. */
static void card_options(ps_feature_cards_args *cards, const char **side, ps_option *table)
{
	const ps_option rows[] = {
		PS_OPTION_TITLE("Cards of a study"),
		{"--model", PS_OPTION_TEXT, &cards->model, "NAME",
		 .help = "of a study's model: show cards that the study has made"},
		{"--condition", PS_OPTION_TEXT, &cards->condition, "NAME",
		 .help = "of the changed model, such as wanda-0.5", .usual = "the first"},
		{"--latent", PS_OPTION_INTS | PS_OPTION_NATURAL, &cards->latents, "N ...",
		 .help = "the cards of these latents", .usual = "a line for each card"},
		{"--dashboard", PS_OPTION_TEXT, &cards->dashboard, "FILE.json",
		 .help = "write the cards in SAEDashboard's layout, for its viewers"},
		{"--side", PS_OPTION_WORD, side, "dense|pruned",
		 .help = "whose activations --dashboard shows", .usual = "pruned"},
		PS_OPTION_END,
	};

	memcpy(table, rows, sizeof rows);
}

static int main_features(ps_cli *cli, int argc, char **argv, json_t **result)
{
	ps_features_args args = {0};
	ps_feature_cards_args cards = {0};
	const char *side = NULL;
	ps_text_list caches = {0};
	ps_option table[FEATURES_ROWS];
	int rc;

	card_options(&cards, &side, table_options(&args, &caches, table));
	rc = ps_cli_begin(cli, argc, argv, table);
	if (rc)
		return rc;
	cards.study = args.sae;
	if (!cards.model)
		return make_table(cli, &args, &caches, side, &cards, result);
	if (caches.count)
		return ps_fail(&cli->session.diag, PS_EUSAGE, "--cache does not go with --model");
	return show_cards(cli, &args, side, &cards, result);
}

const ps_command ps_commands_features[] = {
	{.name = "features",
	 .usage = "(SAE --cache DENSE --cache PRUNED -o FILE | STUDY --model NAME) [OPTION ...]",
	 .summary = "what becomes of each latent: kept, shifted, blurred, lost",
	 .text = "Says for each latent of the dense model's SAE what becomes of it in the pruned "
		 "model: kept, shifted, blurred or lost. It writes a row a latent, with rates, "
		 "contexts and, where asked for, partners and tokens. Without --cache it writes "
		 "the "
		 "tokens of --head alone, which other tables of the same SAE take with "
		 "--promoted.\n\n"
		 "With --model it computes nothing, and shows cards that a study has made.",
	 .examples =
		 (const ps_example[]){
			 {"prunescope features sae --cache caches/dense --cache caches/mask -o "
			  "features.safetensors --csv features.csv",
			  "A table of all latents."},
			 {"prunescope features out --model llama --condition wanda-0.5",
			  "Which latents a study has cards of."},
			 {"prunescope features out --model llama --latent 1234",
			  "The card of one latent, with the contexts in which it fires."},
			 {NULL, NULL}},
	 .main = main_features,
	 .print = print_features},
	{.name = NULL},
};
