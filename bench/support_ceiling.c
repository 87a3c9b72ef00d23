#include "bench/support_ceiling.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "core/base/clones.h"
#include "core/model/kernel.h"

#define SECONDS 2.0 /* other work on the machine seldom lasts longer */
#define STEPS ((size_t)1 << 17)
#define ITEMS 16 /* of each thread, in a run */
#define BUFFER_BYTES ((size_t)512 << 20)
#define SLICE_BYTES ((size_t)1 << 20)
#define SLICES (BUFFER_BYTES / SLICE_BYTES)
#define SINKS 64

/* The chains of one item: STEPS times `flop`. Their sum is stored; else the compiler would leave
 * the work out. */
struct instruction {
	const char *name;
	float (*run)(float start);
	double flop;
};

struct arithmetic {
	const struct instruction *instruction;
	float sink[SINKS];
};

struct memory {
	const char *from;
	char *to; /* NULL: only read */
	uint64_t sink[SINKS];
};

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double best(ps_pool *pool, size_t items, ps_pool_fn fn, void *context)
{
	double fastest = INFINITY, begin = bench_now();

	for (int i = 0; i < 3 || bench_now() - begin < SECONDS; i++) {
		double start = bench_now();

		ps_pool_run(pool, items, fn, context);
		fastest = fmin(fastest, bench_now() - start);
	}
	return fastest;
}

/* Every chain of a kernel starts with another value; else the compiler would see that they are all
 * the same. */
PS_CLONES
static float run_portable(float start)
{
	float sum[64];

	for (int c = 0; c < 64; c++)
		sum[c] = start + (float)c;
	for (size_t i = 0; i < STEPS; i++)
		for (int c = 0; c < 64; c++)
			sum[c] = sum[c] * 0.5f + 0.5f;
	for (int c = 1; c < 64; c++)
		sum[0] += sum[c];
	return sum[0];
}

static const struct instruction portable = {"portable multiply-add", run_portable, 2 * 64};

#ifdef __x86_64__
__attribute__((target("avx2,fma"))) static float run_avx2(float start)
{
	const __m256 half = _mm256_set1_ps(0.5f);
	__m256 sum[12];

	for (int c = 0; c < 12; c++)
		sum[c] = _mm256_set1_ps(start + (float)c);
	for (size_t i = 0; i < STEPS; i++)
#pragma GCC unroll 12
		for (int c = 0; c < 12; c++)
			sum[c] = _mm256_fmadd_ps(sum[c], half, half);
	for (int c = 1; c < 12; c++)
		sum[0] = _mm256_add_ps(sum[0], sum[c]);
	return _mm256_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f"))) static float run_avx512(float start)
{
	const __m512 half = _mm512_set1_ps(0.5f);
	__m512 sum[24];

	for (int c = 0; c < 24; c++)
		sum[c] = _mm512_set1_ps(start + (float)c);
	for (size_t i = 0; i < STEPS; i++)
#pragma GCC unroll 24
		for (int c = 0; c < 24; c++)
			sum[c] = _mm512_fmadd_ps(sum[c], half, half);
	for (int c = 1; c < 24; c++)
		sum[0] = _mm512_add_ps(sum[0], sum[c]);
	return _mm512_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) static float run_bf16(float start)
{
	const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
	__m512 sum[24];

	for (int c = 0; c < 24; c++)
		sum[c] = _mm512_set1_ps(start + (float)c);
	for (size_t i = 0; i < STEPS; i++)
#pragma GCC unroll 24
		for (int c = 0; c < 24; c++)
			sum[c] = _mm512_dpbf16_ps(sum[c], ones, ones);
	for (int c = 1; c < 24; c++)
		sum[0] = _mm512_add_ps(sum[0], sum[c]);
	return _mm512_cvtss_f32(sum[0]);
}

/* Sums in registers, as in core/model/int16_kernel.c. Without volatile one product would serve all
 * chains. */
#define INT16_CHAINS(NAME, TARGET, VECTOR, COUNT, SET, STEP)                                       \
	__attribute__((target(TARGET))) static float run_##NAME(float start)                       \
	{                                                                                          \
		const VECTOR ones = SET(1);                                                        \
		VECTOR sum[COUNT];                                                                 \
                                                                                                   \
		_Pragma("GCC unroll 24") for (int c = 0; c < COUNT; c++) sum[c] =                  \
			SET((int)start + c);                                                       \
		for (size_t i = 0; i < STEPS; i++) {                                               \
			_Pragma("GCC unroll 24") for (int c = 0; c < COUNT; c++)                   \
			{                                                                          \
				STEP                                                               \
			}                                                                          \
		}                                                                                  \
		_Pragma("GCC unroll 24") for (int c = 1; c < COUNT; c++) sum[0] ^= sum[c];         \
		return (float)sum[0][0];                                                           \
	}

#define STEP_TWO(REGISTER, VECTOR)                                                                 \
	VECTOR product;                                                                            \
	__asm__ volatile("vpmaddwd %1, %1, %0" : "=" REGISTER(product) : REGISTER(ones));          \
	__asm__("vpaddd %1, %0, %0" : "+" REGISTER(sum[c]) : REGISTER(product));
#define STEP_ONE(INSTRUCTION, REGISTER)                                                            \
	__asm__(INSTRUCTION " %1, %1, %0" : "+" REGISTER(sum[c]) : REGISTER(ones));

INT16_CHAINS(int16_avx2, "avx2", __m256i, 12, _mm256_set1_epi32, STEP_TWO("x", __m256i))
INT16_CHAINS(int16_avx_vnni, "avx2,avxvnni", __m256i, 12, _mm256_set1_epi32,
	     STEP_ONE("%{vex%} vpdpwssd", "x"))
INT16_CHAINS(int16_avx512bw, "avx512f,avx512bw", __m512i, 24, _mm512_set1_epi32,
	     STEP_TWO("v", __m512i))
INT16_CHAINS(int16_avx512_vnni, "avx512f,avx512bw,avx512vnni", __m512i, 24, _mm512_set1_epi32,
	     STEP_ONE("vpdpwssd", "v"))

static const struct {
	const char *isa; /* of the kernel */
	struct instruction instruction;
} int16[] = {
	{"avx2", {"avx2 int16 multiply and add", run_int16_avx2, 4 * 8 * 12}},
	{"avx_vnni", {"avx_vnni int16 dot", run_int16_avx_vnni, 4 * 8 * 12}},
	{"avx512bw", {"avx512bw int16 multiply and add", run_int16_avx512bw, 4 * 16 * 24}},
	{"avx512_vnni", {"avx512_vnni int16 dot", run_int16_avx512_vnni, 4 * 16 * 24}},
};

static const struct instruction avx2 = {"avx2 multiply-add", run_avx2, 2 * 8 * 12};
static const struct instruction avx512 = {"avx512 multiply-add", run_avx512, 2 * 16 * 24};
static const struct instruction bf16 = {"avx512 bf16 dot", run_bf16, 4 * 16 * 24};

/* Without AVX-512 if PRUNESCOPE_MATMUL rules that out. */
static const struct instruction *choose_f32(void)
{
	const ps_kernel kernel = ps_kernel_choose(PS_PRECISION_F32);

	if (__builtin_cpu_supports("avx512f") && !strncmp(kernel.name, "avx512", 6))
		return &avx512;
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2 : &portable;
}

static const struct instruction *choose_bf16(void)
{
	return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512bf16") ? &bf16
											  : NULL;
}

static const struct instruction *choose_int16(void)
{
	const ps_kernel kernel = ps_kernel_choose(PS_PRECISION_INT16);

	for (size_t i = 0; i < sizeof int16 / sizeof *int16; i++)
		if (!strncmp(kernel.name, int16[i].isa, strcspn(kernel.name, ",")))
			return &int16[i].instruction;
	return NULL;
}
#else
static const struct instruction *choose_f32(void)
{
	return &portable;
}

static const struct instruction *choose_bf16(void)
{
	return NULL;
}

static const struct instruction *choose_int16(void)
{
	return NULL;
}
#endif

static void run_chains(void *context, size_t item, int worker)
{
	struct arithmetic *a = context;

	a->sink[worker % SINKS] = a->instruction->run((float)item);
}

static void measure(ps_pool *pool, const struct instruction *instruction, bench_ceiling *out)
{
	struct arithmetic a = {.instruction = instruction};
	const size_t items = ITEMS * (size_t)ps_pool_threads(pool);

	out->name = instruction->name;
	out->seconds = best(pool, items, run_chains, &a);
	out->rate = instruction->flop * (double)STEPS * (double)items / out->seconds * 1e-9;
}

void bench_ceiling_f32(ps_pool *pool, bench_ceiling *out)
{
	measure(pool, choose_f32(), out);
}

bool bench_ceiling_bf16(ps_pool *pool, bench_ceiling *out)
{
	const struct instruction *instruction = choose_bf16();

	if (instruction)
		measure(pool, instruction, out);
	return instruction != NULL;
}

bool bench_ceiling_int16(ps_pool *pool, bench_ceiling *out)
{
	const struct instruction *instruction = choose_int16();

	if (instruction)
		measure(pool, instruction, out);
	return instruction != NULL;
}

PS_CLONES
static uint64_t sum_slice(const char *from)
{
	uint64_t sum[32] = {0}, part[32];

	for (size_t i = 0; i < SLICE_BYTES; i += sizeof part) {
		memcpy(part, from + i, sizeof part);
		for (int j = 0; j < 32; j++)
			sum[j] += part[j];
	}
	for (int j = 1; j < 32; j++)
		sum[0] += sum[j];
	return sum[0];
}

static void move_slice(void *context, size_t item, int worker)
{
	struct memory *m = context;

	if (m->to)
		memcpy(m->to + item * SLICE_BYTES, m->from + item * SLICE_BYTES, SLICE_BYTES);
	else
		m->sink[worker % SINKS] += sum_slice(m->from + item * SLICE_BYTES);
}

static bool measure_memory(ps_pool *pool, const char *name, bool copy, bench_ceiling *out)
{
	char *from = malloc(BUFFER_BYTES), *to = copy ? malloc(BUFFER_BYTES) : NULL;
	struct memory m = {.from = from, .to = to};
	const bool enough = from && (to || !copy);

	if (enough) {
		memset(from, 1, BUFFER_BYTES);
		out->name = name;
		out->seconds = best(pool, SLICES, move_slice, &m);
		out->rate = (double)BUFFER_BYTES * (copy ? 2 : 1) / out->seconds * 1e-9;
	}
	free(from);
	free(to);
	return enough;
}

bool bench_ceiling_read(ps_pool *pool, bench_ceiling *out)
{
	return measure_memory(pool, "memory read", false, out);
}

bool bench_ceiling_copy(ps_pool *pool, bench_ceiling *out)
{
	return measure_memory(pool, "memory copy", true, out);
}
