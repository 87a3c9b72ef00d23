/* sae/encode_topk.h: the TopK encoding of a batch, exact, without the matrix of pre-activations.
 *
 *   z_j = enc_j . x + b_j, multiplied by |dec_j| if the SAE rescales
 * A row lists its k largest z that are positive, or of any sign with signed_values; ties go to the
 * lower latent. Products are ps_rows_dot's (sae/sparse.h), so that two paths give the same bits:
 *   plain     computes all F products of a row, then selects (ps_topk_select)
 *   screened  an int16 product with a proven bound leaves a few more than k latents; only these are
 *             computed in f32 (sae/screen.h)
 * Rows are screened where that is faster (ps_screen_pays). PRUNESCOPE_SCREEN=plain takes the plain
 * path; ref, avx2, avx512 and vnni choose the int16 kernel. */
#ifndef PS_SAE_ENCODE_TOPK_H
#define PS_SAE_ENCODE_TOPK_H

#include "sae/sae.h"

typedef struct ps_topk_encoder ps_topk_encoder;

/* Lists the buffers of an encoder for batches of up to max_rows rows. NULL while counting. sae and
 * the layout's context are borrowed; d_sae and k may become smaller later. */
ps_topk_encoder *ps_topk_encoder_lay_out(ps_sae_layout *layout, const ps_sae *sae, size_t max_rows);

/* Takes over the present weights of all latents, with all threads. norm: (F) factors of z, or
 * NULL. */
void ps_topk_encoder_take_all(ps_topk_encoder *encoder, const float *norm);

/* Encodes x (rows, D) with the weights taken over last. Row r's entries are index and value from
 * r * k on, their number is start[r]. norm: as it was taken over. */
void ps_topk_encoder_run(ps_topk_encoder *encoder, const float *x, size_t rows, const float *norm,
			 ps_codes *codes);

/* Lists a row whose pre-activations z (count > 0) are not all finite: one latent, the first at
 * fault, with the activation NaN. So the overflow does not vanish in the selection: the row's
 * reconstruction is NaN. Returns the entries, 1. */
size_t ps_list_overflow(const float *z, size_t count, uint32_t *index, float *value);

#endif
