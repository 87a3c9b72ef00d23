/* core/base/json.h: jansson, with results that have to be looked at.
 *
 * jansson tells a failure by its result alone, and hands it on: json_pack and the functions below
 * take a NULL as their own failure. So one look at the whole is enough, but there must be one. This
 * header declares the functions again, so that the compiler warns where nobody looks. Nobody else
 * includes <jansson.h> (test/lint/json.sh).
 *
 * NULL always means that memory ran out. Two things would make it mean something else:
 * - JSON has no NaN and no infinity, and json_real gives NULL for them. Reals are made with
 *   ps_number_json, never with json_real or json_pack's "f".
 * - JSON is UTF-8, and json_string gives NULL for other bytes. Texts from outside, such as paths,
 *   are made with ps_text_json. */
#ifndef PS_CORE_BASE_JSON_H
#define PS_CORE_BASE_JSON_H

#include "core/base/error.h"

/* These three are defined by jansson's header: a declaration counts only before it. */
struct json_t;
static inline int json_object_set(struct json_t *object, const char *key,
				  struct json_t *value) PS_MUST_USE;
static inline int json_object_update_new(struct json_t *object, struct json_t *other) PS_MUST_USE;
static inline int json_array_append(struct json_t *array, struct json_t *value) PS_MUST_USE;

#include <jansson.h>

int json_object_set_new(json_t *object, const char *key, json_t *value) PS_MUST_USE;
int json_object_set_new_nocheck(json_t *object, const char *key, json_t *value) PS_MUST_USE;
int json_object_update(json_t *object, json_t *other) PS_MUST_USE;
int json_array_append_new(json_t *array, json_t *value) PS_MUST_USE;

/* A copy of its own. NULL when memory ran out: also where jansson would then give a copy that lacks
 * keys. */
json_t *ps_json_copy(const json_t *value) PS_MUST_USE;
/* A new object with the same keys and the same values, which both share from then on. It costs far
 * less than a copy where there are many values. NULL: no memory. */
json_t *ps_json_share(const json_t *object) PS_MUST_USE;

/* A number; null if it is not finite: by rule, null is a measure that is not defined. A new
 * reference; NULL when memory ran out. */
json_t *ps_number_json(double value) PS_MUST_USE;

/* The inverse: the value of a number; NaN for null, for NULL and for anything else. */
double ps_json_number(const json_t *value);

/* A text; each byte of it that is no UTF-8 becomes U+FFFD. A new reference; NULL when memory ran
 * out. */
json_t *ps_text_json(const char *text) PS_MUST_USE;

/* Writes the value as compact ASCII text into out (size bytes), for a message. What does not fit
 * becomes "...". NULL: "". Returns out. */
const char *ps_json_show(const json_t *value, char *out, size_t size);

#endif
