/* io/artefact.h: writing our safetensors files so that nothing half-written is ever seen.
 *
 * A file: declare the tensors, stream their bytes in declared order, commit. Written to a temporary name in
 * the same folder, fsynced, renamed, folder fsynced; on any failure or abort the temporary is unlinked. A
 * failed fsync is never retried: the caller, who alone can, writes the file anew. The header is padded so that
 * data starts on a 4,096-byte boundary; wider dtypes come first (declare in that order); __metadata__.prunescope
 * is one JSON string {kind, version, provenance, ..., xxh3: {block_bytes, blocks: [...], header}}: one 64-bit
 * XXH3 per block of PS_BLOCK_BYTES of data (blocks do not end at tensors' ends but run over the data as one
 * stream), and one over all bytes before the data with its own 16 digits zeroed. Same tensors and metadata:
 * same bytes. Memory: one block (less for smaller files), the header, 8 bytes per block. */
#ifndef PS_IO_ARTEFACT_H
#define PS_IO_ARTEFACT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/dtype.h"
#include "core/base/error.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/sys.h"

#define PS_BLOCK_BYTES ((size_t)4 << 20)
#define PS_ARTEFACT_VERSION 1

typedef struct ps_artefact ps_artefact;

typedef struct ps_tensor_decl {
	const char *name;
	ps_dtype dtype;
	int rank;
	uint64_t shape[8];
} ps_tensor_decl;

/* kind: "tokens", "mask", "activations", "sae", "logits", "statistics", ...; extra: a JSON object merged into the
 * prunescope object ("provenance" and whatever the kind needs), borrowed; NULL: nothing. */
int ps_artefact_create(ps_artefact **artefact, const ps_sys *sys, const char *path,
		       const char *kind, const json_t *extra, const ps_tensor_decl *tensors,
		       size_t count, ps_diag *diag) PS_MUST_USE;
/* The next bytes of the data, in the order of the declarations. */
int ps_artefact_write(ps_artefact *artefact, const void *data, size_t bytes,
		      ps_diag *diag) PS_MUST_USE;

/* For data whose beginning is known last: after create, the first `bytes` of the data are left out of the stream
 * of ps_artefact_write and given by ps_artefact_fill before commit. Holds them, rounded up to whole blocks. */
int ps_artefact_defer(ps_artefact *artefact, size_t bytes, ps_diag *diag) PS_MUST_USE;
/* The deferred bytes [offset, offset + bytes). */
void ps_artefact_fill(ps_artefact *artefact, size_t offset, const void *data, size_t bytes);

/* Replaces extra before commit, for numbers known only at the end. The new header must not be longer than the
 * one that create reserved for (start with the widest numbers): PS_EFAILED. */
int ps_artefact_set_extra(ps_artefact *artefact, const json_t *extra, ps_diag *diag) PS_MUST_USE;
/* Writes header and checksums, fsyncs, renames. Frees the artefact, whatever it returns. */
int ps_artefact_commit(ps_artefact *artefact, ps_diag *diag) PS_MUST_USE;
/* Removes the temporary. NULL allowed. */
void ps_artefact_abort(ps_artefact *artefact);

#endif
