/* The tokenizer: its ids are those of the tokenizers library, and malformed files and texts are
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json.h"
#include "core/base/utf8.h"
#include "core/tokenizer/tokenizer.h"

#define FOLDER "test/fixtures/tokenizer/"

typedef struct id_list {
	int32_t *ids;
	size_t count, capacity,
		stop_at; /* stop_at: ids that the sink takes before it refuses; 0: all */
} id_list;

static int take_id(void *context, int32_t id)
{
	id_list *list = context;

	if (list->stop_at && list->count == list->stop_at)
		return -77;
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? 2 * list->capacity : 256;
		list->ids = realloc(list->ids, list->capacity * sizeof *list->ids);
		assert_non_null(list->ids);
	}
	list->ids[list->count++] = id;
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

static uint64_t fnv(const id_list *list)
{
	uint64_t value = 0xCBF29CE484222325u;

	for (size_t i = 0; i < list->count; i++)
		value = (value ^ (uint32_t)list->ids[i]) * 0x100000001B3u;
	return value;
}

/* The text of a case, as it stands or repeated. */
static char *case_text(const json_t *c, size_t *length)
{
	const json_t *repeat = json_object_get(c, "repeat"),
		     *unit = repeat ? repeat : json_object_get(c, "text");
	size_t times = repeat ? (size_t)json_integer_value(json_object_get(c, "times")) : 1,
	       bytes = json_string_length(unit);
	char *text = malloc(times * bytes + 1);

	assert_non_null(text);
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * bytes, json_string_value(unit), bytes);
	*length = times * bytes;
	return text;
}

static void compare_ids(const json_t *c, const id_list *got, const char *name, size_t index)
{
	const json_t *ids = json_object_get(c, "ids");
	char digest[17];

	if (!ids) {
		snprintf(digest, sizeof digest, "%016llx", (unsigned long long)fnv(got));
		if ((json_int_t)got->count != json_integer_value(json_object_get(c, "count")) ||
		    strcmp(digest, json_string_value(json_object_get(c, "fnv"))))
			fail_msg("%s, case %zu: %zu ids with another digest", name, index,
				 got->count);
		return;
	}
	for (size_t i = 0; i < got->count && i < json_array_size(ids); i++)
		if (json_integer_value(json_array_get(ids, i)) != got->ids[i])
			fail_msg("%s, case %zu: id %zu is %d, expected %lld", name, index, i,
				 got->ids[i],
				 (long long)json_integer_value(json_array_get(ids, i)));
	if (got->count != json_array_size(ids))
		fail_msg("%s, case %zu: %zu ids, expected %zu", name, index, got->count,
			 json_array_size(ids));
}

static void compare_cases(ps_tokenizer *tokenizer, const json_t *cases, const char *name)
{
	/* Twice: the second time, words come from the cache. */
	for (size_t i = 0; i < 2 * json_array_size(cases); i++) {
		const json_t *c = json_array_get(cases, i % json_array_size(cases));
		id_list got = {0};
		ps_diag diag = {{0}};
		size_t length;
		char *text = case_text(c, &length);

		if (ps_tokenizer_encode(tokenizer, text, length, take_id, &got, &diag))
			fail_msg("%s, case %zu: %s", name, i, diag.text);
		compare_ids(c, &got, name, i);
		free(got.ids);
		free(text);
	}
}

static void gives_the_ids_of_the_library(void **state)
{
	static const char *const names[] = {"llama3", "qwen2",  "o200k",  "cl100k", "deepseek",
					    "gpt2",   "digits", "gemma3", "llama2", "metaspace"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[128];
		json_t *model, *cases;
		ps_tokenizer *tokenizer = NULL;
		ps_diag diag = {{0}};
		char *text;

		snprintf(path, sizeof path, FOLDER "%s.cases.json", names[i]);
		cases = load(path);
		snprintf(path, sizeof path, FOLDER "%s.json", names[i]);
		model = load(path);
		text = json_dumps(model, JSON_COMPACT);
		if (ps_tokenizer_create(&tokenizer, text, strlen(text), path, &diag))
			fail_msg("%s", diag.text);
		compare_cases(tokenizer, cases, names[i]);
		assert_true(ps_tokenizer_bytes(tokenizer) > 0);
		ps_tokenizer_destroy(tokenizer);
		free(text);
		json_decref(model);
		json_decref(cases);
	}
}

/* What the library decodes each token to alone, made visible (the fixture's generator says how). */
static void gives_the_text_of_each_token(void **state)
{
	json_t *all = load(FOLDER "texts.json"), *texts;
	const char *name;

	(void)state;
	json_object_foreach (all, name, texts) {
		char path[128];
		ps_tokenizer *tokenizer = NULL;
		ps_token_texts got = {0};
		ps_diag diag = {{0}};
		json_t *model;
		char *text;

		snprintf(path, sizeof path, FOLDER "%s.json", name);
		model = load(path);
		text = json_dumps(model, JSON_COMPACT);
		if (ps_tokenizer_create(&tokenizer, text, strlen(text), path, &diag) ||
		    ps_tokenizer_texts(tokenizer, &got, &diag))
			fail_msg("%s", diag.text);
		ps_tokenizer_destroy(tokenizer);
		assert_int_equal(got.count, json_array_size(texts));
		for (int32_t id = 0; id < got.count; id++) {
			const char *right = json_string_value(json_array_get(texts, (size_t)id)),
				   *ours = ps_token_texts_get(&got, id);

			if (!right != !ours || (right && strcmp(right, ours)))
				fail_msg("%s: token %d is \"%s\", expected \"%s\"", name, id,
					 ours ? ours : "(none)", right ? right : "(none)");
		}
		assert_null(ps_token_texts_get(&got, -1));
		assert_null(ps_token_texts_get(&got, got.count));
		assert_true(ps_token_texts_bytes(&got) > (size_t)got.count);
		ps_token_texts_free(&got);
		free(text);
		json_decref(model);
	}
	json_decref(all);
}

static void shows_what_cannot_be_seen(void **state)
{
	static const struct {
		const char *bytes, *seen;
	} cases[] = {
		{"a b", "a b"},
		{"\n\r\t", "\\n\\r\\t"},
		{"\x1b[2J\x7f", "<0x1B>[2J<0x7F>"},
		{"x\xe2\x80\xaey", "x<U+202E>y"},
		{"\xc2\x85\xef\xbb\xbf", "<U+0085><U+FEFF>"},
		{"\xf3\xa0\x80\x81", "<U+E0001>"},
		{"\xe2\x82", "<0xE2><0x82>"},
		{"\xc3(\xc3\xa9", "<0xC3>(\xc3\xa9"},
		{"\xed\xa0\x80", "<0xED><0xA0><0x80>"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ps_buffer out = {0};

		assert_int_equal(
			ps_token_text_show(cases[i].bytes, strlen(cases[i].bytes), &out, NULL), 0);
		assert_int_equal(ps_buffer_append(&out, "", 1, NULL), 0);
		assert_string_equal(out.data, cases[i].seen);
		ps_buffer_free(&out);
	}
}

/* The tokenizer.json of a variant. */
static char *variant_text(const json_t *model, const json_t *variant)
{
	json_t *whole = json_object(), *own = json_copy((json_t *)model);
	static const char *const keys[] = {"normalizer", "pre_tokenizer", "added_tokens"};
	char *text;

	assert_int_equal(json_object_update(own, json_object_get(variant, "options")), 0);
	for (size_t k = 0; k < 3; k++)
		assert_int_equal(json_object_set(whole, keys[k], json_object_get(variant, keys[k])),
				 0);
	assert_int_equal(json_object_set_new(whole, "model", own), 0);
	text = json_dumps(whole, JSON_COMPACT);
	json_decref(whole);
	return text;
}

static void every_component_cuts_as_the_library_does(void **state)
{
	json_t *all = load(FOLDER "components.json");
	const json_t *variants = json_object_get(all, "variants");

	(void)state;
	for (size_t i = 0; i < json_array_size(variants); i++) {
		const json_t *variant = json_array_get(variants, i);
		char *text = variant_text(json_object_get(all, "model"), variant), name[32];
		ps_tokenizer *tokenizer = NULL;
		ps_diag diag = {{0}};

		snprintf(name, sizeof name, "variant %zu", i);
		if (ps_tokenizer_create(&tokenizer, text, strlen(text), name, &diag))
			fail_msg("%s", diag.text);
		compare_cases(tokenizer, json_object_get(variant, "cases"), name);
		ps_tokenizer_destroy(tokenizer);
		free(text);
	}
	printf("%zu variants\n", json_array_size(variants));
	json_decref(all);
}

/* ---- a tiny tokenizer.json whose parts can be replaced ---- */

typedef struct parts {
	const char *top, *vocab, *merges, *model;
} parts;

#define VOCAB "{\"a\":0,\"b\":1,\"ab\":2,\"aba\":3,\" \":4}"

static char *tiny(const parts *p)
{
	char *text = NULL;

	assert_true(asprintf(&text, "{%s\"model\":{\"type\":\"BPE\",\"vocab\":%s,\"merges\":%s%s}}",
			     p->top ? p->top : "", p->vocab ? p->vocab : VOCAB,
			     p->merges ? p->merges : "[\"a b\",\"ab a\"]",
			     p->model ? p->model : "") > 0);
	return text;
}

static ps_tokenizer *open_tiny(const parts *p)
{
	char *text = tiny(p);
	ps_tokenizer *tokenizer = NULL;
	ps_diag diag = {{0}};

	if (ps_tokenizer_create(&tokenizer, text, strlen(text), "tiny", &diag))
		fail_msg("%s", diag.text);
	free(text);
	return tokenizer;
}

/* Expects that the file is refused as invalid input, and that the message holds `said`. */
static void assert_refused(const char *text, size_t length, const char *said)
{
	ps_tokenizer *tokenizer = NULL;
	ps_diag diag = {{0}};
	int rc = ps_tokenizer_create(&tokenizer, text, length, "dir/tokenizer.json", &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, said) ||
	    strncmp(diag.text, "dir/tokenizer.json: ", 20))
		fail_msg("%.200s\ngave %d \"%s\", expected \"%s\"", text, rc, diag.text, said);
}

#define LISTED(single_word, lstrip, rstrip, normalized)                                            \
	"{\"id\":5,\"content\":\"<s>\",\"single_word\":" single_word ",\"lstrip\":" lstrip         \
	",\"rstrip\":" rstrip ",\"normalized\":" normalized ",\"special\":true}"

/* Parts that are wrong, and what the message says of each. */
static const struct {
	parts parts;
	const char *said;
} malformed[] = {
	{{.merges = "[\"a c\"]"}, "merge 0 names \"c\""},
	{{.merges = "[\"b a\"]"}, "merge 0 names \"ba\""},
	{{.merges = "[\"a b c\"]"}, "not two tokens"},
	{{.merges = "[\"ab\"]"}, "not two tokens"},
	{{.merges = "[\"a b\",[\"ab\",\"a\"]]"}, "wrong type"},
	{{.merges = "[[\"a\"]]"}, "wrong type"},
	{{.merges = "[[\"a\",\"b\",\"a\"]]"}, "wrong type"},
	{{.merges = "[[\"\",\"a\"]]"}, "merge 0 names \"\""},
	{{.merges = "[1]"}, "wrong type"},
	{{.merges = "{}"}, "wrong type"},
	{{.vocab = "[]"}, "Unigram"},
	{{.vocab = "[[\"a\",-1.5]]"}, "Unigram"},
	{{.vocab = "7"}, "wrong type"},
	{{.vocab = "{\"a\":-1}"}, "out of range"},
	{{.vocab = "{\"a\":16777216}"}, "out of range"},
	{{.vocab = "{\"a\":99999999999999999999}"}, "not an integer in range"},
	{{.vocab = "{\"a\":1.5}"}, "wrong type"},
	{{.vocab = "{\"a\":\"1\"}"}, "not an integer in range"},
	{{.vocab = "{\"a\":0,\"b\":0,\"ab\":2,\"aba\":3}"}, "have the id 0"},
	{{.vocab = "{\"a\":0,\"a\":1}"}, "in the vocabulary twice"},
	{{.model = ",\"vocab\":{}"}, "twice"},
	{{.model = ",\"dropout\":0.1"}, "dropout"},
	{{.model = ",\"continuing_subword_prefix\":\"##\""}, "continuing_subword_prefix"},
	{{.model = ",\"end_of_word_suffix\":\"</w>\""}, "end_of_word_suffix"},
	{{.model = ",\"byte_fallback\":1"}, "byte_fallback"},
	{{.model = ",\"unk_token\":1"}, "unk_token"},
	{{.model = ",\"type\":\"WordPiece\""}, "WordPiece"},
	{{.top = "\"normalizer\":{\"type\":\"NFC\"},"}, "unsupported normalizer \"NFC\""},
	{{.top = "\"normalizer\":{\"type\":\"Sequence\"},"}, "no list"},
	{{.top = "\"normalizer\":{\"type\":\"Prepend\"},"}, "no text"},
	{{.top = "\"normalizer\":[1],"}, "no type"},
	{{.model = ",\"fuse_unk\":\"yes\""}, "fuse_unk"},
	{{.model = ",\"ignore_merges\":1"}, "ignore_merges"},
	{{.model = ",\"end_of_word_suffix\":7"}, "end_of_word_suffix"},
	{{.model = ",\"dropout\":false"}, "dropout"},
	{{.top = "\"added_tokens\":[" LISTED("false", "false", "false", "false") "," LISTED(
		  "false", "false", "true", "false") "],"},
	 "twice"},
	{{.top = "\"added_tokens\":[" LISTED("false", "false", "false", "false") "," LISTED(
		  "true", "false", "false", "false") "],"},
	 "twice"},
	{{.top = "\"added_tokens\":[" LISTED("false", "false", "false", "false") "," LISTED(
		  "false", "false", "false", "true") "],"},
	 "twice"},
	{{.top = "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":{}},"}, "no list"},
	{{.top = "\"normalizer\":{\"type\":\"Prepend\",\"prepend\":7},"}, "no text"},
	{{.top = "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"}},"},
	 "has no text"},
	{{.top = "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},"
		 "\"content\":7},"},
	 "has no text"},
	{{.top = "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\","
		 "\"Regex\":\"a\"},\"content\":\"\"},"},
	 "either String or Regex"},
	{{.top = "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":7},"
		 "\"content\":\"\"},"},
	 "either String or Regex"},
	{{.top = "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a\"},"
		 "\"content\":\"\"},\"added_tokens\":[{\"id\":5,\"content\":\"aa\","
		 "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":true,"
		 "\"special\":false}],"},
	 "leaves nothing of the added token"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":{}},"}, "no list"},
	{{.top = "\"pre_tokenizer\":{},"}, "no type"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":7},"},
	 "add_prefix_space"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
		 "\"use_regex\":null},"},
	 "use_regex"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Metaspace\"},"}, "no single character"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\"},"},
	 "no single character"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\","
		 "\"prepend_scheme\":\"odd\"},"},
	 "unsupported prepend_scheme"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\","
		 "\"prepend_scheme\":7},"},
	 "unsupported prepend_scheme"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\","
		 "\"prepend_scheme\":\"first\",\"add_prefix_space\":false},"},
	 "contradicts its prepend_scheme"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\","
		 "\"split\":7},"},
	 "split"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},"
		 "\"invert\":false},"},
	 "unsupported behavior"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},"
		 "\"behavior\":\"Removed\"},"},
	 "invert"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Punctuation\"},"},
	 "unsupported pre-tokenizer \"Punctuation\""},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"},"},
	 "no single character"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Digits\"},"}, "individual_digits"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},"
		 "\"behavior\":\"Odd\",\"invert\":false},"},
	 "Odd"},
	{{.top = "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{},\"behavior\":"
		 "\"Removed\",\"invert\":false},"},
	 "pattern"},
	{{.top = "\"added_tokens\":[{\"id\":0}],"}, "added token 0"},
	{{.top = "\"added_tokens\":[1],"}, "wrong type"},
	{{.top = "\"added_tokens\":{},"}, "wrong type"},
	{{.top = "\"added_tokens\":[{\"id\":99999999,\"content\":\"x\",\"single_word\":"
		 "false,\"lstrip\":false,\"rstrip\":false,"
		 "\"normalized\":false,\"special\":false}],"},
	 "out of range"},
	{{.top = "\"x\":\"\\ud83d\\ude00\\ud83d\","}, "half a surrogate pair"},
	{{.top = "\"x\":\"\\ude00\","}, "half a surrogate pair"},
	{{.top = "\"normalizer\":null,\"x\":\"\xff\","}, "not valid JSON at byte"},
};

static void malformed_files_are_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
		char *text = tiny(&malformed[i].parts);

		assert_refused(text, strlen(text), malformed[i].said);
		free(text);
	}
	{
		char top[600];
		const parts long_token = {.top = top};
		char *text;

		snprintf(top, sizeof top,
			 "\"added_tokens\":[{\"id\":7,\"content\":\"%0257d\",\"single_word\":false,"
			 "\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":false}"
			 "],",
			 0);
		text = tiny(&long_token);
		assert_refused(text, strlen(text), "257 bytes, more than 256");
		free(text);
	}
	assert_refused("[]", 2, "outermost");
	assert_refused("{}", 2, "vocab");
	assert_refused("", 0, "JSON");
	assert_refused("{\"model\":7}", 11, "wrong type");
	assert_refused("{\"model\":{\"vocab\":{}}}", 22, "merges");
	assert_refused("{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",-1]]}}", 59,
		       "a Unigram tokenizer is not supported");
	assert_refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", 41,
		       "a WordPiece tokenizer is not supported");
	assert_refused("{\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}", 41,
		       "a WordLevel tokenizer is not supported");
	assert_refused("{\"model\":{\"type\":7}}", 20, "the model's \"type\" has the wrong type");
	assert_refused("\xef\xbb\xbf{}", 5, "byte order mark");
}

/* No merge is dropped. */
static void a_dropout_of_nothing_is_none(void **state)
{
	static const char *const nothing[] = {",\"dropout\":null", ",\"dropout\":0",
					      ",\"dropout\":0.0"};

	(void)state;
	for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
		const parts p = {.model = nothing[i]};
		char *text = tiny(&p);
		ps_tokenizer *t = NULL;
		ps_diag diag = {{0}};

		if (ps_tokenizer_create(&t, text, strlen(text), "tokenizer.json", &diag))
			fail_msg("%s: %s", nothing[i], diag.text);
		ps_tokenizer_destroy(t);
		free(text);
	}
}

static void patterns_beyond_the_syntax_are_refused_by_name(void **state)
{
	static const struct {
		const char *regex, *said;
	} cases[] = {
		{"(a", "closing parenthesis"},      {"a)", "opening one"},
		{"[a", "closing bracket"},          {"[]a]", "character class"},
		{"[b-a]", "empty range"},           {"[a&&b]", "character class"},
		{"[[:alpha:]]", "character class"}, {"*a", "without a target"},
		{"a|+", "without a target"},        {"\\\\1", "unsupported escape"},
		{"\\\\bx", "unsupported escape"},   {"\\\\p{Greek}", "unsupported property"},
		{"\\\\p{L", "closing brace"},       {"\\\\x{110000}", "invalid code point"},
		{"(?<n>a)", "unsupported group"},   {"(?#c)", "unsupported group"},
		{"a(?i)b", "unsupported group"},    {"(?i:\\u00e9)", "ignoring case"},
		{"(?i:ss)", "ignoring case"},       {"a{3,2}", "out of range"},
		{"a{2}?", "followed by ?"},         {"(?:a{1,9999}){1,9999}", "too large"},
		{"(?<=a+)b", "lookbehind"},         {"a\\\\", "backslash"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char top[256];
		const parts p = {.top = top};
		char *text;

		snprintf(top, sizeof top,
			 "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"%s\"},"
			 "\"behavior\":\"Isolated\","
			 "\"invert\":false},",
			 cases[i].regex);
		text = tiny(&p);
		assert_refused(text, strlen(text), cases[i].said);
		free(text);
	}
}

static void deep_nesting_is_refused(void **state)
{
	static const char *const opening[] = {
		"{\"x\":", "{\"normalizer\":", "{\"pre_tokenizer\":", "{\"model\":{\"x\":"};
	size_t depth = 2000000;
	char *text = malloc(depth + 32);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < 4; i++) {
		size_t length = strlen(opening[i]);

		memcpy(text, opening[i], length);
		memset(text + length, '[', depth);
		assert_refused(text, length + depth, "too deeply");
	}
	free(text);
}

static void every_shortened_file_is_refused(void **state)
{
	const parts p = {.top = "\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"a\"},\"pre_"
				"tokenizer\":{\"type\":\"Digits\",\"individual_"
				"digits\":true},"
				"\"added_tokens\":[{\"id\":5,\"content\":\"<s>\",\"single_word\":"
				"false,\"lstrip\":true,\"rstrip\":false,"
				"\"normalized\":true,\"special\":true}],"};
	char *text = tiny(&p);

	(void)state;
	for (size_t length = 0; length < strlen(text); length++)
		assert_refused(text, length, "");
	free(text);
}

static void damaged_files_load_or_are_refused(void **state)
{
	const parts p = {.top = "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[a-"
				"b]+?\"},\"content\":\"ab\"},"
				"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?"
				"i:a)|[^\\\\p{L}]{1,3}\"},\"behavior\":"
				"\"Isolated\",\"invert\":false},"
				"\"added_tokens\":[{\"id\":5,\"content\":\"<s>\",\"single_word\":"
				"false,\"lstrip\":true,\"rstrip\":false,"
				"\"normalized\":true,\"special\":true}],"};
	static const char replacements[] = "\"{}[]:,0-9ab\\+*?()\x80\n";
	char *text = tiny(&p);
	size_t length = strlen(text), loaded = 0;
	uint64_t at = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		ps_tokenizer *tokenizer = NULL;
		id_list got = {0};
		ps_diag diag = {{0}};
		size_t where;
		char before;
		int rc;

		at = at * 6364136223846793005u + 1442695040888963407u;
		where = (size_t)(at >> 33) % length;
		before = text[where];
		text[where] = replacements[(at >> 20) % (sizeof replacements - 1)];
		rc = ps_tokenizer_create(&tokenizer, text, length, "damaged", &diag);
		if (!rc) {
			loaded++;
			rc = ps_tokenizer_encode(tokenizer, "ab <s> ba\xc3\xa9", 11, take_id, &got,
						 &diag);
			ps_tokenizer_destroy(tokenizer);
		}
		if (rc && (rc != PS_EINPUT || !diag.text[0]))
			fail_msg("%.*s\ngave %d \"%s\"", (int)length, text, rc, diag.text);
		text[where] = before;
		free(got.ids);
	}
	printf("%zu of 3000 damaged files loaded\n", loaded);
	free(text);
}

/* A list of so many equal items in the place of the %s of a format. */
static void assert_many_refused(const char *format, const char *item, int count, const char *said)
{
	static char list[1 << 14], top[1 << 14];
	const parts p = {.top = top};
	char *text;

	list[0] = 0;
	for (int i = 0; i < count; i++)
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? "," : "",
			 item);
	snprintf(top, sizeof top, format, list);
	text = tiny(&p);
	assert_refused(text, strlen(text), said);
	free(text);
}

static void sequences_have_limits(void **state)
{
	static char nested[4096] = "[]", within[2048];

	(void)state;
	assert_many_refused("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[%s]},",
			    "{\"type\":\"Prepend\",\"prepend\":\"a\"}", 99, "more than");
	assert_many_refused("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[%s]},",
			    "{\"type\":\"Digits\",\"individual_digits\":true}", 99, "more than");
	for (int i = 0; i < 24; i++) {
		memcpy(within, nested, sizeof within);
		snprintf(nested, sizeof nested, "[{\"type\":\"Sequence\",\"normalizers\":%s}]",
			 within);
	}
	assert_many_refused("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":%s},", nested, 1,
			    "too deeply");
}

/* null, false and "" are the same as no key, and an added token may be listed twice. */
static void what_is_as_if_absent_changes_nothing(void **state)
{
#define ADDED(flag)                                                                                \
	"{\"id\":5,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":" flag                     \
	",\"rstrip\":false,\"normalized\":false,\"special\":true}"
	const parts absent = {.model = ",\"dropout\":null,\"unk_token\":null,"
				       "\"continuing_subword_prefix\":null,"
				       "\"end_of_word_suffix\":\"\",\"byte_fallback\":null,"
				       "\"fuse_unk\":false,\"ignore_merges\":null",
			      .top = "\"normalizer\":null,\"pre_tokenizer\":null,"
				     "\"added_tokens\":[" ADDED("false") "," ADDED("false") "],"};
	const parts other = {.top = "\"added_tokens\":[" ADDED("false") "," ADDED("true") "],"};
	ps_tokenizer *tokenizer = open_tiny(&absent);
	id_list got = {0};
	char *text = tiny(&other);

	(void)state;
	assert_int_equal(ps_tokenizer_encode(tokenizer, "aba<s>b", 7, take_id, &got, NULL), 0);
	assert_int_equal(got.count, 3);
	assert_memory_equal(got.ids, ((const int32_t[]){3, 5, 1}), 3 * sizeof *got.ids);
	free(got.ids);
	ps_tokenizer_destroy(tokenizer);
	assert_refused(text, strlen(text), "twice");
	free(text);
#undef ADDED
}

static void a_normalizer_that_inserts_first_fails_by_name(void **state)
{
	const parts p = {.top = "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":"
				"\"x*\"},\"content\":\"b\"},"},
		    endless = {.top = "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{"
				      "\"Regex\":\"(?:a+)+(?:b|c)\"},\"content\":\"b\"},"};
	ps_tokenizer *tokenizer = open_tiny(&p);
	id_list got = {0};
	ps_diag diag = {{0}};
	char text[400];

	(void)state;
	assert_int_equal(ps_tokenizer_encode(tokenizer, "ab", 2, take_id, &got, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "before the first character"));
	ps_tokenizer_destroy(tokenizer);
	tokenizer = open_tiny(&endless);
	memset(text, 'a', sizeof text);
	diag = (ps_diag){{0}};
	assert_int_equal(ps_tokenizer_encode(tokenizer, text, sizeof text, take_id, &got, &diag),
			 PS_EINPUT);
	assert_non_null(strstr(diag.text, "match limit"));
	ps_tokenizer_destroy(tokenizer);
	assert_int_equal(got.count, 0);
}

static void merges_may_come_before_the_vocabulary(void **state)
{
	static const char text[] = "{\"model\":{\"merges\":"
				   "[[\"a\",\"b\"],[\"ab\",\"a\"]]"
				   ",\"vocab\":" VOCAB "},\"added_tokens\":[]}";
	ps_tokenizer *tokenizer = NULL;
	ps_diag diag = {{0}};
	id_list got = {0};

	(void)state;
	assert_int_equal(ps_tokenizer_create(&tokenizer, text, sizeof text - 1, "early", &diag), 0);
	assert_int_equal(ps_tokenizer_encode(tokenizer, "abaab b", 7, take_id, &got, &diag), 0);
	assert_int_equal(got.count, 4);
	assert_memory_equal(got.ids, ((const int32_t[]){3, 2, 4, 1}), 4 * sizeof *got.ids);
	assert_int_equal(ps_tokenizer_vocab(tokenizer), 5);
	free(got.ids);
	ps_tokenizer_destroy(tokenizer);
}

/* Two letters of the i-th pair. They are A and the characters behind it, without the backslash. */
enum { LETTERS = 50, PAIRS = LETTERS * LETTERS };

static char letter(int i)
{
	return (char)('A' + i + (i > '\\' - 'A' - 1));
}

/* More merges than the table begins with: each of them is still found. */
static void thousands_of_merges_are_all_found(void **state)
{
	static char text[PAIRS * 40];
	char *at = text;
	ps_tokenizer *tokenizer = NULL;
	ps_diag diag = {{0}};

	(void)state;
	at += sprintf(at, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"0\":0");
	for (int i = 0; i < LETTERS; i++)
		at += sprintf(at, ",\"%c\":%d", letter(i), 1 + i);
	for (int i = 0; i < PAIRS; i++)
		at += sprintf(at, ",\"%c%c\":%d", letter(i / LETTERS), letter(i % LETTERS),
			      1 + LETTERS + i);
	at += sprintf(at, "},\"merges\":[");
	for (int i = 0; i < PAIRS; i++)
		at += sprintf(at, "%s\"%c %c\"", i ? "," : "", letter(i / LETTERS),
			      letter(i % LETTERS));
	at += sprintf(at, "]}}");
	if (ps_tokenizer_create(&tokenizer, text, (size_t)(at - text), "many", &diag))
		fail_msg("%s", diag.text);
	for (int i = 0; i < PAIRS; i++) {
		const char pair[2] = {letter(i / LETTERS), letter(i % LETTERS)};
		id_list got = {0};

		assert_int_equal(ps_tokenizer_encode(tokenizer, pair, 2, take_id, &got, NULL), 0);
		assert_int_equal(got.count, 1);
		assert_int_equal(got.ids[0], 1 + LETTERS + i);
		free(got.ids);
	}
	ps_tokenizer_destroy(tokenizer);
}

static void invalid_utf8_is_refused_naming_the_byte(void **state)
{
	static const struct {
		const char *text;
		size_t length, at;
	} cases[] = {
		{"\x80", 1, 0},
		{"ab\xc3", 3, 2},
		{"ab\xc3(", 4, 2},
		{"abababab\xff", 9, 8},
		{"abababab\xc0\xaf", 10, 8},
		{"\xe0\x80\xaf", 3, 0},
		{"a\xed\xa0\x80", 4, 1},
		{"\xf4\x90\x80\x80", 4, 0},
		{"\xf0\x9f\x98", 3, 0},
		{"\xc3\xa9\xf8\x88\x80\x80\x80", 7, 2},
	};
	ps_tokenizer *tokenizer = open_tiny(&(parts){0});

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ps_diag diag = {{0}};
		id_list got = {0};
		char said[64];

		snprintf(said, sizeof said, "not UTF-8 at byte %zu", cases[i].at);
		assert_int_equal(ps_tokenizer_encode(tokenizer, cases[i].text, cases[i].length,
						     take_id, &got, &diag),
				 PS_EINPUT);
		assert_non_null(strstr(diag.text, said));
		assert_int_equal(got.count, 0);
	}
	ps_tokenizer_destroy(tokenizer);
}

static void every_code_point_is_valid_and_no_surrogate(void **state)
{
	(void)state;
	for (uint32_t c = 0x80; c < 0x120000; c++) {
		const size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		const int valid = c < 0x110000 && (c < 0xD800 || c >= 0xE000);
		char text[16] = {(char)(0xF0 | c >> 18), (char)(0x80 | (c >> 12 & 0x3F)),
				 (char)(0x80 | (c >> 6 & 0x3F)), (char)(0x80 | (c & 0x3F))};

		if (length == 2)
			text[2] = (char)(0xC0 | c >> 6);
		else if (length == 3)
			text[1] = (char)(0xE0 | c >> 12);
		assert_int_equal(ps_utf8_invalid(text + 4 - length, length) == length, valid);
		if (valid)
			assert_int_equal(ps_utf8_decode(text + 4 - length), c);
	}
}

static void a_sink_that_refuses_stops_the_encoding(void **state)
{
	ps_tokenizer *tokenizer = open_tiny(&(parts){0});
	id_list got = {.stop_at = 2};
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_tokenizer_encode(tokenizer, "b b b b", 7, take_id, &got, &diag), -77);
	assert_int_equal(got.count, 2);
	free(got.ids);
	ps_tokenizer_destroy(tokenizer);
}

static void a_pattern_that_backtracks_without_end_fails_soon(void **state)
{
	const parts p = {.top = "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?:"
				"a+)+(?:b|c)\"},\"behavior\":"
				"\"Isolated\",\"invert\":false},"};
	ps_tokenizer *tokenizer = open_tiny(&p);
	id_list got = {0};
	ps_diag diag = {{0}};
	char text[400];

	(void)state;
	memset(text, 'a', sizeof text);
	assert_int_equal(ps_tokenizer_encode(tokenizer, text, sizeof text, take_id, &got, &diag),
			 PS_EINPUT);
	assert_non_null(strstr(diag.text, "match limit"));
	free(got.ids);
	ps_tokenizer_destroy(tokenizer);
}

static void normalizers_that_lengthen_without_end_fail_soon(void **state)
{
	char top[2048] = "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[";
	const parts p = {.top = top};
	ps_tokenizer *tokenizer;
	id_list got = {0};
	ps_diag diag = {{0}};

	(void)state;
	for (int i = 0; i < 16; i++)
		snprintf(top + strlen(top), sizeof top - strlen(top),
			 "%s{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":"
			 "\"aaaaaaaaaa\"}",
			 i ? "," : "");
	strcat(top, "]},");
	tokenizer = open_tiny(&p);
	assert_int_equal(ps_tokenizer_encode(tokenizer, "ab", 2, take_id, &got, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "16 times as long"));
	free(got.ids);
	ps_tokenizer_destroy(tokenizer);
}

static void a_long_word_merges_in_the_order_of_ranks(void **state)
{
	const parts p = {.vocab = "{\"a\":0,\"aa\":1,\"aaaa\":2}", .merges = "[\"a a\",\"aa aa\"]"};
	ps_tokenizer *tokenizer = open_tiny(&p);
	size_t length = 1000003;
	char *text = malloc(length);
	id_list got = {0};
	ps_diag diag = {{0}};

	(void)state;
	assert_non_null(text);
	memset(text, 'a', length);
	assert_int_equal(ps_tokenizer_encode(tokenizer, text, length, take_id, &got, &diag), 0);
	assert_int_equal(got.count, 250002);
	assert_int_equal(got.ids[0], 2);
	assert_int_equal(got.ids[249999], 2);
	assert_int_equal(got.ids[250000], 1);
	assert_int_equal(got.ids[250001], 0);
	free(got.ids);
	free(text);
	ps_tokenizer_destroy(tokenizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_ids_of_the_library),
		cmocka_unit_test(gives_the_text_of_each_token),
		cmocka_unit_test(shows_what_cannot_be_seen),
		cmocka_unit_test(every_component_cuts_as_the_library_does),
		cmocka_unit_test(a_dropout_of_nothing_is_none),
		cmocka_unit_test(malformed_files_are_refused_with_a_reason),
		cmocka_unit_test(patterns_beyond_the_syntax_are_refused_by_name),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(every_shortened_file_is_refused),
		cmocka_unit_test(damaged_files_load_or_are_refused),
		cmocka_unit_test(sequences_have_limits),
		cmocka_unit_test(what_is_as_if_absent_changes_nothing),
		cmocka_unit_test(a_normalizer_that_inserts_first_fails_by_name),
		cmocka_unit_test(merges_may_come_before_the_vocabulary),
		cmocka_unit_test(thousands_of_merges_are_all_found),
		cmocka_unit_test(invalid_utf8_is_refused_naming_the_byte),
		cmocka_unit_test(every_code_point_is_valid_and_no_surrogate),
		cmocka_unit_test(a_sink_that_refuses_stops_the_encoding),
		cmocka_unit_test(a_pattern_that_backtracks_without_end_fails_soon),
		cmocka_unit_test(normalizers_that_lengthen_without_end_fail_soon),
		cmocka_unit_test(a_long_word_merges_in_the_order_of_ranks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
