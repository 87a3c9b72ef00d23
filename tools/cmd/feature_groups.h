/* tools/cmd/feature_groups.h: which latents of a table of features get a card: up to ten of each
 * group, by stated rules.
 *
 * Only latents that fire on at least 10 of the dense model's rows can be in a group but `random`,
 * for which one row is enough. Ties go to the lower index.
 *   best     class kept or shifted; a mutual partner too, if the table has partners. The highest
 *            Pearson correlation, then the highest firing rate
 *   worst    those that never fire in the pruned model, the highest rate first; then the lowest
 *            Pearson correlation, then the highest rate
 *   causal   the largest |ablation effect| in the dense model. Empty without ablations
 *   shifted  class shifted; the largest |log2 of the means' ratio| + |log2 of the rates' ratio|
 *   random   drawn with a seed from the SAE's digest */
#ifndef PS_TOOLS_CMD_FEATURE_GROUPS_H
#define PS_TOOLS_CMD_FEATURE_GROUPS_H

#include "analysis/report/cards_data.h"
#include "tools/cmd/feature_file.h"

enum { PS_CARD_ROWS_LEAST = 10 };

/* What the rule of a group is, in words. */
extern const char *const ps_card_group_rules[PS_CARDS_GROUPS_COUNT];

typedef struct ps_feature_groups {
	size_t count[PS_CARDS_GROUPS_COUNT];
	uint32_t latent[PS_CARDS_GROUPS_COUNT][PS_CARDS_OF_GROUP]; /* the first by the rule first */
} ps_feature_groups;

/* A latent that fires on the dense model's rows. */
typedef struct ps_feature_firing {
	int64_t rows;
	uint32_t latent;
} ps_feature_firing;

/* What one pass over the table finds. */
typedef struct ps_feature_survey {
	ps_feature_groups groups;
	int64_t classes[PS_FEATURE_CLASSES]; /* latents of each */
	ps_feature_firing *firing;           /* the caller's, room for all latents; ascending */
	size_t firing_count;
} ps_feature_survey;

void ps_feature_survey_run(const ps_feature_file *file, ps_feature_survey *survey);

#endif
