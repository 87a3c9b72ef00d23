#include "tools/cmd/cache_windows.h"

#include "core/base/checked.h"
#include "io/row_filter.h"
#include "tools/run/belonging.h"

enum { BATCH = 1024 }; /* rows whose window is asked for at a time */

/* An upper bound of the number of different windows, in constant memory. A window's rows stand side
 * by side in a cache in sequence, so a window begins wherever the id changes; a shuffled cache has
 * many more changes, but no more windows than there are ids from the least to the largest. */
static size_t count_windows(const ps_row_source *source, const ps_row_list *rows)
{
	uint64_t changes = 0, ids[BATCH];
	int32_t window[BATCH], before = 0, least = INT32_MAX, largest = INT32_MIN;

	for (uint64_t first = 0; first < rows->count; first += BATCH) {
		const size_t count = ps_min_size(BATCH, rows->count - first);

		ps_row_list_get(rows, first, count, ids);
		source->column(source->self, PS_ROW_WINDOW_ID, ids, count, window);
		for (size_t i = 0; i < count; i++) {
			changes += !(first + i) || window[i] != before;
			before = window[i];
			least = window[i] < least ? window[i] : least;
			largest = window[i] > largest ? window[i] : largest;
		}
	}
	if (!rows->count)
		return 0;
	return ps_min_size(changes, (size_t)((int64_t)largest - least + 1));
}

int ps_cache_windows_open(ps_cache_windows *w, const char *path, bool keep_special, ps_session *s)
{
	int rc;

	*w = (ps_cache_windows){0};
	rc = ps_cache_open(&w->cache, &ps_sys_linux, path, ps_session_verify(s), &s->diag);
	if (rc)
		return rc;
	if (!w->cache.manifest)
		rc = ps_session_unverified(s, path);
	if (!rc && !ps_row_source_has(&w->cache.source, PS_ROW_WINDOW_ID))
		rc = ps_fail(&s->diag, PS_EINPUT, "%s does not say which window a row is from",
			     path);
	if (!rc)
		rc = ps_rows_that_count(&w->cache, keep_special, &w->rows, &s->diag);
	if (rc)
		ps_cache_windows_close(w);
	else
		w->windows_max = count_windows(&w->cache.source, &w->rows);
	return rc;
}

void ps_cache_windows_close(ps_cache_windows *w)
{
	ps_rows_release(&w->rows);
	ps_cache_close(&w->cache);
	*w = (ps_cache_windows){0};
}

void ps_cache_windows_plan(const ps_cache_windows *w, ps_plan *plan)
{
	ps_plan_add(plan, "rows that count", ps_rows_held_bytes(&w->rows));
	ps_plan_add(plan, "shards' headers", ps_cache_bytes(&w->cache));
}
