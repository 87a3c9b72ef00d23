/* io/checksums: what stands in the header of a file of ours is compared with its bytes, and what
 * does not stand there in the right form counts as damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "io/checksums.h"
#include "io/safetensors.h"
#include "io/verified_file.h"
#include "test/support/support_checkpoint.h"
#include "test/support/support_sys_double.h"

#define ZEROS "0000000000000000"

static char scratch[256], path[300];

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	snprintf(path, sizeof path, "%s/f.safetensors", scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static void digits_are_sixteen_of_lower_case(void **state)
{
	static const char *const bad[] = {"",
					  "0",
					  "0123456789abcde",
					  "0123456789abcdef0",
					  "0123456789abcdeF",
					  "0123456789abcdeg",
					  " 123456789abcdef"};
	uint64_t value = 0;

	(void)state;
	assert_int_equal(ps_checksum_parse("0123456789abcdef", &value), 0);
	assert_true(value == UINT64_C(0x0123456789abcdef));
	assert_int_equal(ps_checksum_parse(NULL, &value), -1);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(ps_checksum_parse(bad[i], &value), -1);
}

static void the_place_is_the_last_one_with_these_digits(void **state)
{
	static const char raw[] = "\\\"header\\\":\\\"" ZEROS "\\\"header\\\":\\\"" ZEROS
				  "\\\"header\\\":\\\"0123456789abcdef";
	const char *place = ps_checksum_place(raw, sizeof raw - 1, ZEROS);

	(void)state;
	assert_true(place == raw + 2 * 13 + 16); /* a key of 13 bytes, then 16 digits */
	assert_memory_equal(place, ZEROS, 16);
	assert_memory_equal(place + 16, "\\\"header", 8);
	assert_null(ps_checksum_place(raw, sizeof raw - 1, "fedcba9876543210"));
	assert_null(ps_checksum_place(raw, 10, ZEROS));
	assert_null(ps_checksum_place("", 0, ZEROS));
}

/* Counts the places that are bad. */
static void count_bad(void *context, const char *name, long block, uint64_t offset,
		      const char *what)
{
	int *bad = context;

	assert_string_equal(name, path);
	assert_true(block >= -1 && what[0]);
	(void)offset;
	++*bad;
}

/* Writes a file of 24 bytes of data with this `xxh3` in its metadata, and counts what is bad. */
static int bad_places(const char *xxh3, bool *verified)
{
	ck_model model = {.count = 0};
	char metadata[512];
	ps_safetensors file;
	int bad = 0;

	snprintf(metadata, sizeof metadata, "{\"prunescope\": \"{%s}\"}", xxh3);
	model.metadata = metadata;
	strcpy(ck_add(&model, "x", "F32", 1, 0, 6)->file, "f.safetensors");
	ck_write_file(scratch, "f.safetensors", &model);
	assert_int_equal(ps_safetensors_open(&file, &ps_sys_linux, path, NULL), 0);
	assert_int_equal(ps_safetensors_verify(&file, count_bad, &bad, verified, NULL), 0);
	ps_safetensors_close(&file);
	return bad;
}

#define Q(key) "\\\"" key "\\\""

static void checksums_of_another_form_are_damaged(void **state)
{
	static const char *const forms[] = {
		"",
		Q("xxh3") ": 7",
		Q("xxh3") ": {}",
		Q("xxh3") ": {" Q("block_bytes") ": " Q("8") "}",
		Q("xxh3") ": {" Q("block_bytes") ": 0, " Q("blocks") ": []}",
		Q("xxh3") ": {" Q("block_bytes") ": -8, " Q("blocks") ": []}",
		Q("xxh3") ": {" Q("block_bytes") ": 9223372036854775807, " Q("blocks") ": [1]}",
		Q("xxh3") ": {" Q("block_bytes") ": 8, " Q("blocks") ": [1, 2]}",
	};
	bool verified;

	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		ps_safetensors file;
		ps_diag diag = {{0}};

		assert_int_equal(bad_places(forms[i], &verified), 1);
		assert_true(verified); /* it is ours */
		assert_int_equal(ps_verified_file_open(&file, path, &diag), PS_EINPUT);
		assert_non_null(strstr(diag.text, path));
	}
}

static void every_block_and_the_header_are_told(void **state)
{
	bool verified;

	(void)state;
	/* Three blocks of 8 bytes: a wrong digest, no digest, a number; and no digits of the
	 * header, or wrong ones. */
	assert_int_equal(bad_places(Q("xxh3") ": {" Q("block_bytes") ": 8, " Q("blocks") ": [" Q(
					    ZEROS) ", " Q("") ", 3]}",
				    &verified),
			 4);
	assert_int_equal(bad_places(Q("xxh3") ":{" Q("block_bytes") ":24," Q("blocks") ":[" Q(
					    ZEROS) "]," Q("header") ":" Q(ZEROS) "}",
				    &verified),
			 2);
}

static void a_file_that_cannot_be_opened_is_not_verified(void **state)
{
	ps_safetensors file;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_verified_file_open(&file, path, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "No such file"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(digits_are_sixteen_of_lower_case),
		TEST(the_place_is_the_last_one_with_these_digits),
		TEST(checksums_of_another_form_are_damaged),
		TEST(every_block_and_the_header_are_told),
		TEST(a_file_that_cannot_be_opened_is_not_verified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
