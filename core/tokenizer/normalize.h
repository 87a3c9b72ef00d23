/* core/tokenizer/normalize.h: the normalizer of a tokenizer.json: Replace, Prepend, Sequence, or
 * none.
 *
 * A piece of text knows origin_bytes: how many of its leading bytes stem from the first character
 * of the whole text. Metaspace's scheme "first" asks whether a piece begins there. */
#ifndef PS_CORE_TOKENIZER_NORMALIZE_H
#define PS_CORE_TOKENIZER_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/array.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "core/tokenizer/pattern.h"

/* A part of the text. */
typedef struct ps_piece {
	const char *text;
	size_t length, origin_bytes;
} ps_piece;

/* Bytes [start, end) of a piece, as a piece of their own. */
static inline ps_piece ps_piece_slice(ps_piece piece, size_t start, size_t end)
{
	size_t origin = piece.origin_bytes > start ? piece.origin_bytes - start : 0;

	return (ps_piece){piece.text + start, end - start,
			  origin < end - start ? origin : end - start};
}

typedef struct ps_normalizer ps_normalizer;

/* json: the value of "normalizer"; NULL or null: text stays as it is. PS_EINPUT names what is not
 * supported. */
int ps_normalizer_create(ps_normalizer **normalizer, const json_t *json, ps_diag *diag) PS_MUST_USE;

/* Frees it; NULL is allowed. */
void ps_normalizer_destroy(ps_normalizer *normalizer);

/* Bytes that it holds. */
size_t ps_normalizer_bytes(const ps_normalizer *normalizer);

/* What grows with the text grows in this room from now on. */
void ps_normalizer_share(ps_normalizer *normalizer, ps_room *room);
/* The most bytes that a piece of *length bytes takes of the room. *length becomes the most bytes of
 * the result. */
double ps_normalizer_room(const ps_normalizer *normalizer, double *length);

/* What a simple normalizer does: it puts `to` for each character `from`; from NULL: it leaves the
 * text as it is. */
typedef struct ps_replacement {
	const char *from, *to;
	size_t from_length, to_length; /* bytes */
} ps_replacement;

/* False if the normalizer is not so simple. */
bool ps_normalizer_simple(const ps_normalizer *normalizer, ps_replacement *replacement);

/* Normalizes *piece. The result is valid until the next call. PS_EINPUT if it is more than 16 times
 * as long as the text, and 64 KiB. */
int ps_normalizer_apply(ps_normalizer *normalizer, ps_piece *piece, ps_diag *diag) PS_MUST_USE;

/* The text that is put for a space, *length bytes; NULL: none is. */
const char *ps_normalizer_space(const ps_normalizer *normalizer, size_t *length);

/* The pattern of a component: json is its "pattern", {"String": ...} or {"Regex": ...}. owner is
 * named in messages. */
int ps_pattern_create_json(ps_pattern **pattern, const json_t *json, const char *owner,
			   ps_diag *diag) PS_MUST_USE;

#endif
