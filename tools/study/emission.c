#include "tools/study/emission.h"

#include <math.h>

#include "core/base/checked.h"

void ps_emit_quoted(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	}
	fputc('\'', out);
}

unsigned ps_emit_minutes(double seconds)
{
	if (!(seconds > 0))
		return 0;
	return (unsigned)fmin(fmax(ceil(4 * seconds / 60), 10), 100000);
}

unsigned ps_emit_mib(const ps_emission *e, const ps_cost *cost)
{
	const uint64_t budget = e->graph->session->memory_bytes;
	const uint64_t bytes =
		cost->memory_bytes ? cost->memory_bytes + cost->memory_bytes / 4 : budget;

	return (unsigned)(ps_max_size((size_t)bytes, (size_t)256 << 20) >> 20);
}

unsigned ps_emit_disk_mib(const ps_cost *cost)
{
	return (unsigned)ps_max_size(ps_div_up((size_t)cost->disk_bytes, (size_t)1 << 20), 1);
}
