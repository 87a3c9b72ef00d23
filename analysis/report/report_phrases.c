#include "analysis/report/report_phrases.h"

#include <math.h>
#include <string.h>

#include "analysis/report/report_html.h"

enum { PERCENT = 100 };

static size_t count_at(const json_t *object, ps_results_path path)
{
	double value = ps_results_number(object, path);

	return value > 0 ? (size_t)value : 0;
}

ps_tally ps_tally_of(const ps_results *r, const json_t *list, ps_results_path path)
{
	const json_t *family = ps_results_family(r, path);
	ps_tally t = {.items = json_array_size(list), .adjusted = family != NULL};

	for (size_t i = 0; i < t.items; i++) {
		ps_interval v = ps_results_interval(json_array_get(list, i), path);

		if (!isfinite(v.low) || !isfinite(v.high)) {
			t.why = t.why ? t.why : v.why;
			continue;
		}
		t.tests++;
		t.above += v.low > 0;
		t.below += v.high < 0;
	}
	t.adjusted_above = count_at(family, PS_AT(FAMILY_ADJUSTED_ABOVE));
	t.adjusted_below = count_at(family, PS_AT(FAMILY_ADJUSTED_BELOW));
	return t;
}

static void widen(ps_span *span, double value)
{
	if (!isfinite(value))
		return;
	span->least = span->count ? fmin(span->least, value) : value;
	span->largest = span->count ? fmax(span->largest, value) : value;
	span->count++;
}

/* The number at a path, or the estimate of the interval there. */
static double value_at(const json_t *object, ps_results_path path)
{
	return json_is_object(ps_results_at(object, path))
		       ? ps_results_interval(object, path).estimate
		       : ps_results_number(object, path);
}

ps_span ps_span_of(const json_t *list, ps_results_path path)
{
	ps_span span = {0, 0, 0};

	for (size_t i = 0; i < json_array_size(list); i++)
		widen(&span, value_at(json_array_get(list, i), path));
	return span;
}

ps_span ps_span_of_retrains(const ps_results *r, ps_results_path path)
{
	ps_span span = {0, 0, 0};

	for (size_t m = 0; m < r->model_count; m++)
		widen(&span, value_at(ps_results_retrain(r, ps_results_model_name(r, m)), path));
	return span;
}

void ps_phrase_span(FILE *out, ps_span span, double scale, int decimals)
{
	ps_html_number(out, scale * span.least, decimals);
	if (ps_html_alike(scale * span.least, scale * span.largest, decimals))
		return;
	fputs(" to ", out);
	ps_html_number(out, scale * span.largest, decimals);
}

void ps_phrase_count(FILE *out, size_t count, const char *thing)
{
	fprintf(out, "%zu %s%s", count, thing, count == 1 ? "" : "s");
}

void ps_phrase_seeds(FILE *out, const ps_results *r, ps_results_path list, ps_results_path number,
		     double scale)
{
	double widest = 0;
	size_t seeds = 0;

	for (size_t i = 0; i < r->condition_count; i++) {
		const json_t *own = ps_results_at(ps_results_condition(r, i), list);
		double least, largest;

		if (!ps_results_range(own, number, &least, &largest))
			continue;
		widest = fmax(widest, largest - least);
		seeds = json_array_size(own) > seeds ? json_array_size(own) : seeds;
	}
	if (seeds == 1)
		fputs("All of it is of one seed; others may differ. ", out);
	if (seeds < 2)
		return;
	fprintf(out, "Numbers are means over %zu seeds; single seeds of a condition lie up to ",
		seeds);
	ps_html_number(out, scale * widest, 3);
	fputs(" apart. ", out);
}

void ps_phrase_tally(FILE *out, ps_tally t, const char *thing)
{
	if (!t.tests) {
		fprintf(out, "no %s has an interval", thing);
		if (t.why)
			fprintf(out, " (%s)", ps_no_interval_name(t.why));
		return;
	}
	fprintf(out, "above 0 in %zu of ", t.above);
	ps_phrase_count(out, t.tests, thing);
	if (t.tests < t.items)
		fputs(t.tests == 1 ? " that has an interval" : " that have an interval", out);
	if (t.adjusted)
		fprintf(out, " (%zu after Holm’s adjustment)", t.adjusted_above);
	fprintf(out, ", below 0 in %zu", t.below);
	if (t.adjusted)
		fprintf(out, " (%zu)", t.adjusted_below);
}

/* Of the models' conditions of a method at a sparsity. */
static ps_span span_at(const ps_results *r, const char *method, double sparsity,
		       ps_results_path path)
{
	ps_span span = {0, 0, 0};

	for (size_t m = 0; m < r->model_count; m++)
		widen(&span, ps_results_number(ps_results_find(r, ps_results_model_name(r, m),
							       method, sparsity),
					       path));
	return span;
}

static void write_achieved(FILE *out, const ps_results *r, const char *method, double sparsity)
{
	ps_span achieved = span_at(r, method, sparsity, PS_AT(CONDITION_SPARSITY_ACHIEVED));

	if (!achieved.count)
		return;
	fputs(" (", out);
	ps_phrase_span(out, achieved, PERCENT, 1);
	fputs("&nbsp;% achieved)", out);
}

/* Writes the quantity of the one model with its unit, and its interval or why there is none. */
static void write_only(FILE *out, ps_interval interval, const ps_by_method *q)
{
	const ps_no_interval_reason why = interval.why;

	interval.why = PS_WHY_NONE;
	ps_html_interval(out, interval, q->decimals);
	fputs(q->unit, out);
	if (why == PS_WHY_FEW)
		fprintf(out, " (no interval: %zu resampled unit%s, below %d)", interval.n,
			interval.n == 1 ? "" : "s", PS_CLUSTERS_LEAST);
	else if (why)
		fprintf(out, " (no interval: %s)", ps_no_interval_name(why));
}

bool ps_phrase_by_method(FILE *out, const ps_results *r, double sparsity, const ps_by_method *q)
{
	size_t written = 0;

	for (size_t i = 0; i < r->method_count; i++) {
		ps_span span = span_at(r, r->methods[i], sparsity, q->value);
		const json_t *only =
			ps_results_find(r, ps_results_model_name(r, 0), r->methods[i], sparsity);

		if (!span.count)
			continue;
		fputs(written++ ? " and " : "", out);
		if (r->model_count == 1)
			write_only(out, ps_results_interval(only, q->interval), q);
		else
			ps_phrase_span(out, span, 1, q->decimals);
		fprintf(out, "%s under ", r->model_count == 1 ? "" : q->unit);
		ps_html_text(out, ps_method_label(r->methods[i]));
		write_achieved(out, r, r->methods[i], sparsity);
	}
	return written > 0;
}
