/* core/model/attention.h: softmax attention of one query head over one window, on the matrix product's kernels.
 *
 *   s[i, j] = cap(scale * q[i] . k[j]),  j in (i - sliding, i]  (sliding 0: j in [0, i])
 *   out[i] = sum_j softmax_j(s[i, j]) v[j]
 * q (T, head_width) with row stride q_stride, likewise k, v, out; all f32. With a bf16 kernel q, k, v and the
 * exponentials are rounded to bf16; sums, softmax and soft cap are f32.
 * Keys and values are packed once and then serve every query head that shares them. What the mask hides is not
 * computed beyond the edges of tiles, and leaves no trace, even where it is not a number. Rows are independent: same
 * bits however they are split; x_panel rows at a time are fastest. */
#ifndef PS_CORE_MODEL_ATTENTION_H
#define PS_CORE_MODEL_ATTENTION_H

#include <stddef.h>

#include "core/model/kernel.h"

/* Keys and values of one head over one window, in the kernel's panels. */
typedef struct ps_keys {
	const ps_kernel *kernel;
	size_t head_width, tokens;
	uint32_t *
		words; /* K (ceil(T / w_panel), slices(d), w_panel), then V^T (ceil(d / w_panel), slices(T), w_panel) */
} ps_keys;

/* 32-bit words of such keys. */
size_t ps_keys_words(const ps_kernel *kernel, size_t tokens, size_t head_width);

/* Packs keys and values [first, first + count), k and v those of key 0; first a multiple of w_panel. */
void ps_keys_pack(const ps_keys *keys, size_t first, size_t count, const float *k, size_t k_stride,
		  const float *v, size_t v_stride);

typedef struct ps_attention {
	ps_keys keys;
	size_t sliding;        /* 0: none */
	double scale, softcap; /* softcap: 0 none */
	const float *q;        /* of the first query of a call */
	float *out;            /* the same; may be q */
	size_t q_stride, out_stride;
} ps_attention;

/* Floats of scratch, aligned to 64 bytes, for windows of at most this many tokens. */
size_t ps_attention_scratch(const ps_kernel *kernel, size_t tokens, size_t head_width);

/* Query rows [first, first + count). */
void ps_attention_run(const ps_attention *a, size_t first, size_t count, float *scratch);

/* The reference: plain loops in double precision over k and v themselves; scratch (tokens). */
void ps_attention_ref(const ps_attention *a, const float *k, const float *v, size_t stride,
		      size_t first, size_t count, double *scratch);

#endif
