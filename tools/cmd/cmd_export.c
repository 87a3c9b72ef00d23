/* export: an ordinary checkpoint with the mask's zeros in it, or with rounded weights. Files,
 * tensors, shapes and dtypes are the model's own. A GGUF file becomes one, in the names and the
 * form of transformers; its quantised types become F32. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/model/row_stage.h"
#include "io/artefact.h"
#include "io/model_map.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/cmd/side_files.h"
#include "tools/engine/engine.h"
#include "tools/run/output_path.h"

struct export_run {
	ps_session *s;
	const ps_export_args *args;
	ps_output output;
	ps_engine engine;
	ps_folder *folder;
	json_t *provenance;
	int64_t files; /* written by this run */
};

/* --- a shard --- */

static int by_dtype_then_offset(const void *a, const void *b)
{
	const ps_tensor_info *x = *(const ps_tensor_info *const *)a,
			     *y = *(const ps_tensor_info *const *)b;
	size_t wx = ps_dtype_size(x->dtype), wy = ps_dtype_size(y->dtype);

	if (wx != wy)
		return wx > wy ? -1 : 1;
	return x->offset < y->offset ? -1 : 1;
}

/* A tensor of the checkpoint, with its edit if it is a projection. */
static ps_weight view_of(const struct export_run *r, const ps_safetensors *file,
			 const ps_tensor_info *tensor)
{
	const ps_engine *e = &r->engine;
	const ps_located located = {.file = file, .info = tensor};
	ps_weight w = ps_located_view(&located, 0, tensor->rank == 1 ? 1 : (size_t)tensor->shape[0],
				      ps_safetensors_data(file, tensor));
	ps_projection projection;
	int layer;

	if (ps_checkpoint_find_projection(e->checkpoint, tensor->name, &layer, &projection))
		w.edit = ps_edit_file_find(&e->mask, layer, projection);
	return w;
}

/* Takes a row of w through the stage that commands pack weights with, and to its stored type. row
 * NULL: only looks at it. PS_EINPUT if an edited weight is not finite. */
static int edit_row(const ps_weight *w, size_t index, char *row, ps_diag *diag)
{
	const ps_dtype written = ps_weight_written(w);
	float values[PS_STAGE_COLUMNS];

	for (size_t first = 0; first < w->cols; first += PS_STAGE_COLUMNS) {
		const size_t n = ps_min_size(PS_STAGE_COLUMNS, w->cols - first);

		if (!ps_stage_weights(w, index, first, n, PS_PACK_F32, (uint32_t *)(void *)values))
			return ps_weight_check_finite(w, diag);
		if (row)
			ps_narrow(values, written, n, row + first * ps_dtype_size(written));
	}
	return 0;
}

/* A tensor as it is, if its numbers are finite. */
static int copy_tensor(const struct export_run *r, ps_artefact *artefact, const ps_weight *w)
{
	const size_t bytes = w->rows * w->cols * ps_dtype_size(w->dtype);
	int rc = 0;

	for (size_t i = 0; i < w->rows && !rc; i++)
		rc = edit_row(w, i, NULL, &r->s->diag);
	return rc ? rc : ps_artefact_write(artefact, w->data, bytes, &r->s->diag);
}

/* A tensor that the program computes with. */
static int write_weight(const struct export_run *r, ps_artefact *artefact, const ps_weight *w)
{
	const ps_dtype written = ps_weight_written(w);
	const size_t row_bytes = w->cols * ps_dtype_size(written);
	ps_diag *diag = &r->s->diag;
	char *row;
	int rc = 0;

	if (!ps_edit_any(&w->edit) && written == w->dtype && !w->paired_rows && !w->plus_one)
		return copy_tensor(r, artefact, w);
	row = malloc(row_bytes);
	if (!row)
		return ps_fail(diag, PS_EBUDGET, "no memory for a row of %s", w->place.tensor);
	for (size_t i = 0; i < w->rows && !rc; i++) {
		rc = edit_row(w, i, row, diag);
		if (!rc)
			rc = ps_artefact_write(artefact, row, row_bytes, diag);
	}
	free(row);
	return rc;
}

static int write_tensor(const struct export_run *r, ps_artefact *artefact,
			const ps_safetensors *file, const ps_tensor_info *tensor)
{
	ps_weight w;

	if (!ps_checkpoint_uses(r->engine.checkpoint, tensor->name))
		return ps_artefact_write(artefact, ps_safetensors_data(file, tensor), tensor->bytes,
					 &r->s->diag);
	w = view_of(r, file, tensor);
	return write_weight(r, artefact, &w);
}

/* Tensors of a shard as an artefact declares and writes them: wider dtypes first. */
struct shard {
	ps_safetensors file;
	const ps_tensor_info **order; /* (file.count) */
	ps_tensor_decl *decls;        /* (file.count), in that order */
};

static int open_shard(struct shard *shard, const char *path, ps_diag *diag)
{
	ps_safetensors *file = &shard->file;
	int rc = ps_safetensors_open(file, &ps_sys_linux, path, diag);

	if (rc)
		return rc;
	shard->order = calloc(file->count, sizeof *shard->order);
	shard->decls = calloc(file->count, sizeof *shard->decls);
	if (!shard->order || !shard->decls)
		return ps_fail(diag, PS_EBUDGET, "no memory for %zu tensors", file->count);
	for (size_t i = 0; i < file->count; i++) {
		shard->order[i] = &file->tensors[i];
		if (file->tensors[i].dtype < 0)
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s has dtype %s, which export does not write",
				       path, file->tensors[i].name, file->tensors[i].dtype_name);
	}
	qsort(shard->order, file->count, sizeof *shard->order, by_dtype_then_offset);
	for (size_t i = 0; i < file->count; i++) {
		const ps_tensor_info *tensor = shard->order[i];

		shard->decls[i] = (ps_tensor_decl){
			.name = tensor->name, .dtype = tensor->dtype, .rank = tensor->rank};
		memcpy(shard->decls[i].shape, tensor->shape, sizeof tensor->shape);
	}
	return 0;
}

static void close_shard(struct shard *shard)
{
	free(shard->order);
	free(shard->decls);
	ps_safetensors_close(&shard->file);
}

static int write_tensors(const struct export_run *r, const struct shard *shard,
			 ps_artefact *artefact)
{
	const size_t count = shard->file.count;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		rc = write_tensor(r, artefact, &shard->file, shard->order[i]);
		ps_progress_tick(&r->s->context, "writing tensors", "tensors", i + 1, count);
	}
	if (!rc)
		return ps_artefact_commit(artefact, &r->s->diag);
	ps_artefact_abort(artefact);
	return rc;
}

static int write_shard(const struct export_run *r, const char *from, const char *to)
{
	struct shard shard = {.order = NULL};
	ps_artefact *artefact;
	json_t *extra = json_pack("{s:O}", "provenance", r->provenance);
	int rc = ps_json_check(extra, &r->s->diag);

	if (!rc)
		rc = open_shard(&shard, from, &r->s->diag);
	if (!rc)
		rc = ps_artefact_create(&artefact, &ps_sys_linux,
					&(ps_artefact_spec){.path = to,
							    .kind = "checkpoint",
							    .extra = extra,
							    .tensors = shard.decls,
							    .count = shard.file.count},
					&r->s->diag);
	if (!rc)
		rc = write_tensors(r, &shard, artefact);
	json_decref(extra);
	close_shard(&shard);
	return rc;
}

/* --- the folder --- */

/* A file of the folder is whole. */
static int note_file(struct export_run *r, const char *name)
{
	int rc = ps_folder_note(r->folder, name, &r->s->diag);

	r->files++;
	return rc ? rc : ps_progress_check(&r->s->context);
}

/* A file that is not there yet. */
static int export_file(void *context, const char *name)
{
	struct export_run *r = context;
	char from[PATH_MAX], to[PATH_MAX];
	int rc;

	if (ps_folder_has(r->folder, name))
		return 0;
	rc = ps_model_beside(ps_checkpoint_path(r->engine.checkpoint), name, from, &r->s->diag);
	snprintf(to, sizeof to, "%s/%s", ps_folder_path(r->folder), name);
	if (!rc)
		rc = ps_side_file_is_weights(name) ? write_shard(r, from, to)
						   : ps_side_file_copy(r->engine.checkpoint, name,
								       r->folder, &r->s->diag);
	return rc ? rc : note_file(r, name);
}

/* --- from a GGUF file --- */

/* The weights of a GGUF file as an artefact declares and writes them. */
struct weights {
	size_t count;
	ps_weight *w;                  /* (count), wider dtypes first */
	ps_tensor_decl *decls;         /* (count), in that order */
	char (*names)[PS_WEIGHT_NAME]; /* (count), as the decls name them */
};

static void free_weights(struct weights *all)
{
	free(all->w);
	free(all->decls);
	free(all->names);
}

/* Adds the weights that are written in elements of so many bytes. Each is looked at in the next
 * free place. */
static void add_weights(const struct export_run *r, struct weights *all, size_t width)
{
	const ps_checkpoint *checkpoint = r->engine.checkpoint;
	const size_t count = ps_checkpoint_weight_count(checkpoint);

	for (size_t i = 0; i < count; i++) {
		ps_weight *w = &all->w[all->count];
		char *name = all->names[all->count];
		const int rank = ps_checkpoint_weight(checkpoint, i, name, w);
		ps_projection projection;
		int layer;

		if (ps_dtype_size(ps_weight_written(w)) != width)
			continue;
		if (ps_checkpoint_find_projection(checkpoint, w->place.tensor, &layer, &projection))
			w->edit = ps_edit_file_find(&r->engine.mask, layer, projection);
		all->decls[all->count++] =
			(ps_tensor_decl){.name = name,
					 .dtype = ps_weight_written(w),
					 .rank = rank,
					 .shape = {rank == 1 ? w->cols : w->rows, w->cols}};
	}
}

static int list_weights(const struct export_run *r, struct weights *all)
{
	/* And one more place, behind the last weight. */
	const size_t count = ps_checkpoint_weight_count(r->engine.checkpoint) + 1;

	*all = (struct weights){.w = calloc(count, sizeof *all->w),
				.decls = calloc(count, sizeof *all->decls),
				.names = calloc(count, sizeof *all->names)};
	if (!all->w || !all->decls || !all->names)
		return ps_fail(&r->s->diag, PS_EBUDGET, "no memory for %zu tensors", count);
	for (size_t width = sizeof(float); width; width /= 2)
		add_weights(r, all, width);
	return 0;
}

static int write_weights(const struct export_run *r, const struct weights *all,
			 ps_artefact *artefact)
{
	int rc = 0;

	for (size_t i = 0; i < all->count && !rc; i++) {
		rc = write_weight(r, artefact, &all->w[i]);
		ps_progress_tick(&r->s->context, "writing tensors", "tensors", i + 1, all->count);
	}
	if (!rc)
		return ps_artefact_commit(artefact, &r->s->diag);
	ps_artefact_abort(artefact);
	return rc;
}

static int write_model(const struct export_run *r, const char *to)
{
	struct weights all = {.count = 0};
	ps_artefact *artefact;
	json_t *extra = json_pack("{s:O}", "provenance", r->provenance);
	int rc = ps_json_check(extra, &r->s->diag);

	if (!rc)
		rc = list_weights(r, &all);
	if (!rc)
		rc = ps_artefact_create(&artefact, &ps_sys_linux,
					&(ps_artefact_spec){.path = to,
							    .kind = "checkpoint",
							    .extra = extra,
							    .tensors = all.decls,
							    .count = all.count},
					&r->s->diag);
	if (!rc)
		rc = write_weights(r, &all, artefact);
	json_decref(extra);
	free_weights(&all);
	return rc;
}

/* The files that a GGUF file holds: config.json and the weights. */
static int export_gguf(struct export_run *r)
{
	static const char *const names[] = {"config.json", "model.safetensors"};
	const char *text = ps_checkpoint_config_text(r->engine.checkpoint);
	char to[PATH_MAX];
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		if (ps_folder_has(r->folder, names[i]))
			continue;
		snprintf(to, sizeof to, "%s/%s", ps_folder_path(r->folder), names[i]);
		rc = i ? write_model(r, to)
		       : ps_file_replace(&ps_sys_linux, to, text, strlen(text), &r->s->diag);
		if (!rc)
			rc = note_file(r, names[i]);
	}
	return rc;
}

/* Beside the program: a row of weights, and a block of the shard that is written or the largest
 * file that is copied. */
static int check_memory(const struct export_run *r)
{
	const ps_engine *e = &r->engine;
	const ps_model_config *config = e->config;
	ps_plan plan = {.limit_bytes = e->session->memory_bytes};
	size_t largest, widest = 0;
	int rc = ps_side_files_largest(e->checkpoint, &largest, &e->session->diag);

	if (rc)
		return rc;
	for (int p = 0; p < PS_PROJECTIONS; p++) {
		size_t rows, cols;

		ps_projection_shape(config, p, &rows, &cols);
		widest = ps_max_size(widest, cols);
	}
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "row of weights", widest * sizeof(float));
	ps_plan_add(&plan, "largest file copied", ps_max_size(largest, PS_BLOCK_BYTES));
	return ps_plan_check(&plan, &e->session->diag);
}

static int write_checkpoint(struct export_run *r, bool *done)
{
	ps_diag *diag = &r->s->diag;
	int rc;

	r->provenance = ps_engine_provenance(&r->engine, "export", NULL);
	rc = ps_json_check(r->provenance, diag);
	if (!rc)
		rc = ps_folder_begin(&r->folder, &ps_sys_linux,
				     &(ps_folder_spec){.path = r->output.path,
						       .kind = "checkpoint",
						       .provenance = r->provenance,
						       .replace = r->args->replace,
						       .verify = ps_session_verify(r->s)},
				     done, diag);
	if (!rc && *done)
		ps_output_say_done(r->s, r->output.path);
	if (rc || *done)
		return rc;
	if (ps_folder_dropped(r->folder))
		ps_session_say(r->s, "%s/%s differs from its manifest: made anew", r->args->out,
			       ps_folder_dropped(r->folder));
	if (ps_model_form_of(ps_checkpoint_path(r->engine.checkpoint)) == PS_MODEL_GGUF)
		rc = export_gguf(r);
	if (!rc)
		rc = ps_side_files_each(r->engine.checkpoint, export_file, r, diag);
	return rc ? rc : ps_folder_finish(r->folder, NULL, diag);
}

static int open_output(struct export_run *r)
{
	const ps_text_list inputs = {2, {r->args->model, r->args->mask}};
	ps_diag *diag = &r->s->diag;
	int rc = ps_output_open(&r->output, r->args->out, NULL, r->args->replace, diag);

	return rc ? rc : ps_output_keep_off_all(&r->output, &inputs, diag);
}

int ps_run_export(ps_session *s, const ps_export_args *args, json_t **result)
{
	struct export_run r = {.s = s, .args = args};
	bool done = false;
	int rc = open_output(&r);

	if (rc)
		return rc;
	rc = ps_engine_open(&r.engine, s, args->model, args->mask);
	if (!rc)
		rc = check_memory(&r);
	if (!rc)
		rc = write_checkpoint(&r, &done);
	if (!rc)
		rc = ps_result_set(
			result,
			json_pack("{s:I, s:b}", "files", (json_int_t)r.files, "already_done", done),
			&s->diag);
	ps_folder_close(r.folder);
	json_decref(r.provenance);
	ps_engine_close(&r.engine);
	return rc;
}
