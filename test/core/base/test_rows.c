/* core/base/rows.c: a list of kept rows answers as a plain array of their numbers does.
 * core/base/row_order.c: an order names every row of a list once in an epoch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/base/row_order.h"

/* Compares a list with an array, for rows that are kept with this probability; then parts and runs
 * of the list. */
static void check_list(uint64_t rows, double probability)
{
	uint64_t *words = calloc(ps_row_list_words(rows), sizeof *words),
		 *kept = malloc(rows * sizeof *kept), *got = malloc(rows * sizeof *got);
	ps_rng rng = ps_rng_make(rows, 0);
	uint64_t count = 0;
	ps_row_list list, part;

	assert_true(words && kept && got);
	for (uint64_t r = 0; r < rows; r++) {
		if (ps_rng_uniform(&rng) >= probability)
			continue;
		words[r / 64] |= (uint64_t)1 << r % 64;
		kept[count++] = r;
	}
	list = ps_row_list_make(words, rows);
	assert_int_equal(list.count, count);
	ps_row_list_get(&list, 0, count, got);
	assert_memory_equal(got, kept, count * sizeof *got);
	part = ps_row_list_part(&list, count / 3, count - count / 3);
	for (uint64_t i = 0; i < part.count; i++)
		assert_int_equal(ps_row_list_at(&part, i), kept[count / 3 + i]);
	list.together = 3;
	list.count *= 3;
	part = ps_row_list_part(&list, count / 3 * 3, list.count - count / 3 * 3);
	for (uint64_t i = 0; i < part.count; i++)
		assert_int_equal(ps_row_list_at(&part, i), kept[count / 3 + i / 3] * 3 + i % 3);
	free(words);
	free(kept);
	free(got);
}

static void elements_are_the_kept_rows_in_order(void **state)
{
	(void)state;
	for (uint64_t rows = 1; rows < 1600; rows += 61) {
		check_list(rows, 0);
		check_list(rows, 0.02);
		check_list(rows, 0.98);
		check_list(rows, 1);
	}
	check_list(300000, 0.5);
	check_list(300000, 0.001);
}

static void a_list_of_all_rows_needs_no_memory(void **state)
{
	const ps_row_list all = {.count = (uint64_t)1 << 40},
			  last = ps_row_list_part(&all, all.count - 5, 5);

	(void)state;
	assert_int_equal(ps_row_list_at(&all, 123456789012), 123456789012);
	assert_int_equal(ps_row_list_at(&last, 4), all.count - 1);
}

static void a_row_takes_little_more_than_a_bit(void **state)
{
	(void)state;
	assert_int_equal(ps_row_list_words(PS_ROW_BLOCK * 1000000) * 64,
			 PS_ROW_BLOCK * 1000000 * 9 / 8);
}

static void a_permutation_goes_back(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 3000; n = n * 3 / 2 + 1)
		for (uint64_t i = 0; i < n; i++) {
			assert_int_equal(ps_permute_back(ps_permute(i, n, n + 7), n, n + 7), i);
			assert_int_equal(ps_permute(ps_permute_back(i, n, n + 7), n, n + 7), i);
		}
	for (uint64_t i = 0; i < 100; i++) {
		const uint64_t n = ((uint64_t)1 << 62) - i, x = n / 101 * i;

		assert_int_equal(ps_permute_back(ps_permute(x, n, i), n, i), x);
	}
}

/* The places of two and a half epochs, from the middle of one on. */
static void check_order(uint64_t rows, uint32_t together, bool sequential)
{
	const ps_row_list list = {.count = rows * together, .together = together};
	const ps_row_order order = {.rows = &list, .seed = rows, .sequential = sequential};
	const uint64_t first = list.count + list.count / 2 / together * together;
	const size_t count = (size_t)(5 * list.count / 2);
	uint64_t *ids = malloc(count * sizeof *ids);
	unsigned char *seen = calloc(list.count, 1);
	uint64_t again = 0;

	assert_true(ids && seen);
	ps_row_order_get(&order, first, count, ids);
	for (uint64_t i = 0; i < count; i++) {
		const uint64_t place = first + i;

		assert_true(ids[i] < list.count);
		assert_int_equal(ps_row_order_place(&order, place / list.count, ids[i]), place);
		assert_int_equal(ids[i] % together, place % together);
		if (place / list.count == 2) /* an epoch as a whole */
			again += seen[ids[i]]++;
	}
	assert_int_equal(again, 0);
	assert_true(!sequential || ids[0] == first % list.count);
	free(ids);
	free(seen);
}

static void an_order_takes_every_row_once_in_an_epoch(void **state)
{
	(void)state;
	for (uint64_t rows = 1; rows < 900; rows = rows * 2 + 1)
		for (uint32_t together = 1; together < 4; together++) {
			check_order(rows, together, false);
			check_order(rows, together, true);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_are_the_kept_rows_in_order),
		cmocka_unit_test(a_list_of_all_rows_needs_no_memory),
		cmocka_unit_test(a_row_takes_little_more_than_a_bit),
		cmocka_unit_test(a_permutation_goes_back),
		cmocka_unit_test(an_order_takes_every_row_once_in_an_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
