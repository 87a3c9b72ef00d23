#include "tools/engine/model_files.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/digest.h"
#include "io/artefact.h"
#include "io/checkpoint.h"
#include "io/text_file.h"

#define TOKENIZER_BYTES_MAX ((size_t)512 << 20)
#define CONFIG_BYTES_MAX ((size_t)16 << 20)

static int path_of(const char *model, const char *name, char *path, ps_diag *diag)
{
	char folder[PATH_MAX];
	int rc = ps_model_resolve(model, folder, diag);

	if (rc)
		return rc;
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		return ps_fail(diag, PS_EINPUT, "%s: the path is too long", model);
	return 0;
}

int ps_model_tokenizer(const char *model, ps_tokenizer **tokenizer, uint64_t *digest, ps_diag *diag)
{
	char path[PATH_MAX];
	ps_text_file json = {0};
	int rc = path_of(model, "tokenizer.json", path, diag);

	if (!rc)
		rc = ps_text_file_open(&json, path, TOKENIZER_BYTES_MAX, diag);
	if (rc)
		return rc;
	*digest = ps_digest_of(json.text, json.length);
	rc = ps_tokenizer_create(tokenizer, json.text, json.length, path, diag);
	ps_text_file_close(&json);
	return rc;
}

int ps_model_bos(const char *model, int32_t *bos, ps_diag *diag)
{
	char path[PATH_MAX];
	json_t *config, *value, *text;
	int rc = path_of(model, "config.json", path, diag);

	if (!rc)
		rc = ps_file_read_json(&ps_sys_linux, path, CONFIG_BYTES_MAX, &config, diag);
	if (rc)
		return rc;
	value = json_object_get(config, "bos_token_id");
	text = json_object_get(config, "text_config");
	if (!value && text)
		value = json_object_get(text, "bos_token_id");
	if (json_is_array(value))
		value = json_array_get(value, 0);
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > INT32_MAX)
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: bos_token_id is missing or null, and --bos window needs it",
			     path);
	else
		*bos = (int32_t)json_integer_value(value);
	json_decref(config);
	return rc;
}
