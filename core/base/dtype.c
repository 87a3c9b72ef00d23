#include "core/base/dtype.h"

#include "core/base/clones.h"

static void widen_f32(const void *src, size_t count, float *dst)
{
	memcpy(dst, src, count * sizeof *dst);
}

PS_CLONES
static void widen_bf16(const void *restrict src, size_t count, float *restrict dst)
{
	const char *bytes = src;

	for (size_t i = 0; i < count; i++) {
		uint16_t half;

		memcpy(&half, bytes + 2 * i, sizeof half);
		dst[i] = ps_bf16_to_f32(half);
	}
}

static void widen_f16(const void *src, size_t count, float *dst)
{
	const char *bytes = src;

	for (size_t i = 0; i < count; i++) {
		uint16_t half;

		memcpy(&half, bytes + 2 * i, sizeof half);
		dst[i] = ps_f16_to_f32(half);
	}
}

static const struct {
	const char *name;
	size_t size; /* bytes of an element */
	void (*widen)(const void *src, size_t count,
		      float *dst); /* NULL: neither weights nor activations */
} dtypes[PS_DTYPE_COUNT] = {
	[PS_F64] = {"F64", 8, NULL},         [PS_I64] = {"I64", 8, NULL},
	[PS_F32] = {"F32", 4, widen_f32},    [PS_I32] = {"I32", 4, NULL},
	[PS_BF16] = {"BF16", 2, widen_bf16}, [PS_F16] = {"F16", 2, widen_f16},
	[PS_U8] = {"U8", 1, NULL},
};

size_t ps_dtype_size(ps_dtype dtype)
{
	return dtypes[dtype].size;
}

const char *ps_dtype_name(ps_dtype dtype)
{
	return dtypes[dtype].name;
}

int ps_dtype_parse(const char *name)
{
	for (int i = 0; i < PS_DTYPE_COUNT; i++)
		if (!strcmp(name, dtypes[i].name))
			return i;
	return -1;
}

float ps_f16_to_f32(uint16_t bits)
{
	uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31,
		 fraction = bits & 0x3ff, wide;
	float value;

	if (exponent == 31) {
		wide = sign | 0x7f800000u | fraction << 13;
	} else if (exponent) {
		wide = sign | (exponent + 112) << 23 | fraction << 13;
	} else {
		value = (float)fraction * 0x1p-24f;
		return sign ? -value : value;
	}
	memcpy(&value, &wide, sizeof value);
	return value;
}

void ps_widen(const void *src, ps_dtype dtype, size_t count, float *dst)
{
	dtypes[dtype].widen(src, count, dst);
}

void ps_narrow_bf16(const float *src, size_t count, uint16_t *dst)
{
	for (size_t i = 0; i < count; i++)
		dst[i] = ps_f32_to_bf16(src[i]);
}
