/* tokenize: text to windows of token ids. Each document is cut by itself, and its tail is
 * dropped. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "core/tokenizer/tokenizer.h"
#include "io/artefact.h"
#include "io/text_file.h"
#include "io/token_file.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/engine/model_files.h"
#include "tools/run/code_version.h"
#include "tools/run/output_path.h"

#define FIRST_WINDOWS 256 /* that the ids have room for at first; then it doubles */

struct collector {
	int32_t *ids;      /* (capacity, window): the complete windows, then the one being filled */
	size_t window;     /* ids of a window */
	size_t text_start; /* 1 if BOS opens a window, else 0 */
	size_t filled;     /* ids of the window being filled */
	size_t windows;    /* complete ones */
	size_t windows_max, capacity;
	const ps_tokenizer *tokenizer;
	/* Beyond this budget windows are only counted, to name one that suffices. */
	size_t memory_bytes;
	bool full; /* the budget is used up */
	int32_t bos;
	uint64_t tokens;     /* ids of the text seen so far */
	uint64_t text_bytes; /* of all texts */
};

/* A part of a text that is tokenized by itself. */
struct document {
	const char *text;
	size_t length;
	const char *path; /* of the file */
	size_t offset;    /* in the file */
};

/* What the budget leaves beside the program and so many bytes. */
static size_t spare_bytes(const struct collector *c, size_t bytes)
{
	const size_t held = PS_PROGRAM_BYTES + bytes;

	return c->memory_bytes > held ? c->memory_bytes - held : 0;
}

static size_t ids_bytes(const struct collector *c)
{
	return c->capacity * c->window * sizeof *c->ids;
}

static int grow(struct collector *c)
{
	size_t capacity = c->capacity ? 2 * c->capacity : FIRST_WINDOWS, bytes;
	int32_t *grown;

	if (!ps_size_mul(capacity, c->window * sizeof *c->ids, &bytes))
		return PS_EBUDGET;
	c->capacity = capacity;
	c->full |= bytes > spare_bytes(c, ps_tokenizer_bytes(c->tokenizer));
	if (c->full)
		return 0;
	grown = realloc(c->ids, bytes);
	if (!grown)
		return PS_EBUDGET;
	c->ids = grown;
	return 0;
}

static void put(struct collector *c, int32_t id)
{
	if (!c->full)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a window has an id or more */
		c->ids[c->windows * c->window + c->filled] = id;
	c->filled++;
}

static int collect(void *context, int32_t id)
{
	struct collector *c = context;

	c->tokens++;
	if (c->windows == c->windows_max)
		return 1; /* enough */
	if (c->windows == c->capacity && grow(c))
		return PS_EBUDGET;
	if (!c->filled && c->text_start)
		put(c, c->bos);
	put(c, id);
	if (c->filled == c->window) {
		c->windows++;
		c->filled = 0;
	}
	return 0;
}

static size_t count_code_points(const char *text, size_t length)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

/* The budget cannot hold the tokenizer's copies of a document. How many ids the texts give is not
 * known then, but they have no more than bytes. */
static int name_budget(ps_tokenizer *tokenizer, const struct collector *c,
		       const struct document *document, ps_diag *diag)
{
	const double ids =
		(double)c->text_bytes * (double)c->window / (double)(c->window - c->text_start) +
		(double)(FIRST_WINDOWS * c->window);
	ps_plan plan = {.limit_bytes = c->memory_bytes};

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "tokenizer and a document",
		    ps_tokenizer_room(tokenizer, document->text, document->length));
	ps_plan_add(&plan, "token ids", (size_t)(2 * ids) * sizeof *c->ids);
	ps_plan_add(&plan, "output", PS_BLOCK_BYTES);
	*diag = (ps_diag){{0}};
	return ps_plan_check(&plan, diag)
		       ? PS_EBUDGET
		       : ps_fail(diag, PS_EBUDGET, "no memory for the token ids of %s",
				 document->path);
}

static int encode_document(ps_tokenizer *tokenizer, struct collector *c,
			   const struct document *document, int64_t min_chars, ps_diag *diag)
{
	int rc;

	if ((int64_t)count_code_points(document->text, document->length) < min_chars ||
	    c->windows == c->windows_max)
		return 0;
	c->filled = 0;
	ps_tokenizer_limit(tokenizer, spare_bytes(c, ids_bytes(c)));
	rc = ps_tokenizer_encode(tokenizer, document->text, document->length, collect, c, diag);
	if (rc == PS_EBUDGET)
		return name_budget(tokenizer, c, document, diag);
	if (rc < 0) {
		size_t used = strlen(diag->text);

		snprintf(diag->text + used, sizeof diag->text - used,
			 " (%s, document from byte %zu)", document->path, document->offset);
	}
	return rc < 0 ? rc : 0;
}

/* Every non-empty line is a document. */
static int encode_lines(ps_session *s, ps_tokenizer *tokenizer, struct collector *c,
			const ps_text_file *file, int64_t min_chars)
{
	size_t start = 0;
	int rc = 0;

	while (!rc && start < file->length) {
		const char *newline = memchr(file->text + start, '\n', file->length - start);
		size_t end = newline ? (size_t)(newline - file->text) : file->length;
		const struct document line = {.text = file->text + start,
					      .length = end - start,
					      .path = file->path,
					      .offset = start};

		if (line.length)
			rc = encode_document(tokenizer, c, &line, min_chars, &s->diag);
		start = end + 1;
		ps_progress_tick(&s->context, "tokenizing", "B", ps_min_size(start, file->length),
				 file->length);
		if (!rc)
			rc = ps_progress_check(&s->context);
	}
	return rc;
}

static int note_digest(const ps_text_file *file, json_t *digests, ps_diag *diag)
{
	char hex[PS_DIGEST_TEXT];

	if (json_array_append_new(digests, json_string(ps_digest_format(
						   ps_digest_of(file->text, file->length), hex))))
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its digest", file->path);
	return 0;
}

static int encode_file(ps_session *s, ps_tokenizer *tokenizer, const ps_tokenize_args *args,
		       struct collector *c, const char *path, json_t *digests)
{
	ps_text_file file;
	int rc = ps_text_file_open(&file, path, PS_TEXT_BYTES_MAX, &s->diag);

	if (rc)
		return rc;
	rc = note_digest(&file, digests, &s->diag);
	if (!rc && args->per_line)
		rc = encode_lines(s, tokenizer, c, &file, args->min_chars);
	else if (!rc)
		rc = encode_document(
			tokenizer, c,
			&(struct document){.text = file.text, .length = file.length, .path = path},
			args->min_chars, &s->diag);
	ps_text_file_close(&file);
	return rc;
}

/* Checks what is held against the budget: the tokenizer, whose tables may have grown with the
 * longest document, the ids, and a block of the output. */
static int check_held(const struct collector *c, size_t tokenizer_bytes, ps_diag *diag)
{
	ps_plan plan = {.limit_bytes = c->memory_bytes};

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "tokenizer", tokenizer_bytes);
	ps_plan_add(&plan, "token ids", ids_bytes(c));
	ps_plan_add(&plan, "output",
		    ps_min_size(PS_BLOCK_BYTES, c->windows * c->window * sizeof *c->ids));
	return ps_plan_check(&plan, diag);
}

/* With a larger budget the tokenizer may take more: the one that is named holds that too. */
static int check_memory(const struct collector *c, ps_diag *diag)
{
	ps_diag ignored = {{0}};

	if (!check_held(c, ps_tokenizer_bytes(c->tokenizer), &ignored))
		return 0;
	return check_held(c, ps_tokenizer_bytes_wanted(c->tokenizer), diag);
}

static int encode_all(ps_session *s, ps_tokenizer *tokenizer, const ps_tokenize_args *args,
		      struct collector *c, json_t *digests)
{
	struct stat about;
	int rc = 0;

	c->tokenizer = tokenizer;
	c->memory_bytes = s->memory_bytes;
	for (size_t i = 0; i < args->texts.count; i++)
		if (!stat(args->texts.item[i], &about))
			c->text_bytes += (uint64_t)about.st_size;
	for (size_t i = 0; i < args->texts.count && !rc; i++)
		rc = encode_file(s, tokenizer, args, c, args->texts.item[i], digests);
	return rc ? rc : check_memory(c, &s->diag);
}

/* Refuses a text that gives no windows, or fewer than were asked for. */
static int check_count(const ps_tokenize_args *args, const struct collector *c, ps_diag *diag)
{
	const char *more = args->texts.count > 1 ? " and the other texts give" : " gives";

	if (!c->windows)
		return ps_fail(diag, PS_EINPUT,
			       "%s: the text gives no window of %lld tokens (%llu tokens in all)",
			       args->texts.item[0], (long long)args->window,
			       (unsigned long long)c->tokens);
	if (args->allow_fewer || c->windows >= (size_t)args->windows)
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "%s%s %zu windows of %lld tokens (%zu tokens), fewer than the %lld windows "
		       "asked for (--allow-fewer takes what there is)",
		       args->texts.item[0], more, c->windows, (long long)args->window,
		       c->windows * c->window, (long long)args->windows);
}

/* NULL: no memory. */
static json_t *make_provenance(const ps_tokenize_args *args, uint64_t tokenizer_digest,
			       json_t *texts, const struct collector *c)
{
	char digest[PS_DIGEST_TEXT];

	/* Told where it had an effect alone: the same windows have the same bytes. */
	const bool fewer = c->windows < (size_t)args->windows;

	return json_pack(
		"{s:s, s:{s:s, s:O}, s:{s:I, s:I, s:s, s:I, s:s, s:I, s:o*}, s:i}", "command",
		"tokenize", "inputs", "tokenizer", ps_digest_format(tokenizer_digest, digest),
		"texts", texts, "options", "window", (json_int_t)args->window, "windows",
		(json_int_t)args->windows, "bos", args->bos_window ? "window" : "none", "bos_id",
		(json_int_t)(args->bos_window ? c->bos : -1), "documents",
		args->per_line ? "line" : "file", "min_chars", (json_int_t)args->min_chars,
		"allow_fewer", fewer ? json_true() : NULL, "code", ps_code_version("tokenize"));
}

static json_t *make_result(size_t windows, size_t window)
{
	const size_t tokens = windows * window;

	return json_pack("{s:I, s:I, s:I}", "windows", (json_int_t)windows, "tokens",
			 (json_int_t)tokens, "window", (json_int_t)window);
}

/* The number of windows in the file that is there; 0: it cannot be read. */
static size_t windows_there(const ps_output *output)
{
	static const uint64_t any[2] = {0, 0};
	const ps_tensor_info *tensor;
	ps_safetensors file;
	size_t windows = 0;

	if (ps_safetensors_open(&file, &ps_sys_linux, output->path, NULL))
		return 0;
	if (!ps_safetensors_expect(&file, "tokens", PS_I32, 2, any, &tensor, NULL))
		windows = (size_t)tensor->shape[0];
	ps_safetensors_close(&file);
	return windows;
}

/* The digests of the texts. */
static int digest_texts(const ps_tokenize_args *args, json_t *texts, ps_diag *diag)
{
	int rc = 0;

	for (size_t i = 0; i < args->texts.count && !rc; i++) {
		ps_text_file file;

		rc = ps_text_file_open(&file, args->texts.item[i], PS_TEXT_BYTES_MAX, diag);
		if (rc)
			break;
		rc = note_digest(&file, texts, diag);
		ps_text_file_close(&file);
	}
	return rc;
}

/* *result: of the file that is there already, if it was made from these very texts. One that has
 * fewer windows than asked for counts only where that is allowed. */
static int find_result(ps_session *s, const ps_tokenize_args *args, const ps_output *output,
		       uint64_t tokenizer_digest, const struct collector *c, json_t **result)
{
	json_t *texts, *provenance;
	struct collector known = *c;
	ps_safetensors found;
	bool done = false;
	int rc;

	if (!output->there)
		return 0;
	known.windows = windows_there(output);
	if (known.windows < (size_t)args->windows && !args->allow_fewer)
		known.windows = (size_t)args->windows;
	texts = json_array();
	rc = digest_texts(args, texts, &s->diag);
	provenance = rc ? NULL : make_provenance(args, tokenizer_digest, texts, &known);
	if (!rc)
		rc = ps_json_check(provenance, &s->diag);
	if (!rc)
		rc = ps_output_find(output, provenance, s, &done, &found);
	json_decref(texts);
	json_decref(provenance);
	if (rc || !done)
		return rc;
	ps_safetensors_close(&found);
	return ps_result_set(result, make_result(known.windows, c->window), &s->diag);
}

static int open_output(ps_session *s, const ps_tokenize_args *args, ps_output *output)
{
	int rc = ps_output_open(output, args->out, "tokens", args->replace, &s->diag);

	if (!rc)
		rc = ps_output_keep_off(output, args->model, &s->diag);
	return rc ? rc : ps_output_keep_off_all(output, &args->texts, &s->diag);
}

static int write_output(ps_session *s, const ps_tokenize_args *args, const ps_output *output,
			uint64_t tokenizer_digest, json_t *texts, const struct collector *c)
{
	json_t *provenance = make_provenance(args, tokenizer_digest, texts, c);
	int rc = ps_json_check(provenance, &s->diag);

	if (!rc)
		rc = ps_token_file_write(&ps_sys_linux, output->path, c->ids, c->windows, c->window,
					 provenance, &s->diag);
	json_decref(provenance);
	return rc;
}

static int check_args(const ps_tokenize_args *args, ps_diag *diag)
{
	if (args->window < 1 + args->bos_window || args->window > INT_MAX)
		return ps_fail(diag, PS_EUSAGE, "--window %lld: must be %d to %d",
			       (long long)args->window, 1 + args->bos_window, INT_MAX);
	if (args->windows < 0 || args->min_chars < 0)
		return ps_fail(diag, PS_EUSAGE,
			       "--windows %lld and --min-chars %lld: must not be negative",
			       (long long)args->windows, (long long)args->min_chars);
	return 0;
}

/* Counts the windows, and writes them unless it is a dry run. */
static int make_windows(ps_session *s, const ps_tokenize_args *args, ps_tokenizer *tokenizer,
			const ps_output *output, uint64_t tokenizer_digest, struct collector *c)
{
	json_t *texts = json_array();
	int rc = encode_all(s, tokenizer, args, c, texts);

	if (!rc)
		rc = check_count(args, c, &s->diag);
	if (!rc && !args->dry_run)
		rc = write_output(s, args, output, tokenizer_digest, texts, c);
	json_decref(texts);
	return rc;
}

int ps_run_tokenize(ps_session *s, const ps_tokenize_args *args, json_t **result)
{
	struct collector c = {.window = (size_t)args->window,
			      .text_start = args->bos_window,
			      .windows_max = args->windows ? (size_t)args->windows : SIZE_MAX};
	ps_tokenizer *tokenizer = NULL;
	json_t *known = NULL;
	uint64_t digest = 0;
	ps_output output;
	int rc = check_args(args, &s->diag);

	if (!rc && !args->dry_run)
		rc = open_output(s, args, &output);
	if (!rc && args->bos_window)
		rc = ps_model_bos(args->model, &c.bos, &s->diag);
	if (!rc)
		rc = ps_model_tokenizer(args->model, &tokenizer, &digest, &s->diag);
	if (!rc && !args->dry_run)
		rc = find_result(s, args, &output, digest, &c, &known);
	if (!rc && !known)
		rc = make_windows(s, args, tokenizer, &output, digest, &c);
	if (!rc)
		rc = ps_result_set(result, known ? known : make_result(c.windows, c.window),
				   &s->diag);
	ps_tokenizer_destroy(tokenizer);
	free(c.ids);
	return rc;
}
