/* tools/study/study_step.h: what a study has done, known by the digest of what determines it.
 *
 * A step's key is the digest of a JSON document that names its options and the keys of the steps it stands on
 * (never paths, times, threads). Its record, FOLDER/NAME.json, holds {key, inputs, result}. A record with the
 * same key is done: its result is taken; any other record is replaced. Records are written atomically. */
#ifndef PS_TOOLS_STUDY_STUDY_STEP_H
#define PS_TOOLS_STUDY_STUDY_STEP_H

#include <jansson.h>
#include <stdbool.h>

#include "core/base/digest.h"
#include "tools/run/session.h"

typedef struct ps_step {
	char path[1024]; /* of the record */
	char key[PS_DIGEST_TEXT];
	json_t *inputs; /* owned */
	json_t *result; /* owned; NULL while not done */
} ps_step;

/* inputs is taken over; reads the record when there is one. */
int ps_step_open(ps_step *step, const char *folder, const char *name, json_t *inputs,
		 ps_diag *diag) PS_MUST_USE;
/* Writes the record; result is taken over. */
int ps_step_record(ps_step *step, json_t *result, ps_diag *diag) PS_MUST_USE;
static inline bool ps_step_done(const ps_step *step)
{
	return step->result != NULL;
}
void ps_step_close(ps_step *step); /* a zeroed one is allowed */

/* XXH3 of a JSON value's canonical text (sorted keys, compact). */
uint64_t ps_json_digest(const json_t *value);

#endif
