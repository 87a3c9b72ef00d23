#include "analysis/report/cards_table.h"

#include <math.h>

#include "analysis/report/report_html.h"

static const struct {
	const char *head;
	double scale;
} columns[PS_CARDS_COLUMNS] = {
	[PS_CELL_LATENT] = {"latent", 1},
	[PS_CELL_CLASS] = {"class", 1},
	[PS_CELL_RATE_DENSE] = {"fires, %, dense", 100},
	[PS_CELL_RATE_PRUNED] = {"pruned", 100},
	[PS_CELL_MEAN_DENSE] = {"mean, dense", 1},
	[PS_CELL_MEAN_PRUNED] = {"pruned", 1},
	[PS_CELL_PEARSON] = {"Pearson", 1},
	[PS_CELL_JACCARD] = {"Jaccard", 1},
	[PS_CELL_PARTNER] = {"partner", 1},
	[PS_CELL_COSINE] = {"cosine", 1},
	[PS_CELL_MUTUAL] = {"mutual", 1},
};

/* Cells have no end tags, and what is not defined is empty: there are up to 45,000 of them. */
static void write_cell(FILE *out, const json_t *cell, ps_cards_column column)
{
	const double value = columns[column].scale * ps_json_number(cell);

	fputs("<td>", out);
	if (json_is_string(cell))
		ps_html_text(out, json_string_value(cell));
	else if (json_is_boolean(cell))
		fputs(json_is_true(cell) ? "yes" : "no", out);
	else if (json_is_integer(cell) && columns[column].scale == 1)
		fprintf(out, "%.0f", value);
	else if (isfinite(value))
		fprintf(out, "%s%.4g", value < 0 ? "−" : "", fabs(value));
}

static void write_row(FILE *out, const ps_cards *cards, const json_t *row)
{
	const double latent = ps_json_number(json_array_get(row, PS_CELL_LATENT));

	fputs("<tr>", out);
	if (ps_cards_find(cards, latent))
		fprintf(out, "<td><a href=\"#latent-%.0f\">%.0f</a>", latent, latent);
	else
		write_cell(out, json_array_get(row, PS_CELL_LATENT), PS_CELL_LATENT);
	for (ps_cards_column c = PS_CELL_LATENT + 1; c < PS_CARDS_COLUMNS; c++)
		write_cell(out, json_array_get(row, c), c);
	fputs("\n", out);
}

static void write_caption(FILE *out, const ps_cards *cards, const char *csv)
{
	const double of = ps_cards_number(cards->root, PS_CARDS_TABLE_OF);

	fputs("<figcaption><b>", out);
	if (of > (double)cards->row_count) {
		fputs("The ", out);
		ps_html_number(out, (double)cards->row_count, 0);
		fputs(" most frequent of ", out);
		ps_html_number(out, of, 0);
		fputs(" latents that fire in the dense model.</b>", out);
	} else {
		fputs("Every latent that fires in the dense model.</b>", out);
	}
	fputs(" Fires: share of tokens. Mean: of the activations where it fires. Partner, cosine: "
	      "the nearest latent of the pruned model’s SAE; mutual: each is the other’s nearest. "
	      "An empty cell: not defined. A click on a head sorts. <span class=\"print\">On paper "
	      "the first hundred rows stand.</span>",
	      out);
	if (csv) {
		fputs(" <span class=\"links\"><a href=\"", out);
		ps_html_href(out, "../", csv);
		fputs("\">CSV of all</a></span>", out);
	}
	fputs("</figcaption>\n", out);
}

void ps_cards_table_write(FILE *out, const ps_cards *cards, const char *csv)
{
	fputs("<section id=\"table\">\n<h2>All latents</h2>\n<figure class=\"table\">\n", out);
	write_caption(out, cards, csv);
	fputs("<div class=\"scroll\" tabindex=\"0\"><table class=\"latents\">\n<thead><tr>", out);
	for (size_t c = 0; c < PS_CARDS_COLUMNS; c++)
		ps_html_head(out, columns[c].head, c != PS_CELL_CLASS);
	fputs("</tr></thead>\n<tbody>\n", out);
	for (size_t i = 0; i < cards->row_count; i++)
		write_row(out, cards, json_array_get(cards->rows, i));
	fputs("</tbody>\n</table></div>\n</figure>\n</section>\n", out);
}
