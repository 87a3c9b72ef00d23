/* prune/masker.h: the loops that magnitude and Wanda share: scores, thresholds and masks of a
 * matrix.
 *
 *   score[r, c] = |W[r, c]| * scale[c]   (scale NULL: 1), in f32
 *
 * Scores are computed row by row; no more than one row per worker is in memory. Rows are dealt to
 * the pool in blocks. The masks do not depend on the number of threads. A weight that is NaN or
 * infinite: PS_EINPUT naming the file, tensor, row, column and offset. A score that overflows:
 * PS_EFAILED naming the same. */
#ifndef PS_PRUNE_MASKER_H
#define PS_PRUNE_MASKER_H

#include "prune/histogram.h"
#include "prune/pruning.h"

typedef struct ps_masker {
	const ps_context *context; /* borrowed */
	ps_histogram histogram;
	float *scores;   /* (threads, max_cols) */
	uint64_t *bad;   /* (threads): lowest flat index of a weight that is not finite */
	size_t max_cols; /* of a row that is ever scored */
} ps_masker;

/* One matrix and how its scores are made. */
typedef struct ps_scored {
	ps_weight weight;
	const float *scale; /* (cols), finite; NULL: 1 */
	const char *name;   /* of the tensor, for messages */
} ps_scored;

/* Makes a masker for a model, its buffers in the layout (counted or taken; core/base/arena.h). The
 * caller sets the context. */
void ps_masker_lay_out(ps_masker *masker, const ps_model_config *config, int threads,
		       ps_layout *layout);

/* Checks options against a model. PS_EUSAGE for a sparsity or N:M out of range, and for a pooled
 * embedding without a global threshold. PS_EINPUT naming the first projection whose columns M does
 * not divide. */
int ps_masker_check_options(const ps_model_config *config, const ps_prune_options *options,
			    ps_diag *diag) PS_MUST_USE;

/* A threshold over one or several matrices takes the steps of prune/histogram.h, one matrix at a
 * time: begin, add_upper of all, end_upper, add_lower of all, end. */

/* Clears the histogram. */
void ps_masker_threshold_begin(ps_masker *masker);
/* First pass: counts the scores of a matrix. */
int ps_masker_add_upper(ps_masker *masker, const ps_scored *matrix) PS_MUST_USE;
/* Ends the first pass. count: the number of scores added. */
void ps_masker_end_upper(ps_masker *masker, uint64_t count, double sparsity);
/* Second pass: counts the scores of the same matrices again. */
int ps_masker_add_lower(ps_masker *masker, const ps_scored *matrix) PS_MUST_USE;
/* The (size_t)(count * sparsity)-th smallest score, counted from 0. */
float ps_masker_threshold_end(ps_masker *masker);

/* Fills bits [rows, ceil(cols / 8)]: a score at or below the threshold drops. */
int ps_masker_apply_threshold(ps_masker *masker, const ps_scored *matrix, float threshold,
			      uint8_t *bits) PS_MUST_USE;

/* Fills bits by N:M, ROW or MATRIX, as the options say. */
int ps_masker_matrix(ps_masker *masker, const ps_scored *matrix, const ps_prune_options *options,
		     uint8_t *bits) PS_MUST_USE;

/* Counts the dropped weights and hands the mask to the sink. */
int ps_masker_emit(const ps_weight *weight, int layer, ps_projection projection,
		   const uint8_t *bits, const ps_mask_sink *sink) PS_MUST_USE;

/* Bytes of the bitmap of a projection. */
size_t ps_masker_bitmap_bytes(const ps_model_config *config, ps_projection projection);
/* Bytes of the largest bitmap of the model. */
size_t ps_masker_largest_bitmap(const ps_model_config *config);

#endif
