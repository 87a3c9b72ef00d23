/* sae/trainer_state.h: the arrays that a resumed run needs.
 *
 * They are named and have a fixed order. tools/ writes them as tensors and reads them back; a run
 * that resumes from them ends with the bits of one that was never interrupted. */
#ifndef PS_SAE_TRAINER_STATE_H
#define PS_SAE_TRAINER_STATE_H

#include "core/base/dtype.h"
#include "sae/trainers.h"

/* The arrays that every architecture has, in the order of the file. */
typedef enum ps_state_id {
	PS_STATE_ENC,
	PS_STATE_DEC,
	PS_STATE_B_ENC,
	PS_STATE_B_DEC,
	PS_STATE_ENC_M, /* Adam's moments: m of the gradient, v of its square */
	PS_STATE_ENC_V,
	PS_STATE_DEC_M,
	PS_STATE_DEC_V,
	PS_STATE_B_ENC_M,
	PS_STATE_B_ENC_V,
	PS_STATE_B_DEC_M,
	PS_STATE_B_DEC_V,
	PS_STATE_SCALE,
	PS_STATE_THRESHOLD_MEAN,
	PS_STATE_SINCE_FIRED,
	PS_STATE_STEP,
	PS_STATE_SHARED_PARTS
} ps_state_id;

enum {
	/* The most parameters that a latent has besides its bias. Each adds three arrays to the
	 * end: the parameter and its two moments. */
	PS_EXTRAS_MAX = 2,
	PS_STATE_PARTS_MAX = PS_STATE_SHARED_PARTS + 3 * PS_EXTRAS_MAX
};

typedef struct ps_state_part {
	const char *name; /* static text */
	void *data;       /* the trainer's own */
	size_t bytes;
	ps_dtype dtype; /* PS_F32, PS_F64 or PS_I64 */
} ps_state_part;

/* Lists the trainer's arrays in parts; returns their number. */
size_t ps_trainer_state(ps_trainer *trainer, ps_state_part parts[PS_STATE_PARTS_MAX]);

/* Checks arrays that were overwritten by saved ones; the trainer goes on from there. PS_EINPUT when
 * they cannot be a state of this run. */
int ps_trainer_resume(ps_trainer *trainer) PS_MUST_USE;

#endif
