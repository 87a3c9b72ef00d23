/* io/model_map.h: which tensor of a checkpoint is which weight of the model.
 *
 * Every tensor that the config needs must be there in the right shape, in a type of weights
 * (ps_dtype_is_weight). Decoder layers must hold nothing else that could change the result, such as
 * a bias or a norm that the program does not compute. io/foreign_tensor.h says what is passed over.
 * Other tensors outside the decoder layers (a vision tower) are left alone, except those beside the
 * embedding, the final norm and the head, and adapters.
 *
 * Names may have one of several prefixes, or none if the decoder was saved alone. A GGUF file has
 * names of its own (io/gguf_names.h), and stores some tensors in another form, which the map notes:
 * Q and K of Llama, the norms of Gemma. It may hold nothing that is unknown, wherever it stands. */
#ifndef PS_IO_MODEL_MAP_H
#define PS_IO_MODEL_MAP_H

#include "core/model/config.h"
#include "core/model/weights.h"
#include "io/shard_index.h"

#define PS_LAYER_TENSORS ((int)PS_PROJECTIONS + (int)PS_NORMS)
#define PS_PREFIXES 7
#define PS_NAME_MAX 160 /* bytes of a prefixed tensor name with its NUL */

typedef struct ps_model_map {
	const ps_shard_set *set;
	/* (L, PS_LAYER_TENSORS): projections, then norms. file NULL: the family has no such
	 * norm. */
	ps_located *layers;
	ps_located embedding, final_norm;
	ps_located head; /* the embedding if the file has no head */
	bool headless;   /* the file has no head, and the config does not tie it: no logits */
	int prefix;      /* of the names in the files: ps_prefixed_name */
	uint64_t bytes;  /* of all of them in the files */
} ps_model_map;

/* Finds and checks all tensors. PS_EINPUT naming what is missing or wrong. folder: for messages.
 * The set must outlive the map. */
int ps_model_map_build(ps_model_map *map, const ps_shard_set *set, const ps_model_config *config,
		       const char *folder, ps_diag *diag) PS_MUST_USE;
/* Frees the map. A zeroed map is allowed. */
void ps_model_map_free(ps_model_map *map);

/* The view of `rows` rows of a tensor, from row `first` on, whose bytes start at data. A vector has
 * one row. */
ps_weight ps_located_view(const ps_located *tensor, size_t first, size_t rows, const void *data);

/* out = one row of a tensor as f32, from its bytes at data. PS_EINPUT naming file, tensor, row,
 * column and offset if it holds a number that is not finite. */
int ps_located_widen(const ps_located *tensor, size_t row, const void *data, float *out,
		     ps_diag *diag) PS_MUST_USE;

/* The tensors of a layer (PS_LAYER_TENSORS). */
static inline const ps_located *ps_model_map_layer(const ps_model_map *map, int layer)
{
	return map->layers + (size_t)layer * (size_t)PS_LAYER_TENSORS;
}

/* The shape of a layer's tensor by its index, 0 to PS_LAYER_TENSORS - 1. A norm has one row. */
void ps_layer_tensor_shape(const ps_model_config *config, int tensor, size_t *rows, size_t *cols);

/* The name of a layer's tensor, "model.layers....", written to out (96 bytes). NULL: the family has
 * no such tensor. */
char *ps_layer_tensor_name(const ps_model_config *config, int layer, int tensor, char *out);

/* The name as it stands in checkpoints of prefix 0 to PS_PREFIXES - 1, written to out (PS_NAME_MAX
 * bytes). Prefix 0 leaves it unchanged. */
char *ps_prefixed_name(int prefix, const char *name, char *out);

/* Finds which projection a name means in checkpoints of this prefix (-1: of any). False: none. */
bool ps_projection_of(const ps_model_config *config, int prefix, const char *name, int *layer,
		      ps_projection *projection);

#endif
