/* tools/study/claim.h: who works on which step, when several processes share a study folder.
 *
 * A claim is a file in DIR/locks, named after the step. It says which process has the step and
 * since when (JSON). While it has claims, a process touches their files every
 * PS_CLAIM_BEAT_SECONDS: the heartbeat.
 *
 * A claim is stale, and the next process that wants the step takes it over,
 *   - if its process ran on this machine and is dead: at once;
 *   - if its process runs elsewhere (another machine, a container): once there was no heartbeat
 *     for PS_CLAIM_STALE_SECONDS. Both times are the file system's, so the clocks of the machines
 *     may differ.
 * A process that is alive on this machine keeps its claims, however long it was stopped.
 *
 * Only one process at a time reads and replaces claims: it holds a lock on DIR/locks/.guard
 * meanwhile (an open file description lock, which NFS passes on to its server). A file system
 * without such locks still lets only one process create a claim. But if two processes take over
 * the same stale claim at the same instant, both may get it there. ps_claim_held then tells the
 * one that lost.
 *
 * A machine that slept for long may find its claims taken over. So ask ps_claim_held before
 * the results of a step are published.
 *
 * Any thread may call any function. Errors: -errno and PS_EOUTPUT (exit 4) for what the file
 * system refuses to write, PS_EINPUT (exit 3) for a claim's file that cannot be read, PS_EBUDGET
 * (exit 5) for no memory, PS_EINTERRUPTED (exit 130) when a stop was asked for while waiting. */
#ifndef PS_TOOLS_STUDY_CLAIM_H
#define PS_TOOLS_STUDY_CLAIM_H

#include <stdbool.h>
#include <time.h>

#include "core/base/error.h"
#include "tools/run/process.h"

#define PS_CLAIM_BEAT_SECONDS 15
#define PS_CLAIM_STALE_SECONDS 120
#define PS_CLAIM_BYTES_MAX 2048 /* of a claim's file */
#define PS_CLAIM_STEP_BYTES 256 /* of a step's id, NUL included */

typedef struct ps_claims ps_claims; /* of one process in one study folder */

typedef struct ps_claim_holder {
	char host[PS_HOST_NAME_BYTES];
	long pid;
	char step[PS_CLAIM_STEP_BYTES];
	time_t since;   /* by its own clock; 0: its file could not be read */
	bool took_over; /* the claim was stale, and is now the caller's */
} ps_claim_holder;

/* folder: DIR/locks, made with its parents if need be. Starts the thread of the heartbeat. */
int ps_claims_open(ps_claims **claims, const char *folder, ps_diag *diag) PS_MUST_USE;

/* Takes the step for this process, without waiting. Returns 0 and one of these two answers:
 *   - *taken true: the step is the caller's. If holder->took_over, holder says whose stale claim
 *     it was; else holder is empty.
 *   - *taken false: holder says who has it. That may be this process itself: nobody gets a claim
 *     twice. */
int ps_claim_take(ps_claims *claims, const char *step, bool *taken, ps_claim_holder *holder,
		  ps_diag *diag) PS_MUST_USE;

/* *held: the step is still claimed by this process, which took it, and the file still says so.
 * Looks at the disk. PS_EINPUT if the file is there and cannot be read: nobody has taken the step
 * over then, as far as is known. */
int ps_claim_held(ps_claims *claims, const char *step, bool *held, ps_diag *diag) PS_MUST_USE;

/* Gives the step back. One that is not held, or was lost to another process, is left as it is.
 * Where the file cannot be removed, this process may take the step again, and tries once more to
 * remove it in ps_claims_close. */
void ps_claim_release(ps_claims *claims, const char *step);

/* Removes stale claims: of a step that a killed process had just finished, and that nobody will
 * take any more. Call it when all steps are done, since it reads every claim. */
void ps_claims_sweep(ps_claims *claims);

/* Ends the thread, releases all, and removes the folder if no other process has claims in it.
 * NULL is allowed. */
void ps_claims_close(ps_claims *claims);

#endif
