/* tools/study/study.h: a study in progress, shared by the modules that carry it out.
 *
 *   cmd_study.c       the order of things, the dry run
 *   study_model.c     one model: tokens, masks, perplexities, SAEs, transfer, spliced loss, ablation
 *   study_caches.c    activation caches: several in one pass as far as the disk allows, removed after their last use
 *   study_findings.c  what the five questions' answers are computed from: seeds, survival, fragility
 *   study_results.c   results.json and tables
 *
 * Folders: OUT/runs/MODEL/{tokens,calibration}.safetensors, OUT/runs/MODEL/CONDITION/{mask.safetensors, cache/,
 * sae/seed-N/, STEP.json}; CONDITION is dense, magnitude-0.50, wanda-0.30, ... */
#ifndef PS_TOOLS_STUDY_STUDY_H
#define PS_TOOLS_STUDY_STUDY_H

#include "analysis/statistics.h"
#include "core/model/config.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/study/study_file.h"
#include "tools/study/study_step.h"

#define PS_CODE_VERSION 2
#define PS_STUDY_PATH 1024
#define PS_STUDY_SEEDS_MAX 32

typedef struct ps_study_condition {
	const char *method; /* NULL: dense */
	double sparsity;
	char name[32], folder[PS_STUDY_PATH];
	ps_step mask, ppl, transfer, splice, findings; /* mask and findings: pruned only */
	ps_step train[PS_STUDY_SEEDS_MAX];
	size_t seeds;                     /* SAEs of this condition */
	char activations[PS_DIGEST_TEXT]; /* key of its cache */
	bool cached;                      /* made, or found, by this run */
} ps_study_condition;

typedef struct ps_study_run {
	const ps_study_model *spec;
	char folder[PS_STUDY_PATH], tokens_path[PS_STUDY_PATH + 32],
		calibration_path[PS_STUDY_PATH + 32];
	char model_digest[PS_DIGEST_TEXT], tokenizer_digest[PS_DIGEST_TEXT];
	ps_model_config config;
	uint64_t weight_bytes;
	ps_step tokens, calibration, seeds, ablation;
	ps_study_condition *conditions; /* [0] dense */
	size_t condition_count;
	void *shared; /* study_findings.c: what its steps have in common while they run */
} ps_study_run;

typedef struct ps_study {
	ps_session *s;
	const ps_study_args *args;
	ps_study_file *f;
	ps_study_run *runs;
	json_t *text_digests;
	char ppl_text_digest[PS_DIGEST_TEXT];
	size_t steps_done, steps_run, steps_all;
	double flops;       /* dry run: of the steps still to do */
	uint64_t disk_peak; /* dry run: bytes of caches at a time */
	json_t *listing;    /* dry run: one entry a step */
	json_t *passes;     /* dry run: one entry for each forward pass that makes caches */
} ps_study;

/* The bootstrap of every interval in the study. */
ps_bootstrap ps_study_bootstrap(const ps_study *study);

/* A step: nothing when done; listed in a dry run; else run(study, run, condition, index, &result) and recorded.
 * flops: rough cost, for the dry run. check_file (or NULL): a done step whose file is gone is done anew. */
typedef int (*ps_study_step_fn)(ps_study *study, ps_study_run *run, ps_study_condition *condition,
				size_t index, json_t **result);
int ps_study_do(ps_study *study, ps_study_run *run, ps_study_condition *condition, ps_step *step,
		const char *name, const char *check_file, json_t *inputs, double flops,
		ps_study_step_fn fn, size_t index) PS_MUST_USE;

/* Path of a file or folder of a condition, into out (PS_STUDY_PATH + 64). */
char *ps_study_path(const ps_study_condition *condition, const char *name, char *out);
char *ps_study_sae_path(const ps_study *study, const ps_study_condition *condition,
			size_t seed_index, char *out);

const char *ps_study_mask_path(const ps_study_condition *condition, char *out); /* NULL: dense */

/* Bytes of one cache of a model, and how many are on disk at a time: what --disk holds, without it two; with
 * --keep-caches all. */
uint64_t ps_study_cache_bytes(const ps_study *study, const ps_study_run *run);
size_t ps_study_cache_slots(const ps_study *study, const ps_study_run *run);
/* The condition's cache, and in the same pass those of the conditions after it that are wanted, as far as disk and
 * memory allow. In a dry run: listed. */
int ps_study_caches_make(ps_study *study, ps_study_run *run,
			 ps_study_condition *condition) PS_MUST_USE;
int ps_study_cache_remove(ps_study *study, ps_study_condition *condition) PS_MUST_USE;
/* Opens the records of what depends on a condition's cache; whether any of it is still to do. */
int ps_study_cache_wanted(ps_study *study, ps_study_run *run, ps_study_condition *condition,
			  bool *wanted) PS_MUST_USE;

int ps_study_run_open(ps_study *study, size_t index) PS_MUST_USE;
int ps_study_run_all(ps_study *study, ps_study_run *run) PS_MUST_USE;
void ps_study_run_close(ps_study_run *run);

/* Steps on finished SAEs; the dense cache must be there for the findings. */
int ps_study_seeds(ps_study *study, ps_study_run *run) PS_MUST_USE;
int ps_study_findings(ps_study *study, ps_study_run *run) PS_MUST_USE;
json_t *ps_study_findings_inputs(const ps_study *study, const ps_study_run *run,
				 const ps_study_condition *condition);

/* The whole of results.json from the records. */
int ps_study_results(ps_study *study, json_t **results) PS_MUST_USE;

#endif
