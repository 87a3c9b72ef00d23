"""Reads what prunescope writes: masks, caches, SAEs, matchings, tables, results. It needs NumPy alone.

Nothing here checks checksums: `tools/shardinfo PATH --verify` (`prunescope-shardinfo`) does.
torch takes the arrays by torch.from_numpy(numpy.array(a)).
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from .safetensors import File, Rows, widen

_GATHER_BYTES = 1 << 24  # of rows that are copied at once

PathLike = str | os.PathLike[str]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: no JSON: {error}") from None


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished folder of ours; empty for a folder of another tool."""
    if not folder.is_dir() or not (folder / "manifest.json").exists():
        return {}
    manifest = _read_json(folder / "manifest.json")
    if not isinstance(manifest, dict) or not manifest.get("complete"):
        raise ValueError(f"{folder}: is not finished: the command that began it continues it")
    return manifest


def _of_kind(path: PathLike, *kinds: str) -> File:
    file = File(path)
    if file.kind and file.kind not in kinds:
        raise ValueError(f"{file.path}: holds {file.kind}; {' or '.join(kinds)} is expected")
    return file


# --- masks, tokens, statistics ---


def load_mask(path: PathLike) -> dict[str, np.ndarray]:
    """A mask as {name of the weight: bool array [rows, cols]}, True where the weight is kept.

    Takes masks of ours and the bool tensors of `convert --to torch`. The shapes are those of the metadata; bits
    without them (a file of another tool) are least significant first, and cols is a multiple of 8.
    """
    file = _of_kind(path, "mask", "torch-mask")
    return {name: _kept(file, name, file.about.get("tensors", {}).get(name)) for name in file}


def _kept(file: File, name: str, note: dict[str, int] | None) -> np.ndarray:
    info, place = file.info[name], f"{file.path}: tensor {name}"
    if len(info.shape) == 2 and info.dtype == "BOOL":
        return file.read(name)
    if len(info.shape) != 2 or info.dtype != "U8":
        raise ValueError(f"{place} is {info.dtype} {list(info.shape)}: no mask of ours; prunescope convert {file.path} "
                         "--to mask -o OUT makes one of 0 and 1 of any type")
    rows, cols = (note["rows"], note["cols"]) if note else (info.shape[0], 8 * info.shape[1])
    if info.shape != (rows, -(-cols // 8)):
        raise ValueError(f"{place} has the shape {list(info.shape)}: {[rows, -(-cols // 8)]} is expected")
    bits = file.read(name)
    if not note and bits.size and bits.max() <= 1:
        raise ValueError(f"{place} holds 0 and 1 alone, so a byte a weight: prunescope convert {file.path} --to mask -o OUT")
    return np.unpackbits(bits, axis=1, bitorder="little", count=cols).view(bool)


def load_rounding(path: PathLike) -> tuple[dict[str, np.ndarray], int, int | None]:
    """A rounding as ({name of the weight: float32 scales [rows, groups]}, bits, group).

    group is how many columns share a scale; None: the whole row.
    """
    file = _of_kind(path, "rounding")
    group = file.about["group"]
    return {name: file.read(name) for name in file}, file.about["bits"], None if group == "row" else group


def load_tokens(path: PathLike) -> np.ndarray:
    """Token ids, int32 [windows, window], mapped."""
    return _of_kind(path, "tokens")["tokens"]


def load_statistics(path: PathLike) -> dict[str, np.ndarray]:
    """Calibration statistics: {name of the weight: float32 [in]}, the mean over tokens of x^2."""
    file = _of_kind(path, "statistics")
    return {name: file.read(name) for name in file}


# --- activation caches ---


class Cache:
    """An activation cache: rows of the residual stream, in shards that are mapped.

    cache[i] is a row [d_model]; cache[a:b], cache[array of row numbers] and cache[bool array [rows]] are rows
    [n, d_model]: float32, of a bf16 cache widened. Of the activations only the pages of these rows are read. len(cache)
    is the number of rows. A copy, and a pickle (so a worker process), opens the files again by their path.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self._place = self.path.absolute()
        names = [self.path] if self.path.is_file() else sorted(self.path.glob("*.safetensors"))
        if not names:
            raise ValueError(f"{self.path}: holds no shards (*.safetensors)")
        #: What the cache was made from; empty for one of another tool.
        self.provenance: dict[str, Any] = _manifest(self.path).get("provenance", {})
        self.shards = [_of_kind(name, "activations") for name in names]
        for shard in self.shards:
            if "activations" not in shard or len(shard.info["activations"].shape) != 2:
                raise ValueError(f"{shard.path}: holds no tensor activations [rows, d_model]")
        infos = [shard.info["activations"] for shard in self.shards]
        self.dtype: str = infos[0].dtype
        self.d_model: int = infos[0].shape[1]
        for shard, info in zip(self.shards, infos):
            if (info.dtype, info.shape[1]) != (self.dtype, self.d_model):
                raise ValueError(f"{shard.path}: {info.dtype} {list(info.shape)} among shards of {self.dtype} "
                                 f"[..., {self.d_model}]")
        self._rows = [Rows(shard, "activations") for shard in self.shards]
        #: (shards + 1): the number of each shard's first row, and of all rows.
        self.first_row = np.cumsum([0] + [info.shape[0] for info in infos])

    @cached_property
    def activations(self) -> list[np.ndarray]:
        """The memory maps of the shards, each [rows, d_model]; uint16 for BF16. The kernel reads ahead of them."""
        return [shard["activations"] for shard in self.shards]  # made when asked for: each holds a file open

    def __reduce__(self) -> tuple[Any, ...]:
        return Cache, (self._place,)

    def __len__(self) -> int:
        return int(self.first_row[-1])

    def __repr__(self) -> str:
        return f"<Cache {self.path}: {len(self)} rows [{self.d_model}], {self.dtype}>"

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.d_model

    def _column(self, name: str) -> np.ndarray:
        for shard in self.shards:
            if name not in shard:
                raise ValueError(f"{shard.path}: holds no {name}: rows alone")
        return np.concatenate([shard.read(name) for shard in self.shards])

    @property
    def token_ids(self) -> np.ndarray:
        """int32 [rows]: the token of each row."""
        return self._column("token_ids")

    @property
    def positions(self) -> np.ndarray:
        """int32 [rows]: its place in its window, from 0."""
        return self._column("positions")

    @property
    def window_ids(self) -> np.ndarray:
        """int32 [rows]: its window."""
        return self._column("window_ids")

    def _gather(self, rows: np.ndarray) -> np.ndarray:
        if len(rows) and (rows.min() < -len(self) or rows.max() >= len(self)):
            raise IndexError(f"{self.path}: has {len(self)} rows")
        rows = np.where(rows < 0, rows + len(self), rows)
        out = np.empty((len(rows), self.d_model), np.float32)
        shard_of = np.searchsorted(self.first_row, rows, side="right") - 1
        block = max(1, _GATHER_BYTES // max(1, 4 * self.d_model))
        for shard in np.unique(shard_of):
            of_shard = np.flatnonzero(shard_of == shard)
            for start in range(0, len(of_shard), block):
                here = of_shard[start:start + block]
                out[here] = widen(self._rows[shard][rows[here] - self.first_row[shard]], self.dtype)
        return out

    def __getitem__(self, key: int | slice | np.ndarray | list[int]) -> np.ndarray:
        if isinstance(key, slice):
            return self._gather(np.arange(*key.indices(len(self))))
        rows = np.asarray(key)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise IndexError(f"{self.path}: has {len(self)} rows, the bool array has the shape {rows.shape}")
            rows = np.flatnonzero(rows)
        if rows.ndim > 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise IndexError(f"{self.path}: a row number, a slice, or an array [n] of row numbers or [rows] of bool is "
                             "expected")
        rows = rows.astype(np.int64)
        return self._gather(rows.reshape(-1))[0] if rows.ndim == 0 else self._gather(rows)

    def batches(self, size: int = 4096) -> Iterator[np.ndarray]:
        """All rows in order, as float32 [size, d_model]; the last batch may be shorter."""
        for first in range(0, len(self), size):
            yield self[first:first + size]


def open_cache(path: PathLike) -> Cache:
    """An activation cache: the folder that `cache -o` wrote, or one shard of it."""
    return Cache(path)


# --- SAEs ---


@dataclass(repr=False)
class SAE:
    """A sparse autoencoder. D is the model's width, F the number of latents; all arrays are float32."""

    architecture: str  #: "topk", "jumprelu", "standard" or "gated"
    W_enc: np.ndarray  #: [D, F]
    W_dec: np.ndarray  #: [F, D]
    b_enc: np.ndarray  #: [F]; the gate's bias, of a gated one
    b_dec: np.ndarray  #: [D]
    k: int | None = None  #: topk: latents a row
    threshold: np.ndarray | None = None  #: [F], jumprelu
    r_mag: np.ndarray | None = None  #: [F], gated
    b_mag: np.ndarray | None = None  #: [F], gated
    apply_b_dec_to_input: bool = True
    rescale_acts_by_decoder_norm: bool = False
    cfg: dict[str, Any] | None = None  #: cfg.json
    firing_count: np.ndarray | None = None  #: int64 [F]: rows on which each latent fired after training

    def __repr__(self) -> str:
        width, latents = self.W_enc.shape
        about = (self.cfg or {}).get("metadata") or {}
        k = f", k={self.k}" if self.architecture == "topk" else ""
        return (f"<SAE {self.architecture}: {latents} latents{k} of rows [{width}]; model {about.get('model_name')}, "
                f"hook {about.get('hook_name')}>")

    def encode(self, x: np.ndarray) -> np.ndarray:
        """float32 [..., F]: the latents of rows x [..., D]."""
        x = np.asarray(x, np.float32)
        centred = x - self.b_dec if self.apply_b_dec_to_input else x
        z: np.ndarray = centred @ self.W_enc + self.b_enc
        if self.rescale_acts_by_decoder_norm:
            z = z * self.decoder_norm
        out: np.ndarray = np.maximum(z, 0)
        if self.r_mag is not None and self.b_mag is not None:  # gated
            magnitude = np.exp(self.r_mag) * (z - self.b_enc) + self.b_mag
            out = np.where(z > 0, np.maximum(magnitude, 0), np.float32(0))
        elif self.threshold is not None:  # jumprelu
            out = np.where(z > self.threshold, out, np.float32(0))
        elif self.architecture == "topk":
            order = np.argsort(-z, axis=-1, kind="stable")[..., :self.k]
            best = np.take_along_axis(out, order, -1)
            out = np.zeros_like(z)
            np.put_along_axis(out, order, best, -1)
        return out

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """float32 [..., D]: the rows that the latents [..., F] stand for."""
        if self.rescale_acts_by_decoder_norm:
            latents = latents / self.decoder_norm
        x_hat: np.ndarray = latents @ self.W_dec + self.b_dec
        return x_hat

    @property
    def decoder_norm(self) -> np.ndarray:
        """float32 [F]: the norms of the decoder's rows."""
        norm: np.ndarray = np.linalg.norm(self.W_dec, axis=1)
        return norm


# What load_sae computes; another value changes what the SAE computes.
_SAE_VALUES: dict[str, tuple[Any, ...]] = {
    "architecture": ("topk", "jumprelu", "standard", "gated"),
    "normalize_activations": (None, "none"),
    "reshape_activations": (None, "none"),
    "finetuning_scaling_factor": (None, False),
}
_SAE_TENSORS = {"topk": {"b_enc"}, "standard": {"b_enc"}, "jumprelu": {"b_enc", "threshold"},
                "gated": {"b_gate", "r_mag", "b_mag"}}


def _sae_config(folder: Path, fold: str) -> dict[str, Any]:
    cfg = _read_json(folder / "cfg.json")
    if not isinstance(cfg, dict):
        raise ValueError(f"{folder}/cfg.json: no JSON object")
    version = cfg.get("sae_lens_version") or (cfg.get("metadata") or {}).get("sae_lens_version") or "0"
    if not re.match(r"([6-9]|\d\d)\.", str(version)):
        raise ValueError(f"{folder}/cfg.json: of a SAELens before 6, by its sae_lens_version; {fold}")
    for key, right in _SAE_VALUES.items():
        if cfg.get(key) not in right:
            raise ValueError(f"{folder}/cfg.json: {key} is {cfg.get(key)!r}, which is not read; {fold}")
    if cfg["architecture"] == "topk" and type(cfg.get("k")) is not int:
        raise ValueError(f"{folder}/cfg.json: k is {cfg.get('k')!r}: a topk SAE needs a whole number; {fold}")
    return cfg


def _check_sae_tensors(file: File, cfg: dict[str, Any], fold: str) -> None:
    wide, narrow = cfg["d_sae"], cfg["d_in"]
    shapes: dict[str, tuple[int, ...]] = {name: (wide,) for name in _SAE_TENSORS[cfg["architecture"]]}
    shapes.update(W_enc=(narrow, wide), W_dec=(wide, narrow), b_dec=(narrow,))
    found = {name: info.shape for name, info in file.info.items()}
    for name in sorted(set(shapes) | set(found)):
        if shapes.get(name) != found.get(name):
            raise ValueError(f"{file.path}: tensor {name} has the shape {found.get(name)}, {shapes.get(name)} is expected "
                             f"of a {cfg['architecture']} SAE; {fold}")


def load_sae(path: PathLike) -> SAE:
    """An SAE's folder in the form of SAELens 6, which is ours: any that needs no fold.

    ValueError for other forms, normalizations and architectures. `prunescope convert --to saelens` folds them, or names
    what cannot be read.
    """
    folder = Path(path)
    fold = f"prunescope convert {folder} --to saelens -o OUT makes one that is read"
    if not (folder / "cfg.json").exists() or not (folder / "sae_weights.safetensors").exists():
        raise ValueError(f"{folder}: is not in SAELens' form (cfg.json, sae_weights.safetensors); of sparsify, Gemma Scope "
                         f"and Llama Scope {fold}")
    _manifest(folder)
    cfg = _sae_config(folder, fold)
    file = _of_kind(folder / "sae_weights.safetensors", "sae")
    _check_sae_tensors(file, cfg, fold)
    weights = {name: file.float32(name) for name in file}
    training = folder / "training.safetensors"
    return SAE(
        architecture=cfg["architecture"], W_enc=weights["W_enc"], W_dec=weights["W_dec"],
        b_enc=weights["b_gate"] if "b_gate" in weights else weights["b_enc"], b_dec=weights["b_dec"], k=cfg.get("k"),
        threshold=weights.get("threshold"), r_mag=weights.get("r_mag"), b_mag=weights.get("b_mag"),
        apply_b_dec_to_input=cfg.get("apply_b_dec_to_input", True),
        rescale_acts_by_decoder_norm=cfg.get("rescale_acts_by_decoder_norm", False), cfg=cfg,
        firing_count=File(training).read("firing_count") if training.exists() else None)


# --- tables and results ---


def load_table(path: PathLike) -> np.ndarray:
    """A table of latents as a record array of length F, a field a column.

    Reads what `compare -o`, `features -o` and `transfer -o` write. A column [F, ...] becomes a field of that shape.
    """
    file = _of_kind(path, "matching", "features", "transfer-latents", "transfer")
    columns = {name: file.read(name) for name in file}
    rows = {len(column) for column in columns.values()}
    if len(rows) != 1:
        raise ValueError(f"{file.path}: its columns have different lengths")
    table = np.empty(rows.pop(), [(name, column.dtype, column.shape[1:]) for name, column in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table.view(np.recarray)


def load_matching(path: PathLike) -> np.ndarray:
    """What `compare -o` writes, as records: nearest, nearest_cosine, partner, partner_cosine, mutual, one a latent of A.

    Where there is no partner, partner is -1 and partner_cosine NaN. Takes both the safetensors and the JSON file.
    """
    if Path(path).suffix != ".json":
        return load_table(path)
    matching = _read_json(Path(path))
    if not isinstance(matching, dict) or not isinstance(matching.get("latents"), list):
        raise ValueError(f"{path}: holds no matching (latents is missing)")
    latents = matching["latents"]
    fields = [("nearest", "<i4"), ("nearest_cosine", "<f4"), ("partner", "<i4"), ("partner_cosine", "<f4"), ("mutual", "|u1")]
    table = np.empty(len(latents), fields)
    for name, _ in fields:
        missing = -1 if name == "partner" else np.nan
        table[name] = [missing if latent[name] is None else latent[name] for latent in latents]
    return table.view(np.recarray)


def load_results(path: PathLike) -> dict[str, Any]:
    """results.json of a study's folder, or the file itself. docs/RESULTS.md says what its keys mean."""
    path = Path(path)
    results = _read_json(path / "results.json" if path.is_dir() else path)
    if not isinstance(results, dict) or "conditions" not in results:
        raise ValueError(f"{path}: holds no results of a study (conditions is missing)")
    results.pop("checksum", None)
    return results


def load_conditions(path: PathLike) -> list[dict[str, Any]]:
    """The conditions of a study: a dict each of those values that are numbers, texts or null."""
    return [{key: value for key, value in condition.items() if not isinstance(value, (dict, list))}
            for condition in load_results(path)["conditions"]]
