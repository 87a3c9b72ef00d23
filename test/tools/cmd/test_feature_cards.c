/* tools/cmd/feature_cards: which latents get cards, by stated rules; what a card says; a file reads
 * back, and one that is damaged or that holds what no file of cards holds is refused by name. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/tokenizer/tokenizer.h"
#include "io/file.h"
#include "io/sealed_json.h"
#include "test/support/support_foreign.h"
#include "test/support/support_sys_double.h"
#include "tools/cmd/feature_card.h"
#include "tools/cmd/feature_cards.h"
#include "tools/cmd/feature_cards_read.h"
#include "tools/cmd/feature_groups.h"

enum { LATENTS = 30, TAUS = 2, ROWS = 100 };
static const double taus[TAUS] = {0.5, 0.75};
static char folder[256], path[512], cards_path[512];

/* --- a table with planted latents --- */

struct planted {
	int rows, rows_pruned, class, mutual;
	double rate, pearson, effect, mean_change, rate_change;
};

static void kept(struct planted *p, int mutual, double pearson)
{
	p->class = PS_CLASS_KEPT;
	p->mutual = mutual;
	p->pearson = pearson;
}

/* Latent 0 never fires; 1 to 12 are kept, with partners; 13 is kept without, 14 is too rare; 15 and
 * 16 are shifted; 17 to 19 and 25 on are blurred; 20 to 24 are lost, 24 is too rare. */
static struct planted plant(size_t latent)
{
	struct planted p = {.rows = 20,
			    .rows_pruned = 20,
			    .class = PS_CLASS_BLURRED,
			    .rate = 0.2,
			    .pearson = 0.8,
			    .effect = NAN};

	switch (latent) {
	case 0:
		return (struct planted){.class = PS_CLASS_NONE, .pearson = NAN, .effect = NAN};
	case 13:
		kept(&p, 0, 0.999);
		break;
	case 14:
		kept(&p, 1, 0.9999);
		p.rows = 9;
		break;
	case 15:
	case 16:
		p.class = PS_CLASS_SHIFTED;
		p.pearson = 0.95;
		p.mean_change = latent == 15 ? 1 : -0.5;
		p.rate_change = latent == 15 ? 0 : 1;
		break;
	case 20:
	case 21:
		p.rows_pruned = 0;
		p.pearson = NAN;
		p.rate = latent == 20 ? 0.1 : 0.2;
		break;
	case 22:
	case 23:
		p.pearson = latent == 22 ? -0.3 : 0.1;
		break;
	case 24:
		p.rows = 9;
		p.pearson = -0.9;
		p.effect = 5;
		break;
	default:
		break;
	}
	if (latent >= 1 && latent <= 12) {
		/* 5 and 6 differ in their rates, 7 and 8 in nothing */
		kept(&p, 1,
		     latent == 6 || latent == 8 ? 0.9 + 0.005 * (double)(latent - 1)
						: 0.9 + 0.005 * (double)latent);
		p.rate = latent == 5 ? 0.3 : 0.2;
	}
	if (latent >= 20 && latent <= 24)
		p.class = PS_CLASS_LOST;
	if (latent <= 3)
		p.effect = latent == 1 ? 0.5 : latent == 2 ? -0.9 : 0;
	return p;
}

static void fill_large(size_t latent, ps_feature_row *row)
{
	row->histogram[PS_DENSE][3] = (int32_t)latent;
	row->histogram[PS_PRUNED][5] = 1;
	/* one context: a token before, two behind */
	row->context_window[PS_DENSE][0] = 7;
	row->context_position[PS_DENSE][0] = 1;
	row->context_activation[PS_DENSE][0] = 2.5f;
	for (int i = 0; i < 4; i++) {
		const int at = PS_CONTEXT_BEFORE - 1 + i;

		row->context_token[PS_DENSE][0][at] = i == 3 ? 1000000 : 40 + i;
		row->context_value[PS_DENSE][0][PS_DENSE][at] = (float)i;
		row->context_value[PS_DENSE][0][PS_PRUNED][at] = 0.5f - (float)i;
	}
	row->promoted_token[PS_PROMOTED][0] = 35;
	row->promoted_logit[PS_PROMOTED][0] = 1.5f;
}

static void fill(void *context, size_t latent, bool large, ps_feature_row *row)
{
	const bool *has = context;
	const struct planted p = plant(latent);

	row->rows_dense = p.rows;
	row->rows_pruned = p.rows_pruned;
	row->rate_dense = p.rate;
	row->pearson = p.pearson;
	row->mean_change = p.mean_change;
	row->rate_change = p.rate_change;
	row->class = (uint8_t)p.class;
	if (has[PS_FEATURE_ABLATION])
		row->ablation_effect = p.effect;
	if (has[PS_FEATURE_MATCH]) {
		row->mutual = (uint8_t)p.mutual;
		row->nearest = (int32_t)latent;
		row->cosine = 0.625f;
		row->survival[0] = row->mutual;
	}
	if (large)
		fill_large(latent, row);
}

static const bool all[PS_FEATURE_GROUPS] = {true, true, true, true, true};
static const bool few[PS_FEATURE_GROUPS] = {true};

static void make_table(const bool has[PS_FEATURE_GROUPS], const char *sae, ps_feature_file *file)
{
	json_t *about = ps_feature_about(ROWS, taus, TAUS),
	       *provenance =
		       json_pack("{s:s, s:{s:s}}", "command", "features", "inputs", "sae", sae);

	assert_int_equal(json_object_set_new(about, "provenance", provenance), 0);
	assert_int_equal(ps_feature_file_write(&ps_sys_linux,
					       &(ps_feature_spec){.path = path,
								  .about = about,
								  .latents = LATENTS,
								  .taus = TAUS,
								  .has = has,
								  .fill = fill,
								  .context = (void *)has},
					       NULL),
			 0);
	json_decref(about);
	assert_int_equal(ps_feature_file_open(file, &ps_sys_linux, path, true, NULL), 0);
}

/* --- the tests' own --- */

static ps_token_texts texts;

static int load_texts(void **state)
{
	const char *name = "test/fixtures/tokenizer/llama3.json";
	ps_tokenizer *tokenizer;
	char *json;
	size_t length;

	(void)state;
	assert_int_equal(ps_file_read(&ps_sys_linux, name, 1 << 20, &json, &length, NULL), 0);
	assert_int_equal(ps_tokenizer_create(&tokenizer, json, length, name, NULL), 0);
	assert_int_equal(ps_tokenizer_texts(tokenizer, &texts, NULL), 0);
	ps_tokenizer_destroy(tokenizer);
	free(json);
	return 0;
}

static int free_texts(void **state)
{
	(void)state;
	ps_token_texts_free(&texts);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/features", folder);
	snprintf(cards_path, sizeof cards_path, "%s/cards.json", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

static ps_feature_firing firing[LATENTS];

static void choose(const ps_feature_file *file, ps_feature_groups *groups)
{
	ps_feature_survey survey = {.firing = firing};

	ps_feature_survey_run(file, &survey);
	*groups = survey.groups;
}

static void assert_group(const ps_feature_groups *groups, ps_cards_group g, const uint32_t *right,
			 size_t count)
{
	for (size_t i = 0; i < groups->count[g] && i < count; i++)
		if (groups->latent[g][i] != right[i])
			fail_msg("%s: place %zu has latent %u, expected %u",
				 ps_cards_name(PS_GROUPS_BEST + g), i, groups->latent[g][i],
				 right[i]);
	assert_int_equal(groups->count[g], count);
}

static void each_group_has_the_latents_of_its_rule(void **state)
{
	static const uint32_t best[] = {12, 11, 10, 9, 7, 8, 5, 6, 4, 3},
			      worst[] = {21, 20, 22, 23, 17, 18, 19, 25, 26, 27}, causal[] = {2, 1},
			      shifted[] = {16, 15};
	ps_feature_groups groups;
	ps_feature_file file;

	(void)state;
	make_table(all, "0123456789abcdef", &file);
	choose(&file, &groups);
	assert_group(&groups, PS_GROUP_BEST, best, 10);
	assert_group(&groups, PS_GROUP_WORST, worst, 10);
	assert_group(&groups, PS_GROUP_CAUSAL, causal, 2);
	assert_group(&groups, PS_GROUP_SHIFTED, shifted, 2);
	ps_feature_file_close(&file);
}

/* Without partners the best need none; without ablations nothing is causal. */
static void what_was_not_measured_decides_nothing(void **state)
{
	ps_feature_groups groups;
	ps_feature_file file;

	(void)state;
	make_table(few, "0123456789abcdef", &file);
	choose(&file, &groups);
	assert_int_equal(groups.latent[PS_GROUP_BEST][0], 13);
	assert_int_equal(groups.count[PS_GROUP_CAUSAL], 0);
	ps_feature_file_close(&file);
}

static void the_random_draw_is_that_of_the_sae(void **state)
{
	ps_feature_groups one, same, other;
	ps_feature_file file;

	(void)state;
	make_table(all, "0123456789abcdef", &file);
	choose(&file, &one);
	ps_feature_file_close(&file);
	make_table(few, "0123456789abcdef", &file);
	choose(&file, &same);
	ps_feature_file_close(&file);
	make_table(all, "0123456789abcdee", &file);
	choose(&file, &other);
	ps_feature_file_close(&file);
	assert_int_equal(one.count[PS_GROUP_RANDOM], 10);
	assert_memory_equal(one.latent[PS_GROUP_RANDOM], same.latent[PS_GROUP_RANDOM],
			    sizeof one.latent[0]);
	assert_memory_not_equal(one.latent[PS_GROUP_RANDOM], other.latent[PS_GROUP_RANDOM],
				sizeof one.latent[0]);
	for (int i = 0; i < 10; i++) {
		assert_int_not_equal(one.latent[PS_GROUP_RANDOM][i], 0); /* it never fires */
		for (int j = 0; j < i; j++)
			assert_int_not_equal(one.latent[PS_GROUP_RANDOM][i],
					     one.latent[PS_GROUP_RANDOM][j]);
	}
}

static void assert_json(const json_t *value, const char *right)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

	assert_non_null(text);
	assert_string_equal(text, right);
	free(text);
}

static void a_card_says_what_the_table_holds(void **state)
{
	ps_feature_file file;
	json_t *card;

	(void)state;
	make_table(all, "0123456789abcdef", &file);
	card = ps_feature_card(&file, &texts, 2);
	assert_json(json_object_get(card, "class"), "\"kept\"");
	assert_json(json_object_get(card, "rate"), "[0.20000000000000001,0.0]");
	assert_json(json_object_get(card, "partner"), "2");
	assert_json(json_object_get(card, "cosine"), "0.625");
	assert_json(json_object_get(card, "mutual"), "true");
	assert_json(json_object_get(card, "survival"), "[true,false]");
	assert_json(json_object_get(card, "ablation_effect"), "[-0.90000000000000002,null]");
	assert_json(json_object_get(card, "histogram"),
		    "{\"counts\":[[2,0,0],[0,0,1]],\"edges\":[0.00069053395418450236,"
		    "0.0009765625,0.0013810679083690047,0.001953125]}");
	assert_json(json_object_get(card, "contexts"),
		    "{\"dense\":[{\"activation\":2.5,\"at\":1,\"position\":1,\"tokens\":[\"I\","
		    "\"J\",\"K\",\"<id 1000000>\"],\"values\":[[0.0,1.0,2.0,3.0],[0.5,-0.5,-1.5,"
		    "-2.5]],\"window\":7}],\"pruned\":[]}");
	assert_json(json_object_get(card, "promoted"), "[{\"logit\":1.5,\"token\":\"D\"}]");
	assert_json(json_object_get(card, "suppressed"), "[]");
	json_decref(card);
	ps_feature_file_close(&file);
}

static void a_card_is_null_where_nothing_was_measured(void **state)
{
	static const char *const nothing[] = {"partner",  "cosine",   "mutual",
					      "survival", "promoted", "suppressed"};
	ps_feature_file file;
	json_t *card;

	(void)state;
	make_table(few, "0123456789abcdef", &file);
	card = ps_feature_card(&file, &texts, 20);
	for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
		assert_true(json_is_null(json_object_get(card, nothing[i])));
	assert_json(json_object_get(card, "ablation_effect"), "[null,null]");
	assert_json(json_object_get(card, "pearson"), "null");
	json_decref(card);
	ps_feature_file_close(&file);
}

static void write_cards(const bool has[PS_FEATURE_GROUPS])
{
	ps_feature_file file;

	make_table(has, "0123456789abcdef", &file);
	assert_int_equal(
		ps_feature_cards_write(&file, &texts, "fedcba9876543210", cards_path, NULL), 0);
	ps_feature_file_close(&file);
}

static void a_file_reads_back_as_written(void **state)
{
	ps_cards cards;
	json_t *root = NULL;

	(void)state;
	for (int i = 0; i < 2; i++) {
		write_cards(i ? few : all);
		assert_true(ps_feature_cards_is_ours(cards_path));
		assert_int_equal(
			ps_feature_cards_read(&ps_sys_linux, cards_path, &cards, &root, NULL), 0);
		assert_json(json_object_get(root, "classes"),
			    "{\"blurred\":8,\"kept\":14,\"lost\":5,\"none\":1,\"shifted\":2}");
		assert_json(json_object_get(root, "provenance"),
			    "{\"command\":\"features\",\"inputs\":{\"sae\":\"0123456789abcdef\","
			    "\"tokenizer\":\"fedcba9876543210\"}}");
		assert_int_equal(json_integer_value(json_object_get(root, "table_of")), 29);
		assert_int_equal(
			json_array_size(json_object_get(json_object_get(root, "table"), "rows")),
			29);
		assert_json(
			json_array_get(json_object_get(json_object_get(root, "table"), "rows"), 12),
			i ? "[13,\"kept\",0.20000000000000001,0.0,0.0,0.0,"
			    "0.999,0.0,null,null,null]"
			  : "[13,\"kept\",0.20000000000000001,0.0,0.0,0.0,"
			    "0.999,0.0,13,0.625,false]");
		assert_non_null(ps_cards_find(&cards, 12 + i));
		assert_null(ps_cards_find(&cards, 0));
		json_decref(root);
	}
}

/* Values that no file of cards holds. */
static const struct {
	const char *key; /* of the file, or of its first card */
	bool of_card;
	const char *value; /* as JSON; NULL: the key is taken out */
	const char *named;
} wrong[] = {
	{"latents", false, "-1", "latents"},
	{"taus", false, "[]", "taus"},
	{"thresholds", false, "{\"kept\": 1}", "thresholds"},
	{"classes", false, "{\"kept\": 1}", "classes"},
	{"rules", false, NULL, "rules"},
	{"groups", false, "{}", "groups"},
	{"groups", false,
	 "{\"best\": [0], \"worst\": [], \"causal\": [], \"shifted\": [], \"random\": []}",
	 "groups.best[0]: latent 0 has no card"},
	{"cards", false, "[7]", "cards"},
	{"table", false, "{\"columns\": [], \"rows\": []}", "table"},
	{"table_of", false, NULL, "table_of"},
	{"latent", true, "30", "latent 30: the file has fewer latents"},
	{"class", true, "\"odd\"", "latent 1: class is not none"},
	{"rate", true, "[1]", "latent 1: a pair of dense and pruned"},
	{"pearson", true, "\"NaN\"", "cards[0].pearson"},
	{"partner", true, "-1", "cards[0].partner"},
	{"mutual", true, "1", "cards[0].mutual"},
	{"survival", true, "[true]", "latent 1: survival has not as many"},
	{"histogram", true, "{\"edges\": [1, 2], \"counts\": [[1], [1, 2]]}",
	 "latent 1: the histogram's edges"},
	{"histogram", true, "{\"edges\": [1], \"counts\": [[], []]}",
	 "latent 1: the histogram's edges"},
	{"contexts", true, "{\"dense\": []}", "cards[0].contexts.pruned"},
	{"contexts", true,
	 "{\"pruned\": [], \"dense\": [{\"window\": 0, \"position\": 0, \"activation\": 1, "
	 "\"at\": 1, \"tokens\": [\"a\"], \"values\": [[1], [1]]}]}",
	 "latent 1: a context's tokens and values"},
	{"contexts", true,
	 "{\"pruned\": [], \"dense\": [{\"window\": 0, \"position\": 0, \"activation\": 1, "
	 "\"at\": 0, \"tokens\": [\"a\"], \"values\": [[1], [1, 2]]}]}",
	 "latent 1: a context's tokens and values"},
	{"promoted", true, "[{\"token\": 1, \"logit\": 1}]", "cards[0].promoted[0].token"},
	{"suppressed", true, NULL, "cards[0].suppressed"},
};

/* They are put in, and the file is sealed again. */
static void values_that_cannot_be_are_refused_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		json_t *cards = NULL, *target;
		ps_cards opened;
		ps_diag diag = {{0}};

		write_cards(all);
		assert_int_equal(ps_sealed_read(&ps_sys_linux, cards_path, 1 << 20, &cards, NULL),
				 0);
		target = wrong[i].of_card ? json_array_get(json_object_get(cards, "cards"), 0)
					  : cards;
		if (wrong[i].value)
			assert_int_equal(json_object_set_new(
						 target, wrong[i].key,
						 json_loads(wrong[i].value, JSON_DECODE_ANY, NULL)),
					 0);
		else
			assert_int_equal(json_object_del(target, wrong[i].key), 0);
		assert_int_equal(ps_sealed_write(&ps_sys_linux, cards_path, cards, NULL), 0);
		json_decref(cards);
		assert_int_equal(
			ps_feature_cards_read(&ps_sys_linux, cards_path, &opened, &cards, &diag),
			PS_EINPUT);
		assert_null(cards);
		if (!strstr(diag.text, wrong[i].named))
			fail_msg("%s %s: \"%s\"", wrong[i].key,
				 wrong[i].value ? wrong[i].value : "(gone)", diag.text);
	}
}

static void damaged_and_other_files_are_refused(void **state)
{
	json_t *cards = NULL;
	ps_cards opened;
	ps_diag diag = {{0}};

	(void)state;
	write_cards(all);
	ps_test_write_at(cards_path, 5000, "#", 1);
	assert_int_equal(ps_feature_cards_read(&ps_sys_linux, cards_path, &opened, &cards, &diag),
			 PS_EINPUT);
	diag = (ps_diag){{0}};
	cards = json_pack("{s:s}", "schema", "prunescope-matching/1");
	assert_int_equal(ps_sealed_write(&ps_sys_linux, cards_path, cards, NULL), 0);
	json_decref(cards);
	assert_int_equal(ps_feature_cards_read(&ps_sys_linux, cards_path, &opened, &cards, &diag),
			 PS_EINPUT);
	assert_non_null(strstr(diag.text, "no feature cards: schema is not"));
	assert_false(ps_feature_cards_is_ours(cards_path));
	assert_false(ps_feature_cards_is_ours(folder));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_group_has_the_latents_of_its_rule),
		TEST(what_was_not_measured_decides_nothing),
		TEST(the_random_draw_is_that_of_the_sae),
		TEST(a_card_says_what_the_table_holds),
		TEST(a_card_is_null_where_nothing_was_measured),
		TEST(a_file_reads_back_as_written),
		TEST(values_that_cannot_be_are_refused_by_name),
		TEST(damaged_and_other_files_are_refused),
	};

	return cmocka_run_group_tests(tests, load_texts, free_texts);
}
