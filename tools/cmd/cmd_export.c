/* export: an ordinary checkpoint with the zeros in it: the same files, tensors, shapes and dtypes. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/checked.h"
#include "io/artefact.h"
#include "tools/cmd/commands.h"
#include "tools/engine/engine.h"

#define COPY_BYTES_MAX ((size_t)1 << 30)

static int by_dtype_then_offset(const void *a, const void *b)
{
	const ps_tensor_info *x = *(const ps_tensor_info *const *)a,
			     *y = *(const ps_tensor_info *const *)b;
	size_t wx = ps_dtype_size(x->dtype), wy = ps_dtype_size(y->dtype);

	if (wx != wy)
		return wx > wy ? -1 : 1;
	return x->offset < y->offset ? -1 : 1;
}

/* The mask's tensor for a checkpoint tensor, whatever prefix the checkpoint puts before "model." or drops. */
static const ps_tensor_info *mask_of(const ps_mask_file *mask, const char *name)
{
	const char *layers = strstr(name, "layers.");
	char canonical[256];

	if (!layers)
		return NULL;
	snprintf(canonical, sizeof canonical, "model.%s", layers);
	return ps_safetensors_find(&mask->file, canonical);
}

static int write_tensor(ps_session *s, ps_artefact *artefact, const ps_safetensors *file,
			const ps_tensor_info *tensor, const ps_mask_file *mask)
{
	const char *data = ps_safetensors_data(file, tensor);
	const ps_tensor_info *bits = tensor->rank == 2 ? mask_of(mask, tensor->name) : NULL;
	size_t cols, width = ps_dtype_size(tensor->dtype), row_bytes;
	char *row;
	int rc = 0;

	if (!bits)
		return ps_artefact_write(artefact, data, tensor->bytes, &s->diag);
	cols = tensor->shape[1];
	row_bytes = cols * width;
	row = malloc(row_bytes);
	if (!row)
		return ps_fail(&s->diag, PS_EBUDGET, "no memory for a row of %s", tensor->name);
	for (uint64_t r = 0; r < tensor->shape[0] && !rc; r++) {
		const uint8_t *keep = (const uint8_t *)ps_safetensors_data(&mask->file, bits) +
				      r * ps_bitmap_row_bytes(cols);

		memcpy(row, data + r * row_bytes, row_bytes);
		for (size_t c = 0; c < cols; c++)
			if (!ps_bitmap_kept(keep, c))
				memset(row + c * width, 0, width);
		rc = ps_artefact_write(artefact, row, row_bytes, &s->diag);
	}
	free(row);
	return rc;
}

static int write_shard(ps_session *s, const char *from, const char *to, const ps_mask_file *mask,
		       const json_t *provenance)
{
	ps_safetensors file;
	const ps_tensor_info **order = NULL;
	ps_tensor_decl *decls = NULL;
	ps_artefact *artefact = NULL;
	json_t *extra = json_pack("{s:O}", "provenance", provenance);
	int rc = ps_safetensors_open(&file, &ps_sys_linux, from, &s->diag);

	if (rc) {
		json_decref(extra);
		return rc;
	}
	order = calloc(file.count, sizeof *order);
	decls = calloc(file.count, sizeof *decls);
	if (!order || !decls)
		rc = ps_fail(&s->diag, PS_EBUDGET, "no memory for %zu tensors", file.count);
	for (size_t i = 0; i < file.count && !rc; i++) {
		order[i] = &file.tensors[i];
		if (file.tensors[i].dtype < 0)
			rc = ps_fail(&s->diag, PS_EINPUT,
				     "%s: tensor %s has dtype %s, which export does not write",
				     from, file.tensors[i].name, file.tensors[i].dtype_name);
	}
	if (!rc)
		qsort(order, file.count, sizeof *order, by_dtype_then_offset);
	for (size_t i = 0; i < file.count && !rc; i++) {
		decls[i] = (ps_tensor_decl){
			.name = order[i]->name, .dtype = order[i]->dtype, .rank = order[i]->rank};
		memcpy(decls[i].shape, order[i]->shape, sizeof decls[i].shape);
	}
	if (!rc)
		rc = ps_artefact_create(&artefact, &ps_sys_linux,
					&(ps_artefact_spec){.path = to,
							    .kind = "checkpoint",
							    .extra = extra,
							    .tensors = decls,
							    .count = file.count},
					&s->diag);
	for (size_t i = 0; i < file.count && !rc; i++) {
		rc = write_tensor(s, artefact, &file, order[i], mask);
		ps_progress_tick(&s->context, "writing tensors", "tensor", i + 1, file.count);
	}
	if (rc && artefact)
		ps_artefact_abort(artefact);
	else if (!rc)
		rc = ps_artefact_commit(artefact, &s->diag);
	json_decref(extra);
	free(order);
	free(decls);
	ps_safetensors_close(&file);
	return rc;
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end);
}

static int copy_file(ps_session *s, const char *from, const char *to)
{
	char *bytes;
	size_t length;
	int rc = ps_file_read(&ps_sys_linux, from, COPY_BYTES_MAX, &bytes, &length, &s->diag);

	if (rc)
		return rc;
	rc = ps_file_replace(&ps_sys_linux, to, bytes, length, &s->diag);
	free(bytes);
	return rc;
}

/* Files of a checkpoint that a user of the exported one needs. */
static bool wanted(const char *name)
{
	return ends_with(name, ".safetensors") || ends_with(name, ".json") ||
	       ends_with(name, ".txt") || ends_with(name, ".model") || ends_with(name, ".jinja");
}

static int export_files(ps_engine *e, const char *out, ps_folder *folder, const json_t *provenance,
			int64_t *files)
{
	ps_session *s = e->session;
	const char *from_folder = ps_checkpoint_folder(e->checkpoint);
	char from[PATH_MAX], to[PATH_MAX];
	struct dirent **entries;
	int count = scandir(from_folder, &entries, NULL, alphasort), rc = 0;

	if (count < 0)
		return ps_fail(&s->diag, PS_EINPUT, "cannot list %s: %s", from_folder,
			       strerror(errno));
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (!rc && name[0] != '.' && strcmp(name, "manifest.json") && wanted(name) &&
		    !ps_folder_has(folder, name)) {
			snprintf(from, sizeof from, "%s/%s", from_folder, name);
			snprintf(to, sizeof to, "%s/%s", out, name);
			rc = ends_with(name, ".safetensors")
				     ? write_shard(s, from, to, &e->mask, provenance)
				     : copy_file(s, from, to);
			if (!rc)
				rc = ps_folder_note(folder, name, &s->diag);
			if (!rc)
				rc = ps_progress_check(&s->context);
			++*files;
		}
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/* Beside the program: a row of weights, a block of the file that is written, and the largest file that is copied. */
static int check_memory(const ps_engine *e)
{
	const ps_model_config *config = e->config;
	const char *folder = ps_checkpoint_folder(e->checkpoint);
	ps_plan plan = {.limit_bytes = e->session->memory_bytes};
	char path[PATH_MAX];
	struct dirent **entries;
	size_t largest = 0, widest = 0;
	int count = scandir(folder, &entries, NULL, alphasort);

	if (count < 0)
		return ps_fail(&e->session->diag, PS_EINPUT, "cannot list %s: %s", folder,
			       strerror(errno));
	for (int i = 0; i < count; i++) {
		struct stat about;

		snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
		if (wanted(path) && !ends_with(path, ".safetensors") && !stat(path, &about))
			largest = ps_max_size(largest, (size_t)about.st_size);
		free(entries[i]);
	}
	free(entries);
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

int ps_run_export(ps_session *s, const ps_export_args *args, json_t **result)
{
	ps_engine e;
	ps_folder *folder = NULL;
	json_t *provenance = NULL;
	bool done;
	int64_t files = 0;
	int rc = ps_engine_open(&e, s, args->model, args->mask);

	if (!rc)
		rc = check_memory(&e);
	if (rc)
		goto out;
	provenance = ps_engine_provenance(&e, "export", NULL);
	rc = ps_folder_begin(&folder, &ps_sys_linux,
			     &(ps_folder_spec){.path = args->out,
					       .kind = "checkpoint",
					       .provenance = provenance,
					       .replace = args->replace},
			     &done, &s->diag);
	if (!rc && !done)
		rc = export_files(&e, args->out, folder, provenance, &files);
	if (!rc && !done)
		rc = ps_folder_finish(folder, NULL, &s->diag);
	if (!rc)
		*result = json_pack("{s:I, s:b}", "files", (json_int_t)files, "already_done", done);
out:
	ps_folder_close(folder);
	json_decref(provenance);
	ps_engine_close(&e);
	return rc;
}
