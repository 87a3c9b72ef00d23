#include "sae/resample.h"

#include <math.h>
#include <string.h>

#include "core/base/rng.h"
#include "sae/arch.h"

#define ENCODER_SHARE 0.2
/* A step's stream of init_seed. The streams of the latents' starts count up from 0, these count
 * down from the largest number. */
#define STREAM_OF(step) (UINT64_MAX - (step))

bool ps_resample_is_due(const ps_trainer *t)
{
	const uint64_t every = t->options.resample_tokens, done = *t->step * t->options.batch;

	return every && t->options.dead_after_tokens && *t->step < t->steps &&
	       done / every > (done - t->options.batch) / every;
}

static bool is_dead(const ps_trainer *t, size_t j)
{
	return t->since_fired[j] >= t->options.dead_after_tokens;
}

static double mean_encoder_norm(const ps_trainer *t)
{
	const size_t d = t->sae.d_in;
	double sum = 0;
	size_t alive = 0;

	for (size_t j = 0; j < t->sae.d_sae; j++) {
		if (is_dead(t, j))
			continue;
		sum += sqrt(ps_squared_norm(t->sae.enc + j * d, d));
		alive++;
	}
	return alive ? sum / (double)alive : 1;
}

/* Draws a row with a probability in proportion to its weight (rows), and sets the weight to 0.
 * Returns the number of rows when all weights are 0. */
static size_t draw_row(double *weight, size_t rows, ps_rng *rng)
{
	double total = 0, at;
	size_t last = rows;

	for (size_t r = 0; r < rows; r++)
		total += weight[r];
	at = total * ps_rng_uniform(rng);
	for (size_t r = 0; r < rows; r++) {
		if (!(weight[r] > 0))
			continue;
		last = r;
		at -= weight[r];
		if (at < 0)
			break;
	}
	if (last < rows)
		weight[last] = 0;
	return last;
}

static void clear_moments(const ps_moments *moments, size_t first, size_t count)
{
	memset(moments->m + first, 0, count * sizeof *moments->m);
	memset(moments->v + first, 0, count * sizeof *moments->v);
}

static void start_anew(ps_trainer *t, size_t j, const float *x, double encoder_norm)
{
	const size_t d = t->sae.d_in, at = j * d;
	const double norm = sqrt(ps_squared_norm(x, d)),
		     decoder_norm = t->options.unit_decoder ? 1 : t->options.decoder_norm;

	for (size_t i = 0; i < d; i++) {
		t->sae.dec[at + i] = (float)(x[i] / norm * decoder_norm);
		t->sae.enc[at + i] = (float)(x[i] / norm * encoder_norm);
	}
	t->sae.b_enc[j] = 0;
	clear_moments(&t->enc, at, d);
	clear_moments(&t->dec, at, d);
	clear_moments(&t->b_enc, j, 1);
	for (int i = 0; i < t->arch->extras; i++) {
		t->extra[i][j] = t->sae.threshold ? (float)t->options.threshold_start : 0;
		clear_moments(&t->extra_moments[i], j, 1);
	}
	t->since_fired[j] = 0;
}

void ps_resample(ps_trainer *t)
{
	const size_t rows = t->options.batch;
	const double encoder_norm = ENCODER_SHARE * mean_encoder_norm(t);
	ps_rng rng = ps_rng_make(t->options.init_seed, STREAM_OF(*t->step));

	for (size_t r = 0; r < rows; r++)
		t->row_loss[r] = ps_squared_norm(t->feed->x + r * t->sae.d_in, t->sae.d_in) > 0
					 ? t->row_loss[r] * t->row_loss[r]
					 : 0;
	for (size_t j = 0; j < t->sae.d_sae; j++) {
		size_t row;

		if (!is_dead(t, j))
			continue;
		row = draw_row(t->row_loss, rows, &rng);
		if (row == rows)
			break;
		start_anew(t, j, t->feed->x + row * t->sae.d_in, encoder_norm);
	}
}
