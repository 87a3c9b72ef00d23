/* core/tokenizer/pretokenize.h: the pre-tokenizer of a tokenizer.json: Split, ByteLevel, Digits,
 * Metaspace, Sequence, or none.
 *
 * A piece runs through the steps depth first, so no list of pieces is ever held. */
#ifndef PS_CORE_TOKENIZER_PRETOKENIZE_H
#define PS_CORE_TOKENIZER_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/tokenizer/normalize.h"

typedef struct ps_pretokenizer ps_pretokenizer;

/* json: the value of "pre_tokenizer"; NULL or null: the piece is one word. PS_EINPUT names what is
 * not supported. */
int ps_pretokenizer_create(ps_pretokenizer **pretokenizer, const json_t *json,
			   ps_diag *diag) PS_MUST_USE;

/* Frees it; NULL is allowed. */
void ps_pretokenizer_destroy(ps_pretokenizer *pretokenizer);

/* Bytes that it holds. */
size_t ps_pretokenizer_bytes(const ps_pretokenizer *pretokenizer);

/* What grows with the text grows in this room from now on. */
void ps_pretokenizer_share(ps_pretokenizer *pretokenizer, ps_room *room);
/* The most bytes that a piece of *length bytes takes of the room. *length becomes the most bytes of
 * a word. */
double ps_pretokenizer_room(const ps_pretokenizer *pretokenizer, double *length);

/* Gets the words of a piece in order; none is empty. A result other than 0 ends the run, which
 * returns it. */
typedef int (*ps_word_sink)(void *context, const char *word, size_t length);

/* Cuts a piece into words. */
int ps_pretokenizer_run(ps_pretokenizer *pretokenizer, ps_piece piece, ps_word_sink sink,
			void *context, ps_diag *diag) PS_MUST_USE;

/* Whether it only cuts the text, or writes ByteLevel's letters for its bytes besides. */
bool ps_pretokenizer_only_cuts(const ps_pretokenizer *pretokenizer);
/* ByteLevel's letter for a byte: *length bytes. */
const char *ps_pretokenizer_letter(const ps_pretokenizer *pretokenizer, unsigned char byte,
				   size_t *length);
/* Whether words are in ByteLevel's letters. */
bool ps_pretokenizer_is_byte_level(const ps_pretokenizer *pretokenizer);
/* The byte that a letter of ByteLevel stands for; -1 if the code point is no such letter. */
int ps_byte_of_letter(uint32_t code);
/* The character that Metaspace puts for a space, *length bytes; NULL: there is no such step. */
const char *ps_pretokenizer_space(const ps_pretokenizer *pretokenizer, size_t *length);

#endif
