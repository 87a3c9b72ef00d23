/* analysis/clusters.h: which rows belong together when data are resampled: the rows of one window.
 *
 * Tokens of a window depend on each other, windows hardly do: intervals resample windows, not tokens. */
#ifndef PS_ANALYSIS_CLUSTERS_H
#define PS_ANALYSIS_CLUSTERS_H

#include "core/base/arena.h"
#include "core/base/rows.h"

typedef struct ps_clusters {
	uint32_t *
		of_row; /* (rows): cluster of the i-th row of the list, 0 .. count - 1 by ascending window id */
	size_t rows, count;
} ps_clusters;

size_t ps_clusters_bytes(size_t rows);

/* of_row is taken from the arena and stays valid with it. PS_EINPUT: the source does not say its windows, or a
 * row id lies beyond it. */
int ps_clusters_of_windows(const ps_row_source *source, const ps_row_list *rows, ps_arena *arena,
			   ps_diag *diag, ps_clusters *out) PS_MUST_USE;

#endif
