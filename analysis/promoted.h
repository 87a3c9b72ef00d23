/* analysis/promoted.h: which tokens a latent's decoder row promotes and which it suppresses,
 * through the output head.
 *
 *   logit[j, v] = sum_d W_U[v, d] g_d dec[j, d]
 * W_U (V, D): the output head; g: the gain of the final norm as it is applied (Gemma: 1 + its
 * weight). The norm's division by the root mean square of the whole residual stream is left out,
 * because it depends on the other latents: it scales all of a latent's logits alike. So is the cap
 * on logits, which does not change their order. Layers between the SAE and the head are passed over
 * (direct effect on the logits; nostalgebraist's logit lens).
 *
 * The ten largest and the ten smallest of each latent, ties to the lower id. The head streams
 * through once for all latents; the logits are never all in memory. f32 sums of core/model/matmul:
 * same bits for any number of threads. */
#ifndef PS_ANALYSIS_PROMOTED_H
#define PS_ANALYSIS_PROMOTED_H

#include "core/base/progress.h"
#include "core/model/matmul.h"

enum { PS_PROMOTED_TOKENS = 10 };

/* Largest first; smallest first. */
typedef enum ps_promoted_end { PS_PROMOTED, PS_SUPPRESSED, PS_PROMOTED_ENDS } ps_promoted_end;

typedef struct ps_promoted {
	int32_t (*token)[PS_PROMOTED_ENDS][PS_PROMOTED_TOKENS]; /* (F); -1: V is smaller */
	float (*logit)[PS_PROMOTED_ENDS][PS_PROMOTED_TOKENS];   /* (F) */
} ps_promoted;

typedef struct ps_promoted_input {
	const ps_model_config *config;
	const ps_weight_source *source;
	ps_precision precision;
	const float *dec; /* (F, D) */
	size_t latents;   /* F */
} ps_promoted_input;

/* Arena bytes: the decoder rows once more, times g, and F logits of 256 tokens. */
size_t ps_promoted_bytes(const ps_model_config *config, ps_precision precision, size_t latents,
			 int threads);
/* Fills out, whose arrays are taken from the arena and live as long as it does; the rest is given
 * back. Errors: those of the source; a weight that is not finite is PS_EINPUT; PS_EFAILED: logits
 * overflow; PS_EINTERRUPTED: between blocks. */
int ps_promoted_find(const ps_promoted_input *input, const ps_context *context, ps_arena *arena,
		     ps_promoted *out) PS_MUST_USE;

#endif
