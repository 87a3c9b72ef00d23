#include "tools/cmd/survival_findings.h"

#include "analysis/over_seeds.h"
#include "tools/cmd/result.h"

#define CONFIDENCE 0.95

/* The member of each seed's findings. */
#define OF_SEEDS(seed, seeds, member)                                                              \
	((ps_of_seeds){&(seed)->member, sizeof(ps_seed_findings), (seeds)})

/* Appends a value to the list; NULL, and the list is gone, when memory ran out. */
static json_t *append(json_t *list, json_t *value)
{
	if (!json_array_append_new(list, value))
		return list;
	json_decref(list);
	return NULL;
}

/* Adds by_seed to the object; NULL, and both are gone, when memory ran out. */
static json_t *with_seeds(json_t *object, json_t *by_seed)
{
	if (!object)
		json_decref(by_seed);
	else if (!json_object_set_new(object, "by_seed", by_seed))
		return object;
	json_decref(object);
	return NULL;
}

static ps_interval mean_of(ps_of_seeds seeds, double null_value, double least, double largest)
{
	ps_interval out;

	ps_over_seeds(seeds, &(ps_interval_law){.confidence = CONFIDENCE, .null_value = null_value},
		      &out);
	ps_interval_clip(&out, least, largest);
	return out;
}

static ps_interval correlation(ps_of_seeds seeds)
{
	return mean_of(seeds, 0, -1, 1);
}

/* --- fragility --- */

static json_t *fragility_of_seed(const ps_fragility *f)
{
	const ps_named_interval intervals[] = {{"difference", &f->difference.both},
					       {"less_control", &f->less_control.both},
					       {"rho_latents", &f->rho_latents}};

	return ps_intervals_add(json_pack("{s:I, s:o, s:o}", "alive", (json_int_t)f->alive,
					  "survival", ps_numbers_json(f->survival, PS_QUINTILES),
					  "control_survival",
					  ps_numbers_json(f->control_survival, PS_QUINTILES)),
				intervals, sizeof intervals / sizeof *intervals);
}

static json_t *quintiles_json(const ps_seed_findings *seed, size_t seeds)
{
	uint64_t alive = 0, size[PS_QUINTILES] = {0};
	double survival[PS_QUINTILES], control[PS_QUINTILES];

	for (size_t q = 0; q < PS_QUINTILES; q++) {
		survival[q] = ps_over_seeds_mean(OF_SEEDS(seed, seeds, fragility.survival[q]));
		control[q] =
			ps_over_seeds_mean(OF_SEEDS(seed, seeds, fragility.control_survival[q]));
		for (size_t s = 0; s < seeds; s++)
			size[q] += seed[s].fragility.size[q];
		alive += size[q];
	}
	return json_pack("{s:I, s:o, s:o, s:o}", "alive", (json_int_t)alive, "size",
			 ps_integers_json(size, PS_QUINTILES), "survival",
			 ps_numbers_json(survival, PS_QUINTILES), "control_survival",
			 ps_numbers_json(control, PS_QUINTILES));
}

json_t *ps_fragility_json(const ps_seed_findings *seed, size_t seeds)
{
	const ps_interval quintiles = correlation(OF_SEEDS(seed, seeds, fragility.rho_quintiles)),
			  latents = correlation(OF_SEEDS(seed, seeds, fragility.rho_latents));
	ps_two_way_result difference, less_control;
	const ps_named_interval intervals[] = {
		{"difference", &difference.both},
		{"difference_latents", &difference.columns},
		{"difference_clusters", &difference.rows},
		{"less_control", &less_control.both},
		{"rho_quintiles", &quintiles},
		{"rho_latents", &latents},
	};
	json_t *by_seed = json_array(), *o;

	ps_over_seeds_two_way(OF_SEEDS(seed, seeds, fragility.difference), CONFIDENCE, &difference);
	ps_over_seeds_two_way(OF_SEEDS(seed, seeds, fragility.less_control), CONFIDENCE,
			      &less_control);
	for (size_t s = 0; s < seeds && by_seed; s++)
		by_seed = append(by_seed, fragility_of_seed(&seed[s].fragility));
	o = ps_intervals_add(quintiles_json(seed, seeds), intervals,
			     sizeof intervals / sizeof *intervals);
	return with_seeds(o, by_seed);
}

/* --- ablation --- */

static json_t *ablation_of_seed(const ps_ablation *a)
{
	const ps_named_interval intervals[] = {{"difference", &a->difference.both},
					       {"difference_stratified", &a->stratified.both},
					       {"firing_difference", &a->firing.both}};

	return ps_intervals_add(json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "features",
					  (json_int_t)a->features, "survivors",
					  (json_int_t)a->survivors, "mean_survivors",
					  ps_number_json(a->mean_survivors), "mean_lost",
					  ps_number_json(a->mean_lost), "firing_survivors",
					  ps_number_json(a->firing_survivors), "firing_lost",
					  ps_number_json(a->firing_lost)),
				intervals, sizeof intervals / sizeof *intervals);
}

static json_t *strata_json(const ps_seed_findings *seed, size_t seeds)
{
	json_t *list = json_array();

	for (size_t q = 0; q < PS_QUINTILES && list; q++) {
		json_int_t features = 0, survivors = 0;

		for (size_t s = 0; s < seeds; s++) {
			features += (json_int_t)seed[s].ablation.strata[q].features;
			survivors += (json_int_t)seed[s].ablation.strata[q].survivors;
		}
		list = append(list,
			      json_pack("{s:I, s:I, s:o, s:o}", "features", features, "survivors",
					survivors, "mean_survivors",
					ps_number_json(ps_over_seeds_mean(OF_SEEDS(
						seed, seeds, ablation.strata[q].mean_survivors))),
					"mean_lost",
					ps_number_json(ps_over_seeds_mean(OF_SEEDS(
						seed, seeds, ablation.strata[q].mean_lost)))));
	}
	return list;
}

#define MEAN(member) ps_number_json(ps_over_seeds_mean(OF_SEEDS(seed, seeds, ablation.member)))

static json_t *effects_json(const ps_seed_findings *seed, size_t seeds)
{
	json_int_t features = 0, firing = 0, survivors = 0;

	for (size_t s = 0; s < seeds; s++) {
		features += (json_int_t)seed[s].ablation.features;
		firing += (json_int_t)seed[s].ablation.firing_features;
		survivors += (json_int_t)seed[s].ablation.survivors;
	}
	return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "features", features,
			 "firing_features", firing, "survivors", survivors, "mean_survivors",
			 MEAN(mean_survivors), "mean_lost", MEAN(mean_lost), "firing_survivors",
			 MEAN(firing_survivors), "firing_lost", MEAN(firing_lost), "strata",
			 strata_json(seed, seeds));
}

#undef MEAN

/* The intervals of ablation_json, over the seeds. */
static json_t *add_effects(json_t *o, const ps_seed_findings *seed, size_t seeds)
{
#define RHO(member) correlation(OF_SEEDS(seed, seeds, ablation.member))
	const ps_interval rho[] = {RHO(rho_survival),        RHO(rho_cosine),
				   RHO(partial_survival),    RHO(partial_cosine),
				   RHO(firing_rho_survival), RHO(firing_rho_cosine)};
#undef RHO
	ps_two_way_result difference, stratified, firing;
	const ps_named_interval intervals[] = {
		{"rho_survival", &rho[0]},
		{"rho_cosine", &rho[1]},
		{"partial_survival", &rho[2]},
		{"partial_cosine", &rho[3]},
		{"difference", &difference.both},
		{"difference_features", &difference.columns},
		{"difference_clusters", &difference.rows},
		{"difference_stratified", &stratified.both},
		{"firing_difference", &firing.both},
		{"firing_rho_survival", &rho[4]},
		{"firing_rho_cosine", &rho[5]},
	};

	ps_over_seeds_two_way(OF_SEEDS(seed, seeds, ablation.difference), CONFIDENCE, &difference);
	ps_over_seeds_two_way(OF_SEEDS(seed, seeds, ablation.stratified), CONFIDENCE, &stratified);
	ps_over_seeds_two_way(OF_SEEDS(seed, seeds, ablation.firing), CONFIDENCE, &firing);
	return ps_intervals_add(o, intervals, sizeof intervals / sizeof *intervals);
}

json_t *ps_ablation_json(const ps_seed_findings *seed, size_t ablated)
{
	json_t *by_seed, *o;

	if (!ablated)
		return json_null();
	by_seed = json_array();
	for (size_t s = 0; s < ablated && by_seed; s++)
		by_seed = append(by_seed, ablation_of_seed(&seed[s].ablation));
	o = add_effects(effects_json(seed, ablated), seed, ablated);
	return with_seeds(o, by_seed);
}

/* --- predictors --- */

static json_t *predictor_json(const ps_seed_findings *seed, size_t seeds, ps_predictor p)
{
	static const char *const names[PS_PREDICTORS] = {"firing_rate",      "mean_activation",
							 "peak_activation",  "decoder_norm",
							 "own_start_cosine", "ablation_effect"};
	const ps_interval auc = mean_of(OF_SEEDS(seed, seeds, auc[p]), 0.5, 0, 1);
	json_t *by_seed = json_array();

	for (size_t s = 0; s < seeds && by_seed; s++)
		by_seed = append(by_seed, ps_number_json(seed[s].auc[p].estimate));
	return json_pack("{s:s, s:o, s:o}", "name", names[p], "auc", ps_interval_json(&auc),
			 "by_seed", by_seed);
}

json_t *ps_predictors_json(const ps_seed_findings *seed, size_t seeds, size_t ablated)
{
	const ps_predictor count = ablated ? PS_PREDICTORS : PS_ABLATION_EFFECT;
	json_t *list = json_array();

	for (ps_predictor p = PS_FIRING_RATE; p < count && list; p++)
		list = append(list,
			      predictor_json(seed, p == PS_ABLATION_EFFECT ? ablated : seeds, p));
	return list;
}
