#include "tools/cmd/norm_factor.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/checked.h"
#include "io/row_filter.h"
#include "tools/train/origin.h"

enum { BATCH = 64 }; /* rows read at a time */

static double norm(const float *x, size_t width)
{
	double sum = 0;

	for (size_t d = 0; d < width; d++)
		sum += (double)x[d] * (double)x[d];
	return sqrt(sum);
}

/* Row by row, in order. */
static int estimate(const ps_row_source *source, const ps_row_list *rows, float *x, double *factor,
		    ps_session *s)
{
	double sum = 0;

	for (uint64_t first = 0; first < rows->count; first += BATCH) {
		const size_t count = ps_min_size(BATCH, rows->count - first);
		uint64_t ids[BATCH];
		int rc;

		ps_row_list_get(rows, first, count, ids);
		rc = source->gather(source->self, ids, count, x, &s->diag);
		if (!rc)
			rc = ps_progress_check(&s->context);
		if (rc)
			return rc;
		for (size_t i = 0; i < count; i++)
			sum += norm(x + i * source->width, source->width);
	}
	*factor = sqrt((double)source->width) * (double)rows->count / sum;
	return 0;
}

static int estimate_from(ps_session *s, const char *sae, const char *path, bool keep_special,
			 double *factor)
{
	ps_cache cache = {0};
	ps_row_list rows = {0};
	float *x = NULL;
	int rc = ps_cache_open(&cache, &ps_sys_linux, path, ps_session_verify(s), &s->diag);

	if (!rc)
		rc = ps_origin_check_cache(s, sae, &cache, path, PS_MASK_TOLD);
	if (!rc)
		rc = ps_rows_that_count(&cache, keep_special, &rows, &s->diag);
	if (!rc)
		x = malloc(BATCH * cache.source.width * sizeof *x);
	if (!rc && !x)
		rc = ps_fail(&s->diag, PS_EBUDGET, "no memory for %d rows of %s", BATCH, path);
	if (!rc)
		rc = estimate(&cache.source, &rows, x, factor, s);
	if (!rc && !(isfinite((float)*factor) && *factor > 0))
		rc = ps_fail(&s->diag, PS_EINPUT,
			     "%s: the mean norm of its rows is no number above 0", path);
	free(x);
	ps_rows_release(&rows);
	ps_cache_close(&cache);
	return rc;
}

int ps_norm_factor_load(ps_session *s, ps_sae_folder *folder, const char *sae, const char *cache,
			bool keep_special)
{
	double factor = 0;
	int rc = cache ? estimate_from(s, sae, cache, keep_special, &factor) : 0;

	if (!rc)
		rc = ps_sae_folder_load_scaled(folder, sae, factor, &s->diag);
	if (!rc && cache && folder->row_factor != factor) {
		ps_sae_folder_close(folder);
		rc = ps_fail(&s->diag, PS_EUSAGE,
			     "--norm-cache: %s needs no estimate (its normalize_activations is "
			     "none, or its folder holds the factor)",
			     sae);
	}
	return rc;
}
