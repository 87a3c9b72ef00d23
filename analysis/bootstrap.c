#include "analysis/bootstrap.h"

#include <stdbool.h>

#include "analysis/sizes.h"
#include "core/base/rng.h"

/* The share of replicates that may leave the statistic undefined. */
#define UNDEFINED_MOST 0.05

static void draw(ps_rng *rng, size_t count, uint32_t *weights)
{
	for (size_t c = 0; c < count; c++)
		weights[c] = 0;
	for (size_t c = 0; c < count; c++)
		weights[ps_rng_below(rng, count)]++;
}

static void set_ones(uint32_t *weights, size_t count)
{
	for (size_t c = 0; c < count; c++)
		weights[c] = 1;
}

static size_t effective(ps_axis axis)
{
	return axis.effective ? axis.effective : axis.count;
}

/* Variance of the values that are defined, with divisor count - 1; NaN where too few are.
 * *defined: how many are. */
static double variance(const double *values, size_t count, size_t *defined)
{
	double sum = 0, squares = 0, mean;

	*defined = 0;
	for (size_t i = 0; i < count; i++)
		if (!isnan(values[i])) {
			sum += values[i];
			++*defined;
		}
	if (*defined < 2 || (double)*defined < (1 - UNDEFINED_MOST) * (double)count)
		return (double)NAN;
	mean = sum / (double)*defined;
	for (size_t i = 0; i < count; i++)
		if (!isnan(values[i]))
			squares += (values[i] - mean) * (values[i] - mean);
	return squares / (double)(*defined - 1);
}

/* n / (n - 1): undoes the bias of a bootstrap variance over n clusters. */
static double unbiasing(size_t n)
{
	return n > 1 ? (double)n / (double)(n - 1) : (double)NAN;
}

/* The interval of an estimate from its replicates' variance, with one unit resampled. */
static ps_interval interval_of(const ps_bootstrap *bootstrap, ps_axis axis, double estimate,
			       const double *values, double *var)
{
	const size_t n = effective(axis);
	size_t defined;
	ps_interval out = {.estimate = estimate, .n = n, .unit = axis.unit, .kind = PS_KIND_T};

	*var = variance(values, bootstrap->replicates, &defined);
	out.replicates = (uint32_t)defined;
	out.error = sqrt(*var * unbiasing(n));
	ps_interval_set(
		&out, &(ps_interval_law){.confidence = bootstrap->confidence, .df = (double)n - 1});
	return out;
}

/* --- one unit --- */

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

	draw(&rng, r->clusters, weights);
	r->values[item] = r->statistic(r->self, weights, worker);
}

int ps_bootstrap_run(const ps_bootstrap *bootstrap, ps_axis axis, ps_statistic statistic,
		     void *self, const ps_context *context, ps_arena *arena, ps_interval *out)
{
	struct resampling r = {.bootstrap = bootstrap,
			       .clusters = axis.count,
			       .statistic = statistic,
			       .self = self};
	const size_t mark = ps_arena_mark(arena);
	double estimate, var;
	int rc = ps_progress_check(context);

	*out = ps_no_interval();
	out->unit = axis.unit;
	if (rc < 0 || !axis.count)
		return rc;
	lay_out_resampling(&r, ps_pool_threads(context->pool), arena);
	set_ones(r.weights, axis.count);
	estimate = statistic(self, r.weights, 0);
	ps_pool_run(context->pool, bootstrap->replicates, run_replicate, &r);
	*out = interval_of(bootstrap, axis, estimate, r.values, &var);
	ps_arena_rewind(arena, mark);
	return 0;
}

/* --- two units --- */

enum { ROWS, COLUMNS, BOTH, WAYS };

struct crossing {
	const ps_bootstrap *bootstrap;
	const ps_two_way *statistic;
	size_t rows, columns;
	uint32_t *row_weights;    /* (threads, rows) */
	uint32_t *column_weights; /* (threads, columns) */
	uint32_t *ones;           /* (max of rows and columns) */
	double *values[WAYS];     /* (replicates) */
};

static size_t lay_out_crossing(struct crossing *c, int threads, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	c->row_weights = ps_layout_part(&layout, c->rows, (size_t)threads * sizeof *c->row_weights);
	c->column_weights =
		ps_layout_part(&layout, c->columns, (size_t)threads * sizeof *c->column_weights);
	c->ones = ps_layout_part(&layout, ps_max_size(c->rows, c->columns), sizeof *c->ones);
	for (int w = 0; w < WAYS; w++)
		c->values[w] =
			ps_layout_part(&layout, c->bootstrap->replicates, sizeof *c->values[w]);
	return layout.bytes;
}

size_t ps_two_way_bytes(const ps_bootstrap *bootstrap, size_t rows, size_t columns, int threads)
{
	struct crossing c = {.bootstrap = bootstrap, .rows = rows, .columns = columns};

	return lay_out_crossing(&c, threads, NULL);
}

static void run_crossed(void *context, size_t item, int worker)
{
	const struct crossing *c = context;
	const ps_two_way *s = c->statistic;
	uint32_t *rows = c->row_weights + (size_t)worker * c->rows,
		 *columns = c->column_weights + (size_t)worker * c->columns;
	ps_rng rng = ps_rng_make(c->bootstrap->seed, item);

	draw(&rng, c->rows, rows);
	draw(&rng, c->columns, columns);
	s->prepare(s->self, rows, worker + 1);
	c->values[ROWS][item] = s->value(s->self, c->ones, worker + 1);
	c->values[COLUMNS][item] = s->value(s->self, columns, 0);
	c->values[BOTH][item] = s->value(s->self, columns, worker + 1);
}

/* The squared error of two units together, and its degrees of freedom. */
static double combine(const double var[WAYS], size_t rows, size_t columns, double *df)
{
	const double row = var[ROWS] * unbiasing(rows), column = var[COLUMNS] * unbiasing(columns),
		     least = (double)ps_min_size(rows, columns) - 1;
	double cells = (var[BOTH] - var[ROWS] - var[COLUMNS]) * unbiasing(rows) *
		       unbiasing(columns),
	       square;

	cells = fmax(0, fmin(cells, fmin(row, column)));
	square = row + column - cells;
	*df = square * square /
	      (row * row / ((double)rows - 1) + column * column / ((double)columns - 1));
	*df = *df > least ? *df : least;
	return square;
}

static void find_intervals(const struct crossing *c, double estimate, ps_two_way_result *out)
{
	const ps_two_way *s = c->statistic;
	const size_t rows = effective(s->rows), columns = effective(s->columns);
	double var[WAYS], df = 1;
	size_t defined;

	out->rows = interval_of(c->bootstrap, s->rows, estimate, c->values[ROWS], &var[ROWS]);
	out->columns =
		interval_of(c->bootstrap, s->columns, estimate, c->values[COLUMNS], &var[COLUMNS]);
	var[BOTH] = variance(c->values[BOTH], c->bootstrap->replicates, &defined);
	out->both = (ps_interval){.estimate = estimate,
				  .n = ps_min_size(rows, columns),
				  .replicates = (uint32_t)defined,
				  .unit = s->both,
				  .kind = PS_KIND_TWO_WAY,
				  .error = (double)NAN};
	if (!isnan(var[ROWS]) && !isnan(var[COLUMNS]) && !isnan(var[BOTH]) && rows > 1 &&
	    columns > 1)
		out->both.error = sqrt(combine(var, rows, columns, &df));
	ps_interval_set(&out->both,
			&(ps_interval_law){.confidence = c->bootstrap->confidence, .df = df});
}

int ps_two_way_run(const ps_bootstrap *bootstrap, const ps_two_way *statistic,
		   const ps_context *context, ps_arena *arena, ps_two_way_result *out)
{
	struct crossing c = {.bootstrap = bootstrap,
			     .statistic = statistic,
			     .rows = statistic->rows.count,
			     .columns = statistic->columns.count};
	const size_t mark = ps_arena_mark(arena);
	int rc = ps_progress_check(context);

	out->both = out->rows = out->columns = ps_no_interval();
	out->both.unit = statistic->both;
	out->rows.unit = statistic->rows.unit;
	out->columns.unit = statistic->columns.unit;
	if (rc < 0 || !c.rows || !c.columns)
		return rc;
	lay_out_crossing(&c, ps_pool_threads(context->pool), arena);
	set_ones(c.ones, ps_max_size(c.rows, c.columns));
	statistic->prepare(statistic->self, c.ones, 0);
	ps_pool_run(context->pool, bootstrap->replicates, run_crossed, &c);
	find_intervals(&c, statistic->value(statistic->self, c.ones, 0), out);
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

int ps_bootstrap_ratio(const ps_bootstrap *bootstrap, ps_ratio ratio, ps_axis axis,
		       const ps_context *context, ps_arena *arena, ps_interval *out)
{
	return ps_bootstrap_ratio_change(bootstrap, ratio, (ps_ratio){NULL, NULL}, axis, context,
					 arena, out);
}

int ps_bootstrap_ratio_change(const ps_bootstrap *bootstrap, ps_ratio ratio, ps_ratio base,
			      ps_axis axis, const ps_context *context, ps_arena *arena,
			      ps_interval *out)
{
	struct ratio_change change = {ratio, base, axis.count};

	return ps_bootstrap_run(bootstrap, axis, ratio_statistic, &change, context, arena, out);
}

/* --- blocks --- */

size_t ps_block_sums(double *values, size_t count, size_t block)
{
	const size_t blocks = count / block + (count % block != 0);

	for (size_t b = 0; b < blocks; b++) {
		double sum = 0;

		for (size_t i = b * block; i < ps_min_size((b + 1) * block, count); i++)
			sum += values[i];
		values[b] = sum;
	}
	return blocks;
}
