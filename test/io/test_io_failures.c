/* Every file format of io/, written and read while an allocation or a system call fails: for each
 * of them in turn. The failure is told, and nothing stays open or in memory. No wrong value is
 * taken for a right one. The same work succeeds afterwards. */
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
#include <xxhash.h>

#include "core/base/json_memory.h"
#include "core/base/rng.h"
#include "io/cache_shuffle.h"
#include "io/checkpoint.h"
#include "io/edit_file.h"
#include "io/edit_writer.h"
#include "io/file.h"
#include "io/file_set.h"
#include "io/folder.h"
#include "io/gguf_tokenizer.h"
#include "io/known_digest.h"
#include "io/row_ahead.h"
#include "io/row_filter.h"
#include "io/sealed_json.h"
#include "io/stats_file.h"
#include "io/text_file.h"
#include "io/token_file.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_checkpoint.h"
#include "test/support/support_sys_double.h"

enum { ROWS = 12, WIDTH = 5, SHARD_ROWS = 6 };

#define GGUF "test/fixtures/gguf/"

static char scratch[256], path[300];
static json_t *provenance;
static ps_model_config config;
static ps_diag message;
static const sys_plan calm = {.no_sync = true};

/* What was written is another thing than what is read: no failure may do that. */
static int must_hold(bool right)
{
	assert_true(right || ps_json_memory_check(NULL));
	return 0;
}

/* An empty scratch folder, and the path of the output in it. */
static void begin(void *context)
{
	(void)context;
	scratch_remove(scratch);
	assert_int_equal(mkdir(scratch, 0777), 0);
	setenv("XDG_CACHE_HOME", scratch, 1);
	setenv("HF_HUB_CACHE", scratch, 1);
}

/* --- the attempts --- */

static int token_file(void *context)
{
	static const int32_t ids[6] = {5, 0, 3, 1, 4, 2};
	ps_token_file tokens;
	int rc = ps_token_file_write(&sys_double, path, ids, 2, 3, provenance, context);

	if (!rc)
		rc = ps_token_file_open(&tokens, &sys_double, path, context);
	if (rc)
		return rc;
	rc = must_hold(tokens.windows == 2 && tokens.window == 3 && tokens.verified &&
		       !memcmp(tokens.ids, ids, sizeof ids));
	ps_token_file_close(&tokens);
	return rc;
}

static int mask_file(void *context)
{
	static const uint8_t bits[64] = {0x5a, 0, 0x33};
	ps_edit_writer *writer;
	ps_edit_totals totals;
	ps_edit_file mask;
	size_t rows, cols;
	int rc = ps_edit_writer_create(
		&writer, &sys_double,
		&(ps_edit_spec){
			.path = path, .config = &config, .provenance = provenance, .sparsity = 0.5},
		context);

	if (rc)
		return rc;
	for (int i = 0; i < (int)config.layers * PS_PROJECTIONS && !rc; i++) {
		const ps_projection p = (ps_projection)(i % PS_PROJECTIONS);

		ps_projection_shape(&config, p, &rows, &cols);
		rc = ps_edit_writer_add(writer, i / PS_PROJECTIONS, p,
					&(ps_bitmap){bits, rows, cols}, context);
	}
	if (rc)
		ps_edit_writer_abort(writer);
	else
		rc = ps_edit_writer_commit(writer, &totals, context);
	if (!rc)
		rc = ps_edit_file_open(&mask, &sys_double, path, &config, NULL, context);
	if (rc)
		return rc;
	rc = must_hold(totals.tensors == config.layers * PS_PROJECTIONS &&
		       ps_edit_file_totals(&mask.file).dropped == totals.dropped &&
		       ps_edit_file_find(&mask, 1, PS_DOWN).keep[0] == 0x5a);
	ps_edit_file_close(&mask);
	return rc;
}

static int stats_file(void *context)
{
	static double mean[PS_INPUTS][64], found[64];
	ps_stats_spec spec = {
		.path = path, .config = &config, .provenance = provenance, .tokens = 3};
	ps_stats_file stats;
	int rc;

	for (int i = 0; i < PS_INPUTS; i++) {
		for (int c = 0; c < 64; c++)
			mean[i][c] = i + c / 4.0;
		spec.mean[i] = mean[i];
	}
	rc = ps_stats_file_write(&sys_double, &spec, context);
	if (!rc)
		rc = ps_stats_file_open(&stats, &sys_double, path, &config, NULL, context);
	if (rc)
		return rc;
	ps_stats_file_read(&stats, 0, (ps_input)1, found);
	rc = must_hold(found[3] == mean[1][3]);
	ps_stats_file_close(&stats);
	return rc;
}

static int sealed_json(void *context)
{
	json_t *found = NULL;
	int rc = ps_sealed_write(&sys_double, path, provenance, context);

	if (!rc)
		rc = ps_sealed_read(&sys_double, path, 1 << 20, &found, context);
	if (rc)
		return rc;
	rc = must_hold(json_equal(found, provenance));
	json_decref(found);
	return rc;
}

static int file_set(void *context)
{
	char first[320], second[320], *text = NULL;
	size_t length;
	ps_file_set *set = ps_file_set_create(&sys_double);
	int rc;

	if (!set)
		return ps_fail(context, PS_EBUDGET, "no memory for a set of files");
	snprintf(first, sizeof first, "%s.a", path);
	snprintf(second, sizeof second, "%s.b", path);
	if ((rc = ps_file_set_add(set, first, "first", 5, context)) ||
	    (rc = ps_file_set_add(set, second, "second", 6, context)) ||
	    (rc = ps_file_set_remove(set, path, context)))
		ps_file_set_drop(set);
	else
		rc = ps_file_set_keep(set, context);
	if (!rc)
		rc = ps_file_read(&sys_double, second, 100, &text, &length, context);
	if (!rc)
		rc = must_hold(length == 6 && !memcmp(text, "second", 6));
	free(text);
	return rc;
}

static int text_file(void *context)
{
	ps_text_file file;
	int rc = ps_file_replace(&sys_double, path, "some text", 9, context);

	if (!rc)
		rc = ps_text_file_open(&file, path, 100, context);
	if (rc)
		return rc;
	rc = must_hold(file.length == 9 && !memcmp(file.text, "some text", 9));
	ps_text_file_close(&file);
	return rc;
}

/* A folder with two files, which replaces another one with `replace`. */
static int fill_folder(const char *kind, bool replace, ps_diag *diag)
{
	const ps_folder_spec spec = {
		.path = path, .kind = kind, .provenance = provenance, .replace = replace};
	ps_folder *folder;
	bool done;
	int rc = ps_folder_begin(&folder, &sys_double, &spec, &done, diag);

	if (rc)
		return rc;
	for (int i = 0; i < 2 && !done && !rc; i++) {
		const char *name = i ? "b" : "a";
		char file[400];

		snprintf(file, sizeof file, "%s/%s", ps_folder_path(folder), name);
		if (!(rc = ps_file_replace(&sys_double, file, kind, strlen(kind), diag)))
			rc = ps_folder_note(folder, name, diag);
	}
	if (!done && !rc)
		rc = ps_folder_finish(folder, provenance, diag);
	ps_folder_close(folder);
	return rc;
}

static int folder_replaced(void *context)
{
	uint64_t bytes, digest;
	char file[400];
	json_t *manifest;
	int rc;

	if ((rc = fill_folder("old", true, context)) || (rc = fill_folder("newer", true, context)))
		return rc;
	snprintf(file, sizeof file, "%s/a", path);
	if ((rc = ps_file_digest(&sys_double, file, &bytes, &digest, context)) ||
	    (rc = ps_folder_read_manifest(&sys_double, path, &manifest, context)))
		return rc;
	rc = ps_folder_compare(manifest, path, "a", bytes, digest, context);
	json_decref(manifest);
	return rc ? rc : must_hold(bytes == 5);
}

static int folder_removed(void *context)
{
	int rc = fill_folder("gone", false, context);

	if (!rc)
		rc = ps_folder_remove(&sys_double, path, context);
	return rc ? rc : must_hold(access(path, F_OK) != 0);
}

/* The same work begun again, with its files compared: nothing is left to do. */
static int folder_found(void *context)
{
	const ps_context verify = {.diag = context};
	const ps_folder_spec spec = {
		.path = path, .kind = "kept", .provenance = provenance, .verify = &verify};
	ps_folder *folder;
	bool done;
	int rc = fill_folder("kept", false, context);

	if (!rc)
		rc = ps_folder_begin(&folder, &sys_double, &spec, &done, context);
	if (rc)
		return rc;
	rc = must_hold(done && !ps_folder_dropped(folder));
	ps_folder_close(folder);
	return rc;
}

/* Begins to replace a folder, stops after the first file, and begins with something else, which
 * takes the place of the old folder at once. */
static int folder_given_up(void *context)
{
	const ps_folder_spec half = {.path = path,
				     .kind = "half",
				     .provenance = provenance,
				     .replace = true},
			     last = {.path = path,
				     .kind = "last",
				     .provenance = provenance,
				     .replace = true,
				     .old_first = true};
	ps_folder *folder;
	bool done;
	int rc = fill_folder("old", true, context);

	if (!rc)
		rc = ps_folder_begin(&folder, &sys_double, &half, &done, context);
	if (rc)
		return rc;
	ps_folder_close(folder);
	rc = ps_folder_begin(&folder, &sys_double, &last, &done, context);
	if (rc)
		return rc;
	rc = ps_folder_finish(folder, NULL, context);
	ps_folder_close(folder);
	return rc;
}

/* A folder behind a link, named with slashes at the end. */
static int folder_linked(void *context)
{
	char real[320], link[340];
	int rc;

	snprintf(real, sizeof real, "%s.real", path);
	snprintf(link, sizeof link, "%s//", path);
	if (mkdir(real, 0777) && errno != EEXIST)
		return ps_fail(context, PS_EOUTPUT, "no folder");
	if (symlink(real, path) && errno != EEXIST)
		return ps_fail(context, PS_EOUTPUT, "no link");
	rc = fill_folder("old", true, context);
	if (!rc)
		rc = fill_folder("newer", true, context);
	if (!rc)
		rc = ps_folder_remove(&sys_double, link, context);
	return rc ? rc : must_hold(!access(real, F_OK)); /* the empty folder stays */
}

static int known_digests(void *context)
{
	char other[320];
	ps_known_file files[2] = {{.path = path}, {.path = other}};
	int rc;

	snprintf(other, sizeof other, "%s.other", path);
	if ((rc = ps_file_replace(&sys_double, path, "abc", 3, context)) ||
	    (rc = ps_file_replace(&sys_double, other, "abc", 3, context)))
		return rc;
	for (int i = 0; i < 2; i++) { /* the second time they are remembered */
		rc = ps_known_digests(&sys_double, files, 2, NULL, true, context);
		if (rc)
			return rc;
		assert_int_equal(files[0].bytes, 3);
		assert_true(files[0].digest == files[1].digest);
		assert_true(files[0].digest == XXH3_64bits("abc", 3));
	}
	return 0;
}

static int write_cache(const char *where, ps_diag *diag)
{
	static const int32_t column[ROWS] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
	float values[ROWS * WIDTH];
	ps_cache_writer *writer;
	bool done;
	uint64_t row;
	int rc = ps_cache_writer_create(&writer, &sys_double,
					&(ps_cache_spec){.path = where,
							 .provenance = provenance,
							 .dtype = PS_F32,
							 .rows = ROWS,
							 .width = WIDTH,
							 .shard_rows = SHARD_ROWS},
					&done, diag);

	if (rc)
		return rc;
	for (int i = 0; i < ROWS * WIDTH; i++)
		values[i] = (float)i;
	row = ps_cache_writer_resume_row(writer);
	if (!done) {
		rc = ps_cache_writer_add(writer, values + row * WIDTH, column + row, column + row,
					 column + row, (size_t)(ROWS - row), diag);
		if (!rc)
			rc = ps_cache_writer_finish(writer, diag);
	}
	ps_cache_writer_close(writer);
	return rc;
}

/* Row r of the cache in order begins with r * WIDTH. */
static int look_at_rows(const ps_row_source *source, ps_diag *diag)
{
	static const uint64_t ids[2] = {7, 2};
	float rows[2 * WIDTH];
	int32_t token;
	int rc;

	if (source->ahead)
		source->ahead(source->self, ids, 2, PS_ROW_NO_PLACE);
	rc = source->gather(source->self, ids, 2, rows, diag);
	if (rc)
		return rc;
	source->column(source->self, PS_ROW_TOKEN_ID, ids, 1, &token);
	return must_hold(rows[0] == 7 * WIDTH && rows[WIDTH] == 2 * WIDTH && token == 6);
}

static int cache(void *context)
{
	ps_context verify = {.diag = context};
	ps_row_list list = {0};
	ps_cache opened;
	int rc = write_cache(path, context);

	if (!rc)
		rc = ps_cache_open(&opened, &sys_double, path, &verify, context);
	if (rc)
		return rc;
	rc = look_at_rows(&opened.source, context);
	if (!rc)
		rc = ps_rows_that_count(&opened, false, &list, context);
	if (!rc)
		rc = must_hold(list.count == ROWS);
	ps_rows_release(&list);
	ps_cache_close(&opened);
	return rc;
}

static int cache_read_ahead(void *context)
{
	const ps_row_ahead_options options = {.backend = PS_IO_PREAD, .rows = 4};
	ps_row_ahead *ahead = NULL;
	ps_row_source source;
	ps_arena arena = {0};
	ps_cache opened;
	int rc = ps_cache_open(&opened, &sys_double, path, NULL, context);

	if (rc)
		return rc;
	rc = ps_arena_create(&arena, ps_row_ahead_bytes(WIDTH, PS_F32, 4), context);
	if (!rc)
		rc = ps_row_ahead_create(&ahead, &opened, &options, &arena, &source, context);
	if (!rc)
		rc = look_at_rows(&source, context);
	ps_row_ahead_destroy(ahead);
	ps_arena_destroy(&arena);
	ps_cache_close(&opened);
	return rc;
}

/* A model of two layers. */
static int checkpoint_streamed(const char *model, ps_backend backend, ps_diag *diag)
{
	const ps_stream_options options = {.backend = backend, .layer_slots = 2};
	ps_checkpoint *checkpoint = NULL;
	ps_arena arena = {0};
	ps_weight_source source;
	ps_layer_weights layer;
	uint64_t digest;
	int rc = ps_checkpoint_open(&checkpoint, &sys_double, model, diag);

	if (!rc)
		rc = ps_checkpoint_digest(checkpoint, NULL, &digest, diag);
	if (!rc)
		rc = ps_arena_create(
			&arena, ps_checkpoint_stream_bytes(checkpoint, &options) + PS_ALIGN, diag);
	if (!rc)
		rc = ps_checkpoint_stream(checkpoint, &options, &arena, &source, diag);
	for (int i = 0; i < 2 && !rc; i++) {
		rc = source.acquire_layer(source.self, i, i ? -1 : 1, &layer, diag);
		if (rc)
			break;
		alloc_double_pause(true);
		assert_int_equal(
			ck_count_wrong_in_layer(&layer, ps_checkpoint_config(checkpoint), i), 0);
		alloc_double_pause(false);
		source.release_layer(source.self, i);
	}
	ps_checkpoint_close(checkpoint);
	ps_arena_destroy(&arena);
	return rc;
}

static int checkpoint_pread(void *context)
{
	return checkpoint_streamed(path, PS_IO_PREAD, context);
}

static int checkpoint_uring(void *context)
{
	return checkpoint_streamed(path, PS_IO_AUTO, context);
}

static int checkpoint_mmap(void *context)
{
	return checkpoint_streamed(path, PS_IO_MMAP, context);
}

static int gguf_streamed(void *context)
{
	return checkpoint_streamed(GGUF "gemma2.gguf", PS_IO_PREAD, context);
}

static int gguf_tokenizer(void *context)
{
	ps_tokenizer *tokenizer = NULL;
	ps_gguf gguf;
	int rc = ps_gguf_open(&gguf, &sys_double, GGUF "vocab-llama.gguf", context);

	if (rc)
		return rc;
	rc = ps_gguf_tokenizer(&gguf, &tokenizer, context);
	ps_tokenizer_destroy(tokenizer);
	ps_gguf_close(&gguf);
	return rc;
}

/* The checkpoint is written while nothing fails. It is sharded. */
static void write_checkpoint(void *context)
{
	ck_model model;

	if (!access(path, F_OK))
		return; /* no attempt changes it */
	begin(context);
	assert_int_equal(mkdir(path, 0777), 0);
	ck_llama(&model);
	for (int i = 0; i < model.count; i++)
		snprintf(model.tensors[i].file, sizeof model.tensors[i].file,
			 "model-%d.safetensors", i % 2);
	ck_write_llama(path, &model);
}

/* The cache that an attempt reads is written while nothing fails, and once: none changes it. */
static void write_once(const char *where, void *context)
{
	if (!access(where, F_OK))
		return;
	begin(context);
	assert_int_equal(write_cache(where, context), 0);
}

static void write_input(void *context)
{
	write_once(path, context);
}

static void write_source(void *context)
{
	char from[320];

	snprintf(from, sizeof from, "%s.from", path);
	write_once(from, context);
	scratch_remove(path);
}

static int shuffled_cache(void *context)
{
	char from[320];
	const uint64_t id = 0;
	float row[WIDTH];
	ps_context quiet = {.diag = context};
	const ps_cache_shuffle_options options = {
		.from = from, .to = path, .provenance = provenance, .dtype = PS_F32, .seed = 3};
	ps_cache opened;
	int rc;

	snprintf(from, sizeof from, "%s.from", path);
	rc = ps_cache_shuffle(&options, &quiet);
	if (!rc)
		rc = ps_cache_open(&opened, &sys_double, path, NULL, context);
	if (rc)
		return rc;
	rc = opened.source.gather(opened.source.self, &id, 1, row, context);
	if (!rc)
		rc = must_hold(row[0] == (float)(ps_permute(0, ROWS, 3) * WIDTH));
	ps_cache_close(&opened);
	return rc;
}

/* --- the two sweeps --- */

static const struct {
	const char *name;
	void (*prepare)(void *context);
	alloc_attempt *attempt;
} subjects[] = {
	{"tokens", begin, token_file},
	{"mask", begin, mask_file},
	{"statistics", begin, stats_file},
	{"sealed JSON", begin, sealed_json},
	{"set of files", begin, file_set},
	{"text", begin, text_file},
	{"folder that is replaced", begin, folder_replaced},
	{"folder that is removed", begin, folder_removed},
	{"folder that is found", begin, folder_found},
	{"folder that is given up", begin, folder_given_up},
	{"folder behind a link", begin, folder_linked},
	{"known digests", begin, known_digests},
	{"cache", begin, cache},
	{"cache, read ahead", write_input, cache_read_ahead},
	{"cache, shuffled", write_source, shuffled_cache},
	{"checkpoint, pread", write_checkpoint, checkpoint_pread},
	{"checkpoint, io_uring", write_checkpoint, checkpoint_uring},
	{"checkpoint, mmap", write_checkpoint, checkpoint_mmap},
	{"GGUF file", begin, gguf_streamed},
	{"tokenizer of a GGUF file", begin, gguf_tokenizer},
};
#define SUBJECTS (sizeof subjects / sizeof *subjects)

/* The attempt of a subject with an empty message, which a failure must fill. */
static int attempt(void *context)
{
	const size_t subject = *(const size_t *)context;
	int rc;

	message = (ps_diag){{0}};
	rc = subjects[subject].attempt(&message);
	if (rc && !message.text[0])
		fail_msg("%s: code %d without a message", subjects[subject].name, rc);
	return rc;
}

static void prepare(void *context)
{
	subjects[*(const size_t *)context].prepare(&message);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	sys_double_plan(calm);
	for (size_t i = 0; i < SUBJECTS; i++) {
		begin(NULL);
		assert_true(alloc_double_sweep(prepare, attempt, &i) > 0);
	}
}

/* A close has closed even if it fails, and a result was not changed by it: so close never fails
 * here. */
static void sweep_calls(size_t subject, int error)
{
	for (long n = 1;; n++) {
		int rc;

		sys_double_plan(calm);
		prepare(&subject);
		sys_double_plan((sys_plan){.calls = SYS_ALL & ~SYS_CLOSE,
					   .fail_at = n,
					   .error = error,
					   .no_sync = true});
		rc = attempt(&subject);
		if (sys_double_open_files())
			fail_msg("%s, call %ld: a file stays open", subjects[subject].name, n);
		if (rc && ps_exit_code(rc) != 3 && ps_exit_code(rc) != 4)
			fail_msg("%s, call %ld: code %d (%s)", subjects[subject].name, n, rc,
				 message.text);
		if (sys_double_count() < n)
			break;
		sys_double_plan(calm);
		if (n % 4 == 1 && attempt(&subject))
			fail_msg("%s, after call %ld failed: %s", subjects[subject].name, n,
				 message.text);
	}
}

static void every_call_may_fail(void **state)
{
	(void)state;
	for (size_t i = 0; i < SUBJECTS; i++) {
		begin(NULL);
		sweep_calls(i, EIO);
	}
}

static int set_up(void **state)
{
	(void)state;
	ps_json_memory_watch();
	scratch_make(scratch, sizeof scratch);
	snprintf(path, sizeof path, "%s/output", scratch);
	provenance = json_pack("{s:s, s:i}", "command", "test", "seed", 7);
	assert_non_null(provenance);
	return ps_config_parse(ck_llama_config, strlen(ck_llama_config), "config.json", &config,
			       NULL);
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(provenance);
	scratch_remove(scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(every_call_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
