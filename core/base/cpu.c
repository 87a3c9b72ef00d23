#include "core/base/cpu.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool ps_cpu_any(void)
{
	return true;
}

#if defined(__x86_64__)
bool ps_cpu_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
	       __builtin_cpu_supports("popcnt");
}

/* clang 14's __builtin_cpu_supports does not know this one. */
bool ps_cpu_avx_vnni(void)
{
	const unsigned avx_vnni = 1u << 4; /* of eax, leaf 7, subleaf 1 */
	unsigned a = 0, b, c, d;

	return ps_cpu_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & avx_vnni);
}

bool ps_cpu_avx512(void)
{
	return ps_cpu_avx2() && __builtin_cpu_supports("avx512f");
}

bool ps_cpu_avx512bw(void)
{
	return ps_cpu_avx512() && __builtin_cpu_supports("avx512bw");
}

bool ps_cpu_avx512_bf16(void)
{
	return ps_cpu_avx512() && __builtin_cpu_supports("avx512bf16");
}

bool ps_cpu_avx512_vnni(void)
{
	return ps_cpu_avx512bw() && __builtin_cpu_supports("avx512vnni");
}
#endif

const void *ps_cpu_choose(const void *rows, size_t count, size_t row_bytes, const char *wish)
{
	const char *row = rows, *best = NULL;

	for (size_t i = 0; i < count; i++, row += row_bytes) {
		const ps_cpu_kernel *kernel = (const void *)row;

		if (!kernel->supported())
			continue;
		if (wish && !strcmp(kernel->name, wish))
			return row;
		if (!best)
			best = row;
	}
	return best;
}
