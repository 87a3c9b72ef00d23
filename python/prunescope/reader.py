"""Reads what prunescope writes: masks, caches, SAEs, matchings, tables, results. It needs NumPy alone.

Nothing here checks checksums: `tools/shardinfo PATH --verify` (`prunescope-shardinfo`) does.
torch takes the arrays by torch.from_numpy(numpy.array(a)).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from .safetensors import File, widen

PathLike = str | os.PathLike[str]


def _of_kind(path: PathLike, *kinds: str) -> File:
    file = File(path)
    if file.kind and file.kind not in kinds:
        raise ValueError(f"{file.path}: holds {file.kind}; {' or '.join(kinds)} is expected")
    return file


# --- masks, tokens, statistics ---


def load_mask(path: PathLike) -> dict[str, np.ndarray]:
    """A mask as {name of the weight: bool array [rows, cols]}, True where the weight is kept.

    The shapes are those of the metadata; without them (a file of another tool) cols is a multiple of 8.
    """
    file = _of_kind(path, "mask")
    notes = file.about.get("tensors", {})
    masks = {}
    for name, info in file.info.items():
        cols = notes.get(name, {}).get("cols", 8 * info.shape[1])
        masks[name] = np.unpackbits(file[name], axis=1, bitorder="little", count=cols).view(bool)
    return masks


def load_rounding(path: PathLike) -> tuple[dict[str, np.ndarray], int, int | None]:
    """A rounding as ({name of the weight: float32 scales [rows, groups]}, bits, group).

    group is how many columns share a scale; None: the whole row.
    """
    file = _of_kind(path, "rounding")
    group = file.about["group"]
    return {name: np.array(file[name]) for name in file}, file.about["bits"], None if group == "row" else group


def load_tokens(path: PathLike) -> np.ndarray:
    """Token ids, int32 [windows, window], mapped."""
    return _of_kind(path, "tokens")["tokens"]


def load_statistics(path: PathLike) -> dict[str, np.ndarray]:
    """Calibration statistics: {name of the weight: float32 [in]}, the mean over tokens of x^2."""
    file = _of_kind(path, "statistics")
    return {name: np.array(file[name]) for name in file}


# --- activation caches ---


class Cache:
    """An activation cache: rows of the residual stream, in shards that are mapped.

    cache[i] is a row [d_model], cache[a:b] and cache[array of row numbers] are rows [n, d_model]: float32, of a
    bf16 cache widened. Only what is asked for is read. len(cache) is the number of rows.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        names = [self.path] if self.path.is_file() else sorted(self.path.glob("*.safetensors"))
        if not names:
            raise ValueError(f"{self.path}: holds no shards (*.safetensors)")
        self.shards = [_of_kind(name, "activations") for name in names]
        for shard in self.shards:
            if "activations" not in shard:
                raise ValueError(f"{shard.path}: holds no tensor activations")
        #: The memory maps of the shards, each [rows, d_model]; uint16 for BF16.
        self.activations = [shard["activations"] for shard in self.shards]
        self.dtype: str = self.shards[0].info["activations"].dtype
        self.d_model: int = self.activations[0].shape[1]
        #: (shards + 1): the number of each shard's first row, and of all rows.
        self.first_row = np.cumsum([0] + [len(a) for a in self.activations])
        manifest = self.path / "manifest.json"
        #: What the cache was made from; empty for one of another tool.
        self.provenance: dict[str, Any] = (
            json.loads(manifest.read_text()).get("provenance", {}) if self.path.is_dir() and manifest.exists() else {})

    def __len__(self) -> int:
        return int(self.first_row[-1])

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.d_model

    def _column(self, name: str) -> np.ndarray:
        return np.concatenate([shard[name] for shard in self.shards])

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
        for shard in np.unique(shard_of):
            here = np.flatnonzero(shard_of == shard)
            out[here] = widen(self.activations[shard][rows[here] - self.first_row[shard]], self.dtype)
        return out

    def __getitem__(self, key: int | slice | np.ndarray | list[int]) -> np.ndarray:
        if isinstance(key, slice):
            return self._gather(np.arange(*key.indices(len(self))))
        rows = np.asarray(key)
        return self._gather(rows.reshape(-1))[0] if rows.ndim == 0 else self._gather(rows)

    def batches(self, size: int = 4096) -> Iterator[np.ndarray]:
        """All rows in order, as float32 [size, d_model]; the last batch may be shorter."""
        for first in range(0, len(self), size):
            yield self[first:first + size]


def open_cache(path: PathLike) -> Cache:
    """An activation cache: the folder that `cache -o` wrote, or one shard of it."""
    return Cache(path)


# --- SAEs ---


@dataclass
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

    def encode(self, x: np.ndarray) -> np.ndarray:
        """float32 [..., F]: the latents of rows x [..., D]."""
        x = np.asarray(x, np.float32)
        centred = x - self.b_dec if self.apply_b_dec_to_input else x
        z = centred @ self.W_enc + self.b_enc
        if self.architecture == "gated":
            magnitude = np.exp(self.r_mag) * (z - self.b_enc) + self.b_mag
            return np.where(z > 0, np.maximum(magnitude, 0), np.float32(0))
        if self.architecture == "jumprelu":
            return np.where(z > self.threshold, np.maximum(z, 0), np.float32(0))
        if self.architecture == "standard":
            return np.maximum(z, 0)
        if self.rescale_acts_by_decoder_norm:
            z = z * self.decoder_norm
        order = np.argsort(-z, axis=-1, kind="stable")[..., :self.k]
        out = np.zeros_like(z)
        np.put_along_axis(out, order, np.maximum(np.take_along_axis(z, order, -1), 0), -1)
        return out

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """float32 [..., D]: the rows that the latents [..., F] stand for."""
        if self.rescale_acts_by_decoder_norm:
            latents = latents / self.decoder_norm
        return latents @ self.W_dec + self.b_dec

    @property
    def decoder_norm(self) -> np.ndarray:
        """float32 [F]: the norms of the decoder's rows."""
        return np.linalg.norm(self.W_dec, axis=1)


def load_sae(path: PathLike) -> SAE:
    """An SAE's folder in SAELens' form, which is ours. `prunescope convert --to saelens` makes it of other forms."""
    folder = Path(path)
    cfg = json.loads((folder / "cfg.json").read_text())
    if not (folder / "sae_weights.safetensors").exists():
        raise ValueError(f"{folder}: is not in SAELens' form: prunescope convert {folder} --to saelens -o OUT")
    file = _of_kind(folder / "sae_weights.safetensors", "sae")
    weights = {name: file.float32(name) for name in file}
    training = folder / "training.safetensors"
    return SAE(
        architecture=cfg["architecture"], W_enc=weights["W_enc"], W_dec=weights["W_dec"],
        b_enc=weights["b_gate"] if "b_gate" in weights else weights["b_enc"], b_dec=weights["b_dec"], k=cfg.get("k"),
        threshold=weights.get("threshold"), r_mag=weights.get("r_mag"), b_mag=weights.get("b_mag"),
        apply_b_dec_to_input=cfg.get("apply_b_dec_to_input", True),
        rescale_acts_by_decoder_norm=cfg.get("rescale_acts_by_decoder_norm", False), cfg=cfg,
        firing_count=np.array(File(training)["firing_count"]) if training.exists() else None)


# --- tables and results ---


def load_table(path: PathLike) -> np.ndarray:
    """A table of latents as a record array of length F, a field a column.

    Reads what `compare -o`, `features -o` and `transfer -o` write. A column [F, ...] becomes a field of that shape.
    """
    file = _of_kind(path, "matching", "features", "transfer-latents", "transfer")
    columns = {name: np.asarray(file[name]) for name in file}
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
    latents = json.loads(Path(path).read_text())["latents"]
    table = np.empty(len(latents), [("nearest", "<i4"), ("nearest_cosine", "<f4"), ("partner", "<i4"),
                                    ("partner_cosine", "<f4"), ("mutual", "|u1")])
    for name in table.dtype.names:
        missing = -1 if name == "partner" else np.nan
        table[name] = [missing if latent[name] is None else latent[name] for latent in latents]
    return table.view(np.recarray)


def load_results(path: PathLike) -> dict[str, Any]:
    """results.json of a study's folder, or the file itself. docs/RESULTS.md says what its keys mean."""
    path = Path(path)
    results = json.loads((path / "results.json" if path.is_dir() else path).read_text())
    results.pop("checksum", None)
    return results


def load_conditions(path: PathLike) -> list[dict[str, Any]]:
    """The conditions of a study: a dict each of those values that are numbers, texts or null."""
    return [{key: value for key, value in condition.items() if not isinstance(value, (dict, list))}
            for condition in load_results(path)["conditions"]]
