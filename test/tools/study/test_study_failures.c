/* A study file is read and records are written while an allocation fails: for each of them in turn.
 * Nothing is lost, and nothing is taken for another study or another record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json_memory.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_study.h"
#include "tools/study/record.h"
#include "tools/study/recording.h"

static test_study study;

static int set_up(void **state)
{
	(void)state;
	ps_json_memory_watch();
	test_study_open(&study, "[0.3, 0.5]");
	for (size_t i = 0; i < study.graph.count; i++)
		test_study_make(&study, &study.graph.nodes[i]);
	test_study_reopen(&study, "[0.3, 0.5]");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	test_study_close(&study);
	return 0;
}

static int load(void *context)
{
	ps_study_file *f = NULL;
	ps_diag diag = {{0}};
	int rc = ps_study_file_load(&f, study.path, &diag);

	(void)context;
	if (rc) {
		assert_true(diag.text[0]);
		return rc;
	}
	assert_string_equal(f->name, "a study");
	assert_int_equal(f->models_count, 1);
	assert_int_equal(f->models[0].layer, 2);
	assert_int_equal(f->train_tokens, 8000);
	assert_int_equal(f->ppl.stride, 32);
	assert_non_null(ps_study_mark_of(f, "sae.k", 0));
	ps_study_file_free(f);
	return 0;
}

static void every_allocation_of_a_load_may_fail(void **state)
{
	(void)state;
	assert_true(alloc_double_sweep(NULL, load, NULL) > 40);
}

/* A node of the study, and the record that it must get. */
struct recorded {
	ps_node *node;
	json_t *result;
};

static int write_record(void *context)
{
	const struct recorded *r = context;
	ps_record found;
	int rc;

	study.session.diag = (ps_diag){{0}};
	rc = ps_recording_write(&study.graph, r->node, r->result);
	if (rc)
		return rc;
	alloc_double_pause(true);
	assert_int_equal(test_record_read(&found, r->node->record), PS_RECORD_WHOLE);
	alloc_double_pause(false);
	assert_string_equal(found.id, r->node->id);
	assert_string_equal(found.key, r->node->key);
	assert_true(json_equal(found.result, r->result));
	assert_true(json_equal(found.inputs, r->node->inputs));
	/* A summary names the records that it was made from, a step none. */
	assert_int_equal(json_object_size(found.records),
			 r->node->kind->arguments ? 0 : r->node->after_count);
	ps_record_close(&found);
	return 0;
}

static void every_allocation_of_a_record_may_fail(void **state)
{
	struct recorded r = {.result = json_pack("{s:i}", "windows", 3)};
	bool steps = false, summaries = false;

	(void)state;
	for (size_t i = 0; i < study.graph.count; i++) {
		bool *seen;

		r.node = &study.graph.nodes[i];
		seen = r.node->kind->arguments ? &steps : &summaries;
		if (*seen && i % 7)
			continue;
		*seen = true;
		assert_true(alloc_double_sweep(NULL, write_record, &r) > 10);
	}
	assert_true(steps && summaries);
	json_decref(r.result);
}

/* Steps that read a cache name the matrix kernels that made it: sorted, each once. */
static void kernels_of_caches_are_named_once(void **state)
{
	static char names[][8] = {"neon", "avx2"};
	json_t *result = json_object();
	ps_record found;

	(void)state;
	for (size_t i = 0; i < study.graph.count; i++) {
		ps_node *n = &study.graph.nodes[i];
		size_t caches = 0;

		for (size_t a = 0; a < n->after_count; a++) {
			ps_node *cache = &study.graph.nodes[n->after[a]];

			if (cache->kind->transient)
				cache->kernel = names[caches++ % 2];
		}
		if (!caches)
			continue;
		assert_int_equal(ps_recording_write(&study.graph, n, result), 0);
		assert_int_equal(test_record_read(&found, n->record), PS_RECORD_WHOLE);
		assert_int_equal(json_array_size(found.cache_kernels), caches > 1 ? 2 : 1);
		assert_string_equal(json_string_value(json_array_get(found.cache_kernels, 0)),
				    caches > 1 ? "avx2" : "neon");
		ps_record_close(&found);
	}
	for (size_t i = 0; i < study.graph.count; i++)
		study.graph.nodes[i].kernel = NULL;
	json_decref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_of_a_load_may_fail),
		cmocka_unit_test(every_allocation_of_a_record_may_fail),
		cmocka_unit_test(kernels_of_caches_are_named_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
