#include "tools/run/text_stream.h"

#include <stdbool.h>
#include <stdlib.h>

int ps_text_stream_open(ps_text_stream *s, ps_diag *diag)
{
	*s = (ps_text_stream){0};
	s->out = open_memstream(&s->text, &s->length);
	return s->out ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for a text");
}

int ps_text_stream_close(ps_text_stream *s, ps_diag *diag)
{
	const bool lost = fflush(s->out) || ferror(s->out);

	if (!fclose(s->out) && !lost && s->text)
		return 0;
	free(s->text);
	s->text = NULL;
	return ps_fail(diag, PS_EBUDGET, "no memory for a text");
}
