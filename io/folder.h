/* io/folder.h: an output folder and its manifest.
 *
 * manifest.json: {kind, version, provenance, complete, files: {name: {bytes, xxh3}}} and whatever finish adds.
 * It is there from begin on, names a file only once that file is whole on disk, and is complete last: so a
 * folder is empty, ours and unfinished, or ours and done, whatever interrupts. */
#ifndef PS_IO_FOLDER_H
#define PS_IO_FOLDER_H

#include <jansson.h>
#include <stdbool.h>

#include "core/base/error.h"
#include "io/sys.h"

#define PS_MANIFEST "manifest.json"
#define PS_MANIFEST_BYTES_MAX ((size_t)256 << 20)

typedef struct ps_folder ps_folder;

/* Creates the folder if need be (its parent must be there). A folder whose manifest has the same kind and
 * provenance is *done (complete, all files there in their sizes) or continued: files that are missing or of
 * another size are no longer noted. Another provenance, or a non-empty folder that is not ours, is PS_EUSAGE
 * unless force, which removes the files the manifest names. */
int ps_folder_begin(ps_folder **folder, const ps_sys *sys, const char *path, const char *kind,
		    const json_t *provenance, bool force, bool *done, ps_diag *diag) PS_MUST_USE;
/* Records a file written in the folder (its size and digest are taken from the disk), and rewrites the manifest. */
int ps_folder_note(ps_folder *folder, const char *name, ps_diag *diag) PS_MUST_USE;
bool ps_folder_has(const ps_folder *folder, const char *name);
/* The manifest as it stands; borrowed until the next call on the folder. */
const json_t *ps_folder_manifest(const ps_folder *folder);
/* Sets extra's keys in the manifest (NULL: none; its own keys are not to be among them), marks it complete. */
int ps_folder_finish(ps_folder *folder, const json_t *extra, ps_diag *diag) PS_MUST_USE;
void ps_folder_close(ps_folder *folder); /* NULL allowed */

/* A plain folder, with its parents; one that is there is fine. */
int ps_folder_make(const ps_sys *sys, const char *path, ps_diag *diag) PS_MUST_USE;
/* Removes one of our folders: the files its manifest names, the manifest, the folder if it is then empty. None
 * there: 0. */
int ps_folder_remove(const ps_sys *sys, const char *path, ps_diag *diag) PS_MUST_USE;

/* The manifest of a folder, checked: an object with files, each with a plain name, bytes and xxh3. *manifest is
 * NULL when there is no such file; PS_EINPUT when it is damaged. */
int ps_folder_read_manifest(const ps_sys *sys, const char *path, json_t **manifest,
			    ps_diag *diag) PS_MUST_USE;

/* A name that stays within its folder. */
bool ps_folder_plain_name(const char *name);

#endif
