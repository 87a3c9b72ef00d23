/* io/checksums.h: the checksums inside our safetensors files.
 *
 * __metadata__.prunescope holds xxh3: {block_bytes, blocks: [...], header}.
 * - Block i covers bytes [i * block_bytes, (i + 1) * block_bytes) of the data.
 * - `header` covers all bytes before the data, with its own 16 digits taken as '0'. In the file
 *   these digits follow the last \"header\":\" that has them behind it. The quotes are escaped
 *   there, because they are inside a JSON string. */
#ifndef PS_IO_CHECKSUMS_H
#define PS_IO_CHECKSUMS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/digest.h"

#define PS_DIGITS (PS_DIGEST_TEXT - 1)

/* Finds the header's own digits in the raw bytes. NULL: they are not there. */
const char *ps_checksum_place(const char *raw, size_t bytes, const char digits[PS_DIGEST_TEXT]);

/* Parses 16 lower-case hex digits and nothing else. -1: text is NULL or anything else. */
int ps_checksum_parse(const char *digits, uint64_t *value);

#endif
