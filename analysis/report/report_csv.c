#include "analysis/report/report_csv.h"

#include <math.h>
#include <string.h>

enum kind { END, TEXT, NUMBER, INTERVAL, OTHER_SEED, SEEDS_MEAN };

struct column {
	const char *name, *path;
	enum kind kind;
};

#define CONDITION                                                                                  \
	{"model", "model", TEXT}, {"method", "method", TEXT},                                      \
	{                                                                                          \
		"sparsity", "sparsity", NUMBER                                                     \
	}
#define AT_TAUS(path)                                                                              \
	{"survival_tau_0.5", path ".0", NUMBER}, {"survival_tau_0.6", path ".1", NUMBER},          \
		{"survival_tau_0.7", path ".2", NUMBER}, {"survival_tau_0.8", path ".3", NUMBER},  \
	{                                                                                          \
		"survival_tau_0.9", path ".4", NUMBER                                              \
	}

static const struct column model_columns[] = {
	{"model", "name", TEXT},
	{"family", "family", TEXT},
	{"layers", "layers", NUMBER},
	{"width", "width", NUMBER},
	{"layer", "layer", NUMBER},
	{"digest", "digest", TEXT},
	{"weight_bytes", "weight_bytes", NUMBER},
	{"ppl", "ppl", NUMBER},
	{"nll", "nll", NUMBER},
	{"ppl_tokens", "ppl_tokens", NUMBER},
	{"sae_fvu", "fvu", SEEDS_MEAN},
	{"sae_l0", "l0", SEEDS_MEAN},
	{"sae_dead_fraction", "dead_fraction", SEEDS_MEAN},
	{"ce_clean", "splice.ce_clean", NUMBER},
	{"ce_sae", "splice.ce_sae", NUMBER},
	{"ce_zero", "splice.ce_zero", NUMBER},
	{"ce_recovered", "splice.ce_recovered", NUMBER},
	{"kl", "splice.kl", NUMBER},
	{"ablated_features", "ablation.features", NUMBER},
	{"ablation_mean_effect", "ablation.mean_effect", NUMBER},
	{NULL, NULL, END},
};

static const struct column condition_columns[] = {
	CONDITION,
	{"sparsity_achieved", "sparsity_achieved", NUMBER},
	{"achieved_q_proj", "achieved.q_proj", NUMBER},
	{"achieved_k_proj", "achieved.k_proj", NUMBER},
	{"achieved_v_proj", "achieved.v_proj", NUMBER},
	{"achieved_o_proj", "achieved.o_proj", NUMBER},
	{"achieved_gate_proj", "achieved.gate_proj", NUMBER},
	{"achieved_up_proj", "achieved.up_proj", NUMBER},
	{"achieved_down_proj", "achieved.down_proj", NUMBER},
	{"n", "n", NUMBER},
	{"ppl", "ppl", NUMBER},
	{"nll", "nll", NUMBER},
	{"delta_log_ppl", "delta_log_ppl", NUMBER},
	{"delta_log_ppl_low", "delta_log_ppl_interval.low", NUMBER},
	{"delta_log_ppl_high", "delta_log_ppl_interval.high", NUMBER},
	{"mnn_survival", "mnn_survival", NUMBER},
	{"mnn_survival_sd", "mnn_survival_sd", NUMBER},
	{"mnn_survival_alive", "mnn_survival_alive", NUMBER},
	{"mnn_survival_independent", "", OTHER_SEED},
	{"jaccard", "jaccard", NUMBER},
	{"jaccard_low", "jaccard_interval.low", NUMBER},
	{"jaccard_high", "jaccard_interval.high", NUMBER},
	{"fvu", "fvu", NUMBER},
	{"fvu_low", "fvu_interval.low", NUMBER},
	{"fvu_high", "fvu_interval.high", NUMBER},
	{"fvu_change", "fvu_change_interval", INTERVAL},
	{"l0", "l0", NUMBER},
	{"cosine", "cosine", NUMBER},
	{"sae_fvu", "fvu", SEEDS_MEAN},
	{"sae_l0", "l0", SEEDS_MEAN},
	{"sae_dead_fraction", "dead_fraction", SEEDS_MEAN},
	{"ce_clean", "splice.ce_clean", NUMBER},
	{"ce_sae", "splice.ce_sae", NUMBER},
	{"ce_zero", "splice.ce_zero", NUMBER},
	{"ce_recovered", "splice.ce_recovered", NUMBER},
	{"kl", "splice.kl", NUMBER},
	{"reference_mnn_survival", "reference.mnn_survival", NUMBER},
	{"reference_mnn_survival_sd", "reference.mnn_survival_sd", NUMBER},
	{"reference_jaccard", "reference.jaccard", NUMBER},
	{NULL, NULL, END},
};

static const struct column survival_columns[] = {
	CONDITION,
	AT_TAUS("survival"),
	{"sd_tau_0.7", "mnn_survival_sd", NUMBER},
	{"alive_tau_0.7", "mnn_survival_alive", NUMBER},
	{"other_seed_tau_0.7", "", OTHER_SEED},
	{NULL, NULL, END},
};

static const struct column fragility_columns[] = {
	CONDITION,
	{"alive", "fragility.alive", NUMBER},
	{"size_q1", "fragility.size.0", NUMBER},
	{"size_q2", "fragility.size.1", NUMBER},
	{"size_q3", "fragility.size.2", NUMBER},
	{"size_q4", "fragility.size.3", NUMBER},
	{"size_q5", "fragility.size.4", NUMBER},
	{"survival_q1", "fragility.survival.0", NUMBER},
	{"survival_q2", "fragility.survival.1", NUMBER},
	{"survival_q3", "fragility.survival.2", NUMBER},
	{"survival_q4", "fragility.survival.3", NUMBER},
	{"survival_q5", "fragility.survival.4", NUMBER},
	{"difference_clusters", "fragility.difference_clusters", INTERVAL},
	{"difference_latents", "fragility.difference_latents", INTERVAL},
	{"rho_quintiles", "fragility.rho_quintiles", INTERVAL},
	{"rho_latents", "fragility.rho_latents", INTERVAL},
	{NULL, NULL, END},
};

static const struct column ablation_columns[] = {
	CONDITION,
	{"features", "ablation.features", NUMBER},
	{"survivors", "ablation.survivors", NUMBER},
	{"mean_effect_survivors", "ablation.mean_survivors", NUMBER},
	{"mean_effect_lost", "ablation.mean_lost", NUMBER},
	{"difference_clusters", "ablation.difference_clusters", INTERVAL},
	{"difference_features", "ablation.difference_features", INTERVAL},
	{"rho_survival", "ablation.rho_survival", INTERVAL},
	{"rho_cosine", "ablation.rho_cosine", INTERVAL},
	{"partial_survival", "ablation.partial_survival", INTERVAL},
	{"partial_cosine", "ablation.partial_cosine", INTERVAL},
	{NULL, NULL, END},
};

static const struct column pair_columns[] = {
	{"seed_a", "a", NUMBER},
	{"seed_b", "b", NUMBER},
	AT_TAUS("survival"),
	{"hungarian_cosine", "hungarian_cosine", NUMBER},
	{"shared_fraction", "shared_fraction", NUMBER},
	{"mmcs", "mmcs", NUMBER},
	{"mmcs_null", "mmcs_null", NUMBER},
	{NULL, NULL, END},
};

static void write_number(FILE *out, double value)
{
	if (isfinite(value))
		fprintf(out, "%.15g", value);
}

static void write_text(FILE *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void write_cell(FILE *out, const json_t *object, const struct column *column)
{
	ps_interval interval;

	switch (column->kind) {
	case TEXT:
		write_text(out, ps_results_text(object, column->path));
		break;
	case INTERVAL:
		interval = ps_results_interval(object, column->path);
		write_number(out, interval.estimate);
		fputc(',', out);
		write_number(out, interval.low);
		fputc(',', out);
		write_number(out, interval.high);
		break;
	case OTHER_SEED:
		write_number(out, ps_results_other_seed(object));
		break;
	case SEEDS_MEAN:
		write_number(out, ps_results_mean(json_object_get(object, "saes"), column->path));
		break;
	default:
		write_number(out, ps_results_number(object, column->path));
	}
}

static void write_head(FILE *out, const struct column *columns)
{
	for (const struct column *c = columns; c->kind != END; c++) {
		fprintf(out, "%s%s", c == columns ? "" : ",", c->name);
		if (c->kind == INTERVAL)
			fprintf(out, ",%s_low,%s_high", c->name, c->name);
	}
	fputc('\n', out);
}

static void write_row(FILE *out, const json_t *object, const struct column *columns)
{
	for (const struct column *c = columns; c->kind != END; c++) {
		if (c != columns)
			fputc(',', out);
		write_cell(out, object, c);
	}
	fputc('\n', out);
}

/* One row per pair of seeds of each model. */
static void write_pairs(FILE *out, const ps_results *results)
{
	fputs("model,", out);
	write_head(out, pair_columns);
	for (size_t m = 0; m < results->model_count; m++) {
		const json_t *model = ps_results_model(results, m),
			     *pairs = ps_results_at(model, "seeds.pairs");

		for (size_t i = 0; i < json_array_size(pairs); i++) {
			write_text(out, ps_results_text(model, "name"));
			fputc(',', out);
			write_row(out, json_array_get(pairs, i), pair_columns);
		}
	}
}

static const struct {
	const char *name;
	const struct column *columns; /* NULL: pairs of seeds */
	int of_models;
} tables[] = {
	{"models", model_columns, 1},      {"conditions", condition_columns, 0},
	{"survival", survival_columns, 0}, {"fragility", fragility_columns, 0},
	{"ablation", ablation_columns, 0}, {"seeds", NULL, 0},
};

const char *ps_csv_name(size_t index)
{
	return index < sizeof tables / sizeof *tables ? tables[index].name : NULL;
}

void ps_csv_write(FILE *out, const ps_results *results, size_t index)
{
	const json_t *rows = tables[index].of_models ? results->models : results->conditions;

	if (!tables[index].columns) {
		write_pairs(out, results);
		return;
	}
	write_head(out, tables[index].columns);
	for (size_t i = 0; i < json_array_size(rows); i++)
		write_row(out, json_array_get(rows, i), tables[index].columns);
}
