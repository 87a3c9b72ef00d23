/* core/base/dtype.h: element types of tensors, and their conversion to and from f32.
 *
 * bf16 and f16 are handled as bit patterns in uint16_t. Rounding is to nearest, ties to even; NaN
 * stays NaN. A quantised type of GGUF stores a block of elements together (core/base/blocks.h). To
 * add a stored type: a value of ps_dtype, and a row of the table in dtype.c with its name, the
 * elements and bytes of a block, and the functions that widen it to f32 and narrow f32 to it. */
#ifndef PS_CORE_BASE_DTYPE_H
#define PS_CORE_BASE_DTYPE_H

#include <stdbool.h>
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
	PS_BOOL, /* a byte, 0 or 1 */
	PS_Q4_0,
	PS_Q4_1,
	PS_Q5_0,
	PS_Q5_1,
	PS_Q8_0,
	PS_Q2_K,
	PS_Q3_K,
	PS_Q4_K,
	PS_Q5_K,
	PS_Q6_K,
	PS_DTYPE_COUNT
} ps_dtype;

#define PS_BLOCK_MAX 256 /* the most elements of a block */

size_t ps_dtype_size(ps_dtype dtype);  /* bytes per element, of a type that has no blocks */
size_t ps_dtype_block(ps_dtype dtype); /* elements of a block; 1: the type has no blocks */
/* Bytes of so many elements of a row from a block's start on: of all blocks that they begin. */
size_t ps_dtype_bytes(ps_dtype dtype, size_t count);
/* As safetensors or GGUF spells it: "F32", "BF16", "Q4_K", ... */
const char *ps_dtype_name(ps_dtype dtype);
/* Whether weights may be stored so: F32, BF16, F16, or in blocks. */
bool ps_dtype_is_weight(ps_dtype dtype);

/* The dtype of that name; -1 if this program does not compute with it. */
int ps_dtype_parse(const char *name);

/* The f32 of a bf16; exact. */
static inline float ps_bf16_to_f32(uint16_t bits)
{
	uint32_t wide = (uint32_t)bits << 16;
	float value;

	memcpy(&value, &wide, sizeof value);
	return value;
}

/* The nearest bf16 of an f32. */
static inline uint16_t ps_f32_to_bf16(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	if ((bits & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/* Widens count elements at src, whole blocks of weights, to f32 in dst. src may have any alignment;
 * dst does not overlap it. */
void ps_widen(const void *src, ps_dtype dtype, size_t count, float *dst);

/* The same for elements [first, first + count) of a row that begins at src, wherever blocks begin
 * and end. */
void ps_widen_part(const void *src, ps_dtype dtype, size_t first, size_t count, float *dst);

/* Rounds count floats to bf16. */
void ps_narrow_bf16(const float *src, size_t count, uint16_t *dst);

/* Rounds count floats to F32, BF16 or F16, the inverse of ps_widen. dst may have any alignment and
 * does not overlap src. */
void ps_narrow(const float *src, ps_dtype dtype, size_t count, void *dst);

/* values = the nearest numbers that dtype, which is F32, BF16 or F16, can hold. */
void ps_round_to(ps_dtype dtype, size_t count, float *values);

#endif
