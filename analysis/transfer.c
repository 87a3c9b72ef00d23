#include "analysis/transfer.h"

#include <math.h>

#include "analysis/row_pair.h"
#include "analysis/sizes.h"
#include "core/base/clones.h"

enum {
	BATCH = 1024, /* rows encoded at a time */
	CHUNK = 64,   /* columns of the mean that one worker takes at a time */
	LANES = 8
};

enum { DENSE, PRUNED, SIDES };

/* What is measured on each row and summed over each cluster. */
enum measure {
	JACCARD,
	CHANCE,
	OVERLAPS, /* the measures before this one are not of every row: EMPTY */
	COSINE = OVERLAPS,
	L0,
	ERROR = L0 + SIDES,
	VARIANCE = ERROR + SIDES,
	MEASURES = VARIANCE + SIDES
};

#define EMPTY (-1.0) /* an overlap of two rows without active latents */

struct transfer {
	const ps_transfer_input *in;
	const ps_row_source *source[SIDES];
	const ps_context *context;
	ps_encoder *encoder;
	ps_codes codes[SIDES];
	float *x[SIDES], *x_hat[SIDES]; /* (BATCH, D) */
	double *mean[SIDES];            /* (D) */
	double *row[MEASURES];          /* (BATCH) */
	double *sum[MEASURES];          /* (clusters) */
	double *count;                  /* (clusters): rows */
	double *overlaps[OVERLAPS];     /* (clusters): rows of which the overlap is known */
	size_t batch_rows;
	int side; /* whose mean is under way */
};

/* Encoder and codes have their own lists (encoder_bytes). */
static size_t lay_out(struct transfer *t, size_t width, size_t clusters, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	for (int s = 0; s < SIDES; s++) {
		t->x[s] = ps_layout_part(&layout, width, BATCH * sizeof *t->x[s]);
		t->x_hat[s] = ps_layout_part(&layout, width, BATCH * sizeof *t->x_hat[s]);
		t->mean[s] = ps_layout_part(&layout, width, sizeof *t->mean[s]);
	}
	for (int m = 0; m < MEASURES; m++) {
		t->row[m] = ps_layout_part(&layout, BATCH, sizeof *t->row[m]);
		t->sum[m] = ps_layout_part(&layout, clusters, sizeof *t->sum[m]);
	}
	t->count = ps_layout_part(&layout, clusters, sizeof *t->count);
	for (int m = 0; m < OVERLAPS; m++)
		t->overlaps[m] = ps_layout_part(&layout, clusters, sizeof *t->overlaps[m]);
	return layout.bytes;
}

static size_t encoder_bytes(const ps_sae *sae, int threads)
{
	size_t bytes = ps_bytes_sum(ps_encoder_bytes(sae, threads, BATCH), PS_ALIGN);

	for (int s = 0; s < SIDES; s++)
		bytes = ps_bytes_sum(bytes, ps_bytes_sum(ps_codes_bytes(sae, BATCH), 2 * PS_ALIGN));
	return bytes;
}

size_t ps_transfer_bytes(const ps_sae *sae, size_t clusters, const ps_bootstrap *bootstrap,
			 int threads)
{
	struct transfer t;

	return ps_bytes_sum(
		ps_bytes_sum(lay_out(&t, sae->d_in, clusters, NULL), encoder_bytes(sae, threads)),
		ps_bootstrap_bytes(bootstrap, clusters, threads));
}

static int create_encoder(struct transfer *t, ps_arena *arena)
{
	int rc = ps_encoder_create(&t->encoder, t->in->sae, t->context, BATCH, arena);

	for (int s = 0; s < SIDES && rc == 0; s++)
		rc = ps_codes_create(&t->codes[s], t->in->sae, BATCH, arena, t->context->diag);
	return rc;
}

static int gather(const struct transfer *t, int side, uint64_t first, size_t count)
{
	const ps_row_source *source = t->source[side];
	uint64_t ids[BATCH];

	ps_row_list_get(t->in->rows, first, count, ids);
	return source->gather(source->self, ids, count, t->x[side], t->context->diag);
}

static void add_to_mean(void *context, size_t item, int worker)
{
	const struct transfer *t = context;
	size_t width = t->in->sae->d_in, last = ps_min_size((item + 1) * CHUNK, width);
	double *mean = t->mean[t->side];

	(void)worker;
	for (size_t r = 0; r < t->batch_rows; r++)
		for (size_t d = item * CHUNK; d < last; d++)
			mean[d] += (double)t->x[t->side][r * width + d];
}

static int find_means(struct transfer *t)
{
	size_t width = t->in->sae->d_in;

	for (t->side = 0; t->side < SIDES; t->side++) {
		double *mean = t->mean[t->side];

		for (size_t d = 0; d < width; d++)
			mean[d] = 0;
		for (uint64_t first = 0; first < t->in->rows->count; first += t->batch_rows) {
			int rc = ps_progress_check(t->context);

			t->batch_rows = ps_min_size(BATCH, t->in->rows->count - first);
			if (rc == 0)
				rc = gather(t, t->side, first, t->batch_rows);
			if (rc < 0)
				return rc;
			ps_pool_run(t->context->pool, ps_div_up(width, CHUNK), add_to_mean, t);
		}
		for (size_t d = 0; d < width; d++)
			mean[d] /= (double)t->in->rows->count;
	}
	return 0;
}

/* Jaccard of a's row and b's. Both lists ascend, so one merge counts what they share. */
static double jaccard_of(const ps_codes *a, size_t a_row, const ps_codes *b, size_t b_row)
{
	size_t i = a->start[a_row], j = b->start[b_row], i_end = a->start[a_row + 1],
	       j_end = b->start[b_row + 1], shared = 0, both;

	both = i_end - i + j_end - j;
	while (i < i_end && j < j_end) {
		uint32_t x = a->index[i], y = b->index[j];

		shared += x == y;
		i += x <= y;
		j += y <= x;
	}
	return both ? (double)shared / (double)(both - shared) : EMPTY;
}

PS_CLONES static double squared_distance(const float *x, const float *y, size_t n)
{
	double lane[LANES] = {0}, sum = 0;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) {
			double d = (double)x[i + l] - (double)y[i + l];

			lane[l] += d * d;
		}
	for (; i < n; i++)
		lane[0] += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
	for (int l = 0; l < LANES; l++)
		sum += lane[l];
	return sum;
}

PS_CLONES static double squared_deviation(const float *x, const double *mean, size_t n)
{
	double lane[LANES] = {0}, sum = 0;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) {
			double d = (double)x[i + l] - mean[i + l];

			lane[l] += d * d;
		}
	for (; i < n; i++)
		lane[0] += ((double)x[i] - mean[i]) * ((double)x[i] - mean[i]);
	for (int l = 0; l < LANES; l++)
		sum += lane[l];
	return sum;
}

static double product(const float *x, const float *y, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)y[i];
	return sum;
}

static double cosine_of(const float *x, const float *y, size_t n)
{
	double norms = sqrt(product(x, x, n)) * sqrt(product(y, y, n));

	return norms > 0 ? product(x, y, n) / norms : 0;
}

static void measure_row(void *context, size_t item, int worker)
{
	const struct transfer *t = context;
	size_t width = t->in->sae->d_in, at = item * width,
	       other = (item + t->batch_rows / 2) % t->batch_rows;

	(void)worker;
	t->row[JACCARD][item] = jaccard_of(&t->codes[DENSE], item, &t->codes[PRUNED], item);
	t->row[CHANCE][item] =
		other == item ? EMPTY
			      : jaccard_of(&t->codes[DENSE], item, &t->codes[PRUNED], other);
	t->row[COSINE][item] = cosine_of(t->x[DENSE] + at, t->x[PRUNED] + at, width);
	for (int s = 0; s < SIDES; s++) {
		t->row[L0 + s][item] =
			(double)(t->codes[s].start[item + 1] - t->codes[s].start[item]);
		t->row[ERROR + s][item] = squared_distance(t->x[s] + at, t->x_hat[s] + at, width);
		t->row[VARIANCE + s][item] = squared_deviation(t->x[s] + at, t->mean[s], width);
	}
}

/* i: of the rows that count. */
static int name_overflow(const struct transfer *t, uint64_t i)
{
	return ps_fail(t->context->diag, PS_EFAILED,
		       "row %llu of the caches: the SAE's reconstruction overflows",
		       (unsigned long long)ps_row_list_at(t->in->rows, i));
}

static int measure_batch(struct transfer *t, uint64_t first)
{
	int rc = ps_progress_check(t->context);

	t->batch_rows = ps_min_size(BATCH, t->in->rows->count - first);
	for (int s = 0; s < SIDES && rc == 0; s++) {
		rc = gather(t, s, first, t->batch_rows);
		if (rc < 0)
			break;
		ps_encoder_run(t->encoder, t->x[s], t->batch_rows, &t->codes[s]);
		ps_sae_decode(t->in->sae, t->context, &t->codes[s], t->x_hat[s]);
	}
	if (rc < 0)
		return rc;
	ps_pool_run(t->context->pool, t->batch_rows, measure_row, t);
	for (size_t r = 0; r < t->batch_rows; r++) {
		uint32_t c = t->in->clusters->of_row[first + r];

		t->count[c] += 1;
		for (int m = 0; m < OVERLAPS; m++)
			if (t->row[m][r] >= 0) {
				t->overlaps[m][c] += 1;
				t->sum[m][c] += t->row[m][r];
			}
		for (int m = OVERLAPS; m < MEASURES; m++) {
			if (!isfinite(t->row[m][r]))
				return name_overflow(t, first + r);
			t->sum[m][c] += t->row[m][r];
		}
	}
	return 0;
}

static int measure_all(struct transfer *t)
{
	int rc = 0;

	for (size_t c = 0; c < t->in->clusters->count; c++) {
		t->count[c] = 0;
		for (int m = 0; m < OVERLAPS; m++)
			t->overlaps[m][c] = 0;
		for (int m = 0; m < MEASURES; m++)
			t->sum[m][c] = 0;
	}
	for (uint64_t first = 0; first < t->in->rows->count && rc == 0; first += t->batch_rows) {
		rc = measure_batch(t, first);
		ps_progress_tick(t->context, "transfer", "rows", first + t->batch_rows,
				 t->in->rows->count);
	}
	return rc;
}

static int find_intervals(const struct transfer *t, const ps_bootstrap *bootstrap, ps_arena *arena,
			  ps_transfer *out)
{
	const double *const *sum = (const double *const *)t->sum;
	const ps_ratio jaccard = {sum[JACCARD], t->overlaps[JACCARD]},
		       cosine = {sum[COSINE], t->count}, l0_dense = {sum[L0 + DENSE], t->count},
		       l0_pruned = {sum[L0 + PRUNED], t->count},
		       fvu_dense = {sum[ERROR + DENSE], sum[VARIANCE + DENSE]},
		       fvu_pruned = {sum[ERROR + PRUNED], sum[VARIANCE + PRUNED]}, none = {0};
	const struct {
		ps_ratio ratio, base;
		ps_interval *out;
	} wanted[] = {
		{jaccard, none, &out->jaccard},         {cosine, none, &out->cosine},
		{l0_dense, none, &out->l0_dense},       {l0_pruned, none, &out->l0_pruned},
		{l0_pruned, l0_dense, &out->l0_change}, {fvu_dense, none, &out->fvu_dense},
		{fvu_pruned, none, &out->fvu_pruned},   {fvu_pruned, fvu_dense, &out->fvu_change},
	};
	const ps_axis windows = {.count = t->in->clusters->count, .unit = PS_UNIT_WINDOWS};
	int rc = 0;

	for (size_t w = 0; w < sizeof wanted / sizeof *wanted && rc == 0; w++)
		rc = ps_bootstrap_ratio_change(bootstrap, wanted[w].ratio, wanted[w].base, windows,
					       t->context, arena, wanted[w].out);
	return rc;
}

static void find_overlaps(const struct transfer *t, ps_transfer *out)
{
	double chance = 0, pairs = 0, rows = 0;

	for (size_t c = 0; c < t->in->clusters->count; c++) {
		chance += t->sum[CHANCE][c];
		pairs += t->overlaps[CHANCE][c];
		rows += t->overlaps[JACCARD][c];
	}
	out->jaccard_chance = pairs > 0 ? chance / pairs : (double)NAN;
	out->empty_rows = out->rows - (uint64_t)rows;
}

int ps_transfer_run(const ps_transfer_input *input, const ps_bootstrap *bootstrap,
		    const ps_context *context, ps_arena *arena, ps_transfer *out)
{
	const size_t clusters = input->clusters->count, mark = ps_arena_mark(arena);
	struct transfer t = {
		.in = input, .source = {input->dense, input->pruned}, .context = context};
	int rc = ps_row_pair_check(input->sae, input->dense, input->pruned, input->rows,
				   context->diag);

	*out = (ps_transfer){.rows = input->rows->count, .clusters = clusters};
	if (!rc && input->clusters->rows != input->rows->count)
		rc = ps_fail(context->diag, PS_EINPUT, "%llu rows to compare, %zu rows in clusters",
			     (unsigned long long)input->rows->count, input->clusters->rows);
	if (rc)
		return rc;
	lay_out(&t, input->sae->d_in, clusters, arena);
	rc = create_encoder(&t, arena);
	if (rc == 0)
		rc = find_means(&t);
	if (rc == 0)
		rc = measure_all(&t);
	if (rc == 0) {
		find_overlaps(&t, out);
		rc = find_intervals(&t, bootstrap, arena, out);
	}
	ps_arena_rewind(arena, mark);
	return rc;
}
