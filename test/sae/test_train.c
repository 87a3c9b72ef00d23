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
#include "sae/batch.h"
#include "sae/evaluate.h"
#include "test/support/support_close.h"
#include "test/support/support_trainer.h"

/* Makes rows (count, d): each is a common offset plus the sum of `active` out of `sources` fixed
 * directions. The caller frees them. */
static float *make_rows(size_t count, size_t d, size_t sources, size_t active, uint64_t seed)
{
	float *rows = malloc(count * d * sizeof *rows),
	      *direction = malloc(sources * d * sizeof *direction);
	ps_rng rng = ps_rng_make(seed, 1);

	fill_normal(direction, sources * d, 1 / sqrt((double)d), seed);
	for (size_t r = 0; r < count; r++) {
		for (size_t i = 0; i < d; i++)
			rows[r * d + i] = 0.3f;
		for (size_t a = 0; a < active; a++) {
			const float *chosen = direction + ps_rng_below(&rng, sources) * d;
			const float weight = (float)(1 + 3 * ps_rng_uniform(&rng));

			for (size_t i = 0; i < d; i++)
				rows[r * d + i] += weight * chosen[i];
		}
	}
	free(direction);
	return rows;
}

/* --- against torch --- */

/* Plain topk with the paper's Adam, decoder rows of norm 1, and the loss per element. */
static ps_train_options topk_options(size_t f, size_t k, size_t batch, uint64_t tokens, double lr)
{
	return (ps_train_options){
		.arch = PS_TRAIN_TOPK,
		.d_sae = f,
		.k = k,
		.batch = batch,
		.tokens = tokens,
		.lr = lr,
		.adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 6.25e-10},
		.unit = PS_LOSS_PER_ELEMENT,
		.b_dec = PS_B_DEC_MEAN,
		.decoder_norm = 1,
		.encoder_scale = 1,
		.unit_decoder = true,
	};
}

struct torch_case {
	const char *path;
	size_t d, f, k, batch, steps;
	double lr, warmup, decay, auxk;
	uint64_t dead_after;
};

static const struct torch_case plain = {
	"test/fixtures/sae/steps.golden", 22, 70, 4, 32, 50, 3e-3, 0.1, 0.2, 0, 0};
static const struct torch_case with_auxk = {
	"test/fixtures/sae/auxk.golden", 14, 90, 2, 16, 30, 3e-3, 0, 0, 0.25, 48};

/* Opens a trainer with torch's first parameters. Its next batches are torch's, in torch's order. */
static void open_torch_case(trainer_run *run, const struct torch_case *c, golden *g)
{
	static const char *const names[] = {"enc", "dec", "b_enc", "b_dec"};
	ps_train_options options = topk_options(c->f, c->k, c->batch, c->steps * c->batch, c->lr);
	const size_t counts[] = {c->f * c->d, c->f * c->d, c->f, c->d};
	const float *start[4], *data;

	options.sequential = true;
	options.warmup_fraction = c->warmup;
	options.decay_fraction = c->decay;
	options.auxk_coefficient = c->auxk;
	options.dead_after_tokens = c->dead_after;
	for (int i = 0; i < 4; i++)
		start[i] = golden_next(g, names[i], counts[i]);
	data = golden_next(g, "rows", c->steps * c->batch * c->d);
	trainer_run_open(run, data, c->steps * c->batch, c->d, &options, 1);
	for (int i = 0; i < 4; i++)
		memcpy(trainer_run_floats(run, names[i]), start[i], counts[i] * sizeof(float));
	*trainer_run_floats(run, "scale") = 1;
	assert_int_equal(ps_trainer_resume(run->trainer), 0);
}

/* Compares the gradients of the first step. Adam's first moment is then a tenth of the gradient. */
static void check_first_gradients(trainer_run *run, const struct torch_case *c, golden *g)
{
	static const char *const moment[] = {"enc_m", "dec_m", "b_enc_m", "b_dec_m"};
	static const char *const name[] = {"grad_enc", "grad_dec", "grad_b_enc", "grad_b_dec"};
	const size_t counts[] = {c->f * c->d, c->f * c->d, c->f, c->d};

	for (int i = 0; i < 4; i++) {
		const float *expected = golden_next(g, name[i], counts[i]),
			    *m = trainer_run_floats(run, moment[i]);
		closeness close = {0};

		for (size_t e = 0; e < counts[i]; e++)
			closeness_add(&close, m[e] / 0.1, expected[e], 1);
		assert_closeness_share(&close, name[i], 1.5e-6);
	}
}

static void check_end(trainer_run *run, const struct torch_case *c, golden *g)
{
	static const char *const names[] = {"enc", "dec", "b_enc", "b_dec"};
	static const char *const end[] = {"end_enc", "end_dec", "end_b_enc", "end_b_dec"};
	const size_t counts[] = {c->f * c->d, c->f * c->d, c->f, c->d};

	for (int i = 0; i < 4; i++) {
		closeness close = {0};

		closeness_add_floats(&close, trainer_run_floats(run, names[i]),
				     golden_next(g, end[i], counts[i]), counts[i]);
		assert_closeness_share(&close, end[i], 2e-6);
	}
}

static void check_against_torch(const struct torch_case *c)
{
	golden g = golden_open(c->path);
	const float *losses, *dead;
	ps_train_step done[64];
	closeness close = {0};
	trainer_run run;

	open_torch_case(&run, c, &g);
	done[0] = trainer_run_step(&run);
	check_first_gradients(&run, c, &g);
	for (size_t i = 1; i < c->steps; i++)
		done[i] = trainer_run_step(&run);
	losses = golden_next(&g, "losses", c->steps);
	dead = golden_next(&g, "dead", c->steps);
	for (size_t i = 0; i < c->steps; i++)
		closeness_add(&close, done[i].loss, losses[i], losses[i]);
	for (size_t i = 0; c->dead_after && i + 1 < c->steps; i++)
		assert_int_equal(lround(done[i].dead_fraction * (double)c->f), lround(dead[i + 1]));
	assert_closeness(&close, "losses, relatively", 7e-7);
	check_end(&run, c, &g);
	trainer_run_close(&run);
	golden_close(&g);
}

static void steps_agree_with_torch(void **state)
{
	(void)state;
	check_against_torch(&plain);
}

static void steps_with_auxk_agree_with_torch(void **state)
{
	(void)state;
	check_against_torch(&with_auxk);
}

/* --- against finite differences --- */

struct tiny {
	double enc[TINY_LATENTS * TINY_WIDTH], b_enc[TINY_LATENTS], dec[TINY_LATENTS * TINY_WIDTH],
		b_dec[TINY_WIDTH];
};

/* The loss, computed by its formula in double. */
static double tiny_loss(const struct tiny *p, const float *x)
{
	double loss = 0;

	for (size_t r = 0; r < TINY_BATCH; r++, x += TINY_WIDTH) {
		double z[TINY_LATENTS], x_hat[TINY_WIDTH];

		memcpy(x_hat, p->b_dec, sizeof x_hat);
		for (size_t j = 0; j < TINY_LATENTS; j++) {
			z[j] = p->b_enc[j];
			for (size_t d = 0; d < TINY_WIDTH; d++)
				z[j] += p->enc[j * TINY_WIDTH + d] * (x[d] - p->b_dec[d]);
		}
		for (size_t k = 0; k < TINY_K; k++) {
			size_t best = 0;

			for (size_t j = 1; j < TINY_LATENTS; j++)
				best = z[j] > z[best] ? j : best;
			for (size_t d = 0; z[best] > 0 && d < TINY_WIDTH; d++)
				x_hat[d] += z[best] * p->dec[best * TINY_WIDTH + d];
			z[best] = -INFINITY;
		}
		for (size_t d = 0; d < TINY_WIDTH; d++)
			loss += (x_hat[d] - x[d]) * (x_hat[d] - x[d]);
	}
	return loss / (TINY_BATCH * TINY_WIDTH);
}

static double difference(struct tiny *p, double *parameter, const float *x)
{
	const double at = *parameter, h = 1e-6;
	double up, down;

	*parameter = at + h;
	up = tiny_loss(p, x);
	*parameter = at - h;
	down = tiny_loss(p, x);
	*parameter = at;
	return (up - down) / (2 * h);
}

static void add_differences(closeness *c, struct tiny *p, double *parameters, size_t count,
			    const float *moment, const float *x)
{
	for (size_t i = 0; i < count; i++)
		closeness_add(c, moment[i] / 0.1, difference(p, parameters + i, x), 1);
}

/* Compares the decoder's gradients. The trainer removes from a decoder row's gradient the part that
 * is parallel to the row. */
static void add_projected(closeness *c, struct tiny *p, const float *moment, const float *x)
{
	for (size_t j = 0; j < TINY_LATENTS; j++) {
		double gradient[TINY_WIDTH], along = 0;
		const double *row = p->dec + j * TINY_WIDTH;

		for (size_t d = 0; d < TINY_WIDTH; d++) {
			gradient[d] = difference(p, p->dec + j * TINY_WIDTH + d, x);
			along += gradient[d] * row[d];
		}
		for (size_t d = 0; d < TINY_WIDTH; d++)
			closeness_add(c, moment[j * TINY_WIDTH + d] / 0.1,
				      gradient[d] - along * row[d], 1);
	}
}

static void gradients_agree_with_finite_differences(void **state)
{
	const ps_train_options options =
		topk_options(TINY_LATENTS, TINY_K, TINY_BATCH, TINY_BATCH, 1e-3);
	float x[TINY_BATCH * TINY_WIDTH];
	struct tiny p;
	trainer_run run;
	closeness c = {0};

	(void)state;
	fill_normal(x, TINY_BATCH * TINY_WIDTH, 1, 8);
	trainer_run_open(&run, x, TINY_BATCH, TINY_WIDTH, &options, 1);
	*trainer_run_floats(&run, "scale") = 1;
	fill_normal(trainer_run_floats(&run, "b_enc"), TINY_LATENTS, 0.3, 9);
	for (size_t i = 0; i < TINY_LATENTS * TINY_WIDTH; i++) {
		p.enc[i] = trainer_run_floats(&run, "enc")[i];
		p.dec[i] = trainer_run_floats(&run, "dec")[i];
	}
	for (size_t j = 0; j < TINY_LATENTS; j++)
		p.b_enc[j] = trainer_run_floats(&run, "b_enc")[j];
	for (size_t d = 0; d < TINY_WIDTH; d++)
		p.b_dec[d] = trainer_run_floats(&run, "b_dec")[d];
	trainer_run_step(&run);
	add_differences(&c, &p, p.enc, TINY_LATENTS * TINY_WIDTH, trainer_run_floats(&run, "enc_m"),
			x);
	add_differences(&c, &p, p.b_enc, TINY_LATENTS, trainer_run_floats(&run, "b_enc_m"), x);
	add_differences(&c, &p, p.b_dec, TINY_WIDTH, trainer_run_floats(&run, "b_dec_m"), x);
	add_projected(&c, &p, trainer_run_floats(&run, "dec_m"), x);
	assert_closeness(&c, "gradients", 8e-8);
	trainer_run_close(&run);
}

/* --- exactness --- */

enum { D = 33, ROWS = 500 };

static const ps_train_options small = {
	.d_sae = 150,
	.k = 6,
	.batch = 48,
	.tokens = 48 * 40,
	.warmup_fraction = 0.1,
	.decay_fraction = 0.3,
	.lr = 2e-3,
	.adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 6.25e-10},
	.b_dec = PS_B_DEC_MEAN,
	.decoder_norm = 1,
	.encoder_scale = 1,
	.unit_decoder = true,
	.auxk_coefficient = 0.03,
	.dead_after_tokens = 200,
	.init_seed = 7,
	.data_seed = 42,
};

static void a_resumed_run_ends_with_the_same_bits(void **state)
{
	float *rows = make_rows(ROWS, D, 60, 3, 1);
	trainer_run whole, first, second;

	(void)state;
	trainer_run_open(&whole, rows, ROWS, D, &small, 2);
	for (int i = 0; i < 40; i++)
		trainer_run_step(&whole);
	trainer_run_open(&first, rows, ROWS, D, &small, 1);
	for (int i = 0; i < 17; i++)
		trainer_run_step(&first);
	trainer_run_open(&second, rows, ROWS, D, &small, 2);
	copy_trainer_state(first.trainer, second.trainer);
	assert_int_equal(ps_trainer_resume(second.trainer), 0);
	for (int i = 17; i < 40; i++)
		assert_int_equal(trainer_run_step(&second).step, i + 1);
	assert_same_state(&whole, &second);
	trainer_run_close(&whole);
	trainer_run_close(&first);
	trainer_run_close(&second);
	free(rows);
}

/* Makes the options of three SAEs that take the same batches. */
static void make_three(ps_train_options three[3])
{
	three[0] = three[1] = three[2] = small;
	three[1].d_sae = 90;
	three[1].init_seed = 8;
	three[2].k = 11;
	three[2].arch = PS_TRAIN_BATCHTOPK;
	three[2].threshold_rate = 0.01;
	three[2].resample_tokens = 480;
}

enum { STEPS = 40 };

static uint64_t least_of(ps_trainer *const *trainer)
{
	uint64_t least = STEPS;

	for (int i = 0; i < 3; i++)
		least = ps_trainer_done(trainer[i]) < least ? ps_trainer_done(trainer[i]) : least;
	return least;
}

/* Takes one step. Only the trainers that are behind may move. */
static void step_together(ps_trainer *const *trainer)
{
	const uint64_t least = least_of(trainer),
		       done[3] = {ps_trainer_done(trainer[0]), ps_trainer_done(trainer[1]),
				  ps_trainer_done(trainer[2])};
	ps_train_step out[3];

	assert_int_equal(ps_trainers_step(trainer, 3, out), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(out[i].step, done[i] == least ? least + 1 : 0);
		assert_int_equal(ps_trainer_done(trainer[i]), done[i] + (done[i] == least));
	}
}

/* Each SAE takes so many steps by itself. Then all go on side by side until their end. */
static void check_side_by_side(const int before[3])
{
	float *rows = make_rows(ROWS, D, 60, 3, 1);
	ps_train_options three[3];
	trainer_run whole[3], many = {0};
	ps_trainer *trainer[3];
	ps_train_step out[3];

	make_three(three);
	workspace_open(&many.w, 2, ps_trainers_bytes(D, three, 3, 2));
	memory_rows_open(&many.rows, rows, ROWS, D);
	assert_int_equal(ps_trainers_create(trainer, three, 3, &many.rows.source, &many.rows.list,
					    &many.w.context, &many.w.arena),
			 0);
	for (int i = 0; i < 3; i++) {
		trainer_run_open(&whole[i], rows, ROWS, D, &three[i], 2);
		for (int s = 0; s < STEPS; s++) {
			if (s == before[i])
				copy_trainer_state(whole[i].trainer, trainer[i]);
			trainer_run_step(&whole[i]);
		}
		if (before[i] == STEPS)
			copy_trainer_state(whole[i].trainer, trainer[i]);
	}
	while (least_of(trainer) < STEPS)
		step_together(trainer);
	assert_int_equal(ps_trainers_step(trainer, 3, out), PS_EFAILED);
	for (int i = 0; i < 3; i++) {
		many.parts = ps_trainer_state(trainer[i], many.part);
		assert_same_state(&whole[i], &many);
		trainer_run_close(&whole[i]);
	}
	trainer_run_close(&many);
	free(rows);
}

static void saes_side_by_side_get_the_bits_that_they_get_alone(void **state)
{
	(void)state;
	check_side_by_side((int[]){0, 0, 0});
}

static void saes_ahead_wait_for_those_behind(void **state)
{
	(void)state;
	check_side_by_side((int[]){3, 0, 17});
	check_side_by_side((int[]){STEPS, STEPS - 1, STEPS});
}

static void saes_of_other_batches_do_not_go_side_by_side(void **state)
{
	ps_train_options a = small, b = small;

	(void)state;
	assert_true(ps_trainers_agree(&a, &b));
	b.init_seed++;
	b.k++;
	assert_true(ps_trainers_agree(&a, &b));
	b.data_seed++;
	assert_false(ps_trainers_agree(&a, &b));
	a.sequential = true;
	assert_false(ps_trainers_agree(&a, &b));
	b.sequential = true;
	assert_true(ps_trainers_agree(&a, &b));
	b.batch++;
	assert_false(ps_trainers_agree(&a, &b));
}

static void a_restarted_run_is_a_new_one(void **state)
{
	float *rows = make_rows(ROWS, D, 60, 3, 1);
	trainer_run fresh, used;

	(void)state;
	trainer_run_open(&fresh, rows, ROWS, D, &small, 2);
	trainer_run_open(&used, rows, ROWS, D, &small, 2);
	for (int i = 0; i < 5; i++)
		trainer_run_step(&used);
	assert_int_equal(ps_trainer_restart(used.trainer), 0);
	assert_same_state(&fresh, &used);
	trainer_run_close(&fresh);
	trainer_run_close(&used);
	free(rows);
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
	float *rows = make_rows(ROWS, D, 60, 3, 2);
	trainer_run one, more;

	(void)state;
	trainer_run_open(&one, rows, ROWS, D, &small, 1);
	for (int i = 0; i < 40; i++)
		trainer_run_step(&one);
	for (int threads = 2; threads <= 3; threads++) {
		trainer_run_open(&more, rows, ROWS, D, &small, threads);
		for (int i = 0; i < 40; i++)
			trainer_run_step(&more);
		assert_same_state(&one, &more);
		trainer_run_close(&more);
	}
	trainer_run_close(&one);
	free(rows);
}

static void seeds_change_what_they_name(void **state)
{
	float *rows = make_rows(ROWS, D, 60, 3, 3);
	ps_train_options options = small;
	trainer_run a, b, c;

	(void)state;
	trainer_run_open(&a, rows, ROWS, D, &options, 1);
	options.data_seed++;
	trainer_run_open(&b, rows, ROWS, D, &options, 1);
	options = small;
	options.init_seed++;
	trainer_run_open(&c, rows, ROWS, D, &options, 1);
	assert_memory_equal(trainer_run_floats(&a, "dec"), trainer_run_floats(&b, "dec"),
			    150 * D * sizeof(float));
	assert_memory_not_equal(trainer_run_floats(&a, "dec"), trainer_run_floats(&c, "dec"),
				150 * D * sizeof(float));
	assert_memory_equal(trainer_run_floats(&a, "b_dec"), trainer_run_floats(&c, "b_dec"),
			    D * sizeof(float));
	assert_true(trainer_run_step(&a).loss != trainer_run_step(&b).loss);
	trainer_run_close(&a);
	trainer_run_close(&b);
	trainer_run_close(&c);
	free(rows);
}

/* --- what comes out --- */

/* Every decoder row has norm 1. */
static void check_norms(const ps_sae *sae)
{
	closeness c = {0};

	for (size_t j = 0; j < sae->d_sae; j++) {
		double sum = 0;

		for (size_t d = 0; d < sae->d_in; d++)
			sum += (double)sae->dec[j * sae->d_in + d] * sae->dec[j * sae->d_in + d];
		closeness_add(&c, sqrt(sum), 1, 1);
	}
	assert_closeness(&c, "decoder norms", 2.5e-7);
}

/* The exported SAE reconstructs the raw rows of the last batch as the trainer reported for that
 * batch. The last step changes the SAE only little. */
static void check_last_batch(trainer_run *run, const ps_sae *sae, double fvu)
{
	const size_t batch = run->options.batch, width = run->rows.width;
	uint64_t *ids = malloc(batch * sizeof *ids);
	float *data = malloc(batch * width * sizeof *data);
	ps_evaluation evaluation;
	closeness c = {0};
	memory_rows rows;
	workspace w;

	ps_batch_choose(&run->options, &run->rows.list, ps_trainer_steps(&run->options) - 1, ids);
	for (size_t i = 0; i < batch; i++)
		memcpy(data + i * width, run->rows.data + ids[i] * width, width * sizeof *data);
	memory_rows_open(&rows, data, batch, width);
	workspace_open(&w, 2, 64 << 20);
	assert_int_equal(ps_evaluate_rows(sae, &rows.source, &rows.list, &w.context, &w.arena,
					  &evaluation, NULL),
			 0);
	closeness_add(&c, evaluation.fvu, fvu, fvu);
	assert_closeness(&c, "fvu of the last batch, relatively", 3e-4);
	workspace_close(&w);
	free(data);
	free(ids);
}

static void sparse_data_is_learnt_and_the_exported_sae_takes_raw_rows(void **state)
{
	enum { N = 6000, WIDTH = 32, LATENTS = 128 };
	ps_train_options options = topk_options(LATENTS, 4, 128, 128 * 1500, 3e-3);
	float *rows = make_rows(N, WIDTH, 40, 3, 4);
	ps_train_step last = {0};
	ps_evaluation evaluation;
	trainer_run run;
	workspace w;
	ps_sae sae;

	(void)state;
	options.warmup_fraction = 0.05;
	options.decay_fraction = 0.2;
	options.auxk_coefficient = 0.03;
	options.dead_after_tokens = 2000;
	options.init_seed = 1;
	options.data_seed = 2;
	trainer_run_open(&run, rows, N, WIDTH, &options, 2);
	for (uint64_t i = 0; i < ps_trainer_steps(&options); i++)
		last = trainer_run_step(&run);
	workspace_open(&w, 2, 64 << 20);
	assert_int_equal(ps_sae_create(&sae, PS_SAE_TOPK, WIDTH, LATENTS, 4, &w.arena, &w.diag), 0);
	ps_trainer_export(run.trainer, &sae);
	assert_int_equal(ps_evaluate_rows(&sae, &run.rows.source, &run.rows.list, &w.context,
					  &w.arena, &evaluation, NULL),
			 0);
	print_message("scale %.3f, fvu of the last batch %.4f, of all rows %.4f (threshold 0.08), "
		      "l0 %.2f, dead %.3f\n",
		      *trainer_run_floats(&run, "scale"), last.fvu, evaluation.fvu, evaluation.l0,
		      evaluation.dead_fraction);
	assert_true(evaluation.fvu < 0.08);
	check_last_batch(&run, &sae, last.fvu);
	check_norms(&sae);
	workspace_close(&w);
	trainer_run_close(&run);
	free(rows);
}

static void every_epoch_visits_every_row_once_in_its_own_order(void **state)
{
	enum { N = 10, WIDTH = 1 };
	ps_train_options options = topk_options(1, 1, 5, 20, 1e-9);
	float rows[N];
	double first = 0, second = 0;
	ps_train_step steps[4];
	trainer_run run;

	(void)state;
	options.data_seed = 2;
	for (size_t i = 0; i < N; i++)
		rows[i] = (float)(1 << i);
	trainer_run_open(&run, rows, N, WIDTH, &options, 1);
	/* The only latent stays silent. So the losses of an epoch's batches add up to the same sum
	 * in every epoch, that of all rows. */
	trainer_run_floats(&run, "enc")[0] = 0;
	for (int i = 0; i < 4; i++)
		steps[i] = trainer_run_step(&run);
	first = steps[0].loss + steps[1].loss;
	second = steps[2].loss + steps[3].loss;
	assert_near(second, first, 1e-6 * first);
	assert_true(fabs(steps[0].loss - steps[2].loss) > 1e-2 * first &&
		    fabs(steps[0].loss - steps[3].loss) > 1e-2 * first);
	assert_int_equal(steps[3].tokens, 20);
	trainer_run_close(&run);
}

static void rows_that_stay_together_are_permuted_as_one(void **state)
{
	enum { TOGETHER = 3, RUNS = 200, BATCH = 30 };
	const ps_train_options options = {.batch = BATCH, .data_seed = 3},
			       of_runs = {.batch = BATCH / TOGETHER, .data_seed = 3};
	const ps_row_list list = {.count = RUNS * TOGETHER, .together = TOGETHER},
			  runs = {.count = RUNS};
	uint64_t ids[BATCH], run_ids[BATCH / TOGETHER];

	(void)state;
	for (uint64_t step = 0; step < 50; step++) {
		ps_batch_choose(&options, &list, step, ids);
		ps_batch_choose(&of_runs, &runs, step, run_ids);
		for (size_t i = 0; i < BATCH; i++)
			assert_int_equal(ids[i], run_ids[i / TOGETHER] * TOGETHER + i % TOGETHER);
	}
}

static void sequential_batches_take_the_rows_as_they_stand(void **state)
{
	ps_train_options options = {.batch = 4, .sequential = true, .data_seed = 3};
	const uint64_t kept[] = {1, 2, 3, 5, 8, 13};
	uint64_t ids[4], words[PS_ROW_BLOCK / 64 + 1] = {0};
	ps_row_list list;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		words[0] |= (uint64_t)1 << kept[i];
	assert_int_equal(ps_row_list_words(14), sizeof words / sizeof *words);
	list = ps_row_list_make(words, 14);
	assert_int_equal(list.count, 6);
	for (uint64_t step = 0; step < 9; step++) {
		ps_batch_choose(&options, &list, step, ids);
		for (uint64_t i = 0; i < 4; i++)
			assert_int_equal(ids[i], kept[(step * 4 + i) % 6]);
	}
}

/* --- refusals --- */

static int create_with(const ps_train_options *options, const float *data, size_t count,
		       ps_diag *diag)
{
	ps_trainer *trainer;
	memory_rows rows;
	workspace w;
	int code;

	workspace_open(&w, 1, 8 << 20);
	memory_rows_open(&rows, data, count, D);
	code = ps_trainers_create(&trainer, options, 1, &rows.source, &rows.list, &w.context,
				  &w.arena);
	*diag = w.diag;
	workspace_close(&w);
	return code;
}

static void impossible_options_and_rows_are_refused(void **state)
{
	float *rows = make_rows(ROWS, D, 60, 3, 5);
	ps_train_options o;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(create_with(&small, rows, ROWS, &diag), 0);
	o = small, o.k = 151;
	assert_int_equal(create_with(&o, rows, ROWS, &diag), PS_EUSAGE);
	o = small, o.batch = 0;
	assert_int_equal(create_with(&o, rows, ROWS, &diag), PS_EUSAGE);
	o = small, o.lr = NAN;
	assert_int_equal(create_with(&o, rows, ROWS, &diag), PS_EUSAGE);
	o = small, o.decay_fraction = 1.5;
	assert_int_equal(create_with(&o, rows, ROWS, &diag), PS_EUSAGE);
	o = small, o.d_sae = (size_t)1 << 40;
	assert_int_equal(create_with(&o, rows, ROWS, &diag), PS_EBUDGET);
	assert_int_equal(create_with(&small, rows, 0, &diag), PS_EINPUT);
	rows[3 * D + 4] = INFINITY;
	assert_int_equal(create_with(&small, rows, ROWS, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "not finite"));
	free(rows);
}

static void spoilt_saved_states_are_refused(void **state)
{
	float *rows = make_rows(ROWS, D, 60, 3, 6);
	trainer_run run;

	(void)state;
	trainer_run_open(&run, rows, ROWS, D, &small, 1);
	*(uint64_t *)trainer_run_part(&run, "step") = 41;
	assert_int_equal(ps_trainer_resume(run.trainer), PS_EINPUT);
	*(uint64_t *)trainer_run_part(&run, "step") = 40;
	assert_int_equal(ps_trainer_resume(run.trainer), 0);
	*trainer_run_floats(&run, "scale") = 0;
	assert_int_equal(ps_trainer_resume(run.trainer), PS_EINPUT);
	*trainer_run_floats(&run, "scale") = 1;
	*(double *)trainer_run_part(&run, "threshold_mean") = INFINITY;
	assert_int_equal(ps_trainer_resume(run.trainer), PS_EINPUT);
	*(double *)trainer_run_part(&run, "threshold_mean") = 0;
	assert_int_equal(ps_trainer_resume(run.trainer), 0);
	trainer_run_floats(&run, "dec_v")[3] = NAN;
	assert_int_equal(ps_trainer_resume(run.trainer), PS_EINPUT);
	trainer_run_close(&run);
	free(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_agree_with_torch),
		cmocka_unit_test(steps_with_auxk_agree_with_torch),
		cmocka_unit_test(gradients_agree_with_finite_differences),
		cmocka_unit_test(a_resumed_run_ends_with_the_same_bits),
		cmocka_unit_test(saes_side_by_side_get_the_bits_that_they_get_alone),
		cmocka_unit_test(saes_ahead_wait_for_those_behind),
		cmocka_unit_test(saes_of_other_batches_do_not_go_side_by_side),
		cmocka_unit_test(a_restarted_run_is_a_new_one),
		cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
		cmocka_unit_test(seeds_change_what_they_name),
		cmocka_unit_test(sparse_data_is_learnt_and_the_exported_sae_takes_raw_rows),
		cmocka_unit_test(every_epoch_visits_every_row_once_in_its_own_order),
		cmocka_unit_test(rows_that_stay_together_are_permuted_as_one),
		cmocka_unit_test(sequential_batches_take_the_rows_as_they_stand),
		cmocka_unit_test(impossible_options_and_rows_are_refused),
		cmocka_unit_test(spoilt_saved_states_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
