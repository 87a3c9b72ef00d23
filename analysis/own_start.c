#include "analysis/own_start.h"

#include <math.h>
#include <stdbool.h>

#include "analysis/sizes.h"
#include "core/base/checked.h"
#include "sae/start.h"

enum { LATENTS_AN_ITEM = 16 };

struct measuring {
	const ps_sae *sae;
	uint64_t init_seed;
	float *start;    /* (F, D); cosines alone: (threads, D) */
	bool rows_kept;  /* start keeps every latent's row */
	double *cosine;  /* (F) */
	uint32_t *order; /* (F): by ascending cosine */
};

static size_t lay_out(struct measuring *m, size_t latents, size_t d, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	m->start = ps_layout_part(&layout, latents, d * sizeof *m->start);
	m->cosine = ps_layout_part(&layout, latents, sizeof *m->cosine);
	m->order = ps_layout_part(&layout, latents, sizeof *m->order);
	return layout.bytes;
}

size_t ps_own_start_bytes(size_t latents, size_t d, int threads)
{
	struct measuring m;

	return ps_bytes_sum(lay_out(&m, latents, d, NULL),
			    ps_match_bytes(latents, latents, d, threads));
}

static double row_cosine(const float *row, const float *start, size_t d)
{
	double dot = 0, row_square = 0, start_square = 0;

	for (size_t i = 0; i < d; i++) {
		dot += (double)row[i] * (double)start[i];
		row_square += (double)row[i] * (double)row[i];
		start_square += (double)start[i] * (double)start[i];
	}
	/* A row of zeros points nowhere. */
	return row_square > 0 ? dot / sqrt(row_square * start_square) : 0;
}

/* Makes the start's rows, and compares each with the trained one. */
static void compare_rows(void *context, size_t item, int worker)
{
	const struct measuring *m = context;
	const size_t d = m->sae->d_in, first = item * LATENTS_AN_ITEM,
		     end = ps_min_size(first + LATENTS_AN_ITEM, m->sae->d_sae);

	for (size_t j = first; j < end; j++) {
		float *start = m->start + (m->rows_kept ? j : (size_t)worker) * d;

		ps_start_direction(m->init_seed, j, d, 1, start);
		m->cosine[j] = row_cosine(m->sae->dec + j * d, start, d);
	}
}

static void find_deciles(const struct measuring *m, size_t count, double decile[PS_DECILES])
{
	ps_sort_order(m->cosine, count, m->order);
	for (size_t i = 0; i < PS_DECILES; i++) {
		const size_t tenths = (count - 1) * i, below = tenths / (PS_DECILES - 1),
			     above = ps_min_size(below + 1, count - 1);
		const double low = m->cosine[m->order[below]], high = m->cosine[m->order[above]],
			     share = (double)(tenths % (PS_DECILES - 1)) / (PS_DECILES - 1);

		decile[i] = low + share * (high - low);
	}
}

int ps_own_start_measure(const ps_sae *sae, uint64_t init_seed, const ps_context *context,
			 ps_arena *arena, ps_own_start *out)
{
	const size_t mark = ps_arena_mark(arena);
	struct measuring m = {.sae = sae, .init_seed = init_seed, .rows_kept = true};
	ps_match match;
	ps_sae start = {.d_in = sae->d_in, .d_sae = sae->d_sae};
	int rc;

	lay_out(&m, sae->d_sae, sae->d_in, arena);
	ps_pool_run(context->pool, ps_pool_items(sae->d_sae, LATENTS_AN_ITEM), compare_rows, &m);
	start.dec = m.start;
	rc = ps_match_decoders(sae, &start, context, arena, &match);
	if (!rc) {
		ps_survival_grid(&match, NULL, out->survival);
		find_deciles(&m, sae->d_sae, out->decile);
	}
	ps_arena_rewind(arena, mark);
	return rc;
}

static size_t lay_out_rows(struct measuring *m, size_t d, int threads, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	m->start = ps_layout_part(&layout, (size_t)threads, d * sizeof *m->start);
	return layout.bytes;
}

size_t ps_own_start_cosines_bytes(size_t d, int threads)
{
	struct measuring m;

	return lay_out_rows(&m, d, threads, NULL);
}

void ps_own_start_cosines(const ps_sae *sae, uint64_t init_seed, const ps_context *context,
			  ps_arena *arena, double *cosine)
{
	const size_t mark = ps_arena_mark(arena);
	struct measuring m = {.sae = sae, .init_seed = init_seed, .cosine = cosine};

	lay_out_rows(&m, sae->d_in, ps_pool_threads(context->pool), arena);
	ps_pool_run(context->pool, ps_pool_items(sae->d_sae, LATENTS_AN_ITEM), compare_rows, &m);
	ps_arena_rewind(arena, mark);
}
