#include "tools/engine/forecast.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/clock.h"

#define SAMPLE_SECONDS 0.04 /* about: one layer over the larger sample */

static uint64_t layer_bytes(const ps_engine *e, int layer)
{
	uint64_t bytes = 0;
	ps_weight w;

	for (int p = 0; p < (int)PS_PROJECTIONS; p++)
		if (!ps_checkpoint_projection(e->checkpoint, layer, (ps_projection)p, &w, NULL))
			bytes += w.rows * w.cols * ps_dtype_size(w.dtype);
	return bytes;
}

static uint64_t embedding_row_bytes(const ps_engine *e)
{
	ps_weight w;

	return ps_checkpoint_embedding(e->checkpoint, &w, NULL) ? 0
								: w.cols * ps_dtype_size(w.dtype);
}

/* --- the sample --- */

static int embed(void *context)
{
	ps_forecast *f = context;

	return ps_forward_embed(f->engine->forward, &f->sample, f->engine->hidden);
}

struct layer_run {
	ps_forecast *f;
	int layer;
	ps_layer_weights weights;
};

static int run_layer(void *context)
{
	const struct layer_run *run = context;
	ps_engine *e = run->f->engine;

	return ps_forward_layer(e->forward, run->layer, &run->weights, &run->f->sample, e->hidden,
				e->hidden, NULL, NULL);
}

/* fn on a few windows and on many: a call's share and a token's. */
static int time_sample(ps_forecast *f, ps_probe_fn fn, void *context, ps_forecast_cost *cost)
{
	double few = 0, many = 0;
	int rc;

	f->sample.count = f->many;
	rc = ps_probe_time(fn, context, &many);
	f->sample.count = f->few;
	if (!rc && f->few < f->many)
		rc = ps_probe_time(fn, context, &few);
	f->sample.count = f->many;
	if (f->few < f->many)
		cost->token = fmax(many - few, 0) / (double)((f->many - f->few) * f->window);
	else
		cost->token = many / (double)(f->many * f->window);
	cost->call = fmax(many - cost->token * (double)(f->many * f->window), 0);
	return rc;
}

/* How many windows take about SAMPLE_SECONDS; the first layer's reading is timed on the way. */
static int choose_sample(ps_forecast *f, size_t most)
{
	ps_engine *e = f->engine;
	struct layer_run run = {.f = f};
	double started = ps_clock(), seconds;
	int rc = e->source.acquire_layer(e->source.self, 0, -1, &run.weights, &e->session->diag);

	if (rc)
		return rc;
	f->read_rate = (double)layer_bytes(e, 0) / (ps_clock() - started);
	f->sample.count = 1;
	rc = run_layer(&run); /* untimed: touches the workspace */
	started = ps_clock();
	if (!rc)
		rc = run_layer(&run);
	seconds = ps_clock() - started;
	e->source.release_layer(e->source.self, 0);
	f->many = ps_max_size(ps_min_size(2, most),
			      (size_t)fmin((double)most, SAMPLE_SECONDS / seconds));
	f->few = ps_max_size(1, f->many / 4);
	return rc;
}

/* The head over one block of the vocabulary, and what it reads and writes for so many rows. */
static ps_model_config head_config(const ps_engine *e)
{
	ps_model_config block = *e->config;

	block.vocab = ps_min_size(block.vocab, PS_HEAD_ROWS_MAX);
	return block;
}

static size_t head_bytes(const ps_engine *e, size_t rows)
{
	ps_model_config block = head_config(e);

	return ps_head_bytes(&block, e->session->precision, e->session->threads, rows) +
	       rows * (sizeof(int32_t) + sizeof(double)) + 2 * PS_ALIGN;
}

int ps_forecast_begin(ps_forecast *f, ps_engine *e, const ps_engine_need *need, const int32_t *ids,
		      size_t count)
{
	ps_engine_need little = *need;
	ps_forecast_cost embedding = {0};
	size_t most;
	int32_t *sampled;
	int rc;

	*f = (ps_forecast){.engine = e, .plan = ps_engine_choose(e, need), .window = need->window};
	f->start_seconds = ps_clock() - e->session->started;
	rc = ps_plan_check(&f->plan.parts, &e->session->diag);
	if (rc)
		return rc;
	f->window_count = count ? (need->tokens + f->window - 1) / f->window : 0;
	f->passes = (f->window_count * f->window + f->plan.pass_tokens - 1) / f->plan.pass_tokens;
	most = ps_max_size(1, ps_min_size(ps_max_size(2, 2 * f->plan.chunk_tokens / f->window),
					  f->window_count));
	most = ps_min_size(most, f->plan.pass_tokens / f->window);
	little.tokens = most * f->window;
	little.extra_token_bytes += sizeof *ids;
	little.head = false;
	if (need->head)
		little.extra_bytes += head_bytes(e, little.tokens);
	rc = ps_engine_start(e, &little);
	if (rc)
		return rc;
	sampled = ps_arena_take(&e->arena, little.tokens * sizeof *ids);
	for (size_t i = 0; i < little.tokens; i++)
		sampled[i] = count ? ids[i % count] : 0;
	for (size_t i = 0; i <= most; i++)
		e->starts[i] = i * f->window;
	f->sample = (ps_windows){.ids = sampled, .start = e->starts, .count = most};
	rc = embed(f);
	if (!rc)
		rc = choose_sample(f, most);
	if (rc || !count)
		return rc;
	rc = time_sample(f, embed, f, &embedding);
	f->compute_seconds = embedding.token * (double)need->tokens;
	f->read_bytes = need->tokens * embedding_row_bytes(e);
	return rc;
}

/* --- kinds of work --- */

static int time_layer(ps_forecast *f, int layer, ps_forecast_cost *cost)
{
	ps_engine *e = f->engine;
	struct layer_run run = {.f = f, .layer = layer};
	int rc =
		e->source.acquire_layer(e->source.self, layer, -1, &run.weights, &e->session->diag);

	if (rc)
		return rc;
	rc = time_sample(f, run_layer, &run, cost);
	e->source.release_layer(e->source.self, layer);
	return rc;
}

int ps_forecast_layers(ps_forecast *f, int first, int last, double tokens, size_t runs,
		       size_t reads)
{
	const ps_model_config *config = f->engine->config;
	int rc = 0;

	for (int layer = first; layer <= last && !rc; layer++) {
		/* A window within reach of a sliding layer is attended to as a whole. */
		ps_forecast_cost *cost =
			&f->layer[config->sliding[layer] && f->window > config->sliding_window];

		if (cost->token <= 0)
			rc = time_layer(f, layer, cost);
		f->compute_seconds +=
			cost->call * (double)(runs * f->passes) + cost->token * tokens;
		f->read_bytes += reads * f->passes * layer_bytes(f->engine, layer);
	}
	return rc;
}

struct head_run {
	ps_forecast *f;
	ps_head *head;
	size_t most; /* rows at a time */
	int32_t *targets;
	double *nll;
};

static int run_head(void *context)
{
	const struct head_run *run = context;

	return ps_head_nll(run->head, run->f->engine->hidden, run->targets,
			   ps_min_size(run->f->sample.count * run->f->window, run->most), run->nll);
}

/* Over one block of the vocabulary: of as many rows as the command hands over, or what a call and what a row costs. */
static int time_head(ps_forecast *f, struct head_run *run, size_t batch, ps_forecast_cost *cost)
{
	int rc;

	if (!batch)
		return time_sample(f, run_head, run, cost);
	rc = ps_probe_time(run_head, run, &cost->call);
	cost->token = 0;
	return rc;
}

int ps_forecast_head(ps_forecast *f, double rows, size_t batch)
{
	ps_engine *e = f->engine;
	const ps_model_config block = head_config(e);
	struct head_run run = {.f = f,
			       .most = batch ? ps_min_size(batch, e->pass_tokens) : e->pass_tokens};
	size_t mark = ps_arena_mark(&e->arena),
	       at_a_time = batch ? run.most
				 : ps_engine_head_tokens(f->plan.chunk_tokens, f->plan.pass_tokens);
	double calls = fmax(ceil(rows / (double)at_a_time), (double)f->passes);
	ps_forecast_cost cost = {0};
	int rc = ps_head_create(&run.head, &block, &e->source, &e->session->context,
				e->session->precision, run.most, &e->arena);

	run.targets = ps_arena_take(&e->arena, run.most * sizeof(int32_t));
	run.nll = ps_arena_take(&e->arena, run.most * sizeof(double));
	if (!rc && (!run.targets || !run.nll))
		rc = ps_fail(&e->session->diag, PS_EFAILED,
			     "the arena is too small for the output head");
	if (!rc)
		rc = time_head(f, &run, batch, &cost);
	ps_arena_rewind(&e->arena, mark);
	f->compute_seconds += (cost.call * calls + cost.token * rows) * (double)e->config->vocab /
			      (double)block.vocab;
	f->read_bytes += (uint64_t)calls * e->config->vocab * embedding_row_bytes(e);
	return rc;
}

struct observed_run {
	ps_forecast *f;
	ps_wanda_stats stats;
};

static int observe(void *context)
{
	struct observed_run *run = context;
	ps_engine *e = run->f->engine;
	const ps_wanda_pass pass = {.forward = e->forward,
				    .source = &e->source,
				    .windows = &run->f->sample,
				    .hidden = e->hidden};

	return ps_wanda_calibrate(&pass, &e->session->context, &run->stats);
}

/* Share of a layer's products that its last one has: what a layer without outputs is spared. */
static double down_share(const ps_model_config *config)
{
	double all = 0, down = 0;
	size_t rows, cols;

	for (int p = 0; p < PS_PROJECTIONS; p++) {
		ps_projection_shape(config, (ps_projection)p, &rows, &cols);
		all += (double)(rows * cols);
		if (p == PS_DOWN)
			down = (double)(rows * cols);
	}
	return down / all;
}

int ps_forecast_observed(ps_forecast *f, double tokens, bool outputs, const ps_wanda_stats *stats)
{
	struct observed_run run = {.f = f, .stats = *stats};
	ps_forecast_cost embedding, cost;
	double timed, layers = (double)stats->layers, spared = down_share(f->engine->config);
	int rc = time_sample(f, embed, f, &embedding);

	/* The last of the layers that are timed has no outputs, nor has the model's. */
	run.stats.layers = outputs ? ps_min_size(2, stats->layers) : 1;
	timed = outputs ? (double)run.stats.layers - spared : 1;
	layers -= outputs ? spared : 0;
	if (!rc)
		rc = time_sample(f, observe, &run, &cost);
	if (rc)
		return rc;
	f->compute_seconds +=
		fmax(cost.call - embedding.call, 0) * layers / timed * (double)f->passes;
	f->compute_seconds += fmax(cost.token - embedding.token, 0) * layers / timed * tokens;
	for (size_t layer = 0; layer < stats->layers; layer++)
		f->read_bytes += f->passes * layer_bytes(f->engine, (int)layer);
	return 0;
}

int ps_forecast_add(ps_forecast *f, ps_probe_fn fn, void *context, double times)
{
	double seconds = 0;
	int rc = ps_probe_time(fn, context, &seconds);

	f->compute_seconds += seconds * times;
	return rc;
}

void ps_forecast_write(ps_forecast *f, const char *path, uint64_t bytes, size_t files)
{
	char folder[PATH_MAX], above[PATH_MAX];
	ps_probe_writing writing;

	ps_path_folder(path, folder);
	while (access(folder, F_OK) && strcmp(folder, ".") && strcmp(folder, "/"))
		strcpy(folder, ps_path_folder(folder, above));
	writing = ps_probe_write(folder);
	f->written_bytes += bytes;
	f->write_seconds +=
		writing.file_seconds * (double)files + writing.byte_seconds * (double)bytes;
}

/* --- the result --- */

static double seconds_expected(const ps_forecast *f)
{
	return f->start_seconds + fmax(f->compute_seconds, (double)f->read_bytes / f->read_rate) +
	       f->write_seconds;
}

static void print_plan(const ps_forecast *f, double seconds)
{
	const ps_plan *parts = &f->plan.parts;
	char size[24], other[24];

	for (int i = 0; i < parts->count; i++)
		if (parts->part[i].bytes)
			printf("%-30s %12s\n", parts->part[i].name,
			       ps_size_format(parts->part[i].bytes, size));
	printf("%-30s %12s of %s\n", "memory in all", ps_size_format(parts->total_bytes, size),
	       ps_size_format(parts->limit_bytes, other));
	if (f->plan.spill_bytes)
		printf("%-30s %12s\n", "hidden states in a file",
		       ps_size_format(f->plan.spill_bytes, size));
	printf("%-30s %12s\n", "read", ps_size_format(f->read_bytes, size));
	printf("%-30s %12s\n", "written", ps_size_format(f->written_bytes, size));
	if (!f->window_count) {
		printf("\nabout %.*f s\n", seconds < 10 ? 1 : 0, seconds);
		return;
	}
	printf("\n%zu windows of %zu tokens in %zu pass%s of %zu, %zu tokens at a time; about %.*f "
	       "s\n",
	       f->window_count, f->window, f->passes, f->passes == 1 ? "" : "es",
	       f->plan.pass_tokens / f->window, f->plan.chunk_tokens, seconds < 10 ? 1 : 0,
	       seconds);
}

int ps_forecast_end(const ps_forecast *f, json_t **result)
{
	const ps_session *s = f->engine->session;
	const ps_plan *plan = &f->plan.parts;
	double seconds = seconds_expected(f);
	json_t *parts = json_object();

	for (int i = 0; i < plan->count; i++)
		json_object_set_new(parts, plan->part[i].name,
				    json_integer((json_int_t)plan->part[i].bytes));
	if (!s->json)
		print_plan(f, seconds);
	else
		*result = json_pack("{s:b, s:I, s:I, s:O, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}",
				    "dry_run", true, "planned_bytes", (json_int_t)plan->total_bytes,
				    "memory_bytes", (json_int_t)plan->limit_bytes, "parts", parts,
				    "windows", (json_int_t)f->window_count, "windows_per_pass",
				    (json_int_t)(f->plan.pass_tokens / f->window), "passes",
				    (json_int_t)f->passes, "chunk_tokens",
				    (json_int_t)f->plan.chunk_tokens, "spill_bytes",
				    (json_int_t)f->plan.spill_bytes, "read_bytes",
				    (json_int_t)f->read_bytes, "written_bytes",
				    (json_int_t)f->written_bytes, "seconds_expected", seconds);
	json_decref(parts);
	return 0;
}
