#include "tools/study/study_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/run/output_path.h"

/* What a study writes into its folder. */
static const struct {
	const char *name;
	bool folder;
} written[] = {{"runs", true},        {"tables", true},        {"figures", true},
	       {"locks", true},       {"results.json", false}, {"report.html", false},
	       {"times.jsonl", false}};

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

/* Writes the name of an entry that no study and no input accounts for (NAME_MAX + 1 bytes). False:
 * there is none. */
static bool find_foreign(const ps_study_file *file, const ps_study_args *args, char *name)
{
	DIR *list = opendir(args->out);
	const struct dirent *entry;
	bool found = false;

	while (list && !found && (entry = readdir(list))) {
		struct looking l = {.found = false};

		if (entry->d_name[0] == '.' || fstatat(dirfd(list), entry->d_name, &l.entry, 0))
			continue;
		(void)each_input(file, args->file, look, &l);
		found = !l.found;
		snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
	}
	if (list)
		closedir(list);
	return found;
}

/* Whether a study has worked there. */
static bool is_own(const char *out)
{
	static const char *const marks[] = {"runs", "locks"};
	char path[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (snprintf(path, sizeof path, "%s/%s", out, marks[i]) < PATH_MAX &&
		    !stat(path, &st) && S_ISDIR(st.st_mode))
			return true;
	return false;
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
	/* Another engine's own files may lie there: it calls --only. */
	if (rc || args->force || args->only || args->emit || args->dry_run || is_own(args->out) ||
	    !find_foreign(file, args, name))
		return rc;
	return ps_fail(diag, PS_EUSAGE,
		       "%s: holds %s, and no study of this program (--force works in it all the "
		       "same)",
		       args->out, name);
}
