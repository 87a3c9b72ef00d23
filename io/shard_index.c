#include "io/shard_index.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/folder.h"
#include "io/recognize.h"

#define SINGLE "model.safetensors"
#define INDEX "model.safetensors.index.json"
#define INDEX_BYTES_MAX ((size_t)64 << 20)
#define SHARDS_MAX 4096

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_name(const void *a, const void *b)
{
	const ps_located *x = a, *y = b;

	return strcmp(x->info->name, y->info->name);
}

static int compare_key(const void *key, const void *element)
{
	const ps_located *located = element;

	return strcmp(key, located->info->name);
}

/* Opens count files of the folder. names is sorted. */
static int open_shards(ps_shard_set *set, const ps_sys *sys, const char *folder,
		       const char *const *names, size_t count, ps_diag *diag)
{
	char path[PATH_MAX];

	set->shards = calloc(count, sizeof *set->shards);
	if (!set->shards)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its shards", folder);
	for (size_t i = 0; i < count; i++) {
		int rc;

		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		rc = ps_safetensors_open(&set->shards[i], sys, path, diag);
		if (rc)
			return rc;
		set->shard_count++;
		set->tensor_count += set->shards[i].count;
	}
	return 0;
}

static int refuse_twice(const ps_located *a, const ps_located *b, ps_diag *diag)
{
	if (a->file == b->file)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s is there twice, at offsets %" PRIu64 " and %" PRIu64,
			       b->file->path, b->info->name,
			       ps_min_size(a->info->offset, b->info->offset),
			       ps_max_size(a->info->offset, b->info->offset));
	return ps_fail(diag, PS_EINPUT, "%s: tensor %s stands in %s as well", b->file->path,
		       b->info->name, a->file->path);
}

/* Makes the table of all tensors. Two of the same name: PS_EINPUT. */
static int collect_tensors(ps_shard_set *set, ps_diag *diag)
{
	ps_located *next;

	set->tensors = next = calloc(set->tensor_count + 1, sizeof *set->tensors);
	if (!next)
		return ps_fail(diag, PS_EBUDGET, "no memory for %zu tensors", set->tensor_count);
	for (size_t i = 0; i < set->shard_count; i++)
		for (size_t j = 0; j < set->shards[i].count; j++)
			*next++ = (ps_located){.file = &set->shards[i],
					       .info = &set->shards[i].tensors[j]};
	qsort(set->tensors, set->tensor_count, sizeof *set->tensors, by_name);
	for (size_t i = 1; i < set->tensor_count; i++)
		if (!by_name(&set->tensors[i - 1], &set->tensors[i]))
			return refuse_twice(&set->tensors[i - 1], &set->tensors[i], diag);
	return 0;
}

/* Lists the file names of the weight map, each once, sorted. They are borrowed from the map. */
static int list_files(json_t *map, const char *path, const char **names, size_t *count,
		      ps_diag *diag)
{
	size_t all = 0, kept = 0;
	const char *tensor;
	json_t *value;

	json_object_foreach (map, tensor, value) {
		names[all] = json_string_value(value);
		if (!ps_folder_plain_name(names[all]) || strchr(names[all], '\\'))
			return ps_fail(diag, PS_EINPUT,
				       "%s: the file of tensor %s is not a plain file name", path,
				       tensor);
		all++;
	}
	qsort(names, all, sizeof *names, by_text);
	for (size_t i = 0; i < all; i++)
		if (!kept || strcmp(names[kept - 1], names[i]))
			names[kept++] = names[i];
	if (!kept || kept > SHARDS_MAX)
		return ps_fail(diag, PS_EINPUT, "%s: names %zu files (1 to %d are expected)", path,
			       kept, SHARDS_MAX);
	*count = kept;
	return 0;
}

/* Checks that every file of the index is there, before the first is opened. */
static int check_files(const char *folder, const char *path, const char *const *names, size_t count,
		       ps_diag *diag)
{
	const char *first = NULL;
	char name[PATH_MAX];
	size_t absent = 0;

	for (size_t i = 0; i < count; i++) {
		if (snprintf(name, sizeof name, "%s/%s", folder, names[i]) >= (int)sizeof name)
			return ps_fail(diag, PS_EINPUT, "%s/%s: the path is too long", folder,
				       names[i]);
		if (ps_file_is_named(name))
			continue;
		first = first ? first : names[i];
		absent++;
	}
	if (!absent)
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "%s: names %zu files, of which %zu are not in the folder (%s is the first)",
		       path, count, absent, first);
}

/* Checks that every tensor is in the file that the index names. */
static int check_map(const ps_shard_set *set, json_t *map, const char *path, ps_diag *diag)
{
	const char *tensor;
	json_t *value;

	json_object_foreach (map, tensor, value) {
		const ps_located *located = ps_shard_set_find(set, tensor);
		const char *want = json_string_value(value),
			   *have = located ? strrchr(located->file->path, '/') : NULL;

		if (!have || strcmp(have + 1, want))
			return ps_fail(diag, PS_EINPUT,
				       "%s: places tensor %s in %s, which lacks it", path, tensor,
				       want);
	}
	return 0;
}

static int open_indexed(ps_shard_set *set, const ps_sys *sys, const char *folder, const char *path,
			ps_diag *diag)
{
	const char **names = NULL;
	json_t *index = NULL, *map;
	size_t count = 0;
	int rc = ps_file_read_json(sys, path, INDEX_BYTES_MAX, &index, diag);

	if (rc)
		return rc;
	map = json_object_get(index, "weight_map");
	if (!json_is_object(map)) {
		rc = ps_fail(diag, PS_EINPUT, "%s: has no weight_map", path);
		goto out;
	}
	names = calloc(json_object_size(map) + 1, sizeof *names);
	if (!names) {
		rc = ps_fail(diag, PS_EBUDGET, "%s: no memory for its file names", path);
		goto out;
	}
	rc = list_files(map, path, names, &count, diag);
	if (!rc)
		rc = check_files(folder, path, names, count, diag);
	if (!rc)
		rc = open_shards(set, sys, folder, names, count, diag);
	if (!rc)
		rc = collect_tensors(set, diag);
	if (!rc)
		rc = check_map(set, map, path, diag);
out:
	free(names);
	json_decref(index);
	return rc;
}

static int open_single(ps_shard_set *set, const ps_sys *sys, const char *folder, ps_diag *diag)
{
	const char *name = SINGLE;
	int rc = open_shards(set, sys, folder, &name, 1, diag);

	return rc ? rc : collect_tensors(set, diag);
}

int ps_shard_set_open(ps_shard_set *set, const ps_sys *sys, const char *folder, ps_diag *diag)
{
	char single[PATH_MAX], index[PATH_MAX];
	int rc;

	*set = (ps_shard_set){0};
	if (snprintf(single, sizeof single, "%s/" SINGLE, folder) >= (int)sizeof single ||
	    snprintf(index, sizeof index, "%s/" INDEX, folder) >= (int)sizeof index)
		return ps_fail(diag, PS_EINPUT, "%s: the path is too long", folder);
	if (ps_file_is_named(single))
		rc = open_single(set, sys, folder, diag);
	else if (ps_file_is_named(index))
		rc = open_indexed(set, sys, folder, index, diag);
	else
		rc = ps_recognize_model(folder, SINGLE " or " INDEX, diag);
	if (rc)
		ps_shard_set_close(set);
	return rc;
}

int ps_shard_set_take(ps_shard_set *set, ps_tensor_file *file, ps_diag *diag)
{
	int rc;

	*set = (ps_shard_set){.shards = malloc(sizeof *set->shards)};
	if (!set->shards) {
		rc = ps_fail(diag, PS_EBUDGET, "%s: no memory for its shards", file->path);
		ps_tensor_file_close(file);
		return rc;
	}
	set->shards[0] = *file;
	set->shard_count = 1;
	set->tensor_count = file->count;
	*file = (ps_tensor_file){.fd = -1};
	rc = collect_tensors(set, diag);
	if (rc)
		ps_shard_set_close(set);
	return rc;
}

void ps_shard_set_close(ps_shard_set *set)
{
	for (size_t i = 0; i < set->shard_count; i++)
		ps_tensor_file_close(&set->shards[i]);
	free(set->shards);
	free(set->tensors);
	*set = (ps_shard_set){0};
}

const ps_located *ps_shard_set_find(const ps_shard_set *set, const char *name)
{
	return bsearch(name, set->tensors, set->tensor_count, sizeof *set->tensors, compare_key);
}

const char *ps_shard_tensor_at(const ps_tensor_file *file, uint64_t offset)
{
	for (size_t i = 0; i < file->count; i++)
		if (offset >= file->tensors[i].offset &&
		    offset - file->tensors[i].offset < file->tensors[i].bytes)
			return file->tensors[i].name;
	return "";
}
