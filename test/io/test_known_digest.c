/* io/known_digest: a file is read once for each of its states, and what is remembered is never
 * another file's. */
#include <errno.h>
#include <fcntl.h>
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

#include "core/base/digest.h"
#include "io/digest_memory.h"
#include "io/file.h"
#include "io/known_digest.h"
#include "test/support/support_sys_double.h"

static char scratch[256], path[300], memory[PATH_MAX];

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	snprintf(path, sizeof path, "%s/file", scratch);
	setenv("XDG_CACHE_HOME", scratch, 1);
	assert_true(ps_digest_memory_path(memory));
	sys_double_plan((sys_plan){0});
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static void put_bytes(const char *name, size_t bytes, int seed)
{
	FILE *file = fopen(name, "wb");

	assert_non_null(file);
	for (size_t i = 0; i < bytes; i++)
		fputc((int)((i * 2654435761u >> 7) + (size_t)seed) & 0xff, file);
	assert_int_equal(fclose(file), 0);
}

/* Gives the file times of long ago. Its ctime is now, so time has to pass until it is settled. */
static void settle(const char *name)
{
	ps_file_state state;

	do {
		usleep(20000);
		assert_int_equal(ps_file_state_read(&ps_sys_linux, name, &state, NULL), 0);
	} while (ps_file_state_unsettled(&state, ps_file_time_now()));
}

static uint64_t right_digest(const char *name)
{
	uint64_t bytes, digest;

	assert_int_equal(ps_file_digest(&ps_sys_linux, name, &bytes, &digest, NULL), 0);
	return digest;
}

/* Whether the digest of `path` is remembered. Checks the digest, which is made if it is not. */
static bool is_remembered(bool trust_state)
{
	ps_known_file file = {.path = path};
	ps_diag diag = {{0}};
	struct stat st;

	sys_double_plan((sys_plan){0});
	if (ps_known_digests(&sys_double, &file, 1, NULL, trust_state, &diag))
		fail_msg("%s", diag.text);
	assert_int_equal(file.digest, right_digest(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(file.bytes, st.st_size);
	assert_int_equal(sys_double_open_files(), 0);
	return file.remembered;
}

static void read_it(void)
{
	assert_false(is_remembered(true));
}

static void recall_it(void)
{
	assert_true(is_remembered(true));
}

static void the_digest_is_that_of_the_whole_file(void **state)
{
	static const size_t lengths[] = {0,     1,     1023,    1024,    1025,    65535,
					 65536, 65600, 2097152, 2097153, 2099200, 5000000};
	ps_pool *pool;
	uint64_t bytes, digest;

	(void)state;
	assert_int_equal(ps_pool_create(&pool, 3, NULL), 0);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		const ps_context context = {.pool = pool};

		put_bytes(path, lengths[i], 1);
		assert_false(is_remembered(false));
		assert_int_equal(ps_known_digest(&ps_sys_linux, path, &context, false, &bytes,
						 &digest, NULL),
				 0);
		assert_int_equal(digest, right_digest(path));
	}
	ps_pool_destroy(pool);
}

static void short_and_interrupted_reads_are_continued(void **state)
{
	uint64_t bytes, digest;

	(void)state;
	put_bytes(path, 3000000, 2);
	sys_double_plan((sys_plan){.shorten = 777, .interrupt = true});
	assert_int_equal(ps_known_digest(&sys_double, path, NULL, true, &bytes, &digest, NULL), 0);
	assert_int_equal(digest, right_digest(path));
}

static void a_settled_file_is_read_once(void **state)
{
	(void)state;
	put_bytes(path, 3000000, 3);
	settle(path);
	read_it();
	recall_it();
	recall_it();
	assert_false(is_remembered(false));
	recall_it();
}

static void every_change_of_a_file_is_seen(void **state)
{
	struct timespec times[2];
	struct stat st;
	int fd;

	(void)state;
	put_bytes(path, 100000, 4);
	settle(path);
	read_it();
	assert_int_equal(stat(path, &st), 0);
	/* The same size, and the times of before: ctime tells. */
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "x", 1, 50000), 1);
	close(fd);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	settle(path);
	read_it();
	recall_it();
	/* Another file takes the name. */
	char other[320];

	snprintf(other, sizeof other, "%s-2", path);
	put_bytes(other, 100000, 5);
	settle(other);
	assert_int_equal(rename(other, path), 0);
	read_it();
}

static void a_file_that_is_written_again_at_once_is_read_again(void **state)
{
	/* Times in the future never settle. */
	const struct timespec later[2] = {{.tv_sec = 4102444800}, {.tv_sec = 4102444800}};

	(void)state;
	for (int i = 0; i < 50; i++) {
		put_bytes(path, 2000, i);
		read_it();
	}
	assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
	usleep(100000);
	read_it();
	read_it();
}

/* Changes the file when it is read for the second time. */
static int changes_left;

static ssize_t changing_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	ssize_t got = ps_sys_linux.pread(fd, buffer, bytes, offset);

	if (changes_left-- > 0) {
		int out = open(path, O_WRONLY | O_APPEND);

		assert_int_equal(write(out, "x", 1), 1);
		close(out);
	}
	return got;
}

static void a_file_that_changes_while_it_is_read_is_not_digested(void **state)
{
	ps_sys sys = ps_sys_linux;
	uint64_t bytes, digest;
	ps_diag diag = {{0}};

	(void)state;
	sys.pread = changing_pread;
	put_bytes(path, 300000, 6);
	changes_left = 1;
	assert_int_equal(ps_known_digest(&sys, path, NULL, false, &bytes, &digest, &diag), 0);
	assert_int_equal(digest, right_digest(path));
	changes_left = INT_MAX;
	assert_int_equal(ps_known_digest(&sys, path, NULL, false, &bytes, &digest, &diag),
			 PS_EINPUT);
	assert_non_null(strstr(diag.text, path));
	assert_non_null(strstr(diag.text, "changes while it is read"));
}

/* Flips a bit of the memory. */
static void flip(off_t at)
{
	int fd = open(memory, O_RDWR);
	char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Writes in the tick of the last write, behind the reader's back. The state stays as it was. */
static ssize_t racing_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	ssize_t got = ps_sys_linux.pread(fd, buffer, bytes, offset);

	if (changes_left-- > 0)
		put_bytes(path, 300000, 77);
	return got;
}

static void a_write_within_the_tick_of_another_is_not_missed(void **state)
{
	ps_sys sys = ps_sys_linux;
	uint64_t bytes, digest;

	(void)state;
	sys.pread = racing_pread;
	for (int i = 0; i < 30; i++) {
		put_bytes(path, 300000, i);
		changes_left = 1;
		assert_int_equal(ps_known_digest(&sys, path, NULL, true, &bytes, &digest, NULL), 0);
		(void)is_remembered(true); /* compares the digest with that of the file */
	}
}

static void a_damaged_memory_is_not_believed(void **state)
{
	struct stat st;

	(void)state;
	put_bytes(path, 5000, 7);
	settle(path);
	read_it();
	assert_int_equal(stat(memory, &st), 0);
	/* The last bytes are the only record. A damaged one is written anew. */
	for (off_t at = st.st_size - 72; at < st.st_size; at++) {
		recall_it();
		flip(at);
		read_it();
	}
	assert_int_equal(truncate(memory, st.st_size - 1), 0);
	read_it();
	assert_int_equal(truncate(memory, 0), 0);
	read_it();
	recall_it();
}

static void without_a_place_for_the_memory_every_digest_is_made_anew(void **state)
{
	static char endless[PATH_MAX + 8];

	(void)state;
	put_bytes(path, 5000, 8);
	settle(path);
	/* Not a folder, a path that cannot be made, one that is not absolute, none. */
	setenv("XDG_CACHE_HOME", path, 1);
	for (int i = 0; i < 2; i++)
		read_it();
	setenv("XDG_CACHE_HOME", "/proc/none", 1);
	for (int i = 0; i < 2; i++)
		read_it();
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	for (int i = 0; i < 2; i++)
		read_it();
	setenv("XDG_CACHE_HOME", "cache", 1);
	for (int i = 0; i < 2; i++)
		read_it();
	assert_int_not_equal(access("cache", F_OK), 0);
	setenv("HOME", "home", 1);
	for (int i = 0; i < 2; i++)
		read_it();
	assert_int_not_equal(access("home", F_OK), 0);
	/* A path that is too long for the file, and one that is too long for the folder. */
	memset(endless, 'x', sizeof endless);
	endless[0] = '/';
	for (size_t length = PATH_MAX - 24; length < PATH_MAX + 2; length++) {
		endless[length] = 0;
		setenv("XDG_CACHE_HOME", endless, 1);
		if (length % 8 == 0 || length >= PATH_MAX - 2)
			read_it();
		endless[length] = 'x';
	}
	/* Something else stands in its place. */
	snprintf(endless, sizeof endless, "%s/place", scratch);
	setenv("XDG_CACHE_HOME", endless, 1);
	assert_true(ps_digest_memory_path(memory));
	for (char *slash = memory + strlen(scratch) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		assert_int_equal(mkdir(memory, 0777), 0);
		*slash = '/';
	}
	assert_int_equal(mkfifo(memory, 0666), 0);
	for (int i = 0; i < 2; i++)
		read_it();
	unsetenv("XDG_CACHE_HOME");
	setenv("HOME", scratch, 1);
	read_it();
	recall_it();
}

static void any_failing_call_gives_an_error_or_the_right_digest(void **state)
{
	uint64_t bytes, digest;
	const uint64_t right = (put_bytes(path, 300000, 9), right_digest(path));
	long count = 0;

	(void)state;
	settle(path);
	for (long at = 1; count >= at - 1; at++) {
		ps_diag diag = {{0}};
		int rc;

		(void)unlink(memory);
		sys_double_plan((sys_plan){.calls = SYS_ALL, .fail_at = at, .error = EIO});
		rc = ps_known_digest(&sys_double, path, NULL, true, &bytes, &digest, &diag);
		count = sys_double_count();
		assert_int_equal(sys_double_open_files(), 0);
		if (rc) {
			assert_int_equal(rc, PS_EINPUT);
			assert_non_null(strstr(diag.text, path));
		} else {
			assert_int_equal(digest, right);
		}
	}
	assert_true(count > 10);
}

static void a_file_that_cannot_be_read_is_bad_input(void **state)
{
	uint64_t bytes, digest;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_known_digest(&ps_sys_linux, path, NULL, true, &bytes, &digest, &diag),
			 PS_EINPUT);
	assert_non_null(strstr(diag.text, path));
	assert_int_equal(ps_known_digest(&ps_sys_linux, scratch, NULL, true, &bytes, &digest, NULL),
			 PS_EINPUT);
}

static int stop(void *self)
{
	(void)self;
	return 1;
}

static void ignore(void *self, const char *what, const char *unit, uint64_t done, uint64_t total)
{
	(void)self, (void)what, (void)unit;
	assert_true(done <= total);
}

static void a_reading_can_be_interrupted(void **state)
{
	const ps_progress progress = {.tick = ignore, .stopped = stop};
	ps_diag diag = {{0}};
	const ps_context context = {.progress = &progress, .diag = &diag};
	uint64_t bytes, digest;

	(void)state;
	put_bytes(path, 5000000, 10);
	assert_int_equal(
		ps_known_digest(&ps_sys_linux, path, &context, true, &bytes, &digest, &diag),
		PS_EINTERRUPTED);
}

static uint64_t last_done, last_total;

static void note(void *self, const char *what, const char *unit, uint64_t done, uint64_t total)
{
	(void)self, (void)what, (void)unit;
	assert_true(done >= last_done && done <= total);
	last_done = done;
	last_total = total;
}

static int go_on(void *self)
{
	(void)self;
	return 0;
}

/* A short file, and one that ends within a block. */
static void the_progress_ends_at_its_end(void **state)
{
	const ps_progress progress = {.tick = note, .stopped = go_on};
	const ps_context context = {.progress = &progress};
	char other[320];
	ps_known_file files[2] = {{.path = path}, {.path = other}};

	(void)state;
	snprintf(other, sizeof other, "%s-short", path);
	put_bytes(path, 5000001, 10);
	put_bytes(other, 77, 11);
	last_done = last_total = 0;
	assert_int_equal(ps_known_digests(&ps_sys_linux, files, 2, &context, true, NULL), 0);
	assert_int_equal(last_total, 5000078);
	assert_int_equal(last_done, last_total);
}

static void more_files_than_a_bucket_holds_push_each_other_out(void **state)
{
	enum { FILES = 200 };
	char names[FILES][320];
	ps_known_file files[FILES];

	(void)state;
	for (int i = 0; i < FILES; i++) {
		snprintf(names[i], sizeof names[i], "%s-%d", path, i);
		put_bytes(names[i], 100 + (size_t)i, i);
		files[i] = (ps_known_file){.path = names[i]};
	}
	settle(names[FILES - 1]);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(ps_known_digests(&ps_sys_linux, files, FILES, NULL, true, NULL),
				 0);
		for (int i = 0; i < FILES; i++) {
			assert_int_equal(files[i].remembered, round);
			assert_int_equal(files[i].digest, right_digest(names[i]));
			assert_int_equal(files[i].bytes, 100 + i);
		}
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_digest_is_that_of_the_whole_file),
		TEST(short_and_interrupted_reads_are_continued),
		TEST(a_settled_file_is_read_once),
		TEST(every_change_of_a_file_is_seen),
		TEST(a_file_that_is_written_again_at_once_is_read_again),
		TEST(a_file_that_changes_while_it_is_read_is_not_digested),
		TEST(a_write_within_the_tick_of_another_is_not_missed),
		TEST(a_damaged_memory_is_not_believed),
		TEST(without_a_place_for_the_memory_every_digest_is_made_anew),
		TEST(any_failing_call_gives_an_error_or_the_right_digest),
		TEST(a_file_that_cannot_be_read_is_bad_input),
		TEST(a_reading_can_be_interrupted),
		TEST(the_progress_ends_at_its_end),
		TEST(more_files_than_a_bucket_holds_push_each_other_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
