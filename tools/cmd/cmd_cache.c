/* cache: activations of one or several layers, of the dense model and under masks, in one forward pass that stops at
 * the highest layer. A variant is the dense model or one mask; a target is one layer's cache of one variant. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/cache_shuffle.h"
#include "io/cache_store.h"
#include "tools/cmd/commands.h"
#include "tools/engine/forecast.h"
#include "tools/engine/variants.h"

struct target {
	size_t variant;
	int layer;
	bool done;
	ps_cache_writer *writer;
};

struct cache_run {
	ps_engine engine;
	const ps_cache_args *args;
	ps_dtype dtype;
	bool shuffled;
	ps_token_file tokens;
	ps_variants variants;
	struct target *targets; /* (variants, layers) */
	size_t target_count;
	ps_engine_need need;
	size_t first_window;             /* of the current pass */
	int32_t *positions, *window_ids; /* (pass_tokens) */
};

static size_t all_rows(const struct cache_run *r)
{
	return r->tokens.windows * r->tokens.window;
}

static json_t *special_ids(const ps_model_config *config)
{
	json_t *ids = json_array();

	if (config->bos >= 0)
		json_array_append_new(ids, json_integer(config->bos));
	for (int i = 0; i < config->eos_count; i++)
		json_array_append_new(ids, json_integer(config->eos[i]));
	if (config->pad >= 0)
		json_array_append_new(ids, json_integer(config->pad));
	return ids;
}

static bool prepends_bos(const ps_engine *e, const ps_token_file *tokens)
{
	for (size_t w = 0; w < tokens->windows; w++)
		if (tokens->ids[w * tokens->window] != e->config->bos)
			return false;
	return true;
}

static json_t *make_provenance(const struct cache_run *r, const struct target *t, const char *order)
{
	const ps_engine *e = &r->engine;
	json_t *p = ps_engine_provenance_masked(
		e, "cache", ps_variant_mask(&r->variants, t->variant), &r->tokens);

	json_object_set_new(p, "options",
			    json_pack("{s:i, s:s, s:s}", "layer", t->layer, "dtype",
				      ps_dtype_name(r->dtype), "order", order));
	/* What readers of the cache need to know of the model; all of it follows from the inputs. */
	json_object_set_new(p, "model",
			    json_pack("{s:s, s:I, s:I, s:o, s:o, s:b, s:I}", "family",
				      ps_family_name(e->config->family), "layers",
				      (json_int_t)e->config->layers, "width",
				      (json_int_t)e->config->width, "hook_name",
				      json_sprintf("blocks.%d.hook_resid_post", t->layer),
				      "special_token_ids", special_ids(e->config), "prepend_bos",
				      prepends_bos(e, &r->tokens), "context_size",
				      (json_int_t)r->tokens.window));
	return p;
}

static json_t *shuffled_provenance(const struct cache_run *r, const struct target *t)
{
	json_t *p = make_provenance(r, t, "shuffled");

	json_object_set_new(json_object_get(p, "options"), "seed",
			    json_integer((json_int_t)r->args->seed));
	return p;
}

/* Where a target's cache goes; suffix: behind its name. */
static char *target_path(const struct cache_run *r, const struct target *t, const char *suffix,
			 char *path)
{
	const char *out = r->args->variants[t->variant].out;

	if (r->args->layers.count == 1)
		snprintf(path, PATH_MAX, "%s%s", out, suffix);
	else
		snprintf(path, PATH_MAX, "%s/layer-%02d%s", out, t->layer, suffix);
	return path;
}

/* The folders above the caches, where there are several of them. */
static int make_folders(const struct cache_run *r)
{
	const ps_cache_args *args = r->args;
	char folder[PATH_MAX];
	int rc = 0;

	for (size_t v = 0; v < args->variant_count && !rc; v++) {
		const char *out = args->variants[v].out;

		if (args->layers.count > 1)
			rc = ps_folder_make(&ps_sys_linux, out, &r->engine.session->diag);
		else if (args->variant_count > 1)
			rc = ps_folder_make(&ps_sys_linux, ps_path_folder(out, folder),
					    &r->engine.session->diag);
	}
	return rc;
}

/* --- the forward pass --- */

static int after_layer(void *context, size_t variant, int layer, const float *hidden, size_t rows)
{
	struct cache_run *r = context;
	uint64_t first_row = (uint64_t)r->first_window * r->tokens.window;

	for (size_t i = 0; i < r->target_count; i++) {
		struct target *t = &r->targets[i];
		uint64_t wanted;
		size_t skip;
		int rc;

		if (t->variant != variant || t->layer != layer || t->done)
			continue;
		wanted = ps_cache_writer_resume_row(t->writer);
		skip = wanted > first_row ? ps_min_size((size_t)(wanted - first_row), rows) : 0;
		if (skip == rows)
			continue;
		rc = ps_cache_writer_add(t->writer, hidden + skip * r->engine.config->width,
					 r->tokens.ids + first_row + skip, r->positions + skip,
					 r->window_ids + skip, rows - skip,
					 &r->engine.session->diag);
		if (rc)
			return rc;
	}
	return 0;
}

/* Each variant stops at the highest layer that still wants rows before end; one that wants none is left out. */
static void set_lasts(struct cache_run *r, uint64_t end)
{
	for (size_t v = 0; v < r->variants.count; v++)
		r->variants.item[v].last = -1;
	for (size_t i = 0; i < r->target_count; i++) {
		const struct target *t = &r->targets[i];
		int *last = &r->variants.item[t->variant].last;

		if (!t->done && ps_cache_writer_resume_row(t->writer) < end && t->layer > *last)
			*last = t->layer;
	}
}

static int run_pass(struct cache_run *r, size_t count)
{
	ps_engine *e = &r->engine;
	size_t window = r->tokens.window;
	ps_windows windows = ps_engine_windows(e, &r->tokens, r->first_window, count);
	ps_variants_pass pass = {.windows = &windows,
				 .prefetch_after =
					 r->first_window + count < r->tokens.windows ? 0 : -1,
				 .tokens_done = r->first_window * window,
				 .tokens = all_rows(r),
				 .after_layer = after_layer,
				 .context = r};

	for (size_t i = 0; i < count * window; i++) {
		r->positions[i] = (int32_t)(i % window);
		r->window_ids[i] = (int32_t)(r->first_window + i / window);
	}
	set_lasts(r, (uint64_t)(r->first_window + count) * window);
	return ps_variants_run(&r->variants, &pass);
}

static int run_passes(struct cache_run *r)
{
	size_t window = r->tokens.window, per_pass = r->engine.pass_tokens / window,
	       windows = r->tokens.windows, first = windows;
	int rc = 0;

	for (size_t i = 0; i < r->target_count; i++)
		if (!r->targets[i].done)
			first = ps_min_size(
				first, (size_t)(ps_cache_writer_resume_row(r->targets[i].writer) /
						window));
	for (r->first_window = first; r->first_window < windows && !rc;
	     r->first_window += per_pass) {
		rc = run_pass(r, ps_min_size(per_pass, windows - r->first_window));
		if (!rc)
			rc = ps_progress_check(&r->engine.session->context);
	}
	return rc;
}

/* --- the caches --- */

/* Begins or continues every target; what was finished earlier takes no part. */
static int open_writers(struct cache_run *r, const char *suffix)
{
	const ps_engine *e = &r->engine;
	char path[PATH_MAX];
	int rc = make_folders(r);

	for (size_t i = 0; !rc && i < r->target_count; i++) {
		struct target *t = &r->targets[i];
		json_t *provenance = make_provenance(r, t, "sequence");

		rc = ps_cache_writer_create(
			&t->writer, &ps_sys_linux,
			&(ps_cache_spec){.path = target_path(r, t, suffix, path),
					 .provenance = provenance,
					 .replace = r->args->replace,
					 .dtype = r->dtype,
					 .rows = all_rows(r),
					 .width = e->config->width,
					 .shard_rows = ps_cache_shard_rows(
						 e->config->width, r->dtype, r->tokens.window)},
			&t->done, &e->session->diag);
		json_decref(provenance);
	}
	return rc;
}

/* A place for the hidden states of every variant that still has something to do. */
static void count_variants(struct cache_run *r, bool *active)
{
	for (size_t i = 0; i < r->target_count; i++)
		active[r->targets[i].variant] |= !r->targets[i].done;
	r->need.hidden_copies = 0;
	for (size_t v = 0; v < r->variants.count; v++)
		r->need.hidden_copies += active[v];
}

static int write_caches(struct cache_run *r, const char *suffix)
{
	ps_engine *e = &r->engine;
	bool active[PS_LIST_MAX] = {false};
	float *hidden;
	int rc = open_writers(r, suffix);

	count_variants(r, active);
	if (rc || !r->need.hidden_copies)
		return rc;
	rc = ps_engine_start(e, &r->need);
	if (rc)
		return rc;
	r->positions = ps_arena_take(&e->arena, e->pass_tokens * sizeof(int32_t));
	r->window_ids = ps_arena_take(&e->arena, e->pass_tokens * sizeof(int32_t));
	hidden = e->hidden;
	for (size_t v = 0; v < r->variants.count; v++)
		if (active[v]) {
			r->variants.item[v].hidden = hidden;
			hidden += e->pass_tokens * e->config->width;
		}
	rc = run_passes(r);
	for (size_t i = 0; !rc && i < r->target_count; i++)
		if (!r->targets[i].done)
			rc = ps_cache_writer_finish(r->targets[i].writer, &e->session->diag);
	return rc;
}

/* Each target's shuffled cache from its sequence cache, which is removed. */
static int shuffle_caches(struct cache_run *r)
{
	ps_session *s = r->engine.session;
	char from[PATH_MAX], to[PATH_MAX];
	int rc = 0;

	for (size_t i = 0; !rc && i < r->target_count; i++) {
		const struct target *t = &r->targets[i];
		json_t *provenance = shuffled_provenance(r, t);

		target_path(r, t, "", to);
		target_path(r, t, ".sequence", from);
		rc = ps_cache_shuffle(&(ps_cache_shuffle_options){.from = from,
								  .to = to,
								  .provenance = provenance,
								  .dtype = r->dtype,
								  .seed = r->args->seed,
								  .replace = r->args->replace},
				      &s->context);
		json_decref(provenance);
		if (!rc)
			rc = ps_folder_remove(&ps_sys_linux, from, &s->diag);
	}
	return rc;
}

/* Whether every asked cache is there already, shuffled and complete (its sequence cache is then gone). */
static bool all_shuffled(const struct cache_run *r, int *rc)
{
	ps_session *s = r->engine.session;
	char path[PATH_MAX];
	bool all = true;

	*rc = make_folders(r);
	for (size_t i = 0; i < r->target_count && all && !*rc; i++) {
		json_t *provenance = shuffled_provenance(r, &r->targets[i]);
		ps_folder *folder = NULL;

		*rc = ps_folder_begin(
			&folder, &ps_sys_linux,
			&(ps_folder_spec){.path = target_path(r, &r->targets[i], "", path),
					  .kind = "activations",
					  .provenance = provenance,
					  .replace = r->args->replace},
			&all, &s->diag);
		ps_folder_close(folder);
		json_decref(provenance);
	}
	return all;
}

/* --- the command --- */

static int parse(struct cache_run *r)
{
	const ps_cache_args *args = r->args;
	ps_diag *diag = &r->engine.session->diag;
	int rc = 0;

	for (size_t i = 0; i < args->layers.count && !rc; i++) {
		rc = ps_engine_check_layer(&r->engine, args->layers.item[i]);
		for (size_t j = 0; j < i; j++)
			if (args->layers.item[j] == args->layers.item[i])
				return ps_fail(diag, PS_EUSAGE, "--layer %lld is given twice",
					       (long long)args->layers.item[i]);
	}
	if (rc)
		return rc;
	if (!strcmp(args->dtype, "bf16"))
		r->dtype = PS_BF16;
	else if (!strcmp(args->dtype, "f32"))
		r->dtype = PS_F32;
	else
		return ps_fail(diag, PS_EUSAGE, "--dtype %s: must be f32 or bf16", args->dtype);
	r->shuffled = !strcmp(args->order, "shuffled");
	if (!r->shuffled && strcmp(args->order, "sequence"))
		return ps_fail(diag, PS_EUSAGE, "--order %s: must be sequence or shuffled",
			       args->order);
	return 0;
}

static int open_variants(struct cache_run *r)
{
	const ps_cache_args *args = r->args;
	int rc = ps_variants_open(&r->variants, &r->engine, args->variant_count);

	for (size_t v = 0; v < args->variant_count && !rc; v++)
		rc = ps_variant_open(&r->variants, v, args->variants[v].mask);
	if (rc)
		return rc;
	r->targets = calloc(args->variant_count * args->layers.count, sizeof *r->targets);
	if (!r->targets)
		return ps_fail(&r->engine.session->diag, PS_EBUDGET, "no memory for %zu caches",
			       args->variant_count * args->layers.count);
	for (size_t v = 0; v < args->variant_count; v++)
		for (size_t l = 0; l < args->layers.count; l++)
			r->targets[r->target_count++] =
				(struct target){.variant = v, .layer = (int)args->layers.item[l]};
	return 0;
}

/* What a run holds: the writers' buffers, and while it shuffles a batch of rows and the ids of all of them. */
static void plan_memory(struct cache_run *r)
{
	size_t width = r->engine.config->width, rows = all_rows(r);
	size_t writer = ps_cache_writer_bytes(
		r->dtype, width,
		ps_min_size(rows, ps_cache_shard_rows(width, r->dtype, r->tokens.window)));

	r->need = (ps_engine_need){.window = r->tokens.window,
				   .tokens = rows,
				   .holds_layers = r->args->variant_count > 1,
				   .hidden_copies = r->args->variant_count,
				   .extra_token_bytes = 2 * sizeof(int32_t),
				   .held_bytes = r->target_count * writer};
	if (r->shuffled)
		r->need.held_bytes += writer + ps_cache_shuffle_bytes(rows, width);
}

static int make_caches(struct cache_run *r)
{
	int rc = ps_engine_check(&r->engine, &r->need);

	if (rc || !r->shuffled)
		return rc ? rc : write_caches(r, "");
	if (all_shuffled(r, &rc) || rc)
		return rc;
	rc = write_caches(r, ".sequence");
	return rc ? rc : shuffle_caches(r);
}

/* Of all targets. */
static size_t shards(const struct cache_run *r)
{
	size_t shard = ps_cache_shard_rows(r->engine.config->width, r->dtype,
					   r->shuffled ? 1 : r->tokens.window);

	return r->target_count * ((all_rows(r) + shard - 1) / shard);
}

/* As if nothing were there yet. A shuffled cache is written in sequence first. */
static int dry_run(struct cache_run *r, json_t **result)
{
	const ps_model_config *config = r->engine.config;
	size_t rows = all_rows(r),
	       row_bytes = config->width * ps_dtype_size(r->dtype) + 3 * sizeof(int32_t);
	int last = 0;
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &r->engine, &r->need, r->tokens.ids, rows);

	for (size_t i = 0; i < r->target_count; i++)
		if (r->targets[i].layer > last)
			last = r->targets[i].layer;
	if (!rc)
		rc = ps_forecast_layers(&f, 0, last, (double)(r->variants.count * rows),
					r->variants.count, 1);
	if (rc)
		return rc;
	ps_forecast_write(&f, r->args->variants[0].out,
			  (r->shuffled ? 2 : 1) * r->target_count * rows * row_bytes,
			  (r->shuffled ? 2 : 1) * shards(r));
	return ps_forecast_end(&f, result);
}

static json_t *make_result(const struct cache_run *r)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "rows", (json_int_t)all_rows(r), "shards",
			 (json_int_t)shards(r), "layers", (json_int_t)r->args->layers.count,
			 "variants", (json_int_t)r->variants.count);
}

int ps_run_cache(ps_session *s, const ps_cache_args *args, json_t **result)
{
	struct cache_run r = {.args = args};
	int rc = ps_engine_open(&r.engine, s, args->model, NULL);

	if (!rc)
		rc = parse(&r);
	if (!rc)
		rc = open_variants(&r);
	if (!rc)
		rc = ps_token_file_open(&r.tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc)
		rc = ps_engine_check_tokens(&r.engine, &r.tokens);
	if (rc)
		goto out;
	plan_memory(&r);
	rc = args->dry_run ? dry_run(&r, result) : make_caches(&r);
	if (!rc && !args->dry_run)
		*result = make_result(&r);
out:
	for (size_t i = 0; i < r.target_count; i++)
		ps_cache_writer_close(r.targets[i].writer);
	free(r.targets);
	ps_token_file_close(&r.tokens);
	ps_variants_close(&r.variants);
	ps_engine_close(&r.engine);
	return rc;
}
