#include "analysis/assignment.h"

#include <math.h>

#include "analysis/sizes.h"
#include "core/base/clones.h"

#define NONE UINT32_MAX
enum {
	LANES = 16,
	BLOCK = 256, /* columns that share a minimum: its place is searched in one block only */
	SWEEPS = 2,  /* of augmenting row reduction */
	SWEEP_STEPS =
		16 /* row scans of a sweep, times R; beyond it displaced rows wait for a path */
};

/* A column that a path has passed. */
struct reached {
	uint32_t column;
	double price, distance; /* its dual before the path, and the length of the path to it */
};

struct problem {
	const float *cost;
	size_t rows, cols;
	uint32_t *column; /* (R): NONE while the row is free */
	uint32_t *row;    /* (C): NONE while the column is free */
	double *price;    /* (C): the column's dual; -inf while a path has passed it */
	uint32_t *free;   /* (R): rows without a column, in the order they will be served */
	size_t free_count;
	double *distance;        /* (C): shortest known path to the column; +inf once passed */
	uint32_t *previous;      /* (C): the row from which it is reached */
	double *block_low;       /* (ceil(C / BLOCK)) */
	struct reached *reached; /* (R) */
};

static size_t block_count(size_t cols)
{
	return ps_div_up(cols, BLOCK);
}

static size_t lay_out_result(struct problem *p, ps_assignment *out, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	out->column = p->column = ps_layout_part(&layout, p->rows, sizeof *p->column);
	out->row_dual = ps_layout_part(&layout, p->rows, sizeof *out->row_dual);
	out->col_dual = p->price = ps_layout_part(&layout, p->cols, sizeof *p->price);
	return layout.bytes;
}

static size_t lay_out_scratch(struct problem *p, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	p->row = ps_layout_part(&layout, p->cols, sizeof *p->row);
	p->free = ps_layout_part(&layout, p->rows, sizeof *p->free);
	p->distance = ps_layout_part(&layout, p->cols, sizeof *p->distance);
	p->previous = ps_layout_part(&layout, p->cols, sizeof *p->previous);
	p->block_low = ps_layout_part(&layout, block_count(p->cols), sizeof *p->block_low);
	p->reached = ps_layout_part(&layout, p->rows, sizeof *p->reached);
	return layout.bytes;
}

size_t ps_assignment_bytes(size_t rows, size_t cols)
{
	struct problem p = {.rows = rows, .cols = cols};
	ps_assignment out;

	return ps_bytes_sum(lay_out_result(&p, &out, NULL), lay_out_scratch(&p, NULL));
}

static const float *row_costs(const struct problem *p, size_t row)
{
	return p->cost + row * p->cols;
}

static inline double lesser(double a, double b)
{
	return a < b ? a : b;
}

static inline double greater(double a, double b)
{
	return a > b ? a : b;
}

/* low[j] = min_i cost[i, j], who[j] the first i that has it. */
PS_CLONES static void column_minima(const float *cost, size_t rows, size_t cols, float *low,
				    uint32_t *who)
{
	for (size_t j = 0; j < cols; j++) {
		low[j] = cost[j];
		who[j] = 0;
	}
	for (size_t i = 1; i < rows; i++) {
		const float *c = cost + i * cols;

		for (size_t j = 0; j < cols; j++) {
			int better = c[j] < low[j];

			low[j] = better ? c[j] : low[j];
			who[j] = better ? (uint32_t)i : who[j];
		}
	}
}

struct two_least {
	double first, second; /* of cost[j] - price[j]; equal when the least occurs twice */
	size_t index;         /* the lowest column that has `first` */
};

/* The two least of n <= BLOCK reduced costs. */
PS_CLONES static void block_two_least(const float *cost, const double *price, size_t n,
				      double *first, double *second)
{
	double least[LANES], next[LANES];
	size_t j = 0;

	for (int l = 0; l < LANES; l++)
		least[l] = next[l] = INFINITY;
	for (; j + LANES <= n; j += LANES)
		for (int l = 0; l < LANES; l++) {
			double x = (double)cost[j + l] - price[j + l];

			next[l] = lesser(next[l], greater(least[l], x));
			least[l] = lesser(least[l], x);
		}
	for (; j < n; j++) {
		double x = (double)cost[j] - price[j];

		next[0] = lesser(next[0], greater(least[0], x));
		least[0] = lesser(least[0], x);
	}
	*first = *second = INFINITY;
	for (int l = 0; l < LANES; l++) {
		*second = lesser(lesser(*second, next[l]), greater(*first, least[l]));
		*first = lesser(*first, least[l]);
	}
}

PS_CLONES static struct two_least find_two_least(const float *cost, const double *price,
						 size_t cols)
{
	struct two_least found = {INFINITY, INFINITY, 0};
	size_t in = 0;

	for (size_t start = 0; start < cols; start += BLOCK) {
		double first, second;

		block_two_least(cost + start, price + start, ps_min_size(BLOCK, cols - start),
				&first, &second);
		if (first < found.first) {
			found.second = lesser(found.first, second);
			found.first = first;
			in = start;
		} else {
			found.second = lesser(found.second, first);
		}
	}
	for (found.index = in; (double)cost[found.index] - price[found.index] != found.first;)
		found.index++;
	return found;
}

/* Every column's dual becomes its least cost. The column goes to the row that has it, if that row
 * is still free. */
static void reduce_columns(struct problem *p)
{
	float *low = (float *)p->distance;

	column_minima(p->cost, p->rows, p->cols, low, p->previous);
	for (size_t j = p->cols; j-- > 0;) {
		uint32_t i = p->previous[j];

		p->price[j] = (double)low[j];
		if (p->column[i] == NONE) {
			p->column[i] = (uint32_t)j;
			p->row[j] = i;
			p->reached[i].column = 1;
		} else {
			p->reached[i].column++;
		}
	}
}

/* A row that has the least cost of one column alone lowers that column's dual until its second
 * choice ties. */
static void transfer_reductions(struct problem *p)
{
	for (size_t i = 0; i < p->rows; i++)
		if (p->column[i] != NONE && p->reached[i].column == 1)
			p->price[p->column[i]] -=
				find_two_least(row_costs(p, i), p->price, p->cols).second;
}

/* The first column but `except` whose reduced cost is `value`, or `except` when there is none. */
static size_t find_other(const struct problem *p, size_t row, double value, size_t except)
{
	const float *cost = row_costs(p, row);

	for (size_t j = 0; j < p->cols; j++)
		if (j != except && (double)cost[j] - p->price[j] == value)
			return j;
	return except;
}

/* A free row takes its best column and lowers that column's dual until the second best ties.
 * Returns the row that it displaced, or NONE. *lowered: the dual moved, so the displaced row is
 * worth another try at once. */
static uint32_t take_best_column(struct problem *p, uint32_t i, int *lowered)
{
	struct two_least best = find_two_least(row_costs(p, i), p->price, p->cols);
	size_t j = best.index;
	double price = p->price[j] - (best.second - best.first);
	uint32_t displaced;

	*lowered = p->cols > 1 && price < p->price[j];
	if (*lowered)
		p->price[j] = price;
	else if (p->row[j] != NONE)
		j = find_other(p, i, best.second, j);
	displaced = p->row[j];
	p->column[i] = (uint32_t)j;
	p->row[j] = i;
	if (displaced != NONE)
		p->column[displaced] = NONE;
	return displaced;
}

static void sweep_free_rows(struct problem *p)
{
	size_t next = 0, waiting = 0, end = p->free_count, steps = SWEEP_STEPS * p->rows;

	while (next < end) {
		int lowered;
		uint32_t displaced = take_best_column(p, p->free[next++], &lowered);

		steps -= steps > 0;
		if (displaced == NONE)
			continue;
		if (lowered && steps)
			p->free[--next] = displaced;
		else
			p->free[waiting++] = displaced;
	}
	p->free_count = waiting;
}

/* Offers every column the path through `row`, which costs `offset` so far. p->block_low receives
 * each block's least distance. Returns the least of all. */
PS_CLONES static double relax(struct problem *p, double offset, uint32_t row)
{
	const float *restrict cost = row_costs(p, row);
	const double *restrict price = p->price;
	double *restrict distance = p->distance;
	uint32_t *restrict previous = p->previous;
	const size_t cols = p->cols;
	double least = INFINITY;

	for (size_t start = 0; start < cols; start += BLOCK) {
		size_t end = ps_min_size(start + BLOCK, cols), j = start;
		double low[LANES], lowest = INFINITY;

		for (int l = 0; l < LANES; l++)
			low[l] = INFINITY;
		for (; j + LANES <= end; j += LANES)
			for (int l = 0; l < LANES; l++) {
				double x = (double)cost[j + l] - price[j + l] - offset,
				       d = distance[j + l];

				previous[j + l] = x < d ? row : previous[j + l];
				d = lesser(x, d);
				distance[j + l] = d;
				low[l] = lesser(low[l], d);
			}
		for (; j < end; j++) {
			double x = (double)cost[j] - price[j] - offset;

			previous[j] = x < distance[j] ? row : previous[j];
			distance[j] = lesser(x, distance[j]);
			low[0] = lesser(low[0], distance[j]);
		}
		for (int l = 0; l < LANES; l++)
			lowest = lesser(lowest, low[l]);
		p->block_low[start / BLOCK] = lowest;
		least = lesser(least, lowest);
	}
	return least;
}

/* The first free column at the least distance; without a free one, the first at that distance. */
static size_t nearest_column(const struct problem *p, double least)
{
	size_t first = p->cols;

	for (size_t b = 0; b < block_count(p->cols); b++) {
		if (p->block_low[b] != least)
			continue;
		for (size_t j = b * BLOCK; j < ps_min_size((b + 1) * BLOCK, p->cols); j++) {
			if (p->distance[j] != least)
				continue;
			if (p->row[j] == NONE)
				return j;
			if (first == p->cols)
				first = j;
		}
	}
	return first;
}

/* Shortest augmenting path from a free row to a free column (Dijkstra over columns), then the duals
 * along it. */
static void augment(struct problem *p, uint32_t start)
{
	size_t passed = 0, j;
	double least;
	uint32_t i;

	for (j = 0; j < p->cols; j++)
		p->distance[j] = INFINITY;
	least = relax(p, 0, start);
	while (p->row[j = nearest_column(p, least)] != NONE) {
		double offset;

		i = p->row[j];
		offset = ((double)row_costs(p, i)[j] - p->price[j]) - least;
		p->reached[passed++] = (struct reached){(uint32_t)j, p->price[j], least};
		p->price[j] = -INFINITY;
		p->distance[j] = INFINITY;
		least = relax(p, offset, i);
	}
	for (size_t r = 0; r < passed; r++)
		p->price[p->reached[r].column] =
			p->reached[r].price + (p->reached[r].distance - least);
	do {
		size_t before;

		i = p->previous[j];
		p->row[j] = i;
		before = p->column[i];
		p->column[i] = (uint32_t)j;
		j = before;
	} while (i != start);
}

static int augment_free_rows(struct problem *p, const ps_context *context)
{
	for (size_t f = 0; f < p->free_count; f++) {
		int rc = ps_progress_check(context);

		if (rc < 0)
			return rc;
		augment(p, p->free[f]);
		ps_progress_tick(context, "assignment", "rows", p->rows - p->free_count + f + 1,
				 p->rows);
	}
	return 0;
}

static void start_solution(struct problem *p)
{
	for (size_t i = 0; i < p->rows; i++)
		p->column[i] = NONE;
	for (size_t j = 0; j < p->cols; j++) {
		p->row[j] = NONE;
		p->price[j] = 0;
	}
	if (p->rows == p->cols && p->rows > 1) {
		reduce_columns(p);
		transfer_reductions(p);
	}
	for (size_t i = 0; i < p->rows; i++)
		if (p->column[i] == NONE)
			p->free[p->free_count++] = (uint32_t)i;
	for (int sweep = 0; sweep < SWEEPS; sweep++)
		sweep_free_rows(p);
}

int ps_assignment_solve(const float *cost, size_t rows, size_t cols, const ps_context *context,
			ps_arena *arena, ps_assignment *out)
{
	struct problem p = {.cost = cost, .rows = rows, .cols = cols};
	size_t mark;
	int rc;

	*out = (ps_assignment){0};
	if (rows > cols || cols >= NONE)
		return ps_fail(context->diag, PS_EUSAGE,
			       "an assignment of %zu rows to %zu columns is not possible", rows,
			       cols);
	rc = ps_progress_check(context);
	if (rc < 0)
		return rc;
	lay_out_result(&p, out, arena);
	mark = ps_arena_mark(arena);
	lay_out_scratch(&p, arena);
	start_solution(&p);
	rc = augment_free_rows(&p, context);
	for (size_t i = 0; i < rows && rc == 0; i++) {
		double c = (double)row_costs(&p, i)[p.column[i]];

		out->total += c;
		out->row_dual[i] = c - p.price[p.column[i]];
	}
	ps_arena_rewind(arena, mark);
	return rc;
}
