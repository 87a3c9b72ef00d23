#include "tools/train/sae_weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/finite.h"

enum { BLOCK = 512 }; /* numbers converted at a time */

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

/* What is read: a file whose tensors come in order, and the type that numbers are rounded to. */
struct reading {
	ps_sae_file *file;
	const ps_sae_config *config;
	ps_diag *diag;
};

/* The next numbers of the tensor that is being read, rounded, as floats. count <= BLOCK. */
static int read_numbers(const struct reading *r, const ps_tensor_info *tensor, size_t count,
			float *out)
{
	const ps_dtype from = (ps_dtype)tensor->dtype, to = r->config->dtype;
	double raw[BLOCK];
	int rc = ps_sae_file_read(r->file, raw, count * ps_dtype_size(from), r->diag);

	if (rc)
		return rc;
	if (from == PS_F64)
		for (size_t i = 0; i < count; i++)
			out[i] = (float)round_to(raw[i], to);
	else
		ps_widen(raw, from, count, out);
	if (from != PS_F64 && from != to && to != PS_F32 && to != PS_F64)
		for (size_t i = 0; i < count; i++)
			out[i] = (float)round_to(out[i], to);
	return 0;
}

static int check_finite(const struct reading *r, const ps_tensor_info *tensor, size_t first,
			size_t count, const float *values)
{
	char place[64], offset[48];
	const size_t bad = ps_first_not_finite(values, count), at = first + bad;

	if (bad == count)
		return 0;
	if (tensor->rank == 2 && !ps_sae_file_is_fortran(r->file, tensor))
		snprintf(place, sizeof place, "row %zu, column %zu", at / tensor->shape[1],
			 at % tensor->shape[1]);
	else
		snprintf(place, sizeof place, "element %zu", at);
	return ps_fail(r->diag, PS_EINPUT, "%s: tensor %s holds %f at %s%s", r->file->path,
		       tensor->name, (double)values[bad], place,
		       ps_sae_file_offset(r->file, tensor, at, offset, sizeof offset));
}

/* All numbers of a tensor, as they lie in the file. */
static int load_straight(const struct reading *r, const ps_tensor_info *tensor, size_t count,
			 float *out)
{
	int rc = ps_sae_file_begin(r->file, tensor, r->diag);

	for (size_t first = 0; first < count && !rc; first += BLOCK) {
		const size_t n = ps_min_size(BLOCK, count - first);

		rc = read_numbers(r, tensor, n, out + first);
		if (!rc)
			rc = check_finite(r, tensor, first, n, out + first);
	}
	return rc;
}

/* A matrix that lies in the file as (cols, rows) is stored as (rows, cols). */
static int load_transposed(const struct reading *r, const ps_tensor_info *tensor, size_t rows,
			   size_t cols, float *out)
{
	float block[BLOCK];
	int rc = ps_sae_file_begin(r->file, tensor, r->diag);

	for (size_t c = 0; c < cols && !rc; c++)
		for (size_t first = 0; first < rows && !rc; first += BLOCK) {
			const size_t n = ps_min_size(BLOCK, rows - first);

			rc = read_numbers(r, tensor, n, block);
			if (!rc)
				rc = check_finite(r, tensor, c * rows + first, n, block);
			for (size_t i = 0; i < n && !rc; i++)
				out[(first + i) * cols + c] = block[i];
		}
	return rc;
}

static int load_vector(const struct reading *r, const char *name, size_t count, float *out)
{
	const ps_tensor_info *tensor;
	const uint64_t shape[1] = {count};
	int rc = ps_sae_file_expect(r->file, name, 1, shape, &tensor, r->diag);

	return rc ? rc : load_straight(r, tensor, count, out);
}

/* A matrix of [F, D] (by_latent) or [D, F] in the file; (F, D) in memory. */
static int load_matrix(const struct reading *r, const char *name, bool by_latent, float *out)
{
	const size_t d_in = r->config->shape.d_in, d_sae = r->config->shape.d_sae;
	const uint64_t shape[2] = {by_latent ? d_sae : d_in, by_latent ? d_in : d_sae};
	const ps_tensor_info *tensor;
	int rc = ps_sae_file_expect(r->file, name, 2, shape, &tensor, r->diag);

	if (rc)
		return rc;
	if (by_latent != ps_sae_file_is_fortran(r->file, tensor))
		return load_straight(r, tensor, d_sae * d_in, out);
	return load_transposed(r, tensor, d_sae, d_in, out);
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

static int load_scaling(const struct reading *r, ps_sae *sae)
{
	const char *name = "scaling_factor";
	float *factor;
	int rc;

	if (!ps_sae_file_find(r->file, name))
		name = "finetuning_scaling_factor";
	if (!ps_sae_file_find(r->file, name))
		return 0;
	factor = malloc(sae->d_sae * sizeof *factor);
	if (!factor)
		return ps_fail(r->diag, PS_EBUDGET, "%s: no memory for %s", r->file->path, name);
	rc = load_vector(r, name, sae->d_sae, factor);
	if (!rc && !are_ones(factor, sae->d_sae)) {
		if (!r->config->scaled_latents)
			rc = ps_fail(r->diag, PS_EINPUT,
				     "%s: tensor %s holds other numbers than 1, but "
				     "finetuning_scaling_factor of cfg.json is not true",
				     r->file->path, name);
		for (size_t f = 0; f < sae->d_sae && !rc; f++)
			for (size_t d = 0; d < sae->d_in; d++)
				sae->dec[f * sae->d_in + d] *= factor[f];
	}
	free(factor);
	return rc;
}

/* --- the whole --- */

/* Every tensor must be one that was read. */
static int check_others(const struct reading *r)
{
	const ps_sae_tensors *t = &r->config->tensors;
	const char *const known[] = {t->enc,
				     t->dec,
				     t->b_dec,
				     t->b_enc,
				     t->threshold,
				     t->r_mag,
				     t->b_mag,
				     t->scaling ? "scaling_factor" : NULL,
				     t->scaling ? "finetuning_scaling_factor" : NULL};

	for (size_t i = 0; i < ps_sae_file_count(r->file); i++) {
		const char *name = ps_sae_file_tensor(r->file, i)->name;
		bool found = false;

		for (size_t k = 0; k < sizeof known / sizeof *known; k++)
			found |= known[k] && !strcmp(name, known[k]);
		if (!found)
			return ps_fail(r->diag, PS_EINPUT,
				       "%s: tensor %s does not belong to an SAE whose architecture "
				       "is %s, as %s says",
				       r->file->path, name, ps_sae_arch_name(r->config->shape.arch),
				       t->said_by);
	}
	return 0;
}

/* A vector of each latent, if the architecture has it. */
static int load_latents(const struct reading *r, const char *name, float *out)
{
	return name ? load_vector(r, name, r->config->shape.d_sae, out) : 0;
}

/* A threshold below 0 has no meaning where the format has none. */
static int check_thresholds(const struct reading *r, const ps_sae *sae)
{
	if (!sae->threshold || !r->config->positive_thresholds)
		return 0;
	for (size_t f = 0; f < sae->d_sae; f++)
		if (sae->threshold[f] < 0)
			return ps_fail(r->diag, PS_EINPUT,
				       "%s: tensor %s holds %g at element %zu: a threshold must "
				       "not be negative",
				       r->file->path, r->config->tensors.threshold,
				       (double)sae->threshold[f], f);
	return 0;
}

int ps_sae_weights_load(ps_sae_file *file, const ps_sae_config *config, ps_sae *sae, ps_diag *diag)
{
	const struct reading r = {file, config, diag};
	const ps_sae_tensors *t = &config->tensors;
	int rc = load_matrix(&r, t->enc, t->enc_by_latent, sae->enc);

	if (!rc)
		rc = load_matrix(&r, t->dec, t->dec_by_latent, sae->dec);
	if (!rc && t->b_dec)
		rc = load_vector(&r, t->b_dec, sae->d_in, sae->b_dec);
	if (!rc)
		rc = load_latents(&r, t->b_enc, sae->b_enc);
	if (!rc)
		rc = load_latents(&r, t->threshold, sae->threshold);
	if (!rc)
		rc = load_latents(&r, t->r_mag, sae->r_mag);
	if (!rc)
		rc = load_latents(&r, t->b_mag, sae->b_mag);
	for (size_t f = 0; !t->threshold && sae->threshold && f < sae->d_sae; f++)
		sae->threshold[f] = config->threshold;
	if (!rc)
		rc = check_thresholds(&r, sae);
	if (!rc && t->scaling)
		rc = load_scaling(&r, sae);
	return rc ? rc : check_others(&r);
}
