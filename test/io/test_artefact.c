/* io/artefact, io/file: a file is whole or not there, whatever fails or kills the process. Every
 * flipped bit is found. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/artefact.h"
#include "io/safetensors.h"
#include "test/support/support_sys_double.h"

#define ROWS 700
#define COLS 1500 /* a little more than one block of F32 */

static char folder[256], path[512], other[512];
static float *values; /* (ROWS, COLS) */
static const uint16_t halves[5] = {1, 2, 3, 4, 5};

static int set_up(void **state)
{
	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/file.safetensors", folder);
	snprintf(other, sizeof other, "%s/other.safetensors", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

static int make_values(void **state)
{
	(void)state;
	values = malloc(ROWS * COLS * sizeof *values);
	for (size_t i = 0; values && i < ROWS * COLS; i++)
		values[i] = (float)i;
	return !values;
}

static int free_values(void **state)
{
	(void)state;
	free(values);
	return 0;
}

static const ps_tensor_decl decls[2] = {{"values", PS_F32, 2, {ROWS, COLS}},
					{"halves", PS_BF16, 1, {5}}};

static json_t *make_extra(json_int_t number)
{
	return json_pack("{s:{s:s, s:f}, s:I}", "provenance", "command", "test", "sparsity", 0.5,
			 "number", number);
}

/* Writes all but the end of the artefact, in pieces of so many bytes. *artefact NULL: it failed. */
static int begin_artefact(ps_artefact **artefact, const ps_sys *sys, const char *to, size_t piece,
			  json_int_t number, ps_diag *diag)
{
	const char *data[2] = {(const char *)values, (const char *)halves};
	size_t bytes[2] = {ROWS * COLS * sizeof *values, sizeof halves};
	json_t *extra = make_extra(number);
	int rc = ps_artefact_create(
		artefact, sys,
		&(ps_artefact_spec){
			.path = to, .kind = "test", .extra = extra, .tensors = decls, .count = 2},
		diag);

	json_decref(extra);
	for (int t = 0; t < 2; t++)
		for (size_t at = 0; at < bytes[t] && !rc; at += piece)
			rc = ps_artefact_write(*artefact, data[t] + at,
					       bytes[t] - at < piece ? bytes[t] - at : piece, diag);
	if (rc) {
		ps_artefact_abort(*artefact);
		*artefact = NULL;
	}
	return rc;
}

static int write_artefact(const ps_sys *sys, const char *to, size_t piece, json_int_t number,
			  ps_diag *diag)
{
	ps_artefact *artefact;
	int rc = begin_artefact(&artefact, sys, to, piece, number, diag);

	return rc ? rc : ps_artefact_commit(artefact, diag);
}

/* Writes path and other with that number, and commits both together. */
static int write_both(const ps_sys *sys, json_int_t number, ps_diag *diag)
{
	ps_artefact *both[2] = {NULL, NULL};
	int rc = begin_artefact(&both[0], sys, path, 1 << 20, number, diag);

	if (!rc)
		rc = begin_artefact(&both[1], sys, other, 1 << 20, number, diag);
	if (!rc)
		return ps_artefact_commit_all(both, 2, diag);
	ps_artefact_abort(both[0]);
	return rc;
}

static char *read_all(const char *from, size_t *length)
{
	char *bytes = NULL;
	ps_diag diag = {{0}};

	if (ps_file_read(&ps_sys_linux, from, (size_t)64 << 20, &bytes, length, &diag))
		fail_msg("%s", diag.text);
	return bytes;
}

static void assert_same_files(const char *a, const char *b)
{
	size_t length_a, length_b;
	char *bytes_a = read_all(a, &length_a), *bytes_b = read_all(b, &length_b);

	assert_int_equal(length_a, length_b);
	assert_memory_equal(bytes_a, bytes_b, length_a);
	free(bytes_a);
	free(bytes_b);
}

struct bad_blocks {
	int count;
	long block;
	uint64_t offset;
};

static void note_bad(void *context, const char *which, long block, uint64_t offset,
		     const char *what)
{
	struct bad_blocks *bad = context;

	(void)which, (void)what;
	bad->count++;
	bad->block = block;
	bad->offset = offset;
}

/* Opens the file and checks its checksums and values. */
static int check(const char *which, struct bad_blocks *bad)
{
	ps_safetensors file;
	bool verified = false;
	int rc = ps_safetensors_open(&file, &ps_sys_linux, which, NULL);

	*bad = (struct bad_blocks){0};
	if (rc)
		return rc;
	rc = ps_safetensors_verify(&file, note_bad, bad, &verified, NULL);
	if (!rc && !verified)
		rc = PS_EINPUT;
	ps_safetensors_close(&file);
	return rc;
}

static void assert_whole(const char *which)
{
	struct bad_blocks bad;

	assert_int_equal(check(which, &bad), 0);
	assert_int_equal(bad.count, 0);
}

/* --- the format --- */

static void writes_the_layout_of_the_contract(void **state)
{
	ps_safetensors file;
	ps_diag diag = {{0}};
	const ps_tensor_info *info;

	(void)state;
	if (write_artefact(&ps_sys_linux, path, 4096, 7, &diag) ||
	    ps_safetensors_open(&file, &ps_sys_linux, path, &diag))
		fail_msg("%s", diag.text);
	assert_int_equal(file.data_offset % 4096, 0);
	assert_string_equal(file.tensors[0].name, "values");
	assert_string_equal(json_string_value(json_object_get(file.metadata, "kind")), "test");
	assert_int_equal(json_integer_value(json_object_get(file.metadata, "version")),
			 PS_ARTEFACT_VERSION);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(file.metadata, "xxh3"), "blocks")),
		2);
	info = ps_safetensors_find(&file, "values");
	assert_memory_equal(ps_safetensors_data(&file, info), values, info->bytes);
	info = ps_safetensors_find(&file, "halves");
	assert_memory_equal(ps_safetensors_data(&file, info), halves, info->bytes);
	ps_safetensors_close(&file);
	assert_whole(path);
	assert_int_equal(scratch_count(folder), 1);
}

static void gives_the_same_bytes_however_the_data_comes(void **state)
{
	static const size_t pieces[] = {997, 65536, PS_BLOCK_BYTES, PS_BLOCK_BYTES + 1,
					(size_t)1 << 30};
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(write_artefact(&ps_sys_linux, other, 1 << 20, 7, &diag), 0);
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		assert_int_equal(write_artefact(&ps_sys_linux, path, pieces[i], 7, &diag), 0);
		assert_same_files(path, other);
	}
	sys_double_plan((sys_plan){.shorten = 100000, .interrupt = true});
	assert_int_equal(write_artefact(&sys_double, path, 1 << 20, 7, &diag), 0);
	assert_same_files(path, other);
}

static void deferred_beginnings_give_the_same_bytes(void **state)
{
	/* Less than the first block, exactly one block, all but the last value. */
	static const size_t heads[] = {12, PS_BLOCK_BYTES, PS_BLOCK_BYTES + 4,
				       ROWS * COLS * sizeof(float)};
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(write_artefact(&ps_sys_linux, other, 1 << 20, 7, &diag), 0);
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		size_t head = heads[i], bytes = ROWS * COLS * sizeof *values;
		json_t *extra = make_extra(7);
		ps_artefact *artefact;

		assert_int_equal(ps_artefact_create(&artefact, &ps_sys_linux,
						    &(ps_artefact_spec){.path = path,
									.kind = "test",
									.extra = extra,
									.tensors = decls,
									.count = 2},
						    &diag),
				 0);
		json_decref(extra);
		assert_int_equal(ps_artefact_defer(artefact, head, &diag), 0);
		assert_int_equal(ps_artefact_write(artefact, (const char *)values + head,
						   bytes - head, &diag),
				 0);
		assert_int_equal(ps_artefact_write(artefact, halves, sizeof halves, &diag), 0);
		ps_artefact_fill(artefact, 4, (const char *)values + 4, head - 4);
		ps_artefact_fill(artefact, 0, values, 4);
		assert_int_equal(ps_artefact_commit(artefact, &diag), 0);
		assert_same_files(path, other);
	}
}

static void writes_files_without_tensors_and_tensors_without_bytes(void **state)
{
	const ps_tensor_decl empty = {"nothing", PS_F32, 2, {0, 5}};
	ps_artefact *artefact;

	(void)state;
	for (size_t count = 0; count < 2; count++) {
		assert_int_equal(ps_artefact_create(&artefact, &ps_sys_linux,
						    &(ps_artefact_spec){.path = path,
									.kind = "test",
									.tensors = &empty,
									.count = count},
						    NULL),
				 0);
		assert_int_equal(ps_artefact_commit(artefact, NULL), 0);
		assert_whole(path);
	}
}

static void metadata_can_be_completed_at_the_end(void **state)
{
	json_t *wide = make_extra(99999), *narrow = make_extra(42), *wider = json_object();
	ps_safetensors file;
	ps_artefact *artefact;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(json_object_set_new(wider, "number", json_sprintf("%5000d", 1)), 0);
	for (int good = 1; good >= 0; good--) {
		assert_int_equal(
			ps_artefact_create(
				&artefact, &ps_sys_linux,
				&(ps_artefact_spec){.path = path, .kind = "test", .extra = wide},
				NULL),
			0);
		assert_int_equal(ps_artefact_set_extra(artefact, good ? narrow : wider, NULL), 0);
		assert_int_equal(ps_artefact_commit(artefact, &diag), good ? 0 : PS_EFAILED);
	}
	assert_non_null(strstr(diag.text, "does not fit"));
	assert_whole(path);
	assert_int_equal(ps_safetensors_open(&file, &ps_sys_linux, path, NULL), 0);
	assert_int_equal(json_integer_value(json_object_get(file.metadata, "number")), 42);
	ps_safetensors_close(&file);
	json_decref(wide);
	json_decref(narrow);
	json_decref(wider);
}

static void refuses_what_does_not_fit_the_declaration(void **state)
{
	static const ps_tensor_decl narrow_first[2] = {{"a", PS_BF16, 1, {1}},
						       {"b", PS_F32, 1, {1}}};
	static const ps_tensor_decl twice[2] = {{"a", PS_F32, 1, {1}}, {"a", PS_F32, 1, {1}}};
	static const ps_tensor_decl huge = {"a", PS_F32, 2, {(uint64_t)1 << 40, (uint64_t)1 << 40}};
	ps_artefact *artefact;

	(void)state;
	assert_int_equal(ps_artefact_create(&artefact, &ps_sys_linux,
					    &(ps_artefact_spec){.path = path,
								.kind = "test",
								.tensors = narrow_first,
								.count = 2},
					    NULL),
			 PS_EFAILED);
	assert_int_equal(ps_artefact_create(&artefact, &ps_sys_linux,
					    &(ps_artefact_spec){.path = path,
								.kind = "test",
								.tensors = twice,
								.count = 2},
					    NULL),
			 PS_EFAILED);
	assert_int_equal(ps_artefact_create(&artefact, &ps_sys_linux,
					    &(ps_artefact_spec){.path = path,
								.kind = "test",
								.tensors = &huge,
								.count = 1},
					    NULL),
			 PS_EFAILED);
	assert_int_equal(ps_artefact_create(&artefact, &ps_sys_linux,
					    &(ps_artefact_spec){.path = path,
								.kind = "test",
								.tensors = decls + 1,
								.count = 1},
					    NULL),
			 0);
	assert_int_equal(ps_artefact_write(artefact, halves, 8, NULL), 0);
	assert_int_equal(ps_artefact_write(artefact, halves, 4, NULL), PS_EFAILED);
	assert_int_equal(ps_artefact_commit(artefact, NULL), PS_EFAILED);
	assert_int_equal(scratch_count(folder), 0);
}

/* --- bit flips --- */

/* Opens and verifies the file with one bit flipped: one of the two must fail. */
static void assert_flip_found(FILE *file, long at, int bit)
{
	struct bad_blocks bad;
	int byte, rc;

	fseek(file, at, SEEK_SET);
	byte = fgetc(file);
	fseek(file, at, SEEK_SET);
	fputc(byte ^ 1 << bit, file);
	fflush(file);
	rc = check(path, &bad);
	fseek(file, at, SEEK_SET);
	fputc(byte, file);
	fflush(file);
	if (!rc && !bad.count)
		fail_msg("bit %d of byte %ld flipped: not found", bit, at);
}

static void every_flipped_bit_of_the_header_is_found(void **state)
{
	json_t *extra = make_extra(1);
	ps_artefact *artefact;
	FILE *file;

	(void)state;
	assert_int_equal(ps_artefact_create(&artefact, &ps_sys_linux,
					    &(ps_artefact_spec){.path = path,
								.kind = "test",
								.extra = extra,
								.tensors = decls + 1,
								.count = 1},
					    NULL),
			 0);
	json_decref(extra);
	assert_int_equal(ps_artefact_write(artefact, halves, sizeof halves, NULL), 0);
	assert_int_equal(ps_artefact_commit(artefact, NULL), 0);
	file = fopen(path, "r+b");
	/* All of the header's text, both ends of its padding, and the data. */
	for (long at = 0; at < 4096 + (long)sizeof halves; at += at == 700 ? 3300 : 1)
		for (int bit = 0; bit < 8; bit++)
			assert_flip_found(file, at, bit);
	fclose(file);
	assert_whole(path);
}

static void a_flipped_bit_of_the_data_names_block_and_offset(void **state)
{
	struct bad_blocks bad;
	FILE *file;

	(void)state;
	assert_int_equal(write_artefact(&ps_sys_linux, path, 1 << 20, 7, NULL), 0);
	file = fopen(path, "r+b");
	for (long at = 4096; at < 4096 + (long)(ROWS * COLS * sizeof *values); at += 99991) {
		long block = (at - 4096) / (long)PS_BLOCK_BYTES;
		int byte;

		fseek(file, at, SEEK_SET);
		byte = fgetc(file);
		fseek(file, at, SEEK_SET);
		fputc(byte ^ 16, file);
		fflush(file);
		assert_int_equal(check(path, &bad), 0);
		assert_int_equal(bad.count, 1);
		assert_int_equal(bad.block, block);
		assert_int_equal(bad.offset, 4096 + block * (long)PS_BLOCK_BYTES);
		fseek(file, at, SEEK_SET);
		fputc(byte, file);
	}
	fclose(file);
	assert_whole(path);
}

/* --- faults --- */

static void whichever_call_fails_the_old_file_stays(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EACCES};
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(write_artefact(&ps_sys_linux, path, 1 << 20, 1, &diag), 0);
	assert_int_equal(write_artefact(&ps_sys_linux, other, 1 << 20, 2, &diag), 0);
	for (int e = 0; e < 3; e++) {
		long n = 1;

		for (int rc = -1; rc; n++) {
			diag = (ps_diag){{0}};
			sys_double_plan((sys_plan){.calls = SYS_ALL & ~SYS_CLOSE & ~SYS_UNLINK,
						   .fail_at = n,
						   .error = errors[e]});
			rc = write_artefact(&sys_double, path, 1 << 20, 2, &diag);
			assert_int_equal(sys_double_open_files(), 0);
			assert_int_equal(scratch_count(folder), 2);
			assert_whole(path);
			if (!rc)
				continue;
			assert_int_equal(ps_exit_code(rc), 4);
			assert_non_null(strstr(diag.text, "file.safetensors"));
		}
		print_message("error %d: each of %ld calls failed once\n", errors[e], n - 2);
		assert_same_files(path, other);
		assert_int_equal(write_artefact(&ps_sys_linux, path, 1 << 20, 1, &diag), 0);
	}
}

static void syncs_before_the_rename_and_the_folder_after_it(void **state)
{
	const char *trace, *rename;

	(void)state;
	sys_double_plan((sys_plan){0});
	assert_int_equal(write_artefact(&sys_double, path, 1 << 20, 1, NULL), 0);
	trace = sys_double_trace();
	rename = strchr(trace, 'm');
	assert_true(rename && rename[-1] == 's' && rename[-2] == 'w');
	assert_string_equal(rename, "mos");
}

static void several_files_are_whole_before_the_first_has_its_name(void **state)
{
	const char *trace;

	(void)state;
	sys_double_plan((sys_plan){0});
	assert_int_equal(write_both(&sys_double, 1, NULL), 0);
	trace = sys_double_trace();
	assert_string_equal(trace + strlen(trace) - strlen("wwssmmos"), "wwssmmos");
	assert_same_files(path, other);
}

static json_int_t number_of(const char *which)
{
	ps_diag diag = {{0}};
	ps_safetensors file;
	json_int_t number;

	if (ps_safetensors_open(&file, &ps_sys_linux, which, &diag))
		fail_msg("%s", diag.text);
	number = json_integer_value(json_object_get(file.metadata, "number"));
	ps_safetensors_close(&file);
	return number;
}

/* Before the first file is renamed both are old. The second never has its name before the first. */
static void whichever_call_fails_files_stay_whole_and_in_order(void **state)
{
	ps_diag diag = {{0}};
	long n = 1, mixed = 0;

	(void)state;
	for (int rc = -1; rc; n++) {
		assert_int_equal(write_both(&ps_sys_linux, 1, &diag), 0);
		sys_double_plan((sys_plan){
			.calls = SYS_ALL & ~SYS_CLOSE & ~SYS_UNLINK, .fail_at = n, .error = EIO});
		rc = write_both(&sys_double, 2, &diag);
		assert_int_equal(sys_double_open_files(), 0);
		assert_int_equal(scratch_count(folder), 2);
		assert_whole(path);
		assert_whole(other);
		assert_true(number_of(path) >= number_of(other));
		mixed += number_of(path) > number_of(other);
	}
	print_message("each of %ld calls failed once\n", n - 2);
	assert_int_equal(mixed, 1);
	assert_int_equal(number_of(other), 2);
}

/* Each piece is begun when it is written, and nothing depends on whether that works. */
static void writing_begins_with_each_piece(void **state)
{
	const long pieces =
		(long)((ROWS * COLS * sizeof *values + PS_PIECE_BYTES) / PS_PIECE_BYTES);

	(void)state;
	assert_int_equal(write_artefact(&ps_sys_linux, other, 1 << 20, 3, NULL), 0);
	for (long n = 0; n <= pieces; n++) {
		sys_double_plan(
			(sys_plan){.calls = SYS_START_WRITE, .fail_at = n + 1, .error = ESPIPE});
		assert_int_equal(write_artefact(&sys_double, path, 997, 3, NULL), 0);
		assert_int_equal(sys_double_count(), pieces + 1);
		assert_same_files(path, other);
	}
}

static void a_failed_fsync_is_not_retried(void **state)
{
	ps_diag diag = {{0}};

	(void)state;
	sys_double_plan((sys_plan){.calls = SYS_FSYNC, .fail_at = 1, .error = EIO});
	assert_int_equal(write_artefact(&sys_double, path, 1 << 20, 1, &diag), -EIO);
	assert_int_equal(sys_double_count(), 1);
	assert_int_equal(scratch_count(folder), 0);
	/* A small file is written anew, once. */
	sys_double_plan((sys_plan){.calls = SYS_FSYNC, .fail_at = 1, .error = EIO});
	assert_int_equal(ps_file_replace(&sys_double, path, "text", 4, &diag), 0);
	assert_string_equal(sys_double_trace(), "owsuowsmos");
	assert_int_equal(sys_double_open_files(), 0);
}

static void a_full_disk_leaves_nothing_behind(void **state)
{
	(void)state;
	for (size_t capacity = 1000; capacity < 4300000; capacity += 700001) {
		ps_diag diag = {{0}};

		sys_double_plan((sys_plan){.capacity = capacity});
		assert_int_equal(write_artefact(&sys_double, path, 1 << 20, 1, &diag), -ENOSPC);
		assert_non_null(strstr(diag.text, "No space left"));
		assert_int_equal(scratch_count(folder), 0);
	}
}

static long allocations, failing_allocation;

static void *allocate_or_fail(size_t bytes)
{
	return ++allocations == failing_allocation ? NULL : malloc(bytes);
}

/* Allocations of the JSON library, which may lose a piece of a value without an error. */
static void whichever_allocation_fails_no_wrong_file_appears(void **state)
{
	json_malloc_t real_malloc;
	json_free_t real_free;
	long failures = 0;

	(void)state;
	assert_int_equal(write_artefact(&ps_sys_linux, other, 1 << 20, 7, NULL), 0);
	json_get_alloc_funcs(&real_malloc, &real_free);
	for (failing_allocation = 40;; failing_allocation++) { /* make_extra makes the first ones */
		int rc;

		allocations = 0;
		json_set_alloc_funcs(allocate_or_fail, free);
		rc = write_artefact(&ps_sys_linux, path, 1 << 20, 7, NULL);
		json_set_alloc_funcs(real_malloc, real_free);
		if (rc) {
			failures++;
			assert_int_equal(scratch_count(folder), 1);
			continue;
		}
		assert_same_files(path, other);
		if (allocations < failing_allocation)
			break;
		assert_int_equal(unlink(path), 0);
	}
	print_message("each of %ld allocations failed once, %ld times the file\n",
		      failing_allocation - 40, failures);
	assert_true(failures > 20);
}

static int write_beyond_limit(void *unused)
{
	struct rlimit limit = {1000000, 1000000};
	ps_diag diag = {{0}};
	int rc;

	(void)unused;
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 99;
	rc = write_artefact(&ps_sys_linux, path, 1 << 20, 1, &diag);
	return strstr(diag.text, "File too large") ? ps_exit_code(rc) : 98;
}

static void a_file_size_limit_is_exit_4(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(write_beyond_limit, NULL), 4);
	assert_int_equal(scratch_count(folder), 0);
}

static int write_with_plan(void *context)
{
	sys_double_plan(*(const sys_plan *)context);
	return ps_exit_code(write_artefact(&sys_double, path, 1 << 20, 2, NULL));
}

static void killed_at_any_boundary_the_file_is_old_or_new(void **state)
{
	ps_diag diag = {{0}};
	int status = -SIGKILL;
	long n = 1;
	int renamed = 0;

	(void)state;
	assert_int_equal(write_artefact(&ps_sys_linux, other, 1 << 20, 2, &diag), 0);
	for (; status == -SIGKILL; n++) {
		sys_plan plan = {.calls = SYS_ALL, .kill_at = n};
		ps_safetensors file;

		assert_int_equal(write_artefact(&ps_sys_linux, path, 1 << 20, 1, &diag), 0);
		status = run_in_child(write_with_plan, &plan);
		assert_whole(path);
		assert_int_equal(ps_safetensors_open(&file, &ps_sys_linux, path, NULL), 0);
		renamed += json_integer_value(json_object_get(file.metadata, "number")) == 2;
		ps_safetensors_close(&file);
		/* The same command again takes over the leftover and ends with the same bytes. */
		assert_int_equal(write_artefact(&ps_sys_linux, path, 1 << 20, 2, &diag), 0);
		assert_same_files(path, other);
		assert_int_equal(scratch_count(folder), 2);
	}
	assert_int_equal(status, 0);
	print_message("killed at %ld boundaries\n", n - 2);
	assert_true(n > 10 && renamed >= 1);
}

static void two_writers_of_one_file_do_not_mix(void **state)
{
	ps_artefact *first, *second;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_artefact_create(&first, &ps_sys_linux,
					    &(ps_artefact_spec){.path = path,
								.kind = "test",
								.tensors = decls + 1,
								.count = 1},
					    NULL),
			 0);
	assert_int_equal(ps_artefact_create(&second, &ps_sys_linux,
					    &(ps_artefact_spec){.path = path,
								.kind = "test",
								.tensors = decls + 1,
								.count = 1},
					    &diag),
			 PS_EOUTPUT);
	assert_null(second);
	assert_non_null(strstr(diag.text, "another process"));
	assert_int_equal(ps_artefact_write(first, halves, sizeof halves, NULL), 0);
	assert_int_equal(ps_artefact_commit(first, NULL), 0);
	assert_whole(path);
}

static void refuses_places_that_cannot_hold_a_file(void **state)
{
	char deep[600], name[600];
	ps_diag diag = {{0}};

	(void)state;
	snprintf(deep, sizeof deep, "%s/missing/file", folder);
	assert_int_equal(ps_exit_code(ps_file_replace(&ps_sys_linux, deep, "x", 1, &diag)), 4);
	assert_non_null(strstr(diag.text, deep));
	assert_int_equal(ps_exit_code(ps_file_replace(&ps_sys_linux, folder, "x", 1, NULL)), 4);
	assert_int_equal(ps_exit_code(ps_file_replace(&ps_sys_linux, "/dev/null", "x", 1, NULL)),
			 4);
	assert_int_equal(ps_exit_code(ps_file_replace(&ps_sys_linux, "", "x", 1, NULL)), 4);
	/* A name may be as long as the file system allows. */
	snprintf(name, sizeof name, "%s/%0255d", folder, 1);
	assert_int_equal(ps_file_replace(&ps_sys_linux, name, "x", 1, &diag), 0);
	assert_int_equal(scratch_count(folder), 1);
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(ps_file_replace(&ps_sys_linux, "here", "x", 1, NULL), 0);
	assert_int_equal(scratch_count("."), 2);
}

/* --- small files --- */

static void reads_small_files_within_limits(void **state)
{
	json_t *value = json_pack("{s:i, s:[f]}", "b", 1, "a", 0.1), *back = NULL;
	size_t length = 0;
	char *text = NULL;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_file_replace_json(&ps_sys_linux, path, value, &diag), 0);
	assert_int_equal(ps_file_read_json(&ps_sys_linux, path, 1000, &back, &diag), 0);
	assert_true(json_equal(value, back));
	if (ps_file_read(&ps_sys_linux, path, 1000, &text, &length, &diag))
		fail_msg("%s", diag.text);
	assert_int_equal(text[length], 0);
	assert_string_equal(text, "{\n  \"a\": [\n    0.10000000000000001\n  ],\n  \"b\": 1\n}\n");
	free(text);
	assert_int_equal(ps_file_read_json(&ps_sys_linux, path, 5, &back, &diag), PS_EINPUT);
	assert_int_equal(ps_file_read_json(&ps_sys_linux, other, 5, &back, NULL), PS_EINPUT);
	json_decref(value);
	json_decref(back);
	assert_int_equal(ps_file_replace(&ps_sys_linux, path, "{\n\"a\": 1,\n\"a\": 2}", 18, NULL),
			 0);
	diag = (ps_diag){{0}};
	assert_int_equal(ps_file_read_json(&ps_sys_linux, path, 1000, &back, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "line 3"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_the_layout_of_the_contract),
		TEST(gives_the_same_bytes_however_the_data_comes),
		TEST(deferred_beginnings_give_the_same_bytes),
		TEST(writes_files_without_tensors_and_tensors_without_bytes),
		TEST(metadata_can_be_completed_at_the_end),
		TEST(refuses_what_does_not_fit_the_declaration),
		TEST(every_flipped_bit_of_the_header_is_found),
		TEST(a_flipped_bit_of_the_data_names_block_and_offset),
		TEST(whichever_call_fails_the_old_file_stays),
		TEST(syncs_before_the_rename_and_the_folder_after_it),
		TEST(several_files_are_whole_before_the_first_has_its_name),
		TEST(whichever_call_fails_files_stay_whole_and_in_order),
		TEST(writing_begins_with_each_piece),
		TEST(a_failed_fsync_is_not_retried),
		TEST(a_full_disk_leaves_nothing_behind),
		TEST(whichever_allocation_fails_no_wrong_file_appears),
		TEST(a_file_size_limit_is_exit_4),
		TEST(killed_at_any_boundary_the_file_is_old_or_new),
		TEST(two_writers_of_one_file_do_not_mix),
		TEST(reads_small_files_within_limits),
		TEST(refuses_places_that_cannot_hold_a_file),
	};

	return cmocka_run_group_tests(tests, make_values, free_values);
}
