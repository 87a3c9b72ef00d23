/* calibrate: the mean of x^2 of every projection's input over the tokens, in one pass of the dense
 * model. */
#include <limits.h>

#include "io/stats_file.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/engine/forecast.h"
#include "tools/run/output_path.h"

struct calibrate_run {
	const ps_calibrate_args *args;
	ps_output output;
	ps_engine engine;
	ps_token_file tokens;
	json_t *provenance;
};

static int write_stats(struct calibrate_run *r, const ps_wanda_stats *stats)
{
	ps_stats_spec spec = {.path = r->output.path,
			      .config = r->engine.config,
			      .provenance = r->provenance,
			      .tokens = stats->tokens};

	for (int i = 0; i < PS_INPUTS; i++)
		spec.mean[i] = stats->mean[i];
	return ps_stats_file_write(&ps_sys_linux, &spec, &r->engine.session->diag);
}

static int dry_run(ps_engine *e, const ps_engine_need *need, const ps_token_file *tokens,
		   const char *out, json_t **result)
{
	ps_wanda_stats stats;
	ps_forecast f;
	int rc = ps_forecast_begin(&f, e, need, tokens->ids, need->tokens);

	if (rc)
		return rc;
	ps_wanda_stats_create(&stats, e->config, &e->arena);
	rc = ps_forecast_observed(&f, (double)need->tokens, true, &stats);
	if (rc)
		return rc;
	ps_forecast_write(&f, out, ps_stats_data_bytes(e->config), 1);
	return ps_forecast_end(&f, result);
}

static int make_stats(struct calibrate_run *r, const ps_engine_need *need)
{
	ps_engine *e = &r->engine;
	ps_windows windows;
	ps_wanda_pass pass;
	ps_wanda_stats stats;
	int rc = ps_engine_start(e, need);

	if (rc)
		return rc;
	ps_wanda_stats_create(&stats, e->config, &e->arena);
	windows = ps_engine_windows(e, &r->tokens, 0, r->tokens.windows);
	pass = (ps_wanda_pass){.forward = e->forward,
			       .source = &e->source,
			       .windows = &windows,
			       .hidden = e->hidden};
	rc = ps_wanda_calibrate(&pass, &e->session->context, &stats);
	return rc ? rc : write_stats(r, &stats);
}

/* *done: the statistics are there already. */
static int find(struct calibrate_run *r, bool *done)
{
	ps_session *s = r->engine.session;
	ps_safetensors found;
	int rc;

	r->provenance = ps_engine_provenance(&r->engine, "calibrate", &r->tokens);
	rc = ps_json_check(r->provenance, &s->diag);
	if (!rc)
		rc = ps_output_find(&r->output, r->provenance, s, done, &found);
	if (!rc && *done)
		ps_safetensors_close(&found);
	return rc;
}

static int run(struct calibrate_run *r, const ps_engine_need *need, json_t **result)
{
	const size_t tensors = r->engine.config->layers * PS_PROJECTIONS;
	bool done;
	int rc = find(r, &done);

	if (!rc && !done)
		rc = make_stats(r, need);
	if (rc)
		return rc;
	return ps_result_set(result,
			     json_pack("{s:I, s:I}", "tokens", (json_int_t)need->tokens, "tensors",
				       (json_int_t)tensors),
			     &r->engine.session->diag);
}

static int open_output(struct calibrate_run *r, ps_diag *diag)
{
	const ps_calibrate_args *args = r->args;
	const ps_text_list inputs = {2, {args->model, args->tokens}};
	int rc = ps_output_open(&r->output, args->out, "statistics", args->replace, diag);

	return rc ? rc : ps_output_keep_off_all(&r->output, &inputs, diag);
}

int ps_run_calibrate(ps_session *s, const ps_calibrate_args *args, json_t **result)
{
	struct calibrate_run r = {.args = args};
	ps_engine_need need;
	char folder[PATH_MAX];
	int rc = open_output(&r, &s->diag);

	if (rc)
		return rc;
	rc = ps_engine_open(&r.engine, s, args->model, NULL);
	if (!rc)
		rc = ps_token_file_open(&r.tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc)
		rc = ps_engine_check_tokens(&r.engine, &r.tokens);
	if (rc)
		goto out;
	need = (ps_engine_need){.window = r.tokens.window,
				.tokens = r.tokens.windows * r.tokens.window,
				.hidden_copies = 1,
				.spill = true,
				.spill_folder = ps_path_folder(r.output.path, folder),
				.extra_bytes = ps_wanda_stats_bytes(r.engine.config)};
	rc = args->dry_run ? dry_run(&r.engine, &need, &r.tokens, args->out, result)
			   : run(&r, &need, result);
out:
	json_decref(r.provenance);
	ps_token_file_close(&r.tokens);
	ps_engine_close(&r.engine);
	return rc;
}
