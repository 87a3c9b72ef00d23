/* tools/run/nearest.h: which known name a mistyped word was meant to be. */
#ifndef PS_TOOLS_RUN_NEAREST_H
#define PS_TOOLS_RUN_NEAREST_H

/* The entry of names (NULL-ended) nearest to word in edit distance, or NULL when none is near. */
const char *ps_nearest_name(const char *word, const char *const *names);

#endif
