#include "tools/cmd/mask_input.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "io/bitmask_checkpoint.h"
#include "io/mask_tensors.h"
#include "io/mask_zeros.h"
#include "io/recognize.h"
#include "tools/run/belonging.h"
#include "tools/run/code_version.h"
#include "tools/run/json.h"

/* --- opening --- */

static bool ends_with(const char *text, const char *end)
{
	const size_t length = strlen(text), n = strlen(end);

	return length > n && !strcmp(text + length - n, end);
}

static int open_model(ps_mask_input *in, ps_session *s, const char *model)
{
	int rc = ps_checkpoint_open(&in->model, &ps_sys_linux, model, &s->diag);

	return rc ? rc : ps_checkpoint_digest(in->model, &s->context, &in->model_digest, &s->diag);
}

static const ps_model_config *config_of(const ps_mask_input *in)
{
	return in->model ? ps_checkpoint_config(in->model) : NULL;
}

/* The model's shapes, where one is named, must be those of the checkpoint with the zeros. */
static int check_shapes(const ps_mask_input *in, ps_session *s, const ps_convert_args *args)
{
	const ps_model_config *config = config_of(in), *zeros = ps_checkpoint_config(in->zeros);

	for (int p = 0; config && p < (int)PS_PROJECTIONS; p++) {
		size_t rows[2], cols[2];

		ps_projection_shape(config, (ps_projection)p, &rows[0], &cols[0]);
		ps_projection_shape(zeros, (ps_projection)p, &rows[1], &cols[1]);
		if (rows[0] != rows[1] || cols[0] != cols[1] || config->layers != zeros->layers)
			return ps_fail(&s->diag, PS_EINPUT,
				       "%s: has other layers or shapes than the model %s", args->in,
				       args->model);
	}
	return 0;
}

static int open_zeros(ps_mask_input *in, ps_session *s, const ps_convert_args *args)
{
	uint64_t digest;
	int rc = ps_checkpoint_open(&in->zeros, &ps_sys_linux, args->in, &s->diag);

	if (!rc)
		rc = check_shapes(in, s, args);
	if (!rc)
		rc = ps_checkpoint_digest(in->zeros, &s->context, &digest, &s->diag);
	in->from = "zeros";
	return rc ? rc : ps_mask_zeros_open(&in->source, in->zeros, digest, &s->diag);
}

/* A checkpoint: a folder, or, of its zeros, a model that is one file. */
static int open_checkpoint(ps_mask_input *in, ps_session *s, const ps_convert_args *args)
{
	char folder[PATH_MAX];
	bool compressed = false;
	int rc = ps_model_resolve(args->in, folder, &s->diag);

	if (!rc && ps_model_form_of(folder) == PS_MODEL_FOLDER)
		rc = ps_bitmask_checkpoint_is(&ps_sys_linux, folder, &compressed, &s->diag);
	if (rc)
		return rc;
	if (compressed) {
		in->from = "sparse-bitmask";
		return ps_bitmask_checkpoint_open(&in->source, &ps_sys_linux, folder, config_of(in),
						  &s->context, &s->diag);
	}
	if (args->from_zeros)
		return open_zeros(in, s, args);
	return ps_fail(&s->diag, PS_EUSAGE,
		       "%s: is a folder: --from-zeros takes the zeros of a checkpoint as a mask",
		       args->in);
}

/* Refuses what is known to be no mask's file, by its first bytes or its name. */
static int check_file(ps_session *s, const char *path)
{
	const char *what = ends_with(path, ".npz") || ends_with(path, ".safetensors")
				   ? NULL
				   : ps_recognize_file(&ps_sys_linux, path);

	if (!what)
		return 0;
	return ps_fail(&s->diag, PS_EINPUT,
		       "%s: %s: a mask is a safetensors or npz file. Of a torch file two lines of "
		       "Python make one: import torch, safetensors.torch; "
		       "safetensors.torch.save_file({k: v.contiguous() for k, v in "
		       "torch.load(FILE, map_location=\"cpu\", weights_only=True).items()}, "
		       "\"mask.safetensors\")",
		       path, what);
}

static int open_file(ps_mask_input *in, ps_session *s, const ps_convert_args *args)
{
	const ps_mask_coding coding = !args->bits                  ? PS_MASK_VALUES
				      : !strcmp(args->bits, "lsb") ? PS_MASK_BITS_LSB
								   : PS_MASK_BITS_MSB;
	const char *kind;
	int rc = check_file(s, args->in);

	in->from = args->bits ? "packed bits" : "values";
	if (!rc)
		rc = ps_mask_tensors_open(&in->source, &ps_sys_linux, args->in, coding,
					  config_of(in), &s->diag);
	kind = json_string_value(json_object_get(in->source.about, "kind"));
	if (kind)
		in->from = strcmp(kind, "mask") != 0 ? "torch" : "mask";
	return rc;
}

/* A mask of ours that says its model must be of the one that is named. */
static int check_belonging(const ps_mask_input *in, ps_session *s, const ps_convert_args *args)
{
	const char *said = ps_provenance_input(in->source.about, "model");
	char digest[PS_DIGEST_TEXT];

	if (!in->source.verified)
		return ps_session_unverified(s, args->in);
	if (!said || !in->model)
		return 0;
	ps_digest_format(in->model_digest, digest);
	if (!strcmp(said, digest))
		return 0;
	return ps_session_mismatch(s, &(ps_mismatch){"model", args->in, said, args->model, digest});
}

int ps_mask_input_open(ps_mask_input *in, ps_session *s, const ps_convert_args *args)
{
	struct stat st;
	bool is_file;
	int rc = 0;

	*in = (ps_mask_input){.from = ""};
	if (args->bits && strcmp(args->bits, "lsb") != 0 && strcmp(args->bits, "msb") != 0)
		return ps_fail(&s->diag, PS_EUSAGE, "--bits %s: lsb or msb is wanted", args->bits);
	if (args->norm_cache)
		return ps_fail(&s->diag, PS_EUSAGE, "--norm-cache belongs to an SAE");
	if (args->model)
		rc = open_model(in, s, args->model);
	is_file = !stat(args->in, &st) && !S_ISDIR(st.st_mode);
	if (!rc)
		rc = is_file && !args->from_zeros ? open_file(in, s, args)
						  : open_checkpoint(in, s, args);
	return rc ? rc : check_belonging(in, s, args);
}

void ps_mask_input_close(ps_mask_input *in)
{
	ps_mask_source_close(&in->source);
	ps_checkpoint_close(in->zeros);
	ps_checkpoint_close(in->model);
	*in = (ps_mask_input){.from = ""};
}

/* --- provenance --- */

int ps_mask_input_provenance(const ps_mask_input *in, ps_session *s, const ps_convert_args *args,
			     json_t **out)
{
	const json_t *source = json_object_get(in->source.about, "provenance");
	const char *said = ps_provenance_input(in->source.about, "model");
	char digest[PS_DIGEST_TEXT];
	json_t *provenance = json_pack("{s:s, s:i, s:{s:s}, s:{s:s, s:s}}", "command", "convert",
				       "code", ps_code_version("convert"), "inputs", "mask",
				       ps_digest_format(in->source.digest, digest), "options", "to",
				       args->to, "from", in->from),
	       *inputs = json_object_get(provenance, "inputs");
	int lost = !provenance;

	if (args->bits)
		lost |= json_object_set_new(json_object_get(provenance, "options"), "bits",
					    json_string(args->bits));
	if (in->model)
		said = ps_digest_format(in->model_digest, digest);
	if (said)
		lost |= json_object_set_new(inputs, "model", json_string(said));
	if (source)
		lost |= json_object_set(provenance, "source", (json_t *)source);
	*out = provenance;
	if (lost)
		return ps_fail(&s->diag, PS_EBUDGET, "no memory for the provenance");
	return ps_session_note_mismatches(s, provenance, &s->diag);
}

/* --- blocks --- */

/* Rows of a block: the raw values of a row have at most 8 bytes each. */
static size_t block_rows(const ps_edit_matrix *m)
{
	return ps_min_size(m->rows, ps_mask_block_rows(8 * m->cols));
}

size_t ps_mask_input_bytes(const ps_mask_input *in)
{
	size_t largest = 0;

	for (size_t i = 0; i < in->source.count; i++) {
		const ps_edit_matrix *m = &in->source.matrices[i];

		largest = ps_max_size(largest, block_rows(m) * ps_bitmap_row_bytes(m->cols));
	}
	return largest + in->source.bytes;
}

int ps_mask_input_each(const ps_mask_input *in, ps_session *s, size_t matrix, ps_mask_block_fn *fn,
		       void *context)
{
	const ps_mask_source *source = &in->source;
	const ps_edit_matrix *m = &source->matrices[matrix];
	const size_t block = block_rows(m);
	uint8_t *bits = malloc(block * ps_bitmap_row_bytes(m->cols));
	int rc = bits ? 0 : ps_fail(&s->diag, PS_EBUDGET, "no memory for rows of %s", m->name);

	for (size_t first = 0; first < m->rows && !rc; first += block) {
		const size_t rows = ps_min_size(block, m->rows - first);

		rc = source->read(source->self, matrix, first, rows, bits, &s->diag);
		if (!rc)
			rc = fn(context, matrix, first, rows, bits);
		if (!rc)
			rc = ps_progress_check(&s->context);
	}
	free(bits);
	return rc;
}
