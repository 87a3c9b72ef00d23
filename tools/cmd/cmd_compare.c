/* compare: which of A's latents are found again in B (analysis/compare.h). With -o the whole
 * matching is written as well (matching_file.h). */
#include "analysis/compare.h"
#include "core/base/digest.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/matching_file.h"
#include "tools/cmd/result.h"
#include "tools/run/belonging.h"
#include "tools/run/code_version.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"

struct compare_run {
	ps_session *s;
	const ps_compare_args *args;
	ps_output output; /* if args->out is given */
	ps_sae_folder a, b;
	ps_arena arena;
	size_t latents;       /* of A */
	ps_matching matching; /* if args->out is given */
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
		rc = ps_origin_check_saes(r->s, args->a, args->b, PS_MASK_ANY);
	if (rc)
		return rc;
	r->latents = a.d_sae;
	bytes = ps_compare_bytes(a.d_sae, b.d_sae, a.d_in, r->s->threads);
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "SAEs", a_bytes + b_bytes);
	ps_plan_add(&plan, "comparison", bytes);
	if (args->out) {
		const size_t kept = ps_matching_lay_out(&r->matching, a.d_sae, NULL);

		ps_plan_add(&plan, "matching", kept);
		ps_plan_add(&plan, "file written", ps_matching_write_bytes(args->out, a.d_sae));
		bytes += kept;
	}
	rc = ps_plan_check(&plan, diag);
	return rc ? rc : ps_arena_create(&r->arena, bytes, diag);
}

static int load(struct compare_run *r)
{
	ps_diag *diag = &r->s->diag;
	int rc = ps_sae_folder_load_scaled(&r->a, r->args->a, 1, diag);

	return rc ? rc : ps_sae_folder_load_scaled(&r->b, r->args->b, 1, diag);
}

/* --- the file --- */

static int open_output(struct compare_run *r)
{
	const ps_compare_args *args = r->args;
	const ps_text_list inputs = {2, {args->a, args->b}};
	int rc;

	if (!args->out)
		return 0;
	rc = ps_output_open(&r->output, args->out, "matching", args->replace, &r->s->diag);
	return rc ? rc : ps_output_keep_off_all(&r->output, &inputs, &r->s->diag);
}

/* What the file says besides the matching, without the measures. */
static json_t *make_about(const struct compare_run *r)
{
	char a[PS_DIGEST_TEXT], b[PS_DIGEST_TEXT];
	json_t *about = json_pack(
		"{s:s, s:I, s:I, s:{s:s, s:{s:s, s:s}, s:{s:o, s:I}, s:i}}", "schema",
		PS_MATCHING_SCHEMA, "latents_a", (json_int_t)r->a.sae.d_sae, "latents_b",
		(json_int_t)r->b.sae.d_sae, "provenance", "command", "compare", "inputs", "a",
		ps_digest_format(r->a.digest, a), "b", ps_digest_format(r->b.digest, b), "options",
		"tau", ps_number_json(r->args->tau), "seed", (json_int_t)r->args->seed, "code",
		ps_code_version("compare"));

	if (!ps_session_note_mismatches(r->s, json_object_get(about, "provenance"), NULL))
		return about;
	json_decref(about);
	return NULL;
}

/* --- the command --- */

static int compare(struct compare_run *r, json_t **measures)
{
	const ps_compare_args *args = r->args;
	ps_compare_options options = {
		.tau = args->tau, .alive = r->a.alive, .null_seed = args->seed, .pw_mcc = true};
	ps_comparison c;
	int rc;

	if (args->out) {
		ps_matching_lay_out(&r->matching, r->latents, &r->arena);
		options.matching = &r->matching;
	}
	rc = ps_compare_saes(&r->a.sae, &r->b.sae, &options, &r->s->context, &r->arena, &c);
	if (rc)
		return rc;
	return ps_result_set(
		measures,
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "mnn_survival",
			  ps_number_json(c.mnn_survival), "mnn_survival_alive",
			  ps_number_json(c.mnn_survival_alive), "mmcs", ps_number_json(c.mmcs),
			  "mmcs_null", ps_number_json(c.mmcs_null), "hungarian_cosine",
			  ps_number_json(c.hungarian_cosine), "pw_mcc", ps_number_json(c.pw_mcc),
			  "shared_fraction", ps_number_json(c.shared_fraction), "tau",
			  ps_number_json(args->tau)),
		&r->s->diag);
}

static int write_matching(struct compare_run *r, json_t *about, json_t *measures)
{
	if (json_object_set(about, "measures", measures))
		return ps_fail(&r->s->diag, PS_EBUDGET, "no memory for the matching's metadata");
	return ps_matching_write(r->output.path, about, &r->matching, r->latents, &r->s->diag);
}

/* Compares, and writes the file if one is wanted and is not there already. */
static int run(struct compare_run *r, json_t **measures)
{
	json_t *about;
	int rc;

	if (!r->args->out)
		return compare(r, measures);
	about = make_about(r);
	rc = ps_json_check(about, &r->s->diag);
	if (!rc)
		rc = ps_matching_find(&r->output, json_object_get(about, "provenance"), r->s,
				      measures);
	if (!rc && !*measures) {
		rc = compare(r, measures);
		if (!rc)
			rc = write_matching(r, about, *measures);
	}
	json_decref(about);
	return rc;
}

/* Whether both were trained here from the same seed. Decoder row j starts in a direction that the
 * seed, j and the width alone choose (sae/start.h). */
static bool share_start(const struct compare_run *r)
{
	return r->a.start_known && r->b.start_known && r->a.init_seed == r->b.init_seed &&
	       r->a.sae.d_in == r->b.sae.d_in;
}

/* Adds same_start to what was measured: true, false, or null where a start is not known. */
static int add_start(struct compare_run *r, json_t *measures)
{
	const bool known = r->a.start_known && r->b.start_known, same = share_start(r);

	if (json_object_set_new(measures, "same_start", known ? json_boolean(same) : json_null()))
		return ps_fail(&r->s->diag, PS_EBUDGET, "no memory for the result");
	if (same)
		ps_session_say(
			r->s,
			"both SAEs start from seed %llu, and features that are alike may be so "
			"for that reason alone: compare SAEs of different seeds too",
			(unsigned long long)r->a.init_seed);
	return 0;
}

int ps_run_compare(ps_session *s, const ps_compare_args *args, json_t **result)
{
	struct compare_run r = {.s = s, .args = args};
	json_t *measures = NULL;
	int rc;

	if (!(args->tau > -1 && args->tau <= 1))
		return ps_fail(&s->diag, PS_EUSAGE, "--tau %g: must be above -1 and at most 1",
			       args->tau);
	rc = open_output(&r);
	if (!rc)
		rc = take_memory(&r);
	if (!rc)
		rc = load(&r);
	if (!rc)
		rc = run(&r, &measures);
	if (!rc)
		rc = add_start(&r, measures);
	if (rc)
		json_decref(measures);
	else
		*result = measures;
	ps_arena_destroy(&r.arena);
	ps_sae_folder_close(&r.a);
	ps_sae_folder_close(&r.b);
	return rc;
}
