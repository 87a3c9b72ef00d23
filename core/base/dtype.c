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

static void narrow_f32(const float *src, size_t count, void *dst)
{
	memcpy(dst, src, count * sizeof *src);
}

PS_CLONES
static void narrow_bf16(const float *restrict src, size_t count, void *restrict dst)
{
	char *bytes = dst;

	for (size_t i = 0; i < count; i++) {
		const uint16_t half = ps_f32_to_bf16(src[i]);

		memcpy(bytes + 2 * i, &half, sizeof half);
	}
}

static void narrow_f16(const float *src, size_t count, void *dst)
{
	char *bytes = dst;

	for (size_t i = 0; i < count; i++) {
		const uint16_t half = ps_f32_to_f16(src[i]);

		memcpy(bytes + 2 * i, &half, sizeof half);
	}
}

static const struct {
	const char *name;
	size_t size; /* bytes of an element */
	/* NULL: neither weights nor activations */
	void (*widen)(const void *src, size_t count, float *dst);
	void (*narrow)(const float *src, size_t count, void *dst);
} dtypes[PS_DTYPE_COUNT] = {
	[PS_F64] = {"F64", 8, NULL, NULL},
	[PS_I64] = {"I64", 8, NULL, NULL},
	[PS_F32] = {"F32", 4, widen_f32, narrow_f32},
	[PS_I32] = {"I32", 4, NULL, NULL},
	[PS_BF16] = {"BF16", 2, widen_bf16, narrow_bf16},
	[PS_F16] = {"F16", 2, widen_f16, narrow_f16},
	[PS_U8] = {"U8", 1, NULL, NULL},
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

/* A number below 2^-14 is a multiple of 2^-24, of which an f32 addition finds the nearest. */
uint16_t ps_f32_to_f16(float value)
{
	uint32_t bits, sign, magnitude, near;

	memcpy(&bits, &value, sizeof bits);
	sign = bits >> 16 & 0x8000;
	magnitude = bits & 0x7fffffffu;
	if (magnitude > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00);
	if (magnitude >= 0x477ff000u) /* 65,520 and more */
		return (uint16_t)(sign | 0x7c00);
	if (magnitude < 0x38800000u) { /* 2^-14 */
		float small;

		memcpy(&small, &magnitude, sizeof small);
		small += 0.5f;
		memcpy(&near, &small, sizeof near);
		return (uint16_t)(sign | (near - 0x3f000000u));
	}
	near = magnitude + 0xfff + (magnitude >> 13 & 1);
	return (uint16_t)(sign | (near - 0x38000000u) >> 13);
}

void ps_widen(const void *src, ps_dtype dtype, size_t count, float *dst)
{
	dtypes[dtype].widen(src, count, dst);
}

void ps_narrow(const float *src, ps_dtype dtype, size_t count, void *dst)
{
	dtypes[dtype].narrow(src, count, dst);
}

void ps_round_to(ps_dtype dtype, size_t count, float *values)
{
	uint16_t stored[256];

	if (dtype == PS_F32)
		return;
	for (size_t done = 0; done < count; done += 256) {
		const size_t n = count - done < 256 ? count - done : 256;

		ps_narrow(values + done, dtype, n, stored);
		ps_widen(stored, dtype, n, values + done);
	}
}

void ps_narrow_bf16(const float *src, size_t count, uint16_t *dst)
{
	for (size_t i = 0; i < count; i++)
		dst[i] = ps_f32_to_bf16(src[i]);
}
