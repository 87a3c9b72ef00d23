#include "tools/run/nearest.h"

#include <stdint.h>
#include <string.h>

#include "core/base/checked.h"

#define NAME_LENGTH_MAX 63
#define PART_LENGTH_MIN 4

/* The optimal string alignment of a and b: insertions, removals, replacements and exchanges of
 * neighbours. rows[i % 3][j] is the distance of the first i bytes of a to the first j of b. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t rows[3][NAME_LENGTH_MAX + 1], m = strlen(a), n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= m; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i - 1) % 3], *second = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = ps_min_size(row[j], ps_min_size(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = ps_min_size(row[j], second[j - 2] + 1);
		}
	}
	return rows[m % 3][n];
}

static const char *without_dashes(const char *name)
{
	return name + strspn(name, "-");
}

static size_t edits_allowed(size_t word, size_t name)
{
	const size_t edits = ps_max_size(ps_max_size(word, name) / 3, 1);

	return edits < word ? edits : word - 1;
}

static const char *fewest_edits(const char *word, const char *const *names)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (; *names; names++) {
		const char *name = without_dashes(*names);
		size_t distance, length = strlen(name);

		if (length > NAME_LENGTH_MAX)
			continue;
		distance = edit_distance(word, name);
		if (distance < best_distance && distance <= edits_allowed(strlen(word), length)) {
			best_distance = distance;
			best = *names;
		}
	}
	return best;
}

static const char *longest_inside(const char *word, const char *const *names)
{
	const char *best = NULL;
	size_t best_length = PART_LENGTH_MIN - 1;

	for (; *names; names++) {
		const size_t length = strlen(without_dashes(*names));

		if (length > best_length && strstr(word, without_dashes(*names))) {
			best_length = length;
			best = *names;
		}
	}
	return best;
}

static const char *shortest_around(const char *word, const char *const *names)
{
	const char *best = NULL;

	for (; strlen(word) >= PART_LENGTH_MIN && *names; names++)
		if (strstr(*names, word) && (!best || strlen(*names) < strlen(best)))
			best = *names;
	return best;
}

const char *ps_nearest_name(const char *word, const char *const *names)
{
	const char *best;

	word = without_dashes(word);
	if (!*word || strlen(word) > NAME_LENGTH_MAX)
		return NULL;
	best = fewest_edits(word, names);
	if (!best)
		best = longest_inside(word, names);
	return best ? best : shortest_around(word, names);
}
