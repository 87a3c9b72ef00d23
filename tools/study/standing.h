/* tools/study/standing.h: what stands in a study's folder where its steps will write.
 *
 * What earlier runs have made is continued, or left alone where it is done. Three things give way
 * only with --force:
 * - a finished step of other inputs (PS_NODE_STALE),
 * - an output that is not the one its record names (PS_NODE_CHANGED): somebody may have changed it
 *   on purpose,
 * - a results.json or a report.html that this program has not written.
 * results.json, tables, figures and report.html only summarise others. Where they are damaged or
 * old they are written anew, and that is said. */
#ifndef PS_TOOLS_STUDY_STANDING_H
#define PS_TOOLS_STUDY_STANDING_H

#include "tools/study/execute.h"

/* Before anything runs: whether the study may go on. Always with options->force. PS_EINPUT: an
 * output is not the recorded one. PS_EUSAGE: the other two. What would give way is named. */
int ps_standing_check(const ps_graph *graph, const ps_execute_options *options) PS_MUST_USE;
/* The same for one node that is to run, and for what came up meanwhile. */
int ps_standing_check_node(const ps_graph *graph, const ps_execute_options *options,
			   const ps_node *node) PS_MUST_USE;

/* Right before a step's command. What a step of other inputs has made stays, with its record, until
 * the command replaces it as a whole; a cache does not, for want of disk. An output that is not the
 * recorded one goes. -errno: it cannot be removed. */
int ps_standing_clear(const ps_graph *graph, const ps_node *node) PS_MUST_USE;

#endif
