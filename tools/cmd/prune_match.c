/* The bits of the sparsity that is tried are in memory, an eighth of a byte a weight. Reference,
 * dense model and candidates are one variant of the engine's model, whose edits change. */
#include "tools/cmd/prune_match.h"

#include <math.h>
#include <string.h>

#include "core/base/digest.h"
#include "tools/cmd/ppl_score.h"
#include "tools/cmd/prune_forecast.h"
#include "tools/cmd/result.h"

/* What is done to the weights. */
typedef enum edited { DENSE, REFERENCE, CANDIDATE } edited;

struct match {
	ps_prune_inputs *in;
	ps_prune_plan plan; /* with the sparsity that is tried */
	ps_ppl_args ppl_args;
	ps_ppl ppl;
	ps_edit_file reference;
	bool opened; /* the reference */
	edited now;
	ps_variants variants; /* one */
	uint8_t *bits;        /* of all projections of the candidate, in order */
	int evaluations;
	double reference_nll, dense_nll, nll; /* nll: of the candidate */
};

/* --- the edits of the moment --- */

/* Where a projection's bits begin. */
static uint8_t *bits_of(const struct match *m, int layer, ps_projection projection)
{
	const ps_model_config *config = m->in->engine.config;
	size_t layer_bytes = (size_t)(ps_edit_data_bytes(config, NULL) / config->layers), rows,
	       cols;
	uint8_t *bits = m->bits + (size_t)layer * layer_bytes;

	for (int p = 0; p < (int)projection; p++) {
		ps_projection_shape(config, (ps_projection)p, &rows, &cols);
		bits += rows * ps_bitmap_row_bytes(cols);
	}
	return bits;
}

static ps_edit edit_of(const void *self, int layer, ps_projection projection)
{
	const struct match *m = self;

	switch (m->now) {
	case REFERENCE:
		return ps_edit_file_find(&m->reference, layer, projection);
	case CANDIDATE:
		return (ps_edit){.keep = bits_of(m, layer, projection)};
	default:
		return (ps_edit){0};
	}
}

/* --- one evaluation --- */

static int evaluate(struct match *m, edited now, double *nll)
{
	int rc;

	m->now = now;
	m->evaluations++;
	rc = ps_ppl_score(&m->ppl);
	*nll = rc ? 0 : ps_ppl_nll(&m->ppl, 0);
	if (!isfinite(*nll))
		*nll = INFINITY;
	return rc;
}

static int keep_bits(void *self, int layer, ps_projection projection, const ps_bitmap *mask,
		     uint64_t dropped)
{
	const struct match *m = self;

	(void)dropped;
	memcpy(bits_of(m, layer, projection), mask->bits,
	       mask->rows * ps_bitmap_row_bytes(mask->cols));
	return 0;
}

static int try_sparsity(struct match *m, double sparsity)
{
	const ps_mask_sink sink = {m, keep_bits};
	const ps_prune_sinks sinks = {.masks = {.count = 1, .sparsity = &sparsity, .sink = &sink}};
	ps_session *s = m->in->engine.session;
	int rc;

	m->plan.options.sparsity = sparsity;
	rc = ps_prune_compute(m->in, &m->plan, &sinks);
	if (!rc)
		rc = evaluate(m, CANDIDATE, &m->nll);
	if (!rc)
		ps_session_say(s, "sparsity %.7g: %.4f nats a token; the reference has %.4f",
			       sparsity, m->nll, m->reference_nll);
	return rc;
}

static bool within(const struct match *m, double nll)
{
	return fabs(nll - m->reference_nll) <= m->plan.tolerance;
}

/* --- the search --- */

static int bisect(struct match *m)
{
	double low = 0, high = 1, nearest = 0, nearest_nll = m->dense_nll;
	int rc = 0;

	for (int i = 0; i < PS_MATCH_TRIES; i++) {
		const double sparsity = (low + high) / 2;

		rc = ps_progress_check(&m->in->engine.session->context);
		if (!rc)
			rc = try_sparsity(m, sparsity);
		if (rc || within(m, m->nll))
			return rc;
		if (fabs(m->nll - m->reference_nll) < fabs(nearest_nll - m->reference_nll)) {
			nearest = sparsity;
			nearest_nll = m->nll;
		}
		*(m->nll < m->reference_nll ? &low : &high) = sparsity;
	}
	if (m->plan.nearest)
		return try_sparsity(m, nearest);
	return ps_fail(
		&m->in->engine.session->diag, PS_EFAILED,
		"%s: none of %d sparsities has its %.6f nats a token within %g: the nearest, "
		"%.7g, has %.6f",
		m->reference.file.path, PS_MATCH_TRIES, m->reference_nll, m->plan.tolerance,
		nearest, nearest_nll);
}

static int search(struct match *m)
{
	ps_diag *diag = &m->in->engine.session->diag;
	int rc = evaluate(m, REFERENCE, &m->reference_nll);

	if (!rc && !isfinite(m->reference_nll))
		return ps_fail(diag, PS_EFAILED, "%s: the loss of the model under it is not finite",
			       m->reference.file.path);
	if (!rc)
		rc = evaluate(m, DENSE, &m->dense_nll);
	if (rc)
		return rc;
	if (within(m, m->dense_nll) || (m->plan.nearest && m->dense_nll > m->reference_nll))
		return try_sparsity(m, 0);
	if (m->dense_nll > m->reference_nll)
		return ps_fail(diag, PS_EFAILED,
			       "%s: the model has %.6f nats a token under it, and %.6f without: "
			       "pruning does not lower them",
			       m->reference.file.path, m->reference_nll, m->dense_nll);
	return bisect(m);
}

/* --- the files --- */

static int open_match(struct match *m, const ps_prune_args *args)
{
	ps_engine *e = &m->in->engine;
	int rc;

	m->ppl_args = (ps_ppl_args){.model = args->model,
				    .text = args->text,
				    .window = args->window,
				    .stride = args->stride,
				    .max_tokens = args->max_tokens};
	rc = ps_ppl_check_args(&m->ppl_args, &e->session->diag);
	if (!rc)
		rc = ps_engine_open_mask(e, args->match_ppl, &m->reference);
	m->opened = !rc;
	if (!rc)
		rc = ps_variants_open(&m->variants, e, 1);
	if (!rc)
		rc = ps_ppl_open(&m->ppl, &m->variants, &m->ppl_args);
	if (rc)
		return rc;
	m->variants.item[0].edits = (ps_edit_lookup){m, edit_of};
	m->in->match = &m->reference;
	m->in->text_digest =
		ps_digest_of(m->ppl.text.ids, m->ppl.text.count * sizeof *m->ppl.text.ids);
	return 0;
}

static ps_engine_need need_of(struct match *m)
{
	ps_engine_need need = ps_ppl_need(&m->ppl);

	need.extra_bytes = 2 * PS_ALIGN + ps_prune_method_bytes(m->in, &m->plan, 1) +
			   (size_t)ps_edit_data_bytes(m->in->engine.config, NULL);
	return need;
}

/* The most that the search may take: all of its tries. */
static int forecast(struct match *m, const ps_engine_need *need, const char *out, json_t **result)
{
	const ps_model_config *config = m->in->engine.config;
	ps_prune_plan plan = m->plan;
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &m->in->engine, need, m->ppl.text.ids, m->ppl.text.count);

	plan.options.sparsity = 0.5;
	if (!rc)
		rc = ps_ppl_forecast(&m->ppl, &f, PS_MATCH_TRIES + 2);
	for (int i = 0; i < PS_MATCH_TRIES && !rc; i++)
		rc = ps_prune_forecast_masks(&f, m->in, &plan, 1);
	if (rc)
		return rc;
	ps_forecast_write(&f, out, ps_edit_data_bytes(config, NULL), 1);
	return ps_forecast_end(&f, result);
}

static json_t *describe(const struct match *m)
{
	return json_pack("{s:o, s:b, s:o, s:o, s:o, s:i, s:I}", "sparsity",
			 ps_number_json(m->plan.options.sparsity), "matched", within(m, m->nll),
			 "nll", ps_number_json(m->nll), "reference_nll",
			 ps_number_json(m->reference_nll), "dense_nll",
			 ps_number_json(m->dense_nll), "evaluations", m->evaluations, "tokens",
			 (json_int_t)m->ppl.text.count);
}

static int write_mask(const struct match *m, const char *path, json_t *match,
		      ps_edit_totals *totals)
{
	const ps_model_config *config = m->in->engine.config;
	ps_diag *diag = &m->in->engine.session->diag;
	ps_edit_writer *writer;
	int rc = ps_prune_begin(m->in, &m->plan, path, match, &writer);

	if (rc)
		return rc;
	for (size_t i = 0; i < config->layers * PS_PROJECTIONS && !rc; i++) {
		const int layer = (int)(i / PS_PROJECTIONS);
		const ps_projection p = (ps_projection)(i % PS_PROJECTIONS);
		ps_bitmap b = {.bits = bits_of(m, layer, p)};

		ps_projection_shape(config, p, &b.rows, &b.cols);
		rc = ps_edit_writer_add(writer, layer, p, &b, diag);
	}
	if (!rc)
		return ps_edit_writer_commit(writer, totals, diag);
	ps_edit_writer_abort(writer);
	return rc;
}

/* Whether the mask is there already. *match: what its metadata says of it, a new reference. */
static int find_done(const struct match *m, const ps_output *output, bool *done, json_t **match,
		     ps_edit_totals *totals)
{
	ps_session *s = m->in->engine.session;
	json_t *provenance = ps_prune_provenance(m->in, &m->plan);
	ps_safetensors found;
	int rc = ps_json_check(provenance, &s->diag);

	if (!rc)
		rc = ps_output_find(output, provenance, s, done, &found);
	json_decref(provenance);
	if (rc || !*done)
		return rc;
	*totals = ps_edit_file_totals(&found);
	*match = ps_json_copy(json_object_get(found.metadata, "match"));
	ps_safetensors_close(&found);
	return ps_json_check(*match, &s->diag);
}

static int make_mask(struct match *m, const ps_engine_need *need, const ps_output *output,
		     ps_edit_totals *totals, json_t **match)
{
	ps_engine *e = &m->in->engine;
	int rc = ps_engine_start(e, need);

	if (rc)
		return rc;
	m->bits = ps_arena_take(&e->arena, (size_t)ps_edit_data_bytes(e->config, NULL));
	ps_ppl_list(&m->ppl);
	rc = search(m);
	if (rc)
		return rc;
	*match = describe(m);
	rc = ps_json_check(*match, &e->session->diag);
	return rc ? rc : write_mask(m, output->path, *match, totals);
}

int ps_prune_match(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_prune_args *args,
		   const ps_output *output, ps_edit_totals *totals, json_t **result)
{
	struct match m = {.in = in, .plan = *plan};
	ps_engine_need need;
	bool done = false;
	int rc = open_match(&m, args);

	if (rc)
		goto out;
	need = need_of(&m);
	if (args->dry_run)
		rc = forecast(&m, &need, args->out, result);
	else
		rc = find_done(&m, output, &done, result, totals);
	if (!rc && !done && !args->dry_run)
		rc = make_mask(&m, &need, output, totals, result);
out:
	in->match = NULL;
	if (m.opened)
		ps_edit_file_close(&m.reference);
	ps_ppl_close(&m.ppl);
	ps_variants_close(&m.variants);
	return rc;
}
