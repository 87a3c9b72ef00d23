#include "analysis/clusters.h"

#include <gsl/gsl_sort_int.h>

#include "analysis/sizes.h"

size_t ps_clusters_bytes(size_t rows)
{
	return ps_bytes_sum(ps_array_bytes(rows, sizeof(uint32_t)), ps_array_bytes(rows, sizeof(int)));
}

static uint32_t place_of(const int *sorted, size_t count, int id)
{
	size_t low = 0, high = count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (sorted[middle] <= id)
			low = middle;
		else
			high = middle;
	}
	return (uint32_t)low;
}

int ps_clusters_of_windows(const ps_row_source *source, const ps_row_list *rows, ps_arena *arena, ps_diag *diag, ps_clusters *out)
{
	uint32_t *of_row = ps_array_take(arena, rows->count, sizeof *of_row);
	size_t mark = ps_arena_mark(arena), distinct = 0;
	int *ids = ps_array_take(arena, rows->count, sizeof *ids);
	int rc = 0;

	*out = (ps_clusters){.of_row = of_row, .rows = rows->count};
	if (!of_row || !ids) {
		rc = ps_fail(diag, PS_EFAILED, "the arena is too small for the windows of %zu rows", out->rows);
		goto out;
	}
	if (!source->window_ids) {
		rc = ps_fail(diag, PS_EINPUT, "the activation cache does not say which window a row is from");
		goto out;
	}
	for (size_t i = 0; i < out->rows; i++) {
		if (rows->ids[i] >= source->rows) {
			rc = ps_fail(diag, PS_EINPUT, "row %llu is beyond the activation cache's %llu rows", (unsigned long long)rows->ids[i],
				     (unsigned long long)source->rows);
			goto out;
		}
		ids[i] = source->window_ids[rows->ids[i]];
	}
	gsl_sort_int(ids, 1, out->rows);
	for (size_t i = 0; i < out->rows; i++)
		if (!distinct || ids[i] != ids[distinct - 1])
			ids[distinct++] = ids[i];
	out->count = distinct;
	for (size_t i = 0; i < out->rows; i++)
		of_row[i] = place_of(ids, distinct, source->window_ids[rows->ids[i]]);
out:
	ps_arena_rewind(arena, mark);
	return rc;
}
