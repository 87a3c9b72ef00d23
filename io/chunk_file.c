#include "io/chunk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/digest.h"

void ps_chunk_file_lay_out(ps_chunk_file *file, ps_layout *layout)
{
	file->next = ps_layout_part(layout, file->count, sizeof *file->next);
	file->digest = ps_layout_part(layout, file->count, sizeof *file->digest);
}

/* --- the file --- */

static int open_unnamed(const ps_sys *sys, const char *folder)
{
	const int flags = O_TMPFILE | O_RDWR | O_CLOEXEC;
	int fd = sys->open(folder, flags | O_DIRECT, 0600);

	return fd == -EINVAL ? sys->open(folder, flags, 0600) : fd;
}

static int reserve(const ps_chunk_file *file, const char *folder, ps_diag *diag)
{
	const uint64_t bytes = (uint64_t)file->count * file->chunk_bytes;
	struct statfs st;
	char wanted[24], there[24];
	uint64_t spare;
	int rc = file->sys->fstatfs(file->fd, &st);

	if (rc)
		return ps_fail_errno(diag, -rc, "%s", folder);
	if (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC)
		return ps_fail(diag, PS_EOUTPUT, "%s is in memory", folder);
	spare = (uint64_t)st.f_bavail * (uint64_t)(st.f_frsize ? st.f_frsize : st.f_bsize);
	if (bytes > spare / 2)
		return ps_fail(diag, PS_EOUTPUT, "%s: %s are wanted and %s are free", folder,
			       ps_size_format((size_t)bytes, wanted),
			       ps_size_format((size_t)spare, there));
	rc = file->sys->fallocate(file->fd, (off_t)bytes);
	return rc && rc != -EOPNOTSUPP && rc != -ENOSYS ? ps_fail_errno(diag, -rc, "%s", folder)
							: 0;
}

int ps_chunk_file_open(ps_chunk_file *file, const char *folder, ps_diag *diag)
{
	int rc;

	file->fd = open_unnamed(file->sys, folder);
	if (file->fd < 0) {
		rc = ps_fail_errno(diag, -file->fd, "%s: a file without a name", folder);
		file->fd = -1;
		return rc;
	}
	rc = reserve(file, folder, diag);
	if (rc) {
		ps_chunk_file_close(file);
		return rc;
	}
	for (size_t i = 0; i < file->count; i++)
		file->next[i] = i + 1 < file->count ? (uint32_t)i + 1 : PS_NO_CHUNK;
	file->free = 0;
	file->free_count = file->count;
	return 0;
}

void ps_chunk_file_close(ps_chunk_file *file)
{
	if (file->fd >= 0)
		(void)file->sys->close(file->fd);
	file->fd = -1;
}

/* --- chunks --- */

int ps_chunk_file_append(ps_chunk_file *file, ps_chunk_chain *chain, const void *data, size_t bytes)
{
	const uint32_t chunk = file->free;
	int rc = ps_sys_pwrite_full(file->sys, file->fd, data, bytes,
				    (off_t)((uint64_t)chunk * file->chunk_bytes));

	if (rc)
		return rc;
	file->digest[chunk] = ps_digest_of(data, bytes);
	file->free = file->next[chunk];
	file->free_count--;
	file->next[chunk] = PS_NO_CHUNK;
	if (chain->first == PS_NO_CHUNK)
		chain->first = chunk;
	else
		file->next[chain->last] = chunk;
	chain->last = chunk;
	return 0;
}

/* Takes the first chunk out of its chain and frees it. */
static void free_first(ps_chunk_file *file, ps_chunk_chain *chain)
{
	const uint32_t chunk = chain->first;

	chain->first = file->next[chunk];
	file->next[chunk] = file->free;
	file->free = chunk;
	file->free_count++;
}

int ps_chunk_file_take(ps_chunk_file *file, ps_chunk_chain *chain, void *out, size_t bytes)
{
	const uint32_t chunk = chain->first;
	int rc = ps_sys_pread_full(file->sys, file->fd, out, bytes,
				   (off_t)((uint64_t)chunk * file->chunk_bytes));

	if (rc)
		return rc;
	free_first(file, chain);
	return ps_digest_of(out, bytes) == file->digest[chunk] ? 0 : -EBADMSG;
}

void ps_chunk_file_drop(ps_chunk_file *file, ps_chunk_chain *chain)
{
	while (chain->first != PS_NO_CHUNK)
		free_first(file, chain);
}
