/* seeds: how far SAEs of the same activations agree that differ in their seed alone (RQ1,
 * analysis/seeds.h). */
#include <stdlib.h>

#include "analysis/seeds.h"
#include "core/base/checked.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"

struct seeds_run {
	ps_session *s;
	const ps_seeds_args *args;
	ps_bootstrap bootstrap;
	size_t d_in, latents_max, sae_bytes; /* sae_bytes: of all SAEs */
	ps_sae_folder folders[PS_LIST_MAX];
	const ps_sae *saes[PS_LIST_MAX];
	ps_arena arena;
};

static int check_args(const ps_seeds_args *args, ps_diag *diag)
{
	if (args->saes.count < 2)
		return ps_fail(diag, PS_EUSAGE, "two SAEs or more are wanted, %zu given",
			       args->saes.count);
	if (args->labels.count && args->labels.count != args->saes.count)
		return ps_fail(diag, PS_EUSAGE, "%zu labels for %zu SAEs", args->labels.count,
			       args->saes.count);
	return 0;
}

static int measure(struct seeds_run *r)
{
	const ps_text_list *paths = &r->args->saes;
	int rc = ps_origin_check_distinct(r->s, paths);

	for (size_t i = 0; i < paths->count && !rc; i++) {
		ps_sae shape;
		size_t bytes;

		rc = ps_sae_folder_measure(paths->item[i], &shape, &bytes, &r->s->diag);
		if (rc)
			break;
		if (!i)
			r->d_in = shape.d_in;
		rc = ps_sae_check_width(&shape, paths->item[i], r->d_in, paths->item[0],
					&r->s->diag);
		if (!rc)
			rc = ps_origin_check_saes(r->s, paths->item[i], paths->item[0],
						  PS_MASK_SAME);
		r->latents_max = ps_max_size(r->latents_max, shape.d_sae);
		r->sae_bytes += bytes;
	}
	return rc;
}

static int take_memory(struct seeds_run *r)
{
	const size_t bytes = ps_seeds_bytes(r->args->saes.count, r->latents_max, r->d_in,
					    &r->bootstrap, r->s->threads);
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};
	int rc;

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "SAEs", r->sae_bytes);
	ps_plan_add(&plan, "comparison of seeds", bytes);
	rc = ps_plan_check(&plan, &r->s->diag);
	return rc ? rc : ps_arena_create(&r->arena, bytes, &r->s->diag);
}

static json_int_t label(const ps_seeds_args *args, size_t sae)
{
	return args->labels.count ? (json_int_t)args->labels.item[sae] : (json_int_t)sae;
}

static json_t *pair_json(const ps_seeds_args *args, const ps_seed_pair *pair)
{
	const ps_comparison *c = &pair->comparison;

	return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "a", label(args, pair->a), "b",
			 label(args, pair->b), "survival", ps_numbers_json(pair->survival, PS_TAUS),
			 "hungarian_cosine", ps_number_json(c->hungarian_cosine), "pw_mcc",
			 ps_number_json(c->pw_mcc), "shared_fraction",
			 ps_number_json(c->shared_fraction), "mmcs", ps_number_json(c->mmcs),
			 "mmcs_null", ps_number_json(c->mmcs_null));
}

static json_t *summary_json(const ps_summary *summary)
{
	const ps_interval *mean = &summary->mean;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:s?}", "mean",
			 ps_number_json(mean->estimate), "low", ps_number_json(mean->low), "high",
			 ps_number_json(mean->high), "sd", ps_number_json(summary->sd), "least",
			 ps_number_json(summary->least), "largest",
			 ps_number_json(summary->largest), "n", (json_int_t)mean->n, "why",
			 ps_no_interval_name(mean->why));
}

static json_t *agreement_json(const ps_seeds_args *args, const ps_seed_agreement *agreement)
{
	json_t *pairs = json_array(), *survival = json_array();
	int failed = !pairs || !survival;

	for (size_t i = 0; i < agreement->pair_count && !failed; i++)
		failed = json_array_append_new(pairs, pair_json(args, &agreement->pairs[i]));
	for (size_t t = 0; t < PS_TAUS && !failed; t++)
		failed = json_array_append_new(survival, summary_json(&agreement->survival[t]));
	if (!failed)
		return json_pack("{s:o, s:o, s:o}", "pairs", pairs, "survival", survival, "pw_mcc",
				 summary_json(&agreement->pw_mcc));
	json_decref(pairs);
	json_decref(survival);
	return NULL;
}

static int compare(struct seeds_run *r, json_t **result)
{
	const ps_text_list *paths = &r->args->saes;
	ps_seed_agreement agreement;
	int rc = 0;

	for (size_t i = 0; i < paths->count && !rc; i++) {
		rc = ps_sae_folder_load_scaled(&r->folders[i], paths->item[i], 1, &r->s->diag);
		r->saes[i] = &r->folders[i].sae;
	}
	if (!rc)
		rc = ps_seeds_compare(r->saes, paths->count, r->args->seed, &r->bootstrap,
				      &r->s->context, &r->arena, &agreement);
	return rc ? rc : ps_result_set(result, agreement_json(r->args, &agreement), &r->s->diag);
}

int ps_run_seeds(ps_session *s, const ps_seeds_args *args, json_t **result)
{
	struct seeds_run r = {.s = s, .args = args};
	int rc = check_args(args, &s->diag);

	if (!rc)
		rc = ps_bootstrap_make(args->samples, args->seed, &r.bootstrap, &s->diag);
	if (!rc)
		rc = measure(&r);
	if (!rc)
		rc = take_memory(&r);
	if (!rc)
		rc = compare(&r, result);
	ps_arena_destroy(&r.arena);
	for (size_t i = 0; i < args->saes.count; i++)
		ps_sae_folder_close(&r.folders[i]);
	return rc;
}
