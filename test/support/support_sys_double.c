#include "test/support/support_sys_double.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static sys_plan plan;
static long count;
static int open_files;
static size_t written;
static bool interrupted;
static char trace[1 << 16];
static size_t trace_length;

void sys_double_plan(sys_plan wanted)
{
	plan = wanted;
	count = 0;
	open_files = 0;
	written = 0;
	interrupted = false;
	trace_length = 0;
	trace[0] = 0;
}

long sys_double_count(void)
{
	return count;
}

int sys_double_open_files(void)
{
	return open_files;
}

const char *sys_double_trace(void)
{
	return trace;
}

/* The planned error of this call, or 0. *last: the process must die in it. */
static int enter(unsigned call, char letter, bool *last)
{
	if (letter && trace_length + 1 < sizeof trace) {
		trace[trace_length++] = letter;
		trace[trace_length] = 0;
	}
	if (!(plan.calls & call))
		return 0;
	count++;
	if (count == plan.kill_at) {
		if (!last)
			raise(SIGKILL);
		else
			*last = true;
	}
	return count == plan.fail_at ? -plan.error : 0;
}

static int double_open(const char *path, int flags, mode_t mode)
{
	int rc = enter(SYS_OPEN, 'o', NULL);

	if (!rc)
		rc = ps_sys_linux.open(path, flags, mode);
	open_files += rc >= 0;
	return rc;
}

/* A close closes even if it reports an error. */
static int double_close(int fd)
{
	int rc = enter(SYS_CLOSE, 0, NULL), real = ps_sys_linux.close(fd);

	open_files--;
	return rc ? rc : real;
}

static bool interrupts(void)
{
	interrupted = plan.interrupt && !interrupted;
	return interrupted;
}

static ssize_t double_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	int rc = enter(SYS_PREAD, 'r', NULL);

	if (rc || interrupts())
		return rc ? rc : -EINTR;
	return ps_sys_linux.pread(
		fd, buffer, plan.shorten && bytes > plan.shorten ? plan.shorten : bytes, offset);
}

static ssize_t double_pwrite(int fd, const void *buffer, size_t bytes, off_t offset)
{
	bool last = false;
	int rc = enter(SYS_PWRITE, 'w', &last);
	ssize_t put;

	if (last) {
		put = ps_sys_linux.pwrite(fd, buffer, bytes / 2, offset);
		raise(SIGKILL);
	}
	if (rc || interrupts())
		return rc ? rc : -EINTR;
	if (plan.shorten && bytes > plan.shorten)
		bytes = plan.shorten;
	if (plan.capacity && bytes > plan.capacity - written)
		bytes = plan.capacity - written;
	if (!bytes)
		return -ENOSPC;
	put = ps_sys_linux.pwrite(fd, buffer, bytes, offset);
	written += put > 0 ? (size_t)put : 0;
	return put;
}

static int double_fsync(int fd)
{
	int rc = enter(SYS_FSYNC, 's', NULL);

	return rc || plan.no_sync ? rc : ps_sys_linux.fsync(fd);
}

static int double_start_write(int fd, off_t offset, off_t bytes)
{
	int rc = enter(SYS_START_WRITE, 0, NULL);

	return rc || plan.no_sync ? rc : ps_sys_linux.start_write(fd, offset, bytes);
}

static int double_rename(const char *from, const char *to)
{
	int rc = enter(SYS_RENAME, 'm', NULL);

	return rc ? rc : ps_sys_linux.rename(from, to);
}

static int double_exchange(const char *a, const char *b)
{
	int rc = enter(SYS_RENAME, 'm', NULL);

	if (!rc && plan.no_exchange)
		rc = -EINVAL;
	return rc ? rc : ps_sys_linux.exchange(a, b);
}

static int double_unlink(const char *path)
{
	int rc = enter(SYS_UNLINK, 'u', NULL);

	return rc ? rc : ps_sys_linux.unlink(path);
}

static int double_mkdir(const char *path, mode_t mode)
{
	int rc = enter(SYS_MKDIR, 'd', NULL);

	return rc ? rc : ps_sys_linux.mkdir(path, mode);
}

static int double_rmdir(const char *path)
{
	int rc = enter(SYS_RMDIR, 0, NULL);

	return rc ? rc : ps_sys_linux.rmdir(path);
}

static int double_fstat(int fd, struct stat *st)
{
	int rc = enter(SYS_FSTAT, 0, NULL);

	return rc ? rc : ps_sys_linux.fstat(fd, st);
}

static int double_fstatfs(int fd, struct statfs *st)
{
	int rc = enter(SYS_FSTATFS, 0, NULL);

	return rc ? rc : ps_sys_linux.fstatfs(fd, st);
}

static int double_fallocate(int fd, off_t bytes)
{
	int rc = enter(SYS_FALLOCATE, 0, NULL);

	return rc ? rc : ps_sys_linux.fallocate(fd, bytes);
}

static int double_mincore(const void *address, size_t bytes, unsigned char *resident)
{
	int rc = enter(SYS_MINCORE, 0, NULL);

	return rc ? rc : ps_sys_linux.mincore(address, bytes, resident);
}

const ps_sys sys_double = {
	.open = double_open,
	.close = double_close,
	.pread = double_pread,
	.pwrite = double_pwrite,
	.fsync = double_fsync,
	.start_write = double_start_write,
	.rename = double_rename,
	.exchange = double_exchange,
	.unlink = double_unlink,
	.mkdir = double_mkdir,
	.rmdir = double_rmdir,
	.fstat = double_fstat,
	.fstatfs = double_fstatfs,
	.fallocate = double_fallocate,
	.mincore = double_mincore,
};

void scratch_make(char *path, size_t size)
{
	const char *where = getenv("TMPDIR");

	snprintf(path, size, "%s/prunescope-test-XXXXXX", where ? where : "/tmp");
	if (!mkdtemp(path)) {
		perror(path);
		abort();
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
	(void)st, (void)type, (void)place;
	return remove(path);
}

void scratch_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int scratch_count(const char *path)
{
	DIR *list = opendir(path);
	int entries = -2;

	while (list && readdir(list))
		entries++;
	if (list)
		closedir(list);
	return entries;
}

int run_in_child(int (*fn)(void *context), void *context)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (!child)
		_exit(fn(context));
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("fork");
		abort();
	}
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
