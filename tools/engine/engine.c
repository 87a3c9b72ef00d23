#include "tools/engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "tools/engine/model_files.h"
#include "tools/run/belonging.h"
#include "tools/run/code_version.h"

const uint64_t *ps_engine_wanted(const ps_engine *e)
{
	return e->session->force_mismatch ? NULL : &e->model_digest;
}

int ps_engine_check_source(const ps_engine *e, const ps_safetensors *file)
{
	const char *theirs = ps_provenance_input(file->metadata, "model");
	char ours[PS_DIGEST_TEXT];

	if (!file->metadata)
		return ps_session_unverified(e->session, file->path);
	if (!theirs || !strcmp(theirs, ps_digest_format(e->model_digest, ours)))
		return 0;
	return ps_session_mismatch(e->session,
				   &(ps_mismatch){"model", file->path, theirs,
						  ps_checkpoint_path(e->checkpoint), ours});
}

int ps_engine_open_mask(const ps_engine *e, const char *path, ps_edit_file *mask)
{
	int rc = ps_edit_file_open(mask, &ps_sys_linux, path, e->config, ps_engine_wanted(e),
				   &e->session->diag);

	if (rc)
		return rc;
	rc = ps_engine_check_source(e, &mask->file);
	if (rc)
		ps_edit_file_close(mask);
	return rc;
}

int ps_engine_open(ps_engine *e, ps_session *session, const char *model, const char *mask_path)
{
	ps_diag *diag = &session->diag;
	int rc;

	*e = (ps_engine){.session = session};
	rc = ps_checkpoint_open(&e->checkpoint, &ps_sys_linux, model, diag);
	if (rc)
		return rc;
	e->config = ps_checkpoint_config(e->checkpoint);
	rc = ps_checkpoint_digest(e->checkpoint, &session->context, &e->model_digest, diag);
	if (rc || !mask_path)
		return rc;
	rc = ps_engine_open_mask(e, mask_path, &e->mask);
	e->masked = !rc;
	return rc;
}

static ps_forward_options forward_options(const ps_engine *e, size_t window, size_t chunk)
{
	return (ps_forward_options){.precision = e->session->precision,
				    .weights = ps_checkpoint_weights_dtype(e->checkpoint),
				    .max_window = window,
				    .chunk_tokens = chunk};
}

static size_t hidden_bytes(const ps_engine *e, const ps_engine_need *need, size_t pass_tokens)
{
	return need->hidden_copies * pass_tokens * e->config->width * sizeof(float);
}

static ps_stream_options stream_options(const ps_engine *e, const ps_engine_need *need)
{
	return (ps_stream_options){.backend = e->session->backend,
				   .layer_slots = need->holds_layers ? 2 : 1,
				   .mask = e->masked ? &e->mask : NULL};
}

/* What a command keeps in the arena for itself, for a pass of so many tokens. */
static size_t own_bytes(const ps_engine_need *need, size_t pass_tokens)
{
	ps_layout layout = {.arena = NULL};

	if (need->lay_out)
		need->lay_out(need->command, pass_tokens, &layout);
	return ps_round_up(need->extra_bytes, PS_ALIGN) + layout.bytes;
}

/* The parts of a run with this many tokens a pass and a chunk. */
static ps_plan make_plan(const ps_engine *e, const ps_engine_need *need, size_t pass_tokens,
			 size_t chunk, bool spilled)
{
	const ps_session *s = e->session;
	const ps_forward_options options = forward_options(e, need->window, chunk);
	const ps_stream_options stream = stream_options(e, need);
	ps_plan plan = {.limit_bytes = s->memory_bytes};

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "layer slots", ps_checkpoint_stream_bytes(e->checkpoint, &stream));
	ps_plan_add(&plan, "forward pass", ps_forward_bytes(e->config, s->threads, &options));
	if (need->head)
		ps_plan_add(&plan, "output head",
			    ps_head_bytes(e->config, s->precision, s->threads,
					  ps_engine_head_tokens(chunk, pass_tokens)));
	ps_plan_add(&plan, "window offsets", (pass_tokens + 1) * sizeof(size_t));
	ps_plan_add(&plan, "the command's own", own_bytes(need, pass_tokens));
	ps_plan_add(&plan, "buffers and files in memory", need->held_bytes);
	if (!spilled)
		ps_plan_add(&plan, "hidden states", hidden_bytes(e, need, pass_tokens));
	if (plan.total_bytes < need->earlier_bytes)
		ps_plan_add(&plan, "needed before the start",
			    need->earlier_bytes - plan.total_bytes);
	return plan;
}

ps_engine_plan ps_engine_choose(const ps_engine *e, const ps_engine_need *need)
{
	size_t window = ps_max_size(need->window, 1),
	       most = need->pass_tokens ? need->pass_tokens : PS_PASS_TOKENS;
	ps_engine_plan p = {0};
	size_t *chunk = &p.chunk_tokens, *pass = &p.pass_tokens;

	most = need->spill ? need->tokens
			   : ps_max_size(window, ps_min_size(most / window * window, need->tokens));
	for (*chunk = ps_max_size(window, ps_min_size(PS_CHUNK_TOKENS, most));;
	     *chunk = ps_max_size(window, *chunk / 2)) {
		for (*pass = most;; *pass = ps_max_size(window, *pass / 2 / window * window)) {
			p.parts = make_plan(e, need, *pass, *chunk, false);
			if (p.parts.total_bytes <= p.parts.limit_bytes)
				return p;
			if (*pass <= window || need->spill)
				break;
		}
		if (*chunk == window)
			break;
	}
	if (!need->spill)
		return p;
	p.spill_bytes = hidden_bytes(e, need, *pass);
	for (*chunk = ps_max_size(window, ps_min_size(PS_CHUNK_TOKENS, most));;
	     *chunk = ps_max_size(window, *chunk / 2)) {
		p.parts = make_plan(e, need, *pass, *chunk, true);
		if (p.parts.total_bytes <= p.parts.limit_bytes || *chunk == window)
			return p;
	}
}

/* Puts the hidden states into an unnamed file of the output's folder and maps it. The kernel writes
 * back what memory does not hold. */
static int map_spill(ps_engine *e, const char *folder, size_t bytes)
{
	ps_diag *diag = &e->session->diag;
	int fd = TEMP_FAILURE_RETRY(open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)), rc = 0;
	void *map;

	if (fd < 0)
		return ps_fail_errno(diag, errno,
				     "cannot make a temporary file for hidden states in %s",
				     folder);
	rc = posix_fallocate(fd, 0, (off_t)bytes);
	if (rc) {
		close(fd);
		return ps_fail_errno(diag, rc, "cannot get %zu bytes for hidden states in %s",
				     bytes, folder);
	}
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return ps_fail_errno(diag, errno, "cannot map %zu bytes for hidden states in %s",
				     bytes, folder);
	e->hidden = map;
	e->spill_bytes = bytes;
	return 0;
}

/* A decoder that was saved alone may have no output head. */
static int check_head(const ps_engine *e, const ps_engine_need *need)
{
	if (!need->head || ps_checkpoint_has_head(e->checkpoint))
		return 0;
	return ps_fail(&e->session->diag, PS_EINPUT,
		       "%s: tensor lm_head.weight is missing, config.json does not tie it to the "
		       "embedding, and this command needs it",
		       ps_checkpoint_path(e->checkpoint));
}

int ps_engine_check(const ps_engine *e, const ps_engine_need *need)
{
	ps_engine_plan plan = ps_engine_choose(e, need);
	int rc = check_head(e, need);

	return rc ? rc : ps_plan_check(&plan.parts, &e->session->diag);
}

int ps_engine_start(ps_engine *e, const ps_engine_need *need)
{
	ps_session *s = e->session;
	ps_engine_plan plan = ps_engine_choose(e, need);
	ps_layout own = {.arena = &e->arena};
	const ps_forward_options options = forward_options(e, need->window, plan.chunk_tokens);
	const ps_stream_options stream = stream_options(e, need);
	int rc = ps_engine_check(e, need);

	if (rc)
		return rc;
	e->pass_tokens = plan.pass_tokens;
	e->planned_bytes = plan.parts.total_bytes;
	rc = ps_arena_create(&e->arena,
			     e->planned_bytes - PS_PROGRAM_BYTES -
				     ps_round_up(need->held_bytes, PS_ALIGN),
			     &s->diag);
	if (rc)
		return rc;
	rc = ps_checkpoint_stream(e->checkpoint, &stream, &e->arena, &e->source, &s->diag);
	if (rc)
		return rc;
	ps_session_say_backend(s, ps_checkpoint_backend(e->checkpoint));
	e->forward = ps_forward_create(e->config, &e->source, &s->context, &options, &e->arena);
	if (need->head)
		rc = ps_head_create(&e->head, e->config, &e->source, &s->context, s->precision,
				    ps_engine_head_tokens(plan.chunk_tokens, e->pass_tokens),
				    &e->arena);
	if (rc)
		return rc;
	e->starts = ps_arena_take(&e->arena, (e->pass_tokens + 1) * sizeof(size_t));
	if (need->lay_out)
		need->lay_out(need->command, e->pass_tokens, &own);
	if (plan.spill_bytes)
		return map_spill(e, need->spill_folder, plan.spill_bytes);
	e->hidden = ps_arena_take(&e->arena, hidden_bytes(e, need, e->pass_tokens));
	return 0;
}

void ps_engine_close(ps_engine *e)
{
	if (e->spill_bytes)
		munmap(e->hidden, e->spill_bytes);
	ps_checkpoint_close(e->checkpoint);
	if (e->masked)
		ps_edit_file_close(&e->mask);
	ps_arena_destroy(&e->arena);
	*e = (ps_engine){0};
}

static int look_up_projection(void *self, int layer, ps_projection projection, ps_weight *out,
			      ps_diag *diag)
{
	return ps_checkpoint_projection(self, layer, projection, out, diag);
}

static int look_up_embedding(void *self, ps_weight *out, ps_diag *diag)
{
	return ps_checkpoint_embedding(self, out, diag);
}

ps_weight_lookup ps_engine_lookup(const ps_engine *e)
{
	return (ps_weight_lookup){e->checkpoint, look_up_projection, look_up_embedding};
}

ps_windows ps_engine_windows(ps_engine *e, const ps_token_file *tokens, size_t first, size_t count)
{
	for (size_t i = 0; i <= count; i++)
		e->starts[i] = i * tokens->window;
	return (ps_windows){.ids = tokens->ids + first * tokens->window,
			    .start = e->starts,
			    .count = count,
			    .first_window = first};
}

/* Tokens of ours name their tokenizer. A model without tokenizer.json says nothing. */
static int check_tokenizer(const ps_engine *e, const ps_token_file *tokens)
{
	const char *path = tokens->file.path, *model = ps_checkpoint_path(e->checkpoint),
		   *theirs = ps_provenance_input(tokens->file.metadata, "tokenizer");
	char ours[PS_DIGEST_TEXT];
	uint64_t digest;
	bool there;
	int rc;

	if (!tokens->file.metadata)
		return ps_session_unverified(e->session, path);
	if (!theirs)
		return 0;
	rc = ps_model_tokenizer_digest(model, &there, &digest, &e->session->diag);
	if (rc || !there || !strcmp(theirs, ps_digest_format(digest, ours)))
		return rc;
	return ps_session_mismatch(e->session,
				   &(ps_mismatch){"tokenizer", path, theirs, model, ours});
}

int ps_engine_check_tokens(const ps_engine *e, const ps_token_file *tokens)
{
	for (size_t i = 0; i < tokens->windows * tokens->window; i++)
		if (tokens->ids[i] < 0 || (size_t)tokens->ids[i] >= e->config->vocab)
			return ps_fail(&e->session->diag, PS_EINPUT,
				       "%s: window %zu, position %zu: token id %d is outside the "
				       "model's vocabulary of %zu",
				       tokens->file.path, i / tokens->window, i % tokens->window,
				       tokens->ids[i], e->config->vocab);
	return check_tokenizer(e, tokens);
}

static bool set_digest(json_t *object, const char *name, uint64_t digest)
{
	char text[PS_DIGEST_TEXT];

	return !json_object_set_new(object, name, json_string(ps_digest_format(digest, text)));
}

json_t *ps_engine_provenance_masked(const ps_engine *e, const char *command,
				    const ps_edit_file *mask, const ps_token_file *tokens)
{
	json_t *inputs = json_object(), *p;

	if (!set_digest(inputs, "model", e->model_digest) ||
	    (mask && !set_digest(inputs, "mask", mask->digest)) ||
	    (tokens && !set_digest(inputs, "tokens", tokens->digest))) {
		json_decref(inputs);
		return NULL;
	}
	if (e->session->precision != PS_PRECISION_F32)
		p = json_pack("{s:s, s:o, s:s, s:i}", "command", command, "inputs", inputs,
			      "precision", ps_precision_name(e->session->precision), "code",
			      ps_code_version(command));
	else
		p = json_pack("{s:s, s:o, s:i}", "command", command, "inputs", inputs, "code",
			      ps_code_version(command));
	if (!ps_session_note_mismatches(e->session, p, NULL))
		return p;
	json_decref(p);
	return NULL;
}

json_t *ps_engine_provenance(const ps_engine *e, const char *command, const ps_token_file *tokens)
{
	return ps_engine_provenance_masked(e, command, e->masked ? &e->mask : NULL, tokens);
}

int ps_engine_check_layer(const ps_engine *e, int64_t layer)
{
	if (layer < 0 || (uint64_t)layer >= e->config->layers)
		return ps_fail(&e->session->diag, PS_EUSAGE,
			       "--layer %lld: the model has layers 0 to %zu", (long long)layer,
			       e->config->layers - 1);
	return 0;
}

char *ps_path_folder(const char *path, char *out)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(out, PATH_MAX, ".");
	else if (slash == path)
		snprintf(out, PATH_MAX, "/");
	else
		snprintf(out, PATH_MAX, "%.*s", (int)(slash - path), path);
	return out;
}
