#include "tools/cmd/feature_cards.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/sealed_json.h"
#include "tools/cmd/feature_card.h"
#include "tools/cmd/feature_groups.h"
#include "tools/run/json.h"

enum {
	/* The values of one, their copy for the seal, and its text twice. */
	CARD_BYTES = 256 << 10,
	ROW_BYTES = 3 << 10,
	/* In the file. */
	CARD_FILE_BYTES = 32 << 10,
	ROW_FILE_BYTES = 330
};

size_t ps_feature_cards_bytes(size_t latents)
{
	return ps_min_size(latents, PS_CARDS_GROUPS_COUNT * PS_CARDS_OF_GROUP) * CARD_BYTES +
	       ps_min_size(latents, PS_CARDS_ROWS_MAX) * ROW_BYTES +
	       latents * sizeof(ps_feature_firing);
}

size_t ps_feature_cards_file_bytes(size_t latents)
{
	return ps_min_size(latents, PS_CARDS_GROUPS_COUNT * PS_CARDS_OF_GROUP) * CARD_FILE_BYTES +
	       ps_min_size(latents, PS_CARDS_ROWS_MAX) * ROW_FILE_BYTES;
}

/* --- groups --- */

static json_t *rules_json(void)
{
	json_t *rules = json_object();

	for (int g = 0; g < PS_CARDS_GROUPS_COUNT; g++)
		if (json_object_set_new(rules, ps_cards_name(PS_GROUPS_BEST + g),
					json_string(ps_card_group_rules[g]))) {
			json_decref(rules);
			return NULL;
		}
	return rules;
}

static json_t *group_json(const ps_feature_groups *groups, int g)
{
	json_t *list = json_array();

	for (size_t i = 0; i < groups->count[g]; i++)
		if (json_array_append_new(list, json_integer(groups->latent[g][i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *groups_json(const ps_feature_groups *groups)
{
	json_t *object = json_object();

	for (int g = 0; g < PS_CARDS_GROUPS_COUNT; g++)
		if (json_object_set_new(object, ps_cards_name(PS_GROUPS_BEST + g),
					group_json(groups, g))) {
			json_decref(object);
			return NULL;
		}
	return object;
}

/* --- cards --- */

/* The least latent of any group that is at least `from`; UINT32_MAX: none is. */
static uint32_t next_latent(const ps_feature_groups *groups, uint32_t from)
{
	uint32_t next = UINT32_MAX;

	for (int g = 0; g < PS_CARDS_GROUPS_COUNT; g++)
		for (size_t i = 0; i < groups->count[g]; i++)
			if (groups->latent[g][i] >= from && groups->latent[g][i] < next)
				next = groups->latent[g][i];
	return next;
}

static json_t *cards_json(const ps_feature_file *file, const ps_token_texts *texts,
			  const ps_feature_groups *groups)
{
	json_t *cards = json_array();

	for (uint32_t latent = next_latent(groups, 0); latent != UINT32_MAX;
	     latent = next_latent(groups, latent + 1))
		if (json_array_append_new(cards, ps_feature_card(file, texts, latent))) {
			json_decref(cards);
			return NULL;
		}
	return cards;
}

/* --- the table --- */

static int by_rows(const void *a, const void *b)
{
	const ps_feature_firing *x = a, *y = b;

	if (x->rows != y->rows)
		return x->rows > y->rows ? -1 : 1;
	return (x->latent > y->latent) - (x->latent < y->latent);
}

static int by_latent(const void *a, const void *b)
{
	const ps_feature_firing *x = a, *y = b;

	return (x->latent > y->latent) - (x->latent < y->latent);
}

static json_t *columns_json(void)
{
	json_t *columns = json_array();

	for (int c = 0; c < PS_CARDS_COLUMNS; c++)
		if (json_array_append_new(columns, json_string(ps_cards_column_names[c]))) {
			json_decref(columns);
			return NULL;
		}
	return columns;
}

/* In the order of ps_cards_column. */
static json_t *row_json(const ps_feature_file *file, uint32_t latent)
{
	const bool has_match = file->has[PS_FEATURE_MATCH];
	ps_feature_row row;

	ps_feature_file_read(file, latent, &row);
	return json_pack("[I, s, o, o, o, o, o, o, o, o, o]", (json_int_t)latent,
			 ps_feature_class_names[row.class], ps_number_json(row.rate_dense),
			 ps_number_json(row.rate_pruned), ps_number_json(row.mean_dense),
			 ps_number_json(row.mean_pruned), ps_number_json(row.pearson),
			 ps_number_json(row.jaccard),
			 has_match ? json_integer(row.nearest) : json_null(),
			 ps_number_json(has_match ? (double)row.cosine : NAN),
			 has_match ? json_boolean(row.mutual) : json_null());
}

static json_t *rows_json(const ps_feature_file *file, const ps_feature_firing *list, size_t count)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(rows, row_json(file, list[i].latent))) {
			json_decref(rows);
			return NULL;
		}
	return rows;
}

/* Sorts the survey's list anew. */
static json_t *table_json(const ps_feature_file *file, const ps_feature_survey *survey)
{
	const size_t shown = ps_min_size(survey->firing_count, PS_CARDS_ROWS_MAX);

	qsort(survey->firing, survey->firing_count, sizeof *survey->firing, by_rows);
	qsort(survey->firing, shown, sizeof *survey->firing, by_latent);
	return json_pack("{s:o, s:o}", "columns", columns_json(), "rows",
			 rows_json(file, survey->firing, shown));
}

/* --- the file --- */

static json_t *classes_json(const ps_feature_survey *survey)
{
	json_t *classes = json_object();

	for (int c = 0; c < PS_FEATURE_CLASSES; c++)
		if (json_object_set_new(classes, ps_feature_class_names[c],
					json_integer(survey->classes[c]))) {
			json_decref(classes);
			return NULL;
		}
	return classes;
}

/* The table's provenance with one more input. A table of another tool has none. */
static json_t *provenance_json(const ps_feature_file *file, const char *tokenizer)
{
	const json_t *found = json_object_get(file->file.metadata, "provenance");
	json_t *provenance = json_is_object(found) ? ps_json_copy(found) : json_object(),
	       *inputs = json_object_get(provenance, "inputs");
	int lost = !provenance;

	if (!lost && !json_is_object(inputs)) {
		lost = json_object_set_new(provenance, "inputs", json_object());
		inputs = json_object_get(provenance, "inputs");
	}
	if (!lost && !json_object_set_new(inputs, "tokenizer", json_string(tokenizer)))
		return provenance;
	json_decref(provenance);
	return NULL;
}

/* firing (F): scratch. */
static json_t *make(const ps_feature_file *file, const ps_token_texts *texts, const char *tokenizer,
		    ps_feature_firing *firing)
{
	const json_t *thresholds = json_object_get(file->file.metadata, "thresholds");
	ps_feature_survey survey = {.firing = firing};

	ps_feature_survey_run(file, &survey);
	return json_pack("{s:s, s:o, s:I, s:I, s:o, s:O, s:o, s:o, s:o, s:o, s:o, s:I}", "schema",
			 PS_CARDS_VERSION, "provenance", provenance_json(file, tokenizer),
			 "latents", (json_int_t)file->latents, "rows", (json_int_t)file->rows,
			 "taus", ps_numbers_json(file->tau, file->taus), "thresholds", thresholds,
			 "classes", classes_json(&survey), "rules", rules_json(), "groups",
			 groups_json(&survey.groups), "cards",
			 cards_json(file, texts, &survey.groups), "table",
			 table_json(file, &survey), "table_of", (json_int_t)survey.firing_count);
}

int ps_feature_cards_write(const ps_feature_file *file, const ps_token_texts *texts,
			   const char *tokenizer, const char *path, ps_diag *diag)
{
	ps_feature_firing *firing = malloc(file->latents * sizeof *firing);
	json_t *cards = firing ? make(file, texts, tokenizer, firing) : NULL;
	int rc = ps_json_check(cards, diag);

	free(firing);
	if (!rc)
		rc = ps_sealed_write(&ps_sys_linux, path, cards, diag);
	json_decref(cards);
	return rc;
}
