/* test/support/support_gguf.h: builds GGUF files byte by byte, sound ones and damaged ones. */
#ifndef PS_TEST_SUPPORT_SUPPORT_GGUF_H
#define PS_TEST_SUPPORT_SUPPORT_GGUF_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of a file that grows. Aborts without memory. */
typedef struct gg_file {
	unsigned char *bytes;
	size_t length, capacity;
} gg_file;

void gg_bytes(gg_file *file, const void *bytes, size_t length);
/* A number of so many bytes, lowest first. */
void gg_number(gg_file *file, uint64_t number, size_t bytes);
void gg_string(gg_file *file, const char *text);

/* "GGUF", the version and both counts. */
void gg_header(gg_file *file, uint32_t version, uint64_t tensors, uint64_t keys);
/* Keys with their values. type: the number of the format. */
void gg_key(gg_file *file, const char *key, uint32_t type);
void gg_key_u32(gg_file *file, const char *key, uint32_t value);
void gg_key_f32(gg_file *file, const char *key, float value);
void gg_key_f64(gg_file *file, const char *key, double value);
void gg_key_text(gg_file *file, const char *key, const char *value);
/* The start of an array; its elements follow. */
void gg_key_array(gg_file *file, const char *key, uint32_t type, uint64_t count);
/* An entry of the table of tensors: cols x rows (0: a vector), its type and its offset. */
void gg_tensor(gg_file *file, const char *name, uint64_t cols, uint64_t rows, uint32_t type,
	       uint64_t offset);
/* Zeros up to the next multiple. */
void gg_pad(gg_file *file, size_t alignment);

/* Writes the bytes to a file. */
void gg_write(const gg_file *file, const char *path);
void gg_free(gg_file *file);

#endif
