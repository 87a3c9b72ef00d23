#include "tools/study/sources.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/checkpoint.h"
#include "io/file_state.h"
#include "io/known_digest.h"
#include "io/text_file.h"
#include "tools/engine/changed_from.h"
#include "tools/study/check.h"
#include "tools/study/graph_nodes.h"

static int no_memory(const ps_graph *g)
{
	return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for the digests of inputs");
}

/* --- states on the disk --- */

/* A number that another state of the file gives another value. */
static uint64_t number_of(const struct stat *st)
{
	const ps_file_state state = ps_file_state_of(st);

	return ps_digest_of(&state, sizeof state);
}

/* Adds up the files of a folder, in whatever order they come. 0: it cannot be read. */
static uint64_t state_of_folder(const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	uint64_t sum = 1;

	while (folder && (entry = readdir(folder))) {
		char name[PATH_MAX];
		struct stat st;

		if (snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < (int)sizeof name &&
		    !stat(name, &st) && S_ISREG(st.st_mode))
			sum += number_of(&st) ^ ps_digest_of(entry->d_name, strlen(entry->d_name));
	}
	if (!folder)
		return 0;
	closedir(folder);
	return sum;
}

/* The state of a text, or of all files of a model's folder. 0: it is not there. */
static uint64_t state_of(const char *path, bool model)
{
	char folder[PATH_MAX];
	struct stat st;

	if (!model)
		return stat(path, &st) ? 0 : number_of(&st);
	return ps_model_resolve(path, folder, NULL) ? 0 : state_of_folder(folder);
}

static int keep_state(ps_graph *g, const char *path, uint64_t state)
{
	return json_object_set_new_nocheck(g->states, path, json_integer((json_int_t)state))
		       ? no_memory(g)
		       : 0;
}

/* --- digests --- */

/* The digest of a text or of tokenizer.json. `limit`: bytes that such a file may have. */
static int digest_file(ps_graph *g, const char *path, uint64_t limit, char out[PS_DIGEST_TEXT])
{
	uint64_t bytes, digest;
	int rc = ps_known_digest(&ps_sys_linux, path, &g->session->context, !g->read_all, &bytes,
				 &digest, &g->session->diag);

	if (!rc && bytes > limit)
		rc = ps_fail(&g->session->diag, PS_EINPUT,
			     "%s: %llu bytes, more than the %llu that such a file may have", path,
			     (unsigned long long)bytes, (unsigned long long)limit);
	if (!rc)
		ps_digest_format(digest, out);
	return rc;
}

/* What stands for a text in a key. */
static int text_identity(ps_graph *g, const char *path, json_t **identity)
{
	char digest[PS_DIGEST_TEXT];
	int rc = digest_file(g, path, PS_TEXT_BYTES_MAX, digest);

	if (rc)
		return rc;
	*identity = json_string(digest);
	return *identity ? 0 : ps_fail(&g->session->diag, PS_EBUDGET, "no memory for a digest");
}

static int digest_tokenizer(ps_graph *g, const char *folder, char out[PS_DIGEST_TEXT])
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/tokenizer.json", folder) >= (int)sizeof path)
		return ps_fail(&g->session->diag, PS_EINPUT, "%s: the path is too long", folder);
	return digest_file(g, path, UINT64_MAX, out);
}

/* Reads the config and digests of the checkpoint at path into m. *identity: what stands for it in
 * keys. */
static int model_identity(ps_graph *g, const char *path, ps_graph_model *m, json_t **identity)
{
	ps_diag *diag = &g->session->diag;
	ps_checkpoint *checkpoint = NULL;
	uint64_t digest;
	int rc = ps_checkpoint_open(&checkpoint, &ps_sys_linux, path, diag);

	if (!rc)
		rc = ps_checkpoint_digest(checkpoint, &g->session->context, &digest, diag);
	if (!rc)
		rc = digest_tokenizer(g, ps_checkpoint_folder(checkpoint), m->tokenizer);
	if (!rc) {
		ps_digest_format(digest, m->digest);
		m->config = *ps_checkpoint_config(checkpoint);
		m->weight_bytes = ps_checkpoint_bytes(checkpoint);
	}
	ps_checkpoint_close(checkpoint);
	if (rc)
		return rc;
	*identity = json_pack("{s:s, s:{s:s, s:i}}", "weights", m->digest, "tokenizer", "digest",
			      m->tokenizer, "bos", (int)m->config.bos);
	return *identity ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for a model's digests");
}

/* --- known for keys --- */

int ps_source_text(ps_graph *g, const char *path)
{
	const uint64_t state = state_of(path, false);
	json_t *identity;
	int rc = text_identity(g, path, &identity);

	if (!rc)
		rc = ps_graph_identify(g, path, identity);
	return rc ? rc : keep_state(g, path, state);
}

int ps_source_model(ps_graph *g, ps_graph_model *m)
{
	const uint64_t state = state_of(m->spec->path, true);
	json_t *identity;
	int rc = model_identity(g, m->spec->path, m, &identity);

	if (!rc)
		rc = ps_graph_identify(g, m->spec->path, identity);
	return rc ? rc : keep_state(g, m->spec->path, state);
}

/* own: what was read of the condition's checkpoint. */
static int check_checkpoint(const ps_graph *g, const ps_graph_model *m, const ps_graph_condition *c,
			    const ps_graph_model *own)
{
	const char *from = m->spec->path;
	ps_diag why = {{0}};

	if (ps_changed_from_check(&own->config, c->model, &m->config, from, &why))
		return ps_study_refuse(g, "checkpoints.path", c->checkpoint + 1, "%s", why.text);
	if (strcmp(own->tokenizer, m->tokenizer) != 0)
		return ps_study_refuse(
			g, "checkpoints.path", c->checkpoint + 1,
			"%s and %s do not have the same tokenizer: digests %s and %s", c->model,
			from, own->tokenizer, m->tokenizer);
	return 0;
}

int ps_source_checkpoint(ps_graph *g, const ps_graph_model *m, const ps_graph_condition *c)
{
	const uint64_t state = state_of(c->model, true);
	ps_graph_model own = {0};
	json_t *identity;
	int rc = model_identity(g, c->model, &own, &identity);

	if (!rc)
		rc = ps_graph_identify(g, c->model, identity);
	if (!rc)
		rc = check_checkpoint(g, m, c, &own);
	return rc ? rc : keep_state(g, c->model, state);
}

/* --- whether they are still the same --- */

/* Whether the path is a model's or a checkpoint's. */
static bool is_model(const ps_study_file *f, const char *path)
{
	for (unsigned i = 0; i < f->models_count; i++)
		if (!strcmp(f->models[i].path, path))
			return true;
	for (unsigned i = 0; i < f->checkpoints_count; i++)
		if (!strcmp(f->checkpoints[i].path, path))
			return true;
	return false;
}

static bool is_text(const ps_study_file *f, const char *path)
{
	for (unsigned i = 0; i < f->text_count; i++)
		if (!strcmp(f->text[i], path))
			return true;
	return !strcmp(f->ppl.text, path);
}

/* Compares the digests with those that keys have. */
static int compare(ps_graph *g, const char *path, bool model)
{
	ps_graph_model ignored;
	json_t *identity = NULL;
	int rc = model ? model_identity(g, path, &ignored, &identity)
		       : text_identity(g, path, &identity);

	if (!rc && !json_equal(identity, json_object_get(g->identity, path)))
		rc = ps_fail(&g->session->diag, PS_EINPUT,
			     "%s has changed since this study was begun: what was made meanwhile "
			     "is not kept; run it again",
			     path);
	json_decref(identity);
	return rc;
}

int ps_source_check(ps_graph *g, const char *path)
{
	const bool model = is_model(g->file, path);
	const json_t *then = json_object_get(g->states, path);
	uint64_t now;
	int rc;

	if (!then || (!model && !is_text(g->file, path)))
		return 0;
	now = state_of(path, model);
	if (now && (uint64_t)json_integer_value(then) == now)
		return 0;
	rc = compare(g, path, model);
	return rc ? rc : keep_state(g, path, now);
}
