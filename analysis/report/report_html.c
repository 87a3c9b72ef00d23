#include "analysis/report/report_html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/report/report_text.h"

enum { LARGE = 10000 }; /* numbers from here on have no fraction and digits in groups of three */

void ps_html_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		const char *instead = ps_report_substitute(&text);

		if (instead) {
			fputs(instead, out);
			continue;
		}
		switch (*text) {
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
			fputc(*text, out);
		}
	}
}

void ps_html_href(FILE *out, const char *up, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~/";

	fputs(up, out);
	for (; *path; path++)
		if (strchr(plain, *path))
			fputc(*path, out);
		else
			fprintf(out, "%%%02X", (unsigned char)*path);
}

/* Decimals of a number: fewer where it is larger, so that it has about five digits at most. */
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

enum { DIGITS_MAX = 64 };

/* The digits of a finite number without its sign; those that are not grouped yet. */
static void format_number(double value, int decimals, char digits[DIGITS_MAX])
{
	double magnitude = fabs(value);

	if (magnitude >= 1e15)
		snprintf(digits, DIGITS_MAX, "%.3e", magnitude);
	else
		snprintf(digits, DIGITS_MAX, "%.*f",
			 magnitude >= LARGE ? 0 : fitting(magnitude, decimals), magnitude);
}

static bool is_negative(double value, const char *digits)
{
	return value < 0 && strspn(digits, "0.") < strlen(digits);
}

bool ps_html_alike(double a, double b, int decimals)
{
	char digits_a[DIGITS_MAX], digits_b[DIGITS_MAX];

	if (!isfinite(a) || !isfinite(b))
		return isfinite(a) == isfinite(b);
	format_number(a, decimals, digits_a);
	format_number(b, decimals, digits_b);
	return is_negative(a, digits_a) == is_negative(b, digits_b) && !strcmp(digits_a, digits_b);
}

void ps_html_number(FILE *out, double value, int decimals)
{
	char digits[DIGITS_MAX];

	if (!isfinite(value)) {
		fputs("<span class=\"none\" title=\"not measured\">–</span>", out);
		return;
	}
	format_number(value, decimals, digits);
	if (is_negative(value, digits))
		fputs("−", out);
	if (fabs(value) >= LARGE && fabs(value) < 1e15)
		write_grouped(out, digits);
	else
		fputs(digits, out);
}

void ps_html_interval(FILE *out, ps_interval i, int decimals)
{
	ps_html_number(out, i.estimate, decimals);
	if (!isfinite(i.estimate))
		return;
	if (!isfinite(i.low) || !isfinite(i.high)) {
		if (i.why)
			fprintf(out, " <span class=\"ends\">(%s)</span>",
				ps_no_interval_name(i.why));
		return;
	}
	fputs(" <span class=\"ends\">[", out);
	ps_html_number(out, i.low, decimals);
	fputs(", ", out);
	ps_html_number(out, i.high, decimals);
	fputs("]</span>", out);
}

static void begin_table(FILE *out, const char *caption, const char *csv, const char *class)
{
	fprintf(out, "<figure class=\"table\">\n<figcaption>%s", caption);
	if (csv)
		fprintf(out,
			" <span class=\"links\"><a href=\"tables/%s.csv\">CSV</a> "
			"<a href=\"results.json\">JSON</a></span>",
			csv);
	fprintf(out, "</figcaption>\n<div class=\"scroll\" tabindex=\"0\"><table%s>\n", class);
}

void ps_html_table_begin(FILE *out, const char *caption, const char *csv)
{
	begin_table(out, caption, csv, "");
}

void ps_html_cards_begin(FILE *out, const char *caption, const char *csv)
{
	begin_table(out, caption, csv, " class=\"cards\"");
}

void ps_html_cell_begin(FILE *out, const char *head)
{
	fprintf(out, "<td class=\"n\" data-h=\"%s\">", head);
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

/* Digits after the point of the shortest decimal that is this number. */
static int digits_of(double value)
{
	char text[64];
	int precision = 1;
	const char *point;

	do
		snprintf(text, sizeof text, "%.*f", precision, value);
	while (strtod(text, NULL) != value && ++precision < 12);
	point = strchr(text, '.');
	return !strcmp(point, ".0") ? 0 : (int)strlen(point + 1);
}

static void write_given(FILE *out, double value, int decimals)
{
	fprintf(out, "%s%.*f", value < 0 ? "−" : "", decimals, fabs(value));
}

void ps_html_reference(FILE *out, ps_interval given, int decimals)
{
	const double numbers[] = {given.estimate, given.low, given.high};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (isfinite(numbers[i]) && digits_of(numbers[i]) > decimals)
			decimals = digits_of(numbers[i]);
	if (isfinite(given.estimate))
		write_given(out, given.estimate, decimals);
	else if (!isfinite(given.low))
		ps_html_number(out, given.estimate, decimals);
	if (isfinite(given.low) && isfinite(given.high)) {
		fputs(isfinite(given.estimate) ? " <span class=\"ends\">[" : "", out);
		write_given(out, given.low, decimals);
		fputs(isfinite(given.estimate) ? ", " : " to ", out);
		write_given(out, given.high, decimals);
		fputs(isfinite(given.estimate) ? "]</span>" : "", out);
	}
}

/* --- tables of conditions --- */

static double scaled(const ps_column *column, double value)
{
	return column->scale == 0 ? value : value * column->scale;
}

static ps_interval interval_of(const ps_column *column, const json_t *condition)
{
	ps_interval i;

	if (column->kind == PS_COLUMN_VALUE_INTERVAL) {
		i = ps_results_interval(condition, column->ends);
		i.estimate = ps_results_number(condition, column->path);
	} else {
		i = ps_results_interval(condition, column->path);
	}
	i.estimate = scaled(column, i.estimate);
	i.low = scaled(column, i.low);
	i.high = scaled(column, i.high);
	return i;
}

static const ps_results_path achieved[] = {
	PS_AT(ACHIEVED_Q_PROJ),    PS_AT(ACHIEVED_K_PROJ),    PS_AT(ACHIEVED_V_PROJ),
	PS_AT(ACHIEVED_O_PROJ),    PS_AT(ACHIEVED_GATE_PROJ), PS_AT(ACHIEVED_UP_PROJ),
	PS_AT(ACHIEVED_DOWN_PROJ),
};

static void write_achieved(FILE *out, const json_t *condition)
{
	const json_t *kinds = ps_results_at(condition, PS_AT(CONDITION_ACHIEVED));
	double least = INFINITY, largest = -INFINITY;

	for (size_t i = 0; i < sizeof achieved / sizeof *achieved; i++) {
		double share = ps_results_number(kinds, achieved[i]);

		if (isfinite(share)) {
			least = fmin(least, share);
			largest = fmax(largest, share);
		}
	}
	ps_html_number(out, 100 * least, 1);
	if (isfinite(least)) {
		fputs("–", out);
		ps_html_number(out, 100 * largest, 1);
	}
}

/* False where the list has fewer than two entries. */
static bool range_of(const ps_column *column, const json_t *condition, double *least,
		     double *largest)
{
	const json_t *list = ps_results_at(condition, column->path);

	return json_array_size(list) > 1 && ps_results_range(list, column->ends, least, largest);
}

static void write_range(FILE *out, const ps_column *column, const json_t *condition)
{
	double least = (double)NAN, largest = (double)NAN;

	if (!range_of(column, condition, &least, &largest)) {
		ps_html_number(out, least, column->decimals);
		return;
	}
	ps_html_number(out, scaled(column, least), column->decimals);
	fputs(" to ", out);
	ps_html_number(out, scaled(column, largest), column->decimals);
}

static double number_of(const ps_column *column, const json_t *condition)
{
	const json_t *list = ps_results_at(condition, column->path);
	double least = (double)NAN, largest;

	switch (column->kind) {
	case PS_COLUMN_LIST_RANGE:
		return range_of(column, condition, &least, &largest) ? least : (double)NAN;
	case PS_COLUMN_INTERVAL:
	case PS_COLUMN_VALUE_INTERVAL:
		return interval_of(column, condition).estimate;
	case PS_COLUMN_LIST_MEAN:
		return scaled(column, ps_results_mean(list, column->ends));
	case PS_COLUMN_LIST_SIZE:
		return json_is_array(list) ? (double)json_array_size(list) : (double)NAN;
	default:
		return scaled(column, ps_results_number(condition, column->path));
	}
}

static void write_cell(FILE *out, const ps_column *column, const json_t *condition)
{
	ps_html_cell_begin(out, column->head);
	if (column->kind == PS_COLUMN_ACHIEVED_RANGE)
		write_achieved(out, condition);
	else if (column->kind == PS_COLUMN_LIST_RANGE)
		write_range(out, column, condition);
	else if (column->kind == PS_COLUMN_INTERVAL || column->kind == PS_COLUMN_VALUE_INTERVAL)
		ps_html_interval(out, interval_of(column, condition), column->decimals);
	else
		ps_html_number(out, number_of(column, condition), column->decimals);
	fputs("</td>", out);
}

static bool any_has(const json_t *list, const ps_column *column)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (isfinite(number_of(column, json_array_get(list, i))))
			return true;
	return false;
}

static bool shown(const ps_results *r, const ps_column *column)
{
	return !column->if_any || any_has(r->conditions, column) || any_has(r->controls, column);
}

/* Whether a control has any number of a table. */
static bool has_any(const json_t *control, const ps_column *columns)
{
	for (const ps_column *c = columns; c->kind != PS_COLUMN_END; c++)
		if (isfinite(number_of(c, control)))
			return true;
	return false;
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

/* Of a control a cell is empty where the number is not one of a control. */
static void write_cells(FILE *out, const ps_results *r, const ps_column *columns,
			const json_t *condition, bool control)
{
	for (const ps_column *c = columns; c->kind != PS_COLUMN_END; c++) {
		if (!shown(r, c))
			continue;
		if (control && !isfinite(number_of(c, condition)))
			fputs("<td></td>", out);
		else
			write_cell(out, c, condition);
	}
	fputs("</tr>\n", out);
}

static bool is_of(const json_t *condition, const char *model)
{
	return !strcmp(ps_results_text(condition, PS_AT(CONDITION_MODEL)), model);
}

static void write_rows(FILE *out, const ps_results *r, const ps_column *columns, const char *model)
{
	for (size_t i = 0; i < r->condition_count; i++) {
		const json_t *c = ps_results_condition(r, i);

		if (!is_of(c, model))
			continue;
		fputs("<tr><td>", out);
		ps_html_text(out, ps_method_label(ps_results_text(c, PS_AT(CONDITION_METHOD))));
		fprintf(out, " %.4g&nbsp;%%</td>",
			100 * ps_results_number(c, PS_AT(CONDITION_SPARSITY)));
		write_cells(out, r, columns, c, false);
	}
	for (size_t i = 0; i < r->control_count; i++) {
		const json_t *c = ps_results_control(r, i);

		if (!is_of(c, model) || !has_any(c, columns))
			continue;
		fputs("<tr class=\"control\"><td>", out);
		ps_html_text(out, ps_control_label(c));
		fputs("</td>", out);
		write_cells(out, r, columns, c, true);
	}
}

void ps_html_conditions(FILE *out, const ps_results *r, const ps_column *columns,
			const char *caption, const char *csv)
{
	size_t count;

	ps_html_cards_begin(out, caption, csv);
	count = write_heads(out, r, columns);
	for (size_t m = 0; m < r->model_count; m++) {
		const char *name = ps_results_model_name(r, m);

		fprintf(out, "<tbody><tr class=\"group\"><th scope=\"rowgroup\" colspan=\"%zu\">",
			count);
		ps_html_text(out, name);
		fputs("</th></tr>\n", out);
		write_rows(out, r, columns, name);
		fputs("</tbody>\n", out);
	}
	ps_html_table_end(out);
}

/* --- figures --- */

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* Skips a <title> or <desc> that starts here: they name parts of the drawing, which no reader
 * needs. */
static const char *skip_names(const char *at)
{
	const char *end = NULL;

	if (starts(at, "<title>"))
		end = strstr(at, "</title>");
	else if (starts(at, "<desc>"))
		end = strstr(at, "</desc>");
	return end ? strchr(end, '>') + 1 : at;
}

/* Writes the <svg> tag without its size: the page sets the size, up to the one that was drawn for.
 * Returns what follows the part of the tag that has been written. */
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

/* Writes one attribute's beginning with the prefix in its value. Returns what follows; at itself if
 * no such attribute begins there. */
static const char *write_reference(FILE *out, const char *at, const char *prefix)
{
	static const char *const beginnings[] = {" id='", " id=\"", "href='#", "href=\"#"};

	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
		if (starts(at, beginnings[i])) {
			fprintf(out, "%s%s-", beginnings[i], prefix);
			return at + strlen(beginnings[i]);
		}
	return at;
}

void ps_html_svg(FILE *out, const char *svg, const char *prefix, const char *label)
{
	const char *at = strstr(svg, "<svg");
	bool tag = true; /* at lies in a tag, else in a text */

	if (!at)
		return;
	at = write_svg_tag(out, at, label);
	while (*at) {
		const char *next = tag ? write_reference(out, at, prefix) : skip_names(at);

		if (next != at) {
			at = next;
			continue;
		}
		tag = *at == '<' || (tag && *at != '>');
		fputc(*at++, out);
	}
}
