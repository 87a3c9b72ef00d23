/* core/model/config.h: the shape of a decoder-only model, read from a Hugging Face config.json.
 *
 * Families: llama, gemma2, gemma3_text (also as Gemma 3's text_config). Both generations of keys
 * are read:
 *   - rope_theta, rope_scaling, rope_local_base_freq, sliding_window_pattern;
 *   - rope_parameters and layer_types of transformers 5; layer_types wins.
 * Without tie_word_embeddings the head is tied for Gemma and not for Llama. Keys that the model
 * does not depend on may hold anything, Python's NaN and Infinity too (core/base/json_text.h).
 *
 * These are PS_EINPUT, and the message names the key:
 *   - what is not supported: other families, rope types, biases, activations, quantized weights
 *     (core/model/quantized.h);
 *   - sizes that are no integers (16.0 is none: transformers refuses it as well), zero or
 *     negative, do not divide each other as they must, or are too large.
 *
 * Dimension letters used throughout: L layers, D model width, H query heads, G key/value heads, d
 * head width, I MLP width, V vocabulary, T tokens, W window, F latents, K active latents. */
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
	double factor; /* linear scaling divides positions by it; 1: no scaling */
	bool llama3;   /* rope_type is llama3, which uses the four numbers below */
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
	size_t sliding_window;    /* in sliding layers query i sees key j if i - window < j <= i */
	bool sliding[PS_LAYERS_MAX];     /* whether the layer is a sliding one */
	ps_rope rope_global, rope_local; /* local: in Gemma 3's sliding layers; else = global */
	int32_t bos, eos[8], pad;        /* -1: none. They may be beyond the vocabulary. */
	int eos_count;
} ps_model_config;

/* Reads text, the contents of config.json (length bytes). path is named in messages. PS_EINPUT as
 * above, PS_EBUDGET without memory. */
int ps_config_parse(const char *text, size_t length, const char *path, ps_model_config *config,
		    ps_diag *diag) PS_MUST_USE;

/* Reads BOS alone, whatever the family: *bos is bos_token_id, the first of a list. If the key is
 * absent, it is the family's own. PS_EINPUT as ps_config_need_bos. */
int ps_config_bos(const char *text, size_t length, const char *path, int32_t *bos,
		  ps_diag *diag) PS_MUST_USE;

/* PS_EINPUT unless bos is a token of the vocabulary. A config may say otherwise: only who puts BOS
 * before a text asks. path is named in messages. */
int ps_config_need_bos(int32_t bos, size_t vocab, const char *path, ps_diag *diag) PS_MUST_USE;

/* The family's model_type: "llama", "gemma2" or "gemma3_text". */
const char *ps_family_name(ps_family family);

/* Whether id is BOS, EOS or PAD of this model. */
bool ps_config_is_special(const ps_model_config *config, int32_t id);

#endif
