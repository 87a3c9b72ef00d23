#include "tools/cmd/convert_bitmask.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/checked.h"
#include "core/base/finite.h"
#include "core/base/json_text.h"
#include "io/artefact.h"
#include "io/model_map.h"
#include "tools/cmd/mask_input.h"
#include "tools/cmd/result.h"
#include "tools/cmd/side_files.h"
#include "tools/run/output_path.h"

#define WEIGHTS "model.safetensors"

enum { VALUE_BYTES_MAX = 4 }; /* of a weight: F32 */

/* What a tensor of the output holds. */
enum part { COPIED, SHAPE, OFFSETS, VALUES, BITS };
static const char *const endings[] = {"", ".shape", ".row_offsets", ".compressed", ".bitmask"};

struct output_tensor {
	char name[PS_NAME_MAX + 32];
	enum part part;
	const ps_located *from; /* in the checkpoint */
	size_t matrix;          /* of the mask, unless COPIED */
	ps_tensor_decl decl;    /* its name is the one above */
};

struct bitmask_conversion {
	ps_session *s;
	ps_convert_args args;
	ps_output output;
	ps_mask_input in;
	ps_checkpoint *model; /* of the two that `in` holds */
	ps_shard_set set;
	uint64_t *kept;                /* (matrices) */
	struct output_tensor *tensors; /* (count), in the order of the file */
	size_t count;
	ps_folder *folder;
	json_t *provenance;
	ps_edit_totals totals;
	/* While a tensor is written: */
	ps_artefact *artefact;
	const struct output_tensor *current;
	int64_t offset; /* weights kept before the next row */
	char *values;   /* a row's kept weights */
	float *widened; /* the same as floats */
};

/* --- the mask --- */

static int count_kept(void *context, size_t matrix, size_t first, size_t rows, const uint8_t *bits)
{
	struct bitmask_conversion *r = context;

	(void)first;
	r->kept[matrix] += ps_bitmap_count(bits, rows, r->in.source.matrices[matrix].cols);
	return 0;
}

static int count_all(struct bitmask_conversion *r)
{
	const ps_mask_source *source = &r->in.source;
	int rc = 0;

	r->kept = calloc(source->count, sizeof *r->kept);
	if (!r->kept)
		return ps_fail(&r->s->diag, PS_EBUDGET, "no memory for %zu counts", source->count);
	for (size_t i = 0; i < source->count && !rc; i++) {
		const uint64_t weights =
			(uint64_t)source->matrices[i].rows * source->matrices[i].cols;

		rc = ps_mask_input_each(&r->in, r->s, i, count_kept, r);
		r->totals.tensors++;
		r->totals.weights += weights;
		r->totals.dropped += weights - r->kept[i];
		ps_progress_tick(&r->s->context, "counting", "matrices", i + 1, source->count);
	}
	return rc;
}

/* The matrix of the mask for a tensor of the checkpoint; false: it is copied. */
static bool find_matrix(const struct bitmask_conversion *r, const char *name, size_t *matrix)
{
	char known[96];
	ps_projection projection;
	int layer;

	if (!ps_checkpoint_find_projection(r->model, name, &layer, &projection))
		return false;
	ps_projection_tensor(layer, projection, known);
	for (*matrix = 0; *matrix < r->in.source.count; ++*matrix)
		if (!strcmp(r->in.source.matrices[*matrix].name, known))
			return true;
	return false;
}

/* --- the tensors of the output --- */

static void set_decl(const struct bitmask_conversion *r, struct output_tensor *t)
{
	const ps_edit_matrix *m = &r->in.source.matrices[t->matrix];
	const uint64_t rows = m->rows;

	switch (t->part) {
	case SHAPE:
		t->decl = (ps_tensor_decl){t->name, PS_I64, 1, {2}};
		break;
	case OFFSETS:
		t->decl = (ps_tensor_decl){t->name, PS_I64, 1, {rows}};
		break;
	case VALUES:
		t->decl = (ps_tensor_decl){
			t->name, (ps_dtype)t->from->info->dtype, 1, {r->kept[t->matrix]}};
		break;
	case BITS:
		t->decl = (ps_tensor_decl){t->name, PS_U8, 2, {rows, ps_bitmap_row_bytes(m->cols)}};
		break;
	case COPIED:
		t->decl = (ps_tensor_decl){.name = t->name,
					   .dtype = (ps_dtype)t->from->info->dtype,
					   .rank = t->from->info->rank};
		memcpy(t->decl.shape, t->from->info->shape, sizeof t->decl.shape);
	}
}

static void add_tensor(struct bitmask_conversion *r, const ps_located *from, enum part part,
		       size_t matrix)
{
	struct output_tensor *t = &r->tensors[r->count++];
	const int length = (int)strlen(from->info->name) - (part ? (int)strlen(".weight") : 0);

	*t = (struct output_tensor){.part = part, .from = from, .matrix = matrix};
	snprintf(t->name, sizeof t->name, "%.*s%s", length, from->info->name, endings[part]);
	set_decl(r, t);
}

/* Wider dtypes first; else as in the list. */
static int by_width(const void *a, const void *b)
{
	const struct output_tensor *x = a, *y = b;
	const size_t wx = ps_dtype_size(x->decl.dtype), wy = ps_dtype_size(y->decl.dtype);

	return wx != wy ? (wx < wy) - (wx > wy) : strcmp(x->name, y->name);
}

static int list_tensors(struct bitmask_conversion *r)
{
	ps_diag *diag = &r->s->diag;

	r->tensors = calloc(r->set.tensor_count + 4 * r->in.source.count, sizeof *r->tensors);
	if (!r->tensors)
		return ps_fail(diag, PS_EBUDGET, "no memory for %zu tensors", r->set.tensor_count);
	for (size_t i = 0; i < r->set.tensor_count; i++) {
		const ps_located *from = &r->set.tensors[i];
		size_t matrix;

		if (from->info->dtype < 0 || strlen(from->info->name) >= PS_NAME_MAX)
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s has dtype %s, or a name, that is not written",
				       from->file->path, from->info->name, from->info->dtype_name);
		if (!find_matrix(r, from->info->name, &matrix)) {
			add_tensor(r, from, COPIED, 0);
			continue;
		}
		for (enum part part = SHAPE; part <= BITS; part++)
			add_tensor(r, from, part, matrix);
	}
	qsort(r->tensors, r->count, sizeof *r->tensors, by_width);
	for (size_t i = 0; i < r->count; i++)
		r->tensors[i].decl.name = r->tensors[i].name;
	return 0;
}

/* --- their data --- */

/* The kept weights of a row, which must be finite. */
static int put_values(struct bitmask_conversion *r, size_t row, const uint8_t *bits)
{
	const ps_tensor_info *info = r->current->from->info;
	const ps_edit_matrix *m = &r->in.source.matrices[r->current->matrix];
	const size_t size = ps_dtype_size((ps_dtype)info->dtype);
	const char *weights = (const char *)ps_safetensors_data(r->current->from->file, info) +
			      row * m->cols * size;
	size_t count = 0;

	for (size_t c = 0; c < m->cols; c++)
		if (ps_bitmap_kept(bits, c))
			memcpy(r->values + count++ * size, weights + c * size, size);
	ps_widen(r->values, (ps_dtype)info->dtype, count, r->widened);
	if (!ps_all_finite(r->widened, count))
		return ps_fail(&r->s->diag, PS_EINPUT,
			       "%s: tensor %s holds a number that is not finite in row %zu",
			       r->current->from->file->path, info->name, row);
	return ps_artefact_write(r->artefact, r->values, count * size, &r->s->diag);
}

static int put_block(void *context, size_t matrix, size_t first, size_t rows, const uint8_t *bits)
{
	struct bitmask_conversion *r = context;
	const size_t cols = r->in.source.matrices[matrix].cols,
		     row_bytes = ps_bitmap_row_bytes(cols);
	int rc = 0;

	if (r->current->part == BITS)
		return ps_artefact_write(r->artefact, bits, rows * row_bytes, &r->s->diag);
	for (size_t i = 0; i < rows && !rc; i++) {
		const uint8_t *row = bits + i * row_bytes;

		rc = r->current->part == OFFSETS ? ps_artefact_write(r->artefact, &r->offset,
								     sizeof r->offset, &r->s->diag)
						 : put_values(r, first + i, row);
		r->offset += (int64_t)ps_bitmap_count(row, 1, cols);
	}
	return rc;
}

static int put_tensor(struct bitmask_conversion *r, const struct output_tensor *t)
{
	const ps_edit_matrix *m = &r->in.source.matrices[t->matrix];
	const int64_t shape[2] = {(int64_t)m->rows, (int64_t)m->cols};

	r->current = t;
	r->offset = 0;
	if (t->part == COPIED)
		return ps_artefact_write(r->artefact,
					 ps_safetensors_data(t->from->file, t->from->info),
					 t->from->info->bytes, &r->s->diag);
	if (t->part == SHAPE)
		return ps_artefact_write(r->artefact, shape, sizeof shape, &r->s->diag);
	return ps_mask_input_each(&r->in, r->s, t->matrix, put_block, r);
}

static size_t widest(const struct bitmask_conversion *r)
{
	size_t cols = 0;

	for (size_t i = 0; i < r->in.source.count; i++)
		cols = ps_max_size(cols, r->in.source.matrices[i].cols);
	return cols;
}

static int create(struct bitmask_conversion *r, const char *path)
{
	json_t *extra = json_pack("{s:O}", "provenance", r->provenance);
	ps_tensor_decl *decls = calloc(r->count, sizeof *decls);
	int rc = ps_json_check(extra, &r->s->diag);

	r->values = malloc(widest(r) * VALUE_BYTES_MAX);
	r->widened = malloc(widest(r) * sizeof(float));
	if (!decls || !r->values || !r->widened) {
		(void)ps_fail(&r->s->diag, PS_EBUDGET, "no memory for a row of weights");
		rc = PS_EBUDGET;
	}
	for (size_t i = 0; i < r->count && !rc; i++)
		decls[i] = r->tensors[i].decl;
	if (!rc)
		rc = ps_artefact_create(&r->artefact, &ps_sys_linux,
					&(ps_artefact_spec){.path = path,
							    .kind = "checkpoint",
							    .extra = extra,
							    .tensors = decls,
							    .count = r->count},
					&r->s->diag);
	free(decls);
	json_decref(extra);
	return rc;
}

static int write_weights(struct bitmask_conversion *r)
{
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof path, "%s/" WEIGHTS, ps_folder_path(r->folder));
	rc = create(r, path);
	if (rc)
		return rc;
	for (size_t i = 0; i < r->count && !rc; i++) {
		rc = put_tensor(r, &r->tensors[i]);
		ps_progress_tick(&r->s->context, "writing tensors", "tensors", i + 1, r->count);
	}
	if (rc) {
		ps_artefact_abort(r->artefact);
		return rc;
	}
	rc = ps_artefact_commit(r->artefact, &r->s->diag);
	return rc ? rc : ps_folder_note(r->folder, WEIGHTS, &r->s->diag);
}

/* --- the other files --- */

static json_t *make_config(const struct bitmask_conversion *r, json_t *config)
{
	const double sparsity = (double)r->totals.dropped / (double)r->totals.weights;
	json_t *entry =
		json_pack("{s:s, s:{s:s, s:o, s:s, s:[s], s:[s]}}", "quant_method",
			  "compressed-tensors", "sparsity_config", "format", "sparse-bitmask",
			  "global_sparsity", ps_number_json(sparsity), "sparsity_structure",
			  "unstructured", "targets", "Linear", "ignore", "lm_head");

	if (config && !json_object_set_new(config, "quantization_config", entry))
		return config;
	json_decref(config);
	return NULL;
}

static int write_config(struct bitmask_conversion *r)
{
	const char *text = ps_checkpoint_config_text(r->model);
	char path[PATH_MAX];
	json_t *config = NULL;
	int rc = ps_json_parse(text, strlen(text), "config.json", &config, &r->s->diag);

	snprintf(path, sizeof path, "%s/config.json", ps_folder_path(r->folder));
	if (!rc) {
		config = make_config(r, config);
		rc = ps_json_check(config, &r->s->diag);
	}
	if (!rc)
		rc = ps_file_replace_json(&ps_sys_linux, path, config, &r->s->diag);
	json_decref(config);
	return rc ? rc : ps_folder_note(r->folder, "config.json", &r->s->diag);
}

/* Everything but the weights, their index and config.json. */
static int copy_file(void *context, const char *name)
{
	struct bitmask_conversion *r = context;
	int rc;

	if (ps_side_file_is_weights(name) || !strcmp(name, "config.json") ||
	    strstr(name, ".index.json"))
		return 0;
	rc = ps_side_file_copy(r->model, name, r->folder, &r->s->diag);
	return rc ? rc : ps_folder_note(r->folder, name, &r->s->diag);
}

/* --- the command --- */

static json_t *totals_json(const struct bitmask_conversion *r)
{
	const ps_edit_totals *t = &r->totals;

	return json_pack("{s:I, s:I, s:I, s:o}", "tensors", (json_int_t)t->tensors, "weights",
			 (json_int_t)t->weights, "dropped", (json_int_t)t->dropped,
			 "sparsity_achieved",
			 ps_number_json((double)t->dropped / (double)t->weights));
}

static int write_folder(struct bitmask_conversion *r)
{
	ps_diag *diag = &r->s->diag;
	json_t *extra;
	int rc = count_all(r);

	if (!rc)
		rc = list_tensors(r);
	if (!rc)
		rc = write_weights(r);
	if (!rc)
		rc = write_config(r);
	if (!rc)
		rc = ps_side_files_each(r->model, copy_file, r, diag);
	if (rc)
		return rc;
	extra = totals_json(r);
	rc = ps_json_check(extra, diag);
	if (!rc)
		rc = ps_folder_finish(r->folder, extra, diag);
	json_decref(extra);
	return rc;
}

/* The result, with the totals that the manifest keeps. */
static int set_result(const struct bitmask_conversion *r, bool done, json_t **result)
{
	static const char *const keys[] = {"tensors", "weights", "dropped", "sparsity_achieved"};
	const json_t *manifest = ps_folder_manifest(r->folder);
	json_t *values = json_pack("{s:s, s:s, s:b}", "format", r->args.to, "from", r->in.from,
				   "already_done", done);
	int lost = 0;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		lost |= json_object_set(values, keys[i], json_object_get(manifest, keys[i]));
	if (lost) {
		json_decref(values);
		values = NULL;
	}
	return ps_result_set(result, values, &r->s->diag);
}

static int check_memory(const struct bitmask_conversion *r)
{
	const size_t names = r->set.tensor_count + 4 * r->in.source.count;
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};
	size_t largest;
	int rc = ps_side_files_largest(r->model, &largest, &r->s->diag);

	if (rc)
		return rc;
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "names", names * (sizeof *r->tensors + sizeof(ps_tensor_decl) + 512));
	ps_plan_add(&plan, "rows of weights and mask",
		    ps_mask_input_bytes(&r->in) + 2 * widest(r) * sizeof(float));
	ps_plan_add(&plan, "block or file written", ps_max_size(largest, PS_BLOCK_BYTES));
	return ps_plan_check(&plan, &r->s->diag);
}

/* The weights lie in a folder of safetensors files. */
static int open_weights(struct bitmask_conversion *r)
{
	const char *path;

	r->model = r->in.model ? r->in.model : r->in.zeros;
	if (!r->model)
		return ps_fail(&r->s->diag, PS_EUSAGE,
			       "--model is wanted: the checkpoint whose weights are written");
	path = ps_checkpoint_path(r->model);
	if (ps_model_form_of(path) != PS_MODEL_FOLDER)
		return ps_fail(&r->s->diag, PS_EINPUT,
			       "%s: a folder with safetensors files is wanted, to be written as "
			       "sparse-bitmask",
			       path);
	return ps_shard_set_open(&r->set, &ps_sys_linux, path, &r->s->diag);
}

static int convert(struct bitmask_conversion *r, json_t **result)
{
	bool done = false;
	int rc = ps_mask_input_provenance(&r->in, r->s, &r->args, &r->provenance);

	if (!rc)
		rc = ps_folder_begin(&r->folder, &ps_sys_linux,
				     &(ps_folder_spec){.path = r->output.path,
						       .kind = "checkpoint",
						       .provenance = r->provenance,
						       .replace = r->args.replace,
						       .verify = ps_session_verify(r->s)},
				     &done, &r->s->diag);
	if (rc)
		return rc;
	if (done)
		ps_output_say_done(r->s, r->output.path);
	else
		rc = write_folder(r);
	return rc ? rc : set_result(r, done, result);
}

static int open_output(struct bitmask_conversion *r)
{
	const ps_text_list inputs = {2, {r->args.in, r->args.model}};
	ps_diag *diag = &r->s->diag;
	int rc = ps_output_open(&r->output, r->args.out, NULL, r->args.replace, diag);

	return rc ? rc : ps_output_keep_off_all(&r->output, &inputs, diag);
}

int ps_convert_bitmask(ps_session *s, const ps_convert_args *args, json_t **result)
{
	struct bitmask_conversion r = {.s = s, .args = *args};
	struct stat st;
	int rc = open_output(&r);

	/* A checkpoint can only mean its zeros here. */
	r.args.from_zeros = args->from_zeros || stat(args->in, &st) || S_ISDIR(st.st_mode);
	if (!rc)
		rc = ps_mask_input_open(&r.in, s, &r.args);
	if (!rc)
		rc = open_weights(&r);
	if (!rc)
		rc = check_memory(&r);
	if (!rc)
		rc = convert(&r, result);
	ps_folder_close(r.folder);
	json_decref(r.provenance);
	free(r.values);
	free(r.widened);
	free(r.tensors);
	free(r.kept);
	ps_shard_set_close(&r.set);
	ps_mask_input_close(&r.in);
	return rc;
}
