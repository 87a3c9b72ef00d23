/* calibrate: the mean of x^2 of every projection's input over the tokens, in one pass of the dense
 * model. */
#include <limits.h>

#include "io/stats_file.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/engine/forecast.h"

static int write_stats(const ps_engine *e, const ps_wanda_stats *stats, const ps_token_file *tokens,
		       const char *path)
{
	json_t *provenance = ps_engine_provenance(e, "calibrate", tokens);
	ps_stats_spec spec = {.path = path,
			      .config = e->config,
			      .provenance = provenance,
			      .tokens = stats->tokens};
	int rc;

	for (int i = 0; i < PS_INPUTS; i++)
		spec.mean[i] = stats->mean[i];
	rc = ps_stats_file_write(&ps_sys_linux, &spec, &e->session->diag);
	json_decref(provenance);
	return rc;
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

static int run(ps_engine *e, const ps_engine_need *need, const ps_token_file *tokens,
	       const char *out, json_t **result)
{
	ps_windows windows;
	ps_wanda_pass pass;
	ps_wanda_stats stats;
	int rc = ps_engine_start(e, need);

	if (rc)
		return rc;
	ps_wanda_stats_create(&stats, e->config, &e->arena);
	windows = ps_engine_windows(e, tokens, 0, tokens->windows);
	pass = (ps_wanda_pass){.forward = e->forward,
			       .source = &e->source,
			       .windows = &windows,
			       .hidden = e->hidden};
	rc = ps_wanda_calibrate(&pass, &e->session->context, &stats);
	if (!rc)
		rc = write_stats(e, &stats, tokens, out);
	if (!rc)
		rc = ps_result_set(result,
				   json_pack("{s:I, s:I}", "tokens", (json_int_t)stats.tokens,
					     "tensors",
					     (json_int_t)(e->config->layers * PS_PROJECTIONS)),
				   &e->session->diag);
	return rc;
}

int ps_run_calibrate(ps_session *s, const ps_calibrate_args *args, json_t **result)
{
	ps_engine e;
	ps_engine_need need;
	ps_token_file tokens = {0};
	char folder[PATH_MAX];
	int rc = ps_engine_open(&e, s, args->model, NULL);

	if (!rc)
		rc = ps_token_file_open(&tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc)
		rc = ps_engine_check_tokens(&e, &tokens);
	if (rc)
		goto out;
	need = (ps_engine_need){.window = tokens.window,
				.tokens = tokens.windows * tokens.window,
				.hidden_copies = 1,
				.spill = true,
				.spill_folder = ps_path_folder(args->out, folder),
				.extra_bytes = ps_wanda_stats_bytes(e.config)};
	rc = args->dry_run ? dry_run(&e, &need, &tokens, args->out, result)
			   : run(&e, &need, &tokens, args->out, result);
out:
	ps_token_file_close(&tokens);
	ps_engine_close(&e);
	return rc;
}
