/* tools/study/outputs.h: the files that a step has made, by their bytes.
 *
 * A step's record names them (tools/study/record.h). The step is done as long as these files are
 * there and are the recorded ones. What stands under a record's name without being what was
 * recorded (a changed byte, the mask of another condition, an SAE of another seed) is noticed here.
 *
 * A file whose state (size, times, inode) is that of its last digest is not read again
 * (io/known_digest.h). ps_graph.read_all has all bytes read. */
#ifndef PS_TOOLS_STUDY_OUTPUTS_H
#define PS_TOOLS_STUDY_OUTPUTS_H

#include "tools/study/graph.h"

typedef enum ps_outputs_state {
	PS_OUTPUTS_RECORDED, /* there, and as recorded */
	PS_OUTPUTS_GONE,     /* a file is missing, or the record does not name the output */
	PS_OUTPUTS_CHANGED   /* a file is another one than the record says */
} ps_outputs_state;

/* *outputs: {path in the study's folder: {bytes, xxh3}} of the files that the node has just made.
 * It is the output itself; of a folder its manifest and the files that the manifest names, by the
 * manifest's digests; the files beside it; of the report its pages, tables and figures. Empty for a
 * node without output.
 * PS_EFAILED: the output is not there, or not whole. PS_EINPUT: a file cannot be read. */
int ps_outputs_list(ps_graph *graph, const ps_node *node, json_t **outputs) PS_MUST_USE;

/* Compares the disk with outputs as a record has them; NULL: the record names none. what: names the
 * first file that is not as recorded, such as "output runs/llama/dense/mask.safetensors is gone".
 * One that has changed counts before one that is gone. Errors: a file that cannot be read
 * (PS_EINPUT), no memory, an interruption. */
int ps_outputs_check(ps_graph *graph, const ps_node *node, const json_t *outputs,
		     ps_outputs_state *state, char *what, size_t size) PS_MUST_USE;

#endif
