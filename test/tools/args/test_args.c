/* Command lines read by a table, and what the table says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/support/support_text.h"
#include "tools/args/help.h"
#include "tools/args/man.h"

struct values {
	const char *input, *form, *out;
	ps_text_list rest;
	int64_t window, layer, windows;
	double share;
	bool flag;
};

enum { ROWS = 16 };

static void make_table(struct values *v, ps_option *table)
{
	const ps_option rows[] = {
		PS_OPTION_TITLE("Input"),
		{"MODEL", PS_OPTION_ARGUMENT | PS_OPTION_WANTED, &v->input, .help = "a folder"},
		{"SAE ...", PS_OPTION_ARGUMENTS, &v->rest, .help = "any number"},
		{"-o", PS_OPTION_TEXT | PS_OPTION_WANTED, &v->out, "FILE", .help = "the result"},
		PS_OPTION_TITLE("Windows"),
		{"--window", PS_OPTION_INT | PS_OPTION_POSITIVE, &v->window, "N",
		 .help = "length of a window", .unit = "token ids"},
		{"--windows", PS_OPTION_INT | PS_OPTION_POSITIVE, &v->windows, "N",
		 .help = "only the first N"},
		{"--layer", PS_OPTION_INT | PS_OPTION_NATURAL | PS_OPTION_WANTED, &v->layer, "L",
		 .help = "which"},
		{"--share", PS_OPTION_REAL | PS_OPTION_SHARE, &v->share, "X", .help = "a part",
		 .usual = "all"},
		{"--form", PS_OPTION_WORD, &v->form, "one|two|three", .help = "of the result"},
		{"--flag", PS_OPTION_FLAG, &v->flag, .help = "yes"},
		PS_OPTION_END,
	};

	_Static_assert(sizeof rows <= ROWS * sizeof *rows, "the table fits");
	*v = (struct values){.window = 256, .layer = -1, .form = "two"};
	memcpy(table, rows, sizeof rows);
}

/* Parses words that end with NULL. The message goes to diag. */
static int parse(struct values *v, const char *const *words, ps_diag *diag)
{
	ps_option table[ROWS];
	const ps_option *const tables[] = {table};
	ps_options options = {.tables = tables, .count = 1};
	char *argv[16];
	int argc = 0, rc;

	make_table(v, table);
	for (; words[argc]; argc++)
		argv[argc] = (char *)words[argc];
	*diag = (ps_diag){{0}};
	rc = ps_options_parse(&options, argc, argv, diag);
	if (options.unknown)
		snprintf(diag->text, sizeof diag->text, "unknown %s", options.unknown);
	return rc ? rc : ps_options_check(&options, diag);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void arguments_and_options_go_where_their_rows_say(void **state)
{
	struct values v;
	ps_diag diag;

	(void)state;
	assert_int_equal(parse(&v,
			       WORDS("m", "--window=8", "a", "-o", "f", "b", "--layer", "0",
				     "--form", "three", "--flag", "--", "-c"),
			       &diag),
			 0);
	assert_string_equal(v.input, "m");
	assert_int_equal(v.rest.count, 3);
	assert_string_equal(v.rest.item[0], "a");
	assert_string_equal(v.rest.item[2], "-c");
	assert_string_equal(v.out, "f");
	assert_int_equal(v.window, 8);
	assert_int_equal(v.layer, 0);
	assert_string_equal(v.form, "three");
	assert_true(v.flag);
}

static void mistakes_say_what_is_right(void **state)
{
	static const struct {
		const char *words[6], *says;
	} lines[] = {
		{{"-o", "f", "--layer", "1"}, "MODEL is missing"},
		{{"m", "--layer", "1"}, "-o is missing"},
		{{"m", "-o", "f"}, "--layer is missing"},
		{{"m", "--form", "tow"}, "--form tow: must be one, two or three"},
		{{"m", "--form", "on"}, "--form on: must be one, two or three"},
		{{"m", "--form", "one|two"}, "--form one|two: must be one, two or three"},
		{{"m", "--form=one", "--form=two"}, "--form is given twice"},
		{{"m", "--window", "0"}, "--window: '0' is out of range; it must be at least 1"},
		{{"m", ""}, "SAE ...: the value is empty"},
		{{"m", "--flag=1"}, "--flag takes no value"},
		/* A title is no option, and its word may be a value. */
		{{"m", "-o", "Windows", "--layer", "x"},
		 "--layer: 'x' is not a whole number; it "
		 "must be at least 0"},
		{{"m", "--wndow", "3"}, "unknown --wndow"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct values v;
		ps_diag diag;

		assert_int_equal(parse(&v, lines[i].words, &diag), PS_EUSAGE);
		assert_string_equal(diag.text, lines[i].says);
	}
}

static void an_argument_too_many_is_named(void **state)
{
	const char *only = NULL;
	const ps_option table[] = {{"DIR", PS_OPTION_ARGUMENT, &only, .help = "x"}, PS_OPTION_END};
	const ps_option *const tables[] = {table};
	ps_options options = {.tables = tables, .count = 1};
	char *argv[] = {"a", "b"};
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_options_parse(&options, 2, argv, &diag), PS_EUSAGE);
	assert_string_equal(diag.text,
			    "'b' is one argument too many; only DIR may stand without an option");
	assert_string_equal(only, "a");
}

/* A value that the option may not have stands for "not given", and is no default. */
static void defaults_come_from_the_values(void **state)
{
	static const char *const details[] = {"",
					      "(required)",
					      "",
					      "(required)",
					      "",
					      "(default 256 token ids)",
					      "",
					      "(required)",
					      "(0 to 1; default all)",
					      "(default two)",
					      ""};
	char text[PS_DETAILS_TEXT];
	ps_option table[ROWS];
	struct values v;
	size_t i;

	(void)state;
	make_table(&v, table);
	for (i = 0; table[i].name; i++)
		assert_string_equal(ps_page_details(&table[i], text), details[i]);
	assert_int_equal(i, sizeof details / sizeof *details);
}

static void help_shows_every_row_in_eighty_columns(void **state)
{
	ps_option table[ROWS];
	bool flag = false;
	const ps_option common[] = {PS_OPTION_TITLE("Common"),
				    {"--flag", PS_OPTION_FLAG, &flag, .help = "hidden"},
				    {"--a-name-that-is-long", PS_OPTION_FLAG, &flag, .help = "b"},
				    {"--json", PS_OPTION_FLAG, &flag,
				     .help = "words that go on and on until the line would be too "
					     "long, and are then continued below"},
				    PS_OPTION_END};
	const ps_option *const tables[] = {table, common};
	const ps_example examples[] = {{"prog do x", "Does it."}, {NULL, NULL}};
	const ps_page page = {1,      "prog", "do",     "MODEL", "sum", "One.\n\nTwo.",
			      tables, 2,      examples, NULL};
	written_text text;
	struct values v;
	const char *help;

	(void)state;
	make_table(&v, table);
	ps_help_write(text_begin(&text), &page);
	help = text_end(&text);
	assert_memory_equal(help, "usage: prog do MODEL\n\nOne.\n\nTwo.\n\nInput:\n  MODEL ", 48);
	for (const ps_option *o = table; o->name; o++)
		assert_true(text_count(help, o->help ? o->help : o->name) > 0);
	assert_int_equal(text_count(help, "hidden"), 0);
	assert_int_equal(text_count(help, "  --form one|two|three  of the result (default two)"),
			 1);
	assert_int_equal(text_count(help, "  --a-name-that-is-long\n                        b\n"),
			 1);
	assert_int_equal(text_count(help, "  Does it.\n    prog do x\n"), 1);
	for (const char *line = help; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 80);
	free(text.bytes);
}

/* What roff would take for a request or an escape, and hyphens that a reader copies. */
static void man_pages_escape_what_roff_would_see(void **state)
{
	const ps_option rows[] = {PS_OPTION_TITLE("Rows"),
				  {"--a-b", PS_OPTION_TEXT | PS_OPTION_WANTED, NULL, "C-D",
				   .help = ".begins\\with, as --a-b and well-known"},
				  PS_OPTION_END};
	const ps_option *const tables[] = {rows};
	const ps_example examples[] = {{"prog --a-b x-y", "'quoted"}, {NULL, NULL}};
	const ps_page page = {1,      "prog", "do",     "--a-b C", "a sum", "One.\n\nTwo.",
			      tables, 1,      examples, "other(1)"};
	written_text text;
	const char *man;

	(void)state;
	ps_man_write(text_begin(&text), &page, "0 done");
	man = text_end(&text);
	assert_memory_equal(man, ".TH PROG-DO 1 ", 14);
	assert_int_equal(text_count(man, "\nprog\\-do \\- a sum\n"), 1);
	assert_int_equal(text_count(man, "\n\\fBprog do\\fR \\-\\-a\\-b C\n"), 1);
	assert_int_equal(text_count(man, "\nOne.\n.PP\nTwo.\n"), 1);
	assert_int_equal(text_count(man, ".TP\n\\fB\\-\\-a\\-b\\fR \\fIC\\-D\\fR\n"), 1);
	assert_int_equal(text_count(man, "\n\\&.begins\\ewith, as \\-\\-a\\-b and well-known "
					 "(required)\n"),
			 1);
	assert_int_equal(text_count(man, "\n\\&'quoted\n"), 1);
	assert_int_equal(text_count(man, "\nprog \\-\\-a\\-b x\\-y\n"), 1);
	assert_int_equal(text_count(man, ".SH EXIT STATUS\n0 done\n.SH SEE ALSO\nother(1)\n"), 1);
	free(text.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_and_options_go_where_their_rows_say),
		cmocka_unit_test(mistakes_say_what_is_right),
		cmocka_unit_test(an_argument_too_many_is_named),
		cmocka_unit_test(defaults_come_from_the_values),
		cmocka_unit_test(help_shows_every_row_in_eighty_columns),
		cmocka_unit_test(man_pages_escape_what_roff_would_see),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
