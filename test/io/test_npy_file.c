/* io/npy_file and caches of one file: rows that numpy and safetensors wrote are read as a cache is;
 * what is damaged or of another kind is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json_memory.h"
#include "io/cache_store.h"
#include "io/npy_file.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_checkpoint.h"

#define FIXTURES "test/fixtures/activations/"

enum { ROWS = 40, D = 6, ROOM = 4096 };

static char folder[256], path[512];
static float right[ROWS * D], got[ROWS * D];

static int set_up(void **state)
{
	ps_safetensors file;

	(void)state;
	ck_make_folder(folder, sizeof folder);
	setenv("XDG_CACHE_HOME", folder, 1);
	if (ps_npy_file_open(&file, &ps_sys_linux, FIXTURES "single.npy", "x", NULL) ||
	    file.count != 1 || strcmp(file.tensors->name, "x") != 0 ||
	    file.tensors->bytes != sizeof right)
		return -1;
	memcpy(right, ps_safetensors_data(&file, file.tensors), sizeof right);
	ps_safetensors_close(&file);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ck_remove_folder(folder);
	return 0;
}

static int read_cache(const char *name, ps_diag *diag)
{
	ps_cache cache;
	uint64_t ids[ROWS];
	int rc = ps_cache_open(&cache, &ps_sys_linux, name, NULL, diag);

	if (rc)
		return rc;
	for (size_t i = 0; i < ROWS; i++)
		ids[i] = i;
	if (cache.source.rows == ROWS && cache.source.width == D) {
		assert_int_equal(cache.source.columns, 0);
		assert_false(cache.verified);
		rc = cache.source.gather(cache.source.self, ids, ROWS, got, diag);
	} else {
		rc = PS_EFAILED;
	}
	ps_cache_close(&cache);
	return rc;
}

static void one_file_is_a_cache(void **state)
{
	static const char *const names[] = {"single.npy", "half.npy", "half.safetensors",
					    "named.safetensors"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		ps_diag diag = {{0}};

		snprintf(path, sizeof path, FIXTURES "%s", names[i]);
		memset(got, 0, sizeof got);
		if (read_cache(path, &diag))
			fail_msg("%s: %s", names[i], diag.text);
		assert_memory_equal(got, right, sizeof right);
	}
}

static void refused(const char *name, const char *text)
{
	ps_diag diag = {{0}};

	assert_int_equal(read_cache(name, &diag), PS_EINPUT);
	if (!strstr(diag.text, text))
		fail_msg("'%s' is expected: %s", text, diag.text);
}

static void what_is_no_cache(void **state)
{
	(void)state;
	refused(FIXTURES "fortran.npy", "is in Fortran order");
	refused(FIXTURES "double.npy", "must be F32, BF16 or F16");
	refused(FIXTURES "versions.txt", "ends in .safetensors or .npy");
	refused("test/fixtures/saelens/v6-topk/sae_weights.safetensors", "no tensor activations");
	refused(FIXTURES "none.npy", "none.npy");
}

/* Writes the first bytes of a fixture, and a change. */
static void write_changed(size_t length, size_t at, uint8_t flip)
{
	static uint8_t bytes[ROOM];
	FILE *file = fopen(FIXTURES "half.npy", "rb");

	assert_non_null(file);
	assert_in_range(fread(bytes, 1, sizeof bytes, file), length, sizeof bytes - 1);
	fclose(file);
	bytes[at] ^= flip;
	snprintf(path, sizeof path, "%s/changed.npy", folder);
	(void)remove(path);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static void cut_and_flipped_anywhere(void **state)
{
	const size_t whole = 128 + 2 * ROWS * D;

	(void)state;
	for (size_t length = 0; length < whole; length += 7) {
		write_changed(length, 0, 0);
		assert_int_equal(read_cache(path, NULL), PS_EINPUT);
	}
	for (size_t at = 0; at < 128; at++)
		for (int bit = 0; bit < 8; bit += 3) {
			int rc;

			write_changed(whole, at, (uint8_t)(1 << bit));
			rc = read_cache(path, NULL);
			/* A digit of the shape may make as many bytes of other rows. */
			assert_true(!rc || rc == PS_EINPUT || rc == PS_EFAILED);
			assert_true(rc || !memcmp(got, right, sizeof right));
		}
}

static int attempt(void *context)
{
	(void)context;
	return read_cache(FIXTURES "half.npy", NULL);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	alloc_double_sweep(NULL, attempt, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_file_is_a_cache),
		cmocka_unit_test(what_is_no_cache),
		cmocka_unit_test(cut_and_flipped_anywhere),
		cmocka_unit_test(every_allocation_may_fail),
	};

	ps_json_memory_watch();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
