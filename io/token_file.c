#include "io/token_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "io/artefact.h"
#include "io/verified_file.h"

#define NAME "tokens" /* of the tensor, and the kind */

/* Other tools may put the ids at any offset. Ids that are not aligned are copied. */
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
	rc = ps_safetensors_expect(&tokens->file, NAME, PS_I32, 2, NULL, &info, diag);
	if (!rc && !info->bytes)
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: tensor tokens: [%" PRIu64 ", %" PRIu64 "] holds no ids", path,
			     info->shape[0], info->shape[1]);
	if (!rc)
		rc = ps_verified_file_check(&tokens->file, &tokens->verified, diag);
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

int ps_token_file_write(const ps_sys *sys, const char *path, const int32_t *ids, size_t windows,
			size_t window, const json_t *provenance, ps_diag *diag)
{
	const ps_tensor_decl decl = {NAME, PS_I32, 2, {windows, window}};
	json_t *extra = json_pack("{s:O}", "provenance", provenance);
	const ps_artefact_spec spec = {
		.path = path, .kind = NAME, .extra = extra, .tensors = &decl, .count = 1};
	ps_artefact *artefact;
	int rc = extra ? ps_artefact_create(&artefact, sys, &spec, diag)
		       : ps_fail(diag, PS_EBUDGET, "%s: no memory", path);

	json_decref(extra);
	if (rc)
		return rc;
	rc = ps_artefact_write(artefact, ids, windows * window * sizeof *ids, diag);
	if (rc) {
		ps_artefact_abort(artefact);
		return rc;
	}
	return ps_artefact_commit(artefact, diag);
}
