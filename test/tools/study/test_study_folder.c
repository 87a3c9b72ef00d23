/* Whether a study may work in a folder: its own one, an empty one, one with its inputs. Nothing of
 * others is taken for a study's, and an input never stands where the study writes. */
#include <errno.h>
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

#include "io/file.h"
#include "test/support/support_study.h"
#include "tools/study/study_folder.h"

static test_study study;

static int set_up(void **state)
{
	(void)state;
	test_study_open(&study, "[0.3]");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	test_study_close(&study);
	return 0;
}

static ps_study_args args_of(const char *out)
{
	return (ps_study_args){.file = study.path, .out = out};
}

static void taken(const ps_study_args *args)
{
	ps_diag diag = {{0}};

	if (ps_study_folder_check(study.file, args, &diag))
		fail_msg("%s", diag.text);
}

static void refused(const ps_study_args *args, int code, const char *want)
{
	ps_diag diag = {{0}};
	int rc = ps_study_folder_check(study.file, args, &diag);

	if (rc != code || !strstr(diag.text, want))
		fail_msg("returned %d, '%s'; %d, '%s' is expected", rc, diag.text, code, want);
}

/* Refused, but not with --force or where nothing of the study's own is made there. */
static void foreign(const char *name)
{
	ps_study_args args = args_of(study.out);
	char want[300];

	snprintf(want, sizeof want, "out: holds %s, and no study of this program", name);
	refused(&args, PS_EUSAGE, want);
	args.force = true;
	taken(&args);
	args = args_of(study.out);
	args.only = "llama/tokenize";
	taken(&args);
	args = args_of(study.out);
	args.emit = "make";
	taken(&args);
	args = args_of(study.out);
	args.dry_run = true;
	taken(&args);
}

static void write_text(const char *name, const char *text)
{
	char path[300];

	test_study_write(&study, name); /* with its folders */
	snprintf(path, sizeof path, "%s/%s", study.out, name);
	assert_int_equal(ps_file_replace(&ps_sys_linux, path, text, strlen(text), NULL), 0);
}

static void make_folder(const char *name)
{
	char path[300];

	snprintf(path, sizeof path, "%s/%s", study.out, name);
	assert_int_equal(mkdir(path, 0777), 0);
}

/* --- whose folder it is --- */

static void a_new_or_empty_folder_is_taken(void **state)
{
	const ps_study_args args = args_of(study.out);

	(void)state;
	taken(&args);
	assert_int_equal(mkdir(study.out, 0777), 0);
	taken(&args);
	write_text(".hidden", "x");
	taken(&args);
}

static void other_things_are_named(void **state)
{
	(void)state;
	char text[64];

	test_study_write(&study, "notes.txt");
	foreign("notes.txt");
	snprintf(text, sizeof text, "%s/text", study.scratch);
	assert_int_equal(unlink(text), 0); /* reading it says that it is not there */
	foreign("notes.txt");
}

static void a_study_s_own_folder_is_taken(void **state)
{
	const ps_study_args args = args_of(study.out);

	(void)state;
	test_study_write(&study, "notes.txt");
	write_text("runs/llama/magnitude-0.3/prune.json", "{\"key\": 1, \"outputs\": {}}");
	taken(&args);
}

static void another_program_s_runs_are_not_a_study_s(void **state)
{
	(void)state;
	write_text("runs/1/events.log", "x");
	write_text("runs/1/.hidden/record.json", "{\"key\": 1, \"outputs\": {}}");
	foreign("runs");
	write_text("runs/config.json", "{\"key\": 1}");
	write_text("runs/metrics.json", "{\"outputs\": 1}");
	write_text("runs/broken.json", "{");
	foreign("runs");
	write_text("runs/a/b/c/record.json", "{\"key\": 1, \"outputs\": {}}"); /* too deep */
	foreign("runs");
	write_text("runs/a/b/record.json", "{\"key\": 1, \"outputs\": {}}");
	taken(&(ps_study_args){.file = study.path, .out = study.out});
}

/* Its first step was killed: there is no record yet, but nothing that others write either. */
static void what_a_first_step_has_left_is_a_study_s(void **state)
{
	const ps_study_args args = args_of(study.out);

	(void)state;
	write_text("runs/llama/tokens.safetensors", "x");
	write_text("notes.txt", "x");
	taken(&args);
}

static void locks_are_a_study_s(void **state)
{
	const ps_study_args args = args_of(study.out);

	(void)state;
	test_study_write(&study, "notes.txt");
	make_folder("locks");
	taken(&args);
}

static void a_file_called_runs_is_none(void **state)
{
	ps_study_args args = args_of(study.out);

	(void)state;
	write_text("runs", "x");
	refused(&args, PS_EUSAGE, "out/runs");
}

/* --- inputs --- */

static void link_input(const char *name, const char *to)
{
	char path[300];

	snprintf(path, sizeof path, "%s/%s", study.out, name);
	assert_int_equal(symlink(to, path), 0);
}

static void inputs_may_lie_there(void **state)
{
	ps_study_args args = args_of(study.out);
	char text[64];

	(void)state;
	snprintf(text, sizeof text, "%s/text", study.scratch);
	assert_int_equal(mkdir(study.out, 0777), 0);
	link_input("a-study.yaml", study.path);
	link_input("a-text", text);
	taken(&args);
	link_input("gone", "nowhere"); /* it is nothing that could be lost */
	taken(&args);
	write_text("b-text", "x");
	refused(&args, PS_EUSAGE, "out: holds b-text, and no study");
}

static void an_input_is_never_written_over(void **state)
{
	ps_study_args args = args_of(study.out);
	char text[64];

	(void)state;
	snprintf(text, sizeof text, "%s/text", study.scratch);
	assert_int_equal(mkdir(study.out, 0777), 0);
	link_input("results.json", text);
	refused(&args, PS_EUSAGE, "/text: is an input of this command");
	args.force = true;
	refused(&args, PS_EUSAGE, "/text: is an input of this command");
	args.out = "demo/models/llama";
	refused(&args, PS_EUSAGE, "demo/models/llama: is or holds an input");
	args.out = text;
	refused(&args, PS_EUSAGE, "/text: ");
}

static void each_input_is_looked_at(void **state)
{
	ps_study_args args = args_of(study.out);

	(void)state;
	assert_int_equal(mkdir(study.out, 0777), 0);
	link_input("report.html", study.path);
	refused(&args, PS_EUSAGE, "/study.yaml: is an input of this command");
	free(study.file->ppl.text);
	study.file->ppl.text = NULL;
	refused(&args, PS_EUSAGE, "/study.yaml: is an input of this command");
}

static void names_that_are_too_long(void **state)
{
	char endless[PATH_MAX] = "";
	ps_study_args args = args_of(endless);

	(void)state;
	/* One byte longer and the folder itself could not be named. */
	memset(endless, '/', sizeof endless - 2);
	memcpy(endless, study.out, strlen(study.out));
	strcpy(endless + sizeof endless - 2, "x");
	refused(&args, -ENAMETOOLONG, "File name too long");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_or_empty_folder_is_taken),
		TEST(other_things_are_named),
		TEST(a_study_s_own_folder_is_taken),
		TEST(another_program_s_runs_are_not_a_study_s),
		TEST(what_a_first_step_has_left_is_a_study_s),
		TEST(locks_are_a_study_s),
		TEST(a_file_called_runs_is_none),
		TEST(inputs_may_lie_there),
		TEST(an_input_is_never_written_over),
		TEST(each_input_is_looked_at),
		TEST(names_that_are_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
