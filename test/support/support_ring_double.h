/* test/support/support_ring_double.h: a ps_ring and a ps_sys over plain preads that misbehave as
 * asked.
 *
 * Files opened with O_DIRECT are opened without it, so that the tests run on any file system.
 * Requests on them are checked instead: they must be whole blocks into aligned memory. The process
 * has one state. */
#ifndef PS_TEST_SUPPORT_SUPPORT_RING_DOUBLE_H
#define PS_TEST_SUPPORT_SUPPORT_RING_DOUBLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/rng.h"
#include "io/reader.h"

/* What the page cache holds. */
enum {
	RD_NOTHING_CACHED,
	RD_ALL_CACHED,
	RD_SOME_CACHED, /* every other MiB */
	RD_NOT_TOLD     /* mincore fails */
};

extern struct ring_faults {
	int open_error;                /* of the ring */
	int memory_error, files_error; /* of registering */
	int direct_open_error;         /* of opening with O_DIRECT */
	int direct_probe_error;        /* of a pread on such a descriptor */
	bool direct_is_another;  /* a file opened with O_DIRECT is another than the mapped one */
	int refuse_direct_every; /* every n-th direct completion is EINVAL */
	int cached;              /* RD_... */
	bool shorten, shuffle;   /* completions */
	/* Every n-th submit is EAGAIN, completion EAGAIN and EINTR in turn, pread EINTR. */
	int refuse_every;
	int fail_at, fail_with; /* the completion or pread of that number (from 1) fails so */
	int stuck;              /* the error of every completion and pread; 0: none */
	int end_at;        /* the completion or pread of that number finds the end of the file */
	int break_at;      /* the wait of that number and all later ones are EBADF */
	uint64_t file_end; /* where files end for completions and preads; 0: where they do */
	atomic_int submits, completions, preads, direct_completions, registered_completions,
		direct_open, waits;
	ps_rng rng;
} ring_fault;

extern const ps_ring ring_double;
extern const ps_sys ring_double_sys;

/* No faults, all counts 0. */
void ring_double_reset(void);
/* The most reads that were in flight at a time. */
int ring_double_most_flying(void);
/* Allows reads in flight when the ring is closed, for a ring that broke. */
void ring_double_abandon(void);

#endif
