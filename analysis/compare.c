#include "analysis/compare.h"

#include <math.h>
#include <string.h>

#include "analysis/assignment.h"
#include "analysis/cosine.h"
#include "analysis/sizes.h"

static size_t lay_out_match(ps_match *match, size_t latents, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	match->cosine = ps_layout_part(&layout, latents, sizeof *match->cosine);
	match->nearest = ps_layout_part(&layout, latents, sizeof *match->nearest);
	match->mutual = ps_layout_part(&layout, latents, sizeof *match->mutual);
	return layout.bytes;
}

size_t ps_matching_lay_out(ps_matching *matching, size_t f_a, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	matching->nearest = ps_layout_part(&layout, f_a, sizeof *matching->nearest);
	matching->cosine = ps_layout_part(&layout, f_a, sizeof *matching->cosine);
	matching->partner = ps_layout_part(&layout, f_a, sizeof *matching->partner);
	matching->partner_cosine = ps_layout_part(&layout, f_a, sizeof *matching->partner_cosine);
	matching->mutual = ps_layout_part(&layout, f_a, sizeof *matching->mutual);
	return layout.bytes;
}

/* The nearest latent of A for each of B. */
static size_t lay_out_columns(ps_cosine_task *task, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	task->col_best = ps_layout_part(&layout, task->b_rows, sizeof *task->col_best);
	task->col_index = ps_layout_part(&layout, task->b_rows, sizeof *task->col_index);
	return layout.bytes;
}

size_t ps_match_bytes(size_t f_a, size_t f_b, size_t d, int threads)
{
	ps_cosine_task task = {.b_rows = f_b};
	ps_match match;

	return ps_bytes_sum(
		ps_bytes_sum(lay_out_match(&match, f_a, NULL), lay_out_columns(&task, NULL)),
		ps_cosine_bytes(f_a, f_b, d, threads));
}

/* The nearest random row for each latent of A. */
static size_t lay_out_null(ps_cosine_task *task, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	task->row_best = ps_layout_part(&layout, task->a_rows, sizeof *task->row_best);
	task->row_index = ps_layout_part(&layout, task->a_rows, sizeof *task->row_index);
	return layout.bytes;
}

/* Both assignments of two dictionaries. Rows of the matrix are the smaller dictionary's latents. */
struct assigning {
	size_t least, most; /* latents of the smaller and of the larger dictionary */
	double tau;
	uint32_t *pair; /* (least): the partner of each latent, by decoder rows */
	float *cosine;  /* (least): of the two */
	float *costs;   /* (least, most): -cosines */
	const ps_context *context;
	ps_arena *arena;
};

static size_t lay_out_assigning(struct assigning *a, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	a->pair = ps_layout_part(&layout, a->least, sizeof *a->pair);
	a->cosine = ps_layout_part(&layout, a->least, sizeof *a->cosine);
	a->costs = ps_layout_part(&layout, a->least, a->most * sizeof *a->costs);
	return layout.bytes;
}

/* A match, and then, while its results stay, the null and the assignments one after the other. */
size_t ps_compare_bytes(size_t f_a, size_t f_b, size_t d, int threads)
{
	struct assigning assigning = {.least = ps_min_size(f_a, f_b),
				      .most = ps_max_size(f_a, f_b)};
	ps_cosine_task task = {.a_rows = f_a};
	ps_match match;
	const size_t cosines = ps_cosine_bytes(f_a, f_b, d, threads),
		     kept = lay_out_match(&match, f_a, NULL),
		     null = ps_bytes_sum(lay_out_null(&task, NULL), cosines),
		     assigned = ps_bytes_sum(
			     lay_out_assigning(&assigning, NULL),
			     ps_max_size(cosines,
					 ps_assignment_bytes(assigning.least, assigning.most)));

	return ps_max_size(ps_match_bytes(f_a, f_b, d, threads),
			   ps_bytes_sum(kept, ps_max_size(null, assigned)));
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
	lay_out_match(match, a->d_sae, arena);
	task.row_best = match->cosine;
	task.row_index = match->nearest;
	mark = ps_arena_mark(arena);
	lay_out_columns(&task, arena);
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
	return counted ? (double)survivors / (double)counted : (double)NAN;
}

static double mean_cosine(const float *cosine, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (double)cosine[i];
	return sum / (double)count;
}

/* mean_i max_j of A's decoder rows against random unit rows of B's shape. */
static int null_mmcs(const ps_sae *a, const ps_sae *b, uint64_t seed, const ps_context *context,
		     ps_arena *arena, double *out)
{
	ps_cosine_task task = {.a = a->dec,
			       .a_rows = a->d_sae,
			       .b_rows = b->d_sae,
			       .width = a->d_in,
			       .seed = seed};
	const size_t mark = ps_arena_mark(arena);
	int rc;

	lay_out_null(&task, arena);
	rc = ps_cosine_run(&task, context, arena);
	if (rc == 0)
		*out = mean_cosine(task.row_best, a->d_sae);
	ps_arena_rewind(arena, mark);
	return rc;
}

/* Assigns by decoder rows: fills pair and cosine. */
static int assign_decoders(struct assigning *a)
{
	const size_t mark = ps_arena_mark(a->arena);
	ps_assignment solved;
	int rc = ps_assignment_solve(a->costs, a->least, a->most, a->context, a->arena, &solved);

	for (size_t i = 0; rc == 0 && i < a->least; i++) {
		a->pair[i] = solved.column[i];
		a->cosine[i] = -a->costs[i * a->most + a->pair[i]];
	}
	ps_arena_rewind(a->arena, mark);
	return rc;
}

/* The largest mean of |C| over one-to-one assignments. Takes the signs from the costs. */
static int find_pw_mcc(const struct assigning *a, double *mean)
{
	const size_t mark = ps_arena_mark(a->arena);
	ps_assignment solved;
	double sum = 0;
	int rc;

	for (size_t i = 0; i < a->least * a->most; i++)
		a->costs[i] = -fabsf(a->costs[i]);
	rc = ps_assignment_solve(a->costs, a->least, a->most, a->context, a->arena, &solved);
	for (size_t i = 0; rc == 0 && i < a->least; i++)
		sum -= (double)a->costs[i * a->most + solved.column[i]];
	*mean = sum / (double)a->least;
	ps_arena_rewind(a->arena, mark);
	return rc;
}

/* Assigns by encoder rows, and counts the pairs that are the decoders' too, with both cosines >=
 * tau. */
static int count_shared(const struct assigning *a, size_t *shared)
{
	const size_t mark = ps_arena_mark(a->arena);
	ps_assignment solved;
	int rc = ps_assignment_solve(a->costs, a->least, a->most, a->context, a->arena, &solved);

	*shared = 0;
	for (size_t i = 0; rc == 0 && i < a->least; i++)
		*shared += solved.column[i] == a->pair[i] && (double)a->cosine[i] >= a->tau &&
			   (double)-a->costs[i * a->most + a->pair[i]] >= a->tau;
	ps_arena_rewind(a->arena, mark);
	return rc;
}

/* Cosines of the decoders' rows, then of the encoders', in the same matrix. */
static int compare_assigned(const ps_sae *few, const ps_sae *many, struct assigning *a, bool pw_mcc,
			    ps_comparison *out, size_t *shared)
{
	ps_cosine_task task = {.a = few->dec,
			       .b = many->dec,
			       .a_rows = few->d_sae,
			       .b_rows = many->d_sae,
			       .width = few->d_in,
			       .matrix = a->costs};
	int rc = ps_cosine_run(&task, a->context, a->arena);

	if (rc == 0)
		rc = assign_decoders(a);
	if (rc < 0)
		return rc;
	out->hungarian_cosine = mean_cosine(a->cosine, a->least);
	if (pw_mcc)
		rc = find_pw_mcc(a, &out->pw_mcc);
	if (rc < 0)
		return rc;
	task.a = few->enc;
	task.b = many->enc;
	rc = ps_cosine_run(&task, a->context, a->arena);
	return rc ? rc : count_shared(a, shared);
}

/* turned: rows of the assignment are B's latents. */
static void keep_matching(const ps_match *match, const struct assigning *a, bool turned,
			  ps_matching *out)
{
	memcpy(out->nearest, match->nearest, match->count * sizeof *out->nearest);
	memcpy(out->cosine, match->cosine, match->count * sizeof *out->cosine);
	memcpy(out->mutual, match->mutual, match->count * sizeof *out->mutual);
	for (size_t i = 0; i < match->count; i++) {
		out->partner[i] = PS_NO_PARTNER;
		out->partner_cosine[i] = NAN;
	}
	for (size_t i = 0; i < a->least; i++) {
		const size_t latent = turned ? a->pair[i] : i;

		out->partner[latent] = turned ? (uint32_t)i : a->pair[i];
		out->partner_cosine[latent] = a->cosine[i];
	}
}

int ps_compare_saes(const ps_sae *a, const ps_sae *b, const ps_compare_options *options,
		    const ps_context *context, ps_arena *arena, ps_comparison *out)
{
	const ps_sae *few = a->d_sae <= b->d_sae ? a : b, *many = few == a ? b : a;
	struct assigning assigning = {.least = few->d_sae,
				      .most = many->d_sae,
				      .tau = options->tau,
				      .context = context,
				      .arena = arena};
	const size_t mark = ps_arena_mark(arena);
	size_t shared = 0;
	ps_match match;
	int rc;

	*out = (ps_comparison){.pw_mcc = NAN};
	rc = ps_match_decoders(a, b, context, arena, &match);
	if (rc < 0)
		return rc;
	out->mnn_survival = ps_match_survival(&match, options->tau, NULL);
	out->mnn_survival_alive = options->alive
					  ? ps_match_survival(&match, options->tau, options->alive)
					  : (double)NAN;
	out->mmcs = mean_cosine(match.cosine, match.count);
	rc = null_mmcs(a, b, options->null_seed, context, arena, &out->mmcs_null);
	if (rc < 0)
		goto out;
	lay_out_assigning(&assigning, arena);
	rc = compare_assigned(few, many, &assigning, options->pw_mcc, out, &shared);
	if (rc < 0)
		goto out;
	out->shared_fraction = (double)shared / (double)a->d_sae;
	if (options->matching)
		keep_matching(&match, &assigning, few != a, options->matching);
out:
	ps_arena_rewind(arena, mark);
	return rc;
}
