"""Makes a GGUF file of a checkpoint of Llama's or Gemma 3's architecture, for bench/forward_ik.py.

usage: make_gguf.py MODEL_DIR bf16|q8_0 FILE.gguf

Needs the Python packages gguf, NumPy and safetensors. Matrices get the type that is asked for,
norms are f32. As llama.cpp expects them, Gemma's norms are stored with 1 added, and Llama's rows of
q and k are in the order of interleaved rotation. The file has no tokenizer, only a vocabulary's
size: it computes, but cannot read text."""

import glob
import json
import os
import re
import sys

import gguf
import numpy as np
from safetensors import safe_open

PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
}
GEMMA = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
LLAMA = {"post_attention_layernorm": "ffn_norm"}


def tensors(folder):
    """Yields name and values, f32, of every tensor."""
    for path in sorted(glob.glob(os.path.join(folder, "*.safetensors"))):
        with safe_open(path, "pt") as file:
            for name in file.keys():
                yield name, file.get_tensor(name).float().numpy()


def gguf_name(name, parts):
    name = name.removeprefix("model.").removesuffix(".weight")
    whole = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
    if name in whole:
        return whole[name] + ".weight"
    layer, part = re.fullmatch(r"layers\.(\d+)\.(.+)", name).groups()
    return f"blk.{layer}.{parts[part]}.weight"


def interleave(w, heads):
    """Rows of a head's two halves in turns, from one half after the other."""
    return w.reshape(heads, 2, -1, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def main(folder, kind, path):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    gemma = config["model_type"].startswith("gemma3")
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head_width = config.get("head_dim") or config["hidden_size"] // heads
    writer = gguf.GGUFWriter(path, "gemma3" if gemma else "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_width)
    writer.add_value_length(head_width)
    writer.add_rope_dimension_count(head_width)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    rope = config.get("rope_parameters", {})
    theta = config.get("rope_theta", rope.get("full_attention", rope).get("rope_theta", 1e4))
    writer.add_rope_freq_base(theta)
    if gemma:
        writer.add_sliding_window(config["sliding_window"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
    matrix = {"bf16": gguf.GGMLQuantizationType.BF16, "q8_0": gguf.GGMLQuantizationType.Q8_0}[kind]
    for name, values in tensors(folder):
        if gemma and name.endswith("norm.weight"):
            values = values + 1
        if not gemma and name.endswith("q_proj.weight"):
            values = interleave(values, heads)
        if not gemma and name.endswith("k_proj.weight"):
            values = interleave(values, kv_heads)
        what = matrix if values.ndim == 2 else gguf.GGMLQuantizationType.F32
        values = np.ascontiguousarray(values)
        name = gguf_name(name, PARTS | (GEMMA if gemma else LLAMA))
        writer.add_tensor(name, gguf.quants.quantize(values, what), raw_dtype=what)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
