#include "analysis/report/svg_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/utf8.h"

enum { DEPTH_MAX = 64, ATTRIBUTES_MAX = 64, SHOWN = 40 };

struct slice {
	const char *at;
	size_t length;
};

struct parser {
	const char *start, *at, *end;
	struct slice open[DEPTH_MAX]; /* names of the elements that are open */
	size_t depth;
	bool named, draws; /* the name space of SVG is given; an element paints something */
	ps_diag *diag;
};

static const char *const elements[] = {"svg",
				       "g",
				       "defs",
				       "symbol",
				       "use",
				       "title",
				       "desc",
				       "style",
				       "path",
				       "rect",
				       "circle",
				       "ellipse",
				       "line",
				       "polyline",
				       "polygon",
				       "text",
				       "tspan",
				       "textPath",
				       "clipPath",
				       "mask",
				       "pattern",
				       "marker",
				       "linearGradient",
				       "radialGradient",
				       "stop",
				       "filter",
				       "feFlood",
				       "feComposite",
				       "feMerge",
				       "feMergeNode",
				       "feOffset",
				       "feGaussianBlur",
				       "feColorMatrix",
				       "feBlend",
				       NULL};

/* Those of the elements that paint something. */
static const char *const painting[] = {"path",     "rect",    "circle", "ellipse", "line",
				       "polyline", "polygon", "text",   "use",     NULL};

static int refuse(const struct parser *p, const char *what, struct slice where)
{
	size_t line = 1;
	int shown = (int)(where.length < SHOWN ? where.length : SHOWN);

	for (const char *c = p->start; c < p->at && c < p->end; c++)
		line += *c == '\n';
	return ps_fail(p->diag, PS_EFAILED, "line %zu: %s%s%.*s", line, what, shown ? ": " : "",
		       shown, where.at);
}

static const struct slice nothing = {"", 0};

static bool is(struct slice text, const char *word)
{
	return text.length == strlen(word) && !memcmp(text.at, word, text.length);
}

static bool starts(const struct parser *p, const char *with)
{
	size_t length = strlen(with);

	return (size_t)(p->end - p->at) >= length && !memcmp(p->at, with, length);
}

static const char *find(const struct parser *p, const char *what)
{
	return memmem(p->at, (size_t)(p->end - p->at), what, strlen(what));
}

/* Letters in any case. */
static bool contains(struct slice text, const char *word)
{
	size_t length = strlen(word);

	for (size_t i = 0; i + length <= text.length; i++)
		if (!strncasecmp(text.at + i, word, length))
			return true;
	return false;
}

/* --- characters --- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool skip_spaces(struct parser *p)
{
	const char *before = p->at;

	while (p->at < p->end && is_space(*p->at))
		p->at++;
	return p->at > before;
}

/* What XML 1.0 calls a Char. */
static bool is_char(uint32_t c)
{
	return c == 0x9 || c == 0xa || c == 0xd || (c >= 0x20 && c < 0xd800) ||
	       (c >= 0xe000 && c < 0xfffe) || (c >= 0x10000 && c < PS_UNICODE_END);
}

static int check_characters(struct parser *p)
{
	while (p->at < p->end) {
		size_t length = ps_utf8_valid(p->at, (size_t)(p->end - p->at));

		if (!length)
			return refuse(p, "not UTF-8", nothing);
		if (!is_char(ps_utf8_decode(p->at)))
			return refuse(p, "a character that XML forbids", nothing);
		p->at += length;
	}
	p->at = p->start;
	return 0;
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Names of SVG are ASCII. A colon parts a prefix from a name. */
static struct slice take_name(struct parser *p)
{
	struct slice name = {p->at, 0};

	if (p->at == p->end || !is_name_start(*p->at))
		return name;
	while (p->at < p->end && (is_name_start(*p->at) || (*p->at >= '0' && *p->at <= '9') ||
				  (*p->at && strchr("-.:", *p->at))))
		p->at++;
	name.length = (size_t)(p->at - name.at);
	return name;
}

/* One of XML's five entities, or the number of a character. p->at is at the '&'. */
static int take_reference(struct parser *p)
{
	static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&apos;"};
	uint32_t c = 0;
	unsigned base = 10;
	const char *digit;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (starts(p, known[i])) {
			p->at += strlen(known[i]);
			return 0;
		}
	digit = p->at + 2;
	if (starts(p, "&#x")) {
		base = 16;
		digit++;
	} else if (!starts(p, "&#")) {
		return refuse(p, "an entity that is not XML's own", nothing);
	}
	for (; digit < p->end && *digit != ';' && c < PS_UNICODE_END; digit++) {
		const char *digits = "0123456789abcdef",
			   *value = *digit ? strchr(digits, *digit | 0x20) : NULL;

		if (!value || (unsigned)(value - digits) >= base)
			return refuse(p, "a damaged number of a character", nothing);
		c = c * base + (unsigned)(value - digits);
	}
	if (digit == p->end || *digit != ';' || !is_char(c))
		return refuse(p, "the number of a character that XML forbids", nothing);
	p->at = digit + 1;
	return 0;
}

/* --- attributes --- */

/* Every url( in the value leads to a part of the file. A backslash could hide one from this
 * test. */
static bool stays_inside(struct slice value)
{
	static const char *const fetching[] = {"@import",    "javascript:", "expression(", "image(",
					       "image-set(", "src(",        "\\",          NULL};

	for (size_t i = 0; i + 4 <= value.length; i++) {
		size_t at = i + 4;

		if (strncasecmp(value.at + i, "url(", 4))
			continue;
		while (at < value.length &&
		       (is_space(value.at[at]) || value.at[at] == '\'' || value.at[at] == '"'))
			at++;
		if (at == value.length || value.at[at] != '#')
			return false;
	}
	for (size_t i = 0; fetching[i]; i++)
		if (contains(value, fetching[i]))
			return false;
	return true;
}

static int check_attribute(struct parser *p, struct slice name, struct slice value)
{
	const char *colon = memchr(name.at, ':', name.length);
	const struct slice local = {colon ? colon + 1 : name.at,
				    colon ? name.length - (size_t)(colon + 1 - name.at)
					  : name.length};

	if (is(name, "xmlns")) {
		p->named |= p->depth == 1;
		return is(value, "http://www.w3.org/2000/svg")
			       ? 0
			       : refuse(p, "a name space other than SVG's", value);
	}
	if (is(name, "xmlns:xlink"))
		return is(value, "http://www.w3.org/1999/xlink")
			       ? 0
			       : refuse(p, "a name space other than XLink's", value);
	if (colon && !is(name, "xlink:href") && !is(name, "xml:space") && !is(name, "xml:lang"))
		return refuse(p, "an attribute with a prefix", name);
	if (local.length > 2 && !strncasecmp(local.at, "on", 2))
		return refuse(p, "an attribute that handles an event", name);
	if ((is(local, "href") || is(local, "src")) && (!value.length || *value.at != '#'))
		return refuse(p, "a reference that leaves the file", value);
	/* A reference to a character could hide a word from the tests below. */
	if (memchr(value.at, '&', value.length) && (contains(value, "&#") || contains(value, "(")))
		return refuse(p, "an attribute that hides its meaning", name);
	return stays_inside(value) ? 0 : refuse(p, "a reference that leaves the file", value);
}

static int take_value(struct parser *p, struct slice *value)
{
	char quote = p->at < p->end ? *p->at : 0;
	int rc = 0;

	if (quote != '"' && quote != '\'')
		return refuse(p, "an attribute without quotes", nothing);
	value->at = ++p->at;
	while (!rc && p->at < p->end && *p->at != quote) {
		if (*p->at == '<')
			return refuse(p, "'<' in an attribute", nothing);
		if (*p->at == '&')
			rc = take_reference(p);
		else
			p->at++;
	}
	if (!rc && p->at == p->end)
		rc = refuse(p, "an attribute without its end", nothing);
	value->length = (size_t)(p->at - value->at);
	p->at += !rc;
	return rc;
}

/* The attributes of a tag, up to its end. */
static int take_attributes(struct parser *p)
{
	struct slice names[ATTRIBUTES_MAX], value = nothing;
	size_t count = 0;
	int rc = 0;

	while (!rc && p->at < p->end) {
		bool spaced = skip_spaces(p);

		if (p->at == p->end || *p->at == '>' || *p->at == '/')
			return 0;
		if (!spaced || count == ATTRIBUTES_MAX)
			return refuse(p, "a damaged tag", nothing);
		names[count] = take_name(p);
		if (!names[count].length)
			return refuse(p, "a damaged tag", nothing);
		for (size_t i = 0; i < count; i++)
			if (names[i].length == names[count].length &&
			    !memcmp(names[i].at, names[count].at, names[i].length))
				return refuse(p, "an attribute twice", names[count]);
		skip_spaces(p);
		if (p->at == p->end || *p->at != '=')
			return refuse(p, "an attribute without a value", names[count]);
		p->at++;
		skip_spaces(p);
		rc = take_value(p, &value);
		if (!rc)
			rc = check_attribute(p, names[count], value);
		count++;
	}
	return rc;
}

/* --- elements --- */

static bool is_among(struct slice name, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		if (is(name, words[i]))
			return true;
	return false;
}

static int take_opening_tag(struct parser *p)
{
	struct slice name;
	int rc;

	p->at++;
	name = take_name(p);
	if (!name.length)
		return refuse(p, "'<' that opens no tag", nothing);
	if (!is_among(name, elements))
		return refuse(p, "an element that a figure does not need", name);
	if (is(name, "svg") != !p->depth)
		return refuse(p, "not one svg element with all others in it", name);
	if (p->depth == DEPTH_MAX)
		return refuse(p, "elements too deep in each other", nothing);
	p->open[p->depth++] = name;
	p->draws |= is_among(name, painting);
	rc = take_attributes(p);
	if (rc)
		return rc;
	if (starts(p, "/>")) {
		p->depth--;
		p->at += 2;
		return 0;
	}
	if (!starts(p, ">"))
		return refuse(p, "a tag without its end", name);
	p->at++;
	return 0;
}

static int take_closing_tag(struct parser *p)
{
	struct slice name;

	p->at += 2;
	name = take_name(p);
	skip_spaces(p);
	if (!p->depth || p->open[p->depth - 1].length != name.length ||
	    memcmp(p->open[p->depth - 1].at, name.at, name.length) || !starts(p, ">"))
		return refuse(p, "a closing tag that closes nothing", name);
	p->depth--;
	p->at++;
	return 0;
}

static int take_comment(struct parser *p)
{
	const char *end;

	p->at += 4;
	end = find(p, "--");
	if (!end || end + 2 >= p->end || end[2] != '>')
		return refuse(p, "a damaged comment", nothing);
	p->at = end + 3;
	return 0;
}

/* Text up to the next tag. Outside of the svg element it may be spaces only. */
static int take_text(struct parser *p)
{
	const struct slice text = {p->at, 0};
	const bool style = p->depth && is(p->open[p->depth - 1], "style");
	int rc = 0;

	while (!rc && p->at < p->end && *p->at != '<') {
		if (!p->depth && !is_space(*p->at))
			return refuse(p, "text outside of the svg element", nothing);
		if (starts(p, "]]>"))
			return refuse(p, "']]>' in a text", nothing);
		if (*p->at != '&')
			p->at++;
		else
			rc = style ? refuse(p, "a style that hides its meaning", nothing)
				   : take_reference(p);
	}
	if (!rc && style && !stays_inside((struct slice){text.at, (size_t)(p->at - text.at)}))
		rc = refuse(p, "a style that leaves the file", nothing);
	return rc;
}

static int take_declaration(struct parser *p)
{
	const char *end;

	if (!starts(p, "<?xml ") && !starts(p, "<?xml\t"))
		return 0;
	end = find(p, "?>");
	if (!end)
		return refuse(p, "a damaged XML declaration", nothing);
	if (!contains((struct slice){p->at, (size_t)(end - p->at)}, "utf-8") &&
	    contains((struct slice){p->at, (size_t)(end - p->at)}, "encoding"))
		return refuse(p, "an encoding other than UTF-8", nothing);
	p->at = end + 2;
	return 0;
}

int ps_svg_check(const char *svg, size_t length, ps_diag *diag)
{
	struct parser p = {.start = svg, .at = svg, .end = svg + length, .diag = diag};
	bool found = false;
	int rc = check_characters(&p);

	if (!rc)
		rc = take_declaration(&p);
	while (!rc && p.at < p.end) {
		if (*p.at != '<')
			rc = take_text(&p);
		else if (starts(&p, "<!--"))
			rc = take_comment(&p);
		else if (starts(&p, "<!") || starts(&p, "<?"))
			rc = refuse(&p, "a document type, a CDATA section or an instruction",
				    nothing);
		else if (starts(&p, "</"))
			rc = take_closing_tag(&p);
		else if (found && !p.depth)
			rc = refuse(&p, "a second element beside svg", nothing);
		else
			rc = take_opening_tag(&p);
		found |= !rc && p.depth;
	}
	if (!rc && p.depth)
		rc = refuse(&p, "an element without its end", p.open[p.depth - 1]);
	if (!rc && (!found || !p.draws))
		rc = refuse(&p, "no drawing", nothing);
	if (!rc && !p.named)
		rc = refuse(&p, "an svg element without SVG's name space", nothing);
	return rc;
}

int ps_svg_mend(char **svg, size_t *length, ps_diag *diag)
{
	static const char bad[] = "]]>", good[] = "]]&gt;";
	const size_t bad_bytes = sizeof bad - 1, good_bytes = sizeof good - 1;
	size_t count = 0, at = 0;
	char *mended;

	for (size_t i = 0; i + bad_bytes <= *length; i++)
		count += !memcmp(*svg + i, bad, bad_bytes);
	if (!count)
		return 0;
	mended = malloc(*length + count * (good_bytes - bad_bytes) + 1);
	if (!mended)
		return ps_fail(diag, PS_EBUDGET, "no memory for a figure");
	for (size_t i = 0; i < *length;) {
		const bool is_bad = i + bad_bytes <= *length && !memcmp(*svg + i, bad, bad_bytes);

		memcpy(mended + at, is_bad ? good : *svg + i, is_bad ? good_bytes : 1);
		at += is_bad ? good_bytes : 1;
		i += is_bad ? bad_bytes : 1;
	}
	mended[at] = 0;
	free(*svg);
	*svg = mended;
	*length = at;
	return 0;
}
