#include "tools/engine/variants.h"

#include <stdlib.h>
#include <string.h>

int ps_variants_open(ps_variants *v, ps_engine *engine, size_t count)
{
	*v = (ps_variants){
		.engine = engine, .item = calloc(count, sizeof *v->item), .count = count};
	return v->item ? 0
		       : ps_fail(&engine->session->diag, PS_EBUDGET, "no memory for %zu masks",
				 count);
}

int ps_variant_open(ps_variants *v, size_t index, const char *mask)
{
	int rc = 0;

	if (mask)
		rc = ps_engine_open_mask(v->engine, mask, &v->item[index].mask);
	v->item[index].masked = mask && !rc;
	return rc;
}

void ps_variants_close(ps_variants *v)
{
	for (size_t i = 0; v->item && i < v->count; i++)
		if (v->item[i].masked)
			ps_edit_file_close(&v->item[i].mask);
	free(v->item);
	*v = (ps_variants){0};
}

const ps_edit_file *ps_variant_mask(const ps_variants *v, size_t index)
{
	return v->item[index].masked ? &v->item[index].mask : NULL;
}

static void attach(const ps_variants *v, size_t index, int layer, ps_layer_weights *weights)
{
	const ps_edit_file *mask = ps_variant_mask(v, index);

	for (int p = 0; p < (int)PS_PROJECTIONS; p++)
		weights->projection[p].edit =
			mask ? ps_edit_file_find(mask, layer, (ps_projection)p) : (ps_edit){0};
}

/* Embeds the windows once; every variant begins with a copy. */
static int embed(ps_variants *v, const ps_windows *windows)
{
	const ps_engine *e = v->engine;
	const float *embedded = NULL;
	int rc = 0;

	for (size_t i = 0; i < v->count && !rc; i++) {
		ps_variant *variant = &v->item[i];

		if (variant->last < 0)
			continue;
		if (embedded)
			memcpy(variant->hidden, embedded,
			       windows->start[windows->count] * e->config->width * sizeof(float));
		else
			rc = ps_forward_embed(e->forward, windows, variant->hidden);
		embedded = variant->hidden;
	}
	return rc;
}

/* Index of the last variant that goes through this layer. */
static size_t last_of_layer(const ps_variants *v, int layer)
{
	size_t last = v->count;

	while (last && v->item[last - 1].last < layer)
		last--;
	return last - 1;
}

/* Takes the variants through a layer whose weights are acquired, and releases them. */
static int run_layer(ps_variants *v, const ps_variants_pass *pass, int layer, int layers,
		     ps_layer_weights *weights)
{
	const ps_engine *e = v->engine;
	const size_t rows = pass->windows->start[pass->windows->count],
		     last = last_of_layer(v, layer);
	bool held = true;
	int rc = 0;

	for (size_t i = 0; i <= last && !rc; i++) {
		float *hidden = v->item[i].hidden;

		if (v->item[i].last < layer)
			continue;
		attach(v, i, layer, weights);
		rc = ps_forward_pack(e->forward, weights);
		if (i == last) {
			e->source.release_layer(e->source.self, layer);
			held = false;
		}
		if (!rc)
			rc = ps_forward_packed(e->forward, layer, pass->windows, hidden, hidden,
					       NULL);
		if (!rc)
			rc = pass->after_layer(pass->context, i, layer, hidden, rows);
		ps_progress_tick(&e->session->context, "forward pass", "tok",
				 pass->tokens_done + rows * ((uint64_t)layer * v->count + i + 1) /
							     ((uint64_t)layers * v->count),
				 pass->tokens);
	}
	if (held)
		e->source.release_layer(e->source.self, layer);
	return rc;
}

int ps_variants_run(ps_variants *v, const ps_variants_pass *pass)
{
	const ps_weight_source *source = &v->engine->source;
	ps_diag *diag = &v->engine->session->diag;
	int last = -1, rc = embed(v, pass->windows);

	for (size_t i = 0; i < v->count; i++)
		if (v->item[i].last > last)
			last = v->item[i].last;
	for (int layer = 0; layer <= last && !rc; layer++) {
		ps_layer_weights weights;

		rc = source->acquire_layer(source->self, layer,
					   layer < last ? layer + 1 : pass->prefetch_after,
					   &weights, diag);
		if (rc)
			return rc;
		rc = run_layer(v, pass, layer, last + 1, &weights);
	}
	return rc;
}
