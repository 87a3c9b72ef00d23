/* io/row_ahead: rows are those of the cache, announced or not. A failing read names the place. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "io/reader.h"
#include "io/row_ahead.h"
#include "sae/batch.h"
#include "test/support/support_foreign.h"
#include "test/support/support_sys_double.h"

enum { ROWS = 300, WIDTH = 1031, SHARD_ROWS = 64, BATCH = 70 };

static char scratch[256], folder[300];
static float values[ROWS * WIDTH];

static int set_up(void **state)
{
	ps_rng rng = ps_rng_make(5, 0);

	(void)state;
	scratch_make(scratch, sizeof scratch);
	snprintf(folder, sizeof folder, "%s/cache", scratch);
	for (size_t i = 0; i < ROWS * WIDTH; i++)
		values[i] = ps_rng_normal(&rng);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static void write_cache(ps_dtype dtype)
{
	static const int32_t ids[ROWS];
	json_t *provenance = json_pack("{s:s, s:i}", "command", "test", "dtype", (int)dtype);
	ps_cache_writer *writer;
	ps_diag diag = {{0}};
	bool done = false;

	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = folder,
								 .provenance = provenance,
								 .replace = true,
								 .dtype = dtype,
								 .rows = ROWS,
								 .width = WIDTH,
								 .shard_rows = SHARD_ROWS},
						&done, &diag),
			 0);
	if (!done) {
		assert_int_equal(ps_cache_writer_add(writer, values, ids, ids, ids, ROWS, &diag),
				 0);
		assert_int_equal(ps_cache_writer_finish(writer, &diag), 0);
	}
	ps_cache_writer_close(writer);
	json_decref(provenance);
}

/* Two threads fetch random rows in parts. Most of the rows are announced. */
static void check_rows(ps_dtype dtype, ps_backend backend, bool past_cache)
{
	static float got[BATCH * WIDTH], expected[BATCH * WIDTH];
	ps_diag diag = {{0}};
	ps_context context = {.diag = &diag};
	ps_rng rng = ps_rng_make(6, backend);
	ps_row_ahead *ahead;
	ps_row_source source;
	uint64_t ids[BATCH];
	ps_cache cache;
	ps_arena arena;

	write_cache(dtype);
	assert_int_equal(ps_pool_create(&context.pool, 2, &diag), 0);
	assert_int_equal(ps_cache_open(&cache, &ps_sys_linux, folder, NULL, &diag), 0);
	assert_int_equal(ps_arena_create(&arena, ps_row_ahead_bytes(WIDTH, dtype, BATCH), &diag),
			 0);
	assert_int_equal(ps_row_ahead_create(&ahead, &cache,
					     &(ps_row_ahead_options){.backend = backend,
								     .past_cache = past_cache,
								     .rows = BATCH},
					     &arena, &source, &diag),
			 0);
	assert_true((source.ahead == NULL) == (backend == PS_IO_MMAP));
	for (int step = 0; step < 40; step++) {
		const size_t count = 1 + (size_t)ps_rng_below(&rng, BATCH);

		for (size_t i = 0; i < count; i++)
			ids[i] = ps_rng_below(&rng, ROWS);
		if (source.ahead && step % 4)
			source.ahead(source.self, ids, count, PS_ROW_NO_PLACE);
		if (source.ahead && step % 7 == 0) /* rows that nobody gathers */
			source.ahead(source.self, ids + 1, count - 1, PS_ROW_NO_PLACE);
		assert_int_equal(ps_batch_gather(&source, ids, count, got, &context), 0);
		assert_int_equal(
			cache.source.gather(cache.source.self, ids, count, expected, &diag), 0);
		assert_memory_equal(got, expected, count * WIDTH * sizeof *got);
	}
	ps_row_ahead_destroy(ahead);
	ps_cache_close(&cache);
	ps_arena_destroy(&arena);
	ps_pool_destroy(context.pool);
}

static void rows_are_the_caches_own(void **state)
{
	(void)state;
	for (int backend = PS_IO_AUTO; backend <= PS_IO_MMAP; backend++) {
		void *ring;

		if (backend == PS_IO_URING && ps_ring_linux.open(&ring, 1))
			continue;
		if (backend == PS_IO_URING)
			ps_ring_linux.close(ring);
		for (int past_cache = 0; past_cache < 2; past_cache++) {
			check_rows(PS_F32, (ps_backend)backend, past_cache);
			check_rows(PS_BF16, (ps_backend)backend, past_cache);
		}
	}
}

/* Rows that are not finite are named, whether they were announced or not; no rows are none. */
static void rows_that_are_not_finite_are_named(void **state)
{
	static float got[BATCH * WIDTH];
	const uint64_t ids[] = {3, 140, 5};
	const size_t shard = 140 / SHARD_ROWS, at = 140 % SHARD_ROWS * WIDTH + 1;
	const float bad = NAN;
	char path[400];
	uint64_t offset;
	ps_row_ahead *ahead;
	ps_row_source source;
	ps_cache cache;
	ps_arena arena;

	(void)state;
	write_cache(PS_F32);
	assert_int_equal(ps_cache_open(&cache, &ps_sys_linux, folder, NULL, NULL), 0);
	snprintf(path, sizeof path, "%s", cache.shards[shard].path);
	offset = cache.activations[shard]->offset + at * sizeof bad;
	ps_cache_close(&cache); /* no mapped file may change */
	ps_test_write_at(path, offset, &bad, sizeof bad);
	assert_int_equal(ps_cache_open(&cache, &ps_sys_linux, folder, NULL, NULL), 0);
	assert_int_equal(ps_arena_create(&arena, ps_row_ahead_bytes(WIDTH, PS_F32, BATCH), NULL),
			 0);
	assert_int_equal(
		ps_row_ahead_create(&ahead, &cache,
				    &(ps_row_ahead_options){.backend = PS_IO_PREAD, .rows = BATCH},
				    &arena, &source, NULL),
		0);
	assert_string_equal(ps_row_ahead_backend(ahead), "pread");
	for (int announced = 0; announced < 2; announced++) {
		ps_diag diag = {{0}};

		if (announced)
			source.ahead(source.self, ids, 3, PS_ROW_NO_PLACE);
		assert_int_equal(source.gather(source.self, ids, 0, got, &diag), 0);
		assert_int_equal(source.gather(source.self, ids, 3, got, &diag), PS_EINPUT);
		assert_non_null(strstr(diag.text, "holds nan at row 12, column 1 (offset "));
		assert_non_null(strstr(diag.text, "row 140 of the cache"));
	}
	ps_row_ahead_destroy(ahead);
	ps_cache_close(&cache);
	ps_arena_destroy(&arena);
	assert_string_equal(ps_row_ahead_backend(NULL), "mmap");
}

static void a_shard_cut_short_is_named(void **state)
{
	static float got[BATCH * WIDTH];
	const uint64_t ids[] = {3, 140, 5};
	ps_diag diag = {{0}};
	ps_row_ahead *ahead;
	ps_row_source source;
	char path[400];
	ps_cache cache;
	ps_arena arena;

	(void)state;
	write_cache(PS_F32);
	assert_int_equal(ps_cache_open(&cache, &ps_sys_linux, folder, NULL, &diag), 0);
	assert_int_equal(ps_arena_create(&arena, ps_row_ahead_bytes(WIDTH, PS_F32, BATCH), &diag),
			 0);
	assert_int_equal(ps_row_ahead_create(&ahead, &cache,
					     &(ps_row_ahead_options){.backend = PS_IO_AUTO,
								     .past_cache = true,
								     .rows = BATCH},
					     &arena, &source, &diag),
			 0);
	snprintf(path, sizeof path, "%s/shard-00002.safetensors", folder);
	assert_int_equal(truncate(path, 8192), 0);
	source.ahead(source.self, ids, 3, PS_ROW_NO_PLACE);
	assert_int_equal(source.gather(source.self, ids, 3, got, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "shard-00002.safetensors: tensor activations"));
	ps_row_ahead_destroy(ahead);
	ps_cache_close(&cache);
	ps_arena_destroy(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_are_the_caches_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_that_are_not_finite_are_named, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_shard_cut_short_is_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
