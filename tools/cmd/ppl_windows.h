/* tools/cmd/ppl_windows.h: which token ids of a text each window of `ppl` scores.
 *
 * Window i starts at text id i * stride. Its inputs are BOS and up to `window` ids of the text. An
 * id is scored once, in the first window that reaches it, so later windows score only what the ones
 * before did not:
 *
 * 	text ids      0 1 2 3 4 5 6 7 8        window 4, stride 2
 * 	window 0      S S S S                  S: scored, c: context only
 * 	window 1          c c S S
 * 	window 2              c c S S
 * 	window 3                  c c S        the end of the text: the last window
 *
 * The first id of the text is scored from BOS alone. */
#ifndef PS_TOOLS_CMD_PPL_WINDOWS_H
#define PS_TOOLS_CMD_PPL_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

typedef struct ps_ppl_window {
	size_t begin, scored, end; /* text ids [begin, end), of which [scored, end) are scored */
} ps_ppl_window;

/* The windows of a text of `ids` token ids, 1 <= stride <= window. Returns how many there are, and
 * writes them to out unless it is NULL. */
size_t ps_ppl_windows(size_t ids, size_t window, size_t stride, ps_ppl_window *out);

/* The stride where none is given: half of the window, and at least 1. */
static inline int64_t ps_ppl_stride(int64_t window)
{
	return window > 1 ? window / 2 : 1;
}

#endif
