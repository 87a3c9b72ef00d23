#include "test/support/support_gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			perror(#condition);                                                        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

void gg_bytes(gg_file *file, const void *bytes, size_t length)
{
	if (file->length + length > file->capacity) {
		file->capacity = 2 * (file->length + length) + 256;
		file->bytes = realloc(file->bytes, file->capacity);
		MUST(file->bytes);
	}
	memcpy(file->bytes + file->length, bytes, length);
	file->length += length;
}

void gg_number(gg_file *file, uint64_t number, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		const unsigned char byte = (unsigned char)(number >> 8 * i);

		gg_bytes(file, &byte, 1);
	}
}

void gg_string(gg_file *file, const char *text)
{
	gg_number(file, strlen(text), 8);
	gg_bytes(file, text, strlen(text));
}

void gg_header(gg_file *file, uint32_t version, uint64_t tensors, uint64_t keys)
{
	gg_bytes(file, "GGUF", 4);
	gg_number(file, version, 4);
	gg_number(file, tensors, 8);
	gg_number(file, keys, 8);
}

void gg_key(gg_file *file, const char *key, uint32_t type)
{
	gg_string(file, key);
	gg_number(file, type, 4);
}

void gg_key_u32(gg_file *file, const char *key, uint32_t value)
{
	gg_key(file, key, 4);
	gg_number(file, value, 4);
}

void gg_key_f32(gg_file *file, const char *key, float value)
{
	gg_key(file, key, 6);
	gg_bytes(file, &value, sizeof value);
}

void gg_key_f64(gg_file *file, const char *key, double value)
{
	gg_key(file, key, 12);
	gg_bytes(file, &value, sizeof value);
}

void gg_key_text(gg_file *file, const char *key, const char *value)
{
	gg_key(file, key, 8);
	gg_string(file, value);
}

void gg_key_array(gg_file *file, const char *key, uint32_t type, uint64_t count)
{
	gg_key(file, key, 9);
	gg_number(file, type, 4);
	gg_number(file, count, 8);
}

void gg_tensor(gg_file *file, const char *name, uint64_t cols, uint64_t rows, uint32_t type,
	       uint64_t offset)
{
	gg_string(file, name);
	gg_number(file, rows ? 2 : 1, 4);
	gg_number(file, cols, 8);
	if (rows)
		gg_number(file, rows, 8);
	gg_number(file, type, 4);
	gg_number(file, offset, 8);
}

void gg_pad(gg_file *file, size_t alignment)
{
	while (file->length % alignment)
		gg_bytes(file, "", 1);
}

void gg_write(const gg_file *file, const char *path)
{
	FILE *out = fopen(path, "wb");

	MUST(out);
	MUST(fwrite(file->bytes, 1, file->length, out) == file->length);
	MUST(fclose(out) == 0);
}

void gg_free(gg_file *file)
{
	free(file->bytes);
	*file = (gg_file){0};
}
