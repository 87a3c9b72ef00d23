"""The code of docs/FORMATS.md runs, block after block, on files that the program has made."""

import importlib.util
import re

from conftest import ROOT


def test_the_code_of_formats_md(made, monkeypatch):
    monkeypatch.chdir(made)
    page = (ROOT / "docs" / "FORMATS.md").read_text()
    blocks = re.findall(r"^```python(?: optional=(\w+))?\n(.*?)^```", page, re.M | re.S)
    assert len(blocks) >= 14
    names = {}
    for needs, code in blocks:
        if not needs or importlib.util.find_spec(needs):
            exec(compile(code, "docs/FORMATS.md", "exec"), names)
    for table in ("features", "transfer", "matching", "tokens", "logits"):
        columns, _ = names["tensors"](f"{table}.safetensors")
        assert [c for c in columns if f"`{c}`" not in page] == [], "columns that the page does not name"
    np = names["np"]
    # What they compute is right.
    assert names["jaccard"].max() <= 1 and len(names["survivors"]) <= 64
    x, x_hat = names["x"], names["x_hat"]
    assert ((x - x_hat) ** 2).sum() < ((x - x.mean(0)) ** 2).sum()
    weights, _ = names["tensors"]("exported/model.safetensors")
    assert np.array_equal(weights["model.layers.0.mlp.up_proj.weight"], names["bits"])
