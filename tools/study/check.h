/* tools/study/check.h: what a command would refuse, told to the author of the study file. */
#ifndef PS_TOOLS_STUDY_CHECK_H
#define PS_TOOLS_STUDY_CHECK_H

#include "tools/study/graph.h"

/* PS_EINPUT that names the study file, the line and the key. item counts from 1; 0: the key itself.
 * The message says what is wrong with its value. */
int ps_study_refuse(const ps_graph *graph, const char *key, size_t item, const char *format, ...)
	PS_PRINTF(4, 5);

/* Turns a command's complaint about one of its flags into one about the study file: its name, the
 * line and the key. Call it when an options check has failed; diag holds the complaint. group is
 * where the step's keys stand: magnitude, wanda or sae. Returns PS_EINPUT. */
int ps_study_blame(const ps_graph *graph, const char *group, ps_diag *diag);

#endif
