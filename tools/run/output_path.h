/* tools/run/output_path.h: the one rule for what a command writes, files and folders alike.
 *
 * What stands under the output's name decides:
 * - Nothing: it is made. A file's folder must be there.
 * - One of the command's inputs, under whatever name: refused, also with --force.
 * - A place in a hub's cache of models: refused, also with --force.
 * - A file of another result's folder, named by its manifest: refused, also with --force.
 * - A pipe, a socket, a device, a descriptor such as /dev/stdout, a link to nothing, a folder where
 *   a file goes, a file where a folder goes: refused, also with --force.
 * - A whole result of the same provenance: left alone. A damaged one is made anew, an unfinished
 *   folder is continued.
 * - Anything else: refused without --force. With it, it is replaced once the new one is whole.
 * "Refused" is PS_EUSAGE. A name that the system does not take, and a folder that cannot be written
 * to, are an -errno. A symbolic link is followed: what it leads to is replaced, the link stays.
 *
 *   ps_output_open -> ps_output_keep_off for each input -> a file: ps_output_find
 *                                                          a folder: ps_folder_begin (io/folder.h)
 * The command then writes to output.path. */
#ifndef PS_TOOLS_RUN_OUTPUT_PATH_H
#define PS_TOOLS_RUN_OUTPUT_PATH_H

#include <limits.h>

#include "io/safetensors.h"
#include "tools/run/lists.h"
#include "tools/run/session.h"

typedef struct ps_output {
	const char *kind;    /* of the file: "tokens", "mask", ...; NULL: a folder */
	bool replace;        /* --force */
	bool shared;         /* a folder that an input may lie in; the caller sets it */
	char path[PATH_MAX]; /* where it is written: behind links, without a slash at its end */
	bool there;          /* something stands there */
	dev_t device;        /* of what stands there */
	ino_t inode;
} ps_output;

/* Looks at what stands under the name. kind: of a file of ours, any other word for another kind of
 * file, NULL for a folder. */
int ps_output_open(ps_output *output, const char *name, const char *kind, bool replace,
		   ps_diag *diag) PS_MUST_USE;

/* PS_EUSAGE if the output is the input, a file of the input (a folder or a hub id), or a folder
 * that the input lies in. A file of this output's own kind in an input folder is no input. input
 * NULL, or one that is not there, is no error. */
int ps_output_keep_off(const ps_output *output, const char *input, ps_diag *diag) PS_MUST_USE;
/* The same for each input of a list. */
int ps_output_keep_off_all(const ps_output *output, const ps_text_list *inputs,
			   ps_diag *diag) PS_MUST_USE;

/* Decides on a file whose provenance is known. *done: it is there already, which the user is told;
 * *found is then open, and the caller reads its result from it and closes it. */
int ps_output_find(const ps_output *output, const json_t *provenance, ps_session *session,
		   bool *done, ps_safetensors *found) PS_MUST_USE;

/* Tells the user that an output is left alone. */
void ps_output_say_done(ps_session *session, const char *path);

/* PS_EUSAGE unless the output is not there, or may be replaced. For files without provenance.
 * own: it is a result of this command. */
int ps_output_check(const ps_output *output, bool own, ps_diag *diag) PS_MUST_USE;

#endif
