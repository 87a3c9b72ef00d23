/* test/support/support_screen.h: a terminal of which a test can see what stands on it.
 *
 * It understands what the progress line writes: text in UTF-8, \r, \n, and the escape codes
 * "cursor up", "erase to the end of the line" and "erase to the end of the screen". Anything
 * else is a fault. So is text that does not fit the width: a real terminal would break it into
 * a further row. */
#ifndef PS_TEST_SUPPORT_SUPPORT_SCREEN_H
#define PS_TEST_SUPPORT_SUPPORT_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#define SCREEN_ROWS 128 /* since the start: nothing is ever lost at the top */
#define SCREEN_COLUMNS 256

typedef struct screen {
	size_t columns, row, column;
	char cell[SCREEN_ROWS][SCREEN_COLUMNS]
		 [16];    /* a character and its combining marks; empty: never written */
	char pending[32]; /* an escape code or a character, not complete yet */
	size_t pending_bytes;
	size_t faults;
	char fault[64]; /* the first one */
} screen;

void screen_start(screen *s, size_t columns);
/* What follows is written to a terminal of another width. */
void screen_resize(screen *s, size_t columns);
void screen_write(screen *s, const char *bytes, size_t length);
/* A row without the spaces at its end, into out. Returns out. */
char *screen_row(const screen *s, size_t row, char out[SCREEN_COLUMNS * 16]);
/* Rows from the cursor's on that hold text. */
size_t screen_rows_below(const screen *s);
/* Whether a row contains the text. */
bool screen_shows(const screen *s, const char *text);

#endif
