/* compare: which of A's latents are found again in B (analysis/compare.h). */
#include "analysis/compare.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"

struct compare_run {
	ps_session *s;
	const ps_compare_args *args;
	ps_sae_folder a, b;
	ps_arena arena;
};

/* Plans for the shapes of both SAEs, before either is loaded. */
static int take_memory(struct compare_run *r)
{
	const ps_compare_args *args = r->args;
	ps_diag *diag = &r->s->diag;
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};
	size_t a_bytes, b_bytes, bytes;
	ps_sae a, b;
	int rc = ps_sae_folder_measure(args->a, &a, &a_bytes, diag);

	if (!rc)
		rc = ps_sae_folder_measure(args->b, &b, &b_bytes, diag);
	if (!rc)
		rc = ps_sae_check_width(&a, args->a, b.d_in, args->b, diag);
	if (!rc)
		rc = ps_origin_check_saes(r->s, args->a, args->b);
	if (rc)
		return rc;
	bytes = ps_compare_bytes(a.d_sae, b.d_sae, a.d_in, r->s->threads);
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "SAEs", a_bytes + b_bytes);
	ps_plan_add(&plan, "comparison", bytes);
	rc = ps_plan_check(&plan, diag);
	return rc ? rc : ps_arena_create(&r->arena, bytes, diag);
}

static int compare(struct compare_run *r, json_t **result)
{
	const ps_compare_args *args = r->args;
	ps_diag *diag = &r->s->diag;
	ps_comparison c;
	int rc = ps_sae_folder_load_scaled(&r->a, args->a, 1, diag);

	if (!rc)
		rc = ps_sae_folder_load_scaled(&r->b, args->b, 1, diag);
	if (!rc)
		rc = ps_compare_saes(&r->a.sae, &r->b.sae,
				     &(ps_compare_options){.tau = args->tau,
							   .alive = r->a.alive,
							   .null_seed = args->seed},
				     &r->s->context, &r->arena, &c);
	if (rc)
		return rc;
	return ps_result_set(
		result,
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "mnn_survival",
			  ps_number_json(c.mnn_survival), "mnn_survival_alive",
			  ps_number_json(c.mnn_survival_alive), "mmcs", ps_number_json(c.mmcs),
			  "mmcs_null", ps_number_json(c.mmcs_null), "hungarian_cosine",
			  ps_number_json(c.hungarian_cosine), "shared_fraction",
			  ps_number_json(c.shared_fraction), "tau", ps_number_json(args->tau)),
		diag);
}

int ps_run_compare(ps_session *s, const ps_compare_args *args, json_t **result)
{
	struct compare_run r = {.s = s, .args = args};
	int rc;

	if (!(args->tau > -1 && args->tau <= 1))
		return ps_fail(&s->diag, PS_EUSAGE, "--tau %g: must be above -1 and at most 1",
			       args->tau);
	rc = take_memory(&r);
	if (!rc)
		rc = compare(&r, result);
	ps_arena_destroy(&r.arena);
	ps_sae_folder_close(&r.a);
	ps_sae_folder_close(&r.b);
	return rc;
}
