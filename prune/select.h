/* prune/select.h: from the scores of one row to its mask bits.
 *
 * Scores are f32 and not negative. The caller refuses NaN. keep is the bitmap of the row
 * (core/base/bitmap.h). Nothing is sorted or allocated. */
#ifndef PS_PRUNE_SELECT_H
#define PS_PRUNE_SELECT_H

#include "prune/select_kernel.h"

/* How many weights of a row go: the share, rounded down. */
size_t ps_select_dropped(size_t cols, double sparsity);

/* Drops the ps_select_dropped lowest scores, for each of the sparsities (count). Of equal scores
 * the lower column goes first. All bytes of each keep (count) are written. spare: room for one more
 * bitmap of the row.
 *
 * The scores are counted once by their upper 16 bits. Each sparsity then finds its limit from the
 * counts, and compares the row with it. Where several scores share these bits and differ in the
 * others, they are listed and searched bit by bit. Cost: 1.5 us a row of 640 columns and 0.1 to 0.3
 * for each further sparsity. A row whose scores are almost all in one bin costs 31 more
 * comparisons. */
void ps_select_row(const ps_select_kernel *kernel, const float *scores, size_t cols,
		   const double *sparsity, size_t count, uint8_t *const *keep, uint8_t *spare);

/* Drops the n lowest of each m consecutive scores: clears their bits, and changes no other. Of
 * equal scores the lower column goes first. m must divide cols. */
void ps_select_nm(const float *scores, size_t cols, unsigned n, unsigned m, uint8_t *keep);

#endif
