#include "tools/study/study_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/artefact.h"

#define RECORD_BYTES_MAX ((size_t)256 << 20)

uint64_t ps_json_digest(const json_t *value)
{
	char *text = ps_json_text(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY |
						 JSON_REAL_PRECISION(17));
	uint64_t digest = text ? ps_digest_of(text, strlen(text)) : 0;

	free(text);
	return digest;
}

int ps_step_open(ps_step *step, const char *folder, const char *name, json_t *inputs, ps_diag *diag)
{
	json_t *record = NULL;
	ps_diag ignored = {{0}};
	const char *key;

	*step = (ps_step){.inputs = inputs};
	if (!inputs)
		return ps_fail(diag, PS_EFAILED, "%s/%s: no memory for the step's inputs", folder,
			       name);
	if (snprintf(step->path, sizeof step->path, "%s/%s.json", folder, name) >=
	    (int)sizeof step->path)
		return ps_fail(diag, PS_EUSAGE, "%s: the study folder's path is too long", folder);
	ps_digest_format(ps_json_digest(inputs), step->key);
	/* A record that cannot be read counts as not done: it is written anew. */
	if (access(step->path, F_OK) ||
	    ps_file_read_json(&ps_sys_linux, step->path, RECORD_BYTES_MAX, &record, &ignored))
		return 0;
	key = json_string_value(json_object_get(record, "key"));
	if (key && !strcmp(key, step->key))
		step->result = json_incref(json_object_get(record, "result"));
	json_decref(record);
	return 0;
}

int ps_step_record(ps_step *step, json_t *result, ps_diag *diag)
{
	json_t *record = json_pack("{s:s, s:O, s:O}", "key", step->key, "inputs", step->inputs,
				   "result", result);
	int rc;

	step->result = result;
	if (!record)
		return ps_fail(diag, PS_EFAILED, "%s: no memory for the record", step->path);
	rc = ps_file_replace_json(&ps_sys_linux, step->path, record, diag);
	json_decref(record);
	return rc;
}

void ps_step_close(ps_step *step)
{
	json_decref(step->inputs);
	json_decref(step->result);
	*step = (ps_step){0};
}
