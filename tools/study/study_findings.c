/* What the answers are computed from once the SAEs are there: agreement of seeds (RQ1), survival (RQ2),
 * fragility (RQ4), ablation against survival (RQ5). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/ablation.h"
#include "analysis/fragility.h"
#include "analysis/seeds.h"
#include "io/cache_store.h"
#include "io/row_filter.h"
#include "tools/study/study.h"
#include "tools/train/sae_folder.h"

static json_t *numbers_json(const double *values, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, ps_number_json(values[i]));
	return list;
}

/* An arena of that many bytes within the budget. */
static int take_arena(ps_study *study, const char *what, size_t bytes, ps_arena *arena)
{
	ps_plan plan = {.limit_bytes = study->s->memory_bytes};
	int rc;

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, what, bytes);
	rc = ps_plan_check(&plan, &study->s->diag);
	return rc ? rc : ps_arena_create(arena, bytes, &study->s->diag);
}

static int load_sae(ps_study *study, const ps_study_condition *c, size_t seed_index,
		    ps_sae_folder *sae)
{
	char path[PS_STUDY_PATH + 64];

	return ps_sae_folder_load(sae, ps_study_sae_path(study, c, seed_index, path),
				  &study->s->diag);
}

/* --- RQ1 --- */

static json_t *pair_json(const ps_study *study, const ps_seed_pair *pair)
{
	return json_pack("{s:I, s:I, s:o, s:f, s:f, s:f, s:f}", "a",
			 (json_int_t)study->f->seeds[pair->a], "b",
			 (json_int_t)study->f->seeds[pair->b], "survival",
			 numbers_json(pair->survival, PS_TAUS), "hungarian_cosine",
			 pair->comparison.hungarian_cosine, "shared_fraction",
			 pair->comparison.shared_fraction, "mmcs", pair->comparison.mmcs,
			 "mmcs_null", pair->comparison.mmcs_null);
}

static json_t *agreement_json(const ps_study *study, const ps_seed_agreement *agreement)
{
	json_t *pairs = json_array(), *survival = json_array();

	for (size_t i = 0; i < agreement->pair_count; i++)
		json_array_append_new(pairs, pair_json(study, &agreement->pairs[i]));
	for (int t = 0; t < PS_TAUS; t++)
		json_array_append_new(survival,
				      json_pack("{s:o, s:o, s:o}", "mean",
						ps_number_json(agreement->survival[t].mean), "low",
						ps_number_json(agreement->survival[t].low), "high",
						ps_number_json(agreement->survival[t].high)));
	return json_pack("{s:o, s:o}", "pairs", pairs, "survival", survival);
}

static int step_seeds(ps_study *study, ps_study_run *run, ps_study_condition *c, size_t index,
		      json_t **result)
{
	ps_sae_folder folders[PS_STUDY_SEEDS_MAX];
	const ps_sae *saes[PS_STUDY_SEEDS_MAX];
	ps_bootstrap bootstrap = ps_study_bootstrap(study);
	ps_seed_agreement agreement;
	ps_arena arena = {0};
	int rc = 0;

	(void)run, (void)index;
	memset(folders, 0, sizeof folders);
	for (size_t i = 0; i < c->seeds && !rc; i++) {
		rc = load_sae(study, c, i, &folders[i]);
		saes[i] = &folders[i].sae;
	}
	if (!rc)
		rc = take_arena(study, "comparison of seeds",
				ps_seeds_bytes(c->seeds, saes[0]->d_sae, saes[0]->d_in, &bootstrap,
					       study->s->threads),
				&arena);
	if (!rc)
		rc = ps_seeds_compare(saes, c->seeds, (uint64_t)study->f->seeds[0], &bootstrap,
				      &study->s->context, &arena, &agreement);
	if (!rc)
		*result = agreement_json(study, &agreement);
	ps_arena_destroy(&arena);
	for (size_t i = 0; i < c->seeds; i++)
		ps_sae_folder_close(&folders[i]);
	return rc;
}

static json_t *sae_keys(const ps_study_condition *c)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < c->seeds; i++)
		json_array_append_new(keys, json_string(c->train[i].key));
	return keys;
}

int ps_study_seeds(ps_study *study, ps_study_run *run)
{
	ps_study_condition *dense = &run->conditions[0];

	if (dense->seeds < 2)
		return 0;
	return ps_study_do(study, run, dense, &run->seeds, "seeds", NULL,
			   json_pack("{s:s, s:o, s:I, s:i}", "step", "seeds", "saes",
				     sae_keys(dense), "bootstrap",
				     (json_int_t)study->f->bootstrap.samples, "code",
				     PS_CODE_VERSION),
			   0, step_seeds, 0);
}

/* --- RQ2, RQ4, RQ5 of one condition --- */

/* What all conditions of a model share: the first dense SAE, and where its latents fire. */
struct shared {
	ps_sae_folder dense[PS_STUDY_SEEDS_MAX];
	size_t dense_count;
	ps_arena arena;
	ps_clusters clusters;
	ps_firing firing;
	bool ready;
};

static struct shared *shared_of(ps_study_run *run)
{
	return run->shared;
}

static int prepare_firing(ps_study *study, ps_study_run *run, struct shared *shared)
{
	char path[PS_STUDY_PATH + 64];
	ps_cache cache;
	ps_row_list rows;
	const ps_sae *sae = &shared->dense[0].sae;
	int rc = ps_cache_open(&cache, &ps_sys_linux,
			       ps_study_path(&run->conditions[0], "cache", path), &study->s->diag);

	if (rc)
		return rc;
	rc = ps_rows_that_count(&cache, false, &rows, &study->s->diag);
	if (!rc) {
		size_t windows = (size_t)(study->f->cache_tokens / study->f->window) + 1;

		rc = take_arena(study, "firing counts",
				ps_clusters_bytes((size_t)rows.count) +
					ps_firing_bytes(sae, windows, study->s->threads),
				&shared->arena);
		if (!rc)
			rc = ps_clusters_of_windows(&cache.source, &rows, &shared->arena,
						    &study->s->diag, &shared->clusters);
		if (!rc)
			rc = ps_firing_count(sae, &cache.source, &rows, &shared->clusters,
					     &study->s->context, &shared->arena, &shared->firing);
		ps_rows_release(&rows);
	}
	ps_cache_close(&cache);
	return rc;
}

static int prepare(ps_study *study, ps_study_run *run)
{
	struct shared *shared = shared_of(run);
	int rc = 0;

	if (shared->ready)
		return 0;
	for (shared->dense_count = 0; shared->dense_count < run->conditions[0].seeds && !rc;
	     shared->dense_count++)
		rc = load_sae(study, &run->conditions[0], shared->dense_count,
			      &shared->dense[shared->dense_count]);
	if (!rc)
		rc = prepare_firing(study, run, shared);
	shared->ready = !rc;
	return rc;
}

/* One pruned SAE against a dense one. survived and cosine (F) of the dense latents, or NULL when not wanted. */
static int match(ps_study *study, const ps_sae_folder *dense, const ps_sae *pruned,
		 double grid[PS_TAUS], double *alive, uint8_t *survived, double *cosine)
{
	ps_arena arena = {0};
	ps_match m;
	int rc = take_arena(
		study, "comparison",
		ps_match_bytes(dense->sae.d_sae, pruned->d_sae, pruned->d_in, study->s->threads),
		&arena);

	if (!rc)
		rc = ps_match_decoders(&dense->sae, pruned, &study->s->context, &arena, &m);
	if (!rc) {
		ps_survival_grid(&m, NULL, grid);
		*alive = ps_match_survival(&m, ps_taus[PS_TAU_MAIN], dense->alive);
		for (size_t f = 0; survived && f < m.count; f++) {
			survived[f] = m.mutual[f] && (double)m.cosine[f] >= ps_taus[PS_TAU_MAIN];
			cosine[f] = (double)m.cosine[f];
		}
	}
	ps_arena_destroy(&arena);
	return rc;
}

struct survival {
	double grids[PS_STUDY_SEEDS_MAX][PS_TAUS], alive;
	double other[PS_TAUS]; /* mean over pairs of different seeds; NaN without one */
	uint8_t *survived;     /* (F): first seed */
	double *cosine;
};

static int survive(ps_study *study, ps_study_run *run, const ps_study_condition *c,
		   struct survival *out)
{
	struct shared *shared = shared_of(run);
	size_t others = 0;
	int rc = 0;

	memset(out->other, 0, sizeof out->other);
	for (size_t i = 0; i < c->seeds && !rc; i++) {
		ps_sae_folder pruned;
		double grid[PS_TAUS], alive = 0;

		rc = load_sae(study, c, i, &pruned);
		if (rc)
			break;
		rc = match(study, &shared->dense[i], &pruned.sae, out->grids[i], &alive,
			   i ? NULL : out->survived, out->cosine);
		out->alive += alive / (double)c->seeds;
		for (size_t d = 0; d < shared->dense_count && !rc; d++) {
			if (d == i)
				continue;
			rc = match(study, &shared->dense[d], &pruned.sae, grid, &alive, NULL, NULL);
			for (int t = 0; t < PS_TAUS; t++)
				out->other[t] += grid[t];
			others++;
		}
		ps_sae_folder_close(&pruned);
	}
	for (int t = 0; t < PS_TAUS; t++)
		out->other[t] = others ? out->other[t] / (double)others : NAN;
	return rc;
}

static json_t *survival_json(const struct survival *s, size_t seeds)
{
	double mean[PS_TAUS], sd[PS_TAUS];

	ps_survival_over_seeds(s->grids, seeds, mean, sd);
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "taus", numbers_json(ps_taus, PS_TAUS),
			 "mean", numbers_json(mean, PS_TAUS), "sd", numbers_json(sd, PS_TAUS),
			 "alive", ps_number_json(s->alive), "other_seed",
			 numbers_json(s->other, PS_TAUS));
}

static int fragility(ps_study *study, ps_study_run *run, const uint8_t *survived, json_t **result)
{
	struct shared *shared = shared_of(run);
	ps_bootstrap bootstrap = ps_study_bootstrap(study);
	ps_arena arena = {0};
	ps_fragility f;
	json_t *size = json_array();
	int rc = take_arena(study, "fragility",
			    ps_fragility_bytes(shared->firing.latents, shared->firing.clusters,
					       &bootstrap, study->s->threads),
			    &arena);

	if (!rc)
		rc = ps_fragility_run(shared->firing.total, survived, shared->firing.latents,
				      &shared->firing, &bootstrap, &study->s->context, &arena, &f);
	if (!rc) {
		for (int q = 0; q < PS_QUINTILES; q++)
			json_array_append_new(size, json_integer((json_int_t)f.size[q]));
		*result = json_pack("{s:I, s:O, s:o, s:o, s:o, s:o, s:o}", "alive",
				    (json_int_t)f.alive, "size", size, "survival",
				    numbers_json(f.survival, PS_QUINTILES), "difference_latents",
				    ps_interval_json(&f.difference_latents), "difference_clusters",
				    ps_interval_json(&f.difference_clusters), "rho_quintiles",
				    ps_interval_json(&f.rho_quintiles), "rho_latents",
				    ps_interval_json(&f.rho_latents));
	}
	json_decref(size);
	ps_arena_destroy(&arena);
	return rc;
}

/* The ablation record's numbers beside this condition's survival of the same features. */
static void fill_ablation(const json_t *record, const struct survival *s, ps_ablation_data *data,
			  uint8_t *survived, double *cosine, double *rate, double *effect,
			  double *sums, double *tokens)
{
	const json_t *features = json_object_get(record, "latent"),
		     *changes = json_object_get(record, "window_change");

	for (size_t c = 0; c < data->clusters; c++)
		tokens[c] = json_number_value(json_object_get(record, "window_tokens"));
	for (size_t i = 0; i < data->features; i++) {
		size_t f = (size_t)json_integer_value(json_array_get(features, i));

		survived[i] = s->survived[f];
		cosine[i] = s->cosine[f];
		rate[i] = json_number_value(json_array_get(json_object_get(record, "rate"), i));
		effect[i] = json_number_value(json_array_get(json_object_get(record, "effect"), i));
		for (size_t c = 0; c < data->clusters; c++)
			sums[i * data->clusters + c] =
				json_number_value(json_array_get(json_array_get(changes, i), c));
	}
	data->survived = survived;
	data->cosine = cosine;
	data->rate = rate;
	data->effect = effect;
	data->cluster_sum = sums;
	data->cluster_tokens = tokens;
}

static json_t *ablation_json(const ps_ablation *a)
{
	return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "features",
			 (json_int_t)a->features, "survivors", (json_int_t)a->survivors,
			 "mean_survivors", ps_number_json(a->mean_survivors), "mean_lost",
			 ps_number_json(a->mean_lost), "rho_survival",
			 ps_interval_json(&a->rho_survival), "rho_cosine",
			 ps_interval_json(&a->rho_cosine), "partial_survival",
			 ps_interval_json(&a->partial_survival), "partial_cosine",
			 ps_interval_json(&a->partial_cosine), "difference_features",
			 ps_interval_json(&a->difference_features), "difference_clusters",
			 ps_interval_json(&a->difference_clusters));
}

static int ablation(ps_study *study, const json_t *record, const struct survival *s,
		    json_t **result)
{
	ps_bootstrap bootstrap = ps_study_bootstrap(study);
	ps_ablation_data data = {
		.features = json_array_size(json_object_get(record, "latent")),
		.clusters = (size_t)json_integer_value(json_object_get(record, "windows"))};
	size_t n = data.features, columns = n * (3 + data.clusters) + data.clusters;
	ps_arena arena = {0};
	ps_ablation out;
	double *numbers;
	uint8_t *survived;
	int rc = take_arena(study, "ablation",
			    ps_ablation_bytes(n, data.clusters, &bootstrap, study->s->threads) +
				    columns * sizeof(double) + n + 4 * PS_ALIGN,
			    &arena);

	if (rc)
		return rc;
	numbers = ps_arena_take(&arena, columns * sizeof *numbers);
	survived = ps_arena_take(&arena, n);
	fill_ablation(record, s, &data, survived, numbers, numbers + n, numbers + 2 * n,
		      numbers + 3 * n, numbers + n * (3 + data.clusters));
	rc = ps_ablation_summarise(&data, &bootstrap, &study->s->context, &arena, &out);
	if (!rc)
		*result = ablation_json(&out);
	ps_arena_destroy(&arena);
	return rc;
}

static int step_findings(ps_study *study, ps_study_run *run, ps_study_condition *c, size_t index,
			 json_t **result)
{
	struct survival s = {.alive = 0};
	json_t *fragile = NULL, *ablated = NULL;
	size_t latents;
	int rc = prepare(study, run);

	(void)index;
	if (rc)
		return rc;
	latents = shared_of(run)->firing.latents;
	s.survived = calloc(latents, sizeof *s.survived);
	s.cosine = calloc(latents, sizeof *s.cosine);
	if (!s.survived || !s.cosine)
		rc = ps_fail(&study->s->diag, PS_EBUDGET, "no memory for %zu latents", latents);
	if (!rc)
		rc = survive(study, run, c, &s);
	if (!rc)
		rc = fragility(study, run, s.survived, &fragile);
	if (!rc && run->ablation.result &&
	    json_array_size(json_object_get(run->ablation.result, "latent")))
		rc = ablation(study, run->ablation.result, &s, &ablated);
	if (!rc)
		*result = json_pack("{s:o, s:O, s:o}", "survival", survival_json(&s, c->seeds),
				    "fragility", fragile, "ablation",
				    ablated ? json_incref(ablated) : json_null());
	json_decref(fragile);
	json_decref(ablated);
	free(s.survived);
	free(s.cosine);
	return rc;
}

json_t *ps_study_findings_inputs(const ps_study *study, const ps_study_run *run,
				 const ps_study_condition *c)
{
	return json_pack("{s:s, s:o, s:o, s:s, s:s, s:I, s:i}", "step", "findings", "dense",
			 sae_keys(&run->conditions[0]), "pruned", sae_keys(c), "activations",
			 run->conditions[0].activations, "ablation", run->ablation.key, "bootstrap",
			 (json_int_t)study->f->bootstrap.samples, "code", PS_CODE_VERSION);
}

int ps_study_findings(ps_study *study, ps_study_run *run)
{
	struct shared shared = {.ready = false};
	int rc = 0;

	run->shared = &shared;
	for (size_t i = 1; i < run->condition_count && !rc; i++)
		rc = ps_study_do(study, run, &run->conditions[i], &run->conditions[i].findings,
				 "findings", NULL,
				 ps_study_findings_inputs(study, run, &run->conditions[i]), 0,
				 step_findings, 0);
	for (size_t i = 0; i < shared.dense_count; i++)
		ps_sae_folder_close(&shared.dense[i]);
	ps_arena_destroy(&shared.arena);
	run->shared = NULL;
	return rc;
}
