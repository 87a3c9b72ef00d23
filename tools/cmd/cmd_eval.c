/* eval: how well an SAE reconstructs the rows of a cache, or, with a model, what the model's loss
 * becomes when the reconstruction takes the place of the residual stream. */
#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/row_filter.h"
#include "sae/evaluate.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/norm_factor.h"
#include "tools/cmd/result.h"
#include "tools/cmd/splice.h"
#include "tools/engine/forecast.h"
#include "tools/engine/meter.h"
#include "tools/train/origin.h"

#define SPLICE_ROWS ((size_t)512) /* rows encoded and decoded at a time */

/* --- the result --- */

static json_t *density_json(const ps_evaluation *v)
{
	double edges[PS_DENSITY_BINS];

	for (int bin = 0; bin < PS_DENSITY_BINS; bin++)
		edges[bin] = ps_density_edge(bin);
	return json_pack("{s:o, s:o}", "log10_from", ps_numbers_json(edges, PS_DENSITY_BINS),
			 "latents", ps_integers_json(v->density, PS_DENSITY_BINS));
}

static json_t *evaluation_json(const ps_evaluation *v)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rows",
			 (json_int_t)v->rows, "explained_variance",
			 ps_number_json(v->explained_variance), "explained_variance_legacy",
			 ps_number_json(v->explained_variance_legacy), "explained_variance_centred",
			 ps_number_json(v->explained_variance_centred), "fvu",
			 ps_number_json(v->fvu), "l0", ps_number_json(v->l0), "dead_fraction",
			 ps_number_json(v->dead_fraction), "cosine", ps_number_json(v->cosine),
			 "norm_ratio", ps_number_json(v->norm_ratio), "relative_bias",
			 ps_number_json(v->relative_bias), "density", density_json(v));
}

/* --- on a cache --- */

struct cache_run {
	ps_session *s;
	const ps_eval_args *args;
	ps_sae shape;
	size_t sae_bytes;
	ps_sae_folder sae;
	ps_cache cache;
	ps_row_list rows; /* that count */
	ps_arena arena;
};

static int open_cache(struct cache_run *r)
{
	const ps_eval_args *args = r->args;
	ps_diag *diag = &r->s->diag;
	int rc = ps_sae_folder_measure(args->sae, &r->shape, &r->sae_bytes, diag);

	if (!rc)
		rc = ps_cache_open(&r->cache, &ps_sys_linux, args->cache, ps_session_verify(r->s),
				   diag);
	if (!rc)
		rc = ps_sae_check_width(&r->shape, args->sae, r->cache.source.width, args->cache,
					diag);
	if (!rc)
		rc = ps_origin_check_cache(r->s, args->sae, &r->cache, args->cache, PS_MASK_TOLD);
	return rc ? rc : ps_rows_that_count(&r->cache, args->keep_special, &r->rows, diag);
}

static int take_memory(struct cache_run *r)
{
	const size_t bytes = ps_evaluate_bytes(&r->shape, r->s->threads);
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};
	int rc;

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "SAE", r->sae_bytes);
	ps_plan_add(&plan, "rows that count", ps_rows_held_bytes(&r->rows));
	ps_plan_add(&plan, "shards' headers", ps_cache_bytes(&r->cache));
	ps_plan_add(&plan, "evaluation", bytes);
	rc = ps_plan_check(&plan, &r->s->diag);
	return rc ? rc : ps_arena_create(&r->arena, bytes, &r->s->diag);
}

/* Picks the rows at the cache's end that --last asks for. */
static int pick_rows(const struct cache_run *r, ps_row_list *kept)
{
	const ps_eval_args *args = r->args;
	const uint64_t last = (uint64_t)args->last;

	*kept = r->rows;
	if (last > kept->count && !args->allow_fewer)
		return ps_fail(&r->s->diag, PS_EINPUT,
			       "%s: %llu rows that count, fewer than the %llu asked for "
			       "(--allow-fewer takes what there is)",
			       args->cache, (unsigned long long)kept->count,
			       (unsigned long long)last);
	if (last && last < kept->count)
		*kept = ps_row_list_part(&r->rows, r->rows.count - last, last);
	return 0;
}

static int evaluate_cache(ps_session *s, const ps_eval_args *args, json_t **result)
{
	struct cache_run r = {.s = s, .args = args};
	ps_evaluation evaluation;
	ps_row_list kept;
	int rc = open_cache(&r);

	if (!rc)
		rc = pick_rows(&r, &kept);
	if (!rc)
		rc = take_memory(&r);
	if (!rc)
		rc = ps_norm_factor_load(s, &r.sae, args->sae, args->norm_cache,
					 args->keep_special);
	if (!rc)
		rc = ps_evaluate_rows(&r.sae.sae, &r.cache.source, &kept, &s->context, &r.arena,
				      &evaluation, NULL);
	if (!rc)
		rc = ps_result_set(result, evaluation_json(&evaluation), &s->diag);
	ps_arena_destroy(&r.arena);
	ps_rows_release(&r.rows);
	ps_cache_close(&r.cache);
	ps_sae_folder_close(&r.sae);
	return rc;
}

/* --- spliced into a model --- */

/* Hidden states of a pass, one of each behind the other in the engine's. */
enum hidden_state {
	BASE,    /* after the SAE's layer */
	CLEAN,   /* BASE through the layers behind */
	CHANGED, /* the reconstruction, or zeros, through the layers behind */
	HIDDEN_STATES
};

/* Every window goes through the layers behind the SAE three times: clean, reconstructed, zeroed. */
enum { VERSIONS = 3 };

struct splice_run {
	ps_splice splice;
	ps_meter meter;
	bool keep_special;
	ps_evaluator *evaluator;
	/* in the engine's arena */
	ps_arena evaluator_room;
	float *x;                           /* (SPLICE_ROWS, D): rows that count */
	size_t *place;                      /* (SPLICE_ROWS): their rows of the pass */
	int32_t *targets;                   /* of a pass */
	double *nll_clean, *nll_other, *kl; /* of a pass */
	/* sums over the predicted tokens */
	double clean, spliced, zero, divergence;
	uint64_t predicted, rows; /* tokens predicted; rows reconstructed */
};

static void lay_out(void *command, size_t pass_tokens, ps_layout *layout)
{
	struct splice_run *r = command;
	const ps_sae *sae = &r->splice.shape;

	r->evaluator_room = ps_engine_room(
		layout, ps_evaluator_bytes(sae, r->splice.engine.session->threads, SPLICE_ROWS));
	r->x = ps_layout_part(layout, SPLICE_ROWS, sae->d_in * sizeof *r->x);
	r->place = ps_layout_part(layout, SPLICE_ROWS, sizeof *r->place);
	r->targets = ps_layout_part(layout, pass_tokens, sizeof *r->targets);
	r->nll_clean = ps_layout_part(layout, pass_tokens, sizeof *r->nll_clean);
	r->nll_other = ps_layout_part(layout, pass_tokens, sizeof *r->nll_other);
	r->kl = ps_layout_part(layout, pass_tokens, sizeof *r->kl);
}

static ps_engine_need need_of(struct splice_run *r)
{
	return (ps_engine_need){.window = r->splice.window,
				.tokens = r->splice.windows * r->splice.window,
				.hidden_copies = HIDDEN_STATES,
				.head = true,
				.lay_out = lay_out,
				.command = r,
				.held_bytes = r->splice.sae_bytes};
}

static int make_evaluator(struct splice_run *r)
{
	return ps_evaluator_create(&r->evaluator, &r->splice.folder.sae,
				   &r->splice.engine.session->context, SPLICE_ROWS, NULL,
				   &r->evaluator_room);
}

static float *hidden_of(const struct splice_run *r, enum hidden_state which)
{
	const ps_engine *e = &r->splice.engine;

	return e->hidden + which * e->pass_tokens * e->config->width;
}

static bool counts(const struct splice_run *r, int32_t id)
{
	return r->keep_special || !ps_config_is_special(r->splice.engine.config, id);
}

/* The next rows that count, from *row on, side by side in r->x; returns their number. */
static size_t collect_rows(struct splice_run *r, const int32_t *ids, size_t rows, size_t *row)
{
	const size_t width = r->splice.shape.d_in;
	const float *base = hidden_of(r, BASE);
	size_t count = 0;

	for (; *row < rows && count < SPLICE_ROWS; ++*row) {
		if (!counts(r, ids[*row]))
			continue;
		memcpy(r->x + count * width, base + *row * width, width * sizeof *r->x);
		r->place[count++] = *row;
	}
	return count;
}

/* CHANGED = the reconstruction of BASE where the token counts, BASE elsewhere. */
static int splice_reconstruction(struct splice_run *r, const int32_t *ids, size_t rows)
{
	const ps_context *context = &r->splice.engine.session->context;
	const size_t width = r->splice.shape.d_in;
	float *changed = hidden_of(r, CHANGED);

	memcpy(changed, hidden_of(r, BASE), rows * width * sizeof *changed);
	for (size_t row = 0; row < rows;) {
		const size_t count = collect_rows(r, ids, rows, &row);
		const float *x_hat;
		int rc = count ? ps_evaluator_add(r->evaluator, r->x, count, &x_hat) : 0;

		if (rc)
			return rc;
		for (size_t i = 0; i < count; i++)
			memcpy(changed + r->place[i] * width, x_hat + i * width,
			       width * sizeof *changed);
		r->rows += count;
		ps_progress_tick(context, "reconstruction", "tok", row, rows);
	}
	return 0;
}

/* CHANGED = 0 where the token counts, BASE elsewhere. */
static void splice_zero(const struct splice_run *r, const int32_t *ids, size_t rows)
{
	const size_t width = r->splice.shape.d_in;
	float *changed = hidden_of(r, CHANGED);

	memcpy(changed, hidden_of(r, BASE), rows * width * sizeof *changed);
	for (size_t i = 0; i < rows; i++)
		if (counts(r, ids[i]))
			memset(changed + i * width, 0, width * sizeof *changed);
}

static double sum(const double *values, size_t count)
{
	double total = 0;

	for (size_t i = 0; i < count; i++)
		total += values[i];
	return total;
}

/* One dense product with the encoder; the decoder's is sparse. */
static double sae_work(const struct splice_run *r, double windows)
{
	return windows * (double)(r->splice.window * r->splice.shape.d_in * r->splice.shape.d_sae);
}

/* From a version's residual stream to what its output head reads. */
static int finish(struct splice_run *r, const ps_windows *windows, enum hidden_state which)
{
	ps_meter_stage(&r->meter, ps_splice_finish_work(&r->splice, (double)windows->count));
	return ps_splice_finish(&r->splice, windows, hidden_of(r, which));
}

/* The clean and the reconstructed version, and how far apart their predictions are. */
static int compare_versions(struct splice_run *r, const ps_windows *windows, size_t rows)
{
	const ps_splice *p = &r->splice;
	ps_engine *e = &r->splice.engine;
	const size_t predicted = windows->count * (r->splice.window - 1);
	float *clean = hidden_of(r, CLEAN), *changed = hidden_of(r, CHANGED);
	int rc;

	memcpy(clean, hidden_of(r, BASE), rows * e->config->width * sizeof *clean);
	ps_meter_stage(&r->meter, sae_work(r, (double)windows->count));
	rc = splice_reconstruction(r, windows->ids, rows);
	if (!rc)
		rc = finish(r, windows, CLEAN);
	if (!rc)
		rc = finish(r, windows, CHANGED);
	ps_meter_stage(&r->meter, 2 * ps_splice_head_work(&r->splice, (double)windows->count));
	if (!rc)
		rc = ps_head_kl(e->head, clean, changed, r->targets, predicted,
				&(ps_head_comparison){r->nll_clean, r->nll_other, r->kl});
	if (!rc)
		rc = ps_splice_check_losses(p, r->nll_clean, windows->first_window, windows->count,
					    "model");
	if (!rc)
		rc = ps_splice_check_losses(p, r->nll_other, windows->first_window, windows->count,
					    "model with the reconstruction");
	if (!rc)
		rc = ps_splice_check_losses(p, r->kl, windows->first_window, windows->count,
					    "comparison (kl)");
	if (rc)
		return rc;
	r->clean += sum(r->nll_clean, predicted);
	r->spliced += sum(r->nll_other, predicted);
	r->divergence += sum(r->kl, predicted);
	return 0;
}

static int measure_zero(struct splice_run *r, const ps_windows *windows, size_t rows)
{
	const size_t predicted = windows->count * (r->splice.window - 1);
	int rc;

	splice_zero(r, windows->ids, rows);
	rc = finish(r, windows, CHANGED);
	ps_meter_stage(&r->meter, ps_splice_head_work(&r->splice, (double)windows->count));
	if (!rc)
		rc = ps_head_nll(r->splice.engine.head, hidden_of(r, CHANGED), r->targets,
				 predicted, r->nll_other);
	if (!rc)
		rc = ps_splice_check_losses(&r->splice, r->nll_other, windows->first_window,
					    windows->count, "model with zeros");
	if (!rc)
		r->zero += sum(r->nll_other, predicted);
	return rc;
}

static int run_pass(struct splice_run *r, size_t first, size_t count)
{
	ps_splice *p = &r->splice;
	const ps_windows windows = ps_engine_windows(&p->engine, &p->tokens, first, count);
	const size_t rows = count * p->window;
	int rc;

	ps_meter_stage(&r->meter, ps_splice_reach_work(p, (double)count));
	rc = ps_splice_reach(p, &windows, hidden_of(r, BASE));
	if (rc)
		return rc;
	for (size_t w = 0; w < count; w++)
		ps_splice_targets(p, first + w, r->targets + w * (p->window - 1));
	rc = compare_versions(r, &windows, rows);
	if (!rc)
		rc = measure_zero(r, &windows, rows);
	r->predicted += count * (p->window - 1);
	return rc;
}

static int run_passes(struct splice_run *r)
{
	ps_splice *p = &r->splice;
	ps_session *s = p->engine.session;
	const size_t per_pass = p->engine.pass_tokens / p->window;
	const double windows = (double)p->windows;
	const ps_meter_plan plan = {"spliced loss", "tok", p->windows * p->window,
				    ps_splice_reach_work(p, windows) + sae_work(r, windows) +
					    VERSIONS * (ps_splice_finish_work(p, windows) +
							ps_splice_head_work(p, windows))};
	int rc = 0;

	ps_meter_begin(&r->meter, &s->context, &plan);
	for (size_t first = 0; first < p->windows && !rc; first += per_pass) {
		rc = run_pass(r, first, ps_min_size(per_pass, p->windows - first));
		if (!rc)
			rc = ps_progress_check(&s->context);
	}
	ps_meter_end(&r->meter);
	return rc;
}

static int splice_sample(void *context)
{
	struct splice_run *r = context;

	return splice_reconstruction(r, r->splice.tokens.ids, r->splice.window);
}

static int dry_run(struct splice_run *r, const ps_engine_need *need, json_t **result)
{
	ps_splice *p = &r->splice;
	const int layers = (int)p->engine.config->layers;
	const double tokens = (double)need->tokens, windows = (double)p->windows;
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &p->engine, need, p->tokens.ids, need->tokens);

	if (!rc)
		rc = make_evaluator(r);
	if (!rc)
		rc = ps_forecast_layers(&f, 0, p->layer, tokens, 1, 1);
	if (!rc)
		rc = ps_forecast_layers(&f, p->layer + 1, layers - 1, VERSIONS * tokens, VERSIONS,
					VERSIONS);
	if (!rc)
		rc = ps_forecast_head(&f, VERSIONS * windows * (double)(p->window - 1), 0);
	if (!rc)
		rc = ps_forecast_add(&f, splice_sample, r, windows);
	return rc ? rc : ps_forecast_end(&f, result);
}

static json_t *splice_json(const struct splice_run *r)
{
	const double n = (double)r->predicted, clean = r->clean / n, spliced = r->spliced / n,
		     zero = r->zero / n;
	ps_evaluation evaluation;
	json_t *result;

	ps_evaluator_conclude(r->evaluator, &evaluation, NULL);
	result = evaluation_json(&evaluation);
	if (result &&
	    json_object_update_new(
		    result,
		    json_pack("{s:o, s:o, s:o, s:o, s:o, s:I}", "ce_clean", ps_number_json(clean),
			      "ce_sae", ps_number_json(spliced), "ce_zero", ps_number_json(zero),
			      "ce_recovered", ps_number_json((zero - spliced) / (zero - clean)),
			      "kl", ps_number_json(r->divergence / n), "predicted",
			      (json_int_t)r->predicted))) {
		json_decref(result);
		return NULL;
	}
	return result;
}

static int evaluate_model(ps_session *s, const ps_eval_args *args, json_t **result)
{
	const ps_splice_inputs inputs = {.sae = args->sae,
					 .model = args->model,
					 .mask = args->mask,
					 .changed_from = args->changed_from,
					 .tokens = args->tokens,
					 .norm_cache = args->norm_cache,
					 .keep_special = args->keep_special,
					 .layer = args->layer,
					 .windows = args->windows,
					 .allow_fewer = args->allow_fewer};
	struct splice_run r = {.keep_special = args->keep_special};
	ps_engine_need need;
	int rc = ps_splice_open(&r.splice, s, &inputs);

	if (rc)
		goto out;
	need = need_of(&r);
	rc = ps_splice_load(&r.splice, &need);
	if (rc)
		goto out;
	if (args->dry_run) {
		rc = dry_run(&r, &need, result);
		goto out;
	}
	rc = ps_engine_start(&r.splice.engine, &need);
	if (!rc)
		rc = make_evaluator(&r);
	if (!rc)
		rc = run_passes(&r);
	if (!rc && !r.rows)
		rc = ps_fail(&s->diag, PS_EINPUT, "%s has no tokens besides BOS, EOS and PAD",
			     args->tokens);
	if (!rc)
		rc = ps_result_set(result, splice_json(&r), &s->diag);
out:
	ps_splice_close(&r.splice);
	return rc;
}

int ps_run_eval(ps_session *s, const ps_eval_args *args, json_t **result)
{
	return args->cache ? evaluate_cache(s, args, result) : evaluate_model(s, args, result);
}
