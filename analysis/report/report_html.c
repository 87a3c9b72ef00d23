#include "analysis/report/report_html.h"

#include <math.h>
#include <string.h>

#define LARGE 10000 /* from here on without a fraction, in groups of three */

void ps_html_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		switch (c) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(c < 0x20 || c == 0x7f ? ' ' : c, out);
		}
	}
}

/* Fewer decimals for larger numbers: about five digits at most. */
static int fitting(double magnitude, int decimals)
{
	int most = magnitude >= 1000 ? 1 : magnitude >= 10 ? 2 : magnitude >= 1 ? 3 : 9;

	return decimals < most ? decimals : most;
}

static void write_grouped(FILE *out, const char *digits)
{
	size_t length = strlen(digits);

	for (size_t i = 0; i < length; i++)
		fprintf(out, "%s%c", i && (length - i) % 3 == 0 ? "," : "", digits[i]);
}

void ps_html_number(FILE *out, double value, int decimals)
{
	double magnitude = fabs(value);
	char digits[64];

	if (!isfinite(value)) {
		fputs("<span class=\"none\" title=\"not measured\">–</span>", out);
		return;
	}
	if (magnitude >= 1e15)
		snprintf(digits, sizeof digits, "%.3e", magnitude);
	else
		snprintf(digits, sizeof digits, "%.*f",
			 magnitude >= LARGE ? 0 : fitting(magnitude, decimals), magnitude);
	if (value < 0 && strspn(digits, "0.") < strlen(digits))
		fputs("−", out);
	if (magnitude >= LARGE && magnitude < 1e15)
		write_grouped(out, digits);
	else
		fputs(digits, out);
}

void ps_html_interval(FILE *out, ps_interval i, int decimals)
{
	ps_html_number(out, i.estimate, decimals);
	if (!isfinite(i.estimate) || !isfinite(i.low) || !isfinite(i.high))
		return;
	fputs(" <span class=\"ends\">[", out);
	ps_html_number(out, i.low, decimals);
	fputs(", ", out);
	ps_html_number(out, i.high, decimals);
	fputs("]</span>", out);
}

void ps_html_table_begin(FILE *out, const char *caption)
{
	fprintf(out,
		"<figure>\n<figcaption>%s</figcaption>\n<div class=\"scroll\" "
		"tabindex=\"0\"><table>\n",
		caption);
}

void ps_html_table_end(FILE *out)
{
	fputs("</table></div>\n</figure>\n", out);
}

void ps_html_head(FILE *out, const char *html, bool number)
{
	fprintf(out, "<th scope=\"col\"%s>%s</th>", number ? " class=\"n\"" : "", html);
}

void ps_html_cell_number(FILE *out, double value, int decimals)
{
	fputs("<td class=\"n\">", out);
	ps_html_number(out, value, decimals);
	fputs("</td>", out);
}

void ps_html_cell_interval(FILE *out, ps_interval interval, int decimals)
{
	fputs("<td class=\"n\">", out);
	ps_html_interval(out, interval, decimals);
	fputs("</td>", out);
}

/* --- tables of conditions --- */

static double scaled(const ps_column *column, double value)
{
	return column->scale == 0 ? value : value * column->scale;
}

static double number_of(const ps_results *r, const ps_column *column, const json_t *condition)
{
	switch (column->kind) {
	case PS_COLUMN_OTHER_SEED:
		return ps_results_other_seed(condition);
	case PS_COLUMN_REFERENCE_CHANGE:
		return ps_results_reference_change(r, condition);
	default:
		return ps_results_number(condition, column->path);
	}
}

static ps_interval interval_of(const ps_column *column, const json_t *condition)
{
	ps_interval i;
	char path[80];

	if (column->kind == PS_COLUMN_VALUE_INTERVAL) {
		snprintf(path, sizeof path, "%s_interval", column->path);
		i = ps_results_interval(condition, path);
		i.estimate = ps_results_number(condition, column->path);
	} else {
		i = ps_results_interval(condition, column->path);
	}
	return (ps_interval){.estimate = scaled(column, i.estimate),
			     .low = scaled(column, i.low),
			     .high = scaled(column, i.high)};
}

static void write_achieved(FILE *out, const json_t *condition)
{
	const char *kind;
	json_t *value, *kinds = json_object_get(condition, "achieved");
	double least = INFINITY, largest = -INFINITY;

	json_object_foreach (kinds, kind, value)
		if (json_is_number(value)) {
			least = fmin(least, json_number_value(value));
			largest = fmax(largest, json_number_value(value));
		}
	fputs("<td class=\"n\">", out);
	ps_html_number(out, 100 * least, 1);
	if (isfinite(least)) {
		fputs("–", out);
		ps_html_number(out, 100 * largest, 1);
	}
	fputs("</td>", out);
}

static void write_cell(FILE *out, const ps_results *r, const ps_column *column,
		       const json_t *condition)
{
	if (column->kind == PS_COLUMN_ACHIEVED_RANGE)
		write_achieved(out, condition);
	else if (column->kind == PS_COLUMN_INTERVAL || column->kind == PS_COLUMN_VALUE_INTERVAL)
		ps_html_cell_interval(out, interval_of(column, condition), column->decimals);
	else
		ps_html_cell_number(out, scaled(column, number_of(r, column, condition)),
				    column->decimals);
}

static bool shown(const ps_results *r, const ps_column *column)
{
	for (size_t i = 0; column->if_any && i < r->condition_count; i++)
		if (isfinite(number_of(r, column, ps_results_condition(r, i))))
			return true;
	return !column->if_any;
}

static size_t write_heads(FILE *out, const ps_results *r, const ps_column *columns)
{
	size_t count = 1;

	fputs("<thead><tr>", out);
	ps_html_head(out, "condition", false);
	for (const ps_column *c = columns; c->kind != PS_COLUMN_END; c++)
		if (shown(r, c)) {
			ps_html_head(out, c->head, true);
			count++;
		}
	fputs("</tr></thead>\n", out);
	return count;
}

static void write_condition(FILE *out, const ps_results *r, const ps_column *columns,
			    const json_t *condition)
{
	fputs("<tr><td>", out);
	ps_html_text(out, ps_method_label(ps_results_text(condition, "method")));
	fprintf(out, " %.4g&nbsp;%%</td>", 100 * ps_results_number(condition, "sparsity"));
	for (const ps_column *c = columns; c->kind != PS_COLUMN_END; c++)
		if (shown(r, c))
			write_cell(out, r, c, condition);
	fputs("</tr>\n", out);
}

void ps_html_conditions(FILE *out, const ps_results *r, const ps_column *columns,
			const char *caption)
{
	size_t count;

	ps_html_table_begin(out, caption);
	count = write_heads(out, r, columns);
	for (size_t m = 0; m < r->model_count; m++) {
		const char *name = ps_results_text(ps_results_model(r, m), "name");

		fprintf(out, "<tbody><tr class=\"group\"><th scope=\"rowgroup\" colspan=\"%zu\">",
			count);
		ps_html_text(out, name);
		fputs("</th></tr>\n", out);
		for (size_t i = 0; i < r->condition_count; i++)
			if (!strcmp(ps_results_text(ps_results_condition(r, i), "model"), name))
				write_condition(out, r, columns, ps_results_condition(r, i));
		fputs("</tbody>\n", out);
	}
	ps_html_table_end(out);
}

/* --- figures --- */

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* Past <title>..</title> or <desc>..</desc>, which name parts of the drawing for nobody; else where it is. */
static const char *skip_names(const char *at)
{
	const char *end = NULL;

	if (starts(at, "<title>"))
		end = strstr(at, "</title>");
	else if (starts(at, "<desc>"))
		end = strstr(at, "</desc>");
	return end ? strchr(end, '>') + 1 : at;
}

/* The first tag without its size, which is the page's to give up to the one it was drawn for. */
static const char *write_svg_tag(FILE *out, const char *svg, const char *label)
{
	const char *box = strstr(svg, "viewBox="), *end = strchr(svg, '>');
	int width;

	if (!box || !end || box > end)
		return svg;
	fputs("<svg role=\"img\" aria-label=\"", out);
	ps_html_text(out, label);
	fputs("\" ", out);
	if (sscanf(box, "viewBox=\"0 0 %d", &width) == 1)
		fprintf(out, "style=\"max-width:%dpx\" ", width);
	fprintf(out, "%.*s", (int)(end - box), box);
	return end;
}

void ps_html_svg(FILE *out, const char *svg, const char *prefix, const char *label)
{
	const char *at = strstr(svg, "<svg");

	if (!at)
		return;
	at = write_svg_tag(out, at, label);
	while (*at) {
		const char *next = skip_names(at);

		if (next != at) {
			at = next;
			continue;
		}
		if (starts(at, " id='") || starts(at, " id=\"")) {
			fprintf(out, "%.5s%s-", at, prefix);
			at += 5;
		} else if (starts(at, "href='#")) {
			fprintf(out, "href='#%s-", prefix);
			at += 7;
		} else {
			fputc(*at++, out);
		}
	}
}
