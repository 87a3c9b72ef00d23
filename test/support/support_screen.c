#include "test/support/support_screen.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/utf8.h"

static void fault(screen *s, const char *what, const char *detail)
{
	if (!s->faults++)
		snprintf(s->fault, sizeof s->fault, "%s: %s", what, detail);
}

void screen_start(screen *s, size_t columns)
{
	memset(s, 0, sizeof *s);
	s->columns = columns;
}

void screen_resize(screen *s, size_t columns)
{
	s->columns = columns;
}

static void erase_row(screen *s, size_t row, size_t from)
{
	memset(s->cell[row][from], 0, (SCREEN_COLUMNS - from) * sizeof s->cell[row][from]);
}

static void obey(screen *s, const char *code)
{
	if (!strcmp(code, "\x1b[K")) {
		erase_row(s, s->row, s->column);
	} else if (!strcmp(code, "\x1b[J")) {
		erase_row(s, s->row, s->column);
		for (size_t row = s->row + 1; row < SCREEN_ROWS; row++)
			erase_row(s, row, 0);
	} else if (!strcmp(code, "\x1b[A")) {
		s->row -= s->row > 0;
	} else {
		fault(s, "unknown escape code", code + 1);
	}
}

/* Columns of the characters that tests write: CJK and emoji are wide, U+0300.. are combining
 * marks. */
static size_t columns_of(uint32_t code_point)
{
	if (code_point >= 0x300 && code_point < 0x370)
		return 0;
	return (code_point >= 0x3000 && code_point < 0xA000) || code_point >= 0x1F300 ? 2 : 1;
}

static void put(screen *s, const char *character)
{
	size_t columns = columns_of(ps_utf8_decode(character));

	if (!columns && s->column) {
		char *cell = s->cell[s->row][s->column - 1];
		size_t used = strlen(cell);

		snprintf(cell + used, 16 - used, "%.4s", character);
		return;
	}
	if (s->column + columns > s->columns) {
		fault(s, "wider than the terminal, at", character);
		return;
	}
	snprintf(s->cell[s->row][s->column], 16, "%.4s", character);
	s->column += columns;
}

static void new_line(screen *s)
{
	if (s->row + 1 < SCREEN_ROWS)
		s->row++;
	else
		fault(s, "too many rows", "");
}

static void take_byte(screen *s, char byte)
{
	size_t n;

	s->pending[s->pending_bytes++] = byte;
	s->pending[s->pending_bytes] = 0;
	n = s->pending_bytes;
	if (s->pending[0] == '\x1b') {
		if (n < 3 || byte < '@' || byte > '~') {
			if (n < sizeof s->pending - 1)
				return;
		}
		obey(s, s->pending);
	} else if (byte == '\r') {
		s->column = 0;
	} else if (byte == '\n') {
		new_line(s);
	} else if ((unsigned char)byte < 0x20) {
		fault(s, "control character", "");
	} else {
		if (n < ps_utf8_length((unsigned char)s->pending[0]))
			return;
		put(s, s->pending);
	}
	s->pending_bytes = 0;
}

void screen_write(screen *s, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		take_byte(s, bytes[i]);
}

char *screen_row(const screen *s, size_t row, char out[SCREEN_COLUMNS * 16])
{
	size_t used = 0, end = 0;

	for (size_t c = 0; c < SCREEN_COLUMNS; c++) {
		const char *cell = s->cell[row][c];
		const char *before = c ? s->cell[row][c - 1] : "";
		bool covered = before[0] && columns_of(ps_utf8_decode(before)) == 2;

		used += (size_t)sprintf(out + used, "%s", cell[0] || covered ? cell : " ");
		if (cell[0] && strcmp(cell, " "))
			end = used;
	}
	out[end] = 0;
	return out;
}

size_t screen_rows_below(const screen *s)
{
	char text[SCREEN_COLUMNS * 16];
	size_t rows = 0;

	for (size_t row = s->row; row < SCREEN_ROWS; row++)
		rows += screen_row(s, row, text)[0] != 0;
	return rows;
}

bool screen_shows(const screen *s, const char *wanted)
{
	char text[SCREEN_COLUMNS * 16];

	for (size_t row = 0; row < SCREEN_ROWS; row++)
		if (strstr(screen_row(s, row, text), wanted))
			return true;
	return false;
}
