#include "io/folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/utf8.h"
#include "io/artefact.h"
#include "io/checksums.h"
#include "io/known_digest.h"
#include "io/sealed_json.h"
#include "io/temporary.h"

struct ps_folder {
	const ps_sys *sys;
	char *path;
	json_t *manifest;
	json_t *files; /* borrowed from manifest */
	char *dropped; /* the first file whose digest differed; NULL: none */
};

bool ps_folder_plain_name(const char *name)
{
	return name && name[0] && name[0] != '.' && !strchr(name, '/') && strlen(name) <= NAME_MAX;
}

/* Writes path/name to out (PATH_MAX bytes). */
static int join(const char *path, const char *name, char *out, ps_diag *diag)
{
	if (snprintf(out, PATH_MAX, "%s/%s", path, name) >= PATH_MAX)
		return ps_fail(diag, PS_EOUTPUT, "%s/%s: the path is too long", path, name);
	return 0;
}

static int make_one(const ps_sys *sys, const char *path, ps_diag *diag)
{
	char parent[PATH_MAX];
	struct stat st;
	int rc = sys->mkdir(path, 0777);

	if (rc == -EEXIST)
		return !stat(path, &st) && S_ISDIR(st.st_mode)
			       ? 0
			       : ps_fail(diag, PS_EOUTPUT, "%s: is there and is not a folder",
					 path);
	if (!rc)
		rc = snprintf(parent, sizeof parent, "%s/..", path) < PATH_MAX
			     ? ps_folder_fsync(sys, parent)
			     : -ENAMETOOLONG;
	return rc ? ps_fail_errno(diag, -rc, "%s: the folder cannot be created", path) : 0;
}

int ps_folder_make(const ps_sys *sys, const char *path, ps_diag *diag)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	if (length >= sizeof part)
		return ps_fail_errno(diag, ENAMETOOLONG, "%s", path);
	for (size_t i = 1; i < length; i++) {
		struct stat st;
		int rc;

		if (path[i] != '/' || path[i - 1] == '/')
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		rc = stat(part, &st) ? make_one(sys, part, diag) : 0;
		if (rc)
			return rc;
	}
	return make_one(sys, path, diag);
}

/* --- the manifest --- */

int ps_folder_read_manifest(const ps_sys *sys, const char *path, json_t **out, ps_diag *diag)
{
	char name[PATH_MAX];
	const char *file;
	uint64_t digest;
	struct stat st;
	json_t *manifest, *entry;
	int rc = join(path, PS_MANIFEST, name, diag);

	*out = NULL;
	if (rc || (stat(name, &st) && errno == ENOENT))
		return rc;
	rc = ps_file_read_json(sys, name, PS_MANIFEST_BYTES_MAX, &manifest, diag);
	if (rc)
		return rc;
	if (!json_is_string(json_object_get(manifest, "kind")) ||
	    !json_is_object(json_object_get(manifest, "files")))
		rc = ps_fail(diag, PS_EINPUT, "%s: is not a manifest (no kind or files)", name);
	json_object_foreach (json_object_get(manifest, "files"), file, entry)
		if (!rc &&
		    (!ps_folder_plain_name(file) ||
		     !json_is_integer(json_object_get(entry, "bytes")) ||
		     json_integer_value(json_object_get(entry, "bytes")) < 0 ||
		     ps_checksum_parse(json_string_value(json_object_get(entry, "xxh3")), &digest)))
			rc = ps_fail(diag, PS_EINPUT, "%s: the entry of file %s is damaged", name,
				     file);
	if (!rc)
		rc = ps_json_unseal(manifest, name, diag);
	if (rc)
		json_decref(manifest);
	else
		*out = manifest;
	return rc;
}

/* The size of a file as the manifest says it; -1: it names no such file. */
static json_int_t noted_bytes(const json_t *entry)
{
	return entry ? json_integer_value(json_object_get(entry, "bytes")) : -1;
}

static uint64_t noted_digest(const json_t *entry)
{
	uint64_t digest = 0;

	(void)ps_checksum_parse(json_string_value(json_object_get(entry, "xxh3")), &digest);
	return digest;
}

int ps_folder_compare(const json_t *manifest, const char *path, const char *name, uint64_t bytes,
		      uint64_t digest, ps_diag *diag)
{
	const json_t *entry = json_object_get(json_object_get(manifest, "files"), name);
	char is[PS_DIGEST_TEXT], noted[PS_DIGEST_TEXT];

	if (!entry)
		return ps_fail(diag, PS_EINPUT, "%s/%s: is not named by " PS_MANIFEST, path, name);
	if (noted_bytes(entry) != (json_int_t)bytes)
		return ps_fail(diag, PS_EINPUT, "%s/%s: has %llu bytes, " PS_MANIFEST " says %lld",
			       path, name, (unsigned long long)bytes,
			       (long long)noted_bytes(entry));
	if (noted_digest(entry) == digest)
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "%s/%s: is not the file that " PS_MANIFEST
		       " names: its XXH3 is %s, noted is %s (remove " PS_MANIFEST
		       " if another program changed the file on purpose)",
		       path, name, ps_digest_format(digest, is),
		       ps_digest_format(noted_digest(entry), noted));
}

static int write_manifest(ps_folder *folder, ps_diag *diag)
{
	char path[PATH_MAX];
	int rc = join(folder->path, PS_MANIFEST, path, diag);

	return rc ? rc : ps_sealed_write(folder->sys, path, folder->manifest, diag);
}

static bool same_work(const json_t *manifest, const char *kind, const json_t *provenance)
{
	return !strcmp(json_string_value(json_object_get(manifest, "kind")), kind) &&
	       json_integer_value(json_object_get(manifest, "version")) == PS_ARTEFACT_VERSION &&
	       json_equal(json_object_get(manifest, "provenance"), provenance);
}

/* Drops the entries of files that are not there in the noted size. */
static void drop_missing(const char *path, json_t *files)
{
	char name[PATH_MAX];
	const char *file;
	struct stat st;
	json_t *entry;
	void *next;

	json_object_foreach_safe(files, next, file, entry)
	{
		if (join(path, file, name, NULL) || stat(name, &st) || !S_ISREG(st.st_mode) ||
		    st.st_size != noted_bytes(entry))
			json_object_del(files, file);
	}
}

/* The paths of the files that a manifest names, in its order, for ps_known_digests. NULL: no
 * memory. Freed by free_known. */
static ps_known_file *list_known(const char *path, const json_t *files)
{
	ps_known_file *known = calloc(json_object_size(files) + 1, sizeof *known);
	const char *file;
	size_t count = 0;
	json_t *entry;

	if (!known)
		return NULL;
	json_object_foreach ((json_t *)files, file, entry) {
		char *name = NULL;

		if (asprintf(&name, "%s/%s", path, file) < 0)
			name = NULL;
		known[count++].path = name;
	}
	return known;
}

static bool is_complete_list(const ps_known_file *known, size_t count)
{
	for (size_t i = 0; known && i < count; i++)
		if (!known[i].path)
			return false;
	return known != NULL;
}

static void free_known(ps_known_file *known, size_t count)
{
	for (size_t i = 0; known && i < count; i++)
		free((char *)known[i].path);
	free(known);
}

/* Drops the entries of files whose digest is another one. Keeps the name of the first. */
static int drop_changed(ps_folder *folder, json_t *files, const ps_context *verify, ps_diag *diag)
{
	const size_t count = json_object_size(files);
	ps_known_file *known = list_known(folder->path, files);
	const char *file;
	size_t i = 0;
	json_t *entry;
	void *next;
	int rc = is_complete_list(known, count)
			 ? ps_known_digests(folder->sys, known, count, verify, true, diag)
			 : ps_fail(diag, PS_EBUDGET, "%s: no memory for its files", folder->path);

	if (!rc)
		json_object_foreach_safe(files, next, file, entry)
		{
			if (known[i++].digest == noted_digest(entry))
				continue;
			if (!folder->dropped)
				folder->dropped = strdup(file);
			json_object_del(files, file);
		}
	free_known(known, count);
	return rc;
}

/* Drops what is missing or changed from the manifest. *all: nothing was. */
static int keep_whole_files(ps_folder *folder, json_t *files, const ps_context *verify, bool *all,
			    ps_diag *diag)
{
	const size_t count = json_object_size(files);
	int rc = 0;

	drop_missing(folder->path, files);
	if (verify)
		rc = drop_changed(folder, files, verify, diag);
	*all = json_object_size(files) == count;
	return rc;
}

/* --- what stands in the way --- */

static bool is_empty(const char *path)
{
	DIR *list = ps_sys_opendir(path);
	const struct dirent *entry;
	bool empty = true;

	if (!list)
		return false;
	while ((entry = readdir(list)))
		empty &= !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
			 ps_temporary_is(entry->d_name);
	closedir(list);
	return empty;
}

/* Removes the files that the manifest names, and the manifest last. Until then the folder is still
 * known as ours. */
static int remove_files(const ps_sys *sys, const char *path, const json_t *manifest, ps_diag *diag)
{
	char name[PATH_MAX];
	const char *file;
	json_t *entry;
	int rc;

	json_object_foreach (json_object_get(manifest, "files"), file, entry) {
		rc = join(path, file, name, diag);
		if (rc)
			return rc;
		rc = sys->unlink(name);
		if (rc && rc != -ENOENT)
			return ps_fail_errno(diag, -rc, "%s: cannot be removed", name);
	}
	rc = join(path, PS_MANIFEST, name, diag);
	if (rc)
		return rc;
	rc = sys->unlink(name);
	if (rc && rc != -ENOENT)
		return ps_fail_errno(diag, -rc, "%s: cannot be removed", name);
	return 0;
}

int ps_folder_remove(const ps_sys *sys, const char *path, ps_diag *diag)
{
	json_t *manifest = NULL;
	int rc = ps_folder_read_manifest(sys, path, &manifest, diag);

	if (!rc)
		rc = remove_files(sys, path, manifest, diag);
	json_decref(manifest);
	if (rc)
		return rc;
	ps_temporary_sweep(sys, path);
	rc = sys->rmdir(path);
	if (rc && rc != -ENOTEMPTY && rc != -EEXIST && rc != -ENOENT)
		return ps_fail_errno(diag, -rc, "%s: cannot be removed", path);
	return 0;
}

/* Clears the way for new work in a folder that holds something else. manifest: its manifest, NULL
 * if the folder is not ours. */
static int make_way(const ps_sys *sys, const char *path, const json_t *manifest, bool replace,
		    ps_diag *diag)
{
	if (!manifest && !replace && !is_empty(path))
		return ps_fail(diag, PS_EUSAGE,
			       "%s: is not empty and not a folder of this program (--force writes "
			       "into it)",
			       path);
	if (!manifest)
		return 0;
	if (!replace)
		return ps_fail(diag, PS_EUSAGE,
			       "%s: holds %s of another provenance (--force replaces it)", path,
			       json_string_value(json_object_get(manifest, "kind")));
	return remove_files(sys, path, manifest, diag);
}

/* --- begin to close --- */

static int start_manifest(ps_folder *folder, const ps_folder_spec *spec, ps_diag *diag)
{
	folder->manifest = json_pack("{s:s, s:i, s:O, s:b, s:{}}", "kind", spec->kind, "version",
				     PS_ARTEFACT_VERSION, "provenance", (json_t *)spec->provenance,
				     "complete", 0, "files");
	if (!folder->manifest)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its manifest", folder->path);
	return write_manifest(folder, diag);
}

/* Reads what is there and decides: *done, continued, or begun anew. */
static int take_over(ps_folder *folder, const ps_folder_spec *spec, bool *done, ps_diag *diag)
{
	ps_diag damage = {{0}};
	json_t *found = NULL;
	int rc = ps_folder_read_manifest(folder->sys, folder->path, &found, &damage);

	if (rc == PS_EINPUT && !spec->replace)
		return ps_fail(diag, rc, "%s (--force begins the folder anew)", damage.text);
	if (rc && rc != PS_EINPUT)
		return ps_fail(diag, rc, "%s", damage.text);
	ps_temporary_sweep(folder->sys, folder->path);
	if (found && same_work(found, spec->kind, spec->provenance)) {
		bool all;

		folder->manifest = found;
		rc = keep_whole_files(folder, json_object_get(found, "files"), spec->verify, &all,
				      diag);
		if (rc)
			return rc;
		if (all && json_is_true(json_object_get(found, "complete"))) {
			*done = true;
			return 0;
		}
		json_object_set_new(found, "complete", json_false());
		return write_manifest(folder, diag);
	}
	rc = make_way(folder->sys, folder->path, found, spec->replace, diag);
	json_decref(found);
	return rc ? rc : start_manifest(folder, spec, diag);
}

int ps_folder_begin(ps_folder **out, const ps_sys *sys, const ps_folder_spec *spec, bool *done,
		    ps_diag *diag)
{
	ps_folder *folder = calloc(1, sizeof *folder);
	int rc;

	*out = NULL;
	*done = false;
	if (!folder || !(folder->path = strdup(spec->path))) {
		free(folder);
		return ps_fail(diag, PS_EBUDGET, "%s: no memory", spec->path);
	}
	folder->sys = sys;
	rc = make_one(sys, spec->path, diag);
	if (!rc)
		rc = take_over(folder, spec, done, diag);
	if (rc) {
		ps_folder_close(folder);
		return rc;
	}
	folder->files = json_object_get(folder->manifest, "files");
	*out = folder;
	return 0;
}

int ps_folder_note(ps_folder *folder, const char *name, ps_diag *diag)
{
	char path[PATH_MAX], digits[PS_DIGEST_TEXT];
	uint64_t bytes, digest;
	int rc = join(folder->path, name, path, diag);

	if (!rc && (!ps_folder_plain_name(name) || !strcmp(name, PS_MANIFEST)))
		rc = ps_fail(diag, PS_EFAILED, "%s: cannot be noted in the manifest", path);
	if (!rc && ps_utf8_invalid(name, strlen(name)) < strlen(name))
		rc = ps_fail(diag, PS_EFAILED, "%s: not a name in UTF-8", path);
	if (!rc)
		rc = ps_file_digest(folder->sys, path, &bytes, &digest, diag);
	if (rc)
		return rc;
	if (json_object_set_new(folder->files, name,
				json_pack("{s:I, s:s}", "bytes", (json_int_t)bytes, "xxh3",
					  ps_digest_format(digest, digits))))
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its entry", path);
	return write_manifest(folder, diag);
}

bool ps_folder_has(const ps_folder *folder, const char *name)
{
	return json_object_get(folder->files, name) != NULL;
}

const char *ps_folder_dropped(const ps_folder *folder)
{
	return folder->dropped;
}

const json_t *ps_folder_manifest(const ps_folder *folder)
{
	return folder->manifest;
}

int ps_folder_finish(ps_folder *folder, const json_t *extra, ps_diag *diag)
{
	if (extra && json_object_update(folder->manifest, (json_t *)extra))
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its manifest", folder->path);
	json_object_set_new(folder->manifest, "complete", json_true());
	return write_manifest(folder, diag);
}

void ps_folder_close(ps_folder *folder)
{
	if (!folder)
		return;
	json_decref(folder->manifest);
	free(folder->path);
	free(folder->dropped);
	free(folder);
}
