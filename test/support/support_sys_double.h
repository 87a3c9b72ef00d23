/* test/support/support_sys_double.h: a ps_sys over the real calls that misbehaves as asked.
 *
 * Calls that a plan counts are numbered from 1. The process has one state: tests run one after the
 * other. */
#ifndef PS_TEST_SUPPORT_SUPPORT_SYS_DOUBLE_H
#define PS_TEST_SUPPORT_SUPPORT_SYS_DOUBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "io/sys.h"

enum {
	SYS_OPEN = 1,
	SYS_CLOSE = 2,
	SYS_PREAD = 4,
	SYS_PWRITE = 8,
	SYS_FSYNC = 16,
	SYS_RENAME = 32,
	SYS_UNLINK = 64,
	SYS_MKDIR = 128,
	SYS_RMDIR = 256,
	SYS_FSTAT = 512,
	SYS_MINCORE = 1024,
	SYS_FSTATFS = 2048,
	SYS_FALLOCATE = 4096,
	SYS_START_WRITE = 8192, /* not among SYS_ALL: what it returns does not matter */
	SYS_ALL = 8191
};

typedef struct sys_plan {
	unsigned calls; /* which calls are counted: SYS_... */
	long fail_at;   /* number of the call that fails with error, once; 0: none */
	int error;      /* errno */
	/* The process is killed before this call, or after half of the bytes of a pwrite; 0:
	 * never. */
	long kill_at;
	size_t shorten; /* transfers move at most so many bytes; 0: as many as asked */
	bool interrupt; /* every other transfer is interrupted first */
	/* The disk is full after so many bytes: a short write, then ENOSPC; 0: never. */
	size_t capacity;
	bool no_exchange; /* the file system cannot exchange two names */
	bool no_sync;     /* fsync returns at once: for tests that make many files */
} sys_plan;

extern const ps_sys sys_double;

/* Sets the plan and starts counting anew. */
void sys_double_plan(sys_plan plan);
/* The number of counted calls since the plan. */
long sys_double_count(void);
/* Descriptors that were opened and not closed since the plan. */
int sys_double_open_files(void);
/* A letter for each call since the plan: o open, r pread, w pwrite, s fsync, m rename, u unlink, d
 * mkdir. Other calls have none. */
const char *sys_double_trace(void);

/* Makes a new folder under TMPDIR and writes its path. */
void scratch_make(char *path, size_t size);
/* Removes a folder with its contents. */
void scratch_remove(const char *path);
/* The number of files in a folder, except . and .. */
int scratch_count(const char *path);

/* Runs fn(context) in a child process. Returns its exit status, or -signal. */
int run_in_child(int (*fn)(void *context), void *context);

#endif
