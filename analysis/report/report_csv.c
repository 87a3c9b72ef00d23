#include "analysis/report/report_csv.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum kind {
	END,
	TEXT,
	NUMBER,
	INTERVAL,  /* three columns: NAME, NAME_low, NAME_high */
	LIST_MEAN, /* the mean of `item` over the list at `path` */
	/* Two columns, NAME_least and NAME_largest: of `item` over the list at `path`. */
	LIST_RANGE,
};

struct column {
	const char *name; /* NULL: the last key of the path */
	enum kind kind;
	ps_results_path path, item;
};

#define CONDITION                                                                                  \
	{.kind = TEXT, .path = PS_AT(CONDITION_MODEL)},                                            \
		{.kind = TEXT, .path = PS_AT(CONDITION_METHOD)},                                   \
	{                                                                                          \
		.kind = NUMBER, .path = PS_AT(CONDITION_SPARSITY)                                  \
	}
#define AT_TAU(tau, index, key)                                                                    \
	{                                                                                          \
		.name = "survival_tau_" tau, .kind = NUMBER, .path = PS_AT_ITEM(index, key)        \
	}
#define AT_TAUS(key)                                                                               \
	AT_TAU("0.5", 0, key), AT_TAU("0.6", 1, key), AT_TAU("0.7", 2, key),                       \
		AT_TAU("0.8", 3, key), AT_TAU("0.9", 4, key)

static const struct column model_columns[] = {
	{.name = "model", .kind = TEXT, .path = PS_AT(MODEL_NAME)},
	{.kind = TEXT, .path = PS_AT(MODEL_FAMILY)},
	{.kind = NUMBER, .path = PS_AT(MODEL_LAYERS)},
	{.kind = NUMBER, .path = PS_AT(MODEL_WIDTH)},
	{.kind = NUMBER, .path = PS_AT(MODEL_LAYER)},
	{.kind = TEXT, .path = PS_AT(MODEL_DIGEST)},
	{.kind = NUMBER, .path = PS_AT(MODEL_WEIGHT_BYTES)},
	{.kind = NUMBER, .path = PS_AT(MODEL_PPL)},
	{.kind = NUMBER, .path = PS_AT(MODEL_NLL)},
	{.kind = NUMBER, .path = PS_AT(MODEL_PPL_TOKENS)},
	{.name = "sae_fvu", .kind = LIST_MEAN, .path = PS_AT(MODEL_SAES), .item = PS_AT(SAE_FVU)},
	{.name = "sae_l0", .kind = LIST_MEAN, .path = PS_AT(MODEL_SAES), .item = PS_AT(SAE_L0)},
	{.name = "sae_dead_fraction",
	 .kind = LIST_MEAN,
	 .path = PS_AT(MODEL_SAES),
	 .item = PS_AT(SAE_DEAD_FRACTION)},
	{.kind = NUMBER, .path = PS_AT(MODEL_SPLICE, SPLICE_CE_CLEAN)},
	{.kind = NUMBER, .path = PS_AT(MODEL_SPLICE, SPLICE_CE_SAE)},
	{.kind = NUMBER, .path = PS_AT(MODEL_SPLICE, SPLICE_CE_ZERO)},
	{.kind = NUMBER, .path = PS_AT(MODEL_SPLICE, SPLICE_CE_RECOVERED)},
	{.kind = NUMBER, .path = PS_AT(MODEL_SPLICE, SPLICE_KL)},
	{.name = "ce_recovered_mean",
	 .kind = LIST_MEAN,
	 .path = PS_AT(MODEL_SPLICES),
	 .item = PS_AT(SPLICE_SEED_CE_RECOVERED)},
	{.name = "ce_recovered_seeds",
	 .kind = LIST_RANGE,
	 .path = PS_AT(MODEL_SPLICES),
	 .item = PS_AT(SPLICE_SEED_CE_RECOVERED)},
	{.name = "kl_mean",
	 .kind = LIST_MEAN,
	 .path = PS_AT(MODEL_SPLICES),
	 .item = PS_AT(SPLICE_SEED_KL)},
	{.name = "ablated_features",
	 .kind = NUMBER,
	 .path = PS_AT(MODEL_ABLATION, DENSE_ABLATION_FEATURES)},
	{.name = "ablation_mean_effect",
	 .kind = NUMBER,
	 .path = PS_AT(MODEL_ABLATION, DENSE_ABLATION_MEAN_EFFECT)},
	{.name = "spliced_mean_effect",
	 .kind = NUMBER,
	 .path = PS_AT(MODEL_ABLATION, DENSE_ABLATION_SPLICED, SPLICED_ABLATION_MEAN_EFFECT)},
	{.name = "spliced_rho",
	 .kind = INTERVAL,
	 .path = PS_AT(MODEL_ABLATION, DENSE_ABLATION_SPLICED, SPLICED_ABLATION_RHO_DIRECT)},
	{.kind = END},
};

static const struct column condition_columns[] = {
	CONDITION,
	{.kind = NUMBER, .path = PS_AT(CONDITION_SPARSITY_ACHIEVED)},
	{.name = "achieved_q_proj",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_Q_PROJ)},
	{.name = "achieved_k_proj",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_K_PROJ)},
	{.name = "achieved_v_proj",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_V_PROJ)},
	{.name = "achieved_o_proj",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_O_PROJ)},
	{.name = "achieved_gate_proj",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_GATE_PROJ)},
	{.name = "achieved_up_proj",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_UP_PROJ)},
	{.name = "achieved_down_proj",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_ACHIEVED, ACHIEVED_DOWN_PROJ)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_N)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_PPL)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_NLL)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_DELTA_LOG_PPL)},
	{.name = "delta_log_ppl_low",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL, INTERVAL_LOW)},
	{.name = "delta_log_ppl_high",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL, INTERVAL_HIGH)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_MNN_SURVIVAL)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_MNN_SURVIVAL_SD)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_MNN_SURVIVAL_ALIVE)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_MNN_SURVIVAL_INDEPENDENT)},
	{.name = "own_start_tau_0.7",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(2, CONDITION_OWN_START, OWN_START_SURVIVAL)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_JACCARD)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_JACCARD_CHANCE)},
	{.name = "jaccard_low",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_JACCARD_INTERVAL, INTERVAL_LOW)},
	{.name = "jaccard_high",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_JACCARD_INTERVAL, INTERVAL_HIGH)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_FVU)},
	{.name = "fvu_low", .kind = NUMBER, .path = PS_AT(CONDITION_FVU_INTERVAL, INTERVAL_LOW)},
	{.name = "fvu_high", .kind = NUMBER, .path = PS_AT(CONDITION_FVU_INTERVAL, INTERVAL_HIGH)},
	{.name = "fvu_change", .kind = INTERVAL, .path = PS_AT(CONDITION_FVU_CHANGE_INTERVAL)},
	{.name = "jaccard_seeds",
	 .kind = LIST_RANGE,
	 .path = PS_AT(CONDITION_TRANSFER),
	 .item = PS_AT(TRANSFER_SEED_JACCARD)},
	{.name = "fvu_seeds",
	 .kind = LIST_RANGE,
	 .path = PS_AT(CONDITION_TRANSFER),
	 .item = PS_AT(TRANSFER_SEED_FVU)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_L0)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_COSINE)},
	{.name = "dictionary_jaccard",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_DICTIONARY, DICTIONARY_JACCARD)},
	{.name = "dictionary_fvu",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_DICTIONARY, DICTIONARY_FVU)},
	{.name = "sae_fvu",
	 .kind = LIST_MEAN,
	 .path = PS_AT(CONDITION_SAES),
	 .item = PS_AT(SAE_FVU)},
	{.name = "sae_l0", .kind = LIST_MEAN, .path = PS_AT(CONDITION_SAES), .item = PS_AT(SAE_L0)},
	{.name = "sae_dead_fraction",
	 .kind = LIST_MEAN,
	 .path = PS_AT(CONDITION_SAES),
	 .item = PS_AT(SAE_DEAD_FRACTION)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_SPLICE, SPLICE_CE_CLEAN)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_SPLICE, SPLICE_CE_SAE)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_SPLICE, SPLICE_CE_ZERO)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_SPLICE, SPLICE_CE_RECOVERED)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_SPLICE, SPLICE_KL)},
	{.name = "ce_recovered_mean",
	 .kind = LIST_MEAN,
	 .path = PS_AT(CONDITION_SPLICES),
	 .item = PS_AT(SPLICE_SEED_CE_RECOVERED)},
	{.name = "ce_recovered_seeds",
	 .kind = LIST_RANGE,
	 .path = PS_AT(CONDITION_SPLICES),
	 .item = PS_AT(SPLICE_SEED_CE_RECOVERED)},
	{.name = "kl_mean",
	 .kind = LIST_MEAN,
	 .path = PS_AT(CONDITION_SPLICES),
	 .item = PS_AT(SPLICE_SEED_KL)},
	{.name = "reference_mnn_survival",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_REFERENCE, REFERENCE_MNN_SURVIVAL)},
	{.name = "reference_mnn_survival_sd",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_REFERENCE, REFERENCE_MNN_SURVIVAL_SD)},
	{.name = "reference_jaccard",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_REFERENCE, REFERENCE_JACCARD)},
	{.kind = END},
};

static const struct column survival_columns[] = {
	CONDITION,
	AT_TAUS(CONDITION_SURVIVAL),
	{.name = "sd_tau_0.7", .kind = NUMBER, .path = PS_AT(CONDITION_MNN_SURVIVAL_SD)},
	{.name = "alive_tau_0.7", .kind = NUMBER, .path = PS_AT(CONDITION_MNN_SURVIVAL_ALIVE)},
	{.name = "other_seed_tau_0.7",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_MNN_SURVIVAL_INDEPENDENT)},
	{.kind = END},
};

static const struct column fragility_columns[] = {
	CONDITION,
	{.kind = NUMBER, .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_ALIVE)},
	{.name = "size_q1",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(0, CONDITION_FRAGILITY, FRAGILITY_SIZE)},
	{.name = "size_q2",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(1, CONDITION_FRAGILITY, FRAGILITY_SIZE)},
	{.name = "size_q3",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(2, CONDITION_FRAGILITY, FRAGILITY_SIZE)},
	{.name = "size_q4",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(3, CONDITION_FRAGILITY, FRAGILITY_SIZE)},
	{.name = "size_q5",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(4, CONDITION_FRAGILITY, FRAGILITY_SIZE)},
	{.name = "survival_q1",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(0, CONDITION_FRAGILITY, FRAGILITY_SURVIVAL)},
	{.name = "survival_q2",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(1, CONDITION_FRAGILITY, FRAGILITY_SURVIVAL)},
	{.name = "survival_q3",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(2, CONDITION_FRAGILITY, FRAGILITY_SURVIVAL)},
	{.name = "survival_q4",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(3, CONDITION_FRAGILITY, FRAGILITY_SURVIVAL)},
	{.name = "survival_q5",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(4, CONDITION_FRAGILITY, FRAGILITY_SURVIVAL)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_DIFFERENCE)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_LESS_CONTROL)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_DIFFERENCE_CLUSTERS)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_DIFFERENCE_LATENTS)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_RHO_QUINTILES)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_RHO_LATENTS)},
	{.name = "difference_seeds",
	 .kind = LIST_RANGE,
	 .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_BY_SEED),
	 .item = PS_AT(FRAGILITY_SEED_DIFFERENCE, INTERVAL_ESTIMATE)},
	{.name = "less_control_seeds",
	 .kind = LIST_RANGE,
	 .path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_BY_SEED),
	 .item = PS_AT(FRAGILITY_SEED_LESS_CONTROL, INTERVAL_ESTIMATE)},
	{.kind = END},
};

static const struct column ablation_columns[] = {
	CONDITION,
	{.kind = NUMBER, .path = PS_AT(CONDITION_ABLATION, ABLATION_FEATURES)},
	{.kind = NUMBER, .path = PS_AT(CONDITION_ABLATION, ABLATION_SURVIVORS)},
	{.name = "mean_effect_survivors",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_MEAN_SURVIVORS)},
	{.name = "mean_effect_lost",
	 .kind = NUMBER,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_MEAN_LOST)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE_STRATIFIED)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_ABLATION, ABLATION_FIRING_DIFFERENCE)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE_CLUSTERS)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE_FEATURES)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_ABLATION, ABLATION_RHO_SURVIVAL)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_ABLATION, ABLATION_RHO_COSINE)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_ABLATION, ABLATION_PARTIAL_SURVIVAL)},
	{.kind = INTERVAL, .path = PS_AT(CONDITION_ABLATION, ABLATION_PARTIAL_COSINE)},
	{.name = "difference_seeds",
	 .kind = LIST_RANGE,
	 .path = PS_AT(CONDITION_ABLATION, ABLATION_BY_SEED),
	 .item = PS_AT(ABLATION_SEED_DIFFERENCE, INTERVAL_ESTIMATE)},
	{.kind = END},
};

static const struct column pair_columns[] = {
	{.name = "seed_a", .kind = NUMBER, .path = PS_AT(PAIR_A)},
	{.name = "seed_b", .kind = NUMBER, .path = PS_AT(PAIR_B)},
	AT_TAUS(PAIR_SURVIVAL),
	{.kind = NUMBER, .path = PS_AT(PAIR_HUNGARIAN_COSINE)},
	{.kind = NUMBER, .path = PS_AT(PAIR_SHARED_FRACTION)},
	{.kind = NUMBER, .path = PS_AT(PAIR_MMCS)},
	{.kind = NUMBER, .path = PS_AT(PAIR_MMCS_NULL)},
	{.kind = END},
};

static const struct column control_columns[] = {
	{.kind = TEXT, .path = PS_AT(CONTROL_MODEL)},
	{.name = "control", .kind = TEXT, .path = PS_AT(CONTROL_NAME)},
	{.kind = TEXT, .path = PS_AT(CONTROL_KIND)},
	{.kind = TEXT, .path = PS_AT(CONTROL_METHOD)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_SPARSITY)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_SPARSITY_ACHIEVED)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_N)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_PPL)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_NLL)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_DELTA_LOG_PPL)},
	AT_TAUS(CONTROL_SURVIVAL),
	{.name = "sd_tau_0.7", .kind = NUMBER, .path = PS_AT(CONTROL_MNN_SURVIVAL_SD)},
	{.name = "other_seed_tau_0.7",
	 .kind = NUMBER,
	 .path = PS_AT(CONTROL_MNN_SURVIVAL_INDEPENDENT)},
	{.name = "own_start_tau_0.7",
	 .kind = NUMBER,
	 .path = PS_AT_ITEM(2, CONTROL_OWN_START, OWN_START_SURVIVAL)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_JACCARD)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_FVU)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_COSINE)},
	{.name = "dictionary_jaccard",
	 .kind = NUMBER,
	 .path = PS_AT(CONTROL_DICTIONARY, DICTIONARY_JACCARD)},
	{.name = "dictionary_fvu",
	 .kind = NUMBER,
	 .path = PS_AT(CONTROL_DICTIONARY, DICTIONARY_FVU)},
	{.name = "sae_fvu", .kind = LIST_MEAN, .path = PS_AT(CONTROL_SAES), .item = PS_AT(SAE_FVU)},
	{.name = "sae_l0", .kind = LIST_MEAN, .path = PS_AT(CONTROL_SAES), .item = PS_AT(SAE_L0)},
	{.name = "sae_dead_fraction",
	 .kind = LIST_MEAN,
	 .path = PS_AT(CONTROL_SAES),
	 .item = PS_AT(SAE_DEAD_FRACTION)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_SPLICE, SPLICE_CE_RECOVERED)},
	{.kind = NUMBER, .path = PS_AT(CONTROL_SPLICE, SPLICE_KL)},
	{.name = "ce_recovered_mean",
	 .kind = LIST_MEAN,
	 .path = PS_AT(CONTROL_SPLICES),
	 .item = PS_AT(SPLICE_SEED_CE_RECOVERED)},
	{.name = "ce_recovered_seeds",
	 .kind = LIST_RANGE,
	 .path = PS_AT(CONTROL_SPLICES),
	 .item = PS_AT(SPLICE_SEED_CE_RECOVERED)},
	{.name = "kl_mean",
	 .kind = LIST_MEAN,
	 .path = PS_AT(CONTROL_SPLICES),
	 .item = PS_AT(SPLICE_SEED_KL)},
	{.name = "fragility",
	 .kind = INTERVAL,
	 .path = PS_AT(CONTROL_FRAGILITY, FRAGILITY_DIFFERENCE)},
	{.name = "ablation",
	 .kind = INTERVAL,
	 .path = PS_AT(CONTROL_ABLATION, ABLATION_DIFFERENCE)},
	{.kind = END},
};

static const struct column comparison_columns[] = {
	{.kind = TEXT, .path = PS_AT(COMPARISON_MODEL)},
	{.kind = NUMBER, .path = PS_AT(COMPARISON_SPARSITY)},
	{.kind = INTERVAL, .path = PS_AT(COMPARISON_WANDA_MINUS_MAGNITUDE)},
	{.kind = END},
};

static const struct column diagnostic_columns[] = {
	{.kind = TEXT, .path = PS_AT(DIAGNOSTIC_NAME)},
	{.kind = TEXT, .path = PS_AT(DIAGNOSTIC_KEY)},
	{.kind = NUMBER, .path = PS_AT(DIAGNOSTIC_N)},
	{.kind = INTERVAL, .path = PS_AT(DIAGNOSTIC_SPEARMAN)},
	{.kind = INTERVAL, .path = PS_AT(DIAGNOSTIC_PARTIAL)},
	{.kind = END},
};

static const struct column family_columns[] = {
	{.kind = TEXT, .path = PS_AT(FAMILY_NAME)},
	{.kind = TEXT, .path = PS_AT(FAMILY_KEY)},
	{.kind = NUMBER, .path = PS_AT(FAMILY_TESTS)},
	{.kind = NUMBER, .path = PS_AT(FAMILY_ABOVE)},
	{.kind = NUMBER, .path = PS_AT(FAMILY_BELOW)},
	{.kind = NUMBER, .path = PS_AT(FAMILY_ADJUSTED_ABOVE)},
	{.kind = NUMBER, .path = PS_AT(FAMILY_ADJUSTED_BELOW)},
	{.kind = INTERVAL, .path = PS_AT(FAMILY_OVER_MODELS)},
	{.kind = END},
};

static const struct column feature_columns[] = {
	{.kind = TEXT, .path = PS_AT(FEATURE_TABLE_MODEL)},
	{.kind = TEXT, .path = PS_AT(FEATURE_TABLE_CONDITION)},
	{.kind = NUMBER, .path = PS_AT(FEATURE_TABLE_SEED)},
	{.kind = NUMBER, .path = PS_AT(FEATURE_TABLE_ROWS)},
	{.kind = NUMBER, .path = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_NONE)},
	{.kind = NUMBER, .path = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_KEPT)},
	{.kind = NUMBER, .path = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_SHIFTED)},
	{.kind = NUMBER, .path = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_BLURRED)},
	{.kind = NUMBER, .path = PS_AT(FEATURE_TABLE_CLASSES, FEATURE_CLASSES_LOST)},
	{.kind = END},
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

/* The last key of a path. */
static const char *last_key(ps_results_path path)
{
	int last = 0;

	while (last + 1 < PS_PATH_MAX && path.key[last + 1])
		last++;
	return ps_results_field_of(path.key[last])->name;
}

static const char *name_of(const struct column *column)
{
	return column->name ? column->name : last_key(column->path);
}

static void write_cell(FILE *out, const json_t *object, const struct column *column)
{
	double least = (double)NAN, largest = (double)NAN;
	ps_interval interval;

	switch (column->kind) {
	case LIST_RANGE:
		(void)ps_results_range(ps_results_at(object, column->path), column->item, &least,
				       &largest);
		write_number(out, least);
		fputc(',', out);
		write_number(out, largest);
		break;
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
	case LIST_MEAN:
		write_number(out,
			     ps_results_mean(ps_results_at(object, column->path), column->item));
		break;
	default:
		write_number(out, ps_results_number(object, column->path));
	}
}

static void write_head(FILE *out, const struct column *columns)
{
	for (const struct column *c = columns; c->kind != END; c++) {
		fputs(c == columns ? "" : ",", out);
		if (c->kind == LIST_RANGE)
			fprintf(out, "%s_least,%s_largest", name_of(c), name_of(c));
		else
			fputs(name_of(c), out);
		if (c->kind == INTERVAL)
			fprintf(out, ",%s_low,%s_high", name_of(c), name_of(c));
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

/* --- the tables --- */

/* What has a row: an entry of the list at `rows`, or of the pairs of seeds in every model. */
static const struct {
	const char *name;
	const struct column *columns;
	ps_results_path rows;
	bool pairs;
} tables[] = {
	{"models", model_columns, PS_AT(ROOT_MODELS), false},
	{"conditions", condition_columns, PS_AT(ROOT_CONDITIONS), false},
	{"controls", control_columns, PS_AT(ROOT_CONTROLS), false},
	{"survival", survival_columns, PS_AT(ROOT_CONDITIONS), false},
	{"fragility", fragility_columns, PS_AT(ROOT_CONDITIONS), false},
	{"ablation", ablation_columns, PS_AT(ROOT_CONDITIONS), false},
	{"seeds", pair_columns, PS_AT(MODEL_SEEDS, SEEDS_PAIRS), true},
	{"comparisons", comparison_columns, PS_AT(ROOT_COMPARISONS), false},
	{"diagnostics", diagnostic_columns, PS_AT(ROOT_DIAGNOSTICS), false},
	{"rivals", diagnostic_columns, PS_AT(ROOT_DIAGNOSTIC_RIVALS), false},
	{"families", family_columns, PS_AT(ROOT_FAMILIES), false},
	{"features", feature_columns, PS_AT(ROOT_FEATURES), false},
};

const char *ps_csv_name(size_t index)
{
	return index < sizeof tables / sizeof *tables ? tables[index].name : NULL;
}

/* A row for each pair of seeds of each model, led by the model's name. */
static void write_pairs(FILE *out, const ps_results *results)
{
	fprintf(out, "%s,", ps_results_field_of(PS_KEY_CONDITION_MODEL)->name);
	write_head(out, pair_columns);
	for (size_t m = 0; m < results->model_count; m++) {
		const json_t *pairs = ps_results_at(ps_results_model(results, m),
						    PS_AT(MODEL_SEEDS, SEEDS_PAIRS));

		for (size_t i = 0; i < json_array_size(pairs); i++) {
			write_text(out, ps_results_model_name(results, m));
			fputc(',', out);
			write_row(out, json_array_get(pairs, i), pair_columns);
		}
	}
}

void ps_csv_write(FILE *out, const ps_results *results, size_t index)
{
	const json_t *rows;

	if (tables[index].pairs) {
		write_pairs(out, results);
		return;
	}
	rows = ps_results_at(results->root, tables[index].rows);
	write_head(out, tables[index].columns);
	for (size_t i = 0; i < json_array_size(rows); i++)
		write_row(out, json_array_get(rows, i), tables[index].columns);
}

/* --- docs/RESULTS.md --- */

static void write_path(FILE *out, ps_results_path path)
{
	for (int i = 0; i < PS_PATH_MAX && path.key[i]; i++) {
		const ps_results_field *field = ps_results_field_of(path.key[i]);

		fprintf(out, "%s%s", i ? "." : "", field->name);
		if (path.item && field->type != PS_VALUE_OBJECT)
			fprintf(out, "[%u]", path.item - 1);
	}
}

static void describe_column(FILE *out, const struct column *column)
{
	const char *name = name_of(column);
	const bool of_list = column->kind == LIST_MEAN || column->kind == LIST_RANGE;

	fprintf(out, column->kind == LIST_RANGE ? "| `%s_least`" : "| `%s`", name);
	if (column->kind == LIST_RANGE)
		fprintf(out, ", `%s_largest`", name);
	if (column->kind == INTERVAL)
		fprintf(out, ", `%s_low`, `%s_high`", name, name);
	fputs(column->kind == LIST_MEAN    ? " | mean over `"
	      : column->kind == LIST_RANGE ? " | least and largest over `"
					   : " | `",
	      out);
	write_path(out, column->path);
	if (of_list) {
		fputs("[]` of `", out);
		write_path(out, column->item);
	}
	fputs("` |\n", out);
}

void ps_csv_describe(FILE *out, size_t index)
{
	fprintf(out, "\n### tables/%s.csv\n\nOne row for each entry of `%s", tables[index].name,
		tables[index].pairs ? "models[]." : "");
	write_path(out, tables[index].rows);
	fputs("`.\n\n| column | value |\n| --- | --- |\n", out);
	if (tables[index].pairs)
		fprintf(out, "| `%s` | `%s` of the entry of `models` |\n",
			ps_results_field_of(PS_KEY_CONDITION_MODEL)->name,
			ps_results_field_of(PS_KEY_MODEL_NAME)->name);
	for (const struct column *c = tables[index].columns; c->kind != END; c++)
		describe_column(out, c);
}
