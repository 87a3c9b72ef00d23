/* io/row_sort: rows come as they stand in the cache, in the order of training, whatever the list,
 * the chunks and the place where training begins. When the disk fails, they are read singly. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "io/row_ahead.h"
#include "io/row_sort.h"
#include "test/support/support_sys_double.h"

enum { ROWS = 6000, WIDTH = 77, SHARD_ROWS = 1700, BATCH = 150 };

static char scratch[256], folder[300];
static float values[ROWS * WIDTH];

/* --- system calls that go wrong, for several threads at a time --- */

static atomic_int fails_write, fails_read, flips, full, in_memory, open_files;

static int faulty_open(const char *path, int flags, mode_t mode)
{
	int fd = ps_sys_linux.open(path, flags, mode);

	open_files += fd >= 0;
	return fd;
}

static int faulty_close(int fd)
{
	open_files--;
	return ps_sys_linux.close(fd);
}

/* The calls that are counted down are those on the unnamed file. */
static bool is_unnamed(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && !st.st_nlink;
}

static bool comes_due(atomic_int *counter, int fd)
{
	return *counter && is_unnamed(fd) && --*counter == 0;
}

static ssize_t faulty_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	ssize_t got = ps_sys_linux.pread(fd, buffer, bytes, offset);

	if (comes_due(&fails_read, fd))
		return -EIO;
	if (comes_due(&flips, fd))
		((char *)buffer)[got / 2] ^= 4;
	return got;
}

static ssize_t faulty_pwrite(int fd, const void *buffer, size_t bytes, off_t offset)
{
	return comes_due(&fails_write, fd) ? -ENOSPC
					   : ps_sys_linux.pwrite(fd, buffer, bytes, offset);
}

static int faulty_fstatfs(int fd, struct statfs *st)
{
	int rc = ps_sys_linux.fstatfs(fd, st);

	if (full)
		st->f_bavail = 1;
	st->f_type = in_memory ? 0x01021994 : 0xef53;
	return rc;
}

static ps_sys faulty;

/* --- a cache of which every row is known --- */

static int set_up(void **state)
{
	static const int32_t ids[ROWS];
	json_t *provenance = json_pack("{s:s}", "command", "test");
	ps_rng rng = ps_rng_make(5, 0);
	ps_cache_writer *writer;
	bool done = false;

	(void)state;
	faulty = ps_sys_linux;
	faulty.open = faulty_open;
	faulty.close = faulty_close;
	faulty.pread = faulty_pread;
	faulty.pwrite = faulty_pwrite;
	faulty.fstatfs = faulty_fstatfs;
	fails_write = fails_read = flips = full = in_memory = open_files = 0;
	scratch_make(scratch, sizeof scratch);
	snprintf(folder, sizeof folder, "%s/cache", scratch);
	for (size_t i = 0; i < ROWS * WIDTH; i++)
		values[i] = ps_rng_normal(&rng);
	assert_int_equal(ps_cache_writer_create(&writer, &ps_sys_linux,
						&(ps_cache_spec){.path = folder,
								 .provenance = provenance,
								 .dtype = PS_F32,
								 .rows = ROWS,
								 .width = WIDTH,
								 .shard_rows = SHARD_ROWS},
						&done, NULL),
			 0);
	assert_int_equal(ps_cache_writer_add(writer, values, ids, ids, ids, ROWS, NULL), 0);
	assert_int_equal(ps_cache_writer_finish(writer, NULL), 0);
	ps_cache_writer_close(writer);
	json_decref(provenance);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

/* Every row but each fifth, the last ones apart. */
static ps_row_list make_list(uint64_t *words, uint64_t count)
{
	ps_row_list list;

	memset(words, 0, ps_row_list_words(ROWS) * sizeof *words);
	for (uint64_t r = 0; r < ROWS; r++)
		if (r % 5 != 3)
			words[r / 64] |= (uint64_t)1 << r % 64;
	list = ps_row_list_make(words, ROWS);
	return ps_row_list_part(&list, 0, count);
}

struct sorting {
	ps_cache cache;
	ps_row_list list;
	ps_row_sort_plan plan;
	ps_row_sort *sort;
	ps_arena arena;
	uint64_t words[ROWS];
	ps_read reads[BATCH];
	char buffers[BATCH][WIDTH * sizeof(float)];
};

/* Sorts a cache's rows for a training of so many places, with chunks that memory_bytes allow. */
static int begin(struct sorting *s, ps_backend backend, uint64_t places, size_t memory_bytes,
		 ps_diag *diag)
{
	ps_row_sort_options options = {.cache = &s->cache,
				       .order = {.rows = &s->list, .seed = 9},
				       .places = places,
				       .folder = scratch,
				       .plan = &s->plan,
				       .backend = backend};
	const ps_row_sort_limits limits = {.memory_bytes = memory_bytes, .disk_bytes = SIZE_MAX};

	memset(s, 0, sizeof *s);
	assert_int_equal(ps_cache_open(&s->cache, &faulty, folder, NULL, diag), 0);
	s->list = make_list(s->words, 4700);
	s->plan = ps_row_sort_choose(WIDTH, PS_F32, s->list.count, places, limits);
	assert_true(s->plan.chunk_bytes && s->plan.memory_bytes <= memory_bytes);
	assert_int_equal(ps_arena_create(&s->arena, s->plan.memory_bytes, diag), 0);
	for (size_t i = 0; i < BATCH; i++)
		s->reads[i].buffer = s->buffers[i];
	return ps_row_sort_create(&s->sort, &options, &s->arena, diag);
}

static void end(struct sorting *s)
{
	ps_row_sort_destroy(s->sort);
	ps_arena_destroy(&s->arena);
	ps_cache_close(&s->cache);
	assert_int_equal(open_files, 0);
}

/* Asks for a batch, and compares what comes. Waits a little when nothing does. */
static size_t take(struct sorting *s, uint64_t place, size_t count)
{
	const ps_row_order order = {.rows = &s->list, .seed = 9};
	size_t come = ps_row_sort_ask(s->sort, place, count, s->reads);
	uint64_t ids[BATCH];

	if (!come)
		usleep(5000);
	if (!come || ps_row_sort_wait(s->sort))
		return 0;
	ps_row_order_get(&order, place, come, ids);
	for (size_t i = 0; i < come; i++)
		assert_memory_equal(s->buffers[i], values + ids[i] * WIDTH, sizeof *s->buffers);
	return come;
}

/* Takes the places from `first` on, a few at a time. At least one row of every epoch that is worth
 * while must come. */
static void take_all(ps_backend backend, uint64_t first, uint64_t places, size_t memory_bytes)
{
	static struct sorting s;
	ps_diag diag = {{0}};
	uint64_t come = 0, epoch = first / 4700;

	assert_int_equal(begin(&s, backend, places, memory_bytes, &diag), 0);
	for (uint64_t place = first; place < places;) {
		const size_t count =
			ps_min_size(1 + (size_t)(place * 7 % BATCH) / 4, (size_t)(places - place));

		come += take(&s, place, count);
		place += count;
		if (place / 4700 != epoch || place == places) {
			print_message("epoch %d, chunks of %zu: %d rows come sorted\n", (int)epoch,
				      s.plan.chunk_bytes, (int)come);
			assert_true(come || place - (epoch * 4700 > first ? epoch * 4700 : first) <
						    4700 / 8);
			epoch = place / 4700;
			come = 0;
		}
	}
	end(&s);
}

static void rows_come_in_the_order_of_training(void **state)
{
	(void)state;
	take_all(PS_IO_AUTO, 0, 4700, (size_t)16 << 20);
	take_all(PS_IO_PREAD, 0, 3 * 4700, (size_t)700 << 10);
	take_all(PS_IO_AUTO, 3000, 2 * 4700 + 1700, (size_t)2 << 20);
	take_all(PS_IO_AUTO, 2 * 4700 - 20, 4 * 4700, (size_t)700 << 10);
}

/* Places that are passed over, forwards and for good. */
static void what_was_passed_comes_no_more(void **state)
{
	static struct sorting s;
	uint64_t place = 100;

	(void)state;
	assert_int_equal(begin(&s, PS_IO_AUTO, 4 * 4700, (size_t)700 << 10, NULL), 0);
	while (!take(&s, place, 1))
		assert_true(++place < 4700);
	place += 1;
	assert_int_equal(take(&s, place + 400, 20), 20);
	assert_int_equal(take(&s, place + 100, 20), 0);
	assert_int_equal(take(&s, place + 420, 20), 20);
	end(&s);
}

static void a_plan_keeps_its_limits(void **state)
{
	const ps_row_sort_limits none = {SIZE_MAX, SIZE_MAX};
	ps_row_sort_plan p = ps_row_sort_choose(640, PS_BF16, 1680000, 5000000, none);
	ps_row_sort_limits limits = {(size_t)40 << 20, SIZE_MAX};

	(void)state;
	assert_int_equal(p.chunk_bytes, 1 << 20);
	p = ps_row_sort_choose(640, PS_BF16, 1680000, 5000000, limits);
	print_message("2 GiB of rows: chunks of %zu, %.1f MiB of memory, %.3f of disk\n",
		      p.chunk_bytes, (double)p.memory_bytes / 0x1p20,
		      (double)p.disk_bytes / 1680000 / 1280);
	assert_true(p.chunk_bytes && p.memory_bytes <= limits.memory_bytes);
	assert_true((double)p.disk_bytes < 1.06 * 1680000 * 1280);
	limits.disk_bytes = (uint64_t)1680000 * 1280;
	assert_int_equal(ps_row_sort_choose(640, PS_BF16, 1680000, 5000000, limits).chunk_bytes, 0);
	limits = (ps_row_sort_limits){(size_t)1 << 20, SIZE_MAX};
	assert_int_equal(ps_row_sort_choose(640, PS_BF16, 1680000, 5000000, limits).chunk_bytes, 0);
	assert_int_equal(ps_row_sort_choose(640, PS_BF16, 1680000, 200000, none).chunk_bytes, 0);
	/* A row must fit into a chunk. */
	assert_int_equal(ps_row_sort_choose((1 << 18) - 1, PS_F32, 1000, 1000, none).chunk_bytes,
			 1 << 20);
	assert_int_equal(ps_row_sort_choose(1 << 18, PS_F32, 1000, 1000, none).chunk_bytes, 0);
}

/* --- faults --- */

/* Trains through read-ahead slots over a sort whose file fails in this way. All rows come; sorting
 * ends and says why. */
static void check_fault(atomic_int *fault, int at, const char *why)
{
	static struct sorting s;
	static float got[BATCH * WIDTH];
	ps_diag diag = {{0}};
	ps_row_order order = {.rows = &s.list, .seed = 9};
	ps_row_ahead *ahead;
	ps_row_source source;
	ps_arena arena;
	uint64_t ids[BATCH], place = 0;

	assert_int_equal(begin(&s, PS_IO_PREAD, 2 * 4700, (size_t)700 << 10, &diag), 0);
	assert_int_equal(ps_arena_create(&arena, ps_row_ahead_bytes(WIDTH, PS_F32, BATCH), &diag),
			 0);
	assert_int_equal(ps_row_ahead_create(&ahead, &s.cache,
					     &(ps_row_ahead_options){.backend = PS_IO_PREAD,
								     .rows = BATCH,
								     .sort = s.sort},
					     &arena, &source, &diag),
			 0);
	if (fault == &fails_write)
		*fault = at;
	while (!take(&s, place, 1) && !ps_row_sort_has_ended(s.sort, &diag))
		assert_true(++place < 4700 / 2);
	place++;
	if (fault != &fails_write)
		*fault = at;
	for (; !ps_row_sort_has_ended(s.sort, &diag); place += BATCH) {
		assert_true(place < 4700 - BATCH);
		ps_row_order_get(&order, place, BATCH, ids);
		source.ahead(source.self, ids, BATCH, place);
		assert_int_equal(source.gather(source.self, ids, BATCH, got, &diag), 0);
		for (size_t i = 0; i < BATCH; i++)
			assert_memory_equal(got + i * WIDTH, values + ids[i] * WIDTH,
					    WIDTH * sizeof *got);
	}
	print_message("%s\n", diag.text);
	assert_non_null(strstr(diag.text, why));
	assert_int_equal(ps_row_sort_ask(s.sort, place, BATCH, s.reads), 0);
	ps_row_ahead_destroy(ahead);
	ps_arena_destroy(&arena);
	end(&s);
}

static void a_disk_that_fails_ends_the_sort_alone(void **state)
{
	(void)state;
	check_fault(&fails_write, 1, "No space left");
	check_fault(&fails_write, 40, "No space left");
	check_fault(&fails_read, 1, "Input/output error");
	check_fault(&fails_read, 30, "Input/output error");
	check_fault(&flips, 7, "holds other bytes than were written");
}

static void check_refusal(atomic_int *fault, const char *why)
{
	static struct sorting s;
	ps_diag diag = {{0}};

	*fault = 1;
	assert_int_equal(begin(&s, PS_IO_AUTO, 4700, (size_t)700 << 10, &diag), PS_EOUTPUT);
	assert_non_null(strstr(diag.text, scratch));
	assert_non_null(strstr(diag.text, why));
	assert_null(s.sort);
	end(&s);
	*fault = 0;
}

static void a_disk_without_room_is_refused(void **state)
{
	(void)state;
	check_refusal(&full, "are wanted and");
	check_refusal(&in_memory, "is in memory");
	assert_int_equal(scratch_count(scratch), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_come_in_the_order_of_training, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_was_passed_comes_no_more, set_up, tear_down),
		cmocka_unit_test(a_plan_keeps_its_limits),
		cmocka_unit_test_setup_teardown(a_disk_that_fails_ends_the_sort_alone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_disk_without_room_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
