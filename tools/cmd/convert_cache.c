#include "tools/cmd/convert_cache.h"

#include "core/base/checked.h"
#include "core/base/digest.h"
#include "io/cache_shuffle.h"
#include "tools/cmd/result.h"
#include "tools/run/belonging.h"
#include "tools/run/code_version.h"
#include "tools/run/output_path.h"

#define ROWS_AT_A_TIME ((size_t)256)

/* Buffers of a batch of rows. */
struct batch {
	uint64_t *ids;                    /* (ROWS_AT_A_TIME) */
	float *rows;                      /* (ROWS_AT_A_TIME, D) */
	int32_t *columns[PS_ROW_COLUMNS]; /* (ROWS_AT_A_TIME) */
};

struct cache_conversion {
	ps_session *s;
	const ps_convert_args *args;
	ps_output output;
	ps_cache in;
	ps_cache_writer *writer;
	json_t *provenance;
	ps_arena arena;
	struct batch batch;
	ps_dtype dtype;
	size_t shard_rows;
	bool rows_alone;
};

static size_t lay_out(struct batch *b, size_t width, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	b->ids = ps_layout_part(&layout, ROWS_AT_A_TIME, sizeof *b->ids);
	b->rows = ps_layout_part(&layout, ROWS_AT_A_TIME * width, sizeof *b->rows);
	for (int c = 0; c < PS_ROW_COLUMNS; c++)
		b->columns[c] = ps_layout_part(&layout, ROWS_AT_A_TIME, sizeof *b->columns[c]);
	return layout.bytes;
}

static int take_memory(struct cache_conversion *r)
{
	const size_t width = r->in.source.width, bytes = lay_out(&r->batch, width, NULL);
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};
	int rc;

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "shards' headers", ps_cache_bytes(&r->in));
	ps_plan_add(&plan, "rows", bytes);
	ps_plan_add(&plan, "shard written", ps_cache_writer_bytes(r->dtype, width, r->shard_rows));
	rc = ps_plan_check(&plan, &r->s->diag);
	if (!rc)
		rc = ps_arena_create(&r->arena, bytes, &r->s->diag);
	if (!rc)
		lay_out(&r->batch, width, &r->arena);
	return rc;
}

static int make_provenance(struct cache_conversion *r)
{
	char digest[PS_DIGEST_TEXT];

	r->provenance =
		json_pack("{s:s, s:i, s:{s:s}, s:{s:s}}", "command", "convert", "code",
			  ps_code_version("convert"), "inputs", "activations",
			  ps_digest_format(r->in.digest, digest), "options", "to", r->args->to);
	return ps_json_check(r->provenance, &r->s->diag);
}

static int copy_rows(const struct cache_conversion *r, uint64_t first, size_t count)
{
	const ps_row_source *source = &r->in.source;
	const struct batch *b = &r->batch;
	int rc;

	for (size_t i = 0; i < count; i++)
		b->ids[i] = first + i;
	rc = source->gather(source->self, b->ids, count, b->rows, &r->s->diag);
	if (rc)
		return rc;
	for (int c = 0; c < PS_ROW_COLUMNS && !r->rows_alone; c++)
		source->column(source->self, (ps_row_column)c, b->ids, count, b->columns[c]);
	return ps_cache_writer_add(r->writer, b->rows, b->columns[PS_ROW_TOKEN_ID],
				   b->columns[PS_ROW_POSITION], b->columns[PS_ROW_WINDOW_ID], count,
				   &r->s->diag);
}

static int write_rows(const struct cache_conversion *r)
{
	const uint64_t rows = r->in.source.rows;
	int rc = 0;

	for (uint64_t first = ps_cache_writer_resume_row(r->writer); first < rows && !rc;
	     first += ROWS_AT_A_TIME) {
		const size_t count = ps_min_size(ROWS_AT_A_TIME, (size_t)(rows - first));

		rc = copy_rows(r, first, count);
		ps_progress_tick(&r->s->context, "converting", "rows", first + count, rows);
		if (!rc)
			rc = ps_progress_check(&r->s->context);
	}
	return rc ? rc : ps_cache_writer_finish(r->writer, &r->s->diag);
}

static int convert(struct cache_conversion *r, json_t **result)
{
	const ps_row_source *source = &r->in.source;
	const ps_cache_spec spec = {.path = r->output.path,
				    .provenance = r->provenance,
				    .replace = r->args->replace,
				    .verify = ps_session_verify(r->s),
				    .dtype = r->dtype,
				    .rows = source->rows,
				    .width = source->width,
				    .shard_rows = r->shard_rows,
				    .rows_alone = r->rows_alone};
	bool done;
	int rc = ps_cache_writer_create(&r->writer, &ps_sys_linux, &spec, &done, &r->s->diag);

	if (rc)
		return rc;
	if (done)
		ps_output_say_done(r->s, r->output.path);
	else
		rc = write_rows(r);
	if (rc)
		return rc;
	return ps_result_set(result,
			     json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:b}", "format", r->args->to,
				       "from", ps_dtype_name(r->in.dtype), "rows",
				       (json_int_t)source->rows, "width", (json_int_t)source->width,
				       "shards",
				       (json_int_t)ps_div_up((size_t)source->rows, r->shard_rows),
				       "dtype", ps_dtype_name(r->dtype), "already_done", done),
			     &r->s->diag);
}

static int open_input(struct cache_conversion *r)
{
	const unsigned all = (1u << PS_ROW_COLUMNS) - 1;
	int rc = ps_cache_open(&r->in, &ps_sys_linux, r->args->in, ps_session_verify(r->s),
			       &r->s->diag);

	if (!rc && ps_provenance_input(ps_cache_about(&r->in), "model"))
		rc = ps_fail(&r->s->diag, PS_EUSAGE, "%s: is a cache of ours already", r->args->in);
	if (!rc && !r->in.verified)
		rc = ps_session_unverified(r->s, r->args->in);
	if (rc)
		return rc;
	r->dtype = r->in.dtype == PS_BF16 ? PS_BF16 : PS_F32;
	r->rows_alone = r->in.source.columns != all;
	r->shard_rows = ps_min_size(ps_cache_shard_rows(r->in.source.width, r->dtype, 1),
				    (size_t)r->in.source.rows);
	return 0;
}

int ps_convert_cache(ps_session *s, const ps_convert_args *args, json_t **result)
{
	struct cache_conversion r = {.s = s, .args = args};
	ps_diag *diag = &s->diag;
	int rc = ps_output_open(&r.output, args->out, NULL, args->replace, diag);

	if (!rc)
		rc = ps_output_keep_off(&r.output, args->in, diag);
	if (!rc && (args->model || args->bits || args->from_zeros || args->norm_cache))
		rc = ps_fail(diag, PS_EUSAGE,
			     "--model, --bits, --from-zeros and --norm-cache do not belong to "
			     "activations");
	if (!rc)
		rc = open_input(&r);
	if (!rc)
		rc = take_memory(&r);
	if (!rc)
		rc = make_provenance(&r);
	if (!rc)
		rc = convert(&r, result);
	ps_cache_writer_close(r.writer);
	json_decref(r.provenance);
	ps_arena_destroy(&r.arena);
	ps_cache_close(&r.in);
	return rc;
}
