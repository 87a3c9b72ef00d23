#include "io/verified_file.h"

#include <inttypes.h>

/* Notes the first bad block, and no other: ps_fail keeps the first message. */
static void note_bad(void *context, const char *path, long block, uint64_t offset, const char *what)
{
	(void)ps_fail(context, PS_EINPUT, "%s: block %ld at offset %" PRIu64 ": %s", path, block,
		      offset, what);
}

int ps_verified_file_check(const ps_safetensors *file, bool *verified, ps_diag *diag)
{
	ps_diag first = {{0}};
	int rc = ps_safetensors_verify(file, note_bad, &first, verified, diag);

	if (!rc && first.text[0])
		rc = ps_fail(diag, PS_EINPUT, "%s", first.text);
	return rc;
}

int ps_verified_file_open(ps_safetensors *file, const char *path, ps_diag *diag)
{
	bool verified;
	int rc = ps_safetensors_open(file, &ps_sys_linux, path, diag);

	if (rc)
		return rc;
	rc = ps_verified_file_check(file, &verified, diag);
	if (rc)
		ps_safetensors_close(file);
	return rc;
}
