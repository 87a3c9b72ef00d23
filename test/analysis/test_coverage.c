/* Intervals hold the truth as often as they say; studies in which nothing differs claim nothing.
 *
 *   test_coverage                      the cheap cases, and a few null studies
 *   test_coverage --table [TRIALS [NAME]]  all cases, as docs/COVERAGE.md has them (1,000
 *                                      trials), or those whose name has NAME in it
 *   test_coverage --nulls [STUDIES [FIRST]]  null studies, as there (1,000 studies from 0) */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/support/support_coverage.h"

/* Trials of the quick form: of cases over one unit, and of those over two. */
enum { QUICK = 400, QUICK_CROSSED = 60, QUICK_STUDIES = 2 };

static double share_of(const coverage_count *n)
{
	return (double)n->covered / (double)(n->trials - n->without);
}

/* How far a count of so many trials may stray: three standard errors. */
static double stray(size_t trials)
{
	return 3 * sqrt(0.95 * 0.05 / (double)trials);
}

static size_t quick_trials(const coverage_case *c)
{
	return c->windows && c->latents ? QUICK_CROSSED : QUICK;
}

static bool is_used(const coverage_case *c)
{
	return !strstr(c->name, "not used");
}

static void used_intervals_cover_what_they_say(void **state)
{
	(void)state;
	for (const coverage_case *c = coverage_cases; c->name; c++) {
		coverage_count n;

		if (!c->cheap || !is_used(c) || c->windows > 100 || c->share == 0.2)
			continue;
		n = coverage_run(c, quick_trials(c), 1);
		if (fabs(share_of(&n) - 0.95) > stray(n.trials) || n.without)
			fail_msg("%s, %zu windows, %zu latents: covers %.3f, %zu without interval",
				 c->name, c->windows, c->latents, share_of(&n), n.without);
	}
}

/* The check above can tell: intervals that are known to be too narrow fail it. */
static void narrow_intervals_are_found_out(void **state)
{
	size_t found = 0, narrow = 0;

	(void)state;
	for (const coverage_case *c = coverage_cases; c->name; c++) {
		coverage_count n;

		if (!c->cheap || is_used(c))
			continue;
		n = coverage_run(c, quick_trials(c), 1);
		narrow++;
		found += share_of(&n) < 0.95 - stray(n.trials);
	}
	assert_true(narrow == 4 && found == narrow);
}

static void null_studies_claim_nothing(void **state)
{
	const coverage_nulls n = coverage_null_studies(0, QUICK_STUDIES, 1);

	(void)state;
	assert_true(n.tests > QUICK_STUDIES * 100 && n.raw > 0);
	assert_true((double)n.raw < 0.12 * (double)n.tests);
	assert_int_equal(n.claiming_adjusted, 0);
}

static int print_table(size_t trials, const char *name)
{
	puts("| interval | windows | latents | coverage | truth below | above | without | width |");
	puts("| --- | --- | --- | --- | --- | --- | --- | --- |");
	for (const coverage_case *c = coverage_cases; c->name; c++) {
		const size_t own = c->cheap ? trials : trials / 4;
		coverage_count count;
		double with;

		if (!strstr(c->name, name))
			continue;
		count = coverage_run(c, own, 1);
		with = (double)(count.trials - count.without);
		printf("| %s", c->name);
		if (c->share > 0)
			printf(", %.2g", c->share);
		printf(" | %zu | %zu | %.1f %% | %.1f %% | %.1f %% | %zu of %zu | %.3g |\n",
		       c->windows, c->latents, 100 * share_of(&count),
		       100 * (double)count.below / with, 100 * (double)count.above / with,
		       count.without, own, count.width);
		fflush(stdout);
	}
	return 0;
}

static int print_nulls(size_t studies, size_t first)
{
	const coverage_nulls n = coverage_null_studies(first, studies, 1);

	printf("Of %zu null studies with %zu tests, %zu (%.1f %%) have a p below 0.05, and %zu "
	       "(%.1f %%) an adjusted one. Of the tests %.1f %% have a p below 0.05.\n",
	       n.studies, n.tests, n.claiming_raw, 100 * (double)n.claiming_raw / (double)n.studies,
	       n.claiming_adjusted, 100 * (double)n.claiming_adjusted / (double)n.studies,
	       100 * (double)n.raw / (double)n.tests);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(used_intervals_cover_what_they_say),
		cmocka_unit_test(narrow_intervals_are_found_out),
		cmocka_unit_test(null_studies_claim_nothing),
	};

	if (argc > 1 && !strcmp(argv[1], "--table"))
		return print_table(argc > 2 ? strtoul(argv[2], NULL, 10) : 1000,
				   argc > 3 ? argv[3] : "");
	if (argc > 1 && !strcmp(argv[1], "--nulls"))
		return print_nulls(argc > 2 ? strtoul(argv[2], NULL, 10) : 1000,
				   argc > 3 ? strtoul(argv[3], NULL, 10) : 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
