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

#include "core/base/rng.h"
#include "sae/batch_topk.h"
#include "sae/evaluate.h"
#include "sae/recipe.h"
#include "sae/schedule.h"
#include "sae/sparse.h"
#include "sae/train.h"
#include "test/support/support_close.h"
#include "test/support/support_sae.h"

enum { D = 5, F = 9, B = 7, K = 2 };

/* --- a trainer over rows in memory --- */

struct run {
	workspace w;
	memory_rows rows;
	ps_trainer *trainer;
	ps_state_part part[PS_STATE_PARTS_MAX];
	size_t parts;
};

static void run_open(struct run *run, const float *data, size_t count, size_t d,
		     const ps_train_options *options, int threads)
{
	*run = (struct run){0};
	workspace_open(&run->w, threads, ps_trainers_bytes(d, options, 1, threads));
	memory_rows_open(&run->rows, data, count, d);
	assert_int_equal(ps_trainers_create(&run->trainer, options, 1, &run->rows.source,
					    &run->rows.list, &run->w.context, &run->w.arena),
			 0);
	run->parts = ps_trainer_state(run->trainer, run->part);
}

static void run_close(struct run *run)
{
	workspace_close(&run->w);
}

static void *part(struct run *run, const char *name)
{
	for (size_t i = 0; i < run->parts; i++)
		if (!strcmp(run->part[i].name, name))
			return run->part[i].data;
	return NULL;
}

static ps_train_step step(struct run *run)
{
	ps_train_step out;

	assert_int_equal(ps_trainers_step(&run->trainer, 1, &out), 0);
	return out;
}

static void check_same_state(const struct run *a, const struct run *b)
{
	assert_int_equal(a->parts, b->parts);
	for (size_t i = 0; i < a->parts; i++)
		assert_memory_equal(a->part[i].data, b->part[i].data, a->part[i].bytes);
}

static ps_train_options options_for(ps_train_arch arch)
{
	return (ps_train_options){
		.arch = arch,
		.d_sae = F,
		.k = K,
		.batch = B,
		.tokens = B,
		.lr = 1e-3,
		.adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
		.unit = PS_LOSS_PER_ELEMENT,
		.decoder_norm = 1,
		.encoder_scale = 1,
		.sparsity = 0.3,
		.l0_penalty = PS_L0_STEP,
		.tanh_scale = 2,
		.bandwidth = 0.2,
		.target_l0 = K,
		.threshold_rate = 0.01,
	};
}

/* --- gradients against finite differences of the loss by its formula, in double --- */

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

static void take_point(struct run *run, struct point *p)
{
	static const char *const names[] = {"enc",   "dec",   "b_enc",    "b_dec",
					    "r_mag", "b_mag", "threshold"};
	double *const to[] = {p->enc, p->dec, p->b_enc, p->b_dec, p->r_mag, p->b_mag, p->threshold};
	const size_t counts[] = {F * D, F * D, F, D, F, F, F};

	for (int n = 0; n < 7; n++)
		for (size_t i = 0; i < counts[n] && part(run, names[n]); i++)
			to[n][i] = ((float *)part(run, names[n]))[i];
}

static void check_differences(const char *what, const ps_train_options *options)
{
	static const uint8_t dead[F] = {0, 1, 0, 0, 1, 1, 0, 1, 0};
	struct problem q = {.options = options, .dead = dead};
	double loss, expected;
	closeness c = {0};
	float x[B * D];
	struct point p = {0};
	struct run run;

	fill_normal(x, B * D, 1, 8);
	q.x = x;
	run_open(&run, x, B, D, options, 1);
	*(float *)part(&run, "scale") = 1;
	fill_normal(part(&run, "enc"), F * D, 0.7, 11);
	fill_normal(part(&run, "dec"), F * D, 0.6, 12);
	fill_normal(part(&run, "b_enc"), F, 0.3, 9);
	fill_normal(part(&run, "b_dec"), D, 0.2, 10);
	for (size_t j = 0; j < F; j++) {
		if (part(&run, "threshold"))
			((float *)part(&run, "threshold"))[j] = 0.1f + 0.03f * (float)j;
		((uint64_t *)part(&run, "since_fired"))[j] = dead[j] ? 1000 : 0;
	}
	if (part(&run, "r_mag")) {
		fill_normal(part(&run, "r_mag"), F, 0.3, 13);
		fill_normal(part(&run, "b_mag"), F, 0.3, 14);
	}
	take_point(&run, &p);
	q.frozen = p;
	loss = step(&run).loss;
	expected = reference_loss(&q, &p);
	assert_near(loss, expected, 1e-6 * expected);
	compare(&q, &p, p.enc, F * D, part(&run, "enc_m"), &c);
	compare(&q, &p, p.dec, F * D, part(&run, "dec_m"), &c);
	compare(&q, &p, p.b_enc, F, part(&run, "b_enc_m"), &c);
	compare(&q, &p, p.b_dec, D, part(&run, "b_dec_m"), &c);
	if (part(&run, "r_mag_m")) {
		compare(&q, &p, p.r_mag, F, part(&run, "r_mag_m"), &c);
		compare(&q, &p, p.b_mag, F, part(&run, "b_mag_m"), &c);
	}
	assert_closeness_share(&c, what, 1.2e-6);
	run_close(&run);
}

static void topk_and_batchtopk_agree_with_finite_differences(void **state)
{
	static const char *const names[] = {"topk", "batchtopk"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		ps_train_options o = options_for(i ? PS_TRAIN_BATCHTOPK : PS_TRAIN_TOPK);

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
		ps_train_options o = options_for(PS_TRAIN_TOPK);

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
	ps_train_options o = options_for(PS_TRAIN_RELU);

	(void)state;
	check_differences("relu", &o);
	o.unit = PS_LOSS_PER_ROW;
	check_differences("  loss per row", &o);
	o = options_for(PS_TRAIN_JUMPRELU);
	check_differences("jumprelu, step: all but the threshold", &o);
	o.l0_penalty = PS_L0_TARGET;
	check_differences("  target", &o);
	o.l0_penalty = PS_L0_TANH;
	check_differences("  tanh", &o);
	o = options_for(PS_TRAIN_GATED);
	check_differences("gated", &o);
	o.gate_alone = true;
	check_differences("  the gate does not train the decoder", &o);
}

/* --- rows in several passes --- */

static void passes_add_up_to_the_batch(void **state)
{
	enum { WIDE = 1 << 16, ROWS = 96, NARROW = 3 };
	ps_train_options o = options_for(PS_TRAIN_RELU);
	float x[ROWS * NARROW];
	double *expected = calloc(WIDE, sizeof *expected);
	closeness c = {0};
	float *enc, *dec, *b_enc, *b_dec;
	struct run run;

	(void)state;
	o.d_sae = WIDE;
	o.batch = o.tokens = ROWS;
	fill_normal(x, ROWS * NARROW, 1, 3);
	run_open(&run, x, ROWS, NARROW, &o, 2);
	*(float *)part(&run, "scale") = 1;
	enc = part(&run, "enc"), dec = part(&run, "dec"), b_enc = part(&run, "b_enc"),
	b_dec = part(&run, "b_dec");
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
	step(&run);
	for (size_t j = 0; j < WIDE; j++)
		closeness_add(&c, ((float *)part(&run, "b_enc_m"))[j] / 0.1, expected[j], 1);
	assert_closeness_share(&c, "gradients of b_enc", 5e-6);
	run_close(&run);
	free(expected);
}

/* --- the selection over a batch --- */

enum { BATCH_ROWS = 60, BATCH_LATENTS = 500, BATCH_WIDTH = 8 };

/* Which z a batch has: of very different sizes, whole numbers with many ties, hardly any
 * positive. */
enum values { VARIED, TIES, FEW };

static void fill_selection(ps_sae *sae, float *x, enum values values)
{
	fill_normal(sae->enc, BATCH_LATENTS * BATCH_WIDTH, 1, 1);
	fill_normal(x, BATCH_ROWS * BATCH_WIDTH, 1, 2);
	for (size_t i = 0; i < BATCH_ROWS * BATCH_WIDTH; i++)
		x[i] *= i / BATCH_WIDTH % 10 ? 0.1f : 5;
	for (size_t i = 0; values == TIES && i < BATCH_ROWS * BATCH_WIDTH; i++)
		x[i] = i / BATCH_WIDTH % 10 ? 0 : roundf(x[i]);
	for (size_t i = 0; values == TIES && i < BATCH_LATENTS * BATCH_WIDTH; i++)
		sae->enc[i] = roundf(sae->enc[i]);
	for (size_t j = 0; values == FEW && j < BATCH_LATENTS; j++)
		sae->b_enc[j] = -12;
}

static int larger_first(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return (x < y) - (x > y);
}

/* The n-th largest value of codes. */
static float nth_largest(const ps_codes *codes, size_t n)
{
	const size_t entries = codes->start[codes->rows];
	float *sorted = malloc(entries * sizeof *sorted), value;

	assert_non_null(sorted);
	memcpy(sorted, codes->value, entries * sizeof *sorted);
	qsort(sorted, entries, sizeof *sorted, larger_first);
	value = sorted[n - 1];
	free(sorted);
	return value;
}

/* Every selected value is the latent's own and at the cut or above. The tolerance is there because
 * the encoders of `selected` and `all` sum in different orders. */
static void check_selected(const ps_codes *selected, const ps_codes *all, float cut)
{
	closeness close = {0};

	for (size_t r = 0; r < BATCH_ROWS; r++) {
		float z[BATCH_LATENTS] = {0};

		for (size_t i = all->start[r]; i < all->start[r + 1]; i++)
			z[all->index[i]] = all->value[i];
		for (size_t i = selected->start[r]; i < selected->start[r + 1]; i++) {
			assert_true(i == selected->start[r] ||
				    selected->index[i - 1] < selected->index[i]);
			closeness_add(&close, selected->value[i], z[selected->index[i]], 1);
			assert_true(selected->value[i] >= cut - 3e-5f);
		}
	}
	assert_closeness(&close, "chosen values", 3e-5);
}

static void check_batch_selection(size_t mean_k, enum values values)
{
	const size_t candidates = ps_batch_topk_candidates(mean_k, BATCH_LATENTS),
		     total = BATCH_ROWS * mean_k;
	float x[BATCH_ROWS * BATCH_WIDTH];
	size_t expected, crowded = 0;
	ps_sae lister, full;
	ps_encoder *encoder, *dense;
	ps_batch_topk *b;
	ps_codes codes, all;
	ps_sae_layout layout;
	workspace w;

	workspace_open(&w, 2, 32 << 20);
	layout = ps_sae_layout_in(&w.arena, &w.context);
	lister = (ps_sae){
		.arch = PS_SAE_TOPK, .d_in = BATCH_WIDTH, .d_sae = BATCH_LATENTS, .k = candidates};
	ps_sae_lay_out(&layout, &lister);
	fill_selection(&lister, x, values);
	full = lister;
	full.arch = PS_SAE_RELU;
	encoder = ps_encoder_lay_out(&layout, &lister, BATCH_ROWS);
	ps_codes_lay_out(&layout, &codes, &lister, BATCH_ROWS);
	dense = ps_encoder_lay_out(&layout, &full, BATCH_ROWS);
	ps_codes_lay_out(&layout, &all, &full, BATCH_ROWS);
	b = ps_batch_topk_lay_out(&layout, &lister, BATCH_ROWS, mean_k);
	ps_encoder_run(dense, x, BATCH_ROWS, &all);
	expected = all.start[BATCH_ROWS] < total ? all.start[BATCH_ROWS] : total;
	ps_encoder_run(encoder, x, BATCH_ROWS, &codes);
	ps_batch_topk_select(b, x, total, candidates, &codes);
	assert_int_equal(codes.start[BATCH_ROWS], expected);
	check_selected(&codes, &all, nth_largest(&all, expected));
	for (size_t r = 0; r < BATCH_ROWS; r++)
		crowded += codes.start[r + 1] - codes.start[r] > candidates;
	print_message("mean k %zu, %zu of %zu positive chosen, %zu rows beyond their candidates\n",
		      mean_k, expected, all.start[BATCH_ROWS], crowded);
	assert_true(values != VARIED || crowded > 0 || candidates == BATCH_LATENTS);
	workspace_close(&w);
}

static void the_largest_of_a_batch_are_chosen_exactly(void **state)
{
	(void)state;
	check_batch_selection(5, VARIED);
	check_batch_selection(30, VARIED);
	check_batch_selection(200, VARIED);
	check_batch_selection(10, TIES);
	check_batch_selection(10, FEW);
}

/* --- exactness --- */

enum { WIDTH = 33, MANY = 500, STEPS = 30 };

static ps_train_options small(ps_train_arch arch, ps_recipe recipe)
{
	ps_train_options o = {.arch = arch,
			      .d_sae = 150,
			      .k = 6,
			      .batch = 48,
			      .tokens = 48 * STEPS,
			      .init_seed = 7,
			      .data_seed = 42};
	ps_diag diag = {{0}};

	assert_int_equal(ps_recipe_apply(recipe, &o, &diag), 0);
	o.lr = 2e-3;
	o.dead_after_tokens = 200;
	o.resample_tokens = arch == PS_TRAIN_RELU || arch == PS_TRAIN_GATED ? 400 : 0;
	if (arch == PS_TRAIN_BATCHTOPK) {
		o.k_start = 20;
		o.k_fraction = 0.5;
	}
	return o;
}

static float *make_rows(uint64_t seed)
{
	float *rows = malloc(MANY * WIDTH * sizeof *rows),
	      *direction = malloc(60 * WIDTH * sizeof *direction);
	ps_rng rng = ps_rng_make(seed, 1);

	fill_normal(direction, 60 * WIDTH, 1 / sqrt(WIDTH), seed);
	for (size_t r = 0; r < MANY; r++) {
		for (size_t i = 0; i < WIDTH; i++)
			rows[r * WIDTH + i] = 0.3f;
		for (size_t a = 0; a < 3; a++) {
			const float *chosen = direction + ps_rng_below(&rng, 60) * WIDTH;
			const float weight = (float)(1 + 3 * ps_rng_uniform(&rng));

			for (size_t i = 0; i < WIDTH; i++)
				rows[r * WIDTH + i] += weight * chosen[i];
		}
	}
	free(direction);
	return rows;
}

/* One run is whole, with two threads. The other is in two parts, with one and three threads. */
static void every_architecture_resumes_and_threads_to_the_same_bits(void **state)
{
	float *rows = make_rows(1);

	(void)state;
	for (int arch = 0; arch <= PS_TRAIN_GATED; arch++) {
		for (int recipe = 0; recipe <= PS_RECIPE_SAELENS; recipe += 2) {
			const ps_train_options o = small((ps_train_arch)arch, (ps_recipe)recipe);
			struct run whole, first, second;
			ps_train_step last = {0};

			run_open(&whole, rows, MANY, WIDTH, &o, 2);
			for (int i = 0; i < STEPS; i++)
				last = step(&whole);
			run_open(&first, rows, MANY, WIDTH, &o, 1);
			for (int i = 0; i < 13; i++)
				step(&first);
			run_open(&second, rows, MANY, WIDTH, &o, 3);
			for (size_t i = 0; i < first.parts; i++)
				memcpy(second.part[i].data, first.part[i].data,
				       first.part[i].bytes);
			assert_int_equal(ps_trainer_resume(second.trainer), 0);
			for (int i = 13; i < STEPS; i++)
				step(&second);
			check_same_state(&whole, &second);
			print_message("architecture %d, %s: fvu %.4f, l0 %.1f, dead %.3f\n", arch,
				      ps_recipe_names[recipe], last.fvu, last.l0,
				      last.dead_fraction);
			run_close(&whole);
			run_close(&first);
			run_close(&second);
		}
	}
	free(rows);
}

/* --- frozen directions --- */

static ps_train_options frozen(ps_train_arch arch, ps_train_frozen what)
{
	ps_train_options o = small(arch, PS_RECIPE_PRUNESCOPE);

	o.resample_tokens = 0;
	o.clip = 0;
	o.frozen = what;
	return o;
}

/* Takes a step, then ten more, of a run that trains everything and of a frozen one. After the first
 * step the other half is the free run's, because its gradient does not depend on what is frozen. */
static void check_frozen(const float *rows, ps_train_arch arch, ps_train_frozen what)
{
	const bool decoder = what == PS_FROZEN_DECODER;
	const ps_train_options o[] = {frozen(arch, PS_FROZEN_NOTHING), frozen(arch, what)};
	const char *kept = decoder ? "dec" : "enc", *trained = decoder ? "enc" : "dec";
	const size_t bytes = o->d_sae * WIDTH * sizeof(float);
	float *start = malloc(bytes);
	struct run free_run, run;

	assert_non_null(start);
	run_open(&free_run, rows, MANY, WIDTH, &o[0], 2);
	run_open(&run, rows, MANY, WIDTH, &o[1], 1);
	memcpy(start, part(&run, kept), bytes);
	step(&free_run);
	step(&run);
	assert_memory_equal(part(&run, trained), part(&free_run, trained), bytes);
	assert_memory_equal(part(&run, "b_enc"), part(&free_run, "b_enc"),
			    o->d_sae * sizeof(float));
	assert_memory_not_equal(part(&free_run, kept), start, bytes);
	for (int i = 0; i < 10; i++)
		step(&run);
	assert_memory_equal(part(&run, kept), start, bytes);
	assert_memory_not_equal(part(&run, trained), start, bytes);
	run_close(&free_run);
	run_close(&run);
	free(start);
}

static void what_is_frozen_keeps_its_start_and_the_rest_is_trained(void **state)
{
	float *rows = make_rows(3);

	(void)state;
	for (int arch = 0; arch <= PS_TRAIN_GATED; arch++) {
		check_frozen(rows, (ps_train_arch)arch, PS_FROZEN_DECODER);
		check_frozen(rows, (ps_train_arch)arch, PS_FROZEN_ENCODER);
	}
	free(rows);
}

/* The clipped gradients' norm, from Adam's means after the first step. */
static double clipped_norm(struct run *run, const ps_train_options *o)
{
	static const char *const means[] = {"enc_m", "dec_m", "b_enc_m", "b_dec_m"};
	double square = 0;

	step(run);
	for (size_t i = 0; i < run->parts; i++)
		for (size_t m = 0; m < sizeof means / sizeof *means; m++)
			if (!strcmp(run->part[i].name, means[m]))
				square += ps_squared_norm(run->part[i].data,
							  run->part[i].bytes / sizeof(float));
	return sqrt(square) / (1 - o->adam.beta1);
}

/* What is frozen has no gradient, so the norm to which gradients are clipped is that of the
 * others. */
static void a_frozen_half_does_not_count_for_clipping(void **state)
{
	const ps_train_frozen half[] = {PS_FROZEN_DECODER, PS_FROZEN_ENCODER};
	float *rows = make_rows(3);

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (int arch = 0; arch <= PS_TRAIN_BATCHTOPK; arch++) {
			ps_train_options o = frozen((ps_train_arch)arch, half[i]);
			closeness c = {0};
			struct run run;

			o.clip = 1e-3;
			run_open(&run, rows, MANY, WIDTH, &o, 1);
			closeness_add(&c, clipped_norm(&run, &o), o.clip, 1);
			assert_closeness(&c, "clipped norm", 1e-5);
			run_close(&run);
		}
	free(rows);
}

static void nothing_is_frozen_and_resampled(void **state)
{
	ps_train_options o = frozen(PS_TRAIN_RELU, PS_FROZEN_ENCODER);
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_train_options_check(&o, WIDTH, &diag), 0);
	o.resample_tokens = 400;
	assert_int_equal(ps_train_options_check(&o, WIDTH, &diag), PS_EUSAGE);
	assert_non_null(strstr(diag.text, "frozen"));
}

/* --- what is saved --- */

/* Saved states of older versions are resumed: names and order of the arrays must not change. */
static void the_arrays_of_a_state_keep_their_names_and_order(void **state)
{
	static const char *const shared[] = {
		"enc",     "dec",     "b_enc", "b_dec",          "enc_m",
		"enc_v",   "dec_m",   "dec_v", "b_enc_m",        "b_enc_v",
		"b_dec_m", "b_dec_v", "scale", "threshold_mean", "since_fired",
		"step"};
	static const char *const extra[][7] = {
		[PS_TRAIN_JUMPRELU] = {"threshold", "threshold_m", "threshold_v"},
		[PS_TRAIN_GATED] = {"r_mag", "r_mag_m", "r_mag_v", "b_mag", "b_mag_m", "b_mag_v"},
	};
	float x[B * D];

	(void)state;
	fill_normal(x, B * D, 1, 8);
	for (int arch = 0; arch <= PS_TRAIN_GATED; arch++) {
		const ps_train_options o = options_for((ps_train_arch)arch);
		size_t at = 0;
		struct run run;

		run_open(&run, x, B, D, &o, 1);
		for (; at < sizeof shared / sizeof *shared; at++)
			assert_string_equal(run.part[at].name, shared[at]);
		for (size_t i = 0; extra[arch][i]; i++)
			assert_string_equal(run.part[at++].name, extra[arch][i]);
		assert_int_equal(run.parts, at);
		run_close(&run);
	}
}

/* Compares the exported SAE on raw rows with the trainer's report of the last step, whose batch
 * holds all rows. */
static void the_exported_sae_reconstructs_as_the_trained_one(void **state)
{
	float *rows = make_rows(2);

	(void)state;
	for (int arch = 0; arch <= PS_TRAIN_GATED; arch++) {
		for (int recipe = 0; recipe <= PS_RECIPE_SAELENS; recipe += 2) {
			ps_train_options o = small((ps_train_arch)arch, (ps_recipe)recipe);
			ps_evaluation evaluation;
			ps_train_step last = {0};
			struct run run;
			double share;
			workspace w;
			ps_sae sae;

			/* As many latents as a row has directions. Then few values lie near
			 * batchtopk's threshold. */
			o.k = 3;
			o.batch = MANY;
			o.tokens = 300 * MANY;
			o.resample_tokens = o.k_start = 0;
			o.dead_after_tokens = 0;
			o.decay_fraction = 1;
			o.threshold_rate = 1;
			run_open(&run, rows, MANY, WIDTH, &o, 2);
			for (int i = 0; i < 300; i++)
				last = step(&run);
			workspace_open(&w, 2, 64 << 20);
			assert_int_equal(ps_sae_create(&sae, ps_train_saved_arch(o.arch), WIDTH,
						       150, o.k, &w.arena, &w.diag),
					 0);
			ps_trainer_export(run.trainer, &sae);
			assert_int_equal(ps_evaluate_rows(&sae, &run.rows.source, &run.rows.list,
							  &w.context, &w.arena, &evaluation, NULL),
					 0);
			print_message("architecture %d, %s: fvu %.5f trained, %.5f saved; l0 %.2f, "
				      "%.2f\n",
				      arch, ps_recipe_names[recipe], last.fvu, evaluation.fvu,
				      last.l0, evaluation.l0);
			/* The saved threshold of batchtopk is an average over batches. */
			share = arch == PS_TRAIN_BATCHTOPK ? 0.02 : 5e-3;
			assert_near(evaluation.fvu, last.fvu, share * last.fvu);
			assert_near(evaluation.l0, last.l0, share * last.l0);
			workspace_close(&w);
			run_close(&run);
		}
	}
	free(rows);
}

/* --- starts, schedules, refusals --- */

static void the_median_withstands_outliers(void **state)
{
	ps_train_options o = options_for(PS_TRAIN_TOPK);
	float x[200 * D];
	closeness c = {0};
	struct run run;

	(void)state;
	o.batch = 200;
	o.tokens = 200;
	o.b_dec = PS_B_DEC_MEDIAN;
	fill_normal(x, 200 * D, 0.01, 5);
	for (size_t r = 0; r < 200; r++)
		for (size_t d = 0; d < D; d++)
			x[r * D + d] += r % 5 ? (float)d : 1e4f;
	run_open(&run, x, 200, D, &o, 1);
	for (size_t d = 0; d < D; d++)
		closeness_add(&c, ((float *)part(&run, "b_dec"))[d] / *(float *)part(&run, "scale"),
			      (double)d, 1);
	assert_closeness(&c, "median with a fifth of the rows at 10,000", 0.012);
	run_close(&run);
}

static void resampling_revives_dead_latents(void **state)
{
	float *rows = make_rows(3);
	ps_train_options o = small(PS_TRAIN_RELU, PS_RECIPE_PRUNESCOPE);
	float *enc, *b_enc, *dec;
	struct run run;

	(void)state;
	o.dead_after_tokens = 48 * 4;
	o.resample_tokens = 48 * 5;
	run_open(&run, rows, MANY, WIDTH, &o, 1);
	enc = part(&run, "enc"), b_enc = part(&run, "b_enc"), dec = part(&run, "dec");
	for (size_t j = 0; j < 20; j++)
		b_enc[j] = -1e3f;
	for (int i = 0; i < 4; i++)
		assert_true(step(&run).step < 5 && b_enc[7] < -100);
	assert_true(step(&run).dead_fraction >= 20.0 / 150);
	for (size_t j = 0; j < 20; j++) {
		double enc_norm = 0, dec_norm = 0, along = 0;

		assert_true(b_enc[j] == 0 && ((uint64_t *)part(&run, "since_fired"))[j] == 0);
		for (size_t d = 0; d < WIDTH; d++) {
			enc_norm += (double)enc[j * WIDTH + d] * enc[j * WIDTH + d];
			dec_norm += (double)dec[j * WIDTH + d] * dec[j * WIDTH + d];
			along += (double)enc[j * WIDTH + d] * dec[j * WIDTH + d];
			assert_true(((float *)part(&run, "enc_m"))[j * WIDTH + d] == 0);
		}
		assert_near(dec_norm, 1, 1.5e-7);
		assert_near(along / sqrt(enc_norm), 1, 1.5e-7);
	}
	run_close(&run);
	free(rows);
}

static void schedules_are_what_they_say(void **state)
{
	ps_train_options o = options_for(PS_TRAIN_BATCHTOPK);

	(void)state;
	o.lr = 2;
	o.warmup_fraction = 0.1;
	o.decay_fraction = 0.5;
	o.lr_end = 0.1;
	assert_near(ps_schedule_rate(&o, 0, 100), 0.2, 1e-15);
	assert_near(ps_schedule_rate(&o, 9, 100), 2, 1e-15);
	assert_near(ps_schedule_rate(&o, 50, 100), 2, 1e-15);
	assert_near(ps_schedule_rate(&o, 75, 100), 1.1, 1e-15);
	o.decay = PS_DECAY_COSINE;
	assert_near(ps_schedule_rate(&o, 75, 100), 1.1, 1e-15);
	assert_near(ps_schedule_rate(&o, 60, 100), 0.2 + 1.8 * (1 + cos(M_PI / 5)) / 2, 1e-15);
	o.sparsity_warmup = 0.5;
	assert_true(ps_schedule_sparsity(&o, 0, 100) == 0);
	assert_near(ps_schedule_sparsity(&o, 25, 100), 0.15, 1e-15);
	assert_true(ps_schedule_sparsity(&o, 50, 100) == 0.3);
	o.k_start = 8;
	o.k_fraction = 0.5;
	assert_int_equal(ps_schedule_k(&o, 0, 100), 8);
	assert_int_equal(ps_schedule_k(&o, 25, 100), 5);
	assert_int_equal(ps_schedule_k(&o, 50, 100), K);
	assert_int_equal(ps_schedule_k_max(&o), 8);
}

static void options_that_do_not_fit_are_refused(void **state)
{
	ps_train_options o = options_for(PS_TRAIN_JUMPRELU);
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_train_options_check(&o, D, &diag), 0);
	o.auxk_coefficient = 0.1;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = options_for(PS_TRAIN_JUMPRELU), o.bandwidth = 0;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = options_for(PS_TRAIN_JUMPRELU), o.l0_penalty = PS_L0_TARGET, o.target_l0 = F + 1;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = options_for(PS_TRAIN_RELU), o.sparsity = -1;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = options_for(PS_TRAIN_BATCHTOPK), o.threshold_rate = 0;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = options_for(PS_TRAIN_TOPK), o.k_start = F + 1;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = options_for(PS_TRAIN_TOPK), o.adam.beta2 = 1;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = options_for(PS_TRAIN_JUMPRELU);
	assert_int_equal(ps_recipe_apply(PS_RECIPE_SPARSIFY, &o, &diag), PS_EUSAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topk_and_batchtopk_agree_with_finite_differences),
		cmocka_unit_test(auxk_agrees_with_finite_differences),
		cmocka_unit_test(penalties_agree_with_finite_differences),
		cmocka_unit_test(passes_add_up_to_the_batch),
		cmocka_unit_test(the_largest_of_a_batch_are_chosen_exactly),
		cmocka_unit_test(every_architecture_resumes_and_threads_to_the_same_bits),
		cmocka_unit_test(what_is_frozen_keeps_its_start_and_the_rest_is_trained),
		cmocka_unit_test(a_frozen_half_does_not_count_for_clipping),
		cmocka_unit_test(nothing_is_frozen_and_resampled),
		cmocka_unit_test(the_arrays_of_a_state_keep_their_names_and_order),
		cmocka_unit_test(the_exported_sae_reconstructs_as_the_trained_one),
		cmocka_unit_test(the_median_withstands_outliers),
		cmocka_unit_test(resampling_revives_dead_latents),
		cmocka_unit_test(schedules_are_what_they_say),
		cmocka_unit_test(options_that_do_not_fit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
