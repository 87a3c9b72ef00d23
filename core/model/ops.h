/* core/model/ops.h: what happens between the matrix products: norms, rotary embedding, gates, soft
 * caps, exponentials.
 *
 * Every sum runs over 16 fixed lanes, which are then added pairwise. So its order depends on the
 * length alone. Tests compare each function with its formula in double precision. */
#ifndef PS_CORE_MODEL_OPS_H
#define PS_CORE_MODEL_OPS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/model/config.h"

/* dst[r, i] = src[r, i] for rows of n values, each matrix with its own stride. For short rows, as
 * those of tiles, where a memcpy for each costs as much as the bytes. */
void ps_copy_rows(float *restrict dst, size_t dst_stride, const float *restrict src,
		  size_t src_stride, size_t rows, size_t n);

/* sum[i] = a[i] + b[i] */
void ps_add(const float *restrict a, const float *restrict b, size_t n, float *restrict sum);

/* sum_i a[i] b[i] */
float ps_dot(const float *a, const float *b, size_t n);

/* out[i] = x[i] / sqrt(mean_j x[j]^2 + eps) * (plus_one ? 1 + gain[i] : gain[i]); out may be x. If
 * the mean overflows, out is NaN, not 0, so that the overflow does not vanish. */
void ps_rms_norm(const float *x, const float *gain, size_t n, double eps, bool plus_one,
		 float *out);

/* out[i] = e^x[i], to 2 ulp for x in [-87, 88]; 0 below, clamped above. out may be x. */
void ps_exp(const float *x, size_t n, float *out);

/* The largest of n > 0 values. NaN is ignored unless it comes first. */
float ps_max(const float *x, size_t n);

/* x[i] = e^(x[i] - max x), n > 0. Returns their sum. */
float ps_exp_sum(float *x, size_t n);

/* gate[r, i] = silu(gate[r, i]) * up[r, i] for rows of n values, stride apart in both; silu(z) = z
 * / (1 + e^-z). */
void ps_gate_silu(float *restrict gate, const float *restrict up, size_t rows, size_t n,
		  size_t stride);

/* The same with gelu(z) = z/2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))). */
void ps_gate_gelu(float *restrict gate, const float *restrict up, size_t rows, size_t n,
		  size_t stride);

/* x[i] = cap tanh(x[i] / cap) */
void ps_softcap(float *x, size_t n, double cap);

/* Rotary tables (positions, head_width / 2): cos and sin of position * f_i, f_i = theta^(-2i /
 * head_width). The rope may scale f_i: by a linear factor, or by llama3's three bands as
 * transformers' _compute_llama3_parameters does. */
void ps_rope_table(const ps_rope *rope, size_t head_width, size_t positions, float *cos_table,
		   float *sin_table);

/* Rotates one head's vector in place: (a, b) -> (a cos - b sin, b cos + a sin), with a its first
 * half and b its second. */
void ps_rope_apply(float *head, size_t head_width, const float *cos_row, const float *sin_row);

#endif
