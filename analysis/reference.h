/* analysis/reference.h: what arXiv 2603.25325 found, to stand beside a user's own numbers.
 *
 * The data are constants, second-hand: third-party notes on the authors' corrected release of
 * 31 July 2026, and the first version's abstract where the two differ. They are no targets. The
 * notes do not say which layers were studied. The study's protocol: FineWeb-Edu, TopK SAE with 8x
 * expansion, bf16; perplexity on WikiText-2 raw, window 1,024, stride 512, BOS before every window.
 * Its perplexities compare with a user's on that very text only. NaN: not reported. */
#ifndef PS_ANALYSIS_REFERENCE_H
#define PS_ANALYSIS_REFERENCE_H

#include <stdbool.h>

#include "core/model/config.h"

typedef struct ps_reference_model {
	const char *name; /* "Gemma 2 2B" */
	ps_family family;
	size_t layers, width; /* of the checkpoint; they tell the sizes of a family apart */
	double ppl;           /* dense */
} ps_reference_model;

typedef struct ps_reference_condition {
	const ps_reference_model *model;
	const char *method;           /* "magnitude", "wanda" */
	double sparsity;              /* the label; one matrix may achieve another */
	double survival, survival_sd; /* MNN survival at tau = 0.7, over seeds */
	double jaccard;               /* fixed dictionary */
	double ppl;
} ps_reference_condition;

typedef struct ps_reference_finding {
	const char *question; /* "RQ1" to "RQ5" */
	const char *text;
	double value, low, high; /* 95 % interval or range; NaN: none */
	bool superseded; /* stands in the first version only; the corrected release differs */
} ps_reference_finding;

/* The study's model of that family and shape, or NULL. */
const ps_reference_model *ps_reference_model_of(const ps_model_config *config);

/* The study's condition, sparsity within 1e-6, or NULL. */
const ps_reference_condition *ps_reference_find(const ps_reference_model *model, const char *method,
						double sparsity);

/* All findings; *count: how many. */
const ps_reference_finding *ps_reference_findings(size_t *count);

#endif
