/* test/support/support_ring_double.h: a ps_ring and a ps_sys over plain preads that misbehave as asked.
 *
 * Files that are opened O_DIRECT are opened without it, so that the tests run on any file system, and requests
 * on them are checked instead: whole blocks, into aligned memory. State is one per process. */
#ifndef PS_TEST_SUPPORT_SUPPORT_RING_DOUBLE_H
#define PS_TEST_SUPPORT_SUPPORT_RING_DOUBLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/rng.h"
#include "io/reader.h"

enum {
	RD_NOTHING_CACHED,
	RD_ALL_CACHED,
	RD_SOME_CACHED /* every other MiB */,
	RD_NOT_TOLD /* mincore fails */
};

extern struct ring_faults {
	int open_error;                /* of the ring */
	int memory_error, files_error; /* of registering */
	int direct_open_error;         /* of opening O_DIRECT */
	int direct_probe_error;        /* of a pread on such a descriptor */
	bool direct_is_another;  /* opened O_DIRECT, the path is another file than the one mapped */
	int refuse_direct_every; /* direct completions: EINVAL */
	int cached;              /* RD_... */
	bool shorten, shuffle;   /* completions */
	int refuse_every; /* submits: EAGAIN; completions: EAGAIN and EINTR in turn; preads: EINTR */
	int fail_at, fail_with; /* the completion or pread of that number, from 1 */
	int stuck;              /* every completion and pread: this error */
	int end_at;        /* the completion or pread of that number finds the end of the file */
	int break_at;      /* from the wait of that number on, waits give EBADF */
	uint64_t file_end; /* every file ends there for completions and preads; 0: where it ends */
	atomic_int submits, completions, preads, direct_completions, registered_completions,
		direct_open, waits;
	ps_rng rng;
} ring_fault;

extern const ps_ring ring_double;
extern const ps_sys ring_double_sys;

void ring_double_reset(void); /* no faults, all counts 0 */
int ring_double_most_flying(void);
void ring_double_abandon(
	void); /* after the ring broke: what is in flight may stay so at its close */

#endif
