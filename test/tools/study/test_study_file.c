/* Study files: what is understood, and what is refused by file, line, column and key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/study/study_file.h"

static char folder[] = "/tmp/prunescope-file-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/study.yaml", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void write_bytes(const char *bytes, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

/* The file that the tests change; each line is one that a case may replace. */
static const char base[] = "name: a study\n"                                        /* 1 */
			   "models: [{name: llama, path: some/folder, layer: 3}]\n" /* 2 */
			   "text: [a.txt]\n"                                        /* 3 */
			   "methods: [magnitude]\n"                                 /* 4 */
			   "sparsities: [0.5]\n"                                    /* 5 */
			   "seeds: [1]\n"                                           /* 6 */
			   "window: 128\n"                                          /* 7 */
			   "calibration_tokens: 1024\n"                             /* 8 */
			   "train_tokens: 16384\n"                                  /* 9 */
			   "ppl: {text: b.txt, window: 128, stride: 64}\n"          /* 10 */
			   "sae: {k: 8, batch: 256}\n";                             /* 11 */

static size_t build(const char *from, const char *to, char *out, size_t size)
{
	const char *at = from ? strstr(base, from) : base + strlen(base);

	if (!at)
		fail_msg("the base has no '%s'", from);
	snprintf(out, size, "%.*s%s%s", (int)(at - base), base, to, at + (from ? strlen(from) : 0));
	return strlen(out);
}

static int load(const char *from, const char *to, ps_study_file **file, ps_diag *diag)
{
	char text[8192];
	const size_t length = build(from, to, text, sizeof text);

	write_bytes(text, length);
	*diag = (ps_diag){{0}};
	*file = NULL;
	return ps_study_file_load(file, path, diag);
}

static void numbers_are_understood_as_wholes(void **state)
{
	static const struct {
		const char *text;
		int64_t tokens;
	} numbers[] = {
		{"512e3", 512000},  {"600k", 600000},   {"1_000_000", 1000000},
		{"1024K", 1024000}, {"2.5M", 2500000},  {"1e6", 1000000},
		{"+20000", 20000},  {"20000.0", 20000}, {"20_000 # tokens", 20000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		ps_study_file *f;
		ps_diag diag;
		char to[64];

		snprintf(to, sizeof to, "train_tokens: %s", numbers[i].text);
		if (load("train_tokens: 16384", to, &f, &diag))
			fail_msg("%s: %s", to, diag.text);
		assert_int_equal(f->train_tokens, numbers[i].tokens);
		assert_int_equal(f->cache_tokens, numbers[i].tokens);
		ps_study_file_free(f);
	}
}

/* A key of the file for whole numbers: how it stands in the base, or NULL where it is added. */
static const struct {
	const char *key, *from, *format;
	bool zero; /* 0 has a meaning */
} wholes[] = {
	{"models.layer", "layer: 3", "layer: %s", true},
	{"seeds", "seeds: [1]", "seeds: [%s]", true},
	{"window", "window: 128\ncal", "window: %s\ncal", false},
	{"calibration_tokens", "calibration_tokens: 1024", "calibration_tokens: %s", false},
	{"train_tokens", "train_tokens: 16384", "train_tokens: %s", false},
	{"cache_tokens", NULL, "cache_tokens: %s\n", false},
	{"min_chars", NULL, "min_chars: %s\n", true},
	{"pruned_seeds", NULL, "pruned_seeds: %s\n", false},
	{"ppl.window", "window: 128, ", "window: %s, ", false},
	{"ppl.stride", "stride: 64", "stride: %s", false},
	{"ppl.max_tokens", "stride: 64", "max_tokens: %s", true},
	{"sae.expansion", "k: 8", "expansion: %s", false},
	{"sae.d_sae", "k: 8", "d_sae: %s", false},
	{"sae.k", "k: 8", "k: %s", false},
	{"sae.batch", "batch: 256", "batch: %s", false},
	{"splice.windows", NULL, "splice: {windows: %s}\n", true},
	{"ablation.features", NULL, "ablation: {features: %s}\n", true},
	{"ablation.windows", NULL, "ablation: {features: 4, windows: %s}\n", false},
	{"bootstrap.samples", NULL, "bootstrap: {samples: %s}\n", false},
};

/* Not a whole number, whatever the key. */
static const char *const no_wholes[] = {
	"8.7",
	"1.9",
	"128 tokens",
	"0.5%",
	"30%",
	"0x10",
	"010",
	"\"8\"",
	"'8'",
	"\" 8\"",
	"yes",
	"true",
	"on",
	"null",
	"~",
	"",
	".nan",
	".inf",
	"-.inf",
	"1e400",
	"9223372036854775808",
	"18446744073709551624",
	"-1",
	"-3",
	"[8]",
	"{a: 8}",
	"eight",
	"1__0",
	"8_",
	"!!int 8",
	"&a 8",
	"*a",
	"1e-3",
	"8m",
	"8KiB",
	"\"8\\0x\"",
};

/* Loads a file with one value changed. It must be refused, with line and key. */
static void must_refuse(const char *key, const char *from, const char *to)
{
	ps_study_file *f;
	ps_diag diag = {{0}};
	int rc = load(from, to, &f, &diag);

	if (rc != PS_EINPUT)
		fail_msg("'%s': %d is returned, %s", to, rc, diag.text);
	if (!strstr(diag.text, path) || !strstr(diag.text, "line ") ||
	    (key && !strstr(diag.text, key)))
		fail_msg("'%s': the message names not all of file, line and %s: %s", to, key,
			 diag.text);
	if (strchr(diag.text, '\n') || strstr(diag.text, "Backtrace"))
		fail_msg("'%s': the message has several lines: %s", to, diag.text);
}

static void what_is_no_whole_number_is_refused_at_every_key(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof wholes / sizeof *wholes; k++) {
		char to[128];

		for (size_t i = 0; i < sizeof no_wholes / sizeof *no_wholes; i++) {
			snprintf(to, sizeof to, wholes[k].format, no_wholes[i]);
			/* An empty value between brackets is an empty list. */
			must_refuse(*no_wholes[i] == '*' ? NULL : wholes[k].key, wholes[k].from,
				    to);
		}
		snprintf(to, sizeof to, wholes[k].format, "0");
		if (!wholes[k].zero)
			must_refuse(wholes[k].key, wholes[k].from, to);
	}
}

static void a_zero_is_a_zero_where_it_has_a_meaning(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof wholes / sizeof *wholes; k++) {
		ps_study_file *f;
		ps_diag diag;
		char to[128];

		snprintf(to, sizeof to, wholes[k].format, "0");
		if (wholes[k].zero && load(wholes[k].from, to, &f, &diag))
			fail_msg("%s: %s", to, diag.text);
		if (wholes[k].zero)
			ps_study_file_free(f);
	}
}

static void real_numbers_are_whole_texts_too(void **state)
{
	static const char *const no_reals[] = {
		"0.5 percent", "half",  "1.5",      "1",    "0",   "-0.5",    "-0",   ".nan",
		".inf",        "1e400", "1e-400",   "0,5x", "0x1", "\"0.5\"", "~",    "",
		"true",        "[0.5]", "{a: 0.5}", "150%", "0%",  "00.5",    "0.5f",
	};
	static const char *const no_rates[] = {"nan", ".nan", "inf", ".inf", "0",    "-1",   "-0.0",
					       "1%",  "1k",   "~",   "",     "fast", "1e400"};
	ps_study_file *f;
	ps_diag diag = {{0}};
	char to[64];

	(void)state;
	for (size_t i = 0; i < sizeof no_reals / sizeof *no_reals; i++) {
		snprintf(to, sizeof to, "[0.25, %s]", no_reals[i]);
		/* ", ]" ends a list in YAML. */
		if (*no_reals[i])
			must_refuse("sparsities", "[0.5]", to);
	}
	for (size_t i = 0; i < sizeof no_rates / sizeof *no_rates; i++) {
		snprintf(to, sizeof to, "k: 8, lr: %s", no_rates[i]);
		must_refuse("sae.lr", "k: 8", to);
	}
	assert_int_equal(load("[0.5]", "[30%, 5e-1, .75]", &f, &diag), 0);
	assert_true(f->sparsities[0] == 0.3 && f->sparsities[1] == 0.5 && f->sparsities[2] == 0.75);
	ps_study_file_free(f);
	assert_int_equal(load("k: 8", "k: 8, lr: 4e-3", &f, &diag), 0);
	assert_true(f->sae.lr == 0.004);
	ps_study_file_free(f);
}

/* What is wrong, and a part of what the message says of it. */
static const struct {
	const char *from, *to, *says;
} wrong[] = {
	/* names */
	{"name: llama", "name: \"a/b\"", "models.name"},
	{"name: llama", "name: ../x", "models.name"},
	{"name: llama", "name: ..", "models.name"},
	{"name: llama", "name: .hidden", "models.name"},
	{"name: llama", "name: '-x'", "models.name"},
	{"name: llama", "name: 'a\\b'", "models.name"},
	{"name: llama", "name: \"ll\\0ama\"", "models.name"},
	{"name: llama", "name: \"ll\\nama\"", "models.name"},
	{"name: llama", "name: \"ll\\tama\"", "models.name"},
	{"name: llama", "name: \"ll\\x7fama\"", "models.name"},
	{"name: llama", "name: \"ll\\x85ama\"", "models.name"},
	{"name: llama", "name: ''", "models.name"},
	{"name: llama", "name: ~", "models.name"},
	{"name: llama", "name: null", "models.name"},
	{"name: llama", "name: [a]", "models.name"},
	{"name: llama", "name: assemble.json", "models.name"},
	{"name: llama", "name: report.json", "is the name of a record of the study"},
	{"name: a study", "name: \"a\\0study\"", "name"},
	{"name: a study", "name: \"a\\nstudy\"", "name"},
	{"name: a study", "name: |\n  a study\n", "name"},
	{"some/folder", "\"some\\0folder\"", "models.path"},
	{"some/folder", "''", "models.path"},
	{"[a.txt]", "[\"a.txt\\0\"]", "text"},
	{"[a.txt]", "[\"a.txt\\n\"]", "text"},
	{"[a.txt]", "[~]", "text"},
	{"b.txt", "\"b\\0.txt\"", "ppl.text"},
	/* types, with what is right */
	{"text: [a.txt]", "text: a.txt", "a list"},
	{"text: [a.txt]", "text: {a: b}", "a list"},
	{"text: [a.txt]", "text: []", "empty"},
	{"text: [a.txt]", "text: [[a.txt]]", "text"},
	{"text: [a.txt]", "text: [{a: b}]", "text"},
	{"text: [a.txt]", "text:", "text"},
	{"seeds: [1]", "seeds: 1", "a list of whole numbers"},
	{"seeds: [1]", "seeds: [1, 2, 1]", "twice"},
	{"seeds: [1]", "seeds: [1, 1.0]", "twice"},
	{"seeds: [1]", "seeds: [1, 1e0]", "twice"},
	{"seeds: [1]", "seeds: [9223372036854775807]", "too large"},
	{"[0.5]", "[0.5, 50%]", "twice"},
	{"[0.5]", "[0.5, .50]", "twice"},
	{"methods: [magnitude]", "methods: [magnitude, magnitude]", "twice"},
	{"methods: [magnitude]", "methods: magnitude", "a list"},
	{"methods: [magnitude]", "methods: [magnitud]", "magnitude or wanda"},
	{"methods: [magnitude]", "methods: [magnitude, wanda, wanda]", "more than 2"},
	{"{name: llama, path: some/folder, layer: 3}", "llama", "a map"},
	{"[{name: llama, path: some/folder, layer: 3}]",
	 "{name: llama, path: some/folder, layer: 3}",
	 "a list of maps, each with name, path and layer"},
	{"{name: llama, path: some/folder, layer: 3}",
	 "{name: a, path: p, layer: 1}, {name: a, path: q, layer: 2}", "twice"},
	{", layer: 3", "", "layer"},
	{NULL, "checkpoints: [{name: a, path: p, model: lama}]\n", "none of the models"},
	{NULL, "checkpoints: [{name: a/b, path: p}]\n", "checkpoints.name"},
	{NULL, "checkpoints: [{name: tokens.json, path: p}]\n", "ends like a file"},
	{NULL, "checkpoints: [{name: a}]\n", "the key 'path' is missing"},
	{NULL, "checkpoints: [a]\n", "a map with name and path"},
	{NULL, "checkpoints: {name: a, path: p}\n", "a list of maps, each with name and path"},
	{NULL, "checkpoints: [{name: a, path: p, layer: 3}]\n", "belongs under models"},
	{"{name: llama, path: some/folder, layer: 3}]",
	 "{name: a, path: p, layer: 1}, {name: b, path: q, layer: 2}]\ncheckpoints: [{name: c, "
	 "path: r}]",
	 "the key 'model' is missing"},
	{"layer: 3", "layer: 3, layer: 3", "twice"},
	{"sae: {k: 8, batch: 256}", "sae: 8", "a map"},
	{"sae: {k: 8, batch: 256}", "sae: [k]", "a map"},
	{"sae: {k: 8, batch: 256}", "sae:", "a map"},
	{"k: 8", "k: 8, expansion: 4, d_sae: 64", "exp"},
	{"k: 8", "k: 8, k: 8", "twice, first in line 11"},
	{"window: 128\ncal", "window: 128\nwindow: 128\ncal", "twice, first in line 7"},
	{NULL, "bos: maybe\n", "none or window"},
	{NULL, "bos: none\nbos: none\n", "twice"},
	{NULL, "documents: page\n", "file or line"},
	{NULL, "precision: int8\n", "f32 or bf16 or int16"},
	{NULL, "magnitude: {pool_embedding: yes}\n", "true or false"},
	{NULL, "magnitude: {pool_embedding: on}\n", "true or false"},
	{NULL, "magnitude: {pool_embedding: 1}\n", "true or false"},
	{NULL, "magnitude: {pool_embedding: \"true\"}\n", "true or false"},
	{NULL, "magnitude: {pool_embedding: }\n", "true or false"},
	{NULL, "allow_fewer: y\n", "true or false"},
	/* bounds among keys */
	{"train_tokens: 16384", "train_tokens: 100", "sae.batch"},
	{"calibration_tokens: 1024", "calibration_tokens: 100", "window"},
	{"stride: 64", "stride: 129", "ppl.window"},
	{NULL, "cache_tokens: 127\n", "window"},
	{NULL, "pruned_seeds: 2\n", "pruned_seeds"},
	{NULL, "controls: {at_sparsity: 0.3}\n", "0.3 is none of the sparsities"},
	{NULL, "controls: {frozen: [decoder, decoder]}\n", "decoder stands twice"},
	{NULL, "controls: {rounding: [int4, int4]}\n", "int4 stands twice"},
	{NULL, "controls: {matched: [random, random]}\n", "random stands twice"},
	{NULL, "controls: {matched: [random]}\n", "there is nothing to match"},
	/* unknown keys: the nearest that can stand there */
	{"train_tokens: 16384", "train_token: 16384", "train_tokens"},
	{"sparsities: [0.5]", "sparsity: [0.5]", "sparsities"},
	{"layer: 3", "layr: 3", "layer"},
	{"k: 8", "kk: 8", "is k"},
	{"k: 8", "learning_rate: 8", "known are arch, init, expansion, d_sae, k, batch, lr"},
	{NULL, "epochs_of_training: 8\n", "known are name, models"},
	{"stride: 64", "strid: 64", "stride"},
	{NULL, "expansion: 8\n", "belongs under sae"},
	{NULL, "stride: 8\n", "belongs under ppl"},
	{"k: 8", "k: 8, train_tokens: 7", "belongs at the top"},
	{NULL, "? [a, b]\n: c\n", "a key must be a word"},
	{NULL, "\"win\\0dow\": 3\n", "win"},
	/* what a study file has no use for */
	{NULL, "---\nname: another\n", "second document"},
	{NULL, "...\n---\n", "second document"},
	{NULL, "splice: &a {windows: 4}\n", "anchors"},
	{NULL, "<<: {bos: none}\n", "merge keys"},
	{NULL, "splice: !mine {windows: 4}\n", "tags"},
	{NULL, "bos: !!str none\n", "tags"},
	{NULL, "splice: *a\n", "aliases"},
	/* no YAML */
	{NULL, "bos: [none\n", "line"},
	{NULL, "\tbos: none\n", "line"},
	{NULL, "bos: 'none\n", "line"},
	{NULL, "bos\n", "line"},
	{NULL, "bos: \"\\q\"\n", "line"},
	{"models: [{name: llama, path: some/folder, layer: 3}]\n", "", "models"},
	{"ppl: {text: b.txt, window: 128, stride: 64}\n", "", "ppl"},
	{"text: b.txt, ", "", "text"},
};

static void wrong_values_of_other_kinds_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		must_refuse(wrong[i].says, wrong[i].from, wrong[i].to);
}

static void what_is_unusual_and_right_is_understood(void **state)
{
	static const struct {
		const char *from, *to;
	} right[] = {
		{"name: a study", "name: 1"},
		{"name: a study", "name: yes"},
		{"name: a study", "name: 'null'"},
		{"name: a study", "name: \"a \\u00e9tude\""},
		{"name: a study", "---\n# a comment\nname: a study"},
		{"name: a study", "%YAML 1.1\n---\nname: a study"},
		{"name: a study", "\xef\xbb\xbfname: a study"},
		{"name: llama", "name: 1b"},
		{"name: llama", "name: a llama"},
		{"[a.txt]", "\n  - a.txt\n  - /some where/b.txt"},
		{NULL, "magnitude: {pool_embedding: True}\n"},
		{NULL, "...\n"},
		{NULL, "allow_fewer: true\n"},
		{NULL, "splice: {windows: 128}\n"},
		{"k: 8", "d_sae: 1k"},
	};
	ps_study_file *f;
	ps_diag diag = {{0}};

	(void)state;
	for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
		if (load(right[i].from, right[i].to, &f, &diag))
			fail_msg("'%s': %s", right[i].to, diag.text);
		ps_study_file_free(f);
	}
}

static void a_checkpoint_names_its_model(void **state)
{
	ps_study_file *f;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(load(NULL, "checkpoints: [{name: c, path: r}]\n", &f, &diag), 0);
	assert_int_equal(f->checkpoints[0].of_model, 0);
	ps_study_file_free(f);
	assert_int_equal(
		load("{name: llama, path: some/folder, layer: 3}]",
		     "{name: a, path: p, layer: 1}, {name: b, path: q, layer: 2}]\n"
		     "checkpoints: [{name: c, path: r, model: b}, {name: c, path: s, model: "
		     "a}]",
		     &f, &diag),
		0);
	assert_int_equal(f->checkpoints_count, 2);
	assert_int_equal(f->checkpoints[0].of_model, 1);
	assert_string_equal(f->checkpoints[1].path, "s");
	assert_int_equal(ps_study_mark_of(f, "checkpoints.path", 2)->line, 3);
	ps_study_file_free(f);
}

static void a_message_names_the_place(void **state)
{
	ps_study_file *f;
	ps_diag diag = {{0}};
	char wanted[256];

	(void)state;
	assert_int_equal(load("k: 8", "k: 8.7", &f, &diag), PS_EINPUT);
	snprintf(wanted, sizeof wanted,
		 "%s: line 11, column 10: sae.k: '8.7' is not a whole number; it must be a whole "
		 "number, 1 to 65536",
		 path);
	assert_string_equal(diag.text, wanted);
	assert_int_equal(load("[0.5]", "\n  - 0.5\n  - 5x", &f, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "line 7, column 5: sparsities: '5x'"));
}

static void absent_keys_have_their_defaults(void **state)
{
	ps_study_file *f;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(load("sae: {k: 8, batch: 256}\n", "", &f, &diag), 0);
	assert_int_equal(f->sae.k, 64);
	assert_int_equal(f->sae.batch, 4096);
	assert_int_equal(f->sae.expansion, 8);
	assert_int_equal(f->sae.d_sae, 0);
	assert_int_equal(f->cache_tokens, 16384);
	assert_int_equal(f->pruned_seeds, 1);
	assert_int_equal(f->ablation.windows, 8);
	assert_int_equal(f->bootstrap.samples, 1000);
	assert_string_equal(f->bos, "none");
	assert_false(f->allow_fewer);
	assert_null(ps_study_mark_of(f, "sae.k", 0));
	assert_int_equal(ps_study_mark_of(f, "seeds", 1)->line, 6);
	assert_int_equal(ps_study_mark_of(f, "models.layer", 1)->column, 43);
	ps_study_file_free(f);
}

static void the_file_or_the_command_line_chooses_the_precision(void **state)
{
	static const struct {
		const char *line, *then; /* then NULL: refused */
		ps_precision precision;
		bool asked;
	} cases[] = {
		{"", "f32", PS_PRECISION_F32, false},
		{"", "bf16", PS_PRECISION_BF16, true},
		{"precision: int16\n", "int16", PS_PRECISION_F32, false},
		{"precision: int16\n", "int16", PS_PRECISION_INT16, true},
		{"precision: int16\n", NULL, PS_PRECISION_F32, true},
		{"precision: f32\n", NULL, PS_PRECISION_INT16, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ps_precision precision = cases[i].precision;
		ps_diag diag = {{0}};
		ps_study_file *f;
		int rc;

		assert_int_equal(load(NULL, cases[i].line, &f, &diag), 0);
		rc = ps_study_file_settle_precision(f, cases[i].asked, &precision, &diag);
		assert_int_equal(rc, cases[i].then ? 0 : PS_EUSAGE);
		if (cases[i].then) {
			assert_string_equal(f->precision, cases[i].then);
			assert_string_equal(ps_precision_name(precision), cases[i].then);
		} else {
			assert_non_null(strstr(diag.text, "says precision: "));
		}
		ps_study_file_free(f);
	}
}

static void windows_beyond_the_cache_are_refused(void **state)
{
	ps_study_file *f;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(load(NULL, "splice: {windows: 129}\n", &f, &diag), 0);
	assert_int_equal(ps_study_file_check_windows(f, path, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "129 windows"));
	assert_non_null(strstr(diag.text, "make 128"));
	f->allow_fewer = true;
	diag = (ps_diag){{0}};
	assert_int_equal(ps_study_file_check_windows(f, path, &diag), 0);
	ps_study_file_free(f);
	assert_int_equal(load(NULL, "ablation: {features: 4, windows: 129}\n", &f, &diag), 0);
	assert_int_equal(ps_study_file_check_windows(f, path, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "ablation.windows: 129 windows"));
	ps_study_file_free(f);
	diag = (ps_diag){{0}};
	assert_int_equal(load(NULL, "ablation: {features: 4, windows: 128}\n", &f, &diag), 0);
	assert_int_equal(ps_study_file_check_windows(f, path, &diag), 0);
	ps_study_file_free(f);
}

/* Seconds of processor time and the largest memory of the process so far, in MiB. */
static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/* A megabyte of each, in under a second: what a parser might expand, nest or scan again. */
static void large_files_end_quickly(void **state)
{
	static const struct {
		const char *what, *begin, *repeat;
	} files[] = {
		{"nested lists", "text: ", "["},
		{"nested maps", "text: ", "{a: "},
		{"nested block lists", "text:\n", "- "},
		{"a long value", "name: ", "x"},
		{"a long quoted value", "name: \"", "\\n"},
		{"a long key", "", "x"},
		{"a long number", "train_tokens: ", "9"},
		{"zeros", "train_tokens: ", "0"},
		{"many keys", "", "window: 3\n"},
		{"many items", "seeds: [", "7, "},
		{"many texts", "text: [", "abc, "},
		{"many models", "models: [", "{name: a, path: b, layer: 1}, "},
		{"aliases", "a: &a [x]\nb: [", "*a, "},
		{"anchors", "text: [", "&a x, "},
		{"comments", "name: a", "\n# a comment"},
		{"empty lines", "name: a", "\n"},
		{"documents", "name: a\n", "---\n"},
		{"tags", "name: ", "!a "},
		{"question marks", "", "? "},
		{"colons", "name: a", ":"},
		{"quotes", "name: ", "'"},
		{"folded lines", "name: a\n", "  b\n"},
		{"carriage returns", "name: a", "\r"},
		{"percent signs", "", "%A\n"},
	};
	const size_t size = (size_t)1 << 20;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		const size_t step = strlen(files[i].repeat);
		size_t used = strlen(files[i].begin);
		const double started = cpu_seconds();
		ps_diag diag = {{0}};
		ps_study_file *f = NULL;

		memcpy(text, files[i].begin, used);
		for (; used + step <= size; used += step)
			memcpy(text + used, files[i].repeat, step);
		write_bytes(text, used);
		if (ps_study_file_load(&f, path, &diag) != PS_EINPUT)
			fail_msg("%s: %s", files[i].what, diag.text);
		if (cpu_seconds() - started > 1)
			fail_msg("%s take %.1f s", files[i].what, cpu_seconds() - started);
	}
	free(text);
}

static void bytes_that_are_no_text_are_refused(void **state)
{
	static const char *const bytes[] = {"\xff\xfe", "\xc3(", "a\x01", "name: \x80",
					    "\xed\xa0\x80"};
	ps_study_file *f;
	ps_diag diag = {{0}};

	(void)state;
	for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
		write_bytes(bytes[i], strlen(bytes[i]));
		diag = (ps_diag){{0}};
		assert_int_equal(ps_study_file_load(&f, path, &diag), PS_EINPUT);
		assert_non_null(strstr(diag.text, path));
	}
	write_bytes("name: a\0b\n", 10);
	assert_int_equal(ps_study_file_load(&f, path, &diag), PS_EINPUT);
	write_bytes("", 0);
	diag = (ps_diag){{0}};
	assert_int_equal(ps_study_file_load(&f, path, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "empty"));
}

static void only_a_regular_file_is_read(void **state)
{
	ps_study_file *f;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_study_file_load(&f, folder, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "folder"));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	diag = (ps_diag){{0}};
	assert_int_equal(ps_study_file_load(&f, path, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "not a regular file"));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_understood_as_wholes),
		cmocka_unit_test(what_is_no_whole_number_is_refused_at_every_key),
		cmocka_unit_test(a_zero_is_a_zero_where_it_has_a_meaning),
		cmocka_unit_test(real_numbers_are_whole_texts_too),
		cmocka_unit_test(wrong_values_of_other_kinds_are_refused),
		cmocka_unit_test(what_is_unusual_and_right_is_understood),
		cmocka_unit_test(a_checkpoint_names_its_model),
		cmocka_unit_test(a_message_names_the_place),
		cmocka_unit_test(absent_keys_have_their_defaults),
		cmocka_unit_test(the_file_or_the_command_line_chooses_the_precision),
		cmocka_unit_test(windows_beyond_the_cache_are_refused),
		cmocka_unit_test(large_files_end_quickly),
		cmocka_unit_test(bytes_that_are_no_text_are_refused),
		cmocka_unit_test(only_a_regular_file_is_read),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
