/* tools/study/study_keys.h: every key of a study file: where it may stand, what it may be, and
 * where its value goes. This table is the one place for them. study_read.c reads a file by it. */
#ifndef PS_TOOLS_STUDY_STUDY_KEYS_H
#define PS_TOOLS_STUDY_STUDY_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/number.h"

typedef enum ps_study_type {
	PS_STUDY_TEXT,  /* char * */
	PS_STUDY_WORD,  /* char *: one of the key's words */
	PS_STUDY_WHOLE, /* int64_t */
	PS_STUDY_REAL,  /* double */
	PS_STUDY_SHARE, /* double; may be written with % */
	PS_STUDY_BOOL,  /* bool */
	PS_STUDY_MAP,   /* keys of its own: those whose group has this key's name */
	PS_STUDY_ITEM,  /* of a list: a struct with keys of its own: those of the key's group */
} ps_study_type;

typedef struct ps_study_key {
	const char *group; /* the key under which it stands; "": it stands at the top */
	const char *name;
	ps_study_type type; /* of a list: of its items */
	size_t offset;      /* in ps_study_file; of an item's keys: in the item */
	bool wanted;        /* a study cannot do without */
	ps_range range;     /* of a number; of a text: of its length in bytes */
	/* A list: a pointer to its items, (count) of them. 0: it is no list. */
	size_t items_max;
	size_t item_bytes;        /* of an item of type PS_STUDY_ITEM */
	size_t count_offset;      /* of the list's count, an unsigned */
	const char *const *words; /* of a word; NULL at the end */
	const char *help;         /* one line: "token ids in a window" */
	const char *usual;        /* what holds where the key is absent; NULL: nothing does */
} ps_study_key;

/* (ps_study_key_count), in the order of studies/README.md */
extern const ps_study_key ps_study_keys[];
extern const size_t ps_study_key_count;

/* The key of that name in the group; NULL: there is none. */
const ps_study_key *ps_study_key_find(const char *group, const char *name);
/* Whether the key is one of an item of a list. */
bool ps_study_key_in_item(const ps_study_key *key);
/* Writes what to say about a name that is no key of the group into out: the group that has the key,
 * the nearest key that can stand there, or all that can. */
void ps_study_key_guess(const char *group, const char *name, char *out, size_t size);
/* Writes "sae.k" into out, and returns out. */
char *ps_study_key_name(const ps_study_key *key, char *out, size_t size);
/* Writes what the key's value must be: "a whole number, 1 to 65536". item: of one item of a list.
 * Returns out. */
char *ps_study_key_wants(const ps_study_key *key, bool item, char *out, size_t size);

#endif
