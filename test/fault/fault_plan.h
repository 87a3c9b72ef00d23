/* test/fault/fault_plan.h: what test/fault/sweep.c tells test/fault/preload.c, and hears from it.
 *
 * Both map the same file, so that a report survives SIGKILL. The library counts the calls of the
 * chosen classes over all threads of one process. At call number `at` it does what `action`
 * says. */
#ifndef TEST_FAULT_FAULT_PLAN_H
#define TEST_FAULT_FAULT_PLAN_H

#include <stdatomic.h>
#include <stdint.h>

/* The environment variable that names the file. */
#define FAULT_PLAN_VARIABLE "FAULT_PLAN"

/* The program is loaded once, and forked before main for each run: most of a short run's time would
 * go into loading. A byte in FAULT_START_FD starts a run, FAULT_STATUS_FD gives its wait status. */
enum { FAULT_START_FD = 198, FAULT_STATUS_FD = 199 };

enum fault_class {
	FAULT_ALLOC = 1 << 0,  /* malloc and its kin, anonymous mmap, pthread_create */
	FAULT_WRITE = 1 << 1,  /* write, pwrite */
	FAULT_SYNC = 1 << 2,   /* fsync, fdatasync */
	FAULT_RENAME = 1 << 3, /* rename, link */
	FAULT_UNLINK = 1 << 4, /* unlink, rmdir */
	FAULT_MKDIR = 1 << 5,
	FAULT_CREATE = 1 << 6,   /* open and fopen for writing */
	FAULT_OPEN = 1 << 7,     /* open and fopen for reading, of files alone */
	FAULT_TRUNCATE = 1 << 8, /* ftruncate, posix_fallocate */
	FAULT_READ = 1 << 9,     /* read, pread */
	FAULT_LOCK = 1 << 10,    /* pthread_mutex_lock, which never fails: a moment to act at */
	FAULT_STAT = 1 << 11,    /* fstat: a moment to act at */
};

enum fault_action {
	FAULT_FAIL,    /* this call fails with `error` */
	FAULT_FAIL_ON, /* this call and all later ones */
	FAULT_SHORT,   /* a write takes half of its bytes; all later calls fail */
	FAULT_KILL,    /* SIGKILL before this call */
	FAULT_CUT,     /* `victim` is shortened before this call */
	FAULT_PUT,     /* `victim` is written at its middle before this call, its size kept */
};

/* A study goes through its steps in one process. To try the calls of a late step, the sweep starts
 * from the folder that the earlier steps left, and these calls alone count. */
enum fault_stage {
	FAULT_STAGE_STARTING, /* until the first claim of a step */
	FAULT_STAGE_CLAIMED,  /* until the first record is renamed */
	FAULT_STAGE_RECORDED, /* until the next claim */
	FAULT_STAGE_OVER,
};

struct fault_plan {
	uint32_t classes, action;
	int32_t error;      /* errno; an allocation gives ENOMEM */
	int32_t pid;        /* of the current run */
	uint64_t at;        /* 1: the first call; 0: count only */
	int64_t cut;        /* bytes that the victim loses */
	int32_t after_open; /* count only once the victim was opened */
	int32_t trace;      /* write the return addresses to stderr */
	/* Only calls from stage_first on and before FAULT_STAGE_OVER count. end_stage: SIGKILL
	 * there. FAULT_STAGE_OVER: all calls count. */
	uint32_t stage_first, end_stage;
	int64_t hurry; /* CLOCK_MONOTONIC runs so many times as fast; 0: as it does */
	char victim[1024];

	_Atomic uint32_t opened; /* the victim: 1 opened, 2 mapped, 3 its state noted */
	_Atomic uint32_t stage;
	_Atomic uint64_t count;
	_Atomic uint32_t fired;
	char call[32]; /* the call that it fired at */
};

#endif
