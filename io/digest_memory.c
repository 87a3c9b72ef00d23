#include "io/digest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"

#define BUCKETS 8192
#define SLOTS 8
#define NAME "file-digests"
/* In every checksum. Change it when the meaning of a record changes. */
#define FORMAT 0x70732d6469670001u

struct record {
	uint64_t path; /* digest of the path */
	ps_file_state state;
	uint64_t digest;
	int64_t kept_ns; /* when it was written */
	uint64_t check;  /* of all before */
};

_Static_assert(sizeof(struct record) == 72, "a record has no padding");

static uint64_t check_of(const struct record *record)
{
	return ps_digest_of(record, offsetof(struct record, check)) ^ FORMAT;
}

/* --- where --- */

static bool folder_of(char *out)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int length;

	if (base && base[0] == '/')
		length = snprintf(out, PATH_MAX, "%s", base);
	else if (home && home[0] == '/')
		length = snprintf(out, PATH_MAX, "%s/.cache", home);
	else
		return false;
	return length < PATH_MAX;
}

bool ps_digest_memory_path(char *path)
{
	char folder[PATH_MAX];

	return folder_of(folder) &&
	       snprintf(path, PATH_MAX, "%s/prunescope/" NAME, folder) < PATH_MAX;
}

/* Makes the two folders that may be missing. Those that cannot be made fail at open. */
static void make_folders(const ps_sys *sys)
{
	char folder[PATH_MAX], own[PATH_MAX];

	if (!folder_of(folder) ||
	    snprintf(own, sizeof own, "%s/prunescope", folder) >= (int)sizeof own)
		return;
	(void)sys->mkdir(folder, 0700);
	(void)sys->mkdir(own, 0700);
}

/* Opens the memory. Returns a descriptor of a regular file, or a negative code. */
static int open_memory(const ps_sys *sys, bool write)
{
	const int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (!ps_digest_memory_path(path))
		return -ENOENT;
	fd = sys->open(path, flags | (write ? O_RDWR | O_CREAT : O_RDONLY), 0600);
	if (fd == -ENOENT && write) {
		make_folders(sys);
		fd = sys->open(path, flags | O_RDWR | O_CREAT, 0600);
	}
	if (fd < 0)
		return fd;
	if (!sys->fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	(void)sys->close(fd);
	return -EINVAL;
}

/* --- records --- */

/* The digest of the path without links and dots. */
static uint64_t digest_path(const char *path)
{
	char real[PATH_MAX];
	const char *whole = realpath(path, real) ? real : path;

	return ps_digest_of(whole, strlen(whole));
}

static off_t bucket_of(const struct record *key)
{
	const uint64_t both[2] = {key->path, key->state.device};

	return (off_t)(ps_digest_of(both, sizeof both) % BUCKETS * SLOTS * sizeof *key);
}

/* Reads a bucket. What the file does not have, or what is damaged, becomes zeros. */
static void read_bucket(const ps_sys *sys, int fd, off_t offset, struct record slots[SLOTS])
{
	char *at = (char *)slots;
	size_t left = SLOTS * sizeof *slots;

	memset(slots, 0, left);
	while (left) {
		ssize_t got = sys->pread(fd, at, left, offset);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			break;
		at += got;
		offset += got;
		left -= (size_t)got;
	}
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].check != check_of(&slots[i]))
			slots[i] = (struct record){0};
}

static bool is_of(const struct record *slot, const struct record *key)
{
	return slot->path == key->path && slot->state.device == key->state.device;
}

bool ps_digest_memory_find(const ps_sys *sys, const char *path, const ps_file_state *state,
			   uint64_t *digest)
{
	const struct record key = {.path = digest_path(path), .state = *state};
	struct record slots[SLOTS];
	int fd = open_memory(sys, false);

	if (fd < 0)
		return false;
	read_bucket(sys, fd, bucket_of(&key), slots);
	(void)sys->close(fd);
	for (int i = 0; i < SLOTS; i++)
		if (is_of(&slots[i], &key) && ps_file_state_same(&slots[i].state, state)) {
			*digest = slots[i].digest;
			return true;
		}
	return false;
}

/* The slot of this file, or else the oldest one; an empty slot counts as the oldest. */
static int choose_slot(const struct record slots[SLOTS], const struct record *key)
{
	int oldest = 0;

	for (int i = 0; i < SLOTS; i++) {
		if (is_of(&slots[i], key))
			return i;
		if (slots[i].kept_ns < slots[oldest].kept_ns)
			oldest = i;
	}
	return oldest;
}

void ps_digest_memory_keep(const ps_sys *sys, const char *path, const ps_file_state *state,
			   uint64_t digest)
{
	struct record slots[SLOTS], record = {.path = digest_path(path),
					      .state = *state,
					      .digest = digest,
					      .kept_ns = ps_file_time_now()};
	const off_t bucket = bucket_of(&record);
	int fd = open_memory(sys, true), ignored;

	if (fd < 0)
		return;
	record.check = check_of(&record);
	read_bucket(sys, fd, bucket, slots);
	ignored = ps_sys_pwrite_full(
		sys, fd, &record, sizeof record,
		bucket + (off_t)(choose_slot(slots, &record) * (int)sizeof record));
	(void)ignored;
	(void)sys->close(fd);
}
