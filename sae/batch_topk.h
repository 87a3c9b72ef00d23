/* sae/batch_topk.h: the largest activations of a whole batch (BatchTopK; Bussmann et al., arXiv 2412.06410), exactly,
 * without a matrix of batch x latents.
 *
 * Each row's CANDIDATES k largest are listed first. The n-th largest of them all bounds the cut from below; only a row
 * whose every candidate reaches that bound can hold more, and such rows, which are rare, are listed in full, a few at
 * a time. Ties go to the lower row, then to the lower latent. */
#ifndef PS_SAE_BATCH_TOPK_H
#define PS_SAE_BATCH_TOPK_H

#include "sae/sae.h"

typedef struct ps_batch_topk ps_batch_topk;

/* Candidates of a row for a mean of k a row. */
size_t ps_batch_topk_candidates(size_t k, size_t d_sae);

/* Lists the buffers for batches of up to `rows` rows and a mean of up to k latents a row. NULL while
 * counting. lister: the SAE that lists the candidates, rescaled or not; it is copied. */
ps_batch_topk *ps_batch_topk_lay_out(ps_sae_layout *layout, const ps_sae *lister, size_t rows,
				     size_t k);

/* codes: each row's `candidates` largest of x (rows, D), by the lister; left are the `total` largest of the batch. */
void ps_batch_topk_select(ps_batch_topk *b, const float *x, size_t total, size_t candidates,
			  ps_codes *codes);

#endif
