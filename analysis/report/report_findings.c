#include "analysis/report/report_findings.h"

#include <math.h>
#include <string.h>

#include "analysis/report/report_html.h"
#include "analysis/seeds.h"

#define NOT_MEASURED "Not measured in this study. "

struct tally {
	size_t count, above, below; /* intervals measured; of these above zero, below zero */
};

/* Counts the intervals at path over the objects of a list. */
static struct tally tally_intervals(const json_t *list, ps_results_path path)
{
	struct tally t = {0, 0, 0};

	for (size_t i = 0; i < json_array_size(list); i++) {
		ps_interval v = ps_results_interval(json_array_get(list, i), path);

		if (!isfinite(v.low) || !isfinite(v.high))
			continue;
		t.count++;
		t.above += v.low > 0;
		t.below += v.high < 0;
	}
	return t;
}

/* Writes "a to b", or "a" where both read the same. */
static void write_range(FILE *out, double least, double largest, int decimals)
{
	ps_html_number(out, least, decimals);
	if (fabs(largest - least) < 0.5 * pow(10, -decimals))
		return;
	fputs(" to ", out);
	ps_html_number(out, largest, decimals);
}

/* Writes "ABOVE in 4 of 30 conditions, BELOW in 2; in the other 24 the interval includes zero, so
 * no difference is shown." */
static void write_tally(FILE *out, struct tally t, const char *things, const char *above,
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
static bool range_at(const ps_results *r, const char *method, double sparsity, ps_results_path path,
		     double *least, double *largest)
{
	bool found = false;

	for (size_t m = 0; m < r->model_count; m++) {
		double value = ps_results_number(
			ps_results_find(r, ps_results_model_name(r, m), method, sparsity), path);

		if (!isfinite(value))
			continue;
		*least = found ? fmin(*least, value) : value;
		*largest = found ? fmax(*largest, value) : value;
		found = true;
	}
	return found;
}

/* A quantity that a sentence gives for each method at one sparsity. */
struct by_method {
	ps_results_path value, interval;
	const char *lead, *next; /* before the first method's number, and before the others' */
	const char *unit;        /* after the first method's number */
};

/* Writes "LEAD x to y UNIT under A NEXT x to y under B", with one model its interval in place of
 * the range. Returns false when no condition has the quantity. */
static bool write_by_method(FILE *out, const ps_results *r, double sparsity,
			    const struct by_method *q)
{
	double least, largest;
	bool any = false;

	for (size_t i = 0; i < r->method_count; i++) {
		if (!range_at(r, r->methods[i], sparsity, q->value, &least, &largest))
			continue;
		fputs(any ? q->next : q->lead, out);
		if (r->model_count == 1)
			ps_html_interval(
				out,
				ps_results_interval(ps_results_find(r, ps_results_model_name(r, 0),
								    r->methods[i], sparsity),
						    q->interval),
				3);
		else
			write_range(out, least, largest, 3);
		fprintf(out, "%s under ", any ? "" : q->unit);
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
	struct tally change =
		tally_intervals(r->conditions, PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL));
	struct tally pairs = tally_intervals(ps_results_at(r->root, PS_AT(ROOT_COMPARISONS)),
					     PS_AT(COMPARISON_WANDA_MINUS_MAGNITUDE));
	char lead[96];
	const struct by_method quantity = {.value = PS_AT(CONDITION_DELTA_LOG_PPL),
					   .interval = PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL),
					   .lead = lead,
					   .next = " and by ",
					   .unit = " nats"};

	snprintf(lead, sizeof lead, "At %.3g&nbsp;%% sparsity log perplexity changes by ",
		 100 * highest(r));
	if (write_by_method(out, r, highest(r), &quantity))
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
static bool pair_range(const ps_results *r, ps_results_path path, double *least, double *largest)
{
	bool found = false;

	for (size_t m = 0; m < r->model_count; m++) {
		double a, b;

		if (!ps_results_range(
			    ps_results_at(ps_results_model(r, m), PS_AT(MODEL_SEEDS, SEEDS_PAIRS)),
			    path, &a, &b))
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

	if (!ps_results_range(r->models,
			      PS_AT_ITEM(PS_TAU_MAIN, MODEL_SEEDS, SEEDS_SURVIVAL, SUMMARY_MEAN),
			      &least, &largest)) {
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
	if (pair_range(r, PS_AT(PAIR_MMCS), &least, &largest)) {
		fputs("Over pairs the mean largest cosine is ", out);
		write_range(out, least, largest, 3);
	}
	if (pair_range(r, PS_AT(PAIR_MMCS_NULL), &least, &largest)) {
		fputs(", and against random directions, which is what chance gives, ", out);
		write_range(out, least, largest, 3);
	}
	fputs(". ", out);
}

/* Says which part of survival the shared start may explain. */
static void write_shared_start(FILE *out, const ps_results *r)
{
	double own = ps_results_mean(r->conditions, PS_AT(CONDITION_MNN_SURVIVAL));
	double other = ps_results_mean(r->conditions, PS_AT(CONDITION_MNN_SURVIVAL_INDEPENDENT));

	if (!isfinite(other) ||
	    strcmp(ps_results_text(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_SAE, SETTINGS_SAE_INIT)),
		   "shared"))
		return;
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
	double w = ps_results_number(r->root, PS_AT(ROOT_KENDALL_W)), least, largest;

	if (!ps_results_range(r->conditions, PS_AT(CONDITION_MNN_SURVIVAL), &least, &largest)) {
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
	struct tally change = tally_intervals(r->conditions, PS_AT(CONDITION_FVU_CHANGE_INTERVAL));
	char lead[96];
	const struct by_method quantity = {.value = PS_AT(CONDITION_JACCARD),
					   .interval = PS_AT(CONDITION_JACCARD_INTERVAL),
					   .lead = lead,
					   .next = " and ",
					   .unit = ""};

	snprintf(lead, sizeof lead,
		 "At %.3g&nbsp;%% the frozen dense SAE keeps a Jaccard overlap of ",
		 100 * highest(r));
	if (write_by_method(out, r, highest(r), &quantity))
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
	struct tally difference =
		tally_intervals(r->conditions, PS_AT(CONDITION_FRAGILITY, FRAGILITY_DIFFERENCE));
	struct tally latents = tally_intervals(
		r->conditions, PS_AT(CONDITION_FRAGILITY, FRAGILITY_DIFFERENCE_LATENTS));

	if (difference.count) {
		fputs("Rare features survive", out);
		write_tally(out, difference, "condition",
			    " more often than frequent ones (windows and latents resampled)",
			    "less often");
	}
	if (latents.count && (!brief || !difference.count)) {
		fputs("With latents alone resampled, S(Q1) − S(Q5) is", out);
		write_tally(out, latents, "condition", " above zero", "below zero");
	}
	if (!difference.count && !latents.count)
		fputs("Survival of rare and frequent features: not measured in this study, or "
		      "over too few latents and windows for an interval. ",
		      out);
}

void ps_finding_ablation(FILE *out, const ps_results *r, bool brief)
{
	struct tally difference =
		tally_intervals(r->conditions, PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE));
	struct tally partial = tally_intervals(
		r->conditions, PS_AT(CONDITION_ABLATION, ABLATION_PARTIAL_SURVIVAL));
	size_t ablated = 0, compared = 0;

	for (size_t i = 0; i < r->condition_count; i++) {
		const json_t *c = ps_results_condition(r, i);

		ablated += isfinite(
			ps_results_number(c, PS_AT(CONDITION_ABLATION, ABLATION_FEATURES)));
		compared += isfinite(ps_results_number(
				    c, PS_AT(CONDITION_ABLATION, ABLATION_MEAN_SURVIVORS))) &&
			    isfinite(ps_results_number(
				    c, PS_AT(CONDITION_ABLATION, ABLATION_MEAN_LOST)));
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
	if (!difference.count && compared)
		fputs("Ablated survivors and lost features are too few, or the windows, for an "
		      "interval of their difference. ",
		      out);
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
	ps_interval i = ps_results_interval(diagnostic, PS_AT(DIAGNOSTIC_SPEARMAN));

	return i.low > 0 || i.high < 0;
}

static double rho_of(const json_t *diagnostic)
{
	return ps_results_number(diagnostic, PS_AT(DIAGNOSTIC_SPEARMAN, INTERVAL_ESTIMATE));
}

/* The diagnostic with the largest correlation; NULL: none has one. sure: of those whose interval
 * leaves zero out. */
static const json_t *closest(const json_t *list, bool sure)
{
	const json_t *best = NULL;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);

		if (isfinite(rho_of(d)) && (!sure || leaves_zero_out(d)) &&
		    (!best || fabs(rho_of(d)) > fabs(rho_of(best))))
			best = d;
	}
	return best;
}

/* With too few models for an interval: the largest correlation beside that of the sparsity. */
static void write_closest(FILE *out, const ps_results *r, const json_t *best)
{
	const json_t *rival = closest(ps_results_at(r->root, PS_AT(ROOT_DIAGNOSTIC_RIVALS)), false);

	fputs("Over ", out);
	ps_html_number(out, ps_results_number(best, PS_AT(DIAGNOSTIC_N)), 0);
	fprintf(out, " conditions of %zu model%s the change of log perplexity has Spearman ",
		r->model_count, r->model_count == 1 ? "" : "s");
	ps_html_number(out, rho_of(best), 3);
	fputs(" with ", out);
	ps_html_text(out, ps_results_text(best, PS_AT(DIAGNOSTIC_NAME)));
	if (rival) {
		fputs(", and ", out);
		ps_html_number(out, rho_of(rival), 3);
		fputs(" with ", out);
		ps_html_text(out, ps_results_text(rival, PS_AT(DIAGNOSTIC_NAME)));
	}
	fputs(". The models are too few for intervals. ", out);
}

void ps_finding_diagnostics(FILE *out, const ps_results *r, bool brief)
{
	const json_t *list = ps_results_at(r->root, PS_AT(ROOT_DIAGNOSTICS)),
		     *best = closest(list, true), *any = closest(list, false);
	size_t silent = 0;

	if (best) {
		fputs("Of the diagnostics, ", out);
		ps_html_text(out, ps_results_text(best, PS_AT(DIAGNOSTIC_NAME)));
		fputs(" follows the change of log perplexity most closely: Spearman ", out);
		ps_html_interval(out, ps_results_interval(best, PS_AT(DIAGNOSTIC_SPEARMAN)), 3);
		fputs(" over ", out);
		ps_html_number(out, ps_results_number(best, PS_AT(DIAGNOSTIC_N)), 0);
		fputs(" conditions. ", out);
	} else if (any && isnan(ps_results_interval(any, PS_AT(DIAGNOSTIC_SPEARMAN)).low)) {
		write_closest(out, r, any);
	} else {
		fputs("No diagnostic has a correlation with the change of log perplexity whose "
		      "interval leaves zero out. ",
		      out);
	}
	for (size_t i = 0; i < json_array_size(list) && best && !brief; i++) {
		const json_t *d = json_array_get(list, i);

		if (leaves_zero_out(d) || !isfinite(rho_of(d)))
			continue;
		fputs(silent++ ? ", " : "No association is shown for ", out);
		ps_html_text(out, ps_results_text(d, PS_AT(DIAGNOSTIC_NAME)));
	}
	if (silent)
		fputs(" (the interval includes zero). ", out);
}
