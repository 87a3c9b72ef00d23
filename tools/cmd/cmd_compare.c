/* compare: survival of A's features in B. */
#include "analysis/compare.h"
#include "tools/cmd/commands.h"
#include "tools/train/sae_folder.h"

int ps_run_compare(ps_session *s, const ps_compare_args *args, json_t **result)
{
	ps_sae_folder a = {0}, b = {0};
	ps_arena arena = {0};
	ps_plan plan = {.limit_bytes = s->memory_bytes};
	ps_comparison c;
	size_t bytes;
	int rc;

	if (!(args->tau > -1 && args->tau <= 1))
		return ps_fail(&s->diag, PS_EUSAGE, "--tau %g: must be above -1 and at most 1",
			       args->tau);
	rc = ps_sae_folder_load(&a, args->a, &s->diag);
	if (!rc)
		rc = ps_sae_folder_load(&b, args->b, &s->diag);
	if (!rc && a.sae.d_in != b.sae.d_in)
		rc = ps_fail(&s->diag, PS_EINPUT,
			     "%s takes rows of width %zu, %s of %zu: they are not comparable",
			     args->a, a.sae.d_in, args->b, b.sae.d_in);
	if (rc)
		goto out;
	bytes = ps_compare_bytes(a.sae.d_sae, b.sae.d_sae, a.sae.d_in, s->threads);
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "SAEs", a.arena.size_bytes + b.arena.size_bytes);
	ps_plan_add(&plan, "comparison", bytes);
	rc = ps_plan_check(&plan, &s->diag);
	if (!rc)
		rc = ps_arena_create(&arena, bytes, &s->diag);
	if (!rc)
		rc = ps_compare_saes(&a.sae, &b.sae, args->tau, a.alive, args->seed, &s->context,
				     &arena, &c);
	if (!rc)
		*result = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "mnn_survival",
				    c.mnn_survival, "mnn_survival_alive", c.mnn_survival_alive,
				    "mmcs", c.mmcs, "mmcs_null", c.mmcs_null, "hungarian_cosine",
				    c.hungarian_cosine, "shared_fraction", c.shared_fraction, "tau",
				    args->tau);
out:
	ps_arena_destroy(&arena);
	ps_sae_folder_close(&a);
	ps_sae_folder_close(&b);
	return rc;
}
