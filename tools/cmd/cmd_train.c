/* train: SAEs from an activation cache. The same command again resumes them, bit for bit.
 *
 * There is an SAE for each combination of the widths, ks and seeds asked for (ps_train_job). Those
 * that take the same batches and fit the budget together form a group, which is trained side by
 * side from one read of the data (sae/trainers.h). Those that are left form the next group. Groups
 * change how often the data are read, never a bit of an SAE. A study asks for the SAEs of several
 * of its steps at once. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "sae/trainers.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/result.h"
#include "tools/run/belonging.h"
#include "tools/run/code_version.h"
#include "tools/run/progress_line.h"
#include "tools/train/train_args.h"
#include "tools/train/train_data.h"
#include "tools/train/train_job.h"

enum { JOBS_MAX = 256 };

/* SAEs that are trained side by side. */
struct group {
	size_t count;
	ps_train_job *job[JOBS_MAX];
	ps_train_options options[JOBS_MAX];
	ps_trainer *trainer[JOBS_MAX];
	ps_train_step step[JOBS_MAX];
};

struct training {
	ps_session *s;
	const ps_train_args *args; /* (count): they share a read of the data */
	size_t count;
	ps_train_data data;
	ps_sae_about about;
	ps_train_job *jobs;
	size_t job_count;
	struct group *group; /* the present one */
};

/* --- the SAEs asked for --- */

/* NULL when memory ran out. */
static json_t *make_provenance(const struct training *t, const ps_train_options *o)
{
	json_t *options = ps_train_options_json(o);

	if (json_object_update_new(options,
				   json_pack("{s:b, s:I}", "keep_special", t->args[0].keep_special,
					     "hold_out", (json_int_t)t->data.held_out.count))) {
		json_decref(options);
		return NULL;
	}
	return json_pack("{s:s, s:o, s:o, s:i}", "command", "train", "inputs",
			 ps_train_data_inputs(&t->data), "options", options, "code",
			 ps_code_version("train"));
}

/* What the SAEs of a command differ in. */
struct choices {
	int64_t width[PS_LIST_MAX], k[PS_LIST_MAX];
	ps_int_list seeds;
	size_t widths, ks;
};

/* Names the job by what varies among the SAEs, such as "d-4096-k-32-seed-7". A single SAE has an
 * empty name. */
static void name_job(const struct choices *c, ps_train_job *job)
{
	const ps_train_options *o = &job->options;
	char *name = job->name;
	const size_t size = sizeof job->name;

	if (c->widths > 1)
		snprintf(name, size, "-d-%zu", o->d_sae);
	if (c->ks > 1)
		snprintf(name + strlen(name), size - strlen(name), "-k-%zu", o->k);
	if (c->seeds.count > 1)
		snprintf(name + strlen(name), size - strlen(name), "-seed-%llu",
			 (unsigned long long)o->init_seed);
	if (*name)
		memmove(name, name + 1, strlen(name));
}

static int make_job(struct training *t, const ps_train_args *args, const struct choices *c,
		    int64_t width, int64_t k, int64_t seed)
{
	ps_train_job *job = &t->jobs[t->job_count++];
	int rc = ps_train_options_make(args, t->data.source.width, t->data.rows.count,
				       (size_t)width, (size_t)k, &job->options, &t->s->diag);

	job->args = args;
	if (rc)
		return rc;
	rc = ps_train_data_check_batch(&t->data, ps_train_batch_rows(&job->options), &t->s->diag);
	if (rc)
		return rc;
	job->options.init_seed = (uint64_t)seed;
	job->options.data_seed = (uint64_t)(args->data_seed < 0 ? seed : args->data_seed);
	job->provenance = make_provenance(t, &job->options);
	rc = ps_json_check(job->provenance, &t->s->diag);
	if (!rc)
		rc = ps_session_note_mismatches(t->s, job->provenance, &t->s->diag);
	if (rc)
		return rc;
	name_job(c, job);
	if (snprintf(job->path, sizeof job->path, "%s%s%s", args->out, *job->name ? "/" : "",
		     job->name) >= (int)sizeof job->path)
		return ps_fail_errno(&t->s->diag, ENAMETOOLONG, "%.60s...", args->out);
	return 0;
}

static int check_seeds(const ps_int_list *seeds, ps_diag *diag)
{
	for (size_t i = 0; i < seeds->count; i++) {
		if (seeds->item[i] < 0)
			return ps_fail(diag, PS_EUSAGE, "--seed must not be negative");
		for (size_t j = 0; j < i; j++)
			if (seeds->item[j] == seeds->item[i])
				return ps_fail(diag, PS_EUSAGE, "--seed %lld is given twice",
					       (long long)seeds->item[i]);
	}
	return 0;
}

static int read_choices(const struct training *t, const ps_train_args *args, struct choices *c)
{
	int widths = ps_train_widths(args, t->data.source.width, c->width, &t->s->diag), ks, rc;

	if (widths < 0)
		return widths;
	ks = ps_train_ks(args, c->k, &t->s->diag);
	if (ks < 0)
		return ks;
	c->widths = (size_t)widths;
	c->ks = (size_t)ks;
	c->seeds = args->seeds;
	rc = check_seeds(&c->seeds, &t->s->diag);
	if (!c->seeds.count)
		c->seeds = (ps_int_list){1, {0}};
	return rc;
}

/* The SAEs of all commands; negative: a code. */
static int count_jobs(const struct training *t)
{
	size_t jobs = 0;

	for (size_t i = 0; i < t->count; i++) {
		struct choices c;
		int rc = read_choices(t, &t->args[i], &c);

		if (rc)
			return rc;
		jobs += c.widths * c.ks * c.seeds.count;
	}
	if (jobs > JOBS_MAX)
		return ps_fail(&t->s->diag, PS_EUSAGE,
			       "%zu SAEs are asked for, at most %d at a time", jobs, JOBS_MAX);
	return (int)jobs;
}

/* The SAEs of one command. */
static int make_jobs_of(struct training *t, const ps_train_args *args)
{
	struct choices c;
	int rc = read_choices(t, args, &c);

	for (size_t w = 0; !rc && w < c.widths; w++)
		for (size_t k = 0; k < c.ks; k++)
			for (size_t i = 0; i < c.seeds.count && !rc; i++)
				rc = make_job(t, args, &c, c.width[w], c.k[k], c.seeds.item[i]);
	return rc;
}

static int make_jobs(struct training *t)
{
	int count = count_jobs(t), rc = 0;

	if (count < 0)
		return count;
	t->jobs = calloc((size_t)count, sizeof *t->jobs);
	t->group = calloc(1, sizeof *t->group);
	if (!t->jobs || !t->group)
		return ps_fail(&t->s->diag, PS_EBUDGET, "no memory for the list of SAEs");
	for (size_t i = 0; i < t->count && !rc; i++)
		rc = make_jobs_of(t, &t->args[i]);
	return rc;
}

/* --- memory --- */

/* The memory of a group. */
struct group_plan {
	ps_plan parts;
	size_t outside_bytes; /* of parts that lie outside the arena */
	ps_train_reading reading;
};

static struct group_plan plan_group(const struct training *t, const struct group *g)
{
	const ps_session *s = t->s;
	const size_t width = t->data.source.width;
	struct group_plan p = {.parts = {.limit_bytes = s->memory_bytes},
			       .reading = {.backend = s->backend, .options = g->options}};
	ps_plan *plan = &p.parts;
	size_t finish = 0;

	ps_plan_add(plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_train_data_plan(&t->data, plan);
	ps_plan_add(plan, "list of SAEs", t->job_count * sizeof *t->jobs + sizeof *t->group);
	p.outside_bytes = plan->total_bytes;
	for (size_t i = 0; i < g->count; i++)
		finish = ps_max_size(finish,
				     ps_train_job_finish_bytes(g->job[i], width, s->threads));
	ps_plan_add(plan, "rows read ahead", ps_train_data_ahead_bytes(&t->data, &p.reading));
	ps_plan_add(plan, g->count > 1 ? "trainers" : "trainer",
		    ps_trainers_bytes(width, g->options, g->count, s->threads));
	ps_plan_add(plan, "trained SAE and its evaluation", finish);
	if (plan->total_bytes >= plan->limit_bytes)
		return p;
	p.reading.spare_bytes = plan->limit_bytes - plan->total_bytes;
	ps_plan_add(plan, "rows sorted into their order",
		    ps_train_data_sort_bytes(&t->data, &p.reading));
	return p;
}

static void group_add(struct group *g, ps_train_job *job)
{
	g->job[g->count] = job;
	g->options[g->count++] = job->options;
}

/* PS_EBUDGET unless each SAE fits the budget by itself. Checked before anything is written. */
static int check_memory(const struct training *t)
{
	ps_plan largest = {0};

	for (size_t i = 0; i < t->job_count; i++) {
		struct group_plan plan;

		t->group->count = 0;
		group_add(t->group, &t->jobs[i]);
		plan = plan_group(t, t->group);
		if (plan.parts.total_bytes > largest.total_bytes)
			largest = plan.parts;
	}
	return ps_plan_check(&largest, &t->s->diag);
}

/* --- training --- */

/* Whether the group may take the job: it takes the same batches, and all of them fit the budget. */
static bool admits(const struct training *t, struct group *g, ps_train_job *job)
{
	struct group_plan plan;

	if (!g->count)
		return true;
	if (!ps_trainers_agree(&g->options[0], &job->options))
		return false;
	group_add(g, job);
	plan = plan_group(t, g);
	g->count--;
	return plan.parts.total_bytes <= plan.parts.limit_bytes;
}

/* Forms the next group, in the order asked for, and begins the folders of its SAEs. */
static int form_group(struct training *t)
{
	struct group *g = t->group;

	g->count = 0;
	for (size_t i = 0; i < t->job_count; i++) {
		ps_train_job *job = &t->jobs[i];
		int rc;

		if (job->over || !admits(t, g, job))
			continue;
		rc = ps_train_job_begin(job, t->s);
		if (rc)
			return rc;
		if (job->over)
			ps_train_job_close(job);
		else
			group_add(g, job);
	}
	return 0;
}

/* Shows the measures of the last step beside the progress; of several SAEs the least and the
 * largest error. */
static void note_measures(const struct group *g)
{
	double low = 1e300, high = 0;
	const ps_train_step *only = &g->step[0];
	char text[96];

	for (size_t i = 0; i < g->count; i++) {
		if (!g->step[i].step)
			continue;
		low = g->step[i].fvu < low ? g->step[i].fvu : low;
		high = g->step[i].fvu > high ? g->step[i].fvu : high;
	}
	if (g->count == 1 && isnan(g->job[0]->checked_fvu))
		snprintf(text, sizeof text, "FVU %.4f, L0 %.1f, dead %.1f %%", only->fvu, only->l0,
			 100 * only->dead_fraction);
	else if (g->count == 1)
		snprintf(text, sizeof text, "FVU %.4f, held out %.4f, L0 %.1f, dead %.1f %%",
			 only->fvu, g->job[0]->checked_fvu, only->l0, 100 * only->dead_fraction);
	else
		snprintf(text, sizeof text, "%zu SAEs, FVU %.4f to %.4f", g->count, low, high);
	ps_progress_note(text);
}

/* Puts the name of the SAE that failed in front of the message. A failure to read concerns all of
 * them. */
static int name_fault(const struct training *t, int fault)
{
	const struct group *g = t->group;
	const ps_diag diag = t->s->diag;
	const uint64_t done = ps_trainers_done(g->trainer, g->count);
	size_t at = 0;

	if (g->count == 1 || fault != PS_EFAILED)
		return fault;
	while (ps_trainer_done(g->trainer[at]) > done)
		at++;
	t->s->diag.text[0] = 0;
	return ps_fail(&t->s->diag, fault, "%s: %s", ps_train_job_label(g->job[at]), diag.text);
}

/* Saves the state of all that are not finished. Returns rc, or why they could not be saved. */
static int save_states(const struct training *t, int rc)
{
	for (size_t i = 0; i < t->group->count; i++) {
		ps_train_job *job = t->group->job[i];
		int saved = job->over ? 0 : ps_train_job_save(job, &t->s->diag);

		if (saved)
			return saved;
	}
	return rc;
}

static int log_steps(const struct training *t, ps_arena *arena)
{
	const struct group *g = t->group;
	const double now = ps_clock();
	int rc = 0;

	for (size_t i = 0; i < g->count && !rc; i++)
		if (g->step[i].step)
			rc = ps_train_job_note(g->job[i], t->s, &t->data, &g->step[i], now, arena);
	return rc;
}

/* One step of the group, shown and logged. When one SAE fails, the steps that the others did are
 * still logged. */
static int train_step(struct training *t, uint64_t done, ps_arena *arena)
{
	struct group *g = t->group;
	const uint64_t batch = ps_train_batch_rows(&g->options[0]);
	int rc = ps_trainers_step(g->trainer, g->count, g->step), logged;

	if (rc)
		rc = name_fault(t, rc);
	logged = log_steps(t, arena);
	if (rc || logged)
		return rc ? rc : logged;
	note_measures(g);
	ps_progress_tick(&t->s->context, "training", "tok", (done + 1) * batch,
			 ps_trainer_steps(&g->options[0]) * batch);
	return ps_progress_check(&t->s->context);
}

static int train_steps(struct training *t, ps_arena *arena)
{
	struct group *g = t->group;
	const uint64_t steps = ps_trainer_steps(&g->options[0]);
	double saved = ps_clock();
	uint64_t done;
	int rc = 0;

	while (!rc && (done = ps_trainers_done(g->trainer, g->count)) < steps) {
		rc = train_step(t, done, arena);
		if (rc || ps_clock() - saved > t->args[0].save_every) {
			rc = save_states(t, rc);
			saved = ps_clock();
		}
	}
	ps_progress_note(NULL);
	return rc;
}

/* Says from which step interrupted training goes on. */
static void say_resumed(const struct training *t)
{
	const struct group *g = t->group;
	const uint64_t steps = ps_trainer_steps(&g->options[0]);
	const ps_train_job *least = g->job[0];
	size_t count = 0;

	for (size_t i = 0; i < g->count; i++) {
		count += g->job[i]->resumed_at > 0;
		if (g->job[i]->resumed_at < least->resumed_at)
			least = g->job[i];
	}
	if (count && g->count == 1)
		ps_session_say(t->s, "%s goes on from step %llu of %llu", least->path,
			       (unsigned long long)least->resumed_at, (unsigned long long)steps);
	else if (count)
		ps_session_say(t->s,
			       "%zu of %zu SAEs go on, the last of them from step %llu of %llu",
			       count, g->count, (unsigned long long)least->resumed_at,
			       (unsigned long long)steps);
}

static int start_trainers(struct training *t, const ps_train_reading *reading, ps_arena *arena,
			  ps_row_source *source)
{
	struct group *g = t->group;
	int rc = ps_train_data_start(&t->data, t->s, reading, ps_folder_path(g->job[0]->folder),
				     arena, source, &t->s->diag);

	if (!rc)
		ps_session_say_backend(t->s, ps_train_data_backend(&t->data));
	if (!rc)
		rc = ps_trainers_create(g->trainer, g->options, g->count, source, &t->data.rows,
					&t->s->context, arena);
	for (size_t i = 0; i < g->count && !rc; i++) {
		g->job[i]->trainer = g->trainer[i];
		rc = ps_train_job_load(g->job[i], t->s);
	}
	if (!rc)
		say_resumed(t);
	return rc;
}

/* Finishes the SAEs one after the other. After an interruption the ones that are left keep their
 * state. */
static int finish_jobs(struct training *t, double seconds, ps_arena *arena)
{
	struct group *g = t->group;
	int rc = 0;

	for (size_t i = 0; i < g->count && !rc; i++) {
		ps_train_job *job = g->job[i];
		const uint64_t steps = ps_trainer_steps(&job->options) - job->resumed_at;

		job->seconds = seconds;
		job->tokens_per_s =
			(double)steps * (double)job->options.batch / (seconds > 0 ? seconds : 1e-9);
		rc = ps_train_job_finish(job, t->s, &t->data, &t->about, arena);
	}
	return rc == PS_EINTERRUPTED ? save_states(t, rc) : rc;
}

/* Says which of several SAEs are under way. */
static void say_group(const struct training *t)
{
	const struct group *g = t->group;

	if (g->count > 1)
		ps_session_say(t->s,
			       "%zu of %zu SAEs side by side, from one read of the data: %s to %s",
			       g->count, t->job_count, ps_train_job_label(g->job[0]),
			       ps_train_job_label(g->job[g->count - 1]));
	else if (t->job_count > 1)
		ps_session_say(t->s, "SAE %zu of %zu: %s", (size_t)(g->job[0] - t->jobs) + 1,
			       t->job_count, ps_train_job_label(g->job[0]));
}

static int train_group(struct training *t)
{
	struct group *g = t->group;
	ps_arena arena = {0};
	ps_row_source source;
	double started;
	const struct group_plan plan = plan_group(t, g);
	int rc = ps_arena_create(&arena, plan.parts.total_bytes - plan.outside_bytes, &t->s->diag);

	if (!rc)
		say_group(t);
	if (!rc)
		rc = start_trainers(t, &plan.reading, &arena, &source);
	started = ps_clock();
	if (!rc)
		rc = train_steps(t, &arena);
	ps_train_data_stop(&t->data, t->s);
	if (!rc)
		rc = finish_jobs(t, ps_clock() - started, &arena);
	if (!rc)
		t->s->told_done = false; /* of some, not of all */
	ps_arena_destroy(&arena);
	return rc;
}

static int train_all(struct training *t)
{
	int rc = check_memory(t);

	while (!rc) {
		rc = form_group(t);
		if (!rc && !t->group->count)
			break;
		if (!rc)
			rc = train_group(t);
		for (size_t i = 0; i < t->job_count; i++)
			ps_train_job_close(&t->jobs[i]);
	}
	return rc;
}

/* The values of the last SAE of a command. Of several, all are listed under "saes"; if they differ
 * in their seed alone, under "seeds" as well. NULL when memory ran out. */
static json_t *result_json(const struct training *t, const ps_train_args *args)
{
	const ps_train_job *last = &t->jobs[0];
	json_t *result, *list = json_array();
	int failed = 0;

	for (size_t i = 0; i < t->job_count; i++) {
		if (t->jobs[i].args != args)
			continue;
		last = &t->jobs[i];
		failed |= json_array_append_new(list, ps_train_job_json(last, &t->data));
	}
	result = ps_train_job_json(last, &t->data);
	failed |= !result;
	if (json_array_size(list) > 1)
		failed |= json_object_set(result, "saes", list);
	if (json_array_size(list) > 1 && !strncmp(last->name, "seed-", 5))
		failed |= json_object_set(result, "seeds", list);
	json_decref(list);
	if (!failed)
		return result;
	json_decref(result);
	return NULL;
}

/* Commands that share a read of the data. */
static int check_share(const struct training *t)
{
	for (size_t i = 1; i < t->count; i++)
		if (!ps_train_args_share(&t->args[0], &t->args[i]))
			return ps_fail(&t->s->diag, PS_EFAILED,
				       "SAEs of %s and %s do not take the same rows in one order",
				       t->args[0].out, t->args[i].out);
	return 0;
}

static int train_and_report(struct training *t, json_t **results)
{
	int rc = make_jobs(t);

	for (size_t i = 0; i < t->job_count && !rc; i++)
		rc = ps_train_job_check(&t->jobs[i], &t->s->diag);
	if (rc)
		return rc;
	ps_train_data_describe(&t->data, &t->about);
	rc = train_all(t);
	for (size_t i = 0; i < t->count && !rc; i++)
		rc = ps_result_set(&results[i], result_json(t, &t->args[i]), &t->s->diag);
	return rc;
}

int ps_run_trains(ps_session *s, const ps_train_args *args, size_t count, json_t **results)
{
	struct training t = {.s = s, .args = args, .count = count};
	int rc = check_share(&t);

	if (!rc)
		rc = ps_train_data_open(&t.data, s, args, &s->diag);
	if (!rc)
		rc = train_and_report(&t, results);
	for (size_t i = 0; i < t.job_count; i++) {
		ps_train_job_close(&t.jobs[i]);
		json_decref(t.jobs[i].provenance);
	}
	free(t.jobs);
	free(t.group);
	ps_train_data_close(&t.data);
	return rc;
}

int ps_run_train(ps_session *s, const ps_train_args *args, json_t **result)
{
	return ps_run_trains(s, args, 1, result);
}
