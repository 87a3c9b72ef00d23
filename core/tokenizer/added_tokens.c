#include "core/tokenizer/added_tokens.h"

#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "core/tokenizer/unicode_tables.h"

/* The search may look so far ahead at every byte of a text, and each byte of a token may need a
 * node. Published tokens have at most 100. */
#define BYTES_MAX 256

/* A node of a trie over bytes. Node 0 is not used: 0 means none. */
typedef struct node {
	uint32_t child, sibling;
	uint32_t token; /* index + 1, 0: no token ends here */
	uint8_t byte;
} node;

struct ps_added_tokens {
	ps_added_token *token;
	size_t count, capacity;
	node *node;
	size_t node_count, node_capacity;
	uint32_t root[256]; /* by the first byte */
};

int ps_added_tokens_create(ps_added_tokens **set, ps_diag *diag)
{
	ps_added_tokens *s = calloc(1, sizeof *s);

	if (!s)
		return ps_fail(diag, PS_EBUDGET, "no memory for added tokens");
	s->node_count = 1;
	*set = s;
	return 0;
}

void ps_added_tokens_destroy(ps_added_tokens *set)
{
	if (!set)
		return;
	free(set->token);
	free(set->node);
	free(set);
}

size_t ps_added_tokens_bytes(const ps_added_tokens *set)
{
	return sizeof *set + set->capacity * sizeof *set->token +
	       set->node_capacity * sizeof *set->node;
}

static uint32_t find_sibling(const ps_added_tokens *set, uint32_t first, uint8_t byte)
{
	while (first && set->node[first].byte != byte)
		first = set->node[first].sibling;
	return first;
}

/* The node of a byte below parent (0: below the root). It is made if it is missing. */
static int descend(ps_added_tokens *set, uint32_t parent, uint8_t byte, uint32_t *child,
		   ps_diag *diag)
{
	uint32_t first = parent ? set->node[parent].child : set->root[byte];
	node *grown;

	*child = find_sibling(set, first, byte);
	if (*child)
		return 0;
	if (set->node_count == UINT32_MAX)
		return ps_fail(diag, PS_EINPUT, "the added tokens are too many");
	grown = ps_array_grow(set->node, &set->node_capacity, set->node_count + 1, sizeof *grown,
			      diag);
	if (!grown)
		return PS_EBUDGET;
	set->node = grown;
	*child = (uint32_t)set->node_count++;
	set->node[*child] = (node){.byte = byte, .sibling = first};
	if (parent)
		set->node[parent].child = *child;
	else
		set->root[byte] = *child;
	return 0;
}

int ps_added_tokens_add(ps_added_tokens *set, const char *text, size_t length, ps_added_token token,
			ps_diag *diag)
{
	ps_added_token *grown;
	uint32_t at = 0;
	int rc = 0;

	if (length > BYTES_MAX)
		return ps_fail(diag, PS_EINPUT,
			       "the added token with id %d has %zu bytes, more than %d", token.id,
			       length, BYTES_MAX);
	grown = ps_array_grow(set->token, &set->capacity, set->count + 1, sizeof *grown, diag);
	if (!grown)
		return PS_EBUDGET;
	set->token = grown;
	for (size_t i = 0; i < length && !rc; i++)
		rc = descend(set, at, (uint8_t)text[i], &at, diag);
	if (rc)
		return rc;
	if (set->node[at].token)
		return ps_fail(diag, PS_EINPUT,
			       "two added tokens, one with id %d, are searched as the same text",
			       token.id);
	set->token[set->count++] = token;
	set->node[at].token = (uint32_t)set->count;
	return 0;
}

/* The end of the longest token that begins at start; 0 if there is none. */
static size_t longest_at(const ps_added_tokens *set, const char *text, size_t start, size_t length,
			 uint32_t *token)
{
	uint32_t at = set->root[(uint8_t)text[start]];
	size_t end = 0;

	for (size_t i = start + 1; at; i++) {
		if (set->node[at].token) {
			*token = set->node[at].token - 1;
			end = i;
		}
		if (i == length)
			break;
		at = find_sibling(set, set->node[at].child, (uint8_t)text[i]);
	}
	return end;
}

static uint32_t properties_at(const char *text)
{
	return ps_unicode_properties(ps_utf8_decode(text));
}

static bool beside_word(const char *text, size_t start, size_t end, size_t length)
{
	return (start > 0 &&
		(properties_at(text + ps_utf8_before(text, start)) & PS_UNICODE_EDGE_WORD)) ||
	       (end < length && (properties_at(text + end) & PS_UNICODE_EDGE_WORD));
}

static size_t spaces_before(const char *text, size_t start, size_t least)
{
	while (start > least) {
		size_t before = ps_utf8_before(text, start);

		if (before < least || !(properties_at(text + before) & PS_UNICODE_EDGE_SPACE))
			break;
		start = before;
	}
	return start;
}

static size_t spaces_after(const char *text, size_t end, size_t length)
{
	while (end < length && (properties_at(text + end) & PS_UNICODE_EDGE_SPACE))
		end += ps_utf8_length((unsigned char)text[end]);
	return end;
}

int ps_added_tokens_cut(const ps_added_tokens *set, const char *text, size_t length,
			const ps_added_sink *sink)
{
	size_t done = 0, next;
	uint32_t index = 0;
	int rc = 0;

	for (size_t at = set->count ? 0 : length; at < length && !rc; at = next) {
		size_t start = at, end = longest_at(set, text, at, length, &index);
		const ps_added_token *token = &set->token[index];

		next = end ? end : at + 1;
		if (!end || (token->single_word && beside_word(text, start, end, length)))
			continue;
		if (token->lstrip)
			start = ps_max_size(spaces_before(text, start, done), done);
		if (token->rstrip)
			end = spaces_after(text, end, length);
		if (done < start)
			rc = sink->between(sink->context, done, start);
		if (!rc && start < end) /* else rstrip of the match before has taken it */
			rc = sink->found(sink->context, token->id);
		done = end;
	}
	if (!rc && done < length)
		rc = sink->between(sink->context, done, length);
	return rc;
}
