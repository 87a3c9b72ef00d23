#include "tools/cmd/feature_card.h"

#include <stdio.h>

static json_t *pair(double dense, double pruned)
{
	return json_pack("[o, o]", ps_number_json(dense), ps_number_json(pruned));
}

static json_t *token_text(const ps_token_texts *texts, int32_t id)
{
	const char *text = ps_token_texts_get(texts, id);
	char name[24];

	if (text)
		return json_string(text);
	snprintf(name, sizeof name, "<id %d>", id);
	return json_string(name);
}

/* --- histogram --- */

/* The edges of bins [first, end), and the last one's upper edge. */
static json_t *edges_json(size_t first, size_t end)
{
	json_t *edges = json_array();

	for (size_t b = first; first < end && b <= end; b++)
		if (json_array_append_new(edges, ps_number_json((double)ps_activation_edge(b)))) {
			json_decref(edges);
			return NULL;
		}
	return edges;
}

static json_t *counts_json(const int32_t *bins, size_t first, size_t end)
{
	json_t *counts = json_array();

	for (size_t b = first; b < end; b++)
		if (json_array_append_new(counts, json_integer(bins[b]))) {
			json_decref(counts);
			return NULL;
		}
	return counts;
}

static json_t *histogram_json(const ps_feature_row *row)
{
	const int32_t *dense = row->histogram[PS_DENSE], *pruned = row->histogram[PS_PRUNED];
	size_t first = 0, end = PS_ACTIVATION_BINS;

	while (end && !dense[end - 1] && !pruned[end - 1])
		end--;
	while (first < end && !dense[first] && !pruned[first])
		first++;
	return json_pack("{s:o, s:[o, o]}", "edges", edges_json(first, end), "counts",
			 counts_json(dense, first, end), counts_json(pruned, first, end));
}

/* --- contexts --- */

/* The tokens [first, end) of a context. */
struct span {
	size_t first, end;
};

static struct span span_of(const int32_t *token)
{
	struct span span = {0, PS_CONTEXT_TOKENS};

	while (span.first < PS_CONTEXT_BEFORE && token[span.first] == PS_NO_TOKEN)
		span.first++;
	while (span.end > PS_CONTEXT_BEFORE + 1 && token[span.end - 1] == PS_NO_TOKEN)
		span.end--;
	return span;
}

static json_t *tokens_json(const ps_token_texts *texts, const int32_t *token, struct span span)
{
	json_t *tokens = json_array();

	for (size_t i = span.first; i < span.end; i++)
		if (json_array_append_new(tokens, token_text(texts, token[i]))) {
			json_decref(tokens);
			return NULL;
		}
	return tokens;
}

static json_t *values_json(const float *value, struct span span)
{
	json_t *values = json_array();

	for (size_t i = span.first; i < span.end; i++)
		if (json_array_append_new(values, ps_number_json((double)value[i]))) {
			json_decref(values);
			return NULL;
		}
	return values;
}

static json_t *context_json(const ps_token_texts *texts, const ps_feature_row *row, int side,
			    size_t i)
{
	const int32_t *token = row->context_token[side][i];
	const struct span span = span_of(token);

	return json_pack("{s:i, s:i, s:o, s:I, s:o, s:[o, o]}", "window",
			 (int)row->context_window[side][i], "position",
			 (int)row->context_position[side][i], "activation",
			 ps_number_json((double)row->context_activation[side][i]), "at",
			 (json_int_t)(PS_CONTEXT_BEFORE - span.first), "tokens",
			 tokens_json(texts, token, span), "values",
			 values_json(row->context_value[side][i][PS_DENSE], span),
			 values_json(row->context_value[side][i][PS_PRUNED], span));
}

static json_t *contexts_json(const ps_token_texts *texts, const ps_feature_row *row, int side)
{
	json_t *contexts = json_array();

	for (size_t i = 0; i < PS_CONTEXTS && row->context_window[side][i] >= 0; i++)
		if (json_array_append_new(contexts, context_json(texts, row, side, i))) {
			json_decref(contexts);
			return NULL;
		}
	return contexts;
}

/* --- promoted tokens --- */

static json_t *promoted_json(const ps_feature_file *file, const ps_token_texts *texts,
			     const ps_feature_row *row, int end)
{
	json_t *list;

	if (!file->has[PS_FEATURE_HEAD])
		return json_null();
	list = json_array();
	for (size_t i = 0; i < PS_PROMOTED_TOKENS && row->promoted_token[end][i] >= 0; i++)
		if (json_array_append_new(
			    list, json_pack("{s:o, s:o}", "token",
					    token_text(texts, row->promoted_token[end][i]), "logit",
					    ps_number_json((double)row->promoted_logit[end][i])))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* --- the card --- */

static json_t *survival_json(const ps_feature_file *file, const ps_feature_row *row)
{
	json_t *survival = json_array();

	for (size_t t = 0; t < file->taus; t++)
		if (json_array_append_new(survival, json_boolean(row->survival[t]))) {
			json_decref(survival);
			return NULL;
		}
	return survival;
}

/* The keys about the partner, as an object of their own. */
static json_t *match_json(const ps_feature_file *file, const ps_feature_row *row)
{
	if (!file->has[PS_FEATURE_MATCH])
		return json_pack("{s:n, s:n, s:n, s:n}", "partner", "cosine", "mutual", "survival");
	return json_pack("{s:i, s:o, s:b, s:o}", "partner", (int)row->nearest, "cosine",
			 ps_number_json((double)row->cosine), "mutual", row->mutual, "survival",
			 survival_json(file, row));
}

json_t *ps_feature_card(const ps_feature_file *file, const ps_token_texts *texts, size_t latent)
{
	ps_feature_row row;
	json_t *card;

	ps_feature_file_read(file, latent, &row);
	card = json_pack(
		"{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o}",
		"latent", (json_int_t)latent, "class", ps_feature_class_names[row.class], "rate",
		pair(row.rate_dense, row.rate_pruned), "peak",
		pair(row.peak_dense, row.peak_pruned), "mean",
		pair(row.mean_dense, row.mean_pruned), "pearson", ps_number_json(row.pearson),
		"jaccard", ps_number_json(row.jaccard), "decoder_norm",
		ps_number_json(row.decoder_norm), "ablation_effect",
		pair(row.ablation_effect, row.pruned_ablation_effect), "ablation_per_firing",
		pair(row.ablation_per_firing, row.pruned_ablation_per_firing), "histogram",
		histogram_json(&row), "contexts", "dense", contexts_json(texts, &row, PS_DENSE),
		"pruned", contexts_json(texts, &row, PS_PRUNED), "promoted",
		promoted_json(file, texts, &row, PS_PROMOTED), "suppressed",
		promoted_json(file, texts, &row, PS_SUPPRESSED));
	if (!card || json_object_update_new(card, match_json(file, &row))) {
		json_decref(card);
		return NULL;
	}
	return card;
}
