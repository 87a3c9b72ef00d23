/* prune/rounding and core/model/edit against NumPy and torch (test/fixtures/prune/rounding.py): the
 * scales, and the weights that are rounded with them while they are packed, to the bit. */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/checked.h"
#include "core/model/row_stage.h"
#include "prune/rounding.h"
#include "test/support/support_prune.h"

#define FIXTURE "test/fixtures/prune/rounding.bin"
#define SETTINGS 6

/* As in rounding.py. */
static const ps_rounding_rule rules[SETTINGS] = {{3, 0},   {4, 0},   {8, 0},
						 {3, 128}, {4, 128}, {8, 128}};
static const int shown[] = {PS_K, PS_GATE, PS_DOWN};

static prune_fixture fixture;

static int set_up(void **state)
{
	(void)state;
	prune_fixture_load(&fixture, FIXTURE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	prune_fixture_free(&fixture);
	return 0;
}

/* The record sV.layer.p or qV.layer.p. */
static ps_weight record_of(char kind, int setting, int layer, int projection)
{
	char prefix[8];

	snprintf(prefix, sizeof prefix, "%c%d.", kind, setting);
	return prune_fixture_find_at(&fixture, prefix, layer, projection);
}

/* Compares what the sink receives with the fixture. */
struct compared {
	int setting, calls, wrong;
};

static int compare_scales(void *self, int layer, ps_projection projection, const float *scale)
{
	struct compared *c = self;
	const ps_weight want = record_of('s', c->setting, layer, (int)projection);

	c->wrong += layer * PS_PROJECTIONS + (int)projection != c->calls++;
	c->wrong += memcmp(scale, want.data, want.rows * want.cols * sizeof *scale) != 0;
	return 0;
}

static int find_scales(const ps_rounding_rule *rule, int threads, const ps_scale_sink *sink,
		       ps_diag *diag)
{
	const ps_weight_lookup lookup = prune_fixture_lookup(&fixture);
	ps_context context = {.diag = diag};
	ps_arena arena;
	int rc;

	assert_int_equal(ps_pool_create(&context.pool, threads, diag), 0);
	assert_int_equal(ps_arena_create(&arena, ps_rounding_bytes(&fixture.config, rule), diag),
			 0);
	rc = ps_rounding_scales(&fixture.config, &lookup, rule, &context, &arena, sink);
	assert_int_equal(arena.used_bytes, 0);
	ps_arena_destroy(&arena);
	ps_pool_destroy(context.pool);
	return rc;
}

static void scales_match_numpy_with_any_threads(void **state)
{
	(void)state;
	for (int v = 0; v < SETTINGS; v++)
		for (int threads = 1; threads < 4; threads += 2) {
			struct compared compared = {.setting = v};
			const ps_scale_sink sink = {&compared, compare_scales};

			assert_int_equal(find_scales(&rules[v], threads, &sink, NULL), 0);
			assert_int_equal(compared.calls, fixture.config.layers * PS_PROJECTIONS);
			assert_int_equal(compared.wrong, 0);
		}
}

/* A projection with the fixture's scales. */
static ps_weight rounded_weight(int setting, int layer, int projection)
{
	ps_weight w = prune_fixture_find_at(&fixture, "w", layer, projection);

	w.edit.rounding =
		(ps_rounding){record_of('s', setting, layer, projection).data, rules[setting]};
	return w;
}

static void staged_weights_match_numpy_and_torch(void **state)
{
	size_t checked = 0;

	(void)state;
	for (int v = 0; v < SETTINGS; v++)
		for (int layer = 0; layer < 3; layer++)
			for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
				const ps_weight w = rounded_weight(v, layer, shown[i]),
						want = record_of('q', v, layer, shown[i]);
				const size_t bytes = w.cols * ps_dtype_size(w.dtype);

				for (size_t row = 0; row < w.rows; row++) {
					float values[PS_STAGE_COLUMNS];
					char stored[PS_STAGE_COLUMNS * sizeof(float)];

					assert_true(ps_stage_weights(&w, row, 0, w.cols,
								     PS_PACK_F32,
								     (uint32_t *)(void *)values));
					ps_narrow(values, w.dtype, w.cols, stored);
					assert_memory_equal(stored,
							    (const char *)want.data + row * bytes,
							    bytes);
					checked += w.cols;
				}
			}
	print_message("%zu rounded weights as in NumPy and torch\n", checked);
}

/* Strips may begin and end inside a group. */
static void strips_do_not_change_a_bit(void **state)
{
	const ps_weight w = rounded_weight(4, 0, PS_K);

	(void)state;
	for (size_t row = 0; row < w.rows; row++)
		for (size_t n = 1; n < w.cols; n += 7) {
			float whole[136], cut[136];
			const size_t first = n / 8 * 8;
			ps_edit_place place = {row, 0, w.cols, w.dtype};

			ps_widen((const char *)w.data + row * sizeof whole, PS_F32, w.cols, whole);
			memcpy(cut, whole, sizeof cut);
			ps_edit_apply(&w.edit, &place, w.cols, whole);
			ps_edit_apply(&w.edit, &place, first, cut);
			place.first = first;
			ps_edit_apply(&w.edit, &place, w.cols - first, cut + first);
			assert_memory_equal(cut, whole, sizeof cut);
		}
}

/* What is not finite stays so, also beyond the last step and where the scale is 0. */
static void rounding_hides_no_weight_that_is_not_finite(void **state)
{
	static const float scales[] = {0, 0.25f};
	float values[8];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const ps_edit edit = {.rounding = {&scales[i], {.bits = 4}}};
		const ps_edit_place place = {.cols = 8, .stored = PS_BF16};

		for (int c = 0; c < 8; c++)
			values[c] = (float)c;
		values[2] = __builtin_nanf("");
		values[3] = __builtin_inff();
		values[5] = -__builtin_inff();
		ps_edit_apply(&edit, &place, 8, values);
		for (int c = 0; c < 8; c++)
			assert_int_equal(__builtin_isfinite(values[c]) != 0,
					 c != 2 && c != 3 && c != 5);
		assert_true(values[7] == (i ? 1.75f : 0)); /* seven steps of a quarter */
		assert_true(values[1] == (i ? 1 : 0));
	}
}

static void spoil(const char *record, size_t index, float value)
{
	const ps_weight w = prune_fixture_find(&fixture, record);

	memcpy(fixture.bytes + ((const unsigned char *)w.data - fixture.bytes) +
		       index * sizeof value,
	       &value, sizeof value);
}

static int ignore(void *self, int layer, ps_projection projection, const float *scale)
{
	(void)self, (void)layer, (void)projection, (void)scale;
	return 0;
}

static void refuses(const ps_rounding_rule *rule, int wanted, const char *expected)
{
	const ps_scale_sink sink = {NULL, ignore};
	ps_diag diag = {0};
	int rc = find_scales(rule, 2, &sink, &diag);

	if (rc != wanted || !strstr(diag.text, expected))
		fail_msg("returned %d, '%s'; '%s' is expected", rc, diag.text, expected);
}

static void refuses_what_it_cannot_round(void **state)
{
	const ps_rounding_rule few = {2, 0}, many = {9, 0}, six = {6, 0};
	float before;

	(void)state;
	refuses(&few, PS_EUSAGE, "2 bits are not 3 to 8");
	refuses(&many, PS_EUSAGE, "9 bits are not 3 to 8");
	memcpy(&before, prune_fixture_find(&fixture, "w0.4").data, sizeof before);
	spoil("w0.4", 0, __builtin_nanf(""));
	refuses(&six, PS_EINPUT, "holds NaN at row 0, column 0");
	spoil("w0.4", 0, FLT_MAX); /* FLT_MAX / 31 * 31 is an infinity */
	refuses(&six, PS_EINPUT, "holds a weight at row 0, column 0");
	refuses(&six, PS_EINPUT, "its rounded value is not finite");
	spoil("w0.4", 0, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scales_match_numpy_with_any_threads),
		cmocka_unit_test(staged_weights_match_numpy_and_torch),
		cmocka_unit_test(strips_do_not_change_a_bit),
		cmocka_unit_test(rounding_hides_no_weight_that_is_not_finite),
		cmocka_unit_test(refuses_what_it_cannot_round),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
