/* logits: tensor `logits` F32 [windows, window, vocab]. */
#include "core/base/checked.h"
#include "io/artefact.h"
#include "tools/cmd/commands.h"
#include "tools/engine/forecast.h"

#define BLOCK_ROWS ((size_t)32) /* rows of logits held at a time */

static int write_pass(ps_engine *e, ps_artefact *artefact, float *logits, size_t rows)
{
	ps_session *s = e->session;
	int rc = 0;

	for (size_t first = 0; first < rows && !rc; first += BLOCK_ROWS) {
		size_t count = ps_min_size(BLOCK_ROWS, rows - first);

		rc = ps_head_logits(e->head, e->hidden + first * e->config->width, count, logits);
		if (!rc)
			rc = ps_artefact_write(artefact, logits,
					       count * e->config->vocab * sizeof(float), &s->diag);
	}
	return rc;
}

static int write_all(ps_engine *e, const ps_token_file *tokens, ps_artefact *artefact)
{
	float *logits = ps_arena_take(&e->arena, BLOCK_ROWS * e->config->vocab * sizeof(float));
	size_t per_pass = e->pass_tokens / tokens->window;
	int rc = 0;

	for (size_t first = 0; first < tokens->windows && !rc; first += per_pass) {
		size_t count = ps_min_size(per_pass, tokens->windows - first);
		ps_windows windows = ps_engine_windows(e, tokens, first, count);

		rc = ps_forward_embed(e->forward, &windows, e->hidden);
		if (!rc)
			rc = ps_forward_layers(e->forward, 0, (int)e->config->layers - 1,
					       first + count < tokens->windows ? 0 : -1, &windows,
					       e->hidden, NULL, NULL);
		if (!rc)
			rc = write_pass(e, artefact, logits, count * tokens->window);
		ps_progress_tick(&e->session->context, "logits, windows", "win", first + count,
				 tokens->windows);
	}
	return rc;
}

static int dry_run(ps_engine *e, const ps_engine_need *need, const ps_token_file *tokens,
		   const char *out, json_t **result)
{
	ps_forecast f;
	int rc = ps_forecast_begin(&f, e, need, tokens->ids, need->tokens);

	if (!rc)
		rc = ps_forecast_layers(&f, 0, (int)e->config->layers - 1, (double)need->tokens, 1,
					1);
	if (!rc)
		rc = ps_forecast_head(&f, (double)need->tokens, BLOCK_ROWS);
	if (rc)
		return rc;
	ps_forecast_write(&f, out, need->tokens * e->config->vocab * sizeof(float), 1);
	return ps_forecast_end(&f, result);
}

int ps_run_logits(ps_session *s, const ps_logits_args *args, json_t **result)
{
	ps_engine e;
	ps_engine_need need;
	ps_token_file tokens = {0};
	ps_artefact *artefact = NULL;
	json_t *extra = NULL;
	int rc = ps_engine_open(&e, s, args->model, args->mask);

	if (!rc)
		rc = ps_token_file_open(&tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc)
		rc = ps_engine_check_tokens(&e, &tokens);
	if (rc)
		goto out;
	need = (ps_engine_need){.window = tokens.window,
				.tokens = tokens.windows * tokens.window,
				.hidden_copies = 1,
				.head = true,
				.extra_bytes = BLOCK_ROWS * e.config->vocab * sizeof(float)};
	rc = args->dry_run ? dry_run(&e, &need, &tokens, args->out, result)
			   : ps_engine_start(&e, &need);
	if (rc || args->dry_run)
		goto out;
	extra = json_pack("{s:o}", "provenance", ps_engine_provenance(&e, "logits", &tokens));
	rc = ps_artefact_create(
		&artefact, &ps_sys_linux,
		&(ps_artefact_spec){.path = args->out,
				    .kind = "logits",
				    .extra = extra,
				    .tensors = &(ps_tensor_decl){"logits",
								 PS_F32,
								 3,
								 {tokens.windows, tokens.window,
								  e.config->vocab}},
				    .count = 1},
		&s->diag);
	if (rc)
		goto out;
	rc = write_all(&e, &tokens, artefact);
	if (rc)
		ps_artefact_abort(artefact);
	else
		rc = ps_artefact_commit(artefact, &s->diag);
	if (!rc)
		*result = json_pack("{s:I, s:I, s:I}", "windows", (json_int_t)tokens.windows,
				    "window", (json_int_t)tokens.window, "vocab",
				    (json_int_t)e.config->vocab);
out:
	json_decref(extra);
	ps_token_file_close(&tokens);
	ps_engine_close(&e);
	return rc;
}
