#include "core/tokenizer/tokenizer.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/json_text.h"
#include "core/base/utf8.h"
#include "core/tokenizer/added_tokens.h"
#include "core/tokenizer/bpe.h"
#include "core/tokenizer/normalize.h"
#include "core/tokenizer/pretokenize.h"
#include "core/tokenizer/token_lists.h"
#include "core/tokenizer/token_vocab.h"
#include "core/tokenizer/tokenizer_json.h"

#define LEAST_ROOM ((size_t)1 << 20) /* for what grows with the text, whatever the limit is */

struct ps_tokenizer {
	ps_bpe *bpe;
	ps_normalizer *normalizer;
	ps_pretokenizer *pretokenizer;
	ps_added_tokens *raw, *normalized; /* searched before and after the normalizer */
	ps_vocab added;                    /* the texts of all added tokens */
	int32_t top;                       /* one more than the largest id */
	ps_room room;                      /* of what grows with the text */
};

/* ---- loading ---- */

/* A key that is not there is as null. */
static json_type type_of(const json_t *value)
{
	return value ? json_typeof(value) : JSON_NULL;
}

static int read_flag(const json_t *options, const char *key, bool *flag, ps_diag *diag)
{
	const json_type type = type_of(json_object_get(options, key));

	*flag = type == JSON_TRUE;
	if (type != JSON_TRUE && type != JSON_FALSE && type != JSON_NULL)
		return ps_fail(diag, PS_EINPUT, "\"%s\" of the model is not true or false", key);
	return 0;
}

/* null and "" mean that the key is absent. */
static int refuse_text(const json_t *options, const char *key, ps_diag *diag)
{
	const json_t *value = json_object_get(options, key);

	if (type_of(value) == JSON_NULL ||
	    (type_of(value) == JSON_STRING && !json_string_length(value)))
		return 0;
	return ps_fail(diag, PS_EINPUT, "\"%s\" of the model is not supported", key);
}

static int seal_model(ps_tokenizer *t, const ps_tokenizer_parts *parts, ps_diag *diag)
{
	const json_t *dropout = json_object_get(parts->options, "dropout");
	const json_t *unknown = json_object_get(parts->options, "unk_token");
	ps_bpe_options options = {.has_unknown = type_of(unknown) == JSON_STRING,
				  .unknown = json_string_value(unknown),
				  .unknown_length = json_string_length(unknown)};
	int rc;

	/* 0 drops no merge. */
	if (type_of(dropout) != JSON_NULL &&
	    !(json_is_number(dropout) && json_number_value(dropout) == 0))
		return ps_fail(diag, PS_EINPUT, "\"dropout\" of the model is not supported");
	if (type_of(unknown) != JSON_STRING && type_of(unknown) != JSON_NULL)
		return ps_fail(diag, PS_EINPUT, "\"unk_token\" of the model is not a string");
	if ((rc = refuse_text(parts->options, "continuing_subword_prefix", diag)) ||
	    (rc = refuse_text(parts->options, "end_of_word_suffix", diag)) ||
	    (rc = read_flag(parts->options, "byte_fallback", &options.byte_fallback, diag)) ||
	    (rc = read_flag(parts->options, "fuse_unk", &options.fuse_unknown, diag)) ||
	    (rc = read_flag(parts->options, "ignore_merges", &options.ignore_merges, diag)))
		return rc;
	return ps_bpe_seal(t->bpe, &options, diag);
}

static int add_one(ps_tokenizer *t, const ps_listed_token *listed, const char *text, int32_t id,
		   ps_diag *diag)
{
	const ps_added_token token = {.id = id,
				      .single_word = listed->single_word,
				      .lstrip = listed->lstrip,
				      .rstrip = listed->rstrip};
	ps_piece piece = {text, listed->length, 0};
	int rc = 0;

	if (id >= t->top)
		t->top = id + 1;
	if (!listed->normalized)
		return ps_added_tokens_add(t->raw, text, listed->length, token, diag);
	rc = ps_normalizer_apply(t->normalizer, &piece, diag);
	if (!rc && !piece.length)
		rc = ps_fail(diag, PS_EINPUT,
			     "the normalizer leaves nothing of the added token with id %d", id);
	return rc ? rc : ps_added_tokens_add(t->normalized, piece.text, piece.length, token, diag);
}

static bool same_flags(const ps_listed_token *a, const ps_listed_token *b)
{
	return a->single_word == b->single_word && a->lstrip == b->lstrip &&
	       a->rstrip == b->rstrip && a->normalized == b->normalized;
}

/* Gives added tokens the ids that the library gives them: the model's id if the text is in its
 * vocabulary, else the next free id behind the vocabulary. The ids in the file only repeat this. */
static int add_tokens(ps_tokenizer *t, const ps_tokenizer_parts *parts, ps_diag *diag)
{
	int32_t next = (int32_t)ps_bpe_token_count(t->bpe);
	ps_vocab seen = {0}; /* from a text to its place in the list */
	int rc = 0;

	for (size_t i = 0; i < parts->added_count && !rc; i++) {
		const ps_listed_token *listed = &parts->added[i];
		const char *text = parts->content.data + listed->start;
		int32_t before = ps_vocab_find(&seen, text, listed->length), id;

		if (!listed->length || (before >= 0 && same_flags(listed, &parts->added[before])))
			continue;
		id = ps_bpe_find(t->bpe, text, listed->length);
		id = id < 0 ? next++ : id;
		rc = ps_vocab_add(&seen, text, listed->length, (int64_t)i, diag);
		if (!rc)
			rc = ps_vocab_add(&t->added, text, listed->length, id, diag);
		if (!rc)
			rc = add_one(t, listed, text, id, diag);
	}
	ps_vocab_free(&seen);
	return rc;
}

/* What a tokenizer is made from: the bytes of a tokenizer.json, or lists. */
typedef struct origin {
	const char *json; /* (length) */
	size_t length;
	const ps_token_lists *lists; /* NULL: json */
} origin;

static int read_parts(ps_tokenizer_parts *parts, const origin *from, ps_diag *diag)
{
	return from->lists ? ps_token_lists_read(parts, from->lists, diag)
			   : ps_tokenizer_json_read(parts, from->json, from->length, diag);
}

static int build(ps_tokenizer *t, ps_tokenizer_parts *parts, const origin *from, ps_diag *diag)
{
	int rc;

	if ((rc = ps_bpe_create(&t->bpe, diag)))
		return rc;
	parts->bpe = t->bpe;
	if ((rc = read_parts(parts, from, diag)) || (rc = seal_model(t, parts, diag)) ||
	    (rc = ps_normalizer_create(&t->normalizer, parts->normalizer, diag)) ||
	    (rc = ps_pretokenizer_create(&t->pretokenizer, parts->pre_tokenizer, diag)) ||
	    (rc = ps_added_tokens_create(&t->raw, diag)) ||
	    (rc = ps_added_tokens_create(&t->normalized, diag)))
		return rc;
	t->top = ps_bpe_top(t->bpe);
	/* From here on: adding tokens normalizes them. */
	t->room.limit_bytes = SIZE_MAX;
	ps_normalizer_share(t->normalizer, &t->room);
	ps_pretokenizer_share(t->pretokenizer, &t->room);
	ps_bpe_share(t->bpe, &t->room);
	return add_tokens(t, parts, diag);
}

static int create(ps_tokenizer **tokenizer, const origin *from, const char *path, ps_diag *diag)
{
	ps_tokenizer *t = calloc(1, sizeof *t);
	ps_tokenizer_parts parts = {0};
	ps_diag inner = {{0}};
	int rc;

	if (!t)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for a tokenizer", path);
	rc = build(t, &parts, from, &inner);
	ps_tokenizer_parts_free(&parts);
	if (rc) {
		ps_tokenizer_destroy(t);
		return ps_fail(diag, rc, "%s: %s", path, inner.text);
	}
	*tokenizer = t;
	return 0;
}

int ps_tokenizer_create(ps_tokenizer **tokenizer, const char *json, size_t length, const char *path,
			ps_diag *diag)
{
	const origin from = {.json = json, .length = length};
	int rc = ps_json_refuse_mark(json, length, path, diag);

	return rc ? rc : create(tokenizer, &from, path, diag);
}

int ps_tokenizer_create_listed(ps_tokenizer **tokenizer, const ps_token_lists *lists,
			       const char *path, ps_diag *diag)
{
	return create(tokenizer, &(origin){.lists = lists}, path, diag);
}

void ps_tokenizer_destroy(ps_tokenizer *tokenizer)
{
	if (!tokenizer)
		return;
	ps_bpe_destroy(tokenizer->bpe);
	ps_normalizer_destroy(tokenizer->normalizer);
	ps_pretokenizer_destroy(tokenizer->pretokenizer);
	ps_added_tokens_destroy(tokenizer->raw);
	ps_added_tokens_destroy(tokenizer->normalized);
	ps_vocab_free(&tokenizer->added);
	free(tokenizer);
}

int32_t ps_tokenizer_find(const ps_tokenizer *tokenizer, const char *string, size_t length)
{
	return ps_bpe_find(tokenizer->bpe, string, length);
}

int32_t ps_tokenizer_vocab(const ps_tokenizer *tokenizer)
{
	return tokenizer->top;
}

size_t ps_tokenizer_bytes(const ps_tokenizer *tokenizer)
{
	return sizeof *tokenizer + ps_bpe_bytes(tokenizer->bpe) +
	       ps_normalizer_bytes(tokenizer->normalizer) +
	       ps_pretokenizer_bytes(tokenizer->pretokenizer) +
	       ps_added_tokens_bytes(tokenizer->raw) +
	       ps_added_tokens_bytes(tokenizer->normalized) + ps_vocab_bytes(&tokenizer->added);
}

/* An array has less than twice the capacity that it needs. */
size_t ps_tokenizer_bytes_wanted(const ps_tokenizer *tokenizer)
{
	return ps_tokenizer_bytes(tokenizer) +
	       (tokenizer->room.tight ? tokenizer->room.used_bytes : 0);
}

void ps_tokenizer_limit(ps_tokenizer *tokenizer, size_t bytes)
{
	const size_t fixed = ps_tokenizer_bytes(tokenizer) - tokenizer->room.used_bytes;

	tokenizer->room.limit_bytes = ps_max_size(bytes > fixed ? bytes - fixed : 0, LEAST_ROOM);
}

/* Feeds normalized text to a scan, in the letters in which it reaches the model. */
static void scan_text(const ps_tokenizer *t, ps_bpe_scan *scan, const char *text, size_t length)
{
	const bool letters = ps_pretokenizer_is_byte_level(t->pretokenizer);
	size_t step;

	for (size_t at = 0; at < length; at += step) {
		const char *character = text + at;
		size_t bytes;

		step = bytes = letters ? 1 : ps_utf8_length((unsigned char)text[at]);
		if (letters)
			character = ps_pretokenizer_letter(t->pretokenizer, (unsigned char)text[at],
							   &bytes);
		ps_bpe_scan_character(t->bpe, scan, character, bytes);
	}
}

/* Finds the bytes of the normalized text and the longest part that is encoded at once. False if
 * that takes more than a look at each character. */
static bool measure(const ps_tokenizer *t, const char *text, size_t length, double *normalized,
		    double *longest)
{
	ps_bpe_scan scan = {.part = 0};
	ps_replacement r;
	size_t step;

	if (!ps_normalizer_simple(t->normalizer, &r) || !ps_pretokenizer_only_cuts(t->pretokenizer))
		return false;
	*normalized = 0;
	for (size_t at = 0; at < length; at += step) {
		bool found;

		step = ps_utf8_length((unsigned char)text[at]);
		found = r.from && step == r.from_length && !memcmp(text + at, r.from, step);
		scan_text(t, &scan, found ? r.to : text + at, found ? r.to_length : step);
		*normalized += (double)(found ? r.to_length : step);
	}
	*longest = (double)scan.longest;
	return true;
}

/* Arrays double, so each may have twice what it needs. */
size_t ps_tokenizer_room(const ps_tokenizer *tokenizer, const char *text, size_t length)
{
	double most = (double)length, bytes = ps_normalizer_room(tokenizer->normalizer, &most);
	double normalized, longest;
	const bool measured = measure(tokenizer, text, length, &normalized, &longest);

	if (measured) {
		bytes = fmin(bytes, normalized);
		most = normalized;
	}
	bytes += ps_pretokenizer_room(tokenizer->pretokenizer, &most);
	bytes += ps_bpe_room(measured ? longest : most);
	bytes = 2 * bytes + (double)(ps_tokenizer_bytes(tokenizer) - tokenizer->room.used_bytes);
	return bytes < 0x1p62 ? (size_t)bytes : (size_t)1 << 62;
}

/* ---- encoding ---- */

typedef struct encoding {
	ps_tokenizer *tokenizer;
	const char *text; /* the whole text */
	ps_piece piece;   /* the normalized piece that is being cut */
	ps_token_sink sink;
	void *context;
	ps_diag *diag;
} encoding;

static int on_word(void *context, const char *word, size_t length)
{
	encoding *e = context;

	return ps_bpe_encode(e->tokenizer->bpe, word, length, e->sink, e->context, e->diag);
}

static int on_token(void *context, int32_t id)
{
	encoding *e = context;

	return e->sink(e->context, id);
}

static int on_normalized(void *context, size_t start, size_t end)
{
	encoding *e = context;

	return ps_pretokenizer_run(e->tokenizer->pretokenizer, ps_piece_slice(e->piece, start, end),
				   on_word, e, e->diag);
}

static int on_raw(void *context, size_t start, size_t end)
{
	encoding *e = context;
	const ps_added_sink sink = {on_normalized, on_token, e};
	int rc;

	e->piece = (ps_piece){e->text + start, end - start,
			      start ? 0 : ps_utf8_length((unsigned char)e->text[0])};
	rc = ps_normalizer_apply(e->tokenizer->normalizer, &e->piece, e->diag);
	return rc ? rc
		  : ps_added_tokens_cut(e->tokenizer->normalized, e->piece.text, e->piece.length,
					&sink);
}

int ps_tokenizer_encode(ps_tokenizer *tokenizer, const char *text, size_t length,
			ps_token_sink sink, void *context, ps_diag *diag)
{
	encoding e = {.tokenizer = tokenizer,
		      .text = text,
		      .sink = sink,
		      .context = context,
		      .diag = diag};
	const ps_added_sink pieces = {on_raw, on_token, &e};
	size_t invalid = ps_utf8_invalid(text, length);

	if (invalid < length)
		return ps_fail(diag, PS_EINPUT, "the text is not UTF-8 at byte %zu", invalid);
	return ps_added_tokens_cut(tokenizer->raw, text, length, &pieces);
}

/* ---- texts ---- */

static int append_nul(ps_buffer *buffer, ps_diag *diag)
{
	return ps_buffer_append(buffer, "", 1, diag);
}

/* What the model's tokens stand for. A piece is normalized before it is cut into words. */
static ps_token_style style_of(const ps_tokenizer *t)
{
	ps_token_style style = {.byte_level = ps_pretokenizer_is_byte_level(t->pretokenizer),
				.byte_fallback = ps_bpe_falls_back(t->bpe)};

	style.space = ps_normalizer_space(t->normalizer, &style.space_length);
	if (!style.space)
		style.space = ps_pretokenizer_space(t->pretokenizer, &style.space_length);
	return style;
}

static int add_model_texts(const ps_tokenizer *t, ps_token_texts *texts, ps_buffer *bytes,
			   ps_diag *diag)
{
	const ps_token_style style = style_of(t);
	int rc = 0;

	for (size_t i = 0; i < ps_bpe_token_count(t->bpe) && !rc; i++) {
		size_t length;
		int32_t id;
		const char *string = ps_bpe_token(t->bpe, i, &length, &id);

		texts->start[id] = (uint32_t)texts->text.used;
		rc = ps_token_text(&style, string, length, bytes, &texts->text, diag);
		if (!rc)
			rc = append_nul(&texts->text, diag);
	}
	return rc;
}

/* They come last: they stand for themselves also where the model has the same string. */
static int add_added_texts(const ps_tokenizer *t, ps_token_texts *texts, ps_diag *diag)
{
	int rc = 0;

	for (size_t i = 0; i < t->added.count && !rc; i++) {
		size_t length;
		int32_t id;
		const char *string = ps_vocab_token(&t->added, i, &length, &id);

		texts->start[id] = (uint32_t)texts->text.used;
		rc = ps_token_text_show(string, length, &texts->text, diag);
		if (!rc)
			rc = append_nul(&texts->text, diag);
	}
	return rc;
}

int ps_tokenizer_texts(const ps_tokenizer *t, ps_token_texts *texts, ps_diag *diag)
{
	ps_buffer bytes = {0};
	int rc;

	texts->start = malloc(((size_t)t->top + 1) * sizeof *texts->start);
	if (!texts->start)
		return ps_fail(diag, PS_EBUDGET, "no memory for the texts of %d tokens", t->top);
	texts->count = t->top;
	memset(texts->start, 0xFF, (size_t)t->top * sizeof *texts->start);
	rc = add_model_texts(t, texts, &bytes, diag);
	if (!rc)
		rc = add_added_texts(t, texts, diag);
	ps_buffer_free(&bytes);
	if (rc)
		ps_token_texts_free(texts);
	return rc;
}
