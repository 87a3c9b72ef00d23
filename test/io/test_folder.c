/* io/folder: a folder is empty, ours and unfinished, or ours and done. Anything else is left
 * alone. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/digest.h"
#include "io/artefact.h"
#include "io/sealed_json.h"
#include "test/support/support_sys_double.h"

static char scratch[256], folder[300];
static json_t *provenance, *another;

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	snprintf(folder, sizeof folder, "%s/out", scratch);
	provenance = json_pack("{s:s, s:f}", "command", "test", "sparsity", 0.3);
	another = json_pack("{s:s, s:f}", "command", "test", "sparsity", 0.5);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	json_decref(provenance);
	json_decref(another);
	return 0;
}

static char *inside(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text)
{
	ps_diag diag = {{0}};

	if (ps_file_replace(&ps_sys_linux, inside(name), text, strlen(text), &diag))
		fail_msg("%s", diag.text);
}

static bool is_there(const char *name)
{
	return !access(inside(name), F_OK);
}

static int begin(ps_folder **out, const json_t *wanted, bool force, bool *done, ps_diag *diag)
{
	return ps_folder_begin(
		out, &ps_sys_linux,
		&(ps_folder_spec){
			.path = folder, .kind = "test", .provenance = wanted, .replace = force},
		done, diag);
}

/* The work of the tests: it writes two files, one after the other, and continues what is there. */
static int do_work(const ps_sys *sys, const json_t *wanted, bool force, ps_diag *diag)
{
	static const char *const names[] = {"one", "two"};
	json_t *extra = json_pack("{s:i}", "result", 7);
	char path[PATH_MAX];
	ps_folder *out;
	bool done = false;
	int rc = ps_folder_begin(
		&out, sys,
		&(ps_folder_spec){
			.path = folder, .kind = "test", .provenance = wanted, .replace = force},
		&done, diag);

	for (size_t i = 0; i < 2 && !rc && !done; i++) {
		if (ps_folder_has(out, names[i]))
			continue;
		snprintf(path, sizeof path, "%s/%s", ps_folder_path(out), names[i]);
		rc = ps_file_replace(sys, path, names[i], 3, diag);
		if (!rc)
			rc = ps_folder_note(out, names[i], diag);
	}
	if (!rc && !done)
		rc = ps_folder_finish(out, extra, diag);
	ps_folder_close(out);
	json_decref(extra);
	return rc;
}

static void work(const json_t *wanted, bool force)
{
	ps_diag diag = {{0}};

	if (do_work(&ps_sys_linux, wanted, force, &diag))
		fail_msg("%s", diag.text);
}

static char *manifest_text(void)
{
	char *text = NULL;
	size_t length;

	assert_int_equal(
		ps_file_read(&ps_sys_linux, inside(PS_MANIFEST), 100000, &text, &length, NULL), 0);
	return text;
}

/* --- states --- */

static void a_new_folder_is_ours_from_the_beginning(void **state)
{
	json_t *manifest;
	ps_folder *out;
	bool done = true;

	(void)state;
	assert_int_equal(begin(&out, provenance, false, &done, NULL), 0);
	assert_false(done);
	assert_int_equal(ps_folder_read_manifest(&ps_sys_linux, folder, &manifest, NULL), 0);
	assert_true(json_equal(manifest, ps_folder_manifest(out)));
	assert_true(json_equal(json_object_get(manifest, "provenance"), provenance));
	assert_false(json_is_true(json_object_get(manifest, "complete")));
	json_decref(manifest);
	ps_folder_close(out);
	ps_folder_close(NULL);
}

static void finished_work_is_left_alone(void **state)
{
	struct stat before, after;
	ps_folder *out;
	bool done = false;

	(void)state;
	work(provenance, false);
	assert_int_equal(stat(inside(PS_MANIFEST), &before), 0);
	for (int force = 0; force < 2; force++) {
		assert_int_equal(begin(&out, provenance, force, &done, NULL), 0);
		assert_true(done && ps_folder_has(out, "one") && !ps_folder_has(out, "three"));
		assert_int_equal(
			json_integer_value(json_object_get(ps_folder_manifest(out), "result")), 7);
		ps_folder_close(out);
	}
	assert_int_equal(stat(inside(PS_MANIFEST), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void missing_and_shortened_files_are_done_again(void **state)
{
	char *whole, *again;

	(void)state;
	work(provenance, false);
	whole = manifest_text();
	for (int i = 0; i < 2; i++) {
		if (i)
			assert_int_equal(truncate(inside("one"), 1), 0);
		else
			assert_int_equal(unlink(inside("two")), 0);
		work(provenance, false);
		again = manifest_text();
		assert_string_equal(whole, again);
		free(again);
		assert_true(is_there("one") && is_there("two"));
	}
	free(whole);
}

/* Replaces the folder by one that holds a single file. */
static int do_less(const json_t *wanted)
{
	char path[PATH_MAX];
	ps_folder *out;
	bool done;
	int rc = begin(&out, wanted, true, &done, NULL);

	if (rc)
		return rc;
	snprintf(path, sizeof path, "%s/less", ps_folder_path(out));
	rc = ps_file_replace(&ps_sys_linux, path, "less", 4, NULL);
	if (!rc)
		rc = ps_folder_note(out, "less", NULL);
	if (!rc)
		rc = ps_folder_finish(out, NULL, NULL);
	if (!rc)
		assert_string_equal(ps_folder_path(out), folder);
	ps_folder_close(out);
	return rc;
}

/* An unfinished replacement is gone on with, given up for another one, or left for its command. */
static void an_interrupted_replacement_is_continued_or_given_up(void **state)
{
	ps_folder *out;
	bool done;

	(void)state;
	work(another, false);
	assert_int_equal(begin(&out, provenance, true, &done, NULL), 0);
	ps_folder_close(out);
	work(another, false); /* which is done */
	assert_int_equal(scratch_count(scratch), 2);
	work(provenance, true);
	assert_int_equal(scratch_count(scratch), 1);
	assert_int_equal(scratch_count(folder), 3);
	assert_int_equal(begin(&out, another, true, &done, NULL), 0);
	ps_folder_close(out);
	scratch_remove(folder); /* by its user: what was begun is gone on with, without force */
	work(another, false);
	assert_int_equal(scratch_count(scratch), 1);
	assert_int_equal(scratch_count(folder), 3);
}

static void a_folder_named_by_dots_is_not_replaced(void **state)
{
	char dots[400];
	ps_diag diag = {{0}};
	ps_folder *out;
	bool done;

	(void)state;
	work(another, false);
	snprintf(dots, sizeof dots, "%s/.", folder);
	assert_int_equal(ps_folder_begin(&out, &ps_sys_linux,
					 &(ps_folder_spec){.path = dots,
							   .kind = "test",
							   .provenance = provenance,
							   .replace = true},
					 &done, &diag),
			 PS_EUSAGE);
	assert_non_null(strstr(diag.text, "name the folder itself"));
	snprintf(dots, sizeof dots, "%s//", folder);
	assert_int_equal(ps_folder_begin(&out, &ps_sys_linux,
					 &(ps_folder_spec){.path = dots,
							   .kind = "test",
							   .provenance = provenance,
							   .replace = true},
					 &done, NULL),
			 0);
	assert_int_equal(ps_folder_finish(out, NULL, NULL), 0);
	ps_folder_close(out);
	assert_int_equal(scratch_count(folder), 1);
	assert_int_equal(scratch_count(scratch), 1);
}

static void another_provenance_is_refused_unless_forced(void **state)
{
	ps_diag diag = {{0}};
	ps_folder *out;
	bool done;

	(void)state;
	work(another, false);
	put("kept", "not ours");
	assert_int_equal(begin(&out, provenance, false, &done, &diag), PS_EUSAGE);
	assert_null(out);
	assert_non_null(strstr(diag.text, folder));
	assert_non_null(strstr(diag.text, "another provenance"));
	assert_true(is_there("one"));
	assert_int_equal(begin(&out, provenance, true, &done, NULL), 0);
	assert_true(!done && strcmp(ps_folder_path(out), folder));
	ps_folder_close(out);
	/* The old one is whole until the new one is. */
	assert_int_equal(begin(&out, another, false, &done, NULL), 0);
	assert_true(done && is_there("one"));
	ps_folder_close(out);
	assert_int_equal(do_less(provenance), 0);
	assert_true(!is_there("one") && !is_there("two") && is_there("kept") && is_there("less"));
	assert_int_equal(scratch_count(scratch), 1);
	/* Another kind is another provenance. */
	assert_int_equal(ps_folder_begin(&out, &ps_sys_linux,
					 &(ps_folder_spec){.path = folder,
							   .kind = "other",
							   .provenance = provenance},
					 &done, NULL),
			 PS_EUSAGE);
}

static void a_folder_of_other_things_is_refused_unless_forced(void **state)
{
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_folder_make(&ps_sys_linux, folder, NULL), 0);
	put("thesis.txt", "four years");
	assert_int_equal(do_work(&ps_sys_linux, provenance, false, &diag), PS_EUSAGE);
	assert_non_null(strstr(diag.text, "not empty"));
	assert_int_equal(scratch_count(folder), 1);
	work(provenance, true);
	assert_true(is_there("thesis.txt"));
}

static void an_empty_folder_and_leftovers_of_killed_writers_are_taken(void **state)
{
	(void)state;
	assert_int_equal(ps_folder_make(&ps_sys_linux, folder, NULL), 0);
	put(".one.ps-partial", "half");
	work(provenance, false);
	assert_int_equal(scratch_count(folder), 3);
}

static void damaged_manifests_are_refused_unless_forced(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"kind\": \"test\"}",
		"{\"kind\": 3, \"files\": {}}",
		"{\"kind\": \"test\", \"files\": {\"../one\": {\"bytes\": 3, \"xxh3\": "
		"\"0123456789abcdef\"}}}",
		"{\"kind\": \"test\", \"files\": {\"a/b\": {\"bytes\": 3, \"xxh3\": "
		"\"0123456789abcdef\"}}}",
		"{\"kind\": \"test\", \"files\": {\"one\": {\"bytes\": -3, \"xxh3\": "
		"\"0123456789abcdef\"}}}",
		"{\"kind\": \"test\", \"files\": {\"one\": {\"bytes\": 3, \"xxh3\": "
		"\"0123456789ABCDEF\"}}}",
		"{\"kind\": \"test\", \"files\": {\"one\": {\"bytes\": 3}}}",
		"{\"kind\": \"test\", \"files\": {\"one\": 3}}",
	};

	(void)state;
	assert_int_equal(ps_folder_make(&ps_sys_linux, folder, NULL), 0);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		ps_diag diag = {{0}};

		put(PS_MANIFEST, texts[i]);
		assert_int_equal(do_work(&ps_sys_linux, provenance, false, &diag), PS_EINPUT);
		assert_non_null(strstr(diag.text, PS_MANIFEST));
	}
	work(provenance, true);
}

/* As versions before the checksum wrote it. */
static void a_manifest_without_a_checksum_is_refused(void **state)
{
	ps_diag diag = {{0}};
	json_t *manifest;

	(void)state;
	work(provenance, false);
	assert_int_equal(ps_folder_read_manifest(&ps_sys_linux, folder, &manifest, NULL), 0);
	assert_null(json_object_get(manifest, PS_SEAL));
	assert_int_equal(ps_file_replace_json(&ps_sys_linux, inside(PS_MANIFEST), manifest, NULL),
			 0);
	json_decref(manifest);
	assert_int_equal(do_work(&ps_sys_linux, provenance, false, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "has no checksum"));
	assert_non_null(strstr(diag.text, "--force"));
	work(provenance, true);
	assert_int_equal(ps_folder_read_manifest(&ps_sys_linux, folder, &manifest, NULL), 0);
	json_decref(manifest);
}

/* A damaged one counts as none only where the caller says so, one that cannot be read never. */
static void a_manifest_that_cannot_be_read_is_an_error(void **state)
{
	ps_diag diag = {{0}};
	json_t *manifest;

	(void)state;
	work(provenance, false);
	put(PS_MANIFEST, "{");
	assert_int_equal(ps_folder_read_manifest(&ps_sys_linux, folder, &manifest, NULL),
			 PS_EINPUT);
	assert_int_equal(ps_folder_find_manifest(&ps_sys_linux, folder, &manifest, &diag), 0);
	assert_null(manifest);
	assert_int_equal(unlink(inside(PS_MANIFEST)), 0);
	assert_int_equal(ps_folder_find_manifest(&ps_sys_linux, folder, &manifest, &diag), 0);
	assert_null(manifest);
	assert_int_equal(mkdir(inside(PS_MANIFEST), 0777), 0);
	assert_int_equal(ps_folder_find_manifest(&ps_sys_linux, folder, &manifest, &diag),
			 PS_EINPUT);
	assert_non_null(strstr(diag.text, inside(PS_MANIFEST)));
	assert_int_equal(rmdir(inside(PS_MANIFEST)), 0);
}

static void no_flipped_bit_changes_what_a_manifest_says(void **state)
{
	json_t *right, *found;
	char *text;

	(void)state;
	work(provenance, false);
	assert_int_equal(ps_folder_read_manifest(&ps_sys_linux, folder, &right, NULL), 0);
	text = manifest_text();
	for (size_t i = 0; i < 8 * strlen(text); i++) {
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
		put(PS_MANIFEST, text);
		assert_int_equal(ps_folder_read_manifest(&ps_sys_linux, folder, &found, NULL),
				 PS_EINPUT);
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
	}
	put(PS_MANIFEST, text);
	assert_int_equal(ps_folder_read_manifest(&ps_sys_linux, folder, &found, NULL), 0);
	assert_true(json_equal(right, found));
	json_decref(found);
	json_decref(right);
	free(text);
}

static void changed_files_are_dropped_when_they_are_compared(void **state)
{
	const ps_context silent = {.pool = NULL};
	ps_folder *out;
	bool done;

	(void)state;
	work(provenance, false);
	put("two", "TWO");
	assert_int_equal(begin(&out, provenance, false, &done, NULL), 0);
	assert_true(done && !ps_folder_dropped(out));
	ps_folder_close(out);
	assert_int_equal(ps_folder_begin(&out, &ps_sys_linux,
					 &(ps_folder_spec){.path = folder,
							   .kind = "test",
							   .provenance = provenance,
							   .verify = &silent},
					 &done, NULL),
			 0);
	assert_true(!done && ps_folder_has(out, "one") && !ps_folder_has(out, "two"));
	assert_string_equal(ps_folder_dropped(out), "two");
	ps_folder_close(out);
}

static void a_file_is_compared_with_its_entry(void **state)
{
	ps_diag diag = {{0}};
	json_t *manifest;

	(void)state;
	work(provenance, false);
	assert_int_equal(ps_folder_read_manifest(&ps_sys_linux, folder, &manifest, NULL), 0);
	assert_int_equal(
		ps_folder_compare(manifest, folder, "one", 3, ps_digest_of("one", 3), NULL), 0);
	assert_int_equal(
		ps_folder_compare(manifest, folder, "one", 3, ps_digest_of("two", 3), &diag),
		PS_EINPUT);
	assert_non_null(strstr(diag.text, "/one"));
	assert_int_equal(
		ps_folder_compare(manifest, folder, "one", 4, ps_digest_of("one", 3), NULL),
		PS_EINPUT);
	assert_int_equal(
		ps_folder_compare(manifest, folder, "three", 3, ps_digest_of("one", 3), NULL),
		PS_EINPUT);
	json_decref(manifest);
}

static void only_plain_names_are_noted(void **state)
{
	static const char *const names[] = {"../out/one", "", ".hidden", PS_MANIFEST, "missing"};
	ps_folder *out;
	bool done;

	(void)state;
	assert_int_equal(begin(&out, provenance, false, &done, NULL), 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_not_equal(ps_folder_note(out, names[i], NULL), 0);
	ps_folder_close(out);
}

static void folders_are_made_with_parents_and_removed(void **state)
{
	char deep[400];
	ps_diag diag = {{0}};

	(void)state;
	snprintf(deep, sizeof deep, "%s/a//b/c/", folder);
	assert_int_equal(ps_folder_make(&ps_sys_linux, deep, &diag), 0);
	assert_int_equal(ps_folder_make(&ps_sys_linux, deep, &diag), 0);
	assert_int_equal(access(deep, W_OK), 0);
	scratch_remove(folder);
	work(provenance, false);
	put(".x.ps-partial", "");
	assert_int_equal(ps_folder_remove(&ps_sys_linux, folder, &diag), 0);
	assert_int_not_equal(access(folder, F_OK), 0);
	assert_int_equal(ps_folder_remove(&ps_sys_linux, folder, &diag), 0);
	/* A file that is not ours stays, and the folder with it. */
	work(provenance, false);
	put("kept", "");
	assert_int_equal(ps_folder_remove(&ps_sys_linux, folder, &diag), 0);
	assert_int_equal(scratch_count(folder), 1);
	/* A file in the way. */
	assert_int_equal(ps_exit_code(ps_folder_make(&ps_sys_linux, inside("kept"), &diag)), 4);
	assert_int_equal(ps_exit_code(ps_folder_make(&ps_sys_linux, inside("kept/below"), NULL)),
			 4);
}

static void a_missing_parent_is_an_output_error(void **state)
{
	ps_diag diag = {{0}};

	(void)state;
	snprintf(folder, sizeof folder, "%s/missing/out", scratch);
	assert_int_equal(ps_exit_code(do_work(&ps_sys_linux, provenance, false, &diag)), 4);
	assert_non_null(strstr(diag.text, folder));
}

static void names_of_folders_that_cannot_be(void **state)
{
	char endless[PATH_MAX + 8], name[NAME_MAX + 2], dangling[400];
	ps_diag diag = {{0}};
	ps_folder *out;
	bool done;

	(void)state;
	memset(endless, 'x', sizeof endless - 1);
	endless[sizeof endless - 1] = 0;
	assert_int_equal(ps_folder_make(&ps_sys_linux, endless, NULL), -ENAMETOOLONG);
	assert_int_equal(ps_folder_begin(&out, &ps_sys_linux,
					 &(ps_folder_spec){.path = endless,
							   .kind = "test",
							   .provenance = provenance},
					 &done, NULL),
			 -ENAMETOOLONG);
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = 0;
	assert_false(ps_folder_plain_name(name));
	assert_false(ps_folder_plain_name(NULL));
	assert_true(ps_folder_plain_name(name + 1));
	snprintf(dangling, sizeof dangling, "%s/dangling", scratch);
	assert_int_equal(symlink("nowhere", dangling), 0);
	assert_int_equal(ps_exit_code(ps_folder_make(&ps_sys_linux, dangling, &diag)), 4);
	assert_non_null(strstr(diag.text, "dangling: is there and is not a folder"));
	assert_int_equal(ps_folder_make(&ps_sys_linux, folder, NULL), 0);
	put("file", "x");
	assert_int_equal(
		ps_exit_code(ps_folder_make(&ps_sys_linux, inside("file/below/deeper"), NULL)), 4);
}

/* A file of the folder that is now a folder, a link, or nothing at all. */
static void what_stands_in_a_file_s_place_is_not_the_file(void **state)
{
	ps_folder *out;
	bool done;

	(void)state;
	work(provenance, false);
	assert_int_equal(unlink(inside("one")), 0);
	assert_int_equal(mkdir(inside("one"), 0777), 0);
	assert_int_equal(begin(&out, provenance, false, &done, NULL), 0);
	assert_true(!done && !ps_folder_has(out, "one") && ps_folder_has(out, "two"));
	ps_folder_close(out);
}

/* Relative paths, of one part, of two characters, of dots. */
static void relative_paths_are_replaced_too(void **state)
{
	char *home = getcwd(NULL, 0);
	char absolute[sizeof folder];
	ps_folder *out;
	bool done;

	(void)state;
	strcpy(absolute, folder);
	assert_int_equal(chdir(scratch), 0);
	strcpy(folder, "ab");
	work(provenance, false);
	work(another, true);
	assert_int_equal(scratch_count("ab"), 3);
	assert_int_equal(scratch_count(scratch), 1);
	assert_int_equal(chdir("ab"), 0);
	strcpy(folder, "..");
	assert_int_equal(begin(&out, provenance, true, &done, NULL), PS_EUSAGE);
	assert_null(out);
	assert_int_equal(chdir(home), 0);
	strcpy(folder, absolute);
	free(home);
}

/* --- kernels and file systems that say it otherwise --- */

static ps_sys odd;
static int of_folder, of_full, of_exchange, of_rename; /* their errors */

static int odd_unlink(const char *path)
{
	int rc = ps_sys_linux.unlink(path);

	return rc == -EISDIR ? -of_folder : rc;
}

static int odd_rmdir(const char *path)
{
	int rc = ps_sys_linux.rmdir(path);

	return rc == -ENOTEMPTY ? -of_full : rc;
}

static int odd_exchange(const char *a, const char *b)
{
	return of_exchange ? -of_exchange : ps_sys_linux.exchange(a, b);
}

static int odd_rename(const char *from, const char *to)
{
	int rc = ps_sys_linux.rename(from, to);

	return rc == -ENOTEMPTY ? -of_rename : rc;
}

static void make_odd(int folder_error, int full_error)
{
	odd = ps_sys_linux;
	odd.unlink = odd_unlink;
	odd.rmdir = odd_rmdir;
	odd.exchange = odd_exchange;
	odd.rename = odd_rename;
	of_folder = folder_error;
	of_full = full_error;
	of_exchange = 0;
	of_rename = ENOTEMPTY;
}

/* A replacement that was begun and is given up holds a folder of its user. It stays. */
static int give_up_with_a_folder(ps_diag *diag)
{
	char begun[400], own[420];
	ps_folder *out;
	bool done;
	int rc;

	snprintf(begun, sizeof begun, "%s/.out.ps-new", scratch);
	snprintf(own, sizeof own, "%s/own", begun);
	work(provenance, false);
	assert_int_equal(begin(&out, another, true, &done, NULL), 0);
	ps_folder_close(out);
	assert_int_equal(mkdir(own, 0777), 0);
	rc = ps_folder_begin(
		&out, &odd,
		&(ps_folder_spec){
			.path = folder, .kind = "third", .provenance = another, .replace = true},
		&done, diag);
	if (!rc) {
		assert_string_equal(ps_folder_path(out), begun);
		assert_false(ps_folder_has(out, "one"));
		ps_folder_close(out);
	}
	assert_int_equal(access(own, F_OK), 0);
	scratch_remove(begun);
	scratch_remove(folder);
	return rc;
}

static void folders_of_others_stay_whatever_the_kernel_calls_them(void **state)
{
	static const int folder_errors[] = {EISDIR, EPERM, ENOENT, EACCES},
			 full_errors[] = {ENOTEMPTY, EEXIST, ENOENT, EACCES};

	(void)state;
	for (int i = 0; i < 4; i++) {
		ps_diag diag = {{0}};

		make_odd(folder_errors[i], ENOTEMPTY);
		assert_int_equal(give_up_with_a_folder(&diag), i == 3 ? -EACCES : 0);
		if (i == 3)
			assert_non_null(strstr(diag.text, "own: cannot be removed: Permission"));
		diag.text[0] = 0;
		make_odd(EISDIR, full_errors[i]);
		assert_int_equal(give_up_with_a_folder(&diag), i == 3 ? -EACCES : 0);
		if (i == 3)
			assert_non_null(strstr(diag.text, ".out.ps-new: cannot be removed"));
	}
}

static void a_folder_that_is_not_empty_stays(void **state)
{
	static const int full_errors[] = {ENOTEMPTY, EEXIST, ENOENT, ENOTDIR, EACCES};

	(void)state;
	for (int i = 0; i < 5; i++) {
		make_odd(EISDIR, full_errors[i]);
		work(provenance, false);
		put("kept", "x");
		assert_int_equal(ps_folder_remove(&odd, folder, NULL), i == 4 ? -EACCES : 0);
		assert_int_equal(scratch_count(folder), 1);
		scratch_remove(folder);
	}
}

static void folders_are_replaced_without_an_exchange(void **state)
{
	static const int exchange_errors[] = {EINVAL, ENOSYS, EACCES},
			 rename_errors[] = {ENOTEMPTY, EEXIST, EACCES};
	ps_diag diag = {{0}};

	(void)state;
	make_odd(EISDIR, ENOTEMPTY);
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++) {
			int rc;

			of_exchange = exchange_errors[i];
			of_rename = rename_errors[j];
			work(another, false);
			put("kept", "x");
			rc = do_work(&odd, provenance, true, &diag);
			assert_int_equal(rc, i == 2 || j == 2 ? -EACCES : 0);
			assert_true(is_there("one") && is_there("kept"));
			assert_int_equal(scratch_count(scratch), rc ? 2 : 1);
			work(provenance, true);
			assert_int_equal(scratch_count(folder), 4);
			assert_int_equal(scratch_count(scratch), 1);
			scratch_remove(folder);
		}
	assert_non_null(strstr(diag.text, "out: cannot be replaced: Permission denied"));
}

/* --- faults --- */

static int work_with_plan(void *context)
{
	sys_double_plan(*(const sys_plan *)context);
	return ps_exit_code(do_work(&sys_double, provenance, true, NULL));
}

/* Whatever happened, a whole folder is there: the old one or the new one. The latter may still
 * stand beside its place, on a file system that cannot exchange two names. */
static void assert_one_is_whole(void)
{
	json_t *manifest = NULL;
	char path[PATH_MAX];

	assert_int_equal(ps_folder_read_manifest(&ps_sys_linux, folder, &manifest, NULL), 0);
	if (!manifest) {
		snprintf(path, sizeof path, "%s/.out.ps-new", scratch);
		assert_int_equal(ps_folder_read_manifest(&ps_sys_linux, path, &manifest, NULL), 0);
	}
	assert_true(json_is_true(json_object_get(manifest, "complete")));
	json_decref(manifest);
}

/* After the fault the same command must complete the folder, with the same manifest. forced: it
 * replaces a folder of another provenance. */
static void survive(bool forced, bool kill, bool no_exchange)
{
	char *whole, *again;
	int status = -1;
	long n = 1;

	work(provenance, false);
	whole = manifest_text();
	scratch_remove(folder);
	for (; status; n++) {
		sys_plan plan = {.calls = kill ? SYS_ALL : SYS_ALL & ~SYS_CLOSE,
				 .error = EIO,
				 .no_exchange = no_exchange};

		if (kill)
			plan.kill_at = n;
		else
			plan.fail_at = n;
		if (forced)
			work(another, false);
		status = kill ? run_in_child(work_with_plan, &plan) : work_with_plan(&plan);
		if (!kill)
			assert_int_equal(sys_double_open_files(), 0);
		if (forced && status)
			assert_one_is_whole();
		/* A failure that writing anew overcame leaves no trace, nor one of a call on which
		 * nothing depends. */
		if (!status && sys_double_count() >= n && !kill)
			status = -1;
		work(provenance, true);
		again = manifest_text();
		assert_string_equal(whole, again);
		free(again);
		assert_int_equal(scratch_count(folder), 3);
		assert_int_equal(scratch_count(scratch), 1);
		scratch_remove(folder);
	}
	print_message("%s at %ld calls\n", kill ? "killed" : "failed", n - 2);
	assert_true(n > 30);
	free(whole);
}

static void whichever_call_fails_the_work_can_be_continued(void **state)
{
	(void)state;
	survive(false, false, false);
	survive(true, false, false);
	survive(true, false, true);
}

static void killed_at_any_boundary_the_work_can_be_continued(void **state)
{
	(void)state;
	survive(false, true, false);
	survive(true, true, false);
	survive(true, true, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_folder_is_ours_from_the_beginning),
		TEST(finished_work_is_left_alone),
		TEST(missing_and_shortened_files_are_done_again),
		TEST(an_interrupted_replacement_is_continued_or_given_up),
		TEST(a_folder_named_by_dots_is_not_replaced),
		TEST(another_provenance_is_refused_unless_forced),
		TEST(a_folder_of_other_things_is_refused_unless_forced),
		TEST(an_empty_folder_and_leftovers_of_killed_writers_are_taken),
		TEST(damaged_manifests_are_refused_unless_forced),
		TEST(a_manifest_without_a_checksum_is_refused),
		TEST(a_manifest_that_cannot_be_read_is_an_error),
		TEST(no_flipped_bit_changes_what_a_manifest_says),
		TEST(changed_files_are_dropped_when_they_are_compared),
		TEST(a_file_is_compared_with_its_entry),
		TEST(only_plain_names_are_noted),
		TEST(folders_are_made_with_parents_and_removed),
		TEST(a_missing_parent_is_an_output_error),
		TEST(names_of_folders_that_cannot_be),
		TEST(what_stands_in_a_file_s_place_is_not_the_file),
		TEST(relative_paths_are_replaced_too),
		TEST(folders_of_others_stay_whatever_the_kernel_calls_them),
		TEST(a_folder_that_is_not_empty_stays),
		TEST(folders_are_replaced_without_an_exchange),
		TEST(whichever_call_fails_the_work_can_be_continued),
		TEST(killed_at_any_boundary_the_work_can_be_continued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
