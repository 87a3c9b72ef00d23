/* io/token_file.h: windows of token ids, tensor `tokens` I32 [windows, window], mapped read-only.
 * A file with checksums is verified when it is opened: PS_EINPUT naming block and offset. */
#ifndef PS_IO_TOKEN_FILE_H
#define PS_IO_TOKEN_FILE_H

#include "io/safetensors.h"

typedef struct ps_token_file {
	ps_safetensors file;
	const int32_t *ids; /* (windows, window) */
	size_t windows, window;
	uint64_t digest; /* of the ids and their shape */
	bool verified;   /* the file carries checksums, and they are right */
	int32_t *copy;   /* of ids that are not aligned in the file, or NULL */
} ps_token_file;

int ps_token_file_open(ps_token_file *tokens, const ps_sys *sys, const char *path,
		       ps_diag *diag) PS_MUST_USE;
void ps_token_file_close(ps_token_file *tokens);

#endif
