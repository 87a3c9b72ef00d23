#include "core/base/dtype.h"

#include "core/base/blocks.h"
#include "core/base/checked.h"
#include "core/base/clones.h"
#include "core/base/half.h"

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
	size_t elements, bytes; /* of a block; a type without blocks has blocks of one element */
	/* NULL: no weights */
	void (*widen)(const void *src, size_t count, float *dst);
	void (*narrow)(const float *src, size_t count, void *dst); /* NULL: never written */
} dtypes[PS_DTYPE_COUNT] = {
	[PS_F64] = {"F64", 1, 8, NULL, NULL},
	[PS_I64] = {"I64", 1, 8, NULL, NULL},
	[PS_F32] = {"F32", 1, 4, widen_f32, narrow_f32},
	[PS_I32] = {"I32", 1, 4, NULL, NULL},
	[PS_BF16] = {"BF16", 1, 2, widen_bf16, narrow_bf16},
	[PS_F16] = {"F16", 1, 2, widen_f16, narrow_f16},
	[PS_U8] = {"U8", 1, 1, NULL, NULL},
	[PS_BOOL] = {"BOOL", 1, 1, NULL, NULL},
	[PS_Q4_0] = {"Q4_0", 32, 18, ps_widen_q4_0, NULL},
	[PS_Q4_1] = {"Q4_1", 32, 20, ps_widen_q4_1, NULL},
	[PS_Q5_0] = {"Q5_0", 32, 22, ps_widen_q5_0, NULL},
	[PS_Q5_1] = {"Q5_1", 32, 24, ps_widen_q5_1, NULL},
	[PS_Q8_0] = {"Q8_0", 32, 34, ps_widen_q8_0, NULL},
	[PS_Q2_K] = {"Q2_K", 256, 84, ps_widen_q2_k, NULL},
	[PS_Q3_K] = {"Q3_K", 256, 110, ps_widen_q3_k, NULL},
	[PS_Q4_K] = {"Q4_K", 256, 144, ps_widen_q4_k, NULL},
	[PS_Q5_K] = {"Q5_K", 256, 176, ps_widen_q5_k, NULL},
	[PS_Q6_K] = {"Q6_K", 256, 210, ps_widen_q6_k, NULL},
};

size_t ps_dtype_size(ps_dtype dtype)
{
	return dtypes[dtype].bytes;
}

size_t ps_dtype_block(ps_dtype dtype)
{
	return dtypes[dtype].elements;
}

size_t ps_dtype_bytes(ps_dtype dtype, size_t count)
{
	const size_t elements = dtypes[dtype].elements;

	/* A division for each strip of a row would be felt. */
	return (elements == 1 ? count : ps_div_up(count, elements)) * dtypes[dtype].bytes;
}

const char *ps_dtype_name(ps_dtype dtype)
{
	return dtypes[dtype].name;
}

bool ps_dtype_is_weight(ps_dtype dtype)
{
	return dtypes[dtype].widen;
}

int ps_dtype_parse(const char *name)
{
	for (int i = 0; i < PS_DTYPE_COUNT; i++)
		if (!strcmp(name, dtypes[i].name))
			return i;
	return -1;
}

void ps_widen(const void *src, ps_dtype dtype, size_t count, float *dst)
{
	dtypes[dtype].widen(src, count, dst);
}

/* A block that is only wanted in part is widened aside. */
void ps_widen_part(const void *src, ps_dtype dtype, size_t first, size_t count, float *dst)
{
	const size_t elements = dtypes[dtype].elements, bytes = dtypes[dtype].bytes;
	const char *block = src;
	float aside[PS_BLOCK_MAX];

	if (elements == 1) {
		dtypes[dtype].widen(block + first * bytes, count, dst);
		return;
	}
	block += first / elements * bytes;
	for (size_t skip = first % elements, n; count; skip = 0, dst += n, count -= n) {
		if (skip || count < elements) {
			n = ps_min_size(elements - skip, count);
			dtypes[dtype].widen(block, elements, aside);
			memcpy(dst, aside + skip, n * sizeof *dst);
			block += bytes;
		} else {
			n = count / elements * elements;
			dtypes[dtype].widen(block, n, dst);
			block += n / elements * bytes;
		}
	}
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
