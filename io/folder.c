#include "io/folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/json_text.h"
#include "core/base/utf8.h"
#include "io/artefact.h"
#include "io/checksums.h"
#include "io/file.h"
#include "io/known_digest.h"
#include "io/sealed_json.h"
#include "io/temporary.h"

/* A folder that replaces another one is built under ".NAME.ps-new", and takes its place when it is
 * whole. Where the file system cannot exchange two names, the old one passes through
 * ".NAME.ps-old". */
static const char *const aside_suffixes[] = {".ps-new", ".ps-old"};
enum { ASIDE_NEW, ASIDE_OLD, ASIDES };
#define NAME_BYTES 200 /* of the folder's own name that such a name contains */

struct ps_folder {
	const ps_sys *sys;
	char *path; /* where the files are */
	char *goal; /* where finish puts the folder; NULL: it is there already */
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
	if (rc == -ENOENT)
		return ps_fail_errno(diag, ENOENT, "%s: the folder that is to hold it", path);
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

/* Parses the text of a manifest, file name. PS_EINPUT if it is damaged. */
static int parse_manifest(const char *name, const char *text, size_t length, json_t **out,
			  ps_diag *diag)
{
	const char *file;
	uint64_t digest;
	json_t *manifest, *entry;
	int rc = ps_json_parse(text, length, name, &manifest, diag);

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
		rc = ps_json_unseal(manifest, text, name, diag);
	if (rc)
		json_decref(manifest);
	else
		*out = manifest;
	return rc;
}

/* damage says why a manifest is none; it is empty if there is none, or a whole one. */
static int look_for_manifest(const ps_sys *sys, const char *path, json_t **out, ps_diag *damage,
			     ps_diag *diag)
{
	char name[PATH_MAX], *text;
	size_t length;
	int rc = join(path, PS_MANIFEST, name, diag);

	*out = NULL;
	if (rc || !ps_file_is_there(name))
		return rc;
	rc = ps_file_read(sys, name, PS_MANIFEST_BYTES_MAX, &text, &length, diag);
	if (rc)
		return rc;
	rc = parse_manifest(name, text, length, out, damage);
	free(text);
	return rc == PS_EBUDGET ? ps_fail(diag, rc, "%s", damage->text) : 0;
}

int ps_folder_find_manifest(const ps_sys *sys, const char *path, json_t **out, ps_diag *diag)
{
	ps_diag damage = {{0}};

	return look_for_manifest(sys, path, out, &damage, diag);
}

int ps_folder_read_manifest(const ps_sys *sys, const char *path, json_t **out, ps_diag *diag)
{
	ps_diag damage = {{0}};
	int rc = look_for_manifest(sys, path, out, &damage, diag);

	return !rc && *damage.text ? ps_fail(diag, PS_EINPUT, "%s", damage.text) : rc;
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

/* 1, 0, or -errno. */
static int is_empty(const char *path)
{
	DIR *list = ps_sys_opendir(path);
	const struct dirent *entry;
	int empty = 1;

	if (!list)
		return -errno;
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

/* PS_EUSAGE for a folder that holds something else, unless it may be replaced. manifest: its
 * manifest, NULL if the folder is not ours. */
static int check_way(const char *path, const json_t *manifest, bool replace, ps_diag *diag)
{
	if (replace)
		return 0;
	if (!manifest)
		return ps_fail(diag, PS_EUSAGE,
			       "%s: is not empty and not a folder of this program (--force writes "
			       "into it)",
			       path);
	return ps_fail(diag, PS_EUSAGE, "%s: holds %s of another provenance (--force replaces it)",
		       path, json_string_value(json_object_get(manifest, "kind")));
}

/* --- replacing a folder --- */

/* Splits a path into the length of its folder part, slash included, and that of its own name. */
static void split(const char *path, size_t *folder, size_t *name)
{
	size_t end = strlen(path), start;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (start = end; start && path[start - 1] != '/';)
		start--;
	*folder = start;
	*name = end - start;
}

/* Writes the path of a folder's new or old version, which stands beside it (PATH_MAX bytes). */
static int aside_path(const char *path, int which, char *out, ps_diag *diag)
{
	size_t folder, name;

	split(path, &folder, &name);
	if (!name || (name <= 2 && !strncmp(path + folder, "..", name)))
		return ps_fail(diag, PS_EUSAGE,
			       "%s: cannot be replaced under this name: name the folder itself",
			       path);
	if (snprintf(out, PATH_MAX, "%.*s.%.*s%s", (int)folder, path,
		     name < NAME_BYTES ? (int)name : NAME_BYTES, path + folder,
		     aside_suffixes[which]) >= PATH_MAX)
		return ps_fail_errno(diag, ENAMETOOLONG, "%s", path);
	return 0;
}

static int fsync_parent(const ps_sys *sys, const char *path, ps_diag *diag)
{
	char parent[PATH_MAX];
	size_t folder, name;
	int rc;

	split(path, &folder, &name);
	snprintf(parent, sizeof parent, "%.*s", folder ? (int)folder : 1, folder ? path : ".");
	rc = ps_folder_fsync(sys, parent);
	return rc ? ps_fail_errno(diag, -rc, "%s: fsync of its folder", path) : 0;
}

/* Moves or removes one entry of a folder that is given up. A folder within it that cannot be moved
 * stays. */
static int give_up(const ps_sys *sys, const char *from, const char *name, const char *into,
		   ps_diag *diag)
{
	char old[PATH_MAX], new[PATH_MAX];
	struct stat st;
	int rc = join(from, name, old, diag);

	if (!rc && into)
		rc = join(into, name, new, diag);
	if (rc)
		return rc;
	if (into && lstat(new, &st) && errno == ENOENT)
		rc = sys->rename(old, new);
	else
		rc = sys->unlink(old);
	if (rc && rc != -EISDIR && rc != -EPERM && rc != -ENOENT)
		return ps_fail_errno(diag, -rc, "%s: cannot be removed", old);
	return 0;
}

/* Removes a folder: the files that its manifest names, and the manifest. What else lies in it goes
 * to `into`, unless something of that name is there; NULL: it is removed. */
static int remove_aside(const ps_sys *sys, const char *from, const char *into, ps_diag *diag)
{
	json_t *manifest = NULL;
	const struct dirent *entry;
	DIR *list = opendir(from);
	int rc;

	if (!list)
		return 0;
	/* Of a damaged manifest nothing is known: all files are then other ones. */
	rc = ps_folder_find_manifest(sys, from, &manifest, diag);
	while (!rc && (entry = readdir(list))) {
		const char *name = entry->d_name;
		bool ours = json_object_get(json_object_get(manifest, "files"), name) ||
			    !strcmp(name, PS_MANIFEST) || ps_temporary_is(name);

		if (strcmp(name, ".") && strcmp(name, ".."))
			rc = give_up(sys, from, name, ours ? NULL : into, diag);
	}
	closedir(list);
	json_decref(manifest);
	if (rc)
		return rc;
	rc = sys->rmdir(from);
	if (rc && rc != -ENOTEMPTY && rc != -EEXIST && rc != -ENOENT)
		return ps_fail_errno(diag, -rc, "%s: cannot be removed", from);
	return 0;
}

int ps_folder_remove(const ps_sys *sys, const char *path, ps_diag *diag)
{
	char aside[PATH_MAX];
	json_t *manifest = NULL;
	int rc = ps_folder_read_manifest(sys, path, &manifest, diag);

	if (!rc)
		rc = remove_files(sys, path, manifest, diag);
	json_decref(manifest);
	for (int which = 0; which < ASIDES && !rc; which++)
		if (!aside_path(path, which, aside, NULL))
			rc = remove_aside(sys, aside, NULL, diag);
	if (rc)
		return rc;
	ps_temporary_sweep(sys, path);
	rc = sys->rmdir(path);
	/* -ENOTDIR: a link to the folder, which stays. */
	if (rc && rc != -ENOTEMPTY && rc != -EEXIST && rc != -ENOENT && rc != -ENOTDIR)
		return ps_fail_errno(diag, -rc, "%s: cannot be removed", path);
	return 0;
}

/* Renames a folder over another one in two steps, for file systems that cannot exchange names.
 * Between the two steps nothing stands in the place: begin_empty then finds the new folder. */
static int rename_over(const ps_sys *sys, const char *from, const char *place, const char *old)
{
	int rc = sys->rename(from, place); /* what stands there may be an empty folder */

	if (rc != -ENOTEMPTY && rc != -EEXIST)
		return rc;
	rc = sys->rename(place, old);
	return rc ? rc : sys->rename(from, place);
}

/* Puts the folder that was built aside into its place. What stood there is removed. */
static int put_in_place(ps_folder *folder, ps_diag *diag)
{
	const ps_sys *sys = folder->sys;
	char old[PATH_MAX], *place = folder->goal;
	int rc = aside_path(place, ASIDE_OLD, old, diag);

	if (!rc)
		rc = remove_aside(sys, old, place, diag);
	if (rc)
		return rc;
	rc = sys->exchange(folder->path, place);
	if (rc == -EINVAL || rc == -ENOSYS)
		rc = rename_over(sys, folder->path, place, old);
	else
		snprintf(old, sizeof old, "%s", folder->path);
	if (rc)
		return ps_fail_errno(diag, -rc, "%s: cannot be replaced", place);
	free(folder->path);
	folder->path = place;
	folder->goal = NULL;
	rc = fsync_parent(sys, place, diag);
	return rc ? rc : remove_aside(sys, old, place, diag);
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

static int set_complete(ps_folder *folder, bool complete, ps_diag *diag)
{
	if (json_object_set_new(folder->manifest, "complete", json_boolean(complete)))
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its manifest", folder->path);
	return write_manifest(folder, diag);
}

/* Goes on with a folder of the same work. */
static int take_up(ps_folder *folder, json_t *found, const ps_context *verify, bool *done,
		   ps_diag *diag)
{
	bool all;
	int rc;

	folder->manifest = found;
	rc = keep_whole_files(folder, json_object_get(found, "files"), verify, &all, diag);
	if (rc)
		return rc;
	*done = all && json_is_true(json_object_get(found, "complete"));
	if (*done)
		return 0;
	return set_complete(folder, false, diag);
}

/* Reads the manifest of the folder that an earlier command built aside, to path (PATH_MAX bytes).
 * *found is NULL if there is no such folder, or if its manifest cannot be used. */
static int look_aside(const ps_folder *folder, char *path, json_t **found, ps_diag *diag)
{
	int rc = aside_path(folder->path, ASIDE_NEW, path, diag);

	*found = NULL;
	return rc ? rc : ps_folder_find_manifest(folder->sys, path, found, diag);
}

/* Builds the new folder beside the one that stands there, or goes on with an earlier one. */
static int build_aside(ps_folder *folder, const ps_folder_spec *spec, bool *done, ps_diag *diag)
{
	char path[PATH_MAX];
	json_t *found;
	bool whole = false;
	int rc = look_aside(folder, path, &found, diag);

	if (!rc && !(found && same_work(found, spec->kind, spec->provenance))) {
		bool half = found && !json_is_true(json_object_get(found, "complete"));

		/* Another command's work that was given up, or an old folder whose removal was
		 * interrupted. */
		rc = remove_aside(folder->sys, path, half ? NULL : folder->path, diag);
		json_decref(found);
		found = NULL;
	}
	if (!rc)
		rc = make_one(folder->sys, path, diag);
	if (!rc) {
		folder->goal = folder->path;
		folder->path = strdup(path);
		if (!folder->path)
			rc = ps_fail(diag, PS_EBUDGET, "%s: no memory", path);
	}
	if (rc || !found) {
		json_decref(found);
		return rc ? rc : start_manifest(folder, spec, diag);
	}
	ps_temporary_sweep(folder->sys, path);
	rc = take_up(folder, found, spec->verify, &whole, diag);
	if (rc || !whole)
		return rc;
	*done = true;
	return put_in_place(folder, diag);
}

/* Removes what an interrupted replacement of this folder has left beside it. Work that is half done
 * there stays: its command may be run again. */
static int remove_leftovers(const ps_folder *folder, ps_diag *diag)
{
	char path[PATH_MAX];
	json_t *found = NULL;
	int rc = 0;

	for (int which = 0; which < ASIDES && !rc; which++) {
		if (aside_path(folder->path, which, path, NULL) || access(path, F_OK))
			continue;
		if (which == ASIDE_NEW)
			rc = look_aside(folder, path, &found, diag);
		if (!rc && (!found || json_is_true(json_object_get(found, "complete"))))
			rc = remove_aside(folder->sys, path, folder->path, diag);
		json_decref(found);
		found = NULL;
	}
	return rc;
}

/* Begins the work in an empty folder, unless an earlier command has built it aside. */
static int begin_empty(ps_folder *folder, const ps_folder_spec *spec, bool *done, ps_diag *diag)
{
	char path[PATH_MAX];
	json_t *found = NULL;
	bool same;

	if (look_aside(folder, path, &found, NULL))
		return start_manifest(folder, spec, diag);
	same = found && same_work(found, spec->kind, spec->provenance);
	json_decref(found);
	return same ? build_aside(folder, spec, done, diag) : start_manifest(folder, spec, diag);
}

/* Reads what is there and decides: *done, continued, or begun anew. */
static int take_over(ps_folder *folder, const ps_folder_spec *spec, bool *done, ps_diag *diag)
{
	ps_diag damage = {{0}};
	json_t *found = NULL;
	int rc = ps_folder_read_manifest(folder->sys, folder->path, &found, &damage);
	bool damaged = rc == PS_EINPUT;

	if (damaged && !spec->replace)
		return ps_fail(diag, rc, "%s (--force begins the folder anew)", damage.text);
	if (rc && !damaged)
		return ps_fail(diag, rc, "%s", damage.text);
	ps_temporary_sweep(folder->sys, folder->path);
	if (found && same_work(found, spec->kind, spec->provenance)) {
		rc = take_up(folder, found, spec->verify, done, diag);
		return rc ? rc : remove_leftovers(folder, diag);
	}
	if (!found && !damaged) {
		const int empty = is_empty(folder->path);

		if (empty < 0)
			return ps_fail_errno(diag, -empty, "%s: cannot be listed", folder->path);
		if (empty)
			return begin_empty(folder, spec, done, diag);
	}
	rc = check_way(folder->path, found, spec->replace, diag);
	if (!rc && found && spec->old_first) {
		rc = remove_files(folder->sys, folder->path, found, diag);
		json_decref(found);
		return rc ? rc : start_manifest(folder, spec, diag);
	}
	json_decref(found);
	return rc ? rc : build_aside(folder, spec, done, diag);
}

/* A link to the folder stays: it is what it leads to that may be replaced. */
static int follow_link(ps_folder *folder, ps_diag *diag)
{
	size_t length = strlen(folder->path);
	struct stat st;
	char *real;

	/* With a slash at its end the name of a link stands for what it leads to. */
	while (length > 1 && folder->path[length - 1] == '/')
		folder->path[--length] = 0;
	if (lstat(folder->path, &st) || !S_ISLNK(st.st_mode))
		return 0;
	real = realpath(folder->path, NULL);
	if (!real)
		return ps_fail_errno(diag, errno, "%s", folder->path);
	free(folder->path);
	folder->path = real;
	return 0;
}

int ps_folder_begin(ps_folder **out, const ps_sys *sys, const ps_folder_spec *spec, bool *done,
		    ps_diag *diag)
{
	ps_folder *folder = calloc(1, sizeof *folder);
	int rc;

	*out = NULL;
	*done = false;
	if (strlen(spec->path) + NAME_MAX + 1 >= PATH_MAX) {
		free(folder);
		return ps_fail_errno(diag, ENAMETOOLONG, "%.60s...", spec->path);
	}
	if (!folder || !(folder->path = strdup(spec->path))) {
		free(folder);
		return ps_fail(diag, PS_EBUDGET, "%s: no memory", spec->path);
	}
	folder->sys = sys;
	rc = make_one(sys, spec->path, diag);
	if (!rc)
		rc = follow_link(folder, diag);
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

const char *ps_folder_path(const ps_folder *folder)
{
	return folder->path;
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
	int rc;

	if (extra && json_object_update(folder->manifest, (json_t *)extra))
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its manifest", folder->path);
	rc = set_complete(folder, true, diag);
	return rc || !folder->goal ? rc : put_in_place(folder, diag);
}

void ps_folder_close(ps_folder *folder)
{
	if (!folder)
		return;
	json_decref(folder->manifest);
	free(folder->path);
	free(folder->dropped);
	free(folder->goal);
	free(folder);
}
