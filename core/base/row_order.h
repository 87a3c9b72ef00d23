/* core/base/row_order.h: the order in which training takes rows.
 *
 * Places 0, 1, 2 ... of the order are rows of a list of n. Epoch e is the n places from e n on. It
 * takes every row of the list once: in a permutation seeded by (seed, e), or as they are listed.
 * Where rows of a list stay together (ps_row_list), runs of rows are permuted, not rows. */
#ifndef PS_CORE_BASE_ROW_ORDER_H
#define PS_CORE_BASE_ROW_ORDER_H

#include "core/base/rows.h"

typedef struct ps_row_order {
	const ps_row_list *rows; /* not empty */
	uint64_t seed;
	bool sequential; /* no permutation */
} ps_row_order;

/* ids (count) = the rows at places first, first + 1 and so on. */
void ps_row_order_get(const ps_row_order *order, uint64_t first, size_t count, uint64_t *ids);

/* The place of element i of the list in an epoch. */
uint64_t ps_row_order_place(const ps_row_order *order, uint64_t epoch, uint64_t i);

#endif
