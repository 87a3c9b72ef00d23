/* core/tokenizer/token_text.h: a token's string as text that a person can read.
 *
 * First the string becomes the bytes that it stands for:
 * - ByteLevel: each of its letters becomes its byte (GPT-2's table);
 * - byte_fallback: a token <0x00> to <0xFF> becomes that byte;
 * - else the character that stands for a space becomes a space.
 * Then every byte and character is made visible:
 * - newline, carriage return and tab become \n, \r, \t;
 * - other control characters, and bytes that are no UTF-8, become <0x1B>: their bytes;
 * - characters that have no picture or turn the direction of writing become <U+202E>;
 * - everything else stays: a space is a space.
 * A token is read alone, so a character that several tokens share appears as its bytes. Nothing is
 * added or dropped at the ends, as a decoder does with the first space of a text. */
#ifndef PS_CORE_TOKENIZER_TOKEN_TEXT_H
#define PS_CORE_TOKENIZER_TOKEN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/array.h"
#include "core/base/error.h"

/* What the strings of a vocabulary stand for. */
typedef struct ps_token_style {
	bool byte_level, byte_fallback;
	const char *space; /* stands for a space (space_length bytes); NULL: none does */
	size_t space_length;
} ps_token_style;

/* Appends the readable text of a token's string to out. bytes: scratch, overwritten. PS_EBUDGET. */
int ps_token_text(const ps_token_style *style, const char *string, size_t length, ps_buffer *bytes,
		  ps_buffer *out, ps_diag *diag) PS_MUST_USE;
/* Appends bytes, made visible, to out. PS_EBUDGET. */
int ps_token_text_show(const char *bytes, size_t length, ps_buffer *out, ps_diag *diag) PS_MUST_USE;

/* The texts of a whole vocabulary. All zeros: empty. */
typedef struct ps_token_texts {
	ps_buffer text;  /* each ends in NUL */
	uint32_t *start; /* (count) in text; UINT32_MAX: no token has this id */
	int32_t count;   /* one more than the largest id */
} ps_token_texts;

/* The text of a token; NULL if no token has this id. Lives as long as the texts. */
const char *ps_token_texts_get(const ps_token_texts *texts, int32_t id);
/* Bytes that they hold. */
size_t ps_token_texts_bytes(const ps_token_texts *texts);
/* Frees the memory and empties them. */
void ps_token_texts_free(ps_token_texts *texts);

#endif
