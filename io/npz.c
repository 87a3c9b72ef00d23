#include "io/npz.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zip.h>

#include "core/base/checked.h"
#include "io/file.h"
#include "io/map_guard.h"
#include "io/recognize.h"

#define NPY ".npy"
#define DEFLATE_RATIO_MAX ((uint64_t)1032) /* bytes that one deflated byte can become at most */

/* --- errors --- */

/* libzip 1.7 calls some archives damaged for which it had no memory, and so does zlib. malloc says
 * so in errno, which is 0 before each of their calls. */
static int fail_zip(const ps_npz *npz, const char *name, zip_error_t *error, ps_diag *diag)
{
	if (errno == ENOMEM || zip_error_code_zip(error) == ZIP_ER_MEMORY)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory to read the archive", npz->path);
	return ps_fail(diag, PS_EINPUT, "%s: %s%sthe zip archive is damaged: %s", npz->path,
		       name ? name : "", name ? ": " : "", zip_error_strerror(error));
}

/* What went wrong with the whole archive. */
static int fail_archive(const ps_npz *npz, const char *name, ps_diag *diag)
{
	return fail_zip(npz, name, zip_get_error(npz->zip), diag);
}

/* --- reading an entry --- */

static void leave_entry(ps_npz *npz)
{
	if (npz->entry)
		(void)zip_fclose(npz->entry);
	npz->entry = NULL;
}

static int begin_entry(ps_npz *npz, size_t index, const char *name, ps_diag *diag)
{
	leave_entry(npz);
	errno = 0;
	npz->entry = zip_fopen_index(npz->zip, index, 0);
	return npz->entry ? 0 : fail_archive(npz, name, diag);
}

/* Reads the next bytes of the entry, all of them. */
static int read_entry(ps_npz *npz, const char *name, void *out, size_t bytes, ps_diag *diag)
{
	for (size_t done = 0; done < bytes;) {
		zip_int64_t got;

		errno = 0;
		got = zip_fread(npz->entry, (char *)out + done, bytes - done);
		if (got < 0)
			return fail_zip(npz, name, zip_file_get_error(npz->entry), diag);
		if (!got)
			return ps_fail(diag, PS_EINPUT, "%s: %s: the entry ends too early",
				       npz->path, name);
		done += (size_t)got;
	}
	return 0;
}

/* libzip compares the checksum when it is asked for bytes behind the last one. */
static int end_entry(ps_npz *npz, const char *name, ps_diag *diag)
{
	char byte;
	zip_int64_t got;

	errno = 0;
	got = zip_fread(npz->entry, &byte, 1);
	if (got < 0)
		return fail_zip(npz, name, zip_file_get_error(npz->entry), diag);
	return got ? ps_fail(diag, PS_EINPUT, "%s: %s: the entry goes on behind its data",
			     npz->path, name)
		   : 0;
}

/* --- opening --- */

static int map_file(ps_npz *npz, ps_diag *diag)
{
	void *map;

	npz->fd = ps_file_open(npz->sys, npz->path, &npz->file_bytes, diag);
	if (npz->fd < 0)
		return npz->fd;
	if (!npz->file_bytes)
		return ps_fail(diag, PS_EINPUT, "%s: is empty", npz->path);
	map = mmap(NULL, (size_t)npz->file_bytes, PROT_READ, MAP_SHARED, npz->fd, 0);
	if (map == MAP_FAILED)
		return ps_fail_input(diag, errno, "%s: cannot be mapped", npz->path);
	npz->map = map;
	ps_map_guard_add(map, (size_t)npz->file_bytes, npz->path, npz->fd);
	return 0;
}

static int open_zip(ps_npz *npz, ps_diag *diag)
{
	zip_error_t error;
	zip_source_t *source;
	int rc = 0;

	if (npz->file_bytes < 4 || memcmp(npz->map, "PK", 2) != 0) {
		const char *what =
			ps_recognize_bytes(npz->map, ps_min_size(npz->file_bytes, 16), "");

		return ps_fail(diag, PS_EINPUT, "%s: is %s, not a NumPy archive (npz)", npz->path,
			       what ? what : "something else");
	}
	zip_error_init(&error);
	errno = 0;
	source = zip_source_buffer_create(npz->map, npz->file_bytes, 0, &error);
	/* ZIP_CHECKCONS refuses two entries of one name as well. */
	if (source)
		npz->zip = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
	if (!npz->zip) {
		rc = fail_zip(npz, NULL, &error, diag);
		zip_source_free(source);
	}
	zip_error_fini(&error);
	return rc;
}

/* The name of an entry without ".npy". */
static int read_name(ps_npz *npz, ps_npz_array *array, const char *name, ps_diag *diag)
{
	const size_t length = strlen(name), end = strlen(NPY);
	char *copy;

	if (length <= end || strcmp(name + length - end, NPY) != 0)
		return ps_fail(diag, PS_EINPUT, "%s: %.80s is no array: an npz holds npy files",
			       npz->path, name);
	copy = strdup(name);
	if (!copy)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for a name", npz->path);
	copy[length - end] = 0;
	array->info.name = copy;
	return 0;
}

static int check_entry(const ps_npz *npz, const zip_stat_t *st, ps_diag *diag)
{
	const char *name = st->name;

	if (st->encryption_method != ZIP_EM_NONE)
		return ps_fail(diag, PS_EINPUT, "%s: %.80s is encrypted", npz->path, name);
	if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE)
		return ps_fail(diag, PS_EINPUT,
			       "%s: %.80s is compressed by method %u: numpy stores or deflates",
			       npz->path, name, st->comp_method);
	if (st->comp_size > npz->file_bytes ||
	    (st->comp_method == ZIP_CM_STORE ? st->size != st->comp_size
					     : st->size / DEFLATE_RATIO_MAX > st->comp_size))
		return ps_fail(diag, PS_EINPUT,
			       "%s: %.80s says %" PRIu64 " bytes: %" PRIu64
			       " bytes of the archive cannot hold them",
			       npz->path, name, (uint64_t)st->size, (uint64_t)st->comp_size);
	return 0;
}

static int read_header(ps_npz *npz, ps_npz_array *array, size_t index, ps_diag *diag)
{
	char text[PS_NPY_HEADER_MAX];
	const char *name = array->info.name;
	int rc = begin_entry(npz, index, name, diag);

	if (!rc)
		rc = read_entry(npz, name, text, PS_NPY_START, diag);
	if (!rc)
		rc = ps_npy_header_bytes((unsigned char *)text, npz->path, name,
					 &array->header_bytes, diag);
	if (!rc && array->header_bytes < PS_NPY_START)
		rc = ps_fail(diag, PS_EINPUT, "%s: %s has an empty npy header", npz->path, name);
	if (!rc)
		rc = read_entry(npz, name, text + PS_NPY_START, array->header_bytes - PS_NPY_START,
				diag);
	if (!rc)
		rc = ps_npy_parse(text, array->header_bytes, npz->path, name, &array->info,
				  &array->fortran_order, diag);
	leave_entry(npz);
	return rc;
}

static int read_array(ps_npz *npz, size_t index, ps_diag *diag)
{
	const zip_uint64_t need = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
				  ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
	ps_npz_array *array = &npz->arrays[index];
	zip_stat_t st;
	int rc;

	errno = 0;
	if (zip_stat_index(npz->zip, index, 0, &st) || (st.valid & need) != need)
		return fail_archive(npz, NULL, diag);
	rc = check_entry(npz, &st, diag);
	if (!rc)
		rc = read_name(npz, array, st.name, diag);
	npz->count += array->info.name != NULL;
	if (!rc)
		rc = read_header(npz, array, index, diag);
	if (!rc && st.size != array->header_bytes + array->info.bytes)
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: %s has %" PRIu64 " bytes, its npy header says %" PRIu64,
			     npz->path, array->info.name, (uint64_t)st.size,
			     (uint64_t)array->header_bytes + array->info.bytes);
	return rc;
}

static int read_directory(ps_npz *npz, ps_diag *diag)
{
	const zip_int64_t count = zip_get_num_entries(npz->zip, 0);
	int rc = 0;

	if (count < 1 || count > PS_NPZ_ARRAYS_MAX)
		return ps_fail(diag, PS_EINPUT, "%s: holds %lld arrays: at most %d are read",
			       npz->path, (long long)count, PS_NPZ_ARRAYS_MAX);
	npz->arrays = calloc((size_t)count, sizeof *npz->arrays);
	if (!npz->arrays)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for %lld arrays", npz->path,
			       (long long)count);
	for (size_t i = 0; i < (size_t)count && !rc; i++)
		rc = read_array(npz, i, diag);
	return rc;
}

int ps_npz_open(ps_npz *npz, const ps_sys *sys, const char *path, ps_diag *diag)
{
	int rc;

	*npz = (ps_npz){.sys = sys, .fd = -1, .path = strdup(path)};
	if (!npz->path)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its name", path);
	rc = map_file(npz, diag);
	if (!rc)
		rc = open_zip(npz, diag);
	if (!rc)
		rc = read_directory(npz, diag);
	if (rc)
		ps_npz_close(npz);
	return rc;
}

void ps_npz_close(ps_npz *npz)
{
	leave_entry(npz);
	if (npz->zip)
		zip_discard(npz->zip);
	for (size_t i = 0; i < npz->count; i++)
		free((char *)npz->arrays[i].info.name);
	if (npz->map) {
		ps_map_guard_remove(npz->map);
		munmap((void *)npz->map, (size_t)npz->file_bytes);
	}
	if (npz->sys && npz->fd >= 0)
		(void)npz->sys->close(npz->fd);
	free(npz->arrays);
	free(npz->path);
	*npz = (ps_npz){.fd = -1};
}

/* --- data --- */

int ps_npz_begin(ps_npz *npz, size_t index, ps_diag *diag)
{
	const ps_npz_array *array = &npz->arrays[index];
	char header[PS_NPY_HEADER_MAX];
	int rc = begin_entry(npz, index, array->info.name, diag);

	npz->current = index;
	npz->left = array->info.bytes;
	return rc ? rc : read_entry(npz, array->info.name, header, array->header_bytes, diag);
}

int ps_npz_read(ps_npz *npz, void *out, size_t bytes, ps_diag *diag)
{
	const char *name = npz->arrays[npz->current].info.name;
	int rc = read_entry(npz, name, out, bytes, diag);

	npz->left -= bytes;
	return rc || npz->left ? rc : end_entry(npz, name, diag);
}
