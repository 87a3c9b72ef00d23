/* core/base/clock.h: the clock that every measurement of time uses. */
#ifndef PS_CORE_BASE_CLOCK_H
#define PS_CORE_BASE_CLOCK_H

#include <time.h>

/* Seconds since an arbitrary start; they never go back. */
static inline double ps_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
