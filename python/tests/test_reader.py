"""prunescope.reader: what it reads is what the program says of the same files."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import prunescope as ps
from conftest import MODEL, PROGRAM, ROOT

UP = "model.layers.0.mlp.up_proj.weight"


def run_json(folder, *arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments), "--json", "--quiet"], cwd=folder, check=True, capture_output=True)
    return json.loads(done.stdout)


def test_a_mask_is_where_the_exported_weights_are_0(made):
    masks = ps.load_mask(made / "mask.safetensors")
    dense, exported = ps.File(MODEL / "model.safetensors"), ps.File(made / "exported" / "model.safetensors")
    assert len(masks) == 42
    for name, kept in masks.items():
        assert kept.dtype == bool and kept.shape == dense[name].shape
        assert np.array_equal(exported[name], np.where(kept, dense[name], 0))
    torch_mask = ps.File(made / "torch.safetensors")
    assert all(np.array_equal(torch_mask[name], kept) for name, kept in masks.items())


def test_columns_that_do_not_fill_a_byte(tmp_path):
    small, fixture = ROOT / "test/fixtures/checkpoint/f32", ROOT / "test/fixtures/masks/bool.safetensors"
    subprocess.run([PROGRAM, "convert", fixture, "--model", small, "--to", "mask", "-o", tmp_path / "m", "--quiet"],
                   check=True, stdout=subprocess.DEVNULL)
    right = ps.File(fixture)
    masks = ps.load_mask(tmp_path / "m")
    assert set(masks) == set(right) and all(np.array_equal(masks[name], right[name]) for name in masks)
    assert masks["model.layers.0.mlp.down_proj.weight"].shape == (24, 30)


def test_tokens_statistics_and_roundings(made):
    assert ps.load_tokens(made / "tokens.safetensors").shape == (24, 32)
    assert ps.load_statistics(made / "stats.safetensors")[UP].shape == (128,)
    scales, bits, group = ps.load_rounding(made / "rounding.safetensors")
    assert bits == 4 and group is None and scales[UP].shape == (384, 1)


def test_caches_are_read_by_row_slice_and_list(made):
    cache, half = ps.open_cache(made / "cache"), ps.open_cache(made / "cache-bf16")
    assert cache.shape == (24 * 32, 128) and cache.dtype == "F32" and half.dtype == "BF16"
    everything = np.concatenate([np.asarray(a) for a in cache.activations])
    assert np.array_equal(cache[5], everything[5]) and np.array_equal(cache[-1], everything[-1])
    assert np.array_equal(cache[3:200:7], everything[3:200:7])
    assert np.array_equal(cache[[700, 2, 2]], everything[[700, 2, 2]])
    assert np.array_equal(np.concatenate(list(cache.batches(100))), everything)
    assert half[:].dtype == np.float32 and np.allclose(half[:], everything, rtol=2 ** -8)
    assert isinstance(cache.activations[0], np.memmap)
    tokens = ps.load_tokens(made / "tokens.safetensors")
    assert np.array_equal(cache.token_ids, tokens[cache.window_ids, cache.positions])
    assert cache.provenance["command"] == "cache"
    with pytest.raises(IndexError):
        cache[len(cache)]


@pytest.mark.parametrize("name", ["sae", "jumprelu", "relu", "gated"])
def test_saes_reconstruct_as_eval_says(made, name):
    sae, cache = ps.load_sae(made / name), ps.open_cache(made / "cache")
    x = cache[:].astype(np.float64)
    said = run_json(made, "eval", name, "--cache", "cache", "--keep-special")
    latents = sae.encode(cache[:])
    fvu = ((x - sae.decode(latents)) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    assert fvu == pytest.approx(said["fvu"], rel=1e-4)
    assert (latents != 0).sum(1).mean() == pytest.approx(said["l0"], rel=1e-3)
    assert sae.firing_count.shape == (64,)


def test_saes_and_caches_show_a_line(made):
    assert repr(ps.load_sae(made / "sae")).startswith("<SAE topk: 64 latents, k=8 of rows [128]; model llama, hook blocks.2.")
    assert repr(ps.open_cache(made / "cache-bf16")).endswith("cache-bf16: 768 rows [128], BF16>")


def test_other_forms_of_saes_are_refused(made):
    with pytest.raises(ValueError, match="convert .*gemma-scope --to saelens"):
        ps.load_sae(made / "gemma-scope")


SAELENS = ROOT / "test" / "fixtures" / "saelens"


@pytest.mark.parametrize("change,why", [
    ({"normalize_activations": "expected_average_only_in"}, "normalize_activations"),
    ({"architecture": "matryoshka_batchtopk"}, "architecture"),
    ({"sae_lens_version": "5.4.1", "activation_fn_str": "topk", "architecture": "standard"}, "before 6")])
def test_an_sae_that_computes_something_else_is_refused(tmp_path, change, why):
    cfg = {**json.loads((SAELENS / "v6-topk" / "cfg.json").read_text()), **change}
    (tmp_path / "cfg.json").write_text(json.dumps(cfg))
    (tmp_path / "sae_weights.safetensors").write_bytes((SAELENS / "v6-topk" / "sae_weights.safetensors").read_bytes())
    with pytest.raises(ValueError, match=why + ".*convert"):
        ps.load_sae(tmp_path)


def test_an_sae_without_k_or_with_other_tensors_is_refused(tmp_path):
    cfg = json.loads((SAELENS / "v6-topk" / "cfg.json").read_text())
    (tmp_path / "sae_weights.safetensors").write_bytes((SAELENS / "v6-topk" / "sae_weights.safetensors").read_bytes())
    (tmp_path / "cfg.json").write_text(json.dumps(cfg))
    assert ps.load_sae(tmp_path).k == cfg["k"]
    (tmp_path / "cfg.json").write_text(json.dumps({key: value for key, value in cfg.items() if key != "k"}))
    with pytest.raises(ValueError, match="k is None"):
        ps.load_sae(tmp_path)
    (tmp_path / "cfg.json").write_text(json.dumps({**cfg, "architecture": "jumprelu"}))
    with pytest.raises(ValueError, match="tensor threshold"):
        ps.load_sae(tmp_path)


def test_caches_are_read_by_flags(made):
    cache = ps.open_cache(made / "cache")
    chosen = cache.positions == 3
    assert chosen.sum() == 24 and np.array_equal(cache[chosen], cache[:][chosen])
    for wrong in (chosen[:5], np.zeros((2, 2), int), 1.5):
        with pytest.raises(IndexError):
            cache[wrong]


def save(path, **tensors):
    """A safetensors file of another tool."""
    header, data = {}, b""
    for name, array in tensors.items():
        kind = {"float32": "F32", "uint16": "BF16", "bool": "BOOL", "uint8": "U8"}[str(array.dtype)]
        header[name.replace("__", ".")] = {"dtype": kind, "shape": list(array.shape),
                                           "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + data)


def test_shards_of_two_types_are_refused(tmp_path):
    save(tmp_path / "a.safetensors", activations=np.ones((3, 4), np.float32))
    save(tmp_path / "b.safetensors", activations=np.ones((3, 4), np.uint16))
    with pytest.raises(ValueError, match="b.safetensors: BF16"):
        ps.open_cache(tmp_path)
    (tmp_path / "b.safetensors").unlink()
    assert ps.open_cache(tmp_path).shape == (3, 4)
    with pytest.raises(ValueError, match="no token_ids"):
        ps.open_cache(tmp_path).token_ids
    (tmp_path / "manifest.json").write_text('{"complete": false}')
    with pytest.raises(ValueError, match="not finished"):
        ps.open_cache(tmp_path)


def test_masks_of_other_tools(made, tmp_path):
    ours = ps.load_mask(made / "mask.safetensors")
    torch = ps.load_mask(made / "torch.safetensors")
    assert all(np.array_equal(torch[name], kept) for name, kept in ours.items())
    bits = np.packbits(ours[UP], axis=1, bitorder="little")
    save(tmp_path / "m", w=bits)
    assert np.array_equal(ps.load_mask(tmp_path / "m")["w"], ours[UP])
    save(tmp_path / "m", w=ours[UP].astype(np.uint8))
    with pytest.raises(ValueError, match="a byte a weight.*convert"):
        ps.load_mask(tmp_path / "m")
    save(tmp_path / "m", w=ours[UP].astype(np.float32))
    with pytest.raises(ValueError, match="F32.*convert"):
        ps.load_mask(tmp_path / "m")


@pytest.mark.parametrize("header", ["[]", '{"a": 1}', '{"a": {"dtype": "F32"}}', "{", '{"__metadata__": {"prunescope": "x"}}',
    '{"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}',
    '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}',
    '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "a": {"dtype": "I32", "shape": [2], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}',
    '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}', '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'])
def test_a_header_that_is_wrong_names_its_file(tmp_path, header):
    raw = header.encode()
    (tmp_path / "bad").write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(8))
    with pytest.raises(ValueError, match="bad: no sound safetensors file"):
        ps.File(tmp_path / "bad")


def test_matchings_of_both_kinds_agree(made):
    a, b = ps.load_matching(made / "matching.safetensors"), ps.load_matching(made / "matching.json")
    assert len(a) == 64 and a.dtype.names == b.dtype.names or set(a.dtype.names) == set(b.dtype.names)
    for name in a.dtype.names:
        assert np.allclose(a[name], b[name], equal_nan=True)
    said = run_json(made, "compare", "sae", "pruned-sae")
    assert ((a.mutual == 1) & (a.nearest_cosine >= 0.7)).mean() == pytest.approx(said["mnn_survival"])


def test_tables(made):
    table = ps.load_table(made / "features.safetensors")
    assert len(table) == 64 and table.context_token.shape == (64, 2, 10, 16)
    assert len(ps.load_table(made / "transfer.safetensors")) == 64


def test_results(made):
    conditions = ps.load_conditions(made / "study")
    assert conditions and all(isinstance(c["model"], str) for c in conditions)
    assert "checksum" not in ps.load_results(made / "study")


def test_what_is_wrong_is_refused_by_name(made, tmp_path):
    with pytest.raises(ValueError, match="holds tokens; mask or torch-mask is expected"):
        ps.load_mask(made / "tokens.safetensors")
    raw = (made / "mask.safetensors").read_bytes()
    for cut in (0, 5, 100, 5000, len(raw) - 1):
        (tmp_path / "cut").write_bytes(raw[:cut])
        with pytest.raises(ValueError, match="cut"):
            ps.load_mask(tmp_path / "cut")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no shards"):
        ps.open_cache(tmp_path / "empty")


def test_the_program_is_found(monkeypatch):
    monkeypatch.setenv("PRUNESCOPE", PROGRAM)
    assert ps.program_path() == PROGRAM
    assert re.match(r"prunescope \d", ps.run("--version").stdout)
    with pytest.raises(subprocess.CalledProcessError):
        ps.run("no-such-command")


def test_the_program_is_started_as_from_a_shell(monkeypatch):
    """A reader that goes away ends it by SIGPIPE, and NumPy is not imported for it."""
    def end_of(*command):
        unread, pipe = os.pipe()
        os.close(unread)
        with os.fdopen(pipe, "w") as out:
            return subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False)

    monkeypatch.setenv("PRUNESCOPE", PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "python"))
    own, ours = end_of(PROGRAM, "help", "train"), end_of(sys.executable, "-m", "prunescope", "help", "train")
    assert (own.returncode, own.stderr) == (-signal.SIGPIPE, b"") == (ours.returncode, ours.stderr)
    loaded = "import prunescope, sys; assert 'numpy' not in sys.modules; prunescope.Cache; assert 'numpy' in sys.modules"
    subprocess.run([sys.executable, "-c", loaded], check=True)


def test_an_interruption_of_run_saves_the_state(made, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE", PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "python"))
    train = ["train", "cache", "-o", "interrupted", "--d-sae", "64", "--k", "8", "--tokens", "100000000", "--batch", "256"]
    # The step at which it is interrupted does not matter: it is once the program has made its folder.
    script = f"""if True:
        import os, signal, threading, time, prunescope
        def interrupt():
            while not os.path.exists("interrupted/manifest.json"):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            prunescope.run(*{train})
        except KeyboardInterrupt:
            print("interrupted")"""
    done = subprocess.run([sys.executable, "-c", script], cwd=made, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.returncode) == ("interrupted\n", 0), done.stderr
    assert (made / "interrupted" / "checkpoint.safetensors").exists()


def test_the_script_of_this_package_is_not_the_program(monkeypatch, tmp_path):
    script = tmp_path / "prunescope"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.delenv("PRUNESCOPE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="carries no program"):
        ps.program_path()
