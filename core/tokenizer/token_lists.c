#include "core/tokenizer/token_lists.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/json.h"
#include "core/base/json_memory.h"
#include "core/base/utf8.h"
#include "core/tokenizer/token_vocab.h"

#define SPACE "\xe2\x96\x81" /* U+2581 */
#define PIECE_BYTES_MAX 1024 /* of a token that is cut in every way */

struct reader {
	ps_tokenizer_parts *parts;
	const ps_token_lists *lists;
	ps_diag *diag;
};

/* --- tokens --- */

static int list_added(const struct reader *r, const char *text, size_t length)
{
	ps_tokenizer_parts *parts = r->parts;
	ps_listed_token *grown = ps_array_grow(parts->added, &parts->added_capacity,
					       parts->added_count + 1, sizeof *grown, r->diag);

	if (!grown)
		return PS_EBUDGET;
	parts->added = grown;
	parts->added[parts->added_count++] =
		(ps_listed_token){.start = parts->content.used, .length = length};
	return ps_buffer_append(&parts->content, text, length, r->diag);
}

static bool is_spaces(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] != ' ')
			return false;
	return length;
}

/* A token of n spaces stands in Gemma's vocabulary as n characters U+2581. */
static int add_spaces(const struct reader *r, size_t spaces, size_t id)
{
	ps_buffer text = {0};
	int rc = 0;

	for (size_t i = 0; i < spaces && !rc; i++)
		rc = ps_buffer_append(&text, SPACE, strlen(SPACE), r->diag);
	if (!rc)
		rc = ps_bpe_add_token(r->parts->bpe, text.data, text.used, (int64_t)id, r->diag);
	ps_buffer_free(&text);
	return rc;
}

/* Whether tokens of this kind are matched in the text. WikiText writes <unk> for rare words. */
static bool is_matched(int64_t kind)
{
	return kind == PS_TOKEN_UNKNOWN || kind == PS_TOKEN_CONTROL || kind == PS_TOKEN_USER;
}

static int add_token(const struct reader *r, size_t id, const char *text, size_t length)
{
	const int64_t kind = r->lists->kind_of(r->lists->context, id);
	const size_t invalid = ps_utf8_invalid(text, length);
	int rc;

	if (invalid < length)
		return ps_fail(r->diag, PS_EINPUT, "token %zu is not UTF-8 at its byte %zu", id,
			       invalid);
	if (r->lists->model == PS_LISTS_SENTENCEPIECE && length > PIECE_BYTES_MAX)
		return ps_fail(r->diag, PS_EINPUT, "token %zu has %zu bytes, more than %d", id,
			       length, PIECE_BYTES_MAX);
	if (r->lists->gemma && is_spaces(text, length))
		return add_spaces(r, length, id);
	rc = ps_bpe_add_token(r->parts->bpe, text, length, (int64_t)id, r->diag);
	if (!rc && length && is_matched(kind))
		rc = list_added(r, text, length);
	return rc;
}

static int add_tokens(const struct reader *r)
{
	const ps_token_lists *lists = r->lists;
	int rc = 0;

	if (!lists->count || lists->count > PS_TOKEN_ID_LIMIT)
		return ps_fail(r->diag, PS_EINPUT, "a list of %zu tokens (1 to %d are expected)",
			       lists->count, PS_TOKEN_ID_LIMIT);
	for (size_t id = 0; id < lists->count && !rc; id++) {
		const char *text;
		size_t length;

		if (!lists->next_token(lists->context, &text, &length))
			return ps_fail(r->diag, PS_EINPUT, "token %zu cannot be read", id);
		rc = add_token(r, id, text, length);
	}
	return rc;
}

/* --- merges that are listed --- */

static int add_listed_merge(const struct reader *r, size_t i, const char *text, size_t length)
{
	const char *space = memchr(text, ' ', length);
	const size_t left = space ? (size_t)(space - text) : 0;

	if (!space || memchr(space + 1, ' ', length - left - 1) ||
	    ps_utf8_invalid(text, length) < length)
		return ps_fail(r->diag, PS_EINPUT,
			       "merge %zu, \"%.*s\", is not two tokens with a space between", i,
			       length < 60 ? (int)length : 60, text);
	return ps_bpe_add_merge(r->parts->bpe, text, left, space + 1, length - left - 1, r->diag);
}

static int add_listed_merges(const struct reader *r)
{
	int rc = 0;

	for (size_t i = 0; i < r->lists->merges && !rc; i++) {
		const char *text;
		size_t length;

		if (!r->lists->next_merge(r->lists->context, &text, &length))
			return ps_fail(r->diag, PS_EINPUT, "merge %zu cannot be read", i);
		rc = add_listed_merge(r, i, text, length);
	}
	return rc;
}

/* --- merges that follow from the tokens --- */

/* A way to cut a token into two others. */
struct cut {
	double score; /* of the token, or what stands for it */
	uint32_t token;
	uint16_t left_bytes, left_characters, characters;
};

struct cuts {
	struct cut *list;
	size_t count, capacity;
};

/* In the order of their ranks. No two are equal. */
static int by_rank(const void *a, const void *b)
{
	const struct cut *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->left_characters != y->left_characters)
		return x->left_characters > y->left_characters ? -1 : 1;
	if (x->characters != y->characters)
		return x->characters > y->characters ? -1 : 1;
	return (x->token > y->token) - (x->token < y->token);
}

/* Lists the ways to cut token number i. */
static int cut_token(const struct reader *r, size_t i, struct cuts *cuts)
{
	const ps_token_lists *lists = r->lists;
	struct cut cut = {.token = (uint32_t)i};
	const size_t before = cuts->count;
	size_t length, step;
	int32_t id;
	const char *text = ps_bpe_token(r->parts->bpe, i, &length, &id);

	cut.score = lists->gemma ? -(double)i : (double)lists->score_of(lists->context, i);
	if (!isfinite(cut.score))
		return ps_fail(r->diag, PS_EINPUT, "the score of token %zu is not finite", i);
	for (size_t at = 0; at < length; at += step, cut.characters++) {
		struct cut *grown;

		step = ps_utf8_length((unsigned char)text[at]);
		if (!at || ps_bpe_find(r->parts->bpe, text, at) < 0 ||
		    ps_bpe_find(r->parts->bpe, text + at, length - at) < 0)
			continue;
		grown = ps_array_grow(cuts->list, &cuts->capacity, cuts->count + 1, sizeof *grown,
				      r->diag);
		if (!grown)
			return PS_EBUDGET;
		cuts->list = grown;
		cut.left_bytes = (uint16_t)at;
		cut.left_characters = cut.characters;
		cuts->list[cuts->count++] = cut;
	}
	for (size_t c = before; c < cuts->count; c++)
		cuts->list[c].characters = cut.characters;
	return 0;
}

static int add_cuts(const struct reader *r, const struct cuts *cuts)
{
	int rc = 0;

	for (size_t c = 0; c < cuts->count && !rc; c++) {
		const size_t left = cuts->list[c].left_bytes;
		size_t length;
		int32_t id;
		const char *text = ps_bpe_token(r->parts->bpe, cuts->list[c].token, &length, &id);

		rc = ps_bpe_add_merge(r->parts->bpe, text, left, text + left, length - left,
				      r->diag);
	}
	return rc;
}

static int add_scored_merges(const struct reader *r)
{
	struct cuts cuts = {0};
	int rc = 0;

	for (size_t i = 0; i < r->lists->count && !rc; i++)
		rc = cut_token(r, i, &cuts);
	if (!rc && cuts.count) {
		qsort(cuts.list, cuts.count, sizeof *cuts.list, by_rank);
		rc = add_cuts(r, &cuts);
	}
	free(cuts.list);
	return rc;
}

/* --- what stands around the model --- */

#define BYTE_LEVEL                                                                                 \
	"{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "          \
	"\"use_regex\": "
#define SPLIT(pattern)                                                                             \
	"{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": "         \
	"{\"Regex\": \"" pattern                                                                   \
	"\"}, \"behavior\": \"Isolated\", \"invert\": false}, " BYTE_LEVEL "false}]}"
/* The two differ in how many digits stand together. */
#define WORDS(digits)                                                                              \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits             \
	"| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

static const struct pre {
	const char *name, *json;
	bool ignore_merges;
} pres[] = {
	{"gpt-2", BYTE_LEVEL "true}", false},
	{"smollm",
	 "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", "
	 "\"individual_digits\": true}, " BYTE_LEVEL "true}]}",
	 false},
	{"qwen2", SPLIT(WORDS("\\\\p{N}")), false},
	{"deepseek-r1-qwen", SPLIT(WORDS("\\\\p{N}")), false},
	{"llama-bpe", SPLIT(WORDS("\\\\p{N}{1,3}")), true},
	{"llama3", SPLIT(WORDS("\\\\p{N}{1,3}")), true},
	{"llama-v3", SPLIT(WORDS("\\\\p{N}{1,3}")), true},
};

static const struct pre *find_pre(const ps_token_lists *lists)
{
	for (size_t i = 0; i < sizeof pres / sizeof *pres; i++)
		if (strlen(pres[i].name) == lists->pre_length &&
		    !memcmp(pres[i].name, lists->pre, lists->pre_length))
			return &pres[i];
	return NULL;
}

/* Takes over value. */
static int keep(const struct reader *r, json_t **place, json_t *value)
{
	*place = value;
	return value ? 0 : ps_fail(r->diag, PS_EBUDGET, "no memory for the parts of a tokenizer");
}

static int keep_text(const struct reader *r, json_t **place, const char *text)
{
	json_error_t error;

	return keep(r, place, ps_json_load(text, strlen(text), &error));
}

static int set_byte_level(const struct reader *r)
{
	const ps_token_lists *lists = r->lists;
	const struct pre *pre = find_pre(lists);
	int rc;

	if (!pre)
		return ps_fail(r->diag, PS_EINPUT,
			       "the pre-tokenizer '%.*s' is not supported (gpt-2, smollm, qwen2, "
			       "deepseek-r1-qwen, llama-bpe, llama3 and llama-v3 are)",
			       lists->pre_length < 60 ? (int)lists->pre_length : 60, lists->pre);
	rc = keep_text(r, &r->parts->pre_tokenizer, pre->json);
	return rc ? rc
		  : keep(r, &r->parts->options,
			 json_pack("{s:b}", "ignore_merges", pre->ignore_merges));
}

static int set_sentencepiece(const struct reader *r)
{
	static const char replace[] = "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, "
				      "\"content\": \"" SPACE "\"}",
			  prefix[] = "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": "
				     "\"Prepend\", \"prepend\": \"" SPACE "\"}, {\"type\": "
				     "\"Replace\", \"pattern\": {\"String\": \" \"}, "
				     "\"content\": \"" SPACE "\"}]}";
	const int64_t unknown = r->lists->unknown;
	size_t length = 0;
	int32_t id;
	const char *text = NULL;
	int rc;

	if (unknown >= (int64_t)r->lists->count)
		return ps_fail(r->diag, PS_EINPUT, "the unknown token %" PRId64 " is not listed",
			       unknown);
	if (unknown >= 0)
		text = ps_bpe_token(r->parts->bpe, (size_t)unknown, &length, &id);
	rc = keep_text(r, &r->parts->normalizer, r->lists->space_prefix ? prefix : replace);
	return rc ? rc
		  : keep(r, &r->parts->options,
			 json_pack("{s:b, s:b, s:o}", "byte_fallback", 1, "fuse_unk", 1,
				   "unk_token", text ? json_stringn(text, length) : json_null()));
}

int ps_token_lists_read(ps_tokenizer_parts *parts, const ps_token_lists *lists, ps_diag *diag)
{
	const struct reader r = {parts, lists, diag};
	const bool byte_level = lists->model == PS_LISTS_BYTE_LEVEL;
	int rc = add_tokens(&r);

	if (!rc)
		rc = byte_level ? add_listed_merges(&r) : add_scored_merges(&r);
	if (rc)
		return rc;
	return byte_level ? set_byte_level(&r) : set_sentencepiece(&r);
}
