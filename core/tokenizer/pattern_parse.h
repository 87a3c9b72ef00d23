/* core/tokenizer/pattern_parse.h: from a regular expression to a program over sets of code points (see core/tokenizer/pattern.h). */
#ifndef PS_CORE_TOKENIZER_PATTERN_PARSE_H
#define PS_CORE_TOKENIZER_PATTERN_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/tokenizer/charset.h"

#define PS_PATTERN_SETS 256
#define PS_PATTERN_SET 0x100 /* a unit of PS_PATTERN_SET + s stands for the set s */

/* The pattern in PCRE2's spelling: units below PS_PATTERN_SET are bytes of it. */
typedef struct ps_pattern_program {
	uint16_t *unit;
	size_t count, capacity;
	ps_charset *set; /* (PS_PATTERN_SETS), set_count used */
	size_t set_count;
} ps_pattern_program;

/* PS_EINPUT for invalid or unsupported syntax, with the byte offset in the pattern. program is zeroed before. */
int ps_pattern_parse(ps_pattern_program *program, const char *regex, size_t length,
		     ps_diag *diag) PS_MUST_USE;
void ps_pattern_program_free(ps_pattern_program *program);

#endif
