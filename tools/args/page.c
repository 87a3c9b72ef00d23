#include "tools/args/page.h"

#include <stdio.h>
#include <string.h>

char *ps_page_name(const ps_page *page, char *out)
{
	snprintf(out, PS_NAME_TEXT, "%s%s%s", page->program, page->name ? "-" : "",
		 page->name ? page->name : "");
	return out;
}

char *ps_page_command(const ps_page *page, char *out)
{
	snprintf(out, PS_NAME_TEXT, "%s%s%s", page->program, page->name ? " " : "",
		 page->name ? page->name : "");
	return out;
}

bool ps_page_shows(const ps_page *page, size_t t, const ps_option *row)
{
	const ps_options before = {.tables = page->tables, .count = t};

	return !ps_option_is_named(row) || !ps_options_find(&before, row->name, strlen(row->name));
}

static void add_detail(char *out, const char *before, const char *text, const char *after)
{
	const size_t length = strlen(out);

	snprintf(out + length, PS_DETAILS_TEXT - length, "%s%s%s%s", length ? "; " : "(", before,
		 text, after);
}

/* "at least 1" and "at least 0" go without saying. */
static bool has_limits(const ps_option *option, ps_range *range)
{
	return ps_option_range(option, range) && range->most < INT32_MAX;
}

char *ps_page_details(const ps_option *option, char *out)
{
	char usual[PS_DETAILS_TEXT], limits[PS_RANGE_TEXT], unit[PS_NAME_TEXT] = "";
	ps_range range;

	out[0] = 0;
	if (ps_option_kind_of(option) == PS_OPTION_GROUP)
		return out;
	if (option->kind & PS_OPTION_WANTED)
		add_detail(out, "", "required", "");
	if (has_limits(option, &range))
		add_detail(out, "", ps_range_format(range, limits), "");
	if (option->unit)
		snprintf(unit, sizeof unit, " %s", option->unit);
	ps_option_usual(option, usual, sizeof usual);
	/* Behind words a unit would not be understood. */
	if (*usual && (option->usual || !option->unit)) {
		if (option->unit)
			add_detail(out, "", option->unit, "");
		add_detail(out, "default ", usual, "");
	} else if (*usual) {
		add_detail(out, "default ", usual, unit);
	} else if (option->unit) {
		add_detail(out, "", option->unit, "");
	}
	if (*out)
		snprintf(out + strlen(out), PS_DETAILS_TEXT - strlen(out), ")");
	return out;
}

const char *ps_page_paragraph(const char *text, char *out)
{
	const char *end = strstr(text, "\n\n");
	const size_t length = end ? (size_t)(end - text) : strlen(text);

	snprintf(out, PS_PARAGRAPH, "%.*s", (int)length, text);
	return text + length + (end ? 2 : 0);
}
