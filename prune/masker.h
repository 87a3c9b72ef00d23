/* prune/masker.h: the loops that magnitude and Wanda share: scores of a matrix row by row, thresholds, masks.
 *
 *   score[r, c] = |W[r, c]| * scale[c]   (scale NULL: 1), in f32, never more than one row per worker in memory.
 * Rows are dealt to the pool in blocks; the masks do not depend on the number of threads.
 * A weight that is NaN or infinite: PS_EINPUT naming the tensor, row and column. */
#ifndef PS_PRUNE_MASKER_H
#define PS_PRUNE_MASKER_H

#include "prune/histogram.h"
#include "prune/magnitude.h"

typedef struct ps_masker {
	const ps_context *context; /* borrowed */
	ps_histogram histogram;
	float *scores; /* (threads, max_cols) */
	uint64_t *bad; /* (threads): lowest flat index of a weight that is not finite */
	size_t max_cols;
} ps_masker;

/* One matrix and how its scores are made. */
typedef struct ps_scored {
	ps_weight weight;
	const float *scale; /* (cols), finite, or NULL */
	const char *name;   /* tensor, for messages */
} ps_scored;

size_t ps_masker_bytes(const ps_model_config *config, int threads);
int ps_masker_create(ps_masker *masker, const ps_model_config *config, const ps_context *context,
		     ps_arena *arena) PS_MUST_USE;

/* PS_EUSAGE for sparsity or N:M out of range, and for a pooled embedding without a global threshold;
 * PS_EINPUT naming the first projection whose cols M does not divide. */
int ps_masker_check_options(const ps_model_config *config, const ps_prune_options *options,
			    ps_diag *diag) PS_MUST_USE;

/* The steps of a threshold over one or several matrices: the four of prune/histogram.h, a matrix at a time. */
void ps_masker_threshold_begin(ps_masker *masker);
int ps_masker_add_upper(ps_masker *masker, const ps_scored *matrix) PS_MUST_USE;
void ps_masker_end_upper(ps_masker *masker, uint64_t count,
			 double sparsity); /* count: scores added */
int ps_masker_add_lower(ps_masker *masker, const ps_scored *matrix) PS_MUST_USE;
float ps_masker_threshold_end(ps_masker *masker);

/* bits [rows, ceil(cols / 8)]: drops scores <= threshold. */
int ps_masker_apply_threshold(ps_masker *masker, const ps_scored *matrix, float threshold,
			      uint8_t *bits) PS_MUST_USE;

/* bits by N:M, ROW or MATRIX, as the options say. */
int ps_masker_matrix(ps_masker *masker, const ps_scored *matrix, const ps_prune_options *options,
		     uint8_t *bits) PS_MUST_USE;

/* Hands bits to the sink, counted. */
int ps_masker_emit(const ps_weight *weight, int layer, ps_projection projection,
		   const uint8_t *bits, ps_mask_sink sink, void *sink_context) PS_MUST_USE;

/* Bytes of the bitmap of a projection, and the most that any has. */
size_t ps_masker_bitmap_bytes(const ps_model_config *config, ps_projection projection);
size_t ps_masker_largest_bitmap(const ps_model_config *config);

#endif
