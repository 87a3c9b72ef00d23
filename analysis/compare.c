#include "analysis/compare.h"

#include "analysis/assignment.h"
#include "analysis/cosine.h"
#include "analysis/sizes.h"

static size_t nearest_bytes(size_t f_a, size_t f_b)
{
	size_t a = ps_bytes_sum(ps_array_bytes(f_a, sizeof(float)),
				ps_array_bytes(f_a, sizeof(uint32_t)));
	size_t b = ps_bytes_sum(ps_array_bytes(f_b, sizeof(float)),
				ps_array_bytes(f_b, sizeof(uint32_t)));

	return ps_bytes_sum(ps_bytes_sum(a, b), ps_array_bytes(f_a, 1));
}

size_t ps_match_bytes(size_t f_a, size_t f_b, size_t d, int threads)
{
	return ps_bytes_sum(nearest_bytes(f_a, f_b), ps_cosine_bytes(f_a, f_b, d, threads));
}

/* Beside the match: the matrix of costs, the decoder's pairs and their cosines, and the assignment's own. */
size_t ps_compare_bytes(size_t f_a, size_t f_b, size_t d, int threads)
{
	size_t least = ps_min_size(f_a, f_b), most = ps_max_size(f_a, f_b), matrix, bytes;

	matrix = ps_size_mul(f_a, f_b, &matrix) ? ps_array_bytes(matrix, sizeof(float)) : SIZE_MAX;
	bytes = ps_bytes_sum(nearest_bytes(most, most), ps_cosine_bytes(most, most, d, threads));
	bytes = ps_bytes_sum(bytes, ps_bytes_sum(ps_array_bytes(least, sizeof(uint32_t)),
						 ps_array_bytes(least, sizeof(float))));
	return ps_bytes_sum(bytes, ps_bytes_sum(matrix, ps_assignment_bytes(least, most)));
}

static int check_shapes(const ps_sae *a, const ps_sae *b, ps_diag *diag)
{
	if (a->d_in != b->d_in)
		return ps_fail(diag, PS_EINPUT,
			       "the dictionaries belong to different models: widths %zu and %zu",
			       a->d_in, b->d_in);
	if (!a->d_sae || !b->d_sae)
		return ps_fail(diag, PS_EINPUT, "a dictionary has no latents");
	return 0;
}

/* The match's arrays stay; those of B's latents are given back. */
int ps_match_decoders(const ps_sae *a, const ps_sae *b, const ps_context *context, ps_arena *arena,
		      ps_match *match)
{
	ps_cosine_task task = {
		.a = a->dec, .b = b->dec, .a_rows = a->d_sae, .b_rows = b->d_sae, .width = a->d_in};
	size_t mark;
	int rc = check_shapes(a, b, context->diag);

	*match = (ps_match){.count = a->d_sae};
	if (rc < 0)
		return rc;
	match->cosine = task.row_best = ps_array_take(arena, a->d_sae, sizeof(float));
	match->nearest = task.row_index = ps_array_take(arena, a->d_sae, sizeof(uint32_t));
	match->mutual = ps_array_take(arena, a->d_sae, 1);
	mark = ps_arena_mark(arena);
	task.col_best = ps_array_take(arena, b->d_sae, sizeof(float));
	task.col_index = ps_array_take(arena, b->d_sae, sizeof(uint32_t));
	if (!match->cosine || !match->nearest || !match->mutual || !task.col_best ||
	    !task.col_index)
		return ps_fail(context->diag, PS_EFAILED,
			       "the arena is too small to match %zu latents with %zu", a->d_sae,
			       b->d_sae);
	rc = ps_cosine_run(&task, context, arena);
	for (size_t i = 0; rc == 0 && i < a->d_sae; i++)
		match->mutual[i] = task.col_index[match->nearest[i]] == i;
	ps_arena_rewind(arena, mark);
	return rc;
}

double ps_match_survival(const ps_match *match, double tau, const uint8_t *alive)
{
	size_t survivors = 0, counted = 0;

	for (size_t i = 0; i < match->count; i++) {
		if (alive && !alive[i])
			continue;
		counted++;
		survivors += match->mutual[i] && (double)match->cosine[i] >= tau;
	}
	return counted ? (double)survivors / (double)counted : 0;
}

static double mean_cosine(const float *cosine, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (double)cosine[i];
	return sum / (double)count;
}

/* mean_i max_j of A's rows against random unit rows of B's shape. */
static int null_mmcs(const ps_sae *a, const ps_sae *b, uint64_t seed, const ps_context *context,
		     ps_arena *arena, double *out)
{
	ps_cosine_task task = {.a = a->dec,
			       .a_rows = a->d_sae,
			       .b_rows = b->d_sae,
			       .width = a->d_in,
			       .seed = seed};
	size_t mark = ps_arena_mark(arena);
	int rc;

	task.row_best = ps_array_take(arena, a->d_sae, sizeof(float));
	task.row_index = ps_array_take(arena, a->d_sae, sizeof(uint32_t));
	if (!task.row_best || !task.row_index)
		return ps_fail(context->diag, PS_EFAILED,
			       "the arena is too small for the null of %zu latents", a->d_sae);
	rc = ps_cosine_run(&task, context, arena);
	if (rc == 0)
		*out = mean_cosine(task.row_best, a->d_sae);
	ps_arena_rewind(arena, mark);
	return rc;
}

/* pair[i] the partner of the smaller dictionary's latent i in the other, cosine[i] theirs. costs: -cosines
 * (least, most), as the smaller one's rows see them. */
static int assign(const float *costs, size_t least, size_t most, const ps_context *context,
		  ps_arena *arena, uint32_t *pair, float *cosine)
{
	size_t mark = ps_arena_mark(arena);
	ps_assignment solved;
	int rc = ps_assignment_solve(costs, least, most, context, arena, &solved);

	for (size_t i = 0; rc == 0 && i < least; i++) {
		pair[i] = solved.column[i];
		cosine[i] = -costs[i * most + pair[i]];
	}
	ps_arena_rewind(arena, mark);
	return rc;
}

/* The encoders' assignment against the decoders' (pair, cosine): pairs that agree with both cosines >= tau. */
static int count_shared(const float *costs, size_t least, size_t most, double tau,
			const uint32_t *pair, const float *cosine, const ps_context *context,
			ps_arena *arena, size_t *shared)
{
	size_t mark = ps_arena_mark(arena);
	ps_assignment solved;
	int rc = ps_assignment_solve(costs, least, most, context, arena, &solved);

	*shared = 0;
	for (size_t i = 0; rc == 0 && i < least; i++)
		*shared += solved.column[i] == pair[i] && (double)cosine[i] >= tau &&
			   (double)-costs[i * most + pair[i]] >= tau;
	ps_arena_rewind(arena, mark);
	return rc;
}

/* Both assignments; the matrix has the smaller dictionary's latents as rows. */
static int compare_assigned(const ps_sae *a, const ps_sae *b, double tau, const ps_context *context,
			    ps_arena *arena, ps_comparison *out)
{
	const ps_sae *few = a->d_sae <= b->d_sae ? a : b, *many = few == a ? b : a;
	size_t least = few->d_sae, most = many->d_sae, shared;
	ps_cosine_task task = {
		.a = few->dec, .b = many->dec, .a_rows = least, .b_rows = most, .width = few->d_in};
	uint32_t *pair = ps_array_take(arena, least, sizeof *pair);
	float *cosine = ps_array_take(arena, least, sizeof *cosine);
	int rc;

	task.matrix = ps_array_take(arena, least, most * sizeof(float));
	if (!pair || !cosine || !task.matrix)
		return ps_fail(context->diag, PS_EFAILED,
			       "the arena is too small to assign %zu latents to %zu", least, most);
	rc = ps_cosine_run(&task, context, arena);
	if (rc == 0)
		rc = assign(task.matrix, least, most, context, arena, pair, cosine);
	if (rc < 0)
		return rc;
	out->hungarian_cosine = mean_cosine(cosine, least);
	task.a = few->enc;
	task.b = many->enc;
	rc = ps_cosine_run(&task, context, arena);
	if (rc == 0)
		rc = count_shared(task.matrix, least, most, tau, pair, cosine, context, arena,
				  &shared);
	if (rc == 0)
		out->shared_fraction = (double)shared / (double)a->d_sae;
	return rc;
}

int ps_compare_saes(const ps_sae *a, const ps_sae *b, double tau, const uint8_t *alive,
		    uint64_t null_seed, const ps_context *context, ps_arena *arena,
		    ps_comparison *out)
{
	size_t mark = ps_arena_mark(arena);
	ps_match match;
	int rc;

	*out = (ps_comparison){0};
	rc = ps_match_decoders(a, b, context, arena, &match);
	if (rc < 0)
		goto out;
	out->mnn_survival = ps_match_survival(&match, tau, NULL);
	out->mnn_survival_alive = ps_match_survival(&match, tau, alive);
	out->mmcs = mean_cosine(match.cosine, match.count);
	rc = null_mmcs(a, b, null_seed, context, arena, &out->mmcs_null);
	if (rc == 0)
		rc = compare_assigned(a, b, tau, context, arena, out);
out:
	ps_arena_rewind(arena, mark);
	return rc;
}
