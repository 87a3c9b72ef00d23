/* tools/cmd/norm_factor.h: the number that rows are multiplied by before some SAEs of SAELens see
 * them (normalize_activations: expected_average_only_in).
 *
 *   factor = sqrt(D) / mean |x|
 * over rows x of the model that the SAE was trained on, so that their mean norm becomes sqrt(D).
 * SAELens estimates it in training (ActivationScaler) and folds it into the weights at the end. An
 * SAE that was saved before that lacks it; --norm-cache names rows to estimate it from. */
#ifndef PS_TOOLS_CMD_NORM_FACTOR_H
#define PS_TOOLS_CMD_NORM_FACTOR_H

#include "tools/run/session.h"
#include "tools/train/sae_folder.h"

/* Loads the SAE as ps_sae_folder_load does. cache: rows for the estimate; NULL: none given. Of them
 * those count that count in training (io/row_filter.h), unless keep_special. PS_EUSAGE: a cache is
 * given and the SAE needs none. PS_EINPUT: also if the cache is of another model or layer. */
int ps_norm_factor_load(ps_session *session, ps_sae_folder *folder, const char *sae,
			const char *cache, bool keep_special) PS_MUST_USE;

#endif
