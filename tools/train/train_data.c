#include "tools/train/train_data.h"

#include <stdio.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "io/row_filter.h"
#include "tools/train/origin.h"

/* --- open and close --- */

static int open_cache(ps_train_data *d, ps_session *s, const char *path, ps_origin *origin,
		      ps_diag *diag)
{
	ps_cache *cache = &d->caches[d->count];
	int rc = ps_cache_open(cache, &ps_sys_linux, path, ps_session_verify(s), diag);

	if (rc)
		return rc;
	d->count++;
	return ps_origin_of_cache(s, cache, path, origin);
}

/* A cache that stands twice would be trained on twice. */
static int check_again(const ps_train_data *d, const ps_train_args *args, ps_diag *diag)
{
	const size_t last = d->count - 1;

	for (size_t i = 0; i < last; i++)
		if (d->caches[i].digest == d->caches[last].digest)
			return ps_fail(diag, PS_EUSAGE, "--with %s: the same cache as %s",
				       args->with.item[last - 1],
				       i ? args->with.item[i - 1] : args->cache);
	return 0;
}

/* Makes one source of all caches. */
static int join_caches(ps_train_data *d, const ps_session *s, const ps_train_args *args,
		       ps_diag *diag)
{
	const size_t batch = args->batch ? (size_t)args->batch : PS_TRAIN_BATCH;
	const char *names[PS_JOIN_MAX] = {args->cache};
	ps_row_source sources[PS_JOIN_MAX];
	int rc;

	for (size_t i = 0; i < d->count; i++) {
		names[i] = i ? args->with.item[i - 1] : args->cache;
		sources[i] = d->caches[i].source;
	}
	rc = ps_row_join_check(sources, names, d->count, diag);
	if (!rc)
		rc = ps_arena_create(&d->arena,
				     ps_row_join_bytes(sources[0].width, batch, s->threads), diag);
	if (!rc)
		d->join = ps_row_join_create(&(ps_row_join_options){.sources = sources,
								    .count = d->count,
								    .batch = batch,
								    .threads = s->threads},
					     &d->arena, &d->source);
	return rc;
}

/* Sets the last `count` rows apart. */
static int hold_out(ps_train_data *d, int64_t count, ps_diag *diag)
{
	if (count < 0 || (uint64_t)count >= d->rows.count)
		return ps_fail(diag, PS_EUSAGE,
			       "--hold-out %lld of %llu rows leaves nothing to train on",
			       (long long)count, (unsigned long long)d->rows.count);
	if ((size_t)count % d->count)
		return ps_fail(diag, PS_EUSAGE,
			       "--hold-out %lld: with %zu caches a multiple of %zu is wanted",
			       (long long)count, d->count, d->count);
	d->rows.count -= (uint64_t)count;
	d->held_out = ps_row_list_part(&d->rows, d->rows.count, (uint64_t)count);
	return 0;
}

static int open_all(ps_train_data *d, ps_session *s, const ps_train_args *args, ps_diag *diag)
{
	ps_origin first, other;
	int rc = args->with.count < PS_JOIN_MAX
			 ? open_cache(d, s, args->cache, &first, diag)
			 : ps_fail(diag, PS_EUSAGE, "--with: at most %d caches", PS_JOIN_MAX - 1);

	for (size_t i = 0; i < args->with.count && !rc; i++) {
		rc = open_cache(d, s, args->with.item[i], &other, diag);
		if (!rc)
			rc = check_again(d, args, diag);
		if (!rc)
			rc = ps_origin_check(s, &first, &other);
	}
	if (rc)
		return rc;
	d->source = d->caches[0].source;
	if (d->count > 1)
		rc = join_caches(d, s, args, diag);
	if (!rc)
		rc = ps_rows_that_count(&d->caches[0], args->keep_special, &d->rows, diag);
	if (rc)
		return rc;
	d->rows.together = (uint32_t)d->count;
	d->rows.count *= d->count;
	return hold_out(d, args->hold_out, diag);
}

int ps_train_data_open(ps_train_data *d, ps_session *s, const ps_train_args *args, ps_diag *diag)
{
	int rc;

	*d = (ps_train_data){.ahead_rows =
				     args->read_ahead < 0 ? SIZE_MAX : (size_t)args->read_ahead,
			     .disk_bytes = args->disk};
	rc = open_all(d, s, args, diag);
	if (rc)
		ps_train_data_close(d);
	return rc;
}

void ps_train_data_close(ps_train_data *d)
{
	ps_rows_release(&d->rows);
	ps_row_join_destroy(d->join);
	ps_arena_destroy(&d->arena);
	for (size_t i = 0; i < d->count; i++)
		ps_cache_close(&d->caches[i]);
	*d = (ps_train_data){0};
}

int ps_train_data_check_batch(const ps_train_data *d, size_t rows, ps_diag *diag)
{
	if (rows % d->count)
		return ps_fail(
			diag, PS_EUSAGE,
			"--batch %zu: with %zu caches a multiple of %zu is wanted, such as %zu",
			rows, d->count, d->count, ps_round_up(rows, d->count));
	return 0;
}

/* --- provenance --- */

json_t *ps_train_data_inputs(const ps_train_data *d)
{
	char digest[PS_DIGEST_TEXT];
	json_t *inputs = json_pack("{s:s}", "cache", ps_digest_format(d->caches[0].digest, digest)),
	       *with = d->count > 1 ? json_array() : NULL;
	int failed = 0;

	for (size_t i = 1; i < d->count; i++)
		failed |= json_array_append_new(
			with, json_string(ps_digest_format(d->caches[i].digest, digest)));
	if (d->count > 1)
		failed |= json_object_set_new(inputs, "with", with);
	if (!failed)
		return inputs;
	json_decref(inputs);
	return NULL;
}

/* The mask behind all caches; "": not known, or not the same for all. */
static const char *mask_of(const ps_train_data *d)
{
	const char *mask = ps_origin_cache_mask(&d->caches[0]);

	for (size_t i = 1; i < d->count; i++)
		if (strcmp(mask, ps_origin_cache_mask(&d->caches[i])))
			return "";
	return mask;
}

void ps_train_data_describe(const ps_train_data *d, ps_sae_about *about)
{
	const json_t *provenance = json_object_get(ps_cache_about(&d->caches[0]), "provenance"),
		     *model = json_object_get(provenance, "model");
	const char *family = json_string_value(json_object_get(model, "family")),
		   *hook = json_string_value(json_object_get(model, "hook_name")),
		   *digest = ps_origin_cache_model(&d->caches[0]);

	snprintf(about->model_name, sizeof about->model_name, "%s", family ? family : "unknown");
	snprintf(about->hook_name, sizeof about->hook_name, "%s", hook ? hook : "unknown");
	snprintf(about->model_digest, sizeof about->model_digest, "%s", digest ? digest : "");
	snprintf(about->mask_digest, sizeof about->mask_digest, "%s", mask_of(d));
	about->prepend_bos = json_is_true(json_object_get(model, "prepend_bos"));
	about->context_size = json_integer_value(json_object_get(model, "context_size"));
}

/* --- memory, reading --- */

void ps_train_data_plan(const ps_train_data *d, ps_plan *plan)
{
	size_t headers = 0;

	for (size_t i = 0; i < d->count; i++)
		headers += ps_cache_bytes(&d->caches[i]);
	ps_plan_add(plan, "rows that count", ps_rows_held_bytes(&d->rows));
	ps_plan_add(plan, "shards' headers", headers);
	ps_plan_add(plan, "joint rows", d->arena.size_bytes);
}

/* Rows of each cache that are announced at a time; 0: nothing is read ahead. */
static size_t rows_ahead(const ps_train_data *d, const ps_train_reading *reading)
{
	return reading->backend == PS_IO_MMAP
		       ? 0
		       : ps_min_size(reading->options->batch, d->ahead_rows) / d->count;
}

size_t ps_train_data_ahead_bytes(const ps_train_data *d, const ps_train_reading *reading)
{
	const size_t rows = rows_ahead(d, reading);
	size_t bytes = 0;

	for (size_t i = 0; i < d->count && rows; i++)
		bytes += ps_row_ahead_bytes(d->source.width, d->caches[i].dtype, rows);
	return bytes;
}

/* Whether the files of all caches fit into so many bytes. */
static bool fits(const ps_train_data *d, size_t bytes)
{
	uint64_t total = 0;

	for (size_t i = 0; i < d->count; i++)
		for (size_t shard = 0; shard < d->caches[i].shard_count; shard++)
			total += d->caches[i].shards[shard].file_bytes;
	return total <= bytes;
}

/* --- sorted rows --- */

/* Rows that a training takes of each of `caches` caches. */
static uint64_t places(const ps_train_options *o, size_t caches)
{
	return ps_trainer_steps(o) * ps_train_batch_rows(o) / caches;
}

ps_row_sort_plan ps_train_sort_plan(const ps_train_options *o, size_t caches, size_t width,
				    ps_dtype dtype, uint64_t rows, ps_row_sort_limits limits)
{
	if (o->sequential)
		return (ps_row_sort_plan){0};
	limits.memory_bytes = limits.memory_bytes / 2 / caches;
	limits.disk_bytes /= caches;
	return ps_row_sort_choose(width, dtype, rows, places(o, caches), limits);
}

/* How the rows of a cache are sorted in its share of memory and of so much disk. */
static ps_row_sort_plan sort_plan(const ps_train_data *d, size_t cache,
				  const ps_train_reading *reading, size_t disk_bytes)
{
	if (!rows_ahead(d, reading) || fits(d, reading->spare_bytes))
		return (ps_row_sort_plan){0};
	return ps_train_sort_plan(reading->options, d->count, d->source.width,
				  d->caches[cache].dtype, d->rows.count / d->count,
				  (ps_row_sort_limits){.memory_bytes = reading->spare_bytes,
						       .disk_bytes = disk_bytes});
}

size_t ps_train_data_sort_bytes(const ps_train_data *d, const ps_train_reading *reading)
{
	size_t bytes = 0;

	for (size_t i = 0; i < d->count; i++)
		bytes +=
			ps_round_up(sort_plan(d, i, reading, d->disk_bytes).memory_bytes, PS_ALIGN);
	return bytes;
}

static int start_sort(ps_train_data *d, size_t cache, const ps_train_reading *reading,
		      const char *folder, ps_arena *arena, ps_diag *diag)
{
	const ps_row_sort_plan plan = sort_plan(d, cache, reading, d->disk_bytes);
	ps_row_list rows = d->rows; /* of the one cache */

	if (!plan.disk_bytes)
		return 0;
	rows.together = 1;
	rows.first /= d->count;
	rows.count /= d->count;
	return ps_row_sort_create(
		&d->sort[cache],
		&(ps_row_sort_options){
			.cache = &d->caches[cache],
			.order = {.rows = &rows, .seed = reading->options->data_seed},
			.places = places(reading->options, d->count),
			.folder = folder,
			.plan = &plan,
			.backend = reading->backend},
		arena, diag);
}

static void stop_sorts(ps_train_data *d)
{
	for (size_t i = 0; i < d->count; i++) {
		ps_row_sort_destroy(d->sort[i]);
		d->sort[i] = NULL;
	}
}

/* Says what the sorted rows take, or that --disk is too small for them. */
static void say_sorted(const ps_train_data *d, const ps_session *s, const ps_train_reading *reading,
		       const char *folder)
{
	uint64_t taken = 0, wanted = 0;
	char text[24], limit[24];

	for (size_t i = 0; i < d->count; i++) {
		taken += sort_plan(d, i, reading, d->disk_bytes).disk_bytes;
		wanted += sort_plan(d, i, reading, SIZE_MAX).disk_bytes;
	}
	if (taken)
		ps_session_say(s,
			       "the rows exceed memory: they are sorted into their order in an "
			       "unnamed file of %s in %s",
			       ps_size_format((size_t)taken, text), folder);
	else if (wanted)
		ps_session_say(s,
			       "the rows exceed memory, and are read one at a time: to sort them "
			       "wants %s of disk, --disk allows %s",
			       ps_size_format((size_t)wanted, text),
			       ps_size_format(d->disk_bytes, limit));
}

/* Sorts the rows of all caches or of none. */
static void start_sorts(ps_train_data *d, const ps_session *s, const ps_train_reading *reading,
			const char *folder, ps_arena *arena)
{
	ps_diag why = {{0}};
	int rc = 0;

	for (size_t i = 0; i < d->count && !rc; i++)
		rc = start_sort(d, i, reading, folder, arena, &why);
	if (!rc) {
		say_sorted(d, s, reading, folder);
		return;
	}
	stop_sorts(d);
	ps_session_say(s, "the rows exceed memory, and are read one at a time: %s", why.text);
}

int ps_train_data_start(ps_train_data *d, const ps_session *s, const ps_train_reading *reading,
			const char *folder, ps_arena *arena, ps_row_source *source, ps_diag *diag)
{
	const size_t rows = rows_ahead(d, reading);
	const bool past_cache = !fits(d, reading->spare_bytes);
	int rc = 0;

	*source = d->source;
	start_sorts(d, s, reading, folder, arena);
	for (size_t i = 0; i < d->count && rows && !rc; i++) {
		ps_row_source ahead;

		rc = ps_row_ahead_create(&d->ahead[i], &d->caches[i],
					 &(ps_row_ahead_options){.backend = reading->backend,
								 .past_cache = past_cache,
								 .rows = rows,
								 .sort = d->sort[i]},
					 arena, &ahead, diag);
		if (!rc && d->join)
			ps_row_join_replace(d->join, i, &ahead);
		else if (!rc)
			*source = ahead;
	}
	return rc;
}

const char *ps_train_data_backend(const ps_train_data *d)
{
	return ps_row_ahead_backend(d->ahead[0]);
}

/* Says why rows were not sorted to the end. */
static void say_ended(const ps_train_data *d, const ps_session *s)
{
	ps_diag why;

	for (size_t i = 0; i < d->count; i++)
		if (d->sort[i] && ps_row_sort_has_ended(d->sort[i], &why)) {
			ps_session_say(s, "rows were sorted no more, and read one at a time: %s",
				       why.text);
			return;
		}
}

void ps_train_data_stop(ps_train_data *d, const ps_session *s)
{
	say_ended(d, s);
	for (size_t i = 0; i < d->count; i++) {
		if (d->join)
			ps_row_join_replace(d->join, i, &d->caches[i].source);
		ps_row_ahead_destroy(d->ahead[i]);
		d->ahead[i] = NULL;
	}
	stop_sorts(d);
}
