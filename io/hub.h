/* io/hub.h: where the local Hugging Face cache keeps the snapshot of a hub id. Nothing is downloaded or written.
 *
 * Layout: CACHE/models--org--name/refs/main holds a revision, CACHE/models--org--name/snapshots/<revision>/ the
 * files (links into blobs/). CACHE is the first that is set of HF_HUB_CACHE, HF_HOME/hub, HOME/.cache/huggingface/hub. */
#ifndef PS_IO_HUB_H
#define PS_IO_HUB_H

#include <stdbool.h>

#include "core/base/error.h"

/* "name" or "org/name" of letters, digits, '.', '_' and '-', no part starting with '.' or '-'. */
bool ps_hub_is_id(const char *id);

/* The snapshot's folder into path (PATH_MAX bytes). PS_EINPUT saying where it looked when it is not there. */
int ps_hub_snapshot(const char *id, char *path, ps_diag *diag) PS_MUST_USE;

#endif
