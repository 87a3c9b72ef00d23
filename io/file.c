#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "core/base/json_text.h"
#include "io/temporary.h"

#define DIGEST_BUFFER ((size_t)1 << 20)
#define POINTER_BYTES_MAX 1024 /* of a Git LFS pointer, by its specification */

static int input_failure(ps_diag *diag, int rc, const char *path)
{
	return ps_fail_input(diag, -rc, "%s", path);
}

/* Refuses a Git LFS pointer: a clone without git-lfs has one in place of each large file. */
static int refuse_pointer(const ps_sys *sys, int fd, size_t bytes, const char *path, ps_diag *diag)
{
	static const char first_line[] = "version https://git-lfs.github.com/spec/";
	char text[POINTER_BYTES_MAX];
	const char *size;
	int rc;

	if (bytes < sizeof first_line || bytes >= sizeof text)
		return 0;
	rc = ps_sys_pread_full(sys, fd, text, bytes, 0);
	if (rc)
		return input_failure(diag, rc, path);
	if (memcmp(text, first_line, sizeof first_line - 1))
		return 0;
	text[bytes] = 0;
	size = strstr(text, "\nsize ");
	return ps_fail(diag, PS_EINPUT,
		       "%s: is a Git LFS pointer, not the file itself (size %.*s): fetch it with "
		       "git lfs pull",
		       path, size ? (int)strspn(size + 6, "0123456789") : 7,
		       size ? size + 6 : "unknown");
}

static int refuse_missing(const char *path, ps_diag *diag)
{
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof target);

	if (length < 0)
		return input_failure(diag, -ENOENT, path);
	return ps_fail(diag, PS_EINPUT, "%s: is a link to %.*s, which is not there", path,
		       (int)length, target);
}

bool ps_file_is_named(const char *path)
{
	struct stat st;

	/* What cannot be looked at may be there: opening it says why it cannot. */
	return !lstat(path, &st) || (errno != ENOENT && errno != ENOTDIR);
}

bool ps_file_is_there(const char *path)
{
	return !access(path, F_OK) || (errno != ENOENT && errno != ENOTDIR);
}

int ps_file_open(const ps_sys *sys, const char *path, uint64_t *bytes, ps_diag *diag)
{
	struct stat st;
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	int fd = sys->open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0), rc;

	if (fd < 0)
		return fd == -ENOENT ? refuse_missing(path, diag) : input_failure(diag, fd, path);
	rc = sys->fstat(fd, &st);
	if (rc)
		rc = input_failure(diag, rc, path);
	else if (!S_ISREG(st.st_mode))
		rc = ps_fail(diag, PS_EINPUT, "%s: %s", path,
			     S_ISDIR(st.st_mode) ? "is a folder, not a file"
						 : "is not a regular file");
	else
		rc = refuse_pointer(sys, fd, (size_t)st.st_size, path, diag);
	if (rc) {
		(void)sys->close(fd);
		return rc;
	}
	*bytes = (uint64_t)st.st_size;
	return fd;
}

int ps_file_read(const ps_sys *sys, const char *path, size_t limit, char **out, size_t *length,
		 ps_diag *diag)
{
	uint64_t size = 0;
	char *bytes = NULL;
	int fd = ps_file_open(sys, path, &size, diag), rc = 0;

	if (fd < 0)
		return fd;
	if (size > limit) {
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: %llu bytes, more than the %zu that such a file may have", path,
			     (unsigned long long)size, limit);
		goto out;
	}
	bytes = malloc((size_t)size + 1);
	if (!bytes) {
		rc = ps_fail(diag, PS_EBUDGET, "%s: no memory for %llu bytes", path,
			     (unsigned long long)size);
		goto out;
	}
	rc = ps_sys_pread_full(sys, fd, bytes, (size_t)size, 0);
	if (rc) {
		rc = input_failure(diag, rc, path);
		goto out;
	}
	bytes[size] = 0;
	*out = bytes;
	*length = (size_t)size;
	bytes = NULL;
out:
	free(bytes);
	(void)sys->close(fd);
	return rc;
}

int ps_file_read_json(const ps_sys *sys, const char *path, size_t limit, json_t **value,
		      ps_diag *diag)
{
	char *text = NULL;
	size_t length = 0;
	int rc = ps_file_read(sys, path, limit, &text, &length, diag);

	if (rc)
		return rc;
	rc = ps_json_parse(text, length, path, value, diag);
	free(text);
	return rc;
}

int ps_file_digest(const ps_sys *sys, const char *path, uint64_t *bytes, uint64_t *digest,
		   ps_diag *diag)
{
	uint64_t size = 0;
	int fd = ps_file_open(sys, path, &size, diag), rc = 0;
	ps_digest *running = ps_digest_create();
	char *buffer = malloc(DIGEST_BUFFER);

	if (fd >= 0 && (!running || !buffer))
		rc = ps_fail(diag, PS_EBUDGET, "%s: no memory for its checksum", path);
	for (uint64_t at = 0; fd >= 0 && !rc && at < size; at += DIGEST_BUFFER) {
		size_t part = ps_min_size(DIGEST_BUFFER, (size_t)(size - at));

		rc = ps_sys_pread_full(sys, fd, buffer, part, (off_t)at);
		if (rc)
			rc = input_failure(diag, rc, path);
		else
			ps_digest_add(running, buffer, part);
	}
	if (fd >= 0 && !rc) {
		*bytes = size;
		*digest = ps_digest_value(running);
	}
	if (fd >= 0)
		(void)sys->close(fd);
	free(buffer);
	ps_digest_destroy(running);
	return fd < 0 ? fd : rc;
}

static int replace_once(const ps_sys *sys, const char *path, const void *bytes, size_t length,
			ps_diag *diag)
{
	ps_temporary temporary;
	int rc = ps_temporary_open(&temporary, sys, path, diag);

	if (rc)
		return rc;
	rc = ps_sys_pwrite_full(sys, temporary.fd, bytes, length, 0);
	if (rc) {
		ps_temporary_drop(&temporary);
		return ps_fail_errno(diag, -rc, "%s: cannot be written", path);
	}
	return ps_temporary_keep(&temporary, diag);
}

int ps_file_replace(const ps_sys *sys, const char *path, const void *bytes, size_t length,
		    ps_diag *diag)
{
	ps_diag first = {{0}};
	int rc = replace_once(sys, path, bytes, length, &first);

	/* A failed fsync gives EIO. Other errors, of a full disk or a missing folder, would only
	 * come again. */
	if (rc == -EIO)
		return replace_once(sys, path, bytes, length, diag);
	return rc ? ps_fail(diag, rc, "%s", first.text) : 0;
}

int ps_stdout_close(ps_diag *diag)
{
	const bool printed = __fpending(stdout) > 0;
	int error = ferror(stdout) ? EIO : 0;

	errno = 0;
	if (fclose(stdout) && (errno != EBADF || printed))
		error = errno;
	if (!error)
		return 0;
	(void)ps_fail_errno(diag, error, "standard output");
	return PS_EOUTPUT;
}

char *ps_json_text(const json_t *value, size_t flags)
{
	size_t length = json_dumpb(value, NULL, 0, flags);
	char *text = length ? malloc(length + 1) : NULL;

	if (!text)
		return NULL;
	if (json_dumpb(value, text, length, flags) != length) {
		free(text);
		return NULL;
	}
	text[length] = 0;
	return text;
}

int ps_file_replace_json(const ps_sys *sys, const char *path, const json_t *value, ps_diag *diag)
{
	char *text = ps_json_text(value, PS_JSON_FILE);
	size_t length;
	int rc;

	if (!text)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its text", path);
	length = strlen(text);
	text[length] = '\n'; /* takes the place of the NUL */
	rc = ps_file_replace(sys, path, text, length + 1, diag);
	free(text);
	return rc;
}
