#include "tools/study/clean.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/json_text.h"
#include "io/file.h"
#include "tools/study/claim.h"

struct cleaning {
	ps_graph *graph;
	ps_claims *claims;
	bool dry;
	size_t files;
	uint64_t bytes;
};

/* Whether path is folder or lies in it. */
static bool within(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return !strncmp(path, folder, length) && (!path[length] || path[length] == '/');
}

/* Whether a node owns the path: it is its record or one of its outputs, lies in its output folder,
 * or is a folder above one of these. */
static bool is_owned(const ps_graph *g, const char *path)
{
	const char *extra;

	for (size_t i = 0; i < g->count; i++) {
		const ps_node *n = &g->nodes[i];

		if (within(n->record, path))
			return true;
		if (n->output && (within(n->output, path) || within(path, n->output)))
			return true;
		for (size_t e = 0; (extra = n->beside[e]); e++)
			if (within(extra, path))
				return true;
	}
	return false;
}

static int remove_tree(struct cleaning *c, const char *path);

/* Calls fn for every entry of a folder. */
static int each_entry(struct cleaning *c, const char *path,
		      int (*fn)(struct cleaning *c, const char *path))
{
	ps_diag *diag = &c->graph->session->diag;
	DIR *folder = ps_sys_opendir(path);
	struct dirent *entry;
	int rc = 0;

	if (!folder)
		return ps_fail_errno(diag, errno, "%s", path);
	while (!rc && (entry = readdir(folder))) {
		char *inner;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (asprintf(&inner, "%s/%s", path, entry->d_name) < 0) {
			rc = ps_fail(diag, PS_EBUDGET, "no memory for a path");
			break;
		}
		rc = fn(c, inner);
		free(inner);
	}
	closedir(folder);
	return rc;
}

static int remove_tree(struct cleaning *c, const char *path)
{
	struct stat st;
	int rc = 0;

	if (lstat(path, &st))
		return ps_fail_errno(&c->graph->session->diag, errno, "%s", path);
	if (S_ISDIR(st.st_mode)) {
		rc = each_entry(c, path, remove_tree);
	} else {
		c->files++;
		c->bytes += (uint64_t)st.st_size;
	}
	if (!rc && !c->dry && remove(path))
		rc = ps_fail_errno(&c->graph->session->diag, errno, "cannot remove %s", path);
	return rc;
}

static int visit(struct cleaning *c, const char *path)
{
	struct stat st;

	if (!is_owned(c->graph, path)) {
		ps_session_say(c->graph->session, "%s %s", c->dry ? "would remove" : "removing",
			       path);
		return remove_tree(c, path);
	}
	if (lstat(path, &st) || !S_ISDIR(st.st_mode))
		return 0;
	for (size_t i = 0; i < c->graph->count; i++)
		if (c->graph->nodes[i].output && !strcmp(c->graph->nodes[i].output, path))
			return 0;
	return each_entry(c, path, visit);
}

/* Claims the step for as long as this process tidies up. */
static int claim(const ps_graph *g, ps_claims *claims, const char *step)
{
	ps_diag *diag = &g->session->diag;
	ps_claim_holder holder;
	bool taken;
	int rc = ps_claim_take(claims, step, &taken, &holder, diag);

	if (rc || taken)
		return rc;
	return ps_fail(diag, PS_EUSAGE,
		       "%s: process %ld on %s is at %s: nothing is removed meanwhile", g->out,
		       holder.pid, holder.host, holder.step);
}

/* Claims the step that a lock's file names, unless this process has it already: a step that the
 * study file names no longer. */
static int claim_foreign(struct cleaning *c, const char *path)
{
	ps_diag *diag = &c->graph->session->diag, fault = {{0}};
	const char *step;
	json_t *lock = NULL;
	char *text;
	size_t length;
	bool held;
	int rc = ps_file_read(&ps_sys_linux, path, PS_CLAIM_BYTES_MAX, &text, &length, &fault);

	if (rc && !ps_file_is_there(path))
		return 0; /* it went meanwhile */
	if (rc)
		return ps_fail(diag, rc, "%s", fault.text);
	rc = ps_json_parse(text, length, path, &lock, &fault);
	free(text);
	if (rc == PS_EBUDGET)
		return ps_fail(diag, rc, "%s", fault.text);
	/* One that is not JSON is of a process that died writing it. */
	step = json_string_value(json_object_get(lock, "step"));
	rc = step ? ps_claim_held(c->claims, step, &held, diag) : 0;
	if (!rc && step && !held)
		rc = claim(c->graph, c->claims, step);
	json_decref(lock);
	return rc;
}

/* Claims every step, so that nobody works in the folder meanwhile: those of the graph, and those
 * that a process with an earlier study file is at. */
static int claim_all(struct cleaning *c, const char *locks)
{
	const ps_graph *g = c->graph;
	int rc = ps_claims_open(&c->claims, locks, &c->graph->session->diag);

	for (size_t i = 0; i < g->count && !rc; i++)
		rc = claim(g, c->claims, g->nodes[i].id);
	return rc ? rc : each_entry(c, locks, claim_foreign);
}

int ps_study_clean(ps_graph *g, bool dry, size_t *files, uint64_t *bytes)
{
	struct cleaning c = {.graph = g, .dry = dry};
	const char *runs = ps_graph_text(g, "%s/runs", g->out);
	const char *locks = ps_graph_text(g, "%s/locks", g->out);
	int rc = 0;

	if (!runs || !locks)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for a path");
	if (ps_file_is_there(runs)) {
		rc = claim_all(&c, locks);
		if (!rc)
			rc = each_entry(&c, runs, visit);
		ps_claims_close(c.claims);
	}
	*files = c.files;
	*bytes = c.bytes;
	return rc;
}
