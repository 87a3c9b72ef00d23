/* tools/engine/forecast.h: --dry-run: what a command would take of memory, disk and time; nothing is computed or written.
 *
 * begin plans, checks the budget and starts the engine for a sample of the command's windows; then the command says
 * what goes where, and each kind of work is timed on the sample, with the model's own weights, by the code that would
 * do it; end tells the sum:
 *
 *   seconds = start-up as measured + max(computing, bytes read / rate) + writing of files and bytes
 *
 * Reading overlaps computing; the rate of reading is that of the sample's first layer, from the page cache if the
 * file is in it. --json: planned_bytes, memory_bytes, parts {name: bytes}, windows, windows_per_pass, passes,
 * chunk_tokens, spill_bytes, read_bytes, written_bytes, seconds_expected, dry_run. */
#ifndef PS_TOOLS_ENGINE_FORECAST_H
#define PS_TOOLS_ENGINE_FORECAST_H

#include "prune/wanda.h"
#include "tools/engine/engine.h"
#include "tools/engine/probe.h"

/* Seconds of one call, whatever its tokens (packing), and of each token. All zero: not timed yet. */
typedef struct ps_forecast_cost {
	double call, token;
} ps_forecast_cost;

typedef struct ps_forecast {
	ps_engine *engine;
	ps_engine_plan plan;
	size_t window, window_count, passes;
	ps_windows sample;
	size_t few, many; /* windows: times on both tell what a call costs from what a token does */
	ps_forecast_cost layer[2]; /* one that attends globally, one that slides */
	double start_seconds, compute_seconds, write_seconds, read_rate;
	uint64_t read_bytes, written_bytes;
} ps_forecast;

/* ids: the first of the command's inputs; count 0: the command needs no windows. The engine is opened, not started; the
 * caller closes it, and may take need's extra bytes from its arena. */
int ps_forecast_begin(ps_forecast *forecast, ps_engine *engine, const ps_engine_need *need,
		      const int32_t *ids, size_t count) PS_MUST_USE;

/* So many tokens in all through layers first to last, each computed `runs` times a pass from weights read `reads` times. */
int ps_forecast_layers(ps_forecast *forecast, int first, int last, double tokens, size_t runs,
		       size_t reads) PS_MUST_USE;
/* So many rows through the output head, losses included, at most `batch` at a time (0: as many as a chunk). */
int ps_forecast_head(ps_forecast *forecast, double rows, size_t batch) PS_MUST_USE;
/* So many tokens through all layers, their inputs observed (as ps_wanda_calibrate). outputs: with the layers' outputs,
 * which the last has none of; else without. stats: of the model, from the engine's arena. */
int ps_forecast_observed(ps_forecast *forecast, double tokens, bool outputs,
			 const ps_wanda_stats *stats) PS_MUST_USE;
/* A further part of the work, of which fn does one of so many times. */
int ps_forecast_add(ps_forecast *forecast, ps_probe_fn fn, void *context, double times) PS_MUST_USE;
/* Bytes in so many files written to a file or folder of that path. */
void ps_forecast_write(ps_forecast *forecast, const char *path, uint64_t bytes, size_t files);

/* Prints the plan, unless --json, and returns it. */
int ps_forecast_end(const ps_forecast *forecast, json_t **result) PS_MUST_USE;

#endif
