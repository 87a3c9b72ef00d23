/* tools/run/text_stream.h: a FILE that writes into memory, which says when memory ran out.
 *
 * A stream of open_memstream loses bytes without a word: where its buffer cannot grow, fputc gives
 * EOF, but neither ferror nor fclose tell it later. */
#ifndef PS_TOOLS_RUN_TEXT_STREAM_H
#define PS_TOOLS_RUN_TEXT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/error.h"

/* Must not be moved while it is open. */
typedef struct ps_text_stream {
	FILE *out;
	char *text; /* after close: (length) with a NUL behind it, for free */
	size_t length;
	size_t capacity; /* its own: bytes of room in text */
	bool lost;       /* its own: memory ran out */
} ps_text_stream;

/* PS_EBUDGET if there is no memory. */
int ps_text_stream_open(ps_text_stream *stream, ps_diag *diag) PS_MUST_USE;
/* Ends the writing. PS_EBUDGET if anything that was written is not in the text; there is no text
 * then. */
int ps_text_stream_close(ps_text_stream *stream, ps_diag *diag) PS_MUST_USE;

#endif
