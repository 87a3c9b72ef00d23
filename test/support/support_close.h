/* support_close.h: compares computed numbers with expected ones, for every numeric test.
 *
 * A closeness collects the errors of any number of values. An assertion at the end compares the
 * largest error with a threshold. The error of one value is |got - want| / unit. The error is
 * infinite, so that the value cannot pass, if
 * - one side is NaN (or both are),
 * - one side is infinite and the other is not the same infinity.
 *
 *	closeness c = {0};
 *	for (...)
 *		closeness_add(&c, got[i], want[i], 1);
 *	assert_closeness(&c, "logits", 1e-6);
 */
#ifndef PS_TEST_SUPPORT_SUPPORT_CLOSE_H
#define PS_TEST_SUPPORT_SUPPORT_CLOSE_H

#include <stdbool.h>
#include <stddef.h>

/* Starts as {0}. */
typedef struct closeness {
	size_t count;     /* values compared so far */
	double largest;   /* the largest finite |want| of them */
	double error;     /* the largest error of them; INFINITY if one was not finite */
	double got, want; /* the value with that error */
	size_t place;     /* its number, in the order of adding, from 0 */
	const char *name; /* its name, or NULL */
} closeness;

/* Adds one value. A unit of 0 demands that got equals want. */
void closeness_add(closeness *c, double got, double want, double unit);

/* The same. The message on failure gives the name of the worst value. name must outlive c. */
void closeness_add_named(closeness *c, const char *name, double got, double want, double unit);

/* Adds count values, in units of 1. */
void closeness_add_floats(closeness *c, const float *got, const float *want, size_t count);
void closeness_add_doubles(closeness *c, const double *got, const double *want, size_t count);

/* The largest error as a share of the largest |want|. Use it when the values share one scale.
 * INFINITY if there is an error and every want is 0. */
double closeness_share(const closeness *c);

/* True if at least one value was compared and error is at most limit; error is c->error or
 * closeness_share(c). Writes one line to text: what was compared, the error and the threshold. On
 * failure the line also gives the worst value and its place. */
bool closeness_judge(const closeness *c, const char *what, double error, double limit, char *text,
		     size_t text_bytes);

/* Print that line, and fail the running test unless the largest error is at most limit. The second
 * compares the error's share of the largest |want|. */
#define assert_closeness(c, what, limit)                                                           \
	closeness_assert_at((c), (what), (c)->error, (limit), __FILE__, __LINE__)
#define assert_closeness_share(c, what, limit)                                                     \
	closeness_assert_at((c), (what), closeness_share(c), (limit), __FILE__, __LINE__)

/* Fails the running test unless |got - want| <= limit; prints nothing otherwise. */
#define assert_near(got, want, limit)                                                              \
	near_assert_at((got), (want), (limit), #got, __FILE__, __LINE__)

/* What the macros call. */
void closeness_assert_at(const closeness *c, const char *what, double error, double limit,
			 const char *file, int line);
void near_assert_at(double got, double want, double limit, const char *what, const char *file,
		    int line);

#endif
