/* One macro makes the f32 tiles: their loops are the same for every CPU, only the width of its
 * vectors differs. (A vector type wider than the CPU's would live in memory.)
 *
 * A tile is 12 x 2 vectors with 32 registers and 6 x 2 with 16. Its sums, two vectors of W and a
 * broadcast of X fill the registers, and 12 independent chains hide the latency of a
 * multiply-add. */
#include "core/model/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/base/cpu.h"
#include "core/model/int16_kernel.h"

/* Columns of a block. Short sums keep f32's error near that of the programs it is compared with.
 * With bf16, the rounding of the operands is larger than what a longer sum adds. */
#define F32_BLOCK ((size_t)256)
#define BF16_BLOCK ((size_t)512)

#define ELEMENTS 2 /* vectors of W in a slice of a panel */

#define ADD_OR_STORE(FLOATS, LANES, TOKENS)                                                        \
	for (size_t t = 0; t < TOKENS; t++)                                                        \
		for (size_t v = 0; v < ELEMENTS; v++) {                                            \
			FLOATS *place = (FLOATS *)(tile + (t * ELEMENTS + v) * LANES),             \
			       total = (FLOATS)sum[t][v];                                          \
                                                                                                   \
			if (add)                                                                   \
				total += *place;                                                   \
			*place = total;                                                            \
		}

/* The f32 tile for vectors of LANES floats, and the type of such a vector. */
#define DEFINE_TILE(ISA, ATTRIBUTES, LANES, TOKENS)                                                \
	typedef float floats_##ISA __attribute__((vector_size(4 * LANES), aligned(4), may_alias)); \
                                                                                                   \
	ATTRIBUTES static void tile_f32_##ISA(const ps_kernel *kernel, size_t slices,              \
					      const void *x_panel, const void *w_panel,            \
					      float *tile, bool add)                               \
	{                                                                                          \
		const float *x = x_panel, *w = w_panel;                                            \
		floats_##ISA sum[TOKENS][ELEMENTS] = {{{0}}};                                      \
                                                                                                   \
		(void)kernel;                                                                      \
		for (size_t s = 0; s < slices; s++, x += TOKENS, w += ELEMENTS * LANES) {          \
			floats_##ISA low = *(const floats_##ISA *)w,                               \
				     high = *(const floats_##ISA *)(w + LANES);                    \
                                                                                                   \
			_Pragma("GCC unroll 12") for (size_t t = 0; t < TOKENS; t++)               \
			{                                                                          \
				sum[t][0] += x[t] * low;                                           \
				sum[t][1] += x[t] * high;                                          \
			}                                                                          \
		}                                                                                  \
		_Pragma("GCC unroll 12") ADD_OR_STORE(floats_##ISA, LANES, TOKENS)                 \
	}

DEFINE_TILE(ref, , 4, 6)

#if defined(__x86_64__)
DEFINE_TILE(avx2, __attribute__((target("avx2,fma"))), 8, 6)
DEFINE_TILE(avx512, __attribute__((target("avx512f"))), 16, 12)

__attribute__((target("avx512f,avx512bf16"))) static void
tile_bf16_avx512(const ps_kernel *kernel, size_t slices, const void *x_panel, const void *w_panel,
		 float *tile, bool add)
{
	enum { LANES = 16, TOKENS = 12 };
	const uint32_t *x = x_panel, *w = w_panel;
	__m512 sum[TOKENS][ELEMENTS];

	(void)kernel;
#pragma GCC unroll 12
	for (size_t t = 0; t < TOKENS; t++)
		sum[t][0] = sum[t][1] = _mm512_setzero_ps();
	for (size_t s = 0; s < slices; s++, x += TOKENS, w += ELEMENTS * LANES) {
		__m512bh low = (__m512bh)_mm512_loadu_si512(w),
			 high = (__m512bh)_mm512_loadu_si512(w + LANES);

#pragma GCC unroll 12
		for (size_t t = 0; t < TOKENS; t++) {
			__m512bh pair = (__m512bh)_mm512_set1_epi32((int)x[t]);

			sum[t][0] = _mm512_dpbf16_ps(sum[t][0], pair, low);
			sum[t][1] = _mm512_dpbf16_ps(sum[t][1], pair, high);
		}
	}
#pragma GCC unroll 12
	ADD_OR_STORE(floats_avx512, LANES, TOKENS)
}
#endif

static void tile_blis_rows(const ps_kernel *kernel, size_t slices, const void *x, const void *w,
			   float *tile, bool add)
{
	ps_blis_kernel_run(&kernel->blis, slices, x, w, tile, add);
}

/* A kernel that prefers columns gets the operands exchanged: the transposed tile column-major is
 * the tile row-major. */
static void tile_blis_columns(const ps_kernel *kernel, size_t slices, const void *x, const void *w,
			      float *tile, bool add)
{
	ps_blis_kernel_run(&kernel->blis, slices, w, x, tile, add);
}

/* From the worst to the best. */
static const ps_kernel_row rows[] = {
	{"ref", ps_cpu_any, PS_PACK_F32, 6, 8, tile_f32_ref},
#if defined(__x86_64__)
	{"avx2", ps_cpu_avx2, PS_PACK_F32, 6, 16, tile_f32_avx2},
#endif
	{"blis", ps_cpu_any, PS_PACK_F32, 0, 0, NULL},
#if defined(__x86_64__)
	{"avx512", ps_cpu_avx512, PS_PACK_F32, 12, 32, tile_f32_avx512},
	{"avx512_bf16", ps_cpu_avx512_bf16, PS_PACK_PAIRS, 12, 32, tile_bf16_avx512},
#endif
};

#define ROWS (sizeof rows / sizeof *rows)

static const char *const precision_names[PS_PRECISIONS] = {"f32", "bf16", "int16"};

const char *ps_precision_name(ps_precision precision)
{
	return precision_names[precision];
}

int ps_precision_parse(const char *name, ps_precision *precision, ps_diag *diag)
{
	for (int p = 0; p < PS_PRECISIONS; p++)
		if (!strcmp(precision_names[p], name)) {
			*precision = (ps_precision)p;
			return 0;
		}
	return ps_fail(diag, PS_EUSAGE, "precision %s: must be f32, bf16 or int16", name);
}

/* How many of count rows may be chosen from: up to the wished one, or all if there is no such
 * row. */
static size_t rows_allowed(const ps_kernel_row *table, size_t count, const char *wish)
{
	for (size_t i = 0; wish && i < count; i++)
		if (!strcmp(table[i].isa, wish))
			return i + 1;
	return count;
}

/* Takes BLIS's kernel. False if its panels do not fit, or if BLIS does not know this CPU and nobody
 * asked for it by name. */
static bool take_blis(ps_kernel *kernel, bool wished)
{
	ps_blis_kernel blis = ps_blis_kernel_query();

	if (blis.mr > PS_PANEL_MAX || blis.nr > PS_PANEL_MAX ||
	    (blis.rows ? blis.nr : blis.mr) % 2 || (!wished && !strcmp(blis.arch, "generic")))
		return false;
	kernel->blis = blis;
	kernel->tile = blis.rows ? tile_blis_rows : tile_blis_columns;
	kernel->x_panel = blis.rows ? blis.mr : blis.nr;
	kernel->w_panel = blis.rows ? blis.nr : blis.mr;
	return true;
}

static size_t block_of(ps_precision precision)
{
	static const size_t blocks[PS_PRECISIONS] = {F32_BLOCK, BF16_BLOCK, PS_INT16_BLOCK};

	return blocks[precision];
}

static bool take_row(const ps_kernel_row *row, ps_precision precision, const char *wish,
		     ps_kernel *kernel)
{
	const bool by_f32 = precision == PS_PRECISION_BF16 && row->packing == PS_PACK_F32;

	*kernel = (ps_kernel){
		.packing = by_f32 ? PS_PACK_ROUNDED : row->packing,
		.x_panel = row->x_panel,
		.w_panel = row->w_panel,
		.block = block_of(precision),
		.tile = row->tile,
	};
	if (!row->supported() ||
	    (row->packing == PS_PACK_PAIRS && precision != PS_PRECISION_BF16) ||
	    (!row->tile && !take_blis(kernel, wish && !strcmp(wish, row->isa))))
		return false;
	snprintf(kernel->name, sizeof kernel->name, "%s%s%s, %s%s (%zux%zu)", row->isa,
		 row->tile ? "" : " ", row->tile ? "" : kernel->blis.arch,
		 ps_precision_name(precision), by_f32 ? " by f32" : "", kernel->x_panel,
		 kernel->w_panel);
	return true;
}

static bool has_row(const ps_kernel_row *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(table[i].isa, name))
			return true;
	return false;
}

static void append_name(char *names, size_t size, const char *name)
{
	const size_t length = strlen(names);

	snprintf(names + length, size - length, "%s%s", length ? ", " : "", name);
}

/* PS_EUSAGE: no kernel of this architecture has the wished name. */
static int check_wish(const char *wish, ps_diag *diag)
{
	char names[160] = "";

	if (!*wish || has_row(rows, ROWS, wish) || has_row(ps_int16_rows, ps_int16_row_count, wish))
		return 0;
	for (size_t i = 0; i < ROWS; i++)
		append_name(names, sizeof names, rows[i].isa);
	for (size_t i = 0; i < ps_int16_row_count; i++)
		if (!has_row(rows, ROWS, ps_int16_rows[i].isa))
			append_name(names, sizeof names, ps_int16_rows[i].isa);
	return ps_fail(diag, PS_EUSAGE,
		       "PRUNESCOPE_MATMUL=%s: no kernel here has that name; there are %s", wish,
		       names);
}

int ps_kernel_prepare(ps_diag *diag)
{
	const char *wish = getenv("PRUNESCOPE_MATMUL");
	const int rc = wish ? check_wish(wish, diag) : 0;
	size_t i = rows_allowed(rows, ROWS, wish);

	if (rc)
		return rc;
	/* BLIS is asked if no row above its own serves f32. A CPU with a row for bf16 pairs
	 * also has a row for f32 above BLIS. */
	while (i > 0 && rows[i - 1].tile &&
	       (rows[i - 1].packing == PS_PACK_PAIRS || !rows[i - 1].supported()))
		i--;
	if (i > 0 && !rows[i - 1].tile && !ps_blis_prepare())
		return ps_fail(diag, PS_EBUDGET, "no memory for BLIS");
	return 0;
}

ps_kernel ps_kernel_choose(ps_precision precision)
{
	const bool int16 = precision == PS_PRECISION_INT16;
	const ps_kernel_row *table = int16 ? ps_int16_rows : rows;
	const char *wish = getenv("PRUNESCOPE_MATMUL");
	ps_kernel kernel;
	size_t i = rows_allowed(table, int16 ? ps_int16_row_count : ROWS, wish);

	/* Ends at the latest with the first row, which every CPU supports. */
	while (i > 0 && !take_row(&table[i - 1], precision, wish, &kernel))
		i--;
	return kernel;
}

ps_kernel ps_kernel_choose_attention(ps_precision precision)
{
	return ps_kernel_choose(precision == PS_PRECISION_INT16 ? PS_PRECISION_F32 : precision);
}

ps_kernel ps_kernel_of_bits(ps_precision precision)
{
	ps_kernel kernel = ps_kernel_choose_attention(precision);
	const size_t length = strlen(kernel.name);

	if (precision == PS_PRECISION_INT16)
		snprintf(kernel.name + length, sizeof kernel.name - length, " and int16");
	return kernel;
}
