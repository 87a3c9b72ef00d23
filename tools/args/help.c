#include "tools/args/help.h"

#include <string.h>

enum { WIDTH = 80, COLUMN = 24 };

static size_t go_to(FILE *out, size_t column, size_t target)
{
	fprintf(out, "%*s", (int)(target > column ? target - column : 0), "");
	return target > column ? target : column;
}

void ps_help_wrap(FILE *out, const char *text, size_t column, size_t indent)
{
	bool first = true;

	column = go_to(out, column, indent);
	while (*(text += strspn(text, " \n"))) {
		const size_t length = strcspn(text, " \n");

		if (!first && column + 1 + length > WIDTH) {
			fputc('\n', out);
			column = go_to(out, 0, indent);
		} else if (!first) {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, length, out);
		column += length;
		text += length;
		first = false;
	}
	fputc('\n', out);
}

static void put_row(FILE *out, const ps_option *row)
{
	char details[PS_DETAILS_TEXT], text[1024];
	size_t column;

	if (ps_option_kind_of(row) == PS_OPTION_GROUP) {
		fprintf(out, "\n%s:\n", row->name);
		return;
	}
	column = (size_t)fprintf(out, "  %s%s%s", row->name, row->argument ? " " : "",
				 row->argument ? row->argument : "");
	if (column + 2 > COLUMN) {
		fputc('\n', out);
		column = 0;
	}
	ps_page_details(row, details);
	snprintf(text, sizeof text, "%s %s", row->help, details);
	ps_help_wrap(out, text, column, COLUMN);
}

/* Paragraph by paragraph. */
static void put_text(FILE *out, const char *text)
{
	char paragraph[PS_PARAGRAPH];

	while (*text) {
		text = ps_page_paragraph(text, paragraph);
		fputc('\n', out);
		ps_help_wrap(out, paragraph, 0, 0);
	}
}

static void put_lines(FILE *out, const char *lines)
{
	while (*lines) {
		const int length = (int)strcspn(lines, "\n");

		fprintf(out, "    %.*s\n", length, lines);
		lines += length + (lines[length] == '\n');
	}
}

void ps_help_examples(FILE *out, const ps_page *page)
{
	for (const ps_example *e = page->examples; e && e->command; e++) {
		if (e != page->examples)
			fputc('\n', out);
		ps_help_wrap(out, e->what, 0, 2);
		put_lines(out, e->command);
	}
}

void ps_help_write(FILE *out, const ps_page *page)
{
	char name[PS_NAME_TEXT];

	if (page->usage)
		fprintf(out, "usage: %s %s\n", ps_page_command(page, name), page->usage);
	else
		fprintf(out, "%s: %s\n", page->name, page->summary);
	put_text(out, page->text);
	for (size_t t = 0; t < page->count; t++)
		for (const ps_option *row = page->tables[t]; row->name; row++)
			if (ps_page_shows(page, t, row))
				put_row(out, row);
	if (page->examples) {
		fputs("\nExamples:\n", out);
		ps_help_examples(out, page);
	}
}
