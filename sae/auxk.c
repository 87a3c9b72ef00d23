#include "sae/auxk.h"

#include <string.h>

#include "core/checked.h"
#include "sae/room.h"

struct ps_auxk {
	const ps_sae *sae;
	ps_sae dead;          /* the dead latents' encoder rows, gathered; d_sae and k change from step to step */
	size_t k_aux;
	uint32_t *latent;     /* (F): of the full SAE, per dead latent */
	ps_encoder *encoder;
	ps_branch branch;
};

static size_t aux_active(const ps_sae *sae)
{
	return ps_min_size(ps_max_size(sae->d_in / 2, 1), sae->d_sae);
}

/* The largest shape that the dead latents can take. */
static ps_sae largest_shape(const ps_sae *sae)
{
	return (ps_sae){.arch = PS_SAE_TOPK, .d_in = sae->d_in, .d_sae = sae->d_sae, .k = aux_active(sae)};
}

size_t ps_auxk_bytes(const ps_sae *sae, int threads, size_t rows)
{
	const ps_sae shape = largest_shape(sae);
	ps_plan plan = {0};

	ps_plan_add(&plan, "auxiliary loss", sizeof(ps_auxk));
	ps_plan_add(&plan, "dead latents", sae->d_sae * sizeof(uint32_t));
	ps_plan_add(&plan, "dead encoder rows", sae->d_sae * sae->d_in * sizeof(float));
	ps_plan_add(&plan, "dead encoder biases", sae->d_sae * sizeof(float));
	ps_plan_add(&plan, "encoder", ps_encoder_bytes(&shape, threads, rows));
	ps_plan_add(&plan, "branch", ps_branch_bytes(&shape, rows));
	return plan.total_bytes;
}

int ps_auxk_create(ps_auxk **out, const ps_sae *sae, size_t rows, const ps_context *context, ps_arena *arena)
{
	const int threads = ps_pool_threads(context->pool);
	ps_auxk *auxk;
	int code = ps_room_check(arena, ps_auxk_bytes(sae, threads, rows), "the auxiliary loss", context->diag);

	if (code < 0)
		return code;
	auxk = ps_arena_take(arena, sizeof *auxk);
	*auxk = (ps_auxk){.sae = sae, .dead = largest_shape(sae), .k_aux = aux_active(sae)};
	auxk->latent = ps_arena_take(arena, sae->d_sae * sizeof(uint32_t));
	auxk->dead.enc = ps_arena_take(arena, sae->d_sae * sae->d_in * sizeof(float));
	auxk->dead.b_enc = ps_arena_take(arena, sae->d_sae * sizeof(float));
	code = ps_encoder_create(&auxk->encoder, &auxk->dead, context, rows, arena);
	if (code < 0)
		return code;
	*out = auxk;
	return ps_branch_create(&auxk->branch, &auxk->dead, rows, context, arena);
}

static void gather_dead(ps_auxk *auxk, const uint64_t *since_fired, uint64_t dead_after)
{
	const ps_sae *sae = auxk->sae;
	size_t count = 0;

	for (size_t j = 0; j < sae->d_sae; j++) {
		if (since_fired[j] < dead_after)
			continue;
		memcpy(auxk->dead.enc + count * sae->d_in, sae->enc + j * sae->d_in, sae->d_in * sizeof(float));
		auxk->dead.b_enc[count] = sae->b_enc[j];
		auxk->latent[count++] = (uint32_t)j;
	}
	auxk->dead.d_sae = count;
	auxk->dead.k = ps_min_size(auxk->k_aux, count);
}

const ps_branch *ps_auxk_backward(ps_auxk *auxk, const uint64_t *since_fired, uint64_t dead_after, const float *x,
				  const float *error, size_t rows, float scale)
{
	ps_codes *codes = &auxk->branch.codes;

	gather_dead(auxk, since_fired, dead_after);
	if (!auxk->dead.d_sae)
		return NULL;
	ps_encoder_run(auxk->encoder, x, rows, codes);
	for (size_t i = 0; i < codes->start[rows]; i++)
		codes->index[i] = auxk->latent[codes->index[i]];
	ps_branch_backward(&auxk->branch, auxk->sae->dec, auxk->sae->d_in, error, 1, scale);
	return &auxk->branch;
}
