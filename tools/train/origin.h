/* tools/train/origin.h: where SAEs and activations come from, and whether they belong together.
 *
 * Known of an SAE: what its cfg.json says. Ours names the checkpoint by its digest, another tool's
 * by a name. Known of a cache of ours: its provenance. Only what both sides say is compared:
 * - the model: by digest; else by family; else by name, if both are hub ids. A checkpoint that
 *   `export` made stands for the one that it was made from. So does one of which the user says
 *   that it was changed from another (tools/engine/changed_from.h).
 * - the mask that the model was pruned with: by digest, as a rule says (ps_mask_rule)
 * - the tokens of two caches: by digest, where they must be the same
 * - the place in the model (hook.h) */
#ifndef PS_TOOLS_TRAIN_ORIGIN_H
#define PS_TOOLS_TRAIN_ORIGIN_H

#include "core/base/digest.h"
#include "io/cache_store.h"
#include "tools/run/lists.h"
#include "tools/run/session.h"
#include "tools/train/hook.h"

/* A text that is not known is empty. */
typedef struct ps_origin {
	const char *path; /* borrowed; names it in messages */
	char model_digest[PS_DIGEST_TEXT], tokens_digest[PS_DIGEST_TEXT];
	char mask_digest[PS_DIGEST_TEXT]; /* PS_NO_MASK: of the dense model */
	char family[32];                  /* as ps_family_name */
	char model_name[512];             /* a hub id, in lower case */
	char hook_name[256];
	ps_hook hook;
} ps_origin;

/* What holds of the masks of an SAE and of what it meets. Comparing models is the purpose of a
 * study, so most commands take any. */
typedef enum ps_mask_rule {
	PS_MASK_ANY,
	/* A remark where an SAE of a pruned model meets the dense one, or one of another mask. The
	 * dense model's SAE in a pruned model is what a study measures. */
	PS_MASK_TOLD,
	PS_MASK_SAME /* PS_EINPUT where they differ */
} ps_mask_rule;

/* Of an SAE: its cfg.json is read, not its weights. An SAE of another tool is noted as
 * unverified. */
int ps_origin_of_sae(ps_session *session, const char *path, ps_origin *origin) PS_MUST_USE;
/* Of an open cache. One of another tool is noted as unverified. */
int ps_origin_of_cache(ps_session *session, const ps_cache *cache, const char *path,
		       ps_origin *origin) PS_MUST_USE;
/* What is known of a model: path as the user gave it, folder or hub id. */
typedef struct ps_origin_model {
	const char *path, *digest, *mask; /* mask: its digest, PS_NO_MASK, or "" */
	ps_family family;
} ps_origin_model;

/* Of the residual stream after a layer of a model. */
void ps_origin_of_model(const ps_origin_model *model, int layer, ps_origin *origin);
/* The digest of a cache's model, or of the one that it was changed or exported from. NULL: not
 * known. */
const char *ps_origin_cache_model(const ps_cache *cache);
/* The digest of the mask behind a cache, also where it was applied by `export`. Of a model that was
 * changed otherwise, the model's own digest. PS_NO_MASK: none; "": not known. */
const char *ps_origin_cache_mask(const ps_cache *cache);

/* PS_EINPUT naming both, unless they belong together; with --force-mismatch a remark. */
int ps_origin_check(ps_session *session, const ps_origin *a, const ps_origin *b) PS_MUST_USE;
/* The same for two caches whose rows must be of the same tokens. */
int ps_origin_check_tokens(ps_session *session, const ps_origin *a, const ps_origin *b) PS_MUST_USE;
/* The same for an SAE and the rows or the model that it is to encode. The SAE must be one of the
 * residual stream after a layer, or say nothing of its place. */
int ps_origin_check_input(ps_session *session, const ps_origin *sae, const ps_origin *input,
			  ps_mask_rule rule) PS_MUST_USE;
/* The same for the SAE at a path and an open cache. */
int ps_origin_check_cache(ps_session *session, const char *sae, const ps_cache *cache,
			  const char *path, ps_mask_rule rule) PS_MUST_USE;
/* The same for two SAEs, which are compared with each other. */
int ps_origin_check_saes(ps_session *session, const char *a, const char *b,
			 ps_mask_rule rule) PS_MUST_USE;

/* PS_EUSAGE where two of the SAEs are one folder. */
int ps_origin_check_distinct(ps_session *session, const ps_text_list *saes) PS_MUST_USE;

/* An input in a role, such as "the dense cache". PS_EINPUT: it is to be of the dense model, and is
 * not. Where it is to be of a pruned model and is not, that is a remark. */
int ps_origin_check_role(ps_session *session, const ps_origin *origin, bool dense,
			 const char *role) PS_MUST_USE;

#endif
