/* core/model/weights.h: the narrow interface through which weights reach the arithmetic.
 *
 * io/ implements ps_weight_source over checkpoints, which it maps or reads with io_uring.
 * Tests implement it over plain memory. What a source hands out is borrowed and read-only. A
 * layer's weights are valid from acquire_layer to release_layer. */
#ifndef PS_CORE_MODEL_WEIGHTS_H
#define PS_CORE_MODEL_WEIGHTS_H

#include <stdbool.h>

#include "core/base/bitmap.h"
#include "core/base/dtype.h"
#include "core/base/error.h"
#include "core/model/config.h"
#include "core/model/edit.h"

/* Where a matrix stands, for messages. All zero: it is not known. Both names are borrowed. */
typedef struct ps_weight_place {
	const char *path, *tensor;
	uint64_t offset;  /* in the file, of the view's data */
	size_t first_row; /* of the tensor, the view's first row */
} ps_weight_place;

/* One matrix W [rows = out, cols = in], row-major, as the checkpoint stores it; y = x W^T.
 *
 * A GGUF file stores some weights in another form, which ps_weight_decode undoes:
 * - Q and K of Llama: of each head's d rows, row i of the first half stands in place 2 i, row i of
 *   the second half in place 2 i + 1. (The halves of transformers become the pairs that llama.cpp
 *   turns.)
 * - norms of Gemma: w + 1 in place of w. */
typedef struct ps_weight {
	const void *data; /* any alignment */
	ps_dtype dtype;   /* ps_dtype_is_weight; cols are whole blocks of it */
	size_t rows, cols;
	size_t paired_rows; /* d, if the rows of each head are in pairs; 0: they are in order */
	bool plus_one;      /* w + 1 is stored */
	ps_edit edit;       /* all zero: the weights stay as they are */
	ps_weight_place place;
} ps_weight;

/* Columns [first, first + n) of a row as f32, without edits. */
void ps_weight_decode(const ps_weight *weight, size_t row, size_t first, size_t n, float *out);

/* Where an element stands, in bytes from the start of data; of a type with blocks, its block. */
uint64_t ps_weight_at(const ps_weight *weight, size_t row, size_t col);

/* The type in which an edited copy of the matrix is stored: its own, or F32 if that has blocks. */
ps_dtype ps_weight_written(const ps_weight *weight);

/* Looks for a weight that is NaN or infinite once it is edited. PS_EINPUT naming file, tensor, row,
 * column and offset of the first one. A weight that a mask drops does not count: it is 0 in the
 * model. It names what the packing of the weights has found (core/model/row_stage.h). */
int ps_weight_check_finite(const ps_weight *weight, ps_diag *diag) PS_MUST_USE;

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

/* Norm gains of a decoder layer, [D] (Q and K: [head_width]); data is NULL if the family does not
 * have the norm.
 *   INPUT            before attention
 *   POST_ATTENTION   Llama: before the MLP; Gemma: on attention's output
 *   PRE_MLP          Gemma: before the MLP
 *   POST_MLP         Gemma: on the MLP's output
 *   Q, K             Gemma 3: on each head */
typedef enum ps_norm {
	PS_NORM_INPUT,
	PS_NORM_POST_ATTENTION,
	PS_NORM_PRE_MLP,
	PS_NORM_POST_MLP,
	PS_NORM_Q,
	PS_NORM_K,
	PS_NORMS
} ps_norm;

/* The weights of one decoder layer. */
typedef struct ps_layer_weights {
	ps_weight projection[PS_PROJECTIONS];
	ps_weight norm[PS_NORMS]; /* rows = 1 */
} ps_layer_weights;

#define PS_HEAD_ROWS_MAX 2048 /* rows of the output head that one call may ask for */

/* Where weights come from. Functions that return int return 0 or a negative code, with the reason
 * in diag. */
typedef struct ps_weight_source {
	void *self;
	/* Waits for the weights of `layer` and hands them out, then starts to read layer `next`
	 * (-1: none). */
	int (*acquire_layer)(void *self, int layer, int next, ps_layer_weights *out, ps_diag *diag);
	/* The caller no longer looks at the weights of `layer`. */
	void (*release_layer)(void *self, int layer);
	/* out [count, D] f32 = rows ids[i] of the token embedding. The caller has checked the
	 * ids. */
	int (*embedding_rows)(void *self, const int32_t *ids, size_t count, float *out,
			      ps_diag *diag);
	/* Rows [first, first + rows) of the output head (the embedding, if tied), at most
	 * PS_HEAD_ROWS_MAX of them. They are valid until the next call. */
	int (*head_rows)(void *self, size_t first, size_t rows, ps_weight *out, ps_diag *diag);
	/* out [D] f32 = the gain of the final norm. */
	int (*final_norm)(void *self, float *out, ps_diag *diag);
} ps_weight_source;

/* The shape of a projection: rows (out) and cols (in). */
void ps_projection_shape(const ps_model_config *config, ps_projection projection, size_t *rows,
			 size_t *cols);

/* Writes the name of the layer's tensor, such as "model.layers.3.mlp.down_proj.weight", into out
 * (at least 96 bytes) and returns out. */
char *ps_projection_tensor(int layer, ps_projection projection, char *out);

/* The same for a norm; NULL if the family does not have it. */
char *ps_norm_tensor(ps_family family, int layer, ps_norm norm, char *out);

/* The length of a norm's gain. */
size_t ps_norm_length(const ps_model_config *config, ps_norm norm);

#endif
