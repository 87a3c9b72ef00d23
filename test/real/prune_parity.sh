#!/bin/sh
# Compares Wanda's masks of a real model with those that torch makes (Python with torch and
# transformers). Run it from the repository's root:
#   PRUNESCOPE_MODEL=DIR PRUNESCOPE_TEXTS="FILE..." [PYTHON=...] test/real/prune_parity.sh
# Each layer is compared with the reference's own masks in the layers below (--assume): its bits
# must agree but for ties. The masks that ours makes by itself are compared too, and the share is
# told.
# Exit 77 if the model or the text is not given.
[ -n "$PRUNESCOPE_MODEL" ] || { echo "PRUNESCOPE_MODEL is not set"; exit 77; }
[ -n "$PRUNESCOPE_TEXTS" ] || { echo "PRUNESCOPE_TEXTS is not set"; exit 77; }
set -e
make -s all
# shellcheck disable=SC2086 # a list of files, of which the first is used
set -- $PRUNESCOPE_TEXTS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sparsity=${PRUNESCOPE_SPARSITY:-0.5}
python=${PYTHON:-python3}
./prunescope tokenize "$PRUNESCOPE_MODEL" --text "$1" --window 256 --windows 8 --bos window \
	-o "$work/tokens.safetensors" --quiet
"$python" test/real/prune_parity.py reference "$PRUNESCOPE_MODEL" "$work" "$sparsity"
set -- prune "$PRUNESCOPE_MODEL" --method wanda --sparsity "$sparsity" \
	--tokens "$work/tokens.safetensors" --quiet
./prunescope "$@" -o "$work/own.safetensors"
./prunescope "$@" --assume "$work/reference.safetensors" -o "$work/assumed.safetensors"
"$python" test/real/prune_parity.py compare "$PRUNESCOPE_MODEL" "$work" "$sparsity"
echo "[       OK ] Wanda's masks agree with torch's"
