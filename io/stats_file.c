#include "io/stats_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "core/base/finite.h"
#include "io/artefact.h"
#include "io/verified_file.h"

#define NARROW_VALUES ((size_t)1024) /* means that are rounded to f32 at a time */

/* The projection whose tensor is read for an input. The others of that input hold the same
 * numbers. */
static const ps_projection projection_of[PS_INPUTS] = {[PS_INPUT_ATTENTION] = PS_Q,
						       [PS_INPUT_O] = PS_O,
						       [PS_INPUT_MLP] = PS_GATE,
						       [PS_INPUT_DOWN] = PS_DOWN};

static size_t input_length(const ps_model_config *config, ps_projection projection)
{
	size_t rows, cols;

	ps_projection_shape(config, projection, &rows, &cols);
	return cols;
}

/* --- reading --- */

static int check_model(const ps_stats_file *stats, uint64_t model_digest, ps_diag *diag)
{
	char digest[PS_DIGEST_TEXT];
	const char *model = json_string_value(json_object_get(
		json_object_get(json_object_get(stats->file.metadata, "provenance"), "inputs"),
		"model"));

	if (!model || !strcmp(model, ps_digest_format(model_digest, digest)))
		return 0;
	return ps_fail(
		diag, PS_EINPUT,
		"%s: statistics of another model (digest %s, this one's is %s; earlier versions "
		"named models otherwise: make their statistics anew)",
		stats->file.path, model, digest);
}

static float mean_at(const char *data, uint64_t index)
{
	float value;

	memcpy(&value, data + index * sizeof value, sizeof value);
	return value;
}

/* A mean of squares is finite, and never negative. */
static int check_values(const ps_stats_file *stats, const ps_tensor_info *tensor, ps_diag *diag)
{
	const char *data = ps_safetensors_data(&stats->file, tensor);

	for (uint64_t c = 0; c < tensor->shape[0]; c++) {
		const double value = (double)mean_at(data, c);

		if (!isfinite(value) || value < 0)
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s holds %g at column %" PRIu64
				       " (offset %" PRIu64
				       "): a mean of squares is finite and not negative",
				       stats->file.path, tensor->name, value, c,
				       tensor->offset + c * sizeof(float));
	}
	return 0;
}

static int check_tensors(const ps_stats_file *stats, const ps_model_config *config, ps_diag *diag)
{
	char name[96];
	int rc = 0;

	for (int layer = 0; !rc && layer < (int)config->layers; layer++)
		for (int i = 0; !rc && i < PS_INPUTS; i++) {
			const ps_tensor_info *tensor;
			uint64_t shape[1] = {input_length(config, projection_of[i])};

			rc = ps_safetensors_expect(
				&stats->file, ps_projection_tensor(layer, projection_of[i], name),
				PS_F32, 1, shape, &tensor, diag);
			if (!rc)
				rc = check_values(stats, tensor, diag);
		}
	return rc;
}

int ps_stats_file_open(ps_stats_file *stats, const ps_sys *sys, const char *path,
		       const ps_model_config *config, const uint64_t *model_digest, ps_diag *diag)
{
	bool verified;
	int rc;

	*stats = (ps_stats_file){.file = {.fd = -1}};
	rc = ps_safetensors_open(&stats->file, sys, path, diag);
	if (rc)
		return rc;
	rc = ps_verified_file_check(&stats->file, &verified, diag);
	if (!rc && model_digest)
		rc = check_model(stats, *model_digest, diag);
	if (!rc)
		rc = check_tensors(stats, config, diag);
	if (rc) {
		ps_stats_file_close(stats);
		return rc;
	}
	stats->digest = ps_digest_of(stats->file.map, (size_t)stats->file.file_bytes);
	return 0;
}

void ps_stats_file_close(ps_stats_file *stats)
{
	ps_safetensors_close(&stats->file);
	*stats = (ps_stats_file){.file = {.fd = -1}};
}

void ps_stats_file_read(const ps_stats_file *stats, int layer, ps_input input, double *mean)
{
	char name[96];
	const ps_tensor_info *tensor = ps_safetensors_find(
		&stats->file, ps_projection_tensor(layer, projection_of[input], name));
	const char *data = ps_safetensors_data(&stats->file, tensor);

	for (size_t c = 0; c < tensor->shape[0]; c++)
		mean[c] = (double)mean_at(data, c);
}

/* --- writing --- */

uint64_t ps_stats_data_bytes(const ps_model_config *config)
{
	uint64_t bytes = 0;

	for (int p = 0; p < (int)PS_PROJECTIONS; p++)
		bytes += config->layers * input_length(config, (ps_projection)p) * sizeof(float);
	return bytes;
}

static int write_tensor(ps_artefact *artefact, const double *mean, size_t cols, ps_diag *diag)
{
	float narrow[NARROW_VALUES];
	int rc = 0;

	for (size_t at = 0; !rc && at < cols; at += NARROW_VALUES) {
		size_t part = ps_min_size(NARROW_VALUES, cols - at);

		for (size_t c = 0; c < part; c++)
			narrow[c] = (float)mean[at + c];
		if (!ps_all_finite(narrow, part))
			return ps_fail(diag, PS_EFAILED,
				       "a mean square overflows f32 at column %zu",
				       at + ps_first_not_finite(narrow, part));
		rc = ps_artefact_write(artefact, narrow, part * sizeof *narrow, diag);
	}
	return rc;
}

static int create_artefact(ps_artefact **artefact, const ps_sys *sys, const ps_stats_spec *spec,
			   ps_diag *diag)
{
	const size_t count = spec->config->layers * PS_PROJECTIONS;
	ps_tensor_decl *decls = calloc(count, sizeof *decls);
	char(*names)[96] = calloc(count, sizeof *names);
	json_t *extra = json_pack("{s:O, s:I}", "provenance", spec->provenance, "tokens",
				  (json_int_t)spec->tokens);
	const ps_artefact_spec file = {.path = spec->path,
				       .kind = "statistics",
				       .extra = extra,
				       .tensors = decls,
				       .count = count};
	int rc = decls && names && extra
			 ? 0
			 : ps_fail(diag, PS_EBUDGET, "no memory for %zu names", count);

	for (size_t n = 0; !rc && n < count; n++) {
		const ps_projection p = (ps_projection)(n % PS_PROJECTIONS);

		decls[n] = (ps_tensor_decl){
			ps_projection_tensor((int)(n / PS_PROJECTIONS), p, names[n]),
			PS_F32,
			1,
			{input_length(spec->config, p)}};
	}
	if (!rc)
		rc = ps_artefact_create(artefact, sys, &file, diag);
	json_decref(extra);
	free(decls);
	free(names);
	return rc;
}

int ps_stats_file_write(const ps_sys *sys, const ps_stats_spec *spec, ps_diag *diag)
{
	ps_artefact *artefact;
	int rc = create_artefact(&artefact, sys, spec, diag);

	if (rc)
		return rc;
	for (size_t n = 0; !rc && n < spec->config->layers * PS_PROJECTIONS; n++) {
		const ps_projection p = (ps_projection)(n % PS_PROJECTIONS);
		const size_t cols = input_length(spec->config, p);

		rc = write_tensor(artefact, spec->mean[ps_input_of(p)] + n / PS_PROJECTIONS * cols,
				  cols, diag);
	}
	if (rc) {
		ps_artefact_abort(artefact);
		return rc;
	}
	return ps_artefact_commit(artefact, diag);
}
