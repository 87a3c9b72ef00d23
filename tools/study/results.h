/* tools/study/results.h: makes results.json from the records of a study's steps.
 *
 * The caller hands over plain inputs: the study file, and for each model and condition the records
 * of its finished steps. This module adds what needs several records at once: paired intervals of
 * perplexity, comparisons, diagnostics, Kendall's W. The schema is
 * analysis/report/results_schema.h. */
#ifndef PS_TOOLS_STUDY_RESULTS_H
#define PS_TOOLS_STUDY_RESULTS_H

#include "analysis/statistics.h"
#include "core/base/json.h"
#include "core/model/config.h"
#include "sae/sae.h"
#include "tools/study/study_file.h"

/* One condition of a model. A record that the study does not have is NULL. */
typedef struct ps_condition_records {
	const char *name;      /* as in the names of steps */
	const char *like;      /* of a control: the condition it is made after; NULL: none */
	bool match;            /* the mask's record tells of a perplexity that it was matched to */
	const char *control;   /* what kind of control it is; NULL: none */
	const char *method;    /* NULL: the dense model */
	double sparsity;       /* asked for */
	const char *mask_path; /* NULL: the dense model */
	const json_t *mask, *ppl, *findings;
	const json_t *zeros;           /* of a checkpoint, which has no mask */
	const json_t *const *transfer; /* (transfers): by dense seed */
	size_t transfers;
	const json_t *const *splice; /* (splices): by the seed of the SAE */
	size_t splices;
	const json_t *dictionary; /* transfer of the model's pretrained dictionary */
	const json_t *features;
	/* What `features` made, as paths in the study's folder; NULL: nothing. */
	const char *table, *csv, *cards;
	const json_t *const
		*train; /* (seeds): a record for each SAE, in the order of the file's seeds */
	size_t seeds;
} ps_condition_records;

typedef struct ps_model_records {
	const char *name;
	const ps_model_config *config;
	int64_t layer;
	const char *digest;
	uint64_t weight_bytes;
	const char *dictionary;         /* path of the pretrained one; NULL: none */
	const ps_sae *dictionary_shape; /* without weights */
	const json_t *seeds;            /* record on the dense model's SAEs; NULL: none */
	const json_t *const *ablation;  /* (ablations): records, by dense seed */
	size_t ablations;
	const json_t *spliced_ablation;         /* of the first of them; NULL: none */
	ps_condition_records dense;             /* mask, transfer and findings are NULL */
	const ps_condition_records *conditions; /* (condition_count), in the order of the file */
	size_t condition_count;
	const ps_condition_records *controls; /* (control_count) */
	size_t control_count;
} ps_model_records;

typedef struct ps_results_input {
	const ps_study_file *file;
	const ps_model_records *models; /* (model_count), in the order of the file */
	size_t model_count;
	const char *const
		*kernels; /* (kernel_count): of the records, in any order, with repetitions */
	size_t kernel_count;
	bool ppl_text_trained;  /* the perplexity text is one of the training texts */
	ps_bootstrap bootstrap; /* of every interval that is made here */
} ps_results_input;

/* *results: the whole of results.json, a new reference. PS_EBUDGET: no memory. PS_EFAILED:
 * perplexities of two conditions are over different windows, or a record lacks what the schema
 * demands. */
int ps_results_make(const ps_results_input *input, const ps_context *context,
		    json_t **results) PS_MUST_USE;

/* The study's name and settings as results.json has them; NULL when memory runs out. */
json_t *ps_results_settings(const ps_study_file *file);

/* Prints a line for each condition to stdout: perplexity, its change, survival, Jaccard, FVU. */
void ps_results_print(const json_t *results);

#endif
