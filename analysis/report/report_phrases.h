/* analysis/report/report_phrases.h: parts of sentences: ranges, counts of intervals, numbers by
 * method. report_findings.c puts them together. */
#ifndef PS_ANALYSIS_REPORT_REPORT_PHRASES_H
#define PS_ANALYSIS_REPORT_REPORT_PHRASES_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* Intervals of a list that leave zero out, as they are and after Holm's adjustment. */
typedef struct ps_tally {
	size_t items, tests; /* entries of the list; of these with an interval */
	size_t above, below, adjusted_above, adjusted_below;
	bool adjusted;             /* the adjusted counts are known */
	ps_no_interval_reason why; /* why the first entry without an interval has none */
} ps_tally;

/* Least and largest of a number, and over how many entries. */
typedef struct ps_span {
	double least, largest;
	size_t count;
} ps_span;

/* Counts the intervals at path over the entries of a list, conditions[] or comparisons[]. The
 * adjusted counts come from families, if they are there. */
ps_tally ps_tally_of(const ps_results *results, const json_t *list, ps_results_path path);
/* The span of the estimates at that path, or of the numbers at it; count 0: there are none. */
ps_span ps_span_of(const json_t *list, ps_results_path path);
/* The same over the retrains of all models. */
ps_span ps_span_of_retrains(const ps_results *results, ps_results_path path);

/* Writes "a to b", or "a" where both read the same. scale multiplies what is shown. */
void ps_phrase_span(FILE *out, ps_span span, double scale, int decimals);
/* Writes "above 0 in 4 of 30 conditions (2 after Holm’s adjustment), below 0 in 1 (0)". Where no
 * entry has an interval: "no condition has an interval (too few)". thing: "condition". */
void ps_phrase_tally(FILE *out, ps_tally tally, const char *thing);
/* Writes "Numbers are means over 3 seeds; single seeds of a condition lie up to 0.02 apart. ".
 * list: in a condition, an entry for each seed; number: in an entry. With one seed: "All of it is
 * of one seed; others may differ. ". Nothing without entries. */
void ps_phrase_seeds(FILE *out, const ps_results *results, ps_results_path list,
		     ps_results_path number, double scale);
/* Writes "3 seeds", "1 seed". */
void ps_phrase_count(FILE *out, size_t count, const char *thing);

/* A quantity that a sentence gives for each method at one sparsity. */
typedef struct ps_by_method {
	ps_results_path value, interval;
	const char *unit; /* after each number */
	int decimals;
} ps_by_method;

/* Writes "0.15 to 0.27 nats under magnitude (61.5 to 62.5 % achieved) and 0.05 nats under Wanda
 * (60.0 % achieved)". With one model its interval stands in place of the span. Returns false, and
 * writes nothing, where no condition of that sparsity has the quantity. */
bool ps_phrase_by_method(FILE *out, const ps_results *results, double sparsity,
			 const ps_by_method *quantity);

#endif
