#include "analysis/report/results_page.h"

#include "analysis/report/report_csv.h"
#include "analysis/report/results_schema.h"

static const char introduction[] =
	"# results.json and the CSV tables\n\n"
	"<!-- Made by `make docs/RESULTS.md` from analysis/report/results_schema.def and the "
	"columns in\n"
	"     analysis/report/report_csv.c. Do not edit. -->\n\n"
	"`prunescope study` writes DIR/results.json when all steps are done; `prunescope report` "
	"makes\n"
	"DIR/tables, DIR/figures and DIR/report.html from it. docs/DEFINITIONS.md has the formula "
	"and\n"
	"the source of every measure.\n\n"
	"- Numbers have full precision. A share is between 0 and 1. An empty unit: a pure number.\n"
	"- n is what a number is a mean, sum or correlation over; for an interval, what is "
	"resampled.\n"
	"- A value is null where the last column says when; an empty column: never. A value that "
	"is\n"
	"  null or absent was not measured.\n"
	"- In the CSV tables an empty field stands for null. A text is the one of results.json, in "
	"quotes\n"
	"  where it holds a comma, a quote or a line break. It may begin with `=`: have a "
	"spreadsheet import\n"
	"  the columns as text.\n";

static const char *type_name(ps_results_type type)
{
	static const char *const names[] = {
		[PS_VALUE_TEXT] = "text",
		[PS_VALUE_NUMBER] = "number",
		[PS_VALUE_INTEGER] = "integer",
		[PS_VALUE_BOOL] = "true or false",
		[PS_VALUE_TEXTS] = "list of texts",
		[PS_VALUE_NUMBERS] = "list of numbers",
		[PS_VALUE_INTEGERS] = "list of integers",
		[PS_VALUE_OBJECT] = "object",
		[PS_VALUE_LIST] = "list of objects",
	};

	return names[type];
}

static void write_key(FILE *out, const ps_results_field *field)
{
	const char *type = field->of == PS_OBJECT_INTERVAL ? "interval" : type_name(field->type);

	fprintf(out, "| `%s` | %s | %s | %s | %s | %s |\n", field->name, type, field->meaning,
		field->unit, field->n, field->null);
}

static void write_object(FILE *out, ps_results_object object)
{
	fprintf(out, "\n### %s\n\n%s\n\n", ps_results_place(object), ps_results_meaning(object));
	fputs("| key | type | meaning | unit | n | null when |\n"
	      "| --- | --- | --- | --- | --- | --- |\n",
	      out);
	for (ps_results_key key = PS_KEY_NONE + 1; key < PS_KEYS; key++)
		if (ps_results_field_of(key)->object == object)
			write_key(out, ps_results_field_of(key));
}

void ps_results_page_write(FILE *out)
{
	fputs(introduction, out);
	fprintf(out, "\n## results.json, version %d\n", PS_RESULTS_VERSION);
	for (ps_results_object object = PS_OBJECT_NONE + 1; object < PS_OBJECTS; object++)
		write_object(out, object);
	fputs("\n## CSV tables\n", out);
	for (size_t i = 0; ps_csv_name(i); i++)
		ps_csv_describe(out, i);
}
