#include "analysis/report/cards_page.h"

#include <math.h>
#include <string.h>

#include "analysis/report/cards_card.h"
#include "analysis/report/cards_table.h"
#include "analysis/report/report_head.h"
#include "analysis/report/report_html.h"
#include "analysis/report/report_script.h"

enum { CONTEXTS_OF_FEW = 3 };

/* Contexts of each model on a card, by level. */
static const size_t contexts_at[PS_CARDS_LEVELS] = {PS_CONTEXTS, 6, 3, 1, 0};

static const struct {
	const char *id, *title, *none;
} groups[PS_CARDS_GROUPS_COUNT] = {
	[PS_GROUP_BEST] = {"best", "Best survivors", "No latent is one of these."},
	[PS_GROUP_WORST] = {"worst", "Worst survivors", "No latent is one of these."},
	[PS_GROUP_CAUSAL] = {"causal", "Most causal", "No latents were ablated."},
	[PS_GROUP_SHIFTED] = {"shifted", "Most shifted", "No latent is one of these."},
	[PS_GROUP_RANDOM] = {"random", "Ten at random", "No latent fires."},
};

/* --- the head --- */

static void write_links(FILE *out, const ps_cards_page *page)
{
	fputs("<nav aria-label=\"Pages and files\"><a href=\"../report.html\">Report</a>", out);
	if (page->csv) {
		fputs(" <a href=\"", out);
		ps_html_href(out, "../", page->csv);
		fputs("\">All latents, CSV</a>", out);
	}
	fputs(" <a href=\"", out);
	ps_html_href(out, "../", page->json);
	fputs("\">Cards, JSON</a>", out);
	for (size_t g = 0; g < PS_CARDS_GROUPS_COUNT; g++)
		fprintf(out, " <a href=\"#%s\">%s</a>", groups[g].id, groups[g].title);
	fputs(" <a href=\"#table\">Table</a> <a href=\"#next\">What next</a></nav>\n", out);
}

/* Writes what the classes mean, and how many latents each has. */
static void write_classes(FILE *out, const ps_cards *cards)
{
	const json_t *t = ps_cards_at(cards->root, PS_CARDS_THRESHOLDS);

	fputs("<dl class=\"words\">\n", out);
	for (ps_feature_class c = PS_CLASS_KEPT; c <= PS_FEATURE_CLASSES; c++) {
		const ps_feature_class class = c % PS_FEATURE_CLASSES; /* none comes last */

		fprintf(out, "<dt>%s: ", ps_feature_class_names[class]);
		ps_html_number(out, ps_cards_class_count(cards, class), 0);
		fprintf(out, "</dt><dd>%s", ps_class_meaning(class));
		if (class == PS_CLASS_KEPT)
			fprintf(out, ": Pearson at least %g, rate and mean within a factor of %g",
				ps_cards_number(t, PS_THRESHOLD_KEPT),
				ps_cards_number(t, PS_THRESHOLD_SHIFT));
		else if (class == PS_CLASS_SHIFTED)
			fprintf(out, ": Pearson at least %g, rate or mean changes beyond that",
				ps_cards_number(t, PS_THRESHOLD_KEPT));
		else if (class == PS_CLASS_BLURRED)
			fprintf(out, ": Pearson from %g to %g",
				ps_cards_number(t, PS_THRESHOLD_BLURRED),
				ps_cards_number(t, PS_THRESHOLD_KEPT));
		else if (class == PS_CLASS_LOST)
			fprintf(out, ": Pearson below %g, or it never fires there",
				ps_cards_number(t, PS_THRESHOLD_BLURRED));
		fputs("</dd>\n", out);
	}
	fputs("</dl>\n", out);
}

static void write_header(FILE *out, const ps_cards_page *page)
{
	const json_t *root = page->cards->root;

	fputs("<header>\n<p class=\"kicker\">Features of a pruned model</p>\n<h1>", out);
	ps_html_text(out, page->model);
	fputs(", ", out);
	ps_html_text(out, page->condition);
	fputs("</h1>\n<p class=\"lead\">The ", out);
	ps_html_number(out, ps_cards_number(root, PS_CARDS_LATENTS), 0);
	fputs(" latents of the dense model’s SAE, unchanged, on ", out);
	ps_html_number(out, ps_cards_number(root, PS_CARDS_ROWS), 0);
	fputs(" tokens of both models: what became of each, and a few of them to look "
	      "at.</p>\n",
	      out);
	ps_report_words(out, false);
	fputs("<p>A latent’s class is by its activations on the same tokens. <b>Pearson</b> is "
	      "their correlation over all tokens. <b>Jaccard</b> is the share of the tokens on "
	      "which it fires in both models among those on which it fires in either.</p>\n",
	      out);
	write_classes(out, page->cards);
	write_links(out, page);
	fputs("</header>\n", out);
}

/* --- groups --- */

/* The group in which a latent's card stands: the first that has it. */
static ps_cards_group home_of(const ps_cards *cards, const json_t *card)
{
	for (ps_cards_group g = 0; g < PS_CARDS_GROUPS_COUNT; g++)
		for (size_t i = 0; ps_cards_of_group(cards, g, i); i++)
			if (ps_cards_of_group(cards, g, i) == card)
				return g;
	return PS_CARDS_GROUPS_COUNT;
}

/* Names the latents of a group whose cards stand elsewhere. */
static void write_elsewhere(FILE *out, const ps_cards *cards, ps_cards_group group)
{
	const json_t *card;
	size_t written = 0;

	for (size_t i = 0; (card = ps_cards_of_group(cards, group, i)); i++) {
		const ps_cards_group home = home_of(cards, card);
		const double latent = ps_cards_number(card, PS_CARD_LATENT);

		if (home == group)
			continue;
		fprintf(out, "%s<a href=\"#latent-%.0f\">latent %.0f</a> (%s)",
			written++ ? ", " : "<p>Also of this group, with cards above: ", latent,
			latent, groups[home].title);
	}
	fputs(written ? ".</p>\n" : "", out);
}

static void write_group(FILE *out, const ps_cards *cards, ps_cards_group group, size_t contexts)
{
	const json_t *card;

	fprintf(out, "<section id=\"%s\">\n<h2>%s</h2>\n<p class=\"definition\"><b>Rule.</b> ",
		groups[group].id, groups[group].title);
	ps_html_text(out, ps_cards_text(ps_cards_at(cards->root, PS_CARDS_RULES),
					PS_RULES_BEST + group));
	fputs("</p>\n", out);
	if (!ps_cards_of_group(cards, group, 0))
		fprintf(out, "<p>%s</p>\n", groups[group].none);
	for (size_t i = 0; (card = ps_cards_of_group(cards, group, i)); i++)
		if (home_of(cards, card) == group)
			ps_card_write(out, cards, card, contexts, true);
	write_elsewhere(out, cards, group);
	fputs("</section>\n", out);
}

static void write_reading(FILE *out, const ps_cards_page *page, size_t contexts)
{
	fputs("<p>In a context the same text stands twice: with the activations of the dense model "
	      "and with those of the pruned one. Tokens on which the latent fires are underlined; "
	      "the stronger, the deeper the colour, by a scale of its own for each card. The token "
	      "in a frame "
	      "is the most active one of the model whose contexts these are; its activation in "
	      "each model stands behind the text. Effects of ablation are changes of mean loss, in "
	      "thousandths of a nat: above zero, the model needs the latent.</p>\n",
	      out);
	if (contexts == PS_CONTEXTS)
		return;
	fprintf(out,
		"<p>To keep this page below 2&nbsp;MB a card shows at most %zu context%s of each "
		"model. All are in the <a href=\"",
		contexts, contexts == 1 ? "" : "s");
	ps_html_href(out, "../", page->json);
	fputs("\">JSON</a>.</p>\n", out);
}

/* Writes a name as an argument of a command line: in single quotes where a shell would take it
 * apart. */
static void write_argument(FILE *out, const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._/";
	const bool quoted = name[strspn(name, plain)] != 0;

	fputs(quoted ? "&#39;" : "", out);
	ps_html_text(out, name);
	fputs(quoted ? "&#39;" : "", out);
}

static void write_next(FILE *out, const ps_cards_page *page)
{
	fputs("<section id=\"next\">\n<h2>What next</h2>\n<p><code>STUDY</code> is the folder of "
	      "the report.</p>\n<dl class=\"next\">\n<dt>See the card of any latent in a terminal, "
	      "also of one that has none here.</dt>\n<dd><code>prunescope features STUDY --model ",
	      out);
	write_argument(out, page->model);
	fputs(" --condition ", out);
	write_argument(out, page->condition);
	fputs(" --latent N</code></dd>\n</dl>\n</section>\n", out);
}

void ps_cards_page_write(FILE *out, const ps_cards_page *page, size_t level)
{
	ps_report_head(out, page->model, page->condition, "cards", page->digest);
	write_header(out, page);
	write_reading(out, page, contexts_at[level]);
	for (ps_cards_group g = 0; g < PS_CARDS_GROUPS_COUNT; g++)
		write_group(out, page->cards, g, contexts_at[level]);
	ps_cards_table_write(out, page->cards, page->csv);
	write_next(out, page);
	fputs("<footer>Written by prunescope.</footer>\n</main>\n", out);
	ps_report_script(out);
	fputs("</body>\n</html>\n", out);
}

/* --- a few --- */

void ps_cards_few_write(FILE *out, const ps_cards *cards)
{
	const json_t *written[PS_CARDS_GROUPS_COUNT] = {NULL};

	for (ps_cards_group g = 0; g < PS_CARDS_GROUPS_COUNT; g++) {
		const json_t *card = ps_cards_of_group(cards, g, 0);
		bool again = !card;

		for (ps_cards_group before = 0; before < g && !again; before++)
			again = written[before] == card;
		if (again)
			continue;
		written[g] = card;
		fprintf(out, "<p class=\"kicker\">%s: the first</p>\n", groups[g].title);
		ps_card_write(out, cards, card, CONTEXTS_OF_FEW, false);
	}
}
