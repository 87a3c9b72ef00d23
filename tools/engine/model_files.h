/* tools/engine/model_files.h: the small files of a checkpoint that a command reads without opening
 * the checkpoint. */
#ifndef PS_TOOLS_ENGINE_MODEL_FILES_H
#define PS_TOOLS_ENGINE_MODEL_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/config.h"
#include "core/tokenizer/tokenizer.h"

/* Reads the tokenizer. *tokenizer: destroyed by the caller. It is tokenizer.json in the model's
 * folder, or beside the model's file, and *digest is that of its bytes. A GGUF file without one
 * has its own (io/gguf_tokenizer.h), and what lies beside it must be of the same model.
 * PS_EINPUT: there is none, or it is not supported. */
int ps_model_tokenizer(const char *model, ps_tokenizer **tokenizer, uint64_t *digest,
		       ps_diag *diag) PS_MUST_USE;

/* The digest of the tokenizer alone. *there: false if the model has none. PS_EINPUT: it cannot be
 * read. */
int ps_model_tokenizer_digest(const char *model, bool *there, uint64_t *digest,
			      ps_diag *diag) PS_MUST_USE;

/* *bos: BOS by config.json (ps_config_bos). PS_EINPUT: there is none, or it is beyond the
 * vocabulary. Nothing else of config.json is looked at. */
int ps_model_bos(const char *model, int32_t *bos, ps_diag *diag) PS_MUST_USE;

#endif
