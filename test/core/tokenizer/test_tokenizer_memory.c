/* The tokenizer's memory: what it says that it needs is enough, and whatever allocation fails, it
 * says so and loses nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json_memory.h"
#include "core/tokenizer/tokenizer.h"
#include "test/support/support_alloc_double.h"

#define FOLDER "test/fixtures/tokenizer/"

/* A tokenizer, a text, and the sum of its ids. */
typedef struct subject {
	const char *name, *text;
	char *json;
	size_t length;
	uint64_t sum; /* 0: not known yet */
} subject;

static int add_id(void *context, int32_t id)
{
	uint64_t *sum = context;

	*sum = *sum * 31 + (uint32_t)id + 1;
	return 0;
}

static int encode(void *context)
{
	subject *s = context;
	ps_tokenizer *tokenizer = NULL;
	ps_diag diag = {{0}};
	uint64_t sum = 0;
	int rc = ps_tokenizer_create(&tokenizer, s->json, strlen(s->json), s->name, &diag);

	if (!rc)
		rc = ps_tokenizer_encode(tokenizer, s->text, s->length, add_id, &sum, &diag);
	ps_tokenizer_destroy(tokenizer);
	if (rc) {
		assert_non_null(strstr(diag.text, "memory"));
		return rc;
	}
	if (s->sum)
		assert_true(sum == s->sum);
	s->sum = sum;
	return 0;
}

/* The texts of all tokens of a tokenizer that is open. */
static int show_tokens(void *context)
{
	ps_token_texts texts = {0};
	ps_diag diag = {{0}};
	int rc = ps_tokenizer_texts(context, &texts, &diag);

	if (rc) {
		assert_non_null(strstr(diag.text, "memory"));
		assert_null(texts.start);
		return rc;
	}
	assert_string_equal(ps_token_texts_get(&texts, 1), "b c");
	assert_string_equal(ps_token_texts_get(&texts, 3), "<s>");
	assert_null(ps_token_texts_get(&texts, 2));
	ps_token_texts_free(&texts);
	return 0;
}

static json_t *load(const char *path)
{
	json_error_t error;
	json_t *json = json_load_file(path, JSON_ALLOW_NUL, &error);

	if (!json)
		fail_msg("%s: %s", path, error.text);
	return json;
}

static char *text_of(const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	assert_non_null(text);
	return text;
}

/* The tokenizer.json of a variant of components.json. */
static char *variant_text(const json_t *all, const json_t *variant)
{
	json_t *whole = json_copy((json_t *)variant),
	       *model = json_copy(json_object_get(all, "model"));
	char *text;

	assert_int_equal(json_object_update(model, json_object_get(variant, "options")), 0);
	assert_int_equal(json_object_set_new(whole, "model", model), 0);
	assert_int_equal(json_object_del(whole, "cases"), 0);
	text = text_of(whole);
	json_decref(whole);
	return text;
}

static void every_allocation_that_fails_is_told(void **state)
{
	static const char *const names[] = {"llama3", "gpt2", "gemma3", "metaspace"};
	static const char text[] =
		"It's  1234 na\xc3\xafve <s> tokens\xe2\x96\x81, aaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\n\t.";

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[128];
		json_t *model;
		subject s = {.name = names[i], .text = text, .length = sizeof text - 1};

		snprintf(path, sizeof path, FOLDER "%s.json", names[i]);
		model = load(path);
		s.json = text_of(model);
		json_decref(model);
		assert_true(alloc_double_sweep(NULL, encode, &s) > 20);
		free(s.json);
	}
}

static void every_allocation_of_the_texts_may_fail(void **state)
{
	static const char json[] =
		"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\xe2\x96\x81"
		"c\":1,\"d\":4},\"merges\":[]},"
		"\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"},"
		"\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"single_word\":false,"
		"\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}]}";
	ps_tokenizer *tokenizer = NULL;
	ps_diag diag = {{0}};

	(void)state;
	if (ps_tokenizer_create(&tokenizer, json, strlen(json), "texts", &diag))
		fail_msg("%s", diag.text);
	assert_true(alloc_double_sweep(NULL, show_tokens, tokenizer) > 2);
	ps_tokenizer_destroy(tokenizer);
}

/* yajl collects a key with escapes in a buffer that grows. */
static void a_parser_without_memory_says_so(void **state)
{
	enum { PAIRS = 3000 };
	static char json[8 * PAIRS];
	subject s = {.name = "long key", .text = "ab", .length = 2, .json = json};

	(void)state;
	strcpy(json, "{\"");
	for (int i = 0; i < PAIRS; i++)
		strcat(json + 6 * (size_t)i, "a\\n\\tb");
	strcat(json, "\":[null],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},"
		     "\"merges\":[]}}");
	assert_true(alloc_double_sweep(NULL, encode, &s) > 10);
}

/* Every normalizer and pre-tokenizer, with the first case of each. */
static void every_component_tells_an_allocation_that_fails(void **state)
{
	json_t *all = load(FOLDER "components.json");
	const json_t *variants = json_object_get(all, "variants");

	(void)state;
	for (size_t i = 0; i < json_array_size(variants); i += 7) {
		const json_t *variant = json_array_get(variants, i),
			     *c = json_array_get(json_object_get(variant, "cases"), 0),
			     *unit = json_object_get(c, "text");
		subject s = {.name = "variant", .json = variant_text(all, variant)};

		if (unit) {
			s.text = json_string_value(unit);
			s.length = json_string_length(unit);
			assert_true(alloc_double_sweep(NULL, encode, &s) > 10);
		}
		free(s.json);
	}
	json_decref(all);
}

/* A tokenizer may hold so much as it said that the text makes it hold, and then that is enough. */
static const char doubling[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"aa\":1},"
			       "\"merges\":[\"a a\"]}}";

/* Returns the bytes that are said beside those of an empty tokenizer. */
static size_t check_room(const char *json, const char *text, size_t length)
{
	ps_tokenizer *tokenizer = NULL;
	ps_diag diag = {{0}};
	uint64_t sum = 0;
	size_t room, empty;

	if (ps_tokenizer_create(&tokenizer, json, strlen(json), "room", &diag))
		fail_msg("%s", diag.text);
	room = ps_tokenizer_room(tokenizer, text, length);
	empty = ps_tokenizer_bytes(tokenizer);
	assert_true(room >= empty);
	ps_tokenizer_limit(tokenizer, room);
	if (ps_tokenizer_encode(tokenizer, text, length, add_id, &sum, &diag))
		fail_msg("%s", diag.text);
	if (ps_tokenizer_bytes(tokenizer) > room)
		fail_msg("%zu bytes are held, %zu were said for %.200s",
			 ps_tokenizer_bytes(tokenizer), room, json);
	ps_tokenizer_destroy(tokenizer);
	return room - empty;
}

static void the_room_that_it_names_is_enough(void **state)
{
	enum { LENGTH = 300000 };
	json_t *all = load(FOLDER "components.json");
	const json_t *variants = json_object_get(all, "variants");
	char *text = malloc(LENGTH);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < LENGTH; i++)
		text[i] = "a b1-A"[i % 7 % 6];
	for (size_t i = 0; i < json_array_size(variants); i += 5) {
		char *json = variant_text(all, json_array_get(variants, i));

		(void)check_room(json, text, LENGTH);
		free(json);
	}
	for (int i = 0; i < 2; i++) {
		json_t *model = load(i ? FOLDER "llama3.json" : FOLDER "gemma3.json");
		char *json = text_of(model);

		/* One that cuts the text into words needs a few bytes for each of it. */
		assert_in_range(check_room(json, text, LENGTH), LENGTH, 8 * LENGTH);
		json_decref(model);
		free(json);
	}
	/* What cannot be cut needs much more. */
	memset(text, 'a', LENGTH);
	assert_true(check_room(doubling, text, LENGTH) > 28 * LENGTH);
	free(text);
	json_decref(all);
}

static void more_than_the_limit_is_refused(void **state)
{
	enum { LENGTH = 4 << 20 };
	ps_tokenizer *tokenizer = NULL;
	ps_diag diag = {{0}};
	uint64_t sum = 0;
	char *text = malloc(LENGTH);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', LENGTH);
	assert_int_equal(
		ps_tokenizer_create(&tokenizer, doubling, sizeof doubling - 1, "limit", &diag), 0);
	ps_tokenizer_limit(tokenizer, 0); /* a MiB is left in any case */
	assert_int_equal(ps_tokenizer_encode(tokenizer, text, 1000, add_id, &sum, &diag), 0);
	assert_int_equal(ps_tokenizer_encode(tokenizer, text, LENGTH, add_id, &sum, &diag),
			 PS_EBUDGET);
	free(text);
	ps_tokenizer_destroy(tokenizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_that_fails_is_told),
		cmocka_unit_test(every_component_tells_an_allocation_that_fails),
		cmocka_unit_test(every_allocation_of_the_texts_may_fail),
		cmocka_unit_test(a_parser_without_memory_says_so),
		cmocka_unit_test(the_room_that_it_names_is_enough),
		cmocka_unit_test(more_than_the_limit_is_refused),
	};

	ps_json_memory_watch();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
