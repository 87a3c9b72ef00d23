/* core/base/dtype.h: element types of tensors and their conversion to and from f32.
 * bf16 and f16 are handled as uint16_t bit patterns; rounding is to nearest, ties to even, NaN stays NaN. */
#ifndef PS_CORE_BASE_DTYPE_H
#define PS_CORE_BASE_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum ps_dtype {
	PS_F64,
	PS_I64,
	PS_F32,
	PS_I32,
	PS_BF16,
	PS_F16,
	PS_U8,
	PS_DTYPE_COUNT
} ps_dtype;

size_t ps_dtype_size(ps_dtype dtype);      /* bytes per element */
const char *ps_dtype_name(ps_dtype dtype); /* as safetensors spells it: "F32", "BF16", ... */

/* The dtype of a safetensors name, or -1 for one that this program does not compute with. */
int ps_dtype_parse(const char *name);

static inline float ps_bf16_to_f32(uint16_t bits)
{
	uint32_t wide = (uint32_t)bits << 16;
	float value;

	memcpy(&value, &wide, sizeof value);
	return value;
}

static inline uint16_t ps_f32_to_bf16(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	if ((bits & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

float ps_f16_to_f32(uint16_t bits);

/* count elements of BF16, F16 or F32 at src (unaligned allowed) widened into dst. */
void ps_widen(const void *src, ps_dtype dtype, size_t count, float *dst);

/* count floats rounded to bf16. */
void ps_narrow_bf16(const float *src, size_t count, uint16_t *dst);

#endif
