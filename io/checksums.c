#include "io/checksums.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/safetensors.h"

#define BLOCK_BYTES_MAX ((uint64_t)1 << 30)

/* The recorded checksums, as far as they can be read. */
struct recorded {
	uint64_t block_bytes;
	const json_t *blocks;
	const char *header;
};

const char *ps_checksum_place(const char *raw, size_t bytes, const char digits[PS_DIGEST_TEXT])
{
	static const char key[] = "\\\"header\\\":\\\"";
	size_t length = sizeof key - 1, whole = length + PS_DIGITS;

	for (size_t at = bytes < whole ? 0 : bytes - whole + 1; at-- > 0;)
		if (!memcmp(raw + at, key, length) && !memcmp(raw + at + length, digits, PS_DIGITS))
			return raw + at + length;
	return NULL;
}

int ps_checksum_parse(const char *digits, uint64_t *value)
{
	uint64_t sum = 0;

	if (!digits || strlen(digits) != PS_DIGITS)
		return -1;
	for (int i = 0; i < PS_DIGITS; i++) {
		const char *hex = "0123456789abcdef", *digit = strchr(hex, digits[i]);

		if (!digit)
			return -1;
		sum = sum << 4 | (uint64_t)(digit - hex);
	}
	*value = sum;
	return 0;
}

static bool read_recorded(const ps_safetensors *file, struct recorded *recorded)
{
	const json_t *sums = json_object_get(file->metadata, "xxh3"),
		     *size = json_object_get(sums, "block_bytes");
	uint64_t data_bytes = file->file_bytes - file->data_offset;

	recorded->blocks = json_object_get(sums, "blocks");
	recorded->header = json_string_value(json_object_get(sums, "header"));
	recorded->block_bytes = json_is_integer(size) ? (uint64_t)json_integer_value(size) : 0;
	if (!recorded->block_bytes || recorded->block_bytes > BLOCK_BYTES_MAX)
		return false;
	return json_array_size(recorded->blocks) ==
	       ps_div_up((size_t)data_bytes, (size_t)recorded->block_bytes);
}

static int check_header(const ps_safetensors *file, const char *digits, ps_diag *diag, bool *good)
{
	size_t bytes = (size_t)file->data_offset;
	uint64_t want;
	const char *place;
	char *copy;

	*good = false;
	if (ps_checksum_parse(digits, &want))
		return 0;
	place = ps_checksum_place(file->map, bytes, digits);
	if (!place)
		return 0;
	copy = malloc(bytes);
	if (!copy)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for a header of %zu bytes",
			       file->path, bytes);
	memcpy(copy, file->map, bytes);
	memset(copy + (place - file->map), '0', PS_DIGITS);
	*good = ps_digest_of(copy, bytes) == want;
	free(copy);
	return 0;
}

int ps_safetensors_verify(const ps_safetensors *file, ps_verify_fn bad, void *context,
			  bool *verified, ps_diag *diag)
{
	struct recorded recorded;
	uint64_t offset = file->data_offset;
	bool good;
	int rc;

	*verified = file->metadata != NULL;
	if (!file->metadata)
		return 0;
	if (!read_recorded(file, &recorded)) {
		bad(context, file->path, -1, 0,
		    "the checksums in the header are missing or damaged");
		return 0;
	}
	rc = check_header(file, recorded.header, diag, &good);
	if (rc)
		return rc;
	if (!good)
		bad(context, file->path, -1, 0, "the header differs from its checksum");
	for (size_t i = 0; offset < file->file_bytes; i++) {
		size_t bytes = ps_min_size((size_t)recorded.block_bytes,
					   (size_t)(file->file_bytes - offset));
		uint64_t want;

		if (ps_checksum_parse(json_string_value(json_array_get(recorded.blocks, i)),
				      &want) ||
		    ps_digest_of(file->map + offset, bytes) != want)
			bad(context, file->path, (long)i, offset,
			    "the block differs from its checksum");
		offset += bytes;
	}
	return 0;
}
