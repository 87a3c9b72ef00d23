/* tools/cmd/dashboard: a file has the keys and types of SAEDashboard's own classes, and no others;
 * its values are those of the cards; a file of ours is known again. The layout was read from those
 * classes (test/fixtures/dashboard). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/report/cards_data.h"
#include "io/file.h"
#include "test/support/support_sys_double.h"
#include "tools/cmd/dashboard.h"

enum { LINES_MAX = 64, WORD = 64 };

/* --- the layout --- */

static struct line {
	char object[WORD], key[WORD], type[WORD], note[WORD];
} lines[LINES_MAX];
static size_t line_count;

static json_t *cards; /* of a file of cards */

static int load(void **state)
{
	FILE *file = fopen("test/fixtures/dashboard/layout.txt", "r");
	char text[4 * WORD];
	json_t *root;
	ps_cards opened;

	(void)state;
	assert_non_null(file);
	while (fgets(text, sizeof text, file)) {
		struct line *line = &lines[line_count++];

		assert_true(line_count <= LINES_MAX);
		assert_true(sscanf(text, "%63s %63s %63s %63s", line->object, line->key, line->type,
				   line->note) >= 3);
	}
	fclose(file);
	assert_int_equal(ps_file_read_json(&ps_sys_linux, "test/fixtures/report/cards.json",
					   1 << 24, &root, NULL),
			 0);
	assert_int_equal(ps_cards_open(&opened, root, NULL), 0);
	cards = json_incref((json_t *)opened.cards);
	json_decref(root);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	json_decref(cards);
	return 0;
}

static bool is_one(const json_t *value, const char *type)
{
	return !strncmp(type, "str", 3)     ? json_is_string(value)
	       : !strncmp(type, "int", 3)   ? json_is_integer(value)
	       : !strncmp(type, "float", 5) ? json_is_number(value)
	       : !strncmp(type, "dict", 4)  ? json_is_object(value)
					    : false;
}

static bool has_type(const json_t *value, const struct line *line)
{
	const char *item = line->type + strlen("list[");

	if (!strcmp(line->note, "None") && json_is_null(value))
		return true;
	if (strncmp(line->type, "list[", strlen("list[")) != 0)
		return is_one(value, line->type);
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!is_one(json_array_get(value, i), item))
			return false;
	return json_is_array(value);
}

/* Every key of the layout with its type, and no other. */
static void check(const json_t *value, const char *object)
{
	size_t found = 0;

	for (size_t i = 0; i < line_count; i++) {
		const json_t *of_key = json_object_get(value, lines[i].key);

		if (strcmp(lines[i].object, object) != 0 ||
		    (!of_key && !strcmp(lines[i].note, "optional")))
			continue;
		if (!has_type(of_key, &lines[i]))
			fail_msg("%s: %s is not %s", object, lines[i].key, lines[i].type);
		found++;
	}
	assert_true(found > 5 || !strcmp(object, "batch"));
	assert_int_equal(json_object_size(value), found);
}

/* --- the tests --- */

static const ps_dashboard about = {.model = "gemma",
				   .condition = "wanda-0.5",
				   .study = "A <study>",
				   .layer = 13,
				   .window = 256,
				   .windows = 12,
				   .side = PS_PRUNED};

static json_t *make(ps_model_side side)
{
	ps_dashboard with = about;
	json_t *made;

	with.side = side;
	made = ps_dashboard_json(&with, cards);
	assert_non_null(made);
	return made;
}

static void keys_and_types_are_those_of_the_layout(void **state)
{
	(void)state;
	for (ps_model_side side = 0; side < PS_MODEL_SIDES; side++) {
		json_t *made = make(side);
		const json_t *feature, *activation;
		size_t i, k, activations = 0;

		check(made, "batch");
		json_array_foreach (json_object_get(made, "features"), i, feature) {
			check(feature, "feature");
			json_array_foreach (json_object_get(feature, "activations"), k,
					    activation) {
				check(activation, "activation");
				activations++;
			}
		}
		assert_true(activations > 50);
		json_decref(made);
	}
}

static double at(const json_t *list, size_t place)
{
	return ps_json_number(json_array_get(list, place));
}

static double or_0(const json_t *value)
{
	return json_is_number(value) ? json_number_value(value) : 0;
}

static void assert_tokens(const json_t *feature, const char *texts, const char *logits,
			  const json_t *tokens)
{
	const json_t *text = json_object_get(feature, texts),
		     *logit = json_object_get(feature, logits);

	assert_int_equal(json_array_size(text), json_array_size(tokens));
	assert_int_equal(json_array_size(logit), json_array_size(tokens));
	for (size_t i = 0; i < json_array_size(tokens); i++) {
		const json_t *token = json_array_get(tokens, i);

		assert_string_equal(json_string_value(json_array_get(text, i)),
				    json_string_value(json_object_get(token, "token")));
		assert_true(at(logit, i) == json_number_value(json_object_get(token, "logit")));
	}
}

static void assert_histogram(const json_t *feature, const json_t *histogram, ps_model_side side)
{
	const json_t *middles = json_object_get(feature, "freq_hist_data_bar_values"),
		     *edges = json_object_get(histogram, "edges");

	assert_true(json_equal(json_object_get(feature, "freq_hist_data_bar_heights"),
			       json_array_get(json_object_get(histogram, "counts"), side)));
	assert_int_equal(json_array_size(middles), json_array_size(edges) - 1);
	for (size_t b = 0; b < json_array_size(middles); b++)
		assert_true(at(middles, b) == (at(edges, b) + at(edges, b + 1)) / 2);
}

static void assert_activations(const json_t *feature, const json_t *card, ps_model_side side)
{
	const json_t *made = json_object_get(feature, "activations"),
		     *contexts = json_object_get(json_object_get(card, "contexts"),
						 side == PS_DENSE ? "dense" : "pruned");

	assert_int_equal(json_array_size(made), json_array_size(contexts));
	for (size_t i = 0; i < json_array_size(made); i++) {
		const json_t *one = json_array_get(made, i), *context = json_array_get(contexts, i);
		const size_t place =
			(size_t)json_integer_value(json_object_get(one, "qualifying_token_index"));

		assert_true(json_equal(json_object_get(one, "tokens"),
				       json_object_get(context, "tokens")));
		assert_true(json_equal(json_object_get(one, "values"),
				       json_array_get(json_object_get(context, "values"), side)));
		assert_true(at(json_object_get(one, "values"), place) ==
			    json_number_value(json_object_get(context, "activation")));
		assert_true(json_number_value(json_object_get(one, "bin_max")) ==
			    or_0(json_array_get(json_object_get(card, "peak"), side)));
		assert_true(json_number_value(json_object_get(one, "bin_min")) == -1);
		assert_true(json_number_value(json_object_get(one, "bin_contains")) == -1);
	}
}

static void values_are_those_of_the_cards(void **state)
{
	(void)state;
	for (ps_model_side side = 0; side < PS_MODEL_SIDES; side++) {
		json_t *made = make(side);
		const json_t *features = json_object_get(made, "features"), *card;
		size_t i;

		assert_string_equal(json_string_value(json_object_get(made, "sae_id_suffix")),
				    side == PS_DENSE ? "dense" : "wanda-0.5");
		assert_int_equal(json_array_size(features), json_array_size(cards));
		json_array_foreach (cards, i, card) {
			const json_t *feature = json_array_get(features, i);

			assert_true(json_equal(json_object_get(feature, "feature_index"),
					       json_object_get(card, "latent")));
			assert_true(json_number_value(json_object_get(feature, "frac_nonzero")) ==
				    or_0(json_array_get(json_object_get(card, "rate"), side)));
			assert_tokens(feature, "pos_str", "pos_values",
				      json_object_get(card, "promoted"));
			assert_tokens(feature, "neg_str", "neg_values",
				      json_object_get(card, "suppressed"));
			assert_histogram(feature, json_object_get(card, "histogram"), side);
			assert_activations(feature, card, side);
			assert_int_equal(
				json_integer_value(json_object_get(feature, "n_prompts_total")),
				12);
		}
		json_decref(made);
	}
}

/* What a table without a head, or of a latent that never fires, leaves open. */
static void what_is_not_defined_has_its_type_too(void **state)
{
	json_t *card = ps_json_copy(json_array_get(cards, 0)), *list = json_array(), *made;
	const json_t *feature;

	(void)state;
	assert_int_equal(json_object_set_new(card, "promoted", json_null()), 0);
	assert_int_equal(json_object_set_new(card, "suppressed", json_null()), 0);
	assert_int_equal(json_object_set_new(card, "rate", json_pack("[n, n]")), 0);
	assert_int_equal(json_object_set_new(card, "histogram",
					     json_pack("{s:[], s:[[], []]}", "edges", "counts")),
			 0);
	assert_int_equal(json_array_append_new(list, card), 0);
	made = ps_dashboard_json(&about, list);
	feature = json_array_get(json_object_get(made, "features"), 0);
	check(feature, "feature");
	assert_true(json_number_value(json_object_get(feature, "frac_nonzero")) == 0);
	assert_int_equal(json_array_size(json_object_get(feature, "pos_str")), 0);
	json_decref(made);
	json_decref(list);
}

static void a_file_of_ours_is_known_again(void **state)
{
	char folder[256], path[512];
	json_t *made = make(PS_DENSE);

	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/batch-0.json", folder);
	assert_false(ps_dashboard_is_ours(path));
	assert_int_equal(ps_file_replace_json(&ps_sys_linux, path, made, NULL), 0);
	assert_true(ps_dashboard_is_ours(path));
	assert_int_equal(json_object_set_new(made, "sae_set", json_string("res-jb")), 0);
	assert_int_equal(ps_file_replace_json(&ps_sys_linux, path, made, NULL), 0);
	assert_false(ps_dashboard_is_ours(path));
	json_decref(made);
	scratch_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_types_are_those_of_the_layout),
		cmocka_unit_test(values_are_those_of_the_cards),
		cmocka_unit_test(what_is_not_defined_has_its_type_too),
		cmocka_unit_test(a_file_of_ours_is_known_again),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
