"""Compares the C tokenizer with the tokenizers library on real tokenizers and texts.

usage: tokenizer_parity.py DRIVER TOKENIZER_JSON... -- TEXT... [--fuzz N]
  DRIVER   the binary made from test/real/tokenize_file.c
  --fuzz N also N generated texts of emoji, CJK, combining marks, controls, spaces and added tokens, seeds 0..N-1
Needs the tokenizers package. Exit 1 at the first difference.
"""
import json, random, subprocess, sys, tempfile
import numpy as np, tokenizers
from tokenizers import Tokenizer


def hostile_text(seed, added):
    """About 2,000 fragments, some of them runs, with nothing between."""
    rng = random.Random(seed)
    fragments = [
        lambda: rng.choice(added), lambda: rng.choice(added) + " ", lambda: " " + rng.choice(added),
        lambda: " " * rng.choice([1, 1, 2, 3, 7, 30, 200]), lambda: "\n" * rng.choice([1, 2, 3, 31, 40]), lambda: "\t" * rng.randint(1, 5),
        lambda: "\r\n", lambda: chr(rng.randrange(0x4E00, 0xA000)), lambda: chr(rng.randrange(0xAC00, 0xD7A4)),
        lambda: chr(rng.randrange(0x1F300, 0x1FB00)), lambda: chr(rng.randrange(0x300, 0x370)), lambda: chr(rng.randrange(0x20)),
        lambda: chr(rng.choice([c for c in (0x85, 0xA0, 0x180E, 0x2003, 0x2028, 0x202F, 0x200B, 0x200D, 0xFE0F, 0x3000, 0x17F, 0x212A, 0xFEFF)])),
        lambda: chr(rng.choice([c for c in (rng.randrange(0x110000) for _ in range(8)) if not 0xD800 <= c < 0xE000])),
        lambda: str(rng.randrange(10 ** rng.randint(1, 12))), lambda: rng.choice(["'s", "'T", "'Re", "'ll", "'\u017f", "n't"]),
        lambda: rng.choice(["the", "Hello", " world", "na\u00efve", "e\u0301", "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\u2581", "<0x0A>", "..."]),
        lambda: "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(1, 60))), lambda: rng.choice("ab ") * rng.randint(1, 300),
    ]
    return "".join(rng.choice(fragments)() for _ in range(2000))


def compare(driver, path, tokenizer, text, name):
    with tempfile.NamedTemporaryFile() as source, tempfile.NamedTemporaryFile() as out:
        source.write(text.encode()); source.flush()
        said = subprocess.run([driver, path, source.name, out.name], capture_output=True, text=True)
        if said.returncode:
            sys.exit(f"{path} {name}: {said.stderr}")
        ours = np.fromfile(out.name, np.int32)
    theirs = np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int32)
    same = min(len(ours), len(theirs)); differ = np.flatnonzero(ours[:same] != theirs[:same])
    if len(ours) != len(theirs) or len(differ):
        at = int(differ[0]) if len(differ) else same
        shown = [[tokenizer.id_to_token(int(i)) for i in ids[max(at - 3, 0):at + 4]] for ids in (ours, theirs)]
        sys.exit(f"{path} {name}: {len(ours)} ids, expected {len(theirs)}; first difference at {at}: {shown[0]} for {shown[1]}")
    return len(ours), said.stdout.strip()


def main():
    args = sys.argv[1:]; fuzz = 0
    if "--fuzz" in args:
        at = args.index("--fuzz"); fuzz = int(args[at + 1]); del args[at:at + 2]
    cut = args.index("--"); driver, paths, texts = args[0], args[1:cut], args[cut + 1:]
    for path in paths:
        tokenizer = Tokenizer.from_file(path)
        for name in texts:
            count, said = compare(driver, path, tokenizer, open(name, encoding="utf-8", newline="").read(), name)
            print(f"{path} {name}: {count} ids identical; {said}", flush=True)
        added = [t["content"] for t in json.load(open(path, encoding="utf-8"))["added_tokens"]] or [" "]
        total = sum(compare(driver, path, tokenizer, hostile_text(seed, added), f"seed {seed}")[0] for seed in range(fuzz))
        print(f"{path}: {fuzz} generated texts, {total} ids identical (tokenizers {tokenizers.__version__})", flush=True)


main()
