#include "analysis/report/cards_data.h"

#include <math.h>
#include <string.h>

/* --- keys --- */

enum object {
	FILE_,
	THRESHOLDS,
	CLASSES,
	RULES,
	GROUPS,
	CARD,
	HISTOGRAM,
	CONTEXTS,
	CONTEXT,
	TOKEN,
	TABLE
};

enum type {
	TEXT,
	NUMBER,
	COUNT, /* an integer, 0 or more */
	FLAG,
	OBJECT,
	CELL, /* of the table: a number, a text, true or false */
};

enum { OR_NULL = 1 };

/* A key: depth lists in each other, each of `most` items at most, hold values of a type. */
static const struct field {
	enum object object;
	const char *name;
	enum type type;
	enum object of; /* OBJECT: whose keys it has */
	int null;       /* OR_NULL: a value that is not defined */
	int depth;
	size_t most;
} fields[PS_CARDS_KEYS] = {
	[PS_CARDS_SCHEMA] = {.object = FILE_, .name = "schema", .type = TEXT},
	[PS_CARDS_LATENTS] = {.object = FILE_, .name = "latents", .type = COUNT},
	[PS_CARDS_ROWS] = {.object = FILE_, .name = "rows", .type = COUNT},
	[PS_CARDS_TAUS] = {.object = FILE_,
			   .name = "taus",
			   .type = NUMBER,
			   .depth = 1,
			   .most = PS_CARDS_TAUS_MAX},
	[PS_CARDS_THRESHOLDS] = {.object = FILE_,
				 .name = "thresholds",
				 .type = OBJECT,
				 .of = THRESHOLDS},
	[PS_CARDS_CLASSES] = {.object = FILE_, .name = "classes", .type = OBJECT, .of = CLASSES},
	[PS_CARDS_RULES] = {.object = FILE_, .name = "rules", .type = OBJECT, .of = RULES},
	[PS_CARDS_GROUPS] = {.object = FILE_, .name = "groups", .type = OBJECT, .of = GROUPS},
	[PS_CARDS_CARDS] = {.object = FILE_,
			    .name = "cards",
			    .type = OBJECT,
			    .of = CARD,
			    .depth = 1,
			    .most = PS_CARDS_MAX},
	[PS_CARDS_TABLE] = {.object = FILE_, .name = "table", .type = OBJECT, .of = TABLE},
	[PS_CARDS_TABLE_OF] = {.object = FILE_, .name = "table_of", .type = COUNT},
	[PS_THRESHOLD_KEPT] = {.object = THRESHOLDS, .name = "kept", .type = NUMBER},
	[PS_THRESHOLD_BLURRED] = {.object = THRESHOLDS, .name = "blurred", .type = NUMBER},
	[PS_THRESHOLD_SHIFT] = {.object = THRESHOLDS, .name = "shift", .type = NUMBER},
	[PS_CLASSES_NONE] = {.object = CLASSES, .name = "none", .type = COUNT},
	[PS_CLASSES_KEPT] = {.object = CLASSES, .name = "kept", .type = COUNT},
	[PS_CLASSES_SHIFTED] = {.object = CLASSES, .name = "shifted", .type = COUNT},
	[PS_CLASSES_BLURRED] = {.object = CLASSES, .name = "blurred", .type = COUNT},
	[PS_CLASSES_LOST] = {.object = CLASSES, .name = "lost", .type = COUNT},
	[PS_RULES_BEST] = {.object = RULES, .name = "best", .type = TEXT},
	[PS_RULES_WORST] = {.object = RULES, .name = "worst", .type = TEXT},
	[PS_RULES_CAUSAL] = {.object = RULES, .name = "causal", .type = TEXT},
	[PS_RULES_SHIFTED] = {.object = RULES, .name = "shifted", .type = TEXT},
	[PS_RULES_RANDOM] = {.object = RULES, .name = "random", .type = TEXT},
	[PS_GROUPS_BEST] = {.object = GROUPS,
			    .name = "best",
			    .type = COUNT,
			    .depth = 1,
			    .most = PS_CARDS_OF_GROUP},
	[PS_GROUPS_WORST] = {.object = GROUPS,
			     .name = "worst",
			     .type = COUNT,
			     .depth = 1,
			     .most = PS_CARDS_OF_GROUP},
	[PS_GROUPS_CAUSAL] = {.object = GROUPS,
			      .name = "causal",
			      .type = COUNT,
			      .depth = 1,
			      .most = PS_CARDS_OF_GROUP},
	[PS_GROUPS_SHIFTED] = {.object = GROUPS,
			       .name = "shifted",
			       .type = COUNT,
			       .depth = 1,
			       .most = PS_CARDS_OF_GROUP},
	[PS_GROUPS_RANDOM] = {.object = GROUPS,
			      .name = "random",
			      .type = COUNT,
			      .depth = 1,
			      .most = PS_CARDS_OF_GROUP},
	[PS_CARD_LATENT] = {.object = CARD, .name = "latent", .type = COUNT},
	[PS_CARD_CLASS] = {.object = CARD, .name = "class", .type = TEXT},
	[PS_CARD_RATE] = {.object = CARD,
			  .name = "rate",
			  .type = NUMBER,
			  .null = OR_NULL,
			  .depth = 1,
			  .most = 2},
	[PS_CARD_PEAK] = {.object = CARD,
			  .name = "peak",
			  .type = NUMBER,
			  .null = OR_NULL,
			  .depth = 1,
			  .most = 2},
	[PS_CARD_MEAN] = {.object = CARD,
			  .name = "mean",
			  .type = NUMBER,
			  .null = OR_NULL,
			  .depth = 1,
			  .most = 2},
	[PS_CARD_PEARSON] = {.object = CARD, .name = "pearson", .type = NUMBER, .null = OR_NULL},
	[PS_CARD_JACCARD] = {.object = CARD, .name = "jaccard", .type = NUMBER, .null = OR_NULL},
	[PS_CARD_DECODER_NORM] = {.object = CARD,
				  .name = "decoder_norm",
				  .type = NUMBER,
				  .null = OR_NULL},
	[PS_CARD_PARTNER] = {.object = CARD, .name = "partner", .type = COUNT, .null = OR_NULL},
	[PS_CARD_COSINE] = {.object = CARD, .name = "cosine", .type = NUMBER, .null = OR_NULL},
	[PS_CARD_MUTUAL] = {.object = CARD, .name = "mutual", .type = FLAG, .null = OR_NULL},
	[PS_CARD_SURVIVAL] = {.object = CARD,
			      .name = "survival",
			      .type = FLAG,
			      .null = OR_NULL,
			      .depth = 1,
			      .most = PS_CARDS_TAUS_MAX},
	[PS_CARD_ABLATION_EFFECT] = {.object = CARD,
				     .name = "ablation_effect",
				     .type = NUMBER,
				     .null = OR_NULL,
				     .depth = 1,
				     .most = 2},
	[PS_CARD_ABLATION_PER_FIRING] = {.object = CARD,
					 .name = "ablation_per_firing",
					 .type = NUMBER,
					 .null = OR_NULL,
					 .depth = 1,
					 .most = 2},
	[PS_CARD_HISTOGRAM] = {.object = CARD,
			       .name = "histogram",
			       .type = OBJECT,
			       .of = HISTOGRAM},
	[PS_CARD_CONTEXTS] = {.object = CARD, .name = "contexts", .type = OBJECT, .of = CONTEXTS},
	[PS_CARD_PROMOTED] = {.object = CARD,
			      .name = "promoted",
			      .type = OBJECT,
			      .of = TOKEN,
			      .null = OR_NULL,
			      .depth = 1,
			      .most = PS_CARDS_OF_GROUP},
	[PS_CARD_SUPPRESSED] = {.object = CARD,
				.name = "suppressed",
				.type = OBJECT,
				.of = TOKEN,
				.null = OR_NULL,
				.depth = 1,
				.most = PS_CARDS_OF_GROUP},
	[PS_HISTOGRAM_EDGES] = {.object = HISTOGRAM,
				.name = "edges",
				.type = NUMBER,
				.depth = 1,
				.most = PS_ACTIVATION_BINS + 1},
	[PS_HISTOGRAM_COUNTS] = {.object = HISTOGRAM,
				 .name = "counts",
				 .type = COUNT,
				 .depth = 2,
				 .most = PS_ACTIVATION_BINS},
	[PS_CONTEXTS_DENSE] = {.object = CONTEXTS,
			       .name = "dense",
			       .type = OBJECT,
			       .of = CONTEXT,
			       .depth = 1,
			       .most = PS_CONTEXTS},
	[PS_CONTEXTS_PRUNED] = {.object = CONTEXTS,
				.name = "pruned",
				.type = OBJECT,
				.of = CONTEXT,
				.depth = 1,
				.most = PS_CONTEXTS},
	[PS_CONTEXT_WINDOW] = {.object = CONTEXT, .name = "window", .type = COUNT},
	[PS_CONTEXT_POSITION] = {.object = CONTEXT, .name = "position", .type = COUNT},
	[PS_CONTEXT_ACTIVATION] = {.object = CONTEXT, .name = "activation", .type = NUMBER},
	[PS_CONTEXT_AT] = {.object = CONTEXT, .name = "at", .type = COUNT},
	[PS_CONTEXT_TEXTS] = {.object = CONTEXT,
			      .name = "tokens",
			      .type = TEXT,
			      .depth = 1,
			      .most = PS_CONTEXT_TOKENS},
	[PS_CONTEXT_VALUES] = {.object = CONTEXT,
			       .name = "values",
			       .type = NUMBER,
			       .depth = 2,
			       .most = PS_CONTEXT_TOKENS},
	[PS_TOKEN_TEXT] = {.object = TOKEN, .name = "token", .type = TEXT},
	[PS_TOKEN_LOGIT] = {.object = TOKEN, .name = "logit", .type = NUMBER},
	[PS_TABLE_COLUMNS] = {.object = TABLE,
			      .name = "columns",
			      .type = TEXT,
			      .depth = 1,
			      .most = PS_CARDS_COLUMNS},
	[PS_TABLE_ROWS] = {.object = TABLE,
			   .name = "rows",
			   .type = CELL,
			   .null = OR_NULL,
			   .depth = 2,
			   .most = PS_CARDS_ROWS_MAX},
};

const json_t *ps_cards_at(const json_t *object, ps_cards_key key)
{
	return json_object_get(object, fields[key].name);
}

double ps_cards_number(const json_t *object, ps_cards_key key)
{
	return ps_json_number(ps_cards_at(object, key));
}

double ps_cards_item(const json_t *object, ps_cards_key key, size_t place)
{
	return ps_json_number(json_array_get(ps_cards_at(object, key), place));
}

const char *ps_cards_text(const json_t *object, ps_cards_key key)
{
	const char *text = json_string_value(ps_cards_at(object, key));

	return text ? text : "";
}

/* --- the check of types --- */

/* The value under way, as a path from the file's root, and where a fault is reported. */
struct check {
	char path[128];
	ps_diag *diag;
};

static int differs(const struct check *check, const char *expected)
{
	return ps_fail(check->diag, PS_EINPUT, "%s: %s is expected",
		       *check->path ? check->path + 1 : "the whole", expected);
}

static bool has_type(const json_t *value, enum type type)
{
	switch (type) {
	case TEXT:
		return json_is_string(value);
	case NUMBER:
		return json_is_number(value);
	case COUNT:
		return json_is_integer(value) && json_integer_value(value) >= 0;
	case FLAG:
		return json_is_boolean(value);
	case CELL:
		return json_is_number(value) || json_is_string(value) || json_is_boolean(value);
	default:
		return json_is_object(value);
	}
}

static const char *const type_words[] = {"a text",        "a number",  "an integer, 0 or more",
					 "true or false", "an object", "a number or a text"};

static int check_object(struct check *check, const json_t *object, enum object kind);

static int check_one(struct check *check, const json_t *value, const struct field *field)
{
	if (json_is_null(value) && field->null)
		return 0;
	if (!has_type(value, field->type))
		return differs(check, type_words[field->type]);
	return field->type == OBJECT ? check_object(check, value, field->of) : 0;
}

/* A value at a depth of lists. A list may be null only as a whole. */
static int check_value(struct check *check, const json_t *value, const struct field *field,
		       int depth)
{
	const size_t length = strlen(check->path);
	int rc = 0;

	if (!depth)
		return check_one(check, value, field);
	if (json_is_null(value) && field->null && depth == field->depth)
		return 0;
	if (!json_is_array(value) || json_array_size(value) > field->most)
		return differs(check, "a list that is not too long");
	for (size_t i = 0; i < json_array_size(value) && !rc; i++) {
		snprintf(check->path + length, sizeof check->path - length, "[%zu]", i);
		rc = check_value(check, json_array_get(value, i), field, depth - 1);
	}
	if (!rc)
		check->path[length] = 0;
	return rc;
}

static int check_object(struct check *check, const json_t *object, enum object kind)
{
	const size_t length = strlen(check->path);
	int rc = 0;

	for (int key = 0; key < PS_CARDS_KEYS && !rc; key++) {
		const struct field *field = &fields[key];

		if (field->object != kind)
			continue;
		snprintf(check->path + length, sizeof check->path - length, ".%s", field->name);
		rc = check_value(check, json_object_get(object, field->name), field, field->depth);
	}
	if (!rc)
		check->path[length] = 0;
	return rc;
}

/* --- the check of what belongs together --- */

static int wrong(ps_diag *diag, const json_t *card, const char *what)
{
	return ps_fail(diag, PS_EINPUT, "the card of latent %.0f: %s",
		       ps_cards_number(card, PS_CARD_LATENT), what);
}

static size_t size_of(const json_t *object, ps_cards_key key)
{
	return json_array_size(ps_cards_at(object, key));
}

/* Whether both lists of a list of two have `count` items. */
static bool are_pairs(const json_t *list, size_t count)
{
	return json_array_size(list) == PS_MODEL_SIDES &&
	       json_array_size(json_array_get(list, PS_DENSE)) == count &&
	       json_array_size(json_array_get(list, PS_PRUNED)) == count;
}

static bool is_histogram(const json_t *histogram)
{
	const size_t edges = size_of(histogram, PS_HISTOGRAM_EDGES);
	double last = 0;

	for (size_t i = 0; i < edges; i++) {
		double edge = ps_cards_item(histogram, PS_HISTOGRAM_EDGES, i);

		if (edge <= last)
			return false;
		last = edge;
	}
	return edges != 1 &&
	       are_pairs(ps_cards_at(histogram, PS_HISTOGRAM_COUNTS), edges ? edges - 1 : 0);
}

static bool are_contexts(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);
		const size_t tokens = size_of(c, PS_CONTEXT_TEXTS);

		if (ps_cards_number(c, PS_CONTEXT_AT) >= (double)tokens ||
		    !are_pairs(ps_cards_at(c, PS_CONTEXT_VALUES), tokens))
			return false;
	}
	return true;
}

static bool is_class(const char *name)
{
	for (size_t i = 0; i < PS_FEATURE_CLASSES; i++)
		if (!strcmp(ps_feature_class_names[i], name))
			return true;
	return false;
}

static int check_card(const ps_cards *cards, const json_t *card, ps_diag *diag)
{
	static const ps_cards_key pairs[] = {PS_CARD_RATE, PS_CARD_PEAK, PS_CARD_MEAN,
					     PS_CARD_ABLATION_EFFECT, PS_CARD_ABLATION_PER_FIRING};
	const json_t *survival = ps_cards_at(card, PS_CARD_SURVIVAL),
		     *contexts = ps_cards_at(card, PS_CARD_CONTEXTS);

	if (ps_cards_number(card, PS_CARD_LATENT) >= ps_cards_number(cards->root, PS_CARDS_LATENTS))
		return wrong(diag, card, "the file has fewer latents");
	if (!is_class(ps_cards_text(card, PS_CARD_CLASS)))
		return wrong(diag, card, "class is not none, kept, shifted, blurred or lost");
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (size_of(card, pairs[i]) != PS_MODEL_SIDES)
			return wrong(diag, card, "a pair of dense and pruned has not two numbers");
	if (!json_is_null(survival) &&
	    json_array_size(survival) != size_of(cards->root, PS_CARDS_TAUS))
		return wrong(diag, card, "survival has not as many values as taus");
	if (!is_histogram(ps_cards_at(card, PS_CARD_HISTOGRAM)))
		return wrong(diag, card, "the histogram's edges and counts do not fit");
	if (!are_contexts(ps_cards_at(contexts, PS_CONTEXTS_DENSE)) ||
	    !are_contexts(ps_cards_at(contexts, PS_CONTEXTS_PRUNED)))
		return wrong(diag, card, "a context's tokens and values do not fit");
	return 0;
}

static int check_groups(const ps_cards *cards, ps_diag *diag)
{
	const json_t *groups = ps_cards_at(cards->root, PS_CARDS_GROUPS),
		     *rules = ps_cards_at(cards->root, PS_CARDS_RULES);

	for (ps_cards_group g = 0; g < PS_CARDS_GROUPS_COUNT; g++) {
		if (strlen(ps_cards_text(rules, PS_RULES_BEST + g)) > PS_CARDS_RULE_BYTES_MAX)
			return ps_fail(diag, PS_EINPUT, "rules.%s: at most %d bytes are expected",
				       fields[PS_RULES_BEST + g].name, PS_CARDS_RULE_BYTES_MAX);
		for (size_t i = 0; i < size_of(groups, PS_GROUPS_BEST + g); i++) {
			double latent = ps_cards_item(groups, PS_GROUPS_BEST + g, i);

			if (!ps_cards_find(cards, latent))
				return ps_fail(diag, PS_EINPUT,
					       "groups.%s[%zu]: latent %.0f has no card",
					       fields[PS_GROUPS_BEST + g].name, i, latent);
		}
	}
	return 0;
}

static bool is_row(const ps_cards *cards, const json_t *row)
{
	static const char numbers[] = "LCNNNNNNNNB"; /* latent, class, number, true or false */
	const double latents = ps_cards_number(cards->root, PS_CARDS_LATENTS);

	if (json_array_size(row) != PS_CARDS_COLUMNS)
		return false;
	for (size_t i = 0; i < PS_CARDS_COLUMNS; i++) {
		const json_t *cell = json_array_get(row, i);
		const char *text = json_string_value(cell);

		if (numbers[i] == 'L'   ? !has_type(cell, COUNT) || ps_json_number(cell) >= latents
		    : numbers[i] == 'C' ? !text || !is_class(text)
		    : numbers[i] == 'B' ? !json_is_null(cell) && !json_is_boolean(cell)
					: !json_is_null(cell) && !json_is_number(cell))
			return false;
	}
	return true;
}

const char *const ps_cards_column_names[PS_CARDS_COLUMNS] = {
	"latent",  "class",   "rate_dense", "rate_pruned", "mean_dense", "mean_pruned",
	"pearson", "jaccard", "partner",    "cosine",      "mutual"};

static int check_table(const ps_cards *cards, ps_diag *diag)
{
	const json_t *table = ps_cards_at(cards->root, PS_CARDS_TABLE),
		     *columns = ps_cards_at(table, PS_TABLE_COLUMNS);
	bool same = json_array_size(columns) == PS_CARDS_COLUMNS;

	for (size_t i = 0; i < PS_CARDS_COLUMNS && same; i++)
		same = !strcmp(json_string_value(json_array_get(columns, i)),
			       ps_cards_column_names[i]);
	if (!same)
		return ps_fail(diag, PS_EINPUT, "table.columns: other columns than this version's");
	for (size_t i = 0; i < cards->row_count; i++)
		if (!is_row(cards, json_array_get(cards->rows, i)))
			return ps_fail(diag, PS_EINPUT,
				       "table.rows[%zu]: not a latent, its class and its measures",
				       i);
	return 0;
}

int ps_cards_open(ps_cards *cards, const json_t *root, ps_diag *diag)
{
	struct check check = {.diag = diag};
	double before = -1;
	int rc;

	*cards = (ps_cards){.root = root};
	if (strcmp(ps_cards_text(root, PS_CARDS_SCHEMA), PS_CARDS_VERSION))
		return ps_fail(diag, PS_EINPUT,
			       "no feature cards: schema is not " PS_CARDS_VERSION);
	rc = check_object(&check, root, FILE_);
	if (rc)
		return rc;
	cards->cards = ps_cards_at(root, PS_CARDS_CARDS);
	cards->card_count = json_array_size(cards->cards);
	cards->rows = ps_cards_at(ps_cards_at(root, PS_CARDS_TABLE), PS_TABLE_ROWS);
	cards->row_count = json_array_size(cards->rows);
	for (size_t i = 0; i < cards->card_count && !rc; i++) {
		const json_t *card = json_array_get(cards->cards, i);

		rc = check_card(cards, card, diag);
		if (!rc && ps_cards_number(card, PS_CARD_LATENT) <= before)
			rc = wrong(diag, card, "cards are not in ascending order");
		before = ps_cards_number(card, PS_CARD_LATENT);
	}
	if (!rc)
		rc = check_groups(cards, diag);
	return rc ? rc : check_table(cards, diag);
}

/* --- reading --- */

const char *ps_cards_name(ps_cards_key key)
{
	return fields[key].name;
}

const json_t *ps_cards_find(const ps_cards *cards, double latent)
{
	for (size_t i = 0; i < cards->card_count; i++) {
		const json_t *card = json_array_get(cards->cards, i);

		if (ps_cards_number(card, PS_CARD_LATENT) == latent)
			return card;
	}
	return NULL;
}

const json_t *ps_cards_of_group(const ps_cards *cards, ps_cards_group group, size_t index)
{
	const json_t *groups = ps_cards_at(cards->root, PS_CARDS_GROUPS);

	if (index >= size_of(groups, PS_GROUPS_BEST + group))
		return NULL;
	return ps_cards_find(cards, ps_cards_item(groups, PS_GROUPS_BEST + group, index));
}

double ps_cards_class_count(const ps_cards *cards, ps_feature_class class)
{
	return ps_cards_number(ps_cards_at(cards->root, PS_CARDS_CLASSES), PS_CLASSES_NONE + class);
}
