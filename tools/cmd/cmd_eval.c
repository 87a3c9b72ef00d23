/* eval: reconstruction on a cache, or with a model the loss when the reconstruction is spliced in. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/row_filter.h"
#include "sae/evaluate.h"
#include "tools/cmd/commands.h"
#include "tools/engine/forecast.h"
#include "tools/train/sae_folder.h"

#define SPLICE_ROWS ((size_t)512) /* rows encoded and decoded at a time */

/* null where the data do not define a number. */
static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *density_json(const ps_evaluation *v)
{
	json_t *edges = json_array(), *latents = json_array();

	for (int bin = 0; bin < PS_DENSITY_BINS; bin++) {
		json_array_append_new(edges, json_real(ps_density_edge(bin)));
		json_array_append_new(latents, json_integer((json_int_t)v->density[bin]));
	}
	return json_pack("{s:o, s:o}", "log10_from", edges, "latents", latents);
}

static json_t *evaluation_json(const ps_evaluation *v)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rows",
			 (json_int_t)v->rows, "explained_variance", number(v->explained_variance),
			 "explained_variance_legacy", number(v->explained_variance_legacy),
			 "explained_variance_centred", number(v->explained_variance_centred), "fvu",
			 number(v->fvu), "l0", number(v->l0), "dead_fraction",
			 number(v->dead_fraction), "cosine", number(v->cosine), "norm_ratio",
			 number(v->norm_ratio), "relative_bias", number(v->relative_bias),
			 "density", density_json(v));
}

static int check_width(ps_session *s, const ps_sae_folder *sae, const char *path, size_t width)
{
	if (sae->sae.d_in != width)
		return ps_fail(&s->diag, PS_EINPUT,
			       "%s takes rows of width %zu, these are %zu wide: it belongs to "
			       "another model",
			       path, sae->sae.d_in, width);
	return 0;
}

static int evaluate_cache(ps_session *s, const ps_eval_args *args, const ps_sae_folder *sae,
			  json_t **result)
{
	ps_cache cache;
	ps_row_list rows = {0}, kept;
	ps_arena arena = {0};
	ps_plan plan = {.limit_bytes = s->memory_bytes};
	ps_evaluation evaluation;
	int rc = ps_cache_open(&cache, &ps_sys_linux, args->cache, &s->diag);

	if (rc)
		return rc;
	rc = check_width(s, sae, args->sae, cache.source.width);
	if (!rc)
		rc = ps_rows_that_count(&cache, args->keep_special, &rows, &s->diag);
	kept = rows;
	if (args->last && (uint64_t)args->last < rows.count)
		kept = ps_row_list_part(&rows, rows.count - (uint64_t)args->last,
					(uint64_t)args->last);
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "SAE", sae->arena.size_bytes);
	ps_plan_add(&plan, "rows that count", ps_rows_held_bytes(&rows));
	ps_plan_add(&plan, "shards' headers", ps_cache_bytes(&cache));
	ps_plan_add(&plan, "evaluation", ps_evaluate_bytes(&sae->sae, s->threads));
	if (!rc)
		rc = ps_plan_check(&plan, &s->diag);
	if (!rc)
		rc = ps_arena_create(&arena, ps_evaluate_bytes(&sae->sae, s->threads), &s->diag);
	if (!rc)
		rc = ps_evaluate_rows(&sae->sae, &cache.source, &kept, &s->context, &arena,
				      &evaluation, NULL);
	if (!rc)
		*result = evaluation_json(&evaluation);
	ps_arena_destroy(&arena);
	ps_rows_release(&rows);
	ps_cache_close(&cache);
	return rc;
}

/* Everything of a spliced evaluation. Three hidden states per token of a pass: the layer's, clean, changed. */
struct splice {
	ps_engine engine;
	size_t sae_bytes;
	ps_token_file tokens;
	const ps_sae *sae;
	bool keep_special;
	int layer;
	size_t windows;
	ps_evaluator *evaluator;
	float *x;                           /* (SPLICE_ROWS, D): rows that count */
	size_t *place;                      /* (SPLICE_ROWS): of a pass */
	int32_t *targets;                   /* of a pass */
	double *nll_clean, *nll_other, *kl; /* of a pass */
	/* sums */
	double clean, spliced, zero, divergence;
	uint64_t predicted, rows;
};

static bool counts(const struct splice *p, int32_t id)
{
	return p->keep_special || !ps_config_is_special(p->engine.config, id);
}

/* The next rows that count, from *row on, side by side in p->x; returns their number. */
static size_t collect_rows(struct splice *p, const int32_t *ids, const float *base, size_t rows,
			   size_t *row)
{
	const size_t width = p->sae->d_in;
	size_t count = 0;

	for (; *row < rows && count < SPLICE_ROWS; ++*row) {
		if (!counts(p, ids[*row]))
			continue;
		memcpy(p->x + count * width, base + *row * width, width * sizeof(float));
		p->place[count++] = *row;
	}
	return count;
}

/* changed = reconstruction of base where the token counts, base elsewhere. */
static int splice_reconstruction(struct splice *p, const int32_t *ids, const float *base,
				 float *changed, size_t rows)
{
	const size_t width = p->sae->d_in;

	memcpy(changed, base, rows * width * sizeof(float));
	for (size_t row = 0; row < rows;) {
		const size_t count = collect_rows(p, ids, base, rows, &row);
		const float *x_hat;
		int rc = count ? ps_evaluator_add(p->evaluator, p->x, count, &x_hat) : 0;

		if (rc)
			return rc;
		for (size_t i = 0; i < count; i++)
			memcpy(changed + p->place[i] * width, x_hat + i * width,
			       width * sizeof(float));
		p->rows += count;
	}
	return 0;
}

static void splice_zero(const struct splice *p, const int32_t *ids, const float *base,
			float *changed, size_t rows)
{
	size_t width = p->sae->d_in;

	for (size_t i = 0; i < rows; i++) {
		if (counts(p, ids[i]))
			memset(changed + i * width, 0, width * sizeof(float));
		else
			memcpy(changed + i * width, base + i * width, width * sizeof(float));
	}
}

/* The layers behind the spliced one, then the rows whose next id is known, packed to the front. */
static int finish_forward(struct splice *p, const ps_windows *windows, float *hidden)
{
	ps_engine *e = &p->engine;
	size_t width = e->config->width, window = p->tokens.window, kept = 0;
	int last = (int)e->config->layers - 1;
	int rc = p->layer < last ? ps_forward_layers(e->forward, p->layer + 1, last, p->layer + 1,
						     windows, hidden, NULL, NULL)
				 : 0;

	for (size_t w = 0; w < windows->count && !rc; w++, kept += window - 1)
		memmove(hidden + kept * width, hidden + w * window * width,
			(window - 1) * width * sizeof(float));
	return rc;
}

static double sum(const double *values, size_t count)
{
	double total = 0;

	for (size_t i = 0; i < count; i++)
		total += values[i];
	return total;
}

static int run_pass(struct splice *p, size_t first, size_t count)
{
	ps_engine *e = &p->engine;
	ps_windows windows = ps_engine_windows(e, &p->tokens, first, count);
	size_t window = p->tokens.window, rows = count * window, width = e->config->width,
	       predicted = count * (window - 1);
	float *base = e->hidden, *clean = base + e->pass_tokens * width,
	      *changed = clean + e->pass_tokens * width;
	int rc = ps_forward_embed(e->forward, &windows, base);

	if (!rc)
		rc = ps_forward_layers(e->forward, 0, p->layer,
				       p->layer + 1 < (int)e->config->layers ? p->layer + 1 : -1,
				       &windows, base, NULL, NULL);
	if (rc)
		return rc;
	for (size_t w = 0; w < count; w++)
		memcpy(p->targets + w * (window - 1), windows.ids + w * window + 1,
		       (window - 1) * sizeof(int32_t));
	memcpy(clean, base, rows * width * sizeof(float));
	rc = splice_reconstruction(p, windows.ids, base, changed, rows);
	if (!rc)
		rc = finish_forward(p, &windows, clean);
	if (!rc)
		rc = finish_forward(p, &windows, changed);
	if (!rc)
		rc = ps_head_kl(e->head, clean, changed, p->targets, predicted, p->nll_clean,
				p->nll_other, p->kl);
	if (rc)
		return rc;
	p->clean += sum(p->nll_clean, predicted);
	p->spliced += sum(p->nll_other, predicted);
	p->divergence += sum(p->kl, predicted);
	splice_zero(p, windows.ids, base, changed, rows);
	rc = finish_forward(p, &windows, changed);
	if (!rc)
		rc = ps_head_nll(e->head, changed, p->targets, predicted, p->nll_other);
	p->zero += sum(p->nll_other, predicted);
	p->predicted += predicted;
	return rc;
}

static ps_engine_need splice_need(const struct splice *p)
{
	const ps_sae *sae = p->sae;
	size_t window = p->tokens.window;
	ps_engine_need need = {.window = window,
			       .tokens = p->windows * window,
			       .hidden_copies = 3,
			       .head = true,
			       .held_bytes = p->sae_bytes,
			       .extra_token_bytes = sizeof(int32_t) + 3 * sizeof(double)};

	need.extra_bytes = ps_evaluator_bytes(sae, p->engine.session->threads, SPLICE_ROWS) +
			   SPLICE_ROWS * (sae->d_in * sizeof(float) + sizeof(size_t)) +
			   16 * PS_ALIGN;
	return need;
}

/* What the engine, once started, has planned for. */
static int take_parts(struct splice *p)
{
	ps_engine *e = &p->engine;
	const ps_sae *sae = p->sae;
	int rc = ps_evaluator_create(&p->evaluator, sae, &e->session->context, SPLICE_ROWS, NULL,
				     &e->arena);

	if (rc)
		return rc;
	p->x = ps_arena_take(&e->arena, SPLICE_ROWS * sae->d_in * sizeof(float));
	p->place = ps_arena_take(&e->arena, SPLICE_ROWS * sizeof(size_t));
	p->targets = ps_arena_take(&e->arena, e->pass_tokens * sizeof(int32_t));
	p->nll_clean = ps_arena_take(&e->arena, e->pass_tokens * sizeof(double));
	p->nll_other = ps_arena_take(&e->arena, e->pass_tokens * sizeof(double));
	p->kl = ps_arena_take(&e->arena, e->pass_tokens * sizeof(double));
	return 0;
}

static int splice_sample(void *context)
{
	struct splice *p = context;

	return splice_reconstruction(p, p->tokens.ids, p->engine.hidden,
				     p->engine.hidden + p->engine.pass_tokens * p->sae->d_in,
				     p->tokens.window);
}

/* The layers behind the SAE, and the head, see three versions of every window. */
static int dry_run(struct splice *p, json_t **result)
{
	ps_engine *e = &p->engine;
	ps_engine_need need = splice_need(p);
	int layers = (int)e->config->layers;
	ps_forecast f;
	int rc = ps_forecast_begin(&f, e, &need, p->tokens.ids, need.tokens);

	if (!rc)
		rc = take_parts(p);
	if (!rc)
		rc = ps_forecast_layers(&f, 0, p->layer, (double)need.tokens, 1, 1);
	if (!rc)
		rc = ps_forecast_layers(&f, p->layer + 1, layers - 1, 3 * (double)need.tokens, 3,
					3);
	if (!rc)
		rc = ps_forecast_head(&f, 3 * (double)(p->windows * (p->tokens.window - 1)), 0);
	if (!rc)
		rc = ps_forecast_add(&f, splice_sample, p, (double)p->windows);
	return rc ? rc : ps_forecast_end(&f, result);
}

static json_t *splice_json(const struct splice *p)
{
	const double n = (double)p->predicted, clean = p->clean / n, spliced = p->spliced / n,
		     zero = p->zero / n;
	ps_evaluation evaluation;
	json_t *result;

	ps_evaluator_conclude(p->evaluator, &evaluation, NULL);
	result = evaluation_json(&evaluation);
	json_object_update_new(result,
			       json_pack("{s:f, s:f, s:f, s:o, s:f, s:I}", "ce_clean", clean,
					 "ce_sae", spliced, "ce_zero", zero, "ce_recovered",
					 number((zero - spliced) / (zero - clean)), "kl",
					 p->divergence / n, "predicted", (json_int_t)p->predicted));
	return result;
}

static int evaluate_model(ps_session *s, const ps_eval_args *args, const ps_sae_folder *sae,
			  json_t **result)
{
	struct splice p = {.sae_bytes = sae->arena.size_bytes,
			   .sae = &sae->sae,
			   .keep_special = args->keep_special,
			   .layer = (int)args->layer};
	ps_engine_need need;
	size_t per_pass;
	int rc = ps_engine_open(&p.engine, s, args->model, args->mask);

	if (!rc)
		rc = ps_engine_check_layer(&p.engine, args->layer);
	if (!rc)
		rc = ps_token_file_open(&p.tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc)
		rc = ps_engine_check_tokens(&p.engine, &p.tokens);
	if (!rc)
		rc = check_width(s, sae, args->sae, p.engine.config->width);
	if (!rc && p.tokens.window < 2)
		rc = ps_fail(&s->diag, PS_EINPUT, "%s: windows of one token predict nothing",
			     args->tokens);
	if (rc)
		goto out;
	p.windows = args->windows > 0 ? ps_min_size((size_t)args->windows, p.tokens.windows)
				      : p.tokens.windows;
	if (args->dry_run) {
		rc = dry_run(&p, result);
		goto out;
	}
	need = splice_need(&p);
	rc = ps_engine_start(&p.engine, &need);
	if (!rc)
		rc = take_parts(&p);
	per_pass = rc ? 1 : p.engine.pass_tokens / p.tokens.window;
	for (size_t first = 0; first < p.windows && !rc; first += per_pass) {
		rc = run_pass(&p, first, ps_min_size(per_pass, p.windows - first));
		ps_progress_tick(&s->context, "spliced loss, windows", "win",
				 ps_min_size(first + per_pass, p.windows), p.windows);
		if (!rc)
			rc = ps_progress_check(&s->context);
	}
	if (!rc && !p.rows)
		rc = ps_fail(&s->diag, PS_EINPUT, "%s has no tokens besides BOS, EOS and PAD",
			     args->tokens);
	if (!rc)
		*result = splice_json(&p);
out:
	ps_token_file_close(&p.tokens);
	ps_engine_close(&p.engine);
	return rc;
}

int ps_run_eval(ps_session *s, const ps_eval_args *args, json_t **result)
{
	ps_sae_folder sae;
	int rc = ps_sae_folder_load(&sae, args->sae, &s->diag);

	if (rc)
		return rc;
	rc = args->cache ? evaluate_cache(s, args, &sae, result)
			 : evaluate_model(s, args, &sae, result);
	ps_sae_folder_close(&sae);
	return rc;
}
