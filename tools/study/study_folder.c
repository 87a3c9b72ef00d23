#include "tools/study/study_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "io/folder.h"
#include "tools/run/output_path.h"

enum { DEPTH = 2 }; /* of the records below runs/ */

/* What a study writes into its folder. */
static const struct {
	const char *name;
	bool folder;
} written[] = {{"runs", true},         {"tables", true},      {"figures", true},
	       {"features", true},     {"locks", true},       {"results.json", false},
	       {"report.html", false}, {"times.jsonl", false}};

/* Calls fn for the path of each input. */
static int each_input(const ps_study_file *file, const char *path,
		      int (*fn)(void *context, const char *input), void *context)
{
	int rc = fn(context, path);

	for (unsigned i = 0; i < file->models_count && !rc; i++)
		rc = fn(context, file->models[i].path);
	for (unsigned i = 0; i < file->text_count && !rc; i++)
		rc = fn(context, file->text[i]);
	return rc || !file->ppl.text ? rc : fn(context, file->ppl.text);
}

/* --- what the study writes --- */

struct keeping {
	ps_output output;
	ps_diag *diag;
};

static int keep_off(void *context, const char *input)
{
	const struct keeping *k = context;

	return ps_output_keep_off(&k->output, input, k->diag);
}

static int check_written(const ps_study_file *file, const ps_study_args *args, size_t index,
			 ps_diag *diag)
{
	struct keeping k = {.diag = diag};
	char path[PATH_MAX];
	struct stat st;
	int rc;

	if (snprintf(path, sizeof path, "%s/%s", args->out, written[index].name) >= PATH_MAX)
		return ps_fail_errno(diag, ENAMETOOLONG, "%.60s...", args->out);
	if (lstat(path, &st))
		return errno == ENOENT ? 0 : ps_fail_input(diag, errno, "%s", path);
	rc = ps_output_open(&k.output, path, written[index].folder ? NULL : "study", true, diag);
	return rc ? rc : each_input(file, args->file, keep_off, &k);
}

/* --- what else lies there --- */

struct looking {
	struct stat entry;
	bool found;
};

static int look(void *context, const char *input)
{
	struct looking *l = context;
	struct stat st;

	l->found |=
		!stat(input, &st) && st.st_dev == l->entry.st_dev && st.st_ino == l->entry.st_ino;
	return 0;
}

/* Writes the name of an entry that no study and no input accounts for (NAME_MAX + 1 bytes); empty:
 * there is none. */
static int find_foreign(const ps_study_file *file, const ps_study_args *args, char *name,
			ps_diag *diag)
{
	DIR *list = ps_sys_opendir(args->out);
	const struct dirent *entry;
	bool found = false;

	*name = 0;
	if (!list)
		return errno == ENOENT ? 0 : ps_fail_input(diag, errno, "%s", args->out);
	while (!found && (entry = readdir(list))) {
		struct looking l = {.found = false};

		if (entry->d_name[0] == '.' || fstatat(dirfd(list), entry->d_name, &l.entry, 0))
			continue;
		(void)each_input(file, args->file, look, &l);
		found = !l.found;
		if (found)
			snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
	}
	closedir(list);
	return 0;
}

/* Whether the file is a JSON object with this key. */
static bool has_key(const char *path, const char *key)
{
	ps_diag ignored = {{0}};
	json_t *object = NULL;
	bool found;

	if (ps_file_read_json(&ps_sys_linux, path, PS_MANIFEST_BYTES_MAX, &object, &ignored))
		return false;
	found = json_object_get(object, key) != NULL;
	json_decref(object);
	return found;
}

static bool ends_in(const char *name, const char *end)
{
	const size_t length = strlen(name), tail = strlen(end);

	return length > tail && !strcmp(name + length - tail, end);
}

/* What lies in a folder and in those below it. */
struct contents {
	bool record; /* a record of a study */
	bool other;  /* what no study writes there */
};

/* Called until a record is found. */
static void look_at_file(const char *path, struct contents *c)
{
	if (ends_in(path, ".json"))
		c->record = has_key(path, "key") && has_key(path, "outputs");
	else
		c->other |= !ends_in(path, ".safetensors");
}

static void look_into(const char *folder, int depth, struct contents *c)
{
	DIR *list = ps_sys_opendir(folder);
	const struct dirent *entry;
	char path[PATH_MAX];
	struct stat st;

	while (list && !c->record && (entry = readdir(list))) {
		if (entry->d_name[0] == '.' ||
		    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >=
			    (int)sizeof path ||
		    stat(path, &st))
			continue;
		if (!S_ISDIR(st.st_mode))
			look_at_file(path, c);
		else if (depth)
			look_into(path, depth - 1, c);
	}
	if (list)
		closedir(list);
}

static bool is_folder(const char *out, const char *name, char path[PATH_MAX])
{
	struct stat st;

	return snprintf(path, PATH_MAX, "%s/%s", out, name) < PATH_MAX && !stat(path, &st) &&
	       S_ISDIR(st.st_mode);
}

/* Whether a study has worked there. Other programs call a folder runs as well: in a study's there
 * are records, or nothing but what its first step has left. */
static bool is_own(const char *out)
{
	struct contents c = {.record = false};
	char path[PATH_MAX];

	if (is_folder(out, "locks", path))
		return true;
	if (!is_folder(out, "runs", path))
		return false;
	look_into(path, DEPTH, &c);
	return c.record || !c.other;
}

int ps_study_folder_check(const ps_study_file *file, const ps_study_args *args, ps_diag *diag)
{
	struct keeping k = {.diag = diag};
	char name[NAME_MAX + 1];
	int rc = ps_output_open(&k.output, args->out, NULL, args->force, diag);

	k.output.shared = true;
	if (!rc)
		rc = each_input(file, args->file, keep_off, &k);
	for (size_t i = 0; i < sizeof written / sizeof *written && !rc; i++)
		rc = check_written(file, args, i, diag);
	if (!rc)
		rc = find_foreign(file, args, name, diag);
	/* Another engine's own files may lie there: it calls --only. */
	if (rc || args->force || args->only || args->emit || args->dry_run || !*name ||
	    is_own(args->out))
		return rc;
	return ps_fail(diag, PS_EUSAGE,
		       "%s: holds %s, and no study of this program (--force works in it all the "
		       "same)",
		       args->out, name);
}
