#include "io/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "core/base/checked.h"
#include "core/base/json_memory.h"
#include "io/map_guard.h"

#define SUFFIX ".ps-partial"
/* Bytes of the file's own name that the temporary's name contains, so that it is never too long. */
#define NAME_BYTES 200
#define ATTEMPTS 100 /* to create a temporary file while others create and remove theirs */

int ps_folder_fsync(const ps_sys *sys, const char *folder)
{
	int fd = sys->open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), rc;

	if (fd < 0)
		return fd;
	rc = sys->fsync(fd);
	(void)sys->close(fd);
	/* EINVAL: this file system cannot sync a folder. Nothing more can be done there. */
	return rc == -EINVAL ? 0 : rc;
}

static int make_names(ps_temporary *temporary, ps_diag *diag)
{
	const char *path = temporary->path, *slash = strrchr(path, '/'),
		   *base = slash ? slash + 1 : path;
	size_t folder_length = slash ? (size_t)(base - path) : 0, name_bytes = strlen(base);
	struct stat st;

	if (!name_bytes)
		return ps_fail(diag, PS_EOUTPUT, "%s: not the name of a file", path);
	if (folder_length + sizeof SUFFIX + 2 > PATH_MAX)
		return ps_fail_errno(diag, ENAMETOOLONG, "%s", path);
	name_bytes = ps_min_size(ps_min_size(name_bytes, NAME_BYTES),
				 PATH_MAX - folder_length - sizeof SUFFIX - 1);
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return ps_fail(diag, PS_EOUTPUT, "%s: is there and is not a regular file", path);
	snprintf(temporary->folder, sizeof temporary->folder, "%.*s",
		 slash ? (int)folder_length : 2, slash ? path : "./");
	snprintf(temporary->name, sizeof temporary->name, "%.*s.%.*s" SUFFIX, (int)folder_length,
		 path, (int)name_bytes, base);
	return 0;
}

/* Removes a leftover temporary file, unless a process holds it: -EBUSY. Only a process that holds
 * the lock unlinks. So a process that has locked a file which still has its name keeps that
 * name. */
static int remove_leftover(const ps_sys *sys, const char *name)
{
	int fd = sys->open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0), rc;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK ? -EBUSY : sys->unlink(name);
	(void)sys->close(fd);
	return rc == -ENOENT ? 0 : rc;
}

/* Creates and locks a new file of that name. Returns its descriptor or -errno. -EAGAIN: another
 * process came in between. */
static int create_locked(const ps_sys *sys, const char *name)
{
	struct stat st;
	int fd = sys->open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666), rc;

	if (fd == -EEXIST) {
		rc = remove_leftover(sys, name);
		return rc ? rc : -EAGAIN;
	}
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		rc = -EBUSY;
	} else {
		rc = sys->fstat(fd, &st);
		if (rc)
			(void)sys->unlink(name);
		else if (!st.st_nlink)
			rc = -EAGAIN;
	}
	if (rc)
		(void)sys->close(fd);
	return rc ? rc : fd;
}

int ps_temporary_open(ps_temporary *temporary, const ps_sys *sys, const char *path, ps_diag *diag)
{
	int fd = -EAGAIN, rc;

	*temporary = (ps_temporary){.sys = sys, .fd = -1, .path = path};
	rc = make_names(temporary, diag);
	if (rc)
		return rc;
	for (int i = 0; i < ATTEMPTS && fd == -EAGAIN; i++)
		fd = create_locked(sys, temporary->name);
	if (fd == -EBUSY)
		return ps_fail(diag, PS_EOUTPUT, "%s: another process is writing it", path);
	if (fd < 0)
		return ps_fail_errno(diag, -fd, "%s: cannot be created", path);
	temporary->fd = fd;
	return 0;
}

int ps_temporary_sync(ps_temporary *temporary, ps_diag *diag)
{
	int rc = ps_map_guard_check(diag);

	if (!rc)
		rc = ps_json_memory_check(diag);
	if (rc) {
		ps_temporary_drop(temporary);
		return rc;
	}
	rc = temporary->synced ? 0 : temporary->sys->fsync(temporary->fd);
	temporary->synced = !rc;
	if (!rc)
		return 0;
	ps_temporary_drop(temporary);
	return ps_fail_errno(diag, -rc, "%s: fsync", temporary->path);
}

int ps_temporary_rename(ps_temporary *temporary, ps_diag *diag)
{
	const ps_sys *sys = temporary->sys;
	int rc = ps_temporary_sync(temporary, diag);

	if (rc)
		return rc;
	rc = sys->rename(temporary->name, temporary->path);
	if (rc) {
		ps_temporary_drop(temporary);
		return ps_fail_errno(diag, -rc, "%s: rename", temporary->path);
	}
	(void)sys->close(temporary->fd);
	temporary->fd = -1;
	return 0;
}

int ps_temporary_sync_folder(const ps_temporary *temporary, ps_diag *diag)
{
	int rc = ps_folder_fsync(temporary->sys, temporary->folder);

	return rc ? ps_fail_errno(diag, -rc, "%s: fsync of its folder", temporary->path) : 0;
}

int ps_temporary_keep(ps_temporary *temporary, ps_diag *diag)
{
	int rc = ps_temporary_rename(temporary, diag);

	return rc ? rc : ps_temporary_sync_folder(temporary, diag);
}

void ps_temporary_drop(ps_temporary *temporary)
{
	if (temporary->fd < 0)
		return;
	(void)temporary->sys->unlink(temporary->name);
	(void)temporary->sys->close(temporary->fd);
	temporary->fd = -1;
}

bool ps_temporary_is(const char *name)
{
	size_t length = strlen(name), suffix = strlen(SUFFIX);

	return name[0] == '.' && length > suffix && !strcmp(name + length - suffix, SUFFIX);
}

void ps_temporary_sweep(const ps_sys *sys, const char *folder)
{
	DIR *list = ps_sys_opendir(folder);
	const struct dirent *entry;
	char path[PATH_MAX];

	if (!list)
		return;
	while ((entry = readdir(list)))
		if (ps_temporary_is(entry->d_name) &&
		    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
			(void)remove_leftover(sys, path);
	closedir(list);
}
