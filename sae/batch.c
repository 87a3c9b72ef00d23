#include "sae/batch.h"

#include "core/base/checked.h"
#include "core/base/rng.h"

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
		g->code[part] =
			g->source->gather(g->source->self, g->ids + first, end - first,
					  g->out + first * g->source->width, &g->diag[part]);
}

int ps_batch_gather(const ps_row_source *source, const uint64_t *ids, size_t count, float *out,
		    const ps_context *context)
{
	struct gathering g = {.source = source, .ids = ids, .count = count, .out = out};

	ps_pool_run(context->pool, PARTS, gather_part, &g);
	for (int part = 0; part < PARTS; part++)
		if (g.code[part] < 0)
			return ps_fail(context->diag, g.code[part], "%s", g.diag[part].text);
	return 0;
}

/* --- the rows of a step --- */

static uint64_t epoch_seed(const ps_train_options *o, uint64_t epoch)
{
	ps_rng rng = ps_rng_make(o->data_seed, epoch);

	return ps_rng_u64(&rng);
}

void ps_batch_choose(const ps_train_options *o, const ps_row_list *rows, uint64_t step,
		     uint64_t *ids)
{
	const uint64_t count = rows->count, together = ps_row_list_together(rows),
		       first = step * o->batch;
	uint64_t epoch = first / count, place = first % count, seed = epoch_seed(o, epoch);

	for (size_t i = 0; i < o->batch; i++) {
		const uint64_t run = place / together,
			       at = o->sequential ? run : ps_permute(run, count / together, seed);

		ids[i] = ps_row_list_at(rows, at * together + place % together);
		if (++place == count) {
			place = 0;
			seed = epoch_seed(o, ++epoch);
		}
	}
}

int ps_batch_load(const ps_train_options *o, const ps_row_source *source, const ps_row_list *rows,
		  uint64_t step, uint64_t steps, uint64_t *announced, uint64_t *ids, float *out,
		  const ps_context *context)
{
	int code;

	ps_batch_choose(o, rows, step, ids);
	if (source->ahead && *announced != step)
		source->ahead(source->self, ids, o->batch);
	code = ps_batch_gather(source, ids, o->batch, out, context);
	if (code < 0)
		return code;
	if (source->ahead && step + 1 < steps) {
		ps_batch_choose(o, rows, step + 1, ids);
		source->ahead(source->self, ids, o->batch);
		*announced = step + 1;
	}
	return 0;
}
