/* The forward pass against transformers (eager, float32) on tiny models of every family. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/model/forward.h"
#include "core/model/head.h"
#include "test/support/support_close.h"
#include "test/support/support_memory_weights.h"

#define FOLDER "test/fixtures/forward/"
#define BF16_TOLERANCE 2e-2 /* of the largest value: bf16 keeps 8 bits of the operands */
#define INT16_TOLERANCE 1e-3
/* Of the largest value; the contract allows 2e-4 of the largest logit. */
#define HIDDEN_TOLERANCE 4e-6
#define LOSS_TOLERANCE 1e-5

static const char *const models[] = {"llama", "llama3", "llama_heads", "gemma2", "gemma3"};

#define MODELS (sizeof models / sizeof *models)

/* A model, its golden windows and everything a pass needs. */
struct bench {
	ps_memory_weights weights;
	ps_weight_source source;
	ps_diag diag;
	ps_pool *pool;
	ps_context context;
	ps_arena arena;
	ps_forward *forward;
	ps_head *head;
	size_t start[16];
	ps_windows windows;
	size_t rows, width, vocab;
	float *hidden; /* (rows, D) */
};

static void bench_open_as(struct bench *b, ps_precision precision, const char *model, int threads,
			  size_t max_window, size_t chunk)
{
	const ps_forward_options options = {precision, PS_F32, max_window, chunk};
	char config[128], tensors[128];
	const int32_t *starts;
	size_t count;

	*b = (struct bench){0};
	snprintf(config, sizeof config, FOLDER "%s.json", model);
	snprintf(tensors, sizeof tensors, FOLDER "%s.safetensors", model);
	assert_true(ps_memory_weights_open(&b->weights, config, tensors));
	b->source = ps_memory_weights_source(&b->weights);
	starts = ps_memory_weights_data(&b->weights, "golden.start", &count);
	for (size_t w = 0; w < count; w++)
		b->start[w] = (size_t)starts[w];
	b->windows =
		(ps_windows){.ids = ps_memory_weights_data(&b->weights, "golden.tokens", &b->rows),
			     .start = b->start,
			     .count = count - 1};
	b->width = b->weights.config.width;
	b->vocab = b->weights.config.vocab;
	b->hidden = calloc(b->rows * b->width, sizeof *b->hidden);
	assert_non_null(b->hidden);
	assert_int_equal(ps_pool_create(&b->pool, threads, &b->diag), 0);
	b->context = (ps_context){.pool = b->pool, .diag = &b->diag};
	assert_int_equal(ps_arena_create(&b->arena,
					 ps_forward_bytes(&b->weights.config, threads, &options) +
						 ps_head_bytes(&b->weights.config, precision,
							       threads, chunk),
					 &b->diag),
			 0);
	b->forward =
		ps_forward_create(&b->weights.config, &b->source, &b->context, &options, &b->arena);
	assert_int_equal(ps_head_create(&b->head, &b->weights.config, &b->source, &b->context,
					precision, chunk, &b->arena),
			 0);
}

static void bench_open(struct bench *b, const char *model, int threads, size_t max_window,
		       size_t chunk)
{
	bench_open_as(b, PS_PRECISION_F32, model, threads, max_window, chunk);
}

static void bench_close(struct bench *b)
{
	assert_int_equal(b->weights.acquired, 0);
	assert_string_equal(b->diag.text, "");
	ps_arena_destroy(&b->arena);
	ps_pool_destroy(b->pool);
	free(b->hidden);
	ps_memory_weights_close(&b->weights);
}

/* The errors of n values against the golden tensor of that name. */
static closeness against_golden(const struct bench *b, const float *got, const char *golden,
				size_t n)
{
	closeness c = {0};

	closeness_add_floats(&c, got, ps_memory_weights_data(&b->weights, golden, NULL), n);
	return c;
}

static int last_layer(const struct bench *b)
{
	return (int)b->weights.config.layers - 1;
}

static void compare_layer(const struct bench *b, int layer)
{
	char name[32];
	closeness c;

	snprintf(name, sizeof name, "golden.hidden.%d", layer);
	c = against_golden(b, b->hidden, name, b->rows * b->width);
	assert_closeness_share(&c, name, HIDDEN_TOLERANCE);
}

static void every_layer_equals_transformers(void **state)
{
	(void)state;
	for (size_t m = 0; m < MODELS; m++) {
		struct bench b;

		bench_open(&b, models[m], 2, 24, 32);
		print_message("%s, as a share of the largest value:\n", models[m]);
		assert_int_equal(ps_forward_embed(b.forward, &b.windows, b.hidden), 0);
		for (int layer = 0; layer <= last_layer(&b); layer++) {
			assert_int_equal(ps_forward_layers(b.forward, layer, layer, -1, &b.windows,
							   b.hidden),
					 0);
			compare_layer(&b, layer);
		}
		bench_close(&b);
	}
}

/* Expects that each row's loss, in nats, agrees with the golden tensor of that name. */
static void check_loss(const struct bench *b, const double *got, const char *golden,
		       double tolerance)
{
	const float *want = ps_memory_weights_data(&b->weights, golden, NULL);
	closeness c = {0};

	for (size_t i = 0; i < b->rows; i++)
		closeness_add(&c, got[i], (double)want[i], 1);
	assert_closeness(&c, golden, tolerance);
}

static void check_losses(struct bench *b, const float *logits)
{
	const float *other;
	const int32_t *targets = ps_memory_weights_data(&b->weights, "golden.targets", NULL);
	double nll[64], clean[64], spliced[64], kl[64];
	char name[32];
	closeness c;

	snprintf(name, sizeof name, "golden.hidden.%d", last_layer(b) - 1);
	other = ps_memory_weights_data(&b->weights, name, NULL);
	assert_true(b->rows <= 64);
	assert_int_equal(ps_head_nll(b->head, b->hidden, targets, b->rows, nll), 0);
	assert_int_equal(ps_head_kl(b->head, b->hidden, other, targets, b->rows,
				    &(ps_head_comparison){clean, spliced, kl}),
			 0);
	assert_memory_equal(nll, clean, b->rows * sizeof *nll);
	c = against_golden(b, logits, "golden.logits", b->rows * b->vocab);
	assert_closeness_share(&c, "golden.logits", HIDDEN_TOLERANCE);
	check_loss(b, nll, "golden.nll", LOSS_TOLERANCE);
	check_loss(b, spliced, "golden.nll_other", LOSS_TOLERANCE);
	check_loss(b, kl, "golden.kl", LOSS_TOLERANCE);
}

static void logits_and_losses_equal_transformers(void **state)
{
	(void)state;
	for (size_t m = 0; m < MODELS; m++) {
		struct bench b;
		float *logits;

		bench_open(&b, models[m], 2, 24, 32);
		print_message("%s:\n", models[m]);
		assert_int_equal(ps_forward_embed(b.forward, &b.windows, b.hidden), 0);
		assert_int_equal(
			ps_forward_layers(b.forward, 0, last_layer(&b), -1, &b.windows, b.hidden),
			0);
		logits = calloc(b.rows * b.vocab, sizeof *logits);
		assert_non_null(logits);
		assert_int_equal(ps_head_logits(b.head, b.hidden, b.rows, logits), 0);
		check_losses(&b, logits);
		free(logits);
		bench_close(&b);
	}
}

/* Computes the golden windows in the given order: final hidden states and losses. */
static void run_all(struct bench *b, double *nll)
{
	assert_int_equal(ps_forward_embed(b->forward, &b->windows, b->hidden), 0);
	assert_int_equal(
		ps_forward_layers(b->forward, 0, last_layer(b), -1, &b->windows, b->hidden), 0);
	assert_int_equal(ps_head_nll(b->head, b->hidden,
				     ps_memory_weights_data(&b->weights, "golden.targets", NULL),
				     b->rows, nll),
			 0);
}

static void check_ways(ps_precision precision)
{
	static const struct {
		int threads;
		size_t max_window, chunk;
	} ways[] = {{1, 24, 24}, {2, 24, 24}, {3, 24, 33}, {1, 64, 1000}, {4, 30, 51}};

	for (size_t m = 0; m < MODELS; m++) {
		struct bench first, b;
		double nll_first[64], nll[64];

		bench_open_as(&first, precision, models[m], 1, 24, 24);
		run_all(&first, nll_first);
		for (size_t i = 1; i < sizeof ways / sizeof *ways; i++) {
			bench_open_as(&b, precision, models[m], ways[i].threads, ways[i].max_window,
				      ways[i].chunk);
			run_all(&b, nll);
			assert_memory_equal(b.hidden, first.hidden,
					    b.rows * b.width * sizeof(float));
			assert_memory_equal(nll, nll_first, b.rows * sizeof *nll);
			bench_close(&b);
		}
		bench_close(&first);
	}
}

static void same_bits_whatever_threads_and_chunk(void **state)
{
	(void)state;
	for (int p = 0; p < PS_PRECISIONS; p++)
		check_ways((ps_precision)p);
}

/* bf16 and int16 round the operands of products. The result is near transformers' float32, and not
 * equal to it. */
static void check_near(ps_precision precision, double tolerance, double least)
{
	for (size_t m = 0; m < MODELS; m++) {
		struct bench b;
		double nll[64];
		char name[32];
		closeness c;

		bench_open_as(&b, precision, models[m], 2, 24, 32);
		run_all(&b, nll);
		snprintf(name, sizeof name, "golden.hidden.%d", last_layer(&b));
		c = against_golden(&b, b.hidden, name, b.rows * b.width);
		assert_closeness_share(&c, models[m], tolerance);
		assert_true(closeness_share(&c) > least);
		check_loss(&b, nll, "golden.nll", 6 * tolerance);
		bench_close(&b);
	}
}

static void bf16_stays_near_transformers_float32(void **state)
{
	(void)state;
	check_near(PS_PRECISION_BF16, BF16_TOLERANCE, 1e-5);
}

static void int16_stays_far_nearer(void **state)
{
	(void)state;
	check_near(PS_PRECISION_INT16, INT16_TOLERANCE, 1e-6);
}

/* The products of int16 are the same with every kernel (test_int16 has the others). Attention's are
 * f32: no kernel for them has one of these names, so it is the same one each time. */
static void int16_gives_the_same_bits_with_every_kernel(void **state)
{
	static const char *const wishes[] = {"avx_vnni", "avx512bw"};

	(void)state;
	for (size_t i = 0; i < MODELS * 2; i++) {
		const char *model = models[i / 2];
		struct bench first, b;
		double nll_first[64], nll[64];

		bench_open_as(&first, PS_PRECISION_INT16, model, 2, 24, 32);
		run_all(&first, nll_first);
		setenv("PRUNESCOPE_MATMUL", wishes[i % 2], 1);
		bench_open_as(&b, PS_PRECISION_INT16, model, 2, 24, 32);
		run_all(&b, nll);
		unsetenv("PRUNESCOPE_MATMUL");
		assert_memory_equal(b.hidden, first.hidden, b.rows * b.width * sizeof(float));
		assert_memory_equal(nll, nll_first, b.rows * sizeof *nll);
		bench_close(&b);
		bench_close(&first);
	}
}

/* The last layer leaves out rows that nobody wants. The others keep their bits and move
 * together. */
static void wanted_rows_have_the_bits_of_a_whole_layer(void **state)
{
	(void)state;
	for (size_t m = 0; m < MODELS; m++)
		for (size_t skip = 0; skip <= 60; skip = 2 * skip + 1)
			for (int p = 0; p < PS_PRECISIONS; p++) {
				struct bench all, some;
				size_t wanted[64], kept = 0;
				double nll[64];

				bench_open_as(&all, (ps_precision)p, models[m], 2, 24, 32);
				bench_open_as(&some, (ps_precision)p, models[m], 1, 24, 24);
				run_all(&all, nll);
				for (size_t w = 0; w < all.windows.count; w++)
					wanted[w] = w % 3 == 1 ? 0 : skip;
				some.windows.wanted = wanted;
				assert_int_equal(
					ps_forward_embed(some.forward, &some.windows, some.hidden),
					0);
				assert_int_equal(ps_forward_layers(some.forward, 0,
								   last_layer(&some), -1,
								   &some.windows, some.hidden),
						 0);
				for (size_t w = 0; w < all.windows.count; w++)
					for (size_t t = wanted[w];
					     t < all.start[w + 1] - all.start[w]; t++)
						assert_memory_equal(
							some.hidden + kept++ * all.width,
							all.hidden + (all.start[w] + t) * all.width,
							all.width * sizeof(float));
				bench_close(&all);
				bench_close(&some);
			}
}

static void same_bits_for_a_window_alone(void **state)
{
	(void)state;
	for (size_t m = 0; m < MODELS; m++) {
		struct bench b;
		double nll[64];
		float *alone;

		bench_open(&b, models[m], 2, 24, 64);
		run_all(&b, nll);
		alone = calloc(b.rows * b.width, sizeof *alone);
		assert_non_null(alone);
		for (size_t w = 0; w < b.windows.count; w++) {
			const size_t rows = b.start[w + 1] - b.start[w], start[2] = {0, rows};
			const ps_windows window = {
				.ids = b.windows.ids + b.start[w], .start = start, .count = 1};

			assert_int_equal(ps_forward_embed(b.forward, &window, alone), 0);
			assert_int_equal(
				ps_forward_layers(b.forward, 0, last_layer(&b), -1, &window, alone),
				0);
			assert_memory_equal(alone, b.hidden + b.start[w] * b.width,
					    rows * b.width * sizeof *alone);
		}
		free(alone);
		bench_close(&b);
	}
}

/* What an observer saw, to compare between runs. */
struct observed {
	size_t rows[PS_INPUTS], cols[PS_INPUTS];
	float *x[PS_INPUTS]; /* (51, cols) */
};

static int observe(void *context, ps_input input, const float *x, size_t rows, size_t cols)
{
	struct observed *o = context;

	if (!o->x[input])
		o->x[input] = calloc(64 * cols, sizeof(float));
	assert_non_null(o->x[input]);
	assert_true(o->rows[input] + rows <= 64);
	memcpy(o->x[input] + o->rows[input] * cols, x, rows * cols * sizeof *x);
	o->rows[input] += rows;
	o->cols[input] = cols;
	return 0;
}

static void observed_free(struct observed *o)
{
	for (int i = 0; i < PS_INPUTS; i++)
		free(o->x[i]);
}

static void run_observed(struct bench *b, int layer, float *out, struct observed *o)
{
	ps_layer_weights weights;

	assert_int_equal(b->source.acquire_layer(b->source.self, layer, -1, &weights, NULL), 0);
	assert_int_equal(ps_forward_layer(b->forward, layer, &weights, &b->windows, b->hidden, out,
					  o ? &(ps_observer){observe, o} : NULL),
			 0);
	b->source.release_layer(b->source.self, layer);
}

static void observers_see_every_row_in_order(void **state)
{
	(void)state;
	for (size_t m = 0; m < MODELS; m++) {
		struct observed calibrating = {0}, computing = {0};
		struct bench b;
		float *plain;

		bench_open(&b, models[m], 2, 24, 26);
		plain = calloc(b.rows * b.width, sizeof *plain);
		assert_non_null(plain);
		assert_int_equal(ps_forward_embed(b.forward, &b.windows, b.hidden), 0);
		run_observed(&b, 0, NULL, &calibrating);
		run_observed(&b, 0, plain, NULL);
		run_observed(&b, 0, b.hidden, &computing);
		assert_memory_equal(plain, b.hidden, b.rows * b.width * sizeof *plain);
		for (int p = 0; p < PS_PROJECTIONS; p++) {
			ps_input input = ps_input_of((ps_projection)p);
			size_t rows, cols;

			ps_projection_shape(&b.weights.config, (ps_projection)p, &rows, &cols);
			assert_int_equal(computing.cols[input], cols);
			assert_int_equal(computing.rows[input], b.rows);
			assert_int_equal(calibrating.rows[input], b.rows);
			assert_memory_equal(computing.x[input], calibrating.x[input],
					    b.rows * cols * sizeof(float));
		}
		observed_free(&calibrating);
		observed_free(&computing);
		free(plain);
		bench_close(&b);
	}
}

/* The observed inputs are those of the products: in Llama, a layer adds down's input times its
 * matrix. */
static void the_last_input_explains_the_layer(void **state)
{
	struct observed o = {0};
	struct bench b;
	ps_weight down, o_proj;
	closeness c = {0};

	(void)state;
	bench_open(&b, "llama", 1, 24, 64);
	assert_int_equal(ps_forward_embed(b.forward, &b.windows, b.hidden), 0);
	run_observed(&b, 0, NULL, &o);
	assert_true(
		ps_memory_weights_find(&b.weights, "model.layers.0.mlp.down_proj.weight", &down));
	assert_true(ps_memory_weights_find(&b.weights, "model.layers.0.self_attn.o_proj.weight",
					   &o_proj));
	for (size_t t = 0; t < b.rows; t++)
		for (size_t d = 0; d < b.width; d++) {
			const float *golden =
				ps_memory_weights_data(&b.weights, "golden.hidden.0", NULL);
			double sum = (double)b.hidden[t * b.width + d];

			for (size_t i = 0; i < down.cols; i++)
				sum += (double)o.x[PS_INPUT_DOWN][t * down.cols + i] *
				       (double)((const float *)down.data)[d * down.cols + i];
			for (size_t i = 0; i < o_proj.cols; i++)
				sum += (double)o.x[PS_INPUT_O][t * o_proj.cols + i] *
				       (double)((const float *)o_proj.data)[d * o_proj.cols + i];
			closeness_add(&c, sum, (double)golden[t * b.width + d], 1);
		}
	assert_closeness(&c, "the layer from its inputs", 4e-6);
	observed_free(&o);
	bench_close(&b);
}

/* Sets the weights that the bitmaps drop to 0, in every layer. */
static void zero_dropped(struct bench *b, uint8_t *const keep[PS_PROJECTIONS])
{
	for (int layer = 0; layer <= last_layer(b); layer++)
		for (int p = 0; p < PS_PROJECTIONS; p++) {
			char name[96];
			ps_weight w;
			float *values;

			assert_true(ps_memory_weights_find(
				&b->weights, ps_projection_tensor(layer, (ps_projection)p, name),
				&w));
			assert_int_equal(w.dtype, PS_F32);
			values =
				(float *)(b->weights.map + ((const char *)w.data - b->weights.map));
			for (size_t r = 0; r < w.rows; r++)
				ps_bitmap_apply(keep[p] + r * ps_bitmap_row_bytes(w.cols), 0,
						w.cols, values + r * w.cols);
		}
}

static void masked_weights_compute_as_zeroed_ones(void **state)
{
	uint8_t *keep[PS_PROJECTIONS];
	struct bench masked, zeroed;
	double nll[2][64];
	closeness unmasked;

	(void)state;
	bench_open(&masked, "llama", 2, 24, 26);
	bench_open(&zeroed, "llama", 2, 24, 26);
	for (int p = 0; p < PS_PROJECTIONS; p++) {
		ps_rng rng = ps_rng_make(5, (uint64_t)p);
		size_t rows, cols;

		ps_projection_shape(&masked.weights.config, (ps_projection)p, &rows, &cols);
		keep[p] = malloc(rows * ps_bitmap_row_bytes(cols));
		assert_non_null(keep[p]);
		ps_bitmap_fill(keep[p], rows, cols);
		for (size_t i = 0; i < rows * cols; i++)
			if (ps_rng_uniform(&rng) < 0.4)
				ps_bitmap_drop(keep[p] + i / cols * ps_bitmap_row_bytes(cols),
					       i % cols);
		masked.weights.keep[p] = keep[p];
	}
	zero_dropped(&zeroed, keep);
	run_all(&masked, nll[0]);
	run_all(&zeroed, nll[1]);
	assert_memory_equal(masked.hidden, zeroed.hidden,
			    masked.rows * masked.width * sizeof(float));
	assert_memory_equal(nll[0], nll[1], masked.rows * sizeof(double));
	unmasked = against_golden(&masked, masked.hidden, "golden.hidden.1",
				  masked.rows * masked.width);
	assert_true(isfinite(closeness_share(&unmasked)) && closeness_share(&unmasked) > 0.01);
	for (int p = 0; p < PS_PROJECTIONS; p++)
		free(keep[p]);
	bench_close(&masked);
	bench_close(&zeroed);
}

static int fail_at_down(void *context, ps_input input, const float *x, size_t rows, size_t cols)
{
	(void)context, (void)x, (void)rows, (void)cols;
	return input == PS_INPUT_DOWN ? -17 : 0;
}

static void errors_of_an_observer_come_back(void **state)
{
	struct bench b;
	ps_layer_weights weights;

	(void)state;
	bench_open(&b, "gemma3", 2, 24, 26);
	assert_int_equal(ps_forward_embed(b.forward, &b.windows, b.hidden), 0);
	assert_int_equal(b.source.acquire_layer(b.source.self, 0, -1, &weights, NULL), 0);
	assert_int_equal(ps_forward_layer(b.forward, 0, &weights, &b.windows, b.hidden, b.hidden,
					  &(ps_observer){.see = fail_at_down}),
			 -17);
	b.source.release_layer(b.source.self, 0);
	bench_close(&b);
}

static void a_run_of_layers_starts_from_the_states_it_is_given(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, "gemma2", 2, 24, 26);
	memcpy(b.hidden, ps_memory_weights_data(&b.weights, "golden.hidden.1", NULL),
	       b.rows * b.width * sizeof *b.hidden);
	assert_int_equal(ps_forward_layers(b.forward, 2, 3, -1, &b.windows, b.hidden), 0);
	compare_layer(&b, 3);
	bench_close(&b);
}

static void ids_outside_the_vocabulary_are_named(void **state)
{
	static const int32_t bad[] = {150, -1, INT32_MIN, INT32_MAX};
	const size_t start[] = {0, 2, 5};
	struct bench b;

	(void)state;
	bench_open(&b, "gemma2", 1, 24, 24);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const int32_t ids[5] = {1, 2, 3, bad[i], 5};
		const ps_windows windows = {.ids = ids, .start = start, .count = 2};
		char expected[64];

		assert_int_equal(ps_forward_embed(b.forward, &windows, b.hidden), PS_EINPUT);
		snprintf(expected, sizeof expected, "window 1, position 1: token id %d",
			 (int)bad[i]);
		assert_non_null(strstr(b.diag.text, expected));
		b.diag.text[0] = 0;
	}
	assert_int_equal(ps_head_nll(b.head, b.hidden, bad, 1, &(double){0}), PS_EINPUT);
	assert_non_null(strstr(b.diag.text, "token id 150"));
	b.diag.text[0] = 0;
	bench_close(&b);
}

/* Where a number of a tensor stands in the private copy. */
static char *place_of(struct bench *b, const char *name, size_t element, ps_dtype *dtype)
{
	ps_weight w;

	assert_true(ps_memory_weights_find(&b->weights, name, &w));
	*dtype = w.dtype;
	return b->weights.map + ((const char *)w.data - b->weights.map) +
	       element * ps_dtype_size(w.dtype);
}

/* f16 takes numbers that are not finite alone. */
static void replace(struct bench *b, const char *name, size_t element, float value)
{
	ps_dtype dtype;
	char *at = place_of(b, name, element, &dtype);
	const uint16_t half = dtype == PS_BF16 ? ps_f32_to_bf16(value)
			      : isnan(value)   ? 0x7e00
			      : value > 0      ? 0x7c00
					       : 0xfc00;

	memcpy(at, dtype == PS_F32 ? (const void *)&value : &half, ps_dtype_size(dtype));
}

static void refuse_weight(struct bench *b, const char *name, size_t element, float value)
{
	char saved[sizeof(float)];
	ps_dtype dtype;
	char *at = place_of(b, name, element, &dtype);

	memcpy(saved, at, ps_dtype_size(dtype));
	replace(b, name, element, value);
	assert_int_equal(ps_forward_embed(b->forward, &b->windows, b->hidden), 0);
	assert_int_equal(
		ps_forward_layers(b->forward, 0, last_layer(b), -1, &b->windows, b->hidden),
		PS_EINPUT);
	assert_non_null(strstr(b->diag.text, name));
	assert_non_null(strstr(b->diag.text, "weights must be finite"));
	assert_int_equal(b->weights.acquired, 0);
	b->diag.text[0] = 0;
	memcpy(at, saved, ps_dtype_size(dtype));
}

static void weights_that_are_not_finite_are_named(void **state)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	char name[96];
	ps_weight w;

	(void)state;
	for (size_t m = 0; m < MODELS; m++) {
		struct bench b;

		bench_open(&b, models[m], 2, 24, 32);
		for (int p = 0; p < PS_PROJECTIONS; p++) {
			ps_projection_tensor(1, (ps_projection)p, name);
			assert_true(ps_memory_weights_find(&b.weights, name, &w));
			refuse_weight(&b, name, w.rows * w.cols - 1 - (size_t)p, bad[p % 3]);
		}
		for (int n = 0; n < PS_NORMS; n++)
			if (ps_norm_tensor(b.weights.config.family, 1, (ps_norm)n, name))
				refuse_weight(&b, name, (size_t)n, bad[n % 3]);
		assert_int_equal(ps_forward_embed(b.forward, &b.windows, b.hidden), 0);
		assert_int_equal(ps_forward_layers(b.forward, 0, 1, -1, &b.windows, b.hidden), 0);
		compare_layer(&b, 1);
		replace(&b, b.weights.config.tied ? "model.embed_tokens.weight" : "lm_head.weight",
			149 * b.width + 2, NAN);
		assert_int_equal(ps_head_nll(b.head, b.hidden, b.windows.ids, 1, (double[1]){0}),
				 PS_EINPUT);
		assert_non_null(strstr(b.diag.text, "holds NaN at row 149, column 2"));
		b.diag.text[0] = 0;
		bench_close(&b);
	}
}

/* Large but finite gains before the MLP: its products overflow. */
static void hidden_states_that_overflow_are_named_or_left_to_the_caller(void **state)
{
	char name[96];
	double nll[64];

	(void)state;
	for (size_t m = 0; m < MODELS; m++) {
		struct bench b;
		const bool llama = m < 2;
		ps_dtype dtype;

		bench_open(&b, models[m], 2, 24, 32);
		ps_norm_tensor(b.weights.config.family, 1,
			       llama ? PS_NORM_POST_ATTENTION : PS_NORM_PRE_MLP, name);
		place_of(&b, name, 0, &dtype);
		if (dtype == PS_F16) { /* has no number so large */
			bench_close(&b);
			continue;
		}
		for (size_t i = 0; i < b.width; i++)
			replace(&b, name, i, 3e38f);
		b.windows.first_window = 40;
		assert_int_equal(ps_forward_embed(b.forward, &b.windows, b.hidden), 0);
		assert_int_equal(
			ps_forward_layers(b.forward, 0, last_layer(&b), -1, &b.windows, b.hidden),
			PS_EFAILED);
		assert_non_null(strstr(b.diag.text, "layer 1, window 40, position 0: "));
		b.diag.text[0] = 0;
		b.windows.overflow_allowed = true;
		assert_int_equal(ps_forward_embed(b.forward, &b.windows, b.hidden), 0);
		assert_int_equal(
			ps_forward_layers(b.forward, 0, last_layer(&b), -1, &b.windows, b.hidden),
			0);
		assert_int_equal(ps_head_nll(b.head, b.hidden, b.windows.ids, 1, nll), 0);
		assert_false(isfinite(nll[0]));
		bench_close(&b);
	}
}

static void a_window_longer_than_planned_is_refused(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, "llama", 1, 23, 100);
	assert_int_equal(ps_forward_layers(b.forward, 0, 1, -1, &b.windows, b.hidden), PS_EFAILED);
	assert_non_null(strstr(b.diag.text, "window 0"));
	b.diag.text[0] = 0;
	bench_close(&b);
}

static void empty_windows_and_empty_passes_are_nothing(void **state)
{
	const size_t none[] = {0}, gaps[] = {0, 0, 24, 24, 33, 33};
	struct bench b, plain;

	(void)state;
	bench_open(&b, "gemma3", 2, 24, 33);
	bench_open(&plain, "gemma3", 2, 24, 33);
	b.windows = (ps_windows){.ids = b.windows.ids, .start = none};
	assert_int_equal(ps_forward_embed(b.forward, &b.windows, b.hidden), 0);
	assert_int_equal(ps_forward_layers(b.forward, 0, 5, -1, &b.windows, b.hidden), 0);
	assert_int_equal(ps_head_nll(b.head, b.hidden, NULL, 0, NULL), 0);
	b.windows = (ps_windows){.ids = b.windows.ids, .start = gaps, .count = 5};
	plain.windows.count = 2;
	for (int i = 0; i < 2; i++) {
		struct bench *one = i ? &plain : &b;

		assert_int_equal(ps_forward_embed(one->forward, &one->windows, one->hidden), 0);
		assert_int_equal(
			ps_forward_layers(one->forward, 0, 5, -1, &one->windows, one->hidden), 0);
	}
	assert_memory_equal(b.hidden, plain.hidden, 33 * b.width * sizeof(float));
	bench_close(&b);
	bench_close(&plain);
}

struct watch {
	int calls, stop_after;
	uint64_t done;
};

static void note_tick(void *self, const char *what, const char *unit, uint64_t done, uint64_t total)
{
	struct watch *watch = self;

	(void)what, (void)unit;
	assert_true(done >= watch->done && done <= total);
	watch->done = done;
}

static int count_down(void *self)
{
	struct watch *watch = self;

	return ++watch->calls > watch->stop_after;
}

static void progress_advances_and_interruption_stops(void **state)
{
	struct watch watch = {.stop_after = 1000};
	const ps_progress progress = {&watch, note_tick, count_down};
	struct bench b;

	(void)state;
	bench_open(&b, "gemma3", 2, 24, 24);
	b.context.progress = &progress;
	assert_int_equal(ps_forward_layers(b.forward, 0, 5, -1, &b.windows, b.hidden), 0);
	assert_int_equal(watch.done, b.rows);
	watch = (struct watch){.stop_after = 5};
	assert_int_equal(ps_forward_layers(b.forward, 0, 5, -1, &b.windows, b.hidden),
			 PS_EINTERRUPTED);
	watch = (struct watch){.stop_after = 0};
	assert_int_equal(ps_head_nll(b.head, b.hidden, b.windows.ids, b.rows, (double[64]){0}),
			 PS_EINTERRUPTED);
	b.diag.text[0] = 0;
	bench_close(&b);
}

static void exactly_the_planned_bytes_are_taken(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, "llama", 3, 24, 24);
	for (int p = 0; p < PS_PRECISIONS; p++) {
		const ps_precision precision = (ps_precision)p;
		const ps_forward_options options = {precision, PS_F32, 24, 24};
		const size_t forward_bytes = ps_forward_bytes(&b.weights.config, 3, &options),
			     head_bytes = ps_head_bytes(&b.weights.config, precision, 3, 24);
		ps_arena arena;
		ps_head *head;

		assert_int_equal(ps_arena_create(&arena, forward_bytes + head_bytes, &b.diag), 0);
		(void)ps_forward_create(&b.weights.config, &b.source, &b.context, &options, &arena);
		assert_int_equal(arena.used_bytes, forward_bytes);
		assert_int_equal(ps_head_create(&head, &b.weights.config, &b.source, &b.context,
						precision, 24, &arena),
				 0);
		assert_int_equal(arena.used_bytes, forward_bytes + head_bytes);
		ps_arena_destroy(&arena);
	}
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_layer_equals_transformers),
		cmocka_unit_test(logits_and_losses_equal_transformers),
		cmocka_unit_test(same_bits_whatever_threads_and_chunk),
		cmocka_unit_test(bf16_stays_near_transformers_float32),
		cmocka_unit_test(int16_stays_far_nearer),
		cmocka_unit_test(int16_gives_the_same_bits_with_every_kernel),
		cmocka_unit_test(wanted_rows_have_the_bits_of_a_whole_layer),
		cmocka_unit_test(same_bits_for_a_window_alone),
		cmocka_unit_test(observers_see_every_row_in_order),
		cmocka_unit_test(the_last_input_explains_the_layer),
		cmocka_unit_test(masked_weights_compute_as_zeroed_ones),
		cmocka_unit_test(errors_of_an_observer_come_back),
		cmocka_unit_test(a_run_of_layers_starts_from_the_states_it_is_given),
		cmocka_unit_test(ids_outside_the_vocabulary_are_named),
		cmocka_unit_test(weights_that_are_not_finite_are_named),
		cmocka_unit_test(hidden_states_that_overflow_are_named_or_left_to_the_caller),
		cmocka_unit_test(a_window_longer_than_planned_is_refused),
		cmocka_unit_test(empty_windows_and_empty_passes_are_nothing),
		cmocka_unit_test(progress_advances_and_interruption_stops),
		cmocka_unit_test(exactly_the_planned_bytes_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
