#include "core/base/rows.h"

#include "core/base/checked.h"

#define WORDS (PS_ROW_BLOCK / 64) /* 64-bit words of a block */

static uint64_t blocks_of(uint64_t rows)
{
	return ps_div_up((size_t)rows, PS_ROW_BLOCK);
}

size_t ps_row_list_words(uint64_t rows)
{
	return (size_t)(blocks_of(rows) * (WORDS + 1));
}

static unsigned count_bits(uint64_t word)
{
	return (unsigned)__builtin_popcountll(word);
}

ps_row_list ps_row_list_make(uint64_t *words, uint64_t rows)
{
	const uint64_t blocks = blocks_of(rows);
	uint64_t *before = words + blocks * WORDS, count = 0;

	for (uint64_t block = 0; block < blocks; block++) {
		before[block] = count;
		for (uint64_t w = 0; w < WORDS; w++)
			count += count_bits(words[block * WORDS + w]);
	}
	return (ps_row_list){.bits = words, .before = before, .blocks = blocks, .count = count};
}

size_t ps_find_part(const uint64_t *first, size_t count, uint64_t i)
{
	size_t low = 0, high = count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (first[middle] <= i)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The place of the n-th set bit, counted from 0; word has more than n set bits. */
static unsigned nth_bit(uint64_t word, uint64_t n)
{
	for (; n; n--)
		word &= word - 1;
	return (unsigned)__builtin_ctzll(word);
}

/* The number of the n-th run that is kept, counted from 0. */
static uint64_t find_run(const ps_row_list *list, uint64_t n)
{
	uint64_t word;
	size_t block;

	if (!list->bits)
		return n;
	block = ps_find_part(list->before, (size_t)list->blocks, n);
	n -= list->before[block];
	for (word = block * WORDS; n >= count_bits(list->bits[word]); word++)
		n -= count_bits(list->bits[word]);
	return word * 64 + nth_bit(list->bits[word], n);
}

uint64_t ps_row_list_at(const ps_row_list *list, uint64_t i)
{
	const uint64_t together = ps_row_list_together(list);

	i += list->first;
	return together == 1 ? find_run(list, i)
			     : find_run(list, i / together) * together + i % together;
}

void ps_row_list_get(const ps_row_list *list, uint64_t first, size_t count, uint64_t *ids)
{
	for (size_t i = 0; i < count; i++)
		ids[i] = ps_row_list_at(list, first + i);
}

ps_row_list ps_row_list_part(const ps_row_list *list, uint64_t first, uint64_t count)
{
	ps_row_list part = *list;

	part.first += first;
	part.count = count;
	return part;
}
