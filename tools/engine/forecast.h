/* tools/engine/forecast.h: --dry-run of one command: the memory, disk and time that it would take.
 *
 * Nothing is written, and only a sample is computed. The calls come in this order:
 *   1. begin plans, checks the budget, and starts the engine for a sample of the command's windows.
 *   2. layers, head, observed, masks, add and write say what the command would do. Each kind of
 *      work is timed on the sample, once.
 *   3. end prints or returns the sum: start-up as measured, and what tools/engine/model_costs.h
 *      sums up.
 *
 * Keys of the result: planned_bytes, memory_bytes, parts {name: bytes}, windows, windows_per_pass,
 * passes, chunk_tokens, spill_bytes, read_bytes, written_bytes, seconds_expected, dry_run. */
#ifndef PS_TOOLS_ENGINE_FORECAST_H
#define PS_TOOLS_ENGINE_FORECAST_H

#include "tools/engine/model_costs.h"

typedef struct ps_forecast {
	ps_engine *engine;
	ps_engine_plan plan; /* of the command, not of the sample */
	size_t window, window_count, passes;
	ps_sample sample;
	ps_model_costs costs; /* measured when they are first asked for */
	ps_estimate estimate;
	double start_seconds;
} ps_forecast;

/* ids (count): the first of the command's inputs; count 0: the command needs no windows. The engine
 * is opened, not started. The caller closes it, and may take need's extra bytes from its arena.
 * PS_EBUDGET as the command itself. */
int ps_forecast_begin(ps_forecast *forecast, ps_engine *engine, const ps_engine_need *need,
		      const int32_t *ids, size_t count) PS_MUST_USE;

/* Adds `tokens` tokens in all through layers first to last. In each pass a layer is computed `runs`
 * times from weights that are read `reads` times. */
int ps_forecast_layers(ps_forecast *forecast, int first, int last, double tokens, size_t runs,
		       size_t reads) PS_MUST_USE;
/* Adds `rows` rows through the output head, losses included, at most `batch` in a call (0: as many
 * as the engine's head takes). */
int ps_forecast_head(ps_forecast *forecast, double rows, size_t batch) PS_MUST_USE;
/* Adds `tokens` tokens through all layers with their inputs observed, as ps_wanda_calibrate does.
 * outputs: the layers have outputs too, except the last. stats: of the model, from the engine's
 * arena; layer 0's are those of the sample afterwards. */
int ps_forecast_observed(ps_forecast *forecast, double tokens, bool outputs,
			 const ps_wanda_stats *stats) PS_MUST_USE;
/* Adds the masks of all layers by a rule (ps_sample_masks). */
int ps_forecast_masks(ps_forecast *forecast, const ps_prune_options *options,
		      const ps_wanda_stats *stats) PS_MUST_USE;
/* Adds work of which fn does one of `times` equal parts. */
int ps_forecast_add(ps_forecast *forecast, ps_probe_fn fn, void *context, double times) PS_MUST_USE;
/* Adds the writing of so many bytes in so many files to a file or folder of that path. */
void ps_forecast_write(ps_forecast *forecast, const char *path, uint64_t bytes, size_t files);

/* Prints the forecast, or with --json returns it in *result (new). PS_EBUDGET when memory runs out.
 * */
int ps_forecast_end(const ps_forecast *forecast, json_t **result) PS_MUST_USE;

#endif
