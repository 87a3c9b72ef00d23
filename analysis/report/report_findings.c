#include "analysis/report/report_findings.h"

#include <math.h>
#include <string.h>

#include "analysis/report/report_html.h"
#include "analysis/report/report_phrases.h"
#include "analysis/seeds.h"

enum { PERCENT = 100, MILLI = 1000 };

#define NO_CONTROL "no unpruned retrain was made, so what retraining alone does is not known"

static double highest(const ps_results *r)
{
	return r->sparsity_count ? r->sparsities[r->sparsity_count - 1] : (double)NAN;
}

/* Writes ", least to largest of 3 models". */
static void write_over_models(FILE *out, const ps_results *r)
{
	if (r->model_count > 1)
		fprintf(out, ", least to largest of %zu models", r->model_count);
}

void ps_finding_counts(FILE *out, const ps_results *r)
{
	const json_t *families = ps_results_at(r->root, PS_AT(ROOT_FAMILIES));
	double tests = 0;

	for (size_t i = 0; i < json_array_size(families); i++)
		tests += ps_results_number(json_array_get(families, i), PS_AT(FAMILY_TESTS));
	fputs("Intervals are at 95&nbsp;%. “Above 0 in 3 of 8” counts intervals that leave 0 out",
	      out);
	if (tests > 0)
		fprintf(out,
			", and in parentheses those that still do after Holm’s adjustment for all "
			"%.0f tests of the study",
			tests);
	else
		fputs("; the counts are not adjusted for the number of tests", out);
	fputs(". Where an interval holds 0 a difference is not shown, which is no evidence that "
	      "there is none. Below 16 resampled units there is no interval, and points with their "
	      "range stand instead.",
	      out);
}

/* --- perplexity --- */

static void write_comparison(FILE *out, const ps_results *r)
{
	const json_t *list = ps_results_at(r->root, PS_AT(ROOT_COMPARISONS));
	const ps_results_path path = PS_AT(COMPARISON_WANDA_MINUS_MAGNITUDE);
	ps_span span = ps_span_of(list, path);

	if (!span.count)
		return;
	fputs("; Wanda’s loss less magnitude’s at the same label is ", out);
	ps_phrase_span(out, span, 1, 3);
	fputs(" nats over the same windows, ", out);
	ps_phrase_tally(out, ps_tally_of(r, list, path), "pair");
}

void ps_finding_perplexity(FILE *out, const ps_results *r, bool brief)
{
	static const ps_by_method quantity = {.value = PS_AT(CONDITION_DELTA_LOG_PPL),
					      .interval = PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL),
					      .unit = " nats",
					      .decimals = 3};
	const ps_tally changes =
		ps_tally_of(r, r->conditions, PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL));
	ps_span tokens = ps_span_of(r->conditions, PS_AT(CONDITION_N)),
		change = ps_span_of(r->conditions, quantity.value);

	if (!change.count) {
		fputs("Perplexity: not measured in this study. ", out);
		return;
	}
	fprintf(out, "With %.3g&nbsp;%% asked for, log perplexity changes by ",
		PERCENT * highest(r));
	if (!ps_phrase_by_method(out, r, highest(r), &quantity))
		ps_phrase_span(out, change, 1, 3);
	write_over_models(out, r);
	if (tokens.count) {
		fputs(", each over ", out);
		ps_phrase_span(out, tokens, 1, 0);
		fputs(" tokens", out);
	}
	write_comparison(out, r);
	fputs(". ", out);
	if (brief)
		return;
	if (changes.tests) {
		fputs("The change is ", out);
		ps_phrase_tally(out, changes, "condition");
		fputs(". ", out);
	}
	fputs("Methods are compared at the same label. What they achieve differs, and stands "
	      "beside the label. ",
	      out);
}

/* --- RQ1 --- */

/* Over the pairs of seeds of all models. */
static ps_span span_of_pairs(const ps_results *r, ps_results_path path)
{
	ps_span all = {INFINITY, -INFINITY, 0};

	for (size_t m = 0; m < r->model_count; m++) {
		ps_span span = ps_span_of(
			ps_results_at(ps_results_model(r, m), PS_AT(MODEL_SEEDS, SEEDS_PAIRS)),
			path);

		if (!span.count)
			continue;
		all.least = fmin(all.least, span.least);
		all.largest = fmax(all.largest, span.largest);
		all.count += span.count;
	}
	return all;
}

static void write_chance(FILE *out, const ps_results *r)
{
	ps_span found = span_of_pairs(r, PS_AT(PAIR_MMCS)),
		chance = span_of_pairs(r, PS_AT(PAIR_MMCS_NULL));

	if (!found.count || !chance.count)
		return;
	fputs("A feature’s largest cosine in the other SAE is ", out);
	ps_phrase_span(out, found, 1, 3);
	fputs(" on average. In as many random directions it is ", out);
	ps_phrase_span(out, chance, 1, 3);
	fputs(": this is what chance gives for the largest cosine, not for survival. ", out);
}

void ps_finding_seeds(FILE *out, const ps_results *r, bool brief)
{
	ps_span pairs = span_of_pairs(r, PS_AT_ITEM(PS_TAU_MAIN, PAIR_SURVIVAL)),
		again = ps_span_of_retrains(r, PS_AT(CONDITION_MNN_SURVIVAL));

	if (!pairs.count) {
		fputs("Agreement between seeds was not measured: it takes at least two seeds. ",
		      out);
		return;
	}
	fputs("Of one dense SAE’s features a share of ", out);
	ps_phrase_span(out, pairs, 1, 3);
	fputs(" is found again (τ = 0.7) in an SAE of the same activations that differs in its "
	      "seed (",
	      out);
	ps_phrase_count(out, pairs.count, "pair");
	fputs(" of seeds in ", out);
	ps_phrase_count(out, r->model_count, "model");
	if (ps_span_of(r->models, PS_AT_ITEM(PS_TAU_MAIN, MODEL_SEEDS, SEEDS_SURVIVAL, SUMMARY_LOW))
		    .count)
		fputs("; intervals are in the table", out);
	else
		fputs(", too few seeds for an interval", out);
	fputs(")", out);
	if (again.count) {
		fputs(", and ", out);
		ps_phrase_span(out, again, 1, 3);
		fputs(" in one that differs in the order of its rows only", out);
	}
	fputs(". ", out);
	if (!brief)
		write_chance(out, r);
}

/* --- RQ2 --- */

static size_t pruned_seeds(const ps_results *r)
{
	size_t most = 0;

	for (size_t i = 0; i < r->condition_count; i++) {
		size_t seeds = json_array_size(
			ps_results_at(ps_results_condition(r, i), PS_AT(CONDITION_SAES)));

		most = seeds > most ? seeds : most;
	}
	return most;
}

/* How many conditions survive at least as well as their model's retrain. */
static size_t count_as_good(const ps_results *r)
{
	size_t count = 0;

	for (size_t i = 0; i < r->condition_count; i++) {
		const json_t *c = ps_results_condition(r, i),
			     *again = ps_results_retrain(
				     r, ps_results_text(c, PS_AT(CONDITION_MODEL)));

		count += ps_results_number(c, PS_AT(CONDITION_MNN_SURVIVAL)) >=
			 ps_results_number(again, PS_AT(CONDITION_MNN_SURVIVAL));
	}
	return count;
}

static void write_survival_controls(FILE *out, const ps_results *r)
{
	ps_span again = ps_span_of_retrains(r, PS_AT(CONDITION_MNN_SURVIVAL)),
		floor = span_of_pairs(r, PS_AT_ITEM(PS_TAU_MAIN, PAIR_SURVIVAL));

	if (again.count) {
		fputs("; when the dense SAE is trained again on its own rows in another order, ",
		      out);
		ps_phrase_span(out, again, 1, 3);
		fprintf(out, " are, and %zu of ", count_as_good(r));
		ps_phrase_count(out, r->condition_count, "condition");
		fputs(" reach their model’s retrain", out);
	} else {
		fputs("; " NO_CONTROL, out);
	}
	if (floor.count) {
		fputs("; between SAEs of different seeds ", out);
		ps_phrase_span(out, floor, 1, 3);
		fputs(" are", out);
	}
}

/* Says which part of survival a shared start may explain: by the own start and by other seeds. */
static void write_starts(FILE *out, const ps_results *r)
{
	const ps_results_path start =
		PS_AT_ITEM(PS_TAU_MAIN, CONDITION_OWN_START, OWN_START_SURVIVAL);
	ps_span own = ps_span_of(r->conditions, start);
	double survival = ps_results_mean(r->conditions, PS_AT(CONDITION_MNN_SURVIVAL)),
	       other = ps_results_mean(r->conditions, PS_AT(CONDITION_MNN_SURVIVAL_INDEPENDENT));
	ps_span floor = span_of_pairs(r, PS_AT_ITEM(PS_TAU_MAIN, PAIR_SURVIVAL));

	if (own.count) {
		fputs("Of a pruned model’s SAE ", out);
		ps_phrase_span(out, own, 1, 3);
		fputs(own.largest < 0.25 * survival
			      ? " survives in its own start, so its features have moved away from "
				"where both SAEs began. "
			      : " survives in its own start: so much of survival may be features "
				"that training hardly moved. ",
		      out);
	}
	if (!isfinite(other))
		return;
	fputs("Against pruned SAEs of another seed mean survival is ", out);
	ps_html_number(out, other, 3);
	fputs(" where it is ", out);
	ps_html_number(out, survival, 3);
	fputs(" for the same seed", out);
	if (floor.count) {
		fputs("; SAEs of the unpruned model that differ in their seed agree on ", out);
		ps_phrase_span(out, floor, 1, 3);
	}
	fputs(". ", out);
}

void ps_finding_survival(FILE *out, const ps_results *r, bool brief)
{
	ps_span span = ps_span_of(r->conditions, PS_AT(CONDITION_MNN_SURVIVAL));
	double w = ps_results_number(r->root, PS_AT(ROOT_KENDALL_W));

	if (!span.count) {
		fputs("Feature survival: not measured in this study. ", out);
		return;
	}
	fputs("Of the dense SAE’s features a share of ", out);
	ps_phrase_span(out, span, 1, 3);
	fputs(" is found again (τ = 0.7) in a pruned model’s SAE (", out);
	ps_phrase_count(out, span.count, "condition");
	if (pruned_seeds(r)) {
		fputs(", ", out);
		ps_phrase_count(out, pruned_seeds(r), "seed");
		fputs(pruned_seeds(r) < PS_CLUSTERS_LEAST ? " each, too few for an interval"
							  : " each",
		      out);
	}
	fputs(")", out);
	write_survival_controls(out, r);
	fputs(". ", out);
	if (brief)
		return;
	write_starts(out, r);
	if (!isfinite(w))
		return;
	fputs("The thresholds 0.6, 0.7 and 0.8 rank the conditions with Kendall’s W&nbsp;=&nbsp;",
	      out);
	ps_html_number(out, w, 3);
	fputs(" (1: all alike). ", out);
}

/* --- RQ3 --- */

/* The span of a number over one model's conditions. */
static ps_span span_of_model(const ps_results *r, const char *model, ps_results_path path)
{
	ps_span span = {INFINITY, -INFINITY, 0};

	for (size_t i = 0; i < r->condition_count; i++) {
		const json_t *c = ps_results_condition(r, i);
		double value = ps_results_number(c, path);

		if (strcmp(ps_results_text(c, PS_AT(CONDITION_MODEL)), model) != 0 ||
		    !isfinite(value))
			continue;
		span.least = fmin(span.least, value);
		span.largest = fmax(span.largest, value);
		span.count++;
	}
	return span;
}

/* A sentence for each model that has a pretrained dictionary. */
static void write_dictionaries(FILE *out, const ps_results *r)
{
	for (size_t i = 0; i < r->model_count; i++) {
		const json_t *model = ps_results_model(r, i);
		const char *name = ps_results_model_name(r, i);
		ps_span own = span_of_model(r, name, PS_AT(CONDITION_JACCARD)),
			other = span_of_model(r, name,
					      PS_AT(CONDITION_DICTIONARY, DICTIONARY_JACCARD));

		if (!other.count)
			continue;
		fputs("The pretrained dictionary ", out);
		ps_html_text(out, ps_results_text(model,
						  PS_AT(MODEL_DICTIONARY, MODEL_DICTIONARY_NAME)));
		fputs(" (", out);
		ps_html_number(
			out,
			ps_results_number(model, PS_AT(MODEL_DICTIONARY, MODEL_DICTIONARY_D_SAE)),
			0);
		fputs(" latents, FVU ", out);
		ps_html_number(
			out,
			ps_results_number(model, PS_AT(MODEL_DICTIONARY, MODEL_DICTIONARY_FVU)), 3);
		fputs(" on the dense model) overlaps on ", out);
		ps_html_text(out, name);
		fputs(" with a Jaccard of ", out);
		ps_phrase_span(out, other, 1, 3);
		fputs(", the study’s own SAE with ", out);
		ps_phrase_span(out, own, 1, 3);
		fputs(". ", out);
	}
}

void ps_finding_transfer(FILE *out, const ps_results *r, bool brief)
{
	static const ps_by_method quantity = {.value = PS_AT(CONDITION_JACCARD),
					      .interval = PS_AT(CONDITION_JACCARD_INTERVAL),
					      .unit = "",
					      .decimals = 3};
	const ps_results_path path = PS_AT(CONDITION_FVU_CHANGE_INTERVAL);
	ps_span all = ps_span_of(r->conditions, quantity.value),
		chance = ps_span_of(r->conditions, PS_AT(CONDITION_JACCARD_CHANCE)),
		change = ps_span_of(r->conditions, path);

	if (!all.count) {
		fputs("Transfer of the dense SAE: not measured in this study. ", out);
		return;
	}
	fprintf(out,
		"With %.3g&nbsp;%% asked for, the active latents of the frozen dense SAE overlap "
		"with a Jaccard of ",
		PERCENT * highest(r));
	if (!ps_phrase_by_method(out, r, highest(r), &quantity))
		ps_phrase_span(out, all, 1, 3);
	write_over_models(out, r);
	if (chance.count) {
		fputs("; between rows of different tokens it is ", out);
		ps_phrase_span(out, chance, 1, 3);
	}
	if (change.count) {
		fputs("; its FVU on the pruned model less that on the dense one is ", out);
		ps_phrase_span(out, change, 1, 3);
		fprintf(out, " over %zu conditions, ", change.count);
		ps_phrase_tally(out, ps_tally_of(r, r->conditions, path), "condition");
	}
	fputs(". ", out);
	if (brief)
		return;
	ps_phrase_seeds(out, r, PS_AT(CONDITION_TRANSFER), PS_AT(TRANSFER_SEED_JACCARD), 1);
	write_dictionaries(out, r);
	if (ps_span_of(r->conditions, PS_AT(CONDITION_SPLICE, SPLICE_CE_RECOVERED)).count)
		fputs("CE recovered is relative to each pruned model’s own loss, so it can rise "
		      "while FVU gets worse. ",
		      out);
}

/* --- RQ4 --- */

/* The conditions' estimates less their model's retrain's. */
static ps_span span_less_retrain(const ps_results *r, ps_results_path path)
{
	ps_span span = {INFINITY, -INFINITY, 0};

	for (size_t i = 0; i < r->condition_count; i++) {
		const json_t *c = ps_results_condition(r, i);
		const char *model = ps_results_text(c, PS_AT(CONDITION_MODEL));
		double value = ps_results_interval(c, path).estimate -
			       ps_results_interval(ps_results_retrain(r, model), path).estimate;

		if (!isfinite(value))
			continue;
		span.least = fmin(span.least, value);
		span.largest = fmax(span.largest, value);
		span.count++;
	}
	return span;
}

/* The control of a difference: what it is in the retrain, and what is left. */
static void write_less_control(FILE *out, const ps_results *r, ps_results_path difference)
{
	const ps_results_path path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_LESS_CONTROL);
	ps_span again = ps_span_of_retrains(r, difference), less = ps_span_of(r->conditions, path);

	if (!again.count && !less.count) {
		fputs("; " NO_CONTROL, out);
		return;
	}
	if (again.count) {
		fputs("; in the unpruned retrain it is ", out);
		ps_phrase_span(out, again, 1, 3);
	}
	if (less.count) {
		fputs("; less the retrain’s it is ", out);
		ps_phrase_span(out, less, 1, 3);
		fputs(", ", out);
		ps_phrase_tally(out, ps_tally_of(r, r->conditions, path), "condition");
		return;
	}
	fputs("; less the retrain’s it is ", out);
	ps_phrase_span(out, span_less_retrain(r, difference), 1, 3);
	fputs(" (points)", out);
}

/* From so many windows on firing counts put latents into the right quintiles: the interval then
 * holds the truth as often as it says (docs/COVERAGE.md). */
enum { WINDOWS_ENOUGH = 156 };

static void write_coverage(FILE *out, const ps_results *r)
{
	double tokens = ps_results_number(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_CACHE_TOKENS)),
	       window = ps_results_number(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_WINDOW)),
	       windows = floor(tokens / window);

	if (!(windows < WINDOWS_ENOUGH))
		return;
	fprintf(out,
		"The cache has %.0f windows. With so few the intervals of S(Q1) − S(Q5) hold the "
		"truth less often than 95&nbsp;%% (82&nbsp;%% at 20 windows, 96&nbsp;%% at %d, in "
		"simulated studies), because latents fall into wrong quintiles. Less the "
		"retrain’s, the two errors cancel. ",
		windows, WINDOWS_ENOUGH);
}

void ps_finding_fragility(FILE *out, const ps_results *r, bool brief)
{
	const ps_results_path path = PS_AT(CONDITION_FRAGILITY, FRAGILITY_DIFFERENCE),
			      latents = PS_AT(CONDITION_FRAGILITY, FRAGILITY_DIFFERENCE_LATENTS);
	ps_span span = ps_span_of(r->conditions, path),
		alive = ps_span_of(r->conditions, PS_AT(CONDITION_FRAGILITY, FRAGILITY_ALIVE));

	if (!span.count) {
		fputs("Survival of rare and frequent features: not measured in this study. ", out);
		return;
	}
	fputs("Survival of rare less that of frequent features, S(Q1) − S(Q5), is ", out);
	ps_phrase_span(out, span, 1, 3);
	fputs(" (", out);
	ps_phrase_count(out, span.count, "condition");
	if (alive.count) {
		fputs(", ", out);
		ps_phrase_span(out, alive, 1, 0);
		fputs(" latents each", out);
	}
	fputs("), ", out);
	ps_phrase_tally(out, ps_tally_of(r, r->conditions, path), "condition");
	write_less_control(out, r, path);
	fputs(". ", out);
	if (brief)
		return;
	fputs("With latents alone resampled the difference is ", out);
	ps_phrase_tally(out, ps_tally_of(r, r->conditions, latents), "condition");
	fputs(". ", out);
	write_coverage(out, r);
	ps_phrase_seeds(out, r, PS_AT(CONDITION_FRAGILITY, FRAGILITY_BY_SEED),
			PS_AT(FRAGILITY_SEED_DIFFERENCE, INTERVAL_ESTIMATE), 1);
}

/* --- RQ5 --- */

/* Whether a condition has survivors and lost among the ablated latents. */
static bool compares(const json_t *c)
{
	return isfinite(ps_results_number(c, PS_AT(CONDITION_ABLATION, ABLATION_MEAN_SURVIVORS))) &&
	       isfinite(ps_results_number(c, PS_AT(CONDITION_ABLATION, ABLATION_MEAN_LOST)));
}

static void write_ablation_more(FILE *out, const ps_results *r)
{
	static const struct {
		ps_results_path path;
		const char *lead;
	} more[] = {
		{PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE_STRATIFIED),
		 "Within quintiles of firing the difference is "},
		{PS_AT(CONDITION_ABLATION, ABLATION_FIRING_DIFFERENCE),
		 "Per firing in place of per token it is "},
		{PS_AT(CONDITION_ABLATION, ABLATION_PARTIAL_SURVIVAL),
		 "With the firing rate on the dense cache held fixed, the correlation of survival "
		 "and effect is "},
	};

	for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
		if (!ps_span_of(r->conditions, more[i].path).count)
			continue;
		fputs(more[i].lead, out);
		ps_phrase_tally(out, ps_tally_of(r, r->conditions, more[i].path), "condition");
		fputs(". ", out);
	}
}

static void write_ablation_size(FILE *out, const ps_results *r, size_t ablated, size_t compared)
{
	const ps_results_path path = PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE);
	ps_span latents = ps_span_of(r->conditions, PS_AT(CONDITION_ABLATION, ABLATION_FEATURES)),
		again = ps_span_of_retrains(r, path);
	double windows =
		ps_results_number(r->root, PS_AT(ROOT_SETTINGS, SETTINGS_ABLATION_WINDOWS));

	fputs("Ablating a survivor costs the dense model ", out);
	ps_phrase_span(out, ps_span_of(r->conditions, path), MILLI, 3);
	fputs(" thousandths of a nat per token more than ablating a lost feature (", out);
	ps_phrase_count(out, compared, "condition");
	fputs("; ", out);
	ps_phrase_span(out, latents, 1, 0);
	fputs(" latents", out);
	if (isfinite(windows))
		fprintf(out, " on %.0f windows", windows);
	fputs(", the same for all conditions of a model), ", out);
	ps_phrase_tally(out, ps_tally_of(r, r->conditions, path), "condition");
	if (again.count) {
		fputs("; with the unpruned retrain’s survivors it is ", out);
		ps_phrase_span(out, again, MILLI, 3);
	} else {
		fputs("; " NO_CONTROL, out);
	}
	fputs(". ", out);
	if (compared < ablated)
		fprintf(out,
			"In %zu of %zu conditions all ablated features share one fate, so "
			"survivors and lost cannot be compared there. ",
			ablated - compared, ablated);
}

/* Whether it matters that the ablation keeps the SAE's error. */
static void write_spliced_ablation(FILE *out, const ps_results *r)
{
	size_t told = 0;

	for (size_t i = 0; i < r->model_count; i++) {
		const json_t *spliced = ps_results_at(
			ps_results_model(r, i), PS_AT(MODEL_ABLATION, DENSE_ABLATION_SPLICED));
		const ps_interval rho =
			ps_results_interval(spliced, PS_AT(SPLICED_ABLATION_RHO_DIRECT));

		if (!json_is_object(spliced))
			continue;
		fputs(told++ ? "; "
			     : "These ablations keep the SAE’s error. Without it, in the "
			       "SAE’s reconstruction, the mean effect becomes ",
		      out);
		ps_html_number(
			out,
			MILLI * ps_results_number(spliced, PS_AT(SPLICED_ABLATION_MEAN_EFFECT)), 3);
		fputs(" thousandths instead of ", out);
		ps_html_number(
			out,
			MILLI * ps_results_number(spliced, PS_AT(SPLICED_ABLATION_MEAN_DIRECT)), 3);
		fputs(" (", out);
		ps_html_text(out, ps_results_model_name(r, i));
		fputs("), and the Spearman correlation of the two over the latents is ", out);
		ps_html_interval(out, rho, 2);
	}
	if (told)
		fputs(". ", out);
}

void ps_finding_ablation(FILE *out, const ps_results *r, bool brief)
{
	size_t compared = 0,
	       ablated = ps_span_of(r->conditions, PS_AT(CONDITION_ABLATION, ABLATION_FEATURES))
				 .count;

	for (size_t i = 0; i < r->condition_count; i++)
		compared += compares(ps_results_condition(r, i));
	if (!ablated) {
		fputs("Causal effect: no features were ablated in this study. With "
		      "<code>ablation: {features: 100}</code> in the study file they are. ",
		      out);
		return;
	}
	if (!compared) {
		fputs("Causal effect: in every condition all ablated features share one fate, so "
		      "survivors and lost cannot be compared. ",
		      out);
		return;
	}
	write_ablation_size(out, r, ablated, compared);
	if (brief)
		return;
	write_ablation_more(out, r);
	write_spliced_ablation(out, r);
	ps_phrase_seeds(out, r, PS_AT(CONDITION_ABLATION, ABLATION_BY_SEED),
			PS_AT(ABLATION_SEED_DIFFERENCE, INTERVAL_ESTIMATE), MILLI);
}

/* --- diagnostics --- */

static double rho_of(const json_t *diagnostic)
{
	return ps_results_number(diagnostic, PS_AT(DIAGNOSTIC_SPEARMAN, INTERVAL_ESTIMATE));
}

/* The entry with the largest correlation; NULL: none has one. */
static const json_t *closest(const json_t *list)
{
	const json_t *best = NULL;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);

		if (isfinite(rho_of(d)) && (!best || fabs(rho_of(d)) > fabs(rho_of(best))))
			best = d;
	}
	return best;
}

/* Writes a correlation, with its interval if there is one. */
static void write_rho(FILE *out, const json_t *diagnostic, ps_results_path path)
{
	ps_interval rho = ps_results_interval(diagnostic, path);

	rho.why = PS_WHY_NONE;
	ps_html_interval(out, rho, 3);
}

/* What is left of a correlation when the sparsity is held fixed, and when each model is left
 * out. */
static void write_left(FILE *out, const json_t *best)
{
	const json_t *without = ps_results_at(best, PS_AT(DIAGNOSTIC_WITHOUT_MODEL));
	double least = INFINITY, largest = -INFINITY;

	if (isfinite(ps_results_interval(best, PS_AT(DIAGNOSTIC_PARTIAL)).estimate)) {
		fputs("; with the achieved sparsity held fixed ", out);
		write_rho(out, best, PS_AT(DIAGNOSTIC_PARTIAL));
		fputs(" is left", out);
	}
	for (size_t i = 0; i < json_array_size(without); i++) {
		double rho = ps_json_number(json_array_get(without, i));

		least = isfinite(rho) ? fmin(least, rho) : least;
		largest = isfinite(rho) ? fmax(largest, rho) : largest;
	}
	if (isfinite(least)) {
		fputs("; with each model left out in turn the first is ", out);
		ps_phrase_span(out, (ps_span){least, largest, 1}, 1, 3);
	}
}

void ps_finding_diagnostics(FILE *out, const ps_results *r, bool brief)
{
	const json_t *best = closest(ps_results_at(r->root, PS_AT(ROOT_DIAGNOSTICS))),
		     *rival = closest(ps_results_at(r->root, PS_AT(ROOT_DIAGNOSTIC_RIVALS)));

	if (!best) {
		fputs("Diagnostics: no measure has a correlation with the change of log "
		      "perplexity. ",
		      out);
		return;
	}
	fputs("Of the measures on SAEs, ", out);
	ps_html_text(out, ps_results_text(best, PS_AT(DIAGNOSTIC_NAME)));
	fputs(" has the largest Spearman correlation with the change of log perplexity, ", out);
	write_rho(out, best, PS_AT(DIAGNOSTIC_SPEARMAN));
	fputs(" over ", out);
	ps_html_number(out, ps_results_number(best, PS_AT(DIAGNOSTIC_N)), 0);
	fputs(" conditions of ", out);
	ps_phrase_count(out, r->model_count, "model");
	if (ps_results_interval(best, PS_AT(DIAGNOSTIC_SPEARMAN)).why == PS_WHY_FEW)
		fputs(", too few models for intervals", out);
	else if (ps_results_interval(best, PS_AT(DIAGNOSTIC_SPEARMAN)).why)
		fprintf(out, ", no interval (%s)",
			ps_no_interval_name(
				ps_results_interval(best, PS_AT(DIAGNOSTIC_SPEARMAN)).why));
	if (rival) {
		fputs("; without any SAE, ", out);
		ps_html_text(out, ps_results_text(rival, PS_AT(DIAGNOSTIC_NAME)));
		fputs(" has ", out);
		write_rho(out, rival, PS_AT(DIAGNOSTIC_SPEARMAN));
	}
	write_left(out, best);
	fputs(". ", out);
	if (!brief && rival && fabs(rho_of(rival)) >= fabs(rho_of(best)))
		fputs("No measure on SAEs follows the change more closely than the sparsity does. ",
		      out);
}
