#include "tools/shard_record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/file.h"
#include "io/folder.h"
#include "io/sealed_json.h"
#include "tools/shard_json.h"

#define RUNS "runs"
#define JSON ".json"

/* --- digests --- */

/* Names a file by its place on the disk, not by its path. */
static void name_of(const struct stat *st, char out[64])
{
	snprintf(out, 64, "%ju:%ju", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
}

int ps_shard_digest(json_t *digests, const char *path, uint64_t *bytes, char digest[PS_DIGEST_TEXT],
		    ps_diag *diag)
{
	const char *known;
	char name[64];
	uint64_t value;
	struct stat st;
	int rc;

	if (stat(path, &st))
		return ps_fail(diag, PS_EINPUT, "%s: %s", path, strerror(errno));
	name_of(&st, name);
	known = json_string_value(json_object_get(digests, name));
	if (known) {
		*bytes = (uint64_t)st.st_size;
		snprintf(digest, PS_DIGEST_TEXT, "%s", known);
		return 0;
	}
	rc = ps_file_digest(&ps_sys_linux, path, bytes, &value, diag);
	if (!rc)
		ps_shard_put(digests, name, json_string(ps_digest_format(value, digest)));
	return rc;
}

/* --- the record's place --- */

/* Writes the id of the step whose record lies there. */
static void id_of(const char *below, char out[PATH_MAX])
{
	const char *slash = strchr(below, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
	const int length = (int)(strlen(below) - strlen(JSON));

	if (!slash)
		snprintf(out, PATH_MAX, "study/all/%.*s", length, below);
	else if (!second)
		snprintf(out, PATH_MAX, "%.*s/dense/%.*s", (int)(slash - below), below,
			 length - (int)(slash + 1 - below), slash + 1);
	else
		snprintf(out, PATH_MAX, "%.*s", length, below);
}

static void check_place(const json_t *record, const char *below, json_t *entry)
{
	const char *id = json_string_value(json_object_get(record, "id"));
	char wanted[PATH_MAX], what[2 * PATH_MAX];

	id_of(below, wanted);
	if (id && !strcmp(id, wanted))
		return;
	snprintf(what, sizeof what, "it is the record of %s, and stands in the place of %s",
		 id ? id : "no step", wanted);
	ps_shard_add_problem(entry, what);
}

/* --- its outputs --- */

static void check_output(const ps_shard_study *study, const char *name, const json_t *recorded,
			 json_t *entry)
{
	const char *wanted = json_string_value(json_object_get(recorded, "xxh3"));
	char path[PATH_MAX], digest[PS_DIGEST_TEXT], what[PATH_MAX + 64];
	ps_diag diag = {{0}};
	uint64_t bytes = 0;
	struct stat st;
	int rc;

	snprintf(path, sizeof path, "%s/%s", study->path, name);
	if (stat(path, &st)) {
		snprintf(what, sizeof what, "output %s %s", name,
			 errno == ENOENT ? "is gone" : strerror(errno));
		ps_shard_add_problem(entry, what);
		return;
	}
	rc = ps_shard_digest(study->digests, path, &bytes, digest, &diag);
	ps_shard_check_memory(rc);
	if (!rc && wanted && !strcmp(digest, wanted) &&
	    (json_int_t)bytes == json_integer_value(json_object_get(recorded, "bytes")))
		return;
	snprintf(what, sizeof what, "output %s differs from this record", name);
	ps_shard_add_problem(entry, rc ? diag.text : what);
}

/* --- the records that it was made from --- */

/* The path of a step's record: in the folder of its condition, of its model or of the study. */
static bool find_record(const ps_shard_study *study, const char *id, char out[PATH_MAX])
{
	const size_t model = strcspn(id, "/");
	const char *step = strrchr(id, '/');
	const struct {
		const char *path;
		size_t length;
	} folders[] = {{id, step ? (size_t)(step - id) : 0}, {id, model}, {"", 0}};
	struct stat st;

	for (size_t i = 0; step && i < sizeof folders / sizeof *folders; i++)
		if (snprintf(out, PATH_MAX, "%s/" RUNS "/%.*s%s" JSON, study->path,
			     (int)folders[i].length, folders[i].path, step) < PATH_MAX &&
		    !stat(out, &st))
			return true;
	return false;
}

static void check_source(const ps_shard_study *study, const char *id, const json_t *checksum,
			 json_t *entry)
{
	char path[PATH_MAX], what[PATH_MAX + 64];
	json_t *record = NULL;
	const char *now;
	ps_diag diag = {{0}};

	if (!find_record(study, id, path)) {
		snprintf(what, sizeof what, "the record of %s is gone, from which it was made", id);
		ps_shard_add_problem(entry, what);
		return;
	}
	/* One that cannot be read is a problem of its own. */
	ps_shard_check_memory(
		ps_file_read_json(&ps_sys_linux, path, PS_MANIFEST_BYTES_MAX, &record, &diag));
	now = json_string_value(json_object_get(record, PS_SEAL));
	if (now && strcmp(now, json_string_value(checksum) ? json_string_value(checksum) : "")) {
		snprintf(what, sizeof what, "it was made from another record of %s", id);
		ps_shard_add_problem(entry, what);
	}
	json_decref(record);
}

void ps_shard_record_check(const ps_shard_study *study, const char *path, const char *below,
			   json_t *entry)
{
	ps_diag diag = {{0}};
	json_t *record = NULL, *value;
	const char *name;
	int rc = ps_sealed_read(&ps_sys_linux, path, PS_MANIFEST_BYTES_MAX, &record, &diag);

	ps_shard_check_memory(rc);
	if (rc)
		ps_shard_add_problem(entry, diag.text);
	else
		check_place(record, below, entry);
	json_object_foreach (json_object_get(record, "outputs"), name, value)
		check_output(study, name, value, entry);
	json_object_foreach (json_object_get(record, "records"), name, value)
		check_source(study, name, value, entry);
	json_decref(record);
}
