/* tools/run/nearest: which known name a word was meant to be, and when none was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/run/nearest.h"

static const char *const options[] = {"--text",     "--tokens", "--threads", "--max-tokens",
				      "--order",    "--stride", "--k",       "-o",
				      "--sparsity", NULL};

static void test_few_edits_are_near(void **state)
{
	(void)state;
	assert_string_equal(ps_nearest_name("--test", options), "--text");
	assert_string_equal(ps_nearest_name("--stirde", options), "--stride");
	assert_string_equal(ps_nearest_name("--max_tokens", options), "--max-tokens");
	assert_string_equal(ps_nearest_name("--sparsities", options), "--sparsity");
	assert_string_equal(ps_nearest_name("text", options), "--text");
	assert_string_equal(ps_nearest_name("kk", options), "--k");
	assert_string_equal(ps_nearest_name("-k", options), "--k");
}

static void test_an_exchange_is_one_edit(void **state)
{
	const char *const names[] = {"star", "rats", NULL};

	(void)state;
	/* One exchange leads to "star"; two replacements would be too many. */
	assert_string_equal(ps_nearest_name("satr", names), "star");
	assert_null(ps_nearest_name("tsra", names));
}

static void test_a_name_in_the_word_is_near(void **state)
{
	(void)state;
	assert_string_equal(ps_nearest_name("--num-worker-threads", options), "--threads");
	assert_string_equal(ps_nearest_name("--use-max-tokens-of", options), "--max-tokens");
}

static void test_a_word_in_a_name_is_near(void **state)
{
	const char *const names[] = {"llama/dense/train-7", "llama/wanda/train-7-of-8", NULL};

	(void)state;
	assert_string_equal(ps_nearest_name("train-7", names), "llama/dense/train-7");
}

static void test_what_is_far_is_not_guessed(void **state)
{
	(void)state;
	assert_null(ps_nearest_name("--layers", options));
	assert_null(ps_nearest_name("--fp16", options));
	assert_null(ps_nearest_name("--dataset", options));
	assert_null(ps_nearest_name("-t", options));
	assert_null(ps_nearest_name("--", options));
	assert_null(ps_nearest_name("", options));
}

static void test_long_names_are_passed_over(void **state)
{
	const char *const names[] = {
		"a-name-that-is-longer-than-any-option-or-key-or-command-may-ever-be", "short",
		NULL};

	(void)state;
	assert_string_equal(ps_nearest_name("shrot", names), "short");
	assert_null(ps_nearest_name(names[0], names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_edits_are_near),
		cmocka_unit_test(test_an_exchange_is_one_edit),
		cmocka_unit_test(test_a_name_in_the_word_is_near),
		cmocka_unit_test(test_a_word_in_a_name_is_near),
		cmocka_unit_test(test_what_is_far_is_not_guessed),
		cmocka_unit_test(test_long_names_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
