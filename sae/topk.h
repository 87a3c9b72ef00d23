/* sae/topk.h: selecting the active latents of one row of pre-activations.
 *
 * Selected latents are listed by ascending index, with their values; only positive values are listed (the
 * selection is followed by a ReLU), and NaN never is. */
#ifndef PS_SAE_TOPK_H
#define PS_SAE_TOPK_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of scratch for rows of up to n values. */
size_t ps_topk_scratch(size_t n);

/* The k largest of z (n), ties to the lower index; index and value hold k. Returns how many are listed. */
size_t ps_topk_select(const float *z, size_t n, size_t k, void *scratch, uint32_t *index,
		      float *value);

/* The same without the ReLU: k values of any sign (fewer only where values are NaN). Needs ps_topk_signed_scratch(n). */
size_t ps_topk_signed_scratch(size_t n);
size_t ps_topk_select_signed(const float *z, size_t n, size_t k, void *scratch, uint32_t *index,
			     float *value);

/* Every z[i] > max(threshold[i], floor) (threshold NULL: floor); index and value hold n. Returns how many are listed. */
size_t ps_above_select(const float *z, const float *threshold, float floor, size_t n,
		       uint32_t *index, float *value);

#endif
