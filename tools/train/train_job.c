#include "tools/train/train_job.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "tools/run/json.h"
#include "tools/run/output_path.h"
#include "tools/train/sae_folder_save.h"

#define REPORT_ROWS 65536 /* that the reported measures are of, at most */
#define CHECK_ROWS 8192   /* held-out rows that are measured after each save, at most */

/* --- the state on disk --- */

static const char *checkpoint_path(const ps_train_job *job, char out[PATH_MAX + 32])
{
	snprintf(out, PATH_MAX + 32, "%s/checkpoint.safetensors", ps_folder_path(job->folder));
	return out;
}

int ps_train_job_save(ps_train_job *job, ps_diag *diag)
{
	ps_state_part parts[PS_STATE_PARTS_MAX];
	ps_tensor_decl decls[PS_STATE_PARTS_MAX];
	size_t count = ps_trainer_state(job->trainer, parts);
	json_t *extra = json_pack("{s:O}", "provenance", job->provenance);
	char path[PATH_MAX + 32];
	ps_artefact *artefact;
	int rc = ps_json_check(extra, diag);

	for (size_t i = 0; i < count; i++)
		decls[i] = (ps_tensor_decl){parts[i].name, PS_U8, 1, {parts[i].bytes}};
	if (!rc)
		rc = ps_artefact_create(&artefact, &ps_sys_linux,
					&(ps_artefact_spec){.path = checkpoint_path(job, path),
							    .kind = "sae-checkpoint",
							    .extra = extra,
							    .tensors = decls,
							    .count = count},
					diag);
	json_decref(extra);
	for (size_t i = 0; i < count && !rc; i++) {
		rc = ps_artefact_write(artefact, parts[i].data, parts[i].bytes, diag);
		if (rc)
			ps_artefact_abort(artefact);
	}
	job->check_due = true;
	return rc ? rc : ps_artefact_commit(artefact, diag);
}

/* A finished SAE needs the state no more. It still lies there if the process was killed, or could
 * not remove it, after the SAE was whole. */
static int remove_checkpoint(const ps_train_job *job, ps_diag *diag)
{
	char path[PATH_MAX + 32];

	if (access(checkpoint_path(job, path), F_OK) || !unlink(path))
		return 0;
	return ps_fail_errno(diag, errno, "%s: cannot be removed", path);
}

static void note_bad_block(void *context, const char *path, long block, uint64_t offset,
			   const char *what)
{
	(void)path, (void)block, (void)offset, (void)what;
	*(bool *)context = true;
}

/* Opens the state. A file that cannot be read now may be whole, so it is not written over: an
 * error. *usable false: what lies there is no such file. */
static int open_checkpoint(const char *path, ps_safetensors *file, bool *usable, ps_session *s)
{
	ps_diag why = {{0}};
	uint64_t bytes;
	int rc = ps_file_open(&ps_sys_linux, path, &bytes, &s->diag);

	*usable = false;
	if (rc < 0)
		return rc;
	ps_sys_linux.close(rc);
	rc = ps_safetensors_open(file, &ps_sys_linux, path, &why);
	if (rc == PS_EBUDGET)
		return ps_fail(&s->diag, rc, "%s", why.text);
	*usable = !rc;
	if (rc)
		ps_session_say(s, "%s: not usable (%s): training starts anew", path, why.text);
	return 0;
}

/* Copies the state into the trainer's memory. False: it is damaged or of another run. */
static bool read_parts(const ps_train_job *job, const ps_safetensors *file)
{
	ps_state_part parts[PS_STATE_PARTS_MAX];
	const size_t count = ps_trainer_state(job->trainer, parts);

	for (size_t i = 0; i < count; i++) {
		const ps_tensor_info *tensor = ps_safetensors_find(file, parts[i].name);

		if (!tensor || tensor->bytes != parts[i].bytes)
			return false;
		memcpy(parts[i].data, ps_safetensors_data(file, tensor), parts[i].bytes);
	}
	return true;
}

/* Takes the state over when there is a whole checkpoint of the same provenance. A damaged one is
 * not used. */
static int load_checkpoint(ps_train_job *job, ps_session *s)
{
	char path[PATH_MAX + 32];
	ps_safetensors file;
	ps_diag why = {{0}};
	bool usable = false, bad = false, verified = false;
	int rc;

	if (!ps_file_is_there(checkpoint_path(job, path)))
		return 0;
	rc = open_checkpoint(path, &file, &usable, s);
	if (rc || !usable)
		return rc;
	rc = ps_safetensors_verify(&file, note_bad_block, &bad, &verified, &why);
	if (rc == PS_EBUDGET)
		rc = ps_fail(&s->diag, rc, "%s", why.text);
	else if (rc || bad || !verified ||
		 !json_equal(json_object_get(file.metadata, "provenance"), job->provenance))
		bad = true;
	else
		bad = !read_parts(job, &file);
	ps_safetensors_close(&file);
	if (rc == PS_EBUDGET)
		return rc;
	if (!bad)
		return ps_trainer_resume(job->trainer);
	ps_session_say(s, "%s: damaged or of another run: training starts anew", path);
	return ps_trainer_restart(job->trainer);
}

/* PREFIX for a command's only SAE, else PREFIX-NAME; SAEs that differ in their seed alone get
 * PREFIX-N. */
static const char *log_prefix(const ps_train_job *job, char *out, size_t size)
{
	const char *prefix = job->args->log;

	if (!prefix || !*job->name)
		return prefix;
	snprintf(out, size, "%s-%s", prefix, job->name + (strncmp(job->name, "seed-", 5) ? 0 : 5));
	return out;
}

int ps_train_job_load(ps_train_job *job, ps_session *s)
{
	char prefix[PATH_MAX];
	int rc = load_checkpoint(job, s);

	if (rc)
		return rc;
	job->resumed_at = ps_trainer_done(job->trainer);
	job->checked_fvu = NAN;
	return ps_train_log_open(&job->log, log_prefix(job, prefix, sizeof prefix), job->resumed_at,
				 ps_trainer_steps(&job->options), &s->diag);
}

/* --- the folder --- */

static int check_folder(const char *path, bool shared, const ps_text_list *inputs, bool replace,
			ps_diag *diag)
{
	ps_output output;
	int rc = ps_output_open(&output, path, NULL, replace, diag);

	output.shared = shared;
	return rc ? rc : ps_output_keep_off_all(&output, inputs, diag);
}

int ps_train_job_check(const ps_train_job *job, ps_diag *diag)
{
	const ps_train_args *args = job->args;
	char prefix[PATH_MAX];
	ps_text_list inputs = args->with;
	int rc;

	inputs.item[inputs.count++] = args->cache; /* there is room: the data are open */
	rc = check_folder(args->out, *job->name, &inputs, args->replace, diag);
	if (!rc && *job->name)
		rc = check_folder(job->path, false, &inputs, args->replace, diag);
	return rc ? rc
		  : ps_train_log_check(log_prefix(job, prefix, sizeof prefix), &inputs,
				       args->replace, diag);
}

static void read_measures(ps_train_job *job)
{
	const json_t *result = json_object_get(ps_folder_manifest(job->folder), "result");

	job->evaluation.fvu = ps_json_number(json_object_get(result, "fvu"));
	job->evaluation.l0 = ps_json_number(json_object_get(result, "l0"));
	job->evaluation.dead_fraction = ps_json_number(json_object_get(result, "dead_fraction"));
	job->held_out.fvu = ps_json_number(json_object_get(result, "held_out_fvu"));
	job->held_out.l0 = ps_json_number(json_object_get(result, "held_out_l0"));
}

const char *ps_train_job_label(const ps_train_job *job)
{
	return *job->name ? job->name : job->path;
}

int ps_train_job_begin(ps_train_job *job, ps_session *s)
{
	char parent[PATH_MAX];
	int rc = 0;

	if (*job->name) {
		snprintf(parent, sizeof parent, "%.*s",
			 (int)(strlen(job->path) - strlen(job->name) - 1), job->path);
		rc = ps_folder_make(&ps_sys_linux, parent, &s->diag);
	}
	if (!rc)
		rc = ps_folder_begin(&job->folder, &ps_sys_linux,
				     &(ps_folder_spec){.path = job->path,
						       .kind = "sae",
						       .provenance = job->provenance,
						       .replace = job->args->replace,
						       .verify = ps_session_verify(s)},
				     &job->over, &s->diag);
	if (rc)
		return rc;
	if (ps_folder_dropped(job->folder))
		ps_session_say(s, "%s/%s differs from its manifest: the SAE is trained anew",
			       job->path, ps_folder_dropped(job->folder));
	if (!job->over)
		return 0;
	read_measures(job);
	ps_output_say_done(s, job->path);
	return remove_checkpoint(job, &s->diag);
}

/* What is reported of a trained SAE, and kept in its manifest. */
static json_t *measures_json(const ps_train_job *job, const ps_train_data *data)
{
	json_t *fvu = ps_number_json(job->evaluation.fvu), *l0 = ps_number_json(job->evaluation.l0),
	       *dead = ps_number_json(job->evaluation.dead_fraction);

	if (!data->held_out.count)
		return json_pack("{s:o, s:o, s:o}", "fvu", fvu, "l0", l0, "dead_fraction", dead);
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "fvu", fvu, "l0", l0, "dead_fraction", dead,
			 "held_out_fvu", ps_number_json(job->held_out.fvu), "held_out_l0",
			 ps_number_json(job->held_out.l0));
}

size_t ps_train_job_finish_bytes(const ps_train_job *job, size_t width, int threads)
{
	const ps_sae saved = {.arch = ps_train_saved_arch(job->options.arch),
			      .d_in = width,
			      .d_sae = job->options.d_sae,
			      .k = job->options.k};
	ps_plan plan = {0};

	ps_plan_add(&plan, "trained SAE", ps_sae_bytes(width, saved.d_sae));
	ps_plan_add(&plan, "firing counts", saved.d_sae * sizeof(uint64_t));
	ps_plan_add(&plan, "evaluation", ps_evaluate_bytes(&saved, threads));
	return plan.total_bytes;
}

/* The first rows, at most so many. Rows of the same token in several caches stay together. */
static ps_row_list first_rows(const ps_train_data *data, const ps_row_list *rows, uint64_t max)
{
	max -= max % data->count;
	return ps_row_list_part(rows, 0, rows->count < max ? rows->count : max);
}

static int make_sae(const ps_train_job *job, ps_session *s, const ps_train_data *data,
		    ps_arena *arena, ps_sae *sae)
{
	const ps_train_options *o = &job->options;
	int rc = ps_sae_create(sae, ps_train_saved_arch(o->arch), data->source.width, o->d_sae,
			       o->k, arena, &s->diag);

	if (!rc)
		ps_trainer_export(job->trainer, sae);
	return rc;
}

/* Measures the SAE and writes it into the open folder. */
static int write_sae(ps_train_job *job, ps_session *s, const ps_train_data *data,
		     const ps_sae_about *about, ps_arena *arena)
{
	const ps_train_options *o = &job->options;
	const ps_row_list report = first_rows(data, &data->rows, REPORT_ROWS);
	uint64_t *firing;
	ps_sae sae;
	int rc = make_sae(job, s, data, arena, &sae);

	if (rc)
		return rc;
	firing = ps_arena_take(arena, o->d_sae * sizeof *firing);
	rc = ps_evaluate_rows(&sae, &data->source, &report, &s->context, arena, &job->evaluation,
			      firing);
	if (!rc && data->held_out.count)
		rc = ps_evaluate_rows(&sae, &data->source, &data->held_out, &s->context, arena,
				      &job->held_out, NULL);
	return rc ? rc
		  : ps_sae_folder_save(job->folder,
				       &(ps_sae_written){.form = PS_SAE_FORM_SAELENS,
							 .sae = &sae,
							 .about = about,
							 .firing = firing,
							 .provenance = job->provenance,
							 .why = "the training overflowed"},
				       &s->diag);
}

/* How the SAE reconstructs the first held-out rows. It is quick, so it shows no progress and cannot
 * be interrupted. */
static int check(ps_train_job *job, ps_session *s, const ps_train_data *data, ps_arena *arena)
{
	const ps_row_list slice = first_rows(data, &data->held_out, CHECK_ROWS);
	const ps_context context = {.pool = s->context.pool, .diag = &s->diag};
	const size_t mark = ps_arena_mark(arena);
	ps_evaluation evaluation;
	ps_sae sae;
	int rc = make_sae(job, s, data, arena, &sae);

	if (!rc)
		rc = ps_evaluate_rows(&sae, &data->source, &slice, &context, arena, &evaluation,
				      NULL);
	ps_arena_rewind(arena, mark);
	if (rc)
		return rc;
	job->checked_fvu = evaluation.fvu;
	job->check_due = false;
	return 0;
}

int ps_train_job_note(ps_train_job *job, ps_session *s, const ps_train_data *data,
		      const ps_train_step *step, double now, ps_arena *arena)
{
	const bool checks =
		job->check_due && data->held_out.count && ps_train_log_takes(&job->log, step->step);
	int rc = checks ? check(job, s, data, arena) : 0;

	return rc ? rc
		  : ps_train_log_add(&job->log, step, checks ? job->checked_fvu : NAN, now,
				     &s->diag);
}

int ps_train_job_finish(ps_train_job *job, ps_session *s, const ps_train_data *data,
			const ps_sae_about *about, ps_arena *arena)
{
	const size_t mark = ps_arena_mark(arena);
	bool drawn = true;
	json_t *extra;
	ps_diag why = {{0}};
	int rc = ps_train_log_draw(&job->log, &s->context, &drawn, &why);

	if (rc)
		return rc;
	if (!drawn)
		ps_session_say(s, "no curves: %s",
			       *why.text ? why.text : "gnuplot is not installed");
	rc = write_sae(job, s, data, about, arena);
	ps_arena_rewind(arena, mark);
	if (rc)
		return rc;
	extra = json_pack("{s:o}", "result", measures_json(job, data));
	rc = ps_json_check(extra, &s->diag);
	if (!rc)
		rc = ps_folder_finish(job->folder, extra, &s->diag);
	json_decref(extra);
	if (rc)
		return rc;
	job->over = true;
	return remove_checkpoint(job, &s->diag);
}

void ps_train_job_close(ps_train_job *job)
{
	ps_train_log_close(&job->log);
	ps_folder_close(job->folder);
	job->folder = NULL;
	job->trainer = NULL;
}

json_t *ps_train_job_json(const ps_train_job *job, const ps_train_data *data)
{
	json_t *json = json_pack(
		"{s:o, s:o, s:I, s:I, s:I}", "tokens_per_s", ps_number_json(job->tokens_per_s),
		"seconds", ps_number_json(job->seconds), "seed", (json_int_t)job->options.init_seed,
		"k", (json_int_t)job->options.k, "d_sae", (json_int_t)job->options.d_sae);

	if (!json_object_update_new(json, measures_json(job, data)))
		return json;
	json_decref(json);
	return NULL;
}
