#include "analysis/promoted.h"

#include <string.h>

#include "analysis/sizes.h"
#include "core/base/finite.h"

enum {
	BLOCK = 256, /* tokens whose logits are in memory */
	CHUNK = 32,  /* latents that one worker takes at a time */
};

struct search {
	const ps_promoted_input *in;
	const ps_context *context;
	ps_promoted *out;
	ps_matmul *matmul;
	float *gain;         /* (D) */
	float *row;          /* (F, D): g * dec */
	float *logits;       /* (F, BLOCK) */
	size_t first, count; /* of the block's tokens */
};

static size_t lay_out_result(ps_promoted *out, size_t latents, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	out->token = ps_layout_part(&layout, latents, sizeof *out->token);
	out->logit = ps_layout_part(&layout, latents, sizeof *out->logit);
	return layout.bytes;
}

static size_t lay_out(struct search *s, size_t latents, size_t width, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	s->gain = ps_layout_part(&layout, width, sizeof *s->gain);
	s->row = ps_layout_part(&layout, latents, width * sizeof *s->row);
	s->logits = ps_layout_part(&layout, latents, BLOCK * sizeof *s->logits);
	return layout.bytes;
}

size_t ps_promoted_bytes(const ps_model_config *config, ps_precision precision, size_t latents,
			 int threads)
{
	struct search s;
	ps_promoted out;

	return ps_bytes_sum(ps_bytes_sum(lay_out_result(&out, latents, NULL),
					 lay_out(&s, latents, config->width, NULL)),
			    ps_matmul_bytes(precision, threads, latents, config->width));
}

static int scale_rows(struct search *s)
{
	const ps_promoted_input *in = s->in;
	const size_t width = in->config->width;
	const float unit = in->config->family == PS_FAMILY_LLAMA ? 0 : 1;
	int rc = in->source->final_norm(in->source->self, s->gain, s->context->diag);

	for (size_t d = 0; d < width; d++)
		s->gain[d] += unit;
	for (size_t j = 0; j < in->latents; j++)
		for (size_t d = 0; d < width; d++)
			s->row[j * width + d] = in->dec[j * width + d] * s->gain[d];
	return rc;
}

/* The logit takes its place in a list that descends; equal ones keep the order they came in. */
static void insert(float *logit, int32_t *token, float value, int32_t id)
{
	size_t at = PS_PROMOTED_TOKENS - 1;

	for (; at > 0 && (token[at - 1] < 0 || logit[at - 1] < value); at--) {
		logit[at] = logit[at - 1];
		token[at] = token[at - 1];
	}
	logit[at] = value;
	token[at] = id;
}

/* Suppressed logits are kept with their sign turned until the end. */
static void add_latents(void *context, size_t item, int worker)
{
	const struct search *s = context;
	const size_t end = ps_min_size((item + 1) * CHUNK, s->in->latents),
		     last = PS_PROMOTED_TOKENS - 1;

	(void)worker;
	for (size_t j = item * CHUNK; j < end; j++)
		for (size_t v = 0; v < s->count; v++) {
			const float z = s->logits[j * BLOCK + v];
			const int32_t id = (int32_t)(s->first + v);

			for (int e = 0; e < PS_PROMOTED_ENDS; e++) {
				const float value = e == PS_PROMOTED ? z : -z;
				float *logit = s->out->logit[j][e];
				int32_t *token = s->out->token[j][e];

				if (token[last] < 0 || value > logit[last])
					insert(logit, token, value, id);
			}
		}
}

static int add_block(struct search *s)
{
	const ps_weight_source *source = s->in->source;
	const size_t latents = s->in->latents, width = s->in->config->width;
	ps_weight w;
	int rc = ps_progress_check(s->context);

	if (!rc)
		rc = source->head_rows(source->self, s->first, s->count, &w, s->context->diag);
	if (rc)
		return rc;
	if (!ps_matmul_run(s->matmul, s->row, width, latents, &w, s->logits, BLOCK))
		rc = ps_weight_check_finite(&w, s->context->diag);
	for (size_t j = 0; j < latents && !rc; j++)
		if (!ps_all_finite(s->logits + j * BLOCK, s->count))
			rc = ps_fail(s->context->diag, PS_EFAILED,
				     "latent %zu: its logits overflow, in tokens %zu to %zu", j,
				     s->first, s->first + s->count - 1);
	if (!rc)
		ps_pool_run(s->context->pool, ps_div_up(latents, CHUNK), add_latents, s);
	return rc;
}

int ps_promoted_find(const ps_promoted_input *input, const ps_context *context, ps_arena *arena,
		     ps_promoted *out)
{
	struct search s = {.in = input, .context = context, .out = out};
	const size_t vocab = input->config->vocab;
	size_t mark;
	int rc;

	lay_out_result(out, input->latents, arena);
	memset(out->token, -1, input->latents * sizeof *out->token);
	memset(out->logit, 0, input->latents * sizeof *out->logit);
	mark = ps_arena_mark(arena);
	lay_out(&s, input->latents, input->config->width, arena);
	s.matmul = ps_matmul_create(input->precision, context->pool, input->latents,
				    input->config->width, arena);
	rc = scale_rows(&s);
	for (; s.first < vocab && !rc; s.first += BLOCK) {
		s.count = ps_min_size(BLOCK, vocab - s.first);
		rc = add_block(&s);
		ps_progress_tick(context, "output head", "tokens", s.first + s.count, vocab);
	}
	for (size_t j = 0; j < input->latents; j++)
		for (size_t i = 0; i < PS_PROMOTED_TOKENS; i++)
			out->logit[j][PS_SUPPRESSED][i] *= -1;
	ps_arena_rewind(arena, mark);
	return rc;
}
