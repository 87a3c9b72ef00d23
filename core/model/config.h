/* core/model/config.h: the shape of a decoder-only model, read from a Hugging Face config.json.
 *
 * Families: llama, gemma2, gemma3_text (and Gemma 3's text_config). Both generations of keys are read:
 * rope_theta / rope_scaling / rope_local_base_freq / sliding_window_pattern, and transformers 5's
 * rope_parameters / layer_types; layer_types wins. tie_word_embeddings absent: true for Gemma, false for Llama.
 * What is not supported (other families, rope types, biases, activations) is PS_EINPUT, naming it, as are
 * sizes that are zero, negative, do not divide or overflow.
 *
 * Dimension letters used throughout: L layers, D model width, H query heads, G key/value heads, d head width,
 * I MLP width, V vocabulary, T tokens, W window, F latents, K active latents. */
#ifndef PS_CORE_MODEL_CONFIG_H
#define PS_CORE_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef enum ps_family { PS_FAMILY_LLAMA, PS_FAMILY_GEMMA2, PS_FAMILY_GEMMA3 } ps_family;

#define PS_LAYERS_MAX 512

typedef struct ps_rope {
	double theta;
	double factor; /* linear scaling: positions are divided by it; 1: none */
	bool llama3;   /* rope_type llama3, with the four numbers below */
	double llama3_factor, low_freq_factor, high_freq_factor, original_positions;
} ps_rope;

typedef struct ps_model_config {
	ps_family family;
	size_t layers, width, heads, kv_heads, head_width, mlp_width, vocab;
	size_t max_positions;
	double norm_eps;
	double attention_scale;   /* query_pre_attn_scalar^-0.5 (Gemma), head_width^-0.5 (Llama) */
	double attention_softcap; /* 0: none; always 0 for Gemma 3 */
	double logit_softcap;     /* 0: none */
	bool tied;                /* the head is the token embedding */
	bool gelu;                /* gelu_pytorch_tanh, else silu */
	size_t sliding_window; /* key j is seen by query i iff i - W < j <= i, in sliding layers */
	bool sliding[PS_LAYERS_MAX]; /* per layer */
	ps_rope rope_global,
		rope_local;       /* local: sliding layers of Gemma 3; elsewhere equal to global */
	int32_t bos, eos[8], pad; /* -1: none */
	int eos_count;
} ps_model_config;

/* text: the contents of config.json, of length bytes; path: for messages. */
int ps_config_parse(const char *text, size_t length, const char *path, ps_model_config *config,
		    ps_diag *diag) PS_MUST_USE;

const char *ps_family_name(ps_family family); /* model_type: "llama", "gemma2", "gemma3_text" */

/* id is BOS, EOS or PAD of this model. */
bool ps_config_is_special(const ps_model_config *config, int32_t id);

#endif
