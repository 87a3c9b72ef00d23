/* io/hub.h: finds the snapshot of a hub id in the local Hugging Face cache. It downloads and writes
 * nothing.
 *
 * An id is "name" or "org/name". With "@REVISION" behind it, it means that branch, tag or commit;
 * without, the branch main.
 *
 * Layout: CACHE/models--org--name/refs/REVISION holds a commit.
 * CACHE/models--org--name/snapshots/COMMIT/ holds the files, as links into blobs/. If there is no
 * refs/main and only one snapshot, that one is taken.
 *
 * CACHE is the first of these whose variable is set, as in the library huggingface_hub:
 * HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub,
 * HOME/.cache/huggingface/hub.
 * Before it, TRANSFORMERS_CACHE, PYTORCH_TRANSFORMERS_CACHE or PYTORCH_PRETRAINED_BERT_CACHE, as in
 * the library transformers before version 5, if the one that is set holds the model.
 * A leading ~, and $NAME or ${NAME}, are expanded. */
#ifndef PS_IO_HUB_H
#define PS_IO_HUB_H

#include <stdbool.h>

#include "core/base/error.h"

/* True for an id whose words are of letters, digits, '.', '_' and '-', none of which starts with
 * '.' or '-'. A revision may have several words with '/' between them. */
bool ps_hub_is_id(const char *id);

/* Writes the snapshot's folder to path (PATH_MAX bytes). PS_EINPUT if it is not there, saying where
 * it was looked for, or if several snapshots come into question. */
int ps_hub_snapshot(const char *id, char *path, ps_diag *diag) PS_MUST_USE;

#endif
