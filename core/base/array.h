/* core/base/array.h: heap arrays that double their capacity as they grow, and byte buffers on top
 * of them.
 *
 * Use them for what grows with the input while a file is loaded, or with each document. Hot loops
 * take their memory from an arena (core/base/arena.h). */
#ifndef PS_CORE_BASE_ARRAY_H
#define PS_CORE_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"

/* Makes room for at least `need` items of item_bytes each in array (*capacity items so far, NULL if
 * empty). Returns the array, which may have moved, and updates *capacity. NULL if there is no
 * memory: diag says so, the error is PS_EBUDGET, and the old array stays as it was. */
void *ps_array_grow(void *array, size_t *capacity, size_t need, size_t item_bytes,
		    ps_diag *diag) PS_MUST_USE;

/* Memory that several arrays share. */
typedef struct ps_room {
	size_t limit_bytes; /* the most that all of them may take */
	size_t used_bytes;  /* what they have taken */
	bool tight;         /* an array took just what it needed: with more room it takes more */
} ps_room;

/* The same, within a room. An array that cannot double any more takes just what it needs. NULL also
 * if that exceeds the room's limit. room NULL: no limit. */
void *ps_array_grow_within(ps_room *room, void *array, size_t *capacity, size_t need,
			   size_t item_bytes, ps_diag *diag) PS_MUST_USE;

/* Bytes; a buffer of zeros is empty. */
typedef struct ps_buffer {
	char *data;
	size_t used, capacity;
	ps_room *room; /* that it grows in; NULL: no limit */
} ps_buffer;

/* Makes room for `more` bytes after those used. PS_EBUDGET if there is no memory. */
int ps_buffer_reserve(ps_buffer *buffer, size_t more, ps_diag *diag) PS_MUST_USE;

/* Copies length bytes behind those used. PS_EBUDGET if there is no memory. */
int ps_buffer_append(ps_buffer *buffer, const char *bytes, size_t length,
		     ps_diag *diag) PS_MUST_USE;

/* Frees the memory and empties the buffer. */
void ps_buffer_free(ps_buffer *buffer);

#endif
