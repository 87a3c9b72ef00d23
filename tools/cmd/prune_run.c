#include "tools/cmd/prune_run.h"

#include "core/base/digest.h"
#include "prune/magnitude.h"
#include "tools/run/json.h"

/* --- inputs --- */

static int open_tokens(ps_prune_inputs *in, const char *path)
{
	int rc =
		ps_token_file_open(&in->token_file, &ps_sys_linux, path, &in->engine.session->diag);

	if (rc)
		return rc;
	in->tokens = &in->token_file;
	return ps_engine_check_tokens(&in->engine, in->tokens);
}

static int open_stats(ps_prune_inputs *in, const char *path)
{
	int rc = ps_stats_file_open(&in->stats_file, &ps_sys_linux, path, in->engine.config,
				    ps_engine_wanted(&in->engine), &in->engine.session->diag);

	if (rc)
		return rc;
	in->stats = &in->stats_file;
	return ps_engine_check_source(&in->engine, &in->stats_file.file);
}

int ps_prune_open(ps_prune_inputs *in, ps_session *session, const ps_prune_args *args)
{
	int rc;

	*in = (ps_prune_inputs){0};
	rc = ps_engine_open(&in->engine, session, args->model, NULL);
	if (!rc && args->tokens)
		rc = open_tokens(in, args->tokens);
	if (!rc && args->stats)
		rc = open_stats(in, args->stats);
	in->lookup = ps_engine_lookup(&in->engine);
	return rc;
}

void ps_prune_close(ps_prune_inputs *in)
{
	if (in->stats)
		ps_stats_file_close(&in->stats_file);
	if (in->tokens)
		ps_token_file_close(&in->token_file);
	ps_engine_close(&in->engine);
}

ps_engine_need ps_prune_need(const ps_prune_inputs *in, const ps_prune_plan *plan, const char *out,
			     char *folder)
{
	const ps_engine *e = &in->engine;
	ps_engine_need need = {.window = 1, .tokens = 1, .hidden_copies = 1};

	if (in->tokens) {
		need.holds_layers = true;
		need.window = in->tokens->window;
		need.tokens = in->tokens->windows * in->tokens->window;
		need.spill = true;
		need.spill_folder = ps_path_folder(out, folder);
	}
	need.extra_bytes = PS_ALIGN + (plan->method == PS_PRUNE_MAGNITUDE
					       ? ps_magnitude_bytes(e->config, e->session->threads)
					       : ps_wanda_bytes(e->config, e->session->threads) +
							 ps_wanda_stats_bytes(e->config));
	return need;
}

/* --- one mask --- */

void ps_prune_read_stats(ps_prune_inputs *in, ps_wanda_stats *stats)
{
	const ps_model_config *config = in->engine.config;

	ps_wanda_stats_create(stats, config, &in->engine.arena);
	for (size_t layer = 0; layer < config->layers; layer++)
		for (int i = 0; i < PS_INPUTS; i++)
			ps_stats_file_read(in->stats, (int)layer, (ps_input)i,
					   stats->mean[i] + layer * stats->cols[i]);
}

static int prune_wanda(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_mask_sink *sink)
{
	ps_engine *e = &in->engine;
	const ps_context *context = &e->session->context;
	ps_windows windows = {0};
	const ps_wanda_pass pass = {.forward = e->forward,
				    .source = &e->source,
				    .windows = &windows,
				    .hidden = e->hidden};
	ps_wanda_stats stats;
	int rc = 0;

	if (in->tokens)
		windows = ps_engine_windows(e, in->tokens, 0, in->tokens->windows);
	if (plan->calibration == PS_CALIBRATION_SEQUENTIAL)
		return ps_wanda_prune_sequential(&pass, &plan->options, context, &e->arena, sink);
	if (in->stats) {
		ps_prune_read_stats(in, &stats);
	} else {
		ps_wanda_stats_create(&stats, e->config, &e->arena);
		rc = ps_wanda_calibrate(&pass, context, &stats);
	}
	return rc ? rc
		  : ps_wanda_prune_dense(e->config, &in->lookup, &stats, &plan->options, context,
					 &e->arena, sink);
}

/* NULL: no memory. */
static json_t *make_provenance(const ps_prune_inputs *in, const ps_prune_plan *plan)
{
	json_t *provenance = ps_engine_provenance(&in->engine, "prune", in->tokens);
	char hex[PS_DIGEST_TEXT];
	int lost = json_object_set_new(provenance, "options", ps_prune_plan_options(plan));

	/* Without a forward pass its precision takes no part. */
	if (!in->tokens)
		json_object_del(provenance, "precision");
	if (in->stats)
		lost |= json_object_set_new(json_object_get(provenance, "inputs"), "stats",
					    json_string(ps_digest_format(in->stats->digest, hex)));
	if (!lost)
		return provenance;
	json_decref(provenance);
	return NULL;
}

int ps_prune_find(const ps_prune_inputs *in, const ps_prune_plan *plan, const ps_output *output,
		  bool *done, ps_mask_totals *totals)
{
	ps_session *s = in->engine.session;
	json_t *provenance = make_provenance(in, plan);
	ps_safetensors found;
	int rc = ps_json_check(provenance, &s->diag);

	if (!rc)
		rc = ps_output_find(output, provenance, s, done, &found);
	json_decref(provenance);
	if (rc || !*done)
		return rc;
	*totals = ps_mask_file_totals(&found);
	ps_safetensors_close(&found);
	return 0;
}

/* A mask on its way into its file. */
struct output {
	ps_mask_writer *writer;
	ps_diag *diag;
};

static int put_mask(void *self, int layer, ps_projection projection, const ps_bitmap *mask,
		    uint64_t dropped)
{
	const struct output *output = self;

	return ps_mask_writer_add(output->writer, layer, projection, mask, dropped, output->diag);
}

static int begin_output(struct output *output, const ps_prune_inputs *in, const ps_prune_plan *plan,
			const char *path)
{
	json_t *provenance = make_provenance(in, plan);
	const ps_mask_spec spec = {.path = path,
				   .config = in->engine.config,
				   .provenance = provenance,
				   .sparsity = plan->options.sparsity};
	int rc = provenance ? ps_mask_writer_create(&output->writer, &ps_sys_linux, &spec,
						    output->diag)
			    : ps_fail(output->diag, PS_EBUDGET, "%s: no memory for its provenance",
				      path);

	json_decref(provenance);
	return rc;
}

int ps_prune_mask(ps_prune_inputs *in, const ps_prune_plan *plan, const char *out,
		  ps_mask_totals *totals)
{
	ps_engine *e = &in->engine;
	struct output output = {.diag = &e->session->diag};
	const ps_mask_sink sink = {.self = &output, .put = put_mask};
	size_t mark = ps_arena_mark(&e->arena);
	int rc = begin_output(&output, in, plan, out);

	if (rc)
		return rc;
	if (plan->method == PS_PRUNE_MAGNITUDE)
		rc = ps_magnitude_prune(e->config, &in->lookup, &plan->options,
					&e->session->context, &e->arena, &sink);
	else
		rc = prune_wanda(in, plan, &sink);
	ps_arena_rewind(&e->arena, mark);
	if (rc) {
		ps_mask_writer_abort(output.writer);
		return rc;
	}
	return ps_mask_writer_commit(output.writer, totals, output.diag);
}
