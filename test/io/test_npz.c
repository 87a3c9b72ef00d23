/* io/npz, io/npy: archives that numpy wrote are read; what is damaged, of another type or lies
 * about its size is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/digest.h"
#include "core/base/rng.h"
#include "io/npz.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_npz.h"
#include "test/support/support_sys_double.h"

#define FIXTURES "test/fixtures/dictionaries/gemma-scope-2b-pt-res/"
#define STORED FIXTURES "layer_20/width_16k/average_l0_71/params.npz"
#define DEFLATED FIXTURES "layer_3/width_16k/average_l0_59/params.npz"
#define FORTRAN FIXTURES "layer_3/width_16k/average_l0_13/params.npz"
#define GOOD "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"

enum { ROOM = 1 << 21 };

static const float values[6] = {1, 2, 3, 4, 5, 6};
static char folder[256], path[512];
static uint8_t file[ROOM]; /* the archive of the running test */
static size_t file_bytes;
static uint64_t contents; /* the digest of what read_all read last: names and numbers */

static int set_up(void **state)
{
	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/file.npz", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

static void write_file(void)
{
	FILE *out;

	/* Truncating a file has the file system write it out at once. */
	(void)unlink(path);
	out = fopen(path, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(file, 1, file_bytes, out), file_bytes);
	assert_int_equal(fclose(out), 0);
}

static void read_file(const char *name)
{
	FILE *in = fopen(name, "rb");

	assert_non_null(in);
	file_bytes = fread(file, 1, sizeof file, in);
	assert_int_equal(fclose(in), 0);
}

/* Opens an archive and reads all of its arrays. */
static int read_all(const char *name, ps_diag *diag)
{
	ps_npz npz;
	int rc = ps_npz_open(&npz, &ps_sys_linux, name, diag);

	if (rc)
		return rc;
	contents = npz.count;
	for (size_t i = 0; i < npz.count && !rc; i++) {
		const size_t bytes = npz.arrays[i].info.bytes;
		void *out;

		alloc_double_pause(true);
		out = malloc(bytes);
		alloc_double_pause(false);
		assert_non_null(out);
		rc = ps_npz_begin(&npz, i, diag);
		/* in two parts */
		if (!rc)
			rc = ps_npz_read(&npz, out, bytes / 2, diag);
		if (!rc)
			rc = ps_npz_read(&npz, (char *)out + bytes / 2, bytes - bytes / 2, diag);
		contents = contents * 31 + ps_digest_of(out, bytes);
		contents = contents * 31 +
			   ps_digest_of(npz.arrays[i].info.name, strlen(npz.arrays[i].info.name));
		free(out);
	}
	ps_npz_close(&npz);
	return rc;
}

static void refused(const char *want)
{
	ps_diag diag = {{0}};
	int rc = read_all(path, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, want) || !strstr(diag.text, "file.npz"))
		fail_msg("returned %d, '%s'; '%s' is expected", rc, diag.text, want);
}

/* An archive of arrays with these dictionaries and the same six numbers. */
static void make(const char *const *names, const char *const *dictionaries, size_t count)
{
	static uint8_t arrays[40][4400];
	struct npz_entry entries[40];

	assert_in_range(count, 0, 40);
	for (size_t i = 0; i < count; i++) {
		snprintf(entries[i].name, sizeof entries[i].name, "%s", names[i]);
		entries[i].bytes = arrays[i];
		entries[i].length = npz_array(dictionaries[i], values, 6, arrays[i], 4400);
		assert_true(entries[i].length > 0);
	}
	file_bytes = npz_write(entries, count, file, sizeof file);
	assert_true(file_bytes > 0);
	write_file();
}

static void refuse_header(const char *dictionary, const char *want)
{
	make(&(const char *){"x.npy"}, &dictionary, 1);
	refused(want);
}

/* --- what is read --- */

static void check_array(const ps_npz *npz, size_t i, const char *name, int rank, uint64_t rows)
{
	assert_string_equal(npz->arrays[i].info.name, name);
	assert_int_equal(npz->arrays[i].info.rank, rank);
	assert_int_equal(npz->arrays[i].info.shape[0], rows);
}

static void archives_of_numpy_are_listed(void **state)
{
	const char *const files[] = {STORED, DEFLATED, FORTRAN};
	ps_diag diag = {{0}};
	ps_npz npz;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(read_all(files[i], &diag), 0);
		assert_int_equal(ps_npz_open(&npz, &ps_sys_linux, files[i], &diag), 0);
		assert_int_equal(npz.count, i == 2 ? 6 : 5);
		if (i < 2) {
			check_array(&npz, 0, "W_enc", 2, 8);
			check_array(&npz, 1, "W_dec", 2, 32);
			assert_false(npz.arrays[0].fortran_order);
			assert_int_equal(npz.arrays[0].info.dtype, PS_F32);
		} else {
			check_array(&npz, 3, "w_enc", 2, 8);
			assert_true(npz.arrays[3].fortran_order);
			assert_int_equal(npz.arrays[4].info.dtype, PS_F64);
			assert_int_equal(npz.arrays[4].info.bytes, 8 * 8 * 32);
		}
		ps_npz_close(&npz);
		ps_npz_close(&npz);
	}
}

static void numbers_come_in_order(void **state)
{
	float out[6];
	ps_diag diag = {{0}};
	ps_npz npz;

	(void)state;
	make(&(const char *){"x.npy"}, &(const char *){GOOD}, 1);
	assert_int_equal(ps_npz_open(&npz, &ps_sys_linux, path, &diag), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(ps_npz_begin(&npz, 0, &diag), 0);
		assert_int_equal(ps_npz_read(&npz, out, sizeof *out, &diag), 0);
		assert_int_equal(ps_npz_read(&npz, out + 1, 5 * sizeof *out, &diag), 0);
		assert_memory_equal(out, values, sizeof values);
	}
	ps_npz_close(&npz);
}

/* All spellings that Python takes for the same dictionary. */
static void headers_of_other_writers(void **state)
{
	static const char *const same[] = {
		GOOD,
		"{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(2,3)}",
		"{'shape': (2, 3,), 'descr': '<f4', 'fortran_order': False}",
		"{ 'fortran_order' : True , 'shape' : ( 2 , 3 ) , 'descr' : '<f4' , } ",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}",
		"{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}",
		"{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2, 3)}",
	};
	ps_diag diag = {{0}};

	(void)state;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		make(&(const char *){"x.npy"}, &same[i], 1);
		if (read_all(path, &diag))
			fail_msg("%s: %s", same[i], diag.text);
	}
}

/* --- what is refused --- */

static void headers_that_are_wrong(void **state)
{
	(void)state;
	refuse_header("", "no dictionary");
	refuse_header("{}", "lacks one of");
	refuse_header("{'descr': '<f4', 'fortran_order': False}", "lacks one of");
	refuse_header(GOOD "x", "text behind");
	refuse_header("{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}", "no comma");
	refuse_header("{'descr': '<f4', 'descr': '<f4', 'shape': (2, 3)}", "twice the key 'descr'");
	refuse_header("{'descr': '<f4', 'order': 'C', 'shape': (2, 3)}", "unknown key 'order'");
	refuse_header("{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}", "neither True nor");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3]}", "no tuple");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (6)}", "no tuple");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L)}", "no tuple");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -3)}", "no tuple");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (02, 3)}", "no tuple");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", "no tuple");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,2,3)}",
		      "no tuple");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3)}", "product is 0");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
		      "overflows");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
		      "no tuple");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
		      "no tuple");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}",
		      "product overflows");
	refuse_header("{'descr': '<f4', 'shape': (2, 3)}", "lacks one of");
	refuse_header("{'fortran_order': False, 'shape': (2, 3)}", "lacks one of");
	refuse_header("{'desc\tr': '<f4'}", "is no dictionary");
	refuse_header("{'a key that is too long': 0}", "is no dictionary");
}

static void types_that_are_not_read(void **state)
{
	(void)state;
	refuse_header("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3)}", "type '>f4'");
	refuse_header("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3)}", "type '<i2'");
	refuse_header("{'descr': '|O', 'fortran_order': False, 'shape': (2, 3)}", "type '|O'");
	refuse_header("{'descr': '<V2', 'fortran_order': False, 'shape': (2, 3)}", "type '<V2'");
	refuse_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}",
		      "no simple type");
}

/* The shape says more, or less, than there is: nothing is inflated, or taken, for it. */
static void shapes_that_do_not_fit_the_entry(void **state)
{
	(void)state;
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536)}",
		      "x has 152 bytes, its npy header says 17179869312");
	refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}",
		      "x has 152 bytes, its npy header says 144");
}

static void headers_that_are_too_long(void **state)
{
	static char text[4300] = GOOD;

	(void)state;
	memset(text + strlen(GOOD), ' ', sizeof text - strlen(GOOD) - 1);
	refuse_header(text, "at most 4096 are read");
}

/* Entries that share one array. */
static void make_many(size_t count)
{
	static struct npz_entry entries[PS_NPZ_ARRAYS_MAX + 1];
	static uint8_t array[256];
	const size_t length = npz_array(GOOD, values, 6, array, sizeof array);

	for (size_t i = 0; i < count; i++) {
		snprintf(entries[i].name, sizeof entries[i].name, "%zu.npy", i);
		entries[i].bytes = array;
		entries[i].length = length;
	}
	file_bytes = npz_write(entries, count, file, sizeof file);
	assert_true(file_bytes > 0);
	write_file();
}

static void as_many_arrays_as_a_model_has_matrices(void **state)
{
	ps_diag diag = {{0}};
	ps_npz npz;

	(void)state;
	make_many(PS_NPZ_ARRAYS_MAX);
	if (ps_npz_open(&npz, &ps_sys_linux, path, &diag))
		fail_msg("%s", diag.text);
	assert_int_equal(npz.count, PS_NPZ_ARRAYS_MAX);
	ps_npz_close(&npz);
	make_many(PS_NPZ_ARRAYS_MAX + 1);
	refused("holds 4097 arrays: at most 4096 are read");
}

static void entries_that_are_no_arrays(void **state)
{
	const char *const names[] = {"x.npy", "readme.txt"}, *const twice[] = {"x.npy", "x.npy"},
			  *const good[] = {GOOD, GOOD};

	(void)state;
	make(names, good, 2);
	refused("readme.txt is no array");
	make(&(const char *){".npy"}, good, 1);
	refused(".npy is no array");
	make(twice, good, 2);
	refused("already exists");
	make(NULL, NULL, 0);
	refused("holds 0 arrays: at most 4096 are read");
}

/* Makes an archive of one array whose npy file begins with these bytes. */
static void refuse_start(const char *start, size_t length, const char *want)
{
	static uint8_t array[256];
	struct npz_entry entry = {"x.npy", array, 0};

	entry.length = npz_array(GOOD, values, 6, array, sizeof array);
	memcpy(array, start, length);
	file_bytes = npz_write(&entry, 1, file, sizeof file);
	write_file();
	refused(want);
}

static void starts_that_are_wrong(void **state)
{
	(void)state;
	refuse_start("\x93NUMPX", 6, "x is no NumPy array");
	refuse_start("\x93NUMPY\0\0", 8, "of npy version 0.0: 1.0, 2.0 and 3.0 are known");
	refuse_start("\x93NUMPY\1\1", 8, "of npy version 1.1");
	refuse_start("\x93NUMPY\4\0", 8, "of npy version 4.0");
	refuse_start("\x93NUMPY\1\0\0\0", 10, "x has an empty npy header");
	refuse_start("\x93NUMPY\1\0\xff\1", 10, "x: the entry ends too early");
	refuse_start("\x93NUMPY\2\0\xff\xff\xff\xff", 12, "a header of 4294967307 bytes");
}

/* Version 2.0 has four bytes of length, 3.0 the same. */
static void later_versions_are_read(void **state)
{
	static uint8_t array[256];
	const size_t text = strlen(GOOD);
	struct npz_entry entry = {"x.npy", array, 12 + text + sizeof values};

	(void)state;
	memcpy(array, "\x93NUMPY\2\0\0\0\0\0", 12);
	array[8] = (uint8_t)text;
	memcpy(array + 12, GOOD, text);
	memcpy(array + 12 + text, values, sizeof values);
	for (uint8_t version = 2; version <= 3; version++) {
		ps_diag diag = {{0}};

		array[6] = version;
		file_bytes = npz_write(&entry, 1, file, sizeof file);
		write_file();
		if (read_all(path, &diag))
			fail_msg("%u.0: %s", version, diag.text);
	}
}

static void other_files(void **state)
{
	(void)state;
	file_bytes = 0;
	write_file();
	refused("is empty");
	file_bytes = (size_t)sprintf((char *)file, "\x80\x02}q");
	write_file();
	refused("a pickle");
	file_bytes = (size_t)sprintf((char *)file, "PK\3\4 and nothing else");
	write_file();
	refused("damaged");
	file_bytes = (size_t)sprintf((char *)file, "PK?");
	write_file();
	refused("is something else, not a NumPy archive");
	file_bytes = (size_t)sprintf((char *)file, "P");
	write_file();
	refused("is something else, not a NumPy archive");
	assert_int_equal(unlink(path), 0);
	refused("No such file");
}

/* Changes the first entry of an archive in both of its headers, so that they still agree. `at` is
 * the place in the local header; in the central one it lies two bytes behind. */
static void refuse_entry(const char *from, size_t at, const char *bytes, size_t count,
			 const char *want)
{
	uint8_t *central = file;

	read_file(from);
	while (memcmp(central, "PK\1\2", 4) != 0)
		central++;
	memcpy(file + at, bytes, count);
	memcpy(central + at + 2, bytes, count);
	write_file();
	refused(want);
}

static void entries_that_cannot_be_read(void **state)
{
	(void)state;
	refuse_entry(STORED, 6, "\1", 1, "W_enc.npy is encrypted");
	refuse_entry(STORED, 8, "\x0c", 1, "compressed by method 12: numpy stores or deflates");
	/* Its size. Deflate cannot make so much of its bytes. */
	refuse_entry(DEFLATED, 22, "\xff\xff\xff\x7f", 4,
		     "W_enc.npy says 2147483647 bytes: 1085 bytes");
	refuse_entry(STORED, 22, "\0\0\0\0", 4, "W_enc.npy says 0 bytes: 1152 bytes");
}

/* What lacks memory is told so, and is never taken for a damaged archive. */
static int read_archive(void *name)
{
	return read_all(name, NULL);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	setenv("TZ", "UTC0", 1); /* else mktime, for libzip, reads a file and keeps what it says */
	alloc_double_allow_loss(true); /* libzip, where it opens an entry */
	assert_true(alloc_double_sweep(NULL, read_archive, (void *)STORED) > 20);
	assert_true(alloc_double_sweep(NULL, read_archive, (void *)DEFLATED) > 20);
	alloc_double_allow_loss(false);
}

static void an_archive_that_is_all_zero_is_closed(void **state)
{
	ps_npz npz = {0};

	(void)state;
	ps_npz_close(&npz);
	assert_int_equal(npz.fd, -1);
}

static void a_header_that_ends_early(void **state)
{
	ps_tensor_info info;
	ps_diag diag = {{0}};
	bool fortran_order;

	(void)state;
	assert_int_equal(
		ps_npy_parse("\x93NUMPY\1\0\2\0{", 11, "file", "x", &info, &fortran_order, &diag),
		PS_EINPUT);
	assert_string_equal(diag.text, "file: x ends within its npy header");
	diag.text[0] = 0;
	assert_int_equal(ps_npy_parse("\x93NUM", 4, "file", "x", &info, &fortran_order, &diag),
			 PS_EINPUT);
	assert_string_equal(diag.text, "file: x is no NumPy array (npy)");
}

/* --- damage --- */

static void cut_anywhere(void **state)
{
	const char *const files[] = {STORED, DEFLATED};

	(void)state;
	for (int f = 0; f < 2; f++) {
		size_t whole;

		read_file(files[f]);
		whole = file_bytes;
		for (size_t cut = 1; cut < whole; cut += cut < 400 ? 1 : 37) {
			ps_diag diag = {{0}};

			file_bytes = whole - cut;
			write_file();
			if (read_all(path, &diag) != PS_EINPUT)
				fail_msg("%zu of %zu bytes are read", file_bytes, whole);
		}
	}
}

/* Every flipped bit in a sample of places is refused, or leaves all numbers as they are. */
static void flipped_anywhere(void **state)
{
	const char *const files[] = {STORED, DEFLATED};
	ps_rng rng = ps_rng_make(5, 0);
	int refusals = 0;

	(void)state;
	for (int f = 0; f < 2; f++) {
		uint64_t right;

		read_file(files[f]);
		assert_int_equal(read_all(files[f], NULL), 0);
		right = contents;
		for (int i = 0; i < 1500; i++) {
			const size_t at = (size_t)ps_rng_below(&rng, file_bytes);
			const uint8_t bit = (uint8_t)(1u << (ps_rng_below(&rng, 8)));
			ps_diag diag = {{0}};
			int rc;

			file[at] ^= bit;
			write_file();
			rc = read_all(path, &diag);
			file[at] ^= bit;
			refusals += rc == PS_EINPUT;
			if (rc ? rc != PS_EINPUT : contents != right)
				fail_msg("byte %zu, bit %d: %d, %s", at, bit, rc, diag.text);
		}
	}
	/* What is not data is little: times, attributes, versions. */
	assert_in_range(refusals, 2700, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archives_of_numpy_are_listed),
		cmocka_unit_test(numbers_come_in_order),
		cmocka_unit_test(headers_of_other_writers),
		cmocka_unit_test(headers_that_are_wrong),
		cmocka_unit_test(types_that_are_not_read),
		cmocka_unit_test(shapes_that_do_not_fit_the_entry),
		cmocka_unit_test(headers_that_are_too_long),
		cmocka_unit_test(entries_that_are_no_arrays),
		cmocka_unit_test(as_many_arrays_as_a_model_has_matrices),
		cmocka_unit_test(starts_that_are_wrong),
		cmocka_unit_test(later_versions_are_read),
		cmocka_unit_test(a_header_that_ends_early),
		cmocka_unit_test(other_files),
		cmocka_unit_test(entries_that_cannot_be_read),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(an_archive_that_is_all_zero_is_closed),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(flipped_anywhere),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
