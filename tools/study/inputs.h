/* tools/study/inputs.h: whether what a step reads is what its key says.
 *
 * A key is made when the graph is built. Texts, models and the outputs of other steps may be
 * replaced afterwards, by the user or by a process with another study file. So a step's inputs are
 * compared with their digests right before its command runs, and again before its record is
 * written. Files whose state on the disk is as before are not read again. */
#ifndef PS_TOOLS_STUDY_INPUTS_H
#define PS_TOOLS_STUDY_INPUTS_H

#include "tools/study/graph.h"

/* Before the command: looks at the nodes that the node reads. *ready: all of them are done. Else
 * one of them has to be done anew. PS_EINPUT: a text or a model has changed since the graph was
 * built. */
int ps_inputs_look(ps_graph *graph, const ps_node *node, bool *ready) PS_MUST_USE;

/* After the command. PS_EFAILED: a study of other inputs has replaced what the node read.
 * PS_EINPUT: an output that it read, a text or a model has changed meanwhile. */
int ps_inputs_check(ps_graph *graph, const ps_node *node) PS_MUST_USE;

#endif
