/* tools/train/sae_folder.h: an SAE as the folder that SAELens 6 reads and writes, and what we keep beside it.
 *
 *   sae_weights.safetensors  W_enc [D, F], W_dec [F, D], b_dec [D], b_enc [F], threshold [F] (jumprelu), F32;
 *                           gated has b_gate, r_mag and b_mag [F] instead of b_enc
 *   cfg.json                 architecture, d_in, d_sae, k, ..., metadata
 *   training.safetensors     firing_count I64 [F]: rows of the last evaluation on which each latent fired
 *   manifest.json            sizes, digests, provenance, results of training
 *   checkpoint.safetensors   the trainer's state while it is not done
 * A folder of another tool holding the first two is read too, as unverified. */
#ifndef PS_TOOLS_TRAIN_SAE_FOLDER_H
#define PS_TOOLS_TRAIN_SAE_FOLDER_H

#include <jansson.h>

#include "core/base/arena.h"
#include "io/artefact.h"
#include "sae/sae.h"

/* What cfg.json says, and where the activations came from. */
typedef struct ps_sae_about {
	char hook_name[128], model_name[128];
	bool prepend_bos;
	int64_t context_size;
} ps_sae_about;

typedef struct ps_sae_folder {
	ps_sae sae; /* in the arena */
	ps_arena arena;
	uint8_t *alive;   /* (F), or NULL when the folder does not say */
	uint64_t *firing; /* (F), or NULL */
	uint64_t digest;  /* of the weights file and cfg.json */
	ps_sae_about about;
} ps_sae_folder;

/* Reads cfg.json alone: *shape is the SAE without its weights, *bytes what a load will take. So memory can be planned
 * before any is taken. PS_EINPUT when the weights file is too short for the shape. */
int ps_sae_folder_measure(const char *path, ps_sae *shape, size_t *bytes,
			  ps_diag *diag) PS_MUST_USE;

/* Loads into its own arena. Shapes and finiteness are checked (PS_EINPUT). */
int ps_sae_folder_load(ps_sae_folder *folder, const char *path, ps_diag *diag) PS_MUST_USE;
void ps_sae_folder_close(ps_sae_folder *folder); /* a zeroed one is allowed */

/* PS_EINPUT, naming both, unless the SAE (of that path) takes rows of the width that other has. */
int ps_sae_check_width(const ps_sae *sae, const char *path, size_t width, const char *other,
		       ps_diag *diag) PS_MUST_USE;

/* The three files, noted in the folder's manifest. */
int ps_sae_folder_save(ps_folder *folder, const char *path, const ps_sae *sae,
		       const ps_sae_about *about, const uint64_t *firing, const json_t *provenance,
		       ps_diag *diag) PS_MUST_USE;

#endif
