#!/bin/sh
# usage: test/fault/calls.sh [CASE...]
# Makes every system call that changes files fail, one after the other and each with the errors that
# it can give. A disk that is full fails all later calls too, after a short write. The command must
# end with exit 4 and a message; nothing is lost, and the same command completes afterwards.
# RUNS limits the runs of a case and error (default: all). SHARE=I/N: every N-th call from the I-th.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/fault/lib.sh
. test/fault/lib.sh
make_artefacts
writers="tokenize magnitude random rounding matched wanda calibrate logits cache shuffled topk
gated seeds-of-train export compare compare-json sparsify gemma-scope to-mask to-torch
to-compressed to-cache bare sorted gguf-export transfer features promoted dashboard study report"
enospc=28 eio=5 edquot=122 eacces=13 erofs=30 emfile=24 eintr=4
runs=${RUNS:-0}

# fails CASE ERROR CLASSES EXITS: one call fails.
fails() {
	expects "$3 fail with errno $2: $1" sweep "$1" --calls "$3" --action fail --error "$2" \
		--allow "$4" --runs "$runs"
}

# shellcheck disable=SC2048,SC2086 # a list of names
for case in ${*:-$writers}; do
	fails "$case" $enospc write,create,mkdir,truncate 4
	fails "$case" $eio write,sync,rename,unlink 4
	fails "$case" $edquot write,mkdir,create 4
	fails "$case" $eacces rename,unlink,mkdir,create 4
	fails "$case" $erofs rename,unlink,mkdir,create 4
	fails "$case" $emfile create,open 3,4
	fails "$case" $eintr write,read 3,4
	fails "$case" $eio read 3
	expects "the disk is full from a call on: $case" sweep "$case" --action fail-on \
		--calls write,sync,rename,mkdir,create --error $enospc --allow 4 --runs "$runs"
	expects "a short write, then a full disk: $case" sweep "$case" --action short \
		--calls write,sync,rename,mkdir,create --error $enospc --allow 4 --runs "$runs"
done
conclude calls.sh
