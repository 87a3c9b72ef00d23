#include "tools/cmd/side_files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/checked.h"
#include "io/file.h"

#define COPY_BYTES_MAX ((size_t)1 << 30)

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end);
}

bool ps_side_file_is_weights(const char *name)
{
	return ends_with(name, ".safetensors");
}

/* Whether a user of the copy needs this file of the folder. */
static bool wanted(const ps_checkpoint *checkpoint, const char *name)
{
	const char *path = ps_checkpoint_path(checkpoint), *slash = strrchr(path, '/');
	const ps_model_form form = ps_model_form_of(path);

	if (name[0] == '.' || !strcmp(name, PS_MANIFEST))
		return false;
	if (form == PS_MODEL_GGUF)
		return !strcmp(name, "tokenizer.json") || !strcmp(name, "tokenizer_config.json");
	if (form == PS_MODEL_SAFETENSORS && ps_side_file_is_weights(name))
		return !strcmp(name, slash ? slash + 1 : path);
	return ps_side_file_is_weights(name) || ends_with(name, ".json") ||
	       ends_with(name, ".txt") || ends_with(name, ".model") || ends_with(name, ".jinja");
}

int ps_side_files_each(const ps_checkpoint *checkpoint, ps_side_file_fn *fn, void *context,
		       ps_diag *diag)
{
	char folder[PATH_MAX];
	struct dirent **entries;
	int count, rc = ps_model_beside(ps_checkpoint_path(checkpoint), "", folder, diag);

	if (rc)
		return rc;
	count = ps_sys_scandir(folder, &entries, NULL);
	if (count < 0)
		return ps_fail_input(diag, errno, "cannot list %s", folder);
	for (int i = 0; i < count; i++) {
		if (!rc && wanted(checkpoint, entries[i]->d_name))
			rc = fn(context, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int ps_side_file_copy(const ps_checkpoint *checkpoint, const char *name, const ps_folder *to,
		      ps_diag *diag)
{
	char from[PATH_MAX], path[PATH_MAX], *bytes;
	size_t length;
	int rc = ps_model_beside(ps_checkpoint_path(checkpoint), name, from, diag);

	if (!rc)
		rc = ps_file_read(&ps_sys_linux, from, COPY_BYTES_MAX, &bytes, &length, diag);
	if (rc)
		return rc;
	snprintf(path, sizeof path, "%s/%s", ps_folder_path(to), name);
	rc = ps_file_replace(&ps_sys_linux, path, bytes, length, diag);
	free(bytes);
	return rc;
}

struct largest {
	const ps_checkpoint *checkpoint;
	size_t bytes;
};

static int look_at(void *context, const char *name)
{
	struct largest *l = context;
	char path[PATH_MAX];
	struct stat about;

	if (!ps_side_file_is_weights(name) &&
	    !ps_model_beside(ps_checkpoint_path(l->checkpoint), name, path, NULL) &&
	    !stat(path, &about))
		l->bytes = ps_max_size(l->bytes, (size_t)about.st_size);
	return 0;
}

int ps_side_files_largest(const ps_checkpoint *checkpoint, size_t *bytes, ps_diag *diag)
{
	struct largest l = {.checkpoint = checkpoint};
	int rc = ps_side_files_each(checkpoint, look_at, &l, diag);

	*bytes = l.bytes;
	return rc;
}
