/* core/model/attention.h: softmax attention of one query head over one window.
 *
 *   s[i, j] = cap(scale * q[i] . k[j]),  j in (i - sliding, i]  (sliding 0: j in [0, i])
 *   out[i] = sum_j softmax_j(s[i, j]) v[j]
 *
 * q, k, v and out are f32 (T, head_width), each with its row stride. The products run on the
 * kernels of core/model/kernel.h. With a bf16 kernel q, k, v and the exponentials are rounded to
 * bf16; sums, softmax and soft cap stay f32.
 *
 * Keys and values are packed once (ps_keys_pack) and then serve every query head that shares them.
 * Keys that the mask hides are computed only up to the edges of tiles. They leave no trace in the
 * result, even if they are not finite. Rows are independent: the bits are the same however they are
 * split between calls. Calls of x_panel rows are fastest. */
#ifndef PS_CORE_MODEL_ATTENTION_H
#define PS_CORE_MODEL_ATTENTION_H

#include <stddef.h>

#include "core/model/kernel.h"

/* Keys and values of one head over one window, in the kernel's panels. */
typedef struct ps_keys {
	const ps_kernel *kernel;
	size_t head_width, tokens;
	/* K (ceil(T / w_panel), slices(d), w_panel), then V^T (ceil(d / w_panel), slices(T),
	 * w_panel); d: head_width */
	uint32_t *words;
} ps_keys;

/* 32-bit words of ps_keys.words. */
size_t ps_keys_words(const ps_kernel *kernel, size_t tokens, size_t head_width);

/* Packs keys and values [first, first + count); first is a multiple of w_panel. k and v point to
 * key 0 of the window. */
void ps_keys_pack(const ps_keys *keys, size_t first, size_t count, const float *k, size_t k_stride,
		  const float *v, size_t v_stride);

/* One head's attention. */
typedef struct ps_attention {
	ps_keys keys;
	size_t sliding;        /* 0: none */
	double scale, softcap; /* softcap 0: none */
	const float *q;        /* row of the call's first query */
	float *out;            /* row of the call's first query; may be q */
	size_t q_stride, out_stride;
} ps_attention;

/* Floats of scratch that ps_attention_run needs for windows of at most this many tokens. */
size_t ps_attention_scratch(const ps_kernel *kernel, size_t tokens, size_t head_width);

/* out of query rows [first, first + count). scratch is aligned to 64 bytes; each thread has its
 * own. */
void ps_attention_run(const ps_attention *a, size_t first, size_t count, float *scratch);

/* The reference, for tests: plain loops in double precision over k and v (tokens, stride); scratch
 * (tokens). a->keys gives the shape only. */
void ps_attention_ref(const ps_attention *a, const float *k, const float *v, size_t stride,
		      size_t first, size_t count, double *scratch);

#endif
