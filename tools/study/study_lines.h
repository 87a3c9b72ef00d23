/* tools/study/study_lines.h: on which line of a study file a key stands. */
#ifndef PS_TOOLS_STUDY_STUDY_LINES_H
#define PS_TOOLS_STUDY_STUDY_LINES_H

/* The line, counted from 1, of the key at a path such as "sae.k". Items of a list have no names of
 * their own, so "models.layer" is the first item's layer. 0: the file has no such key, or cannot be
 * read. */
int ps_study_line(const char *path, const char *key);

#endif
