/* prune/magnitude against torch (test/fixtures/prune/generate.py); counts, threads and errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "prune/magnitude.h"
#include "test/support/support_prune.h"

#define ODD "test/fixtures/prune/odd.bin"
#define TIES "test/fixtures/prune/ties.bin"

static int prune_sweep(prune_fixture *fixture, const ps_prune_options *options,
		       const ps_prune_sweep *sweep, int threads, ps_diag *diag)
{
	ps_weight_lookup lookup = prune_fixture_lookup(fixture);
	ps_context context = {.diag = diag};
	ps_arena arena;
	int rc;

	assert_int_equal(ps_pool_create(&context.pool, threads, diag), 0);
	assert_int_equal(
		ps_arena_create(&arena, ps_magnitude_bytes(&fixture->config, threads, sweep->count),
				diag),
		0);
	rc = ps_magnitude_prune(&fixture->config, &lookup, options, sweep, &context, &arena);
	assert_int_equal(arena.used_bytes, 0);
	ps_arena_destroy(&arena);
	ps_pool_destroy(context.pool);
	return rc;
}

static int prune_with(prune_fixture *fixture, const ps_prune_options *options, int threads,
		      mask_set *set, ps_diag *diag)
{
	const ps_mask_sink sink = mask_set_sink(set);

	return prune_sweep(
		fixture, options,
		&(ps_prune_sweep){.count = 1, .sparsity = &options->sparsity, .sink = &sink},
		threads, diag);
}

static void matches_torch(const char *path)
{
	prune_fixture fixture;
	size_t checked = 0;

	prune_fixture_load(&fixture, path);
	for (size_t v = 0; v < prune_fixture_variants(&fixture); v++) {
		ps_prune_options options;
		mask_set set = {0};
		ps_diag diag = {0};

		if (prune_fixture_variant(&fixture, v, &options))
			continue;
		assert_int_equal(prune_with(&fixture, &options, 2, &set, &diag), 0);
		assert_int_equal(set.calls, fixture.config.layers * PS_PROJECTIONS);
		assert_int_equal(set.wrong, 0);
		assert_int_equal(mask_set_differing(&set, &fixture, v), 0);
		mask_set_free(&set);
		checked++;
	}
	assert_true(checked > 0);
	print_message("%s: %zu settings, every bit as torch\n", path, checked);
	prune_fixture_free(&fixture);
}

static void f32_of_odd_shapes_matches_torch(void **state)
{
	(void)state;
	matches_torch(ODD);
}

static void bf16_with_ties_matches_torch(void **state)
{
	(void)state;
	matches_torch(TIES);
}

static void rows_drop_exactly_their_share(void **state)
{
	prune_fixture fixture;
	ps_prune_options options = {.sparsity = 0.3, .scope = PS_SCOPE_ROW};
	mask_set set = {0};

	(void)state;
	prune_fixture_load(&fixture, TIES);
	assert_int_equal(prune_with(&fixture, &options, 2, &set, NULL), 0);
	for (int i = 0; i < set.calls; i++) {
		size_t rows, cols;

		ps_projection_shape(&fixture.config, (ps_projection)(i % PS_PROJECTIONS), &rows,
				    &cols);
		assert_int_equal(set.dropped[i], rows * (size_t)((double)cols * 0.3));
	}
	mask_set_free(&set);
	prune_fixture_free(&fixture);
}

static void ties_overshoot_and_the_count_says_so(void **state)
{
	prune_fixture fixture;
	ps_prune_options options = {.sparsity = 0.3, .scope = PS_SCOPE_MATRIX};
	mask_set set = {0};

	(void)state;
	prune_fixture_load(&fixture, TIES);
	assert_int_equal(prune_with(&fixture, &options, 2, &set, NULL), 0);
	assert_int_equal(set.wrong, 0);
	for (int i = 0; i < set.calls; i++)
		assert_true(set.dropped[i] > (uint64_t)((double)set.total[i] * 0.3) + 1);
	mask_set_free(&set);
	prune_fixture_free(&fixture);
}

struct alone {
	prune_fixture *fixture;
	ps_prune_options options;
};

static void prune_alone(void *context, double sparsity, mask_set *set)
{
	struct alone *alone = context;

	alone->options.sparsity = sparsity;
	assert_int_equal(prune_with(alone->fixture, &alone->options, 2, set, NULL), 0);
}

static void each_mask_of_a_sweep_is_that_of_its_sparsity_alone(void **state)
{
	prune_fixture fixture;

	(void)state;
	prune_fixture_load(&fixture, TIES);
	for (int scope = PS_SCOPE_ROW; scope <= PS_SCOPE_GLOBAL; scope++) {
		struct alone alone = {&fixture, {.scope = (ps_scope)scope}};
		mask_set sets[SWEEP_COUNT] = {{0}};
		ps_mask_sink sinks[SWEEP_COUNT];
		const ps_prune_sweep sweep = {
			.count = SWEEP_COUNT, .sparsity = sweep_sparsities, .sink = sinks};

		for (size_t i = 0; i < SWEEP_COUNT; i++)
			sinks[i] = mask_set_sink(&sets[i]);
		assert_int_equal(prune_sweep(&fixture, &alone.options, &sweep, 3, NULL), 0);
		sweep_is_each_alone(sets, &alone, prune_alone);
		for (size_t i = 0; i < SWEEP_COUNT; i++)
			mask_set_free(&sets[i]);
	}
	prune_fixture_free(&fixture);
}

static void sweeps_out_of_range_are_refused(void **state)
{
	const double sparsity[2] = {0.5, 1};
	prune_fixture fixture;
	mask_set set = {0};
	const ps_mask_sink sinks[2] = {mask_set_sink(&set), mask_set_sink(&set)};
	const ps_prune_options rows = {.scope = PS_SCOPE_ROW}, groups = {.n = 1, .m = 2};
	ps_diag diag = {0};

	(void)state;
	prune_fixture_load(&fixture, TIES);
	assert_int_equal(
		prune_sweep(&fixture, &rows,
			    &(ps_prune_sweep){.count = 2, .sparsity = sparsity, .sink = sinks}, 1,
			    &diag),
		PS_EUSAGE);
	assert_string_equal(diag.text, "sparsity 1 is not in [0, 1)");
	diag = (ps_diag){{0}};
	assert_int_equal(
		prune_sweep(&fixture, &groups,
			    &(ps_prune_sweep){.count = 2, .sparsity = sparsity, .sink = sinks}, 1,
			    &diag),
		PS_EUSAGE);
	assert_string_equal(diag.text, "1:2 gives one mask, not 2");
	diag = (ps_diag){{0}};
	assert_int_equal(
		prune_sweep(&fixture, &rows,
			    &(ps_prune_sweep){.count = 0, .sparsity = sparsity, .sink = sinks}, 1,
			    &diag),
		PS_EUSAGE);
	assert_int_equal(set.calls, 0);
	mask_set_free(&set);
	prune_fixture_free(&fixture);
}

static int refuse(void *self, int layer, ps_projection projection, const ps_bitmap *mask,
		  uint64_t dropped)
{
	(void)mask, (void)dropped;
	return layer == 1 && projection == PS_O ? *(const int *)self : 0;
}

/* Sinks of a sweep are called side by side. What is returned does not depend on their order. */
static void the_first_sink_that_fails_ends_the_sweep(void **state)
{
	static int codes[SWEEP_COUNT] = {[SWEEP_COUNT - 2] = -5, [SWEEP_COUNT - 1] = -7};
	ps_mask_sink sinks[SWEEP_COUNT];
	prune_fixture fixture;
	ps_diag diag = {0};

	(void)state;
	prune_fixture_load(&fixture, ODD);
	for (size_t i = 0; i < SWEEP_COUNT; i++)
		sinks[i] = (ps_mask_sink){&codes[i], refuse};
	for (int threads = 1; threads <= 3; threads++)
		assert_int_equal(prune_sweep(&fixture,
					     &(ps_prune_options){.scope = PS_SCOPE_MATRIX},
					     &(ps_prune_sweep){.count = SWEEP_COUNT,
							       .sparsity = sweep_sparsities,
							       .sink = sinks},
					     threads, &diag),
				 -5);
	prune_fixture_free(&fixture);
}

static void threads_do_not_change_a_bit(void **state)
{
	static const int threads[] = {1, 2, 5};
	prune_fixture fixture;

	(void)state;
	prune_fixture_load(&fixture, ODD);
	for (int scope = PS_SCOPE_ROW; scope <= PS_SCOPE_GLOBAL; scope++) {
		mask_set sets[3] = {{0}, {0}, {0}};
		ps_prune_options options = {.sparsity = 0.47, .scope = (ps_scope)scope};

		for (int i = 0; i < 3; i++) {
			assert_int_equal(prune_with(&fixture, &options, threads[i], &sets[i], NULL),
					 0);
			assert_int_equal(sets[i].used_bytes, sets[0].used_bytes);
			assert_memory_equal(sets[i].bytes, sets[0].bytes, sets[0].used_bytes);
		}
		for (int i = 0; i < 3; i++)
			mask_set_free(&sets[i]);
	}
	prune_fixture_free(&fixture);
}

static void spoil(const prune_fixture *fixture, const char *record, size_t index, uint32_t bits)
{
	ps_weight w = prune_fixture_find(fixture, record);
	size_t offset =
		(size_t)((const unsigned char *)w.data - fixture->bytes) + index * sizeof bits;

	assert_int_equal(w.dtype, PS_F32);
	memcpy(fixture->bytes + offset, &bits, sizeof bits);
}

static void refuses(const char *record, uint32_t bits, ps_scope scope, bool pool_embedding,
		    const char *expected)
{
	prune_fixture fixture;
	ps_prune_options options = {
		.sparsity = 0.5, .scope = scope, .pool_embedding = pool_embedding};
	mask_set set = {0};
	ps_diag diag = {0};

	prune_fixture_load(&fixture, ODD);
	spoil(&fixture, record, 40, bits);
	assert_int_equal(prune_with(&fixture, &options, 2, &set, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, expected));
	assert_non_null(strstr(diag.text, "the weight at row 1, column 3 (offset "));
	assert_non_null(strstr(diag.text, " is not finite"));
	mask_set_free(&set);
	prune_fixture_free(&fixture);
}

static void weights_that_are_not_finite_are_named(void **state)
{
	(void)state;
	for (int scope = PS_SCOPE_ROW; scope <= PS_SCOPE_GLOBAL; scope++) {
		refuses("w1.4", 0x7fc00000u, (ps_scope)scope, false,
			"model.layers.1.mlp.gate_proj.weight");
		refuses("w0.0", 0xff800000u, (ps_scope)scope, false,
			"model.layers.0.self_attn.q_proj.weight");
	}
	refuses("embed", 0x7f800001u, PS_SCOPE_GLOBAL, true, "model.embed_tokens.weight");
}

static void refuses_settings_out_of_range(void **state)
{
	static const struct {
		ps_prune_options options;
		int rc;
	} cases[] = {
		{{.sparsity = 1, .scope = PS_SCOPE_ROW}, PS_EUSAGE},
		{{.sparsity = -0.1, .scope = PS_SCOPE_MATRIX}, PS_EUSAGE},
		{{.sparsity = __builtin_nan(""), .scope = PS_SCOPE_MATRIX}, PS_EUSAGE},
		{{.n = 4, .m = 4}, PS_EUSAGE},
		{{.sparsity = 0.5, .scope = PS_SCOPE_MATRIX, .pool_embedding = true}, PS_EUSAGE},
		{{.n = 2, .m = 4}, PS_EINPUT}, /* 37 inputs */
	};
	prune_fixture fixture;

	(void)state;
	prune_fixture_load(&fixture, ODD);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		mask_set set = {0};
		ps_diag diag = {0};

		assert_int_equal(prune_with(&fixture, &cases[i].options, 1, &set, &diag),
				 cases[i].rc);
		assert_true(diag.text[0]);
		assert_int_equal(set.calls, 0);
	}
	prune_fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(f32_of_odd_shapes_matches_torch),
		cmocka_unit_test(bf16_with_ties_matches_torch),
		cmocka_unit_test(rows_drop_exactly_their_share),
		cmocka_unit_test(ties_overshoot_and_the_count_says_so),
		cmocka_unit_test(each_mask_of_a_sweep_is_that_of_its_sparsity_alone),
		cmocka_unit_test(sweeps_out_of_range_are_refused),
		cmocka_unit_test(the_first_sink_that_fails_ends_the_sweep),
		cmocka_unit_test(threads_do_not_change_a_bit),
		cmocka_unit_test(weights_that_are_not_finite_are_named),
		cmocka_unit_test(refuses_settings_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
