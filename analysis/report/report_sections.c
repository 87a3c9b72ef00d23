#include "analysis/report/report_sections.h"

#include <math.h>
#include <string.h>

#include "analysis/report/report_findings.h"
#include "analysis/report/report_html.h"

#define PERCENT 100
#define MILLI 1000

/* --- perplexity --- */

static const ps_column perplexity_columns[] = {
	{"achieved, %", PS_COLUMN_NUMBER, "sparsity_achieved", 2, PERCENT, false},
	{"by projection, %", PS_COLUMN_ACHIEVED_RANGE, "", 1, 0, false},
	{"perplexity", PS_COLUMN_NUMBER, "ppl", 2, 0, false},
	{"Δ log perplexity [95 %]", PS_COLUMN_VALUE_INTERVAL, "delta_log_ppl", 4, 0, false},
	{"tokens scored", PS_COLUMN_NUMBER, "n", 0, 0, false},
	{"reference Δ", PS_COLUMN_REFERENCE_CHANGE, "", 4, 0, true},
	{NULL, PS_COLUMN_END, NULL, 0, 0, false},
};

static const ps_column achieved_columns[] = {
	{"q", PS_COLUMN_NUMBER, "achieved.q_proj", 2, PERCENT, false},
	{"k", PS_COLUMN_NUMBER, "achieved.k_proj", 2, PERCENT, false},
	{"v", PS_COLUMN_NUMBER, "achieved.v_proj", 2, PERCENT, false},
	{"o", PS_COLUMN_NUMBER, "achieved.o_proj", 2, PERCENT, false},
	{"gate", PS_COLUMN_NUMBER, "achieved.gate_proj", 2, PERCENT, false},
	{"up", PS_COLUMN_NUMBER, "achieved.up_proj", 2, PERCENT, false},
	{"down", PS_COLUMN_NUMBER, "achieved.down_proj", 2, PERCENT, false},
	{NULL, PS_COLUMN_END, NULL, 0, 0, false},
};

static void write_comparisons(FILE *out, const ps_results *r)
{
	const json_t *list = json_object_get(r->root, "comparisons");

	if (!json_array_size(list))
		return;
	ps_html_table_begin(out, "<b>Wanda less magnitude</b>, mean loss in nats per token, paired "
				 "over the same windows. Below zero: Wanda loses less.");
	fputs("<thead><tr>", out);
	ps_html_head(out, "model", false);
	ps_html_head(out, "label, %", true);
	ps_html_head(out, "difference [95 %]", true);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);

		fputs("<tr><td>", out);
		ps_html_text(out, ps_results_text(c, "model"));
		fputs("</td>", out);
		ps_html_cell_number(out, PERCENT * ps_results_number(c, "sparsity"), 0);
		ps_html_cell_interval(out, ps_results_interval(c, "wanda_minus_magnitude"), 4);
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
			   "v, o, gate, up, down.");
	write_comparisons(out, r);
	fputs("<details><summary>Achieved sparsity of each kind of projection</summary>\n", out);
	ps_html_conditions(out, r, achieved_columns,
			   "<b>Achieved sparsity</b>, percent, mean over the decoder layers.");
	fputs("</details>\n", out);
}

/* --- RQ1 --- */

static void write_pair(FILE *out, const char *model, const json_t *pair)
{
	fputs("<tr><td>", out);
	ps_html_text(out, model);
	fputs("</td><td class=\"n\">", out);
	ps_html_number(out, ps_results_number(pair, "a"), 0);
	fputs(" and ", out);
	ps_html_number(out, ps_results_number(pair, "b"), 0);
	fputs("</td>", out);
	ps_html_cell_number(out, ps_results_number(pair, "survival.2"), 4);
	ps_html_cell_number(out, ps_results_number(pair, "hungarian_cosine"), 4);
	ps_html_cell_number(out, ps_results_number(pair, "shared_fraction"), 4);
	ps_html_cell_number(out, ps_results_number(pair, "mmcs"), 4);
	ps_html_cell_number(out, ps_results_number(pair, "mmcs_null"), 4);
	fputs("</tr>\n", out);
}

static void seeds_table(FILE *out, const ps_results *r)
{
	static const char *const heads[] = {"seeds",  "survival",       "assignment cosine",
					    "shared", "largest cosine", "against random"};

	ps_html_table_begin(out, "<b>Pairs of dense SAEs that differ in their seed.</b> Survival "
				 "and shared: τ = 0.7.");
	fputs("<thead><tr>", out);
	ps_html_head(out, "model", false);
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		ps_html_head(out, heads[i], true);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t m = 0; m < r->model_count; m++) {
		const json_t *model = ps_results_model(r, m),
			     *pairs = ps_results_at(model, "seeds.pairs");

		for (size_t i = 0; i < json_array_size(pairs); i++)
			write_pair(out, ps_results_text(model, "name"), json_array_get(pairs, i));
	}
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

/* --- RQ2 .. RQ5 --- */

static const ps_column survival_columns[] = {
	{"τ = 0.5", PS_COLUMN_NUMBER, "survival.0", 3, 0, false},
	{"0.6", PS_COLUMN_NUMBER, "survival.1", 3, 0, false},
	{"0.7", PS_COLUMN_NUMBER, "mnn_survival", 3, 0, false},
	{"0.8", PS_COLUMN_NUMBER, "survival.3", 3, 0, false},
	{"0.9", PS_COLUMN_NUMBER, "survival.4", 3, 0, false},
	{"SD at 0.7", PS_COLUMN_NUMBER, "mnn_survival_sd", 4, 0, true},
	{"of the alive", PS_COLUMN_NUMBER, "mnn_survival_alive", 3, 0, false},
	{"other seed", PS_COLUMN_OTHER_SEED, "", 4, 0, true},
	{"reference", PS_COLUMN_NUMBER, "reference.mnn_survival", 3, 0, true},
	{"its SD", PS_COLUMN_NUMBER, "reference.mnn_survival_sd", 4, 0, true},
	{NULL, PS_COLUMN_END, NULL, 0, 0, false},
};

static const ps_column transfer_columns[] = {
	{"Jaccard [95 %]", PS_COLUMN_VALUE_INTERVAL, "jaccard", 3, 0, false},
	{"FVU [95 %]", PS_COLUMN_VALUE_INTERVAL, "fvu", 3, 0, false},
	{"change of FVU [95 %]", PS_COLUMN_INTERVAL, "fvu_change_interval", 4, 0, false},
	{"L0", PS_COLUMN_NUMBER, "l0", 1, 0, false},
	{"cosine of rows", PS_COLUMN_NUMBER, "cosine", 3, 0, false},
	{"CE recovered", PS_COLUMN_NUMBER, "splice.ce_recovered", 3, 0, true},
	{"KL, nats", PS_COLUMN_NUMBER, "splice.kl", 3, 0, true},
	{"reference Jaccard", PS_COLUMN_NUMBER, "reference.jaccard", 3, 0, true},
	{NULL, PS_COLUMN_END, NULL, 0, 0, false},
};

static const ps_column fragility_columns[] = {
	{"S(Q1)", PS_COLUMN_NUMBER, "fragility.survival.0", 3, 0, false},
	{"Q2", PS_COLUMN_NUMBER, "fragility.survival.1", 3, 0, false},
	{"Q3", PS_COLUMN_NUMBER, "fragility.survival.2", 3, 0, false},
	{"Q4", PS_COLUMN_NUMBER, "fragility.survival.3", 3, 0, false},
	{"Q5", PS_COLUMN_NUMBER, "fragility.survival.4", 3, 0, false},
	{"Q1 − Q5 [95 %, windows]", PS_COLUMN_INTERVAL, "fragility.difference_clusters", 3, 0,
	 false},
	{"[95 %, latents]", PS_COLUMN_INTERVAL, "fragility.difference_latents", 3, 0, false},
	{"ρ of rate and survival [95 %]", PS_COLUMN_INTERVAL, "fragility.rho_latents", 3, 0, false},
	{"alive", PS_COLUMN_NUMBER, "fragility.alive", 0, 0, false},
	{NULL, PS_COLUMN_END, NULL, 0, 0, false},
};

static const ps_column ablation_columns[] = {
	{"ablated", PS_COLUMN_NUMBER, "ablation.features", 0, 0, false},
	{"survive", PS_COLUMN_NUMBER, "ablation.survivors", 0, 0, false},
	{"survivors", PS_COLUMN_NUMBER, "ablation.mean_survivors", 3, MILLI, false},
	{"lost", PS_COLUMN_NUMBER, "ablation.mean_lost", 3, MILLI, false},
	{"difference [95 %, windows]", PS_COLUMN_INTERVAL, "ablation.difference_clusters", 3, MILLI,
	 false},
	{"[95 %, features]", PS_COLUMN_INTERVAL, "ablation.difference_features", 3, MILLI, false},
	{"partial ρ, survival [95 %]", PS_COLUMN_INTERVAL, "ablation.partial_survival", 3, 0,
	 false},
	{"partial ρ, cosine [95 %]", PS_COLUMN_INTERVAL, "ablation.partial_cosine", 3, 0, false},
	{NULL, PS_COLUMN_END, NULL, 0, 0, false},
};

static void survival_table(FILE *out, const ps_results *r)
{
	ps_html_conditions(out, r, survival_columns,
			   "<b>MNN survival by condition</b>, mean over seeds. Of the alive: over "
			   "latents of the dense SAE that fired in training. Other seed: against "
			   "pruned SAEs that started from a different seed, τ = 0.7.");
}

static void transfer_table(FILE *out, const ps_results *r)
{
	ps_html_conditions(
		out, r, transfer_columns,
		"<b>The frozen dense SAE on the pruned model.</b> CE recovered and KL: the SAE’s "
		"reconstruction spliced into the pruned model’s forward pass.");
}

static void fragility_table(FILE *out, const ps_results *r)
{
	ps_html_conditions(out, r, fragility_columns,
			   "<b>Survival by quintile of firing rate</b> (τ = 0.7), rare (Q1) to "
			   "frequent (Q5), of latents that fired.");
}

static void ablation_table(FILE *out, const ps_results *r)
{
	ps_html_conditions(
		out, r, ablation_columns,
		"<b>Effect of ablating features on the dense model</b>, 0.001 nats per token, "
		"means over survivors and lost; partial ρ: Spearman with the effect, "
		"firing rate held fixed.");
}

static void diagnostics_table(FILE *out, const ps_results *r)
{
	const json_t *list = json_object_get(r->root, "diagnostics");

	ps_html_table_begin(out, "<b>Spearman with the change of log perplexity.</b> Reference: "
				 "the published study’s, over its own conditions.");
	fputs("<thead><tr>", out);
	ps_html_head(out, "diagnostic", false);
	ps_html_head(out, "ρ [95 %]", true);
	ps_html_head(out, "conditions", true);
	ps_html_head(out, "reference ρ [95 %]", true);
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i),
			     *reference =
				     ps_results_reference_diagnostic(r, ps_results_text(d, "key"));
		ps_interval theirs = ps_results_interval(reference, "");

		theirs.estimate = ps_results_number(reference, "value");
		fputs("<tr><td>", out);
		ps_html_text(out, ps_results_text(d, "name"));
		fputs("</td>", out);
		ps_html_cell_interval(out, ps_results_interval(d, "spearman"), 3);
		ps_html_cell_number(out, ps_results_number(d, "n"), 0);
		ps_html_cell_interval(out, theirs, 3);
		fputs("</tr>\n", out);
	}
	fputs("</tbody>\n", out);
	ps_html_table_end(out);
}

static const ps_section sections[] = {
	{"perplexity",
	 "Damage",
	 "What pruning does to the models",
	 "How much does each method cost at each sparsity?",
	 "<b>Change of log perplexity</b> = mean negative log likelihood of the pruned model less "
	 "that of the dense one, nats per token, over the same windows of "
	 "the same text (BOS before every window; each token scored once). Intervals: percentile "
	 "bootstrap over windows. <b>Magnitude</b> drops the smallest "
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
	 "≥ τ (arXiv 2603.25325; τ = 0.7, swept from 0.5 to 0.9). Denominator: all latents. Read "
	 "it against the seed floor, and against survival from another "
	 "initial seed: where dense and pruned SAE share their initial weights, features can match "
	 "because they never left them.",
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
	 "<b>CE recovered</b> = (zero − SAE) / (zero − clean), with losses of the model with the "
	 "layer zeroed, reconstructed and left alone. Source: "
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
	 "survives at τ = 0.7 (first seed). The effect is <b>S(Q1) − S(Q5)</b>, rare less "
	 "frequent; its interval resamples windows, which moves latents between "
	 "parts, and for comparison latents. Source: the corrected release of arXiv 2603.25325.",
	 {"fragility", NULL, NULL},
	 ps_finding_fragility,
	 fragility_table},
	{"rq5",
	 "RQ5, causal effect",
	 "RQ5. Causal relevance",
	 "Does survival predict how much the model needs a feature?",
	 "A sample of the dense SAE’s latents, as many from each quintile of firing, is ablated "
	 "one at a time on the dense model: x′ = x − f·d where the latent "
	 "fires, f its activation and d its decoder row, the SAE’s error kept (Marks et al., arXiv "
	 "2403.19647). <b>Effect</b>: change of mean loss, nats per "
	 "token. Frequent latents have larger effects for their frequency alone, hence the "
	 "correlations at fixed firing rate.",
	 {"ablation", "ablation_means", NULL},
	 ps_finding_ablation,
	 ablation_table},
	{"diagnostics",
	 "Diagnostics",
	 "Which diagnostic follows the damage?",
	 "Do measures on SAEs track the change of log perplexity over conditions?",
	 "<b>Spearman’s ρ</b> over all conditions of all models, conditions resampled for the "
	 "interval. Conditions of one model are not independent of each "
	 "other, and sparsity drives most quantities at once: a correlation here is no evidence of "
	 "a cause.",
	 {"diagnostics", NULL, NULL},
	 ps_finding_diagnostics,
	 diagnostics_table},
};

const ps_section *ps_report_section(size_t index)
{
	return index < sizeof sections / sizeof *sections ? &sections[index] : NULL;
}
