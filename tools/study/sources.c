#include "tools/study/sources.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/checkpoint.h"
#include "io/file_state.h"
#include "io/known_digest.h"
#include "io/text_file.h"
#include "tools/engine/changed_from.h"
#include "tools/engine/model_files.h"
#include "tools/run/belonging.h"
#include "tools/study/check.h"
#include "tools/study/graph_nodes.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"

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

/* Adds up the files that a dictionary is read from. 0: it cannot be read. */
static uint64_t state_of_dictionary(const char *path)
{
	const char *names[PS_SAE_FILES];
	size_t count;
	uint64_t sum = 1;

	if (ps_sae_folder_files(path, names, &count, NULL))
		return 0;
	for (size_t i = 0; i < count; i++) {
		char name[PATH_MAX];
		struct stat st;

		if (snprintf(name, sizeof name, "%s/%s", path, names[i]) >= (int)sizeof name ||
		    stat(name, &st))
			return 0;
		sum += number_of(&st) ^ ps_digest_of(names[i], strlen(names[i]));
	}
	return sum;
}

/* The state of a model's folder: of the one that a file lies in, too, for what lies beside it. */
static uint64_t state_of_model(const char *path)
{
	char own[PATH_MAX], folder[PATH_MAX];

	if (ps_model_resolve(path, own, NULL) || ps_model_beside(own, "", folder, NULL))
		return 0;
	return state_of_folder(folder);
}

/* What a path of the study file is. */
enum source { NO_SOURCE, TEXT, MODEL, DICTIONARY };

/* The state of all files of a source. 0: it is not there. */
static uint64_t state_of(const char *path, enum source source)
{
	struct stat st;

	if (source == MODEL)
		return state_of_model(path);
	if (source == DICTIONARY)
		return state_of_dictionary(path);
	return stat(path, &st) ? 0 : number_of(&st);
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

static int digest_tokenizer(ps_graph *g, const char *model, char out[PS_DIGEST_TEXT])
{
	char path[PATH_MAX];
	uint64_t digest;
	bool there;
	int rc = ps_model_beside(model, "tokenizer.json", path, &g->session->diag);

	if (rc || ps_file_is_named(path) || ps_model_form_of(model) != PS_MODEL_GGUF)
		return rc ? rc : digest_file(g, path, UINT64_MAX, out);
	rc = ps_model_tokenizer_digest(model, &there, &digest, &g->session->diag);
	if (!rc && !there)
		rc = ps_fail(&g->session->diag, PS_EINPUT, "%s: has no tokenizer", model);
	if (!rc)
		ps_digest_format(digest, out);
	return rc;
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
		rc = digest_tokenizer(g, ps_checkpoint_path(checkpoint), m->tokenizer);
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

/* {file: digest} of the files that a dictionary is read from. */
static int dictionary_identity(ps_graph *g, const char *path, json_t **identity)
{
	const char *names[PS_SAE_FILES];
	json_t *files = json_object();
	size_t count;
	int rc = ps_sae_folder_files(path, names, &count, &g->session->diag);

	for (size_t i = 0; i < count && !rc; i++) {
		char name[PATH_MAX], digest[PS_DIGEST_TEXT];

		/* It was opened under this name just now. */
		snprintf(name, sizeof name, "%s/%s", path, names[i]);
		rc = digest_file(g, name, UINT64_MAX, digest);
		if (!rc && json_object_set_new(files, names[i], json_string(digest)))
			rc = no_memory(g);
	}
	if (rc)
		json_decref(files);
	else
		*identity = files;
	return rc;
}

/* --- known for keys --- */

bool ps_source_lacks(const ps_graph *g, const char *path)
{
	return g->texts_may_lack && access(path, F_OK) && errno == ENOENT;
}

int ps_source_text(ps_graph *g, const char *path)
{
	const uint64_t state = state_of(path, TEXT);
	const bool lacks = ps_source_lacks(g, path);
	json_t *identity;
	int rc = 0;

	if (lacks)
		identity = ps_text_json(path);
	else
		rc = text_identity(g, path, &identity);
	if (lacks && !json_object_get(g->identity, path))
		ps_session_say(g->session,
			       "%s is not there: taken to be long enough, and its words to be "
			       "ordinary English",
			       path);
	if (!rc)
		rc = ps_graph_identify(g, path, identity);
	return rc ? rc : keep_state(g, path, state);
}

int ps_source_model(ps_graph *g, ps_graph_model *m)
{
	const uint64_t state = state_of(m->spec->path, MODEL);
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
	const uint64_t state = state_of(c->model, MODEL);
	ps_graph_model own = {0};
	json_t *identity;
	int rc = model_identity(g, c->model, &own, &identity);

	if (!rc)
		rc = ps_graph_identify(g, c->model, identity);
	if (!rc)
		rc = check_checkpoint(g, m, c, &own);
	return rc ? rc : keep_state(g, c->model, state);
}

/* Whether the dictionary is of the model, and of the place in it that the study looks at. The
 * commands that read it compare the same, and say that it is unverified. */
static int check_dictionary(ps_graph *g, const ps_graph_model *m)
{
	ps_session *s = g->session;
	const char *path = m->spec->dictionary;
	const bool quiet = s->quiet;
	ps_origin sae, model;
	int rc = ps_sae_check_width(&m->dictionary, path, m->config.width, m->spec->path, &s->diag);

	s->quiet = true;
	if (!rc)
		rc = ps_origin_of_sae(s, path, &sae);
	if (!rc) {
		ps_origin_of_model(&(ps_origin_model){.path = m->spec->path,
						      .digest = m->digest,
						      .mask = PS_NO_MASK,
						      .family = m->config.family},
				   (int)m->spec->layer, &model);
		rc = ps_origin_check_input(s, &sae, &model, PS_MASK_SAME);
	}
	s->quiet = quiet;
	ps_session_forget(s);
	return rc;
}

/* What is said of the dictionary becomes a complaint about the study file. */
static int refuse_dictionary(ps_graph *g, const ps_graph_model *m)
{
	const ps_diag why = g->session->diag;

	g->session->diag = (ps_diag){{0}};
	return ps_study_refuse(g, "models.dictionary", (size_t)(m->spec - g->file->models) + 1,
			       "%s", why.text);
}

int ps_source_dictionary(ps_graph *g, ps_graph_model *m)
{
	const char *path = m->spec->dictionary;
	const uint64_t state = state_of(path, DICTIONARY);
	ps_diag *diag = &g->session->diag;
	json_t *identity;
	size_t bytes;
	int rc = ps_sae_folder_measure(path, &m->dictionary, &bytes, diag);

	if (!rc)
		rc = ps_sae_folder_lacks_factor(path, &m->dictionary_lacks, diag);
	if (!rc)
		rc = check_dictionary(g, m);
	if (rc == PS_EINPUT)
		return refuse_dictionary(g, m);
	if (!rc)
		rc = dictionary_identity(g, path, &identity);
	if (!rc)
		rc = ps_graph_identify(g, path, identity);
	return rc ? rc : keep_state(g, path, state);
}

/* --- whether they are still the same --- */

static bool is_text(const ps_study_file *f, const char *path)
{
	for (unsigned i = 0; i < f->text_count; i++)
		if (!strcmp(f->text[i], path))
			return true;
	return !strcmp(f->ppl.text, path);
}

static enum source source_of(const ps_study_file *f, const char *path)
{
	for (unsigned i = 0; i < f->models_count; i++) {
		if (!strcmp(f->models[i].path, path))
			return MODEL;
		if (f->models[i].dictionary && !strcmp(f->models[i].dictionary, path))
			return DICTIONARY;
	}
	for (unsigned i = 0; i < f->checkpoints_count; i++)
		if (!strcmp(f->checkpoints[i].path, path))
			return MODEL;
	return is_text(f, path) ? TEXT : NO_SOURCE;
}

static int identity_of(ps_graph *g, const char *path, enum source source, json_t **identity)
{
	ps_graph_model ignored;

	if (source == MODEL)
		return model_identity(g, path, &ignored, identity);
	if (source == DICTIONARY)
		return dictionary_identity(g, path, identity);
	return text_identity(g, path, identity);
}

/* Compares the digests with those that keys have. */
static int compare(ps_graph *g, const char *path, enum source source)
{
	json_t *identity = NULL;
	int rc = identity_of(g, path, source, &identity);

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
	const enum source source = source_of(g->file, path);
	const json_t *then = json_object_get(g->states, path);
	uint64_t now;
	int rc;

	if (!then || source == NO_SOURCE)
		return 0;
	now = state_of(path, source);
	if (now && (uint64_t)json_integer_value(then) == now)
		return 0;
	rc = compare(g, path, source);
	return rc ? rc : keep_state(g, path, now);
}
