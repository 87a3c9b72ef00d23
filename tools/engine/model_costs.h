/* tools/engine/model_costs.h: what work on a model costs on this machine, and sums of such costs.
 *
 * Use it to estimate the time of work before the work is done. There are three parts:
 *   ps_sample       A few windows of tokens. Each kind of work is timed on them by the code that
 *                   does the work, with the model's own weights and the session's threads,
 *                   precision and I/O backend.
 *   ps_model_costs  The measured costs: seconds of a call and of a token, for each kind of work.
 *   ps_estimate     The sum over the work that is planned:
 *                   seconds = max(computing, bytes read / rate of reading) + writing.
 *                   Computing and reading overlap.
 * The --dry-run of a command (tools/engine/forecast.h) and the estimates of a study
 * (tools/study/estimate.h) both stand on these. */
#ifndef PS_TOOLS_ENGINE_MODEL_COSTS_H
#define PS_TOOLS_ENGINE_MODEL_COSTS_H

#include "prune/wanda.h"
#include "tools/engine/engine.h"
#include "tools/engine/probe.h"

/* Seconds of a call (to pack the weights) and of each token in it. Zeroed: not measured. */
typedef struct ps_call_cost {
	double call, token;
} ps_call_cost;

/* Layers of a model differ in how they attend. */
typedef enum ps_layer_kind {
	PS_LAYER_GLOBAL,
	PS_LAYER_SLIDING, /* its reach is shorter than the window */
	PS_LAYER_KINDS
} ps_layer_kind;

/* The costs of one model on windows of one length. */
typedef struct ps_model_costs {
	ps_model_config config;
	size_t window; /* tokens */
	ps_call_cost embedding;
	ps_call_cost layer[PS_LAYER_KINDS];
	ps_call_cost head;     /* whole vocabulary; token: of a row that is scored */
	ps_call_cost observed; /* a layer whose inputs are summed and which has no outputs */
	double read_rate; /* bytes of weights a second, from the page cache if they are in it */
	uint64_t embedding_row_bytes;
	uint64_t layer_bytes[PS_LAYERS_MAX];
} ps_model_costs;

/* --- the sample --- */

/* It must stay where it is between start and the last measurement. */
typedef struct ps_sample {
	ps_engine *engine;
	ps_windows windows;
	size_t window; /* tokens of each */
	/* Windows of two timed calls. They differ by what tokens cost; the rest is the call's. */
	size_t few, many;
	size_t tokens; /* room for */
	/* in the engine's arena */
	int32_t *ids;               /* (tokens) */
	ps_arena head_room;         /* of the output head over one block of the vocabulary */
	const ps_engine_need *need; /* the caller's, while the engine starts */
} ps_sample;

/* Starts the engine for at most `tokens` tokens and fills in what costs say of the model.
 * engine: opened, not started; the caller closes it. need: its window is the longest one of the
 * sample. Its buffers are laid out for the sample. Its head is not started, but ps_sample_head gets
 * room where it wants one. ids (count): the sample's tokens, repeated as often as necessary; count
 * 0: token 0. PS_EBUDGET. */
int ps_sample_start(ps_sample *sample, ps_engine *engine, const ps_engine_need *need, size_t tokens,
		    const int32_t *ids, size_t count, ps_model_costs *costs) PS_MUST_USE;

/* Gives the sample windows of this length: as many as a layer computes in about 0.04 s, at least
 * two where there is room, at most windows_max. Measures the rate of reading on the way. */
int ps_sample_cut(ps_sample *sample, size_t window, size_t windows_max,
		  ps_model_costs *costs) PS_MUST_USE;

/* How the layer attends to windows of costs->window tokens. */
ps_layer_kind ps_layer_kind_of(const ps_model_costs *costs, int layer);

/* Each of these measures one cost. */
int ps_sample_embedding(ps_sample *sample, ps_model_costs *costs) PS_MUST_USE;
/* Of the kind of layer that this one is. */
int ps_sample_layer(ps_sample *sample, int layer, ps_model_costs *costs) PS_MUST_USE;
/* batch: rows that the command hands over in a call; all of the call's time then counts as its own,
 * none as its rows'. 0: time of calls and time of rows are told apart. */
int ps_sample_head(ps_sample *sample, size_t batch, ps_model_costs *costs) PS_MUST_USE;
/* stats: of the model, in memory of the caller's. The first layer's are those of the sample
 * afterwards. */
int ps_sample_observed(ps_sample *sample, const ps_wanda_stats *stats,
		       ps_model_costs *costs) PS_MUST_USE;

/* Seconds in which the first layer is masked by a rule; a pooled embedding is not timed. stats: for
 * Wanda, with the first layer's values; NULL: magnitude. arena: has room for ps_magnitude_bytes or
 * ps_wanda_bytes, and gets it back. */
int ps_sample_masks(ps_engine *engine, const ps_prune_options *options, const ps_wanda_stats *stats,
		    ps_arena *arena, double *seconds) PS_MUST_USE;
/* The layers that a rule looks at: the model's, and as many as a pooled embedding's weights
 * make. */
double ps_masked_layers(const ps_model_config *config, const ps_prune_options *options);
/* --- sums --- */

typedef struct ps_estimate {
	double compute_seconds, write_seconds;
	uint64_t read_bytes, written_bytes;
} ps_estimate;

/* What goes through layers: so many tokens in all, in so many passes. */
typedef struct ps_layers_load {
	int first, last; /* inclusive; nothing where last < first */
	double tokens;   /* of all runs together */
	size_t passes;
	size_t runs;  /* times that a layer is packed and computed in a pass */
	size_t reads; /* times that its weights are read in a pass */
} ps_layers_load;

/* The costs of what is added must have been measured. */
void ps_estimate_embedding(ps_estimate *estimate, const ps_model_costs *costs, double tokens);
void ps_estimate_layers(ps_estimate *estimate, const ps_model_costs *costs,
			const ps_layers_load *load);
/* Rows through the output head in so many calls. */
void ps_estimate_head(ps_estimate *estimate, const ps_model_costs *costs, double rows,
		      double calls);
/* All layers with their inputs observed. outputs: the layers have outputs too, except the last. */
void ps_estimate_observed(ps_estimate *estimate, const ps_model_costs *costs, double tokens,
			  size_t passes, bool outputs);
void ps_estimate_write(ps_estimate *estimate, const ps_probe_writing *writing, double bytes,
		       double files);

double ps_estimate_seconds(const ps_estimate *estimate, double read_rate);

#endif
