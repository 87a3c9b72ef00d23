#include "io/mask_source.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/model_map.h"

void ps_mask_source_close(ps_mask_source *source)
{
	if (source->close)
		source->close(source->self);
	free(source->matrices);
	*source = (ps_mask_source){0};
}

size_t ps_mask_block_rows(size_t row_bytes)
{
	return ps_max_size(1, PS_MASK_BLOCK_BYTES / ps_max_size(1, row_bytes));
}

/* Takes the ending off a name. */
static void strip(char *name, const char *ending)
{
	const size_t length = strlen(name), n = strlen(ending);

	if (length > n && !strcmp(name + length - n, ending))
		name[length - n] = 0;
}

int ps_mask_entry_parse(ps_mask_entry *entry, const char *path, const char *name,
			const ps_model_config *config, ps_diag *diag)
{
	const ps_model_config any = {.layers = INT32_MAX};
	char base[PS_NAME_MAX], whole[PS_NAME_MAX + 8];
	ps_projection projection;
	bool found;
	int layer;

	*entry = (ps_mask_entry){.order = 0};
	if (snprintf(base, sizeof base, "%s", name) < (int)sizeof base) {
		strip(base, ".mask");
		strip(base, "_mask");
		strip(base, ".weight");
		snprintf(whole, sizeof whole, "%s.weight", base);
		found = ps_projection_of(config ? config : &any, -1, whole, &layer, &projection);
	} else {
		found = false;
	}
	if (!found)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %.200s is no projection of %s: masks are of q, k, v, o, "
			       "gate, up and down of its layers",
			       path, name, config ? "this model" : "a decoder layer");
	entry->order = (size_t)layer * PS_PROJECTIONS + projection;
	ps_projection_tensor(layer, projection, entry->matrix.name);
	if (config)
		ps_projection_shape(config, projection, &entry->matrix.rows, &entry->matrix.cols);
	return 0;
}

static int by_order(const void *a, const void *b)
{
	const ps_mask_entry *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

int ps_mask_source_list(ps_mask_source *source, const char *path, ps_mask_entry *entries,
			size_t count, ps_diag *diag)
{
	if (!count)
		return ps_fail(diag, PS_EINPUT, "%s: holds no mask", path);
	qsort(entries, count, sizeof *entries, by_order);
	source->matrices = calloc(count, sizeof *source->matrices);
	if (!source->matrices)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for %zu names", path, count);
	for (size_t i = 0; i < count; i++) {
		if (i && entries[i].order == entries[i - 1].order)
			return ps_fail(diag, PS_EINPUT, "%s: holds two masks of %s", path,
				       entries[i].matrix.name);
		source->matrices[i] = entries[i].matrix;
	}
	source->count = count;
	return 0;
}
