#include "sae/step.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"
#include "sae/arch.h"
#include "sae/resample.h"
#include "sae/schedule.h"
#include "sae/update.h"

enum {
	ROWS_AN_ITEM = 32,
	COLUMNS_AN_ITEM = 64,
	LATENTS_AN_ITEM = 8,
};

/* A step under way: what the items of its loops share, and its sums. */
struct step {
	ps_trainer *trainer;
	ps_pass pass; /* the pass under way */
	double lr, variance, loss, aux_loss;
	uint64_t active; /* activations that are not zero */
};

static void centre_rows(void *context, size_t item, int worker)
{
	ps_trainer *t = context;
	const size_t d = t->sae.d_in, first = item * ROWS_AN_ITEM,
		     end = ps_min_size(first + ROWS_AN_ITEM, t->options.batch);
	const float *restrict b_dec = t->sae.b_dec, scale = *t->scale;

	(void)worker;
	for (size_t r = first; r < end; r++) {
		float *restrict row = t->feed->x + r * d;

		if (t->feed->raw != t->feed->x)
			memcpy(row, t->feed->raw + r * d, d * sizeof *row);
		for (size_t i = 0; i < d; i++)
			row[i] = scale * row[i] - b_dec[i];
	}
}

/* --- before the rows --- */

/* Computes the sum over the batch of (x - mean)^2, for columns [first, first + count). */
PS_CLONES static void find_variance(const float *x, size_t rows, size_t d, size_t first,
				    size_t count, double *variance)
{
	double sum[COLUMNS_AN_ITEM] = {0}, square[COLUMNS_AN_ITEM] = {0};

	for (size_t r = 0; r < rows; r++) {
		const float *restrict row = x + r * d + first;

		for (size_t i = 0; i < count; i++) {
			sum[i] += row[i];
			square[i] += (double)row[i] * row[i];
		}
	}
	for (size_t i = 0; i < count; i++)
		variance[i] = square[i] - sum[i] * sum[i] / (double)rows;
}

static void column_variances(void *context, size_t item, int worker)
{
	ps_trainer *t = context;
	const size_t d = t->sae.d_in, first = item * COLUMNS_AN_ITEM,
		     count = ps_min_size(COLUMNS_AN_ITEM, d - first);

	(void)worker;
	find_variance(t->feed->x, t->options.batch, d, first, count, t->column_variance + first);
}

static void measure_norms(void *context, size_t item, int worker)
{
	ps_trainer *t = context;
	const size_t d = t->sae.d_in, first = item * LATENTS_AN_ITEM,
		     end = ps_min_size(first + LATENTS_AN_ITEM, t->sae.d_sae);

	(void)worker;
	for (size_t j = first; j < end; j++)
		t->norm[j] = (float)sqrt(ps_squared_norm(t->sae.dec + j * d, d));
}

static void clear_sums(ps_trainer *t)
{
	const size_t f = t->sae.d_sae, matrix = f * t->sae.d_in * sizeof(float);

	memset(t->b_enc_gradient, 0, f * sizeof *t->b_enc_gradient);
	memset(t->through_input, 0, f * sizeof *t->through_input);
	memset(t->along, 0, f * sizeof *t->along);
	memset(t->penalty, 0, f * sizeof *t->penalty);
	memset(t->fired, 0, f);
	for (int i = 0; i < t->arch->extras; i++)
		memset(t->extra_gradient[i], 0, f * sizeof *t->extra_gradient[i]);
	memset(t->error_sum, 0, t->sae.d_in * sizeof *t->error_sum);
	if (!t->gathers)
		return;
	memset(t->enc_gradient, 0, matrix);
	memset(t->dec_gradient, 0, matrix);
}

static double unit_of(const struct step *s)
{
	const ps_trainer *t = s->trainer;
	const double rows = (double)t->options.batch;

	switch (t->options.unit) {
	case PS_LOSS_PER_ELEMENT:
		return 1 / (rows * (double)t->sae.d_in);
	case PS_LOSS_PER_ROW:
		return 1 / rows;
	case PS_LOSS_OF_VARIANCE:
		return s->variance > 0 ? 1 / s->variance : 1;
	}
	return 1;
}

static void prepare(struct step *s)
{
	ps_trainer *t = s->trainer;

	ps_pool_run(t->context->pool, ps_pool_items(t->sae.d_in, COLUMNS_AN_ITEM), column_variances,
		    t);
	for (size_t i = 0; i < t->sae.d_in; i++)
		s->variance += t->column_variance[i];
	s->pass.unit = unit_of(s);
	s->pass.scale = (float)(2 * s->pass.unit);
	s->pass.sparsity = ps_schedule_sparsity(&t->options, *t->step, t->steps);
	if (t->arch->norms || t->options.rescale)
		ps_pool_run(t->context->pool, ps_pool_items(t->sae.d_sae, LATENTS_AN_ITEM),
			    measure_norms, t);
	clear_sums(t);
	if (t->arch->prepare)
		t->arch->prepare(t);
}

/* --- a pass over rows --- */

/* Adds the errors of columns [first, first + count), summed over the pass's rows, to sum. */
PS_CLONES static void sum_errors(const float *error, size_t rows, size_t d, size_t first,
				 size_t count, double *sum)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t i = 0; i < count; i++)
			sum[i] += error[r * d + first + i];
}

static void error_sums(void *context, size_t item, int worker)
{
	const struct step *s = context;
	ps_trainer *t = s->trainer;
	const size_t d = t->sae.d_in, first = item * COLUMNS_AN_ITEM,
		     count = ps_min_size(COLUMNS_AN_ITEM, d - first);

	(void)worker;
	sum_errors(t->branch.error, s->pass.rows, d, first, count, t->error_sum + first);
	if (t->arch->gate && !t->options.gate_alone)
		sum_errors(t->gate.error, s->pass.rows, d, first, count, t->error_sum + first);
}

static void level_error_sums(void *context, size_t item, int worker)
{
	const struct step *s = context;
	ps_trainer *t = s->trainer;
	const size_t d = t->sae.d_in, first = item * COLUMNS_AN_ITEM,
		     count = ps_min_size(COLUMNS_AN_ITEM, d - first);

	(void)worker;
	for (size_t l = 0; l < t->matryoshka->levels; l++)
		sum_errors(t->matryoshka->branch[l].error, s->pass.rows, d, first, count,
			   t->error_sum + first);
}

static void mark_dead(ps_trainer *t)
{
	const bool now = t->options.auxk_form == PS_AUXK_DICTIONARY;
	const uint64_t after = t->options.dead_after_tokens, rows = t->options.batch;

	for (size_t j = 0; j < t->sae.d_sae; j++)
		t->dead[j] =
			now ? !ps_branch_active(&t->branch, j) && t->since_fired[j] + rows >= after
			    : t->since_fired[j] >= after;
}

/* sum |e - mean e|^2 from loss, sum |e|^2. The pass must hold all rows of the batch. */
static double error_variance(const ps_trainer *t, double loss)
{
	for (size_t i = 0; i < t->sae.d_in; i++)
		loss -= t->error_sum[i] * t->error_sum[i] / (double)t->options.batch;
	return loss;
}

static void run_auxk(struct step *s, double loss)
{
	ps_trainer *t = s->trainer;
	double weight;

	mark_dead(t);
	if (!ps_auxk_gather(t->auxk, t->dead, t->options.rescale ? t->norm : NULL))
		return;
	weight = t->options.auxk_coefficient *
		 ps_auxk_weight(t->auxk, s->pass.unit, error_variance(t, loss));
	s->pass.aux = ps_auxk_backward(t->auxk, s->pass.x, t->branch.error, s->pass.rows,
				       (float)(2 * weight));
	s->aux_loss += weight * ps_branch_loss(s->pass.aux);
}

/* The gradient of latent j's decoder row along that row, from all branches. */
static double parallel_gradient(const ps_trainer *t, const ps_pass *pass, size_t j)
{
	double sum = ps_branch_parallel(&t->branch, j);

	if (t->arch->gate && !t->options.gate_alone)
		sum += ps_branch_parallel(&t->gate, j);
	if (pass->aux)
		sum += ps_branch_parallel(pass->aux, j);
	for (size_t l = 0; t->matryoshka && l < t->matryoshka->levels; l++)
		sum += ps_branch_parallel(&t->matryoshka->branch[l], j);
	return sum;
}

/* Adds latent j's gradients. Where decoder rows keep norm 1, `along` then removes the gradient
 * along the row, the penalty's included. That is found first, while the lists still hold df. */
static void finish_latent(const struct step *s, size_t j)
{
	ps_trainer *t = s->trainer;
	const bool unit = t->options.unit_decoder;
	const double along = unit ? t->along[j] - parallel_gradient(t, &s->pass, j) : 0;

	t->arch->latent(t, &s->pass, j);
	if (s->pass.aux)
		ps_arch_add_bias(t, s->pass.aux, j);
	for (size_t l = 0; t->matryoshka && l < t->matryoshka->levels; l++)
		ps_arch_add_bias(t, &t->matryoshka->branch[l], j);
	if (unit)
		t->along[j] = (float)along;
}

static void finish_latents(void *context, size_t item, int worker)
{
	const struct step *s = context;
	const size_t first = item * LATENTS_AN_ITEM,
		     end = ps_min_size(first + LATENTS_AN_ITEM, s->trainer->sae.d_sae);

	(void)worker;
	for (size_t j = first; j < end; j++)
		finish_latent(s, j);
}

static void run_pass(struct step *s, size_t first)
{
	ps_trainer *t = s->trainer;
	ps_branch *branch = &t->branch;
	double loss;

	s->pass.first = first;
	s->pass.rows = ps_min_size(t->pass_rows, t->options.batch - first);
	s->pass.x = t->feed->x + first * t->sae.d_in;
	ps_encoder_run(t->encoder, s->pass.x, s->pass.rows, &branch->codes);
	t->arch->activate(t, &s->pass);
	ps_branch_backward(branch, t->sae.dec, t->sae.d_in, s->pass.x, -1, s->pass.scale);
	memcpy(t->row_loss + first, branch->loss, s->pass.rows * sizeof *t->row_loss);
	loss = ps_branch_loss(branch);
	s->loss += loss;
	if (t->arch->gate)
		s->aux_loss += s->pass.unit * ps_branch_loss(&t->gate);
	for (size_t i = 0; i < branch->codes.start[s->pass.rows]; i++)
		s->active += branch->codes.value[i] != 0;
	ps_pool_run(t->context->pool, ps_pool_items(t->sae.d_in, COLUMNS_AN_ITEM), error_sums, s);
	if (t->auxk && t->options.dead_after_tokens)
		run_auxk(s, loss);
	if (t->matryoshka) {
		s->aux_loss +=
			s->pass.unit * ps_matryoshka_backward(t->matryoshka, &branch->codes,
							      &t->sae, s->pass.x, s->pass.scale);
		ps_pool_run(t->context->pool, ps_pool_items(t->sae.d_in, COLUMNS_AN_ITEM),
			    level_error_sums, s);
	}
	ps_pool_run(t->context->pool, ps_pool_items(t->sae.d_sae, LATENTS_AN_ITEM), finish_latents,
		    s);
	if (t->gathers)
		ps_update_gather(t, &s->pass);
}

/* --- after the rows --- */

static void report(const struct step *s, ps_train_step *out)
{
	const ps_trainer *t = s->trainer;
	double penalty = 0;
	size_t dead = 0;

	for (size_t j = 0; j < t->sae.d_sae; j++) {
		dead += t->options.dead_after_tokens &&
			t->since_fired[j] >= t->options.dead_after_tokens;
		penalty += t->penalty[j];
	}
	*out = (ps_train_step){
		.step = *t->step,
		.tokens = *t->step * t->options.batch,
		.lr = s->lr,
		.loss = s->pass.unit * (s->loss + s->pass.sparsity * penalty) + s->aux_loss,
		.fvu = s->variance > 0 ? s->loss / s->variance : 0,
		.l0 = (double)s->active / (double)t->options.batch,
		.dead_fraction = (double)dead / (double)t->sae.d_sae,
	};
}

int ps_step_take(ps_trainer *t, ps_train_step *out)
{
	struct step s = {.trainer = t, .lr = ps_schedule_rate(&t->options, *t->step, t->steps)};

	ps_pool_run(t->context->pool, ps_pool_items(t->options.batch, ROWS_AN_ITEM), centre_rows,
		    t);
	prepare(&s);
	for (size_t first = 0; first < t->options.batch; first += t->pass_rows)
		run_pass(&s, first);
	if (!isfinite(s.loss + s.aux_loss))
		return ps_fail(
			t->context->diag, PS_EFAILED,
			"the loss is not finite at step %llu: the activations hold such values, "
			"or the learning rate is too high",
			(unsigned long long)*t->step + 1);
	ps_update_run(t, &s.pass, s.lr);
	++*t->step;
	report(&s, out);
	if (ps_resample_is_due(t))
		ps_resample(t);
	return 0;
}
