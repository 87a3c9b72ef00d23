/* io/row_filter: rows of BOS, EOS and PAD do not count, unless they are asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json_memory.h"
#include "io/row_filter.h"
#include "test/support/support_alloc_double.h"

enum { ROWS = 5000 };

/* The token of row r: 1 (BOS) at the start of each window of 8. */
static int32_t token_of(uint64_t row)
{
	return row % 8 ? 10 + (int32_t)(row % 8) : 1;
}

static void column(void *self, ps_row_column which, const uint64_t *ids, size_t count, int32_t *out)
{
	(void)self;
	assert_int_equal(which, PS_ROW_TOKEN_ID);
	for (size_t i = 0; i < count; i++)
		out[i] = token_of(ids[i]);
}

static ps_cache cache_of(json_t *special)
{
	ps_cache cache = {.source = {.rows = ROWS,
				     .width = 4,
				     .columns = 1u << PS_ROW_TOKEN_ID,
				     .column = column}};

	cache.manifest =
		json_pack("{s:{s:{s:o}}}", "provenance", "model", "special_token_ids", special);
	assert_non_null(cache.manifest);
	return cache;
}

static void rows_of_special_tokens_do_not_count(void **state)
{
	ps_cache cache = cache_of(json_pack("[i, i]", 2, 1));
	ps_row_list list;

	(void)state;
	assert_int_equal(ps_rows_that_count(&cache, false, &list, NULL), 0);
	assert_int_equal(list.count, ROWS - ROWS / 8);
	for (uint64_t i = 0; i < list.count; i++)
		assert_int_equal(ps_row_list_at(&list, i), i + i / 7 + 1);
	assert_true(ps_rows_held_bytes(&list) >= ROWS / 8);
	ps_rows_release(&list);
	ps_rows_release(&list);
	assert_int_equal(ps_rows_held_bytes(&list), 0);
	json_decref(cache.manifest);
}

static void all_rows_count_where_nothing_is_special(void **state)
{
	ps_cache cache = cache_of(json_pack("[i]", 1)), silent = cache, foreign = cache;
	ps_row_list list;

	(void)state;
	assert_int_equal(ps_rows_that_count(&cache, true, &list, NULL), 0);
	assert_int_equal(list.count, ROWS);
	assert_int_equal(ps_rows_held_bytes(&list), 0);
	silent.source.columns = 0; /* it does not know the token ids */
	assert_int_equal(ps_rows_that_count(&silent, false, &list, NULL), 0);
	assert_int_equal(list.count, ROWS);
	foreign.manifest = json_object(); /* it says nothing of the model */
	assert_int_equal(ps_rows_that_count(&foreign, false, &list, NULL), 0);
	assert_int_equal(list.count, ROWS);
	json_decref(foreign.manifest);
	json_decref(cache.manifest);
}

static void a_cache_without_other_rows_is_refused(void **state)
{
	ps_cache cache =
		cache_of(json_pack("[i, i, i, i, i, i, i, i]", 1, 11, 12, 13, 14, 15, 16, 17));
	ps_row_list list;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_rows_that_count(&cache, false, &list, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "BOS, EOS and PAD"));
	assert_null(list.bits);
	json_decref(cache.manifest);
}

static int count_rows(void *context)
{
	ps_row_list list;
	int rc = ps_rows_that_count(context, false, &list, NULL);

	if (!rc)
		assert_int_equal(list.count, ROWS - ROWS / 8);
	if (!rc)
		ps_rows_release(&list);
	return rc;
}

static void no_memory_for_the_list_is_told(void **state)
{
	ps_cache cache = cache_of(json_pack("[i]", 1));

	(void)state;
	assert_true(alloc_double_sweep(NULL, count_rows, &cache) > 0);
	json_decref(cache.manifest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_special_tokens_do_not_count),
		cmocka_unit_test(all_rows_count_where_nothing_is_special),
		cmocka_unit_test(a_cache_without_other_rows_is_refused),
		cmocka_unit_test(no_memory_for_the_list_is_told),
	};

	ps_json_memory_watch();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
