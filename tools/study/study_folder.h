/* tools/study/study_folder.h: whether a study may work in the folder that its user names.
 *
 * The folder is made if it is not there. Other files may lie in an empty one or in a study's own
 * one. What the study itself writes there is never one of its inputs. */
#ifndef PS_TOOLS_STUDY_STUDY_FOLDER_H
#define PS_TOOLS_STUDY_STUDY_FOLDER_H

#include "tools/study/study.h"
#include "tools/study/study_file.h"

/* PS_EUSAGE, also with --force: the folder is no folder, or an input stands where the study writes.
 * PS_EUSAGE without --force: other things lie in it, and no study has worked there: no records lie
 * below its runs/. Its inputs are not other things. Writes nothing. */
int ps_study_folder_check(const ps_study_file *file, const ps_study_args *args,
			  ps_diag *diag) PS_MUST_USE;

#endif
