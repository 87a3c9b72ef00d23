/* core/layer.h: one decoder layer over one chunk, a run of whole windows that fits the workspace.
 *
 *   mid = in + post(attention(norm(in)));  out = mid + post(mlp(norm(mid)))     post: Gemma's norms, else nothing
 *
 * Behind core/forward.h, which cuts a pass into chunks; nothing else includes this.
 * Workspace, per token of a chunk: normed (D), mid (D), and wide, used twice:
 *   attention  | q (H d) | k (G d) | v (G d) | mixed (H d) |
 *   MLP        | gate (I) | up (I) | */
#ifndef PS_CORE_LAYER_H
#define PS_CORE_LAYER_H

#include "core/forward.h"

/* Consecutive queries of one window: with a head, the unit of parallel work in attention. */
typedef struct ps_query_block {
	size_t first_row; /* of the window, within the chunk */
	size_t tokens;    /* of the window */
	size_t first_query, count;
} ps_query_block;

typedef struct ps_layer_work {
	const ps_model_config *config;
	const ps_context *context;
	ps_matmul *matmul;
	size_t max_window, chunk_tokens;
	float *cos_global, *sin_global, *cos_local, *sin_local; /* (max_window, d / 2) */
	float *gain[PS_NORMS];                                  /* of the current layer; NULL: the family has none */
	float *normed, *mid;                                    /* (chunk_tokens, D) */
	float *wide;
	float *scratch;           /* attention's, per worker */
	size_t scratch_floats;    /* of one worker */
	size_t *position;         /* (chunk_tokens) within its window */
	ps_query_block *block;    /* (chunk_tokens) */
} ps_layer_work;

/* Arena bytes of the workspace, the matrix product's included. */
size_t ps_layer_bytes(const ps_model_config *config, int threads, size_t max_window, size_t chunk_tokens);
int ps_layer_create(ps_layer_work *work, const ps_model_config *config, const ps_context *context, size_t max_window,
		    size_t chunk_tokens, ps_arena *arena) PS_MUST_USE;

/* Widens the layer's gains; before its first chunk. */
void ps_layer_begin(ps_layer_work *work, const ps_layer_weights *weights);

/* Windows [first, last), whose rows number at most chunk_tokens; in, out (rows of them, D), out may be in.
 * observe, out NULL: as ps_forward_layer. */
int ps_layer_chunk(ps_layer_work *work, int layer, const ps_layer_weights *weights, const ps_windows *windows,
		   size_t first, size_t last, const float *in, float *out, ps_input_fn observe,
		   void *observe_context) PS_MUST_USE;

#endif
