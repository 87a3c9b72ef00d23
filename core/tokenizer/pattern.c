#include "core/tokenizer/pattern.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/base/array.h"
#include "core/base/utf8.h"
#include "core/tokenizer/charset.h"
#include "core/tokenizer/pattern_parse.h"

#define MATCH_LIMIT 5000000u /* steps of backtracking in one match, at most */
#define HEAP_LIMIT_KIB 65536u
#define JIT_STACK_BYTES ((size_t)1 << 20)

struct ps_pattern {
	char *string; /* a plain string, string_length bytes; NULL: a regular expression */
	size_t string_length;
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	bool compiled;     /* to machine code */
	uint8_t *letter;   /* (PS_UNICODE_END) */
	ps_buffer letters; /* the open text, one letter per character */
	const char *text;  /* the open text */
	size_t length;
	size_t from;     /* where the next search begins, in letters (bytes for a string) */
	size_t last_end; /* of the last match, in letters; SIZE_MAX before the first */
	size_t at_letter, at_byte; /* one place, counted in both; it moves forward */
};

static ps_pattern *new_pattern(ps_diag *diag)
{
	ps_pattern *pattern = calloc(1, sizeof *pattern);

	if (!pattern)
		(void)ps_fail(diag, PS_EBUDGET, "no memory for a pattern");
	return pattern;
}

int ps_pattern_create_string(ps_pattern **pattern, const char *text, size_t length, ps_diag *diag)
{
	ps_pattern *p;

	if (!length) /* its empty match is everywhere */
		return ps_pattern_create_regex(pattern, text, length, diag);
	p = new_pattern(diag);
	if (!p)
		return PS_EBUDGET;
	p->string = malloc(length);
	if (!p->string) {
		ps_pattern_destroy(p);
		return ps_fail(diag, PS_EBUDGET, "no memory for a pattern");
	}
	memcpy(p->string, text, length);
	p->string_length = length;
	*pattern = p;
	return 0;
}

/* Writes a set as PCRE2 spells it, by the letters that it uses. */
static int append_set(ps_buffer *out, const bool *uses, ps_diag *diag)
{
	char text[8];
	int rc = 0, length;
	unsigned used = 0;

	for (unsigned l = 1; l < 256; l++)
		used += uses[l];
	if (!used)
		return ps_buffer_append(out, "(?!)", 4, diag);
	if (used > 1)
		rc = ps_buffer_append(out, "[", 1, diag);
	for (unsigned l = 1; l < 256 && !rc; l++) {
		if (!uses[l])
			continue;
		length = snprintf(text, sizeof text, "\\x%02x", l);
		rc = ps_buffer_append(out, text, (size_t)length, diag);
	}
	if (!rc && used > 1)
		rc = ps_buffer_append(out, "]", 1, diag);
	return rc;
}

static int spell(const ps_pattern_program *program, const bool *uses, ps_buffer *out, ps_diag *diag)
{
	int rc = 0;

	for (size_t i = 0; i < program->count && !rc; i++) {
		unsigned unit = program->unit[i];
		char byte = (char)unit;

		if (unit >= PS_PATTERN_SET)
			rc = append_set(out, uses + 256 * (size_t)(unit - PS_PATTERN_SET), diag);
		else
			rc = ps_buffer_append(out, &byte, 1, diag);
	}
	return rc;
}

static int compile(ps_pattern *p, const ps_buffer *spelling, ps_diag *diag)
{
	PCRE2_SIZE offset = 0;
	PCRE2_UCHAR reason[128];
	int error = 0;

	p->code = pcre2_compile((PCRE2_SPTR)spelling->data, spelling->used,
				PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C, &error,
				&offset, NULL);
	if (!p->code) {
		pcre2_get_error_message(error, reason, sizeof reason);
		return ps_fail(diag, error == PCRE2_ERROR_HEAP_FAILED ? PS_EBUDGET : PS_EINPUT,
			       "%s", (const char *)reason);
	}
	p->compiled = !pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
	p->match = pcre2_match_data_create_from_pattern(p->code, NULL);
	p->context = pcre2_match_context_create(NULL);
	if (p->compiled)
		p->stack = pcre2_jit_stack_create(32768, JIT_STACK_BYTES, NULL);
	if (!p->match || !p->context || (p->compiled && !p->stack))
		return ps_fail(diag, PS_EBUDGET, "no memory for a pattern");
	pcre2_set_match_limit(p->context, MATCH_LIMIT);
	pcre2_set_heap_limit(p->context, HEAP_LIMIT_KIB);
	if (p->stack)
		pcre2_jit_stack_assign(p->context, NULL, p->stack);
	return 0;
}

int ps_pattern_create_regex(ps_pattern **pattern, const char *regex, size_t length, ps_diag *diag)
{
	ps_pattern_program program = {0};
	ps_buffer spelling = {0};
	bool *uses = NULL;
	ps_pattern *p = new_pattern(diag);
	int rc = PS_EBUDGET;

	if (!p)
		return PS_EBUDGET;
	rc = ps_pattern_parse(&program, regex, length, diag);
	if (rc)
		goto out;
	rc = PS_EBUDGET;
	p->letter = malloc(PS_UNICODE_END);
	uses = calloc(256, program.set_count + 1);
	if (!p->letter || !uses)
		goto out;
	if ((rc = ps_charset_partition(program.set, program.set_count, p->letter, uses, diag)) ||
	    (rc = ps_buffer_reserve(&spelling, 1, diag)) ||
	    (rc = spell(&program, uses, &spelling, diag)) || (rc = compile(p, &spelling, diag)))
		goto out;
	*pattern = p;
	p = NULL;
out:
	if (rc)
		(void)ps_fail(diag, rc, "no memory for a pattern");
	free(uses);
	ps_buffer_free(&spelling);
	ps_pattern_program_free(&program);
	ps_pattern_destroy(p);
	return rc;
}

void ps_pattern_destroy(ps_pattern *pattern)
{
	if (!pattern)
		return;
	free(pattern->string);
	pcre2_code_free(pattern->code);
	pcre2_match_data_free(pattern->match);
	pcre2_match_context_free(pattern->context);
	pcre2_jit_stack_free(pattern->stack);
	free(pattern->letter);
	ps_buffer_free(&pattern->letters);
	free(pattern);
}

const char *ps_pattern_string(const ps_pattern *pattern, size_t *length)
{
	*length = pattern->string_length;
	return pattern->string;
}

bool ps_pattern_is_string(const ps_pattern *pattern, const char *text)
{
	return pattern->string && pattern->string_length == strlen(text) &&
	       !memcmp(pattern->string, text, pattern->string_length);
}

size_t ps_pattern_bytes(const ps_pattern *pattern)
{
	return sizeof *pattern + pattern->string_length + pattern->letters.capacity +
	       (pattern->letter ? PS_UNICODE_END : 0) + (pattern->stack ? JIT_STACK_BYTES : 0);
}

void ps_pattern_share(ps_pattern *pattern, ps_room *room)
{
	pattern->letters.room = room;
}

double ps_pattern_room(const ps_pattern *pattern, double length)
{
	return pattern->string ? 0 : length;
}

size_t ps_pattern_shortest(const ps_pattern *pattern)
{
	return pattern->string ? pattern->string_length : 0;
}

int ps_pattern_open(ps_pattern *pattern, const char *text, size_t length, ps_diag *diag)
{
	char *letters;
	int rc;

	pattern->text = text;
	pattern->length = length;
	pattern->from = pattern->at_letter = pattern->at_byte = 0;
	pattern->last_end = SIZE_MAX;
	if (pattern->string)
		return 0;
	pattern->letters.used = 0;
	rc = ps_buffer_reserve(&pattern->letters, length, diag);
	if (rc)
		return rc;
	letters = pattern->letters.data;
	for (size_t at = 0; at < length; at += ps_utf8_length((unsigned char)text[at]))
		*letters++ = (char)pattern->letter[ps_utf8_decode(text + at)];
	pattern->letters.used = (size_t)(letters - pattern->letters.data);
	return 0;
}

/* The byte where the character of a letter begins. letter must not decrease from call to call. */
static size_t byte_of(ps_pattern *p, size_t letter)
{
	while (p->at_letter < letter) {
		p->at_byte += ps_utf8_length((unsigned char)p->text[p->at_byte]);
		p->at_letter++;
	}
	return p->at_byte;
}

static int next_string(ps_pattern *p, size_t *start, size_t *end)
{
	const char *found =
		memmem(p->text + p->from, p->length - p->from, p->string, p->string_length);

	if (!found)
		return 0;
	*start = (size_t)(found - p->text);
	*end = p->from = *start + p->string_length;
	return 1;
}

static int search(ps_pattern *p, ps_diag *diag)
{
	PCRE2_UCHAR reason[128];
	PCRE2_SPTR subject = (PCRE2_SPTR)p->letters.data;
	int rc;

	if (p->compiled)
		rc = pcre2_jit_match(p->code, subject, p->letters.used, p->from, 0, p->match,
				     p->context);
	else
		rc = pcre2_match(p->code, subject, p->letters.used, p->from, 0, p->match,
				 p->context);
	if (rc >= 0)
		return 1;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	pcre2_get_error_message(rc, reason, sizeof reason);
	return ps_fail(diag, rc == PCRE2_ERROR_NOMEMORY ? PS_EBUDGET : PS_EINPUT,
		       "a regular expression of the tokenizer fails on the text: %s",
		       (const char *)reason);
}

int ps_pattern_next(ps_pattern *pattern, size_t *start, size_t *end, ps_diag *diag)
{
	if (pattern->string)
		return next_string(pattern, start, end);
	while (pattern->from <= pattern->letters.used) {
		const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(pattern->match);
		int rc = search(pattern, diag);

		if (rc <= 0)
			return rc;
		if (offsets[0] == offsets[1] && offsets[1] == pattern->last_end) {
			pattern->from++;
			continue;
		}
		pattern->from = pattern->last_end = offsets[1];
		*start = byte_of(pattern, offsets[0]);
		*end = byte_of(pattern, offsets[1]);
		return 1;
	}
	return 0;
}
