#include "core/tokenizer/normalize.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/utf8.h"

#define MOST_STEPS 16 /* each of a pattern holds more than 1 MB */
#define DEEPEST_SEQUENCE 16
/* Steps may not lengthen a text beyond all measure: 16 of them could, one behind the other. */
#define MOST_GROWTH 16
#define MOST_ADDED 65536

typedef struct step {
	ps_pattern *pattern; /* Replace; NULL: Prepend */
	char *content;
	size_t content_length;
} step;

struct ps_normalizer {
	step step[MOST_STEPS];
	size_t count;
	ps_buffer out[2]; /* steps write to them in turn */
};

int ps_pattern_create_json(ps_pattern **pattern, const json_t *json, const char *owner,
			   ps_diag *diag)
{
	const json_t *string = json_object_get(json, "String"),
		     *regex = json_object_get(json, "Regex");

	if (json_is_string(string) && !regex)
		return ps_pattern_create_string(pattern, json_string_value(string),
						json_string_length(string), diag);
	if (json_is_string(regex) && !string)
		return ps_pattern_create_regex(pattern, json_string_value(regex),
					       json_string_length(regex), diag);
	return ps_fail(diag, PS_EINPUT, "%s needs a pattern, either String or Regex", owner);
}

static int set_content(step *s, const json_t *content, const char *owner, ps_diag *diag)
{
	if (!json_is_string(content))
		return ps_fail(diag, PS_EINPUT, "the normalizer %s has no text", owner);
	s->content_length = json_string_length(content);
	s->content = malloc(s->content_length + 1);
	if (!s->content)
		return ps_fail(diag, PS_EBUDGET, "no memory for a normalizer");
	memcpy(s->content, json_string_value(content), s->content_length);
	return 0;
}

static int add_steps(ps_normalizer *n, const json_t *json, int depth, ps_diag *diag)
{
	const char *type = json_string_value(json_object_get(json, "type"));
	const json_t *list = json_object_get(json, "normalizers");
	step *s = &n->step[n->count];
	int rc = 0;

	if (!type)
		return ps_fail(diag, PS_EINPUT, "a normalizer has no type");
	if (!strcmp(type, "Sequence")) {
		if (!json_is_array(list) || depth == DEEPEST_SEQUENCE)
			return ps_fail(diag, PS_EINPUT,
				       "the normalizer Sequence has no list, or nests too deeply");
		for (size_t i = 0; i < json_array_size(list) && !rc; i++)
			rc = add_steps(n, json_array_get(list, i), depth + 1, diag);
		return rc;
	}
	if (n->count == MOST_STEPS)
		return ps_fail(diag, PS_EINPUT, "more than %d normalizers", MOST_STEPS);
	if (!strcmp(type, "Prepend")) {
		if (!json_string_length(json_object_get(json, "prepend")))
			return ps_fail(diag, PS_EINPUT, "the normalizer Prepend has no text");
		n->count++;
		return set_content(s, json_object_get(json, "prepend"), type, diag);
	}
	if (strcmp(type, "Replace"))
		return ps_fail(diag, PS_EINPUT, "unsupported normalizer \"%s\"", type);
	n->count++;
	rc = ps_pattern_create_json(&s->pattern, json_object_get(json, "pattern"),
				    "the normalizer Replace", diag);
	return rc ? rc : set_content(s, json_object_get(json, "content"), type, diag);
}

int ps_normalizer_create(ps_normalizer **normalizer, const json_t *json, ps_diag *diag)
{
	ps_normalizer *n = calloc(1, sizeof *n);
	int rc = 0;

	if (!n)
		return ps_fail(diag, PS_EBUDGET, "no memory for a normalizer");
	if (json && !json_is_null(json))
		rc = add_steps(n, json, 0, diag);
	if (rc) {
		ps_normalizer_destroy(n);
		return rc;
	}
	*normalizer = n;
	return 0;
}

void ps_normalizer_destroy(ps_normalizer *normalizer)
{
	if (!normalizer)
		return;
	for (size_t i = 0; i < normalizer->count; i++) {
		ps_pattern_destroy(normalizer->step[i].pattern);
		free(normalizer->step[i].content);
	}
	ps_buffer_free(&normalizer->out[0]);
	ps_buffer_free(&normalizer->out[1]);
	free(normalizer);
}

const char *ps_normalizer_space(const ps_normalizer *normalizer, size_t *length)
{
	for (size_t i = 0; i < normalizer->count; i++) {
		const step *s = &normalizer->step[i];

		*length = s->content_length;
		if (s->pattern && ps_pattern_is_string(s->pattern, " "))
			return s->content;
	}
	return NULL;
}

size_t ps_normalizer_bytes(const ps_normalizer *normalizer)
{
	size_t bytes =
		sizeof *normalizer + normalizer->out[0].capacity + normalizer->out[1].capacity;

	for (size_t i = 0; i < normalizer->count; i++) {
		bytes += normalizer->step[i].content_length;
		if (normalizer->step[i].pattern)
			bytes += ps_pattern_bytes(normalizer->step[i].pattern);
	}
	return bytes;
}

void ps_normalizer_share(ps_normalizer *normalizer, ps_room *room)
{
	normalizer->out[0].room = normalizer->out[1].room = room;
	for (size_t i = 0; i < normalizer->count; i++)
		if (normalizer->step[i].pattern)
			ps_pattern_share(normalizer->step[i].pattern, room);
}

/* The most bytes that a step makes of so many. */
static double longest(const step *s, double length)
{
	const double content = (double)s->content_length;
	const size_t shortest = s->pattern ? ps_pattern_shortest(s->pattern) : 0;

	if (!s->pattern)
		return length + content;
	if (!shortest) /* a regex may match the empty text everywhere */
		return length + (length + 1) * content;
	return content > (double)shortest ? length * content / (double)shortest : length;
}

double ps_normalizer_room(const ps_normalizer *normalizer, double *length)
{
	double out[2] = {0}, patterns = 0;

	for (size_t i = 0; i < normalizer->count; i++) {
		const step *s = &normalizer->step[i];

		if (s->pattern)
			patterns += ps_pattern_room(s->pattern, *length);
		*length = longest(s, *length);
		out[i % 2] = fmax(out[i % 2], *length);
	}
	return out[0] + out[1] + patterns;
}

bool ps_normalizer_simple(const ps_normalizer *normalizer, ps_replacement *r)
{
	const step *s = normalizer->step;

	*r = (ps_replacement){.from = NULL};
	if (!normalizer->count)
		return true;
	if (normalizer->count > 1 || !s->pattern)
		return false;
	r->from = ps_pattern_string(s->pattern, &r->from_length);
	r->to = s->content;
	r->to_length = s->content_length;
	return r->from && r->from_length == ps_utf8_length((unsigned char)*r->from);
}

/* Appends to a normalized text, which may have at most `most` bytes. */
static int append(ps_buffer *out, const char *text, size_t length, size_t most, ps_diag *diag)
{
	if (length > most - ps_min_size(out->used, most))
		return ps_fail(diag, PS_EINPUT,
			       "the normalizers make a text more than %d times as long",
			       MOST_GROWTH);
	return ps_buffer_append(out, text, length, diag);
}

static int prepend(const step *s, ps_piece *piece, ps_buffer *out, size_t most, ps_diag *diag)
{
	int rc = append(out, s->content, s->content_length, most, diag);

	if (!rc)
		rc = append(out, piece->text, piece->length, most, diag);
	if (piece->origin_bytes)
		piece->origin_bytes += s->content_length;
	return rc;
}

/* The replacement of a match counts as stemming from the match's last character. */
static int replace(const step *s, ps_piece *piece, ps_buffer *out, size_t most, ps_diag *diag)
{
	size_t start, end, copied = 0, origin = 0;
	int rc = ps_pattern_open(s->pattern, piece->text, piece->length, diag), found = 0;

	while (!rc && (found = ps_pattern_next(s->pattern, &start, &end, diag)) > 0) {
		/* Later steps of the library would leave out a part of this text. */
		if (!end && s->content_length)
			return ps_fail(diag, PS_EINPUT,
				       "a normalizer that inserts text before the first character "
				       "is not supported");
		rc = append(out, piece->text + copied, start - copied, most, diag);
		if (!rc && copied < piece->origin_bytes)
			origin = out->used -
				 (start > piece->origin_bytes ? start - piece->origin_bytes : 0);
		if (!rc)
			rc = append(out, s->content, s->content_length, most, diag);
		if (!rc && end <= piece->origin_bytes)
			origin = out->used;
		copied = end;
	}
	if (!rc && found < 0)
		rc = found;
	if (!rc)
		rc = append(out, piece->text + copied, piece->length - copied, most, diag);
	if (!rc && copied < piece->origin_bytes)
		origin = out->used - (piece->length - piece->origin_bytes);
	piece->origin_bytes = origin;
	return rc;
}

int ps_normalizer_apply(ps_normalizer *normalizer, ps_piece *piece, ps_diag *diag)
{
	const size_t most = MOST_GROWTH * piece->length + MOST_ADDED;

	for (size_t i = 0; i < normalizer->count && piece->length; i++) {
		const step *s = &normalizer->step[i];
		ps_buffer *out = &normalizer->out[i % 2];
		int rc;

		out->used = 0;
		rc = s->pattern ? replace(s, piece, out, most, diag)
				: prepend(s, piece, out, most, diag);
		if (rc)
			return rc;
		piece->text = out->data;
		piece->length = out->used;
	}
	return 0;
}
