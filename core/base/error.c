#include "core/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Puts '?' for control characters. A message quotes names and values from files, and goes to a
 * terminal and into logs of one line a message. */
static void make_plain(unsigned char *text)
{
	for (; *text; text++) {
		/* U+0080 to U+009F are control characters too: c2 80 to c2 9f in UTF-8. */
		if (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f)
			text[0] = text[1] = '?';
		else if (*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

static void note(ps_diag *diag, const char *format, va_list args, int err)
{
	char reason[128];

	if (!diag || diag->text[0])
		return;
	vsnprintf(diag->text, sizeof diag->text, format, args);
	if (err) {
		size_t used = strlen(diag->text);
		snprintf(diag->text + used, sizeof diag->text - used, ": %s",
			 strerror_r(err, reason, sizeof reason));
	}
	make_plain((unsigned char *)diag->text);
}

int ps_fail(ps_diag *diag, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(diag, format, args, 0);
	va_end(args);
	return code;
}

int ps_fail_errno(ps_diag *diag, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(diag, format, args, err);
	va_end(args);
	return -err;
}

int ps_fail_input(ps_diag *diag, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(diag, format, args, err);
	va_end(args);
	return err == ENOMEM ? PS_EBUDGET : PS_EINPUT;
}

int ps_exit_code(int code)
{
	if (code >= 0)
		return 0;
	if (code == PS_EINTERRUPTED)
		return 130;
	if (code <= PS_EFAILED && code >= PS_EBUDGET)
		return -2000 - code;
	return code == -ENOMEM ? 5 : 4;
}
