/* sparsity: the share of a checkpoint's weights that are 0 (prune/zeros.h). */
#include "core/base/arena.h"
#include "prune/zeros.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/engine/engine.h"

static json_t *result_json(const ps_zeros *z)
{
	static const char *const names[PS_PROJECTIONS] = {
		[PS_Q] = "q_proj",      [PS_K] = "k_proj",       [PS_V] = "v_proj",
		[PS_O] = "o_proj",      [PS_GATE] = "gate_proj", [PS_UP] = "up_proj",
		[PS_DOWN] = "down_proj"};
	json_t *achieved = json_object();
	uint64_t zeros = 0, weights = 0;

	for (int p = 0; p < PS_PROJECTIONS; p++) {
		zeros += z->zeros[p];
		weights += z->weights[p];
		if (json_object_set_new(
			    achieved, names[p],
			    ps_number_json((double)z->zeros[p] / (double)z->weights[p]))) {
			json_decref(achieved);
			return NULL;
		}
	}
	return json_pack("{s:o, s:I, s:I, s:o}", "sparsity_achieved",
			 ps_number_json(ps_zeros_share(z)), "zeros", (json_int_t)zeros, "weights",
			 (json_int_t)weights, "achieved", achieved);
}

int ps_run_sparsity(ps_session *s, const ps_sparsity_args *args, json_t **result)
{
	ps_plan plan = {.limit_bytes = s->memory_bytes};
	ps_weight_lookup weights;
	ps_engine engine = {0};
	ps_zeros zeros;
	int rc;

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	rc = ps_plan_check(&plan, &s->diag);
	if (!rc)
		rc = ps_engine_open(&engine, s, args->model, NULL);
	if (!rc) {
		weights = ps_engine_lookup(&engine);
		rc = ps_zeros_count(engine.config, &weights, &s->context, &zeros);
	}
	if (!rc)
		rc = ps_result_set(result, result_json(&zeros), &s->diag);
	ps_engine_close(&engine);
	return rc;
}
