/* analysis/report/results_schema.h: the schema of results.json, and how C code names its keys.
 *
 * The table in results_schema.def lists every object and every key of results.json. The writer
 * (tools/study/results.c), the report and docs/RESULTS.md all take names from this table. C code
 * never spells a key as a string. It says PS_KEY_object_name, which does not compile for a key that
 * the table does not have.
 *
 * A path leads from an object to a value below it: PS_AT(CONDITION_FRAGILITY, FRAGILITY_ALIVE) is
 * "fragility.alive" of a condition. PS_AT_ITEM(2, CONDITION_SURVIVAL) is "survival[2]". */
#ifndef PS_ANALYSIS_REPORT_RESULTS_SCHEMA_H
#define PS_ANALYSIS_REPORT_RESULTS_SCHEMA_H

#include "core/base/error.h"
#include "core/base/json.h"

/* The value of "version". A change that makes old readers misread the file raises it. */
enum { PS_RESULTS_VERSION = 1 };
/* A larger file is refused. */
#define PS_RESULTS_BYTES_MAX ((size_t)256 << 20)

typedef enum ps_results_object {
	PS_OBJECT_NONE,
#define OBJECT(name, place, meaning) PS_OBJECT_##name,
#define KEY(object, name, key, type, of, unit, n, null, meaning)
#include "analysis/report/results_schema.def"
#undef OBJECT
#undef KEY
	PS_OBJECTS
} ps_results_object;

typedef enum ps_results_key {
	PS_KEY_NONE,
#define OBJECT(name, place, meaning)
#define KEY(object, name, key, type, of, unit, n, null, meaning) PS_KEY_##object##_##name,
#include "analysis/report/results_schema.def"
#undef OBJECT
#undef KEY
	PS_KEYS
} ps_results_key;

typedef enum ps_results_type {
	PS_VALUE_TEXT,
	PS_VALUE_NUMBER,
	PS_VALUE_INTEGER,
	PS_VALUE_BOOL,
	PS_VALUE_TEXTS,    /* list of texts */
	PS_VALUE_NUMBERS,  /* list of numbers, items may be null where the key's `null` says so */
	PS_VALUE_INTEGERS, /* list of integers */
	PS_VALUE_OBJECT,
	PS_VALUE_LIST, /* list of objects */
} ps_results_type;

/* One row of the table; results_schema.def says what each column means. */
typedef struct ps_results_field {
	ps_results_object object;
	const char *name;
	ps_results_type type;
	ps_results_object of;
	const char *unit, *n, *null, *meaning;
} ps_results_field;

/* The row of a key other than PS_KEY_NONE. */
const ps_results_field *ps_results_field_of(ps_results_key key);

/* Where an object stands in the file, and what it is, both in words for docs/RESULTS.md. */
const char *ps_results_place(ps_results_object object);
const char *ps_results_meaning(ps_results_object object);

/* Compares a results.json with the table. Every key must be there, of its type, and null only where
 * the table says when; there must be no other keys. PS_EFAILED names the first place that
 * differs. */
int ps_results_check(const json_t *root, ps_diag *diag) PS_MUST_USE;

enum { PS_PATH_MAX = 3 };

/* Keys from an object downwards; each is a key of the object that the key before it holds. */
typedef struct ps_results_path {
	ps_results_key key[PS_PATH_MAX]; /* a shorter path ends with PS_KEY_NONE */
	unsigned item; /* place, counted from 1, in the one list on the path; 0: the list itself */
} ps_results_path;

#define PS_PATH_1(a)                                                                               \
	{                                                                                          \
		PS_KEY_##a                                                                         \
	}
#define PS_PATH_2(a, b)                                                                            \
	{                                                                                          \
		PS_KEY_##a, PS_KEY_##b                                                             \
	}
#define PS_PATH_3(a, b, c)                                                                         \
	{                                                                                          \
		PS_KEY_##a, PS_KEY_##b, PS_KEY_##c                                                 \
	}
#define PS_PATH_OF(a, b, c, macro, ...) macro

/* PS_AT(OBJECT_NAME, ...): a path of one to three keys. PS_AT_ITEM(index, OBJECT_NAME, ...): the
 * same, with an item of the one list on it, counted from 0. */
#define PS_AT_ITEM(index, ...)                                                                     \
	((ps_results_path){                                                                        \
		.key = PS_PATH_OF(__VA_ARGS__, PS_PATH_3, PS_PATH_2, PS_PATH_1, )(__VA_ARGS__),    \
		.item = (unsigned)(index) + 1})
#define PS_AT(...) PS_AT_ITEM(-1, __VA_ARGS__)

#endif
