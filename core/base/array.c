#include "core/base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"

void *ps_array_grow(void *array, size_t *capacity, size_t need, size_t item_bytes, ps_diag *diag)
{
	size_t wanted = *capacity > SIZE_MAX / 2 ? SIZE_MAX : *capacity * 2;
	size_t bytes;
	void *moved = NULL;

	if (array && need <= *capacity)
		return array;
	wanted = ps_max_size(ps_max_size(wanted, need), 16);
	if (ps_size_mul(wanted, item_bytes, &bytes))
		moved = realloc(array, bytes);
	if (!moved) {
		(void)ps_fail(diag, PS_EBUDGET, "no memory for %zu items of %zu bytes", wanted,
			      item_bytes);
		return NULL;
	}
	*capacity = wanted;
	return moved;
}

int ps_buffer_reserve(ps_buffer *buffer, size_t more, ps_diag *diag)
{
	size_t need;
	char *data;

	if (!ps_size_add(buffer->used, more, &need))
		return ps_fail(diag, PS_EBUDGET, "no memory for a buffer of more than %zu bytes",
			       more);
	data = ps_array_grow(buffer->data, &buffer->capacity, need, 1, diag);
	if (!data)
		return PS_EBUDGET;
	buffer->data = data;
	return 0;
}

int ps_buffer_append(ps_buffer *buffer, const char *bytes, size_t length, ps_diag *diag)
{
	int rc = ps_buffer_reserve(buffer, length, diag);

	if (rc)
		return rc;
	if (length)
		memcpy(buffer->data + buffer->used, bytes, length);
	buffer->used += length;
	return 0;
}

void ps_buffer_free(ps_buffer *buffer)
{
	free(buffer->data);
	*buffer = (ps_buffer){0};
}
