#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"
#include "core/base/finite.h"
#include "sae/encode_topk.h"
#include "sae/sae.h"
#include "sae/sparse.h"
#include "sae/topk.h"

/* sae/encode_topk.c encodes topk. For the other architectures, pre-activations exist for one block
 * of rows at a time. Each row's active latents are listed right after the product, while the block
 * is still in the cache. Rows are first listed at fixed places of the codes, as if every row were
 * full, and then moved together. With topk almost every row is full and hardly anything moves. */

enum {
	BLOCK_ROWS = 512,
	ROWS_AN_ITEM = 8, /* of a block */
	LATENTS_AN_ITEM = 64,
};

struct ps_encoder {
	const ps_sae *sae;
	const ps_context *context;
	ps_topk_encoder *topk; /* NULL unless topk; then matmul, input and z are NULL */
	ps_matmul *matmul;
	size_t block_rows;
	float *input; /* (block_rows, D): x - b_dec; unused where b_dec is not applied */
	float *z;     /* (block_rows, F) */
	float *norm;  /* (F): |dec_j|; unused unless the SAE rescales */
};

/* A block of rows that is being encoded. */
struct encode_block {
	ps_encoder *encoder;
	const float *x;     /* (rows, D) */
	size_t first, rows; /* first: the block's first row in the batch */
	ps_codes *codes;    /* start[row] holds the row's count until the rows are moved together */
};

/* Counts or takes the matrix product's buffers, which it takes by itself. */
static ps_matmul *lay_out_products(ps_sae_layout *layout, size_t rows, size_t width)
{
	const size_t bytes = ps_matmul_bytes(PS_PRECISION_F32, layout->threads, rows, width);
	ps_arena room = {.base = ps_sae_part(layout, bytes, 1), .size_bytes = bytes};

	return room.base ? ps_matmul_create(PS_PRECISION_F32, layout->context->pool, rows, width,
					    &room)
			 : NULL;
}

ps_encoder *ps_encoder_lay_out(ps_sae_layout *layout, const ps_sae *sae, size_t max_rows)
{
	const size_t rows = ps_min_size(max_rows, BLOCK_ROWS);
	ps_encoder stand_in, *e = ps_sae_own(layout, &stand_in, sizeof *e);

	*e = (ps_encoder){.sae = sae, .context = layout->context, .block_rows = rows};
	e->norm = ps_sae_floats(layout, sae->d_sae, 1);
	if (sae->arch == PS_SAE_TOPK) {
		e->topk = ps_topk_encoder_lay_out(layout, sae, max_rows);
	} else {
		e->input = ps_sae_floats(layout, rows, sae->d_in);
		e->z = ps_sae_floats(layout, rows, sae->d_sae);
		e->matmul = lay_out_products(layout, rows, sae->d_in);
	}
	return layout->parts.arena ? e : NULL;
}

size_t ps_encoder_bytes(const ps_sae *sae, int threads, size_t max_rows)
{
	ps_sae_layout layout = ps_sae_layout_count(threads);

	ps_encoder_lay_out(&layout, sae, max_rows);
	return layout.parts.bytes;
}

int ps_encoder_create(ps_encoder **encoder, const ps_sae *sae, const ps_context *context,
		      size_t max_rows, ps_arena *arena)
{
	ps_sae_layout layout = ps_sae_layout_in(arena, context);
	int rc = ps_sae_layout_room(&layout, ps_encoder_bytes(sae, layout.threads, max_rows),
				    "an encoder");

	if (!rc)
		*encoder = ps_encoder_lay_out(&layout, sae, max_rows);
	return rc;
}

/* The factors |dec_j| of z_j; NULL unless the SAE rescales. */
static const float *norms_of(const ps_encoder *encoder)
{
	return encoder->sae->rescale_by_decoder_norm ? encoder->norm : NULL;
}

static void measure_norms(void *context, size_t item, int worker)
{
	const ps_encoder *encoder = context;
	const ps_sae *sae = encoder->sae;
	const size_t first = item * LATENTS_AN_ITEM,
		     end = ps_min_size(first + LATENTS_AN_ITEM, sae->d_sae);

	(void)worker;
	for (size_t j = first; j < end; j++)
		encoder->norm[j] = (float)ps_norm_in_order(sae->dec + j * sae->d_in, sae->d_in);
}

static size_t block_items(size_t rows)
{
	return ps_pool_items(rows, ROWS_AN_ITEM);
}

static void centre_rows(void *context, size_t item, int worker)
{
	const struct encode_block *block = context;
	const ps_sae *sae = block->encoder->sae;
	const size_t first = item * ROWS_AN_ITEM,
		     end = ps_min_size(first + ROWS_AN_ITEM, block->rows);

	(void)worker;
	for (size_t r = first; r < end; r++)
		for (size_t d = 0; d < sae->d_in; d++)
			block->encoder->input[r * sae->d_in + d] =
				block->x[r * sae->d_in + d] - sae->b_dec[d];
}

PS_CLONES static void finish_pre_activations(float *restrict z, const float *restrict bias,
					     const float *restrict norm, size_t n)
{
	if (norm)
		for (size_t j = 0; j < n; j++)
			z[j] = (z[j] + bias[j]) * norm[j];
	else
		for (size_t j = 0; j < n; j++)
			z[j] += bias[j];
}

/* gated: lists the magnitudes that are positive, of the latents with z > 0. */
static size_t list_gated(const ps_sae *sae, const float *z, uint32_t *index, float *value)
{
	const size_t open = ps_above_select(z, NULL, 0, sae->d_sae, index, value);
	size_t count = 0;

	for (size_t i = 0; i < open; i++) {
		const uint32_t j = index[i];
		const float magnitude = ps_gated_magnitude(sae, j, value[i]);

		if (magnitude > 0) {
			index[count] = j;
			value[count++] = magnitude;
		}
	}
	return count;
}

static size_t list_row(const ps_sae *sae, const float *z, uint32_t *index, float *value)
{
	if (sae->arch == PS_SAE_GATED)
		return list_gated(sae, z, index, value);
	return ps_above_select(z, sae->threshold, sae->signed_values ? -INFINITY : 0, sae->d_sae,
			       index, value);
}

static void list_rows(void *context, size_t item, int worker)
{
	const struct encode_block *block = context;
	const ps_encoder *encoder = block->encoder;
	const ps_sae *sae = encoder->sae;
	const size_t first = item * ROWS_AN_ITEM,
		     end = ps_min_size(first + ROWS_AN_ITEM, block->rows);

	(void)worker;
	for (size_t r = first; r < end; r++) {
		const size_t row = block->first + r;
		float *z = encoder->z + r * sae->d_sae,
		      *value = block->codes->value + row * sae->d_sae;
		uint32_t *index = block->codes->index + row * sae->d_sae;

		finish_pre_activations(z, sae->b_enc, norms_of(encoder), sae->d_sae);
		block->codes->start[row] = ps_all_finite(z, sae->d_sae)
						   ? list_row(sae, z, index, value)
						   : ps_list_overflow(z, sae->d_sae, index, value);
	}
}

static void encode_block(struct encode_block *block)
{
	ps_encoder *encoder = block->encoder;
	const ps_sae *sae = encoder->sae;
	const ps_weight weight = {
		.data = sae->enc, .dtype = PS_F32, .rows = sae->d_sae, .cols = sae->d_in};
	const float *input = block->x;

	if (sae->apply_b_dec_to_input) {
		ps_pool_run(encoder->context->pool, block_items(block->rows), centre_rows, block);
		input = encoder->input;
	}
	(void)ps_matmul_run(encoder->matmul, input, sae->d_in, block->rows, &weight, encoder->z,
			    sae->d_sae);
	ps_pool_run(encoder->context->pool, block_items(block->rows), list_rows, block);
}

/* Makes the entries consecutive. On entry row r has start[r] of them, from r * most on. */
static void move_together(ps_codes *codes, size_t most)
{
	size_t total = 0;

	for (size_t r = 0; r < codes->rows; r++) {
		const size_t count = codes->start[r];

		if (total != r * most) {
			memmove(codes->index + total, codes->index + r * most,
				count * sizeof *codes->index);
			memmove(codes->value + total, codes->value + r * most,
				count * sizeof *codes->value);
		}
		codes->start[r] = total;
		total += count;
	}
	codes->start[codes->rows] = total;
}

void ps_encoder_run(ps_encoder *encoder, const float *x, size_t rows, ps_codes *codes)
{
	const ps_sae *sae = encoder->sae;
	const float *norm = norms_of(encoder);

	if (norm)
		ps_pool_run(encoder->context->pool, ps_pool_items(sae->d_sae, LATENTS_AN_ITEM),
			    measure_norms, encoder);
	codes->rows = rows;
	if (encoder->topk) {
		ps_topk_encoder_take_all(encoder->topk, norm);
		ps_topk_encoder_run(encoder->topk, x, rows, norm, codes);
	}
	for (size_t first = encoder->topk ? rows : 0; first < rows; first += encoder->block_rows) {
		struct encode_block block = {
			.encoder = encoder,
			.x = x + first * sae->d_in,
			.first = first,
			.rows = ps_min_size(encoder->block_rows, rows - first),
			.codes = codes,
		};

		encode_block(&block);
	}
	move_together(codes, ps_sae_active_max(sae));
}
