#include "tools/run/text_stream.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { FIRST_BYTES = 4096 };

/* Makes room for so many bytes more and a NUL. */
static int grow(ps_text_stream *s, size_t bytes)
{
	size_t capacity = s->capacity ? s->capacity : FIRST_BYTES;
	char *text;

	while (capacity - s->length <= bytes && capacity <= SIZE_MAX / 2)
		capacity *= 2;
	if (capacity - s->length <= bytes)
		return -ENOMEM;
	if (capacity == s->capacity)
		return 0;
	text = realloc(s->text, capacity);
	if (!text)
		return -ENOMEM;
	s->text = text;
	s->capacity = capacity;
	return 0;
}

static ssize_t append(void *stream, const char *bytes, size_t length)
{
	ps_text_stream *s = stream;

	if (s->lost || grow(s, length)) {
		s->lost = true;
		return 0;
	}
	memcpy(s->text + s->length, bytes, length);
	s->length += length;
	s->text[s->length] = 0;
	return (ssize_t)length;
}

int ps_text_stream_open(ps_text_stream *s, ps_diag *diag)
{
	*s = (ps_text_stream){0};
	s->out = fopencookie(s, "w", (cookie_io_functions_t){.write = append});
	return s->out ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for a text");
}

int ps_text_stream_close(ps_text_stream *s, ps_diag *diag)
{
	const bool cut = fclose(s->out);

	s->out = NULL;
	/* So that a text of no bytes is one, too. */
	if (!s->text)
		append(s, "", 0);
	if (!cut && !s->lost)
		return 0;
	free(s->text);
	s->text = NULL;
	return ps_fail(diag, PS_EBUDGET, "no memory for a text");
}
