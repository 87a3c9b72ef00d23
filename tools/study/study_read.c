#include "tools/study/study_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "core/base/array.h"
#include "tools/study/study_keys.h"

enum { NAME_MAX_BYTES = 64, WANTS_MAX = 160, GUESS_MAX = 400, SAID_MAX = 600 };

struct reading {
	yaml_parser_t parser;
	yaml_event_t event; /* the last one taken */
	ps_study_file *file;
	const char *path;
	const ps_study_key *key; /* whose value is being read; NULL: none */
	size_t item; /* of its list, or of the list whose item has the key, from 1; 0: none */
	ps_diag *diag;
};

/* --- messages --- */

/* Refuses what stands at the mark: file, line, column, key, and what is wrong. */
static int refuse_at(const struct reading *r, yaml_mark_t at, const char *what)
{
	char key[NAME_MAX_BYTES + 2] = "";

	if (r->key) {
		ps_study_key_name(r->key, key, NAME_MAX_BYTES);
		strcat(key, ": ");
	}
	return ps_fail(r->diag, PS_EINPUT, "%s: line %zu, column %zu: %s%s", r->path, at.line + 1,
		       at.column + 1, key, what);
}

static int PS_PRINTF(2, 3) refuse(const struct reading *r, const char *format, ...)
{
	char said[SAID_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof said, format, args);
	va_end(args);
	return refuse_at(r, r->event.start_mark, said);
}

/* Refuses a value: "'8.7' is not a whole number; it must be ...". item: it stands in a list. */
static int refuse_value(const struct reading *r, const char *fault, bool item)
{
	char wants[WANTS_MAX], shown[PS_SHOWN];

	ps_study_key_wants(r->key, item, wants, sizeof wants);
	if (r->event.type != YAML_SCALAR_EVENT)
		return refuse(r, "%s; it must be %s", fault, wants);
	ps_text_show((const char *)r->event.data.scalar.value, r->event.data.scalar.length, shown,
		     sizeof shown);
	return refuse(r, "'%s' %s; it must be %s", shown, fault, wants);
}

static int no_memory(const struct reading *r)
{
	return ps_fail(r->diag, PS_EBUDGET, "%s: no memory for the study file", r->path);
}

/* --- events --- */

static int check_node(const struct reading *r)
{
	const yaml_event_t *e = &r->event;
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (e->type == YAML_ALIAS_EVENT)
		return refuse(r, "aliases (*name) are not understood in a study file");
	if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
	}
	if (anchor)
		return refuse(r, "anchors (&name) are not understood in a study file");
	if (tag)
		return refuse(r, "tags (!name) are not understood in a study file");
	return 0;
}

/* Takes the next event. */
static int next(struct reading *r)
{
	const yaml_parser_t *p = &r->parser;
	char said[SAID_MAX];

	yaml_event_delete(&r->event);
	if (yaml_parser_parse(&r->parser, &r->event))
		return check_node(r);
	r->event = (yaml_event_t){.type = YAML_NO_EVENT};
	if (p->error == YAML_MEMORY_ERROR)
		return no_memory(r);
	if (p->error == YAML_READER_ERROR)
		return ps_fail(r->diag, PS_EINPUT, "%s: byte %zu: %s (a study file is UTF-8)",
			       r->path, p->problem_offset, p->problem);
	snprintf(said, sizeof said, "%s%s%s", p->problem, p->context ? " " : "",
		 p->context ? p->context : "");
	return refuse_at(r, p->problem_mark, said);
}

static const char *kind_of_event(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return "is a single value";
	case YAML_SEQUENCE_START_EVENT:
		return "is a list";
	case YAML_MAPPING_START_EVENT:
		return "is a map";
	default:
		return "has no value";
	}
}

/* --- values --- */

static bool is_plain(const yaml_event_t *e)
{
	return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_word(const yaml_event_t *e, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp((const char *)e->data.scalar.value, *words))
			return true;
	return false;
}

/* YAML's null. */
static bool is_empty(const yaml_event_t *e)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};

	return is_plain(e) && is_word(e, nulls);
}

/* Why a text cannot be one, or NULL. Control characters would break lines of messages, makefiles
 * and tables; what follows a NUL would be lost. */
static const char *text_fault(const struct reading *r)
{
	const size_t length = r->event.data.scalar.length;

	if (ps_text_has_control((const char *)r->event.data.scalar.value, length))
		return "has a control character in it";
	if (!length)
		return "is empty";
	return (double)length > r->key->range.most ? "is too long" : NULL;
}

static int read_text(struct reading *r, char **place)
{
	const char *fault = text_fault(r);

	if (!fault && r->key->words && !is_word(&r->event, r->key->words))
		fault = "is not known";
	if (fault)
		return refuse_value(r, fault, true);
	*place = strdup((const char *)r->event.data.scalar.value);
	return *place ? 0 : no_memory(r);
}

static int read_number(struct reading *r, void *place)
{
	const char *text = (const char *)r->event.data.scalar.value;
	const size_t length = r->event.data.scalar.length;
	const bool whole = r->key->type == PS_STUDY_WHOLE;
	int64_t integer = 0;
	double value = 0;
	const char *fault =
		!is_plain(&r->event) ? "is a text: the quotes must go"
		: whole              ? ps_number_whole(text, length, &integer)
			: ps_number_real(text, length, r->key->type == PS_STUDY_SHARE, &value);

	if (!fault && !ps_range_has(r->key->range, whole ? (double)integer : value))
		fault = "is out of range";
	if (fault)
		return refuse_value(r, fault, true);
	if (whole)
		*(int64_t *)place = integer;
	else
		*(double *)place = value;
	return 0;
}

static int read_bool(struct reading *r, bool *place)
{
	static const char *const yes[] = {"true", "True", "TRUE", NULL};
	static const char *const no[] = {"false", "False", "FALSE", NULL};

	*place = is_plain(&r->event) && is_word(&r->event, yes);
	if (!*place && !(is_plain(&r->event) && is_word(&r->event, no)))
		return refuse_value(r, "is neither true nor false", true);
	return 0;
}

/* Reads the scalar that is the event. */
static int read_scalar(struct reading *r, void *place)
{
	if (r->event.type != YAML_SCALAR_EVENT)
		return refuse_value(r, kind_of_event(&r->event), true);
	if (is_empty(&r->event))
		return refuse_value(r, "is no value", true);
	switch (r->key->type) {
	case PS_STUDY_TEXT:
	case PS_STUDY_WORD:
		return read_text(r, place);
	case PS_STUDY_BOOL:
		return read_bool(r, place);
	default:
		return read_number(r, place);
	}
}

/* --- maps and lists --- */

static int add_mark(struct reading *r)
{
	ps_study_file *f = r->file;
	ps_study_mark *grown =
		ps_array_grow(f->marks, &f->marks_room, f->marks_count + 1, sizeof *grown, r->diag);

	if (!grown)
		return PS_EBUDGET;
	f->marks = grown;
	f->marks[f->marks_count++] = (ps_study_mark){.key = r->key,
						     .item = r->item,
						     .line = r->event.start_mark.line + 1,
						     .column = r->event.start_mark.column + 1};
	return 0;
}

static int read_map(struct reading *r, const char *group, void *base);

static size_t item_bytes(const ps_study_key *key)
{
	switch (key->type) {
	case PS_STUDY_WHOLE:
		return sizeof(int64_t);
	case PS_STUDY_SHARE:
	case PS_STUDY_REAL:
		return sizeof(double);
	case PS_STUDY_ITEM:
		return key->item_bytes;
	default:
		return sizeof(char *);
	}
}

static int read_item(struct reading *r, void *place)
{
	int rc;

	if (r->key->type == PS_STUDY_ITEM) {
		char wants[WANTS_MAX];

		if (r->event.type != YAML_MAPPING_START_EVENT)
			return refuse(r, "an entry must be %s",
				      ps_study_key_wants(r->key, true, wants, sizeof wants));
		return read_map(r, r->key->name, place);
	}
	if (r->event.type == YAML_SEQUENCE_START_EVENT)
		return refuse(r, "is a list in a list");
	if (r->event.type == YAML_MAPPING_START_EVENT)
		return refuse(r, "is a map in the list");
	rc = read_scalar(r, place);
	return rc ? rc : add_mark(r);
}

/* Reads the list that begins with the event. Its items and their count go to the key's places. */
static int read_list(struct reading *r, char *base)
{
	const ps_study_key *key = r->key;
	const size_t bytes = item_bytes(key);
	char *items = NULL;
	unsigned count = 0;
	int rc;

	if (r->event.type != YAML_SEQUENCE_START_EVENT)
		return refuse_value(r, kind_of_event(&r->event), false);
	items = calloc(key->items_max, bytes);
	if (!items)
		return no_memory(r);
	/* From here on ps_study_file_free frees the items. */
	memcpy(base + key->offset, &items, sizeof items);
	for (;;) {
		rc = next(r);
		if (rc || r->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		if (count == key->items_max)
			return refuse(r, "the list has more than %zu entries", key->items_max);
		r->key = key;
		r->item = ++count;
		memcpy(base + key->count_offset, &count, sizeof count);
		rc = read_item(r, items + (count - 1) * bytes);
		if (rc)
			break;
		r->key = key;
	}
	r->key = key;
	return rc || count ? rc : refuse(r, "the list is empty");
}

/* Reads the value of r->key: the event that comes next. */
static int read_value(struct reading *r, char *base)
{
	const ps_study_key *key = r->key;
	int rc = next(r);

	if (rc)
		return rc;
	if (key->items_max)
		return read_list(r, base);
	if (key->type != PS_STUDY_MAP)
		return read_scalar(r, base + key->offset);
	if (r->event.type != YAML_MAPPING_START_EVENT)
		return refuse_value(r, kind_of_event(&r->event), false);
	return read_map(r, key->name, base);
}

/* The line on which the key already stands in the map whose marks begin at first; 0: it does
 * not. */
static size_t line_before(const struct reading *r, size_t first, const ps_study_key *key)
{
	const ps_study_file *f = r->file;

	for (size_t i = first; i < f->marks_count; i++)
		if (f->marks[i].key == key)
			return f->marks[i].line;
	return 0;
}

/* Finds the key that the event names, and marks where it stands. first: the map's first mark. */
static int take_key(struct reading *r, const char *group, size_t first)
{
	const yaml_event_t *e = &r->event;
	char shown[PS_SHOWN], guess[GUESS_MAX];
	const ps_study_key *key;
	size_t line;

	if (e->type != YAML_SCALAR_EVENT)
		return refuse(r, "a key must be a word, this one %s", kind_of_event(e));
	ps_text_show((const char *)e->data.scalar.value, e->data.scalar.length, shown,
		     sizeof shown);
	if (!strcmp(shown, "<<"))
		return refuse(r, "merge keys (<<) are not understood in a study file");
	key = ps_study_key_find(group, shown);
	if (!key) {
		ps_study_key_guess(group, shown, guess, sizeof guess);
		return refuse(r, "unknown key '%s'; %s", shown, guess);
	}
	line = line_before(r, first, key);
	r->key = key;
	if (line)
		return refuse(r, "the key stands twice, first in line %zu", line);
	return add_mark(r);
}

/* start: where the map begins. */
static int check_wanted(const struct reading *r, const char *group, size_t first, yaml_mark_t start)
{
	char said[SAID_MAX];

	for (size_t i = 0; i < ps_study_key_count; i++) {
		const ps_study_key *key = &ps_study_keys[i];

		if (!key->wanted || strcmp(key->group, group) || line_before(r, first, key))
			continue;
		snprintf(said, sizeof said, "the key '%s' is missing", key->name);
		return refuse_at(r, start, said);
	}
	return 0;
}

/* Reads the map that begins with the event. base: what the keys' offsets count from. */
static int read_map(struct reading *r, const char *group, void *base)
{
	const ps_study_key *around = r->key;
	const size_t first = r->file->marks_count, item = r->item;
	const yaml_mark_t start = r->event.start_mark;
	int rc;

	for (;;) {
		rc = next(r);
		if (rc || r->event.type == YAML_MAPPING_END_EVENT)
			break;
		r->item = item;
		rc = take_key(r, group, first);
		if (!rc)
			rc = read_value(r, base);
		if (rc)
			return rc;
		r->key = around;
	}
	return rc ? rc : check_wanted(r, group, first, start);
}

/* Reads the one document of the text. */
static int read_document(struct reading *r)
{
	int rc = next(r); /* the stream begins */

	if (!rc)
		rc = next(r);
	if (rc)
		return rc;
	if (r->event.type == YAML_STREAM_END_EVENT)
		return ps_fail(r->diag, PS_EINPUT, "%s: the file is empty", r->path);
	rc = next(r);
	if (!rc && r->event.type != YAML_MAPPING_START_EVENT)
		return refuse(r, "a study file is a map of keys, this %s",
			      kind_of_event(&r->event));
	if (!rc)
		rc = read_map(r, "", r->file);
	if (!rc)
		rc = next(r); /* the document ends */
	if (!rc)
		rc = next(r);
	if (!rc && r->event.type != YAML_STREAM_END_EVENT)
		return refuse(r, "a second document begins; a study file has one");
	return rc;
}

int ps_study_read(ps_study_file *file, const char *path, const char *text, size_t length,
		  ps_diag *diag)
{
	struct reading r = {.file = file, .path = path, .diag = diag};
	int rc;

	if (!yaml_parser_initialize(&r.parser))
		return no_memory(&r);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
	rc = read_document(&r);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	return rc;
}
