/* config.json: both generations of keys, defaults, and what must be refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "core/model/config.h"
#include "core/model/weights.h"
#include "test/support/support_close.h"
#include "test/support/support_memory_weights.h"

/* As published with these models, without the keys that have no influence. */
static const char llama_3_2_1b[] =
	"{\"architectures\": [\"LlamaForCausalLM\"], \"attention_bias\": false, \"bos_token_id\": "
	"128000,"
	"\"eos_token_id\": [128001, 128008, 128009], \"head_dim\": 64, \"hidden_act\": \"silu\", "
	"\"hidden_size\": 2048,"
	"\"intermediate_size\": 8192, \"max_position_embeddings\": 131072, \"mlp_bias\": false, "
	"\"model_type\": \"llama\","
	"\"num_attention_heads\": 32, \"num_hidden_layers\": 16, \"num_key_value_heads\": 8, "
	"\"pretraining_tp\": 1,"
	"\"rms_norm_eps\": 1e-05, \"rope_scaling\": {\"factor\": 32.0, \"high_freq_factor\": 4.0, "
	"\"low_freq_factor\": 1.0,"
	"\"original_max_position_embeddings\": 8192, \"rope_type\": \"llama3\"}, \"rope_theta\": "
	"500000.0,"
	"\"tie_word_embeddings\": true, \"torch_dtype\": \"bfloat16\", \"vocab_size\": 128256}";

static const char gemma_2_2b[] = "{\"architectures\": [\"Gemma2ForCausalLM\"], \"attention_bias\": "
				 "false, \"attn_logit_softcapping\": 50.0,"
				 "\"bos_token_id\": 2, \"cache_implementation\": \"hybrid\", "
				 "\"eos_token_id\": 1, \"final_logit_softcapping\": 30.0,"
				 "\"head_dim\": 256, \"hidden_act\": \"gelu_pytorch_tanh\", "
				 "\"hidden_activation\": \"gelu_pytorch_tanh\","
				 "\"hidden_size\": 2304, \"intermediate_size\": 9216, "
				 "\"max_position_embeddings\": 8192, \"model_type\": \"gemma2\","
				 "\"num_attention_heads\": 8, \"num_hidden_layers\": 26, "
				 "\"num_key_value_heads\": 4, \"pad_token_id\": 0,"
				 "\"query_pre_attn_scalar\": 256, \"rms_norm_eps\": 1e-06, "
				 "\"rope_theta\": 10000.0, \"sliding_window\": 4096,"
				 "\"vocab_size\": 256000}";

static const char gemma_3_1b[] =
	"{\"architectures\": [\"Gemma3ForCausalLM\"], \"attention_bias\": false, "
	"\"attn_logit_softcapping\": null,"
	"\"bos_token_id\": 2, \"cache_implementation\": \"hybrid\", \"eos_token_id\": 1, "
	"\"final_logit_softcapping\": null,"
	"\"head_dim\": 256, \"hidden_activation\": \"gelu_pytorch_tanh\", \"hidden_size\": 1152, "
	"\"intermediate_size\": 6912,"
	"\"max_position_embeddings\": 32768, \"model_type\": \"gemma3_text\", "
	"\"num_attention_heads\": 4,"
	"\"num_hidden_layers\": 26, \"num_key_value_heads\": 1, \"pad_token_id\": 0, "
	"\"query_pre_attn_scalar\": 256,"
	"\"rms_norm_eps\": 1e-06, \"rope_local_base_freq\": 10000, \"rope_scaling\": null, "
	"\"rope_theta\": 1000000,"
	"\"sliding_window\": 512, \"sliding_window_pattern\": 6, \"vocab_size\": 262144}";

static const char gemma_3_4b[] = "{\"architectures\": [\"Gemma3ForConditionalGeneration\"], "
				 "\"boi_token_index\": 255999, \"eoi_token_index\": 256000,"
				 "\"eos_token_id\": [1, 106], \"image_token_index\": 262144, "
				 "\"mm_tokens_per_image\": 256, \"model_type\": \"gemma3\","
				 "\"text_config\": {\"hidden_size\": 2560, \"intermediate_size\": "
				 "10240, \"model_type\": \"gemma3_text\","
				 "\"num_hidden_layers\": 34, \"rope_scaling\": {\"factor\": 8.0, "
				 "\"rope_type\": \"linear\"}, \"sliding_window\": 1024},"
				 "\"vision_config\": {\"hidden_size\": 1152, \"model_type\": "
				 "\"siglip_vision_model\", \"num_hidden_layers\": 27}}";

/* A small valid model, which the tests then spoil. */
#define LLAMA "\"model_type\": \"llama\", "
#define SMALL                                                                                      \
	"\"hidden_size\": 64, \"intermediate_size\": 100, \"num_hidden_layers\": 3, "              \
	"\"num_attention_heads\": 4"

static void parse(const char *text, ps_model_config *config)
{
	ps_diag diag = {""};
	int rc = ps_config_parse(text, strlen(text), "config.json", config, &diag);

	if (rc)
		print_error("%s\n", diag.text);
	assert_int_equal(rc, 0);
	assert_string_equal(diag.text, "");
}

static size_t sliding_layers(const ps_model_config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->layers; i++)
		count += config->sliding[i];
	return count;
}

static void reads_a_published_llama(void **state)
{
	ps_model_config c;

	(void)state;
	parse(llama_3_2_1b, &c);
	assert_int_equal(c.family, PS_FAMILY_LLAMA);
	assert_true(c.layers == 16 && c.width == 2048 && c.heads == 32 && c.kv_heads == 8 &&
		    c.head_width == 64);
	assert_true(c.mlp_width == 8192 && c.vocab == 128256 && c.max_positions == 131072);
	assert_true(c.tied && !c.gelu && sliding_layers(&c) == 0);
	assert_near(c.attention_scale, 0.125, 0);
	assert_near(c.norm_eps, 1e-5, 0);
	assert_true(c.attention_softcap == 0 && c.logit_softcap == 0);
	assert_true(c.rope_global.llama3 && c.rope_global.theta == 5e5 &&
		    c.rope_global.factor == 1);
	assert_true(c.rope_global.llama3_factor == 32 && c.rope_global.low_freq_factor == 1);
	assert_true(c.rope_global.high_freq_factor == 4 &&
		    c.rope_global.original_positions == 8192);
	assert_true(c.bos == 128000 && c.eos_count == 3 && c.eos[2] == 128009 && c.pad == -1);
	assert_true(ps_config_is_special(&c, 128000) && ps_config_is_special(&c, 128008));
	assert_false(ps_config_is_special(&c, 0) || ps_config_is_special(&c, -1));
}

static void reads_a_published_gemma_2(void **state)
{
	ps_model_config c;

	(void)state;
	parse(gemma_2_2b, &c);
	assert_int_equal(c.family, PS_FAMILY_GEMMA2);
	assert_true(c.heads == 8 && c.kv_heads == 4 && c.head_width == 256 && c.layers == 26);
	assert_true(c.attention_softcap == 50 && c.logit_softcap == 30 && c.tied && c.gelu);
	assert_near(c.attention_scale, 1 / 16., 0);
	assert_true(c.sliding_window == 4096 && sliding_layers(&c) == 13 && c.sliding[0] &&
		    !c.sliding[1]);
	assert_true(c.rope_global.theta == 1e4 && c.rope_local.theta == 1e4 &&
		    !c.rope_global.llama3);
	assert_true(c.bos == 2 && c.eos_count == 1 && c.eos[0] == 1 && c.pad == 0);
}

static void reads_a_published_gemma_3(void **state)
{
	ps_model_config c;

	(void)state;
	parse(gemma_3_1b, &c);
	assert_int_equal(c.family, PS_FAMILY_GEMMA3);
	assert_true(c.layers == 26 && c.sliding_window == 512 && sliding_layers(&c) == 22);
	assert_true(!c.sliding[5] && !c.sliding[23] && c.sliding[0] && c.sliding[25]);
	assert_true(c.rope_global.theta == 1e6 && c.rope_local.theta == 1e4);
	assert_true(c.rope_global.factor == 1 && c.rope_local.factor == 1);
	assert_true(c.attention_softcap == 0 && c.logit_softcap == 0 && c.tied && c.gelu);
}

static void fills_gemma_3_text_config_with_the_defaults(void **state)
{
	ps_model_config c;

	(void)state;
	parse(gemma_3_4b, &c);
	assert_int_equal(c.family, PS_FAMILY_GEMMA3);
	assert_true(c.width == 2560 && c.heads == 8 && c.kv_heads == 4 && c.head_width == 256 &&
		    c.vocab == 262208);
	assert_true(c.max_positions == 131072 && c.sliding_window == 1024 && c.layers == 34 &&
		    !c.sliding[5]);
	assert_true(c.rope_global.factor == 8 && c.rope_global.theta == 1e6);
	assert_true(c.rope_local.factor == 1 && c.rope_local.theta == 1e4);
	assert_true(c.bos == 2 && c.pad == 0 && c.eos_count == 2 && c.eos[0] == 1 &&
		    c.eos[1] == 106);
	assert_true(c.tied && c.gelu);
}

static void assert_same_rope(const ps_rope *a, const ps_rope *b)
{
	assert_true(a->theta == b->theta && a->factor == b->factor && a->llama3 == b->llama3);
	assert_true(a->llama3_factor == b->llama3_factor &&
		    a->low_freq_factor == b->low_freq_factor);
	assert_true(a->high_freq_factor == b->high_freq_factor &&
		    a->original_positions == b->original_positions);
}

static void assert_same_model(const ps_model_config *a, const ps_model_config *b)
{
	assert_true(a->family == b->family && a->layers == b->layers && a->width == b->width &&
		    a->heads == b->heads);
	assert_true(a->kv_heads == b->kv_heads && a->head_width == b->head_width &&
		    a->mlp_width == b->mlp_width);
	assert_true(a->vocab == b->vocab && a->max_positions == b->max_positions &&
		    a->norm_eps == b->norm_eps);
	assert_true(a->attention_scale == b->attention_scale &&
		    a->attention_softcap == b->attention_softcap);
	assert_true(a->logit_softcap == b->logit_softcap && a->tied == b->tied &&
		    a->gelu == b->gelu);
	assert_true(a->sliding_window == b->sliding_window);
	assert_memory_equal(a->sliding, b->sliding, sizeof a->sliding);
	assert_same_rope(&a->rope_global, &b->rope_global);
	assert_same_rope(&a->rope_local, &b->rope_local);
	assert_true(a->bos == b->bos && a->pad == b->pad && a->eos_count == b->eos_count);
	assert_memory_equal(a->eos, b->eos, sizeof a->eos);
}

static void parse_fixture(const char *model, const char *suffix, ps_model_config *config)
{
	char path[128], *text;
	size_t length = 0;

	snprintf(path, sizeof path, "test/fixtures/forward/%s%s", model, suffix);
	text = ps_test_read_file(path, &length);
	assert_non_null(text);
	parse(text, config);
	free(text);
}

static void both_generations_of_keys_say_the_same(void **state)
{
	static const char *const models[] = {"llama", "llama3", "llama_heads", "gemma2", "gemma3"};

	(void)state;
	for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
		ps_model_config written, published;

		parse_fixture(models[m], ".json", &written);
		parse_fixture(models[m], ".old.json", &published);
		assert_same_model(&written, &published);
	}
}

static void absent_keys_take_the_defaults_of_the_family(void **state)
{
	ps_model_config c;

	(void)state;
	parse("{" LLAMA SMALL "}", &c);
	assert_true(c.kv_heads == 4 && c.head_width == 16 && c.vocab == 32000 &&
		    c.max_positions == 2048);
	assert_true(!c.tied && !c.gelu && c.rope_global.theta == 1e4 && c.norm_eps == 1e-6);
	assert_true(c.bos == 1 && c.eos[0] == 2 && c.pad == -1);
	assert_near(c.attention_scale, 0.25, 0);
	parse("{" LLAMA SMALL
	      ", \"head_dim\": null, \"num_key_value_heads\": null, \"tie_word_embeddings\": null}",
	      &c);
	assert_true(c.kv_heads == 4 && c.head_width == 16 && !c.tied);
	parse("{\"model_type\": \"gemma2\", " SMALL "}", &c);
	assert_true(c.kv_heads == 4 && c.head_width == 256 && c.vocab == 256000 &&
		    c.max_positions == 8192);
	assert_true(c.attention_softcap == 50 && c.logit_softcap == 30 && c.sliding_window == 4096);
	assert_true(c.tied && c.gelu && c.bos == 2 && c.eos[0] == 1 && c.pad == 0);
	assert_near(c.attention_scale, 1 / 16., 0);
	parse("{\"model_type\": \"gemma3_text\", " SMALL "}", &c);
	assert_true(c.vocab == 262208 && c.max_positions == 131072 && c.logit_softcap == 0);
	assert_true(c.rope_global.theta == 1e6 && c.rope_local.theta == 1e4);
}

static void null_says_none_where_that_is_a_choice(void **state)
{
	ps_model_config c;

	(void)state;
	parse("{\"model_type\": \"gemma2\", " SMALL
	      ", \"attn_logit_softcapping\": null, \"final_logit_softcapping\": null,"
	      "\"bos_token_id\": null, \"eos_token_id\": null, \"pad_token_id\": -1}",
	      &c);
	assert_true(c.attention_softcap == 0 && c.logit_softcap == 0);
	assert_true(c.bos == -1 && c.eos_count == 0 && c.pad == -1);
}

static void caps_follow_the_code_of_the_family(void **state)
{
	ps_model_config c;

	(void)state;
	parse("{\"model_type\": \"gemma3_text\", " SMALL
	      ", \"attn_logit_softcapping\": 50, \"final_logit_softcapping\": 30}",
	      &c);
	assert_true(c.attention_softcap == 0 && c.logit_softcap == 30);
	parse("{" LLAMA SMALL ", \"attn_logit_softcapping\": 50, \"final_logit_softcapping\": 30}",
	      &c);
	assert_true(c.attention_softcap == 0 && c.logit_softcap == 0);
}

static void layer_types_win_over_the_pattern(void **state)
{
	ps_model_config c;

	(void)state;
	parse("{\"model_type\": \"gemma3_text\", " SMALL
	      ", \"sliding_window_pattern\": 2, \"layer_types\":"
	      "[\"full_attention\", \"full_attention\", \"sliding_attention\"]}",
	      &c);
	assert_true(!c.sliding[0] && !c.sliding[1] && c.sliding[2]);
	parse("{\"model_type\": \"gemma3_text\", " SMALL ", \"sliding_window_pattern\": 2}", &c);
	assert_true(c.sliding[0] && !c.sliding[1] && c.sliding[2]);
	parse("{\"model_type\": \"gemma3_text\", " SMALL
	      ", \"sliding_window_pattern\": 1, \"sliding_window\": null}",
	      &c);
	assert_true(sliding_layers(&c) == 0 && c.sliding_window == 0);
	parse("{\"model_type\": \"gemma2\", " SMALL ", \"layer_types\":"
	      "[\"full_attention\", \"full_attention\", \"sliding_attention\"]}",
	      &c);
	assert_true(!c.sliding[0] && c.sliding[2]);
}

/* Expects that a valid object with `rest` in it is refused, and that the message holds `name`. */
static void refused(const char *rest, const char *name)
{
	ps_model_config config;
	ps_diag diag = {""};
	int rc = ps_config_parse(rest, strlen(rest), "dir/config.json", &config, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, name) || !strstr(diag.text, "dir/config.json"))
		fail_msg("%s\n  code %d, message '%s', expected '%s' in it", rest, rc, diag.text,
			 name);
}

static void sizes_that_cannot_be_are_named(void **state)
{
	static const char *const sizes[] = {"hidden_size",       "intermediate_size",
					    "num_hidden_layers", "num_attention_heads",
					    "vocab_size",        "num_key_value_heads",
					    "head_dim",          "max_position_embeddings"};
	static const char *const values[] = {"0",
					     "-1",
					     "-9223372036854775808",
					     "9223372036854775807",
					     "4294967296",
					     "16777217",
					     "1.5",
					     "64.0",
					     "1e2",
					     "\"64\"",
					     "true",
					     "[64]"};
	char text[512];

	(void)state;
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
		for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
			int at = snprintf(text, sizeof text, "{" LLAMA "\"%s\": %s", sizes[s],
					  values[v]);

			for (size_t o = 0; o < 4; o++)
				if (o != s)
					at += snprintf(text + at, sizeof text - (size_t)at,
						       ", \"%s\": 64", sizes[o]);
			snprintf(text + at, sizeof text - (size_t)at, "}");
			refused(text, sizes[s]);
		}
	refused("{" LLAMA "\"hidden_size\": 64, \"num_hidden_layers\": 3}",
		"intermediate_size: missing");
	refused("{" LLAMA "\"hidden_size\": 64, \"intermediate_size\": 3}",
		"num_hidden_layers: missing");
	refused("{" LLAMA "\"intermediate_size\": 64, \"num_hidden_layers\": 3}",
		"hidden_size: missing");
	refused("{" LLAMA
		"\"hidden_size\": 64, \"intermediate_size\": 64, \"num_hidden_layers\": 513}",
		"num_hidden_layers");
}

static void sizes_that_do_not_divide_are_named(void **state)
{
	(void)state;
	refused("{" LLAMA "\"hidden_size\": 64, \"intermediate_size\": 3, \"num_hidden_layers\": "
		"2, \"num_attention_heads\": 5}",
		"num_attention_heads");
	refused("{" LLAMA SMALL ", \"num_key_value_heads\": 3}", "num_key_value_heads");
	refused("{" LLAMA SMALL ", \"num_key_value_heads\": 8}", "num_key_value_heads");
	refused("{" LLAMA SMALL ", \"head_dim\": 15}", "head_dim");
	refused("{" LLAMA SMALL ", \"head_dim\": 16777216}", "head_dim");
}

static void what_is_not_supported_is_named(void **state)
{
	(void)state;
	refused("{\"model_type\": \"mistral\", " SMALL "}",
		"'mistral' is not supported (llama, gemma2, gemma3 and gemma3_text are)");
	refused("{\"model_type\": \"gemma\", " SMALL "}", "'gemma'");
	refused("{\"model_type\": 7, " SMALL "}", "model_type");
	refused("{" SMALL "}", "model_type: missing");
	refused("{\"model_type\": \"gemma3\", " SMALL "}", "text_config");
	refused("{\"model_type\": \"gemma3\", \"text_config\": {\"model_type\": "
		"\"llama4_text\", " SMALL "}}",
		"llama4_text");
	refused("{" LLAMA SMALL ", \"attention_bias\": true}", "attention_bias");
	refused("{" LLAMA SMALL ", \"mlp_bias\": true}", "mlp_bias");
	refused("{" LLAMA SMALL ", \"quantization_config\": {\"bits\": 4}}", "quantization_config");
	refused("{\"model_type\": \"gemma3_text\", " SMALL
		", \"use_bidirectional_attention\": true}",
		"use_bidirectional_attention");
	refused("{" LLAMA SMALL ", \"hidden_act\": \"relu\"}", "relu");
	refused("{\"model_type\": \"gemma2\", " SMALL ", \"hidden_activation\": \"gelu\"}",
		"'gelu'");
	refused("{" LLAMA SMALL ", \"partial_rotary_factor\": 0.5}", "partial_rotary_factor");
	refused("{" LLAMA SMALL ", \"layer_types\": [\"full_attention\", \"full_attention\", "
		"\"sliding_attention\"]}",
		"layer_types");
	refused("{\"model_type\": \"gemma2\", " SMALL ", \"layer_types\": [\"full_attention\"]}",
		"layer_types");
	refused("{\"model_type\": \"gemma2\", " SMALL
		", \"layer_types\": [\"full_attention\", \"full_attention\", \"chunked\"]}",
		"chunked");
	refused("{\"model_type\": \"gemma2\", " SMALL
		", \"layer_types\": [\"full_attention\", \"full_attention\", 3]}",
		"layer_types");
	refused("{\"model_type\": \"gemma2\", " SMALL ", \"sliding_window\": null}",
		"sliding_window");
	refused("{\"model_type\": \"gemma3_text\", " SMALL ", \"sliding_window_pattern\": 0}",
		"sliding_window_pattern");
}

static void ropes_that_are_not_supported_are_named(void **state)
{
	(void)state;
	refused("{" LLAMA SMALL ", \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4}}",
		"yarn");
	refused("{" LLAMA SMALL ", \"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 4}}",
		"dynamic");
	refused("{" LLAMA SMALL
		", \"rope_parameters\": {\"rope_type\": \"longrope\", \"factor\": 4}}",
		"longrope");
	refused("{" LLAMA SMALL ", \"rope_scaling\": {\"type\": \"linear\"}}", "factor");
	refused("{" LLAMA SMALL ", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 0}}",
		"factor");
	refused("{" LLAMA SMALL ", \"rope_scaling\": \"linear\"}", "rope_scaling");
	refused("{" LLAMA SMALL ", \"rope_theta\": -1}", "rope_theta");
	refused("{" LLAMA SMALL
		", \"rope_scaling\": {\"type\": \"llama3\", \"factor\": 2, \"low_freq_factor\": 4,"
		"\"high_freq_factor\": 4}}",
		"high_freq_factor");
	refused("{" LLAMA SMALL
		", \"rope_parameters\": {\"full_attention\": {\"rope_type\": \"default\"}}}",
		"full_attention");
	refused("{\"model_type\": \"gemma3_text\", " SMALL
		", \"rope_parameters\": {\"rope_theta\": 1e6}}",
		"rope_parameters");
	refused("{\"model_type\": \"gemma3_text\", " SMALL
		", \"rope_parameters\": {\"sliding_attention\": {\"rope_type\": \"yarn\"}}}",
		"yarn");
}

static void token_ids_that_cannot_be_are_named(void **state)
{
	(void)state;
	refused("{" LLAMA SMALL ", \"bos_token_id\": 4294967296}", "bos_token_id");
	refused("{" LLAMA SMALL ", \"bos_token_id\": \"<s>\"}", "bos_token_id");
	refused("{" LLAMA SMALL ", \"eos_token_id\": [1,2,3,4,5,6,7,8,9]}", "eos_token_id");
	refused("{" LLAMA SMALL ", \"eos_token_id\": 9223372036854775807}", "eos_token_id");
	refused("{" LLAMA SMALL ", \"pad_token_id\": {}}", "pad_token_id");
}

static void what_is_not_json_is_refused(void **state)
{
	static char deep[100001];

	(void)state;
	memset(deep, '[', sizeof deep - 1);
	refused(deep, "dir/config.json");
	refused("", "line");
	refused("[]", "object");
	refused("{" LLAMA SMALL, "line 1");
	refused("{" LLAMA SMALL ", \"hidden_size\": 64}", "hidden_size");
	refused("\xef\xbb\xbf{" LLAMA SMALL "}", "byte order mark");
	refused("{" LLAMA SMALL ", \"vocab_size\": 99999999999999999999}", "vocab_size: too large");
	refused("{" LLAMA SMALL ", \"rms_norm_eps\": 1e999}", "rms_norm_eps: not a number");
	refused("{" LLAMA SMALL ", \"rms_norm_eps\": NaN}", "rms_norm_eps: not a number");
	refused("{" LLAMA SMALL ", \"rope_theta\": Infinity}", "rope_theta: not a number");
	refused("{" LLAMA SMALL ", \"vocab_size\": -Infinity}", "vocab_size: not an integer");
	refused("{" LLAMA SMALL ", \"eos_token_id\": NaN}", "eos_token_id");
	refused("{" LLAMA SMALL ", \"head_dim\": -4}", "head_dim: not positive (it is -4)");
	refused("{" LLAMA SMALL ", \"bos_token_id\": \"1\"}", "not a token id (it is \"1\")");
	refused("{" LLAMA SMALL
		", \"rope_theta\": [0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,"
		"5,6,7,8,9]}",
		"rope_theta: not a number (it is [0,1,2,3,");
	refused("{" LLAMA SMALL ", \"tie_word_embeddings\": NaN}", "tie_word_embeddings");
	refused("{" LLAMA SMALL ", \"attention_bias\": NaN}", "attention_bias");
	refused("{" LLAMA SMALL ", \"quantization_config\": NaN}", "quantization_config");
	refused("{" LLAMA SMALL ", \"hidden_act\": Infinity}", "hidden_act");
	refused("{" LLAMA SMALL ", \"rms_norm_eps\": 0}", "rms_norm_eps");
}

static void unused_keys_may_hold_what_python_writes(void **state)
{
	ps_model_config plain, c;

	(void)state;
	parse("{" LLAMA SMALL "}", &plain);
	parse("{\"router_z_limit\": [0.0, Infinity, -Infinity], \"best_loss\": NaN, \"run\": "
	      "{\"id\": 340282366920938463463374607431768211456, \"x\": 1e400}, " LLAMA SMALL "}",
	      &c);
	assert_same_model(&plain, &c);
}

static void heads_need_not_divide_the_width_if_head_dim_is_given(void **state)
{
	ps_model_config c;
	size_t rows, cols;

	(void)state;
	parse("{" LLAMA "\"hidden_size\": 1792, \"intermediate_size\": 4864, "
	      "\"num_hidden_layers\": 2, \"num_attention_heads\": 24, "
	      "\"num_key_value_heads\": 8, \"head_dim\": 128}",
	      &c);
	assert_true(c.width == 1792 && c.heads == 24 && c.kv_heads == 8 && c.head_width == 128);
	assert_near(c.attention_scale, 1 / sqrt(128), 1e-15);
	ps_projection_shape(&c, PS_Q, &rows, &cols);
	assert_true(rows == 3072 && cols == 1792);
	ps_projection_shape(&c, PS_K, &rows, &cols);
	assert_true(rows == 1024 && cols == 1792);
	ps_projection_shape(&c, PS_O, &rows, &cols);
	assert_true(rows == 1792 && cols == 3072);
	parse("{\"model_type\": \"gemma2\", \"hidden_size\": 100, \"intermediate_size\": 8, "
	      "\"num_hidden_layers\": 1, \"num_attention_heads\": 12}",
	      &c);
	assert_true(c.head_width == 256);
	parse("{" LLAMA "\"hidden_size\": 6, \"intermediate_size\": 8, \"num_hidden_layers\": 1, "
	      "\"num_attention_heads\": 8, \"head_dim\": 2}",
	      &c);
	assert_true(c.head_width == 2);
}

static void quantization_that_only_describes_sparsity_is_a_remark(void **state)
{
	static const char *const remarks[] = {
		"null",
		"{}",
		"false",
		"{\"quant_method\": \"compressed-tensors\", \"format\": \"dense\", "
		"\"config_groups\": {}, \"ignore\": [\"lm_head\"], \"kv_cache_scheme\": null, "
		"\"sparsity_config\": {\"format\": \"dense\", \"global_sparsity\": 0.5, "
		"\"sparsity_structure\": \"2:4\"}}",
		"{\"quant_method\": \"compressed-tensors\", \"sparsity_config\": {\"format\": "
		"\"dense\", \"global_sparsity\": NaN}}",
		"{\"format\": \"dense\"}",
		"{\"sparsity_config\": {\"global_sparsity\": 0.5}}",
		"{\"quant_method\": \"compressed-tensors\", \"config_groups\": {\"group_0\": "
		"{\"targets\": [\"Linear\"], \"weights\": null, \"input_activations\": "
		"null}}}",
		"{\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": false, "
		"\"load_in_8bit\": false}",
	};
	ps_model_config plain, c;
	char text[1024];

	(void)state;
	parse("{" LLAMA SMALL "}", &plain);
	for (size_t i = 0; i < sizeof remarks / sizeof *remarks; i++) {
		snprintf(text, sizeof text, "{" LLAMA SMALL ", \"quantization_config\": %s}",
			 remarks[i]);
		parse(text, &c);
		assert_same_model(&plain, &c);
	}
}

static void quantization_is_refused_by_its_name(void **state)
{
	static const struct {
		const char *entry, *want;
	} cases[] = {
		{"{\"quant_method\": \"gptq\", \"bits\": 4}", "quant_method gptq"},
		{"{\"quant_method\": \"awq\"}", "quant_method awq"},
		{"{\"quant_method\": \"fp8\", \"format\": \"dense\"}", "quant_method fp8"},
		{"{\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true}", "load_in_4bit"},
		{"{\"load_in_8bit\": true}", "load_in_8bit"},
		{"{\"bits\": 4}", "bits"},
		{"{\"quant_method\": \"compressed-tensors\", \"format\": "
		 "\"pack-quantized\"}",
		 "format pack-quantized"},
		{"{\"quant_method\": \"compressed-tensors\", \"sparsity_config\": "
		 "{\"format\": \"sparse-24-bitmask\"}}",
		 "format sparse-24-bitmask"},
		{"{\"format\": \"dense\", \"config_groups\": {\"g\": {\"weights\": "
		 "{\"num_bits\": 8}}}}",
		 "config_groups"},
		{"{\"format\": \"dense\", \"config_groups\": {\"W8A8\": [\"Linear\"]}}",
		 "config_groups"},
		{"{\"format\": \"dense\", \"kv_cache_scheme\": {\"num_bits\": 8}}",
		 "kv_cache_scheme"},
		{"{\"quant_method\": 7}", "quant_method"},
		{"[\"gptq\"]", "not an object"},
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(text, sizeof text, "{" LLAMA SMALL ", \"quantization_config\": %s}",
			 cases[i].entry);
		refused(text, "quantization_config");
		refused(text, cases[i].want);
		snprintf(text, sizeof text,
			 "{\"model_type\": \"gemma3\", \"quantization_config\": %s, "
			 "\"text_config\": {" SMALL "}}",
			 cases[i].entry);
		refused(text, cases[i].want);
	}
}

/* Reads BOS alone. Returns -1 if it is refused naming the key. */
static int32_t bos_of(const char *text)
{
	int32_t bos = -2;
	ps_diag diag = {{0}};
	int rc = ps_config_bos(text, strlen(text), "dir/config.json", &bos, &diag);

	if (rc && (rc != PS_EINPUT || !strstr(diag.text, "dir/config.json: bos_token_id")))
		fail_msg("%s: %d '%s'", text, rc, diag.text);
	return rc ? -1 : bos;
}

static void bos_is_looked_at_only_by_who_needs_it(void **state)
{
	ps_model_config c;

	(void)state;
	parse("{" LLAMA SMALL ", \"bos_token_id\": 32000}", &c);
	assert_int_equal(c.bos, 32000);
	assert_int_equal(ps_config_need_bos(c.bos, c.vocab, "m", NULL), PS_EINPUT);
	assert_int_equal(ps_config_need_bos(31999, c.vocab, "m", NULL), 0);
	assert_int_equal(ps_config_need_bos(-1, c.vocab, "m", NULL), PS_EINPUT);
	assert_int_equal(bos_of("{" LLAMA SMALL ", \"bos_token_id\": 32000}"), -1);
	assert_int_equal(bos_of("{\"bos_token_id\": 31999}"), 31999);
	assert_int_equal(bos_of("{\"bos_token_id\": [7, 8], \"x\": NaN}"), 7);
	assert_int_equal(bos_of("{\"bos_token_id\": null}"), -1);
	assert_int_equal(bos_of("{\"bos_token_id\": \"<s>\"}"), -1);
	assert_int_equal(bos_of("{\"model_type\": \"mistral\"}"), -1);
	assert_int_equal(bos_of("{\"model_type\": \"llama\"}"), 1);
	assert_int_equal(bos_of(gemma_3_4b), 2);
}

static void tensors_are_named_and_shaped_as_in_checkpoints(void **state)
{
	char name[96];
	size_t rows, cols;
	ps_model_config c;

	(void)state;
	parse(gemma_3_1b, &c);
	assert_string_equal(ps_projection_tensor(3, PS_DOWN, name),
			    "model.layers.3.mlp.down_proj.weight");
	assert_string_equal(ps_projection_tensor(25, PS_O, name),
			    "model.layers.25.self_attn.o_proj.weight");
	assert_string_equal(ps_norm_tensor(PS_FAMILY_GEMMA3, 0, PS_NORM_K, name),
			    "model.layers.0.self_attn.k_norm.weight");
	assert_string_equal(ps_norm_tensor(PS_FAMILY_GEMMA2, 7, PS_NORM_PRE_MLP, name),
			    "model.layers.7.pre_feedforward_layernorm.weight");
	assert_null(ps_norm_tensor(PS_FAMILY_GEMMA2, 7, PS_NORM_Q, name));
	assert_null(ps_norm_tensor(PS_FAMILY_LLAMA, 7, PS_NORM_POST_MLP, name));
	ps_projection_shape(&c, PS_O, &rows, &cols);
	assert_true(rows == 1152 && cols == 1024);
	ps_projection_shape(&c, PS_V, &rows, &cols);
	assert_true(rows == 256 && cols == 1152);
	ps_projection_shape(&c, PS_UP, &rows, &cols);
	assert_true(rows == 6912 && cols == 1152);
	assert_int_equal(ps_norm_length(&c, PS_NORM_Q), 256);
	assert_int_equal(ps_norm_length(&c, PS_NORM_POST_MLP), 1152);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_published_llama),
		cmocka_unit_test(reads_a_published_gemma_2),
		cmocka_unit_test(reads_a_published_gemma_3),
		cmocka_unit_test(fills_gemma_3_text_config_with_the_defaults),
		cmocka_unit_test(both_generations_of_keys_say_the_same),
		cmocka_unit_test(absent_keys_take_the_defaults_of_the_family),
		cmocka_unit_test(null_says_none_where_that_is_a_choice),
		cmocka_unit_test(caps_follow_the_code_of_the_family),
		cmocka_unit_test(layer_types_win_over_the_pattern),
		cmocka_unit_test(sizes_that_cannot_be_are_named),
		cmocka_unit_test(sizes_that_do_not_divide_are_named),
		cmocka_unit_test(what_is_not_supported_is_named),
		cmocka_unit_test(ropes_that_are_not_supported_are_named),
		cmocka_unit_test(token_ids_that_cannot_be_are_named),
		cmocka_unit_test(what_is_not_json_is_refused),
		cmocka_unit_test(unused_keys_may_hold_what_python_writes),
		cmocka_unit_test(heads_need_not_divide_the_width_if_head_dim_is_given),
		cmocka_unit_test(quantization_that_only_describes_sparsity_is_a_remark),
		cmocka_unit_test(quantization_is_refused_by_its_name),
		cmocka_unit_test(bos_is_looked_at_only_by_who_needs_it),
		cmocka_unit_test(tensors_are_named_and_shaped_as_in_checkpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
