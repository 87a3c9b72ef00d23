#!/usr/bin/env python3
"""Makes the two texts of studies/paper.yaml in ./data. Needs Python with `datasets` (pip install
datasets) and a network; it downloads some 30 MB of FineWeb-Edu and WikiText-2.

usage: studies/get-paper-texts.py [FOLDER]    (data)

FineWeb-Edu: subset sample-10BT, streamed and shuffled with a buffer of 10,000 documents. Each document
is a line, its own line breaks replaced by spaces, until there are 10 MB. The paper gives no seed for
the shuffle; ours is 0. WikiText-2: the raw test split, byte for byte wiki.test.raw. The data set has
an empty text for each line with nothing but a blank; here it is that line again."""
import hashlib
import os
import sys

BYTES = 10_000_000
SEED = 0
WIKITEXT_SHA256 = "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08"


def write(path, lines, sha256=None):
    """The lines under a temporary name, which becomes the final one when all of them are there, and
    are those of this SHA-256."""
    part = path + ".part"
    with open(part, "w", encoding="utf-8", newline="") as out:
        out.writelines(lines)
    with open(part, "rb") as file:
        found = hashlib.sha256(file.read()).hexdigest()
    if sha256 and found != sha256:
        sys.exit(f"{part}: its SHA-256 is {found}, not {sha256}: the data set has changed")
    os.replace(part, path)
    print(f"{path}: {os.path.getsize(path):,} bytes")


def documents(rows):
    """A document a line, until there are enough bytes."""
    written = 0
    for row in rows:
        line = " ".join(row["text"].split("\n")).replace("\r", " ") + "\n"
        yield line
        written += len(line.encode())
        if written >= BYTES:
            return


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] and sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder = sys.argv[1] if len(sys.argv) > 1 else "data"
    fineweb = os.path.join(folder, "fineweb-edu-sample-10bt.txt")
    wikitext = os.path.join(folder, "wikitext-2-raw", "wiki.test.raw")
    try:
        from datasets import load_dataset
    except ImportError:
        sys.exit("this needs Python's `datasets`: pip install datasets")
    os.makedirs(os.path.dirname(wikitext), exist_ok=True)
    if not os.path.exists(fineweb):
        rows = load_dataset("HuggingFaceFW/fineweb-edu", name="sample-10BT", split="train",
                            streaming=True)
        write(fineweb, documents(rows.shuffle(seed=SEED, buffer_size=10_000)))
    if not os.path.exists(wikitext):
        rows = load_dataset("Salesforce/wikitext", "wikitext-2-raw-v1", split="test")
        write(wikitext, (row["text"] or " \n" for row in rows), WIKITEXT_SHA256)


main()
