/* What counts as a finished step: a record with its key, and the outputs that the record names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test/support/support_study.h"

#define MASK "llama/magnitude-0.5/mask"
#define MASK_FILE "runs/llama/magnitude-0.5/mask.safetensors"

#define SAE "llama/dense/train-7"
#define SAE_MANIFEST "runs/llama/dense/sae/seed-7/manifest.json"

static void open_done(test_study *s)
{
	test_study_open(s, "[0.5]");
	for (size_t i = 0; i < s->graph.count; i++)
		test_study_make(s, &s->graph.nodes[i]);
	test_study_reopen(s, "[0.5]");
}

static void look(test_study *s)
{
	if (ps_graph_look_all(&s->graph))
		fail_msg("%s", s->session.diag.text);
}

static void assert_state(test_study *s, const char *id, ps_node_state state, const char *reason)
{
	const ps_node *n = test_study_find(s, id);
	char said[256];

	assert_int_equal(n->state, state);
	ps_graph_reason(&s->graph, n, said, sizeof said);
	assert_string_equal(said, reason);
}

static void put(const test_study *s, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", s->out, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void take_away(const test_study *s, const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", s->out, name);
	assert_int_equal(unlink(path), 0);
}

static void all_is_done_with_the_recorded_outputs(void **state)
{
	test_study s;

	(void)state;
	open_done(&s);
	assert_int_equal(ps_graph_done(&s.graph), s.graph.count);
	s.graph.read_all = true;
	look(&s);
	assert_int_equal(ps_graph_done(&s.graph), s.graph.count);
	test_study_close(&s);
}

static void an_output_that_is_gone_is_to_do(void **state)
{
	test_study s;

	(void)state;
	open_done(&s);
	take_away(&s, MASK_FILE);
	take_away(&s, SAE_MANIFEST);
	look(&s);
	assert_state(&s, MASK, PS_NODE_TODO, "output " MASK_FILE " is gone");
	assert_state(&s, SAE, PS_NODE_TODO, "output " SAE_MANIFEST " is gone");
	assert_int_equal(ps_graph_done(&s.graph), s.graph.count - 2);
	test_study_close(&s);
}

static void an_output_of_other_bytes_is_a_changed_one(void **state)
{
	test_study s;

	(void)state;
	open_done(&s);
	put(&s, MASK_FILE, "abd"); /* as long as before */
	put(&s, SAE_MANIFEST, "{}");
	put(&s, "runs/llama/dense/cache/manifest.json", "{}");
	look(&s);
	assert_state(&s, MASK, PS_NODE_CHANGED, "output " MASK_FILE " differs from its record");
	assert_state(&s, SAE, PS_NODE_CHANGED, "output " SAE_MANIFEST " differs from its record");
	assert_int_equal(test_study_find(&s, "llama/dense/cache")->state, PS_NODE_CHANGED);
	put(&s, MASK_FILE, "abc");
	look(&s);
	assert_state(&s, MASK, PS_NODE_DONE, "done");
	test_study_close(&s);
}

/* results.json and what stands below it only repeat others: they are to do again. */
static void a_summary_that_was_changed_is_to_do(void **state)
{
	test_study s;

	(void)state;
	open_done(&s);
	put(&s, "results.json", "{}");
	look(&s);
	assert_state(&s, "study/all/assemble", PS_NODE_TODO,
		     "output results.json differs from its record");
	test_study_close(&s);
}

/* A step that was done anew with another result, under the same key. */
static void a_summary_of_another_record_is_to_do(void **state)
{
	ps_record record;
	test_study s;
	const ps_node *n;

	(void)state;
	open_done(&s);
	n = test_study_find(&s, "llama/dense/ppl");
	assert_int_equal(test_record_read(&record, n->record), PS_RECORD_WHOLE);
	record.kernel = "another one";
	assert_int_equal(ps_record_write(&record, n->record, NULL), 0);
	ps_record_close(&record);
	look(&s);
	assert_state(&s, "llama/dense/ppl", PS_NODE_DONE, "done");
	assert_state(&s, "study/all/assemble", PS_NODE_TODO, "llama/dense/ppl was made anew since");
	test_study_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_done_with_the_recorded_outputs),
		cmocka_unit_test(an_output_that_is_gone_is_to_do),
		cmocka_unit_test(an_output_of_other_bytes_is_a_changed_one),
		cmocka_unit_test(a_summary_that_was_changed_is_to_do),
		cmocka_unit_test(a_summary_of_another_record_is_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
