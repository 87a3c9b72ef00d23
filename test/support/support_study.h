/* test/support/support_study.h: the graph of a small study of a demo model, for tests.
 *
 * Texts and the study file lie in a scratch folder of their own. Nothing is carried out: a test
 * that needs outputs writes files of their names (test_study_make). */
#ifndef PS_TEST_SUPPORT_SUPPORT_STUDY_H
#define PS_TEST_SUPPORT_SUPPORT_STUDY_H

#include "tools/study/graph.h"

typedef struct test_study {
	char scratch[32], path[64], out[64]; /* out: scratch/out */
	ps_study_file *file;
	ps_session session;
	ps_graph graph;
} test_study;

/* Makes the scratch folder and the graph: one model, magnitude and wanda, seeds 7 and 42.
 * sparsities: as in the study file, "[0.3, 0.5]". A failure is the test's. */
void test_study_open(test_study *s, const char *sparsities);
/* The graph of the same folder with other sparsities. */
void test_study_reopen(test_study *s, const char *sparsities);
/* Removes the scratch folder. */
void test_study_close(test_study *s);

/* The node of that id; a failure where there is none. */
ps_node *test_study_find(test_study *s, const char *id);
/* Writes a file, or a whole folder, where the node's output is, and its record. The node is then
 * done, if those that it reads were made before. */
void test_study_make(test_study *s, const ps_node *node);
/* Writes a file of three bytes in the study's folder, with the folders above it. */
void test_study_write(const test_study *s, const char *name);
/* Reads a record, which must not fail; the test closes it. */
ps_record_state test_record_read(ps_record *record, const char *path);
/* Whether the study's folder has it. */
bool test_study_has(const test_study *s, const char *name);

#endif
