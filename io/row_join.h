/* io/row_join.h: several row sources over the same tokens, seen as one source: the activations of a
 * model and of its pruned variants.
 *
 * n sources have T rows each, of width D. Row r of the joint source (n T rows) is row r / n of
 * source r % n, so the rows of one token stand side by side. The columns are those of the first
 * source. A row list with `together` = n (core/base/rows.h) keeps them so under any permutation: a
 * batch of a multiple of n rows then holds the same tokens of every source.
 *
 * Each source reads ahead by itself: an announcement is handed on in n parts. A place of it must be
 * a multiple of n. Gathers may run at the same time; those beyond `threads` wait. Cost besides that
 * of the sources: each row is copied once. */
#ifndef PS_IO_ROW_JOIN_H
#define PS_IO_ROW_JOIN_H

#include "core/base/arena.h"
#include "core/base/rows.h"

#define PS_JOIN_MAX 16 /* sources */

typedef struct ps_row_join ps_row_join;

typedef struct ps_row_join_options {
	const ps_row_source *sources; /* (count), 1 to PS_JOIN_MAX, checked; copied */
	size_t count;
	size_t batch; /* the most rows that are announced at a time */
	int threads;  /* the most gathers that run at the same time */
} ps_row_join_options;

/* Arena bytes of a joint source. */
size_t ps_row_join_bytes(size_t width, size_t batch, int threads);

/* Checks that all sources agree in number of rows, width, token ids, positions and window ids.
 * Compares all rows. PS_EINPUT naming the source, and the first row that differs.
 * names (count) are for the message. */
int ps_row_join_check(const ps_row_source *sources, const char *const *names, size_t count,
		      ps_diag *diag) PS_MUST_USE;

/* Makes *source from the sources. The memory comes from the arena, which must have
 * ps_row_join_bytes. */
ps_row_join *ps_row_join_create(const ps_row_join_options *options, ps_arena *arena,
				ps_row_source *source);
/* Replaces a source by another way to the same rows. Nothing may be gathered meanwhile. */
void ps_row_join_replace(ps_row_join *join, size_t index, const ps_row_source *source);
/* Call it before the arena goes. NULL is allowed. */
void ps_row_join_destroy(ps_row_join *join);

#endif
