/* cache: activations of one or several layers, of the dense model and under masks, in one forward
 * pass.
 *
 * A variant is the dense model, or the model under one mask. A target is the cache of one layer of
 * one variant. The pass stops at the highest layer that a target still wants.
 *
 * A shuffled cache is made in two steps: first in sequence, under the name OUT.sequence, then row
 * by row in the seeded order. The first one is removed at the end. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/cache_shuffle.h"
#include "io/cache_store.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/engine/changed_from.h"
#include "tools/engine/forecast.h"
#include "tools/engine/variants.h"
#include "tools/run/output_path.h"

enum order { SEQUENCE, SHUFFLED };
/* LAYER_BYTES: of what follows an output's name in a path, at most. NAME_BYTES: of a name to which
 * a suffix is added. */
enum { LAYER_BYTES = 32, NAME_BYTES = 240 };

static const char *const order_names[] = {[SEQUENCE] = "sequence", [SHUFFLED] = "shuffled"};

struct target {
	size_t variant;
	int layer;
	bool done; /* by an earlier command */
	ps_cache_writer *writer;
};

struct cache_run {
	ps_engine engine;
	const ps_cache_args *args;
	char changed_from[PS_DIGEST_TEXT]; /* digest of that model; empty: none */
	ps_dtype dtype;
	enum order order;
	ps_token_file tokens;
	ps_variants variants;
	struct target *targets; /* (variants, layers) */
	size_t target_count;
	ps_engine_need need;
	size_t first_window;             /* of the current pass */
	int32_t *positions, *window_ids; /* (pass_tokens), in the engine's arena */
};

static size_t all_rows(const struct cache_run *r)
{
	return r->tokens.windows * r->tokens.window;
}

/* --- provenance --- */

static json_t *special_ids(const ps_model_config *config)
{
	uint64_t ids[2 + sizeof config->eos / sizeof *config->eos];
	size_t count = 0;

	if (config->bos >= 0)
		ids[count++] = (uint64_t)config->bos;
	for (int i = 0; i < config->eos_count; i++)
		ids[count++] = (uint64_t)config->eos[i];
	if (config->pad >= 0)
		ids[count++] = (uint64_t)config->pad;
	return ps_integers_json(ids, count);
}

static bool prepends_bos(const ps_engine *e, const ps_token_file *tokens)
{
	for (size_t w = 0; w < tokens->windows; w++)
		if (tokens->ids[w * tokens->window] != e->config->bos)
			return false;
	return true;
}

/* What readers of the cache need to know of the model. All of it follows from the inputs. */
static json_t *model_json(const struct cache_run *r, const struct target *t)
{
	const ps_model_config *config = r->engine.config;
	const char *source = ps_checkpoint_source(r->engine.checkpoint),
		   *mask = ps_checkpoint_mask(r->engine.checkpoint);
	json_t *model = json_pack(
		"{s:s, s:I, s:I, s:o, s:o, s:b, s:I}", "family", ps_family_name(config->family),
		"layers", (json_int_t)config->layers, "width", (json_int_t)config->width,
		"hook_name", json_sprintf("blocks.%d.hook_resid_post", t->layer),
		"special_token_ids", special_ids(config), "prepend_bos",
		prepends_bos(&r->engine, &r->tokens), "context_size", (json_int_t)r->tokens.window);

	if ((!source || !json_object_set_new(model, "exported_from", json_string(source))) &&
	    (!mask || !json_object_set_new(model, "exported_mask", json_string(mask))) &&
	    (!*r->changed_from ||
	     !json_object_set_new(model, "changed_from", json_string(r->changed_from))))
		return model;
	json_decref(model);
	return NULL;
}

/* Provenance of a target's cache in one order; PS_EBUDGET when memory ran out. The seed determines
 * the bits of a shuffled one alone. */
static int make_provenance(const struct cache_run *r, const struct target *t, enum order order,
			   json_t **out)
{
	json_t *options = json_pack("{s:i, s:s, s:s}", "layer", t->layer, "dtype",
				    ps_dtype_name(r->dtype), "order", order_names[order]);
	json_t *p = ps_engine_provenance_masked(
		&r->engine, "cache", ps_variant_mask(&r->variants, t->variant), &r->tokens);
	int failed = 0;

	if (order == SHUFFLED)
		failed = json_object_set_new(options, "seed",
					     json_integer((json_int_t)r->args->seed));
	failed |= json_object_set_new(p, "options", options);
	failed |= json_object_set_new(p, "model", model_json(r, t));
	if (failed) {
		json_decref(p);
		p = NULL;
	}
	*out = p;
	return ps_json_check(p, &r->engine.session->diag);
}

/* --- where the caches go --- */

/* The length of an output's path without slashes at its end. With a suffix behind it, its name must
 * not become too long. */
static int out_length(const char *out, const char *suffix)
{
	size_t length = strlen(out);
	const char *slash;

	while (length > 1 && out[length - 1] == '/')
		length--;
	slash = memrchr(out, '/', length);
	if (*suffix)
		length = ps_min_size(length, (slash ? (size_t)(slash - out) + 1 : 0) + NAME_BYTES);
	return (int)length;
}

/* The path of a target's cache, with a suffix, into path (PATH_MAX). */
static char *target_path(const struct cache_run *r, const struct target *t, const char *suffix,
			 char *path)
{
	const char *out = r->args->variants[t->variant].out;

	if (r->args->layers.count == 1)
		snprintf(path, PATH_MAX, "%.*s%s", out_length(out, suffix), out, suffix);
	else
		snprintf(path, PATH_MAX, "%.*s/layer-%02d%s", out_length(out, ""), out, t->layer,
			 suffix);
	return path;
}

/* Checks one folder against all inputs. shared: caches are folders in it. */
static int check_output(const struct cache_run *r, const char *path, bool shared)
{
	const ps_cache_args *args = r->args;
	ps_diag *diag = &r->engine.session->diag;
	ps_output output;
	int rc = ps_output_open(&output, path, NULL, args->replace, diag);

	output.shared = shared;
	if (!rc)
		rc = ps_output_keep_off(&output, args->model, diag);
	if (!rc)
		rc = ps_output_keep_off(&output, args->tokens, diag);
	if (!rc)
		rc = ps_output_keep_off(&output, args->changed_from, diag);
	for (size_t v = 0; v < args->variant_count && !rc; v++)
		rc = ps_output_keep_off(&output, args->variants[v].mask, diag);
	return rc;
}

static int check_outputs(const struct cache_run *r)
{
	const ps_cache_args *args = r->args;
	const bool several = args->layers.count > 1;
	char path[PATH_MAX];
	int rc = 0;

	for (size_t v = 0; v < args->variant_count && !rc; v++) {
		const char *out = args->variants[v].out;

		rc = check_output(r, out, several);
		if (!rc && strlen(out) + LAYER_BYTES > sizeof path)
			rc = ps_fail_errno(&r->engine.session->diag, ENAMETOOLONG, "-o %.60s...",
					   out);
	}
	for (size_t i = 0; i < r->target_count && several && !rc; i++)
		rc = check_output(r, target_path(r, &r->targets[i], "", path), false);
	return rc;
}

/* Makes the folders above the caches, where there are several caches. */
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

/* Sets the layer at which each variant stops: the highest one that still wants rows before `end`. A
 * variant that wants none takes no part. */
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

/* Begins or continues every target. One that an earlier command finished takes no part. */
static int open_writers(struct cache_run *r, const char *suffix)
{
	const ps_engine *e = &r->engine;
	char path[PATH_MAX];
	int rc = make_folders(r);

	for (size_t i = 0; !rc && i < r->target_count; i++) {
		struct target *t = &r->targets[i];
		json_t *provenance;

		rc = make_provenance(r, t, SEQUENCE, &provenance);
		if (rc)
			break;
		rc = ps_cache_writer_create(
			&t->writer, &ps_sys_linux,
			&(ps_cache_spec){.path = target_path(r, t, suffix, path),
					 .provenance = provenance,
					 .replace = r->args->replace,
					 .verify = ps_session_verify(e->session),
					 .old_first = r->args->old_first,
					 .dtype = r->dtype,
					 .rows = all_rows(r),
					 .width = e->config->width,
					 .shard_rows = ps_cache_shard_rows(
						 e->config->width, r->dtype, r->tokens.window)},
			&t->done, &e->session->diag);
		json_decref(provenance);
		if (!rc && ps_cache_writer_dropped(t->writer))
			ps_session_say(e->session, "%s/%s differs from its manifest: made anew",
				       path, ps_cache_writer_dropped(t->writer));
		if (!rc && !t->done && ps_cache_writer_resume_row(t->writer))
			ps_session_say(e->session, "%s goes on at row %zu of %zu", path,
				       (size_t)ps_cache_writer_resume_row(t->writer),
				       (size_t)all_rows(r));
	}
	return rc;
}

/* Counts the variants that still have something to do: each needs hidden states of its own. */
static void count_variants(struct cache_run *r, bool *active)
{
	for (size_t i = 0; i < r->target_count; i++)
		active[r->targets[i].variant] |= !r->targets[i].done;
	r->need.hidden_copies = 0;
	for (size_t v = 0; v < r->variants.count; v++)
		r->need.hidden_copies += active[v];
}

/* Tells the user which caches an earlier command has finished. */
static void say_done(const struct cache_run *r)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < r->target_count; i++)
		if (r->order == SHUFFLED || r->targets[i].done)
			ps_output_say_done(r->engine.session,
					   target_path(r, &r->targets[i], "", path));
}

static int write_caches(struct cache_run *r, const char *suffix)
{
	ps_engine *e = &r->engine;
	bool active[PS_LIST_MAX] = {false};
	float *hidden;
	int rc = open_writers(r, suffix);

	if (!rc && r->order == SEQUENCE)
		say_done(r);
	count_variants(r, active);
	if (rc || !r->need.hidden_copies)
		return rc;
	rc = ps_engine_start(e, &r->need);
	if (rc)
		return rc;
	hidden = e->hidden;
	for (size_t v = 0; v < r->variants.count; v++)
		if (active[v]) {
			r->variants.item[v].hidden = hidden;
			hidden += e->pass_tokens * e->config->width;
		}
	rc = run_passes(r);
	e->session->told_done = false; /* of some, not of all */
	for (size_t i = 0; !rc && i < r->target_count; i++)
		if (!r->targets[i].done)
			rc = ps_cache_writer_finish(r->targets[i].writer, &e->session->diag);
	return rc;
}

/* Makes each target's shuffled cache from its cache in sequence, and removes the latter. */
static int shuffle_caches(struct cache_run *r)
{
	ps_session *s = r->engine.session;
	char from[PATH_MAX], to[PATH_MAX];
	int rc = 0;

	for (size_t i = 0; !rc && i < r->target_count; i++) {
		const struct target *t = &r->targets[i];
		json_t *provenance;

		rc = make_provenance(r, t, SHUFFLED, &provenance);
		if (rc)
			break;
		target_path(r, t, "", to);
		target_path(r, t, ".sequence", from);
		rc = ps_cache_shuffle(&(ps_cache_shuffle_options){.from = from,
								  .to = to,
								  .provenance = provenance,
								  .dtype = r->dtype,
								  .seed = r->args->seed,
								  .replace = r->args->replace,
								  .no_verify = s->no_verify},
				      &s->context);
		json_decref(provenance);
		if (!rc)
			rc = ps_folder_remove(&ps_sys_linux, from, &s->diag);
	}
	return rc;
}

/* Removes the caches in sequence of finished caches, which an interruption left. */
static int remove_leftovers(const struct cache_run *r)
{
	char path[PATH_MAX];
	int rc = 0;

	for (size_t i = 0; i < r->target_count && !rc; i++)
		rc = ps_folder_remove(&ps_sys_linux,
				      target_path(r, &r->targets[i], ".sequence", path),
				      &r->engine.session->diag);
	return rc;
}

/* *all: every cache is there already, shuffled and complete. */
static int find_shuffled(const struct cache_run *r, bool *all)
{
	ps_session *s = r->engine.session;
	char path[PATH_MAX];
	int rc = make_folders(r);

	*all = true;
	for (size_t i = 0; i < r->target_count && *all && !rc; i++) {
		ps_folder *folder = NULL;
		json_t *provenance;

		rc = make_provenance(r, &r->targets[i], SHUFFLED, &provenance);
		if (rc)
			break;
		rc = ps_folder_begin(
			&folder, &ps_sys_linux,
			&(ps_folder_spec){.path = target_path(r, &r->targets[i], "", path),
					  .kind = "activations",
					  .provenance = provenance,
					  .replace = r->args->replace,
					  .verify = ps_session_verify(s)},
			all, &s->diag);
		ps_folder_close(folder);
		json_decref(provenance);
	}
	return rc || !*all ? rc : remove_leftovers(r);
}

/* --- the command --- */

/* Words of the command line as enums, layers within range. */
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
	r->order = strcmp(args->order, order_names[SHUFFLED]) ? SEQUENCE : SHUFFLED;
	if (r->order == SEQUENCE && strcmp(args->order, order_names[SEQUENCE]))
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

static void lay_out(void *command, size_t pass_tokens, ps_layout *layout)
{
	struct cache_run *r = command;

	r->positions = ps_layout_part(layout, pass_tokens, sizeof *r->positions);
	r->window_ids = ps_layout_part(layout, pass_tokens, sizeof *r->window_ids);
}

/* Outside the arena a run holds the writers' buffers; while it shuffles, also a batch of rows and
 * the ids of all. */
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
				   .lay_out = lay_out,
				   .command = r,
				   .held_bytes = r->target_count * writer};
	if (r->order == SHUFFLED)
		r->need.held_bytes += writer + ps_cache_shuffle_bytes(rows, width);
}

static int make_caches(struct cache_run *r)
{
	bool all_there = false;
	int rc = ps_engine_check(&r->engine, &r->need);

	if (rc)
		return rc;
	if (r->order == SEQUENCE)
		return write_caches(r, "");
	rc = find_shuffled(r, &all_there);
	if (!rc && all_there)
		say_done(r);
	if (rc || all_there)
		return rc;
	rc = write_caches(r, ".sequence");
	return rc ? rc : shuffle_caches(r);
}

/* Shards of all targets. */
static size_t shards(const struct cache_run *r)
{
	size_t shard = ps_cache_shard_rows(r->engine.config->width, r->dtype,
					   r->order == SHUFFLED ? 1 : r->tokens.window);

	return r->target_count * ((all_rows(r) + shard - 1) / shard);
}

/* As if nothing were there yet. */
static int dry_run(struct cache_run *r, json_t **result)
{
	const ps_model_config *config = r->engine.config;
	size_t rows = all_rows(r),
	       row_bytes = config->width * ps_dtype_size(r->dtype) + 3 * sizeof(int32_t);
	const size_t times = r->order == SHUFFLED ? 2 : 1; /* that each cache is written */
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
	ps_forecast_write(&f, r->args->variants[0].out, times * r->target_count * rows * row_bytes,
			  times * shards(r));
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
		rc = ps_changed_from_open(&r.engine, args->changed_from, r.changed_from);
	if (!rc)
		rc = open_variants(&r);
	if (!rc)
		rc = ps_token_file_open(&r.tokens, &ps_sys_linux, args->tokens, &s->diag);
	if (!rc)
		rc = ps_engine_check_tokens(&r.engine, &r.tokens);
	if (rc)
		goto out;
	plan_memory(&r);
	rc = check_outputs(&r);
	if (!rc)
		rc = args->dry_run ? dry_run(&r, result) : make_caches(&r);
	if (!rc && !args->dry_run)
		rc = ps_result_set(result, make_result(&r), &s->diag);
out:
	for (size_t i = 0; i < r.target_count; i++)
		ps_cache_writer_close(r.targets[i].writer);
	free(r.targets);
	ps_token_file_close(&r.tokens);
	ps_variants_close(&r.variants);
	ps_engine_close(&r.engine);
	return rc;
}
