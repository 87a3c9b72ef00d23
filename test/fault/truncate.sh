#!/bin/sh
# usage: test/fault/truncate.sh
# Shortens an input while a command uses it: before each of its calls and locks, by one byte, by a
# part of the last page, by pages; or writes over its middle. With every way of reading. The command
# must end with exit 3 and a message, or with the undisturbed result.
# RUNS limits the runs of each combination (default 14: 1,000 in all).
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/fault/lib.sh
. test/fault/lib.sh
make_artefacts
runs=${RUNS:-14}

# spoils CASE FILE [OPTION]: the file is spoiled under the command. What stands in it before it is
# opened is what the user gave, if nothing tells that it is not whole.
spoils() {
	for io in ${BACKENDS:-mmap pread uring}; do
		for how in "cut --cut 1 ${3:-}" "cut --cut 1000 ${3:-}" "cut --cut 9000 ${3:-}" \
			"put --after-open"; do
			# shellcheck disable=SC2086 # an action and its options
			IO=$io expects "$how, --io $io, ${2##*/}: $1" sweep "$1" --action $how \
				--victim "$2" --restore "$2" --no-rerun --allow 3 \
				--calls open,read,lock,stat,write,sync,alloc --runs "$runs"
		done
	done
}

spoils topk "$d/dense/shard-00000.safetensors"
spoils eval "$d/dense/shard-00000.safetensors"
spoils dictionary "$d/dictionary/params.npz"
spoils bare "$d/named.safetensors"
spoils gguf "$d/llama.gguf"
spoils logits "$m/model.safetensors"
spoils cache "$m/model.safetensors"
spoils logits "$d/mask"
spoils tokenize "$scratch/text" --after-open
conclude truncate.sh
