/* bench/support_ceiling.h: what this CPU reaches with all threads of a pool, measured: the roofs of a roofline.
 *
 * Arithmetic: independent chains of one instruction on registers, enough of them to hide its latency, the widest
 * vectors the CPU has. Memory: a buffer of many times the last cache, read once, or copied (bytes read plus bytes
 * written, without what the caches fetch before a write). Each is the fastest of the runs that take half a second. */
#ifndef PS_BENCH_SUPPORT_CEILING_H
#define PS_BENCH_SUPPORT_CEILING_H

#include <stdbool.h>

#include "core/base/pool.h"

typedef struct bench_ceiling {
	const char *name; /* what was measured: "avx2 multiply-add", "memory read", ... */
	double rate;      /* GFLOP/s, or GB/s (10^9 bytes) */
	double seconds;   /* of the fastest run */
} bench_ceiling;

double bench_now(void); /* seconds, monotonic */

/* f32 multiply-adds, 2 FLOP an element. */
void bench_ceiling_f32(ps_pool *pool, bench_ceiling *out);
/* bf16 dot products into f32 (vdpbf16ps), 4 FLOP a lane. false: this CPU, or this compiler, has no such instruction. */
bool bench_ceiling_bf16(ps_pool *pool, bench_ceiling *out);
/* false: no memory for the buffers. */
bool bench_ceiling_read(ps_pool *pool, bench_ceiling *out);
bool bench_ceiling_copy(ps_pool *pool, bench_ceiling *out);

#endif
