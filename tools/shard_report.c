#include "tools/shard_report.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "io/sealed_json.h"
#include "tools/shard_json.h"
#include "tools/shard_npz.h"
#include "tools/shard_record.h"
#include "tools/shard_stats.h"

#define RUNS "runs"
#define DEPTH_MAX 8 /* of folders in folders; the caches of a study are five deep */

#define TENSORS ".safetensors"
#define JSON ".json"
#define NPZ ".npz"
#define GGUF ".gguf"

/* What is asked of the files and folders below a path. */
struct walk {
	json_t *report;
	bool verify;
	int depth;
	ps_shard_study study; /* path NULL: the folder is not within the runs/ of a study */
	const char *within;   /* the path of runs/, or of what was given within it */
	const char *below;    /* the same below runs/; empty: runs/ itself */
};

/* --- entries --- */

static json_t *add_entry(json_t *report, const char *list, const char *path, const char *kind)
{
	json_t *entry = ps_shard_made(json_pack("{s:o, s:s, s:[], s:b}", "path", ps_text_json(path),
						"kind", kind, "tensors", "ok", 1));

	ps_shard_append(ps_shard_list(report, list), entry);
	return entry;
}

/* What reading a file came to. */
static void add_failure(json_t *entry, int rc, const ps_diag *diag)
{
	ps_shard_check_memory(rc);
	ps_shard_add_problem(entry, diag->text);
}

static void add_bad_block(void *context, const char *path, long block, uint64_t offset,
			  const char *what)
{
	json_t *entry = context;

	(void)path;
	ps_shard_put(entry, "ok", json_false());
	ps_shard_append(ps_shard_list(entry, "problems"),
			json_pack("{s:s, s:I, s:I}", "what", what, "block", (json_int_t)block,
				  "offset", (json_int_t)offset));
}

static bool is_ok(const json_t *entry)
{
	return json_is_true(json_object_get(entry, "ok"));
}

/* --- one file --- */

static void describe_tensors(const ps_safetensors *file, json_t *entry)
{
	json_t *tensors = json_object_get(entry, "tensors");

	for (size_t i = 0; i < file->count; i++) {
		const ps_tensor_info *info = &file->tensors[i];
		json_t *shape = json_array();

		for (int d = 0; d < info->rank; d++)
			ps_shard_append(shape, json_integer((json_int_t)info->shape[d]));
		ps_shard_append(tensors, json_pack("{s:s, s:s, s:o}", "name", info->name, "dtype",
						   info->dtype_name, "shape", shape));
	}
}

static void describe_metadata(const ps_safetensors *file, json_t *entry)
{
	const char *kind = json_string_value(json_object_get(file->metadata, "kind"));
	json_t *metadata;

	ps_shard_put(entry, "kind", json_string(kind ? kind : "safetensors"));
	if (!file->metadata)
		return;
	metadata = ps_shard_made(ps_json_copy(file->metadata));
	json_object_del(metadata, "xxh3");
	ps_shard_put(entry, "metadata", metadata);
	if (!kind)
		ps_shard_add_problem(entry, "the metadata names no kind");
}

static void verify_blocks(const ps_safetensors *file, json_t *entry)
{
	ps_diag diag = {{0}};
	bool verified = false;
	size_t before = json_array_size(json_object_get(entry, "problems"));
	int rc = ps_safetensors_verify(file, add_bad_block, entry, &verified, &diag);

	if (rc) {
		add_failure(entry, rc, &diag);
		return;
	}
	ps_shard_put(entry, "checksums",
		     json_string(!verified ? "none"
				 : json_array_size(json_object_get(entry, "problems")) > before
					 ? "wrong"
					 : "right"));
}

static void describe_safetensors(json_t *entry, const char *path, bool verify, bool ours)
{
	ps_diag diag = {{0}};
	ps_safetensors file;
	int rc = ps_safetensors_open(&file, &ps_sys_linux, path, &diag);

	if (rc) {
		add_failure(entry, rc, &diag);
		return;
	}
	ps_shard_put(entry, "bytes", json_integer((json_int_t)file.file_bytes));
	describe_tensors(&file, entry);
	describe_metadata(&file, entry);
	ps_shard_put(entry, "checksums", json_string(file.metadata ? "not read" : "none"));
	if (ours && !file.metadata)
		ps_shard_add_problem(entry,
				     "the manifest names it as ours, and it has lost its metadata");
	if (verify)
		verify_blocks(&file, entry);
	ps_shard_put(entry, "statistics", ps_shard_stats(&file, json_object_get(entry, "tensors")));
	ps_safetensors_close(&file);
}

/* Compares a file with its entry in the manifest: the size, and with verify the XXH3 of the whole
 * file. */
static void compare_noted(const struct walk *walk, json_t *entry, const char *path,
			  const json_t *noted)
{
	ps_diag diag = {{0}};
	char digest[PS_DIGEST_TEXT];
	uint64_t bytes = 0;
	struct stat st;
	int rc = 0;

	if (stat(path, &st)) {
		ps_shard_add_problem(entry, errno == ENOENT
						    ? "the manifest names it, and it is missing"
						    : strerror(errno));
		return;
	}
	ps_shard_put(entry, "bytes", json_integer((json_int_t)st.st_size));
	if (st.st_size != json_integer_value(json_object_get(noted, "bytes"))) {
		ps_shard_add_problem(entry, "its size differs from the manifest's");
		return;
	}
	if (walk->verify)
		rc = ps_shard_digest(walk->study.digests, path, &bytes, digest, &diag);
	if (rc)
		add_failure(entry, rc, &diag);
	else if (walk->verify && strcmp(digest, json_string_value(json_object_get(noted, "xxh3"))))
		ps_shard_add_problem(entry, "its XXH3 differs from the manifest's");
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t length = strlen(name), end = strlen(suffix);

	return length > end && !strcmp(name + length - end, suffix);
}

/* noted: the file's entry in the manifest; NULL: none. */
static bool report_file(const struct walk *walk, const char *path, const json_t *noted)
{
	bool tensors = !noted || ends_in(path, TENSORS);
	json_t *entry = add_entry(walk->report, "files", path, tensors ? "safetensors" : "file");

	if (noted)
		compare_noted(walk, entry, path, noted);
	if (tensors && (!noted || json_object_get(entry, "bytes")))
		describe_safetensors(entry, path, walk->verify, noted != NULL);
	return is_ok(entry);
}

/* A NumPy archive, of another tool. */
static bool report_npz(const struct walk *walk, const char *path)
{
	json_t *entry = add_entry(walk->report, "files", path, "npz");
	ps_diag diag = {{0}};
	int rc = ps_shard_npz(entry, path, walk->verify, &diag);

	if (rc)
		add_failure(entry, rc, &diag);
	return is_ok(entry);
}

/* A GGUF file, of another tool. */
static bool report_gguf(const struct walk *walk, const char *path)
{
	json_t *entry = add_entry(walk->report, "files", path, "gguf");
	ps_diag diag = {{0}};
	ps_gguf gguf;
	int rc = ps_gguf_open(&gguf, &ps_sys_linux, path, &diag);

	if (rc) {
		add_failure(entry, rc, &diag);
		return false;
	}
	ps_shard_put(entry, "bytes", json_integer((json_int_t)gguf.file.file_bytes));
	describe_tensors(&gguf.file, entry);
	ps_shard_put(entry, "checksums", json_string("none"));
	ps_gguf_close(&gguf);
	return is_ok(entry);
}

/* A JSON file that carries the checksum of itself. */
static json_t *report_sealed(const struct walk *walk, const char *path, const char *kind)
{
	json_t *entry = add_entry(walk->report, "files", path, kind);
	ps_diag diag = {{0}};
	json_t *object = NULL;
	struct stat st;
	int rc;

	if (stat(path, &st)) {
		ps_shard_add_problem(entry, strerror(errno));
		return entry;
	}
	ps_shard_put(entry, "bytes", json_integer((json_int_t)st.st_size));
	if (!walk->verify) {
		ps_shard_put(entry, "checksums", json_string("not read"));
		return entry;
	}
	rc = ps_sealed_read(&ps_sys_linux, path, PS_MANIFEST_BYTES_MAX, &object, &diag);
	json_decref(object);
	if (rc)
		add_failure(entry, rc, &diag);
	ps_shard_put(entry, "checksums", json_string(is_ok(entry) ? "right" : "wrong"));
	return entry;
}

#define SCHEMAS "prunescope-"

/* What a JSON file says that it is: "cards" of the schema "prunescope-cards/1". False: it says
 * nothing, or cannot be read. */
static bool find_schema(const char *path, char kind[32])
{
	ps_diag ignored = {{0}};
	json_t *value = NULL;
	const char *schema;

	ps_shard_check_memory(
		ps_file_read_json(&ps_sys_linux, path, PS_MANIFEST_BYTES_MAX, &value, &ignored));
	schema = json_string_value(json_object_get(value, "schema"));
	*kind = 0;
	if (schema && !strncmp(schema, SCHEMAS, strlen(SCHEMAS)))
		snprintf(kind, 32, "%.*s", (int)strcspn(schema + strlen(SCHEMAS), "/"),
			 schema + strlen(SCHEMAS));
	json_decref(value);
	return *kind;
}

/* A JSON file that was given by name. */
static bool report_json(const struct walk *walk, const char *path)
{
	char kind[32];

	return is_ok(report_sealed(walk, path, find_schema(path, kind) ? kind : "json"));
}

/* A JSON file of a study: an output of a step that says its schema, or else a record. */
static bool report_record(const struct walk *walk, const char *path)
{
	const char *rest = path + strlen(walk->within);
	char below[PATH_MAX], kind[32];
	json_t *entry;

	if (find_schema(path, kind))
		return is_ok(report_sealed(walk, path, kind));
	entry = report_sealed(walk, path, "record");
	rest += strspn(rest, "/");
	snprintf(below, sizeof below, "%s%s%s", walk->below, *walk->below && *rest ? "/" : "",
		 rest);
	if (walk->verify && is_ok(entry))
		ps_shard_record_check(&walk->study, path, below, entry);
	return is_ok(entry);
}

/* A file that was given by name. The manifest of its folder may name it. */
static bool report_given(const struct walk *walk, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char folder[PATH_MAX];
	json_t *manifest = NULL, *noted;
	ps_diag diag = {{0}};
	bool good;
	int rc;

	snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1,
		 slash ? path : ".");
	rc = ps_folder_find_manifest(&ps_sys_linux, folder, &manifest, &diag);
	if (rc) {
		add_failure(add_entry(walk->report, "files", path, "file"), rc, &diag);
		return false;
	}
	noted = json_object_get(json_object_get(manifest, "files"), name);
	if (!noted && ends_in(name, NPZ))
		good = report_npz(walk, path);
	else if (!noted && ends_in(name, GGUF))
		good = report_gguf(walk, path);
	else if (noted || !ends_in(name, JSON))
		good = report_file(walk, path, noted);
	else if (walk->study.path && !manifest && strcmp(name, PS_MANIFEST))
		good = report_record(walk, path);
	else
		good = report_json(walk, path);
	json_decref(manifest);
	return good;
}

/* --- studies --- */

static bool holds(const char *folder, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path &&
	       ps_file_is_there(path);
}

static bool is_study(const char *path)
{
	return holds(path, RUNS) && (holds(path, "results.json") || holds(path, "times.jsonl"));
}

/* Finds the study in whose runs/ the path is or lies. real (PATH_MAX bytes): becomes the path of
 * the study's folder. Returns the path below runs/, within real; NULL: there is none. */
static const char *find_study(const char *path, char *real)
{
	if (!realpath(path, real))
		return NULL;
	for (char *at = real; (at = strstr(at, "/" RUNS)); at += strlen(RUNS)) {
		char *after = at + strlen("/" RUNS);

		if (*after && *after != '/')
			continue;
		*at = 0;
		if (is_study(real))
			return after + (*after == '/');
		*at = '/';
	}
	return NULL;
}

/* --- folders --- */

static bool report_noted(const struct walk *walk, const char *path, const json_t *manifest)
{
	char file[PATH_MAX];
	const char *name;
	json_t *noted;
	bool good = true;

	json_object_foreach (json_object_get(manifest, "files"), name, noted) {
		snprintf(file, sizeof file, "%s/%s", path, name);
		good &= report_file(walk, file, noted);
	}
	return good;
}

static json_t *describe_folder(json_t *report, const char *path, json_t **manifest)
{
	ps_diag diag = {{0}};
	json_t *entry = NULL;
	int rc = ps_folder_read_manifest(&ps_sys_linux, path, manifest, &diag);

	if (!rc && !*manifest)
		return NULL;
	entry = add_entry(report, "folders", path, "folder");
	json_object_del(entry, "tensors");
	if (rc)
		add_failure(entry, rc, &diag);
	if (!*manifest)
		return entry;
	ps_shard_put(entry, "kind", json_incref(json_object_get(*manifest, "kind")));
	ps_shard_put(entry, "complete", json_incref(json_object_get(*manifest, "complete")));
	ps_shard_put(entry, "provenance", json_incref(json_object_get(*manifest, "provenance")));
	return entry;
}

static bool report_folder(const struct walk *walk, const char *path);

/* A file that no manifest names. Other files than ours are passed over. has_manifest: also if that
 * is damaged. */
static bool report_unnamed(const struct walk *walk, const char *folder, const char *base,
			   const char *path, bool has_manifest)
{
	if (ends_in(base, TENSORS))
		return report_file(walk, path, NULL);
	if (ends_in(base, NPZ))
		return report_npz(walk, path);
	if (ends_in(base, GGUF))
		return report_gguf(walk, path);
	if (has_manifest || !ends_in(base, JSON))
		return true;
	if (walk->study.path)
		return report_record(walk, path);
	if (!strcmp(base, "results.json") && is_study(folder))
		return is_ok(report_sealed(walk, path, "results"));
	return true;
}

/* Reports the files that the manifest does not name, and the folders. */
static bool report_rest(const struct walk *walk, const char *path, const json_t *manifest,
			bool has_manifest)
{
	struct walk inner = *walk;
	struct dirent **entries = NULL;
	char name[PATH_MAX];
	bool good = true;
	int count = ps_sys_scandir(path, &entries, NULL);

	ps_shard_check_memory(count < 0 && errno == ENOMEM ? PS_EBUDGET : 0);
	if (count < 0) {
		ps_shard_add_problem(add_entry(walk->report, "files", path, "folder"),
				     strerror(errno));
		return false;
	}
	inner.depth++;
	for (int i = 0; i < count; i++) {
		const char *base = entries[i]->d_name;
		struct stat st, link;

		if (base[0] != '.' && !json_object_get(json_object_get(manifest, "files"), base) &&
		    snprintf(name, sizeof name, "%s/%s", path, base) < (int)sizeof name &&
		    !stat(name, &st) && !lstat(name, &link)) {
			inner.study.path = walk->study.path;
			if (!walk->study.path && !strcmp(base, RUNS) && is_study(path)) {
				inner.study.path = path;
				inner.within = name;
			}
			if (S_ISDIR(st.st_mode) && !S_ISLNK(link.st_mode) &&
			    walk->depth < DEPTH_MAX)
				good &= report_folder(&inner, name);
			else if (S_ISREG(st.st_mode))
				good &= report_unnamed(walk, path, base, name, has_manifest);
		}
		free(entries[i]);
	}
	free(entries);
	return good;
}

static bool report_folder(const struct walk *walk, const char *path)
{
	json_t *manifest = NULL, *entry = describe_folder(walk->report, path, &manifest);
	bool good = !entry || is_ok(entry);

	if (manifest)
		good &= report_noted(walk, path, manifest);
	good &= report_rest(walk, path, manifest, entry != NULL);
	json_decref(manifest);
	return good;
}

static bool report_path(const struct walk *walk, const char *path)
{
	json_t *report = walk->report;
	size_t before = json_array_size(ps_shard_list(report, "files")),
	       folders = json_array_size(ps_shard_list(report, "folders"));
	struct stat st;
	bool good;

	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return report_given(walk, path);
	good = report_folder(walk, path);
	if (json_array_size(ps_shard_list(report, "files")) == before &&
	    json_array_size(ps_shard_list(report, "folders")) == folders) {
		ps_shard_add_problem(add_entry(report, "files", path, "folder"),
				     "holds no safetensors and no npz files");
		return false;
	}
	return good;
}

bool ps_shard_report(json_t *report, const char *path, bool verify)
{
	char study[PATH_MAX];
	const char *below = find_study(path, study);
	struct walk walk = {
		.report = report,
		.verify = verify,
		.study = {.path = below ? study : NULL, .digests = ps_shard_made(json_object())},
		.within = path,
		.below = below ? below : ""};
	bool good = report_path(&walk, path);

	json_decref(walk.study.digests);
	return good;
}
