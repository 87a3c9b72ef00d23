/* Every number of the header is checked before it is used: take() hands out bytes only if they lie
 * within the file. The mapping may change while it is read, so a length is read once, checked, and
 * used from its copy. */
#include "io/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"

#define VALUES_MAX 65536
#define TENSORS_MAX 65536
#define KEY_BYTES_MAX 65535 /* by the format */
#define NAME_BYTES 64       /* of a tensor, with a NUL: ggml's own limit */
#define DIMENSIONS_MAX 4
#define ALIGNMENT_DEFAULT 32
#define ALIGNMENT_MAX (1u << 24)

/* Types of tensors by their number in the format. dtype -1: known, but not computed with. */
static const struct {
	const char *name;
	int dtype;
} tensor_types[] = {
	[0] = {"F32", PS_F32},    [1] = {"F16", PS_F16},    [2] = {"Q4_0", PS_Q4_0},
	[3] = {"Q4_1", PS_Q4_1},  [4] = {"Q4_2", -1},       [5] = {"Q4_3", -1},
	[6] = {"Q5_0", PS_Q5_0},  [7] = {"Q5_1", PS_Q5_1},  [8] = {"Q8_0", PS_Q8_0},
	[9] = {"Q8_1", -1},       [10] = {"Q2_K", PS_Q2_K}, [11] = {"Q3_K", PS_Q3_K},
	[12] = {"Q4_K", PS_Q4_K}, [13] = {"Q5_K", PS_Q5_K}, [14] = {"Q6_K", PS_Q6_K},
	[15] = {"Q8_K", -1},      [16] = {"IQ2_XXS", -1},   [17] = {"IQ2_XS", -1},
	[18] = {"IQ3_XXS", -1},   [19] = {"IQ1_S", -1},     [20] = {"IQ4_NL", -1},
	[21] = {"IQ3_S", -1},     [22] = {"IQ2_S", -1},     [23] = {"IQ4_XS", -1},
	[24] = {"I8", -1},        [25] = {"I16", -1},       [26] = {"I32", -1},
	[27] = {"I64", -1},       [28] = {"F64", -1},       [29] = {"IQ1_M", -1},
	[30] = {"BF16", PS_BF16}, [34] = {"TQ1_0", -1},     [35] = {"TQ2_0", -1},
	[39] = {"MXFP4", -1},
};

/* Bytes of a value of each type; 0: it has no fixed size. */
static const size_t type_bytes[PS_GGUF_TYPES] = {
	[PS_GGUF_U8] = 1,  [PS_GGUF_I8] = 1,  [PS_GGUF_U16] = 2, [PS_GGUF_I16] = 2,
	[PS_GGUF_U32] = 4, [PS_GGUF_I32] = 4, [PS_GGUF_F32] = 4, [PS_GGUF_BOOL] = 1,
	[PS_GGUF_U64] = 8, [PS_GGUF_I64] = 8, [PS_GGUF_F64] = 8,
};

/* --- bytes --- */

struct cursor {
	ps_tensor_file *file;
	uint64_t at;
	ps_diag *diag;
};

/* The next `bytes` bytes. NULL: the file ends before; `what` is named. */
static const char *take(struct cursor *c, uint64_t bytes, const char *what)
{
	const char *there = c->file->map + c->at;

	if (!ps_range_fits(c->at, bytes, c->file->file_bytes)) {
		(void)ps_fail(c->diag, PS_EINPUT,
			      "%s: %s at offset %" PRIu64 " needs %" PRIu64
			      " bytes, and the file ends at %" PRIu64 ": truncated?",
			      c->file->path, what, c->at, bytes, c->file->file_bytes);
		return NULL;
	}
	c->at += bytes;
	return there;
}

/* A number of so many bytes, lowest first. */
static uint64_t number_at(const char *bytes, size_t count)
{
	uint64_t number = 0;

	for (size_t i = 0; i < count; i++)
		number |= (uint64_t)(unsigned char)bytes[i] << 8 * i;
	return number;
}

static int take_number(struct cursor *c, size_t bytes, const char *what, uint64_t *out)
{
	const char *there = take(c, bytes, what);

	if (!there)
		return PS_EINPUT;
	*out = number_at(there, bytes);
	return 0;
}

static int take_string(struct cursor *c, const char *what, uint64_t most, const char **text,
		       size_t *length)
{
	const uint64_t start = c->at;
	uint64_t bytes = 0;
	int rc = take_number(c, 8, what, &bytes);

	if (rc)
		return rc;
	if (bytes > most)
		return ps_fail(c->diag, PS_EINPUT,
			       "%s: %s at offset %" PRIu64 " has a length of %" PRIu64
			       " bytes, more than %" PRIu64,
			       c->file->path, what, start, bytes, most);
	*text = take(c, bytes, what);
	*length = (size_t)bytes;
	return *text ? 0 : PS_EINPUT;
}

/* --- keys --- */

/* For messages: the key, cut. */
static const char *shown(const ps_gguf_value *value, char out[80])
{
	snprintf(out, 80, "key %.*s", (int)ps_min_size(value->key_length, 60), value->key);
	return out;
}

/* Passes over the elements, or the value, and notes how many bytes they take. */
static int pass_value(struct cursor *c, ps_gguf_value *value)
{
	char what[80];
	size_t bytes;

	value->offset = c->at;
	shown(value, what);
	for (uint64_t i = 0; value->type == PS_GGUF_STRING && i < value->count; i++) {
		const char *text;
		size_t length;
		int rc = take_string(c, what, UINT32_MAX, &text, &length);

		if (rc)
			return rc;
	}
	if (!ps_size_mul((size_t)value->count, type_bytes[value->type], &bytes))
		bytes = SIZE_MAX;
	if (bytes && !take(c, bytes, what))
		return PS_EINPUT;
	value->bytes = c->at - value->offset;
	return 0;
}

static int refuse_type(const struct cursor *c, const ps_gguf_value *value, uint64_t type)
{
	char what[80];

	return ps_fail(c->diag, PS_EINPUT,
		       type == PS_GGUF_ARRAY ? "%s: %s is an array of arrays (type %" PRIu64
					       "), at offset %" PRIu64
					     : "%s: %s has the unknown type %" PRIu64
					       " at offset %" PRIu64,
		       c->file->path, shown(value, what), type, c->at - 4);
}

static int take_value(struct cursor *c, ps_gguf_value *value)
{
	uint64_t type = 0;
	int rc = take_string(c, "a key", KEY_BYTES_MAX, &value->key, &value->key_length);

	if (!rc)
		rc = take_number(c, 4, "the type of a key", &type);
	value->is_array = !rc && type == PS_GGUF_ARRAY;
	value->count = 1;
	if (!rc && value->is_array)
		rc = take_number(c, 4, "the type of an array", &type);
	if (!rc && (type >= PS_GGUF_TYPES || type == PS_GGUF_ARRAY))
		rc = refuse_type(c, value, type);
	if (!rc && value->is_array)
		rc = take_number(c, 8, "the count of an array", &value->count);
	if (rc)
		return rc;
	value->type = (ps_gguf_type)type;
	return pass_value(c, value);
}

static int compare_keys(const char *a, size_t a_length, const char *b, size_t b_length)
{
	const int order = memcmp(a, b, ps_min_size(a_length, b_length));

	return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int by_key(const void *a, const void *b)
{
	const ps_gguf_value *x = a, *y = b;

	return compare_keys(x->key, x->key_length, y->key, y->key_length);
}

/* A count of the header, of things that take at least `least` bytes each. */
static int check_count(const struct cursor *c, uint64_t count, uint64_t most, uint64_t least,
		       const char *what)
{
	if (count > most)
		return ps_fail(c->diag, PS_EINPUT, "%s: claims %" PRIu64 " %s, more than %" PRIu64,
			       c->file->path, count, what, most);
	if (count * least > c->file->file_bytes - c->at)
		return ps_fail(c->diag, PS_EINPUT,
			       "%s: claims %" PRIu64 " %s, more than its %" PRIu64
			       " bytes can hold: truncated?",
			       c->file->path, count, what, c->file->file_bytes);
	return 0;
}

static int take_values(struct cursor *c, ps_gguf *gguf, uint64_t count)
{
	char what[80];
	int rc = check_count(c, count, VALUES_MAX, 8 + 4 + 1, "keys");

	if (rc)
		return rc;
	gguf->values = calloc((size_t)count + 1, sizeof *gguf->values);
	if (!gguf->values)
		return ps_fail(c->diag, PS_EBUDGET, "%s: no memory for %" PRIu64 " keys",
			       c->file->path, count);
	while (!rc && gguf->value_count < count)
		rc = take_value(c, &gguf->values[gguf->value_count++]);
	if (rc)
		return rc;
	qsort(gguf->values, gguf->value_count, sizeof *gguf->values, by_key);
	for (size_t i = 1; i < gguf->value_count; i++)
		if (!by_key(&gguf->values[i - 1], &gguf->values[i]))
			return ps_fail(c->diag, PS_EINPUT, "%s: %s is there twice", c->file->path,
				       shown(&gguf->values[i], what));
	return 0;
}

/* --- tensors --- */

static int take_shape(struct cursor *c, ps_tensor_info *info, size_t *elements)
{
	uint64_t rank = 0;
	int rc = take_number(c, 4, info->name, &rank);

	if (rc)
		return rc;
	if (!rank || rank > DIMENSIONS_MAX)
		return ps_fail(c->diag, PS_EINPUT,
			       "%s: tensor %s: has %" PRIu64 " dimensions, not 1 to %d (offset "
			       "%" PRIu64 ")",
			       c->file->path, info->name, rank, DIMENSIONS_MAX, c->at - 4);
	info->rank = (int)rank;
	*elements = 1;
	for (int i = info->rank - 1; i >= 0; i--) {
		rc = take_number(c, 8, info->name, &info->shape[i]);
		if (rc)
			return rc;
		if (!info->shape[i] || !ps_size_mul(*elements, info->shape[i], elements))
			return ps_fail(c->diag, PS_EINPUT,
				       "%s: tensor %s: the size %" PRIu64 " at offset %" PRIu64
				       " %s",
				       c->file->path, info->name, info->shape[i], c->at - 8,
				       info->shape[i] ? "makes the product of the shape overflow"
						      : "is not positive");
	}
	return 0;
}

static int take_type(struct cursor *c, ps_tensor_info *info)
{
	uint64_t type = 0;
	int rc = take_number(c, 4, info->name, &type);
	const bool known =
		type < sizeof tensor_types / sizeof *tensor_types && tensor_types[type].name;

	if (rc)
		return rc;
	if (!known || tensor_types[type].dtype < 0)
		return ps_fail(c->diag, PS_EINPUT,
			       "%s: tensor %s: the type %s%s%" PRIu64 "%s at offset %" PRIu64
			       " is not supported (F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 "
			       "and Q2_K to Q6_K are)",
			       c->file->path, info->name, known ? tensor_types[type].name : "",
			       known ? " (" : "", type, known ? ")" : "", c->at - 4);
	info->dtype = tensor_types[type].dtype;
	info->dtype_name = tensor_types[type].name;
	return 0;
}

static int take_tensor(struct cursor *c, ps_tensor_info *info, char *name)
{
	const char *text = "";
	size_t length = 0, elements = 0, bytes;
	uint64_t at = c->at;
	int rc = take_string(c, "the name of a tensor", NAME_BYTES - 1, &text, &length);

	if (rc)
		return rc;
	memcpy(name, text, length);
	info->name = name;
	if (!length || memchr(name, 0, length))
		return ps_fail(c->diag, PS_EINPUT,
			       "%s: the name of a tensor at offset %" PRIu64
			       " is empty or has a NUL in it",
			       c->file->path, at);
	rc = take_shape(c, info, &elements);
	if (!rc)
		rc = take_type(c, info);
	if (!rc)
		rc = take_number(c, 8, info->name, &info->offset);
	if (rc)
		return rc;
	if (info->shape[info->rank - 1] % ps_dtype_block((ps_dtype)info->dtype))
		return ps_fail(c->diag, PS_EINPUT,
			       "%s: tensor %s: rows of %" PRIu64 " are not whole blocks of %s",
			       c->file->path, info->name, info->shape[info->rank - 1],
			       info->dtype_name);
	elements /= ps_dtype_block((ps_dtype)info->dtype);
	if (!ps_size_mul(
		    elements,
		    ps_dtype_bytes((ps_dtype)info->dtype, ps_dtype_block((ps_dtype)info->dtype)),
		    &bytes))
		return ps_fail(c->diag, PS_EINPUT, "%s: tensor %s: its size overflows",
			       c->file->path, info->name);
	info->bytes = bytes;
	return 0;
}

static int take_tensors(struct cursor *c, uint64_t count)
{
	ps_tensor_file *file = c->file;
	int rc = check_count(c, count, TENSORS_MAX, 8 + 1 + 4 + 8 + 4 + 8, "tensors");

	if (rc)
		return rc;
	file->tensors = calloc((size_t)count + 1, sizeof *file->tensors);
	file->names = calloc((size_t)count + 1, NAME_BYTES);
	if (!file->tensors || !file->names)
		return ps_fail(c->diag, PS_EBUDGET, "%s: no memory for %" PRIu64 " tensors",
			       file->path, count);
	for (; !rc && file->count < count; file->count++)
		rc = take_tensor(c, &file->tensors[file->count],
				 file->names + file->count * NAME_BYTES);
	return rc;
}

/* Makes the offsets count from the start of the file. */
static int place_tensors(const struct cursor *c, uint64_t alignment)
{
	ps_tensor_file *file = c->file;
	const uint64_t start = (c->at + alignment - 1) / alignment * alignment;

	file->data_offset = start < file->file_bytes ? start : file->file_bytes;
	for (size_t i = 0; i < file->count; i++) {
		ps_tensor_info *info = &file->tensors[i];

		if (info->offset % alignment)
			return ps_fail(c->diag, PS_EINPUT,
				       "%s: tensor %s: its offset %" PRIu64
				       " is no multiple of the alignment %" PRIu64,
				       file->path, info->name, info->offset, alignment);
		if (!ps_range_fits(info->offset, info->bytes, file->file_bytes - file->data_offset))
			return ps_fail(c->diag, PS_EINPUT,
				       "%s: tensor %s: offset %" PRIu64 " and its %" PRIu64
				       " bytes pass the end of the file (%" PRIu64
				       " bytes of data): truncated?",
				       file->path, info->name, info->offset, info->bytes,
				       file->file_bytes - file->data_offset);
		info->offset += file->data_offset;
	}
	return ps_tensor_file_check_layout(file, alignment, c->diag);
}

/* --- the file --- */

static int refuse_version(const struct cursor *c, uint64_t version)
{
	if (!(version & 0xffff))
		return ps_fail(c->diag, PS_EINPUT, "%s: a big-endian GGUF file is not supported",
			       c->file->path);
	return ps_fail(c->diag, PS_EINPUT,
		       "%s: GGUF version %" PRIu64 " (offset 4) is not supported; 2 and 3 are",
		       c->file->path, version);
}

static int check_alignment(const struct cursor *c, const ps_gguf *gguf, uint64_t *alignment)
{
	const ps_gguf_value *value = ps_gguf_find(gguf, "general.alignment");
	int64_t number = ALIGNMENT_DEFAULT;

	if (value && (!ps_gguf_integer(gguf, value, &number) || number <= 0 ||
		      number > ALIGNMENT_MAX || number & (number - 1)))
		return ps_fail(c->diag, PS_EINPUT,
			       "%s: general.alignment at offset %" PRIu64
			       " is no power of two up to %u",
			       c->file->path, value->offset, ALIGNMENT_MAX);
	*alignment = (uint64_t)number;
	return 0;
}

static int check_split(const struct cursor *c, const ps_gguf *gguf)
{
	const ps_gguf_value *value = ps_gguf_find(gguf, "split.count");
	int64_t parts = 1;

	if (!value || (ps_gguf_integer(gguf, value, &parts) && parts <= 1))
		return 0;
	return ps_fail(c->diag, PS_EINPUT,
		       "%s: is one of %" PRId64 " parts of a model, which are not supported: merge "
		       "them first (gguf-split --merge of llama.cpp)",
		       c->file->path, parts);
}

static int read_header(ps_gguf *gguf, ps_diag *diag)
{
	struct cursor c = {.file = &gguf->file, .diag = diag};
	uint64_t version = 0, tensors = 0, values = 0, alignment = 0;
	int rc;

	if (gguf->file.file_bytes < 4 || memcmp(gguf->file.map, "GGUF", 4) != 0)
		return ps_fail(diag, PS_EINPUT, "%s: does not begin with GGUF: no GGUF file",
			       gguf->file.path);
	c.at = 4;
	if ((rc = take_number(&c, 4, "the version", &version)))
		return rc;
	if (version != 2 && version != 3)
		return refuse_version(&c, version);
	if ((rc = take_number(&c, 8, "the count of tensors", &tensors)) ||
	    (rc = take_number(&c, 8, "the count of keys", &values)) ||
	    (rc = take_values(&c, gguf, values)) || (rc = check_split(&c, gguf)) ||
	    (rc = check_alignment(&c, gguf, &alignment)) || (rc = take_tensors(&c, tensors)))
		return rc;
	return place_tensors(&c, alignment);
}

int ps_gguf_open(ps_gguf *gguf, const ps_sys *sys, const char *path, ps_diag *diag)
{
	int rc;

	*gguf = (ps_gguf){.value_count = 0};
	rc = ps_tensor_file_begin(&gguf->file, sys, path, diag);
	if (!rc && !gguf->file.file_bytes)
		rc = ps_fail(diag, PS_EINPUT, "%s: is empty", path);
	if (!rc)
		rc = ps_tensor_file_map(&gguf->file, diag);
	if (!rc)
		rc = read_header(gguf, diag);
	if (rc)
		ps_gguf_close(gguf);
	return rc;
}

void ps_gguf_close(ps_gguf *gguf)
{
	if (gguf->file.path)
		ps_tensor_file_close(&gguf->file);
	free(gguf->values);
	*gguf = (ps_gguf){.file.fd = -1};
}

/* --- values --- */

const ps_gguf_value *ps_gguf_find(const ps_gguf *gguf, const char *key)
{
	const ps_gguf_value wanted = {.key = key, .key_length = strlen(key)};

	return gguf->value_count ? bsearch(&wanted, gguf->values, gguf->value_count,
					   sizeof *gguf->values, by_key)
				 : NULL;
}

static bool is_signed(ps_gguf_type type)
{
	return type == PS_GGUF_I8 || type == PS_GGUF_I16 || type == PS_GGUF_I32 ||
	       type == PS_GGUF_I64;
}

bool ps_gguf_integer_at(const ps_gguf *gguf, const ps_gguf_value *value, uint64_t at, int64_t *out)
{
	const size_t bytes = type_bytes[value->type];
	uint64_t number;

	if (at >= value->count || !bytes || value->type == PS_GGUF_F32 ||
	    value->type == PS_GGUF_F64 || value->type == PS_GGUF_BOOL)
		return false;
	number = number_at(gguf->file.map + value->offset + at * bytes, bytes);
	if (is_signed(value->type) && bytes < 8 && number >> (8 * bytes - 1))
		number |= UINT64_MAX << 8 * bytes;
	if (value->type == PS_GGUF_U64 && number > INT64_MAX)
		return false;
	memcpy(out, &number, sizeof *out);
	return true;
}

bool ps_gguf_integer(const ps_gguf *gguf, const ps_gguf_value *value, int64_t *out)
{
	return !value->is_array && ps_gguf_integer_at(gguf, value, 0, out);
}

bool ps_gguf_number(const ps_gguf *gguf, const ps_gguf_value *value, double *out)
{
	const char *there = gguf->file.map + value->offset;
	int64_t integer;
	float narrow;

	if (value->is_array)
		return false;
	if (value->type == PS_GGUF_F32) {
		memcpy(&narrow, there, sizeof narrow);
		*out = (double)narrow;
		return true;
	}
	if (value->type == PS_GGUF_F64) {
		memcpy(out, there, sizeof *out);
		return true;
	}
	if (!ps_gguf_integer(gguf, value, &integer))
		return false;
	*out = (double)integer;
	return true;
}

bool ps_gguf_flag(const ps_gguf *gguf, const ps_gguf_value *value, bool *out)
{
	const bool is_flag = !value->is_array && value->type == PS_GGUF_BOOL;
	const char byte = is_flag ? gguf->file.map[value->offset] : 2;

	*out = byte == 1;
	return byte == 0 || byte == 1;
}

bool ps_gguf_next_string(const ps_gguf *gguf, const ps_gguf_value *value, uint64_t *at,
			 const char **text, size_t *length)
{
	const char *there = gguf->file.map + value->offset + *at;
	uint64_t bytes;

	if (value->type != PS_GGUF_STRING || !ps_range_fits(*at, 8, value->bytes))
		return false;
	bytes = number_at(there, 8);
	if (!ps_range_fits(*at + 8, bytes, value->bytes))
		return false;
	*text = there + 8;
	*length = (size_t)bytes;
	*at += 8 + bytes;
	return true;
}

bool ps_gguf_string(const ps_gguf *gguf, const ps_gguf_value *value, const char **text,
		    size_t *length)
{
	uint64_t at = 0;

	return !value->is_array && ps_gguf_next_string(gguf, value, &at, text, length);
}

bool ps_gguf_is(const ps_gguf *gguf, const ps_gguf_value *value, const char *text)
{
	const char *own;
	size_t length;

	return value && ps_gguf_string(gguf, value, &own, &length) && length == strlen(text) &&
	       !memcmp(own, text, length);
}
