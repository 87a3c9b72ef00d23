#include "io/gguf_names.h"

#include <stdio.h>
#include <string.h>

#define LAYERS "model.layers."

/* The name of a layer's tensor behind its number. */
static const char *layer_name(bool llama, const char *name)
{
	static const struct {
		const char *name, *gemma, *llama; /* of transformers; of GGUF */
	} names[] = {
		{"self_attn.q_proj.weight", "attn_q.weight", "attn_q.weight"},
		{"self_attn.k_proj.weight", "attn_k.weight", "attn_k.weight"},
		{"self_attn.v_proj.weight", "attn_v.weight", "attn_v.weight"},
		{"self_attn.o_proj.weight", "attn_output.weight", "attn_output.weight"},
		{"mlp.gate_proj.weight", "ffn_gate.weight", "ffn_gate.weight"},
		{"mlp.up_proj.weight", "ffn_up.weight", "ffn_up.weight"},
		{"mlp.down_proj.weight", "ffn_down.weight", "ffn_down.weight"},
		{"self_attn.q_norm.weight", "attn_q_norm.weight", ""},
		{"self_attn.k_norm.weight", "attn_k_norm.weight", ""},
		{"input_layernorm.weight", "attn_norm.weight", "attn_norm.weight"},
		{"post_attention_layernorm.weight", "post_attention_norm.weight",
		 "ffn_norm.weight"},
		{"pre_feedforward_layernorm.weight", "ffn_norm.weight", ""},
		{"post_feedforward_layernorm.weight", "post_ffw_norm.weight", ""},
		{"", "", ""},
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(name, names[i].name))
			return llama ? names[i].llama : names[i].gemma;
	return "";
}

char *ps_gguf_tensor_name(bool llama, const char *name, char *out, size_t size)
{
	static const struct {
		const char *name, *gguf;
	} ends[] = {
		{"model.embed_tokens.weight", "token_embd.weight"},
		{"model.norm.weight", "output_norm.weight"},
		{"lm_head.weight", "output.weight"},
	};
	const char *number = name + strlen(LAYERS);

	*out = 0;
	if (!strncmp(name, LAYERS, strlen(LAYERS))) {
		const size_t digits = strspn(number, "0123456789");

		(void)snprintf(out, size, "blk.%.*s%s%s", (int)digits, number,
			       number[digits] ? "." : "",
			       number[digits] ? layer_name(llama, number + digits + 1) : "");
	}
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (!strcmp(name, ends[i].name))
			(void)snprintf(out, size, "%s", ends[i].gguf);
	return out;
}
