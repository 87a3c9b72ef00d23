#include "tools/engine/model_files.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "io/checkpoint.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/gguf_config.h"
#include "io/known_digest.h"
#include "io/recognize.h"
#include "io/text_file.h"

#define TOKENIZER_BYTES_MAX ((size_t)512 << 20)
#define CONFIG_BYTES_MAX ((size_t)16 << 20)

/* The path of a file of the model. *own: that of the model. */
static int path_of(const char *model, const char *name, char *own, char *path, ps_diag *diag)
{
	int rc = ps_model_resolve(model, own, diag);

	return rc ? rc : ps_model_beside(own, name, path, diag);
}

/* A checkpoint that `export` wrote has a manifest. If that names the file, it must be the one. Any
 * other manifest.json is not ours, or is damaged itself. */
static int compare_exported(const char *path, ps_diag *diag)
{
	const char *name = strrchr(path, '/') + 1;
	char folder[PATH_MAX];
	json_t *manifest = NULL;
	uint64_t bytes, digest;
	int rc;

	snprintf(folder, sizeof folder, "%.*s", (int)(name - path - 1), path);
	rc = ps_folder_find_manifest(&ps_sys_linux, folder, &manifest, diag);
	if (!rc && json_object_get(json_object_get(manifest, "files"), name)) {
		rc = ps_known_digest(&ps_sys_linux, path, NULL, true, &bytes, &digest, diag);
		if (!rc)
			rc = ps_folder_compare(manifest, folder, name, bytes, digest, diag);
	}
	json_decref(manifest);
	return rc;
}

int ps_model_tokenizer(const char *model, ps_tokenizer **tokenizer, uint64_t *digest, ps_diag *diag)
{
	char path[PATH_MAX], own[PATH_MAX];
	ps_text_file json = {0};
	int rc = path_of(model, "tokenizer.json", own, path, diag);

	if (rc)
		return rc;
	if (!ps_file_is_named(path)) {
		*strrchr(path, '/') = 0;
		return ps_recognize_tokenizer(path, diag);
	}
	rc = compare_exported(path, diag);
	if (!rc)
		rc = ps_text_file_open(&json, path, TOKENIZER_BYTES_MAX, diag);
	if (rc)
		return rc;
	*digest = ps_digest_of(json.text, json.length);
	rc = ps_tokenizer_create(tokenizer, json.text, json.length, path, diag);
	ps_text_file_close(&json);
	return rc;
}

int ps_model_tokenizer_digest(const char *model, bool *there, uint64_t *digest, ps_diag *diag)
{
	char path[PATH_MAX], own[PATH_MAX];
	ps_text_file json = {0};
	int rc = path_of(model, "tokenizer.json", own, path, diag);

	*there = !rc && ps_file_is_there(path);
	if (rc || !*there)
		return rc;
	rc = ps_text_file_open(&json, path, TOKENIZER_BYTES_MAX, diag);
	if (rc)
		return rc;
	*digest = ps_digest_of(json.text, json.length);
	ps_text_file_close(&json);
	return 0;
}

int ps_model_bos(const char *model, int32_t *bos, ps_diag *diag)
{
	char path[PATH_MAX], own[PATH_MAX], *text = NULL;
	size_t length;
	int rc = path_of(model, "config.json", own, path, diag);
	const bool is_gguf = !rc && ps_model_form_of(own) == PS_MODEL_GGUF;

	if (is_gguf)
		rc = ps_gguf_config_of_file(&ps_sys_linux, own, &text, &length, diag);
	if (!rc && !is_gguf)
		rc = compare_exported(path, diag);
	if (!rc && !is_gguf)
		rc = ps_file_read(&ps_sys_linux, path, CONFIG_BYTES_MAX, &text, &length, diag);
	if (!rc)
		rc = ps_config_bos(text, length, is_gguf ? own : path, bos, diag);
	free(text);
	return rc;
}
