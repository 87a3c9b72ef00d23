/* sae/batch_topk.h: the largest activations of a whole batch (BatchTopK; Bussmann et al., arXiv
 * 2412.06410), exactly, without a matrix of batch x latents.
 *
 * With n = B K activations wanted:
 *   1. each row lists its 4 K largest as candidates;
 *   2. the n-th largest candidate bounds the cut from below;
 *   3. only a row whose every candidate reaches that bound can hold more. Such rows are rare; they
 *      are listed in full, a few at a time, and raise the bound.
 * Ties go to the lower row, then to the lower latent. */
#ifndef PS_SAE_BATCH_TOPK_H
#define PS_SAE_BATCH_TOPK_H

#include "sae/sae.h"

typedef struct ps_batch_topk ps_batch_topk;

/* Candidates of a row, for a mean of k latents a row. */
size_t ps_batch_topk_candidates(size_t k, size_t d_sae);

/* Lists the buffers for batches of up to `rows` rows and a mean of up to k latents a row. NULL
 * while counting. lister is the SAE that lists the candidates; it is copied, its parameters are
 * borrowed. */
ps_batch_topk *ps_batch_topk_lay_out(ps_sae_layout *layout, const ps_sae *lister, size_t rows,
				     size_t k);

/* Reduces codes to the `total` largest of the batch. On entry they hold the `candidates` largest of
 * each row of x (rows, D), as the lister lists them. */
void ps_batch_topk_select(ps_batch_topk *b, const float *x, size_t total, size_t candidates,
			  ps_codes *codes);

#endif
