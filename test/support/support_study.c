#include "test/support/support_study.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/folder.h"
#include "io/sealed_json.h"
#include "tools/engine/engine.h"
#include "tools/study/recording.h"

static const char study_text[] = "name: a study\n"
				 "models: [{name: llama, path: demo/models/llama, layer: 2}]\n"
				 "text: [%s/text]\n"
				 "methods: [magnitude, wanda]\n"
				 "sparsities: %s\n"
				 "seeds: [7, 42]\n"
				 "window: 64\n"
				 "calibration_tokens: 1024\n"
				 "train_tokens: 8000\n"
				 "ppl: {text: %s/text, window: 64, stride: 32}\n"
				 "sae: {d_sae: 192, k: 8, batch: 128}\n"
				 "splice: {windows: 8}\n"
				 "ablation: {features: 10, windows: 4}\n"
				 "bootstrap: {samples: 100}\n";

static FILE *open_file(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		fail_msg("%s cannot be written", path);
	return file;
}

static void open_graph(test_study *s, const char *sparsities)
{
	FILE *file = open_file(s->path);

	fprintf(file, study_text, s->scratch, sparsities, s->scratch);
	fclose(file);
	s->session = (ps_session){.threads = 2, .memory_bytes = (size_t)1 << 30, .quiet = true};
	if (ps_study_file_load(&s->file, s->path, &s->session.diag) ||
	    ps_graph_build(&s->graph, &s->session, s->file, s->path, s->out) ||
	    ps_graph_look_all(&s->graph))
		fail_msg("%s", s->session.diag.text);
}

static void close_graph(test_study *s)
{
	ps_graph_close(&s->graph);
	ps_study_file_free(s->file);
	s->file = NULL;
}

void test_study_open(test_study *s, const char *sparsities)
{
	char text[64];
	FILE *file;

	*s = (test_study){.scratch = "/tmp/prunescope-study-XXXXXX"};
	if (!mkdtemp(s->scratch))
		fail_msg("no scratch folder");
	setenv("XDG_CACHE_HOME", s->scratch, 1); /* where digests are remembered */
	snprintf(s->path, sizeof s->path, "%s/study.yaml", s->scratch);
	snprintf(s->out, sizeof s->out, "%s/out", s->scratch);
	snprintf(text, sizeof text, "%s/text", s->scratch);
	file = open_file(text);
	fputs("A text.\n", file);
	fclose(file);
	open_graph(s, sparsities);
}

void test_study_reopen(test_study *s, const char *sparsities)
{
	close_graph(s);
	open_graph(s, sparsities);
}

void test_study_close(test_study *s)
{
	char command[64];

	close_graph(s);
	snprintf(command, sizeof command, "rm -rf %s", s->scratch);
	if (system(command))
		fail_msg("%s cannot be removed", s->scratch);
}

ps_node *test_study_find(test_study *s, const char *id)
{
	for (size_t i = 0; i < s->graph.count; i++)
		if (!strcmp(s->graph.nodes[i].id, id))
			return &s->graph.nodes[i];
	fail_msg("no node %s", id);
	return NULL;
}

static void write_file(const char *path)
{
	char folder[PATH_MAX];
	FILE *file;

	if (ps_folder_make(&ps_sys_linux, ps_path_folder(path, folder), NULL))
		fail_msg("%s cannot be made", folder);
	file = open_file(path);
	fputs("abc", file);
	fclose(file);
}

/* An output folder of no files, which is whole. */
static void write_manifest(const char *folder)
{
	json_t *manifest = json_pack("{s:s, s:i, s:b, s:{}, s:{}}", "kind", "test", "version", 1,
				     "complete", true, "files", "provenance");
	char path[256];

	snprintf(path, sizeof path, "%s/manifest.json", folder);
	write_file(path);
	if (ps_sealed_write(&ps_sys_linux, path, manifest, NULL))
		fail_msg("%s cannot be written", path);
	json_decref(manifest);
}

void test_study_make(test_study *s, const ps_node *n)
{
	json_t *result = json_object();
	const char *extra;

	write_file(n->record);
	if (n->folder)
		write_manifest(n->output);
	else if (n->output)
		write_file(n->output);
	for (size_t i = 0; (extra = n->beside[i]); i++)
		write_file(extra);
	if (ps_recording_write(&s->graph, n, result) ||
	    ps_graph_look(&s->graph, &s->graph.nodes[n - s->graph.nodes]))
		fail_msg("%s", s->session.diag.text);
	json_decref(result);
}

void test_study_write(const test_study *s, const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", s->out, name);
	write_file(path);
}

bool test_study_has(const test_study *s, const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", s->out, name);
	return !access(path, F_OK);
}

ps_record_state test_record_read(ps_record *record, const char *path)
{
	ps_record_state state;

	assert_int_equal(ps_record_read(record, path, &state, NULL), 0);
	return state;
}
