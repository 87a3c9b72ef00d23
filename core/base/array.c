#include "core/base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"

/* The bytes of the grown array; 0: they overflow or exceed the room. */
static size_t bytes_within(const ps_room *room, size_t held, size_t items, size_t item_bytes)
{
	size_t bytes;

	if (!ps_size_mul(items, item_bytes, &bytes))
		return 0;
	if (room && (room->used_bytes > room->limit_bytes ||
		     bytes - held > room->limit_bytes - room->used_bytes))
		return 0;
	return bytes;
}

void *ps_array_grow_within(ps_room *room, void *array, size_t *capacity, size_t need,
			   size_t item_bytes, ps_diag *diag)
{
	const size_t held = *capacity * item_bytes;
	size_t wanted = *capacity > SIZE_MAX / 2 ? SIZE_MAX : *capacity * 2;
	size_t bytes;
	void *moved = NULL;

	if (array && need <= *capacity)
		return array;
	wanted = ps_max_size(ps_max_size(wanted, need), 16);
	bytes = bytes_within(room, held, wanted, item_bytes);
	if (!bytes && need) {
		wanted = need;
		bytes = bytes_within(room, held, wanted, item_bytes);
	}
	if (bytes)
		moved = realloc(array, bytes);
	if (!moved) {
		(void)ps_fail(diag, PS_EBUDGET, "no memory for %zu items of %zu bytes", wanted,
			      item_bytes);
		return NULL;
	}
	if (room) {
		room->used_bytes += bytes - held;
		room->tight |= wanted < 2 * *capacity;
	}
	*capacity = wanted;
	return moved;
}

void *ps_array_grow(void *array, size_t *capacity, size_t need, size_t item_bytes, ps_diag *diag)
{
	return ps_array_grow_within(NULL, array, capacity, need, item_bytes, diag);
}

int ps_buffer_reserve(ps_buffer *buffer, size_t more, ps_diag *diag)
{
	size_t need;
	char *data;

	if (!ps_size_add(buffer->used, more, &need))
		return ps_fail(diag, PS_EBUDGET, "no memory for a buffer of more than %zu bytes",
			       more);
	data = ps_array_grow_within(buffer->room, buffer->data, &buffer->capacity, need, 1, diag);
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
