/* prune: the masks of a model, by magnitude, by Wanda or at random; or its rounding. */
#include <limits.h>
#include <stdlib.h>

#include "tools/cmd/prune_forecast.h"
#include "tools/cmd/prune_match.h"
#include "tools/cmd/result.h"

/* The masks of one go. */
struct prune {
	ps_session *session;
	const ps_prune_args *const *args; /* (count) */
	size_t count;
	ps_prune_target *targets; /* (count) */
	ps_prune_inputs in;
};

static int open_output(const struct prune *p, size_t index)
{
	const ps_prune_args *args = p->args[index];
	ps_prune_target *t = &p->targets[index];
	ps_diag *diag = &p->session->diag;
	const ps_text_list inputs = {7,
				     {args->model, args->tokens, args->stats, args->like,
				      args->match_ppl, args->text, args->assume}};
	int rc = ps_output_open(&t->output, args->out,
				ps_prune_plan_rounds(&t->plan) ? "rounding" : "mask", args->replace,
				diag);

	return rc ? rc : ps_output_keep_off_all(&t->output, &inputs, diag);
}

/* Several masks come from one go where a method is able to. */
static int check_sweep(const struct prune *p)
{
	const ps_prune_plan *plan = &p->targets[0].plan;
	const bool able = plan->method == PS_PRUNE_MAGNITUDE || plan->method == PS_PRUNE_WANDA;

	if (p->count == 1 || (able && !plan->options.m && !plan->match && !p->args[0]->assume))
		return 0;
	return ps_fail(&p->session->diag, PS_EUSAGE,
		       "several sparsities go with --method magnitude or wanda, and not with --nm, "
		       "--match-ppl or --assume");
}

/* Everything that can be refused before work begins. */
static int open_prune(struct prune *p)
{
	int rc = 0;

	p->targets = calloc(p->count, sizeof *p->targets);
	if (!p->targets)
		return ps_fail(&p->session->diag, PS_EBUDGET, "no memory for %zu masks", p->count);
	for (size_t i = 0; i < p->count && !rc; i++) {
		rc = ps_prune_plan_make(p->args[i], &p->targets[i].plan, &p->session->diag);
		if (!rc)
			rc = open_output(p, i);
	}
	if (!rc)
		rc = check_sweep(p);
	if (!rc)
		rc = ps_prune_open(&p->in, p->session, p->args[0], &p->targets[0].plan);
	return rc ? rc
		  : ps_prune_plan_check(&p->targets[0].plan, p->in.engine.config,
					&p->session->diag);
}

/* Makes the masks that are not there yet. */
static int make_masks(struct prune *p)
{
	ps_prune_target *wanted[PS_LIST_MAX];
	char folder[PATH_MAX];
	ps_engine_need need;
	size_t count = 0;
	int rc = 0;

	for (size_t i = 0; i < p->count && !rc; i++) {
		rc = ps_prune_find(&p->in, &p->targets[i]);
		if (!p->targets[i].done)
			wanted[count++] = &p->targets[i];
	}
	if (rc || !count)
		return rc;
	need = ps_prune_need(&p->in, wanted[0], count, folder);
	rc = ps_engine_start(&p->in.engine, &need);
	return rc ? rc : ps_prune_masks(&p->in, wanted, count);
}

static json_t *make_result(const ps_prune_target *t, const ps_model_config *config)
{
	const ps_rounding_rule *rule = ps_prune_plan_rounds(&t->plan);
	const ps_edit_totals *totals = &t->totals;
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
static int run_match(struct prune *p, json_t **result)
{
	ps_prune_target *t = &p->targets[0];
	json_t *masks;
	int rc = ps_prune_match(&p->in, &t->plan, p->args[0], &t->output, &t->totals, result);

	if (rc || p->args[0]->dry_run)
		return rc;
	masks = make_result(t, p->in.engine.config);
	rc = json_object_update(*result, masks) ? PS_EBUDGET : 0;
	json_decref(masks);
	return rc ? ps_fail(&p->session->diag, rc, "no memory for the result") : 0;
}

static int run(struct prune *p, json_t **results)
{
	int rc;

	if (p->targets[0].plan.match)
		return run_match(p, results);
	if (p->args[0]->dry_run)
		return ps_prune_forecast(&p->in, &p->targets[0], p->count, results);
	rc = make_masks(p);
	for (size_t i = 0; i < p->count && !rc; i++)
		rc = ps_result_set(&results[i], make_result(&p->targets[i], p->in.engine.config),
				   &p->session->diag);
	return rc;
}

int ps_run_prune(ps_session *s, const ps_prune_args *const *args, size_t count, json_t **results)
{
	struct prune p = {.session = s, .args = args, .count = count};
	int rc = open_prune(&p);

	if (!rc)
		rc = run(&p, results);
	ps_prune_close(&p.in);
	free(p.targets);
	return rc;
}
