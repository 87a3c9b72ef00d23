/* core/tokenizer/tokenizer.h: a tokenizer.json of the BPE kind, ids identical to encode(add_special_tokens=False) of
 * Hugging Face's tokenizers library; added tokens are matched in the text.
 *
 * Supported: normalizers Replace (string or regex), Prepend, Sequence, null; pre-tokenizers Split (string or
 * regex, all behaviours, invert), ByteLevel (with and without its regex, add_prefix_space), Digits, Metaspace,
 * Sequence, null; model BPE with byte_fallback, fuse_unk, ignore_merges, both spellings of merges; added tokens
 * with lstrip, rstrip, single_word, normalized. Anything else: PS_EINPUT naming it; core/tokenizer/pattern.h says which
 * regular expressions are understood. Also refused are files on which the library itself is not sure of its
 * result (two added tokens searched as the same text, text inserted before the first character by a pattern).
 * Text must be UTF-8; the first invalid byte's offset is named (PS_EINPUT). truncation, padding, post_processor
 * and decoder play no part. The file is read by events, never as a tree. One tokenizer may be used by one thread
 * at a time. */
#ifndef PS_CORE_TOKENIZER_TOKENIZER_H
#define PS_CORE_TOKENIZER_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct ps_tokenizer ps_tokenizer;

/* json: the file's bytes (borrowed during the call only); path: for messages. */
int ps_tokenizer_create(ps_tokenizer **tokenizer, const char *json, size_t length, const char *path,
			ps_diag *diag) PS_MUST_USE;
void ps_tokenizer_destroy(ps_tokenizer *tokenizer);

/* Ids are handed to sink in order; a non-zero return of sink stops and is returned. The whole text is one
 * document. Memory grows with the longest piece between added tokens (Gemma: the document), not with the ids. */
typedef int (*ps_token_sink)(void *context, int32_t id);
int ps_tokenizer_encode(ps_tokenizer *tokenizer, const char *text, size_t length,
			ps_token_sink sink, void *context, ps_diag *diag) PS_MUST_USE;

/* One more than the largest id of the file. */
int32_t ps_tokenizer_vocab(const ps_tokenizer *tokenizer);

/* Bytes held. */
size_t ps_tokenizer_bytes(const ps_tokenizer *tokenizer);

#endif
