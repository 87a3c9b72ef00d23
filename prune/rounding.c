#include "prune/rounding.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"

#define BLOCK_ROWS ((size_t)32)     /* rows of one item of the pool */
#define STRIP_COLUMNS ((size_t)256) /* columns that are widened together */

/* One matrix on its way to its scales. */
struct job {
	ps_weight weight;
	const ps_rounding_rule *rule;
	float *scale;    /* (rows, groups) */
	bool not_finite; /* set by the pool's threads */
};

static float *lay_out(const ps_model_config *config, const ps_rounding_rule *rule,
		      ps_layout *layout)
{
	size_t most = 0, rows, cols;

	for (int p = 0; p < PS_PROJECTIONS; p++) {
		ps_projection_shape(config, (ps_projection)p, &rows, &cols);
		most = ps_max_size(most, rows * ps_rounding_groups(rule, cols));
	}
	return ps_layout_part(layout, most, sizeof(float));
}

size_t ps_rounding_bytes(const ps_model_config *config, const ps_rounding_rule *rule)
{
	ps_layout layout = {0};

	(void)lay_out(config, rule, &layout);
	return layout.bytes;
}

/* The largest magnitude. Magnitudes have the order of their bits, with NaN above infinity. */
PS_CLONES
static float largest(const float *values, size_t n, float most)
{
	uint32_t high, bits;

	memcpy(&high, &most, sizeof high);
	for (size_t i = 0; i < n; i++) {
		memcpy(&bits, values + i, sizeof bits);
		bits &= 0x7fffffffu;
		high = bits > high ? bits : high;
	}
	memcpy(&most, &high, sizeof most);
	return most;
}

/* The scale of columns [first, end) of a row. */
static float scale_of(const struct job *job, size_t row, size_t first, size_t end)
{
	const ps_weight *w = &job->weight;
	float values[STRIP_COLUMNS], most = 0;

	for (; first < end; first += STRIP_COLUMNS) {
		const size_t n = ps_min_size(STRIP_COLUMNS, end - first);

		ps_weight_decode(w, row, first, n, values);
		most = largest(values, n, most);
	}
	return most / ps_rounding_steps(job->rule->bits);
}

static void run_block(void *context, size_t item, int worker)
{
	struct job *job = context;
	const size_t cols = job->weight.cols, columns = ps_rounding_columns(job->rule, cols),
		     groups = ps_rounding_groups(job->rule, cols),
		     last = ps_min_size(job->weight.rows, (item + 1) * BLOCK_ROWS);
	const float steps = ps_rounding_steps(job->rule->bits);

	(void)worker;
	for (size_t row = item * BLOCK_ROWS; row < last; row++)
		for (size_t g = 0; g < groups; g++) {
			float *scale = job->scale + row * groups + g;

			*scale = scale_of(job, row, g * columns,
					  ps_min_size(cols, (g + 1) * columns));
			if (!isfinite(*scale * steps))
				__atomic_store_n(&job->not_finite, true, __ATOMIC_RELAXED);
		}
}

/* Names the weight behind a scale that is not finite. */
static int name_bad(struct job *job, ps_diag *diag)
{
	int rc = ps_weight_check_finite(&job->weight, diag);

	if (rc)
		return rc;
	job->weight.edit.rounding = (ps_rounding){job->scale, *job->rule};
	return ps_weight_check_finite(&job->weight, diag);
}

static int run_projection(struct job *job, int layer, ps_projection projection,
			  const ps_weight_lookup *weights, const ps_context *context)
{
	int rc = weights->projection(weights->self, layer, projection, &job->weight, context->diag);

	if (rc)
		return rc;
	job->not_finite = false;
	ps_pool_run(context->pool, ps_pool_items(job->weight.rows, BLOCK_ROWS), run_block, job);
	return job->not_finite ? name_bad(job, context->diag) : 0;
}

int ps_rounding_scales(const ps_model_config *config, const ps_weight_lookup *weights,
		       const ps_rounding_rule *rule, const ps_context *context, ps_arena *arena,
		       const ps_scale_sink *sink)
{
	const size_t mark = ps_arena_mark(arena);
	ps_layout layout = {.arena = arena};
	struct job job = {.rule = rule};
	int rc = 0;

	if (rule->bits < PS_ROUNDING_BITS_LEAST || rule->bits > PS_ROUNDING_BITS_MOST)
		return ps_fail(context->diag, PS_EUSAGE, "%d bits are not %d to %d", rule->bits,
			       PS_ROUNDING_BITS_LEAST, PS_ROUNDING_BITS_MOST);
	job.scale = lay_out(config, rule, &layout);
	ps_progress_tick(context, "rounding, layer", "layers", 0, config->layers);
	for (int layer = 0; !rc && layer < (int)config->layers; layer++) {
		rc = ps_progress_check(context);
		for (int p = 0; !rc && p < PS_PROJECTIONS; p++) {
			rc = run_projection(&job, layer, (ps_projection)p, weights, context);
			if (!rc)
				rc = sink->put(sink->self, layer, (ps_projection)p, job.scale);
		}
		ps_progress_tick(context, "rounding, layer", "layers", (uint64_t)layer + 1,
				 config->layers);
	}
	ps_arena_rewind(arena, mark);
	return rc;
}
