#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "core/clones.h"
#include "core/rng.h"
#include "sae/batch.h"
#include "sae/trainer.h"

enum {
	ROWS_AN_ITEM = 32,
	COLUMNS_AN_ITEM = 64,
	LATENTS_AN_ITEM = 8,
};

/* What the items of a step's loops share. */
struct step {
	ps_trainer *trainer;
	const ps_branch *aux; /* NULL: none */
	float scale;          /* of the gradients: 2 / (B D) */
	ps_adam adam;
};

static size_t items_of(size_t count, size_t an_item)
{
	return (count + an_item - 1) / an_item;
}

static uint64_t epoch_seed(const ps_trainer *t, uint64_t epoch)
{
	ps_rng rng = ps_rng_make(t->options.data_seed, epoch);

	return ps_rng_u64(&rng);
}

/* The ids of the step's rows: each epoch is a permutation of the kept rows of its own. */
static void choose_rows(ps_trainer *t)
{
	const uint64_t rows = t->rows->count, first = *t->step * t->options.batch;
	uint64_t epoch = first / rows, place = first % rows, seed = epoch_seed(t, epoch);

	for (size_t i = 0; i < t->options.batch; i++) {
		t->ids[i] = t->rows->ids[ps_permute(place, rows, seed)];
		if (++place == rows) {
			place = 0;
			seed = epoch_seed(t, ++epoch);
		}
	}
}

static void centre_rows(void *context, size_t item, int worker)
{
	ps_trainer *t = context;
	const size_t d = t->sae.d_in, first = item * ROWS_AN_ITEM, end = ps_min_size(first + ROWS_AN_ITEM, t->options.batch);
	const float *restrict b_dec = t->sae.b_dec, scale = *t->scale;

	(void)worker;
	for (size_t r = first; r < end; r++) {
		float *restrict row = t->x + r * d;

		for (size_t i = 0; i < d; i++)
			row[i] = scale * row[i] - b_dec[i];
	}
}

static int load_batch(ps_trainer *t)
{
	int code;

	choose_rows(t);
	code = ps_batch_gather(t->source, t->ids, t->options.batch, t->x, t->context);
	if (code < 0)
		return code;
	ps_pool_run(t->context->pool, items_of(t->options.batch, ROWS_AN_ITEM), centre_rows, t);
	return 0;
}

static void encoder_bias_gradients(void *context, size_t item, int worker)
{
	const struct step *s = context;
	ps_trainer *t = s->trainer;
	const size_t first = item * LATENTS_AN_ITEM, end = ps_min_size(first + LATENTS_AN_ITEM, t->sae.d_sae);

	(void)worker;
	for (size_t j = first; j < end; j++)
		t->b_enc_gradient[j] = ps_branch_bias_gradient(&t->branch, j) + (s->aux ? ps_branch_bias_gradient(s->aux, j) : 0);
}

/* Over the batch's rows: the sum of the errors, and of (x - mean)^2, of columns [first, first + count). */
PS_CLONES static void sum_columns(const ps_trainer *t, size_t first, size_t count, double *error_sum, double *variance)
{
	const size_t d = t->sae.d_in, rows = t->options.batch;
	double sum[COLUMNS_AN_ITEM] = {0}, square[COLUMNS_AN_ITEM] = {0};

	memset(error_sum, 0, COLUMNS_AN_ITEM * sizeof *error_sum);
	for (size_t r = 0; r < rows; r++) {
		const float *restrict x = t->x + r * d + first, *restrict error = t->branch.error + r * d + first;

		for (size_t i = 0; i < count; i++) {
			error_sum[i] += error[i];
			sum[i] += x[i];
			square[i] += (double)x[i] * x[i];
		}
	}
	for (size_t i = 0; i < count; i++)
		variance[i] = square[i] - sum[i] * sum[i] / (double)rows;
}

/* The gradient of b_dec: through x_hat, and through x - b_dec before the encoder. */
static void column_gradients(void *context, size_t item, int worker)
{
	const struct step *s = context;
	ps_trainer *t = s->trainer;
	const size_t d = t->sae.d_in, first = item * COLUMNS_AN_ITEM, count = ps_min_size(COLUMNS_AN_ITEM, d - first);
	double through_encoder[COLUMNS_AN_ITEM] = {0}, error_sum[COLUMNS_AN_ITEM];

	(void)worker;
	sum_columns(t, first, count, error_sum, t->column_variance + first);
	for (size_t j = 0; j < t->sae.d_sae; j++) {
		const float *enc = t->sae.enc + j * d + first;
		const double gradient = t->b_enc_gradient[j];

		for (size_t i = 0; gradient != 0 && i < count; i++)
			through_encoder[i] += gradient * enc[i];
	}
	for (size_t i = 0; i < count; i++)
		t->b_dec_gradient[first + i] = (float)(s->scale * error_sum[i] - through_encoder[i]);
}

/* Removes the part of the gradient that is parallel to the unit row. */
static void project_off(const float *row, float *gradient, size_t d)
{
	const uint32_t only = 0;
	float along;

	ps_rows_dot(row, d, &only, 1, gradient, &along);
	along = -along;
	ps_rows_combine(row, d, &only, &along, 1, gradient);
}

static void make_unit(float *row, size_t d)
{
	const uint32_t only = 0;
	float square, factor;

	ps_rows_dot(row, d, &only, 1, row, &square);
	factor = square > 0 ? 1 / sqrtf(square) : 1;
	for (size_t i = 0; i < d; i++)
		row[i] *= factor;
}

static void update_latent(const struct step *s, size_t j, float *gradients)
{
	ps_trainer *t = s->trainer;
	const size_t d = t->sae.d_in, at = j * d;
	float *enc = gradients, *dec = gradients + d;

	memset(gradients, 0, 2 * d * sizeof *gradients);
	ps_branch_add_gradient(&t->branch, j, t->x, d, enc, dec);
	if (s->aux)
		ps_branch_add_gradient(s->aux, j, t->x, d, enc, dec);
	project_off(t->sae.dec + at, dec, d);
	ps_adam_update(&s->adam, t->sae.enc + at, t->enc.m + at, t->enc.v + at, enc, d);
	ps_adam_update(&s->adam, t->sae.dec + at, t->dec.m + at, t->dec.v + at, dec, d);
	make_unit(t->sae.dec + at, d);
	t->since_fired[j] = ps_branch_active(&t->branch, j) ? 0 : t->since_fired[j] + t->options.batch;
}

static void update_latents(void *context, size_t item, int worker)
{
	const struct step *s = context;
	ps_trainer *t = s->trainer;
	const size_t first = item * LATENTS_AN_ITEM, end = ps_min_size(first + LATENTS_AN_ITEM, t->sae.d_sae);

	for (size_t j = first; j < end; j++)
		update_latent(s, j, t->latent_gradients + (size_t)worker * 2 * t->sae.d_in);
	ps_adam_update(&s->adam, t->sae.b_enc + first, t->b_enc.m + first, t->b_enc.v + first, t->b_enc_gradient + first,
		       end - first);
}

static double learning_rate(const ps_trainer *t)
{
	const ps_train_options *o = &t->options;
	const double warmup = o->warmup_fraction * (double)t->steps, decay = o->decay_fraction * (double)t->steps;
	const double begun = (double)(*t->step + 1), left = (double)(t->steps - *t->step);
	double factor = 1;

	if (begun < warmup)
		factor = begun / warmup;
	if (left < decay)
		factor *= left / decay;
	return o->lr * factor;
}

/* Codes, losses and everything by latent, of both branches. */
static void run_backward(struct step *s)
{
	ps_trainer *t = s->trainer;

	ps_encoder_run(t->encoder, t->x, t->options.batch, &t->branch.codes);
	ps_branch_backward(&t->branch, t->sae.dec, t->sae.d_in, t->x, -1, s->scale);
	if (t->auxk && t->options.dead_after_tokens)
		s->aux = ps_auxk_backward(t->auxk, t->since_fired, t->options.dead_after_tokens, t->x, t->branch.error,
					  t->options.batch, (float)(s->scale * t->options.auxk_coefficient));
}

static void run_updates(struct step *s)
{
	ps_trainer *t = s->trainer;
	const size_t f = t->sae.d_sae, d = t->sae.d_in;

	ps_pool_run(t->context->pool, items_of(f, LATENTS_AN_ITEM), encoder_bias_gradients, s);
	ps_pool_run(t->context->pool, items_of(d, COLUMNS_AN_ITEM), column_gradients, s);
	ps_pool_run(t->context->pool, items_of(f, LATENTS_AN_ITEM), update_latents, s);
	ps_adam_update(&s->adam, t->sae.b_dec, t->b_dec.m, t->b_dec.v, t->b_dec_gradient, d);
}

static void report(const struct step *s, double lr, double loss, ps_train_step *out)
{
	const ps_trainer *t = s->trainer;
	const double cells = (double)t->options.batch * (double)t->sae.d_in;
	double variance = 0;
	size_t dead = 0;

	for (size_t i = 0; i < t->sae.d_in; i++)
		variance += t->column_variance[i];
	for (size_t j = 0; j < t->sae.d_sae; j++)
		dead += t->options.dead_after_tokens && t->since_fired[j] >= t->options.dead_after_tokens;
	*out = (ps_train_step){
		.step = *t->step, .tokens = *t->step * t->options.batch, .lr = lr, .loss = loss / cells,
		.fvu = variance > 0 ? loss / variance : 0, .dead_fraction = (double)dead / (double)t->sae.d_sae,
	};
	if (s->aux)
		out->loss += t->options.auxk_coefficient * ps_branch_loss(s->aux) / cells;
}

int ps_trainer_step(ps_trainer *t, ps_train_step *out)
{
	const double lr = learning_rate(t);
	struct step s = {
		.trainer = t, .scale = (float)(2 / ((double)t->options.batch * (double)t->sae.d_in)),
		.adam = ps_adam_at(lr, *t->step + 1),
	};
	double loss;
	int code;

	if (*t->step >= t->steps)
		return ps_fail(t->context->diag, PS_EFAILED, "all %llu training steps are done", (unsigned long long)t->steps);
	code = load_batch(t);
	if (code < 0)
		return code;
	run_backward(&s);
	loss = ps_branch_loss(&t->branch);
	if (!isfinite(loss))
		return ps_fail(t->context->diag, PS_EFAILED, "the loss is not finite at step %llu: the activations hold such values, "
			       "or the learning rate is too high", (unsigned long long)*t->step + 1);
	run_updates(&s);
	++*t->step;
	report(&s, lr, loss, out);
	return 0;
}
