/* core/attention.h: softmax attention of one query head over one window.
 *
 *   s[i, j] = cap(scale * q[i] . k[j]),  j in (i - sliding, i]  (sliding 0: j in [0, i])
 *   out[i] = sum_j softmax_j(s[i, j]) v[j]
 * q (T, head_width) with row stride q_stride, likewise k, v, out. What the mask hides leaves no
 * trace, even where it is not a number. scratch: ps_attention_scratch(T, head_width) floats. Rows are independent:
 * same bits however rows are split; blocks of 16 or more rows are fastest. */
#ifndef PS_CORE_ATTENTION_H
#define PS_CORE_ATTENTION_H

#include <stddef.h>

typedef struct ps_attention {
	size_t head_width, tokens, sliding; /* sliding: 0 none */
	double scale, softcap;              /* softcap: 0 none */
	const float *q, *k, *v;
	size_t q_stride, k_stride, v_stride, out_stride;
	float *out;
} ps_attention;

size_t ps_attention_scratch(size_t tokens, size_t head_width); /* floats */

/* Query rows [first, first + count). */
void ps_attention_run(const ps_attention *a, size_t first, size_t count, float *scratch);

/* The reference: plain loops in double precision. */
void ps_attention_ref(const ps_attention *a, size_t first, size_t count, double *scratch /* tokens */);

#endif
