/* test/support/support_trainer.h: what the tests of training share: a trainer over rows in memory,
 * and the options of a tiny SAE. What fails ends the test. */
#ifndef PS_TEST_SUPPORT_SUPPORT_TRAINER_H
#define PS_TEST_SUPPORT_SUPPORT_TRAINER_H

#include "sae/train.h"
#include "sae/trainers.h"
#include "test/support/support_sae.h"

/* A trainer with all that it stands on. */
typedef struct trainer_run {
	workspace w;
	memory_rows rows;
	ps_train_options options;
	ps_trainer *trainer;
	ps_state_part part[PS_STATE_PARTS_MAX]; /* of the trainer's state */
	size_t parts;
} trainer_run;

/* Makes a trainer over data (count, width), which is borrowed. The trainer points into run, which
 * must stay where it is. */
void trainer_run_open(trainer_run *run, const float *data, size_t count, size_t width,
		      const ps_train_options *options, int threads);
/* Frees all of it. */
void trainer_run_close(trainer_run *run);
/* The part of the state that has this name, valid until trainer_run_close. It must be there. */
const ps_state_part *trainer_run_find(const trainer_run *run, const char *name);
/* Its numbers. */
float *trainer_run_floats(const trainer_run *run, const char *name);
/* The data of a part that need not be there: NULL then. */
void *trainer_run_part(const trainer_run *run, const char *name);
/* One step. */
ps_train_step trainer_run_step(trainer_run *run);
/* Copies all parts of a state. ps_trainer_resume takes them over. */
void copy_trainer_state(ps_trainer *from, ps_trainer *to);
/* Both trainers must have the same state, bit for bit. */
void assert_same_state(const trainer_run *a, const trainer_run *b);

/* Small enough that a reference takes no time. */
enum { TINY_WIDTH = 5, TINY_LATENTS = 9, TINY_BATCH = 7, TINY_K = 2 };
/* Options of an SAE of that size, with one batch to train on. */
ps_train_options tiny_options(ps_train_arch arch);

#endif
