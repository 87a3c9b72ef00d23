#include "sae/batch.h"

#include "core/base/row_order.h"

enum { PARTS = 16 };

struct gathering {
	const ps_row_source *source;
	const uint64_t *ids;
	size_t count;
	float *out;
	int rc[PARTS];
	ps_diag diag[PARTS]; /* one per part, because parts run at the same time */
};

static void gather_part(void *context, size_t part, int worker)
{
	struct gathering *g = context;
	const size_t first = g->count * part / PARTS, end = g->count * (part + 1) / PARTS;

	(void)worker;
	if (first < end)
		g->rc[part] = g->source->gather(g->source->self, g->ids + first, end - first,
						g->out + first * g->source->width, &g->diag[part]);
}

int ps_batch_gather(const ps_row_source *source, const uint64_t *ids, size_t count, float *out,
		    const ps_context *context)
{
	struct gathering g = {.source = source, .ids = ids, .count = count, .out = out};

	ps_pool_run(context->pool, PARTS, gather_part, &g);
	for (int part = 0; part < PARTS; part++)
		if (g.rc[part])
			return ps_fail(context->diag, g.rc[part], "%s", g.diag[part].text);
	return 0;
}

/* --- the rows of a step --- */

void ps_batch_choose(const ps_train_options *o, const ps_row_list *rows, uint64_t step,
		     uint64_t *ids)
{
	const ps_row_order order = {
		.rows = rows, .seed = o->data_seed, .sequential = o->sequential};

	ps_row_order_get(&order, step * o->batch, o->batch, ids);
}

ps_feed *ps_feed_lay_out(ps_sae_layout *layout, const ps_row_source *source,
			 const ps_row_list *rows, size_t batch, size_t trainers)
{
	ps_feed stand_in, *feed = ps_sae_own(layout, &stand_in, sizeof *feed);

	*feed = (ps_feed){.source = source, .rows = rows, .announced = PS_FEED_NONE};
	feed->ids = ps_sae_part(layout, batch, sizeof *feed->ids);
	feed->x = ps_sae_floats(layout, batch, source->width);
	feed->raw = trainers > 1 ? ps_sae_floats(layout, batch, source->width) : feed->x;
	return layout->parts.arena ? feed : NULL;
}

int ps_feed_load(ps_feed *feed, const ps_train_options *o, uint64_t step, uint64_t steps,
		 const ps_context *context)
{
	const ps_row_source *source = feed->source;
	int rc;

	ps_batch_choose(o, feed->rows, step, feed->ids);
	if (source->ahead && feed->announced != step)
		source->ahead(source->self, feed->ids, o->batch, step * o->batch);
	rc = ps_batch_gather(source, feed->ids, o->batch, feed->raw, context);
	if (rc)
		return rc;
	if (source->ahead && step + 1 < steps) {
		ps_batch_choose(o, feed->rows, step + 1, feed->ids);
		source->ahead(source->self, feed->ids, o->batch, (step + 1) * o->batch);
		feed->announced = step + 1;
	}
	return 0;
}
