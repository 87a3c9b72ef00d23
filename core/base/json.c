#include "core/base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/utf8.h"

json_t *ps_json_copy(const json_t *value)
{
	json_t *copy = json_deep_copy(value);

	if (!copy || json_equal(copy, value))
		return copy;
	json_decref(copy);
	return NULL;
}

json_t *ps_json_share(const json_t *object)
{
	json_t *other = json_copy((json_t *)object);

	if (!other || json_object_size(other) == json_object_size(object))
		return other;
	json_decref(other);
	return NULL;
}

json_t *ps_number_json(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

double ps_json_number(const json_t *value)
{
	return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

json_t *ps_text_json(const char *text)
{
	static const char replacement[] = "\xEF\xBF\xBD";
	const size_t length = strlen(text);
	size_t used = 0;
	json_t *value;
	char *valid;

	if (ps_utf8_invalid(text, length) == length)
		return json_stringn(text, length);
	valid = malloc(length * strlen(replacement) + 1);
	if (!valid)
		return NULL;
	for (size_t at = 0; at < length;) {
		const size_t step = ps_utf8_valid(text + at, length - at);

		memcpy(valid + used, step ? text + at : replacement,
		       step ? step : strlen(replacement));
		used += step ? step : strlen(replacement);
		at += step ? step : 1;
	}
	value = json_stringn(valid, used);
	free(valid);
	return value;
}

const char *ps_json_show(const json_t *value, char *out, size_t size)
{
	static const char dots[] = "...";
	size_t length, end;

	/* Pieces that do not fit are left out, also between pieces that do. */
	memset(out, 0, size);
	length = json_dumpb(value, out, size - 1,
			    JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
	end = ps_min_size(strlen(out), size - sizeof dots);
	if (length >= size)
		memcpy(out + end, dots, sizeof dots);
	return out;
}
