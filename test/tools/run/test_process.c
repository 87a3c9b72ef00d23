/* tools/run/process: which process this is, which ones are alive, and how long a thread waited for
 * a processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "tools/run/process.h"

static void test_a_process_is_more_than_its_number(void **state)
{
	ps_process self, other;
	int status;
	pid_t child;

	(void)state;
	ps_process_self(&self);
	assert_int_equal(self.pid, getpid());
	assert_true(self.start > 0);
	assert_true(ps_process_is_near(&self, &self));
	assert_true(ps_process_is_alive(&self));
	other = self;
	other.start++;
	assert_false(ps_process_is_alive(&other));
	other = self;
	other.boot[0] ^= 1;
	assert_false(ps_process_is_near(&self, &other));
	other.boot[0] = 0;
	assert_false(ps_process_is_near(&other, &other));
	other.pid = INT64_MAX;
	assert_false(ps_process_is_alive(&other));
	other.pid = 0;
	assert_false(ps_process_is_alive(&other));
	child = fork();
	if (!child)
		_exit(0);
	waitpid(child, &status, 0);
	other = (ps_process){.pid = child};
	assert_false(ps_process_is_alive(&other));
}

/* Works on one processor for so long, beside another process that never rests. */
static ps_thread_time work_beside_another(double seconds)
{
	const double until = ps_clock() + seconds;
	ps_thread_time before, after;
	pid_t child = fork();

	while (!child)
		;
	assert_true(child > 0);
	assert_true(ps_thread_time_read(&before));
	while (ps_clock() < until)
		;
	assert_true(ps_thread_time_read(&after));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return (ps_thread_time){after.ran - before.ran, after.waited - before.waited};
}

static void test_a_thread_knows_how_long_it_waited(void **state)
{
	ps_thread_time time;
	cpu_set_t all, one;

	(void)state;
	if (!ps_thread_time_read(&time))
		skip();
	assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	time = work_beside_another(0.4);
	assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
	assert_true(time.ran > 0.01);
	assert_true(time.waited > 0.2 * time.ran);
	assert_true(time.ran + time.waited < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_process_is_more_than_its_number),
		cmocka_unit_test(test_a_thread_knows_how_long_it_waited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
