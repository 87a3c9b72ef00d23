#include "prune/masker.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"
#include "core/base/finite.h"
#include "prune/select.h"

#define BLOCK_ROWS 32         /* rows of one item of the pool */
#define ALL_FINITE UINT64_MAX /* no bad weight */

/* What is done with a row of scores. */
typedef enum step { STEP_UPPER, STEP_LOWER, STEP_THRESHOLD, STEP_ROW, STEP_NM } step;

_Static_assert((int)PS_HISTOGRAM_RANKS <= (int)PS_SELECT_THRESHOLDS, "one call masks a row");

struct job {
	ps_masker *masker;
	const ps_scored *matrix;
	step step;
	const float *threshold;
	const ps_prune_options *options;
	const ps_masker_bits *out; /* NULL: scores are counted, and no mask is made */
};

size_t ps_masker_bitmap_bytes(const ps_model_config *config, ps_projection projection)
{
	size_t rows, cols;

	ps_projection_shape(config, projection, &rows, &cols);
	return rows * ps_bitmap_row_bytes(cols);
}

size_t ps_masker_largest_bitmap(const ps_model_config *config)
{
	size_t most = 0;

	for (int p = 0; p < PS_PROJECTIONS; p++)
		most = ps_max_size(most, ps_masker_bitmap_bytes(config, (ps_projection)p));
	return most;
}

/* The length of the longest row that is ever scored, of a projection or of the embedding. */
static size_t longest_row(const ps_model_config *config)
{
	size_t most = config->width;

	for (int p = 0; p < PS_PROJECTIONS; p++) {
		size_t rows, cols;

		ps_projection_shape(config, (ps_projection)p, &rows, &cols);
		most = ps_max_size(most, cols);
	}
	return ps_round_up(most, PS_ALIGN / sizeof(float));
}

void ps_masker_lay_out(ps_masker *masker, const ps_model_config *config, int threads, size_t count,
		       ps_layout *layout)
{
	*masker = (ps_masker){.max_cols = longest_row(config),
			      .kernel = ps_select_kernel_choose(getenv("PRUNESCOPE_SELECT"))};
	ps_histogram_lay_out(&masker->histogram, threads, count, layout);
	masker->scores =
		ps_layout_part(layout, (size_t)threads * masker->max_cols, sizeof *masker->scores);
	masker->kept_stride = ps_round_up(count, PS_ALIGN / sizeof *masker->kept);
	masker->kept =
		ps_layout_part(layout, (size_t)threads * masker->kept_stride, sizeof *masker->kept);
	masker->spare_bytes = ps_round_up(ps_bitmap_row_bytes(masker->max_cols), PS_ALIGN);
	masker->spare = ps_layout_part(layout, (size_t)threads * masker->spare_bytes, 1);
	masker->bad = ps_layout_part(layout, (size_t)threads, sizeof *masker->bad);
}

static int check_sparsities(const ps_prune_sweep *sweep, ps_diag *diag)
{
	if (!sweep->count || sweep->count > PS_HISTOGRAM_RANKS)
		return ps_fail(diag, PS_EUSAGE, "%zu sparsities: 1 to %d go at once", sweep->count,
			       PS_HISTOGRAM_RANKS);
	for (size_t i = 0; i < sweep->count; i++)
		if (!(sweep->sparsity[i] >= 0 && sweep->sparsity[i] < 1))
			return ps_fail(diag, PS_EUSAGE, "sparsity %g is not in [0, 1)",
				       sweep->sparsity[i]);
	return 0;
}

int ps_masker_check_options(const ps_model_config *config, const ps_prune_options *options,
			    const ps_prune_sweep *sweep, ps_diag *diag)
{
	char name[96];

	if (options->pool_embedding && (options->m || options->scope != PS_SCOPE_GLOBAL))
		return ps_fail(diag, PS_EUSAGE,
			       "the embedding can be in the pool of a global threshold only");
	if (!options->m)
		return check_sparsities(sweep, diag);
	if (sweep->count != 1)
		return ps_fail(diag, PS_EUSAGE, "%u:%u gives one mask, not %zu", options->n,
			       options->m, sweep->count);
	if (options->n >= options->m)
		return ps_fail(diag, PS_EUSAGE, "%u:%u does not leave a weight in a group",
			       options->n, options->m);
	for (int p = 0; p < PS_PROJECTIONS; p++) {
		size_t rows, cols;

		ps_projection_shape(config, (ps_projection)p, &rows, &cols);
		if (cols % options->m)
			return ps_fail(diag, PS_EINPUT,
				       "%s has %zu inputs, which groups of %u do not divide",
				       ps_projection_tensor(0, (ps_projection)p, name), cols,
				       options->m);
	}
	return 0;
}

/* scores = |values| * scale, in place. True if all values and scores are finite. */
PS_CLONES static bool score_row(float *values, const float *scale, size_t cols)
{
	uint32_t worst = 0;

	for (size_t c = 0; c < cols; c++) {
		uint32_t bits;

		memcpy(&bits, values + c, sizeof bits);
		bits &= 0x7fffffffu;
		memcpy(values + c, &bits, sizeof bits);
		worst = bits > worst ? bits : worst;
	}
	if (scale)
		for (size_t c = 0; c < cols; c++)
			values[c] *= scale[c];
	return worst < 0x7f800000u && (!scale || ps_all_finite(values, cols));
}

/* Of the matrix at hand, what a worker has kept: one for each sparsity. */
static uint64_t *kept_by(const ps_masker *masker, int worker)
{
	return masker->kept + (size_t)worker * masker->kept_stride;
}

/* Widens and scores one row. False if a weight or a score is not finite: then notes the first such
 * weight. */
static bool load_row(const struct job *job, size_t row, int worker, float *scores)
{
	const ps_weight *w = &job->matrix->weight;
	const size_t cols = w->cols;
	uint64_t *bad = job->masker->bad + worker;

	ps_weight_decode(w, row, 0, cols, scores);
	if (score_row(scores, job->matrix->scale, cols))
		return true;
	ps_weight_decode(w, row, 0, cols, scores);
	for (size_t c = 0; c < cols; c++) {
		const float scale = job->matrix->scale ? job->matrix->scale[c] : 1;

		if (!isfinite(scores[c] * scale) && row * cols + c < *bad)
			*bad = row * cols + c;
	}
	return false;
}

/* The bitmaps of a row, by thresholds. */
static void mask_by_thresholds(const struct job *job, const float *scores, size_t row, int worker)
{
	const ps_masker_bits *out = job->out;
	const size_t cols = job->matrix->weight.cols, at = row * ps_bitmap_row_bytes(cols);
	uint64_t *sum = kept_by(job->masker, worker);
	uint8_t *keep[PS_SELECT_THRESHOLDS];
	size_t kept[PS_SELECT_THRESHOLDS];

	for (size_t i = 0; i < out->count; i++)
		keep[i] = out->bits[i] + at;
	job->masker->kernel->compare(scores, cols, job->threshold, out->count, keep, kept);
	for (size_t i = 0; i < out->count; i++)
		sum[i] += kept[i];
}

/* The bitmaps of a row, each with the same share of the row's weights. */
static void mask_by_shares(const struct job *job, const float *scores, size_t row, int worker)
{
	const ps_masker *masker = job->masker;
	const ps_masker_bits *out = job->out;
	const size_t cols = job->matrix->weight.cols, at = row * ps_bitmap_row_bytes(cols);
	uint64_t *sum = kept_by(masker, worker);
	uint8_t *keep[PS_HISTOGRAM_RANKS];

	for (size_t i = 0; i < out->count; i++) {
		keep[i] = out->bits[i] + at;
		sum[i] += cols - ps_select_dropped(cols, out->sparsity[i]);
	}
	ps_select_row(masker->kernel, scores, cols, out->sparsity, out->count, keep,
		      masker->spare + (size_t)worker * masker->spare_bytes);
}

/* The bitmap of a row by N:M. */
static void mask_by_groups(const struct job *job, const float *scores, size_t row, int worker)
{
	const size_t cols = job->matrix->weight.cols;
	uint8_t *keep = job->out->bits[0] + row * ps_bitmap_row_bytes(cols);

	ps_bitmap_fill(keep, 1, cols);
	ps_select_nm(scores, cols, job->options->n, job->options->m, keep);
	kept_by(job->masker, worker)[0] += cols - cols / job->options->m * job->options->n;
}

static void run_row(const struct job *job, size_t row, int worker)
{
	ps_masker *masker = job->masker;
	size_t cols = job->matrix->weight.cols;
	float *scores = masker->scores + (size_t)worker * masker->max_cols;

	if (!load_row(job, row, worker, scores))
		return;
	switch (job->step) {
	case STEP_UPPER:
		ps_histogram_add_upper(&masker->histogram, worker, scores, cols);
		break;
	case STEP_LOWER:
		ps_histogram_add_lower(&masker->histogram, worker, scores, cols);
		break;
	case STEP_THRESHOLD:
		mask_by_thresholds(job, scores, row, worker);
		break;
	case STEP_ROW:
		mask_by_shares(job, scores, row, worker);
		break;
	case STEP_NM:
		mask_by_groups(job, scores, row, worker);
		break;
	}
}

static void run_block(void *context, size_t item, int worker)
{
	const struct job *job = context;
	size_t last = ps_min_size(job->matrix->weight.rows, (item + 1) * BLOCK_ROWS);

	for (size_t row = item * BLOCK_ROWS; row < last; row++)
		run_row(job, row, worker);
}

/* Says which weight of the matrix is not finite, or whose score overflows. */
static int name_bad(const ps_masker *masker, const ps_scored *matrix, uint64_t element)
{
	const ps_weight *w = &matrix->weight;
	const ps_weight_place *place = &w->place;
	const size_t row = (size_t)(element / w->cols), col = (size_t)(element % w->cols);
	float value;

	ps_weight_decode(w, row, col, 1, &value);
	return ps_fail(masker->context->diag, isfinite(value) ? PS_EFAILED : PS_EINPUT,
		       "%s%s%s: %s at row %zu, column %zu (offset %" PRIu64 ") %s",
		       place->path ? place->path : "", place->path ? ": tensor " : "",
		       place->tensor ? place->tensor : matrix->name,
		       isfinite(value) ? "the score of the weight" : "the weight", row, col,
		       place->offset + ps_weight_at(w, row, col),
		       isfinite(value) ? "overflows" : "is not finite");
}

/* The sums of what the workers have kept. */
static void count_dropped(const ps_masker *masker, const ps_weight *w, const ps_masker_bits *out)
{
	for (size_t i = 0; i < out->count; i++) {
		out->dropped[i] = (uint64_t)w->rows * w->cols;
		for (int t = 0; t < ps_pool_threads(masker->context->pool); t++)
			out->dropped[i] -= kept_by(masker, t)[i];
	}
}

static int run_job(struct job *job)
{
	ps_masker *masker = job->masker;
	const ps_weight *w = &job->matrix->weight;
	int threads = ps_pool_threads(masker->context->pool);
	uint64_t bad = ALL_FINITE;

	if (w->cols > masker->max_cols)
		return ps_fail(masker->context->diag, PS_EINPUT,
			       "%s has %zu columns, more than the model's shape allows",
			       job->matrix->name, w->cols);
	for (int t = 0; t < threads; t++)
		masker->bad[t] = ALL_FINITE;
	memset(masker->kept, 0, (size_t)threads * masker->kept_stride * sizeof *masker->kept);
	ps_pool_run(masker->context->pool, ps_pool_items(w->rows, BLOCK_ROWS), run_block, job);
	for (int t = 0; t < threads; t++)
		bad = masker->bad[t] < bad ? masker->bad[t] : bad;
	if (bad != ALL_FINITE)
		return name_bad(masker, job->matrix, bad);
	if (job->out)
		count_dropped(masker, w, job->out);
	return 0;
}

void ps_masker_threshold_begin(ps_masker *masker)
{
	ps_histogram_clear(&masker->histogram);
}

int ps_masker_add_upper(ps_masker *masker, const ps_scored *matrix)
{
	struct job job = {.masker = masker, .matrix = matrix, .step = STEP_UPPER};

	return run_job(&job);
}

bool ps_masker_end_upper(ps_masker *masker, uint64_t scores, const double *sparsity)
{
	uint64_t k[PS_HISTOGRAM_RANKS];

	/* The product may round up to all scores if sparsity is within a rounding of 1. */
	for (size_t i = 0; i < masker->histogram.ranks; i++) {
		k[i] = (uint64_t)((double)scores * sparsity[i]);
		k[i] = k[i] < scores ? k[i] : scores - 1;
	}
	return ps_histogram_end_upper(&masker->histogram, k);
}

int ps_masker_add_lower(ps_masker *masker, const ps_scored *matrix)
{
	struct job job = {.masker = masker, .matrix = matrix, .step = STEP_LOWER};

	return run_job(&job);
}

void ps_masker_threshold_end(const ps_masker *masker, const double *sparsity, float *threshold)
{
	ps_histogram_end_lower(&masker->histogram, threshold);
	for (size_t i = 0; i < masker->histogram.ranks; i++)
		if (sparsity[i] == 0)
			threshold[i] = -1;
}

int ps_masker_apply_threshold(ps_masker *masker, const ps_scored *matrix, const float *threshold,
			      const ps_masker_bits *out)
{
	struct job job = {.masker = masker,
			  .matrix = matrix,
			  .step = STEP_THRESHOLD,
			  .threshold = threshold,
			  .out = out};

	return run_job(&job);
}

static int matrix_scope(ps_masker *masker, const ps_scored *matrix, const ps_masker_bits *out)
{
	float threshold[PS_HISTOGRAM_RANKS];
	int rc;

	ps_masker_threshold_begin(masker);
	rc = ps_masker_add_upper(masker, matrix);
	if (rc)
		return rc;
	if (ps_masker_end_upper(masker, (uint64_t)matrix->weight.rows * matrix->weight.cols,
				out->sparsity))
		rc = ps_masker_add_lower(masker, matrix);
	if (rc)
		return rc;
	ps_masker_threshold_end(masker, out->sparsity, threshold);
	return ps_masker_apply_threshold(masker, matrix, threshold, out);
}

int ps_masker_matrix(ps_masker *masker, const ps_scored *matrix, const ps_prune_options *options,
		     const ps_masker_bits *out)
{
	struct job job = {.masker = masker, .matrix = matrix, .options = options, .out = out};

	if (!options->m && options->scope == PS_SCOPE_MATRIX)
		return matrix_scope(masker, matrix, out);
	job.step = options->m ? STEP_NM : STEP_ROW;
	return run_job(&job);
}

/* A projection's masks on their way to the sinks. */
struct emission {
	int layer;
	ps_projection projection;
	const ps_weight *weight;
	const ps_masker_bits *masks;
	const ps_mask_sink *sink;
	int rc[PS_HISTOGRAM_RANKS];
};

static void emit_one(void *context, size_t item, int worker)
{
	struct emission *e = context;
	const ps_bitmap mask = {
		.bits = e->masks->bits[item], .rows = e->weight->rows, .cols = e->weight->cols};

	(void)worker;
	e->rc[item] = e->sink[item].put(e->sink[item].self, e->layer, e->projection, &mask,
					e->masks->dropped[item]);
}

int ps_masker_emit(const ps_context *context, int layer, ps_projection projection,
		   const ps_weight *weight, const ps_masker_bits *masks, const ps_mask_sink *sink)
{
	struct emission e = {.layer = layer,
			     .projection = projection,
			     .weight = weight,
			     .masks = masks,
			     .sink = sink};
	int rc = 0;

	ps_pool_run(context->pool, masks->count, emit_one, &e);
	for (size_t i = 0; i < masks->count && !rc; i++)
		rc = e.rc[i];
	return rc;
}
