/* io/recognize.h: names what a file or a folder is if this program does not read it.
 *
 * Readers call these functions after they have failed, to say what stands in place of what they
 * expect: a torch pickle, a LoRA adapter, a SentencePiece model. Only messages depend
 * on the answer. */
#ifndef PS_IO_RECOGNIZE_H
#define PS_IO_RECOGNIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"
#include "io/sys.h"

#define PS_RECOGNIZED_GGUF "a GGUF file"

/* What a file is by its first bytes, or by the end of its name: "a GGUF file". NULL: unknown. */
const char *ps_recognize_bytes(const char *bytes, size_t length, const char *path);
/* The same for a file that is not open. NULL also if it cannot be read. */
const char *ps_recognize_file(const ps_sys *sys, const char *path);

/* PS_EINPUT: the folder of a model lacks `missing`; the message says what it holds instead. */
int ps_recognize_model(const char *folder, const char *missing, ps_diag *diag) PS_MUST_USE;
/* PS_EINPUT: the folder of a model has no tokenizer.json; the same. */
int ps_recognize_tokenizer(const char *folder, ps_diag *diag) PS_MUST_USE;

/* What a folder holds instead of an SAE that is read: a pickle, a torch file, a NumPy archive of
 * another name. PS_EINPUT naming it; 0 if nothing of that kind lies there. */
int ps_recognize_sae(const char *folder, ps_diag *diag) PS_MUST_USE;

/* What a folder holds instead of activations: a model, an SAE. empty: it has no safetensors files;
 * then also files that are not read, a study, and caches in folders of their own, which the message
 * names. PS_EINPUT naming it; 0 if nothing of that kind lies there. */
int ps_recognize_cache(const char *folder, bool empty, ps_diag *diag) PS_MUST_USE;

#endif
