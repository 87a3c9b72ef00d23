#include "analysis/interval.h"

#include "analysis/distributions.h"

/* Rounded, so that the last bit of a C library's exp does not reach a result. */
#define QUANTILE_STEP 1e-6
#define P_STEP 1e-12

const char *ps_unit_name(ps_unit unit)
{
	static const char *const names[] = {
		[PS_UNIT_WINDOWS] = "windows", [PS_UNIT_BLOCKS] = "blocks of windows",
		[PS_UNIT_LATENTS] = "latents", [PS_UNIT_WINDOWS_LATENTS] = "windows and latents",
		[PS_UNIT_SEEDS] = "seeds",     [PS_UNIT_WINDOWS_SEEDS] = "windows and seeds",
		[PS_UNIT_MODELS] = "models"};

	return names[unit];
}

const char *ps_interval_kind_name(ps_interval_kind kind)
{
	static const char *const names[] = {
		[PS_KIND_T] = "t", [PS_KIND_TWO_WAY] = "two-way", [PS_KIND_DELONG] = "DeLong"};

	return names[kind];
}

const char *ps_no_interval_name(ps_no_interval_reason why)
{
	static const char *const names[] = {[PS_WHY_FEW] = "too few",
					    [PS_WHY_CONSTANT] = "no variation",
					    [PS_WHY_UNDEFINED] = "not defined"};

	return names[why];
}

static ps_no_interval_reason reason(const ps_interval *i)
{
	if (!isfinite(i->estimate))
		return PS_WHY_UNDEFINED;
	/* Before the error is looked at: that of a single unit is not defined. */
	if (i->n < PS_CLUSTERS_LEAST)
		return PS_WHY_FEW;
	if (isnan(i->error))
		return PS_WHY_UNDEFINED;
	return i->error > 0 ? PS_WHY_NONE : PS_WHY_CONSTANT;
}

void ps_interval_set(ps_interval *i, const ps_interval_law *law)
{
	double t, distance;

	i->low = i->high = i->p = (double)NAN;
	i->why = reason(i);
	if (i->why)
		return;
	t = ps_student_quantile((1 + law->confidence) / 2, law->df);
	t = rint(t / QUANTILE_STEP) * QUANTILE_STEP;
	i->low = i->estimate - t * i->error;
	i->high = i->estimate + t * i->error;
	distance = fabs(i->estimate - law->null_value) / i->error;
	i->p = rint(2 * ps_student_tail(distance, law->df) / P_STEP) * P_STEP;
}

void ps_interval_clip(ps_interval *interval, double least, double largest)
{
	if (interval->low < least)
		interval->low = least;
	if (interval->high > largest)
		interval->high = largest;
}

/* How many numbers of the family come before p[i]: the smaller ones, and of equal ones those with a
 * lower index. */
static size_t place_of(const double *p, size_t count, size_t i)
{
	size_t before = 0;

	for (size_t j = 0; j < count; j++)
		before += p[j] < p[i] || (j < i && p[j] == p[i]);
	return before;
}

void ps_holm(const double *p, size_t count, double *adjusted)
{
	size_t family = 0;

	for (size_t i = 0; i < count; i++)
		family += !isnan(p[i]);
	for (size_t i = 0; i < count; i++) {
		double largest = isnan(p[i]) ? (double)NAN : 0;

		for (size_t j = 0; j < count; j++) {
			double own;

			if (!(p[j] <= p[i]))
				continue;
			own = (double)(family - place_of(p, count, j)) * p[j];
			largest = own > largest ? own : largest;
		}
		adjusted[i] = largest > 1 ? 1 : largest;
	}
}
