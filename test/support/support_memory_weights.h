/* test/support/support_memory_weights.h: a ps_weight_source over one mapped safetensors file, for
 * tests of core. It trusts the file. Careful reading of checkpoints belongs to io. */
#ifndef PS_TEST_SUPPORT_SUPPORT_MEMORY_WEIGHTS_H
#define PS_TEST_SUPPORT_SUPPORT_MEMORY_WEIGHTS_H

#include <stdbool.h>

#include "core/base/json.h"
#include "core/model/weights.h"

typedef struct ps_memory_weights {
	char *map; /* the whole file; a private copy that a test may change */
	size_t map_bytes;
	const char *data; /* the bytes after the header */
	json_t *header;
	ps_model_config config;
	int acquired; /* layers that are acquired and not yet released */
	/* Attached to the projections of every layer. NULL: dense. */
	const uint8_t *keep[PS_PROJECTIONS];
} ps_memory_weights;

/* Reads a whole file, NUL-terminated, malloc'ed. NULL if it cannot be read. */
char *ps_test_read_file(const char *path, size_t *length);

/* Reads the configuration and maps the tensors. False, with a message on stderr, on any failure. */
bool ps_memory_weights_open(ps_memory_weights *weights, const char *config_path,
			    const char *tensors_path);
/* Unmaps the file. */
void ps_memory_weights_close(ps_memory_weights *weights);

/* Finds a tensor of any rank, as a matrix [first dimension, the rest]; a vector as [1, n]. False:
 * there is none of that name. */
bool ps_memory_weights_find(const ps_memory_weights *weights, const char *name, ps_weight *out);
/* The data of a tensor; aborts if there is none of that name. count (or NULL): its elements. */
const void *ps_memory_weights_data(const ps_memory_weights *weights, const char *name,
				   size_t *count);

/* The source over these weights. */
ps_weight_source ps_memory_weights_source(ps_memory_weights *weights);

#endif
