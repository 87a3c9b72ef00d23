/* test/support/support_memory_weights.h: a ps_weight_source over one safetensors file mapped as it is, for tests of core.
 * It trusts the file; reading checkpoints with care is io's business. */
#ifndef PS_TEST_SUPPORT_SUPPORT_MEMORY_WEIGHTS_H
#define PS_TEST_SUPPORT_SUPPORT_MEMORY_WEIGHTS_H

#include <jansson.h>
#include <stdbool.h>

#include "core/model/weights.h"

typedef struct ps_memory_weights {
	char *map; /* the whole file; a private copy, which a test may change */
	size_t map_bytes;
	const char *data; /* behind the header */
	json_t *header;
	ps_model_config config;
	int acquired; /* layers acquired and not yet released */
	const uint8_t
		*keep[PS_PROJECTIONS]; /* attached to every layer's projections; NULL: dense */
} ps_memory_weights;

/* The whole of a file, NUL-terminated, malloc'ed; NULL when it cannot be read. */
char *ps_test_read_file(const char *path, size_t *length);

/* Reads the configuration and maps the tensors. False, with a message on stderr, on any failure. */
bool ps_memory_weights_open(ps_memory_weights *weights, const char *config_path,
			    const char *tensors_path);
void ps_memory_weights_close(ps_memory_weights *weights);

/* A tensor of any rank as [first dimension, the rest] ([1, n] for vectors), and its count; false: none of that name. */
bool ps_memory_weights_find(const ps_memory_weights *weights, const char *name, ps_weight *out);
/* Its data; aborts when it is not there. count (or NULL): elements. */
const void *ps_memory_weights_data(const ps_memory_weights *weights, const char *name,
				   size_t *count);

ps_weight_source ps_memory_weights_source(ps_memory_weights *weights);

#endif
