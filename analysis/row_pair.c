#include "analysis/row_pair.h"

#include "core/base/checked.h"

enum { BATCH = 1024 }; /* rows whose token ids are compared at a time */

static int check_shapes(const ps_sae *sae, const ps_row_source *dense, const ps_row_source *pruned,
			ps_diag *diag)
{
	if (dense->width != sae->d_in || pruned->width != sae->d_in)
		return ps_fail(diag, PS_EINPUT,
			       "the SAE takes rows of width %zu, the dense cache has %zu and the "
			       "pruned one %zu",
			       sae->d_in, dense->width, pruned->width);
	if (dense->rows != pruned->rows)
		return ps_fail(diag, PS_EINPUT,
			       "the dense cache has %llu rows, the pruned one %llu",
			       (unsigned long long)dense->rows, (unsigned long long)pruned->rows);
	if (!ps_row_source_has(dense, PS_ROW_TOKEN_ID) ||
	    !ps_row_source_has(pruned, PS_ROW_TOKEN_ID))
		return ps_fail(diag, PS_EINPUT, "the %s cache does not say its token ids",
			       ps_row_source_has(dense, PS_ROW_TOKEN_ID) ? "pruned" : "dense");
	return 0;
}

static int check_list(const ps_row_source *source, const ps_row_list *rows, ps_diag *diag)
{
	uint64_t last;

	if (!rows->count)
		return ps_fail(diag, PS_EINPUT, "0 rows to compare");
	last = ps_row_list_at(rows, rows->count - 1);
	if (last < source->rows)
		return 0;
	return ps_fail(diag, PS_EINPUT, "row %llu is beyond the caches' %llu rows",
		       (unsigned long long)last, (unsigned long long)source->rows);
}

/* Compares the token ids of `count` rows. */
static int check_tokens(const ps_row_source *dense, const ps_row_source *pruned,
			const uint64_t *ids, size_t count, ps_diag *diag)
{
	int32_t of_dense[BATCH], of_pruned[BATCH];

	dense->column(dense->self, PS_ROW_TOKEN_ID, ids, count, of_dense);
	pruned->column(pruned->self, PS_ROW_TOKEN_ID, ids, count, of_pruned);
	for (size_t i = 0; i < count; i++)
		if (of_dense[i] != of_pruned[i])
			return ps_fail(diag, PS_EINPUT,
				       "row %llu is token %ld in the dense cache and %ld in the "
				       "pruned one: not the same text",
				       (unsigned long long)ids[i], (long)of_dense[i],
				       (long)of_pruned[i]);
	return 0;
}

int ps_row_pair_check(const ps_sae *sae, const ps_row_source *dense, const ps_row_source *pruned,
		      const ps_row_list *rows, ps_diag *diag)
{
	uint64_t ids[BATCH];
	int rc = check_shapes(sae, dense, pruned, diag);

	if (!rc)
		rc = check_list(dense, rows, diag);
	for (uint64_t first = 0; first < rows->count && !rc; first += BATCH) {
		const size_t count = ps_min_size(BATCH, rows->count - first);

		ps_row_list_get(rows, first, count, ids);
		rc = check_tokens(dense, pruned, ids, count, diag);
	}
	return rc;
}
