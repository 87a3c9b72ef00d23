"""Wanda by torch, and how our masks differ from it.

prune_parity.py reference MODEL WORK SPARSITY   writes WORK/reference.safetensors and WORK/scores/
prune_parity.py compare MODEL WORK SPARSITY     compares WORK/assumed and WORK/own with it

The reference prunes layer by layer (arXiv 2306.11695): the score of a weight is |w| times the root of
the mean of its input's squares; of each row the lowest go; a layer sees the outputs of the pruned
layers below it."""
import os
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

TIE = 1e-5  # relative distance of a score from its row's limit
AGREE = 0.99999  # of the bits of each layer

command, model, work, sparsity = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])


class Stop(Exception):
    pass


def linears(layer):
    return {name: m for name, m in layer.named_modules() if isinstance(m, torch.nn.Linear)}


def observe(base, index, tokens):
    """Sums of squares, in float64, of the inputs of a layer's projections."""
    layer, sums, hooks = base.layers[index], {}, []

    def watch(name):
        def see(module, inputs, output):
            x = inputs[0].reshape(-1, inputs[0].shape[-1]).double()
            sums[name] = sums.get(name, 0) + (x * x).sum(0)
        return see

    def stop(module, inputs, output):
        raise Stop

    for name, linear in linears(layer).items():
        hooks.append(linear.register_forward_hook(watch(name)))
    hooks.append(layer.register_forward_hook(stop))
    for window in tokens:
        try:
            base(window[None], use_cache=False)
        except Stop:
            pass
    for hook in hooks:
        hook.remove()
    return sums


def pack(keep):
    """Bits of a row, least significant first."""
    rows, cols = keep.shape
    padded = torch.zeros(rows, (cols + 7) // 8 * 8, dtype=torch.uint8)
    padded[:, :cols] = keep
    return (padded.view(rows, -1, 8) << torch.arange(8)).sum(-1).to(torch.uint8)


def unpack(bits, cols):
    return (bits[:, :, None] >> torch.arange(8) & 1).flatten(1)[:, :cols].bool()


@torch.no_grad()
def reference():
    net = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32,
                                               attn_implementation="eager").eval()
    tokens = load_file(f"{work}/tokens.safetensors")["tokens"].long()
    masks = {}
    os.makedirs(f"{work}/scores", exist_ok=True)
    for i, layer in enumerate(net.model.layers):
        sums, scores = observe(net.model, i, tokens), {}
        for name, linear in linears(layer).items():
            weight = linear.weight.data
            score = weight.abs() * torch.sqrt((sums[name] / len(tokens)).float())
            drop = int(weight.shape[1] * sparsity)
            order = torch.sort(score, dim=-1, stable=True)[1]
            keep = torch.ones_like(weight, dtype=torch.bool)
            keep.scatter_(1, order[:, :drop], False)
            weight[~keep] = 0
            full = f"model.layers.{i}.{name}.weight"
            masks[full], scores[full] = pack(keep), score
        save_file(scores, f"{work}/scores/{i:02d}.safetensors")
    save_file(masks, f"{work}/reference.safetensors")


def differing(theirs, ours, shape):
    return (unpack(theirs, shape[1]) != unpack(ours, shape[1])).nonzero()


def compare():
    theirs = load_file(f"{work}/reference.safetensors")
    assumed, own = load_file(f"{work}/assumed.safetensors"), load_file(f"{work}/own.safetensors")
    bits = different = apart = failed = 0
    for file in sorted(os.listdir(f"{work}/scores")):
        layer_bits = layer_different = 0
        for name, score in load_file(f"{work}/scores/{file}").items():
            drop = int(score.shape[1] * sparsity)
            limit = torch.sort(score, dim=-1)[0][:, drop - 1:drop + 1].double()
            layer_bits += score.numel()
            apart += len(differing(theirs[name], own[name], score.shape))
            for row, col in differing(theirs[name], assumed[name], score.shape).tolist():
                s = score[row, col].double()
                distance = ((limit[row] - s).abs() / s).min().item()
                layer_different += 1
                failed += distance > TIE
                print(f"{name} row {row}, column {col}: score {s:.9g}, "
                      f"{distance:.1e} from the limit: {'a tie' if distance <= TIE else 'NO TIE'}")
        if layer_different > (1 - AGREE) * layer_bits:
            print(f"layer {file[:2]}: {layer_different} of {layer_bits} bits differ")
            failed += 1
        bits += layer_bits
        different += layer_different
    print(f"with the reference's masks below: {different} of {bits} bits differ "
          f"({100 * (1 - different / bits):.6f} % agree); with its own: {apart} "
          f"({100 * (1 - apart / bits):.6f} % agree)")
    sys.exit(failed > 0)


reference() if command == "reference" else compare()
