/* tools/study/check.h: a study's options against its models, before the first step runs. */
#ifndef PS_TOOLS_STUDY_CHECK_H
#define PS_TOOLS_STUDY_CHECK_H

#include "tools/study/graph.h"

/* Turns what a command says of one of its flags (diag, from an options check) into what the study file's author needs:
 * file, line and key. Returns PS_EINPUT. */
int ps_study_blame(const ps_graph *graph, const char *what, ps_diag *diag);

#endif
