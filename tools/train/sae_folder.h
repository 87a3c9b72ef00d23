/* tools/train/sae_folder.h: an SAE as the folder that SAELens 6 reads and writes, with three files
 * of our own.
 *
 *   sae_weights.safetensors  F32: W_enc [D, F], W_dec [F, D], b_dec [D], b_enc [F];
 *                            jumprelu also has threshold [F];
 *                            gated has b_gate, r_mag and b_mag [F] instead of b_enc
 *   cfg.json                 architecture, d_in, d_sae, k, ..., metadata
 *   training.safetensors     firing_count I64 [F]: rows on which each latent fired, of those that
 *                            the SAE was measured on after training
 *   manifest.json            sizes, digests, provenance, results of training
 *   checkpoint.safetensors   the trainer's state, while training is not finished
 * The first two are enough: a folder of another tool is read as well, unverified. Where there is a
 * manifest, the first three files must be the ones that it names; an unfinished SAE is refused.
 *
 * Commands read SAEs through ps_sae_folder_measure and ps_sae_folder_load alone. Folders of other
 * formats (sae_format.h) are read by them as well: such an SAE is unverified and has no alive and
 * no firing, unless we converted it (sae_folder_save.h, which writes all of them). */
#ifndef PS_TOOLS_TRAIN_SAE_FOLDER_H
#define PS_TOOLS_TRAIN_SAE_FOLDER_H

#include "core/base/arena.h"
#include "core/base/json.h"
#include "io/artefact.h"
#include "tools/train/sae_config.h"

#define PS_SAE_WEIGHTS "sae_weights.safetensors"
#define PS_SAE_CONFIG "cfg.json"
#define PS_SAE_TRAINING "training.safetensors"
/* The key of a manifest that holds the cfg.json of SAELens, where the folder has another tool's. */
#define PS_SAE_OWN_CONFIG "saelens_cfg"

typedef struct ps_sae_folder {
	ps_sae sae; /* in the arena */
	ps_arena arena;
	uint8_t *alive;   /* (F): whether the latent fired; NULL when the folder does not say */
	uint64_t *firing; /* (F): on how many rows; NULL as well */
	uint64_t digest;  /* of the weights file and cfg.json */
	bool foreign;     /* of another tool: without a manifest */
	const char *form; /* "SAELens", "sparsify", "Gemma Scope", ...: whose files they are */
	bool start_known; /* we trained it, and the manifest says from where: */
	uint64_t init_seed;
	double row_factor; /* folded into the weights (ps_sae_fold_row_factor); 0: none */
	ps_sae_about about;
} ps_sae_folder;

/* Reads cfg.json and the manifest: *shape is the SAE without its weights, *bytes what a load will
 * take. So a command can plan its memory before it takes any. PS_EINPUT: cfg.json is not
 * understood, or the weights file is too short for the shape. */
int ps_sae_folder_measure(const char *path, ps_sae *shape, size_t *bytes,
			  ps_diag *diag) PS_MUST_USE;

/* Loads the SAE into an arena of its own. PS_EINPUT: a file is missing or damaged, a tensor is
 * missing or has another shape or dtype than cfg.json says, or holds a number that is not finite.
 * After a failure nothing is held. */
int ps_sae_folder_load(ps_sae_folder *folder, const char *path, ps_diag *diag) PS_MUST_USE;
/* The same for an SAE whose rows are to be multiplied by a number that its folder may lack
 * (scaled_rows of ps_sae_config): factor then takes its place; 0: PS_EINPUT as above. Cosines do
 * not depend on it, so for them any number does. */
int ps_sae_folder_load_scaled(ps_sae_folder *folder, const char *path, double factor,
			      ps_diag *diag) PS_MUST_USE;
void ps_sae_folder_close(ps_sae_folder *folder); /* a zeroed one is allowed */

/* Reads what cfg.json says of the SAE's origin, without the weights. *foreign: as in
 * ps_sae_folder. Errors: as ps_sae_folder_measure. */
int ps_sae_folder_about(const char *path, ps_sae_about *about, bool *foreign,
			ps_diag *diag) PS_MUST_USE;

enum { PS_SAE_FILES = 6 };

/* Names the files below the SAE's folder that its numbers are read from, in a fixed order. names
 * (PS_SAE_FILES): constants. *count: how many there are. Errors: as ps_sae_folder_measure. */
int ps_sae_folder_files(const char *path, const char **names, size_t *count,
			ps_diag *diag) PS_MUST_USE;
/* Whether the folder lacks the number that rows are to be multiplied by
 * (ps_sae_folder_load_scaled). Errors: as ps_sae_folder_measure. */
int ps_sae_folder_lacks_factor(const char *path, bool *lacks, ps_diag *diag) PS_MUST_USE;

/* PS_EINPUT, naming both, unless the SAE at path takes rows of this width, which is that of
 * other. */
int ps_sae_check_width(const ps_sae *sae, const char *path, size_t width, const char *other,
		       ps_diag *diag) PS_MUST_USE;

#endif
