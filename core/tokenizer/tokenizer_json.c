#include "core/tokenizer/tokenizer_json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "core/tokenizer/parser_memory.h"
#include "core/tokenizer/token_vocab.h"

#define DEPTH_KEPT_MAX 40      /* of a value that is kept */
#define DEPTH_PASSED_MAX 10000 /* of a value that is skipped */
#define VALUES_KEPT_MAX 100000 /* in all values that are kept */

/* Where the reader is. Every place but KEEPING and PASSING has a fixed depth. */
typedef enum place {
	START,
	TOP,
	MODEL,
	VOCAB,
	MERGES,
	MERGE_PAIR,
	ADDED,
	KEEPING,
	PASSING,
	DONE
} place;

typedef struct reader {
	ps_tokenizer_parts *parts;
	place place, after; /* after: where KEEPING or PASSING returns to */
	bool merges_only;   /* the second reading: the merges came before the vocabulary */
	bool has_vocab, has_merges, merges_early, pairs_seen, strings_seen;
	ps_buffer key; /* the last key of this level, or the left side of a merge */
	int pair_items;
	int depth; /* in the value that is skipped */
	json_t *kept[DEPTH_KEPT_MAX];
	char *kept_key[DEPTH_KEPT_MAX];
	int kept_depth;
	size_t kept_count;
	int rc;
	ps_diag *diag;
} reader;

/* An event of the JSON parser. */
typedef struct event {
	enum {
		OPEN_MAP,
		CLOSE_MAP,
		OPEN_ARRAY,
		CLOSE_ARRAY,
		KEY,
		STRING,
		NUMBER,
		BOOLEAN,
		NOTHING
	} kind;
	const char *text; /* KEY, STRING, NUMBER */
	size_t length;
	bool truth; /* BOOLEAN */
} event;

static bool key_is(const reader *r, const char *name)
{
	return r->key.used == strlen(name) && !memcmp(r->key.data, name, r->key.used);
}

static int keep_key(reader *r, const event *e)
{
	r->key.used = 0;
	return ps_buffer_append(&r->key, e->text, e->length, r->diag);
}

static int wrong_type(const reader *r, const char *what)
{
	return ps_fail(r->diag, PS_EINPUT, "%s has the wrong type", what);
}

static int set_once(const reader *r, bool *seen, const char *what)
{
	if (*seen)
		return ps_fail(r->diag, PS_EINPUT, "\"%s\" is there twice", what);
	*seen = true;
	return 0;
}

/* ---- values that are skipped or kept ---- */

static int pass_event(reader *r, const event *e)
{
	if (e->kind == OPEN_MAP || e->kind == OPEN_ARRAY)
		r->depth++;
	else if (e->kind == CLOSE_MAP || e->kind == CLOSE_ARRAY)
		r->depth--;
	if (r->depth > DEPTH_PASSED_MAX)
		return ps_fail(r->diag, PS_EINPUT, "nested too deeply");
	if (!r->depth)
		r->place = r->after;
	return 0;
}

static int pass_value(reader *r, const event *e)
{
	r->after = r->place;
	r->place = PASSING;
	r->depth = 0;
	return pass_event(r, e);
}

static bool is_flag(const json_t *value, bool *flag)
{
	*flag = json_is_true(value);
	return json_is_boolean(value);
}

static int keep_added(reader *r, const json_t *value)
{
	ps_tokenizer_parts *parts = r->parts;
	const json_t *content = json_object_get(value, "content"),
		     *id = json_object_get(value, "id");
	ps_listed_token token = {.start = parts->content.used,
				 .length = json_string_length(content)};
	ps_listed_token *grown;
	bool special;

	if (!json_is_string(content) || !json_is_integer(id) ||
	    !is_flag(json_object_get(value, "single_word"), &token.single_word) ||
	    !is_flag(json_object_get(value, "lstrip"), &token.lstrip) ||
	    !is_flag(json_object_get(value, "rstrip"), &token.rstrip) ||
	    !is_flag(json_object_get(value, "normalized"), &token.normalized) ||
	    !is_flag(json_object_get(value, "special"), &special))
		return ps_fail(r->diag, PS_EINPUT,
			       "added token %zu lacks a key, or one has the wrong type",
			       parts->added_count);
	if (json_integer_value(id) < 0 || json_integer_value(id) >= PS_TOKEN_ID_LIMIT)
		return ps_fail(r->diag, PS_EINPUT, "the id %lld of added token %zu is out of range",
			       (long long)json_integer_value(id), parts->added_count);
	grown = ps_array_grow(parts->added, &parts->added_capacity, parts->added_count + 1,
			      sizeof *grown, r->diag);
	if (!grown)
		return PS_EBUDGET;
	parts->added = grown;
	parts->added[parts->added_count++] = token;
	return ps_buffer_append(&parts->content, json_string_value(content), token.length, r->diag);
}

/* The type comes first in the files of the library, so that other models are named as such before
 * their vocabulary, which has another form, is met. */
static int check_type(const reader *r, const json_t *value)
{
	if (!json_is_string(value))
		return wrong_type(r, "the model's \"type\"");
	if (!strcmp(json_string_value(value), "BPE"))
		return 0;
	return ps_fail(r->diag, PS_EINPUT, "a %.60s tokenizer is not supported, only BPE is",
		       json_string_value(value));
}

/* Hands a finished value to the place that KEEPING returns to. Takes over value. */
static int place_value(reader *r, json_t *value)
{
	int rc = 0;

	if (r->place == ADDED) {
		rc = keep_added(r, value);
		r->kept_count = 0;
	} else if (r->place == MODEL) {
		char *key = strndup(r->key.data, r->key.used);

		if (!key || json_object_set(r->parts->options, key, value))
			rc = ps_fail(r->diag, PS_EBUDGET, "no memory for the model's options");
		else if (key_is(r, "type"))
			rc = check_type(r, value);
		free(key);
	} else {
		json_t **slot =
			key_is(r, "normalizer") ? &r->parts->normalizer : &r->parts->pre_tokenizer;

		if (*slot)
			rc = ps_fail(r->diag, PS_EINPUT, "\"%.*s\" is there twice",
				     (int)r->key.used, r->key.data);
		else
			*slot = json_incref(value);
	}
	json_decref(value);
	return rc;
}

/* Puts a value into the innermost open container. Takes over value. */
static int attach(reader *r, json_t *value)
{
	json_t *into = r->kept[r->kept_depth - 1];
	int failed;

	if (json_is_array(into))
		failed = json_array_append_new(into, value);
	else
		failed = json_object_set_new(into, r->kept_key[r->kept_depth - 1], value);
	return failed ? ps_fail(r->diag, PS_EBUDGET, "no memory for a value") : 0;
}

static json_t *number_value(const event *e)
{
	char text[32];
	char *end;
	long long integer;

	if (e->length >= sizeof text)
		return ps_number_json(0);
	memcpy(text, e->text, e->length);
	text[e->length] = 0;
	integer = strtoll(text, &end, 10);
	return *end ? ps_number_json(strtod(text, NULL)) : json_integer(integer);
}

static json_t *event_value(const event *e)
{
	switch (e->kind) {
	case OPEN_MAP:
		return json_object();
	case OPEN_ARRAY:
		return json_array();
	case STRING:
		return json_stringn_nocheck(e->text, e->length);
	case NUMBER:
		return number_value(e);
	case BOOLEAN:
		return json_boolean(e->truth);
	default:
		return json_null();
	}
}

static int close_kept(reader *r)
{
	json_t *value = r->kept[--r->kept_depth];

	free(r->kept_key[r->kept_depth]);
	r->kept_key[r->kept_depth] = NULL;
	if (r->kept_depth)
		return attach(r, value);
	r->place = r->after;
	return place_value(r, value);
}

static int keep_event(reader *r, const event *e)
{
	json_t *value;

	if (e->kind == CLOSE_MAP || e->kind == CLOSE_ARRAY)
		return close_kept(r);
	if (e->kind == KEY) {
		char **key = &r->kept_key[r->kept_depth - 1];

		free(*key);
		*key = strndup(e->text, e->length);
		return *key ? 0 : ps_fail(r->diag, PS_EBUDGET, "no memory for a key");
	}
	if (r->kept_depth == DEPTH_KEPT_MAX || r->kept_count++ == VALUES_KEPT_MAX)
		return ps_fail(r->diag, PS_EINPUT, "\"%.*s\" nests too deeply or holds too much",
			       (int)r->key.used, r->key.data);
	value = event_value(e);
	if (!value)
		return ps_fail(r->diag, PS_EBUDGET, "no memory for a value");
	if (e->kind == OPEN_MAP || e->kind == OPEN_ARRAY) {
		r->kept[r->kept_depth++] = value;
		return 0;
	}
	if (r->kept_depth)
		return attach(r, value);
	r->place = r->after;
	return place_value(r, value);
}

static int keep_value(reader *r, const event *e)
{
	if (r->merges_only)
		return pass_value(r, e);
	r->after = r->place;
	r->place = KEEPING;
	return keep_event(r, e);
}

/* ---- the vocabulary and the merges ---- */

static int vocab_event(reader *r, const event *e)
{
	int64_t id = 0;

	if (e->kind == KEY)
		return keep_key(r, e);
	if (e->kind == CLOSE_MAP) {
		r->place = MODEL;
		return 0;
	}
	if (e->kind != NUMBER || !e->length || e->length > 11)
		return ps_fail(r->diag, PS_EINPUT,
			       "the id of token \"%.*s\" is not an integer in range",
			       r->key.used < 60 ? (int)r->key.used : 60, r->key.data);
	for (size_t i = e->text[0] == '-'; i < e->length; i++) {
		if (e->text[i] < '0' || e->text[i] > '9')
			return wrong_type(r, "the id of a token");
		id = id * 10 + (e->text[i] - '0');
	}
	return ps_bpe_add_token(r->parts->bpe, r->key.data, r->key.used,
				e->text[0] == '-' ? -id : id, r->diag);
}

/* A merge "left right", with exactly one space. Lists of old files begin with a line
 * "#version...". */
static int merge_line(reader *r, const event *e)
{
	const char *space = memchr(e->text, ' ', e->length);
	size_t left = space ? (size_t)(space - e->text) : 0;

	if (e->length >= 8 && !memcmp(e->text, "#version", 8))
		return 0;
	if (!space || memchr(space + 1, ' ', e->length - left - 1))
		return ps_fail(r->diag, PS_EINPUT,
			       "the merge \"%.*s\" is not two tokens with a space between",
			       e->length < 60 ? (int)e->length : 60, e->text);
	return ps_bpe_add_merge(r->parts->bpe, e->text, left, space + 1, e->length - left - 1,
				r->diag);
}

static int merges_event(reader *r, const event *e)
{
	if (e->kind == CLOSE_ARRAY) {
		r->place = MODEL;
		return 0;
	}
	r->strings_seen |= e->kind == STRING;
	r->pairs_seen |= e->kind == OPEN_ARRAY;
	if ((e->kind != STRING && e->kind != OPEN_ARRAY) || (r->strings_seen && r->pairs_seen))
		return wrong_type(r, "a merge");
	if (e->kind == STRING)
		return merge_line(r, e);
	r->place = MERGE_PAIR;
	r->pair_items = 0;
	return 0;
}

static int pair_event(reader *r, const event *e)
{
	if (e->kind == CLOSE_ARRAY && r->pair_items == 2) {
		r->place = MERGES;
		return 0;
	}
	if (e->kind != STRING || r->pair_items == 2)
		return wrong_type(r, "a merge");
	if (!r->pair_items++)
		return keep_key(r, e);
	return ps_bpe_add_merge(r->parts->bpe, r->key.data, r->key.used, e->text, e->length,
				r->diag);
}

/* ---- the levels above ---- */

static int open_vocab(reader *r, const event *e)
{
	if (e->kind == OPEN_ARRAY)
		return ps_fail(r->diag, PS_EINPUT,
			       "the vocabulary is a list, as of a Unigram tokenizer, which is not "
			       "supported; BPE is");
	if (e->kind != OPEN_MAP)
		return wrong_type(r, "the vocabulary");
	if (r->merges_only)
		return pass_value(r, e);
	r->place = VOCAB;
	return set_once(r, &r->has_vocab, "vocab");
}

static int open_merges(reader *r, const event *e)
{
	if (e->kind != OPEN_ARRAY)
		return wrong_type(r, "the list of merges");
	if (!r->merges_only) {
		int rc = set_once(r, &r->has_merges, "merges");

		if (rc)
			return rc;
		r->merges_early = !r->has_vocab;
		if (r->merges_early)
			return pass_value(r, e);
	}
	r->place = MERGES;
	return 0;
}

static int model_event(reader *r, const event *e)
{
	if (e->kind == KEY)
		return keep_key(r, e);
	if (e->kind == CLOSE_MAP) {
		r->place = TOP;
		return 0;
	}
	if (key_is(r, "vocab"))
		return open_vocab(r, e);
	if (key_is(r, "merges"))
		return open_merges(r, e);
	return keep_value(r, e);
}

static int added_event(reader *r, const event *e)
{
	if (e->kind == CLOSE_ARRAY) {
		r->place = TOP;
		return 0;
	}
	return e->kind == OPEN_MAP ? keep_value(r, e) : wrong_type(r, "an added token");
}

static int top_event(reader *r, const event *e)
{
	if (e->kind == KEY)
		return keep_key(r, e);
	if (e->kind == CLOSE_MAP) {
		r->place = DONE;
		return 0;
	}
	if (key_is(r, "model")) {
		r->place = MODEL;
		return e->kind == OPEN_MAP ? 0 : wrong_type(r, "\"model\"");
	}
	if (key_is(r, "added_tokens") && e->kind != NOTHING) {
		r->place = ADDED;
		if (e->kind != OPEN_ARRAY)
			return wrong_type(r, "\"added_tokens\"");
		return r->merges_only ? (r->place = TOP, pass_value(r, e)) : 0;
	}
	if (key_is(r, "normalizer") || key_is(r, "pre_tokenizer"))
		return keep_value(r, e);
	return pass_value(r, e);
}

static int start_event(reader *r, const event *e)
{
	r->place = TOP;
	return e->kind == OPEN_MAP ? 0 : wrong_type(r, "the file's outermost value");
}

static int take(void *context, event e)
{
	static int (*const handler[])(reader *, const event *) = {
		[START] = start_event, [TOP] = top_event,       [MODEL] = model_event,
		[VOCAB] = vocab_event, [MERGES] = merges_event, [MERGE_PAIR] = pair_event,
		[ADDED] = added_event, [KEEPING] = keep_event,  [PASSING] = pass_event,
		[DONE] = start_event,
	};
	reader *r = context;

	r->rc = handler[r->place](r, &e);
	return !r->rc;
}

static int on_null(void *context)
{
	return take(context, (event){.kind = NOTHING});
}

static int on_boolean(void *context, int truth)
{
	return take(context, (event){.kind = BOOLEAN, .truth = truth});
}

static int on_number(void *context, const char *text, size_t length)
{
	return take(context, (event){.kind = NUMBER, .text = text, .length = length});
}

static int on_string(void *context, const unsigned char *text, size_t length)
{
	return take(context, (event){.kind = STRING, .text = (const char *)text, .length = length});
}

static int on_key(void *context, const unsigned char *text, size_t length)
{
	return take(context, (event){.kind = KEY, .text = (const char *)text, .length = length});
}

static int on_open_map(void *context)
{
	return take(context, (event){.kind = OPEN_MAP});
}

static int on_close_map(void *context)
{
	return take(context, (event){.kind = CLOSE_MAP});
}

static int on_open_array(void *context)
{
	return take(context, (event){.kind = OPEN_ARRAY});
}

static int on_close_array(void *context)
{
	return take(context, (event){.kind = CLOSE_ARRAY});
}

/* The upper byte of the escape \uXXXX at text, or -1 if there is none. */
static int escaped_high(const char *text, const char *end)
{
	char digits[3] = {0};
	char *stop;
	long value;

	if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
		return -1;
	memcpy(digits, text + 2, 2);
	value = strtol(digits, &stop, 16);
	return *stop ? -1 : (int)value;
}

/* The offset of the first half of a surrogate pair that stands alone; length if there is none. The
 * parser would read it as a question mark. */
static size_t lone_surrogate(const char *json, size_t length)
{
	const char *end = json + length, *at = json;

	while (end - at >= 2 && (at = memchr(at, '\\', (size_t)(end - at) - 1))) {
		int first = escaped_high(at, end);

		if (first >= 0xDC && first <= 0xDF)
			return (size_t)(at - json);
		if (first >= 0xD8 && first <= 0xDB) {
			int second = escaped_high(at + 6, end);

			if (second < 0xDC || second > 0xDF)
				return (size_t)(at - json);
			at += 6;
		}
		at += first < 0 ? 2 : 6;
	}
	return length;
}

static int parse_in(ps_parser_memory *memory, reader *r, const char *json, size_t length)
{
	static const yajl_callbacks callbacks = {.yajl_null = on_null,
						 .yajl_boolean = on_boolean,
						 .yajl_number = on_number,
						 .yajl_string = on_string,
						 .yajl_start_map = on_open_map,
						 .yajl_map_key = on_key,
						 .yajl_end_map = on_close_map,
						 .yajl_start_array = on_open_array,
						 .yajl_end_array = on_close_array};
	yajl_handle handle = yajl_alloc(&callbacks, &memory->functions, r);
	yajl_status status = yajl_parse(handle, (const unsigned char *)json, length);

	if (status == yajl_status_ok)
		status = yajl_complete_parse(handle);
	if (status == yajl_status_error && !r->rc) {
		unsigned char *reason = yajl_get_error(handle, 0, NULL, 0);

		r->rc = ps_fail(r->diag, PS_EINPUT, "not valid JSON at byte %zu: %.*s",
				yajl_get_bytes_consumed(handle),
				reason ? (int)strcspn((const char *)reason, "\n") : 0,
				reason ? (const char *)reason : "");
		yajl_free_error(handle, reason);
	}
	yajl_free(handle);
	return r->rc;
}

static int parse(reader *r, const char *json, size_t length)
{
	ps_parser_memory memory;
	int rc;

	ps_parser_memory_open(&memory);
	if (setjmp(memory.failed))
		rc = ps_fail(r->diag, PS_EBUDGET, "no memory for a JSON parser");
	else
		rc = parse_in(&memory, r, json, length);
	ps_parser_memory_close(&memory);
	return rc;
}

static void close_reader(reader *r)
{
	ps_buffer_free(&r->key);
	while (r->kept_depth) {
		json_decref(r->kept[--r->kept_depth]);
		free(r->kept_key[r->kept_depth]);
	}
}

int ps_tokenizer_json_read(ps_tokenizer_parts *parts, const char *json, size_t length,
			   ps_diag *diag)
{
	reader first = {.parts = parts, .diag = diag},
	       second = {.parts = parts, .merges_only = true, .diag = diag};
	size_t surrogate = lone_surrogate(json, length);
	int rc = 0;

	if (surrogate < length)
		return ps_fail(diag, PS_EINPUT, "not valid JSON at byte %zu: half a surrogate pair",
			       surrogate);
	parts->options = json_object();
	if (!parts->options)
		rc = ps_fail(diag, PS_EBUDGET, "no memory for the model's options");
	if (!rc)
		rc = parse(&first, json, length);
	if (!rc && (!first.has_vocab || !first.has_merges))
		rc = ps_fail(diag, PS_EINPUT, "the model has no %s (not a BPE tokenizer?)",
			     first.has_vocab ? "merges" : "vocab");
	if (!rc && first.merges_early)
		rc = parse(&second, json, length);
	close_reader(&first);
	close_reader(&second);
	return rc;
}

void ps_tokenizer_parts_free(ps_tokenizer_parts *parts)
{
	json_decref(parts->normalizer);
	json_decref(parts->pre_tokenizer);
	json_decref(parts->options);
	free(parts->added);
	ps_buffer_free(&parts->content);
	parts->normalizer = parts->pre_tokenizer = parts->options = NULL;
	parts->added = NULL;
	parts->added_count = parts->added_capacity = 0;
}
