#include "analysis/reference.h"

#include <math.h>
#include <string.h>

#define NONE ((double)NAN)
#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { GEMMA_2_2B, GEMMA_3_1B, LLAMA_3_2_1B };

static const ps_reference_model models[] = {
	[GEMMA_2_2B] = {"Gemma 2 2B", PS_FAMILY_GEMMA2, 26, 2304, 8.21},
	[GEMMA_3_1B] = {"Gemma 3 1B", PS_FAMILY_GEMMA3, 26, 1152, 9.99},
	[LLAMA_3_2_1B] = {"Llama 3.2 1B", PS_FAMILY_LLAMA, 16, 2048, 9.28},
};

static const ps_reference_condition conditions[] = {
	{&models[GEMMA_2_2B], "magnitude", 0.3, 0.210, 0.0024, 0.317, 13.08},
	{&models[GEMMA_2_2B], "magnitude", 0.5, 0.002, 0.0004, 0.140, 377.03},
	{&models[GEMMA_2_2B], "wanda", 0.3, 0.794, 0.0011, 0.591, 8.82},
	{&models[GEMMA_2_2B], "wanda", 0.5, 0.148, 0.0027, 0.314, 13.47},
	{&models[GEMMA_3_1B], "magnitude", 0.5, NONE, NONE, NONE, 386224},
	{&models[GEMMA_3_1B], "magnitude", 0.6, NONE, NONE, NONE, 92636},
	{&models[LLAMA_3_2_1B], "magnitude", 0.5, 0.511, 0.0005, NONE, 2412.44},
	{&models[LLAMA_3_2_1B], "wanda", 0.3, 0.850, 0.0015, NONE, 10.65},
	{&models[LLAMA_3_2_1B], "wanda", 0.5, 0.709, 0.0020, NONE, 33.35},
};

static const ps_reference_finding findings[] = {
	{"RQ1", "MNN survival between seeds of one model, tau 0.7, mean over 22 pairs", 0.0273,
	 0.0113, 0.0393, false},
	{"RQ2", "Kendall's W of the conditions' ranking over tau 0.6, 0.7, 0.8", 0.9416, NONE, NONE,
	 false},
	{"RQ2", "survival under Wanda over survival under magnitude, at most", 3.7, NONE, NONE,
	 true},
	{"RQ2", "Spearman of MNN survival and the change of log perplexity, 17 conditions", -0.684,
	 -0.889, -0.276, false},
	{"RQ3",
	 "Spearman of fixed-dictionary Jaccard and the change of log perplexity, 17 conditions",
	 -0.975, -1.000, -0.873, false},
	{"RQ3", "Spearman of fixed-dictionary FVU and the change of log perplexity, 17 conditions",
	 0.556, 0.030, 0.918, false},
	{"RQ3", "pretrained SAEs viable on models pruned by Wanda, up to a sparsity of", 0.5, NONE,
	 NONE, true},
	{"RQ3", "Gemma 3 1B, official layer 13 SAE on layer 13: FVU", 0.0064, NONE, NONE, false},
	{"RQ3", "Gemma 3 1B, official layer 13 SAE on layer 13: L0", 20.68, NONE, NONE, false},
	{"RQ4", "Spearman of firing quintile and survival: -1 in 11 of 17 conditions", -1.0, NONE,
	 NONE, true},
	{"RQ4", "Spearman of firing rate and survival: least and largest over conditions", NONE,
	 -0.540, 0.062, false},
	{"RQ4", "Spearman of S(Q1) - S(Q5) and the change of log perplexity, 17 conditions", -0.032,
	 -0.473, 0.514, false},
	{"RQ5", "survival does not predict causal importance", NONE, NONE, NONE, true},
};

const ps_reference_finding *ps_reference_findings(size_t *count)
{
	*count = COUNT(findings);
	return findings;
}

const ps_reference_model *ps_reference_model_of(const ps_model_config *config)
{
	for (size_t m = 0; m < COUNT(models); m++)
		if (models[m].family == config->family && models[m].layers == config->layers &&
		    models[m].width == config->width)
			return &models[m];
	return NULL;
}

const ps_reference_condition *ps_reference_find(const ps_reference_model *model, const char *method,
						double sparsity)
{
	for (size_t c = 0; c < COUNT(conditions); c++)
		if (conditions[c].model == model && !strcmp(conditions[c].method, method) &&
		    fabs(conditions[c].sparsity - sparsity) < 1e-6)
			return &conditions[c];
	return NULL;
}
