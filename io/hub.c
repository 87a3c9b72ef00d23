#include "io/hub.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ID_MAX 192

static bool is_word(const char *text, size_t length)
{
	if (!length || text[0] == '.' || text[0] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
			return false;
	return true;
}

bool ps_hub_is_id(const char *id)
{
	const char *slash = strchr(id, '/');

	if (strlen(id) > ID_MAX)
		return false;
	if (!slash)
		return is_word(id, strlen(id));
	return is_word(id, (size_t)(slash - id)) && is_word(slash + 1, strlen(slash + 1));
}

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

static int cache_root(char *root, ps_diag *diag)
{
	const char *hub = getenv("HF_HUB_CACHE"), *home = getenv("HF_HOME"), *user = getenv("HOME");
	bool fits;

	if (hub && *hub)
		fits = join(root, "%s", hub);
	else if (home && *home)
		fits = join(root, "%s/hub", home);
	else if (user && *user)
		fits = join(root, "%s/.cache/huggingface/hub", user);
	else
		return ps_fail(
			diag, PS_EINPUT,
			"no Hugging Face cache: none of HF_HUB_CACHE, HF_HOME and HOME is set");
	return fits ? 0
		    : ps_fail(diag, PS_EINPUT, "the path of the Hugging Face cache is too long");
}

/* Writes CACHE/models--org--name to path. */
static int repository(const char *id, char *path, ps_diag *diag)
{
	const char *slash = strchr(id, '/');
	char root[PATH_MAX];
	int rc = cache_root(root, diag);
	bool fits;

	if (rc)
		return rc;
	if (slash)
		fits = join(path, "%s/models--%.*s--%s", root, (int)(slash - id), id, slash + 1);
	else
		fits = join(path, "%s/models--%s", root, id);
	return fits ? 0 : ps_fail(diag, PS_EINPUT, "%s: the path of its cache is too long", id);
}

/* Reads the first word of the file: a revision. It names a folder and must not lead elsewhere. */
static bool read_revision(const char *path, char revision[ID_MAX])
{
	FILE *file = fopen(path, "re");
	size_t length;

	if (!file)
		return false;
	length = fread(revision, 1, ID_MAX - 1, file);
	fclose(file);
	revision[length] = '\0';
	revision[strcspn(revision, " \r\n")] = '\0';
	return is_word(revision, strlen(revision));
}

int ps_hub_snapshot(const char *id, char *path, ps_diag *diag)
{
	char repo[PATH_MAX], ref[PATH_MAX], revision[ID_MAX];
	struct stat st;
	int rc = repository(id, repo, diag);

	if (rc)
		return rc;
	if (stat(repo, &st))
		return ps_fail(diag, PS_EINPUT,
			       "%s: neither a folder nor in the Hugging Face cache (looked for %s)",
			       id, repo);
	if (!join(ref, "%s/refs/main", repo) || !read_revision(ref, revision))
		return ps_fail(diag, PS_EINPUT,
			       "%s: no revision in %s/refs/main of the Hugging Face cache", id,
			       repo);
	if (!join(path, "%s/snapshots/%s", repo, revision) || stat(path, &st) ||
	    !S_ISDIR(st.st_mode))
		return ps_fail(diag, PS_EINPUT,
			       "%s: no snapshot %s/snapshots/%s in the Hugging Face cache", id,
			       repo, revision);
	return 0;
}
