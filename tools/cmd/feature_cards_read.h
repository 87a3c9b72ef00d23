/* tools/cmd/feature_cards_read.h: reads the file of cards that feature_cards.h describes.
 *
 * It is sealed, and analysis/report/cards_data.h checks it: every key is there with its type, lists
 * that belong together have one length, indices are below the number of latents, and each latent of
 * a group has its card. So a caller need not look again. */
#ifndef PS_TOOLS_CMD_FEATURE_CARDS_READ_H
#define PS_TOOLS_CMD_FEATURE_CARDS_READ_H

#include <stdbool.h>

#include "analysis/report/cards_data.h"
#include "io/sys.h"

/* Opens cards on *root, a new reference that must outlive them; NULL if reading fails. PS_EINPUT:
 * the file cannot be read, is damaged, or is no file of cards; the message names the place. */
int ps_feature_cards_read(const ps_sys *sys, const char *path, ps_cards *cards, json_t **root,
			  ps_diag *diag) PS_MUST_USE;

/* Whether the file at path says that it is a file of cards, damaged or not. */
bool ps_feature_cards_is_ours(const char *path);

#endif
