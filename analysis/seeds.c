#include "analysis/seeds.h"

#include <math.h>

#include "analysis/sizes.h"

const double ps_taus[PS_TAUS] = {0.5, 0.6, 0.7, 0.8, 0.9};

#define RANKED_FIRST 1 /* .6, .7, .8 */
#define RANKED_COUNT 3

static size_t pairs_of(size_t count)
{
	return count < 2 ? 0 : count * (count - 1) / 2;
}

size_t ps_summary_bytes(const ps_bootstrap *bootstrap, size_t count, int threads)
{
	return ps_bootstrap_bytes(bootstrap, count, threads);
}

int ps_summary_of(const double *values, size_t count, const ps_bootstrap *bootstrap,
		  const ps_context *context, ps_arena *arena, ps_summary *out)
{
	ps_interval interval;
	int rc = ps_bootstrap_ratio(bootstrap, values, NULL, count, context, arena, &interval);

	*out = (ps_summary){
		.count = count, .mean = ps_mean(values, count), .sd = ps_sd(values, count)};
	out->least = out->largest = count ? values[0] : (double)NAN;
	for (size_t i = 1; i < count; i++) {
		out->least = fmin(out->least, values[i]);
		out->largest = fmax(out->largest, values[i]);
	}
	out->low = interval.low;
	out->high = interval.high;
	return rc;
}

size_t ps_seeds_bytes(size_t count, size_t latents, size_t d, const ps_bootstrap *bootstrap,
		      int threads)
{
	size_t pairs = pairs_of(count), kept, working;

	kept = ps_bytes_sum(ps_array_bytes(pairs, sizeof(ps_seed_pair)),
			    ps_array_bytes(pairs, sizeof(double)));
	working = ps_max_size(ps_compare_bytes(latents, latents, d, threads),
			      ps_match_bytes(latents, latents, d, threads));
	return ps_bytes_sum(kept,
			    ps_max_size(working, ps_summary_bytes(bootstrap, pairs, threads)));
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
		rc = ps_compare_saes(a, b, ps_taus[PS_TAU_MAIN], NULL, null_seed, context, arena,
				     &out->comparison);
	return rc;
}

/* Summarises the double at `offset` bytes into every pair. */
static int summarise(const ps_seed_agreement *agreement, size_t offset, double *values,
		     const ps_bootstrap *bootstrap, const ps_context *context, ps_arena *arena,
		     ps_summary *out)
{
	for (size_t p = 0; p < agreement->pair_count; p++)
		values[p] = *(const double *)((const char *)&agreement->pairs[p] + offset);
	return ps_summary_of(values, agreement->pair_count, bootstrap, context, arena, out);
}

static int summarise_all(ps_seed_agreement *out, double *values, const ps_bootstrap *bootstrap,
			 const ps_context *context, ps_arena *arena)
{
	const struct {
		size_t offset;
		ps_summary *summary;
	} measures[] = {
		{offsetof(ps_seed_pair, comparison.hungarian_cosine), &out->hungarian_cosine},
		{offsetof(ps_seed_pair, comparison.shared_fraction), &out->shared_fraction},
		{offsetof(ps_seed_pair, comparison.mmcs), &out->mmcs},
		{offsetof(ps_seed_pair, comparison.mmcs_null), &out->mmcs_null},
	};
	int rc = 0;

	for (size_t t = 0; t < PS_TAUS && rc == 0; t++)
		rc = summarise(out, offsetof(ps_seed_pair, survival) + t * sizeof(double), values,
			       bootstrap, context, arena, &out->survival[t]);
	for (size_t m = 0; m < sizeof measures / sizeof *measures && rc == 0; m++)
		rc = summarise(out, measures[m].offset, values, bootstrap, context, arena,
			       measures[m].summary);
	return rc;
}

int ps_seeds_compare(const ps_sae *const *saes, size_t count, uint64_t null_seed,
		     const ps_bootstrap *bootstrap, const ps_context *context, ps_arena *arena,
		     ps_seed_agreement *out)
{
	size_t pairs = pairs_of(count), mark, p = 0;
	double *values;
	int rc = 0;

	*out = (ps_seed_agreement){.pair_count = pairs,
				   .pairs = ps_array_take(arena, pairs, sizeof(ps_seed_pair))};
	mark = ps_arena_mark(arena);
	values = ps_array_take(arena, pairs, sizeof *values);
	if (!out->pairs || !values)
		rc = ps_fail(context->diag, PS_EFAILED,
			     "the arena is too small for %zu pairs of dictionaries", pairs);
	for (size_t a = 0; a < count && rc == 0; a++)
		for (size_t b = a + 1; b < count && rc == 0; b++, p++) {
			out->pairs[p] = (ps_seed_pair){.a = a, .b = b};
			rc = compare_pair(saes[a], saes[b], null_seed, context, arena,
					  &out->pairs[p]);
			ps_progress_tick(context, "seeds", "pairs", p + 1, pairs);
		}
	if (rc == 0)
		rc = summarise_all(out, values, bootstrap, context, arena);
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

size_t ps_survival_agreement_bytes(size_t conditions)
{
	return ps_bytes_sum(ps_array_bytes(conditions, RANKED_COUNT * sizeof(double)),
			    ps_kendall_w_bytes(conditions));
}

int ps_survival_agreement(const double (*survival)[PS_TAUS], size_t conditions, ps_arena *arena,
			  ps_diag *diag, double *w)
{
	size_t mark = ps_arena_mark(arena);
	double *scores = ps_array_take(arena, conditions, RANKED_COUNT * sizeof *scores);
	int rc;

	if (!scores)
		return ps_fail(diag, PS_EFAILED, "the arena is too small to rank %zu conditions",
			       conditions);
	for (size_t t = 0; t < RANKED_COUNT; t++)
		for (size_t c = 0; c < conditions; c++)
			scores[t * conditions + c] = survival[c][RANKED_FIRST + t];
	rc = ps_kendall_w(scores, RANKED_COUNT, conditions, arena, diag, w);
	ps_arena_rewind(arena, mark);
	return rc;
}
