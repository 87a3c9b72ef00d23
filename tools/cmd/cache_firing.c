#include "tools/cmd/cache_firing.h"

#include <string.h>

#include "analysis/firing.h"
#include "io/row_filter.h"
#include "tools/run/belonging.h"
#include "tools/train/origin.h"
#include "tools/train/sae_folder.h"

int ps_cache_firing_open(ps_cache_firing *f, ps_session *s, const char *cache, const char *sae,
			 const ps_sae *shape)
{
	int rc;

	*f = (ps_cache_firing){.latents = shape->d_sae};
	rc = ps_cache_open(&f->cache, &ps_sys_linux, cache, ps_session_verify(s), &s->diag);
	if (rc)
		return rc;
	if (!f->cache.manifest)
		rc = ps_session_unverified(s, cache);
	if (!rc)
		rc = ps_sae_check_width(shape, sae, f->cache.source.width, cache, &s->diag);
	if (!rc)
		rc = ps_origin_check_cache(s, sae, &f->cache, cache, PS_MASK_SAME);
	if (!rc)
		rc = ps_rows_that_count(&f->cache, false, &f->rows, &s->diag);
	if (rc)
		ps_cache_firing_close(f);
	return rc;
}

static size_t lay_out_kept(ps_cache_firing *f, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	f->total = ps_layout_part(&layout, f->latents, sizeof *f->total);
	return layout.bytes;
}

/* All rows are one cluster, because only the totals are asked for. */
static size_t lay_out_cluster(const ps_cache_firing *f, ps_clusters *all, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	*all = (ps_clusters){.rows = (size_t)f->rows.count, .count = 1};
	all->of_row = ps_layout_part(&layout, all->rows, sizeof *all->of_row);
	return layout.bytes;
}

size_t ps_cache_firing_held_bytes(const ps_cache_firing *f)
{
	ps_cache_firing measured = *f;

	return lay_out_kept(&measured, NULL);
}

size_t ps_cache_firing_count_bytes(const ps_cache_firing *f, const ps_sae *shape, int threads)
{
	ps_clusters all;

	return ps_cache_bytes(&f->cache) + ps_rows_held_bytes(&f->rows) +
	       lay_out_cluster(f, &all, NULL) + ps_firing_bytes(shape, 1, threads);
}

int ps_cache_firing_count(ps_cache_firing *f, ps_session *s, const ps_sae *sae)
{
	const size_t bytes = ps_cache_firing_count_bytes(f, sae, s->threads);
	ps_clusters all;
	ps_firing firing;
	ps_arena scratch = {0};
	int rc = ps_arena_create(&f->arena, ps_cache_firing_held_bytes(f), &s->diag);

	if (!rc)
		rc = ps_arena_create(&scratch, bytes, &s->diag);
	if (rc)
		return rc;
	lay_out_kept(f, &f->arena);
	lay_out_cluster(f, &all, &scratch);
	memset(all.of_row, 0, all.rows * sizeof *all.of_row);
	rc = ps_firing_count(sae, &f->cache.source, &f->rows, &all, &s->context, &scratch, &firing);
	if (!rc) {
		memcpy(f->total, firing.total, f->latents * sizeof *f->total);
		f->counted = firing.rows;
	}
	ps_arena_destroy(&scratch);
	ps_rows_release(&f->rows);
	ps_cache_close(&f->cache);
	return rc;
}

void ps_cache_firing_close(ps_cache_firing *f)
{
	ps_rows_release(&f->rows);
	ps_cache_close(&f->cache);
	ps_arena_destroy(&f->arena);
	*f = (ps_cache_firing){0};
}
