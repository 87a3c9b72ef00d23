"""What a user would run instead of prunescope: transformers' forward pass on the CPU, on the same
tokens and threads.

usage: forward_torch.py forward MODEL TOKENS.safetensors f32|bf16 THREADS WINDOWS [CACHE]
       forward_torch.py ppl MODEL TEXT f32|bf16 THREADS WINDOW STRIDE MAX_TOKENS
       forward_torch.py version

forward: runs the decoder without the output head over the first WINDOWS windows, in batches of 8.
CACHE is a folder that `prunescope cache` wrote of the last layer. With it, the first batch is
compared with the cache: the result is the largest relative L2 difference of a row.

ppl: windows start at 0, STRIDE, ...; each is BOS and up to WINDOW ids. transformers computes the
logits of every position. The loss is over the ids that no earlier window has scored.

Prints `tokens seconds cpu result`. The times are those of the forward passes alone, by the clock
and as processor time, without imports, loading and one window to warm up. result is the difference
(- without CACHE), or the mean loss in nats. bench/watch_command measures the memory."""

import glob
import os
import sys
import time

import torch
import transformers
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

BATCH = 8


class Stopwatch:
    """Adds up the time spent within it: seconds by the clock, and processor seconds."""

    seconds = cpu = 0.0

    def __enter__(self):
        self.begin = time.perf_counter(), time.process_time()

    def __exit__(self, *exception):
        self.seconds += time.perf_counter() - self.begin[0]
        self.cpu += time.process_time() - self.begin[1]

    def __str__(self):
        return f"{self.seconds:.4f} {self.cpu:.3f}"


def load(path, precision, threads):
    torch.set_num_threads(threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    return AutoModelForCausalLM.from_pretrained(path, dtype=dtype).eval()


def difference(cache, rows):
    """Largest relative L2 difference of a row of these from the same row of the cache."""
    shards = sorted(glob.glob(os.path.join(cache, "shard-*.safetensors")))
    got, count = [], 0
    while count < len(rows):
        got.append(load_file(shards.pop(0))["activations"].float())
        count += len(got[-1])
    got = torch.cat(got)[: len(rows)]
    return ((got - rows).norm(dim=1) / rows.norm(dim=1)).max().item()


def forward(path, tokens, precision, threads, windows, cache=None):
    model = load(path, precision, int(threads))
    ids = load_file(tokens)["tokens"].long()[: int(windows)]
    seen = []

    def see(module, inputs, output):
        seen.append(output[0] if isinstance(output, tuple) else output)

    watch = Stopwatch()
    with torch.inference_mode():
        model.model(ids[:1], use_cache=False)
        hook = model.model.layers[-1].register_forward_hook(see) if cache else None
        for batch in ids.split(BATCH):
            with watch:
                model.model(batch, use_cache=False)
            if hook:
                hook.remove()
                hook = None
    result = f"{difference(cache, seen[0].float().flatten(0, 1)):.3g}" if cache else "-"
    print(ids.numel(), watch, result)


def spans(count, window, stride):
    """Yields (begin, first id that counts, end) of each window."""
    done = begin = 0
    while done < count:
        end = min(begin + window, count)
        if end > done:
            yield begin, done, end
            done = end
        begin += stride


def perplexity(path, text, precision, threads, window, stride, most):
    from tokenizers import Tokenizer

    model = load(path, precision, int(threads))
    with open(text, encoding="utf-8", newline="") as file:
        tokenizer = Tokenizer.from_file(os.path.join(path, "tokenizer.json"))
        ids = tokenizer.encode(file.read(), add_special_tokens=False).ids
    ids = torch.tensor(ids[: int(most)])
    bos = torch.tensor([model.config.bos_token_id])
    loss, watch = 0.0, Stopwatch()
    with torch.inference_mode():
        model(torch.cat([bos, ids[: int(window) - 1]])[None], use_cache=False)
        for begin, scored, end in spans(len(ids), int(window), int(stride)):
            with watch:
                given = torch.cat([bos, ids[begin : end - 1]])[None]
                logits = model(given, use_cache=False).logits[0][scored - begin :].float()
                loss += cross_entropy(logits, ids[scored:end], reduction="sum").item()
    print(len(ids), watch, f"{loss / len(ids):.6f}")


if __name__ == "__main__":
    if sys.argv[1] == "forward":
        forward(*sys.argv[2:])
    elif sys.argv[1] == "ppl":
        perplexity(*sys.argv[2:])
    else:
        print(f"torch {torch.__version__.split('+')[0]} transformers {transformers.__version__}")
