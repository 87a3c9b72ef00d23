/* An LD_PRELOAD library that makes the N-th call fail, kills the process there, or shortens a file
 * (fault_plan.h). It stands outside the program, so the program is tested as it is shipped.
 *
 * malloc and its kin go to glibc's own names, because dlsym allocates. All other calls are system
 * calls by number: so this library needs no symbol of the functions that it replaces. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/fault/fault_plan.h"

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static struct fault_plan *plan; /* NULL: nothing is counted */
static struct timespec began;   /* by CLOCK_MONOTONIC */
static FILE *(*next_fopen)(const char *, const char *);
static int (*next_lock)(pthread_mutex_t *);
static int (*next_thread)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* Returns in the child of each run. */
static void serve(struct fault_plan *own)
{
	char go;

	while (syscall(SYS_read, FAULT_START_FD, &go, 1) == 1) {
		const pid_t pid = fork();
		int status = 0;

		if (!pid) {
			own->pid = getpid();
			syscall(SYS_close, FAULT_START_FD);
			syscall(SYS_close, FAULT_STATUS_FD);
			return;
		}
		waitpid(pid, &status, 0);
		syscall(SYS_write, FAULT_STATUS_FD, &status, sizeof status);
	}
	_exit(0);
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv(FAULT_PLAN_VARIABLE);
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	void *map;

	/* Programs that this one starts are left alone. */
	unsetenv("LD_PRELOAD");
	unsetenv("LD_BIND_NOW");
	*(void **)&next_fopen = dlsym(RTLD_NEXT, "fopen");
	*(void **)&next_lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	*(void **)&next_thread = dlsym(RTLD_NEXT, "pthread_create");
	if (fd < 0)
		return;
	map = (void *)syscall(SYS_mmap, NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			      0);
	syscall(SYS_close, fd);
	if (map == MAP_FAILED)
		return;
	serve(map);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &began);
	plan = map;
}

static void trace(void)
{
	struct fault_plan *mine = plan;
	void *frames[40];

	plan = NULL; /* what backtrace allocates does not count */
	backtrace_symbols_fd(frames, backtrace(frames, 40), STDERR_FILENO);
	plan = mine;
}

/* Opened, because truncate by name would be refused on another user's file just the same. */
static void spoil_victim(bool cut)
{
	struct stat st;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, plan->victim, O_RDWR | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		return;
	if (cut)
		syscall(SYS_ftruncate, fd, st.st_size > plan->cut ? st.st_size - plan->cut : 0);
	else
		syscall(SYS_pwrite64, fd, "spoiled", 7, st.st_size / 2);
	syscall(SYS_close, fd);
}

/* Not static, so that a debugger can stop here. */
__attribute__((noinline)) void fault_fires(const char *call);
__attribute__((noinline)) void fault_fires(const char *call)
{
	strncpy(plan->call, call, sizeof plan->call - 1);
	atomic_store(&plan->fired, 1);
	if (plan->trace)
		trace();
	if (plan->action == FAULT_KILL)
		kill(getpid(), SIGKILL);
	else if (plan->action == FAULT_CUT || plan->action == FAULT_PUT)
		spoil_victim(plan->action == FAULT_CUT);
}

/* True if the call belongs to the stage that is tried. */
static bool in_stage(void)
{
	const uint32_t stage = plan->stage;

	return plan->stage_first == FAULT_STAGE_OVER ||
	       (stage >= plan->stage_first && stage < FAULT_STAGE_OVER);
}

/* Counts a call. True if it must fail. *shorten: a write must be short instead. */
static bool must_fail(unsigned class, const char *call, bool *shorten)
{
	uint64_t number;

	if (!plan || !(plan->classes & class) || (plan->after_open && plan->opened < 3) ||
	    !in_stage())
		return false;
	number = atomic_fetch_add(&plan->count, 1) + 1;
	if (!plan->at || number < plan->at)
		return false;
	if (number == plan->at)
		fault_fires(call);
	if (plan->action == FAULT_SHORT) {
		*shorten = number == plan->at && (class & FAULT_WRITE);
		return !*shorten && (number > plan->at || !(class & FAULT_WRITE));
	}
	return plan->action == FAULT_FAIL_ON || (plan->action == FAULT_FAIL && number == plan->at);
}

/* The same for calls that cannot be short. Sets errno. */
static bool fails(unsigned class, const char *call)
{
	bool shorten = false;

	if (!must_fail(class, call, &shorten))
		return false;
	errno = class == FAULT_ALLOC ? ENOMEM : plan->error;
	return true;
}

/* The victim is opened, then mapped, then looked at: from then on its state is known. */
static void advance(uint32_t from)
{
	if (plan)
		(void)atomic_compare_exchange_strong(&plan->opened, &from, from + 1);
}

static bool ends_with(const char *path, const char *end)
{
	const size_t length = strlen(path), most = strlen(end);

	return length >= most && !strcmp(path + length - most, end);
}

/* A file is about to be made. */
static void notice_claim(const char *path)
{
	if (!plan || !strstr(path, "/locks/") || !ends_with(path, ".lock"))
		return;
	if (plan->stage == FAULT_STAGE_STARTING)
		plan->stage = FAULT_STAGE_CLAIMED;
	else if (plan->stage == FAULT_STAGE_RECORDED)
		plan->stage = FAULT_STAGE_OVER;
	if (plan->stage == FAULT_STAGE_OVER && plan->end_stage)
		kill(getpid(), SIGKILL);
}

/* A file has got its final name. A step ends with that of its record. */
static void notice_record(const char *path)
{
	if (plan && plan->stage == FAULT_STAGE_CLAIMED && strstr(path, "/runs/") &&
	    ends_with(path, ".json") && !ends_with(path, "/manifest.json") &&
	    !ends_with(path, "/cfg.json"))
		plan->stage = FAULT_STAGE_RECORDED;
}

/* --- time --- */

int clock_gettime(clockid_t clock, struct timespec *time)
{
	const int64_t second = 1000000000;
	int64_t passed;

	if (syscall(SYS_clock_gettime, clock, time))
		return -1;
	if (!plan || !plan->hurry || clock != CLOCK_MONOTONIC)
		return 0;
	passed = (time->tv_sec - began.tv_sec) * second + time->tv_nsec - began.tv_nsec;
	passed = passed * plan->hurry + began.tv_nsec;
	time->tv_sec = began.tv_sec + passed / second;
	time->tv_nsec = passed % second;
	return 0;
}

/* --- memory --- */

void *malloc(size_t bytes)
{
	return fails(FAULT_ALLOC, "malloc") ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	return fails(FAULT_ALLOC, "calloc") ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
	return fails(FAULT_ALLOC, "realloc") ? NULL : __libc_realloc(old, bytes);
}

void *reallocarray(void *old, size_t count, size_t bytes)
{
	size_t all;

	if (__builtin_mul_overflow(count, bytes, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return fails(FAULT_ALLOC, "reallocarray") ? NULL : __libc_realloc(old, all);
}

void *memalign(size_t alignment, size_t bytes);
void *memalign(size_t alignment, size_t bytes)
{
	return fails(FAULT_ALLOC, "memalign") ? NULL : __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	return fails(FAULT_ALLOC, "aligned_alloc") ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
	void *memory =
		fails(FAULT_ALLOC, "posix_memalign") ? NULL : __libc_memalign(alignment, bytes);

	if (!memory)
		return ENOMEM;
	*out = memory;
	return 0;
}

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if ((flags & MAP_ANONYMOUS) && fails(FAULT_ALLOC, "mmap"))
		return MAP_FAILED;
	if (!(flags & MAP_ANONYMOUS))
		advance(1);
	return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		   void *argument)
{
	if (fails(FAULT_ALLOC, "pthread_create"))
		return EAGAIN; /* as glibc says when there is no memory for a stack */
	return next_thread(thread, attributes, run, argument);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	(void)fails(FAULT_LOCK, "pthread_mutex_lock");
	if (!next_lock) /* before the constructor there is one thread */
		return 0;
	return next_lock(mutex);
}

/* --- files --- */

static ssize_t transfer(long number, unsigned class, const char *call, int fd, void *buffer,
			size_t bytes, off_t offset)
{
	bool shorten = false;
	struct stat st;

	/* What goes through a terminal or a pipe is no file of ours. */
	if (plan && (plan->classes & class) &&
	    (syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) || !S_ISREG(st.st_mode)))
		class = 0;
	if (must_fail(class, call, &shorten)) {
		errno = plan->error;
		return -1;
	}
	return syscall(number, fd, buffer, shorten ? bytes / 2 : bytes, offset);
}

ssize_t write(int fd, const void *buffer, size_t bytes)
{
	return transfer(SYS_write, FAULT_WRITE, "write", fd, (void *)buffer, bytes, 0);
}

ssize_t pwrite(int fd, const void *buffer, size_t bytes, off_t offset)
{
	return transfer(SYS_pwrite64, FAULT_WRITE, "pwrite", fd, (void *)buffer, bytes, offset);
}

ssize_t read(int fd, void *buffer, size_t bytes)
{
	return transfer(SYS_read, FAULT_READ, "read", fd, buffer, bytes, 0);
}

ssize_t pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	return transfer(SYS_pread64, FAULT_READ, "pread", fd, buffer, bytes, offset);
}

int fsync(int fd)
{
	return fails(FAULT_SYNC, "fsync") ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return fails(FAULT_SYNC, "fdatasync") ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t bytes)
{
	return fails(FAULT_TRUNCATE, "ftruncate") ? -1 : (int)syscall(SYS_ftruncate, fd, bytes);
}

int posix_fallocate(int fd, off_t offset, off_t bytes)
{
	if (fails(FAULT_TRUNCATE, "posix_fallocate"))
		return plan->error;
	return syscall(SYS_fallocate, fd, 0, offset, bytes) ? errno : 0;
}

int fstat(int fd, struct stat *st)
{
	int rc;

	/* A moment to act at. It cannot fail: no test asks for that. */
	(void)fails(FAULT_STAT, "fstat");
	rc = (int)syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH);
	advance(2);
	return rc;
}

int rename(const char *from, const char *to)
{
	int rc;

	if (fails(FAULT_RENAME, "rename"))
		return -1;
	rc = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	notice_record(to);
	return rc;
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return fails(FAULT_RENAME, "renameat2")
		       ? -1
		       : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int link(const char *from, const char *to)
{
	return fails(FAULT_RENAME, "link")
		       ? -1
		       : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
	return fails(FAULT_UNLINK, "unlink") ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return fails(FAULT_UNLINK, "rmdir")
		       ? -1
		       : (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char *path, mode_t mode)
{
	return fails(FAULT_MKDIR, "mkdir") ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

/* The class of an open. Folders and /proc hold no data of ours. */
static unsigned class_of(const char *path, int flags)
{
	if (flags & (O_WRONLY | O_RDWR | O_CREAT))
		return FAULT_CREATE;
	return (flags & O_DIRECTORY) || !strncmp(path, "/proc/", 6) || !strncmp(path, "/sys/", 5)
		       ? 0
		       : FAULT_OPEN;
}

static int open_file(int folder, const char *path, int flags, mode_t mode)
{
	if (plan && !strcmp(path, plan->victim))
		advance(0);
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		notice_claim(path);
	return fails(class_of(path, flags), "open")
		       ? -1
		       : (int)syscall(SYS_openat, folder, path, flags, mode);
}

/* The mode is there only if the flags ask for a new file. */
#define MODE_OF(flags, mode)                                                                       \
	do {                                                                                       \
		if ((flags) & (O_CREAT | O_TMPFILE)) {                                             \
			va_list list;                                                              \
                                                                                                   \
			va_start(list, flags);                                                     \
			mode = va_arg(list, mode_t);                                               \
			va_end(list);                                                              \
		}                                                                                  \
	} while (0)

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return open_file(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return open_file(folder, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	return fails(class_of(path, strpbrk(mode, "wa+") ? O_RDWR : O_RDONLY), "fopen")
		       ? NULL
		       : next_fopen(path, mode);
}

/* The names for files beyond 2 GiB, which are the same calls here. */
__attribute__((alias("mmap"))) void *mmap64(void *, size_t, int, int, int, off_t);
__attribute__((alias("pwrite"))) ssize_t pwrite64(int, const void *, size_t, off_t);
__attribute__((alias("pread"))) ssize_t pread64(int, void *, size_t, off_t);
__attribute__((alias("ftruncate"))) int ftruncate64(int, off_t);
__attribute__((alias("posix_fallocate"))) int posix_fallocate64(int, off_t, off_t);
__attribute__((alias("open"))) int open64(const char *, int, ...);
__attribute__((alias("openat"))) int openat64(int, const char *, int, ...);
__attribute__((alias("fopen"))) FILE *fopen64(const char *, const char *);
