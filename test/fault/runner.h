/* test/fault/runner.h: runs one command again and again, with its plan of faults.
 *
 * These are test helpers: a system call that fails ends the program with status 99. */
#ifndef TEST_FAULT_RUNNER_H
#define TEST_FAULT_RUNNER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "test/fault/fault_plan.h"

struct runner {
	char **command;      /* to be set before runner_load */
	const char *preload; /* the library; to be set before runner_load */
	struct fault_plan *plan;
	char plan_path[PATH_MAX];
	int out, err;      /* what the command writes into, emptied before each run */
	int start, status; /* pipes of the process that has loaded the command */
};

/* Makes the plan, zeroed, and the outputs. */
void runner_open(struct runner *r);
/* Loads the command, up to its main (test/fault/fault_plan.h). */
void runner_load(struct runner *r);
/* Runs the command to its end: with what was loaded, so that the plan counts, or directly. Returns
 * its exit code, 1000 + the signal that ended it, or 2000: no end within ten minutes. */
int runner_run(const struct runner *r, bool served);
/* All of an output, malloc'ed, with a NUL behind it. */
char *runner_read(int fd, size_t *length);
void runner_close(const struct runner *r);

#endif
