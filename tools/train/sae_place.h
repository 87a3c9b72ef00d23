/* tools/train/sae_place.h: what the path of an SAE's folder says of its place in a model, where no
 * file says it.
 *
 * The published dictionaries lie in repositories and folders whose names say it:
 *   .../gemma-scope-2b-pt-res/.../layer_20/width_16k/average_l0_71      Gemma Scope
 *   .../gemma-scope-2-1b-pt/.../resid_post/layer_17_width_16k_l0_small  Gemma Scope 2
 *   .../Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L15R-8x                Llama Scope
 *   .../RUN/layers.3                                                    sparsify
 * The names of models are those of the hub, as SAELens derives them. */
#ifndef PS_TOOLS_TRAIN_SAE_PLACE_H
#define PS_TOOLS_TRAIN_SAE_PLACE_H

#include <stddef.h>

#include "core/base/error.h"

typedef enum ps_sae_site {
	PS_SITE_UNSAID,
	PS_SITE_STREAM, /* the residual stream after a layer */
	PS_SITE_MLP,
	PS_SITE_ATTENTION,
	PS_SITE_EMBEDDING,
	PS_SITE_TRANSCODER, /* it predicts other activations than it reads */
} ps_sae_site;

typedef struct ps_sae_place {
	char folder[256]; /* the last part of the path */
	int layer;        /* -1: not said */
	ps_sae_site site;
	char model[64]; /* "" : not said */
} ps_sae_place;

/* Of the folder at path, links followed. PS_EINPUT: it is not there. */
int ps_sae_place_of(const char *path, ps_sae_place *place, ps_diag *diag) PS_MUST_USE;

/* The name of the hook as TransformerLens spells it, as SAELens takes it; a layer whose site is not
 * said counts as the residual stream. "" where the layer is not said. */
void ps_sae_place_hook(const ps_sae_place *place, char *name, size_t size);

#endif
