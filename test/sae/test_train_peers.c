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

/* Trains from the start, rows and order that SAELens, sparsify and dictionary_learning had. The
 * goldens in test/fixtures/training hold what became of them. */

enum { D = 16, F = 48, K = 5, BATCH = 32, STEPS = 200, ROWS = 1024, WINDOW = 6 };

#define GRADIENT_THRESHOLD 6e-6
#define LOSS_THRESHOLD 1.5e-6

static const char *const shared[] = {"enc", "dec", "b_enc", "b_dec"};

static ps_train_options library_options(ps_train_arch arch)
{
	return (ps_train_options){
		.arch = arch,
		.d_sae = F,
		.k = K,
		.batch = BATCH,
		.tokens = BATCH * STEPS,
		.lr = 3e-3,
		.adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
		.unit = PS_LOSS_PER_ROW,
		.decoder_norm = 1,
		.encoder_scale = 1,
	};
}

static ps_train_options saelens_options(ps_train_arch arch)
{
	ps_train_options o = library_options(arch);

	o.clip = 1;
	o.rescale = arch == PS_TRAIN_TOPK || arch == PS_TRAIN_BATCHTOPK;
	o.auxk_coefficient = o.rescale ? 1 : 0;
	o.auxk_form = PS_AUXK_SAELENS;
	o.dead_after_tokens = (WINDOW + 1) * BATCH;
	o.threshold_rate = 0.01;
	o.threshold_from_zero = true;
	o.bandwidth = 0.3;
	o.target_l0 = K;
	o.tanh_scale = 4;
	return o;
}

struct peer {
	trainer_run run;
	golden rows;
};

static size_t floats_in(const ps_state_part *part)
{
	return part->bytes / sizeof(float);
}

/* Opens a trainer at the golden's start; its next batches are the golden's rows. extras: the names
 * of the latents' further scalars; NULL at the end. */
static void peer_open(struct peer *peer, const ps_train_options *asked, golden *g,
		      const char *const *extras, int threads)
{
	ps_train_options sequential = *asked;
	trainer_run *run = &peer->run;
	const float *since, *data;
	uint64_t *fired;

	sequential.sequential = true;
	peer->rows = golden_open("test/fixtures/training/rows.golden");
	data = golden_next(&peer->rows, "rows", ROWS * D);
	trainer_run_open(run, data, ROWS, D, &sequential, threads);
	for (int i = 0; i < 4; i++)
		memcpy(trainer_run_find(run, shared[i])->data,
		       golden_next(g, shared[i], floats_in(trainer_run_find(run, shared[i]))),
		       trainer_run_find(run, shared[i])->bytes);
	for (; *extras; extras++)
		memcpy(trainer_run_find(run, *extras)->data, golden_next(g, *extras, F),
		       F * sizeof(float));
	since = golden_next(g, "since", F);
	fired = trainer_run_find(run, "since_fired")->data;
	for (size_t j = 0; j < F; j++)
		fired[j] = (uint64_t)since[j];
	*(float *)trainer_run_find(run, "scale")->data = 1;
	assert_int_equal(ps_trainer_resume(run->trainer), 0);
}

static void peer_close(struct peer *peer)
{
	trainer_run_close(&peer->run);
	golden_close(&peer->rows);
}

/* Compares a gradient of the first step. Adam's first moment is then a tenth of the gradient. */
static void check_gradient(const trainer_run *run, golden *g, const char *name)
{
	char moment[32], record[32];
	const ps_state_part *part;
	const float *expected;
	closeness c = {0};

	snprintf(moment, sizeof moment, "%s_m", name);
	snprintf(record, sizeof record, "grad_%s", name);
	part = trainer_run_find(run, moment);
	expected = golden_next(g, record, floats_in(part));
	for (size_t i = 0; i < floats_in(part); i++)
		closeness_add(&c, ((float *)part->data)[i] / 0.1, expected[i], 1);
	assert_closeness_share(&c, record, GRADIENT_THRESHOLD);
}

static void check_against(const char *path, const ps_train_options *options,
			  const char *const *extras)
{
	golden g = golden_open(path);
	double loss[STEPS];
	const float *expected;
	closeness c = {0};
	struct peer peer;

	print_message("%s:\n", path);
	peer_open(&peer, options, &g, extras, 2);
	loss[0] = trainer_run_step(&peer.run).loss;
	for (int i = 0; i < 4; i++)
		check_gradient(&peer.run, &g, shared[i]);
	for (const char *const *extra = extras; *extra; extra++)
		check_gradient(&peer.run, &g, *extra);
	for (int i = 1; i < STEPS; i++)
		loss[i] = trainer_run_step(&peer.run).loss;
	expected = golden_next(&g, "losses", STEPS);
	for (int i = 0; i < STEPS; i++)
		closeness_add(&c, loss[i], expected[i], expected[i]);
	assert_closeness(&c, "losses, relatively", LOSS_THRESHOLD);
	peer_close(&peer);
	golden_close(&g);
}

static const char *const none[] = {NULL}, *const threshold[] = {"threshold", NULL},
			 *const magnitudes[] = {"r_mag", "b_mag", NULL};

static void topk_trains_as_in_saelens(void **state)
{
	const ps_train_options o = saelens_options(PS_TRAIN_TOPK);

	(void)state;
	check_against("test/fixtures/training/saelens_topk.golden", &o, none);
}

/* Checks the learned threshold too. */
static void batchtopk_trains_as_in_saelens(void **state)
{
	const ps_train_options o = saelens_options(PS_TRAIN_BATCHTOPK);
	golden g = golden_open("test/fixtures/training/saelens_batchtopk.golden");
	double learned, expected;
	struct peer peer;

	(void)state;
	check_against("test/fixtures/training/saelens_batchtopk.golden", &o, none);
	peer_open(&peer, &o, &g, none, 1);
	for (int i = 0; i < STEPS; i++)
		trainer_run_step(&peer.run);
	for (int i = 0; i < 4; i++) {
		char record[32];

		snprintf(record, sizeof record, "grad_%s", shared[i]);
		golden_next(&g, record, floats_in(trainer_run_find(&peer.run, shared[i])));
	}
	golden_next(&g, "losses", STEPS);
	for (int i = 0; i < 4; i++) {
		char record[32];

		snprintf(record, sizeof record, "end_%s", shared[i]);
		golden_next(&g, record, floats_in(trainer_run_find(&peer.run, shared[i])));
	}
	expected = *golden_next(&g, "topk_threshold", 1);
	learned = *(double *)trainer_run_find(&peer.run, "threshold_mean")->data;
	print_message("threshold %.6f, SAELens' %.6f\n", learned, expected);
	assert_near(learned, expected, 1e-7 * expected);
	peer_close(&peer);
	golden_close(&g);
}

static void nested_batchtopk_trains_as_in_saelens(void **state)
{
	ps_train_options o = saelens_options(PS_TRAIN_BATCHTOPK);

	(void)state;
	o.matryoshka_levels = 2;
	o.matryoshka_width[0] = 8;
	o.matryoshka_width[1] = 20;
	check_against("test/fixtures/training/saelens_nested.golden", &o, none);
}

static void jumprelu_with_a_step_penalty_trains_as_in_saelens(void **state)
{
	ps_train_options o = saelens_options(PS_TRAIN_JUMPRELU);

	(void)state;
	o.l0_penalty = PS_L0_STEP;
	o.sparsity = 0.05;
	o.sparsity_warmup = 0.25;
	check_against("test/fixtures/training/saelens_step.golden", &o, threshold);
}

static void jumprelu_with_a_tanh_penalty_trains_as_in_saelens(void **state)
{
	ps_train_options o = saelens_options(PS_TRAIN_JUMPRELU);

	(void)state;
	o.l0_penalty = PS_L0_TANH;
	o.sparsity = 0.1;
	o.ste_to_input = true;
	check_against("test/fixtures/training/saelens_tanh.golden", &o, threshold);
}

static void jumprelu_with_a_target_trains_as_in_saelens(void **state)
{
	ps_train_options o = saelens_options(PS_TRAIN_JUMPRELU);

	(void)state;
	o.l0_penalty = PS_L0_TARGET;
	o.sparsity = 0.1;
	check_against("test/fixtures/training/saelens_target.golden", &o, threshold);
	o.ste_to_input = true;
	check_against("test/fixtures/training/saelens_target_in.golden", &o, threshold);
}

static void relu_trains_as_in_saelens(void **state)
{
	ps_train_options o = saelens_options(PS_TRAIN_RELU);

	(void)state;
	o.sparsity = 0.2;
	o.sparsity_warmup = 0.25;
	check_against("test/fixtures/training/saelens_relu.golden", &o, none);
}

static void gated_trains_as_in_saelens(void **state)
{
	ps_train_options o = saelens_options(PS_TRAIN_GATED);

	(void)state;
	o.sparsity = 0.2;
	check_against("test/fixtures/training/saelens_gated.golden", &o, magnitudes);
}

static void topk_trains_as_in_sparsify(void **state)
{
	ps_train_options o = library_options(PS_TRAIN_TOPK);

	(void)state;
	o.unit = PS_LOSS_OF_VARIANCE;
	o.unit_decoder = true;
	check_against("test/fixtures/training/sparsify_topk.golden", &o, none);
}

static void topk_trains_as_in_dictionary_learning(void **state)
{
	ps_train_options o = library_options(PS_TRAIN_TOPK);

	(void)state;
	o.unit_decoder = true;
	o.clip = 1;
	o.auxk_coefficient = 1.0 / 32;
	o.auxk_form = PS_AUXK_DICTIONARY;
	o.dead_after_tokens = WINDOW * BATCH;
	check_against("test/fixtures/training/dictionary_topk.golden", &o, none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topk_trains_as_in_saelens),
		cmocka_unit_test(batchtopk_trains_as_in_saelens),
		cmocka_unit_test(nested_batchtopk_trains_as_in_saelens),
		cmocka_unit_test(jumprelu_with_a_step_penalty_trains_as_in_saelens),
		cmocka_unit_test(jumprelu_with_a_tanh_penalty_trains_as_in_saelens),
		cmocka_unit_test(jumprelu_with_a_target_trains_as_in_saelens),
		cmocka_unit_test(relu_trains_as_in_saelens),
		cmocka_unit_test(gated_trains_as_in_saelens),
		cmocka_unit_test(topk_trains_as_in_sparsify),
		cmocka_unit_test(topk_trains_as_in_dictionary_learning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
