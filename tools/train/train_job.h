/* tools/train/train_job.h: one SAE of a `train` command: its options, its folder, its state on
 * disk, its log, its measures.
 *
 *   begin -> load -> (note, save) ... -> finish -> close
 * close may be called at any point; the next command with the same arguments then goes on from the
 * state saved last. */
#ifndef PS_TOOLS_TRAIN_TRAIN_JOB_H
#define PS_TOOLS_TRAIN_TRAIN_JOB_H

#include <limits.h>

#include "sae/evaluate.h"
#include "sae/train.h"
#include "tools/train/train_data.h"
#include "tools/train/train_log.h"

typedef struct ps_train_job {
	const ps_train_args *args; /* that asked for it; borrowed */
	ps_train_options options;
	json_t *provenance;
	char path[PATH_MAX]; /* of the folder */
	char name[64];     /* of the folder within the command's; empty: it is the command's own */
	bool over;         /* finished, by this command or an earlier one */
	ps_folder *folder; /* NULL: not begun */
	ps_trainer *trainer; /* in the arena of its group */
	ps_train_log log;
	uint64_t resumed_at; /* steps done by earlier commands */
	bool check_due;      /* the state was saved since the last check on held-out rows */
	double checked_fvu;  /* by that check; NaN: none yet */
	ps_evaluation evaluation, held_out;
	double seconds, tokens_per_s;
} ps_train_job;

/* Checks the folder and the log's files against the inputs and against what stands there, before
 * anything is done (tools/run/output_path.h). The data of job->args are open, so that there are
 * fewer caches than PS_JOIN_MAX besides the first. */
int ps_train_job_check(const ps_train_job *job, ps_diag *diag) PS_MUST_USE;
/* Begins or continues the folder, and makes its parent. With args->replace a folder of another
 * provenance gives way; else it is PS_EUSAGE. Sets job->over and reads the measures when an earlier
 * command has finished the SAE. */
int ps_train_job_begin(ps_train_job *job, ps_session *session) PS_MUST_USE;
/* Gives the trainer its saved state, if there is a whole one of the same provenance, and opens the
 * log, if args ask for one. */
int ps_train_job_load(ps_train_job *job, ps_session *session) PS_MUST_USE;
/* What messages call it, where there are several: its name, or the path of its folder. */
const char *ps_train_job_label(const ps_train_job *job);
/* Saves the trainer's state, atomically. */
int ps_train_job_save(ps_train_job *job, ps_diag *diag) PS_MUST_USE;

/* Called after each step: writes its line of the log, if it has one. The first line after a save
 * also says how the SAE reconstructs a slice of the rows held out, if there are any. Takes from the
 * arena what finish takes, for a while. */
int ps_train_job_note(ps_train_job *job, ps_session *session, const ps_train_data *data,
		      const ps_train_step *step, double now, ps_arena *arena) PS_MUST_USE;

/* Bytes that finish takes from the arena. */
size_t ps_train_job_finish_bytes(const ps_train_job *job, size_t width, int threads);
/* Draws the log's curves, measures the SAE on the first rows and on those held out, and completes
 * the folder. */
int ps_train_job_finish(ps_train_job *job, ps_session *session, const ps_train_data *data,
			const ps_sae_about *about, ps_arena *arena) PS_MUST_USE;
void ps_train_job_close(ps_train_job *job); /* a zeroed one is allowed */

/* seed, k, d_sae, seconds, tokens_per_s and the measures, as a new object; NULL when memory ran
 * out. */
json_t *ps_train_job_json(const ps_train_job *job, const ps_train_data *data);

#endif
