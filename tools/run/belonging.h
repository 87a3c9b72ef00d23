/* tools/run/belonging.h: inputs that do not belong together, and inputs of which nobody knows.
 *
 * Files of ours say what they were made from. Where two inputs meet, the command compares what both
 * say. What differs is PS_EINPUT that names both; with --force-mismatch (session->force_mismatch)
 * it is a remark, and stands in the provenance of what the command writes. A file of another tool
 * says nothing: it is taken as it is, with a remark, and listed under `unverified` in the
 * result. */
#ifndef PS_TOOLS_RUN_BELONGING_H
#define PS_TOOLS_RUN_BELONGING_H

#include "tools/run/session.h"

/* The digest of an input, by its name there, in the provenance of a manifest or a file's metadata.
 * NULL: it is not there. */
const char *ps_provenance_input(const json_t *holder, const char *name);

/* Remarks that the file or folder at path carries no provenance of ours, and lists it in
 * session->unverified. Each path is noted once. PS_EBUDGET. */
int ps_session_unverified(ps_session *session, const char *path) PS_MUST_USE;

/* What two inputs say of the same thing. */
typedef struct ps_mismatch {
	const char *what;           /* "model", "tokenizer", "layer", ... */
	const char *path, *value;   /* an input, and what it says */
	const char *path2, *value2; /* another one, or what the command was asked for */
} ps_mismatch;

/* PS_EINPUT naming both. With --force-mismatch: 0, a remark, and an entry of
 * session->mismatches. */
int ps_session_mismatch(ps_session *session, const ps_mismatch *mismatch) PS_MUST_USE;

/* The same for what may differ: always a remark and an entry. */
int ps_session_remark(ps_session *session, const ps_mismatch *mismatch) PS_MUST_USE;

/* Adds `mismatch`, what was forced or remarked on, to a provenance or a result; nothing if there is
 * none. An entry is {what, values: [value, value2]}, without the paths. PS_EBUDGET. */
int ps_session_note_mismatches(const ps_session *session, json_t *object,
			       ps_diag *diag) PS_MUST_USE;
/* Adds `unverified` and `mismatch` to a result, where there are any. */
int ps_session_note_all(const ps_session *session, json_t *result, ps_diag *diag) PS_MUST_USE;

/* Forgets what was noted. A study calls it before each step. */
void ps_session_forget(ps_session *session);

#endif
