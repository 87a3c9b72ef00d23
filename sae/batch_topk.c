#include "sae/batch_topk.h"

#include <string.h>

#include "core/base/checked.h"

enum {
	CANDIDATES = 4, /* candidates of a row, for each latent of the mean */
	FULL_ROWS = 16, /* rows that are listed in full at a time */
	DIGIT_BITS = 11,
	DIGITS = 1 << DIGIT_BITS,
};

/* An entry of a row that is listed in full. */
struct extra {
	uint32_t row, index;
	float value;
};

struct ps_batch_topk {
	ps_sae full;         /* the lister's parameters; lists every positive latent */
	ps_encoder *encoder; /* for FULL_ROWS rows */
	ps_codes codes;
	float *x;            /* (FULL_ROWS, D) */
	uint8_t *crowded;    /* (rows): every candidate reached the cut */
	struct extra *extra; /* of crowded rows, by row and index */
	size_t extras;
	uint32_t *count; /* (DIGITS) */
};

/* What is kept: the values above `value`, and the first `ties` values that equal it. */
struct cut {
	float value;
	size_t ties;
};

size_t ps_batch_topk_candidates(size_t k, size_t d_sae)
{
	return ps_min_size(CANDIDATES * k, d_sae);
}

static ps_sae full_of(const ps_sae *lister)
{
	ps_sae full = *lister;

	full.arch = PS_SAE_RELU;
	return full;
}

/* The most extras at a time: twice what may be kept, because of ties, and FULL_ROWS full rows. */
static size_t extras_max(const ps_sae *sae, size_t rows, size_t k)
{
	return 2 * rows * k + FULL_ROWS * sae->d_sae;
}

ps_batch_topk *ps_batch_topk_lay_out(ps_sae_layout *layout, const ps_sae *lister, size_t rows,
				     size_t k)
{
	ps_batch_topk stand_in, *b = ps_sae_own(layout, &stand_in, sizeof *b);

	*b = (ps_batch_topk){.full = full_of(lister)};
	b->encoder = ps_encoder_lay_out(layout, &b->full, FULL_ROWS);
	ps_codes_lay_out(layout, &b->codes, &b->full, FULL_ROWS);
	b->x = ps_sae_floats(layout, FULL_ROWS, lister->d_in);
	b->crowded = ps_sae_part(layout, rows, sizeof *b->crowded);
	b->extra = ps_sae_part(layout, extras_max(lister, rows, k), sizeof *b->extra);
	b->count = ps_sae_part(layout, DIGITS, sizeof *b->count);
	return layout->parts.arena ? b : NULL;
}

static uint32_t bits_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	return bits;
}

/* Finds the n-th largest value among extras and codes, where crowded rows are 0; 0 when fewer than
 * n are positive. Goes digit by digit from the top: positive floats compare as their bits do. */
static struct cut find_cut(ps_batch_topk *b, const ps_codes *codes, size_t n)
{
	const size_t entries = codes->start[codes->rows];
	struct cut cut = {0, 0};
	uint32_t prefix = 0, mask = 0;

	for (int shift = 2 * DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
		uint32_t digit = DIGITS;

		memset(b->count, 0, DIGITS * sizeof *b->count);
		for (size_t i = 0; i < entries; i++) {
			const uint32_t bits = bits_of(codes->value[i]);

			b->count[bits >> shift & (DIGITS - 1)] += (bits & mask) == prefix;
		}
		for (size_t i = 0; i < b->extras; i++) {
			const uint32_t bits = bits_of(b->extra[i].value);

			b->count[bits >> shift & (DIGITS - 1)] += (bits & mask) == prefix;
		}
		while (digit-- > 0 && b->count[digit] < n)
			n -= b->count[digit];
		if (digit == UINT32_MAX)
			return cut;
		prefix |= digit << shift;
		mask |= (uint32_t)(DIGITS - 1) << shift;
	}
	memcpy(&cut.value, &prefix, sizeof prefix);
	cut.ties = n;
	return cut;
}

/* Marks the rows that list as many candidates as they can, all of them at the cut or above. Sets
 * their entries to 0 and returns their number. */
static size_t mark_crowded(ps_batch_topk *b, const ps_codes *codes, size_t candidates, float cut)
{
	size_t crowded = 0;

	for (size_t r = 0; r < codes->rows; r++) {
		const size_t begin = codes->start[r], end = codes->start[r + 1];
		bool full = end - begin == candidates && candidates < b->full.d_sae;

		for (size_t i = begin; i < end && full; i++)
			full = codes->value[i] >= cut;
		b->crowded[r] = full;
		crowded += full;
		if (full)
			memset(codes->value + begin, 0, (end - begin) * sizeof *codes->value);
	}
	return crowded;
}

static bool passes(struct cut *cut, float value)
{
	return value > cut->value || (value == cut->value && cut->ties && cut->ties--);
}

/* Drops the extras that cannot be selected any more. */
static void drop_extras(ps_batch_topk *b, struct cut cut)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->extras; i++)
		if (passes(&cut, b->extra[i].value))
			b->extra[kept++] = b->extra[i];
	b->extras = kept;
}

/* Lists up to FULL_ROWS crowded rows in full, from *row on. Their entries at the cut or above
 * become extras. */
static void add_full_rows(ps_batch_topk *b, const float *x, const ps_codes *codes, float cut,
			  size_t *row)
{
	const size_t d = b->full.d_in;
	uint32_t rows[FULL_ROWS];
	size_t count = 0;

	for (; *row < codes->rows && count < FULL_ROWS; ++*row) {
		if (!b->crowded[*row])
			continue;
		memcpy(b->x + count * d, x + *row * d, d * sizeof *b->x);
		rows[count++] = (uint32_t)*row;
	}
	if (!count)
		return;
	ps_encoder_run(b->encoder, b->x, count, &b->codes);
	for (size_t r = 0; r < count; r++)
		for (size_t i = b->codes.start[r]; i < b->codes.start[r + 1]; i++)
			if (b->codes.value[i] >= cut)
				b->extra[b->extras++] = (struct extra){rows[r], b->codes.index[i],
								       b->codes.value[i]};
}

/* Drops what the cut leaves out, from the codes and from the extras, in place. */
static void drop_the_rest(ps_batch_topk *b, ps_codes *codes, struct cut cut)
{
	size_t kept = 0, extra = 0, kept_extras = 0;

	for (size_t r = 0; r < codes->rows; r++) {
		const size_t begin = codes->start[r], end = codes->start[r + 1];

		codes->start[r] = kept;
		for (size_t i = begin; i < end && !b->crowded[r]; i++) {
			if (!passes(&cut, codes->value[i]))
				continue;
			codes->index[kept] = codes->index[i];
			codes->value[kept++] = codes->value[i];
		}
		for (; extra < b->extras && b->extra[extra].row == r; extra++)
			if (passes(&cut, b->extra[extra].value))
				b->extra[kept_extras++] = b->extra[extra];
	}
	codes->start[codes->rows] = kept;
	b->extras = kept_extras;
}

/* Moves the extras into the codes. Starts from the back, since no row moves towards the front. */
static void merge(ps_batch_topk *b, ps_codes *codes)
{
	size_t end = codes->start[codes->rows], at = end + b->extras, extra = b->extras;

	codes->start[codes->rows] = at;
	for (size_t r = codes->rows; r-- > 0;) {
		const size_t begin = codes->start[r], count = end - begin;

		at -= count;
		memmove(codes->index + at, codes->index + begin, count * sizeof *codes->index);
		memmove(codes->value + at, codes->value + begin, count * sizeof *codes->value);
		for (; extra && b->extra[extra - 1].row == r; extra--) {
			codes->index[--at] = b->extra[extra - 1].index;
			codes->value[at] = b->extra[extra - 1].value;
		}
		end = begin;
		codes->start[r] = at;
	}
}

void ps_batch_topk_select(ps_batch_topk *b, const float *x, size_t total, size_t candidates,
			  ps_codes *codes)
{
	struct cut cut;

	b->extras = 0;
	cut = find_cut(b, codes, total);
	if (mark_crowded(b, codes, candidates, cut.value)) {
		for (size_t row = 0; row < codes->rows;) {
			add_full_rows(b, x, codes, cut.value, &row);
			cut = find_cut(b, codes, total);
			drop_extras(b, (struct cut){cut.value, total});
		}
	}
	drop_the_rest(b, codes, cut);
	if (b->extras)
		merge(b, codes);
}
