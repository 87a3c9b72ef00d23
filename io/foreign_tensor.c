#include "io/foreign_tensor.h"

#include <stddef.h>
#include <string.h>

/* The part of a name behind its last '.'. */
static const char *last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(text, list[i]))
			return true;
	return false;
}

/* Whether the part before the last one is the name of an attention block. */
static bool is_of_attention(const char *name)
{
	static const char *const blocks[] = {".self_attn.", ".attn.", ".attention."};
	size_t length = (size_t)(last_part(name) - name);

	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
		size_t n = strlen(blocks[i]);

		if (length >= n && !memcmp(name + length - n, blocks[i], n))
			return true;
	}
	return false;
}

bool ps_foreign_is_unread(const ps_tensor_info *tensor)
{
	static const char *const scales[] = {"k_scale",  "v_scale",    "q_scale",
					     "kv_scale", "prob_scale", "masked_bias"};
	const char *name = tensor->name, *last = last_part(name);

	/* Tables and frequencies are computed from config.json. */
	if (strstr(name, "rotary_emb.") && strcmp(last, "weight") && strcmp(last, "bias"))
		return true;
	if (!is_of_attention(name))
		return false;
	/* A mask of window times window has four dimensions or flags; a bias that is added has one
	 * dimension and numbers. */
	if (!strcmp(last, "bias") || !strcmp(last, "causal_mask"))
		return tensor->rank == 4 || !strcmp(tensor->dtype_name, "BOOL") ||
		       !strcmp(tensor->dtype_name, "U8");
	return is_one_of(last, scales, sizeof scales / sizeof *scales);
}

const char *ps_foreign_kind(const char *name)
{
	static const struct {
		const char *part, *kind;
	} parts[] = {
		{".lora_", "part of a LoRA adapter (merge it into the model first)"},
		{".base_layer.", "part of a PEFT adapter (merge it into the model first)"},
		{".modules_to_save.", "part of a PEFT adapter (merge it into the model first)"},
		{".ia3_", "part of a PEFT adapter (merge it into the model first)"},
		{".adapter", "part of an adapter (merge it into the model first)"},
	};
	static const struct {
		const char *last, *kind;
	} lasts[] = {
		{"qweight", "part of quantized weights (GPTQ or AWQ)"},
		{"qzeros", "part of quantized weights (GPTQ or AWQ)"},
		{"scales", "part of quantized weights (GPTQ or AWQ)"},
		{"g_idx", "part of quantized weights (GPTQ)"},
		{"SCB", "part of quantized weights (bitsandbytes)"},
		{"weight_format", "part of quantized weights (bitsandbytes)"},
		{"absmax", "part of quantized weights (bitsandbytes)"},
		{"quant_map", "part of quantized weights (bitsandbytes)"},
		{"nested_absmax", "part of quantized weights (bitsandbytes)"},
		{"nested_quant_map", "part of quantized weights (bitsandbytes)"},
		{"bitsandbytes__nf4", "part of quantized weights (bitsandbytes)"},
		{"bitsandbytes__fp4", "part of quantized weights (bitsandbytes)"},
		{"weight_packed", "part of quantized weights (compressed-tensors)"},
		{"weight_shape", "part of quantized weights (compressed-tensors)"},
		{"weight_scale", "part of quantized weights"},
		{"weight_scale_inv", "part of quantized weights (fp8)"},
		{"weight_scale_2", "part of quantized weights (fp4)"},
		{"weight_zero_point", "part of quantized weights"},
		{"weight_g_idx", "part of quantized weights (compressed-tensors)"},
		{"input_scale", "part of quantized activations"},
		{"output_scale", "part of quantized activations"},
		{"bitmask", "part of compressed sparse weights (compressed-tensors)"},
		{"compressed", "part of compressed sparse weights (compressed-tensors)"},
		{"row_offsets", "part of compressed sparse weights (compressed-tensors)"},
		{"weight_orig",
		 "part of weights pruned by torch.nn.utils.prune (make it permanent first)"},
		{"weight_mask",
		 "part of weights pruned by torch.nn.utils.prune (make it permanent first)"},
		{"weight_g", "part of a weight norm (remove it first)"},
		{"weight_v", "part of a weight norm (remove it first)"},
	};
	const char *last = last_part(name);

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strstr(name, parts[i].part))
			return parts[i].kind;
	for (size_t i = 0; i < sizeof lasts / sizeof *lasts; i++)
		if (!strcmp(last, lasts[i].last))
			return lasts[i].kind;
	return !strcmp(last, "bias") ? "a bias" : NULL;
}
