/* tools/train/sae_config: a cfg.json is read by the rules of the SAELens that wrote it; what those
 * rules do not cover is refused with key and value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/train/hook.h"
#include "tools/train/sae_config.h"

#define SIZES "\"d_in\": 16, \"d_sae\": 64"
#define V6 "\"metadata\": {\"sae_lens_version\": \"6.5.0\"}, " SIZES
#define TOPK "{\"architecture\": \"topk\", " V6 ", "
#define STANDARD "{\"architecture\": \"standard\", " V6 ", "
#define OLD "{\"architecture\": \"standard\", " SIZES ", "

static int parse(const char *text, ps_sae_config *config, ps_diag *diag)
{
	json_error_t error;
	json_t *cfg = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	int rc;

	if (!cfg)
		fail_msg("%s: %s", text, error.text);
	rc = ps_sae_config_parse(cfg, "cfg.json", config, diag);
	json_decref(cfg);
	return rc;
}

static ps_sae_config read(const char *text)
{
	ps_sae_config config;
	ps_diag diag = {{0}};

	if (parse(text, &config, &diag))
		fail_msg("%s: %s", text, diag.text);
	return config;
}

/* The message names the file, the key and what is wrong with its value. */
static void refuse(const char *text, const char *want)
{
	ps_sae_config config;
	ps_diag diag = {{0}};
	const int rc = parse(text, &config, &diag);

	if (rc != PS_EINPUT || strncmp(diag.text, "cfg.json: ", 10) != 0 ||
	    !strstr(diag.text, want))
		fail_msg("%s: returned %d, '%s'; '%s' is expected", text, rc, diag.text, want);
}

static void check_topk(const char *text, size_t k)
{
	const ps_sae_config config = read(text);

	if (config.shape.arch != PS_SAE_TOPK || config.shape.k != k)
		fail_msg("%s: %s, k %zu", text, ps_sae_arch_name(config.shape.arch),
			 config.shape.k);
}

/* --- what SAELens converts --- */

static void an_old_topk_is_told_by_its_activation(void **state)
{
	(void)state;
	check_topk(OLD "\"activation_fn_str\": \"topk\", \"activation_fn_kwargs\": {\"k\": 8}}", 8);
	check_topk(OLD "\"activation_fn\": \"topk\", \"activation_fn_kwargs\": {\"k\": 8}}", 8);
	check_topk("{" SIZES
		   ", \"activation_fn_str\": \"topk\", \"activation_fn_kwargs\": {\"k\": 8}}",
		   8);
	check_topk("{\"architecture\": \"topk\", " SIZES
		   ", \"activation_fn_str\": \"topk\", \"activation_fn_kwargs\": {\"k\": 8}}",
		   8);
	check_topk("{\"architecture\": \"topk\", \"k\": 9, " SIZES "}", 9);
	check_topk("{\"architecture\": \"topk\", \"d_in\": 16, \"d_sae\": 128}", 100);
	assert_int_equal(read(OLD "\"activation_fn_str\": \"relu\"}").shape.arch, PS_SAE_RELU);
	assert_int_equal(read("{" SIZES "}").shape.arch, PS_SAE_RELU);
}

static void which_versions_are_old(void **state)
{
	static const char *const old[] = {"0.5.1",   "5.11.0",       "6.0.0.dev1",
					  "6.0.0a3", "6.0.0-beta.2", ""};
	static const char *const new[] = {"6.0.0-rc.0", "6.0.0rc2", "6.0.0",   "6",
					  "6.0.1.dev1", "6.54.12",  "7.0.0a1", "10.2"};
	char text[256];

	(void)state;
	/* Of an old one alone, architecture may be missing. */
	for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
		snprintf(text, sizeof text, "{" SIZES ", \"sae_lens_version\": \"%s\"}", old[i]);
		assert_int_equal(read(text).shape.arch, PS_SAE_RELU);
	}
	for (size_t i = 0; i < sizeof new / sizeof *new; i++) {
		snprintf(text, sizeof text,
			 "{" SIZES ", \"metadata\": {\"sae_lens_version\": \"%s\"}}", new[i]);
		refuse(text, "architecture is missing");
	}
	refuse("{" SIZES ", \"sae_lens_version\": \"new\"}", "sae_lens_version is \"new\"");
	refuse("{" SIZES ", \"sae_lens_version\": 6}", "sae_lens_version is 6");
	refuse("{" SIZES ", \"metadata\": null}", "metadata is null");
}

static void old_values_of_normalize_activations(void **state)
{
	(void)state;
	assert_false(read(OLD "\"normalize_activations\": false}").scaled_rows);
	assert_false(read(OLD "\"normalize_activations\": null}").scaled_rows);
	assert_false(read(OLD "\"normalize_activations\": \"none\"}").scaled_rows);
	assert_true(read(OLD "\"normalize_activations\": true}").scaled_rows);
	assert_true(read(STANDARD "\"normalize_activations\": \"expected_average_only_in\"}")
			    .scaled_rows);
	refuse(STANDARD "\"normalize_activations\": false}", "normalize_activations is false");
	refuse(STANDARD "\"normalize_activations\": null}", "normalize_activations is null");
	refuse(STANDARD "\"normalize_activations\": \"layer_norm\"}",
	       "normalize_activations is \"layer_norm\"");
	refuse(STANDARD "\"normalize_activations\": \"constant_norm_rescale\"}",
	       "constant_norm_rescale");
	refuse(OLD "\"normalize_activations\": \"typo\"}", "typo");
}

static void where_it_is_from_stands_in_either_place(void **state)
{
	ps_sae_config c =
		read("{\"hook_point\": \"blocks.5.hook_resid_pre\", \"model_name\": "
		     "\"gpt2\", \"hook_point_layer\": 5, \"hook_point_head_index\": null, "
		     "\"prepend_bos\": true, \"context_size\": 128, " SIZES "}");

	(void)state;
	assert_string_equal(c.about.hook_name, "blocks.5.hook_resid_pre");
	assert_string_equal(c.about.model_name, "gpt2");
	assert_true(c.about.prepend_bos);
	assert_int_equal(c.about.context_size, 128);
	assert_string_equal(c.about.model_digest, "");
	assert_string_equal(c.about.mask_digest, "");
	c = read("{\"architecture\": \"standard\", \"hook_name\": \"blocks.1.hook_out\", "
		 "\"metadata\": "
		 "{\"sae_lens_version\": \"6.0.0\", \"hook_name\": \"blocks.2.hook_resid_post\", "
		 "\"model_digest\": \"0123456789abcdef\"}, " SIZES "}");
	assert_string_equal(c.about.hook_name, "blocks.2.hook_resid_post");
	assert_string_equal(c.about.model_digest, "0123456789abcdef");
	assert_string_equal(read("{\"architecture\": \"standard\", \"hook_name\": "
				 "\"blocks.1.hook_out\", " V6 "}")
				    .about.hook_name,
			    "blocks.1.hook_out");
}

static void what_is_written_is_read_again(void **state)
{
	const ps_sae sae = {.arch = PS_SAE_TOPK, .d_in = 16, .d_sae = 64, .k = 5};
	const ps_sae_about about = {.hook_name = "blocks.3.hook_resid_post",
				    .model_name = "llama",
				    .model_digest = "0123456789abcdef",
				    .mask_digest = PS_NO_MASK,
				    .prepend_bos = true,
				    .context_size = 64};
	json_t *cfg = ps_sae_config_make(&sae, &about);
	ps_sae_config c;

	(void)state;
	assert_int_equal(ps_sae_config_parse(cfg, "cfg.json", &c, NULL), 0);
	json_decref(cfg);
	assert_int_equal(c.shape.arch, sae.arch);
	assert_int_equal(c.shape.k, sae.k);
	assert_false(c.shape.apply_b_dec_to_input);
	assert_string_equal(c.about.hook_name, about.hook_name);
	assert_string_equal(c.about.model_name, about.model_name);
	assert_string_equal(c.about.model_digest, about.model_digest);
	assert_string_equal(c.about.mask_digest, about.mask_digest);
	assert_true(c.about.prepend_bos);
	assert_int_equal(c.about.context_size, about.context_size);
}

/* --- what is refused --- */

static void values_of_another_type(void **state)
{
	(void)state;
	refuse(TOPK "\"k\": 8.0}", "k is 8.0");
	refuse(TOPK "\"k\": \"8\"}", "k is \"8\"");
	refuse(TOPK "\"k\": null}", "k is null");
	refuse(TOPK "\"k\": true}", "k is true");
	refuse(TOPK "\"k\": 65}", "k is 65 with d_sae 64");
	refuse(OLD "\"activation_fn_str\": \"topk\", \"activation_fn_kwargs\": {\"k\": 8.0}}",
	       "k is 8.0");
	refuse("{\"architecture\": \"topk\", \"k\": 8, \"d_in\": 16.0, \"d_sae\": 64}",
	       "d_in is 16.0");
	refuse("{\"architecture\": \"topk\", \"k\": 8, \"d_in\": 16, \"d_sae\": \"64\"}",
	       "d_sae is \"64\"");
	refuse(STANDARD "\"apply_b_dec_to_input\": \"false\"}",
	       "apply_b_dec_to_input is \"false\"");
	refuse(STANDARD "\"apply_b_dec_to_input\": null}", "apply_b_dec_to_input is null");
	refuse(STANDARD "\"apply_b_dec_to_input\": 0}", "apply_b_dec_to_input is 0");
	refuse(TOPK "\"k\": 8, \"rescale_acts_by_decoder_norm\": 1}",
	       "rescale_acts_by_decoder_norm is 1");
	refuse(OLD "\"finetuning_scaling_factor\": \"no\"}", "finetuning_scaling_factor is \"no\"");
	refuse(STANDARD "\"dtype\": \"int8\"}", "dtype is \"int8\"");
	refuse(STANDARD "\"dtype\": null}", "dtype is null");
	refuse(STANDARD "\"hook_name\": 3}", "hook_name is 3");
	refuse("{\"architecture\": null, " SIZES "}", "architecture is null");
}

static void what_saelens_computes_and_this_program_does_not(void **state)
{
	static const char *const archs[] = {"batchtopk",       "matryoshka_batchtopk", "transcoder",
					    "skip_transcoder", "matching_pursuit",     "temporal"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
		snprintf(text, sizeof text, "{\"architecture\": \"%s\", " V6 "}", archs[i]);
		refuse(text, archs[i]);
	}
	refuse(OLD "\"activation_fn_str\": \"tanh-relu\"}", "activation_fn is \"tanh-relu\"");
	refuse(STANDARD "\"reshape_activations\": \"hook_z\"}",
	       "reshape_activations is \"hook_z\"");
	refuse(OLD "\"hook_name\": \"blocks.3.attn.hook_z\"}", "hook_z");
	refuse(OLD "\"hook_name\": \"blocks.3.attn.hook_q\", \"hook_head_index\": 2}",
	       "hook_head_index is 2");
	refuse(STANDARD "\"d_out\": 32}", "d_out is 32");
	refuse("{\"architecture\": \"standard\", \"metadata\": {\"sae_lens_version\": \"6.1.0\", "
	       "\"hook_name\": \"blocks.1.hook_mlp_in\", \"hook_name_out\": "
	       "\"blocks.1.hook_mlp_out\"}, " SIZES "}",
	       "hook_name_out");
	refuse(OLD "\"is_transcoder\": true}", "is_transcoder is true");
}

static void keys_that_contradict_each_other(void **state)
{
	(void)state;
	refuse(STANDARD "\"k\": 8}", "k is 8");
	refuse(STANDARD "\"activation_fn\": \"topk\"}", "activation_fn is \"topk\"");
	refuse(TOPK "\"k\": 8, \"activation_fn\": \"relu\"}", "activation_fn is \"relu\"");
	refuse(TOPK "\"activation_fn_kwargs\": {\"k\": 8}}", "activation_fn_kwargs.k is 8");
	refuse(TOPK "\"k\": 4, \"activation_fn_kwargs\": {\"k\": 8}}", "k is 4");
	refuse(OLD "\"activation_fn_str\": \"topk\", \"activation_fn_kwargs\": {}}",
	       "k is missing");
	refuse("{\"architecture\": \"topk\", \"activation_fn_kwargs\": {}, " SIZES "}",
	       "activation_fn_kwargs has no k");
	refuse(OLD "\"activation_fn_kwargs\": {\"k\": 8, \"postact_fn\": \"id\"}}",
	       "activation_fn_kwargs");
	refuse(STANDARD "\"rescale_acts_by_decoder_norm\": true}", "only a topk SAE");
	refuse(OLD "\"hook_name\": \"blocks.3.hook_resid_post\", \"hook_layer\": 4}",
	       "hook_layer is 4");
	refuse("{\"architecture\": \"standard\", \"metadata\": {\"sae_lens_version\": \"6.1.0\", "
	       "\"hook_name\": \"blocks.3.hook_resid_post\", \"hook_layer\": 4}, " SIZES "}",
	       "hook_layer is 4");
	refuse(OLD "\"hook_name\": \"a\", \"hook_point\": \"b\"}", "hook_name and hook_point");
}

static void keys_that_nobody_knows(void **state)
{
	(void)state;
	refuse(STANDARD "\"encode_twice\": true}", "encode_twice is true");
	read(STANDARD "\"l1_coefficient\": 0.5, \"wandb_project\": \"x\", \"seed\": 42}");
}

static void what_hooks_mean(void **state)
{
	static const struct {
		const char *name;
		ps_hook_kind kind;
		int layer;
	} hooks[] = {
		{"", PS_HOOK_UNSAID, 0},
		{"unknown", PS_HOOK_UNSAID, 0},
		{"blocks.0.hook_resid_post", PS_HOOK_STREAM, 0},
		{"blocks.12.hook_resid_pre", PS_HOOK_STREAM, 11},
		{"blocks.0.hook_resid_pre", PS_HOOK_EMBEDDING, 0},
		{"blocks.4.hook_out", PS_HOOK_STREAM, 4},
		{"blocks.4.hook_in", PS_HOOK_STREAM, 3},
		{"hook_embed", PS_HOOK_EMBEDDING, 0},
		{"model.embed_tokens", PS_HOOK_EMBEDDING, 0},
		{"model.layers.7", PS_HOOK_STREAM, 7},
		{"model.language_model.layers.7", PS_HOOK_STREAM, 7},
		{"transformer.h.2", PS_HOOK_STREAM, 2},
		{"model.layers.7.mlp", PS_HOOK_OTHER, 0},
		{"blocks.3.hook_mlp_out", PS_HOOK_OTHER, 0},
		{"blocks.3.hook_resid_mid", PS_HOOK_OTHER, 0},
		{"blocks.3.attn.hook_z", PS_HOOK_OTHER, 0},
		{"ln_final.hook_normalized", PS_HOOK_OTHER, 0},
		{"blocks.99999999999999999999.hook_resid_post", PS_HOOK_OTHER, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
		const ps_hook hook = ps_hook_parse(hooks[i].name);

		if (hook.kind != hooks[i].kind ||
		    (hook.kind == PS_HOOK_STREAM && hook.layer != hooks[i].layer))
			fail_msg("'%s': kind %d, layer %d", hooks[i].name, (int)hook.kind,
				 hook.layer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_old_topk_is_told_by_its_activation),
		cmocka_unit_test(which_versions_are_old),
		cmocka_unit_test(old_values_of_normalize_activations),
		cmocka_unit_test(where_it_is_from_stands_in_either_place),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(values_of_another_type),
		cmocka_unit_test(what_saelens_computes_and_this_program_does_not),
		cmocka_unit_test(keys_that_contradict_each_other),
		cmocka_unit_test(keys_that_nobody_knows),
		cmocka_unit_test(what_hooks_mean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
