/* io/safetensors: files of the safetensors library are read, malformed files are refused by
 * name. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "io/map_guard.h"
#include "io/safetensors.h"
#include "io/token_file.h"
#include "test/support/support_sys_double.h"

#define FIXTURES "test/fixtures/safetensors/"

static char folder[256], path[512]; /* of the running test: a scratch folder, and a file in it */

static int set_up(void **state)
{
	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/file.safetensors", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

/* Writes a file: the length as given, the header, and data_bytes zeros. */
static void write_raw(uint64_t length, const void *header, size_t header_bytes, size_t data_bytes)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	for (int i = 0; i < 8; i++)
		fputc((int)(length >> 8 * i & 0xff), file);
	assert_int_equal(fwrite(header, 1, header_bytes, file), header_bytes);
	for (size_t i = 0; i < data_bytes; i++)
		fputc(0, file);
	assert_int_equal(fclose(file), 0);
}

static void write_file(const char *header, size_t data_bytes)
{
	write_raw(strlen(header), header, strlen(header), data_bytes);
}

static void refuse_path(const char *which, const char *want)
{
	ps_safetensors file;
	ps_diag diag = {{0}};
	int rc = ps_safetensors_open(&file, &ps_sys_linux, which, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, which) || !strstr(diag.text, want))
		fail_msg("returned %d, '%s'; the path and '%s' are expected", rc, diag.text, want);
	ps_safetensors_close(&file);
}

static void refuse(const char *header, size_t data_bytes, const char *want)
{
	write_file(header, data_bytes);
	refuse_path(path, want);
}

static void accept(const char *header, size_t data_bytes, size_t tensors)
{
	ps_safetensors file;
	ps_diag diag = {{0}};

	write_file(header, data_bytes);
	if (ps_safetensors_open(&file, &ps_sys_linux, path, &diag))
		fail_msg("%s: %s", header, diag.text);
	assert_int_equal(file.count, tensors);
	ps_safetensors_close(&file);
}

/* --- files of the library --- */

static double element(const ps_safetensors *file, const ps_tensor_info *info, size_t i)
{
	const char *at = (const char *)ps_safetensors_data(file, info) +
			 i * ps_dtype_size((ps_dtype)info->dtype);
	float wide;
	double f64;
	int64_t i64;
	int32_t i32;

	switch (info->dtype) {
	case PS_F64:
		memcpy(&f64, at, sizeof f64);
		return f64;
	case PS_I64:
		memcpy(&i64, at, sizeof i64);
		return (double)i64;
	case PS_I32:
		memcpy(&i32, at, sizeof i32);
		return i32;
	case PS_U8:
		return (unsigned char)*at + -3.0;
	default:
		ps_widen(at, (ps_dtype)info->dtype, 1, &wide);
		return (double)wide;
	}
}

static void reads_every_dtype_of_the_library(void **state)
{
	static const struct {
		const char *name;
		int dtype, rank;
		uint64_t shape[3], count;
	} wants[] = {
		{"f32", PS_F32, 2, {3, 5}, 15}, {"bf16", PS_BF16, 3, {2, 3, 4}, 24},
		{"f16", PS_F16, 1, {7}, 7},     {"i64", PS_I64, 1, {4}, 4},
		{"i32", PS_I32, 2, {2, 2}, 4},  {"u8", PS_U8, 1, {9}, 9},
		{"f64", PS_F64, 1, {3}, 3},
	};
	ps_safetensors file;
	ps_diag diag = {{0}};
	bool verified = true;

	(void)state;
	assert_int_equal(
		ps_safetensors_open(&file, &ps_sys_linux, FIXTURES "types.safetensors", &diag), 0);
	assert_int_equal(file.count, 8);
	assert_null(file.metadata);
	for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
		const ps_tensor_info *info;

		if (ps_safetensors_expect(&file, wants[i].name, wants[i].dtype, wants[i].rank,
					  wants[i].shape, &info, &diag))
			fail_msg("%s", diag.text);
		for (size_t e = 0; e < wants[i].count; e++)
			assert_true(element(&file, info, e) == (double)e - 3);
	}
	assert_int_equal(ps_safetensors_find(&file, "bool")->dtype, PS_BOOL);
	assert_string_equal(ps_safetensors_find(&file, "bool")->dtype_name, "BOOL");
	assert_int_equal(ps_safetensors_verify(&file, NULL, NULL, &verified, &diag), 0);
	assert_false(verified);
	ps_safetensors_close(&file);
	ps_safetensors_close(&file);
}

static void reads_scalars_empty_tensors_and_unicode_names(void **state)
{
	ps_safetensors file;
	ps_diag diag = {{0}};
	const ps_tensor_info *info;

	(void)state;
	assert_int_equal(
		ps_safetensors_open(&file, &ps_sys_linux, FIXTURES "odd.safetensors", &diag), 0);
	info = ps_safetensors_find(&file, "scalar");
	assert_true(info->rank == 0 && info->bytes == 4 && element(&file, info, 0) == -3);
	info = ps_safetensors_find(&file, "empty");
	assert_true(info->rank == 2 && info->bytes == 0 && info->shape[1] == 5);
	assert_non_null(ps_safetensors_find(&file, "gr\xc3\xbcn/\xe2\x98\x83"));
	assert_string_equal(ps_safetensors_find(&file, "f8")->dtype_name, "F8_E4M3");
	assert_null(ps_safetensors_find(&file, "none of this name"));
	for (size_t i = 1; i < file.count; i++)
		assert_true(file.tensors[i].offset >= file.tensors[i - 1].offset);
	ps_safetensors_close(&file);
}

static void names_what_differs_from_what_is_expected(void **state)
{
	static const uint64_t shape[2] = {3, 6}, any[2] = {3, 0};
	const ps_tensor_info *info;
	ps_safetensors file;

	(void)state;
	assert_int_equal(
		ps_safetensors_open(&file, &ps_sys_linux, FIXTURES "types.safetensors", NULL), 0);
	for (int i = 0; i < 4; i++) {
		static const char *const wants[] = {"no tensor f33", "is F32, must be BF16",
						    "has 2 dimensions",
						    "dimension 1 is 5, must be 6"};
		ps_diag diag = {{0}};

		assert_int_equal(ps_safetensors_expect(&file, i ? "f32" : "f33",
						       i == 1 ? PS_BF16 : PS_F32, i == 2 ? 1 : 2,
						       shape, &info, &diag),
				 PS_EINPUT);
		assert_non_null(strstr(diag.text, wants[i]));
		assert_non_null(strstr(diag.text, "types.safetensors"));
	}
	assert_int_equal(ps_safetensors_expect(&file, "f32", PS_F32, 2, any, &info, NULL), 0);
	ps_safetensors_close(&file);
}

/* --- malformed files --- */

#define A(begin, end)                                                                              \
	"\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [" #begin ", " #end "]}"
#define B(begin, end)                                                                              \
	"\"b\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [" #begin ", " #end "]}"

static void refuses_header_lengths_that_wrap_or_pass_the_end(void **state)
{
	static const uint64_t lengths[] = {UINT64_MAX,        UINT64_MAX - 7,
					   (uint64_t)1 << 63, ((uint64_t)1 << 32) + 40,
					   100000001,         1000};

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		write_raw(lengths[i], "{" A(0, 8) "}", strlen("{" A(0, 8) "}"), 0);
		refuse_path(path, "does not fit");
	}
}

static void refuses_headers_over_100_mb(void **state)
{
	(void)state;
	write_raw(100000001, "{}", 2, 0);
	assert_int_equal(truncate(path, 100000100), 0);
	refuse_path(path, "100 MB");
}

static void refuses_offsets_that_run_backwards(void **state)
{
	(void)state;
	refuse("{" A(8, 0) "}", 8, "tensor a");
	refuse("{" A(-8, 0) "}", 8, "tensor a");
	refuse("{" A(0, 18446744073709551615) "}", 8, "invalid");
	refuse("{" A(0, 9223372036854775807) "}", 8, "tensor a");
}

static void refuses_overlaps_and_holes(void **state)
{
	(void)state;
	refuse("{" A(0, 8) ", " B(4, 12) "}", 12, "overlap");
	refuse("{" A(0, 8) ", " B(0, 8) "}", 8, "overlap");
	refuse("{" A(0, 8) ", " B(12, 20) "}", 20, "hole");
	refuse("{" A(4, 12) "}", 12, "hole");
	refuse("{" A(0, 8) "}", 9, "the file at");
	refuse("{}", 1, "the file at");
	accept("{" A(8, 16) ", " B(0, 8) "}   ", 16, 2);
	accept("{}", 0, 0);
}

static void refuses_offsets_that_do_not_match_dtype_and_shape(void **state)
{
	(void)state;
	refuse("{" A(0, 4) "}", 4, "do not hold the 8 bytes");
	refuse("{\"a\": {\"dtype\": \"F64\", \"shape\": [2], \"data_offsets\": [0, 8]}}", 8,
	       "do not hold the 16 bytes");
	refuse("{\"a\": {\"dtype\": \"F4\", \"shape\": [3], \"data_offsets\": [0, 1]}}", 1,
	       "within a byte");
	accept("{\"a\": {\"dtype\": \"F4\", \"shape\": [2], \"data_offsets\": [0, 1]}}", 1, 1);
}

static void refuses_unknown_dtypes(void **state)
{
	(void)state;
	refuse("{\"a\": {\"dtype\": \"F33\", \"shape\": [2], \"data_offsets\": [0, 8]}}", 8,
	       "unknown dtype F33");
	refuse("{\"a\": {\"dtype\": 7, \"shape\": [2], \"data_offsets\": [0, 8]}}", 8,
	       "unknown dtype");
	refuse("{\"a\": {\"shape\": [2], \"data_offsets\": [0, 8]}}", 8, "unknown dtype");
	refuse("{\"a\": 5}", 8, "unknown dtype");
}

static void refuses_shapes_that_overflow(void **state)
{
	(void)state;
	refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [4294967296, 4294967296], "
	       "\"data_offsets\": [0, 0]}}",
	       0, "overflows");
	refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [4611686018427387904], \"data_offsets\": "
	       "[0, 0]}}",
	       0, "overflows");
	refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [0, 4294967296, 4294967296], "
	       "\"data_offsets\": [0, 0]}}",
	       0, "overflows");
	refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [-1], \"data_offsets\": [0, 0]}}", 0,
	       "not a count");
	refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [2.0], \"data_offsets\": [0, 8]}}", 8,
	       "not a count");
	refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1,1,1,1,1,1,1,1,2], \"data_offsets\": [0, "
	       "8]}}",
	       8, "at most 8");
	refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": 2, \"data_offsets\": [0, 8]}}", 8,
	       "a list");
}

static void refuses_duplicate_and_unknown_keys(void **state)
{
	(void)state;
	refuse("{" A(0, 8) ", " A(8, 16) "}", 16, "duplicate");
	refuse("{\"a\": {\"dtype\": \"F32\", \"dtype\": \"I32\", \"shape\": [2], \"data_offsets\": "
	       "[0, 8]}}",
	       8, "duplicate");
	refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8], \"more\": "
	       "1}}",
	       8, "alone");
	refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8, 8]}}", 8,
	       "alone");
}

static void refuses_names_that_are_not_utf8(void **state)
{
	(void)state;
	refuse("{\"\xff\xfe\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}}", 8,
	       "invalid at offset");
	refuse("{\"a\\u0000b\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}}", 8,
	       "invalid at offset");
	refuse("{\"\\ud800\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}}", 8,
	       "invalid at offset");
}

static void refuses_unbounded_nesting(void **state)
{
	size_t depth = 1000000;
	char *header = malloc(depth + 8);

	(void)state;
	memcpy(header, "{\"a\":", 5);
	memset(header + 5, '[', depth);
	header[5 + depth] = 0;
	refuse(header, 8, "depth");
	free(header);
}

static void refuses_what_is_no_json_object(void **state)
{
	static const char *const headers[] = {"",    " {}",  "[]",        "{",
					      "{}x", "null", "{\"a\": }", "\xef\xbb\xbf{}"};

	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
		refuse(headers[i], 0, "invalid at offset");
	write_raw(4, "{}\0\0", 4, 0);
	refuse_path(path, "invalid at offset");
}

static void refuses_metadata_that_is_not_strings(void **state)
{
	(void)state;
	refuse("{\"__metadata__\": []}", 0, "not an object");
	refuse("{\"__metadata__\": {\"k\": 1}}", 0, "k is not a string");
	refuse("{\"__metadata__\": {\"prunescope\": \"{\"}}", 0, "not a JSON object");
	refuse("{\"__metadata__\": {\"prunescope\": \"[]\"}}", 0, "not a JSON object");
	refuse("{\"__metadata__\": {\"prunescopd\": \"{\\\"xxh3\\\":{\\\"block_bytes\\\":1}}\"}}",
	       0, "key prunescope is damaged");
	accept("{\"__metadata__\": {\"format\": \"pt\"}}", 0, 0);
}

static void refuses_every_truncation(void **state)
{
	static const char *const names[] = {FIXTURES "types.safetensors",
					    FIXTURES "odd.safetensors",
					    FIXTURES "tokens.safetensors"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char bytes[4096];
		FILE *file = fopen(names[i], "rb");
		size_t length = fread(bytes, 1, sizeof bytes, file);

		fclose(file);
		assert_in_range(length, 100, sizeof bytes - 1);
		for (size_t n = 0; n < length; n++) {
			file = fopen(path, "wb");
			assert_int_equal(fwrite(bytes, 1, n, file), n);
			fclose(file);
			refuse_path(path, "file.safetensors");
		}
	}
}

static void refuses_paths_that_are_not_regular_files(void **state)
{
	char fifo[512];

	(void)state;
	snprintf(fifo, sizeof fifo, "%s/fifo", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refuse_path(fifo, "not a regular file");
	refuse_path(folder, "is a folder");
	refuse_path("/nonexistent/file", "No such file");
	refuse_path("/dev/zero", "not a regular file");
}

/* A mutated header is either refused, or opens with sound tensors. */
static void survives_mutated_headers(void **state)
{
	static const char *const snippets[] = {"[",       "]",           "{",
					       "}",       "\"",          "-1",
					       "0",       "99999999999", "9223372036854775807",
					       "\"F32\"", "\"BOOL\"",    "\"shape\"",
					       ",",       ":",           "[2]",
					       "[0]",     "[]",          "null",
					       "\\u0000", "__metadata__"};
	static const char good[] =
		"{\"__metadata__\": {\"format\": \"pt\"}, " A(0, 8) ", " B(8, 16) "}";
	ps_rng rng = ps_rng_make(11, 3);
	int opened = 0, refused = 0;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		char header[512];
		ps_safetensors file;
		ps_diag diag = {{0}};

		snprintf(header, sizeof header, "%s", good);
		for (uint64_t edits = 1 + ps_rng_below(&rng, 3); edits; edits--) {
			size_t at = (size_t)ps_rng_below(&rng, strlen(header)),
			       cut = (size_t)ps_rng_below(&rng, 6), length = strlen(header);
			const char *snippet =
				snippets[ps_rng_below(&rng, sizeof snippets / sizeof *snippets)];
			char rest[512];

			snprintf(rest, sizeof rest, "%s",
				 header + (at + cut < length ? at + cut : length));
			snprintf(header + at, sizeof header - at, "%s%s", snippet, rest);
		}
		write_file(header, 16);
		if (ps_safetensors_open(&file, &ps_sys_linux, path, &diag)) {
			assert_string_not_equal(diag.text, "");
			refused++;
			continue;
		}
		for (size_t t = 0; t < file.count; t++)
			assert_true(file.tensors[t].offset <= file.file_bytes &&
				    file.tensors[t].bytes <=
					    file.file_bytes - file.tensors[t].offset);
		ps_safetensors_close(&file);
		opened++;
	}
	print_message("%d of 4,000 mutated headers still open\n", opened);
	assert_true(opened > 0 && refused > 3000);
}

/* --- faults --- */

static void survives_short_and_interrupted_reads(void **state)
{
	ps_safetensors file;
	ps_diag diag = {{0}};

	(void)state;
	sys_double_plan((sys_plan){.shorten = 3, .interrupt = true});
	if (ps_safetensors_open(&file, &sys_double, FIXTURES "types.safetensors", &diag))
		fail_msg("%s", diag.text);
	assert_true(strlen(sys_double_trace()) > 100);
	assert_int_equal(sys_double_open_files(), 1);
	ps_safetensors_close(&file);
	assert_int_equal(sys_double_open_files(), 0);
}

static void calls_every_failing_read_an_input_error(void **state)
{
	long n = 1;

	(void)state;
	for (int rc = PS_EINPUT; rc; n++) {
		ps_safetensors file;
		ps_diag diag = {{0}};

		sys_double_plan((sys_plan){
			.calls = SYS_OPEN | SYS_PREAD | SYS_FSTAT, .fail_at = n, .error = EIO});
		rc = ps_safetensors_open(&file, &sys_double, FIXTURES "types.safetensors", &diag);
		if (rc) {
			assert_int_equal(rc, PS_EINPUT);
			assert_non_null(strstr(diag.text, "types.safetensors"));
			assert_non_null(strstr(diag.text, "Input/output error"));
		}
		ps_safetensors_close(&file);
		assert_int_equal(sys_double_open_files(), 0);
	}
	assert_int_equal(n, 7); /* the file is small enough to be read for a Git LFS pointer */
}

static void names_the_mapping_of_an_address(void **state)
{
	static char here[100], there[100];

	(void)state;
	ps_map_guard_add(here, sizeof here, "here", -1);
	ps_map_guard_add(there, sizeof there, "there", -1);
	assert_string_equal(ps_map_guard_find(here), "here");
	assert_string_equal(ps_map_guard_find(there + 99), "there");
	ps_map_guard_remove(here);
	assert_null(ps_map_guard_find(here + 50));
	assert_string_equal(ps_map_guard_find(there + 50), "there");
	ps_map_guard_remove(there);
	assert_null(ps_map_guard_find(there));
	assert_null(ps_map_guard_find(NULL));
	/* More mappings than the table holds. The rest cannot be named; nothing else happens. */
	for (size_t i = 0; i < 5000; i++)
		ps_map_guard_add((void *)(4096 + 16 * i), 16, "many", -1);
	assert_string_equal(ps_map_guard_find((void *)4096), "many");
	assert_null(ps_map_guard_find((void *)(4096 + 16 * (size_t)4999)));
	for (size_t i = 0; i < 5000; i++)
		ps_map_guard_remove((void *)(4096 + 16 * i));
	assert_null(ps_map_guard_find((void *)4096));
}

static void exit_naming_the_file(int number, siginfo_t *info, void *unused)
{
	const char *name = ps_map_guard_find(info->si_addr);

	(void)number, (void)unused;
	_exit(name && strstr(name, "file.safetensors") ? 3 : 99);
}

static int read_truncated(void *unused)
{
	struct sigaction action = {.sa_sigaction = exit_naming_the_file, .sa_flags = SA_SIGINFO};
	ps_safetensors file;
	volatile char byte;

	(void)unused;
	sigaction(SIGBUS, &action, NULL);
	write_file(
		"{\"a\": {\"dtype\": \"U8\", \"shape\": [100000], \"data_offsets\": [0, 100000]}}",
		100000);
	if (ps_safetensors_open(&file, &ps_sys_linux, path, NULL) || truncate(path, 4096))
		return 98;
	byte = *((const char *)ps_safetensors_data(&file, &file.tensors[0]) + 90000);
	(void)byte;
	return 97;
}

static void a_file_truncated_under_the_map_is_named(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(read_truncated, NULL), 3);
}

/* --- token files --- */

static void reads_token_files_of_the_library(void **state)
{
	static const int32_t wants[] = {3, 2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8};
	ps_token_file tokens;
	ps_diag diag = {{0}};
	uint64_t digest;

	(void)state;
	assert_int_equal(
		ps_token_file_open(&tokens, &ps_sys_linux, FIXTURES "tokens.safetensors", &diag),
		0);
	assert_true(tokens.windows == 3 && tokens.window == 4 && !tokens.verified);
	assert_memory_equal(tokens.ids, wants, sizeof wants);
	digest = tokens.digest;
	ps_token_file_close(&tokens);
	ps_token_file_close(&tokens);
	/* The same ids at an odd offset have the same digest. Another shape has another digest. */
	for (int i = 0; i < 2; i++) {
		char header[128];
		FILE *file;

		snprintf(header, sizeof header,
			 "{\"tokens\": {\"dtype\": \"I32\", \"shape\": [%s], \"data_offsets\": [0, "
			 "48]}}",
			 i ? "4, 3" : "3, 4");
		if ((8 + strlen(header)) % 4 == 0)
			strcat(header, " ");
		write_file(header, 0);
		file = fopen(path, "ab");
		assert_int_equal(fwrite(wants, 1, sizeof wants, file), sizeof wants);
		fclose(file);
		if (ps_token_file_open(&tokens, &ps_sys_linux, path, &diag))
			fail_msg("%s", diag.text);
		assert_int_equal((uintptr_t)tokens.ids % 4, 0);
		assert_memory_equal(tokens.ids, wants, sizeof wants);
		assert_int_equal(tokens.digest == digest, !i);
		ps_token_file_close(&tokens);
	}
}

static void written_tokens_read_back(void **state)
{
	static const int32_t ids[] = {3, 2, 1, 0, 1, 2};
	json_t *provenance = json_pack("{s:s}", "command", "tokenize");
	ps_token_file tokens;

	(void)state;
	snprintf(path, sizeof path, "%s/tokens", folder);
	assert_int_equal(ps_token_file_write(&ps_sys_linux, path, ids, 3, 2, provenance, NULL), 0);
	assert_int_equal(ps_token_file_open(&tokens, &ps_sys_linux, path, NULL), 0);
	assert_true(tokens.windows == 3 && tokens.window == 2 && tokens.verified);
	assert_memory_equal(tokens.ids, ids, sizeof ids);
	assert_string_equal(json_string_value(json_object_get(tokens.file.metadata, "kind")),
			    "tokens");
	assert_true(json_equal(json_object_get(tokens.file.metadata, "provenance"), provenance));
	ps_token_file_close(&tokens);
	json_decref(provenance);
}

static void refuses_token_files_without_ids(void **state)
{
	static const char *const headers[] = {
		"{\"tokens\": {\"dtype\": \"I32\", \"shape\": [0, 4], \"data_offsets\": [0, 0]}}",
		"{\"tokens\": {\"dtype\": \"F32\", \"shape\": [1, 1], \"data_offsets\": [0, 4]}}",
		"{\"tokens\": {\"dtype\": \"I32\", \"shape\": [1], \"data_offsets\": [0, 4]}}",
		"{\"ids\": {\"dtype\": \"I32\", \"shape\": [1, 1], \"data_offsets\": [0, 4]}}",
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		ps_token_file tokens;
		ps_diag diag = {{0}};

		write_file(headers[i], i ? 4 : 0);
		assert_int_equal(ps_token_file_open(&tokens, &ps_sys_linux, path, &diag),
				 PS_EINPUT);
		assert_non_null(strstr(diag.text, "tokens"));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_every_dtype_of_the_library),
		TEST(reads_scalars_empty_tensors_and_unicode_names),
		TEST(names_what_differs_from_what_is_expected),
		TEST(refuses_header_lengths_that_wrap_or_pass_the_end),
		TEST(refuses_headers_over_100_mb),
		TEST(refuses_offsets_that_run_backwards),
		TEST(refuses_overlaps_and_holes),
		TEST(refuses_offsets_that_do_not_match_dtype_and_shape),
		TEST(refuses_unknown_dtypes),
		TEST(refuses_shapes_that_overflow),
		TEST(refuses_duplicate_and_unknown_keys),
		TEST(refuses_names_that_are_not_utf8),
		TEST(refuses_unbounded_nesting),
		TEST(refuses_what_is_no_json_object),
		TEST(refuses_metadata_that_is_not_strings),
		TEST(refuses_every_truncation),
		TEST(refuses_paths_that_are_not_regular_files),
		TEST(survives_mutated_headers),
		TEST(survives_short_and_interrupted_reads),
		TEST(calls_every_failing_read_an_input_error),
		TEST(names_the_mapping_of_an_address),
		TEST(a_file_truncated_under_the_map_is_named),
		TEST(reads_token_files_of_the_library),
		TEST(written_tokens_read_back),
		TEST(refuses_token_files_without_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
