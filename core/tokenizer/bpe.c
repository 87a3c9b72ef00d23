#include "core/tokenizer/bpe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/digest.h"
#include "core/base/utf8.h"
#include "core/tokenizer/bpe_merge.h"
#include "core/tokenizer/token_vocab.h"

/* The tables have a fixed size. Fuzzers are compiled with small ones, so that they can make
 * thousands of tokenizers a second. */
#ifdef PS_SMALL_TABLES
#define DIRECT_CHARACTERS 0x200
#define JOIN_BITS (1u << 10)
#define CACHE_SLOTS (1u << 6)
#else
#define DIRECT_CHARACTERS 0x10000 /* code points below it find their token by index */
#define JOIN_BITS (1u << 22)
#define CACHE_SLOTS (1u << 15)
#endif
#define CACHE_TEXT 46 /* bytes of a word that may be cached */
#define CACHE_IDS 12

typedef struct cached_word {
	uint8_t length, count; /* bytes of text, and ids; length 0: free */
	char text[CACHE_TEXT];
	int32_t ids[CACHE_IDS];
} cached_word;

struct ps_bpe {
	ps_vocab vocab;
	ps_merge_table merges;
	uint32_t merge_count; /* merges so far; the rank of the next one */
	ps_buffer joined;     /* a merge's two sides */
	ps_bpe_options options;
	int32_t unknown_id; /* -1: none, or it is not in the vocabulary */
	int32_t byte_id[256];
	int32_t *character_id; /* (DIRECT_CHARACTERS) -1: no token */
	/* Bit join_bit(a, b) is set when some merge's left side ends in the character a and its
	 * right side begins with b. Strange pairs may share a bit: that only forgoes a cut. */
	uint64_t *joins;
	cached_word *cache; /* (CACHE_SLOTS): a newer word replaces an older one */
	int32_t *ids;       /* the symbols of the part that is encoded */
	size_t ids_capacity;
	ps_merge_scratch scratch;
};

int ps_bpe_create(ps_bpe **bpe, ps_diag *diag)
{
	ps_bpe *b = calloc(1, sizeof *b);

	if (!b)
		goto failed;
	b->character_id = malloc(DIRECT_CHARACTERS * sizeof *b->character_id);
	b->joins = calloc(JOIN_BITS / 64, sizeof *b->joins);
	b->cache = calloc(CACHE_SLOTS, sizeof *b->cache);
	if (!b->character_id || !b->joins || !b->cache)
		goto failed;
	memset(b->character_id, 0xFF, DIRECT_CHARACTERS * sizeof *b->character_id);
	*bpe = b;
	return 0;
failed:
	ps_bpe_destroy(b);
	return ps_fail(diag, PS_EBUDGET, "no memory for a tokenizer");
}

void ps_bpe_destroy(ps_bpe *bpe)
{
	if (!bpe)
		return;
	ps_vocab_free(&bpe->vocab);
	ps_merge_table_free(&bpe->merges);
	ps_buffer_free(&bpe->joined);
	ps_merge_scratch_free(&bpe->scratch);
	free(bpe->character_id);
	free(bpe->joins);
	free(bpe->cache);
	free(bpe->ids);
	free(bpe);
}

int ps_bpe_add_token(ps_bpe *bpe, const char *text, size_t length, int64_t id, ps_diag *diag)
{
	int rc = ps_vocab_add(&bpe->vocab, text, length, id, diag);

	if (rc)
		return rc;
	if (length && ps_utf8_length((unsigned char)text[0]) == length &&
	    ps_utf8_decode(text) < DIRECT_CHARACTERS)
		bpe->character_id[ps_utf8_decode(text)] = (int32_t)id;
	return 0;
}

static uint32_t join_bit(uint32_t left, uint32_t right)
{
	uint64_t key = ((uint64_t)left << 21 | right) * 0x9E3779B97F4A7C15u;

	return (uint32_t)(key >> 42) & (JOIN_BITS - 1);
}

static bool may_join(const ps_bpe *bpe, uint32_t left, uint32_t right)
{
	uint32_t bit = join_bit(left, right);

	return bpe->joins[bit / 64] >> bit % 64 & 1;
}

static int find_side(const ps_bpe *bpe, const char *text, size_t length, int32_t *id, ps_diag *diag)
{
	*id = length ? ps_vocab_find(&bpe->vocab, text, length) : -1;
	if (*id >= 0)
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "merge %" PRIu32 " names \"%.*s\", which is not in the vocabulary",
		       bpe->merge_count, length < 60 ? (int)length : 60, text);
}

int ps_bpe_add_merge(ps_bpe *bpe, const char *left, size_t left_length, const char *right,
		     size_t right_length, ps_diag *diag)
{
	ps_merge merge = {.rank = bpe->merge_count};
	uint32_t bit;
	int rc;

	bpe->joined.used = 0;
	if ((rc = ps_buffer_append(&bpe->joined, left, left_length, diag)) ||
	    (rc = ps_buffer_append(&bpe->joined, right, right_length, diag)) ||
	    (rc = find_side(bpe, left, left_length, &merge.left, diag)) ||
	    (rc = find_side(bpe, right, right_length, &merge.right, diag)) ||
	    (rc = find_side(bpe, bpe->joined.data, bpe->joined.used, &merge.merged, diag)) ||
	    (rc = ps_merge_table_add(&bpe->merges, merge, diag)))
		return rc;
	bpe->merge_count++;
	bit = join_bit(ps_utf8_decode(left + ps_utf8_before(left, left_length)),
		       ps_utf8_decode(right));
	bpe->joins[bit / 64] |= (uint64_t)1 << bit % 64;
	return 0;
}

int ps_bpe_seal(ps_bpe *bpe, const ps_bpe_options *options, ps_diag *diag)
{
	char name[8];

	bpe->options = *options;
	bpe->options.unknown = NULL;
	bpe->unknown_id = options->has_unknown ? ps_vocab_find(&bpe->vocab, options->unknown,
							       options->unknown_length)
					       : -1;
	for (int byte = 0; byte < 256; byte++) {
		int length = snprintf(name, sizeof name, "<0x%02X>", byte);

		bpe->byte_id[byte] = ps_vocab_find(&bpe->vocab, name, (size_t)length);
	}
	return ps_vocab_check(&bpe->vocab, diag);
}

int32_t ps_bpe_find(const ps_bpe *bpe, const char *text, size_t length)
{
	return ps_vocab_find(&bpe->vocab, text, length);
}

const char *ps_bpe_token(const ps_bpe *bpe, size_t i, size_t *length, int32_t *id)
{
	return ps_vocab_token(&bpe->vocab, i, length, id);
}

bool ps_bpe_falls_back(const ps_bpe *bpe)
{
	return bpe->options.byte_fallback;
}

size_t ps_bpe_token_count(const ps_bpe *bpe)
{
	return bpe->vocab.count;
}

int32_t ps_bpe_top(const ps_bpe *bpe)
{
	return bpe->vocab.top;
}

size_t ps_bpe_bytes(const ps_bpe *bpe)
{
	return sizeof *bpe + ps_vocab_bytes(&bpe->vocab) +
	       bpe->merges.slot_count * sizeof *bpe->merges.slot + bpe->joined.capacity +
	       DIRECT_CHARACTERS * sizeof *bpe->character_id + JOIN_BITS / 8 +
	       CACHE_SLOTS * sizeof *bpe->cache + bpe->ids_capacity * sizeof *bpe->ids +
	       ps_merge_scratch_bytes(&bpe->scratch);
}

void ps_bpe_share(ps_bpe *bpe, ps_room *room)
{
	bpe->scratch.room = room;
}

/* For each byte an id, for each symbol two links and two entries of the heap: a merge takes one
 * entry off and puts at most two on. */
double ps_bpe_room(double length)
{
	/* A word that may be cached is not cut. */
	length = length > CACHE_TEXT ? length : CACHE_TEXT;
	return length * (3 * sizeof(int32_t) + 2 * sizeof(uint64_t)) + 64;
}

static int32_t character_id(const ps_bpe *bpe, uint32_t code, const char *text, size_t length)
{
	return code < DIRECT_CHARACTERS ? bpe->character_id[code]
					: ps_vocab_find(&bpe->vocab, text, length);
}

/* Appends the tokens of a character's bytes to the *n symbols. False if a byte has no token. */
static bool fall_back(const ps_bpe *bpe, const char *text, size_t length, int32_t *ids, size_t *n)
{
	for (size_t i = 0; i < length; i++)
		if (bpe->byte_id[(unsigned char)text[i]] < 0)
			return false;
	for (size_t i = 0; i < length; i++)
		ids[(*n)++] = bpe->byte_id[(unsigned char)text[i]];
	return true;
}

/* Writes the symbols of text to bpe->ids, which has room for one per byte. The unknown token comes
 * before the next known character or at the end, even behind bytes that fell back: this is the
 * order of the library. */
static int make_symbols(ps_bpe *bpe, const char *text, size_t length, size_t *count, ps_diag *diag)
{
	size_t n = 0, step;
	bool waiting = false;

	for (size_t at = 0; at < length; at += step) {
		int32_t id;

		step = ps_utf8_length((unsigned char)text[at]);
		id = character_id(bpe, ps_utf8_decode(text + at), text + at, step);
		if (id >= 0) {
			if (waiting)
				bpe->ids[n++] = bpe->unknown_id;
			waiting = false;
			bpe->ids[n++] = id;
			continue;
		}
		if (bpe->options.byte_fallback && fall_back(bpe, text + at, step, bpe->ids, &n))
			continue;
		if (!bpe->options.has_unknown)
			continue;
		if (bpe->unknown_id < 0)
			return ps_fail(
				diag, PS_EINPUT,
				"the text needs the unknown token, which is not in the vocabulary");
		if (waiting && !bpe->options.fuse_unknown)
			bpe->ids[n++] = bpe->unknown_id;
		waiting = true;
	}
	if (waiting)
		bpe->ids[n++] = bpe->unknown_id;
	*count = n;
	return 0;
}

static int hand_over(const int32_t *ids, size_t count, ps_token_sink sink, void *context)
{
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++)
		rc = sink(context, ids[i]);
	return rc;
}

/* Encodes one part: from the cache, or by symbols and merges. */
static int encode_part(ps_bpe *bpe, const char *text, size_t length, ps_token_sink sink,
		       void *context, ps_diag *diag)
{
	cached_word *cached = NULL;
	int32_t *ids;
	size_t count = 0;
	int rc;

	if (length <= CACHE_TEXT) {
		cached = &bpe->cache[ps_digest_of(text, length) & (CACHE_SLOTS - 1)];
		if (cached->length == length && !memcmp(cached->text, text, length))
			return hand_over(cached->ids, cached->count, sink, context);
	}
	ids = ps_array_grow_within(bpe->scratch.room, bpe->ids, &bpe->ids_capacity, length,
				   sizeof *ids, diag);
	if (!ids)
		return PS_EBUDGET;
	bpe->ids = ids;
	if ((rc = make_symbols(bpe, text, length, &count, diag)) ||
	    (rc = ps_merge_row(&bpe->merges, &bpe->scratch, bpe->ids, &count, diag)))
		return rc;
	if (cached && count <= CACHE_IDS) {
		cached->length = (uint8_t)length;
		cached->count = (uint8_t)count;
		memcpy(cached->text, text, length);
		memcpy(cached->ids, bpe->ids, count * sizeof *bpe->ids);
	}
	return hand_over(bpe->ids, count, sink, context);
}

/* Whether a part begins with this character. Cuts lie only between two characters that have tokens
 * of their own. */
static inline bool is_cut(const ps_bpe *bpe, ps_bpe_scan *scan, const char *character,
			  size_t length)
{
	const uint32_t code = ps_utf8_decode(character);
	const bool known = character_id(bpe, code, character, length) >= 0,
		   cut = known && scan->left_known && !may_join(bpe, scan->left, code);

	scan->left = code;
	scan->left_known = known;
	return cut;
}

void ps_bpe_scan_character(const ps_bpe *bpe, ps_bpe_scan *scan, const char *character,
			   size_t length)
{
	if (is_cut(bpe, scan, character, length))
		scan->part = 0;
	scan->part += length;
	if (scan->part > scan->longest)
		scan->longest = scan->part;
}

/* The end of the part that begins at start. */
static size_t part_end(const ps_bpe *bpe, const char *word, size_t start, size_t length)
{
	ps_bpe_scan scan = {.left_known = false};
	size_t step;

	for (size_t at = start; at < length; at += step) {
		step = ps_utf8_length((unsigned char)word[at]);
		if (is_cut(bpe, &scan, word + at, step))
			return at;
	}
	return length;
}

int ps_bpe_encode(ps_bpe *bpe, const char *word, size_t length, ps_token_sink sink, void *context,
		  ps_diag *diag)
{
	int rc = 0;

	if (bpe->options.ignore_merges) {
		int32_t id = ps_vocab_find(&bpe->vocab, word, length);

		if (id >= 0)
			return sink(context, id);
	}
	if (length <= CACHE_TEXT)
		return encode_part(bpe, word, length, sink, context, diag);
	for (size_t start = 0, end; start < length && !rc; start = end) {
		end = part_end(bpe, word, start, length);
		rc = encode_part(bpe, word + start, end - start, sink, context, diag);
	}
	return rc;
}
