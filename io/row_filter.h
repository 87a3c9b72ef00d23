/* io/row_filter.h: the rows of a cache that count: those whose token is not BOS, EOS or PAD. */
#ifndef PS_IO_ROW_FILTER_H
#define PS_IO_ROW_FILTER_H

#include "io/cache_store.h"

/* *list: released by ps_rows_release. Where the cache names no token or special ids, or keep_special is set, every row
 * counts, and the list needs no memory; else ps_rows_held_bytes. */
int ps_rows_that_count(const ps_cache *cache, bool keep_special, ps_row_list *list,
		       ps_diag *diag) PS_MUST_USE;
void ps_rows_release(ps_row_list *list); /* a zeroed one is allowed */
size_t ps_rows_held_bytes(const ps_row_list *list);

#endif
