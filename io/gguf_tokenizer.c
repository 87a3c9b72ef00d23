#include "io/gguf_tokenizer.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/tokenizer/token_lists.h"

#define KEY(name) "tokenizer.ggml." name

/* The lists, and how far they are read. */
struct source {
	const ps_gguf *gguf;
	const ps_gguf_value *tokens, *kinds, *scores, *merges;
	uint64_t token_at, merge_at;
};

static bool next_token(void *context, const char **text, size_t *length)
{
	struct source *s = context;

	return ps_gguf_next_string(s->gguf, s->tokens, &s->token_at, text, length);
}

static bool next_merge(void *context, const char **text, size_t *length)
{
	struct source *s = context;

	return ps_gguf_next_string(s->gguf, s->merges, &s->merge_at, text, length);
}

/* Without a list, all tokens are ordinary ones. */
static int64_t kind_of(void *context, size_t id)
{
	const struct source *s = context;
	int64_t kind = PS_TOKEN_NORMAL;

	if (s->kinds)
		(void)ps_gguf_integer_at(s->gguf, s->kinds, id, &kind);
	return kind;
}

static float score_of(void *context, size_t id)
{
	const struct source *s = context;
	float score;

	memcpy(&score, s->gguf->file.map + s->scores->offset + id * sizeof score, sizeof score);
	return score;
}

/* A list of the metadata; NULL if it is not there. count 0: of any length. */
static int find_list(const ps_gguf *gguf, const char *key, ps_gguf_type type, uint64_t count,
		     const ps_gguf_value **out, ps_diag *diag)
{
	const ps_gguf_value *value = ps_gguf_find(gguf, key);

	*out = value;
	if (!value)
		return 0;
	if (!value->is_array || value->type != type)
		return ps_fail(diag, PS_EINPUT, "%s: %s at offset %" PRIu64 " has the wrong type",
			       gguf->file.path, key, value->offset);
	if (count && value->count != count)
		return ps_fail(diag, PS_EINPUT,
			       "%s: %s at offset %" PRIu64 " has %" PRIu64
			       " entries, and there are %" PRIu64 " tokens",
			       gguf->file.path, key, value->offset, value->count, count);
	return 0;
}

static int find_lists(struct source *s, const ps_token_lists *lists, ps_diag *diag)
{
	const ps_gguf *gguf = s->gguf;
	const bool byte_level = lists->model == PS_LISTS_BYTE_LEVEL;
	const char *missing = NULL;
	uint64_t count;
	int rc = find_list(gguf, KEY("tokens"), PS_GGUF_STRING, 0, &s->tokens, diag);

	if (rc)
		return rc;
	count = s->tokens ? s->tokens->count : 0;
	if ((rc = find_list(gguf, KEY("token_type"), PS_GGUF_I32, count, &s->kinds, diag)) ||
	    (rc = find_list(gguf, KEY("scores"), PS_GGUF_F32, count, &s->scores, diag)) ||
	    (rc = find_list(gguf, KEY("merges"), PS_GGUF_STRING, 0, &s->merges, diag)))
		return rc;
	if (!s->tokens)
		missing = KEY("tokens");
	else if (byte_level && !s->merges)
		missing = KEY("merges");
	else if (!byte_level && !lists->gemma && !s->scores)
		missing = KEY("scores");
	return missing ? ps_fail(diag, PS_EINPUT, "%s: %s is missing", gguf->file.path, missing)
		       : 0;
}

static int find_model(const ps_gguf *gguf, ps_token_lists *lists, ps_diag *diag)
{
	const ps_gguf_value *model = ps_gguf_find(gguf, KEY("model"));
	const char *name = "(none)";
	size_t length = strlen(name);

	if (ps_gguf_is(gguf, model, "gpt2")) {
		lists->model = PS_LISTS_BYTE_LEVEL;
		return 0;
	}
	if (ps_gguf_is(gguf, model, "llama")) {
		lists->model = PS_LISTS_SENTENCEPIECE;
		return 0;
	}
	if (model)
		(void)ps_gguf_string(gguf, model, &name, &length);
	return ps_fail(diag, PS_EINPUT,
		       "%s: " KEY("model") ": '%.*s' is not supported (gpt2 and llama are); a "
					   "tokenizer.json beside the file is used in its place",
		       gguf->file.path, length < 60 ? (int)length : 60, name);
}

/* Values other than the lists. */
static int find_options(const ps_gguf *gguf, ps_token_lists *lists, ps_diag *diag)
{
	const ps_gguf_value *pre = ps_gguf_find(gguf, KEY("pre")),
			    *prefix = ps_gguf_find(gguf, KEY("add_space_prefix")),
			    *unknown = ps_gguf_find(gguf, KEY("unknown_token_id")),
			    *family = ps_gguf_find(gguf, "general.architecture");

	lists->pre = "(none)";
	lists->pre_length = strlen(lists->pre);
	if (pre && !ps_gguf_string(gguf, pre, &lists->pre, &lists->pre_length))
		return ps_fail(diag, PS_EINPUT, "%s: " KEY("pre") " is not a string",
			       gguf->file.path);
	lists->gemma = ps_gguf_is(gguf, family, "gemma2") || ps_gguf_is(gguf, family, "gemma3");
	lists->space_prefix = !lists->gemma;
	if (prefix && !ps_gguf_flag(gguf, prefix, &lists->space_prefix))
		return ps_fail(diag, PS_EINPUT, "%s: " KEY("add_space_prefix") " is no flag",
			       gguf->file.path);
	/* As llama.cpp: a SentencePiece model without the key has <unk> as its first token. */
	lists->unknown = 0;
	if (unknown && (!ps_gguf_integer(gguf, unknown, &lists->unknown) || lists->unknown < 0))
		return ps_fail(diag, PS_EINPUT, "%s: " KEY("unknown_token_id") " is no token id",
			       gguf->file.path);
	return 0;
}

bool ps_gguf_has_tokenizer(const ps_gguf *gguf)
{
	return ps_gguf_find(gguf, KEY("model"));
}

int ps_gguf_tokenizer(const ps_gguf *gguf, ps_tokenizer **tokenizer, ps_diag *diag)
{
	struct source source = {.gguf = gguf};
	ps_token_lists lists = {.next_token = next_token,
				.next_merge = next_merge,
				.kind_of = kind_of,
				.score_of = score_of,
				.context = &source};
	int rc = find_model(gguf, &lists, diag);

	if (!rc)
		rc = find_options(gguf, &lists, diag);
	if (!rc)
		rc = find_lists(&source, &lists, diag);
	if (rc)
		return rc;
	lists.count = (size_t)source.tokens->count;
	lists.merges = source.merges ? (size_t)source.merges->count : 0;
	return ps_tokenizer_create_listed(tokenizer, &lists, gguf->file.path, diag);
}

int ps_gguf_tokenizer_digest(const ps_gguf *gguf, bool *there, uint64_t *digest, ps_diag *diag)
{
	static const char *const keys[] = {"general.architecture",
					   KEY("model"),
					   KEY("pre"),
					   KEY("add_space_prefix"),
					   KEY("unknown_token_id"),
					   KEY("tokens"),
					   KEY("token_type"),
					   KEY("scores"),
					   KEY("merges")};
	ps_digest *sum;

	*there = ps_gguf_has_tokenizer(gguf);
	if (!*there)
		return 0;
	sum = ps_digest_create();
	if (!sum)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for a digest", gguf->file.path);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const ps_gguf_value *value = ps_gguf_find(gguf, keys[i]);

		if (!value)
			continue;
		ps_digest_add(sum, keys[i], strlen(keys[i]));
		ps_digest_add(sum, gguf->file.map + value->offset, (size_t)value->bytes);
	}
	*digest = ps_digest_value(sum);
	ps_digest_destroy(sum);
	return 0;
}

int ps_gguf_check_tokenizer(const ps_gguf *gguf, const ps_tokenizer *tokenizer, const char *path,
			    ps_diag *diag)
{
	struct source source = {.gguf = gguf};
	uint64_t count;
	int rc = find_list(gguf, KEY("tokens"), PS_GGUF_STRING, 0, &source.tokens, diag);

	count = !rc && source.tokens ? source.tokens->count : 0;
	if (!rc)
		rc = find_list(gguf, KEY("token_type"), PS_GGUF_I32, count, &source.kinds, diag);
	for (uint64_t id = 0; id < count && !rc; id++) {
		const char *text;
		size_t length;

		if (!next_token(&source, &text, &length))
			break;
		if (kind_of(&source, (size_t)id) == PS_TOKEN_NORMAL &&
		    ps_tokenizer_find(tokenizer, text, length) != (int64_t)id)
			rc = ps_fail(diag, PS_EINPUT,
				     "%s is not the tokenizer of %s: token %" PRIu64
				     ", \"%.*s\", has another id there",
				     path, gguf->file.path, id, length < 60 ? (int)length : 60,
				     text);
	}
	return rc;
}
