#include "analysis/clusters.h"

#include <gsl/gsl_sort_int.h>

#include "analysis/sizes.h"
#include "core/base/checked.h"

#define BATCH ((size_t)1024) /* rows asked for at a time */

size_t ps_clusters_bytes(size_t rows)
{
	return ps_bytes_sum(ps_array_bytes(rows, sizeof(uint32_t)),
			    ps_array_bytes(rows, sizeof(int)));
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

/* The windows of a batch of the list; returns how many rows it has. */
static size_t take_windows(const ps_row_source *source, const ps_row_list *rows, size_t first,
			   int32_t *out)
{
	const size_t count = ps_min_size(BATCH, rows->count - first);
	uint64_t ids[BATCH];

	ps_row_list_get(rows, first, count, ids);
	source->column(source->self, PS_ROW_WINDOW_ID, ids, count, out);
	return count;
}

int ps_clusters_of_windows(const ps_row_source *source, const ps_row_list *rows, ps_arena *arena,
			   ps_diag *diag, ps_clusters *out)
{
	uint32_t *of_row = ps_array_take(arena, rows->count, sizeof *of_row);
	size_t mark = ps_arena_mark(arena), distinct = 0;
	int32_t batch[BATCH];
	int *ids = ps_array_take(arena, rows->count, sizeof *ids);
	int rc = 0;

	*out = (ps_clusters){.of_row = of_row, .rows = rows->count};
	if (!of_row || !ids) {
		rc = ps_fail(diag, PS_EFAILED, "the arena is too small for the windows of %zu rows",
			     out->rows);
		goto out;
	}
	if (!ps_row_source_has(source, PS_ROW_WINDOW_ID)) {
		rc = ps_fail(diag, PS_EINPUT,
			     "the activation cache does not say which window a row is from");
		goto out;
	}
	if (rows->count && ps_row_list_at(rows, rows->count - 1) >= source->rows) {
		rc = ps_fail(diag, PS_EINPUT, "row %llu is beyond the activation cache's %llu rows",
			     (unsigned long long)ps_row_list_at(rows, rows->count - 1),
			     (unsigned long long)source->rows);
		goto out;
	}
	for (size_t first = 0; first < out->rows; first += BATCH)
		take_windows(source, rows, first, ids + first);
	gsl_sort_int(ids, 1, out->rows);
	for (size_t i = 0; i < out->rows; i++)
		if (!distinct || ids[i] != ids[distinct - 1])
			ids[distinct++] = ids[i];
	out->count = distinct;
	for (size_t first = 0; first < out->rows; first += BATCH) {
		const size_t count = take_windows(source, rows, first, batch);

		for (size_t i = 0; i < count; i++)
			of_row[first + i] = place_of(ids, distinct, batch[i]);
	}
out:
	ps_arena_rewind(arena, mark);
	return rc;
}
