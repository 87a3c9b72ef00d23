/* sae/sae.h: a sparse autoencoder in memory, its encoding and its decoding.
 *
 *   z = W_enc (x - apply_b_dec * b_dec) + b_enc,   f = act(z),   x_hat = W_dec^T f + b_dec
 * act, by architecture:
 *   topk      the K largest of z (ties to the lower index), then a ReLU
 *   jumprelu  f = z where z > threshold (strict), else 0
 *   relu      f = max(z, 0); SAELens calls it "standard"
 *   gated     b_enc is the gate's bias; where z > 0, f = max(exp(r_mag) (z - b_enc) + b_mag, 0),
 *             else 0 (Rajamanoharan et al., arXiv 2404.16014)
 * rescale_by_decoder_norm is SAELens' rescale_acts_by_decoder_norm: f_j is multiplied by |dec_j|
 * before the selection, and divided by it when decoding.
 * Shapes: B rows of a batch, D model width, F latents. Both matrices are latent-major in memory,
 * enc (F, D) and dec (F, D); files hold W_enc [D, F] and W_dec [F, D].
 * f32 throughout. Sums have a fixed order: the same bits for any threads and any batch size. */
#ifndef PS_SAE_SAE_H
#define PS_SAE_SAE_H

#include <math.h>
#include <stdbool.h>

#include "core/model/matmul.h"
#include "sae/layout.h"

typedef enum ps_sae_arch { PS_SAE_TOPK, PS_SAE_JUMPRELU, PS_SAE_RELU, PS_SAE_GATED } ps_sae_arch;

typedef struct ps_sae {
	ps_sae_arch arch;
	size_t d_in, d_sae, k; /* D, F, K; k: topk only */
	bool apply_b_dec_to_input, rescale_by_decoder_norm;
	/* Only in training: f may be negative. topk leaves its ReLU out, jumprelu takes negative
	 * thresholds. */
	bool signed_values;
	float *enc, *dec;         /* (F, D) */
	float *b_enc, *threshold; /* (F); threshold is NULL unless jumprelu */
	float *r_mag, *b_mag;     /* (F); NULL unless gated */
	float *b_dec;             /* (D) */
} ps_sae;

/* Arena bytes of an SAE of any architecture. SIZE_MAX when the shape is not possible. */
size_t ps_sae_bytes(size_t d_in, size_t d_sae);
/* Makes an SAE whose parameters are zeros from the arena, with apply_b_dec_to_input set.
 * PS_EINPUT when the shape is not possible or k is not in 1 .. d_sae (topk); PS_EBUDGET. */
int ps_sae_create(ps_sae *sae, ps_sae_arch arch, size_t d_in, size_t d_sae, size_t k,
		  ps_arena *arena, ps_diag *diag) PS_MUST_USE;
/* Lists the parameters of an SAE whose arch and shape are set. They are zeros. */
void ps_sae_lay_out(ps_sae_layout *layout, ps_sae *sae);

/* The active latents of a batch. Row r's are index and value [start[r], start[r + 1]), by
 * ascending index. */
typedef struct ps_codes {
	size_t rows, capacity; /* capacity: entries of index and value */
	size_t *start;         /* (rows + 1) */
	uint32_t *index;       /* (capacity) */
	float *value;          /* (capacity) */
} ps_codes;

/* The most latents that a row's code can list: K for topk, F otherwise. */
static inline size_t ps_sae_active_max(const ps_sae *sae)
{
	return sae->arch == PS_SAE_TOPK ? sae->k : sae->d_sae;
}

/* gated: the magnitude of latent j, before the ReLU, where the gate's pre-activation is z. */
static inline float ps_gated_magnitude(const ps_sae *sae, size_t j, float z)
{
	return expf(sae->r_mag[j]) * (z - sae->b_enc[j]) + sae->b_mag[j];
}

/* Arena bytes of the codes of up to max_rows rows; sae gives arch and shape. */
size_t ps_codes_bytes(const ps_sae *sae, size_t max_rows);
/* Makes empty codes for up to max_rows rows. PS_EBUDGET. */
int ps_codes_create(ps_codes *codes, const ps_sae *sae, size_t max_rows, ps_arena *arena,
		    ps_diag *diag) PS_MUST_USE;
/* Lists the buffers of codes. */
void ps_codes_lay_out(ps_sae_layout *layout, ps_codes *codes, const ps_sae *sae, size_t max_rows);

/* Scratch for encoding batches of up to max_rows rows. */
typedef struct ps_encoder ps_encoder;

/* Arena bytes of an encoder; sae gives arch and shape. */
size_t ps_encoder_bytes(const ps_sae *sae, int threads, size_t max_rows);
/* Makes an encoder. sae and context are borrowed. PS_EBUDGET. */
int ps_encoder_create(ps_encoder **encoder, const ps_sae *sae, const ps_context *context,
		      size_t max_rows, ps_arena *arena) PS_MUST_USE;
/* Lists the buffers of an encoder. NULL while counting. */
ps_encoder *ps_encoder_lay_out(ps_sae_layout *layout, const ps_sae *sae, size_t max_rows);

/* codes = act(x) for x (rows, D), rows <= max_rows. Only activations that are not zero are listed,
 * unless signed_values is set. */
void ps_encoder_run(ps_encoder *encoder, const float *x, size_t rows, ps_codes *codes);

/* x_hat (rows, D) = the reconstruction from the codes. */
void ps_sae_decode(const ps_sae *sae, const ps_context *context, const ps_codes *codes,
		   float *x_hat);

#endif
