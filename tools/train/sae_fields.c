#include "tools/train/sae_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/json_text.h"
#include "io/file.h"

#define CONFIG_BYTES_MAX ((size_t)1 << 20)

int ps_sae_fields_read(const char *path, json_t **object, uint64_t *digest, ps_diag *diag)
{
	char *text;
	size_t length;
	int rc = ps_file_read(&ps_sys_linux, path, CONFIG_BYTES_MAX, &text, &length, diag);

	if (rc)
		return rc;
	*digest = ps_digest_of(text, length);
	rc = ps_json_parse(text, length, path, object, diag);
	free(text);
	if (rc || json_is_object(*object))
		return rc;
	json_decref(*object);
	*object = NULL;
	return ps_fail(diag, PS_EINPUT, "%s: not a JSON object", path);
}

int ps_sae_field_refuse(const ps_sae_fields *f, const char *key, const json_t *value,
			const char *right)
{
	char *text = ps_json_text(value, JSON_ENCODE_ANY | JSON_COMPACT);
	int rc = ps_fail(f->diag, PS_EINPUT, "%s: %s is %.80s: %s", f->path, key,
			 text ? text : "unreadable", right);

	free(text);
	return rc;
}

int ps_sae_field_flag(const ps_sae_fields *f, const char *key, bool otherwise, bool *out)
{
	const json_t *value = json_object_get(f->object, key);

	*out = otherwise;
	if (!value)
		return 0;
	*out = json_typeof(value) == JSON_TRUE;
	if (!*out && json_typeof(value) != JSON_FALSE)
		return ps_sae_field_refuse(f, key, value, "it must be true or false");
	return 0;
}

int ps_sae_field_must_not(const ps_sae_fields *f, const char *key, const char *reason)
{
	bool set;
	int rc = ps_sae_field_flag(f, key, false, &set);

	if (!rc && set)
		rc = ps_sae_field_refuse(f, key, json_object_get(f->object, key), reason);
	return rc;
}

int ps_sae_value_count(const ps_sae_fields *f, const char *key, const json_t *value, size_t *out)
{
	if (!value)
		return ps_fail(f->diag, PS_EINPUT, "%s: %s is missing", f->path, key);
	if (json_typeof(value) != JSON_INTEGER || json_integer_value(value) < 1 ||
	    json_integer_value(value) > INT32_MAX)
		return ps_sae_field_refuse(f, key, value,
					   "it must be a whole number above 0, without a point");
	*out = (size_t)json_integer_value(value);
	return 0;
}

int ps_sae_field_count(const ps_sae_fields *f, const char *key, size_t *out)
{
	return ps_sae_value_count(f, key, json_object_get(f->object, key), out);
}

int ps_sae_field_number(const ps_sae_fields *f, const char *key, double otherwise, double *out)
{
	const json_t *value = json_object_get(f->object, key);

	*out = otherwise;
	if (!value || json_typeof(value) == JSON_NULL)
		return 0;
	*out = json_number_value(value); /* always finite */
	if (json_typeof(value) != JSON_REAL && json_typeof(value) != JSON_INTEGER)
		return ps_sae_field_refuse(f, key, value, "it must be a finite number");
	return 0;
}

int ps_sae_value_text(const ps_sae_fields *f, const char *key, const json_t *value, char *out,
		      size_t size)
{
	if (!value || json_typeof(value) == JSON_NULL)
		return 0;
	if (json_typeof(value) != JSON_STRING || json_string_length(value) >= size)
		return ps_sae_field_refuse(f, key, value, "it must be a text, and not so long");
	memcpy(out, json_string_value(value), json_string_length(value) + 1);
	return 0;
}

int ps_sae_field_text(const ps_sae_fields *f, const char *key, char *out, size_t size)
{
	return ps_sae_value_text(f, key, json_object_get(f->object, key), out, size);
}

int ps_sae_field_unknown(const ps_sae_fields *f, const char *key, const json_t *value,
			 const char *writer)
{
	char right[256];

	snprintf(right, sizeof right,
		 "no version of %s that is known here writes this key; remove it if the SAE "
		 "computes the same without it",
		 writer);
	return ps_sae_field_refuse(f, key, value, right);
}

int ps_sae_fields_known(const ps_sae_fields *f, const char *const *keys, const char *writer)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)f->object, key, value) {
		const char *const *known = keys;

		while (*known && strcmp(key, *known) != 0)
			known++;
		if (!*known)
			return ps_sae_field_unknown(f, key, value, writer);
	}
	return 0;
}
