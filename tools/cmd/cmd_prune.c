/* prune: the mask of a model, by magnitude, by Wanda or at random; or its rounding. */
#include <limits.h>

#include "tools/cmd/prune_forecast.h"
#include "tools/cmd/prune_match.h"
#include "tools/cmd/result.h"

static int open_output(ps_session *s, const ps_prune_args *args, const ps_prune_plan *plan,
		       ps_output *output)
{
	const ps_text_list inputs = {
		6,
		{args->model, args->tokens, args->stats, args->like, args->match_ppl, args->text}};
	int rc = ps_output_open(output, args->out, ps_prune_plan_rounds(plan) ? "rounding" : "mask",
				args->replace, &s->diag);

	return rc ? rc : ps_output_keep_off_all(output, &inputs, &s->diag);
}

static int make_mask(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_engine_need *need,
		     const ps_output *output, ps_edit_totals *totals)
{
	bool done;
	int rc = ps_prune_find(in, plan, output, &done, totals);

	if (rc || done)
		return rc;
	rc = ps_engine_start(&in->engine, need);
	return rc ? rc : ps_prune_mask(in, plan, output->path, totals);
}

static json_t *make_result(const ps_prune_plan *plan, const ps_model_config *config,
			   const ps_edit_totals *totals)
{
	const ps_rounding_rule *rule = ps_prune_plan_rounds(plan);
	const double weights = (double)totals->weights;

	if (rule)
		return json_pack(
			"{s:i, s:o, s:o, s:I, s:I}", "bits", rule->bits, "group",
			rule->group ? json_integer((json_int_t)rule->group) : json_string("row"),
			"bits_per_weight",
			ps_number_json(rule->bits +
				       8 * (double)ps_edit_data_bytes(config, rule) / weights),
			"tensors", (json_int_t)totals->tensors, "weights",
			(json_int_t)totals->weights);
	return json_pack("{s:o, s:I, s:I, s:I}", "sparsity_achieved",
			 ps_number_json((double)totals->dropped / weights), "tensors",
			 (json_int_t)totals->tensors, "weights", (json_int_t)totals->weights,
			 "dropped", (json_int_t)totals->dropped);
}

/* With --match-ppl the result has what the search found too. */
static int run_match(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_prune_args *args,
		     const ps_output *output, json_t **result)
{
	ps_edit_totals totals;
	json_t *masks;
	int rc = ps_prune_match(in, plan, args, output, &totals, result);

	if (rc || args->dry_run)
		return rc;
	masks = make_result(plan, in->engine.config, &totals);
	rc = json_object_update(*result, masks) ? PS_EBUDGET : 0;
	json_decref(masks);
	return rc ? ps_fail(&in->engine.session->diag, rc, "no memory for the result") : 0;
}

int ps_run_prune(ps_session *s, const ps_prune_args *args, json_t **result)
{
	ps_prune_inputs in = {0};
	ps_prune_plan plan;
	ps_engine_need need;
	ps_edit_totals totals;
	ps_output output;
	char folder[PATH_MAX];
	int rc = ps_prune_plan_make(args, &plan, &s->diag);

	if (!rc)
		rc = open_output(s, args, &plan, &output);
	if (!rc)
		rc = ps_prune_open(&in, s, args, &plan);
	if (!rc)
		rc = ps_prune_plan_check(&plan, in.engine.config, &s->diag);
	if (rc)
		goto out;
	if (plan.match) {
		rc = run_match(&in, &plan, args, &output, result);
		goto out;
	}
	need = ps_prune_need(&in, &plan, output.path, folder);
	if (args->dry_run) {
		rc = ps_prune_forecast(&in, &plan, &need, args->out, result);
		goto out;
	}
	rc = make_mask(&in, &plan, &need, &output, &totals);
	if (!rc)
		rc = ps_result_set(result, make_result(&plan, in.engine.config, &totals), &s->diag);
out:
	ps_prune_close(&in);
	return rc;
}
