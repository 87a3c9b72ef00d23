#include "tools/cli/print_values.h"

#include <stdio.h>
#include <string.h>

static void print_cell(const json_t *value, size_t width)
{
	char text[64];

	if (json_is_string(value)) {
		printf("%-*s", (int)width, json_string_value(value));
		return;
	}
	if (json_is_integer(value))
		snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(text, sizeof text, "%.6g", json_real_value(value));
	else
		snprintf(text, sizeof text, "%s", json_is_null(value) ? "undefined" : "");
	printf("%*s", (int)width, text);
}

/* As wide as the column's name, a number or its longest word. */
static size_t column_width(const json_t *rows, const char *key)
{
	size_t width = strlen(key) < 10 ? 10 : strlen(key);

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const char *text = json_string_value(json_object_get(json_array_get(rows, i), key));

		width = text && strlen(text) > width ? strlen(text) : width;
	}
	return width;
}

static void print_table(const json_t *rows)
{
	json_t *first = json_array_get(rows, 0);
	const char *key;
	json_t *value;

	for (size_t i = 0; i <= json_array_size(rows); i++) {
		const char *between = "";

		json_object_foreach (first, key, value) {
			const size_t width = column_width(rows, key);

			if (json_is_array(value) || json_is_object(value))
				continue;
			printf("%s", between);
			between = "  ";
			if (i)
				print_cell(json_object_get(json_array_get(rows, i - 1), key),
					   width);
			else
				printf("%*s", json_is_string(value) ? -(int)width : (int)width,
				       key);
		}
		printf("\n");
	}
}

/* As wide as the longest name. */
static size_t name_width(const json_t *result)
{
	size_t width = 20;
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)result, key, value)
		width = strlen(key) > width ? strlen(key) : width;
	return width;
}

void ps_print_values(const json_t *result)
{
	const int width = (int)name_width(result);
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)result, key, value) {
		if (json_is_string(value))
			printf("%-*s %s\n", width, key, json_string_value(value));
		else if (json_is_integer(value))
			printf("%-*s %lld\n", width, key, (long long)json_integer_value(value));
		else if (json_is_real(value))
			printf("%-*s %.6g\n", width, key, json_real_value(value));
		else if (json_is_boolean(value))
			printf("%-*s %s\n", width, key, json_is_true(value) ? "yes" : "no");
		else if (json_is_null(value))
			printf("%-*s undefined\n", width, key);
	}
}

void ps_print_listed(const json_t *result, const char *key)
{
	const json_t *rows = json_object_get(result, key);

	if (rows)
		print_table(rows);
	ps_print_values(result);
}
