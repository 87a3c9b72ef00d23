#include "tools/study/execute.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "io/folder.h"
#include "tools/engine/engine.h"
#include "tools/run/belonging.h"
#include "tools/run/progress_line.h"
#include "tools/study/claim.h"
#include "tools/study/cost.h"
#include "tools/study/inputs.h"
#include "tools/study/recording.h"
#include "tools/study/standing.h"

enum { POLL_MS = 500 }; /* between two looks at what other processes have done */

/* Claimed by the process that looks for room for a cache. */
#define ROOM "study/all/room"
/* Claimed by the process that sorts rows, if --disk limits what that takes. */
#define SORT "study/all/sort"

struct execution {
	ps_graph *graph;
	const ps_execute_options *options;
	ps_claims *claims;
	ps_claim_holder other; /* who holds a step that could be done now; empty: nobody */
	bool crowded;          /* more caches lie there than may, and no other step can run */
	bool waiting;          /* the user has been told that this process waits */
};

/* Nodes that one call carries out. */
struct batch {
	ps_node *node[PS_LIST_MAX];
	json_t *result[PS_LIST_MAX];
	size_t count;
};

/* Reads again the records that other processes may have written or removed meanwhile. A summary of
 * records may have become an old one. */
static int look_around(struct execution *e)
{
	ps_graph *g = e->graph;
	int rc = 0;

	for (size_t i = 0; i < g->count && !rc; i++) {
		ps_node *n = &g->nodes[i];

		if (n->state != PS_NODE_DONE || n->kind->transient || !n->kind->arguments)
			rc = ps_graph_look(g, n);
	}
	return rc;
}

/* --- caches on disk --- */

size_t ps_execute_cache_slots(const ps_graph *g, const ps_graph_model *m,
			      const ps_execute_options *o)
{
	uint64_t fit = o->disk_bytes / ps_graph_cache_bytes(g, m);

	if (o->keep_caches)
		return m->cache_count;
	return ps_min_size(ps_max_size((size_t)fit, 2), m->cache_count);
}

static size_t live_caches(const ps_graph *g, const ps_graph_model *m)
{
	size_t count = 0;

	for (size_t i = 0; i < m->cache_count; i++)
		count += ps_graph_on_disk(&g->nodes[m->conditions[i].cache]);
	return count;
}

/* Whether the disk may hold this cache too. Caches of other models count only if --disk limits the
 * sum. Then a model that has one cache keeps room for a second one. */
static bool has_room(const struct execution *e, const ps_node *n)
{
	const ps_graph *g = e->graph;
	const ps_graph_model *own = &g->models[n->model];
	const size_t live = live_caches(g, own);
	/* A cache that lies there unfinished needs no further room. */
	const size_t more = ps_graph_on_disk(n) ? 0 : 1;
	uint64_t others = 0;

	if (e->options->keep_caches || e->crowded)
		return true;
	if (live + more > ps_execute_cache_slots(g, own, e->options))
		return false;
	for (size_t i = 0; i < g->file->models_count && e->options->disk_bytes; i++)
		if (&g->models[i] != own)
			others += live_caches(g, &g->models[i]) *
				  ps_graph_cache_bytes(g, &g->models[i]);
	return !others || others + ps_max_size(live + more, 2) * ps_graph_cache_bytes(g, own) <=
				  e->options->disk_bytes;
}

/* Whether something of a cache is there. A record may be without its cache. */
static bool is_left(const ps_node *n)
{
	return n->past || n->damaged || ps_graph_on_disk(n);
}

/* Removes a cache that no step will read. Its record goes first, because it would be wrong without
 * the cache. */
static int remove_cache(struct execution *e, ps_node *n)
{
	ps_diag *diag = &e->graph->session->diag;
	ps_claim_holder holder;
	bool taken;
	int rc = ps_claim_take(e->claims, n->id, &taken, &holder, diag);

	if (rc || !taken)
		return rc;
	if (unlink(n->record) && errno != ENOENT)
		rc = ps_fail_errno(diag, errno, "%s: cannot be removed", n->record);
	if (!rc)
		rc = ps_folder_remove(&ps_sys_linux, n->output, diag);
	ps_claim_release(e->claims, n->id);
	return rc ? rc : ps_graph_look(e->graph, n);
}

/* Removes the caches that no step will read. Other processes may have done their readers meanwhile,
 * so it looks at the records anew. Otherwise no process might see that it was the last. */
static int remove_unread(struct execution *e)
{
	ps_graph *g = e->graph;
	bool looked = false;
	int rc = 0;

	for (size_t i = 0; i < g->count && !rc && !e->options->keep_caches; i++) {
		ps_node *n = &g->nodes[i];

		if (!n->kind->transient || !is_left(n))
			continue;
		if (!looked)
			rc = look_around(e);
		looked = true;
		if (!rc && !ps_graph_is_read(g, n))
			rc = remove_cache(e, n);
	}
	return rc;
}

/* --- choosing --- */

/* Claims a node that is not done. */
static int claim_step(struct execution *e, ps_node *n, bool *taken)
{
	ps_graph *g = e->graph;
	ps_claim_holder holder = {0};
	int rc;

	rc = ps_claim_take(e->claims, n->id, taken, &holder, &g->session->diag);
	if (rc)
		return rc;
	if (!*taken) {
		e->other = holder;
		return 0;
	}
	if (holder.took_over)
		ps_progress_say("%s: taken over from process %ld on %s, which is gone", n->id,
				holder.pid, holder.host);
	/* Another process may have done it between the last look and the claim. */
	rc = ps_graph_look(g, n);
	if (rc || n->state == PS_NODE_DONE) {
		ps_claim_release(e->claims, n->id);
		*taken = false;
	}
	return rc;
}

/* Makes the folder of a cache if the disk has room for the cache. No other process looks for room
 * meanwhile. So the next one that looks sees the folder. */
static int take_room(struct execution *e, const ps_node *n, bool *taken)
{
	ps_diag *diag = &e->graph->session->diag;
	ps_claim_holder holder;
	int rc = ps_claim_take(e->claims, ROOM, taken, &holder, diag);

	if (rc || !*taken)
		return rc;
	*taken = has_room(e, n);
	if (*taken)
		rc = ps_folder_make(&ps_sys_linux, n->output, diag);
	ps_claim_release(e->claims, ROOM);
	return rc;
}

/* Claims the node if it is wanted and can be done now. */
static int try_claim(struct execution *e, ps_node *n, bool *taken)
{
	int rc;

	*taken = false;
	if (!ps_graph_wanted(e->graph, n) || ps_graph_missing(e->graph, n))
		return 0;
	rc = ps_standing_check_node(e->graph, e->options, n);
	if (rc)
		return rc;
	rc = claim_step(e, n, taken);
	if (rc || !*taken || !n->kind->transient)
		return rc;
	rc = take_room(e, n, taken);
	if (rc || !*taken)
		ps_claim_release(e->claims, n->id);
	return rc;
}

/* Whether the batch leaves further steps to others. Sharing a read of a cache saves less than
 * another process saves by training meanwhile. */
static bool leaves_the_rest(const struct execution *e, const struct batch *batch)
{
	return batch->count == batch->node[0]->kind->batch_max ||
	       (e->other.step[0] && batch->node[0]->kind->step == PS_STEP_TRAIN);
}

static int choose(struct execution *e, struct batch *batch)
{
	ps_graph *g = e->graph;
	int rc = 0;

	*batch = (struct batch){.count = 0};
	e->other = (ps_claim_holder){0};
	for (size_t i = 0; i < g->count && !rc; i++) {
		ps_node *n = &g->nodes[i], *first = batch->count ? batch->node[0] : n;
		bool taken;

		if (!ps_step_shares(n, first))
			continue;
		rc = try_claim(e, n, &taken);
		if (taken)
			batch->node[batch->count++] = n;
		if (batch->count && leaves_the_rest(e, batch))
			break;
	}
	return rc;
}

/* --- carrying out --- */

static void release(struct execution *e, struct batch *batch, size_t from)
{
	for (size_t i = from; i < batch->count; i++) {
		/* The folder of a cache that was not begun goes, and gives its room back. */
		if (batch->node[i]->kind->transient)
			rmdir(batch->node[i]->output);
		ps_claim_release(e->claims, batch->node[i]->id);
		json_decref(batch->result[i]);
		batch->result[i] = NULL;
	}
	batch->count = ps_min_size(batch->count, from);
}

/* Writes the number of the result that its kind shows: "fvu 0.0512". NULL: there is none. */
static const char *headline(const ps_node *n, const json_t *result, char *out, size_t size)
{
	const json_t *value = n->kind->headline ? json_object_get(result, n->kind->headline) : NULL;

	if (json_is_integer(value))
		snprintf(out, size, "%s %lld", n->kind->headline,
			 (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(out, size, "%s %.4g", n->kind->headline, json_real_value(value));
	else
		return NULL;
	return out;
}

static int make_folders(const ps_graph *g, const ps_node *n)
{
	char folder[PATH_MAX];
	int rc =
		ps_folder_make(&ps_sys_linux, ps_path_folder(n->record, folder), &g->session->diag);

	if (!rc && n->output)
		rc = ps_folder_make(&ps_sys_linux, ps_path_folder(n->output, folder),
				    &g->session->diag);
	return rc;
}

static int record(struct execution *e, ps_node *n, json_t *result)
{
	ps_graph *g = e->graph;
	bool held;
	int rc = ps_claim_held(e->claims, n->id, &held, &g->session->diag);

	if (rc)
		return rc;
	if (!held)
		return ps_fail(
			&g->session->diag, PS_EFAILED,
			"%s: another process took the step over, as if this one were dead: its "
			"result is left to that process",
			n->id);
	rc = ps_inputs_check(g, n);
	if (!rc)
		rc = ps_recording_write(g, n, result);
	if (!rc)
		rc = ps_graph_look(g, n);
	if (!rc && n->state != PS_NODE_DONE)
		rc = ps_fail(&g->session->diag, PS_EFAILED, "%s: it was made, and yet: %s", n->id,
			     n->fault);
	return rc;
}

static void announce(const struct execution *e, const struct batch *batch, char *name, size_t size)
{
	const ps_graph *g = e->graph;
	ps_progress_step step = {.name = name, .number = ps_graph_done(g) + 1, .total = g->count};

	if (batch->count > 1)
		snprintf(name, size, "%s and %zu more", batch->node[0]->id, batch->count - 1);
	else
		snprintf(name, size, "%s", batch->node[0]->id);
	ps_cost_expect(g, batch->node, batch->count, &step.seconds, &step.rest_seconds);
	ps_progress_step_begin(&step);
}

/* Lets a training sort rows, unless another process does that in the disk that is meant for it. */
static int take_sort(const struct execution *e, const struct batch *batch, bool *taken)
{
	const ps_execute_options *o = e->options;
	ps_claim_holder holder;
	int rc = 0;

	*taken = false;
	e->graph->sort_bytes = o->sort_bytes;
	if (!o->disk_bytes || !o->sort_bytes || batch->node[0]->kind->step != PS_STEP_TRAIN)
		return 0;
	rc = ps_claim_take(e->claims, SORT, taken, &holder, &e->graph->session->diag);
	if (!*taken)
		e->graph->sort_bytes = 0;
	return rc;
}

/* Calls the command, with the budget that graph and records leave. */
static int call(const struct execution *e, struct batch *batch)
{
	ps_graph *g = e->graph;
	const size_t budget = g->session->memory_bytes, excess = ps_graph_excess(g);
	bool sorts;
	int rc = take_sort(e, batch, &sorts);

	if (rc)
		return rc;
	g->session->memory_bytes = budget > excess ? budget - excess : 1;
	rc = batch->node[0]->kind->run(g, batch->node, batch->count, batch->result);
	g->session->memory_bytes = budget;
	if (sorts)
		ps_claim_release(e->claims, SORT);
	return rc;
}

static void forget_results(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		json_decref(batch->result[i]);
		batch->result[i] = NULL;
	}
}

/* If memory is too small for all nodes, half of them are tried; and if one of them fails, so that
 * the others are done all the same. What has been written by then is found again. */
static int run_batch(struct execution *e, struct batch *batch)
{
	int rc;

	ps_session_forget(e->graph->session);
	rc = call(e, batch);
	while ((rc == PS_EBUDGET || rc == PS_EFAILED) && batch->count > 1) {
		e->graph->session->diag = (ps_diag){{0}};
		forget_results(batch);
		release(e, batch, (batch->count + 1) / 2);
		rc = call(e, batch);
	}
	return rc;
}

/* Prepares the nodes of a batch. *ready false: an input has to be made anew first. */
static int prepare(struct execution *e, struct batch *batch, bool *ready)
{
	ps_graph *g = e->graph;
	int rc = 0;

	*ready = true;
	for (size_t i = 0; i < batch->count && !rc && *ready; i++) {
		rc = make_folders(g, batch->node[i]);
		if (!rc)
			rc = ps_inputs_look(g, batch->node[i], ready);
	}
	for (size_t i = 0; i < batch->count && !rc && *ready; i++) {
		const ps_node *n = batch->node[i];

		if (*n->fault)
			ps_session_say(g->session, "%s: %s: it is made anew", n->id, n->fault);
		rc = ps_standing_clear(g, n);
	}
	return rc;
}

static int run_and_record(struct execution *e, struct batch *batch)
{
	ps_graph *g = e->graph;
	const double started = ps_clock();
	char name[256], number[64];
	int rc;

	announce(e, batch, name, sizeof name);
	rc = run_batch(e, batch);
	for (size_t i = 0; i < batch->count && !rc; i++)
		rc = record(e, batch->node[i], batch->result[i]);
	if (rc)
		return rc;
	ps_progress_step_end(headline(batch->node[0], batch->result[0], number, sizeof number));
	ps_cost_note(g, batch->node, batch->count, ps_clock() - started);
	return 0;
}

static int carry_out(struct execution *e, struct batch *batch)
{
	bool ready;
	int rc = prepare(e, batch, &ready);

	if (!rc && ready)
		rc = run_and_record(e, batch);
	release(e, batch, 0);
	return rc ? rc : remove_unread(e);
}

/* --- waiting for other processes --- */

static int wait_for_others(struct execution *e)
{
	const ps_context *context = &e->graph->session->context;

	if (!e->waiting)
		ps_progress_say("waiting for %s, which process %ld on %s is at", e->other.step,
				e->other.pid, e->other.host);
	e->waiting = true;
	usleep(POLL_MS * 1000);
	return ps_progress_check(context);
}

static bool anything_wanted(const ps_graph *g)
{
	for (size_t i = 0; i < g->count; i++)
		if (ps_graph_wanted(g, &g->nodes[i]))
			return true;
	return false;
}

static int open_claims(struct execution *e)
{
	const ps_graph *g = e->graph;
	const char *folder = ps_graph_text(e->graph, "%s/locks", g->out);

	if (!folder)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for a path");
	return ps_claims_open(&e->claims, folder, &g->session->diag);
}

/* Whether a cache, the record of one, or a lock lies in the study's folder. */
static bool is_untidy(ps_graph *g)
{
	const char *locks = ps_graph_text(g, "%s/locks", g->out);

	for (size_t i = 0; i < g->count; i++)
		if (g->nodes[i].kind->transient && is_left(&g->nodes[i]))
			return true;
	return locks && !access(locks, F_OK);
}

static bool nobody_at_work(const struct execution *e)
{
	return !e->other.step[0];
}

/* Nothing can run, and nobody is at work: caches that other runs have left take all the room. One
 * more is made, so that its readers can run and the caches go. */
static int make_room(struct execution *e)
{
	if (e->crowded)
		return ps_fail(&e->graph->session->diag, PS_EFAILED,
			       "%s: no step can run; --clean removes what earlier studies left",
			       e->graph->out);
	e->crowded = true;
	ps_session_say(e->graph->session,
		       "%s: more activation caches lie there than should at a time", e->graph->out);
	return 0;
}

/* Removes what killed processes have left: caches that no step will read, and locks once all is
 * done. */
static int tidy_up(struct execution *e)
{
	int rc = remove_unread(e);

	if (!rc && !anything_wanted(e->graph))
		ps_claims_sweep(e->claims);
	return rc;
}

int ps_execute_all(ps_graph *g, const ps_execute_options *o)
{
	struct execution e = {.graph = g, .options = o};
	int rc;

	if (!anything_wanted(g) && !is_untidy(g))
		return 0;
	rc = open_claims(&e);
	if (!rc)
		rc = remove_unread(&e);
	while (!rc && anything_wanted(g)) {
		struct batch batch;

		rc = look_around(&e);
		if (!rc)
			rc = choose(&e, &batch);
		if (rc)
			break;
		if (batch.count) {
			rc = carry_out(&e, &batch);
			e.waiting = e.crowded = false;
		} else if (anything_wanted(g)) {
			rc = nobody_at_work(&e) ? make_room(&e) : wait_for_others(&e);
		}
	}
	if (!rc)
		rc = tidy_up(&e);
	ps_claims_close(e.claims);
	return rc;
}

/* --- one step --- */

static int missing_input(const ps_graph *g, const ps_node *n, const ps_node *input)
{
	if (input->state == PS_NODE_CHANGED)
		return ps_fail(&g->session->diag, PS_EINPUT,
			       "%s reads %s, which is not what was made: %s (--only %s --force "
			       "makes it anew)",
			       n->id, input->output, input->fault, input->id);
	return ps_fail(&g->session->diag, PS_EINPUT,
		       "%s reads %s, which is %s: do that step first (--only %s)", n->id,
		       input->output ? input->output : input->record,
		       input->state == PS_NODE_STALE ? "of other inputs" : "not there", input->id);
}

static int claim_waiting(struct execution *e, ps_node *n)
{
	bool taken = false;
	int rc = 0;

	while (!rc && !taken) {
		rc = ps_claim_take(e->claims, n->id, &taken, &e->other, &e->graph->session->diag);
		if (!rc && !taken)
			rc = wait_for_others(e);
	}
	return rc ? rc : ps_graph_look(e->graph, n);
}

/* The step is done, or is a cache that no step will read. The claims are opened only where there
 * is something to tidy up: the folder may be read-only by now. */
static int leave_alone(struct execution *e, const ps_node *n)
{
	ps_graph *g = e->graph;
	int rc;

	ps_session_say(g->session, "%s %s", n->id,
		       n->state == PS_NODE_DONE ? "is done already"
						: "is not needed: what reads it is done");
	if (!is_untidy(g))
		return 0;
	rc = open_claims(e);
	return rc ? rc : tidy_up(e);
}

static int claim_and_do(struct execution *e, ps_node *n)
{
	struct batch batch = {.node = {n}, .count = 1};
	int rc = open_claims(e);

	if (!rc)
		rc = claim_waiting(e, n);
	if (!rc && n->state != PS_NODE_DONE)
		rc = carry_out(e, &batch);
	if (!rc && n->state != PS_NODE_DONE && ps_graph_missing(e->graph, n))
		rc = missing_input(e->graph, n, ps_graph_missing(e->graph, n));
	return rc ? rc : tidy_up(e);
}

int ps_execute_only(ps_graph *g, ps_node *n, const ps_execute_options *o)
{
	struct execution e = {.graph = g, .options = o};
	const ps_node *input = ps_graph_missing(g, n);
	int rc;

	if (n->state == PS_NODE_DONE || (!o->keep_caches && !ps_graph_wanted(g, n)))
		rc = leave_alone(&e, n);
	else if (input)
		rc = missing_input(g, n, input);
	else
		rc = claim_and_do(&e, n);
	ps_claims_close(e.claims);
	return rc;
}
