/* The data is written first, at its final place. The header is written last, when all checksums are
 * known. The text of a checksum has a fixed length, so create knows how many bytes to reserve.
 *
 *   | n | JSON   | head: blocks held (defer) | written pieces | piece: tail  |
 *   0            data_offset                                                + data_bytes
 */
#include "io/artefact.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "core/base/utf8.h"
#include "io/checksums.h"
#include "io/temporary.h"

#define DATA_ALIGNMENT ((size_t)4096)

static const char zero_digits[PS_DIGEST_TEXT] = "0000000000000000";

struct ps_artefact {
	const ps_sys *sys;
	char *path, *kind;
	ps_temporary file;
	json_t *ours;    /* the prunescope object without xxh3 */
	json_t *entries; /* name -> {dtype, shape, data_offsets}, in order */
	uint64_t data_offset, data_bytes;
	uint64_t position; /* of the next byte that write will bring, in the data */
	uint64_t *sums;    /* (block_count): checksums */
	size_t block_count;
	ps_digest *digest; /* of the block that position lies in, up to the last piece */
	char *piece;       /* buffer for the piece that position lies in; NULL until needed */
	char *head;        /* the deferred bytes, in whole blocks; NULL: none */
	size_t head_bytes; /* size of head: whole blocks, or all of the data */
};

static size_t block_length(const ps_artefact *artefact, size_t block)
{
	return (size_t)ps_min_size(PS_BLOCK_BYTES,
				   (size_t)artefact->data_bytes - block * PS_BLOCK_BYTES);
}

/* Writes bytes of the file and lets the disk begin with them. */
static int write_at(const ps_artefact *artefact, uint64_t offset, const char *bytes, size_t length,
		    ps_diag *diag)
{
	const ps_sys *sys = artefact->sys;
	int rc = ps_sys_pwrite_full(sys, artefact->file.fd, bytes, length, (off_t)offset);

	if (rc)
		return ps_fail_errno(diag, -rc, "%s: cannot be written at offset %llu",
				     artefact->path, (unsigned long long)offset);
	/* Whether it begins now or with the fsync changes nothing but the time. */
	(void)sys->start_write(artefact->file.fd, (off_t)offset, (off_t)length);
	return 0;
}

/* --- header --- */

/* The text of the prunescope object with its checksums. The header's own checksum is all zeros.
 * Malloc'ed; NULL: no memory. */
static char *ours_text(const ps_artefact *artefact)
{
	json_t *whole = ps_json_share(artefact->ours), *blocks = json_array();
	char digits[PS_DIGEST_TEXT], *text = NULL;
	int lost = 0;

	for (size_t i = 0; i < artefact->block_count; i++)
		lost |= json_array_append_new(
			blocks, json_string(ps_digest_format(artefact->sums[i], digits)));
	lost |= json_object_set_new(whole, "xxh3",
				    json_pack("{s:I, s:O, s:s}", "block_bytes",
					      (json_int_t)PS_BLOCK_BYTES, "blocks", blocks,
					      "header", zero_digits));
	if (!lost)
		text = ps_json_text(whole, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(blocks);
	json_decref(whole);
	return text;
}

/* The header's JSON, with zeros for its own checksum. Malloc'ed; NULL: no memory. */
static char *header_json(const ps_artefact *artefact)
{
	char *ours = ours_text(artefact), *json = NULL;
	const char *kind = json_string_value(json_object_get(artefact->ours, "kind"));
	/* transformers before 5 refuses weights whose metadata do not say so. */
	const char *format = kind && !strcmp(kind, "checkpoint") ? "pt" : NULL;
	json_t *header = json_pack("{s:{s:s*, s:s}}", "__metadata__", "format", format,
				   "prunescope", ours ? ours : ""),
	       *entry;
	const char *name;
	int lost = !ours || !header;

	json_object_foreach (artefact->entries, name, entry)
		lost |= json_object_set(header, name, entry);
	if (!lost)
		json = ps_json_text(header, JSON_COMPACT);
	free(ours);
	json_decref(header);
	return json;
}

/* All bytes before the data, padded. The caller still has to put the length (put_length).
 * Malloc'ed; NULL: no memory. */
static char *header_text(const ps_artefact *artefact, size_t *bytes)
{
	char *json = header_json(artefact), *raw = NULL;

	if (json) {
		size_t length = strlen(json);

		*bytes = ps_round_up(8 + length, DATA_ALIGNMENT);
		raw = malloc(*bytes);
		if (raw) {
			memset(raw, ' ', *bytes);
			/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): spaces follow */
			memcpy(raw + 8, json, length);
		}
	}
	free(json);
	return raw;
}

static void put_length(char *raw, size_t bytes)
{
	for (int i = 0; i < 8; i++)
		raw[i] = (char)((bytes - 8) >> 8 * i & 0xff);
}

static int write_header(ps_artefact *artefact, ps_diag *diag)
{
	size_t bytes = 0, whole = (size_t)artefact->data_offset;
	char digits[PS_DIGEST_TEXT], *text = header_text(artefact, &bytes),
				     *raw = text ? realloc(text, ps_max_size(whole, bytes)) : NULL;
	const char *place;
	int rc;

	if (!raw) {
		free(text);
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its header", artefact->path);
	}
	if (bytes > whole) {
		free(raw);
		return ps_fail(diag, PS_EFAILED,
			       "%s: a header of %zu bytes does not fit into the %zu reserved",
			       artefact->path, bytes, whole);
	}
	memset(raw + bytes, ' ', whole - bytes);
	put_length(raw, whole);
	place = ps_checksum_place(raw, whole, zero_digits);
	if (!place) {
		free(raw);
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its checksums", artefact->path);
	}
	memcpy(raw + (place - raw), ps_digest_format(ps_digest_of(raw, whole), digits), PS_DIGITS);
	rc = write_at(artefact, 0, raw, whole, diag);
	free(raw);
	return rc;
}

/* --- create --- */

/* The tensor's end in the data, after checks of its name, size and place. */
static int check_tensor(const ps_artefact *artefact, const ps_tensor_decl *tensor, size_t width,
			uint64_t *end, ps_diag *diag)
{
	size_t bytes = ps_dtype_size(tensor->dtype), last = 0;
	bool fits = true;

	for (int i = 0; i < tensor->rank; i++)
		fits = fits && tensor->shape[i] <= INT64_MAX &&
		       ps_size_mul(bytes, tensor->shape[i], &bytes);
	if (!fits || !ps_size_add((size_t)artefact->data_bytes, bytes, &last) ||
	    last > INT64_MAX - ((uint64_t)1 << 40))
		return ps_fail(diag, PS_EFAILED, "%s: tensor %s: its size overflows",
			       artefact->path, tensor->name);
	if (ps_dtype_size(tensor->dtype) > width)
		return ps_fail(diag, PS_EFAILED, "%s: tensor %s: wider dtypes are declared first",
			       artefact->path, tensor->name);
	if (json_object_get(artefact->entries, tensor->name) ||
	    !strcmp(tensor->name, "__metadata__"))
		return ps_fail(diag, PS_EFAILED, "%s: tensor %s is declared twice", artefact->path,
			       tensor->name);
	if (ps_utf8_invalid(tensor->name, strlen(tensor->name)) < strlen(tensor->name))
		return ps_fail(diag, PS_EFAILED, "%s: tensor %s: not a name in UTF-8",
			       artefact->path, tensor->name);
	*end = last;
	return 0;
}

/* *width: bytes of an element of the tensor before, which this one's must not exceed. */
static int declare(ps_artefact *artefact, const ps_tensor_decl *tensor, size_t *width,
		   ps_diag *diag)
{
	const uint64_t begin = artefact->data_bytes;
	json_t *shape;
	int rc = check_tensor(artefact, tensor, *width, &artefact->data_bytes, diag), lost = 0;

	if (rc)
		return rc;
	*width = ps_dtype_size(tensor->dtype);
	shape = json_array();
	for (int i = 0; i < tensor->rank; i++)
		lost |= json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
	lost |= json_object_set_new(artefact->entries, tensor->name,
				    json_pack("{s:s, s:o, s:[I, I]}", "dtype",
					      ps_dtype_name(tensor->dtype), "shape", shape,
					      "data_offsets", (json_int_t)begin,
					      (json_int_t)artefact->data_bytes));
	return lost ? ps_fail(diag, PS_EBUDGET, "%s: no memory for its tensors", artefact->path)
		    : 0;
}

static void release(ps_artefact *artefact)
{
	json_decref(artefact->ours);
	json_decref(artefact->entries);
	free(artefact->sums);
	ps_digest_destroy(artefact->digest);
	free(artefact->piece);
	free(artefact->head);
	free(artefact->kind);
	free(artefact->path);
	free(artefact);
}

int ps_artefact_set_extra(ps_artefact *artefact, const json_t *extra, ps_diag *diag)
{
	json_decref(artefact->ours);
	artefact->ours = extra ? ps_json_share(extra) : json_object();
	if (json_object_set_new(artefact->ours, "kind", json_string(artefact->kind)) ||
	    json_object_set_new(artefact->ours, "version", json_integer(PS_ARTEFACT_VERSION)))
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its metadata", artefact->path);
	return 0;
}

/* Finds how long the header will be, from one whose checksums are all zeros. */
static int reserve(ps_artefact *artefact, ps_diag *diag)
{
	size_t bytes = 0;
	char *raw;

	artefact->block_count = ps_div_up((size_t)artefact->data_bytes, PS_BLOCK_BYTES);
	artefact->sums = calloc(artefact->block_count + 1, sizeof *artefact->sums);
	raw = artefact->sums ? header_text(artefact, &bytes) : NULL;
	if (!raw)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its header", artefact->path);
	free(raw);
	artefact->data_offset = bytes;
	return 0;
}

int ps_artefact_create(ps_artefact **out, const ps_sys *sys, const ps_artefact_spec *spec,
		       ps_diag *diag)
{
	ps_artefact *artefact = calloc(1, sizeof *artefact);
	size_t width = SIZE_MAX;
	int rc;

	*out = NULL;
	if (!artefact)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory", spec->path);
	artefact->sys = sys;
	artefact->path = strdup(spec->path);
	artefact->kind = strdup(spec->kind);
	artefact->entries = json_object();
	artefact->digest = ps_digest_create();
	if (!artefact->path || !artefact->kind || !artefact->entries || !artefact->digest)
		rc = ps_fail(diag, PS_EBUDGET, "%s: no memory", spec->path);
	else
		rc = ps_artefact_set_extra(artefact, spec->extra, diag);
	for (size_t i = 0; i < spec->count && !rc; i++)
		rc = declare(artefact, &spec->tensors[i], &width, diag);
	if (!rc)
		rc = reserve(artefact, diag);
	if (!rc)
		rc = ps_temporary_open(&artefact->file, sys, artefact->path, diag);
	if (rc) {
		release(artefact);
		return rc;
	}
	*out = artefact;
	return 0;
}

/* --- data --- */

/* Writes bytes of one block, whole pieces or all up to its end. They come in order, so that the
 * last of a block completes its checksum. */
static int put(ps_artefact *artefact, uint64_t at, const char *data, size_t bytes, ps_diag *diag)
{
	const size_t block = (size_t)(at / PS_BLOCK_BYTES);
	const uint64_t in_block = at % PS_BLOCK_BYTES;

	if (!in_block)
		ps_digest_clear(artefact->digest);
	ps_digest_add(artefact->digest, data, bytes);
	if (in_block + bytes == block_length(artefact, block))
		artefact->sums[block] = ps_digest_value(artefact->digest);
	return write_at(artefact, artefact->data_offset + at, data, bytes, diag);
}

/* Gathers the next bytes of the data in the piece's buffer, and writes it once it is full. */
static int gather(ps_artefact *artefact, const char *data, size_t bytes, size_t length,
		  ps_diag *diag)
{
	const size_t used = (size_t)(artefact->position % PS_PIECE_BYTES);

	if (!artefact->piece)
		artefact->piece = malloc(ps_min_size(PS_PIECE_BYTES, (size_t)artefact->data_bytes));
	if (!artefact->piece)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for %zu bytes", artefact->path,
			       length);
	memcpy(artefact->piece + used, data, bytes);
	return used + bytes < length
		       ? 0
		       : put(artefact, artefact->position - used, artefact->piece, length, diag);
}

/* Takes the next part of the data: into the head, straight to disk, or into the piece's buffer.
 * *taken: how many of the bytes. */
static int take(ps_artefact *artefact, const char *data, size_t bytes, size_t *taken, ps_diag *diag)
{
	const uint64_t position = artefact->position;
	const size_t used = (size_t)(position % PS_PIECE_BYTES),
		     block_end = block_length(artefact, (size_t)(position / PS_BLOCK_BYTES)) -
				 (size_t)(position % PS_BLOCK_BYTES),
		     piece_end = ps_min_size(PS_PIECE_BYTES - used, block_end);

	if (position < artefact->head_bytes) {
		*taken = ps_min_size(bytes, artefact->head_bytes - (size_t)position);
		memcpy(artefact->head + position, data, *taken);
		return 0;
	}
	if (!used && bytes >= piece_end) {
		*taken = bytes < block_end ? bytes / PS_PIECE_BYTES * PS_PIECE_BYTES : block_end;
		return put(artefact, position, data, *taken, diag);
	}
	*taken = ps_min_size(bytes, piece_end);
	return gather(artefact, data, *taken, used + piece_end, diag);
}

int ps_artefact_write(ps_artefact *artefact, const void *data, size_t bytes, ps_diag *diag)
{
	const char *at = data;

	if (bytes > artefact->data_bytes - artefact->position)
		return ps_fail(diag, PS_EFAILED, "%s: more data than was declared", artefact->path);
	while (bytes) {
		size_t taken = 0;
		int rc = take(artefact, at, bytes, &taken, diag);

		if (rc)
			return rc;
		artefact->position += taken;
		at += taken;
		bytes -= taken;
	}
	return 0;
}

int ps_artefact_defer(ps_artefact *artefact, size_t bytes, ps_diag *diag)
{
	if (artefact->position || artefact->head || bytes > artefact->data_bytes)
		return ps_fail(diag, PS_EFAILED,
			       "%s: only the beginning of the data can be deferred",
			       artefact->path);
	artefact->head_bytes =
		ps_min_size(ps_round_up(bytes, PS_BLOCK_BYTES), (size_t)artefact->data_bytes);
	artefact->head = calloc(1, artefact->head_bytes + 1);
	if (!artefact->head)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for %zu bytes", artefact->path,
			       artefact->head_bytes);
	artefact->position = bytes;
	return 0;
}

void ps_artefact_fill(ps_artefact *artefact, size_t offset, const void *data, size_t bytes)
{
	memcpy(artefact->head + offset, data, bytes);
}

/* The deferred head and the header: everything that is not written yet. */
static int write_rest(ps_artefact *artefact, ps_diag *diag)
{
	int rc = 0;

	if (artefact->position != artefact->data_bytes)
		return ps_fail(diag, PS_EFAILED, "%s: %llu bytes of data, %llu were declared",
			       artefact->path, (unsigned long long)artefact->position,
			       (unsigned long long)artefact->data_bytes);
	for (size_t at = 0; !rc && at < artefact->head_bytes; at += PS_BLOCK_BYTES)
		rc = put(artefact, at, artefact->head + at,
			 block_length(artefact, at / PS_BLOCK_BYTES), diag);
	return rc ? rc : write_header(artefact, diag);
}

/* Renames the files and fsyncs their folders. */
static int keep_all(ps_artefact *const *artefacts, size_t count, ps_diag *diag)
{
	const ps_temporary *last = NULL;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++)
		rc = ps_temporary_rename(&artefacts[i]->file, diag);
	for (size_t i = 0; i < count && !rc; i++) {
		const ps_temporary *file = &artefacts[i]->file;

		if (!last || strcmp(file->folder, last->folder) != 0)
			rc = ps_temporary_sync_folder(file, diag);
		last = file;
	}
	return rc;
}

int ps_artefact_commit_all(ps_artefact *const *artefacts, size_t count, ps_diag *diag)
{
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++)
		rc = write_rest(artefacts[i], diag);
	/* All are being written by now. So the first fsync waits for most of the others' bytes. */
	for (size_t i = 0; i < count && !rc; i++)
		rc = ps_temporary_sync(&artefacts[i]->file, diag);
	if (!rc)
		rc = keep_all(artefacts, count, diag);
	for (size_t i = 0; i < count; i++)
		ps_artefact_abort(artefacts[i]);
	return rc;
}

int ps_artefact_commit(ps_artefact *artefact, ps_diag *diag)
{
	return ps_artefact_commit_all(&artefact, 1, diag);
}

void ps_artefact_abort(ps_artefact *artefact)
{
	if (!artefact)
		return;
	ps_temporary_drop(&artefact->file);
	release(artefact);
}
