/* prune/masker.h: the loops that magnitude and Wanda share: scores, thresholds and masks of a
 * matrix.
 *
 *   score[r, c] = |W[r, c]| * scale[c]   (scale NULL: 1), in f32
 *
 * A masker makes the masks of a sweep of sparsities from one scoring of the weights: what is one
 * number or one bitmap below is an array with an entry for each sparsity.
 *
 * Scores are computed row by row; no more than one row per worker is in memory. Rows are dealt to
 * the pool in blocks. The masks do not depend on the number of threads. A weight that is NaN or
 * infinite: PS_EINPUT naming the file, tensor, row, column and offset. A score that overflows:
 * PS_EFAILED naming the same. */
#ifndef PS_PRUNE_MASKER_H
#define PS_PRUNE_MASKER_H

#include "prune/histogram.h"
#include "prune/pruning.h"
#include "prune/select_kernel.h"

typedef struct ps_masker {
	const ps_context *context; /* borrowed */
	ps_histogram histogram;
	const ps_select_kernel *kernel;
	float *scores; /* (threads, max_cols) */
	/* (threads, sparsities rounded up to a cache line): weights of a matrix that are kept */
	uint64_t *kept;
	size_t kept_stride;
	uint8_t *spare; /* (threads, spare_bytes): one bitmap of a row */
	size_t spare_bytes;
	uint64_t *bad;   /* (threads): lowest flat index of a weight that is not finite */
	size_t max_cols; /* of a row that is ever scored */
} ps_masker;

/* One matrix and how its scores are made. */
typedef struct ps_scored {
	ps_weight weight;
	const float *scale; /* (cols), finite; NULL: 1 */
	const char *name;   /* of the tensor, for messages */
} ps_scored;

/* Makes a masker for a model and so many sparsities, its buffers in the layout (counted or taken;
 * core/base/arena.h). The caller sets the context. */
void ps_masker_lay_out(ps_masker *masker, const ps_model_config *config, int threads, size_t count,
		       ps_layout *layout);

/* Checks options and sparsities against a model. PS_EUSAGE for a sparsity or N:M out of range, for
 * N:M in a sweep, and for a pooled embedding without a global threshold. PS_EINPUT naming the first
 * projection whose columns M does not divide. */
int ps_masker_check_options(const ps_model_config *config, const ps_prune_options *options,
			    const ps_prune_sweep *sweep, ps_diag *diag) PS_MUST_USE;

/* A threshold over one or several matrices takes the steps of prune/histogram.h, one matrix at a
 * time: begin, add_upper of all, end_upper, add_lower of all, end. */

/* Clears the histogram. */
void ps_masker_threshold_begin(ps_masker *masker);
/* First pass: counts the scores of a matrix. */
int ps_masker_add_upper(ps_masker *masker, const ps_scored *matrix) PS_MUST_USE;
/* Ends the first pass. scores: the number of scores added. sparsity: one for each of the masker's
 * thresholds. False: the second pass is not needed; leave it out. */
bool ps_masker_end_upper(ps_masker *masker, uint64_t scores, const double *sparsity);
/* Second pass: counts the scores of the same matrices again. */
int ps_masker_add_lower(ps_masker *masker, const ps_scored *matrix) PS_MUST_USE;
/* threshold: the (size_t)(scores * sparsity)-th smallest score, counted from 0. Sparsity 0: -1,
 * which no score is at or below. sparsity: as in ps_masker_end_upper. */
void ps_masker_threshold_end(const ps_masker *masker, const double *sparsity, float *threshold);

/* The masks of a matrix, one for each sparsity. */
typedef struct ps_masker_bits {
	size_t count;           /* as many as the masker was made for; by row or N:M: no more */
	const double *sparsity; /* (count) */
	uint8_t *const *bits;   /* (count): [rows, ceil(cols / 8)] each */
	uint64_t *dropped;      /* (count): cleared bits of each */
} ps_masker_bits;

/* Fills the bitmaps: a score at or below its threshold drops. threshold: (count). */
int ps_masker_apply_threshold(ps_masker *masker, const ps_scored *matrix, const float *threshold,
			      const ps_masker_bits *out) PS_MUST_USE;

/* Fills the bitmaps by N:M, ROW or MATRIX, as the options say. */
int ps_masker_matrix(ps_masker *masker, const ps_scored *matrix, const ps_prune_options *options,
		     const ps_masker_bits *out) PS_MUST_USE;

/* Hands the filled bitmaps of a projection to the sinks (count), on the pool. Returns the error of
 * the first sink that failed. */
int ps_masker_emit(const ps_context *context, int layer, ps_projection projection,
		   const ps_weight *weight, const ps_masker_bits *masks,
		   const ps_mask_sink *sink) PS_MUST_USE;

/* Bytes of the bitmap of a projection. */
size_t ps_masker_bitmap_bytes(const ps_model_config *config, ps_projection projection);
/* Bytes of the largest bitmap of the model. */
size_t ps_masker_largest_bitmap(const ps_model_config *config);

#endif
