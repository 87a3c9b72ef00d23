/* tools/run/nearest.h: guesses which known name a mistyped word was meant to be. */
#ifndef PS_TOOLS_RUN_NEAREST_H
#define PS_TOOLS_RUN_NEAREST_H

/* The entry of names (NULL-ended) that word was probably meant to be; borrowed. NULL if none is
 * near. Dashes at the beginning do not count.
 *
 * Near is first what few edits lead to: an edit is one byte inserted, removed or replaced, or two
 * neighbours exchanged. One edit for three bytes of the longer one is allowed, at least one, and
 * fewer than the word has bytes: a single byte is near only to its like ("-k": "--k"). If no name
 * is that near, the longest name of at least 4 bytes that stands in the word is taken
 * ("--num-threads": "--threads"), else the shortest one in which the word stands. Words and names
 * over 63 bytes are passed over. */
const char *ps_nearest_name(const char *word, const char *const *names);

#endif
