#include "sae/start.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "sae/batch.h"

enum {
	SAMPLE_ROWS = 65536,
	LATENTS_AN_ITEM = 16,
	MEDIAN_TURNS = 100,
};

#define MEDIAN_TOLERANCE 1e-6
/* The sample's stream of data_seed. Epochs take the streams from 0 on. */
#define SAMPLE_STREAM UINT64_MAX

void ps_start_direction(uint64_t init_seed, size_t latent, size_t d, double norm, float *row)
{
	ps_rng rng = ps_rng_make(init_seed, latent);
	double square = 0;

	for (size_t i = 0; i < d; i++) {
		row[i] = ps_rng_normal(&rng);
		square += (double)row[i] * row[i];
	}
	for (size_t i = 0; i < d; i++)
		row[i] = (float)(row[i] * (norm / sqrt(square)));
}

/* Sets decoder rows to seeded random directions and encoder rows to multiples of them. */
static void start_latents(void *context, size_t item, int worker)
{
	ps_trainer *t = context;
	const size_t d = t->sae.d_in, first = item * LATENTS_AN_ITEM,
		     end = ps_min_size(first + LATENTS_AN_ITEM, t->sae.d_sae);

	(void)worker;
	for (size_t j = first; j < end; j++) {
		float *row = t->sae.dec + j * d;

		ps_start_direction(t->options.init_seed, j, d, t->options.decoder_norm, row);
		for (size_t i = 0; i < d; i++)
			t->sae.enc[j * d + i] = (float)(t->options.encoder_scale * row[i]);
	}
}

/* Adds the first `count` rows of t->feed->x to sum (D); returns the sum of their norms. */
static double add_rows(const ps_trainer *t, size_t count, double *sum)
{
	const size_t d = t->sae.d_in;
	double norms = 0;

	for (size_t r = 0; r < count; r++) {
		double square = 0;

		for (size_t i = 0; i < d; i++) {
			const double value = t->feed->x[r * d + i];

			sum[i] += value;
			square += value * value;
		}
		norms += sqrt(square);
	}
	return norms;
}

/* The i-th of n sampled rows: one of each of n equal stretches, so that files are read forwards. */
static uint64_t sampled_row(const ps_row_list *rows, uint64_t i, uint64_t n, ps_rng *rng)
{
	const uint64_t first = rows->count / n * i + rows->count % n * i / n;
	const uint64_t end = rows->count / n * (i + 1) + rows->count % n * (i + 1) / n;

	return ps_row_list_at(rows, first + ps_rng_below(rng, end - first));
}

/* Gathers rows [done, done + count) of a sample of n rows into t->feed->x. */
static int gather_sample(ps_trainer *t, uint64_t done, size_t count, uint64_t n, ps_rng *rng)
{
	const ps_row_source *source = t->feed->source;
	uint64_t *ids = t->feed->ids;

	for (size_t r = 0; r < count; r++)
		ids[r] = sampled_row(t->feed->rows, done + r, n, rng);
	if (source->ahead)
		source->ahead(source->self, ids, count, PS_ROW_NO_PLACE);
	return ps_batch_gather(source, ids, count, t->feed->x, t->context);
}

/* Reads the sample; sets the input scale, and b_dec to the mean of the scaled sample. */
static int measure_sample(ps_trainer *t)
{
	const uint64_t n = t->feed->rows->count < SAMPLE_ROWS ? t->feed->rows->count : SAMPLE_ROWS;
	const size_t d = t->sae.d_in;
	ps_rng rng = ps_rng_make(t->options.data_seed, SAMPLE_STREAM);
	double *sum = t->column_variance, norms = 0;

	memset(sum, 0, d * sizeof *sum);
	for (uint64_t done = 0; done < n;) {
		const size_t count =
			(size_t)(n - done < t->options.batch ? n - done : t->options.batch);
		int rc = gather_sample(t, done, count, n, &rng);

		if (rc)
			return rc;
		norms += add_rows(t, count, sum);
		done += count;
	}
	if (!isfinite(norms))
		return ps_fail(t->context->diag, PS_EINPUT,
			       "the activations hold values that are not finite");
	*t->scale = norms > 0 ? (float)(sqrt((double)d) * (double)n / norms) : 1;
	for (size_t i = 0; i < d; i++)
		t->sae.b_dec[i] = (float)(*t->scale * sum[i] / (double)n);
	return 0;
}

/* Takes one of Weiszfeld's steps over t->feed->x, from `at` (D) to `next` (D). Returns the relative
 * move, |next - at| / |next|. */
static double median_step(const ps_trainer *t, size_t count, const double *at, double *next)
{
	const size_t d = t->sae.d_in;
	double weights = 0, moved = 0, size = 0;

	memset(next, 0, d * sizeof *next);
	for (size_t r = 0; r < count; r++) {
		const float *row = t->feed->x + r * d;
		double square = 0, weight;

		for (size_t i = 0; i < d; i++)
			square += (row[i] - at[i]) * (row[i] - at[i]);
		/* A row that is the median itself has no pull. */
		weight = square > 0 ? 1 / sqrt(square) : 0;
		weights += weight;
		for (size_t i = 0; i < d; i++)
			next[i] += weight * row[i];
	}
	for (size_t i = 0; i < d; i++) {
		next[i] = weights > 0 ? next[i] / weights : at[i];
		moved += (next[i] - at[i]) * (next[i] - at[i]);
		size += next[i] * next[i];
	}
	return size > 0 ? sqrt(moved / size) : 0;
}

/* Sets b_dec to s times the geometric median of a batch of rows. b_dec holds s times the sample's
 * mean, where the iteration starts. */
static int start_at_median(ps_trainer *t)
{
	const size_t d = t->sae.d_in,
		     count = (size_t)(t->feed->rows->count < t->options.batch ? t->feed->rows->count
									      : t->options.batch);
	double *at = t->column_variance, *next = t->error_sum;
	ps_rng rng = ps_rng_make(t->options.data_seed, SAMPLE_STREAM);
	int rc = gather_sample(t, 0, count, count, &rng);

	if (rc)
		return rc;
	for (size_t i = 0; i < d; i++)
		at[i] = t->sae.b_dec[i] / *t->scale;
	for (int turn = 0; turn < MEDIAN_TURNS; turn++) {
		const double moved = median_step(t, count, at, next);

		memcpy(at, next, d * sizeof *at);
		if (moved < MEDIAN_TOLERANCE)
			break;
	}
	for (size_t i = 0; i < d; i++)
		t->sae.b_dec[i] = (float)(*t->scale * at[i]);
	return 0;
}

/* Takes the values over from another trainer at its start, where both would read the same sample.
 * Returns whether it did. */
static bool take_sample_of(ps_trainer *t, const ps_trainer *like)
{
	if (!like || like->options.data_seed != t->options.data_seed ||
	    like->options.b_dec != t->options.b_dec)
		return false;
	*t->scale = *like->scale;
	memcpy(t->sae.b_dec, like->sae.b_dec, t->sae.d_in * sizeof(float));
	return true;
}

static void clear_state(ps_trainer *t)
{
	ps_state_part parts[PS_STATE_PARTS_MAX];
	const size_t count = ps_trainer_state(t, parts);

	for (size_t i = 0; i < count; i++)
		memset(parts[i].data, 0, parts[i].bytes);
}

int ps_start_values(ps_trainer *t, const ps_trainer *like)
{
	const size_t f = t->sae.d_sae;
	int rc;

	clear_state(t);
	ps_pool_run(t->context->pool, ps_pool_items(f, LATENTS_AN_ITEM), start_latents, t);
	for (size_t j = 0; j < f && t->sae.threshold; j++)
		t->sae.threshold[j] = (float)t->options.threshold_start;
	t->feed->announced = PS_FEED_NONE;
	*t->threshold = t->options.threshold_from_zero ? 0 : -1;
	if (take_sample_of(t, like))
		return 0;
	rc = measure_sample(t);
	if (rc)
		return rc;
	if (t->options.b_dec == PS_B_DEC_MEDIAN)
		return start_at_median(t);
	if (t->options.b_dec == PS_B_DEC_ZERO)
		memset(t->sae.b_dec, 0, t->sae.d_in * sizeof(float));
	return 0;
}
