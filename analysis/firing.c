#include "analysis/firing.h"

#include "analysis/sizes.h"

#define BATCH 1024 /* rows encoded at a time */

size_t ps_firing_bytes(const ps_sae *sae, size_t clusters, int threads)
{
	size_t row = ps_array_bytes(sae->d_sae, sizeof(uint32_t)), bytes;

	bytes = ps_bytes_sum(ps_array_bytes(row, clusters),
			     ps_array_bytes(sae->d_sae, sizeof(uint64_t)));
	bytes = ps_bytes_sum(bytes, ps_array_bytes(sae->d_in, BATCH * sizeof(float)));
	bytes = ps_bytes_sum(bytes, ps_bytes_sum(ps_codes_bytes(sae, BATCH),
						 ps_encoder_bytes(sae, threads, BATCH)));
	return ps_bytes_sum(bytes, 4 * PS_ALIGN);
}

static void count_batch(const ps_codes *codes, const uint32_t *of_row, ps_firing *out)
{
	for (size_t r = 0; r < codes->rows; r++)
		for (size_t e = codes->start[r]; e < codes->start[r + 1]; e++) {
			out->counts[of_row[r] * out->latents + codes->index[e]]++;
			out->total[codes->index[e]]++;
		}
}

static int check(const ps_sae *sae, const ps_row_source *source, const ps_row_list *rows,
		 const ps_clusters *clusters, ps_diag *diag)
{
	if (source->width != sae->d_in)
		return ps_fail(diag, PS_EINPUT,
			       "the SAE takes rows of width %zu, the cache has %zu", sae->d_in,
			       source->width);
	if (clusters->rows != rows->count)
		return ps_fail(diag, PS_EINPUT, "%llu rows to count, %zu rows in clusters",
			       (unsigned long long)rows->count, clusters->rows);
	return 0;
}

static int take_arrays(ps_firing *out, ps_arena *arena, ps_diag *diag)
{
	out->total = ps_array_take(arena, out->latents, sizeof *out->total);
	out->counts = ps_array_take(arena, out->clusters, out->latents * sizeof *out->counts);
	if (!out->total || !out->counts)
		return ps_fail(diag, PS_EFAILED,
			       "the arena is too small to count %zu latents in %zu clusters",
			       out->latents, out->clusters);
	for (size_t j = 0; j < out->latents; j++)
		out->total[j] = 0;
	for (size_t i = 0; i < out->clusters * out->latents; i++)
		out->counts[i] = 0;
	return 0;
}

int ps_firing_count(const ps_sae *sae, const ps_row_source *source, const ps_row_list *rows,
		    const ps_clusters *clusters, const ps_context *context, ps_arena *arena,
		    ps_firing *out)
{
	ps_encoder *encoder;
	ps_codes codes;
	uint64_t ids[BATCH];
	float *x;
	size_t mark;
	int rc = check(sae, source, rows, clusters, context->diag);

	*out = (ps_firing){.clusters = clusters->count, .latents = sae->d_sae, .rows = rows->count};
	if (rc == 0)
		rc = take_arrays(out, arena, context->diag);
	mark = ps_arena_mark(arena);
	if (rc == 0)
		rc = ps_encoder_create(&encoder, sae, context, BATCH, arena);
	if (rc == 0)
		rc = ps_codes_create(&codes, sae, BATCH, arena, context->diag);
	x = ps_array_take(arena, sae->d_in, BATCH * sizeof *x);
	if (rc == 0 && !x)
		rc = ps_fail(context->diag, PS_EFAILED, "the arena is too small to encode rows");
	for (uint64_t first = 0; first < rows->count && rc == 0; first += BATCH) {
		size_t count = ps_min_size(BATCH, rows->count - first);

		ps_row_list_get(rows, first, count, ids);
		rc = ps_progress_check(context);
		if (rc == 0)
			rc = source->gather(source->self, ids, count, x, context->diag);
		if (rc < 0)
			break;
		ps_encoder_run(encoder, x, count, &codes);
		count_batch(&codes, clusters->of_row + first, out);
		ps_progress_tick(context, "firing rates", "rows", first + count, rows->count);
	}
	ps_arena_rewind(arena, mark);
	return rc;
}
