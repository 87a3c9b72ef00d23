/* Sums run over LANES fixed lanes, which are added pairwise at the end. The compiler may use
 * vectors of any width; the order of the sum stays the same.
 *
 * e^x is a Cody-Waite reduction by ln 2 in two parts, and a polynomial of degree 7 on [-ln2/2,
 * ln2/2]. Its coefficients are those of the Taylor series; the error there is below 2^-27. */
#include "core/model/ops.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/base/clones.h"

#define LANES 16

/* Values that move at once, wherever they lie. */
typedef float values8 __attribute__((vector_size(32), aligned(4), may_alias));
#define MOVED (sizeof(values8) / sizeof(float))

PS_CLONES
void ps_copy_rows(float *restrict dst, size_t dst_stride, const float *restrict src,
		  size_t src_stride, size_t rows, size_t n)
{
	for (; rows; rows--, dst += dst_stride, src += src_stride) {
		size_t i = 0;

		for (; i + MOVED <= n; i += MOVED) {
			*(values8 *)(dst + i) = *(const values8 *)(src + i);
			__asm__("" : "+r"(i)); /* gcc would make a call of memcpy of the loop */
		}
		for (; i < n; i++)
			dst[i] = src[i];
	}
}

PS_CLONES
void ps_add(const float *restrict a, const float *restrict b, size_t n, float *restrict sum)
{
	for (size_t i = 0; i < n; i++)
		sum[i] = a[i] + b[i];
}

static inline float add_lanes(float *lane)
{
	for (int width = LANES / 2; width; width /= 2)
		for (int i = 0; i < width; i++)
			lane[i] += lane[i + width];
	return lane[0];
}

PS_CLONES
float ps_dot(const float *a, const float *b, size_t n)
{
	float lane[LANES] = {0};
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] += a[i + (size_t)l] * b[i + (size_t)l];
	for (int l = 0; i < n; i++, l++)
		lane[l] += a[i] * b[i];
	return add_lanes(lane);
}

PS_CLONES
void ps_rms_norm(const float *x, const float *gain, size_t n, double eps, bool plus_one, float *out)
{
	float one = plus_one ? 1 : 0, mean = ps_dot(x, x, n) / (float)n;
	float scale = isfinite(mean) ? (float)(1 / sqrt((double)mean + eps)) : NAN;

	for (size_t i = 0; i < n; i++)
		out[i] = x[i] * scale * (one + gain[i]);
}

/* Adding `round` shifts the integer n into the low bits of a float. The exponent of 2^n is taken
 * from there. A conversion to an integer would be undefined for NaN and infinity. */
static inline float exp_one(float x)
{
	const float log2e = 1.44269504088896341f, ln2_high = 0.693359375f,
		    ln2_low = -2.12194440e-4f;
	const float round = 12582912.0f; /* 1.5 * 2^23 */
	float clamped = x > 88.3f ? 88.3f : x, shifted = clamped * log2e + round,
	      n = shifted - round, scale;
	float r = (clamped - n * ln2_high) - n * ln2_low, p = 1.0f / 5040;
	uint32_t bits;

	p = p * r + 1.0f / 720;
	p = p * r + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1;
	p = p * r + 1;
	memcpy(&bits, &shifted, sizeof bits);
	bits = (bits + 127) << 23;
	memcpy(&scale, &bits, sizeof scale);
	return x < -87.0f ? 0 : p * scale;
}

PS_CLONES
void ps_exp(const float *x, size_t n, float *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = exp_one(x[i]);
}

/* tanh z = 1 - 2 / (e^2z + 1). Near 0 this cancels, so the series z - z^3/3 + ... is used there. */
static inline float tanh_one(float z)
{
	float large = 1 - 2 / (exp_one(2 * z) + 1), z2 = z * z;
	float small = z * (1 + z2 * (-1.0f / 3 +
				     z2 * (2.0f / 15 + z2 * (-17.0f / 315 + z2 * (62.0f / 2835)))));

	return z2 < 0.09f ? small : large;
}

PS_CLONES
float ps_max(const float *x, size_t n)
{
	float lane[LANES], max = x[0];
	size_t i = 0;

	for (size_t l = 0; l < LANES; l++)
		lane[l] = max;
	for (; i + LANES <= n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
	for (; i < n; i++)
		max = x[i] > max ? x[i] : max;
	for (size_t l = 0; l < LANES; l++)
		max = lane[l] > max ? lane[l] : max;
	return max;
}

PS_CLONES
float ps_exp_sum(float *x, size_t n)
{
	float lane[LANES] = {0}, max = ps_max(x, n);
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t l = 0; l < LANES; l++) {
			x[i + l] = exp_one(x[i + l] - max);
			lane[l] += x[i + l];
		}
	for (size_t l = 0; i < n; i++, l++) {
		x[i] = exp_one(x[i] - max);
		lane[l] += x[i];
	}
	return add_lanes(lane);
}

static inline float silu_one(float z)
{
	return z / (1 + exp_one(-z));
}

/* Uses (1 + tanh u) / 2 = 1 / (1 + e^-2u), which does not cancel for negative u. */
static inline float gelu_one(float z)
{
	const float twice = -2 * 0.7978845608028654f; /* -2 sqrt(2/pi) */

	return z / (1 + exp_one(twice * (z + 0.044715f * z * z * z)));
}

/* Rows are short, half a panel. A loop of known length becomes vectors without a preamble. */
#define GATE_ROWS(activation)                                                                      \
	for (size_t r = 0; r < rows; r++, gate += stride, up += stride) {                          \
		size_t i = 0;                                                                      \
                                                                                                   \
		for (; i + LANES / 2 <= n; i += LANES / 2)                                         \
			for (size_t l = i; l < i + LANES / 2; l++)                                 \
				gate[l] = activation(gate[l]) * up[l];                             \
		for (; i < n; i++)                                                                 \
			gate[i] = activation(gate[i]) * up[i];                                     \
	}

PS_CLONES
void ps_gate_silu(float *restrict gate, const float *restrict up, size_t rows, size_t n,
		  size_t stride){GATE_ROWS(silu_one)}

PS_CLONES void ps_gate_gelu(float *restrict gate, const float *restrict up, size_t rows, size_t n,
			    size_t stride){GATE_ROWS(gelu_one)}

PS_CLONES void ps_softcap(float *x, size_t n, double cap)
{
	float c = (float)cap, inverse = (float)(1 / cap);

	for (size_t i = 0; i < n; i++)
		x[i] = c * tanh_one(x[i] * inverse);
}

/* The frequency of pair i, scaled as the rope says. */
static double rope_frequency(const ps_rope *rope, size_t head_width, size_t i)
{
	double f = pow(rope->theta, -2.0 * (double)i / (double)head_width),
	       wavelength = 6.283185307179586 / f;
	double low = rope->original_positions / rope->low_freq_factor,
	       high = rope->original_positions / rope->high_freq_factor, smooth;

	if (!rope->llama3)
		return f / rope->factor;
	if (wavelength < high)
		return f;
	if (wavelength > low)
		return f / rope->llama3_factor;
	smooth = (rope->original_positions / wavelength - rope->low_freq_factor) /
		 (rope->high_freq_factor - rope->low_freq_factor);
	return (1 - smooth) * f / rope->llama3_factor + smooth * f;
}

void ps_rope_table(const ps_rope *rope, size_t head_width, size_t positions, float *cos_table,
		   float *sin_table)
{
	size_t half = head_width / 2;

	for (size_t i = 0; i < half; i++) {
		/* transformers computes frequency times position in float32. */
		float f = (float)rope_frequency(rope, head_width, i);

		for (size_t t = 0; t < positions; t++) {
			float angle = (float)t * f;

			cos_table[t * half + i] = (float)cos((double)angle);
			sin_table[t * half + i] = (float)sin((double)angle);
		}
	}
}

PS_CLONES
void ps_rope_apply(float *head, size_t head_width, const float *cos_row, const float *sin_row)
{
	size_t half = head_width / 2;

	for (size_t i = 0; i < half; i++) {
		float a = head[i], b = head[half + i];

		head[i] = a * cos_row[i] - b * sin_row[i];
		head[half + i] = b * cos_row[i] + a * sin_row[i];
	}
}
