/* A mapped file that changes is found before a result is given away: when it is shortened, by
 * however little, and when it is written over; not when another file takes its name. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/map_guard.h"
#include "io/text_file.h"

static char folder[] = "/tmp/test_map_guard.XXXXXX";
static char path[64], other[64], output[64];

static void write_input(const char *name, size_t bytes)
{
	char *text = malloc(bytes);

	memset(text, 'x', bytes);
	assert_int_equal(ps_file_replace(&ps_sys_linux, name, text, bytes, NULL), 0);
	free(text);
}

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "%s/input", folder);
	snprintf(other, sizeof other, "%s/other", folder);
	snprintf(output, sizeof output, "%s/output", folder);
	write_input(path, 10000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	unlink(output);
	return ps_map_guard_check(NULL);
}

/* A result may not be given away, and the message names the input. */
static void assert_refused(void)
{
	ps_diag diag = {{0}};

	assert_int_equal(ps_map_guard_check(&diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, path));
}

static void a_file_that_stays_is_accepted(void **state)
{
	ps_text_file file;

	(void)state;
	assert_int_equal(ps_text_file_open(&file, path, 1 << 20, NULL), 0);
	assert_int_equal(ps_map_guard_check(NULL), 0);
	ps_text_file_close(&file);
	assert_int_equal(ps_map_guard_check(NULL), 0);
}

static void a_byte_less_is_found(void **state)
{
	ps_text_file file;

	(void)state;
	assert_int_equal(ps_text_file_open(&file, path, 1 << 20, NULL), 0);
	assert_int_equal(truncate(path, 9999), 0);
	/* What the mapping holds now, without any signal. */
	assert_int_equal(file.text[9999], 0);
	assert_refused();
	assert_refused();
	ps_text_file_close(&file);
	assert_refused();
}

static void no_output_gets_its_name_meanwhile(void **state)
{
	ps_diag diag = {{0}};
	ps_text_file file;

	(void)state;
	assert_int_equal(ps_text_file_open(&file, path, 1 << 20, NULL), 0);
	assert_int_equal(truncate(path, 9999), 0);
	assert_int_equal(ps_file_replace(&ps_sys_linux, output, "text", 4, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, path));
	assert_int_equal(access(output, F_OK), -1);
	ps_text_file_close(&file);
	assert_refused();
	assert_int_equal(ps_file_replace(&ps_sys_linux, output, "text", 4, &diag), 0);
}

static void bytes_written_over_are_found(void **state)
{
	ps_text_file file;
	int fd;

	(void)state;
	assert_int_equal(ps_text_file_open(&file, path, 1 << 20, NULL), 0);
	usleep(20000); /* file systems count time in ticks */
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "y", 1, 5000), 1);
	close(fd);
	assert_refused();
	ps_text_file_close(&file);
	assert_refused();
}

static void a_change_before_the_end_is_remembered(void **state)
{
	ps_text_file file;

	(void)state;
	assert_int_equal(ps_text_file_open(&file, path, 1 << 20, NULL), 0);
	assert_int_equal(truncate(path, 5000), 0);
	ps_text_file_close(&file);
	assert_refused();
	assert_int_equal(ps_map_guard_check(NULL), 0); /* it was told */
}

static void another_file_of_the_name_is_no_change(void **state)
{
	ps_text_file file;

	(void)state;
	write_input(other, 100);
	assert_int_equal(ps_text_file_open(&file, path, 1 << 20, NULL), 0);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(file.text[9999], 'x');
	ps_text_file_close(&file);
	assert_int_equal(ps_map_guard_check(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_that_stays_is_accepted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_byte_less_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(no_output_gets_its_name_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_written_over_are_found, setup, teardown),
		cmocka_unit_test_setup_teardown(a_change_before_the_end_is_remembered, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_file_of_the_name_is_no_change, setup,
						teardown),
	};
	int failed;

	if (!mkdtemp(folder))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
