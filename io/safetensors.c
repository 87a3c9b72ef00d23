/* Every number of the header is checked before it is used. parse_tensor checks one tensor by
 * itself, check_layout checks all of them together. After that [offset, offset + bytes) of every
 * tensor lies in the file, and no two overlap. */
#include "io/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/json_memory.h"
#include "io/recognize.h"

#define HEADER_BYTES_MAX ((uint64_t)100000000)

/* All dtypes of the format, and the bits of one element. */
static const struct {
	const char *name;
	unsigned bits;
} formats[] = {
	{"F64", 64},        {"I64", 64},    {"U64", 64},    {"C64", 64},    {"F32", 32},
	{"I32", 32},        {"U32", 32},    {"BF16", 16},   {"F16", 16},    {"I16", 16},
	{"U16", 16},        {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
	{"F8_E5M2FNUZ", 8}, {"I8", 8},      {"U8", 8},      {"BOOL", 8},    {"F6_E2M3", 6},
	{"F6_E3M2", 6},     {"F4", 4},
};

static unsigned bits_of(const char *dtype_name)
{
	for (size_t i = 0; dtype_name && i < sizeof formats / sizeof *formats; i++)
		if (!strcmp(dtype_name, formats[i].name))
			return formats[i].bits;
	return 0;
}

/* A count or offset: an integer that is not negative. */
static bool get_u64(const json_t *value, uint64_t *out)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static int parse_shape(ps_tensor_info *info, const json_t *shape, const char *path,
		       uint64_t *elements, ps_diag *diag)
{
	size_t product = 1, all = 1;

	if (!json_is_array(shape) || json_array_size(shape) > PS_RANK_MAX)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s: the shape must be a list of at most %d sizes", path,
			       info->name, PS_RANK_MAX);
	info->rank = (int)json_array_size(shape);
	for (int i = 0; i < info->rank; i++) {
		if (!get_u64(json_array_get(shape, (size_t)i), &info->shape[i]))
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s: size %d of the shape is not a count", path,
				       info->name, i);
		/* The product without the zeros must fit as well: callers multiply some of the
		 * sizes. */
		if (!ps_size_mul(all, info->shape[i] ? info->shape[i] : 1, &all))
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s: the product of the shape overflows", path,
				       info->name);
		product *= info->shape[i];
	}
	*elements = product;
	return 0;
}

static int parse_tensor(ps_tensor_info *info, const json_t *value, const ps_safetensors *file,
			ps_diag *diag)
{
	const json_t *offsets = json_object_get(value, "data_offsets");
	const char *path = file->path;
	uint64_t begin, end, elements = 0, want;
	size_t bits;
	int rc;

	info->dtype_name = json_string_value(json_object_get(value, "dtype"));
	bits = bits_of(info->dtype_name);
	if (!bits)
		return ps_fail(diag, PS_EINPUT, "%s: tensor %s: unknown dtype %s", path, info->name,
			       info->dtype_name ? info->dtype_name : "(none)");
	info->dtype = ps_dtype_parse(info->dtype_name);
	rc = parse_shape(info, json_object_get(value, "shape"), path, &elements, diag);
	if (rc)
		return rc;
	if (json_object_size(value) != 3 || json_array_size(offsets) != 2 ||
	    !get_u64(json_array_get(offsets, 0), &begin) ||
	    !get_u64(json_array_get(offsets, 1), &end) || end < begin)
		return ps_fail(
			diag, PS_EINPUT,
			"%s: tensor %s: must have dtype, shape and data_offsets [begin, end] alone",
			path, info->name);
	if (!ps_size_mul(elements, bits, &bits) || bits % 8)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s: its size overflows or ends within a byte", path,
			       info->name);
	want = bits / 8;
	if (end - begin != want)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s: data_offsets [%" PRIu64 ", %" PRIu64
			       "] do not hold the %" PRIu64 " bytes of its dtype and shape",
			       path, info->name, begin, end, want);
	if (!ps_range_fits(begin, want, file->file_bytes - file->data_offset))
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s: data_offsets [%" PRIu64 ", %" PRIu64
			       "] pass the end of the file (%" PRIu64 " bytes of data): truncated?",
			       path, info->name, begin, end, file->file_bytes - file->data_offset);
	info->offset = file->data_offset + begin;
	info->bytes = want;
	return 0;
}

/* __metadata__ holds strings. Ours is the string `prunescope`, which holds JSON. */
static int parse_metadata(ps_safetensors *file, json_t *metadata, ps_diag *diag)
{
	const char *key, *ours = json_string_value(json_object_get(metadata, "prunescope"));
	json_error_t error;
	json_t *value;

	if (!json_is_object(metadata))
		return ps_fail(diag, PS_EINPUT, "%s: __metadata__ is not an object", file->path);
	json_object_foreach (metadata, key, value) {
		if (!json_is_string(value))
			return ps_fail(diag, PS_EINPUT, "%s: __metadata__: %s is not a string",
				       file->path, key);
		/* A damaged key must not turn our file into one without checksums. */
		if (!ours && strstr(json_string_value(value), "\"xxh3\":{\"block_bytes\":"))
			return ps_fail(diag, PS_EINPUT,
				       "%s: __metadata__: the key prunescope is damaged (%s)",
				       file->path, key);
	}
	if (!ours)
		return 0;
	file->metadata = ps_json_load(ours, strlen(ours), &error);
	if (!file->metadata && json_error_code(&error) == json_error_out_of_memory)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its metadata", file->path);
	if (!json_is_object(file->metadata))
		return ps_fail(diag, PS_EINPUT, "%s: __metadata__: prunescope is not a JSON object",
			       file->path);
	return 0;
}

static int parse_header(ps_safetensors *file, ps_diag *diag)
{
	const char *name;
	json_t *value;
	int rc;

	if (!json_is_object(file->header))
		return ps_fail(diag, PS_EINPUT, "%s: the header is not a JSON object", file->path);
	file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
	if (!file->tensors)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for %zu tensors", file->path,
			       json_object_size(file->header));
	json_object_foreach (file->header, name, value) {
		if (!strcmp(name, "__metadata__")) {
			rc = parse_metadata(file, value, diag);
		} else {
			file->tensors[file->count].name = name;
			rc = parse_tensor(&file->tensors[file->count++], value, file, diag);
		}
		if (rc)
			return rc;
	}
	return ps_tensor_file_check_layout(file, 1, diag);
}

/* Says what the file is instead, if its first bytes or its name tell. */
static int refuse_other(const ps_safetensors *file, const char *start, size_t length, ps_diag *diag)
{
	const char *what = ps_recognize_bytes(start, length, file->path);

	return what ? ps_fail(diag, PS_EINPUT, "%s: is %s, not a safetensors file", file->path,
			      what)
		    : 0;
}

/* Reads the length of the header and checks it. */
static int read_length(ps_safetensors *file, uint64_t *length, ps_diag *diag)
{
	unsigned char raw[8] = {0};
	size_t there = ps_min_size(sizeof raw, (size_t)file->file_bytes);
	int rc = ps_sys_pread_full(file->sys, file->fd, raw, there, 0);

	if (rc)
		return ps_fail_input(diag, -rc, "%s: the header cannot be read", file->path);
	*length = 0;
	for (int i = 0; i < 8; i++)
		*length |= (uint64_t)raw[i] << 8 * i;
	if (there == sizeof raw && *length <= HEADER_BYTES_MAX &&
	    *length <= file->file_bytes - sizeof raw)
		return 0;
	rc = refuse_other(file, (const char *)raw, there, diag);
	if (rc)
		return rc;
	if (there < sizeof raw)
		return ps_fail(diag, PS_EINPUT, "%s: %" PRIu64 " bytes are no safetensors file",
			       file->path, file->file_bytes);
	return ps_fail(diag, PS_EINPUT,
		       "%s: a header of %" PRIu64 " bytes (offset 0) does not fit into %s",
		       file->path, *length,
		       *length > HEADER_BYTES_MAX ? "the format's 100 MB" : "the file: truncated?");
}

/* Parses text, the header of length bytes. */
static int parse_json(ps_safetensors *file, const char *text, size_t length, ps_diag *diag)
{
	json_error_t error = {.text = "does not begin with {"};

	if (length && text[0] == '{')
		file->header = ps_json_load(text, length, &error);
	if (file->header)
		return 0;
	if (json_error_code(&error) == json_error_out_of_memory)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its header", file->path);
	return ps_fail(
		diag, PS_EINPUT, "%s: the header is invalid at offset %" PRIu64 ": %s", file->path,
		sizeof(uint64_t) + (uint64_t)(error.position > 0 ? error.position : 0), error.text);
}

/* The header is read, not mapped, so that a read error is an error code and not a signal. */
static int read_header(ps_safetensors *file, ps_diag *diag)
{
	uint64_t length = 0;
	char *text;
	int rc = read_length(file, &length, diag);

	if (rc)
		return rc;
	text = malloc((size_t)length + 1);
	if (!text)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for a header of %" PRIu64 " bytes",
			       file->path, length);
	rc = ps_sys_pread_full(file->sys, file->fd, text, (size_t)length, sizeof length);
	file->data_offset = sizeof length + length;
	if (rc) {
		rc = ps_fail_input(diag, -rc, "%s: the header cannot be read", file->path);
	} else {
		rc = parse_json(file, text, (size_t)length, diag);
	}
	free(text);
	return rc;
}

int ps_safetensors_open(ps_safetensors *file, const ps_sys *sys, const char *path, ps_diag *diag)
{
	int rc = ps_tensor_file_begin(file, sys, path, diag);

	if (!rc)
		rc = read_header(file, diag);
	if (!rc)
		rc = parse_header(file, diag);
	if (!rc)
		rc = ps_tensor_file_map(file, diag);
	if (rc)
		ps_safetensors_close(file);
	return rc;
}

int ps_safetensors_expect(const ps_safetensors *file, const char *name, int dtype, int rank,
			  const uint64_t *want_shape, const ps_tensor_info **out, ps_diag *diag)
{
	const ps_tensor_info *info = ps_safetensors_find(file, name);
	int rc = ps_tensor_check(file->path, info, name, dtype, rank, want_shape, diag);

	if (!rc)
		*out = info;
	return rc;
}
