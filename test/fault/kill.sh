#!/bin/sh
# usage: test/fault/kill.sh [CASE...]
# Kills a command (SIGKILL) before every call that changes files. What has its final name by then
# must be what an undisturbed run puts there, and the same command must complete to the same bytes.
# RUNS limits the runs of a case (default: all). SHARE=I/N: every N-th call, from the I-th on.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/fault/lib.sh
. test/fault/lib.sh
make_artefacts
cases="study topk batchtopk jumprelu relu gated seeds-of-train export sparsify gemma-scope
to-mask to-torch to-compressed to-cache bare sorted gguf-export report cache shuffled wanda
tokenize"
# shellcheck disable=SC2048,SC2086 # a list of names
for case in ${*:-$cases}; do
	expects "killed: $case" sweep "$case" --action kill --runs "${RUNS:-0}" \
		--calls write,sync,rename,unlink,mkdir,create,truncate
done
conclude kill.sh
