#include "analysis/clusters.h"

#include "analysis/sizes.h"
#include "core/base/sort.h"

enum { BATCH = 1024 }; /* rows asked for at a time */

static size_t lay_out_result(ps_clusters *clusters, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	clusters->of_row = ps_layout_part(&layout, clusters->rows, sizeof *clusters->of_row);
	return layout.bytes;
}

/* *ids (rows): the windows' ids. */
static size_t lay_out_scratch(size_t rows, ps_arena *arena, int32_t **ids)
{
	ps_layout layout = {.arena = arena};

	*ids = ps_layout_part(&layout, rows, sizeof **ids);
	return layout.bytes;
}

size_t ps_clusters_bytes(size_t rows)
{
	ps_clusters clusters = {.rows = rows};
	int32_t *ids;

	return ps_bytes_sum(lay_out_result(&clusters, NULL), lay_out_scratch(rows, NULL, &ids));
}

/* The place of an id in a sorted list that holds it. */
static uint32_t place_of(const int32_t *sorted, size_t count, int32_t id)
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

static bool has_larger_id(const void *self, uint32_t a, uint32_t b)
{
	(void)self;
	return (int32_t)a > (int32_t)b;
}

/* Reads the windows of the batch of rows that starts at `first`. Returns how many rows it has. */
static size_t take_windows(const ps_row_source *source, const ps_row_list *rows, size_t first,
			   int32_t *out)
{
	const size_t count = ps_min_size(BATCH, rows->count - first);
	uint64_t ids[BATCH];

	ps_row_list_get(rows, first, count, ids);
	source->column(source->self, PS_ROW_WINDOW_ID, ids, count, out);
	return count;
}

static int check(const ps_row_source *source, const ps_row_list *rows, ps_diag *diag)
{
	if (!ps_row_source_has(source, PS_ROW_WINDOW_ID))
		return ps_fail(diag, PS_EINPUT,
			       "the activation cache does not say which window a row is from");
	if (rows->count && ps_row_list_at(rows, rows->count - 1) >= source->rows)
		return ps_fail(diag, PS_EINPUT,
			       "row %llu is beyond the activation cache's %llu rows",
			       (unsigned long long)ps_row_list_at(rows, rows->count - 1),
			       (unsigned long long)source->rows);
	return 0;
}

int ps_clusters_of_windows(const ps_row_source *source, const ps_row_list *rows, ps_arena *arena,
			   ps_diag *diag, ps_clusters *out)
{
	int32_t batch[BATCH];
	int32_t *ids;
	size_t mark;
	int rc = check(source, rows, diag);

	*out = (ps_clusters){.rows = rows->count};
	if (rc)
		return rc;
	lay_out_result(out, arena);
	mark = ps_arena_mark(arena);
	lay_out_scratch(out->rows, arena, &ids);
	for (size_t first = 0; first < out->rows; first += BATCH)
		take_windows(source, rows, first, ids + first);
	ps_sort_words((uint32_t *)ids, out->rows, has_larger_id, NULL);
	for (size_t i = 0; i < out->rows; i++)
		if (!out->count || ids[i] != ids[out->count - 1])
			ids[out->count++] = ids[i];
	for (size_t first = 0; first < out->rows; first += BATCH) {
		const size_t count = take_windows(source, rows, first, batch);

		for (size_t i = 0; i < count; i++)
			out->of_row[first + i] = place_of(ids, out->count, batch[i]);
	}
	ps_arena_rewind(arena, mark);
	return 0;
}
