/* tools/study/sources.h: what stands for the study's texts, models and pretrained dictionaries in
 * keys: their digests.
 *
 * The digests are made when the graph is built. Before and after each step the state on the disk
 * (size, times, inode) is compared with the one at that time, and where it differs, the digests. */
#ifndef PS_TOOLS_STUDY_SOURCES_H
#define PS_TOOLS_STUDY_SOURCES_H

#include "tools/study/graph.h"

/* Makes a text known for keys. PS_EINPUT: it cannot be read. With texts_may_lack one that is not
 * there has a key of its own, and the user is told. */
int ps_source_text(ps_graph *graph, const char *path) PS_MUST_USE;
/* Whether a text of the graph is not there. */
bool ps_source_lacks(const ps_graph *graph, const char *path);
/* Reads the model's config and digests into model, and makes its path known for keys. PS_EINPUT:
 * the checkpoint cannot be read. */
int ps_source_model(ps_graph *graph, ps_graph_model *model) PS_MUST_USE;

/* Makes the path of a condition's checkpoint known for keys. PS_EINPUT: it cannot be read, or does
 * not have the model's shapes, vocabulary and tokenizer; study file, line, key and both paths are
 * named. */
int ps_source_checkpoint(ps_graph *graph, const ps_graph_model *model,
			 const ps_graph_condition *condition) PS_MUST_USE;

/* Makes the model's pretrained dictionary known for keys, and reads its shape into model.
 * PS_EINPUT: it cannot be read, is not of the model's width, or says that it is of another model,
 * layer or hook; study file, line, key and both paths are named. */
int ps_source_dictionary(ps_graph *graph, ps_graph_model *model) PS_MUST_USE;

/* PS_EINPUT: the text, model or dictionary at path has changed since it was made known. Any other
 * path is none of this function's. */
int ps_source_check(ps_graph *graph, const char *path) PS_MUST_USE;

#endif
