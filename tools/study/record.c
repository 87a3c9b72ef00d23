#include "tools/study/record.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"

#define RECORD_BYTES_MAX ((size_t)256 << 20)

int ps_json_digest(const json_t *value, char out[PS_DIGEST_TEXT], ps_diag *diag)
{
	char *text = ps_json_text(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY |
						 JSON_REAL_PRECISION(17));

	if (!text)
		return ps_fail(diag, PS_EBUDGET, "no memory for a step's key");
	ps_digest_format(ps_digest_of(text, strlen(text)), out);
	free(text);
	return 0;
}

static const char *word(const json_t *whole, const char *name)
{
	return json_string_value(json_object_get(whole, name));
}

/* Removes the checksum from the record. True: it was that of the rest. */
static bool take_checksum(json_t *whole)
{
	char digest[PS_DIGEST_TEXT], stated[PS_DIGEST_TEXT];
	const char *checksum = word(whole, "checksum");
	ps_diag ignored = {{0}};

	if (!checksum || strlen(checksum) + 1 != sizeof stated)
		return false;
	memcpy(stated, checksum, sizeof stated);
	json_object_del(whole, "checksum");
	return !ps_json_digest(whole, digest, &ignored) && !strcmp(digest, stated);
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
	const char *key;

	*r = (ps_record){0};
	if (access(path, F_OK))
		return PS_RECORD_NONE;
	if (ps_file_read_json(&ps_sys_linux, path, RECORD_BYTES_MAX, &r->whole, &ignored))
		return PS_RECORD_DAMAGED;
	if (is_earlier(r->whole)) {
		r->kernel = "unknown";
		r->inputs = json_object_get(r->whole, "inputs");
		return PS_RECORD_WHOLE;
	}
	if (!take_checksum(r->whole))
		return PS_RECORD_DAMAGED;
	r->id = word(r->whole, "id");
	r->command = word(r->whole, "command");
	r->kernel = word(r->whole, "kernel");
	r->inputs = json_object_get(r->whole, "inputs");
	r->result = json_object_get(r->whole, "result");
	key = word(r->whole, "key");
	if (!r->id || !r->command || !r->kernel || !r->inputs || !r->result || !key ||
	    strlen(key) + 1 != sizeof r->key)
		return PS_RECORD_DAMAGED;
	memcpy(r->key, key, sizeof r->key);
	return PS_RECORD_WHOLE;
}

int ps_record_write(const ps_record *r, const char *path, ps_diag *diag)
{
	char digest[PS_DIGEST_TEXT];
	json_t *whole = json_pack("{s:s, s:s, s:s, s:s, s:O, s:O}", "id", r->id, "command",
				  r->command, "kernel", r->kernel, "key", r->key, "inputs",
				  r->inputs, "result", r->result);
	int rc = whole ? ps_json_digest(whole, digest, diag)
		       : ps_fail(diag, PS_EBUDGET, "%s: no memory for the record", path);

	if (!rc && json_object_set_new(whole, "checksum", json_string(digest)))
		rc = ps_fail(diag, PS_EBUDGET, "%s: no memory for the record", path);
	if (!rc)
		rc = ps_file_replace_json(&ps_sys_linux, path, whole, diag);
	json_decref(whole);
	return rc;
}

void ps_record_close(ps_record *r)
{
	json_decref(r->whole);
	*r = (ps_record){0};
}
