/* tools/study/record: a step's record is read back, and what is no whole record is told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/json_memory.h"
#include "io/file.h"
#include "io/sealed_json.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_study.h"
#include "test/support/support_sys_double.h"
#include "tools/study/record.h"

#define KEY "0123456789abcdef"

static char scratch[256], path[300];
static json_t *object, *list;

static int set_up(void **state)
{
	(void)state;
	ps_json_memory_watch();
	scratch_make(scratch, sizeof scratch);
	snprintf(path, sizeof path, "%s/record.json", scratch);
	object = json_pack("{s:i}", "windows", 3);
	list = json_pack("[s]", "avx2");
	return !object || !list;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(object);
	json_decref(list);
	scratch_remove(scratch);
	return 0;
}

static int write_record(ps_diag *diag)
{
	const ps_record record = {.id = "model/dense/ppl",
				  .command = "ppl",
				  .kernel = "avx2",
				  .key = KEY,
				  .inputs = object,
				  .result = object,
				  .cache_kernels = list,
				  .outputs = object,
				  .records = object};

	return ps_record_write(&record, path, diag);
}

static int write_and_read(void *context)
{
	ps_record_state read;
	ps_record r;
	int rc = write_record(context);

	if (rc)
		return rc;
	rc = ps_record_read(&r, path, &read, NULL);
	if (!rc) {
		assert_int_equal(read, PS_RECORD_WHOLE);
		assert_string_equal(r.id, "model/dense/ppl");
		assert_string_equal(r.command, "ppl");
		assert_string_equal(r.kernel, "avx2");
		assert_string_equal(r.key, KEY);
		assert_true(json_equal(r.inputs, object) && json_equal(r.result, object));
		assert_true(json_equal(r.cache_kernels, list));
		assert_int_equal(strlen(r.checksum), 16);
	}
	ps_record_close(&r);
	return rc;
}

static void a_record_is_read_back(void **state)
{
	(void)state;
	assert_int_equal(write_and_read(NULL), 0);
}

static void no_allocation_that_fails_makes_another_record(void **state)
{
	(void)state;
	assert_true(alloc_double_sweep(NULL, write_and_read, NULL) > 10);
}

static ps_record_state state_of(const json_t *whole, bool sealed)
{
	ps_record r;
	ps_record_state found;

	assert_int_equal(sealed ? ps_sealed_write(&ps_sys_linux, path, whole, NULL)
				: ps_file_replace_json(&ps_sys_linux, path, whole, NULL),
			 0);
	found = test_record_read(&r, path);
	ps_record_close(&r);
	return found;
}

static json_t *whole_record(void)
{
	json_t *whole;

	assert_int_equal(write_record(NULL), 0);
	assert_int_equal(ps_sealed_read(&ps_sys_linux, path, 1 << 20, &whole, NULL), 0);
	return whole;
}

static void a_record_without_a_part_is_damaged(void **state)
{
	static const char *const needed[] = {"id", "command", "kernel", "key", "inputs", "result"};

	(void)state;
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
		json_t *whole = whole_record();

		assert_int_equal(state_of(whole, true), PS_RECORD_WHOLE);
		assert_int_equal(json_object_del(whole, needed[i]), 0);
		assert_int_equal(state_of(whole, true), PS_RECORD_DAMAGED);
		json_decref(whole);
	}
}

static void a_record_of_another_form_is_told_apart(void **state)
{
	ps_record_state found;
	ps_diag diag = {{0}};
	json_t *whole = whole_record(),
	       *earlier = json_pack("{s:s, s:O}", "key", KEY, "inputs", object);
	ps_record r;

	(void)state;
	assert_int_equal(json_object_set_new(whole, "key", json_string("0123")), 0);
	assert_int_equal(state_of(whole, true), PS_RECORD_DAMAGED);
	assert_int_equal(state_of(whole, false), PS_RECORD_DAMAGED); /* no seal */
	assert_int_equal(json_object_set_new(whole, PS_SEAL, json_string(KEY)), 0);
	assert_int_equal(state_of(whole, false), PS_RECORD_DAMAGED); /* a wrong one */
	json_decref(whole);

	assert_int_equal(state_of(earlier, false), PS_RECORD_WHOLE);
	assert_int_equal(test_record_read(&r, path), PS_RECORD_WHOLE);
	assert_string_equal(r.key, ""); /* fits no step */
	ps_record_close(&r);
	assert_int_equal(json_object_set_new(earlier, "inputs", json_integer(1)), 0);
	assert_int_equal(state_of(earlier, false), PS_RECORD_DAMAGED);
	assert_int_equal(json_object_del(earlier, "key"), 0);
	assert_int_equal(state_of(earlier, false), PS_RECORD_DAMAGED);
	json_decref(earlier);

	assert_int_equal(ps_file_replace(&ps_sys_linux, path, "{", 1, NULL), 0);
	assert_int_equal(test_record_read(&r, path), PS_RECORD_DAMAGED);
	ps_record_close(&r);
	assert_int_equal(remove(path), 0);
	assert_int_equal(test_record_read(&r, path), PS_RECORD_NONE);

	/* What is there and cannot be read is not taken for a damaged record. */
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(ps_record_read(&r, path, &found, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, path));
	ps_record_close(&r);
	assert_int_equal(rmdir(path), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_is_read_back),
		TEST(no_allocation_that_fails_makes_another_record),
		TEST(a_record_without_a_part_is_damaged),
		TEST(a_record_of_another_form_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
