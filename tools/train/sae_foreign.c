#include "tools/train/sae_foreign.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct format {
	const char *file; /* that tells the format */
	const char *name;
};

static const struct format formats[] = {
	{"sae.safetensors", "sparsify"},         {"params.npz", "Gemma Scope"},
	{"params.safetensors", "Gemma Scope 2"}, {"hyperparams.json", "Llama Scope"},
	{"ae.pt", "dictionary_learning"},
};

static bool has(const char *folder, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path &&
	       !access(path, F_OK);
}

static bool ends_with(const char *text, const char *end)
{
	const size_t length = strlen(text), tail = strlen(end);

	return length >= tail && !strcmp(text + length - tail, end);
}

static const struct format *format_of(const char *folder)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (has(folder, formats[i].file))
			return &formats[i];
	return NULL;
}

static int refuse_format(const char *path, const struct format *format, ps_diag *diag)
{
	return ps_fail(diag, PS_EINPUT,
		       "%s: an SAE of %s (%s), which cannot be read yet: an SAE is a folder with "
		       "cfg.json and sae_weights.safetensors, and convert, which will make one, is "
		       "not built yet",
		       path, format->name, format->file);
}

static int refuse_file(const char *path, ps_diag *diag)
{
	if (ends_with(path, ".npz"))
		return refuse_format(path, &(struct format){"an npz file", "Gemma Scope"}, diag);
	if (ends_with(path, ".pt") || ends_with(path, ".pth") || ends_with(path, ".bin"))
		return refuse_format(path, &(struct format){"a torch file", "dictionary_learning"},
				     diag);
	return ps_fail(diag, PS_EINPUT,
		       "%s: a file: an SAE is a folder with cfg.json and sae_weights.safetensors",
		       path);
}

/* The first subfolder, by name, that holds an SAE of any format. False: there is none. */
static bool find_inner(const char *folder, char *inner)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char path[PATH_MAX];

	*inner = 0;
	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.' &&
		    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) <
			    (int)sizeof path &&
		    (has(path, "cfg.json") || format_of(path)) &&
		    (!*inner || strcmp(path, inner) < 0))
			strcpy(inner, path);
	if (dir)
		closedir(dir);
	return *inner;
}

static int check_folder(const char *path, ps_diag *diag)
{
	const struct format *format = format_of(path);
	char inner[PATH_MAX];

	if (format)
		return refuse_format(path, format, diag);
	if (has(path, "shard-00000.safetensors"))
		return ps_fail(diag, PS_EINPUT, "%s: an activation cache, not an SAE", path);
	if (has(path, "cfg.json") || has(path, "sae_weights.safetensors"))
		return 0;
	if (!find_inner(path, inner)) {
		if (has(path, "model.safetensors") || has(path, "model.safetensors.index.json"))
			return ps_fail(diag, PS_EINPUT, "%s: a model, not an SAE", path);
		return 0;
	}
	format = has(inner, "sae_weights.safetensors") ? NULL : format_of(inner);
	if (format)
		return refuse_format(inner, format, diag);
	return ps_fail(diag, PS_EINPUT,
		       "%s: holds SAEs in folders of their own: name one, such as %s", path, inner);
}

int ps_sae_foreign_check(const char *path, ps_diag *diag)
{
	struct stat status;

	if (stat(path, &status) || (has(path, "cfg.json") && has(path, "sae_weights.safetensors")))
		return 0;
	return S_ISDIR(status.st_mode) ? check_folder(path, diag) : refuse_file(path, diag);
}
