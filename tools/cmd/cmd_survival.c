/* survival: which of a dense SAE's latents are found again in the SAEs of pruned models (RQ2),
 * whether rare ones are found as often as frequent ones (RQ4), and whether the model needs those
 * that are (RQ5).
 *
 * The dense SAEs are loaded once. Then it goes seed by seed: where the latents of the seed's dense
 * SAE fire is counted once, for all conditions; condition by condition, the pruned SAE of the seed
 * is loaded, and its findings are kept. Only one seed's counts are in memory. */
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
#include "tools/cmd/survival_findings.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"

/* What is found of a condition. */
struct condition {
	double grid[PS_LIST_MAX][PS_TAUS]; /* by seed: dense and pruned SAE of the same seed */
	double alive;                      /* mean over seeds, at tau .7, of the latents alive */
	double other[PS_TAUS];             /* sum over the pairs of different seeds */
	size_t others;                     /* those pairs */
	ps_own_starts starts;
	ps_seed_findings *seed; /* [the condition's pruned SAEs], in the arena */
};

struct survival_run {
	ps_session *s;
	const ps_survival_args *args;
	size_t seeds; /* most pruned SAEs of a condition */
	ps_bootstrap bootstrap;
	ps_cache_windows cache;
	ps_clusters clusters;
	ps_ablation_record ablation[PS_LIST_MAX]; /* [args->ablations] */
	ps_sae first;                             /* shape of the first dense SAE */
	size_t dense_latents_max; /* most latents of a dense SAE, and of a pruned one */
	size_t pruned_latents_max;
	size_t dense_bytes, pruned_bytes; /* all dense SAEs; the largest pruned one */
	ps_sae_folder dense[PS_LIST_MAX];
	ps_arena arena;
	/* in the arena */
	struct condition *condition; /* [args->count] */
	/* of the seed that is measured */
	ps_firing firing;
	uint8_t *survived; /* (F): whether the latent is found in the condition's SAE */
	double *cosine;    /* (F): to its nearest latent there */
	uint8_t *control;  /* (F): whether it is found in the control's SAE */
	uint8_t *stratum;  /* (F): quintile of firing; 0 where it never fires */
	double *rate;      /* (F): share of rows on which it fires */
	double *start;     /* (F): cosine with its own start; NaN: not known */
	double *score;     /* (F): one predictor; scratch */
	uint32_t *order;   /* (F): scratch */
};

/* --- inputs --- */

/* Files that stand beside the dense SAEs, from the first seed on. */
static int check_lists(const struct survival_run *r)
{
	const ps_survival_args *args = r->args;
	ps_diag *diag = &r->s->diag;

	if (args->ablations.count > r->seeds)
		return ps_fail(diag, PS_EUSAGE, "%zu ablations for %zu pruned SAEs",
			       args->ablations.count, r->seeds);
	if (args->controls.count && args->controls.count != r->seeds)
		return ps_fail(diag, PS_EUSAGE,
			       "%zu controls for %zu pruned SAEs: each dense SAE has its own",
			       args->controls.count, r->seeds);
	return 0;
}

static int check_args(struct survival_run *r)
{
	const ps_survival_args *args = r->args;
	ps_diag *diag = &r->s->diag;

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
		r->seeds = ps_max_size(r->seeds, args->pruned[c].count);
	}
	return check_lists(r);
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

static int measure_dense(struct survival_run *r)
{
	const ps_text_list *paths = &r->args->dense;
	int rc = 0;

	for (size_t i = 0; i < paths->count && !rc; i++) {
		ps_sae shape;
		size_t bytes;

		rc = measure(r, paths->item[i], &shape, &bytes);
		if (rc)
			return rc;
		r->dense_latents_max = ps_max_size(r->dense_latents_max, shape.d_sae);
		r->dense_bytes += bytes;
		if (i < r->args->ablations.count)
			rc = ps_ablation_record_open(&r->ablation[i], r->args->ablations.item[i],
						     shape.d_sae, &r->s->diag);
	}
	return rc;
}

static int measure_all(struct survival_run *r)
{
	const ps_survival_args *args = r->args;
	int rc = measure_dense(r);

	for (size_t c = 0; c < args->count; c++)
		for (size_t i = 0; i < args->pruned[c].count && !rc; i++)
			rc = measure_pruned(r, args->pruned[c].item[i]);
	for (size_t i = 0; i < args->controls.count && !rc; i++)
		rc = measure_pruned(r, args->controls.item[i]);
	return rc;
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
	return rc ? rc : check_cache_role(r);
}

/* --- memory --- */

/* The most that a part of one condition takes: match, fragility, a predictor, the ablation. */
static size_t condition_bytes(const struct survival_run *r)
{
	const int threads = r->s->threads;
	const size_t latents = r->dense_latents_max;
	size_t bytes =
		ps_match_bytes(r->dense_latents_max, r->pruned_latents_max, r->first.d_in, threads);

	bytes = ps_max_size(bytes,
			    ps_own_start_bytes(r->pruned_latents_max, r->first.d_in, threads));
	bytes = ps_max_size(bytes, ps_own_start_cosines_bytes(r->first.d_in, threads));
	bytes = ps_max_size(
		bytes, ps_fragility_bytes(latents, r->cache.windows_max, &r->bootstrap, threads));
	bytes = ps_max_size(bytes, ps_auc_bytes(latents));
	for (size_t i = 0; i < r->args->ablations.count; i++) {
		const ps_ablation_record *own = &r->ablation[i];

		bytes = ps_max_size(bytes, ps_ablation_record_bytes(own) +
						   ps_ablation_bytes(own->latents, own->windows,
								     &r->bootstrap, threads));
	}
	return bytes;
}

/* What is kept of each latent and each condition: counted for the plan, taken when the arena is
 * there. */
static size_t lay_out(struct survival_run *r, ps_arena *arena)
{
	const size_t latents = r->dense_latents_max;
	ps_layout layout = {.arena = arena};

	r->cosine = ps_layout_part(&layout, latents, sizeof *r->cosine);
	r->rate = ps_layout_part(&layout, latents, sizeof *r->rate);
	r->start = ps_layout_part(&layout, latents, sizeof *r->start);
	r->score = ps_layout_part(&layout, latents, sizeof *r->score);
	r->order = ps_layout_part(&layout, latents, sizeof *r->order);
	r->survived = ps_layout_part(&layout, latents, sizeof *r->survived);
	r->control = ps_layout_part(&layout, latents, sizeof *r->control);
	r->stratum = ps_layout_part(&layout, latents, sizeof *r->stratum);
	r->condition = ps_layout_part(&layout, r->args->count, sizeof *r->condition);
	for (size_t c = 0; c < r->args->count; c++) {
		ps_seed_findings *own = ps_layout_part(&layout, r->seeds, sizeof *own);

		if (r->condition)
			r->condition[c] = (struct condition){.seed = own};
	}
	return layout.bytes;
}

static int take_memory(struct survival_run *r)
{
	ps_sae largest = r->first;
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};
	size_t held_bytes;
	int rc;

	largest.d_sae = r->dense_latents_max;
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "dense SAEs", r->dense_bytes);
	ps_plan_add(&plan, "a pruned SAE", r->pruned_bytes);
	ps_cache_windows_plan(&r->cache, &plan);
	held_bytes = plan.total_bytes;
	ps_plan_add(&plan, "windows of rows", ps_clusters_bytes((size_t)r->cache.rows.count));
	ps_plan_add(&plan, "firing counts",
		    ps_firing_bytes(&largest, r->cache.windows_max, r->s->threads));
	ps_plan_add(&plan, "what is known of latents", lay_out(r, NULL));
	ps_plan_add(&plan, "comparison", condition_bytes(r));
	rc = ps_plan_check(&plan, &r->s->diag);
	if (!rc)
		rc = ps_arena_create(&r->arena, plan.total_bytes - held_bytes, &r->s->diag);
	if (!rc)
		lay_out(r, &r->arena);
	return rc;
}

/* --- what all conditions share, of one seed --- */

/* Cosines do not depend on the number that rows are multiplied by. */
static int load_for_cosines(const struct survival_run *r, ps_sae_folder *folder, const char *path)
{
	return ps_sae_folder_load_scaled(folder, path, 1, &r->s->diag);
}

static int check_ablations(struct survival_run *r)
{
	const ps_survival_args *args = r->args;
	int rc = 0;

	for (size_t i = 0; i < args->ablations.count && !rc; i++)
		rc = ps_ablation_record_check(&r->ablation[i], r->s,
					      &(ps_ablation_use){.sae = args->dense.item[i],
								 .digest = r->dense[i].digest,
								 .mask = PS_NO_MASK,
								 .model = "the dense model"});
	return rc;
}

static int load_dense(struct survival_run *r)
{
	const ps_text_list *paths = &r->args->dense;
	int rc = 0;

	for (size_t i = 0; i < paths->count && !rc; i++)
		rc = i < r->seeds ? ps_norm_factor_load(r->s, &r->dense[i], paths->item[i],
							r->args->norm_cache, false)
				  : load_for_cosines(r, &r->dense[i], paths->item[i]);
	return rc ? rc : check_ablations(r);
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

static int count_firing(struct survival_run *r, size_t seed)
{
	int rc = ps_firing_count(&r->dense[seed].sae, &r->cache.cache.source, &r->cache.rows,
				 &r->clusters, &r->s->context, &r->arena, &r->firing);

	if (!rc)
		note_rates(r);
	return rc;
}

/* How far each latent is from where its training started, where that is known. */
static void note_starts(struct survival_run *r, size_t seed)
{
	const ps_sae_folder *dense = &r->dense[seed];

	for (size_t j = 0; j < dense->sae.d_sae; j++)
		r->start[j] = (double)NAN;
	if (dense->start_known)
		ps_own_start_cosines(&dense->sae, dense->init_seed, &r->s->context, &r->arena,
				     r->start);
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

/* The pruned SAE of one seed beside the dense one of its seed, whose latents are followed. */
static int survive_own(struct survival_run *r, const ps_sae *pruned, size_t seed, struct found *out)
{
	const size_t mark = ps_arena_mark(&r->arena);
	ps_match m;
	int rc = match(r, &r->dense[seed], pruned, &m, out);

	if (!rc)
		note_survivors(&m, r->survived);
	for (size_t f = 0; f < m.count && !rc; f++)
		r->cosine[f] = (double)m.cosine[f];
	ps_arena_rewind(&r->arena, mark);
	return rc;
}

/* Which latents are found in the control's SAE of the seed. */
static int follow_control(struct survival_run *r, size_t seed)
{
	const size_t mark = ps_arena_mark(&r->arena);
	ps_sae_folder folder;
	ps_match m;
	int rc = load_for_cosines(r, &folder, r->args->controls.item[seed]);

	if (rc)
		return rc;
	rc = ps_match_decoders(&r->dense[seed].sae, &folder.sae, &r->s->context, &r->arena, &m);
	if (!rc)
		note_survivors(&m, r->control);
	ps_arena_rewind(&r->arena, mark);
	ps_sae_folder_close(&folder);
	return rc;
}

/* The pruned SAE of one seed beside the dense ones of other seeds: adds to their sum and their
 * number. */
static int survive_others(struct survival_run *r, const ps_sae *pruned, size_t seed,
			  struct condition *c)
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
			c->other[t] += found.grid[t];
		c->others++;
		ps_arena_rewind(&r->arena, mark);
	}
	return rc;
}

/* The condition's pruned SAE of one seed. */
static int survive(struct survival_run *r, const ps_text_list *pruned, size_t seed,
		   struct condition *c)
{
	struct found own;
	ps_sae_folder folder;
	int rc = load_for_cosines(r, &folder, pruned->item[seed]);

	if (rc)
		return rc;
	rc = survive_own(r, &folder.sae, seed, &own);
	if (!rc) {
		memcpy(c->grid[seed], own.grid, sizeof own.grid);
		c->alive += own.alive / (double)pruned->count;
		rc = survive_others(r, &folder.sae, seed, c);
	}
	if (!rc)
		rc = ps_own_starts_add(&c->starts, &folder, &r->s->context, &r->arena);
	ps_sae_folder_close(&folder);
	return rc;
}

static json_t *survival_json(const struct condition *c, size_t seeds)
{
	double mean[PS_TAUS], sd[PS_TAUS], other[PS_TAUS], by_seed[PS_LIST_MAX];

	ps_survival_over_seeds(c->grid, seeds, mean, sd);
	for (int t = 0; t < PS_TAUS; t++)
		other[t] = c->others ? c->other[t] / (double)c->others : (double)NAN;
	for (size_t i = 0; i < seeds; i++)
		by_seed[i] = c->grid[i][PS_TAU_MAIN];
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "taus",
			 ps_numbers_json(ps_taus, PS_TAUS), "mean", ps_numbers_json(mean, PS_TAUS),
			 "sd", ps_numbers_json(sd, PS_TAUS), "by_seed",
			 ps_numbers_json(by_seed, seeds), "alive", ps_number_json(c->alive),
			 "other_seed", ps_numbers_json(other, PS_TAUS));
}

/* --- fragility and ablation --- */

static int measure_fragility(struct survival_run *r, ps_fragility *out)
{
	const ps_firing *firing = &r->firing;
	const size_t mark = ps_arena_mark(&r->arena);
	int rc = ps_fragility_run(
		&(ps_fragility_input){.firing = firing->total,
				      .survived = r->survived,
				      .control = r->args->controls.count ? r->control : NULL,
				      .latents = firing->latents,
				      .by_cluster = firing},
		&r->bootstrap, &r->s->context, &r->arena, out);

	ps_arena_rewind(&r->arena, mark);
	return rc;
}

static int measure_ablation(struct survival_run *r, const ps_ablation_record *record,
			    ps_ablation *out)
{
	const size_t mark = ps_arena_mark(&r->arena);
	ps_ablation_data data;
	int rc;

	ps_ablation_record_columns(record,
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

static double decoder_norm(const ps_sae *sae, size_t latent)
{
	const float *row = sae->dec + latent * sae->d_in;
	double sum = 0;

	for (size_t d = 0; d < sae->d_in; d++)
		sum += (double)row[d] * (double)row[d];
	return sqrt(sum);
}

/* A statistic of a latent that fired. */
static double score_of(const struct survival_run *r, const ps_sae *dense, ps_predictor predictor,
		       size_t latent)
{
	const ps_firing *firing = &r->firing;

	switch (predictor) {
	case PS_FIRING_RATE:
		return r->rate[latent];
	case PS_MEAN_ACTIVATION:
		return firing->activation[latent] / (double)firing->total[latent];
	case PS_PEAK_ACTIVATION:
		return firing->peak[latent];
	case PS_OWN_START_COSINE:
		return r->start[latent];
	default:
		return decoder_norm(dense, latent);
	}
}

/* Fills score, NaN for latents that never fired or were not ablated. */
static void fill_scores(struct survival_run *r, size_t seed, ps_predictor predictor)
{
	const ps_firing *firing = &r->firing;

	if (predictor == PS_ABLATION_EFFECT) {
		ps_ablation_record_effects(&r->ablation[seed], firing->latents, r->score);
		return;
	}
	for (size_t j = 0; j < firing->latents; j++)
		r->score[j] = firing->total[j] ? score_of(r, &r->dense[seed].sae, predictor, j)
					       : (double)NAN;
}

static void measure_predictors(struct survival_run *r, size_t seed, ps_interval auc[PS_PREDICTORS])
{
	const ps_predictor count =
		seed < r->args->ablations.count ? PS_PREDICTORS : PS_ABLATION_EFFECT;

	for (ps_predictor p = PS_FIRING_RATE; p < count; p++) {
		fill_scores(r, seed, p);
		ps_auc(&(ps_auc_data){.score = r->score,
				      .positive = r->survived,
				      .count = r->firing.latents},
		       r->bootstrap.confidence, &r->arena, &auc[p]);
	}
}

/* --- the command --- */

static int run_condition(struct survival_run *r, size_t seed, size_t condition)
{
	struct condition *c = &r->condition[condition];
	ps_seed_findings *out = &c->seed[seed];
	int rc = survive(r, &r->args->pruned[condition], seed, c);

	if (!rc)
		rc = measure_fragility(r, &out->fragility);
	if (!rc && seed < r->args->ablations.count)
		rc = measure_ablation(r, &r->ablation[seed], &out->ablation);
	if (!rc)
		measure_predictors(r, seed, out->auc);
	return rc;
}

static int run_seed(struct survival_run *r, size_t seed)
{
	const size_t mark = ps_arena_mark(&r->arena);
	int rc = count_firing(r, seed);

	if (!rc)
		note_starts(r, seed);
	if (!rc && r->args->controls.count)
		rc = follow_control(r, seed);
	for (size_t c = 0; c < r->args->count && !rc; c++)
		if (seed < r->args->pruned[c].count)
			rc = run_condition(r, seed, c);
	ps_arena_rewind(&r->arena, mark);
	return rc;
}

static int run_seeds(struct survival_run *r)
{
	int rc = ps_clusters_of_windows(&r->cache.cache.source, &r->cache.rows, &r->arena,
					&r->s->diag, &r->clusters);

	for (size_t seed = 0; seed < r->seeds && !rc; seed++)
		rc = run_seed(r, seed);
	return rc;
}

static json_t *condition_json(const struct survival_run *r, size_t condition)
{
	const struct condition *c = &r->condition[condition];
	const size_t seeds = r->args->pruned[condition].count,
		     ablated = ps_min_size(seeds, r->args->ablations.count);

	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "survival", survival_json(c, seeds),
			 "own_start", ps_own_starts_json(&c->starts), "fragility",
			 ps_fragility_json(c->seed, seeds), "predictors",
			 ps_predictors_json(c->seed, seeds, ablated), "ablation",
			 ps_ablation_json(c->seed, ablated));
}

/* All or none: a result that fails takes those before it back. */
static int make_results(const struct survival_run *r, json_t **results)
{
	size_t done = 0;
	int rc = 0;

	for (; done < r->args->count && !rc; done += !rc)
		rc = ps_result_set(&results[done], condition_json(r, done), &r->s->diag);
	while (rc && done) {
		json_decref(results[--done]);
		results[done] = NULL;
	}
	return rc;
}

int ps_run_survival(ps_session *s, const ps_survival_args *args, json_t **results)
{
	struct survival_run r = {.s = s, .args = args};
	int rc = check_args(&r);

	if (!rc)
		rc = ps_bootstrap_make(args->samples, args->seed, &r.bootstrap, &s->diag);
	if (!rc)
		rc = open_inputs(&r);
	if (!rc)
		rc = take_memory(&r);
	if (!rc)
		rc = load_dense(&r);
	if (!rc)
		rc = run_seeds(&r);
	if (!rc)
		rc = make_results(&r, results);
	for (size_t i = 0; i < args->dense.count; i++)
		ps_sae_folder_close(&r.dense[i]);
	ps_arena_destroy(&r.arena);
	for (size_t i = 0; i < args->ablations.count; i++)
		ps_ablation_record_close(&r.ablation[i]);
	ps_cache_windows_close(&r.cache);
	return rc;
}
