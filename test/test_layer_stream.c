/* io/weight_stream and what it stands on: the same bytes from every backend, in any order, whatever the kernel does. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rng.h"
#include "io/checkpoint.h"
#include "io/weight_stream.h"
#include "test/support_checkpoint.h"

/* --- a ring and a pread that misbehave as told --- */

static struct {
	int open_error;       /* of the ring */
	bool shorten, shuffle; /* completions */
	int refuse_every;     /* submits: EAGAIN; completions: EAGAIN and EINTR in turn; preads: EINTR */
	int fail_at, fail_with; /* the completion or pread of that number, from 1 */
	int stuck;            /* every completion and pread: this error */
	int end_at;           /* the completion or pread of that number finds the end of the file */
	atomic_int submits, completions, preads;
	ps_rng rng;
} fault;

struct request {
	int fd;
	void *buffer;
	unsigned bytes;
	uint64_t offset, tag;
};

static struct {
	struct request prepared[PS_READ_DEPTH], flying[PS_READ_DEPTH];
	int prepared_count, flying_count, most_flying;
} ring;

static int fake_open(void **self, unsigned depth)
{
	assert_int_equal(depth, PS_READ_DEPTH);
	memset(&ring, 0, sizeof ring);
	*self = &ring;
	return fault.open_error;
}

static void fake_close(void *self)
{
	assert_ptr_equal(self, &ring);
	assert_int_equal(ring.flying_count + ring.prepared_count, 0);
}

static int fake_prepare(void *self, int fd, void *buffer, unsigned bytes, uint64_t offset, uint64_t tag)
{
	(void)self;
	if (ring.prepared_count + ring.flying_count == PS_READ_DEPTH)
		return -EBUSY;
	ring.prepared[ring.prepared_count++] = (struct request){fd, buffer, bytes, offset, tag};
	return 0;
}

/* Takes all that is prepared, or one less when shortening. */
static int fake_submit(void *self)
{
	int taken = ring.prepared_count;

	(void)self;
	fault.submits++;
	if (fault.refuse_every && fault.submits % fault.refuse_every == 0)
		return -EAGAIN;
	if (fault.shorten && taken > 1)
		taken--;
	memcpy(ring.flying + ring.flying_count, ring.prepared, (size_t)taken * sizeof *ring.flying);
	memmove(ring.prepared, ring.prepared + taken, (size_t)(ring.prepared_count - taken) * sizeof *ring.prepared);
	ring.prepared_count -= taken;
	ring.flying_count += taken;
	if (ring.flying_count > ring.most_flying)
		ring.most_flying = ring.flying_count;
	return taken;
}

static int fake_result(const struct request *request)
{
	size_t bytes = request->bytes;

	fault.completions++;
	if (fault.stuck || fault.completions == fault.fail_at)
		return fault.stuck ? fault.stuck : fault.fail_with;
	if (fault.completions == fault.end_at)
		return 0;
	if (fault.refuse_every && fault.completions % fault.refuse_every == 0)
		return fault.completions % 2 ? -EAGAIN : -EINTR;
	if (fault.shorten)
		bytes = 1 + ps_rng_below(&fault.rng, bytes);
	return (int)pread(request->fd, request->buffer, bytes, (off_t)request->offset);
}

static int fake_wait(void *self, uint64_t *tag, int *result)
{
	int at = fault.shuffle ? (int)ps_rng_below(&fault.rng, (uint64_t)ring.flying_count) : 0;

	(void)self;
	if (!ring.flying_count)
		return -EIO; /* the kernel would never wake */
	*tag = ring.flying[at].tag;
	*result = fake_result(&ring.flying[at]);
	ring.flying_count--;
	memmove(ring.flying + at, ring.flying + at + 1, (size_t)(ring.flying_count - at) * sizeof *ring.flying);
	return 0;
}

static const ps_ring fake_ring = {fake_open, fake_close, fake_prepare, fake_submit, fake_wait};

static ssize_t fake_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	ssize_t got;

	fault.preads++;
	if (fault.stuck || fault.preads == fault.fail_at)
		return fault.stuck ? fault.stuck : fault.fail_with;
	if (fault.preads == fault.end_at)
		return 0;
	if (fault.refuse_every && fault.preads % fault.refuse_every == 0)
		return fault.preads % 2 ? -EAGAIN : -EINTR;
	if (fault.shorten && bytes)
		bytes = 1 + ps_rng_below(&fault.rng, bytes);
	got = pread(fd, buffer, bytes, offset);
	return got < 0 ? -errno : got;
}

static void no_faults(void)
{
	memset((void *)&fault, 0, sizeof fault);
	fault.rng = ps_rng_make(1, 0);
}

/* --- a checkpoint under the doubles --- */

struct rig {
	ps_model_config config;
	ps_shard_set shards;
	ps_model_map map;
	ps_arena arena;
	ps_weight_stream *stream;
	ps_weight_source source;
};

static ps_sys fake_sys(void)
{
	ps_sys sys = ps_sys_linux;

	sys.pread = fake_pread;
	return sys;
}

static int rig_open(struct rig *rig, const char *folder, ps_backend backend, const ps_ring *calls, ps_diag *diag)
{
	static ps_sys sys;
	ps_checkpoint *checkpoint;
	ps_weight_stream_options options;
	size_t bytes;

	memset(rig, 0, sizeof *rig);
	sys = fake_sys();
	assert_int_equal(ps_checkpoint_open(&checkpoint, &ps_sys_linux, folder, diag), 0);
	rig->config = *ps_checkpoint_config(checkpoint);
	ps_checkpoint_close(checkpoint);
	assert_int_equal(ps_shard_set_open(&rig->shards, &ps_sys_linux, folder, diag), 0);
	assert_int_equal(ps_model_map_build(&rig->map, &rig->shards, &rig->config, folder, diag), 0);
	bytes = ps_weight_stream_bytes(&rig->map, &rig->config, backend);
	assert_int_equal(ps_arena_create(&rig->arena, bytes, diag), 0);
	options = (ps_weight_stream_options){
		.map = &rig->map, .config = &rig->config, .sys = &sys, .ring = calls, .backend = backend};
	fault.preads = fault.submits = fault.completions = 0;
	return ps_weight_stream_create(&rig->stream, &options, &rig->arena, &rig->source, diag);
}

static void rig_close(struct rig *rig)
{
	ps_weight_stream_destroy(rig->stream);
	ps_arena_destroy(&rig->arena);
	ps_model_map_free(&rig->map);
	ps_shard_set_close(&rig->shards);
}

static void rig_must_open(struct rig *rig, const char *folder, ps_backend backend, const ps_ring *calls)
{
	ps_diag diag = {0};

	if (rig_open(rig, folder, backend, calls, &diag))
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

		if (source->acquire_layer(source->self, layer, layer + 1 < layers ? layer + 1 : -1, &weights, &diag))
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
		wrong += out[i] != ck_value("model.embed_tokens.weight", (size_t)ids[i / width] * width + i % width);
	free(out);
	return wrong;
}

static size_t wrong_in_head(const struct rig *rig, size_t first, size_t rows)
{
	const char *name = rig->map.head.info == rig->map.embedding.info ? "model.embed_tokens.weight" : "lm_head.weight";
	ps_diag diag = {0};
	ps_weight view;

	if (rig->source.head_rows(rig->source.self, first, rows, &view, &diag))
		fail_msg("%s", diag.text);
	return (view.rows != rows || view.cols != rig->config.width) + ck_count_wrong(&view, name, first);
}

static size_t wrong_in_all(const struct rig *rig)
{
	size_t wrong = wrong_in_layers(rig) + wrong_in_embedding(rig), width = rig->config.width;
	float norm[64];

	for (size_t first = 0; first < rig->config.vocab; first += 64)
		wrong += wrong_in_head(rig, first, rig->config.vocab - first < 64 ? rig->config.vocab - first : 64);
	wrong += wrong_in_head(rig, 0, rig->config.vocab);
	wrong += wrong_in_head(rig, 200, 10) + wrong_in_head(rig, 0, 10) + wrong_in_head(rig, 0, 5) + wrong_in_head(rig, 290, 10);
	assert_int_equal(rig->source.final_norm(rig->source.self, norm, NULL), 0);
	for (size_t i = 0; i < width; i++)
		wrong += norm[i] != ck_value("model.norm.weight", i);
	return wrong;
}

static const char *const fixtures[] = {CK_FIXTURES "single", CK_FIXTURES "untied", CK_FIXTURES "f32",
				       CK_FIXTURES "sharded", CK_FIXTURES "prefixed"};
#define FIXTURES (sizeof fixtures / sizeof *fixtures)

static void check_all_fixtures(ps_backend backend, const ps_ring *calls, const char *want)
{
	for (size_t i = 0; i < FIXTURES; i++) {
		struct rig rig;
		size_t wrong;

		rig_must_open(&rig, fixtures[i], backend, calls);
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
	ps_read_engine engine;

	if (ps_engine_uring_create(&engine, &ps_ring_linux))
		return false;
	engine.destroy(engine.self);
	return true;
}

static void every_backend_hands_out_the_same_values(void **state)
{
	(void)state;
	no_faults();
	check_all_fixtures(PS_IO_MMAP, &fake_ring, "mmap");
	check_all_fixtures(PS_IO_PREAD, &fake_ring, "pread");
	check_all_fixtures(PS_IO_URING, &fake_ring, "uring");
	if (have_uring())
		check_all_fixtures(PS_IO_AUTO, &ps_ring_linux, "uring");
	else
		print_message("io_uring is not allowed here: only its double was tested\n");
}

static void short_reordered_and_refused_reads_change_nothing(void **state)
{
	(void)state;
	for (int refuse = 0; refuse <= 3; refuse++) {
		no_faults();
		fault.shorten = fault.shuffle = true;
		fault.refuse_every = refuse == 1 ? 0 : refuse;
		check_all_fixtures(PS_IO_URING, &fake_ring, "uring");
		check_all_fixtures(PS_IO_PREAD, &fake_ring, "pread");
	}
}

static void layers_may_come_in_any_order(void **state)
{
	static const ps_backend backends[] = {PS_IO_URING, PS_IO_PREAD, PS_IO_MMAP};

	(void)state;
	no_faults();
	fault.shorten = fault.shuffle = true;
	for (int b = 0; b < 3; b++) {
		ps_rng rng = ps_rng_make(3, 0);
		size_t wrong = 0;
		struct rig rig;

		rig_must_open(&rig, CK_FIXTURES "sharded", backends[b], &fake_ring);
		for (int i = 0; i < 300; i++) {
			int layer = (int)ps_rng_below(&rng, 5), next = (int)ps_rng_below(&rng, 6) - 1;
			ps_layer_weights weights;

			assert_int_equal(rig.source.acquire_layer(rig.source.self, layer, next, &weights, NULL), 0);
			if (i % 7 == 0)
				wrong += wrong_in_embedding(&rig) + wrong_in_head(&rig, (size_t)i, 1);
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
	no_faults();
	rig_must_open(&rig, CK_FIXTURES "single", PS_IO_PREAD, &fake_ring);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 2, 0, &first, NULL), 0);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, 1, &second, NULL), 0);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 1, -1, &third, &diag), PS_EFAILED);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, -1, &third, &diag), PS_EFAILED);
	assert_int_equal(ck_count_wrong_in_layer(&first, &rig.config, 2), 0);
	assert_int_equal(ck_count_wrong_in_layer(&second, &rig.config, 0), 0);
	rig_close(&rig);
}

static void a_released_layer_is_not_read_again(void **state)
{
	ps_layer_weights weights;
	struct rig rig;
	int before;

	(void)state;
	no_faults();
	rig_must_open(&rig, CK_FIXTURES "single", PS_IO_PREAD, &fake_ring);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 1, -1, &weights, NULL), 0);
	rig.source.release_layer(rig.source.self, 1);
	before = fault.preads;
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 1, -1, &weights, NULL), 0);
	assert_int_equal(fault.preads, before);
	assert_int_equal(ck_count_wrong_in_layer(&weights, &rig.config, 1), 0);
	rig_close(&rig);
}

/* Puts a tensor that nobody asks for before each one: 256 bytes less or more than what is read along. */
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
	no_faults();
	rig_must_open(&rig, CK_FIXTURES "single", PS_IO_PREAD, &fake_ring);
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 1, -1, &weights, NULL), 0);
	assert_int_equal(fault.preads, 1);
	rig_close(&rig);

	ck_make_folder(folder, sizeof folder);
	ck_llama(&model);
	for (int i = 0; i < model.count; i++)
		snprintf(model.tensors[i].file, sizeof model.tensors[i].file, "part-%d.safetensors", i % 3);
	ck_write_llama(folder, &model);
	rig_must_open(&rig, folder, PS_IO_PREAD, &fake_ring);
	assert_int_equal(wrong_in_layers(&rig), 0);
	assert_int_equal(fault.preads, 6);
	rig_close(&rig);

	ck_llama(&model);
	spread(&model);
	ck_write_llama(folder, &model);
	rig_must_open(&rig, folder, PS_IO_PREAD, &fake_ring);
	assert_int_equal(wrong_in_layers(&rig), 0);
	assert_int_equal(fault.preads, 10); /* of 9 tensors each: four pairs and one alone */
	rig_close(&rig);
	ck_remove_folder(folder);
}

/* --- failures --- */

/* The first failing call of a pass over everything, as its message; "" when all went well. */
static int read_until_failure(const struct rig *rig, ps_diag *diag)
{
	const ps_weight_source *source = &rig->source;
	int layers = (int)rig->config.layers, err = 0;
	int32_t ids[3] = {5, 299, 5};
	float rows[3 * 64];
	ps_layer_weights weights;
	ps_weight view;

	err = source->embedding_rows(source->self, ids, 3, rows, diag);
	for (int layer = 0; !err && layer < layers; layer++) {
		err = source->acquire_layer(source->self, layer, layer + 1 < layers ? layer + 1 : -1, &weights, diag);
		if (!err)
			source->release_layer(source->self, layer);
	}
	for (size_t first = 0; !err && first < 300; first += 100)
		err = source->head_rows(source->self, first, 100, &view, diag);
	return err ? err : source->final_norm(source->self, rows, diag);
}

static void check_failure(ps_backend backend, int fail_with, int end, const char *reason)
{
	int failures = 0;

	for (int n = 1;; n++) {
		ps_diag diag = {0};
		struct rig rig;
		int err;

		no_faults();
		rig_must_open(&rig, CK_FIXTURES "sharded", backend, &fake_ring);
		fault.fail_at = end ? 0 : n;
		fault.end_at = end ? n : 0;
		fault.fail_with = fail_with;
		err = read_until_failure(&rig, &diag);
		rig_close(&rig);
		if (!err)
			break;
		failures++;
		if (err != PS_EINPUT || !strstr(diag.text, CK_FIXTURES "sharded/model-000") || !strstr(diag.text, "tensor model.") ||
		    !strstr(diag.text, "at offset ") || !strstr(diag.text, reason))
			fail_msg("call %d: %d, '%s'", n, err, diag.text);
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

static void endless_refusals_end_in_failure(void **state)
{
	static const ps_backend backends[] = {PS_IO_URING, PS_IO_PREAD};

	(void)state;
	for (int b = 0; b < 2; b++) {
		ps_diag diag = {0};
		struct rig rig;

		no_faults();
		rig_must_open(&rig, CK_FIXTURES "single", backends[b], &fake_ring);
		fault.stuck = -EAGAIN;
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
	no_faults();
	rig_must_open(&rig, CK_FIXTURES "single", PS_IO_PREAD, &fake_ring);
	fault.fail_at = 2;
	fault.fail_with = -EIO;
	assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, 1, &weights, NULL), 0);
	while (fault.preads < 2)
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

		no_faults();
		fault.open_error = errors[i];
		strerror_r(-errors[i], reason, sizeof reason);
		snprintf(want, sizeof want, "pread (io_uring: %s)", strerror(-errors[i]));
		check_all_fixtures(PS_IO_AUTO, &fake_ring, want);
		assert_int_equal(rig_open(&rig, CK_FIXTURES "single", PS_IO_URING, &fake_ring, &diag), errors[i]);
		assert_int_equal(ps_exit_code(errors[i]), 4);
		assert_non_null(strstr(diag.text, strerror(-errors[i])));
		rig_close(&rig);
	}
}

static void closing_stops_what_is_being_read(void **state)
{
	static const ps_backend backends[] = {PS_IO_URING, PS_IO_PREAD, PS_IO_MMAP};

	(void)state;
	no_faults();
	for (int i = 0; i < 90; i++) {
		ps_layer_weights weights;
		ps_weight view;
		struct rig rig;

		rig_must_open(&rig, CK_FIXTURES "sharded", backends[i % 3], &fake_ring);
		assert_int_equal(rig.source.acquire_layer(rig.source.self, 0, 1, &weights, NULL), 0);
		assert_int_equal(rig.source.head_rows(rig.source.self, 0, 50, &view, NULL), 0);
		rig_close(&rig);
	}
}

static void head_rows_out_of_range_are_refused(void **state)
{
	static const ps_backend backends[] = {PS_IO_URING, PS_IO_PREAD, PS_IO_MMAP};

	(void)state;
	no_faults();
	for (int b = 0; b < 3; b++) {
		ps_weight view;
		struct rig rig;

		rig_must_open(&rig, CK_FIXTURES "single", backends[b], &fake_ring);
		assert_int_equal(rig.source.head_rows(rig.source.self, 299, 2, &view, NULL), PS_EFAILED);
		assert_int_equal(rig.source.head_rows(rig.source.self, 0, 0, &view, NULL), PS_EFAILED);
		assert_int_equal(rig.source.head_rows(rig.source.self, 0, PS_HEAD_ROWS_MAX + 1, &view, NULL), PS_EFAILED);
		rig_close(&rig);
	}
}

/* --- the engine alone, with reads of many chunks --- */

static void large_reads_go_in_chunks_with_the_queue_full(void **state)
{
	enum { BYTES = 40 << 20 };
	char *want = malloc(BYTES), *got = calloc(1, BYTES);
	int fd = memfd_create("chunks", MFD_CLOEXEC);
	ps_safetensors file = {.path = (char *)"chunks", .fd = fd};
	const ps_read reads[] = {{&file, 0, 100, got}, {&file, 100, 0, got + 100}, {&file, 100, BYTES - 101, got + 100},
				 {&file, BYTES - 1, 1, got + BYTES - 1}};
	atomic_bool stop = false;
	ps_read_failure failure = {0};
	ps_read_engine engine;

	(void)state;
	assert_non_null(want);
	assert_non_null(got);
	for (size_t i = 0; i < BYTES; i++)
		want[i] = (char)(i * 2654435761u >> 13);
	assert_int_equal(write(fd, want, BYTES), BYTES);
	for (int real = have_uring(); real >= 0; real--) {
		no_faults();
		fault.shorten = fault.shuffle = true;
		fault.refuse_every = 5;
		memset(got, 0, BYTES);
		failure = (ps_read_failure){0};
		assert_int_equal(ps_engine_uring_create(&engine, real ? &ps_ring_linux : &fake_ring), 0);
		assert_int_equal(engine.run(engine.self, reads, 4, &stop, &failure), 0);
		assert_memory_equal(got, want, BYTES);
		assert_true(real || ring.most_flying >= PS_READ_DEPTH - 1); /* the double keeps one back */
		engine.destroy(engine.self);
	}
	print_message("%d completions in the double, at most %d in flight\n", fault.completions, ring.most_flying);
	close(fd);
	free(want);
	free(got);
}

static void a_stopped_engine_gives_up_early(void **state)
{
	char buffer[64];
	ps_safetensors file = {.path = (char *)"none", .fd = -1};
	const ps_read read = {&file, 0, sizeof buffer, buffer};
	ps_sys sys = fake_sys();
	atomic_bool stop = true;
	ps_read_failure failure = {0};
	ps_read_engine engine;

	(void)state;
	no_faults();
	assert_int_equal(ps_engine_uring_create(&engine, &fake_ring), 0);
	assert_int_equal(engine.run(engine.self, &read, 1, &stop, &failure), -ECANCELED);
	assert_int_equal(fault.submits, 0);
	engine.destroy(engine.self);
	assert_int_equal(ps_engine_pread_create(&engine, &sys), 0);
	assert_int_equal(engine.run(engine.self, &read, 1, &stop, &failure), -ECANCELED);
	engine.destroy(engine.self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_backend_hands_out_the_same_values),
		cmocka_unit_test(short_reordered_and_refused_reads_change_nothing),
		cmocka_unit_test(layers_may_come_in_any_order),
		cmocka_unit_test(two_layers_may_be_held_but_not_three),
		cmocka_unit_test(a_released_layer_is_not_read_again),
		cmocka_unit_test(a_layer_in_one_shard_is_one_read_and_a_scattered_one_several),
		cmocka_unit_test(a_failing_read_names_file_tensor_and_offset),
		cmocka_unit_test(endless_refusals_end_in_failure),
		cmocka_unit_test(a_failure_of_a_layer_read_in_vain_is_forgotten),
		cmocka_unit_test(without_io_uring_auto_reads_with_pread_and_says_so),
		cmocka_unit_test(closing_stops_what_is_being_read),
		cmocka_unit_test(head_rows_out_of_range_are_refused),
		cmocka_unit_test(large_reads_go_in_chunks_with_the_queue_full),
		cmocka_unit_test(a_stopped_engine_gives_up_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
