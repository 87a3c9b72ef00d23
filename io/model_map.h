/* io/model_map.h: which tensor of a checkpoint is which weight of the model.
 *
 * Every tensor that the config needs is there, BF16, F16 or F32, in the right shape; decoder layers hold
 * nothing else (a bias or a norm that is not computed with would change the result unseen). Outside the
 * decoder layers other tensors (a vision tower) are left alone. */
#ifndef PS_IO_MODEL_MAP_H
#define PS_IO_MODEL_MAP_H

#include "core/model/config.h"
#include "core/model/weights.h"
#include "io/shard_index.h"

#define PS_LAYER_TENSORS ((int)PS_PROJECTIONS + (int)PS_NORMS)
#define PS_PREFIXES 3
#define PS_NAME_MAX 160 /* bytes of a prefixed tensor name with its NUL */

typedef struct ps_model_map {
	const ps_shard_set *set;
	ps_located *
		layers; /* (L, PS_LAYER_TENSORS): projections, then norms; file NULL where the family has none */
	ps_located embedding, final_norm,
		head;   /* head: the embedding when the file has none and the config ties them */
	uint64_t bytes; /* of all of them */
} ps_model_map;

/* folder: for messages. The set outlives the map. */
int ps_model_map_build(ps_model_map *map, const ps_shard_set *set, const ps_model_config *config,
		       const char *folder, ps_diag *diag) PS_MUST_USE;
void ps_model_map_free(ps_model_map *map); /* of a zeroed map: nothing */

static inline const ps_located *ps_model_map_layer(const ps_model_map *map, int layer)
{
	return map->layers + (size_t)layer * (size_t)PS_LAYER_TENSORS;
}

/* Length of a norm tensor or rows and columns of a projection, by its place in a layer. */
void ps_layer_tensor_shape(const ps_model_config *config, int tensor, size_t *rows, size_t *cols);

/* Name of tensor 0..PS_LAYER_TENSORS-1 of a layer, "model.layers...", into out (96 bytes); NULL: there is none. */
char *ps_layer_tensor_name(const ps_model_config *config, int layer, int tensor, char *out);

/* The name as it stands in the files of the given kind of checkpoint (0: as it is), into out (PS_NAME_MAX bytes). */
char *ps_prefixed_name(int prefix, const char *name, char *out);

#endif
