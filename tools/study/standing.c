#include "tools/study/standing.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analysis/report/report.h"
#include "io/file.h"
#include "io/folder.h"

/* --- what would be replaced --- */

/* Outputs that are not what was made: somebody may have changed them on purpose. */
static int check_changed(const ps_graph *g, const ps_execute_options *o)
{
	const ps_node *first = NULL;
	char more[64] = "";
	size_t count = 0;

	for (size_t i = 0; i < g->count && !o->force; i++) {
		const ps_node *n = &g->nodes[i];

		/* A cache that no step will read is removed anyway. */
		if (n->state != PS_NODE_CHANGED ||
		    (n->kind->transient && !o->keep_caches && !ps_graph_is_read(g, n)))
			continue;
		first = first ? first : n;
		count++;
	}
	if (!count)
		return 0;
	if (count > 1)
		snprintf(more, sizeof more, ", and so do outputs of %zu more steps", count - 1);
	return ps_fail(&g->session->diag, PS_EINPUT,
		       "%s: %s: %s%s: changed after the step was done; --dry-run lists all, "
		       "--force makes them anew",
		       g->out, first->id, first->fault, more);
}

static int check_stale(const ps_graph *g, const ps_execute_options *o)
{
	char names[768] = "", reason[128];
	size_t count = 0;

	for (size_t i = 0; i < g->count && !o->force; i++) {
		const ps_node *n = &g->nodes[i];

		if (n->state != PS_NODE_STALE || n->kind->summary || !ps_graph_wanted(g, n))
			continue;
		if (strlen(names) + strlen(n->id) + sizeof reason < sizeof names && count < 8) {
			ps_graph_reason(g, n, reason, sizeof reason);
			snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s (%s)",
				 count ? ", " : "", n->id, reason);
		} else if (!strstr(names, " ...")) {
			strncat(names, " ...", sizeof names - strlen(names) - 1);
		}
		count++;
	}
	if (!count)
		return 0;
	return ps_fail(&g->session->diag, PS_EUSAGE,
		       "%s: %zu finished step%s would be replaced: %s; --force replaces %s", g->out,
		       count, count == 1 ? "" : "s", names, count == 1 ? "it" : "them");
}

/* Whether one of the marks of this program stands at the beginning of the file. An empty file has
 * nothing that could be lost. PS_EINPUT, PS_EBUDGET: it cannot be read. */
static int look_for_marks(const char *path, const char *const *marks, bool *ours, ps_diag *diag)
{
	char text[1024];
	FILE *file = fopen(path, "r");
	size_t length;

	if (!file)
		return ps_fail_input(diag, errno, "%s", path);
	length = fread(text, 1, sizeof text, file);
	*ours = !length && !ferror(file);
	for (size_t i = 0; marks[i]; i++)
		*ours |= memmem(text, length, marks[i], strlen(marks[i])) != NULL;
	fclose(file);
	return 0;
}

/* Whether somebody else wrote what stands in the place of results.json or report.html. Where the
 * step has a record, it is this study's own, damaged or not. */
static int check_foreign(const ps_graph *g, const ps_node *n)
{
	/* The first key in the order of the alphabet, with and without a checksum. */
	static const char *const results[] = {"{\n  \"checksum\": \"", "{\n  \"comparisons\": [",
					      NULL};
	static const char *const page[] = {PS_REPORT_GENERATOR, NULL};
	bool ours = n->past || n->damaged || !n->output || !ps_file_is_there(n->output);
	int rc = 0;

	if (!ours)
		rc = look_for_marks(n->output, n->kind->step == PS_STEP_REPORT ? page : results,
				    &ours, &g->session->diag);
	if (rc || ours)
		return rc;
	return ps_fail(
		&g->session->diag, PS_EUSAGE,
		"%s: this program did not write it, and the study would replace it (--force)",
		n->output);
}

int ps_standing_check_node(const ps_graph *g, const ps_execute_options *o, const ps_node *n)
{
	if (o->force)
		return 0;
	if (n->kind->summary)
		return check_foreign(g, n);
	if (n->state == PS_NODE_CHANGED)
		return ps_fail(&g->session->diag, PS_EINPUT, "%s: %s (--force makes it anew)",
			       n->id, n->fault);
	if (n->state == PS_NODE_STALE)
		return ps_fail(&g->session->diag, PS_EUSAGE,
			       "%s is finished with other inputs and would be replaced (--force)",
			       n->id);
	return 0;
}

int ps_standing_check(const ps_graph *g, const ps_execute_options *o)
{
	int rc = 0;

	for (size_t i = 0; i < g->count && !rc && !o->force; i++)
		if (g->nodes[i].kind->summary)
			rc = check_foreign(g, &g->nodes[i]);
	if (!rc)
		rc = check_changed(g, o);
	return rc ? rc : check_stale(g, o);
}

/* --- before a step --- */

static int remove_file(const ps_graph *g, const char *path)
{
	if (!unlink(path) || errno == ENOENT)
		return 0;
	return ps_fail_errno(&g->session->diag, errno, "cannot remove %s", path);
}

/* An output that is not the recorded one goes, or its command might take it for its own: of a
 * folder the manifest, without which the command makes all anew. */
static int remove_changed(const ps_graph *g, const ps_node *n)
{
	char manifest[PATH_MAX];

	if (!n->folder)
		return remove_file(g, n->output);
	snprintf(manifest, sizeof manifest, "%s/" PS_MANIFEST, n->output);
	return remove_file(g, manifest);
}

/* Any other record is of no use. */
int ps_standing_clear(const ps_graph *g, const ps_node *n)
{
	int rc = 0;

	if (n->kind->summary || (n->state == PS_NODE_STALE && !n->kind->transient))
		return 0;
	if (n->state == PS_NODE_CHANGED)
		rc = remove_changed(g, n);
	return rc ? rc : remove_file(g, n->record);
}
