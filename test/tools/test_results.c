/* results.json from the records of a made-up study: what is copied, what is computed, what is
 * refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/report/report_data.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"
#include "tools/study/results.h"

enum { CONDITIONS = 4 };

/* A study of one model: Wanda and magnitude at two sparsities, one seed. Records are owned by
 * `made`. */
struct made {
	ps_study_file file;
	ps_model_config config;
	ps_condition_records conditions[CONDITIONS];
	const json_t *train[1], *transfers[CONDITIONS][2], *ablation[1];
	ps_model_records model;
	ps_results_input input;
	json_t *owned;
};

static const json_t *own(struct made *made, json_t *record)
{
	assert_non_null(record);
	assert_int_equal(json_array_append_new(made->owned, record), 0);
	return record;
}

static const json_t *ppl_record(struct made *made, double harm)
{
	return own(made,
		   json_pack("{s:f, s:f, s:i, s:[f, f, f], s:[i, i, i]}", "ppl", exp(2 + harm),
			     "nll", 2 + harm, "tokens", 60, "window_nll", 40 + 19 * harm,
			     41 + 21 * harm, 39 + 20 * harm, "window_tokens", 20, 20, 20));
}

static json_t *interval(double x)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:i, s:s, s:s, s:n}", "estimate", x, "low",
			 x - 1, "high", x + 1, "error", 0.5, "p", x > 0.6 ? 0.004 : 0.5, "n", 40,
			 "unit", "windows", "kind", "t", "why");
}

static const json_t *transfer_record(struct made *made, double x)
{
	return own(made,
		   json_pack("{s:i, s:i, s:f, s:f, s:o, s:f, s:o, s:f, s:o, s:f, s:o, s:f, s:o}",
			     "rows", 60, "jaccard_empty_rows", 2, "jaccard_chance", 0.01, "jaccard",
			     x, "jaccard_interval", interval(x), "fvu", x + 1, "fvu_interval",
			     interval(x + 1), "fvu_change", x + 2, "fvu_change_interval",
			     interval(x + 2), "l0", x + 3, "l0_interval", interval(x + 3), "cosine",
			     x + 4, "cosine_interval", interval(x + 4)));
}

static const json_t *findings_record(struct made *made, double x)
{
	json_t *fragility = json_pack(
		"{s:i, s:[i, i, i, i, i], s:[f, f, f, f, n], s:[n, n, n, n, n], s:o, "
		"s:o, s:o, s:o, s:o, s:o, s:[{s:i, s:[n, n, n, n, n], s:[n, n, n, n, n], s:o, s:o, "
		"s:o}]}",
		"alive", 5, "size", 1, 1, 1, 1, 0, "survival", x, x, x, x, "control_survival",
		"difference", interval(x), "less_control", interval(x - 0.5), "difference_latents",
		interval(x), "difference_clusters", interval(x), "rho_quintiles", interval(x),
		"rho_latents", interval(x), "by_seed", "alive", 5, "survival", "control_survival",
		"difference", interval(x), "less_control", interval(x), "rho_latents", interval(x));

	return own(made,
		   json_pack("{s:{s:[f, f, f, f, f], s:[f, f, f, f, f], s:[n, n, n, n, n], "
			     "s:[f], s:f, s:[n, n, n, n, n]}, s:o, s:[{s:s, s:o, s:[f]}], "
			     "s:n}",
			     "survival", "taus", 0.5, 0.6, 0.7, 0.8, 0.9, "mean", x + 0.02,
			     x + 0.01, x, x - 0.01, x - 0.02, "sd", "by_seed", x, "alive", x + 0.03,
			     "other_seed", "fragility", fragility, "predictors", "name",
			     "firing_rate", "auc", interval(x), "by_seed", x, "ablation"));
}

static void make_condition(struct made *made, int i)
{
	double sparsity = 0.3 + 0.2 * (i / 2), harm = 0.1 * (i + 1);

	made->transfers[i][0] = transfer_record(made, 1 - harm);
	made->transfers[i][1] = transfer_record(made, 0.9 - harm);
	made->conditions[i] = (ps_condition_records){
		.method = i % 2 ? "magnitude" : "wanda",
		.sparsity = sparsity,
		.mask = own(made, json_pack("{s:f}", "sparsity_achieved", sparsity + 0.01)),
		.ppl = ppl_record(made, harm),
		.transfer = made->transfers[i],
		.transfers = 1,
		.findings = findings_record(made, 0.9 - harm),
		.train = made->train,
		.seeds = 1};
}

static void make(struct made *made)
{
	static char *methods[] = {"wanda", "magnitude"};
	static double sparsities[] = {0.3, 0.5};
	static int64_t seeds[] = {7};
	static const char *const kernels[] = {"b", "a", "b"};

	memset(made, 0, sizeof *made);
	made->owned = json_array();
	made->file = (ps_study_file){.name = "made up",
				     .methods = methods,
				     .methods_count = 2,
				     .sparsities = sparsities,
				     .sparsities_count = 2,
				     .seeds = seeds,
				     .seeds_count = 1,
				     .bos = "none",
				     .precision = "f32",
				     .documents = "file",
				     .sae = {.arch = "topk", .init = "shared"}};
	made->config = (ps_model_config){.family = PS_FAMILY_LLAMA, .layers = 16, .width = 2048};
	made->train[0] = own(made, json_pack("{s:f, s:f, s:f, s:i}", "fvu", 0.25, "l0", 16.0,
					     "dead_fraction", 0.125, "steps", 3));
	made->ablation[0] =
		own(made, json_pack("{s:i, s:f, s:[i, i], s:s}", "latents", 2, "mean_effect", 0.5,
				    "latent", 4, 9, "rates_from", "cache"));
	for (int i = 0; i < CONDITIONS; i++)
		make_condition(made, i);
	made->model = (ps_model_records){
		.name = "small",
		.config = &made->config,
		.layer = 3,
		.digest = "0123456789abcdef",
		.weight_bytes = 1000,
		.ablation = made->ablation,
		.ablations = 1,
		.dense = {.ppl = ppl_record(made, 0), .train = made->train, .seeds = 1},
		.conditions = made->conditions,
		.condition_count = CONDITIONS};
	made->input = (ps_results_input){.file = &made->file,
					 .models = &made->model,
					 .model_count = 1,
					 .kernels = kernels,
					 .kernel_count = 3,
					 .bootstrap = {.replicates = 50, .confidence = 0.95}};
}

/* The results, or the error's code with its text in bench->diag. */
static int results_of(struct made *made, analysis_bench *bench, json_t **results)
{
	int rc;

	analysis_open(bench, 2);
	rc = ps_results_make(&made->input, &bench->context, results);
	analysis_close(bench);
	return rc;
}

static void records_stand_under_the_names_of_the_schema(void **state)
{
	struct made made;
	analysis_bench bench;
	json_t *results;
	const json_t *model, *c, *list;

	(void)state;
	make(&made);
	if (results_of(&made, &bench, &results))
		fail_msg("%s", bench.diag.text);
	model = json_array_get(ps_results_at(results, PS_AT(ROOT_MODELS)), 0);
	c = json_array_get(ps_results_at(results, PS_AT(ROOT_CONDITIONS)), 3);
	assert_near(ps_results_number(model, PS_AT(MODEL_PPL_TOKENS)), 60, 1e-12);
	assert_near(ps_results_number(model, PS_AT(MODEL_ABLATION, DENSE_ABLATION_FEATURES)), 2,
		    1e-12);
	assert_near(ps_results_number(model, PS_AT(MODEL_ABLATION, DENSE_ABLATION_MEAN_EFFECT)),
		    0.5, 1e-12);
	assert_near(ps_results_number(model, PS_AT(MODEL_REFERENCE, MODEL_REFERENCE_PPL)), 9.28,
		    1e-12);
	assert_true(json_is_null(ps_results_at(model, PS_AT(MODEL_SEEDS))));
	assert_string_equal(ps_results_text(c, PS_AT(CONDITION_METHOD)), "magnitude");
	assert_near(ps_results_number(c, PS_AT(CONDITION_SPARSITY_ACHIEVED)), 0.51, 1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_DELTA_LOG_PPL)), 0.4, 1e-12);
	assert_near(ps_results_interval(c, PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL)).estimate, 0.4,
		    1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_MNN_SURVIVAL)), 0.5, 1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_MNN_SURVIVAL_ALIVE)), 0.53, 1e-12);
	assert_near(ps_results_number(c, PS_AT_ITEM(0, CONDITION_SURVIVAL)), 0.52, 1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_JACCARD)), 0.6, 1e-12);
	assert_near(ps_results_interval(c, PS_AT(CONDITION_JACCARD_INTERVAL)).low, -0.4, 1e-12);
	assert_near(ps_results_interval(c, PS_AT(CONDITION_FVU_CHANGE_INTERVAL)).estimate, 2.6,
		    1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_L0)), 3.6, 1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_COSINE)), 4.6, 1e-12);
	assert_near(ps_results_mean(ps_results_at(c, PS_AT(CONDITION_SAES)), PS_AT(SAE_FVU)), 0.25,
		    1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_FRAGILITY, FRAGILITY_ALIVE)), 5, 1e-12);
	list = ps_results_at(c, PS_AT(CONDITION_FRAGILITY, FRAGILITY_BY_SEED));
	assert_near(ps_results_number(json_array_get(list, 0), PS_AT(FRAGILITY_SEED_SEED)), 7,
		    1e-12);
	assert_true(json_is_null(ps_results_at(c, PS_AT(CONDITION_ACHIEVED))));
	assert_near(ps_results_number(c, PS_AT(CONDITION_REFERENCE, REFERENCE_MNN_SURVIVAL)), 0.511,
		    1e-12);
	json_decref(results);
	json_decref(made.owned);
}

/* Two dense SAEs look at each pruned model: numbers are means over them. All windows are common to
 * both, so the mean's error is the mean of the errors. */
static void rq3_is_the_mean_over_the_dense_seeds(void **state)
{
	static int64_t seeds[] = {7, 42};
	struct made made;
	analysis_bench bench;
	json_t *results;
	const json_t *c, *list;
	ps_interval mean;

	(void)state;
	make(&made);
	made.file.seeds = seeds;
	made.file.seeds_count = 2;
	for (int i = 0; i < CONDITIONS; i++)
		made.conditions[i].transfers = 2;
	if (results_of(&made, &bench, &results))
		fail_msg("%s", bench.diag.text);
	c = json_array_get(ps_results_at(results, PS_AT(ROOT_CONDITIONS)), 3);
	list = ps_results_at(c, PS_AT(CONDITION_TRANSFER));
	assert_int_equal(json_array_size(list), 2);
	assert_near(ps_results_number(json_array_get(list, 1), PS_AT(TRANSFER_SEED_SEED)), 42,
		    1e-12);
	assert_near(ps_results_number(json_array_get(list, 1), PS_AT(TRANSFER_SEED_JACCARD)), 0.5,
		    1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_JACCARD)), 0.55, 1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_COSINE)), 4.55, 1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_JACCARD_EMPTY_ROWS)), 4, 1e-12);
	mean = ps_results_interval(c, PS_AT(CONDITION_JACCARD_INTERVAL));
	assert_near(mean.estimate, 0.55, 1e-12);
	assert_near(ps_results_number(c, PS_AT(CONDITION_JACCARD_INTERVAL, INTERVAL_ERROR)), 0.5,
		    1e-12);
	assert_near(mean.high - mean.low, 2 * 2.022691 * 0.5, 1e-6); /* t of 39 degrees */
	json_decref(results);
	json_decref(made.owned);
}

static void conditions_are_compared_and_ranked(void **state)
{
	struct made made;
	analysis_bench bench;
	json_t *results;
	const json_t *list, *d;

	(void)state;
	make(&made);
	assert_int_equal(results_of(&made, &bench, &results), 0);
	list = ps_results_at(results, PS_AT(ROOT_COMPARISONS));
	assert_int_equal(json_array_size(list), 2);
	assert_near(ps_results_interval(json_array_get(list, 1),
					PS_AT(COMPARISON_WANDA_MINUS_MAGNITUDE))
			    .estimate,
		    -0.1, 1e-12);
	list = ps_results_at(results, PS_AT(ROOT_DIAGNOSTICS));
	assert_int_equal(json_array_size(list), 4);
	d = json_array_get(list, 0);
	assert_string_equal(ps_results_text(d, PS_AT(DIAGNOSTIC_KEY)), "jaccard");
	assert_near(ps_results_number(d, PS_AT(DIAGNOSTIC_N)), CONDITIONS, 1e-12);
	assert_near(ps_results_interval(d, PS_AT(DIAGNOSTIC_SPEARMAN)).estimate, -1, 1e-12);
	assert_near(ps_results_number(d, PS_AT_ITEM(0, DIAGNOSTIC_BY_MODEL)), -1, 1e-12);
	assert_true(isnan(ps_results_number(d, PS_AT_ITEM(0, DIAGNOSTIC_WITHOUT_MODEL))));
	list = ps_results_at(results, PS_AT(ROOT_DIAGNOSTIC_RIVALS));
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(ps_results_text(json_array_get(list, 1), PS_AT(DIAGNOSTIC_KEY)),
			    "sparsity_achieved");
	assert_near(ps_results_number(results, PS_AT(ROOT_KENDALL_W)), 1, 1e-12);
	json_decref(results);
	json_decref(made.owned);
}

/* One model, and three windows of perplexity: no interval, and the reason for it. */
static void too_few_units_have_no_interval(void **state)
{
	struct made made;
	analysis_bench bench;
	json_t *results;
	const json_t *c, *d;

	(void)state;
	make(&made);
	assert_int_equal(results_of(&made, &bench, &results), 0);
	c = json_array_get(ps_results_at(results, PS_AT(ROOT_CONDITIONS)), 0);
	d = json_array_get(ps_results_at(results, PS_AT(ROOT_DIAGNOSTICS)), 0);
	assert_true(isnan(ps_results_interval(c, PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL)).low));
	assert_near(ps_results_number(c, PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL, INTERVAL_N)), 1,
		    1e-12);
	assert_string_equal(
		ps_results_text(c, PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL, INTERVAL_UNIT)),
		"blocks of windows");
	assert_true(isnan(ps_results_interval(d, PS_AT(DIAGNOSTIC_SPEARMAN)).high));
	assert_string_equal(ps_results_text(d, PS_AT(DIAGNOSTIC_SPEARMAN, INTERVAL_UNIT)),
			    "models");
	json_decref(results);
	json_decref(made.owned);
}

/* RQ4's p are 0.004 where the estimate is above 0.6: in two of four conditions. FVU changes are all
 * above it, less_control are not. With 15 or so tests no adjusted p is below 0.05. */
static void tests_are_counted_before_and_after_the_adjustment(void **state)
{
	struct made made;
	analysis_bench bench;
	json_t *results;
	const json_t *list, *f;

	(void)state;
	make(&made);
	assert_int_equal(results_of(&made, &bench, &results), 0);
	list = ps_results_at(results, PS_AT(ROOT_FAMILIES));
	assert_int_equal(json_array_size(list), 8);
	f = json_array_get(list, 0);
	assert_near(ps_results_number(f, PS_AT(FAMILY_TESTS)), 0, 1e-12);
	f = json_array_get(list, 3);
	assert_string_equal(ps_results_text(f, PS_AT(FAMILY_KEY)), "fragility.difference");
	assert_near(ps_results_number(f, PS_AT(FAMILY_TESTS)), CONDITIONS, 1e-12);
	assert_near(ps_results_number(f, PS_AT(FAMILY_ABOVE)), 2, 1e-12);
	assert_near(ps_results_number(f, PS_AT(FAMILY_BELOW)), 0, 1e-12);
	assert_near(ps_results_number(f, PS_AT(FAMILY_ADJUSTED_ABOVE)), 2, 1e-12);
	assert_near(ps_results_number(f, PS_AT_ITEM(0, FAMILY_P_ADJUSTED)), 0.048, 1e-12);
	assert_near(ps_results_number(f, PS_AT_ITEM(0, FAMILY_MODEL_MEANS)), 0.65, 1e-12);
	assert_true(isnan(ps_results_interval(f, PS_AT(FAMILY_OVER_MODELS)).low));
	list = ps_results_at(results, PS_AT(ROOT_PREDICTORS));
	assert_int_equal(json_array_size(list), 1);
	assert_near(ps_results_number(json_array_get(list, 0), PS_AT_ITEM(0, PREDICTOR_BY_MODEL)),
		    0.65, 1e-12);
	json_decref(results);
	json_decref(made.owned);
}

static void kernels_are_sorted_and_named_once(void **state)
{
	struct made made;
	analysis_bench bench;
	json_t *results, *expected = json_pack("[s, s]", "a", "b");

	(void)state;
	make(&made);
	assert_int_equal(results_of(&made, &bench, &results), 0);
	assert_true(json_equal(ps_results_at(results, PS_AT(ROOT_KERNELS)), expected));
	json_decref(expected);
	json_decref(results);
	json_decref(made.owned);
}

static void a_record_that_lacks_a_value_is_refused(void **state)
{
	struct made made;
	analysis_bench bench;
	json_t *results;

	(void)state;
	make(&made);
	json_object_del((json_t *)made.transfers[1][0], "l0");
	assert_int_equal(results_of(&made, &bench, &results), PS_EFAILED);
	assert_null(results);
	assert_string_equal(bench.diag.text, "results.json.conditions[1].l0 is not of the type "
					     "that its schema gives");
	json_decref(made.owned);
}

static void perplexities_over_other_windows_are_refused(void **state)
{
	struct made made;
	analysis_bench bench;
	json_t *results;

	(void)state;
	make(&made);
	json_array_remove(json_object_get(made.conditions[2].ppl, "window_nll"), 0);
	assert_int_equal(results_of(&made, &bench, &results), PS_EFAILED);
	assert_non_null(strstr(bench.diag.text, "different windows"));
	json_decref(made.owned);
}

/* Whatever keeps it from being read: results without what it holds would be other results. */
static void a_mask_that_cannot_be_read_is_an_error(void **state)
{
	struct made made;
	analysis_bench bench;
	json_t *results;

	(void)state;
	make(&made);
	made.conditions[1].mask_path = "no/such/mask.safetensors";
	assert_int_equal(results_of(&made, &bench, &results), PS_EINPUT);
	assert_null(results);
	assert_non_null(strstr(bench.diag.text, "no/such/mask.safetensors"));
	json_decref(made.owned);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_stand_under_the_names_of_the_schema),
		cmocka_unit_test(rq3_is_the_mean_over_the_dense_seeds),
		cmocka_unit_test(conditions_are_compared_and_ranked),
		cmocka_unit_test(too_few_units_have_no_interval),
		cmocka_unit_test(tests_are_counted_before_and_after_the_adjustment),
		cmocka_unit_test(kernels_are_sorted_and_named_once),
		cmocka_unit_test(a_record_that_lacks_a_value_is_refused),
		cmocka_unit_test(perplexities_over_other_windows_are_refused),
		cmocka_unit_test(a_mask_that_cannot_be_read_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
