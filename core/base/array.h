/* core/base/array.h: heap arrays that double, and byte buffers on top of them.
 *
 * For what grows with the input at load time or per document; hot loops take their memory from an arena. */
#ifndef PS_CORE_BASE_ARRAY_H
#define PS_CORE_BASE_ARRAY_H

#include <stddef.h>

#include "core/base/error.h"

/* array (of *capacity items of item_bytes each, NULL when empty) with room for at least need items: the same
 * or a moved array, *capacity updated. NULL: no memory, diag says so (PS_EBUDGET); array stays as it was. */
void *ps_array_grow(void *array, size_t *capacity, size_t need, size_t item_bytes,
		    ps_diag *diag) PS_MUST_USE;

typedef struct ps_buffer {
	char *data;
	size_t used, capacity;
} ps_buffer;

/* Room for more bytes after used. */
int ps_buffer_reserve(ps_buffer *buffer, size_t more, ps_diag *diag) PS_MUST_USE;
int ps_buffer_append(ps_buffer *buffer, const char *bytes, size_t length,
		     ps_diag *diag) PS_MUST_USE;
void ps_buffer_free(ps_buffer *buffer);

#endif
