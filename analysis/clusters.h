/* analysis/clusters.h: which rows belong together when data are resampled: the rows of one window.
 *
 * Tokens of one window depend on each other, windows hardly do. So intervals resample windows. */
#ifndef PS_ANALYSIS_CLUSTERS_H
#define PS_ANALYSIS_CLUSTERS_H

#include "core/base/arena.h"
#include "core/base/rows.h"

typedef struct ps_clusters {
	uint32_t *
		of_row; /* (rows): cluster of the i-th row, 0 to count - 1 by ascending window id */
	size_t rows, count;
} ps_clusters;

/* Bytes of an arena that ps_clusters_of_windows takes for a list of rows. */
size_t ps_clusters_bytes(size_t rows);

/* Groups a list of rows by window. of_row is taken from the arena and lives as long as it does; the
 * rest is given back. PS_EINPUT: the source does not say its windows, or a row lies beyond it. */
int ps_clusters_of_windows(const ps_row_source *source, const ps_row_list *rows, ps_arena *arena,
			   ps_diag *diag, ps_clusters *out) PS_MUST_USE;

#endif
