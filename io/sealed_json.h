/* io/sealed_json.h: JSON objects that carry a checksum of themselves: manifests, records of a
 * study, results.json.
 *
 * The key `checksum` holds the XXH3 of the canonical text of all other keys: sorted, compact, reals
 * with 17 digits. Reading removes the key, writing adds it.
 *
 * A sealed file holds exactly the words that writing gives, with any white space between them. So
 * people may lay it out anew, and any flipped bit is found, also one that leaves the same value
 * (1e-5 and 1E-5): none makes other white space. */
#ifndef PS_IO_SEALED_JSON_H
#define PS_IO_SEALED_JSON_H

#include <stddef.h>

#include "core/base/digest.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "io/sys.h"

#define PS_SEAL "checksum"

/* XXH3 of a value's canonical text. PS_EBUDGET: no memory. */
int ps_json_digest(const json_t *value, char out[PS_DIGEST_TEXT], ps_diag *diag) PS_MUST_USE;

/* Removes the seal from an object that was parsed from text, which path holds. PS_EINPUT: it has no
 * seal, or the seal is not that of the rest, or the words are not those that writing gives. */
int ps_json_unseal(json_t *object, const char *text, const char *path, ps_diag *diag) PS_MUST_USE;

/* Replaces the file atomically by the object with its seal. */
int ps_sealed_write(const ps_sys *sys, const char *path, const json_t *object,
		    ps_diag *diag) PS_MUST_USE;
/* Reads an object and removes its seal. *object is a new reference. PS_EINPUT: the file cannot be
 * read, is no JSON object, has no seal or a wrong one, or has other words. */
int ps_sealed_read(const ps_sys *sys, const char *path, size_t limit, json_t **object,
		   ps_diag *diag) PS_MUST_USE;

#endif
