/* io/checksums.h: the checksums inside our safetensors files.
 *
 * __metadata__.prunescope holds xxh3: {block_bytes, blocks: [...], header}. Block i covers bytes
 * [i * block_bytes, (i + 1) * block_bytes) of the data. header covers all bytes before the data, with its own 16
 * digits taken as '0'; in the file those digits stand behind the last \"header\":\" (the quotes escaped, for
 * they are inside a JSON string) that is followed by them. */
#ifndef PS_IO_CHECKSUMS_H
#define PS_IO_CHECKSUMS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/digest.h"

#define PS_DIGITS (PS_DIGEST_TEXT - 1)

/* Where the header's own digits stand in the raw bytes, or NULL. */
const char *ps_checksum_place(const char *raw, size_t bytes, const char digits[PS_DIGEST_TEXT]);

/* 16 lower-case hex digits, nothing else. */
int ps_checksum_parse(const char *digits, uint64_t *value);

#endif
