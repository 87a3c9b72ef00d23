/* io/file_state.h: what tells that a file was not written since it was last looked at: device,
 * inode, size, and the times of the last change to the ninth digit.
 *
 * Every write sets mtime and ctime to the time of the file system's clock. Nobody can set ctime to
 * another time. So equal states mean equal bytes, with one exception: a write within the same tick
 * of that clock as the write before leaves the state as it is. ps_file_state_unsettled tells for
 * how long. What is read after that belongs to the state, as long as it lasts. */
#ifndef PS_IO_FILE_STATE_H
#define PS_IO_FILE_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/base/error.h"
#include "io/sys.h"

typedef struct ps_file_state {
	uint64_t device, inode, bytes;
	int64_t mtime_ns, ctime_ns; /* since 1970 */
} ps_file_state;

ps_file_state ps_file_state_of(const struct stat *st);
/* The state of a regular file. PS_EINPUT if it is missing or is none. */
int ps_file_state_read(const ps_sys *sys, const char *path, ps_file_state *state,
		       ps_diag *diag) PS_MUST_USE;
bool ps_file_state_same(const ps_file_state *a, const ps_file_state *b);

/* Now, in nanoseconds since 1970. */
int64_t ps_file_time_now(void);
/* 0: every write after now_ns will change the state. Else the nanoseconds until then. The clock of
 * a file system whose times have parts of a millisecond ticks at least every 10 ms; others may tick
 * every 2 s (FAT). */
int64_t ps_file_state_unsettled(const ps_file_state *state, int64_t now_ns);

#endif
