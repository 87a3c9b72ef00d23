#include "tools/train/sae_weights.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/finite.h"
#include "io/artefact.h"

#define TRANSPOSE_ROWS ((size_t)64) /* rows of W_enc made at a time */
enum { BLOCK = 512 };               /* numbers converted at a time */

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

/* --- numbers of any stored type --- */

/* The nearest number with so many bits behind the leading one, and no exponent below least. */
static double round_bits(double value, int bits, int least)
{
	int exponent;

	if (value == 0 || !isfinite(value))
		return value;
	exponent = ilogb(value);
	exponent = (exponent > least ? exponent : least) - bits;
	return ldexp(rint(ldexp(value, -exponent)), exponent);
}

static double round_to(double value, ps_dtype dtype)
{
	if (dtype == PS_F16) {
		value = round_bits(value, 10, -14);
		return fabs(value) > 65504 ? copysign(INFINITY, value) : value;
	}
	return dtype == PS_BF16 ? round_bits(value, 7, -126) : value;
}

/* Numbers [first, first + count) of a tensor, rounded to `to`, as floats. count <= BLOCK. */
static void read_numbers(const ps_safetensors *file, const ps_tensor_info *tensor, size_t first,
			 size_t count, ps_dtype to, float *out)
{
	const ps_dtype from = (ps_dtype)tensor->dtype;
	const char *data = ps_safetensors_data(file, tensor);

	data += first * ps_dtype_size(from);
	if (from == PS_F64)
		for (size_t i = 0; i < count; i++) {
			double value;

			memcpy(&value, data + i * sizeof value, sizeof value);
			out[i] = (float)round_to(value, to);
		}
	else
		ps_widen(data, from, count, out);
	if (from != PS_F64 && from != to && to != PS_F32 && to != PS_F64)
		for (size_t i = 0; i < count; i++)
			out[i] = (float)round_to(out[i], to);
}

static int expect(const ps_safetensors *file, const char *name, int rank, const uint64_t *shape,
		  const ps_tensor_info **tensor, ps_diag *diag)
{
	const ps_tensor_info *info = ps_safetensors_find(file, name);
	const int dtype = info ? info->dtype : PS_F32;

	if (dtype != PS_F32 && dtype != PS_F64 && dtype != PS_F16 && dtype != PS_BF16)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s is %s: it must be F32, F64, F16 or BF16", file->path,
			       name, info->dtype_name);
	return ps_safetensors_expect(file, name, dtype, rank, shape, tensor, diag);
}

/* Where a number of a tensor stands in the file. */
static uint64_t offset_of(const ps_tensor_info *tensor, size_t element)
{
	return tensor->offset + element * ps_dtype_size((ps_dtype)tensor->dtype);
}

static int load_vector(const ps_safetensors *file, const char *name, size_t rows, size_t cols,
		       ps_dtype to, float *out, ps_diag *diag)
{
	const ps_tensor_info *tensor;
	uint64_t shape[2] = {rows, cols};
	int rc = expect(file, name, cols ? 2 : 1, shape, &tensor, diag);
	const size_t count = rows * (cols ? cols : 1);

	if (rc)
		return rc;
	for (size_t first = 0; first < count; first += BLOCK) {
		const size_t end = first + ps_min_size(BLOCK, count - first);

		read_numbers(file, tensor, first, end - first, to, out + first);
		for (size_t i = first; i < end; i++)
			if (!isfinite(out[i]))
				return ps_fail(
					diag, PS_EINPUT,
					"%s: tensor %s holds %f at element %zu (offset %" PRIu64
					")",
					file->path, name, (double)out[i], i, offset_of(tensor, i));
	}
	return 0;
}

/* W_enc [D, F] in the file, (F, D) in memory. */
static int load_encoder(const ps_safetensors *file, ps_dtype to, ps_sae *sae, ps_diag *diag)
{
	const size_t d_in = sae->d_in, d_sae = sae->d_sae;
	const ps_tensor_info *tensor;
	uint64_t shape[2] = {d_in, d_sae};
	float block[BLOCK];
	int rc = expect(file, "W_enc", 2, shape, &tensor, diag);

	if (rc)
		return rc;
	for (size_t d = 0; d < d_in; d++)
		for (size_t f = 0; f < d_sae; f++) {
			if (f % BLOCK == 0)
				read_numbers(file, tensor, d * d_sae + f,
					     ps_min_size(BLOCK, d_sae - f), to, block);
			if (!isfinite(block[f % BLOCK]))
				return ps_fail(diag, PS_EINPUT,
					       "%s: tensor W_enc holds %f at row %zu, column %zu "
					       "(offset %" PRIu64 ")",
					       file->path, (double)block[f % BLOCK], d, f,
					       offset_of(tensor, d * d_sae + f));
			sae->enc[f * d_in + d] = block[f % BLOCK];
		}
	return 0;
}

/* --- what an older SAELens added --- */

/* As torch.allclose with ones. */
static bool are_ones(const float *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!(fabs((double)values[i] - 1) <= 1e-8 + 1e-5))
			return false;
	return true;
}

static int load_scaling(const ps_safetensors *file, const ps_sae_config *config, ps_sae *sae,
			ps_diag *diag)
{
	const char *name = "scaling_factor";
	float *factor;
	int rc;

	if (!ps_safetensors_find(file, name))
		name = "finetuning_scaling_factor";
	if (!ps_safetensors_find(file, name))
		return 0;
	factor = malloc(sae->d_sae * sizeof *factor);
	if (!factor)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for %s", file->path, name);
	rc = load_vector(file, name, sae->d_sae, 0, config->dtype, factor, diag);
	if (!rc && !are_ones(factor, sae->d_sae)) {
		if (!config->scaled_latents)
			rc = ps_fail(diag, PS_EINPUT,
				     "%s: tensor %s holds other numbers than 1, but "
				     "finetuning_scaling_factor of cfg.json is not true",
				     file->path, name);
		for (size_t f = 0; f < sae->d_sae && !rc; f++)
			for (size_t d = 0; d < sae->d_in; d++)
				sae->dec[f * sae->d_in + d] *= factor[f];
	}
	free(factor);
	return rc;
}

/* Every tensor must be one that was read. */
static int check_others(const ps_safetensors *file, const ps_sae *sae, ps_diag *diag)
{
	static const char *const common[] = {"W_enc", "W_dec", "b_dec", "scaling_factor",
					     "finetuning_scaling_factor"};
	struct latent_vector vectors[LATENT_VECTORS_MAX];
	const size_t count = latent_vectors(sae, vectors);

	for (size_t t = 0; t < file->count; t++) {
		const char *name = file->tensors[t].name;
		bool known = false;

		for (size_t i = 0; i < sizeof common / sizeof *common; i++)
			known |= !strcmp(name, common[i]);
		for (size_t i = 0; i < count; i++)
			known |= !strcmp(name, vectors[i].name);
		if (!known)
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s does not belong to an SAE whose architecture "
				       "is %s, as cfg.json says",
				       file->path, name, ps_sae_arch_name(sae->arch));
	}
	return 0;
}

int ps_sae_weights_load(const ps_safetensors *file, const ps_sae_config *config, ps_sae *sae,
			ps_diag *diag)
{
	struct latent_vector vectors[LATENT_VECTORS_MAX];
	const size_t count = latent_vectors(sae, vectors);
	int rc = load_encoder(file, config->dtype, sae, diag);

	if (!rc)
		rc = load_vector(file, "W_dec", sae->d_sae, sae->d_in, config->dtype, sae->dec,
				 diag);
	if (!rc)
		rc = load_vector(file, "b_dec", sae->d_in, 0, config->dtype, sae->b_dec, diag);
	for (size_t i = 0; i < count && !rc; i++)
		rc = load_vector(file, vectors[i].name, sae->d_sae, 0, config->dtype,
				 vectors[i].values, diag);
	if (!rc)
		rc = load_scaling(file, config, sae, diag);
	return rc ? rc : check_others(file, sae, diag);
}

void ps_sae_weights_fold(ps_sae *sae, float factor)
{
	const size_t count = sae->d_sae * sae->d_in;

	for (size_t i = 0; i < count; i++)
		sae->enc[i] *= factor;
	for (size_t i = 0; i < count; i++)
		sae->dec[i] /= factor;
	for (size_t d = 0; d < sae->d_in; d++)
		sae->b_dec[d] /= factor;
}

/* --- writing --- */

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

/* The last step of a training may overflow; no loss is computed after it. */
static int check_saved(const char *path, const char *name, const float *values, size_t count,
		       ps_diag *diag)
{
	if (ps_all_finite(values, count))
		return 0;
	return ps_fail(diag, PS_EFAILED,
		       "%s: tensor %s would hold a number that is not finite at element %zu: the "
		       "training overflowed",
		       path, name, ps_first_not_finite(values, count));
}

static int check_all_saved(const char *path, const ps_sae *sae, ps_diag *diag)
{
	const size_t matrix = sae->d_sae * sae->d_in;
	struct latent_vector vectors[LATENT_VECTORS_MAX];
	const size_t count = latent_vectors(sae, vectors);
	int rc = check_saved(path, "W_enc (transposed)", sae->enc, matrix, diag);

	if (!rc)
		rc = check_saved(path, "W_dec", sae->dec, matrix, diag);
	if (!rc)
		rc = check_saved(path, "b_dec", sae->b_dec, sae->d_in, diag);
	for (size_t i = 0; i < count && !rc; i++)
		rc = check_saved(path, vectors[i].name, vectors[i].values, sae->d_sae, diag);
	return rc;
}

int ps_sae_weights_save(const char *path, const ps_sae *sae, const json_t *extra, ps_diag *diag)
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
	rc = check_all_saved(path, sae, diag);
	if (rc)
		return rc;
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
