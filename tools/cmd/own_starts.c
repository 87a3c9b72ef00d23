#include "tools/cmd/own_starts.h"

#include "tools/run/json.h"

int ps_own_starts_add(ps_own_starts *s, const ps_sae_folder *folder, const ps_context *context,
		      ps_arena *arena)
{
	ps_own_start own;
	int rc;

	if (!folder->start_known)
		return 0;
	rc = ps_own_start_measure(&folder->sae, folder->init_seed, context, arena, &own);
	if (rc)
		return rc;
	for (int t = 0; t < PS_TAUS; t++)
		s->sum.survival[t] += own.survival[t];
	for (int i = 0; i < PS_DECILES; i++)
		s->sum.decile[i] += own.decile[i];
	s->saes++;
	return 0;
}

json_t *ps_own_starts_json(const ps_own_starts *s)
{
	ps_own_start mean = s->sum;

	if (!s->saes)
		return json_null();
	for (int t = 0; t < PS_TAUS; t++)
		mean.survival[t] /= (double)s->saes;
	for (int i = 0; i < PS_DECILES; i++)
		mean.decile[i] /= (double)s->saes;
	return json_pack("{s:I, s:o, s:o}", "saes", (json_int_t)s->saes, "survival",
			 ps_numbers_json(mean.survival, PS_TAUS), "cosine_deciles",
			 ps_numbers_json(mean.decile, PS_DECILES));
}
