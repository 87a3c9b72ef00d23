/* tools/engine/variants.h: one model under several masks in one pass: a layer's weights are read once for all of them.
 *
 * A layer is acquired, then every variant's hidden states go through it under that variant's bitmaps; it is released
 * as soon as it is packed for the last of them. The hidden states of all variants are in memory at once. Rows are the bits of a pass of its own. */
#ifndef PS_TOOLS_ENGINE_VARIANTS_H
#define PS_TOOLS_ENGINE_VARIANTS_H

#include "tools/engine/engine.h"

typedef struct ps_variant {
	ps_mask_file mask;
	bool masked;   /* else dense */
	float *hidden; /* (pass_tokens, D) of the engine; NULL: takes no part */
	int last;      /* in this pass: the layer to stop at; -1: no layer */
} ps_variant;

typedef struct ps_variants {
	ps_engine *engine; /* opened dense */
	ps_variant *item;
	size_t count;
} ps_variants;

/* count dense variants of the engine's model. */
int ps_variants_open(ps_variants *variants, ps_engine *engine, size_t count) PS_MUST_USE;
/* Opens a variant's mask (NULL: it stays dense), which must belong to the model. */
int ps_variant_open(ps_variants *variants, size_t index, const char *mask) PS_MUST_USE;
void ps_variants_close(ps_variants *variants); /* before its engine; a zeroed one is allowed */

const ps_mask_file *ps_variant_mask(const ps_variants *variants, size_t index); /* NULL: dense */

/* Called with the hidden states (rows, D) of a variant after each of its layers. */
typedef int (*ps_variant_fn)(void *context, size_t variant, int layer, const float *hidden,
			     size_t rows);

/* The windows through the layers up to each variant's last. prefetch_after: as ps_forward_layers. Progress is ticked
 * as total tokens, of which done were before this pass. */
typedef struct ps_variants_pass {
	const ps_windows *windows;
	int prefetch_after;
	uint64_t tokens_done, tokens;
	ps_variant_fn after_layer;
	void *context;
} ps_variants_pass;

int ps_variants_run(ps_variants *variants, const ps_variants_pass *pass) PS_MUST_USE;

#endif
