/* prune/select.h: from the scores of one row to its mask bits.
 *
 * Scores are f32 and not negative. The caller refuses NaN. keep is the bitmap of the row
 * (core/base/bitmap.h). The bits of dropped columns are cleared; no other bit changes. Nothing is
 * sorted or allocated. */
#ifndef PS_PRUNE_SELECT_H
#define PS_PRUNE_SELECT_H

#include <stddef.h>
#include <stdint.h>

/* Drops the (size_t)((double)cols * sparsity) lowest scores. Of equal scores the lower column goes
 * first. Cost: it reads the row 33 times, in vectors. */
void ps_select_row(const float *scores, size_t cols, double sparsity, uint8_t *keep);

/* Drops the n lowest of each m consecutive scores. Of equal scores the lower column goes first. m
 * must divide cols. */
void ps_select_nm(const float *scores, size_t cols, unsigned n, unsigned m, uint8_t *keep);

/* Most thresholds of one call below. */
#define PS_SELECT_THRESHOLDS 64

/* Drops every score at or below a threshold, in a bitmap for each threshold. For magnitude per
 * matrix the threshold is the (size_t)(weights * sparsity)-th smallest score, counted from 0 (the
 * rule of locuslab/wanda). So ties drop a few more than asked. The thresholds (count) may stand in
 * any order. Row `row` of each bitmap of keep (count) is changed. The scores are read once. */
void ps_select_thresholds(const float *scores, size_t cols, const float *threshold, size_t count,
			  uint8_t *const *keep, size_t row);

#endif
