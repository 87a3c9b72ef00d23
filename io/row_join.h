/* io/row_join.h: several row sources on the same tokens as one: a model's activations and those of its pruned variants.
 *
 * Of n sources with T rows each, all of width D, row r of the joint source (n T rows) is row r / n of source r % n: a token's
 * activations stand side by side. Its columns are those of the first source. A row list with together = n leaves them so
 * under any permutation, and a batch of a multiple of n rows holds the same tokens of every source.
 * Each source reads ahead by itself: an announcement is handed on in n parts. Threads: gathers may run at the same time;
 * those beyond `threads` wait. Cost beside the sources': one copy of each row. */
#ifndef PS_IO_ROW_JOIN_H
#define PS_IO_ROW_JOIN_H

#include "core/base/arena.h"
#include "core/base/rows.h"

#define PS_JOIN_MOST 16 /* sources */

typedef struct ps_row_join ps_row_join;

size_t ps_row_join_bytes(size_t width, size_t batch, int threads);

/* All rows of the sources are compared: PS_EINPUT naming the source and, where one differs, the first such row, unless they
 * agree in number, width, token ids, positions and window ids. names (count): static as long as the call. */
int ps_row_join_check(const ps_row_source *sources, const char *const *names, size_t count,
		      ps_diag *diag) PS_MUST_USE;

/* sources (count, 1 to PS_JOIN_MOST), checked, are copied; batch: rows announced at most. Memory from the arena. */
int ps_row_join_create(ps_row_join **join, const ps_row_source *sources, size_t count, size_t batch,
		       int threads, ps_arena *arena, ps_row_source *source,
		       ps_diag *diag) PS_MUST_USE;
/* Another way to the same rows of a source, while nothing is gathered. */
void ps_row_join_replace(ps_row_join *join, size_t index, const ps_row_source *source);
void ps_row_join_destroy(ps_row_join *join); /* before the arena goes; NULL allowed */

#endif
