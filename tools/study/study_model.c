/* One model's part of a study. Every step's inputs name what determines its bits, and nothing else. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/transfer.h"
#include "core/base/checked.h"
#include "io/row_filter.h"
#include "tools/study/study.h"
#include "tools/train/sae_folder.h"

#define SMALL_BYTES_MAX ((size_t)512 << 20)

char *ps_study_path(const ps_study_condition *c, const char *name, char *out)
{
	snprintf(out, PS_STUDY_PATH + 64, "%s/%s", c->folder, name);
	return out;
}

char *ps_study_sae_path(const ps_study *study, const ps_study_condition *c, size_t seed_index,
			char *out)
{
	snprintf(out, PS_STUDY_PATH + 64, "%s/sae/seed-%lld", c->folder,
		 (long long)study->f->seeds[seed_index]);
	return out;
}

/* Rough operations of a forward pass through some layers, and of the head, per token. */
static double layer_flops(const ps_model_config *m)
{
	double attention =
		(double)m->width * (double)((2 * m->heads + 2 * m->kv_heads) * m->head_width);

	return 2 * (attention + 3.0 * (double)m->width * (double)m->mlp_width);
}

static double head_flops(const ps_model_config *m)
{
	return 2.0 * (double)m->width * (double)m->vocab;
}

static size_t latents(const ps_study *study, const ps_study_run *run)
{
	return study->f->sae.d_sae ? (size_t)study->f->sae.d_sae
				   : (size_t)study->f->sae.expansion * run->config.width;
}

static size_t layers_up_to(const ps_study_run *run)
{
	return (size_t)run->spec->layer + 1;
}

/* --- tokens --- */

static int run_tokenize(ps_study *study, ps_study_run *run, const char *out, int64_t tokens,
			json_t **result)
{
	const ps_study_file *f = study->f;
	ps_tokenize_args args = {.model = run->spec->path,
				 .out = out,
				 .window = f->window,
				 .windows = tokens / f->window,
				 .bos_window = !strcmp(f->bos, "window"),
				 .per_line = !strcmp(f->documents, "line"),
				 .min_chars = f->min_chars};

	for (unsigned i = 0; i < f->text_count; i++)
		args.texts.item[args.texts.count++] = f->text[i];
	return ps_run_tokenize(study->s, &args, result);
}

static int step_tokens(ps_study *study, ps_study_run *run, ps_study_condition *c, size_t index,
		       json_t **result)
{
	(void)c, (void)index;
	return run_tokenize(study, run, run->tokens_path, study->f->cache_tokens, result);
}

static int step_calibration(ps_study *study, ps_study_run *run, ps_study_condition *c, size_t index,
			    json_t **result)
{
	(void)c, (void)index;
	return run_tokenize(study, run, run->calibration_path, study->f->calibration_tokens,
			    result);
}

static json_t *tokens_inputs(const ps_study *study, const ps_study_run *run, int64_t tokens)
{
	const ps_study_file *f = study->f;

	return json_pack("{s:s, s:s, s:O, s:I, s:I, s:s, s:i, s:s, s:I, s:i}", "step", "tokens",
			 "tokenizer", run->tokenizer_digest, "text", study->text_digests, "window",
			 (json_int_t)f->window, "windows", (json_int_t)(tokens / f->window), "bos",
			 f->bos, "bos_id", strcmp(f->bos, "none") ? run->config.bos : -1,
			 "documents", f->documents, "min_chars", (json_int_t)f->min_chars, "code",
			 PS_CODE_VERSION);
}

/* --- masks and perplexity --- */

static int step_mask(ps_study *study, ps_study_run *run, ps_study_condition *c, size_t index,
		     json_t **result)
{
	const ps_study_file *f = study->f;
	char out[PS_STUDY_PATH + 64];
	bool wanda = !strcmp(c->method, "wanda");
	ps_prune_args args = {.model = run->spec->path,
			      .method = c->method,
			      .sparsity = c->sparsity,
			      .out = ps_study_path(c, "mask.safetensors", out)};

	(void)index;
	args.scope = wanda ? f->wanda.scope : f->magnitude.scope;
	args.pool_embedding = !wanda && f->magnitude.pool_embedding;
	args.calibration = wanda ? f->wanda.calibration : NULL;
	args.tokens = wanda ? run->calibration_path : NULL;
	return ps_run_prune(study->s, &args, result);
}

static json_t *mask_inputs(const ps_study *study, const ps_study_run *run,
			   const ps_study_condition *c)
{
	const ps_study_file *f = study->f;
	bool wanda = !strcmp(c->method, "wanda");

	return json_pack("{s:s, s:s, s:s, s:f, s:s?, s:b, s:s?, s:s?, s:i}", "step", "mask",
			 "model", run->model_digest, "method", c->method, "sparsity", c->sparsity,
			 "scope", wanda ? f->wanda.scope : f->magnitude.scope, "pool_embedding",
			 !wanda && f->magnitude.pool_embedding, "calibration",
			 wanda ? f->wanda.calibration : NULL, "tokens",
			 wanda ? run->calibration.key : NULL, "code", PS_CODE_VERSION);
}

const char *ps_study_mask_path(const ps_study_condition *c, char *out)
{
	return c->method ? ps_study_path(c, "mask.safetensors", out) : NULL;
}

static int step_ppl(ps_study *study, ps_study_run *run, ps_study_condition *c, size_t index,
		    json_t **result)
{
	const ps_study_file *f = study->f;
	char mask[PS_STUDY_PATH + 64];
	ps_ppl_args args = {.model = run->spec->path,
			    .text = f->ppl.text,
			    .mask = ps_study_mask_path(c, mask),
			    .window = f->ppl.window,
			    .stride = f->ppl.stride,
			    .max_tokens = f->ppl.max_tokens,
			    .per_window = true};
	int rc = ps_run_ppl(study->s, &args, result);

	(void)index;
	if (!rc)
		json_object_del(*result, "backend");
	return rc;
}

static json_t *ppl_inputs(const ps_study *study, const ps_study_run *run,
			  const ps_study_condition *c)
{
	return json_pack("{s:s, s:s, s:s?, s:s, s:s, s:I, s:I, s:I, s:i}", "step", "ppl", "model",
			 run->model_digest, "mask", c->method ? c->mask.key : NULL, "tokenizer",
			 run->tokenizer_digest, "text", study->ppl_text_digest, "window",
			 (json_int_t)study->f->ppl.window, "stride",
			 (json_int_t)study->f->ppl.stride, "max_tokens",
			 (json_int_t)study->f->ppl.max_tokens, "code", PS_CODE_VERSION);
}

/* --- caches and SAEs --- */

static void set_activations_key(const ps_study_run *run, ps_study_condition *c)
{
	json_t *inputs = json_pack("{s:s, s:s, s:s?, s:s, s:I, s:i}", "step", "cache", "model",
				   run->model_digest, "mask", c->method ? c->mask.key : NULL,
				   "tokens", run->tokens.key, "layer", (json_int_t)run->spec->layer,
				   "code", PS_CODE_VERSION);

	ps_digest_format(ps_json_digest(inputs), c->activations);
	json_decref(inputs);
}

/* A pruned model's SAE starts from the dense one's seed, or from one of its own. */
static int64_t init_seed(const ps_study *study, const ps_study_condition *c, size_t index)
{
	bool own = c->method && !strcmp(study->f->sae.init, "independent");

	return study->f->seeds[index] + (own ? 1000003 : 0);
}

static int step_train(ps_study *study, ps_study_run *run, ps_study_condition *c, size_t index,
		      json_t **result)
{
	const ps_study_file *f = study->f;
	char cache[PS_STUDY_PATH + 64], out[PS_STUDY_PATH + 64];
	ps_train_args args = ps_train_args_default();
	int rc;

	args.cache = ps_study_path(c, "cache", cache);
	args.out = ps_study_sae_path(study, c, index, out);
	args.arch = f->sae.arch;
	args.d_sae = (ps_int_list){1, {(int64_t)latents(study, run)}};
	args.k = (ps_int_list){1, {f->sae.k}};
	args.tokens = f->train_tokens;
	args.batch = f->sae.batch;
	args.lr = f->sae.lr;
	args.data_seed = f->seeds[index];
	args.seeds = (ps_int_list){1, {init_seed(study, c, index)}};
	args.replace = true;
	rc = ps_run_train(study->s, &args, result);
	if (!rc) {
		json_object_del(*result, "seconds");
		json_object_del(*result, "tokens_per_s");
	}
	return rc;
}

static json_t *train_inputs(const ps_study *study, const ps_study_run *run,
			    const ps_study_condition *c, size_t index)
{
	const ps_study_file *f = study->f;

	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:i}", "step", "train",
			 "activations", c->activations, "arch", f->sae.arch, "d_sae",
			 (json_int_t)latents(study, run), "k", (json_int_t)f->sae.k, "batch",
			 (json_int_t)f->sae.batch, "tokens", (json_int_t)f->train_tokens, "lr",
			 f->sae.lr, "init_seed", (json_int_t)init_seed(study, c, index),
			 "data_seed", (json_int_t)f->seeds[index], "code", PS_CODE_VERSION);
}

static double train_flops(const ps_study *study, const ps_study_run *run)
{
	/* Encoder's product, and about as much again for the sparse parts and Adam. */
	return 4.0 * (double)run->config.width * (double)latents(study, run) *
	       (double)study->f->train_tokens;
}

/* --- the frozen dense SAE on the pruned model --- */

static int transfer(ps_study *study, const ps_sae *sae, const ps_cache *dense,
		    const ps_cache *pruned, ps_transfer *out)
{
	ps_session *s = study->s;
	ps_bootstrap bootstrap = ps_study_bootstrap(study);
	ps_row_list rows;
	ps_clusters clusters;
	ps_arena arena = {0};
	ps_plan plan = {.limit_bytes = s->memory_bytes};
	size_t windows = (size_t)(study->f->cache_tokens / study->f->window) + 1, bytes;
	int rc = ps_rows_that_count(dense, false, &rows, &s->diag);

	if (rc)
		return rc;
	bytes = ps_clusters_bytes((size_t)rows.count) +
		ps_transfer_bytes(sae, windows, &bootstrap, s->threads);
	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "transfer", bytes);
	rc = ps_plan_check(&plan, &s->diag);
	if (!rc)
		rc = ps_arena_create(&arena, bytes, &s->diag);
	if (!rc)
		rc = ps_clusters_of_windows(&dense->source, &rows, &arena, &s->diag, &clusters);
	if (!rc)
		rc = ps_transfer_run(sae, &dense->source, &pruned->source, &rows, &clusters,
				     &bootstrap, &s->context, &arena, out);
	ps_arena_destroy(&arena);
	ps_rows_release(&rows);
	return rc;
}

static int step_transfer(ps_study *study, ps_study_run *run, ps_study_condition *c, size_t index,
			 json_t **result)
{
	char path[PS_STUDY_PATH + 64];
	ps_cache dense, pruned;
	ps_sae_folder sae = {0};
	ps_transfer t;
	int rc = ps_cache_open(&dense, &ps_sys_linux,
			       ps_study_path(&run->conditions[0], "cache", path), &study->s->diag);

	(void)index;
	if (rc)
		return rc;
	rc = ps_cache_open(&pruned, &ps_sys_linux, ps_study_path(c, "cache", path),
			   &study->s->diag);
	if (rc) {
		ps_cache_close(&dense);
		return rc;
	}
	rc = ps_sae_folder_load(&sae, ps_study_sae_path(study, &run->conditions[0], 0, path),
				&study->s->diag);
	if (!rc)
		rc = transfer(study, &sae.sae, &dense, &pruned, &t);
	if (!rc)
		*result = json_pack(
			"{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rows",
			(json_int_t)t.rows, "windows", (json_int_t)t.clusters, "jaccard",
			ps_interval_json(&t.jaccard), "cosine", ps_interval_json(&t.cosine),
			"fvu_dense", ps_interval_json(&t.fvu_dense), "fvu",
			ps_interval_json(&t.fvu_pruned), "fvu_change",
			ps_interval_json(&t.fvu_change), "l0_dense", ps_interval_json(&t.l0_dense),
			"l0", ps_interval_json(&t.l0_pruned), "l0_change",
			ps_interval_json(&t.l0_change));
	ps_sae_folder_close(&sae);
	ps_cache_close(&dense);
	ps_cache_close(&pruned);
	return rc;
}

static json_t *transfer_inputs(const ps_study *study, const ps_study_run *run,
			       const ps_study_condition *c)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:i}", "step", "transfer", "sae",
			 run->conditions[0].train[0].key, "dense", run->conditions[0].activations,
			 "pruned", c->activations, "bootstrap",
			 (json_int_t)study->f->bootstrap.samples, "code", PS_CODE_VERSION);
}

static int step_splice(ps_study *study, ps_study_run *run, ps_study_condition *c, size_t index,
		       json_t **result)
{
	char mask[PS_STUDY_PATH + 64], sae[PS_STUDY_PATH + 64];
	ps_eval_args args = {.sae = ps_study_sae_path(study, &run->conditions[0], 0, sae),
			     .model = run->spec->path,
			     .tokens = run->tokens_path,
			     .mask = ps_study_mask_path(c, mask),
			     .layer = run->spec->layer,
			     .windows = study->f->splice.windows};

	(void)index;
	return ps_run_eval(study->s, &args, result);
}

static json_t *splice_inputs(const ps_study *study, const ps_study_run *run,
			     const ps_study_condition *c)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:s, s:I, s:I, s:i}", "step", "splice", "sae",
			 run->conditions[0].train[0].key, "model", run->model_digest, "mask",
			 c->method ? c->mask.key : NULL, "tokens", run->tokens.key, "layer",
			 (json_int_t)run->spec->layer, "windows",
			 (json_int_t)study->f->splice.windows, "code", PS_CODE_VERSION);
}

static int step_ablation(ps_study *study, ps_study_run *run, ps_study_condition *c, size_t index,
			 json_t **result)
{
	char sae[PS_STUDY_PATH + 64];
	ps_ablate_args args = {.model = run->spec->path,
			       .sae = ps_study_sae_path(study, c, 0, sae),
			       .tokens = run->tokens_path,
			       .layer = run->spec->layer,
			       .features = study->f->ablation.features,
			       .windows = study->f->ablation.windows,
			       .seed = (uint64_t)study->f->seeds[0]};

	(void)index;
	return ps_run_ablate(study->s, &args, result);
}

static json_t *ablation_inputs(const ps_study *study, const ps_study_run *run)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i}", "step", "ablation", "sae",
			 run->conditions[0].train[0].key, "model", run->model_digest, "tokens",
			 run->tokens.key, "layer", (json_int_t)run->spec->layer, "features",
			 (json_int_t)study->f->ablation.features, "windows",
			 (json_int_t)study->f->ablation.windows, "seed",
			 (json_int_t)study->f->seeds[0], "code", PS_CODE_VERSION);
}

/* --- the order of things --- */

int ps_study_cache_wanted(ps_study *study, ps_study_run *run, ps_study_condition *c, bool *wanted)
{
	char name[64];
	int rc = 0;

	*wanted = false;
	for (size_t i = 0; i < c->seeds && !rc; i++) {
		snprintf(name, sizeof name, "train-%lld", (long long)study->f->seeds[i]);
		ps_step_close(&c->train[i]);
		rc = ps_step_open(&c->train[i], c->folder, name, train_inputs(study, run, c, i),
				  &study->s->diag);
		*wanted |= !ps_step_done(&c->train[i]);
	}
	if (rc || !c->method)
		return rc;
	ps_step_close(&c->transfer);
	rc = ps_step_open(&c->transfer, c->folder, "transfer", transfer_inputs(study, run, c),
			  &study->s->diag);
	*wanted |= !ps_step_done(&c->transfer);
	return rc;
}

static int do_tokens(ps_study *study, ps_study_run *run)
{
	int rc = ps_study_do(study, run, NULL, &run->tokens, "tokens", run->tokens_path,
			     tokens_inputs(study, run, study->f->cache_tokens), 0, step_tokens, 0);

	if (!rc)
		rc = ps_study_do(study, run, NULL, &run->calibration, "calibration",
				 run->calibration_path,
				 tokens_inputs(study, run, study->f->calibration_tokens), 0,
				 step_calibration, 0);
	return rc;
}

static int do_masks_and_ppl(ps_study *study, ps_study_run *run)
{
	const ps_study_file *f = study->f;
	double layers = layer_flops(&run->config) * (double)run->config.layers;
	double scored = f->ppl.max_tokens ? (double)f->ppl.max_tokens : 300000;
	double ppl_flops = scored * (layers * (double)f->ppl.window / (double)f->ppl.stride +
				     head_flops(&run->config));
	int rc = 0;

	for (size_t i = 0; i < run->condition_count && !rc; i++) {
		ps_study_condition *c = &run->conditions[i];
		char path[PS_STUDY_PATH + 64];

		if (c->method)
			rc = ps_study_do(study, run, c, &c->mask, "mask",
					 ps_study_path(c, "mask.safetensors", path),
					 mask_inputs(study, run, c),
					 strcmp(c->method, "wanda")
						 ? 0
						 : 2 * layers * (double)f->calibration_tokens,
					 step_mask, 0);
		if (!rc)
			rc = ps_study_do(study, run, c, &c->ppl, "ppl", NULL,
					 ppl_inputs(study, run, c), ppl_flops, step_ppl, 0);
		set_activations_key(run, c);
	}
	return rc;
}

/* One condition's cache, SAEs, transfer; the cache goes unless it is the dense one, which others still need. */
static int do_condition(ps_study *study, ps_study_run *run, ps_study_condition *c)
{
	char name[64], path[PS_STUDY_PATH + 64];
	bool wanted;
	int rc = ps_study_cache_wanted(study, run, c, &wanted);

	if (rc)
		return rc;
	if (wanted && study->args->dry_run)
		study->flops += layer_flops(&run->config) * (double)layers_up_to(run) *
				(double)study->f->cache_tokens;
	if (wanted)
		rc = ps_study_caches_make(study, run, c);
	for (size_t i = 0; i < c->seeds && !rc; i++) {
		snprintf(name, sizeof name, "train-%lld", (long long)study->f->seeds[i]);
		strcat(ps_study_sae_path(study, c, i, path), "/cfg.json");
		rc = ps_study_do(study, run, c, &c->train[i], name, path,
				 train_inputs(study, run, c, i), train_flops(study, run),
				 step_train, i);
	}
	if (!rc && c->method)
		rc = ps_study_do(study, run, c, &c->transfer, "transfer", NULL,
				 transfer_inputs(study, run, c),
				 8.0 * (double)run->config.width * (double)latents(study, run) *
					 (double)study->f->cache_tokens,
				 step_transfer, 0);
	if (!rc && c->method)
		rc = ps_study_cache_remove(study, c);
	return rc;
}

static int do_splices_and_ablation(ps_study *study, ps_study_run *run)
{
	const ps_study_file *f = study->f;
	double layers = layer_flops(&run->config) * (double)run->config.layers,
	       behind = (double)(run->config.layers - layers_up_to(run));
	int rc = 0;

	for (size_t i = 0; i < run->condition_count && !rc && f->splice.windows; i++)
		rc = ps_study_do(study, run, &run->conditions[i], &run->conditions[i].splice,
				 "splice", NULL, splice_inputs(study, run, &run->conditions[i]),
				 (double)(f->splice.windows * f->window) *
					 (layers + 2 * behind * layer_flops(&run->config) +
					  3 * head_flops(&run->config)),
				 step_splice, 0);
	if (!rc && f->ablation.features)
		rc = ps_study_do(
			study, run, &run->conditions[0], &run->ablation, "ablation", NULL,
			ablation_inputs(study, run),
			0.5 * (double)(f->ablation.features * f->ablation.windows * f->window) *
				(behind * layer_flops(&run->config) + head_flops(&run->config)),
			step_ablation, 0);
	return rc;
}

/* Whether anything will read the dense cache. */
static int dense_cache_wanted(ps_study *study, ps_study_run *run, bool *wanted)
{
	int rc = ps_study_cache_wanted(study, run, &run->conditions[0], wanted);

	for (size_t i = 1; i < run->condition_count && !rc && !*wanted; i++) {
		ps_study_condition *c = &run->conditions[i];

		rc = ps_study_cache_wanted(study, run, c, wanted);
		*wanted = !ps_step_done(&c->transfer);
		if (rc || *wanted)
			break;
		ps_step_close(&c->findings);
		rc = ps_step_open(&c->findings, c->folder, "findings",
				  ps_study_findings_inputs(study, run, c), &study->s->diag);
		*wanted = !ps_step_done(&c->findings);
	}
	return rc;
}

int ps_study_run_all(ps_study *study, ps_study_run *run)
{
	bool dense_wanted;
	int rc = do_tokens(study, run);

	if (!rc)
		rc = do_masks_and_ppl(study, run);
	if (!rc && study->f->ablation.features) {
		rc = ps_study_cache_wanted(study, run, &run->conditions[0], &dense_wanted);
		if (!rc)
			rc = ps_step_open(&run->ablation, run->conditions[0].folder, "ablation",
					  ablation_inputs(study, run), &study->s->diag);
	}
	if (!rc)
		rc = dense_cache_wanted(study, run, &dense_wanted);
	if (!rc && dense_wanted)
		rc = ps_study_caches_make(study, run, &run->conditions[0]);
	for (size_t i = 0; i < run->condition_count && !rc; i++)
		rc = do_condition(study, run, &run->conditions[i]);
	if (!rc)
		rc = do_splices_and_ablation(study, run);
	if (!rc)
		rc = ps_study_seeds(study, run);
	if (!rc)
		rc = ps_study_findings(study, run);
	return rc ? rc : ps_study_cache_remove(study, &run->conditions[0]);
}

static int digest_file(const char *folder, const char *name, char out[PS_DIGEST_TEXT],
		       ps_diag *diag)
{
	char path[PATH_MAX], *bytes;
	size_t length;
	int rc;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	rc = ps_file_read(&ps_sys_linux, path, SMALL_BYTES_MAX, &bytes, &length, diag);
	if (rc)
		return rc;
	ps_digest_format(ps_digest_of(bytes, length), out);
	free(bytes);
	return 0;
}

static int open_model(ps_study *study, ps_study_run *run)
{
	ps_diag *diag = &study->s->diag;
	ps_checkpoint *checkpoint = NULL;
	uint64_t digest;
	int rc = ps_checkpoint_open(&checkpoint, &ps_sys_linux, run->spec->path, diag);

	if (!rc)
		rc = ps_checkpoint_digest(checkpoint, &digest, diag);
	if (!rc)
		rc = digest_file(ps_checkpoint_folder(checkpoint), "tokenizer.json",
				 run->tokenizer_digest, diag);
	if (!rc) {
		ps_digest_format(digest, run->model_digest);
		run->config = *ps_checkpoint_config(checkpoint);
		run->weight_bytes = ps_checkpoint_bytes(checkpoint);
		if (run->spec->layer >= (int64_t)run->config.layers)
			rc = ps_fail(diag, PS_EINPUT,
				     "%s: models: %s: layer %lld, the model has 0 to %zu",
				     study->args->file, run->spec->name,
				     (long long)run->spec->layer, run->config.layers - 1);
	}
	ps_checkpoint_close(checkpoint);
	return rc;
}

static void name_condition(const ps_study_run *run, ps_study_condition *c)
{
	if (c->method)
		snprintf(c->name, sizeof c->name, "%s-%.4g", c->method, c->sparsity);
	else
		snprintf(c->name, sizeof c->name, "dense");
	snprintf(c->folder, sizeof c->folder, "%.900s/%s", run->folder, c->name);
}

int ps_study_run_open(ps_study *study, size_t index)
{
	const ps_study_file *f = study->f;
	ps_study_run *run = &study->runs[index];
	char sae[PS_STUDY_PATH + 64];
	size_t n = 1;
	int rc;

	run->spec = &f->models[index];
	rc = open_model(study, run);
	if (rc)
		return rc;
	snprintf(run->folder, sizeof run->folder, "%.800s/runs/%s", study->args->out,
		 run->spec->name);
	snprintf(run->tokens_path, sizeof run->tokens_path, "%s/tokens.safetensors", run->folder);
	snprintf(run->calibration_path, sizeof run->calibration_path, "%s/calibration.safetensors",
		 run->folder);
	run->condition_count = 1 + (size_t)f->methods_count * f->sparsities_count;
	run->conditions = calloc(run->condition_count, sizeof *run->conditions);
	if (!run->conditions)
		return ps_fail(&study->s->diag, PS_EBUDGET, "no memory for %zu conditions",
			       run->condition_count);
	run->conditions[0].seeds = f->seeds_count;
	for (unsigned m = 0; m < f->methods_count; m++)
		for (unsigned i = 0; i < f->sparsities_count; i++)
			run->conditions[n++] =
				(ps_study_condition){.method = f->methods[m],
						     .sparsity = f->sparsities[i],
						     .seeds = (size_t)f->pruned_seeds};
	for (size_t i = 0; i < run->condition_count && !rc; i++) {
		name_condition(run, &run->conditions[i]);
		snprintf(sae, sizeof sae, "%s/sae", run->conditions[i].folder);
		if (!study->args->dry_run)
			rc = ps_folder_make(&ps_sys_linux, sae, &study->s->diag);
	}
	return rc;
}

void ps_study_run_close(ps_study_run *run)
{
	for (size_t i = 0; i < run->condition_count && run->conditions; i++) {
		ps_study_condition *c = &run->conditions[i];

		ps_step_close(&c->mask);
		ps_step_close(&c->ppl);
		ps_step_close(&c->transfer);
		ps_step_close(&c->splice);
		ps_step_close(&c->findings);
		for (size_t s = 0; s < c->seeds; s++)
			ps_step_close(&c->train[s]);
	}
	ps_step_close(&run->tokens);
	ps_step_close(&run->calibration);
	ps_step_close(&run->seeds);
	ps_step_close(&run->ablation);
	free(run->conditions);
}
