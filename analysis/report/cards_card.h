/* analysis/report/cards_card.h: one feature card as a part of a page: what a latent does in the
 * dense and in the pruned model.
 *
 * A card says: index, class in plain words, partner, Pearson, Jaccard; rate, mean and peak
 * activation and ablation effect in both models; a histogram of both models' activations; the
 * contexts in which it is most active, the same text dense and pruned side by side; the tokens that
 * its decoder row promotes and suppresses.
 *
 * Tokens of a context have classes a1 to a9: the share of the card's largest activation. The most
 * active token is framed, and every active one is underlined, so nothing is told by colour
 * alone. */
#ifndef PS_ANALYSIS_REPORT_CARDS_CARD_H
#define PS_ANALYSIS_REPORT_CARDS_CARD_H

#include <stdio.h>

#include "analysis/report/cards_data.h"

/* The class in a few words: "fires alike in both models". */
const char *ps_class_meaning(ps_feature_class class);

/* Writes a card. contexts: of each model at most. anchor: the card can be linked to, as
 * #latent-INDEX; on one page at most one card of a latent has an anchor. */
void ps_card_write(FILE *out, const ps_cards *cards, const json_t *card, size_t contexts,
		   bool anchor);

#endif
