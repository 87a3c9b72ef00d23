/* tools/train/sae_fields.h: typed values of an SAE's configuration, a JSON object in a file.
 *
 * A value of another type than its format writes is refused with file, key, value, and what is
 * right. A key that a reader neither uses nor passes over is refused as well, so that a key of a
 * later version cannot change an SAE unnoticed. */
#ifndef PS_TOOLS_TRAIN_SAE_FIELDS_H
#define PS_TOOLS_TRAIN_SAE_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"

typedef struct ps_sae_fields {
	const json_t *object;
	const char *path; /* borrowed, as the others are */
	ps_diag *diag;
} ps_sae_fields;

/* Reads a JSON object from a file, with the digest of its bytes. *object is a new reference.
 * PS_EINPUT, PS_EBUDGET. */
int ps_sae_fields_read(const char *path, json_t **object, uint64_t *digest,
		       ps_diag *diag) PS_MUST_USE;

/* PS_EINPUT: "FILE: KEY is VALUE: RIGHT". */
int ps_sae_field_refuse(const ps_sae_fields *fields, const char *key, const json_t *value,
			const char *right) PS_MUST_USE;
/* true or false; otherwise where the key is not there. */
int ps_sae_field_flag(const ps_sae_fields *fields, const char *key, bool otherwise,
		      bool *out) PS_MUST_USE;
/* PS_EINPUT, with the reason, if the key is there and true. */
int ps_sae_field_must_not(const ps_sae_fields *fields, const char *key,
			  const char *reason) PS_MUST_USE;
/* The value of a key, which must be there: a whole number from 1 to INT32_MAX. */
int ps_sae_field_count(const ps_sae_fields *fields, const char *key, size_t *out) PS_MUST_USE;
/* The same for a value that was found already. NULL: it is missing. */
int ps_sae_value_count(const ps_sae_fields *fields, const char *key, const json_t *value,
		       size_t *out) PS_MUST_USE;
/* A finite number; otherwise where the key is not there or null. */
int ps_sae_field_number(const ps_sae_fields *fields, const char *key, double otherwise,
			double *out) PS_MUST_USE;
/* A text that is shorter than size. out stays as it is where the key is not there or null. */
int ps_sae_field_text(const ps_sae_fields *fields, const char *key, char *out,
		      size_t size) PS_MUST_USE;
/* The same for a value that was found already. */
int ps_sae_value_text(const ps_sae_fields *fields, const char *key, const json_t *value, char *out,
		      size_t size) PS_MUST_USE;
/* PS_EINPUT for a key that `writer`, the tool that writes such files, is not known to write. */
int ps_sae_field_unknown(const ps_sae_fields *fields, const char *key, const json_t *value,
			 const char *writer) PS_MUST_USE;
/* The same for any key that is none of these (a list that ends with NULL). */
int ps_sae_fields_known(const ps_sae_fields *fields, const char *const *keys,
			const char *writer) PS_MUST_USE;

#endif
