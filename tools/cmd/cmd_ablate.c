/* ablate: how the loss changes when one latent of an SAE is taken out.
 *
 * The residual stream at the layer is computed once for all windows. Then (feature, window) pairs in which the
 * feature fires are run through the layers behind it, as many side by side as a pass holds. */

#include <string.h>

#include "analysis/ablation.h"
#include "core/base/checked.h"
#include "sae/sae.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/engine/engine.h"
#include "tools/train/sae_folder.h"

enum { FEATURES_MAX = 1 << 20 };

struct pair {
	uint32_t feature; /* place in the list */
	uint32_t window;
};

struct ablation_run {
	ps_engine engine;
	ps_token_file tokens;
	ps_sae_folder sae;
	int layer;
	size_t windows, window, features;
	uint32_t *feature; /* (N) latents */
	float *base;       /* (windows, window, D) */
	ps_encoder *encoder;
	ps_codes *codes; /* (windows) */
	double *clean;   /* (windows, window - 1) */
	double *change;  /* (N, windows): sums */
	struct pair *pairs;
	size_t pair_count, pair_capacity;
	int32_t *targets; /* of a pass */
	double *nll;
	uint64_t counted; /* rows that count, in all windows */
};

/* Of the result: an entry for each latent. */
struct lists {
	json_t *latent, *effect, *rate, *change;
};

static void copy_targets(const struct ablation_run *r, uint32_t window, int32_t *targets)
{
	memcpy(targets, r->tokens.ids + window * r->window + 1, (r->window - 1) * sizeof *targets);
}

/* The layers behind the SAE's, then the loss of count windows that stand in engine->hidden. */
static int finish(struct ablation_run *r, size_t count, double *nll)
{
	ps_engine *e = &r->engine;
	size_t width = e->config->width, kept = 0;
	int last = (int)e->config->layers - 1, rc = 0;
	ps_windows windows = ps_engine_windows(e, &r->tokens, 0, count);

	if (r->layer < last)
		rc = ps_forward_layers(e->forward, r->layer + 1, last, r->layer + 1, &windows,
				       e->hidden, NULL, NULL);
	for (size_t w = 0; w < count && !rc; w++, kept += r->window - 1)
		memmove(e->hidden + kept * width, e->hidden + w * r->window * width,
			(r->window - 1) * width * sizeof(float));
	return rc ? rc : ps_head_nll(e->head, e->hidden, r->targets, kept, nll);
}

/* base, codes and the clean loss, pass by pass. Special tokens keep their rows: their codes are emptied. */
static int prepare(struct ablation_run *r, size_t per_pass)
{
	ps_engine *e = &r->engine;
	size_t row_floats = r->window * e->config->width;
	int rc = 0;

	for (size_t first = 0; first < r->windows && !rc; first += per_pass) {
		size_t count = ps_min_size(per_pass, r->windows - first);
		ps_windows windows = ps_engine_windows(e, &r->tokens, first, count);

		rc = ps_forward_embed(e->forward, &windows, e->hidden);
		if (!rc)
			rc = ps_forward_layers(e->forward, 0, r->layer, -1, &windows, e->hidden,
					       NULL, NULL);
		if (rc)
			break;
		memcpy(r->base + first * row_floats, e->hidden, count * row_floats * sizeof(float));
		for (size_t w = 0; w < count; w++) {
			ps_encoder_run(r->encoder, r->base + (first + w) * row_floats, r->window,
				       &r->codes[first + w]);
			copy_targets(r, (uint32_t)(first + w), r->targets + w * (r->window - 1));
		}
		rc = finish(r, count, r->clean + first * (r->window - 1));
	}
	return rc;
}

static bool is_special(const struct ablation_run *r, size_t window, size_t row)
{
	return ps_config_is_special(r->engine.config, r->tokens.ids[window * r->window + row]);
}

/* Latents that fire on these windows, and how often. */
static void count_firing(struct ablation_run *r, uint64_t *firing)
{
	for (size_t w = 0; w < r->windows; w++)
		for (size_t row = 0; row < r->window; row++) {
			if (is_special(r, w, row))
				continue;
			r->counted++;
			for (size_t a = r->codes[w].start[row]; a < r->codes[w].start[row + 1]; a++)
				firing[r->codes[w].index[a]]++;
		}
}

/* Takes the feature out of a copy of the window; special rows are put back. Whether anything changed. */
static bool ablate(const struct ablation_run *r, uint32_t latent, uint32_t window, float *rows)
{
	size_t width = r->engine.config->width;
	const float *base = r->base + (size_t)window * r->window * width;

	memcpy(rows, base, r->window * width * sizeof *rows);
	if (!ps_ablation_apply(&r->sae.sae, &r->codes[window], latent, rows))
		return false;
	for (size_t row = 0; row < r->window; row++)
		if (is_special(r, window, row))
			memcpy(rows + row * width, base + row * width, width * sizeof *rows);
	return true;
}

static int flush(struct ablation_run *r)
{
	int rc = r->pair_count ? finish(r, r->pair_count, r->nll) : 0;
	size_t predicted = r->window - 1;

	for (size_t p = 0; p < r->pair_count && !rc; p++) {
		const double *clean = r->clean + r->pairs[p].window * predicted;
		double sum = 0;

		for (size_t i = 0; i < predicted; i++)
			sum += r->nll[p * predicted + i] - clean[i];
		r->change[r->pairs[p].feature * r->windows + r->pairs[p].window] = sum;
	}
	r->pair_count = 0;
	return rc;
}

static int measure(struct ablation_run *r)
{
	const ps_context *context = &r->engine.session->context;
	size_t width = r->engine.config->width;
	int rc = 0;

	for (uint32_t f = 0; f < r->features && !rc; f++) {
		for (uint32_t w = 0; w < r->windows && !rc; w++) {
			if (!ablate(r, r->feature[f], w,
				    r->engine.hidden + r->pair_count * r->window * width))
				continue;
			copy_targets(r, w, r->targets + r->pair_count * (r->window - 1));
			r->pairs[r->pair_count++] = (struct pair){f, w};
			if (r->pair_count == r->pair_capacity)
				rc = flush(r);
		}
		ps_progress_tick(context, "ablating features", "feature", f + 1, r->features);
		if (!rc)
			rc = ps_progress_check(context);
	}
	return rc ? rc : flush(r);
}

/* One latent's values, each at the end of its list. */
static int append_latent(const struct ablation_run *r, size_t place, const uint64_t *firing,
			 struct lists *lists, double *mean)
{
	const double *change = r->change + place * r->windows,
		     tokens = (double)(r->windows * (r->window - 1));
	const uint32_t latent = r->feature[place];
	double sum = 0;

	for (size_t w = 0; w < r->windows; w++)
		sum += change[w];
	*mean += sum / tokens;
	return json_array_append_new(lists->latent, json_integer(latent)) ||
	       json_array_append_new(lists->effect, ps_number_json(sum / tokens)) ||
	       json_array_append_new(lists->rate,
				     ps_number_json((double)firing[latent] / (double)r->counted)) ||
	       json_array_append_new(lists->change, ps_numbers_json(change, r->windows));
}

static json_t *make_result(const struct ablation_run *r, const uint64_t *firing)
{
	struct lists lists = {json_array(), json_array(), json_array(), json_array()};
	double mean = 0;
	int failed = 0;

	for (size_t f = 0; f < r->features && !failed; f++)
		failed = append_latent(r, f, firing, &lists, &mean);
	if (failed) {
		json_decref(lists.latent);
		lists.latent = NULL;
	}
	return json_pack(
		"{s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "latents", (json_int_t)r->features,
		"mean_effect", ps_number_json(mean / (double)r->features), "latent", lists.latent,
		"effect", lists.effect, "rate", lists.rate, "window_change", lists.change,
		"window_tokens", (json_int_t)(r->window - 1), "windows", (json_int_t)r->windows);
}

static size_t own_bytes(const struct ablation_run *r, const ps_ablate_args *args)
{
	const ps_sae *sae = &r->sae.sae;
	size_t tokens = r->windows * r->window, n = (size_t)args->features;

	return tokens * sae->d_in * sizeof(float) +
	       r->windows * (ps_codes_bytes(sae, r->window) + sizeof(ps_codes)) +
	       ps_encoder_bytes(sae, r->engine.session->threads, r->window) +
	       tokens * sizeof(double) + n * r->windows * sizeof(double) + n * sizeof(uint32_t) +
	       sae->d_sae * sizeof(uint64_t) + ps_ablation_choose_bytes(sae->d_sae) +
	       r->sae.arena.size_bytes + 32 * PS_ALIGN;
}

static int start(struct ablation_run *r, const ps_ablate_args *args)
{
	ps_engine *e = &r->engine;
	const ps_sae *sae = &r->sae.sae;
	size_t pairs;
	int rc = ps_engine_start(
		e, &(ps_engine_need){.window = r->window,
				     .tokens = (size_t)args->features * r->windows * r->window,
				     .hidden_copies = 1,
				     .head = true,
				     .extra_bytes = own_bytes(r, args),
				     .extra_token_bytes = sizeof(int32_t) + sizeof(double) +
							  sizeof(struct pair)});

	if (!rc)
		rc = ps_encoder_create(&r->encoder, sae, &e->session->context, r->window,
				       &e->arena);
	if (rc)
		return rc;
	pairs = e->pass_tokens / r->window;
	r->pair_capacity = pairs;
	r->base = ps_arena_take(&e->arena, r->windows * r->window * sae->d_in * sizeof(float));
	r->clean = ps_arena_take(&e->arena, r->windows * r->window * sizeof(double));
	r->change = ps_arena_take(&e->arena, (size_t)args->features * r->windows * sizeof(double));
	r->feature = ps_arena_take(&e->arena, (size_t)args->features * sizeof(uint32_t));
	r->targets = ps_arena_take(&e->arena, e->pass_tokens * sizeof(int32_t));
	r->nll = ps_arena_take(&e->arena, e->pass_tokens * sizeof(double));
	r->pairs = ps_arena_take(&e->arena, pairs * sizeof(struct pair));
	r->codes = ps_arena_take(&e->arena, r->windows * sizeof(ps_codes));
	for (size_t w = 0; w < r->windows && !rc; w++)
		rc = ps_codes_create(&r->codes[w], sae, r->window, &e->arena, &e->session->diag);
	return rc;
}

static int check_args(const ps_ablate_args *args, ps_diag *diag)
{
	if (args->features < 1 || args->features > FEATURES_MAX)
		return ps_fail(diag, PS_EUSAGE, "--features %lld: must be 1 to %d",
			       (long long)args->features, FEATURES_MAX);
	if (args->windows < 1)
		return ps_fail(diag, PS_EUSAGE, "--windows %lld: must be at least 1",
			       (long long)args->windows);
	return 0;
}

static int open_inputs(struct ablation_run *r, ps_session *s, const ps_ablate_args *args)
{
	int rc = ps_engine_open(&r->engine, s, args->model, args->mask);

	if (!rc)
		rc = ps_engine_check_layer(&r->engine, args->layer);
	if (!rc)
		rc = ps_token_file_open(&r->tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc)
		rc = ps_engine_check_tokens(&r->engine, &r->tokens);
	if (!rc)
		rc = ps_sae_folder_load(&r->sae, args->sae, &s->diag);
	if (!rc && r->sae.sae.d_in != r->engine.config->width)
		rc = ps_fail(&s->diag, PS_EINPUT,
			     "%s takes rows of width %zu, the model's are %zu wide", args->sae,
			     r->sae.sae.d_in, r->engine.config->width);
	if (!rc && r->tokens.window < 2)
		rc = ps_fail(&s->diag, PS_EINPUT, "%s: windows of one token predict nothing",
			     args->tokens);
	return rc;
}

int ps_run_ablate(ps_session *s, const ps_ablate_args *args, json_t **result)
{
	struct ablation_run r = {.layer = (int)args->layer};
	uint64_t *firing;
	int rc = check_args(args, &s->diag);

	if (!rc)
		rc = open_inputs(&r, s, args);
	if (rc)
		goto out;
	r.window = r.tokens.window;
	r.windows = ps_min_size((size_t)args->windows, r.tokens.windows);
	rc = start(&r, args);
	if (!rc)
		rc = prepare(&r, r.pair_capacity);
	if (rc)
		goto out;
	firing = ps_arena_take(&r.engine.arena, r.sae.sae.d_sae * sizeof *firing);
	count_firing(&r, firing);
	rc = ps_ablation_choose(firing, r.sae.sae.d_sae, (size_t)args->features, args->seed,
				&r.engine.arena, &s->diag, r.feature, &r.features);
	if (!rc)
		rc = measure(&r);
	if (!rc)
		rc = ps_result_set(result, make_result(&r, firing), &s->diag);
out:
	ps_sae_folder_close(&r.sae);
	ps_token_file_close(&r.tokens);
	ps_engine_close(&r.engine);
	return rc;
}
