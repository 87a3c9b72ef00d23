/* analysis/report/cards_data.h: reads a file of feature cards, which `features --cards` writes.
 *
 * The file holds the cards of chosen latents in five groups, and one small row for each latent that
 * fires. ps_cards_open checks all of it once: every key, every type, every length, and that numbers
 * of latents lead somewhere. The other functions then read values, and cannot fail. A number that
 * is null was not measured or is not defined: it is NaN. Every pointer is borrowed from the JSON
 * tree, which the caller owns.
 *
 * C code names keys by PS_CARDS_..., as it does those of results.json (results_schema.h). */
#ifndef PS_ANALYSIS_REPORT_CARDS_DATA_H
#define PS_ANALYSIS_REPORT_CARDS_DATA_H

#include "analysis/feature_stats.h"
#include "core/base/json.h"

#define PS_CARDS_VERSION "prunescope-cards/1"
/* A larger file is refused. */
#define PS_CARDS_BYTES_MAX ((size_t)16 << 20)

enum {
	PS_CARDS_OF_GROUP = 10,
	PS_CARDS_MAX = 5 * PS_CARDS_OF_GROUP,
	PS_CARDS_ROWS_MAX = 4096,
	PS_CARDS_TAUS_MAX = 16,
	PS_CARDS_RULE_BYTES_MAX = 1000,
};

typedef enum ps_cards_key {
	/* the file */
	PS_CARDS_SCHEMA,
	PS_CARDS_LATENTS, /* F */
	PS_CARDS_ROWS,    /* tokens that count */
	PS_CARDS_TAUS,
	PS_CARDS_THRESHOLDS,
	PS_CARDS_CLASSES,
	PS_CARDS_RULES,
	PS_CARDS_GROUPS,
	PS_CARDS_CARDS,
	PS_CARDS_TABLE,
	PS_CARDS_TABLE_OF, /* latents that fire: the table may have fewer */
	/* thresholds of the classes (analysis/feature_stats.h) */
	PS_THRESHOLD_KEPT,
	PS_THRESHOLD_BLURRED,
	PS_THRESHOLD_SHIFT,
	/* numbers of latents, in the order of ps_feature_class */
	PS_CLASSES_NONE,
	PS_CLASSES_KEPT,
	PS_CLASSES_SHIFTED,
	PS_CLASSES_BLURRED,
	PS_CLASSES_LOST,
	/* how each group was chosen, in words; the groups in the same order */
	PS_RULES_BEST,
	PS_RULES_WORST,
	PS_RULES_CAUSAL,
	PS_RULES_SHIFTED,
	PS_RULES_RANDOM,
	PS_GROUPS_BEST,
	PS_GROUPS_WORST,
	PS_GROUPS_CAUSAL,
	PS_GROUPS_SHIFTED,
	PS_GROUPS_RANDOM,
	/* a card; lists of two: dense, pruned */
	PS_CARD_LATENT,
	PS_CARD_CLASS,
	PS_CARD_RATE,
	PS_CARD_PEAK,
	PS_CARD_MEAN,
	PS_CARD_PEARSON,
	PS_CARD_JACCARD,
	PS_CARD_DECODER_NORM,
	PS_CARD_PARTNER,
	PS_CARD_COSINE,
	PS_CARD_MUTUAL,
	PS_CARD_SURVIVAL,
	PS_CARD_ABLATION_EFFECT,
	PS_CARD_ABLATION_PER_FIRING,
	PS_CARD_HISTOGRAM,
	PS_CARD_CONTEXTS,
	PS_CARD_PROMOTED,
	PS_CARD_SUPPRESSED,
	PS_HISTOGRAM_EDGES,
	PS_HISTOGRAM_COUNTS,
	PS_CONTEXTS_DENSE,
	PS_CONTEXTS_PRUNED,
	PS_CONTEXT_WINDOW,
	PS_CONTEXT_POSITION,
	PS_CONTEXT_ACTIVATION,
	PS_CONTEXT_AT,
	PS_CONTEXT_TEXTS, /* of the tokens */
	PS_CONTEXT_VALUES,
	PS_TOKEN_TEXT,
	PS_TOKEN_LOGIT,
	PS_TABLE_COLUMNS,
	PS_TABLE_ROWS,
	PS_CARDS_KEYS
} ps_cards_key;

typedef enum ps_cards_group {
	PS_GROUP_BEST,
	PS_GROUP_WORST,
	PS_GROUP_CAUSAL,
	PS_GROUP_SHIFTED,
	PS_GROUP_RANDOM,
	PS_CARDS_GROUPS_COUNT
} ps_cards_group;

/* The table's columns, in this order. */
typedef enum ps_cards_column {
	PS_CELL_LATENT,
	PS_CELL_CLASS,
	PS_CELL_RATE_DENSE,
	PS_CELL_RATE_PRUNED,
	PS_CELL_MEAN_DENSE,
	PS_CELL_MEAN_PRUNED,
	PS_CELL_PEARSON,
	PS_CELL_JACCARD,
	PS_CELL_PARTNER,
	PS_CELL_COSINE,
	PS_CELL_MUTUAL,
	PS_CARDS_COLUMNS
} ps_cards_column;

extern const char *const ps_cards_column_names[PS_CARDS_COLUMNS];

typedef struct ps_cards {
	const json_t *root, *cards, *rows;
	size_t card_count, row_count;
} ps_cards;

/* Checks root and fills cards. root must outlive cards. PS_EINPUT names the place and what is
 * expected there. */
int ps_cards_open(ps_cards *cards, const json_t *root, ps_diag *diag) PS_MUST_USE;

/* The name of a key in the file. */
const char *ps_cards_name(ps_cards_key key);
/* The value of a key of an object, or NULL. */
const json_t *ps_cards_at(const json_t *object, ps_cards_key key);
/* The number of a key, or NaN; the one at a place of the key's list. */
double ps_cards_number(const json_t *object, ps_cards_key key);
double ps_cards_item(const json_t *object, ps_cards_key key, size_t place);
/* The text of a key, or "". */
const char *ps_cards_text(const json_t *object, ps_cards_key key);

/* The index-th card of a group; NULL beyond the last. */
const json_t *ps_cards_of_group(const ps_cards *cards, ps_cards_group group, size_t index);
/* The card of a latent; NULL: it has none. */
const json_t *ps_cards_find(const ps_cards *cards, double latent);
/* How many latents are of a class. */
double ps_cards_class_count(const ps_cards *cards, ps_feature_class class);

#endif
