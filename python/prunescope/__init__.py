"""prunescope in Python: a reader of its files that needs NumPy alone, and the program itself.

    import prunescope as ps
    mask = ps.load_mask("mask.safetensors")["model.layers.0.mlp.up_proj.weight"]   # bool [rows, cols]
    rows = ps.open_cache("cache")[1000:2000]                                       # float32 [1000, d_model]
    latents = ps.load_sae("sae").encode(rows)                                      # float32 [1000, d_sae]

`python -m prunescope` and the command `prunescope` run the program that the wheel carries. docs/FORMATS.md describes
the files.
"""

from importlib import metadata as _metadata

from .program import program_path, run
from .reader import (SAE, Cache, load_conditions, load_mask, load_matching, load_results, load_rounding, load_sae,
                     load_statistics, load_table, load_tokens, open_cache)
from .safetensors import File, widen

try:
    __version__ = _metadata.version("prunescope")
except _metadata.PackageNotFoundError:  # read from a checkout
    __version__ = "0+unknown"
__all__ = ["SAE", "Cache", "File", "load_conditions", "load_mask", "load_matching", "load_results", "load_rounding",
           "load_sae", "load_statistics", "load_table", "load_tokens", "open_cache", "program_path", "run", "widen"]
