/* tools/cmd/ablation_effect.h: how the dense model's loss changes when one feature of its SAE is taken out.
 * The definition stands in analysis/ablation.h; here is the run over windows. */
#ifndef PS_TOOLS_CMD_ABLATION_EFFECT_H
#define PS_TOOLS_CMD_ABLATION_EFFECT_H

#include "tools/run/session.h"

typedef struct ps_ablation_args {
	const char *model, *sae, *tokens;
	int64_t layer, features, windows;
	uint64_t seed;
} ps_ablation_args;

/* result: features [N], effect [N] (nats per token), rate [N], window_tokens, window_change [N][windows] (sums). */
int ps_run_ablation(ps_session *session, const ps_ablation_args *args, json_t **result) PS_MUST_USE;

#endif
