#include "io/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* A network file system may be interrupted while it opens. */
static int linux_open(const char *path, int flags, mode_t mode)
{
	int fd = TEMP_FAILURE_RETRY(open(path, flags, mode));

	return fd < 0 ? -errno : fd;
}

static int linux_close(int fd)
{
	return close(fd) ? -errno : 0;
}

static ssize_t linux_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	ssize_t got = pread(fd, buffer, bytes, offset);

	return got < 0 ? -errno : got;
}

static ssize_t linux_pwrite(int fd, const void *buffer, size_t bytes, off_t offset)
{
	ssize_t put = pwrite(fd, buffer, bytes, offset);

	return put < 0 ? -errno : put;
}

static int linux_fsync(int fd)
{
	return fsync(fd) ? -errno : 0;
}

static int linux_start_write(int fd, off_t offset, off_t bytes)
{
	return sync_file_range(fd, offset, bytes, SYNC_FILE_RANGE_WRITE) ? -errno : 0;
}

static int linux_rename(const char *from, const char *to)
{
	return rename(from, to) ? -errno : 0;
}

static int linux_exchange(const char *a, const char *b)
{
	return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) ? -errno : 0;
}

static int linux_unlink(const char *path)
{
	return unlink(path) ? -errno : 0;
}

static int linux_mkdir(const char *path, mode_t mode)
{
	return mkdir(path, mode) ? -errno : 0;
}

static int linux_rmdir(const char *path)
{
	return rmdir(path) ? -errno : 0;
}

static int linux_fstat(int fd, struct stat *st)
{
	return fstat(fd, st) ? -errno : 0;
}

static int linux_fstatfs(int fd, struct statfs *st)
{
	return TEMP_FAILURE_RETRY(fstatfs(fd, st)) ? -errno : 0;
}

static int linux_fallocate(int fd, off_t bytes)
{
	return TEMP_FAILURE_RETRY(fallocate(fd, 0, 0, bytes)) ? -errno : 0;
}

static int linux_mincore(const void *address, size_t bytes, unsigned char *resident)
{
	return mincore((void *)address, bytes, resident) ? -errno : 0;
}

DIR *ps_sys_opendir(const char *folder)
{
	DIR *list;

	do
		list = opendir(folder);
	while (!list && errno == EINTR);
	return list;
}

int ps_sys_scandir(const char *folder, struct dirent ***entries,
		   int (*filter)(const struct dirent *entry))
{
	return TEMP_FAILURE_RETRY(scandir(folder, entries, filter, alphasort));
}

const ps_sys ps_sys_linux = {
	.open = linux_open,
	.close = linux_close,
	.pread = linux_pread,
	.pwrite = linux_pwrite,
	.fsync = linux_fsync,
	.start_write = linux_start_write,
	.rename = linux_rename,
	.exchange = linux_exchange,
	.unlink = linux_unlink,
	.mkdir = linux_mkdir,
	.rmdir = linux_rmdir,
	.fstat = linux_fstat,
	.fstatfs = linux_fstatfs,
	.fallocate = linux_fallocate,
	.mincore = linux_mincore,
};

int ps_sys_pread_full(const ps_sys *sys, int fd, void *buffer, size_t bytes, off_t offset)
{
	char *at = buffer;

	while (bytes) {
		ssize_t got = sys->pread(fd, at, bytes, offset);

		if (got == -EINTR)
			continue;
		if (got < 0)
			return (int)got;
		if (!got)
			return -ENODATA;
		at += got;
		bytes -= (size_t)got;
		offset += got;
	}
	return 0;
}

int ps_sys_pwrite_full(const ps_sys *sys, int fd, const void *buffer, size_t bytes, off_t offset)
{
	const char *at = buffer;

	while (bytes) {
		ssize_t put = sys->pwrite(fd, at, bytes, offset);

		if (put == -EINTR)
			continue;
		if (put < 0)
			return (int)put;
		/* Without this a write that takes no bytes would be tried forever. */
		if (!put)
			return -EIO;
		at += put;
		bytes -= (size_t)put;
		offset += put;
	}
	return 0;
}
