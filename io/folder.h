/* io/folder.h: an output folder and its manifest.
 *
 * manifest.json holds {kind, version, provenance, complete, files: {name: {bytes, xxh3}}}, the keys
 * that finish adds, and a checksum of itself (io/sealed_json.h). A manifest without a checksum was
 * made by an earlier version; it is refused like a damaged one. Three rules hold whenever the
 * program is interrupted:
 * - begin writes the manifest before anything else.
 * - A file enters the manifest only once it is whole on disk.
 * - `complete` becomes true last.
 * So a folder is either empty, or ours and unfinished, or ours and done.
 *
 * A folder that replaces another one is built beside it, under ".NAME.ps-new". finish gives it its
 * place, with one exchange of the two names where the file system can do that. So the old one stays
 * until the new one is whole, and an interrupted replacement is continued by the same command. */
#ifndef PS_IO_FOLDER_H
#define PS_IO_FOLDER_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/base/progress.h"
#include "io/sys.h"

#define PS_MANIFEST "manifest.json"
#define PS_MANIFEST_BYTES_MAX ((size_t)256 << 20)

typedef struct ps_folder ps_folder;

/* What a folder is to hold. begin copies what it needs. */
typedef struct ps_folder_spec {
	const char *path, *kind;
	const json_t *provenance;
	bool replace; /* whatever else stands there gives way */
	/* With replace: an old folder of ours goes at once, for the sake of the disk. */
	bool old_first;
	/* Compares the files that are there with the manifest's digests (io/known_digest.h), with
	 * progress. NULL: compares their sizes alone. */
	const ps_context *verify;
} ps_folder_spec;

/* Creates the folder if it is missing; its parent must exist. What happens to one that exists:
 * - Same kind and provenance, complete, all files there and unchanged: *done.
 * - Same kind and provenance otherwise: continued. Files that are missing or differ from the
 *   manifest are dropped from it (ps_folder_dropped).
 * - Another provenance, or files that are not ours: PS_EUSAGE. With replace, the new folder is
 *   built beside it. Of the old one, the files that its manifest names go in the end, and those
 *   that give way to a file of the same name. Other files stay.
 * - A damaged manifest: PS_EINPUT. With replace, none of the files counts as named.
 * Files are written to ps_folder_path. The caller closes *folder also when *done. */
int ps_folder_begin(ps_folder **folder, const ps_sys *sys, const ps_folder_spec *spec, bool *done,
		    ps_diag *diag) PS_MUST_USE;
/* Where the files of the folder are to be written. It changes in finish. Borrowed. */
const char *ps_folder_path(const ps_folder *folder);
/* The first file that begin found with other bytes than the manifest says. NULL: none. */
const char *ps_folder_dropped(const ps_folder *folder);
/* Enters a file of the folder into the manifest and rewrites the manifest. Size and digest are read
 * from the disk. */
int ps_folder_note(ps_folder *folder, const char *name, ps_diag *diag) PS_MUST_USE;
/* True if the manifest names the file. */
bool ps_folder_has(const ps_folder *folder, const char *name);
/* The manifest as it stands. Borrowed until the next call on the folder. */
const json_t *ps_folder_manifest(const ps_folder *folder);
/* Marks the folder complete. Adds the keys of extra to the manifest (NULL: none); they must not be
 * the manifest's own. */
int ps_folder_finish(ps_folder *folder, const json_t *extra, ps_diag *diag) PS_MUST_USE;
/* Frees the folder and leaves the disk as it is. NULL is allowed. */
void ps_folder_close(ps_folder *folder);

/* Makes a plain folder and its parents. One that exists is no error. */
int ps_folder_make(const ps_sys *sys, const char *path, ps_diag *diag) PS_MUST_USE;
/* Removes one of our folders: the files that its manifest names, the manifest, and the folder if it
 * is empty then. A link to a folder stays, and so does the empty folder behind it. Returns 0 if
 * there is no such folder. */
int ps_folder_remove(const ps_sys *sys, const char *path, ps_diag *diag) PS_MUST_USE;

/* Reads and checks the manifest of a folder: an object with files, each with a plain name, bytes
 * and xxh3, and a right checksum, which *manifest lacks. *manifest (owned by the caller) is NULL if
 * there is no such file. PS_EINPUT if it is damaged. */
int ps_folder_read_manifest(const ps_sys *sys, const char *path, json_t **manifest,
			    ps_diag *diag) PS_MUST_USE;
/* The same where a damaged manifest counts as none, and so does the manifest.json of another
 * program. PS_EINPUT if it is there and cannot be read: nothing is known of it then. */
int ps_folder_find_manifest(const ps_sys *sys, const char *path, json_t **manifest,
			    ps_diag *diag) PS_MUST_USE;
/* PS_EINPUT unless the manifest of the folder at path names this file with this size and digest. */
int ps_folder_compare(const json_t *manifest, const char *path, const char *name, uint64_t bytes,
		      uint64_t digest, ps_diag *diag) PS_MUST_USE;

/* True for a name that stays within its folder: no slash, no leading dot, not empty, not too
 * long. */
bool ps_folder_plain_name(const char *name);

#endif
