/* tools/train/sae_foreign: what lies in place of an SAE is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "test/support/support_sys_double.h"
#include "tools/train/sae_foreign.h"

static char scratch[256];

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

/* Makes an empty file; a '/' at the end makes a folder. */
static void make(const char *name)
{
	char path[400];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", scratch, name);
	if (path[strlen(path) - 1] == '/') {
		assert_int_equal(mkdir(path, 0777), 0);
		return;
	}
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
}

static void expect(const char *name, const char *said)
{
	char path[400];
	ps_diag diag = {{0}};
	int rc;

	snprintf(path, sizeof path, "%s%s%s", scratch, *name ? "/" : "", name);
	rc = ps_sae_foreign_check(path, &diag);
	if (rc != (said ? PS_EINPUT : 0) || (said && !strstr(diag.text, said)))
		fail_msg("%s: %d '%s'", path, rc, diag.text);
	if (said)
		assert_non_null(strstr(diag.text, path));
}

static void files_are_named_by_their_ends(void **state)
{
	(void)state;
	make("params.npz");
	make("ae.pt");
	make("x.pth");
	make("x.bin");
	make("x");
	expect("params.npz", "Gemma Scope");
	expect("ae.pt", "dictionary_learning");
	expect("x.pth", "dictionary_learning");
	expect("x.bin", "dictionary_learning");
	expect("x", "a file: an SAE is a folder");
	expect("missing", NULL);
}

static void folders_are_named_by_what_they_hold(void **state)
{
	static const struct {
		const char *file, *said;
	} cases[] = {
		{"sae.safetensors", "sparsify"},
		{"params.npz", "Gemma Scope"},
		{"params.safetensors", "Gemma Scope 2"},
		{"hyperparams.json", "Llama Scope"},
		{"ae.pt", "dictionary_learning"},
		{"shard-00000.safetensors", "an activation cache"},
		{"model.safetensors", "a model, not an SAE"},
		{"model.safetensors.index.json", "a model, not an SAE"},
		{"cfg.json", NULL},
		{"sae_weights.safetensors", NULL},
		{"unknown", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char name[64], file[128];

		snprintf(name, sizeof name, "%zu/", i);
		snprintf(file, sizeof file, "%zu/%s", i, cases[i].file);
		make(name);
		make(file);
		name[strlen(name) - 1] = 0;
		expect(name, cases[i].said);
	}
	make("99/");
	make("99/ae.pt");
	make("99/cfg.json");
	make("99/sae_weights.safetensors");
	expect("99", NULL); /* it is in SAELens' form, whatever else is there */
}

static void a_folder_of_saes_names_the_first_one(void **state)
{
	(void)state;
	make("b/");
	make("b/cfg.json");
	make("a/");
	make("a/cfg.json");
	make("a/sae_weights.safetensors");
	make("c/");
	make("c/cfg.json");
	make(".hidden/");
	make(".hidden/cfg.json");
	make("file");
	make("empty/");
	expect("", "/a");
	expect("empty", NULL);
}

static void a_folder_of_foreign_saes_names_their_format(void **state)
{
	(void)state;
	make("layer_3/");
	make("layer_3/params.npz");
	make("layer_4/");
	make("layer_4/params.npz");
	expect("", "layer_3: an SAE of Gemma Scope");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_are_named_by_their_ends),
		TEST(folders_are_named_by_what_they_hold),
		TEST(a_folder_of_saes_names_the_first_one),
		TEST(a_folder_of_foreign_saes_names_their_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
