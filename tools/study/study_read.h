/* tools/study/study_read.h: reads the text of a study file by the table of its keys. */
#ifndef PS_TOOLS_STUDY_STUDY_READ_H
#define PS_TOOLS_STUDY_STUDY_READ_H

#include "tools/study/study_file.h"

/* Fills the zeroed file from `length` bytes of YAML. A key that the text does not have leaves its
 * value zero; ps_study_mark_of tells the two apart. path is for messages.
 *
 * PS_EINPUT names path, line, column and key: no YAML, an unknown, repeated or missing key, a wrong
 * type, a number out of its range or with something behind it, a text with control characters. What
 * a study file has no use for is refused too: a second document, anchors, aliases, merge keys and
 * tags. Nothing is read ahead or expanded, so memory and time grow with the text alone.
 * PS_EBUDGET: no memory. */
int ps_study_read(ps_study_file *file, const char *path, const char *text, size_t length,
		  ps_diag *diag) PS_MUST_USE;

#endif
