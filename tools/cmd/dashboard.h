/* tools/cmd/dashboard.h: cards of latents as a file that viewers of SAEDashboard's output read.
 *
 * SAEDashboard's neuronpedia runner writes files batch-N.json. Neuronpedia shows them after
 * SAEDashboard's own export. The layout is that of the classes NeuronpediaDashboardBatch, Feature
 * and Activation in sae_dashboard/neuronpedia/neuronpedia_dashboard.py, filled as
 * neuronpedia_converter.py does (github.com/jbloomAus/SAEDashboard, commit db4839a, version 0.8.0,
 * MIT licence). test/fixtures/dashboard has its keys and types. From a card (feature_card.h), of
 * the one side that is asked for:
 *
 *   model_id, layer    the study's name of the model; the layer of its SAE
 *   sae_set            "res-prunescope": an SAE of the residual stream
 *   sae_id_suffix      whose rows these are: "dense", or the name of the condition
 *   features           one for each card:
 *     feature_index      latent
 *     frac_nonzero       rate
 *     pos_str, pos_values, neg_str, neg_values   promoted and suppressed tokens, their logits
 *     freq_hist_data_bar_values, _heights        the middle of each bin, and its count. The bins
 *                        are half octaves: they are not equally wide
 *     n_tokens_in_prompt, n_prompts_total        the study's window; the windows it asks for
 *     dataset            the name of the study
 *     activations        one for each context:
 *       bin_min, bin_max, bin_contains   -1, the peak, -1: the group of top activations
 *       tokens, values                   the context's, of that side
 *       qualifying_token_index           the place of its most active token
 *
 * Lists that a study does not measure are empty: neuron_alignment_*, correlated_*,
 * logits_hist_data_*, decoder_weights_dist, vector. Viewers leave them out. The layout has no null:
 * a number that is not defined is 0. Numbers are not rounded. Another key would be an error for
 * SAEDashboard's classes, so the file carries no checksum and no provenance. */
#ifndef PS_TOOLS_CMD_DASHBOARD_H
#define PS_TOOLS_CMD_DASHBOARD_H

#include <stdbool.h>

#include "analysis/feature_stats.h"
#include "core/base/json.h"

/* What a file says beside the cards. */
typedef struct ps_dashboard {
	const char *model, *condition, *study;
	int64_t layer, window, windows;
	ps_model_side side;
} ps_dashboard;

/* Bytes that a file of so many cards takes while it is made. */
size_t ps_dashboard_bytes(size_t cards);

/* The file's value from a list of cards that are whole (cards_data.h). A new reference; NULL when
 * memory ran out. */
json_t *ps_dashboard_json(const ps_dashboard *about, const json_t *cards);

/* Whether the file at path is one that this program has written. */
bool ps_dashboard_is_ours(const char *path);

#endif
