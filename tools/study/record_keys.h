/* tools/study/record_keys.h: keys by which results.c reads the records of a study's steps.
 *
 * A record is what the step's command answers with --json. Where results.json holds a record's
 * value under the record's own key, results.c copies it by the schema's name and nothing stands
 * here. */
#ifndef PS_TOOLS_STUDY_RECORD_KEYS_H
#define PS_TOOLS_STUDY_RECORD_KEYS_H

/* `ppl`: ids scored; for each window, the sum of the negative log likelihood and the ids scored. */
#define PS_RECORD_PPL_TOKENS "tokens"
#define PS_RECORD_PPL_WINDOW_NLL "window_nll"
#define PS_RECORD_PPL_WINDOW_TOKENS "window_tokens"

/* The findings of a condition: survival (an object), fragility and ablation (copied). */
#define PS_RECORD_SURVIVAL "survival"
#define PS_RECORD_SURVIVAL_MEAN "mean"        /* list, by threshold */
#define PS_RECORD_SURVIVAL_SD "sd"            /* list, by threshold */
#define PS_RECORD_SURVIVAL_BY_SEED "by_seed"  /* list, by seed, at the main threshold */
#define PS_RECORD_SURVIVAL_ALIVE "alive"      /* number, at the main threshold */
#define PS_RECORD_SURVIVAL_OTHER "other_seed" /* list, by threshold */

/* `transfer`: of the SAE on the dense model's rows. */
#define PS_RECORD_TRANSFER_FVU_DENSE "fvu_dense"
#define PS_RECORD_TRANSFER_L0_DENSE "l0_dense"

/* `ablate`: latents ablated. Their mean effect has the schema's key. */
#define PS_RECORD_ABLATION_LATENTS "latents"
/* list: of each latent. */
#define PS_RECORD_ABLATION_EFFECT "effect"

/* A mask file's metadata: for each weight, its shape and how many of its entries are dropped. */
#define PS_RECORD_MASK_TENSORS "tensors"
#define PS_RECORD_MASK_ROWS "rows"
#define PS_RECORD_MASK_COLS "cols"
#define PS_RECORD_MASK_DROPPED "dropped"

#endif
