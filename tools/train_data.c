#include "tools/train_data.h"

#include <stdio.h>

#include "core/digest.h"
#include "tools/row_filter.h"

/* The last rows are measured, not trained on. */
static int hold_out(ps_train_data *d, int64_t count, ps_diag *diag)
{
	if (count < 0 || (uint64_t)count >= d->rows.count)
		return ps_fail(diag, PS_EUSAGE, "--hold-out %lld of %llu rows leaves nothing to train on", (long long)count,
			       (unsigned long long)d->rows.count);
	d->rows.count -= (uint64_t)count;
	d->held_out = ps_row_list_part(&d->rows, d->rows.count, (uint64_t)count);
	return 0;
}

int ps_train_data_open(ps_train_data *d, const ps_session *s, const ps_train_args *args, ps_diag *diag)
{
	int rc;

	*d = (ps_train_data){0};
	rc = ps_cache_open(&d->cache, &ps_sys_linux, args->cache, diag);
	if (rc)
		return rc;
	d->source = d->cache.source;
	rc = ps_rows_that_count(&d->cache, args->keep_special, &d->rows, diag);
	if (!rc)
		rc = hold_out(d, args->hold_out, diag);
	if (rc)
		ps_train_data_close(d);
	else if (!d->cache.verified)
		ps_session_say(s, "%s carries no checksums of ours: taken as it is, unverified", args->cache);
	return rc;
}

void ps_train_data_close(ps_train_data *d)
{
	ps_rows_release(&d->rows);
	ps_cache_close(&d->cache);
	*d = (ps_train_data){0};
}

json_t *ps_train_data_inputs(const ps_train_data *d)
{
	char digest[PS_DIGEST_TEXT];

	return json_pack("{s:s}", "cache", ps_digest_format(d->cache.digest, digest));
}

void ps_train_data_describe(const ps_train_data *d, ps_sae_about *about)
{
	const json_t *provenance = json_object_get(d->cache.manifest, "provenance"), *model = json_object_get(provenance, "model");
	const char *family = json_string_value(json_object_get(model, "family")), *hook = json_string_value(json_object_get(model, "hook_name"));

	snprintf(about->model_name, sizeof about->model_name, "%s", family ? family : "unknown");
	snprintf(about->hook_name, sizeof about->hook_name, "%s", hook ? hook : "unknown");
	about->prepend_bos = json_is_true(json_object_get(model, "prepend_bos"));
	about->context_size = json_integer_value(json_object_get(model, "context_size"));
}

/* --- memory, reading --- */

void ps_train_data_plan(const ps_train_data *d, ps_plan *plan)
{
	ps_plan_add(plan, "rows that count", ps_rows_held_bytes(&d->rows));
	ps_plan_add(plan, "shards' headers", ps_cache_bytes(&d->cache));
}

size_t ps_train_data_ahead_bytes(const ps_train_data *d, ps_backend backend, size_t batch)
{
	return backend == PS_IO_MMAP ? 0 : ps_row_ahead_bytes(d->source.width, d->cache.dtype, batch);
}

int ps_train_data_start(ps_train_data *d, ps_backend backend, size_t batch, ps_arena *arena, ps_row_source *source, ps_diag *diag)
{
	return ps_row_ahead_create(&d->ahead, &d->cache, backend, batch, arena, source, diag);
}

void ps_train_data_stop(ps_train_data *d)
{
	ps_row_ahead_destroy(d->ahead);
	d->ahead = NULL;
}
