/* analysis/report/report_text.h: characters that no output of a report may hold.
 *
 * Names come from results.json: they are UTF-8, and may hold any character. XML 1.0 forbids most
 * control characters and two noncharacters. In a report a space stands for a control character, and
 * U+FFFD for a noncharacter. */
#ifndef PS_ANALYSIS_REPORT_REPORT_TEXT_H
#define PS_ANALYSIS_REPORT_REPORT_TEXT_H

#include <string.h>

/* What stands for the character at *text, NULL if it may stay. Moves *text to its last byte. */
static inline const char *ps_report_substitute(const char **text)
{
	const unsigned char c = (unsigned char)**text;

	if (c < 0x20 || c == 0x7f)
		return " ";
	if (strncmp(*text, "\xef\xbf\xbe", 3) && strncmp(*text, "\xef\xbf\xbf", 3))
		return NULL;
	*text += 2;
	return "\xef\xbf\xbd";
}

#endif
