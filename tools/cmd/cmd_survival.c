/* survival: which of a dense SAE's latents are found again in the SAEs of pruned models (RQ2),
 * whether rare ones are found as often as frequent ones (RQ4), and whether the model needs those
 * that are (RQ5).
 *
 * The dense SAEs and the counts of where their latents fire are the same for all conditions; they
 * are loaded and counted once. Condition by condition, the SAEs of a pruned model are then loaded
 * one at a time. */
#include <math.h>
#include <string.h>

#include "analysis/auc.h"
#include "analysis/fragility.h"
#include "analysis/seeds.h"
#include "core/base/checked.h"
#include "tools/cmd/ablation_record.h"
#include "tools/cmd/cache_windows.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/norm_factor.h"
#include "tools/cmd/own_starts.h"
#include "tools/cmd/result.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"

struct survival_run {
	ps_session *s;
	const ps_survival_args *args;
	ps_bootstrap bootstrap;
	ps_cache_windows cache;
	ps_ablation_record ablation;
	ps_sae first;             /* shape of the first dense SAE */
	size_t dense_latents_max; /* most latents of a dense SAE, and of a pruned one */
	size_t pruned_latents_max;
	size_t dense_bytes, pruned_bytes; /* all dense SAEs; the largest pruned one */
	ps_sae_folder dense[PS_LIST_MAX];
	ps_arena arena;
	/* in the arena */
	ps_firing firing;
	uint8_t *survived; /* (F): whether the latent is found in the condition's first SAE */
	double *cosine;    /* (F): to its nearest latent there */
	uint8_t *control;  /* (F): whether it is found in the control's SAE */
	uint8_t *stratum;  /* (F): quintile of firing; 0 where it never fires */
	double *rate;      /* (F): share of rows on which it fires */
	double *score;     /* (F): one predictor; scratch */
	uint32_t *order;   /* (F): scratch */
};

/* One condition's survival at each of ps_taus. */
struct survival {
	double grid[PS_LIST_MAX][PS_TAUS]; /* by seed: dense and pruned SAE of the same seed */
	double alive;                      /* mean over seeds, at tau .7, of the latents alive */
	double other[PS_TAUS]; /* mean over the pairs of different seeds; NaN without one */
	ps_own_starts starts;
};

/* --- inputs --- */

static int check_args(const ps_survival_args *args, ps_diag *diag)
{
	if (!args->dense.count || !args->count)
		return ps_fail(diag, PS_EUSAGE, "a dense SAE and a pruned one are wanted");
	for (size_t c = 0; c < args->count; c++) {
		if (!args->pruned[c].count)
			return ps_fail(diag, PS_EUSAGE, "a pruned SAE is wanted");
		if (args->pruned[c].count > args->dense.count)
			return ps_fail(diag, PS_EUSAGE,
				       "%zu pruned SAEs for %zu dense ones: each stands beside the "
				       "dense one of its seed",
				       args->pruned[c].count, args->dense.count);
	}
	return 0;
}

/* Shape and bytes of an SAE whose rows must be as wide as the first dense one's. */
static int measure(struct survival_run *r, const char *path, ps_sae *shape, size_t *bytes)
{
	ps_diag *diag = &r->s->diag;
	int rc = ps_sae_folder_measure(path, shape, bytes, diag);

	if (!rc && !r->first.d_in)
		r->first = *shape;
	if (!rc)
		rc = ps_sae_check_width(shape, path, r->first.d_in, r->args->dense.item[0], diag);
	return rc ? rc : ps_origin_check_saes(r->s, path, r->args->dense.item[0], PS_MASK_ANY);
}

/* An SAE that is matched with the dense ones; one of them is loaded at a time. */
static int measure_pruned(struct survival_run *r, const char *path)
{
	ps_sae shape;
	size_t bytes;
	int rc = measure(r, path, &shape, &bytes);

	if (rc)
		return rc;
	r->pruned_latents_max = ps_max_size(r->pruned_latents_max, shape.d_sae);
	r->pruned_bytes = ps_max_size(r->pruned_bytes, bytes);
	return 0;
}

static int measure_all(struct survival_run *r)
{
	const ps_survival_args *args = r->args;
	ps_sae shape;
	size_t bytes;
	int rc = 0;

	for (size_t i = 0; i < args->dense.count && !rc; i++) {
		rc = measure(r, args->dense.item[i], &shape, &bytes);
		if (rc)
			break;
		r->dense_latents_max = ps_max_size(r->dense_latents_max, shape.d_sae);
		r->dense_bytes += bytes;
	}
	for (size_t c = 0; c < args->count; c++)
		for (size_t i = 0; i < args->pruned[c].count && !rc; i++)
			rc = measure_pruned(r, args->pruned[c].item[i]);
	return rc || !args->control ? rc : measure_pruned(r, args->control);
}

/* Whether the SAEs of a list are in their role. Those of pruned models are of one mask each. */
static int check_saes(struct survival_run *r, const ps_text_list *paths, bool dense,
		      const char *role)
{
	int rc = ps_origin_check_distinct(r->s, paths);

	for (size_t i = 0; i < paths->count && !rc; i++) {
		ps_origin origin;

		rc = ps_origin_of_sae(r->s, paths->item[i], &origin);
		/* A dense SAE beside itself is no mistake. */
		if (!rc && (dense || !ps_text_list_has(&r->args->dense, paths->item[i])))
			rc = ps_origin_check_role(r->s, &origin, dense, role);
		if (!rc && i)
			rc = ps_origin_check_saes(r->s, paths->item[i], paths->item[0],
						  PS_MASK_SAME);
	}
	return rc;
}

static int check_roles(struct survival_run *r)
{
	const ps_survival_args *args = r->args;
	int rc = check_saes(r, &args->dense, true, "a dense SAE");

	for (size_t c = 0; c < args->count && !rc; c++)
		rc = check_saes(r, &args->pruned[c], false, "a pruned SAE");
	return rc;
}

static int check_cache_role(struct survival_run *r)
{
	ps_origin origin;
	int rc = ps_origin_of_cache(r->s, &r->cache.cache, r->args->cache, &origin);

	return rc ? rc : ps_origin_check_role(r->s, &origin, true, "the dense model's cache");
}

static int open_inputs(struct survival_run *r)
{
	const ps_survival_args *args = r->args;
	ps_diag *diag = &r->s->diag;
	int rc = measure_all(r);

	if (!rc)
		rc = check_roles(r);
	if (!rc)
		rc = ps_cache_windows_open(&r->cache, args->cache, false, r->s);
	if (!rc)
		rc = ps_sae_check_width(&r->first, args->dense.item[0], r->cache.cache.source.width,
					args->cache, diag);
	if (!rc)
		rc = ps_origin_check_cache(r->s, args->dense.item[0], &r->cache.cache, args->cache,
					   PS_MASK_SAME);
	if (!rc)
		rc = check_cache_role(r);
	if (!rc && args->ablation)
		rc = ps_ablation_record_open(&r->ablation, args->ablation, r->first.d_sae, diag);
	return rc;
}

/* --- memory --- */

/* The most that a part of one condition takes: match, fragility, a predictor, the ablation. */
static size_t condition_bytes(const struct survival_run *r)
{
	const int threads = r->s->threads;
	const size_t latents = r->first.d_sae;
	size_t bytes =
		ps_match_bytes(r->dense_latents_max, r->pruned_latents_max, r->first.d_in, threads);

	bytes = ps_max_size(bytes,
			    ps_own_start_bytes(r->pruned_latents_max, r->first.d_in, threads));
	bytes = ps_max_size(
		bytes, ps_fragility_bytes(latents, r->cache.windows_max, &r->bootstrap, threads));
	bytes = ps_max_size(bytes, ps_auc_bytes(latents));
	return ps_max_size(bytes,
			   ps_ablation_record_bytes(&r->ablation) +
				   ps_ablation_bytes(r->ablation.latents, r->ablation.windows,
						     &r->bootstrap, threads));
}

/* What is kept of each latent: counted for the plan, taken when the arena is there. */
static size_t lay_out(struct survival_run *r, ps_arena *arena)
{
	const size_t latents = r->first.d_sae;
	ps_layout layout = {.arena = arena};

	r->cosine = ps_layout_part(&layout, latents, sizeof *r->cosine);
	r->rate = ps_layout_part(&layout, latents, sizeof *r->rate);
	r->score = ps_layout_part(&layout, latents, sizeof *r->score);
	r->order = ps_layout_part(&layout, latents, sizeof *r->order);
	r->survived = ps_layout_part(&layout, latents, sizeof *r->survived);
	r->control = ps_layout_part(&layout, latents, sizeof *r->control);
	r->stratum = ps_layout_part(&layout, latents, sizeof *r->stratum);
	return layout.bytes;
}

static int take_memory(struct survival_run *r)
{
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};
	size_t held_bytes;
	int rc;

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "dense SAEs", r->dense_bytes);
	ps_plan_add(&plan, "a pruned SAE", r->pruned_bytes);
	ps_cache_windows_plan(&r->cache, &plan);
	held_bytes = plan.total_bytes;
	ps_plan_add(&plan, "windows of rows", ps_clusters_bytes((size_t)r->cache.rows.count));
	ps_plan_add(&plan, "firing counts",
		    ps_firing_bytes(&r->first, r->cache.windows_max, r->s->threads));
	ps_plan_add(&plan, "what is known of latents", lay_out(r, NULL));
	ps_plan_add(&plan, "comparison", condition_bytes(r));
	rc = ps_plan_check(&plan, &r->s->diag);
	if (!rc)
		rc = ps_arena_create(&r->arena, plan.total_bytes - held_bytes, &r->s->diag);
	if (!rc)
		lay_out(r, &r->arena);
	return rc;
}

/* --- what all conditions share --- */

/* Cosines do not depend on the number that rows are multiplied by. */
static int load_for_cosines(const struct survival_run *r, ps_sae_folder *folder, const char *path)
{
	return ps_sae_folder_load_scaled(folder, path, 1, &r->s->diag);
}

static int check_ablation(struct survival_run *r)
{
	const ps_survival_args *args = r->args;

	if (!args->ablation)
		return 0;
	return ps_ablation_record_check(&r->ablation, r->s,
					&(ps_ablation_use){.sae = args->dense.item[0],
							   .digest = r->dense[0].digest,
							   .mask = PS_NO_MASK,
							   .model = "the dense model"});
}

static int load_dense(struct survival_run *r)
{
	const ps_text_list *paths = &r->args->dense;
	int rc = 0;

	for (size_t i = 0; i < paths->count && !rc; i++)
		rc = i ? load_for_cosines(r, &r->dense[i], paths->item[i])
		       : ps_norm_factor_load(r->s, &r->dense[0], paths->item[0],
					     r->args->norm_cache, false);
	return rc ? rc : check_ablation(r);
}

/* Rate and quintile of each latent. */
static void note_rates(struct survival_run *r)
{
	const ps_firing *firing = &r->firing;
	size_t first[PS_QUINTILES + 1];

	ps_fragility_order(firing->total, firing->latents, r->score, r->order, first);
	for (size_t j = 0; j < firing->latents; j++) {
		r->rate[j] = (double)firing->total[j] / (double)firing->rows;
		r->stratum[j] = 0;
	}
	for (size_t q = 0; q < PS_QUINTILES; q++)
		for (size_t i = first[q]; i < first[q + 1]; i++)
			r->stratum[r->order[i]] = (uint8_t)q;
}

static int count_firing(struct survival_run *r)
{
	const ps_row_source *source = &r->cache.cache.source;
	ps_clusters clusters;
	int rc = ps_clusters_of_windows(source, &r->cache.rows, &r->arena, &r->s->diag, &clusters);

	if (!rc)
		rc = ps_firing_count(&r->dense[0].sae, source, &r->cache.rows, &clusters,
				     &r->s->context, &r->arena, &r->firing);
	if (!rc)
		note_rates(r);
	return rc;
}

/* --- survival --- */

/* How many of a dense SAE's latents are found again in a pruned one. */
struct found {
	double grid[PS_TAUS]; /* survival at each of ps_taus */
	double alive;         /* at tau .7, of the latents alive in training */
};

/* Notes for each latent of the dense SAE whether it survives. */
static void note_survivors(const ps_match *m, uint8_t *survived)
{
	for (size_t f = 0; f < m->count; f++)
		survived[f] = m->mutual[f] && (double)m->cosine[f] >= ps_taus[PS_TAU_MAIN];
}

/* Matches one dense SAE with a pruned one. The match stays in the arena. */
static int match(struct survival_run *r, const ps_sae_folder *dense, const ps_sae *pruned,
		 ps_match *m, struct found *out)
{
	int rc = ps_match_decoders(&dense->sae, pruned, &r->s->context, &r->arena, m);

	if (rc)
		return rc;
	ps_survival_grid(m, NULL, out->grid);
	out->alive = dense->alive ? ps_match_survival(m, ps_taus[PS_TAU_MAIN], dense->alive)
				  : (double)NAN;
	return 0;
}

/* The pruned SAE of one seed beside the dense one of its seed. The first seed's latents are
 * followed. */
static int survive_own(struct survival_run *r, const ps_sae *pruned, size_t seed, struct found *out)
{
	const size_t mark = ps_arena_mark(&r->arena);
	ps_match m;
	int rc = match(r, &r->dense[seed], pruned, &m, out);

	if (!rc && !seed)
		note_survivors(&m, r->survived);
	for (size_t f = 0; f < m.count && !rc && !seed; f++)
		r->cosine[f] = (double)m.cosine[f];
	ps_arena_rewind(&r->arena, mark);
	return rc;
}

/* Which latents are found in the control's SAE. */
static int follow_control(struct survival_run *r)
{
	const size_t mark = ps_arena_mark(&r->arena);
	ps_sae_folder folder;
	ps_match m;
	int rc = ps_sae_folder_load(&folder, r->args->control, &r->s->diag);

	if (rc)
		return rc;
	rc = ps_match_decoders(&r->dense[0].sae, &folder.sae, &r->s->context, &r->arena, &m);
	if (!rc)
		note_survivors(&m, r->control);
	ps_arena_rewind(&r->arena, mark);
	ps_sae_folder_close(&folder);
	return rc;
}

/* The pruned SAE of one seed beside the dense ones of other seeds: adds to their sum and their
 * number. */
static int survive_others(struct survival_run *r, const ps_sae *pruned, size_t seed,
			  double sum[PS_TAUS], size_t *count)
{
	const size_t mark = ps_arena_mark(&r->arena);
	int rc = 0;

	for (size_t d = 0; d < r->args->dense.count && !rc; d++) {
		struct found found;
		ps_match m;

		if (d == seed)
			continue;
		rc = match(r, &r->dense[d], pruned, &m, &found);
		for (int t = 0; t < PS_TAUS && !rc; t++)
			sum[t] += found.grid[t];
		++*count;
		ps_arena_rewind(&r->arena, mark);
	}
	return rc;
}

static int survive(struct survival_run *r, const ps_text_list *pruned, struct survival *out)
{
	size_t others = 0;
	int rc = 0;

	*out = (struct survival){.alive = 0};
	for (size_t i = 0; i < pruned->count && !rc; i++) {
		struct found own;
		ps_sae_folder folder;

		rc = load_for_cosines(r, &folder, pruned->item[i]);
		if (rc)
			return rc;
		rc = survive_own(r, &folder.sae, i, &own);
		if (!rc) {
			memcpy(out->grid[i], own.grid, sizeof own.grid);
			out->alive += own.alive / (double)pruned->count;
			rc = survive_others(r, &folder.sae, i, out->other, &others);
		}
		if (!rc)
			rc = ps_own_starts_add(&out->starts, &folder, &r->s->context, &r->arena);
		ps_sae_folder_close(&folder);
	}
	for (int t = 0; t < PS_TAUS; t++)
		out->other[t] = others ? out->other[t] / (double)others : (double)NAN;
	return rc;
}

static json_t *survival_json(const struct survival *s, size_t seeds)
{
	double mean[PS_TAUS], sd[PS_TAUS];

	ps_survival_over_seeds(s->grid, seeds, mean, sd);
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "taus", ps_numbers_json(ps_taus, PS_TAUS),
			 "mean", ps_numbers_json(mean, PS_TAUS), "sd", ps_numbers_json(sd, PS_TAUS),
			 "alive", ps_number_json(s->alive), "other_seed",
			 ps_numbers_json(s->other, PS_TAUS));
}

/* --- fragility and ablation --- */

static json_t *fragility_json(const ps_fragility *f)
{
	const ps_named_interval intervals[] = {
		{"difference", &f->difference},
		{"difference_latents", &f->difference_latents},
		{"difference_clusters", &f->difference_clusters},
		{"less_control", &f->less_control},
		{"rho_quintiles", &f->rho_quintiles},
		{"rho_latents", &f->rho_latents},
	};
	uint64_t size[PS_QUINTILES];

	for (int q = 0; q < PS_QUINTILES; q++)
		size[q] = f->size[q];
	return ps_intervals_add(json_pack("{s:I, s:o, s:o, s:o}", "alive", (json_int_t)f->alive,
					  "size", ps_integers_json(size, PS_QUINTILES), "survival",
					  ps_numbers_json(f->survival, PS_QUINTILES),
					  "control_survival",
					  ps_numbers_json(f->control_survival, PS_QUINTILES)),
				intervals, sizeof intervals / sizeof *intervals);
}

static int measure_fragility(struct survival_run *r, ps_fragility *out)
{
	const ps_firing *firing = &r->firing;
	const size_t mark = ps_arena_mark(&r->arena);
	int rc = ps_fragility_run(
		&(ps_fragility_input){.firing = firing->total,
				      .survived = r->survived,
				      .control = r->args->control ? r->control : NULL,
				      .latents = firing->latents,
				      .by_cluster = firing},
		&r->bootstrap, &r->s->context, &r->arena, out);

	ps_arena_rewind(&r->arena, mark);
	return rc;
}

static json_t *strata_json(const ps_ablation *a)
{
	json_t *list = json_array();

	for (size_t q = 0; q < PS_QUINTILES; q++) {
		const ps_ablation_stratum *own = &a->strata[q];

		if (json_array_append_new(list,
					  json_pack("{s:I, s:I, s:o, s:o}", "features",
						    (json_int_t)own->features, "survivors",
						    (json_int_t)own->survivors, "mean_survivors",
						    ps_number_json(own->mean_survivors),
						    "mean_lost", ps_number_json(own->mean_lost)))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *ablation_json(const ps_ablation *a)
{
	const ps_named_interval intervals[] = {
		{"rho_survival", &a->rho_survival},
		{"rho_cosine", &a->rho_cosine},
		{"partial_survival", &a->partial_survival},
		{"partial_cosine", &a->partial_cosine},
		{"difference", &a->difference},
		{"difference_features", &a->difference_features},
		{"difference_clusters", &a->difference_clusters},
		{"difference_stratified", &a->difference_stratified},
		{"firing_difference", &a->firing_difference},
		{"firing_rho_survival", &a->firing_rho_survival},
		{"firing_rho_cosine", &a->firing_rho_cosine},
	};

	return ps_intervals_add(json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "features",
					  (json_int_t)a->features, "survivors",
					  (json_int_t)a->survivors, "mean_survivors",
					  ps_number_json(a->mean_survivors), "mean_lost",
					  ps_number_json(a->mean_lost), "firing_survivors",
					  ps_number_json(a->firing_survivors), "firing_lost",
					  ps_number_json(a->firing_lost), "strata", strata_json(a)),
				intervals, sizeof intervals / sizeof *intervals);
}

static int measure_ablation(struct survival_run *r, ps_ablation *out)
{
	const size_t mark = ps_arena_mark(&r->arena);
	ps_ablation_data data;
	int rc;

	ps_ablation_record_columns(&r->ablation,
				   &(ps_ablation_latents){.survived = r->survived,
							  .cosine = r->cosine,
							  .rate = r->rate,
							  .stratum = r->stratum},
				   &r->arena, &data);
	rc = ps_ablation_summarise(&data, &r->bootstrap, &r->s->context, &r->arena, out);
	ps_arena_rewind(&r->arena, mark);
	return rc;
}

/* --- predictors --- */

enum predictor {
	FIRING_RATE,
	MEAN_ACTIVATION,
	PEAK_ACTIVATION,
	DECODER_NORM,
	ABLATION_EFFECT,
	PREDICTORS
};

static double decoder_norm(const ps_sae *sae, size_t latent)
{
	const float *row = sae->dec + latent * sae->d_in;
	double sum = 0;

	for (size_t d = 0; d < sae->d_in; d++)
		sum += (double)row[d] * (double)row[d];
	return sqrt(sum);
}

/* A statistic of a latent that fired. */
static double score_of(const struct survival_run *r, enum predictor predictor, size_t latent)
{
	const ps_firing *firing = &r->firing;

	switch (predictor) {
	case FIRING_RATE:
		return r->rate[latent];
	case MEAN_ACTIVATION:
		return firing->activation[latent] / (double)firing->total[latent];
	case PEAK_ACTIVATION:
		return firing->peak[latent];
	default:
		return decoder_norm(&r->dense[0].sae, latent);
	}
}

/* Fills score, NaN for latents that never fired or were not ablated. */
static void fill_scores(struct survival_run *r, enum predictor predictor)
{
	const ps_firing *firing = &r->firing;

	if (predictor == ABLATION_EFFECT) {
		ps_ablation_record_effects(&r->ablation, firing->latents, r->score);
		return;
	}
	for (size_t j = 0; j < firing->latents; j++)
		r->score[j] = firing->total[j] ? score_of(r, predictor, j) : (double)NAN;
}

static json_t *predictors_json(struct survival_run *r)
{
	static const char *const names[PREDICTORS] = {"firing_rate", "mean_activation",
						      "peak_activation", "decoder_norm",
						      "ablation_effect"};
	const enum predictor count = r->ablation.latents ? PREDICTORS : ABLATION_EFFECT;
	json_t *list = json_array();

	for (enum predictor p = FIRING_RATE; p < count; p++) {
		ps_interval auc;

		fill_scores(r, p);
		ps_auc(&(ps_auc_data){.score = r->score,
				      .positive = r->survived,
				      .count = r->firing.latents},
		       r->bootstrap.confidence, &r->arena, &auc);
		if (json_array_append_new(list, json_pack("{s:s, s:o}", "name", names[p], "auc",
							  ps_interval_json(&auc)))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* --- the command --- */

static int run_condition(struct survival_run *r, const ps_text_list *pruned, json_t **result)
{
	struct survival survival;
	ps_fragility fragility;
	ps_ablation ablation = {0};
	int rc = survive(r, pruned, &survival);

	if (!rc)
		rc = measure_fragility(r, &fragility);
	if (!rc && r->ablation.latents)
		rc = measure_ablation(r, &ablation);
	if (rc)
		return rc;
	return ps_result_set(
		result,
		json_pack("{s:o, s:o, s:o, s:o, s:o}", "survival",
			  survival_json(&survival, pruned->count), "own_start",
			  ps_own_starts_json(&survival.starts), "fragility",
			  fragility_json(&fragility), "predictors", predictors_json(r), "ablation",
			  r->ablation.latents ? ablation_json(&ablation) : json_null()),
		&r->s->diag);
}

/* All or none: a condition that fails takes the results before it back. */
static int run_conditions(struct survival_run *r, json_t **results)
{
	size_t done = 0;
	int rc = 0;

	for (; done < r->args->count && !rc; done += !rc)
		rc = run_condition(r, &r->args->pruned[done], &results[done]);
	while (rc && done) {
		json_decref(results[--done]);
		results[done] = NULL;
	}
	return rc;
}

int ps_run_survival(ps_session *s, const ps_survival_args *args, json_t **results)
{
	struct survival_run r = {.s = s, .args = args};
	int rc = check_args(args, &s->diag);

	if (!rc)
		rc = ps_bootstrap_make(args->samples, args->seed, &r.bootstrap, &s->diag);
	if (!rc)
		rc = open_inputs(&r);
	if (!rc)
		rc = take_memory(&r);
	if (!rc)
		rc = load_dense(&r);
	if (!rc)
		rc = count_firing(&r);
	if (!rc && args->control)
		rc = follow_control(&r);
	if (!rc)
		rc = run_conditions(&r, results);
	for (size_t i = 0; i < args->dense.count; i++)
		ps_sae_folder_close(&r.dense[i]);
	ps_arena_destroy(&r.arena);
	ps_ablation_record_close(&r.ablation);
	ps_cache_windows_close(&r.cache);
	return rc;
}
