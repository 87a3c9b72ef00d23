/* sae/encode_topk.h: the TopK encoding of a batch, exact, without the matrix of pre-activations.
 *
 *   z_j = enc_j . x + b_j, times |dec_j| if the SAE rescales; a product is ps_rows_dot's (sae/sparse.h), whichever path
 *   computes it; listed are the k largest z, ties to the lower index, as far as they are positive.
 * Two paths, the same bits: plain (all F products of a row, then ps_topk_select) and screened (sae/screen.h: an int16
 * product with a proven bound leaves a few more than k latents, which alone are computed). Screened wherever that
 * pays; PRUNESCOPE_SCREEN=plain takes the plain path, =ref|avx2|avx512|vnni another kernel. */
#ifndef PS_SAE_ENCODE_TOPK_H
#define PS_SAE_ENCODE_TOPK_H

#include "sae/sae.h"

typedef struct ps_topk_encoder ps_topk_encoder;

/* Lists the buffers of an encoder for batches of up to max_rows rows. NULL while counting. sae and
 * the layout's context are borrowed; d_sae and k may become smaller later. */
ps_topk_encoder *ps_topk_encoder_lay_out(ps_sae_layout *layout, const ps_sae *sae, size_t max_rows);

/* Takes the weights of latents [first, end) over, as sae/screen.h takes them; norm (F) or NULL. */
void ps_topk_encoder_take(ps_topk_encoder *encoder, size_t first, size_t end, const float *norm);
/* All of them, by all threads. */
void ps_topk_encoder_take_all(ps_topk_encoder *encoder, const float *norm);

/* Row r's entries at r * k of index and value, their number at start[r]. The weights were taken over before. */
void ps_topk_encoder_run(ps_topk_encoder *encoder, const float *x, size_t rows, const float *norm,
			 ps_codes *codes);

#endif
