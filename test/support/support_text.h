/* test/support/support_text.h: what a function writes to a FILE *, as text in memory. */
#ifndef PS_TEST_SUPPORT_SUPPORT_TEXT_H
#define PS_TEST_SUPPORT_SUPPORT_TEXT_H

#include <stddef.h>
#include <stdio.h>

typedef struct written_text {
	char *bytes; /* from text_end on; the caller frees them */
	size_t length;
	FILE *out;
} written_text;

FILE *text_begin(written_text *text);
const char *text_end(written_text *text);

/* How often what stands in text. */
size_t text_count(const char *text, const char *what);

#endif
