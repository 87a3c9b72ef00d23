#include "analysis/report/figure.h"

#include <math.h>
#include <string.h>

#include "analysis/report/figure_curves.h"
#include "analysis/report/figure_sparsity.h"

/* A number with the ends of its interval, which has a key of its own. */
static ps_interval with_ends(const json_t *c, ps_results_path number, ps_results_path interval)
{
	ps_interval i = ps_results_interval(c, interval);

	i.estimate = ps_results_number(c, number);
	return i;
}

static ps_interval perplexity(const json_t *c)
{
	return with_ends(c, PS_AT(CONDITION_DELTA_LOG_PPL),
			 PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL));
}

static ps_interval survival(const json_t *c)
{
	double mean = ps_results_number(c, PS_AT(CONDITION_MNN_SURVIVAL)),
	       sd = ps_results_number(c, PS_AT(CONDITION_MNN_SURVIVAL_SD));

	return (ps_interval){.estimate = mean, .low = mean - sd, .high = mean + sd};
}

static ps_interval jaccard(const json_t *c)
{
	return with_ends(c, PS_AT(CONDITION_JACCARD), PS_AT(CONDITION_JACCARD_INTERVAL));
}

static ps_interval fvu(const json_t *c)
{
	return with_ends(c, PS_AT(CONDITION_FVU), PS_AT(CONDITION_FVU_INTERVAL));
}

static ps_interval ablation_difference(const json_t *c)
{
	return ps_results_interval(c, PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE));
}

static ps_interval ablation_survivors(const json_t *c)
{
	return (ps_interval){.estimate = ps_results_number(
				     c, PS_AT(CONDITION_ABLATION, ABLATION_MEAN_SURVIVORS)),
			     .low = (double)NAN,
			     .high = (double)NAN};
}

#define REFERENCE "hollow: reference, other set-up"

static const ps_sparsity_plot sparsity_plots[] = {
	{.name = "perplexity",
	 .y = "change of log perplexity, nats",
	 .value = perplexity,
	 .scale = 1,
	 .joined = true},
	{.name = "survival",
	 .y = "MNN survival, τ = 0.7",
	 .value = survival,
	 .hollow = PS_AT(CONDITION_REFERENCE, REFERENCE_MNN_SURVIVAL),
	 .hollow_name = REFERENCE,
	 .retrain = PS_AT(CONDITION_MNN_SURVIVAL),
	 .scale = 1,
	 .joined = true,
	 .share = true,
	 .is_survival = true},
	{.name = "jaccard",
	 .y = "Jaccard of active latents",
	 .value = jaccard,
	 .hollow = PS_AT(CONDITION_REFERENCE, REFERENCE_JACCARD),
	 .hollow_name = REFERENCE,
	 .scale = 1,
	 .joined = true,
	 .share = true},
	{.name = "fvu",
	 .y = "FVU of the frozen dense SAE",
	 .value = fvu,
	 .scale = 1,
	 .joined = true,
	 .dense_fvu = true},
	{.name = "ablation",
	 .y = "survivors − lost, 0.001 nats/token",
	 .value = ablation_difference,
	 .retrain = PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE, INTERVAL_ESTIMATE),
	 .scale = 1000},
	{.name = "ablation_means",
	 .y = "mean effect, 0.001 nats/token",
	 .value = ablation_survivors,
	 .hollow = PS_AT(CONDITION_ABLATION, ABLATION_MEAN_LOST),
	 .hollow_name = "hollow: lost features",
	 .scale = 1000},
};

static const ps_curves_plot curves_plots[] = {
	{"tau", PS_AT(CONDITION_SURVIVAL), "least cosine τ", "MNN survival", false},
	{"fragility", PS_AT(CONDITION_FRAGILITY, FRAGILITY_SURVIVAL),
	 "quintile of firing rate: rare to frequent", "MNN survival, τ = 0.7", true},
};

static const char *const names[] = {"perplexity",     "seeds",      "survival",  "tau",
				    "jaccard",        "fvu",        "fragility", "ablation",
				    "ablation_means", "diagnostics"};

const char *ps_figure_name(size_t index)
{
	return index < sizeof names / sizeof *names ? names[index] : NULL;
}

static const ps_sparsity_plot *sparsity_plot(const char *name)
{
	for (size_t i = 0; i < sizeof sparsity_plots / sizeof *sparsity_plots; i++)
		if (!strcmp(sparsity_plots[i].name, name))
			return &sparsity_plots[i];
	return NULL;
}

bool ps_figure_script(size_t index, const ps_results *results, bool narrow, FILE *out)
{
	const char *name = ps_figure_name(index);
	const ps_sparsity_plot *plot = sparsity_plot(name);

	if (plot)
		return ps_figure_against_sparsity(plot, results, narrow, out);
	for (size_t i = 0; i < sizeof curves_plots / sizeof *curves_plots; i++)
		if (!strcmp(curves_plots[i].name, name))
			return ps_figure_curves(&curves_plots[i], results, narrow, out);
	return !strcmp(name, "seeds") ? ps_figure_seeds(results, narrow, out)
				      : ps_figure_diagnostics(results, narrow, out);
}

static const char *const captions[][2] = {
	{"perplexity", "Change of log perplexity (pruned less dense) against sparsity. Bars: 95 % "
		       "intervals, blocks of eight windows resampled."},
	{"seeds", "Survival of one dense SAE's features in another that differs in its seed only, "
		  "at five thresholds. What lies at or below this level is no more "
		  "than two runs have in common."},
	{"survival", "MNN survival of the dense SAE's features at τ = 0.7. Bars: one standard "
		     "deviation over seeds, where there is more than one. Solid line: the "
		     "dense SAE trained again, nothing pruned. Dashed: mean between seeds of the "
		     "dense model. Crosses: survival in a pruned SAE that started from another "
		     "seed."},
	{"tau", "MNN survival against the least cosine τ that counts, a line per sparsity; mean "
		"over seeds."},
	{"jaccard", "Fixed-dictionary Jaccard: overlap of the latents that the frozen dense SAE "
		    "activates on both models, same tokens. Bars: 95 % intervals, "
		    "windows resampled."},
	{"fvu", "Fraction of variance unexplained when the frozen dense SAE reconstructs the "
		"pruned model's activations; 1 is no better than the mean row, and more "
		"is possible. Dashed: the same SAE on the dense model. Bars: 95 % intervals, "
		"windows resampled."},
	{"fragility", "Survival by quintile of firing rate on the dense model, rare (Q1) to "
		      "frequent (Q5), a line per sparsity. Dashed: the dense SAE trained "
		      "again, nothing pruned."},
	{"ablation", "Mean effect of ablating features that survive less that of features that are "
		     "lost. Above zero: survivors matter more to the dense model. "
		     "Bars: 95 % intervals, windows and latents resampled, where there is one. "
		     "Solid line: the same with the survivors of the unpruned retrain."},
	{"ablation_means", "The two means behind that difference: survivors filled, lost features "
			   "hollow. Where none was lost there is no hollow point."},
	{"diagnostics", "Spearman correlation of each diagnostic with the change of log perplexity "
			"over all conditions. Bars: 95 % intervals, models "
			"resampled, where there are 16 or more. Below: the rivals, which need no "
			"SAE."},
};

void ps_figure_caption(const char *name, const ps_results *results, FILE *out)
{
	const ps_sparsity_plot *plot = sparsity_plot(name);

	for (size_t i = 0; i < sizeof captions / sizeof *captions; i++)
		if (!strcmp(captions[i][0], name))
			fputs(captions[i][1], out);
	if (plot && results->method_count > 1)
		fputs(" Points of the methods stand a little apart sideways so that all can be "
		      "seen.",
		      out);
	if (plot && ps_figure_own_axes(plot, results))
		fputs(" The models differ so much that each panel has a vertical axis of its own.",
		      out);
}
