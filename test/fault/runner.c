#include "test/fault/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Machines that run this are busy, and a whole study may be run. */
#define SECONDS_MAX 600

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "sweep: %s\n", what);
	exit(99);
}

void runner_open(struct runner *r)
{
	const char *folder = getenv("TMPDIR");
	int fd;

	snprintf(r->plan_path, sizeof r->plan_path, "%s/fault-plan-%d", folder ? folder : "/tmp",
		 (int)getpid());
	fd = open(r->plan_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof *r->plan))
		give_up("no plan");
	r->plan = mmap(NULL, sizeof *r->plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r->plan == MAP_FAILED)
		give_up("no plan");
	close(fd);
	r->out = memfd_create("out", MFD_CLOEXEC);
	r->err = memfd_create("err", MFD_CLOEXEC);
	if (r->out < 0 || r->err < 0)
		give_up("no output");
}

char *runner_read(int fd, size_t *length)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char *text = calloc((size_t)end + 1, 1);

	if (!text || pread(fd, text, (size_t)end, 0) != end)
		give_up("an output cannot be read");
	*length = (size_t)end;
	return text;
}

static void become(const struct runner *r, bool served)
{
	dup2(r->out, STDOUT_FILENO);
	dup2(r->err, STDERR_FILENO);
	if (served) {
		setenv(FAULT_PLAN_VARIABLE, r->plan_path, 1);
		setenv("LD_PRELOAD", r->preload, 1);
		setenv("LD_BIND_NOW", "1", 1);
	}
	execvp(r->command[0], r->command);
	_exit(99);
}

void runner_load(struct runner *r)
{
	int start[2], status[2];
	pid_t pid;

	if (pipe2(start, O_CLOEXEC) || pipe2(status, O_CLOEXEC) || (pid = fork()) < 0)
		give_up("no process");
	if (!pid) {
		dup2(start[0], FAULT_START_FD);
		dup2(status[1], FAULT_STATUS_FD);
		become(r, true);
	}
	close(start[0]);
	close(status[1]);
	r->start = start[1];
	r->status = status[0];
}

static int code_of(int status)
{
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_directly(const struct runner *r)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		become(r, false);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		give_up("no process");
	return code_of(status);
}

static int run_served(const struct runner *r)
{
	struct pollfd end = {r->status, POLLIN, 0};
	bool late = false;
	int status;

	if (write(r->start, "", 1) != 1)
		give_up("the program cannot be loaded");
	/* Signals that stop the sweep interrupt poll. */
	for (time_t limit = time(NULL) + SECONDS_MAX; poll(&end, 1, 1000) < 1;)
		if (!late && time(NULL) >= limit) {
			kill(r->plan->pid, SIGKILL);
			late = true;
		}
	if (read(r->status, &status, sizeof status) != sizeof status)
		give_up("the program cannot be loaded");
	return late ? 2000 : code_of(status);
}

static void empty_output(int fd)
{
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		give_up("an output cannot be emptied");
}

int runner_run(const struct runner *r, bool served)
{
	empty_output(r->out);
	empty_output(r->err);
	return served ? run_served(r) : run_directly(r);
}

void runner_close(const struct runner *r)
{
	if (r->start)
		close(r->start);
	unlink(r->plan_path);
}
