/* io/artefact.h: writes one of our safetensors files so that nobody ever sees half of it.
 *
 * Use: create declares the tensors, write streams their bytes in the declared order, commit
 * finishes.
 *
 *   create -> [defer] -> write ... -> [fill, set_extra] -> commit     (or abort at any point)
 *
 * On disk: the bytes go to a temporary file in the same folder (io/temporary.h). write makes the
 * kernel begin with each piece at once, so that the disk works while the next bytes are computed.
 * commit writes the header, fsyncs, renames and fsyncs the folder. Any failure, and abort, unlinks
 * the temporary file. After a failed fsync nothing is retried: the caller must write the file anew.
 *
 * Layout of the file:
 * - The header is padded so that the data begins on a boundary of 4,096 bytes.
 * - Wider dtypes come first. The caller declares the tensors in that order.
 * - __metadata__.prunescope is one JSON string: {kind, version, provenance, ..., xxh3}.
 * - A checkpoint also has __metadata__.format "pt", without which transformers 4 refuses it.
 * - xxh3 is {block_bytes, blocks: [...], header}. It has one 64-bit XXH3 for each block of
 *   PS_BLOCK_BYTES of the data. The data counts as one stream: a block may span several tensors.
 *   `header` covers all bytes before the data, with its own 16 digits taken as zeros.
 * The same tensors and the same metadata give the same bytes.
 *
 * Memory: one piece of PS_PIECE_BYTES (less for a smaller file), the header, and 8 bytes a block.
 *
 * Threads: each artefact is used by one at a time. */
#ifndef PS_IO_ARTEFACT_H
#define PS_IO_ARTEFACT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/dtype.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/sys.h"

#define PS_BLOCK_BYTES ((size_t)4 << 20) /* with a checksum of its own */
#define PS_PIECE_BYTES ((size_t)1 << 20) /* gathered before they are written; divides a block */
#define PS_ARTEFACT_VERSION 1

typedef struct ps_artefact ps_artefact;

typedef struct ps_tensor_decl {
	const char *name;
	ps_dtype dtype;
	int rank;
	uint64_t shape[8];
} ps_tensor_decl;

/* What a new file will hold. create copies what it needs, but for the values of extra. */
typedef struct ps_artefact_spec {
	const char *path;
	const char *kind; /* "tokens", "mask", "activations", "sae", "logits", "statistics", ... */
	/* Object merged into the prunescope object, whose values are shared until commit; NULL:
	 * nothing. */
	const json_t *extra;
	const ps_tensor_decl *tensors; /* (count), wider dtypes first */
	size_t count;
} ps_artefact_spec;

/* Opens the temporary file and reserves room for the header. Errors:
 * PS_EFAILED for tensors that cannot be declared so, PS_EBUDGET, -errno or PS_EOUTPUT for the
 * file. */
int ps_artefact_create(ps_artefact **artefact, const ps_sys *sys, const ps_artefact_spec *spec,
		       ps_diag *diag) PS_MUST_USE;
/* Appends bytes to the data, in the order of the declarations. PS_EFAILED for more than
 * declared. */
int ps_artefact_write(ps_artefact *artefact, const void *data, size_t bytes,
		      ps_diag *diag) PS_MUST_USE;

/* Leaves the first `bytes` of the data out of the stream of ps_artefact_write. The caller gives
 * them through ps_artefact_fill before commit. Use it if the beginning of the data is known last.
 * Call it after create and before the first write. These bytes, rounded up to whole blocks, stay in
 * memory until commit. */
int ps_artefact_defer(ps_artefact *artefact, size_t bytes, ps_diag *diag) PS_MUST_USE;
/* Sets the deferred bytes [offset, offset + bytes). */
void ps_artefact_fill(ps_artefact *artefact, size_t offset, const void *data, size_t bytes);

/* Replaces `extra` before commit, for numbers that are known only at the end. The new header must
 * not be longer than the one that create reserved room for, else commit fails with PS_EFAILED. So
 * create with the widest numbers that may come. */
int ps_artefact_set_extra(ps_artefact *artefact, const json_t *extra, ps_diag *diag) PS_MUST_USE;
/* Writes header and checksums, fsyncs and renames. Frees the artefact, whatever it returns. */
int ps_artefact_commit(ps_artefact *artefact, ps_diag *diag) PS_MUST_USE;
/* Commits several files together: none takes its name before all are whole and on the disk, and
 * a folder is fsynced once for all of its files. On failure those whose turn had come have their
 * names, and the others are gone. Frees all, whatever it returns. */
int ps_artefact_commit_all(ps_artefact *const *artefacts, size_t count, ps_diag *diag) PS_MUST_USE;
/* Removes the temporary file and frees the artefact. NULL is allowed. */
void ps_artefact_abort(ps_artefact *artefact);

#endif
