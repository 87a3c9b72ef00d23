#include "tools/cmd/prune_run.h"

#include <stdlib.h>

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

static ps_bitmap mask_of(const ps_edit_file *mask, int layer, ps_projection projection,
			 const ps_model_config *config)
{
	ps_bitmap b = {.bits = ps_edit_file_find(mask, layer, projection).keep};

	ps_projection_shape(config, projection, &b.rows, &b.cols);
	return b;
}

/* The share of zeros among all projections. */
static double share_of_zeros(const ps_edit_file *mask, const ps_model_config *config)
{
	uint64_t weights = 0, kept = 0;

	for (size_t i = 0; i < config->layers * PS_PROJECTIONS; i++) {
		const ps_bitmap b = mask_of(mask, (int)(i / PS_PROJECTIONS),
					    (ps_projection)(i % PS_PROJECTIONS), config);

		weights += (uint64_t)b.rows * b.cols;
		kept += b.bits ? ps_bitmap_count(b.bits, b.rows, b.cols)
			       : (uint64_t)b.rows * b.cols;
	}
	return 1 - (double)kept / (double)weights;
}

static int open_like(ps_prune_inputs *in, const char *path, ps_prune_plan *plan)
{
	int rc = ps_engine_open_mask(&in->engine, path, &in->like_file);

	if (rc)
		return rc;
	in->like = &in->like_file;
	if (in->like->rounds)
		return ps_fail(&in->engine.session->diag, PS_EINPUT,
			       "--like %s: is a rounding file: it has no zeros", path);
	return ps_prune_plan_adopt(plan, in->like->file.metadata,
				   share_of_zeros(in->like, in->engine.config),
				   &in->engine.session->diag);
}

static int open_assumed(ps_prune_inputs *in, const char *path)
{
	int rc = ps_engine_open_mask(&in->engine, path, &in->assumed_file);

	if (rc)
		return rc;
	in->assumed = &in->assumed_file;
	return in->assumed->rounds
		       ? ps_fail(&in->engine.session->diag, PS_EINPUT,
				 "--assume %s: is a rounding file: a mask is wanted", path)
		       : 0;
}

int ps_prune_open(ps_prune_inputs *in, ps_session *session, const ps_prune_args *args,
		  ps_prune_plan *plan)
{
	int rc;

	*in = (ps_prune_inputs){0};
	rc = ps_engine_open(&in->engine, session, args->model, NULL);
	if (!rc && args->tokens)
		rc = open_tokens(in, args->tokens);
	if (!rc && args->stats)
		rc = open_stats(in, args->stats);
	if (!rc && args->like)
		rc = open_like(in, args->like, plan);
	if (!rc && args->assume)
		rc = open_assumed(in, args->assume);
	in->lookup = ps_engine_lookup(&in->engine);
	return rc;
}

void ps_prune_close(ps_prune_inputs *in)
{
	if (in->like)
		ps_edit_file_close(&in->like_file);
	if (in->assumed)
		ps_edit_file_close(&in->assumed_file);
	if (in->stats)
		ps_stats_file_close(&in->stats_file);
	if (in->tokens)
		ps_token_file_close(&in->token_file);
	ps_engine_close(&in->engine);
}

size_t ps_prune_method_bytes(const ps_prune_inputs *in, const ps_prune_plan *plan, size_t count)
{
	const ps_model_config *config = in->engine.config;
	const int threads = in->engine.session->threads;

	switch (plan->method) {
	case PS_PRUNE_WANDA:
		return ps_wanda_bytes(config, threads, count) + ps_wanda_stats_bytes(config);
	case PS_PRUNE_RANDOM:
		return ps_random_bytes(config);
	case PS_PRUNE_RTN:
		return ps_rounding_bytes(config, &plan->rounding);
	default:
		return ps_magnitude_bytes(config, threads, count);
	}
}

ps_engine_need ps_prune_need(const ps_prune_inputs *in, const ps_prune_target *target, size_t count,
			     char *folder)
{
	const bool several = target->plan.calibration == PS_CALIBRATION_SEQUENTIAL;
	const ps_rounding_rule *rule = ps_prune_plan_rounds(&target->plan);
	ps_engine_need need = {
		.window = 1, .tokens = 1, .hidden_copies = several ? ps_max_size(count, 1) : 1};

	if (in->tokens) {
		need.holds_layers = true;
		need.window = in->tokens->window;
		need.tokens = in->tokens->windows * in->tokens->window;
		need.spill = true;
		need.spill_folder = ps_path_folder(target->output.path, folder);
	}
	need.extra_bytes =
		PS_ALIGN + ps_prune_method_bytes(in, &target->plan, ps_max_size(count, 1));
	need.held_bytes = count * ps_edit_writer_bytes(in->engine.config, rule);
	return need;
}

/* --- masks --- */

void ps_prune_read_stats(ps_prune_inputs *in, ps_wanda_stats *stats)
{
	const ps_model_config *config = in->engine.config;

	ps_wanda_stats_create(stats, config, &in->engine.arena);
	for (size_t layer = 0; layer < config->layers; layer++)
		for (int i = 0; i < PS_INPUTS; i++)
			ps_stats_file_read(in->stats, (int)layer, (ps_input)i,
					   stats->mean[i] + layer * stats->cols[i]);
}

static ps_bitmap find_assumed(void *self, int layer, ps_projection projection)
{
	const ps_prune_inputs *in = self;

	return mask_of(in->assumed, layer, projection, in->engine.config);
}

static int prune_sequential(ps_prune_inputs *in, const ps_wanda_pass *pass,
			    const ps_prune_plan *plan, const ps_prune_sinks *sinks)
{
	ps_engine *e = &in->engine;
	const ps_mask_lookup assumed = {in, find_assumed};
	ps_prune_sweep sweep = sinks->masks;

	sweep.assumed = in->assumed ? &assumed : NULL;
	return ps_wanda_prune_sequential(pass, &plan->options, &sweep, &e->session->context,
					 &e->arena);
}

static int prune_wanda(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_prune_sinks *sinks)
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
		return prune_sequential(in, &pass, plan, sinks);
	if (in->stats) {
		ps_prune_read_stats(in, &stats);
	} else {
		ps_wanda_stats_create(&stats, e->config, &e->arena);
		rc = ps_wanda_calibrate(&pass, context, &stats);
	}
	return rc ? rc
		  : ps_wanda_prune_dense(e->config, &in->lookup, &stats, &plan->options,
					 &sinks->masks, context, &e->arena);
}

static ps_bitmap find_like(void *self, int layer, ps_projection projection)
{
	const ps_prune_inputs *in = self;

	return mask_of(in->like, layer, projection, in->engine.config);
}

ps_random_rule ps_prune_random_rule(const ps_prune_inputs *in, const ps_prune_plan *plan,
				    ps_mask_lookup *lookup)
{
	*lookup = (ps_mask_lookup){(void *)in, find_like};
	return (ps_random_rule){
		.options = plan->options, .seed = plan->seed, .like = plan->like ? lookup : NULL};
}

static int prune_random(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_prune_sinks *sinks)
{
	ps_engine *e = &in->engine;
	ps_mask_lookup lookup;
	const ps_random_rule rule = ps_prune_random_rule(in, plan, &lookup);

	return ps_random_prune(e->config, &rule, &e->session->context, &e->arena,
			       sinks->masks.sink);
}

static int prune_magnitude(ps_prune_inputs *in, const ps_prune_plan *plan,
			   const ps_prune_sinks *sinks)
{
	ps_engine *e = &in->engine;

	return ps_magnitude_prune(e->config, &in->lookup, &plan->options, &sinks->masks,
				  &e->session->context, &e->arena);
}

static int prune_rtn(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_prune_sinks *sinks)
{
	ps_engine *e = &in->engine;

	return ps_rounding_scales(e->config, &in->lookup, &plan->rounding, &e->session->context,
				  &e->arena, &sinks->scales);
}

static int (*const methods[PS_PRUNE_METHODS])(ps_prune_inputs *in, const ps_prune_plan *plan,
					      const ps_prune_sinks *sinks) = {
	[PS_PRUNE_MAGNITUDE] = prune_magnitude,
	[PS_PRUNE_WANDA] = prune_wanda,
	[PS_PRUNE_RANDOM] = prune_random,
	[PS_PRUNE_RTN] = prune_rtn,
};

int ps_prune_compute(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_prune_sinks *sinks)
{
	ps_arena *arena = &in->engine.arena;
	const size_t mark = ps_arena_mark(arena);
	int rc = methods[plan->method](in, plan, sinks);

	ps_arena_rewind(arena, mark);
	return rc;
}

/* The digest of an input among those of the provenance. Not 0: no memory. */
static int note_input(json_t *provenance, const char *name, uint64_t digest)
{
	char hex[PS_DIGEST_TEXT];

	return json_object_set_new(json_object_get(provenance, "inputs"), name,
				   json_string(ps_digest_format(digest, hex)));
}

json_t *ps_prune_provenance(const ps_prune_inputs *in, const ps_prune_plan *plan)
{
	json_t *provenance = ps_engine_provenance(&in->engine, "prune", in->tokens);
	int lost = json_object_set_new(provenance, "options", ps_prune_plan_options(plan));

	/* Without a forward pass its precision takes no part. */
	if (!in->tokens && !in->match)
		json_object_del(provenance, "precision");
	if (in->stats)
		lost |= note_input(provenance, "stats", in->stats->digest);
	if (in->like)
		lost |= note_input(provenance, "like", in->like->digest);
	if (in->assumed)
		lost |= note_input(provenance, "assumed", in->assumed->digest);
	if (in->match)
		lost |= note_input(provenance, "match", in->match->digest) |
			note_input(provenance, "text", in->text_digest);
	if (!lost)
		return provenance;
	json_decref(provenance);
	return NULL;
}

int ps_prune_find(const ps_prune_inputs *in, ps_prune_target *target)
{
	ps_session *s = in->engine.session;
	json_t *provenance = ps_prune_provenance(in, &target->plan);
	ps_safetensors found;
	int rc = ps_json_check(provenance, &s->diag);

	if (!rc)
		rc = ps_output_find(&target->output, provenance, s, &target->done, &found);
	json_decref(provenance);
	if (rc || !target->done)
		return rc;
	target->totals = ps_edit_file_totals(&found);
	ps_safetensors_close(&found);
	return 0;
}

int ps_prune_begin(const ps_prune_inputs *in, const ps_prune_plan *plan, const char *path,
		   const json_t *match, ps_edit_writer **writer)
{
	ps_diag *diag = &in->engine.session->diag;
	json_t *provenance = ps_prune_provenance(in, plan);
	const ps_edit_spec spec = {.path = path,
				   .config = in->engine.config,
				   .provenance = provenance,
				   .match = match,
				   .rule = ps_prune_plan_rounds(plan),
				   .sparsity = plan->options.sparsity};
	int rc = provenance ? ps_edit_writer_create(writer, &ps_sys_linux, &spec, diag)
			    : ps_fail(diag, PS_EBUDGET, "%s: no memory for its provenance", path);

	json_decref(provenance);
	return rc;
}

/* A mask or a rounding on its way into its file. Each has a diag of its own, since masks of a sweep
 * come from several threads. */
struct output {
	ps_edit_writer *writer;
	ps_diag diag;
};

static int put_mask(void *self, int layer, ps_projection projection, const ps_bitmap *mask,
		    uint64_t dropped)
{
	struct output *output = self;

	(void)dropped; /* the writer counts for itself */
	return ps_edit_writer_add(output->writer, layer, projection, mask, &output->diag);
}

static int put_scales(void *self, int layer, ps_projection projection, const float *scale)
{
	struct output *output = self;

	return ps_edit_writer_add_scales(output->writer, layer, projection, scale, &output->diag);
}

/* Computes the masks into their files. */
static int fill_outputs(ps_prune_inputs *in, ps_prune_target *const *targets, size_t count,
			struct output *outputs)
{
	ps_diag *diag = &in->engine.session->diag;
	double sparsity[PS_LIST_MAX];
	ps_mask_sink sink[PS_LIST_MAX];
	const ps_prune_sinks sinks = {.masks = {.count = count, .sparsity = sparsity, .sink = sink},
				      .scales = {&outputs[0], put_scales}};
	int rc;

	for (size_t i = 0; i < count; i++) {
		sparsity[i] = targets[i]->plan.options.sparsity;
		sink[i] = (ps_mask_sink){&outputs[i], put_mask};
	}
	rc = ps_prune_compute(in, &targets[0]->plan, &sinks);
	for (size_t i = 0; i < count && rc; i++)
		if (outputs[i].diag.text[0])
			return ps_fail(diag, rc, "%s", outputs[i].diag.text);
	return rc;
}

static int commit_outputs(ps_prune_target *const *targets, size_t count, struct output *outputs,
			  ps_diag *diag)
{
	ps_edit_writer *writers[PS_LIST_MAX] = {NULL};
	ps_edit_totals totals[PS_LIST_MAX];
	int rc;

	for (size_t i = 0; i < count; i++) {
		writers[i] = outputs[i].writer;
		outputs[i].writer = NULL;
	}
	rc = ps_edit_writer_commit_all(writers, count, totals, diag);
	for (size_t i = 0; i < count; i++) {
		targets[i]->totals = totals[i];
		targets[i]->done = !rc;
	}
	return rc;
}

int ps_prune_masks(ps_prune_inputs *in, ps_prune_target *const *targets, size_t count)
{
	ps_diag *diag = &in->engine.session->diag;
	struct output *outputs = calloc(count, sizeof *outputs);
	int rc = outputs ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for %zu masks", count);

	for (size_t i = 0; i < count && !rc; i++)
		rc = ps_prune_begin(in, &targets[i]->plan, targets[i]->output.path, NULL,
				    &outputs[i].writer);
	if (!rc)
		rc = fill_outputs(in, targets, count, outputs);
	if (!rc)
		rc = commit_outputs(targets, count, outputs, diag);
	for (size_t i = 0; outputs && i < count; i++)
		ps_edit_writer_abort(outputs[i].writer);
	free(outputs);
	return rc;
}
