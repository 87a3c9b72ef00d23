/* tools/shard_record.h: whether a study's record is the one of its place, and what lies on the disk
 * is what the record says.
 *
 * The record of the step MODEL/CONDITION/STEP is runs/MODEL/CONDITION/STEP.json. Steps of a model
 * as a whole are called MODEL/dense/STEP and have runs/MODEL/STEP.json; those of the study are
 * called study/all/STEP and have runs/STEP.json. tools/study/record.h describes the members. */
#ifndef PS_TOOLS_SHARD_RECORD_H
#define PS_TOOLS_SHARD_RECORD_H

#include "core/base/digest.h"
#include "core/base/error.h"
#include "core/base/json.h"

typedef struct ps_shard_study {
	const char *path; /* of the study's folder */
	json_t *digests;  /* {file: XXH3} of the files that were read whole */
} ps_shard_study;

/* Size and XXH3 of a file. One whose digest is in digests is not read again. */
int ps_shard_digest(json_t *digests, const char *path, uint64_t *bytes, char digest[PS_DIGEST_TEXT],
		    ps_diag *diag) PS_MUST_USE;

/* Compares the record at path with its place below runs/ ("llama/dense/ppl.json"), its outputs with
 * the files, and the records that a summary was made from with those that are there. Adds a problem
 * to entry for each that differs. The record's own checksum is right. */
void ps_shard_record_check(const ps_shard_study *study, const char *path, const char *below,
			   json_t *entry);

#endif
