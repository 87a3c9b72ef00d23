/* io/artefact.h: writing our safetensors files and folders so that nothing half-written is ever seen.
 *
 * A file: declare the tensors, stream their bytes in declared order, commit. Written to a temporary name in
 * the same folder, fsynced, renamed, folder fsynced; on any failure or abort the temporary is unlinked. After
 * a failed fsync the file is written anew (never the fsync retried). The header is padded so that data starts
 * on a 4,096-byte boundary; wider dtypes come first (declare in that order); __metadata__.prunescope is one
 * JSON string {kind, version, provenance, ..., xxh3: {block_bytes, blocks: [...], header}}: one 64-bit XXH3 per
 * block of PS_BLOCK_BYTES of data (blocks do not span tensors' ends but run over the data as one stream), and
 * one over all bytes before the data with its own 16 digits zeroed. Same tensors and metadata: same bytes. */
#ifndef PS_IO_ARTEFACT_H
#define PS_IO_ARTEFACT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/error.h"
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
 * prunescope object ("provenance" and whatever the kind needs), borrowed. sync false: no fsync (checkpoints). */
int ps_artefact_create(ps_artefact **artefact, const ps_sys *sys, const char *path, const char *kind, const json_t *extra,
		       const ps_tensor_decl *tensors, size_t count, ps_diag *diag) PS_MUST_USE;
/* The next bytes of the data, in the order of the declarations. */
int ps_artefact_write(ps_artefact *artefact, const void *data, size_t bytes, ps_diag *diag) PS_MUST_USE;
/* Replaces the metadata given to create, for values that are known only at the end; its JSON must not be longer
 * than the first one's (start with the widest numbers): the data's place in the file is fixed. */
int ps_artefact_set_extra(ps_artefact *artefact, const json_t *extra, ps_diag *diag) PS_MUST_USE;
/* Writes header and checksums, fsyncs, renames. Frees the artefact, whatever it returns. */
int ps_artefact_commit(ps_artefact *artefact, ps_diag *diag) PS_MUST_USE;
/* Removes the temporary. */
void ps_artefact_abort(ps_artefact *artefact);

/* bytes replace path atomically (temporary, fsync, rename, fsync of the folder). */
int ps_file_replace(const ps_sys *sys, const char *path, const void *bytes, size_t length, ps_diag *diag) PS_MUST_USE;
int ps_file_replace_json(const ps_sys *sys, const char *path, const json_t *value, ps_diag *diag) PS_MUST_USE;
/* The whole file, NUL-terminated (not counted), malloc'ed. PS_EINPUT when missing or over limit bytes. */
int ps_file_read(const ps_sys *sys, const char *path, size_t limit, char **bytes, size_t *length, ps_diag *diag) PS_MUST_USE;
int ps_file_read_json(const ps_sys *sys, const char *path, size_t limit, json_t **value, ps_diag *diag) PS_MUST_USE;

/* --- folders --- manifest.json: {kind, version, provenance, complete, files: {name: {bytes, xxh3}}}.
 * begin: creates the folder if need be. A folder whose manifest has the same provenance is *done (complete) or
 * continued; another provenance, or a non-empty folder that is not ours, is PS_EUSAGE unless force, which
 * removes the files the manifest names. */
typedef struct ps_folder ps_folder;
int ps_folder_begin(ps_folder **folder, const ps_sys *sys, const char *path, const char *kind, const json_t *provenance,
		    bool force, bool *done, ps_diag *diag) PS_MUST_USE;
/* Records a file written in the folder (its size and digest are taken from the disk), and rewrites the manifest. */
int ps_folder_note(ps_folder *folder, const char *name, ps_diag *diag) PS_MUST_USE;
/* The manifest as it stands: borrowed. */
const json_t *ps_folder_manifest(const ps_folder *folder);
bool ps_folder_has(const ps_folder *folder, const char *name);
/* Merges extra's keys into the manifest, marks it complete. */
int ps_folder_finish(ps_folder *folder, const json_t *extra, ps_diag *diag) PS_MUST_USE;
void ps_folder_close(ps_folder *folder); /* NULL allowed */

/* A plain folder, with its parents; one that is there is fine. */
int ps_folder_make(const ps_sys *sys, const char *path, ps_diag *diag) PS_MUST_USE;
/* Removes one of our folders: the files its manifest names, the manifest, the folder. None there: 0. */
int ps_folder_remove(const ps_sys *sys, const char *path, ps_diag *diag) PS_MUST_USE;

#endif
