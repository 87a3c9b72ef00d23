#include "tools/train/sae_folder.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "core/base/json_text.h"
#include "io/file.h"
#include "io/verified_file.h"
#include "sae/fold.h"
#include "tools/run/json.h"
#include "tools/train/sae_format.h"
#include "tools/train/sae_weights.h"

#define SCALER "activation_scaler.json"
#define STORE "activations_store_state.safetensors"
#define CONFIG_BYTES_MAX ((size_t)1 << 20)

/* *manifest is NULL for a folder of another tool. */
static int read_manifest(const char *folder, json_t **manifest, ps_diag *diag)
{
	const char *kind;
	int rc = ps_folder_read_manifest(&ps_sys_linux, folder, manifest, diag);

	if (rc || !*manifest)
		return rc;
	kind = json_string_value(json_object_get(*manifest, "kind"));
	if (strcmp(kind, "sae"))
		rc = ps_fail(diag, PS_EINPUT, "%s: holds %s, no SAE", folder, kind);
	else if (!json_is_true(json_object_get(*manifest, "complete")))
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: the SAE is not finished: the command that began it continues it",
			     folder);
	if (!rc)
		return 0;
	json_decref(*manifest);
	*manifest = NULL;
	return rc;
}

/* cfg.json of a folder in SAELens' form. */
static int read_config(const char *folder, const json_t *manifest, ps_sae_config *config,
		       uint64_t *digest, ps_diag *diag)
{
	char path[PATH_MAX], *text;
	size_t length;
	json_t *cfg;
	int rc;

	snprintf(path, sizeof path, "%s/" PS_SAE_CONFIG, folder);
	rc = ps_file_read(&ps_sys_linux, path, CONFIG_BYTES_MAX, &text, &length, diag);
	if (rc)
		return rc;
	*digest = ps_digest_of(text, length);
	if (manifest)
		rc = ps_folder_compare(manifest, folder, PS_SAE_CONFIG, length, *digest, diag);
	if (rc) {
		free(text);
		return rc;
	}
	rc = ps_json_parse(text, length, path, &cfg, diag);
	free(text);
	if (rc)
		return rc;
	rc = json_is_object(cfg) ? ps_sae_config_parse(cfg, path, config, diag)
				 : ps_fail(diag, PS_EINPUT, "%s: not a JSON object", path);
	json_decref(cfg);
	return rc;
}

/* Everything of an SAE but its weights. */
struct source {
	const ps_sae_format *format; /* NULL: SAELens' form */
	json_t *manifest;            /* NULL: of another tool */
	ps_sae_config config;
	uint64_t digest; /* of the configuration */
};

/* Another tool's form that we wrote: its cfg.json must be the one in the manifest, and the manifest
 * says what the form has no key for. */
static int read_own(const char *folder, struct source *s, ps_diag *diag)
{
	const json_t *cfg = json_object_get(s->manifest, PS_SAE_OWN_CONFIG);
	char path[PATH_MAX];
	ps_sae_config own;
	uint64_t bytes, digest;
	int rc;

	snprintf(path, sizeof path, "%s/" PS_SAE_CONFIG, folder);
	rc = json_object_get(json_object_get(s->manifest, "files"), PS_SAE_CONFIG)
		     ? ps_file_digest(&ps_sys_linux, path, &bytes, &digest, diag)
		     : 1;
	if (!rc)
		rc = ps_folder_compare(s->manifest, folder, PS_SAE_CONFIG, bytes, digest, diag);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof path, "%s/" PS_MANIFEST ", " PS_SAE_OWN_CONFIG, folder);
	if (!json_is_object(cfg))
		return ps_fail(diag, PS_EINPUT, "%s: is missing or no object", path);
	rc = ps_sae_config_parse(cfg, path, &own, diag);
	if (!rc)
		s->config.about = own.about;
	return rc;
}

/* Whatever it returns, the manifest is to be released. */
static int read_source(const char *folder, struct source *s, ps_diag *diag)
{
	int rc;

	*s = (struct source){0};
	rc = ps_sae_format_find(folder, &s->format, diag);
	if (!rc)
		rc = read_manifest(folder, &s->manifest, diag);
	if (rc)
		return rc;
	if (!s->format)
		return read_config(folder, s->manifest, &s->config, &s->digest, diag);
	rc = s->format->read(folder, &s->config, &s->digest, diag);
	return rc || !s->manifest ? rc : read_own(folder, s, diag);
}

static const char *weights_name(const struct source *s)
{
	return s->format ? s->format->weights : PS_SAE_WEIGHTS;
}

static void weights_path(const struct source *s, const char *folder, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", folder, weights_name(s));
}

static size_t load_bytes(const ps_sae *sae)
{
	return ps_sae_bytes(sae->d_in, sae->d_sae) + sae->d_sae * (sizeof(uint64_t) + 1) +
	       4 * PS_ALIGN;
}

/* The digest of a file of the folder, which is open. Its bytes are compared with the manifest if
 * there is one. */
static int check_file(const char *folder, const char *name, const void *map, uint64_t bytes,
		      const json_t *manifest, uint64_t *digest, ps_diag *diag)
{
	*digest = ps_digest_of(map, bytes);
	return manifest ? ps_folder_compare(manifest, folder, name, bytes, *digest, diag) : 0;
}

static int load_firing(ps_sae_folder *folder, const char *path, const json_t *manifest,
		       ps_diag *diag)
{
	char file_path[PATH_MAX];
	ps_safetensors file;
	const ps_tensor_info *tensor;
	uint64_t shape[1] = {folder->sae.d_sae}, digest;
	int rc;

	snprintf(file_path, sizeof file_path, "%s/" PS_SAE_TRAINING, path);
	if (!ps_file_is_there(file_path) &&
	    !json_object_get(json_object_get(manifest, "files"), PS_SAE_TRAINING))
		return 0;
	rc = ps_verified_file_open(&file, file_path, diag);
	if (rc)
		return rc;
	rc = check_file(path, PS_SAE_TRAINING, file.map, file.file_bytes, manifest, &digest, diag);
	if (!rc)
		rc = ps_safetensors_expect(&file, "firing_count", PS_I64, 1, shape, &tensor, diag);
	if (!rc) {
		folder->firing =
			ps_arena_take(&folder->arena, folder->sae.d_sae * sizeof *folder->firing);
		folder->alive = ps_arena_take(&folder->arena, folder->sae.d_sae);
		memcpy(folder->firing, ps_safetensors_data(&file, tensor),
		       folder->sae.d_sae * sizeof *folder->firing);
		for (size_t f = 0; f < folder->sae.d_sae; f++)
			folder->alive[f] = folder->firing[f] > 0;
	}
	ps_safetensors_close(&file);
	return rc;
}

/* --- the number that rows are multiplied by --- */

/* SAELens 6 keeps it in a checkpoint of an unfinished training, as JSON. *factor stays as it is if
 * the file is not there. */
static int read_scaler(const char *folder, double *factor, ps_diag *diag)
{
	char path[PATH_MAX];
	json_t *scaler;
	const json_t *value;
	int rc;

	snprintf(path, sizeof path, "%s/" SCALER, folder);
	if (!ps_file_is_there(path))
		return 0;
	rc = ps_file_read_json(&ps_sys_linux, path, CONFIG_BYTES_MAX, &scaler, diag);
	if (rc)
		return rc;
	value = json_object_get(scaler, "scaling_factor");
	*factor = json_number_value(value);
	if (json_is_true(json_object_get(scaler, "has_whitening")))
		rc = ps_fail(diag, PS_EINPUT, "%s: has_whitening is true: not supported", path);
	else if (!json_is_number(value))
		rc = ps_fail(diag, PS_EINPUT, "%s: scaling_factor must be a number", path);
	json_decref(scaler);
	return rc;
}

/* SAELens 5 keeps it in the state of its source of activations, as a tensor of one number. */
static int read_store(const char *folder, double *factor, ps_diag *diag)
{
	static const char name[] = "estimated_norm_scaling_factor";
	char path[PATH_MAX];
	ps_safetensors file;
	const ps_tensor_info *tensor;
	float value = 0;
	int rc;

	snprintf(path, sizeof path, "%s/" STORE, folder);
	if (!ps_file_is_there(path))
		return 0;
	rc = ps_safetensors_open(&file, &ps_sys_linux, path, diag);
	if (rc)
		return rc;
	tensor = ps_safetensors_find(&file, name);
	if (tensor && (tensor->dtype != PS_F32 || tensor->bytes != sizeof value))
		rc = ps_fail(diag, PS_EINPUT, "%s: tensor %s must be one F32", path, name);
	else if (tensor)
		memcpy(&value, ps_safetensors_data(&file, tensor), sizeof value);
	if (tensor)
		*factor = (double)value;
	ps_safetensors_close(&file);
	return rc;
}

/* The factor that a file beside cfg.json holds; 0: none does. */
static int read_factor(const char *folder, double *factor, ps_diag *diag)
{
	int rc;

	*factor = 0;
	rc = read_scaler(folder, factor, diag);
	return rc || *factor ? rc : read_store(folder, factor, diag);
}

/* The factor of an SAE of SAELens. otherwise: where no file holds one; 0: there is none. */
static int find_factor(const char *path, double otherwise, double *out, ps_diag *diag)
{
	double factor;
	int rc = read_factor(path, &factor, diag);

	if (rc)
		return rc;
	if (!factor)
		factor = otherwise;
	if (!(factor > 0) || !isfinite((float)factor))
		return ps_fail(
			diag, PS_EINPUT,
			"%s/cfg.json: normalize_activations is expected_average_only_in, and "
			"neither activation_scaler.json nor "
			"activations_store_state.safetensors is there with the number that "
			"rows are multiplied by: name rows of its model to estimate it from "
			"(--norm-cache), or fold it with SAELens",
			path);
	*out = factor;
	return 0;
}

static int fold_factor(ps_sae_folder *folder, const ps_sae_config *config, const char *path,
		       double otherwise, ps_diag *diag)
{
	double factor = config->row_factor;
	int rc = factor ? 0 : find_factor(path, otherwise, &factor, diag);

	if (rc)
		return rc;
	folder->row_factor = factor;
	ps_sae_fold_row_factor(&folder->sae, (float)factor);
	return 0;
}

/* --- measure and load --- */

/* The weights file must be large enough for the shape of cfg.json before memory is planned or taken
 * for it. */
static int check_file_size(const char *path, uint64_t file_bytes, const ps_sae *shape,
			   ps_diag *diag)
{
	if (file_bytes / 4 / shape->d_in < shape->d_sae)
		return ps_fail(diag, PS_EINPUT, "%s: too short for d_in %zu, d_sae %zu of cfg.json",
			       path, shape->d_in, shape->d_sae);
	return 0;
}

/* The same for another format: its encoder must have the shape. */
static int check_encoder(const char *path, const ps_sae_config *config, ps_diag *diag)
{
	const bool by_latent = config->tensors.enc_by_latent;
	const uint64_t d_in = config->shape.d_in, d_sae = config->shape.d_sae,
		       shape[2] = {by_latent ? d_sae : d_in, by_latent ? d_in : d_sae};
	const ps_tensor_info *enc;
	ps_sae_file file;
	int rc = ps_sae_file_open(&file, path, diag);

	if (rc)
		return rc;
	rc = ps_sae_file_expect(&file, config->tensors.enc, 2, shape, &enc, diag);
	ps_sae_file_close(&file);
	return rc;
}

static int measure_file(const char *path, const struct source *s, ps_diag *diag)
{
	uint64_t file_bytes;
	int fd;

	if (s->format)
		return check_encoder(path, &s->config, diag);
	fd = ps_file_open(&ps_sys_linux, path, &file_bytes, diag);
	if (fd < 0)
		return fd;
	ps_sys_linux.close(fd);
	return check_file_size(path, file_bytes, &s->config.shape, diag);
}

int ps_sae_folder_measure(const char *path, ps_sae *shape, size_t *bytes, ps_diag *diag)
{
	char file_path[PATH_MAX];
	struct source s;
	int rc = read_source(path, &s, diag);

	json_decref(s.manifest);
	if (rc)
		return rc;
	*shape = s.config.shape;
	*bytes = ps_round_up(load_bytes(shape), 4096);
	weights_path(&s, path, file_path, sizeof file_path);
	return measure_file(file_path, &s, diag);
}

int ps_sae_folder_about(const char *path, ps_sae_about *about, bool *foreign, ps_diag *diag)
{
	struct source s;
	int rc = read_source(path, &s, diag);

	*foreign = !s.manifest;
	json_decref(s.manifest);
	if (!rc)
		*about = s.config.about;
	return rc;
}

int ps_sae_folder_files(const char *path, const char **names, size_t *count, ps_diag *diag)
{
	static const char *const candidates[PS_SAE_FILES - 1] = {"cfg.json", "config.json",
								 "hyperparams.json", SCALER, STORE};
	char file_path[PATH_MAX];
	struct source s;
	int rc = read_source(path, &s, diag);

	json_decref(s.manifest);
	*count = 0;
	for (size_t i = 0; i < sizeof candidates / sizeof *candidates && !rc; i++)
		if (snprintf(file_path, sizeof file_path, "%s/%s", path, candidates[i]) <
			    (int)sizeof file_path &&
		    ps_file_is_there(file_path))
			names[(*count)++] = candidates[i];
	if (!rc)
		names[(*count)++] = weights_name(&s);
	return rc;
}

int ps_sae_folder_lacks_factor(const char *path, bool *lacks, ps_diag *diag)
{
	struct source s;
	double factor = 0;
	int rc = read_source(path, &s, diag);

	json_decref(s.manifest);
	*lacks = !rc && s.config.scaled_rows && !s.config.row_factor;
	if (*lacks)
		rc = read_factor(path, &factor, diag);
	*lacks &= !factor;
	return rc;
}

/* Takes the memory of the SAE and reads the weights of the open file into it. */
static int load_sae(ps_sae_folder *folder, const struct source *s, ps_sae_file *file, ps_diag *diag)
{
	const ps_sae *shape = &s->config.shape;
	int rc = s->format ? 0 : check_file_size(file->path, file->bytes, shape, diag);

	if (!rc)
		rc = ps_arena_create(&folder->arena, load_bytes(shape), diag);
	if (!rc)
		rc = ps_sae_create(&folder->sae, shape->arch, shape->d_in, shape->d_sae, shape->k,
				   &folder->arena, diag);
	if (rc)
		return rc;
	folder->sae.apply_b_dec_to_input = shape->apply_b_dec_to_input;
	folder->sae.rescale_by_decoder_norm = shape->rescale_by_decoder_norm;
	return ps_sae_weights_load(file, &s->config, &folder->sae, diag);
}

int ps_sae_folder_load(ps_sae_folder *folder, const char *path, ps_diag *diag)
{
	return ps_sae_folder_load_scaled(folder, path, 0, diag);
}

/* Where training started, if the manifest is that of a training. */
static void note_start(ps_sae_folder *folder, const json_t *manifest)
{
	const json_t *provenance = json_object_get(manifest, "provenance"), *seed = NULL;

	/* A conversion keeps the provenance of what it converted (convert_sae.h). */
	for (; provenance && !seed; provenance = json_object_get(provenance, "source"))
		seed = json_object_get(json_object_get(provenance, "options"), "init_seed");
	folder->start_known = json_is_integer(seed);
	folder->init_seed = (uint64_t)json_integer_value(seed);
}

int ps_sae_folder_load_scaled(ps_sae_folder *folder, const char *path, double factor, ps_diag *diag)
{
	char file_path[PATH_MAX];
	ps_sae_file file = {0};
	struct source s;
	uint64_t digest = 0;
	int rc = read_source(path, &s, diag);

	*folder = (ps_sae_folder){.about = s.config.about,
				  .foreign = !s.manifest,
				  .form = s.format ? s.format->name : "SAELens"};
	weights_path(&s, path, file_path, sizeof file_path);
	if (!rc)
		rc = ps_sae_file_open(&file, file_path, diag);
	if (!rc)
		rc = check_file(path, weights_name(&s), file.map, file.bytes, s.manifest, &digest,
				diag);
	if (!rc)
		rc = load_sae(folder, &s, &file, diag);
	if (!rc && s.config.scaled_rows)
		rc = fold_factor(folder, &s.config, path, factor, diag);
	if (!rc && (!s.format || s.manifest))
		rc = load_firing(folder, path, s.manifest, diag);
	if (!rc)
		note_start(folder, s.manifest);
	folder->digest = s.digest ^ digest;
	ps_sae_file_close(&file);
	json_decref(s.manifest);
	if (rc)
		ps_sae_folder_close(folder);
	return rc;
}

int ps_sae_check_width(const ps_sae *sae, const char *path, size_t width, const char *other,
		       ps_diag *diag)
{
	if (sae->d_in != width)
		return ps_fail(diag, PS_EINPUT,
			       "%s takes rows of width %zu, those of %s are %zu wide: they belong "
			       "to different models",
			       path, sae->d_in, other, width);
	return 0;
}

void ps_sae_folder_close(ps_sae_folder *folder)
{
	ps_arena_destroy(&folder->arena);
	*folder = (ps_sae_folder){0};
}
