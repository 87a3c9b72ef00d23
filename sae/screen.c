/* A worker screens a group of rows against all latents. So a row's running bound needs no sharing
 * between threads, and the group's int16 rows stay in the second-level cache while panels of
 * latents stream past. Columns are cut into blocks, so that a panel's block stays in the
 * first-level cache while the group's tiles pass over it. */
#include "sae/screen.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"
#include "sae/screen_kernel.h"

enum {
	GROUP_ROWS = PS_SCREEN_ROWS, /* whole tiles of every kernel */
	BLOCK_PAIRS = 256,           /* pairs of columns of a block */
	SPARE_CANDIDATES = 512,      /* candidates that a row may have besides 2 k */
	LEAST_ENOUGH = 64,
	LONGEST_ROW = 65536,
	LANES = 8,
	PACK = 512, /* columns packed at a time */
	LINE = 32,  /* int16 in a cache line */
	TOP_BIT = 30,
	BOUND_LOW_BIT = 12, /* of the running bound: 11 bits of mantissa are enough */
};

/* The norm of an int16 row. Rounding adds at most sqrt(LONGEST_ROW) / 2 = 128. */
#define NORM_TARGET 44000.0f
#define LARGEST 32766.0f   /* an int16 element, before rounding */
#define INFLATE 1.001f     /* covers the rounding of the norms and bounds themselves */
#define TINY 1e-18f        /* added to norms, because squares may underflow */
#define LARGEST_NORM 1e15f /* of a row whose bound cannot overflow */

typedef float vector8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t ints8 __attribute__((vector_size(32), aligned(4), may_alias));

struct latents { /* what the bounds need, (F rounded up to panels) each */
	float *scale, *bias, *by_x_norm, *by_x_error, *fixed;
};

/* The group of rows that a worker screens. */
struct group {
	int16_t *x;   /* tiles (pairs, rows of a tile, 2) */
	int32_t *sum; /* (GROUP_ROWS, latents of a panel) */
	ps_screen_row row[GROUP_ROWS];
	float bound[GROUP_ROWS];
	size_t count[GROUP_ROWS];  /* candidates so far */
	size_t enough[GROUP_ROWS]; /* candidates at which a higher bound is looked for */
	bool all[GROUP_ROWS];      /* there are no candidates: all latents must be computed */
	uint32_t *index;           /* (GROUP_ROWS, capacity) each */
	float *lower, *upper;
};

/* What z of a panel's latents, on one row, lies between. */
struct ends {
	float lower[PS_SCREEN_LATENTS_MAX], upper[PS_SCREEN_LATENTS_MAX];
};

struct ps_screen {
	const ps_screen_kernel *kernel;
	size_t d_in, pairs, capacity;
	float rounding; /* relative error of the f32 product and of the estimate */
	int16_t *w;     /* panels (pairs, latents of a panel, 2) */
	struct latents latent;
	struct group *group; /* per worker */
};

bool ps_screen_pays(size_t d_in, size_t d_sae, size_t k)
{
	return d_in <= LONGEST_ROW && d_sae >= 1024 && k <= d_sae / 8;
}

static size_t capacity_of(size_t k)
{
	return ps_round_up(2 * k + SPARE_CANDIDATES, LANES);
}

static size_t pairs_of(size_t d_in)
{
	return (d_in + 1) / 2;
}

static size_t padded_latents(size_t d_sae)
{
	return ps_round_up(d_sae, PS_SCREEN_LATENTS_MAX);
}

static void lay_out_group(ps_sae_layout *layout, const ps_screen *s, struct group *g)
{
	g->x = ps_sae_part(layout, GROUP_ROWS * s->pairs * 2, sizeof *g->x);
	g->sum = ps_sae_part(layout, GROUP_ROWS * PS_SCREEN_LATENTS_MAX, sizeof *g->sum);
	g->index = ps_sae_part(layout, GROUP_ROWS * s->capacity, sizeof *g->index);
	g->lower = ps_sae_floats(layout, GROUP_ROWS, s->capacity);
	g->upper = ps_sae_floats(layout, GROUP_ROWS, s->capacity);
}

ps_screen *ps_screen_lay_out(ps_sae_layout *layout, size_t d_in, size_t d_sae, size_t k)
{
	const size_t padded = padded_latents(d_sae);
	ps_screen stand_in, *s = ps_sae_own(layout, &stand_in, sizeof *s);
	struct group counted;

	*s = (ps_screen){
		.kernel = ps_screen_kernel_choose(getenv("PRUNESCOPE_SCREEN")),
		.d_in = d_in,
		.pairs = pairs_of(d_in),
		.capacity = capacity_of(k),
		.rounding = ((float)d_in / 32 + 40) * 0x1p-24f,
	};
	s->w = ps_sae_part(layout, padded * s->pairs * 2, sizeof *s->w);
	s->latent = (struct latents){
		.scale = ps_sae_floats(layout, padded, 1),
		.bias = ps_sae_floats(layout, padded, 1),
		.by_x_norm = ps_sae_floats(layout, padded, 1),
		.by_x_error = ps_sae_floats(layout, padded, 1),
		.fixed = ps_sae_floats(layout, padded, 1),
	};
	s->group = ps_sae_part(layout, (size_t)layout->threads, sizeof *s->group);
	for (int i = 0; i < layout->threads; i++)
		lay_out_group(layout, s, s->group ? &s->group[i] : &counted);
	return layout->parts.arena ? s : NULL;
}

const char *ps_screen_kernel_name(const ps_screen *s)
{
	return s->kernel->cpu.name;
}

size_t ps_screen_tile_rows(const ps_screen *s)
{
	return s->kernel->rows;
}

/* Returns |values|; *largest is the largest absolute element. */
PS_CLONES static float measure(const float *values, size_t n, float *largest)
{
	vector8 square = {0}, most = {0};
	float sum = 0, top = 0;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES) {
		const vector8 v = *(const vector8 *)(values + i),
			      size = (vector8)((ints8)v & 0x7fffffff);
		const ints8 more = size > most;

		square += v * v;
		most = (vector8)(((ints8)size & more) | ((ints8)most & ~more));
	}
	for (; i < n; i++) {
		square[0] += values[i] * values[i];
		most[0] = fabsf(values[i]) > most[0] ? fabsf(values[i]) : most[0];
	}
	for (int l = 0; l < LANES; l++) {
		sum += square[l];
		top = most[l] > top ? most[l] : top;
	}
	*largest = top;
	return sqrtf(sum);
}

/* Rounds values / scale to int16; pair p of columns goes to out[p * stride]. Returns
 * |values - scale * out|. Multiplying by the inverse may round to the wrong integer; that is
 * allowed, because the error is measured from what was written. */
PS_CLONES static float pack_row(const float *values, size_t n, float scale, int16_t *out,
				size_t stride)
{
	const float inverse = scale > 0 ? 1 / scale : 0;
	float lane[LANES] = {0}, sum = 0;
	int32_t whole[PACK + 1];

	for (size_t first = 0; first < n; first += PACK) {
		const size_t count = ps_min_size(PACK, n - first);
		const float *in = values + first;

		for (size_t i = 0; i < count; i++) {
			const float scaled = in[i] * inverse;

			whole[i] = (int32_t)(scaled + (scaled < 0 ? -0.5f : 0.5f));
		}
		for (size_t i = 0; i + LANES <= count; i += LANES)
			for (int l = 0; l < LANES; l++) {
				const float error = in[i + l] - scale * (float)whole[i + l];

				lane[l] += error * error;
			}
		for (size_t i = count - count % LANES; i < count; i++) {
			const float error = in[i] - scale * (float)whole[i];

			lane[0] += error * error;
		}
		whole[count] = 0;
		for (size_t p = 0; 2 * p < count; p++) {
			const int32_t pair = (int32_t)(((uint32_t)whole[2 * p + 1] << 16) |
						       ((uint32_t)whole[2 * p] & 0xffff));

			memcpy(out + (first / 2 + p) * stride, &pair, sizeof pair);
		}
	}
	for (int l = 0; l < LANES; l++)
		sum += lane[l];
	return sqrtf(sum);
}

/* The scale that brings a row to int16. 0: the row becomes zeros, and its error is its norm. */
static float scale_of(float norm, float largest)
{
	const float scale = fmaxf(norm / NORM_TARGET, largest / LARGEST);

	return norm < LARGEST_NORM && scale > 1e-30f ? scale : 0;
}

/* Packs a row. Returns |values - scale * packed|, plus what rounding adds to the difference on a
 * CPU that has no fused multiply-add. */
static float quantise(const float *values, size_t n, float norm, float scale, int16_t *out,
		      size_t stride)
{
	if (scale == 0) {
		for (size_t p = 0; 2 * p < n; p++)
			memset(out + p * stride, 0, 2 * sizeof *out);
		return norm;
	}
	return pack_row(values, n, scale, out, stride) + 0x1p-22f * norm + TINY;
}

static void take_latent(ps_screen *s, size_t j, const float *enc, float bias, float factor)
{
	const size_t wide = s->kernel->latents, at = j % wide;
	int16_t *panel = s->w + j / wide * s->pairs * wide * 2 + 2 * at;
	const struct latents *l = &s->latent;
	float largest, norm = measure(enc, s->d_in, &largest) + TINY;
	const bool fits = norm < LARGEST_NORM && fabsf(bias) < LARGEST_NORM && factor >= 0 &&
			  factor < LARGEST_NORM;
	const float scale = fits ? scale_of(norm, largest) : 0;
	const float error = quantise(enc, s->d_in, norm, scale, panel, 2 * wide);

	l->scale[j] = scale * factor;
	l->bias[j] = bias * factor;
	l->by_x_norm[j] = INFLATE * (error + s->rounding * norm) * factor;
	l->by_x_error[j] = INFLATE * (norm + error) * factor;
	l->fixed[j] = (s->rounding * fabsf(bias) + TINY) * factor + TINY;
	if (!fits) { /* it is a candidate of every row */
		l->scale[j] = l->bias[j] = l->by_x_norm[j] = l->by_x_error[j] = 0;
		l->fixed[j] = INFINITY;
	}
}

/* Fills the last panel with latents that are never candidates. */
static void close_panel(ps_screen *s, size_t j)
{
	const size_t wide = s->kernel->latents;
	const struct latents *l = &s->latent;

	for (; j % wide; j++) {
		for (size_t p = 0; p < s->pairs; p++)
			memset(s->w + (j / wide * s->pairs + p) * wide * 2 + 2 * (j % wide), 0,
			       2 * sizeof *s->w);
		l->scale[j] = l->by_x_norm[j] = l->by_x_error[j] = l->fixed[j] = 0;
		l->bias[j] = -INFINITY;
	}
}

void ps_screen_take_latents(ps_screen *s, size_t first, size_t end, const float *enc,
			    const float *b, const float *norm)
{
	for (size_t j = first; j < end; j++)
		take_latent(s, j, enc + j * s->d_in, b[j], norm ? norm[j] : 1);
	if (end > first)
		close_panel(s, end);
}

static float float_of(int32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* Returns a positive value that at least k of the lower ends reach, or 0. */
PS_CLONES static float kth_lower(const float *lower, size_t n, size_t k)
{
	/* Positive floats compare as their bits do. */
	const int32_t *bits = (const int32_t *)(const void *)lower;
	int32_t found = 0;

	for (int bit = TOP_BIT; bit >= BOUND_LOW_BIT; bit--) {
		const int32_t tried = found | (int32_t)1 << bit;
		int32_t reached = 0;

		for (size_t i = 0; i < n; i++) {
			int32_t value;

			memcpy(&value, bits + i, sizeof value);
			reached += value >= tried;
		}
		if ((size_t)reached >= k)
			found = tried;
	}
	return float_of(found);
}

/* How many candidates a row must have before a higher bound is worth looking for. */
static size_t enough_of(const ps_screen *s, size_t left)
{
	return ps_min_size(ps_max_size(2 * left, LEAST_ENOUGH),
			   s->capacity - s->kernel->latents + 1);
}

/* Raises the row's bound and drops the candidates that are below it. */
static void drop_candidates(const ps_screen *s, struct group *g, size_t r, size_t k)
{
	uint32_t *index = g->index + r * s->capacity;
	float *lower = g->lower + r * s->capacity, *upper = g->upper + r * s->capacity;
	const float bound = kth_lower(lower, g->count[r], k);
	size_t count = 0;

	if (bound > 0 && bound > g->bound[r])
		g->bound[r] = bound;
	for (size_t i = 0; i < g->count[r]; i++) {
		index[count] = index[i];
		lower[count] = lower[i];
		upper[count] = upper[i];
		count += upper[i] >= g->bound[r];
	}
	g->count[r] = count;
	g->enough[r] = enough_of(s, ps_max_size(count, k));
}

static void add_candidates(const ps_screen *s, struct group *g, size_t r, uint32_t reached,
			   size_t first, const struct ends *ends, size_t k)
{
	uint32_t *index = g->index + r * s->capacity;
	float *lower = g->lower + r * s->capacity, *upper = g->upper + r * s->capacity;

	if (g->count[r] >= g->enough[r])
		drop_candidates(s, g, r, k);
	if (g->count[r] + s->kernel->latents > s->capacity) {
		g->all[r] = true;
		return;
	}
	for (; reached; reached &= reached - 1) {
		const int n = __builtin_ctz(reached);
		const size_t at = g->count[r]++;

		index[at] = (uint32_t)first + (uint32_t)n;
		lower[at] = ends->lower[n];
		upper[at] = ends->upper[n];
	}
}

/* Brings part t of n of a panel into the second-level cache. */
static void fetch_panel(const int16_t *w, size_t elements, size_t t, size_t n)
{
	for (size_t i = elements * t / n; i < elements * (t + 1) / n; i += LINE)
		__builtin_prefetch(w + i, 0, 2);
}

/* Adds each row's candidates from the panel's sums. */
static void read_panel(const ps_screen *s, struct group *g, size_t rows, size_t panel, size_t k)
{
	const size_t wide = s->kernel->latents, first = panel * wide;
	const ps_screen_bounds bounds = {s->latent.scale + first, s->latent.bias + first,
					 s->latent.by_x_norm + first, s->latent.by_x_error + first,
					 s->latent.fixed + first};
	uint32_t reached[GROUP_ROWS];
	struct ends ends;

	s->kernel->reach(g->sum, &bounds, g->row, g->bound, rows, reached);
	for (size_t r = 0; r < rows; r++) {
		if (!reached[r] || g->all[r])
			continue;
		s->kernel->estimate(g->sum + r * wide, &bounds, &g->row[r], ends.lower, ends.upper);
		add_candidates(s, g, r, reached[r], first, &ends, k);
	}
}

static void multiply_panel(const ps_screen *s, struct group *g, size_t tiles, size_t panel)
{
	const size_t tall = s->kernel->rows, wide = s->kernel->latents;
	const size_t elements = s->pairs * wide * 2;
	const int16_t *w = s->w + panel * elements;

	for (size_t first = 0; first < s->pairs; first += BLOCK_PAIRS) {
		const size_t pairs = ps_min_size(BLOCK_PAIRS, s->pairs - first);

		for (size_t t = 0; t < tiles; t++) {
			fetch_panel(w + elements + first * wide * 2, pairs * wide * 2, t, tiles);
			s->kernel->tile(pairs, g->x + (t * s->pairs + first) * tall * 2,
					w + first * wide * 2, first > 0, g->sum + t * tall * wide);
		}
	}
}

static void pack_group(const ps_screen *s, struct group *g, const float *x, size_t rows,
		       size_t tiles, size_t k, bool positive)
{
	const size_t tall = s->kernel->rows;

	memset(g->x, 0, tiles * s->pairs * tall * 2 * sizeof *g->x);
	for (size_t r = 0; r < rows; r++) {
		const float *row = x + r * s->d_in;
		int16_t *out = g->x + r / tall * s->pairs * tall * 2 + r % tall * 2;
		float largest, norm = measure(row, s->d_in, &largest) + TINY;
		const float scale = scale_of(norm, largest);

		g->row[r] = (ps_screen_row){
			.scale = scale,
			.norm = norm,
			.error = quantise(row, s->d_in, norm, scale, out, 2 * tall)};
		/* Above the latents that fill the last panel. */
		g->bound[r] = positive ? 0 : -FLT_MAX;
		g->count[r] = 0;
		g->enough[r] = enough_of(s, k);
		g->all[r] = !(norm < LARGEST_NORM);
		if (g->all[r])
			g->row[r] = (ps_screen_row){0};
	}
}

void ps_screen_run(ps_screen *s, const float *x, size_t rows, size_t d_sae, size_t k, bool positive,
		   int worker)
{
	struct group *g = &s->group[worker];
	const size_t wide = s->kernel->latents, tiles = ps_div_up(rows, s->kernel->rows);

	pack_group(s, g, x, rows, tiles, k, positive);
	for (size_t panel = 0; panel * wide < d_sae; panel++) {
		multiply_panel(s, g, tiles, panel);
		read_panel(s, g, rows, panel, k);
	}
	for (size_t r = 0; r < rows; r++)
		if (!g->all[r])
			drop_candidates(s, g, r, k);
}

const uint32_t *ps_screen_candidates(const ps_screen *s, int worker, size_t row, size_t *count)
{
	const struct group *g = &s->group[worker];

	*count = g->count[row];
	return g->all[row] ? NULL : g->index + row * s->capacity;
}
