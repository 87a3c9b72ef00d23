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

double ps_quantile_sorting(double *values, size_t count, double fraction)
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

double ps_partial(double r_xy, double r_xz, double r_yz)
{
	return (r_xy - r_xz * r_yz) / sqrt((1 - r_xz * r_xz) * (1 - r_yz * r_yz));
}

/* Sorting by (value, index) makes the order a function of the values alone. Heap sort: no memory, no worst case. */
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

/* Ranks of the items in sorted order, item i standing for weights[i] equal ones (NULL: one). Returns sum (t^3 - t). */
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

void ps_ranks(const double *values, size_t count, uint32_t *order, double *ranks)
{
	ps_sort_order(values, count, order);
	weighted_ranks(values, order, NULL, count, ranks);
}

size_t ps_kendall_w_bytes(size_t items)
{
	size_t doubles = ps_array_bytes(items, sizeof(double));

	return ps_bytes_sum(ps_bytes_sum(doubles, doubles),
			    ps_array_bytes(items, sizeof(uint32_t)));
}

int ps_kendall_w(const double *scores, size_t raters, size_t items, ps_arena *arena, ps_diag *diag,
		 double *out)
{
	size_t mark = ps_arena_mark(arena);
	uint32_t *order = ps_array_take(arena, items, sizeof *order);
	double *ranks = ps_array_take(arena, items, sizeof *ranks),
	       *sums = ps_array_take(arena, items, sizeof *sums);
	double m = (double)raters, n = (double)items, ties = 0, squares = 0;
	int rc = 0;

	*out = (double)NAN;
	if (!order || !ranks || !sums) {
		rc = ps_fail(diag, PS_EFAILED,
			     "the arena is too small for Kendall's W of %zu items", items);
		goto out;
	}
	if (any_nan(scores, raters * items))
		goto out;
	for (size_t i = 0; i < items; i++)
		sums[i] = 0;
	for (size_t r = 0; r < raters; r++) {
		ps_sort_order(scores + r * items, items, order);
		ties += weighted_ranks(scores + r * items, order, NULL, items, ranks);
		for (size_t i = 0; i < items; i++)
			sums[i] += ranks[i];
	}
	for (size_t i = 0; i < items; i++)
		squares += sums[i] * sums[i];
	*out = (12 * squares - 3 * m * m * n * (n + 1) * (n + 1)) /
	       (m * m * n * (n * n - 1) - m * ties);
out:
	ps_arena_rewind(arena, mark);
	return rc;
}

struct resampling {
	const ps_bootstrap *bootstrap;
	size_t clusters;
	ps_statistic statistic;
	void *self;
	uint32_t *weights; /* (threads, clusters) */
	double *values;    /* (replicates) */
};

size_t ps_bootstrap_bytes(const ps_bootstrap *bootstrap, size_t clusters, int threads)
{
	return ps_bytes_sum(ps_array_bytes(clusters, (size_t)threads * sizeof(uint32_t)),
			    ps_array_bytes(bootstrap->replicates, sizeof(double)));
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

/* Moves the defined values to the front and takes their percentiles. */
static void percentiles(double *values, size_t count, double confidence, ps_interval *out)
{
	for (size_t i = 0; i < count; i++)
		if (!isnan(values[i]))
			values[out->replicates++] = values[i];
	out->low = ps_quantile_sorting(values, out->replicates, (1 - confidence) / 2);
	out->high = ps_quantile_sorting(values, out->replicates, (1 + confidence) / 2);
}

int ps_bootstrap_run(const ps_bootstrap *bootstrap, size_t clusters, ps_statistic statistic,
		     void *self, const ps_context *context, ps_arena *arena, ps_interval *out)
{
	struct resampling r = {
		.bootstrap = bootstrap, .clusters = clusters, .statistic = statistic, .self = self};
	size_t mark = ps_arena_mark(arena);
	int rc = ps_progress_check(context);

	*out = (ps_interval){(double)NAN, (double)NAN, (double)NAN, 0};
	if (rc < 0 || !clusters)
		return rc;
	r.weights = ps_array_take(arena, clusters,
				  (size_t)ps_pool_threads(context->pool) * sizeof *r.weights);
	r.values = ps_array_take(arena, bootstrap->replicates, sizeof *r.values);
	if (!r.weights || !r.values) {
		rc = ps_fail(context->diag, PS_EFAILED,
			     "the arena is too small for a bootstrap over %zu clusters", clusters);
		goto out;
	}
	for (size_t c = 0; c < clusters; c++)
		r.weights[c] = 1;
	out->estimate = statistic(self, r.weights, 0);
	ps_pool_run(context->pool, bootstrap->replicates, run_replicate, &r);
	percentiles(r.values, bootstrap->replicates, bootstrap->confidence, out);
out:
	ps_arena_rewind(arena, mark);
	return rc;
}

struct cluster_sums {
	const double *numerator, *denominator; /* denominator NULL: ones */
	const double *base_numerator,
		*base_denominator; /* a second ratio, subtracted; base_numerator NULL: none */
	size_t clusters;
};

static double ratio_of(const double *numerator, const double *denominator, const uint32_t *weights,
		       size_t clusters)
{
	double above = 0, below = 0;

	for (size_t c = 0; c < clusters; c++) {
		above += weights[c] * numerator[c];
		below += weights[c] * (denominator ? denominator[c] : 1);
	}
	return below != 0 ? above / below : (double)NAN;
}

static double ratio_statistic(void *self, const uint32_t *weights, int worker)
{
	const struct cluster_sums *s = self;
	double ratio = ratio_of(s->numerator, s->denominator, weights, s->clusters);

	(void)worker;
	return s->base_numerator ? ratio - ratio_of(s->base_numerator, s->base_denominator, weights,
						    s->clusters)
				 : ratio;
}

int ps_bootstrap_ratio(const ps_bootstrap *bootstrap, const double *numerator,
		       const double *denominator, size_t clusters, const ps_context *context,
		       ps_arena *arena, ps_interval *out)
{
	return ps_bootstrap_ratio_change(bootstrap, numerator, denominator, NULL, NULL, clusters,
					 context, arena, out);
}

int ps_bootstrap_ratio_change(const ps_bootstrap *bootstrap, const double *numerator,
			      const double *denominator, const double *base_numerator,
			      const double *base_denominator, size_t clusters,
			      const ps_context *context, ps_arena *arena, ps_interval *out)
{
	struct cluster_sums sums = {numerator, denominator, base_numerator, base_denominator,
				    clusters};

	return ps_bootstrap_run(bootstrap, clusters, ratio_statistic, &sums, context, arena, out);
}

int ps_bootstrap_paired(const ps_bootstrap *bootstrap, const double *a, const double *b,
			size_t clusters, const ps_context *context, ps_arena *arena,
			ps_interval *out)
{
	return ps_bootstrap_ratio_change(bootstrap, a, NULL, b, NULL, clusters, context, arena,
					 out);
}

#define VARIABLES 3

struct rank_data {
	const double *values[VARIABLES];
	uint32_t *order[VARIABLES];
	double *ranks; /* (threads, VARIABLES, count) */
	size_t count;
	int variables; /* 2: x, y; 3: x, y with z held fixed */
};

/* Both sums of squares run over copies, so the mean rank is (n + 1) / 2 whatever the ties. */
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

	for (int v = 0; v < d->variables; v++)
		weighted_ranks(d->values[v], d->order[v], weights, d->count,
			       ranks + (size_t)v * d->count);
	if (d->variables == 2)
		return rank_correlation(x, y, weights, d->count);
	return ps_partial(rank_correlation(x, y, weights, d->count),
			  rank_correlation(x, z, weights, d->count),
			  rank_correlation(y, z, weights, d->count));
}

size_t ps_partial_interval_bytes(const ps_bootstrap *bootstrap, size_t count, int threads)
{
	size_t bytes =
		ps_bytes_sum(ps_bootstrap_bytes(bootstrap, count, threads),
			     ps_array_bytes(count, (size_t)threads * VARIABLES * sizeof(double)));

	for (int v = 0; v < VARIABLES; v++)
		bytes = ps_bytes_sum(bytes, ps_array_bytes(count, sizeof(uint32_t)));
	return bytes;
}

size_t ps_spearman_interval_bytes(const ps_bootstrap *bootstrap, size_t count, int threads)
{
	return ps_partial_interval_bytes(bootstrap, count, threads);
}

static int correlate(struct rank_data *d, const ps_bootstrap *bootstrap, const ps_context *context,
		     ps_arena *arena, ps_interval *out)
{
	size_t mark = ps_arena_mark(arena);
	int rc = 0;

	*out = (ps_interval){(double)NAN, (double)NAN, (double)NAN, 0};
	d->ranks =
		ps_array_take(arena, d->count,
			      (size_t)ps_pool_threads(context->pool) * VARIABLES * sizeof(double));
	for (int v = 0; v < d->variables; v++) {
		d->order[v] = ps_array_take(arena, d->count, sizeof(uint32_t));
		if (!d->ranks || !d->order[v]) {
			rc = ps_fail(context->diag, PS_EFAILED,
				     "the arena is too small to rank %zu values", d->count);
			goto out;
		}
		if (any_nan(d->values[v], d->count))
			goto out;
		ps_sort_order(d->values[v], d->count, d->order[v]);
	}
	rc = ps_bootstrap_run(bootstrap, d->count, rank_statistic, d, context, arena, out);
out:
	ps_arena_rewind(arena, mark);
	return rc;
}

int ps_spearman_interval(const ps_bootstrap *bootstrap, const double *x, const double *y,
			 size_t count, const ps_context *context, ps_arena *arena, ps_interval *out)
{
	struct rank_data d = {.values = {x, y}, .count = count, .variables = 2};

	return correlate(&d, bootstrap, context, arena, out);
}

int ps_partial_interval(const ps_bootstrap *bootstrap, const double *x, const double *y,
			const double *z, size_t count, const ps_context *context, ps_arena *arena,
			ps_interval *out)
{
	struct rank_data d = {.values = {x, y, z}, .count = count, .variables = 3};

	return correlate(&d, bootstrap, context, arena, out);
}
