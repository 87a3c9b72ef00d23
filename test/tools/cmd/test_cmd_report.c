/* `report` on made-up results and cards: names that HTML, XML, CSV and gnuplot treat in a way of
 * their own; a page for each file of cards; cards that it refuses. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/folder.h"
#include "io/sealed_json.h"
#include "tools/cmd/commands.h"

#define RESULTS "test/fixtures/report/results.json"
#define CARDS "test/fixtures/report/cards.json"
/* A folder of any bytes. */
#define ODD "a \"b'$(x)`y`;\n\377"

enum { PATH_BYTES = 256, FILE_BYTES = 8 << 20 };

static ps_session session;
static char scratch[] = "/tmp/prunescope-report-XXXXXX", study[PATH_BYTES];
static const char *path_variable;

/* --- the study's folder --- */

static const char *in_study(const char *name)
{
	static char path[2 * PATH_BYTES];

	snprintf(path, sizeof path, "%s/%s", study, name);
	return path;
}

static json_t *fixture(const char *path)
{
	json_t *root = json_load_file(path, 0, NULL);

	assert_non_null(root);
	(void)json_object_del(root, PS_SEAL);
	return root;
}

static void store(const char *name, const json_t *object)
{
	assert_int_equal(ps_sealed_write(&ps_sys_linux, in_study(name), object, NULL), 0);
}

static void store_text(const char *name, const char *text)
{
	assert_int_equal(ps_file_replace(&ps_sys_linux, in_study(name), text, strlen(text), NULL),
			 0);
}

/* The text of a file, NULL if it is not there. For free. */
static char *text_of(const char *name)
{
	FILE *file = fopen(in_study(name), "r");
	char *text;

	if (!file)
		return NULL;
	text = malloc(FILE_BYTES);
	assert_non_null(text);
	text[fread(text, 1, FILE_BYTES - 1, file)] = 0;
	fclose(file);
	return text;
}

static bool holds(const char *name, const char *what)
{
	char *text = text_of(name);
	bool found = text && strstr(text, what);

	free(text);
	return found;
}

/* The names in a folder, sorted, each with a blank behind it. */
static const char *names_in(const char *folder)
{
	static char names[1024];
	struct dirent **entries;
	int count = ps_sys_scandir(in_study(folder), &entries, NULL);
	size_t used = 0;

	names[0] = 0;
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			used += (size_t)snprintf(names + used, sizeof names - used, "%s ",
						 entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return names;
}

/* Makes a study's folder with results and cards. */
static void begin_study(const char *name)
{
	json_t *results = fixture(RESULTS), *cards = fixture(CARDS);

	snprintf(study, sizeof study, "%s/%s", scratch, name);
	assert_int_equal(ps_folder_make(&ps_sys_linux, in_study("runs"), NULL), 0);
	assert_int_equal(ps_folder_make(&ps_sys_linux, in_study("features"), NULL), 0);
	store("results.json", results);
	store("runs/cards.json", cards);
	json_decref(results);
	json_decref(cards);
}

/* Runs the command. With drawing = false there is no gnuplot. */
static int report(bool replace, bool drawing)
{
	json_t *result = NULL;
	int rc;

	session.diag.text[0] = 0;
	setenv("PATH", drawing ? path_variable : scratch, 1);
	rc = ps_run_report(&session, &(ps_report_args){.folder = study, .replace = replace},
			   &result);
	setenv("PATH", path_variable, 1);
	json_decref(result);
	return rc;
}

static void refused(int rc, const char *says)
{
	assert_int_equal(report(false, false), rc);
	if (!strstr(session.diag.text, says))
		print_error("%s\n", session.diag.text);
	assert_non_null(strstr(session.diag.text, says));
}

/* --- names --- */

/* Gives the first model a name, wherever it stands. */
static void rename_model(json_t *value, const char *name)
{
	json_t *item;
	const char *key;
	size_t i;

	json_object_foreach (value, key, item) {
		const char *text = json_string_value(item);

		if (text && !strcmp(text, "gemma-2-2b"))
			assert_int_equal(json_string_set(item, name), 0);
		rename_model(item, name);
	}
	json_array_foreach (value, i, item)
		rename_model(item, name);
}

static void names_are_escaped_in_every_file(void **state)
{
	static const char name[] = "=a\"b<c>&]]> id='x' `d` %d \\n \a\xef\xbf\xbf";
	json_t *results = fixture(RESULTS);

	(void)state;
	begin_study(ODD);
	rename_model(results, name);
	store("results.json", results);
	json_decref(results);
	assert_int_equal(report(false, true), 0);
	assert_true(holds("tables/models.csv", "\"=a\"\"b<c>&]]> id='x' `d` %d \\n "));
	assert_true(
		holds("report.html", "=a&quot;b&lt;c&gt;&amp;]]&gt; id=&#39;x&#39; `d` %d \\n "));
	assert_true(holds("features/_a_b_c______id__x___d___d__n_____-wanda-0.5.html",
			  "=a&quot;b&lt;c&gt;&amp;]]&gt; id=&#39;x&#39; `d` %d \\n "));
	if (!holds("report.html", "<svg"))
		skip(); /* there is no gnuplot */
	assert_true(holds("figures/perplexity.svg", "=a\"b&lt;c>&amp;]]&gt; id='x' `d` %d \\n "));
	assert_true(holds("report.html", "=a\"b&lt;c>&amp;]]&gt; id='x' `d` %d \\n "));
}

/* --- cards --- */

static void each_file_of_cards_has_a_page(void **state)
{
	static const char *const pages =
		"gemma-2-2b-wanda-0.3.html gemma-2-2b-wanda-0.5.html gemma3_1b-frozen-decoder.html "
		"gemma3_1b-wanda-0.5.html notes.html ";
	char *first, *second;

	(void)state;
	begin_study("pages");
	store_text("features/notes.html", "<p>my notes</p>\n");
	store_text("features/llama-gone.html",
		   "<meta name=\"generator\" content=\"prunescope\">\n");
	assert_int_equal(report(false, false), 0);
	/* A page that an earlier report left is gone; what is not ours stays. */
	assert_string_equal(names_in("features"), pages);
	assert_true(holds("report.html", "href=\"features/gemma-2-2b-wanda-0.5.html\""));
	assert_true(holds("report.html", "Latent 0: kept"));
	assert_true(holds("tables/features.csv", "gemma3_1b,frozen-decoder,7,65536,4,4,3,2,27"));
	first = text_of("features/gemma-2-2b-wanda-0.5.html");
	assert_int_equal(report(false, false), 0);
	second = text_of("features/gemma-2-2b-wanda-0.5.html");
	assert_string_equal(first, second);
	free(first);
	free(second);
}

static void pages_of_others_are_kept(void **state)
{
	(void)state;
	begin_study("others");
	store_text("features/gemma3_1b-wanda-0.5.html", "<p>mine</p>\n");
	refused(PS_EUSAGE, "features/gemma3_1b-wanda-0.5.html");
	assert_true(holds("features/gemma3_1b-wanda-0.5.html", "mine"));
	assert_null(text_of("report.html"));
	assert_int_equal(report(true, false), 0);
	assert_true(holds("features/gemma3_1b-wanda-0.5.html", "Latent 0: kept"));
}

/* Two entries whose names are alike as files have a page each. */
static void alike_names_have_pages_of_their_own(void **state)
{
	json_t *results = fixture(RESULTS), *list = json_object_get(results, "features");

	(void)state;
	begin_study("alike");
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(json_object_set_new(json_array_get(list, i), "condition",
						     json_string(i ? "a/b" : "a b")),
				 0);
	store("results.json", results);
	json_decref(results);
	assert_int_equal(report(false, false), 0);
	assert_true(holds("features/gemma-2-2b-a_b.html", "gemma-2-2b, a b"));
	assert_true(holds("features/gemma-2-2b-a_b.2.html", "gemma-2-2b, a/b"));
}

static void cards_that_are_missing_or_damaged_are_refused(void **state)
{
	char *text;

	(void)state;
	begin_study("missing");
	assert_int_equal(unlink(in_study("runs/cards.json")), 0);
	refused(PS_EINPUT, "missing/runs/cards.json");
	assert_null(text_of("report.html"));
	begin_study("damaged");
	text = text_of("runs/cards.json");
	*strstr(text, "quiet") = 'Q';
	store_text("runs/cards.json", text);
	free(text);
	refused(PS_EINPUT, "damaged/runs/cards.json: is damaged");
	assert_null(text_of("report.html"));
	assert_string_equal(names_in("features"), "");
}

static void other_cards_are_refused(void **state)
{
	json_t *cards = fixture(CARDS), *results = fixture(RESULTS);

	(void)state;
	begin_study("foreign");
	assert_int_equal(
		json_object_set_new(json_object_get(cards, "classes"), "lost", json_integer(26)),
		0);
	store("runs/cards.json", cards);
	refused(PS_EINPUT, "26 latents are lost, and results.json says 27");
	assert_int_equal(json_object_set_new(cards, "taus", json_null()), 0);
	store("runs/cards.json", cards);
	refused(PS_EINPUT, "runs/cards.json: taus: a list");
	store("runs/cards.json", results);
	refused(PS_EINPUT, "runs/cards.json: no feature cards");
	json_decref(cards);
	json_decref(results);
}

static void cards_outside_of_the_folder_are_refused(void **state)
{
	static const char *const paths[] = {"../cards.json", "/tmp/cards.json", "runs/../../x", ""};

	(void)state;
	begin_study("outside");
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		json_t *results = fixture(RESULTS),
		       *entry = json_array_get(json_object_get(results, "features"), 3);

		assert_int_equal(json_object_set_new(entry, "cards", json_string(paths[i])), 0);
		store("results.json", results);
		json_decref(results);
		refused(PS_EINPUT, "features[3] has no file of cards within the folder");
	}
}

static int start(void **state)
{
	(void)state;
	path_variable = strdup(getenv("PATH"));
	session = (ps_session){.threads = 1, .memory_bytes = (size_t)1 << 30, .quiet = true};
	return mkdtemp(scratch) && path_variable ? ps_session_start(&session) : -1;
}

static int end(void **state)
{
	char line[PATH_BYTES];

	(void)state;
	ps_session_end(&session);
	free((char *)path_variable);
	snprintf(line, sizeof line, "rm -rf %s", scratch);
	return system(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_escaped_in_every_file),
		cmocka_unit_test(each_file_of_cards_has_a_page),
		cmocka_unit_test(pages_of_others_are_kept),
		cmocka_unit_test(alike_names_have_pages_of_their_own),
		cmocka_unit_test(cards_that_are_missing_or_damaged_are_refused),
		cmocka_unit_test(other_cards_are_refused),
		cmocka_unit_test(cards_outside_of_the_folder_are_refused),
	};

	return cmocka_run_group_tests(tests, start, end);
}
