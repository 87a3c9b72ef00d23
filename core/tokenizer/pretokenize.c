#include "core/tokenizer/pretokenize.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/utf8.h"
#include "core/tokenizer/unicode_tables.h"

#define MOST_STEPS 16 /* each of a pattern holds more than 1 MB */
#define DEEPEST_SEQUENCE 16

/* The regex of GPT-2, which ByteLevel uses by default. */
#define GPT2_REGEX                                                                                 \
	"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

typedef enum behavior {
	REMOVED,
	ISOLATED,
	MERGED_WITH_PREVIOUS,
	MERGED_WITH_NEXT,
	CONTIGUOUS
} behavior;

typedef struct step {
	enum { SPLIT, BYTE_LEVEL, DIGITS, METASPACE } kind;
	ps_pattern *pattern; /* Split, and ByteLevel with its regex */
	behavior behavior;
	bool invert;
	bool prefix_space;                     /* ByteLevel */
	enum { NEVER, FIRST, ALWAYS } prepend; /* Metaspace */
	bool split;                            /* Metaspace */
	char replacement[4];
	size_t replacement_length;
	ps_buffer text;   /* the piece with a prefix or with spaces replaced */
	ps_buffer mapped; /* a word in ByteLevel's letters */
} step;

struct ps_pretokenizer {
	step step[MOST_STEPS];
	size_t count;
	char byte_letter[256][2]; /* ByteLevel's letter for each byte, in UTF-8 */
	uint8_t byte_letter_length[256];
};

typedef struct run {
	ps_pretokenizer *pretokenizer;
	ps_word_sink sink;
	void *context;
	ps_diag *diag;
} run;

/* A piece that is being cut. Its parts come in order, each a match or not, and are joined as the
 * behavior says. */
typedef struct cutter {
	const run *run;
	size_t next; /* the step that takes the parts */
	ps_piece piece;
	behavior behavior;
	bool invert;
	bool was_match; /* whether the part before was a match */
	bool pending;   /* [start, end) may still be joined with what follows */
	size_t start, end;
} cutter;

/* ---- loading ---- */

/* GPT-2's table: printable Latin-1 is its own letter, the other bytes become U+0100 and on. */
static void fill_byte_letters(ps_pretokenizer *p)
{
	unsigned next = 0x100;

	for (unsigned byte = 0; byte < 256; byte++) {
		bool itself = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
		unsigned code = itself ? byte : next++;

		p->byte_letter_length[byte] = code < 0x80 ? 1 : 2;
		p->byte_letter[byte][0] = (char)(code < 0x80 ? code : 0xC0 | code >> 6);
		p->byte_letter[byte][1] = (char)(0x80 | (code & 0x3F));
	}
}

int ps_byte_of_letter(uint32_t code)
{
	if ((code >= '!' && code <= '~') || (code >= 0xA1 && code <= 0xFF && code != 0xAD))
		return (int)code;
	if (code < 0x100 || code > 0x143)
		return -1;
	return (int)(code <= 0x120 ? code - 0x100 : code <= 0x142 ? code - 0x121 + 0x7F : 0xAD);
}

/* Reads true or false. `absent` is the value of an absent key; if it is negative, the key is
 * required. */
static int read_flag(const json_t *json, const char *key, int absent, bool *flag, ps_diag *diag)
{
	const json_t *value = json_object_get(json, key);

	if (!value && absent >= 0) {
		*flag = absent;
		return 0;
	}
	if (!json_is_boolean(value))
		return ps_fail(diag, PS_EINPUT,
			       "\"%s\" of the pre-tokenizer %s is not true or false", key,
			       json_string_value(json_object_get(json, "type")));
	*flag = json_is_true(value);
	return 0;
}

static int read_split(step *s, const json_t *json, ps_diag *diag)
{
	static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
					    "MergedWithNext", "Contiguous"};
	const char *name = json_string_value(json_object_get(json, "behavior"));
	int rc;

	s->kind = SPLIT;
	rc = read_flag(json, "invert", -1, &s->invert, diag);
	if (rc)
		return rc;
	for (int i = 0; i < 5; i++) {
		if (name && !strcmp(name, names[i])) {
			s->behavior = (behavior)i;
			return ps_pattern_create_json(&s->pattern, json_object_get(json, "pattern"),
						      "the pre-tokenizer Split", diag);
		}
	}
	return ps_fail(diag, PS_EINPUT, "unsupported behavior \"%s\" of the pre-tokenizer Split",
		       name ? name : "");
}

static int read_byte_level(step *s, const json_t *json, ps_diag *diag)
{
	bool use_regex = true;
	int rc;

	s->kind = BYTE_LEVEL;
	s->behavior = ISOLATED;
	if ((rc = read_flag(json, "add_prefix_space", -1, &s->prefix_space, diag)) ||
	    (rc = read_flag(json, "use_regex", 1, &use_regex, diag)))
		return rc;
	return use_regex ? ps_pattern_create_regex(&s->pattern, GPT2_REGEX, sizeof GPT2_REGEX - 1,
						   diag)
			 : 0;
}

static int read_digits(step *s, const json_t *json, ps_diag *diag)
{
	bool individual = false;
	int rc = read_flag(json, "individual_digits", -1, &individual, diag);

	s->kind = DIGITS;
	s->behavior = !rc && individual ? ISOLATED : CONTIGUOUS;
	return rc;
}

static int read_metaspace(step *s, const json_t *json, ps_diag *diag)
{
	const char *replacement = json_string_value(json_object_get(json, "replacement"));
	const json_t *scheme = json_object_get(json, "prepend_scheme"),
		     *prefix = json_object_get(json, "add_prefix_space");
	const char *name = scheme ? json_string_value(scheme) : "always";
	size_t length = replacement ? strlen(replacement) : 0;
	int rc;

	s->kind = METASPACE;
	if (!length || ps_utf8_length((unsigned char)replacement[0]) != length)
		return ps_fail(
			diag, PS_EINPUT,
			"the pre-tokenizer Metaspace replaces spaces by no single character");
	memcpy(s->replacement, replacement, length);
	s->replacement_length = length;
	if (!name || (strcmp(name, "always") && strcmp(name, "first") && strcmp(name, "never")))
		return ps_fail(diag, PS_EINPUT,
			       "unsupported prepend_scheme \"%s\" of the pre-tokenizer Metaspace",
			       name ? name : "");
	s->prepend = name[0] == 'a' ? ALWAYS : name[0] == 'f' ? FIRST : NEVER;
	if (json_is_false(prefix) && s->prepend != NEVER)
		return ps_fail(diag, PS_EINPUT,
			       "add_prefix_space of the pre-tokenizer Metaspace contradicts its "
			       "prepend_scheme");
	if (json_is_null(json_object_get(json, "split"))) {
		s->split = true;
		return 0;
	}
	rc = read_flag(json, "split", 1, &s->split, diag);
	return rc;
}

static int add_steps(ps_pretokenizer *p, const json_t *json, int depth, ps_diag *diag)
{
	const char *type = json_string_value(json_object_get(json, "type"));
	const json_t *list = json_object_get(json, "pretokenizers");
	step *s = &p->step[p->count];
	int rc = 0;

	if (!type)
		return ps_fail(diag, PS_EINPUT, "a pre-tokenizer has no type");
	if (!strcmp(type, "Sequence")) {
		if (!json_is_array(list) || depth == DEEPEST_SEQUENCE)
			return ps_fail(
				diag, PS_EINPUT,
				"the pre-tokenizer Sequence has no list, or nests too deeply");
		for (size_t i = 0; i < json_array_size(list) && !rc; i++)
			rc = add_steps(p, json_array_get(list, i), depth + 1, diag);
		return rc;
	}
	if (p->count == MOST_STEPS)
		return ps_fail(diag, PS_EINPUT, "more than %d pre-tokenizers", MOST_STEPS);
	p->count++;
	if (!strcmp(type, "Split"))
		return read_split(s, json, diag);
	if (!strcmp(type, "ByteLevel"))
		return read_byte_level(s, json, diag);
	if (!strcmp(type, "Digits"))
		return read_digits(s, json, diag);
	if (!strcmp(type, "Metaspace"))
		return read_metaspace(s, json, diag);
	return ps_fail(diag, PS_EINPUT, "unsupported pre-tokenizer \"%s\"", type);
}

int ps_pretokenizer_create(ps_pretokenizer **pretokenizer, const json_t *json, ps_diag *diag)
{
	ps_pretokenizer *p = calloc(1, sizeof *p);
	int rc = 0;

	if (!p)
		return ps_fail(diag, PS_EBUDGET, "no memory for a pre-tokenizer");
	fill_byte_letters(p);
	if (json && !json_is_null(json))
		rc = add_steps(p, json, 0, diag);
	if (rc) {
		ps_pretokenizer_destroy(p);
		return rc;
	}
	*pretokenizer = p;
	return 0;
}

bool ps_pretokenizer_only_cuts(const ps_pretokenizer *pretokenizer)
{
	size_t written = 0;

	for (size_t i = 0; i < pretokenizer->count; i++) {
		const step *s = &pretokenizer->step[i];

		written += s->kind == BYTE_LEVEL;
		if (s->kind == METASPACE || (s->kind == BYTE_LEVEL && s->prefix_space))
			return false;
	}
	return written < 2;
}

const char *ps_pretokenizer_letter(const ps_pretokenizer *pretokenizer, unsigned char byte,
				   size_t *length)
{
	*length = pretokenizer->byte_letter_length[byte];
	return pretokenizer->byte_letter[byte];
}

bool ps_pretokenizer_is_byte_level(const ps_pretokenizer *pretokenizer)
{
	for (size_t i = 0; i < pretokenizer->count; i++)
		if (pretokenizer->step[i].kind == BYTE_LEVEL)
			return true;
	return false;
}

const char *ps_pretokenizer_space(const ps_pretokenizer *pretokenizer, size_t *length)
{
	for (size_t i = 0; i < pretokenizer->count; i++) {
		const step *s = &pretokenizer->step[i];

		*length = s->replacement_length;
		if (s->kind == METASPACE)
			return s->replacement;
	}
	return NULL;
}

void ps_pretokenizer_destroy(ps_pretokenizer *pretokenizer)
{
	if (!pretokenizer)
		return;
	for (size_t i = 0; i < pretokenizer->count; i++) {
		ps_pattern_destroy(pretokenizer->step[i].pattern);
		ps_buffer_free(&pretokenizer->step[i].text);
		ps_buffer_free(&pretokenizer->step[i].mapped);
	}
	free(pretokenizer);
}

size_t ps_pretokenizer_bytes(const ps_pretokenizer *pretokenizer)
{
	size_t bytes = sizeof *pretokenizer;

	for (size_t i = 0; i < pretokenizer->count; i++) {
		const step *s = &pretokenizer->step[i];

		bytes += s->text.capacity + s->mapped.capacity +
			 (s->pattern ? ps_pattern_bytes(s->pattern) : 0);
	}
	return bytes;
}

void ps_pretokenizer_share(ps_pretokenizer *pretokenizer, ps_room *room)
{
	for (size_t i = 0; i < pretokenizer->count; i++) {
		step *s = &pretokenizer->step[i];

		s->text.room = s->mapped.room = room;
		if (s->pattern)
			ps_pattern_share(s->pattern, room);
	}
}

double ps_pretokenizer_room(const ps_pretokenizer *pretokenizer, double *length)
{
	double bytes = 0;

	for (size_t i = 0; i < pretokenizer->count; i++) {
		const step *s = &pretokenizer->step[i];

		if (s->kind == METASPACE)
			*length = (*length + 1) * (double)s->replacement_length;
		else if (s->prefix_space)
			*length += 1;
		if (s->kind == METASPACE || s->prefix_space)
			bytes += *length;
		if (s->pattern)
			bytes += ps_pattern_room(s->pattern, *length);
		if (s->kind == BYTE_LEVEL) {
			*length *= 2;
			bytes += *length;
		}
	}
	return bytes;
}

/* ---- running ---- */

static int run_step(const run *r, size_t index, ps_piece piece);

/* Hands a finished part to the next step. ByteLevel changes its letters on the way. */
static int hand_on(const cutter *c, size_t start, size_t end)
{
	ps_pretokenizer *p = c->run->pretokenizer;
	step *s = &p->step[c->next - 1];
	ps_piece part = ps_piece_slice(c->piece, start, end);
	ps_buffer *out = &s->mapped;
	size_t origin = 0;
	int rc;

	if (!part.length)
		return 0;
	if (s->kind != BYTE_LEVEL)
		return run_step(c->run, c->next, part);
	out->used = 0;
	rc = ps_buffer_reserve(out, 2 * part.length, c->run->diag);
	if (rc)
		return rc;
	for (size_t i = 0; i < part.length; i++) {
		unsigned byte = (unsigned char)part.text[i];

		if (i == part.origin_bytes)
			origin = out->used;
		out->data[out->used] = p->byte_letter[byte][0];
		out->data[out->used + 1] = p->byte_letter[byte][1];
		out->used += p->byte_letter_length[byte];
	}
	if (part.origin_bytes == part.length)
		origin = out->used;
	return run_step(c->run, c->next, (ps_piece){out->data, out->used, origin});
}

static int flush(cutter *c)
{
	bool pending = c->pending;

	c->pending = false;
	return pending ? hand_on(c, c->start, c->end) : 0;
}

/* Takes the next part, [start, end), which begins where the last one ended. */
static int add_part(cutter *c, size_t start, size_t end, bool match)
{
	bool was_match = c->was_match, extends = false;
	int rc = 0;

	match ^= c->invert;
	c->was_match = match;
	switch (c->behavior) {
	case REMOVED:
		return match ? 0 : hand_on(c, start, end);
	case ISOLATED:
		return hand_on(c, start, end);
	case MERGED_WITH_PREVIOUS:
		extends = match && !was_match;
		break;
	case MERGED_WITH_NEXT:
		extends = !match && was_match;
		break;
	case CONTIGUOUS:
		extends = match == was_match;
		break;
	}
	if (!extends)
		rc = flush(c);
	if (!c->pending)
		c->start = start;
	c->pending = true;
	c->end = end;
	return rc;
}

static int cut_by_pattern(cutter *c, ps_pattern *pattern)
{
	size_t start, end, done = 0;
	int rc = ps_pattern_open(pattern, c->piece.text, c->piece.length, c->run->diag), found = 0;

	while (!rc && (found = ps_pattern_next(pattern, &start, &end, c->run->diag)) > 0) {
		if (done != start)
			rc = add_part(c, done, start, false);
		if (!rc)
			rc = add_part(c, start, end, true);
		done = end;
	}
	if (!rc && found < 0)
		rc = found;
	if (!rc && done != c->piece.length)
		rc = add_part(c, done, c->piece.length, false);
	return rc ? rc : flush(c);
}

static bool is_numeric(const char *text)
{
	unsigned char lead = (unsigned char)text[0];

	if (lead < 0x80)
		return lead >= '0' && lead <= '9';
	return ps_unicode_properties(ps_utf8_decode(text)) & PS_UNICODE_NUMERIC;
}

static bool is_replacement(const step *s, const char *text)
{
	return !memcmp(text, s->replacement, s->replacement_length);
}

/* Cuts as a pattern would that matches single characters: numbers for Digits, the replacement for
 * Metaspace. */
static int cut_by_character(cutter *c, const step *s)
{
	size_t done = 0, step_bytes;
	int rc = 0;

	for (size_t at = 0; at < c->piece.length && !rc; at += step_bytes) {
		const char *text = c->piece.text + at;

		step_bytes = ps_utf8_length((unsigned char)*text);
		if (s->kind == DIGITS
			    ? !is_numeric(text)
			    : step_bytes != s->replacement_length || !is_replacement(s, text))
			continue;
		if (done < at)
			rc = add_part(c, done, at, false);
		if (!rc)
			rc = add_part(c, at, at + step_bytes, true);
		done = at + step_bytes;
	}
	if (!rc && done < c->piece.length)
		rc = add_part(c, done, c->piece.length, false);
	return rc ? rc : flush(c);
}

/* Puts prefix before the piece. The result is in s->text. */
static int add_prefix(step *s, ps_piece *piece, const char *prefix, size_t length, ps_diag *diag)
{
	int rc;

	s->text.used = 0;
	if ((rc = ps_buffer_append(&s->text, prefix, length, diag)) ||
	    (rc = ps_buffer_append(&s->text, piece->text, piece->length, diag)))
		return rc;
	*piece = (ps_piece){s->text.data, s->text.used,
			    piece->origin_bytes ? piece->origin_bytes + length : 0};
	return 0;
}

/* Turns spaces into the replacement, and puts one before the piece if the scheme says so. The
 * result is in s->text. */
static int replace_spaces(step *s, ps_piece *piece, ps_diag *diag)
{
	bool starts_so = piece->text[0] == ' ' ||
			 (piece->length >= s->replacement_length && is_replacement(s, piece->text));
	bool prepend = !starts_so &&
		       (s->prepend == ALWAYS || (s->prepend == FIRST && piece->origin_bytes));
	size_t origin = 0;
	int rc;

	s->text.used = 0;
	if (prepend &&
	    (rc = ps_buffer_append(&s->text, s->replacement, s->replacement_length, diag)))
		return rc;
	rc = ps_buffer_reserve(&s->text, piece->length, diag);
	for (size_t i = 0; i < piece->length && !rc; i++) {
		bool space = piece->text[i] == ' ';

		rc = ps_buffer_append(&s->text, space ? s->replacement : piece->text + i,
				      space ? s->replacement_length : 1, diag);
		if (i < piece->origin_bytes)
			origin = s->text.used;
	}
	*piece = (ps_piece){s->text.data, s->text.used, origin};
	return rc;
}

static int run_step(const run *r, size_t index, ps_piece piece)
{
	step *s = &r->pretokenizer->step[index];
	cutter c = {.run = r, .next = index + 1};
	int rc = 0;

	if (index == r->pretokenizer->count)
		return r->sink(r->context, piece.text, piece.length);
	if (s->kind == BYTE_LEVEL && s->prefix_space && piece.text[0] != ' ')
		rc = add_prefix(s, &piece, " ", 1, r->diag);
	else if (s->kind == METASPACE)
		rc = replace_spaces(s, &piece, r->diag);
	if (rc)
		return rc;
	c.piece = piece;
	c.behavior = s->kind == METASPACE ? MERGED_WITH_NEXT : s->behavior;
	c.invert = s->invert;
	if (s->pattern)
		return cut_by_pattern(&c, s->pattern);
	if (s->kind == DIGITS || (s->kind == METASPACE && s->split))
		return cut_by_character(&c, s);
	return hand_on(&c, 0, piece.length);
}

int ps_pretokenizer_run(ps_pretokenizer *pretokenizer, ps_piece piece, ps_word_sink sink,
			void *context, ps_diag *diag)
{
	const run r = {pretokenizer, sink, context, diag};

	return piece.length ? run_step(&r, 0, piece) : 0;
}
