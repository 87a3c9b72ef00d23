/* tools/cmd/own_starts.h: how far the SAEs of a condition are from their own starts, as a mean over
 * SAEs (analysis/own_start.h). */
#ifndef PS_TOOLS_CMD_OWN_STARTS_H
#define PS_TOOLS_CMD_OWN_STARTS_H

#include "analysis/own_start.h"
#include "core/base/json.h"
#include "tools/train/sae_folder.h"

typedef struct ps_own_starts {
	ps_own_start sum;
	size_t saes; /* whose start is known */
} ps_own_starts;

/* Adds an SAE. One whose start is not known, because another tool trained it, is passed over.
 * Memory and errors: as ps_own_start_measure. */
int ps_own_starts_add(ps_own_starts *starts, const ps_sae_folder *folder, const ps_context *context,
		      ps_arena *arena) PS_MUST_USE;
/* {saes, survival [PS_TAUS], cosine_deciles [PS_DECILES]}: a new object, null where no start is
 * known; NULL: no memory. */
json_t *ps_own_starts_json(const ps_own_starts *starts);

#endif
