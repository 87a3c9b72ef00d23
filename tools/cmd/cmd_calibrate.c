/* calibrate: mean of x^2 of every projection's input, dense model, one pass. */
#include <stdlib.h>

#include "core/base/checked.h"
#include "io/artefact.h"
#include "tools/cmd/commands.h"
#include "tools/engine/forecast.h"

static const ps_projection order[] = {PS_Q, PS_K, PS_V, PS_O, PS_GATE, PS_UP, PS_DOWN};

static int write_stats(ps_engine *e, const ps_wanda_stats *stats, const ps_token_file *tokens,
		       const char *path, float *row)
{
	size_t count = e->config->layers * PS_PROJECTIONS, n = 0;
	ps_tensor_decl *decls = calloc(count, sizeof *decls);
	char(*names)[96] = calloc(count, sizeof *names);
	json_t *extra =
		json_pack("{s:o, s:I}", "provenance", ps_engine_provenance(e, "calibrate", tokens),
			  "tokens", (json_int_t)stats->tokens);
	ps_artefact *artefact = NULL;
	int rc = decls && names
			 ? 0
			 : ps_fail(&e->session->diag, PS_EBUDGET, "no memory for %zu names", count);

	for (int layer = 0; !rc && layer < (int)e->config->layers; layer++)
		for (size_t p = 0; p < PS_PROJECTIONS; p++, n++)
			decls[n] = (ps_tensor_decl){ps_projection_tensor(layer, order[p], names[n]),
						    PS_F32,
						    1,
						    {stats->cols[ps_input_of(order[p])]}};
	if (!rc)
		rc = ps_artefact_create(&artefact, &ps_sys_linux, path, "statistics", extra, decls,
					count, &e->session->diag);
	for (n = 0; !rc && n < count; n++) {
		ps_input input = ps_input_of(order[n % PS_PROJECTIONS]);
		size_t cols = stats->cols[input];
		const double *mean = stats->mean[input] + n / PS_PROJECTIONS * cols;

		for (size_t c = 0; c < cols; c++)
			row[c] = (float)mean[c];
		rc = ps_artefact_write(artefact, row, cols * sizeof *row, &e->session->diag);
	}
	if (rc && artefact)
		ps_artefact_abort(artefact);
	if (!rc)
		rc = ps_artefact_commit(artefact, &e->session->diag);
	json_decref(extra);
	free(decls);
	free(names);
	return rc;
}

static int dry_run(ps_engine *e, const ps_engine_need *need, const ps_token_file *tokens,
		   const char *out, json_t **result)
{
	ps_wanda_stats stats;
	ps_forecast f;
	uint64_t bytes = 0;
	int rc = ps_forecast_begin(&f, e, need, tokens->ids, need->tokens);

	if (!rc)
		rc = ps_wanda_stats_create(&stats, e->config, &e->arena, &e->session->diag);
	if (!rc)
		rc = ps_forecast_observed(&f, (double)need->tokens, true, &stats);
	if (rc)
		return rc;
	for (size_t p = 0; p < PS_PROJECTIONS; p++)
		bytes += e->config->layers * stats.cols[ps_input_of(order[p])] * sizeof(float);
	ps_forecast_write(&f, out, bytes, 1);
	return ps_forecast_end(&f, result);
}

int ps_run_calibrate(ps_session *s, const ps_calibrate_args *args, json_t **result)
{
	ps_engine e;
	ps_engine_need need;
	ps_token_file tokens = {0};
	ps_wanda_stats stats;
	ps_windows windows;
	size_t widest;
	float *row;
	char folder[4096];
	int rc = ps_engine_open(&e, s, args->model, NULL);

	if (!rc)
		rc = ps_token_file_open(&tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc)
		rc = ps_engine_check_tokens(&e, &tokens);
	if (rc)
		goto out;
	widest = ps_max_size(e.config->mlp_width,
			     ps_max_size(e.config->width, e.config->heads * e.config->head_width));
	need = (ps_engine_need){.window = tokens.window,
				.tokens = tokens.windows * tokens.window,
				.hidden_copies = 1,
				.spill = true,
				.spill_folder = ps_path_folder(args->out, folder),
				.extra_bytes = ps_wanda_stats_bytes(e.config) +
					       widest * sizeof(float) + PS_ALIGN};
	rc = args->dry_run ? dry_run(&e, &need, &tokens, args->out, result)
			   : ps_engine_start(&e, &need);
	if (!rc && args->dry_run)
		goto out;
	if (!rc)
		rc = ps_wanda_stats_create(&stats, e.config, &e.arena, &s->diag);
	if (rc)
		goto out;
	row = ps_arena_take(&e.arena, widest * sizeof *row);
	windows = ps_engine_windows(&e, &tokens, 0, tokens.windows);
	rc = ps_wanda_calibrate(e.forward, &e.source, &windows, e.hidden, &s->context, &stats);
	if (!rc)
		rc = write_stats(&e, &stats, &tokens, args->out, row);
	if (!rc)
		*result = json_pack("{s:I, s:I}", "tokens", (json_int_t)stats.tokens, "tensors",
				    (json_int_t)(e.config->layers * PS_PROJECTIONS));
out:
	ps_token_file_close(&tokens);
	ps_engine_close(&e);
	return rc;
}
