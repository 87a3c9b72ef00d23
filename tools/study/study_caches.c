/* The dense cache stays until the model's last step, a pruned one until its own condition is done. So of the caches
 * that the disk may hold at a time all but one can be pruned ones, made together and then used up one by one. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/checked.h"
#include "io/folder.h"
#include "tools/study/study.h"

uint64_t ps_study_cache_bytes(const ps_study *study, const ps_study_run *run)
{
	return (uint64_t)study->f->cache_tokens *
	       (run->config.width * sizeof(float) + 3 * sizeof(int32_t));
}

size_t ps_study_cache_slots(const ps_study *study, const ps_study_run *run)
{
	uint64_t fit = study->args->disk_bytes / ps_study_cache_bytes(study, run);

	if (study->args->keep_caches)
		return run->condition_count;
	return ps_min_size(ps_max_size((size_t)fit, 2), run->condition_count);
}

/* The conditions whose caches are made in one pass with first's; *count of them. */
static int choose(ps_study *study, ps_study_run *run, ps_study_condition *first,
		  ps_study_condition **group, size_t *count)
{
	size_t most = ps_min_size(ps_study_cache_slots(study, run) -
					  (first->method && !study->args->keep_caches),
				  PS_LIST_MAX);
	int rc = 0;

	group[0] = first;
	*count = 1;
	for (size_t i = (size_t)(first - run->conditions) + 1;
	     i < run->condition_count && *count < most && !rc; i++) {
		bool wanted = false;

		if (!run->conditions[i].cached)
			rc = ps_study_cache_wanted(study, run, &run->conditions[i], &wanted);
		if (wanted)
			group[(*count)++] = &run->conditions[i];
	}
	return rc;
}

static int list_pass(ps_study *study, const ps_study_run *run, ps_study_condition *const *group,
		     size_t count)
{
	json_t *names = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(names, json_string(group[i]->name));
	return json_array_append_new(study->passes, json_pack("{s:s, s:o}", "model",
							      run->spec->name, "conditions", names))
		       ? ps_fail(&study->s->diag, PS_EBUDGET, "no memory for the listing")
		       : 0;
}

struct paths {
	char mask[PS_STUDY_PATH + 64], out[PS_STUDY_PATH + 64];
};

static int run_pass(ps_study *study, const ps_study_run *run, ps_study_condition *const *group,
		    size_t count, struct paths *paths)
{
	ps_cache_args args = {
		.model = run->spec->path,
		.tokens = run->tokens_path,
		.dtype = "f32",
		.order = "sequence",
		.layers = {1, {run->spec->layer}},
		.variant_count = count,
		.replace = true /* in our own folder it is an earlier form of this study */};
	json_t *result = NULL;
	char stage[160];
	int rc;

	for (size_t i = 0; i < count; i++)
		args.variants[i] =
			(ps_cache_variant){ps_study_mask_path(group[i], paths[i].mask),
					   ps_study_path(group[i], "cache", paths[i].out)};
	if (count > 1)
		snprintf(stage, sizeof stage, "%s %s and %zu more", run->spec->name, group[0]->name,
			 count - 1);
	else
		snprintf(stage, sizeof stage, "%s %s", run->spec->name, group[0]->name);
	ps_session_stage(study->s, stage);
	rc = ps_run_cache(study->s, &args, &result);
	json_decref(result);
	return rc;
}

/* Fewer at a time where the memory is not enough for all; nothing has been written then. */
static int run_passes(ps_study *study, const ps_study_run *run, ps_study_condition **group,
		      size_t *count)
{
	struct paths *paths = calloc(*count, sizeof *paths);
	int rc = paths ? PS_EBUDGET
		       : ps_fail(&study->s->diag, PS_EFAILED, "no memory for %zu paths", *count);

	for (; rc == PS_EBUDGET; *count = (*count + 1) / 2) {
		study->s->diag = (ps_diag){{0}};
		rc = run_pass(study, run, group, *count, paths);
		if (rc != PS_EBUDGET || *count == 1)
			break;
	}
	free(paths);
	return rc;
}

int ps_study_caches_make(ps_study *study, ps_study_run *run, ps_study_condition *c)
{
	ps_study_condition *group[PS_LIST_MAX];
	size_t count;
	int rc = c->cached ? 0 : choose(study, run, c, group, &count);

	if (rc || c->cached)
		return rc;
	rc = study->args->dry_run ? list_pass(study, run, group, count)
				  : run_passes(study, run, group, &count);
	for (size_t i = 0; i < count && !rc; i++)
		group[i]->cached = true;
	return rc;
}

int ps_study_cache_remove(ps_study *study, ps_study_condition *c)
{
	char path[PS_STUDY_PATH + 64];

	if (study->args->keep_caches || study->args->dry_run)
		return 0;
	c->cached = false;
	return ps_folder_remove(&ps_sys_linux, ps_study_path(c, "cache", path), &study->s->diag);
}
