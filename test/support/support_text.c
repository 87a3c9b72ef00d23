#include "test/support/support_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

FILE *text_begin(written_text *text)
{
	text->out = open_memstream(&text->bytes, &text->length);
	assert_non_null(text->out);
	return text->out;
}

const char *text_end(written_text *text)
{
	fclose(text->out);
	return text->bytes;
}

size_t text_count(const char *text, const char *what)
{
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
		count++;
	return count;
}
