#include "tools/study/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/folder.h"
#include "tools/run/nearest.h"

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

void ps_graph_close(ps_graph *g)
{
	for (size_t i = 0; i < g->count; i++) {
		ps_node *n = &g->nodes[i];

		json_decref(n->inputs);
		json_decref(n->result);
		json_decref(n->past);
		free(n->kernel);
	}
	free(g->nodes);
	json_decref(g->identity);
	while (g->blocks) {
		struct ps_graph_block *next = g->blocks->next;

		free(g->blocks);
		g->blocks = next;
	}
	*g = (ps_graph){0};
}

/* --- states --- */

/* Whether every file that a manifest names is there in its size. */
static bool has_files(const char *folder, const json_t *files)
{
	const char *name;
	json_t *file;

	json_object_foreach ((json_t *)files, name, file) {
		struct stat st;
		char *path;
		bool there;

		if (asprintf(&path, "%s/%s", folder, name) < 0)
			return false;
		there = !stat(path, &st) &&
			st.st_size == json_integer_value(json_object_get(file, "bytes"));
		free(path);
		if (!there)
			return false;
	}
	return true;
}

/* Whether the output is there. A folder counts once its manifest is complete and its files are
 * there. */
static bool is_there(const ps_node *n)
{
	ps_diag ignored = {{0}};
	json_t *manifest = NULL;
	bool there;

	if (!n->output)
		return true;
	if (!n->folder)
		return !access(n->output, F_OK);
	if (ps_folder_read_manifest(&ps_sys_linux, n->output, &manifest, &ignored))
		return false;
	there = json_is_true(json_object_get(manifest, "complete")) &&
		has_files(n->output, json_object_get(manifest, "files"));
	json_decref(manifest);
	return there;
}

/* A record with the node's key counts only if its output is there too. */
static void set_state(ps_node *n, const ps_record *r)
{
	if (strcmp(r->key, n->key)) {
		n->state = PS_NODE_STALE;
		return;
	}
	n->result = json_incref(r->result);
	if (is_there(n))
		n->state = PS_NODE_DONE;
	else
		n->state = n->kind->transient ? PS_NODE_GONE : PS_NODE_TODO;
}

int ps_graph_look(ps_graph *g, ps_node *n)
{
	ps_record record;
	ps_record_state state = ps_record_read(&record, n->record);
	int rc = 0;

	json_decref(n->result);
	json_decref(n->past);
	free(n->kernel);
	n->result = n->past = NULL;
	n->kernel = NULL;
	n->state = PS_NODE_TODO;
	n->damaged = state == PS_RECORD_DAMAGED;
	if (state == PS_RECORD_WHOLE) {
		n->past = json_incref(record.inputs);
		n->kernel = strdup(record.kernel);
		set_state(n, &record);
		if (!n->kernel)
			rc = ps_fail(&g->session->diag, PS_EBUDGET, "no memory for a record");
	}
	ps_record_close(&record);
	return rc;
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

bool ps_graph_is_read(const ps_graph *g, const ps_node *n)
{
	for (const ps_node *reader = n + 1; reader < g->nodes + g->count; reader++)
		if (ps_graph_reads(g, reader, n) && ps_graph_wanted(g, reader))
			return true;
	return false;
}

bool ps_graph_wanted(const ps_graph *g, const ps_node *n)
{
	return n->state != PS_NODE_DONE && (!n->kind->transient || ps_graph_is_read(g, n));
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
