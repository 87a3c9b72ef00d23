/* io/reader and its engines: ranges of many chunks, exact to the byte, in memory registered or
 * not. */
#include <errno.h>
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

#include "test/support/support_ring_double.h"

/* A file in memory whose byte i is byte_at(i), and aligned memory to read it into. */
struct rig {
	char path[64], *memory;
	size_t bytes, memory_bytes, direct_least;
	ps_safetensors file;
	ps_read_engine engine;
};

static char byte_at(size_t i)
{
	return (char)(i * 2654435761u >> 13);
}

static void rig_make(struct rig *rig, size_t bytes, size_t memory_bytes)
{
	char block[4096];

	*rig = (struct rig){
		.bytes = bytes, .memory_bytes = memory_bytes, .direct_least = PS_DIRECT_LEAST};
	rig->file.fd = memfd_create("chunks", MFD_CLOEXEC);
	snprintf(rig->path, sizeof rig->path, "/proc/self/fd/%d", rig->file.fd);
	rig->file.path = rig->path;
	for (size_t at = 0; at < bytes; at += sizeof block) {
		size_t part = bytes - at < sizeof block ? bytes - at : sizeof block;

		for (size_t i = 0; i < part; i++)
			block[i] = byte_at(at + i);
		assert_int_equal(write(rig->file.fd, block, part), part);
	}
	rig->file.map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, rig->file.fd, 0);
	rig->memory = mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(rig->file.map != MAP_FAILED && rig->memory != MAP_FAILED);
}

static int rig_start(struct rig *rig, const ps_ring *ring)
{
	const ps_uring_options options = {
		.ring = ring,
		.sys = ring == &ring_double ? &ring_double_sys : &ps_sys_linux,
		.files = &rig->file,
		.file_count = 1,
		.direct_least = rig->direct_least,
		.memory = rig->memory,
		.memory_bytes = rig->memory_bytes,
	};

	return ps_read_engine_create_uring(&rig->engine, &options);
}

static void rig_drop(struct rig *rig)
{
	munmap((void *)rig->file.map, rig->bytes);
	munmap(rig->memory, rig->memory_bytes);
	close(rig->file.fd);
}

/* Hands jobs to an engine one after the other, then tells it to stop. */
struct feed {
	ps_read_job *jobs;
	int count, taken, finished;
};

static ps_read_job *next_job(void *context, bool wait)
{
	struct feed *feed = context;

	(void)wait;
	return feed->taken < feed->count ? &feed->jobs[feed->taken++] : NULL;
}

static void finish_job(void *context, ps_read_job *job)
{
	struct feed *feed = context;

	assert_int_equal(job->in_flight, 0);
	assert_int_equal(job->state, PS_JOB_IDLE);
	job->state = PS_JOB_DONE;
	feed->finished++;
}

static void serve(ps_read_engine *engine, ps_read_job *jobs, int count, bool stopped)
{
	struct feed context = {.jobs = jobs, .count = count};
	const atomic_bool stop = stopped;
	const ps_read_feed feed = {
		.context = &context, .next = next_job, .finish = finish_job, .stop = &stop};

	engine->serve(engine->self, &feed);
	assert_int_equal(context.finished, count);
}

static int run(struct rig *rig, const ps_read *reads, size_t count, ps_read_failure *failure)
{
	ps_read_job job = {.reads = reads, .count = count};

	serve(&rig->engine, &job, 1, false);
	*failure = job.failure;
	return job.failure.error;
}

static size_t wrong_bytes(const ps_read *read)
{
	size_t wrong = 0;

	for (size_t i = 0; i < read->bytes; i++)
		wrong += read->buffer[i] != byte_at((size_t)read->offset + i);
	return wrong;
}

static void large_reads_go_in_chunks_with_the_queue_full(void **state)
{
	enum { BYTES = (80 << 20) + 1234 };
	ps_read_failure failure;
	struct rig rig;
	void *self;

	(void)state;
	rig_make(&rig, BYTES, 81 << 20);
	for (int way = 0; way < 8; way++) {
		const ps_ring *ring = way ? &ring_double : &ps_ring_linux;
		const ps_read reads[] = {
			{&rig.file, 0, 100, rig.memory},
			{&rig.file, 100, 0, rig.memory + 100},
			{&rig.file, 8192 + 100, BYTES - 8192 - 101, rig.memory + 8192 + 100},
			{&rig.file, BYTES - 1, 1, rig.memory + (80 << 20) + 8192 + 1233}};

		ring_double_reset();
		if (!way && ring->open(&self, PS_READ_DEPTH))
			continue;
		if (!way)
			ring->close(self);
		ring_fault.shorten = way > 1;
		ring_fault.shuffle = way > 2;
		ring_fault.refuse_every = way > 3 ? way + 1 : 0;
		ring_fault.refuse_direct_every = way > 4 ? 5 : 0;
		ring_fault.cached = way > 5 ? RD_SOME_CACHED : RD_NOTHING_CACHED;
		ring_fault.direct_open_error = way > 6 ? -EINVAL : 0;
		memset(rig.memory, 0, rig.memory_bytes);
		assert_int_equal(rig_start(&rig, ring), 0);
		assert_int_equal(run(&rig, reads, 4, &failure), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(wrong_bytes(&reads[i]), 0);
		assert_true(!way || ring_double_most_flying() >=
					    PS_READ_DEPTH - 1); /* the double keeps one back */
		assert_true(!way || way > 6 || ring_fault.direct_completions > 10);
		assert_true(way < 5 || ring_fault.completions > ring_fault.direct_completions + 10);
		print_message("%s: %d completions, %d of them direct\n", rig.engine.text,
			      ring_fault.completions, ring_fault.direct_completions);
		rig.engine.destroy(rig.engine.self);
	}
	rig_drop(&rig);
}

/* Every start and length within a few blocks of the smallest direct read, also at the end of the
 * file. */
static void direct_reads_are_right_at_every_alignment(void **state)
{
	static const size_t shifts[] = {0, 1, 2, 511, 512, 4095};
	enum { SHIFTS = sizeof shifts / sizeof *shifts, BYTES = 3 * PS_DIRECT_LEAST + 7 };
	ps_read_failure failure;
	struct rig rig;

	(void)state;
	rig_make(&rig, BYTES, 4 * PS_DIRECT_LEAST);
	for (int shorten = 0; shorten < 2; shorten++)
		for (size_t i = 0; i < SHIFTS * SHIFTS * 2; i++) {
			size_t first = shifts[i % SHIFTS],
			       bytes = PS_DIRECT_LEAST + shifts[i / SHIFTS % SHIFTS];
			uint64_t offset = i / SHIFTS / SHIFTS ? BYTES - bytes : first;
			size_t place = 4096 + (size_t)offset % PS_READ_ALIGNMENT;
			const ps_read read = {&rig.file, offset, bytes, rig.memory + place};

			ring_double_reset();
			ring_fault.shorten = shorten;
			assert_int_equal(rig_start(&rig, &ring_double), 0);
			memset(rig.memory, 77, rig.memory_bytes);
			assert_int_equal(run(&rig, &read, 1, &failure), 0);
			assert_int_equal(wrong_bytes(&read), 0);
			assert_true(ring_fault.direct_completions > 0);
			/* Nothing outside its blocks is touched. */
			assert_int_equal(rig.memory[4095], 77);
			assert_int_equal(rig.memory[4096 + ps_read_room(bytes)], 77);
			rig.engine.destroy(rig.engine.self);
		}
	rig_drop(&rig);
}

/* The kernel registers at most 1 GiB as one range. A buffer across two ranges is read all the
 * same. */
static void buffers_astride_two_registered_ranges_are_read(void **state)
{
	enum { BYTES = 4 << 20 };
	const size_t boundary = (size_t)1 << 30;
	ps_read_failure failure;
	struct rig rig;

	(void)state;
	rig_make(&rig, BYTES, boundary + BYTES);
	for (size_t before = 0; before <= 3 * PS_READ_CHUNK / 2; before += PS_READ_CHUNK / 2) {
		const ps_read read = {&rig.file, 0, BYTES, rig.memory + boundary - before};

		ring_double_reset();
		assert_int_equal(rig_start(&rig, &ring_double), 0);
		assert_int_equal(run(&rig, &read, 1, &failure), 0);
		assert_int_equal(wrong_bytes(&read), 0);
		assert_int_equal(ring_fault.completions, BYTES / PS_READ_CHUNK);
		assert_int_equal(ring_fault.registered_completions,
				 ring_fault.completions - (before % PS_READ_CHUNK != 0));
		rig.engine.destroy(rig.engine.self);
	}
	rig_drop(&rig);
}

static void the_end_of_a_file_is_found_to_the_byte(void **state)
{
	enum { BYTES = 1 << 20 };
	static const size_t ends[] = {0, 1, 4095, 4096, 4097, 300000, BYTES - 1};
	ps_read_failure failure;
	struct rig rig;

	(void)state;
	rig_make(&rig, BYTES, BYTES + 8192);
	for (size_t i = 0; i < 4 * sizeof ends / sizeof *ends; i++) {
		const ps_read read = {&rig.file, 0, BYTES, rig.memory};
		size_t end = ends[i / 4];

		ring_double_reset();
		ring_fault.cached = i & 1 ? RD_ALL_CACHED : RD_NOTHING_CACHED;
		ring_fault.shorten = i & 2;
		assert_int_equal(rig_start(&rig, &ring_double), 0);
		assert_int_equal(ftruncate(rig.file.fd, (off_t)end), 0);
		assert_int_equal(run(&rig, &read, 1, &failure), -ENODATA);
		assert_int_equal(failure.offset, end);
		rig.engine.destroy(rig.engine.self);
		rig_drop(&rig);
		rig_make(&rig, BYTES, BYTES + 8192);
	}
	rig_drop(&rig);
}

/* Rows are small reads. The engine waits for half of those in flight, so one call submits many, and
 * it asks the page cache about some of them only. */
static void small_reads_go_in_crowds(void **state)
{
	enum { ROWS = 1000, BYTES = 1300, STEP = 3 * PS_READ_ALIGNMENT };
	static ps_read reads[ROWS];
	ps_read_failure failure;
	struct rig rig;

	(void)state;
	rig_make(&rig, ROWS * STEP, ROWS * STEP);
	for (int cached = RD_NOTHING_CACHED; cached <= RD_ALL_CACHED; cached++) {
		ring_double_reset();
		ring_fault.cached = cached;
		rig.direct_least = 1;
		for (size_t i = 0; i < ROWS; i++) {
			const uint64_t offset = (i * 7919 % ROWS) * STEP + i % STEP / 2;

			reads[i] = (ps_read){&rig.file, offset, BYTES,
					     ps_read_place(rig.memory + i * STEP, offset)};
		}
		assert_int_equal(rig_start(&rig, &ring_double), 0);
		assert_int_equal(run(&rig, reads, ROWS, &failure), 0);
		for (size_t i = 0; i < ROWS; i++)
			assert_int_equal(wrong_bytes(&reads[i]), 0);
		assert_int_equal(ring_fault.completions, ROWS);
		assert_int_equal(ring_fault.direct_completions,
				 cached == RD_NOTHING_CACHED ? ROWS : 0);
		assert_in_range(ring_fault.submits, ROWS / PS_READ_DEPTH, 3 * ROWS / PS_READ_DEPTH);
		rig.engine.destroy(rig.engine.self);
	}
	rig_drop(&rig);
}

/* Of eight jobs of 6 chunks each, a failure of the first must not touch the others. */
static void jobs_are_read_without_a_pause_between_them(void **state)
{
	enum { JOBS = 8, EACH = 6 * PS_READ_CHUNK + 4096 };
	struct rig rig;

	(void)state;
	rig_make(&rig, JOBS * EACH, JOBS * EACH);
	for (int fails = 0; fails < 2; fails++) {
		ps_read reads[JOBS];
		ps_read_job jobs[JOBS];

		ring_double_reset();
		ring_fault.shuffle = true;
		ring_fault.fail_at = fails;
		ring_fault.fail_with = -EIO;
		memset(rig.memory, 0, rig.memory_bytes);
		for (size_t i = 0; i < JOBS; i++) {
			reads[i] = (ps_read){&rig.file, i * EACH, EACH, rig.memory + i * EACH};
			jobs[i] = (ps_read_job){.reads = &reads[i], .count = 1};
		}
		assert_int_equal(rig_start(&rig, &ring_double), 0);
		serve(&rig.engine, jobs, JOBS, false);
		for (size_t i = 0, failures = 0; i < JOBS; i++) {
			failures += jobs[i].failure.error == -EIO;
			assert_int_equal(wrong_bytes(&reads[i]) > 0, jobs[i].failure.error == -EIO);
			assert_true(i < JOBS - 1 || failures == (size_t)fails);
		}
		assert_true(ring_double_most_flying() > 40);
		rig.engine.destroy(rig.engine.self);
	}
	rig_drop(&rig);
}

static void a_ring_that_breaks_fails_every_job(void **state)
{
	enum { JOBS = 3, EACH = 40 * PS_READ_CHUNK };
	struct rig rig;

	(void)state;
	rig_make(&rig, JOBS * EACH, JOBS * EACH);
	for (int at = 1; at < 4; at++) {
		ps_read reads[JOBS];
		ps_read_job jobs[JOBS];

		ring_double_reset();
		ring_fault.break_at = 30 * at;
		for (size_t i = 0; i < JOBS; i++) {
			reads[i] = (ps_read){&rig.file, i * EACH, EACH, rig.memory + i * EACH};
			jobs[i] = (ps_read_job){.reads = &reads[i], .count = 1};
		}
		assert_int_equal(rig_start(&rig, &ring_double), 0);
		serve(&rig.engine, jobs, JOBS, false);
		for (int i = 0; i < JOBS; i++)
			assert_int_equal(jobs[i].failure.error,
					 40 * (i + 1) < 30 * at ? 0 : -EBADF);
		ring_double_abandon();
		rig.engine.destroy(rig.engine.self);
	}
	rig_drop(&rig);
}

static void a_stopped_engine_gives_up_early(void **state)
{
	ps_read_engine engine;
	struct rig rig;

	(void)state;
	ring_double_reset();
	rig_make(&rig, 64, 4096);
	for (int ring = 0; ring < 2; ring++) {
		const ps_read read = {&rig.file, 0, 64, rig.memory};
		ps_read_job job = {.reads = &read, .count = 1};

		if (ring) {
			assert_int_equal(rig_start(&rig, &ring_double), 0);
			engine = rig.engine;
		} else {
			ps_read_engine_create_pread(&engine, &ring_double_sys);
		}
		serve(&engine, &job, 1, true);
		assert_int_equal(job.failure.error, -ECANCELED);
		assert_int_equal(ring_fault.submits, 0);
		engine.destroy(engine.self);
	}
	rig_drop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_reads_go_in_chunks_with_the_queue_full),
		cmocka_unit_test(direct_reads_are_right_at_every_alignment),
		cmocka_unit_test(buffers_astride_two_registered_ranges_are_read),
		cmocka_unit_test(the_end_of_a_file_is_found_to_the_byte),
		cmocka_unit_test(small_reads_go_in_crowds),
		cmocka_unit_test(jobs_are_read_without_a_pause_between_them),
		cmocka_unit_test(a_ring_that_breaks_fails_every_job),
		cmocka_unit_test(a_stopped_engine_gives_up_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
