#include "tools/cmd/convert_mask.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/checked.h"
#include "io/artefact.h"
#include "tools/cmd/mask_input.h"
#include "tools/cmd/result.h"
#include "tools/run/output_path.h"

struct mask_conversion {
	ps_session *s;
	const ps_convert_args *args;
	bool as_torch;
	ps_output output;
	ps_mask_input in;
	json_t *provenance;
	ps_edit_totals totals;
	/* The file that is written: one of the two. */
	ps_edit_writer *mask;
	ps_artefact *torch;
	uint8_t *values; /* a row of bool */
};

static const char *kind_of(const struct mask_conversion *r)
{
	return r->as_torch ? "torch-mask" : "mask";
}

static size_t widest(const struct mask_conversion *r)
{
	size_t cols = 0;

	for (size_t i = 0; i < r->in.source.count; i++)
		cols = ps_max_size(cols, r->in.source.matrices[i].cols);
	return cols;
}

static int check_memory(const struct mask_conversion *r)
{
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "names", r->in.source.count * (sizeof(ps_edit_matrix) + 512));
	ps_plan_add(&plan, "rows of the mask", ps_mask_input_bytes(&r->in) + widest(r));
	ps_plan_add(&plan, "block of the file written", PS_BLOCK_BYTES);
	return ps_plan_check(&plan, &r->s->diag);
}

/* --- a file of bool tensors --- */

/* The metadata. dropped has as many digits as it may ever get (ps_artefact_set_extra). */
static json_t *torch_extra(const struct mask_conversion *r, const ps_edit_totals *totals)
{
	return json_pack("{s:O, s:{s:I, s:I, s:I}}", "provenance", r->provenance, "totals",
			 "tensors", (json_int_t)totals->tensors, "weights",
			 (json_int_t)totals->weights, "dropped", (json_int_t)totals->dropped);
}

static ps_edit_totals most_totals(const struct mask_conversion *r)
{
	ps_edit_totals totals = {.tensors = r->in.source.count};

	for (size_t i = 0; i < r->in.source.count; i++)
		totals.weights +=
			(uint64_t)r->in.source.matrices[i].rows * r->in.source.matrices[i].cols;
	totals.dropped = totals.weights;
	return totals;
}

static int begin_torch(struct mask_conversion *r)
{
	const ps_mask_source *source = &r->in.source;
	const ps_edit_totals most = most_totals(r);
	json_t *extra = torch_extra(r, &most);
	ps_tensor_decl *decls = calloc(source->count, sizeof *decls);
	int rc = ps_json_check(extra, &r->s->diag);

	r->values = malloc(widest(r));
	if (!rc && (!decls || !r->values))
		rc = ps_fail(&r->s->diag, PS_EBUDGET, "no memory for %zu names", source->count);
	for (size_t i = 0; i < source->count && !rc; i++)
		decls[i] = (ps_tensor_decl){source->matrices[i].name,
					    PS_BOOL,
					    2,
					    {source->matrices[i].rows, source->matrices[i].cols}};
	if (!rc)
		rc = ps_artefact_create(&r->torch, &ps_sys_linux,
					&(ps_artefact_spec){.path = r->output.path,
							    .kind = kind_of(r),
							    .extra = extra,
							    .tensors = decls,
							    .count = source->count},
					&r->s->diag);
	free(decls);
	json_decref(extra);
	return rc;
}

static int put_torch(void *context, size_t matrix, size_t first, size_t rows, const uint8_t *bits)
{
	struct mask_conversion *r = context;
	const size_t cols = r->in.source.matrices[matrix].cols,
		     row_bytes = ps_bitmap_row_bytes(cols);
	int rc = 0;

	(void)first;
	for (size_t i = 0; i < rows && !rc; i++) {
		for (size_t c = 0; c < cols; c++)
			r->values[c] = ps_bitmap_kept(bits + i * row_bytes, c);
		rc = ps_artefact_write(r->torch, r->values, cols, &r->s->diag);
	}
	r->totals.dropped += (uint64_t)rows * cols - ps_bitmap_count(bits, rows, cols);
	return rc;
}

/* rc: what went wrong so far. */
static int end_torch(struct mask_conversion *r, int rc)
{
	ps_diag *diag = &r->s->diag;
	json_t *extra;

	if (!r->torch)
		return rc;
	r->totals.tensors = r->in.source.count;
	r->totals.weights = most_totals(r).weights;
	extra = torch_extra(r, &r->totals);
	if (!rc)
		rc = ps_json_check(extra, diag);
	if (!rc)
		rc = ps_artefact_set_extra(r->torch, extra, diag);
	json_decref(extra);
	if (!rc)
		return ps_artefact_commit(r->torch, diag);
	ps_artefact_abort(r->torch);
	return rc;
}

/* --- a mask of ours --- */

static int begin_mask(struct mask_conversion *r)
{
	const ps_edit_spec spec = {.path = r->output.path,
				   .matrices = r->in.source.matrices,
				   .matrix_count = r->in.source.count,
				   .provenance = r->provenance,
				   .sparsity = NAN};

	return ps_edit_writer_create(&r->mask, &ps_sys_linux, &spec, &r->s->diag);
}

static int put_mask(void *context, size_t matrix, size_t first, size_t rows, const uint8_t *bits)
{
	const struct mask_conversion *r = context;

	(void)matrix, (void)first;
	return ps_edit_writer_add_rows(r->mask, bits, rows, &r->s->diag);
}

static int end_mask(struct mask_conversion *r, int rc)
{
	if (!r->mask)
		return rc;
	if (!rc)
		return ps_edit_writer_commit(r->mask, &r->totals, &r->s->diag);
	ps_edit_writer_abort(r->mask);
	return rc;
}

/* --- the command --- */

static int write_file(struct mask_conversion *r)
{
	const size_t count = r->in.source.count;
	int rc = r->as_torch ? begin_torch(r) : begin_mask(r);

	for (size_t i = 0; i < count && !rc; i++) {
		rc = ps_mask_input_each(&r->in, r->s, i, r->as_torch ? put_torch : put_mask, r);
		ps_progress_tick(&r->s->context, "converting", "matrices", i + 1, count);
	}
	return r->as_torch ? end_torch(r, rc) : end_mask(r, rc);
}

/* The totals of a file that is there already. */
static ps_edit_totals totals_of(const struct mask_conversion *r, const ps_safetensors *found)
{
	const json_t *totals = json_object_get(found->metadata, "totals");

	if (!r->as_torch)
		return ps_edit_file_totals(found);
	return (ps_edit_totals){(uint64_t)json_integer_value(json_object_get(totals, "tensors")),
				(uint64_t)json_integer_value(json_object_get(totals, "weights")),
				(uint64_t)json_integer_value(json_object_get(totals, "dropped"))};
}

static int find_or_write(struct mask_conversion *r, bool *done)
{
	ps_safetensors found;
	int rc = ps_mask_input_provenance(&r->in, r->s, r->args, &r->provenance);

	if (!rc)
		rc = ps_output_find(&r->output, r->provenance, r->s, done, &found);
	if (rc)
		return rc;
	if (!*done)
		return write_file(r);
	r->totals = totals_of(r, &found);
	ps_safetensors_close(&found);
	return 0;
}

static json_t *result_json(const struct mask_conversion *r, bool done)
{
	const ps_edit_totals *t = &r->totals;

	return json_pack(
		"{s:s, s:s, s:I, s:I, s:I, s:o, s:b}", "format", r->args->to, "from", r->in.from,
		"tensors", (json_int_t)t->tensors, "weights", (json_int_t)t->weights, "dropped",
		(json_int_t)t->dropped, "sparsity_achieved",
		ps_number_json((double)t->dropped / (double)t->weights), "already_done", done);
}

static int open_output(struct mask_conversion *r)
{
	const ps_text_list inputs = {2, {r->args->in, r->args->model}};
	ps_diag *diag = &r->s->diag;
	int rc = ps_output_open(&r->output, r->args->out, kind_of(r), r->args->replace, diag);

	return rc ? rc : ps_output_keep_off_all(&r->output, &inputs, diag);
}

int ps_convert_mask(ps_session *s, const ps_convert_args *args, bool as_torch, json_t **result)
{
	struct mask_conversion r = {.s = s, .args = args, .as_torch = as_torch};
	bool done = false;
	int rc = open_output(&r);

	if (!rc)
		rc = ps_mask_input_open(&r.in, s, args);
	if (!rc)
		rc = check_memory(&r);
	if (!rc)
		rc = find_or_write(&r, &done);
	if (!rc)
		rc = ps_result_set(result, result_json(&r, done), &s->diag);
	free(r.values);
	json_decref(r.provenance);
	ps_mask_input_close(&r.in);
	return rc;
}
