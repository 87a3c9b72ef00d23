"""The safetensors container, read with NumPy alone: header checked, data mapped.

BF16 has no NumPy type. Its tensors are mapped as uint16; `widen` makes float32 of them.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple

import numpy as np

DTYPES: dict[str, str] = {
    "F64": "<f8", "I64": "<i8", "F32": "<f4", "I32": "<i4", "F16": "<f2", "BF16": "<u2", "I16": "<i2", "U8": "|u1",
    "I8": "|i1", "BOOL": "|b1", "U16": "<u2", "U32": "<u4", "U64": "<u8",
}
_HEADER_BYTES_MAX = 100_000_000


class TensorInfo(NamedTuple):
    """Where a tensor stands in its file."""

    dtype: str  #: as safetensors spells it: "F32", "BF16", ...
    shape: tuple[int, ...]
    offset: int  #: of its first byte in the file


def widen(values: np.ndarray, dtype: str) -> np.ndarray:
    """float32 of an array of any shape, whose type safetensors calls dtype. Exact, but for F64."""
    if dtype == "BF16":
        return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return np.asarray(values, dtype=np.float32)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, none of whose keys stands there twice."""
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError(f"a key of {sorted(out)[:3]}... stands there twice")
    return out


class File(Mapping[str, np.ndarray]):
    """A safetensors file as a mapping from names to read-only memory maps, in the tensors' shapes.

    Opening reads the header. A page of the data is read when it is touched, and with it what the kernel reads ahead.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        size = self.path.stat().st_size
        with open(self.path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _HEADER_BYTES_MAX):
                raise ValueError(f"{self.path}: no safetensors file: a header of {length} bytes in a file of {size}")
            raw = file.read(length)
        try:
            self._parse(json.loads(raw, object_pairs_hook=_once), 8 + length, size)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.path}: no sound safetensors file: {error!r}") from None

    def _parse(self, header: dict[str, Any], start: int, size: int) -> None:
        #: __metadata__ of the file: texts.
        self.metadata: dict[str, str] = header.pop("__metadata__", None) or {}
        #: What prunescope wrote there: kind, provenance, checksums, ...; empty for a file of another tool.
        self.about: dict[str, Any] = json.loads(self.metadata.get("prunescope", "{}"))
        self.info: dict[str, TensorInfo] = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            info = TensorInfo(entry["dtype"], tuple(entry["shape"]), start + begin)
            if info.dtype not in DTYPES:
                raise ValueError(f"tensor {name} has dtype {info.dtype}, which is not read")
            size_ok = min((0, *info.shape)) == 0 and begin >= 0 and start + end <= size
            if not size_ok or end - begin != math.prod(info.shape) * np.dtype(DTYPES[info.dtype]).itemsize:
                raise ValueError(f"tensor {name}: offsets {begin} to {end} do not fit dtype, shape and file")
            self.info[name] = info
        at = 0
        for begin, end, name in sorted((*entry["data_offsets"], name) for name, entry in header.items()):
            if begin != at:
                raise ValueError(f"tensor {name}: begins at {begin}, the one before ends at {at}")
            at = end
        if start + at != size:
            raise ValueError(f"the tensors end at {start + at}, the file at {size}")

    def __getitem__(self, name: str) -> np.ndarray:
        info = self.info[name]
        dtype = np.dtype(DTYPES[info.dtype])
        if not math.prod(info.shape):
            return np.zeros(info.shape, dtype)
        if not info.shape:
            return self.read(name)
        return np.memmap(self.path, dtype=dtype, mode="r", offset=info.offset, shape=info.shape)

    def read(self, name: str) -> np.ndarray:
        """A tensor in memory."""
        info = self.info[name]
        return np.fromfile(self.path, DTYPES[info.dtype], math.prod(info.shape), offset=info.offset).reshape(info.shape)

    def float32(self, name: str) -> np.ndarray:
        """A tensor as float32, in memory."""
        return widen(self.read(name), self.info[name].dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self.info)

    def __len__(self) -> int:
        return len(self.info)

    @property
    def kind(self) -> str:
        """What it is, if prunescope wrote it: "mask", "tokens", "activations", ...; else ""."""
        return str(self.about.get("kind", ""))


class Rows:
    """Rows of a matrix of a file: of the data exactly those pages are read on which they stand.

    The kernel reads ahead of a map that is touched, up to megabytes for a row. Here it is told what will be touched.
    """

    def __init__(self, file: File, name: str) -> None:
        self._values = file[name]
        self._row_bytes = self._values.itemsize * self._values.shape[1]
        #: The mapping of the file; None if there is no data, or where nothing can be told.
        self._map: mmap.mmap | None = getattr(self._values, "_mmap", None) if hasattr(mmap, "MADV_RANDOM") else None
        self._start = file.info[name].offset % mmap.ALLOCATIONGRANULARITY  # of the data, in the mapping
        if self._map:
            self._map.madvise(mmap.MADV_RANDOM)

    def _announce(self, rows: np.ndarray) -> None:
        """Lets the kernel begin to read the pages of these rows, all at once."""
        if not self._map or not len(rows):
            return
        ordered = rows if (np.diff(rows) > 0).all() else np.unique(rows)
        first = self._start + ordered * self._row_bytes
        last = (first + self._row_bytes - 1) // mmap.PAGESIZE
        first //= mmap.PAGESIZE
        starts = np.flatnonzero(np.concatenate(([True], first[1:] > last[:-1] + 1)))
        ends = np.append(starts[1:], len(first)) - 1
        for begin, end in zip(first[starts].tolist(), last[ends].tolist()):
            self._map.madvise(mmap.MADV_WILLNEED, begin * mmap.PAGESIZE, (end - begin + 1) * mmap.PAGESIZE)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """A copy of the rows with these numbers, int64 [n], in that order."""
        self._announce(rows)
        out: np.ndarray = np.asarray(self._values)[rows]
        return out
