#include "io/hub.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/file.h"

#define ID_MAX 192
#define REF_BYTES_MAX 4096

/* --- ids --- */

static bool is_word(const char *text, size_t length)
{
	if (!length || text[0] == '.' || text[0] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
			return false;
	return true;
}

/* Words with '/' between them, at most `most`. */
static bool is_path(const char *text, size_t length, int most)
{
	const char *slash = memchr(text, '/', length);
	size_t first = slash ? (size_t)(slash - text) : length;

	if (!most || !is_word(text, first))
		return false;
	return !slash || is_path(slash + 1, length - first - 1, most - 1);
}

bool ps_hub_is_id(const char *id)
{
	const char *at = strchr(id, '@');
	size_t length = at ? (size_t)(at - id) : strlen(id);

	if (strlen(id) > ID_MAX || !is_path(id, length, 2))
		return false;
	return !at || is_path(at + 1, strlen(at + 1), 8);
}

/* --- where the cache is --- */

/* Writes printf(format, ...) to path. False if it does not fit into PATH_MAX bytes. */
static bool PS_PRINTF(2, 3) join(char *path, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(path, PATH_MAX, format, args);
	va_end(args);
	return length >= 0 && length < PATH_MAX;
}

/* The length of the variable's name at text, which follows a '$', and its start. 0: there is
 * none. */
static size_t variable_name(const char *text, const char **name, size_t *whole)
{
	bool braces = text[0] == '{';
	size_t length = 0;

	*name = text + braces;
	while (isalnum((unsigned char)(*name)[length]) || (*name)[length] == '_')
		length++;
	if (braces && (*name)[length] != '}')
		return 0;
	*whole = length + 2 * (size_t)braces;
	return length;
}

/* Expands ~ and variables as Python's os.path does: what is not set stays as it is. False if the
 * result does not fit. */
static bool expand(const char *text, char *out)
{
	const char *home = getenv("HOME");
	size_t used = 0;

	if (text[0] == '~' && home && *home && (text[1] == '/' || !text[1])) {
		if (!join(out, "%s", home))
			return false;
		used = strlen(out);
		text++;
	}
	while (*text) {
		const char *name, *value = NULL;
		char variable[ID_MAX];
		size_t whole = 0,
		       length = *text == '$' ? variable_name(text + 1, &name, &whole) : 0;

		if (length && length < sizeof variable) {
			memcpy(variable, name, length);
			variable[length] = 0;
			value = getenv(variable);
		}
		if (value && used + strlen(value) < PATH_MAX) {
			memcpy(out + used, value, strlen(value));
			used += strlen(value);
			text += 1 + whole;
		} else if (!value && used + 1 < PATH_MAX) {
			out[used++] = *text++;
		} else {
			return false;
		}
	}
	out[used] = 0;
	return true;
}

static int cache_root(char *root, ps_diag *diag)
{
	static const struct {
		const char *variable, *below;
	} places[] = {
		{"HF_HUB_CACHE", ""},
		{"HUGGINGFACE_HUB_CACHE", ""},
		{"HF_HOME", "/hub"},
		{"XDG_CACHE_HOME", "/huggingface/hub"},
		{"HOME", "/.cache/huggingface/hub"},
	};
	const char *value = NULL;
	char start[PATH_MAX];
	size_t place = 0;

	for (; place < sizeof places / sizeof *places; place++) {
		value = getenv(places[place].variable);
		if (value && *value)
			break;
	}
	if (place == sizeof places / sizeof *places)
		return ps_fail(
			diag, PS_EINPUT,
			"no Hugging Face cache: none of HF_HUB_CACHE, HF_HOME and HOME is set");
	if (!expand(value, start) || !join(root, "%s%s", start, places[place].below))
		return ps_fail(diag, PS_EINPUT,
			       "%s: the path of the Hugging Face cache is too long",
			       places[place].variable);
	return 0;
}

/* ROOT/models--org--name. False if it is too long. */
static bool repository_below(const char *root, const char *id, char *path)
{
	const char *slash = strchr(id, '/');

	if (slash)
		return join(path, "%s/models--%.*s--%s", root, (int)(slash - id), id, slash + 1);
	return join(path, "%s/models--%s", root, id);
}

/* Whether the cache that a variable of the library transformers names holds the repository. */
static bool is_in_transformers_cache(const char *id, char *path)
{
	static const char *const variables[] = {"TRANSFORMERS_CACHE", "PYTORCH_TRANSFORMERS_CACHE",
						"PYTORCH_PRETRAINED_BERT_CACHE"};
	const char *value = NULL;
	char root[PATH_MAX];

	for (size_t i = 0; i < sizeof variables / sizeof *variables && !(value && *value); i++)
		value = getenv(variables[i]);
	return value && *value && expand(value, root) && repository_below(root, id, path) &&
	       ps_file_is_there(path);
}

/* Writes CACHE/models--org--name to path. id has no revision. */
static int repository(const char *id, char *path, ps_diag *diag)
{
	char root[PATH_MAX];
	int rc;

	if (is_in_transformers_cache(id, path))
		return 0;
	rc = cache_root(root, diag);
	if (rc)
		return rc;
	return repository_below(root, id, path)
		       ? 0
		       : ps_fail(diag, PS_EINPUT, "%s: the path of its cache is too long", id);
}

/* --- revisions --- */

/* Takes the name of a commit. False if it cannot be one. */
static bool take_commit(char commit[ID_MAX], const char *text, size_t length)
{
	if (length >= ID_MAX || !is_word(text, length))
		return false;
	memcpy(commit, text, length);
	commit[length] = 0;
	return true;
}

/* Reads the first word of the file: a commit. It names a folder and must not lead elsewhere. */
static int read_ref(const char *path, char commit[ID_MAX], ps_diag *diag)
{
	char *text;
	size_t length;
	int rc = ps_file_read(&ps_sys_linux, path, REF_BYTES_MAX, &text, &length, diag);

	if (rc)
		return rc;
	if (!take_commit(commit, text, strcspn(text, " \r\n")))
		rc = ps_fail(diag, PS_EINPUT, "%s: holds no revision", path);
	free(text);
	return rc;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Takes the only snapshot of a repository that has no refs/main. */
static int only_snapshot(const char *id, const char *repo, char commit[ID_MAX], ps_diag *diag)
{
	struct dirent **entries = NULL;
	char folder[PATH_MAX];
	int count, rc = 0;

	if (!join(folder, "%s/snapshots", repo))
		return ps_fail(diag, PS_EINPUT, "%s: the path of its cache is too long", id);
	count = ps_sys_scandir(folder, &entries, not_hidden);
	if (count < 0 && errno != ENOENT)
		return ps_fail_input(diag, errno, "%s", folder);
	if (count > 1)
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: no revision in %s/refs/main, and several snapshots (%s, %s%s): "
			     "name one, as %s@%s",
			     id, repo, entries[0]->d_name, entries[1]->d_name,
			     count > 2 ? ", ..." : "", id, entries[0]->d_name);
	else if (count < 1 || !take_commit(commit, entries[0]->d_name, strlen(entries[0]->d_name)))
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: no revision in %s/refs/main of the Hugging Face cache, and no "
			     "snapshot",
			     id, repo);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return rc;
}

/* Finds the commit that a revision (NULL: none is given) stands for. */
static int find_commit(const char *id, const char *repo, const char *revision, char commit[ID_MAX],
		       ps_diag *diag)
{
	char ref[PATH_MAX];

	if (!join(ref, "%s/refs/%s", repo, revision ? revision : "main"))
		return ps_fail(diag, PS_EINPUT, "%s: the path of its cache is too long", id);
	if (ps_file_is_named(ref))
		return read_ref(ref, commit, diag);
	if (!revision)
		return only_snapshot(id, repo, commit, diag);
	(void)snprintf(commit, ID_MAX, "%s", revision);
	return 0;
}

int ps_hub_snapshot(const char *id, char *path, ps_diag *diag)
{
	char name[ID_MAX + 1], repo[PATH_MAX], commit[ID_MAX];
	const char *at = strchr(id, '@');
	struct stat st;
	int rc;

	(void)snprintf(name, sizeof name, "%.*s", at ? (int)(at - id) : ID_MAX, id);
	rc = repository(name, repo, diag);
	if (rc)
		return rc;
	if (stat(repo, &st))
		return ps_fail(
			diag, PS_EINPUT,
			"%s: neither a folder nor in the Hugging Face cache (looked for %s). "
			"Nothing is downloaded: `hf download %s` of the package "
			"huggingface_hub puts it there",
			id, repo, name);
	rc = find_commit(name, repo, at ? at + 1 : NULL, commit, diag);
	if (rc)
		return rc;
	if (!join(path, "%s/snapshots/%s", repo, commit) || stat(path, &st) || !S_ISDIR(st.st_mode))
		return ps_fail(diag, PS_EINPUT,
			       "%s: no snapshot %s/snapshots/%s in the Hugging Face cache", id,
			       repo, commit);
	return 0;
}
