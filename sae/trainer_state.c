#include "sae/trainer_state.h"

#include <math.h>
#include <string.h>

#include "core/base/finite.h"
#include "sae/arch.h"
#include "sae/trainer.h"

size_t ps_trainer_state(ps_trainer *t, ps_state_part parts[PS_STATE_PARTS_MAX])
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in;
	const size_t matrix = f * d * sizeof(float), latents = f * sizeof(float),
		     columns = d * sizeof(float);
	const ps_state_part shared[PS_STATE_SHARED_PARTS] = {
		[PS_STATE_ENC] = {"enc", t->sae.enc, matrix, PS_F32},
		[PS_STATE_DEC] = {"dec", t->sae.dec, matrix, PS_F32},
		[PS_STATE_B_ENC] = {"b_enc", t->sae.b_enc, latents, PS_F32},
		[PS_STATE_B_DEC] = {"b_dec", t->sae.b_dec, columns, PS_F32},
		[PS_STATE_ENC_M] = {"enc_m", t->enc.m, matrix, PS_F32},
		[PS_STATE_ENC_V] = {"enc_v", t->enc.v, matrix, PS_F32},
		[PS_STATE_DEC_M] = {"dec_m", t->dec.m, matrix, PS_F32},
		[PS_STATE_DEC_V] = {"dec_v", t->dec.v, matrix, PS_F32},
		[PS_STATE_B_ENC_M] = {"b_enc_m", t->b_enc.m, latents, PS_F32},
		[PS_STATE_B_ENC_V] = {"b_enc_v", t->b_enc.v, latents, PS_F32},
		[PS_STATE_B_DEC_M] = {"b_dec_m", t->b_dec.m, columns, PS_F32},
		[PS_STATE_B_DEC_V] = {"b_dec_v", t->b_dec.v, columns, PS_F32},
		[PS_STATE_SCALE] = {"scale", t->scale, sizeof *t->scale, PS_F32},
		[PS_STATE_THRESHOLD_MEAN] = {"threshold_mean", t->threshold, sizeof *t->threshold,
					     PS_F64},
		[PS_STATE_SINCE_FIRED] = {"since_fired", t->since_fired, f * sizeof *t->since_fired,
					  PS_I64},
		[PS_STATE_STEP] = {"step", t->step, sizeof *t->step, PS_I64},
	};
	size_t count = PS_STATE_SHARED_PARTS;

	memcpy(parts, shared, sizeof shared);
	for (int i = 0; i < t->arch->extras; i++) {
		const ps_extra_names *name = &t->arch->extra_names[i];

		parts[count++] = (ps_state_part){name->value, t->extra[i], latents, PS_F32};
		parts[count++] = (ps_state_part){name->m, t->extra_moments[i].m, latents, PS_F32};
		parts[count++] = (ps_state_part){name->v, t->extra_moments[i].v, latents, PS_F32};
	}
	return count;
}

int ps_trainer_resume(ps_trainer *t)
{
	ps_state_part parts[PS_STATE_PARTS_MAX];
	const size_t count = ps_trainer_state(t, parts);

	for (size_t i = 0; i < count; i++)
		if (parts[i].dtype == PS_F32 &&
		    !ps_all_finite(parts[i].data, parts[i].bytes / sizeof(float)))
			return ps_fail(
				t->context->diag, PS_EINPUT,
				"the saved training state's '%s' holds values that are not finite",
				parts[i].name);
	if (*t->step > t->steps)
		return ps_fail(t->context->diag, PS_EINPUT,
			       "the saved training state is at step %llu of %llu",
			       (unsigned long long)*t->step, (unsigned long long)t->steps);
	if (!(*t->scale > 0))
		return ps_fail(t->context->diag, PS_EINPUT,
			       "the saved training state's input scale is not positive");
	if (!isfinite(*t->threshold))
		return ps_fail(t->context->diag, PS_EINPUT,
			       "the saved training state's threshold is not finite");
	return 0;
}
