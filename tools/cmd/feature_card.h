/* tools/cmd/feature_card.h: what is to be seen of one latent, as a JSON object:
 *
 *   latent             its index
 *   class              "none", "kept", "shifted", "blurred", "lost"
 *   rate, peak, mean   [dense, pruned]
 *   pearson, jaccard, decoder_norm
 *   partner            the nearest latent of the pruned model's SAE; null: the table has none
 *   cosine, mutual     of the partner; null without
 *   survival           [true or false a tau]; null without a partner
 *   ablation_effect, ablation_per_firing   [dense, pruned]
 *   histogram          {edges: [n + 1], counts: [[n dense], [n pruned]]}: activations in
 *                      [edge, next edge); empty bins at both ends are cut off (n may be 0)
 *   contexts           {dense: [context], pruned: [context]}: at most ten, most active first, on
 *                      the dense and on the pruned model's rows
 *   promoted, suppressed   [{token, logit}], at most ten, most extreme first; null without a head
 *
 *   context            {window, position: of the most active token, activation: of that side,
 *                      at: its place in tokens, tokens: [text], values: [[dense], [pruned]]: both
 *                      models' activations on these tokens}
 *
 * Formulas and units: analysis/feature_stats.h, analysis/promoted.h; columns: feature_file.h.
 * A number that the data do not define is null. Texts of tokens: core/tokenizer/token_text.h. A
 * token that the tokenizer does not know is <id 12345>. */
#ifndef PS_TOOLS_CMD_FEATURE_CARD_H
#define PS_TOOLS_CMD_FEATURE_CARD_H

#include "core/tokenizer/token_text.h"
#include "tools/cmd/feature_file.h"

/* The card of a latent below file->latents. A new reference; NULL when memory ran out. */
json_t *ps_feature_card(const ps_feature_file *file, const ps_token_texts *texts, size_t latent);

#endif
