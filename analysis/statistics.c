#include "analysis/statistics.h"

#include <math.h>
#include <stdbool.h>

#include "analysis/sizes.h"
#include "core/base/sort.h"

/* Welford's recurrences (Technometrics 4, 1962). They fix the order of the sums. long double has
 * more digits than double on x86 and on arm64, so rounding hardly ever reaches the result. */
static long double mean_of(const double *values, size_t count)
{
	long double mean = 0;

	for (size_t i = 0; i < count; i++)
		mean += (values[i] - mean) / (long double)(i + 1);
	return mean;
}

double ps_mean(const double *values, size_t count)
{
	return count ? (double)mean_of(values, count) : (double)NAN;
}

double ps_sd(const double *values, size_t count)
{
	const double mean = (double)mean_of(values, count);
	long double square = 0;

	for (size_t i = 0; i < count; i++) {
		const long double apart = values[i] - mean;

		square += (apart * apart - square) / (long double)(i + 1);
	}
	return count > 1 ? sqrt((double)square * ((double)count / (double)(count - 1)))
			 : (double)NAN;
}

static int any_nan(const double *values, size_t count)
{
	int found = 0;

	for (size_t i = 0; i < count; i++)
		found |= isnan(values[i]) != 0;
	return found;
}

/* By (value, index), so no two are equal. */
static bool has_larger_value(const void *self, uint32_t a, uint32_t b)
{
	const double *values = self;

	return values[a] != values[b] ? values[a] > values[b] : a > b;
}

void ps_sort_order(const double *values, size_t count, uint32_t *order)
{
	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)i;
	ps_sort_words(order, count, has_larger_value, values);
}

double ps_ranks(const double *values, const uint32_t *order, const uint32_t *weights, size_t count,
		double *ranks)
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

/* Correlates ranks of items that stand for weights[i] copies each (NULL: one each). The sums run
 * over copies, so the mean rank is (n + 1) / 2 whatever the ties. */
static double rank_correlation(const double *a, const double *b, const uint32_t *weights,
			       size_t count)
{
	double n = 0, ab = 0, aa = 0, bb = 0, mean;

	for (size_t i = 0; i < count; i++)
		n += weights ? weights[i] : 1;
	mean = (n + 1) / 2;
	for (size_t i = 0; i < count; i++) {
		const double copies = weights ? weights[i] : 1;
		const double da = a[i] - mean, db = b[i] - mean;

		ab += copies * da * db;
		aa += copies * da * da;
		bb += copies * db * db;
	}
	return aa > 0 && bb > 0 ? fmax(-1, fmin(1, ab / sqrt(aa * bb))) : (double)NAN;
}

double ps_spearman(const double *x, const double *y, size_t count, uint32_t *order, double *ranks)
{
	if (count < 2 || any_nan(x, count) || any_nan(y, count))
		return (double)NAN;
	ps_sort_order(x, count, order);
	ps_ranks(x, order, NULL, count, ranks);
	ps_sort_order(y, count, order);
	ps_ranks(y, order, NULL, count, ranks + count);
	return rank_correlation(ranks, ranks + count, NULL, count);
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
		ties += ps_ranks(scores + r * items, w.order, NULL, items, w.ranks);
		for (size_t i = 0; i < items; i++)
			w.sums[i] += w.ranks[i];
	}
	for (size_t i = 0; i < items; i++)
		squares += w.sums[i] * w.sums[i];
	ps_arena_rewind(arena, mark);
	return (12 * squares - 3 * m * m * n * (n + 1) * (n + 1)) /
	       (m * m * n * (n * n - 1) - m * ties);
}

/* --- rank correlations --- */

enum { X, Y, Z, VARIABLES = Z + PS_HELD_MAX };

struct rank_scratch {
	uint32_t *weights;        /* (count): of items */
	double *ranks[VARIABLES]; /* (count) */
};

struct rank_data {
	const ps_paired *in;
	const double *values[VARIABLES];
	size_t variables;             /* 2, and those held fixed */
	uint32_t *order[VARIABLES];   /* (count) */
	uint32_t *group_weights;      /* (groups): for ps_spearman_groups */
	struct rank_scratch *scratch; /* (threads) */
	size_t count, groups;
};

static size_t lay_out_ranks(struct rank_data *d, int threads, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	d->scratch = ps_layout_part(&layout, (size_t)threads, sizeof *d->scratch);
	d->group_weights = ps_layout_part(&layout, d->groups, sizeof *d->group_weights);
	for (int v = 0; v < VARIABLES; v++)
		d->order[v] = ps_layout_part(&layout, d->count, sizeof *d->order[v]);
	for (int t = 0; t < threads; t++) {
		struct rank_scratch own;

		own.weights = ps_layout_part(&layout, d->count, sizeof *own.weights);
		for (int v = 0; v < VARIABLES; v++)
			own.ranks[v] = ps_layout_part(&layout, d->count, sizeof *own.ranks[v]);
		if (d->scratch)
			d->scratch[t] = own;
	}
	return layout.bytes;
}

/* Lists the variables. False: one of them has a NaN. */
static bool take_variables(struct rank_data *d, const ps_paired *in)
{
	bool defined = true;

	*d = (struct rank_data){.in = in, .count = in->count, .values = {in->x, in->y}};
	d->variables = Z;
	while (d->variables < VARIABLES && in->held[d->variables - Z]) {
		d->values[d->variables] = in->held[d->variables - Z];
		d->variables++;
	}
	for (size_t v = 0; v < d->variables; v++)
		defined &= !any_nan(d->values[v], d->count);
	return defined;
}

static void sort_variables(struct rank_data *d)
{
	for (size_t v = 0; v < d->variables; v++)
		ps_sort_order(d->values[v], d->count, d->order[v]);
}

/* Takes the variables from the last to Z out of the correlations of those before them. */
static double partial(double r[VARIABLES][VARIABLES], size_t variables)
{
	for (size_t z = variables; z-- > Z;)
		for (size_t i = 0; i < z; i++)
			for (size_t j = i + 1; j < z; j++) {
				const double left =
					(1 - r[i][z] * r[i][z]) * (1 - r[j][z] * r[j][z]);

				r[i][j] = left > 0 ? (r[i][j] - r[i][z] * r[j][z]) / sqrt(left)
						   : (double)NAN;
			}
	return r[X][Y];
}

static double rank_statistic(void *self, const uint32_t *weights, int worker)
{
	const struct rank_data *d = self;
	const struct rank_scratch *s = &d->scratch[worker];
	double r[VARIABLES][VARIABLES] = {0};

	for (size_t i = 0; i < d->count; i++)
		s->weights[i] = weights[d->in->group ? d->in->group[i] : i];
	for (size_t v = 0; v < d->variables; v++)
		ps_ranks(d->values[v], d->order[v], s->weights, d->count, s->ranks[v]);
	for (size_t i = 0; i < d->variables; i++)
		for (size_t j = i + 1; j < d->variables; j++)
			r[i][j] = rank_correlation(s->ranks[i], s->ranks[j], s->weights, d->count);
	return partial(r, d->variables);
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
	const size_t mark = ps_arena_mark(arena);
	struct rank_data d;
	int rc;

	*out = ps_no_interval();
	out->unit = data->axis.unit;
	if (!take_variables(&d, data))
		return 0;
	lay_out_ranks(&d, ps_pool_threads(context->pool), arena);
	sort_variables(&d);
	rc = ps_bootstrap_run(bootstrap, data->axis, rank_statistic, &d, context, arena, out);
	ps_interval_clip(out, -1, 1);
	ps_arena_rewind(arena, mark);
	return rc;
}

size_t ps_spearman_groups_bytes(size_t count, size_t groups)
{
	struct rank_data d = {.count = count, .groups = groups};

	return lay_out_ranks(&d, 1, NULL);
}

/* Over the items of group g alone, or over all the others. */
static double over_groups(struct rank_data *d, size_t g, bool others)
{
	size_t items = 0;

	for (size_t i = 0; i < d->in->axis.count; i++)
		d->group_weights[i] = (i == g) != others;
	for (size_t i = 0; i < d->count; i++)
		items += d->group_weights[d->in->group ? d->in->group[i] : i];
	return items < 3 ? (double)NAN : rank_statistic(d, d->group_weights, 0);
}

void ps_spearman_groups(const ps_paired *data, ps_arena *arena, double *within, double *without)
{
	const size_t mark = ps_arena_mark(arena);
	struct rank_data d;

	for (size_t g = 0; g < data->axis.count; g++)
		within[g] = without[g] = (double)NAN;
	if (!take_variables(&d, data))
		return;
	d.groups = data->axis.count;
	lay_out_ranks(&d, 1, arena);
	sort_variables(&d);
	for (size_t g = 0; g < data->axis.count; g++) {
		within[g] = over_groups(&d, g, false);
		without[g] = over_groups(&d, g, true);
	}
	ps_arena_rewind(arena, mark);
}
