/* tools/study/claim: one process at a time holds a step, whatever is killed, and stale claims
 * are taken over. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "test/support/support_checkpoint.h"
#include "tools/study/claim.h"

#define STEP "llama/wanda-0.50/train-7"
#define STEP_FILE "llama+wanda-0.50+train-7.lock"
#define PROCESSES 8
#define STEPS 3

static char study[256], locks[300];

static int set_up(void **state)
{
	(void)state;
	ck_make_folder(study, sizeof study);
	snprintf(locks, sizeof locks, "%s/locks", study);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ck_remove_folder(study);
	return 0;
}

static ps_claims *open_claims(void)
{
	ps_diag diag = {{0}};
	ps_claims *claims;

	if (ps_claims_open(&claims, locks, &diag))
		fail_msg("open: %s", diag.text);
	return claims;
}

static bool take(ps_claims *claims, const char *step, ps_claim_holder *holder)
{
	ps_diag diag = {{0}};
	bool taken;
	int rc = ps_claim_take(claims, step, &taken, holder, &diag);

	if (rc)
		fail_msg("take %s: %d, %s", step, rc, diag.text);
	return taken;
}

static bool is_there(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

/* A claim as another process would have written it; its last heartbeat is so many seconds ago. */
static void fake(const ps_process *process, double age)
{
	char path[600];
	struct timespec times[2];
	json_t *value =
		json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:I}", "host", process->host, "pid",
			  (json_int_t)process->pid, "process_start", (json_int_t)process->start,
			  "pid_namespace", (json_int_t)process->pid_namespace, "boot",
			  process->boot, "step", STEP, "since", (json_int_t)1700000000);

	mkdir(locks, 0777);
	snprintf(path, sizeof path, "%s/" STEP_FILE, locks);
	assert_int_equal(json_dump_file(value, path, 0), 0);
	json_decref(value);
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= (time_t)age;
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool held(ps_claims *claims, const char *step)
{
	bool answer;

	assert_int_equal(ps_claim_held(claims, step, &answer, NULL), 0);
	return answer;
}

static ps_process elsewhere(void)
{
	ps_process process;

	ps_process_self(&process);
	snprintf(process.host, sizeof process.host, "node17");
	snprintf(process.boot, sizeof process.boot, "11111111-2222-3333-4444-555555555555");
	return process;
}

static void test_a_claim_is_had_once_and_comes_back(void **state)
{
	ps_claims *a = open_claims(), *b = open_claims();
	ps_claim_holder holder;
	char path[600];

	(void)state;
	snprintf(path, sizeof path, "%s/" STEP_FILE, locks);
	assert_true(take(a, STEP, &holder));
	assert_false(holder.took_over);
	assert_true(is_there(path));
	assert_true(held(a, STEP));
	assert_false(held(b, STEP));
	assert_false(take(b, STEP, &holder));
	assert_int_equal(holder.pid, getpid());
	assert_string_equal(holder.step, STEP);
	assert_true(labs((long)(holder.since - time(NULL))) < 60);
	assert_false(take(a, STEP, &holder));
	assert_true(take(b, "llama/wanda-0.50/train-8", &holder));
	ps_claim_release(b, STEP);
	assert_true(held(a, STEP));
	ps_claim_release(a, STEP);
	assert_false(held(a, STEP));
	assert_true(take(b, STEP, &holder));
	ps_claims_close(a);
	assert_true(is_there(locks));
	ps_claims_close(b);
	assert_false(is_there(locks));
	ps_claims_close(NULL);
}

static void test_names_of_steps_do_not_meet(void **state)
{
	static const char *const step[] = {"a/b", "a+b",  "a.b", "a-b",    "a_b", "a%2Fb",
					   "a%b", ".a/b", "a",   ".guard", "a b", "a\xc3\xa9"};
	ps_claims *claims = open_claims();
	ps_claim_holder holder;
	char longer[PS_CLAIM_STEP_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof step / sizeof *step; i++)
		assert_true(take(claims, step[i], &holder));
	memset(longer, '/', sizeof longer);
	longer[PS_CLAIM_STEP_BYTES - 1] = 0;
	assert_true(take(claims, longer, &holder));
	longer[PS_CLAIM_STEP_BYTES - 2] = 'x';
	assert_true(take(claims, longer, &holder));
	for (size_t i = 0; i < sizeof step / sizeof *step; i++)
		assert_true(held(claims, step[i]));
	ps_claims_close(claims);
	assert_false(is_there(locks));
}

static void test_ids_without_a_name_are_refused(void **state)
{
	ps_claims *claims = open_claims();
	ps_claim_holder holder;
	ps_diag diag = {{0}};
	char longer[PS_CLAIM_STEP_BYTES + 1];
	bool taken;

	(void)state;
	memset(longer, 'x', sizeof longer);
	longer[PS_CLAIM_STEP_BYTES] = 0;
	assert_int_equal(ps_claim_take(claims, "", &taken, &holder, &diag), PS_EUSAGE);
	assert_int_equal(ps_claim_take(claims, longer, &taken, &holder, &diag), PS_EUSAGE);
	ps_claims_close(claims);
}

static void check_fake(const ps_process *process, double age, bool expected)
{
	ps_claims *claims;
	ps_claim_holder holder;

	fake(process, age);
	claims = open_claims();
	assert_int_equal(take(claims, STEP, &holder), expected);
	assert_int_equal(holder.took_over, expected);
	assert_string_equal(holder.host, process->host);
	assert_int_equal(holder.pid, process->pid);
	assert_int_equal(holder.since, 1700000000);
	assert_int_equal(held(claims, STEP), expected);
	ps_claims_close(claims);
	assert_int_equal(is_there(locks), !expected);
	if (!expected)
		ck_remove_folder(locks);
}

static void test_another_machine_keeps_its_claim_while_its_heart_beats(void **state)
{
	ps_process process = elsewhere();

	(void)state;
	check_fake(&process, 0, false);
	check_fake(&process, PS_CLAIM_STALE_SECONDS - 20, false);
	check_fake(&process, PS_CLAIM_STALE_SECONDS + 5, true);
	/* A clock that goes ahead of ours. */
	check_fake(&process, -3600, false);
	/* A container on this machine: its process ids are not ours. */
	ps_process_self(&process);
	process.pid_namespace++;
	check_fake(&process, 0, false);
	check_fake(&process, PS_CLAIM_STALE_SECONDS + 5, true);
}

static void test_a_dead_process_of_this_machine_loses_its_claim_at_once(void **state)
{
	ps_process process;
	siginfo_t ended;
	pid_t child = fork();

	(void)state;
	if (!child)
		_exit(0);
	ps_process_self(&process);
	process.pid = child;
	/* A zombie, then nobody. */
	assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
	check_fake(&process, 0, true);
	waitpid(child, NULL, 0);
	check_fake(&process, 0, true);
	/* This process's id, but an earlier process. */
	ps_process_self(&process);
	process.start--;
	check_fake(&process, 0, true);
	/* Alive, though it has not touched its claim for long. */
	ps_process_self(&process);
	check_fake(&process, 10 * PS_CLAIM_STALE_SECONDS, false);
}

static void check_sweep(const ps_process *process, double age, bool gone)
{
	ps_claims *claims;
	ps_claim_holder holder;

	fake(process, age);
	claims = open_claims();
	assert_true(take(claims, "llama/dense/ppl", &holder));
	ps_claims_sweep(claims);
	assert_true(held(claims, "llama/dense/ppl"));
	ps_claims_close(claims);
	assert_int_equal(is_there(locks), !gone);
	if (!gone)
		ck_remove_folder(locks);
}

static void test_claims_of_the_dead_are_swept_and_those_of_the_living_stay(void **state)
{
	ps_process process = elsewhere();

	(void)state;
	check_sweep(&process, 0, false);
	check_sweep(&process, PS_CLAIM_STALE_SECONDS + 5, true);
	ps_process_self(&process);
	check_sweep(&process, 10 * PS_CLAIM_STALE_SECONDS, false);
	process.start--;
	check_sweep(&process, 0, true);
}

static void test_half_a_file_is_taken_over(void **state)
{
	ps_claims *claims;
	ps_claim_holder holder;
	char path[600];
	FILE *file;

	(void)state;
	mkdir(locks, 0777);
	snprintf(path, sizeof path, "%s/" STEP_FILE, locks);
	file = fopen(path, "w");
	fputs("{\"host\": \"no", file);
	fclose(file);
	claims = open_claims();
	assert_true(take(claims, STEP, &holder));
	assert_true(holder.took_over);
	assert_int_equal(holder.since, 0);
	ps_claims_close(claims);
}

static void test_a_lost_claim_is_noticed_and_left_alone(void **state)
{
	ps_claims *claims = open_claims();
	ps_process process = elsewhere();
	ps_claim_holder holder;
	char path[600];

	(void)state;
	snprintf(path, sizeof path, "%s/" STEP_FILE, locks);
	assert_true(take(claims, STEP, &holder));
	fake(&process, 0);
	assert_false(held(claims, STEP));
	ps_claim_release(claims, STEP);
	assert_true(is_there(path));
	unlink(path);
	assert_true(take(claims, STEP, &holder));
	unlink(path);
	assert_false(held(claims, STEP));
	ps_claims_close(claims);
	assert_false(is_there(locks));
}

/* A link stands in the claim's place for a while, which no claim is. Names change at once: the
 * heartbeat may look at any moment. */
static void test_a_claim_that_cannot_be_read_is_an_error(void **state)
{
	ps_claims *claims = open_claims();
	ps_claim_holder holder;
	ps_diag diag = {{0}};
	char path[600], kept[600], other[600];
	bool answer;

	(void)state;
	snprintf(path, sizeof path, "%s/" STEP_FILE, locks);
	snprintf(kept, sizeof kept, "%s/kept", study);
	snprintf(other, sizeof other, "%s/other", study);
	assert_true(take(claims, STEP, &holder));
	assert_int_equal(link(path, kept), 0);
	assert_int_equal(symlink(kept, other), 0);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(ps_claim_held(claims, STEP, &answer, &diag), PS_EINPUT);
	assert_false(answer);
	assert_non_null(strstr(diag.text, path));
	diag = (ps_diag){{0}};
	assert_int_equal(ps_claim_take(claims, STEP, &answer, &holder, &diag), PS_EINPUT);
	assert_false(answer);
	assert_non_null(strstr(diag.text, path));
	/* It was not lost meanwhile. */
	assert_int_equal(rename(kept, path), 0);
	assert_true(held(claims, STEP));
	ps_claims_close(claims);
	assert_false(is_there(locks));
}

/* The first beat comes at once, the next one PS_CLAIM_BEAT_SECONDS later. */
static void test_the_heart_beats(void **state)
{
	ps_claims *claims = open_claims();
	ps_claim_holder holder;
	char path[600];
	struct timespec old[2] = {{1000, 0}, {1000, 0}};
	struct stat st;
	double begun = ps_clock();

	(void)state;
	snprintf(path, sizeof path, "%s/" STEP_FILE, locks);
	assert_true(take(claims, STEP, &holder));
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	do {
		usleep(100000);
		assert_int_equal(stat(path, &st), 0);
	} while (st.st_mtim.tv_sec == 1000 && ps_clock() - begun < PS_CLAIM_BEAT_SECONDS + 60);
	print_message("touched after %.1f s\n", ps_clock() - begun);
	assert_int_not_equal(st.st_mtim.tv_sec, 1000);
	ps_claims_close(claims);
}

/* What the processes of a contention share. */
struct arena {
	atomic_int owner[STEPS]; /* process id of the one that holds the step; 0: none */
	atomic_int faults, wins[STEPS], takeovers, rounds, stop;
};

static bool is_dead(pid_t pid)
{
	ps_process process;

	ps_process_self(&process);
	process.pid = pid;
	process.start = 0;
	return !ps_process_is_alive(&process);
}

/* Adds 1 to a number in a file, in steps that two processes must not mix. */
static void count_up(int step)
{
	char path[600];
	long value = 0;
	FILE *file;

	snprintf(path, sizeof path, "%s/counter-%d", study, step);
	file = fopen(path, "r+");
	if (!file)
		file = fopen(path, "w");
	else if (fscanf(file, "%ld", &value) != 1)
		value = -1000000;
	usleep((useconds_t)(rand() % 300));
	rewind(file);
	fprintf(file, "%ld\n", value + 1);
	fclose(file);
}

static long counted(int step)
{
	char path[600];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof path, "%s/counter-%d", study, step);
	file = fopen(path, "r");
	if (file && fscanf(file, "%ld", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	return value;
}

/* Takes and releases steps until told to stop. Whoever holds a step must find no living owner
 * of it. */
static void contend(struct arena *arena, bool counting)
{
	ps_claims *claims = NULL;

	srand((unsigned)getpid());
	while (!atomic_load(&arena->stop)) {
		int k = rand() % STEPS, before;
		char step[32];
		ps_claim_holder holder;
		bool taken = false;

		if (!claims && ps_claims_open(&claims, locks, NULL))
			_exit(2);
		snprintf(step, sizeof step, "model/step-%d", k);
		if (ps_claim_take(claims, step, &taken, &holder, NULL))
			_exit(3);
		if (!taken)
			continue;
		before = atomic_exchange(&arena->owner[k], getpid());
		if (before && !is_dead(before))
			atomic_fetch_add(&arena->faults, 1);
		if (before && !holder.took_over)
			atomic_fetch_add(&arena->faults, 1);
		atomic_fetch_add(&arena->takeovers, holder.took_over);
		if (counting)
			count_up(k);
		else
			usleep((useconds_t)(rand() % 1000));
		if (!held(claims, step))
			atomic_fetch_add(&arena->faults, 1);
		atomic_fetch_add(&arena->wins[k], 1);
		atomic_store(&arena->owner[k], 0);
		ps_claim_release(claims, step);
		/* Closing removes the folder under the others' hands. */
		if (rand() % 8 == 0) {
			ps_claims_close(claims);
			claims = NULL;
		}
	}
	ps_claims_close(claims);
	_exit(0);
}

static struct arena *make_arena(void)
{
	struct arena *arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(arena, MAP_FAILED);
	return arena;
}

static pid_t start_contender(struct arena *arena, bool counting)
{
	pid_t child = fork();

	if (!child)
		contend(arena, counting);
	return child;
}

/* Waits until every step was held so often. A minute is for a machine that is very busy. */
static void await_wins(struct arena *arena, int wins)
{
	const double begun = ps_clock();

	for (int k = 0; k < STEPS; k++)
		while (atomic_load(&arena->wins[k]) < wins && ps_clock() - begun < 60)
			usleep(1000);
}

static void test_processes_never_hold_a_step_together(void **state)
{
	struct arena *arena = make_arena();
	pid_t child[PROCESSES];

	(void)state;
	for (int i = 0; i < PROCESSES; i++)
		child[i] = start_contender(arena, true);
	await_wins(arena, 300);
	atomic_store(&arena->stop, 1);
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		waitpid(child[i], &status, 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(arena->faults, 0);
	for (int k = 0; k < STEPS; k++) {
		print_message("step %d was held %d times\n", k, arena->wins[k]);
		assert_true(arena->wins[k] > 0);
		assert_int_equal(counted(k), arena->wins[k]);
	}
	assert_false(is_there(locks));
	munmap(arena, sizeof *arena);
}

static void test_killed_processes_leave_nothing_held(void **state)
{
	struct arena *arena = make_arena();
	pid_t child[PROCESSES];
	double begun = ps_clock();
	ps_claims *claims;
	ps_claim_holder holder;
	int kills = 0;

	(void)state;
	for (int i = 0; i < PROCESSES; i++)
		child[i] = start_contender(arena, false);
	/* Until enough have died while they held a step. */
	while ((kills < 200 || atomic_load(&arena->takeovers) < 20) && ps_clock() - begun < 60) {
		int i = rand() % PROCESSES;

		usleep((useconds_t)(rand() % 10000));
		kill(child[i], SIGKILL);
		waitpid(child[i], NULL, 0);
		child[i] = start_contender(arena, false);
		kills++;
	}
	atomic_store(&arena->stop, 1);
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		waitpid(child[i], &status, 0);
		assert_int_equal(status, 0);
	}
	print_message("%d killed; held %d, %d, %d times; %d claims taken over\n", kills,
		      arena->wins[0], arena->wins[1], arena->wins[2], arena->takeovers);
	assert_int_equal(arena->faults, 0);
	assert_true(arena->takeovers > 0);
	claims = open_claims();
	for (int k = 0; k < STEPS; k++) {
		char step[32];

		snprintf(step, sizeof step, "model/step-%d", k);
		assert_true(take(claims, step, &holder));
	}
	ps_claims_close(claims);
	assert_false(is_there(locks));
	munmap(arena, sizeof *arena);
}

static void test_one_of_many_takes_a_stale_claim_over(void **state)
{
	const ps_process process = elsewhere();
	struct arena *arena = make_arena();

	(void)state;
	for (int round = 0; round < 40; round++) {
		pid_t child[PROCESSES];

		fake(&process, PS_CLAIM_STALE_SECONDS + 60);
		atomic_store(&arena->stop, 0);
		atomic_store(&arena->wins[0], 0);
		for (int i = 0; i < PROCESSES; i++) {
			child[i] = fork();
			if (!child[i]) {
				ps_claims *claims = open_claims();
				ps_claim_holder holder;

				while (!atomic_load(&arena->stop))
					sched_yield();
				if (take(claims, STEP, &holder))
					atomic_fetch_add(&arena->wins[0], 1);
				/* Nobody leaves before all have tried. */
				atomic_fetch_add(&arena->stop, 1);
				while (atomic_load(&arena->stop) <= PROCESSES)
					usleep(100);
				ps_claims_close(claims);
				_exit(0);
			}
		}
		atomic_store(&arena->stop, 1);
		for (int i = 0; i < PROCESSES; i++)
			waitpid(child[i], NULL, 0);
		assert_int_equal(arena->wins[0], 1);
	}
	munmap(arena, sizeof *arena);
}

static void test_what_the_disk_refuses_is_an_error(void **state)
{
	ps_claims *claims;
	ps_claim_holder holder;
	ps_diag diag = {{0}};
	struct rlimit limit, none;
	char path[600];
	bool taken;
	int rc;

	(void)state;
	snprintf(path, sizeof path, "%s/file", study);
	fclose(fopen(path, "w"));
	strcat(path, "/locks");
	rc = ps_claims_open(&claims, path, &diag);
	assert_int_equal(ps_exit_code(rc), 4);
	assert_non_null(strstr(diag.text, "file"));
	assert_null(claims);

	/* A write that fails leaves no half of a claim behind. */
	signal(SIGXFSZ, SIG_IGN);
	claims = open_claims();
	getrlimit(RLIMIT_FSIZE, &limit);
	none = (struct rlimit){0, limit.rlim_max};
	setrlimit(RLIMIT_FSIZE, &none);
	diag.text[0] = 0;
	rc = ps_claim_take(claims, STEP, &taken, &holder, &diag);
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(rc, -EFBIG);
	assert_false(taken);
	assert_non_null(strstr(diag.text, STEP_FILE));
	assert_true(take(claims, STEP, &holder));
	assert_false(holder.took_over);
	ps_claims_close(claims);
}

/* Needs the right to mount; otherwise skipped. */
static void test_a_full_or_read_only_disk_is_an_error(void **state)
{
	ps_claims *claims;
	ps_claim_holder holder;
	ps_diag diag = {{0}};
	char path[600], filler[65536] = {0};
	bool taken;
	int fd, rc;

	(void)state;
	if (mount("none", study, "tmpfs", 0, "size=64k"))
		skip();
	claims = open_claims();
	snprintf(path, sizeof path, "%s/filler", study);
	fd = open(path, O_WRONLY | O_CREAT, 0666);
	while (write(fd, filler, sizeof filler) > 0)
		;
	close(fd);
	rc = ps_claim_take(claims, STEP, &taken, &holder, &diag);
	unlink(path);
	assert_int_equal(rc, -ENOSPC);
	assert_true(take(claims, STEP, &holder));
	ps_claim_release(claims, STEP);
	assert_int_equal(mount("none", study, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	diag.text[0] = 0;
	rc = ps_claim_take(claims, STEP, &taken, &holder, &diag);
	ps_claims_close(claims);
	umount(study);
	assert_int_equal(ps_exit_code(rc), 4);
	print_message("read-only: %s\n", diag.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_claim_is_had_once_and_comes_back, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_names_of_steps_do_not_meet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ids_without_a_name_are_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			test_another_machine_keeps_its_claim_while_its_heart_beats, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_dead_process_of_this_machine_loses_its_claim_at_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_claims_of_the_dead_are_swept_and_those_of_the_living_stay, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_half_a_file_is_taken_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_lost_claim_is_noticed_and_left_alone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_claim_that_cannot_be_read_is_an_error,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_heart_beats, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_processes_never_hold_a_step_together, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_killed_processes_leave_nothing_held, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_one_of_many_takes_a_stale_claim_over, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_what_the_disk_refuses_is_an_error, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_full_or_read_only_disk_is_an_error, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
