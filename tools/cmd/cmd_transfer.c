/* transfer: one frozen SAE on the rows of two models for the same tokens (RQ3,
 * analysis/transfer.h).
 *
 * With -o the rows are read once more for the counts of each latent (transfer_latents.h). */
#include "analysis/transfer.h"
#include "core/base/checked.h"
#include "core/base/digest.h"
#include "io/artefact.h"
#include "tools/cmd/cache_windows.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/norm_factor.h"
#include "tools/cmd/result.h"
#include "tools/cmd/transfer_latents.h"
#include "tools/run/belonging.h"
#include "tools/run/code_version.h"
#include "tools/run/output_path.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"

struct transfer_run {
	ps_session *s;
	const ps_transfer_args *args;
	ps_output output; /* if args->out is given */
	ps_bootstrap bootstrap;
	ps_cache_windows dense;
	ps_cache pruned;
	ps_sae shape; /* of the SAE, before its weights are loaded */
	ps_sae_folder sae;
	ps_arena arena;
};

static int check_caches(struct transfer_run *r)
{
	ps_origin dense, pruned;
	int rc = ps_origin_of_cache(r->s, &r->dense.cache, r->args->dense, &dense);

	if (!rc)
		rc = ps_origin_of_cache(r->s, &r->pruned, r->args->pruned, &pruned);
	if (!rc)
		rc = ps_origin_check_tokens(r->s, &dense, &pruned);
	if (!rc)
		rc = ps_origin_check_role(r->s, &dense, true, "the first cache, the dense one");
	/* A model beside itself is no mistake. */
	if (rc || r->dense.cache.digest == r->pruned.digest)
		return rc;
	return ps_origin_check_role(r->s, &pruned, false, "the second cache, the pruned one");
}

static int open_inputs(struct transfer_run *r, size_t *sae_bytes)
{
	const ps_transfer_args *args = r->args;
	ps_diag *diag = &r->s->diag;
	int rc = ps_sae_folder_measure(args->sae, &r->shape, sae_bytes, diag);

	if (!rc)
		rc = ps_cache_windows_open(&r->dense, args->dense, args->keep_special, r->s);
	if (!rc)
		rc = ps_cache_open(&r->pruned, &ps_sys_linux, args->pruned, ps_session_verify(r->s),
				   diag);
	if (!rc)
		rc = ps_sae_check_width(&r->shape, args->sae, r->dense.cache.source.width,
					args->dense, diag);
	if (!rc)
		rc = ps_sae_check_width(&r->shape, args->sae, r->pruned.source.width, args->pruned,
					diag);
	if (!rc)
		rc = ps_origin_check_cache(r->s, args->sae, &r->dense.cache, args->dense,
					   PS_MASK_SAME);
	if (!rc)
		rc = check_caches(r);
	if (!rc && r->dense.cache.source.rows != r->pruned.source.rows)
		rc = ps_fail(diag, PS_EINPUT,
			     "%s has %llu rows, %s has %llu: they are not of the same tokens",
			     args->dense, (unsigned long long)r->dense.cache.source.rows,
			     args->pruned, (unsigned long long)r->pruned.source.rows);
	return rc;
}

/* What a file of the counts of each latent holds. */
static size_t file_bytes(const struct transfer_run *r)
{
	return r->shape.d_sae * (3 * sizeof(uint64_t) + 2 * sizeof(double));
}

static int take_memory(struct transfer_run *r, size_t sae_bytes)
{
	const int threads = r->s->threads;
	ps_plan plan = {.limit_bytes = r->s->memory_bytes};
	size_t held_bytes,
		bytes = ps_transfer_bytes(&r->shape, r->dense.windows_max, &r->bootstrap, threads);
	int rc;

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "SAE", sae_bytes);
	ps_cache_windows_plan(&r->dense, &plan);
	ps_plan_add(&plan, "shards' headers", ps_cache_bytes(&r->pruned));
	if (r->args->out) {
		bytes = ps_max_size(bytes, ps_transfer_latents_bytes(&r->shape, threads));
		ps_plan_add(&plan, "file written", ps_min_size(file_bytes(r), PS_BLOCK_BYTES));
	}
	held_bytes = plan.total_bytes;
	ps_plan_add(&plan, "windows of rows", ps_clusters_bytes((size_t)r->dense.rows.count));
	ps_plan_add(&plan, "transfer", bytes);
	rc = ps_plan_check(&plan, &r->s->diag);
	return rc ? rc : ps_arena_create(&r->arena, plan.total_bytes - held_bytes, &r->s->diag);
}

/* --- by latent --- */

/* {"provenance": ...} */
static json_t *make_extra(const struct transfer_run *r)
{
	char sae[PS_DIGEST_TEXT], dense[PS_DIGEST_TEXT], pruned[PS_DIGEST_TEXT];
	json_t *extra = json_pack(
		       "{s:{s:s, s:{s:s, s:s, s:s}, s:{s:b}, s:i}}", "provenance", "command",
		       "transfer", "inputs", "sae", ps_digest_format(r->sae.digest, sae), "dense",
		       ps_digest_format(r->dense.cache.digest, dense), "pruned",
		       ps_digest_format(r->pruned.digest, pruned), "options", "keep_special",
		       r->args->keep_special, "code", ps_code_version("transfer")),
	       *provenance = json_object_get(extra, "provenance");
	int lost = ps_session_note_mismatches(r->s, provenance, NULL);

	/* The estimate determines the bits, not the rows that it comes from. */
	if (r->args->norm_cache)
		lost |= json_object_set_new(json_object_get(provenance, "options"), "row_factor",
					    ps_number_json(r->sae.row_factor));
	if (!lost)
		return extra;
	json_decref(extra);
	return NULL;
}

static int write_columns(ps_artefact *artefact, const ps_transfer_latents *l, size_t latents,
			 ps_diag *diag)
{
	const void *const columns[] = {l->rows_dense, l->rows_pruned, l->rows_both, l->sum_dense,
				       l->sum_pruned};
	int rc = 0;

	for (size_t c = 0; c < sizeof columns / sizeof *columns && !rc; c++)
		rc = ps_artefact_write(artefact, columns[c], latents * sizeof(uint64_t), diag);
	return rc;
}

static int write_latents(struct transfer_run *r, const ps_transfer_latents *latents)
{
	const size_t f = r->shape.d_sae;
	const ps_tensor_decl decls[] = {{"rows_dense", PS_I64, 1, {f}},
					{"rows_pruned", PS_I64, 1, {f}},
					{"rows_both", PS_I64, 1, {f}},
					{"sum_dense", PS_F64, 1, {f}},
					{"sum_pruned", PS_F64, 1, {f}}};
	ps_diag *diag = &r->s->diag;
	json_t *extra = make_extra(r);
	ps_artefact *artefact;
	int rc = ps_json_check(extra, diag);

	if (!rc)
		rc = ps_artefact_create(&artefact, &ps_sys_linux,
					&(ps_artefact_spec){.path = r->output.path,
							    .kind = "transfer",
							    .extra = extra,
							    .tensors = decls,
							    .count = sizeof decls / sizeof *decls},
					diag);
	json_decref(extra);
	if (rc)
		return rc;
	rc = write_columns(artefact, latents, f, diag);
	if (!rc)
		return ps_artefact_commit(artefact, diag);
	ps_artefact_abort(artefact);
	return rc;
}

static int count_latents(struct transfer_run *r)
{
	const ps_transfer_sides sides = {.dense = &r->dense.cache.source,
					 .pruned = &r->pruned.source,
					 .rows = &r->dense.rows};
	const size_t mark = ps_arena_mark(&r->arena);
	ps_transfer_latents latents;
	int rc =
		ps_transfer_latents_count(&r->sae.sae, &sides, &r->s->context, &r->arena, &latents);

	if (!rc)
		rc = write_latents(r, &latents);
	ps_arena_rewind(&r->arena, mark);
	return rc;
}

/* --- the command --- */

static int open_output(struct transfer_run *r)
{
	const ps_transfer_args *args = r->args;
	const ps_text_list inputs = {4, {args->sae, args->dense, args->pruned, args->norm_cache}};
	ps_diag *diag = &r->s->diag;
	int rc;

	if (!args->out)
		return 0;
	rc = ps_output_open(&r->output, args->out, "transfer", args->replace, diag);
	return rc ? rc : ps_output_keep_off_all(&r->output, &inputs, diag);
}

/* *done: the file is there already, or none is asked for. */
static int find(struct transfer_run *r, bool *done)
{
	ps_safetensors found;
	json_t *extra;
	int rc;

	*done = !r->args->out;
	if (*done)
		return 0;
	extra = make_extra(r);
	rc = ps_json_check(extra, &r->s->diag);
	if (!rc)
		rc = ps_output_find(&r->output, json_object_get(extra, "provenance"), r->s, done,
				    &found);
	json_decref(extra);
	if (!rc && *done)
		ps_safetensors_close(&found);
	return rc;
}

static json_t *transfer_json(const ps_transfer *t)
{
	const struct {
		const char *name, *interval_name;
		const ps_interval *interval;
	} measures[] = {
		{"jaccard", "jaccard_interval", &t->jaccard},
		{"cosine", "cosine_interval", &t->cosine},
		{"fvu_dense", "fvu_dense_interval", &t->fvu_dense},
		{"fvu", "fvu_interval", &t->fvu_pruned},
		{"fvu_change", "fvu_change_interval", &t->fvu_change},
		{"l0_dense", "l0_dense_interval", &t->l0_dense},
		{"l0", "l0_interval", &t->l0_pruned},
		{"l0_change", "l0_change_interval", &t->l0_change},
	};
	json_t *result =
		json_pack("{s:I, s:I, s:I, s:o}", "rows", (json_int_t)t->rows, "windows",
			  (json_int_t)t->clusters, "jaccard_empty_rows", (json_int_t)t->empty_rows,
			  "jaccard_chance", ps_number_json(t->jaccard_chance));

	for (size_t m = 0; m < sizeof measures / sizeof *measures && result; m++)
		if (json_object_set_new(result, measures[m].name,
					ps_number_json(measures[m].interval->estimate)) ||
		    json_object_set_new(result, measures[m].interval_name,
					ps_interval_json(measures[m].interval))) {
			json_decref(result);
			result = NULL;
		}
	return result;
}

int ps_run_transfer(ps_session *s, const ps_transfer_args *args, json_t **result)
{
	struct transfer_run r = {.s = s, .args = args};
	const ps_row_source *dense = &r.dense.cache.source;
	ps_clusters clusters;
	ps_transfer t;
	size_t sae_bytes = 0;
	bool done = true;
	int rc = ps_bootstrap_make(args->samples, args->seed, &r.bootstrap, &s->diag);

	if (!rc)
		rc = open_output(&r);
	if (!rc)
		rc = open_inputs(&r, &sae_bytes);
	if (!rc)
		rc = take_memory(&r, sae_bytes);
	if (!rc)
		rc = ps_norm_factor_load(s, &r.sae, args->sae, args->norm_cache,
					 args->keep_special);
	if (!rc)
		rc = find(&r, &done);
	if (!rc)
		rc = ps_clusters_of_windows(dense, &r.dense.rows, &r.arena, &s->diag, &clusters);
	if (!rc)
		rc = ps_transfer_run(&(ps_transfer_input){.sae = &r.sae.sae,
							  .dense = dense,
							  .pruned = &r.pruned.source,
							  .rows = &r.dense.rows,
							  .clusters = &clusters},
				     &r.bootstrap, &s->context, &r.arena, &t);
	if (!rc && !done)
		rc = count_latents(&r);
	if (!rc)
		rc = ps_result_set(result, transfer_json(&t), &s->diag);
	ps_arena_destroy(&r.arena);
	ps_sae_folder_close(&r.sae);
	ps_cache_close(&r.pruned);
	ps_cache_windows_close(&r.dense);
	return rc;
}
