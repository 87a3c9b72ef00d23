/* tools/study/record.h: what a finished step leaves behind.
 *
 * FOLDER/STEP.json has the members
 *   id, command     the step, and the command behind it
 *   inputs, key     what determined the result's bits, and its digest
 *   kernel          the matrix kernel in use: last bits differ between kinds of CPU
 *   cache_kernels   the kernels that made the caches it read, sorted, each once: a cache goes after
 *                   its last reader, and its record goes with it
 *   outputs         {path in the study's folder: {bytes, xxh3}}: the files that the step made
 *   records         {step: checksum}: the records that a summary was made from
 *   result          the values of the command's --json
 *   checksum        of all other members (io/sealed_json.h)
 * A record is written atomically, after the step's outputs. It is the sign that the step is
 * done, as long as the outputs are the recorded ones (tools/study/outputs.h). Equal work gives
 * equal bytes: a record holds no time and nothing of the disk's state. */
#ifndef PS_TOOLS_STUDY_RECORD_H
#define PS_TOOLS_STUDY_RECORD_H

#include "core/base/digest.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "io/sealed_json.h"

typedef struct ps_record {
	const char *id, *command, *kernel; /* borrowed from whole once read */
	char key[PS_DIGEST_TEXT];
	char checksum[PS_DIGEST_TEXT]; /* of the file that was read */
	/* Borrowed from whole once read. Those of the second line are NULL in the record of an
	 * earlier version. */
	json_t *inputs, *result;
	json_t *cache_kernels, *outputs, *records;
	json_t *whole; /* owned */
} ps_record;

typedef enum ps_record_state { PS_RECORD_NONE, PS_RECORD_DAMAGED, PS_RECORD_WHOLE } ps_record_state;

/* Reads the record at path. *state PS_RECORD_DAMAGED: it is not JSON, has a wrong checksum or lacks
 * a member. Its step then counts as not done. Close the record whatever is returned. PS_EINPUT: the
 * file is there and cannot be read. PS_EBUDGET: no memory. Nothing is known of it in both cases. */
int ps_record_read(ps_record *record, const char *path, ps_record_state *state,
		   ps_diag *diag) PS_MUST_USE;
/* Writes all members but whole, with their checksum. */
int ps_record_write(const ps_record *record, const char *path, ps_diag *diag) PS_MUST_USE;
void ps_record_close(ps_record *record); /* a zeroed one is allowed */

#endif
