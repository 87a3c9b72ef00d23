/* io/row_filter.h: the rows of a cache that count: those whose token is not BOS, EOS or PAD. */
#ifndef PS_IO_ROW_FILTER_H
#define PS_IO_ROW_FILTER_H

#include "io/cache_store.h"

/* Lists the rows that count. All rows count, and the list needs no memory, if keep_special is set
 * or the cache names no token ids or no special ids. PS_EINPUT if no row counts. Free it by
 * ps_rows_release. */
int ps_rows_that_count(const ps_cache *cache, bool keep_special, ps_row_list *list,
		       ps_diag *diag) PS_MUST_USE;
/* Frees the list. A zeroed list is allowed. */
void ps_rows_release(ps_row_list *list);
/* The memory of a list, in bytes. */
size_t ps_rows_held_bytes(const ps_row_list *list);

#endif
