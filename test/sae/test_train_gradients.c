/* sae/train: gradients of every architecture, against finite differences of the loss and, over
 * several passes, against their formula. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/support/support_close.h"
#include "test/support/support_trainer.h"

enum { D = TINY_WIDTH, F = TINY_LATENTS, B = TINY_BATCH, K = TINY_K };

/* --- finite differences of the loss by its formula, in double --- */

struct point {
	double enc[F * D], dec[F * D], b_enc[F], b_dec[D], r_mag[F], b_mag[F], threshold[F];
};

/* What the formula of the loss needs besides the parameters. */
struct problem {
	const ps_train_options *options;
	const float *x;      /* (B, D) */
	const uint8_t *dead; /* (F) */
	/* The point that counts as constant: for the decoder of gate_alone, and for the error that
	 * AuxK reconstructs. */
	struct point frozen;
};

static double pre_activation(const struct point *p, const float *x, size_t j)
{
	double z = p->b_enc[j];

	for (size_t d = 0; d < D; d++)
		z += p->enc[j * D + d] * (x[d] - p->b_dec[d]);
	return z;
}

static double decoder_norm(const struct point *p, size_t j)
{
	double sum = 0;

	for (size_t d = 0; d < D; d++)
		sum += p->dec[j * D + d] * p->dec[j * D + d];
	return sqrt(sum);
}

/* Marks in kept (n) the k largest of score (n) where from is not 0. positive: only those above
 * 0. */
static void keep_largest(const double *score, const uint8_t *from, size_t n, size_t k,
			 bool positive, uint8_t *kept)
{
	memset(kept, 0, n);
	for (size_t i = 0; i < k; i++) {
		size_t best = n;

		for (size_t j = 0; j < n; j++)
			if (from[j] && !kept[j] && (best == n || score[j] > score[best]))
				best = j;
		if (best == n || (positive && !(score[best] > 0)))
			return;
		kept[best] = 1;
	}
}

/* Computes f (B, F), and in pi (B, F) gated's max(pi, 0). */
static void activations(const struct problem *q, const struct point *p, double *f, double *pi)
{
	double score[B * F];
	uint8_t all[B * F], kept[B * F];

	memset(all, 1, sizeof all);
	for (size_t i = 0; i < B * F; i++) {
		const size_t j = i % F;

		f[i] = pre_activation(p, q->x + i / F * D, j);
		score[i] = f[i] * (q->options->rescale ? decoder_norm(p, j) : 1);
		pi[i] = fmax(f[i], 0);
	}
	if (q->options->arch == PS_TRAIN_TOPK)
		for (size_t r = 0; r < B; r++)
			keep_largest(score + r * F, all, F, K, true, kept + r * F);
	if (q->options->arch == PS_TRAIN_BATCHTOPK)
		keep_largest(score, all, B * F, B * K, true, kept);
	for (size_t i = 0; i < B * F; i++) {
		const size_t j = i % F;

		switch (q->options->arch) {
		case PS_TRAIN_TOPK:
		case PS_TRAIN_BATCHTOPK:
			f[i] = kept[i] ? f[i] : 0;
			break;
		case PS_TRAIN_RELU:
			f[i] = pi[i];
			break;
		case PS_TRAIN_JUMPRELU:
			f[i] = f[i] > p->threshold[j] ? f[i] : 0;
			break;
		case PS_TRAIN_GATED:
			f[i] = f[i] > 0
				       ? fmax(exp(p->r_mag[j]) * (f[i] - p->b_enc[j]) + p->b_mag[j],
					      0)
				       : 0;
			break;
		}
	}
}

/* Returns the sum over rows of |x - f dec - b_dec|^2; writes the errors (B, D). */
static double squared_error(const struct point *p, const float *x, const double *f, double *error)
{
	double sum = 0;

	for (size_t i = 0; i < B * D; i++) {
		const size_t r = i / D, d = i % D;

		error[i] = p->b_dec[d] - x[i];
		for (size_t j = 0; j < F; j++)
			error[i] += f[r * F + j] * p->dec[j * D + d];
		sum += error[i] * error[i];
	}
	return sum;
}

static double penalty(const struct problem *q, const struct point *p, const double *f,
		      const double *pi)
{
	const ps_train_options *o = q->options;
	double sum = 0;

	for (size_t r = 0; r < B; r++) {
		double l0 = 0;

		for (size_t j = 0; j < F; j++) {
			const double norm = decoder_norm(o->gate_alone ? &q->frozen : p, j),
				     value = f[r * F + j];

			l0 += value > 0;
			if (o->arch == PS_TRAIN_RELU || o->arch == PS_TRAIN_GATED)
				sum += pi[r * F + j] * norm;
			if (o->arch == PS_TRAIN_JUMPRELU && o->l0_penalty == PS_L0_TANH)
				sum += tanh(o->tanh_scale * value * norm);
		}
		if (o->arch == PS_TRAIN_JUMPRELU && o->l0_penalty == PS_L0_STEP)
			sum += l0;
		if (o->arch == PS_TRAIN_JUMPRELU && o->l0_penalty == PS_L0_TARGET)
			sum += 2 / o->target_l0 * (l0 - o->target_l0) * (l0 - o->target_l0);
	}
	return sum;
}

static double batch_variance(const double *rows)
{
	double sum = 0;

	for (size_t d = 0; d < D; d++) {
		double mean = 0;

		for (size_t r = 0; r < B; r++)
			mean += rows[r * D + d] / B;
		for (size_t r = 0; r < B; r++)
			sum += (rows[r * D + d] - mean) * (rows[r * D + d] - mean);
	}
	return sum;
}

static double unit_of(const struct problem *q)
{
	double x[B * D];

	for (size_t i = 0; i < B * D; i++)
		x[i] = q->x[i];
	switch (q->options->unit) {
	case PS_LOSS_PER_ELEMENT:
		return 1.0 / (B * D);
	case PS_LOSS_PER_ROW:
		return 1.0 / B;
	case PS_LOSS_OF_VARIANCE:
		return 1 / batch_variance(x);
	}
	return 0;
}

/* The dead latents' loss. The error that they reconstruct is the frozen point's. */
static double auxk(const struct problem *q, const struct point *p, double unit)
{
	const ps_train_options *o = q->options;
	double f[B * F], pi[B * F], target[B * D], sum = 0;
	const size_t k_aux = D / 2;
	size_t dead = 0;

	activations(q, &q->frozen, f, pi);
	squared_error(&q->frozen, q->x, f, target);
	for (size_t j = 0; j < F; j++)
		dead += q->dead[j];
	for (size_t r = 0; r < B; r++) {
		double z[F], score[F];
		uint8_t kept[F];

		for (size_t j = 0; j < F; j++) {
			z[j] = pre_activation(p, q->x + r * D, j);
			score[j] = z[j] * (o->rescale ? decoder_norm(p, j) : 1);
		}
		keep_largest(score, q->dead, F, k_aux, o->auxk_form != PS_AUXK_SAELENS, kept);
		for (size_t d = 0; d < D; d++) {
			double error = target[r * D + d];

			for (size_t j = 0; j < F; j++)
				error += kept[j] ? z[j] * p->dec[j * D + d] : 0;
			sum += error * error;
		}
	}
	if (o->auxk_form == PS_AUXK_SAELENS || o->auxk_form == PS_AUXK_SPARSIFY)
		unit *= fmin((double)dead / k_aux, 1);
	return o->auxk_coefficient * sum * unit;
}

static double reference_loss(const struct problem *q, const struct point *p)
{
	double f[B * F], pi[B * F], error[B * D], sum, unit = unit_of(q);
	struct point gate = *p;

	activations(q, p, f, pi);
	sum = squared_error(p, q->x, f, error) + q->options->sparsity * penalty(q, p, f, pi);
	if (q->options->gate_alone) {
		memcpy(gate.dec, q->frozen.dec, sizeof gate.dec);
		memcpy(gate.b_dec, q->frozen.b_dec, sizeof gate.b_dec);
	}
	if (q->options->arch == PS_TRAIN_GATED)
		sum += squared_error(&gate, q->x, pi, error);
	return unit * sum + (q->options->auxk_coefficient > 0 ? auxk(q, p, unit) : 0);
}

/* Adds the gradients of a parameter, which are ten times its first moment, against differences. */
static void compare(const struct problem *q, struct point *p, double *parameter, size_t count,
		    const float *moment, closeness *c)
{
	const double h = 1e-6;

	for (size_t i = 0; i < count; i++) {
		const double at = parameter[i];
		double up, down;

		parameter[i] = at + h;
		up = reference_loss(q, p);
		parameter[i] = at - h;
		down = reference_loss(q, p);
		parameter[i] = at;
		closeness_add(c, moment[i] / 0.1, (up - down) / (2 * h), 1);
	}
}

static void take_point(trainer_run *run, struct point *p)
{
	static const char *const names[] = {"enc",   "dec",   "b_enc",    "b_dec",
					    "r_mag", "b_mag", "threshold"};
	double *const to[] = {p->enc, p->dec, p->b_enc, p->b_dec, p->r_mag, p->b_mag, p->threshold};
	const size_t counts[] = {F * D, F * D, F, D, F, F, F};

	for (int n = 0; n < 7; n++)
		for (size_t i = 0; i < counts[n] && trainer_run_part(run, names[n]); i++)
			to[n][i] = trainer_run_floats(run, names[n])[i];
}

static void check_differences(const char *what, const ps_train_options *options)
{
	static const uint8_t dead[F] = {0, 1, 0, 0, 1, 1, 0, 1, 0};
	struct problem q = {.options = options, .dead = dead};
	double loss, expected;
	closeness c = {0};
	float x[B * D];
	struct point p = {0};
	trainer_run run;

	fill_normal(x, B * D, 1, 8);
	q.x = x;
	trainer_run_open(&run, x, B, D, options, 1);
	*trainer_run_floats(&run, "scale") = 1;
	fill_normal(trainer_run_part(&run, "enc"), F * D, 0.7, 11);
	fill_normal(trainer_run_part(&run, "dec"), F * D, 0.6, 12);
	fill_normal(trainer_run_part(&run, "b_enc"), F, 0.3, 9);
	fill_normal(trainer_run_part(&run, "b_dec"), D, 0.2, 10);
	for (size_t j = 0; j < F; j++) {
		if (trainer_run_part(&run, "threshold"))
			trainer_run_floats(&run, "threshold")[j] = 0.1f + 0.03f * (float)j;
		((uint64_t *)trainer_run_part(&run, "since_fired"))[j] = dead[j] ? 1000 : 0;
	}
	if (trainer_run_part(&run, "r_mag")) {
		fill_normal(trainer_run_part(&run, "r_mag"), F, 0.3, 13);
		fill_normal(trainer_run_part(&run, "b_mag"), F, 0.3, 14);
	}
	take_point(&run, &p);
	q.frozen = p;
	loss = trainer_run_step(&run).loss;
	expected = reference_loss(&q, &p);
	assert_near(loss, expected, 1e-6 * expected);
	compare(&q, &p, p.enc, F * D, trainer_run_part(&run, "enc_m"), &c);
	compare(&q, &p, p.dec, F * D, trainer_run_part(&run, "dec_m"), &c);
	compare(&q, &p, p.b_enc, F, trainer_run_part(&run, "b_enc_m"), &c);
	compare(&q, &p, p.b_dec, D, trainer_run_part(&run, "b_dec_m"), &c);
	if (trainer_run_part(&run, "r_mag_m")) {
		compare(&q, &p, p.r_mag, F, trainer_run_part(&run, "r_mag_m"), &c);
		compare(&q, &p, p.b_mag, F, trainer_run_part(&run, "b_mag_m"), &c);
	}
	assert_closeness_share(&c, what, 1.2e-6);
	trainer_run_close(&run);
}

static void topk_and_batchtopk_agree_with_finite_differences(void **state)
{
	static const char *const names[] = {"topk", "batchtopk"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		ps_train_options o = tiny_options(i ? PS_TRAIN_BATCHTOPK : PS_TRAIN_TOPK);

		check_differences(names[i], &o);
		o.unit = PS_LOSS_OF_VARIANCE;
		o.rescale = true;
		check_differences("  chosen by z |dec|, loss of variance", &o);
	}
}

static void auxk_agrees_with_finite_differences(void **state)
{
	/* dictionary_learning's form is in test_train_peers: there a latent is dead only if it is
	 * silent in the step as well. */
	static const char *const names[] = {"auxk: paper", "auxk: saelens", "auxk: sparsify"};

	(void)state;
	for (int form = 0; form < 3; form++) {
		ps_train_options o = tiny_options(PS_TRAIN_TOPK);

		o.auxk_coefficient = 0.5;
		o.auxk_form = (ps_auxk_form)form;
		o.dead_after_tokens = 1000;
		o.unit = form % 2 ? PS_LOSS_PER_ROW : PS_LOSS_PER_ELEMENT;
		check_differences(names[form], &o);
		o.rescale = true;
		check_differences("  chosen by z |dec|", &o);
	}
}

static void penalties_agree_with_finite_differences(void **state)
{
	ps_train_options o = tiny_options(PS_TRAIN_RELU);

	(void)state;
	check_differences("relu", &o);
	o.unit = PS_LOSS_PER_ROW;
	check_differences("  loss per row", &o);
	o = tiny_options(PS_TRAIN_JUMPRELU);
	check_differences("jumprelu, step: all but the threshold", &o);
	o.l0_penalty = PS_L0_TARGET;
	check_differences("  target", &o);
	o.l0_penalty = PS_L0_TANH;
	check_differences("  tanh", &o);
	o = tiny_options(PS_TRAIN_GATED);
	check_differences("gated", &o);
	o.gate_alone = true;
	check_differences("  the gate does not train the decoder", &o);
}

/* --- rows in several passes --- */

static void passes_add_up_to_the_batch(void **state)
{
	enum { WIDE = 1 << 16, ROWS = 96, NARROW = 3 };
	ps_train_options o = tiny_options(PS_TRAIN_RELU);
	float x[ROWS * NARROW];
	double *expected = calloc(WIDE, sizeof *expected);
	closeness c = {0};
	float *enc, *dec, *b_enc, *b_dec;
	trainer_run run;

	(void)state;
	o.d_sae = WIDE;
	o.batch = o.tokens = ROWS;
	fill_normal(x, ROWS * NARROW, 1, 3);
	trainer_run_open(&run, x, ROWS, NARROW, &o, 2);
	*trainer_run_floats(&run, "scale") = 1;
	enc = trainer_run_part(&run, "enc"), dec = trainer_run_part(&run, "dec"),
	b_enc = trainer_run_part(&run, "b_enc"), b_dec = trainer_run_part(&run, "b_dec");
	fill_normal(dec, WIDE * NARROW, 1e-2, 4);
	for (size_t r = 0; r < ROWS; r++) {
		double error[NARROW], *z = malloc(WIDE * sizeof *z);

		for (size_t d = 0; d < NARROW; d++)
			error[d] = b_dec[d] - x[r * NARROW + d];
		for (size_t j = 0; j < WIDE; j++) {
			z[j] = b_enc[j];
			for (size_t d = 0; d < NARROW; d++)
				z[j] += enc[j * NARROW + d] * (x[r * NARROW + d] - b_dec[d]);
			for (size_t d = 0; d < NARROW && z[j] > 0; d++)
				error[d] += z[j] * dec[j * NARROW + d];
		}
		for (size_t j = 0; j < WIDE; j++) {
			double gradient = 0, square = 0;

			for (size_t d = 0; d < NARROW; d++) {
				gradient += 2 * error[d] * dec[j * NARROW + d];
				square += dec[j * NARROW + d] * dec[j * NARROW + d];
			}
			if (z[j] > 0)
				expected[j] +=
					(gradient + o.sparsity * sqrt(square)) / (ROWS * NARROW);
		}
		free(z);
	}
	trainer_run_step(&run);
	for (size_t j = 0; j < WIDE; j++)
		closeness_add(&c, trainer_run_floats(&run, "b_enc_m")[j] / 0.1, expected[j], 1);
	assert_closeness_share(&c, "gradients of b_enc", 5e-6);
	trainer_run_close(&run);
	free(expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topk_and_batchtopk_agree_with_finite_differences),
		cmocka_unit_test(auxk_agrees_with_finite_differences),
		cmocka_unit_test(penalties_agree_with_finite_differences),
		cmocka_unit_test(passes_add_up_to_the_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
