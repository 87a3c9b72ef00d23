/* core/model/layer.h: one decoder layer over one chunk, a run of whole windows that fits the
 * workspace.
 *
 *   mid = in + post(attention(norm(in)))
 *   out = mid + post(mlp(norm(mid)))          post: Gemma's norms; nothing for Llama
 *
 * Private to core/model/forward.c, which cuts a pass into chunks.
 *
 * ps_layer_begin packs the layer's weights, with their mask, once for all chunks of a pass. After
 * it their source may have its memory back. Rows of the gate's and the up projection share panels.
 * So a tile holds both, and it becomes the down projection's input while it is in the cache. (With
 * a packing in blocks, whose columns share a scale, it becomes rows, which are packed afterwards.)
 *
 * The workspace, for each token of a chunk:
 *   narrow  D columns in X panels: the input of Q, K, V; then of gate and up
 *   broad   max(H d, I, D) columns in X panels: the input of O; then of down
 *   wide    rows, in turn: q, later attention's result (H d), and behind it k, v (2 G d);
 *           the output of O and of down (D); what an observer sees; with a packing in blocks also
 *           down's input (I) before it is packed
 *   mid     (D)
 *   keys    packed keys and values */
#ifndef PS_CORE_MODEL_LAYER_H
#define PS_CORE_MODEL_LAYER_H

#include "core/model/forward.h"

/* The products of a layer. K and V are stacked, gate and up are paired (core/model/panel.h). */
typedef enum ps_product_name {
	PS_PRODUCT_Q,
	PS_PRODUCT_KV,
	PS_PRODUCT_O,
	PS_PRODUCT_GATE_UP,
	PS_PRODUCT_DOWN,
	PS_PRODUCTS
} ps_product_name;

/* Consecutive tokens of one window. A block and a head are an item of the loops of attention. */
typedef struct ps_token_block {
	size_t window_row, window_tokens; /* the window's first row in the chunk, and its length */
	size_t first, count; /* its tokens of the window; first is a multiple of both panels */
	size_t keys;         /* where the window's keys begin in ps_layer_work.keys, in words */
	size_t query_row;    /* the row of q where the wanted tokens begin */
	size_t query_first;  /* tokens [query_first, first + count) are wanted */
} ps_token_block;

/* The workspace, and the packed weights of the current layer. */
typedef struct ps_layer_work {
	const ps_model_config *config;
	const ps_context *context;
	const ps_kernel *kernel; /* of the projections */
	ps_kernel attention;
	ps_matmul *matmul;
	size_t max_window, chunk_tokens;
	float *cos_global, *sin_global, *cos_local, *sin_local; /* (max_window, d / 2) */
	float *gain[PS_NORMS];         /* of the current layer; NULL: not a norm of the family */
	ps_panels panels[PS_PRODUCTS]; /* of the current layer */
	uint32_t *narrow, *broad;
	float *wide, *mid;
	size_t wide_floats;
	uint32_t *keys;
	size_t key_words;
	float *scratch; /* (threads, scratch_floats): attention's, or the rows of one panel */
	size_t scratch_floats; /* of one worker */
	size_t *position;      /* (chunk_tokens): of each row, in its window */
	size_t *query;         /* (chunk_tokens): the rows that are wanted */
	ps_token_block *block; /* (chunk_tokens) */
} ps_layer_work;

/* Bytes that ps_layer_create takes from its arena, the matrix product's included. */
size_t ps_layer_bytes(const ps_model_config *config, int threads,
		      const ps_forward_options *options);

/* Takes the workspace and fills the rotary tables. config and context are borrowed. */
void ps_layer_create(ps_layer_work *work, const ps_model_config *config, const ps_context *context,
		     const ps_forward_options *options, ps_arena *arena);

/* Widens the layer's gains and packs its projections. Call it before the layer's first chunk.
 * PS_EINPUT for a weight that is not finite (ps_weight_check_finite). */
int ps_layer_begin(ps_layer_work *work, const ps_layer_weights *weights) PS_MUST_USE;

/* The end of the longest run of windows from `first` on that fits a chunk; `first` itself if its
 * window is too long. */
size_t ps_layer_chunk_end(const ps_layer_work *work, const ps_windows *windows, size_t first);

/* One chunk, whose first window may start anywhere in the pass (start[0] need not be 0): out
 * (wanted rows, D) from in (rows, D). out may begin where in does, or before. out NULL and
 * observer: as in ps_forward_layer. PS_EFAILED naming layer, window and position if a row of out is
 * not finite, unless the windows allow it. */
int ps_layer_chunk(ps_layer_work *work, int layer, const ps_windows *windows, const float *in,
		   float *out, const ps_observer *observer) PS_MUST_USE;

#endif
