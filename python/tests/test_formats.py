"""The code of docs/FORMATS.md runs, block after block, on files that the program has made."""

import importlib.util
import re

from conftest import ROOT


def test_the_code_of_formats_md(made, monkeypatch):
    monkeypatch.chdir(made)
    blocks = re.findall(r"^```python(?: optional=(\w+))?\n(.*?)^```", (ROOT / "docs" / "FORMATS.md").read_text(), re.M | re.S)
    assert len(blocks) >= 14
    names = {}
    for needs, code in blocks:
        if not needs or importlib.util.find_spec(needs):
            exec(compile(code, "docs/FORMATS.md", "exec"), names)
    np = names["np"]
    # What they compute is right.
    assert names["jaccard"].max() <= 1 and len(names["survivors"]) <= 64
    x, x_hat = names["x"], names["x_hat"]
    assert ((x - x_hat) ** 2).sum() < ((x - x.mean(0)) ** 2).sum()
    weights, _ = names["tensors"]("exported/model.safetensors")
    assert np.array_equal(weights["model.layers.0.mlp.up_proj.weight"], names["bits"])
