/* core/base/clones.h: PS_CLONES before a function compiles it for AVX-512, AVX2 and the baseline.
 *
 * The loader picks one of them at start, by what the CPU can do. This is why the targets are levels
 * of x86-64: a processor's name ("arch=haswell") would match that model alone. Other compilers, and
 * sanitizers, get the baseline. */
#ifndef PS_CORE_BASE_CLONES_H
#define PS_CORE_BASE_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PS_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PS_CLONES
#endif

#endif
