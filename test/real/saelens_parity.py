"""SAEs written by `prunescope train`, of every architecture, loaded by SAELens: the same activations and reconstructions.
And SAEs saved by SAELens, for use and as checkpoints of an older version, evaluated by prunescope: the same measures.

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
from sae_lens import SAE, saes
from sae_lens.saes.sae import TrainingSAE
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


def measure(sae, rows):
    """FVU and L0, by SAELens."""
    x = torch.from_numpy(rows)
    with torch.no_grad():
        latents = sae.encode(x)
        x_hat = sae.decode(latents).numpy().astype(np.float64)
    fvu = ((rows - x_hat) ** 2).sum() / ((rows - rows.astype(np.float64).mean(0)) ** 2).sum()
    return float(fvu), float((latents != 0).double().sum(1).mean())


def randomize(sae):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in sae.named_parameters():
            value += torch.randn(value.shape, generator=generator) * (0.1 if value.dim() == 1 else 0.02)


def check_saved(rows, name, sae):
    """A folder that SAELens saved."""
    folder = WORK / f"saved-{name}"
    randomize(sae)
    if isinstance(sae, TrainingSAE):
        sae.save_inference_model(folder)
    else:
        sae.save_model(folder)
    return compare(rows, name, folder)


def check_old(rows, name, cfg, tensors):
    """A folder as an older SAELens saved it, which SAELens 6 converts."""
    folder = WORK / f"old-{name}"
    folder.mkdir(exist_ok=True)
    cfg = {"d_in": D, "d_sae": F, "dtype": "torch.float32", "device": "cpu", "hook_name": "blocks.3.hook_resid_post",
           "hook_layer": 3, "model_name": "gpt2-small", **cfg}
    (folder / "cfg.json").write_text(json.dumps(cfg))
    save_file({name: np.ascontiguousarray(value, dtype=np.float32) for name, value in tensors.items()},
              folder / "sae_weights.safetensors")
    return compare(rows, name, folder)


def compare(rows, name, folder):
    fvu, l0 = measure(SAE.load_from_disk(folder), rows)
    ours = run("eval", folder, "--cache", WORK / "cache")
    error, off = abs(ours["fvu"] / fvu - 1), abs(ours["l0"] - l0)
    good = error < THRESHOLD and off < 0.01
    print(f"{name:20} read by prunescope: fvu {error:.1e} (threshold {THRESHOLD}), l0 off by {off:.1e}; fvu {fvu:.4f}, l0 {l0:.1f}: "
          f"{'ok' if good else 'FAILED'}")
    return good


def saved_cases():
    size = {"d_in": D, "d_sae": F}
    yield "topk", saes.TopKSAE(saes.TopKSAEConfig(**size, k=K))
    yield "topk-rescaled", saes.TopKSAE(saes.TopKSAEConfig(**size, k=K, rescale_acts_by_decoder_norm=True))
    yield "standard", saes.StandardSAE(saes.StandardSAEConfig(**size, apply_b_dec_to_input=False))
    yield "jumprelu", saes.JumpReLUSAE(saes.JumpReLUSAEConfig(**size))
    yield "gated", saes.GatedSAE(saes.GatedSAEConfig(**size))
    yield "trained-topk", saes.TopKTrainingSAE(saes.TopKTrainingSAEConfig(**size, k=K))
    yield "trained-batchtopk", saes.BatchTopKTrainingSAE(saes.BatchTopKTrainingSAEConfig(**size, k=K))
    yield "trained-matryoshka", saes.MatryoshkaBatchTopKTrainingSAE(
        saes.MatryoshkaBatchTopKTrainingSAEConfig(**size, k=K, matryoshka_widths=[64, F]))
    yield "trained-jumprelu", saes.JumpReLUTrainingSAE(saes.JumpReLUTrainingSAEConfig(**size))
    yield "trained-gated", saes.GatedTrainingSAE(saes.GatedTrainingSAEConfig(**size))
    yield "trained-standard", saes.StandardTrainingSAE(saes.StandardTrainingSAEConfig(**size))


def old_cases():
    rng = np.random.default_rng(2)
    basic = {"W_enc": rng.normal(size=(D, F)) / D**0.5, "W_dec": rng.normal(size=(F, D)) / F**0.5, "b_enc": rng.normal(size=F) / 8,
             "b_dec": rng.normal(size=D)}
    kwargs = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": K}}
    yield "v3-topk", {"architecture": "standard", **kwargs}, basic
    yield "v5-topk", {"architecture": "topk", **kwargs}, basic
    yield "v2-relu", {"normalize_activations": False}, {**basic, "scaling_factor": np.ones(F)}
    yield "v4-jumprelu", {"architecture": "jumprelu", "activation_fn_str": "relu"}, {**basic, "threshold": rng.random(F)}


rows = make_rows()
print("sae_lens", sae_lens.__version__)
cases = [(arch, recipe) for arch in ("topk", "batchtopk", "jumprelu", "relu", "gated") for recipe in ("prunescope", "saelens")]
cases += [("topk", "paper"), ("topk", "sparsify"), ("topk", "dictionary_learning")]
results = [check(rows, *case) for case in cases]
results += [check_saved(rows, *case) for case in saved_cases()]
results += [check_old(rows, *case) for case in old_cases()]
sys.exit(0 if all(results) else 1)
