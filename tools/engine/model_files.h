/* tools/engine/model_files.h: the small files of a checkpoint folder that single commands need. */
#ifndef PS_TOOLS_ENGINE_MODEL_FILES_H
#define PS_TOOLS_ENGINE_MODEL_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "core/model/config.h"
#include "core/tokenizer/tokenizer.h"

/* tokenizer.json of MODEL, and its digest. */
int ps_model_tokenizer(const char *model, ps_tokenizer **tokenizer, uint64_t *digest,
		       ps_diag *diag) PS_MUST_USE;

/* config.json's bos_token_id (the first of a list); null or absent: PS_EINPUT. Reads nothing else of the config. */
int ps_model_bos(const char *model, int32_t *bos, ps_diag *diag) PS_MUST_USE;

#endif
