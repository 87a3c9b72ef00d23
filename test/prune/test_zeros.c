/* prune/zeros: both zeros count, whatever the dtype, and nothing else does; each kind of projection
 * is counted over all layers; a weight that is not finite is refused; the same counts for any
 * number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "prune/zeros.h"

enum { LAYERS = 3, ROWS = 4, COLS = 5 };

/* Every projection of every layer is [ROWS, COLS] of one dtype. All weights are 1 but for what is
 * planted. */
struct model {
	ps_dtype dtype;
	unsigned char bytes[LAYERS][PS_PROJECTIONS][ROWS * COLS * 4 + 1];
};

static const ps_model_config config = {.layers = LAYERS};

static size_t size_of(ps_dtype dtype)
{
	return dtype == PS_F32 ? 4 : 2;
}

static void put(struct model *m, int layer, int projection, size_t at, uint32_t bits)
{
	const uint16_t half = (uint16_t)bits;
	const size_t size = size_of(m->dtype);

	/* Data may have any alignment. */
	memcpy(&m->bytes[layer][projection][1 + at * size],
	       size == 4 ? (const void *)&bits : (const void *)&half, size);
}

static void make(struct model *m, ps_dtype dtype, uint32_t one)
{
	m->dtype = dtype;
	for (int l = 0; l < LAYERS; l++)
		for (int p = 0; p < PS_PROJECTIONS; p++)
			for (size_t i = 0; i < (size_t)ROWS * COLS; i++)
				put(m, l, p, i, one);
}

static int look_up(void *self, int layer, ps_projection projection, ps_weight *out, ps_diag *diag)
{
	struct model *m = self;

	(void)diag;
	*out = (ps_weight){.data = m->bytes[layer][projection] + 1,
			   .dtype = m->dtype,
			   .rows = ROWS,
			   .cols = COLS,
			   .place = {.path = "model", .tensor = "weight"}};
	return 0;
}

static int count(struct model *m, int threads, ps_zeros *zeros, ps_diag *diag)
{
	const ps_weight_lookup weights = {m, look_up, NULL};
	ps_context context = {.diag = diag};
	int rc;

	assert_int_equal(ps_pool_create(&context.pool, threads, diag), 0);
	rc = ps_zeros_count(&config, &weights, &context, zeros);
	ps_pool_destroy(context.pool);
	return rc;
}

static const struct {
	ps_dtype dtype;
	uint32_t one, minus, least, infinite; /* 1, -0, the least above 0, infinity */
} dtypes[] = {{PS_BF16, 0x3f80, 0x8000, 0x0001, 0x7f80},
	      {PS_F16, 0x3c00, 0x8000, 0x0001, 0x7c00},
	      {PS_F32, 0x3f800000, 0x80000000, 0x00000001, 0x7f800000}};

static void both_zeros_count_and_nothing_else(void **state)
{
	(void)state;
	for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
		for (int threads = 1; threads < 4; threads += 2) {
			struct model m;
			ps_diag diag = {{0}};
			ps_zeros zeros;

			make(&m, dtypes[d].dtype, dtypes[d].one);
			put(&m, 0, PS_Q, 0, 0);
			put(&m, 2, PS_Q, ROWS * COLS - 1, dtypes[d].minus);
			put(&m, 1, PS_DOWN, 7, 0);
			put(&m, 1, PS_UP, 3, dtypes[d].least);
			assert_int_equal(count(&m, threads, &zeros, &diag), 0);
			for (int p = 0; p < PS_PROJECTIONS; p++) {
				assert_int_equal(zeros.zeros[p], p == PS_Q ? 2 : p == PS_DOWN);
				assert_int_equal(zeros.weights[p], LAYERS * ROWS * COLS);
			}
			assert_true(ps_zeros_share(&zeros) ==
				    3.0 / (LAYERS * ROWS * COLS * PS_PROJECTIONS));
		}
}

static void a_weight_that_is_not_finite_is_refused(void **state)
{
	(void)state;
	for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
		struct model m;
		ps_diag diag = {{0}};
		ps_zeros zeros;

		make(&m, dtypes[d].dtype, dtypes[d].one);
		put(&m, 1, PS_V, 6, dtypes[d].infinite);
		assert_int_equal(count(&m, 2, &zeros, &diag), PS_EINPUT);
		assert_non_null(strstr(diag.text, "row 1"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_zeros_count_and_nothing_else),
		cmocka_unit_test(a_weight_that_is_not_finite_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
