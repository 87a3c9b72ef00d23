/* ppl: perplexity over strided windows (ppl_score.h).
 *
 * A model whose numbers overflow on the way still gets a result: ppl and nll are null, and
 * windows_not_finite counts the windows whose loss is not finite. The command then fails. */
#include <math.h>

#include "tools/cmd/ppl_score.h"
#include "tools/cmd/result.h"

/* --- the result --- */

/* window_nll and window_tokens: sums and counts of every window. */
static int add_windows(const ps_ppl *r, json_t *result)
{
	json_t *counts = json_array();
	int failed = !counts;

	for (size_t i = 0; i < r->window_count && !failed; i++)
		failed = json_array_append_new(
			counts,
			json_integer((json_int_t)(r->windows[i].end - r->windows[i].scored)));
	failed |= json_object_set_new(result, "window_tokens", counts);
	return failed | json_object_set_new(result, "window_nll",
					    ps_numbers_json(r->window_nll, r->window_count));
}

/* The windows whose loss is not finite. *first: the first of them. */
static size_t count_not_finite(const ps_ppl *r, size_t *first)
{
	size_t count = 0;

	for (size_t i = r->window_count; i-- > 0;)
		if (!isfinite(r->window_nll[i])) {
			count++;
			*first = i;
		}
	return count;
}

/* A perplexity beyond the range of a double is null; nll is there all the same. */
static json_t *make_result(const ps_ppl *r, size_t not_finite)
{
	const double nll = ps_ppl_nll(r);
	json_t *result;
	int failed = 0;

	result = json_pack("{s:o, s:o, s:I, s:I, s:s}", "ppl", ps_number_json(exp(nll)), "nll",
			   ps_number_json(nll), "tokens", (json_int_t)r->text.count, "windows",
			   (json_int_t)r->window_count, "backend",
			   ps_checkpoint_backend(r->engine->checkpoint));
	if (not_finite)
		failed = json_object_set_new(result, "windows_not_finite",
					     json_integer((json_int_t)not_finite));
	if (r->args->per_window)
		failed |= add_windows(r, result);
	if (!failed)
		return result;
	json_decref(result);
	return NULL;
}

/* The result is handed over also where the losses are not finite. */
static int conclude(const ps_ppl *r, json_t **result)
{
	size_t first = 0, not_finite = count_not_finite(r, &first);
	int rc = ps_result_set(result, make_result(r, not_finite), &r->engine->session->diag);

	if (rc || !not_finite)
		return rc;
	return ps_fail(&r->engine->session->diag, PS_EFAILED,
		       "%s: the model overflows: the loss of %zu of %zu windows is not finite, "
		       "first of window %zu (tokens %zu to %zu of the text)",
		       r->args->model, not_finite, r->window_count, first, r->windows[first].begin,
		       r->windows[first].end - 1);
}

/* --- the command --- */

static int dry_run(ps_ppl *r, const ps_engine_need *need, json_t **result)
{
	ps_forecast f;
	int rc = ps_forecast_begin(&f, r->engine, need, r->text.ids, r->text.count);

	if (!rc)
		rc = ps_ppl_forecast(r, &f, 1);
	return rc ? rc : ps_forecast_end(&f, result);
}

int ps_run_ppl(ps_session *s, const ps_ppl_args *args, json_t **result)
{
	ps_engine engine = {0};
	ps_ppl r = {0};
	ps_engine_need need;
	int rc = ps_ppl_check_args(args, &s->diag);

	if (rc)
		return rc;
	rc = ps_engine_open(&engine, s, args->model, args->mask);
	if (!rc)
		rc = ps_ppl_open(&r, &engine, args);
	if (rc)
		goto out;
	need = ps_ppl_need(&r);
	if (args->dry_run) {
		rc = dry_run(&r, &need, result);
		goto out;
	}
	rc = ps_engine_start(&engine, &need);
	if (rc)
		goto out;
	ps_ppl_list(&r);
	rc = ps_ppl_score(&r);
	if (!rc)
		rc = conclude(&r, result);
out:
	ps_engine_close(&engine);
	ps_ppl_close(&r);
	return rc;
}
