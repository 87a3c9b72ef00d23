/* io/npz_writer: what it writes is read back, has the same bytes every time, and stands there whole
 * or not at all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/digest.h"
#include "io/file.h"
#include "io/npz.h"
#include "io/npz_writer.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_sys_double.h"

/* Of the file that write_all writes. numpy 2.4.6 reads its arrays. */
#define DIGEST 0x5a91c353399d5410ULL

enum { ROWS = 700, COLS = 513 };

static const ps_tensor_decl decls[3] = {{"matrix", PS_F32, 2, {ROWS, COLS}},
					{"vector", PS_F64, 1, {3}},
					{"half", PS_F16, 3, {2, 1, 2}}};
static const double vector[3] = {1, -2, 0.5};
static const uint16_t half[4] = {0x3c00, 0, 0x8000, 0x7bff};
static float matrix[ROWS * COLS], back[ROWS * COLS];
static char folder[256], path[512];

static int set_up(void **state)
{
	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/params.npz", folder);
	for (size_t i = 0; i < ROWS * COLS; i++)
		matrix[i] = (float)i / 7;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

/* Writes the three arrays, the matrix in pieces of `piece` bytes. */
static int write_all(const ps_sys *sys, size_t piece, ps_diag *diag)
{
	ps_npz_writer *writer;
	int rc = ps_npz_writer_create(&writer, sys, path, decls, 3, diag);

	if (rc)
		return rc;
	for (size_t at = 0; at < sizeof matrix && !rc; at += piece)
		rc = ps_npz_writer_write(writer, (const char *)matrix + at,
					 piece < sizeof matrix - at ? piece : sizeof matrix - at,
					 diag);
	if (!rc)
		rc = ps_npz_writer_write(writer, vector, sizeof vector, diag);
	if (!rc)
		rc = ps_npz_writer_write(writer, half, sizeof half, diag);
	if (rc) {
		ps_npz_writer_abort(writer);
		return rc;
	}
	return ps_npz_writer_commit(writer, diag);
}

static void arrays_are_read_back(void **state)
{
	double doubles[3];
	uint16_t halves[4];
	ps_npz npz;

	(void)state;
	assert_int_equal(write_all(&ps_sys_linux, 4096, NULL), 0);
	assert_int_equal(ps_npz_open(&npz, &ps_sys_linux, path, NULL), 0);
	assert_int_equal(npz.count, 3);
	for (size_t i = 0; i < 3; i++) {
		const ps_tensor_info *info = &npz.arrays[i].info;

		assert_string_equal(info->name, decls[i].name);
		assert_int_equal(info->dtype, decls[i].dtype);
		assert_int_equal(info->rank, decls[i].rank);
		assert_memory_equal(info->shape, decls[i].shape,
				    (size_t)info->rank * sizeof *info->shape);
		assert_false(npz.arrays[i].fortran_order);
	}
	assert_int_equal(ps_npz_begin(&npz, 0, NULL), 0);
	assert_int_equal(ps_npz_read(&npz, back, sizeof back, NULL), 0);
	assert_memory_equal(back, matrix, sizeof matrix);
	assert_int_equal(ps_npz_begin(&npz, 1, NULL), 0);
	assert_int_equal(ps_npz_read(&npz, doubles, sizeof doubles, NULL), 0);
	assert_memory_equal(doubles, vector, sizeof vector);
	assert_int_equal(ps_npz_begin(&npz, 2, NULL), 0);
	assert_int_equal(ps_npz_read(&npz, halves, sizeof halves, NULL), 0);
	assert_memory_equal(halves, half, sizeof half);
	ps_npz_close(&npz);
}

static void bytes_do_not_depend_on_pieces(void **state)
{
	static const size_t pieces[] = {4, 1000, 1 << 20, sizeof matrix};
	uint64_t bytes, digest;

	(void)state;
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		assert_int_equal(write_all(&ps_sys_linux, pieces[i], NULL), 0);
		assert_int_equal(ps_file_digest(&ps_sys_linux, path, &bytes, &digest, NULL), 0);
		if (digest != DIGEST)
			fail_msg("pieces of %zu: %016llx", pieces[i], (unsigned long long)digest);
	}
}

static void amounts_must_be_those_declared(void **state)
{
	ps_npz_writer *writer;
	ps_diag diag = {{0}};

	(void)state;
	(void)remove(path);
	assert_int_equal(ps_npz_writer_create(&writer, &ps_sys_linux, path, &decls[1], 1, &diag),
			 0);
	assert_int_equal(ps_npz_writer_write(writer, vector, 8, &diag), 0);
	assert_int_equal(ps_npz_writer_commit(writer, &diag), PS_EFAILED);
	assert_non_null(strstr(diag.text, "less data than was declared"));
	assert_int_equal(ps_npz_writer_create(&writer, &ps_sys_linux, path, &decls[1], 1, NULL), 0);
	diag.text[0] = 0;
	assert_int_equal(ps_npz_writer_write(writer, matrix, 25, &diag), PS_EFAILED);
	assert_non_null(strstr(diag.text, "more data than was declared"));
	ps_npz_writer_abort(writer);
	assert_int_equal(scratch_count(folder), 0);
}

static void arrays_that_cannot_be_written(void **state)
{
	static const ps_tensor_decl wrong[] = {{"ids", PS_I32, 1, {3}},
					       {"empty", PS_F32, 1, {0}},
					       {"scalar", PS_F32, 0, {0}},
					       {"large", PS_F32, 2, {1ULL << 40, 1ULL << 40}}};
	ps_npz_writer *writer;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		ps_diag diag = {{0}};

		assert_int_equal(
			ps_npz_writer_create(&writer, &ps_sys_linux, path, &wrong[i], 1, &diag),
			PS_EFAILED);
		assert_non_null(strstr(diag.text, wrong[i].name));
	}
	assert_int_equal(ps_npz_writer_create(&writer, &ps_sys_linux, path, wrong, 0, NULL),
			 PS_EFAILED);
	assert_int_equal(scratch_count(folder), 0);
}

/* Every call fails in turn; in between, transfers are short. */
static void a_call_that_fails_leaves_nothing(void **state)
{
	long calls;
	uint64_t bytes, digest;

	(void)state;
	sys_double_plan((sys_plan){.calls = SYS_ALL, .shorten = 100000, .interrupt = true});
	assert_int_equal(write_all(&sys_double, sizeof matrix, NULL), 0);
	calls = sys_double_count();
	assert_int_equal(ps_file_digest(&ps_sys_linux, path, &bytes, &digest, NULL), 0);
	assert_true(digest == DIGEST);
	assert_int_equal(sys_double_open_files(), 0);
	for (long n = 1; n <= calls; n++) {
		ps_diag diag = {{0}};
		int rc;

		assert_int_equal(remove(path) && errno != ENOENT, 0);
		sys_double_plan((sys_plan){.calls = SYS_ALL,
					   .fail_at = n,
					   .error = ENOSPC,
					   .shorten = 100000,
					   .interrupt = true});
		rc = write_all(&sys_double, sizeof matrix, &diag);
		assert_int_equal(sys_double_open_files(), 0);
		/* What fails once the file has its name leaves it whole. */
		if (rc && scratch_count(folder)) {
			assert_int_equal(ps_file_digest(&ps_sys_linux, path, &bytes, &digest, NULL),
					 0);
			assert_true(digest == DIGEST);
		}
		assert_true(!rc || diag.text[0]);
	}
}

static int attempt(void *context)
{
	(void)context;
	return write_all(&ps_sys_linux, sizeof matrix, NULL);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	alloc_double_sweep(NULL, attempt, NULL);
	assert_int_equal(remove(path), 0);
	assert_int_equal(scratch_count(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays_are_read_back),
		cmocka_unit_test(bytes_do_not_depend_on_pieces),
		cmocka_unit_test(amounts_must_be_those_declared),
		cmocka_unit_test(arrays_that_cannot_be_written),
		cmocka_unit_test(a_call_that_fails_leaves_nothing),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
