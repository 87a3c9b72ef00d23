/* tools/study/arguments.h: the argument structs of commands, described field by field.
 *
 * A step's key is the digest of the arguments that its command gets. This is the one place that
 * turns an argument struct into the JSON that is digested. Each struct has a table with a row for
 * every field. A test reads the structs from their headers and checks that no field lacks a row
 * (test/tools/study/test_arguments.c). */
#ifndef PS_TOOLS_STUDY_ARGUMENTS_H
#define PS_TOOLS_STUDY_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"
#include "core/base/json.h"

/* What a field means for the bits of the command's result. */
typedef enum ps_argument_role {
	PS_ROLE_OPTION,    /* its value counts */
	PS_ROLE_INPUT,     /* a path: what lies there counts */
	PS_ROLE_TOKENIZER, /* a model's path: its tokenizer and BOS id count */
	PS_ROLE_MODEL,     /* a model's path: its weights and config count */
	PS_ROLE_BOTH,      /* a model's path: its weights, config and tokenizer count */
	PS_ROLE_ORIGIN,    /* a model's path, as PS_ROLE_MODEL; counts only where it is given */
	PS_ROLE_GIVEN,     /* as PS_ROLE_INPUT; counts only where it is given */
	PS_ROLE_OUTPUT,    /* a path that is written: does not count */
	PS_ROLE_FREE,      /* how the work is shown, sped up or allowed: does not count */
} ps_argument_role;

typedef enum ps_argument_type {
	PS_TYPE_TEXT,       /* const char * (NULL: null) */
	PS_TYPE_BOOL,       /* bool */
	PS_TYPE_INT,        /* int64_t */
	PS_TYPE_SEED,       /* uint64_t */
	PS_TYPE_SIZE,       /* size_t */
	PS_TYPE_REAL,       /* double (NaN: null) */
	PS_TYPE_TEXTS,      /* ps_text_list */
	PS_TYPE_INTS,       /* ps_int_list */
	PS_TYPE_TEXT_LISTS, /* const ps_text_list *; the size_t field before it counts the lists */
	PS_TYPE_VARIANTS,   /* ps_cache_variant[]; the size_t field before it counts them */
} ps_argument_type;

typedef struct ps_argument {
	const char *name;
	ps_argument_type type;
	ps_argument_role role;
	size_t offset, size; /* of the field */
} ps_argument;

typedef struct ps_argument_table {
	const char *command;
	const ps_argument *item; /* (count): in the order of the struct */
	size_t count;
	size_t struct_size;
} ps_argument_table;

extern const ps_argument_table ps_tokenize_arguments, ps_prune_arguments, ps_ppl_arguments,
	ps_cache_arguments, ps_train_arguments, ps_eval_arguments, ps_transfer_arguments,
	ps_ablate_arguments, ps_seeds_arguments, ps_survival_arguments, ps_features_arguments,
	ps_sparsity_arguments;

/* Returns what stands for a path in a key: a new reference, or NULL if the path is not known. */
typedef json_t *(*ps_identify_fn)(void *context, const char *path, ps_argument_role role);

/* Makes {field: value} of all fields that count. identify gives the value of a path. *json: a new
 * reference. PS_EFAILED: a path is not known, and its field is named. PS_EBUDGET: no memory. */
int ps_arguments_json(const ps_argument_table *table, const void *args, ps_identify_fn identify,
		      void *context, json_t **json, ps_diag *diag) PS_MUST_USE;

#endif
