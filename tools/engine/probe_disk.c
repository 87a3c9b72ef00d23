#include "tools/engine/probe_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "io/tensor_file.h"

#define FILE_BYTES ((size_t)16 << 20)
#define READ_SECONDS 0.15 /* the file is read again until so much time has passed */
#define READS_MAX 64

/* A file that is gone once it is closed. Returns its descriptor, or -errno. */
static int make_file(const char *folder)
{
	int fd = TEMP_FAILURE_RETRY(open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)),
	    err = errno;
	char *path;

	if (fd >= 0 || (err != EOPNOTSUPP && err != EISDIR))
		return fd < 0 ? -err : fd;
	/* Some file systems know no file without a name. */
	if (asprintf(&path, "%s/.prunescope-doctor-XXXXXX", folder) < 0)
		return -ENOMEM;
	fd = mkostemp(path, O_CLOEXEC);
	err = errno;
	if (fd >= 0)
		(void)unlink(path);
	free(path);
	return fd < 0 ? -err : fd;
}

/* Fills the buffer with bytes that no file system can compress, and writes them. Returns the
 * descriptor of the file, or -errno. */
static int write_file(const char *folder, char *buffer, ps_disk_probe *probe)
{
	int fd = make_file(folder), rc;
	uint64_t state = 1;
	double started;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < FILE_BYTES / sizeof state; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		((uint64_t *)(void *)buffer)[i] = state ^ state >> 29;
	}
	started = ps_clock();
	rc = ps_sys_pwrite_full(&ps_sys_linux, fd, buffer, FILE_BYTES, 0);
	if (!rc && fsync(fd))
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	probe->write_rate = (double)FILE_BYTES / (ps_clock() - started);
	return fd;
}

/* Reads the file from its beginning, up to FILE_BYTES, again and again. */
static int time_reads(ps_reader *reader, const ps_tensor_file *file, char *buffer,
		      ps_disk_probe *probe, ps_diag *diag)
{
	const size_t bytes = ps_min_size(FILE_BYTES, (size_t)file->file_bytes);
	const ps_read read = {.file = file, .bytes = bytes, .buffer = buffer};
	double seconds = 0;
	size_t count = 0;
	int rc = 0;

	for (; !rc && count < READS_MAX && seconds < READ_SECONDS; count++) {
		ps_read_job job = {.reads = &read, .count = 1};
		double started;

		/* Without effect where the file is read directly. */
		(void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
		started = ps_clock();
		ps_reader_submit(reader, &job, PS_READ_LAST);
		rc = ps_reader_wait(reader, &job, diag);
		seconds += ps_clock() - started;
	}
	if (!rc && seconds > 0)
		probe->read_rate = (double)(bytes * count) / seconds;
	return rc;
}

static int read_file(const char *path, char *buffer, ps_disk_probe *probe, ps_diag *diag)
{
	ps_tensor_file file = {.fd = -1};
	const ps_uring_options places = {.ring = &ps_ring_linux,
					 .sys = &ps_sys_linux,
					 .files = &file,
					 .file_count = 1,
					 .direct_least = 1,
					 .memory = buffer,
					 .memory_bytes = FILE_BYTES};
	ps_reader *reader = NULL;
	int rc = ps_tensor_file_begin(&file, &ps_sys_linux, path, diag);

	if (!rc)
		rc = ps_tensor_file_map(&file, diag);
	if (!rc)
		rc = ps_backend_reader(&reader, PS_IO_AUTO, &places, probe->backend, diag);
	if (!rc)
		rc = time_reads(reader, &file, buffer, probe, diag);
	ps_reader_destroy(reader);
	ps_tensor_file_close(&file);
	return rc;
}

int ps_probe_disk(const char *folder, ps_disk_probe *probe, ps_diag *diag)
{
	char *buffer = aligned_alloc(PS_READ_ALIGNMENT, FILE_BYTES), path[64] = "/proc/self/exe";
	int fd, rc;

	*probe = (ps_disk_probe){0};
	if (!buffer)
		return ps_fail(diag, PS_EBUDGET, "no memory to read a file");
	fd = write_file(folder, buffer, probe);
	if (fd < 0)
		probe->write_error = -fd;
	else
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	rc = read_file(path, buffer, probe, diag);
	if (fd >= 0)
		close(fd);
	free(buffer);
	return rc;
}
