#include "io/mask_tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bitmap.h"
#include "core/base/checked.h"
#include "core/base/digest.h"
#include "io/npz.h"
#include "io/verified_file.h"

struct mask_tensors {
	const char *path; /* owned by the file */
	bool is_npz;
	ps_safetensors file; /* one of these two is open */
	ps_npz npz;
	ps_mask_coding coding;
	ps_mask_entry *entries; /* (count), in the model's order */
	size_t count;
	/* Of an npz: what was read of the current array. */
	uint64_t at;
	uint8_t last; /* the byte before it */
	uint8_t *buffer;
};

/* --- the container --- */

static size_t tensor_count(const struct mask_tensors *m)
{
	return m->is_npz ? m->npz.count : m->file.count;
}

static const ps_tensor_info *tensor_of(const struct mask_tensors *m, size_t index)
{
	return m->is_npz ? &m->npz.arrays[index].info : &m->file.tensors[index];
}

/* Bytes [offset, offset + count) of a tensor, in *out: in the mapping, or in the buffer. Those of
 * an npz come in order; the last byte of one call may be the first one of the next. */
static int get_bytes(struct mask_tensors *m, size_t index, uint64_t offset, size_t count,
		     const uint8_t **out, ps_diag *diag)
{
	size_t have = 0;
	int rc = 0;

	if (!m->is_npz) {
		*out = (const uint8_t *)ps_safetensors_data(&m->file, tensor_of(m, index)) + offset;
		return 0;
	}
	*out = m->buffer;
	if (!offset) {
		rc = ps_npz_begin(&m->npz, index, diag);
		m->at = 0;
	}
	if (!rc && offset + 1 == m->at) {
		m->buffer[0] = m->last;
		have = 1;
	}
	if (!rc && count > have)
		rc = ps_npz_read(&m->npz, m->buffer + have, count - have, diag);
	m->at = offset + count;
	m->last = m->buffer[count - 1];
	return rc;
}

/* " at offset N", or nothing for an npz, whose bytes may be deflated. */
static uint64_t offset_of(const struct mask_tensors *m, size_t index, uint64_t byte)
{
	return m->is_npz ? byte : tensor_of(m, index)->offset + byte;
}

static const char *offset_word(const struct mask_tensors *m)
{
	return m->is_npz ? "byte of the array" : "offset";
}

/* --- values --- */

/* A type of numbers, and its 1 as little-endian bytes. A sign bit alone is a 0, too. */
struct value_type {
	const char *name;
	size_t size;
	uint64_t one, minus_zero;
};

static const struct value_type value_types[] = {
	{"BOOL", 1, 1, 0},
	{"U8", 1, 1, 0},
	{"I8", 1, 1, 0},
	{"I16", 2, 1, 0},
	{"I32", 4, 1, 0},
	{"I64", 8, 1, 0},
	{"F16", 2, 0x3c00, 0x8000},
	{"BF16", 2, 0x3f80, 0x8000},
	{"F32", 4, 0x3f800000, 0x80000000},
	{"F64", 8, 0x3ff0000000000000, 0x8000000000000000},
};

static const struct value_type *type_of(const ps_tensor_info *info)
{
	for (size_t i = 0; i < sizeof value_types / sizeof *value_types; i++)
		if (!strcmp(value_types[i].name, info->dtype_name))
			return &value_types[i];
	return NULL;
}

static int refuse_value(const struct mask_tensors *m, size_t entry, size_t row, size_t col,
			size_t size, ps_diag *diag)
{
	const ps_mask_entry *e = &m->entries[entry];
	const ps_tensor_info *info = tensor_of(m, e->index);
	const uint64_t byte = ((uint64_t)row * e->matrix.cols + col) * size;
	const bool bytes = size == 1;

	return ps_fail(diag, PS_EINPUT,
		       "%s: tensor %s holds another number than 0 and 1 at row %zu, column %zu "
		       "(%s %" PRIu64 ")%s",
		       m->path, info->name, row, col, offset_word(m), offset_of(m, e->index, byte),
		       bytes ? ": are these packed bits (--bits)?" : "");
}

static int read_values(struct mask_tensors *m, size_t entry, size_t first, size_t rows,
		       uint8_t *bits, ps_diag *diag)
{
	const ps_mask_entry *e = &m->entries[entry];
	const struct value_type *type = type_of(tensor_of(m, e->index));
	const size_t cols = e->matrix.cols, row_bytes = ps_bitmap_row_bytes(cols);
	const uint8_t *raw;
	int rc = get_bytes(m, e->index, (uint64_t)first * cols * type->size,
			   rows * cols * type->size, &raw, diag);

	if (rc)
		return rc;
	memset(bits, 0, rows * row_bytes);
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < cols; c++) {
			uint64_t value = 0;

			memcpy(&value, raw + (r * cols + c) * type->size, type->size);
			if (value == type->one)
				bits[r * row_bytes + c / 8] |= (uint8_t)(1u << c % 8);
			else if (value && value != type->minus_zero)
				return refuse_value(m, entry, first + r, c, type->size, diag);
		}
	return 0;
}

/* --- bits --- */

static bool is_flat(const struct mask_tensors *m, const ps_mask_entry *e)
{
	return tensor_of(m, e->index)->rank == 1;
}

/* The bit of a stream, in the file's order. */
static unsigned bit_of(const uint8_t *raw, size_t bit, bool msb)
{
	return raw[bit / 8] >> (msb ? 7 - bit % 8 : bit % 8) & 1u;
}

static int refuse_padding(const struct mask_tensors *m, const ps_mask_entry *e, uint64_t byte,
			  ps_diag *diag)
{
	return ps_fail(diag, PS_EINPUT, "%s: tensor %s: padding bits are set at %s %" PRIu64,
		       m->path, tensor_of(m, e->index)->name, offset_word(m),
		       offset_of(m, e->index, byte));
}

/* Checks the bits behind the last one of a row, or of a flat mask: up to the next byte. */
static int check_padding(const struct mask_tensors *m, const ps_mask_entry *e, const uint8_t *raw,
			 size_t bit, uint64_t byte, ps_diag *diag)
{
	for (; bit % 8; bit++)
		if (bit_of(raw, bit, m->coding == PS_MASK_BITS_MSB))
			return refuse_padding(m, e, byte + bit / 8, diag);
	return 0;
}

static int read_bits(struct mask_tensors *m, size_t entry, size_t first, size_t rows, uint8_t *bits,
		     ps_diag *diag)
{
	const ps_mask_entry *e = &m->entries[entry];
	const bool msb = m->coding == PS_MASK_BITS_MSB, flat = is_flat(m, e);
	const size_t cols = e->matrix.cols, row_bytes = ps_bitmap_row_bytes(cols),
		     stride = flat ? cols : 8 * row_bytes; /* bits from row to row */
	const uint64_t start = (uint64_t)first * stride, byte = start / 8;
	const size_t shift = (size_t)(start % 8), end = shift + (rows - 1) * stride + cols;
	const uint8_t *raw;
	int rc = get_bytes(m, e->index, byte, ps_div_up(end, 8), &raw, diag);

	if (rc)
		return rc;
	if (!flat && !msb)
		memcpy(bits, raw, rows * row_bytes);
	else
		memset(bits, 0, rows * row_bytes);
	for (size_t r = 0; r < rows && !rc; r++) {
		for (size_t c = 0; c < cols && (flat || msb); c++)
			bits[r * row_bytes + c / 8] |=
				(uint8_t)(bit_of(raw, shift + r * stride + c, msb) << c % 8);
		if (!flat)
			rc = check_padding(m, e, raw, shift + r * stride + cols, byte, diag);
	}
	if (!rc && flat && first + rows == e->matrix.rows)
		rc = check_padding(m, e, raw, end, byte, diag);
	return rc;
}

static int read_rows(void *self, size_t matrix, size_t first, size_t rows, uint8_t *bits,
		     ps_diag *diag)
{
	struct mask_tensors *m = self;

	return m->coding == PS_MASK_VALUES ? read_values(m, matrix, first, rows, bits, diag)
					   : read_bits(m, matrix, first, rows, bits, diag);
}

/* --- shapes --- */

static int refuse_shape(const struct mask_tensors *m, const ps_mask_entry *e, const char *wanted,
			ps_diag *diag)
{
	const ps_tensor_info *info = tensor_of(m, e->index);

	return ps_fail(diag, PS_EINPUT,
		       "%s: tensor %s is %s of rank %d [%" PRIu64 ", %" PRIu64
		       "]: %s of [%zu, %zu]%s is expected",
		       m->path, info->name, info->dtype_name, info->rank,
		       info->rank > 0 ? info->shape[0] : 1, info->rank > 1 ? info->shape[1] : 1,
		       wanted, e->matrix.rows, e->matrix.cols,
		       m->coding == PS_MASK_VALUES ? " (packed bits: --bits)" : "");
}

/* Fills in the shape of a matrix that no model says, and compares one that a model says. */
static int check_values(const struct mask_tensors *m, ps_mask_entry *e, ps_diag *diag)
{
	const ps_tensor_info *info = tensor_of(m, e->index);
	ps_edit_matrix *matrix = &e->matrix;

	if (!type_of(info))
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s is %s: a mask is bool, U8, a whole number or a float",
			       m->path, info->name, info->dtype_name);
	if (info->rank != 2 || !info->bytes || info->shape[0] > INT32_MAX ||
	    info->shape[1] > INT32_MAX)
		return refuse_shape(m, e, "a matrix", diag);
	if (!matrix->rows) {
		matrix->rows = (size_t)info->shape[0];
		matrix->cols = (size_t)info->shape[1];
	}
	if (info->shape[0] != matrix->rows || info->shape[1] != matrix->cols)
		return refuse_shape(m, e, "a value for each weight", diag);
	if (m->is_npz && m->npz.arrays[e->index].fortran_order)
		return ps_fail(
			diag, PS_EINPUT,
			"%s: array %s is in Fortran order: save numpy.ascontiguousarray of it",
			m->path, info->name);
	return 0;
}

/* The logical shape in our metadata. */
static void take_noted_shape(const struct mask_tensors *m, ps_mask_entry *e)
{
	const json_t *note = json_object_get(json_object_get(m->file.metadata, "tensors"),
					     tensor_of(m, e->index)->name);
	const json_int_t rows = json_integer_value(json_object_get(note, "rows")),
			 cols = json_integer_value(json_object_get(note, "cols"));

	if (rows > 0 && rows <= INT32_MAX && cols > 0 && cols <= INT32_MAX) {
		e->matrix.rows = (size_t)rows;
		e->matrix.cols = (size_t)cols;
	}
}

static int check_bits(const struct mask_tensors *m, ps_mask_entry *e, ps_diag *diag)
{
	const ps_tensor_info *info = tensor_of(m, e->index);
	const ps_edit_matrix *matrix = &e->matrix;

	if (!m->is_npz && !matrix->rows)
		take_noted_shape(m, e);
	if (!matrix->rows)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s: packed bits do not say how many columns there are: "
			       "name the model (--model)",
			       m->path, info->name);
	if (info->dtype != PS_U8 ||
	    (m->is_npz && info->rank == 2 && m->npz.arrays[e->index].fortran_order))
		return refuse_shape(m, e, "U8 bits, row after row,", diag);
	if (info->rank == 2 && info->shape[0] == matrix->rows &&
	    info->shape[1] == ps_bitmap_row_bytes(matrix->cols))
		return 0;
	if (info->rank == 1 && info->shape[0] == ps_div_up(matrix->rows * matrix->cols, 8))
		return 0;
	return refuse_shape(m, e, "packed bits", diag);
}

/* --- opening --- */

/* What a safetensors file of ours holds. A mask of ours is bits. */
static int read_kind(struct mask_tensors *m, ps_diag *diag)
{
	const json_t *kind = json_object_get(m->file.metadata, "kind");
	const char *word = json_string_value(kind);

	if (!kind)
		return 0;
	if (word && !strcmp(word, "torch-mask"))
		return 0;
	if (!word || strcmp(word, "mask") != 0)
		return ps_fail(diag, PS_EINPUT, "%s: is not a mask (kind %s)", m->path,
			       word ? word : "unknown");
	if (m->coding == PS_MASK_BITS_MSB)
		return ps_fail(diag, PS_EINPUT,
			       "%s: a mask of ours, whose bits are least significant first",
			       m->path);
	m->coding = PS_MASK_BITS_LSB;
	return 0;
}

static int open_file(struct mask_tensors *m, const ps_sys *sys, const char *path, bool *verified,
		     uint64_t *digest, ps_diag *diag)
{
	const size_t length = strlen(path);
	int rc;

	m->is_npz = length > 4 && !strcmp(path + length - 4, ".npz");
	*verified = false;
	if (m->is_npz) {
		rc = ps_npz_open(&m->npz, sys, path, diag);
		m->path = m->npz.path;
		if (!rc)
			*digest = ps_digest_of(m->npz.map, (size_t)m->npz.file_bytes);
		return rc;
	}
	rc = ps_safetensors_open(&m->file, sys, path, diag);
	if (rc)
		return rc;
	m->path = m->file.path;
	rc = ps_verified_file_check(&m->file, verified, diag);
	if (!rc)
		rc = read_kind(m, diag);
	if (!rc)
		*digest = ps_digest_of(m->file.map, (size_t)m->file.file_bytes);
	return rc;
}

static int list_entries(struct mask_tensors *m, const ps_model_config *config, ps_diag *diag)
{
	int rc = 0;

	m->count = tensor_count(m);
	m->entries = calloc(m->count + 1, sizeof *m->entries);
	if (!m->entries)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for %zu names", m->path, m->count);
	for (size_t i = 0; i < m->count && !rc; i++) {
		ps_mask_entry *e = &m->entries[i];

		rc = ps_mask_entry_parse(e, m->path, tensor_of(m, i)->name, config, diag);
		e->index = i;
		if (!rc)
			rc = m->coding == PS_MASK_VALUES ? check_values(m, e, diag)
							 : check_bits(m, e, diag);
	}
	return rc;
}

/* The most raw bytes that a block of a matrix may have: of an npz they are copied. */
static int take_buffer(struct mask_tensors *m, size_t *bytes, ps_diag *diag)
{
	size_t largest = 0;

	*bytes = 0;
	if (!m->is_npz)
		return 0;
	for (size_t i = 0; i < m->count; i++)
		largest = ps_max_size(largest, m->entries[i].matrix.cols);
	/* A value has at most 8 bytes; a flat block may begin and end within a byte. */
	*bytes = ps_max_size(PS_MASK_BLOCK_BYTES, 8 * largest) + 2;
	m->buffer = malloc(*bytes);
	return m->buffer ? 0 : ps_fail(diag, PS_EBUDGET, "%s: no memory for rows", m->path);
}

static void close_tensors(void *self)
{
	struct mask_tensors *m = self;

	if (m->is_npz)
		ps_npz_close(&m->npz);
	else
		ps_safetensors_close(&m->file);
	free(m->entries);
	free(m->buffer);
	free(m);
}

int ps_mask_tensors_open(ps_mask_source *source, const ps_sys *sys, const char *path,
			 ps_mask_coding coding, const ps_model_config *config, ps_diag *diag)
{
	struct mask_tensors *m = calloc(1, sizeof *m);
	int rc;

	*source = (ps_mask_source){.self = m, .read = read_rows, .close = m ? close_tensors : NULL};
	if (!m)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory", path);
	*m = (struct mask_tensors){.file = {.fd = -1}, .npz = {.fd = -1}, .coding = coding};
	rc = open_file(m, sys, path, &source->verified, &source->digest, diag);
	source->about = m->file.metadata;
	if (!rc)
		rc = list_entries(m, config, diag);
	if (!rc)
		rc = take_buffer(m, &source->bytes, diag);
	if (!rc)
		rc = ps_mask_source_list(source, m->path, m->entries, m->count, diag);
	if (rc)
		ps_mask_source_close(source);
	return rc;
}
