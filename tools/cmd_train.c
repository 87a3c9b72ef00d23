/* train: SAEs from an activation cache; the same command again resumes, bit for bit. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/checked.h"
#include "core/digest.h"
#include "io/row_ahead.h"
#include "sae/evaluate.h"
#include "sae/train.h"
#include "tools/clock.h"
#include "tools/cmd_train_options.h"
#include "tools/commands.h"
#include "tools/progress_line.h"
#include "tools/row_filter.h"
#include "tools/sae_folder.h"
#include "tools/train_log.h"

#define REPORT_ROWS 65536
#define STATE_PARTS_MAX 32

struct training {
	ps_session *s;
	const ps_train_args *args;
	ps_cache cache;
	ps_row_list rows, held_out; /* held_out.count 0: none */
	ps_train_options options;
	ps_sae_about about;
	ps_row_ahead *ahead; /* of the run under way */
};

struct outcome {
	ps_evaluation evaluation, held_out;
	double seconds, tokens_per_s;
};

static json_t *make_provenance(const struct training *t)
{
	char digest[PS_DIGEST_TEXT];
	json_t *options = ps_train_options_json(&t->options);

	json_object_set_new(options, "keep_special", json_boolean(t->args->keep_special));
	json_object_set_new(options, "hold_out", json_integer((json_int_t)t->held_out.count));
	return json_pack("{s:s, s:{s:s}, s:o, s:i}", "command", "train", "inputs", "cache", ps_digest_format(t->cache.digest, digest), "options",
			 options, "code", PS_CODE_VERSION);
}

static void describe_source(struct training *t)
{
	const json_t *provenance = json_object_get(t->cache.manifest, "provenance"), *model = json_object_get(provenance, "model");
	const char *family = json_string_value(json_object_get(model, "family")), *hook = json_string_value(json_object_get(model, "hook_name"));

	snprintf(t->about.model_name, sizeof t->about.model_name, "%s", family ? family : "unknown");
	snprintf(t->about.hook_name, sizeof t->about.hook_name, "%s", hook ? hook : "unknown");
	t->about.prepend_bos = json_is_true(json_object_get(model, "prepend_bos"));
	t->about.context_size = json_integer_value(json_object_get(model, "context_size"));
}

static int save_checkpoint(struct training *t, ps_trainer *trainer, const char *path, const json_t *provenance)
{
	ps_state_part parts[STATE_PARTS_MAX];
	ps_tensor_decl decls[STATE_PARTS_MAX];
	size_t count = ps_trainer_state(trainer, parts, STATE_PARTS_MAX);
	json_t *extra = json_pack("{s:O}", "provenance", provenance);
	ps_artefact *artefact;
	int rc;

	for (size_t i = 0; i < count; i++)
		decls[i] = (ps_tensor_decl){parts[i].name, PS_U8, 1, {parts[i].bytes}};
	rc = ps_artefact_create(&artefact, &ps_sys_linux, path, "sae-checkpoint", extra, decls, count, &t->s->diag);
	json_decref(extra);
	for (size_t i = 0; i < count && !rc; i++) {
		rc = ps_artefact_write(artefact, parts[i].data, parts[i].bytes, &t->s->diag);
		if (rc)
			ps_artefact_abort(artefact);
	}
	return rc ? rc : ps_artefact_commit(artefact, &t->s->diag);
}

static void note_bad_block(void *context, const char *path, long block, uint64_t offset, const char *what)
{
	(void)path, (void)block, (void)offset, (void)what;
	*(bool *)context = true;
}

/* Takes the state over when there is a whole checkpoint of the same provenance; a damaged one is not used. */
static int load_checkpoint(struct training *t, ps_trainer *trainer, const char *path, const json_t *provenance)
{
	ps_state_part parts[STATE_PARTS_MAX];
	size_t count = ps_trainer_state(trainer, parts, STATE_PARTS_MAX);
	ps_safetensors file;
	ps_diag ignored = {{0}};
	bool bad = false, verified = false;

	if (access(path, F_OK))
		return 0;
	if (ps_safetensors_open(&file, &ps_sys_linux, path, &ignored)) {
		ps_session_say(t->s, "%s: not usable (%s): training starts anew", path, ignored.text);
		return 0;
	}
	if (ps_safetensors_verify(&file, note_bad_block, &bad, &verified, &ignored) || bad || !verified ||
	    !json_equal(json_object_get(file.metadata, "provenance"), provenance))
		bad = true;
	for (size_t i = 0; i < count && !bad; i++) {
		const ps_tensor_info *tensor = ps_safetensors_find(&file, parts[i].name);

		if (!tensor || tensor->bytes != parts[i].bytes)
			bad = true;
		else
			memcpy(parts[i].data, ps_safetensors_data(&file, tensor), parts[i].bytes);
	}
	ps_safetensors_close(&file);
	if (bad) {
		ps_session_say(t->s, "%s: damaged or of another run: training starts anew", path);
		return 1;
	}
	return ps_trainer_resume(trainer);
}

static int train_steps(struct training *t, ps_trainer *trainer, const char *checkpoint, const json_t *provenance, ps_train_log *log)
{
	uint64_t steps = ps_trainer_steps(&t->options);
	ps_train_step step = {0};
	double saved = ps_clock();
	char measures[96];
	int rc = 0;

	for (step.step = ps_trainer_done(trainer); step.step < steps && !rc;) {
		rc = ps_trainer_step(trainer, &step);
		if (rc)
			break;
		snprintf(measures, sizeof measures, "FVU %.4f, L0 %.1f, dead %.1f %%", step.fvu, step.l0, 100 * step.dead_fraction);
		ps_progress_note(measures);
		ps_progress_tick(&t->s->context, "training", "tok", step.tokens, t->options.tokens);
		rc = ps_train_log_add(log, &step, ps_clock(), &t->s->diag);
		if (!rc)
			rc = ps_progress_check(&t->s->context);
		if (rc || ps_clock() - saved > t->args->save_every) {
			int saved_rc = save_checkpoint(t, trainer, checkpoint, provenance);

			rc = saved_rc ? saved_rc : rc;
			saved = ps_clock();
		}
	}
	ps_progress_note(NULL);
	return rc;
}

/* What is reported of a trained SAE, and kept in its manifest. */
static json_t *measures_json(const struct training *t, const struct outcome *o)
{
	json_t *json = json_pack("{s:f, s:f, s:f}", "fvu", o->evaluation.fvu, "l0", o->evaluation.l0, "dead_fraction", o->evaluation.dead_fraction);

	if (t->held_out.count)
		json_object_update_new(json, json_pack("{s:f, s:f}", "held_out_fvu", o->held_out.fvu, "held_out_l0", o->held_out.l0));
	return json;
}

/* PREFIX, or with several seeds PREFIX-N; NULL: no log. */
static const char *log_prefix(const struct training *t, char *out, size_t size)
{
	if (!t->args->log || t->args->seeds.count < 2)
		return t->args->log;
	snprintf(out, size, "%s-%llu", t->args->log, (unsigned long long)t->options.init_seed);
	return out;
}

/* All steps that are left, with their log. */
static int run_steps(struct training *t, ps_trainer *trainer, const char *checkpoint, const json_t *provenance)
{
	char prefix[PATH_MAX];
	ps_train_log log;
	bool drawn = true;
	int rc = ps_train_log_open(&log, log_prefix(t, prefix, sizeof prefix), ps_trainer_done(trainer), ps_trainer_steps(&t->options),
				   &t->s->diag);

	if (!rc)
		rc = train_steps(t, trainer, checkpoint, provenance, &log);
	if (!rc)
		rc = ps_train_log_draw(&log, &drawn, &t->s->diag);
	if (!rc && !drawn && t->args->log)
		ps_session_say(t->s, "no curves: gnuplot could not be run");
	ps_train_log_close(&log);
	return rc;
}

static void stop_reading(struct training *t)
{
	ps_row_ahead_destroy(t->ahead);
	t->ahead = NULL;
}

/* Trains or continues, writes the SAE into an open folder. */
static int train_into(struct training *t, ps_folder *folder, const char *path, const json_t *provenance, ps_arena *arena,
		      struct outcome *outcome)
{
	ps_trainer *trainer;
	ps_row_source source;
	ps_sae sae;
	char checkpoint[PATH_MAX + 32];
	ps_row_list report = {t->rows.ids, t->rows.count < REPORT_ROWS ? t->rows.count : REPORT_ROWS};
	uint64_t *firing, resumed_at;
	double started;
	size_t mark;
	json_t *extra;
	int rc = ps_row_ahead_create(&t->ahead, &t->cache, t->s->backend, t->options.batch, arena, &source, &t->s->diag);

	mark = ps_arena_mark(arena);
	if (!rc)
		rc = ps_trainer_create(&trainer, &t->options, &source, &t->rows, &t->s->context, arena);
	if (rc)
		return rc;
	snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint.safetensors", path);
	rc = load_checkpoint(t, trainer, checkpoint, provenance);
	if (rc > 0) {
		/* What was copied in is not to be used: initialise again. */
		ps_arena_rewind(arena, mark);
		rc = ps_trainer_create(&trainer, &t->options, &source, &t->rows, &t->s->context, arena);
	}
	if (rc)
		return rc;
	resumed_at = ps_trainer_done(trainer);
	started = ps_clock();
	rc = run_steps(t, trainer, checkpoint, provenance);
	if (rc)
		return rc;
	stop_reading(t);
	outcome->seconds = ps_clock() - started;
	outcome->tokens_per_s = (double)(ps_trainer_steps(&t->options) - resumed_at) * (double)t->options.batch /
				(outcome->seconds > 0 ? outcome->seconds : 1e-9);
	rc = ps_sae_create(&sae, ps_train_saved_arch(t->options.arch), t->cache.source.width, t->options.d_sae, t->options.k, arena,
			   &t->s->diag);
	if (rc)
		return rc;
	ps_trainer_export(trainer, &sae);
	firing = ps_arena_take(arena, t->options.d_sae * sizeof *firing);
	rc = ps_evaluate_rows(&sae, &t->cache.source, &report, &t->s->context, arena, &outcome->evaluation, firing);
	if (!rc && t->held_out.count)
		rc = ps_evaluate_rows(&sae, &t->cache.source, &t->held_out, &t->s->context, arena, &outcome->held_out, NULL);
	if (!rc)
		rc = ps_sae_folder_save(folder, path, &sae, &t->about, firing, provenance, &t->s->diag);
	if (rc)
		return rc;
	extra = json_pack("{s:o}", "result", measures_json(t, outcome));
	rc = ps_folder_finish(folder, extra, &t->s->diag);
	json_decref(extra);
	if (!rc)
		unlink(checkpoint);
	return rc;
}

/* Memory of one seed's training, checked before anything is written. */
static int make_arena(const struct training *t, ps_arena *arena)
{
	ps_session *s = t->s;
	size_t width = t->cache.source.width;
	const ps_sae saved = {.arch = ps_train_saved_arch(t->options.arch), .d_in = width, .d_sae = t->options.d_sae, .k = t->options.k};
	ps_plan plan = {.limit_bytes = s->memory_bytes};
	size_t outside_bytes;
	int rc;

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "row numbers", (size_t)(t->rows.count + t->held_out.count) * sizeof(uint64_t));
	ps_plan_add(&plan, "ids of the rows", t->cache.ids ? 3 * (size_t)t->cache.source.rows * sizeof(int32_t) : 0);
	outside_bytes = plan.total_bytes;
	if (s->backend != PS_IO_MMAP)
		ps_plan_add(&plan, "rows read ahead", ps_row_ahead_bytes(width, t->cache.dtype, t->options.batch));
	ps_plan_add(&plan, "trainer", ps_trainer_bytes(width, &t->options, s->threads));
	ps_plan_add(&plan, "trained SAE", ps_sae_bytes(width, t->options.d_sae) + t->options.d_sae * sizeof(uint64_t) + PS_ALIGN);
	ps_plan_add(&plan, "evaluation", ps_evaluate_bytes(&saved, s->threads));
	rc = ps_plan_check(&plan, &s->diag);
	return rc ? rc : ps_arena_create(arena, plan.total_bytes - outside_bytes, &s->diag);
}

static int train_seed(struct training *t, const char *path, uint64_t seed, struct outcome *outcome)
{
	ps_session *s = t->s;
	ps_folder *folder = NULL;
	ps_arena arena = {0};
	json_t *provenance;
	bool done = false;
	int rc;

	t->options.init_seed = seed;
	t->options.data_seed = t->args->data_seed < 0 ? seed : (uint64_t)t->args->data_seed;
	provenance = make_provenance(t);
	rc = make_arena(t, &arena);
	if (!rc && t->args->seeds.count > 1)
		rc = ps_folder_make(&ps_sys_linux, t->args->out, &s->diag);
	if (!rc)
		rc = ps_folder_begin(&folder, &ps_sys_linux, path, "sae", provenance, s->force, &done, &s->diag);
	if (rc)
		goto out;
	if (done) {
		const json_t *result = json_object_get(ps_folder_manifest(folder), "result");

		outcome->evaluation.fvu = json_number_value(json_object_get(result, "fvu"));
		outcome->evaluation.l0 = json_number_value(json_object_get(result, "l0"));
		outcome->evaluation.dead_fraction = json_number_value(json_object_get(result, "dead_fraction"));
		outcome->held_out.fvu = json_number_value(json_object_get(result, "held_out_fvu"));
		outcome->held_out.l0 = json_number_value(json_object_get(result, "held_out_l0"));
		goto out;
	}
	rc = train_into(t, folder, path, provenance, &arena, outcome);
out:
	json_decref(provenance);
	ps_folder_close(folder);
	stop_reading(t);
	ps_arena_destroy(&arena);
	return rc;
}

static json_t *outcome_json(const struct training *t, const struct outcome *o)
{
	json_t *json = json_pack("{s:f, s:f}", "tokens_per_s", o->tokens_per_s, "seconds", o->seconds);

	json_object_update_new(json, measures_json(t, o));
	return json;
}

/* One seed: its values; several: those of the last, and all of them under "seeds". */
static int train_all(struct training *t, json_t **result)
{
	const ps_int_list *seeds = &t->args->seeds;
	json_t *list = json_array(), *last = NULL;
	int rc = 0;

	for (size_t i = 0; i < ps_max_size(seeds->count, 1) && !rc; i++) {
		int64_t seed = seeds->count ? seeds->item[i] : (int64_t)t->s->seed;
		struct outcome outcome = {0};
		char path[PATH_MAX];

		if (seeds->count > 1)
			snprintf(path, sizeof path, "%s/seed-%lld", t->args->out, (long long)seed);
		else
			snprintf(path, sizeof path, "%s", t->args->out);
		rc = seed < 0 ? ps_fail(&t->s->diag, PS_EUSAGE, "--seed must not be negative") : train_seed(t, path, (uint64_t)seed, &outcome);
		if (rc)
			break;
		last = outcome_json(t, &outcome);
		json_object_set_new(last, "seed", json_integer(seed));
		json_array_append_new(list, last);
	}
	if (!rc) {
		*result = json_copy(last);
		if (seeds->count > 1)
			json_object_set(*result, "seeds", list);
	}
	json_decref(list);
	return rc;
}

/* The last rows are measured, not trained on. */
static int hold_out(struct training *t)
{
	const int64_t count = t->args->hold_out;

	if (count < 0 || (uint64_t)count >= t->rows.count)
		return ps_fail(&t->s->diag, PS_EUSAGE, "--hold-out %lld of %llu rows leaves nothing to train on", (long long)count,
			       (unsigned long long)t->rows.count);
	t->rows.count -= (uint64_t)count;
	t->held_out = (ps_row_list){t->rows.ids + t->rows.count, (uint64_t)count};
	return 0;
}

int ps_run_train(ps_session *s, const ps_train_args *args, json_t **result)
{
	struct training t = {.s = s, .args = args};
	int rc = ps_cache_open(&t.cache, &ps_sys_linux, args->cache, &s->diag);

	if (rc)
		return rc;
	rc = ps_rows_that_count(&t.cache, args->keep_special, &t.rows, &s->diag);
	if (!rc)
		rc = hold_out(&t);
	if (!rc)
		rc = ps_train_options_make(args, t.cache.source.width, t.rows.count, &t.options, &s->diag);
	if (!rc) {
		describe_source(&t);
		if (!t.cache.verified)
			ps_session_say(s, "%s carries no checksums of ours: taken as it is, unverified", args->cache);
		rc = train_all(&t, result);
	}
	free((void *)t.rows.ids);
	ps_cache_close(&t.cache);
	return rc;
}
