"""The files that the tests read: made once by the program, in a folder of the run."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "python"))
PROGRAM = os.environ.get("PRUNESCOPE") or str(ROOT / "prunescope")
MODEL = ROOT / "demo" / "models" / "llama"


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with one file of every kind, under the names that docs/FORMATS.md uses."""
    folder = tmp_path_factory.mktemp("made")
    os.environ["XDG_CACHE_HOME"] = str(folder / "remembered")

    def run(*arguments):
        subprocess.run([PROGRAM, *map(str, arguments), "--quiet"], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    (folder / "text").write_text((ROOT / "docs" / "ARCHITECTURE.md").read_text()[:12000])
    run("tokenize", MODEL, "--text", "text", "--window", 32, "--windows", 24, "-o", "tokens.safetensors")
    run("calibrate", MODEL, "--tokens", "tokens.safetensors", "-o", "stats.safetensors")
    run("prune", MODEL, "--method", "magnitude", "--sparsity", 0.5, "-o", "mask.safetensors")
    run("prune", MODEL, "--method", "rtn", "--bits", 4, "-o", "rounding.safetensors")
    run("export", MODEL, "--mask", "mask.safetensors", "-o", "exported")
    run("logits", MODEL, "--tokens", "tokens.safetensors", "-o", "logits.safetensors")
    run("cache", MODEL, "--tokens", "tokens.safetensors", "--layer", 2, "-o", "cache")
    run("cache", MODEL, "--tokens", "tokens.safetensors", "--layer", 2, "--dtype", "bf16", "-o", "cache-bf16")
    run("cache", MODEL, "--tokens", "tokens.safetensors", "--layer", 2, "--mask", "mask.safetensors", "-o", "pruned")
    for arch in ("topk", "jumprelu", "relu", "gated"):
        run("train", "cache", "-o", "sae" if arch == "topk" else arch, "--arch", arch, "--d-sae", 64, "--tokens", 8192,
            "--batch", 256, *(["--k", 8] if arch == "topk" else []))
    run("train", "pruned", "-o", "pruned-sae", "--d-sae", 64, "--tokens", 8192, "--batch", 256, "--k", 8, "--seed", 2)
    run("compare", "sae", "pruned-sae", "-o", "matching.safetensors")
    run("compare", "sae", "pruned-sae", "-o", "matching.json")
    run("transfer", "sae", "--cache", "cache", "--cache", "pruned", "--samples", 20, "-o", "transfer.safetensors")
    run("features", "sae", "--cache", "cache", "--cache", "pruned", "-o", "features.safetensors")
    run("convert", "jumprelu", "--to", "gemma-scope", "-o", "gemma-scope")
    run("convert", "mask.safetensors", "--to", "torch", "-o", "torch.safetensors")
    run("convert", "mask.safetensors", "--model", MODEL, "--to", "compressed-tensors", "-o", "compressed")
    (folder / "study").mkdir()
    shutil.copy(ROOT / "test" / "fixtures" / "report" / "results.json", folder / "study" / "results.json")
    return folder
