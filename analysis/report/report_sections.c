#include "analysis/report/report_sections.h"

#include "analysis/report/report_findings.h"
#include "analysis/report/report_html.h"
#include "analysis/report/report_phrases.h"
#include "analysis/report/report_tables.h"
#include "analysis/seeds.h"

enum { PERCENT = 100, MILLI = 1000 };

/* --- perplexity --- */

static const ps_column perplexity_columns[] = {
	{.head = "achieved, %",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_SPARSITY_ACHIEVED),
	 .decimals = 2,
	 .scale = PERCENT},
	{.head = "by projection, %", .kind = PS_COLUMN_ACHIEVED_RANGE, .decimals = 1},
	{.head = "perplexity",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_PPL),
	 .decimals = 2},
	{.head = "Δ log perplexity [95 %]",
	 .kind = PS_COLUMN_VALUE_INTERVAL,
	 .path = PS_AT(CONDITION_DELTA_LOG_PPL),
	 .ends = PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL),
	 .decimals = 4},
	{.head = "tokens scored",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_N),
	 .decimals = 0},
	{.kind = PS_COLUMN_END},
};

static const ps_column achieved_columns[] = {
	{.head = "q",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_Q_PROJ),
	 .decimals = 2,
	 .scale = PERCENT},
	{.head = "k",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_K_PROJ),
	 .decimals = 2,
	 .scale = PERCENT},
	{.head = "v",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_V_PROJ),
	 .decimals = 2,
	 .scale = PERCENT},
	{.head = "o",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_O_PROJ),
	 .decimals = 2,
	 .scale = PERCENT},
	{.head = "gate",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_GATE_PROJ),
	 .decimals = 2,
	 .scale = PERCENT},
	{.head = "up",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_UP_PROJ),
	 .decimals = 2,
	 .scale = PERCENT},
	{.head = "down",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_DOWN_PROJ),
	 .decimals = 2,
	 .scale = PERCENT},
	{.kind = PS_COLUMN_END},
};

static void write_comparisons(FILE *out, const ps_results *r)
{
	const json_t *list = ps_results_at(r->root, PS_AT(ROOT_COMPARISONS));

	if (!json_array_size(list))
		return;
	ps_html_table_begin(out,
			    "<b>Wanda less magnitude</b>, mean loss in nats per token, paired "
			    "over the same windows. Below zero: Wanda loses less.",
			    "comparisons");
	fputs("<thead><tr>", out);
	ps_html_head(out, "model", false);
	ps_html_head(out, "label, %", true);
	ps_html_head(out, "difference [95 %]", true);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);

		fputs("<tr><td>", out);
		ps_html_text(out, ps_results_text(c, PS_AT(COMPARISON_MODEL)));
		fputs("</td>", out);
		ps_html_cell_number(out, PERCENT * ps_results_number(c, PS_AT(COMPARISON_SPARSITY)),
				    0);
		ps_html_cell_interval(
			out, ps_results_interval(c, PS_AT(COMPARISON_WANDA_MINUS_MAGNITUDE)), 4);
		fputs("</tr>\n", out);
	}
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

static void perplexity_table(FILE *out, const ps_results *r)
{
	ps_html_conditions(out, r, perplexity_columns,
			   "<b>Perplexity by condition.</b> Achieved: zeros among the weights that "
			   "may be pruned; by projection: least and largest mean over q, k, "
			   "v, o, gate, up, down.",
			   "conditions");
	write_comparisons(out, r);
	fputs("<details><summary>Achieved sparsity of each kind of projection</summary>\n", out);
	ps_html_conditions(out, r, achieved_columns,
			   "<b>Achieved sparsity</b>, percent, mean over the decoder layers.",
			   "conditions");
	fputs("</details>\n", out);
}

/* --- RQ1 --- */

static void write_pair(FILE *out, const char *model, const json_t *pair)
{
	fputs("<tr><td>", out);
	ps_html_text(out, model);
	fputs("</td><td class=\"n\">", out);
	ps_html_number(out, ps_results_number(pair, PS_AT(PAIR_A)), 0);
	fputs(" and ", out);
	ps_html_number(out, ps_results_number(pair, PS_AT(PAIR_B)), 0);
	fputs("</td>", out);
	ps_html_cell_number(out, ps_results_number(pair, PS_AT_ITEM(PS_TAU_MAIN, PAIR_SURVIVAL)),
			    4);
	ps_html_cell_number(out, ps_results_number(pair, PS_AT(PAIR_HUNGARIAN_COSINE)), 4);
	ps_html_cell_number(out, ps_results_number(pair, PS_AT(PAIR_SHARED_FRACTION)), 4);
	ps_html_cell_number(out, ps_results_number(pair, PS_AT(PAIR_MMCS)), 4);
	ps_html_cell_number(out, ps_results_number(pair, PS_AT(PAIR_MMCS_NULL)), 4);
	fputs("</tr>\n", out);
}

static void seeds_table(FILE *out, const ps_results *r)
{
	static const char *const heads[] = {"seeds",  "survival",       "assignment cosine",
					    "shared", "largest cosine", "against random"};

	ps_html_table_begin(out,
			    "<b>Pairs of dense SAEs that differ in their seed.</b> Survival "
			    "and shared: τ = 0.7.",
			    "seeds");
	fputs("<thead><tr>", out);
	ps_html_head(out, "model", false);
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		ps_html_head(out, heads[i], true);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t m = 0; m < r->model_count; m++) {
		const json_t *model = ps_results_model(r, m),
			     *pairs = ps_results_at(model, PS_AT(MODEL_SEEDS, SEEDS_PAIRS));

		for (size_t i = 0; i < json_array_size(pairs); i++)
			write_pair(out, ps_results_text(model, PS_AT(MODEL_NAME)),
				   json_array_get(pairs, i));
	}
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

/* --- RQ2 .. RQ5 --- */

static const ps_column survival_columns[] = {
	{.head = "τ = 0.5",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT_ITEM(0, CONDITION_SURVIVAL),
	 .decimals = 3},
	{.head = "0.6",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT_ITEM(1, CONDITION_SURVIVAL),
	 .decimals = 3},
	{.head = "0.7",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_MNN_SURVIVAL),
	 .decimals = 3},
	{.head = "0.8",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT_ITEM(3, CONDITION_SURVIVAL),
	 .decimals = 3},
	{.head = "0.9",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT_ITEM(4, CONDITION_SURVIVAL),
	 .decimals = 3},
	{.head = "SD at 0.7",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_MNN_SURVIVAL_SD),
	 .decimals = 4,
	 .if_any = true},
	{.head = "of the alive",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_MNN_SURVIVAL_ALIVE),
	 .decimals = 3},
	{.head = "other seed",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_MNN_SURVIVAL_INDEPENDENT),
	 .decimals = 4,
	 .if_any = true},
	{.head = "own start",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT_ITEM(PS_TAU_MAIN, CONDITION_OWN_START, OWN_START_SURVIVAL),
	 .decimals = 4,
	 .if_any = true},
	{.head = "reference †",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_REFERENCE, REFERENCE_MNN_SURVIVAL),
	 .decimals = 3,
	 .if_any = true},
	{.head = "its SD",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_REFERENCE, REFERENCE_MNN_SURVIVAL_SD),
	 .decimals = 4,
	 .if_any = true},
	{.kind = PS_COLUMN_END},
};

static const ps_column transfer_columns[] = {
	{.head = "Jaccard [95 %]",
	 .kind = PS_COLUMN_VALUE_INTERVAL,
	 .path = PS_AT(CONDITION_JACCARD),
	 .ends = PS_AT(CONDITION_JACCARD_INTERVAL),
	 .decimals = 3},
	{.head = "single seeds",
	 .kind = PS_COLUMN_LIST_RANGE,
	 .path = PS_AT(CONDITION_TRANSFER),
	 .ends = PS_AT(TRANSFER_SEED_JACCARD),
	 .decimals = 3,
	 .if_any = true},
	{.head = "by chance",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_JACCARD_CHANCE),
	 .decimals = 3,
	 .if_any = true},
	{.head = "FVU [95 %]",
	 .kind = PS_COLUMN_VALUE_INTERVAL,
	 .path = PS_AT(CONDITION_FVU),
	 .ends = PS_AT(CONDITION_FVU_INTERVAL),
	 .decimals = 3},
	{.head = "change of FVU [95 %]",
	 .kind = PS_COLUMN_INTERVAL,
	 .path = PS_AT(CONDITION_FVU_CHANGE_INTERVAL),
	 .decimals = 4},
	{.head = "L0", .kind = PS_COLUMN_NUMBER, .path = PS_AT(CONDITION_L0), .decimals = 1},
	{.head = "cosine of rows",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_COSINE),
	 .decimals = 3},
	{.head = "pretrained: Jaccard [95 %]",
	 .kind = PS_COLUMN_VALUE_INTERVAL,
	 .path = PS_AT(CONDITION_DICTIONARY, DICTIONARY_JACCARD),
	 .ends = PS_AT(CONDITION_DICTIONARY, DICTIONARY_JACCARD_INTERVAL),
	 .decimals = 3,
	 .if_any = true},
	{.head = "pretrained: FVU",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_DICTIONARY, DICTIONARY_FVU),
	 .decimals = 3,
	 .if_any = true},
	{.head = "CE recovered",
	 .kind = PS_COLUMN_LIST_MEAN,
	 .path = PS_AT(CONDITION_SPLICES),
	 .ends = PS_AT(SPLICE_SEED_CE_RECOVERED),
	 .decimals = 3,
	 .if_any = true},
	{.head = "CE, single seeds",
	 .kind = PS_COLUMN_LIST_RANGE,
	 .path = PS_AT(CONDITION_SPLICES),
	 .ends = PS_AT(SPLICE_SEED_CE_RECOVERED),
	 .decimals = 3,
	 .if_any = true},
	{.head = "KL, nats",
	 .kind = PS_COLUMN_LIST_MEAN,
	 .path = PS_AT(CONDITION_SPLICES),
	 .ends = PS_AT(SPLICE_SEED_KL),
	 .decimals = 3,
	 .if_any = true},
	{.head = "reference Jaccard †",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_REFERENCE, REFERENCE_JACCARD),
	 .decimals = 3,
	 .if_any = true},
	{.kind = PS_COLUMN_END},
};

static const ps_column fragility_columns[] = {
	{.head = "S(Q1)",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT_ITEM(0, CONDITION_FRAGILITY, FRAGILITY_SURVIVAL),
	 .decimals = 3},
	{.head = "Q2",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT_ITEM(1, CONDITION_FRAGILITY, FRAGILITY_SURVIVAL),
	 .decimals = 3},
	{.head = "Q3",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT_ITEM(2, CONDITION_FRAGILITY, FRAGILITY_SURVIVAL),
	 .decimals = 3},
	{.head = "Q4",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT_ITEM(3, CONDITION_FRAGILITY, FRAGILITY_SURVIVAL),
	 .decimals = 3},
	{.head = "Q5",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT_ITEM(4, CONDITION_FRAGILITY, FRAGILITY_SURVIVAL),
	 .decimals = 3},
	{.head = "Q1 − Q5 [95 %]",
	 .kind = PS_COLUMN_INTERVAL,
	 .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_DIFFERENCE),
	 .decimals = 3},
	{.head = "single seeds",
	 .kind = PS_COLUMN_LIST_RANGE,
	 .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_BY_SEED),
	 .ends = PS_AT(FRAGILITY_SEED_DIFFERENCE, INTERVAL_ESTIMATE),
	 .decimals = 3,
	 .if_any = true},
	{.head = "less the retrain’s [95 %]",
	 .kind = PS_COLUMN_INTERVAL,
	 .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_LESS_CONTROL),
	 .decimals = 3,
	 .if_any = true},
	{.head = "ρ of rate and survival [95 %]",
	 .kind = PS_COLUMN_INTERVAL,
	 .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_RHO_LATENTS),
	 .decimals = 3},
	{.head = "alive",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_ALIVE),
	 .decimals = 0},
	{.kind = PS_COLUMN_END},
};

static const ps_column ablation_columns[] = {
	{.head = "ablated",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_FEATURES),
	 .decimals = 0},
	{.head = "survive",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_SURVIVORS),
	 .decimals = 0},
	{.head = "survivors",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_MEAN_SURVIVORS),
	 .decimals = 3,
	 .scale = MILLI},
	{.head = "lost",
	 .kind = PS_COLUMN_NUMBER,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_MEAN_LOST),
	 .decimals = 3,
	 .scale = MILLI},
	{.head = "difference [95 %]",
	 .kind = PS_COLUMN_INTERVAL,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE),
	 .decimals = 3,
	 .scale = MILLI},
	{.head = "single seeds",
	 .kind = PS_COLUMN_LIST_RANGE,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_BY_SEED),
	 .ends = PS_AT(ABLATION_SEED_DIFFERENCE, INTERVAL_ESTIMATE),
	 .decimals = 3,
	 .scale = MILLI,
	 .if_any = true},
	{.head = "within strata [95 %]",
	 .kind = PS_COLUMN_INTERVAL,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE_STRATIFIED),
	 .decimals = 3,
	 .scale = MILLI,
	 .if_any = true},
	{.head = "per firing [95 %]",
	 .kind = PS_COLUMN_INTERVAL,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_FIRING_DIFFERENCE),
	 .decimals = 3,
	 .scale = MILLI,
	 .if_any = true},
	{.head = "partial ρ, survival [95 %]",
	 .kind = PS_COLUMN_INTERVAL,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_PARTIAL_SURVIVAL),
	 .decimals = 3},
	{.kind = PS_COLUMN_END},
};

static void survival_table(FILE *out, const ps_results *r)
{
	ps_html_conditions(
		out, r, survival_columns,
		"<b>MNN survival by condition</b>, mean over seeds. Of the alive: over "
		"latents of the dense SAE that fired in training. Other seed: against "
		"SAEs that started from a different seed, τ = 0.7. Own start: survival of "
		"the row’s SAE in its own initial weights, τ = 0.7. Rows in italics are "
		"controls: nothing was pruned, or something else was done.",
		"survival");
}

static void transfer_table(FILE *out, const ps_results *r)
{
	ps_html_conditions(
		out, r, transfer_columns,
		"<b>The frozen dense SAE on the pruned model.</b> CE recovered and KL: the SAE’s "
		"reconstruction spliced into the pruned model’s forward pass, relative to that "
		"model’s own loss. By chance: Jaccard between rows of different tokens. Numbers "
		"are means over the dense SAEs of all seeds; intervals are for these SAEs. Single "
		"seeds: least and largest Jaccard, and CE recovered. Pretrained: the model’s "
		"published dictionary in the SAE’s place, where the study has one.",
		"conditions");
}

static void fragility_table(FILE *out, const ps_results *r)
{
	ps_html_conditions(
		out, r, fragility_columns,
		"<b>Survival by quintile of firing rate</b> (τ = 0.7), rare (Q1) to "
		"frequent (Q5), of latents that fired; means over the pruned seeds, intervals for "
		"these SAEs. Less the retrain’s: the difference less that of the unpruned retrain "
		"of the same seed.",
		"fragility");
}

static void fragility_tables(FILE *out, const ps_results *r)
{
	fragility_table(out, r);
	ps_report_predictors_table(out, r);
}

/* Nothing where nothing was ablated. */
static void ablation_table(FILE *out, const ps_results *r)
{
	if (!ps_span_of(r->conditions, PS_AT(CONDITION_ABLATION, ABLATION_FEATURES)).count)
		return;
	ps_html_conditions(
		out, r, ablation_columns,
		"<b>Effect of ablating features on the dense model</b>, 0.001 nats per token, "
		"means over survivors and lost. Within strata: among latents that fire about as "
		"often. Per firing: 0.001 nats per row on which the latent fires. Partial ρ: "
		"Spearman with the effect, firing rate on the dense cache held fixed.",
		"ablation");
}

static const ps_section sections[] = {
	{"perplexity",
	 "Damage",
	 "What pruning does to the models",
	 "How much does each method cost at each sparsity?",
	 "<b>Change of log perplexity</b> = mean negative log likelihood of the pruned model less "
	 "that of the dense one, nats per token, over the same windows of "
	 "the same text (BOS before every window; each token scored once). Intervals: "
	 "blocks of eight windows resampled. <b>Magnitude</b> drops the smallest "
	 "|w|; <b>Wanda</b> (Sun et al., arXiv 2306.11695) the smallest |w| · √E[x²] of the "
	 "weight’s input x over the calibration text. A label is what was "
	 "asked for; ties, thresholds and whole weights make what is achieved differ, so it stands "
	 "beside it.",
	 {"perplexity", NULL, NULL},
	 ps_finding_perplexity,
	 perplexity_table},
	{"rq1",
	 "RQ1, seeds",
	 "RQ1. Seed stability",
	 "How far do SAEs trained on the same activations with other seeds agree?",
	 "Two dictionaries are compared by the cosines of their decoder rows. <b>Survival</b> at "
	 "τ: share of the first’s features that are mutual nearest "
	 "neighbours of one in the second with cosine ≥ τ. <b>Assignment cosine</b>: mean over the "
	 "one-to-one assignment of largest total cosine. "
	 "<b>Shared</b>: assignments of decoder and encoder rows agree on the pair and both "
	 "cosines are ≥ τ (Paulo and Belrose, arXiv 2501.16615). <b>Largest "
	 "cosine</b>: mean over the first’s features; against random: the same with random "
	 "directions in place of the second. The mean survival over pairs is "
	 "the <b>seed floor</b> of RQ2.",
	 {"seeds", NULL, NULL},
	 ps_finding_seeds,
	 seeds_table},
	{"rq2",
	 "RQ2, survival",
	 "RQ2. Feature survival",
	 "Which of the dense model’s features are found again in the SAE of the pruned model?",
	 "A feature of the dense SAE <b>survives</b> when it and a feature of the pruned model’s "
	 "SAE are each other’s nearest in decoder cosine and that cosine is "
	 "≥ τ (arXiv 2603.25325; τ = 0.7, swept from 0.5 to 0.9). Denominator: all latents. Dense "
	 "and pruned SAE see the same rows in the same order and may share their initial weights: "
	 "both make features match that another training would not find again. So read survival "
	 "between two controls. The <b>unpruned retrain</b> changes the order of rows alone, and "
	 "the <b>seed floor</b> start and order. <b>Own start</b>: survival of a pruned model’s "
	 "SAE "
	 "in its own initial weights.",
	 {"survival", "tau", NULL},
	 ps_finding_survival,
	 survival_table},
	{"rq3",
	 "RQ3, transfer",
	 "RQ3. Transfer of the dense SAE",
	 "Does the SAE of the dense model still work on the pruned one?",
	 "The frozen dense SAE encodes both models’ activations on identical tokens. "
	 "<b>Jaccard</b>: mean over tokens of the active latents in common, over those "
	 "active in either. <b>FVU</b> = Σ|x − x̂|² / Σ|x − x̄|² over the tokens, x̄ the pruned "
	 "model’s own mean; it may exceed 1. Special tokens are left out. "
	 "<b>CE recovered</b> = (zero − SAE) / (zero − clean), with losses of the pruned model "
	 "itself with the layer zeroed, reconstructed and left alone. Source: "
	 "arXiv 2603.25325; Jaccard over tokens is our reading of it.",
	 {"jaccard", "fvu", NULL},
	 ps_finding_transfer,
	 transfer_table},
	{"rq4",
	 "RQ4, fragility",
	 "RQ4. Fragility",
	 "Do rare features survive better than frequent ones?",
	 "The dense SAE’s latents that fired at all, sorted by firing count on the dense model and "
	 "cut into five equal parts. <b>S(Q)</b>: share of a part that "
	 "survives at τ = 0.7, mean over the seeds. The effect is <b>S(Q1) − S(Q5)</b>, rare less "
	 "frequent; its interval resamples windows and latents. Rare features survive less when an "
	 "SAE is merely trained again, so the effect is read <b>less the unpruned retrain’s</b> on "
	 "the same latents. Source: the corrected release of arXiv 2603.25325.",
	 {"fragility", NULL, NULL},
	 ps_finding_fragility,
	 fragility_tables},
	{"rq5",
	 "RQ5, causal effect",
	 "RQ5. Causal relevance",
	 "Does survival predict how much the model needs a feature?",
	 "A sample of the dense SAE’s latents, drawn once for each model, as many from each "
	 "quintile of firing on the dense cache, is ablated one at a time on the dense model: x′ = "
	 "x − f·d where the "
	 "latent "
	 "fires, f its activation and d its decoder row, the SAE’s error kept (Marks et al., arXiv "
	 "2403.19647). <b>Effect</b>: change of mean loss, nats per "
	 "token; <b>per firing</b>: the same per row on which the latent fires. An effect per "
	 "token "
	 "is rate times effect per firing, so frequent latents have larger ones. Strata and rates "
	 "are those of the dense cache, not of the few ablation windows; a latent that fires in "
	 "none of these has an effect of 0 per token, and none per firing. All conditions of a "
	 "model share the ablated latents.",
	 {"ablation", "ablation_means", NULL},
	 ps_finding_ablation,
	 ablation_table},
	{"diagnostics",
	 "Diagnostics",
	 "Which diagnostic follows the damage?",
	 "Do measures on SAEs track the change of log perplexity over conditions?",
	 "<b>Spearman’s ρ</b> over all conditions of all models, models resampled for the "
	 "interval where there are 16 or more. Conditions of one model are not independent of each "
	 "other, and sparsity drives most quantities at once. So the <b>rivals</b> stand below: "
	 "what the sparsity alone gives, and ρ with the achieved sparsity held fixed. A "
	 "correlation is no evidence of a cause.",
	 {"diagnostics", NULL, NULL},
	 ps_finding_diagnostics,
	 ps_report_diagnostics_table},
};

const ps_section *ps_report_section(size_t index)
{
	return index < sizeof sections / sizeof *sections ? &sections[index] : NULL;
}
