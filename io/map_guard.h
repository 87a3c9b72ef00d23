/* io/map_guard.h: the mapped files, so that a file which changes while it is mapped is found.
 *
 * What happens when another program shortens a mapped file depends on the place that is read:
 * - Beyond the last page of the shorter file: SIGBUS. The handler asks ps_map_guard_find for the
 *   file, names it, and ends the program with exit 3.
 * - Within that last page: zeros, without any signal. ps_map_guard_check finds this, and files that
 *   are written over in place.
 * Whoever gives a result away checks first: ps_temporary_keep before a file gets its final name,
 * the programs before they print. So a result never stands for bytes that were not there. A file
 * that is replaced by another one of its name is no change: the mapping keeps the old file. */
#ifndef PS_IO_MAP_GUARD_H
#define PS_IO_MAP_GUARD_H

#include <stddef.h>

#include "core/base/error.h"

/* Adds a mapping of the file fd, which had so many bytes when it was opened. Path and fd are
 * borrowed until the mapping is removed. fd -1: only ps_map_guard_find knows the mapping. */
void ps_map_guard_add(const void *base, size_t bytes, const char *path, int fd);
/* Removes a mapping, before it is unmapped and its file closed. */
void ps_map_guard_remove(const void *base);

/* The path of the mapped file that an address lies in. NULL: none. Async-signal-safe. */
const char *ps_map_guard_find(const void *address);

/* PS_EINPUT, naming the file, if the size or the time of change of a mapped file is not that of
 * its opening, or was not when it was removed since the last check. A call of fstat for each
 * mapping. */
int ps_map_guard_check(ps_diag *diag) PS_MUST_USE;

#endif
