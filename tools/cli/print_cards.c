#include "tools/cli/print_cards.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/feature_stats.h"

enum {
	COLUMNS = 80,
	INDENT = 23, /* of what stands behind a name */
};

static bool has_colours(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(term && !strcmp(term, "dumb")) && !getenv("NO_COLOR");
}

static double number(const json_t *object, const char *key)
{
	return ps_json_number(json_object_get(object, key));
}

static double of_pair(const json_t *object, const char *key, size_t side)
{
	return ps_json_number(json_array_get(json_object_get(object, key), side));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

/* --- lines that end before the last column --- */

struct line {
	size_t column, indent;
};

static size_t width_of(const char *words)
{
	size_t width = 0;

	for (; *words; words++)
		width += (*words & 0xc0) != 0x80; /* a byte that begins a character */
	return width;
}

/* Goes to a new line if so many columns have no room in this one. */
static void make_room(struct line *line, size_t width)
{
	if (line->column + width >= COLUMNS && line->column > line->indent) {
		printf("\n%*s", (int)line->indent, "");
		line->column = line->indent;
	}
	line->column += width;
}

static void put_words(struct line *line, const char *words)
{
	while (*words) {
		const size_t length = strcspn(words, " ") + (words[strcspn(words, " ")] == ' ');

		make_room(line, length);
		printf("%.*s", (int)length, words);
		words += length;
	}
}

/* --- a card --- */

static void put_number(const char *name, double value)
{
	if (isnan(value))
		printf("%-22s not defined\n", name);
	else
		printf("%-22s %.4g\n", name, value);
}

static void put_pair(const json_t *card, const char *key, const char *name)
{
	printf("%-22s", name);
	if (isnan(of_pair(card, key, 0)) && isnan(of_pair(card, key, 1))) {
		puts(" not defined");
		return;
	}
	for (size_t s = 0; s < 2; s++) {
		const double value = of_pair(card, key, s);

		if (isnan(value))
			printf(" %s not defined%s", ps_model_side_names[s], s ? "\n" : ",");
		else
			printf(" %s %.4g%s", ps_model_side_names[s], value, s ? "\n" : ",");
	}
}

/* A token: level 0 does not fire, 1 fires, 2 fires strongly. Colours say so where there are any,
 * else brackets. */
static void put_token(struct line *line, const char *token, int level, bool colours)
{
	static const char *const open[] = {"", "[", "[["}, *const close[] = {"", "]", "]]"},
				 *const colour[] = {"", "\033[36m", "\033[1;31m"};

	make_room(line, width_of(token) + (colours ? 0 : 2 * (size_t)level));
	if (colours)
		printf("%s%s%s", colour[level], token, level ? "\033[0m" : "");
	else
		printf("%s%s%s", open[level], token, close[level]);
}

static void put_context(const json_t *context, bool colours)
{
	const json_t *tokens = json_object_get(context, "tokens"),
		     *values = json_object_get(context, "values");

	printf("  window %.0f, position %.0f\n", number(context, "window"),
	       number(context, "position"));
	for (size_t s = 0; s < 2; s++) {
		const json_t *side = json_array_get(values, s);
		const double at = ps_json_number(json_array_get(
			side, (size_t)json_integer_value(json_object_get(context, "at"))));
		struct line line = {INDENT - 2, INDENT - 2};
		double most = 0;

		for (size_t i = 0; i < json_array_size(side); i++)
			most = fmax(most, ps_json_number(json_array_get(side, i)));
		printf("    %-6s %8.3g  ", ps_model_side_names[s], at);
		for (size_t i = 0; i < json_array_size(tokens); i++) {
			const double value = ps_json_number(json_array_get(side, i));

			put_token(&line, json_string_value(json_array_get(tokens, i)),
				  value > 0 ? 1 + (value >= most / 2) : 0, colours);
		}
		putchar('\n');
	}
}

static void put_contexts(const json_t *card, size_t side, bool colours)
{
	const json_t *list =
		json_object_get(json_object_get(card, "contexts"), ps_model_side_names[side]);

	printf("contexts in which it is most active in the %s model\n", ps_model_side_names[side]);
	for (size_t i = 0; i < json_array_size(list); i++)
		put_context(json_array_get(list, i), colours);
}

static void put_tokens(const json_t *card, const char *key)
{
	const json_t *list = json_object_get(card, key);
	struct line line = {INDENT - 1, INDENT - 1};

	if (!json_is_array(list))
		return;
	printf("%-22s", key);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *token = json_array_get(list, i);
		char logit[32];

		snprintf(logit, sizeof logit, "%.3g%s", number(token, "logit"),
			 i + 1 < json_array_size(list) ? "," : "");
		make_room(&line, width_of(text(token, "token")) + strlen(logit) + strlen(" \"\" "));
		printf(" \"%s\" %s", text(token, "token"), logit);
	}
	putchar('\n');
}

static void put_card(const json_t *card, bool colours)
{
	printf("latent                 %.0f\nclass                  %s\n", number(card, "latent"),
	       text(card, "class"));
	put_pair(card, "rate", "firing rate");
	put_pair(card, "mean", "mean activation");
	put_pair(card, "peak", "largest activation");
	put_number("Pearson", number(card, "pearson"));
	put_number("Jaccard", number(card, "jaccard"));
	put_number("decoder norm", number(card, "decoder_norm"));
	if (json_is_integer(json_object_get(card, "partner")))
		printf("partner                %.0f, cosine %.4g%s\n", number(card, "partner"),
		       number(card, "cosine"),
		       json_is_true(json_object_get(card, "mutual")) ? ", mutual" : "");
	put_pair(card, "ablation_effect", "ablation effect");
	put_tokens(card, "promoted");
	put_tokens(card, "suppressed");
	for (size_t s = 0; s < 2; s++)
		put_contexts(card, s, colours);
}

static const json_t *card_of(const json_t *latents, json_int_t latent)
{
	for (size_t i = 0; i < json_array_size(latents); i++) {
		const json_t *card = json_array_get(latents, i);

		if (json_integer_value(json_object_get(card, "latent")) == latent)
			return card;
	}
	return NULL;
}

/* The token of a context at which the latent is most active. */
static const char *peak_of(const json_t *context)
{
	const json_int_t at = json_integer_value(json_object_get(context, "at"));
	const char *token =
		json_string_value(json_array_get(json_object_get(context, "tokens"), (size_t)at));

	return token ? token : "";
}

/* The tokens on which it is most active in the dense model, each once, as many as have room behind
 * so many columns. */
static void put_peaks(const json_t *card, size_t column)
{
	const json_t *list =
		json_object_get(json_object_get(card, "contexts"), ps_model_side_names[PS_DENSE]);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *token = peak_of(json_array_get(list, i));
		const size_t width = width_of(token) + strlen(" \"\"");
		bool new = true;

		for (size_t j = 0; j < i; j++)
			new = new &&strcmp(token, peak_of(json_array_get(list, j))) != 0;
		if (!new || column + width >= COLUMNS)
			continue;
		printf(" \"%s\"", token);
		column += width;
	}
	putchar('\n');
}

/* A card as a line of the list. */
static void put_row(const json_t *card)
{
	const double pearson = number(card, "pearson");
	int column =
		printf("  %8.0f  %-8s %8.3g -> %-8.3g ", number(card, "latent"),
		       text(card, "class"), of_pair(card, "rate", 0), of_pair(card, "rate", 1));

	column += isnan(pearson) ? printf("%7s", "-") : printf("%7.3f", pearson);
	put_peaks(card, (size_t)column);
}

static void put_group(const json_t *result, const char *name)
{
	const json_t *group = json_object_get(json_object_get(result, "groups"), name);

	printf("\n%s: ", name);
	put_words(&(struct line){strlen(name) + 2, 2},
		  text(json_object_get(result, "rules"), name));
	putchar('\n');
	for (size_t i = 0; i < json_array_size(group); i++) {
		const json_int_t latent = json_integer_value(json_array_get(group, i));

		put_row(card_of(json_object_get(result, "latents"), latent));
	}
	if (!json_array_size(group))
		puts("  none");
}

void ps_print_cards(const json_t *result)
{
	static const char *const groups[] = {"best", "worst", "causal", "shifted", "random"};
	const json_t *latents = json_object_get(result, "latents");

	printf("model                  %s\ncondition              %s\n", text(result, "model"),
	       text(result, "condition"));
	if (json_is_true(json_object_get(result, "asked"))) {
		for (size_t i = 0; i < json_array_size(latents); i++) {
			if (i)
				putchar('\n');
			put_card(json_array_get(latents, i), has_colours());
		}
		return;
	}
	put_words(&(struct line){0, 0},
		  "A line a latent: its class; the share of rows on which it fires in the dense "
		  "and in the pruned model; Pearson's correlation of its activations in both; the "
		  "tokens on which it is most active in the dense model. --latent N shows all of "
		  "it.");
	putchar('\n');
	for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
		put_group(result, groups[g]);
}
