/* tools/study/study_file.h: the study as its YAML file describes it, with defaults filled in and
 * ranges checked. */
#ifndef PS_TOOLS_STUDY_STUDY_FILE_H
#define PS_TOOLS_STUDY_STUDY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/model/kernel.h"

typedef struct ps_study_model {
	char *name, *path;
	int64_t layer;
	char *dictionary; /* an SAE that somebody else trained on the model; NULL: none */
} ps_study_model;

/* A checkpoint of the same shapes as a model of the study: a condition of that model. */
typedef struct ps_study_checkpoint {
	char *name, *path;
	char *model;     /* name of the model; NULL: the study has one */
	size_t of_model; /* its index */
} ps_study_checkpoint;

/* Where a key stands in the file, or an item of a key's list. */
typedef struct ps_study_mark {
	const struct ps_study_key *key;
	size_t item; /* of the list, or of the list whose item has the key, from 1; 0: neither */
	size_t line, column; /* from 1 */
} ps_study_mark;

/* Which seed initialises the SAE of a pruned model. */
typedef enum ps_study_init { PS_INIT_SHARED, PS_INIT_INDEPENDENT } ps_study_init;

typedef struct ps_study_file {
	char *name;
	ps_study_model *models;
	unsigned models_count;
	ps_study_checkpoint *checkpoints;
	unsigned checkpoints_count;
	char **text;
	unsigned text_count;
	char **methods;
	unsigned methods_count;
	double *sparsities;
	unsigned sparsities_count;
	int64_t *seeds;
	unsigned seeds_count;
	int64_t pruned_seeds; /* how many of the seeds train SAEs of pruned models; 0: all */
	int64_t window, calibration_tokens, train_tokens;
	int64_t cache_tokens; /* rows of a cache; fewer than train_tokens: several epochs */
	int64_t min_chars;
	char *bos;       /* none | window: of the study's windows */
	char *precision; /* f32 | bf16 | int16 */
	char *documents; /* file | line */
	struct {
		char *scope;
		bool pool_embedding;
	} magnitude;
	struct {
		char *scope, *calibration;
	} wanda;
	struct {
		char *text;
		int64_t window, stride, max_tokens;
	} ppl;
	struct {
		char *arch, *init;
		ps_study_init start; /* as init says */
		int64_t expansion, d_sae, k, batch;
		int64_t data_seed; /* of the order of rows, of every SAE; negative: its own seed */
		double lr;
	} sae;
	struct {
		bool retrain;       /* the dense model's SAEs again, in another order of rows */
		bool random;        /* a random mask with as many zeros as a pruned model's */
		double at_sparsity; /* of the pruned model that random and matched look at */
		char **rounding;    /* weights rounded instead of pruned: int4, int4-g128, ... */
		unsigned rounding_count;
		char **matched; /* methods that prune to the perplexity of another condition */
		unsigned matched_count;
		char **frozen; /* halves of the dense model's SAE that stay as they start */
		unsigned frozen_count;
	} controls;
	struct {
		int64_t windows; /* of the spliced loss; 0: none */
	} splice;
	struct {
		int64_t features, windows; /* features 0: none */
		int64_t seeds; /* dense SAEs whose latents are ablated, from the first seed on */
	} ablation;
	struct {
		int64_t samples;
	} bootstrap;
	bool features;    /* tables and cards of single latents are made */
	bool allow_fewer; /* texts may have fewer tokens than the study asks for */
	/* Where the keys that the file has stand, in its order. Use ps_study_mark_of. */
	ps_study_mark *marks;
	size_t marks_count, marks_room;
} ps_study_file;

/* Loads the YAML file at path (tools/study/study_read.h). Relative paths in it are relative to the
 * working folder. A key that is not there gets its default; a 0 in the file is a 0. PS_EINPUT: not
 * a study file, or one whose values do not go together. The message names file, line and key. */
int ps_study_file_load(ps_study_file **file, const char *path, ps_diag *diag) PS_MUST_USE;
/* Refuses windows of SAE measurements beyond those of a cache, unless the file allows fewer. Apart
 * from the loading, because a caller may allow it. */
int ps_study_file_check_windows(const ps_study_file *file, const char *path,
				ps_diag *diag) PS_MUST_USE;
/* The file chooses the precision, or else the command line, whose choice is *precision. asked: it
 * was made there. Afterwards both are the same. PS_EUSAGE: they contradict each other. */
int ps_study_file_settle_precision(ps_study_file *file, bool asked, ps_precision *precision,
				   ps_diag *diag) PS_MUST_USE;
/* Where the key at a path such as "sae.k" stands. item: 0, or which item of its list, or of the
 * list whose item has the key, from 1. NULL: the file does not have it. */
const ps_study_mark *ps_study_mark_of(const ps_study_file *file, const char *key, size_t item);
/* Lists every key that a study file may have, such as "sae.k" for k in sae, into names (at most
 * max). The texts go into text, which has size bytes. Returns how many there are. */
size_t ps_study_file_keys(const char **names, size_t max, char *text, size_t size);
void ps_study_file_free(ps_study_file *file); /* NULL allowed */

#endif
