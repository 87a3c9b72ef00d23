/* prune: the mask of a model, by magnitude or Wanda. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "io/artefact.h"
#include "io/verified_file.h"
#include "tools/cmd/commands.h"
#include "tools/engine/forecast.h"

enum method { MAGNITUDE, WANDA };
enum calibration { SEQUENTIAL, DENSE };

struct plan {
	enum method method;
	enum calibration calibration;
	ps_prune_options options;
};

/* The mask file as it is written: metadata with the achieved sparsity is completed at the end. */
struct mask_writer {
	ps_engine *engine;
	ps_artefact *artefact;
	json_t *extra, *tensors; /* tensors: borrowed from extra */
	uint64_t weights, dropped, count;
};

static int parse_nm(const char *text, ps_prune_options *options, ps_diag *diag)
{
	char rest;

	if (sscanf(text, "%u:%u%c", &options->n, &options->m, &rest) != 2 || !options->n ||
	    options->n >= options->m || options->m > 1024)
		return ps_fail(
			diag, PS_EUSAGE,
			"--nm %s: N:M with 0 < N < M <= 1024 is wanted (2:4 drops two of four)",
			text);
	options->sparsity = (double)options->n / options->m;
	return 0;
}

static int parse_scope(const char *text, const struct plan *plan, ps_scope *scope, ps_diag *diag)
{
	if (!text)
		*scope = plan->method == WANDA ? PS_SCOPE_ROW : PS_SCOPE_MATRIX;
	else if (!strcmp(text, "row"))
		*scope = PS_SCOPE_ROW;
	else if (!strcmp(text, "matrix"))
		*scope = PS_SCOPE_MATRIX;
	else if (!strcmp(text, "global"))
		*scope = PS_SCOPE_GLOBAL;
	else
		return ps_fail(diag, PS_EUSAGE, "--scope %s: must be row, matrix or global", text);
	if (plan->method == WANDA && *scope == PS_SCOPE_GLOBAL)
		return ps_fail(diag, PS_EUSAGE, "--scope global is for magnitude only");
	return 0;
}

static int parse_plan(const ps_prune_args *args, struct plan *plan, ps_diag *diag)
{
	int rc;

	*plan = (struct plan){.options.sparsity = args->sparsity,
			      .options.pool_embedding = args->pool_embedding};
	if (!strcmp(args->method, "wanda"))
		plan->method = WANDA;
	else if (strcmp(args->method, "magnitude"))
		return ps_fail(diag, PS_EUSAGE, "--method %s: must be magnitude or wanda",
			       args->method);
	if (!args->nm == (args->sparsity < 0))
		return ps_fail(diag, PS_EUSAGE, "either --sparsity or --nm is wanted");
	if (!args->nm && args->sparsity >= 1)
		return ps_fail(diag, PS_EUSAGE, "--sparsity %g: must be at least 0 and below 1",
			       args->sparsity);
	rc = args->nm ? parse_nm(args->nm, &plan->options, diag) : 0;
	if (!rc)
		rc = parse_scope(args->scope, plan, &plan->options.scope, diag);
	if (rc)
		return rc;
	if (args->calibration && !strcmp(args->calibration, "dense"))
		plan->calibration = DENSE;
	else if (args->calibration && strcmp(args->calibration, "sequential"))
		return ps_fail(diag, PS_EUSAGE, "--calibration %s: must be sequential or dense",
			       args->calibration);
	if (args->stats && args->calibration && plan->calibration == SEQUENTIAL)
		return ps_fail(diag, PS_EUSAGE,
			       "--stats holds statistics of the dense model: --calibration "
			       "sequential needs --tokens");
	if (args->stats)
		plan->calibration = DENSE;
	if (plan->method == WANDA && !args->tokens == !args->stats)
		return ps_fail(diag, PS_EUSAGE, "wanda needs either --tokens or --stats");
	if (plan->method == MAGNITUDE && (args->tokens || args->stats || args->calibration))
		return ps_fail(diag, PS_EUSAGE,
			       "magnitude takes no --tokens, --stats or --calibration");
	if (args->pool_embedding &&
	    (plan->method != MAGNITUDE || plan->options.scope != PS_SCOPE_GLOBAL))
		return ps_fail(diag, PS_EUSAGE,
			       "--pool-embedding goes with --method magnitude --scope global");
	return 0;
}

static const char *scope_name(ps_scope scope)
{
	return scope == PS_SCOPE_ROW ? "row" : scope == PS_SCOPE_MATRIX ? "matrix" : "global";
}

static json_t *make_extra(const ps_engine *e, const ps_token_file *tokens,
			  const ps_safetensors *stats, const struct plan *plan)
{
	json_t *provenance = ps_engine_provenance(e, "prune", tokens), *options = json_object(),
	       *tensors = json_object();
	char name[96], hex[PS_DIGEST_TEXT];

	json_object_set_new(options, "method",
			    json_string(plan->method == WANDA ? "wanda" : "magnitude"));
	json_object_set_new(options, "sparsity", json_real(plan->options.sparsity));
	if (plan->options.m)
		json_object_set_new(options, "nm",
				    json_sprintf("%u:%u", plan->options.n, plan->options.m));
	else
		json_object_set_new(options, "scope", json_string(scope_name(plan->options.scope)));
	if (plan->method == WANDA)
		json_object_set_new(
			options, "calibration",
			json_string(plan->calibration == DENSE ? "dense" : "sequential"));
	if (plan->options.pool_embedding)
		json_object_set_new(options, "pool_embedding", json_true());
	json_object_set_new(provenance, "options", options);
	if (stats)
		json_object_set_new(json_object_get(provenance, "inputs"), "stats",
				    json_string(ps_digest_format(
					    ps_digest_of(stats->map, stats->file_bytes), hex)));
	for (int layer = 0; layer < (int)e->config->layers; layer++)
		for (int p = 0; p < PS_PROJECTIONS; p++) {
			size_t rows, cols;

			ps_projection_shape(e->config, p, &rows, &cols);
			json_object_set_new(tensors, ps_projection_tensor(layer, p, name),
					    json_pack("{s:I, s:I, s:f, s:I}", "rows",
						      (json_int_t)rows, "cols", (json_int_t)cols,
						      "requested", plan->options.sparsity,
						      "dropped", (json_int_t)(rows * cols)));
		}
	return json_pack("{s:o, s:o}", "provenance", provenance, "tensors", tensors);
}

static int open_writer(struct mask_writer *w, const char *path)
{
	const ps_model_config *config = w->engine->config;
	size_t count = config->layers * PS_PROJECTIONS;
	ps_tensor_decl *decls = calloc(count, sizeof *decls);
	char(*names)[96] = calloc(count, sizeof *names);
	int rc = decls && names ? 0
				: ps_fail(&w->engine->session->diag, PS_EBUDGET,
					  "no memory for %zu names", count);

	for (size_t i = 0; !rc && i < count; i++) {
		size_t rows, cols;

		ps_projection_shape(config, i % PS_PROJECTIONS, &rows, &cols);
		decls[i] = (ps_tensor_decl){ps_projection_tensor((int)(i / PS_PROJECTIONS),
								 i % PS_PROJECTIONS, names[i]),
					    PS_U8,
					    2,
					    {rows, ps_bitmap_row_bytes(cols)}};
	}
	if (!rc)
		rc = ps_artefact_create(&w->artefact, &ps_sys_linux, path, "mask", w->extra, decls,
					count, &w->engine->session->diag);
	free(decls);
	free(names);
	return rc;
}

static int write_mask(void *context, int layer, ps_projection projection, const ps_bitmap *mask,
		      uint64_t dropped)
{
	struct mask_writer *w = context;
	char name[96];
	json_t *tensor = json_object_get(w->tensors, ps_projection_tensor(layer, projection, name));

	json_object_set_new(tensor, "dropped", json_integer((json_int_t)dropped));
	w->weights += mask->rows * mask->cols;
	w->dropped += dropped;
	w->count++;
	return ps_artefact_write(w->artefact, mask->bits,
				 mask->rows * ps_bitmap_row_bytes(mask->cols),
				 &w->engine->session->diag);
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

static int read_stats(ps_engine *e, const ps_safetensors *file, ps_wanda_stats *stats)
{
	static const ps_projection projection_of[PS_INPUTS] = {[PS_INPUT_ATTENTION] = PS_Q,
							       [PS_INPUT_O] = PS_O,
							       [PS_INPUT_MLP] = PS_GATE,
							       [PS_INPUT_DOWN] = PS_DOWN};
	char name[96];

	for (size_t layer = 0; layer < e->config->layers; layer++)
		for (int i = 0; i < PS_INPUTS; i++) {
			const ps_tensor_info *tensor;
			uint64_t shape[1] = {stats->cols[i]};
			int rc = ps_safetensors_expect(
				file, ps_projection_tensor((int)layer, projection_of[i], name),
				PS_F32, 1, shape, &tensor, &e->session->diag);
			if (rc)
				return rc;
			for (size_t c = 0; c < stats->cols[i]; c++) {
				float mean;

				memcpy(&mean,
				       (const char *)ps_safetensors_data(file, tensor) +
					       c * sizeof mean,
				       sizeof mean);
				stats->mean[i][layer * stats->cols[i] + c] = mean;
			}
		}
	return 0;
}

/* Statistics of another model of the same shapes would prune without complaint, so the digests are compared. */
static int open_stats(const ps_engine *e, const char *path, ps_safetensors *file)
{
	ps_diag *diag = &e->session->diag;
	char digest[PS_DIGEST_TEXT];
	const char *model;
	int rc = ps_verified_file_open(file, path, diag);

	if (rc)
		return rc;
	model = json_string_value(json_object_get(
		json_object_get(json_object_get(file->metadata, "provenance"), "inputs"), "model"));
	if (model && strcmp(model, ps_digest_format(e->model_digest, digest)))
		return ps_fail(diag, PS_EINPUT,
			       "%s: statistics of another model (digest %s, this one's is %s)",
			       path, model, digest);
	return 0;
}

static int prune_wanda(ps_engine *e, const struct plan *plan, const ps_token_file *tokens,
		       const ps_safetensors *stats_file, const ps_weight_lookup *lookup,
		       struct mask_writer *w)
{
	const ps_context *context = &e->session->context;
	ps_windows windows = {0};
	ps_wanda_stats stats;
	int rc;

	if (tokens)
		windows = ps_engine_windows(e, tokens, 0, tokens->windows);
	if (plan->calibration == SEQUENTIAL)
		return ps_wanda_prune_sequential(e->forward, &e->source, &windows, e->hidden,
						 &plan->options, context, &e->arena, write_mask, w);
	rc = ps_wanda_stats_create(&stats, e->config, &e->arena, &e->session->diag);
	if (!rc)
		rc = stats_file ? read_stats(e, stats_file, &stats)
				: ps_wanda_calibrate(e->forward, &e->source, &windows, e->hidden,
						     context, &stats);
	if (rc)
		return rc;
	return ps_wanda_prune_dense(e->config, lookup, &stats, &plan->options, context, &e->arena,
				    write_mask, w);
}

/* folder: PATH_MAX bytes that outlive need. */
static ps_engine_need make_need(const ps_engine *e, const struct plan *plan,
				const ps_token_file *tokens, const char *out, char *folder)
{
	ps_engine_need need = {.window = 1, .tokens = 1, .hidden_copies = 1};

	if (tokens) {
		need.holds_layers = true;
		need.window = tokens->window;
		need.tokens = tokens->windows * tokens->window;
		need.spill = true;
		need.spill_folder = ps_path_folder(out, folder);
	}
	need.extra_bytes = PS_ALIGN + (plan->method == MAGNITUDE
					       ? ps_magnitude_bytes(e->config, e->session->threads)
					       : ps_wanda_bytes(e->config, e->session->threads) +
							 ps_wanda_stats_bytes(e->config));
	return need;
}

/* --- the dry run --- */

/* The masks of the first layer, which go nowhere. */
struct first_masks {
	ps_engine *engine;
	ps_model_config config; /* of one layer */
	const ps_weight_lookup *lookup;
	ps_wanda_stats stats; /* likewise */
	ps_prune_options options;
	enum method method;
};

static int ignore_mask(void *context, int layer, ps_projection projection, const ps_bitmap *mask,
		       uint64_t dropped)
{
	(void)context, (void)layer, (void)projection, (void)mask, (void)dropped;
	return 0;
}

static int prune_first(void *context)
{
	const struct first_masks *m = context;
	ps_arena *arena = &m->engine->arena;
	const ps_context *session = &m->engine->session->context;

	if (m->method == MAGNITUDE)
		return ps_magnitude_prune(&m->config, m->lookup, &m->options, session, arena,
					  ignore_mask, NULL);
	return ps_wanda_prune_dense(&m->config, m->lookup, &m->stats, &m->options, session, arena,
				    ignore_mask, NULL);
}

static uint64_t mask_bytes(const ps_model_config *config)
{
	uint64_t bytes = 0;
	size_t rows, cols;

	for (int p = 0; p < PS_PROJECTIONS; p++) {
		ps_projection_shape(config, p, &rows, &cols);
		bytes += config->layers * rows * ps_bitmap_row_bytes(cols);
	}
	return bytes;
}

/* The statistics are those of the sample, or the file's. */
static int forecast_statistics(ps_forecast *f, const struct plan *plan, const ps_token_file *tokens,
			       const ps_safetensors *stats_file, ps_wanda_stats *stats)
{
	ps_engine *e = f->engine;
	double count = tokens ? (double)(tokens->windows * tokens->window) : 0;
	int rc = ps_wanda_stats_create(stats, e->config, &e->arena, &e->session->diag);

	if (rc || stats_file)
		return rc ? rc : read_stats(e, stats_file, stats);
	rc = ps_forecast_observed(f, count, plan->calibration == DENSE, stats);
	if (!rc && plan->calibration == SEQUENTIAL)
		rc = ps_forecast_layers(f, 0, (int)e->config->layers - 2, count, 1, 0);
	return rc;
}

static int dry_run(ps_engine *e, const ps_engine_need *need, const struct plan *plan,
		   const ps_token_file *tokens, const ps_safetensors *stats_file,
		   const ps_weight_lookup *lookup, const char *out, json_t **result)
{
	struct first_masks first = {.engine = e,
				    .config = *e->config,
				    .lookup = lookup,
				    .options = plan->options,
				    .method = plan->method};
	double times = (double)e->config->layers;
	ps_forecast f;
	int rc = ps_forecast_begin(&f, e, need, tokens ? tokens->ids : NULL,
				   tokens ? need->tokens : 0);

	if (!rc && plan->method == WANDA)
		rc = forecast_statistics(&f, plan, tokens, stats_file, &first.stats);
	if (rc)
		return rc;
	first.config.layers = first.stats.layers = 1;
	/* The embedding's weights count as layers do: they are looked at as often. */
	if (first.options.pool_embedding)
		times += (double)(e->config->vocab * e->config->width) /
			 (8.0 * (double)mask_bytes(&first.config));
	first.options.pool_embedding = false;
	rc = ps_forecast_add(&f, prune_first, &first, times);
	if (rc)
		return rc;
	ps_forecast_write(&f, out, mask_bytes(e->config), 1);
	return ps_forecast_end(&f, result);
}

static int check_shapes(const ps_engine *e, const ps_prune_options *options)
{
	char name[96];

	for (int p = 0; options->m && p < PS_PROJECTIONS; p++) {
		size_t rows, cols;

		ps_projection_shape(e->config, p, &rows, &cols);
		if (cols % options->m)
			return ps_fail(&e->session->diag, PS_EINPUT,
				       "%s has %zu columns, no multiple of %u (--nm %u:%u)",
				       ps_projection_tensor(0, p, name), cols, options->m,
				       options->n, options->m);
	}
	return 0;
}

int ps_run_prune(ps_session *s, const ps_prune_args *args, json_t **result)
{
	struct plan plan;
	struct mask_writer writer = {0};
	ps_engine e = {0};
	ps_engine_need need;
	char folder[PATH_MAX];
	ps_token_file tokens = {0};
	ps_safetensors stats = {.fd = -1};
	ps_weight_lookup lookup;
	int rc = parse_plan(args, &plan, &s->diag);

	if (!rc)
		rc = ps_engine_open(&e, s, args->model, NULL);
	if (!rc)
		rc = check_shapes(&e, &plan.options);
	if (!rc && args->tokens)
		rc = ps_token_file_open(&tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc && args->tokens)
		rc = ps_engine_check_tokens(&e, &tokens);
	if (!rc && args->stats)
		rc = open_stats(&e, args->stats, &stats);
	if (rc)
		goto out;
	need = make_need(&e, &plan, args->tokens ? &tokens : NULL, args->out, folder);
	lookup = (ps_weight_lookup){e.checkpoint, look_up_projection, look_up_embedding};
	if (args->dry_run)
		rc = dry_run(&e, &need, &plan, args->tokens ? &tokens : NULL,
			     args->stats ? &stats : NULL, &lookup, args->out, result);
	else
		rc = ps_engine_start(&e, &need);
	if (rc || args->dry_run)
		goto out;
	writer.engine = &e;
	writer.extra =
		make_extra(&e, args->tokens ? &tokens : NULL, args->stats ? &stats : NULL, &plan);
	writer.tensors = json_object_get(writer.extra, "tensors");
	rc = open_writer(&writer, args->out);
	if (rc)
		goto out;
	if (plan.method == MAGNITUDE)
		rc = ps_magnitude_prune(e.config, &lookup, &plan.options, &s->context, &e.arena,
					write_mask, &writer);
	else
		rc = prune_wanda(&e, &plan, args->tokens ? &tokens : NULL,
				 args->stats ? &stats : NULL, &lookup, &writer);
	if (rc) {
		ps_artefact_abort(writer.artefact);
		goto out;
	}
	rc = ps_artefact_set_extra(writer.artefact, writer.extra, &s->diag);
	if (rc)
		ps_artefact_abort(writer.artefact);
	else
		rc = ps_artefact_commit(writer.artefact, &s->diag);
	if (!rc)
		*result = json_pack("{s:f, s:I, s:I, s:I}", "sparsity_achieved",
				    (double)writer.dropped / (double)writer.weights, "tensors",
				    (json_int_t)writer.count, "weights", (json_int_t)writer.weights,
				    "dropped", (json_int_t)writer.dropped);
out:
	json_decref(writer.extra);
	if (args->stats)
		ps_safetensors_close(&stats);
	ps_token_file_close(&tokens);
	ps_engine_close(&e);
	return rc;
}
