#include "tools/study/outputs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/report/figure.h"
#include "analysis/report/report_csv.h"
#include "io/checksums.h"
#include "io/file.h"
#include "io/file_state.h"
#include "io/folder.h"
#include "io/known_digest.h"

/* The outputs of a node as they are listed. */
struct listing {
	ps_graph *g;
	json_t *outputs;
};

static int no_memory(const ps_graph *g)
{
	return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for a step's outputs");
}

/* A path of the study's folder, as records name it. */
static const char *inside(const ps_graph *g, const char *path)
{
	return path + strlen(g->out) + 1;
}

/* --- digests --- */

/* Size and digest of an output. This process keeps them by path and state, so that it reads no
 * output twice where ps_known_digest cannot remember: HOME may be read-only. */
static int digest_file(ps_graph *g, const char *path, uint64_t *bytes, uint64_t *digest)
{
	char text[PS_DIGEST_TEXT], *key = NULL;
	ps_file_state state;
	int rc = ps_file_state_read(&ps_sys_linux, path, &state, &g->session->diag);

	if (rc)
		return rc;
	if (asprintf(&key, "%s %s", path,
		     ps_digest_format(ps_digest_of(&state, sizeof state), text)) < 0)
		return no_memory(g);
	*bytes = state.bytes;
	if (g->read_all ||
	    ps_checksum_parse(json_string_value(json_object_get(g->digests, key)), digest)) {
		rc = ps_known_digest(&ps_sys_linux, path, &g->session->context, !g->read_all, bytes,
				     digest, &g->session->diag);
		if (!rc && !ps_file_state_unsettled(&state, ps_file_time_now()) &&
		    json_object_set_new_nocheck(g->digests, key,
						json_string(ps_digest_format(*digest, text))))
			rc = no_memory(g);
	}
	free(key);
	return rc;
}

/* --- a list of what was made --- */

static int add(struct listing *l, const char *path, uint64_t bytes, const char *xxh3)
{
	json_t *entry = json_pack("{s:I, s:s}", "bytes", (json_int_t)bytes, "xxh3", xxh3);

	return json_object_set_new(l->outputs, inside(l->g, path), entry) ? no_memory(l->g) : 0;
}

/* Adds a file by what lies on the disk. */
static int add_file(struct listing *l, const char *path)
{
	char text[PS_DIGEST_TEXT];
	uint64_t bytes = 0, digest = 0;
	int rc = digest_file(l->g, path, &bytes, &digest);

	return rc ? rc : add(l, path, bytes, ps_digest_format(digest, text));
}

/* Adds a file of a folder by the folder's manifest. */
static int add_member(struct listing *l, const char *folder, const char *name, const json_t *entry)
{
	char *path;
	int rc;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		return no_memory(l->g);
	if (entry)
		rc = add(l, path, (uint64_t)json_integer_value(json_object_get(entry, "bytes")),
			 json_string_value(json_object_get(entry, "xxh3")));
	else
		rc = add_file(l, path);
	free(path);
	return rc;
}

static int not_made(const ps_graph *g, const ps_node *n)
{
	return ps_fail(&g->session->diag, PS_EFAILED, "%s: %s was not made", n->id, n->output);
}

static int add_folder(struct listing *l, const ps_node *n)
{
	const char *name;
	json_t *manifest, *entry;
	int rc = ps_folder_read_manifest(&ps_sys_linux, n->output, &manifest, &l->g->session->diag);

	if (rc)
		return rc;
	if (!json_is_true(json_object_get(manifest, "complete")))
		rc = not_made(l->g, n);
	else
		rc = add_member(l, n->output, PS_MANIFEST, NULL);
	json_object_foreach (json_object_get(manifest, "files"), name, entry)
		if (!rc)
			rc = add_member(l, n->output, name, entry);
	json_decref(manifest);
	return rc;
}

/* Adds OUT/FOLDER/NAME.SUFFIX if it is there: a report without gnuplot has no figures. */
static int add_part(struct listing *l, const char *folder, const char *name, const char *suffix)
{
	char *path;
	int rc = 0;

	if (asprintf(&path, "%s/%s/%s.%s", l->g->out, folder, name, suffix) < 0)
		return no_memory(l->g);
	if (ps_file_is_there(path))
		rc = add_file(l, path);
	free(path);
	return rc;
}

static int add_extra(struct listing *l, const ps_node *n)
{
	const char *path;
	int rc = 0;

	for (size_t i = 0; (path = n->beside[i]) && !rc; i++)
		rc = add_file(l, path);
	return rc;
}

static int is_html(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && !strcmp(dot, ".html");
}

/* Adds the pages of feature cards. Their names come from the results, so the folder is looked
 * through. */
static int add_pages(struct listing *l)
{
	struct dirent **entries;
	char *path;
	int rc = 0, count;

	if (asprintf(&path, "%s/features", l->g->out) < 0)
		return no_memory(l->g);
	count = ps_sys_scandir(path, &entries, is_html);
	if (count < 0 && errno != ENOENT)
		rc = ps_fail_errno(&l->g->session->diag, errno, "%s", path);
	for (int i = 0; i < count; i++) {
		if (!rc)
			rc = add_member(l, path, entries[i]->d_name, NULL);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	free(path);
	return rc;
}

static int add_report_parts(struct listing *l)
{
	int rc = add_pages(l);

	for (size_t i = 0; ps_csv_name(i) && !rc; i++)
		rc = add_part(l, "tables", ps_csv_name(i), "csv");
	for (size_t i = 0; ps_figure_name(i) && !rc; i++)
		rc = add_part(l, "figures", ps_figure_name(i), "svg");
	return rc;
}

int ps_outputs_list(ps_graph *g, const ps_node *n, json_t **outputs)
{
	struct listing l = {.g = g, .outputs = json_object()};
	int rc = 0;

	if (!l.outputs)
		return no_memory(g);
	if (n->output && n->folder)
		rc = add_folder(&l, n);
	else if (n->output)
		rc = !ps_file_is_there(n->output) ? not_made(g, n) : add_file(&l, n->output);
	if (!rc)
		rc = add_extra(&l, n);
	if (!rc && n->kind->step == PS_STEP_REPORT)
		rc = add_report_parts(&l);
	if (rc)
		json_decref(l.outputs);
	else
		*outputs = l.outputs;
	return rc;
}

/* --- against the record --- */

/* Whether outputs name the output itself; of a folder, its manifest. */
static bool names_output(const ps_graph *g, const ps_node *n, const json_t *outputs)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s%s", inside(g, n->output), n->folder ? "/" PS_MANIFEST : "");
	return json_object_get(outputs, path) != NULL;
}

/* Whether the file has the recorded size and digest. With --no-verify the size is enough. */
static int compare(ps_graph *g, const char *path, const json_t *entry, bool *same)
{
	const uint64_t size = (uint64_t)json_integer_value(json_object_get(entry, "bytes"));
	uint64_t bytes, digest, recorded;
	struct stat st;
	int rc;

	if (g->session->no_verify && !g->read_all) {
		*same = !stat(path, &st) && (uint64_t)st.st_size == size;
		return 0;
	}
	rc = digest_file(g, path, &bytes, &digest);
	*same = !rc && bytes == size &&
		!ps_checksum_parse(json_string_value(json_object_get(entry, "xxh3")), &recorded) &&
		digest == recorded;
	return rc;
}

/* Compares a file with its entry in a record. */
static int check_file(ps_graph *g, const char *name, const json_t *entry, ps_outputs_state *state)
{
	bool same = false;
	char *path;
	int rc = 0;

	if (asprintf(&path, "%s/%s", g->out, name) < 0)
		return no_memory(g);
	if (!ps_file_is_there(path)) {
		*state = PS_OUTPUTS_GONE;
	} else {
		rc = compare(g, path, entry, &same);
		*state = same ? PS_OUTPUTS_RECORDED : PS_OUTPUTS_CHANGED;
	}
	free(path);
	return rc;
}

int ps_outputs_check(ps_graph *g, const ps_node *n, const json_t *outputs, ps_outputs_state *state,
		     char *what, size_t size)
{
	const char *name;
	json_t *entry;
	int rc = 0;

	*state = PS_OUTPUTS_RECORDED;
	if (n->output && !names_output(g, n, outputs)) {
		*state = PS_OUTPUTS_GONE;
		snprintf(what, size, "its record does not name %s", inside(g, n->output));
	}
	json_object_foreach ((json_t *)outputs, name, entry) {
		ps_outputs_state file = PS_OUTPUTS_RECORDED;

		rc = check_file(g, name, entry, &file);
		if (rc)
			return rc;
		if (file <= *state)
			continue;
		*state = file;
		snprintf(what, size,
			 file == PS_OUTPUTS_GONE ? "output %s is gone"
						 : "output %s differs from its record",
			 name);
		if (file == PS_OUTPUTS_CHANGED)
			break;
	}
	return 0;
}
