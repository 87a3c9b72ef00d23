/* test/fault/tree.h: folders as a whole: listed with digests, compared, copied, emptied.
 *
 * These are test helpers: a system call that fails ends the program. */
#ifndef TEST_FAULT_TREE_H
#define TEST_FAULT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tree_file {
	char *path; /* below the folder */
	uint64_t digest;
};

struct tree {
	struct tree_file *file; /* by path */
	size_t count;
	uint64_t ignored; /* digest of the names of the files that were ignored */
};

/* Names or paths (fnmatch) that differ between two runs by their nature, such as logs of rates. */
struct tree_patterns {
	const char *item[32];
	size_t count;
};

bool tree_matches(const struct tree_patterns *patterns, const char *path);
/* Reads all files of a folder but the ignored ones. In a file that `timed` matches, every JSON
 * value of `keys` is left out: seconds, rates. */
struct tree tree_read(const char *folder, const struct tree_patterns *ignored,
		      const struct tree_patterns *timed, const struct tree_patterns *keys);
void tree_free(struct tree *tree);
/* Of all names and digests, and of the names of the files that were ignored. */
uint64_t tree_digest(const struct tree *tree);
/* The first path that is not the same in both. NULL: none. With `part`, files that b alone has are
 * allowed, as are files of both that `part` matches. */
const char *tree_difference(const struct tree *a, const struct tree *b,
			    const struct tree_patterns *part);

/* Makes a folder empty (and makes it), then copies what `from` holds into it. NULL: nothing. */
void tree_reset(const char *folder, const char *from);
/* Copies what a folder holds into another one, but not the entry of this name at its top. */
void tree_copy(const char *from, const char *to, const char *without);

/* A JSON text without the values of some keys, as a digest. Not JSON: the digest of the text. */
uint64_t json_digest(const char *text, size_t length, const struct tree_patterns *keys);

#endif
