/* core/tokenizer/pattern_parse.h: turns a regular expression into a program over sets of code
 * points.
 *
 * See core/tokenizer/pattern.h, which compiles the program. */
#ifndef PS_CORE_TOKENIZER_PATTERN_PARSE_H
#define PS_CORE_TOKENIZER_PATTERN_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/tokenizer/charset.h"

#define PS_PATTERN_SETS_MAX 256 /* of one pattern, at most */
#define PS_PATTERN_SET 0x100    /* the unit PS_PATTERN_SET + s stands for set s */

/* The pattern as PCRE2 spells it. Units below PS_PATTERN_SET are its bytes. */
typedef struct ps_pattern_program {
	uint16_t *unit;
	size_t count, capacity;
	ps_charset *set; /* (PS_PATTERN_SETS_MAX), set_count used */
	size_t set_count;
} ps_pattern_program;

/* Fills program, which it zeroes first. PS_EINPUT for syntax that is invalid or not supported; the
 * message gives the byte offset in the pattern. */
int ps_pattern_parse(ps_pattern_program *program, const char *regex, size_t length,
		     ps_diag *diag) PS_MUST_USE;

/* Frees the memory. */
void ps_pattern_program_free(ps_pattern_program *program);

#endif
