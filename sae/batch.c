#include "sae/batch.h"

#include "core/checked.h"

enum { PARTS = 16 };

struct gathering {
	const ps_row_source *source;
	const uint64_t *ids;
	size_t count;
	float *out;
	int code[PARTS];
	ps_diag diag[PARTS]; /* each part has its own: parts run at the same time */
};

static void gather_part(void *context, size_t part, int worker)
{
	struct gathering *g = context;
	const size_t first = g->count * part / PARTS, end = g->count * (part + 1) / PARTS;

	(void)worker;
	if (first < end)
		g->code[part] = g->source->gather(g->source->self, g->ids + first, end - first,
						  g->out + first * g->source->width, &g->diag[part]);
}

int ps_batch_gather(const ps_row_source *source, const uint64_t *ids, size_t count, float *out, const ps_context *context)
{
	struct gathering g = {.source = source, .ids = ids, .count = count, .out = out};

	ps_pool_run(context->pool, PARTS, gather_part, &g);
	for (int part = 0; part < PARTS; part++)
		if (g.code[part] < 0)
			return ps_fail(context->diag, g.code[part], "%s", g.diag[part].text);
	return 0;
}
