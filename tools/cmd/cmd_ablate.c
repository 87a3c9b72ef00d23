/* ablate: how the loss changes when one latent of an SAE is taken out (RQ5, analysis/ablation.h).
 *
 * Where a cache is given, it says how often each latent fires, and so from which quintile it is
 * drawn: the windows are too few to tell rare latents apart. Then the residual stream at the SAE's
 * layer and the clean loss are computed once for all windows. Then
 * each latent that was chosen is taken out of each window on which it fires. Such a (latent,
 * window) pair is a window of its own from there on: as many pairs as a pass holds go through the
 * layers behind the SAE's side by side.
 *
 * With --spliced the SAE's reconstruction takes the place of the residual stream, before and after
 * a latent is taken out. So the SAE's error is left out, and the latents are those of an earlier
 * call. */
#include <math.h>
#include <string.h>

#include "analysis/ablation.h"
#include "core/base/checked.h"
#include "tools/cmd/ablation_record.h"
#include "tools/cmd/cache_firing.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/cmd/splice.h"
#include "tools/engine/forecast.h"
#include "tools/engine/meter.h"

enum { FEATURES = 100, FEATURES_MAX = 1 << 20 };

struct pair {
	uint32_t place; /* of the latent in the list of those chosen */
	uint32_t window;
};

struct ablation_run {
	ps_splice splice;
	ps_meter meter;
	size_t latents_max; /* N: latents asked for, at most as many as there are */
	size_t latents;     /* those chosen */
	size_t pair_count;
	size_t pair_capacity; /* windows of a pass */
	uint64_t counted;     /* rows that count, in all windows; with a cache, of the cache */
	bool of_cache;        /* firing is that of a cache */
	ps_cache_firing cache;
	ps_ablation_record direct; /* with --spliced; else closed */
	ps_encoder *encoder;
	/* in the engine's arena */
	ps_arena encoder_room, codes_room, choice_room;
	uint32_t *latent; /* (N): those chosen */
	uint64_t *firing; /* (F): rows on which each latent fires */
	double *rate;     /* (N): share of rows on which a latent of the list fires */
	float *x_hat;     /* (window, D); with --spliced */
	float *base;      /* (windows, window, D): the residual stream after the SAE's layer */
	ps_codes *codes;  /* (windows) */
	double *clean;    /* (windows, window - 1): nll */
	double *change; /* (N, windows): nll without the latent less nll, summed over the window */
	struct pair *pairs; /* of a pass */
	int32_t *targets;   /* of a pass */
	double *nll;        /* of a pass */
};

/* --- memory --- */

static void lay_out(void *command, size_t pass_tokens, ps_layout *layout)
{
	struct ablation_run *r = command;
	const ps_splice *p = &r->splice;
	const ps_sae *sae = &p->shape;
	const size_t tokens = p->windows * p->window, pairs = pass_tokens / p->window;

	r->pair_capacity = pairs;
	r->encoder_room = ps_engine_room(
		layout, ps_encoder_bytes(sae, p->engine.session->threads, p->window));
	r->codes_room = ps_engine_room(layout, p->windows * ps_codes_bytes(sae, p->window));
	r->choice_room = ps_engine_room(layout, ps_ablation_choose_bytes(sae->d_sae));
	r->latent = ps_layout_part(layout, r->latents_max, sizeof *r->latent);
	r->firing = ps_layout_part(layout, sae->d_sae, sizeof *r->firing);
	r->rate = ps_layout_part(layout, r->latents_max, sizeof *r->rate);
	r->x_hat = ps_layout_part(layout, r->direct.result ? p->window : 0,
				  sae->d_in * sizeof *r->x_hat);
	r->base = ps_layout_part(layout, tokens, sae->d_in * sizeof *r->base);
	r->codes = ps_layout_part(layout, p->windows, sizeof *r->codes);
	r->clean = ps_layout_part(layout, tokens, sizeof *r->clean);
	r->change = ps_layout_part(layout, r->latents_max, p->windows * sizeof *r->change);
	r->pairs = ps_layout_part(layout, pairs, sizeof *r->pairs);
	r->targets = ps_layout_part(layout, pass_tokens, sizeof *r->targets);
	r->nll = ps_layout_part(layout, pass_tokens, sizeof *r->nll);
}

static ps_engine_need need_of(struct ablation_run *r)
{
	const ps_sae *sae = &r->splice.shape;
	const size_t held = r->splice.sae_bytes +
			    (r->of_cache ? ps_cache_firing_held_bytes(&r->cache) : 0),
		     counting = r->of_cache
					? ps_cache_firing_count_bytes(
						  &r->cache, sae, r->splice.engine.session->threads)
					: 0;

	return (ps_engine_need){.window = r->splice.window,
				.tokens = r->latents_max * r->splice.windows * r->splice.window,
				.hidden_copies = 1,
				.head = true,
				.lay_out = lay_out,
				.command = r,
				.held_bytes = held,
				.earlier_bytes =
					r->of_cache ? PS_PROGRAM_BYTES + held + counting : 0};
}

static int make_encoder(struct ablation_run *r)
{
	ps_splice *p = &r->splice;
	ps_session *s = p->engine.session;
	int rc = ps_encoder_create(&r->encoder, &p->folder.sae, &s->context, p->window,
				   &r->encoder_room);

	for (size_t w = 0; w < p->windows && !rc; w++)
		rc = ps_codes_create(&r->codes[w], &p->folder.sae, p->window, &r->codes_room,
				     &s->diag);
	return rc;
}

/* --- the clean model --- */

/* The loss of count windows whose residual stream, after the SAE's layer, stands in the engine's
 * hidden states. The caller checks that it is finite, and knows which windows these are. passed:
 * windows that the bar moves by. */
static int finish(struct ablation_run *r, size_t count, size_t passed, double *nll)
{
	ps_splice *p = &r->splice;
	ps_engine *e = &p->engine;
	ps_windows windows = ps_engine_windows(e, &p->tokens, 0, count);
	int rc;

	windows.overflow_allowed = true;
	ps_meter_stage(&r->meter, ps_splice_finish_work(p, (double)passed));
	rc = count ? ps_splice_finish(p, &windows, e->hidden) : 0;
	ps_meter_stage(&r->meter, ps_splice_head_work(p, (double)passed));
	if (count && !rc)
		rc = ps_head_nll(e->head, e->hidden, r->targets, count * (p->window - 1), nll);
	return rc;
}

/* The window's rows become their reconstructions, here and in the engine's hidden states; rows of
 * special tokens stay. */
static void splice_window(struct ablation_run *r, size_t window, float *hidden)
{
	const ps_splice *p = &r->splice;
	const size_t width = p->engine.config->width;
	float *base = r->base + window * p->window * width;

	ps_sae_decode(&p->folder.sae, &p->engine.session->context, &r->codes[window], r->x_hat);
	for (size_t row = 0; row < p->window; row++)
		if (!ps_splice_is_special(p, window, row))
			memcpy(base + row * width, r->x_hat + row * width, width * sizeof *base);
	memcpy(hidden, base, p->window * width * sizeof *hidden);
}

static double sae_work(const struct ablation_run *r, double windows)
{
	return windows * (double)(r->splice.window * r->splice.shape.d_in * r->splice.shape.d_sae);
}

/* Residual stream, codes and clean loss of windows [first, first + count). */
static int prepare_pass(struct ablation_run *r, size_t first, size_t count)
{
	ps_splice *p = &r->splice;
	ps_engine *e = &p->engine;
	const size_t row_floats = p->window * e->config->width;
	ps_windows windows = ps_engine_windows(e, &p->tokens, first, count);
	int rc;

	ps_meter_stage(&r->meter, ps_splice_reach_work(p, (double)count));
	rc = ps_splice_reach(p, &windows, e->hidden);
	if (rc)
		return rc;
	memcpy(r->base + first * row_floats, e->hidden, count * row_floats * sizeof *r->base);
	ps_meter_stage(&r->meter, sae_work(r, (double)count));
	for (size_t w = 0; w < count; w++) {
		ps_encoder_run(r->encoder, r->base + (first + w) * row_floats, p->window,
			       &r->codes[first + w]);
		if (r->direct.result)
			splice_window(r, first + w, e->hidden + w * row_floats);
		ps_splice_targets(p, first + w, r->targets + w * (p->window - 1));
	}
	rc = finish(r, count, count, r->clean + first * (p->window - 1));
	return rc ? rc
		  : ps_splice_check_losses(p, r->clean + first * (p->window - 1), first, count,
					   r->direct.result ? "reconstruction" : "model");
}

static int prepare(struct ablation_run *r)
{
	int rc = 0;

	for (size_t first = 0; first < r->splice.windows && !rc; first += r->pair_capacity)
		rc = prepare_pass(r, first,
				  ps_min_size(r->pair_capacity, r->splice.windows - first));
	return rc;
}

/* --- which latents --- */

/* On how many rows each latent fires. Special tokens do not count. */
static void count_firing(struct ablation_run *r)
{
	const ps_splice *p = &r->splice;

	if (r->of_cache) {
		memcpy(r->firing, r->cache.total, p->shape.d_sae * sizeof *r->firing);
		r->counted = r->cache.counted;
		return;
	}
	for (size_t w = 0; w < p->windows; w++)
		for (size_t row = 0; row < p->window; row++) {
			const ps_codes *codes = &r->codes[w];

			if (ps_splice_is_special(p, w, row))
				continue;
			r->counted++;
			for (size_t a = codes->start[row]; a < codes->start[row + 1]; a++)
				r->firing[codes->index[a]]++;
		}
}

static void choose_latents(struct ablation_run *r, uint64_t seed)
{
	if (r->direct.result) {
		ps_ablation_record_latents(&r->direct, r->latent, r->rate);
		r->latents = r->direct.latents;
		return;
	}
	count_firing(r);
	r->latents = ps_ablation_choose(&(ps_ablation_choice){.firing = r->firing,
							      .latents = r->splice.shape.d_sae,
							      .count = r->latents_max,
							      .seed = seed},
					&r->choice_room, r->latent);
	for (size_t place = 0; place < r->latents; place++)
		r->rate[place] = (double)r->firing[r->latent[place]] / (double)r->counted;
}

/* --- the ablated model --- */

/* rows: the window's residual stream without the latent; rows of special tokens stay. False:
 * nothing changed. */
static bool ablate(const struct ablation_run *r, uint32_t latent, uint32_t window, float *rows)
{
	const ps_splice *p = &r->splice;
	const size_t width = p->engine.config->width;
	const float *base = r->base + (size_t)window * p->window * width;

	memcpy(rows, base, p->window * width * sizeof *rows);
	if (!ps_ablation_apply(&p->folder.sae, &r->codes[window], latent, rows))
		return false;
	for (size_t row = 0; row < p->window; row++)
		if (ps_splice_is_special(p, window, row))
			memcpy(rows + row * width, base + row * width, width * sizeof *rows);
	return true;
}

/* Runs the pairs that are waiting. passed: they and those before them that do not fire. */
static int flush(struct ablation_run *r, size_t passed)
{
	const size_t predicted = r->splice.window - 1;
	int rc = finish(r, r->pair_count, passed, r->nll);

	for (size_t i = 0; i < r->pair_count && !rc; i++) {
		const struct pair pair = r->pairs[i];
		const double *clean = r->clean + pair.window * predicted;
		double sum = 0;

		for (size_t t = 0; t < predicted; t++)
			sum += r->nll[i * predicted + t] - clean[t];
		if (!isfinite(sum))
			return ps_fail(&r->splice.engine.session->diag, PS_EFAILED,
				       "window %u: the loss without latent %u overflows",
				       pair.window, r->latent[pair.place]);
		r->change[pair.place * r->splice.windows + pair.window] = sum;
	}
	r->pair_count = 0;
	return rc ? rc : ps_progress_check(&r->splice.engine.session->context);
}

static int measure(struct ablation_run *r)
{
	ps_splice *p = &r->splice;
	const size_t row_floats = p->window * p->engine.config->width;
	size_t passed = 0;
	int rc = 0;

	for (uint32_t l = 0; l < r->latents && !rc; l++)
		for (uint32_t w = 0; w < p->windows && !rc; w++) {
			passed++;
			if (!ablate(r, r->latent[l], w,
				    p->engine.hidden + r->pair_count * row_floats))
				continue;
			ps_splice_targets(p, w, r->targets + r->pair_count * (p->window - 1));
			r->pairs[r->pair_count++] = (struct pair){l, w};
			if (r->pair_count < r->pair_capacity)
				continue;
			rc = flush(r, passed);
			passed = 0;
		}
	return rc ? rc : flush(r, passed);
}

/* The bar counts every pair, as if each latent fired in each window. */
static int run(struct ablation_run *r, uint64_t seed)
{
	ps_splice *p = &r->splice;
	ps_session *s = p->engine.session;
	const size_t pairs = r->latents_max * p->windows;
	const double windows = (double)p->windows, all = windows + (double)pairs;
	const ps_meter_plan plan = {"ablating latents", "tok", pairs * p->window,
				    ps_splice_reach_work(p, windows) + sae_work(r, windows) +
					    ps_splice_finish_work(p, all) +
					    ps_splice_head_work(p, all)};
	int rc = make_encoder(r);

	if (rc)
		return rc;
	ps_meter_begin(&r->meter, &s->context, &plan);
	rc = prepare(r);
	if (!rc) {
		choose_latents(r, seed);
		rc = measure(r);
	}
	ps_meter_end(&r->meter);
	return rc;
}

/* As if each latent fired in each window. */
static int dry_run(struct ablation_run *r, const ps_engine_need *need, json_t **result)
{
	ps_splice *p = &r->splice;
	const int layers = (int)p->engine.config->layers;
	const double windows = (double)p->windows, pairs = windows * (double)r->latents_max;
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &p->engine, need, p->tokens.ids, p->windows * p->window);

	if (!rc)
		rc = ps_forecast_layers(&f, 0, p->layer, windows * (double)p->window, 1, 1);
	if (!rc)
		rc = ps_forecast_layers(&f, p->layer + 1, layers - 1,
					(windows + pairs) * (double)p->window, 1, 1);
	if (!rc)
		rc = ps_forecast_head(&f, (windows + pairs) * (double)(p->window - 1), 0);
	return rc ? rc : ps_forecast_end(&f, result);
}

/* --- the result --- */

/* An entry for each latent. */
struct lists {
	json_t *latent, *effect, *rate, *change, *firings;
};

/* On how many rows of each window the latent fires, special tokens aside. */
static json_t *firings_json(const struct ablation_run *r, uint32_t latent)
{
	const ps_splice *p = &r->splice;
	json_t *list = json_array();

	for (size_t w = 0; w < p->windows; w++) {
		json_int_t count = 0;

		for (size_t row = 0; row < p->window; row++)
			count += !ps_splice_is_special(p, w, row) &&
				 ps_ablation_fires(&r->codes[w], row, latent);
		if (json_array_append_new(list, json_integer(count))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* One latent's values, each at the end of its list; non-zero when memory ran out. */
static int append_latent(const struct ablation_run *r, size_t place, struct lists *lists,
			 double *mean)
{
	const ps_splice *p = &r->splice;
	const double *change = r->change + place * p->windows,
		     tokens = (double)(p->windows * (p->window - 1));
	const uint32_t latent = r->latent[place];
	double sum = 0;

	for (size_t w = 0; w < p->windows; w++)
		sum += change[w];
	*mean += sum / tokens;
	return json_array_append_new(lists->latent, json_integer(latent)) ||
	       json_array_append_new(lists->effect, ps_number_json(sum / tokens)) ||
	       json_array_append_new(lists->rate, ps_number_json(r->rate[place])) ||
	       json_array_append_new(lists->change, ps_numbers_json(change, p->windows)) ||
	       json_array_append_new(lists->firings, firings_json(r, latent));
}

/* Where the rates are from. */
static const char *rates_from(const struct ablation_run *r)
{
	const char *direct = json_string_value(json_object_get(r->direct.result, "rates_from"));

	return direct ? direct : r->of_cache ? "cache" : "windows";
}

static json_t *make_result(const struct ablation_run *r)
{
	struct lists lists = {json_array(), json_array(), json_array(), json_array(), json_array()};
	char sae[PS_DIGEST_TEXT], mask[PS_DIGEST_TEXT];
	double mean = 0;
	int failed = 0;
	json_t *result;

	for (size_t place = 0; place < r->latents && !failed; place++)
		failed = append_latent(r, place, &lists, &mean);
	if (failed) {
		json_decref(lists.latent);
		lists.latent = NULL;
	}
	result = json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:s, s:s}",
			   "latents", (json_int_t)r->latents, "rates_from", rates_from(r),
			   "mean_effect", ps_number_json(mean / (double)r->latents), "latent",
			   lists.latent, "effect", lists.effect, "rate", lists.rate,
			   "window_change", lists.change, "window_firings", lists.firings,
			   "window_tokens", (json_int_t)(r->splice.window - 1), "windows",
			   (json_int_t)r->splice.windows, "sae_digest",
			   ps_digest_format(r->splice.folder.digest, sae), "mask_digest",
			   ps_splice_mask(&r->splice, mask));
	if (!r->direct.result || !json_object_set_new(result, "spliced", json_true()))
		return result;
	json_decref(result);
	return NULL;
}

/* --- the command --- */

static int check_args(const ps_ablate_args *args, ps_diag *diag)
{
	if (args->features < 0 || args->features > FEATURES_MAX)
		return ps_fail(diag, PS_EUSAGE, "--features %lld: must be at most %d",
			       (long long)args->features, FEATURES_MAX);
	if (args->windows < 1)
		return ps_fail(diag, PS_EUSAGE, "--windows %lld: must be at least 1",
			       (long long)args->windows);
	if (args->direct && (args->features || args->cache))
		return ps_fail(diag, PS_EUSAGE,
			       "--spliced %s: says which latents; --features and --cache do not go "
			       "with it",
			       args->direct);
	return 0;
}

static int open_direct(struct ablation_run *r, const char *path, ps_diag *diag)
{
	const ps_splice *p = &r->splice;
	const json_t *result;
	int rc = ps_ablation_record_open(&r->direct, path, p->shape.d_sae, diag);

	if (rc)
		return rc;
	result = r->direct.result;
	r->latents_max = r->direct.latents;
	if (json_is_true(json_object_get(result, "spliced")))
		return ps_fail(diag, PS_EINPUT, "%s: is an ablation with --spliced itself", path);
	if (!r->latents_max)
		return ps_fail(diag, PS_EINPUT, "%s: no latent was ablated", path);
	if (r->direct.windows != p->windows ||
	    json_integer_value(json_object_get(result, "window_tokens")) !=
		    (json_int_t)p->window - 1)
		return ps_fail(
			diag, PS_EINPUT,
			"%s: of %zu windows of %lld scored tokens, %s: %zu windows of %zu", path,
			r->direct.windows,
			(long long)json_integer_value(json_object_get(result, "window_tokens")),
			p->inputs->tokens, p->windows, p->window - 1);
	return 0;
}

/* That it is of the same SAE and model; the SAE is loaded. */
static int check_direct(struct ablation_run *r, const ps_ablate_args *args)
{
	char mask[PS_DIGEST_TEXT];
	const ps_ablation_use use = {.sae = args->sae,
				     .digest = r->splice.folder.digest,
				     .mask = ps_splice_mask(&r->splice, mask),
				     .model = args->model};

	return r->direct.result
		       ? ps_ablation_record_check(&r->direct, r->splice.engine.session, &use)
		       : 0;
}

/* How many latents are asked for. */
static int choose_count(struct ablation_run *r, const ps_ablate_args *args, ps_diag *diag)
{
	const size_t latents = r->splice.shape.d_sae;

	if (args->direct)
		return open_direct(r, args->direct, diag);
	if ((uint64_t)args->features > latents)
		return ps_fail(diag, PS_EUSAGE, "--features %lld: %s has %zu latents",
			       (long long)args->features, args->sae, latents);
	r->latents_max = args->features ? (size_t)args->features : ps_min_size(FEATURES, latents);
	return 0;
}

int ps_run_ablate(ps_session *s, const ps_ablate_args *args, json_t **result)
{
	const ps_splice_inputs inputs = {.sae = args->sae,
					 .norm_cache = args->norm_cache,
					 .model = args->model,
					 .mask = args->mask,
					 .changed_from = args->changed_from,
					 .tokens = args->tokens,
					 .layer = args->layer,
					 .windows = args->windows,
					 .allow_fewer = args->allow_fewer};
	struct ablation_run r = {.latents = 0};
	ps_engine_need need;
	int rc = check_args(args, &s->diag);

	if (rc)
		return rc;
	rc = ps_splice_open(&r.splice, s, &inputs);
	if (rc)
		goto out;
	rc = choose_count(&r, args, &s->diag);
	if (!rc && args->cache)
		rc = ps_cache_firing_open(&r.cache, s, args->cache, args->sae, &r.splice.shape);
	if (rc)
		goto out;
	r.of_cache = args->cache;
	need = need_of(&r);
	if (args->dry_run) {
		rc = dry_run(&r, &need, result);
		goto out;
	}
	rc = ps_splice_load(&r.splice, &need);
	if (!rc)
		rc = check_direct(&r, args);
	if (!rc && r.of_cache)
		rc = ps_cache_firing_count(&r.cache, s, &r.splice.folder.sae);
	if (!rc)
		rc = ps_engine_start(&r.splice.engine, &need);
	if (!rc)
		rc = run(&r, args->seed);
	if (!rc)
		rc = ps_result_set(result, make_result(&r), &s->diag);
out:
	ps_ablation_record_close(&r.direct);
	ps_cache_firing_close(&r.cache);
	ps_splice_close(&r.splice);
	return rc;
}
