/* tools/run/nearest.h: guesses which known name a mistyped word was meant to be. */
#ifndef PS_TOOLS_RUN_NEAREST_H
#define PS_TOOLS_RUN_NEAREST_H

/* The entry of names (NULL-ended) with the least edit distance to word; borrowed. NULL if none is
 * near: the distance may be half of the word's length and 1 at most. Names over 63 bytes are
 * passed over. */
const char *ps_nearest_name(const char *word, const char *const *names);

#endif
