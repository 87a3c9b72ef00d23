#include "test/fault/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/base/json.h"

static void die(const char *path)
{
	perror(path);
	exit(99);
}

bool tree_matches(const struct tree_patterns *patterns, const char *path)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; patterns && i < patterns->count; i++)
		if (!fnmatch(patterns->item[i], path, 0) ||
		    !fnmatch(patterns->item[i], slash ? slash + 1 : path, 0))
			return true;
	return false;
}

static void drop_keys(json_t *value, const struct tree_patterns *keys)
{
	const char *key;
	json_t *member;
	void *next;
	size_t i;

	json_array_foreach (value, i, member)
		drop_keys(member, keys);
	json_object_foreach_safe(value, next, key, member)
	{
		if (tree_matches(keys, key))
			json_object_del(value, key);
		else
			drop_keys(member, keys);
	}
}

uint64_t json_digest(const char *text, size_t length, const struct tree_patterns *keys)
{
	json_t *value = json_loadb(text, length, JSON_DECODE_ANY, NULL);
	char *plain = NULL;
	uint64_t digest;

	if (value) {
		drop_keys(value, keys);
		plain = json_dumps(value, JSON_SORT_KEYS | JSON_ENCODE_ANY);
		json_decref(value);
	}
	digest = plain ? XXH3_64bits(plain, strlen(plain)) : XXH3_64bits(text, length);
	free(plain);
	return digest;
}

static char *read_file(const char *path, size_t *length)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	char *bytes;

	if (fd < 0 || fstat(fd, &st))
		die(path);
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes || read(fd, bytes, (size_t)st.st_size) != st.st_size)
		die(path);
	close(fd);
	*length = (size_t)st.st_size;
	return bytes;
}

static void add(struct tree *tree, const char *path, uint64_t digest)
{
	tree->file = realloc(tree->file, (tree->count + 1) * sizeof *tree->file);
	if (!tree->file)
		die(path);
	tree->file[tree->count++] = (struct tree_file){strdup(path), digest};
}

/* The digest of a JSON file without its changing values. Most files of a run are those of the run
 * before, so the last ones are remembered. */
static uint64_t timed_digest(const char *bytes, size_t length, uint64_t plain,
			     const struct tree_patterns *keys)
{
	enum { KEPT = 4096 };
	static struct {
		uint64_t plain, digest;
	} kept[KEPT];
	const size_t slot = plain % KEPT;

	if (kept[slot].plain != plain) {
		kept[slot].digest = json_digest(bytes, length, keys);
		kept[slot].plain = plain;
	}
	return kept[slot].digest;
}

/* What a folder is read with. */
struct reading {
	struct tree *tree;
	const char *root;
	const struct tree_patterns *ignored, *timed, *keys;
	bool names_only; /* within a folder that is ignored */
};

static void read_regular(const struct reading *r, const char *path, const char *below)
{
	size_t length;
	char *bytes = read_file(path, &length);
	uint64_t digest = XXH3_64bits(bytes, length);

	if (tree_matches(r->timed, below))
		digest = timed_digest(bytes, length, digest, r->keys);
	add(r->tree, below, digest);
	free(bytes);
}

static void read_entry(const struct reading *r, const char *below)
{
	struct reading inside = *r;
	char path[PATH_MAX], inner[PATH_MAX];
	struct stat st;
	DIR *list;

	snprintf(path, sizeof path, "%s/%s", r->root, below);
	if (lstat(path, &st))
		die(path);
	inside.names_only |= tree_matches(r->ignored, below);
	if (inside.names_only)
		r->tree->ignored += XXH3_64bits(below, strlen(below));
	else if (S_ISREG(st.st_mode))
		read_regular(r, path, below);
	if (!S_ISDIR(st.st_mode))
		return;
	list = opendir(path);
	for (const struct dirent *entry; list && (entry = readdir(list));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(inner, sizeof inner, "%s%s%s", below, *below ? "/" : "", entry->d_name);
		read_entry(&inside, inner);
	}
	if (list)
		closedir(list);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct tree_file *)a)->path, ((const struct tree_file *)b)->path);
}

struct tree tree_read(const char *folder, const struct tree_patterns *ignored,
		      const struct tree_patterns *timed, const struct tree_patterns *keys)
{
	struct tree tree = {0};
	const struct reading reading = {&tree, folder, ignored, timed, keys, false};

	read_entry(&reading, "");
	if (tree.count)
		qsort(tree.file, tree.count, sizeof *tree.file, by_path);
	return tree;
}

void tree_free(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		free(tree->file[i].path);
	free(tree->file);
	*tree = (struct tree){0};
}

uint64_t tree_digest(const struct tree *tree)
{
	uint64_t digest = tree->ignored;

	for (size_t i = 0; i < tree->count; i++)
		digest = XXH3_64bits_withSeed(tree->file[i].path, strlen(tree->file[i].path),
					      digest ^ tree->file[i].digest);
	return digest;
}

const char *tree_difference(const struct tree *a, const struct tree *b,
			    const struct tree_patterns *part)
{
	size_t i = 0, j = 0;

	while (i < a->count || j < b->count) {
		int order = i == a->count   ? 1
			    : j == b->count ? -1
					    : strcmp(a->file[i].path, b->file[j].path);

		if (order < 0) {
			if (!part || !tree_matches(part, a->file[i].path))
				return a->file[i].path;
			i++;
		} else if (order > 0) {
			if (!part)
				return b->file[j].path;
			j++;
		} else {
			if (a->file[i].digest != b->file[j].digest &&
			    (!part || !tree_matches(part, a->file[i].path)))
				return a->file[i].path;
			i++, j++;
		}
	}
	return NULL;
}

static void empty(const char *folder)
{
	DIR *list = opendir(folder);
	char path[PATH_MAX];

	for (const struct dirent *entry; list && (entry = readdir(list));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		if (!unlink(path))
			continue;
		empty(path);
		if (rmdir(path))
			die(path);
	}
	if (list)
		closedir(list);
}

void tree_copy(const char *from, const char *to, const char *without)
{
	struct stat st;
	char *bytes, source[PATH_MAX], target[PATH_MAX];
	size_t length;
	int fd;
	DIR *list;

	if (stat(from, &st))
		die(from);
	if (!S_ISDIR(st.st_mode)) {
		bytes = read_file(from, &length);
		fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
			die(to);
		close(fd);
		free(bytes);
		return;
	}
	mkdir(to, 0777);
	list = opendir(from);
	for (const struct dirent *entry; list && (entry = readdir(list));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    (without && !strcmp(entry->d_name, without)))
			continue;
		snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
		snprintf(target, sizeof target, "%s/%s", to, entry->d_name);
		tree_copy(source, target, NULL);
	}
	if (list)
		closedir(list);
}

void tree_reset(const char *folder, const char *from)
{
	mkdir(folder, 0777);
	empty(folder);
	if (from)
		tree_copy(from, folder, NULL);
}
