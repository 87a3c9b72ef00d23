#include "tools/train/sae_format.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/file.h"
#include "io/folder.h"
#include "io/recognize.h"
#include "tools/train/sae_gemma_scope.h"
#include "tools/train/sae_llama_scope.h"
#include "tools/train/sae_sparsify.h"

#define CACHE_SHARD "shard-00000.safetensors"

enum { DEPTH = 3 }; /* layer_20/width_16k/average_l0_71 of Gemma Scope */

static const ps_sae_format formats[] = {
	{"sae.safetensors", "sparsify", "sae.safetensors", ps_sae_sparsify_read},
	{"params.npz", "Gemma Scope", "params.npz", ps_sae_gemma_scope_read},
	{"params.safetensors", "Gemma Scope 2", "params.safetensors", ps_sae_gemma_scope_2_read},
	{"hyperparams.json", "Llama Scope", "checkpoints/final.safetensors",
	 ps_sae_llama_scope_read},
};

static bool has(const char *folder, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path &&
	       ps_file_is_there(path);
}

static const ps_sae_format *format_of(const char *folder)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (has(folder, formats[i].sign))
			return &formats[i];
	return NULL;
}

/* A folder in the form of SAELens, whole or not: its two files, or a manifest of ours. */
static bool is_saelens(const char *folder)
{
	return (has(folder, PS_MANIFEST) && !has(folder, CACHE_SHARD) && !format_of(folder)) ||
	       (has(folder, "cfg.json") && has(folder, "sae_weights.safetensors"));
}

static int refuse_file(const char *path, ps_diag *diag)
{
	const char *what = ps_recognize_file(&ps_sys_linux, path);

	return ps_fail(diag, PS_EINPUT,
		       "%s: %s%s: an SAE is a folder, with cfg.json and sae_weights.safetensors, "
		       "or with the files of another tool",
		       path, what ? what : "a file", what ? ", not an SAE" : "");
}

/* The first folder, by name, that lies in this one, at most so deep, and holds an SAE of any
 * format. False: there is none. */
static bool find_inner(const char *folder, int depth, char *inner)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char path[PATH_MAX], deeper[PATH_MAX];
	struct stat status;

	*inner = 0;
	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name == '.' ||
		    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >=
			    (int)sizeof path ||
		    stat(path, &status) || !S_ISDIR(status.st_mode))
			continue;
		if (!has(path, "cfg.json") && !format_of(path)) {
			if (depth <= 1 || !find_inner(path, depth - 1, deeper))
				continue;
			strcpy(path, deeper);
		}
		if (!*inner || strcmp(path, inner) < 0)
			strcpy(inner, path);
	}
	if (dir)
		closedir(dir);
	return *inner;
}

/* A folder that is none of a format that is read. */
static int check_other(const char *path, ps_diag *diag)
{
	char inner[PATH_MAX];

	if (has(path, CACHE_SHARD))
		return ps_fail(diag, PS_EINPUT, "%s: an activation cache, not an SAE", path);
	if (has(path, "cfg.json") || has(path, "sae_weights.safetensors"))
		return 0;
	if (has(path, "model.safetensors") || has(path, "model.safetensors.index.json"))
		return ps_fail(diag, PS_EINPUT, "%s: a model, not an SAE", path);
	if (find_inner(path, DEPTH, inner))
		return ps_fail(diag, PS_EINPUT,
			       "%s: holds SAEs in folders of their own: name one, such as %s", path,
			       inner);
	return ps_recognize_sae(path, diag);
}

int ps_sae_format_find(const char *path, const ps_sae_format **format, ps_diag *diag)
{
	struct stat status;

	*format = NULL;
	if (stat(path, &status) || is_saelens(path))
		return 0;
	if (!S_ISDIR(status.st_mode))
		return refuse_file(path, diag);
	*format = format_of(path);
	return *format ? 0 : check_other(path, diag);
}
