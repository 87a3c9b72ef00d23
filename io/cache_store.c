#include "io/cache_store.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "core/base/finite.h"
#include "io/known_digest.h"
#include "io/npy_file.h"
#include "io/recognize.h"
#include "io/verified_file.h"

#define SUFFIX ".safetensors"
/* Estimate of the memory for a shard's path and its parsed header: 4 tensors and the provenance. */
#define SHARD_HEADER_BYTES ((size_t)16 << 10)

struct names {
	char **item;
	size_t count, room;
};

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->item[i]);
	free(names->item);
	*names = (struct names){0};
}

static bool ends_with(const char *name, const char *end)
{
	const size_t length = strlen(name), n = strlen(end);

	return length > n && !strcmp(name + length - n, end);
}

static int put_name(struct names *names, const char *name, ps_diag *diag)
{
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 64;
		char **item = realloc(names->item, room * sizeof *item);

		if (!item)
			return ps_fail(diag, PS_EBUDGET, "no memory for %zu names", room);
		names->item = item;
		names->room = room;
	}
	names->item[names->count] = strdup(name);
	if (!names->item[names->count])
		return ps_fail(diag, PS_EBUDGET, "no memory for %s", name);
	names->count++;
	return 0;
}

/* Adds the name of a safetensors file, and passes over any other. */
static int add_name(struct names *names, const char *name, ps_diag *diag)
{
	return name[0] == '.' || !ends_with(name, SUFFIX) ? 0 : put_name(names, name, diag);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int refuse_empty(const char *path, ps_diag *diag)
{
	int rc = ps_recognize_cache(path, true, diag);

	return rc ? rc
		  : ps_fail(diag, PS_EINPUT, "%s: holds no " SUFFIX " files with activations",
			    path);
}

/* Lists the shards in order: those of the manifest, or without one all that the folder holds. */
static int list_shards(const char *path, const json_t *manifest, struct names *names, ps_diag *diag)
{
	const struct dirent *entry;
	const char *name;
	json_t *value;
	int rc = 0;

	if (manifest) {
		json_object_foreach (json_object_get(manifest, "files"), name, value)
			if (!rc)
				rc = add_name(names, name, diag);
	} else {
		DIR *list = ps_sys_opendir(path);

		if (!list)
			return ps_fail_input(diag, errno, "%s: is not a folder that can be read",
					     path);
		while (!rc && (entry = readdir(list)))
			rc = add_name(names, entry->d_name, diag);
		closedir(list);
	}
	if (rc)
		return rc;
	if (!names->count)
		return refuse_empty(path, diag);
	qsort(names->item, names->count, sizeof *names->item, by_text);
	return 0;
}

/* --- checks --- */

static int check_manifest(const json_t *manifest, const char *path, ps_diag *diag)
{
	const char *kind = json_string_value(json_object_get(manifest, "kind"));

	if (strcmp(kind, "activations"))
		return ps_fail(diag, PS_EINPUT, "%s: holds %s, no activations", path, kind);
	if (!json_is_true(json_object_get(manifest, "complete")))
		return ps_fail(
			diag, PS_EINPUT,
			"%s: the cache is not finished: the command that began it continues it",
			path);
	return 0;
}

/* Checks a shard against what the manifest says of it. */
static int check_noted(const ps_cache *cache, const ps_safetensors *file, const char *name,
		       ps_diag *diag)
{
	const json_t *entry = json_object_get(json_object_get(cache->manifest, "files"), name);
	const char *kind = json_string_value(json_object_get(file->metadata, "kind"));
	uint64_t first = cache->first_row[cache->shard_count];

	if (json_integer_value(json_object_get(entry, "bytes")) != (json_int_t)file->file_bytes)
		return ps_fail(diag, PS_EINPUT, "%s: has %" PRIu64 " bytes, the manifest says %lld",
			       file->path, file->file_bytes,
			       (long long)json_integer_value(json_object_get(entry, "bytes")));
	if (!kind || strcmp(kind, "activations"))
		return ps_fail(diag, PS_EINPUT, "%s: has lost its metadata", file->path);
	if (json_integer_value(json_object_get(file->metadata, "first_row")) != (json_int_t)first)
		return ps_fail(
			diag, PS_EINPUT,
			"%s: begins with row %lld, the shards before end at %" PRIu64, file->path,
			(long long)json_integer_value(json_object_get(file->metadata, "first_row")),
			first);
	/* Another layer's, model's or mask's shard of the same size under this name. */
	if (!json_equal(json_object_get(file->metadata, "provenance"),
			json_object_get(cache->manifest, "provenance")))
		return ps_fail(
			diag, PS_EINPUT,
			"%s: belongs to another cache: its provenance is not that of " PS_MANIFEST,
			file->path);
	return 0;
}

/* Without a manifest the shards speak for themselves: each must have the first one's provenance, or
 * none as that one. */
static int check_alone(const ps_cache *cache, const ps_safetensors *file, ps_diag *diag)
{
	const json_t *own = json_object_get(file->metadata, "provenance"),
		     *first = cache->shard_count
				      ? json_object_get(cache->shards[0].metadata, "provenance")
				      : own;

	if (own == first || json_equal(own, first))
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "%s: belongs to another cache: its provenance is not that of %s", file->path,
		       cache->shards[0].path);
}

static int check_activations(ps_cache *cache, const ps_safetensors *file, ps_diag *diag)
{
	const ps_tensor_info *info = ps_safetensors_find(file, "activations");
	const char *kind = json_string_value(json_object_get(file->metadata, "kind"));
	size_t count;

	/* A file of one tensor can mean no other one. */
	if (!info && file->count == 1 && !file->metadata)
		info = file->tensors;
	if (!info && kind)
		return ps_fail(diag, PS_EINPUT, "%s: holds %s, no activations", file->path, kind);
	if (!info)
		return ps_fail(diag, PS_EINPUT, "%s: has no tensor activations", file->path);
	if ((info->dtype != PS_F32 && info->dtype != PS_BF16 && info->dtype != PS_F16) ||
	    info->rank != 2 || !info->bytes)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor activations: must be F32, BF16 or F16 of [rows, width], "
			       "neither 0",
			       file->path);
	if (!cache->shard_count) {
		cache->dtype = (ps_dtype)info->dtype;
		cache->source.width = (size_t)info->shape[1];
	}
	if ((ps_dtype)info->dtype != cache->dtype || info->shape[1] != cache->source.width)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor activations: %s, width %" PRIu64
			       "; the shards before: %s, width %zu",
			       file->path, info->dtype_name, info->shape[1],
			       ps_dtype_name(cache->dtype), cache->source.width);
	if (!ps_size_add((size_t)cache->source.rows, (size_t)info->shape[0], &count))
		return ps_fail(diag, PS_EINPUT, "%s: the number of rows overflows", file->path);
	cache->activations[cache->shard_count] = info;
	cache->source.rows = count;
	return 0;
}

static int open_shard(ps_cache *cache, const ps_sys *sys, const char *folder, const char *name,
		      ps_diag *diag)
{
	ps_safetensors *file = &cache->shards[cache->shard_count];
	char path[PATH_MAX];
	int rc;

	if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
		return ps_fail(diag, PS_EINPUT, "%s/%s: the path is too long", folder, name);
	rc = ends_with(name, ".npy") ? ps_npy_file_open(file, sys, path, "activations", diag)
				     : ps_safetensors_open(file, sys, path, diag);
	if (rc)
		return rc;
	rc = cache->manifest ? check_noted(cache, file, name, diag)
			     : check_alone(cache, file, diag);
	if (!rc)
		rc = check_activations(cache, file, diag);
	if (rc) {
		ps_safetensors_close(file);
		return rc;
	}
	cache->first_row[++cache->shard_count] = cache->source.rows;
	return 0;
}

static int open_shards(ps_cache *cache, const ps_sys *sys, const char *path,
		       const struct names *names, ps_diag *diag)
{
	const json_t *rows = json_object_get(cache->manifest, "rows");

	cache->shards = calloc(names->count, sizeof *cache->shards);
	cache->activations = calloc(names->count, sizeof *cache->activations);
	cache->first_row = calloc(names->count + 1, sizeof *cache->first_row);
	if (!cache->shards || !cache->activations || !cache->first_row)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for %zu shards", path,
			       names->count);
	for (size_t i = 0; i < names->count; i++) {
		int rc = open_shard(cache, sys, path, names->item[i], diag);

		if (rc)
			return rc;
	}
	if (cache->manifest &&
	    (!json_is_integer(rows) || (uint64_t)json_integer_value(rows) != cache->source.rows))
		return ps_fail(diag, PS_EINPUT,
			       "%s: the shards hold %" PRIu64 " rows, the manifest says otherwise",
			       path, cache->source.rows);
	return 0;
}

/* --- what the shards hold --- */

static uint64_t all_bytes(const ps_cache *cache)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < cache->shard_count; i++)
		bytes += cache->shards[i].file_bytes;
	return bytes;
}

/* Shards without a manifest: compares those that have checksums of ours with these. */
static int check_shards(const ps_cache *cache, const ps_context *context, ps_diag *diag)
{
	uint64_t done = 0;
	bool verified;
	int rc = 0;

	for (size_t i = 0; i < cache->shard_count && !rc; i++) {
		rc = ps_verified_file_check(&cache->shards[i], &verified, diag);
		done += cache->shards[i].file_bytes;
		ps_progress_tick(context, "checking shards", "B", done, all_bytes(cache));
		if (!rc)
			rc = ps_progress_check(context);
	}
	return rc;
}

/* Compares a shard with its entry in the manifest. Names the bad block if the shard's own checksums
 * tell which it is. */
static int compare_shard(const ps_cache *cache, const char *path, size_t shard,
			 const ps_known_file *known, ps_diag *diag)
{
	const char *slash = strrchr(known->path, '/'), *name = slash ? slash + 1 : known->path;
	ps_diag differs = {{0}};
	bool verified;
	int rc = ps_folder_compare(cache->manifest, path, name, known->bytes, known->digest,
				   &differs);

	if (!rc)
		return 0;
	if (ps_verified_file_check(&cache->shards[shard], &verified, diag))
		return PS_EINPUT;
	return ps_fail(diag, rc, "%s", differs.text);
}

/* The digests of all shards, in their order. *files is freed by the caller. */
static int digest_shards(const ps_cache *cache, const ps_sys *sys, const char *path,
			 const ps_context *context, ps_known_file **files, ps_diag *diag)
{
	*files = calloc(cache->shard_count, sizeof **files);
	if (!*files)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for %zu digests", path,
			       cache->shard_count);
	for (size_t i = 0; i < cache->shard_count; i++)
		(*files)[i].path = cache->shards[i].path;
	return ps_known_digests(sys, *files, cache->shard_count, context, true, diag);
}

static int compare_shards(const ps_cache *cache, const ps_sys *sys, const char *path,
			  const ps_context *context, ps_diag *diag)
{
	ps_known_file *files;
	int rc = digest_shards(cache, sys, path, context, &files, diag);

	for (size_t i = 0; i < cache->shard_count && !rc; i++)
		rc = compare_shard(cache, path, i, &files[i], diag);
	free(files);
	return rc;
}

/* --- columns --- */

const char *ps_cache_column_name(ps_row_column column)
{
	static const char *const names[PS_ROW_COLUMNS] = {
		[PS_ROW_TOKEN_ID] = "token_ids",
		[PS_ROW_POSITION] = "positions",
		[PS_ROW_WINDOW_ID] = "window_ids",
	};

	return names[column];
}

/* 1: every shard has the column. 0: one lacks it. Negative: the column of one is not I32 [rows]. */
static int has_column(const ps_cache *cache, const char *name, ps_diag *diag)
{
	for (size_t i = 0; i < cache->shard_count; i++) {
		uint64_t rows = cache->first_row[i + 1] - cache->first_row[i];
		const ps_tensor_info *info;
		int rc;

		if (!ps_safetensors_find(&cache->shards[i], name))
			return 0;
		rc = ps_safetensors_expect(&cache->shards[i], name, PS_I32, 1, &rows, &info, diag);
		if (rc)
			return rc;
	}
	return 1;
}

static int check_columns(ps_cache *cache, ps_diag *diag)
{
	for (int c = 0; c < PS_ROW_COLUMNS; c++) {
		int rc = has_column(cache, ps_cache_column_name((ps_row_column)c), diag);

		if (rc < 0)
			return rc;
		cache->source.columns |= (unsigned)rc << c;
	}
	return 0;
}

/* --- rows --- */

/* The shard s with first_row[s] <= row < first_row[s + 1]. guess: the shard to try first. */
static size_t find_shard(const ps_cache *cache, uint64_t row, size_t guess)
{
	if (cache->first_row[guess] <= row && row < cache->first_row[guess + 1])
		return guess;
	return ps_find_part(cache->first_row, cache->shard_count, row);
}

int ps_cache_check_row(const ps_cache *cache, uint64_t row, const float *values, ps_diag *diag)
{
	const size_t width = cache->source.width, shard = find_shard(cache, row, 0);
	const uint64_t of_shard = row - cache->first_row[shard];
	size_t col;

	if (ps_all_finite(values, width))
		return 0;
	col = ps_first_not_finite(values, width);
	return ps_fail(diag, PS_EINPUT,
		       "%s: tensor activations holds %g at row %" PRIu64
		       ", column %zu (offset %" PRIu64 "; row %" PRIu64
		       " of the cache): activations must be finite",
		       cache->shards[shard].path, (double)values[col], of_shard, col,
		       cache->activations[shard]->offset +
			       (of_shard * width + col) * ps_dtype_size(cache->dtype),
		       row);
}

static int gather(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	const ps_cache *cache = self;
	size_t width = cache->source.width, row_bytes = width * ps_dtype_size(cache->dtype),
	       shard = 0;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		const char *data;

		shard = find_shard(cache, ids[i], shard);
		data = ps_safetensors_data(&cache->shards[shard], cache->activations[shard]);
		ps_widen(data + (size_t)(ids[i] - cache->first_row[shard]) * row_bytes,
			 cache->dtype, width, out + i * width);
		rc = ps_cache_check_row(cache, ids[i], out + i * width, diag);
	}
	return rc;
}

/* The values may stand in the shards at any offset, aligned or not. */
static void column(void *self, ps_row_column which, const uint64_t *ids, size_t count, int32_t *out)
{
	const ps_cache *cache = self;
	size_t shard = 0, at = 0;
	const char *data = NULL;

	for (size_t i = 0; i < count; i++) {
		shard = find_shard(cache, ids[i], shard);
		if (!data || shard != at)
			data = ps_safetensors_data(
				&cache->shards[shard],
				ps_safetensors_find(&cache->shards[shard],
						    ps_cache_column_name(which)));
		at = shard;
		memcpy(&out[i], data + (size_t)(ids[i] - cache->first_row[shard]) * sizeof *out,
		       sizeof *out);
	}
}

/* --- open and close --- */

static int digest_manifest(ps_cache *cache, const char *path, ps_diag *diag)
{
	char *text = ps_json_text(cache->manifest, JSON_COMPACT | JSON_SORT_KEYS);

	if (!text)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its checksum", path);
	cache->digest = ps_digest_of(text, strlen(text));
	free(text);
	return 0;
}

/* Another tool's cache has no manifest that stands for its bytes: they are read. */
static int digest_foreign(ps_cache *cache, const ps_sys *sys, const char *path,
			  const ps_context *context, ps_diag *diag)
{
	ps_digest *digest = ps_digest_create();
	ps_known_file *files;
	int rc = digest_shards(cache, sys, path, context, &files, diag);

	if (!rc && !digest)
		rc = ps_fail(diag, PS_EBUDGET, "%s: no memory for its checksum", path);
	for (size_t i = 0; !rc && i < cache->shard_count; i++)
		ps_digest_add(digest, &files[i].digest, sizeof files[i].digest);
	if (!rc)
		cache->digest = ps_digest_value(digest);
	ps_digest_destroy(digest);
	free(files);
	return rc;
}

size_t ps_cache_bytes(const ps_cache *cache)
{
	return cache->shard_count * (sizeof *cache->shards + sizeof *cache->activations +
				     sizeof *cache->first_row + SHARD_HEADER_BYTES);
}

static bool is_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* A file alone is a cache of one shard, without a manifest. folder (PATH_MAX): where it lies. */
static int list_file(const char *path, char *folder, struct names *names, ps_diag *diag)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (!ends_with(name, SUFFIX) && !ends_with(name, ".npy"))
		return ps_fail(diag, PS_EINPUT,
			       "%s: activations are a folder, or a file whose name ends in "
			       ".safetensors or .npy",
			       path);
	if (snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(slash - path) : 1,
		     slash ? path : ".") >= PATH_MAX)
		return ps_fail(diag, PS_EINPUT, "%s: the path is too long", path);
	return put_name(names, name, diag);
}

static int list_folder(ps_cache *cache, const ps_sys *sys, const char *path, struct names *names,
		       ps_diag *diag)
{
	int rc = ps_folder_read_manifest(sys, path, &cache->manifest, diag);

	if (!rc && cache->manifest)
		rc = check_manifest(cache->manifest, path, diag);
	return rc ? rc : list_shards(path, cache->manifest, names, diag);
}

int ps_cache_open(ps_cache *cache, const ps_sys *sys, const char *path, const ps_context *verify,
		  ps_diag *diag)
{
	struct names names = {0};
	char folder[PATH_MAX];
	ps_diag other = {{0}};
	int rc;

	*cache = (ps_cache){.source = {.self = cache, .gather = gather, .column = column}};
	rc = is_file(path) ? list_file(path, folder, &names, diag)
			   : list_folder(cache, sys, path, &names, diag);
	if (!rc)
		rc = open_shards(cache, sys, is_file(path) ? folder : path, &names, diag);
	/* Its first file is refused, and it is the folder of something else. */
	if (rc == PS_EINPUT && names.count && !cache->shard_count && !cache->manifest &&
	    !is_file(path) && ps_recognize_cache(path, false, &other))
		*diag = other;
	if (!rc)
		rc = check_columns(cache, diag);
	if (!rc && verify)
		rc = cache->manifest ? compare_shards(cache, sys, path, verify, diag)
				     : check_shards(cache, verify, diag);
	if (!rc)
		rc = cache->manifest ? digest_manifest(cache, path, diag)
				     : digest_foreign(cache, sys, path, verify, diag);
	free_names(&names);
	if (rc)
		ps_cache_close(cache);
	else
		cache->verified = cache->manifest != NULL;
	return rc;
}

const json_t *ps_cache_about(const ps_cache *cache)
{
	return cache->manifest ? cache->manifest : cache->shards[0].metadata;
}

void ps_cache_close(ps_cache *cache)
{
	for (size_t i = 0; i < cache->shard_count; i++)
		ps_safetensors_close(&cache->shards[i]);
	free(cache->shards);
	free((void *)cache->activations);
	free(cache->first_row);
	json_decref(cache->manifest);
	*cache = (ps_cache){0};
}
