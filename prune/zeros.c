#include "prune/zeros.h"

#include <string.h>

/* The matrices of one layer, an item each. */
struct layer {
	ps_weight weight[PS_PROJECTIONS];
	uint64_t zeros[PS_PROJECTIONS];
	ps_diag diag[PS_PROJECTIONS];
	int rc[PS_PROJECTIONS];
};

static uint64_t count_16(const char *data, size_t count)
{
	uint64_t zeros = 0;

	for (size_t i = 0; i < count; i++) {
		uint16_t bits;

		memcpy(&bits, data + i * sizeof bits, sizeof bits);
		zeros += !(bits & 0x7fff); /* all but the sign, in bfloat16 and half alike */
	}
	return zeros;
}

static uint64_t count_32(const char *data, size_t count)
{
	uint64_t zeros = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t bits;

		memcpy(&bits, data + i * sizeof bits, sizeof bits);
		zeros += !(bits & 0x7fffffff);
	}
	return zeros;
}

static void count_matrix(void *context, size_t item, int worker)
{
	struct layer *layer = context;
	const ps_weight *w = &layer->weight[item];
	const size_t count = w->rows * w->cols;

	(void)worker;
	layer->rc[item] = ps_weight_check_finite(w, &layer->diag[item]);
	layer->zeros[item] =
		w->dtype == PS_F32 ? count_32(w->data, count) : count_16(w->data, count);
}

static int count_layer(const ps_weight_lookup *weights, int number, const ps_context *context,
		       ps_zeros *out)
{
	struct layer layer = {.rc = {0}};
	int rc = 0;

	for (int p = 0; p < PS_PROJECTIONS && !rc; p++)
		rc = weights->projection(weights->self, number, (ps_projection)p, &layer.weight[p],
					 context->diag);
	if (rc)
		return rc;
	ps_pool_run(context->pool, PS_PROJECTIONS, count_matrix, &layer);
	for (int p = 0; p < PS_PROJECTIONS; p++) {
		if (layer.rc[p])
			return ps_fail(context->diag, layer.rc[p], "%s", layer.diag[p].text);
		out->zeros[p] += layer.zeros[p];
		out->weights[p] += (uint64_t)layer.weight[p].rows * layer.weight[p].cols;
	}
	return 0;
}

int ps_zeros_count(const ps_model_config *config, const ps_weight_lookup *weights,
		   const ps_context *context, ps_zeros *out)
{
	int rc = 0;

	*out = (ps_zeros){.zeros = {0}};
	for (int layer = 0; layer < (int)config->layers && !rc; layer++) {
		rc = ps_progress_check(context);
		if (!rc)
			rc = count_layer(weights, layer, context, out);
		ps_progress_tick(context, "counting zeros", "layers", (uint64_t)layer + 1,
				 config->layers);
	}
	return rc;
}

double ps_zeros_share(const ps_zeros *z)
{
	uint64_t zeros = 0, weights = 0;

	for (int p = 0; p < PS_PROJECTIONS; p++) {
		zeros += z->zeros[p];
		weights += z->weights[p];
	}
	return (double)zeros / (double)weights;
}
