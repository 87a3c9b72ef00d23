/* prune/select.h: from scores to masks.
 *
 * Row scope: per row, (size_t)((double)cols * S) lowest scores drop, ties by lower column.
 * N:M: of each M consecutive inputs the N lowest drop, ties by lower column; cols % M != 0 is the caller's error.
 * Threshold: |w| <= threshold drops. Magnitude per matrix: the threshold is the (size_t)(n * S)-th smallest |w|
 * (counted from 0), so ties overshoot a little (locuslab/wanda's rule); S = 0 drops nothing.
 * Scores are f32, not negative; NaN is refused by the caller (PS_EINPUT naming the tensor).
 * keep: the row's bitmap (core/base/bitmap.h); bits of dropped columns are cleared, no other bit changes.
 * Cost: ps_select_row reads the row 33 times, in vectors; nothing is sorted or allocated. */
#ifndef PS_PRUNE_SELECT_H
#define PS_PRUNE_SELECT_H

#include <stddef.h>
#include <stdint.h>

void ps_select_row(const float *scores, size_t cols, double sparsity, uint8_t *keep);
void ps_select_nm(const float *scores, size_t cols, unsigned n, unsigned m, uint8_t *keep);
void ps_select_threshold(const float *scores, size_t cols, float threshold, uint8_t *keep);

#endif
