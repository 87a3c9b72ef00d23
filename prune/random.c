#include "prune/random.h"

#include "core/base/rng.h"
#include "prune/masker.h"

struct run {
	const ps_model_config *config;
	const ps_random_rule *rule;
	int layer;
	uint8_t *bits[PS_PROJECTIONS]; /* of the layer */
};

/* Consecutive columns of one row, or of all rows as if they were one. */
struct group {
	const uint8_t *like; /* the reference's row, or its first row; NULL: none */
	uint8_t *keep;       /* the row, or the first row */
	size_t cols;         /* of a row */
	size_t first, n;     /* the group's weights, counted from the first of the (first) row */
};

/* The list of its memory: counted without an arena, taken with one. */
static size_t lay_out(struct run *run, const ps_model_config *config, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	for (int p = 0; p < PS_PROJECTIONS; p++)
		run->bits[p] = ps_layout_part(&layout,
					      ps_masker_bitmap_bytes(config, (ps_projection)p), 1);
	return layout.bytes;
}

size_t ps_random_bytes(const ps_model_config *config)
{
	struct run run;

	return lay_out(&run, config, NULL);
}

/* The zeros of the group in the reference. */
static uint64_t zeros_of(const struct group *g)
{
	const size_t row_bytes = ps_bitmap_row_bytes(g->cols);
	uint64_t zeros = 0;

	for (size_t i = g->first; i < g->first + g->n; i++)
		zeros += !ps_bitmap_kept(g->like + i / g->cols * row_bytes, i % g->cols);
	return zeros;
}

static uint64_t count_to_drop(const struct run *run, const struct group *g)
{
	const ps_prune_options *options = &run->rule->options;

	if (run->rule->like)
		return g->like ? zeros_of(g) : 0;
	return options->m ? options->n : (uint64_t)((double)g->n * options->sparsity);
}

/* Algorithm S. */
static void draw_group(const struct run *run, const struct group *g, ps_rng *rng)
{
	uint64_t drop = count_to_drop(run, g);
	size_t row = g->first / g->cols, col = g->first % g->cols;

	for (size_t left = g->n; drop; left--) {
		if (ps_rng_below(rng, left) < drop) {
			ps_bitmap_drop(g->keep + row * ps_bitmap_row_bytes(g->cols), col);
			drop--;
		}
		if (++col == g->cols) {
			col = 0;
			row++;
		}
	}
}

/* A stream of its own for each row of each matrix of a model. */
static ps_rng stream_of(const struct run *run, int projection, size_t row)
{
	const uint64_t matrix = (uint64_t)run->layer * PS_PROJECTIONS + (uint64_t)projection;

	return ps_rng_make(run->rule->seed, matrix << 32 | row);
}

static void draw_matrix(void *context, size_t projection, int worker)
{
	const struct run *run = context;
	const ps_prune_options *options = &run->rule->options;
	const ps_mask_lookup *like = run->rule->like;
	const bool whole = !options->m && options->scope == PS_SCOPE_MATRIX;
	size_t rows, cols, n;
	struct group g;

	(void)worker;
	ps_projection_shape(run->config, (ps_projection)projection, &rows, &cols);
	g = (struct group){.keep = run->bits[projection], .cols = cols};
	if (like)
		g.like = like->find(like->self, run->layer, (ps_projection)projection).bits;
	ps_bitmap_fill(g.keep, rows, cols);
	n = options->m ? options->m : whole ? rows * cols : cols;
	for (size_t row = 0; row < (whole ? 1 : rows); row++) {
		ps_rng rng = stream_of(run, (int)projection, row);

		for (size_t at = row * cols; at < (whole ? rows : row + 1) * cols; at += n) {
			g.first = at;
			g.n = n;
			draw_group(run, &g, &rng);
		}
	}
}

static int prune_layer(struct run *run, const ps_context *context, const ps_mask_sink *sink)
{
	int rc = 0;

	ps_pool_run(context->pool, PS_PROJECTIONS, draw_matrix, run);
	for (int p = 0; p < PS_PROJECTIONS && !rc; p++) {
		ps_bitmap mask = {.bits = run->bits[p]};
		uint64_t kept;

		ps_projection_shape(run->config, (ps_projection)p, &mask.rows, &mask.cols);
		kept = ps_bitmap_count(mask.bits, mask.rows, mask.cols);
		rc = sink->put(sink->self, run->layer, (ps_projection)p, &mask,
			       (uint64_t)mask.rows * mask.cols - kept);
	}
	return rc;
}

static int check_rule(const ps_model_config *config, const ps_random_rule *rule, ps_diag *diag)
{
	if (!rule->options.m && rule->options.scope == PS_SCOPE_GLOBAL)
		return ps_fail(diag, PS_EUSAGE,
			       "a random mask is drawn by row, by matrix or in groups of N:M, not "
			       "over the whole model");
	return ps_masker_check_options(
		config, &rule->options,
		&(ps_prune_sweep){.count = 1, .sparsity = &rule->options.sparsity}, diag);
}

int ps_random_prune(const ps_model_config *config, const ps_random_rule *rule,
		    const ps_context *context, ps_arena *arena, const ps_mask_sink *sink)
{
	struct run run = {.config = config, .rule = rule};
	const size_t mark = ps_arena_mark(arena);
	int rc = check_rule(config, rule, context->diag);

	if (rc)
		return rc;
	lay_out(&run, config, arena);
	ps_progress_tick(context, "random mask, layer", "layers", 0, config->layers);
	for (; !rc && run.layer < (int)config->layers; run.layer++) {
		rc = ps_progress_check(context);
		if (!rc)
			rc = prune_layer(&run, context, sink);
		if (!rc)
			ps_progress_tick(context, "random mask, layer", "layers",
					 (uint64_t)run.layer + 1, config->layers);
	}
	ps_arena_rewind(arena, mark);
	return rc;
}
