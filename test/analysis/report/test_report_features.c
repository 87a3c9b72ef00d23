/* The report's section on single latents: its sentence, its table, and whose cards it shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/report/report_features.h"

#define FIXTURE "test/fixtures/report/results.json"

enum { ENTRIES = 4 }; /* two of gemma-2-2b, then a condition and a control of gemma3_1b */

struct study {
	json_t *root, *list;
	ps_results results;
};

static void open_study(struct study *study)
{
	ps_diag diag = {{0}};

	study->root = json_load_file(FIXTURE, 0, NULL);
	assert_non_null(study->root);
	study->list = json_object_get(study->root, "features");
	assert_int_equal(json_array_size(study->list), ENTRIES);
	assert_int_equal(ps_results_open(&study->results, study->root, &diag), 0);
}

static void set_classes(const struct study *study, size_t entry, int kept, int shifted, int lost)
{
	json_t *classes = json_object_get(json_array_get(study->list, entry), "classes");

	assert_int_equal(
		json_object_update_new(classes, json_pack("{s:i, s:i, s:i}", "kept", kept,
							  "shifted", shifted, "lost", lost)),
		0);
}

/* What is written of a study. For free. */
static char *written(const struct study *study, const ps_report_feature *features)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	ps_report_features_write(out, &study->results, features);
	fclose(out);
	return text;
}

static const ps_report_feature pages[ENTRIES] = {{"a.html", "<p>few of a</p>"},
						 {"b.html", NULL},
						 {"c d.html", "<p>few of c</p>"},
						 {"d.html", NULL}};

static void the_share_nearest_to_one_half_is_shown(void **state)
{
	struct study study;

	(void)state;
	open_study(&study);
	/* All alike: the first of each model. */
	for (size_t i = 0; i < ENTRIES; i++)
		assert_int_equal(ps_report_feature_has_few(&study.results, i), i == 0 || i == 2);
	set_classes(&study, 1, 10, 10, 18); /* 20 of 40 */
	set_classes(&study, 2, 1, 0, 37);
	for (size_t i = 0; i < ENTRIES; i++)
		assert_int_equal(ps_report_feature_has_few(&study.results, i), i == 1 || i == 3);
	json_decref(study.root);
}

static void the_sentence_has_shares_control_and_n(void **state)
{
	struct study study;
	char *text;

	(void)state;
	open_study(&study);
	set_classes(&study, 0, 20, 10, 8); /* and 2 blurred: 30 and 8 of 40 */
	set_classes(&study, 1, 10, 10, 18);
	set_classes(&study, 2, 4, 0, 34);
	set_classes(&study, 3, 0, 0, 38);
	text = written(&study, pages);
	assert_non_null(strstr(text, "a share of 0.100 to 0.750 is kept or shifted"));
	assert_non_null(strstr(text, "A share of 0.200 to 0.850 is lost, below 0.5 (3 conditions, "
				     "first seed, 65,536 tokens)"));
	assert_non_null(strstr(text, "a share of 0.000 is kept or shifted (1 control)"));
	free(text);
	json_decref(study.root);
}

static void the_table_links_to_pages_and_files(void **state)
{
	struct study study;
	char *text;

	(void)state;
	open_study(&study);
	assert_int_equal(json_object_set_new(json_array_get(study.list, 2), "csv",
					     json_string("a b/\"><script>.csv")),
			 0);
	assert_int_equal(json_object_set_new(json_array_get(study.list, 2), "condition",
					     json_string("<i>wanda</i>")),
			 0);
	text = written(&study, pages);
	assert_non_null(strstr(text, "<a href=\"features/a.html\">cards</a> <a "
				     "href=\"runs/features.csv\">CSV</a> <a "
				     "href=\"runs/cards.json\">JSON</a>"));
	assert_non_null(strstr(text, "<a href=\"features/c%20d.html\">cards</a> <a "
				     "href=\"a%20b/%22%3E%3Cscript%3E.csv\">CSV</a>"));
	assert_non_null(strstr(text, "<tr class=\"control\"><td>frozen-decoder</td>"));
	assert_non_null(strstr(text, "<tr><td>&lt;i&gt;wanda&lt;/i&gt;</td>"));
	/* A model without entries has no rows. */
	assert_null(strstr(text, "llama"));
	free(text);
	json_decref(study.root);
}

static void a_few_cards_stand_there_or_it_is_said(void **state)
{
	static const ps_report_feature none[ENTRIES] = {
		{"a.html", NULL}, {"b.html", NULL}, {"c.html", NULL}, {"d.html", NULL}};
	struct study study;
	char *text;

	(void)state;
	open_study(&study);
	text = written(&study, pages);
	assert_non_null(strstr(text, "<p>few of a</p>"));
	assert_non_null(strstr(text, "<p>few of c</p>"));
	assert_null(strstr(text, "larger than 2"));
	free(text);
	text = written(&study, none);
	assert_non_null(strstr(text, "larger than 2"));
	free(text);
	json_decref(study.root);
}

static void without_entries_there_is_no_section(void **state)
{
	struct study study;
	char *text;

	(void)state;
	open_study(&study);
	text = written(&study, NULL);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(json_array_clear(study.list), 0);
	text = written(&study, pages);
	assert_string_equal(text, "");
	free(text);
	json_decref(study.root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_share_nearest_to_one_half_is_shown),
		cmocka_unit_test(the_sentence_has_shares_control_and_n),
		cmocka_unit_test(the_table_links_to_pages_and_files),
		cmocka_unit_test(a_few_cards_stand_there_or_it_is_said),
		cmocka_unit_test(without_entries_there_is_no_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
