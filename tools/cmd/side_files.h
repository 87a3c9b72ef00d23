/* tools/cmd/side_files.h: the files of a checkpoint's folder that a user of a copy needs: weights,
 * their index, config.json, the tokenizer. For `export` and `convert`. */
#ifndef PS_TOOLS_CMD_SIDE_FILES_H
#define PS_TOOLS_CMD_SIDE_FILES_H

#include "io/checkpoint.h"
#include "io/folder.h"
#include "tools/run/session.h"

/* Whether the name is that of a file of weights. */
bool ps_side_file_is_weights(const char *name);

/* Called with the name of each file. A code other than 0 ends the listing. */
typedef int ps_side_file_fn(void *context, const char *name);
/* Lists the files by name. Beside a model that is one file lie weights of others, too: they are
 * left out. Of what lies beside a GGUF file, only the tokenizer's own files are its. PS_EINPUT: the
 * folder cannot be listed; and what fn returns. */
int ps_side_files_each(const ps_checkpoint *checkpoint, ps_side_file_fn *fn, void *context,
		       ps_diag *diag) PS_MUST_USE;

/* Copies one that holds no weights to the open folder. */
int ps_side_file_copy(const ps_checkpoint *checkpoint, const char *name, const ps_folder *to,
		      ps_diag *diag) PS_MUST_USE;
/* The size of the largest of them, in bytes: what a copy takes of memory. */
int ps_side_files_largest(const ps_checkpoint *checkpoint, size_t *bytes,
			  ps_diag *diag) PS_MUST_USE;

#endif
