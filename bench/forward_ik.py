"""What a user would run instead of prunescope: ik_llama.cpp's prefill on the CPU, on the same tokens
and threads. It computes the logits of each window's last token only.

usage: forward_ik.py forward MODEL.gguf TOKENS.safetensors THREADS WINDOWS
       forward_ik.py version

Needs the Python package ik-llama-cpp-python, and NumPy. The program has the instructions that its
package was compiled with. Prints `tokens seconds cpu -`. The times are those of the passes alone, by
the clock and as processor time, without loading and one window to warm up."""

import json
import struct
import sys
import time
from importlib.metadata import version

import numpy as np


def read_tokens(path, windows):
    """The first windows of a safetensors file's only tensor, int32 of [windows, length]."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(size))["tokens"]
        begin, end = entry["data_offsets"]
        file.seek(8 + size + begin)
        ids = np.frombuffer(file.read(end - begin), dtype="<i4")
    return ids.reshape(entry["shape"])[:windows].tolist()


def forward(path, tokens, threads, windows):
    from ik_llama_cpp import IkLlama, _ctypes_api
    from ik_llama_cpp._internals import make_batch_range

    ids = read_tokens(tokens, int(windows))
    model = IkLlama(path, n_ctx=len(ids[0]), n_threads=int(threads), n_gpu_layers=0, verbose=False)

    def run(window):
        model._context.kv_cache_clear()
        batch = make_batch_range(window, pos_start=0, logits_last=True)
        if model._context.decode(batch):
            raise SystemExit("llama_decode failed")
        _ctypes_api.llama_batch_free(batch)

    run(ids[0])
    begin, cpu = time.perf_counter(), time.process_time()
    for window in ids:
        run(window)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    print(sum(map(len, ids)), f"{seconds:.4f} {cpu:.3f} -")


if __name__ == "__main__":
    if sys.argv[1] == "forward":
        forward(*sys.argv[2:])
    else:
        print("ik_llama.cpp by ik-llama-cpp-python", version("ik-llama-cpp-python"))
