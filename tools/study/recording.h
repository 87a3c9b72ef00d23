/* tools/study/recording.h: writes the record of a step that has just been done: its result, its
 * outputs by their bytes, and what it was made from beside its key. */
#ifndef PS_TOOLS_STUDY_RECORDING_H
#define PS_TOOLS_STUDY_RECORDING_H

#include "tools/study/graph.h"

/* The outputs are there, and the nodes that it reads were looked at before the command ran.
 * PS_EFAILED: an output was not made. */
int ps_recording_write(ps_graph *graph, const ps_node *node, json_t *result) PS_MUST_USE;

#endif
