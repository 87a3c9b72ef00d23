/* prune/wanda against torch (test/fixtures/prune/generate.py): from given statistics, and
 * sequentially on a small Llama. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "prune/masker.h"
#include "prune/wanda.h"
#include "test/support/support_prune.h"

#define ODD "test/fixtures/prune/odd.bin"
#define TIES "test/fixtures/prune/ties.bin"
#define LLAMA "test/fixtures/prune/llama.bin"
#define WINDOWS_MAX 16

/* The source of a golden model in memory. */
struct memory_source {
	const prune_fixture *fixture;
	int acquired; /* layers that are held */
};

static int memory_acquire(void *self, int layer, int next, ps_layer_weights *out, ps_diag *diag)
{
	struct memory_source *source = self;

	(void)next;
	(void)diag;
	memset(out, 0, sizeof *out);
	for (int p = 0; p < PS_PROJECTIONS; p++)
		out->projection[p] = prune_fixture_find_at(source->fixture, "w", layer, p);
	out->norm[PS_NORM_INPUT] = prune_fixture_find_at(source->fixture, "n", layer, 0);
	out->norm[PS_NORM_POST_ATTENTION] = prune_fixture_find_at(source->fixture, "n", layer, 1);
	source->acquired++;
	return 0;
}

static void memory_release(void *self, int layer)
{
	struct memory_source *source = self;

	(void)layer;
	source->acquired--;
}

static int memory_embedding(void *self, const int32_t *ids, size_t count, float *out, ps_diag *diag)
{
	const struct memory_source *source = self;
	ps_weight e = prune_fixture_find(source->fixture, "embed");

	(void)diag;
	for (size_t i = 0; i < count; i++)
		ps_widen((const char *)e.data + (size_t)ids[i] * e.cols * ps_dtype_size(e.dtype),
			 e.dtype, e.cols, out + i * e.cols);
	return 0;
}

static ps_weight_source memory_weights(struct memory_source *source)
{
	return (ps_weight_source){.self = source,
				  .acquire_layer = memory_acquire,
				  .release_layer = memory_release,
				  .embedding_rows = memory_embedding};
}

/* The golden model with its tokens, a forward pass and what it needs. */
struct bench {
	prune_fixture fixture;
	struct memory_source memory;
	ps_weight_source source;
	ps_context context;
	ps_diag diag;
	ps_arena arena, prune_arena;
	int32_t *ids;
	size_t start[WINDOWS_MAX + 1];
	ps_windows windows;
	ps_wanda_pass pass;
};

static void bench_windows(struct bench *b)
{
	ps_weight tokens = prune_fixture_find(&b->fixture, "tokens");

	assert_true(tokens.rows <= WINDOWS_MAX);
	b->ids = malloc(tokens.rows * tokens.cols * sizeof *b->ids);
	b->pass.hidden = calloc(SWEEP_COUNT * tokens.rows * tokens.cols * b->fixture.config.width,
				sizeof *b->pass.hidden);
	assert_non_null(b->ids);
	assert_non_null(b->pass.hidden);
	memcpy(b->ids, tokens.data, tokens.rows * tokens.cols * sizeof *b->ids);
	for (size_t w = 0; w <= tokens.rows; w++)
		b->start[w] = w * tokens.cols;
	b->windows = (ps_windows){.ids = b->ids, .start = b->start, .count = tokens.rows};
}

static void bench_open(struct bench *b, int threads, size_t chunk_tokens)
{
	const ps_model_config *config = &b->fixture.config;
	ps_forward_options options;
	size_t bytes;

	*b = (struct bench){0};
	prune_fixture_load(&b->fixture, LLAMA);
	b->memory.fixture = &b->fixture;
	b->source = memory_weights(&b->memory);
	b->context.diag = &b->diag;
	bench_windows(b);
	assert_int_equal(ps_pool_create(&b->context.pool, threads, &b->diag), 0);
	options = (ps_forward_options){PS_PRECISION_F32, PS_F32, b->start[1], chunk_tokens};
	bytes = ps_forward_bytes(config, threads, &options);
	assert_int_equal(ps_arena_create(&b->arena, bytes, &b->diag), 0);
	assert_int_equal(ps_arena_create(&b->prune_arena,
					 ps_wanda_bytes(config, threads, SWEEP_COUNT), &b->diag),
			 0);
	b->pass.forward = ps_forward_create(config, &b->source, &b->context, &options, &b->arena);
	b->pass.source = &b->source;
	b->pass.windows = &b->windows;
}

static void bench_close(struct bench *b)
{
	assert_int_equal(b->memory.acquired, 0);
	ps_arena_destroy(&b->arena);
	ps_arena_destroy(&b->prune_arena);
	ps_pool_destroy(b->context.pool);
	prune_fixture_free(&b->fixture);
	free(b->ids);
	free(b->pass.hidden);
}

static void golden_stats(const prune_fixture *fixture, ps_wanda_stats *stats, ps_arena *arena)
{
	assert_int_equal(ps_arena_create(arena, ps_wanda_stats_bytes(&fixture->config), NULL), 0);
	ps_wanda_stats_create(stats, &fixture->config, arena);
	for (size_t layer = 0; layer < stats->layers; layer++)
		for (int i = 0; i < PS_INPUTS; i++) {
			ps_weight mean = prune_fixture_find_at(fixture, "mean", (int)layer, i);

			assert_int_equal(mean.cols, stats->cols[i]);
			memcpy(stats->mean[i] + layer * mean.cols, mean.data,
			       mean.cols * sizeof(double));
		}
	stats->tokens = 1;
}

static int sweep_dense(prune_fixture *fixture, const ps_wanda_stats *stats,
		       const ps_prune_options *options, const ps_prune_sweep *sweep, int threads,
		       ps_diag *diag)
{
	ps_weight_lookup lookup = prune_fixture_lookup(fixture);
	ps_context context = {.diag = diag};
	ps_arena arena;
	int rc;

	assert_int_equal(ps_pool_create(&context.pool, threads, diag), 0);
	assert_int_equal(ps_arena_create(&arena,
					 ps_wanda_bytes(&fixture->config, threads, sweep->count),
					 diag),
			 0);
	rc = ps_wanda_prune_dense(&fixture->config, &lookup, stats, options, sweep, &context,
				  &arena);
	assert_int_equal(arena.used_bytes, 0);
	ps_arena_destroy(&arena);
	ps_pool_destroy(context.pool);
	return rc;
}

static int prune_dense(prune_fixture *fixture, const ps_wanda_stats *stats,
		       const ps_prune_options *options, int threads, mask_set *set, ps_diag *diag)
{
	const ps_mask_sink sink = mask_set_sink(set);

	return sweep_dense(
		fixture, stats, options,
		&(ps_prune_sweep){.count = 1, .sparsity = &options->sparsity, .sink = &sink},
		threads, diag);
}

static void given_statistics_match_torch(const char *path)
{
	prune_fixture fixture;
	ps_wanda_stats stats;
	ps_arena arena;
	size_t checked = 0;

	prune_fixture_load(&fixture, path);
	golden_stats(&fixture, &stats, &arena);
	for (size_t v = 0; v < prune_fixture_variants(&fixture); v++) {
		ps_prune_options options;
		mask_set set = {0};
		ps_diag diag = {0};

		if (!prune_fixture_variant(&fixture, v, &options))
			continue;
		assert_int_equal(
			prune_dense(&fixture, &stats, &options, 1 + (int)(v % 3), &set, &diag), 0);
		assert_int_equal(set.calls, fixture.config.layers * PS_PROJECTIONS);
		assert_int_equal(set.wrong, 0);
		assert_int_equal(mask_set_differing(&set, &fixture, v), 0);
		mask_set_free(&set);
		checked++;
	}
	assert_true(checked > 0);
	print_message("%s: %zu settings, every bit as torch\n", path, checked);
	ps_arena_destroy(&arena);
	prune_fixture_free(&fixture);
}

static void f32_of_odd_shapes_matches_torch(void **state)
{
	(void)state;
	given_statistics_match_torch(ODD);
}

static void bf16_with_ties_matches_torch(void **state)
{
	(void)state;
	given_statistics_match_torch(TIES);
}

static void refuses_a_global_scope_and_statistics_of_another_shape(void **state)
{
	prune_fixture fixture;
	ps_wanda_stats stats;
	ps_arena arena;
	mask_set set = {0};
	ps_prune_options options = {.sparsity = 0.5, .scope = PS_SCOPE_GLOBAL};
	ps_diag diag = {0};

	(void)state;
	prune_fixture_load(&fixture, ODD);
	golden_stats(&fixture, &stats, &arena);
	assert_int_equal(prune_dense(&fixture, &stats, &options, 1, &set, NULL), PS_EUSAGE);
	options.scope = PS_SCOPE_ROW;
	stats.cols[PS_INPUT_DOWN]++;
	assert_int_equal(prune_dense(&fixture, &stats, &options, 1, &set, NULL), PS_EINPUT);
	stats.cols[PS_INPUT_DOWN]--;
	stats.mean[PS_INPUT_O][stats.cols[PS_INPUT_O] + 3] = __builtin_nan("");
	assert_int_equal(prune_dense(&fixture, &stats, &options, 1, &set, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "layer 1"));
	assert_non_null(strstr(diag.text, "input 3 of o_proj"));
	mask_set_free(&set);
	ps_arena_destroy(&arena);
	prune_fixture_free(&fixture);
}

static int try_sequentially(struct bench *b, const ps_prune_options *options, mask_set *set)
{
	const ps_mask_sink sink = mask_set_sink(set);

	return ps_wanda_prune_sequential(
		&b->pass, options,
		&(ps_prune_sweep){.count = 1, .sparsity = &options->sparsity, .sink = &sink},
		&b->context, &b->prune_arena);
}

static void prune_sequentially(struct bench *b, const ps_prune_options *options, mask_set *set)
{
	assert_int_equal(try_sequentially(b, options, set), 0);
	assert_int_equal(b->prune_arena.used_bytes, 0);
	assert_int_equal(set->wrong, 0);
}

struct alone {
	struct bench *bench;
	ps_prune_options options;
};

static void prune_alone(void *context, double sparsity, mask_set *set)
{
	struct alone *alone = context;

	alone->options.sparsity = sparsity;
	prune_sequentially(alone->bench, &alone->options, set);
}

static void each_model_of_a_sequential_sweep_goes_its_own_way(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, 2, 48);
	for (int scope = PS_SCOPE_ROW; scope <= PS_SCOPE_MATRIX; scope++) {
		struct alone alone = {&b, {.scope = (ps_scope)scope}};
		mask_set sets[SWEEP_COUNT] = {{0}};
		ps_mask_sink sinks[SWEEP_COUNT];
		const ps_prune_sweep sweep = {
			.count = SWEEP_COUNT, .sparsity = sweep_sparsities, .sink = sinks};

		for (size_t i = 0; i < SWEEP_COUNT; i++)
			sinks[i] = mask_set_sink(&sets[i]);
		assert_int_equal(ps_wanda_prune_sequential(&b.pass, &alone.options, &sweep,
							   &b.context, &b.prune_arena),
				 0);
		sweep_is_each_alone(sets, &alone, prune_alone);
		for (size_t i = 0; i < SWEEP_COUNT; i++)
			mask_set_free(&sets[i]);
	}
	bench_close(&b);
}

/* The masks of another run, where a projection's bits begin in them. */
struct other_masks {
	const struct bench *bench;
	const mask_set *set;
};

static ps_bitmap find_other(void *self, int layer, ps_projection projection)
{
	const struct other_masks *other = self;
	const ps_model_config *config = &other->bench->fixture.config;
	const uint8_t *bits = other->set->bytes;
	ps_bitmap b;

	for (int i = 0; i < layer * PS_PROJECTIONS + (int)projection; i++) {
		ps_projection_shape(config, (ps_projection)(i % PS_PROJECTIONS), &b.rows, &b.cols);
		bits += b.rows * ps_bitmap_row_bytes(b.cols);
	}
	ps_projection_shape(config, projection, &b.rows, &b.cols);
	b.bits = bits;
	return b;
}

static void assumed_masks_stand_below_in_the_place_of_ones_own(void **state)
{
	struct bench b;
	const ps_prune_options options = {.sparsity = 0.5, .scope = PS_SCOPE_ROW};
	mask_set own = {0}, again = {0}, other = {0}, half = {0};
	struct other_masks masks = {&b, &own};
	const ps_mask_lookup assumed = {&masks, find_other};
	ps_mask_sink sink = mask_set_sink(&again);
	ps_prune_sweep sweep = {1, &options.sparsity, &sink, &assumed};
	size_t first = 0;

	(void)state;
	bench_open(&b, 2, 48);
	prune_sequentially(&b, &options, &own);
	assert_int_equal(
		ps_wanda_prune_sequential(&b.pass, &options, &sweep, &b.context, &b.prune_arena),
		0);
	assert_int_equal(again.used_bytes, own.used_bytes);
	assert_memory_equal(again.bytes, own.bytes, own.used_bytes);
	/* under other masks the first layer is the same, and the others are not */
	prune_sequentially(&b, &(ps_prune_options){.sparsity = 0.1, .scope = PS_SCOPE_ROW}, &half);
	masks.set = &half;
	sink = mask_set_sink(&other);
	assert_int_equal(
		ps_wanda_prune_sequential(&b.pass, &options, &sweep, &b.context, &b.prune_arena),
		0);
	for (int p = 0; p < PS_PROJECTIONS; p++)
		first += ps_masker_bitmap_bytes(&b.fixture.config, (ps_projection)p);
	assert_memory_equal(other.bytes, own.bytes, first);
	assert_memory_not_equal(other.bytes, own.bytes, own.used_bytes);
	mask_set_free(&own);
	mask_set_free(&again);
	mask_set_free(&other);
	mask_set_free(&half);
	bench_close(&b);
}

struct dense_alone {
	prune_fixture *fixture;
	const ps_wanda_stats *stats;
	ps_prune_options options;
};

static void prune_dense_alone(void *context, double sparsity, mask_set *set)
{
	struct dense_alone *alone = context;

	alone->options.sparsity = sparsity;
	assert_int_equal(prune_dense(alone->fixture, alone->stats, &alone->options, 2, set, NULL),
			 0);
}

static void each_mask_of_a_dense_sweep_is_that_of_its_sparsity_alone(void **state)
{
	prune_fixture fixture;
	ps_wanda_stats stats;
	ps_arena arena;

	(void)state;
	prune_fixture_load(&fixture, ODD);
	golden_stats(&fixture, &stats, &arena);
	for (int scope = PS_SCOPE_ROW; scope <= PS_SCOPE_MATRIX; scope++) {
		struct dense_alone alone = {&fixture, &stats, {.scope = (ps_scope)scope}};
		mask_set sets[SWEEP_COUNT] = {{0}};
		ps_mask_sink sinks[SWEEP_COUNT];
		const ps_prune_sweep sweep = {
			.count = SWEEP_COUNT, .sparsity = sweep_sparsities, .sink = sinks};

		for (size_t i = 0; i < SWEEP_COUNT; i++)
			sinks[i] = mask_set_sink(&sets[i]);
		assert_int_equal(sweep_dense(&fixture, &stats, &alone.options, &sweep, 3, NULL), 0);
		sweep_is_each_alone(sets, &alone, prune_dense_alone);
		for (size_t i = 0; i < SWEEP_COUNT; i++)
			mask_set_free(&sets[i]);
	}
	ps_arena_destroy(&arena);
	prune_fixture_free(&fixture);
}

static void sequential_masks_match_torch(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, 2, 48);
	for (size_t v = 0; v < prune_fixture_variants(&b.fixture); v++) {
		ps_prune_options options;
		mask_set set = {0};
		uint64_t differing, total = 0;

		assert_true(prune_fixture_variant(&b.fixture, v, &options));
		prune_sequentially(&b, &options, &set);
		for (int i = 0; i < set.calls; i++)
			total += set.total[i];
		differing = mask_set_differing(&set, &b.fixture, v);
		print_message("variant %zu: %llu of %llu bits differ (allowed: 1 in 10,000)\n", v,
			      (unsigned long long)differing, (unsigned long long)total);
		assert_true(differing <= total / 10000);
		mask_set_free(&set);
	}
	bench_close(&b);
}

static void threads_and_chunks_do_not_change_a_bit(void **state)
{
	static const int threads[] = {1, 2, 3};
	static const size_t chunks[] = {24, 48, 144};
	ps_prune_options options = {.sparsity = 0.5, .scope = PS_SCOPE_ROW};
	mask_set sets[3] = {{0}, {0}, {0}};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct bench b;

		bench_open(&b, threads[i], chunks[i]);
		prune_sequentially(&b, &options, &sets[i]);
		bench_close(&b);
		assert_int_equal(sets[i].used_bytes, sets[0].used_bytes);
		assert_memory_equal(sets[i].bytes, sets[0].bytes, sets[0].used_bytes);
	}
	for (int i = 0; i < 3; i++)
		mask_set_free(&sets[i]);
}

/* Layer 0 sees the same inputs either way; above it the pruned layers below make a difference. */
static void dense_calibration_agrees_with_sequential_in_layer_0_only(void **state)
{
	struct bench b;
	ps_arena arena;
	ps_wanda_stats stats;
	ps_prune_options options = {.sparsity = 0.5, .scope = PS_SCOPE_ROW};
	mask_set dense = {0}, sequential = {0};
	size_t layer_bytes;

	(void)state;
	bench_open(&b, 2, 48);
	assert_int_equal(ps_arena_create(&arena, ps_wanda_stats_bytes(&b.fixture.config), NULL), 0);
	ps_wanda_stats_create(&stats, &b.fixture.config, &arena);
	assert_int_equal(ps_wanda_calibrate(&b.pass, &b.context, &stats), 0);
	assert_int_equal(stats.tokens, b.windows.start[b.windows.count]);
	assert_int_equal(prune_dense(&b.fixture, &stats, &options, 2, &dense, NULL), 0);
	prune_sequentially(&b, &options, &sequential);
	assert_int_equal(dense.used_bytes, sequential.used_bytes);
	layer_bytes = dense.used_bytes / b.fixture.config.layers;
	assert_memory_equal(dense.bytes, sequential.bytes, layer_bytes);
	assert_memory_not_equal(dense.bytes + layer_bytes, sequential.bytes + layer_bytes,
				layer_bytes);
	mask_set_free(&dense);
	mask_set_free(&sequential);
	ps_arena_destroy(&arena);
	bench_close(&b);
}

/* Notes the ticks of one loop. */
struct ticks {
	const char *what;
	uint64_t first, last, total;
	int count, wrong; /* wrong: backwards, beyond the total, of another loop or another total */
};

static void note_tick(void *self, const char *what, const char *unit, uint64_t done, uint64_t total)
{
	struct ticks *ticks = self;

	(void)unit;
	if (!ticks->count++) {
		ticks->what = what;
		ticks->first = ticks->last = done;
		ticks->total = total;
	}
	ticks->wrong += done < ticks->last || done > total || total != ticks->total ||
			strcmp(what, ticks->what) != 0;
	ticks->last = done;
}

static int never_stops(void *self)
{
	(void)self;
	return 0;
}

/* Five pieces of at most 1,024 tokens. The tokens are those of the golden model again and again. */
static void progress_moves_within_a_layer(void **state)
{
	enum { WINDOWS = 200 };
	struct bench b;
	ps_prune_options options = {.sparsity = 0.5, .scope = PS_SCOPE_ROW};
	mask_set set = {0};
	struct ticks ticks = {0};
	const ps_progress progress = {.self = &ticks, .tick = note_tick, .stopped = never_stops};
	size_t start[WINDOWS + 1], window, layers;
	int32_t *ids;

	(void)state;
	bench_open(&b, 2, 48);
	window = b.start[1];
	layers = b.fixture.config.layers;
	ids = malloc(WINDOWS * window * sizeof *ids);
	b.pass.hidden =
		realloc(b.pass.hidden, WINDOWS * window * b.fixture.config.width * sizeof(float));
	assert_true(ids && b.pass.hidden);
	for (size_t i = 0; i < WINDOWS * window; i++)
		ids[i] = b.ids[i % b.start[b.windows.count]];
	for (size_t w = 0; w <= WINDOWS; w++)
		start[w] = w * window;
	b.windows = (ps_windows){.ids = ids, .start = start, .count = WINDOWS};
	b.context.progress = &progress;
	prune_sequentially(&b, &options, &set);
	assert_int_equal(ticks.wrong, 0);
	assert_int_equal(ticks.first, 0);
	assert_int_equal(ticks.total, WINDOWS * window * layers);
	assert_int_equal(ticks.last, ticks.total);
	assert_true((size_t)ticks.count > (2 * layers - 1) * (WINDOWS * window / 1024));
	mask_set_free(&set);
	free(ids);
	bench_close(&b);
}

static int stops_at_once(void *self)
{
	int *polls = self;

	return ++*polls > 2;
}

static void ignores_ticks(void *self, const char *what, const char *unit, uint64_t done,
			  uint64_t total)
{
	(void)self;
	(void)what;
	(void)unit;
	(void)done;
	(void)total;
}

static void stops_between_layers_when_asked(void **state)
{
	struct bench b;
	ps_prune_options options = {.sparsity = 0.5, .scope = PS_SCOPE_ROW};
	mask_set set = {0};
	int polls = 0;
	const ps_progress progress = {
		.self = &polls, .tick = ignores_ticks, .stopped = stops_at_once};

	(void)state;
	bench_open(&b, 1, 24);
	b.context.progress = &progress;
	assert_int_equal(try_sequentially(&b, &options, &set), PS_EINTERRUPTED);
	assert_true(set.calls < PS_PROJECTIONS * (int)b.fixture.config.layers);
	mask_set_free(&set);
	bench_close(&b);
}

static void no_tokens_is_an_error(void **state)
{
	struct bench b;
	ps_prune_options options = {.sparsity = 0.5, .scope = PS_SCOPE_ROW};
	mask_set set = {0};

	(void)state;
	bench_open(&b, 1, 24);
	b.windows.count = 0;
	assert_int_equal(try_sequentially(&b, &options, &set), PS_EINPUT);
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(f32_of_odd_shapes_matches_torch),
		cmocka_unit_test(bf16_with_ties_matches_torch),
		cmocka_unit_test(refuses_a_global_scope_and_statistics_of_another_shape),
		cmocka_unit_test(sequential_masks_match_torch),
		cmocka_unit_test(each_model_of_a_sequential_sweep_goes_its_own_way),
		cmocka_unit_test(assumed_masks_stand_below_in_the_place_of_ones_own),
		cmocka_unit_test(each_mask_of_a_dense_sweep_is_that_of_its_sparsity_alone),
		cmocka_unit_test(threads_and_chunks_do_not_change_a_bit),
		cmocka_unit_test(dense_calibration_agrees_with_sequential_in_layer_0_only),
		cmocka_unit_test(progress_moves_within_a_layer),
		cmocka_unit_test(stops_between_layers_when_asked),
		cmocka_unit_test(no_tokens_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
