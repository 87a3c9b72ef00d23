"""prunescope in Python: a reader of its files that needs NumPy alone, and the program itself.

    import prunescope as ps
    mask = ps.load_mask("mask.safetensors")["model.layers.0.mlp.up_proj.weight"]   # bool [rows, cols]
    rows = ps.open_cache("cache")[1000:2000]                                       # float32 [1000, d_model]
    latents = ps.load_sae("sae").encode(rows)                                      # float32 [1000, d_sae]

`python -m prunescope` and the command `prunescope` run the program that the wheel carries. docs/FORMATS.md describes
the files.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from .program import program_path, run

if _TYPE_CHECKING:
    from .reader import (SAE, Cache, load_conditions, load_mask, load_matching, load_results, load_rounding, load_sae,
                         load_statistics, load_table, load_tokens, open_cache)
    from .safetensors import File, widen
    __version__: str

__all__ = ["SAE", "Cache", "File", "load_conditions", "load_mask", "load_matching", "load_results", "load_rounding",
           "load_sae", "load_statistics", "load_table", "load_tokens", "open_cache", "program_path", "run", "widen"]


def __getattr__(name: str) -> _Any:
    """Imports the reader, and NumPy with it, when it is first used: the program starts without them."""
    if name in ("reader", "safetensors"):
        return _import_module(f"{__name__}.{name}")
    if name == "__version__":
        metadata = _import_module("importlib.metadata")
        try:
            value = metadata.version("prunescope")
        except metadata.PackageNotFoundError:  # read from a checkout
            value = "0+unknown"
    elif name in __all__:
        value = getattr(_import_module(f"{__name__}.{'safetensors' if name in ('File', 'widen') else 'reader'}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
