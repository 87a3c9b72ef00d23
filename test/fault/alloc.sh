#!/bin/sh
# usage: test/fault/alloc.sh [CASE...]
# Makes every allocation of every command fail, one after the other: malloc and its kin, anonymous
# mappings, threads. The command must end with exit 5 and a message, or with the undisturbed result;
# nothing is left half done, and the same command completes afterwards.
# RUNS limits the runs of a case (default: all). SHARE=I/N tries every N-th allocation from the I-th
# on, so N runs of this script try all of them, at one time or after each other.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/fault/lib.sh
. test/fault/lib.sh
methods=wanda
train_tokens=192
make_artefacts
cases="tokenize ppl logits rounded calibrate magnitude global random rounding matched wanda
stats export cache shuffled topk batchtopk jumprelu relu gated seeds-of-train eval dictionary
splice compare compare-json sparsify gemma-scope to-mask to-torch to-compressed from-bitmask
from-zeros to-cache bare sorted gguf gguf-tokens gguf-export transfer features promoted
known-promoted dashboard sparsity ablate spliced-ablate seeds survival study dry-run emit-json
emit-make emit-snakemake emit-slurm report shardinfo version"

# BLIS allocates for itself where it is the kernel.
with_blis="blis:ppl blis:logits blis:wanda blis:cache blis:topk blis:compare blis:ablate"

# shellcheck disable=SC2048,SC2086 # a list of names
for case in ${*:-$cases $with_blis}; do
	expects "no memory: $case" sweep "$case" --calls alloc --action fail --allow 5 \
		--runs "${RUNS:-0}"
done
conclude alloc.sh
