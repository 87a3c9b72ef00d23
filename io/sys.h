/* io/sys.h: the system calls on files that io/ makes, through a table that a test can replace. A
 * test can shorten reads and writes, fail the n-th call, or cut the power between two calls. Each
 * has the contract of the call of the same name, but returns its error as -errno. */
#ifndef PS_IO_SYS_H
#define PS_IO_SYS_H

#include <dirent.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>

#include "core/base/error.h"

typedef struct ps_sys {
	int (*open)(const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	ssize_t (*pread)(int fd, void *buffer, size_t bytes, off_t offset);
	ssize_t (*pwrite)(int fd, const void *buffer, size_t bytes, off_t offset);
	int (*fsync)(int fd);
	/* Begins to write a range that pwrite has changed, and does not wait for it. A later fsync
	 * then finds less to do. */
	int (*start_write)(int fd, off_t offset, off_t bytes);
	int (*rename)(const char *from, const char *to);
	int (*exchange)(const char *a, const char *b); /* renameat2 with RENAME_EXCHANGE */
	int (*unlink)(const char *path);
	int (*mkdir)(const char *path, mode_t mode);
	int (*rmdir)(const char *path);
	int (*fstat)(int fd, struct stat *st);
	int (*fstatfs)(int fd, struct statfs *st);
	int (*fallocate)(int fd, off_t bytes); /* from the beginning of the file on */
	int (*mincore)(const void *address, size_t bytes, unsigned char *resident);
} ps_sys;

extern const ps_sys ps_sys_linux; /* the real calls */

/* opendir and scandir (sorted by name), which are tried again if a signal interrupts them. NULL or
 * -1 and errno otherwise. */
DIR *ps_sys_opendir(const char *folder);
int ps_sys_scandir(const char *folder, struct dirent ***entries,
		   int (*filter)(const struct dirent *entry));

/* Reads all of the buffer: short transfers and EINTR are continued. Returns 0 or -errno. A file
 * that ends early is -ENODATA. */
int ps_sys_pread_full(const ps_sys *sys, int fd, void *buffer, size_t bytes,
		      off_t offset) PS_MUST_USE;
/* Writes all of the buffer, in the same way. */
int ps_sys_pwrite_full(const ps_sys *sys, int fd, const void *buffer, size_t bytes,
		       off_t offset) PS_MUST_USE;

#endif
