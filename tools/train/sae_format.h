/* tools/train/sae_format.h: which tool wrote an SAE, by the files that it wrote.
 *
 *   file in the folder    format             read by
 *   sae_weights.safetensors, cfg.json        SAELens, and ours: sae_config.h
 *   sae.safetensors       sparsify           sae_sparsify.h
 *   params.npz            Gemma Scope        sae_gemma_scope.h
 *   params.safetensors    Gemma Scope 2      sae_gemma_scope.h
 *   hyperparams.json      Llama Scope        sae_llama_scope.h
 * What is no SAE, or none that is read, is refused by name: pickles (ae.pt, *.pt, ...), a folder
 * whose subfolders are SAEs, a model, an activation cache, a single file. */
#ifndef PS_TOOLS_TRAIN_SAE_FORMAT_H
#define PS_TOOLS_TRAIN_SAE_FORMAT_H

#include "tools/train/sae_config.h"

typedef struct ps_sae_format {
	const char *sign; /* the file that tells the format */
	const char *name;
	const char *weights; /* the file with the tensors, below the folder */
	/* Reads everything but the weights. *digest is that of the configuration's bytes; 0 where
	 * there is none. PS_EINPUT, naming file and key. */
	int (*read)(const char *folder, ps_sae_config *config, uint64_t *digest, ps_diag *diag);
} ps_sae_format;

/* *format is NULL for a folder in SAELens' form, and for what is not recognised. PS_EINPUT, naming
 * what lies at path, if that is none that is read. */
int ps_sae_format_find(const char *path, const ps_sae_format **format, ps_diag *diag) PS_MUST_USE;

#endif
