/* bench/support_ceiling.h: measures the ceilings of this CPU, with all threads of a pool.
 *
 * Arithmetic: independent chains of one instruction on registers, enough to hide its latency, with
 * the widest vectors that the CPU has, or that PRUNESCOPE_MATMUL allows. Memory: a buffer of many
 * times the last cache, read once, or copied. A copy counts bytes read plus bytes written, without
 * what the caches fetch before a write. Each ceiling is the fastest of the runs that take half a
 * second. */
#ifndef PS_BENCH_SUPPORT_CEILING_H
#define PS_BENCH_SUPPORT_CEILING_H

#include <stdbool.h>

#include "core/base/pool.h"

typedef struct bench_ceiling {
	const char *name; /* what was measured: "avx2 multiply-add", "memory read", ... */
	double rate;      /* GFLOP/s, or GB/s (10^9 bytes) */
	double seconds;   /* of the fastest run */
} bench_ceiling;

/* Seconds that only go forward. */
double bench_now(void);

/* f32 multiply-adds: 2 FLOP for each element. */
void bench_ceiling_f32(ps_pool *pool, bench_ceiling *out);
/* bf16 dot products into f32 (vdpbf16ps): 4 FLOP for each lane. False if this CPU or compiler lacks
 * the instruction. */
bool bench_ceiling_bf16(ps_pool *pool, bench_ceiling *out);
/* Products of int16, added in pairs to int32 (vpmaddwd and vpaddd, or vpdpwssd): 4 operations for
 * each lane. False if this program knows no such instruction of the CPU. */
bool bench_ceiling_int16(ps_pool *pool, bench_ceiling *out);
/* Reading a buffer once. False if there is no memory for it. */
bool bench_ceiling_read(ps_pool *pool, bench_ceiling *out);
/* Copying a buffer. False if there is no memory for it. */
bool bench_ceiling_copy(ps_pool *pool, bench_ceiling *out);

#endif
