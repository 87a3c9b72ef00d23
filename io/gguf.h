/* io/gguf.h: reads the header of a GGUF file, versions 2 and 3, little-endian.
 *
 * Layout: "GGUF", u32 version, u64 tensors, u64 keys; the keys; the tensors' names, shapes, types
 * and offsets; then the data from the next multiple of general.alignment (32) on, where every
 * tensor begins at such a multiple. A key is a string, a type and a value; a string is a u64 length
 * and its bytes; an array is a type, a u64 count and its elements. Source: docs/gguf.md of ggml.
 *
 * The header is mapped, and read in place. A vocabulary of 262,144 strings stays where it is: the
 * table of keys knows only where each value begins and ends.
 *
 * Refused with PS_EINPUT, naming file, key or tensor, and offset:
 * - other versions, big-endian files, parts of a split file;
 * - counts, lengths and offsets that pass the end of the file; unknown types of values; arrays in
 *   arrays; a key that is there twice;
 * - types of tensors that are not computed with, rows that are not whole blocks, shape products
 *   that overflow;
 * - an alignment that is no power of two; tensors that overlap, leave a hole, or pass the end. */
#ifndef PS_IO_GGUF_H
#define PS_IO_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/tensor_file.h"

typedef enum ps_gguf_type {
	PS_GGUF_U8,
	PS_GGUF_I8,
	PS_GGUF_U16,
	PS_GGUF_I16,
	PS_GGUF_U32,
	PS_GGUF_I32,
	PS_GGUF_F32,
	PS_GGUF_BOOL,
	PS_GGUF_STRING,
	PS_GGUF_ARRAY,
	PS_GGUF_U64,
	PS_GGUF_I64,
	PS_GGUF_F64,
	PS_GGUF_TYPES
} ps_gguf_type;

/* A key of the metadata, and where its value is. */
typedef struct ps_gguf_value {
	const char *key; /* key_length bytes in the mapping */
	size_t key_length;
	bool is_array;
	ps_gguf_type type; /* of the value, or of the array's elements */
	uint64_t count;    /* elements of the array; else 1 */
	uint64_t offset;   /* in the file, of the value or the first element */
	uint64_t bytes;    /* of the value, or of all elements */
} ps_gguf_value;

/* The tensors are in file, by ascending offset. A tensor's shape is [rows, columns], as in
 * safetensors; the file writes it the other way round. */
typedef struct ps_gguf {
	ps_tensor_file file;
	ps_gguf_value *values; /* (value_count), sorted by key */
	size_t value_count;
} ps_gguf;

/* Opens, checks and maps a file. It is closed again on failure. */
int ps_gguf_open(ps_gguf *gguf, const ps_sys *sys, const char *path, ps_diag *diag) PS_MUST_USE;
/* Closes the file, and frees its tables. A zeroed one is allowed. */
void ps_gguf_close(ps_gguf *gguf);

/* The value of a key. NULL: there is none. */
const ps_gguf_value *ps_gguf_find(const ps_gguf *gguf, const char *key);

/* A value of any integer type. False: it is of another type, or too large. */
bool ps_gguf_integer(const ps_gguf *gguf, const ps_gguf_value *value, int64_t *out);
/* Element `at` of an array of integers of any type. */
bool ps_gguf_integer_at(const ps_gguf *gguf, const ps_gguf_value *value, uint64_t at, int64_t *out);
/* A value of any integer or float type. */
bool ps_gguf_number(const ps_gguf *gguf, const ps_gguf_value *value, double *out);
/* A flag. */
bool ps_gguf_flag(const ps_gguf *gguf, const ps_gguf_value *value, bool *out);
/* A string: *length bytes in the mapping. */
bool ps_gguf_string(const ps_gguf *gguf, const ps_gguf_value *value, const char **text,
		    size_t *length);
/* Whether a value is this string. */
bool ps_gguf_is(const ps_gguf *gguf, const ps_gguf_value *value, const char *text);

/* Takes the string of an array of strings that begins `*at` bytes behind the first one, and moves
 * *at behind it. False at the end, and if the mapped bytes are no longer those that were checked.
 * */
bool ps_gguf_next_string(const ps_gguf *gguf, const ps_gguf_value *value, uint64_t *at,
			 const char **text, size_t *length);

#endif
