#include "tools/cmd/dashboard.h"

#include <math.h>
#include <string.h>

#include "analysis/report/cards_data.h"
#include "io/file.h"

#define SET "res-prunescope"

enum {
	CARD_BYTES = 512 << 10, /* the values of one, and its text twice */
	FILE_BYTES_MAX = 64 << 20,
};

size_t ps_dashboard_bytes(size_t cards)
{
	return cards * CARD_BYTES;
}

/* --- lists --- */

/* Appends a value to a list. Without memory for one of them the list is gone: NULL. */
static json_t *append(json_t *list, json_t *value)
{
	if (!list || json_array_append_new(list, value)) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* A number that is not defined has no place in the layout. */
static json_t *number(double value)
{
	return ps_number_json(isnan(value) ? 0 : value);
}

static json_t *numbers(const json_t *values)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(values) && list; i++)
		list = append(list, number(ps_json_number(json_array_get(values, i))));
	return list;
}

static json_t *middles(const json_t *edges)
{
	json_t *list = json_array();

	for (size_t i = 1; i < json_array_size(edges) && list; i++)
		list = append(list, number((ps_json_number(json_array_get(edges, i - 1)) +
					    ps_json_number(json_array_get(edges, i))) /
					   2));
	return list;
}

/* Of promoted or suppressed tokens; a table without an output head has none. */
static json_t *token_texts(const json_t *tokens)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(tokens) && list; i++)
		list = append(list, json_incref((json_t *)ps_cards_at(json_array_get(tokens, i),
								      PS_TOKEN_TEXT)));
	return list;
}

static json_t *token_logits(const json_t *tokens)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(tokens) && list; i++)
		list = append(list,
			      number(ps_cards_number(json_array_get(tokens, i), PS_TOKEN_LOGIT)));
	return list;
}

/* --- contexts --- */

static json_t *activation_json(const json_t *context, double peak, ps_model_side side)
{
	const json_t *values = json_array_get(ps_cards_at(context, PS_CONTEXT_VALUES), side);

	return json_pack("{s:o, s:o, s:o, s:O, s:o, s:O}", "bin_min", number(-1), "bin_max",
			 number(peak), "bin_contains", number(-1), "tokens",
			 ps_cards_at(context, PS_CONTEXT_TEXTS), "values", numbers(values),
			 "qualifying_token_index", ps_cards_at(context, PS_CONTEXT_AT));
}

static json_t *activations_json(const json_t *card, ps_model_side side)
{
	const json_t *contexts =
		ps_cards_at(ps_cards_at(card, PS_CARD_CONTEXTS),
			    side == PS_DENSE ? PS_CONTEXTS_DENSE : PS_CONTEXTS_PRUNED);
	const double peak = ps_cards_item(card, PS_CARD_PEAK, side);
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(contexts) && list; i++)
		list = append(list, activation_json(json_array_get(contexts, i), peak, side));
	return list;
}

/* --- features --- */

/* Adds what the layout has and a study does not measure. */
static int add_empty(json_t *feature)
{
	static const char *const keys[] = {
		"neuron_alignment_indices",
		"neuron_alignment_values",
		"neuron_alignment_l1",
		"correlated_neurons_indices",
		"correlated_neurons_l1",
		"correlated_neurons_pearson",
		"correlated_features_indices",
		"correlated_features_l1",
		"correlated_features_pearson",
		"logits_hist_data_bar_heights",
		"logits_hist_data_bar_values",
		"decoder_weights_dist",
		"vector",
	};
	int lost = 0;

	for (size_t i = 0; i < sizeof keys / sizeof *keys && !lost; i++)
		lost = json_object_set_new(feature, keys[i], json_array());
	return lost;
}

static json_t *feature_json(const ps_dashboard *about, const json_t *card)
{
	const json_t *histogram = ps_cards_at(card, PS_CARD_HISTOGRAM),
		     *counts = json_array_get(ps_cards_at(histogram, PS_HISTOGRAM_COUNTS),
					      about->side),
		     *promoted = ps_cards_at(card, PS_CARD_PROMOTED),
		     *suppressed = ps_cards_at(card, PS_CARD_SUPPRESSED);
	json_t *feature = json_pack(
		"{s:O, s:o, s:o, s:o, s:o, s:o, s:o, s:O, s:I, s:I, s:s, s:o}", "feature_index",
		ps_cards_at(card, PS_CARD_LATENT), "neg_str", token_texts(suppressed), "neg_values",
		token_logits(suppressed), "pos_str", token_texts(promoted), "pos_values",
		token_logits(promoted), "frac_nonzero",
		number(ps_cards_item(card, PS_CARD_RATE, about->side)), "freq_hist_data_bar_values",
		middles(ps_cards_at(histogram, PS_HISTOGRAM_EDGES)), "freq_hist_data_bar_heights",
		counts, "n_prompts_total", (json_int_t)about->windows, "n_tokens_in_prompt",
		(json_int_t)about->window, "dataset", about->study, "activations",
		activations_json(card, about->side));

	if (feature && !add_empty(feature))
		return feature;
	json_decref(feature);
	return NULL;
}

json_t *ps_dashboard_json(const ps_dashboard *about, const json_t *cards)
{
	json_t *features = json_array();

	for (size_t i = 0; i < json_array_size(cards) && features; i++)
		features = append(features, feature_json(about, json_array_get(cards, i)));
	return json_pack("{s:s, s:I, s:s, s:s, s:o}", "model_id", about->model, "layer",
			 (json_int_t)about->layer, "sae_set", SET, "sae_id_suffix",
			 about->side == PS_DENSE ? "dense" : about->condition, "features",
			 features);
}

bool ps_dashboard_is_ours(const char *path)
{
	ps_diag ignored = {{0}};
	json_t *object = NULL;
	const char *set;
	bool ours;

	if (ps_file_read_json(&ps_sys_linux, path, FILE_BYTES_MAX, &object, &ignored))
		return false;
	set = json_string_value(json_object_get(object, "sae_set"));
	ours = set && !strcmp(set, SET);
	json_decref(object);
	return ours;
}
