/* core/base/json_text.h: JSON files that other programs wrote, Python's json module above all.
 *
 * Python writes and reads more than JSON allows: NaN, Infinity, -Infinity, and integers of any
 * size. A file may hold them in keys that nobody reads, so they must not make the file unreadable:
 *   - NaN, Infinity, -Infinity, and numbers that no double can hold, become strings of the same
 *     text. A reader that wants a number there refuses it by name.
 *   - An integer beyond 64 bits becomes the nearest real.
 *   - In a string, an escape of NUL or of half a surrogate pair becomes its six characters, such as
 *     the text \u0000. No name that a reader wants has them.
 * Everything else is JSON. Duplicate keys are refused. So is a byte order mark, as Python does. */
#ifndef PS_CORE_BASE_JSON_TEXT_H
#define PS_CORE_BASE_JSON_TEXT_H

#include <stddef.h>

#include "core/base/error.h"
#include "core/base/json.h"

/* Parses text (length bytes). *value: a new reference. path is named in messages. PS_EINPUT says
 * what is wrong and in which line. PS_EBUDGET: no memory. */
int ps_json_parse(const char *text, size_t length, const char *path, json_t **value,
		  ps_diag *diag) PS_MUST_USE;

/* PS_EINPUT if text begins with a byte order mark or is UTF-16; the message says which. */
int ps_json_refuse_mark(const char *text, size_t length, const char *path,
			ps_diag *diag) PS_MUST_USE;

#endif
