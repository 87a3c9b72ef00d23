#include "test/support/support_coverage.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/ablation.h"
#include "analysis/auc.h"
#include "analysis/fragility.h"
#include "analysis/over_seeds.h"
#include "analysis/statistics.h"
#include "core/base/rng.h"

enum {
	SEEDS = 3,
	MANY_WINDOWS = 500,
	REPLICATES = 400,
	ROWS_A_WINDOW = 128,
	TRUTH_LATENTS = 400000
};

static ps_bootstrap plan_of(uint64_t trial, size_t replicates)
{
	return (ps_bootstrap){
		.replicates = replicates, .confidence = 0.95, .seed = 1000000 + trial};
}

/* A stream of its own for each case and trial. */
static ps_rng rng_of(const coverage_case *c, uint64_t trial)
{
	uint64_t seed = 5381;

	for (const char *at = c->name; *at; at++)
		seed = seed * 33 + (unsigned char)*at;
	return ps_rng_make(seed + c->windows + 7 * c->latents, trial);
}

static double normal(ps_rng *rng)
{
	return (double)ps_rng_normal(rng);
}

static ps_arena arena_of(size_t bytes)
{
	ps_arena arena;

	assert_int_equal(ps_arena_create(&arena, bytes, NULL), 0);
	return arena;
}

static double *doubles(size_t count)
{
	double *values = calloc(count + 1, sizeof *values);

	assert_non_null(values);
	return values;
}

static int by_value(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void sort_ascending(double *values, size_t count)
{
	qsort(values, count, sizeof *values, by_value);
}

/* Linear between the two nearest values (definition 7 of Hyndman and Fan). */
static double quantile_of_sorted(const double *values, size_t count, double share)
{
	const double place = share * (double)(count - 1);
	const size_t below = (size_t)place;
	const size_t above = below + 1 < count ? below + 1 : below;

	return values[below] + (place - (double)below) * (values[above] - values[below]);
}

static double zero(const coverage_case *c)
{
	(void)c;
	return 0;
}

/* --- ratios over windows --- */

static ps_interval ratio_of(const double *above, const double *below, size_t n, ps_unit unit,
			    uint64_t trial, analysis_bench *bench)
{
	const ps_bootstrap plan = plan_of(trial, REPLICATES);
	ps_arena arena = arena_of(ps_bootstrap_bytes(&plan, n, ps_pool_threads(bench->pool)));
	ps_interval out;

	assert_int_equal(ps_bootstrap_ratio(&plan, (ps_ratio){above, below},
					    (ps_axis){.count = n, .unit = unit}, &bench->context,
					    &arena, &out),
			 0);
	ps_arena_destroy(&arena);
	return out;
}

/* A share such as Jaccard, 0.6 over all windows: windows have means of their own (sd 0.05, skewed),
 * and differ in their rows. */
static void fill_shares(const coverage_case *c, uint64_t trial, double *sum, double *rows)
{
	ps_rng rng = rng_of(c, trial);

	for (size_t w = 0; w < c->windows; w++) {
		const double own = exp(0.5 * normal(&rng) - 0.125);

		rows[w] = ROWS_A_WINDOW - (double)ps_rng_below(&rng, 24);
		sum[w] = rows[w] * (0.6 - 0.1 * (own - 1));
	}
}

static double truth_of_shares(const coverage_case *c)
{
	(void)c;
	return 0.6;
}

static ps_interval draw_share(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	double *sum = doubles(c->windows), *rows = doubles(c->windows);
	ps_interval out;

	fill_shares(c, trial, sum, rows);
	out = ratio_of(sum, rows, c->windows, PS_UNIT_WINDOWS, trial, bench);
	free(sum);
	free(rows);
	return out;
}

/* The same with percentiles of the replicates for its ends, which the program does not use. */
static ps_interval draw_percentiles(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	double *sum = doubles(c->windows), *rows = doubles(c->windows), *values;
	ps_interval out = {.n = c->windows};

	(void)bench;
	fill_shares(c, trial, sum, rows);
	values = doubles(REPLICATES);
	for (uint64_t r = 0; r < REPLICATES; r++) {
		ps_rng rng = ps_rng_make(trial, r);
		double above = 0, below = 0;

		for (size_t w = 0; w < c->windows; w++) {
			const size_t drawn = ps_rng_below(&rng, c->windows);

			above += sum[drawn];
			below += rows[drawn];
		}
		values[r] = above / below;
	}
	sort_ascending(values, REPLICATES);
	out.low = quantile_of_sorted(values, REPLICATES, 0.025);
	out.high = quantile_of_sorted(values, REPLICATES, 0.975);
	free(values);
	free(sum);
	free(rows);
	return out;
}

/* A share such as Jaccard of three seeds' SAEs, which see the same windows; a tenth of what moves a
 * window's mean is the SAE's own. */
static ps_interval draw_share_of_seeds(const coverage_case *c, uint64_t trial,
				       analysis_bench *bench)
{
	double *common = doubles(c->windows), *sum = doubles(c->windows),
	       *rows = doubles(c->windows);
	ps_rng rng = rng_of(c, trial);
	ps_interval seed[SEEDS], out;

	for (size_t w = 0; w < c->windows; w++)
		common[w] = normal(&rng);
	for (size_t s = 0; s < SEEDS; s++) {
		for (size_t w = 0; w < c->windows; w++) {
			const double own = sqrt(0.9) * common[w] + sqrt(0.1) * normal(&rng);

			rows[w] = ROWS_A_WINDOW;
			sum[w] = rows[w] * (0.6 - 0.1 * (exp(0.5 * own - 0.125) - 1));
		}
		seed[s] = ratio_of(sum, rows, c->windows, PS_UNIT_WINDOWS, trial, bench);
	}
	ps_over_seeds((ps_of_seeds){seed, sizeof *seed, SEEDS},
		      &(ps_interval_law){.confidence = 0.95}, &out);
	free(common);
	free(sum);
	free(rows);
	return out;
}

/* FVU: errors are a part of the variance, and both have heavy tails. */
static ps_interval draw_fvu(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	double *error = doubles(c->windows), *variance = doubles(c->windows);
	ps_rng rng = rng_of(c, trial);
	ps_interval out;

	for (size_t w = 0; w < c->windows; w++) {
		variance[w] = exp(0.6 * normal(&rng));
		error[w] = variance[w] * (0.2 + 0.05 * normal(&rng));
	}
	out = ratio_of(error, variance, c->windows, PS_UNIT_WINDOWS, trial, bench);
	free(error);
	free(variance);
	return out;
}

static double truth_of_fvu(const coverage_case *c)
{
	(void)c;
	return 0.2;
}

/* Perplexity: neighbouring windows correlate (`share`). */
static ps_interval draw_series(const coverage_case *c, uint64_t trial, analysis_bench *bench,
			       size_t block)
{
	double *loss = doubles(c->windows), *tokens = doubles(c->windows), state;
	ps_rng rng = rng_of(c, trial);
	size_t blocks;
	ps_interval out;

	state = normal(&rng);
	for (size_t w = 0; w < c->windows; w++) {
		state = c->share * state + sqrt(1 - c->share * c->share) * normal(&rng);
		tokens[w] = 64;
		loss[w] = 64 * 0.3 * state;
	}
	blocks = ps_block_sums(loss, c->windows, block);
	ps_block_sums(tokens, c->windows, block);
	out = ratio_of(loss, tokens, blocks, PS_UNIT_BLOCKS, trial, bench);
	free(loss);
	free(tokens);
	return out;
}

static ps_interval draw_blocks(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	return draw_series(c, trial, bench, PS_BLOCK_WINDOWS);
}

static ps_interval draw_windows(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	return draw_series(c, trial, bench, 1);
}

/* --- rank correlation, AUC --- */

static ps_interval draw_spearman(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	const size_t n = c->latents;
	const ps_bootstrap plan = plan_of(trial, REPLICATES);
	ps_arena arena =
		arena_of(ps_spearman_interval_bytes(&plan, n, ps_pool_threads(bench->pool)));
	double *x = doubles(n), *y = doubles(n);
	ps_rng rng = rng_of(c, trial);
	ps_interval out;

	for (size_t i = 0; i < n; i++) {
		x[i] = normal(&rng);
		y[i] = c->share * x[i] + sqrt(1 - c->share * c->share) * normal(&rng);
	}
	assert_int_equal(
		ps_spearman_interval(&plan,
				     &(ps_paired){.x = x,
						  .y = y,
						  .count = n,
						  .axis = {.count = n, .unit = PS_UNIT_LATENTS}},
				     &bench->context, &arena, &out),
		0);
	ps_arena_destroy(&arena);
	free(x);
	free(y);
	return out;
}

/* Of two normal numbers with the correlation r: 6 / pi asin(r / 2). */
static double truth_of_spearman(const coverage_case *c)
{
	return 6 / 3.14159265358979323846 * asin(c->share / 2);
}

/* Scores of survivors lie one standard deviation higher. */
static ps_interval draw_auc(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	const size_t n = c->latents, survivors = (size_t)(c->share * (double)n);
	ps_arena arena = arena_of(ps_auc_bytes(n));
	uint8_t *positive = calloc(n, 1);
	double *score = doubles(n);
	ps_rng rng = rng_of(c, trial);
	ps_interval out;

	(void)bench;
	assert_non_null(positive);
	for (size_t i = 0; i < n; i++) {
		positive[i] = i < survivors;
		score[i] = normal(&rng) + positive[i];
	}
	ps_auc(&(ps_auc_data){score, positive, n}, 0.95, &arena, &out);
	ps_arena_destroy(&arena);
	free(positive);
	free(score);
	return out;
}

static double truth_of_auc(const coverage_case *c)
{
	(void)c;
	return erfc(-0.5) / 2;
}

/* --- RQ5 --- */

/* One model's ablations. A latent's effect is skewed; a window moves the effects of all latents,
 * and each latent's own; survival is drawn apart from them. */
struct ablated {
	double *sum, *firings, *tokens, *cosine, *rate, *effect;
	uint8_t *survived, *stratum;
	ps_ablation_data data;
};

/* of_windows: where the windows' own factors come from. */
static void make_ablated(struct ablated *a, size_t latents, size_t windows, ps_rng *rng,
			 ps_rng *of_windows)
{
	double *window = doubles(windows), all = 0;

	*a = (struct ablated){.sum = doubles(latents * windows),
			      .firings = doubles(latents * windows),
			      .tokens = doubles(windows),
			      .cosine = doubles(latents),
			      .rate = doubles(latents),
			      .effect = doubles(latents),
			      .survived = calloc(latents, 1),
			      .stratum = calloc(latents, 1)};
	for (size_t w = 0; w < windows; w++) {
		a->tokens[w] = ROWS_A_WINDOW - 1;
		all += a->tokens[w];
		window[w] = exp(0.4 * normal(of_windows));
	}
	for (size_t i = 0; i < latents; i++) {
		const double own = exp(0.8 * normal(rng)) - 1;

		a->stratum[i] = (uint8_t)(i * PS_QUINTILES / latents);
		a->rate[i] = 0.002 * (double)(1 + i) + 0.001;
		a->cosine[i] = ps_rng_uniform(rng);
		for (size_t w = 0; w < windows; w++) {
			const double nats = own * window[w] + 1.5 * normal(rng);

			a->sum[i * windows + w] = nats;
			a->firings[i * windows + w] = 1 + (double)ps_rng_below(rng, 9);
			a->effect[i] += nats / all;
		}
	}
	a->data = (ps_ablation_data){.features = latents,
				     .clusters = windows,
				     .survived = a->survived,
				     .cosine = a->cosine,
				     .rate = a->rate,
				     .stratum = a->stratum,
				     .effect = a->effect,
				     .cluster_sum = a->sum,
				     .cluster_firings = a->firings,
				     .cluster_tokens = a->tokens};
	free(window);
}

static void draw_survival(struct ablated *a, double share, ps_rng *rng)
{
	for (size_t i = 0; i < a->data.features; i++)
		a->survived[i] = ps_rng_uniform(rng) < share;
}

static void free_ablated(struct ablated *a)
{
	free(a->sum);
	free(a->firings);
	free(a->tokens);
	free(a->cosine);
	free(a->rate);
	free(a->effect);
	free(a->survived);
	free(a->stratum);
}

static ps_ablation summary_of(const struct ablated *a, const ps_bootstrap *plan,
			      analysis_bench *bench)
{
	ps_arena arena = arena_of(ps_ablation_bytes(a->data.features, a->data.clusters, plan,
						    ps_pool_threads(bench->pool)));
	ps_ablation out;

	assert_int_equal(ps_ablation_summarise(&a->data, plan, &bench->context, &arena, &out), 0);
	ps_arena_destroy(&arena);
	return out;
}

static ps_ablation draw_ablation(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	const ps_bootstrap plan = plan_of(trial, REPLICATES);
	ps_rng rng = rng_of(c, trial);
	struct ablated a;
	ps_ablation out;

	make_ablated(&a, c->latents, c->windows, &rng, &rng);
	draw_survival(&a, c->share, &rng);
	out = summary_of(&a, &plan, bench);
	free_ablated(&a);
	return out;
}

static ps_interval draw_difference(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	return draw_ablation(c, trial, bench).difference.both;
}

static ps_interval draw_stratified(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	return draw_ablation(c, trial, bench).stratified.both;
}

static ps_interval draw_firing(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	return draw_ablation(c, trial, bench).firing.both;
}

/* The mean over three seeds' SAEs: the same windows, and each its own latents. */
static ps_interval draw_difference_of_seeds(const coverage_case *c, uint64_t trial,
					    analysis_bench *bench)
{
	const ps_bootstrap plan = plan_of(trial, REPLICATES);
	ps_rng rng = rng_of(c, trial);
	ps_two_way_result seed[SEEDS], out;

	for (size_t s = 0; s < SEEDS; s++) {
		ps_rng windows = ps_rng_make(77, trial);
		struct ablated a;

		make_ablated(&a, c->latents, c->windows, &rng, &windows);
		draw_survival(&a, c->share, &rng);
		seed[s] = summary_of(&a, &plan, bench).difference;
		free_ablated(&a);
	}
	ps_over_seeds_two_way((ps_of_seeds){seed, sizeof *seed, SEEDS}, 0.95, &out);
	return out.both;
}

/* Windows alone resampled: what was the headline. */
static ps_interval draw_one_way(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	return draw_ablation(c, trial, bench).difference.rows;
}

/* --- RQ4 --- */

/* One model's dense SAE: rates are log-normal, counts those of windows with their own topics. */
struct fired {
	ps_firing by_cluster;
	uint8_t *survived, *control;
};

static uint32_t poisson(ps_rng *rng, double mean)
{
	const double limit = exp(-mean);
	double product = ps_rng_uniform(rng);
	uint32_t count = 0;

	for (; product > limit; product *= ps_rng_uniform(rng))
		count++;
	return count;
}

static double rate_of(ps_rng *rng)
{
	return exp(1.2 * normal(rng) - 2);
}

/* Frequent latents survive more; rates span some four orders of magnitude. */
static double chance_of(double rate)
{
	return 1 / (1 + exp(-0.4 * (log(rate) + 2)));
}

/* survived and control are drawn alike, each on its own. */
static void draw_fates(struct fired *f, const double *rate, ps_rng *rng, uint8_t *fate)
{
	for (size_t j = 0; j < f->by_cluster.latents; j++)
		fate[j] = ps_rng_uniform(rng) < chance_of(rate[j]);
}

static void make_fired(struct fired *f, double *rate, size_t latents, size_t windows, ps_rng *rng)
{
	*f = (struct fired){.by_cluster = {.counts = calloc(latents * windows, sizeof(uint32_t)),
					   .total = calloc(latents, sizeof(uint64_t)),
					   .latents = latents,
					   .clusters = windows},
			    .survived = calloc(latents, 1),
			    .control = calloc(latents, 1)};
	for (size_t j = 0; j < latents; j++) {
		rate[j] = rate_of(rng);
		for (size_t w = 0; w < windows; w++) {
			const double topic = exp(0.5 * normal(rng) - 0.125);
			const uint32_t count = poisson(rng, fmin(rate[j] * topic, 30));

			f->by_cluster.counts[w * latents + j] = count;
			f->by_cluster.total[j] += count;
		}
	}
	draw_fates(f, rate, rng, f->survived);
	draw_fates(f, rate, rng, f->control);
}

static void free_fired(struct fired *f)
{
	free(f->by_cluster.counts);
	free(f->by_cluster.total);
	free(f->survived);
	free(f->control);
}

static ps_fragility fragility_of(const struct fired *f, const ps_bootstrap *plan,
				 analysis_bench *bench)
{
	const size_t latents = f->by_cluster.latents;
	ps_arena arena = arena_of(ps_fragility_bytes(latents, f->by_cluster.clusters, plan,
						     ps_pool_threads(bench->pool)));
	ps_fragility out;

	assert_int_equal(ps_fragility_run(&(ps_fragility_input){.firing = f->by_cluster.total,
								.survived = f->survived,
								.control = f->control,
								.latents = latents,
								.by_cluster = &f->by_cluster},
					  plan, &bench->context, &arena, &out),
			 0);
	ps_arena_destroy(&arena);
	return out;
}

static ps_fragility draw_fragility(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	const ps_bootstrap plan =
		plan_of(trial, c->windows > MANY_WINDOWS ? REPLICATES / 2 : REPLICATES);
	double *rate = doubles(c->latents);
	ps_rng rng = rng_of(c, trial);
	struct fired f;
	ps_fragility out;

	make_fired(&f, rate, c->latents, c->windows, &rng);
	out = fragility_of(&f, &plan, bench);
	free_fired(&f);
	free(rate);
	return out;
}

static ps_interval draw_fragile(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	return draw_fragility(c, trial, bench).difference.both;
}

static ps_interval draw_less_control(const coverage_case *c, uint64_t trial, analysis_bench *bench)
{
	return draw_fragility(c, trial, bench).less_control.both;
}

static ps_interval draw_fragile_windows(const coverage_case *c, uint64_t trial,
					analysis_bench *bench)
{
	return draw_fragility(c, trial, bench).difference.rows;
}

/* Quintiles by the true rates of many latents, and their mean chances. */
static double truth_of_fragility(const coverage_case *c)
{
	double *rate = doubles(TRUTH_LATENTS), outer[2] = {0};
	const size_t fifth = TRUTH_LATENTS / PS_QUINTILES;
	ps_rng rng = ps_rng_make(99, 0);

	(void)c;
	for (size_t j = 0; j < TRUTH_LATENTS; j++)
		rate[j] = rate_of(&rng);
	sort_ascending(rate, TRUTH_LATENTS);
	for (size_t j = 0; j < fifth; j++) {
		outer[0] += chance_of(rate[j]) / (double)fifth;
		outer[1] += chance_of(rate[TRUTH_LATENTS - 1 - j]) / (double)fifth;
	}
	free(rate);
	return outer[0] - outer[1];
}

/* --- the list --- */

const coverage_case coverage_cases[] = {
	{"mean over windows", draw_share, truth_of_shares, 16, 0, 0, true},
	{"mean over windows", draw_share, truth_of_shares, 64, 0, 0, true},
	{"mean over windows", draw_share, truth_of_shares, 625, 0, 0, true},
	{"mean over windows, of 3 seeds", draw_share_of_seeds, truth_of_shares, 64, 0, 0, true},
	{"mean over windows, of 3 seeds", draw_share_of_seeds, truth_of_shares, 625, 0, 0, true},
	{"the same, percentiles (not used)", draw_percentiles, truth_of_shares, 8, 0, 0, true},
	{"the same, percentiles (not used)", draw_percentiles, truth_of_shares, 16, 0, 0, true},
	{"FVU over windows", draw_fvu, truth_of_fvu, 64, 0, 0, true},
	{"FVU over windows", draw_fvu, truth_of_fvu, 625, 0, 0, true},
	{"perplexity, blocks of 8 windows", draw_blocks, zero, 156, 0, 0.36, true},
	{"the same, windows (not used)", draw_windows, zero, 156, 0, 0.36, true},
	{"Spearman over latents", draw_spearman, truth_of_spearman, 0, 100, 0, true},
	{"Spearman over latents", draw_spearman, truth_of_spearman, 0, 100, 0.5, true},
	{"AUC, DeLong", draw_auc, truth_of_auc, 0, 100, 0.2, true},
	{"AUC, DeLong", draw_auc, truth_of_auc, 0, 1024, 0.5, true},
	{"RQ5, windows and latents", draw_difference, zero, 16, 100, 0.5, true},
	{"RQ5, windows and latents", draw_difference, zero, 16, 100, 0.2, true},
	{"RQ5, the same within strata", draw_stratified, zero, 16, 100, 0.5, true},
	{"RQ5, the same per firing", draw_firing, zero, 16, 100, 0.5, true},
	{"RQ5, mean of 3 seeds", draw_difference_of_seeds, zero, 16, 100, 0.5, true},
	{"RQ5, windows alone (not used)", draw_one_way, zero, 16, 100, 0.5, true},
	{"RQ4, windows and latents", draw_fragile, truth_of_fragility, 20, 1024, 0, false},
	{"RQ4, windows and latents", draw_fragile, truth_of_fragility, 156, 1024, 0, false},
	{"RQ4, windows and latents", draw_fragile, truth_of_fragility, 625, 1024, 0, false},
	{"RQ4 less the control's", draw_less_control, zero, 20, 1024, 0, false},
	{"RQ4 less the control's", draw_less_control, zero, 156, 1024, 0, false},
	{"RQ4 less the control's", draw_less_control, zero, 625, 1024, 0, false},
	{"RQ4, windows alone (not used)", draw_fragile_windows, truth_of_fragility, 156, 1024, 0,
	 false},
	{NULL, NULL, NULL, 0, 0, 0, false},
};

coverage_count coverage_run(const coverage_case *c, size_t trials, int threads)
{
	const double truth = c->truth(c);
	coverage_count count = {.trials = trials};
	analysis_bench bench;

	analysis_open(&bench, threads);
	for (uint64_t t = 0; t < trials; t++) {
		const ps_interval i = c->draw(c, t, &bench);

		if (isnan(i.low)) {
			count.without++;
			continue;
		}
		count.below += truth < i.low;
		count.above += truth > i.high;
		count.covered += i.low <= truth && truth <= i.high;
		count.width += i.high - i.low;
	}
	if (trials > count.without)
		count.width /= (double)(trials - count.without);
	analysis_close(&bench);
	return count;
}

/* --- null studies --- */

enum {
	MODELS = 3,
	CONDITIONS = 10,
	FAMILIES = 5, /* RQ4 less control; RQ5, within strata, per firing; perplexity of methods */
	TESTS = MODELS * CONDITIONS * FAMILIES,
	NULL_REPLICATES = 200,
	NULL_LATENTS = 200,
	NULL_WINDOWS = 20,
	ABLATED = 100,
	ABLATED_WINDOWS = 16,
	PPL_WINDOWS = 156
};

/* The p of one model's conditions, five each. */
static void study_model(ps_rng *rng, uint64_t trial, analysis_bench *bench, double *p)
{
	const coverage_case series = {.name = "null study", .windows = PPL_WINDOWS, .share = 0.36};
	const ps_bootstrap plan = plan_of(trial, NULL_REPLICATES);
	double rate[NULL_LATENTS];
	struct ablated a;
	struct fired f;

	make_fired(&f, rate, NULL_LATENTS, NULL_WINDOWS, rng);
	make_ablated(&a, ABLATED, ABLATED_WINDOWS, rng, rng);
	for (size_t c = 0; c < CONDITIONS; c++) {
		ps_ablation summary;

		draw_fates(&f, rate, rng, f.survived);
		draw_survival(&a, 0.2 + 0.06 * (double)c, rng);
		summary = summary_of(&a, &plan, bench);
		*p++ = fragility_of(&f, &plan, bench).less_control.both.p;
		*p++ = summary.difference.both.p;
		*p++ = summary.stratified.both.p;
		*p++ = summary.firing.both.p;
		*p++ = draw_blocks(&series, trial * CONDITIONS + c, bench).p;
	}
	free_fired(&f);
	free_ablated(&a);
}

coverage_nulls coverage_null_studies(size_t first, size_t studies, int threads)
{
	coverage_nulls out = {.studies = studies};
	analysis_bench bench;

	analysis_open(&bench, threads);
	for (uint64_t s = first; s < first + studies; s++) {
		ps_rng rng = ps_rng_make(4242, s);
		double p[TESTS], adjusted[TESTS];
		size_t raw = 0, left = 0;

		for (uint64_t m = 0; m < MODELS; m++)
			study_model(&rng, s * MODELS + m, &bench, p + m * CONDITIONS * FAMILIES);
		ps_holm(p, TESTS, adjusted);
		for (size_t i = 0; i < TESTS; i++) {
			out.tests += !isnan(p[i]);
			raw += p[i] < 0.05;
			left += adjusted[i] < 0.05;
		}
		out.raw += raw;
		out.adjusted += left;
		out.claiming_raw += raw > 0;
		out.claiming_adjusted += left > 0;
	}
	analysis_close(&bench);
	return out;
}
