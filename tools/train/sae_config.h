/* tools/train/sae_config.h: cfg.json of an SAE's folder, by the rules of SAELens 3 to 6.
 *
 * SAELens 6 converts a configuration as an old one unless it names a version of at least 6.0.0-rc.0
 * (sae_lens_version, beside the other keys or in `metadata`). The conversion, as SAELens does it:
 * - `hook_point` is hook_name, `hook_point_head_index` hook_head_index, `activation_fn_str`
 *   activation_fn.
 * - activation_fn "topk" with a k in `activation_fn_kwargs` is the architecture topk, whatever
 *   `architecture` says. Without `architecture` the SAE is standard.
 * - normalize_activations true is expected_average_only_in; false, null or absent is none.
 * - Where the hook is a hook_z, reshape_activations is hook_z.
 * What SAELens would compute and this program does not is refused by name: other architectures and
 * activation functions, transcoders, one head of attention, reshaping, normalization of each row.
 * So are values of another type than SAELens writes, keys that contradict each other, and keys that
 * nobody knows (sae_keys.h). */
#ifndef PS_TOOLS_TRAIN_SAE_CONFIG_H
#define PS_TOOLS_TRAIN_SAE_CONFIG_H

#include "core/base/digest.h"
#include "core/base/dtype.h"
#include "core/base/json.h"
#include "sae/sae.h"

/* Where the activations came from, as the configuration or the path says it. A text that is missing
 * is empty. */
typedef struct ps_sae_about {
	char hook_name[256], model_name[512];
	char model_digest[PS_DIGEST_TEXT];    /* of the checkpoint; ours alone */
	char mask_digest[PS_DIGEST_TEXT];     /* of the mask, or PS_NO_MASK; ours alone */
	bool hook_from_path, model_from_path; /* no file says it, only the path of the folder */
	bool prepend_bos;
	int64_t context_size;
} ps_sae_about;

/* What stands in the place of a mask's digest where the model is dense. */
#define PS_NO_MASK "none"

/* How a format names the tensors of an SAE. NULL: its SAEs have none of that kind. */
typedef struct ps_sae_tensors {
	const char *enc, *dec, *b_dec;
	const char *b_enc, *threshold, *r_mag, *b_mag;
	bool enc_by_latent, dec_by_latent; /* [F, D] in the file; else [D, F] */
	bool scaling;                      /* there may be a scaling_factor */
	const char *said_by;               /* what says which tensors there are */
} ps_sae_tensors;

typedef struct ps_sae_config {
	ps_sae shape; /* without weights */
	ps_sae_about about;
	ps_sae_tensors tensors;
	ps_dtype dtype;      /* SAELens rounds the weights to it: PS_F32, PS_F64, PS_F16, PS_BF16 */
	bool scaled_latents; /* finetuning_scaling_factor: a factor for each latent when decoding */
	/* expected_average_only_in: the SAE is made for rows that were multiplied by one number,
	 * which cfg.json of SAELens does not hold. */
	bool scaled_rows;
	double row_factor;        /* that number, where the configuration holds it; else 0 */
	float threshold;          /* of all latents of a jumprelu without such a tensor */
	bool positive_thresholds; /* thresholds below 0 are refused */
} ps_sae_config;

/* Parses cfg. path names it in messages. PS_EINPUT: naming the key, its value and what is right. */
int ps_sae_config_parse(const json_t *cfg, const char *path, ps_sae_config *config,
			ps_diag *diag) PS_MUST_USE;

/* The names and orders that SAELens gives the tensors of an SAE. */
ps_sae_tensors ps_sae_saelens_tensors(ps_sae_arch arch);

/* The cfg.json of an SAE as SAELens 6 writes it. NULL: no memory. */
json_t *ps_sae_config_make(const ps_sae *sae, const ps_sae_about *about);

/* "topk", "jumprelu", "standard", "gated" */
const char *ps_sae_arch_name(ps_sae_arch arch);

#endif
