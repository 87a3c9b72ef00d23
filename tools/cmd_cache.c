/* cache: activations of one or several layers in one forward pass that stops at the highest. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/checked.h"
#include "core/rng.h"
#include "io/cache_store.h"
#include "tools/commands.h"
#include "tools/engine.h"

#define SHARD_BYTES ((size_t)32 << 20)
#define SHUFFLE_ROWS ((size_t)4096)

struct target {
	int layer;
	bool done;
	ps_cache_writer *writer;
};

struct cache_run {
	ps_engine engine;
	ps_token_file tokens;
	struct target targets[PS_LIST_MAX];
	size_t target_count;
	ps_engine_need need;
	size_t first_window;   /* of the current pass */
	int32_t *positions, *window_ids; /* (pass_tokens) */
};

static size_t shard_rows(size_t width, ps_dtype dtype, size_t window)
{
	size_t rows = SHARD_BYTES / (width * ps_dtype_size(dtype));

	return ps_max_size(rows / window, 1) * window;
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

static json_t *make_provenance(const ps_engine *e, const ps_token_file *tokens, int layer, const char *dtype, const char *order)
{
	json_t *p = ps_engine_provenance(e, "cache", tokens);

	json_object_set_new(p, "options", json_pack("{s:i, s:s, s:s}", "layer", layer, "dtype", dtype, "order", order));
	/* What readers of the cache need to know of the model; all of it follows from the inputs. */
	json_object_set_new(p, "model", json_pack("{s:s, s:I, s:I, s:o, s:o, s:b, s:I}", "family", ps_family_name(e->config->family), "layers",
						  (json_int_t)e->config->layers, "width", (json_int_t)e->config->width, "hook_name",
						  json_sprintf("blocks.%d.hook_resid_post", layer), "special_token_ids", special_ids(e->config),
						  "prepend_bos", prepends_bos(e, tokens), "context_size", (json_int_t)tokens->window));
	return p;
}

static int after_layer(void *context, int layer, float *hidden, size_t rows)
{
	struct cache_run *r = context;
	uint64_t first_row = (uint64_t)r->first_window * r->tokens.window;

	for (size_t i = 0; i < r->target_count; i++) {
		struct target *t = &r->targets[i];
		uint64_t wanted;
		size_t skip;
		int rc;

		if (t->layer != layer || t->done)
			continue;
		wanted = ps_cache_writer_resume_row(t->writer);
		skip = wanted > first_row ? ps_min_size((size_t)(wanted - first_row), rows) : 0;
		if (skip == rows)
			continue;
		rc = ps_cache_writer_add(t->writer, hidden + skip * r->engine.config->width, r->tokens.ids + first_row + skip,
					 r->positions + skip, r->window_ids + skip, rows - skip, &r->engine.session->diag);
		if (rc)
			return rc;
	}
	return 0;
}

static int run_pass(struct cache_run *r, size_t count, int last, bool more)
{
	ps_engine *e = &r->engine;
	ps_windows windows = ps_engine_windows(e, &r->tokens, r->first_window, count);
	int rc;

	for (size_t i = 0; i < count * r->tokens.window; i++) {
		r->positions[i] = (int32_t)(i % r->tokens.window);
		r->window_ids[i] = (int32_t)(r->first_window + i / r->tokens.window);
	}
	rc = ps_forward_embed(e->forward, &windows, e->hidden);
	if (rc)
		return rc;
	return ps_forward_layers(e->forward, 0, last, more ? 0 : -1, &windows, e->hidden, after_layer, r);
}

static int run_passes(struct cache_run *r)
{
	ps_engine *e = &r->engine;
	size_t window = r->tokens.window, per_pass = e->pass_tokens / window, windows = r->tokens.windows, first = windows;
	int last = 0, rc = 0;

	for (size_t i = 0; i < r->target_count; i++) {
		if (r->targets[i].done)
			continue;
		first = ps_min_size(first, (size_t)(ps_cache_writer_resume_row(r->targets[i].writer) / window));
		if (r->targets[i].layer > last)
			last = r->targets[i].layer;
	}
	for (r->first_window = first; r->first_window < windows && !rc; r->first_window += per_pass) {
		size_t count = ps_min_size(per_pass, windows - r->first_window);

		rc = run_pass(r, count, last, r->first_window + count < windows);
		if (!rc)
			ps_progress_tick(&e->session->context, "caching activations", "tok", (r->first_window + count) * window, windows * window);
		if (!rc)
			rc = ps_progress_check(&e->session->context);
	}
	return rc;
}

static char *target_path(const ps_cache_args *args, size_t i, char *path)
{
	if (args->layers.count == 1)
		snprintf(path, PATH_MAX, "%s", args->out);
	else
		snprintf(path, PATH_MAX, "%s/layer-%02d", args->out, (int)args->layers.item[i]);
	return path;
}

/* The sequence cache's rows in a seeded order, then the sequence cache goes. */
static int shuffle(ps_session *s, const char *from, const char *to, const json_t *provenance, ps_dtype dtype)
{
	ps_cache cache;
	ps_cache_writer *writer = NULL;
	bool done = false;
	size_t batch = SHUFFLE_ROWS;
	uint64_t *ids = NULL;
	int32_t *columns = NULL;
	float *rows = NULL;
	int rc = ps_cache_open(&cache, &ps_sys_linux, from, &s->diag);

	if (rc)
		return rc;
	ids = malloc(batch * sizeof *ids);
	columns = malloc(3 * batch * sizeof *columns);
	rows = malloc(batch * cache.source.width * sizeof *rows);
	if (!ids || !columns || !rows)
		rc = ps_fail(&s->diag, PS_EBUDGET, "no memory for %zu rows", batch);
	if (!rc)
		rc = ps_cache_writer_create(&writer, &ps_sys_linux, to, provenance, s->force, dtype, cache.source.rows, cache.source.width,
					    shard_rows(cache.source.width, dtype, 1), &done, &s->diag);
	for (uint64_t first = rc || done ? cache.source.rows : ps_cache_writer_resume_row(writer); !rc && first < cache.source.rows; first += batch) {
		size_t count = ps_min_size(batch, (size_t)(cache.source.rows - first));

		for (size_t i = 0; i < count; i++) {
			ids[i] = ps_permute(first + i, cache.source.rows, s->seed);
			columns[i] = cache.source.token_ids[ids[i]];
			columns[batch + i] = cache.source.positions[ids[i]];
			columns[2 * batch + i] = cache.source.window_ids[ids[i]];
		}
		rc = cache.source.gather(cache.source.self, ids, count, rows, &s->diag);
		if (!rc)
			rc = ps_cache_writer_add(writer, rows, columns, columns + batch, columns + 2 * batch, count, &s->diag);
		ps_progress_tick(&s->context, "shuffling", "row", first + count, cache.source.rows);
		if (!rc)
			rc = ps_progress_check(&s->context);
	}
	if (!rc && !done)
		rc = ps_cache_writer_finish(writer, &s->diag);
	ps_cache_writer_close(writer);
	ps_cache_close(&cache);
	free(ids);
	free(columns);
	free(rows);
	return rc;
}

static int write_caches(struct cache_run *r, const ps_cache_args *args, ps_dtype dtype, const char *suffix, const char *order)
{
	ps_session *s = r->engine.session;
	size_t window = r->tokens.window;
	bool all_done = true;
	char path[PATH_MAX];
	int rc = 0;

	if (args->layers.count > 1)
		rc = ps_folder_make(&ps_sys_linux, args->out, &s->diag);
	for (size_t i = 0; !rc && i < args->layers.count; i++) {
		struct target *t = &r->targets[i];
		json_t *provenance = make_provenance(&r->engine, &r->tokens, t->layer, ps_dtype_name(dtype), order);

		target_path(args, i, path);
		strncat(path, suffix, sizeof path - strlen(path) - 1);
		rc = ps_cache_writer_create(&t->writer, &ps_sys_linux, path, provenance, s->force, dtype, r->tokens.windows * window,
					    r->engine.config->width, shard_rows(r->engine.config->width, dtype, window), &t->done, &s->diag);
		json_decref(provenance);
		r->target_count = i + 1;
		all_done &= t->done;
	}
	if (rc || all_done)
		return rc;
	rc = ps_engine_start(&r->engine, &r->need);
	if (rc)
		return rc;
	r->positions = ps_arena_take(&r->engine.arena, r->engine.pass_tokens * sizeof(int32_t));
	r->window_ids = ps_arena_take(&r->engine.arena, r->engine.pass_tokens * sizeof(int32_t));
	rc = run_passes(r);
	for (size_t i = 0; !rc && i < r->target_count; i++)
		if (!r->targets[i].done)
			rc = ps_cache_writer_finish(r->targets[i].writer, &s->diag);
	return rc;
}

/* Each layer's shuffled cache from its sequence cache, which is removed. */
static int shuffle_caches(struct cache_run *r, const ps_cache_args *args, ps_dtype dtype)
{
	ps_session *s = r->engine.session;
	char from[PATH_MAX + 16], to[PATH_MAX];
	int rc = 0;

	for (size_t i = 0; !rc && i < args->layers.count; i++) {
		json_t *provenance = make_provenance(&r->engine, &r->tokens, r->targets[i].layer, ps_dtype_name(dtype), "shuffled");

		json_object_set_new(json_object_get(provenance, "options"), "seed", json_integer((json_int_t)s->seed));
		target_path(args, i, to);
		snprintf(from, sizeof from, "%s.sequence", to);
		rc = shuffle(s, from, to, provenance, dtype);
		json_decref(provenance);
		if (!rc)
			rc = ps_folder_remove(&ps_sys_linux, from, &s->diag);
	}
	return rc;
}

static int parse(ps_session *s, struct cache_run *r, const ps_cache_args *args, ps_dtype *dtype, bool *shuffled)
{
	int rc = 0;

	if (!args->layers.count)
		return ps_fail(&s->diag, PS_EUSAGE, "--layer is wanted");
	for (size_t i = 0; i < args->layers.count && !rc; i++) {
		rc = ps_engine_check_layer(&r->engine, args->layers.item[i]);
		for (size_t j = 0; j < i; j++)
			if (args->layers.item[j] == args->layers.item[i])
				return ps_fail(&s->diag, PS_EUSAGE, "--layer %lld is given twice", (long long)args->layers.item[i]);
		r->targets[i].layer = (int)args->layers.item[i];
	}
	if (rc)
		return rc;
	if (!strcmp(args->dtype, "bf16"))
		*dtype = PS_BF16;
	else if (!strcmp(args->dtype, "f32"))
		*dtype = PS_F32;
	else
		return ps_fail(&s->diag, PS_EUSAGE, "--dtype %s: must be f32 or bf16", args->dtype);
	*shuffled = !strcmp(args->order, "shuffled");
	if (!*shuffled && strcmp(args->order, "sequence"))
		return ps_fail(&s->diag, PS_EUSAGE, "--order %s: must be sequence or shuffled", args->order);
	return 0;
}

/* What a run holds: the writers' buffers, and while it shuffles a batch of rows and the ids of all of them. */
static int plan_memory(struct cache_run *r, const ps_cache_args *args, ps_dtype dtype, bool shuffled)
{
	size_t width = r->engine.config->width, rows = r->tokens.windows * r->tokens.window;
	size_t writer = ps_cache_writer_bytes(dtype, width, ps_min_size(rows, shard_rows(width, dtype, r->tokens.window)));

	r->need = (ps_engine_need){.window = r->tokens.window, .tokens = rows, .hidden_copies = 1, .extra_token_bytes = 2 * sizeof(int32_t),
				   .extra_bytes = 2 * PS_ALIGN, .held_bytes = args->layers.count * writer};
	if (shuffled)
		r->need.held_bytes += writer + 3 * rows * sizeof(int32_t) +
				      SHUFFLE_ROWS * (sizeof(uint64_t) + 3 * sizeof(int32_t) + width * sizeof(float));
	return ps_engine_check(&r->engine, &r->need);
}

/* Whether every asked cache is there already, shuffled and complete (its sequence cache is then gone). */
static bool all_shuffled(struct cache_run *r, const ps_cache_args *args, ps_dtype dtype, int *rc)
{
	ps_session *s = r->engine.session;
	char path[PATH_MAX];
	bool all = true;

	for (size_t i = 0; i < args->layers.count && all && !*rc; i++) {
		json_t *provenance = make_provenance(&r->engine, &r->tokens, r->targets[i].layer, ps_dtype_name(dtype), "shuffled");
		ps_folder *folder = NULL;

		json_object_set_new(json_object_get(provenance, "options"), "seed", json_integer((json_int_t)s->seed));
		if (args->layers.count > 1)
			*rc = ps_folder_make(&ps_sys_linux, args->out, &s->diag);
		if (!*rc)
			*rc = ps_folder_begin(&folder, &ps_sys_linux, target_path(args, i, path), "activations", provenance, s->force, &all, &s->diag);
		ps_folder_close(folder);
		json_decref(provenance);
	}
	return all;
}

int ps_run_cache(ps_session *s, const ps_cache_args *args, json_t **result)
{
	struct cache_run *r = calloc(1, sizeof *r);
	ps_dtype dtype = PS_F32;
	bool shuffled = false;
	uint64_t rows, shards;
	int rc;

	if (!r)
		return ps_fail(&s->diag, PS_EBUDGET, "no memory");
	rc = ps_engine_open(&r->engine, s, args->model, args->mask);
	if (!rc)
		rc = parse(s, r, args, &dtype, &shuffled);
	if (!rc)
		rc = ps_token_file_open(&r->tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc)
		rc = ps_engine_check_tokens(&r->engine, &r->tokens);
	if (!rc)
		rc = plan_memory(r, args, dtype, shuffled);
	if (rc)
		goto out;
	if (!shuffled) {
		rc = write_caches(r, args, dtype, "", "sequence");
	} else if (!all_shuffled(r, args, dtype, &rc) && !rc) {
		rc = write_caches(r, args, dtype, ".sequence", "sequence");
		if (!rc)
			rc = shuffle_caches(r, args, dtype);
	}
	if (rc)
		goto out;
	rows = (uint64_t)r->tokens.windows * r->tokens.window;
	shards = (rows + shard_rows(r->engine.config->width, dtype, shuffled ? 1 : r->tokens.window) - 1) /
		 shard_rows(r->engine.config->width, dtype, shuffled ? 1 : r->tokens.window);
	*result = json_pack("{s:I, s:I, s:I}", "rows", (json_int_t)rows, "shards", (json_int_t)(shards * args->layers.count), "layers",
			    (json_int_t)args->layers.count);
out:
	for (size_t i = 0; i < r->target_count; i++)
		ps_cache_writer_close(r->targets[i].writer);
	ps_token_file_close(&r->tokens);
	ps_engine_close(&r->engine);
	free(r);
	return rc;
}
