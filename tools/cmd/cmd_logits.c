/* logits: tensor `logits` F32 [windows, window, vocab]. */
#include "core/base/checked.h"
#include "core/base/finite.h"
#include "io/artefact.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/engine/forecast.h"
#include "tools/engine/meter.h"
#include "tools/run/output_path.h"

#define BLOCK_ROWS ((size_t)32) /* rows of logits held at a time */

struct logits_run {
	ps_session *s;
	const ps_logits_args *args;
	ps_output output;
	ps_engine engine;
	ps_meter meter;
	ps_token_file tokens;
	json_t *provenance;
	ps_artefact *artefact;
	float *logits; /* (BLOCK_ROWS, V), in the engine's arena */
};

static void lay_out(void *command, size_t pass_tokens, ps_layout *layout)
{
	struct logits_run *r = command;

	(void)pass_tokens;
	r->logits = ps_layout_part(layout, BLOCK_ROWS, r->engine.config->vocab * sizeof *r->logits);
}

static ps_engine_need need_of(struct logits_run *r)
{
	return (ps_engine_need){.window = r->tokens.window,
				.tokens = r->tokens.windows * r->tokens.window,
				.hidden_copies = 1,
				.head = true,
				.lay_out = lay_out,
				.command = r};
}

static int last_layer(const struct logits_run *r)
{
	return (int)r->engine.config->layers - 1;
}

static double layers_work(const struct logits_run *r, size_t windows)
{
	return ps_layers_work(r->engine.config, 0, last_layer(r), r->tokens.window,
			      (double)(windows * r->tokens.window));
}

/* PS_EFAILED unless the logits of `count` rows, from row `first` of the tokens on, are finite. */
static int check_logits(const struct logits_run *r, size_t first, size_t count)
{
	const size_t vocab = r->engine.config->vocab, all = count * vocab;
	size_t at;

	if (ps_all_finite(r->logits, all))
		return 0;
	at = ps_first_not_finite(r->logits, all);
	first += at / vocab;
	return ps_fail(&r->s->diag, PS_EFAILED,
		       "window %zu, position %zu: the logit of token %zu overflows",
		       first / r->tokens.window, first % r->tokens.window, at % vocab);
}

/* The logits of the pass's rows, block by block. first_row: the pass's first, of all tokens. */
static int write_rows(struct logits_run *r, size_t first_row, size_t rows)
{
	const ps_model_config *config = r->engine.config;
	int rc = 0;

	for (size_t first = 0; first < rows && !rc; first += BLOCK_ROWS) {
		const size_t count = ps_min_size(BLOCK_ROWS, rows - first);

		ps_meter_stage(&r->meter, ps_head_work(config, (double)count));
		rc = ps_head_logits(r->engine.head, r->engine.hidden + first * config->width, count,
				    r->logits);
		if (!rc)
			rc = check_logits(r, first_row + first, count);
		if (!rc)
			rc = ps_artefact_write(r->artefact, r->logits,
					       count * config->vocab * sizeof *r->logits,
					       &r->s->diag);
	}
	return rc;
}

/* Windows [first, first + count). */
static int write_pass(struct logits_run *r, size_t first, size_t count)
{
	ps_engine *e = &r->engine;
	const ps_windows windows = ps_engine_windows(e, &r->tokens, first, count);
	const int next = first + count < r->tokens.windows ? 0 : -1;
	int rc;

	ps_meter_stage(&r->meter, layers_work(r, count));
	rc = ps_forward_embed(e->forward, &windows, e->hidden);
	if (!rc)
		rc = ps_forward_layers(e->forward, 0, last_layer(r), next, &windows, e->hidden);
	return rc ? rc : write_rows(r, first * r->tokens.window, count * r->tokens.window);
}

static int write_all(struct logits_run *r)
{
	const size_t windows = r->tokens.windows, rows = windows * r->tokens.window,
		     per_pass = r->engine.pass_tokens / r->tokens.window;
	const ps_meter_plan plan = {"logits", "tok", rows,
				    layers_work(r, windows) +
					    ps_head_work(r->engine.config, (double)rows)};
	int rc = 0;

	ps_meter_begin(&r->meter, &r->s->context, &plan);
	for (size_t first = 0; first < windows && !rc; first += per_pass)
		rc = write_pass(r, first, ps_min_size(per_pass, windows - first));
	ps_meter_end(&r->meter);
	return rc;
}

/* Begins the file, writes it and commits it; nothing of it is left when that fails. */
static int write_file(struct logits_run *r)
{
	json_t *extra = json_pack("{s:O}", "provenance", r->provenance);
	const ps_tensor_decl tensor = {
		"logits",
		PS_F32,
		3,
		{r->tokens.windows, r->tokens.window, r->engine.config->vocab}};
	int rc = ps_json_check(extra, &r->s->diag);

	if (!rc)
		rc = ps_artefact_create(&r->artefact, &ps_sys_linux,
					&(ps_artefact_spec){.path = r->output.path,
							    .kind = "logits",
							    .extra = extra,
							    .tensors = &tensor,
							    .count = 1},
					&r->s->diag);
	json_decref(extra);
	if (rc)
		return rc;
	rc = write_all(r);
	if (!rc)
		return ps_artefact_commit(r->artefact, &r->s->diag);
	ps_artefact_abort(r->artefact);
	return rc;
}

static int dry_run(struct logits_run *r, const ps_engine_need *need, json_t **result)
{
	const double rows = (double)need->tokens;
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &r->engine, need, r->tokens.ids, need->tokens);

	if (!rc)
		rc = ps_forecast_layers(&f, 0, last_layer(r), rows, 1, 1);
	if (!rc)
		rc = ps_forecast_head(&f, rows, BLOCK_ROWS);
	if (rc)
		return rc;
	ps_forecast_write(&f, r->args->out,
			  need->tokens * r->engine.config->vocab * sizeof *r->logits, 1);
	return ps_forecast_end(&f, result);
}

static json_t *make_result(const struct logits_run *r)
{
	return json_pack("{s:I, s:I, s:I}", "windows", (json_int_t)r->tokens.windows, "window",
			 (json_int_t)r->tokens.window, "vocab",
			 (json_int_t)r->engine.config->vocab);
}

static int open_output(struct logits_run *r)
{
	const ps_logits_args *args = r->args;
	const ps_text_list inputs = {3, {args->model, args->tokens, args->mask}};
	ps_diag *diag = &r->s->diag;
	int rc = ps_output_open(&r->output, args->out, "logits", args->replace, diag);

	return rc ? rc : ps_output_keep_off_all(&r->output, &inputs, diag);
}

/* *done: the logits are there already. Their shape follows from the inputs. */
static int find(struct logits_run *r, bool *done)
{
	ps_safetensors found;
	int rc;

	r->provenance = ps_engine_provenance(&r->engine, "logits", &r->tokens);
	rc = ps_json_check(r->provenance, &r->s->diag);
	if (!rc)
		rc = ps_output_find(&r->output, r->provenance, r->s, done, &found);
	if (!rc && *done)
		ps_safetensors_close(&found);
	return rc;
}

int ps_run_logits(ps_session *s, const ps_logits_args *args, json_t **result)
{
	struct logits_run r = {.s = s, .args = args};
	ps_engine_need need;
	bool done = false;
	int rc = open_output(&r);

	if (rc)
		return rc;
	rc = ps_engine_open(&r.engine, s, args->model, args->mask);
	if (!rc)
		rc = ps_token_file_open(&r.tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc)
		rc = ps_engine_check_tokens(&r.engine, &r.tokens);
	if (rc)
		goto out;
	need = need_of(&r);
	if (args->dry_run) {
		rc = dry_run(&r, &need, result);
		goto out;
	}
	rc = find(&r, &done);
	if (!rc && !done)
		rc = ps_engine_start(&r.engine, &need);
	if (!rc && !done)
		rc = write_file(&r);
	if (!rc)
		rc = ps_result_set(result, make_result(&r), &s->diag);
out:
	json_decref(r.provenance);
	ps_token_file_close(&r.tokens);
	ps_engine_close(&r.engine);
	return rc;
}
