/* The report: results are checked, tables are CSV, scripts are safe and draw, sentences say what
 * the numbers show. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/report/figure.h"
#include "analysis/report/figure_canvas.h"
#include "analysis/report/report.h"
#include "analysis/report/report_csv.h"
#include "analysis/report/report_findings.h"
#include "analysis/report/report_html.h"
#include "test/support/support_close.h"
#include "test/support/support_text.h"

#define FIXTURE "test/fixtures/report/results.json"

struct study {
	json_t *root;
	ps_results results;
};

static int open_study(void **state)
{
	static struct study study;
	ps_diag diag = {{0}};

	study.root = json_load_file(FIXTURE, 0, NULL);
	*state = &study;
	return study.root && ps_results_open(&study.results, study.root, &diag) == 0 ? 0 : -1;
}

static int close_study(void **state)
{
	struct study *study = *state;

	json_decref(study->root);
	return 0;
}

static const ps_results *results_of(void **state)
{
	return &((struct study *)*state)->results;
}

static void number_is(double value, int decimals, const char *expected)
{
	written_text text;

	ps_html_number(text_begin(&text), value, decimals);
	assert_string_equal(text_end(&text), expected);
	free(text.bytes);
}

static void numbers_have_sensible_digits(void **state)
{
	(void)state;
	number_is(0.12345, 3, "0.123");
	number_is(-0.0004, 3, "0.000");
	number_is(-0.5, 2, "−0.50");
	number_is(12.3456, 4, "12.35");
	number_is(386224.4, 2, "386,224");
	number_is(12345678, 0, "12,345,678");
	number_is(2304, 0, "2304");
	number_is(1e300, 2, "1.000e+300");
	number_is((double)NAN, 2, "<span class=\"none\" title=\"not measured\">–</span>");
}

static void bad_results_are_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"version\": 1, \"models\": [], \"conditions\": {}}",
		"{\"version\": 2, \"models\": [], \"conditions\": []}",
		"{\"version\": 1, \"models\": [{}], \"conditions\": []}",
		"{\"version\": 1, \"models\": [3], \"conditions\": [null]}",
		"{\"version\": 1, \"models\": [{\"name\": \"a\"}], \"conditions\": [{\"model\": "
		"\"b\", \"method\": \"wanda\", \"sparsity\": 0.5}]}",
		"{\"version\": 1, \"models\": [{\"name\": \"a\"}], \"conditions\": [{\"model\": "
		"\"a\", \"method\": \"wanda\", \"sparsity\": 1.5}]}",
		"{\"version\": 1, \"models\": [{\"name\": \"a\"}], \"conditions\": [{\"model\": "
		"\"a\", \"sparsity\": 0.5}]}",
		"{\"version\": 1, \"models\": {}, \"conditions\": []}",
		"{\"version\": 1, \"models\": [{\"name\": \"a\"}], \"conditions\": [{\"model\": "
		"\"a\", \"method\": \"wanda\", \"sparsity\": -0.5}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		json_t *root = json_loads(bad[i], 0, NULL);
		ps_results results;
		ps_diag diag = {{0}};

		assert_non_null(root);
		assert_int_equal(ps_results_open(&results, root, &diag), PS_EINPUT);
		assert_true(strlen(diag.text) > 0);
		json_decref(root);
	}
}

/* Adds a condition, and asks whether the results are still taken. */
static int with_another(json_t *root, const char *method, double sparsity, ps_diag *diag)
{
	ps_results results;
	int rc;

	assert_int_equal(json_array_append_new(json_object_get(root, "conditions"),
					       json_pack("{s:s, s:s, s:f}", "model", "a", "method",
							 method, "sparsity", sparsity)),
			 0);
	rc = ps_results_open(&results, root, diag);
	for (size_t i = 1; !rc && i < results.sparsity_count; i++)
		assert_true(results.sparsities[i - 1] < results.sparsities[i]);
	return rc;
}

static void methods_and_sparsities_have_limits(void **state)
{
	ps_diag diag = {{0}};

	(void)state;
	for (int by_method = 0; by_method < 2; by_method++) {
		const int most = by_method ? PS_RESULTS_METHODS_MAX : PS_RESULTS_SPARSITIES_MAX;
		json_t *root = json_pack("{s:i, s:[{s:s}], s:[]}", "version", 1, "models", "name",
					 "a", "conditions");
		char method[16] = "wanda";

		assert_non_null(root);
		for (int i = 0; i <= most; i++) {
			if (by_method)
				snprintf(method, sizeof method, "m%d", i);
			assert_int_equal(with_another(root, method,
						      by_method ? 0.5 : 1 - i / (most + 1.0),
						      &diag),
					 i < most ? 0 : PS_EINPUT);
		}
		assert_non_null(strstr(diag.text, by_method ? "methods" : "sparsities"));
		diag.text[0] = 0;
		json_decref(root);
	}
}

static void means_and_ranges_leave_out_what_is_not_measured(void **state)
{
	json_t *list = json_pack("[{s:f}, {s:n}, {s:f}, {s:f}, {}]", "l0", 4.0, "l0", "l0", 1.0,
				 "l0", 7.0);
	double least = 0, largest = 0;

	(void)state;
	assert_true(ps_results_mean(list, PS_AT(CONDITION_L0)) == 4);
	assert_true(ps_results_range(list, PS_AT(CONDITION_L0), &least, &largest));
	assert_true(least == 1 && largest == 7);
	json_array_clear(list);
	assert_true(isnan(ps_results_mean(list, PS_AT(CONDITION_L0))));
	assert_false(ps_results_range(list, PS_AT(CONDITION_L0), &least, &largest));
	json_decref(list);
}

static void paths_reach_into_objects_and_lists(void **state)
{
	const ps_results *r = results_of(state);
	const json_t *condition = ps_results_find(r, "gemma-2-2b", "wanda", 0.3);

	assert_non_null(condition);
	assert_true(ps_results_number(condition,
				      PS_AT(CONDITION_REFERENCE, REFERENCE_MNN_SURVIVAL)) == 0.794);
	assert_true(ps_results_number(condition,
				      PS_AT_ITEM(4, CONDITION_FRAGILITY, FRAGILITY_SIZE)) == 3603);
	assert_true(isnan(
		ps_results_number(condition, PS_AT_ITEM(9, CONDITION_FRAGILITY, FRAGILITY_SIZE))));
	assert_true(isnan(ps_results_number(condition, PS_AT(CONDITION_METHOD))));
	assert_true(isnan(ps_results_number(NULL, PS_AT(CONDITION_L0))));
	assert_string_equal(ps_results_text(condition, PS_AT(CONDITION_SPARSITY)), "");
	assert_null(ps_results_find(r, "gemma-2-2b", "wanda", 0.31));
	assert_int_equal(r->method_count, 2);
	assert_int_equal(r->sparsity_count, 2);
}

static void tables_have_a_row_for_each_condition(void **state)
{
	const ps_results *r = results_of(state);
	/* models, conditions, controls, survival, fragility, ablation, seeds, comparisons,
	 * diagnostics, rivals, families, features */
	size_t rows[] = {3, 12, 7, 12, 12, 12, 9, 6, 4, 2, 1, 4};

	for (size_t i = 0; ps_csv_name(i); i++) {
		written_text text;
		const char *row;
		size_t columns;

		ps_csv_write(text_begin(&text), r, i);
		text_end(&text);
		assert_int_equal(text_count(text.bytes, "\n"), rows[i] + 1);
		*strchr(text.bytes, '\n') = 0;
		columns = text_count(text.bytes, ",");
		assert_true(columns >= 4);
		/* The last row's name holds neither commas nor quotes. */
		text.bytes[text.length - 1] = 0;
		row = text.bytes + strlen(text.bytes) + 1;
		if (strrchr(row, '\n'))
			row = strrchr(row, '\n') + 1;
		assert_int_equal(text_count(row, ","), columns);
		free(text.bytes);
	}
	assert_null(ps_csv_name(sizeof rows / sizeof *rows));
}

static void tables_quote_names_and_leave_out_nulls(void **state)
{
	written_text text;
	const char *row;

	ps_csv_write(text_begin(&text), results_of(state), 5);
	text_end(&text);
	assert_non_null(
		strstr(text.bytes, "\n\"llama <b>&\"\"it's\"\"</b> `id` 3\",magnitude,0.3,"));
	row = strstr(text.bytes, "gemma-2-2b,magnitude,0.5,");
	assert_non_null(row);
	assert_true(!strncmp(row, "gemma-2-2b,magnitude,0.5,,,,,,,", 31));
	free(text.bytes);
}

/* Nothing of the user's stands where gnuplot would expand it: backquotes occur within single quotes
 * only. */
static void assert_safe(const char *script)
{
	int quoted = 0;

	for (; *script; script++) {
		if (*script == '\'')
			quoted = !quoted;
		assert_true(*script != '`' || quoted);
		assert_true(*script != '\n' || !quoted);
	}
	assert_false(quoted);
}

static void scripts_are_the_same_each_time_and_quote_names(void **state)
{
	const ps_results *r = results_of(state);
	size_t figures = 0;

	for (; ps_figure_name(figures); figures++)
		for (int narrow = 0; narrow < 2; narrow++) {
			written_text first, second;

			assert_true(ps_figure_script(figures, r, narrow, text_begin(&first)));
			assert_true(ps_figure_script(figures, r, narrow, text_begin(&second)));
			assert_string_equal(text_end(&first), text_end(&second));
			assert_safe(first.bytes);
			free(first.bytes);
			free(second.bytes);
		}
	assert_int_equal(figures, 10);
}

/* gnuplot's SVG of a script, by way of temporary files. */
static char *draw(const char *script)
{
	char path[] = "/tmp/prunescope-figure-XXXXXX", command[128], *svg = calloc(1, 1 << 20);
	int fd = mkstemp(path);
	FILE *in = fdopen(fd, "w"), *out;

	assert_non_null(in);
	fputs(script, in);
	fclose(in);
	snprintf(command, sizeof command, "gnuplot -d %s", path);
	out = popen(command, "r");
	assert_non_null(out);
	svg[fread(svg, 1, (1 << 20) - 1, out)] = 0;
	assert_int_equal(pclose(out), 0);
	remove(path);
	return svg;
}

/* A name may look like a part of a tag. In the page it stands as it is. */
static void only_tags_of_a_drawing_are_changed(void **state)
{
	static const char svg[] = "<svg width=\"9\" viewBox=\"0 0 9 9\">"
				  "<g id='a'/><title>t</title><use href='#b'/>"
				  "<text id=\"c\"> id='x' href='#y' \" > id=\"z\"</text></svg>";
	written_text text;

	(void)state;
	ps_html_svg(text_begin(&text), svg, "p", "l");
	assert_string_equal(text_end(&text),
			    "<svg role=\"img\" aria-label=\"l\" "
			    "style=\"max-width:9px\" viewBox=\"0 0 9 9\">"
			    "<g id='p-a'/><use href='#p-b'/><text id=\"p-c\"> id='x' "
			    "href='#y' \" > id=\"z\"</text></svg>");
	free(text.bytes);
}

static void forbidden_characters_are_replaced(void **state)
{
	written_text text;

	(void)state;
	ps_html_text(text_begin(&text), "a\x01\n\x7f<\xef\xbf\xbf>\xef\xbf\xbd&]]>");
	assert_string_equal(text_end(&text), "a   &lt;\xef\xbf\xbd&gt;\xef\xbf\xbd&amp;]]&gt;");
	free(text.bytes);
	ps_gnuplot_text(text_begin(&text), "a'\x02\\`%\xef\xbf\xbe\n", 0);
	assert_string_equal(text_end(&text), "'a'' \\`%\xef\xbf\xbd '");
	free(text.bytes);
	ps_gnuplot_tic(text_begin(&text), "5 %\xef\xbf\xbf\xef\xbf\xbf", 4);
	assert_string_equal(text_end(&text), "'5 %%\xef\xbf\xbd…'");
	free(text.bytes);
}

static void gnuplot_draws_every_figure(void **state)
{
	const ps_results *r = results_of(state);

	if (system("gnuplot --version >/dev/null 2>&1"))
		skip();
	for (size_t i = 0; ps_figure_name(i); i++) {
		written_text script, inlined;
		char *svg;

		ps_figure_script(i, r, i % 2, text_begin(&script));
		svg = draw(text_end(&script));
		assert_non_null(strstr(svg, "</svg>"));
		ps_html_svg(text_begin(&inlined), svg, "here", "what \"it\" is");
		text_end(&inlined);
		assert_true(!strncmp(inlined.bytes,
				     "<svg role=\"img\" aria-label=\"what &quot;it&quot; is\" ",
				     51));
		assert_null(strstr(inlined.bytes, "<title>"));
		assert_null(strstr(inlined.bytes, "href='#gp"));
		assert_int_equal(text_count(inlined.bytes, " id="),
				 text_count(inlined.bytes, " id='here-") +
					 text_count(inlined.bytes, " id=\"here-"));
		if (!strcmp(ps_figure_name(i), "survival"))
			assert_non_null(strstr(svg, "llama &lt;b>&amp;\"it's\"&lt;/b> `id` 3"));
		free(svg);
		free(script.bytes);
		free(inlined.bytes);
	}
}

static void the_page_is_whole_and_needs_nothing_else(void **state)
{
	static const char *const parts[] = {
		"id=\"perplexity\"",  "id=\"rq1\"",       "id=\"rq2\"",
		"id=\"rq3\"",         "id=\"rq4\"",       "id=\"rq5\"",
		"id=\"diagnostics\"", "id=\"reference\"", "id=\"methods\"",
		"id=\"limits\"",      "</html>"};
	static char svg[] = "<svg \n width=\"9\"\n viewBox=\"0 0 9 9\"\n><title>x</title></svg>";
	ps_report_figure figures[] = {{"survival", svg, svg}, {"tau", NULL, NULL}};
	written_text text;

	ps_report_write(text_begin(&text), results_of(state),
			&(ps_report_parts){.digest = "0123456789abcdef",
					   .figures = figures,
					   .figure_count = 2});
	text_end(&text);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		assert_non_null(strstr(text.bytes, parts[i]));
	assert_int_equal(text_count(text.bytes, "<script"), 1);
	assert_null(strstr(text.bytes, "http:"));
	assert_null(strstr(text.bytes, "https:"));
	assert_null(strstr(text.bytes, "@import"));
	assert_null(strstr(text.bytes, "src="));
	assert_null(strstr(text.bytes, "url("));
	assert_null(strstr(text.bytes, "llama <b>"));
	assert_non_null(
		strstr(text.bytes, "llama &lt;b&gt;&amp;&quot;it&#39;s&quot;&lt;/b&gt; `id` 3"));
	assert_int_equal(text_count(text.bytes, "<svg "), 2);
	assert_int_equal(text_count(text.bytes, "<b>Figure "), 1);
	assert_int_equal(text_count(text.bytes, "<table"), text_count(text.bytes, "</table>"));
	assert_null(strstr(text.bytes, "nan"));
	free(text.bytes);
}

/* The page of the made-up study with `kernels` in place of its list of kernels. */
static char *page_with_kernels(const ps_results *r, json_t *kernels)
{
	json_t *root = json_deep_copy(r->root);
	ps_results changed;
	ps_diag diag = {{0}};
	written_text text;

	assert_int_equal(json_object_set_new(root, "kernels", kernels), 0);
	assert_int_equal(ps_results_open(&changed, root, &diag), 0);
	ps_report_write(text_begin(&text), &changed,
			&(ps_report_parts){.digest = "0123456789abcdef"});
	text_end(&text);
	json_decref(root);
	return text.bytes;
}

static void a_page_names_the_kernels_where_there_is_more_than_one(void **state)
{
	char *two = page_with_kernels(results_of(state), json_pack("[s, s]", "avx2", "<x>")),
	     *one = page_with_kernels(results_of(state), json_pack("[s]", "avx2"));

	assert_non_null(strstr(two, "more than one matrix kernel (avx2, &lt;x&gt;)"));
	assert_null(strstr(one, "matrix kernel"));
	free(two);
	free(one);
}

static void a_page_without_figures_says_so(void **state)
{
	written_text text;

	ps_report_write(text_begin(&text), results_of(state),
			&(ps_report_parts){.digest = "0123456789abcdef",
					   .missing = "gnuplot is <not> installed"});
	assert_non_null(
		strstr(text_end(&text),
		       "There are no figures in this report: gnuplot is &lt;not&gt; installed."));
	free(text.bytes);
}

static void a_study_of_nothing_gives_a_page(void **state)
{
	json_t *root = json_loads(
		"{\"version\": 1, \"models\": [{\"name\": \"a\"}], \"conditions\": []}", 0, NULL);
	ps_diag diag = {{0}};
	ps_results r;
	written_text text;

	(void)state;
	assert_int_equal(ps_results_open(&r, root, &diag), 0);
	for (size_t i = 0; ps_figure_name(i); i++) {
		assert_false(ps_figure_script(i, &r, false, text_begin(&text)));
		assert_string_equal(text_end(&text), "");
		free(text.bytes);
	}
	ps_report_write(text_begin(&text), &r, &(ps_report_parts){.digest = "0123456789abcdef"});
	assert_non_null(strstr(text_end(&text), "No pruned condition has been measured."));
	free(text.bytes);
	json_decref(root);
}

static void a_condition_with_nulls_alone_is_not_measured(void **state)
{
	json_t *root =
		json_loads("{\"version\": 1, \"models\": [{\"name\": \"a\"}], \"conditions\": "
			   "[{\"model\": \"a\", \"method\": \"own\", \"sparsity\": 0.5, "
			   "\"ppl\": null, \"fragility\": null, \"ablation\": null}], "
			   "\"kendall_w\": null, \"diagnostics\": []}",
			   0, NULL);
	ps_diag diag = {{0}};
	ps_results r;
	written_text text;

	(void)state;
	assert_int_equal(ps_results_open(&r, root, &diag), 0);
	ps_report_write(text_begin(&text), &r, &(ps_report_parts){.digest = "0123456789abcdef"});
	text_end(&text);
	assert_true(text_count(text.bytes, "ot measured in this study.") >= 4);
	assert_null(strstr(text.bytes, "nan"));
	assert_null(strstr(text.bytes, "inf"));
	free(text.bytes);
	json_decref(root);
}

static void cell_is(double estimate, double low, double high, int decimals, const char *expected)
{
	written_text text;

	ps_html_reference(text_begin(&text),
			  (ps_interval){.estimate = estimate, .low = low, .high = high}, decimals);
	assert_string_equal(text_end(&text), expected);
	free(text.bytes);
}

static void reference_numbers_keep_their_digits(void **state)
{
	const double none = (double)NAN;

	(void)state;
	cell_is(0.0273, 0.0113, 0.0393, 0, "0.0273 <span class=\"ends\">[0.0113, 0.0393]</span>");
	cell_is(3.7, none, none, 0, "3.7");
	cell_is(-0.975, -1, -0.873, 0, "−0.975 <span class=\"ends\">[−1.000, −0.873]</span>");
	cell_is(none, -0.54, 0.062, 0, "−0.540 to 0.062");
	cell_is(20.68, none, none, 0, "20.68");
	cell_is(0.21, none, none, 3, "0.210");
}

static void spans_that_read_alike_are_one_number(void **state)
{
	(void)state;
	assert_true(ps_html_alike(0.2826, 0.2834, 3));
	assert_false(ps_html_alike(0.2824, 0.2834, 3));
	assert_false(ps_html_alike(-0.2, 0.2, 3));
	assert_true(ps_html_alike(-0.0001, 0.0001, 3));
	assert_true(ps_html_alike(20.001, 20.004, 3));
}

/* Controls stand in the tables whose measures they have, and in no others: a checkpoint in that of
 * perplexities, by its name, SAEs that are trained again not. */
static void controls_are_rows_of_the_tables(void **state)
{
	written_text text;
	const char *perplexity, *rq1, *rq2, *rq3;

	ps_report_write(text_begin(&text), results_of(state),
			&(ps_report_parts){.digest = "0123456789abcdef"});
	text_end(&text);
	perplexity = strstr(text.bytes, "id=\"perplexity\"");
	rq1 = strstr(text.bytes, "id=\"rq1\"");
	rq2 = strstr(text.bytes, "id=\"rq2\"");
	rq3 = strstr(text.bytes, "id=\"rq3\"");
	assert_true(perplexity && rq1 && rq2 && rq3);
	assert_true(strstr(perplexity, "class=\"control\"><td>zeroed &lt;head&gt;</td>") < rq1);
	assert_true(strstr(perplexity, "class=\"control\"><td>unpruned retrain") > rq1);
	assert_true(strstr(rq2, "<tr class=\"control\"><td>unpruned retrain</td>") < rq3);
	assert_non_null(strstr(text.bytes,
			       "<td>frozen decoder</td><td class=\"n\" data-h=\"SAEs\">3</td>"));
	assert_non_null(strstr(text.bytes, "href=\"tables/survival.csv\""));
	free(text.bytes);
}

/* --- sentences: each rule with planted results --- */

/* A copy of the made-up study, to be changed. */
struct planted {
	json_t *root;
	ps_results results;
};

static struct planted plant(void **state)
{
	return (struct planted){.root = json_deep_copy(results_of(state)->root)};
}

typedef void finding(FILE *out, const ps_results *results, bool brief);

/* What a sentence says of the planted results. For free. */
static char *said(struct planted *p, finding *f, bool brief)
{
	ps_diag diag = {{0}};
	written_text text;

	assert_int_equal(ps_results_open(&p->results, p->root, &diag), 0);
	f(text_begin(&text), &p->results, brief);
	text_end(&text);
	return text.bytes;
}

static void says(struct planted *p, finding *f, bool brief, const char *what)
{
	char *text = said(p, f, brief);

	if (!strstr(text, what))
		print_error("not said: %s\nbut: %s\n", what, text);
	assert_non_null(strstr(text, what));
	free(text);
}

static void says_not(struct planted *p, finding *f, bool brief, const char *what)
{
	char *text = said(p, f, brief);

	if (strstr(text, what))
		print_error("said: %s\n", text);
	assert_null(strstr(text, what));
	free(text);
}

/* The value at a path of keys and places, "controls.0.fragility". */
static json_t *value_at(json_t *value, const char *path)
{
	char copy[128], *rest = copy;

	snprintf(copy, sizeof copy, "%s", path);
	for (char *part; value && (part = strsep(&rest, "."));)
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(part))
					     : json_object_get(value, part);
	assert_non_null(value);
	return value;
}

static void set(json_t *object, const char *key, json_t *value)
{
	assert_int_equal(json_object_set_new(object, key, value), 0);
}

/* Sets a key of every entry of a list; key "fragility.difference" goes into an object. */
static void set_all(struct planted *p, const char *list, const char *key, const json_t *value)
{
	const char *last = strrchr(key, '.');
	char inner[64] = "";
	json_t *entries = value_at(p->root, list);

	if (last)
		snprintf(inner, sizeof inner, "%.*s", (int)(last - key), key);
	for (size_t i = 0; i < json_array_size(entries); i++) {
		json_t *entry = json_array_get(entries, i),
		       *holder = last ? json_object_get(entry, inner) : entry;

		if (json_is_object(holder))
			set(holder, last ? last + 1 : key, json_deep_copy(value));
	}
}

static json_t *interval(double estimate, double half)
{
	return json_pack("{s:f, s:f, s:f, s:i, s:n}", "estimate", estimate, "low", estimate - half,
			 "high", estimate + half, "n", 100, "why");
}

static json_t *no_interval(double estimate, const char *why)
{
	return json_pack("{s:f, s:n, s:n, s:i, s:s}", "estimate", estimate, "low", "high", "n", 3,
			 "why", why);
}

static void set_all_to(struct planted *p, const char *list, const char *key, json_t *value)
{
	set_all(p, list, key, value);
	json_decref(value);
}

static void intervals_are_counted_raw_and_adjusted(void **state)
{
	struct planted p = plant(state);
	json_t *first;

	set_all_to(&p, "conditions", "fragility.difference", interval(-0.1, 0.2));
	first = value_at(p.root, "conditions.0.fragility");
	set(first, "difference", interval(-0.3, 0.2));
	set(value_at(p.root, "families.0"), "adjusted_above", json_integer(0));
	set(value_at(p.root, "families.0"), "adjusted_below", json_integer(1));
	says(&p, ps_finding_fragility, true,
	     "S(Q1) − S(Q5), is −0.300 to −0.100 (12 conditions, 18,011 latents each), above 0 in "
	     "0 of 12 conditions (0 after Holm’s adjustment), below 0 in 1 (1)");
	json_object_del(p.root, "families");
	says(&p, ps_finding_fragility, true, "above 0 in 0 of 12 conditions, below 0 in 1;");
	json_decref(p.root);
}

static void what_has_no_interval_is_said_with_its_reason(void **state)
{
	struct planted p = plant(state);

	set_all_to(&p, "conditions", "fragility.difference", no_interval(-0.2, "too few"));
	says(&p, ps_finding_fragility, true, "no condition has an interval (too few)");
	set(value_at(p.root, "conditions.3.fragility"), "difference", interval(-0.2, 0.1));
	says(&p, ps_finding_fragility, true, "above 0 in 0 of 1 condition that has an interval");
	says(&p, ps_finding_perplexity, false, "The change is above 0 in ");
	set_all_to(&p, "conditions", "delta_log_ppl_interval", no_interval(0.2, "too few"));
	says_not(&p, ps_finding_perplexity, false, "The change is");
	json_decref(p.root);
}

static void rare_features_are_told_beside_the_retrain(void **state)
{
	struct planted p = plant(state);

	set_all_to(&p, "conditions", "fragility.difference", interval(-0.3, 0.1));
	set_all_to(&p, "controls", "fragility.difference", interval(-0.4, 0.1));
	says(&p, ps_finding_fragility, true,
	     "in the unpruned retrain it is −0.400; less the retrain’s it is 0.100 (points)");
	set_all_to(&p, "conditions", "fragility.less_control", interval(0.1, 0.2));
	says(&p, ps_finding_fragility, true,
	     "less the retrain’s it is 0.100, above 0 in 0 of 12 conditions");
	json_decref(p.root);
}

/* 1,500,000 tokens in windows of 256 are many windows, 5,120 tokens are 20. */
static void an_interval_that_covers_less_says_so(void **state)
{
	struct planted p = plant(state);

	says_not(&p, ps_finding_fragility, false, "less often than");
	says(&p, ps_finding_fragility, false,
	     "Numbers are means over 3 seeds; single seeds of a condition lie up to 0.035 apart");
	set(value_at(p.root, "settings"), "cache_tokens", json_integer(5120));
	says(&p, ps_finding_fragility, false,
	     "The cache has 20 windows. With so few the intervals of S(Q1) − S(Q5) hold the truth "
	     "less often than 95");
	json_decref(p.root);
}

static void survival_is_told_between_its_controls(void **state)
{
	struct planted p = plant(state);

	set_all_to(&p, "conditions", "mnn_survival", json_real(0.5));
	set_all_to(&p, "controls", "mnn_survival", json_real(0.6));
	set(value_at(p.root, "conditions.2"), "mnn_survival", json_real(0.7));
	says(&p, ps_finding_survival, true,
	     "a share of 0.500 to 0.700 is found again (τ = 0.7) in a pruned model’s SAE (12 "
	     "conditions, 3 seeds each, too few for an interval)");
	says(&p, ps_finding_survival, true,
	     "0.600 are, and 1 of 12 conditions reach their model’s retrain");
	/* A control that is worse: every condition reaches it. */
	set_all_to(&p, "controls", "mnn_survival", json_real(0.2));
	says(&p, ps_finding_survival, true, "0.200 are, and 12 of 12 conditions reach");
	json_decref(p.root);
}

static void own_starts_say_what_a_shared_start_may_explain(void **state)
{
	struct planted p = plant(state);

	set_all_to(&p, "conditions", "mnn_survival", json_real(0.5));
	says(&p, ps_finding_survival, false,
	     "0.014 survives in its own start, so its features have moved away");
	set_all_to(&p, "conditions", "own_start.survival",
		   json_pack("[f, f, f, f, f]", 0.9, 0.9, 0.4, 0.3, 0.1));
	says(&p, ps_finding_survival, false,
	     "0.400 survives in its own start: so much of survival may be features that training "
	     "hardly moved");
	set_all_to(&p, "conditions", "own_start", json_null());
	says_not(&p, ps_finding_survival, false, "own start");
	json_decref(p.root);
}

static void effects_are_told_beside_the_retrain(void **state)
{
	struct planted p = plant(state);

	set_all_to(&p, "conditions", "ablation.difference", interval(0.002, 0.001));
	set_all_to(&p, "controls", "ablation.difference", interval(0.003, 0.001));
	says(&p, ps_finding_ablation, true,
	     "costs the dense model 2.000 thousandths of a nat per token more");
	says(&p, ps_finding_ablation, true, "200 latents on 16 windows");
	says(&p, ps_finding_ablation, true, "with the unpruned retrain’s survivors it is 3.000");
	set_all_to(&p, "conditions", "ablation.mean_lost", json_null());
	says(&p, ps_finding_ablation, true,
	     "in every condition all ablated features share one fate");
	set_all_to(&p, "conditions", "ablation", json_null());
	says(&p, ps_finding_ablation, true, "no features were ablated");
	json_decref(p.root);
}

static void chance_is_that_of_the_measure(void **state)
{
	struct planted p = plant(state);

	set_all_to(&p, "conditions", "jaccard_chance", json_real(0.012));
	says(&p, ps_finding_transfer, true, "between rows of different tokens it is 0.012");
	says(&p, ps_finding_seeds, false,
	     "largest cosine in the other SAE is 0.470 on average. In as many random directions it "
	     "is 0.110");
	says(&p, ps_finding_seeds, true, "(9 pairs of seeds in 3 models, too few seeds");
	json_object_del(value_at(p.root, "models.0"), "seeds");
	json_object_del(value_at(p.root, "models.1"), "seeds");
	json_object_del(value_at(p.root, "models.2"), "seeds");
	says(&p, ps_finding_seeds, true, "it takes at least two seeds");
	json_decref(p.root);
}

static void a_diagnostic_stands_beside_the_sparsity(void **state)
{
	struct planted p = plant(state);

	says(&p, ps_finding_diagnostics, true,
	     "fixed-dictionary Jaccard has the largest Spearman correlation with the change of log "
	     "perplexity, −0.910 over 12 conditions of 3 models, too few models for intervals; "
	     "without any SAE, sparsity achieved has 0.980; with the achieved sparsity held fixed "
	     "−0.455 is left; with each model left out in turn the first is −0.910 to −0.728");
	says(&p, ps_finding_diagnostics, false, "No measure on SAEs follows the change more");
	json_object_del(p.root, "diagnostic_rivals");
	says_not(&p, ps_finding_diagnostics, false, "without any SAE");
	json_decref(p.root);
}

static void one_model_has_its_interval_in_the_sentence(void **state)
{
	struct planted p = plant(state);
	json_t *conditions = value_at(p.root, "conditions"), *models = value_at(p.root, "models");

	for (size_t i = json_array_size(conditions); i-- > 0;)
		if (strcmp(json_string_value(value_at(json_array_get(conditions, i), "model")),
			   "gemma-2-2b"))
			json_array_remove(conditions, i);
	while (json_array_size(models) > 1)
		json_array_remove(models, 1);
	set_all_to(&p, "conditions", "delta_log_ppl_interval", interval(0.25, 0.05));
	says(&p, ps_finding_perplexity, true,
	     "changes by 0.250 <span class=\"ends\">[0.200, 0.300]</span> nats under magnitude "
	     "(50.1&nbsp;% achieved)");
	says_not(&p, ps_finding_perplexity, true, "least to largest");
	set_all_to(&p, "conditions", "jaccard_interval", no_interval(0.5, "too few"));
	says(&p, ps_finding_transfer, true,
	     "Jaccard of 0.500 (no interval: 3 resampled units, below 16) under magnitude");
	json_decref(p.root);
}

/* Older studies have no controls, families, own starts and chances. */
static void a_study_without_controls_says_that_they_are_missing(void **state)
{
	static const char *const gone[] = {"jaccard_chance", "own_start"};
	struct planted p = plant(state);

	json_object_del(p.root, "controls");
	json_object_del(p.root, "families");
	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
		for (size_t c = 0; c < 12; c++)
			json_object_del(json_array_get(value_at(p.root, "conditions"), c), gone[i]);
	says(&p, ps_finding_survival, true, "no unpruned retrain was made");
	says(&p, ps_finding_fragility, true, "no unpruned retrain was made");
	says(&p, ps_finding_ablation, true, "no unpruned retrain was made");
	says_not(&p, ps_finding_survival, true, "reach their model");
	says_not(&p, ps_finding_transfer, true, "different tokens");
	says_not(&p, ps_finding_seeds, true, "order of its rows");
	json_decref(p.root);
}

static char *page_of(const ps_results *r)
{
	written_text text;

	ps_report_write(text_begin(&text), r, &(ps_report_parts){.digest = "0123456789abcdef"});
	text_end(&text);
	return text.bytes;
}

static void commands_to_run_next_name_this_study(void **state)
{
	struct planted p = plant(state);
	ps_diag diag = {{0}};
	char *page = page_of(results_of(state));

	assert_non_null(strstr(page, "prunescope compare DIR/runs/gemma3_1b/dense/sae/seed-7 "
				     "DIR/runs/gemma3_1b/wanda-0.5/sae/seed-7 -o matching.json"));
	assert_null(strstr(page, "controls: {retrain: true"));
	free(page);
	json_object_del(p.root, "controls");
	assert_int_equal(ps_results_open(&p.results, p.root, &diag), 0);
	page = page_of(&p.results);
	assert_non_null(strstr(page, "controls: {retrain: true, frozen: [decoder]}"));
	free(page);
	json_decref(p.root);
}

/* The retrain is a line in the figures of survival, quintiles and ablation, and in no others. */
static void figures_show_the_retrain(void **state)
{
	static const char *const with[] = {"survival", "tau", "fragility", "ablation"};

	for (size_t i = 0; ps_figure_name(i); i++) {
		written_text text;
		bool expected = false;

		for (size_t w = 0; w < sizeof with / sizeof *with; w++)
			expected |= !strcmp(ps_figure_name(i), with[w]);
		ps_figure_script(i, results_of(state), false, text_begin(&text));
		assert_int_equal(strstr(text_end(&text), "unpruned retrain") != NULL, expected);
		free(text.bytes);
	}
}

/* A checkpoint is a line under its name in the figures against sparsity, in the panel of its
 * model. */
static void figures_show_checkpoints_by_their_names(void **state)
{
	static const char *const with[] = {"perplexity", "survival", "jaccard",
					   "fvu",        "ablation", "ablation_means"};

	for (size_t i = 0; ps_figure_name(i); i++) {
		written_text text;
		const char *at;
		bool expected = false;

		for (size_t w = 0; w < sizeof with / sizeof *with; w++)
			expected |= !strcmp(ps_figure_name(i), with[w]);
		ps_figure_script(i, results_of(state), false, text_begin(&text));
		at = strstr(text_end(&text), "set label 'zeroed <head>' at graph");
		if ((at != NULL) != expected)
			fail_msg("%s: %d", ps_figure_name(i), at != NULL);
		assert_true(!at || !strstr(at + 1, "set label 'zeroed"));
		free(text.bytes);
	}
}

/* A setting that differs from the published study's is named, one that is the same is not. */
static void the_reference_is_marked_as_of_another_set_up(void **state)
{
	struct planted p = plant(state);
	ps_diag diag = {{0}};
	char *page = page_of(results_of(state));

	assert_non_null(strstr(page, "third-party notes"));
	assert_non_null(strstr(page, ">reference †<"));
	assert_non_null(strstr(page, "<li>Wanda’s threshold over: row here, matrix there</li>"));
	assert_null(strstr(page, "<li>magnitude’s threshold"));
	assert_null(strstr(page, "<li>latents of an SAE"));
	free(page);
	set(value_at(p.root, "settings.magnitude"), "scope", json_string("matrix"));
	set(value_at(p.root, "settings.wanda"), "scope", json_string("matrix"));
	set(value_at(p.root, "settings.sae"), "d_sae", json_integer(512));
	assert_int_equal(ps_results_open(&p.results, p.root, &diag), 0);
	page = page_of(&p.results);
	assert_non_null(
		strstr(page, "<li>magnitude’s threshold over: matrix here, global there</li>"));
	assert_null(strstr(page, "<li>Wanda’s threshold over"));
	assert_non_null(strstr(page, "<li>latents of an SAE: 512 here, 8 times"));
	free(page);
	json_decref(p.root);
}

/* "Not shown" is said once, in the summary. */
static void not_shown_is_said_once(void **state)
{
	written_text text;

	ps_report_write(text_begin(&text), results_of(state),
			&(ps_report_parts){.digest = "0123456789abcdef"});
	text_end(&text);
	assert_int_equal(text_count(text.bytes, "not shown"), 1);
	assert_true(strstr(text.bytes, "<dt>Survival</dt>") < strstr(text.bytes, "RQ2, survival"));
	assert_int_equal(text_count(text.bytes, "no difference is shown"), 0);
	free(text.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_sensible_digits),
		cmocka_unit_test(bad_results_are_refused),
		cmocka_unit_test(methods_and_sparsities_have_limits),
		cmocka_unit_test(means_and_ranges_leave_out_what_is_not_measured),
		cmocka_unit_test(paths_reach_into_objects_and_lists),
		cmocka_unit_test(tables_have_a_row_for_each_condition),
		cmocka_unit_test(tables_quote_names_and_leave_out_nulls),
		cmocka_unit_test(scripts_are_the_same_each_time_and_quote_names),
		cmocka_unit_test(only_tags_of_a_drawing_are_changed),
		cmocka_unit_test(forbidden_characters_are_replaced),
		cmocka_unit_test(gnuplot_draws_every_figure),
		cmocka_unit_test(the_page_is_whole_and_needs_nothing_else),
		cmocka_unit_test(a_page_names_the_kernels_where_there_is_more_than_one),
		cmocka_unit_test(a_page_without_figures_says_so),
		cmocka_unit_test(a_study_of_nothing_gives_a_page),
		cmocka_unit_test(a_condition_with_nulls_alone_is_not_measured),
		cmocka_unit_test(reference_numbers_keep_their_digits),
		cmocka_unit_test(controls_are_rows_of_the_tables),
		cmocka_unit_test(spans_that_read_alike_are_one_number),
		cmocka_unit_test(the_reference_is_marked_as_of_another_set_up),
		cmocka_unit_test(intervals_are_counted_raw_and_adjusted),
		cmocka_unit_test(what_has_no_interval_is_said_with_its_reason),
		cmocka_unit_test(rare_features_are_told_beside_the_retrain),
		cmocka_unit_test(an_interval_that_covers_less_says_so),
		cmocka_unit_test(survival_is_told_between_its_controls),
		cmocka_unit_test(own_starts_say_what_a_shared_start_may_explain),
		cmocka_unit_test(effects_are_told_beside_the_retrain),
		cmocka_unit_test(chance_is_that_of_the_measure),
		cmocka_unit_test(a_diagnostic_stands_beside_the_sparsity),
		cmocka_unit_test(one_model_has_its_interval_in_the_sentence),
		cmocka_unit_test(a_study_without_controls_says_that_they_are_missing),
		cmocka_unit_test(commands_to_run_next_name_this_study),
		cmocka_unit_test(figures_show_the_retrain),
		cmocka_unit_test(figures_show_checkpoints_by_their_names),
		cmocka_unit_test(not_shown_is_said_once),
	};

	return cmocka_run_group_tests(tests, open_study, close_study);
}
