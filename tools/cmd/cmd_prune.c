/* prune: the mask of a model, by magnitude, by Wanda or at random. */
#include <limits.h>

#include "tools/cmd/prune_forecast.h"
#include "tools/cmd/result.h"

static int open_output(ps_session *s, const ps_prune_args *args, ps_output *output)
{
	const ps_text_list inputs = {4, {args->model, args->tokens, args->stats, args->like}};
	int rc = ps_output_open(output, args->out, "mask", args->replace, &s->diag);

	return rc ? rc : ps_output_keep_off_all(output, &inputs, &s->diag);
}

static int make_mask(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_engine_need *need,
		     const ps_output *output, ps_mask_totals *totals)
{
	bool done;
	int rc = ps_prune_find(in, plan, output, &done, totals);

	if (rc || done)
		return rc;
	rc = ps_engine_start(&in->engine, need);
	return rc ? rc : ps_prune_mask(in, plan, output->path, totals);
}

int ps_run_prune(ps_session *s, const ps_prune_args *args, json_t **result)
{
	ps_prune_inputs in = {0};
	ps_prune_plan plan;
	ps_engine_need need;
	ps_mask_totals totals;
	ps_output output;
	char folder[PATH_MAX];
	int rc = ps_prune_plan_make(args, &plan, &s->diag);

	if (!rc)
		rc = open_output(s, args, &output);
	if (!rc)
		rc = ps_prune_open(&in, s, args, &plan);
	if (!rc)
		rc = ps_prune_plan_check(&plan, in.engine.config, &s->diag);
	if (rc)
		goto out;
	need = ps_prune_need(&in, &plan, output.path, folder);
	if (args->dry_run) {
		rc = ps_prune_forecast(&in, &plan, &need, args->out, result);
		goto out;
	}
	rc = make_mask(&in, &plan, &need, &output, &totals);
	if (!rc)
		rc = ps_result_set(
			result,
			json_pack("{s:o, s:I, s:I, s:I}", "sparsity_achieved",
				  ps_number_json((double)totals.dropped / (double)totals.weights),
				  "tensors", (json_int_t)totals.tensors, "weights",
				  (json_int_t)totals.weights, "dropped",
				  (json_int_t)totals.dropped),
			&s->diag);
out:
	ps_prune_close(&in);
	return rc;
}
