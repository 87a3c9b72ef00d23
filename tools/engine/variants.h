/* tools/engine/variants.h: one model under several edits in one forward pass. A layer's weights are
 * read once for all.
 *
 * A variant is the dense model, or the model under one mask or rounding (io/edit_file.h; "mask"
 * below is either), or under edits that the command has in memory. For each layer the pass acquires
 * the weights, then takes every variant's hidden states through them under that variant's edits. It
 * releases the layer as soon as it is packed for the last variant. The hidden states of all
 * variants are in memory at once. Each variant gets the bits that a pass of its own would give
 * it. */
#ifndef PS_TOOLS_ENGINE_VARIANTS_H
#define PS_TOOLS_ENGINE_VARIANTS_H

#include "tools/engine/engine.h"

/* Edits of a command's own. */
typedef struct ps_edit_lookup {
	const void *self;
	/* NULL: there are none */
	ps_edit (*find)(const void *self, int layer, ps_projection projection);
} ps_edit_lookup;

typedef struct ps_variant {
	ps_edit_file mask;
	bool masked;          /* else dense, and mask is not open */
	ps_edit_lookup edits; /* in the mask's place */
	float *hidden;        /* (pass_tokens, D), in the engine's arena; NULL: it takes no part */
	int last;             /* the layer to stop at in this pass; -1: it takes no part in it */
} ps_variant;

typedef struct ps_variants {
	ps_engine *engine; /* opened dense */
	ps_variant *item;
	size_t count;
} ps_variants;

/* Makes `count` variants of the engine's model, all dense. PS_EBUDGET. */
int ps_variants_open(ps_variants *variants, ps_engine *engine, size_t count) PS_MUST_USE;
/* Opens a variant's mask. NULL: it stays dense. PS_EINPUT: the mask cannot be read, or belongs to
 * another model. */
int ps_variant_open(ps_variants *variants, size_t index, const char *mask) PS_MUST_USE;
void ps_variants_close(ps_variants *variants); /* before its engine; a zeroed one is allowed */

/* A variant's mask; NULL: it is dense. */
const ps_edit_file *ps_variant_mask(const ps_variants *variants, size_t index);

/* Called after each layer of a variant with its hidden states (rows, D), where all rows are wanted.
 * A code other than 0 ends the pass. */
typedef int (*ps_variant_fn)(void *context, size_t variant, int layer, const float *hidden,
			     size_t rows);

typedef struct ps_variants_pass {
	const ps_windows *windows;
	int prefetch_after;           /* as in ps_forward_layers */
	uint64_t tokens_done, tokens; /* for the progress: before this pass; in all passes */
	ps_variant_fn after_layer;    /* NULL: nobody looks */
	void *context;                /* handed to after_layer */
} ps_variants_pass;

/* Embeds the windows and takes every variant through layers 0 to its last. If windows say which
 * rows are wanted, a variant's last layer leaves out the others, as in ps_forward_layer. */
int ps_variants_run(ps_variants *variants, const ps_variants_pass *pass) PS_MUST_USE;

#endif
