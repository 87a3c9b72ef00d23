/* tools/study/record.h: what a finished step leaves behind.
 *
 * FOLDER/STEP.json holds
 *   id, command     the step and the command behind it
 *   inputs, key     what determined its bits, and the digest of that
 *   kernel          the matrix kernel it was computed with: bits differ between kinds of CPU
 *   result          the values of the command's --json
 *   checksum        XXH3 of the canonical text (sorted keys, compact) of all the rest
 * A record is written atomically once its step is done, and is the sign that it is done. */
#ifndef PS_TOOLS_STUDY_RECORD_H
#define PS_TOOLS_STUDY_RECORD_H

#include <jansson.h>

#include "core/base/digest.h"
#include "core/base/error.h"

typedef struct ps_record {
	const char *id, *command, *kernel; /* borrowed from whole once read */
	char key[PS_DIGEST_TEXT];
	json_t *inputs, *result; /* borrowed from whole once read */
	json_t *whole;           /* owned */
} ps_record;

typedef enum ps_record_state { PS_RECORD_NONE, PS_RECORD_DAMAGED, PS_RECORD_WHOLE } ps_record_state;

/* Reads the record at path. A damaged one (unreadable, not JSON, a wrong checksum, a missing member) counts as not
 * done: it is written anew. Close it whatever the state. */
ps_record_state ps_record_read(ps_record *record, const char *path);
/* Writes id, command, kernel, key, inputs and result; whole is not used. */
int ps_record_write(const ps_record *record, const char *path, ps_diag *diag) PS_MUST_USE;
void ps_record_close(ps_record *record); /* a zeroed one is allowed */

/* XXH3 of a value's canonical text; PS_EBUDGET when memory runs out. */
int ps_json_digest(const json_t *value, char out[PS_DIGEST_TEXT], ps_diag *diag) PS_MUST_USE;

#endif
