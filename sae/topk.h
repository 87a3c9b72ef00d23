/* sae/topk.h: selecting the active latents of one row of pre-activations.
 *
 * Selected latents are listed with their values, by ascending index. NaN is never selected. */
#ifndef PS_SAE_TOPK_H
#define PS_SAE_TOPK_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of scratch that ps_topk_select needs for rows of up to n values. */
size_t ps_topk_scratch(size_t n);

/* Selects the k largest of z (n), as far as they are positive: a ReLU follows the selection. Ties
 * go to the lower index. index and value have room for k. Returns how many are listed. */
size_t ps_topk_select(const float *z, size_t n, size_t k, void *scratch, uint32_t *index,
		      float *value);

/* Bytes of scratch that ps_topk_select_signed needs. */
size_t ps_topk_signed_scratch(size_t n);
/* The same without the ReLU: k values of any sign, fewer only where values are NaN. */
size_t ps_topk_select_signed(const float *z, size_t n, size_t k, void *scratch, uint32_t *index,
			     float *value);

/* Selects every z[i] > max(threshold[i], floor), or > floor where threshold is NULL. index and
 * value have room for n. Returns how many are listed. */
size_t ps_above_select(const float *z, const float *threshold, float floor, size_t n,
		       uint32_t *index, float *value);

#endif
