#include "core/tokenizer/bpe_merge.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"

/* Rows up to this length scan all pairs for the lowest rank, which is faster than the heap. */
#define SHORT_ROW 40

static size_t lowest(const ps_merge *const *pair, size_t pairs)
{
	size_t best = pairs;
	uint32_t rank = UINT32_MAX;

	for (size_t i = 0; i < pairs; i++) {
		if (pair[i] && pair[i]->rank < rank) {
			rank = pair[i]->rank;
			best = i;
		}
	}
	return best;
}

static size_t merge_short(const ps_merge_table *merges, int32_t *ids, size_t n)
{
	const ps_merge *pair[SHORT_ROW];
	size_t at;

	for (size_t i = 0; i + 1 < n; i++)
		pair[i] = ps_merge_find(merges, ids[i], ids[i + 1]);
	while (n > 1 && (at = lowest(pair, n - 1)) < n - 1) {
		ids[at] = pair[at]->merged;
		n--;
		memmove(ids + at + 1, ids + at + 2, (n - at - 1) * sizeof *ids);
		memmove(pair + at, pair + at + 1, (n - at - 1) * sizeof *pair);
		if (at > 0)
			pair[at - 1] = ps_merge_find(merges, ids[at - 1], ids[at]);
		if (at + 1 < n)
			pair[at] = ps_merge_find(merges, ids[at], ids[at + 1]);
	}
	return n;
}

static void sift_down(uint64_t *heap, size_t count, size_t at)
{
	uint64_t moving = heap[at];

	for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
		child += child + 1 < count && heap[child + 1] < heap[child];
		if (heap[child] >= moving)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moving;
}

static void sift_up(uint64_t *heap, size_t at)
{
	uint64_t moving = heap[at];

	while (at > 0 && heap[(at - 1) / 2] > moving) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = moving;
}

static uint64_t heap_pop(ps_merge_scratch *scratch)
{
	uint64_t top = scratch->heap[0];

	scratch->heap[0] = scratch->heap[--scratch->heap_count];
	if (scratch->heap_count)
		sift_down(scratch->heap, scratch->heap_count, 0);
	return top;
}

static int heap_reserve(ps_merge_scratch *scratch, size_t need, ps_diag *diag)
{
	uint64_t *heap = ps_array_grow_within(scratch->room, scratch->heap, &scratch->heap_capacity,
					      need, sizeof *heap, diag);

	if (!heap)
		return PS_EBUDGET;
	scratch->heap = heap;
	return 0;
}

/* Puts the pair that begins at symbol `left` on the heap, if it merges. The heap has room for
 * it. */
static void note_pair(const ps_merge_table *merges, ps_merge_scratch *scratch, const int32_t *ids,
		      int32_t left, int32_t right)
{
	const ps_merge *merge = ps_merge_find(merges, ids[left], ids[right]);

	if (merge)
		scratch->heap[scratch->heap_count++] = (uint64_t)merge->rank << 32 | (uint32_t)left;
}

static int open_row(const ps_merge_table *merges, ps_merge_scratch *scratch, const int32_t *ids,
		    size_t n, ps_diag *diag)
{
	int32_t *link;
	int rc;

	if (n > INT32_MAX / 2)
		return ps_fail(diag, PS_EINPUT, "a word of %zu symbols is too long", n);
	link = ps_array_grow_within(scratch->room, scratch->link, &scratch->link_capacity, 2 * n,
				    sizeof *link, diag);
	if (!link)
		return PS_EBUDGET;
	scratch->link = link;
	rc = heap_reserve(scratch, n, diag);
	if (rc)
		return rc;
	scratch->heap_count = 0;
	for (size_t i = 0; i < n; i++) {
		link[i] = (int32_t)i - 1;
		link[n + i] = i + 1 < n ? (int32_t)i + 1 : -1;
		if (i + 1 < n)
			note_pair(merges, scratch, ids, (int32_t)i, (int32_t)i + 1);
	}
	for (size_t i = scratch->heap_count / 2; i-- > 0;)
		sift_down(scratch->heap, scratch->heap_count, i);
	return 0;
}

/* A symbol that was merged into its left neighbour has id -1. An entry of the heap is stale if its
 * pair has changed since; comparing ranks tells, because each pair has its own rank. */
static int merge_long(const ps_merge_table *merges, ps_merge_scratch *scratch, int32_t *ids,
		      size_t *n, ps_diag *diag)
{
	int rc = open_row(merges, scratch, ids, *n, diag);
	int32_t *previous, *next;
	size_t kept = 0;

	if (rc)
		return rc;
	previous = scratch->link;
	next = scratch->link + *n;
	while (scratch->heap_count) {
		uint64_t top = heap_pop(scratch);
		int32_t at = (int32_t)(uint32_t)top, right = ids[at] < 0 ? -1 : next[at];
		const ps_merge *merge =
			right < 0 ? NULL : ps_merge_find(merges, ids[at], ids[right]);

		if (!merge || merge->rank != top >> 32)
			continue;
		ids[at] = merge->merged;
		ids[right] = -1;
		next[at] = next[right];
		if (next[at] >= 0)
			previous[next[at]] = at;
		rc = heap_reserve(scratch, scratch->heap_count + 2, diag);
		if (rc)
			return rc;
		for (int side = 0; side < 2; side++) {
			int32_t first = side ? at : previous[at], second = side ? next[at] : at;
			size_t count = scratch->heap_count;

			if (first >= 0 && second >= 0)
				note_pair(merges, scratch, ids, first, second);
			if (scratch->heap_count > count)
				sift_up(scratch->heap, count);
		}
	}
	for (size_t i = 0; i < *n; i++)
		if (ids[i] >= 0)
			ids[kept++] = ids[i];
	*n = kept;
	return 0;
}

int ps_merge_row(const ps_merge_table *merges, ps_merge_scratch *scratch, int32_t *ids, size_t *n,
		 ps_diag *diag)
{
	if (!merges->count || *n < 2)
		return 0;
	if (*n > SHORT_ROW)
		return merge_long(merges, scratch, ids, n, diag);
	*n = merge_short(merges, ids, *n);
	return 0;
}

size_t ps_merge_scratch_bytes(const ps_merge_scratch *scratch)
{
	return scratch->link_capacity * sizeof *scratch->link +
	       scratch->heap_capacity * sizeof *scratch->heap;
}

void ps_merge_scratch_free(ps_merge_scratch *scratch)
{
	free(scratch->link);
	free(scratch->heap);
	*scratch = (ps_merge_scratch){0};
}
