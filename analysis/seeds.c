#include "analysis/seeds.h"

#include <math.h>
#include <stddef.h>

#include "analysis/sizes.h"
#include "core/base/finite.h"

const double ps_taus[PS_TAUS] = {0.5, 0.6, 0.7, 0.8, 0.9};

/* The thresholds whose rankings of the conditions are compared: 0.6, 0.7, 0.8. */
enum { RANKED_FIRST = 1, RANKED_COUNT = 3 };

static size_t pairs_of(size_t count)
{
	return count < 2 ? 0 : count * (count - 1) / 2;
}

static size_t lay_out_pairs(ps_seed_agreement *agreement, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	agreement->pairs = ps_layout_part(&layout, agreement->pair_count, sizeof(ps_seed_pair));
	return layout.bytes;
}

/* *values (pairs): the numbers that are summarised. */
static size_t lay_out_values(size_t pairs, ps_arena *arena, double **values)
{
	ps_layout layout = {.arena = arena};

	*values = ps_layout_part(&layout, pairs, sizeof **values);
	return layout.bytes;
}

size_t ps_seeds_bytes(size_t count, size_t latents, size_t d, const ps_bootstrap *bootstrap,
		      int threads)
{
	ps_seed_agreement agreement = {.pair_count = pairs_of(count)};
	const size_t pairs = agreement.pair_count;
	double *values;

	return ps_bytes_sum(
		ps_bytes_sum(lay_out_pairs(&agreement, NULL), lay_out_values(pairs, NULL, &values)),
		ps_max_size(ps_compare_bytes(latents, latents, d, threads),
			    ps_bootstrap_bytes(bootstrap, count, threads)));
}

static int compare_pair(const ps_sae *a, const ps_sae *b, uint64_t null_seed,
			const ps_context *context, ps_arena *arena, ps_seed_pair *out)
{
	size_t mark = ps_arena_mark(arena);
	ps_match match;
	int rc = ps_match_decoders(a, b, context, arena, &match);

	if (rc == 0)
		ps_survival_grid(&match, NULL, out->survival);
	ps_arena_rewind(arena, mark);
	if (rc == 0)
		rc = ps_compare_saes(a, b,
				     &(ps_compare_options){.tau = ps_taus[PS_TAU_MAIN],
							   .null_seed = null_seed,
							   .pw_mcc = true},
				     context, arena, &out->comparison);
	return rc;
}

/* What the summaries are over. */
struct seeds {
	ps_seed_agreement *agreement;
	const ps_bootstrap *bootstrap;
	size_t count;
};

/* Mean, spread and interval of one number of each pair. */
struct summary {
	size_t offset; /* of the number in a ps_seed_pair */
	ps_summary *out;
};

struct pairs {
	const ps_seed_agreement *agreement;
	const double *values; /* (pairs) */
};

/* The mean over pairs of different seeds, where seed s was drawn weights[s] times. */
static double mean_over_pairs(void *self, const uint32_t *weights, int worker)
{
	const struct pairs *p = self;
	double sum = 0, all = 0;

	(void)worker;
	for (size_t i = 0; i < p->agreement->pair_count; i++) {
		const ps_seed_pair *pair = &p->agreement->pairs[i];
		const double weight = (double)weights[pair->a] * weights[pair->b];

		sum += weight * p->values[i];
		all += weight;
	}
	return all > 0 ? sum / all : (double)NAN;
}

static int summarise(const struct summary *s, const struct seeds *seeds, double *values,
		     const ps_context *context, ps_arena *arena)
{
	const ps_seed_agreement *agreement = seeds->agreement;
	const size_t count = agreement->pair_count;
	struct pairs pairs = {agreement, values};

	for (size_t p = 0; p < count; p++)
		values[p] = *(const double *)((const char *)&agreement->pairs[p] + s->offset);
	*s->out = (ps_summary){.count = count,
			       .sd = ps_sd(values, count),
			       .least = count ? values[0] : (double)NAN,
			       .largest = count ? values[0] : (double)NAN};
	for (size_t p = 1; p < count; p++) {
		s->out->least = ps_lesser(s->out->least, values[p]);
		s->out->largest = ps_greater(s->out->largest, values[p]);
	}
	return ps_bootstrap_run(seeds->bootstrap,
				(ps_axis){.count = seeds->count, .unit = PS_UNIT_SEEDS},
				mean_over_pairs, &pairs, context, arena, &s->out->mean);
}

static int summarise_all(const struct seeds *seeds, double *values, const ps_context *context,
			 ps_arena *arena)
{
	ps_seed_agreement *out = seeds->agreement;
	const struct summary measures[] = {
		{offsetof(ps_seed_pair, comparison.hungarian_cosine), &out->hungarian_cosine},
		{offsetof(ps_seed_pair, comparison.pw_mcc), &out->pw_mcc},
		{offsetof(ps_seed_pair, comparison.shared_fraction), &out->shared_fraction},
		{offsetof(ps_seed_pair, comparison.mmcs), &out->mmcs},
		{offsetof(ps_seed_pair, comparison.mmcs_null), &out->mmcs_null},
	};
	int rc = 0;

	for (size_t t = 0; t < PS_TAUS && rc == 0; t++)
		rc = summarise(
			&(struct summary){offsetof(ps_seed_pair, survival) + t * sizeof(double),
					  &out->survival[t]},
			seeds, values, context, arena);
	for (size_t m = 0; m < sizeof measures / sizeof *measures && rc == 0; m++)
		rc = summarise(&measures[m], seeds, values, context, arena);
	return rc;
}

int ps_seeds_compare(const ps_sae *const *saes, size_t count, uint64_t null_seed,
		     const ps_bootstrap *bootstrap, const ps_context *context, ps_arena *arena,
		     ps_seed_agreement *out)
{
	const size_t pairs = pairs_of(count);
	size_t p = 0, mark;
	double *values;
	int rc = 0;

	*out = (ps_seed_agreement){.pair_count = pairs};
	lay_out_pairs(out, arena);
	mark = ps_arena_mark(arena);
	lay_out_values(pairs, arena, &values);
	for (size_t a = 0; a < count && rc == 0; a++)
		for (size_t b = a + 1; b < count && rc == 0; b++, p++) {
			out->pairs[p] = (ps_seed_pair){.a = a, .b = b};
			rc = compare_pair(saes[a], saes[b], null_seed, context, arena,
					  &out->pairs[p]);
			ps_progress_tick(context, "seeds", "pairs", p + 1, pairs);
		}
	if (rc == 0)
		rc = summarise_all(&(struct seeds){out, bootstrap, count}, values, context, arena);
	ps_arena_rewind(arena, mark);
	return rc;
}

void ps_survival_grid(const ps_match *match, const uint8_t *alive, double survival[PS_TAUS])
{
	for (size_t t = 0; t < PS_TAUS; t++)
		survival[t] = ps_match_survival(match, ps_taus[t], alive);
}

void ps_survival_over_seeds(const double (*grids)[PS_TAUS], size_t seeds, double mean[PS_TAUS],
			    double sd[PS_TAUS])
{
	for (size_t t = 0; t < PS_TAUS; t++) {
		double sum = 0, squares = 0;

		for (size_t s = 0; s < seeds; s++)
			sum += grids[s][t];
		mean[t] = sum / (double)seeds;
		for (size_t s = 0; s < seeds; s++)
			squares += (grids[s][t] - mean[t]) * (grids[s][t] - mean[t]);
		sd[t] = seeds > 1 ? sqrt(squares / (double)(seeds - 1)) : (double)NAN;
	}
}

/* *scores (RANKED_COUNT, conditions): each threshold is a rater. */
static size_t lay_out_scores(size_t conditions, ps_arena *arena, double **scores)
{
	ps_layout layout = {.arena = arena};

	*scores = ps_layout_part(&layout, conditions, RANKED_COUNT * sizeof **scores);
	return layout.bytes;
}

size_t ps_survival_agreement_bytes(size_t conditions)
{
	double *scores;

	return ps_bytes_sum(lay_out_scores(conditions, NULL, &scores),
			    ps_kendall_w_bytes(conditions));
}

double ps_survival_agreement(const double (*survival)[PS_TAUS], size_t conditions, ps_arena *arena)
{
	const size_t mark = ps_arena_mark(arena);
	double *scores, w;

	lay_out_scores(conditions, arena, &scores);
	for (size_t t = 0; t < RANKED_COUNT; t++)
		for (size_t c = 0; c < conditions; c++)
			scores[t * conditions + c] = survival[c][RANKED_FIRST + t];
	w = ps_kendall_w(scores, RANKED_COUNT, conditions, arena);
	ps_arena_rewind(arena, mark);
	return w;
}
