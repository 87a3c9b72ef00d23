#include "io/file_state.h"

#include <time.h>

#include "io/file.h"

#define MILLISECOND ((int64_t)1000000)
#define FINE_TICK (20 * MILLISECOND) /* twice the longest tick of Linux */
#define COARSE_TICK (2500 * MILLISECOND)

static int64_t nanoseconds(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000 * MILLISECOND + t->tv_nsec;
}

ps_file_state ps_file_state_of(const struct stat *st)
{
	return (ps_file_state){.device = (uint64_t)st->st_dev,
			       .inode = (uint64_t)st->st_ino,
			       .bytes = (uint64_t)st->st_size,
			       .mtime_ns = nanoseconds(&st->st_mtim),
			       .ctime_ns = nanoseconds(&st->st_ctim)};
}

int ps_file_state_read(const ps_sys *sys, const char *path, ps_file_state *state, ps_diag *diag)
{
	struct stat st;
	uint64_t bytes;
	int fd = ps_file_open(sys, path, &bytes, diag), rc;

	if (fd < 0)
		return fd;
	rc = sys->fstat(fd, &st);
	(void)sys->close(fd);
	if (rc) {
		(void)ps_fail_errno(diag, -rc, "%s", path);
		return PS_EINPUT;
	}
	*state = ps_file_state_of(&st);
	return 0;
}

bool ps_file_state_same(const ps_file_state *a, const ps_file_state *b)
{
	return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

int64_t ps_file_time_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return nanoseconds(&now);
}

int64_t ps_file_state_unsettled(const ps_file_state *state, int64_t now_ns)
{
	const int64_t last = state->mtime_ns > state->ctime_ns ? state->mtime_ns : state->ctime_ns;
	const int64_t tick = state->ctime_ns % MILLISECOND ? FINE_TICK : COARSE_TICK;

	return now_ns - last >= tick ? 0 : last + tick - now_ns;
}
