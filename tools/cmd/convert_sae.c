#include "tools/cmd/convert_sae.h"

#include "core/base/digest.h"
#include "io/cache_store.h"
#include "tools/cmd/norm_factor.h"
#include "tools/cmd/result.h"
#include "tools/run/code_version.h"
#include "tools/run/output_path.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"
#include "tools/train/sae_weights_save.h"

struct sae_conversion {
	ps_session *s;
	const ps_convert_args *args;
	ps_sae_form form;
	ps_output output;
	ps_sae_folder in;
	unsigned folded;
	json_t *provenance;
};

static int open_output(struct sae_conversion *r)
{
	const ps_text_list inputs = {2, {r->args->in, r->args->norm_cache}};
	ps_diag *diag = &r->s->diag;
	int rc = ps_output_open(&r->output, r->args->out, NULL, r->args->replace, diag);

	return rc ? rc : ps_output_keep_off_all(&r->output, &inputs, diag);
}

static int check_memory(const struct sae_conversion *r)
{
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};
	size_t bytes;
	ps_sae shape;
	int rc = ps_sae_folder_measure(r->args->in, &shape, &bytes, &r->s->diag);

	if (rc)
		return rc;
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "SAE", bytes);
	ps_plan_add(&plan, "file written", ps_sae_weights_save_bytes(&shape));
	return ps_plan_check(&plan, &r->s->diag);
}

/* --- provenance --- */

/* Keeps the provenance of an SAE of ours. */
static int add_source(const struct sae_conversion *r)
{
	json_t *manifest;
	const json_t *source;
	int rc = ps_folder_find_manifest(&ps_sys_linux, r->args->in, &manifest, &r->s->diag);

	if (rc)
		return rc;
	source = json_object_get(manifest, "provenance");
	if (source && json_object_set(r->provenance, "source", (json_t *)source))
		rc = ps_fail(&r->s->diag, PS_EBUDGET, "no memory for the provenance");
	json_decref(manifest);
	return rc;
}

static int make_provenance(struct sae_conversion *r)
{
	char digest[PS_DIGEST_TEXT];
	int rc;

	r->provenance = json_pack("{s:s, s:i, s:{s:s}, s:{s:s}}", "command", "convert", "code",
				  ps_code_version("convert"), "inputs", "sae",
				  ps_digest_format(r->in.digest, digest), "options", "to",
				  ps_sae_form_name(r->form));
	if (r->in.row_factor > 0 &&
	    json_object_set_new(json_object_get(r->provenance, "options"), "row_factor",
				ps_number_json(r->in.row_factor)))
		return ps_fail(&r->s->diag, PS_EBUDGET, "no memory for the provenance");
	rc = ps_json_check(r->provenance, &r->s->diag);
	return rc ? rc : add_source(r);
}

/* --- the folder --- */

static int write_files(const struct sae_conversion *r, ps_folder *folder)
{
	const ps_sae_written written = {.form = r->form,
					.sae = &r->in.sae,
					.about = &r->in.about,
					.firing = r->in.firing,
					.provenance = r->provenance,
					.why = "so it is in the input"};
	ps_diag *diag = &r->s->diag;
	json_t *extra = NULL;
	int rc = ps_sae_folder_extra(&written, &extra, diag);

	if (!rc)
		rc = ps_sae_folder_save(folder, &written, diag);
	if (!rc)
		rc = ps_folder_finish(folder, extra, diag);
	json_decref(extra);
	return rc;
}

static int write_folder(const struct sae_conversion *r, bool *done)
{
	ps_folder *folder;
	int rc = ps_folder_begin(&folder, &ps_sys_linux,
				 &(ps_folder_spec){.path = r->output.path,
						   .kind = "sae",
						   .provenance = r->provenance,
						   .replace = r->args->replace,
						   .verify = ps_session_verify(r->s)},
				 done, &r->s->diag);

	if (rc)
		return rc;
	if (*done)
		ps_output_say_done(r->s, r->output.path);
	else
		rc = write_files(r, folder);
	ps_folder_close(folder);
	return rc;
}

/* --- the command --- */

static json_t *folds_json(const struct sae_conversion *r)
{
	json_t *folds = json_array();
	int lost = 0;

	if (r->in.row_factor > 0)
		lost |= json_array_append_new(folds, json_string("row factor"));
	for (unsigned bit = 1; bit < PS_FOLDED_ALL; bit <<= 1)
		if (r->folded & bit)
			lost |= json_array_append_new(folds, json_string(ps_sae_fold_word(bit)));
	if (!lost)
		return folds;
	json_decref(folds);
	return NULL;
}

static int convert(struct sae_conversion *r, json_t **result)
{
	ps_diag *diag = &r->s->diag;
	bool done = false;
	int rc = ps_norm_factor_load(r->s, &r->in, r->args->in, r->args->norm_cache, false);

	if (!rc)
		rc = make_provenance(r);
	if (!rc)
		rc = ps_sae_form_fold(r->form, &r->in.sae, &r->in.arena, r->args->in, &r->folded,
				      diag);
	if (!rc)
		rc = write_folder(r, &done);
	if (rc)
		return rc;
	return ps_result_set(
		result,
		json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:b}", "format", r->args->to, "from",
			  r->in.form, "architecture", ps_sae_arch_name(r->in.sae.arch), "d_in",
			  (json_int_t)r->in.sae.d_in, "d_sae", (json_int_t)r->in.sae.d_sae,
			  "folded", folds_json(r), "already_done", done),
		diag);
}

int ps_convert_sae(ps_session *s, const ps_convert_args *args, ps_sae_form form, json_t **result)
{
	struct sae_conversion r = {.s = s, .args = args, .form = form};
	ps_origin origin;
	int rc = open_output(&r);

	if (!rc)
		rc = check_memory(&r);
	if (!rc)
		rc = ps_origin_of_sae(s, args->in, &origin);
	if (!rc)
		rc = convert(&r, result);
	json_decref(r.provenance);
	ps_sae_folder_close(&r.in);
	return rc;
}
