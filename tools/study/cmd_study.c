/* study: the whole study from its YAML file; what is done is not done again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "io/text_file.h"
#include "tools/engine/probe.h"
#include "tools/study/results.h"
#include "tools/study/study.h"

#define USUAL_SHARE 0.5 /* of the matrix product's rate that a whole study reaches, roughly */

ps_bootstrap ps_study_bootstrap(const ps_study *study)
{
	return (ps_bootstrap){.replicates = (size_t)study->f->bootstrap.samples,
			      .confidence = 0.95,
			      .seed = (uint64_t)study->f->seeds[0]};
}

static void list_step(ps_study *study, const ps_study_run *run, const ps_study_condition *c,
		      const char *name, bool done, double flops)
{
	json_array_append_new(study->listing,
			      json_pack("{s:s, s:s, s:s, s:b}", "model", run->spec->name,
					"condition", c ? c->name : "", "step", name, "done", done));
	if (!done)
		study->flops += flops;
}

int ps_study_do(ps_study *study, ps_study_run *run, ps_study_condition *c, ps_step *step,
		const char *name, const char *check_file, json_t *inputs, double flops,
		ps_study_step_fn fn, size_t index)
{
	const char *folder = c ? c->folder : run->folder;
	char stage[200];
	json_t *result = NULL;
	bool done;
	int rc;

	ps_step_close(step);
	rc = ps_step_open(step, folder, name, inputs, &study->s->diag);
	if (rc)
		return rc;
	done = ps_step_done(step) && !(check_file && access(check_file, F_OK));
	study->steps_all++;
	study->steps_done += done;
	if (study->args->dry_run)
		list_step(study, run, c, name, done, flops);
	if (done || study->args->dry_run)
		return 0;
	json_decref(step->result);
	step->result = NULL;
	snprintf(stage, sizeof stage, "%s %s %s", run->spec->name, c ? c->name : "", name);
	ps_session_stage(study->s, stage);
	rc = fn(study, run, c, index, &result);
	if (rc)
		return rc;
	study->steps_run++;
	return ps_step_record(step, result, &study->s->diag);
}

static int digest_text(const char *path, char out[PS_DIGEST_TEXT], ps_diag *diag)
{
	ps_text_file text;
	int rc = ps_text_file_open(&text, path, PS_TEXT_BYTES_MAX, diag);

	if (rc)
		return rc;
	ps_digest_format(ps_digest_of(text.text, text.length), out);
	ps_text_file_close(&text);
	return 0;
}

static int open_study(ps_study *study)
{
	const ps_study_file *f = study->f;
	char digest[PS_DIGEST_TEXT];
	int rc = 0;

	study->text_digests = json_array();
	study->listing = json_array();
	study->passes = json_array();
	study->runs = calloc(f->models_count, sizeof *study->runs);
	if (!study->runs)
		return ps_fail(&study->s->diag, PS_EBUDGET, "no memory for %u models",
			       f->models_count);
	for (unsigned i = 0; i < f->text_count && !rc; i++) {
		rc = digest_text(f->text[i], digest, &study->s->diag);
		json_array_append_new(study->text_digests, json_string(digest));
	}
	if (!rc)
		rc = digest_text(f->ppl.text, study->ppl_text_digest, &study->s->diag);
	for (size_t i = 0; i < f->models_count && !rc; i++)
		rc = ps_study_run_open(study, i);
	return rc;
}

/* Bytes of caches at a time, of the model that needs most: as many as are made, or the least to get through with. */
static uint64_t cache_bytes(const ps_study *study, bool least)
{
	uint64_t most = 0;

	for (size_t i = 0; i < study->f->models_count; i++) {
		const ps_study_run *run = &study->runs[i];
		size_t slots =
			least && !study->args->keep_caches ? 2 : ps_study_cache_slots(study, run);
		uint64_t all = slots * ps_study_cache_bytes(study, run);

		most = study->args->keep_caches ? most + all : all > most ? all : most;
	}
	return most;
}

static int check_disk(const ps_study *study)
{
	uint64_t wanted = cache_bytes(study, true);
	char have[24], need[24];

	if (!study->args->disk_bytes || wanted <= study->args->disk_bytes)
		return 0;
	return ps_fail(&study->s->diag, PS_EOUTPUT,
		       "--disk %s is too small: the activation caches need %s at a time",
		       ps_size_format(study->args->disk_bytes, have),
		       ps_size_format((size_t)wanted, need));
}

static void print_listing(const ps_study *study, double seconds)
{
	char disk[24], memory[24];
	const json_t *step, *pass, *name;
	size_t i, j;

	if (study->s->json)
		return;
	json_array_foreach (study->listing, i, step)
		printf("%-5s %-16s %-16s %s\n",
		       json_is_true(json_object_get(step, "done")) ? "done" : "to do",
		       json_string_value(json_object_get(step, "model")),
		       json_string_value(json_object_get(step, "condition")),
		       json_string_value(json_object_get(step, "step")));
	putchar('\n');
	json_array_foreach (study->passes, i, pass) {
		printf("caches in one pass: %s", json_string_value(json_object_get(pass, "model")));
		json_array_foreach (json_object_get(pass, "conditions"), j, name)
			printf("%s %s", j ? "," : "", json_string_value(name));
		putchar('\n');
	}
	printf("\n%zu steps, %zu of them done; caches at most %s at a time; memory budget %s; "
	       "about %.0f min to go\n",
	       study->steps_all, study->steps_done, ps_size_format((size_t)study->disk_peak, disk),
	       ps_size_format(study->s->memory_bytes, memory), seconds / 60);
}

static json_t *counts_json(const ps_study *study)
{
	size_t runs = 0, conditions = 0;

	for (size_t i = 0; i < study->f->models_count; i++) {
		runs += study->runs[i].condition_count;
		conditions += study->runs[i].condition_count - 1;
	}
	return json_pack("{s:I, s:I, s:I, s:I}", "runs", (json_int_t)runs, "conditions",
			 (json_int_t)conditions, "steps", (json_int_t)study->steps_all,
			 "steps_done_before", (json_int_t)study->steps_done);
}

static int finish_dry_run(ps_study *study, json_t **result)
{
	double rate = 0;
	int rc = ps_probe_product(study->s, &rate);

	if (rc)
		return rc;
	study->disk_peak = cache_bytes(study, false);
	print_listing(study, study->flops / (rate * USUAL_SHARE));
	*result = counts_json(study);
	json_object_update_new(*result, json_pack("{s:I, s:I, s:f, s:O, s:O}", "disk_bytes",
						  (json_int_t)study->disk_peak, "memory_bytes",
						  (json_int_t)study->s->memory_bytes, "seconds",
						  study->flops / (rate * USUAL_SHARE), "listing",
						  study->listing, "cache_passes", study->passes));
	return 0;
}

static int finish_study(ps_study *study, json_t **result)
{
	char path[PS_STUDY_PATH + 64];
	json_t *results = NULL, *report = NULL;
	int rc = ps_study_results(study, &results);

	if (rc)
		return rc;
	snprintf(path, sizeof path, "%s/results.json", study->args->out);
	rc = ps_file_replace_json(&ps_sys_linux, path, results, &study->s->diag);
	ps_session_stage(study->s, "report");
	if (!rc)
		rc = ps_run_report(study->s, &(ps_report_args){.folder = study->args->out},
				   &report);
	if (!rc) {
		if (!study->s->json && !study->s->quiet)
			ps_results_print(results);
		*result = counts_json(study);
		json_object_set(*result, "report", json_object_get(report, "report"));
	}
	json_decref(report);
	json_decref(results);
	return rc;
}

int ps_run_study(ps_session *s, const ps_study_args *args, json_t **result)
{
	ps_study study = {.s = s, .args = args};
	int rc = ps_study_file_load(&study.f, args->file, &s->diag);

	if (rc)
		return rc;
	rc = open_study(&study);
	if (!rc)
		rc = check_disk(&study);
	for (size_t i = 0; i < study.f->models_count && !rc; i++)
		rc = ps_study_run_all(&study, &study.runs[i]);
	if (!rc)
		rc = args->dry_run ? finish_dry_run(&study, result) : finish_study(&study, result);
	for (size_t i = 0; study.runs && i < study.f->models_count; i++)
		ps_study_run_close(&study.runs[i]);
	free(study.runs);
	json_decref(study.text_digests);
	json_decref(study.listing);
	json_decref(study.passes);
	ps_study_file_free(study.f);
	return rc;
}
