#!/bin/sh
# usage: test/fault/alloc.sh [CASE...]
# Makes every allocation of every command fail, one after the other: malloc and its kin, anonymous
# mappings, threads. The command must end with exit 5 and a message, or with the undisturbed result;
# nothing is left half done, and the same command completes afterwards.
# RUNS limits the runs of a case (default: all). STEP tries every STEP-th allocation only.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/fault/lib.sh
. test/fault/lib.sh
make_artefacts
cases="tokenize ppl logits calibrate magnitude global wanda stats export cache shuffled topk
batchtopk jumprelu relu gated seeds-of-train eval dictionary splice compare compare-json
transfer ablate seeds survival study dry-run emit-json emit-make emit-snakemake emit-slurm
report shardinfo"

# shellcheck disable=SC2048,SC2086 # a list of names
for case in ${*:-$cases}; do
	expects "no memory: $case" sweep "$case" --calls alloc --action fail --allow 5 \
		--runs "${RUNS:-0}" --step "${STEP:-1}"
done
conclude alloc.sh
