/* tools/train/sae_folder_save: an SAE in the form of another tool computes the same, is read back
 * with its origin, and is compared with its manifest. A form refuses what it cannot hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json_memory.h"
#include "io/safetensors.h"
#include "test/support/support_checkpoint.h"
#include "test/support/support_sae.h"
#include "tools/train/sae_folder.h"
#include "tools/train/sae_folder_save.h"

#define ROWS_FILE "test/fixtures/saelens/rows/shard.safetensors"
#define BOUND 1e-6

enum { ROWS = 96, D = 8, F = 32 };

/* An SAE that another tool wrote, and the forms that can hold it: a bit each. */
static const struct fixture {
	const char *folder;
	unsigned forms, folded[PS_SAE_FORMS];
} fixtures[] = {
	{"saelens/v6-topk", 3, {0, 0, 0}},
	{"saelens/v6-topk-rescaled", 3, {0, PS_FOLDED_NORM, 0}},
	{"saelens/v6-jumprelu", 5, {0, 0, PS_FOLDED_B_DEC | PS_FOLDED_THRESHOLD}},
	{"saelens/v6-gated", 5, {0, 0, PS_FOLDED_B_DEC | PS_FOLDED_GATE}},
	{"saelens/v6-standard-f16", 5, {0, 0, PS_FOLDED_B_DEC | PS_FOLDED_RELU}},
	{"saelens/v6-checkpoint", 3, {0, 0, 0}},
	{"dictionaries/sparsify-run/layers.3", 3, {0, 0, 0}},
	{"dictionaries/gemma-scope-2b-pt-res/layer_3/width_16k/average_l0_13", 5, {0, 0, 0}},
	{"dictionaries/Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L3R-8x", 5, {0, 0, 0}},
};
enum { FIXTURE_COUNT = sizeof fixtures / sizeof *fixtures };

static char folder[256], out[300];
static float x[ROWS * D], latents[2][ROWS * F], x_hat[2][ROWS * D];

static int set_up(void **state)
{
	const uint64_t shape[2] = {ROWS, D};
	const ps_tensor_info *tensor;
	ps_safetensors rows;

	(void)state;
	ck_make_folder(folder, sizeof folder);
	setenv("XDG_CACHE_HOME", folder, 1);
	if (ps_safetensors_open(&rows, &ps_sys_linux, ROWS_FILE, NULL) ||
	    ps_safetensors_expect(&rows, "activations", PS_F32, 2, shape, &tensor, NULL))
		return -1;
	memcpy(x, ps_safetensors_data(&rows, tensor), sizeof x);
	ps_safetensors_close(&rows);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ck_remove_folder(folder);
	return 0;
}

/* Another name for `out`. */
static void next_out(void)
{
	static int n;

	snprintf(out, sizeof out, "%s/%d", folder, n++);
}

/* Writes a loaded SAE to a new `out` in a form that can hold it. */
static void save(ps_sae_folder *in, ps_sae_form form, const uint64_t *firing)
{
	json_t *provenance = json_pack("{s:s}", "command", "test"), *extra;
	const ps_sae_written written = {.form = form,
					.sae = &in->sae,
					.about = &in->about,
					.firing = firing,
					.provenance = provenance,
					.why = "the test"};
	ps_folder *f;
	bool done;

	next_out();
	assert_int_equal(
		ps_folder_begin(
			&f, &ps_sys_linux,
			&(ps_folder_spec){.path = out, .kind = "sae", .provenance = provenance},
			&done, NULL),
		0);
	assert_int_equal(ps_sae_folder_save(f, &written, NULL), 0);
	assert_int_equal(ps_sae_folder_extra(&written, &extra, NULL), 0);
	assert_int_equal(ps_folder_finish(f, extra, NULL), 0);
	ps_folder_close(f);
	json_decref(extra);
	json_decref(provenance);
}

static void load(ps_sae_folder *in, const struct fixture *fixture)
{
	char path[512];
	ps_diag diag = {{0}};

	snprintf(path, sizeof path, "test/fixtures/%s", fixture->folder);
	if (ps_sae_folder_load(in, path, &diag))
		fail_msg("%s: %s", path, diag.text);
}

/* Folds, writes, reads and compares. */
static void try_form(const struct fixture *fixture, ps_sae_form form)
{
	const uint64_t firing[F] = {3, 0, 1};
	ps_diag diag = {{0}};
	ps_sae_folder in, back;
	unsigned folded;
	double error[2];
	int rc;

	load(&in, fixture);
	run_sae(&in.sae, x, ROWS, latents[0], x_hat[0]);
	rc = ps_sae_form_fold(form, &in.sae, &in.arena, "PATH", &folded, &diag);
	if (!(fixture->forms >> form & 1)) {
		assert_int_equal(rc, PS_EINPUT);
		assert_non_null(strstr(diag.text, "PATH: its architecture is "));
		ps_sae_folder_close(&in);
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(folded, fixture->folded[form]);
	save(&in, form, firing);
	if (ps_sae_folder_load(&back, out, &diag))
		fail_msg("%s: %s", fixture->folder, diag.text);
	run_sae(&back.sae, x, ROWS, latents[1], x_hat[1]);
	error[0] = largest_error_of_rows(latents[1], latents[0], ROWS, F);
	error[1] = largest_error_of_rows(x_hat[1], x_hat[0], ROWS, D);
	printf("%s as %s: latents differ by %.2g, reconstructions by %.2g\n", fixture->folder,
	       ps_sae_form_name(form), error[0], error[1]);
	assert_true(error[0] <= BOUND && error[1] <= BOUND);
	assert_true(folded || (error[0] == 0 && error[1] == 0));
	assert_string_equal(back.about.hook_name, in.about.hook_name);
	assert_string_equal(back.about.model_name, in.about.model_name);
	assert_false(back.foreign);
	assert_false(back.about.hook_from_path);
	assert_memory_equal(back.firing, firing, sizeof firing);
	ps_sae_folder_close(&in);
	ps_sae_folder_close(&back);
}

static void every_form_computes_the_same(void **state)
{
	(void)state;
	for (int i = 0; i < FIXTURE_COUNT; i++)
		for (int form = 0; form < PS_SAE_FORMS; form++)
			try_form(&fixtures[i], (ps_sae_form)form);
}

static void digests_of_a_trained_sae_stay(void **state)
{
	ps_sae_about about;
	ps_sae_folder in;
	bool foreign;

	(void)state;
	load(&in, &fixtures[0]);
	strcpy(in.about.model_digest, "0123456789abcdef");
	strcpy(in.about.mask_digest, "fedcba9876543210");
	in.about.prepend_bos = true;
	in.about.context_size = 77;
	save(&in, PS_SAE_FORM_SPARSIFY, NULL);
	assert_int_equal(ps_sae_folder_about(out, &about, &foreign, NULL), 0);
	assert_string_equal(about.model_digest, "0123456789abcdef");
	assert_string_equal(about.mask_digest, "fedcba9876543210");
	assert_true(about.prepend_bos);
	assert_int_equal(about.context_size, 77);
	ps_sae_folder_close(&in);
}

/* Changes one byte of a file of the folder. */
static void change(const char *name, long at)
{
	char path[400];
	FILE *file;
	int byte;

	snprintf(path, sizeof path, "%s/%s", out, name);
	file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	byte = fgetc(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
	assert_int_equal(fclose(file), 0);
}

static void every_file_is_compared_with_the_manifest(void **state)
{
	static const struct {
		int fixture;
		ps_sae_form form;
		const char *name;
		long at;
	} places[] = {
		{0, PS_SAE_FORM_SPARSIFY, "sae.safetensors", 6000},
		{0, PS_SAE_FORM_SPARSIFY, "cfg.json", 0},
		{0, PS_SAE_FORM_SPARSIFY, "training.safetensors", 4097},
		{2, PS_SAE_FORM_GEMMA_SCOPE, "params.npz", 700},
		{2, PS_SAE_FORM_GEMMA_SCOPE, "training.safetensors", 4097},
		{2, PS_SAE_FORM_GEMMA_SCOPE, "manifest.json", 30},
	};
	const uint64_t firing[F] = {3, 0, 1};

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		ps_diag diag = {{0}};
		ps_sae_folder in, back;
		unsigned folded;

		load(&in, &fixtures[places[i].fixture]);
		assert_int_equal(
			ps_sae_form_fold(places[i].form, &in.sae, &in.arena, "PATH", &folded, NULL),
			0);
		save(&in, places[i].form, firing);
		ps_sae_folder_close(&in);
		change(places[i].name, places[i].at);
		assert_int_equal(ps_sae_folder_load(&back, out, &diag), PS_EINPUT);
		if (!strstr(diag.text, places[i].name))
			fail_msg("%s: %s", places[i].name, diag.text);
	}
}

/* A conversion that was interrupted is not taken for an SAE. */
static void unfinished(void **state)
{
	json_t *provenance = json_pack("{s:s}", "command", "test");
	ps_diag diag = {{0}};
	ps_sae_folder in, back;
	ps_folder *f;
	bool done;

	(void)state;
	load(&in, &fixtures[0]);
	next_out();
	assert_int_equal(
		ps_folder_begin(
			&f, &ps_sys_linux,
			&(ps_folder_spec){.path = out, .kind = "sae", .provenance = provenance},
			&done, NULL),
		0);
	assert_int_equal(ps_sae_folder_save(f,
					    &(ps_sae_written){.form = PS_SAE_FORM_SPARSIFY,
							      .sae = &in.sae,
							      .about = &in.about,
							      .provenance = provenance,
							      .why = "the test"},
					    NULL),
			 0);
	ps_folder_close(f);
	assert_int_equal(ps_sae_folder_load(&back, out, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "not finished"));
	ps_sae_folder_close(&in);
	json_decref(provenance);
}

static void names(void **state)
{
	(void)state;
	for (int form = 0; form < PS_SAE_FORMS; form++)
		assert_int_equal(ps_sae_form_of(ps_sae_form_name((ps_sae_form)form)), form);
	assert_int_equal(ps_sae_form_of("SAELens"), PS_SAE_FORMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_computes_the_same),
		cmocka_unit_test(digests_of_a_trained_sae_stay),
		cmocka_unit_test(every_file_is_compared_with_the_manifest),
		cmocka_unit_test(unfinished),
		cmocka_unit_test(names),
	};

	ps_json_memory_watch();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
