#include "tools/cmd/feature_groups.h"

#include <math.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/rng.h"
#include "tools/run/belonging.h"

const char *const ps_card_group_rules[PS_CARDS_GROUPS_COUNT] = {
	"class kept or shifted, with a mutual partner where partners are known; highest Pearson "
	"correlation first, of latents that fire on at least 10 dense rows",
	"never firing in the pruned model first, then lowest Pearson correlation, of latents that "
	"fire on at least 10 dense rows",
	"largest absolute ablation effect in the dense model, of latents that were ablated and "
	"fire on at least 10 dense rows",
	"class shifted; largest |log2 of the means' ratio| + |log2 of the rates' ratio|, of "
	"latents that fire on at least 10 dense rows",
	"drawn with a fixed seed, which comes from the SAE's digest, of latents that fire on any "
	"dense row",
};

/* A place in a group: the larger first, by rank, then by tie, then the lower index. */
struct place {
	double rank, tie;
	uint32_t latent;
};

/* Fills in rank and tie. False: the latent cannot be in the group. */
typedef bool place_fn(const ps_feature_row *row, struct place *place);

static bool fires_enough(const ps_feature_row *row)
{
	return row->rows_dense >= PS_CARD_ROWS_LEAST;
}

/* A table without partners has none that is mutual: nearest is -1 there. */
static bool is_best(const ps_feature_row *row, struct place *place)
{
	place->rank = row->pearson;
	place->tie = row->rate_dense;
	return fires_enough(row) && (row->nearest < 0 || row->mutual) &&
	       (row->class == PS_CLASS_KEPT || row->class == PS_CLASS_SHIFTED);
}

static bool is_worst(const ps_feature_row *row, struct place *place)
{
	place->rank = row->rows_pruned ? -row->pearson : INFINITY;
	place->tie = row->rate_dense;
	return fires_enough(row) && !isnan(place->rank);
}

static bool is_causal(const ps_feature_row *row, struct place *place)
{
	place->rank = fabs(row->ablation_effect);
	place->tie = 0;
	return fires_enough(row) && place->rank > 0;
}

static bool is_shifted(const ps_feature_row *row, struct place *place)
{
	place->rank = fabs(log2(1 + row->mean_change)) + fabs(log2(1 + row->rate_change));
	place->tie = 0;
	return fires_enough(row) && row->class == PS_CLASS_SHIFTED;
}

static place_fn *const rules[PS_GROUP_RANDOM] = {is_best, is_worst, is_causal, is_shifted};

static bool is_before(const struct place *a, const struct place *b)
{
	return a->rank > b->rank || (a->rank == b->rank && a->tie > b->tie);
}

/* Puts a latent into its place among the first ten. Latents come in ascending order, so an equal
 * one that is there already stays in front. */
static void offer(struct place list[PS_CARDS_OF_GROUP], size_t *count, const struct place *place)
{
	size_t at = *count;

	while (at && is_before(place, &list[at - 1]))
		at--;
	if (at == PS_CARDS_OF_GROUP)
		return;
	if (*count < PS_CARDS_OF_GROUP)
		++*count;
	memmove(list + at + 1, list + at, (*count - at - 1) * sizeof *list);
	list[at] = *place;
}

static uint64_t seed_of(const ps_feature_file *file)
{
	const char *digest = ps_provenance_input(file->file.metadata, "sae");

	return digest ? ps_digest_of(digest, strlen(digest)) : 0;
}

void ps_feature_survey_run(const ps_feature_file *file, ps_feature_survey *survey)
{
	struct place list[PS_CARDS_GROUPS_COUNT][PS_CARDS_OF_GROUP] = {{{0}}};
	ps_feature_groups *groups = &survey->groups;
	ps_rng draw = ps_rng_make(seed_of(file), 0);

	memset(groups, 0, sizeof *groups);
	memset(survey->classes, 0, sizeof survey->classes);
	survey->firing_count = 0;
	for (size_t latent = 0; latent < file->latents; latent++) {
		struct place place = {.latent = (uint32_t)latent};
		const double drawn = ps_rng_uniform(&draw);
		ps_feature_row row;

		ps_feature_file_read(file, latent, &row);
		survey->classes[row.class]++;
		for (int g = 0; g < PS_GROUP_RANDOM; g++)
			if (rules[g](&row, &place))
				offer(list[g], &groups->count[g], &place);
		if (!row.rows_dense)
			continue;
		survey->firing[survey->firing_count++] =
			(ps_feature_firing){.rows = row.rows_dense, .latent = (uint32_t)latent};
		place.rank = drawn;
		place.tie = 0;
		offer(list[PS_GROUP_RANDOM], &groups->count[PS_GROUP_RANDOM], &place);
	}
	for (int g = 0; g < PS_CARDS_GROUPS_COUNT; g++)
		for (size_t i = 0; i < groups->count[g]; i++)
			groups->latent[g][i] = list[g][i].latent;
}
