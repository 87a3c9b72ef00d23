/* tools/study/listing.h: what `study --dry-run` says, and what a finished study says last. */
#ifndef PS_TOOLS_STUDY_LISTING_H
#define PS_TOOLS_STUDY_LISTING_H

#include "tools/study/execute.h"

/* {runs, conditions, steps, steps_done_before}; NULL when memory runs out. done: steps that were not to do. */
json_t *ps_study_counts(const ps_graph *graph, size_t done);

/* The steps, each with the reason why it is to do and what it needs; the passes that make caches; the sum. *result is
 * what --json prints. Prints a table unless --json. */
int ps_study_list(const ps_graph *graph, const ps_execute_options *options,
		  json_t **result) PS_MUST_USE;

/* Bytes of caches at a time, of the model that needs most. least: to get through at all. */
uint64_t ps_study_cache_peak(const ps_graph *graph, const ps_execute_options *options, bool least);

/* Perplexities, survival and the rest, a line a condition; prints nothing with --json or --quiet. */
int ps_study_print_results(const ps_graph *graph) PS_MUST_USE;

#endif
