/* tools/cli/print_cards.h: shows cards of latents (tools/cmd/feature_card.h) on a terminal. */
#ifndef PS_TOOLS_CLI_PRINT_CARDS_H
#define PS_TOOLS_CLI_PRINT_CARDS_H

#include "core/base/json.h"

/* Prints the result of `features STUDY` to stdout. One latent: its card. In its contexts a token
 * that the latent fires on stands in [brackets], and one with at least half of the context's
 * largest activation in [[two]]. On a terminal they are coloured as well, unless NO_COLOR is set or
 * TERM is dumb. Several latents: the groups with a line a latent. */
void ps_print_cards(const json_t *result);

#endif
