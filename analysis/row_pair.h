/* analysis/row_pair.h: two sources whose rows are of the same tokens: the dense model's and the
 * pruned model's. */
#ifndef PS_ANALYSIS_ROW_PAIR_H
#define PS_ANALYSIS_ROW_PAIR_H

#include "core/base/rows.h"
#include "sae/sae.h"

/* PS_EINPUT unless
 * - both sources have the width of the SAE, say their token ids, and have as many rows,
 * - the list names rows of them, at least one,
 * - each row of the list is of the same token in both. */
int ps_row_pair_check(const ps_sae *sae, const ps_row_source *dense, const ps_row_source *pruned,
		      const ps_row_list *rows, ps_diag *diag) PS_MUST_USE;

#endif
