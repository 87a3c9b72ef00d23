/* tools/cmd/cache_windows.h: an activation cache whose rows are resampled by window: its rows that
 * count, and how many windows they come from. */
#ifndef PS_TOOLS_CMD_CACHE_WINDOWS_H
#define PS_TOOLS_CMD_CACHE_WINDOWS_H

#include "analysis/clusters.h"
#include "io/cache_store.h"
#include "tools/run/session.h"

typedef struct ps_cache_windows {
	ps_cache cache; /* stays where it is until it is closed */
	ps_row_list rows;
	size_t windows_max; /* windows of the rows, or more; exact for our own caches */
} ps_cache_windows;

/* Opens the cache and finds the rows that count (io/row_filter.h). PS_EINPUT: the cache does not
 * say which window a row is from. */
int ps_cache_windows_open(ps_cache_windows *windows, const char *path, bool keep_special,
			  ps_session *session) PS_MUST_USE;
void ps_cache_windows_close(ps_cache_windows *windows); /* a zeroed one is allowed */

/* Adds what an open one holds to the plan. */
void ps_cache_windows_plan(const ps_cache_windows *windows, ps_plan *plan);

#endif
