/* io/cache_store: activations come back as they went in, whatever interrupted the writing. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <math.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "io/cache_store.h"
#include "test/support/support_foreign.h"
#include "test/support/support_sys_double.h"

#define ROWS 50
#define WIDTH 7
#define SHARD_ROWS 16
#define SHARDS 4

static char scratch[256], folder[300], whole[300];
static float values[ROWS * WIDTH];
static int32_t token_ids[ROWS], positions[ROWS], window_ids[ROWS];

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	snprintf(folder, sizeof folder, "%s/cache", scratch);
	snprintf(whole, sizeof whole, "%s/whole", scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static int make_rows(void **state)
{
	ps_rng rng = ps_rng_make(5, 0);

	(void)state;
	for (size_t i = 0; i < ROWS * WIDTH; i++)
		values[i] = ps_rng_normal(&rng);
	for (int r = 0; r < ROWS; r++) {
		token_ids[r] = 1000 + r;
		positions[r] = r % 5;
		window_ids[r] = r / 5;
	}
	return 0;
}

/* Of the caches that are written. */
static const char *command = "test";
static const ps_context *verify;

/* Writes the missing part of the cache, so many rows at a time. */
static int write_cache(const ps_sys *sys, const char *path, ps_dtype dtype, size_t piece,
		       ps_diag *diag)
{
	json_t *provenance = json_pack("{s:s}", "command", command);
	ps_cache_writer *writer;
	bool done = false;
	int rc = ps_cache_writer_create(&writer, sys,
					&(ps_cache_spec){.path = path,
							 .provenance = provenance,
							 .verify = verify,
							 .dtype = dtype,
							 .rows = ROWS,
							 .width = WIDTH,
							 .shard_rows = SHARD_ROWS},
					&done, diag);

	json_decref(provenance);
	if (rc)
		return rc;
	for (size_t r = (size_t)ps_cache_writer_resume_row(writer); r < ROWS && !rc; r += piece) {
		size_t count = ROWS - r < piece ? ROWS - r : piece;

		rc = ps_cache_writer_add(writer, values + r * WIDTH, token_ids + r, positions + r,
					 window_ids + r, count, diag);
	}
	if (!rc && !done)
		rc = ps_cache_writer_finish(writer, diag);
	ps_cache_writer_close(writer);
	return rc;
}

static void write_whole(const char *path, ps_dtype dtype)
{
	ps_diag diag = {{0}};

	if (write_cache(&ps_sys_linux, path, dtype, 7, &diag))
		fail_msg("%s", diag.text);
}

static void assert_same_folders(void)
{
	static const char *const names[] = {"manifest.json", "shard-00000.safetensors",
					    "shard-00001.safetensors", "shard-00002.safetensors",
					    "shard-00003.safetensors"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char a[PATH_MAX], b[PATH_MAX];
		uint64_t bytes_a, bytes_b, digest_a, digest_b;

		snprintf(a, sizeof a, "%s/%s", folder, names[i]);
		snprintf(b, sizeof b, "%s/%s", whole, names[i]);
		assert_int_equal(ps_file_digest(&ps_sys_linux, a, &bytes_a, &digest_a, NULL), 0);
		assert_int_equal(ps_file_digest(&ps_sys_linux, b, &bytes_b, &digest_b, NULL), 0);
		assert_true(bytes_a == bytes_b && digest_a == digest_b);
	}
	assert_int_equal(scratch_count(folder), SHARDS + 1);
}

static const ps_context silent = {.pool = NULL};

static void open_good(ps_cache *cache, const char *path)
{
	ps_diag diag = {{0}};

	if (ps_cache_open(cache, &ps_sys_linux, path, &silent, &diag))
		fail_msg("%s", diag.text);
}

static void refuse(const char *path, const char *want)
{
	ps_cache cache;
	ps_diag diag = {{0}};
	int rc = ps_cache_open(&cache, &ps_sys_linux, path, &silent, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, want))
		fail_msg("returned %d, '%s'; '%s' is expected", rc, diag.text, want);
	ps_cache_close(&cache);
}

/* --- round trips --- */

static void check_column(const ps_cache *cache, ps_row_column column, const int32_t *expected,
			 const uint64_t *ids, size_t count)
{
	int32_t out[2 * ROWS];

	assert_true(ps_row_source_has(&cache->source, column));
	cache->source.column(cache->source.self, column, ids, count, out);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(out[i], expected[ids[i]]);
}

static int32_t window_of(const ps_cache *cache, uint64_t row)
{
	int32_t out;

	cache->source.column(cache->source.self, PS_ROW_WINDOW_ID, &row, 1, &out);
	return out;
}

static void check_round_trip(ps_dtype dtype)
{
	ps_cache cache;
	uint64_t ids[2 * ROWS];
	float rows[2 * ROWS * WIDTH];

	write_whole(folder, dtype);
	open_good(&cache, folder);
	assert_true(cache.verified && cache.dtype == dtype && cache.source.rows == ROWS &&
		    cache.source.width == WIDTH);
	assert_int_equal(cache.shard_count, SHARDS);
	for (uint64_t i = 0; i < 2 * ROWS; i++)
		ids[i] = i < ROWS ? ps_permute(i, ROWS, 3) : ROWS - 1 - i / 2 % ROWS;
	check_column(&cache, PS_ROW_TOKEN_ID, token_ids, ids, 2 * ROWS);
	check_column(&cache, PS_ROW_POSITION, positions, ids, 2 * ROWS);
	check_column(&cache, PS_ROW_WINDOW_ID, window_ids, ids, 2 * ROWS);
	assert_int_equal(cache.source.gather(cache.source.self, ids, 2 * ROWS, rows, NULL), 0);
	for (size_t i = 0; i < 2 * ROWS * WIDTH; i++) {
		float want = values[ids[i / WIDTH] * WIDTH + i % WIDTH];

		assert_true(rows[i] ==
			    (dtype == PS_F32 ? want : ps_bf16_to_f32(ps_f32_to_bf16(want))));
	}
	ps_cache_close(&cache);
	ps_cache_close(&cache);
}

static void f32_rows_come_back_in_any_order(void **state)
{
	(void)state;
	check_round_trip(PS_F32);
}

static void bf16_rows_come_back_rounded(void **state)
{
	(void)state;
	check_round_trip(PS_BF16);
}

static void wider_dtypes_stand_first(void **state)
{
	ps_cache cache;

	(void)state;
	write_whole(folder, PS_BF16);
	open_good(&cache, folder);
	for (size_t s = 0; s < SHARDS; s++) {
		bool verified = false;

		assert_string_equal(cache.shards[s].tensors[3].name, "activations");
		assert_int_equal(
			json_integer_value(json_object_get(cache.shards[s].metadata, "first_row")),
			s * SHARD_ROWS);
		assert_int_equal(
			ps_safetensors_verify(&cache.shards[s], NULL, NULL, &verified, NULL), 0);
		assert_true(verified);
	}
	ps_cache_close(&cache);
}

/* A shard of several blocks. Its columns alone, which are deferred, are larger than a block. */
static void shards_may_be_larger_than_a_block(void **state)
{
	size_t rows = 400000, width = 3;
	float *many = malloc(rows * width * sizeof *many), out[3];
	int32_t *ids = malloc(rows * sizeof *ids);
	json_t *provenance = json_object();
	ps_cache_writer *writer;
	ps_cache cache;
	bool done, verified = false;

	(void)state;
	for (size_t r = 0; r < rows; r++) {
		ids[r] = (int32_t)r;
		many[r * width] = many[r * width + 1] = many[r * width + 2] = (float)(r % 251);
	}
	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = folder,
								 .provenance = provenance,
								 .dtype = PS_BF16,
								 .rows = rows,
								 .width = width,
								 .shard_rows = rows},
						&done, NULL),
			 0);
	for (size_t r = 0; r < rows; r += 1000)
		assert_int_equal(ps_cache_writer_add(writer, many + r * width, ids + r, ids + r,
						     ids + r, 1000, NULL),
				 0);
	assert_int_equal(ps_cache_writer_finish(writer, NULL), 0);
	ps_cache_writer_close(writer);
	open_good(&cache, folder);
	assert_int_equal(ps_safetensors_verify(&cache.shards[0], NULL, NULL, &verified, NULL), 0);
	for (uint64_t r = 0; r < rows; r += 997) {
		assert_int_equal(cache.source.gather(cache.source.self, &r, 1, out, NULL), 0);
		assert_true(out[0] == (float)(r % 251) && out[2] == out[0] &&
			    window_of(&cache, r) == (int32_t)r);
	}
	ps_cache_close(&cache);
	json_decref(provenance);
	free(many);
	free(ids);
}

static void the_bytes_do_not_depend_on_how_rows_arrive(void **state)
{
	static const size_t pieces[] = {1, 5, 16, 17, ROWS};

	(void)state;
	write_whole(whole, PS_BF16);
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		assert_int_equal(write_cache(&ps_sys_linux, folder, PS_BF16, pieces[i], NULL), 0);
		assert_same_folders();
		scratch_remove(folder);
	}
}

static void more_or_fewer_rows_than_declared_are_refused(void **state)
{
	json_t *provenance = json_object();
	ps_cache_writer *writer;
	bool done;

	(void)state;
	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = folder,
								 .provenance = provenance,
								 .dtype = PS_F32,
								 .rows = 10,
								 .width = WIDTH,
								 .shard_rows = 4},
						&done, NULL),
			 0);
	assert_int_equal(
		ps_cache_writer_add(writer, values, token_ids, positions, window_ids, 11, NULL),
		PS_EFAILED);
	assert_int_equal(
		ps_cache_writer_add(writer, values, token_ids, positions, window_ids, 9, NULL), 0);
	assert_int_equal(ps_cache_writer_finish(writer, NULL), PS_EFAILED);
	ps_cache_writer_close(writer);
	ps_cache_writer_close(NULL);
	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = whole,
								 .provenance = provenance,
								 .dtype = PS_F32,
								 .width = WIDTH,
								 .shard_rows = 4},
						&done, NULL),
			 PS_EFAILED);
	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = whole,
								 .provenance = provenance,
								 .dtype = PS_F32,
								 .rows = UINT64_MAX,
								 .width = WIDTH,
								 .shard_rows = 1},
						&done, NULL),
			 PS_EFAILED);
	json_decref(provenance);
}

/* --- interruptions --- */

static int write_with_plan(void *context)
{
	sys_double_plan(*(const sys_plan *)context);
	return ps_exit_code(write_cache(&sys_double, folder, PS_BF16, 7, NULL));
}

static void killed_at_any_boundary_it_continues_to_the_same_bytes(void **state)
{
	int status = -SIGKILL;
	long n = 1;

	(void)state;
	write_whole(whole, PS_BF16);
	for (; status == -SIGKILL; n++) {
		sys_plan plan = {.calls = SYS_ALL, .kill_at = n};

		status = run_in_child(write_with_plan, &plan);
		write_whole(folder, PS_BF16);
		assert_same_folders();
		scratch_remove(folder);
	}
	assert_int_equal(status, 0);
	print_message("killed at %ld boundaries\n", n - 2);
	assert_true(n > 100);
}

static void whichever_call_fails_it_continues_to_the_same_bytes(void **state)
{
	long n = 1;

	(void)state;
	write_whole(whole, PS_BF16);
	for (long count = 1; count >= n - 1; n++) {
		sys_plan plan = {.calls = SYS_ALL & ~SYS_CLOSE, .fail_at = n, .error = EIO};
		int status = write_with_plan(&plan);

		count = sys_double_count();
		assert_int_equal(sys_double_open_files(), 0);
		/* Exit 3: a file that was just written could not be read back. */
		assert_true(status == 0 || status == 4 || status == 3);
		write_whole(folder, PS_BF16);
		assert_same_folders();
		scratch_remove(folder);
	}
	print_message("each of %ld calls failed once\n", n - 2);
	assert_true(n > 50);
}

static void continues_at_the_first_missing_shard(void **state)
{
	char path[PATH_MAX];
	json_t *provenance = json_pack("{s:s}", "command", "test");
	ps_cache_writer *writer;
	bool done;

	(void)state;
	write_whole(folder, PS_F32);
	write_whole(whole, PS_F32);
	snprintf(path, sizeof path, "%s/shard-00001.safetensors", folder);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = folder,
								 .provenance = provenance,
								 .dtype = PS_F32,
								 .rows = ROWS,
								 .width = WIDTH,
								 .shard_rows = SHARD_ROWS},
						&done, NULL),
			 0);
	assert_false(done);
	assert_int_equal(ps_cache_writer_resume_row(writer), SHARD_ROWS);
	ps_cache_writer_close(writer);
	refuse(folder, "not finished");
	write_whole(folder, PS_F32);
	assert_same_folders();
	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = folder,
								 .provenance = provenance,
								 .dtype = PS_F32,
								 .rows = ROWS,
								 .width = WIDTH,
								 .shard_rows = SHARD_ROWS},
						&done, NULL),
			 0);
	assert_true(done && ps_cache_writer_resume_row(writer) == ROWS);
	ps_cache_writer_close(writer);
	json_decref(provenance);
}

/* --- what is refused --- */

static void spoil(const char *name, void (*how)(const char *path), const char *want)
{
	char path[PATH_MAX];

	write_whole(folder, PS_F32);
	snprintf(path, sizeof path, "%s/%s", folder, name);
	how(path);
	refuse(folder, want);
	scratch_remove(folder);
}

static void cut(const char *path)
{
	assert_int_equal(truncate(path, 4096 + 8), 0);
}

static void drop(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

/* Puts another shard's bytes under this one's name. They have the same size. */
static void swap(const char *path)
{
	char from[PATH_MAX];

	snprintf(from, sizeof from, "%s/shard-00000.safetensors", folder);
	assert_int_equal(rename(from, path), 0);
}

/* Changes the first key of the metadata and nothing else. */
static void lose_metadata(const char *path)
{
	FILE *file = fopen(path, "r+b");
	char text[64] = {0};
	char *key;

	assert_int_equal(fread(text, 1, sizeof text - 1, file), sizeof text - 1);
	key = memmem(text, sizeof text, "prunescope", 10);
	assert_non_null(key);
	fseek(file, key - text, SEEK_SET);
	fputs("prunescopf", file);
	fclose(file);
}

static void damaged_caches_are_refused(void **state)
{
	(void)state;
	spoil("shard-00001.safetensors", cut, "shard-00001.safetensors");
	spoil("shard-00001.safetensors", drop, "shard-00001.safetensors");
	spoil("shard-00002.safetensors", swap, "shard-0000");
	spoil("shard-00002.safetensors", lose_metadata, "key prunescope is damaged");
	refuse("/nonexistent", "/nonexistent");
}

/* Flips a bit of a shard. */
static void flip(const char *name, off_t at)
{
	char path[PATH_MAX], byte;
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 16;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void a_flipped_bit_is_found_before_the_first_use(void **state)
{
	ps_rng rng = ps_rng_make(3, 1);
	char path[PATH_MAX];
	struct stat st;
	ps_cache cache;

	(void)state;
	write_whole(folder, PS_F32);
	snprintf(path, sizeof path, "%s/shard-00001.safetensors", folder);
	assert_int_equal(stat(path, &st), 0);
	for (int i = 0; i < 100; i++) {
		/* The data begins at byte 4,096. */
		const off_t at = 4096 + (off_t)ps_rng_below(&rng, (uint64_t)st.st_size - 4096);

		flip("shard-00001.safetensors", at);
		refuse(folder, "shard-00001.safetensors: block 0 at offset 4096");
		if (!i) { /* Nobody asked for it. */
			assert_int_equal(ps_cache_open(&cache, &ps_sys_linux, folder, NULL, NULL),
					 0);
			ps_cache_close(&cache);
		}
		flip("shard-00001.safetensors", at);
		open_good(&cache, folder);
		ps_cache_close(&cache);
	}
	/* Without the manifest, the shards' own checksums count. */
	snprintf(path, sizeof path, "%s/" PS_MANIFEST, folder);
	assert_int_equal(unlink(path), 0);
	open_good(&cache, folder);
	assert_false(cache.verified);
	ps_cache_close(&cache);
	flip("shard-00001.safetensors", 4500);
	refuse(folder, "shard-00001.safetensors: block 0 at offset 4096");
}

/* The same place, shape and size, but another cache's. */
static void a_shard_of_another_cache_is_refused(void **state)
{
	char from[PATH_MAX], to[PATH_MAX];
	ps_cache cache;

	(void)state;
	write_whole(folder, PS_F32);
	command = "another layer";
	write_whole(whole, PS_F32);
	command = "test";
	open_good(&cache, whole);
	ps_cache_close(&cache);
	snprintf(from, sizeof from, "%s/shard-00001.safetensors", whole);
	snprintf(to, sizeof to, "%s/shard-00001.safetensors", folder);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(ps_cache_open(&cache, &ps_sys_linux, folder, NULL, NULL), PS_EINPUT);
	refuse(folder, "shard-00001.safetensors");
	snprintf(to, sizeof to, "%s/" PS_MANIFEST, folder);
	assert_int_equal(unlink(to), 0);
	refuse(folder, "shard-00001.safetensors: belongs to another cache");
}

static void shards_without_a_manifest_say_whose_they_are(void **state)
{
	char path[PATH_MAX];
	json_t *before;
	ps_cache cache;

	(void)state;
	write_whole(folder, PS_F32);
	open_good(&cache, folder);
	before = json_deep_copy(json_object_get(ps_cache_about(&cache), "provenance"));
	ps_cache_close(&cache);
	snprintf(path, sizeof path, "%s/" PS_MANIFEST, folder);
	assert_int_equal(unlink(path), 0);
	open_good(&cache, folder);
	assert_true(!cache.manifest && !cache.verified);
	assert_true(json_equal(before, json_object_get(ps_cache_about(&cache), "provenance")));
	ps_cache_close(&cache);
	json_decref(before);
}

static void a_changed_shard_of_a_finished_cache_is_made_anew(void **state)
{
	ps_cache cache;

	(void)state;
	write_whole(folder, PS_F32);
	write_whole(whole, PS_F32);
	flip("shard-00002.safetensors", 4500);
	verify = &silent;
	write_whole(folder, PS_F32);
	verify = NULL;
	assert_same_folders();
	open_good(&cache, folder);
	ps_cache_close(&cache);
}

/* The cache as another tool would have written it, with a number that is not finite in row 20. That
 * is row 4 of the second shard. */
static void make_foreign(ps_dtype dtype, const void *bad)
{
	const size_t width = ps_dtype_size(dtype);
	char path[PATH_MAX];
	ps_safetensors file;
	uint64_t at;

	scratch_remove(folder);
	write_whole(folder, dtype);
	snprintf(path, sizeof path, "%s/manifest.json", folder);
	assert_int_equal(unlink(path), 0);
	for (int i = 0; i < SHARDS; i++) {
		snprintf(path, sizeof path, "%s/shard-%05d.safetensors", folder, i);
		ps_test_make_foreign(path);
	}
	snprintf(path, sizeof path, "%s/shard-00001.safetensors", folder);
	assert_int_equal(ps_safetensors_open(&file, &ps_sys_linux, path, NULL), 0);
	at = ps_safetensors_find(&file, "activations")->offset + (4 * WIDTH + 2) * width;
	/* A file that is written to while it is mapped would be refused. */
	ps_safetensors_close(&file);
	ps_test_write_at(path, at, bad, width);
}

static void rows_that_are_not_finite_are_named(void **state)
{
	static const uint32_t f32[] = {0x7fc00000, 0x7f800000, 0xff800000};
	static const uint16_t bf16[] = {0x7fc0, 0x7f80, 0xff80};
	static const uint64_t good[] = {19, 0, 21}, bad[] = {49, 20, 3};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		float rows[3 * WIDTH];
		ps_diag diag = {{0}};
		ps_cache cache;

		if (i < 3)
			make_foreign(PS_F32, &f32[i]);
		else
			make_foreign(PS_BF16, &bf16[i - 3]);
		open_good(&cache, folder);
		assert_int_equal(cache.source.gather(cache.source.self, good, 3, rows, &diag), 0);
		assert_int_equal(cache.source.gather(cache.source.self, bad, 3, rows, &diag),
				 PS_EINPUT);
		assert_non_null(strstr(diag.text, "shard-00001.safetensors: tensor activations"));
		assert_non_null(strstr(diag.text, "at row 4, column 2 "));
		assert_non_null(strstr(diag.text, "row 20 of the cache"));
		ps_cache_close(&cache);
	}
}

static void rows_that_are_not_finite_are_not_written(void **state)
{
	static const float bad[] = {NAN, INFINITY, 3.4e38f}; /* the last one overflows bf16 */
	const float was = values[20 * WIDTH + 2];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		ps_diag diag = {{0}};

		values[20 * WIDTH + 2] = bad[i];
		assert_int_equal(write_cache(&ps_sys_linux, folder, PS_BF16, 7, &diag), PS_EFAILED);
		values[20 * WIDTH + 2] = was;
		assert_non_null(strstr(diag.text, "row 20, column 2"));
		scratch_remove(folder);
	}
}

static void a_shard_in_the_wrong_place_is_refused(void **state)
{
	char from[PATH_MAX], to[PATH_MAX];

	(void)state;
	write_whole(folder, PS_F32);
	snprintf(from, sizeof from, "%s/shard-00001.safetensors", folder);
	snprintf(to, sizeof to, "%s/shard-00002.safetensors", folder);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(link(from, to), 0);
	refuse(folder, "begins with row 16");
}

static void other_artefacts_are_refused(void **state)
{
	json_t *provenance = json_object();
	ps_folder *out;
	bool done;

	(void)state;
	assert_int_equal(
		ps_folder_begin(
			&out, &ps_sys_linux,
			&(ps_folder_spec){.path = folder, .kind = "sae", .provenance = provenance},
			&done, NULL),
		0);
	assert_int_equal(ps_folder_finish(out, NULL, NULL), 0);
	ps_folder_close(out);
	json_decref(provenance);
	refuse(folder, "holds sae");
	refuse(scratch, "holds no .safetensors");
	refuse("test/fixtures/safetensors", "no tensor activations");
}

static void folders_of_other_tools_are_taken_as_unverified(void **state)
{
	static const uint64_t ids[] = {6, 0, 4, 3};
	ps_cache cache;
	float rows[4 * 3];

	(void)state;
	open_good(&cache, "test/fixtures/safetensors/foreign");
	assert_true(!cache.verified && !cache.manifest && cache.source.rows == 7 &&
		    cache.source.width == 3 && cache.dtype == PS_BF16);
	assert_null(ps_cache_about(&cache));
	assert_int_equal(cache.source.columns, 0);
	assert_int_equal(cache.source.gather(cache.source.self, ids, 4, rows, NULL), 0);
	for (size_t i = 0; i < 12; i++)
		assert_true(rows[i] == (float)(ids[i / 3] * 10 + i % 3));
	assert_int_not_equal(cache.digest, 0);
	ps_cache_close(&cache);
}

static void every_byte_of_another_tools_cache_counts(void **state)
{
	char path[PATH_MAX];
	uint64_t digest;
	ps_cache cache;

	(void)state;
	write_whole(folder, PS_F32);
	snprintf(path, sizeof path, "%s/" PS_MANIFEST, folder);
	assert_int_equal(unlink(path), 0);
	open_good(&cache, folder);
	digest = cache.digest;
	ps_cache_close(&cache);
	flip("shard-00003.safetensors", 4100);
	assert_int_equal(ps_cache_open(&cache, &ps_sys_linux, folder, NULL, NULL), 0);
	assert_true(cache.digest != digest);
	ps_cache_close(&cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(f32_rows_come_back_in_any_order),
		TEST(bf16_rows_come_back_rounded),
		TEST(wider_dtypes_stand_first),
		TEST(shards_may_be_larger_than_a_block),
		TEST(the_bytes_do_not_depend_on_how_rows_arrive),
		TEST(more_or_fewer_rows_than_declared_are_refused),
		TEST(killed_at_any_boundary_it_continues_to_the_same_bytes),
		TEST(whichever_call_fails_it_continues_to_the_same_bytes),
		TEST(continues_at_the_first_missing_shard),
		TEST(damaged_caches_are_refused),
		TEST(a_flipped_bit_is_found_before_the_first_use),
		TEST(a_shard_of_another_cache_is_refused),
		TEST(shards_without_a_manifest_say_whose_they_are),
		TEST(a_changed_shard_of_a_finished_cache_is_made_anew),
		TEST(rows_that_are_not_finite_are_named),
		TEST(rows_that_are_not_finite_are_not_written),
		TEST(a_shard_in_the_wrong_place_is_refused),
		TEST(other_artefacts_are_refused),
		TEST(folders_of_other_tools_are_taken_as_unverified),
		TEST(every_byte_of_another_tools_cache_counts),
	};

	return cmocka_run_group_tests(tests, make_rows, NULL);
}
