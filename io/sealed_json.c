#include "io/sealed_json.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json_text.h"
#include "io/file.h"

#define WHITE " \t\r\n"

int ps_json_digest(const json_t *value, char out[PS_DIGEST_TEXT], ps_diag *diag)
{
	char *text = ps_json_text(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY |
						 JSON_REAL_PRECISION(17));

	if (!text)
		return ps_fail(diag, PS_EBUDGET, "no memory for the checksum of a JSON value");
	ps_digest_format(ps_digest_of(text, strlen(text)), out);
	free(text);
	return 0;
}

/* Whether two texts of JSON differ in white space between their words alone. */
static bool has_same_words(const char *a, const char *b)
{
	bool in_string = false;

	for (;; a++, b++) {
		if (!in_string) {
			a += strspn(a, WHITE);
			b += strspn(b, WHITE);
		}
		if (*a != *b || !*a)
			return *a == *b;
		if (*a == '"')
			in_string = !in_string;
		else if (*a == '\\' && *++a != *++b)
			return false;
	}
}

/* *same: the words are those of the value as ps_file_replace_json writes it. */
static int compare_words(const json_t *value, const char *text, const char *path, bool *same,
			 ps_diag *diag)
{
	char *right = ps_json_text(value, PS_JSON_FILE);

	if (!right)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its text", path);
	*same = has_same_words(text, right);
	free(right);
	return 0;
}

int ps_json_unseal(json_t *object, const char *text, const char *path, ps_diag *diag)
{
	char right[PS_DIGEST_TEXT], stated[PS_DIGEST_TEXT];
	const char *seal = json_string_value(json_object_get(object, PS_SEAL));
	bool same = false;
	int rc;

	if (!seal)
		return ps_fail(diag, PS_EINPUT,
			       "%s: has no checksum: it is damaged, or an earlier version made it",
			       path);
	if (strlen(seal) + 1 != sizeof stated)
		return ps_fail(diag, PS_EINPUT, "%s: its checksum is damaged", path);
	memcpy(stated, seal, sizeof stated);
	rc = compare_words(object, text, path, &same, diag);
	if (rc)
		return rc;
	json_object_del(object, PS_SEAL);
	rc = ps_json_digest(object, right, diag);
	if (!rc && strcmp(right, stated))
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: is damaged: the checksum of what it holds is %s, it says %s",
			     path, right, stated);
	else if (!rc && !same)
		rc = ps_fail(diag, PS_EINPUT, "%s: is damaged, or another program wrote it anew",
			     path);
	return rc;
}

int ps_sealed_write(const ps_sys *sys, const char *path, const json_t *object, ps_diag *diag)
{
	char seal[PS_DIGEST_TEXT];
	json_t *sealed = ps_json_copy(object);
	int rc = ps_json_digest(object, seal, diag);

	/* A copy for which memory ran out lacks keys. */
	if (!rc && (json_object_set_new(sealed, PS_SEAL, json_string(seal)) ||
		    json_object_size(sealed) != json_object_size(object) + 1))
		rc = ps_fail(diag, PS_EBUDGET, "%s: no memory for its checksum", path);
	if (!rc)
		rc = ps_file_replace_json(sys, path, sealed, diag);
	json_decref(sealed);
	return rc;
}

int ps_sealed_read(const ps_sys *sys, const char *path, size_t limit, json_t **object,
		   ps_diag *diag)
{
	json_t *value = NULL;
	char *text = NULL;
	size_t length;
	int rc = ps_file_read(sys, path, limit, &text, &length, diag);

	*object = NULL;
	if (!rc)
		rc = ps_json_parse(text, length, path, &value, diag);
	if (!rc && !json_is_object(value))
		rc = ps_fail(diag, PS_EINPUT, "%s: is not a JSON object", path);
	if (!rc)
		rc = ps_json_unseal(value, text, path, diag);
	free(text);
	if (rc)
		json_decref(value);
	else
		*object = value;
	return rc;
}
