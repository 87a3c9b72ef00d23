/* core/base/sort.h: sorts 32-bit words where they lie.
 *
 * Heap sort. It takes no memory (qsort of the C library may), has no worst case, and its result
 * depends on the comparison alone as long as no two words are equal by it. Cost: O(count log
 * count). */
#ifndef PS_CORE_BASE_SORT_H
#define PS_CORE_BASE_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether word a must stand behind word b. */
typedef bool ps_goes_after(const void *self, uint32_t a, uint32_t b);

static inline void ps_sort_sift(uint32_t *words, size_t at, size_t count, ps_goes_after *goes_after,
				const void *self)
{
	const uint32_t moving = words[at];

	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && goes_after(self, words[child + 1], words[child]))
			child++;
		if (!goes_after(self, words[child], moving))
			break;
		words[at] = words[child];
	}
	words[at] = moving;
}

/* Sorts words (count). It is inline, so that the compiler sees the comparison. */
static inline void ps_sort_words(uint32_t *words, size_t count, ps_goes_after *goes_after,
				 const void *self)
{
	for (size_t i = count / 2; i-- > 0;)
		ps_sort_sift(words, i, count, goes_after, self);
	for (size_t end = count; end-- > 1;) {
		const uint32_t last = words[0];

		words[0] = words[end];
		words[end] = last;
		ps_sort_sift(words, 0, end, goes_after, self);
	}
}

#endif
