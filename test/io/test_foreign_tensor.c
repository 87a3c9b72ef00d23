/* io/foreign_tensor: which tensors may be passed over, and what the others are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "io/foreign_tensor.h"

static void what_cannot_change_the_model_is_passed_over(void **state)
{
	static const struct {
		const char *name, *dtype;
		int rank;
		bool unread;
	} cases[] = {
		{"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", 1, true},
		{"rotary_emb.cos_cached", "F32", 2, true},
		{"model.rotary_emb.weight", "F32", 2, false},
		{"model.rotary_emb.bias", "F32", 1, false},
		{"model.layers.0.self_attn.k_scale", "F32", 0, true},
		{"model.layers.0.attn.v_scale", "F32", 0, true},
		{"model.layers.0.attention.q_scale", "F32", 0, true},
		{"model.layers.0.attention.masked_bias", "F32", 0, true},
		{"model.layers.0.self_attn.prob_scale", "F32", 0, true},
		{"model.layers.0.mlp.k_scale", "F32", 0, false},
		{"k_scale", "F32", 0, false},
		{"model.layers.0.attn.bias", "F32", 4, true},
		{"model.layers.0.attn.bias", "BOOL", 2, true},
		{"model.layers.0.attn.bias", "U8", 2, true},
		{"model.layers.0.attn.bias", "F32", 1, false},
		{"model.layers.0.attn.causal_mask", "BOOL", 2, true},
		{"model.layers.0.attn.causal_mask", "F32", 2, false},
		{"model.layers.0.self_attn.weight", "F32", 2, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const ps_tensor_info tensor = {
			.name = cases[i].name, .dtype_name = cases[i].dtype, .rank = cases[i].rank};

		if (ps_foreign_is_unread(&tensor) != cases[i].unread)
			fail_msg("%s %s of rank %d", cases[i].name, cases[i].dtype, cases[i].rank);
	}
}

static void what_is_refused_is_named(void **state)
{
	static const struct {
		const char *name, *kind; /* NULL: unknown */
	} cases[] = {
		{"base_model.model.lora_A.weight", "LoRA"},
		{"x.base_layer.weight", "PEFT"},
		{"x.modules_to_save.default.weight", "PEFT"},
		{"x.ia3_l", "PEFT"},
		{"x.adapter.down", "adapter"},
		{"model.layers.0.mlp.up_proj.qweight", "GPTQ or AWQ"},
		{"model.layers.0.mlp.up_proj.SCB", "bitsandbytes"},
		{"model.layers.0.mlp.up_proj.weight_packed", "compressed-tensors"},
		{"model.layers.0.mlp.up_proj.weight_scale_inv", "fp8"},
		{"model.layers.0.mlp.up_proj.weight_mask", "torch.nn.utils.prune"},
		{"model.layers.0.mlp.up_proj.weight_g", "weight norm"},
		{"model.layers.0.mlp.up_proj.bias", "a bias"},
		{"bias", "a bias"},
		{"model.layers.0.mlp.up_proj.weight", NULL},
		{"weights", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *kind = ps_foreign_kind(cases[i].name);

		if (!cases[i].kind != !kind || (kind && !strstr(kind, cases[i].kind)))
			fail_msg("%s is called %s", cases[i].name, kind ? kind : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_change_the_model_is_passed_over),
		cmocka_unit_test(what_is_refused_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
