#include "analysis/report/results_schema.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const ps_results_field fields[PS_KEYS] = {
#define OBJECT(name, place, meaning)
#define KEY(object_, name_, key_, type_, of_, unit_, n_, null_, meaning_)                          \
	[PS_KEY_##object_##_##name_] = {PS_OBJECT_##object_,                                       \
					key_,                                                      \
					PS_VALUE_##type_,                                          \
					PS_OBJECT_##of_,                                           \
					unit_,                                                     \
					n_,                                                        \
					null_,                                                     \
					meaning_},
#include "analysis/report/results_schema.def"
#undef OBJECT
#undef KEY
};

static const char *const objects[PS_OBJECTS][2] = {
#define OBJECT(name, place, meaning) [PS_OBJECT_##name] = {place, meaning},
#define KEY(object, name, key, type, of, unit, n, null, meaning)
#include "analysis/report/results_schema.def"
#undef OBJECT
#undef KEY
};

const ps_results_field *ps_results_field_of(ps_results_key key)
{
	return &fields[key];
}

const char *ps_results_place(ps_results_object object)
{
	return objects[object][0];
}

const char *ps_results_meaning(ps_results_object object)
{
	return objects[object][1];
}

/* --- the check --- */

/* The value under way, as a path from the file's root, and where a difference is reported. */
struct check {
	char path[256];
	ps_diag *diag;
};

static int differs(const struct check *check, const char *what)
{
	return ps_fail(check->diag, PS_EFAILED, "results.json%s %s", check->path, what);
}

static bool has_type(const json_t *value, ps_results_type type)
{
	const json_type found = json_typeof(value);

	switch (type) {
	case PS_VALUE_TEXT:
	case PS_VALUE_TEXTS:
		return found == JSON_STRING;
	case PS_VALUE_INTEGER:
	case PS_VALUE_INTEGERS:
		return found == JSON_INTEGER;
	case PS_VALUE_NUMBER:
	case PS_VALUE_NUMBERS:
		return found == JSON_INTEGER || found == JSON_REAL;
	case PS_VALUE_BOOL:
		return found == JSON_TRUE || found == JSON_FALSE;
	default:
		return found == JSON_OBJECT;
	}
}

static bool is_list(ps_results_type type)
{
	return type == PS_VALUE_TEXTS || type == PS_VALUE_NUMBERS || type == PS_VALUE_INTEGERS ||
	       type == PS_VALUE_LIST;
}

static int check_object(struct check *check, const json_t *object, ps_results_object kind);

static int check_one(struct check *check, const json_t *value, const ps_results_field *field)
{
	if (json_is_null(value) && *field->null)
		return 0;
	if (!has_type(value, field->type))
		return differs(check, "is not of the type that its schema gives");
	return field->of ? check_object(check, value, field->of) : 0;
}

static int check_value(struct check *check, const json_t *value, const ps_results_field *field)
{
	const size_t length = strlen(check->path);
	int rc = 0;

	if (!is_list(field->type))
		return check_one(check, value, field);
	if (!json_is_array(value))
		return differs(check, "is not a list");
	for (size_t i = 0; i < json_array_size(value) && !rc; i++) {
		snprintf(check->path + length, sizeof check->path - length, "[%zu]", i);
		rc = check_one(check, json_array_get(value, i), field);
	}
	check->path[length] = 0;
	return rc;
}

static int check_object(struct check *check, const json_t *object, ps_results_object kind)
{
	const size_t length = strlen(check->path);
	size_t known = 0;
	int rc = 0;

	for (ps_results_key key = PS_KEY_NONE + 1; key < PS_KEYS && !rc; key++) {
		const json_t *value = json_object_get(object, fields[key].name);

		if (fields[key].object != kind)
			continue;
		snprintf(check->path + length, sizeof check->path - length, ".%s",
			 fields[key].name);
		rc = value ? check_value(check, value, &fields[key]) : differs(check, "is missing");
		known++;
	}
	check->path[length] = 0;
	if (!rc && json_object_size(object) != known)
		rc = differs(check, "has a key that its schema does not list");
	return rc;
}

int ps_results_check(const json_t *root, ps_diag *diag)
{
	struct check check = {.diag = diag};

	if (!json_is_object(root))
		return differs(&check, "is not an object");
	return check_object(&check, root, PS_OBJECT_ROOT);
}
