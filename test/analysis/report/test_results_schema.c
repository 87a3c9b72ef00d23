/* The schema of results.json: the check finds what differs, the page that describes the file is the
 * committed one, and every column and figure reads a key that the schema has. */
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
#include "analysis/report/report.h"
#include "analysis/report/report_csv.h"
#include "analysis/report/results_page.h"

#define FIXTURE "test/fixtures/report/results.json"
#define PAGE "docs/RESULTS.md"
#define SPARSITY 0.5

/* --- a results.json made from the schema alone: every key, nothing null --- */

static json_t *object_of(ps_results_object kind);
static int list_items; /* of each list of objects */

static json_t *value_of(const ps_results_field *field)
{
	json_t *list;

	switch (field->type) {
	case PS_VALUE_TEXT:
		return json_string("text");
	case PS_VALUE_NUMBER:
		return json_real(SPARSITY);
	case PS_VALUE_INTEGER:
		return json_integer(1);
	case PS_VALUE_BOOL:
		return json_true();
	case PS_VALUE_OBJECT:
		return object_of(field->of);
	case PS_VALUE_TEXTS:
		return json_pack("[s]", "text");
	case PS_VALUE_INTEGERS:
		return json_pack("[i, i, i, i, i]", 1, 2, 3, 4, 5);
	case PS_VALUE_NUMBERS:
		return json_pack("[f, f, f, f, f]", 0.9, 0.8, 0.7, 0.6, 0.5);
	default:
		list = json_array();
		for (int i = 0; i < list_items; i++)
			assert_int_equal(json_array_append_new(list, object_of(field->of)), 0);
		return list;
	}
}

static json_t *object_of(ps_results_object kind)
{
	json_t *object = json_object();

	for (ps_results_key key = PS_KEY_NONE + 1; key < PS_KEYS; key++) {
		const ps_results_field *field = ps_results_field_of(key);

		if (field->object == kind)
			assert_int_equal(json_object_set_new(object, field->name, value_of(field)),
					 0);
	}
	return object;
}

/* Every list has so many items. */
static json_t *complete_with(int items, ps_results *results)
{
	json_t *root, *entry;
	ps_diag diag = {{0}};
	size_t i;

	list_items = items;
	root = object_of(PS_OBJECT_ROOT);
	/* The report finds the reference's diagnostic by these texts. */
	json_array_foreach (json_object_get(root, "diagnostics"), i, entry)
		assert_int_equal(json_object_set_new(entry, "key", json_string("jaccard")), 0);
	json_array_foreach (json_object_get(root, "reference_findings"), i, entry)
		assert_int_equal(
			json_object_set_new(entry, "text",
					    json_string("Spearman of fixed-dictionary Jaccard")),
			0);
	assert_int_equal(ps_results_check(root, &diag), 0);
	assert_int_equal(ps_results_open(results, root, &diag), 0);
	return root;
}

static json_t *complete(ps_results *results)
{
	return complete_with(5, results);
}

/* --- the check --- */

static void the_made_up_study_of_the_tests_fits(void **state)
{
	json_t *root = json_load_file(FIXTURE, 0, NULL);
	ps_diag diag = {{0}};

	(void)state;
	assert_non_null(root);
	if (ps_results_check(root, &diag))
		fail_msg("%s", diag.text);
	json_decref(root);
}

static void refused(json_t *root, const char *expected)
{
	ps_diag diag = {{0}};

	assert_int_equal(ps_results_check(root, &diag), PS_EFAILED);
	assert_string_equal(diag.text, expected);
	json_decref(root);
}

static json_t *second_condition(json_t *root)
{
	return json_array_get(json_object_get(root, "conditions"), 1);
}

static void what_differs_is_named(void **state)
{
	ps_results ignored;
	json_t *root = complete(&ignored);

	(void)state;
	json_object_del(json_object_get(second_condition(root), "fragility"), "alive");
	refused(root, "results.json.conditions[1].fragility.alive is missing");
	root = complete(&ignored);
	assert_int_equal(json_object_set_new(root, "new_key", json_true()), 0);
	refused(root, "results.json has a key that its schema does not list");
	root = complete(&ignored);
	assert_int_equal(json_object_set_new(second_condition(root), "l0", json_string("many")), 0);
	refused(root, "results.json.conditions[1].l0 is not of the type that its schema gives");
	root = complete(&ignored);
	assert_int_equal(
		json_object_set_new(second_condition(root), "survival", json_pack("[f, n]", 0.5)),
		0);
	refused(root, "results.json.conditions[1].survival[1] is not of the type that its schema "
		      "gives");
	root = complete(&ignored);
	assert_int_equal(json_object_set_new(root, "models", json_object()), 0);
	refused(root, "results.json.models is not a list");
	refused(json_array(), "results.json is not an object");
}

static void only_what_may_be_null_may_be(void **state)
{
	ps_results ignored;
	json_t *root = complete(&ignored);
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(json_object_set_new(root, "kendall_w", json_null()), 0);
	assert_int_equal(json_object_set_new(second_condition(root), "ablation", json_null()), 0);
	assert_int_equal(ps_results_check(root, &diag), 0);
	assert_int_equal(json_object_set_new(second_condition(root), "delta_log_ppl", json_null()),
			 0);
	refused(root, "results.json.conditions[1].delta_log_ppl is not of the type that its schema "
		      "gives");
}

/* Whether a field may hold a value: told here by the letters of its JSON. */
static bool may_hold(const ps_results_field *field, const char *text)
{
	const bool null = !strcmp(text, "null"), list = text[0] == '[',
		   integer = text[0] == '7' && !strchr(text, '.'), number = text[0] == '7';

	if (null) /* of a list its items may be null */
		return *field->null && field->type != PS_VALUE_TEXTS &&
		       field->type != PS_VALUE_INTEGERS && field->type != PS_VALUE_NUMBERS &&
		       field->type != PS_VALUE_LIST;
	switch (field->type) {
	case PS_VALUE_TEXT:
		return text[0] == '"';
	case PS_VALUE_INTEGER:
		return integer;
	case PS_VALUE_NUMBER:
		return number;
	case PS_VALUE_BOOL:
		return !strcmp(text, "true") || !strcmp(text, "false");
	case PS_VALUE_TEXTS:
	case PS_VALUE_INTEGERS:
	case PS_VALUE_NUMBERS:
	case PS_VALUE_LIST:
		return list && text[1] == ']';
	default:
		return false; /* an object lacks keys here */
	}
}

/* Puts each of the values in the place of each key of an object of the schema, and of those
 * below. */
static void try_all(json_t *root, json_t *object, ps_results_object kind)
{
	static const char *const texts[] = {"null",  "true", "false", "7",   "7.5",
					    "\"7\"", "[]",   "{}",    "[{}]"};

	for (ps_results_key key = PS_KEY_NONE + 1; key < PS_KEYS; key++) {
		const ps_results_field *field = ps_results_field_of(key);
		json_t *kept;

		if (field->object != kind)
			continue;
		kept = json_incref(json_object_get(object, field->name));
		for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
			json_t *value = json_loads(texts[i], JSON_DECODE_ANY, NULL);
			ps_diag diag = {{0}};
			int rc;

			assert_int_equal(json_object_set_new(object, field->name, value), 0);
			rc = ps_results_check(root, &diag);
			if (rc != (may_hold(field, texts[i]) ? 0 : PS_EFAILED) ||
			    (rc && !strstr(diag.text, field->name)))
				fail_msg("%s: %s: %d '%s'", field->name, texts[i], rc, diag.text);
		}
		assert_int_equal(json_object_set(object, field->name, kept), 0);
		if (field->of)
			try_all(root, json_is_array(kept) ? json_array_get(kept, 0) : kept,
				field->of);
		json_decref(kept);
	}
}

static void every_key_takes_its_type_alone(void **state)
{
	ps_results ignored;
	json_t *root = complete_with(1, &ignored); /* thousands of checks, each of all items */
	ps_diag diag = {{0}};

	(void)state;
	try_all(root, root, PS_OBJECT_ROOT);
	assert_int_equal(ps_results_check(root, &diag), 0);
	json_decref(root);
}

/* --- those who take names from the schema --- */

static void no_csv_field_is_empty_where_every_key_is_there(void **state)
{
	ps_results results;
	json_t *root = complete(&results);

	(void)state;
	for (size_t i = 0; ps_csv_name(i); i++) {
		char *text = NULL;
		size_t length;
		FILE *out = open_memstream(&text, &length);

		ps_csv_write(out, &results, i);
		fclose(out);
		if (strstr(text, ",,") || strstr(text, ",\n") || strstr(text, "\n,"))
			fail_msg("tables/%s.csv has an empty field:\n%s", ps_csv_name(i), text);
		free(text);
	}
	json_decref(root);
}

static void nothing_is_missing_on_the_page_where_every_key_is_there(void **state)
{
	ps_results results;
	json_t *root = complete(&results);
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	ps_report_write(out, &results, &(ps_report_parts){.digest = "0123456789abcdef"});
	fclose(out);
	assert_null(strstr(text, "class=\"none\""));
	assert_null(strstr(text, "ot measured in this study"));
	free(text);
	json_decref(root);
}

static void every_figure_has_points_where_every_key_is_there(void **state)
{
	ps_results results;
	json_t *root = complete(&results);

	(void)state;
	for (size_t i = 0; ps_figure_name(i); i++) {
		char *text = NULL;
		size_t length;
		FILE *out = open_memstream(&text, &length);

		assert_true(ps_figure_script(i, &results, false, out));
		fclose(out);
		assert_null(strstr(text, "'not measured'"));
		free(text);
	}
	json_decref(root);
}

/* --- the page --- */

/* Whether the key holds something that was measured, and not what the study file asked for. */
static bool is_measured(const ps_results_field *field)
{
	if (!strncmp(ps_results_place(field->object), "settings", strlen("settings")))
		return false;
	return field->type == PS_VALUE_NUMBER || field->type == PS_VALUE_NUMBERS ||
	       field->of == PS_OBJECT_INTERVAL;
}

/* docs/DEFINITIONS.md has every number: its formula, source, null and unit. */
static void every_number_is_defined(void **state)
{
	char text[1 << 17], name[64];
	FILE *file = fopen("docs/DEFINITIONS.md", "r");
	size_t length;

	(void)state;
	assert_non_null(file);
	length = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	assert_true(length > 0 && length < sizeof text - 1);
	text[length] = 0;
	for (ps_results_key key = PS_KEY_NONE + 1; key < PS_KEYS; key++) {
		const ps_results_field *field = ps_results_field_of(key);

		snprintf(name, sizeof name, "`%s`", field->name);
		if (is_measured(field) && !strstr(text, name))
			fail_msg("docs/DEFINITIONS.md does not define %s of %s", name,
				 ps_results_place(field->object));
	}
}

static void the_page_is_the_committed_one(void **state)
{
	char *made = NULL, *kept;
	size_t length, read;
	FILE *out = open_memstream(&made, &length), *file = fopen(PAGE, "r");

	(void)state;
	assert_non_null(file);
	ps_results_page_write(out);
	fclose(out);
	kept = calloc(length + 2, 1);
	assert_non_null(kept);
	read = fread(kept, 1, length + 1, file);
	fclose(file);
	if (read != length || memcmp(made, kept, length))
		fail_msg("%s is not what the schema says: run `make %s`", PAGE, PAGE);
	free(made);
	free(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_made_up_study_of_the_tests_fits),
		cmocka_unit_test(what_differs_is_named),
		cmocka_unit_test(only_what_may_be_null_may_be),
		cmocka_unit_test(every_key_takes_its_type_alone),
		cmocka_unit_test(no_csv_field_is_empty_where_every_key_is_there),
		cmocka_unit_test(nothing_is_missing_on_the_page_where_every_key_is_there),
		cmocka_unit_test(every_figure_has_points_where_every_key_is_there),
		cmocka_unit_test(every_number_is_defined),
		cmocka_unit_test(the_page_is_the_committed_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
