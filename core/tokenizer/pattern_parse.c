#include "core/tokenizer/pattern_parse.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/utf8.h"
#include "core/tokenizer/unicode_tables.h"

#define DEEPEST_GROUP 100
#define DEEPEST_CLASS 8
/* Each property of two letters stands for hundreds of ranges. Published expressions have at most
 * 600 bytes. */
#define BYTES_MAX 2048

typedef struct parser {
	ps_pattern_program *program;
	const char *text;
	size_t at, end;
	size_t atom; /* the unit where the last atom begins; a quantifier repeats from here */
	enum { NO_ATOM, ATOM, QUANTIFIED } last;
	bool ignore_case;
	uint32_t folded; /* under ignore_case the literal before this one in lower case; else 0 */
	struct {
		size_t atom;
		bool ignore_case;
	} group[DEEPEST_GROUP];
	int depth;
	ps_diag *diag;
} parser;

static int unsupported(const parser *p, const char *what)
{
	return ps_fail(p->diag, PS_EINPUT, "%s at byte %zu of the regular expression \"%.*s\"",
		       what, p->at, p->end < 300 ? (int)p->end : 300, p->text);
}

static bool more(const parser *p)
{
	return p->at < p->end;
}

static bool looking_at(const parser *p, const char *text)
{
	size_t length = strlen(text);

	return p->end - p->at >= length && !memcmp(p->text + p->at, text, length);
}

static bool accept(parser *p, const char *text)
{
	if (!looking_at(p, text))
		return false;
	p->at += strlen(text);
	return true;
}

static uint32_t next_character(parser *p)
{
	uint32_t code = ps_utf8_decode(p->text + p->at);

	p->at += ps_utf8_length((unsigned char)p->text[p->at]);
	return code;
}

static int put_unit(parser *p, unsigned unit)
{
	ps_pattern_program *program = p->program;
	uint16_t *grown = ps_array_grow(program->unit, &program->capacity, program->count + 1,
					sizeof *grown, p->diag);

	if (!grown)
		return PS_EBUDGET;
	program->unit = grown;
	program->unit[program->count++] = (uint16_t)unit;
	return 0;
}

static int put(parser *p, const char *text)
{
	int rc = 0;

	for (; *text && !rc; text++)
		rc = put_unit(p, (unsigned char)*text);
	return rc;
}

/* Writes the unit of a settled set and takes over the set. A set that is known is not kept
 * twice. */
static int put_set(parser *p, ps_charset *set)
{
	ps_pattern_program *program = p->program;
	size_t s = 0;

	while (s < program->set_count && !ps_charset_equal(&program->set[s], set))
		s++;
	if (s < program->set_count) {
		ps_charset_free(set);
	} else if (s < PS_PATTERN_SETS_MAX) {
		program->set[program->set_count++] = *set;
		*set = (ps_charset){0};
	} else {
		return unsupported(p, "too many character classes");
	}
	return put_unit(p, PS_PATTERN_SET + (unsigned)s);
}

/* Adds what the set's ASCII letters fold to. Other letters would need tables of their own. */
static int fold(parser *p, ps_charset *set)
{
	bool letter[128];
	int rc = 0;

	ps_charset_settle(set);
	if (set->count && set->range[set->count - 1].last >= 0x80)
		return unsupported(p, "ignoring case of characters beyond ASCII is not supported:");
	for (uint32_t c = 0; c < 128; c++)
		letter[c] = ps_charset_has(set, c);
	for (uint32_t c = 'a'; c <= 'z' && !rc; c++) {
		if (!letter[c] && !letter[c - 32])
			continue;
		rc = ps_charset_add(set, c, c, p->diag);
		if (!rc)
			rc = ps_charset_add(set, c - 32, c - 32, p->diag);
		if (!rc && (c == 'k' || c == 's'))
			rc = ps_charset_add(set, c == 'k' ? 0x212A : 0x17F,
					    c == 'k' ? 0x212A : 0x17F, p->diag);
	}
	ps_charset_settle(set);
	return rc;
}

/* Ligatures and sharp s fold to two letters, but a character has only one letter here. */
static bool folds_together(uint32_t left, uint32_t right)
{
	return (left == 's' && (right == 's' || right == 't')) ||
	       (left == 'f' && (right == 'f' || right == 'i' || right == 'l'));
}

static int put_literal(parser *p, uint32_t code)
{
	ps_charset set = {0};
	uint32_t lower = code >= 'A' && code <= 'Z' ? code + 32 : code;
	int rc = ps_charset_add(&set, code, code, p->diag);

	if (!rc && p->ignore_case)
		rc = fold(p, &set);
	if (!rc && p->ignore_case && folds_together(p->folded, lower))
		rc = unsupported(p, "ignoring case of two letters that one character folds to is "
				    "not supported:");
	p->folded = p->ignore_case ? lower : 0;
	p->atom = p->program->count;
	p->last = ATOM;
	if (!rc)
		rc = put_set(p, &set);
	ps_charset_free(&set);
	return rc;
}

static int hexadecimal(parser *p, int least, int most, uint32_t *code)
{
	int digits = 0;

	*code = 0;
	while (digits < most && more(p)) {
		char c = p->text[p->at];
		int value = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (value < 0)
			break;
		*code = *code << 4 | (uint32_t)value;
		p->at++;
		digits++;
	}
	if (digits < least || *code >= PS_UNICODE_END || (*code >= 0xD800 && *code < 0xE000))
		return unsupported(p, "invalid code point");
	return 0;
}

/* Reads what follows the backslash of an escape for one character: 1 and *code; 0 if it is another
 * escape, nothing is then taken. */
static int character_escape(parser *p, uint32_t *code)
{
	static const char names[] = "tnrfvae", values[] = "\t\n\r\f\v\a\033";
	unsigned char c = (unsigned char)p->text[p->at];
	const char *named = c ? strchr(names, c) : NULL;
	int rc;

	if (named) {
		p->at++;
		*code = (unsigned char)values[named - names];
		return 1;
	}
	if (accept(p, "x{")) {
		rc = hexadecimal(p, 1, 8, code);
		if (!rc && !accept(p, "}"))
			rc = unsupported(p, "invalid code point");
		return rc ? rc : 1;
	}
	if (accept(p, "x")) {
		rc = hexadecimal(p, 1, 2, code);
		if (!rc && *code >= 0x80)
			rc = unsupported(p, "a byte beyond ASCII is not supported");
		return rc ? rc : 1;
	}
	if (accept(p, "u")) {
		rc = hexadecimal(p, 4, 4, code);
		return rc ? rc : 1;
	}
	if (c >= 0x80 ||
	    (c > ' ' && !((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9')) ||
	    c == ' ') {
		*code = next_character(p);
		return 1;
	}
	return 0;
}

/* The bits of the general categories with this name: two letters, or one letter for all that begin
 * with it. */
static uint32_t categories_named(const char *name, size_t length)
{
	static const char all[] = PS_CATEGORIES;
	uint32_t bits = 0;

	if (length < 1 || length > 2)
		return 0;
	for (unsigned i = 0; 3 * i < sizeof all - 1; i++)
		if (!memcmp(all + 3 * i, name, length))
			bits |= 1u << i;
	return bits;
}

static int add_negatable(parser *p, ps_charset *set, uint32_t categories, uint32_t flags,
			 bool negated)
{
	ps_charset of_class = {0};
	int rc = ps_charset_add_properties(&of_class, categories, flags, p->diag);

	ps_charset_settle(&of_class);
	if (!rc && negated)
		rc = ps_charset_negate(&of_class, p->diag);
	if (!rc)
		rc = ps_charset_add_set(set, &of_class, p->diag);
	ps_charset_free(&of_class);
	return rc;
}

static int add_property(parser *p, ps_charset *set)
{
	bool negated = p->text[p->at] == 'P';
	uint32_t categories, flags = 0;
	const char *name, *close;

	p->at++;
	if (!accept(p, "{"))
		return unsupported(p, "a property needs braces");
	if (accept(p, "^"))
		negated = !negated;
	name = p->text + p->at;
	close = memchr(name, '}', p->end - p->at);
	if (!close)
		return unsupported(p, "a property without its closing brace");
	categories = categories_named(name, (size_t)(close - name));
	if (close - name == 3 && !memcmp(name, "Han", 3))
		flags = PS_UNICODE_HAN;
	if (!categories && !flags)
		return unsupported(p, "unsupported property");
	p->at += (size_t)(close - name) + 1;
	return add_negatable(p, set, categories, flags, negated);
}

/* Reads what follows the backslash of a class escape: 1, and its code points are added; 0 if it is
 * another escape. */
static int class_escape(parser *p, ps_charset *set)
{
	char c = p->text[p->at], kind = (char)(c | 32);
	int rc;

	if (kind == 'p') {
		if (p->ignore_case)
			return unsupported(p, "ignoring case of a property is not supported:");
		rc = add_property(p, set);
		return rc ? rc : 1;
	}
	if (kind != 's' && kind != 'd' && kind != 'w')
		return 0;
	p->at++;
	rc = add_negatable(p, set, kind == 'd' ? categories_named("Nd", 2) : 0,
			   kind == 's'   ? PS_UNICODE_SPACE
			   : kind == 'w' ? PS_UNICODE_WORD
					 : 0,
			   c != kind);
	return rc ? rc : 1;
}

/* Reads one member of a class. *single: it is the character *code; else it was added already. */
static int class_member(parser *p, ps_charset *set, uint32_t *code, bool *single)
{
	int rc;

	*single = true;
	if (!accept(p, "\\")) {
		*code = next_character(p);
		return 0;
	}
	if (!more(p))
		return unsupported(p, "a backslash at the end");
	rc = character_escape(p, code);
	if (rc)
		return rc < 0 ? rc : 0;
	*single = false;
	rc = class_escape(p, set);
	if (!rc)
		return unsupported(p, "unsupported escape in a character class");
	return rc < 0 ? rc : 0;
}

static bool range_follows(const parser *p)
{
	return p->end - p->at >= 2 && p->text[p->at] == '-' && p->text[p->at + 1] != ']';
}

/* Reads a character, a range of two, or a class escape. */
static int class_item(parser *p, ps_charset *set)
{
	uint32_t first = 0, last = 0;
	bool single = true;
	int rc = class_member(p, set, &first, &single);

	if (rc || !single)
		return rc;
	last = first;
	if (range_follows(p)) {
		p->at++;
		if (looking_at(p, "["))
			return unsupported(p, "a range that ends in a class");
		rc = class_member(p, set, &last, &single);
		if (rc)
			return rc;
		if (!single || last < first)
			return unsupported(p, "an empty range");
	}
	return ps_charset_add(set, first, last, p->diag);
}

/* Reads a class, from behind the opening bracket to the closing one. The set is settled. */
static int parse_class(parser *p, ps_charset *set, int depth)
{
	bool negated = accept(p, "^"), first = true;
	int rc = 0;

	if (depth > DEEPEST_CLASS)
		return unsupported(p, "character classes nested too deeply");
	for (; !rc; first = false) {
		if (!more(p))
			return unsupported(p, "a character class without its closing bracket");
		if (!first && accept(p, "]"))
			break;
		if (looking_at(p, "&&") || looking_at(p, "[:") || (first && looking_at(p, "]"))) {
			rc = unsupported(p, "unsupported syntax in a character class");
		} else if (accept(p, "[")) {
			ps_charset inner = {0};

			rc = parse_class(p, &inner, depth + 1);
			if (!rc)
				rc = ps_charset_add_set(set, &inner, p->diag);
			ps_charset_free(&inner);
		} else {
			rc = class_item(p, set);
		}
	}
	if (!rc && p->ignore_case)
		rc = fold(p, set);
	ps_charset_settle(set);
	if (!rc && negated)
		rc = ps_charset_negate(set, p->diag);
	return rc;
}

static int put_newline_set(parser *p, bool negated)
{
	ps_charset set = {0};
	int rc = ps_charset_add(&set, '\n', '\n', p->diag);

	if (!rc && negated)
		rc = ps_charset_negate(&set, p->diag);
	if (!rc)
		rc = put_set(p, &set);
	ps_charset_free(&set);
	return rc;
}

static int put_class_atom(parser *p, int (*fill)(parser *, ps_charset *))
{
	ps_charset set = {0};
	int rc = fill(p, &set);

	p->atom = p->program->count;
	p->last = ATOM;
	p->folded = 0;
	ps_charset_settle(&set);
	if (!rc)
		rc = put_set(p, &set);
	ps_charset_free(&set);
	return rc;
}

static int fill_bracket(parser *p, ps_charset *set)
{
	return parse_class(p, set, 0);
}

static int fill_escape(parser *p, ps_charset *set)
{
	int rc = class_escape(p, set);

	return rc < 0 ? rc : 0;
}

static int parse_escape(parser *p)
{
	uint32_t code;
	int rc;

	if (!more(p))
		return unsupported(p, "a backslash at the end");
	if (looking_at(p, "A") || looking_at(p, "z")) {
		p->last = NO_ATOM;
		p->folded = 0;
		return put(p, p->text[p->at++] == 'A' ? "\\A" : "\\z");
	}
	rc = character_escape(p, &code);
	if (rc)
		return rc < 0 ? rc : put_literal(p, code);
	if (!strchr("sSdDwWpP", p->text[p->at]))
		return unsupported(p, "unsupported escape");
	return put_class_atom(p, fill_escape);
}

/* Reads the kind of a group, behind "(". An option group only changes ignore_case until its end. */
static int open_group(parser *p)
{
	static const char *const kinds[] = {"?:", "?=", "?!", "?<=", "?<!", "?>"};
	bool ignore_case = p->ignore_case;
	const char *kind = NULL;
	int rc;

	if (p->depth == DEEPEST_GROUP)
		return unsupported(p, "groups nested too deeply");
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !kind; i++)
		if (accept(p, kinds[i]))
			kind = kinds[i];
	if (!kind && accept(p, "?i:"))
		ignore_case = true;
	else if (!kind && accept(p, "?-i:"))
		ignore_case = false;
	else if (!kind && (looking_at(p, "?") || looking_at(p, "*")))
		return unsupported(p, "unsupported group");
	p->group[p->depth].atom = p->program->count;
	p->group[p->depth++].ignore_case = p->ignore_case;
	p->ignore_case = ignore_case;
	p->last = NO_ATOM;
	p->folded = 0;
	rc = put(p, "(");
	return rc ? rc : put(p, kind ? kind : "?:");
}

static int close_group(parser *p)
{
	if (!p->depth)
		return unsupported(p, "a closing parenthesis without its opening one");
	p->depth--;
	p->atom = p->group[p->depth].atom;
	p->ignore_case = p->group[p->depth].ignore_case;
	p->last = ATOM;
	p->folded = 0;
	return put(p, ")");
}

/* Encloses the units of the last atom in a group. */
static int enclose_atom(parser *p)
{
	ps_pattern_program *program = p->program;
	int rc = put(p, "   ");

	if (rc)
		return rc;
	memmove(program->unit + p->atom + 3, program->unit + p->atom,
		(program->count - 3 - p->atom) * sizeof *program->unit);
	for (size_t i = 0; i < 3; i++)
		program->unit[p->atom + i] = (unsigned char)"(?:"[i];
	return put(p, ")");
}

/* Reads {n} {n,} {n,m} or {,m}: true, and both ends; *bounded is false for {n,}. Otherwise nothing
 * is taken. */
static bool accept_interval(parser *p, unsigned *least, unsigned *most, bool *bounded)
{
	size_t before = p->at;
	unsigned value[2] = {0, 0};
	int digits[2] = {0, 0}, side = 0;

	if (!accept(p, "{"))
		return false;
	for (; more(p) && p->text[p->at] != '}'; p->at++) {
		char c = p->text[p->at];

		if (c == ',' && !side) {
			side = 1;
		} else if (c >= '0' && c <= '9' && digits[side] < 5) {
			value[side] = value[side] * 10 + (unsigned)(c - '0');
			digits[side]++;
		} else {
			break;
		}
	}
	if (!accept(p, "}") || (!digits[0] && !digits[1])) {
		p->at = before;
		return false;
	}
	*least = value[0];
	*most = side ? value[1] : value[0];
	*bounded = !side || digits[1];
	return true;
}

static int put_interval(parser *p, unsigned least, unsigned most, bool bounded)
{
	char text[32];
	int length = 0;

	if (least > 65535 || most > 65535 || (bounded && most < least))
		return unsupported(p, "an interval out of range");
	length = bounded ? snprintf(text, sizeof text, "{%u,%u}", least, most)
			 : snprintf(text, sizeof text, "{%u,}", least);
	return length < 0 ? PS_EFAILED : put(p, text);
}

/* Reads a quantifier: 1, or 0 if none is here. In Ruby's syntax x{n,m}+ repeats x{n,m}; it is not
 * possessive. */
static int parse_quantifier(parser *p)
{
	unsigned least = 0, most = 0;
	bool bounded = false, interval = false;
	char simple[2] = {0};
	int rc = 0;

	if (strchr("*+?", p->text[p->at]) && p->text[p->at])
		simple[0] = p->text[p->at];
	else
		interval = accept_interval(p, &least, &most, &bounded);
	if (!simple[0] && !interval)
		return 0;
	if (p->last == NO_ATOM)
		return unsupported(p, "a quantifier without a target");
	if (p->last == QUANTIFIED)
		rc = enclose_atom(p);
	p->at += simple[0] != 0;
	p->last = QUANTIFIED;
	p->folded = 0;
	if (!rc)
		rc = interval ? put_interval(p, least, most, bounded) : put(p, simple);
	if (!rc && looking_at(p, "?")) {
		if (interval && bounded && least == most)
			return unsupported(p, "an interval followed by ?");
		p->at++;
		rc = put(p, "?");
	} else if (!rc && !interval && accept(p, "+")) {
		rc = put(p, "+");
	}
	return rc ? rc : 1;
}

/* Ruby's ^ and $ match at the ends of lines, but ^ does not match behind a newline that ends the
 * text. */
static int put_line_edge(parser *p, bool start)
{
	int rc = put(p, start ? "(?:\\A|(?<=" : "(?:\\z|(?=");

	if (!rc)
		rc = put_newline_set(p, false);
	if (!rc)
		rc = put(p, start ? ")(?!\\z))" : "))");
	p->last = NO_ATOM;
	p->folded = 0;
	return rc;
}

static int put_any(parser *p)
{
	p->atom = p->program->count;
	p->last = ATOM;
	p->folded = 0;
	return put_newline_set(p, true);
}

static int parse_item(parser *p)
{
	int rc = parse_quantifier(p);

	if (rc)
		return rc < 0 ? rc : 0;
	if (accept(p, "("))
		return open_group(p);
	if (accept(p, ")"))
		return close_group(p);
	if (accept(p, "\\"))
		return parse_escape(p);
	if (accept(p, "["))
		return put_class_atom(p, fill_bracket);
	if (accept(p, "."))
		return put_any(p);
	if (accept(p, "^"))
		return put_line_edge(p, true);
	if (accept(p, "$"))
		return put_line_edge(p, false);
	if (accept(p, "|")) {
		p->last = NO_ATOM;
		p->folded = 0;
		return put(p, "|");
	}
	return put_literal(p, next_character(p));
}

int ps_pattern_parse(ps_pattern_program *program, const char *regex, size_t length, ps_diag *diag)
{
	parser p = {.program = program, .text = regex, .end = length, .diag = diag};
	int rc = 0;

	if (length > BYTES_MAX)
		return ps_fail(diag, PS_EINPUT, "a regular expression of %zu bytes, more than %d",
			       length, BYTES_MAX);
	program->set = calloc(PS_PATTERN_SETS_MAX, sizeof *program->set);
	if (!program->set)
		return ps_fail(diag, PS_EBUDGET, "no memory for a pattern");
	p.ignore_case = accept(&p, "(?i)");
	while (more(&p) && !rc)
		rc = parse_item(&p);
	if (!rc && p.depth)
		rc = unsupported(&p, "a group without its closing parenthesis");
	return rc;
}

void ps_pattern_program_free(ps_pattern_program *program)
{
	for (size_t s = 0; s < program->set_count; s++)
		ps_charset_free(&program->set[s]);
	free(program->set);
	free(program->unit);
	*program = (ps_pattern_program){0};
}
