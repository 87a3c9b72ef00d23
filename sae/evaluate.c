#include "sae/evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/finite.h"
#include "sae/batch.h"
#include "sae/sparse.h"

/* Same bits: a row's measures are computed by any thread, and added in order afterwards. A column's
 * sums are computed by one thread, row by row. */

enum {
	BATCH_ROWS = 1024,
	BATCH_ROWS_DENSE = 256, /* where a row may list every latent: not topk */
	ROWS_AN_ITEM = 8,
	COLUMNS_AN_ITEM = 64,
};

/* The measures of one row, or their sums. */
struct row_measures {
	double error, product, x_square, x_hat_square, variance; /* variance: |x - mean|^2 */
};

struct ps_evaluator {
	const ps_sae *sae;
	const ps_context *context;
	ps_encoder *encoder;
	ps_codes codes;
	const float *x; /* (rows, D), of the present call */
	size_t rows;
	float *x_hat;                     /* (max_rows, D) */
	struct row_measures *row;         /* (max_rows) */
	const double *mean;               /* (D), of all rows; NULL: not known */
	float *origin;                    /* (D): the first row */
	double *sum, *square, *error_sum; /* (D): sums of x - origin, its square, x - x_hat */
	uint64_t *firing;                 /* (F): rows on which each latent fired */
	uint64_t seen, active;
	struct row_measures total;
	double cosine, norm_ratio, legacy;
};

static ps_evaluator *lay_out_evaluator(ps_sae_layout *layout, const ps_sae *sae, size_t max_rows,
				       const double *mean)
{
	const size_t d = sae->d_in;
	ps_evaluator stand_in, *e = ps_sae_own(layout, &stand_in, sizeof *e);

	*e = (ps_evaluator){.sae = sae, .context = layout->context, .mean = mean};
	e->encoder = ps_encoder_lay_out(layout, sae, max_rows);
	ps_codes_lay_out(layout, &e->codes, sae, max_rows);
	e->x_hat = ps_sae_floats(layout, max_rows, d);
	e->row = ps_sae_part(layout, max_rows, sizeof *e->row);
	e->origin = ps_sae_floats(layout, d, 1);
	e->sum = ps_sae_zeros(layout, d, sizeof *e->sum);
	e->square = ps_sae_zeros(layout, d, sizeof *e->square);
	e->error_sum = ps_sae_zeros(layout, d, sizeof *e->error_sum);
	e->firing = ps_sae_zeros(layout, sae->d_sae, sizeof *e->firing);
	return layout->parts.arena ? e : NULL;
}

size_t ps_evaluator_bytes(const ps_sae *sae, int threads, size_t max_rows)
{
	ps_sae_layout layout = ps_sae_layout_count(threads);

	lay_out_evaluator(&layout, sae, max_rows, NULL);
	return layout.parts.bytes;
}

int ps_evaluator_create(ps_evaluator **out, const ps_sae *sae, const ps_context *context,
			size_t max_rows, const double *mean, ps_arena *arena)
{
	ps_sae_layout layout = ps_sae_layout_in(arena, context);
	int rc = ps_sae_layout_room(&layout, ps_evaluator_bytes(sae, layout.threads, max_rows),
				    "an evaluation");

	if (!rc)
		*out = lay_out_evaluator(&layout, sae, max_rows, mean);
	return rc;
}

static struct row_measures measure_row(const ps_evaluator *e, size_t r)
{
	const size_t d = e->sae->d_in;
	const float *x = e->x + r * d, *x_hat = e->x_hat + r * d;
	struct row_measures m = {.x_square = ps_squared_norm(x, d),
				 .x_hat_square = ps_squared_norm(x_hat, d)};

	for (size_t i = 0; i < d; i++) {
		const double difference = (double)x[i] - x_hat[i],
			     apart = e->mean ? x[i] - e->mean[i] : 0;

		m.error += difference * difference;
		m.product += (double)x[i] * x_hat[i];
		m.variance += apart * apart;
	}
	return m;
}

static void measure_rows(void *context, size_t item, int worker)
{
	const ps_evaluator *e = context;
	const size_t first = item * ROWS_AN_ITEM, end = ps_min_size(first + ROWS_AN_ITEM, e->rows);

	(void)worker;
	for (size_t r = first; r < end; r++)
		e->row[r] = measure_row(e, r);
}

static void measure_columns(void *context, size_t item, int worker)
{
	const ps_evaluator *e = context;
	const size_t d = e->sae->d_in, first = item * COLUMNS_AN_ITEM,
		     end = ps_min_size(first + COLUMNS_AN_ITEM, d);

	(void)worker;
	for (size_t r = 0; r < e->rows; r++) {
		for (size_t i = first; i < end; i++) {
			const double value = (double)e->x[r * d + i] - e->origin[i];

			e->sum[i] += value;
			e->square[i] += value * value;
			e->error_sum[i] += (double)e->x[r * d + i] - e->x_hat[r * d + i];
		}
	}
}

static void add_row(ps_evaluator *e, const struct row_measures *m)
{
	const double norms = sqrt(m->x_square) * sqrt(m->x_hat_square);

	e->total.error += m->error;
	e->total.product += m->product;
	e->total.x_square += m->x_square;
	e->total.x_hat_square += m->x_hat_square;
	e->cosine += norms > 0 ? m->product / norms : 0;
	e->norm_ratio += m->x_square > 0 ? sqrt(m->x_hat_square / m->x_square) : 0;
	e->legacy += m->variance > 0 ? 1 - m->error / m->variance : 0;
}

/* Says which row of the present call the error overflows on. */
static int name_overflow(const ps_evaluator *e)
{
	size_t r = 0;

	if (!ps_all_finite(e->x, e->rows * e->sae->d_in))
		return ps_fail(e->context->diag, PS_EINPUT,
			       "the activations hold values that are not finite");
	while (r + 1 < e->rows && isfinite(e->row[r].error))
		r++;
	return ps_fail(e->context->diag, PS_EFAILED,
		       "the reconstruction of row %" PRIu64 " overflows: its error is not finite",
		       e->seen - e->rows + r);
}

int ps_evaluator_add(ps_evaluator *e, const float *x, size_t rows, const float **x_hat)
{
	ps_pool *pool = e->context->pool;
	const ps_codes *codes = &e->codes;

	e->x = x;
	e->rows = rows;
	if (rows && !e->seen)
		memcpy(e->origin, x, e->sae->d_in * sizeof *x);
	ps_encoder_run(e->encoder, x, rows, &e->codes);
	ps_sae_decode(e->sae, e->context, codes, e->x_hat);
	ps_pool_run(pool, ps_pool_items(rows, ROWS_AN_ITEM), measure_rows, e);
	ps_pool_run(pool, ps_pool_items(e->sae->d_in, COLUMNS_AN_ITEM), measure_columns, e);
	for (size_t r = 0; r < rows; r++)
		add_row(e, &e->row[r]);
	for (size_t i = 0; i < codes->start[rows]; i++)
		e->firing[codes->index[i]]++;
	e->active += codes->start[rows];
	e->seen += rows;
	if (x_hat)
		*x_hat = e->x_hat;
	return isfinite(e->total.error) ? 0 : name_overflow(e);
}

static int density_bin(double density)
{
	const int bin = PS_DENSITY_BINS + (int)floor(2 * log10(density));

	return bin < 0 ? 0 : bin < PS_DENSITY_BINS ? bin : PS_DENSITY_BINS - 1;
}

void ps_evaluator_conclude(const ps_evaluator *e, ps_evaluation *out, uint64_t *firing)
{
	const double rows = (double)e->seen;
	double variance = 0, centred = e->total.error;
	size_t dead = 0;

	*out = (ps_evaluation){
		.rows = e->seen,
		.l0 = (double)e->active / rows,
		.cosine = e->cosine / rows,
		.norm_ratio = e->norm_ratio / rows,
		.relative_bias = e->total.x_hat_square / e->total.product,
		.explained_variance_legacy = e->mean ? e->legacy / rows : (double)NAN,
	};
	for (size_t i = 0; i < e->sae->d_in; i++) {
		variance += e->square[i] - e->sum[i] * e->sum[i] / rows;
		centred -= e->error_sum[i] * e->error_sum[i] / rows;
	}
	for (size_t j = 0; j < e->sae->d_sae; j++) {
		dead += e->firing[j] == 0;
		if (e->firing[j])
			out->density[density_bin((double)e->firing[j] / rows)]++;
	}
	out->dead_fraction = (double)dead / (double)e->sae->d_sae;
	out->fvu = e->total.error > 0 ? e->total.error / ps_greater(variance, 0) : 0;
	out->explained_variance = 1 - out->fvu;
	out->explained_variance_centred =
		e->total.error > 0 ? 1 - ps_greater(centred, 0) / ps_greater(variance, 0) : 1;
	if (firing)
		memcpy(firing, e->firing, e->sae->d_sae * sizeof *firing);
}

/* --- rows of a list --- */

static size_t batch_rows(const ps_sae *sae)
{
	return sae->arch == PS_SAE_TOPK ? BATCH_ROWS : BATCH_ROWS_DENSE;
}

/* What the two readings of a list share. */
struct reading {
	const ps_row_source *source;
	const ps_row_list *rows;
	const ps_context *context;
	size_t batch;
	uint64_t *ids; /* (batch) */
	float *x;      /* (batch, D) */
	double *mean;  /* (D) */
	ps_evaluator *evaluator;
};

static void lay_out_reading(ps_sae_layout *layout, const ps_sae *sae, struct reading *r)
{
	r->batch = batch_rows(sae);
	r->ids = ps_sae_part(layout, r->batch, sizeof *r->ids);
	r->x = ps_sae_floats(layout, r->batch, sae->d_in);
	r->mean = ps_sae_zeros(layout, sae->d_in, sizeof *r->mean);
	r->evaluator = lay_out_evaluator(layout, sae, r->batch, r->mean);
}

size_t ps_evaluate_bytes(const ps_sae *sae, int threads)
{
	ps_sae_layout layout = ps_sae_layout_count(threads);
	struct reading counted;

	lay_out_reading(&layout, sae, &counted);
	return layout.parts.bytes;
}

static int next_rows(const struct reading *r, uint64_t done, size_t *count)
{
	int rc = ps_progress_check(r->context);

	*count = (size_t)(r->rows->count - done < r->batch ? r->rows->count - done : r->batch);
	if (rc)
		return rc;
	ps_row_list_get(r->rows, done, *count, r->ids);
	return ps_batch_gather(r->source, r->ids, *count, r->x, r->context);
}

static int find_mean(const struct reading *r)
{
	const size_t d = r->source->width;
	size_t count;

	for (uint64_t done = 0; done < r->rows->count; done += count) {
		int rc = next_rows(r, done, &count);

		if (rc)
			return rc;
		for (size_t i = 0; i < count * d; i++)
			r->mean[i % d] += r->x[i];
	}
	for (size_t i = 0; i < d; i++)
		r->mean[i] /= (double)r->rows->count;
	return 0;
}

static int add_all(const struct reading *r)
{
	size_t count;

	for (uint64_t done = 0; done < r->rows->count; done += count) {
		int rc = next_rows(r, done, &count);

		if (!rc)
			rc = ps_evaluator_add(r->evaluator, r->x, count, NULL);
		if (rc)
			return rc;
		ps_progress_tick(r->context, "evaluating", "tok", done + count, r->rows->count);
	}
	return 0;
}

int ps_evaluate_rows(const ps_sae *sae, const ps_row_source *source, const ps_row_list *rows,
		     const ps_context *context, ps_arena *arena, ps_evaluation *out,
		     uint64_t *firing)
{
	struct reading r = {.source = source, .rows = rows, .context = context};
	ps_sae_layout layout = ps_sae_layout_in(arena, context);
	const size_t mark = ps_arena_mark(arena);
	int rc;

	if (source->width != sae->d_in)
		return ps_fail(context->diag, PS_EINPUT,
			       "the activations have %zu columns, the SAE takes %zu", source->width,
			       sae->d_in);
	if (!rows->count)
		return ps_fail(context->diag, PS_EINPUT, "there are no rows to evaluate");
	rc = ps_sae_layout_room(&layout, ps_evaluate_bytes(sae, layout.threads), "an evaluation");
	if (rc)
		return rc;
	lay_out_reading(&layout, sae, &r);
	rc = find_mean(&r);
	if (!rc)
		rc = add_all(&r);
	if (!rc)
		ps_evaluator_conclude(r.evaluator, out, firing);
	ps_arena_rewind(arena, mark);
	return rc;
}
