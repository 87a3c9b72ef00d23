/* What `study --clean` removes and what it leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test/support/support_study.h"
#include "tools/study/claim.h"
#include "tools/study/clean.h"

#define MAGNITUDE "runs/llama/magnitude-0.3/"

/* Makes what the steps of two sparsities make, then takes 0.3 out of the study file. */
static void open_shrunk(test_study *s)
{
	test_study_open(s, "[0.3, 0.5]");
	for (size_t i = 0; i < s->graph.count; i++)
		test_study_make(s, &s->graph.nodes[i]);
	test_study_reopen(s, "[0.5]");
}

static void assert_all_there(const test_study *s)
{
	const char *extra;

	for (size_t i = 0; i < s->graph.count; i++) {
		const ps_node *n = &s->graph.nodes[i];

		assert_int_equal(access(n->record, F_OK), 0);
		if (n->output)
			assert_int_equal(access(n->output, F_OK), 0);
		for (size_t e = 0; (extra = n->beside[e]); e++)
			assert_int_equal(access(extra, F_OK), 0);
	}
}

static void what_is_owned_stays_and_what_is_not_goes(void **state)
{
	test_study s;
	uint64_t bytes;
	size_t files;

	(void)state;
	open_shrunk(&s);
	test_study_write(&s, "runs/llama/dense/train-99.json");
	test_study_write(&s, "runs/llama/dense/sae/seed-99/cfg.json");
	test_study_write(&s, "runs/llama/dense/sae/seed-7/more");
	test_study_write(&s, "runs/gemma/tokens.json");
	test_study_write(&s, "notes");
	assert_int_equal(ps_study_clean(&s.graph, false, &files, &bytes), 0);
	assert_all_there(&s);
	assert_true(test_study_has(&s, "runs/llama/dense/sae/seed-7/more"));
	assert_true(test_study_has(&s, "notes"));
	assert_false(test_study_has(&s, "runs/llama/magnitude-0.3"));
	assert_false(test_study_has(&s, "runs/llama/wanda-0.3"));
	assert_false(test_study_has(&s, "runs/llama/dense/train-99.json"));
	assert_false(test_study_has(&s, "runs/llama/dense/sae/seed-99"));
	assert_false(test_study_has(&s, "runs/gemma"));
	assert_false(test_study_has(&s, "locks"));
	/* Of a condition: mask, cache and two SAEs with records, features with table, CSV and
	 * cards, and six records alone. */
	assert_int_equal(files, 2 * 18 + 3);
	assert_true(bytes > 3 * files);
	assert_int_equal(ps_study_clean(&s.graph, false, &files, &bytes), 0);
	assert_int_equal(files, 0);
	assert_int_equal(bytes, 0);
	test_study_close(&s);
}

static void a_dry_run_counts_and_removes_nothing(void **state)
{
	test_study s;
	uint64_t bytes, removed;
	size_t files, count;

	(void)state;
	open_shrunk(&s);
	assert_int_equal(ps_study_clean(&s.graph, true, &files, &bytes), 0);
	assert_all_there(&s);
	assert_true(test_study_has(&s, MAGNITUDE "mask.safetensors"));
	assert_true(test_study_has(&s, MAGNITUDE "sae/seed-42/manifest.json"));
	assert_int_equal(ps_study_clean(&s.graph, false, &count, &removed), 0);
	assert_int_equal(count, files);
	assert_int_equal(removed, bytes);
	test_study_close(&s);
}

/* The step may also be one that the study file names no longer. */
static void nothing_happens_while_somebody_holds_a_step(void **state)
{
	static const char *const steps[] = {"llama/dense/train-7", "llama/magnitude-0.3/train-7"};
	test_study s;

	(void)state;
	open_shrunk(&s);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		ps_claims *claims;
		ps_claim_holder holder;
		char locks[128];
		uint64_t bytes;
		size_t files;
		bool taken;

		snprintf(locks, sizeof locks, "%s/locks", s.out);
		assert_int_equal(ps_claims_open(&claims, locks, NULL), 0);
		assert_int_equal(ps_claim_take(claims, steps[i], &taken, &holder, NULL), 0);
		assert_true(taken);
		s.session.diag = (ps_diag){{0}};
		assert_int_equal(ps_study_clean(&s.graph, false, &files, &bytes), PS_EUSAGE);
		assert_non_null(strstr(s.session.diag.text, steps[i]));
		assert_int_equal(files, 0);
		assert_true(test_study_has(&s, MAGNITUDE "mask.safetensors"));
		assert_int_equal(ps_claim_held(claims, steps[i], &taken, NULL), 0);
		assert_true(taken);
		ps_claims_close(claims);
	}
	assert_all_there(&s);
	test_study_close(&s);
}

/* It may be the claim of a process that is at work. */
static void nothing_happens_while_a_claim_cannot_be_read(void **state)
{
	test_study s;
	char lock[128];
	uint64_t bytes;
	size_t files;

	(void)state;
	open_shrunk(&s);
	test_study_write(&s, "locks/llama+magnitude-0.3+train-7.lock/file");
	snprintf(lock, sizeof lock, "%s/locks/llama+magnitude-0.3+train-7.lock", s.out);
	assert_int_equal(ps_study_clean(&s.graph, false, &files, &bytes), PS_EINPUT);
	assert_non_null(strstr(s.session.diag.text, lock));
	assert_int_equal(files, 0);
	assert_all_there(&s);
	test_study_close(&s);
}

static void a_study_that_was_not_begun_has_nothing_to_remove(void **state)
{
	test_study s;
	uint64_t bytes = 1;
	size_t files = 1;

	(void)state;
	test_study_open(&s, "[0.5]");
	assert_int_equal(ps_study_clean(&s.graph, false, &files, &bytes), 0);
	assert_int_equal(files, 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(access(s.out, F_OK), -1);
	test_study_close(&s);
}

static void a_link_goes_and_what_it_points_to_stays(void **state)
{
	test_study s;
	char link[128], target[128];
	uint64_t bytes;
	size_t files;

	(void)state;
	open_shrunk(&s);
	test_study_write(&s, "elsewhere/file");
	snprintf(target, sizeof target, "%s/elsewhere", s.out);
	snprintf(link, sizeof link, "%s/runs/llama/link", s.out);
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(ps_study_clean(&s.graph, false, &files, &bytes), 0);
	assert_false(test_study_has(&s, "runs/llama/link"));
	assert_true(test_study_has(&s, "elsewhere/file"));
	test_study_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_owned_stays_and_what_is_not_goes),
		cmocka_unit_test(a_dry_run_counts_and_removes_nothing),
		cmocka_unit_test(nothing_happens_while_somebody_holds_a_step),
		cmocka_unit_test(nothing_happens_while_a_claim_cannot_be_read),
		cmocka_unit_test(a_study_that_was_not_begun_has_nothing_to_remove),
		cmocka_unit_test(a_link_goes_and_what_it_points_to_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
