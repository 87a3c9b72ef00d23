/* tools/shardinfo, run as users run it: what it shows, what it finds, and its exit status.
 * SHARDINFO names another binary. */
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

#include "core/base/bitmap.h"
#include "core/base/rng.h"
#include "io/cache_store.h"
#include "io/sealed_json.h"
#include "test/support/support_sys_double.h"

#define ROWS 40
#define WIDTH 4

static const char *tool = "tools/shardinfo";
static char scratch[256], path[400];

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static char *in_scratch(const char *name)
{
	snprintf(path, sizeof path, "%s/%s", scratch, name);
	return path;
}

/* Runs the tool on a path: its exit status; *report when asked. */
static int run_on(const char *flags, const char *which, json_t **report)
{
	char command[1000];
	json_error_t error;
	FILE *pipe;
	int status;

	snprintf(command, sizeof command, "exec '%s' %s '%s' %s", tool, flags, which,
		 report ? "2>/dev/null" : ">/dev/null 2>&1");
	pipe = popen(command, "r");
	assert_non_null(pipe);
	if (report) {
		*report = json_loadf(pipe, 0, &error);
		if (!*report)
			fail_msg("%s: line %d: %s", command, error.line, error.text);
	}
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(const char *flags, const char *name, json_t **report)
{
	return run_on(flags, in_scratch(name), report);
}

static const json_t *file_of(const json_t *report, const char *name)
{
	size_t i;
	json_t *file;

	json_array_foreach (json_object_get(report, "files"), i, file) {
		const char *whole = json_string_value(json_object_get(file, "path"));

		if (!strcmp(whole + strlen(whole) - strlen(name), name))
			return file;
	}
	fail_msg("%s is not in the report", name);
	return NULL;
}

static json_int_t number(const json_t *file, const char *list, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(file, list), key));
}

/* Rows of norm 2, eight windows of five rows, four shards of which the last is short. */
static void make_cache(void)
{
	json_t *provenance = json_pack("{s:s}", "command", "test");
	float values[ROWS * WIDTH];
	int32_t ids[ROWS];
	ps_cache_writer *writer;
	bool done;

	for (int i = 0; i < ROWS * WIDTH; i++) {
		values[i] = i % 2 ? 1.0f : -1.0f;
		ids[i / WIDTH] = i / WIDTH / 5;
	}
	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = in_scratch("cache"),
								 .provenance = provenance,
								 .dtype = PS_F32,
								 .rows = ROWS,
								 .width = WIDTH,
								 .shard_rows = 12},
						&done, NULL),
			 0);
	assert_int_equal(ps_cache_writer_add(writer, values, ids, ids, ids, ROWS, NULL), 0);
	assert_int_equal(ps_cache_writer_finish(writer, NULL), 0);
	ps_cache_writer_close(writer);
	json_decref(provenance);
}

static void make_artefact(const char *name, const char *kind, const json_t *extra,
			  const ps_tensor_decl *decl, const void *data, size_t bytes)
{
	ps_artefact *artefact;

	assert_int_equal(ps_artefact_create(&artefact, &ps_sys_linux,
					    &(ps_artefact_spec){.path = in_scratch(name),
								.kind = kind,
								.extra = extra,
								.tensors = decl,
								.count = 1},
					    NULL),
			 0);
	assert_int_equal(ps_artefact_write(artefact, data, bytes, NULL), 0);
	assert_int_equal(ps_artefact_commit(artefact, NULL), 0);
}

static void flip(const char *name, long at, int bit)
{
	FILE *file = fopen(in_scratch(name), "r+b");
	int byte;

	assert_non_null(file);
	fseek(file, at, SEEK_SET);
	byte = fgetc(file);
	fseek(file, at, SEEK_SET);
	fputc(byte ^ 1 << bit, file);
	assert_int_equal(fclose(file), 0);
}

/* --- what it shows --- */

static void shows_a_cache_with_its_statistics(void **state)
{
	json_t *report;
	const json_t *shard, *folder;

	(void)state;
	make_cache();
	assert_int_equal(run("--json --verify", "cache", &report), 0);
	assert_int_equal(json_array_size(json_object_get(report, "files")), 4);
	folder = json_array_get(json_object_get(report, "folders"), 0);
	assert_true(json_is_true(json_object_get(folder, "complete")));
	shard = file_of(report, "shard-00003.safetensors");
	assert_string_equal(json_string_value(json_object_get(shard, "kind")), "activations");
	assert_string_equal(json_string_value(json_object_get(shard, "checksums")), "right");
	assert_true(json_is_true(json_object_get(shard, "ok")));
	assert_int_equal(json_array_size(json_object_get(shard, "tensors")), 4);
	assert_int_equal(number(shard, "metadata", "first_row"), 36);
	assert_int_equal(number(shard, "statistics", "rows"), 4);
	assert_int_equal(number(shard, "statistics", "windows"), 1);
	assert_true(json_real_value(json_object_get(json_object_get(shard, "statistics"),
						    "mean_row_norm")) == 2.0);
	json_decref(report);
	assert_int_equal(run("", "cache", NULL), 0);
}

static void shows_the_sparsity_of_masks(void **state)
{
	static const ps_tensor_decl decl = {"w", PS_U8, 2, {3, 2}};
	json_t *extra = json_pack("{s:{s:{s:i, s:i}}}", "tensors", "w", "rows", 3, "cols", 10),
	       *report;
	const json_t *mask;
	uint8_t bits[6];

	(void)state;
	ps_bitmap_fill(bits, 3, 10);
	for (size_t c = 0; c < 10; c++)
		ps_bitmap_drop(bits + 2, c);
	make_artefact("mask", "mask", extra, &decl, bits, sizeof bits);
	assert_int_equal(run("--json", "mask", &report), 0);
	mask = file_of(report, "mask");
	assert_int_equal(number(mask, "statistics", "weights"), 30);
	assert_int_equal(number(mask, "statistics", "dropped"), 10);
	assert_true(
		json_real_value(json_object_get(json_array_get(json_object_get(mask, "tensors"), 0),
						"sparsity")) == 1 - 20.0 / 30);
	assert_string_equal(json_string_value(json_object_get(mask, "checksums")), "not read");
	json_decref(report);
	json_decref(extra);
}

static void shows_the_range_of_token_ids(void **state)
{
	static const ps_tensor_decl decl = {"tokens", PS_I32, 2, {2, 3}};
	static const int32_t ids[6] = {5, 7, 2, 900, 5, 5};
	json_t *report;

	(void)state;
	make_artefact("tokens", "tokens", NULL, &decl, ids, sizeof ids);
	assert_int_equal(run("--json", "tokens", &report), 0);
	assert_int_equal(number(file_of(report, "tokens"), "statistics", "windows"), 2);
	assert_int_equal(number(file_of(report, "tokens"), "statistics", "min_id"), 2);
	assert_int_equal(number(file_of(report, "tokens"), "statistics", "max_id"), 900);
	json_decref(report);
}

static void shows_files_and_folders_of_other_tools(void **state)
{
	static const char name[] = "test/fixtures/safetensors";
	json_t *report;
	const json_t *file;

	(void)state;
	assert_int_equal(run_on("--json --verify", name, &report), 0);
	assert_int_equal(json_array_size(json_object_get(report, "files")), 5);
	file = file_of(report, "types.safetensors");
	assert_string_equal(json_string_value(json_object_get(file, "kind")), "safetensors");
	assert_string_equal(json_string_value(json_object_get(file, "checksums")), "none");
	assert_int_equal(json_array_size(json_object_get(file, "tensors")), 8);
	json_decref(report);
	assert_int_equal(run_on("", name, NULL), 0);
}

static void shows_the_tensors_of_gguf_files(void **state)
{
	static const char name[] = "test/fixtures/gguf/types.gguf";
	const json_t *file, *tensor;
	json_t *report;

	(void)state;
	assert_int_equal(run_on("--json", name, &report), 0);
	file = file_of(report, "types.gguf");
	assert_string_equal(json_string_value(json_object_get(file, "kind")), "gguf");
	assert_string_equal(json_string_value(json_object_get(file, "checksums")), "none");
	assert_int_equal(json_array_size(json_object_get(file, "tensors")), 13);
	tensor = json_array_get(json_object_get(file, "tensors"), 12);
	assert_string_equal(json_string_value(json_object_get(tensor, "dtype")), "Q6_K");
	json_decref(report);
}

static void shows_numpy_archives_of_dictionaries(void **state)
{
	static const char name[] = "test/fixtures/dictionaries/gemma-scope-2b-pt-res";
	json_t *report;
	const json_t *file, *tensor;

	(void)state;
	assert_int_equal(run_on("--json --verify", name, &report), 0);
	assert_int_equal(json_array_size(json_object_get(report, "files")), 3);
	file = file_of(report, "average_l0_13/params.npz");
	assert_string_equal(json_string_value(json_object_get(file, "kind")), "npz");
	assert_string_equal(json_string_value(json_object_get(file, "checksums")), "right");
	assert_int_equal(json_array_size(json_object_get(file, "tensors")), 6);
	tensor = json_array_get(json_object_get(file, "tensors"), 4);
	assert_string_equal(json_string_value(json_object_get(tensor, "name")), "w_dec");
	assert_string_equal(json_string_value(json_object_get(tensor, "dtype")), "F64");
	assert_true(json_is_true(json_object_get(tensor, "fortran_order")));
	json_decref(report);
	assert_int_equal(run_on("", name, NULL), 0);
	assert_int_equal(run_on("--json",
				"test/fixtures/dictionaries/gemma-scope-2b-pt-res/layer_20/"
				"width_16k/average_l0_71/params.npz",
				&report),
			 0);
	json_decref(report);
}

static void names_in_files_do_not_steer_the_terminal(void **state)
{
	static const ps_tensor_decl decl = {"\x1b[31mred\n", PS_U8, 1, {1}};
	char command[600], text[4096] = {0};
	FILE *pipe;

	(void)state;
	make_artefact("evil", "test", NULL, &decl, "x", 1);
	snprintf(command, sizeof command, "'%s' %s", tool, in_scratch("evil"));
	pipe = popen(command, "r");
	assert_true(fread(text, 1, sizeof text - 1, pipe) > 0);
	assert_int_equal(pclose(pipe), 0);
	assert_null(strchr(text, 0x1b));
	assert_non_null(strstr(text, "?[31mred?"));
}

/* --- what it finds --- */

static void names_shard_block_and_offset_of_bad_blocks(void **state)
{
	json_t *report;
	const json_t *shard, *problem;

	(void)state;
	make_cache();
	flip("cache/shard-00001.safetensors", 4096 + 100, 3);
	assert_int_equal(run("--json", "cache", &report), 0);
	json_decref(report);
	assert_int_equal(run("--json --verify", "cache", &report), 3);
	shard = file_of(report, "shard-00001.safetensors");
	assert_false(json_is_true(json_object_get(shard, "ok")));
	assert_true(
		json_is_true(json_object_get(file_of(report, "shard-00000.safetensors"), "ok")));
	problem = json_array_get(json_object_get(shard, "problems"), 1);
	assert_int_equal(json_integer_value(json_object_get(problem, "block")), 0);
	assert_int_equal(json_integer_value(json_object_get(problem, "offset")), 4096);
	json_decref(report);
	assert_int_equal(run("--verify", "cache", NULL), 3);
}

static void finds_flipped_bits_anywhere(void **state)
{
	ps_rng rng = ps_rng_make(2, 8);
	struct stat st;

	(void)state;
	make_cache();
	assert_int_equal(stat(in_scratch("cache/shard-00000.safetensors"), &st), 0);
	for (int i = 0; i < 120; i++) {
		/* Half of them in the header's text. */
		long at = (long)ps_rng_below(&rng, i % 2 ? (uint64_t)st.st_size : 700);
		int bit = (int)ps_rng_below(&rng, 8);

		flip("cache/shard-00000.safetensors", at, bit);
		if (run("--verify", "cache/shard-00000.safetensors", NULL) != 3)
			fail_msg("bit %d of byte %ld flipped: not found", bit, at);
		flip("cache/shard-00000.safetensors", at, bit);
	}
	assert_int_equal(run("--verify", "cache", NULL), 0);
}

/* A study with a record, results and a cache. */
static void make_study(void)
{
	json_t *object = json_pack("{s:s, s:f, s:{s:i}}", "id", "llama/dense/ppl", "small", 1.5e-9,
				   "result", "tokens", 3);

	for (int i = 0; i < 3; i++) {
		static const char *const folders[] = {"", "runs", "runs/llama"};

		assert_int_equal(ps_folder_make(&ps_sys_linux, in_scratch(folders[i]), NULL), 0);
	}
	assert_int_equal(
		ps_sealed_write(&ps_sys_linux, in_scratch("runs/llama/ppl.json"), object, NULL), 0);
	assert_int_equal(ps_sealed_write(&ps_sys_linux, in_scratch("results.json"), object, NULL),
			 0);
	make_cache();
	json_decref(object);
}

static void finds_flipped_bits_in_every_json_file(void **state)
{
	static const char *const names[] = {"runs/llama/ppl.json", "results.json",
					    "cache/manifest.json"};
	static const char *const given[] = {"", "runs", "runs/llama"};
	struct stat st;
	json_t *report;

	(void)state;
	make_study();
	assert_int_equal(run("--verify --json", "", &report), 0);
	assert_string_equal(json_string_value(json_object_get(file_of(report, "ppl.json"), "kind")),
			    "record");
	assert_string_equal(
		json_string_value(json_object_get(file_of(report, "results.json"), "kind")),
		"results");
	json_decref(report);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_int_equal(stat(in_scratch(names[i]), &st), 0);
		for (long at = i; at < 8 * st.st_size; at += 31) {
			flip(names[i], at / 8, (int)(at % 8));
			if (run("--verify", "", NULL) != 3 || run("--verify", names[i], NULL) != 3)
				fail_msg("%s: bit %ld flipped: not found", names[i], at);
			flip(names[i], at / 8, (int)(at % 8));
		}
	}
	flip(names[0], 30, 1);
	for (size_t i = 0; i < sizeof given / sizeof *given; i++)
		assert_int_equal(run("--verify", given[i], NULL), 3);
	/* JSON files of others are none of its business. */
	flip(names[0], 30, 1);
	assert_int_equal(
		ps_file_replace(&ps_sys_linux, in_scratch("cache/notes.json"), "[]", 2, NULL), 0);
	assert_int_equal(ps_file_replace(&ps_sys_linux, in_scratch("config.json"), "[]", 2, NULL),
			 0);
	assert_int_equal(run("--verify", "", NULL), 0);
}

/* Its own checksums are right, and it is in the wrong place. */
static void a_file_given_by_name_is_compared_with_its_manifest(void **state)
{
	char from[PATH_MAX];

	(void)state;
	make_cache();
	snprintf(from, sizeof from, "%s/cache/shard-00001.safetensors", scratch);
	assert_int_equal(run("--verify", "cache/shard-00002.safetensors", NULL), 0);
	assert_int_equal(rename(from, in_scratch("cache/shard-00002.safetensors")), 0);
	assert_int_equal(run("--verify", "cache/shard-00002.safetensors", NULL), 3);
}

static void finds_missing_shortened_and_replaced_files(void **state)
{
	static const ps_tensor_decl decl = {"a", PS_U8, 1, {1}};
	struct stat st;

	(void)state;
	make_cache();
	assert_int_equal(stat(in_scratch("cache/shard-00000.safetensors"), &st), 0);
	assert_int_equal(truncate(in_scratch("cache/shard-00000.safetensors"), st.st_size - 1), 0);
	assert_int_equal(run("", "cache", NULL), 3);
	make_artefact("cache/shard-00000.safetensors", "activations", NULL, &decl, "x", 1);
	assert_int_equal(run("", "cache", NULL), 3);
	assert_int_equal(unlink(in_scratch("cache/shard-00000.safetensors")), 0);
	assert_int_equal(run("", "cache", NULL), 3);
}

static void a_file_that_lost_its_metadata_is_corrupt(void **state)
{
	static const char header[] =
		"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
	char bytes[sizeof header + 8] = {(char)(sizeof header - 1)};
	json_t *provenance = json_object(), *report;
	ps_folder *folder;
	bool done;

	(void)state;
	memcpy(bytes + 8, header, sizeof header - 1);
	assert_int_equal(ps_folder_begin(&folder, &ps_sys_linux,
					 &(ps_folder_spec){.path = in_scratch("out"),
							   .kind = "test",
							   .provenance = provenance},
					 &done, NULL),
			 0);
	assert_int_equal(ps_file_replace(&ps_sys_linux, in_scratch("out/a.safetensors"), bytes,
					 sizeof bytes, NULL),
			 0);
	assert_int_equal(run("--verify", "out", NULL), 0);
	assert_int_equal(ps_folder_note(folder, "a.safetensors", NULL), 0);
	ps_folder_close(folder);
	assert_int_equal(run("--json", "out", &report), 3);
	assert_non_null(strstr(
		json_string_value(json_object_get(
			json_array_get(
				json_object_get(file_of(report, "a.safetensors"), "problems"), 0),
			"what")),
		"lost its metadata"));
	json_decref(report);
	json_decref(provenance);
}

static void other_files_of_a_manifest_are_checked_too(void **state)
{
	json_t *provenance = json_object(), *report;
	ps_folder *folder;
	bool done;

	(void)state;
	assert_int_equal(ps_folder_begin(&folder, &ps_sys_linux,
					 &(ps_folder_spec){.path = in_scratch("out"),
							   .kind = "test",
							   .provenance = provenance},
					 &done, NULL),
			 0);
	assert_int_equal(ps_file_replace(&ps_sys_linux, in_scratch("out/cfg.json"), "{}", 2, NULL),
			 0);
	assert_int_equal(ps_folder_note(folder, "cfg.json", NULL), 0);
	assert_int_equal(ps_folder_finish(folder, NULL, NULL), 0);
	ps_folder_close(folder);
	assert_int_equal(run("--json --verify", "out", &report), 0);
	assert_string_equal(json_string_value(json_object_get(file_of(report, "cfg.json"), "kind")),
			    "file");
	json_decref(report);
	flip("out/cfg.json", 0, 1);
	assert_int_equal(run("--verify", "out", NULL), 3);
	assert_int_equal(
		ps_file_replace(&ps_sys_linux, in_scratch("out/manifest.json"), "{", 1, NULL), 0);
	assert_int_equal(run("", "out", NULL), 3);
	json_decref(provenance);
}

static void what_is_not_there_or_not_ours_is_exit_3(void **state)
{
	(void)state;
	assert_int_equal(run("", "missing", NULL), 3);
	assert_int_equal(run("", "", NULL), 3);
	assert_int_equal(ps_file_replace(&ps_sys_linux, in_scratch("text"), "no tensors", 10, NULL),
			 0);
	assert_int_equal(run("", "text", NULL), 3);
}

static void wrong_usage_is_exit_2_and_help_is_0(void **state)
{
	char command[600];

	(void)state;
	assert_int_equal(run("--nonsense", "x", NULL), 2);
	snprintf(command, sizeof command, "'%s' >/dev/null 2>&1", tool);
	assert_int_equal(WEXITSTATUS(system(command)), 2);
	assert_int_equal(run("--help", "x", NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shows_a_cache_with_its_statistics),
		TEST(shows_the_sparsity_of_masks),
		TEST(shows_the_range_of_token_ids),
		TEST(shows_files_and_folders_of_other_tools),
		TEST(shows_the_tensors_of_gguf_files),
		TEST(shows_numpy_archives_of_dictionaries),
		TEST(names_in_files_do_not_steer_the_terminal),
		TEST(names_shard_block_and_offset_of_bad_blocks),
		TEST(finds_flipped_bits_anywhere),
		TEST(finds_flipped_bits_in_every_json_file),
		TEST(a_file_given_by_name_is_compared_with_its_manifest),
		TEST(finds_missing_shortened_and_replaced_files),
		TEST(a_file_that_lost_its_metadata_is_corrupt),
		TEST(other_files_of_a_manifest_are_checked_too),
		TEST(what_is_not_there_or_not_ours_is_exit_3),
		TEST(wrong_usage_is_exit_2_and_help_is_0),
	};

	if (getenv("SHARDINFO"))
		tool = getenv("SHARDINFO");
	if (access(tool, X_OK)) {
		printf("%s is not built\n", tool);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
