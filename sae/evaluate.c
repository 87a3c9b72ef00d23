#include "sae/evaluate.h"

#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "sae/batch.h"
#include "sae/room.h"
#include "sae/sparse.h"

/* Rows go by in batches. Each row's numbers are found by any thread, each column's sums by one; both are then
 * added in order. Columns are measured from the first row, so that a large common mean costs no precision. */

enum {
	BATCH_ROWS = 1024,
	BATCH_ROWS_DENSE = 256, /* without TopK a row may list every latent */
	ROWS_AN_ITEM = 8,
	COLUMNS_AN_ITEM = 64,
};

struct evaluation {
	const ps_sae *sae;
	const ps_context *context;
	size_t batch, rows;       /* rows of the current batch */
	ps_encoder *encoder;
	ps_codes codes;
	float *x, *x_hat;         /* (batch, D) */
	double *error, *cosine;   /* (batch) */
	double *sum, *square;     /* (D): of x - origin and its square */
	float *origin;            /* (D): the first row */
	uint64_t *firing;         /* (F) */
	uint64_t active;
	double error_sum, cosine_sum;
};

static size_t batch_rows(const ps_sae *sae)
{
	return sae->arch == PS_SAE_TOPK ? BATCH_ROWS : BATCH_ROWS_DENSE;
}

size_t ps_evaluate_bytes(const ps_sae *sae, int threads)
{
	const size_t batch = batch_rows(sae), d = sae->d_in;
	ps_plan plan = {0};

	ps_plan_add(&plan, "encoder", ps_encoder_bytes(sae, threads, batch));
	ps_plan_add(&plan, "codes", ps_codes_bytes(sae, batch));
	for (int i = 0; i < 2; i++) {
		ps_plan_add(&plan, "rows", batch * d * sizeof(float));
		ps_plan_add(&plan, "sums of rows", batch * sizeof(double));
		ps_plan_add(&plan, "sums of columns", d * sizeof(double));
	}
	ps_plan_add(&plan, "first row", d * sizeof(float));
	ps_plan_add(&plan, "firing counts", sae->d_sae * sizeof(uint64_t));
	return plan.total_bytes;
}

static int take_parts(struct evaluation *e, ps_arena *arena)
{
	const size_t d = e->sae->d_in;
	int code = ps_room_check(arena, ps_evaluate_bytes(e->sae, ps_pool_threads(e->context->pool)), "an evaluation",
				 e->context->diag);

	if (code < 0)
		return code;
	code = ps_encoder_create(&e->encoder, e->sae, e->context, e->batch, arena);
	if (code < 0)
		return code;
	code = ps_codes_create(&e->codes, e->sae, e->batch, arena, e->context->diag);
	e->x = ps_arena_take(arena, e->batch * d * sizeof(float));
	e->x_hat = ps_arena_take(arena, e->batch * d * sizeof(float));
	e->error = ps_arena_take(arena, e->batch * sizeof(double));
	e->cosine = ps_arena_take(arena, e->batch * sizeof(double));
	e->sum = ps_arena_take(arena, d * sizeof(double));
	e->square = ps_arena_take(arena, d * sizeof(double));
	e->origin = ps_arena_take(arena, d * sizeof(float));
	e->firing = ps_arena_take(arena, e->sae->d_sae * sizeof(uint64_t));
	memset(e->sum, 0, d * sizeof(double));
	memset(e->square, 0, d * sizeof(double));
	memset(e->firing, 0, e->sae->d_sae * sizeof(uint64_t));
	return code;
}

static void measure_row(const struct evaluation *e, size_t r)
{
	const size_t d = e->sae->d_in;
	const float *x = e->x + r * d, *x_hat = e->x_hat + r * d;
	double error = 0, product = 0, norms;

	for (size_t i = 0; i < d; i++) {
		const double difference = (double)x[i] - x_hat[i];

		error += difference * difference;
		product += (double)x[i] * x_hat[i];
	}
	norms = sqrt(ps_squared_norm(x, d)) * sqrt(ps_squared_norm(x_hat, d));
	e->error[r] = error;
	e->cosine[r] = norms > 0 ? product / norms : 0;
}

static void measure_rows(void *context, size_t item, int worker)
{
	const struct evaluation *e = context;
	const size_t first = item * ROWS_AN_ITEM, end = ps_min_size(first + ROWS_AN_ITEM, e->rows);

	(void)worker;
	for (size_t r = first; r < end; r++)
		measure_row(e, r);
}

static void measure_columns(void *context, size_t item, int worker)
{
	const struct evaluation *e = context;
	const size_t d = e->sae->d_in, first = item * COLUMNS_AN_ITEM, end = ps_min_size(first + COLUMNS_AN_ITEM, d);

	(void)worker;
	for (size_t r = 0; r < e->rows; r++) {
		for (size_t i = first; i < end; i++) {
			const double value = (double)e->x[r * d + i] - e->origin[i];

			e->sum[i] += value;
			e->square[i] += value * value;
		}
	}
}

/* Encodes, decodes and measures the rows in e->x. */
static int measure_batch(struct evaluation *e)
{
	ps_pool *pool = e->context->pool;

	ps_encoder_run(e->encoder, e->x, e->rows, &e->codes);
	ps_sae_decode(e->sae, e->context, &e->codes, e->x_hat);
	ps_pool_run(pool, (e->rows + ROWS_AN_ITEM - 1) / ROWS_AN_ITEM, measure_rows, e);
	ps_pool_run(pool, (e->sae->d_in + COLUMNS_AN_ITEM - 1) / COLUMNS_AN_ITEM, measure_columns, e);
	for (size_t r = 0; r < e->rows; r++) {
		e->error_sum += e->error[r];
		e->cosine_sum += e->cosine[r];
	}
	for (size_t i = 0; i < e->codes.start[e->rows]; i++)
		e->firing[e->codes.index[i]]++;
	e->active += e->codes.start[e->rows];
	if (!isfinite(e->error_sum))
		return ps_fail(e->context->diag, PS_EINPUT, "the activations, or the SAE, hold values that are not finite");
	return 0;
}

static int measure_all(struct evaluation *e, const ps_row_source *source, const ps_row_list *rows)
{
	for (uint64_t done = 0; done < rows->count; done += e->rows) {
		int code = ps_progress_check(e->context);

		if (code < 0)
			return code;
		e->rows = (size_t)(rows->count - done < e->batch ? rows->count - done : e->batch);
		code = ps_batch_gather(source, rows->ids + done, e->rows, e->x, e->context);
		if (code < 0)
			return code;
		if (!done)
			memcpy(e->origin, e->x, e->sae->d_in * sizeof(float));
		code = measure_batch(e);
		if (code < 0)
			return code;
		ps_progress_tick(e->context, "evaluating", "tok", done + e->rows, rows->count);
	}
	return 0;
}

static void conclude(const struct evaluation *e, uint64_t rows, ps_evaluation *out)
{
	double variance = 0;
	size_t dead = 0;

	for (size_t i = 0; i < e->sae->d_in; i++)
		variance += e->square[i] - e->sum[i] * e->sum[i] / (double)rows;
	for (size_t j = 0; j < e->sae->d_sae; j++)
		dead += e->firing[j] == 0;
	*out = (ps_evaluation){
		.rows = rows, .fvu = e->error_sum > 0 ? e->error_sum / fmax(variance, 0) : 0,
		.l0 = (double)e->active / (double)rows, .dead_fraction = (double)dead / (double)e->sae->d_sae,
		.cosine = e->cosine_sum / (double)rows,
	};
	out->explained_variance = 1 - out->fvu;
}

int ps_evaluate_rows(const ps_sae *sae, const ps_row_source *source, const ps_row_list *rows, const ps_context *context,
		     ps_arena *arena, ps_evaluation *out, uint64_t *firing)
{
	struct evaluation e = {.sae = sae, .context = context, .batch = batch_rows(sae)};
	const size_t mark = ps_arena_mark(arena);
	int code;

	if (source->width != sae->d_in)
		return ps_fail(context->diag, PS_EINPUT, "the activations have %zu columns, the SAE takes %zu", source->width, sae->d_in);
	if (!rows->count)
		return ps_fail(context->diag, PS_EINPUT, "there are no rows to evaluate");
	code = take_parts(&e, arena);
	if (code < 0)
		goto out;
	code = measure_all(&e, source, rows);
	if (code < 0)
		goto out;
	conclude(&e, rows->count, out);
	if (firing)
		memcpy(firing, e.firing, sae->d_sae * sizeof *firing);
out:
	ps_arena_rewind(arena, mark);
	return code;
}
