/* analysis/reference.h: what arXiv 2603.25325 found, to stand beside a user's own numbers.
 *
 * Constant data from the authors' corrected release of 31 July 2026, and v1's headlines where they differ; never
 * targets. Protocol of the figures: FineWeb-Edu, TopK SAE with 8x expansion, bf16; perplexity on WikiText-2 raw,
 * window 1,024, stride 512, BOS before every window. A reference perplexity stands beside a user's only where the
 * text is that split (the caller compares digests). NaN: not reported. */
#ifndef PS_ANALYSIS_REFERENCE_H
#define PS_ANALYSIS_REFERENCE_H

#include <stdbool.h>

#include "core/model/config.h"

typedef struct ps_reference_model {
	const char *name; /* "Gemma 2 2B" */
	ps_family family;
	size_t layers, width; /* of the checkpoint: they tell the sizes of a family apart */
	double ppl;           /* dense */
} ps_reference_model;

typedef struct ps_reference_condition {
	const ps_reference_model *model;
	const char *method; /* "magnitude", "wanda" */
	double sparsity; /* the label; magnitude's threshold is global, so what is achieved differs per matrix */
	double survival, survival_sd; /* MNN survival at tau .7, over seeds */
	double jaccard;               /* fixed dictionary */
	double ppl;
} ps_reference_condition;

typedef struct ps_reference_finding {
	const char *question; /* "RQ1" .. "RQ5" */
	const char *text;
	double value, low, high; /* 95 % interval or range; NaN: none */
	bool superseded;         /* stands in v1 only; the corrected release says otherwise */
} ps_reference_finding;

/* The study's model of that shape, or NULL. */
const ps_reference_model *ps_reference_model_of(const ps_model_config *config);
/* By name: "Gemma 2 2B", "gemma-2-2b", "google/gemma-2-2b": case, punctuation, a leading owner and a trailing
 * "-pt" do not matter. NULL: not one of the study's. */
const ps_reference_model *ps_reference_model_named(const char *name);

/* The condition, sparsity within 1e-6, or NULL. */
const ps_reference_condition *ps_reference_find(const ps_reference_model *model, const char *method,
						double sparsity);

const ps_reference_model *ps_reference_models(size_t *count);
const ps_reference_condition *ps_reference_conditions(size_t *count);
const ps_reference_finding *ps_reference_findings(size_t *count);

#endif
