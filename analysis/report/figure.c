#include "analysis/report/figure.h"

#include <math.h>
#include <string.h>

#include "analysis/report/figure_plots.h"

static ps_interval perplexity(const ps_results *r, const json_t *c)
{
	ps_interval i = ps_results_interval(c, "delta_log_ppl_interval");

	(void)r;
	i.estimate = ps_results_number(c, "delta_log_ppl");
	return i;
}

static ps_interval survival(const ps_results *r, const json_t *c)
{
	double mean = ps_results_number(c, "mnn_survival"),
	       sd = ps_results_number(c, "mnn_survival_sd");

	(void)r;
	return (ps_interval){.estimate = mean, .low = mean - sd, .high = mean + sd};
}

static ps_interval jaccard(const ps_results *r, const json_t *c)
{
	ps_interval i = ps_results_interval(c, "jaccard_interval");

	(void)r;
	i.estimate = ps_results_number(c, "jaccard");
	return i;
}

static ps_interval fvu(const ps_results *r, const json_t *c)
{
	ps_interval i = ps_results_interval(c, "fvu_interval");

	(void)r;
	i.estimate = ps_results_number(c, "fvu");
	return i;
}

static ps_interval ablation_difference(const ps_results *r, const json_t *c)
{
	(void)r;
	return ps_results_interval(c, "ablation.difference_clusters");
}

static ps_interval ablation_survivors(const ps_results *r, const json_t *c)
{
	(void)r;
	return (ps_interval){.estimate = ps_results_number(c, "ablation.mean_survivors"),
			     .low = (double)NAN,
			     .high = (double)NAN};
}

static double ablation_lost(const ps_results *r, const json_t *c)
{
	(void)r;
	return ps_results_number(c, "ablation.mean_lost");
}

static double reference_survival(const ps_results *r, const json_t *c)
{
	(void)r;
	return ps_results_number(c, "reference.mnn_survival");
}

static double reference_jaccard(const ps_results *r, const json_t *c)
{
	(void)r;
	return ps_results_number(c, "reference.jaccard");
}

#define REFERENCE "hollow: reference study"

static const ps_sparsity_plot sparsity_plots[] = {
	{.name = "perplexity",
	 .y = "change of log perplexity, nats",
	 .value = perplexity,
	 .hollow = ps_results_reference_change,
	 .hollow_name = REFERENCE,
	 .scale = 1,
	 .joined = true},
	{.name = "survival",
	 .y = "MNN survival, τ = 0.7",
	 .value = survival,
	 .hollow = reference_survival,
	 .hollow_name = REFERENCE,
	 .scale = 1,
	 .joined = true,
	 .share = true,
	 .is_survival = true},
	{.name = "jaccard",
	 .y = "Jaccard of active latents",
	 .value = jaccard,
	 .hollow = reference_jaccard,
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
	 .scale = 1000},
	{.name = "ablation_means",
	 .y = "mean effect, 0.001 nats/token",
	 .value = ablation_survivors,
	 .hollow = ablation_lost,
	 .hollow_name = "hollow: lost features",
	 .scale = 1000},
};

static const ps_curves_plot curves_plots[] = {
	{"tau", "survival", "least cosine τ", "MNN survival", false},
	{"fragility", "fragility.survival", "quintile of firing rate: rare to frequent",
	 "MNN survival, τ = 0.7", true},
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
		       "intervals, windows resampled."},
	{"seeds", "Survival of one dense SAE's features in another that differs in its seed only, "
		  "at five thresholds. What lies at or below this level is no more "
		  "than two runs have in common."},
	{"survival", "MNN survival of the dense SAE's features at τ = 0.7. Bars: one standard "
		     "deviation over seeds, where there is more than one. Dashed, with a "
		     "band: mean and interval between seeds of the dense model. Crosses: survival "
		     "in a pruned SAE that started from another seed."},
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
		      "frequent (Q5), a line per sparsity."},
	{"ablation", "Mean effect of ablating features that survive less that of features that are "
		     "lost. Above zero: survivors matter more to the dense model. "
		     "Bars: 95 % intervals, windows resampled."},
	{"ablation_means", "The two means behind that difference: survivors filled, lost features "
			   "hollow. Where none was lost there is no hollow point."},
	{"diagnostics", "Spearman correlation of each diagnostic with the change of log perplexity "
			"over all conditions. Bars: 95 % intervals, conditions "
			"resampled."},
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
