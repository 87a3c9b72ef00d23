#include "sae/update.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "sae/arch.h"
#include "sae/jumprelu.h"

enum {
	ROWS_AN_ITEM = 64,
	COLUMNS_AN_ITEM = 64,
	LATENTS_AN_ITEM = 8,
	LINE = 16, /* floats in a cache line */
};

/* What the items of the update's loops share. */
struct update {
	ps_trainer *trainer;
	const ps_pass *pass;
	ps_adam adam;
	float clip;            /* factor of all gradients: 1, or less where they are clipped */
	size_t first, columns; /* the strip under way */
};

static bool trains_decoder(const ps_trainer *t)
{
	return t->options.frozen != PS_FROZEN_DECODER;
}

static bool trains_encoder(const ps_trainer *t)
{
	return t->options.frozen != PS_FROZEN_ENCODER;
}

/* --- memory --- */

static size_t strip_columns(size_t d_in)
{
	return ps_min_size(PS_UPDATE_STRIP, d_in);
}

void ps_update_lay_out(ps_sae_layout *layout, ps_trainer *t)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in, columns = strip_columns(d);

	if (t->gathers) {
		t->enc_gradient = ps_sae_floats(layout, f, d);
		t->dec_gradient = ps_sae_floats(layout, f, d);
		return;
	}
	t->x_strip = ps_sae_floats(layout, t->options.batch, columns);
	t->error_strip = ps_sae_floats(layout, t->options.batch, columns);
	t->strip_gradients = ps_sae_floats(layout, (size_t)layout->threads * 2, columns);
}

/* --- a latent's gradients --- */

/* The main branch's strip with another branch's error. */
static ps_strip strip_of(const ps_strip *main, const ps_branch *branch, size_t d)
{
	ps_strip strip = *main;

	strip.error = branch->error + main->first;
	strip.error_width = d;
	return strip;
}

static void add_gate(const ps_trainer *t, size_t j, const ps_strip *main, float *enc, float *dec)
{
	const ps_by_latent *lists = &t->gate.lists;
	const ps_strip strip = strip_of(main, &t->gate, t->sae.d_in);

	if (t->options.gate_alone)
		ps_rows_combine_columns(
			main->x, main->x_width, main->columns, lists->row + lists->start[j],
			lists->gradient + lists->start[j], ps_branch_active(&t->gate, j), enc);
	else
		ps_branch_add_gradient(&t->gate, j, &strip, enc, dec);
}

/* Adds the pass's gradients of latent j, without what is along dec[j], to enc and dec (columns).
 * main: a strip of x and of the main branch's error. */
static void add_gradients(const ps_trainer *t, const ps_pass *pass, size_t j, const ps_strip *main,
			  float *enc, float *dec)
{
	const size_t d = t->sae.d_in;

	ps_branch_add_gradient(&t->branch, j, main, enc, dec);
	if (pass->aux) {
		const ps_strip strip = strip_of(main, pass->aux, d);

		ps_branch_add_gradient(pass->aux, j, &strip, enc, dec);
	}
	for (size_t l = 0; t->matryoshka && l < t->matryoshka->levels; l++) {
		const ps_branch *level = &t->matryoshka->branch[l];
		const ps_strip strip = strip_of(main, level, d);

		ps_branch_add_gradient(level, j, &strip, enc, dec);
	}
	if (t->arch->gate)
		add_gate(t, j, main, enc, dec);
}

/* Adds along[j] dec[j], from column `first` on, to dec (columns). */
static void add_along(const ps_trainer *t, size_t j, size_t first, size_t columns, float *dec)
{
	const uint32_t only = 0;

	if (t->along[j] != 0)
		ps_rows_combine_columns(t->sae.dec + j * t->sae.d_in + first, columns, columns,
					&only, &t->along[j], 1, dec);
}

static void gather_latents(void *context, size_t item, int worker)
{
	const struct update *u = context;
	ps_trainer *t = u->trainer;
	const size_t d = t->sae.d_in, first = item * LATENTS_AN_ITEM,
		     end = ps_min_size(first + LATENTS_AN_ITEM, t->sae.d_sae);
	const ps_strip whole = {.columns = d,
				.x = u->pass->x,
				.error = t->branch.error,
				.x_width = d,
				.error_width = d};

	(void)worker;
	for (size_t j = first; j < end; j++)
		add_gradients(t, u->pass, j, &whole, t->enc_gradient + j * d,
			      t->dec_gradient + j * d);
}

void ps_update_gather(ps_trainer *t, const ps_pass *pass)
{
	struct update u = {.trainer = t, .pass = pass};

	ps_pool_run(t->context->pool, ps_pool_items(t->sae.d_sae, LATENTS_AN_ITEM), gather_latents,
		    &u);
}

/* --- b_dec, clipping --- */

/* Computes the gradient of b_dec: through x_hat, and through x - b_dec before the encoder. */
static void b_dec_gradients(void *context, size_t item, int worker)
{
	const struct update *u = context;
	ps_trainer *t = u->trainer;
	const size_t d = t->sae.d_in, first = item * COLUMNS_AN_ITEM,
		     count = ps_min_size(COLUMNS_AN_ITEM, d - first);
	double through_encoder[COLUMNS_AN_ITEM] = {0};

	(void)worker;
	for (size_t j = 0; j < t->sae.d_sae; j++) {
		const float *enc = t->sae.enc + j * d + first;
		const double gradient = t->through_input[j];

		for (size_t i = 0; gradient != 0 && i < count; i++)
			through_encoder[i] += gradient * enc[i];
	}
	for (size_t i = 0; i < count; i++)
		t->b_dec_gradient[first + i] =
			(float)(u->pass->scale * t->error_sum[first + i] - through_encoder[i]);
}

static void finish_gathered(void *context, size_t item, int worker)
{
	const struct update *u = context;
	ps_trainer *t = u->trainer;
	const size_t d = t->sae.d_in, first = item * LATENTS_AN_ITEM,
		     end = ps_min_size(first + LATENTS_AN_ITEM, t->sae.d_sae);

	(void)worker;
	for (size_t j = first; j < end; j++) {
		add_along(t, j, 0, d, t->dec_gradient + j * d);
		t->square[j] = 0;
		if (trains_encoder(t))
			t->square[j] += ps_squared_norm(t->enc_gradient + j * d, d);
		if (trains_decoder(t))
			t->square[j] += ps_squared_norm(t->dec_gradient + j * d, d);
	}
}

static float clip_factor(const ps_trainer *t)
{
	const size_t f = t->sae.d_sae;
	double square = ps_squared_norm(t->b_enc_gradient, f) +
			ps_squared_norm(t->b_dec_gradient, t->sae.d_in),
	       factor;

	for (size_t j = 0; j < f; j++)
		square += t->square[j];
	for (int i = 0; i < t->arch->extras; i++)
		square += ps_squared_norm(t->extra_gradient[i], f);
	factor = t->options.clip / (sqrt(square) + 1e-6);
	return factor < 1 ? (float)factor : 1;
}

static void scale_by(float *values, size_t count, float factor)
{
	for (size_t i = 0; factor != 1 && i < count; i++)
		values[i] *= factor;
}

/* --- the latents' rows --- */

static void copy_strips(void *context, size_t item, int worker)
{
	const struct update *u = context;
	ps_trainer *t = u->trainer;
	const size_t d = t->sae.d_in, first = item * ROWS_AN_ITEM,
		     end = ps_min_size(first + ROWS_AN_ITEM, u->pass->rows);

	(void)worker;
	for (size_t r = first; r < end; r++) {
		memcpy(t->x_strip + r * u->columns, u->pass->x + r * d + u->first,
		       u->columns * sizeof(float));
		memcpy(t->error_strip + r * u->columns, t->branch.error + r * d + u->first,
		       u->columns * sizeof(float));
	}
}

/* Prefetches a latent's columns of six matrices: few cache lines, which no prefetcher foresees. */
static void fetch(const ps_trainer *t, size_t at, size_t columns)
{
	const float *const values[] = {t->sae.enc, t->enc.m, t->enc.v,
				       t->sae.dec, t->dec.m, t->dec.v};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		for (size_t c = 0; c < columns; c += LINE)
			__builtin_prefetch(values[i] + at + c, 1);
}

/* Updates the strip's columns of enc[j] and dec[j]. gradients (2, columns) is scratch; it is unused
 * where t->gathers. */
static void update_rows(const struct update *u, size_t j, float *gradients)
{
	ps_trainer *t = u->trainer;
	const size_t at = j * t->sae.d_in + u->first, columns = u->columns;
	float *enc = t->gathers ? t->enc_gradient + at : gradients,
	      *dec = t->gathers ? t->dec_gradient + at : gradients + columns;
	const ps_strip strip = {.first = u->first,
				.columns = columns,
				.x = t->x_strip,
				.error = t->error_strip,
				.x_width = columns,
				.error_width = columns};

	if (!t->gathers) {
		memset(gradients, 0, 2 * columns * sizeof *gradients);
		add_gradients(t, u->pass, j, &strip, enc, dec);
		add_along(t, j, u->first, columns, dec);
	}
	scale_by(enc, columns, u->clip);
	scale_by(dec, columns, u->clip);
	if (trains_encoder(t))
		ps_adam_update(&u->adam, t->sae.enc + at, t->enc.m + at, t->enc.v + at, enc,
			       columns);
	if (trains_decoder(t))
		ps_adam_update(&u->adam, t->sae.dec + at, t->dec.m + at, t->dec.v + at, dec,
			       columns);
	if (t->options.unit_decoder && trains_decoder(t))
		t->square[j] += ps_squared_norm(t->sae.dec + at, columns);
}

static void update_strip(void *context, size_t item, int worker)
{
	const struct update *u = context;
	const ps_trainer *t = u->trainer;
	const size_t d = t->sae.d_in, first = item * LATENTS_AN_ITEM,
		     end = ps_min_size(first + LATENTS_AN_ITEM, t->sae.d_sae);
	float *gradients =
		t->gathers ? NULL : t->strip_gradients + (size_t)worker * 2 * strip_columns(d);

	for (size_t j = first; j < end; j++) {
		if (j + 1 < t->sae.d_sae)
			fetch(t, (j + 1) * d + u->first, u->columns);
		update_rows(u, j, gradients);
	}
}

static void finish_latents(void *context, size_t item, int worker)
{
	const struct update *u = context;
	ps_trainer *t = u->trainer;
	const size_t d = t->sae.d_in, first = item * LATENTS_AN_ITEM,
		     end = ps_min_size(first + LATENTS_AN_ITEM, t->sae.d_sae);

	(void)worker;
	for (size_t j = first; j < end; j++) {
		if (t->options.unit_decoder && t->square[j] > 0)
			scale_by(t->sae.dec + j * d, d, (float)(1 / sqrt(t->square[j])));
		t->since_fired[j] = t->fired[j] ? 0 : t->since_fired[j] + t->options.batch;
	}
}

static void update_latents(struct update *u)
{
	ps_trainer *t = u->trainer;
	ps_pool *pool = t->context->pool;
	const size_t f = t->sae.d_sae, d = t->sae.d_in, strip = t->gathers ? d : strip_columns(d);

	memset(t->square, 0, f * sizeof *t->square);
	for (u->first = 0; u->first < d; u->first += strip) {
		u->columns = ps_min_size(strip, d - u->first);
		if (!t->gathers)
			ps_pool_run(pool, ps_pool_items(u->pass->rows, ROWS_AN_ITEM), copy_strips,
				    u);
		ps_pool_run(pool, ps_pool_items(f, LATENTS_AN_ITEM), update_strip, u);
	}
	ps_pool_run(pool, ps_pool_items(f, LATENTS_AN_ITEM), finish_latents, u);
}

static void update_vector(const struct update *u, float *values, const ps_moments *moments,
			  float *gradient, size_t count)
{
	scale_by(gradient, count, u->clip);
	ps_adam_update(&u->adam, values, moments->m, moments->v, gradient, count);
}

void ps_update_run(ps_trainer *t, const ps_pass *pass, double lr)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in;
	struct update u = {.trainer = t,
			   .pass = pass,
			   .adam = ps_adam_at(&t->options.adam, lr, *t->step + 1),
			   .clip = 1};

	ps_pool_run(t->context->pool, ps_pool_items(d, COLUMNS_AN_ITEM), b_dec_gradients, &u);
	if (t->gathers)
		ps_pool_run(t->context->pool, ps_pool_items(f, LATENTS_AN_ITEM), finish_gathered,
			    &u);
	if (t->options.clip > 0)
		u.clip = clip_factor(t);
	update_latents(&u);
	update_vector(&u, t->sae.b_enc, &t->b_enc, t->b_enc_gradient, f);
	update_vector(&u, t->sae.b_dec, &t->b_dec, t->b_dec_gradient, d);
	for (int i = 0; i < t->arch->extras; i++)
		update_vector(&u, t->extra[i], &t->extra_moments[i], t->extra_gradient[i], f);
	if (t->options.arch == PS_TRAIN_JUMPRELU)
		ps_jumprelu_clamp(t);
}
