/* prune: the mask of a model, by magnitude or Wanda. */
#include <limits.h>

#include "tools/cmd/prune_forecast.h"
#include "tools/cmd/result.h"

int ps_run_prune(ps_session *s, const ps_prune_args *args, json_t **result)
{
	ps_prune_inputs in = {0};
	ps_prune_plan plan;
	ps_engine_need need;
	ps_mask_totals totals;
	char folder[PATH_MAX];
	int rc = ps_prune_plan_make(args, &plan, &s->diag);

	if (!rc)
		rc = ps_prune_open(&in, s, args);
	if (!rc)
		rc = ps_prune_plan_check(&plan, in.engine.config, &s->diag);
	if (rc)
		goto out;
	need = ps_prune_need(&in, &plan, args->out, folder);
	if (args->dry_run) {
		rc = ps_prune_forecast(&in, &plan, &need, args->out, result);
		goto out;
	}
	rc = ps_engine_start(&in.engine, &need);
	if (!rc)
		rc = ps_prune_mask(&in, &plan, args->out, &totals);
	if (!rc)
		rc = ps_result_set(result,
				   json_pack("{s:f, s:I, s:I, s:I}", "sparsity_achieved",
					     (double)totals.dropped / (double)totals.weights,
					     "tensors", (json_int_t)totals.tensors, "weights",
					     (json_int_t)totals.weights, "dropped",
					     (json_int_t)totals.dropped),
				   &s->diag);
out:
	ps_prune_close(&in);
	return rc;
}
