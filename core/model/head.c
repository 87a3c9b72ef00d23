#include "core/model/head.h"

#include <math.h>

#include "core/base/checked.h"
#include "core/base/clones.h"
#include "core/model/ops.h"

/* Vocabulary rows at a time. Part of the result's bits: it fixes the order of the sums. */
#define BLOCK_ROWS 2048
#define ROW_BLOCK 8 /* tokens of one item in row-wise loops */
#define LANES 16

/* What is known of the logits z of one row after some blocks. */
struct running {
	double max;    /* m = max z */
	double sum;    /* sum e^(z - m) */
	double gap;    /* sum e^(z - m) (z - z'), z' from the other row; 0 without one */
	double target; /* z of the target */
};

struct ps_head {
	const ps_model_config *config;
	const ps_weight_source *source;
	const ps_context *context;
	ps_matmul *matmul;
	size_t max_tokens;
	float *gain;             /* (D) of the final norm */
	float *normed;           /* (max_tokens, D) */
	float *logits;           /* (max_tokens, BLOCK_ROWS) */
	float *scratch;          /* (threads, BLOCK_ROWS) */
	struct running *running; /* (max_tokens) */
};

/* One batch of rows going through the blocks of the vocabulary. */
struct batch {
	ps_head *head;
	const float *hidden; /* (rows, D): what is normed */
	float *normed;       /* (rows, D): the result of the norm */
	size_t rows;
	const int32_t *targets; /* (tokens) */
	size_t tokens; /* rows, or rows / 2 in a comparison: clean rows, then the other ones */
	size_t first, count; /* the block: vocabulary rows [first, first + count) */
	float *logits;
	size_t stride;
	size_t rows_before,
		rows_all; /* of the call: in earlier batches, in all; for the progress */
};

/* Room for at least a clean row and its other one. */
static size_t capacity(size_t max_tokens)
{
	return ps_max_size(max_tokens, 2);
}

static size_t block_rows(const ps_model_config *config)
{
	return ps_min_size(BLOCK_ROWS, config->vocab);
}

/* The one list of the head's parts, the matrix product's apart; home: where head itself will
 * live. */
static size_t lay_out(ps_head *head, ps_head **home, int threads, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};
	const size_t rows = head->max_tokens, width = head->config->width;

	*home = ps_layout_part(&layout, 1, sizeof **home);
	head->gain = ps_layout_part(&layout, width, sizeof(float));
	head->normed = ps_layout_part(&layout, rows * width, sizeof(float));
	head->logits = ps_layout_part(&layout, rows * block_rows(head->config), sizeof(float));
	head->scratch = ps_layout_part(&layout, (size_t)threads * BLOCK_ROWS, sizeof(float));
	head->running = ps_layout_part(&layout, rows, sizeof(struct running));
	return layout.bytes;
}

size_t ps_head_bytes(const ps_model_config *config, ps_precision precision, int threads,
		     size_t max_tokens)
{
	ps_head head = {.config = config, .max_tokens = capacity(max_tokens)}, *home;

	return lay_out(&head, &home, threads, NULL) +
	       ps_matmul_bytes(precision, threads, head.max_tokens, config->width);
}

int ps_head_create(ps_head **out, const ps_model_config *config, const ps_weight_source *source,
		   const ps_context *context, ps_precision precision, size_t max_tokens,
		   ps_arena *arena)
{
	ps_head head = {.config = config,
			.source = source,
			.context = context,
			.max_tokens = capacity(max_tokens)};

	lay_out(&head, out, ps_pool_threads(context->pool), arena);
	head.matmul =
		ps_matmul_create(precision, context->pool, head.max_tokens, config->width, arena);
	**out = head;
	return source->final_norm(source->self, head.gain, context->diag);
}

static void run_rows(struct batch *batch, size_t rows, ps_pool_fn fn)
{
	ps_pool_run(batch->head->context->pool, ps_div_up(rows, ROW_BLOCK), fn, batch);
}

static void norm_rows(void *context, size_t item, int worker)
{
	const struct batch *batch = context;
	const ps_model_config *config = batch->head->config;
	const size_t last = ps_min_size(batch->rows, (item + 1) * ROW_BLOCK), width = config->width;

	(void)worker;
	for (size_t row = item * ROW_BLOCK; row < last; row++)
		ps_rms_norm(batch->hidden + row * width, batch->head->gain, width, config->norm_eps,
			    config->family != PS_FAMILY_LLAMA, batch->normed + row * width);
}

/* Norms `rows` rows of hidden into rows [first, first + rows) of the workspace. */
static void norm_into(ps_head *head, const float *hidden, size_t first, size_t rows)
{
	struct batch batch = {.head = head,
			      .hidden = hidden,
			      .normed = head->normed + first * head->config->width,
			      .rows = rows};

	run_rows(&batch, rows, norm_rows);
}

static void cap_rows(void *context, size_t item, int worker)
{
	const struct batch *batch = context;
	const size_t last = ps_min_size(batch->rows, (item + 1) * ROW_BLOCK);

	(void)worker;
	for (size_t row = item * ROW_BLOCK; row < last; row++)
		ps_softcap(batch->logits + row * batch->stride, batch->count,
			   batch->head->config->logit_softcap);
}

/* Computes the capped logits of one block of the vocabulary for all rows. */
static int compute_block(struct batch *batch)
{
	const ps_head *head = batch->head;
	const ps_weight_source *source = head->source;
	ps_weight w;
	int rc = ps_progress_check(head->context);

	if (!rc)
		rc = source->head_rows(source->self, batch->first, batch->count, &w,
				       head->context->diag);
	if (rc)
		return rc;
	if (!ps_matmul_run(head->matmul, head->normed, head->config->width, batch->rows, &w,
			   batch->logits, batch->stride))
		rc = ps_weight_check_finite(&w, head->context->diag);
	if (rc)
		return rc;
	if (head->config->logit_softcap > 0)
		run_rows(batch, batch->rows, cap_rows);
	return 0;
}

PS_CLONES static void subtract(const float *z, size_t n, float max, float *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = z[i] - max;
}

PS_CLONES static double sum_of(const float *e, size_t n)
{
	double lane[LANES] = {0}, sum = 0;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			lane[l] += (double)e[i + l];
	for (size_t l = 0; i < n; i++, l++)
		lane[l] += (double)e[i];
	for (size_t l = 0; l < LANES; l++)
		sum += lane[l];
	return sum;
}

PS_CLONES static double sum_of_gaps(const float *e, const float *z, const float *other, size_t n)
{
	double lane[LANES] = {0}, sum = 0;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			lane[l] += (double)e[i + l] * ((double)z[i + l] - (double)other[i + l]);
	for (size_t l = 0; i < n; i++, l++)
		lane[l] += (double)e[i] * ((double)z[i] - (double)other[i]);
	for (size_t l = 0; l < LANES; l++)
		sum += lane[l];
	return sum;
}

/* Adds a block of n logits. other: the same block of the other row, or NULL. */
static void absorb(struct running *running, const float *z, const float *other, size_t n,
		   float *scratch)
{
	const double max = (double)ps_max(z, n);

	if (max > running->max) {
		const double shrink = exp(running->max - max);

		running->sum *= shrink;
		running->gap *= shrink;
		running->max = max;
	}
	subtract(z, n, (float)running->max, scratch);
	ps_exp(scratch, n, scratch);
	running->sum += sum_of(scratch, n);
	if (other)
		running->gap += sum_of_gaps(scratch, z, other, n);
}

static void absorb_rows(void *context, size_t item, int worker)
{
	const struct batch *batch = context;
	ps_head *head = batch->head;
	const size_t last = ps_min_size(batch->rows, (item + 1) * ROW_BLOCK);
	const bool compared = batch->rows > batch->tokens;

	for (size_t row = item * ROW_BLOCK; row < last; row++) {
		const float *z = batch->logits + row * batch->stride;
		const float *other =
			compared && row < batch->tokens ? z + batch->tokens * batch->stride : NULL;
		const size_t target = (size_t)batch->targets[row % batch->tokens];

		if (target - batch->first < batch->count)
			head->running[row].target = (double)z[target - batch->first];
		absorb(&head->running[row], z, other, batch->count,
		       head->scratch + (size_t)worker * BLOCK_ROWS);
	}
}

/* The call's rows, in proportion to the share of the vocabulary that the batch has seen. */
static void tick(const struct batch *batch)
{
	const ps_model_config *config = batch->head->config;

	ps_progress_tick(batch->head->context, "output head", "rows",
			 batch->rows_before + batch->rows *
						      (uint64_t)(batch->first + batch->count) /
						      config->vocab,
			 batch->rows_all);
}

/* Takes the normed rows of the workspace through the whole vocabulary. */
static int run_blocks(struct batch *batch)
{
	ps_head *head = batch->head;
	const size_t vocab = head->config->vocab;
	int rc = 0;

	batch->logits = head->logits;
	batch->stride = block_rows(head->config);
	for (size_t row = 0; row < batch->rows; row++)
		head->running[row] = (struct running){.max = -INFINITY};
	for (; !rc && batch->first < vocab; batch->first += BLOCK_ROWS) {
		batch->count = ps_min_size(BLOCK_ROWS, vocab - batch->first);
		rc = compute_block(batch);
		if (!rc) {
			run_rows(batch, batch->rows, absorb_rows);
			tick(batch);
		}
	}
	return rc;
}

static int check_targets(const ps_head *head, const int32_t *targets, size_t tokens)
{
	for (size_t t = 0; t < tokens; t++)
		if (targets[t] < 0 || (size_t)targets[t] >= head->config->vocab)
			return ps_fail(head->context->diag, PS_EINPUT,
				       "target %zu: token id %d is outside the vocabulary of %zu",
				       t, (int)targets[t], head->config->vocab);
	return 0;
}

static double log_sum(const struct running *r)
{
	return r->max + log(r->sum);
}

int ps_head_nll(ps_head *head, const float *hidden, const int32_t *targets, size_t tokens,
		double *nll)
{
	int rc = check_targets(head, targets, tokens);

	for (size_t first = 0; !rc && first < tokens; first += head->max_tokens) {
		struct batch batch = {.head = head,
				      .targets = targets + first,
				      .rows_before = first,
				      .rows_all = tokens};

		batch.tokens = batch.rows = ps_min_size(head->max_tokens, tokens - first);
		norm_into(head, hidden + first * head->config->width, 0, batch.tokens);
		rc = run_blocks(&batch);
		for (size_t t = 0; !rc && t < batch.tokens; t++)
			nll[first + t] = log_sum(&head->running[t]) - head->running[t].target;
	}
	return rc;
}

/* kl = sum p (z - z') - (log sum e^z - log sum e^z'), with p = e^(z - m) / sum. */
static void compare(const struct running *clean, const struct running *other, size_t first,
		    size_t tokens, const ps_head_comparison *out)
{
	for (size_t t = 0; t < tokens; t++) {
		const double clean_sum = log_sum(&clean[t]), other_sum = log_sum(&other[t]);

		if (out->nll_clean)
			out->nll_clean[first + t] = clean_sum - clean[t].target;
		if (out->nll_other)
			out->nll_other[first + t] = other_sum - other[t].target;
		out->kl[first + t] = clean[t].gap / clean[t].sum - (clean_sum - other_sum);
	}
}

int ps_head_kl(ps_head *head, const float *clean, const float *other, const int32_t *targets,
	       size_t tokens, const ps_head_comparison *out)
{
	const size_t most = head->max_tokens / 2, width = head->config->width;
	int rc = check_targets(head, targets, tokens);

	for (size_t first = 0; !rc && first < tokens; first += most) {
		struct batch batch = {.head = head,
				      .targets = targets + first,
				      .tokens = ps_min_size(most, tokens - first),
				      .rows_before = 2 * first,
				      .rows_all = 2 * tokens};

		batch.rows = 2 * batch.tokens;
		norm_into(head, clean + first * width, 0, batch.tokens);
		norm_into(head, other + first * width, batch.tokens, batch.tokens);
		rc = run_blocks(&batch);
		if (!rc)
			compare(head->running, head->running + batch.tokens, first, batch.tokens,
				out);
	}
	return rc;
}

int ps_head_logits(ps_head *head, const float *hidden, size_t tokens, float *logits)
{
	const size_t vocab = head->config->vocab;
	int rc = 0;

	for (size_t first = 0; !rc && first < tokens; first += head->max_tokens) {
		struct batch batch = {.head = head,
				      .rows = ps_min_size(head->max_tokens, tokens - first),
				      .rows_before = first,
				      .rows_all = tokens,
				      .stride = vocab};

		norm_into(head, hidden + first * head->config->width, 0, batch.rows);
		for (; !rc && batch.first < vocab; batch.first += BLOCK_ROWS) {
			batch.count = ps_min_size(BLOCK_ROWS, vocab - batch.first);
			batch.logits = logits + first * vocab + batch.first;
			rc = compute_block(&batch);
			if (!rc)
				tick(&batch);
		}
	}
	return rc;
}
