/* tools/cmd/feature_file.h: the table that `features` writes: a row a latent of the dense SAE.
 *
 * A safetensors file of kind "features". F latents, T values of tau; side 0 is the dense model,
 * side 1 the pruned one. Formulas: analysis/feature_stats.h.
 *
 *   rows_dense, rows_pruned, rows_both             I64 [F]
 *   rate_, peak_, mean_ with dense and pruned      F64 [F]
 *   rate_change, mean_change, pearson, jaccard     F64 [F]
 *   decoder_norm                                   F64 [F]  |d|
 *   context_activation                             F32 [F, 2, 10]        most active first
 *   context_value                                  F32 [F, 2, 10, 2, 16] both models' activations
 *   histogram                                      I32 [F, 2, 64]
 *   context_window, context_position               I32 [F, 2, 10]        -1: no such context
 *   context_token                                  I32 [F, 2, 10, 16]    -1: beyond the window
 *   class                                          U8  [F]  place in the metadata's class_names
 * With the pruned model's SAE (analysis/compare.h):
 *   cosine F32 [F], nearest I32 [F], mutual U8 [F], survival U8 [F, T]
 * With ablations of the dense, of the pruned model:
 *   ablation_effect, ablation_per_firing           F64 [F]
 *   pruned_ablation_effect, pruned_ablation_per_firing
 * With the output head (analysis/promoted.h), promoted tokens, then suppressed ones:
 *   promoted_logit                                 F32 [F, 2, 10]
 *   promoted_token                                 I32 [F, 2, 10]        -1: no such token
 * A table that was made without activations has these two alone, and 0 rows.
 * A number that the data do not define is NaN. Metadata: schema, provenance, rows (those that
 * count), taus, class_names, thresholds, histogram, context. */
#ifndef PS_TOOLS_CMD_FEATURE_FILE_H
#define PS_TOOLS_CMD_FEATURE_FILE_H

#include "analysis/feature_stats.h"
#include "analysis/promoted.h"
#include "core/base/json.h"
#include "io/safetensors.h"

#define PS_FEATURES_SCHEMA "prunescope-features/1"

enum { PS_FEATURE_TAUS_MAX = 16 };

/* Which columns a file has. */
typedef enum ps_feature_group {
	PS_FEATURE_STATS,
	PS_FEATURE_MATCH,
	PS_FEATURE_ABLATION,
	PS_FEATURE_PRUNED_ABLATION,
	PS_FEATURE_HEAD,
	PS_FEATURE_GROUPS
} ps_feature_group;

/* One row. Columns that a file lacks are NaN, -1 or 0. */
typedef struct ps_feature_row {
	int64_t rows_dense, rows_pruned, rows_both;
	double rate_dense, rate_pruned, peak_dense, peak_pruned, mean_dense, mean_pruned;
	double rate_change, mean_change, pearson, jaccard, decoder_norm;
	double ablation_effect, ablation_per_firing;
	double pruned_ablation_effect, pruned_ablation_per_firing;
	float cosine;
	int32_t nearest;
	uint8_t mutual, class, survival[PS_FEATURE_TAUS_MAX];
	/* What is large. */
	float context_activation[PS_MODEL_SIDES][PS_CONTEXTS];
	float context_value[PS_MODEL_SIDES][PS_CONTEXTS][PS_MODEL_SIDES][PS_CONTEXT_TOKENS];
	int32_t histogram[PS_MODEL_SIDES][PS_ACTIVATION_BINS];
	int32_t context_window[PS_MODEL_SIDES][PS_CONTEXTS];
	int32_t context_position[PS_MODEL_SIDES][PS_CONTEXTS];
	int32_t context_token[PS_MODEL_SIDES][PS_CONTEXTS][PS_CONTEXT_TOKENS];
	float promoted_logit[PS_PROMOTED_ENDS][PS_PROMOTED_TOKENS];
	int32_t promoted_token[PS_PROMOTED_ENDS][PS_PROMOTED_TOKENS];
} ps_feature_row;

/* --- writing --- */

/* What a new file is to hold. All of it is borrowed. */
typedef struct ps_feature_spec {
	const char *path;
	const json_t *about; /* the metadata (ps_feature_about) */
	size_t latents, taus;
	const bool *has; /* (PS_FEATURE_GROUPS) */
	/* Fills in a row that is cleared as for a file without any column. large: what is large is
	 * wanted as well. It is called for each latent and column. */
	void (*fill)(void *context, size_t latent, bool large, ps_feature_row *row);
	void *context;
} ps_feature_spec;

/* The metadata but the provenance: a new object, or NULL when memory ran out. */
json_t *ps_feature_about(uint64_t rows, const double *taus, size_t count);

/* The data of such a file, in bytes. */
size_t ps_feature_file_bytes(size_t latents, size_t taus, const bool has[PS_FEATURE_GROUPS]);

/* Writes the file, atomically. */
int ps_feature_file_write(const ps_sys *sys, const ps_feature_spec *spec,
			  ps_diag *diag) PS_MUST_USE;

/* --- reading --- */

enum { PS_FEATURE_COLUMNS = 31 };

typedef struct ps_feature_file {
	ps_safetensors file;
	uint64_t rows; /* those that count; 0: without PS_FEATURE_STATS */
	size_t latents, taus;
	double tau[PS_FEATURE_TAUS_MAX];
	bool has[PS_FEATURE_GROUPS];
	const ps_tensor_info *tensor[PS_FEATURE_COLUMNS]; /* NULL: it is not there */
} ps_feature_file;

/* Maps a file and checks its schema, the shapes, and every value: what may be NaN is NaN or finite,
 * what is no number of a token, window, class or latent is refused. verify: its checksums too.
 * PS_EINPUT. */
int ps_feature_file_open(ps_feature_file *file, const ps_sys *sys, const char *path, bool verify,
			 ps_diag *diag) PS_MUST_USE;
void ps_feature_file_close(ps_feature_file *file); /* a zeroed one is allowed */

/* Copies the row of a latent. */
void ps_feature_file_read(const ps_feature_file *file, size_t latent, ps_feature_row *row);

/* --- as a table --- */

enum { PS_FEATURE_CSV_LINE_BYTES = 640 }; /* at most of a latent; twice while the text grows */

/* Writes the columns that have one value a latent, and survival, as CSV with a line of names and a
 * line a latent. What is not defined is empty. Replaces the file atomically. */
int ps_feature_csv_write(const ps_feature_file *file, const char *path, ps_diag *diag) PS_MUST_USE;
/* Whether the file at path begins like one that ps_feature_csv_write wrote. */
bool ps_feature_csv_is_ours(const char *path);

#endif
