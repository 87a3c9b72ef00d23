#include "analysis/report/cards_card.h"

#include <math.h>
#include <string.h>

#include "analysis/report/cards_token.h"
#include "analysis/report/report_html.h"

enum { PERCENT = 100, MILLI = 1000, LEVELS = 9 };

static const char *const meanings[PS_FEATURE_CLASSES] = {
	[PS_CLASS_NONE] = "never fires in the dense model",
	[PS_CLASS_KEPT] = "fires alike in both models",
	[PS_CLASS_SHIFTED] = "fires at the same places, but more or less often or strongly",
	[PS_CLASS_BLURRED] = "fires at some of the same places",
	[PS_CLASS_LOST] = "what it does in the pruned model has little to do with the dense one",
};

const char *ps_class_meaning(ps_feature_class class)
{
	return meanings[class];
}

static ps_feature_class class_of(const json_t *card)
{
	ps_feature_class class = PS_CLASS_NONE;

	while (strcmp(ps_feature_class_names[class], ps_cards_text(card, PS_CARD_CLASS)))
		class ++;
	return class;
}

/* --- numbers --- */

/* Writes the largest tau at which the latent survives. */
static void write_survival(FILE *out, const ps_cards *cards, const json_t *card)
{
	const json_t *survival = ps_cards_at(card, PS_CARD_SURVIVAL);
	double most = -INFINITY;

	for (size_t i = 0; i < json_array_size(survival); i++)
		if (json_is_true(json_array_get(survival, i)))
			most = fmax(most, ps_cards_item(cards->root, PS_CARDS_TAUS, i));
	if (!json_array_size(survival))
		return;
	if (isfinite(most))
		fprintf(out, "; it survives up to τ&nbsp;=&nbsp;%g", most);
	else
		fputs("; it survives at no τ", out);
}

static void write_partner(FILE *out, const ps_cards *cards, const json_t *card)
{
	const double partner = ps_cards_number(card, PS_CARD_PARTNER);
	const json_t *mutual = ps_cards_at(card, PS_CARD_MUTUAL);

	if (!isfinite(partner)) {
		fputs("It was not compared with an SAE of the pruned model.", out);
		return;
	}
	fprintf(out, "Nearest in the pruned model’s SAE: latent %.0f, cosine ", partner);
	ps_html_number(out, ps_cards_number(card, PS_CARD_COSINE), 3);
	if (!json_is_null(mutual))
		fputs(json_is_true(mutual) ? ", each the other’s nearest"
					   : ", which has a nearer one itself",
		      out);
	write_survival(out, cards, card);
	fputs(".", out);
}

static void write_words(FILE *out, const ps_cards *cards, const json_t *card)
{
	fputs("<p>On the same tokens the activations of both models have Pearson ", out);
	ps_html_number(out, ps_cards_number(card, PS_CARD_PEARSON), 3);
	fputs(" and Jaccard ", out);
	ps_html_number(out, ps_cards_number(card, PS_CARD_JACCARD), 3);
	fputs(". ", out);
	write_partner(out, cards, card);
	fputs("</p>\n", out);
}

/* Writes three digits, whatever the size: what a latent does spans many powers of ten. */
static void write_digits(FILE *out, double value)
{
	if (value == 0 || !(fabs(value) < 99.95))
		ps_html_number(out, value, 0);
	else
		fprintf(out, "%s%#.3g", value < 0 ? "−" : "", fabs(value));
}

static void write_facts(FILE *out, const json_t *card)
{
	static const struct {
		const char *head;
		ps_cards_key key;
		double scale;
	} facts[] = {
		{"fires on, % of tokens", PS_CARD_RATE, PERCENT},
		{"mean activation where it fires", PS_CARD_MEAN, 1},
		{"largest activation", PS_CARD_PEAK, 1},
		{"ablation, 0.001 nats per token", PS_CARD_ABLATION_EFFECT, MILLI},
		{"the same per firing", PS_CARD_ABLATION_PER_FIRING, MILLI},
	};

	fputs("<table>\n<thead><tr><td></td><th scope=\"col\" class=\"n\">dense</th><th "
	      "scope=\"col\" class=\"n\">pruned</th></tr></thead>\n<tbody>\n",
	      out);
	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
		fprintf(out, "<tr><th scope=\"row\">%s</th>", facts[i].head);
		for (size_t side = 0; side < PS_MODEL_SIDES; side++) {
			fputs("<td class=\"n\">", out);
			write_digits(out, facts[i].scale * ps_cards_item(card, facts[i].key, side));
			fputs("</td>", out);
		}
		fputs("</tr>\n", out);
	}
	fputs("</tbody>\n</table>\n", out);
}

/* --- the histogram --- */

enum { PLOT_LEFT = 4, PLOT_WIDTH = 312, PLOT_TOP = 4, PLOT_HEIGHT = 84, PLOT_LABELS = 18 };

static double count_in(const json_t *histogram, size_t side, size_t bin)
{
	return ps_json_number(json_array_get(
		json_array_get(ps_cards_at(histogram, PS_HISTOGRAM_COUNTS), side), bin));
}

/* The outline of one model's bins: up and down from the axis. */
static void write_outline(FILE *out, const json_t *histogram, size_t side, size_t bins,
			  double highest)
{
	fprintf(out, "<path class=\"h%zu\" d=\"M%d %d", side, PLOT_LEFT, PLOT_TOP + PLOT_HEIGHT);
	for (size_t b = 0; b < bins; b++)
		fprintf(out, "V%.1fH%.1f",
			PLOT_TOP + PLOT_HEIGHT * (1 - count_in(histogram, side, b) / highest),
			PLOT_LEFT + PLOT_WIDTH * (double)(b + 1) / (double)bins);
	fprintf(out, "V%d\"/>", PLOT_TOP + PLOT_HEIGHT);
}

/* A label below the edge of a bin. */
static void write_edge(FILE *out, const json_t *histogram, size_t edge, size_t bins)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%.3g</text>",
		PLOT_LEFT + PLOT_WIDTH * (double)edge / (double)bins,
		PLOT_TOP + PLOT_HEIGHT + PLOT_LABELS - 3,
		edge == 0      ? "start"
		: edge == bins ? "end"
			       : "middle",
		ps_cards_item(histogram, PS_HISTOGRAM_EDGES, edge));
}

static void write_histogram(FILE *out, const json_t *histogram)
{
	const size_t edges = json_array_size(ps_cards_at(histogram, PS_HISTOGRAM_EDGES)),
		     bins = edges ? edges - 1 : 0;
	double highest = 0;

	for (size_t b = 0; b < bins; b++)
		highest = fmax(highest, fmax(count_in(histogram, PS_DENSE, b),
					     count_in(histogram, PS_PRUNED, b)));
	if (highest == 0)
		return;
	fprintf(out,
		"<figure>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Histogram of the "
		"activations in both models\">",
		PLOT_WIDTH + 2 * PLOT_LEFT, PLOT_TOP + PLOT_HEIGHT + PLOT_LABELS);
	write_outline(out, histogram, PS_DENSE, bins, highest);
	write_outline(out, histogram, PS_PRUNED, bins, highest);
	write_edge(out, histogram, 0, bins);
	if (bins > 3)
		write_edge(out, histogram, bins / 2, bins);
	write_edge(out, histogram, bins, bins);
	fputs("</svg>\n<figcaption>Activations where it fires, on a logarithmic scale. Filled: "
	      "dense; dashed line: pruned. The highest bin holds ",
	      out);
	ps_html_number(out, highest, 0);
	fputs(" tokens.</figcaption>\n</figure>\n", out);
}

/* --- contexts --- */

static double value_at(const json_t *context, size_t side, size_t token)
{
	return ps_json_number(json_array_get(
		json_array_get(ps_cards_at(context, PS_CONTEXT_VALUES), side), token));
}

/* The largest activation in a list of contexts. */
static double largest_in(const json_t *list)
{
	double most = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);

		for (size_t t = 0; t < json_array_size(ps_cards_at(c, PS_CONTEXT_TEXTS)); t++)
			most = fmax(most,
				    fmax(value_at(c, PS_DENSE, t), value_at(c, PS_PRUNED, t)));
	}
	return most;
}

/* 0: it does not fire; 1 to 9: the share of the largest activation. */
static int level_of(double value, double largest)
{
	if (!(value > 0))
		return 0;
	return value >= largest ? LEVELS : 1 + (int)(LEVELS * value / largest);
}

/* Writes the text of a context with the activations of one model. */
static void write_tokens(FILE *out, const json_t *context, size_t side, double largest)
{
	const json_t *tokens = ps_cards_at(context, PS_CONTEXT_TEXTS);
	const size_t at = (size_t)ps_cards_number(context, PS_CONTEXT_AT);

	fprintf(out, "<p class=\"s%zu\" dir=\"auto\">", side);
	for (size_t t = 0; t < json_array_size(tokens); t++) {
		const char *text = json_string_value(json_array_get(tokens, t));
		const int level = level_of(value_at(context, side, t), largest);

		if (t == at)
			fprintf(out, "<b class=\"a%d\">", level);
		else if (level)
			fprintf(out, "<i class=\"a%d\">", level);
		ps_html_token(out, text);
		fputs(t == at ? "</b>" : level ? "</i>" : "", out);
	}
	fputs(" <span>", out);
	write_digits(out, value_at(context, side, at));
	fputs("</span></p>\n", out);
}

/* Whether one of the first `count` contexts of a list is at the same place. */
static bool is_among(const json_t *list, size_t count, const json_t *context)
{
	for (size_t i = 0; i < json_array_size(list) && i < count; i++) {
		const json_t *c = json_array_get(list, i);

		if (ps_cards_number(c, PS_CONTEXT_WINDOW) ==
			    ps_cards_number(context, PS_CONTEXT_WINDOW) &&
		    ps_cards_number(c, PS_CONTEXT_POSITION) ==
			    ps_cards_number(context, PS_CONTEXT_POSITION))
			return true;
	}
	return false;
}

static void write_context(FILE *out, const json_t *context, double largest)
{
	fprintf(out,
		"<div class=\"context\"><p class=\"at\">window&nbsp;%.0f, token&nbsp;%.0f</p>\n",
		ps_cards_number(context, PS_CONTEXT_WINDOW),
		ps_cards_number(context, PS_CONTEXT_POSITION));
	for (size_t side = 0; side < PS_MODEL_SIDES; side++)
		write_tokens(out, context, side, largest);
	fputs("</div>\n", out);
}

static void write_contexts(FILE *out, const json_t *card, size_t count)
{
	const json_t *both = ps_cards_at(card, PS_CARD_CONTEXTS),
		     *dense = ps_cards_at(both, PS_CONTEXTS_DENSE),
		     *pruned = ps_cards_at(both, PS_CONTEXTS_PRUNED);
	const double largest = fmax(largest_in(dense), largest_in(pruned));
	size_t again = 0;

	if (!count)
		return;
	fputs("<div class=\"context heads\"><p>dense</p><p>pruned</p></div>\n"
	      "<h4>Where it is most active in the dense model</h4>\n",
	      out);
	if (!json_array_size(dense))
		fputs("<p>Nowhere: it does not fire there.</p>\n", out);
	for (size_t i = 0; i < json_array_size(dense) && i < count; i++)
		write_context(out, json_array_get(dense, i), largest);
	fputs("<h4>In the pruned model</h4>\n", out);
	if (!json_array_size(pruned))
		fputs("<p>Nowhere: it does not fire there.</p>\n", out);
	for (size_t i = 0; i < json_array_size(pruned) && i < count; i++) {
		const json_t *c = json_array_get(pruned, i);

		if (is_among(dense, count, c))
			again++;
		else
			write_context(out, c, largest);
	}
	if (again)
		fprintf(out, "<p>%zu of its places stand%s above.</p>\n", again,
			again == 1 ? "s" : "");
}

/* --- promoted and suppressed tokens --- */

static void write_ends(FILE *out, const char *what, const json_t *tokens)
{
	if (!json_array_size(tokens))
		return;
	fprintf(out, "<p class=\"tokens\"><b>%s</b>", what);
	for (size_t i = 0; i < json_array_size(tokens); i++) {
		const json_t *token = json_array_get(tokens, i);

		fputs(" <i><span><bdi>", out);
		ps_html_token(out, ps_cards_text(token, PS_TOKEN_TEXT));
		fputs("</bdi></span>&nbsp;", out);
		write_digits(out, ps_cards_number(token, PS_TOKEN_LOGIT));
		fputs("</i>", out);
	}
	fputs("</p>\n", out);
}

/* --- the card --- */

void ps_card_write(FILE *out, const ps_cards *cards, const json_t *card, size_t contexts,
		   bool anchor)
{
	const double latent = ps_cards_number(card, PS_CARD_LATENT);
	const ps_feature_class class = class_of(card);

	fputs("<article class=\"card\"", out);
	if (anchor)
		fprintf(out, " id=\"latent-%.0f\"", latent);
	fprintf(out, ">\n<h3>Latent %.0f: %s</h3>\n<p class=\"meaning\">%s</p>\n", latent,
		ps_feature_class_names[class], meanings[class]);
	write_words(out, cards, card);
	fputs("<div class=\"facts\">\n", out);
	write_facts(out, card);
	write_histogram(out, ps_cards_at(card, PS_CARD_HISTOGRAM));
	fputs("</div>\n", out);
	write_contexts(out, card, contexts);
	write_ends(out, "Promotes", ps_cards_at(card, PS_CARD_PROMOTED));
	write_ends(out, "Suppresses", ps_cards_at(card, PS_CARD_SUPPRESSED));
	fputs("</article>\n", out);
}
