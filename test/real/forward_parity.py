"""Compares WORK/{f32,bf16,int16}.safetensors and WORK/cache-* with transformers. usage: forward_parity.py MODEL WORK LAYER"""
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

model, work, layer = sys.argv[1], sys.argv[2], int(sys.argv[3])
tokens = load_file(f"{work}/tokens.safetensors")["tokens"].long()


def run(dtype):
    net = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, attn_implementation="eager").eval()
    with torch.no_grad():
        out = net(tokens, use_cache=False, output_hidden_states=True)
    return out.logits.float(), out.hidden_states[layer + 1].float().flatten(0, 1)


def distance(a, truth):
    """Relative L2 distance of the whole, and of the median and the worst row."""
    rows = ((a - truth).norm(dim=-1) / truth.norm(dim=-1)).flatten()
    return ((a - truth).norm() / truth.norm()).item(), rows.median().item(), rows.max().item()


def ours(precision):
    return (load_file(f"{work}/{precision}.safetensors")["logits"],
            load_file(f"{work}/cache-{precision}/shard-00000.safetensors")["activations"])


truth, theirs = run(torch.float32), run(torch.bfloat16)
failed = 0
for i, what in enumerate(("logits", f"layer {layer}")):
    f32, bf16, int16, peer = (distance(x[i], truth[i]) for x in (ours("f32"), ours("bf16"), ours("int16"), theirs))
    print(f"{what}: relative L2 distance from float32, whole, median row and worst row: "
          + ", ".join(f"{name} {d[0]:.2e} {d[1]:.2e} {d[2]:.2e}"
                      for name, d in (("f32", f32), ("bf16", bf16), ("int16", int16), ("transformers bfloat16", peer))))
    good = f32[2] <= 1e-4 and bf16[0] <= peer[0] and bf16[1] <= peer[1] and int16[1] <= bf16[1] / 5
    failed += not good
print(f"{2 - failed} passed, {failed} failed")
sys.exit(failed > 0)
