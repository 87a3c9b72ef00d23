#include "analysis/over_seeds.h"

#include <stdbool.h>

#include "analysis/sizes.h"

static const void *at(ps_of_seeds seeds, size_t seed)
{
	return (const char *)seeds.first + seed * seeds.stride;
}

/* Means and sums over the seeds' intervals. */
struct sums {
	double estimate, error; /* means */
	double square;          /* sum of e_s^2 / S^2 */
	double df;              /* of that sum */
	size_t n;               /* the least */
	uint32_t replicates;    /* the fewest */
};

static struct sums add_up(ps_of_seeds seeds)
{
	const double count = (double)seeds.count;
	struct sums s = {.n = SIZE_MAX, .replicates = UINT32_MAX};
	double fourth = 0;

	for (size_t i = 0; i < seeds.count; i++) {
		const ps_interval *own = at(seeds, i);
		const double square = own->error * own->error / (count * count);

		s.estimate += own->estimate / count;
		s.error += own->error / count;
		s.square += square;
		fourth += square * square / ((double)own->n - 1);
		s.n = ps_min_size(s.n, own->n);
		if (own->replicates < s.replicates)
			s.replicates = own->replicates;
	}
	s.df = s.square * s.square / fourth;
	return s;
}

/* The mean, without an error. */
static ps_interval mean_of(ps_of_seeds seeds, const struct sums *s)
{
	const ps_interval *first = seeds.first;

	return (ps_interval){.estimate = s->estimate,
			     .n = s->n,
			     .replicates = s->replicates,
			     .unit = first->unit,
			     .kind = first->kind};
}

void ps_over_seeds(ps_of_seeds seeds, const ps_interval_law *law, ps_interval *out)
{
	const ps_interval *first = seeds.first;
	ps_interval_law own = *law;
	struct sums s;
	bool windows;

	if (seeds.count < 2) {
		*out = seeds.count ? *first : ps_no_interval();
		return;
	}
	windows = first->unit == PS_UNIT_WINDOWS;
	s = add_up(seeds);
	*out = mean_of(seeds, &s);
	out->error = windows ? s.error : sqrt(s.square);
	own.df = windows ? (double)s.n - 1 : s.df;
	ps_interval_set(out, &own);
}

/* What windows move without single cells, as an error: its mean over the seeds. */
static double error_of_windows(ps_of_seeds seeds)
{
	double sum = 0;

	for (size_t i = 0; i < seeds.count; i++) {
		const ps_two_way_result *own = at(seeds, i);
		const double square =
			own->both.error * own->both.error - own->columns.error * own->columns.error;

		/* Written so that a NaN stays one. */
		sum += sqrt(square < 0 ? 0 : square) / (double)seeds.count;
	}
	return sum;
}

static ps_of_seeds part(ps_of_seeds seeds, size_t offset)
{
	return (ps_of_seeds){(const char *)seeds.first + offset, seeds.stride, seeds.count};
}

void ps_over_seeds_two_way(ps_of_seeds seeds, double confidence, ps_two_way_result *out)
{
	const ps_of_seeds of_both = part(seeds, offsetof(ps_two_way_result, both)),
			  of_rows = part(seeds, offsetof(ps_two_way_result, rows)),
			  of_columns = part(seeds, offsetof(ps_two_way_result, columns));
	ps_interval_law law = {.confidence = confidence};
	struct sums both, column;
	double windows, row, least;

	ps_over_seeds(of_rows, &law, &out->rows);
	ps_over_seeds(of_columns, &law, &out->columns);
	ps_over_seeds(of_both, &law, &out->both);
	if (seeds.count < 2)
		return;
	both = add_up(of_both);
	column = add_up(of_columns);
	windows = error_of_windows(seeds);
	out->both = mean_of(of_both, &both);
	out->both.error = sqrt(windows * windows + column.square);
	row = out->rows.error * out->rows.error / sqrt((double)out->rows.n - 1);
	least = (double)both.n - 1;
	law.df = pow(out->both.error, 4) / (row * row + column.square * column.square / column.df);
	law.df = law.df > least ? law.df : least;
	ps_interval_set(&out->both, &law);
}

double ps_over_seeds_mean(ps_of_seeds seeds)
{
	double sum = 0, count = 0;

	for (size_t i = 0; i < seeds.count; i++) {
		const double own = *(const double *)at(seeds, i);

		if (isnan(own))
			continue;
		sum += own;
		count++;
	}
	return count > 0 ? sum / count : (double)NAN;
}
