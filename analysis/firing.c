#include "analysis/firing.h"

#include "analysis/sizes.h"
#include "core/base/finite.h"

enum { BATCH = 1024 }; /* rows encoded at a time */

struct work {
	ps_encoder *encoder;
	ps_codes codes;
	float *x; /* (BATCH, D) */
};

static size_t lay_out_counts(ps_firing *out, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	out->total = ps_layout_part(&layout, out->latents, sizeof *out->total);
	out->activation = ps_layout_part(&layout, out->latents, sizeof *out->activation);
	out->peak = ps_layout_part(&layout, out->latents, sizeof *out->peak);
	out->counts = ps_layout_part(&layout, out->clusters, out->latents * sizeof *out->counts);
	return layout.bytes;
}

/* Encoder and codes have their own lists (encoder_bytes). */
static size_t lay_out_batch(struct work *w, size_t width, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	w->x = ps_layout_part(&layout, width, BATCH * sizeof *w->x);
	return layout.bytes;
}

static size_t encoder_bytes(const ps_sae *sae, int threads)
{
	return ps_bytes_sum(ps_bytes_sum(ps_codes_bytes(sae, BATCH), PS_ALIGN),
			    ps_bytes_sum(ps_encoder_bytes(sae, threads, BATCH), PS_ALIGN));
}

size_t ps_firing_bytes(const ps_sae *sae, size_t clusters, int threads)
{
	ps_firing out = {.clusters = clusters, .latents = sae->d_sae};
	struct work w;

	return ps_bytes_sum(
		ps_bytes_sum(lay_out_counts(&out, NULL), lay_out_batch(&w, sae->d_in, NULL)),
		encoder_bytes(sae, threads));
}

static void count_batch(const ps_codes *codes, const uint32_t *of_row, ps_firing *out)
{
	for (size_t r = 0; r < codes->rows; r++)
		for (size_t e = codes->start[r]; e < codes->start[r + 1]; e++) {
			const uint32_t j = codes->index[e];
			const double value = (double)codes->value[e];

			out->counts[of_row[r] * out->latents + j]++;
			out->total[j]++;
			out->activation[j] += value;
			out->peak[j] = value > out->peak[j] ? value : out->peak[j];
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

static int count_all(const ps_row_source *source, const ps_row_list *rows, const uint32_t *of_row,
		     const ps_context *context, struct work *w, ps_firing *out)
{
	uint64_t ids[BATCH];

	for (uint64_t first = 0; first < rows->count; first += BATCH) {
		size_t count = ps_min_size(BATCH, rows->count - first);
		int rc = ps_progress_check(context);

		ps_row_list_get(rows, first, count, ids);
		if (rc == 0)
			rc = source->gather(source->self, ids, count, w->x, context->diag);
		if (rc < 0)
			return rc;
		ps_encoder_run(w->encoder, w->x, count, &w->codes);
		if (!ps_all_finite(w->codes.value, w->codes.start[count]))
			return ps_fail(context->diag, PS_EFAILED,
				       "the SAE's activations overflow, in rows %llu to %llu",
				       (unsigned long long)ids[0],
				       (unsigned long long)ids[count - 1]);
		count_batch(&w->codes, of_row + first, out);
		ps_progress_tick(context, "firing rates", "rows", first + count, rows->count);
	}
	return 0;
}

int ps_firing_count(const ps_sae *sae, const ps_row_source *source, const ps_row_list *rows,
		    const ps_clusters *clusters, const ps_context *context, ps_arena *arena,
		    ps_firing *out)
{
	struct work w;
	size_t mark;
	int rc = check(sae, source, rows, clusters, context->diag);

	*out = (ps_firing){.clusters = clusters->count, .latents = sae->d_sae, .rows = rows->count};
	if (rc)
		return rc;
	lay_out_counts(out, arena);
	mark = ps_arena_mark(arena);
	lay_out_batch(&w, sae->d_in, arena);
	for (size_t j = 0; j < out->latents; j++) {
		out->total[j] = 0;
		out->activation[j] = out->peak[j] = 0;
	}
	for (size_t i = 0; i < out->clusters * out->latents; i++)
		out->counts[i] = 0;
	rc = ps_encoder_create(&w.encoder, sae, context, BATCH, arena);
	if (rc == 0)
		rc = ps_codes_create(&w.codes, sae, BATCH, arena, context->diag);
	if (rc == 0)
		rc = count_all(source, rows, clusters->of_row, context, &w, out);
	ps_arena_rewind(arena, mark);
	return rc;
}
