/* core/base/digest.h: XXH3 (64 bits), the checksum and the identity of everything that this program
 * writes.
 *
 * As text a digest is 16 lower-case hex digits, the most significant first. */
#ifndef PS_CORE_BASE_DIGEST_H
#define PS_CORE_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define PS_DIGEST_TEXT 17 /* 16 digits and NUL */

typedef struct ps_digest ps_digest; /* a digest of bytes that come in pieces */

/* The digest of bytes that lie together. */
uint64_t ps_digest_of(const void *data, size_t bytes);

/* A digest of no bytes; NULL if there is no memory. The caller destroys it. */
ps_digest *ps_digest_create(void);

/* Makes it a digest of no bytes again. */
void ps_digest_clear(ps_digest *digest);

/* Appends bytes. */
void ps_digest_add(ps_digest *digest, const void *data, size_t bytes);

/* The digest of all bytes so far, equal to ps_digest_of; more may follow. */
uint64_t ps_digest_value(const ps_digest *digest);

/* Frees it; NULL is allowed. */
void ps_digest_destroy(ps_digest *digest);

/* Writes the text of a digest into out and returns out. */
char *ps_digest_format(uint64_t value, char out[PS_DIGEST_TEXT]);

#endif
