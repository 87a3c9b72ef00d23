/* core/model/forward.h: the decoder's forward pass over many windows at once, one layer at a time.
 *
 * Hidden states are f32 (T, D), one window behind the other; windows may differ in length. A window
 * attends only within itself, and its positions start at 0. The output of layer L is the residual
 * stream after decoder layer L, before the final norm (blocks.L.hook_resid_post of
 * TransformerLens).
 *
 * Same bits: a row of the result depends on its window alone, not on the other windows of the pass,
 * nor on threads.
 *
 * Parity: transformers in float32 with attn_implementation eager. PS_PRECISION_BF16
 * rounds the operands of products to bf16: weights, their inputs, queries, keys, values and
 * attention's weights. The residual stream, norms, gates and all sums stay f32.
 * PS_PRECISION_INT16 rounds weights and their inputs to int16, with a scale for each block of
 * columns (core/model/int16_block.h); attention stays f32.
 *
 * Numbers that are not finite: a weight is PS_EINPUT naming file, tensor, row, column and offset; a
 * hidden state after a layer is PS_EFAILED naming layer, window and position, since finite weights
 * overflowed on the way. */
#ifndef PS_CORE_MODEL_FORWARD_H
#define PS_CORE_MODEL_FORWARD_H

#include "core/base/arena.h"
#include "core/base/progress.h"
#include "core/model/config.h"
#include "core/model/matmul.h"
#include "core/model/weights.h"

/* Windows of token ids: window w is ids[start[w]] to ids[start[w + 1] - 1]. */
typedef struct ps_windows {
	const int32_t *ids;
	const size_t *start; /* (count + 1), start[0] = 0 */
	size_t count;
	/* (count): the last layer computes rows of window w from wanted[w] on; NULL: all rows. */
	const size_t *wanted;
	size_t first_window;   /* number of the first window in messages */
	bool overflow_allowed; /* hidden states that are not finite are left to the caller */
} ps_windows;

/* The inputs of projections, for calibration. Q, K and V share one; GATE and UP share one. */
typedef enum ps_input {
	PS_INPUT_ATTENTION,
	PS_INPUT_O,
	PS_INPUT_MLP,
	PS_INPUT_DOWN,
	PS_INPUTS
} ps_input;

/* The input of a projection. */
ps_input ps_input_of(ps_projection projection);

/* Who looks at the inputs of projections. `see` gets consecutive rows of one input, x (rows, cols),
 * in row order, from one thread. A result other than 0 ends the pass with that result. */
typedef struct ps_observer {
	int (*see)(void *context, ps_input input, const float *x, size_t rows, size_t cols);
	void *context;
} ps_observer;

typedef struct ps_forward ps_forward;

typedef struct ps_forward_options {
	ps_precision precision;
	ps_dtype weights;    /* PS_BF16 if all projections are stored in it, else PS_F32 */
	size_t max_window;   /* tokens of the longest window */
	size_t chunk_tokens; /* tokens computed at a time; raised to max_window if less */
} ps_forward_options;

/* Bytes that ps_forward_create takes from its arena. One packed layer is the largest part of
 * them. */
size_t ps_forward_bytes(const ps_model_config *config, int threads,
			const ps_forward_options *options);

/* config, source and context are borrowed and outlive the forward pass. All memory comes from the
 * arena. */
ps_forward *ps_forward_create(const ps_model_config *config, const ps_weight_source *source,
			      const ps_context *context, const ps_forward_options *options,
			      ps_arena *arena);

/* The config it was made with. */
const ps_model_config *ps_forward_config(const ps_forward *forward);

/* hidden (T, D) = the embedding of the ids; for Gemma times sqrt(D). PS_EINPUT for an id outside
 * [0, V): the message names window, position and id. */
int ps_forward_embed(ps_forward *forward, const ps_windows *windows, float *hidden) PS_MUST_USE;

/* One decoder layer: out (T, D) from in (T, D); out may be in. Packs the weights, then computes all
 * windows. If windows say which rows are wanted, out holds only these, one behind the other.
 * observer (or NULL) sees the projections' inputs. With out NULL the layer stops after the last of
 * these inputs: this is for calibration. */
int ps_forward_layer(ps_forward *forward, int layer, const ps_layer_weights *weights,
		     const ps_windows *windows, const float *in, float *out,
		     const ps_observer *observer) PS_MUST_USE;

/* ps_forward_layer in two halves, for callers that release the weights in between. This half packs
 * the weights; after it they are not looked at again, also if it fails. */
int ps_forward_pack(ps_forward *forward, const ps_layer_weights *weights) PS_MUST_USE;

/* A walk of tokens through a layer, one of several. */
typedef struct ps_forward_walk {
	size_t done, all;             /* walks before this one, and in all, over the same tokens */
	uint64_t tokens_done, tokens; /* that went through all walks; in all */
} ps_forward_walk;

/* The next calls of ps_forward_packed are this walk: they report progress. All 0: no longer. */
void ps_forward_expect(ps_forward *forward, const ps_forward_walk *walk);

/* Computes the layer that was packed last, as often as it is called. Otherwise as
 * ps_forward_layer. */
int ps_forward_packed(ps_forward *forward, int layer, const ps_windows *windows, const float *in,
		      float *out, const ps_observer *observer) PS_MUST_USE;

/* Layers first..last (inclusive) in place, on hidden (T, D). Takes the weights from the source; the
 * next layer is read while one computes. prefetch_after: the layer to start reading during the last
 * one, -1 for none. Rows that are not wanted are left out of the last layer, as in
 * ps_forward_layer. Between chunks it checks for interruption (PS_EINTERRUPTED) and reports
 * progress. */
int ps_forward_layers(ps_forward *forward, int first, int last, int prefetch_after,
		      const ps_windows *windows, float *hidden) PS_MUST_USE;

#endif
