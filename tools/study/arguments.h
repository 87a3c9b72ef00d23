/* tools/study/arguments.h: the argument structs of commands, described field by field.
 *
 * A step of a study is known by the digest of the arguments that its command gets. This is the one place that turns
 * an argument struct into what is digested. Each struct has a table with a row for every field; a test checks that
 * the rows cover the whole struct, so that a new field cannot be forgotten. */
#ifndef PS_TOOLS_STUDY_ARGUMENTS_H
#define PS_TOOLS_STUDY_ARGUMENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"

/* What a field means for the bits of the command's result. */
typedef enum ps_argument_role {
	PS_ROLE_OPTION,    /* its value determines them */
	PS_ROLE_INPUT,     /* a path: what lies there determines them */
	PS_ROLE_TOKENIZER, /* a model's path, of which only the tokenizer and the BOS id matter */
	PS_ROLE_MODEL,     /* a model's path: weights and config matter */
	PS_ROLE_BOTH,      /* a model's path: weights, config and tokenizer matter */
	PS_ROLE_OUTPUT,    /* a path that is written: it does not matter */
	PS_ROLE_FREE,      /* it does not matter: how the work is shown, sped up or allowed */
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
	PS_TYPE_TEXT_LISTS, /* const ps_text_list *, one for each condition of the size_t before it */
	PS_TYPE_VARIANTS, /* ps_cache_variant[PS_LIST_MAX], as many as the size_t before it says */
} ps_argument_type;

typedef struct ps_argument {
	const char *name;
	ps_argument_type type;
	ps_argument_role role;
	size_t offset, size; /* of the field */
} ps_argument;

typedef struct ps_argument_table {
	const char *command;
	const ps_argument *item; /* by offset */
	size_t count;
	size_t struct_size;
} ps_argument_table;

extern const ps_argument_table ps_tokenize_arguments, ps_prune_arguments, ps_ppl_arguments,
	ps_cache_arguments, ps_train_arguments, ps_eval_arguments, ps_transfer_arguments,
	ps_ablate_arguments, ps_seeds_arguments, ps_survival_arguments, ps_report_arguments;

/* What stands for a path in a key: a new reference, or NULL when the path is not known. */
typedef json_t *(*ps_identify_fn)(void *context, const char *path, ps_argument_role role);

/* {field: value} of all fields that determine the bits; inputs are replaced by what identify gives for their paths.
 * *json is new. PS_EFAILED names a field whose path is not known; PS_EBUDGET when memory runs out. */
int ps_arguments_json(const ps_argument_table *table, const void *args, ps_identify_fn identify,
		      void *context, json_t **json, ps_diag *diag) PS_MUST_USE;

#endif
