/* io/weight_stream and the modules under it: every backend gives the same bytes, in any order,
 * whatever the kernel does. */
#include <errno.h>
#include <fcntl.h>
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

#include "core/base/rng.h"
#include "io/checkpoint.h"
#include "io/layer_stream.h"
#include "io/weight_stream.h"
#include "test/support/support_checkpoint.h"
#include "test/support/support_ring_double.h"
#include "test/support/support_sys_double.h"

/* --- a checkpoint under the doubles --- */

struct rig {
	ps_model_config config;
	ps_shard_set shards;
	ps_model_map map;
	ps_arena arena;
	ps_weight_stream *stream;
	ps_weight_source source;
};

static int rig_open(struct rig *rig, const char *folder, ps_backend backend, int slots,
		    const ps_ring *calls, ps_diag *diag)
{
	const ps_sys *sys = calls == &ring_double ? &ring_double_sys : &ps_sys_linux;
	const ps_stream_options stream = {.backend = backend, .layer_slots = slots};
	ps_checkpoint *checkpoint;
	ps_weight_stream_options options;
	size_t bytes;

	memset(rig, 0, sizeof *rig);
	assert_int_equal(ps_checkpoint_open(&checkpoint, &ps_sys_linux, folder, diag), 0);
	rig->config = *ps_checkpoint_config(checkpoint);
	ps_checkpoint_close(checkpoint);
	assert_int_equal(ps_shard_set_open(&rig->shards, &ps_sys_linux, folder, diag), 0);
	assert_int_equal(ps_model_map_build(&rig->map, &rig->shards, &rig->config, folder, diag),
			 0);
	bytes = ps_weight_stream_bytes(&rig->map, &rig->config, &stream);
	assert_int_equal(ps_arena_create(&rig->arena, bytes + PS_ALIGN, diag), 0);
	/* The stream's part of the arena then starts on no block boundary. */
	assert_non_null(ps_arena_take(&rig->arena, 1));
	options = (ps_weight_stream_options){.map = &rig->map,
					     .config = &rig->config,
					     .sys = sys,
					     .ring = calls,
					     .stream = stream};
	ring_fault.preads = ring_fault.submits = ring_fault.completions = 0;
	return ps_weight_stream_create(&rig->stream, &options, &rig->arena, &rig->source, diag);
}

static void rig_close(struct rig *rig)
{
	ps_weight_stream_destroy(rig->stream);
	ps_arena_destroy(&rig->arena);
	ps_model_map_free(&rig->map);
	ps_shard_set_close(&rig->shards);
}

static void rig_must_open(struct rig *rig, const char *folder, ps_backend backend, int slots,
			  const ps_ring *calls)
{
	ps_diag diag = {0};

	if (rig_open(rig, folder, backend, slots, calls, &diag))
		fail_msg("%s: %s", folder, diag.text);
}

/* --- reading everything through a source --- */

static size_t wrong_in_layers(const struct rig *rig)
{
	const ps_weight_source *source = &rig->source;
	int layers = (int)rig->config.layers;
	size_t wrong = 0;
	ps_diag diag = {0};

	for (int layer = 0; layer < layers; layer++) {
		ps_layer_weights weights;

		if (source->acquire_layer(source->self, layer, layer + 1 < layers ? layer + 1 : -1,
					  &weights, &diag))
			fail_msg("%s", diag.text);
		wrong += ck_count_wrong_in_layer(&weights, &rig->config, layer);
		source->release_layer(source->self, layer);
	}
	return wrong;
}

/* 1,000 ids, most of them more than once. */
static size_t wrong_in_embedding(const struct rig *rig)
{
	enum { COUNT = 1000 };
	size_t width = rig->config.width, wrong = 0;
	float *out = malloc(COUNT * width * sizeof *out);
	ps_rng rng = ps_rng_make(7, 0);
	ps_diag diag = {0};
	int32_t ids[COUNT];

	assert_non_null(out);
	for (int i = 0; i < COUNT; i++)
		ids[i] = (int32_t)ps_rng_below(&rng, i % 3 ? rig->config.vocab : 5);
	if (rig->source.embedding_rows(rig->source.self, ids, COUNT, out, &diag))
		fail_msg("%s", diag.text);
	for (size_t i = 0; i < COUNT * width; i++)
		wrong += out[i] != ck_value("model.embed_tokens.weight",
					    (size_t)ids[i / width] * width + i % width);
	free(out);
	return wrong;
}

static size_t wrong_in_head(const struct rig *rig, size_t first, size_t rows)
{
	const char *name = rig->map.head.info == rig->map.embedding.info
				   ? "model.embed_tokens.weight"
				   : "lm_head.weight";
	ps_diag diag = {0};
	ps_weight view;

	if (rig->source.head_rows(rig->source.self, first, rows, &view, &diag))
		fail_msg("%s", diag.text);
	return (view.rows != rows || view.cols != rig->config.width) +
	       ck_count_wrong(&view, name, first);
}

static size_t wrong_in_all(const struct rig *rig)
{
	size_t wrong = wrong_in_layers(rig) + wrong_in_embedding(rig), width = rig->config.width;
	float norm[256];

	for (size_t first = 0; first < rig->config.vocab; first += 64)
		wrong += wrong_in_head(rig, first,
				       rig->config.vocab - first < 64 ? rig->config.vocab - first
								      : 64);
	wrong += wrong_in_head(rig, 0, rig->config.vocab);
	wrong += wrong_in_head(rig, 200, 10) + wrong_in_head(rig, 0, 10) +
		 wrong_in_head(rig, 0, 5) + wrong_in_head(rig, 290, 10);
	assert_int_equal(rig->source.final_norm(rig->source.self, norm, NULL), 0);
	for (size_t i = 0; i < width; i++)
		wrong += norm[i] != ck_value("model.norm.weight", i);
	return wrong;
}

static const char *const fixtures[] = {CK_FIXTURES "single", CK_FIXTURES "untied",
				       CK_FIXTURES "f32", CK_FIXTURES "sharded",
				       CK_FIXTURES "prefixed"};
#define FIXTURES (sizeof fixtures / sizeof *fixtures)

#define DIRECT "uring (direct, registered buffers)"

/* The kernel tells what the cache holds only to those who may write the file. */
static void check_all_fixtures(ps_backend backend, const ps_ring *calls, const char *want)
{
	for (size_t i = 0; i < FIXTURES; i++) {
		struct rig rig;
		size_t wrong;

		if (!strcmp(want, DIRECT) && access(CK_FIXTURES "single/model.safetensors", W_OK))
			want = "uring (buffered: not told what is cached, registered buffers)";
		rig_must_open(&rig, fixtures[i], backend, 2, calls);
		assert_string_equal(ps_weight_stream_backend(rig.stream), want);
		wrong = wrong_in_all(&rig);
		if (wrong)
			print_message("%s, %s: %zu wrong values\n", fixtures[i], want, wrong);
		assert_int_equal(wrong, 0);
		rig_close(&rig);
	}
}

static bool have_uring(void)
{
	void *self;

	if (ps_ring_linux.open(&self, PS_READ_DEPTH))
		return false;
	ps_ring_linux.close(self);
	return true;
}

/* --- a checkpoint whose layers have several chunks. Only ranges of 64 KiB and more are read
 * directly --- */

static char large[256]; /* its folder */

static const char large_config[] =
	"{\"model_type\": \"llama\", \"hidden_size\": 256, \"num_attention_heads\": 4, "
	"\"num_key_value_heads\": 2, \"head_dim\": 64,"
	" \"intermediate_size\": 700, \"num_hidden_layers\": 2, \"vocab_size\": 600, "
	"\"max_position_embeddings\": 32,"
	" \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"hidden_act\": \"silu\", "
	"\"tie_word_embeddings\": true,"
	" \"bos_token_id\": 1, \"eos_token_id\": 2}";

static size_t grown(size_t size)
{
	return size == 8 ? 256 : size == 4 ? 128 : size == 10 ? 700 : size == 16 ? 600 : size;
}

/* Writes it in two files. Both end with a layer's bytes, so that direct reads pass the end. */
static int write_large(void **state)
{
	ck_model model;

	(void)state;
	ck_make_folder(large, sizeof large);
	ck_llama(&model);
	for (int i = 0; i < model.count; i++) {
		ck_tensor *tensor = &model.tensors[i];

		for (int d = 0; d < tensor->rank; d++)
			tensor->shape[d] = grown(tensor->shape[d]);
		snprintf(tensor->file, sizeof tensor->file, "part-%d.safetensors",
			 strstr(tensor->name, "layers.1.") ? 1 : 0);
	}
	ck_write_llama(large, &model);
	ck_write_text(large, "config.json", large_config);
	return 0;
}

static int remove_large(void **state)
{
	(void)state;
	ck_remove_folder(large);
	return 0;
}

/* Reads everything through the ring's double, with one slot and with two. */
static void check_large(const char *want)
{
	for (int slots = 1; slots <= PS_LAYER_SLOTS_MAX; slots++) {
		struct rig rig;
		size_t wrong;

		rig_must_open(&rig, large, PS_IO_URING, slots, &ring_double);
		assert_string_equal(ps_weight_stream_backend(rig.stream), want);
		wrong = wrong_in_all(&rig);
		if (wrong)
			print_message("%s: %zu wrong values\n", want, wrong);
		assert_int_equal(wrong, 0);
		rig_close(&rig);
		assert_int_equal(ring_fault.direct_open, 0);
	}
}

/* Reads everything through the kernel's ring, as far as this file system allows. */
static void check_real(void)
{
	for (int slots = 1; slots <= PS_LAYER_SLOTS_MAX; slots++) {
		struct rig rig;

		rig_must_open(&rig, large, PS_IO_AUTO, slots, &ps_ring_linux);
		assert_int_equal(wrong_in_all(&rig), 0);
		print_message("%s\n", ps_weight_stream_backend(rig.stream));
		assert_int_equal(strncmp(ps_weight_stream_backend(rig.stream), "uring (", 7), 0);
		rig_close(&rig);
	}
}

/* Drops a file that nobody maps from the page cache. */
static void drop(const char *folder, const char *file)
{
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

static void every_backend_hands_out_the_same_values(void **state)
{
	(void)state;
	ring_double_reset();
	check_all_fixtures(PS_IO_MMAP, &ring_double, "mmap");
	check_all_fixtures(PS_IO_PREAD, &ring_double, "pread");
	check_all_fixtures(PS_IO_URING, &ring_double, DIRECT);
	check_large(DIRECT);
	assert_true(ring_fault.direct_completions > 0);
	if (!have_uring()) {
		print_message("io_uring is not allowed here: only its double was tested\n");
		return;
	}
	check_real();
	drop(large, "part-0.safetensors");
	drop(large, "part-1.safetensors");
	check_real();
}

static void short_reordered_and_refused_reads_change_nothing(void **state)
{
	(void)state;
	for (int refuse = 0; refuse <= 3; refuse++) {
		ring_double_reset();
		ring_fault.shorten = ring_fault.shuffle = true;
		ring_fault.refuse_every = refuse == 1 ? 0 : refuse;
		check_all_fixtures(PS_IO_URING, &ring_double, DIRECT);
		check_all_fixtures(PS_IO_PREAD, &ring_double, "pread");
		check_large(DIRECT);
	}
}

static void direct_reads_that_are_refused_go_on_through_the_cache(void **state)
{
	(void)state;
	for (int every = 1; every <= 3; every++) {
		ring_double_reset();
		ring_fault.refuse_direct_every = every;
		ring_fault.shorten = every == 3;
		check_large(DIRECT);
		assert_true(ring_fault.direct_completions > 0);
		assert_true(ring_fault.completions > ring_fault.direct_completions);
	}
}

static void what_the_kernel_refuses_is_done_without_and_said(void **state)
{
	static const struct {
		struct ring_faults faults;
		const char *want;
		bool direct, registered;
	} cases[] = {
		{{.direct_open_error = -EINVAL},
		 "uring (buffered: O_DIRECT: Invalid argument, registered buffers)",
		 false,
		 true},
		{{.direct_probe_error = -EINVAL},
		 "uring (buffered: O_DIRECT: Invalid argument, registered buffers)",
		 false,
		 true},
		{{.direct_probe_error = -EOPNOTSUPP},
		 "uring (buffered: O_DIRECT: Operation not supported, registered buffers)",
		 false,
		 true},
		{{.direct_is_another = true},
		 "uring (buffered: O_DIRECT: Stale file handle, registered buffers)",
		 false,
		 true},
		{{.memory_error = -ENOMEM},
		 "uring (direct, buffers not registered: Cannot allocate memory)",
		 true,
		 false},
		{{.files_error = -EINVAL}, DIRECT, true, true},
		{{.memory_error = -EPERM, .files_error = -EMFILE, .direct_open_error = -EINVAL},
		 "uring (buffered: O_DIRECT: Invalid argument, buffers not registered: Operation "
		 "not permitted)",
		 false,
		 false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ring_double_reset();
		memcpy((void *)&ring_fault, &cases[i].faults, sizeof ring_fault);
		check_large(cases[i].want);
		assert_int_equal(ring_fault.direct_completions > 0, cases[i].direct);
		assert_int_equal(ring_fault.registered_completions > 0, cases[i].registered);
	}
}

static void what_the_cache_holds_is_read_from_it(void **state)
{
	(void)state;
	ring_double_reset();
	ring_fault.cached = RD_ALL_CACHED;
	check_large(DIRECT);
	assert_int_equal(ring_fault.direct_completions, 0);
	ring_fault.cached = RD_NOT_TOLD;
	check_large(DIRECT);
	assert_int_equal(ring_fault.direct_completions, 0);
	ring_fault.cached = RD_SOME_CACHED;
	check_large(DIRECT);
	assert_true(ring_fault.direct_completions > 0);
}

/* Of another user's read-only file the kernel claims that all pages are cached. */
static int open_as_another(void *context)
{
	char path[512], *block = aligned_alloc(PS_READ_ALIGNMENT, PS_READ_ALIGNMENT);
	ps_direct_files direct;
	ps_safetensors file;
	ps_diag diag = {0};
	int wrong;

	(void)context;
	snprintf(path, sizeof path, "%s/part-0.safetensors", large);
	if (!block || setuid(65534) || access(path, R_OK))
		return 77;
	if (ps_safetensors_open(&file, &ps_sys_linux, path, &diag) ||
	    ps_direct_open(&direct, &ring_double_sys, &file, 1, block))
		return 1;
	wrong = direct.direct_count || direct.fds[0] != -1 ||
		strcmp(direct.refusal, "not told what is cached");
	ps_direct_close(&direct);
	ps_safetensors_close(&file);
	free(block);
	return wrong;
}

static void files_of_others_are_read_through_the_cache(void **state)
{
	int got;

	(void)state;
	if (geteuid())
		skip();
	ring_double_reset();
	assert_int_equal(chmod(large, 0755), 0);
	got = run_in_child(open_as_another, NULL);
	if (got == 77)
		skip();
	assert_int_equal(got, 0);
}

static void layers_may_come_in_any_order(void **state)
{
	static const ps_backend backends[] = {PS_IO_URING, PS_IO_PREAD, PS_IO_MMAP};

	(void)state;
	ring_double_reset();
	ring_fault.shorten = ring_fault.shuffle = true;
	for (int b = 0; b < 6; b++) {
		ps_rng rng = ps_rng_make(3, 0);
		size_t wrong = 0;
		struct rig rig;

		rig_must_open(&rig, CK_FIXTURES "sharded", backends[b / 2], 1 + b % 2,
			      &ring_double);
		for (int i = 0; i < 300; i++) {
			int layer = (int)ps_rng_below(&rng, 5),
			    next = (int)ps_rng_below(&rng, 6) - 1;
			ps_layer_weights weights;

			assert_int_equal(rig.source.acquire_layer(rig.source.self, layer, next,
								  &weights, NULL),
					 0);
			if (i % 7 == 0)
				wrong += wrong_in_embedding(&rig) +
					 wrong_in_head(&rig, (size_t)i, 1);
			wrong += ck_count_wrong_in_layer(&weights, &rig.config, layer);
			rig.source.release_layer(rig.source.self, layer);
		}
		assert_int_equal(wrong, 0);
		rig_close(&rig);
	}
}

static void two_layers_may_be_held_but_not_three(void **state)
{
	ps_layer_weights first, second, third;
	ps_diag diag = {0};
	struct rig rig;

	(void)state;
	ring_double_reset();
	rig_must_open(&rig, CK_FIXTURES "single", PS_IO_PREAD, 2, &ring_double);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 2, 0, &first, NULL), 0);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, 1, &second, NULL), 0);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 1, -1, &third, &diag),
			 PS_EFAILED);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, -1, &third, &diag),
			 PS_EFAILED);
	assert_int_equal(ck_count_wrong_in_layer(&first, &rig.config, 2), 0);
	assert_int_equal(ck_count_wrong_in_layer(&second, &rig.config, 0), 0);
	rig_close(&rig);
}

static void one_slot_holds_one_layer(void **state)
{
	ps_layer_weights first, second;
	ps_diag diag = {0};
	struct rig rig;

	(void)state;
	ring_double_reset();
	rig_must_open(&rig, CK_FIXTURES "single", PS_IO_PREAD, 1, &ring_double);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 2, 0, &first, NULL), 0);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, 1, &second, &diag),
			 PS_EFAILED);
	assert_int_equal(ck_count_wrong_in_layer(&first, &rig.config, 2), 0);
	rig.source.release_layer(rig.source.self, 2);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, 1, &second, &diag), 0);
	assert_int_equal(ck_count_wrong_in_layer(&second, &rig.config, 0), 0);
	rig_close(&rig);
}

static void await_preads(int count)
{
	for (int tries = 0; ring_fault.preads < count && tries < 100000; tries++)
		usleep(100);
	assert_int_equal(ring_fault.preads, count);
}

/* Every layer of the fixture is one pread. */
static void a_next_layer_without_a_slot_is_read_from_the_release_on(void **state)
{
	ps_layer_weights weights;
	struct rig rig;

	(void)state;
	for (int slots = 1; slots <= 2; slots++) {
		ring_double_reset();
		rig_must_open(&rig, CK_FIXTURES "single", PS_IO_PREAD, slots, &ring_double);
		assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, slots == 1 ? 1 : -1,
							  &weights, NULL),
				 0);
		if (slots == 2)
			assert_int_equal(
				rig.source.acquire_layer(rig.source.self, 1, 2, &weights, NULL), 0);
		usleep(20000);
		assert_int_equal(ring_fault.preads, slots); /* the held layers and no other */
		rig.source.release_layer(rig.source.self, 0);
		await_preads(slots + 1);
		assert_int_equal(
			rig.source.acquire_layer(rig.source.self, slots, -1, &weights, NULL), 0);
		assert_int_equal(ck_count_wrong_in_layer(&weights, &rig.config, slots), 0);
		assert_int_equal(ring_fault.preads, slots + 1);
		rig.source.release_layer(rig.source.self, slots);
		usleep(20000);
		assert_int_equal(ring_fault.preads, slots + 1); /* the waiting layer, once */
		rig_close(&rig);
	}
}

static void a_released_layer_is_not_read_again(void **state)
{
	ps_layer_weights weights;
	struct rig rig;
	int before;

	(void)state;
	ring_double_reset();
	rig_must_open(&rig, CK_FIXTURES "single", PS_IO_PREAD, 2, &ring_double);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 1, -1, &weights, NULL), 0);
	rig.source.release_layer(rig.source.self, 1);
	before = ring_fault.preads;
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 1, -1, &weights, NULL), 0);
	assert_int_equal(ring_fault.preads, before);
	assert_int_equal(ck_count_wrong_in_layer(&weights, &rig.config, 1), 0);
	rig_close(&rig);
}

/* Puts a tensor that nobody asks for before each one. It is 256 bytes smaller or larger than the
 * gap that is read along. */
static void spread(ck_model *model)
{
	ck_model dense = *model;
	char name[16];

	model->count = 0;
	for (int i = 0; i < dense.count; i++) {
		snprintf(name, sizeof name, "gap%d", i);
		ck_add(model, name, "F32", 2, 64, i % 2 ? 255 : 257);
		model->tensors[model->count++] = dense.tensors[i];
	}
}

static void a_layer_in_one_shard_is_one_read_and_a_scattered_one_several(void **state)
{
	char folder[256];
	ps_layer_weights weights;
	ck_model model;
	struct rig rig;

	(void)state;
	ring_double_reset();
	rig_must_open(&rig, CK_FIXTURES "single", PS_IO_PREAD, 2, &ring_double);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 1, -1, &weights, NULL), 0);
	assert_int_equal(ring_fault.preads, 1);
	rig_close(&rig);

	ck_make_folder(folder, sizeof folder);
	ck_llama(&model);
	for (int i = 0; i < model.count; i++)
		snprintf(model.tensors[i].file, sizeof model.tensors[i].file, "part-%d.safetensors",
			 i % 3);
	ck_write_llama(folder, &model);
	rig_must_open(&rig, folder, PS_IO_PREAD, 2, &ring_double);
	assert_int_equal(wrong_in_layers(&rig), 0);
	assert_int_equal(ring_fault.preads, 6);
	rig_close(&rig);

	ck_llama(&model);
	spread(&model);
	ck_write_llama(folder, &model);
	rig_must_open(&rig, folder, PS_IO_PREAD, 2, &ring_double);
	assert_int_equal(wrong_in_layers(&rig), 0);
	assert_int_equal(ring_fault.preads, 10); /* of 9 tensors each: four pairs and one alone */
	rig_close(&rig);
	ck_remove_folder(folder);
}

/* --- failures --- */

/* Reads everything until a call fails. */
static int read_until_failure(const struct rig *rig, ps_diag *diag)
{
	const ps_weight_source *source = &rig->source;
	int layers = (int)rig->config.layers, rc = 0;
	int32_t ids[3] = {5, 299, 5};
	float rows[3 * 64];
	ps_layer_weights weights;
	ps_weight view;

	rc = source->embedding_rows(source->self, ids, 3, rows, diag);
	for (int layer = 0; !rc && layer < layers; layer++) {
		rc = source->acquire_layer(source->self, layer, layer + 1 < layers ? layer + 1 : -1,
					   &weights, diag);
		if (!rc)
			source->release_layer(source->self, layer);
	}
	for (size_t first = 0; !rc && first < 300; first += 100)
		rc = source->head_rows(source->self, first, 100, &view, diag);
	return rc ? rc : source->final_norm(source->self, rows, diag);
}

static void check_failure(ps_backend backend, int fail_with, int end, const char *reason)
{
	int failures = 0;

	for (int n = 1;; n++) {
		ps_diag diag = {0};
		struct rig rig;
		int rc;

		ring_double_reset();
		rig_must_open(&rig, CK_FIXTURES "sharded", backend, 2, &ring_double);
		ring_fault.fail_at = end ? 0 : n;
		ring_fault.end_at = end ? n : 0;
		ring_fault.fail_with = fail_with;
		rc = read_until_failure(&rig, &diag);
		rig_close(&rig);
		if (!rc)
			break;
		failures++;
		if (rc != PS_EINPUT || !strstr(diag.text, CK_FIXTURES "sharded/model-000") ||
		    !strstr(diag.text, "tensor model.") || !strstr(diag.text, "at offset ") ||
		    !strstr(diag.text, reason))
			fail_msg("call %d: %d, '%s'", n, rc, diag.text);
	}
	assert_in_range(failures, 10, 100);
}

static void a_failing_read_names_file_tensor_and_offset(void **state)
{
	(void)state;
	check_failure(PS_IO_PREAD, -EIO, 0, "Input/output error");
	check_failure(PS_IO_URING, -EIO, 0, "Input/output error");
	check_failure(PS_IO_PREAD, 0, 1, "the file ends");
	check_failure(PS_IO_URING, 0, 1, "the file ends");
}

/* Wherever the first file ends, the message names that offset, for direct reads and for others. */
static void a_file_that_ends_early_is_told_to_the_byte(void **state)
{
	static const uint64_t ends[] = {1 << 19, (1 << 19) + 1, (1 << 20) + 4095, 1234567, 1500000};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof ends / sizeof *ends; i++) {
		ps_layer_weights weights;
		ps_diag diag = {0};
		char want[64];
		struct rig rig;

		ring_double_reset();
		ring_fault.cached = i % 2 ? RD_ALL_CACHED : RD_NOTHING_CACHED;
		ring_fault.shuffle = true;
		rig_must_open(&rig, large, PS_IO_URING, 2, &ring_double);
		ring_fault.file_end = ends[i / 2];
		assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, -1, &weights, &diag),
				 PS_EINPUT);
		snprintf(want, sizeof want, "the file ends at offset %llu",
			 (unsigned long long)ends[i / 2]);
		assert_non_null(strstr(diag.text, want));
		assert_non_null(strstr(diag.text, "part-0.safetensors: tensor model.layers.0."));
		rig_close(&rig);
	}
}

static void a_failing_direct_read_is_told(void **state)
{
	ps_layer_weights weights;
	ps_diag diag = {0};
	struct rig rig;

	(void)state;
	ring_double_reset();
	rig_must_open(&rig, large, PS_IO_URING, 2, &ring_double);
	ring_fault.stuck = -EIO;
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 1, -1, &weights, &diag),
			 PS_EINPUT);
	assert_non_null(strstr(diag.text, "part-1.safetensors: tensor model.layers.1."));
	assert_non_null(strstr(diag.text, strerror(EIO)));
	rig_close(&rig);
}

static void endless_refusals_end_in_failure(void **state)
{
	static const ps_backend backends[] = {PS_IO_URING, PS_IO_PREAD};

	(void)state;
	for (int b = 0; b < 2; b++) {
		ps_diag diag = {0};
		struct rig rig;

		ring_double_reset();
		rig_must_open(&rig, CK_FIXTURES "single", backends[b], 2, &ring_double);
		ring_fault.stuck = -EAGAIN;
		assert_int_equal(read_until_failure(&rig, &diag), PS_EINPUT);
		assert_non_null(strstr(diag.text, strerror(EAGAIN)));
		rig_close(&rig);
	}
}

static void a_failure_of_a_layer_read_in_vain_is_forgotten(void **state)
{
	ps_layer_weights weights;
	struct rig rig;

	(void)state;
	ring_double_reset();
	rig_must_open(&rig, CK_FIXTURES "single", PS_IO_PREAD, 2, &ring_double);
	ring_fault.fail_at = 2;
	ring_fault.fail_with = -EIO;
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, 1, &weights, NULL), 0);
	while (ring_fault.preads < 2)
		usleep(100);
	rig.source.release_layer(rig.source.self, 0);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 2, 0, &weights, NULL), 0);
	assert_int_equal(ck_count_wrong_in_layer(&weights, &rig.config, 2), 0);
	rig.source.release_layer(rig.source.self, 2);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 1, -1, &weights, NULL), 0);
	assert_int_equal(ck_count_wrong_in_layer(&weights, &rig.config, 1), 0);
	rig_close(&rig);
}

static void without_io_uring_auto_reads_with_pread_and_says_so(void **state)
{
	static const int errors[] = {-EPERM, -ENOSYS, -ENOMEM};

	(void)state;
	for (int i = 0; i < 3; i++) {
		char want[96], reason[64];
		ps_diag diag = {0};
		struct rig rig;

		ring_double_reset();
		ring_fault.open_error = errors[i];
		strerror_r(-errors[i], reason, sizeof reason);
		snprintf(want, sizeof want, "pread (io_uring: %s)", strerror(-errors[i]));
		check_all_fixtures(PS_IO_AUTO, &ring_double, want);
		if (errors[i] == -ENOMEM) { /* a limit of locked memory that a ring exceeds */
			check_all_fixtures(PS_IO_URING, &ring_double, want);
			continue;
		}
		assert_int_equal(
			rig_open(&rig, CK_FIXTURES "single", PS_IO_URING, 2, &ring_double, &diag),
			errors[i]);
		assert_int_equal(ps_exit_code(errors[i]), 4);
		assert_non_null(strstr(diag.text, strerror(-errors[i])));
		rig_close(&rig);
	}
}

static void closing_stops_what_is_being_read(void **state)
{
	static const ps_backend backends[] = {PS_IO_URING, PS_IO_PREAD, PS_IO_MMAP};

	(void)state;
	ring_double_reset();
	for (int i = 0; i < 90; i++) {
		ps_layer_weights weights;
		ps_weight view;
		struct rig rig;

		rig_must_open(&rig, CK_FIXTURES "sharded", backends[i % 3], 2, &ring_double);
		assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, 1, &weights, NULL),
				 0);
		assert_int_equal(rig.source.head_rows(rig.source.self, 0, 50, &view, NULL), 0);
		rig_close(&rig);
	}
}

static void head_rows_out_of_range_are_refused(void **state)
{
	static const ps_backend backends[] = {PS_IO_URING, PS_IO_PREAD, PS_IO_MMAP};

	(void)state;
	ring_double_reset();
	for (int b = 0; b < 3; b++) {
		ps_weight view;
		struct rig rig;

		rig_must_open(&rig, CK_FIXTURES "single", backends[b], 2, &ring_double);
		assert_int_equal(rig.source.head_rows(rig.source.self, 299, 2, &view, NULL),
				 PS_EFAILED);
		assert_int_equal(rig.source.head_rows(rig.source.self, 0, 0, &view, NULL),
				 PS_EFAILED);
		assert_int_equal(
			rig.source.head_rows(rig.source.self, 0, PS_HEAD_ROWS_MAX + 1, &view, NULL),
			PS_EFAILED);
		rig_close(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_backend_hands_out_the_same_values),
		cmocka_unit_test(short_reordered_and_refused_reads_change_nothing),
		cmocka_unit_test(direct_reads_that_are_refused_go_on_through_the_cache),
		cmocka_unit_test(what_the_kernel_refuses_is_done_without_and_said),
		cmocka_unit_test(what_the_cache_holds_is_read_from_it),
		cmocka_unit_test(files_of_others_are_read_through_the_cache),
		cmocka_unit_test(layers_may_come_in_any_order),
		cmocka_unit_test(two_layers_may_be_held_but_not_three),
		cmocka_unit_test(one_slot_holds_one_layer),
		cmocka_unit_test(a_next_layer_without_a_slot_is_read_from_the_release_on),
		cmocka_unit_test(a_released_layer_is_not_read_again),
		cmocka_unit_test(a_layer_in_one_shard_is_one_read_and_a_scattered_one_several),
		cmocka_unit_test(a_failing_read_names_file_tensor_and_offset),
		cmocka_unit_test(a_file_that_ends_early_is_told_to_the_byte),
		cmocka_unit_test(a_failing_direct_read_is_told),
		cmocka_unit_test(endless_refusals_end_in_failure),
		cmocka_unit_test(a_failure_of_a_layer_read_in_vain_is_forgotten),
		cmocka_unit_test(without_io_uring_auto_reads_with_pread_and_says_so),
		cmocka_unit_test(closing_stops_what_is_being_read),
		cmocka_unit_test(head_rows_out_of_range_are_refused),
	};

	return cmocka_run_group_tests(tests, write_large, remove_large);
}
