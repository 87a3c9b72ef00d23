/* Inputs of 1 MB that are made to be costly: each reader takes at most a second and 100 MB.
 *
 * Each case runs in a child process, whose time and memory are counted. Whether an input is
 * accepted does not matter here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/model/config.h"
#include "core/tokenizer/tokenizer.h"
#include "io/checkpoint.h"
#include "io/shard_index.h"
#include "test/support/support_checkpoint.h"

#define BYTES ((size_t)1 << 20)
#define SECONDS 1.0
#define MEGABYTES 100.0

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true /* memory and time are the sanitizer's as well */
#else
#define SANITIZED false
#endif

static char folder[256];

static int make_folder(void **state)
{
	(void)state;
	ck_make_folder(folder, sizeof folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	ck_remove_folder(folder);
	return 0;
}

/* A text of 1 MB: before, then part as often as it fits, then after. '#' in part becomes a
 * number. */
struct recipe {
	const char *before, *part, *after;
};

static char *make_text(const struct recipe *recipe, size_t *length)
{
	char *text = malloc(BYTES + 64), piece[160];
	size_t used = strlen(recipe->before), end = strlen(recipe->after);

	assert_non_null(text);
	strcpy(text, recipe->before);
	for (unsigned i = 0;; i++) {
		size_t n = 0;

		for (const char *c = recipe->part; *c; c++) {
			if (*c == '#')
				n += (size_t)snprintf(piece + n, sizeof piece - n, "%u", i);
			else
				piece[n++] = *c;
		}
		if (used + n + end > BYTES)
			break;
		memcpy(text + used, piece, n);
		used += n;
	}
	strcpy(text + used, recipe->after);
	*length = used + end;
	return text;
}

typedef void (*reader)(const char *text, size_t length);

static void read_config(const char *text, size_t length)
{
	static ps_model_config config;

	(void)!ps_config_parse(text, length, "config.json", &config, NULL);
}

static int ignore(void *context, int32_t id)
{
	(void)context;
	(void)id;
	return 0;
}

static void read_tokenizer(const char *text, size_t length)
{
	static const char words[] = "aaaa bbb  ab 12 <s>";
	ps_tokenizer *tokenizer;

	if (ps_tokenizer_create(&tokenizer, text, length, "tokenizer.json", NULL))
		return;
	(void)!ps_tokenizer_encode(tokenizer, words, sizeof words - 1, ignore, NULL, NULL);
	ps_tokenizer_destroy(tokenizer);
}

static void write_header(const char *text, size_t length)
{
	uint64_t prefix = length;
	char path[512];
	FILE *file;

	snprintf(path, sizeof path, "%s/model.safetensors", folder);
	file = fopen(path, "wb");
	if (!file || fwrite(&prefix, sizeof prefix, 1, file) != 1 ||
	    fwrite(text, 1, length, file) != length || fclose(file))
		abort();
}

static void read_header(const char *text, size_t length)
{
	ps_checkpoint *checkpoint;

	write_header(text, length);
	ck_write_text(folder, "config.json", ck_llama_config);
	if (!ps_checkpoint_open(&checkpoint, &ps_sys_linux, folder, NULL))
		ps_checkpoint_close(checkpoint);
}

static void read_index(const char *text, size_t length)
{
	ps_shard_set set;

	(void)length;
	ck_write_text(folder, "model.safetensors.index.json", text);
	if (!ps_shard_set_open(&set, &ps_sys_linux, folder, NULL))
		ps_shard_set_close(&set);
}

static double seconds_of(const struct rusage *usage)
{
	return (double)usage->ru_utime.tv_sec + (double)usage->ru_utime.tv_usec * 1e-6 +
	       (double)usage->ru_stime.tv_sec + (double)usage->ru_stime.tv_usec * 1e-6;
}

/* Runs the reader in a child; the child that does nothing is what the memory is compared with. */
static void measure(reader read, const char *text, size_t length, double *seconds,
		    double *megabytes)
{
	struct rusage usage;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		if (read)
			read(text, length);
		_exit(0);
	}
	assert_int_equal(wait4(child, &status, 0, &usage), child);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	*seconds = seconds_of(&usage);
	*megabytes = (double)usage.ru_maxrss * 1024e-6;
}

static void check(const char *name, reader read, const struct recipe *recipes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		double seconds, megabytes, idle_seconds, idle_megabytes;
		size_t length;
		char *text = make_text(&recipes[i], &length);

		measure(NULL, text, length, &idle_seconds, &idle_megabytes);
		measure(read, text, length, &seconds, &megabytes);
		print_message("%s %.24s%.40s: %.3f s, %.0f MB\n", name, recipes[i].before,
			      recipes[i].part, seconds, megabytes - idle_megabytes);
		free(text);
		if (SANITIZED)
			continue;
		assert_true(seconds < SECONDS);
		assert_true(megabytes - idle_megabytes < MEGABYTES);
	}
}

#define CHECK(read, recipes) check(#read, read, recipes, sizeof(recipes) / sizeof *(recipes))

static void config_json(void **state)
{
	static const struct recipe recipes[] = {
		{"{\"a\":[", "{},", "0]}"},
		{"{\"a\":[", "[],", "0]}"},
		{"{\"a\":[", "0,", "0]}"},
		{"{\"a\":[", "\"\",", "0]}"},
		{"{\"a\":[", "NaN,", "0]}"},
		{"{", "\"#\":{\"\":0},", "\"a\":0}"},
		{"{", "\"#\":0,", "\"a\":0}"},
		{"{\"a\":", "[", ""},
		{"{\"a\":", "{\"a\":", ""},
		{"{\"a\":", "9", "}"},
		{"{\"a\":0.", "9", "e99999}"},
		{"{\"a\":\"", "\\u0101", "\"}"},
		{"{\"model_type\": \"gemma2\", \"layer_types\":[", "\"sliding_attention\",", "0]}"},
	};

	(void)state;
	CHECK(read_config, recipes);
}

#define MODEL "{\"model\":{\"type\":\"BPE\","
#define AB "\"vocab\":{\"a\":0,\"b\":1,\"aa\":2,\"ab\":3},\"merges\":["
#define SPLIT(regex) "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex
#define SPLIT_END                                                                                  \
	"\"},\"behavior\":\"Isolated\",\"invert\":false},"                                         \
	"\"model\":{" AB "]}}"
#define ADDED                                                                                      \
	",\"single_word\":false,\"lstrip\":true,\"rstrip\":true,\"normalized\":false,"             \
	"\"special\":true}"

static void tokenizer_json(void **state)
{
	static const struct recipe recipes[] = {
		{MODEL "\"vocab\":{", "\"#\":#,", "\"a\":9999999},\"merges\":[]}}"},
		{MODEL "\"vocab\":{\"", "a", "\":0},\"merges\":[]}}"},
		{MODEL AB, "[\"a\",\"a\"],", "[\"a\",\"b\"]]}}"},
		{MODEL AB "\"", "a", "a\"]}}"},
		{MODEL AB "]},\"added_tokens\":[", "{\"id\":#,\"content\":\"<#>\"" ADDED ",",
		 "{\"id\":0,\"content\":\"a\"" ADDED "]}"},
		{MODEL AB "]},\"added_tokens\":[{\"id\":9,\"content\":\"", "a", "\"" ADDED "]}"},
		{MODEL AB "]},\"x\":", "[", ""},
		{MODEL AB "]},\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[",
		 "{\"type\":\"Prepend\",\"prepend\":\"aa\"},",
		 "{\"type\":\"Prepend\",\"prepend\":\"aa\"}]}}"},
		{MODEL AB "]},\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[",
		 "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"aaaaaaaaaa\"}"
		 ",",
		 "{\"type\":\"Prepend\",\"prepend\":\"aa\"}]}}"},
		{MODEL AB "]},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[",
		 "{\"type\":\"Digits\",\"individual_digits\":true},",
		 "{\"type\":\"Digits\",\"individual_digits\":true}]}}"},
		{MODEL AB "]},\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[",
		 "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[^\\\\p{L}]+[\\\\p{P}]#\"},"
		 "\"content\":\"\"},",
		 "{\"type\":\"Prepend\",\"prepend\":\"aa\"}]}}"},
		{SPLIT("("), "a|", "b)" SPLIT_END},
		{SPLIT(""), "[\\\\p{L}x]", SPLIT_END},
		{SPLIT(""), "[^#]", SPLIT_END},
		{SPLIT(""), "(", SPLIT_END},
		{SPLIT(""), "(?:a", SPLIT_END},
		{SPLIT(""), "(?:a)?", SPLIT_END},
		{SPLIT(""), "a{1,9}", SPLIT_END},
		{SPLIT("["), "\\\\p{L}", "]" SPLIT_END},
		{SPLIT("["), "[^a", "]" SPLIT_END},
	};

	(void)state;
	CHECK(read_tokenizer, recipes);
}

#define TENSOR "\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]"

static void safetensors_headers(void **state)
{
	static const struct recipe recipes[] = {
		{"{", "\"#\":{" TENSOR "},", "\"a\":{" TENSOR "}}"},
		{"{", "\"model.layers.0.mlp.up_proj.weight.#\":{" TENSOR "},",
		 "\"model.embed_tokens.weight\":{" TENSOR "}}"},
		{"{\"a\":[", "{},", "0]}"},
		{"{\"a\":[", "[],", "0]}"},
		{"{\"a\":{\"shape\":[", "1,", "1]}}"},
		{"{\"__metadata__\":{", "\"#\":\"\",", "\"a\":\"\"}}"},
		{"{\"__metadata__\":{\"prunescope\":\"{\\\"a\\\":[", "{},", "0]}\"}}"},
		{"{\"a\":", "[", ""},
		{"{\"", "a", "\":{" TENSOR "}}"},
	};

	(void)state;
	CHECK(read_header, recipes);
}

static void indexes(void **state)
{
	static const struct recipe recipes[] = {
		{"{\"weight_map\":{", "\"#\":\"a\",", "\"a\":\"a\"}}"},
		{"{\"weight_map\":{", "\"#\":\"#\",", "\"a\":\"a\"}}"},
		{"{\"weight_map\":{},\"x\":[", "{},", "0]}"},
		{"{\"weight_map\":{\"a\":\"", "a", "\"}}"},
	};

	(void)state;
	CHECK(read_index, recipes);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_json),
		cmocka_unit_test(tokenizer_json),
		in_folder(safetensors_headers),
		in_folder(indexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
