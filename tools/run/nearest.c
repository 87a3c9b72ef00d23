#include "tools/run/nearest.h"

#include <stdint.h>
#include <string.h>

#include "core/base/checked.h"

#define NAME_LENGTH_MAX 63

/* Levenshtein's distance: insertions, deletions and replacements of one byte. row[j] is the
 * distance of the bytes of a so far to the first j of b. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[NAME_LENGTH_MAX + 1], n = strlen(b);

	if (n > NAME_LENGTH_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			best = ps_min_size(best, ps_min_size(row[j], row[j - 1]) + 1);
			row[j] = best;
		}
	}
	return row[n];
}

const char *ps_nearest_name(const char *word, const char *const *names)
{
	const char *best = NULL;
	size_t best_distance = strlen(word) / 2 + 2;

	for (; *names; names++) {
		size_t distance = edit_distance(word, *names);

		if (distance < best_distance) {
			best_distance = distance;
			best = *names;
		}
	}
	return best;
}
