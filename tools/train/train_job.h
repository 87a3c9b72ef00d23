/* tools/train/train_job.h: one SAE of a `train` command: its options and folder, its state on disk, its log, what is said of it.
 *
 * begin -> load -> (note, save) ... -> finish, or at any time close. */
#ifndef PS_TOOLS_TRAIN_TRAIN_JOB_H
#define PS_TOOLS_TRAIN_TRAIN_JOB_H

#include <limits.h>

#include "sae/evaluate.h"
#include "sae/train.h"
#include "tools/train/train_data.h"
#include "tools/train/train_log.h"

typedef struct ps_train_job {
	ps_train_options options;
	json_t *provenance;
	char path[PATH_MAX]; /* of the folder */
	char name[64];       /* within the command's; empty: the only one */
	bool over;           /* finished, now or by an earlier command */
	ps_folder *folder;   /* NULL: not begun */
	ps_trainer *trainer; /* in the arena of its group */
	ps_train_log log;
	uint64_t resumed_at; /* steps */
	bool check_due;      /* the state was saved since check */
	double checked_fvu;  /* by the last check; NaN: none yet */
	ps_evaluation evaluation, held_out;
	double seconds, tokens_per_s;
} ps_train_job;

/* The folder, of which the parent is made; replace: one of another provenance goes. job->over when an earlier command has finished it, its measures read. */
int ps_train_job_begin(ps_train_job *job, bool replace, ps_session *session) PS_MUST_USE;
/* The trainer's saved state, where there is a whole one of the same provenance; and its log, of files PREFIX[-NAME].*, or
 * NULL. */
int ps_train_job_load(ps_train_job *job, ps_session *session, const char *log) PS_MUST_USE;
int ps_train_job_save(ps_train_job *job, ps_diag *diag) PS_MUST_USE;

/* After a step: its line of the log, if it has one, and on the first line since a save, where rows are held out, how the
 * SAE reconstructs a slice of them. Takes of the arena what finish takes. */
int ps_train_job_note(ps_train_job *job, ps_session *session, const ps_train_data *data,
		      const ps_train_step *step, double now, ps_arena *arena) PS_MUST_USE;

/* Bytes that finish takes of the arena. */
size_t ps_train_job_finish_bytes(const ps_train_job *job, size_t width, int threads);
/* Draws the log's curves; measures the SAE on the first rows and those held out; completes the folder. */
int ps_train_job_finish(ps_train_job *job, ps_session *session, const ps_train_data *data,
			const ps_sae_about *about, ps_arena *arena) PS_MUST_USE;
void ps_train_job_close(ps_train_job *job); /* a zeroed one is allowed */

/* seed, k, d_sae, seconds, tokens_per_s and the measures. */
json_t *ps_train_job_json(const ps_train_job *job, const ps_train_data *data);

#endif
