#include "tools/engine/forecast.h"

#include <math.h>
#include <stdio.h>

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "tools/run/line_text.h"

/* Tokens of the sample: two chunks' worth of whole windows, at least two windows, no more than a
 * pass has. */
static size_t sample_windows(const ps_forecast *f)
{
	const size_t chunks = 2 * f->plan.chunk_tokens / f->window;
	size_t most = ps_min_size(ps_max_size(2, chunks), f->window_count);

	return ps_min_size(ps_max_size(1, most), f->plan.pass_tokens / f->window);
}

int ps_forecast_begin(ps_forecast *f, ps_engine *e, const ps_engine_need *need, const int32_t *ids,
		      size_t count)
{
	size_t windows;
	int rc;

	*f = (ps_forecast){.engine = e, .plan = ps_engine_choose(e, need), .window = need->window};
	f->start_seconds = ps_clock() - e->session->started;
	rc = ps_plan_check(&f->plan.parts, &e->session->diag);
	if (rc)
		return rc;
	f->window_count = count ? ps_div_up(need->tokens, f->window) : 0;
	f->passes = ps_div_up(f->window_count * f->window, f->plan.pass_tokens);
	windows = sample_windows(f);
	rc = ps_sample_start(&f->sample, e, need, windows * f->window, ids, count, &f->costs);
	if (!rc)
		rc = ps_sample_cut(&f->sample, f->window, windows, &f->costs);
	if (rc || !count)
		return rc;
	rc = ps_sample_embedding(&f->sample, &f->costs);
	ps_estimate_embedding(&f->estimate, &f->costs, (double)need->tokens);
	return rc;
}

/* The cost of each kind of layer among these, unless it is known. */
static int measure_layers(ps_forecast *f, int first, int last)
{
	int rc = 0;

	for (int layer = first; layer <= last && !rc; layer++)
		if (f->costs.layer[ps_layer_kind_of(&f->costs, layer)].token <= 0)
			rc = ps_sample_layer(&f->sample, layer, &f->costs);
	return rc;
}

int ps_forecast_layers(ps_forecast *f, int first, int last, double tokens, size_t runs,
		       size_t reads)
{
	int rc = measure_layers(f, first, last);

	ps_estimate_layers(&f->estimate, &f->costs,
			   &(ps_layers_load){.first = first,
					     .last = last,
					     .tokens = tokens,
					     .passes = f->passes,
					     .runs = runs,
					     .reads = reads});
	return rc;
}

int ps_forecast_head(ps_forecast *f, double rows, size_t batch)
{
	const size_t call_rows =
		batch ? ps_min_size(batch, f->sample.tokens)
		      : ps_engine_head_tokens(f->plan.chunk_tokens, f->plan.pass_tokens);
	const double calls = fmax(ceil(rows / (double)call_rows), (double)f->passes);
	int rc = ps_sample_head(&f->sample, batch, &f->costs);

	ps_estimate_head(&f->estimate, &f->costs, rows, calls);
	return rc;
}

int ps_forecast_observed(ps_forecast *f, double tokens, bool outputs, const ps_wanda_stats *stats)
{
	int rc = outputs ? measure_layers(f, 0, (int)stats->layers - 1) : 0;

	if (!rc)
		rc = ps_sample_observed(&f->sample, stats, &f->costs);
	ps_estimate_observed(&f->estimate, &f->costs, tokens, f->passes, outputs);
	return rc;
}

int ps_forecast_masks(ps_forecast *f, const ps_prune_options *options, const ps_wanda_stats *stats)
{
	double seconds = 0;
	int rc = ps_sample_masks(f->engine, options, stats, &f->engine->arena, &seconds);

	f->estimate.compute_seconds += seconds * ps_masked_layers(f->engine->config, options);
	return rc;
}

int ps_forecast_add(ps_forecast *f, ps_probe_fn fn, void *context, double times)
{
	double seconds = 0;
	int rc = ps_probe_time(fn, context, &seconds);

	f->estimate.compute_seconds += seconds * times;
	return rc;
}

void ps_forecast_write(ps_forecast *f, const char *path, uint64_t bytes, size_t files)
{
	const ps_probe_writing writing = ps_probe_write(path);

	ps_estimate_write(&f->estimate, &writing, (double)bytes, (double)files);
}

/* --- the result --- */

static void print_forecast(const ps_forecast *f, double seconds)
{
	const ps_plan *parts = &f->plan.parts;
	char size[24], other[24], time[24];

	ps_text_seconds(seconds, true, time);
	for (int i = 0; i < parts->count; i++)
		if (parts->part[i].bytes)
			printf("%-30s %12s\n", parts->part[i].name,
			       ps_size_format(parts->part[i].bytes, size));
	printf("%-30s %12s of %s\n", "memory in all", ps_size_format(parts->total_bytes, size),
	       ps_size_format(parts->limit_bytes, other));
	if (f->plan.spill_bytes)
		printf("%-30s %12s\n", "hidden states in a file",
		       ps_size_format(f->plan.spill_bytes, size));
	printf("%-30s %12s\n", "read", ps_size_format(f->estimate.read_bytes, size));
	printf("%-30s %12s\n", "written", ps_size_format(f->estimate.written_bytes, size));
	if (!f->window_count) {
		printf("\nabout %s\n", time);
		return;
	}
	printf("\n%zu windows of %zu tokens in %zu pass%s of %zu, %zu tokens at a time; about %s\n",
	       f->window_count, f->window, f->passes, f->passes == 1 ? "" : "es",
	       f->plan.pass_tokens / f->window, f->plan.chunk_tokens, time);
}

static json_t *forecast_json(const ps_forecast *f, double seconds)
{
	const ps_plan *plan = &f->plan.parts;
	json_t *parts = json_object();

	for (int i = 0; i < plan->count; i++)
		if (json_object_set_new(parts, plan->part[i].name,
					json_integer((json_int_t)plan->part[i].bytes))) {
			json_decref(parts);
			return NULL;
		}
	return json_pack("{s:b, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "dry_run",
			 true, "planned_bytes", (json_int_t)plan->total_bytes, "memory_bytes",
			 (json_int_t)plan->limit_bytes, "parts", parts, "windows",
			 (json_int_t)f->window_count, "windows_per_pass",
			 (json_int_t)(f->plan.pass_tokens / f->window), "passes",
			 (json_int_t)f->passes, "chunk_tokens", (json_int_t)f->plan.chunk_tokens,
			 "spill_bytes", (json_int_t)f->plan.spill_bytes, "read_bytes",
			 (json_int_t)f->estimate.read_bytes, "written_bytes",
			 (json_int_t)f->estimate.written_bytes, "seconds_expected",
			 ps_number_json(seconds));
}

int ps_forecast_end(const ps_forecast *f, json_t **result)
{
	ps_session *s = f->engine->session;
	const double seconds =
		f->start_seconds + ps_estimate_seconds(&f->estimate, f->costs.read_rate);
	json_t *json = s->json ? forecast_json(f, seconds) : NULL;

	if (!s->json)
		print_forecast(f, seconds);
	else if (!json)
		return ps_fail(&s->diag, PS_EBUDGET, "no memory for the forecast");
	else
		*result = json;
	return 0;
}
