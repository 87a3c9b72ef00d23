/* io/hub: finds snapshots where the library huggingface_hub puts them. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/hub.h"
#include "test/support/support_checkpoint.h"

static const char *const variables[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME",
					"XDG_CACHE_HOME", "HOME"};
#define VARIABLES (sizeof variables / sizeof *variables)
static const char *const below[] = {"", "", "/hub", "/huggingface/hub", "/.cache/huggingface/hub"};

/* Of the library transformers, before its version 5. */
static const char *const others[] = {"TRANSFORMERS_CACHE", "PYTORCH_TRANSFORMERS_CACHE",
				     "PYTORCH_PRETRAINED_BERT_CACHE"};

static char folder[256];

static int set_up(void **state)
{
	(void)state;
	ck_make_folder(folder, sizeof folder);
	for (size_t i = 0; i < VARIABLES; i++)
		unsetenv(variables[i]);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		unsetenv(others[i]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ck_remove_folder(folder);
	return 0;
}

/* Makes a folder with those above it. */
static void make(const char *path)
{
	char command[1024];

	snprintf(command, sizeof command, "mkdir -p '%s'", path);
	assert_int_equal(system(command), 0);
}

/* Makes a snapshot of org/name in a cache. ref "": none points to it. */
static void make_snapshot(const char *cache, const char *ref, const char *commit)
{
	char path[512];

	snprintf(path, sizeof path, "%s/models--org--name/snapshots/%s", cache, commit);
	make(path);
	snprintf(path, sizeof path, "%s/models--org--name/refs/%s", cache, ref);
	*strrchr(path, '/') = 0;
	make(path);
	if (*ref)
		ck_write_text(path, strrchr(ref, '/') ? strrchr(ref, '/') + 1 : ref, commit);
}

static void finds(const char *id, const char *end)
{
	char path[PATH_MAX];
	ps_diag diag = {{0}};

	if (ps_hub_snapshot(id, path, &diag))
		fail_msg("%s: %s", id, diag.text);
	if (strlen(path) < strlen(end) || strcmp(path + strlen(path) - strlen(end), end))
		fail_msg("%s: found %s, expected ...%s", id, path, end);
}

static void refuses(const char *id, const char *want)
{
	char path[PATH_MAX];
	ps_diag diag = {{0}};
	int rc = ps_hub_snapshot(id, path, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, want))
		fail_msg("%s: %d '%s'; '%s' is expected", id, rc, diag.text, want);
}

static void ids_are_words_with_a_revision(void **state)
{
	static const char *const good[] = {"a",        "a/b",    "org/tiny-1.5_b",
					   "a/b@main", "a@v1.0", "a/b@refs/pr/1"};
	static const char *const bad[] = {"",         "/a",       "a/",   "a//b", "a/b/c",
					  "../a",     "a/.b",     "-a/b", "a b",  "a/b@",
					  "a/b@../c", "a/b@c//d", "@a",   "a@b@c"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(ps_hub_is_id(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(ps_hub_is_id(bad[i]));
}

/* The variables are set one by one, the weakest first. Each wins over those before it. */
static void the_strongest_variable_says_where_the_cache_is(void **state)
{
	char cache[512], commit[32], end[64];

	(void)state;
	for (size_t i = VARIABLES; i-- > 0;) {
		snprintf(cache, sizeof cache, "%s/%zu", folder, i);
		setenv(variables[i], cache, 1);
		snprintf(cache, sizeof cache, "%s/%zu%s", folder, i, below[i]);
		snprintf(commit, sizeof commit, "commit%zu", i);
		make_snapshot(cache, "main", commit);
		snprintf(end, sizeof end, "/snapshots/%s", commit);
		finds("org/name", end);
	}
	setenv("HF_HUB_CACHE", "", 1);
	finds("org/name", "/snapshots/commit1");
}

static void variables_of_transformers_come_first_where_the_model_is(void **state)
{
	char cache[512];

	(void)state;
	snprintf(cache, sizeof cache, "%s/hub", folder);
	make_snapshot(cache, "main", "hub");
	setenv("HF_HUB_CACHE", cache, 1);
	for (size_t i = sizeof others / sizeof *others; i-- > 0;) {
		setenv(others[i], "/nowhere", 1);
		finds("org/name", "/hub/models--org--name/snapshots/hub");
		snprintf(cache, sizeof cache, "%s/other%zu", folder, i);
		setenv(others[i], cache, 1);
		make_snapshot(cache, "main", "own");
		snprintf(cache, sizeof cache, "/other%zu/models--org--name/snapshots/own", i);
		finds("org/name", cache);
	}
	setenv(others[0], "", 1);
	finds("org/name", "/other1/models--org--name/snapshots/own");
}

static void tildes_and_variables_in_the_path_are_expanded(void **state)
{
	char cache[512];

	(void)state;
	snprintf(cache, sizeof cache, "%s/home/hf/hub", folder);
	make_snapshot(cache, "main", "abc");
	snprintf(cache, sizeof cache, "%s/home", folder);
	setenv("HOME", cache, 1);
	setenv("HF_HOME", "~/hf", 1);
	finds("org/name", "/home/hf/hub/models--org--name/snapshots/abc");
	setenv("HF_HOME", "$HOME/hf", 1);
	finds("org/name", "/home/hf/hub/models--org--name/snapshots/abc");
	setenv("PS_TEST_PLACE", "hf", 1);
	setenv("HF_HOME", "${HOME}/${PS_TEST_PLACE}", 1);
	finds("org/name", "/home/hf/hub/models--org--name/snapshots/abc");
	setenv("HF_HOME", "/$PS_TEST_UNSET/~", 1);
	refuses("org/name", "/$PS_TEST_UNSET/~/hub");
}

static void revisions_are_branches_tags_and_commits(void **state)
{
	(void)state;
	setenv("HF_HUB_CACHE", folder, 1);
	make_snapshot(folder, "main", "aaa");
	make_snapshot(folder, "v1.0", "bbb");
	make_snapshot(folder, "refs/pr/7", "ccc");
	finds("org/name", "/snapshots/aaa");
	finds("org/name@v1.0", "/snapshots/bbb");
	finds("org/name@refs/pr/7", "/snapshots/ccc");
	finds("org/name@ccc", "/snapshots/ccc");
	refuses("org/name@ddd", "snapshots/ddd");
}

static void the_only_snapshot_needs_no_branch(void **state)
{
	(void)state;
	setenv("HF_HUB_CACHE", folder, 1);
	make_snapshot(folder, "", "aaa");
	finds("org/name", "/snapshots/aaa");
	make_snapshot(folder, "", "bbb");
	refuses("org/name", "several snapshots (aaa, bbb)");
	refuses("org/name", "org/name@aaa");
	finds("org/name@bbb", "/snapshots/bbb");
}

static void a_branch_that_is_no_file_is_refused_at_once(void **state)
{
	char path[512];

	(void)state;
	setenv("HF_HUB_CACHE", folder, 1);
	make_snapshot(folder, "", "aaa");
	snprintf(path, sizeof path, "%s/models--org--name/refs/main", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuses("org/name", "not a regular file");
	assert_int_equal(unlink(path) || mkdir(path, 0700), 0);
	refuses("org/name", "is a folder");
	assert_int_equal(rmdir(path) || symlink("nowhere", path), 0);
	refuses("org/name", "a link to nowhere");
	unlink(path);
	snprintf(path, sizeof path, "%s/models--org--name/refs", folder);
	ck_write_text(path, "main", "../../elsewhere\n");
	refuses("org/name", "holds no revision");
	ck_write_text(path, "main", "");
	refuses("org/name", "holds no revision");
}

static void paths_that_are_too_long_are_refused(void **state)
{
	static char long_path[PATH_MAX + 100];
	char value[PATH_MAX + 200];
	char id[512];

	(void)state;
	memset(long_path, 'x', sizeof long_path - 1);
	long_path[0] = '/';
	memset(id, 'a', sizeof id - 1);
	id[sizeof id - 1] = 0;
	assert_false(ps_hub_is_id(id));
	setenv("HOME", long_path, 1);
	refuses("org/name", "too long"); /* HOME/.cache */
	setenv("HF_HOME", "~/hf", 1);
	refuses("org/name", "too long");
	setenv("PS_TEST_PLACE", long_path, 1);
	setenv("HF_HOME", "/a/${PS_TEST_PLACE}/hf", 1);
	refuses("org/name", "too long");
	setenv("HF_HUB_CACHE", long_path, 1);
	refuses("org/name", "too long");
	long_path[PATH_MAX - 10] = 0; /* the cache fits, its repositories do not */
	setenv("HF_HUB_CACHE", long_path, 1);
	refuses("org/name", "too long");
	/* What is no variable stays as it is. */
	snprintf(value, sizeof value, "%s/$%s", folder, "{HOME");
	setenv("HF_HUB_CACHE", value, 1);
	refuses("org/name", "/${HOME");
	snprintf(value, sizeof value, "%s/~", folder);
	setenv("HF_HUB_CACHE", value, 1);
	refuses("org/name", "/~");
	setenv("HF_HUB_CACHE", "~other/hub", 1);
	refuses("org/name", "~other/hub");
	unsetenv("HOME");
	setenv("HF_HUB_CACHE", "~/hub", 1);
	refuses("org/name", "~/hub");
	setenv("HF_HUB_CACHE", "", 1);
	setenv("HF_HOME", "", 1);
	refuses("org/name", "no Hugging Face cache");
}

static void more_than_two_snapshots_and_odd_ones_are_told(void **state)
{
	char path[512];

	(void)state;
	setenv("HF_HUB_CACHE", folder, 1);
	make_snapshot(folder, "", "aaa");
	make_snapshot(folder, "", "bbb");
	make_snapshot(folder, "", "ccc");
	refuses("org/name", "several snapshots (aaa, bbb, ...)");
	refuses("name", "models--name"); /* an id of one word has no organisation */
	snprintf(path, sizeof path, "%s/models--org--two/snapshots/-odd", folder);
	make(path);
	refuses("org/two", "org/two");
	snprintf(path, sizeof path, "%s/models--org--three/snapshots", folder);
	make(path);
	ck_write_text(path, "aaa", "a file");
	refuses("org/three", "snapshots/aaa");
	snprintf(path, sizeof path, "%s/models--org--four/snapshots", folder);
	make(path);
	refuses("org/four", "and no snapshot");
	assert_int_equal(rmdir(path), 0);
	refuses("org/four", "and no snapshot");
	*strrchr(path, '/') = 0;
	ck_write_text(path, "snapshots", "a file");
	refuses("org/four", "snapshots: Not a directory");
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_words_with_a_revision),
		in_folder(the_strongest_variable_says_where_the_cache_is),
		in_folder(variables_of_transformers_come_first_where_the_model_is),
		in_folder(tildes_and_variables_in_the_path_are_expanded),
		in_folder(revisions_are_branches_tags_and_commits),
		in_folder(the_only_snapshot_needs_no_branch),
		in_folder(a_branch_that_is_no_file_is_refused_at_once),
		in_folder(paths_that_are_too_long_are_refused),
		in_folder(more_than_two_snapshots_and_odd_ones_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
