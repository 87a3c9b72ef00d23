/* The pages in the programs that show them: valid HTML by tidy; sorted and filtered in Chromium.
 * Where one of them is not installed its test is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analysis/report/cards_page.h"
#include "analysis/report/report.h"

#define FIXTURE "test/fixtures/report/results.json"
#define CARDS "test/fixtures/report/cards.json"

static char folder[] = "/tmp/prunescope-page-XXXXXX";

static void write_study(FILE *page)
{
	json_t *root = json_load_file(FIXTURE, 0, NULL);
	ps_results results;
	ps_diag diag = {{0}};

	assert_non_null(root);
	assert_int_equal(ps_results_open(&results, root, &diag), 0);
	ps_report_write(page, &results, &(ps_report_parts){.digest = "0123456789abcdef"});
	json_decref(root);
}

static void write_cards(FILE *page)
{
	json_t *root = json_load_file(CARDS, 0, NULL);
	ps_cards cards;
	ps_diag diag = {{0}};

	assert_non_null(root);
	assert_int_equal(ps_cards_open(&cards, root, &diag), 0);
	ps_cards_page_write(page,
			    &(ps_cards_page){&cards, "0123456789abcdef", "llama", "wanda-0.5",
					     "features.csv", "features.json"},
			    0);
	json_decref(root);
}

/* Writes a page, of the made-up study or of made-up cards, with `more` at the end of its body, to
 * folder/page.html. */
static void write_page(void (*write)(FILE *page), const char *more)
{
	char path[64], *text = NULL, *end;
	size_t length;
	FILE *page = open_memstream(&text, &length), *out;

	assert_non_null(page);
	write(page);
	fclose(page);
	end = strstr(text, "</body>");
	assert_non_null(end);
	snprintf(path, sizeof path, "%s/page.html", folder);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out, "%.*s%s%s", (int)(end - text), text, more, end);
	assert_int_equal(fclose(out), 0);
	free(text);
}

/* What a command prints on the page. For free. */
static char *output_of(const char *command)
{
	char line[512], *text = calloc(1, 1 << 22);
	FILE *pipe;

	snprintf(line, sizeof line, "%s %s/page.html 2>/dev/null", command, folder);
	pipe = popen(line, "r");
	assert_non_null(pipe);
	assert_non_null(text);
	text[fread(text, 1, (1 << 22) - 1, pipe)] = 0;
	pclose(pipe);
	return text;
}

static bool installed(const char *program)
{
	char line[128];

	snprintf(line, sizeof line, "command -v %s >/dev/null 2>&1", program);
	return system(line) == 0;
}

static void the_pages_are_valid_html(void **state)
{
	char *said;

	(void)state;
	if (!installed("tidy"))
		skip();
	write_page(write_study, "");
	said = output_of("tidy -e -q -f /dev/stdout");
	assert_string_equal(said, "");
	free(said);
	write_page(write_cards, "");
	said = output_of("tidy -e -q -f /dev/stdout");
	assert_string_equal(said, "");
	free(said);
	write_page(write_study, "<p><table></p>");
	said = output_of("tidy -e -q -f /dev/stdout");
	assert_true(strlen(said) > 0);
	free(said);
}

/* Sorts the table of survival by its third column, twice, and filters it. The page's title then
 * says what a reader would see. */
static const char try_it[] =
	"<script>\n"
	"var figure = document.querySelector('#rq2 figure.table'), said = [];\n"
	"var table = figure.querySelector('table'), field = figure.querySelector('input');\n"
	"function column() {\n"
	"  return Array.prototype.filter.call(table.tBodies[0].rows, function (row) {\n"
	"    return row.className !== 'group' && !row.hidden;\n"
	"  }).map(function (row) { return parseFloat(row.cells[3].textContent); });\n"
	"}\n"
	"function ascends(list) {\n"
	"  return list.every(function (x, i) { return !i || list[i - 1] <= x; });\n"
	"}\n"
	"var button = table.tHead.rows[0].cells[3].querySelector('button');\n"
	"said.push(column().length, ascends(column()));\n"
	"button.click();\n"
	"said.push(ascends(column()), table.tHead.rows[0].cells[3].getAttribute('aria-sort'));\n"
	"button.click();\n"
	"said.push(ascends(column().reverse()), table.tBodies[0].rows[0].className);\n"
	"field.value = 'WANDA';\n"
	"field.dispatchEvent(new Event('input'));\n"
	"said.push(column().length);\n"
	"document.title = 'said ' + said.join(' ');\n"
	"</script>\n";

/* Sorts the table of latents by Pearson, of which one latent has none, and filters it. */
static const char try_latents[] =
	"<script>\n"
	"var figure = document.querySelector('#table figure'), said = [];\n"
	"var table = figure.querySelector('table'), field = figure.querySelector('input');\n"
	"function column() {\n"
	"  return Array.prototype.filter.call(table.tBodies[0].rows, function (row) {\n"
	"    return !row.hidden;\n"
	"  }).map(function (row) { return parseFloat(row.cells[6].textContent); });\n"
	"}\n"
	"function ascends(list) {\n"
	"  return list.every(function (x, i) { return !i || list[i - 1] <= x; });\n"
	"}\n"
	"var button = table.tHead.rows[0].cells[6].querySelector('button');\n"
	"said.push(column().length, ascends(column().slice(0, -1)));\n"
	"button.click();\n"
	"said.push(ascends(column().slice(0, -1)), isNaN(column()[35]));\n"
	"button.click();\n"
	"said.push(ascends(column().slice(0, -1).reverse()), isNaN(column()[35]));\n"
	"said.push(table.tBodies[0].rows[0].cells[0].textContent);\n"
	"field.value = 'shifted';\n"
	"field.dispatchEvent(new Event('input'));\n"
	"said.push(column().length);\n"
	"document.title = 'said ' + said.join(' ');\n"
	"</script>\n";

/* Opens the page in Chromium; its title must then be `title`. */
static void a_browser_says(const char *title)
{
	char command[256], expected[128], *dom;

	if (!installed("chromium"))
		skip();
	snprintf(command, sizeof command,
		 "timeout 120 chromium --headless --no-sandbox --disable-gpu "
		 "--user-data-dir=%s/profile --dump-dom",
		 folder);
	snprintf(expected, sizeof expected, "<title>%s</title>", title);
	dom = output_of(command);
	if (!*dom) {
		free(dom);
		skip(); /* it is there, but cannot run here */
	}
	if (!strstr(dom, expected))
		print_error("%.300s\n", strstr(dom, "<title>"));
	assert_non_null(strstr(dom, expected));
	free(dom);
}

static void tables_sort_and_filter_in_a_browser(void **state)
{
	(void)state;
	write_page(write_study, try_it);
	a_browser_says("said 7 false true ascending true group 2");
}

static void the_table_of_latents_too(void **state)
{
	(void)state;
	write_page(write_cards, try_latents);
	a_browser_says("said 36 false true true true true 0 3");
}

/* A table of survival that is several pages long. */
static const char many_rows[] =
	"<script>\n"
	"var table = document.querySelector('#rq2 figure.table table');\n"
	"var row = table.tBodies[0].rows[1];\n"
	"table.tHead.rows[0].cells[0].querySelector('button').textContent = 'labelled';\n"
	"for (var i = 0; i < 300; i++)\n"
	"  table.tBodies[0].appendChild(row.cloneNode(true));\n"
	"</script>\n";

static void printed_tables_repeat_their_labels(void **state)
{
	char command[512], *text;
	size_t labels = 0;

	(void)state;
	if (!installed("chromium") || !installed("pdftotext"))
		skip();
	write_page(write_study, many_rows);
	snprintf(command, sizeof command,
		 "timeout 120 chromium --headless --no-sandbox --disable-gpu "
		 "--user-data-dir=%s/profile --print-to-pdf=%s/page.pdf",
		 folder, folder);
	free(output_of(command));
	snprintf(command, sizeof command, "pdftotext %s/page.pdf - #", folder);
	text = output_of(command);
	if (!*text) {
		free(text);
		skip(); /* it is there, but cannot run here */
	}
	for (const char *at = text; (at = strstr(at, "labelled")); at++)
		labels++;
	free(text);
	if (labels < 3)
		fail_msg("the labels stand on %zu pages", labels);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char line[128];

	(void)state;
	snprintf(line, sizeof line, "rm -rf %s", folder);
	return system(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pages_are_valid_html),
		cmocka_unit_test(tables_sort_and_filter_in_a_browser),
		cmocka_unit_test(the_table_of_latents_too),
		cmocka_unit_test(printed_tables_repeat_their_labels),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
