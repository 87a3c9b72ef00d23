#include <string.h>

#include "core/base/checked.h"
#include "sae/sae.h"
#include "sae/sparse.h"

enum { ROWS_AN_ITEM = 8 };

struct decoding {
	const ps_sae *sae;
	const ps_codes *codes;
	float *x_hat;
};

static void decode_row(const struct decoding *decoding, size_t row)
{
	const ps_sae *sae = decoding->sae;
	const ps_codes *codes = decoding->codes;
	float *out = decoding->x_hat + row * sae->d_in;
	const size_t begin = codes->start[row], end = codes->start[row + 1];

	memcpy(out, sae->b_dec, sae->d_in * sizeof *out);
	if (!sae->rescale_by_decoder_norm) {
		ps_rows_combine(sae->dec, sae->d_in, codes->index + begin, codes->value + begin,
				end - begin, out);
		return;
	}
	for (size_t i = begin; i < end; i++) {
		const float *dec = sae->dec + codes->index[i] * sae->d_in;
		const float value = codes->value[i] * (float)(1 / ps_norm_in_order(dec, sae->d_in));

		ps_rows_combine(sae->dec, sae->d_in, codes->index + i, &value, 1, out);
	}
}

static void decode_rows(void *context, size_t item, int worker)
{
	const struct decoding *decoding = context;
	const size_t first = item * ROWS_AN_ITEM,
		     end = ps_min_size(first + ROWS_AN_ITEM, decoding->codes->rows);

	(void)worker;
	for (size_t row = first; row < end; row++)
		decode_row(decoding, row);
}

void ps_sae_decode(const ps_sae *sae, const ps_context *context, const ps_codes *codes,
		   float *x_hat)
{
	struct decoding decoding = {.sae = sae, .codes = codes, .x_hat = x_hat};

	ps_pool_run(context->pool, ps_pool_items(codes->rows, ROWS_AN_ITEM), decode_rows,
		    &decoding);
}
