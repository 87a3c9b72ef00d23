#include "analysis/feature_stats.h"

#include <math.h>
#include <string.h>

#include "analysis/row_pair.h"
#include "analysis/sizes.h"
#include "core/base/finite.h"
#include "sae/sparse.h"

enum {
	BATCH = 1024, /* rows encoded at a time, at most */
	CHUNK = 16,   /* latents that one worker takes at a time */
	FIRST_EXPONENT = -12,
};

/* Below this share of the mean square a variance is rounding alone. Only a latent that fires on
 * every row can come near: else the variance is at least 1/T of the mean square. */
#define VARIANCE_SHARE 1e-12

const char *const ps_model_side_names[PS_MODEL_SIDES] = {"dense", "pruned"};

const char *const ps_feature_class_names[PS_FEATURE_CLASSES] = {"none", "kept", "shifted",
								"blurred", "lost"};

struct pass {
	const ps_feature_input *in;
	const ps_context *context;
	ps_feature_stats *out;
	ps_encoder *encoder;
	ps_codes codes;
	ps_by_latent entries[PS_MODEL_SIDES]; /* of the batch */
	float *x;                             /* (BATCH, D) */
	/* of the batch's rows, and the one behind it */
	uint64_t ids[BATCH + 1];
	int32_t window[BATCH + 1], position[BATCH + 1];
	size_t count;
	int32_t last_window;          /* of the batch before */
	uint64_t least_row, most_row; /* of the source, that contexts may show */
};

/* --- memory --- */

static size_t lay_out_side(ps_feature_side *side, size_t latents, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	side->rows = ps_layout_part(&layout, latents, sizeof *side->rows);
	side->sum = ps_layout_part(&layout, latents, sizeof *side->sum);
	side->squares = ps_layout_part(&layout, latents, sizeof *side->squares);
	side->peak = ps_layout_part(&layout, latents, sizeof *side->peak);
	side->bins = ps_layout_part(&layout, latents, PS_ACTIVATION_BINS * sizeof *side->bins);
	side->context_count = ps_layout_part(&layout, latents, sizeof *side->context_count);
	side->contexts = ps_layout_part(&layout, latents, PS_CONTEXTS * sizeof *side->contexts);
	return layout.bytes;
}

static size_t lay_out(ps_feature_stats *out, size_t latents, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	out->both = ps_layout_part(&layout, latents, sizeof *out->both);
	out->product = ps_layout_part(&layout, latents, sizeof *out->product);
	for (int s = 0; s < PS_MODEL_SIDES; s++)
		layout.bytes =
			ps_bytes_sum(layout.bytes, lay_out_side(&out->side[s], latents, arena));
	return layout.bytes;
}

static void lay_out_batch(ps_sae_layout *layout, const ps_sae *sae, struct pass *p)
{
	p->x = ps_sae_floats(layout, BATCH, sae->d_in);
	ps_codes_lay_out(layout, &p->codes, sae, BATCH);
	for (int s = 0; s < PS_MODEL_SIDES; s++)
		ps_by_latent_lay_out(layout, &p->entries[s], sae->d_sae,
				     BATCH * ps_sae_active_max(sae), false);
	p->encoder = ps_encoder_lay_out(layout, sae, BATCH);
}

static size_t batch_bytes(const ps_sae *sae, int threads)
{
	ps_sae_layout layout = ps_sae_layout_count(threads);
	struct pass p;

	lay_out_batch(&layout, sae, &p);
	return layout.parts.bytes;
}

size_t ps_feature_stats_bytes(const ps_sae *sae, int threads)
{
	ps_feature_stats out;

	return ps_bytes_sum(lay_out(&out, sae->d_sae, NULL), batch_bytes(sae, threads));
}

static void clear(ps_feature_stats *out)
{
	const size_t f = out->latents;

	memset(out->both, 0, f * sizeof *out->both);
	memset(out->product, 0, f * sizeof *out->product);
	for (int s = 0; s < PS_MODEL_SIDES; s++) {
		const ps_feature_side *side = &out->side[s];

		memset(side->rows, 0, f * sizeof *side->rows);
		memset(side->sum, 0, f * sizeof *side->sum);
		memset(side->squares, 0, f * sizeof *side->squares);
		memset(side->peak, 0, f * sizeof *side->peak);
		memset(side->bins, 0, f * PS_ACTIVATION_BINS * sizeof *side->bins);
		memset(side->context_count, 0, f * sizeof *side->context_count);
	}
}

/* --- histogram --- */

float ps_activation_edge(size_t bin)
{
	return (float)ldexp(bin % 2 ? sqrt(2.0) : 1, FIRST_EXPONENT + (int)(bin / 2));
}

static size_t bin_of(float value)
{
	static const float half_octave =
		0.70710678118654752f; /* sqrt(1/2), as the edges round it */
	int exponent, bin;
	const float mantissa = frexpf(value, &exponent); /* in [1/2, 1) */

	bin = 2 * (exponent - 1 - FIRST_EXPONENT) + (mantissa >= half_octave);
	return bin < 0 ? 0 : bin >= PS_ACTIVATION_BINS ? PS_ACTIVATION_BINS - 1 : (size_t)bin;
}

/* --- contexts --- */

/* Fills in the tokens around the context's row, as far as they stand beside it in the source, are
 * of its window, and do not lie in another batch. */
static void find_tokens(const struct pass *p, ps_feature_context *c)
{
	const ps_row_source *source = p->in->dense;
	const uint64_t first = c->row > p->least_row + PS_CONTEXT_BEFORE
				       ? c->row - PS_CONTEXT_BEFORE
				       : p->least_row,
		       last = p->most_row - c->row > PS_CONTEXT_AFTER ? c->row + PS_CONTEXT_AFTER
								      : p->most_row;
	const int count = (int)(last - first) + 1, at = (int)(c->row - first);
	int32_t window[PS_CONTEXT_TOKENS], position[PS_CONTEXT_TOKENS], token[PS_CONTEXT_TOKENS];
	uint64_t ids[PS_CONTEXT_TOKENS];

	for (int i = 0; i < count; i++)
		ids[i] = first + (uint64_t)i;
	source->column(source->self, PS_ROW_WINDOW_ID, ids, (size_t)count, window);
	source->column(source->self, PS_ROW_POSITION, ids, (size_t)count, position);
	source->column(source->self, PS_ROW_TOKEN_ID, ids, (size_t)count, token);
	for (int i = at - 1; i >= 0 && window[i] == c->window; i--) {
		if (position[i] != position[i + 1] - 1)
			break;
		c->before++;
	}
	for (int i = at + 1; i < count && window[i] == c->window; i++) {
		if (position[i] != position[i - 1] + 1)
			break;
		c->after++;
	}
	for (int o = -c->before; o <= c->after; o++)
		c->token[PS_CONTEXT_BEFORE + o] = token[at + o];
}

/* Fills in one side's activations around row `at` of the batch. */
static void find_values(const struct pass *p, ps_model_side side, size_t latent, size_t at,
			ps_feature_context *c)
{
	const ps_by_latent *list = &p->entries[side];
	size_t low = list->start[latent], high = list->start[latent + 1];
	const size_t end = high;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (list->row[middle] + PS_CONTEXT_BEFORE < at)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < end && list->row[low] <= at + PS_CONTEXT_AFTER; low++) {
		const int64_t offset = (int64_t)p->ids[list->row[low]] - (int64_t)c->row;

		if (offset >= -c->before && offset <= c->after)
			c->value[side][PS_CONTEXT_BEFORE + offset] = list->value[low];
	}
}

/* Row `at` of the batch is the most active of its window there, with this value. */
static void offer(const struct pass *p, ps_model_side side, size_t latent, size_t at, float value)
{
	ps_feature_side *stats = &p->out->side[side];
	ps_feature_context *list = stats->contexts + latent * PS_CONTEXTS;
	size_t count = stats->context_count[latent], drop = 0, place = 0;

	if (count == PS_CONTEXTS && value <= list[count - 1].activation)
		return;
	while (drop < count && list[drop].window != p->window[at])
		drop++;
	if (drop < count && value <= list[drop].activation)
		return;
	if (drop == count && count < PS_CONTEXTS)
		stats->context_count[latent]++;
	else if (drop == count)
		drop = count - 1;
	while (place < drop && list[place].activation >= value)
		place++;
	memmove(list + place + 1, list + place, (drop - place) * sizeof *list);
	list[place] = (ps_feature_context){.row = p->ids[at],
					   .window = p->window[at],
					   .position = p->position[at],
					   .activation = value};
	for (size_t i = 0; i < PS_CONTEXT_TOKENS; i++)
		list[place].token[i] = PS_NO_TOKEN;
	find_tokens(p, &list[place]);
	for (int s = 0; s < PS_MODEL_SIDES; s++)
		find_values(p, (ps_model_side)s, latent, at, &list[place]);
}

/* --- one batch --- */

static void add_side(const struct pass *p, ps_model_side s, size_t latent)
{
	const ps_by_latent *list = &p->entries[s];
	const size_t first = list->start[latent], end = list->start[latent + 1];
	ps_feature_side *side = &p->out->side[s];
	uint32_t *bins = side->bins + latent * PS_ACTIVATION_BINS;
	double sum = side->sum[latent], squares = side->squares[latent];
	size_t best = first;

	side->rows[latent] += end - first;
	for (size_t e = first; e < end; e++) {
		const float value = list->value[e];

		sum += (double)value;
		squares += (double)value * (double)value;
		bins[bin_of(value)]++;
		if (p->window[list->row[e]] != p->window[list->row[best]]) {
			offer(p, s, latent, list->row[best], list->value[best]);
			best = e;
		}
		if (value > list->value[best])
			best = e;
		if (value > side->peak[latent])
			side->peak[latent] = value;
	}
	side->sum[latent] = sum;
	side->squares[latent] = squares;
	if (first < end)
		offer(p, s, latent, list->row[best], list->value[best]);
}

/* Both lists' rows ascend, so one merge finds those that they share. */
static void add_both(const struct pass *p, size_t latent)
{
	const ps_by_latent *x = &p->entries[PS_DENSE], *y = &p->entries[PS_PRUNED];
	double product = p->out->product[latent];
	uint64_t both = 0;

	for (size_t i = x->start[latent], j = y->start[latent];
	     i < x->start[latent + 1] && j < y->start[latent + 1];) {
		const uint32_t a = x->row[i], b = y->row[j];

		if (a == b) {
			product += (double)x->value[i] * (double)y->value[j];
			both++;
		}
		i += a <= b;
		j += b <= a;
	}
	p->out->product[latent] = product;
	p->out->both[latent] += both;
}

static void add_latents(void *context, size_t item, int worker)
{
	const struct pass *p = context;
	const size_t end = ps_min_size((item + 1) * CHUNK, p->out->latents);

	(void)worker;
	for (size_t latent = item * CHUNK; latent < end; latent++) {
		add_side(p, PS_DENSE, latent);
		add_side(p, PS_PRUNED, latent);
		add_both(p, latent);
	}
}

/* Finds the rows of the batch that starts at element `first` of the list. It ends where a window
 * ends, if one ends in it. */
static void find_rows(struct pass *p, uint64_t first)
{
	const ps_row_source *source = p->in->dense;
	const uint64_t left = p->in->rows->count - first;
	const size_t found = ps_min_size(BATCH + 1, left);
	size_t count = ps_min_size(BATCH, left);

	ps_row_list_get(p->in->rows, first, found, p->ids);
	source->column(source->self, PS_ROW_WINDOW_ID, p->ids, found, p->window);
	source->column(source->self, PS_ROW_POSITION, p->ids, found, p->position);
	while (found > BATCH && count && p->window[count] == p->window[count - 1])
		count--;
	p->least_row = first && p->window[0] == p->last_window ? p->ids[0] : 0;
	p->most_row = source->rows - 1;
	if (!count) { /* one window fills the batch, and goes on behind it */
		count = BATCH;
		p->most_row = p->ids[BATCH - 1];
	}
	p->last_window = p->window[count - 1];
	p->count = count;
}

static int encode(struct pass *p, ps_model_side side)
{
	const ps_row_source *source = side == PS_DENSE ? p->in->dense : p->in->pruned;
	int rc = source->gather(source->self, p->ids, p->count, p->x, p->context->diag);

	if (rc)
		return rc;
	ps_encoder_run(p->encoder, p->x, p->count, &p->codes);
	if (!ps_all_finite(p->codes.value, p->codes.start[p->count]))
		return ps_fail(p->context->diag, PS_EFAILED,
			       "the SAE's activations overflow, in rows %llu to %llu",
			       (unsigned long long)p->ids[0],
			       (unsigned long long)p->ids[p->count - 1]);
	ps_by_latent_fill(&p->entries[side], &p->codes, NULL, 1);
	return 0;
}

static int run_batches(struct pass *p)
{
	const uint64_t rows = p->in->rows->count;
	int rc = 0;

	for (uint64_t first = 0; first < rows && !rc; first += p->count) {
		find_rows(p, first);
		rc = ps_progress_check(p->context);
		for (int s = 0; s < PS_MODEL_SIDES && !rc; s++)
			rc = encode(p, (ps_model_side)s);
		if (rc)
			return rc;
		ps_pool_run(p->context->pool, ps_div_up(p->out->latents, CHUNK), add_latents, p);
		ps_progress_tick(p->context, "features", "rows", first + p->count, rows);
	}
	return rc;
}

static int check(const ps_feature_input *in, ps_diag *diag)
{
	int rc = ps_row_pair_check(in->sae, in->dense, in->pruned, in->rows, diag);

	if (!rc && !(ps_row_source_has(in->dense, PS_ROW_WINDOW_ID) &&
		     ps_row_source_has(in->dense, PS_ROW_POSITION)))
		rc = ps_fail(diag, PS_EINPUT,
			     "the dense cache does not say each row's window and position");
	if (!rc && in->rows->count > INT32_MAX)
		rc = ps_fail(diag, PS_EINPUT, "%llu rows, at most %d can be counted",
			     (unsigned long long)in->rows->count, INT32_MAX);
	return rc;
}

int ps_feature_stats_run(const ps_feature_input *input, const ps_context *context, ps_arena *arena,
			 ps_feature_stats *out)
{
	struct pass p = {.in = input, .context = context, .out = out};
	ps_sae_layout layout;
	size_t mark;
	int rc = check(input, context->diag);

	*out = (ps_feature_stats){.rows = input->rows->count, .latents = input->sae->d_sae};
	if (rc)
		return rc;
	lay_out(out, out->latents, arena);
	clear(out);
	mark = ps_arena_mark(arena);
	layout = ps_sae_layout_in(arena, context);
	lay_out_batch(&layout, input->sae, &p);
	rc = run_batches(&p);
	ps_arena_rewind(arena, mark);
	return rc;
}

/* --- measures --- */

static double correlation(const ps_feature_stats *s, size_t j)
{
	const ps_feature_side *x = &s->side[PS_DENSE], *y = &s->side[PS_PRUNED];
	const double rows = (double)s->rows,
		     spread_x = rows * x->squares[j] - x->sum[j] * x->sum[j],
		     spread_y = rows * y->squares[j] - y->sum[j] * y->sum[j];

	if (!(spread_x > VARIANCE_SHARE * rows * x->squares[j] &&
	      spread_y > VARIANCE_SHARE * rows * y->squares[j]))
		return NAN;
	return (rows * s->product[j] - x->sum[j] * y->sum[j]) / (sqrt(spread_x) * sqrt(spread_y));
}

static bool is_shifted(double change)
{
	return change + 1 > PS_SHIFT_FACTOR || change + 1 < 1 / PS_SHIFT_FACTOR;
}

static ps_feature_class classify(const ps_feature_stats *s, size_t j, const ps_feature_measures *m)
{
	if (!s->side[PS_DENSE].rows[j])
		return PS_CLASS_NONE;
	if (!s->side[PS_PRUNED].rows[j])
		return PS_CLASS_LOST;
	if (isnan(m->pearson))
		return PS_CLASS_NONE;
	if (m->pearson < PS_BLURRED_PEARSON)
		return PS_CLASS_LOST;
	if (m->pearson < PS_KEPT_PEARSON)
		return PS_CLASS_BLURRED;
	return is_shifted(m->rate_change) || is_shifted(m->mean_change) ? PS_CLASS_SHIFTED
									: PS_CLASS_KEPT;
}

/* a / b; NaN where b is 0. */
static double ratio(double a, double b)
{
	return b != 0 ? a / b : NAN;
}

ps_feature_measures ps_feature_measure(const ps_feature_stats *s, size_t j)
{
	ps_feature_measures m = {.pearson = correlation(s, j)};
	double count[PS_MODEL_SIDES];

	for (int i = 0; i < PS_MODEL_SIDES; i++) {
		const ps_feature_side *side = &s->side[i];

		count[i] = (double)side->rows[j];
		m.rate[i] = count[i] / (double)s->rows;
		m.peak[i] = side->rows[j] ? (double)side->peak[j] : NAN;
		m.mean[i] = ratio(side->sum[j], count[i]);
	}
	m.jaccard =
		ratio((double)s->both[j], count[PS_DENSE] + count[PS_PRUNED] - (double)s->both[j]);
	m.rate_change = ratio(count[PS_PRUNED], count[PS_DENSE]) - 1;
	m.mean_change = ratio(m.mean[PS_PRUNED], m.mean[PS_DENSE]) - 1;
	m.class = classify(s, j, &m);
	return m;
}
