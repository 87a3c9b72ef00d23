/* core/base/cpu.h: what this CPU can do, and which kernel of a table it gets. */
#ifndef PS_CORE_BASE_CPU_H
#define PS_CORE_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

/* Begins each row of a table of kernels. */
typedef struct ps_cpu_kernel {
	const char *name;        /* "avx2" */
	bool (*supported)(void); /* whether this CPU has the instructions; one of those below */
} ps_cpu_kernel;

bool ps_cpu_any(void); /* every CPU */

#if defined(__x86_64__)
bool ps_cpu_avx2(void); /* with fma and popcnt, which every CPU with AVX2 has */
bool ps_cpu_avx_vnni(void);
bool ps_cpu_avx512(void); /* the foundation */
bool ps_cpu_avx512bw(void);
bool ps_cpu_avx512_bf16(void);
bool ps_cpu_avx512_vnni(void);
#endif

/* The row of that name if this CPU has its instructions, else the first row that it has. rows:
 * (count), row_bytes each, from the best to one that every CPU supports. wish may be NULL. */
const void *ps_cpu_choose(const void *rows, size_t count, size_t row_bytes, const char *wish);

#endif
