/* core/tokenizer/tokenizer.h: a tokenizer of the BPE kind, from a tokenizer.json or from lists.
 *
 * Ids are those of encode(add_special_tokens=False) of Hugging Face's tokenizers library. Added
 * tokens are matched in the text.
 *
 * Supported:
 *   - normalizers Replace (string or regex), Prepend, Sequence, null;
 *   - pre-tokenizers Split (string or regex, all behaviors, invert), ByteLevel (with and without
 *     its regex, add_prefix_space), Digits, Metaspace, Sequence, null;
 *   - the model BPE with byte_fallback, fuse_unk, ignore_merges, and both spellings of merges;
 *   - added tokens with lstrip, rstrip, single_word, normalized.
 * core/tokenizer/pattern.h says which regular expressions are understood. truncation, padding,
 * post_processor and decoder are not used.
 *
 * PS_EINPUT:
 *   - anything else in the file; the message names it;
 *   - files on which the library is not sure of its result: two added tokens that are searched as
 *     the same text, or a pattern that inserts text before the first character;
 *   - added tokens of more than 256 bytes, normalizers that make a text more than 16 times as
 *     long;
 *   - text that is not UTF-8; the message gives the offset of the first invalid byte.
 *
 * The file is read by events, never as a tree. One thread at a time may use a tokenizer. */
#ifndef PS_CORE_TOKENIZER_TOKENIZER_H
#define PS_CORE_TOKENIZER_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/tokenizer/token_text.h"

typedef struct ps_tokenizer ps_tokenizer;

/* json: the bytes of the file, borrowed during the call only. path is named in messages. */
int ps_tokenizer_create(ps_tokenizer **tokenizer, const char *json, size_t length, const char *path,
			ps_diag *diag) PS_MUST_USE;

/* The same of a tokenizer that is given as lists (core/tokenizer/token_lists.h). */
struct ps_token_lists;
int ps_tokenizer_create_listed(ps_tokenizer **tokenizer, const struct ps_token_lists *lists,
			       const char *path, ps_diag *diag) PS_MUST_USE;

/* Frees it; NULL is allowed. */
void ps_tokenizer_destroy(ps_tokenizer *tokenizer);

/* Gets ids in order. A result other than 0 ends the encoding, which returns it. */
typedef int (*ps_token_sink)(void *context, int32_t id);

/* Encodes text, one document, and hands its ids to sink. Memory grows with the longest piece
 * between added tokens (for Gemma that is the document), not with the number of ids. */
int ps_tokenizer_encode(ps_tokenizer *tokenizer, const char *text, size_t length,
			ps_token_sink sink, void *context, ps_diag *diag) PS_MUST_USE;

/* Makes the readable text of every token (token_text.h). Added tokens stand as they are written.
 * texts is empty before. It does not need the tokenizer afterwards. PS_EBUDGET. */
int ps_tokenizer_texts(const ps_tokenizer *tokenizer, ps_token_texts *texts,
		       ps_diag *diag) PS_MUST_USE;

/* The id of the token with this string, as the vocabulary spells it; -1: there is none. */
int32_t ps_tokenizer_find(const ps_tokenizer *tokenizer, const char *string, size_t length);

/* One more than the largest id of the file. */
int32_t ps_tokenizer_vocab(const ps_tokenizer *tokenizer);

/* Bytes that it holds. */
size_t ps_tokenizer_bytes(const ps_tokenizer *tokenizer);

/* The most bytes that it would hold by now if nothing limited it. A limit that it has met makes it
 * take less, so less than this many may be too few in the next run. */
size_t ps_tokenizer_bytes_wanted(const ps_tokenizer *tokenizer);

/* It may hold so many bytes in all from now on, and always a MiB for what grows with the text.
 * Where a document needs more, encoding ends with PS_EBUDGET. Without a call there is no limit. */
void ps_tokenizer_limit(ps_tokenizer *tokenizer, size_t bytes);
/* So many bytes are enough for a document of valid UTF-8, whatever was encoded before. What takes
 * no memory to find out is found out: for the tokenizers of most models this is a few bytes for one
 * of the text, else it is what the worst text would take. */
size_t ps_tokenizer_room(const ps_tokenizer *tokenizer, const char *text, size_t length);

#endif
