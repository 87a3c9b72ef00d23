/* core/model/weights.h: the narrow interface through which weights reach the arithmetic.
 *
 * io/ implements ps_weight_source over mapped safetensors files and io_uring; tests implement it over plain
 * memory. Everything handed out is borrowed and read-only: a layer's views are valid from acquire to release. */
#ifndef PS_CORE_MODEL_WEIGHTS_H
#define PS_CORE_MODEL_WEIGHTS_H

#include "core/base/bitmap.h"
#include "core/base/dtype.h"
#include "core/base/error.h"
#include "core/model/config.h"

/* One matrix W [rows = out, cols = in], row-major, as it stands in the checkpoint; y = x W^T. */
typedef struct ps_weight {
	const void *data; /* any alignment */
	ps_dtype dtype;   /* PS_BF16, PS_F16 or PS_F32 */
	size_t rows, cols;
	const uint8_t *keep; /* ps_bitmap bytes [rows, ceil(cols / 8)]; NULL: dense */
} ps_weight;

/* The seven pruned projections of a decoder layer, in the order they are used. */
typedef enum ps_projection {
	PS_Q,
	PS_K,
	PS_V,
	PS_O,
	PS_GATE,
	PS_UP,
	PS_DOWN,
	PS_PROJECTIONS
} ps_projection;

/* Norm gains of a decoder layer [D] (q and k: [head_width]); data NULL where the family has none.
 * INPUT: before attention. POST_ATTENTION: Llama: before the MLP; Gemma: on attention's output.
 * PRE_MLP, POST_MLP: Gemma. Q, K: Gemma 3. */
typedef enum ps_norm {
	PS_NORM_INPUT,
	PS_NORM_POST_ATTENTION,
	PS_NORM_PRE_MLP,
	PS_NORM_POST_MLP,
	PS_NORM_Q,
	PS_NORM_K,
	PS_NORMS
} ps_norm;

typedef struct ps_layer_weights {
	ps_weight projection[PS_PROJECTIONS];
	ps_weight norm[PS_NORMS]; /* rows = 1 */
} ps_layer_weights;

#define PS_HEAD_ROWS_MAX 2048 /* most rows of the output head that one call asks for */

typedef struct ps_weight_source {
	void *self;
	/* The weights of layer, waiting for them if need be; then starts reading `next` (-1: nothing to prefetch). */
	int (*acquire_layer)(void *self, int layer, int next, ps_layer_weights *out, ps_diag *diag);
	void (*release_layer)(void *self, int layer);
	/* out [count, D]: rows ids[i] of the token embedding, widened. Ids are checked by the caller. */
	int (*embedding_rows)(void *self, const int32_t *ids, size_t count, float *out,
			      ps_diag *diag);
	/* Rows [first, first + rows), at most PS_HEAD_ROWS_MAX, of the output head (the embedding when tied); valid
	 * until the next call. */
	int (*head_rows)(void *self, size_t first, size_t rows, ps_weight *out, ps_diag *diag);
	/* out [D]: the final norm's gain, widened. */
	int (*final_norm)(void *self, float *out, ps_diag *diag);
} ps_weight_source;

/* Shape of a projection: rows (out) and cols (in). */
void ps_projection_shape(const ps_model_config *config, ps_projection projection, size_t *rows,
			 size_t *cols);

/* Name of layer's tensor, "model.layers.3.mlp.down_proj.weight"; out holds at least 96 bytes; returns out. */
char *ps_projection_tensor(int layer, ps_projection projection, char *out);

/* Name of layer's norm tensor, or NULL where the family has none. */
char *ps_norm_tensor(ps_family family, int layer, ps_norm norm, char *out);

/* Length of a norm's gain. */
size_t ps_norm_length(const ps_model_config *config, ps_norm norm);

#endif
