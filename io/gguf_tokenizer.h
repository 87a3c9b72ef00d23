/* io/gguf_tokenizer.h: the tokenizer that the metadata of a GGUF file describe.
 *
 * tokenizer.ggml.model is gpt2 (byte-level BPE) or llama (SentencePiece's BPE). What becomes of the
 * lists: core/tokenizer/token_lists.h. They are read in the mapping. Any other model, and any other
 * pre-tokenizer, is PS_EINPUT and named. */
#ifndef PS_IO_GGUF_TOKENIZER_H
#define PS_IO_GGUF_TOKENIZER_H

#include "core/tokenizer/tokenizer.h"
#include "io/gguf.h"

/* Whether the metadata name a tokenizer. */
bool ps_gguf_has_tokenizer(const ps_gguf *gguf);
/* *tokenizer: destroyed by the caller; it does not need the file. */
int ps_gguf_tokenizer(const ps_gguf *gguf, ps_tokenizer **tokenizer, ps_diag *diag) PS_MUST_USE;
/* The identity of the tokenizer: XXH3 over the values that it is made from. Files of one model have
 * the same, whatever types its weights have. *there: false if there is none. PS_EBUDGET. */
int ps_gguf_tokenizer_digest(const ps_gguf *gguf, bool *there, uint64_t *digest,
			     ps_diag *diag) PS_MUST_USE;
/* Whether a tokenizer.json that lies beside the file is that of its model: every ordinary token of
 * the metadata must have the same id there. PS_EINPUT naming the first that has not. path: of the
 * tokenizer.json. */
int ps_gguf_check_tokenizer(const ps_gguf *gguf, const ps_tokenizer *tokenizer, const char *path,
			    ps_diag *diag) PS_MUST_USE;

#endif
