/* io/text_file: a text is mapped whole, and what is none is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/map_guard.h"
#include "io/text_file.h"
#include "test/support/support_sys_double.h"

static char scratch[256], path[300];

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	snprintf(path, sizeof path, "%s/text", scratch);
	return ps_file_replace(&ps_sys_linux, path, "0123456789", 10, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static void a_text_is_mapped_whole(void **state)
{
	ps_text_file file;

	(void)state;
	assert_int_equal(ps_text_file_open(&file, path, 10, NULL), 0);
	assert_int_equal(file.length, 10);
	assert_memory_equal(file.text, "0123456789", 10);
	assert_string_equal(ps_map_guard_find(file.text + 9), path);
	ps_text_file_close(&file);
	assert_null(file.text);
	ps_text_file_close(&file);
	file = (ps_text_file){0};
	ps_text_file_close(&file);
}

static void an_empty_text_has_no_bytes(void **state)
{
	ps_text_file file;

	(void)state;
	assert_int_equal(ps_file_replace(&ps_sys_linux, path, "", 0, NULL), 0);
	assert_int_equal(ps_text_file_open(&file, path, 10, NULL), 0);
	assert_int_equal(file.length, 0);
	assert_string_equal(file.text, "");
	ps_text_file_close(&file);
}

static void refused(const char *name, size_t limit, const char *said)
{
	ps_text_file file;
	ps_diag diag = {{0}};

	assert_int_equal(ps_text_file_open(&file, name, limit, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, name));
	assert_non_null(strstr(diag.text, said));
	assert_int_equal(file.length, 0);
}

static void what_is_no_text_is_refused(void **state)
{
	char missing[320];

	(void)state;
	snprintf(missing, sizeof missing, "%s.missing", path);
	refused(path, 9, "10 bytes, more than the 9");
	refused(missing, 9, "No such file");
	refused(scratch, 9, "");
	/* Files of /proc have no length, so nothing of them is mapped. Those of /sys have one, and
	 * cannot be mapped. */
	refused("/sys/kernel/uevent_seqnum", 1 << 20, "cannot be mapped");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_text_is_mapped_whole),
		TEST(an_empty_text_has_no_bytes),
		TEST(what_is_no_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
