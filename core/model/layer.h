/* core/model/layer.h: one decoder layer over one chunk, a run of whole windows that fits the
 * workspace.
 *
 *   mid = in + post(attention(norm(in)));  out = mid + post(mlp(norm(mid)))     post: Gemma's norms, else nothing
 *
 * Behind core/model/forward.h, which cuts a pass into chunks; nothing else includes this. The
 * layer's weights are packed once, with its mask, for all chunks of a pass (ps_layer_begin); their
 * source may have its memory back as soon as that is done. The gate's and the up projection's rows
 * share panels, so that a tile holds both and becomes the down projection's input while it is in
 * the cache. Workspace, per token of a chunk:
 *   narrow  D columns in X panels: the input of Q, K, V, then of gate and up
 *   broad   max(H d, I, D) columns in X panels: the input of O, then of down
 *   wide    rows, used in turn: | q, later mixed (H d) | k, v (2 G d) |; O's and down's output (D); what is observed
 *   mid     (D)
 *   keys    packed keys and values */
#ifndef PS_CORE_MODEL_LAYER_H
#define PS_CORE_MODEL_LAYER_H

#include "core/model/forward.h"

/* The products of a layer: K and V stacked, gate and up paired. */
typedef enum ps_product_name {
	PS_PRODUCT_Q,
	PS_PRODUCT_KV,
	PS_PRODUCT_O,
	PS_PRODUCT_GATE_UP,
	PS_PRODUCT_DOWN,
	PS_PRODUCTS
} ps_product_name;

/* Consecutive tokens of one window: with a head, the unit of parallel work in attention. */
typedef struct ps_token_block {
	size_t window_row, window_tokens; /* the window, its first row within the chunk */
	size_t first, count; /* within the window; first is a multiple of both panels */
	size_t keys;         /* words before the window's in `keys` */
	size_t query_row,
		query_first; /* queries [query_first, first + count) start at this row of q */
} ps_token_block;

typedef struct ps_layer_work {
	const ps_model_config *config;
	const ps_context *context;
	const ps_kernel *kernel;
	ps_matmul *matmul;
	size_t max_window, chunk_tokens;
	float *cos_global, *sin_global, *cos_local, *sin_local; /* (max_window, d / 2) */
	float *gain[PS_NORMS];         /* of the current layer; NULL: the family has none */
	ps_panels panels[PS_PRODUCTS]; /* of the current layer */
	uint32_t *narrow, *broad;
	float *wide, *mid;
	size_t wide_floats;
	uint32_t *keys;
	size_t key_words;
	float *scratch;        /* attention's, or rows of one panel, per worker */
	size_t scratch_floats; /* of one worker */
	size_t *position;      /* (chunk_tokens) within its window */
	size_t *query;         /* (chunk_tokens): the rows whose outputs are wanted */
	ps_token_block *block; /* (chunk_tokens) */
} ps_layer_work;

/* Arena bytes of the workspace, the matrix product's included. */
size_t ps_layer_bytes(const ps_model_config *config, int threads,
		      const ps_forward_options *options);
void ps_layer_create(ps_layer_work *work, const ps_model_config *config, const ps_context *context,
		     const ps_forward_options *options, ps_arena *arena);

/* Widens the layer's gains and packs its projections; before its first chunk. */
void ps_layer_begin(ps_layer_work *work, const ps_layer_weights *weights);

/* The end of the longest run of windows from first that is one chunk; first itself: its window is
 * too long. */
size_t ps_layer_chunk_end(const ps_layer_work *work, const ps_windows *windows, size_t first);

/* One chunk, whose first window may start anywhere in the pass (start[0] need not be 0): out
 * (wanted rows, D) from in (rows, D). out may begin where in does, or before. out NULL and
 * observer: as in ps_forward_layer. */
int ps_layer_chunk(ps_layer_work *work, int layer, const ps_windows *windows, const float *in,
		   float *out, const ps_observer *observer) PS_MUST_USE;

#endif
