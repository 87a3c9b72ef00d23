/* tools/study/listing.h: what `study --dry-run` says, and what a finished study says last. */
#ifndef PS_TOOLS_STUDY_LISTING_H
#define PS_TOOLS_STUDY_LISTING_H

#include "tools/study/execute.h"

/* {runs, conditions, steps, steps_done_before} as a new object. NULL: no memory. done: number of
 * steps that did not need to run. */
json_t *ps_study_counts(const ps_graph *graph, size_t done);

/* Lists the steps, each with its cost and the reason why it must run; then the passes that make
 * caches, and the sums: with --json in *result (new), else as a table that is printed. */
int ps_study_list(const ps_graph *graph, const ps_execute_options *options,
		  json_t **result) PS_MUST_USE;

/* The most bytes that caches take at a time. least: the fewest with which the study can be done. */
uint64_t ps_study_cache_peak(const ps_graph *graph, const ps_execute_options *options, bool least);

/* The most bytes that a training takes to sort its rows (ps_cost_sort_bytes). */
uint64_t ps_study_sort_peak(const ps_graph *graph);

/* Prints a line of results for each condition: perplexity, survival and more. Nothing with --json
 * or --quiet. */
int ps_study_print_results(const ps_graph *graph) PS_MUST_USE;

#endif
