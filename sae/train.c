#include "sae/train.h"

#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "core/rng.h"
#include "sae/batch.h"
#include "sae/room.h"
#include "sae/trainer.h"

enum {
	SAMPLE_ROWS = 65536,
	LATENTS_AN_ITEM = 16,
	STATE_PARTS = 15,
};

/* Streams of the two seeds; epochs take the streams of data_seed from 0. */
#define SAMPLE_STREAM UINT64_MAX

static size_t batch_rows(const ps_train_options *options)
{
	return options->tokens < options->batch ? (size_t)options->tokens : options->batch;
}

uint64_t ps_trainer_steps(const ps_train_options *options)
{
	const size_t batch = batch_rows(options);

	return batch ? options->tokens / batch : 0;
}

static ps_sae shape_of(size_t d_in, const ps_train_options *options)
{
	return (ps_sae){.arch = PS_SAE_TOPK, .d_in = d_in, .d_sae = options->d_sae, .k = options->k};
}

size_t ps_trainer_bytes(size_t d_in, const ps_train_options *options, int threads)
{
	const ps_sae shape = shape_of(d_in, options);
	const size_t f = options->d_sae, rows = batch_rows(options);
	ps_plan plan = {0};
	size_t elements, entries;

	if (f > UINT32_MAX || rows > UINT32_MAX || options->k > f || !ps_size_mul(d_in, f, &elements) ||
	    !ps_size_mul(elements, 2 * sizeof(float), &elements) ||
	    !ps_size_mul(rows, ps_max_size(d_in, options->k) * 8 * sizeof(float), &entries))
		return SIZE_MAX;
	ps_plan_add(&plan, "trainer", sizeof(ps_trainer));
	ps_plan_add(&plan, "parameters", ps_sae_bytes(d_in, f));
	for (int i = 0; i < 2; i++) {
		ps_plan_add(&plan, "moments of a matrix", elements);
		ps_plan_add(&plan, "moments of a bias", 2 * ps_round_up(ps_max_size(f, d_in) * sizeof(float), PS_ALIGN));
	}
	ps_plan_add(&plan, "counters", 3 * PS_ALIGN + f * sizeof(uint64_t));
	ps_plan_add(&plan, "row ids", rows * sizeof(uint64_t));
	ps_plan_add(&plan, "batch", rows * d_in * sizeof(float));
	ps_plan_add(&plan, "encoder", ps_encoder_bytes(&shape, threads, rows));
	ps_plan_add(&plan, "gradients", ps_branch_bytes(&shape, rows));
	ps_plan_add(&plan, "auxiliary loss", options->auxk_coefficient != 0 ? ps_auxk_bytes(&shape, threads, rows) : 0);
	ps_plan_add(&plan, "gradient of the encoder's bias", f * sizeof(float));
	ps_plan_add(&plan, "gradient of the decoder's bias", d_in * sizeof(float));
	ps_plan_add(&plan, "variances", d_in * sizeof(double));
	ps_plan_add(&plan, "gradients of a latent", (size_t)threads * 2 * d_in * sizeof(float));
	return plan.total_bytes;
}

static int check_options(const ps_train_options *o, const ps_row_list *rows, ps_diag *diag)
{
	if (!o->batch || !o->tokens || o->batch > UINT32_MAX)
		return ps_fail(diag, PS_EUSAGE, "training needs at least one token and a batch of at least one row");
	if (!o->k || o->k > o->d_sae)
		return ps_fail(diag, PS_EUSAGE, "k is %zu, it must lie between 1 and the number of latents, %zu", o->k, o->d_sae);
	if (!(o->lr >= 0 && isfinite(o->lr)))
		return ps_fail(diag, PS_EUSAGE, "the learning rate must be positive");
	if (!(o->warmup_fraction >= 0 && o->warmup_fraction <= 1 && o->decay_fraction >= 0 && o->decay_fraction <= 1))
		return ps_fail(diag, PS_EUSAGE, "warm-up and decay are fractions of the run, between 0 and 1");
	if (!(o->auxk_coefficient >= 0 && isfinite(o->auxk_coefficient)))
		return ps_fail(diag, PS_EUSAGE, "the coefficient of the auxiliary loss must be 0 or positive");
	if (!rows->count)
		return ps_fail(diag, PS_EINPUT, "there are no rows to train on");
	return 0;
}

static ps_moments take_moments(size_t count, ps_arena *arena)
{
	ps_moments moments = {
		.m = ps_arena_take(arena, count * sizeof(float)),
		.v = ps_arena_take(arena, count * sizeof(float)),
	};

	memset(moments.m, 0, count * sizeof(float));
	memset(moments.v, 0, count * sizeof(float));
	return moments;
}

static void take_state(ps_trainer *t, ps_arena *arena)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in;

	t->enc = take_moments(f * d, arena);
	t->dec = take_moments(f * d, arena);
	t->b_enc = take_moments(f, arena);
	t->b_dec = take_moments(d, arena);
	t->since_fired = ps_arena_take(arena, f * sizeof(uint64_t));
	t->step = ps_arena_take(arena, sizeof(uint64_t));
	t->scale = ps_arena_take(arena, sizeof(float));
}

static void take_scratch(ps_trainer *t, ps_arena *arena)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in, rows = t->options.batch;

	t->ids = ps_arena_take(arena, rows * sizeof(uint64_t));
	t->x = ps_arena_take(arena, rows * d * sizeof(float));
	t->b_enc_gradient = ps_arena_take(arena, f * sizeof(float));
	t->b_dec_gradient = ps_arena_take(arena, d * sizeof(float));
	t->column_variance = ps_arena_take(arena, d * sizeof(double));
	t->latent_gradients = ps_arena_take(arena, (size_t)ps_pool_threads(t->context->pool) * 2 * d * sizeof(float));
}

/* Everything but the contents. */
static int take_parts(ps_trainer *t, ps_arena *arena)
{
	int code = ps_sae_create(&t->sae, PS_SAE_TOPK, t->source->width, t->options.d_sae, t->options.k, arena, t->context->diag);

	if (code < 0)
		return code;
	t->sae.apply_b_dec_to_input = false;
	take_state(t, arena);
	take_scratch(t, arena);
	code = ps_encoder_create(&t->encoder, &t->sae, t->context, t->options.batch, arena);
	if (code < 0)
		return code;
	code = ps_branch_create(&t->branch, &t->sae, t->options.batch, t->context, arena);
	if (code < 0 || t->options.auxk_coefficient == 0)
		return code;
	return ps_auxk_create(&t->auxk, &t->sae, t->options.batch, t->context, arena);
}

/* Decoder rows: seeded random directions; encoder = decoder. */
static void start_latents(void *context, size_t item, int worker)
{
	ps_trainer *t = context;
	const size_t d = t->sae.d_in, first = item * LATENTS_AN_ITEM, end = ps_min_size(first + LATENTS_AN_ITEM, t->sae.d_sae);

	(void)worker;
	for (size_t j = first; j < end; j++) {
		ps_rng rng = ps_rng_make(t->options.init_seed, j);
		float *row = t->sae.dec + j * d;
		double norm = 0;

		for (size_t i = 0; i < d; i++) {
			row[i] = ps_rng_normal(&rng);
			norm += (double)row[i] * row[i];
		}
		for (size_t i = 0; i < d; i++)
			row[i] = (float)(row[i] / sqrt(norm));
		memcpy(t->sae.enc + j * d, row, d * sizeof *row);
	}
}

/* Adds the first `count` rows of t->x to sum (D); returns the sum of their norms. */
static double add_rows(const ps_trainer *t, size_t count, double *sum)
{
	const size_t d = t->sae.d_in;
	double norms = 0;

	for (size_t r = 0; r < count; r++) {
		double square = 0;

		for (size_t i = 0; i < d; i++) {
			const double value = t->x[r * d + i];

			sum[i] += value;
			square += value * value;
		}
		norms += sqrt(square);
	}
	return norms;
}

/* The i-th of n sampled rows: one from each of n equal stretches, so that a file is read forwards. */
static uint64_t sampled_row(const ps_row_list *rows, uint64_t i, uint64_t n, ps_rng *rng)
{
	const uint64_t first = rows->count / n * i + rows->count % n * i / n;
	const uint64_t end = rows->count / n * (i + 1) + rows->count % n * (i + 1) / n;

	return rows->ids[first + ps_rng_below(rng, end - first)];
}

/* The input scale and b_dec from a sample of the rows. */
static int measure_sample(ps_trainer *t)
{
	const uint64_t n = t->rows->count < SAMPLE_ROWS ? t->rows->count : SAMPLE_ROWS;
	const size_t d = t->sae.d_in;
	ps_rng rng = ps_rng_make(t->options.data_seed, SAMPLE_STREAM);
	double *sum = t->column_variance, norms = 0;

	memset(sum, 0, d * sizeof *sum);
	for (uint64_t done = 0; done < n;) {
		const size_t count = (size_t)(n - done < t->options.batch ? n - done : t->options.batch);
		int code;

		for (size_t r = 0; r < count; r++)
			t->ids[r] = sampled_row(t->rows, done + r, n, &rng);
		code = ps_batch_gather(t->source, t->ids, count, t->x, t->context);
		if (code < 0)
			return code;
		norms += add_rows(t, count, sum);
		done += count;
	}
	if (!isfinite(norms))
		return ps_fail(t->context->diag, PS_EINPUT, "the activations hold values that are not finite");
	*t->scale = norms > 0 ? (float)(sqrt((double)d) * (double)n / norms) : 1;
	for (size_t i = 0; i < d; i++)
		t->sae.b_dec[i] = (float)(*t->scale * sum[i] / (double)n);
	return 0;
}

static int start_values(ps_trainer *t)
{
	const size_t f = t->sae.d_sae;

	ps_pool_run(t->context->pool, (f + LATENTS_AN_ITEM - 1) / LATENTS_AN_ITEM, start_latents, t);
	memset(t->sae.b_enc, 0, f * sizeof(float));
	memset(t->since_fired, 0, f * sizeof(uint64_t));
	*t->step = 0;
	return measure_sample(t);
}

int ps_trainer_create(ps_trainer **out, const ps_train_options *options, const ps_row_source *source,
		      const ps_row_list *rows, const ps_context *context, ps_arena *arena)
{
	int code = check_options(options, rows, context->diag);
	ps_trainer *t;

	if (code < 0)
		return code;
	code = ps_room_check(arena, ps_trainer_bytes(source->width, options, ps_pool_threads(context->pool)), "training",
			     context->diag);
	if (code < 0)
		return code;
	t = ps_arena_take(arena, sizeof *t);
	*t = (ps_trainer){.options = *options, .source = source, .rows = rows, .context = context};
	t->steps = ps_trainer_steps(options);
	t->options.batch = batch_rows(options);
	if (options->lr == 0)
		t->options.lr = 2e-4 / sqrt((double)options->d_sae / 16384);
	*out = t;
	code = take_parts(t, arena);
	return code < 0 ? code : start_values(t);
}

uint64_t ps_trainer_done(const ps_trainer *t)
{
	return *t->step;
}

void ps_trainer_export(const ps_trainer *t, ps_sae *out)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in;
	const float scale = *t->scale;

	/* z is homogeneous in (x, b_enc, b_dec), and TopK with ReLU in z: dividing all three by s divides the codes
	 * and the reconstruction by s, and leaves both matrices, and the decoder's unit rows, as they are. */
	out->arch = PS_SAE_TOPK;
	out->k = t->sae.k;
	out->apply_b_dec_to_input = true;
	out->rescale_by_decoder_norm = false;
	memcpy(out->enc, t->sae.enc, f * d * sizeof(float));
	memcpy(out->dec, t->sae.dec, f * d * sizeof(float));
	for (size_t j = 0; j < f; j++)
		out->b_enc[j] = t->sae.b_enc[j] / scale;
	for (size_t i = 0; i < d; i++)
		out->b_dec[i] = t->sae.b_dec[i] / scale;
}

size_t ps_trainer_state(ps_trainer *t, ps_state_part *parts, size_t max_parts)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in;
	const size_t matrix = f * d * sizeof(float), bias = f * sizeof(float), output = d * sizeof(float);
	const ps_state_part all[STATE_PARTS] = {
		{"enc", t->sae.enc, matrix, PS_F32}, {"dec", t->sae.dec, matrix, PS_F32},
		{"b_enc", t->sae.b_enc, bias, PS_F32}, {"b_dec", t->sae.b_dec, output, PS_F32},
		{"enc_m", t->enc.m, matrix, PS_F32}, {"enc_v", t->enc.v, matrix, PS_F32},
		{"dec_m", t->dec.m, matrix, PS_F32}, {"dec_v", t->dec.v, matrix, PS_F32},
		{"b_enc_m", t->b_enc.m, bias, PS_F32}, {"b_enc_v", t->b_enc.v, bias, PS_F32},
		{"b_dec_m", t->b_dec.m, output, PS_F32}, {"b_dec_v", t->b_dec.v, output, PS_F32},
		{"scale", t->scale, sizeof(float), PS_F32},
		{"since_fired", t->since_fired, f * sizeof(uint64_t), PS_I64},
		{"step", t->step, sizeof(uint64_t), PS_I64},
	};

	for (size_t i = 0; i < STATE_PARTS && i < max_parts; i++)
		parts[i] = all[i];
	return STATE_PARTS;
}

static bool all_finite(const float *x, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

int ps_trainer_resume(ps_trainer *t)
{
	ps_state_part parts[STATE_PARTS];

	ps_trainer_state(t, parts, STATE_PARTS);
	for (int i = 0; i < STATE_PARTS; i++)
		if (parts[i].dtype == PS_F32 && !all_finite(parts[i].data, parts[i].bytes / sizeof(float)))
			return ps_fail(t->context->diag, PS_EINPUT, "the saved training state's '%s' holds values that are not finite",
				       parts[i].name);
	if (*t->step > t->steps)
		return ps_fail(t->context->diag, PS_EINPUT, "the saved training state is at step %llu of %llu",
			       (unsigned long long)*t->step, (unsigned long long)t->steps);
	if (!(*t->scale > 0))
		return ps_fail(t->context->diag, PS_EINPUT, "the saved training state's input scale is not positive");
	return 0;
}
