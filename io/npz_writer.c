/* A zip file is written from its start to its end, but for the local headers. The CRC-32 in a local
 * header is known when the entry is whole, so each header is written then, at its place:
 *
 *   | local header | npy header | data | local header | ... | directory | zip64 end | end |
 *
 * The records are those of PKWARE's APPNOTE 6.3.9, 4.3 and 4.5.3. */
#include "io/npz_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/temporary.h"

#define MASKED ((uint64_t)0xffffffff) /* the value stands in the zip64 record */

enum {
	NAME_MAX_BYTES = 64,
	NPY_HEADER = 192, /* bytes: magic, version, length, dictionary, spaces, newline */
	LOCAL_BYTES = 30 + 20,
	DATE_1980 = 0x21,
	VERSION_ZIP64 = 45
};

struct entry {
	char name[NAME_MAX_BYTES + 8]; /* with ".npy" */
	char npy[NPY_HEADER];
	uint64_t data_bytes;
	uint64_t place; /* of its local header */
	uint32_t crc;
};

struct ps_npz_writer {
	const ps_sys *sys;
	char *path;
	ps_temporary file;
	struct entry entries[PS_NPZ_WRITER_ARRAYS];
	size_t count;
	uint32_t crc_table[256];
	size_t current; /* the entry that is being written; count: all are whole */
	uint64_t left;  /* bytes of its data that have not come yet */
	uint64_t end;   /* of what was given, in the file */
	char *buffer;   /* what was given and is not written: the last `used` bytes before end */
	size_t used;
};

/* --- bytes --- */

/* Little-endian fields, one after the other. */
static char *put(char *at, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		*at++ = (char)(value >> 8 * i & 0xff);
	return at;
}

/* The CRC-32 of zip: reflected, of polynomial 0x04c11db7. */
static void make_crc_table(uint32_t table[256])
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
		table[byte] = crc;
	}
}

static uint32_t add_crc(const uint32_t table[256], uint32_t crc, const char *data, size_t bytes)
{
	crc = ~crc;
	for (size_t i = 0; i < bytes; i++)
		crc = table[(crc ^ (unsigned char)data[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

static int write_at(const ps_npz_writer *w, const void *data, size_t bytes, uint64_t offset,
		    ps_diag *diag)
{
	const int rc = ps_sys_pwrite_full(w->sys, w->file.fd, data, bytes, (off_t)offset);

	return rc ? ps_fail_errno(diag, -rc, "%s: cannot be written at offset %llu", w->path,
				  (unsigned long long)offset)
		  : 0;
}

static int flush(ps_npz_writer *w, ps_diag *diag)
{
	const size_t used = w->used;

	w->used = 0;
	return used ? write_at(w, w->buffer, used, w->end - used, diag) : 0;
}

static int append(ps_npz_writer *w, const void *data, size_t bytes, ps_diag *diag)
{
	const char *at = data;
	int rc = 0;

	while (bytes && !rc) {
		const size_t taken = ps_min_size(bytes, PS_NPZ_WRITER_BYTES - w->used);

		memcpy(w->buffer + w->used, at, taken);
		w->used += taken;
		w->end += taken;
		at += taken;
		bytes -= taken;
		if (w->used == PS_NPZ_WRITER_BYTES)
			rc = flush(w, diag);
	}
	return rc;
}

/* --- records --- */

/* What a local header and a directory's entry share: from the version to the length of the name. */
static char *put_common(char *at, const struct entry *e)
{
	at = put(at, VERSION_ZIP64, 2);
	at = put(at, 0, 2); /* flags */
	at = put(at, 0, 2); /* stored */
	at = put(at, 0, 2); /* time */
	at = put(at, DATE_1980, 2);
	at = put(at, e->crc, 4);
	at = put(at, MASKED, 4);
	at = put(at, MASKED, 4);
	return put(at, strlen(e->name), 2);
}

/* The two sizes of a zip64 record: stored is as long as unpacked. */
static char *put_sizes(char *at, const struct entry *e, int record_bytes)
{
	at = put(at, 1, 2);
	at = put(at, (uint64_t)record_bytes, 2);
	at = put(at, NPY_HEADER + e->data_bytes, 8);
	return put(at, NPY_HEADER + e->data_bytes, 8);
}

static int write_local(const ps_npz_writer *w, const struct entry *e, ps_diag *diag)
{
	char raw[LOCAL_BYTES + sizeof e->name], *at = put(raw, 0x04034b50, 4);
	const size_t length = strlen(e->name);

	at = put_common(at, e);
	at = put(at, 20, 2);
	memcpy(at, e->name, length);
	put_sizes(at + length, e, 16);
	return write_at(w, raw, LOCAL_BYTES + length, e->place, diag);
}

static int append_directory(ps_npz_writer *w, ps_diag *diag)
{
	int rc = 0;

	for (size_t i = 0; i < w->count && !rc; i++) {
		const struct entry *e = &w->entries[i];
		const size_t length = strlen(e->name);
		char raw[128 + sizeof e->name], *at = put(raw, 0x02014b50, 4);

		at = put(at, VERSION_ZIP64, 2);
		at = put_common(at, e);
		at = put(at, 28, 2); /* the zip64 record */
		at = put(at, 0, 2);  /* comment */
		at = put(at, 0, 2);  /* disk */
		at = put(at, 0, 2);  /* attributes */
		at = put(at, 0, 4);
		at = put(at, MASKED, 4);
		memcpy(at, e->name, length);
		at = put_sizes(at + length, e, 24);
		at = put(at, e->place, 8);
		rc = append(w, raw, (size_t)(at - raw), diag);
	}
	return rc;
}

static int append_end(ps_npz_writer *w, uint64_t directory, ps_diag *diag)
{
	const uint64_t end = w->end;
	char raw[128], *at = put(raw, 0x06064b50, 4);

	at = put(at, 44, 8);
	at = put(at, VERSION_ZIP64, 2);
	at = put(at, VERSION_ZIP64, 2);
	at = put(at, 0, 4);
	at = put(at, 0, 4);
	at = put(at, w->count, 8);
	at = put(at, w->count, 8);
	at = put(at, end - directory, 8);
	at = put(at, directory, 8);
	at = put(at, 0x07064b50, 4); /* where that record is */
	at = put(at, 0, 4);
	at = put(at, end, 8);
	at = put(at, 1, 4);
	at = put(at, 0x06054b50, 4);
	at = put(at, 0, 4);
	at = put(at, w->count, 2);
	at = put(at, w->count, 2);
	at = put(at, MASKED, 4);
	at = put(at, MASKED, 4);
	at = put(at, 0, 2);
	return append(w, raw, (size_t)(at - raw), diag);
}

/* --- entries --- */

static const char *descr_of(ps_dtype dtype)
{
	return dtype == PS_F32 ? "<f4" : dtype == PS_F64 ? "<f8" : dtype == PS_F16 ? "<f2" : NULL;
}

/* The npy header, as numpy.lib.format writes version 1.0. False: no room, or not its type. */
static bool make_npy(const ps_tensor_decl *array, char out[NPY_HEADER])
{
	static const char magic[] = "\x93NUMPY\x01";
	const char *descr = descr_of(array->dtype);
	char text[NPY_HEADER - 10], shape[96] = "";
	size_t used = 0;
	int length;

	for (int i = 0; i < array->rank && used < sizeof shape - 32; i++)
		used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%llu", i ? ", " : "",
					 (unsigned long long)array->shape[i]);
	length = snprintf(text, sizeof text,
			  "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }",
			  descr ? descr : "", shape, array->rank == 1 ? "," : "");
	if (!descr || array->rank < 1 || length < 0 || (size_t)length >= sizeof text - 1)
		return false;
	memset(out, ' ', NPY_HEADER);
	memcpy(out, magic, 8); /* with the NUL: minor version 0 */
	put(out + 8, sizeof text, 2);
	memcpy(out + 10, text, (size_t)length);
	out[NPY_HEADER - 1] = '\n';
	return true;
}

static int declare(ps_npz_writer *w, const ps_tensor_decl *array, ps_diag *diag)
{
	struct entry *e = &w->entries[w->count];
	size_t bytes = ps_dtype_size(array->dtype);
	bool fits = w->count < PS_NPZ_WRITER_ARRAYS && strlen(array->name) <= NAME_MAX_BYTES &&
		    make_npy(array, e->npy);

	for (int i = 0; i < array->rank; i++)
		fits = fits && ps_size_mul(bytes, array->shape[i], &bytes) && bytes;
	if (!fits)
		return ps_fail(diag, PS_EFAILED, "%s: array %s cannot be written to an npz",
			       w->path, array->name);
	snprintf(e->name, sizeof e->name, "%s.npy", array->name);
	e->data_bytes = bytes;
	w->count++;
	return 0;
}

/* Leaves room for the local header of the current entry, and begins its npy file. */
static int begin_entry(ps_npz_writer *w, ps_diag *diag)
{
	struct entry *e = &w->entries[w->current];
	int rc = flush(w, diag);

	if (rc)
		return rc;
	e->place = w->end;
	w->end += LOCAL_BYTES + strlen(e->name);
	w->left = e->data_bytes;
	e->crc = add_crc(w->crc_table, 0, e->npy, sizeof e->npy);
	return append(w, e->npy, sizeof e->npy, diag);
}

/* The current entry is whole. */
static int end_entry(ps_npz_writer *w, ps_diag *diag)
{
	int rc = write_local(w, &w->entries[w->current], diag);

	if (rc || ++w->current == w->count)
		return rc;
	return begin_entry(w, diag);
}

/* --- the writer --- */

static void release(ps_npz_writer *w)
{
	free(w->buffer);
	free(w->path);
	free(w);
}

int ps_npz_writer_create(ps_npz_writer **out, const ps_sys *sys, const char *path,
			 const ps_tensor_decl *arrays, size_t count, ps_diag *diag)
{
	ps_npz_writer *w = calloc(1, sizeof *w);
	int rc;

	*out = NULL;
	if (!w)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory", path);
	w->sys = sys;
	w->path = strdup(path);
	w->buffer = malloc(PS_NPZ_WRITER_BYTES);
	w->file.fd = -1;
	make_crc_table(w->crc_table);
	rc = w->path && w->buffer ? 0 : ps_fail(diag, PS_EBUDGET, "%s: no memory", path);
	if (!rc && !count)
		rc = ps_fail(diag, PS_EFAILED, "%s: an npz of no arrays", path);
	for (size_t i = 0; i < count && !rc; i++)
		rc = declare(w, &arrays[i], diag);
	if (!rc)
		rc = ps_temporary_open(&w->file, sys, w->path, diag);
	if (!rc)
		rc = begin_entry(w, diag);
	if (rc) {
		ps_npz_writer_abort(w);
		return rc;
	}
	*out = w;
	return 0;
}

int ps_npz_writer_write(ps_npz_writer *w, const void *data, size_t bytes, ps_diag *diag)
{
	const char *at = data;
	int rc = 0;

	while (bytes && !rc) {
		struct entry *e = &w->entries[w->current];
		const size_t taken = (size_t)ps_min_size(bytes, (size_t)w->left);

		if (w->current == w->count)
			return ps_fail(diag, PS_EFAILED, "%s: more data than was declared",
				       w->path);
		e->crc = add_crc(w->crc_table, e->crc, at, taken);
		rc = append(w, at, taken, diag);
		w->left -= taken;
		at += taken;
		bytes -= taken;
		if (!rc && !w->left)
			rc = end_entry(w, diag);
	}
	return rc;
}

int ps_npz_writer_commit(ps_npz_writer *w, ps_diag *diag)
{
	const uint64_t directory = w->end;
	int rc = w->current == w->count
			 ? append_directory(w, diag)
			 : ps_fail(diag, PS_EFAILED, "%s: less data than was declared", w->path);

	if (!rc)
		rc = append_end(w, directory, diag);
	if (!rc)
		rc = flush(w, diag);
	if (rc) {
		ps_npz_writer_abort(w);
		return rc;
	}
	rc = ps_temporary_keep(&w->file, diag);
	release(w);
	return rc;
}

void ps_npz_writer_abort(ps_npz_writer *w)
{
	if (!w)
		return;
	ps_temporary_drop(&w->file);
	release(w);
}
