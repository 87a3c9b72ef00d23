#include "sae/encode_topk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/finite.h"
#include "sae/screen.h"
#include "sae/sparse.h"
#include "sae/topk.h"

enum { PLAIN_ROWS = 12 }; /* of a group; their inputs stay in the first two caches */

struct worker {
	float *input;  /* (rows of a group, D): x - b_dec; unused where b_dec is not applied */
	float *z;      /* (rows of a group, F); screened: (F) */
	void *scratch; /* of ps_topk_select */
	uint32_t *index;
};

struct ps_topk_encoder {
	const ps_sae *sae;
	const ps_context *context;
	bool screened;
	ps_screen *screen; /* NULL unless screened */
	struct worker *worker;
};

struct run {
	ps_topk_encoder *encoder;
	const float *x, *norm;
	size_t rows, group_rows;
	ps_codes *codes;
};

static bool screens(const ps_sae *sae)
{
	const char *wish = getenv("PRUNESCOPE_SCREEN");

	return !(wish && !strcmp(wish, "plain")) && ps_screen_pays(sae->d_in, sae->d_sae, sae->k);
}

static size_t scratch_bytes(const ps_sae *sae)
{
	return sae->signed_values ? ps_topk_signed_scratch(sae->d_sae)
				  : ps_topk_scratch(sae->d_sae);
}

static size_t select_among(const ps_sae *sae, const float *z, size_t n, void *scratch,
			   uint32_t *index, float *value)
{
	return sae->signed_values ? ps_topk_select_signed(z, n, sae->k, scratch, index, value)
				  : ps_topk_select(z, n, sae->k, scratch, index, value);
}

static void lay_out_worker(ps_sae_layout *layout, const ps_topk_encoder *e, size_t rows,
			   struct worker *w)
{
	const ps_sae *sae = e->sae;

	w->input = ps_sae_floats(layout, rows, sae->d_in);
	w->z = ps_sae_floats(layout, e->screened ? 1 : rows, sae->d_sae);
	w->scratch = ps_sae_part(layout, scratch_bytes(sae), 1);
	w->index = ps_sae_part(layout, sae->k, sizeof *w->index);
}

ps_topk_encoder *ps_topk_encoder_lay_out(ps_sae_layout *layout, const ps_sae *sae, size_t max_rows)
{
	ps_topk_encoder stand_in, *e = ps_sae_own(layout, &stand_in, sizeof *e);
	struct worker counted;
	size_t rows;

	*e = (ps_topk_encoder){.sae = sae, .context = layout->context, .screened = screens(sae)};
	rows = ps_min_size(e->screened ? PS_SCREEN_ROWS : PLAIN_ROWS, max_rows);
	e->worker = ps_sae_part(layout, (size_t)layout->threads, sizeof *e->worker);
	for (int i = 0; i < layout->threads; i++)
		lay_out_worker(layout, e, rows, e->worker ? &e->worker[i] : &counted);
	if (e->screened)
		e->screen = ps_screen_lay_out(layout, sae->d_in, sae->d_sae, sae->k);
	return layout->parts.arena ? e : NULL;
}

static void take_item(void *context, size_t item, int worker)
{
	const struct run *run = context;
	const ps_sae *sae = run->encoder->sae;
	const size_t first = item * PS_SCREEN_LATENTS;

	(void)worker;
	ps_screen_take_latents(run->encoder->screen, first,
			       ps_min_size(first + PS_SCREEN_LATENTS, sae->d_sae), sae->enc,
			       sae->b_enc, run->norm);
}

void ps_topk_encoder_take_all(ps_topk_encoder *e, const float *norm)
{
	struct run run = {.encoder = e, .norm = norm};

	if (e->screened)
		ps_pool_run(e->context->pool, ps_pool_items(e->sae->d_sae, PS_SCREEN_LATENTS),
			    take_item, &run);
}

/* Returns the group's rows as the encoder sees them, minus b_dec where the SAE asks for that. */
static const float *centred(const struct run *run, struct worker *w, size_t first, size_t rows)
{
	const ps_sae *sae = run->encoder->sae;
	const float *x = run->x + first * sae->d_in;

	if (!sae->apply_b_dec_to_input)
		return x;
	for (size_t r = 0; r < rows; r++)
		for (size_t d = 0; d < sae->d_in; d++)
			w->input[r * sae->d_in + d] = x[r * sae->d_in + d] - sae->b_dec[d];
	return w->input;
}

size_t ps_list_overflow(const float *z, size_t count, uint32_t *index, float *value)
{
	index[0] = (uint32_t)ps_first_not_finite(z, count);
	value[0] = NAN;
	return 1;
}

/* select_among for pre-activations that may have overflowed. */
static size_t select_finite(const ps_sae *sae, const float *z, size_t count, void *scratch,
			    uint32_t *index, float *value)
{
	return ps_all_finite(z, count) ? select_among(sae, z, count, scratch, index, value)
				       : ps_list_overflow(z, count, index, value);
}

/* Lists a row from the products z (F) of all latents. */
static void list_all(const struct run *run, struct worker *w, float *z, size_t row)
{
	const ps_sae *sae = run->encoder->sae;
	uint32_t *index = run->codes->index + row * sae->k;
	float *value = run->codes->value + row * sae->k;

	for (size_t j = 0; j < sae->d_sae; j++)
		z[j] = run->norm ? (z[j] + sae->b_enc[j]) * run->norm[j] : z[j] + sae->b_enc[j];
	run->codes->start[row] = select_finite(sae, z, sae->d_sae, w->scratch, index, value);
}

/* Lists a row from its candidates, whose products are computed here. */
static void list_candidates(const struct run *run, struct worker *w, const uint32_t *candidate,
			    size_t count, const float *x, size_t row)
{
	const ps_sae *sae = run->encoder->sae;
	uint32_t *index = run->codes->index + row * sae->k;
	float *value = run->codes->value + row * sae->k;
	size_t listed;

	ps_rows_dot(sae->enc, sae->d_in, candidate, count, x, w->z);
	for (size_t i = 0; i < count; i++) {
		const uint32_t j = candidate[i];

		w->z[i] = run->norm ? (w->z[i] + sae->b_enc[j]) * run->norm[j]
				    : w->z[i] + sae->b_enc[j];
	}
	listed = select_finite(sae, w->z, count, w->scratch, w->index, value);
	for (size_t i = 0; i < listed; i++)
		index[i] = candidate[w->index[i]];
	run->codes->start[row] = listed;
}

static void screen_group(const struct run *run, int worker, const float *x, size_t first,
			 size_t rows)
{
	ps_topk_encoder *e = run->encoder;
	struct worker *w = &e->worker[worker];

	ps_screen_run(e->screen, x, rows, e->sae->d_sae, e->sae->k, !e->sae->signed_values, worker);
	for (size_t r = 0; r < rows; r++) {
		const float *row = x + r * e->sae->d_in;
		size_t count;
		const uint32_t *candidate = ps_screen_candidates(e->screen, worker, r, &count);

		if (candidate) {
			list_candidates(run, w, candidate, count, row, first + r);
			continue;
		}
		ps_all_rows_dot(e->sae->enc, e->sae->d_in, e->sae->d_sae, row, 1, w->z);
		list_all(run, w, w->z, first + r);
	}
}

static void encode_group(void *context, size_t item, int worker)
{
	const struct run *run = context;
	const ps_sae *sae = run->encoder->sae;
	struct worker *w = &run->encoder->worker[worker];
	const size_t first = item * run->group_rows,
		     rows = ps_min_size(run->group_rows, run->rows - first);
	const float *x = centred(run, w, first, rows);

	if (run->encoder->screened) {
		screen_group(run, worker, x, first, rows);
		return;
	}
	ps_all_rows_dot(sae->enc, sae->d_in, sae->d_sae, x, rows, w->z);
	for (size_t r = 0; r < rows; r++)
		list_all(run, w, w->z + r * sae->d_sae, first + r);
}

/* Finds how many rows a group should have. The slowest thread takes ceil(groups / threads) groups.
 * Among the sizes that give it the fewest rows, the largest is best. */
static size_t group_rows(const ps_topk_encoder *e, size_t rows)
{
	const size_t threads = (size_t)ps_pool_threads(e->context->pool),
		     tile = e->screened ? ps_screen_tile_rows(e->screen) : 1;
	size_t best = 0, least = SIZE_MAX;

	for (size_t tried = (e->screened ? PS_SCREEN_ROWS : PLAIN_ROWS) / tile * tile; tried;
	     tried -= tile) {
		const size_t groups = ps_div_up(rows, tried),
			     work = ps_div_up(groups, threads) * tried;

		if (work < least) {
			least = work;
			best = tried;
		}
	}
	return best;
}

void ps_topk_encoder_run(ps_topk_encoder *e, const float *x, size_t rows, const float *norm,
			 ps_codes *codes)
{
	struct run run = {.encoder = e, .x = x, .norm = norm, .rows = rows, .codes = codes};

	if (!rows)
		return;
	run.group_rows = group_rows(e, rows);
	ps_pool_run(e->context->pool, ps_pool_items(rows, run.group_rows), encode_group, &run);
}
