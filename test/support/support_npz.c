#include "test/support/support_npz.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LOCAL_BYTES = 30, CENTRAL_BYTES = 46, END_BYTES = 22, ENTRIES_MAX = 4100 };

static void put(uint8_t *out, uint32_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get(const uint8_t *bytes, int count)
{
	uint32_t value = 0;

	for (int i = 0; i < count; i++)
		value |= (uint32_t)bytes[i] << 8 * i;
	return value;
}

static uint32_t crc32_of(const uint8_t *bytes, size_t length)
{
	uint32_t crc = ~(uint32_t)0;

	for (size_t i = 0; i < length; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

size_t npz_array(const char *dictionary, const float *values, size_t count, uint8_t *out,
		 size_t max)
{
	const size_t text = strlen(dictionary), header = (10 + text + 1 + 63) / 64 * 64,
		     length = header + count * sizeof *values;

	if (length > max)
		return 0;
	memcpy(out, "\x93NUMPY\1\0", 8);
	put(out + 8, (uint32_t)(header - 10), 2);
	memset(out + 10, ' ', header - 10);
	memcpy(out + 10, dictionary, text);
	out[header - 1] = '\n';
	if (count)
		memcpy(out + header, values, count * sizeof *values);
	return length;
}

/* What the local and the central header have in common, from the version on. */
static void put_common(uint8_t *out, const struct npz_entry *entry)
{
	memset(out, 0, 26);
	put(out, 20, 2);
	put(out + 8, 0x21, 2); /* a day in 1980 */
	put(out + 10, crc32_of(entry->bytes, entry->length), 4);
	put(out + 14, (uint32_t)entry->length, 4);
	put(out + 18, (uint32_t)entry->length, 4);
	put(out + 22, (uint32_t)strlen(entry->name), 2);
}

size_t npz_write(const struct npz_entry *entries, size_t count, uint8_t *out, size_t max)
{
	static uint32_t offsets[ENTRIES_MAX];
	size_t at = 0, directory;

	for (size_t i = 0; i < count && i < ENTRIES_MAX; i++) {
		const size_t name = strlen(entries[i].name);

		if (at + LOCAL_BYTES + name + entries[i].length > max)
			return 0;
		offsets[i] = (uint32_t)at;
		memcpy(out + at, "PK\3\4", 4);
		put_common(out + at + 4, &entries[i]);
		memcpy(out + at + LOCAL_BYTES, entries[i].name, name);
		if (entries[i].length)
			memcpy(out + at + LOCAL_BYTES + name, entries[i].bytes, entries[i].length);
		at += LOCAL_BYTES + name + entries[i].length;
	}
	directory = at;
	for (size_t i = 0; i < count && i < ENTRIES_MAX; i++) {
		const size_t name = strlen(entries[i].name);

		if (at + CENTRAL_BYTES + name > max)
			return 0;
		memset(out + at, 0, CENTRAL_BYTES);
		memcpy(out + at, "PK\1\2\24\0", 6);
		put_common(out + at + 6, &entries[i]);
		put(out + at + 42, offsets[i], 4);
		memcpy(out + at + CENTRAL_BYTES, entries[i].name, name);
		at += CENTRAL_BYTES + name;
	}
	if (at + END_BYTES > max)
		return 0;
	memset(out + at, 0, END_BYTES);
	memcpy(out + at, "PK\5\6", 4);
	put(out + at + 8, (uint32_t)count, 2);
	put(out + at + 10, (uint32_t)count, 2);
	put(out + at + 12, (uint32_t)(at - directory), 4);
	put(out + at + 16, (uint32_t)directory, 4);
	return at + END_BYTES;
}

size_t npz_entries(const uint8_t *archive, size_t length, struct npz_entry *entries, size_t max)
{
	size_t at = 0, count = 0;

	while (count < max && at + LOCAL_BYTES <= length && !memcmp(archive + at, "PK\3\4", 4)) {
		const size_t name = get(archive + at + 26, 2), extra = get(archive + at + 28, 2),
			     bytes = get(archive + at + 18, 4);

		if (name >= sizeof entries->name || get(archive + at + 8, 2) ||
		    at + LOCAL_BYTES + name + extra + bytes > length)
			return 0;
		snprintf(entries[count].name, sizeof entries->name, "%.*s", (int)name,
			 (const char *)archive + at + LOCAL_BYTES);
		entries[count].bytes = archive + at + LOCAL_BYTES + name + extra;
		entries[count++].length = bytes;
		at += LOCAL_BYTES + name + extra + bytes;
	}
	return count;
}
