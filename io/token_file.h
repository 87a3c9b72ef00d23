/* io/token_file.h: windows of token ids in a file: written whole, read mapped.
 *
 * The file holds one tensor, `tokens`, I32 [windows, window]. Ours has kind "tokens" and
 * provenance. */
#ifndef PS_IO_TOKEN_FILE_H
#define PS_IO_TOKEN_FILE_H

#include "io/safetensors.h"

typedef struct ps_token_file {
	ps_safetensors file;
	const int32_t *ids; /* (windows, window) */
	size_t windows, window;
	uint64_t digest; /* of the ids and their shape */
	bool verified;   /* the file carries checksums, and they are right */
	int32_t *copy;   /* holds the ids if they are not aligned in the file, else NULL */
} ps_token_file;

/* Maps the file, compares it with its checksums and checks the shape. PS_EINPUT for anything wrong
 * in it, naming block and offset of a bad checksum. Other tools' files need no metadata. */
int ps_token_file_open(ps_token_file *tokens, const ps_sys *sys, const char *path,
		       ps_diag *diag) PS_MUST_USE;
/* Unmaps the file. One that is zeroed or failed to open is allowed. */
void ps_token_file_close(ps_token_file *tokens);

/* Writes ids (windows, window) to path, at once and atomically. */
int ps_token_file_write(const ps_sys *sys, const char *path, const int32_t *ids, size_t windows,
			size_t window, const json_t *provenance, ps_diag *diag) PS_MUST_USE;

#endif
