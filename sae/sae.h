/* sae/sae.h: a sparse autoencoder in memory, its encoding and decoding.
 *
 *   z = W_enc (x - apply_b_dec * b_dec) + b_enc,   f = act(z),   x_hat = W_dec^T f + b_dec
 *   topk: the K largest of z (ties to the lower index), then ReLU. jumprelu: f = z where z > threshold (strict).
 *   relu (SAELens "standard"): f = max(z, 0).
 *   gated (Rajamanoharan et al., arXiv 2404.16014): b_enc is the gate's bias; where z > 0,
 *   f = max(exp(r_mag) (z - b_enc) + b_mag, 0).
 * Shapes: both matrices are kept latent-major here, enc (F, D), dec (F, D); files have W_enc [D, F], W_dec [F, D].
 * rescale: SAELens' rescale_acts_by_decoder_norm: f_j is multiplied by |dec_j| for selection, and divided out
 * again when decoding. f32 throughout; sums in fixed order: same bits for any threads and batch size. */
#ifndef PS_SAE_SAE_H
#define PS_SAE_SAE_H

#include <math.h>
#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/progress.h"
#include "core/model/matmul.h"

typedef enum ps_sae_arch { PS_SAE_TOPK, PS_SAE_JUMPRELU, PS_SAE_RELU, PS_SAE_GATED } ps_sae_arch;

typedef struct ps_sae {
	ps_sae_arch arch;
	size_t d_in, d_sae, k;
	bool apply_b_dec_to_input, rescale_by_decoder_norm;
	bool signed_values; /* of training alone: topk without its ReLU, jumprelu by a threshold that may be negative */
	float *enc, *dec;         /* (F, D) */
	float *b_enc, *threshold; /* (F); threshold NULL unless jumprelu */
	float *r_mag, *b_mag;     /* (F); NULL unless gated */
	float *b_dec;             /* (D) */
} ps_sae;

size_t ps_sae_bytes(size_t d_in, size_t d_sae);
/* Zeroed parameters from the arena. */
int ps_sae_create(ps_sae *sae, ps_sae_arch arch, size_t d_in, size_t d_sae, size_t k,
		  ps_arena *arena, ps_diag *diag) PS_MUST_USE;

/* The active latents of a batch, row by row: row r's are index/value[start[r] .. start[r + 1]), by ascending index. */
typedef struct ps_codes {
	size_t rows, capacity; /* capacity: entries of index and value */
	size_t *start;         /* rows + 1 */
	uint32_t *index;
	float *value;
} ps_codes;

/* gated: the magnitude of latent j where its gate's pre-activation is z, before the ReLU. */
static inline float ps_gated_magnitude(const ps_sae *sae, size_t j, float z)
{
	return expf(sae->r_mag[j]) * (z - sae->b_enc[j]) + sae->b_mag[j];
}

typedef struct ps_encoder ps_encoder; /* scratch for batches of at most max_rows */
size_t ps_encoder_bytes(const ps_sae *sae, int threads, size_t max_rows);
int ps_encoder_create(ps_encoder **encoder, const ps_sae *sae, const ps_context *context,
		      size_t max_rows, ps_arena *arena) PS_MUST_USE;
size_t ps_codes_bytes(const ps_sae *sae, size_t max_rows);
int ps_codes_create(ps_codes *codes, const ps_sae *sae, size_t max_rows, ps_arena *arena,
		    ps_diag *diag) PS_MUST_USE;

/* codes = act(x) for x (rows, D), rows <= max_rows. Only non-zero activations are listed. */
void ps_encoder_run(ps_encoder *encoder, const float *x, size_t rows, ps_codes *codes);
/* x_hat (rows, D) of the codes. */
void ps_sae_decode(const ps_sae *sae, const ps_context *context, const ps_codes *codes,
		   float *x_hat);

#endif
