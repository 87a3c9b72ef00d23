"""A cache reads the pages of the rows that are asked for; workers open it again."""

import copy
import ctypes
import mmap
import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import prunescope as ps

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


def in_memory(path):
    """Bool of each page of the file: whether the page cache holds it."""
    size = path.stat().st_size
    pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    with open(path, "rb") as file:
        there = ctypes.c_void_p(LIBC.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0))
    assert LIBC.mincore(there, ctypes.c_size_t(size), pages) == 0
    LIBC.munmap(there, ctypes.c_size_t(size))
    return np.frombuffer(pages, np.uint8) & 1 == 1


@pytest.fixture
def cold(tmp_path):
    """A cache of 8 MiB, rows of 1,000 bytes, none of it in memory."""
    values = np.arange(8389 * 250, dtype="<f4").reshape(8389, 250)
    header = b'{"activations": {"dtype": "F32", "shape": [8389, 250], "data_offsets": [0, 8389000]}}'
    path = tmp_path / "shard-00000.safetensors"
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + values.tobytes())
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if in_memory(path).any():
        pytest.skip("this file system keeps its files in memory")
    return path, values, 8 + len(header)


@pytest.mark.parametrize("key", [4000, [8000, 17, 17, 4321, 4322], slice(3000, 3100), slice(10, 8000, 997)])
def test_only_the_pages_of_the_rows_are_read(cold, key):
    path, values, start = cold
    cache = ps.open_cache(path)
    before = in_memory(path)
    assert np.array_equal(cache[key], values[key])
    wanted = np.zeros(len(before), bool)
    for row in np.atleast_1d(np.arange(len(values))[key]):
        wanted[(start + row * 1000) // mmap.PAGESIZE:(start + row * 1000 + 999) // mmap.PAGESIZE + 1] = True
    assert not (in_memory(path) & ~before & ~wanted).any()
    places = [os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
    assert sum(os.path.realpath(place) == str(path) for place in places) == 1, "a shard takes one open file"


def test_a_cache_is_sent_to_workers_by_its_path(made, monkeypatch):
    monkeypatch.chdir(made)
    cache = ps.open_cache("cache-bf16")
    right = cache[100:140]
    sent = pickle.dumps(cache)
    assert len(sent) < 1000
    monkeypatch.chdir("/")
    assert np.array_equal(pickle.loads(sent)[100:140], right)
    assert np.array_equal(copy.deepcopy(cache)[100:140], right)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert np.array_equal(np.array(pool.map(cache.__getitem__, range(100, 140))), right)
    with ThreadPoolExecutor(4) as threads:
        assert np.array_equal(np.array(list(threads.map(cache.__getitem__, range(100, 140)))), right)
