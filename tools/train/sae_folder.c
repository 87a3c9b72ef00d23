#include "tools/train/sae_folder.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "io/safetensors.h"
#include "io/verified_file.h"
#include "tools/run/json.h"

#define WEIGHTS "sae_weights.safetensors"
#define TRAINING "training.safetensors"
#define CONFIG_BYTES_MAX ((size_t)1 << 20)
#define TRANSPOSE_ROWS ((size_t)64) /* rows of W_enc made at a time */
/* A folder without a version, or with one below 6.0.0, is converted by SAELens as an old one. */
#define SAE_LENS_VERSION "6.0.0"

static const char *const arch_names[] = {[PS_SAE_TOPK] = "topk",
					 [PS_SAE_JUMPRELU] = "jumprelu",
					 [PS_SAE_RELU] = "standard",
					 [PS_SAE_GATED] = "gated"};

/* The vectors that have a number for each latent, by their names in files. */
enum { LATENT_VECTORS_MAX = 3 };

struct latent_vector {
	const char *name;
	float *values;
};

static size_t latent_vectors(const ps_sae *sae, struct latent_vector *out)
{
	size_t count = 0;

	out[count++] =
		(struct latent_vector){sae->arch == PS_SAE_GATED ? "b_gate" : "b_enc", sae->b_enc};
	if (sae->arch == PS_SAE_JUMPRELU)
		out[count++] = (struct latent_vector){"threshold", sae->threshold};
	if (sae->arch == PS_SAE_GATED) {
		out[count++] = (struct latent_vector){"r_mag", sae->r_mag};
		out[count++] = (struct latent_vector){"b_mag", sae->b_mag};
	}
	return count;
}

static int64_t get_int(const json_t *object, const char *key, int64_t otherwise)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static bool get_bool(const json_t *object, const char *key, bool otherwise)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

static void get_text(const json_t *object, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));

	snprintf(out, size, "%s", text ? text : "");
}

static int parse_config(const json_t *cfg, const char *path, ps_sae *sae, ps_sae_about *about,
			ps_diag *diag)
{
	const char *arch = json_string_value(json_object_get(cfg, "architecture"));
	const char *normalize = json_string_value(json_object_get(cfg, "normalize_activations"));
	const json_t *metadata = json_object_get(cfg, "metadata");
	int64_t d_in = get_int(cfg, "d_in", 0), d_sae = get_int(cfg, "d_sae", 0),
		k = get_int(cfg, "k", 100);

	*sae = (ps_sae){.arch = PS_SAE_TOPK};
	while (sae->arch <= PS_SAE_GATED && (!arch || strcmp(arch, arch_names[sae->arch])))
		sae->arch++;
	if (sae->arch > PS_SAE_GATED)
		return ps_fail(diag, PS_EINPUT,
			       "%s: architecture %s is not supported (topk, jumprelu, standard and "
			       "gated are)",
			       path, arch ? arch : "(none)");
	if (d_in <= 0 || d_sae <= 0 || d_in > INT32_MAX || d_sae > INT32_MAX)
		return ps_fail(diag, PS_EINPUT, "%s: d_in and d_sae must be positive", path);
	if (sae->arch == PS_SAE_TOPK && (k <= 0 || k > d_sae))
		return ps_fail(diag, PS_EINPUT, "%s: k is %lld with d_sae %lld", path, (long long)k,
			       (long long)d_sae);
	if (normalize && strcmp(normalize, "none"))
		return ps_fail(diag, PS_EINPUT,
			       "%s: normalize_activations %s is not supported (none is)", path,
			       normalize);
	sae->d_in = (size_t)d_in;
	sae->d_sae = (size_t)d_sae;
	sae->k = sae->arch == PS_SAE_TOPK ? (size_t)k : 0;
	sae->apply_b_dec_to_input = get_bool(cfg, "apply_b_dec_to_input", true);
	sae->rescale_by_decoder_norm =
		sae->arch == PS_SAE_TOPK && get_bool(cfg, "rescale_acts_by_decoder_norm", false);
	get_text(metadata, "hook_name", about->hook_name, sizeof about->hook_name);
	get_text(metadata, "model_name", about->model_name, sizeof about->model_name);
	about->prepend_bos = get_bool(metadata, "prepend_bos", false);
	about->context_size = get_int(metadata, "context_size", 0);
	return 0;
}

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

static int read_config(const char *folder, const json_t *manifest, ps_sae *sae, ps_sae_about *about,
		       uint64_t *digest, ps_diag *diag)
{
	char path[PATH_MAX], *text;
	size_t length;
	json_error_t error;
	json_t *cfg;
	int rc;

	snprintf(path, sizeof path, "%s/cfg.json", folder);
	rc = ps_file_read(&ps_sys_linux, path, CONFIG_BYTES_MAX, &text, &length, diag);
	if (rc)
		return rc;
	*digest = ps_digest_of(text, length);
	if (manifest)
		rc = ps_folder_compare(manifest, folder, "cfg.json", length, *digest, diag);
	if (rc) {
		free(text);
		return rc;
	}
	cfg = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	free(text);
	if (!json_is_object(cfg)) {
		json_decref(cfg);
		return ps_fail(diag, PS_EINPUT, "%s: not a JSON object (line %d: %s)", path,
			       error.line, error.text);
	}
	rc = parse_config(cfg, path, sae, about, diag);
	json_decref(cfg);
	return rc;
}

static size_t load_bytes(const ps_sae *sae)
{
	return ps_sae_bytes(sae->d_in, sae->d_sae) + sae->d_sae * (sizeof(uint64_t) + 1) +
	       4 * PS_ALIGN;
}

static int load_vector(const ps_safetensors *file, const char *name, size_t rows, size_t cols,
		       float *out, ps_diag *diag)
{
	const ps_tensor_info *tensor;
	uint64_t shape[2] = {rows, cols};
	int rc = ps_safetensors_expect(file, name, PS_F32, cols ? 2 : 1, shape, &tensor, diag);
	size_t count = rows * (cols ? cols : 1);

	if (rc)
		return rc;
	memcpy(out, ps_safetensors_data(file, tensor), count * sizeof *out);
	for (size_t i = 0; i < count; i++)
		if (!isfinite(out[i]))
			return ps_fail(diag, PS_EINPUT, "%s: tensor %s holds %f at element %zu",
				       file->path, name, (double)out[i], i);
	return 0;
}

/* W_enc [D, F] in the file, (F, D) in memory. */
static int load_encoder(const ps_safetensors *file, ps_sae *sae, ps_diag *diag)
{
	const ps_tensor_info *tensor;
	uint64_t shape[2] = {sae->d_in, sae->d_sae};
	const char *data;
	int rc = ps_safetensors_expect(file, "W_enc", PS_F32, 2, shape, &tensor, diag);

	if (rc)
		return rc;
	data = ps_safetensors_data(file, tensor);
	for (size_t d = 0; d < sae->d_in; d++)
		for (size_t f = 0; f < sae->d_sae; f++) {
			float value;

			memcpy(&value, data + (d * sae->d_sae + f) * sizeof value, sizeof value);
			if (!isfinite(value))
				return ps_fail(diag, PS_EINPUT,
					       "%s: tensor W_enc holds %f at row %zu, column %zu",
					       file->path, (double)value, d, f);
			sae->enc[f * sae->d_in + d] = value;
		}
	return 0;
}

static int load_weights(const ps_safetensors *file, ps_sae *sae, ps_diag *diag)
{
	struct latent_vector vectors[LATENT_VECTORS_MAX];
	const size_t count = latent_vectors(sae, vectors);
	int rc = load_encoder(file, sae, diag);

	if (!rc)
		rc = load_vector(file, "W_dec", sae->d_sae, sae->d_in, sae->dec, diag);
	if (!rc)
		rc = load_vector(file, "b_dec", sae->d_in, 0, sae->b_dec, diag);
	for (size_t i = 0; i < count && !rc; i++)
		rc = load_vector(file, vectors[i].name, sae->d_sae, 0, vectors[i].values, diag);
	return rc;
}

/* Opens a file of the folder. Its bytes are compared with its own checksums, and with the manifest
 * if there is one. */
static int open_file(ps_safetensors *file, const char *folder, const char *name,
		     const json_t *manifest, uint64_t *digest, ps_diag *diag)
{
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	rc = ps_verified_file_open(file, path, diag);
	if (rc)
		return rc;
	*digest = ps_digest_of(file->map, file->file_bytes);
	if (manifest)
		rc = ps_folder_compare(manifest, folder, name, file->file_bytes, *digest, diag);
	if (rc)
		ps_safetensors_close(file);
	return rc;
}

static int load_firing(ps_sae_folder *folder, const char *path, const json_t *manifest,
		       ps_diag *diag)
{
	char file_path[PATH_MAX];
	ps_safetensors file;
	const ps_tensor_info *tensor;
	uint64_t shape[1] = {folder->sae.d_sae}, digest;
	int rc;

	snprintf(file_path, sizeof file_path, "%s/" TRAINING, path);
	if (access(file_path, F_OK) &&
	    !json_object_get(json_object_get(manifest, "files"), TRAINING))
		return 0;
	rc = open_file(&file, path, TRAINING, manifest, &digest, diag);
	if (rc)
		return rc;
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

int ps_sae_folder_measure(const char *path, ps_sae *shape, size_t *bytes, ps_diag *diag)
{
	char file_path[PATH_MAX];
	ps_sae_about about;
	uint64_t digest, file_bytes;
	json_t *manifest;
	int fd, rc = read_manifest(path, &manifest, diag);

	if (!rc)
		rc = read_config(path, manifest, shape, &about, &digest, diag);
	json_decref(manifest);
	if (rc)
		return rc;
	snprintf(file_path, sizeof file_path, "%s/" WEIGHTS, path);
	fd = ps_file_open(&ps_sys_linux, file_path, &file_bytes, diag);
	if (fd < 0)
		return fd;
	ps_sys_linux.close(fd);
	*bytes = ps_round_up(load_bytes(shape), 4096);
	return check_file_size(file_path, file_bytes, shape, diag);
}

/* Takes the memory of the SAE and reads the weights of the open file into it. */
static int load_sae(ps_sae_folder *folder, const ps_sae *shape, const ps_safetensors *file,
		    ps_diag *diag)
{
	int rc = check_file_size(file->path, file->file_bytes, shape, diag);

	if (!rc)
		rc = ps_arena_create(&folder->arena, load_bytes(shape), diag);
	if (!rc)
		rc = ps_sae_create(&folder->sae, shape->arch, shape->d_in, shape->d_sae, shape->k,
				   &folder->arena, diag);
	if (rc)
		return rc;
	folder->sae.apply_b_dec_to_input = shape->apply_b_dec_to_input;
	folder->sae.rescale_by_decoder_norm = shape->rescale_by_decoder_norm;
	return load_weights(file, &folder->sae, diag);
}

int ps_sae_folder_load(ps_sae_folder *folder, const char *path, ps_diag *diag)
{
	ps_safetensors file = {.fd = -1};
	ps_sae shape = {0};
	uint64_t digest = 0;
	json_t *manifest;
	int rc = read_manifest(path, &manifest, diag);

	*folder = (ps_sae_folder){0};
	if (!rc)
		rc = read_config(path, manifest, &shape, &folder->about, &folder->digest, diag);
	if (!rc)
		rc = open_file(&file, path, WEIGHTS, manifest, &digest, diag);
	if (!rc)
		rc = load_sae(folder, &shape, &file, diag);
	if (!rc)
		rc = load_firing(folder, path, manifest, diag);
	folder->digest ^= digest;
	ps_safetensors_close(&file);
	json_decref(manifest);
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

static int write_encoder(ps_artefact *artefact, const ps_sae *sae, ps_diag *diag)
{
	float *rows = malloc(TRANSPOSE_ROWS * sae->d_sae * sizeof *rows);
	int rc =
		rows ? 0
		     : ps_fail(diag, PS_EBUDGET, "no memory for %zu rows of W_enc", TRANSPOSE_ROWS);

	for (size_t first = 0; first < sae->d_in && !rc; first += TRANSPOSE_ROWS) {
		size_t count = ps_min_size(TRANSPOSE_ROWS, sae->d_in - first);

		for (size_t f = 0; f < sae->d_sae; f++)
			for (size_t d = 0; d < count; d++)
				rows[d * sae->d_sae + f] = sae->enc[f * sae->d_in + first + d];
		rc = ps_artefact_write(artefact, rows, count * sae->d_sae * sizeof *rows, diag);
	}
	free(rows);
	return rc;
}

static int save_weights(const char *path, const ps_sae *sae, const json_t *extra, ps_diag *diag)
{
	struct latent_vector vectors[LATENT_VECTORS_MAX];
	const size_t count = latent_vectors(sae, vectors);
	ps_tensor_decl decls[3 + LATENT_VECTORS_MAX] = {
		{"W_enc", PS_F32, 2, {sae->d_in, sae->d_sae}},
		{"W_dec", PS_F32, 2, {sae->d_sae, sae->d_in}},
		{"b_dec", PS_F32, 1, {sae->d_in}},
	};
	ps_artefact *artefact;
	int rc;

	for (size_t i = 0; i < count; i++)
		decls[3 + i] = (ps_tensor_decl){vectors[i].name, PS_F32, 1, {sae->d_sae}};
	rc = ps_artefact_create(&artefact, &ps_sys_linux,
				&(ps_artefact_spec){.path = path,
						    .kind = "sae",
						    .extra = extra,
						    .tensors = decls,
						    .count = 3 + count},
				diag);
	if (rc)
		return rc;
	rc = write_encoder(artefact, sae, diag);
	if (!rc)
		rc = ps_artefact_write(artefact, sae->dec, sae->d_sae * sae->d_in * sizeof(float),
				       diag);
	if (!rc)
		rc = ps_artefact_write(artefact, sae->b_dec, sae->d_in * sizeof(float), diag);
	for (size_t i = 0; i < count && !rc; i++)
		rc = ps_artefact_write(artefact, vectors[i].values, sae->d_sae * sizeof(float),
				       diag);
	if (rc) {
		ps_artefact_abort(artefact);
		return rc;
	}
	return ps_artefact_commit(artefact, diag);
}

static int save_firing(const char *path, const uint64_t *firing, size_t d_sae, const json_t *extra,
		       ps_diag *diag)
{
	ps_artefact *artefact;
	int rc = ps_artefact_create(
		&artefact, &ps_sys_linux,
		&(ps_artefact_spec){.path = path,
				    .kind = "sae-training",
				    .extra = extra,
				    .tensors =
					    &(ps_tensor_decl){"firing_count", PS_I64, 1, {d_sae}},
				    .count = 1},
		diag);

	if (rc)
		return rc;
	rc = ps_artefact_write(artefact, firing, d_sae * sizeof *firing, diag);
	if (rc) {
		ps_artefact_abort(artefact);
		return rc;
	}
	return ps_artefact_commit(artefact, diag);
}

static json_t *make_config(const ps_sae *sae, const ps_sae_about *about)
{
	json_t *cfg = json_pack(
		"{s:s, s:I, s:I, s:s, s:s, s:b, s:s, s:s, s:{s:s, s:s, s:s, s:b, s:I}}",
		"architecture", arch_names[sae->arch], "d_in", (json_int_t)sae->d_in, "d_sae",
		(json_int_t)sae->d_sae, "dtype", "float32", "device", "cpu", "apply_b_dec_to_input",
		sae->apply_b_dec_to_input, "normalize_activations", "none", "reshape_activations",
		"none", "metadata", "sae_lens_version", SAE_LENS_VERSION, "model_name",
		about->model_name, "hook_name", about->hook_name, "prepend_bos", about->prepend_bos,
		"context_size", (json_int_t)about->context_size);

	if (sae->arch != PS_SAE_TOPK ||
	    !json_object_update_new(cfg, json_pack("{s:I, s:b}", "k", (json_int_t)sae->k,
						   "rescale_acts_by_decoder_norm",
						   sae->rescale_by_decoder_norm)))
		return cfg;
	json_decref(cfg);
	return NULL;
}

int ps_sae_folder_save(ps_folder *folder, const char *path, const ps_sae *sae,
		       const ps_sae_about *about, const uint64_t *firing, const json_t *provenance,
		       ps_diag *diag)
{
	char file[PATH_MAX];
	json_t *extra = json_pack("{s:O}", "provenance", provenance),
	       *cfg = make_config(sae, about);
	int rc = ps_json_check(extra, diag);

	if (!rc)
		rc = ps_json_check(cfg, diag);
	snprintf(file, sizeof file, "%s/" WEIGHTS, path);
	if (!rc)
		rc = save_weights(file, sae, extra, diag);
	if (!rc)
		rc = ps_folder_note(folder, WEIGHTS, diag);
	snprintf(file, sizeof file, "%s/" TRAINING, path);
	if (!rc)
		rc = save_firing(file, firing, sae->d_sae, extra, diag);
	if (!rc)
		rc = ps_folder_note(folder, TRAINING, diag);
	snprintf(file, sizeof file, "%s/cfg.json", path);
	if (!rc)
		rc = ps_file_replace_json(&ps_sys_linux, file, cfg, diag);
	if (!rc)
		rc = ps_folder_note(folder, "cfg.json", diag);
	json_decref(extra);
	json_decref(cfg);
	return rc;
}
