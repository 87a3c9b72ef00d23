/* tools/study/study.h: the command `study`. */
#ifndef PS_TOOLS_STUDY_STUDY_H
#define PS_TOOLS_STUDY_STUDY_H

#include "core/base/json.h"
#include "tools/run/session.h"

typedef struct ps_study_args {
	const char *file, *out;
	bool dry_run;       /* list the steps and what they need */
	bool keep_caches;   /* activation caches are not removed after their last reader */
	bool force;         /* finished steps of other inputs are replaced */
	bool allow_fewer;   /* as allow_fewer: true in the file */
	bool verify;        /* finished steps' outputs are read, whatever their state on the disk */
	bool clean;         /* remove what no step owns; with dry_run only name it */
	size_t disk_bytes;  /* the most that caches may take at a time; 0: no limit given */
	const char *only;   /* the name of the one step to carry out; NULL: all steps */
	const char *emit;   /* make, snakemake, slurm or json; NULL: none */
	const char *kernel; /* name of the matrix kernel that must be in use; NULL: any */
} ps_study_args;

/* Carries out the study, or lists it (dry_run), prints its graph (emit) or tidies up (clean).
 * *result: what --json prints; it stays NULL if --emit has written to stdout. PS_EUSAGE: arguments
 * that exclude each other, or finished steps that only force replaces. PS_EINPUT: the study file, a
 * model or a text, or an output that is not the recorded one. PS_EOUTPUT: disk_bytes is too small.
 * PS_EBUDGET: a step does not fit the budget; the least that would do is named. Other errors are
 * those of the steps. */
int ps_run_study(ps_session *session, const ps_study_args *args, json_t **result) PS_MUST_USE;

#endif
