#include "tools/study/graph.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/folder.h"
#include "tools/run/nearest.h"
#include "tools/study/outputs.h"

enum {
	NODE_BYTES = 12 << 10, /* of a node: arguments, inputs, names */
	RECORD_FACTOR = 6,     /* bytes in memory for a byte of a record's file */
	FREE_BYTES = 4 << 20,  /* of PS_PROGRAM_BYTES, left for a study's graph */
};

struct ps_graph_block {
	struct ps_graph_block *next;
	max_align_t bytes[];
};

void *ps_graph_take(ps_graph *g, size_t bytes)
{
	struct ps_graph_block *block = calloc(1, sizeof *block + bytes);

	if (!block)
		return NULL;
	block->next = g->blocks;
	g->blocks = block;
	return block->bytes;
}

const char *ps_graph_text(ps_graph *g, const char *format, ...)
{
	va_list args, again;
	char *text;
	int length;

	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	text = length < 0 ? NULL : ps_graph_take(g, (size_t)length + 1);
	if (text)
		vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	va_end(args);
	return text;
}

/* Forgets what the node has of its record. */
static void forget(ps_node *n)
{
	json_decref(n->result);
	json_decref(n->past);
	json_decref(n->cache_kernels);
	free(n->kernel);
	n->result = n->past = n->cache_kernels = NULL;
	n->kernel = NULL;
	n->checksum[0] = n->fault[0] = 0;
	n->damaged = false;
	n->state = PS_NODE_TODO;
}

void ps_graph_close(ps_graph *g)
{
	for (size_t i = 0; i < g->count; i++) {
		ps_node *n = &g->nodes[i];

		json_decref(n->inputs);
		forget(n);
	}
	free(g->nodes);
	json_decref(g->identity);
	json_decref(g->states);
	json_decref(g->digests);
	while (g->blocks) {
		struct ps_graph_block *next = g->blocks->next;

		free(g->blocks);
		g->blocks = next;
	}
	*g = (ps_graph){0};
}

/* --- states --- */

/* Whether a summary was made from the records that are there now. A record that is to be made anew
 * is left out: once it is made, the summary is looked at again. */
static bool same_records(const ps_graph *g, ps_node *n, const json_t *records)
{
	for (size_t i = 0; i < n->after_count; i++) {
		const ps_node *input = &g->nodes[n->after[i]];
		const char *then = json_string_value(json_object_get(records, input->id));

		if (input->state != PS_NODE_DONE || (then && !strcmp(then, input->checksum)))
			continue;
		snprintf(n->fault, sizeof n->fault, "%s was made anew since", input->id);
		return false;
	}
	return true;
}

/* A record with the node's key counts only if its outputs are those that it names. */
static int set_state(ps_graph *g, ps_node *n, const ps_record *r)
{
	ps_outputs_state outputs;
	int rc;

	if (strcmp(r->key, n->key)) {
		n->state = PS_NODE_STALE;
		return 0;
	}
	rc = ps_outputs_check(g, n, r->outputs, &outputs, n->fault, sizeof n->fault);
	if (rc)
		return rc;
	n->result = json_incref(r->result);
	if (outputs == PS_OUTPUTS_GONE)
		n->state = n->kind->transient ? PS_NODE_GONE : PS_NODE_TODO;
	else if (outputs == PS_OUTPUTS_CHANGED)
		n->state = n->kind->summary ? PS_NODE_TODO : PS_NODE_CHANGED;
	else if (n->kind->arguments || same_records(g, n, r->records))
		n->state = PS_NODE_DONE;
	return 0;
}

int ps_graph_look(ps_graph *g, ps_node *n)
{
	ps_record record;
	ps_record_state state;
	int rc = ps_record_read(&record, n->record, &state, &g->session->diag);

	if (rc) {
		ps_record_close(&record);
		return rc;
	}
	forget(n);
	n->damaged = state == PS_RECORD_DAMAGED ||
		     (state == PS_RECORD_WHOLE && record.id && strcmp(record.id, n->id));
	if (state == PS_RECORD_DAMAGED) {
		snprintf(n->fault, sizeof n->fault, "its record is damaged");
	} else if (n->damaged) {
		snprintf(n->fault, sizeof n->fault, "its record is that of %s", record.id);
	} else if (state == PS_RECORD_WHOLE) {
		n->past = json_incref(record.inputs);
		n->cache_kernels = json_incref(record.cache_kernels);
		n->kernel = strdup(record.kernel);
		memcpy(n->checksum, record.checksum, sizeof n->checksum);
		rc = n->kernel ? set_state(g, n, &record)
			       : ps_fail(&g->session->diag, PS_EBUDGET, "no memory for a record");
	}
	ps_record_close(&record);
	return rc;
}

size_t ps_graph_bytes(const ps_graph *g)
{
	size_t records = 0;

	for (size_t i = 0; i < g->count; i++) {
		struct stat st;

		if (!stat(g->nodes[i].record, &st))
			records += (size_t)st.st_size;
	}
	return g->count * NODE_BYTES + records * RECORD_FACTOR;
}

size_t ps_graph_excess(const ps_graph *g)
{
	const size_t held = ps_graph_bytes(g);

	return held > FREE_BYTES ? held - FREE_BYTES : 0;
}

int ps_graph_look_all(ps_graph *g)
{
	int rc = 0;

	for (size_t i = 0; i < g->count && !rc; i++)
		rc = ps_graph_look(g, &g->nodes[i]);
	return rc;
}

bool ps_graph_reads(const ps_graph *g, const ps_node *a, const ps_node *b)
{
	for (size_t i = 0; i < a->after_count; i++)
		if (&g->nodes[a->after[i]] == b)
			return true;
	return false;
}

bool ps_graph_on_disk(const ps_node *n)
{
	char manifest[PATH_MAX];
	struct stat st;

	if (lstat(n->output, &st))
		return false;
	if (!S_ISLNK(st.st_mode))
		return true;
	snprintf(manifest, sizeof manifest, "%s/" PS_MANIFEST, n->output);
	return !access(manifest, F_OK);
}

bool ps_graph_is_read(const ps_graph *g, const ps_node *n)
{
	for (const ps_node *reader = n + 1; reader < g->nodes + g->count; reader++)
		if (ps_graph_reads(g, reader, n) && ps_graph_wanted(g, reader))
			return true;
	return false;
}

bool ps_graph_wanted(const ps_graph *g, const ps_node *n)
{
	const bool unfit = n->state == PS_NODE_CHANGED ||
			   (g->keep_caches && (n->damaged || ps_graph_on_disk(n)));

	return n->state != PS_NODE_DONE && (!n->kind->transient || unfit || ps_graph_is_read(g, n));
}

size_t ps_graph_done(const ps_graph *g)
{
	size_t done = 0;

	for (size_t i = 0; i < g->count; i++)
		done += !ps_graph_wanted(g, &g->nodes[i]);
	return done;
}

const ps_node *ps_graph_missing(const ps_graph *g, const ps_node *n)
{
	for (size_t i = 0; i < n->after_count; i++)
		if (g->nodes[n->after[i]].state != PS_NODE_DONE)
			return &g->nodes[n->after[i]];
	return NULL;
}

uint64_t ps_graph_cache_bytes(const ps_graph *g, const ps_graph_model *m)
{
	return (uint64_t)g->file->cache_tokens *
	       (m->config.width * sizeof(float) + 3 * sizeof(int32_t));
}

/* --- names --- */

static bool ends_in(const char *id, const char *name)
{
	size_t length = strlen(id), tail = strlen(name);

	return length > tail && !strcmp(id + length - tail, name) && id[length - tail - 1] == '/';
}

static int not_found(ps_graph *g, const char *name)
{
	const char **names = calloc(g->count + 1, sizeof *names), *nearest;

	if (!names)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for the steps' names");
	for (size_t i = 0; i < g->count; i++)
		names[i] = g->nodes[i].id;
	nearest = ps_nearest_name(name, names);
	free(names);
	return ps_fail(&g->session->diag, PS_EUSAGE,
		       "no step '%s'%s%s; `study FILE -o DIR --emit json` lists them", name,
		       nearest ? ", the nearest is " : "", nearest ? nearest : "");
}

int ps_graph_find(ps_graph *g, const char *name, ps_node **node)
{
	*node = NULL;
	for (size_t i = 0; i < g->count; i++) {
		ps_node *n = &g->nodes[i];

		if (!strcmp(n->id, name)) {
			*node = n;
			return 0;
		}
		if (!ends_in(n->id, name))
			continue;
		if (*node)
			return ps_fail(
				&g->session->diag, PS_EUSAGE,
				"--only %s: several steps are called so, among them %s and %s",
				name, (*node)->id, n->id);
		*node = n;
	}
	return *node ? 0 : not_found(g, name);
}
