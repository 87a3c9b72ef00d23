/* Folders that are no cache, caches that were mixed up, and shards of other tools: taken as what
 * they are, or refused by name. */
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

#include "core/base/json_memory.h"
#include "io/cache_store.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/sealed_json.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_checkpoint.h"
#include "test/support/support_sys_double.h"

enum { ROWS = 8, WIDTH = 3 };

static char scratch[256], path[300], other[300];

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	snprintf(path, sizeof path, "%s/cache", scratch);
	snprintf(other, sizeof other, "%s/other", scratch);
	setenv("XDG_CACHE_HOME", scratch, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static int open_cache(const ps_context *verify, ps_diag *diag)
{
	ps_cache cache = {0};
	int rc = ps_cache_open(&cache, &ps_sys_linux, path, verify, diag);

	if (!rc)
		ps_cache_close(&cache);
	return rc;
}

static void refused(const char *said)
{
	ps_diag diag = {{0}};
	int rc = open_cache(NULL, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, said))
		fail_msg("%d '%s', not '%s'", rc, diag.text, said);
}

/* --- another tool's shards --- */

static void write_shard(const char *name, const char *tensor, const char *dtype, int rank,
			size_t rows, size_t cols)
{
	ck_model model = {.count = 0};

	mkdir(path, 0777);
	strcpy(ck_add(&model, tensor, dtype, rank, rows, cols)->file, name);
	ck_write_file(path, name, &model);
}

#define A "a.safetensors"
#define B "b.safetensors"

static void another_tools_shards_are_taken_in_the_order_of_their_names(void **state)
{
	ps_context context = {.diag = NULL};
	ps_cache cache;
	const uint64_t id = 4;
	float row[WIDTH];

	(void)state;
	write_shard(B, "activations", "F32", 2, 5, WIDTH);
	write_shard(A, "activations", "F32", 2, 4, WIDTH);
	ck_write_text(path, "notes.txt", "not a shard");
	ck_write_text(path, ".hidden.safetensors", "not a shard");
	ck_write_text(path, ".safetensors", "not a shard");
	assert_int_equal(ps_cache_open(&cache, &ps_sys_linux, path, &context, NULL), 0);
	assert_int_equal(cache.source.rows, 9);
	assert_int_equal(cache.shard_count, 2);
	assert_false(cache.verified);
	assert_true(cache.digest != 0);
	assert_null(ps_cache_about(&cache));
	assert_int_equal(cache.source.gather(cache.source.self, &id, 1, row, NULL), 0);
	assert_true(row[0] == ck_value("activations", 0)); /* the first row of b */
	ps_cache_close(&cache);
}

/* Of one tensor the name does not count. */
static void of_several_tensors_one_must_be_the_activations(void **state)
{
	ck_model model = {.count = 0};

	(void)state;
	mkdir(path, 0777);
	strcpy(ck_add(&model, "weights", "F32", 2, 4, 3)->file, A);
	strcpy(ck_add(&model, "biases", "F32", 2, 4, 3)->file, A);
	ck_write_file(path, A, &model);
	refused("has no tensor activations");
}

static void shards_that_hold_no_rows_are_refused(void **state)
{
	static const struct {
		const char *tensor, *dtype;
		int rank;
		size_t rows, cols;
		const char *said;
	} cases[] = {
		{"activations", "I32", 2, 4, 3, "must be F32, BF16 or F16"},
		{"activations", "U8", 2, 4, 3, "must be F32, BF16 or F16"},
		{"activations", "F32", 1, 0, 3, "must be F32, BF16 or F16"},
		{"activations", "F32", 2, 0, 3, "neither 0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		write_shard(A, cases[i].tensor, cases[i].dtype, cases[i].rank, cases[i].rows,
			    cases[i].cols);
		refused(cases[i].said);
	}
}

static void shards_that_do_not_fit_together_are_refused(void **state)
{
	(void)state;
	write_shard(A, "activations", "F32", 2, 4, 3);
	write_shard(B, "activations", "BF16", 2, 4, 3);
	refused("BF16, width 3; the shards before: F32, width 3");
	write_shard(B, "activations", "F32", 2, 4, 2);
	refused("F32, width 2; the shards before: F32, width 3");
}

static void what_is_no_folder_of_shards_is_refused(void **state)
{
	(void)state;
	refused("not a folder that can be read");
	assert_int_equal(mkdir(path, 0777), 0);
	refused("holds no .safetensors files");
	ck_write_text(path, A, "not a shard at all");
	refused(A);
}

static void a_folder_of_something_else_is_named(void **state)
{
	static const char name[] = "model.safetensors";
	ck_model model = {.count = 0};

	(void)state;
	mkdir(path, 0777);
	strcpy(ck_add(&model, "model.norm.weight", "F32", 2, 4, 3)->file, name);
	strcpy(ck_add(&model, "model.embed_tokens.weight", "F32", 2, 4, 3)->file, name);
	ck_write_file(path, name, &model);
	refused("holds model.safetensors, a model, no activations: `prunescope cache`");
}

static int open_verified(void *context)
{
	ps_context verify = {.diag = NULL};

	(void)context;
	return open_cache(&verify, NULL);
}

static void forget(void *context)
{
	char memory[400];

	(void)context;
	snprintf(memory, sizeof memory, "%s/prunescope/file-digests", scratch);
	unlink(memory);
}

static void no_memory_for_many_shards_is_told(void **state)
{
	(void)state;
	for (int i = 0; i < 70; i++) {
		char name[32];

		snprintf(name, sizeof name, "%02d.safetensors", i);
		write_shard(name, "activations", "F32", 2, 1, 2);
	}
	assert_true(alloc_double_sweep(forget, open_verified, NULL) > 140);
}

/* --- ours --- */

/* A cache of two shards whose provenance names this command. */
static void write_cache(const char *where, const char *command)
{
	static const int32_t column[ROWS];
	float values[ROWS * WIDTH] = {0};
	json_t *provenance = json_pack("{s:s}", "command", command);
	ps_cache_writer *writer;
	bool done;

	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = where,
								 .provenance = provenance,
								 .dtype = PS_F32,
								 .rows = ROWS,
								 .width = WIDTH,
								 .shard_rows = ROWS / 2},
						&done, NULL),
			 0);
	assert_int_equal(ps_cache_writer_add(writer, values, column, column, column, ROWS, NULL),
			 0);
	assert_int_equal(ps_cache_writer_finish(writer, NULL), 0);
	ps_cache_writer_close(writer);
	json_decref(provenance);
}

#define FIRST "shard-00000.safetensors"
#define SECOND "shard-00001.safetensors"

static void put_in_place(const char *from_folder, const char *from, const char *to)
{
	char command[1024];

	snprintf(command, sizeof command, "cp '%s/%s' '%s/%s'", from_folder, from, path, to);
	assert_int_equal(system(command), 0);
}

static void shards_that_were_mixed_up_are_refused(void **state)
{
	(void)state;
	write_cache(path, "cache");
	write_cache(other, "other");
	put_in_place(path, FIRST, SECOND);
	refused("begins with row 0, the shards before end at 4");
	put_in_place(other, SECOND, SECOND);
	refused("belongs to another cache");
	write_shard(SECOND, "activations", "F32", 2, 4, 3);
	refused("the manifest says");
}

static void shards_without_their_manifest_must_agree(void **state)
{
	char manifest[400];

	(void)state;
	write_cache(path, "cache");
	write_cache(other, "other");
	snprintf(manifest, sizeof manifest, "%s/" PS_MANIFEST, path);
	assert_int_equal(unlink(manifest), 0);
	assert_int_equal(open_cache(NULL, NULL), 0);
	put_in_place(other, SECOND, SECOND);
	refused("belongs to another cache");
	write_shard(SECOND, "activations", "F32", 2, 4, 3);
	refused("belongs to another cache");
}

/* Changes the manifest, and seals it again. */
static void set_in_manifest(const char *key, json_t *value)
{
	char name[400];
	json_t *manifest;

	snprintf(name, sizeof name, "%s/" PS_MANIFEST, path);
	assert_int_equal(ps_sealed_read(&ps_sys_linux, name, 1 << 20, &manifest, NULL), 0);
	assert_int_equal(json_object_set_new(manifest, key, value), 0);
	assert_int_equal(ps_sealed_write(&ps_sys_linux, name, manifest, NULL), 0);
	json_decref(manifest);
}

static void a_manifest_that_says_otherwise_is_refused(void **state)
{
	(void)state;
	write_cache(path, "cache");
	set_in_manifest("rows", json_integer(ROWS + 1));
	refused("");
	set_in_manifest("rows", json_string("8"));
	refused("");
	set_in_manifest("rows", json_integer(ROWS));
	assert_int_equal(open_cache(NULL, NULL), 0);
	set_in_manifest("complete", json_false());
	refused("is not finished");
	set_in_manifest("complete", json_true());
	set_in_manifest("kind", json_string("sae"));
	refused("holds sae, no activations");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_tools_shards_are_taken_in_the_order_of_their_names),
		TEST(of_several_tensors_one_must_be_the_activations),
		TEST(shards_that_hold_no_rows_are_refused),
		TEST(shards_that_do_not_fit_together_are_refused),
		TEST(what_is_no_folder_of_shards_is_refused),
		TEST(a_folder_of_something_else_is_named),
		TEST(no_memory_for_many_shards_is_told),
		TEST(shards_that_were_mixed_up_are_refused),
		TEST(shards_without_their_manifest_must_agree),
		TEST(a_manifest_that_says_otherwise_is_refused),
	};

	ps_json_memory_watch();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
