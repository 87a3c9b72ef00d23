/* prune/random: exact counts in every group, all weights equally likely, the same bits whatever the
 * threads, the counts of a reference mask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "prune/random.h"
#include "test/support/support_prune.h"

/* q, o [12, 12], k, v [6, 12], gate, up [20, 12], down [12, 20]: row padding in each of them. */
static const ps_model_config config = {
	.layers = 2, .width = 12, .heads = 2, .kv_heads = 1, .head_width = 6, .mlp_width = 20};

static int draw(const ps_random_rule *rule, int threads, mask_set *set, ps_diag *diag)
{
	const ps_mask_sink sink = mask_set_sink(set);
	ps_context context = {.diag = diag};
	ps_arena arena;
	int rc;

	assert_int_equal(ps_pool_create(&context.pool, threads, diag), 0);
	assert_int_equal(ps_arena_create(&arena, ps_random_bytes(&config), diag), 0);
	rc = ps_random_prune(&config, rule, &context, &arena, &sink);
	assert_int_equal(arena.used_bytes, 0);
	ps_arena_destroy(&arena);
	ps_pool_destroy(context.pool);
	return rc;
}

static void must_draw(const ps_random_rule *rule, int threads, mask_set *set)
{
	*set = (mask_set){0};
	assert_int_equal(draw(rule, threads, set, NULL), 0);
	assert_int_equal(set->wrong, 0);
	assert_int_equal(set->calls, config.layers * PS_PROJECTIONS);
}

/* The bits of a set's mask. */
static ps_bitmap mask_of(const mask_set *set, int index)
{
	const uint8_t *bits = set->bytes;
	ps_bitmap mask = {0};

	for (int i = 0; i <= index; i++) {
		bits += mask.rows * ps_bitmap_row_bytes(mask.cols);
		ps_projection_shape(&config, (ps_projection)(i % PS_PROJECTIONS), &mask.rows,
				    &mask.cols);
	}
	mask.bits = bits;
	return mask;
}

/* How many weights of columns [first, first + n) of a row are dropped. */
static size_t dropped(const ps_bitmap *mask, size_t row, size_t first, size_t n)
{
	const uint8_t *bits = mask->bits + row * ps_bitmap_row_bytes(mask->cols);
	size_t count = 0;

	for (size_t c = first; c < first + n; c++)
		count += !ps_bitmap_kept(bits, c);
	return count;
}

static void every_group_loses_its_exact_number(void **state)
{
	ps_random_rule rule = {.options = {.sparsity = 0.3, .scope = PS_SCOPE_ROW}, .seed = 5};
	mask_set rows, matrices, groups;

	(void)state;
	must_draw(&rule, 2, &rows);
	rule.options.scope = PS_SCOPE_MATRIX;
	must_draw(&rule, 2, &matrices);
	rule.options = (ps_prune_options){.n = 1, .m = 4, .sparsity = 0.25};
	must_draw(&rule, 2, &groups);
	for (int i = 0; i < rows.calls; i++) {
		const ps_bitmap by_row = mask_of(&rows, i), by_group = mask_of(&groups, i);

		assert_int_equal(matrices.dropped[i], (size_t)((double)matrices.total[i] * 0.3));
		for (size_t r = 0; r < by_row.rows; r++) {
			assert_int_equal(dropped(&by_row, r, 0, by_row.cols),
					 (size_t)((double)by_row.cols * 0.3));
			for (size_t c = 0; c < by_group.cols; c += 4)
				assert_int_equal(dropped(&by_group, r, c, 4), 1);
		}
	}
	mask_set_free(&rows);
	mask_set_free(&matrices);
	mask_set_free(&groups);
}

static ps_bitmap find_in_set(void *self, int layer, ps_projection projection)
{
	ps_bitmap mask = mask_of(self, layer * PS_PROJECTIONS + (int)projection);

	if (projection == PS_UP) /* the reference does not prune it */
		mask.bits = NULL;
	return mask;
}

static void has_as_many_zeros_as_the_reference(void **state)
{
	ps_random_rule rule = {.options = {.sparsity = 0.4, .scope = PS_SCOPE_MATRIX}, .seed = 1};
	mask_set reference, set;
	const ps_mask_lookup lookup = {&reference, find_in_set};

	(void)state;
	must_draw(&rule, 1, &reference); /* its rows lose different numbers */
	rule = (ps_random_rule){.options = {.scope = PS_SCOPE_ROW}, .seed = 2, .like = &lookup};
	for (int scope = 0; scope < 2; scope++) {
		rule.options.scope = scope ? PS_SCOPE_MATRIX : PS_SCOPE_ROW;
		must_draw(&rule, 2, &set);
		assert_memory_not_equal(set.bytes, reference.bytes, set.used_bytes);
		for (int i = 0; i < set.calls; i++) {
			const ps_bitmap these = mask_of(&set, i), those = mask_of(&reference, i);
			const bool left = i % PS_PROJECTIONS == PS_UP;

			assert_int_equal(set.dropped[i], left ? 0 : reference.dropped[i]);
			for (size_t r = 0; !scope && !left && r < these.rows; r++)
				assert_int_equal(dropped(&these, r, 0, these.cols),
						 dropped(&those, r, 0, those.cols));
		}
		mask_set_free(&set);
	}
	mask_set_free(&reference);
}

/* Chi-square of the number of times that each weight of a mask is dropped, and the number of
 * neighbours that are dropped together, in many draws. A count of 400 draws at 1/2 has a variance
 * of 100. So the sum over 72 cells of (n - 200)^2 / 100 has mean 72 and standard deviation 12. */
static void all_weights_are_as_likely(void **state)
{
	enum { DRAWS = 400, CELLS = 72 };
	size_t single[CELLS] = {0}, pairs = 0;
	double chi = 0, expected = DRAWS * CELLS * 0.5 * 35 / 71;

	(void)state;
	for (uint64_t seed = 0; seed < DRAWS; seed++) {
		const ps_random_rule rule = {.options = {.sparsity = 0.5, .scope = PS_SCOPE_MATRIX},
					     .seed = seed};
		mask_set set;
		ps_bitmap k;

		must_draw(&rule, 1, &set);
		k = mask_of(&set, PS_K);
		for (size_t i = 0; i < CELLS; i++) {
			const size_t next = (i + 1) % CELLS;

			single[i] += dropped(&k, i / 12, i % 12, 1);
			pairs += dropped(&k, i / 12, i % 12, 1) &&
				 dropped(&k, next / 12, next % 12, 1);
		}
		mask_set_free(&set);
	}
	for (size_t i = 0; i < CELLS; i++) {
		const double off = (double)single[i] - DRAWS * 0.5;

		chi += off * off / (DRAWS * 0.25);
	}
	print_message("chi-square %.1f of %d, pairs %zu of %.0f\n", chi, CELLS, pairs, expected);
	assert_true(chi > 72 - 3 * 12 && chi < 72 + 3 * 12);
	assert_true((double)pairs > expected * 0.98 && (double)pairs < expected * 1.02);
}

static void seeds_rows_and_matrices_draw_differently_threads_do_not(void **state)
{
	ps_random_rule rule = {.options = {.sparsity = 0.5, .scope = PS_SCOPE_ROW}, .seed = 7};
	mask_set one, many, other;
	ps_bitmap gate, up;

	(void)state;
	must_draw(&rule, 1, &one);
	must_draw(&rule, 5, &many);
	rule.seed++;
	must_draw(&rule, 1, &other);
	assert_memory_equal(one.bytes, many.bytes, one.used_bytes);
	assert_memory_not_equal(one.bytes, other.bytes, one.used_bytes);
	gate = mask_of(&one, PS_GATE);
	up = mask_of(&one, PS_UP);
	assert_memory_not_equal(gate.bits, up.bits, 40);
	assert_memory_not_equal(gate.bits, mask_of(&one, PS_PROJECTIONS + PS_GATE).bits, 40);
	assert_memory_not_equal(gate.bits, gate.bits + 2, 2);
	mask_set_free(&one);
	mask_set_free(&many);
	mask_set_free(&other);
}

/* From an independent program: test/fixtures/prune/draw.py prints them. */
static void the_bits_of_a_seed_stay(void **state)
{
	static const uint8_t row[] = {0x59, 0x05, 0xa9, 0x06, 0xf1, 0x04,
				      0xd4, 0x0c, 0x32, 0x07, 0x19, 0x0d},
			     matrix[] = {0xc1, 0x02, 0x02, 0x09, 0xb3, 0x07,
					 0x55, 0x0b, 0xbf, 0x06, 0x32, 0x05};
	ps_random_rule rule = {.options = {.sparsity = 0.5, .scope = PS_SCOPE_ROW}, .seed = 7};
	mask_set set;

	(void)state;
	must_draw(&rule, 2, &set);
	assert_memory_equal(mask_of(&set, PS_PROJECTIONS + PS_K).bits, row, sizeof row);
	mask_set_free(&set);
	rule.options.scope = PS_SCOPE_MATRIX;
	must_draw(&rule, 2, &set);
	assert_memory_equal(mask_of(&set, PS_PROJECTIONS + PS_K).bits, matrix, sizeof matrix);
	mask_set_free(&set);
}

static void refuses_settings_out_of_range(void **state)
{
	static const struct {
		ps_prune_options options;
		int rc;
	} cases[] = {
		{{.sparsity = 0.5, .scope = PS_SCOPE_GLOBAL}, PS_EUSAGE},
		{{.sparsity = 1, .scope = PS_SCOPE_ROW}, PS_EUSAGE},
		{{.n = 4, .m = 4}, PS_EUSAGE},
		{{.n = 2, .m = 5}, PS_EINPUT}, /* 12 inputs */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const ps_random_rule rule = {.options = cases[i].options};
		mask_set set = {0};
		ps_diag diag = {0};

		assert_int_equal(draw(&rule, 1, &set, &diag), cases[i].rc);
		assert_true(diag.text[0]);
		assert_int_equal(set.calls, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_group_loses_its_exact_number),
		cmocka_unit_test(has_as_many_zeros_as_the_reference),
		cmocka_unit_test(all_weights_are_as_likely),
		cmocka_unit_test(seeds_rows_and_matrices_draw_differently_threads_do_not),
		cmocka_unit_test(the_bits_of_a_seed_stay),
		cmocka_unit_test(refuses_settings_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
