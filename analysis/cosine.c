#include "analysis/cosine.h"

#include <math.h>

#include "analysis/sizes.h"
#include "core/base/clones.h"
#include "core/base/rng.h"
#include "core/model/matmul.h"

enum {
	TILE = 1024, /* rows of A and of B in a tile: 4 MiB of cosines */
	CHUNK = 64,  /* rows or columns of a tile that one worker takes at a time */
	LANES = 16
};

struct sweep {
	const ps_cosine_task *task;
	double *a_inverse, *b_inverse; /* (N_a), (N_b): 1 / |row|, 0 for a row of zeros */
	float *a_tile, *b_tile;        /* (TILE, D): unit rows */
	float *own_tile;               /* (TILE, TILE), where there is no matrix to write to */
	ps_matmul *matmul;
	/* The tile under way: cosines (a_count, b_count) from row a_first and column b_first on. */
	float *tile;
	size_t stride, a_first, a_count, b_first, b_count;
};

static size_t lay_out(struct sweep *s, ps_arena *arena)
{
	const ps_cosine_task *task = s->task;
	ps_layout layout = {.arena = arena};

	s->own_tile = ps_layout_part(&layout, TILE, TILE * sizeof *s->own_tile);
	s->a_tile = ps_layout_part(&layout, task->width, TILE * sizeof *s->a_tile);
	s->b_tile = ps_layout_part(&layout, task->width, TILE * sizeof *s->b_tile);
	s->a_inverse = ps_layout_part(&layout, task->a_rows, sizeof *s->a_inverse);
	s->b_inverse = ps_layout_part(&layout, task->b_rows, sizeof *s->b_inverse);
	return layout.bytes;
}

size_t ps_cosine_bytes(size_t a_rows, size_t b_rows, size_t width, int threads)
{
	const ps_cosine_task task = {.a_rows = a_rows, .b_rows = b_rows, .width = width};
	struct sweep s = {.task = &task};

	return ps_bytes_sum(
		lay_out(&s, NULL),
		ps_round_up(ps_matmul_bytes(PS_PRECISION_F32, threads, TILE, width), PS_ALIGN));
}

PS_CLONES static double square_sum(const float *x, size_t n)
{
	double lane[LANES] = {0}, sum = 0;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] += (double)x[i + l] * x[i + l];
	for (; i < n; i++)
		lane[0] += (double)x[i] * x[i];
	for (int l = 0; l < LANES; l++)
		sum += lane[l];
	return sum;
}

static double inverse_norm(const float *row, size_t width)
{
	double sum = square_sum(row, width);

	return sum > 0 || isnan(sum) ? 1 / sqrt(sum) : 0;
}

static int inverse_norms(const float *rows, size_t count, size_t width, const char *name,
			 double *inverse, ps_diag *diag)
{
	for (size_t i = 0; i < count; i++) {
		inverse[i] = inverse_norm(rows + i * width, width);
		/* f32 squares do not overflow f64: a sum that is infinite or NaN has an element
		 * that is. */
		if (isnan(inverse[i]) ||
		    (inverse[i] == 0 && isinf(square_sum(rows + i * width, width))))
			return ps_fail(diag, PS_EINPUT,
				       "row %zu of the %s matrix holds a number that is not finite",
				       i, name);
	}
	return 0;
}

static void scale_row(const float *row, double factor, size_t width, float *out)
{
	for (size_t d = 0; d < width; d++)
		out[d] = (float)(row[d] * factor);
}

static void make_a_row(void *context, size_t item, int worker)
{
	const struct sweep *s = context;
	size_t i = s->a_first + item, width = s->task->width;

	(void)worker;
	scale_row(s->task->a + i * width, s->a_inverse[i], width, s->a_tile + item * width);
}

static void make_b_row(void *context, size_t item, int worker)
{
	const struct sweep *s = context;
	size_t j = s->b_first + item, width = s->task->width;
	float *out = s->b_tile + item * width;

	(void)worker;
	if (s->task->b) {
		scale_row(s->task->b + j * width, s->b_inverse[j], width, out);
	} else {
		ps_rng rng = ps_rng_make(s->task->seed, PS_NULL_STREAMS + j);

		for (size_t d = 0; d < width; d++)
			out[d] = ps_rng_normal(&rng);
		scale_row(out, inverse_norm(out, width), width, out);
	}
}

PS_CLONES static float largest(const float *x, size_t n)
{
	float lane[LANES], best = -INFINITY;
	size_t i = 0;

	for (int l = 0; l < LANES; l++)
		lane[l] = -INFINITY;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
	for (; i < n; i++)
		best = x[i] > best ? x[i] : best;
	for (int l = 0; l < LANES; l++)
		best = lane[l] > best ? lane[l] : best;
	return best;
}

/* Tiles of B come in ascending order, and only a larger cosine replaces one. So ties stay with the
 * lower column. */
static void reduce_rows(void *context, size_t item, int worker)
{
	const struct sweep *s = context;

	(void)worker;
	for (size_t i = item * CHUNK; i < ps_min_size((item + 1) * CHUNK, s->a_count); i++) {
		const float *row = s->tile + i * s->stride;
		float best = largest(row, s->b_count);
		size_t j = 0;

		if (!(best > s->task->row_best[s->a_first + i]))
			continue;
		while (row[j] != best)
			j++;
		s->task->row_best[s->a_first + i] = best;
		s->task->row_index[s->a_first + i] = (uint32_t)(s->b_first + j);
	}
}

PS_CLONES static void reduce_columns(void *context, size_t item, int worker)
{
	const struct sweep *s = context;
	size_t first = item * CHUNK, count = ps_min_size(CHUNK, s->b_count - first);
	float *best = s->task->col_best + s->b_first + first;
	uint32_t *index = s->task->col_index + s->b_first + first;

	(void)worker;
	for (size_t i = 0; i < s->a_count; i++) {
		const float *row = s->tile + i * s->stride + first;
		uint32_t name = (uint32_t)(s->a_first + i);

		for (size_t j = 0; j < count; j++) {
			int better = row[j] > best[j];

			best[j] = better ? row[j] : best[j];
			index[j] = better ? name : index[j];
		}
	}
}

static void negate_rows(void *context, size_t item, int worker)
{
	const struct sweep *s = context;

	(void)worker;
	for (size_t i = item * CHUNK; i < ps_min_size((item + 1) * CHUNK, s->a_count); i++)
		for (size_t j = 0; j < s->b_count; j++)
			s->tile[i * s->stride + j] = -s->tile[i * s->stride + j];
}

static void run_tile(struct sweep *s, ps_pool *pool)
{
	const ps_cosine_task *task = s->task;
	ps_weight w = {.data = s->b_tile, .dtype = PS_F32, .rows = s->b_count, .cols = task->width};
	size_t row_chunks = ps_div_up(s->a_count, CHUNK);

	s->tile =
		task->matrix ? task->matrix + s->a_first * task->b_rows + s->b_first : s->own_tile;
	s->stride = task->matrix ? task->b_rows : TILE;
	ps_pool_run(pool, s->a_count, make_a_row, s);
	(void)ps_matmul_run(s->matmul, s->a_tile, task->width, s->a_count, &w, s->tile, s->stride);
	if (task->row_best)
		ps_pool_run(pool, row_chunks, reduce_rows, s);
	if (task->col_best)
		ps_pool_run(pool, ps_div_up(s->b_count, CHUNK), reduce_columns, s);
	if (task->matrix)
		ps_pool_run(pool, row_chunks, negate_rows, s);
}

static void start_reductions(const ps_cosine_task *task)
{
	for (size_t i = 0; task->row_best && i < task->a_rows; i++) {
		task->row_best[i] = -INFINITY;
		task->row_index[i] = 0;
	}
	for (size_t j = 0; task->col_best && j < task->b_rows; j++) {
		task->col_best[j] = -INFINITY;
		task->col_index[j] = 0;
	}
}

static int find_norms(const struct sweep *s, ps_diag *diag)
{
	const ps_cosine_task *task = s->task;
	int rc = inverse_norms(task->a, task->a_rows, task->width, "first", s->a_inverse, diag);

	if (rc < 0 || !task->b)
		return rc;
	return inverse_norms(task->b, task->b_rows, task->width, "second", s->b_inverse, diag);
}

int ps_cosine_run(const ps_cosine_task *task, const ps_context *context, ps_arena *arena)
{
	const size_t mark = ps_arena_mark(arena);
	struct sweep s = {.task = task};
	int rc;

	lay_out(&s, arena);
	s.matmul = ps_matmul_create(PS_PRECISION_F32, context->pool, TILE, task->width, arena);
	rc = find_norms(&s, context->diag);
	if (rc < 0)
		goto out;
	start_reductions(task);
	for (s.b_first = 0; s.b_first < task->b_rows; s.b_first += TILE) {
		s.b_count = ps_min_size(TILE, task->b_rows - s.b_first);
		ps_pool_run(context->pool, s.b_count, make_b_row, &s);
		for (s.a_first = 0; s.a_first < task->a_rows; s.a_first += TILE) {
			s.a_count = ps_min_size(TILE, task->a_rows - s.a_first);
			rc = ps_progress_check(context);
			if (rc < 0)
				goto out;
			run_tile(&s, context->pool);
		}
		ps_progress_tick(context, "cosines", "rows", s.b_first + s.b_count, task->b_rows);
	}
out:
	ps_arena_rewind(arena, mark);
	return rc;
}
