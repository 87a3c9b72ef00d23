/* tools/study/execute.h: carrying out a study's graph, alone or beside other processes on the same folder.
 *
 * The first step in the graph's order that is to do, whose inputs are there and that nobody else holds is claimed
 * (tools/study/claim.h) and carried out; with it, in the same call, further ones of its kind and model where the
 * kind allows it. Its record is written, then the claim goes. Activation caches go after their last reader. A process
 * that finds nothing to take waits until the others are done. */
#ifndef PS_TOOLS_STUDY_EXECUTE_H
#define PS_TOOLS_STUDY_EXECUTE_H

#include "tools/study/graph.h"

typedef struct ps_execute_options {
	bool force; /* finished steps of other inputs may be replaced */
	bool keep_caches;
	size_t disk_bytes; /* most that caches may take at a time; 0: two caches of a model */
} ps_execute_options;

/* Everything that is to do. */
int ps_execute_all(ps_graph *graph, const ps_execute_options *options) PS_MUST_USE;
/* One step, whose inputs must be there: PS_EINPUT naming the first that is missing. A step that is
 * done is left alone, and so is a cache that no step will read. Then, too, caches are removed that
 * no step will read. */
int ps_execute_only(ps_graph *graph, ps_node *node, const ps_execute_options *options) PS_MUST_USE;

/* PS_EUSAGE naming the finished steps that would be replaced, unless force. */
int ps_execute_check(ps_graph *graph, const ps_execute_options *options) PS_MUST_USE;
/* How many of a model's caches may be on disk at a time. */
size_t ps_execute_cache_slots(const ps_graph *graph, const ps_graph_model *model,
			      const ps_execute_options *options);

#endif
