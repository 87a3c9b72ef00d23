/* tools/study/record.h: what a finished step leaves behind.
 *
 * FOLDER/STEP.json has the members
 *   id, command     the step, and the command behind it
 *   inputs, key     what determined the result's bits, and its digest
 *   kernel          the matrix kernel in use: last bits differ between kinds of CPU
 *   result          the values of the command's --json
 *   checksum        of all other members (io/sealed_json.h)
 * A record is written atomically, after the step's outputs. It is the sign that the step is
 * done. */
#ifndef PS_TOOLS_STUDY_RECORD_H
#define PS_TOOLS_STUDY_RECORD_H

#include "core/base/digest.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "io/sealed_json.h"

typedef struct ps_record {
	const char *id, *command, *kernel; /* borrowed from whole once read */
	char key[PS_DIGEST_TEXT];
	json_t *inputs, *result; /* borrowed from whole once read */
	json_t *whole;           /* owned */
} ps_record;

typedef enum ps_record_state { PS_RECORD_NONE, PS_RECORD_DAMAGED, PS_RECORD_WHOLE } ps_record_state;

/* Reads the record at path. PS_RECORD_DAMAGED: the file cannot be read, is not JSON, has a wrong
 * checksum or lacks a member. Its step then counts as not done. Close the record whatever the
 * state. */
ps_record_state ps_record_read(ps_record *record, const char *path);
/* Writes id, command, kernel, key, inputs and result, with their checksum. whole is not used. */
int ps_record_write(const ps_record *record, const char *path, ps_diag *diag) PS_MUST_USE;
void ps_record_close(ps_record *record); /* a zeroed one is allowed */

#endif
