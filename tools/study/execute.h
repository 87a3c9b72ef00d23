/* tools/study/execute.h: carries out a study's graph, alone or beside other processes that work on
 * the same folder.
 *
 * The process repeats:
 *   1. Look at the records of all steps that are not done: another process may have done them.
 *   2. Choose the first step that is wanted, whose inputs are there, whose cache has room on the
 *      disk, and that nobody else holds. Claim it (tools/study/claim.h). Where the kind allows it,
 *      claim further steps of the same kind and model for the same call.
 *   3. Call the command, write the records, give the claims back.
 *   4. Remove the caches whose last reader is done.
 * If there is nothing to choose, it waits until another process has done something. It ends when
 * nothing is wanted any more. */
#ifndef PS_TOOLS_STUDY_EXECUTE_H
#define PS_TOOLS_STUDY_EXECUTE_H

#include "tools/study/graph.h"

typedef struct ps_execute_options {
	bool force;        /* finished steps of other inputs may be replaced */
	bool keep_caches;  /* caches are not removed after their last reader */
	size_t disk_bytes; /* the most that caches may take at a time; 0: two caches of a model */
	/* The most that a training may take besides, to sort rows of caches that exceed memory
	 * (io/row_sort.h). If disk_bytes is given, only one process at a time sorts. */
	size_t sort_bytes;
} ps_execute_options;

/* Carries out all steps that are wanted. The states of the nodes must be known
 * (ps_graph_look_all). Errors are those of the commands and of claims. */
int ps_execute_all(ps_graph *graph, const ps_execute_options *options) PS_MUST_USE;
/* Carries out one step. Its inputs must be there: PS_EINPUT names the first that is missing. A step
 * that is done is left alone, and so is a cache that no step will read. Caches that no
 * step will read are removed too. */
int ps_execute_only(ps_graph *graph, ps_node *node, const ps_execute_options *options) PS_MUST_USE;

/* How many caches of a model may be on the disk at a time. */
size_t ps_execute_cache_slots(const ps_graph *graph, const ps_graph_model *model,
			      const ps_execute_options *options);

#endif
