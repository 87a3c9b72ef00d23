/* tools/cmd/feature_cards.h: the file that `features --cards` writes: the cards of chosen latents,
 * and a short row for each latent that fires. One JSON object that carries its checksum
 * (io/sealed_json.h):
 *
 *   schema       "prunescope-cards/1"
 *   provenance   that of the table, with the tokenizer among its inputs
 *   latents      F
 *   rows         of activations that count
 *   taus         least cosines of survivors
 *   thresholds   {kept, blurred, shift}: of the classes
 *   classes      {none, kept, shifted, blurred, lost}: how many of all F latents
 *   rules        {best, worst, causal, shifted, random}: in words, how each group was chosen
 *   groups       the same keys: [latent], at most ten, the first by the rule first
 *                (feature_groups.h)
 *   cards        the card of each latent of any group (feature_card.h), by ascending index
 *   table        {columns: [name], rows: [[value a column]]}: the most frequent latents of those
 *                that fire on the dense model's rows, at most 4,096, by ascending index
 *   table_of     how many latents fire on the dense model's rows
 *
 * Columns of the table: latent, class, rate_dense, rate_pruned, mean_dense, mean_pruned, pearson,
 * jaccard, partner, cosine, mutual. null: not defined. analysis/report/cards_data.h has names and
 * limits; feature_cards_read.h reads the file. */
#ifndef PS_TOOLS_CMD_FEATURE_CARDS_H
#define PS_TOOLS_CMD_FEATURE_CARDS_H

#include "core/tokenizer/token_text.h"
#include "tools/cmd/feature_file.h"

/* Bytes that writing takes; about how many the file has. */
size_t ps_feature_cards_bytes(size_t latents);
size_t ps_feature_cards_file_bytes(size_t latents);

/* Writes the cards of a table, atomically. tokenizer: the digest of tokenizer.json, whose texts
 * these are. */
int ps_feature_cards_write(const ps_feature_file *file, const ps_token_texts *texts,
			   const char *tokenizer, const char *path, ps_diag *diag) PS_MUST_USE;

#endif
