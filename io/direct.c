#include "io/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/checked.h"

#define PAGES_AT_A_TIME 512

/* True if mincore tells us the truth about the file (mm/mincore.c, can_do_mincore). */
static bool cache_is_told(const struct stat *st, const char *path)
{
	uid_t user = geteuid();

	return !user || st->st_uid == user || !eaccess(path, W_OK);
}

/* 0 if the descriptor can be used for direct reads, else -errno. */
static int check(const ps_sys *sys, const ps_tensor_file *file, int fd, void *block)
{
	struct stat mapped, direct;
	int rc = sys->fstat(file->fd, &mapped);
	ssize_t got;

	if (!rc)
		rc = sys->fstat(fd, &direct);
	if (rc)
		return rc;
	if (mapped.st_dev != direct.st_dev || mapped.st_ino != direct.st_ino)
		return -ESTALE;
	if (!cache_is_told(&direct, file->path))
		return -EACCES;
	do
		got = sys->pread(fd, block, PS_READ_ALIGNMENT, 0);
	while (got == -EINTR);
	return got < 0 ? (int)got : 0;
}

/* The descriptor, or -errno. */
static int open_one(const ps_sys *sys, const ps_tensor_file *file, void *block)
{
	int fd = sys->open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_DIRECT, 0), rc;

	if (fd < 0)
		return fd;
	rc = check(sys, file, fd, block);
	if (rc)
		(void)sys->close(fd);
	return rc ? rc : fd;
}

static void note_refusal(ps_direct_files *direct, int rc)
{
	char reason[48];

	if (direct->refusal[0])
		return;
	if (rc == -EACCES)
		snprintf(direct->refusal, sizeof direct->refusal, "not told what is cached");
	else
		snprintf(direct->refusal, sizeof direct->refusal, "O_DIRECT: %s",
			 strerror_r(-rc, reason, sizeof reason));
}

int ps_direct_open(ps_direct_files *direct, const ps_sys *sys, const ps_tensor_file *files,
		   size_t count, void *block)
{
	*direct = (ps_direct_files){.sys = sys, .files = files};
	direct->fds = malloc((count ? count : 1) * sizeof *direct->fds);
	if (!direct->fds)
		return -ENOMEM;
	direct->count = count;
	for (size_t i = 0; i < count; i++) {
		int fd = open_one(sys, &files[i], block);

		if (fd < 0)
			note_refusal(direct, fd);
		else
			direct->direct_count++;
		direct->fds[i] = fd < 0 ? -1 : fd;
	}
	return 0;
}

void ps_direct_close(ps_direct_files *direct)
{
	for (size_t i = 0; i < direct->count; i++)
		if (direct->fds[i] >= 0)
			(void)direct->sys->close(direct->fds[i]);
	free(direct->fds);
	*direct = (ps_direct_files){0};
}

bool ps_direct_is_cached(const ps_sys *sys, const ps_tensor_file *file, uint64_t offset,
			 size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), first = (size_t)offset / page;
	size_t pages = ps_div_up((size_t)offset + bytes, page) - first, resident = 0;
	unsigned char found[PAGES_AT_A_TIME];

	for (size_t at = 0; at < pages; at += PAGES_AT_A_TIME) {
		size_t part = ps_min_size(pages - at, PAGES_AT_A_TIME);

		if (sys->mincore(file->map + (first + at) * page, part * page, found))
			return true;
		for (size_t i = 0; i < part; i++)
			resident += found[i] & 1;
	}
	return 2 * resident >= pages;
}
