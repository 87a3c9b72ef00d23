/* Feature cards: a file is checked, its page shows every card once, no text of a file becomes
 * markup, and the page stays below its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/report/cards_page.h"
#include "analysis/report/cards_token.h"
#include "analysis/report/report_head.h"
#include "test/support/support_text.h"

#define FIXTURE "test/fixtures/report/cards.json"

static json_t *load(void)
{
	json_t *root = json_load_file(FIXTURE, 0, NULL);

	assert_non_null(root);
	return root;
}

/* The page of a file at a level. For free. */
static char *page_of(const json_t *root, size_t level, size_t *length)
{
	ps_cards cards;
	ps_diag diag = {{0}};
	const ps_cards_page page = {&cards,      "0123456789abcdef", "a <model>",
				    "wanda-0.5", "runs/a b/f.csv",   "runs/a b/javascript:x.json"};
	written_text text;

	assert_int_equal(ps_cards_open(&cards, root, &diag), 0);
	ps_cards_page_write(text_begin(&text), &page, level);
	(void)text_end(&text);
	if (length)
		*length = text.length;
	return text.bytes;
}

/* --- texts of tokens --- */

static void token_is(const char *token, const char *expected)
{
	written_text text;

	ps_html_token(text_begin(&text), token);
	(void)text_end(&text);
	assert_string_equal(text.bytes, expected);
	free(text.bytes);
}

static void tokens_are_escaped_and_visible(void **state)
{
	(void)state;
	token_is(" the", " the");
	token_is("<b a='1' c=\"2\">&", "&#60;b a=&#39;1&#39; c=&#34;2&#34;&#62;&#38;");
	token_is("a\n\tb\x7f", "a␊␉b&lt;U+007F&gt;");
	token_is("\xe2\x80\xae"
		 "abc\xe2\x80\x8b",
		 "&lt;U+202E&gt;abc&lt;U+200B&gt;");
	token_is("\xef\xbf\xbe\xf3\xa0\x80\x81", "&lt;U+FFFE&gt;&lt;U+E0001&gt;");
	token_is("שלום 漢字 😀", "שלום 漢字 😀");
	token_is("  ", "␣␣");
	token_is("", "&lt;&gt;");
	token_is("漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢",
		 "漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢");
	token_is("漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢1",
		 "漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢…");
}

/* --- the page --- */

/* Whether every < begins a tag that the program itself writes. */
static void assert_own_tags_only(const char *page)
{
	static const char *const own[] = {
		"!DOCTYPE",    "html",     "/html",   "head",     "/head",  "meta",    "title",
		"/title",      "style",    "/style",  "body",     "/body",  "main",    "/main",
		"header",      "/header",  "p",       "/p",       "h1",     "/h1",     "h2",
		"/h2",         "h3",       "/h3",     "h4",       "/h4",    "dl",      "/dl",
		"dt",          "/dt",      "dd",      "/dd",      "b",      "/b",      "i",
		"/i",          "bdi",      "/bdi",    "nav",      "/nav",   "a",       "/a",
		"section",     "/section", "article", "/article", "div",    "/div",    "table",
		"/table",      "thead",    "/thead",  "tbody",    "/tbody", "tr",      "/tr",
		"th",          "/th",      "td",      "/td",      "figure", "/figure", "figcaption",
		"/figcaption", "svg",      "/svg",    "path",     "text",   "/text",   "span",
		"/span",       "code",     "/code",   "footer",   "/footer"};
	const char *script = strstr(page, "<script>");

	for (const char *at = page; (at = strchr(at, '<')) && at < script; at++) {
		const size_t length = strcspn(at + 1, " >/") ? strcspn(at + 1, " >") : 0;
		bool known = false;

		for (size_t i = 0; i < sizeof own / sizeof *own; i++)
			known |= strlen(own[i]) == length && !strncmp(own[i], at + 1, length);
		if (!known && at[1] == '/')
			for (size_t i = 0; i < sizeof own / sizeof *own; i++)
				known |= !strncmp(own[i], at + 1, strlen(own[i]));
		if (!known)
			print_error("%.40s\n", at);
		assert_true(known);
	}
}

static void every_card_stands_once(void **state)
{
	json_t *root = load();
	char *page = page_of(root, 0, NULL);

	(void)state;
	assert_int_equal(text_count(page, "<article class=\"card\" id=\"latent-"), 12);
	for (int latent = 0; latent < 12; latent++) {
		char id[40];

		snprintf(id, sizeof id, " id=\"latent-%d\">", latent);
		assert_int_equal(text_count(page, id), 1);
	}
	/* Those in a second group have a link there. */
	assert_non_null(strstr(page, "<a href=\"#latent-0\">latent 0</a> (Best survivors)"));
	assert_non_null(strstr(page, "<a href=\"#latent-2\">latent 2</a> (Best survivors), <a "
				     "href=\"#latent-7\">latent 7</a> (Worst survivors)"));
	free(page);
	json_decref(root);
}

static void a_card_says_what_the_file_says(void **state)
{
	static const char *const says[] = {
		"<h3>Latent 1: kept</h3>\n<p class=\"meaning\">fires alike in both models</p>",
		"have Pearson 0.966 and Jaccard 0.869. Nearest in the pruned model’s SAE: latent "
		"38, cosine 0.930, each the other’s nearest; it survives up to τ&nbsp;=&nbsp;0.7.",
		"<tr><th scope=\"row\">fires on, % of tokens</th><td class=\"n\">1.00</td><td "
		"class=\"n\">0.900</td></tr>",
		"<tr><th scope=\"row\">ablation, 0.001 nats per token</th><td "
		"class=\"n\">0.600</td><td class=\"n\">0.450</td></tr>",
		"<tr><th scope=\"row\">the same per firing</th><td class=\"n\">60.0</td><td "
		"class=\"n\">−50.0</td></tr>",
		"<path class=\"h0\" d=\"M4 88V79.3H43.0V57.2H82.0V22.8H121.0V4.0H160.0",
		"The highest bin holds 300 tokens.",
		/* The first context, in both models: its largest activation, and less. */
		"<i class=\"a5\"> the</i><b class=\"a9\"> tide</b><i class=\"a5\"> came</i>",
		"<i class=\"a5\"> the</i><b class=\"a8\"> tide</b><i class=\"a5\"> came</i>",
		"nobody spoke of the storm <span>8.50</span></p>",
		"nobody spoke of the storm <span>7.50</span></p>",
		"5 of its places stand above.",
		"<b>Promotes</b> <i><span><bdi> bank</bdi></span>&nbsp;3.00</i>",
		"<b>Suppresses</b> <i><span><bdi> bank</bdi></span>&nbsp;−3.00</i>",
	};
	json_t *root = load();
	char *page = page_of(root, 0, NULL), *card = strstr(page, "id=\"latent-1\""), *end;

	(void)state;
	assert_non_null(card);
	end = strstr(card, "</article>");
	*end = 0;
	for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
		if (!strstr(card, says[i]))
			print_error("not there: %s\nin: %.3000s\n", says[i], card);
		assert_non_null(strstr(card, says[i]));
	}
	/* 10 places of the dense model, 5 of the pruned model's own, each in both models */
	assert_int_equal(text_count(card, "<div class=\"context\">"), 15);
	assert_int_equal(text_count(card, "<p class=\"s0\""), 15);
	assert_int_equal(text_count(card, "<p class=\"s1\""), 15);
	free(page);
	json_decref(root);
}

static void no_text_of_a_file_becomes_markup(void **state)
{
	json_t *root = load();

	(void)state;
	for (size_t level = 0; level < PS_CARDS_LEVELS; level++) {
		char *page = page_of(root, level, NULL);

		assert_own_tags_only(page);
		assert_non_null(strstr(page, "a &lt;model&gt;, wanda-0.5"));
		assert_null(strstr(page, "\xe2\x80\xae"));
		assert_null(strstr(page, "javascript:"));
		assert_non_null(strstr(page, "--model &#39;a &lt;model&gt;&#39; --condition "
					     "wanda-0.5 --latent N"));
		assert_non_null(strstr(page, "\"../runs/a%20b/javascript%3Ax.json\""));
		free(page);
	}
	json_decref(root);
}

static void the_table_has_a_row_for_each_row(void **state)
{
	json_t *root = load();
	char *page = page_of(root, 0, NULL), *table = strstr(page, "<table class=\"latents\">");

	(void)state;
	assert_non_null(table);
	assert_int_equal(text_count(table, "\n<tr><td>"), 36);
	assert_non_null(strstr(table, "<tr><td><a href=\"#latent-1\">1</a><td>kept<td>1<td>0.9<td>"
				      "3.1<td>2.8<td>0.95<td>0.88<td>38<td>0.96<td>yes\n"));
	assert_non_null(strstr(table, "<tr><td>20<td>lost<td>"));
	/* what is not defined is empty */
	assert_non_null(strstr(table, "<td>0<td>3.1<td><td><td>0.72<td>30<td>0.8<td>no\n"));
	assert_non_null(strstr(page, "Every latent that fires in the dense model."));
	free(page);
	json_decref(root);
}

static void a_table_that_is_cut_says_so(void **state)
{
	json_t *root = load();
	char *page;

	(void)state;
	assert_int_equal(json_object_set_new(root, "table_of", json_integer(12345)), 0);
	page = page_of(root, 0, NULL);
	assert_non_null(strstr(page, "The 36 most frequent of 12,345 latents"));
	free(page);
	json_decref(root);
}

/* --- size --- */

#define LONG "<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<"
#define TINY (-1.2345e-11)

static void append(json_t *list, json_t *value)
{
	assert_int_equal(json_array_append_new(list, value), 0);
}

static json_t *largest_contexts(int window)
{
	json_t *contexts = json_array(), *tokens = json_array(), *values = json_array();

	for (int i = 0; i < PS_CONTEXT_TOKENS; i++) {
		append(tokens, json_string(LONG));
		append(values, ps_number_json(-TINY));
	}
	for (int i = 0; i < PS_CONTEXTS; i++)
		append(contexts,
		       json_pack("{s:i, s:i, s:o, s:i, s:O, s:[O, O]}", "window", window + i,
				 "position", 1000000, "activation", ps_number_json(-TINY), "at", 3,
				 "tokens", tokens, "values", values, values));
	json_decref(tokens);
	json_decref(values);
	return contexts;
}

/* The largest card, with every list full. */
static json_t *largest_card(const json_t *like)
{
	json_t *card = ps_json_copy(like), *ends = json_array(), *dense = largest_contexts(1000000),
	       *pruned = largest_contexts(2000000);

	for (int i = 0; i < PS_CARDS_OF_GROUP; i++)
		append(ends, json_pack("{s:s, s:o}", "token", LONG, "logit", ps_number_json(TINY)));
	assert_int_equal(
		json_object_update_new(card, json_pack("{s:{s:O, s:O}, s:O, s:O}", "contexts",
						       "dense", dense, "pruned", pruned, "promoted",
						       ends, "suppressed", ends)),
		0);
	json_decref(dense);
	json_decref(pruned);
	json_decref(ends);
	return card;
}

static json_t *largest_row(int latent)
{
	json_t *row = json_pack("[i, s]", latent, "shifted"), *tiny = ps_number_json(TINY);

	for (int i = 0; i < 6; i++)
		assert_int_equal(json_array_append(row, tiny), 0);
	append(row, json_integer(9000000));
	append(row, tiny);
	append(row, json_true());
	return row;
}

/* The largest file that is taken: 50 cards, each with 20 contexts of 16 long tokens that all fire,
 * and 4,096 rows of long numbers. */
static json_t *largest(void)
{
	json_t *root = load(), *cards = json_array(), *rows = json_array(), *group;
	json_t *card = largest_card(json_array_get(json_object_get(root, "cards"), 7));
	const char *name;
	int latent = 9000000;

	json_object_foreach (json_object_get(root, "groups"), name, group) {
		assert_int_equal(json_array_clear(group), 0);
		for (int i = 0; i < PS_CARDS_OF_GROUP; i++, latent++) {
			append(group, json_integer(latent));
			append(cards, ps_json_copy(card));
			assert_int_equal(json_object_set_new(
						 json_array_get(cards, json_array_size(cards) - 1),
						 "latent", json_integer(latent)),
					 0);
		}
	}
	for (int i = 0; i < PS_CARDS_ROWS_MAX; i++)
		append(rows, largest_row(9000000 + i));
	assert_int_equal(json_object_set_new(root, "latents", json_integer(10000000)), 0);
	assert_int_equal(json_object_set_new(root, "cards", cards), 0);
	assert_int_equal(json_object_set_new(json_object_get(root, "table"), "rows", rows), 0);
	json_decref(card);
	return root;
}

static void the_largest_file_fits_at_the_last_level(void **state)
{
	json_t *root = largest();
	size_t length[PS_CARDS_LEVELS];

	(void)state;
	for (size_t level = 0; level < PS_CARDS_LEVELS; level++) {
		char *page = page_of(root, level, &length[level]);

		assert_int_equal(text_count(page, "To keep this page below 2&nbsp;MB"), level > 0);
		free(page);
	}
	assert_true(length[0] > PS_REPORT_PAGE_BYTES);
	assert_true(length[PS_CARDS_LEVELS - 1] <= PS_REPORT_PAGE_BYTES);
	for (size_t level = 1; level < PS_CARDS_LEVELS; level++)
		assert_true(length[level] < length[level - 1]);
	json_decref(root);
}

/* --- files that are refused --- */

/* A change to the fixture, given as a path of keys and places, and the text of the new value; what
 * the message must say. */
static const struct {
	const char *path[7], *value, *says;
} faults[] = {
	{{"schema"}, "\"prunescope-cards/2\"", "prunescope-cards/1"},
	{{"schema"}, "7", "prunescope-cards/1"},
	{{"latents"}, "-1", "latents: an integer, 0 or more"},
	{{"latents"}, "5", "latent 5: the file has fewer latents"},
	{{"rules", "best"}, "null", "rules.best: a text"},
	{{"classes"}, "[]", "classes: an object"},
	{{"taus"}, "[0.5, null]", "taus[1]: a number"},
	{{"groups", "best"}, "[0, 13]", "groups.best[1]: latent 13 has no card"},
	{{"groups", "random"}, "[0,0,0,0,0,0,0,0,0,0,0]", "groups.random: a list"},
	{{"cards", "3"}, "null", "cards[3]: an object"},
	{{"cards", "3", "latent"}, "2", "latent 2: cards are not in ascending order"},
	{{"cards", "3", "class"}, "\"gone\"", "latent 3: class is not"},
	{{"cards", "3", "rate"}, "[0.5]", "latent 3: a pair"},
	{{"cards", "3", "rate"}, "[0.5, true]", "cards[3].rate[1]: a number"},
	{{"cards", "3", "partner"}, "1.5", "cards[3].partner: an integer"},
	{{"cards", "3", "survival"}, "[true]", "latent 3: survival has not as many"},
	{{"cards", "3", "histogram", "edges"}, "[1, 2]", "latent 3: the histogram"},
	{{"cards", "3", "histogram", "edges", "1"}, "0.1", "latent 3: the histogram"},
	{{"cards", "3", "contexts", "pruned", "2", "at"}, "16", "latent 3: a context"},
	{{"cards", "3", "contexts", "dense", "2", "values"}, "[[1], [1]]", "latent 3: a context"},
	{{"cards", "3", "contexts", "dense", "2", "tokens"},
	 "[1]",
	 "cards[3].contexts.dense[2].tokens[0]: a text"},
	{{"cards", "3", "promoted"},
	 "[{\"token\": \"a\"}]",
	 "cards[3].promoted[0].logit: a number"},
	{{"table", "columns", "0"}, "\"index\"", "table.columns"},
	{{"table", "rows", "4"}, "[1, \"kept\"]", "table.rows[4]"},
	{{"table", "rows", "4", "1"}, "\"<b>\"", "table.rows[4]"},
	{{"table", "rows", "4", "10"}, "1", "table.rows[4]"},
	{{"table_of"}, "\"36\"", "table_of: an integer"},
};

/* Puts a value in its place. */
static void put(json_t *at, const char *const *path, const char *value)
{
	json_t *new = json_loads(value, JSON_DECODE_ANY, NULL);

	assert_non_null(new);
	for (; path[1]; path++)
		at = json_is_array(at) ? json_array_get(at, strtoul(*path, NULL, 10))
				       : json_object_get(at, *path);
	if (json_is_array(at))
		assert_int_equal(json_array_set_new(at, strtoul(*path, NULL, 10), new), 0);
	else
		assert_int_equal(json_object_set_new(at, *path, new), 0);
}

static void files_that_do_not_hold_cards_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		json_t *root = load();
		ps_cards cards;
		ps_diag diag = {{0}};

		assert_int_equal(ps_cards_open(&cards, root, &diag), 0);
		put(root, faults[i].path, faults[i].value);
		assert_int_equal(ps_cards_open(&cards, root, &diag), PS_EINPUT);
		if (!strstr(diag.text, faults[i].says))
			print_error("fault %zu: %s\n", i, diag.text);
		assert_non_null(strstr(diag.text, faults[i].says));
		json_decref(root);
	}
}

/* Each key must be there. */
static void a_key_that_is_missing_is_named(void **state)
{
	static const char *const keys[] = {"latents", "rows",   "taus",  "thresholds", "classes",
					   "rules",   "groups", "cards", "table",      "table_of"};

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		json_t *root = load();
		ps_cards cards;
		ps_diag diag = {{0}};

		assert_int_equal(json_object_del(root, keys[i]), 0);
		assert_int_equal(ps_cards_open(&cards, root, &diag), PS_EINPUT);
		assert_true(!strncmp(diag.text, keys[i], strlen(keys[i])));
		json_decref(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_are_escaped_and_visible),
		cmocka_unit_test(every_card_stands_once),
		cmocka_unit_test(a_card_says_what_the_file_says),
		cmocka_unit_test(no_text_of_a_file_becomes_markup),
		cmocka_unit_test(the_table_has_a_row_for_each_row),
		cmocka_unit_test(a_table_that_is_cut_says_so),
		cmocka_unit_test(the_largest_file_fits_at_the_last_level),
		cmocka_unit_test(files_that_do_not_hold_cards_are_refused),
		cmocka_unit_test(a_key_that_is_missing_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
