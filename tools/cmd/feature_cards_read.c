#include "tools/cmd/feature_cards_read.h"

#include <string.h>

#include "analysis/promoted.h"
#include "io/file.h"
#include "io/sealed_json.h"
#include "tools/cmd/feature_cards.h"
#include "tools/cmd/feature_groups.h"

/* Whether a value is what stands under a key. NULL, a key that is not there, never is. */
typedef bool is_fn(const json_t *value);

struct key {
	const char *name;
	is_fn *is;
};

/* --- values --- */

static bool is_index(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool is_number(const json_t *value)
{
	return json_is_number(value) || json_is_null(value);
}

static bool is_finite(const json_t *value)
{
	return json_is_number(value);
}

static bool is_text(const json_t *value)
{
	return json_is_string(value);
}

static bool is_flag(const json_t *value)
{
	return json_is_boolean(value);
}

static bool is_object(const json_t *value)
{
	return json_is_object(value);
}

static bool is_class(const json_t *value)
{
	const char *name = json_string_value(value);

	for (int c = 0; name && c < PS_FEATURE_CLASSES; c++)
		if (!strcmp(name, ps_feature_class_names[c]))
			return true;
	return false;
}

static bool is_index_or_null(const json_t *value)
{
	return json_is_null(value) || is_index(value);
}

static bool is_flag_or_null(const json_t *value)
{
	return json_is_null(value) || is_flag(value);
}

/* --- lists and objects --- */

static bool is_list(const json_t *value, size_t least, size_t most, is_fn *is)
{
	if (!json_is_array(value) || json_array_size(value) < least ||
	    json_array_size(value) > most)
		return false;
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!is(json_array_get(value, i)))
			return false;
	return true;
}

/* The first key that is missing or is something else; NULL: all are right. */
static const char *wrong_key(const json_t *object, const struct key *keys, size_t count)
{
	for (size_t k = 0; k < count; k++)
		if (!keys[k].is(json_object_get(object, keys[k].name)))
			return keys[k].name;
	return NULL;
}

static bool has_keys(const json_t *object, const struct key *keys, size_t count)
{
	return json_is_object(object) && !wrong_key(object, keys, count);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* An object with one value of a kind a name. */
static bool has_all(const json_t *object, const char *const *names, size_t count, is_fn *is)
{
	for (size_t i = 0; i < count; i++)
		if (!is(json_object_get(object, names[i])))
			return false;
	return true;
}

static bool is_pair(const json_t *value)
{
	return is_list(value, 2, 2, is_number);
}

static bool is_flags_or_null(const json_t *value)
{
	return json_is_null(value) || is_list(value, 1, PS_FEATURE_TAUS_MAX, is_flag);
}

/* --- parts of a card --- */

static bool are_bins(const json_t *value)
{
	return is_list(value, 0, PS_ACTIVATION_BINS, is_index);
}

static bool is_histogram(const json_t *value)
{
	const json_t *edges = json_object_get(value, "edges"),
		     *counts = json_object_get(value, "counts");
	size_t bins = json_array_size(json_array_get(counts, 0));

	return is_list(edges, 0, PS_ACTIVATION_BINS + 1, is_finite) &&
	       is_list(counts, 2, 2, are_bins) &&
	       json_array_size(json_array_get(counts, 1)) == bins &&
	       json_array_size(edges) == (bins ? bins + 1 : 0);
}

static bool are_values(const json_t *value)
{
	return is_list(value, 1, PS_CONTEXT_TOKENS, is_finite);
}

static bool are_tokens(const json_t *value)
{
	return is_list(value, 1, PS_CONTEXT_TOKENS, is_text);
}

static bool are_both_values(const json_t *value)
{
	return is_list(value, PS_MODEL_SIDES, PS_MODEL_SIDES, are_values);
}

static bool is_context(const json_t *value)
{
	static const struct key keys[] = {{"window", is_index},      {"position", is_index},
					  {"activation", is_finite}, {"at", is_index},
					  {"tokens", are_tokens},    {"values", are_both_values}};
	const json_t *values = json_object_get(value, "values");
	const size_t tokens = json_array_size(json_object_get(value, "tokens"));

	return has_keys(value, keys, COUNT(keys)) &&
	       json_array_size(json_array_get(values, PS_DENSE)) == tokens &&
	       json_array_size(json_array_get(values, PS_PRUNED)) == tokens &&
	       json_integer_value(json_object_get(value, "at")) < (json_int_t)tokens;
}

static bool are_contexts(const json_t *value)
{
	return is_list(value, 0, PS_CONTEXTS, is_context);
}

static bool has_both_contexts(const json_t *value)
{
	static const struct key keys[] = {{"dense", are_contexts}, {"pruned", are_contexts}};

	return has_keys(value, keys, COUNT(keys));
}

static bool is_promoted(const json_t *value)
{
	static const struct key keys[] = {{"token", is_text}, {"logit", is_finite}};

	return has_keys(value, keys, COUNT(keys));
}

static bool are_promoted_or_null(const json_t *value)
{
	return json_is_null(value) || is_list(value, 0, PS_PROMOTED_TOKENS, is_promoted);
}

static const struct key card_keys[] = {{"latent", is_index},
				       {"class", is_class},
				       {"rate", is_pair},
				       {"peak", is_pair},
				       {"mean", is_pair},
				       {"pearson", is_number},
				       {"jaccard", is_number},
				       {"decoder_norm", is_number},
				       {"partner", is_index_or_null},
				       {"cosine", is_number},
				       {"mutual", is_flag_or_null},
				       {"survival", is_flags_or_null},
				       {"ablation_effect", is_pair},
				       {"ablation_per_firing", is_pair},
				       {"histogram", is_histogram},
				       {"contexts", has_both_contexts},
				       {"promoted", are_promoted_or_null},
				       {"suppressed", are_promoted_or_null}};

/* --- parts of the file --- */

static bool is_table_row(const json_t *value)
{
	static is_fn *const columns[PS_CARDS_COLUMNS] = {
		is_index,  is_class,  is_number,        is_number, is_number,      is_number,
		is_number, is_number, is_index_or_null, is_number, is_flag_or_null};

	if (json_array_size(value) != PS_CARDS_COLUMNS)
		return false;
	for (size_t c = 0; c < PS_CARDS_COLUMNS; c++)
		if (!columns[c](json_array_get(value, c)))
			return false;
	return true;
}

static bool is_table(const json_t *value)
{
	return is_list(json_object_get(value, "columns"), PS_CARDS_COLUMNS, PS_CARDS_COLUMNS,
		       is_text) &&
	       is_list(json_object_get(value, "rows"), 0, PS_CARDS_TABLE_ROWS, is_table_row);
}

static bool are_taus(const json_t *value)
{
	return is_list(value, 1, PS_FEATURE_TAUS_MAX, is_finite);
}

static bool are_thresholds(const json_t *value)
{
	static const char *const names[] = {"kept", "blurred", "shift"};

	return has_all(value, names, COUNT(names), is_finite);
}

static bool are_classes(const json_t *value)
{
	return has_all(value, ps_feature_class_names, PS_FEATURE_CLASSES, is_index);
}

static bool are_rules(const json_t *value)
{
	return has_all(value, ps_card_group_names, PS_CARD_GROUPS, is_text);
}

static bool is_group(const json_t *value)
{
	return is_list(value, 0, PS_CARDS_A_GROUP, is_index);
}

static bool are_groups(const json_t *value)
{
	return has_all(value, ps_card_group_names, PS_CARD_GROUPS, is_group);
}

static bool are_cards(const json_t *value)
{
	return is_list(value, 0, PS_CARD_GROUPS * PS_CARDS_A_GROUP, is_object);
}

static const struct key file_keys[] = {
	{"provenance", is_object}, {"latents", is_index},          {"rows", is_index},
	{"taus", are_taus},        {"thresholds", are_thresholds}, {"classes", are_classes},
	{"rules", are_rules},      {"groups", are_groups},         {"cards", are_cards},
	{"table", is_table},       {"table_of", is_index}};

/* --- the file --- */

const json_t *ps_feature_cards_find(const json_t *cards, json_int_t latent)
{
	const json_t *list = json_object_get(cards, "cards");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *card = json_array_get(list, i);

		if (json_integer_value(json_object_get(card, "latent")) == latent)
			return card;
	}
	return NULL;
}

static int check_cards(const json_t *cards, const char *path, ps_diag *diag)
{
	const json_t *list = json_object_get(cards, "cards"),
		     *taus = json_object_get(cards, "taus");
	const json_int_t latents = json_integer_value(json_object_get(cards, "latents"));

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *card = json_array_get(list, i),
			     *survival = json_object_get(card, "survival");
		const char *wrong = wrong_key(card, card_keys, COUNT(card_keys));

		if (!wrong && json_integer_value(json_object_get(card, "latent")) >= latents)
			wrong = "latent";
		if (!wrong && json_is_array(survival) &&
		    json_array_size(survival) != json_array_size(taus))
			wrong = "survival";
		if (wrong)
			return ps_fail(diag, PS_EINPUT,
				       "%s: %s of card %zu is missing or is no value that it may "
				       "have",
				       path, wrong, i);
	}
	return 0;
}

static int check_groups(const json_t *cards, const char *path, ps_diag *diag)
{
	for (int g = 0; g < PS_CARD_GROUPS; g++) {
		const json_t *group =
			json_object_get(json_object_get(cards, "groups"), ps_card_group_names[g]);

		for (size_t i = 0; i < json_array_size(group); i++) {
			const json_int_t latent = json_integer_value(json_array_get(group, i));

			if (!ps_feature_cards_find(cards, latent))
				return ps_fail(diag, PS_EINPUT,
					       "%s: latent %lld of the group %s has no card", path,
					       (long long)latent, ps_card_group_names[g]);
		}
	}
	return 0;
}

static int check(const json_t *cards, const char *path, ps_diag *diag)
{
	const char *schema = json_string_value(json_object_get(cards, "schema")), *wrong;
	int rc;

	if (!schema || strcmp(schema, PS_CARDS_SCHEMA))
		return ps_fail(diag, PS_EINPUT,
			       "%s: is no file of feature cards (it must say the "
			       "schema " PS_CARDS_SCHEMA ")",
			       path);
	wrong = wrong_key(cards, file_keys, COUNT(file_keys));
	if (wrong)
		return ps_fail(diag, PS_EINPUT, "%s: %s is missing or is no value that it may have",
			       path, wrong);
	rc = check_cards(cards, path, diag);
	return rc ? rc : check_groups(cards, path, diag);
}

int ps_feature_cards_read(const ps_sys *sys, const char *path, json_t **cards, ps_diag *diag)
{
	json_t *object;
	int rc = ps_sealed_read(sys, path, PS_CARDS_BYTES_MAX, &object, diag);

	*cards = NULL;
	if (!rc)
		rc = check(object, path, diag);
	if (rc)
		json_decref(object);
	else
		*cards = object;
	return rc;
}

bool ps_feature_cards_is_ours(const char *path)
{
	ps_diag ignored = {{0}};
	json_t *object = NULL;
	const char *schema;
	bool ours;

	if (ps_file_read_json(&ps_sys_linux, path, PS_CARDS_BYTES_MAX, &object, &ignored))
		return false;
	schema = json_string_value(json_object_get(object, "schema"));
	ours = schema && !strcmp(schema, PS_CARDS_SCHEMA);
	json_decref(object);
	return ours;
}
