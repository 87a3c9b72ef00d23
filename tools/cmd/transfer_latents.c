#include "tools/cmd/transfer_latents.h"

#include "core/base/checked.h"

enum { BATCH = 1024 }; /* rows encoded at a time */

struct counting {
	const ps_sae *sae;
	const ps_context *context;
	ps_encoder *encoder;
	ps_codes dense, pruned;
	ps_arena encoder_room, codes_room;
	float *x; /* (BATCH, D) */
	ps_transfer_latents *out;
};

/* The one list of the memory: counted for the plan, taken for the count. */
static size_t lay_out(struct counting *c, const ps_sae *sae, int threads, ps_arena *arena)
{
	const size_t encoder_bytes = ps_encoder_bytes(sae, threads, BATCH),
		     codes_bytes = 2 * ps_codes_bytes(sae, BATCH), f = sae->d_sae;
	ps_layout layout = {.arena = arena};

	c->encoder_room = (ps_arena){.base = ps_layout_part(&layout, encoder_bytes, 1),
				     .size_bytes = encoder_bytes};
	c->codes_room = (ps_arena){.base = ps_layout_part(&layout, codes_bytes, 1),
				   .size_bytes = codes_bytes};
	c->x = ps_layout_part(&layout, sae->d_in, BATCH * sizeof *c->x);
	c->out->rows_dense = ps_layout_part(&layout, f, sizeof *c->out->rows_dense);
	c->out->rows_pruned = ps_layout_part(&layout, f, sizeof *c->out->rows_pruned);
	c->out->rows_both = ps_layout_part(&layout, f, sizeof *c->out->rows_both);
	c->out->sum_dense = ps_layout_part(&layout, f, sizeof *c->out->sum_dense);
	c->out->sum_pruned = ps_layout_part(&layout, f, sizeof *c->out->sum_pruned);
	return layout.bytes;
}

size_t ps_transfer_latents_bytes(const ps_sae *shape, int threads)
{
	ps_transfer_latents out;
	struct counting c = {.out = &out};

	return lay_out(&c, shape, threads, NULL);
}

static void clear(ps_transfer_latents *out, size_t latents)
{
	for (size_t f = 0; f < latents; f++) {
		out->rows_dense[f] = out->rows_pruned[f] = out->rows_both[f] = 0;
		out->sum_dense[f] = out->sum_pruned[f] = 0;
	}
}

static void add_codes(const ps_codes *codes, uint64_t *rows, double *sum)
{
	for (size_t e = 0; e < codes->start[codes->rows]; e++) {
		rows[codes->index[e]]++;
		sum[codes->index[e]] += (double)codes->value[e];
	}
}

/* Both rows' latents ascend, so one merge finds those they share. */
static void add_shared(const ps_codes *a, const ps_codes *b, uint64_t *rows)
{
	for (size_t r = 0; r < a->rows; r++)
		for (size_t i = a->start[r], j = b->start[r];
		     i < a->start[r + 1] && j < b->start[r + 1];) {
			const uint32_t x = a->index[i], y = b->index[j];

			rows[x] += x == y;
			i += x <= y;
			j += y <= x;
		}
}

static int encode(struct counting *c, const ps_row_source *source, const uint64_t *ids,
		  size_t count, ps_codes *codes)
{
	int rc = source->gather(source->self, ids, count, c->x, c->context->diag);

	if (!rc)
		ps_encoder_run(c->encoder, c->x, count, codes);
	return rc;
}

static int count_batch(struct counting *c, const ps_transfer_sides *sides, uint64_t first)
{
	const size_t count = ps_min_size(BATCH, sides->rows->count - first);
	uint64_t ids[BATCH];
	int rc = ps_progress_check(c->context);

	ps_row_list_get(sides->rows, first, count, ids);
	if (!rc)
		rc = encode(c, sides->dense, ids, count, &c->dense);
	if (!rc)
		rc = encode(c, sides->pruned, ids, count, &c->pruned);
	if (rc)
		return rc;
	add_codes(&c->dense, c->out->rows_dense, c->out->sum_dense);
	add_codes(&c->pruned, c->out->rows_pruned, c->out->sum_pruned);
	add_shared(&c->dense, &c->pruned, c->out->rows_both);
	ps_progress_tick(c->context, "transfer by latent", "rows", first + count,
			 sides->rows->count);
	return 0;
}

int ps_transfer_latents_count(const ps_sae *sae, const ps_transfer_sides *sides,
			      const ps_context *context, ps_arena *arena, ps_transfer_latents *out)
{
	struct counting c = {.sae = sae, .context = context, .out = out};
	int rc;

	lay_out(&c, sae, ps_pool_threads(context->pool), arena);
	clear(out, sae->d_sae);
	rc = ps_encoder_create(&c.encoder, sae, context, BATCH, &c.encoder_room);
	if (!rc)
		rc = ps_codes_create(&c.dense, sae, BATCH, &c.codes_room, context->diag);
	if (!rc)
		rc = ps_codes_create(&c.pruned, sae, BATCH, &c.codes_room, context->diag);
	for (uint64_t first = 0; first < sides->rows->count && !rc; first += BATCH)
		rc = count_batch(&c, sides, first);
	return rc;
}
