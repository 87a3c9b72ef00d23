/* io/gguf, core/base/blocks: every quantised type becomes the f32 that the package gguf makes of
 * it, to the bit, wherever a row is taken up and left. The golden values: test/fixtures/gguf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/gguf.h"
#include "io/safetensors.h"

#define FIXTURES "test/fixtures/gguf/"
#define TYPES 13
#define COLS 512

static ps_gguf stored;
static ps_safetensors expected;

static int open_files(void **state)
{
	ps_diag diag = {{0}};

	(void)state;
	if (ps_gguf_open(&stored, &ps_sys_linux, FIXTURES "types.gguf", &diag) ||
	    ps_safetensors_open(&expected, &ps_sys_linux, FIXTURES "types.safetensors", &diag))
		fail_msg("%s", diag.text);
	return 0;
}

static int close_files(void **state)
{
	(void)state;
	ps_gguf_close(&stored);
	ps_safetensors_close(&expected);
	return 0;
}

static size_t differing_bits(const ps_tensor_info *tensor, size_t row, size_t first, size_t n)
{
	const ps_tensor_info *info = ps_safetensors_find(&expected, tensor->name);
	const char *bytes = ps_tensor_file_data(&stored.file, tensor);
	const uint64_t row_bytes = ps_dtype_bytes((ps_dtype)tensor->dtype, COLS);
	float values[COLS + 2] = {0}, want[COLS];
	size_t wrong = 0;

	assert_non_null(info);
	memcpy(want, (const char *)ps_safetensors_data(&expected, info) + row * sizeof want,
	       sizeof want);
	values[n + 1] = 77;
	ps_widen_part(bytes + row * row_bytes, (ps_dtype)tensor->dtype, first, n, values + 1);
	for (size_t i = 0; i < n; i++)
		wrong += memcmp(values + 1 + i, want + first + i, sizeof *want) != 0;
	/* Nothing is written beside them. */
	return wrong + (values[0] != 0) + (values[n + 1] != 77);
}

static void every_type_is_that_of_the_package(void **state)
{
	size_t wrong = 0;

	(void)state;
	assert_int_equal(stored.file.count, TYPES);
	for (size_t i = 0; i < stored.file.count; i++) {
		const ps_tensor_info *tensor = &stored.file.tensors[i];

		assert_string_equal(tensor->name, ps_dtype_name((ps_dtype)tensor->dtype));
		assert_true(ps_dtype_is_weight((ps_dtype)tensor->dtype));
		assert_int_equal(tensor->shape[1], COLS);
		for (size_t row = 0; row < tensor->shape[0]; row++)
			wrong += differing_bits(tensor, row, 0, COLS);
	}
	print_message("%zu values differ\n", wrong);
	assert_int_equal(wrong, 0);
}

static void a_part_of_a_row_is_the_part_of_the_whole(void **state)
{
	static const size_t starts[] = {0, 8, 24, 32, 200, 256, 264, 504},
			    lengths[] = {1, 8, 31, 32, 40, 256, 300, 512};
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < stored.file.count; i++)
		for (size_t s = 0; s < 8; s++)
			for (size_t n = 0; n < 8; n++)
				if (starts[s] + lengths[n] <= COLS)
					wrong += differing_bits(&stored.file.tensors[i], 1,
								starts[s], lengths[n]);
	assert_int_equal(wrong, 0);
}

/* A scale that is no number must not become a weight. */
static void scales_that_are_not_finite_give_weights_that_are_not(void **state)
{
	static const struct {
		ps_dtype dtype;
		int scale; /* its place in the block */
	} types[] = {{PS_Q8_0, 0}, {PS_Q4_0, 0}, {PS_Q4_1, 0},  {PS_Q4_1, 2},
		     {PS_Q5_0, 0}, {PS_Q5_1, 2}, {PS_Q2_K, 82}, {PS_Q3_K, 108},
		     {PS_Q4_K, 2}, {PS_Q5_K, 0}, {PS_Q6_K, 208}};
	float values[PS_BLOCK_MAX];

	(void)state;
	for (size_t t = 0; t < sizeof types / sizeof *types; t++)
		for (int sign = 0; sign < 3; sign++) {
			static const uint8_t bad[3] = {0x7c, 0xfc, 0x7e};
			uint8_t block[256] = {0};
			const size_t count = ps_dtype_block(types[t].dtype);

			block[types[t].scale + 1] = bad[sign];
			ps_widen(block, types[t].dtype, count, values);
			for (size_t i = 0; i < count; i++)
				assert_false(values[i] - values[i] == 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_that_of_the_package),
		cmocka_unit_test(a_part_of_a_row_is_the_part_of_the_whole),
		cmocka_unit_test(scales_that_are_not_finite_give_weights_that_are_not),
	};

	return cmocka_run_group_tests(tests, open_files, close_files);
}
