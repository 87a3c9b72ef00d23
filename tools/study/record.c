#include "tools/study/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_text.h"
#include "io/file.h"

#define RECORD_BYTES_MAX ((size_t)256 << 20)

static const char *word(const json_t *whole, const char *name)
{
	return json_string_value(json_object_get(whole, name));
}

/* Records of versions before 3 had neither checksum nor kernel. Their keys fit no step now. */
static bool is_earlier(const json_t *whole)
{
	return !json_object_get(whole, "checksum") && !json_object_get(whole, "kernel") &&
	       word(whole, "key") && json_is_object(json_object_get(whole, "inputs"));
}

/* Fills in the members from whole, which was parsed from text. PS_EINPUT: one is missing or
 * wrong. */
static int take_members(ps_record *r, const char *text, const char *path, ps_diag *diag)
{
	const char *key, *seal;
	int rc;

	if (is_earlier(r->whole)) {
		r->kernel = "unknown";
		r->inputs = json_object_get(r->whole, "inputs");
		return 0;
	}
	seal = word(r->whole, PS_SEAL);
	if (seal)
		snprintf(r->checksum, sizeof r->checksum, "%s", seal);
	rc = ps_json_unseal(r->whole, text, path, diag);
	if (rc)
		return rc;
	r->id = word(r->whole, "id");
	r->command = word(r->whole, "command");
	r->kernel = word(r->whole, "kernel");
	r->inputs = json_object_get(r->whole, "inputs");
	r->result = json_object_get(r->whole, "result");
	r->cache_kernels = json_object_get(r->whole, "cache_kernels");
	r->outputs = json_object_get(r->whole, "outputs");
	r->records = json_object_get(r->whole, "records");
	key = word(r->whole, "key");
	if (!r->id || !r->command || !r->kernel || !r->inputs || !r->result || !key ||
	    strlen(key) + 1 != sizeof r->key)
		return ps_fail(diag, PS_EINPUT, "%s: it lacks a member", path);
	memcpy(r->key, key, sizeof r->key);
	return 0;
}

int ps_record_read(ps_record *r, const char *path, ps_record_state *state, ps_diag *diag)
{
	ps_diag fault = {{0}};
	char *text;
	size_t length;
	int rc;

	*r = (ps_record){0};
	*state = PS_RECORD_NONE;
	if (!ps_file_is_there(path))
		return 0;
	rc = ps_file_read(&ps_sys_linux, path, RECORD_BYTES_MAX, &text, &length, &fault);
	/* Another process may have removed it meanwhile. */
	if (rc && !ps_file_is_there(path))
		return 0;
	if (rc)
		return ps_fail(diag, rc, "%s", fault.text);
	rc = ps_json_parse(text, length, path, &r->whole, &fault);
	if (!rc)
		rc = take_members(r, text, path, &fault);
	free(text);
	if (rc == PS_EBUDGET)
		return ps_fail(diag, rc, "%s: no memory to read it", path);
	*state = rc ? PS_RECORD_DAMAGED : PS_RECORD_WHOLE;
	return 0;
}

int ps_record_write(const ps_record *r, const char *path, ps_diag *diag)
{
	json_t *whole = json_pack("{s:s, s:s, s:s, s:s, s:O, s:O, s:O, s:O, s:O}", "id", r->id,
				  "command", r->command, "kernel", r->kernel, "key", r->key,
				  "inputs", r->inputs, "result", r->result, "cache_kernels",
				  r->cache_kernels, "outputs", r->outputs, "records", r->records);
	int rc = whole ? ps_sealed_write(&ps_sys_linux, path, whole, diag)
		       : ps_fail(diag, PS_EBUDGET, "%s: no memory for the record", path);

	json_decref(whole);
	return rc;
}

void ps_record_close(ps_record *r)
{
	json_decref(r->whole);
	*r = (ps_record){0};
}
