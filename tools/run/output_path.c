#include "tools/run/output_path.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/artefact.h"
#include "io/folder.h"
#include "io/hub.h"
#include "io/verified_file.h"

enum { LINKS_MAX = 40 }; /* followed one after the other, as the kernel does */

/* --- what stands there --- */

/* Writes the folder of a path, "." for a bare name. */
static void folder_of(const char *path, char *out)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(out, PATH_MAX, ".");
	else
		snprintf(out, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* The links of /proc/PID/fd lead to open files, not to names. /dev/stdout is one of them. */
static bool is_descriptor(const char *link)
{
	char folder[PATH_MAX];
	struct statfs fs;

	folder_of(link, folder);
	return !statfs(folder, &fs) && fs.f_type == PROC_SUPER_MAGIC;
}

/* Replaces the path of a link by the path that it leads to. */
static int follow_one(ps_output *o, const char *name, ps_diag *diag)
{
	char target[PATH_MAX], folder[PATH_MAX];
	ssize_t length;
	int bytes;

	if (is_descriptor(o->path))
		return ps_fail(diag, PS_EUSAGE,
			       "%s: is a descriptor of a process; name a file instead", name);
	length = readlink(o->path, target, sizeof target - 1);
	if (length < 0)
		return ps_fail_errno(diag, errno, "%s", name);
	target[length] = 0;
	folder_of(o->path, folder);
	bytes = target[0] == '/' ? snprintf(o->path, PATH_MAX, "%s", target)
				 : snprintf(o->path, PATH_MAX, "%s/%s", folder, target);
	return bytes < PATH_MAX ? 0 : ps_fail_errno(diag, ENAMETOOLONG, "%s", name);
}

/* Follows links to what stands there: *st, if o->there. */
static int follow(ps_output *o, const char *name, struct stat *st, ps_diag *diag)
{
	for (int links = 0; links < LINKS_MAX; links++) {
		int rc;

		if (lstat(o->path, st)) {
			if (errno != ENOENT)
				return ps_fail_errno(diag, errno, "%s", name);
			if (links)
				return ps_fail(diag, PS_EUSAGE,
					       "%s: is a link to %s, which is not there", name,
					       o->path);
			return 0;
		}
		if (!S_ISLNK(st->st_mode)) {
			o->there = true;
			return 0;
		}
		rc = follow_one(o, name, diag);
		if (rc)
			return rc;
	}
	return ps_fail_errno(diag, ELOOP, "%s", name);
}

static const char *type_name(mode_t mode)
{
	return S_ISREG(mode)    ? "a file"
	       : S_ISDIR(mode)  ? "a folder"
	       : S_ISFIFO(mode) ? "a pipe"
	       : S_ISSOCK(mode) ? "a socket"
				: "a device";
}

/* A new file needs a folder that can be written to. It is looked at before hours of work. */
static int check_folder(const ps_output *o, const char *name, ps_diag *diag)
{
	char folder[PATH_MAX];

	folder_of(o->path, folder);
	if (access(folder, W_OK | X_OK))
		return ps_fail_errno(diag, errno, "%s: folder %s", name, folder);
	return 0;
}

/* Whether a folder of the path has this name and stands in a repository of a hub's cache. */
static bool is_in_repository(const char *path, const char *name)
{
	const char *models = strstr(path, "/models--"),
		   *inner = models ? strchr(models + 1, '/') : NULL;
	const size_t length = strlen(name);

	return inner && !strncmp(inner + 1, name, length) &&
	       (inner[1 + length] == '/' || !inner[1 + length]);
}

/* PS_EUSAGE for a place in a hub's cache of models: what belongs there would be damaged. */
static int refuse_hub(const ps_output *o, const char *name, ps_diag *diag)
{
	static const char *const parts[] = {"blobs", "refs", "snapshots"};
	const char *slash = strrchr(o->path, '/');
	char folder[PATH_MAX], real[PATH_MAX], whole[2 * PATH_MAX];

	folder_of(o->path, folder);
	if (!realpath(folder, real))
		return 0; /* writing says why */
	snprintf(whole, sizeof whole, "%s/%s", real, slash ? slash + 1 : o->path);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (is_in_repository(whole, parts[i]))
			return ps_fail(diag, PS_EUSAGE,
				       "%s: lies in a hub's cache of models, in which nothing is "
				       "written",
				       name);
	return 0;
}

/* PS_EUSAGE for a file that belongs to a folder of ours: the folder would be damaged. */
static int refuse_part(const ps_output *o, const char *name, ps_diag *diag)
{
	const char *slash = strrchr(o->path, '/'), *base = slash ? slash + 1 : o->path;
	char folder[PATH_MAX];
	json_t *manifest;
	int rc;

	folder_of(o->path, folder);
	rc = ps_folder_find_manifest(&ps_sys_linux, folder, &manifest, diag);
	if (!rc && manifest &&
	    (!strcmp(base, PS_MANIFEST) ||
	     json_object_get(json_object_get(manifest, "files"), base)))
		rc = ps_fail(diag, PS_EUSAGE,
			     "%s: belongs to what stands in folder %s: its manifest names it", name,
			     folder);
	json_decref(manifest);
	return rc;
}

int ps_output_open(ps_output *o, const char *name, const char *kind, bool replace, ps_diag *diag)
{
	size_t length = strlen(name);
	struct stat st;
	int rc;

	*o = (ps_output){.kind = kind, .replace = replace};
	if (!length)
		return ps_fail(diag, PS_EUSAGE, "-o: the name is empty");
	if (length >= sizeof o->path)
		return ps_fail_errno(diag, ENAMETOOLONG, "%.60s...", name);
	while (length > 1 && name[length - 1] == '/')
		length--;
	memcpy(o->path, name, length);
	rc = follow(o, name, &st, diag);
	if (rc)
		return rc;
	if (o->there && (kind ? !S_ISREG(st.st_mode) : !S_ISDIR(st.st_mode)))
		return ps_fail(diag, PS_EUSAGE, "%s: is %s; %s is written", name,
			       type_name(st.st_mode), kind ? "a file" : "a folder");
	if (kind && name[strlen(name) - 1] == '/')
		return ps_fail(diag, PS_EUSAGE, "%s: is a folder's name; a file is written", name);
	if (o->there) {
		o->device = st.st_dev;
		o->inode = st.st_ino;
	}
	rc = refuse_hub(o, name, diag);
	if (!rc && kind)
		rc = refuse_part(o, name, diag);
	return rc || !kind ? rc : check_folder(o, name, diag);
}

/* --- inputs --- */

static bool is_same(const ps_output *o, const struct stat *st)
{
	return st->st_dev == o->device && st->st_ino == o->inode;
}

/* Whether the output is a folder that the path lies in, or that it is. PS_EINPUT, PS_EBUDGET: that
 * cannot be told. */
static int look_above(const ps_output *o, const char *path, bool *is_in, ps_diag *diag)
{
	char *real = o->kind || o->shared ? NULL : realpath(path, NULL);
	bool found = false;
	struct stat st;

	*is_in = false;
	if (o->kind || o->shared)
		return 0;
	if (!real)
		return ps_fail_input(diag, errno, "%s", path);
	while (!found) {
		found = !stat(*real ? real : "/", &st) && is_same(o, &st);
		if (!*real)
			break;
		*strrchr(real, '/') = 0;
	}
	free(real);
	*is_in = found;
	return 0;
}

/* Whether the file that stands there is one of ours, of the output's kind. */
static bool has_own_kind(const ps_output *o)
{
	ps_diag ignored = {{0}};
	ps_safetensors file;
	const char *kind;
	bool own;

	if (!o->kind || ps_safetensors_open(&file, &ps_sys_linux, o->path, &ignored))
		return false;
	kind = json_string_value(json_object_get(file.metadata, "kind"));
	own = kind && !strcmp(kind, o->kind);
	ps_safetensors_close(&file);
	return own;
}

static int refuse(const ps_output *o, const char *input, ps_diag *diag)
{
	return ps_fail(diag, PS_EUSAGE,
		       o->kind ? "%s: is an input of this command, %s"
			       : "%s: is or holds an input of this command, %s",
		       o->path, input);
}

static int keep_off_entries(const ps_output *o, const char *folder, ps_diag *diag)
{
	const struct dirent *entry;
	DIR *list = ps_sys_opendir(folder);
	int rc = 0;

	if (!list)
		return ps_fail_input(diag, errno, "%s", folder);
	while (!rc && (entry = readdir(list))) {
		char path[PATH_MAX];
		bool found = false;
		struct stat st;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= PATH_MAX ||
		    stat(path, &st))
			continue;
		if (o->kind)
			found = is_same(o, &st) && !has_own_kind(o);
		else if (S_ISREG(st.st_mode))
			rc = look_above(o, path, &found, diag);
		if (!rc && found)
			rc = refuse(o, path, diag);
	}
	closedir(list);
	return rc;
}

int ps_output_keep_off(const ps_output *o, const char *input, ps_diag *diag)
{
	char snapshot[PATH_MAX];
	bool found;
	struct stat st;
	int rc = 0;

	if (!input || !o->there)
		return 0;
	if (stat(input, &st)) {
		if (!ps_hub_is_id(input) || ps_hub_snapshot(input, snapshot, NULL) ||
		    stat(snapshot, &st))
			return 0;
		input = snapshot;
	}
	found = is_same(o, &st);
	if (!found)
		rc = look_above(o, input, &found, diag);
	if (rc || found)
		return rc ? rc : refuse(o, input, diag);
	return S_ISDIR(st.st_mode) ? keep_off_entries(o, input, diag) : 0;
}

int ps_output_keep_off_all(const ps_output *o, const ps_text_list *inputs, ps_diag *diag)
{
	int rc = 0;

	for (size_t i = 0; i < inputs->count && !rc; i++)
		rc = ps_output_keep_off(o, inputs->item[i], diag);
	return rc;
}

/* --- earlier results --- */

static bool is_own(const ps_output *o, const ps_safetensors *file, const json_t *provenance)
{
	const char *kind = json_string_value(json_object_get(file->metadata, "kind"));

	return kind && !strcmp(kind, o->kind) &&
	       json_integer_value(json_object_get(file->metadata, "version")) ==
		       PS_ARTEFACT_VERSION &&
	       json_equal(json_object_get(file->metadata, "provenance"), provenance);
}

void ps_output_say_done(ps_session *s, const char *path)
{
	s->told_done = true;
	ps_session_say(s, "%s is there already, of the same provenance: it is left alone", path);
}

/* A file of the same provenance: *done if all of its bytes are right. */
static int check_bytes(const ps_output *o, const ps_safetensors *file, ps_session *s, bool *done)
{
	ps_diag damage = {{0}};
	bool verified = false;
	int rc = ps_verified_file_check(file, &verified, &damage);

	if (rc && rc != PS_EINPUT)
		return ps_fail(&s->diag, rc, "%s", damage.text);
	*done = !rc && verified;
	if (*done)
		ps_output_say_done(s, o->path);
	else
		ps_session_say(s, "%s: it is made anew", damage.text);
	return 0;
}

int ps_output_check(const ps_output *o, bool own, ps_diag *diag)
{
	if (!o->there || o->replace || own)
		return 0;
	return ps_fail(diag, PS_EUSAGE,
		       "%s: is there and is not a result of this command (--force replaces it)",
		       o->path);
}

int ps_output_find(const ps_output *o, const json_t *provenance, ps_session *s, bool *done,
		   ps_safetensors *found)
{
	ps_diag ignored = {{0}};
	const char *kind;
	int rc;

	*done = false;
	if (!o->there)
		return 0;
	rc = ps_safetensors_open(found, &ps_sys_linux, o->path, &ignored);
	if (rc == PS_EBUDGET)
		return ps_fail(&s->diag, rc, "%s", ignored.text);
	if (rc)
		return ps_output_check(o, false, &s->diag);
	kind = json_string_value(json_object_get(found->metadata, "kind"));
	if (is_own(o, found, provenance))
		rc = check_bytes(o, found, s, done);
	else if (found->metadata && !o->replace)
		rc = ps_fail(&s->diag, PS_EUSAGE,
			     "%s: holds %s of another provenance (--force replaces it)", o->path,
			     kind ? kind : "something");
	else
		rc = ps_output_check(o, false, &s->diag);
	if (rc || !*done)
		ps_safetensors_close(found);
	return rc;
}
