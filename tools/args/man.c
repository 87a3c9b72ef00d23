#include "tools/args/man.h"

#include <ctype.h>
#include <string.h>

#include "core/base/version.h"

/* Text in which roff sees no request and no escape. Hyphens of options stay hyphens that one can
 * copy. */
static void put_escaped(FILE *out, const char *text, bool verbatim)
{
	bool option = verbatim, start = true;

	for (; *text; text++) {
		if (!verbatim && (start || isspace((unsigned char)text[-1])))
			option = text[0] == '-' || (text[0] == '(' && text[1] == '-');
		if (start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-' && option)
			fputs("\\-", out);
		else
			fputc(*text, out);
		start = false;
	}
}

/* Paragraphs; the first one follows what stands before it. */
static void put_text(FILE *out, const char *text)
{
	char paragraph[PS_PARAGRAPH];

	while (*text) {
		text = ps_page_paragraph(text, paragraph);
		put_escaped(out, paragraph, false);
		fputs(*text ? "\n.PP\n" : "\n", out);
	}
}

static void put_row(FILE *out, const ps_option *row)
{
	char details[PS_DETAILS_TEXT];

	if (ps_option_kind_of(row) == PS_OPTION_GROUP) {
		fputs(".SS ", out);
		put_escaped(out, row->name, false);
		fputc('\n', out);
		return;
	}
	fputs(".TP\n\\fB", out);
	put_escaped(out, row->name, true);
	fputs("\\fR", out);
	if (row->argument) {
		fputs(" \\fI", out);
		put_escaped(out, row->argument, true);
		fputs("\\fR", out);
	}
	fputc('\n', out);
	put_escaped(out, row->help, false);
	if (*ps_page_details(row, details)) {
		fputc(' ', out);
		put_escaped(out, details, false);
	}
	fputc('\n', out);
}

static void put_examples(FILE *out, const ps_page *page)
{
	fputs(".SH EXAMPLES\n", out);
	for (const ps_example *e = page->examples; e->command; e++) {
		if (e != page->examples)
			fputs(".PP\n", out);
		put_text(out, e->what);
		fputs(".PP\n.RS 4\n.EX\n", out);
		put_escaped(out, e->command, true);
		fputs("\n.EE\n.RE\n", out);
	}
}

static void put_head(FILE *out, const ps_page *page)
{
	char name[PS_NAME_TEXT];

	ps_page_name(page, name);
	fputs(".TH ", out);
	for (const char *c = name; *c; c++)
		fputc(toupper((unsigned char)*c), out);
	fprintf(out, " %d \"%s\" \"prunescope %s\" \"%s\"\n.SH NAME\n", page->section,
		PS_VERSION_DATE, PS_VERSION, page->section == 1 ? "User Commands" : "File Formats");
	put_escaped(out, name, true);
	fputs(" \\- ", out);
	put_escaped(out, page->summary, false);
	fputc('\n', out);
}

void ps_man_write(FILE *out, const ps_page *page, const char *exit_text)
{
	char command[PS_NAME_TEXT];

	put_head(out, page);
	if (page->usage) {
		fputs(".SH SYNOPSIS\n\\fB", out);
		put_escaped(out, ps_page_command(page, command), true);
		fputs("\\fR ", out);
		put_escaped(out, page->usage, true);
		fputc('\n', out);
	}
	fputs(".SH DESCRIPTION\n", out);
	put_text(out, page->text);
	if (page->count)
		fprintf(out, ".SH %s\n", page->section == 1 ? "OPTIONS" : "CONTENTS");
	for (size_t t = 0; t < page->count; t++)
		for (const ps_option *row = page->tables[t]; row->name; row++)
			if (ps_page_shows(page, t, row))
				put_row(out, row);
	if (page->examples)
		put_examples(out, page);
	if (exit_text) {
		fputs(".SH EXIT STATUS\n", out);
		put_text(out, exit_text);
	}
	if (page->see) {
		fputs(".SH SEE ALSO\n", out);
		put_escaped(out, page->see, false);
		fputc('\n', out);
	}
}
