/* tools/engine/changed_from.h: a checkpoint that was changed from another one, by whatever tool:
 * weights set to zero, fine-tuned, distilled, pruned.
 *
 * No file says so. The user does (--changed-from MODEL, or `checkpoints` of a study file). What is
 * made from the checkpoint then belongs to MODEL, like what is made from MODEL under a mask: the
 * checkpoint's own digest stands in the place of a mask's (tools/train/origin.h). */
#ifndef PS_TOOLS_ENGINE_CHANGED_FROM_H
#define PS_TOOLS_ENGINE_CHANGED_FROM_H

#include "core/base/digest.h"
#include "tools/engine/engine.h"

/* PS_EINPUT, naming both paths and what differs, unless the models have the same family, shapes,
 * vocabulary and BOS id. */
int ps_changed_from_check(const ps_model_config *config, const char *path,
			  const ps_model_config *from, const char *from_path,
			  ps_diag *diag) PS_MUST_USE;

/* Opens the checkpoint at path, from which the engine's one was changed, and checks that the two
 * have the same shapes and, where both have one, the same tokenizer. digest: that of its weights,
 * as caches and SAEs of it name it; empty if path is NULL. PS_EINPUT as above; another tokenizer
 * is a remark with --force-mismatch. */
int ps_changed_from_open(const ps_engine *engine, const char *path,
			 char digest[PS_DIGEST_TEXT]) PS_MUST_USE;

#endif
