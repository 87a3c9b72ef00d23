#include "sae/branch.h"

#include <string.h>

#include "core/base/checked.h"

/* All rows take one strip of columns before any takes the next. The strip of a large decoder then
 * stays in the cache, where the whole decoder would not fit. */
enum { ROWS_AN_ITEM = 32 };

struct backward {
	ps_branch *branch;
	const float *dec, *target;
	size_t width, first, columns; /* first, columns: the strip */
	float sign;
};

void ps_branch_lay_out(ps_sae_layout *layout, ps_branch *branch, const ps_sae *sae, size_t rows)
{
	*branch = (ps_branch){.context = layout->context};
	ps_codes_lay_out(layout, &branch->codes, sae, rows);
	branch->error = ps_sae_floats(layout, rows, sae->d_in);
	branch->df = ps_sae_part(layout, branch->codes.capacity, sizeof *branch->df);
	branch->loss = ps_sae_part(layout, rows, sizeof *branch->loss);
	ps_by_latent_lay_out(layout, &branch->lists, sae->d_sae, branch->codes.capacity, true);
}

/* Computes the strip's columns of a row's error, and adds what they contribute to the row's loss
 * and to the gradients of its activations. */
static void backward_row(const struct backward *b, size_t row)
{
	const ps_branch *branch = b->branch;
	const size_t begin = branch->codes.start[row], count = branch->codes.start[row + 1] - begin;
	const float *restrict target = b->target + row * b->width + b->first,
			      *dec = b->dec + b->first;
	float *restrict error = branch->error + row * b->width + b->first;

	for (size_t d = 0; d < b->columns; d++)
		error[d] = b->sign * target[d];
	ps_rows_combine_columns(dec, b->width, b->columns, branch->codes.index + begin,
				branch->codes.value + begin, count, error);
	ps_rows_add_dot(dec, b->width, b->columns, branch->codes.index + begin, count, error,
			branch->df + begin);
	branch->loss[row] += ps_squared_norm(error, b->columns);
}

static void backward_rows(void *context, size_t item, int worker)
{
	const struct backward *b = context;
	const size_t first = item * ROWS_AN_ITEM,
		     end = ps_min_size(first + ROWS_AN_ITEM, b->branch->codes.rows);

	(void)worker;
	for (size_t row = first; row < end; row++)
		backward_row(b, row);
}

void ps_branch_backward(ps_branch *branch, const float *dec, size_t width, const float *target,
			float sign, float scale)
{
	struct backward b = {
		.branch = branch, .dec = dec, .target = target, .width = width, .sign = sign};
	const size_t rows = branch->codes.rows;

	memset(branch->loss, 0, rows * sizeof *branch->loss);
	memset(branch->df, 0, branch->codes.start[rows] * sizeof *branch->df);
	for (; b.first < width; b.first += PS_STRIP) {
		b.columns = ps_min_size(PS_STRIP, width - b.first);
		ps_pool_run(branch->context->pool, ps_pool_items(rows, ROWS_AN_ITEM), backward_rows,
			    &b);
	}
	branch->scale = scale;
	ps_by_latent_fill(&branch->lists, &branch->codes, branch->df, scale);
}

void ps_branch_add_gradient(const ps_branch *branch, size_t latent, const ps_strip *strip,
			    float *enc, float *dec)
{
	const ps_by_latent *lists = &branch->lists;
	const size_t begin = lists->start[latent], count = ps_branch_active(branch, latent);

	ps_rows_combine_columns(strip->x, strip->x_width, strip->columns, lists->row + begin,
				lists->gradient + begin, count, enc);
	ps_rows_combine_columns(strip->error, strip->error_width, strip->columns,
				lists->row + begin, lists->value + begin, count, dec);
}

double ps_branch_parallel(const ps_branch *branch, size_t latent)
{
	const ps_by_latent *lists = &branch->lists;
	double sum = 0;

	for (size_t i = lists->start[latent]; i < lists->start[latent + 1]; i++)
		sum += (double)lists->value[i] * lists->gradient[i];
	return sum != 0 ? sum / branch->scale : 0; /* both factors carry the scale */
}

float ps_branch_bias_gradient(const ps_branch *branch, size_t latent)
{
	double sum = 0;

	for (size_t i = branch->lists.start[latent]; i < branch->lists.start[latent + 1]; i++)
		sum += branch->lists.gradient[i];
	return (float)sum;
}

double ps_branch_loss(const ps_branch *branch)
{
	double sum = 0;

	for (size_t r = 0; r < branch->codes.rows; r++)
		sum += branch->loss[r];
	return sum;
}
