/* core/base/digest.h: XXH3 (64 bits), the checksum and identity of everything this program writes.
 * Written as 16 lower-case hex digits, most significant first. */
#ifndef PS_CORE_BASE_DIGEST_H
#define PS_CORE_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define PS_DIGEST_TEXT 17 /* 16 digits and NUL */

typedef struct ps_digest ps_digest; /* a running digest */

uint64_t ps_digest_of(const void *data, size_t bytes);

ps_digest *ps_digest_create(void); /* NULL: no memory */
void ps_digest_add(ps_digest *digest, const void *data, size_t bytes);
uint64_t ps_digest_value(const ps_digest *digest);
void ps_digest_destroy(ps_digest *digest);

char *ps_digest_format(uint64_t value, char out[PS_DIGEST_TEXT]); /* returns out */

#endif
