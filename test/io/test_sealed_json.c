/* io/sealed_json: whatever bit of a sealed file is flipped, its value never changes unseen. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/sealed_json.h"
#include "test/support/support_sys_double.h"

#define LIMIT ((size_t)1 << 20)

static char scratch[256], path[300];
static json_t *object;

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	snprintf(path, sizeof path, "%s/file.json", scratch);
	object = json_pack("{s:s, s:[f, f, n], s:{s:b, s:i}, s:s}", "kind", "test", "numbers",
			   1.5e-9, 0.1, "inner", "yes", 1, "count", 7, "name", "\n\x01 \xc3\xa9");
	assert_non_null(object);
	assert_int_equal(ps_sealed_write(&ps_sys_linux, path, object, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(object);
	scratch_remove(scratch);
	return 0;
}

static void what_is_written_is_read_back(void **state)
{
	json_t *found;

	(void)state;
	assert_null(json_object_get(object, PS_SEAL));
	assert_int_equal(ps_sealed_read(&ps_sys_linux, path, LIMIT, &found, NULL), 0);
	assert_true(json_equal(object, found));
	json_decref(found);
}

static void every_flipped_bit_is_found(void **state)
{
	size_t length;
	json_t *found;
	char *text;

	(void)state;
	assert_int_equal(ps_file_read(&ps_sys_linux, path, LIMIT, &text, &length, NULL), 0);
	for (size_t bit = 0; bit < 8 * length; bit++) {
		ps_diag diag = {{0}};

		text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
		assert_int_equal(ps_file_replace(&ps_sys_linux, path, text, length, NULL), 0);
		text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
		assert_int_equal(ps_sealed_read(&ps_sys_linux, path, LIMIT, &found, &diag),
				 PS_EINPUT);
		assert_null(found);
		assert_non_null(strstr(diag.text, path));
	}
	free(text);
}

/* People use JSON tools. What one command takes no other one refuses. */
static void another_layout_is_the_same_object(void **state)
{
	json_t *found;
	char *text, *number;

	(void)state;
	assert_int_equal(ps_file_read_json(&ps_sys_linux, path, LIMIT, &found, NULL), 0);
	text = ps_json_text(found, JSON_COMPACT);
	json_decref(found);
	assert_int_equal(ps_file_replace(&ps_sys_linux, path, text, strlen(text), NULL), 0);
	assert_int_equal(ps_sealed_read(&ps_sys_linux, path, LIMIT, &found, NULL), 0);
	assert_true(json_equal(object, found));
	json_decref(found);
	/* The same number in other letters. */
	number = strstr(text, "e-");
	assert_non_null(number);
	*number = 'E';
	assert_int_equal(ps_file_replace(&ps_sys_linux, path, text, strlen(text), NULL), 0);
	assert_int_equal(ps_sealed_read(&ps_sys_linux, path, LIMIT, &found, NULL), PS_EINPUT);
	free(text);
}

static void what_has_no_seal_is_refused(void **state)
{
	static const char *const texts[] = {"{}",
					    "[]",
					    "3",
					    "",
					    "{\"checksum\": 3}",
					    "{\"checksum\": \"0\"}",
					    "{\"checksum\": \"0123456789abcdef\"}"};
	json_t *found;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_int_equal(
			ps_file_replace(&ps_sys_linux, path, texts[i], strlen(texts[i]), NULL), 0);
		assert_int_equal(ps_sealed_read(&ps_sys_linux, path, LIMIT, &found, NULL),
				 PS_EINPUT);
		assert_null(found);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read_back),
		TEST(every_flipped_bit_is_found),
		TEST(another_layout_is_the_same_object),
		TEST(what_has_no_seal_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
