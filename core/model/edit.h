/* core/model/edit.h: what a run does to the weights of a matrix while their rows are packed.
 *
 * An edit is one of two kinds, or none:
 *
 *   mask       w' = keep ? w : 0
 *   rounding   w' = round_S(clamp(rint(w / s), -m, m) * s),   m = 2^(bits - 1) - 1
 *
 * Rounding is symmetric, to nearest, ties to even. s is the scale of a group of columns of a row:
 * max|w| / m over the group (prune/rounding.h). The arithmetic is f32. round_S rounds to the type S
 * in which the checkpoint stores the weights. So an edited run has the bits of a run of a
 * checkpoint that holds w'. A group whose scale is 0 becomes 0.
 *
 * Sources: pseudo_quantize_tensor of llm-awq without zero points (arXiv 2306.00978), per-channel
 * absmax of SmoothQuant's fake quantisation (arXiv 2211.10438). They compute in S itself, which
 * rounds at every step, and take at least 1e-5 for max|w|.
 *
 * core/model/row_stage.c applies edits. To add a kind: its parameters in ps_edit, a row of the
 * table in edit.c, and its file in io/edit_file.c. */
#ifndef PS_CORE_MODEL_EDIT_H
#define PS_CORE_MODEL_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/dtype.h"

#define PS_ROUNDING_BITS_LEAST 3
#define PS_ROUNDING_BITS_MOST 8

/* How a whole model is rounded. */
typedef struct ps_rounding_rule {
	int bits;     /* PS_ROUNDING_BITS_LEAST to PS_ROUNDING_BITS_MOST */
	size_t group; /* columns that share a scale; 0: the whole row */
} ps_rounding_rule;

/* m, the number of steps to either side of 0. */
static inline float ps_rounding_steps(int bits)
{
	return (float)((1 << (bits - 1)) - 1);
}

/* Columns that share a scale, in a row of so many. */
static inline size_t ps_rounding_columns(const ps_rounding_rule *rule, size_t cols)
{
	return rule->group && rule->group < cols ? rule->group : cols;
}

/* Scales of a row. The last group may be shorter than the others. */
static inline size_t ps_rounding_groups(const ps_rounding_rule *rule, size_t cols)
{
	const size_t columns = ps_rounding_columns(rule, cols);

	return columns ? (cols + columns - 1) / columns : 0;
}

/* The rounding of one matrix. */
typedef struct ps_rounding {
	const void *scale; /* f32 (rows, ps_rounding_groups), any alignment; NULL: no rounding */
	ps_rounding_rule rule;
} ps_rounding;

/* At most one of the two is set. Both are borrowed. */
typedef struct ps_edit {
	const uint8_t *keep; /* ps_bitmap bytes [rows, ceil(cols / 8)]; NULL: no mask */
	ps_rounding rounding;
} ps_edit;

/* Whether there is anything to do. */
static inline bool ps_edit_any(const ps_edit *edit)
{
	return edit->keep || edit->rounding.scale;
}

/* Where values stand in their matrix. */
typedef struct ps_edit_place {
	size_t row, first; /* first: a multiple of 8 */
	size_t cols;       /* of the matrix */
	ps_dtype stored;   /* S: PS_F32, PS_BF16 or PS_F16 */
} ps_edit_place;

/* Edits n decoded columns of a row, from column `first` on, in place. A NaN or an infinity that the
 * mask drops becomes 0; rounding keeps it. */
void ps_edit_apply(const ps_edit *edit, const ps_edit_place *place, size_t n, float *values);

#endif
