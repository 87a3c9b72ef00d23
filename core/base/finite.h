/* core/base/finite.h: finds numbers that are not finite: NaN and the infinities.
 *
 * The loops run in vectors, at about a third of an instruction a number, so readers can look at
 * every number that they hand on. */
#ifndef PS_CORE_BASE_FINITE_H
#define PS_CORE_BASE_FINITE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether all n numbers are finite. */
bool ps_all_finite(const float *x, size_t n);

/* The same for numbers stored as bf16. */
bool ps_all_finite_bf16(const uint16_t *x, size_t n);

/* The place of the first number that is not finite; n: there is none. */
size_t ps_first_not_finite(const float *x, size_t n);

/* The lesser and the greater of two numbers; NaN if one of them is NaN. (fmin and fmax would give
 * the other number, and the NaN would vanish.) */
static inline double ps_lesser(double a, double b)
{
	return isnan(a) || a < b ? a : b;
}

static inline double ps_greater(double a, double b)
{
	return isnan(a) || a > b ? a : b;
}

#endif
