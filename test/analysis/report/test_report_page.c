/* The page in the programs that show it: valid HTML by tidy; sorted and filtered in Chromium. Where
 * one of them is not installed its test is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analysis/report/report.h"

#define FIXTURE "test/fixtures/report/results.json"

static char folder[] = "/tmp/prunescope-page-XXXXXX";

/* Writes the page of the made-up study, with `more` at the end of its body, to folder/page.html. */
static void write_page(const char *more)
{
	json_t *root = json_load_file(FIXTURE, 0, NULL);
	ps_results results;
	ps_diag diag = {{0}};
	char path[64], *text = NULL, *end;
	size_t length;
	FILE *page = open_memstream(&text, &length), *out;

	assert_non_null(root);
	assert_int_equal(ps_results_open(&results, root, &diag), 0);
	ps_report_write(page, &results, "0123456789abcdef", NULL, 0, NULL);
	fclose(page);
	end = strstr(text, "</body>");
	assert_non_null(end);
	snprintf(path, sizeof path, "%s/page.html", folder);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out, "%.*s%s%s", (int)(end - text), text, more, end);
	assert_int_equal(fclose(out), 0);
	free(text);
	json_decref(root);
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

static void the_page_is_valid_html(void **state)
{
	char *said;

	(void)state;
	if (!installed("tidy"))
		skip();
	write_page("");
	said = output_of("tidy -e -q -f /dev/stdout");
	assert_string_equal(said, "");
	free(said);
	write_page("<p><table></p>");
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

static void tables_sort_and_filter_in_a_browser(void **state)
{
	char command[256], *dom;

	(void)state;
	if (!installed("chromium"))
		skip();
	snprintf(command, sizeof command,
		 "timeout 120 chromium --headless --no-sandbox --disable-gpu "
		 "--user-data-dir=%s/profile --dump-dom",
		 folder);
	write_page(try_it);
	dom = output_of(command);
	if (!*dom) {
		free(dom);
		skip(); /* it is there, but cannot run here */
	}
	if (!strstr(dom, "<title>said 6 false true ascending true group 2</title>"))
		print_error("%.300s\n", strstr(dom, "<title>"));
	assert_non_null(strstr(dom, "<title>said 6 false true ascending true group 2</title>"));
	free(dom);
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
		cmocka_unit_test(the_page_is_valid_html),
		cmocka_unit_test(tables_sort_and_filter_in_a_browser),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
