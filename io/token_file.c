#include "io/token_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"

static void note_first(void *context, const char *path, long block, uint64_t offset,
		       const char *what)
{
	(void)ps_fail(context, PS_EINPUT, "%s: block %ld at offset %" PRIu64 ": %s", path, block,
		      offset, what);
}

/* The ids are read as a whole for their digest anyway: checksums cost little here. */
static int check_bytes(ps_token_file *tokens, ps_diag *diag)
{
	ps_diag bad = {{0}};
	int rc = ps_safetensors_verify(&tokens->file, note_first, &bad, &tokens->verified, diag);

	return rc || !bad.text[0] ? rc : ps_fail(diag, PS_EINPUT, "%s", bad.text);
}

/* Other tools may leave the ids at any offset: they are then copied to an aligned place. */
static int place_ids(ps_token_file *tokens, const ps_tensor_info *info, ps_diag *diag)
{
	const void *data = ps_safetensors_data(&tokens->file, info);

	if (info->offset % sizeof(int32_t)) {
		tokens->copy = malloc((size_t)info->bytes);
		if (!tokens->copy)
			return ps_fail(diag, PS_EBUDGET,
				       "%s: no memory for %" PRIu64 " bytes of ids",
				       tokens->file.path, info->bytes);
		data = memcpy(tokens->copy, data, (size_t)info->bytes);
	}
	tokens->ids = data;
	return 0;
}

static int digest_ids(ps_token_file *tokens, ps_diag *diag)
{
	uint64_t shape[2] = {tokens->windows, tokens->window};
	ps_digest *digest = ps_digest_create();

	if (!digest)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its checksum",
			       tokens->file.path);
	ps_digest_add(digest, shape, sizeof shape);
	ps_digest_add(digest, tokens->ids, tokens->windows * tokens->window * sizeof *tokens->ids);
	tokens->digest = ps_digest_value(digest);
	ps_digest_destroy(digest);
	return 0;
}

int ps_token_file_open(ps_token_file *tokens, const ps_sys *sys, const char *path, ps_diag *diag)
{
	const ps_tensor_info *info;
	int rc;

	*tokens = (ps_token_file){.file = {.fd = -1}};
	rc = ps_safetensors_open(&tokens->file, sys, path, diag);
	if (rc)
		return rc;
	rc = ps_safetensors_expect(&tokens->file, "tokens", PS_I32, 2, NULL, &info, diag);
	if (!rc && !info->bytes)
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: tensor tokens: [%" PRIu64 ", %" PRIu64 "] holds no ids", path,
			     info->shape[0], info->shape[1]);
	if (!rc)
		rc = check_bytes(tokens, diag);
	if (!rc)
		rc = place_ids(tokens, info, diag);
	if (!rc) {
		tokens->windows = (size_t)info->shape[0];
		tokens->window = (size_t)info->shape[1];
		rc = digest_ids(tokens, diag);
	}
	if (rc)
		ps_token_file_close(tokens);
	return rc;
}

void ps_token_file_close(ps_token_file *tokens)
{
	ps_safetensors_close(&tokens->file);
	free(tokens->copy);
	*tokens = (ps_token_file){.file = {.fd = -1}};
}
