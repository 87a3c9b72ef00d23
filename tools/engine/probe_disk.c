#include "tools/engine/probe_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "io/tensor_file.h"

#define FILE_BYTES ((size_t)16 << 20)
#define READ_SECONDS 0.15 /* the file is read again until so much time has passed */
#define READS_MAX 64

/* The file, by a name under which it can be opened. */
struct probe_file {
	int fd;
	char path[PATH_MAX];
	bool named; /* path stands in the folder */
};

/* Whether an open file can be opened again by its number: /proc is mounted. */
static bool name_by_number(struct probe_file *file)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", file->fd);
	if (access(path, F_OK))
		return false;
	snprintf(file->path, sizeof file->path, "%s", path);
	return true;
}

/* Makes a file, without a name where that can be: then nothing is left whatever happens. Returns 0
 * or -errno. */
static int make_file(const char *folder, struct probe_file *file)
{
	int err;

	file->fd = TEMP_FAILURE_RETRY(open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	err = errno;
	if (file->fd >= 0 && name_by_number(file))
		return 0;
	if (file->fd >= 0)
		close(file->fd);
	else if (err != EOPNOTSUPP && err != EISDIR)
		return -err;
	if (snprintf(file->path, sizeof file->path, "%s/.prunescope-doctor-XXXXXX", folder) >=
	    (int)sizeof file->path)
		return -ENAMETOOLONG;
	file->fd = mkostemp(file->path, O_CLOEXEC);
	if (file->fd < 0)
		return -errno;
	file->named = true;
	return 0;
}

static void remove_file(struct probe_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	if (file->named)
		(void)unlink(file->path);
	*file = (struct probe_file){.fd = -1};
}

/* Fills the buffer with bytes that no file system can compress, and writes them. Returns 0, or
 * -errno: then there is no file. */
static int write_file(const char *folder, char *buffer, struct probe_file *file,
		      ps_disk_probe *probe)
{
	uint64_t state = 1;
	double started;
	int rc = make_file(folder, file);

	for (size_t i = 0; i < FILE_BYTES / sizeof state; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		((uint64_t *)(void *)buffer)[i] = state ^ state >> 29;
	}
	started = ps_clock();
	if (!rc)
		rc = ps_sys_pwrite_full(&ps_sys_linux, file->fd, buffer, FILE_BYTES, 0);
	if (!rc && fsync(file->fd))
		rc = -errno;
	if (rc)
		remove_file(file);
	else
		probe->write_rate = (double)FILE_BYTES / (ps_clock() - started);
	return rc;
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

/* The file that the process was started from. */
static const char *own_file(void)
{
	static const char link[] = "/proc/self/exe";

	return access(link, R_OK) ? (const char *)getauxval(AT_EXECFN) : link;
}

int ps_probe_disk(const char *folder, ps_disk_probe *probe, ps_diag *diag)
{
	char *buffer = aligned_alloc(PS_READ_ALIGNMENT, FILE_BYTES);
	struct probe_file file = {.fd = -1};
	int rc;

	*probe = (ps_disk_probe){0};
	if (!buffer)
		return ps_fail(diag, PS_EBUDGET, "no memory to read a file");
	probe->write_error = -write_file(folder, buffer, &file, probe);
	rc = read_file(probe->write_error ? own_file() : file.path, buffer, probe, diag);
	remove_file(&file);
	free(buffer);
	return rc;
}
