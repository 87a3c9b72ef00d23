/* Every row goes through f32, even one that is stored and packed as bf16. So decoders, edits
 * and packers need not know each other, and a strip of 256 columns stays in the first cache
 * meanwhile. The one short cut is measured: most weights are bf16 without an edit, and packing
 * them in one step takes 0.58 ns a weight from memory instead of 0.70 (AMD Zen 3). */
#include "core/model/row_stage.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/clones.h"
#include "core/base/finite.h"

_Static_assert(PS_STAGE_COLUMNS % PS_INT16_BLOCK == 0, "a strip has whole blocks");

#define LINE_BYTES ((size_t)64) /* of the caches */

typedef uint32_t word __attribute__((may_alias)); /* the bits of a float */

/* Packers. */

/* Bits of a float rounded to bf16, in the high half; as ps_f32_to_bf16, for the compiler to
 * vectorise. */
static inline uint32_t rounded(uint32_t bits)
{
	uint32_t nan = bits | 0x400000u, near = bits + 0x7fffu + (bits >> 16 & 1);

	return ((bits & 0x7fffffffu) > 0x7f800000u ? nan : near) & 0xffff0000u;
}

static void copy_row(const float *x, size_t n, uint32_t *elements)
{
	memcpy(elements, x, n * sizeof *elements);
}

PS_CLONES
static void round_row(const float *restrict x, size_t n, uint32_t *restrict elements)
{
	const word *bits = (const word *)x;

	for (size_t i = 0; i < n; i++)
		elements[i] = rounded(bits[i]);
}

PS_CLONES
static void pair_row(const float *restrict x, size_t n, uint32_t *restrict elements)
{
	const word *bits = (const word *)x;

	for (size_t i = 0; i < n / 2; i++)
		elements[i] = rounded(bits[2 * i]) | rounded(bits[2 * i + 1]) >> 16;
	if (n % 2)
		elements[n / 2] = rounded(bits[n - 1]);
}

PS_CLONES
static void pair_bf16_row(const uint16_t *restrict stored, size_t n, uint32_t *restrict elements)
{
	for (size_t i = 0; i < n / 2; i++)
		elements[i] = (uint32_t)stored[2 * i] << 16 | stored[2 * i + 1];
	if (n % 2)
		elements[n / 2] = (uint32_t)stored[n - 1] << 16;
}

static void copy_slice(const float *x, const float *next, size_t n, uint32_t *elements)
{
	(void)next;
	copy_row(x, n, elements);
}

static void round_slice(const float *x, const float *next, size_t n, uint32_t *elements)
{
	(void)next;
	round_row(x, n, elements);
}

PS_CLONES
static void pair_slice(const float *restrict x, const float *restrict next, size_t n,
		       uint32_t *restrict elements)
{
	const word *high = (const word *)x, *low = (const word *)next;

	for (size_t i = 0; i < n; i++)
		elements[i] = rounded(high[i]) | (next ? rounded(low[i]) >> 16 : 0);
}

static void unpack_words(const uint32_t *elements, size_t step, size_t n, float *x)
{
	for (size_t k = 0; k < n; k++)
		memcpy(x + k, elements + k * step, sizeof *x);
}

static void unpack_pairs(const uint32_t *elements, size_t step, size_t n, float *x)
{
	for (size_t k = 0; k < n; k++) {
		const uint32_t pair = elements[k / 2 * step];

		x[k] = ps_bf16_to_f32((uint16_t)(k % 2 ? pair : pair >> 16));
	}
}

/* What each function does is said at the function of row_stage.h that calls it. */
static const struct packer {
	void (*row)(const float *x, size_t n, uint32_t *elements);
	/* NULL: a packing in blocks, whose slices cannot be made one by one. */
	void (*slice)(const float *x, const float *next, size_t n, uint32_t *elements);
	void (*unpack)(const uint32_t *elements, size_t step, size_t n, float *x);
	/* The short cut: row without its decoding and rounding, for stored bf16; NULL: there is
	 * none. */
	void (*bf16_row)(const uint16_t *stored, size_t n, uint32_t *elements);
} packers[PS_PACKINGS] = {
	[PS_PACK_F32] = {copy_row, copy_slice, unpack_words, NULL},
	[PS_PACK_ROUNDED] = {round_row, round_slice, unpack_words, NULL},
	[PS_PACK_PAIRS] = {pair_row, pair_slice, unpack_pairs, pair_bf16_row},
	[PS_PACK_INT16] = {ps_int16_pack, NULL, ps_int16_unpack, NULL},
};

/* The short cut. It copies the strip first: a string move reads memory faster than the loop over
 * columns does. */
static bool pack_bf16(const void *stored, size_t n, ps_packing packing, uint32_t *elements)
{
	uint16_t halves[PS_STAGE_COLUMNS] __attribute__((aligned(LINE_BYTES)));

	n = ps_min_size(n, PS_STAGE_COLUMNS); /* known to the compiler, it moves them in place */
	memcpy(halves, stored, n * sizeof *halves);
	packers[packing].bf16_row(halves, n, elements);
	return ps_all_finite_bf16(halves, n);
}

/* Asks for bytes that will be read soon. */
static void fetch(const char *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += LINE_BYTES)
		__builtin_prefetch(from + i);
}

bool ps_stage_weights(const ps_weight *w, size_t row, size_t first, size_t n, ps_packing packing,
		      uint32_t *elements)
{
	const char *stored = (const char *)w->data + ps_weight_at(w, row, first);
	const size_t bytes = ps_dtype_bytes(w->dtype, n);
	float values[PS_STAGE_COLUMNS] __attribute__((aligned(LINE_BYTES)));

	if (w->dtype == PS_BF16 && packers[packing].bf16_row && !ps_edit_any(&w->edit))
		return pack_bf16(stored, n, packing, elements);
	fetch(stored + bytes, bytes); /* the row's next strip */
	ps_weight_decode(w, row, first, n, values);
	if (ps_edit_any(&w->edit))
		ps_edit_apply(&w->edit, &(ps_edit_place){row, first, w->cols, ps_weight_written(w)},
			      n, values);
	packers[packing].row(values, n, elements);
	return ps_all_finite(values, n);
}

void ps_stage_values(ps_packing packing, const float *x, size_t n, uint32_t *elements)
{
	packers[packing].row(x, n, elements);
}

void ps_stage_slice(ps_packing packing, const float *x, const float *next, size_t n,
		    uint32_t *elements)
{
	packers[packing].slice(x, next, n, elements);
}

void ps_stage_unpack(ps_packing packing, const uint32_t *elements, size_t step, size_t n, float *x)
{
	packers[packing].unpack(elements, step, n, x);
}
