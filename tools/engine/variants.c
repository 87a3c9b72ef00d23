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
	const ps_edit_lookup *edits = &v->item[index].edits;

	for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
		ps_edit edit = {0};

		if (edits->find)
			edit = edits->find(edits->self, layer, (ps_projection)p);
		else if (mask)
			edit = ps_edit_file_find(mask, layer, (ps_projection)p);
		weights->projection[p].edit = edit;
	}
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

/* A variant's hidden states through the layer that is packed. */
static int run_packed(ps_variants *v, const ps_variants_pass *pass, size_t index, int layer)
{
	const ps_variant *variant = &v->item[index];
	ps_windows windows = *pass->windows;
	int rc;

	if (layer < variant->last)
		windows.wanted = NULL;
	rc = ps_forward_packed(v->engine->forward, layer, &windows, variant->hidden,
			       variant->hidden, NULL);
	if (!rc && pass->after_layer)
		rc = pass->after_layer(pass->context, index, layer, variant->hidden,
				       windows.start[windows.count]);
	return rc;
}

/* Takes the variants through a layer whose weights are acquired, and releases them. */
static int run_layer(ps_variants *v, const ps_variants_pass *pass, int layer, int layers,
		     ps_layer_weights *weights)
{
	const ps_engine *e = v->engine;
	const size_t last = last_of_layer(v, layer);
	bool held = true;
	int rc = 0;

	for (size_t i = 0; i <= last && !rc; i++) {
		if (v->item[i].last < layer)
			continue;
		attach(v, i, layer, weights);
		rc = ps_forward_pack(e->forward, weights);
		if (i == last) {
			e->source.release_layer(e->source.self, layer);
			held = false;
		}
		ps_forward_expect(e->forward,
				  &(ps_forward_walk){.done = (size_t)layer * v->count + i,
						     .all = (size_t)layers * v->count,
						     .tokens_done = pass->tokens_done,
						     .tokens = pass->tokens});
		if (!rc)
			rc = run_packed(v, pass, i, layer);
	}
	ps_forward_expect(e->forward, &(ps_forward_walk){0});
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
