#include "io/text_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/file.h"
#include "io/map_guard.h"

static int map(ps_text_file *file, size_t length, ps_diag *diag)
{
	void *base = mmap(NULL, length, PROT_READ, MAP_SHARED, file->fd, 0);

	if (base == MAP_FAILED)
		return ps_fail_input(diag, errno, "%s: cannot be mapped", file->path);
	ps_map_guard_add(base, length, file->path, file->fd);
	file->text = base;
	file->length = length;
	return 0;
}

int ps_text_file_open(ps_text_file *file, const char *path, size_t limit, ps_diag *diag)
{
	uint64_t bytes = 0;
	int fd = ps_file_open(&ps_sys_linux, path, &bytes, diag), rc = 0;

	*file = (ps_text_file){.text = "", .fd = fd};
	if (fd < 0)
		return fd;
	file->path = strdup(path);
	if (!file->path) {
		close(fd);
		return ps_fail(diag, PS_EBUDGET, "%s: no memory", path);
	}
	if (bytes > limit)
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: %llu bytes, more than the %zu that such a file may have", path,
			     (unsigned long long)bytes, limit);
	else if (bytes)
		rc = map(file, (size_t)bytes, diag);
	if (rc)
		ps_text_file_close(file);
	return rc;
}

void ps_text_file_close(ps_text_file *file)
{
	if (file->length) {
		ps_map_guard_remove(file->text);
		munmap((void *)file->text, file->length);
	}
	/* A zeroed one has no path and no file. */
	if (file->path && file->fd >= 0)
		close(file->fd);
	free(file->path);
	*file = (ps_text_file){.fd = -1};
}
