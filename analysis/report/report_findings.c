#include "analysis/report/report_findings.h"

#include <math.h>
#include <string.h>

#include "analysis/report/report_html.h"

#define NOT_MEASURED "Not measured in this study. "

ps_tally ps_tally_intervals(const json_t *array, const char *path)
{
	ps_tally t = {0, 0, 0};

	for (size_t i = 0; i < json_array_size(array); i++) {
		ps_interval v = ps_results_interval(json_array_get(array, i), path);

		if (!isfinite(v.low) || !isfinite(v.high))
			continue;
		t.count++;
		t.above += v.low > 0;
		t.below += v.high < 0;
	}
	return t;
}

/* "a to b", or "a" where both read the same. */
static void write_range(FILE *out, double least, double largest, int decimals)
{
	ps_html_number(out, least, decimals);
	if (fabs(largest - least) < 0.5 * pow(10, -decimals))
		return;
	fputs(" to ", out);
	ps_html_number(out, largest, decimals);
}

/* "in 4 of 30 conditions ABOVE, in 2 BELOW; in the other 24 the interval includes zero and no difference is shown." */
static void write_tally(FILE *out, ps_tally t, const char *things, const char *above,
			const char *below)
{
	size_t neither = t.count - t.above - t.below;

	fprintf(out, "%s in %zu of %zu %s%s, %s in %zu", above, t.above, t.count, things,
		t.count == 1 ? "" : "s", below, t.below);
	if (neither == t.count)
		fputs("; every interval includes zero, so no difference is shown. ", out);
	else if (neither)
		fprintf(out,
			"; in the other %zu the interval includes zero, so no difference is "
			"shown. ",
			neither);
	else
		fputs(". ", out);
}

/* Least and largest of a number over the conditions of a method at a sparsity. */
static bool range_at(const ps_results *r, const char *method, double sparsity, const char *path,
		     double *least, double *largest)
{
	bool found = false;

	for (size_t m = 0; m < r->model_count; m++) {
		double value = ps_results_number(
			ps_results_find(r, ps_results_text(ps_results_model(r, m), "name"), method,
					sparsity),
			path);

		if (!isfinite(value))
			continue;
		*least = found ? fmin(*least, value) : value;
		*largest = found ? fmax(*largest, value) : value;
		found = true;
	}
	return found;
}

/* "LEAD x to y UNIT under A NEXT x to y under B" of a path at a sparsity, with one model its interval instead of the
 * range; false when there is nothing to say. */
static bool write_by_method(FILE *out, const ps_results *r, double sparsity, const char *path,
			    const char *lead, const char *next, const char *unit)
{
	char interval_path[64];
	double least, largest;
	bool any = false;

	snprintf(interval_path, sizeof interval_path, "%s_interval", path);
	for (size_t i = 0; i < r->method_count; i++) {
		if (!range_at(r, r->methods[i], sparsity, path, &least, &largest))
			continue;
		fputs(any ? next : lead, out);
		if (r->model_count == 1)
			ps_html_interval(
				out,
				ps_results_interval(
					ps_results_find(
						r, ps_results_text(ps_results_model(r, 0), "name"),
						r->methods[i], sparsity),
					interval_path),
				3);
		else
			write_range(out, least, largest, 3);
		fprintf(out, "%s under ", any ? "" : unit);
		ps_html_text(out, ps_method_label(r->methods[i]));
		any = true;
	}
	return any;
}

static double highest(const ps_results *r)
{
	return r->sparsity_count ? r->sparsities[r->sparsity_count - 1] : (double)NAN;
}

static const char *over_models(const ps_results *r)
{
	return r->model_count > 1 ? " (least to largest over the models)" : "";
}

void ps_finding_perplexity(FILE *out, const ps_results *r, bool brief)
{
	ps_tally change = ps_tally_intervals(r->conditions, "delta_log_ppl_interval");
	ps_tally pairs = ps_tally_intervals(json_object_get(r->root, "comparisons"),
					    "wanda_minus_magnitude");
	char lead[96];

	snprintf(lead, sizeof lead, "At %.3g&nbsp;%% sparsity log perplexity changes by ",
		 100 * highest(r));
	if (write_by_method(out, r, highest(r), "delta_log_ppl", lead, " and by ", " nats"))
		fprintf(out, "%s. ", over_models(r));
	else
		fputs(NOT_MEASURED, out);
	if (change.count && !brief) {
		fputs("The change is", out);
		write_tally(out, change, "condition", " above zero", "below zero");
	}
	if (pairs.count) {
		fputs("Paired over the same windows, Wanda’s loss against magnitude’s at the same "
		      "label is",
		      out);
		write_tally(out, pairs, "pair", " higher", "lower");
	}
}

/* Least and largest over the pairs of seeds of all models. */
static bool pair_range(const ps_results *r, const char *path, double *least, double *largest)
{
	bool found = false;

	for (size_t m = 0; m < r->model_count; m++) {
		double a, b;

		if (!ps_results_range(ps_results_at(ps_results_model(r, m), "seeds.pairs"), path,
				      &a, &b))
			continue;
		*least = found ? fmin(*least, a) : a;
		*largest = found ? fmax(*largest, b) : b;
		found = true;
	}
	return found;
}

void ps_finding_seeds(FILE *out, const ps_results *r, bool brief)
{
	double least, largest;

	if (!ps_results_range(r->models, "seeds.survival.2.mean", &least, &largest)) {
		fputs("Agreement between seeds was not measured: it takes at least two seeds. ",
		      out);
		return;
	}
	fputs("Of one dense SAE’s features, a share of ", out);
	write_range(out, least, largest, 4);
	fprintf(out,
		" is found again at τ = 0.7 in another SAE of the same activations that differs in "
		"its seed%s. ",
		over_models(r));
	if (brief)
		return;
	if (pair_range(r, "mmcs", &least, &largest)) {
		fputs("Over pairs the mean largest cosine is ", out);
		write_range(out, least, largest, 3);
	}
	if (pair_range(r, "mmcs_null", &least, &largest)) {
		fputs(", and against random directions, which is what chance gives, ", out);
		write_range(out, least, largest, 3);
	}
	fputs(". ", out);
}

/* What part of survival the shared start may explain. */
static void write_shared_start(FILE *out, const ps_results *r)
{
	double own = ps_results_mean(r->conditions, "mnn_survival"), other = 0;
	size_t n = 0;

	for (size_t i = 0; i < r->condition_count; i++) {
		double value = ps_results_other_seed(ps_results_condition(r, i));

		if (isfinite(value)) {
			other += value;
			n++;
		}
	}
	if (!n || strcmp(ps_results_text(r->root, "settings.sae.init"), "shared"))
		return;
	other /= (double)n;
	fputs("Averaged over conditions it is ", out);
	ps_html_number(out, own, 3);
	fputs(" when the pruned SAE starts from the dense one’s initial weights, and ", out);
	ps_html_number(out, other, 3);
	fputs(" when it starts from another seed", out);
	fputs(other < 0.5 * own ? ". So a survivor is a feature that both SAEs reach from the same "
				  "start, not one that any SAE of the pruned model would find. "
				: ". ",
	      out);
}

void ps_finding_survival(FILE *out, const ps_results *r, bool brief)
{
	double w = ps_results_number(r->root, "kendall_w"), least, largest;

	if (!ps_results_range(r->conditions, "mnn_survival", &least, &largest)) {
		fputs("Feature survival: not measured in this study. ", out);
		return;
	}
	fputs("MNN survival at τ = 0.7 lies at ", out);
	write_range(out, least, largest, 3);
	fputs(" over the conditions. ", out);
	write_shared_start(out, r);
	if (brief || !isfinite(w))
		return;
	fputs("The thresholds 0.6, 0.7 and 0.8 rank the conditions with Kendall’s W&nbsp;=&nbsp;",
	      out);
	ps_html_number(out, w, 3);
	fputs(" (1: all alike). ", out);
}

void ps_finding_transfer(FILE *out, const ps_results *r, bool brief)
{
	ps_tally change = ps_tally_intervals(r->conditions, "fvu_change_interval");
	char lead[96];

	snprintf(lead, sizeof lead,
		 "At %.3g&nbsp;%% the frozen dense SAE keeps a Jaccard overlap of ",
		 100 * highest(r));
	if (write_by_method(out, r, highest(r), "jaccard", lead, " and ", ""))
		fprintf(out, "%s. ", over_models(r));
	else
		fputs("Transfer of the dense SAE: not measured in this study. ", out);
	if (change.count && !brief) {
		fputs("Its FVU on the pruned model, less that on the dense one, is", out);
		write_tally(out, change, "condition", " above zero (worse)", "below zero (better)");
	}
}

void ps_finding_fragility(FILE *out, const ps_results *r, bool brief)
{
	ps_tally clusters = ps_tally_intervals(r->conditions, "fragility.difference_clusters");
	ps_tally latents = ps_tally_intervals(r->conditions, "fragility.difference_latents");

	if (clusters.count) {
		fputs("Rare features survive", out);
		write_tally(out, clusters, "condition",
			    " more often than frequent ones (windows resampled)", "less often");
	}
	if (latents.count && (!brief || !clusters.count)) {
		fputs("With latents resampled instead, S(Q1) − S(Q5) is", out);
		write_tally(out, latents, "condition", " above zero", "below zero");
	}
	if (!clusters.count && !latents.count)
		fputs("Survival of rare and frequent features: not measured in this study. ", out);
}

void ps_finding_ablation(FILE *out, const ps_results *r, bool brief)
{
	ps_tally difference = ps_tally_intervals(r->conditions, "ablation.difference_clusters");
	ps_tally partial = ps_tally_intervals(r->conditions, "ablation.partial_survival");
	size_t ablated = 0, compared = 0;

	for (size_t i = 0; i < r->condition_count; i++) {
		const json_t *c = ps_results_condition(r, i);

		ablated += isfinite(ps_results_number(c, "ablation.features"));
		compared += isfinite(ps_results_number(c, "ablation.mean_survivors")) &&
			    isfinite(ps_results_number(c, "ablation.mean_lost"));
	}
	if (!ablated) {
		fputs("Causal effect: no features were ablated in this study. ", out);
		return;
	}
	if (compared < ablated)
		fprintf(out,
			"In %zu of %zu conditions all ablated features share one fate, so "
			"survivors and lost cannot be compared there. ",
			ablated - compared, ablated);
	if (difference.count) {
		fputs("Ablating survivors hurts the dense model", out);
		write_tally(out, difference, "condition", " more than ablating lost features",
			    "less");
	}
	if (partial.count && !brief) {
		fputs("At fixed firing rate, survival and effect correlate", out);
		write_tally(out, partial, "condition", " positively", "negatively");
	}
}

static bool leaves_zero_out(const json_t *diagnostic)
{
	ps_interval i = ps_results_interval(diagnostic, "spearman");

	return i.low > 0 || i.high < 0;
}

void ps_finding_diagnostics(FILE *out, const ps_results *r, bool brief)
{
	const json_t *list = json_object_get(r->root, "diagnostics"), *best = NULL;
	size_t silent = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);

		if (leaves_zero_out(d) &&
		    (!best || fabs(ps_results_number(d, "spearman.estimate")) >
				      fabs(ps_results_number(best, "spearman.estimate"))))
			best = d;
	}
	if (best) {
		fputs("Of the diagnostics, ", out);
		ps_html_text(out, ps_results_text(best, "name"));
		fputs(" follows the change of log perplexity most closely: Spearman ", out);
		ps_html_interval(out, ps_results_interval(best, "spearman"), 3);
		fputs(" over ", out);
		ps_html_number(out, ps_results_number(best, "n"), 0);
		fputs(" conditions. ", out);
	} else {
		fputs("No diagnostic has a correlation with the change of log perplexity whose "
		      "interval leaves zero out. ",
		      out);
	}
	for (size_t i = 0; i < json_array_size(list) && best && !brief; i++) {
		const json_t *d = json_array_get(list, i);

		if (leaves_zero_out(d) || !isfinite(ps_results_number(d, "spearman.estimate")))
			continue;
		fputs(silent++ ? ", " : "No association is shown for ", out);
		ps_html_text(out, ps_results_text(d, "name"));
	}
	if (silent)
		fputs(" (the interval includes zero). ", out);
}
