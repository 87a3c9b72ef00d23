/* io/hub.h: finds the snapshot of a hub id in the local Hugging Face cache. It downloads and writes
 * nothing.
 *
 * Layout: CACHE/models--org--name/refs/main holds a revision.
 * CACHE/models--org--name/snapshots/REVISION/ holds the files, as links into blobs/. CACHE is the
 * first of HF_HUB_CACHE, HF_HOME/hub and HOME/.cache/huggingface/hub whose variable is set. */
#ifndef PS_IO_HUB_H
#define PS_IO_HUB_H

#include <stdbool.h>

#include "core/base/error.h"

/* True for "name" or "org/name" of letters, digits, '.', '_' and '-', no part of which starts with
 * '.' or '-'. */
bool ps_hub_is_id(const char *id);

/* Writes the snapshot's folder to path (PATH_MAX bytes). PS_EINPUT if it is not there, saying where
 * it was looked for. */
int ps_hub_snapshot(const char *id, char *path, ps_diag *diag) PS_MUST_USE;

#endif
