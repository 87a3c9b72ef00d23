#include "sae/fold.h"

#include <math.h>
#include <string.h>

#include "core/base/finite.h"

static double dot(const float *a, const float *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)a[i] * (double)b[i];
	return sum;
}

bool ps_sae_fold_b_dec(ps_sae *sae, bool apply)
{
	const double sign = apply ? 1 : -1;

	if (sae->apply_b_dec_to_input == apply)
		return false;
	for (size_t j = 0; j < sae->d_sae; j++)
		sae->b_enc[j] = (float)((double)sae->b_enc[j] + sign * dot(sae->enc + j * sae->d_in,
									   sae->b_dec, sae->d_in));
	sae->apply_b_dec_to_input = apply;
	return true;
}

bool ps_sae_fold_decoder_norm(ps_sae *sae)
{
	if (!sae->rescale_by_decoder_norm)
		return false;
	for (size_t j = 0; j < sae->d_sae; j++) {
		float *enc = sae->enc + j * sae->d_in, *dec = sae->dec + j * sae->d_in;
		const double norm = sqrt(dot(dec, dec, sae->d_in));

		sae->b_enc[j] = (float)((double)sae->b_enc[j] * norm);
		for (size_t d = 0; d < sae->d_in; d++)
			enc[d] = (float)((double)enc[d] * norm);
		for (size_t d = 0; d < sae->d_in && norm > 0; d++)
			dec[d] = (float)((double)dec[d] / norm);
	}
	sae->rescale_by_decoder_norm = false;
	return true;
}

bool ps_sae_fold_gate(ps_sae *sae)
{
	if (sae->arch != PS_SAE_GATED)
		return false;
	for (size_t j = 0; j < sae->d_sae; j++) {
		float *enc = sae->enc + j * sae->d_in;
		const double m = exp((double)sae->r_mag[j]);
		const double threshold = (double)sae->b_mag[j] - m * (double)sae->b_enc[j];

		for (size_t d = 0; d < sae->d_in; d++)
			enc[d] = (float)((double)enc[d] * m);
		sae->b_enc[j] = sae->b_mag[j];
		sae->r_mag[j] = threshold > 0 ? (float)threshold : 0;
	}
	sae->threshold = sae->r_mag;
	sae->r_mag = sae->b_mag = NULL;
	sae->arch = PS_SAE_JUMPRELU;
	return true;
}

bool ps_sae_fold_relu(ps_sae *sae, float *threshold)
{
	if (sae->arch != PS_SAE_RELU)
		return false;
	memset(threshold, 0, sae->d_sae * sizeof *threshold);
	sae->threshold = threshold;
	sae->arch = PS_SAE_JUMPRELU;
	return true;
}

bool ps_sae_fold_thresholds(ps_sae *sae)
{
	bool found = false;

	for (size_t j = 0; sae->threshold && j < sae->d_sae; j++)
		if (sae->threshold[j] < 0) {
			sae->threshold[j] = 0;
			found = true;
		}
	return found;
}

void ps_sae_fold_row_factor(ps_sae *sae, float factor)
{
	const size_t count = sae->d_sae * sae->d_in;

	for (size_t i = 0; i < count; i++)
		sae->enc[i] *= factor;
	for (size_t i = 0; i < count; i++)
		sae->dec[i] /= factor;
	for (size_t d = 0; d < sae->d_in; d++)
		sae->b_dec[d] /= factor;
}

bool ps_sae_is_finite(const ps_sae *sae)
{
	const size_t matrix = sae->d_sae * sae->d_in;
	const float *const latents[] = {sae->b_enc, sae->threshold, sae->r_mag, sae->b_mag};
	bool finite = ps_all_finite(sae->enc, matrix) && ps_all_finite(sae->dec, matrix) &&
		      ps_all_finite(sae->b_dec, sae->d_in);

	for (size_t i = 0; i < sizeof latents / sizeof *latents; i++)
		finite = finite && (!latents[i] || ps_all_finite(latents[i], sae->d_sae));
	return finite;
}
