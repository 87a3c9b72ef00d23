"""SAEs written by `prunescope train`, of every architecture, loaded by SAELens: the same activations and reconstructions.

usage: saelens_parity.py PRUNESCOPE SAE_CODES WORK_DIR
Trains small SAEs in WORK_DIR on rows made here, loads each with SAELens' SAE.load_from_disk, and compares with
SAE_CODES (test/real/sae_codes.c) row by row, and the firing counts and measures that prunescope itself gives.
"""
import json
import pathlib
import subprocess
import sys

import numpy as np
import sae_lens
import torch
from sae_lens import SAE
from safetensors.numpy import load_file, save_file

PROGRAM, CODES, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
D, F, K, ROWS, COMPARED = 48, 256, 8, 8192, 2048
THRESHOLD = 1e-5


def run(*words):
    return json.loads(subprocess.run([PROGRAM, *map(str, words), "--json", "--quiet"], check=True, stdout=subprocess.PIPE).stdout)


def make_rows():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(120, D)) / D**0.5
    weights = (rng.random((ROWS, 120)) < 0.05) * rng.random((ROWS, 120)) * 4
    rows = (40 * (weights @ directions + 0.3 + 0.02 * rng.normal(size=(ROWS, D)))).astype(np.float32)
    (WORK / "cache").mkdir(parents=True, exist_ok=True)
    save_file({"activations": rows}, WORK / "cache" / "rows.safetensors")
    rows[:COMPARED].tofile(WORK / "rows.f32")
    return rows


def relative(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())


def check(rows, arch, recipe):
    folder = WORK / f"{arch}-{recipe}"
    trained = run("train", WORK / "cache", "-o", folder, "--arch", arch, "--recipe", recipe, "--k", K, "--d-sae", F, "--batch", 256,
                  "--tokens", 20 * ROWS, "--lr", 3e-3, "--force")
    cfg = json.loads((folder / "cfg.json").read_text())
    subprocess.run([CODES, folder / "sae_weights.safetensors", cfg["architecture"], str(K), WORK / "rows.f32", WORK / "out.f32"], check=True)
    ours = np.fromfile(WORK / "out.f32", dtype=np.float32)
    acts, x_hat = ours[: COMPARED * F].reshape(COMPARED, F), ours[COMPARED * F :].reshape(COMPARED, D)
    sae = SAE.load_from_disk(folder)
    with torch.no_grad():
        all_acts = sae.encode(torch.from_numpy(rows))
        all_hat = sae.decode(all_acts).numpy().astype(np.float64)
        all_acts = all_acts.numpy()
    act_error, hat_error = relative(acts, all_acts[:COMPARED]), relative(x_hat, all_hat[:COMPARED])
    fvu = ((rows - all_hat) ** 2).sum() / ((rows - rows.astype(np.float64).mean(0)) ** 2).sum()
    evaluated = run("eval", folder, "--cache", WORK / "cache")
    fvu_error = np.max(np.abs([trained["fvu"] / fvu - 1, evaluated["fvu"] / fvu - 1]))
    firing = load_file(folder / "training.safetensors")["firing_count"]
    fire_error = int(np.abs(firing - (all_acts != 0).sum(0)).max())
    good = act_error < THRESHOLD and hat_error < THRESHOLD and fvu_error < THRESHOLD and fire_error <= 1
    print(f"{arch:10} {recipe:20} {type(sae).__name__:12} activations {act_error:.1e}, reconstructions {hat_error:.1e}, fvu {fvu_error:.1e} "
          f"(threshold {THRESHOLD}), firing counts off by at most {fire_error}; fvu {fvu:.4f}, l0 {evaluated['l0']:.1f}: "
          f"{'ok' if good else 'FAILED'}")
    return good


rows = make_rows()
print("sae_lens", sae_lens.__version__)
cases = [(arch, recipe) for arch in ("topk", "batchtopk", "jumprelu", "relu", "gated") for recipe in ("prunescope", "saelens")]
cases += [("topk", "paper"), ("topk", "sparsify"), ("topk", "dictionary_learning")]
results = [check(rows, *case) for case in cases]
sys.exit(0 if all(results) else 1)
