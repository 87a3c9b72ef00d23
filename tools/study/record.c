#include "tools/study/record.h"

#include <stdio.h>
#include <string.h>

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

ps_record_state ps_record_read(ps_record *r, const char *path)
{
	ps_diag ignored = {{0}};
	const char *key, *seal;
	int rc;

	*r = (ps_record){0};
	if (!ps_file_is_there(path))
		return PS_RECORD_NONE;
	rc = ps_file_read_json(&ps_sys_linux, path, RECORD_BYTES_MAX, &r->whole, &ignored);
	if (rc)
		return rc == PS_EBUDGET ? PS_RECORD_NO_MEMORY : PS_RECORD_DAMAGED;
	if (is_earlier(r->whole)) {
		r->kernel = "unknown";
		r->inputs = json_object_get(r->whole, "inputs");
		return PS_RECORD_WHOLE;
	}
	seal = word(r->whole, PS_SEAL);
	if (seal)
		snprintf(r->checksum, sizeof r->checksum, "%s", seal);
	rc = ps_json_unseal(r->whole, path, &ignored);
	if (rc)
		return rc == PS_EBUDGET ? PS_RECORD_NO_MEMORY : PS_RECORD_DAMAGED;
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
		return PS_RECORD_DAMAGED;
	memcpy(r->key, key, sizeof r->key);
	return PS_RECORD_WHOLE;
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
