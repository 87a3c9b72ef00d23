#include "test/support/support_trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void trainer_run_open(trainer_run *run, const float *data, size_t count, size_t width,
		      const ps_train_options *options, int threads)
{
	*run = (trainer_run){.options = *options};
	workspace_open(&run->w, threads, ps_trainers_bytes(width, options, 1, threads));
	memory_rows_open(&run->rows, data, count, width);
	assert_int_equal(ps_trainers_create(&run->trainer, options, 1, &run->rows.source,
					    &run->rows.list, &run->w.context, &run->w.arena),
			 0);
	run->parts = ps_trainer_state(run->trainer, run->part);
}

void trainer_run_close(trainer_run *run)
{
	workspace_close(&run->w);
}

static const ps_state_part *find(const trainer_run *run, const char *name)
{
	for (size_t i = 0; i < run->parts; i++)
		if (!strcmp(run->part[i].name, name))
			return &run->part[i];
	return NULL;
}

const ps_state_part *trainer_run_find(const trainer_run *run, const char *name)
{
	const ps_state_part *part = find(run, name);

	if (!part)
		fail_msg("no part of the state is named %s", name);
	return part;
}

float *trainer_run_floats(const trainer_run *run, const char *name)
{
	return trainer_run_find(run, name)->data;
}

void *trainer_run_part(const trainer_run *run, const char *name)
{
	const ps_state_part *part = find(run, name);

	return part ? part->data : NULL;
}

ps_train_step trainer_run_step(trainer_run *run)
{
	ps_train_step out;

	assert_int_equal(ps_trainers_step(&run->trainer, 1, &out), 0);
	return out;
}

void copy_trainer_state(ps_trainer *from, ps_trainer *to)
{
	ps_state_part saved[PS_STATE_PARTS_MAX], fresh[PS_STATE_PARTS_MAX];
	const size_t count = ps_trainer_state(from, saved);

	assert_int_equal(ps_trainer_state(to, fresh), count);
	for (size_t i = 0; i < count; i++)
		memcpy(fresh[i].data, saved[i].data, saved[i].bytes);
}

void assert_same_state(const trainer_run *a, const trainer_run *b)
{
	assert_int_equal(a->parts, b->parts);
	for (size_t i = 0; i < a->parts; i++) {
		assert_int_equal(a->part[i].bytes, b->part[i].bytes);
		assert_memory_equal(a->part[i].data, b->part[i].data, a->part[i].bytes);
	}
}

ps_train_options tiny_options(ps_train_arch arch)
{
	return (ps_train_options){
		.arch = arch,
		.d_sae = TINY_LATENTS,
		.k = TINY_K,
		.batch = TINY_BATCH,
		.tokens = TINY_BATCH,
		.lr = 1e-3,
		.adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
		.unit = PS_LOSS_PER_ELEMENT,
		.decoder_norm = 1,
		.encoder_scale = 1,
		.sparsity = 0.3,
		.l0_penalty = PS_L0_STEP,
		.tanh_scale = 2,
		.bandwidth = 0.2,
		.target_l0 = TINY_K,
		.threshold_rate = 0.01,
	};
}
