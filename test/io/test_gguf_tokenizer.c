/* io/gguf_tokenizer, core/tokenizer/token_lists: the lists of a GGUF file give the ids of the
 * tokenizers library, and of sentencepiece; lists that are damaged or not supported are named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json.h"
#include "io/gguf_tokenizer.h"
#include "test/support/support_checkpoint.h"
#include "test/support/support_gguf.h"

#define FIXTURES "test/fixtures/gguf/"
#define IDS_MAX 4096

struct ids {
	int32_t list[IDS_MAX];
	size_t count;
};

static int take(void *context, int32_t id)
{
	struct ids *ids = context;

	assert_true(ids->count < IDS_MAX);
	ids->list[ids->count++] = id;
	return 0;
}

static ps_tokenizer *load(const char *path, ps_diag *diag, int *rc)
{
	ps_tokenizer *tokenizer = NULL;
	ps_gguf gguf;

	*rc = ps_gguf_open(&gguf, &ps_sys_linux, path, diag);
	if (*rc)
		return NULL;
	*rc = ps_gguf_tokenizer(&gguf, &tokenizer, diag);
	ps_gguf_close(&gguf);
	return tokenizer;
}

static ps_tokenizer *load_good(const char *name)
{
	char path[128];
	ps_diag diag = {{0}};
	int rc;
	ps_tokenizer *tokenizer;

	snprintf(path, sizeof path, FIXTURES "vocab-%s.gguf", name);
	tokenizer = load(path, &diag, &rc);
	if (rc)
		fail_msg("%s", diag.text);
	return tokenizer;
}

/* Ids of a case that differ, and ids that are missing or too many. */
static size_t wrong_ids(ps_tokenizer *tokenizer, const json_t *c)
{
	static struct ids got;
	const json_t *text = json_object_get(c, "text"), *want = json_object_get(c, "ids");
	ps_diag diag = {{0}};
	size_t wrong = 0;

	got.count = 0;
	if (ps_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), take,
				&got, &diag))
		fail_msg("%s", diag.text);
	for (size_t i = 0; i < got.count || i < json_array_size(want); i++)
		wrong += i >= got.count || i >= json_array_size(want) ||
			 got.list[i] != json_integer_value(json_array_get(want, i));
	return wrong;
}

static void lists_give_the_ids_of_the_library(void **state)
{
	json_error_t error;
	json_t *all = json_load_file(FIXTURES "vocab.cases.json", JSON_ALLOW_NUL, &error), *cases;
	const char *name;

	(void)state;
	assert_non_null(all);
	assert_int_equal(json_object_size(all), 4);
	json_object_foreach (all, name, cases) {
		ps_tokenizer *tokenizer = load_good(name);
		size_t wrong = 0;

		for (size_t i = 0; i < json_array_size(cases); i++)
			wrong += wrong_ids(tokenizer, json_array_get(cases, i));
		print_message("%s: %zu cases, %zu ids differ\n", name, json_array_size(cases),
			      wrong);
		assert_int_equal(wrong, 0);
		ps_tokenizer_destroy(tokenizer);
	}
	json_decref(all);
}

static void texts_of_tokens_are_readable(void **state)
{
	ps_tokenizer *gemma = load_good("gemma"), *llama = load_good("llama-bpe");
	ps_token_texts texts = {0};

	(void)state;
	assert_int_equal(ps_tokenizer_texts(gemma, &texts, NULL), 0);
	assert_string_equal(ps_token_texts_get(&texts, 0), "<pad>");
	ps_token_texts_free(&texts);
	assert_int_equal(ps_tokenizer_texts(llama, &texts, NULL), 0);
	assert_string_equal(ps_token_texts_get(&texts, 700), "<|begin_of_text|>");
	ps_token_texts_free(&texts);
	ps_tokenizer_destroy(gemma);
	ps_tokenizer_destroy(llama);
}

static uint64_t digest_of(const char *name)
{
	char path[128];
	uint64_t digest = 0;
	ps_gguf gguf;
	bool there;

	snprintf(path, sizeof path, FIXTURES "%s.gguf", name);
	assert_int_equal(ps_gguf_open(&gguf, &ps_sys_linux, path, NULL), 0);
	assert_int_equal(ps_gguf_tokenizer_digest(&gguf, &there, &digest, NULL), 0);
	assert_int_equal(there, !strncmp(name, "vocab", 5));
	ps_gguf_close(&gguf);
	return digest;
}

static void each_tokenizer_has_its_identity(void **state)
{
	(void)state;
	assert_true(digest_of("vocab-qwen2") == digest_of("vocab-qwen2"));
	assert_true(digest_of("vocab-qwen2") != digest_of("vocab-llama-bpe"));
	assert_true(digest_of("llama") == 0);
}

static void a_tokenizer_beside_the_file_must_be_its_own(void **state)
{
	ps_tokenizer *own = load_good("qwen2"), *other = load_good("llama-bpe");
	ps_diag diag = {{0}};
	ps_gguf gguf;

	(void)state;
	assert_int_equal(ps_gguf_open(&gguf, &ps_sys_linux, FIXTURES "vocab-qwen2.gguf", &diag), 0);
	assert_int_equal(ps_gguf_check_tokenizer(&gguf, own, "own", &diag), 0);
	assert_int_equal(ps_gguf_check_tokenizer(&gguf, other, "beside/tokenizer.json", &diag),
			 PS_EINPUT);
	assert_non_null(strstr(diag.text, "beside/tokenizer.json is not the tokenizer of"));
	ps_gguf_close(&gguf);
	ps_tokenizer_destroy(own);
	ps_tokenizer_destroy(other);
}

/* Of tokens with equal scores the merge with the longer left side comes first: generate_merges of
 * transformers. */
static void equal_scores_are_ranked_by_the_left_side(void **state)
{
	static const char *const tokens[] = {"<unk>", "a", "b", "c", "d", "cd", "ab", "abc"};
	static const float scores[] = {0, 0, 0, 0, 0, -2, -1, -2};
	char folder[256], file[512];
	struct ids got = {.count = 0};
	ps_tokenizer *tokenizer;
	ps_diag diag = {{0}};
	gg_file f = {0};
	int rc;

	(void)state;
	gg_header(&f, 3, 0, 4);
	gg_key_text(&f, "general.architecture", "llama");
	gg_key_text(&f, "tokenizer.ggml.model", "llama");
	gg_key_array(&f, "tokenizer.ggml.tokens", 8, 8);
	for (int i = 0; i < 8; i++)
		gg_string(&f, tokens[i]);
	gg_key_array(&f, "tokenizer.ggml.scores", 6, 8);
	gg_bytes(&f, scores, sizeof scores);
	gg_pad(&f, 32);
	ck_make_folder(folder, sizeof folder);
	snprintf(file, sizeof file, "%s/t.gguf", folder);
	gg_write(&f, file);
	gg_free(&f);
	tokenizer = load(file, &diag, &rc);
	assert_int_equal(rc, 0);
	assert_int_equal(ps_tokenizer_encode(tokenizer, "abcd", 4, take, &got, &diag), 0);
	/* The prefix is not in the vocabulary. */
	assert_int_equal(got.count, 3);
	assert_int_equal(got.list[1], 7);
	assert_int_equal(got.list[2], 4);
	ps_tokenizer_destroy(tokenizer);
	ck_remove_folder(folder);
}

/* --- lists that are damaged --- */

/* What a file of three tokens has, but for what a test changes. */
struct lists {
	const char *model, *pre, *merge, *token;
	uint64_t types, scores; /* their counts; 0: no such list */
	float score;
	int64_t unknown; /* -1: no such key */
	bool tokens;
};

static void refuse(const struct lists *l, const char *want)
{
	char folder[256], path[512];
	ps_diag diag = {{0}};
	gg_file f = {0};
	int rc;

	gg_header(&f, 3, 0,
		  2u + l->tokens + !!l->pre + !!l->merge + !!l->types + !!l->scores +
			  (l->unknown >= 0));
	gg_key_text(&f, "general.architecture", "llama");
	gg_key_text(&f, "tokenizer.ggml.model", l->model);
	if (l->tokens) {
		gg_key_array(&f, "tokenizer.ggml.tokens", 8, 3);
		gg_string(&f, "a");
		gg_string(&f, "b");
		gg_string(&f, l->token);
	}
	if (l->pre)
		gg_key_text(&f, "tokenizer.ggml.pre", l->pre);
	if (l->merge) {
		gg_key_array(&f, "tokenizer.ggml.merges", 8, 1);
		gg_string(&f, l->merge);
	}
	if (l->types)
		gg_key_array(&f, "tokenizer.ggml.token_type", 5, l->types);
	for (uint64_t i = 0; i < l->types; i++)
		gg_number(&f, 1, 4);
	if (l->scores)
		gg_key_array(&f, "tokenizer.ggml.scores", 6, l->scores);
	for (uint64_t i = 0; i < l->scores; i++)
		gg_bytes(&f, &l->score, 4);
	if (l->unknown >= 0)
		gg_key_u32(&f, "tokenizer.ggml.unknown_token_id", (uint32_t)l->unknown);
	gg_pad(&f, 32);
	ck_make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/bad.gguf", folder);
	gg_write(&f, path);
	assert_null(load(path, &diag, &rc));
	if (rc != PS_EINPUT || !strstr(diag.text, want) || !strstr(diag.text, "bad.gguf"))
		fail_msg("returned %d, '%s'; '%s' is expected", rc, diag.text, want);
	gg_free(&f);
	ck_remove_folder(folder);
}

static void lists_that_do_not_fit_are_refused(void **state)
{
	const struct lists bytes = {.model = "gpt2",
				    .pre = "llama-bpe",
				    .merge = "a b",
				    .token = "ab",
				    .types = 3,
				    .unknown = -1,
				    .tokens = true},
			   pieces = {.model = "llama",
				     .token = "ab",
				     .types = 3,
				     .scores = 3,
				     .unknown = 0,
				     .tokens = true};
	struct lists l;

	(void)state;
	l = bytes, l.model = "bert";
	refuse(&l, "tokenizer.ggml.model: 'bert' is not supported");
	l = bytes, l.pre = "default";
	refuse(&l, "the pre-tokenizer 'default' is not supported");
	l = bytes, l.pre = NULL;
	refuse(&l, "the pre-tokenizer '(none)' is not supported");
	l = bytes, l.merge = NULL;
	refuse(&l, "tokenizer.ggml.merges is missing");
	l = bytes, l.merge = "a c";
	refuse(&l, "merge 0 names \"c\", which is not in the vocabulary");
	l = bytes, l.merge = "ab";
	refuse(&l, "merge 0, \"ab\", is not two tokens with a space between");
	l = bytes, l.types = 2;
	refuse(&l, "tokenizer.ggml.token_type at offset");
	l = bytes, l.token = "b";
	refuse(&l, "token \"b\" is in the vocabulary twice");
	l = bytes, l.token = "\xff";
	refuse(&l, "token 2 is not UTF-8 at its byte 0");
	l = pieces, l.tokens = false;
	refuse(&l, "tokenizer.ggml.tokens is missing");
	l = pieces, l.scores = 0;
	refuse(&l, "tokenizer.ggml.scores is missing");
	l = pieces, l.scores = 4;
	refuse(&l, "has 4 entries, and there are 3 tokens");
	l = pieces, l.score = 1.0f / 0.0f;
	refuse(&l, "the score of token 0 is not finite");
	l = pieces, l.unknown = 3;
	refuse(&l, "the unknown token 3 is not listed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_give_the_ids_of_the_library),
		cmocka_unit_test(texts_of_tokens_are_readable),
		cmocka_unit_test(each_tokenizer_has_its_identity),
		cmocka_unit_test(a_tokenizer_beside_the_file_must_be_its_own),
		cmocka_unit_test(equal_scores_are_ranked_by_the_left_side),
		cmocka_unit_test(lists_that_do_not_fit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
