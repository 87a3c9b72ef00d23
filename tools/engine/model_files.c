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
#include "io/gguf_tokenizer.h"
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

/* The tokenizer of a GGUF file's metadata. */
static int listed_tokenizer(const char *path, ps_tokenizer **tokenizer, uint64_t *digest,
			    ps_diag *diag)
{
	ps_gguf gguf;
	bool there = false;
	int rc = ps_gguf_open(&gguf, &ps_sys_linux, path, diag);

	if (rc)
		return rc;
	rc = ps_gguf_tokenizer_digest(&gguf, &there, digest, diag);
	if (!rc)
		rc = ps_gguf_tokenizer(&gguf, tokenizer, diag);
	ps_gguf_close(&gguf);
	return rc;
}

/* A tokenizer.json that lies beside a GGUF file may be another model's. */
static int check_beside(const char *model, const ps_tokenizer *tokenizer, const char *path,
			ps_diag *diag)
{
	ps_gguf gguf;
	int rc;

	if (ps_model_form_of(model) != PS_MODEL_GGUF)
		return 0;
	rc = ps_gguf_open(&gguf, &ps_sys_linux, model, diag);
	if (rc)
		return rc;
	rc = ps_gguf_check_tokenizer(&gguf, tokenizer, path, diag);
	ps_gguf_close(&gguf);
	return rc;
}

int ps_model_tokenizer(const char *model, ps_tokenizer **tokenizer, uint64_t *digest, ps_diag *diag)
{
	char path[PATH_MAX], own[PATH_MAX];
	ps_text_file json = {0};
	int rc = path_of(model, "tokenizer.json", own, path, diag);

	if (rc)
		return rc;
	if (!ps_file_is_named(path) && ps_model_form_of(own) == PS_MODEL_GGUF)
		return listed_tokenizer(own, tokenizer, digest, diag);
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
	if (rc)
		return rc;
	rc = check_beside(own, *tokenizer, path, diag);
	if (rc)
		ps_tokenizer_destroy(*tokenizer);
	return rc;
}

static int listed_digest(const char *path, bool *there, uint64_t *digest, ps_diag *diag)
{
	ps_gguf gguf;
	int rc = ps_gguf_open(&gguf, &ps_sys_linux, path, diag);

	if (rc)
		return rc;
	rc = ps_gguf_tokenizer_digest(&gguf, there, digest, diag);
	ps_gguf_close(&gguf);
	return rc;
}

int ps_model_tokenizer_digest(const char *model, bool *there, uint64_t *digest, ps_diag *diag)
{
	char path[PATH_MAX], own[PATH_MAX];
	ps_text_file json = {0};
	int rc = path_of(model, "tokenizer.json", own, path, diag);

	*there = !rc && ps_file_is_there(path);
	if (!rc && !*there && ps_model_form_of(own) == PS_MODEL_GGUF)
		return listed_digest(own, there, digest, diag);
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
