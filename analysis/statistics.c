#include "analysis/statistics.h"

#include <math.h>

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

#include "analysis/sizes.h"
#include "core/base/rng.h"

double ps_mean(const double *values, size_t count)
{
	return count ? gsl_stats_mean(values, 1, count) : (double)NAN;
}

double ps_sd(const double *values, size_t count)
{
	return count > 1 ? gsl_stats_sd(values, 1, count) : (double)NAN;
}

/* Sorts the values and interpolates a percentile linearly: fraction from 0 to 1. */
static double quantile_sorting(double *values, size_t count, double fraction)
{
	if (!count)
		return (double)NAN;
	gsl_sort(values, 1, count);
	return gsl_stats_quantile_from_sorted_data(values, 1, count, fraction);
}

static int any_nan(const double *values, size_t count)
{
	int found = 0;

	for (size_t i = 0; i < count; i++)
		found |= isnan(values[i]) != 0;
	return found;
}

double ps_spearman(const double *x, const double *y, size_t count, double *work)
{
	if (count < 2 || any_nan(x, count) || any_nan(y, count))
		return (double)NAN;
	return gsl_stats_spearman(x, 1, y, 1, count, work);
}

/* Correlation of ranks with the ranks of z held fixed. */
static double partial(double r_xy, double r_xz, double r_yz)
{
	return (r_xy - r_xz * r_yz) / sqrt((1 - r_xz * r_xz) * (1 - r_yz * r_yz));
}

/* Heap sort by (value, index): the order depends on the values alone, no memory is needed, and
 * there is no worst case. */
struct sorting {
	const double *values;
	uint32_t *order;
};

static int goes_after(const struct sorting *s, uint32_t a, uint32_t b)
{
	return s->values[a] != s->values[b] ? s->values[a] > s->values[b] : a > b;
}

static void sift_down(const struct sorting *s, size_t at, size_t count)
{
	uint32_t moving = s->order[at];

	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && goes_after(s, s->order[child + 1], s->order[child]))
			child++;
		if (!goes_after(s, s->order[child], moving))
			break;
		s->order[at] = s->order[child];
	}
	s->order[at] = moving;
}

void ps_sort_order(const double *values, size_t count, uint32_t *order)
{
	const struct sorting s = {values, order};

	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)i;
	for (size_t i = count / 2; i-- > 0;)
		sift_down(&s, i, count);
	for (size_t end = count; end-- > 1;) {
		uint32_t last = order[0];

		order[0] = order[end];
		order[end] = last;
		sift_down(&s, 0, end);
	}
}

/* Ranks from 1, ties sharing their mean rank. order: the items by ascending value. Item i stands
 * for weights[i] equal ones (NULL: one each). Returns the sum of t^3 - t over groups of t tied
 * items. */
static double weighted_ranks(const double *values, const uint32_t *order, const uint32_t *weights,
			     size_t count, double *ranks)
{
	double before = 0, ties = 0;

	for (size_t first = 0, last; first < count; first = last) {
		double group = 0;

		for (last = first; last < count && values[order[last]] == values[order[first]];
		     last++)
			group += weights ? weights[order[last]] : 1;
		for (size_t i = first; i < last; i++)
			ranks[order[i]] = before + (group + 1) / 2;
		before += group;
		ties += group * group * group - group;
	}
	return ties;
}

struct ranking {
	uint32_t *order; /* (items) */
	double *ranks;   /* (items): of one rater */
	double *sums;    /* (items): of ranks, over raters */
};

static size_t lay_out_ranking(struct ranking *r, size_t items, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	r->order = ps_layout_part(&layout, items, sizeof *r->order);
	r->ranks = ps_layout_part(&layout, items, sizeof *r->ranks);
	r->sums = ps_layout_part(&layout, items, sizeof *r->sums);
	return layout.bytes;
}

size_t ps_kendall_w_bytes(size_t items)
{
	struct ranking r;

	return lay_out_ranking(&r, items, NULL);
}

double ps_kendall_w(const double *scores, size_t raters, size_t items, ps_arena *arena)
{
	const size_t mark = ps_arena_mark(arena);
	double m = (double)raters, n = (double)items, ties = 0, squares = 0;
	struct ranking w;

	if (any_nan(scores, raters * items))
		return (double)NAN;
	lay_out_ranking(&w, items, arena);
	for (size_t i = 0; i < items; i++)
		w.sums[i] = 0;
	for (size_t r = 0; r < raters; r++) {
		ps_sort_order(scores + r * items, items, w.order);
		ties += weighted_ranks(scores + r * items, w.order, NULL, items, w.ranks);
		for (size_t i = 0; i < items; i++)
			w.sums[i] += w.ranks[i];
	}
	for (size_t i = 0; i < items; i++)
		squares += w.sums[i] * w.sums[i];
	ps_arena_rewind(arena, mark);
	return (12 * squares - 3 * m * m * n * (n + 1) * (n + 1)) /
	       (m * m * n * (n * n - 1) - m * ties);
}

struct resampling {
	const ps_bootstrap *bootstrap;
	size_t clusters;
	ps_statistic statistic;
	void *self;
	uint32_t *weights; /* (threads, clusters) */
	double *values;    /* (replicates) */
};

static size_t lay_out_resampling(struct resampling *r, int threads, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	r->weights = ps_layout_part(&layout, r->clusters, (size_t)threads * sizeof *r->weights);
	r->values = ps_layout_part(&layout, r->bootstrap->replicates, sizeof *r->values);
	return layout.bytes;
}

size_t ps_bootstrap_bytes(const ps_bootstrap *bootstrap, size_t clusters, int threads)
{
	struct resampling r = {.bootstrap = bootstrap, .clusters = clusters};

	return lay_out_resampling(&r, threads, NULL);
}

static void run_replicate(void *context, size_t item, int worker)
{
	const struct resampling *r = context;
	uint32_t *weights = r->weights + (size_t)worker * r->clusters;
	ps_rng rng = ps_rng_make(r->bootstrap->seed, item);

	for (size_t c = 0; c < r->clusters; c++)
		weights[c] = 0;
	for (size_t c = 0; c < r->clusters; c++)
		weights[ps_rng_below(&rng, r->clusters)]++;
	r->values[item] = r->statistic(r->self, weights, worker);
}

/* Moves the values that are defined to the front, counts them, and takes their percentiles. */
static void percentiles(double *values, size_t count, double confidence, ps_interval *out)
{
	for (size_t i = 0; i < count; i++)
		if (!isnan(values[i]))
			values[out->replicates++] = values[i];
	out->low = quantile_sorting(values, out->replicates, (1 - confidence) / 2);
	out->high = quantile_sorting(values, out->replicates, (1 + confidence) / 2);
}

int ps_bootstrap_run(const ps_bootstrap *bootstrap, size_t clusters, ps_statistic statistic,
		     void *self, const ps_context *context, ps_arena *arena, ps_interval *out)
{
	struct resampling r = {
		.bootstrap = bootstrap, .clusters = clusters, .statistic = statistic, .self = self};
	const size_t mark = ps_arena_mark(arena);
	int rc = ps_progress_check(context);

	*out = ps_no_interval();
	if (rc < 0 || !clusters)
		return rc;
	lay_out_resampling(&r, ps_pool_threads(context->pool), arena);
	for (size_t c = 0; c < clusters; c++)
		r.weights[c] = 1;
	out->estimate = statistic(self, r.weights, 0);
	ps_pool_run(context->pool, bootstrap->replicates, run_replicate, &r);
	percentiles(r.values, bootstrap->replicates, bootstrap->confidence, out);
	ps_arena_rewind(arena, mark);
	return 0;
}

/* --- ratios of sums over clusters --- */

struct ratio_change {
	ps_ratio ratio, base; /* base.numerator NULL: nothing is subtracted */
	size_t clusters;
};

static double ratio_of(const ps_ratio *ratio, const uint32_t *weights, size_t clusters)
{
	double above = 0, below = 0;

	for (size_t c = 0; c < clusters; c++) {
		above += weights[c] * ratio->numerator[c];
		below += weights[c] * (ratio->denominator ? ratio->denominator[c] : 1);
	}
	return below != 0 ? above / below : (double)NAN;
}

static double ratio_statistic(void *self, const uint32_t *weights, int worker)
{
	const struct ratio_change *s = self;
	double ratio = ratio_of(&s->ratio, weights, s->clusters);

	(void)worker;
	return s->base.numerator ? ratio - ratio_of(&s->base, weights, s->clusters) : ratio;
}

int ps_bootstrap_ratio(const ps_bootstrap *bootstrap, ps_ratio ratio, size_t clusters,
		       const ps_context *context, ps_arena *arena, ps_interval *out)
{
	return ps_bootstrap_ratio_change(bootstrap, ratio, (ps_ratio){NULL, NULL}, clusters,
					 context, arena, out);
}

int ps_bootstrap_ratio_change(const ps_bootstrap *bootstrap, ps_ratio ratio, ps_ratio base,
			      size_t clusters, const ps_context *context, ps_arena *arena,
			      ps_interval *out)
{
	struct ratio_change change = {ratio, base, clusters};

	return ps_bootstrap_run(bootstrap, clusters, ratio_statistic, &change, context, arena, out);
}

/* --- rank correlations --- */

enum { X, Y, Z, VARIABLES };

struct rank_data {
	const double *values[VARIABLES]; /* values[Z] NULL: nothing is held fixed */
	uint32_t *order[VARIABLES];      /* (count) */
	double *ranks;                   /* (threads, VARIABLES, count) */
	size_t count;
};

static size_t lay_out_ranks(struct rank_data *d, int threads, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	d->ranks =
		ps_layout_part(&layout, d->count, (size_t)threads * VARIABLES * sizeof *d->ranks);
	for (int v = 0; v < VARIABLES; v++)
		d->order[v] = ps_layout_part(&layout, d->count, sizeof *d->order[v]);
	return layout.bytes;
}

/* Correlates ranks of items that stand for weights[i] copies each. The sums run over copies, so the
 * mean rank is (n + 1) / 2 whatever the ties. */
static double rank_correlation(const double *a, const double *b, const uint32_t *weights,
			       size_t count)
{
	double n = 0, ab = 0, aa = 0, bb = 0, mean;

	for (size_t i = 0; i < count; i++)
		n += weights[i];
	mean = (n + 1) / 2;
	for (size_t i = 0; i < count; i++) {
		double da = a[i] - mean, db = b[i] - mean;

		ab += weights[i] * da * db;
		aa += weights[i] * da * da;
		bb += weights[i] * db * db;
	}
	return aa > 0 && bb > 0 ? fmax(-1, fmin(1, ab / sqrt(aa * bb))) : (double)NAN;
}

static double rank_statistic(void *self, const uint32_t *weights, int worker)
{
	const struct rank_data *d = self;
	double *ranks = d->ranks + (size_t)worker * VARIABLES * d->count;
	const double *x = ranks, *y = ranks + d->count, *z = ranks + 2 * d->count;

	for (int v = 0; v < VARIABLES && d->values[v]; v++)
		weighted_ranks(d->values[v], d->order[v], weights, d->count,
			       ranks + (size_t)v * d->count);
	if (!d->values[Z])
		return rank_correlation(x, y, weights, d->count);
	return partial(rank_correlation(x, y, weights, d->count),
		       rank_correlation(x, z, weights, d->count),
		       rank_correlation(y, z, weights, d->count));
}

size_t ps_spearman_interval_bytes(const ps_bootstrap *bootstrap, size_t count, int threads)
{
	struct rank_data d = {.count = count};

	return ps_bytes_sum(lay_out_ranks(&d, threads, NULL),
			    ps_bootstrap_bytes(bootstrap, count, threads));
}

int ps_spearman_interval(const ps_bootstrap *bootstrap, const ps_paired *data,
			 const ps_context *context, ps_arena *arena, ps_interval *out)
{
	struct rank_data d = {.values = {data->x, data->y, data->held}, .count = data->count};
	const size_t mark = ps_arena_mark(arena);
	int rc;

	*out = ps_no_interval();
	for (int v = 0; v < VARIABLES && d.values[v]; v++)
		if (any_nan(d.values[v], d.count))
			return 0;
	lay_out_ranks(&d, ps_pool_threads(context->pool), arena);
	for (int v = 0; v < VARIABLES && d.values[v]; v++)
		ps_sort_order(d.values[v], d.count, d.order[v]);
	rc = ps_bootstrap_run(bootstrap, d.count, rank_statistic, &d, context, arena, out);
	ps_arena_rewind(arena, mark);
	return rc;
}
