/* SAEs of SAELens: numbers are rounded to the dtype of cfg.json, rows' factors are folded into the
 * weights, and what a transcoder or another hook would say is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/support/support_checkpoint.h"
#include "tools/train/sae_folder.h"

#define D 2
#define F 3

static char folder[256];

static int set_up(void **state)
{
	(void)state;
	ck_make_folder(folder, sizeof folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ck_remove_folder(folder);
	return 0;
}

/* Writes an SAE with this b_enc, and a cfg.json with these keys besides the shape. */
static void write_sae(const char *keys, const void *b_enc, const char *dtype)
{
	static const float zeros[D * F];
	static const struct {
		const char *name;
		int rank;
		size_t rows, cols;
	} tensors[] = {{"W_enc", 2, D, F}, {"W_dec", 2, F, D}, {"b_dec", 1, 0, D}};
	ck_model weights = {.count = 0};
	ck_tensor *tensor;
	char cfg[1024];

	for (size_t i = 0; i < 3; i++) {
		tensor = ck_add(&weights, tensors[i].name, "F32", tensors[i].rank, tensors[i].rows,
				tensors[i].cols);
		tensor->data = zeros;
		strcpy(tensor->file, "sae_weights.safetensors");
	}
	tensor = ck_add(&weights, "b_enc", dtype, 1, 0, F);
	tensor->data = b_enc;
	strcpy(tensor->file, "sae_weights.safetensors");
	ck_write_file(folder, "sae_weights.safetensors", &weights);
	snprintf(cfg, sizeof cfg,
		 "{\"architecture\": \"topk\", \"k\": 1, \"d_in\": 2, \"d_sae\": 3%s}", keys);
	ck_write_text(folder, "cfg.json", cfg);
}

static int load(ps_sae_folder *out, double factor, ps_diag *diag)
{
	*diag = (ps_diag){{0}};
	return ps_sae_folder_load_scaled(out, folder, factor, diag);
}

static void refused(const char *said)
{
	ps_sae_folder out;
	ps_diag diag;
	int rc = load(&out, 0, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, said))
		fail_msg("%d '%s', not '%s'", rc, diag.text, said);
}

/* --- rounding --- */

static void numbers_are_rounded_to_the_dtype_of_the_config(void **state)
{
	/* By numpy: float16(0.1), bfloat16(0.1), the least float16, half of it, the largest. */
	static const struct {
		const char *dtype;
		float from, to;
	} cases[] = {
		{"float32", 0.1f, 0.1f},
		{"float16", 0.1f, 0.0999755859375f},
		{"bfloat16", 0.1f, 0.10009765625f},
		{"float16", 0, 0},
		{"float16", -0.1f, -0.0999755859375f},
		{"float16", 0x1p-24f, 0x1p-24f},
		{"float16", 0x1p-25f, 0},
		{"float16", 0x1.8p-24f, 0x1p-23f},
		{"float16", 65504, 65504},
		{"float16", 65519, 65504},
		{"bfloat16", 1.00390625f, 1},         /* a tie goes to the even one */
		{"bfloat16", 1.01171875f, 1.015625f}, /* so does this one */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const float b_enc[F] = {cases[i].from};
		ps_sae_folder out;
		ps_diag diag;
		char key[64];

		snprintf(key, sizeof key, ", \"dtype\": \"%s\"", cases[i].dtype);
		write_sae(key, b_enc, "F32");
		assert_int_equal(load(&out, 0, &diag), 0);
		if (out.sae.b_enc[0] != cases[i].to)
			fail_msg("%s of %a is %a", cases[i].dtype, (double)cases[i].from,
				 (double)out.sae.b_enc[0]);
		ps_sae_folder_close(&out);
	}
}

static void what_the_dtype_cannot_hold_is_refused(void **state)
{
	const float too_large[F] = {0, -70000}, infinite[F] = {0, 0, INFINITY};

	(void)state;
	write_sae(", \"dtype\": \"float16\"", too_large, "F32");
	refused("b_enc");
	write_sae(", \"dtype\": \"float16\"", infinite, "F32");
	refused("b_enc");
	write_sae("", too_large, "I32");
	refused("tensor b_enc is I32: it must be F32, F64, F16 or BF16");
}

/* --- the factor of rows --- */

#define AVERAGE ", \"normalize_activations\": \"expected_average_only_in\""

static void a_factor_is_read_or_asked_for(void **state)
{
	static const float zeros[F];
	ps_sae_folder out;
	ps_diag diag;

	(void)state;
	write_sae(AVERAGE, zeros, "F32");
	refused("expected_average_only_in");
	assert_int_equal(load(&out, 3, &diag), 0);
	assert_true(out.row_factor == 3);
	ps_sae_folder_close(&out);
	ck_write_text(folder, "activation_scaler.json", "{\"scaling_factor\": 2.5}");
	assert_int_equal(load(&out, 3, &diag), 0);
	assert_true(out.row_factor == 2.5);
	ps_sae_folder_close(&out);
}

static void a_factor_that_is_none_is_refused(void **state)
{
	static const float zeros[F];
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"{\"scaling_factor\": \"2\"}", "scaling_factor must be a number"},
		{"{\"scaling_factor\": null}", "scaling_factor must be a number"},
		{"{}", "scaling_factor must be a number"},
		{"[]", "scaling_factor must be a number"},
		{"{\"scaling_factor\": 2, \"has_whitening\": true}", "has_whitening"},
		{"{\"scaling_factor\": -2}", "expected_average_only_in"},
		{"{\"scaling_factor\": 1e300}", "expected_average_only_in"},
		{"{", "activation_scaler.json"},
	};

	(void)state;
	write_sae(AVERAGE, zeros, "F32");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_write_text(folder, "activation_scaler.json", cases[i].text);
		refused(cases[i].said);
	}
}

static void the_state_of_a_store_holds_a_factor(void **state)
{
	static const float zeros[F], factor[2] = {1.5f, 2};
	static const struct {
		const char *tensor, *dtype;
		size_t count;
		const char *said; /* NULL: it is taken */
	} cases[] = {
		{"estimated_norm_scaling_factor", "F32", 1, NULL},
		{"estimated_norm_scaling_factor", "F32", 2, "must be one F32"},
		{"estimated_norm_scaling_factor", "BF16", 2, "must be one F32"},
		{"another", "F32", 1, "expected_average_only_in"},
	};

	(void)state;
	write_sae(AVERAGE, zeros, "F32");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_model store = {.count = 0};
		ck_tensor *tensor =
			ck_add(&store, cases[i].tensor, cases[i].dtype, 1, 0, cases[i].count);
		ps_sae_folder out;
		ps_diag diag;

		tensor->data = factor;
		strcpy(tensor->file, "activations_store_state.safetensors");
		ck_write_file(folder, "activations_store_state.safetensors", &store);
		if (cases[i].said) {
			refused(cases[i].said);
			continue;
		}
		assert_int_equal(load(&out, 0, &diag), 0);
		assert_true(out.row_factor == 1.5);
		ps_sae_folder_close(&out);
	}
	ck_write_text(folder, "activations_store_state.safetensors", "damaged");
	refused("activations_store_state.safetensors");
}

/* --- keys --- */

static void keys_of_other_ends_are_taken_or_refused(void **state)
{
	static const float zeros[F];
	static const struct {
		const char *keys, *said; /* NULL: taken */
	} cases[] = {
		{", \"hook_name\": \"blocks.3.hook_resid_post\", \"hook_layer\": 3", NULL},
		{", \"hook_name\": \"blocks.3.hook_resid_post\", \"hook_layer\": null", NULL},
		{", \"hook_name\": \"blocks.3.hook_resid_post\", \"hook_layer\": 4", "hook_layer"},
		{", \"hook_name\": \"blocks.3.hook_resid_post\", \"hook_layer\": \"3\"",
		 "hook_layer"},
		{", \"hook_name\": \"custom\", \"hook_layer\": 4", NULL},
		{", \"hook_name\": 7", "hook_name"},
		{", \"hook_name\": null", NULL},
		{", \"hook_name\": \"a\", \"hook_name_out\": \"a\"", NULL},
		{", \"hook_name\": \"a\", \"hook_name_out\": null", NULL},
		{", \"hook_name\": \"a\", \"hook_name_out\": \"b\"", "hook_name_out"},
		{", \"hook_name\": \"a\", \"hook_name_out\": 7", "hook_name_out"},
		{", \"d_out\": 2", NULL},
		{", \"d_out\": null", NULL},
		{", \"d_out\": 3", "d_out"},
		{", \"d_out\": \"2\"", "d_out"},
		{", \"is_transcoder\": false", NULL},
		{", \"is_transcoder\": true", "is_transcoder"},
		{", \"is_transcoder\": 1", "is_transcoder"},
		{", \"hook_head_index\": null", NULL},
		{", \"hook_head_index\": 0", "hook_head_index"},
		{", \"hook_head_index_out\": 1", "hook_head_index_out"},
		{", \"metadata\": 7", "metadata"},
		{", \"metadata\": null", "metadata"},
		{", \"metadata\": {}", NULL},
		{", \"metadata\": {\"sae_lens_version\": \"6.5.1\", \"hook_name\": \"a\"}", NULL},
		{", \"metadata\": {\"sae_lens_version\": 6}", "sae_lens_version"},
		{", \"metadata\": {\"sae_lens_version\": \"six\"}", "sae_lens_version"},
		{", \"metadata\": {\"sae_lens_version\": \"\"}", NULL},
		{", \"sae_lens_version\": \"\", \"metadata\": {\"sae_lens_version\": \"6.0.0\"}",
		 NULL},
		{", \"sae_lens_version\": null", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ps_sae_folder out;
		ps_diag diag;

		write_sae(cases[i].keys, zeros, "F32");
		if (cases[i].said) {
			refused(cases[i].said);
			continue;
		}
		if (load(&out, 0, &diag))
			fail_msg("%s: %s", cases[i].keys, diag.text);
		ps_sae_folder_close(&out);
	}
}

static void what_is_no_config_is_refused(void **state)
{
	static const float zeros[F];
	ps_sae shape;
	size_t bytes;
	char path[300];
	ps_diag diag = {{0}};

	(void)state;
	write_sae("", zeros, "F32");
	assert_int_equal(ps_sae_folder_measure(folder, &shape, &bytes, NULL), 0);
	assert_int_equal(ps_sae_check_width(&shape, folder, D, "the cache", NULL), 0);
	assert_int_equal(ps_sae_check_width(&shape, folder, D + 1, "the cache", &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, folder));
	assert_non_null(strstr(diag.text, "the cache"));
	snprintf(path, sizeof path, "%s/sae_weights.safetensors", folder);
	assert_int_equal(unlink(path), 0);
	diag = (ps_diag){{0}};
	assert_int_equal(ps_sae_folder_measure(folder, &shape, &bytes, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, "sae_weights.safetensors"));
	ck_write_text(folder, "cfg.json", "[1, 2]");
	refused("not a JSON object");
	ck_write_text(folder, "cfg.json", "{");
	refused("cfg.json: line 1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_are_rounded_to_the_dtype_of_the_config),
		TEST(what_the_dtype_cannot_hold_is_refused),
		TEST(a_factor_is_read_or_asked_for),
		TEST(a_factor_that_is_none_is_refused),
		TEST(the_state_of_a_store_holds_a_factor),
		TEST(keys_of_other_ends_are_taken_or_refused),
		TEST(what_is_no_config_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
