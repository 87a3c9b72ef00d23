/* ppl: perplexity over strided windows (ppl_score.h), of a model under one or several masks.
 *
 * A model whose numbers overflow on the way still gets a result: ppl and nll are null, and
 * windows_not_finite counts the windows whose loss is not finite. The command then fails. */
#include <math.h>

#include "tools/cmd/ppl_score.h"
#include "tools/cmd/result.h"

/* The perplexities of one go. */
struct ppl {
	const ps_ppl_args *const *args; /* (count) */
	size_t count;
	ps_engine engine;
	ps_variants variants; /* (count) */
	ps_ppl score;
};

/* --- the result --- */

/* window_nll and window_tokens: sums and counts of every window. */
static int add_windows(const ps_ppl *r, const double *window_nll, json_t *result)
{
	json_t *counts = json_array();
	int failed = !counts;

	for (size_t i = 0; i < r->window_count && !failed; i++)
		failed = json_array_append_new(
			counts,
			json_integer((json_int_t)(r->windows[i].end - r->windows[i].scored)));
	failed |= json_object_set_new(result, "window_tokens", counts);
	return failed | json_object_set_new(result, "window_nll",
					    ps_numbers_json(window_nll, r->window_count));
}

/* The windows whose loss is not finite. *first: the first of them. */
static size_t count_not_finite(const ps_ppl *r, const double *window_nll, size_t *first)
{
	size_t count = 0;

	for (size_t i = r->window_count; i-- > 0;)
		if (!isfinite(window_nll[i])) {
			count++;
			*first = i;
		}
	return count;
}

/* A perplexity beyond the range of a double is null; nll is there all the same. */
static json_t *make_result(const ps_ppl *r, size_t variant, size_t not_finite)
{
	const double nll = ps_ppl_nll(r, variant);
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
		failed |= add_windows(r, ps_ppl_window_nll(r, variant), result);
	if (!failed)
		return result;
	json_decref(result);
	return NULL;
}

/* The results are handed over also where the losses are not finite. The first such model is
 * named. */
static int conclude(const struct ppl *p, json_t **results)
{
	const ps_ppl *r = &p->score;
	ps_diag *diag = &p->engine.session->diag;
	int rc = 0, failed = 0;

	for (size_t v = 0; v < p->count && !rc; v++) {
		size_t first = 0, not_finite = count_not_finite(r, ps_ppl_window_nll(r, v), &first);
		const char *mask = p->args[v]->mask;

		rc = ps_result_set(&results[v], make_result(r, v, not_finite), diag);
		if (rc || !not_finite || failed)
			continue;
		failed = ps_fail(
			diag, PS_EFAILED,
			"%s%s%s: the model overflows: the loss of %zu of %zu windows is not "
			"finite, first of window %zu (tokens %zu to %zu of the text)",
			p->args[v]->model, mask ? " under " : "", mask ? mask : "", not_finite,
			r->window_count, first, r->windows[first].begin, r->windows[first].end - 1);
	}
	return rc ? rc : failed;
}

/* --- the command --- */

static int open_ppl(struct ppl *p, ps_session *s)
{
	int rc = ps_ppl_check_args(p->args[0], &s->diag);

	if (!rc)
		rc = ps_engine_open(&p->engine, s, p->args[0]->model, NULL);
	if (!rc)
		rc = ps_variants_open(&p->variants, &p->engine, p->count);
	for (size_t v = 0; v < p->count && !rc; v++)
		rc = ps_variant_open(&p->variants, v, p->args[v]->mask);
	return rc ? rc : ps_ppl_open(&p->score, &p->variants, p->args[0]);
}

static int dry_run(struct ppl *p, const ps_engine_need *need, json_t **result)
{
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &p->engine, need, p->score.text.ids, p->score.text.count);

	if (!rc)
		rc = ps_ppl_forecast(&p->score, &f, 1);
	return rc ? rc : ps_forecast_end(&f, result);
}

static int run(struct ppl *p, json_t **results)
{
	const ps_engine_need need = ps_ppl_need(&p->score);
	int rc;

	if (p->args[0]->dry_run)
		return dry_run(p, &need, results);
	rc = ps_engine_start(&p->engine, &need);
	if (rc)
		return rc;
	ps_ppl_list(&p->score);
	rc = ps_ppl_score(&p->score);
	return rc ? rc : conclude(p, results);
}

int ps_run_ppl(ps_session *s, const ps_ppl_args *const *args, size_t count, json_t **results)
{
	struct ppl p = {.args = args, .count = count};
	int rc = open_ppl(&p, s);

	if (!rc)
		rc = run(&p, results);
	ps_ppl_close(&p.score);
	ps_variants_close(&p.variants);
	ps_engine_close(&p.engine);
	return rc;
}
