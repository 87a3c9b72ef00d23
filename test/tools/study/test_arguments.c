/* Every field of an argument struct has a row in its table, so that none can be left out of a
 * step's key. The fields are read from the headers themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "tools/cmd/commands.h"
#include "tools/study/arguments.h"

static const struct {
	const ps_argument_table *table;
	const char *header, *type;
} structs[] = {
	{&ps_tokenize_arguments, "tools/cmd/commands.h", "ps_tokenize_args"},
	{&ps_prune_arguments, "tools/cmd/commands.h", "ps_prune_args"},
	{&ps_ppl_arguments, "tools/cmd/commands.h", "ps_ppl_args"},
	{&ps_cache_arguments, "tools/cmd/commands.h", "ps_cache_args"},
	{&ps_train_arguments, "tools/train/train_args.h", "ps_train_args"},
	{&ps_eval_arguments, "tools/cmd/commands.h", "ps_eval_args"},
	{&ps_transfer_arguments, "tools/cmd/commands.h", "ps_transfer_args"},
	{&ps_features_arguments, "tools/cmd/commands.h", "ps_features_args"},
	{&ps_ablate_arguments, "tools/cmd/commands.h", "ps_ablate_args"},
	{&ps_seeds_arguments, "tools/cmd/commands.h", "ps_seeds_args"},
	{&ps_sparsity_arguments, "tools/cmd/commands.h", "ps_sparsity_args"},
	{&ps_survival_arguments, "tools/cmd/commands.h", "ps_survival_args"},
};

/* The text between the braces of the struct, without comments; malloc'ed. */
static char *body_of(const char *header, const char *type)
{
	char start[80], *text, *at, *end;
	size_t length;

	assert_int_equal(ps_file_read(&ps_sys_linux, header, 1 << 20, &text, &length, NULL), 0);
	snprintf(start, sizeof start, "typedef struct %s {", type);
	at = strstr(text, start);
	assert_non_null(at);
	memmove(text, at + strlen(start), strlen(at + strlen(start)) + 1);
	end = strstr(text, "\n}");
	assert_non_null(end);
	*end = 0;
	for (char *open; (open = strstr(text, "/*"));) {
		char *close = strstr(open, "*/");

		assert_non_null(close);
		memset(open, ' ', (size_t)(close + 2 - open));
	}
	return text;
}

/* The name that a declarator such as " *const item[4]" declares, in place. */
static char *declared_name(char *declarator)
{
	char *bracket = strchr(declarator, '['), *end = bracket ? bracket : strchr(declarator, 0);

	while (end > declarator && isspace((unsigned char)end[-1]))
		end--;
	*end = 0;
	while (end > declarator && (isalnum((unsigned char)end[-1]) || end[-1] == '_'))
		end--;
	return end;
}

static const ps_argument *row_of(const ps_argument_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (!strcmp(table->item[i].name, name))
			return &table->item[i];
	return NULL;
}

static void every_field_has_a_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof structs / sizeof *structs; i++) {
		char *body = body_of(structs[i].header, structs[i].type), *save = NULL;
		size_t fields = 0;

		for (char *part = strtok_r(body, ";,", &save); part;
		     part = strtok_r(NULL, ";,", &save)) {
			const char *name = declared_name(part);

			if (!*name)
				continue;
			if (!row_of(structs[i].table, name))
				fail_msg("%s.%s has no row in tools/study/arguments.c",
					 structs[i].type, name);
			fields++;
		}
		assert_int_equal(fields, structs[i].table->count);
		free(body);
	}
}

static size_t size_of(ps_argument_type type)
{
	switch (type) {
	case PS_TYPE_TEXT:
	case PS_TYPE_TEXT_LISTS:
		return sizeof(char *);
	case PS_TYPE_BOOL:
		return sizeof(bool);
	case PS_TYPE_INT:
	case PS_TYPE_SEED:
	case PS_TYPE_SIZE:
		return sizeof(int64_t);
	case PS_TYPE_REAL:
		return sizeof(double);
	case PS_TYPE_TEXTS:
		return sizeof(ps_text_list);
	case PS_TYPE_INTS:
		return sizeof(ps_int_list);
	case PS_TYPE_VARIANTS:
		return PS_LIST_MAX * sizeof(ps_cache_variant);
	}
	return 0;
}

static void rows_have_the_size_of_their_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof structs / sizeof *structs; i++)
		for (size_t j = 0; j < structs[i].table->count; j++)
			assert_int_equal(structs[i].table->item[j].size,
					 size_of(structs[i].table->item[j].type));
}

static json_t *identify(void *context, const char *path, ps_argument_role role)
{
	(void)context, (void)role;
	return strcmp(path, "unknown") ? json_sprintf("digest of %s", path) : NULL;
}

static void inputs_stand_for_what_lies_there(void **state)
{
	const ps_prune_args args = {.model = "m",
				    .method = "wanda",
				    .tokens = "t",
				    .out = "elsewhere",
				    .sparsity = NAN,
				    .dry_run = true};
	json_t *json = NULL;

	(void)state;
	assert_int_equal(ps_arguments_json(&ps_prune_arguments, &args, identify, NULL, &json, NULL),
			 0);
	assert_string_equal(json_string_value(json_object_get(json, "tokens")), "digest of t");
	assert_string_equal(json_string_value(json_object_get(json, "method")), "wanda");
	assert_true(json_is_null(json_object_get(json, "scope")));
	assert_true(json_is_null(json_object_get(json, "sparsity")));
	assert_null(json_object_get(json, "out"));
	assert_null(json_object_get(json, "dry_run"));
	json_decref(json);
}

static void an_input_that_nobody_knows_is_named(void **state)
{
	const ps_prune_args args = {.model = "m", .method = "wanda", .tokens = "unknown"};
	ps_diag diag = {{0}};
	json_t *json = NULL;

	(void)state;
	assert_int_equal(
		ps_arguments_json(&ps_prune_arguments, &args, identify, NULL, &json, &diag),
		PS_EFAILED);
	assert_non_null(strstr(diag.text, "tokens"));
	assert_null(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_has_a_row),
		cmocka_unit_test(rows_have_the_size_of_their_type),
		cmocka_unit_test(inputs_stand_for_what_lies_there),
		cmocka_unit_test(an_input_that_nobody_knows_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
